//! `authsome register` and `authsome remove`: definitions of the person's own.

use std::path::Path;

use serde::Serialize;

use super::app::App;
use super::error::Error;
use super::error::UNKNOWN;
use super::output;
use super::settled;
use super::syntax::Group;
use super::syntax::Parsed;
use super::syntax::Syntax;
use super::syntax::flag;
use super::taken;
use crate::audit::Event;
use crate::audit::Kind;
use crate::broker::record::Record;
use crate::broker::record::login_again;
use crate::files;
use crate::files::private;
use crate::provider::Name;
use crate::provider::definition::Definition;
use crate::provider::registry;
use crate::provider::registry::Registry;

/// What `register` says of itself.
pub(super) const REGISTER: Syntax = Syntax {
    name: "register",
    summary: "add a provider's definition of your own",
    words: "FILE",
    ends_at_word: false,
    about: "Check the definition in FILE (JSON), and keep a copy of it as AUTHSOME_HOME/providers/NAME.json. It wins over a built-in \
one of that name.",
    groups: &[Group {
        title: "Options",
        options: &[flag(
            "force",
            "replace one of your own that is there already",
        )],
    }],
    notes: "",
    examples: "authsome register acme.json",
    run: register,
};

/// What `remove` says of itself.
pub(super) const REMOVE: Syntax = Syntax {
    name: "remove",
    summary: "remove a provider's definition of your own",
    words: "P",
    ends_at_word: false,
    about: "Remove your own definition of provider P. Its connections must be logged out first, unless there is a built-in definition \
that they can go on with.",
    groups: &[],
    notes: "",
    examples: "authsome remove acme",
    run: remove,
};

/// Version 1 of the shape of both.
#[derive(Serialize)]
struct Answer {
    /// Version of this shape.
    version: u8,
    /// The provider.
    provider: String,
    /// The file that was written or removed.
    file: String,
    /// The rules of `api_url`, of a definition that was added.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<String>,
    /// The variables that it exports, of a definition that was added.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    exports: Vec<String>,
    /// What is doubtful about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    /// Whether there is a built-in definition of that name.
    bundled: bool,
}

/// Adds a definition.
fn register(parsed: &Parsed) -> Result<u8, Error> {
    let words = parsed.words(1..=1, "the name of a file")?;
    let source = Path::new(words.first().copied().unwrap_or_default());
    let app = App::open(parsed.verbosity)?;
    let text = files::read(source, registry::MAX_FILE).map_err(|error| {
        Error::new(&format!("cannot read {}", source.display()), error)
            .hint("check the file's name and its permissions")
    })?;
    let invalid = |invalid| Error::from(&invalid);
    let shown = source.display().to_string();
    let definition = Definition::parse(&shown, &text).map_err(invalid)?;
    let name = definition.name().map_err(invalid)?;
    registry::check(&definition).map_err(invalid)?;
    let file = app.home.providers().join(format!("{name}.json"));
    if file.exists() && !parsed.has("force") {
        return Err(Error::plain(format!("{} is there already", file.display()))
            .hint("--force replaces it"));
    }
    let provider = app.provider(&definition, None)?;
    let mut warnings: Vec<String> = settled::loose_rules(&provider).collect();
    warnings.extend(settled::denies_everything(&provider));
    let unknown = definition.unknown.iter();
    warnings.extend(unknown.map(|field| settled::unknown_field(&definition, field)));
    warnings.extend(moves(&app, &name, &definition));
    keep(&app, &file, &text)?;
    app.audit
        .record(Event::about(Kind::Register, name.as_str(), None));
    let exports = provider.exports.iter();
    let answer = Answer {
        version: 1,
        provider: name.to_string(),
        file: file.display().to_string(),
        routes: settled::rules(&provider),
        exports: exports.map(|export| export.name.clone()).collect(),
        warnings,
        bundled: app.registry.is_bundled(name.as_str()),
    };
    if parsed.verbosity.json {
        output::json(&answer);
    } else {
        answer.tell_added(&app);
    }
    Ok(0)
}

