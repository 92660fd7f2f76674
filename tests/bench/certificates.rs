//! A certificate authority for the origins, and their certificate.

use std::fs;
use std::path::Path;

use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::CertifiedIssuer;
use rcgen::DnType;
use rcgen::IsCa;
use rcgen::KeyPair;

use super::Outcome;

/// What the origins are known by.
pub(crate) struct Certificates {
    /// The certificate of the authority, as PEM.
    pub(crate) authority: String,
    /// The certificate of the origins, as DER.
    pub(crate) leaf: Vec<u8>,
    /// Its key, as DER (PKCS #8).
    pub(crate) key: Vec<u8>,
}

impl Certificates {
    /// New ones for these names.
    pub(crate) fn make(names: Vec<String>) -> Outcome<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "authority of the bench");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let mut params = CertificateParams::new(names)?;
        params
            .distinguished_name
            .push(DnType::CommonName, "origin of the bench");
        let key = KeyPair::generate()?;
        let leaf = params.signed_by(&key, &authority)?;
        Ok(Self {
            authority: pem("CERTIFICATE", authority.der()),
            leaf: leaf.der().to_vec(),
            key: key.serialize_der(),
        })
    }

    /// Writes `ca.pem`, `leaf.pem` and `key.pem` into a folder.
    pub(crate) fn write(&self, folder: &Path) -> Outcome<()> {
        fs::write(folder.join("ca.pem"), &self.authority)?;
        fs::write(folder.join("leaf.pem"), pem("CERTIFICATE", &self.leaf))?;
        fs::write(folder.join("key.pem"), pem("PRIVATE KEY", &self.key))?;
        Ok(())
    }
}

/// DER as PEM (RFC 7468).
fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in der.chunks(48) {
        text.extend(line.chunks(3).flat_map(letters));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// Up to three bytes in base64, padded (RFC 4648 section 4).
fn letters(group: &[u8]) -> [char; 4] {
    /// What stands for each six bits.
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    let byte = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
    let number = byte(0) << 16 | byte(1) << 8 | byte(2);
    let letter = |index: usize| {
        let six = (number >> (18 - 6 * index)) & 63;
        let letter = ALPHABET.get(six as usize).copied().map_or('=', char::from);
        if index <= group.len() { letter } else { '=' }
    };
    [letter(0), letter(1), letter(2), letter(3)]
}
