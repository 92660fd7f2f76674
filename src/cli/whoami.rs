//! `authsome whoami`: which home, which vault, which key.

use serde::Serialize;

use super::app::App;
use super::error::Error;
use super::output;
use super::syntax::Parsed;
use super::syntax::Syntax;
use crate::sys::process;

/// What `whoami` says of itself.
pub(super) const SYNTAX: Syntax = Syntax {
    name: "whoami",
    summary: "which home, which vault, which key",
    words: "",
    ends_at_word: false,
    about: "Say where this user's connections are kept, how many there are, and where the vault's key comes from.",
    groups: &[],
    notes: "",
    examples: "authsome whoami",
    run: whoami,
};

/// Version 1 of the shape.
#[derive(Serialize)]
struct Answer {
    /// Version of this shape.
    version: u8,
    /// That of authsome.
    authsome: &'static str,
    /// The user's number.
    user: u32,
    /// Where everything is kept.
    home: String,
    /// The log of what is done.
    audit: String,
    /// Whether there is a vault.
    vault: bool,
    /// Where its key comes from, in words.
    key: String,
    /// How many connections are stored.
    connections: usize,
    /// How many providers are known.
    providers: usize,
    /// Whether this is a program inside of a run.
    inside_run: bool,
}

/// Says it.
fn whoami(parsed: &Parsed) -> Result<u8, Error> {
    parsed.words(0..=0, "no words")?;
    let app = App::open(parsed.verbosity)?;
    let snapshot = app.store.snapshot().map_err(Error::from)?;
    let stamp = app.store.vault().stamp();
    let answer = Answer {
        version: 1,
        authsome: env!("CARGO_PKG_VERSION"),
        user: process::user(),
        home: app.home.path().display().to_string(),
        audit: app.home.audit_log().display().to_string(),
        vault: stamp.is_ok_and(|stamp| stamp.is_some()),
        key: app.store.vault().key_origin().map_err(Error::from)?,
        connections: snapshot.records().len(),
        providers: app.registry.iter().count(),
        inside_run: app.parent.get("AUTHSOME_RUN").is_some(),
    };
    if parsed.verbosity.json {
        output::json(&answer);
        return Ok(0);
    }
    let vault = if answer.vault { "" } else { " (not made yet)" };
    let mut text = format!(
        "authsome     {}\nuser         {}\nhome         {}\naudit log    {}\nvault's key  {}{vault}\nconnections  {}\nproviders    {}\n",
        answer.authsome,
        answer.user,
        answer.home,
        answer.audit,
        answer.key,
        answer.connections,
        answer.providers
    );
    if answer.inside_run {
        text.push_str("inside of    a run: requests from here go through its proxy\n");
    }
    output::text(&text);
    Ok(0)
}
