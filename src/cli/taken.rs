//! What several commands take from their command line, and what they take out of the vault.

use super::app::App;
use super::error::Error;
use super::error::FAILED;
use super::error::LOGIN_NEEDED;
use super::interrupt;
use super::origins::OriginArgs;
use super::programs;
use super::syntax::Parsed;
use crate::broker;
use crate::broker::Material;
use crate::broker::Means;
use crate::broker::Stored;
use crate::broker::record::Held;
use crate::broker::record::Record;
use crate::broker::record::login_again;
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

/// A record's credential, as it is now: an access token that is about to end is replaced first.
///
/// # Errors
/// When there is none.
pub(super) fn credential(
    app: &App,
    origins: &OriginArgs,
    record: &Record,
) -> Result<Secret, Error> {
    let specs = match &record.held {
        Held::Sealed | Held::Oauth(_) => Vec::new(),
        Held::Source { spec, .. } => vec![spec],
    };
    let surroundings = programs::surroundings(&app.parent, &app.registry, &specs);
    let snapshot = app.store.snapshot().map_err(Error::from)?;
    let current = match broker::open(&snapshot, record, &surroundings) {
        Ok(Material::Source(source)) => source.current().map_err(broker::Error::Source),
        Ok(Material::Tokens(_)) => {
            // Only here may somebody have to be reached.
            let dialer = origins.own_dialer(app)?;
            let means = Means {
                dialer: &dialer,
                notices: &app.notices,
                audit: &app.audit,
            };
            interrupt::defer(app);
            let current = Stored::new(&app.store, record, &surroundings).current(&means);
            interrupt::check()?;
            current
        }
        Err(error) => Err(error),
    };
    let credential = current.map_err(|error| {
        let (code, hint) = match &error {
            broker::Error::LoggedOut
            | broker::Error::ForOthers
            | broker::Error::Stored(_)
            | broker::Error::LoginNeeded => {
                let again = login_again(&record.provider, &record.connection);
                (LOGIN_NEEDED, format!("log in again with `{again}`"))
            }
            broker::Error::Source(_) => (FAILED, "mend its source, or log in again".to_owned()),
            broker::Error::Vault(error) => (FAILED, error.remedy()),
            broker::Error::Refresh(error) => (FAILED, error.remedy().to_owned()),
        };
        Error::new(&format!("no credential for {}", record.label()), error)
            .code(code)
            .hint(hint)
    })?;
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
