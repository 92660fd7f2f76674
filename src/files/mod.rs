//! Files of ours: where they are, who may read them, and how they change.

pub(crate) mod append;
mod error;
mod leftover;
pub(crate) mod lock;
pub(crate) mod private;
pub(crate) mod run_directory;
pub(crate) mod trusted;

use std::fs::DirBuilder;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Read;
use std::io::Seek;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::sys::descriptor;
pub(crate) use run_directory::RunDirectory;
pub(crate) use run_directory::is_run_directory;

/// Where authsome keeps its things: `AUTHSOME_HOME`, or `.authsome` in the person's home.
#[derive(Clone)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// The home at this path; it need not exist.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// The person's own provider definitions.
    pub(crate) fn providers(&self) -> PathBuf {
        self.0.join("providers")
    }

    /// The sealed file.
    pub(crate) fn vault(&self) -> PathBuf {
        self.0.join("vault")
    }

    /// The file whose lock a writer of the vault holds. Not the vault itself: that is replaced by another file.
    pub(crate) fn vault_lock(&self) -> PathBuf {
        self.0.join("vault.lock")
    }

    /// The file whose lock is held while tokens of this name are refreshed.
    pub(crate) fn refresh_lock(&self, name: &str) -> PathBuf {
        self.0.join(format!("refresh.{name}.lock"))
    }

    /// The vault's key, where it is kept beside the vault.
    pub(crate) fn master_key(&self) -> PathBuf {
        self.0.join("master.key")
    }

    /// The log of what was done.
    pub(crate) fn audit_log(&self) -> PathBuf {
        self.0.join("audit.log")
    }

    /// The key that the vault is being sealed with anew.
    pub(crate) fn next_master_key(&self) -> PathBuf {
        self.0.join("master.key.next")
    }

    /// The folder of the certificate authority's public files: its certificate, and those that it had before.
    pub(crate) fn ca(&self) -> PathBuf {
        self.0.join("ca")
    }

    /// Makes the home if it isn't there, for this user alone.
    ///
    /// # Errors
    /// Those of making a directory.
    pub(crate) fn create(&self) -> io::Result<()> {
        create_private_folder(&self.0)
    }

    /// The home itself.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

/// Makes a folder, and those above it, for this user alone, if it isn't there.
///
/// # Errors
/// Those of making a directory.
pub(crate) fn create_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Reads a whole file of at most `limit` bytes.
///
/// # Errors
/// When the file can't be read; `FileTooLarge` when it is larger. A named pipe is refused, since nobody may ever write to it. Where the
/// program has a user of its own, so is a file that this user could have changed ([`trusted`]).
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    if let Some(number) = own_descriptor(path) {
        return read_open(open_own(path, number)?, limit);
    }
    if let Some(other) = trusted::kept_from() {
        let opened = trusted::open(path, other).map_err(private::Error::into_io);
        return read_open(opened?, limit);
    }
    let file = OpenOptions::new()
        .read(true)
        // Without waiting for a pipe's other end.
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    if file.metadata()?.file_type().is_fifo() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is a named pipe, and nothing may ever come out of it",
        ));
    }
    read_open(file, limit)
}

/// Standard input, once it was taken from the programs that are started.
static TAKEN: OnceLock<File> = OnceLock::new();

/// Keeps what a path stands for from the programs that are started from here on, where that is an open descriptor that they would
/// inherit. To be called, before any of them is, for what holds a secret.
pub(crate) fn keep_own(path: &Path) {
    match own_descriptor(path) {
        Some(libc::STDIN_FILENO) if TAKEN.get().is_none() => {
            // What isn't open is an error when it is read.
            if let Ok(Some(taken)) = descriptor::take_stdin() {
                // Nobody else takes it: there is one thread that starts things.
                let _ = TAKEN.set(taken);
            }
        }
        Some(number) if number > libc::STDERR_FILENO => descriptor::keep(number),
        _ => {}
    }
}

/// Returns whether a path stands for something that this process was given open, and that is read once.
pub(crate) fn is_own_descriptor(path: &Path) -> bool {
    own_descriptor(path).is_some()
}

/// Returns the number of the descriptor that a path stands for: a standard stream's, or that of what a shell puts in the place of
/// `<(...)`. A pipe there has its other end, and is waited for.
fn own_descriptor(path: &Path) -> Option<i32> {
    for (name, number) in [
        ("/dev/stdin", libc::STDIN_FILENO),
        ("/dev/stdout", libc::STDOUT_FILENO),
        ("/dev/stderr", libc::STDERR_FILENO),
    ] {
        if path == Path::new(name) {
            return Some(number);
        }
    }
    let folders = ["/dev/fd", "/proc/self/fd"].map(Path::new);
    let folder = path.parent()?;
    let number = path.file_name()?.to_str()?.parse().ok()?;
    (folders.contains(&folder) && number >= 0).then_some(number)
}

/// Opens what a path stands for under this number, to read it from its beginning.
fn open_own(path: &Path, number: i32) -> io::Result<File> {
    match TAKEN.get() {
        Some(taken) if number == libc::STDIN_FILENO => {
            let mut file = taken.try_clone()?;
            // A pipe has no beginning.
            let _ = file.rewind();
            Ok(file)
        }
        _ => File::open(path),
    }
}

/// Reads the rest of an open file, at most `limit` bytes.
///
/// # Errors
/// Those of reading; a larger file is `FileTooLarge`.
fn read_open(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One allocation where the size is known: a buffer that grows leaves copies of a secret behind.
    let size = file.metadata().map_or(0, |found| found.len()).min(limit);
    bytes.reserve_exact(usize::try_from(size).unwrap_or(0).saturating_add(1));
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("larger than {limit} bytes"),
        ));
    }
    Ok(bytes)
}

/// What tells whether a file has changed: device, inode, size, and the times of content and inode to the nanosecond.
pub(crate) type Stamp = [i64; 7];

/// The file's stamp, links followed: secrets mounted into containers are links that are moved over.
///
/// # Errors
/// Those of looking.
pub(crate) fn stamp(path: &Path) -> io::Result<Stamp> {
    let found = std::fs::metadata(path)?;
    let number = |n: u64| i64::from_ne_bytes(n.to_ne_bytes());
    Ok([
        number(found.dev()),
        number(found.ino()),
        number(found.size()),
        found.mtime(),
        found.mtime_nsec(),
        found.ctime(),
        found.ctime_nsec(),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_over_the_limit_is_refused() {
        let run = RunDirectory::create(&std::env::temp_dir()).unwrap();
        let file = run.write_public("f", &[0; 10]).unwrap();
        assert_eq!(read(&file, 10).unwrap().len(), 10);
        assert_eq!(
            read(&file, 9).unwrap_err().kind(),
            io::ErrorKind::FileTooLarge
        );
    }
}
