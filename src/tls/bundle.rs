//! The certificates that programs of this machine trust, as files of PEM: what the child's bundle begins with.

use std::collections::HashSet;
use std::io;
use std::iter;
use std::path::Path;
use std::path::PathBuf;

use memchr::memmem;

use crate::encoding;
use crate::environment::Environment;
use crate::files;
use crate::files::private;
use crate::files::trusted;
use crate::settings::Pem;
use crate::settings::Settings;

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

/// Bytes that the files of a folder have together, at the most.
const MAX_FOLDER: usize = 16 * 1024 * 1024;

/// Files of a folder that are looked at.
const MAX_FILES: usize = 4096;

/// The line before a certificate.
const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// The line behind it.
const END: &[u8] = b"-----END CERTIFICATE-----";

/// Certificates that the parent's programs trust.
pub(crate) struct Trusted {
    /// All of them as PEM; `None` where neither the system nor a setting has any.
    pub(crate) pem: Option<Vec<u8>>,
    /// The file at the beginning: SSL_CERT_FILE, else the system's bundle.
    pub(crate) base: Option<PathBuf>,
    /// Variables and files that name the others.
    pub(crate) others: Vec<String>,
    /// Settings whose certificates can't be used, and why.
    pub(crate) warnings: Vec<String>,
}

/// Reads what the parent's programs trust: SSL_CERT_FILE, else the system's bundle, and behind it what single tools' settings name,
/// each certificate once. Read before the child is there, which might be able to write to the files.
pub(crate) fn trusted(parent: &Environment, settings: &Settings) -> Trusted {
    let (base, mut pem) = found(parent).unzip();
    let (mut others, mut warnings) = (Vec::new(), Vec::new());
    let mut seen: Vec<&Path> = base.iter().map(PathBuf::as_path).collect();
    let mut more = Vec::new();
    for certificates in &settings.certificates {
        let place = &certificates.place;
        let read = match &certificates.pem {
            Pem::Path(path) => {
                let path = bundle_of(path).unwrap_or(path);
                if seen.contains(&path) {
                    continue;
                }
                seen.push(path);
                let read = read_any(path);
                read.map_err(|error| format!("{place} is not used: {}: {error}", path.display()))
            }
            Pem::Text(text) => check_pem(text.clone().into_bytes())
                .map_err(|error| format!("{place} is not used: {error}")),
        };
        match read {
            Ok(bytes) => {
                if pem.as_ref() != Some(&bytes) && !more.contains(&bytes) {
                    more.push(bytes);
                }
                if !others.contains(place) {
                    others.push(place.clone());
                }
            }
            Err(warning) => warnings.push(warning),
        }
    }
    if !more.is_empty() {
        pem = Some(united(pem.unwrap_or_else(mozilla), &more));
    }
    Trusted {
        pem,
        base,
        others,
        warnings,
    }
}

/// Returns the first file of SSL_CERT_FILE and the system's bundles that has certificates, and its content.
fn found(parent: &Environment) -> Option<(PathBuf, Vec<u8>)> {
    let chosen = parent.get("SSL_CERT_FILE").map(PathBuf::from);
    chosen
        .into_iter()
        .chain(SYSTEM_BUNDLES.iter().map(PathBuf::from))
        .find_map(|path| read_pem(&path).ok().map(|pem| (path, pem)))
}

/// Returns the system's bundle where this is its folder: it is made of the files beside it.
fn bundle_of(folder: &Path) -> Option<&'static Path> {
    let mut bundles = SYSTEM_BUNDLES.iter().map(Path::new);
    bundles.find(|bundle| bundle.parent() == Some(folder) && bundle.is_file())
}

/// Reads certificates from a file, or from the files of a folder.
fn read_any(path: &Path) -> io::Result<Vec<u8>> {
    // Not by asking the system what it is: what an open descriptor stands for is no folder.
    match read_pem(path) {
        Err(_) if path.is_dir() => read_folder(path),
        read => read,
    }
}

/// Reads the certificates of a folder's files.
fn read_folder(folder: &Path) -> io::Result<Vec<u8>> {
    if let Some(other) = trusted::kept_from() {
        let purpose = trusted::Purpose::Read(other);
        trusted::folder(folder, purpose).map_err(private::Error::into_io)?;
    }
    let entries = std::fs::read_dir(folder)?.take(MAX_FILES).flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        let Ok(pem) = read_pem(&path) else {
            continue;
        };
        if all.len() + pem.len() > MAX_FOLDER {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        all.extend(pem);
        all.push(b'\n');
    }
    check_pem(all)
}

