//! What a person reads when a command fails: what failed, because of what, and what to do.

use std::fmt;

use crate::provider::reader::Invalid;

/// Exit code: the command failed.
pub(crate) const FAILED: u8 = 1;
/// Exit code: the command line is wrong.
pub(crate) const USAGE: u8 = 2;
/// Exit code: there is no such provider or connection.
pub(crate) const UNKNOWN: u8 = 3;
/// Exit code of `run`: authsome itself could not start.
pub(crate) const NOT_STARTED: u8 = 125;

/// A failed command.
#[derive(Debug)]
pub(crate) struct Error {
    /// What failed, and because of what.
    pub(crate) what: String,
    /// What to do.
    pub(crate) hint: Option<String>,
    /// The exit code.
    pub(crate) code: u8,
}

impl Error {
    /// A failure because of something.
    pub(crate) fn new(what: &str, because: impl fmt::Display) -> Self {
        Self {
            what: format!("{what}: {because}"),
            hint: None,
            code: FAILED,
        }
    }

    /// A command line that is wrong.
    pub(crate) fn usage(what: impl fmt::Display, command: &str) -> Self {
        Self {
            what: what.to_string(),
            hint: Some(format!("see `authsome {command}--help`")),
            code: USAGE,
        }
    }

    /// The same with what to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with another exit code.
    pub(crate) fn code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }
}

impl From<&Invalid> for Error {
    fn from(invalid: &Invalid) -> Self {
        Self::new("a provider's definition can't be used", invalid).hint(&invalid.remedy)
    }
}
