//! A trust store as Java reads it: PKCS#12 (RFC 7292), with certificates and nothing else.
//!
//! ```text
//! PFX ─ version 3
//!     └ authSafe: data ─ AuthenticatedSafe ─ one content: data ─ SafeContents
//!         └ SafeBag (one a certificate): certBag ─ x509Certificate ─ OCTET STRING
//!               └ attributes: friendlyName, trustedKeyUsage
//! ```
//!
//! Nothing in it is encrypted and there is no MAC: certificates are public, and so no program needs a password for it. Java takes a
//! certificate for an anchor of trust only where it carries Oracle's attribute trustedKeyUsage.

use std::collections::HashSet;

use memchr::memmem;

use crate::encoding;

/// DER's tags (X.690 section 8): those of the structures above.
mod tag {
    /// INTEGER
    pub(super) const INTEGER: u8 = 0x02;
    /// OCTET STRING
    pub(super) const OCTET_STRING: u8 = 0x04;
    /// OBJECT IDENTIFIER
    pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
    /// BMPString
    pub(super) const BMP_STRING: u8 = 0x1e;
    /// SEQUENCE and SEQUENCE OF
    pub(super) const SEQUENCE: u8 = 0x30;
    /// SET OF
    pub(super) const SET: u8 = 0x31;
    /// `[0] EXPLICIT`
    pub(super) const EXPLICIT_0: u8 = 0xa0;
}

/// id-data, 1.2.840.113549.1.7.1 (RFC 5652 section 4).
const DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";

/// certBag, 1.2.840.113549.1.12.10.1.3 (RFC 7292 section 4.2.3).
const CERT_BAG: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x03";

/// x509Certificate, 1.2.840.113549.1.9.22.1 (RFC 7292 section 4.2.3).
const X509_CERTIFICATE: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x16\x01";

/// friendlyName, 1.2.840.113549.1.9.20 (RFC 2985 section 5.5.1).
const FRIENDLY_NAME: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x14";

/// Oracle's trustedKeyUsage, 2.16.840.1.113894.746875.1.1.
const TRUSTED_KEY_USAGE: &[u8] = b"\x60\x86\x48\x01\x86\xf9\x66\xad\xca\x7b\x01\x01";

/// anyExtendedKeyUsage, 2.5.29.37.0 (RFC 5280 section 4.2.1.12).
const ANY_USAGE: &[u8] = b"\x55\x1d\x25\x00";

/// A trust store of the certificates in a bundle of PEM, each once. What can't be read there is passed over.
pub(crate) fn trust_store(pem: &[u8]) -> Vec<u8> {
    let mut seen = HashSet::new();
    let mut bags = Vec::with_capacity(pem.len());
    for certificate in certificates(pem) {
        if !seen.contains(&certificate) {
            add_safe_bag(seen.len(), &certificate, &mut bags);
            seen.insert(certificate);
        }
    }
    // What stands around the bags is all in front of them: so they, which are large, are copied once.
    let safe = data_around(around(tag::SEQUENCE, Vec::new(), bags.len()), bags.len());
    let safe = data_around(around(tag::SEQUENCE, safe, bags.len()), bags.len());
    let version = der(tag::INTEGER, &[3]);
    let mut store = around(tag::SEQUENCE, joined(&[&version, &safe]), bags.len());
    store.append(&mut bags);
    store
}

/// The certificates of a bundle. Not by rustls' own reader, which takes as long as all of a run's start: it is made for keys, in a time
/// that tells nothing of them.
fn certificates(pem: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let begin = b"-----BEGIN CERTIFICATE-----";
    let mut letters = Vec::with_capacity(4096);
    memmem::find_iter(pem, begin).filter_map(move |at| {
        let rest = pem.get(at + begin.len()..)?;
        let body = rest.get(..memchr::memchr(b'-', rest)?)?;
        letters.clear();
        let words = body.split(u8::is_ascii_whitespace);
        words.for_each(|word| letters.extend_from_slice(word));
        encoding::base64_decode(&letters)
    })
}

