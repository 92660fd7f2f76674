//! What a person reads when a command fails: what failed, because of what, and what to do.

use std::fmt;

use crate::broker::store;
use crate::provider::reader::Invalid;
use crate::vault;

/// Exit code: the command failed.
pub(crate) const FAILED: u8 = 1;
/// Exit code: the command line is wrong.
pub(crate) const USAGE: u8 = 2;
/// Exit code: there is no such provider or connection.
pub(crate) const UNKNOWN: u8 = 3;
/// Exit code: a login is needed first.
pub(crate) const LOGIN_NEEDED: u8 = 4;
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
    /// A failure that says all in one phrase.
    pub(crate) fn plain(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hint: None,
            code: FAILED,
        }
    }

    /// A failure because of something.
    pub(crate) fn new(what: &str, because: impl fmt::Display) -> Self {
        Self::plain(format!("{what}: {because}"))
    }

    /// A command line that is wrong; of this command, or of none where that is empty.
    pub(crate) fn usage(what: impl fmt::Display, command: &str) -> Self {
        let space = if command.is_empty() { "" } else { " " };
        Self::plain(what.to_string())
            .hint(format!("see `authsome {command}{space}--help`"))
            .code(USAGE)
    }

    /// A signal came while the person was asked.
    pub(crate) fn interrupted(signal: i32) -> Self {
        let code = u8::try_from(128 + signal).unwrap_or(FAILED);
        Self::plain("interrupted; nothing was changed").code(code)
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

impl From<vault::Error> for Error {
    fn from(error: vault::Error) -> Self {
        if let vault::Error::Interrupted(signal) = error {
            return Self::interrupted(signal);
        }
        let remedy = error.remedy();
        Self::plain(error.to_string()).hint(remedy)
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        let text = error.to_string();
        match error {
            store::Error::Vault(error) => error.into(),
            store::Error::NotConnected {
                provider,
                connection: None,
            } => Self::plain(text)
                .code(LOGIN_NEEDED)
                .hint(format!("log in with `authsome login {provider}`")),
            store::Error::NotConnected { provider, .. } => Self::plain(text)
                .code(UNKNOWN)
                .hint(format!("see `authsome get {provider}` and `authsome list`")),
            store::Error::Changed => Self::plain(text).hint("try again"),
            store::Error::Exists(record) => Self::plain(text).hint(format!(
                "`authsome login {} --connection NAME` adds another, --force replaces this one",
                record.provider
            )),
        }
    }
}
