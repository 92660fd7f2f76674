//! `authsome logout` and `authsome revoke`: connections that are let go.

use serde::Serialize;

use super::app::App;
use super::error::Error;
use super::output;
use super::syntax::Group;
use super::syntax::Parsed;
use super::syntax::Syntax;
use super::syntax::flag;
use super::syntax::valued;
use super::taken;
use crate::broker::record::Record;
use crate::provider::Name;

/// What `logout` says of itself.
pub(super) const LOGOUT: Syntax = Syntax {
    name: "logout",
    summary: "remove a stored connection",
    words: "P",
    ends_at_word: false,
    about: "Remove a stored connection of provider P. The credential itself stays good: the service that gave it can take it back.",
    groups: &[Group {
        title: "Options",
        options: &[
            valued("connection", "NAME", "this connection, not the default"),
            flag("all", "all connections of P"),
        ],
    }],
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
    about: "Remove all stored connections of provider P, and say where the service takes its keys back: that can only be done there.",
    groups: &[],
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
    /// Where the service takes keys back.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoke_at: Option<String>,
}

/// Removes one, or all.
fn logout(parsed: &Parsed) -> Result<u8, Error> {
    let words = parsed.words(1..=1, "the name of a provider")?;
    let connection = taken::connection(parsed)?;
    if connection.is_some() && parsed.has("all") {
        return Err(parsed.usage("--connection and --all exclude each other"));
    }
    let app = App::open(parsed.verbosity)?;
    let provider = taken::provider(&app, words.first().copied().unwrap_or_default())?;
    let (removed, heir) = if parsed.has("all") {
        (app.store.remove_all(&provider).map_err(Error::from)?, None)
    } else {
        let (removed, heir) = app
            .store
            .remove(&provider, connection.as_ref())
            .map_err(Error::from)?;
        (vec![removed], heir)
    };
    let answer = Answer::of(&provider, &removed, heir.as_ref());
    if parsed.verbosity.json {
        output::json(&answer);
        return Ok(0);
    }
    let names = answer.removed.join(", ");
    output::note(
        parsed.verbosity,
        &format!("logged out of {provider} ({names})"),
    );
    if let Some(heir) = &answer.new_default {
        output::note(parsed.verbosity, &format!("its default is {heir} now"));
    }
    Ok(0)
}

/// Removes all, and says where keys are revoked.
fn revoke(parsed: &Parsed) -> Result<u8, Error> {
    let words = parsed.words(1..=1, "the name of a provider")?;
    let app = App::open(parsed.verbosity)?;
    let provider = taken::provider(&app, words.first().copied().unwrap_or_default())?;
    let removed = app.store.remove_all(&provider).map_err(Error::from)?;
    let definition = app
        .registry
        .find(provider.as_str())
        .and_then(|entry| entry.as_ref().ok());
    let known = definition.and_then(|definition| app.provider(definition, None).ok());
    let mut answer = Answer::of(&provider, &removed, None);
    answer.revoke_at = known.and_then(|provider| provider.docs_url);
    if parsed.verbosity.json {
        output::json(&answer);
        return Ok(0);
    }
    let names = answer.removed.join(", ");
    let place = answer.revoke_at.as_deref().unwrap_or("the service itself");
    output::note(
        parsed.verbosity,
        &format!("removed {provider} ({names}); the keys themselves are revoked at {place}"),
    );
    Ok(0)
}

impl Answer {
    /// What was removed, and what took its place.
    fn of(provider: &Name, removed: &[Record], heir: Option<&Record>) -> Self {
        Self {
            version: 1,
            provider: provider.to_string(),
            removed: removed
                .iter()
                .map(|record| record.connection.to_string())
                .collect(),
            new_default: heir.map(|heir| heir.connection.to_string()),
            revoke_at: None,
        }
    }
}