/// The certificates of a PEM file, and behind them those of other files that it hasn't.
fn united(mut base: Vec<u8>, others: &[Vec<u8>]) -> Vec<u8> {
    let body = |block: &[u8]| -> Vec<u8> {
        let bytes = block.iter().copied();
        bytes.filter(|byte| !byte.is_ascii_whitespace()).collect()
    };
    let mut known: HashSet<Vec<u8>> = blocks(&base).map(body).collect();
    for block in others.iter().flat_map(|other| blocks(other)) {
        if known.insert(body(block)) {
            if !base.ends_with(b"\n") {
                base.push(b'\n');
            }
            base.extend_from_slice(block);
            base.push(b'\n');
        }
    }
    base
}

/// The certificates of a PEM file, each from its first line to its last.
fn blocks(pem: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = pem;
    iter::from_fn(move || {
        let from = rest.get(memmem::find(rest, BEGIN)?..)?;
        let end = memmem::find(from, END)? + END.len();
        let (block, after) = from.split_at_checked(end)?;
        rest = after;
        Some(block)
    })
}

/// Reads a PEM file of certificates.
///
/// # Errors
/// When it can't be read or has none.
pub(crate) fn read_pem(path: &Path) -> io::Result<Vec<u8>> {
    check_pem(files::read(path, MAX_BUNDLE)?)
}

/// Gives PEM back if it has a certificate.
fn check_pem(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    if memmem::find(&bytes, BEGIN).is_none() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "there is no certificate in it",
        ));
    }
    Ok(bytes)
}

/// The child's bundle: what the parent's programs trust, or Mozilla's roots, then our root.
pub(crate) fn for_child(trusted: Option<&[u8]>, root_pem: &str) -> Vec<u8> {
    let Some(trusted) = trusted else {
        return joined(mozilla(), root_pem);
    };
    // With all of its room from the start: it is long, and a program waits for it.
    let mut base = Vec::with_capacity(trusted.len() + 1 + root_pem.len());
    base.extend_from_slice(trusted);
    joined(base, root_pem)
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

    /// What is trusted with these variables, and what was wrong.
    fn with(variables: &[(&str, &str)]) -> Trusted {
        let parent = variables.iter().copied().collect();
        trusted(&parent, &Settings::from_env(&parent))
    }

    #[test]
    fn a_variable_that_names_no_bundle_is_passed_over_with_a_warning() {
        for (name, count) in [("SSL_CERT_FILE", 1), ("CURL_CA_BUNDLE", 1), ("OTHER", 0)] {
            let found = with(&[(name, "/nowhere/ca.pem")]);
            assert_eq!(found.pem, with(&[]).pem);
            assert_eq!(found.warnings.len(), count, "{:?}", found.warnings);
            assert!(found.others.is_empty());
        }
        let nix = with(&[("SSL_CERT_FILE", "/no-cert-file.crt")]);
        assert!(nix.warnings.is_empty());
    }

    #[test]
    fn certificates_of_several_files_are_there_once_each() {
        let block =
            |body: &str| format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----");
        let one = format!("# one\n{}", block("QQ\nRR"));
        let other = format!(
            "key\n{}\n\n{}unended\n-----BEGIN CERTIFICATE-----\nXX",
            block("QQRR"),
            block("SS")
        );
        let all = united(one.clone().into_bytes(), &[other.into_bytes()]);
        assert_eq!(
            String::from_utf8(all).unwrap(),
            format!("{one}\n{}\n", block("SS"))
        );
        assert_eq!(blocks(b"-----BEGIN CERTIFICATE-----").count(), 0);
    }

    #[test]
    fn the_root_begins_on_a_line_of_its_own() {
        assert_eq!(joined(b"a".to_vec(), "b"), b"a\nb");
        assert_eq!(joined(b"a\n".to_vec(), "b"), b"a\nb");
        assert_eq!(joined(Vec::new(), "b"), b"b");
        assert!(mozilla().starts_with(b"-----BEGIN CERTIFICATE-----\n"));
    }
}
