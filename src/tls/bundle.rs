//! The certificates that programs of this machine trust, as files of PEM: what the child's bundle begins with.

use std::io;
use std::iter;
use std::path::Path;
use std::path::PathBuf;

use crate::encoding;
use crate::environment::EXTRA;
use crate::environment::Environment;
use crate::files;
use crate::files::private;
use crate::files::trusted;

/// Where systems keep their bundle: Debian and Alpine, Fedora, openSUSE, RHEL, Alpine and BSD and macOS, FreeBSD, Solaris.
const SYSTEM_BUNDLES: [&str; 7] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
    "/etc/certs/ca-certificates.crt",
];

/// Bytes of a bundle, at the most.
const MAX_BUNDLE: u64 = 16 * 1024 * 1024;

/// What the parent's programs trust, as PEM: its SSL_CERT_FILE, else the system's bundle; `None` where there is neither. Read before
/// the child is there, which might be able to write to the file.
pub(crate) fn trusted(parent: &Environment) -> Option<Vec<u8>> {
    found(parent).map(|(_, pem)| pem)
}

/// The same, and the file that it is from.
pub(crate) fn found(parent: &Environment) -> Option<(PathBuf, Vec<u8>)> {
    let chosen = parent.get("SSL_CERT_FILE").map(PathBuf::from);
    chosen
        .into_iter()
        .chain(SYSTEM_BUNDLES.iter().map(PathBuf::from))
        .find_map(|path| read_pem(&path).ok().map(|pem| (path, pem)))
}

/// Returns a warning for each file of certificates that a variable names and that is passed over since the program's user could have
/// changed it: whose certificates root's authsome trusts is not for the program to say.
pub(crate) fn refused(parent: &Environment) -> Vec<String> {
    let Some(other) = trusted::kept_from() else {
        return Vec::new();
    };
    let names = iter::once("SSL_CERT_FILE").chain(EXTRA);
    let refused = names.filter_map(|name| {
        let why = trusted::open(Path::new(parent.get(name)?), other).err()?;
        let is_refused = matches!(why, private::Error::NotPrivate { .. });
        is_refused.then(|| format!("{name} is not used: {why}"))
    });
    refused.collect()
}

/// Reads a PEM file of certificates.
///
/// # Errors
/// When it can't be read or has none.
pub(crate) fn read_pem(path: &Path) -> io::Result<Vec<u8>> {
    let bytes = files::read(path, MAX_BUNDLE)?;
    let marker = b"-----BEGIN CERTIFICATE-----";
    if !bytes.windows(marker.len()).any(|window| window == marker) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "there is no certificate in it",
        ));
    }
    Ok(bytes)
}

/// The child's bundle: what the parent's programs trust, or Mozilla's roots, then our root.
pub(crate) fn for_child(trusted: Option<&[u8]>, root_pem: &str) -> Vec<u8> {
    joined(trusted.map_or_else(mozilla, <[u8]>::to_vec), root_pem)
}

/// Our root behind other certificates.
pub(crate) fn joined(mut base: Vec<u8>, root_pem: &str) -> Vec<u8> {
    if !base.is_empty() && !base.ends_with(b"\n") {
        base.push(b'\n');
    }
    base.extend_from_slice(root_pem.as_bytes());
    base
}

/// Mozilla's roots, compiled in, as PEM.
fn mozilla() -> Vec<u8> {
    webpki_root_certs::TLS_SERVER_ROOT_CERTS
        .iter()
        .flat_map(|certificate| encoding::pem("CERTIFICATE", certificate).into_bytes())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_names_no_bundle_is_passed_over() {
        let parent: Environment = [("SSL_CERT_FILE", "/nonexistent")].into_iter().collect();
        assert_eq!(trusted(&parent), trusted(&Environment::default()));
    }

    #[test]
    fn the_root_begins_on_a_line_of_its_own() {
        assert_eq!(joined(b"a".to_vec(), "b"), b"a\nb");
        assert_eq!(joined(b"a\n".to_vec(), "b"), b"a\nb");
        assert_eq!(joined(Vec::new(), "b"), b"b");
        assert!(mozilla().starts_with(b"-----BEGIN CERTIFICATE-----\n"));
    }
}
