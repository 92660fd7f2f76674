//! The CA's public files: its certificate for others to trust, and those that it had before. What counts is the vault's; a copy beside
//! it that differs is an error.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::super::app::App;
use super::super::error::Error;
use super::Fingerprint;
use crate::broker::record::seconds;
use crate::clock;
use crate::files;
use crate::files::Home;
use crate::files::private;
use crate::tls::root::Certificate;

/// Bytes of a certificate's file, at the most: one for thousands of hosts.
const MAX_FILE: u64 = 1024 * 1024;

/// The mode of these files: there is nothing to hide.
const PUBLIC: u32 = 0o644;

/// How the certificate's copy is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Standing {
    /// It is that of the vault.
    Same,
    /// It isn't there.
    Missing,
    /// It is another.
    Differs,
}

/// Where the certificate's copy is.
pub(in crate::cli) fn path(home: &Home) -> PathBuf {
    home.ca().join("ca.pem")
}

/// How the copy is, beside this certificate.
///
/// # Errors
/// When it can't be read.
pub(in crate::cli) fn standing(home: &Home, certificate: &Certificate) -> Result<Standing, Error> {
    let path = path(home);
    match files::read(&path, MAX_FILE) {
        Ok(bytes) if bytes == certificate.pem().as_bytes() => Ok(Standing::Same),
        Ok(_) => Ok(Standing::Differs),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Standing::Missing),
        Err(error) => Err(of_file(&private::Error::io("read", &path)(error))),
    }
}

/// What there is to say of a copy that differs.
pub(in crate::cli) const REMEDY: &str = "find out who has changed it and whether anything trusts it; move it away, and \
                                         `authsome ca show` writes the vault's anew";

/// Checks that the copy is the certificate, or isn't there; tells whether it is there.
///
/// # Errors
/// When it differs, or can't be read.
pub(in crate::cli) fn check(home: &Home, certificate: &Certificate) -> Result<bool, Error> {
    match standing(home, certificate)? {
        Standing::Same => Ok(true),
        Standing::Missing => Ok(false),
        Standing::Differs => {
            let path = path(home);
            let what = format!(
                "{} is not the certificate of the CA in the vault",
                path.display()
            );
            Err(Error::plain(what).hint(REMEDY))
        }
    }
}

/// Sees to it that the copy is there, whatever was interrupted before.
///
/// # Errors
/// When it differs, or can't be written.
pub(super) fn publish(app: &App) -> Result<(), Error> {
    // By what the vault has now, while nobody changes it: of two that do this at once, none puts back what the other has replaced.
    app.store.hold_authority(|authority| {
        let Some(authority) = authority else {
            return Ok(());
        };
        if check(&app.home, &authority.certificate)? {
            return Ok(());
        }
        write(&app.home, "ca.pem", &authority.certificate)
    })
}

/// Keeps the certificate under another name, since its key goes, and removes the copy that was good.
///
/// # Errors
/// When the copy differs, or can't be written or removed.
pub(super) fn retire(home: &Home, certificate: &Certificate) -> Result<(), Error> {
    check(home, certificate)?;
    write(home, &old_name(certificate), certificate)?;
    private::remove(&path(home)).map_err(|error| of_file(&error))
}

/// The name that a certificate is kept under when its key is gone: when it ends, and which it is.
pub(super) fn old_name(certificate: &Certificate) -> String {
    let until = clock::rfc3339(seconds(certificate.good.end));
    let day = until.split('T').next().unwrap_or_default();
    let fingerprint = Fingerprint::of(&certificate.der);
    format!("ca-{day}-{}.pem", fingerprint.short())
}

/// Writes a certificate into the folder.
fn write(home: &Home, name: &str, certificate: &Certificate) -> Result<(), Error> {
    let folder = home.ca();
    let written = private::check_folder(home.path())
        .and_then(|()| {
            let made = files::create_private_folder(&folder);
            made.map_err(private::Error::io("make the folder", &folder))
        })
        .and_then(|()| private::check_folder(&folder))
        .and_then(|()| private::replace(&folder.join(name), certificate.pem().as_bytes(), PUBLIC));
    written.map_err(|error| of_file(&error))
}

/// A certificate whose key is gone.
pub(super) struct Old {
    /// Its file.
    pub(super) path: PathBuf,
    /// The certificate.
    pub(super) der: CertificateDer<'static>,
}

/// The certificates that were kept, by the day on which they end; without the one that is the CA's, which an interrupted change leaves.
pub(super) fn old(home: &Home, current: Option<&Certificate>) -> Vec<Old> {
    let entries = fs::read_dir(home.ca()).into_iter().flatten().flatten();
    let is_old = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with("ca-") && name.ends_with(".pem"))
    };
    let paths = entries.map(|entry| entry.path()).filter(is_old);
    let mut found: Vec<Old> = paths.filter_map(read).collect();
    found.retain(|old| current.is_none_or(|current| current.der != old.der));
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Reads a certificate that was kept.
fn read(path: PathBuf) -> Option<Old> {
    let pem = files::read(&path, MAX_FILE).ok()?;
    let der = CertificateDer::from_pem_slice(&pem).ok()?;
    Some(Old { path, der })
}

/// Whether there is something where the certificate's copy would be.
pub(super) fn is_taken(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// A file that can't be used.
fn of_file(error: &private::Error) -> Error {
    Error::plain(error.to_string()).hint(error.remedy())
}
