//! `authsome vault`: the vault's key is changed.

use std::fs;
use std::path::Path;

use serde::Serialize;

use super::app::App;
use super::error::Error;
use super::output;
use super::programs;
use super::prompt;
use super::syntax::Group;
use super::syntax::Parsed;
use super::syntax::Syntax;
use super::syntax::flag;
use super::syntax::valued;
use crate::audit::Event;
use crate::audit::Kind;
use crate::files;
use crate::program;
use crate::secret::Secret;
use crate::source::Spec;
use crate::vault::MasterKey;
use crate::vault::NewKey;

/// What `vault` says of itself.
pub(super) const SYNTAX: Syntax = Syntax {
    name: "vault",
    summary: "change the vault's key or passphrase",
    words: "rekey",
    ends_at_word: false,
    about: "Seal the vault with another key, as one step: whatever interrupts it, the vault opens with the old key or the new one.

Without an option the new key is random and kept in AUTHSOME_HOME/master.key.",
    groups: &[Group {
        title: "Options",
        options: &[
            flag("passphrase", "a passphrase, asked for at the terminal"),
            valued("passphrase-file", "FILE", "the passphrase in the first line of this file"),
            valued(
                "key",
                "SOURCE",
                "the key that env:NAME, file:PATH or command:LINE gives: 64 hexadecimal digits, or base64 of 32 bytes",
            ),
        ],
    }],
    notes: "The old key opens the vault as ever: AUTHSOME_MASTER_KEY, _FILE or _COMMAND, the passphrase, or master.key. Afterwards give \
the new one there. A key that is kept elsewhere takes the place of master.key, which is removed; its source is asked twice, and has to give the same.",
    examples: "authsome vault rekey\nauthsome vault rekey --passphrase\nauthsome vault rekey --key command:'pass show authsome'",
    run: vault,
};

/// Bytes of a key or a passphrase in a file, at the most.
const MAX_FILE: u64 = 16 * 1024;

/// Version 1 of the shape.
#[derive(Serialize)]
struct Answer {
    /// Version of this shape.
    version: u8,
    /// `kept` (in master.key), `given` or `passphrase`.
    key: &'static str,
}

/// Changes the key.
fn vault(parsed: &Parsed) -> Result<u8, Error> {
    if parsed.words(1..=1, "the word rekey")? != ["rekey"] {
        return Err(parsed.usage("vault takes the word rekey"));
    }
    let ways = ["passphrase", "passphrase-file", "key"];
    if ways.iter().filter(|way| parsed.has(way)).count() > 1 {
        return Err(parsed.usage("--passphrase, --passphrase-file and --key exclude each other"));
    }
    let app = App::open(parsed.verbosity)?;
    // Before anything is asked: a vault that can't be opened can't be sealed anew.
    app.store.snapshot().map_err(Error::from)?;
    let (key, kind) = new_key(parsed, &app)?;
    app.store.rekey(key).map_err(Error::from)?;
    app.audit.record(Event::of(Kind::Rekey));
    if parsed.verbosity.json {
        output::json(&Answer {
            version: 1,
            key: kind,
        });
    } else {
        let next = match kind {
            "kept" => "with a new key, in master.key",
            "given" => "with the given key; put it where the old one was",
            _ => {
                "with the passphrase; AUTHSOME_PASSPHRASE_FILE names a file with it where nobody can be asked"
            }
        };
        output::note(
            parsed.verbosity,
            &format!("the vault is sealed anew, {next}"),
        );
    }
    Ok(0)
}

/// The key that the options name, and what the answer calls it.
fn new_key(parsed: &Parsed, app: &App) -> Result<(NewKey, &'static str), Error> {
    if parsed.has("passphrase") {
        return Ok((NewKey::Passphrase(asked_twice()?), "passphrase"));
    }
    if let Some(path) = parsed.raw_values("passphrase-file").last() {
        let passphrase = passphrase_in(app, path.as_ref())?;
        return Ok((NewKey::Passphrase(passphrase), "passphrase"));
    }
    if parsed.has("key") {
        let form = "env:NAME, file:PATH or command:LINE";
        let spec = parsed.parsed("key", form, Spec::parse)?;
        let spec = spec.ok_or_else(|| parsed.usage("--key takes a value"))?;
        return Ok((NewKey::Given(given(app, &spec)?), "given"));
    }
    if app.store.vault().has_given_key() {
        return Err(Error::plain(
            "the vault's key comes from the environment, so authsome can't keep a new one",
        )
        .hint("give the new key with --key SOURCE, then put it where the old one was"));
    }
    Ok((NewKey::Kept, "kept"))
}

