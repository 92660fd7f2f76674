//! Why a vault can't be used, and what a person can do about it.

use std::fmt;

use super::key::KEY;
use super::key::KEY_COMMAND;
use super::key::KEY_FILE;
use super::key::PASSPHRASE_FILE;
use crate::files::private;

/// Why a vault can't be used. Nothing has changed when one is given, but for [`Error::Written`].
#[derive(Debug)]
pub(crate) enum Error {
    /// The key isn't there.
    NoKey(String),
    /// This key is another one than the vault's.
    WrongKey(String),
    /// The key can't be had from where it should come from.
    Key(String),
    /// It is not as it was written.
    Damaged(&'static str),
    /// Others change it without end.
    Unsettled(&'static str),
    /// A later version of authsome wrote it.
    NewerVersion(u64),
    /// It would be larger than 64 MiB.
    TooLarge,
    /// The operating system has no randomness to give.
    Randomness(String),
    /// A file can't be used.
    File(private::Error),
    /// A signal came while the person was asked for the passphrase.
    Interrupted(i32),
    /// The change is in the vault, but what had to be done afterwards failed.
    Written(private::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey(why) => write!(f, "the vault's key is missing: {why}"),
            Self::WrongKey(whence) => {
                write!(
                    f,
                    "the vault is sealed with another key than that of {whence}"
                )
            }
            Self::Key(why) => write!(f, "no key for the vault: {why}"),
            Self::Damaged(why) => write!(f, "the vault is damaged: {why}"),
            Self::Unsettled(why) => write!(f, "the vault can't be used now: {why}"),
            Self::NewerVersion(version) => write!(
                f,
                "the vault has version {version} of its format; this authsome knows version 1"
            ),
            Self::TooLarge => f.write_str("the vault would be larger than 64 MiB"),
            Self::Randomness(why) => write!(f, "no randomness: {why}"),
            Self::File(error) => error.fmt(f),
            Self::Interrupted(_) => f.write_str("interrupted while the passphrase was asked for"),
            Self::Written(error) => write!(f, "the vault was written, but {error}"),
        }
    }
}

impl Error {
    /// What a person can do about it.
    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::NoKey(_) | Self::WrongKey(_) => format!(
                "bring the right key back ({KEY}, {KEY_FILE}, {KEY_COMMAND}, or master.key beside the vault); \
                 without it move the vault away and log in again"
            ),
            Self::Key(_) => format!("see {KEY}, {KEY_FILE}, {KEY_COMMAND} and {PASSPHRASE_FILE} in `authsome help`"),
            Self::Damaged(_) => {
                "nothing was changed: bring the file back from a copy, or move it away and log in again".into()
            }
            Self::NewerVersion(_) => "use the authsome that wrote it, or a newer one".into(),
            Self::TooLarge => "log out of what is not needed".into(),
            Self::Randomness(_) => "see why the system has none".into(),
            Self::File(error) | Self::Written(error) => error.remedy(),
            Self::Unsettled(_) | Self::Interrupted(_) => "try again".into(),
        }
    }

    /// The same about what came after the vault was written.
    pub(super) fn afterwards(self) -> Self {
        match self {
            Self::File(error) => Self::Written(error),
            other => other,
        }
    }
}

impl From<private::Error> for Error {
    fn from(error: private::Error) -> Self {
        Self::File(error)
    }
}
