//! What several commands take from their command line, and what they take out of the vault.

use super::app::App;
use super::connect;
use super::error::Error;
use super::error::FAILED;
use super::error::LOGIN_NEEDED;
use super::syntax::Parsed;
use crate::broker;
use crate::broker::record::Held;
use crate::broker::record::Record;
use crate::broker::store::Snapshot;
use crate::provider::Name;
use crate::secret::Secret;

/// `--connection NAME`
///
/// # Errors
/// When it is no name.
pub(super) fn connection(parsed: &Parsed) -> Result<Option<Name>, Error> {
    let form = "a name of a-z, 0-9, dot, dash and underscore";
    parsed.parsed("connection", form, Name::parse)
}

/// The name of a provider, which need not be defined any more where it is stored.
///
/// # Errors
/// When there is neither a definition nor a connection of that name.
pub(super) fn provider(app: &App, word: &str) -> Result<Name, Error> {
    if let Some(name) = Name::parse(word) {
        if app.registry.find(word).is_some() {
            return Ok(name);
        }
        let snapshot = app.store.snapshot().map_err(Error::from)?;
        if !snapshot.of_provider(&name).is_empty() {
            return Ok(name);
        }
    }
    let definition = app.definition(word)?;
    definition.name().map_err(|invalid| Error::from(&invalid))
}

/// A record's credential, as it is now.
///
/// # Errors
/// When there is none.
pub(super) fn credential(app: &App, snapshot: &Snapshot, record: &Record) -> Result<Secret, Error> {
    let specs = match &record.held {
        Held::Sealed => Vec::new(),
        Held::Source { spec, .. } => vec![spec],
    };
    let surroundings = connect::surroundings(&app.parent, &app.registry, &specs);
    let failed = |error: &dyn std::fmt::Display, code: u8| {
        Error::new(&format!("no credential for {}", record.label()), error)
            .code(code)
            .hint(format!(
                "log in again with `authsome login {} --force`",
                record.provider
            ))
    };
    let source = broker::open(snapshot, record, &surroundings).map_err(|error| {
        let code = match error {
            broker::Error::LoggedOut | broker::Error::Stored(_) => LOGIN_NEEDED,
            broker::Error::Source(_) | broker::Error::Vault(_) => FAILED,
        };
        failed(&error, code)
    })?;
    let credential = source.current().map_err(|error| failed(&error, FAILED))?;
    Ok(credential.to_secret())
}

/// Bytes as text, for JSON.
///
/// # Errors
/// When they are not UTF-8.
pub(super) fn text(bytes: &[u8]) -> Result<&str, Error> {
    str::from_utf8(bytes).map_err(|_| {
        Error::plain("the credential is not UTF-8, which JSON can't hold").hint("leave --json out")
    })
}
