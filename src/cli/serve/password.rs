//! The password of the proxy: where it is from, and what it is now.

use std::path::Path;
use std::time::Duration;

use super::super::app::App;
use super::super::error::Error;
use super::super::programs;
use super::super::syntax::Parsed;
use crate::proxy::Password;
use crate::source::Source;
use crate::source::Spec;

/// What holds it where nothing is said.
const VARIABLE: &str = "AUTHSOME_PROXY_PASSWORD";

/// Bytes of it, at the least: it is all that keeps others from the credentials, and they can try as often as they like.
const SHORTEST: usize = 16;

/// Where it is from.
pub(super) struct PasswordSource {
    /// In words.
    spec: Spec,
    /// At work.
    source: Source,
}

/// What `--password-from` says.
///
/// # Errors
/// When it says nothing of use.
pub(super) fn read(parsed: &Parsed) -> Result<Option<Spec>, Error> {
    let form = "env:NAME, file:PATH or command:LINE";
    parsed
        .parsed("password-from", form, Spec::parse)
        .map_err(|error| {
            error.hint(
                "the password itself never goes on the command line, where others can read it",
            )
        })
}

impl PasswordSource {
    /// The source that is named, else the variable for it. What a variable holds is in no environment from here on.
    ///
    /// # Errors
    /// When there is none, or it gives nothing.
    pub(super) fn open(spec: Option<&Spec>, app: &mut App) -> Result<Self, Error> {
        let given = spec.cloned().or_else(|| {
            let is_set = app.parent.get(VARIABLE).is_some();
            is_set.then(|| Spec::Variable(VARIABLE.to_owned()))
        });
        let spec = given.ok_or_else(|| {
            Error::plain("the proxy needs a password: whoever has it uses your credentials").hint(format!(
                "set {VARIABLE}, or name where it is with --password-from file:PATH (`openssl rand -hex 16` makes one)"
            ))
        })?;
        let specs = [&spec];
        let commands = programs::surroundings(&app.parent, &app.registry, &specs).commands;
        // Each time that it is asked for.
        let source = Source::open(&spec, &app.parent, &commands, Duration::ZERO);
        let source = source.map_err(|error| unusable(&error))?;
        let names: Vec<String> = programs::variables(&specs).map(str::to_owned).collect();
        for name in names.iter().map(String::as_str).chain([VARIABLE]) {
            app.parent.remove(name);
        }
        programs::forget_sources(&names);
        Ok(Self { spec, source })
    }

    /// The file that it is from, if it is from one.
    pub(super) fn file(&self) -> Option<&Path> {
        match &self.spec {
            Spec::File(path) => Some(path),
            Spec::Variable(_) | Spec::Command(_) => None,
        }
    }

    /// What it is now.
    ///
    /// # Errors
    /// When its source gives nothing, or too little.
    pub(super) fn current(&self) -> Result<Password, Error> {
        let found = self.source.current().map_err(|error| unusable(&error))?;
        if found.expose().len() < SHORTEST {
            return Err(Error::plain(format!(
                "the proxy's password is shorter than {SHORTEST} bytes"
            ))
            .hint("take one that nobody guesses: `openssl rand -hex 16` makes one"));
        }
        Ok(Password::new(found.expose()))
    }
}

/// What is told of a source that gives nothing.
fn unusable(error: &dyn std::fmt::Display) -> Error {
    Error::new("no password for the proxy", error).hint("check what --password-from names")
}
