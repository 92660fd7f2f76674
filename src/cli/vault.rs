//! `authsome vault`: the vault's key is changed.

use serde::Serialize;

use super::app::App;
use super::connect;
use super::error::Error;
use super::output;
use super::prompt;
use super::syntax::Group;
use super::syntax::Parsed;
use super::syntax::Syntax;
use super::syntax::flag;
use super::syntax::valued;
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
the new one there. A key that is kept elsewhere takes the place of master.key, which is removed.",
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
    let (key, kind) = if parsed.has("passphrase") {
        (NewKey::Passphrase(asked_twice()?), "passphrase")
    } else if let Some(path) = parsed.raw_values("passphrase-file").last() {
        let text = files::read(path.as_ref(), MAX_FILE)
            .map(Secret::new)
            .map_err(|error| {
                Error::new("cannot read the passphrase", error)
                    .hint("check the file's name and its permissions")
            })?;
        let passphrase = text.first_line();
        (NewKey::Passphrase(checked(passphrase)?), "passphrase")
    } else if parsed.has("key") {
        let form = "env:NAME, file:PATH or command:LINE";
        let spec = parsed.parsed("key", form, Spec::parse)?;
        let spec = spec.ok_or_else(|| parsed.usage("--key takes a value"))?;
        (NewKey::Given(given(&app, &spec)?), "given")
    } else if app.store.vault().has_given_key() {
        return Err(Error::plain(
            "the vault's key comes from the environment, so authsome can't keep a new one",
        )
        .hint("give the new key with --key SOURCE, then put it where the old one was"));
    } else {
        (NewKey::Kept, "kept")
    };
    app.store.rekey(key).map_err(Error::from)?;
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

/// The key that a source gives.
fn given(app: &App, spec: &Spec) -> Result<MasterKey, Error> {
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
            let output = program::output_of(&words, &connect::for_programs(app));
            Secret::from(output.map_err(|error| failed(&error))?)
        }
    };
    MasterKey::from_text(&text).ok_or_else(|| {
        failed(
            &"what the source gives is none: that is 64 hexadecimal digits, or base64 of 32 bytes",
        )
    })
}