/// Writes the definition's copy.
fn keep(app: &App, file: &Path, text: &[u8]) -> Result<(), Error> {
    let folder = app.home.providers();
    files::create_private_folder(&folder)
        .map_err(private::Error::io("make the folder", &folder))
        .and_then(|()| private::replace(file, text, 0o600))
        .map_err(|error| {
            let remedy = error.remedy();
            Error::plain(error.to_string()).hint(remedy)
        })
}

impl Answer {
    /// Says what has been added, for people.
    fn tell_added(&self, app: &App) {
        for warning in &self.warnings {
            app.notices.warn(warning);
        }
        let name = &self.provider;
        let instead = if self.bundled {
            ", in place of the built-in definition"
        } else {
            ""
        };
        let lines = [
            format!("{name} is known now{instead}; `authsome login {name}` connects it"),
            format!("its credential goes to {}", listed(&self.routes)),
            format!("programs find it as {}", listed(&self.exports)),
        ];
        for line in lines {
            output::note(app.verbosity, &line);
        }
    }
}

/// A list in words.
fn listed(words: &[String]) -> String {
    match words {
        [] => "nothing yet".into(),
        some => some.join(", "),
    }
}

/// Warnings about connections whose credentials would go elsewhere by this definition than by the one that counts now.
fn moves(app: &App, name: &Name, to: &Definition) -> Vec<String> {
    let Some(Ok(from)) = app.registry.find(name.as_str()) else {
        return Vec::new();
    };
    let Ok(snapshot) = app.store.snapshot() else {
        return vec![format!(
            "whether {name} has connections can't be seen while the vault is shut"
        )];
    };
    let move_of = |record: &Record| {
        let (old, new) = (
            app.provider(from, Some(record)).ok()?,
            app.provider(to, Some(record)).ok()?,
        );
        let (old, new) = (settled::sorted_rules(&old), settled::sorted_rules(&new));
        (old != new).then(|| {
            let then = match record.routes {
                Some(_) => format!(
                    "hosts that it wasn't stored for get it after `{}`",
                    login_again(&record.provider, &record.connection)
                ),
                None => "it goes there from the next run on".to_owned(),
            };
            format!(
                "the credential of {} was for {}; this definition claims {}: {then}",
                record.label(),
                listed(&old),
                listed(&new)
            )
        })
    };
    snapshot
        .of_provider(name)
        .iter()
        .filter_map(move_of)
        .collect()
}

/// Removes one.
fn remove(parsed: &Parsed) -> Result<u8, Error> {
    let words = parsed.words(1..=1, "the name of a provider")?;
    let app = App::open(parsed.verbosity)?;
    let name = taken::provider(&app, words.first().copied().unwrap_or_default())?;
    let bundled = app.registry.is_bundled(name.as_str());
    if !app.registry.is_own(name.as_str()) {
        return Err(
            Error::plain(format!("{name} is built in, and can't be removed"))
                .code(UNKNOWN)
                .hint(format!(
                    "`authsome logout {name}` removes a connection of it"
                )),
        );
    }
    let snapshot = app.store.snapshot().map_err(Error::from)?;
    if !bundled && !snapshot.of_provider(&name).is_empty() {
        return Err(Error::plain(format!("{name} has connections"))
            .hint(format!("remove them first: `authsome logout {name} --all`")));
    }
    // The definition that is removed is the one that counts now.
    let built_in = Registry::bundled();
    let warnings = match built_in.find(name.as_str()) {
        Some(Ok(definition)) => moves(&app, &name, definition),
        _ => Vec::new(),
    };
    let file = app.home.providers().join(format!("{name}.json"));
    private::remove(&file).map_err(|error| {
        let remedy = error.remedy();
        Error::plain(error.to_string()).hint(remedy)
    })?;
    app.audit
        .record(Event::about(Kind::Remove, name.as_str(), None));
    let answer = Answer {
        version: 1,
        provider: name.to_string(),
        file: file.display().to_string(),
        routes: Vec::new(),
        exports: Vec::new(),
        warnings,
        bundled,
    };
    if parsed.verbosity.json {
        output::json(&answer);
        return Ok(0);
    }
    for warning in &answer.warnings {
        app.notices.warn(warning);
    }
    let instead = if bundled {
        "; the built-in definition counts again"
    } else {
        ""
    };
    output::note(
        parsed.verbosity,
        &format!("removed {}{instead}", answer.file),
    );
    Ok(0)
}
