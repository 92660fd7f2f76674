//! `authsome logout` and `authsome revoke`: connections that are let go.

use serde::Serialize;

use super::app::App;
use super::error::Error;
use super::origins;
use super::origins::OriginArgs;
use super::output;
use super::syntax::Group;
use super::syntax::Parsed;
use super::syntax::Syntax;
use super::syntax::flag;
use super::syntax::valued;
use super::taken;
use crate::audit::Kind;
use crate::broker::grant::About;
use crate::broker::grant::Grant;
use crate::broker::record::Held;
use crate::broker::record::Record;
use crate::broker::store::Removed;
use crate::broker::take_back::take_back;
use crate::provider::Name;
use crate::secret::Secret;

/// What `logout` says of itself.
pub(super) const LOGOUT: Syntax = Syntax {
    name: "logout",
    summary: "remove a stored connection",
    words: "P",
    ends_at_word: false,
    about: "Remove a stored connection of provider P. Tokens are taken back by the service too, where it can do that (RFC 7009); a key \
stays good until the service takes it back.",
    groups: &[
        Group {
            title: "Options",
            options: &[
                valued("connection", "NAME", "this connection, not the default"),
                flag("all", "all connections of P"),
            ],
        },
        origins::OPTIONS,
    ],

    notes: "",
    examples: "authsome logout openai",
    run: logout,
};

/// What `revoke` says of itself.
pub(super) const REVOKE: Syntax = Syntax {
    name: "revoke",
    summary: "remove all connections of a provider, and say what else to do",
    words: "P",
    ends_at_word: false,
    about: "Remove all stored connections of provider P. Tokens are taken back by the service too, where it can do that (RFC 7009); for \
keys it is said where that is done.",
    groups: &[origins::OPTIONS],
    notes: "",
    examples: "authsome revoke openai",
    run: revoke,
};

/// Version 1 of the shape of both.
#[derive(Serialize)]
struct Answer {
    /// Version of this shape.
    version: u8,
    /// The provider.
    provider: String,
    /// The names of the connections that were removed.
    removed: Vec<String>,
    /// The connection that is the provider's default now, if that has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    new_default: Option<String>,
    /// What became of tokens at the service.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    revocations: Vec<Revocation>,
    /// Where the service takes keys back.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoke_at: Option<String>,
}

