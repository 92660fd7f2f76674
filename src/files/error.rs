//! Why a file of ours can't be used, and what a person can do about it.

use std::fmt;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

/// Why a file of ours can't be used.
#[derive(Debug)]
pub(crate) enum Error {
    /// The operating system refuses.
    Io {
        /// What was tried, as a verb.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        error: io::Error,
    },
    /// Someone else could have read or changed it.
    NotPrivate {
        /// Which file.
        path: PathBuf,
        /// What is wrong, as the rest of a sentence.
        why: String,
        /// The command that mends it.
        remedy: String,
    },
    /// It is done, but a crash of the system could undo it yet.
    NotOnDisk {
        /// In which folder.
        folder: PathBuf,
        /// Why that isn't known.
        error: io::Error,
    },
    /// Another process has held the lock for too long.
    Busy {
        /// The lock.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The lock's file is not the one that was locked.
    LockGone(PathBuf),
}

impl Error {
    /// An error of the operating system.
    pub(crate) fn io<'a>(what: &'static str, path: &'a Path) -> impl Fn(io::Error) -> Self + 'a {
        move |error| Self::Io {
            what,
            path: path.to_owned(),
            error,
        }
    }

    /// Turns the error into one of the operating system: the one it came from, or one with the same text.
    pub(crate) fn into_io(self) -> io::Error {
        match self {
            Self::Io { error, .. } => error,
            other => io::Error::new(io::ErrorKind::PermissionDenied, other.to_string()),
        }
    }

    /// What a person can do about it.
    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::Io { error, .. } if error.kind() == io::ErrorKind::StorageFull => {
                "make room on that disk, and try again: nothing was changed".into()
            }
            Self::Io { what, error, .. } if *what != "read" && is_limit(error) => {
                "make room, or raise the limit (ulimit -f), and try again: nothing was changed"
                    .into()
            }
            Self::Io { .. } => "check the folder, its permissions and its owner".into(),
            Self::NotPrivate { remedy, .. } => remedy.clone(),
            Self::NotOnDisk { .. } => {
                "check the folder's permissions and the disk; what was written is there for now"
                    .into()
            }
            Self::LockGone(_) => {
                "leave that file alone while authsome is at work, and try again".into()
            }
            Self::Busy { .. } => "see which other authsome is still at work, or try again".into(),
        }
    }
}

/// Whether this user, or this process, may not write as much.
fn is_limit(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::FileTooLarge | io::ErrorKind::QuotaExceeded
    )
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { what, path, error } => {
                write!(f, "cannot {what} {}: {error}", path.display())
            }
            Self::NotPrivate { path, why, .. } => write!(f, "{} {why}", path.display()),
            Self::NotOnDisk { folder, error } => write!(
                f,
                "the system does not say whether it is on the disk (folder {}): {error}",
                folder.display()
            ),
            Self::LockGone(path) => write!(
                f,
                "somebody has removed {} while it was held; nothing was changed",
                path.display()
            ),
            Self::Busy { path, waited } => write!(
                f,
                "another process has held {} for {} s",
                path.display(),
                waited.as_secs()
            ),
        }
    }
}
