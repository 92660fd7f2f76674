//! Issuer and key of an origin's certificate, for error messages only (RFC 5280 section 4.1).
#![deny(clippy::indexing_slicing)]

/// The tags of DER that stand in a certificate (X.690 section 8).
const SEQUENCE: u8 = 0x30;
/// The version of a certificate, `[0]`.
const VERSION: u8 = 0xa0;
/// A number.
const INTEGER: u8 = 0x02;
/// Bits, with the number of unused ones before them.
const BIT_STRING: u8 = 0x03;
/// A name of an algorithm.
const OID: u8 = 0x06;

/// rsaEncryption (RFC 3279 section 2.3.1).
const RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
/// id-ecPublicKey (RFC 5480 section 2.1.1).
const ELLIPTIC: &[u8] = b"\x2a\x86\x48\xce\x3d\x02\x01";
/// id-Ed25519 (RFC 8410 section 3).
const ED25519: &[u8] = b"\x2b\x65\x70";
/// secp256r1 and secp384r1, whose signatures can be verified (RFC 5480 section 2.1.1.1).
const CURVES: [&[u8]; 2] = [b"\x2a\x86\x48\xce\x3d\x03\x01\x07", b"\x2b\x81\x04\x00\x22"];
/// secp521r1, whose signatures can't be verified.
const P521: &[u8] = b"\x2b\x81\x04\x00\x23";

/// Bits of an RSA key whose signatures can be verified.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Parts of a certificate.
pub(super) struct Certificate<'a> {
    /// The name of the certificate's signer.
    issuer: &'a [u8],
    /// The name of the certificate's owner.
    subject: &'a [u8],
    /// The key, with its algorithm.
    key: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// Finds the parts of a certificate in DER.
    pub(super) fn parse(der: &'a [u8]) -> Option<Self> {
        let mut rest = content(SEQUENCE, &mut content(SEQUENCE, &mut &*der)?)?;
        if rest.first() == Some(&VERSION) {
            content(VERSION, &mut rest)?;
        }
        content(INTEGER, &mut rest)?;
        content(SEQUENCE, &mut rest)?;
        let issuer = content(SEQUENCE, &mut rest)?;
        content(SEQUENCE, &mut rest)?;
        Some(Self {
            issuer,
            subject: content(SEQUENCE, &mut rest)?,
            key: content(SEQUENCE, &mut rest)?,
        })
    }

    /// Returns whether the certificate names itself as its issuer.
    pub(super) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// Returns the kind of the certificate's key if signatures of that kind can't be verified.
    pub(super) fn unfit_key(&self) -> Option<String> {
        let mut rest = self.key;
        let mut algorithm = content(SEQUENCE, &mut rest)?;
        let kind = content(OID, &mut algorithm)?;
        if kind == RSA {
            let bits = content(BIT_STRING, &mut rest)?;
            let mut numbers = content(SEQUENCE, &mut bits.get(1..)?)?;
            let modulus = content(INTEGER, &mut numbers)?;
            let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
            let size = 8 * (modulus.len() - zeros);
            return (!RSA_BITS.contains(&size)).then(|| format!("an RSA key of {size} bits"));
        }
        if kind == ELLIPTIC {
            let curve = content(OID, &mut algorithm)?;
            return match curve {
                known if CURVES.contains(&known) => None,
                P521 => Some("a P-521 key".to_owned()),
                _ => Some("a key on a curve that is not known here".to_owned()),
            };
        }
        (kind != ED25519).then(|| "a key of a kind that is not known here".to_owned())
    }
}

/// Returns the content of the element at the start of `input`, which has this tag, and moves `input` behind it.
fn content<'a>(tag: u8, input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let rest = input.strip_prefix(&[tag])?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            let length = digits
                .iter()
                .fold(0, |sum, digit| sum << 8 | usize::from(*digit));
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    *input = rest;
    Some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An element.
    fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
        [vec![tag, 0x82, high, low], content].concat()
    }

    /// A certificate with this issuer, subject and key, as far as it is looked at.
    fn certificate(issuer: &[u8], subject: &[u8], key: &[&[u8]]) -> Vec<u8> {
        let name = |name| element(SEQUENCE, &[name]);
        let parts: [&[u8]; 7] = [
            &element(VERSION, &[b"\x02\x01\x02"]),
            &element(INTEGER, &[b"\x01"]),
            &element(SEQUENCE, &[]),
            &name(issuer),
            &element(SEQUENCE, &[]),
            &name(subject),
            &element(SEQUENCE, key),
        ];
        element(SEQUENCE, &[&element(SEQUENCE, &parts)])
    }

    /// An algorithm with its parameter.
    fn algorithm(kind: &[u8], parameter: &[u8]) -> Vec<u8> {
        element(
            SEQUENCE,
            &[&element(OID, &[kind]), &element(OID, &[parameter])],
        )
    }

    #[test]
    fn keys_that_cannot_be_verified_are_named() {
        let modulus = |bytes| element(INTEGER, &[&[0], &[0xff].repeat(bytes)]);
        let rsa = |bytes| {
            let numbers = element(SEQUENCE, &[&modulus(bytes), b"\x02\x01\x03"]);
            [algorithm(RSA, b""), element(BIT_STRING, &[&[0], &numbers])].concat()
        };
        for (key, expected) in [
            (rsa(128), Some("an RSA key of 1024 bits")),
            (rsa(256), None),
            (rsa(1025), Some("an RSA key of 8200 bits")),
            (algorithm(ELLIPTIC, CURVES[0]), None),
            (algorithm(ELLIPTIC, CURVES[1]), None),
            (algorithm(ELLIPTIC, P521), Some("a P-521 key")),
            (
                algorithm(ELLIPTIC, b"\x2b\x81\x04\x00\x0a"),
                Some("a key on a curve that is not known here"),
            ),
            (algorithm(ED25519, b""), None),
            (
                algorithm(b"\x2b\x65\x71", b""),
                Some("a key of a kind that is not known here"),
            ),
        ] {
            let der = certificate(b"a", b"b", &[&key]);
            let found = Certificate::parse(&der).unwrap();
            assert_eq!(found.unfit_key().as_deref(), expected);
        }
    }

    #[test]
    fn a_cut_certificate_is_none_and_its_issuer_is_seen() {
        let der = certificate(b"a", b"a", &[&algorithm(ED25519, b"")]);
        assert!(Certificate::parse(&der).unwrap().is_self_issued());
        for end in 0..der.len() {
            assert!(Certificate::parse(&der[..end]).is_none());
        }
        let other = certificate(b"a", b"b", &[&algorithm(ED25519, b"")]);
        assert!(!Certificate::parse(&other).unwrap().is_self_issued());
    }

    #[test]
    fn no_byte_of_a_certificate_breaks_its_reading() {
        let modulus = element(INTEGER, &[&[0], &[0xff; 128]]);
        let numbers = element(SEQUENCE, &[&modulus, b"\x02\x01\x03"]);
        let rsa = [algorithm(RSA, b""), element(BIT_STRING, &[&[0], &numbers])].concat();
        for key in [rsa, algorithm(ELLIPTIC, P521)] {
            let der = certificate(b"a", b"b", &[&key]);
            let mut read = 0;
            for place in 0..der.len() {
                for byte in 0..=u8::MAX {
                    let mut mutated = der.clone();
                    mutated[place] = byte;
                    if let Some(found) = Certificate::parse(&mutated) {
                        read += usize::from(found.unfit_key().is_some());
                    }
                }
            }
            assert!(read >= der.len());
        }
    }
}