/// Adds a certificate, with the name that Java knows it by, which no two may share, and the mark that it is trusted. What stands in front
/// is made around its length, so that the certificate is copied once.
fn add_safe_bag(number: usize, certificate: &[u8], bags: &mut Vec<u8>) {
    let name: Vec<u8> = format!("authsome-{number}")
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    let mut attributes = [
        attribute(FRIENDLY_NAME, &der(tag::BMP_STRING, &name)),
        attribute(TRUSTED_KEY_USAGE, &oid(ANY_USAGE)),
    ];
    // The order of a SET OF is that of its members' encodings (X.690 section 11.6).
    attributes.sort();
    let behind = der(tag::SET, &attributes.concat());
    let more = certificate.len();
    let value = around(tag::OCTET_STRING, Vec::new(), more);
    let value = around(tag::EXPLICIT_0, value, more);
    let bag = joined(&[&oid(X509_CERTIFICATE), &value]);
    let bag = around(tag::EXPLICIT_0, around(tag::SEQUENCE, bag, more), more);
    let bag = joined(&[&oid(CERT_BAG), &bag]);
    bags.append(&mut around(tag::SEQUENCE, bag, more + behind.len()));
    bags.extend_from_slice(certificate);
    bags.extend_from_slice(&behind);
}

/// An attribute with one value.
fn attribute(kind: &[u8], value: &[u8]) -> Vec<u8> {
    der(tag::SEQUENCE, &joined(&[&oid(kind), &der(tag::SET, value)]))
}

/// A ContentInfo (RFC 5652 section 3) that holds `front` and then so many more bytes: what comes before those.
fn data_around(front: Vec<u8>, more: usize) -> Vec<u8> {
    let content = around(tag::OCTET_STRING, front, more);
    let content = around(tag::EXPLICIT_0, content, more);
    around(tag::SEQUENCE, joined(&[&oid(DATA), &content]), more)
}

/// An object identifier, from its encoded arcs.
fn oid(arcs: &[u8]) -> Vec<u8> {
    der(tag::OBJECT_IDENTIFIER, arcs)
}

/// Encodings one behind the other.
fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// A value in DER: tag, length in the shortest form, content.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    around(tag, content.to_vec(), 0)
}

/// A value in DER whose content is `front` and then so many more bytes: what comes before those.
fn around(tag: u8, front: Vec<u8>, more: usize) -> Vec<u8> {
    let length = front.len() + more;
    let mut out = Vec::with_capacity(front.len() + 10);
    out.push(tag);
    match u8::try_from(length) {
        Ok(length @ 0..=127) => out.push(length),
        _ => {
            let length = length.to_be_bytes();
            let length = length.iter().skip_while(|byte| **byte == 0);
            // At most eight bytes.
            out.push(0x80 | u8::try_from(length.clone().count()).unwrap_or_default());
            out.extend(length);
        }
    }
    out.extend(front);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding;

    #[test]
    fn lengths_have_their_shortest_form() {
        let head = |length: usize| {
            let made = der(tag::OCTET_STRING, &vec![7; length]);
            made.get(..made.len() - length).unwrap().to_vec()
        };
        assert_eq!(head(0), [4, 0]);
        assert_eq!(head(127), [4, 127]);
        assert_eq!(head(128), [4, 0x81, 128]);
        assert_eq!(head(255), [4, 0x81, 255]);
        assert_eq!(head(256), [4, 0x82, 1, 0]);
        assert_eq!(head(65_536), [4, 0x83, 1, 0, 0]);
    }

    #[test]
    fn a_store_of_one_certificate_is_this_byte_for_byte() {
        let certificate = encoding::pem("CERTIFICATE", b"\xaa\xbb");
        let expected = concat!(
            "30818e020103",
            "30818806092a864886f70d010701a07b0479",
            "3077307506092a864886f70d010701a0680466",
            "30643062060b2a864886f70d010c0a0103",
            "a0143012060a2a864886f70d01091601a0040402aabb",
            "313d",
            "3016060c6086480186f966adca7b010131060604551d2500",
            "302306092a864886f70d01091431161e1400610075007400680073006f006d0065002d0030",
        );
        let store = trust_store(certificate.as_bytes());
        assert_eq!(encoding::hex(&store), expected);
    }

    #[test]
    fn each_certificate_is_in_it_once_whatever_stands_around_them() {
        let [one, two] = [b"one", b"two"].map(|der| encoding::pem("CERTIFICATE", der));
        let bundle = format!("# a comment\n{one}\n  text\n{two}{one}");
        let broken = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
        let key = encoding::pem("PRIVATE KEY", b"key");
        let expected = trust_store(format!("{one}{two}").as_bytes());
        for bundle in [
            bundle,
            format!("{one}{key}{two}"),
            format!("{one}{broken}{two}"),
        ] {
            assert_eq!(trust_store(bundle.as_bytes()), expected, "{bundle}");
        }
        assert_ne!(trust_store(one.as_bytes()), expected);
    }
}
