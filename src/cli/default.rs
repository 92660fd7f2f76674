//! `authsome default`: which of a provider's connections its requests use.

use serde::Serialize;

use super::app::App;
use super::error::Error;
use super::output;
use super::syntax::Parsed;
use super::syntax::Syntax;
use super::taken;
use crate::audit::Event;
use crate::audit::Kind;
use crate::provider::Name;

/// What `default` says of itself.
pub(super) const SYNTAX: Syntax = Syntax {
    name: "default",
    summary: "choose which of a provider's connections is used",
    words: "P NAME",
    ends_at_word: false,
    about: "Make the connection NAME the one that requests to provider P use. A run that is going on keeps the one that it has.",
    groups: &[],
    notes: "",
    examples: "authsome default github work",
    run: default,
};

/// Version 1 of the shape.
#[derive(Serialize)]
struct Answer<'a> {
    /// Version of this shape.
    version: u8,
    /// The provider.
    provider: &'a str,
    /// The connection that is its default now.
    connection: &'a str,
}

/// Chooses it.
fn default(parsed: &Parsed) -> Result<u8, Error> {
    let words = parsed.words(2..=2, "a provider and the name of a connection")?;
    let word = |index: usize| words.get(index).copied().unwrap_or_default();
    let app = App::open(parsed.verbosity)?;
    let provider = taken::provider(&app, word(0))?;
    let connection = Name::parse(word(1)).ok_or_else(|| {
        parsed.usage("a connection's name is of a-z, 0-9, dot, dash and underscore")
    })?;
    app.store
        .set_default(&provider, &connection)
        .map_err(Error::from)?;
    app.audit.record(Event::about(
        Kind::Default,
        provider.as_str(),
        Some(connection.as_str()),
    ));
    if parsed.verbosity.json {
        output::json(&Answer {
            version: 1,
            provider: provider.as_str(),
            connection: connection.as_str(),
        });
    } else {
        output::note(
            parsed.verbosity,
            &format!("{provider} uses {connection} now"),
        );
    }
    Ok(0)
}