/// What became of a connection's tokens at the service.
#[derive(Serialize)]
struct Revocation {
    /// The connection.
    connection: String,
    /// Whether the service has taken them back.
    revoked: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Removes one, or all.
fn logout(parsed: &Parsed) -> Result<u8, Error> {
    let words = parsed.words(1..=1, "the name of a provider")?;
    let connection = taken::connection(parsed)?;
    if connection.is_some() && parsed.has("all") {
        return Err(parsed.usage("--connection and --all exclude each other"));
    }
    let origins = OriginArgs::read(parsed)?;
    let app = App::open(parsed.verbosity)?;
    let provider = taken::provider(&app, words.first().copied().unwrap_or_default())?;
    let (removed, heir) = if parsed.has("all") {
        (remove_all(&app, &provider)?, None)
    } else {
        let snapshot = app.store.snapshot().map_err(Error::from)?;
        let record = snapshot
            .find(&provider, connection.as_ref())
            .map_err(Error::from)?;
        let _locks = app.without_refreshes([&record]);
        let (removed, heir) = app
            .store
            .remove(&provider, Some(&record.connection))
            .map_err(Error::from)?;
        (vec![removed], heir)
    };
    removed
        .iter()
        .for_each(|removed| app.tell(Kind::Logout, &removed.record));
    let mut answer = Answer::of(&provider, &removed, heir.as_ref());
    answer.revocations = revocations(&app, &origins, &removed);
    if parsed.verbosity.json {
        output::json(&answer);
        return Ok(0);
    }
    let names = answer.removed.join(", ");
    output::note(
        parsed.verbosity,
        &format!("logged out of {provider} ({names})"),
    );
    answer.tell_revocations(&app);
    if let Some(heir) = &answer.new_default {
        output::note(parsed.verbosity, &format!("its default is {heir} now"));
    }
    Ok(0)
}

/// Removes all, and says where keys are revoked.
fn revoke(parsed: &Parsed) -> Result<u8, Error> {
    let words = parsed.words(1..=1, "the name of a provider")?;
    let origins = OriginArgs::read(parsed)?;
    let app = App::open(parsed.verbosity)?;
    let provider = taken::provider(&app, words.first().copied().unwrap_or_default())?;
    let removed = remove_all(&app, &provider)?;
    removed
        .iter()
        .for_each(|removed| app.tell(Kind::Revoke, &removed.record));
    let definition = app
        .registry
        .find(provider.as_str())
        .and_then(|entry| entry.as_ref().ok());
    let known = definition.and_then(|definition| app.provider(definition, None).ok());
    let mut answer = Answer::of(&provider, &removed, None);
    answer.revocations = revocations(&app, &origins, &removed);
    let is_done = answer.revocations.len() == removed.len()
        && answer.revocations.iter().all(|found| found.revoked);
    if !is_done {
        answer.revoke_at = known.and_then(|provider| provider.docs_url);
    }
    if parsed.verbosity.json {
        output::json(&answer);
        return Ok(0);
    }
    let names = answer.removed.join(", ");
    output::note(parsed.verbosity, &format!("removed {provider} ({names})"));
    answer.tell_revocations(&app);
    if !is_done {
        let place = answer.revoke_at.as_deref().unwrap_or("the service itself");
        output::note(
            parsed.verbosity,
            &format!("keys and tokens that are still good are revoked at {place}"),
        );
    }
    Ok(0)
}

/// Removes all connections of a provider. New tokens that are on their way are waited for, so that these are the ones that are taken
/// back.
fn remove_all(app: &App, provider: &Name) -> Result<Vec<Removed>, Error> {
    let snapshot = app.store.snapshot().map_err(Error::from)?;
    let _locks = app.without_refreshes(&snapshot.of_provider(provider));
    app.store.remove_all(provider).map_err(Error::from)
}

/// Has the service take back the tokens of connections that were removed. They are gone from here whatever it says.
fn revocations(app: &App, origins: &OriginArgs, removed: &[Removed]) -> Vec<Revocation> {
    let mut found = Vec::new();
    for Removed { record, secret } in removed {
        let Held::Oauth(about) = &record.held else {
            continue;
        };
        let failed = revoke_tokens(app, origins, about, secret.as_ref()).err();
        found.push(Revocation {
            connection: record.connection.to_string(),
            revoked: failed.is_none(),
            reason: failed,
        });
    }
    found
}

/// Has the service take back one connection's tokens.
fn revoke_tokens(
    app: &App,
    origins: &OriginArgs,
    about: &About,
    secret: Option<&Secret>,
) -> Result<(), String> {
    if about.revocation_url.is_none() {
        return Err("the service has no way to take tokens back".into());
    }
    let grant = secret.and_then(Grant::of_secret);
    let grant = grant.ok_or("its tokens could not be read")?;
    let dialer = origins.own_dialer(app).map_err(|error| error.what)?;
    take_back(about, &grant, &dialer)
}

impl Answer {
    /// What was removed, and what took its place.
    fn of(provider: &Name, removed: &[Removed], heir: Option<&Record>) -> Self {
        Self {
            version: 1,
            provider: provider.to_string(),
            removed: removed
                .iter()
                .map(|removed| removed.record.connection.to_string())
                .collect(),
            new_default: heir.map(|heir| heir.connection.to_string()),
            revocations: Vec::new(),
            revoke_at: None,
        }
    }

    /// Says what became of tokens.
    fn tell_revocations(&self, app: &App) {
        for found in &self.revocations {
            match &found.reason {
                None => output::note(app.verbosity, "the service has taken its tokens back"),
                Some(why) => app.notices.warn(format!(
                    "the tokens of {}/{} are gone from here, but the service has not taken them back: {why}",
                    self.provider, found.connection
                )),
            }
        }
    }
}
