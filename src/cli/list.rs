//! `authsome list`: the stored connections, or all providers.

use serde::Serialize;

use super::app::App;
use super::error::Error;
use super::output;
use super::output::Paint;
use super::output::Table;
use super::syntax::Group;
use super::syntax::Parsed;
use super::syntax::Syntax;
use super::syntax::flag;
use super::view::View;
use crate::broker::record::Record;
use crate::provider::Name;
use crate::provider::definition::Definition;
use crate::provider::registry::Broken;

/// What `list` says of itself.
pub(super) const SYNTAX: Syntax = Syntax {
    name: "list",
    summary: "the stored connections, or all providers",
    words: "",
    ends_at_word: false,
    about: "List the stored connections and their state.",
    groups: &[Group {
        title: "Options",
        options: &[
            flag("all", "list all providers that are known, connected or not"),
            flag("names", "only the names of providers, one a line"),
        ],
    }],
    notes: "",
    examples: "authsome list\nauthsome list --all --json",
    run: list,
};

/// Version 1 of the shape.
#[derive(Serialize)]
struct Answer {
    /// Version of this shape.
    version: u8,
    /// The stored connections, by provider and name.
    connections: Vec<View>,
    /// With `--all`: the providers, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    providers: Option<Vec<Known>>,
}

/// A provider that is known.
#[derive(Serialize)]
struct Known {
    /// Its name.
    name: String,
    /// How people call it.
    display_name: String,
    /// `api_key`, `oauth2`, or `broken`: its definition can't be used.
    login: &'static str,
    /// Whether the definition is the person's own.
    own: bool,
    /// How many connections there are.
    connections: usize,
}

/// Lists.
fn list(parsed: &Parsed) -> Result<u8, Error> {
    parsed.words(0..=0, "no words")?;
    let app = App::open(parsed.verbosity)?;
    let snapshot = app.store.snapshot().map_err(Error::from)?;
    let records = snapshot.records();
    if parsed.has("names") {
        names(&app, &records, parsed.has("all"));
        return Ok(0);
    }
    let views: Vec<View> = records
        .iter()
        .map(|record| View::of(&app, &snapshot, record))
        .collect();
    let providers = parsed.has("all").then(|| known(&app, &records));
    if parsed.verbosity.json {
        output::json(&Answer {
            version: 1,
            connections: views,
            providers,
        });
        return Ok(0);
    }
    let paint = Paint::of(&app.parent);
    match providers {
        Some(providers) => output::text(&providers_table(&providers).to_text(paint)),
        None if views.is_empty() => output::note(
            parsed.verbosity,
            "no connections yet: `authsome login PROVIDER` makes one, `authsome list --all` names the providers",
        ),
        None => output::text(&connections_table(&views).to_text(paint)),
    }
    Ok(0)
}

/// Prints names only: those that are some. A shell reads them, and a definition's file can be called anything.
fn names(app: &App, records: &[Record], all: bool) {
    let mut names: Vec<&str> = if all {
        app.registry.iter().map(|(name, _)| name).collect()
    } else {
        records
            .iter()
            .map(|record| record.provider.as_str())
            .collect()
    };
    names.retain(|name| Name::parse(name).is_some());
    names.dedup();
    let lines: String = names.into_iter().map(|name| format!("{name}\n")).collect();
    output::text(&lines);
}

/// The connections for people.
fn connections_table(views: &[View]) -> Table {
    let mut table = Table::new(&["PROVIDER", "CONNECTION", "SOURCE", "STATE", "UPDATED"]);
    for view in views {
        let mark = if view.default { "" } else { " (not default)" };
        table.row([
            view.provider.clone(),
            format!("{}{mark}", view.connection),
            view.source.clone(),
            view.state.clone(),
            view.updated.get(..10).unwrap_or_default().to_owned(),
        ]);
    }
    table
}

/// The providers for people.
fn providers_table(providers: &[Known]) -> Table {
    let mut table = Table::new(&["PROVIDER", "NAME", "LOGIN", "CONNECTIONS"]);
    for provider in providers {
        let login = match provider.login {
            "api_key" => "key",
            "oauth2" => "OAuth",
            other => other,
        };
        let own = if provider.own { " (yours)" } else { "" };
        table.row([
            provider.name.clone(),
            format!("{}{own}", provider.display_name),
            login.to_owned(),
            match provider.connections {
                0 => String::new(),
                count => count.to_string(),
            },
        ]);
    }
    table
}

/// All providers.
fn known(app: &App, records: &[Record]) -> Vec<Known> {
    let entry = |(name, entry): (&str, &Result<Definition, Broken>)| {
        let of_it = records
            .iter()
            .filter(|record| record.provider.as_str() == name);
        let login = entry.as_ref().ok().map(Definition::logs_in_by_oauth);
        Known {
            name: name.to_owned(),
            display_name: entry
                .as_ref()
                .map_or_else(|_| name.to_owned(), Definition::display_name),
            login: match login {
                Some(Ok(true)) => "oauth2",
                Some(Ok(false)) => "api_key",
                _ => "broken",
            },
            own: app.registry.is_own(name),
            connections: of_it.count(),
        }
    };
    app.registry.iter().map(entry).collect()
}