/// The passphrase in a file.
fn passphrase_in(app: &App, path: &Path) -> Result<Secret, Error> {
    refuse_kept(app, path)?;
    let text = files::read(path, MAX_FILE).map(Secret::new);
    let text = text.map_err(|error| {
        Error::new("cannot read the passphrase", error)
            .hint("check the file's name and its permissions")
    })?;
    checked(text.first_line())
}

/// Refuses the vault's own key file as a source: it goes away when the key is kept elsewhere.
fn refuse_kept(app: &App, path: &Path) -> Result<(), Error> {
    let Ok(source) = fs::canonicalize(path) else {
        // What isn't there is told by who reads it.
        return Ok(());
    };
    let own = [app.home.master_key(), app.home.next_master_key()];
    let is_own = own
        .iter()
        .any(|own| fs::canonicalize(own).is_ok_and(|own| own == source));
    if is_own {
        let shown = path.display();
        return Err(Error::plain(format!(
            "{shown} is where the vault keeps its own key; nothing was changed"
        ))
        .hint(
            "copy it to another place and name that, or give no option for a new key in master.key",
        ));
    }
    Ok(())
}

/// A new passphrase, typed twice.
fn asked_twice() -> Result<Secret, Error> {
    let first = checked(prompt::hidden("New passphrase: ")?)?;
    let second = prompt::hidden("Once more: ")?;
    if !first.same_as(&second) {
        return Err(
            Error::plain("the two passphrases differ; nothing was changed").hint("try again"),
        );
    }
    Ok(first)
}

/// A passphrase that isn't empty.
fn checked(passphrase: Secret) -> Result<Secret, Error> {
    if passphrase.is_empty() {
        return Err(Error::plain("the passphrase is empty; nothing was changed")
            .hint("give one in the first line"));
    }
    Ok(passphrase)
}

/// The key that a source gives, every time that it is asked: one that is another each time would be there no more when the vault is
/// to be opened.
fn given(app: &App, spec: &Spec) -> Result<MasterKey, Error> {
    if let Spec::File(path) = spec {
        refuse_kept(app, path)?;
    }
    let key = given_once(app, spec)?;
    let is_lasting = given_once(app, spec).is_ok_and(|again| again.id() == key.id());
    if !is_lasting {
        return Err(Error::plain(
            "the source gives another key each time, or none; nothing was changed",
        )
        .hint("name a source that keeps the key: it has to open the vault later"));
    }
    Ok(key)
}

/// The key that a source gives now.
fn given_once(app: &App, spec: &Spec) -> Result<MasterKey, Error> {
    let failed = |error: &dyn std::fmt::Display| {
        Error::new("no new key", error).hint("check the source that --key names")
    };
    let text = match spec {
        Spec::Variable(name) => {
            let value = app.parent.get(name);
            let value = value.ok_or_else(|| failed(&format!("{name} is not set")))?;
            Secret::new(value.as_encoded_bytes().to_vec())
        }
        Spec::File(path) => files::read(path, MAX_FILE)
            .map(Secret::new)
            .map_err(|error| failed(&error))?,
        Spec::Command(line) => {
            let words = program::split_words(line).map_err(|error| failed(&error))?;
            let output = program::output_of(&words, &programs::for_programs(app));
            Secret::from(output.map_err(|error| failed(&error))?)
        }
    };
    MasterKey::from_text(&text).ok_or_else(|| {
        failed(
            &"what the source gives is none: that is 64 hexadecimal digits, or base64 of 32 bytes",
        )
    })
}
