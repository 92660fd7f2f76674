//! `authsome import`: keys that lie around in the environment and in .env files are moved into the vault.

mod files;
mod plan;

use std::ops::Range;
use std::path::Path;

use serde::Serialize;

use super::app::App;
use super::error::Error;
use super::output;
use super::output::Paint;
use super::output::Table;
use super::prompt;
use super::syntax::Group;
use super::syntax::Parsed;
use super::syntax::Syntax;
use super::syntax::flag;
use super::syntax::valued;
use crate::clock;
use crate::encoding;
use files::EnvFile;
use plan::Action;
use plan::Candidate;
use plan::Place;

/// What `import` says of itself.
pub(super) const SYNTAX: Syntax = Syntax {
    name: "import",
    summary: "move API keys from the environment and .env files into the vault",
    words: "[FILE...]",
    ends_at_word: false,
    about: "Find API keys under the names that providers export, in the environment and in FILE..., or in .env and .env.* of this folder. \
They are listed first, then stored if you say so.

Afterwards the values in the files can be replaced by placeholders, so that a program that reads the files finds no key. The files as \
they were are kept in the vault, sealed.",
    groups: &[Group {
        title: "Options",
        options: &[
            flag("yes", "store what was found without asking"),
            flag("replace", "replace the values in the files too, without asking"),
            flag("no-environment", "look into files only"),
            flag("restore", "bring FILE... back as they were before their values were replaced"),
            valued("to", "FILE", "restore the one file into this one, for example where its own folder is gone"),
            flag("force", "restore a file that has changed meanwhile: the changes are lost"),
            flag("kept", "list the files that are kept as they were"),
        ],
    }],
    notes: "Without a terminal nothing is changed but for what --yes and --replace say. .env.example, .env.sample, .env.template and \
.env.dist are looked into only when they are named.",
    examples: "authsome import\nauthsome import --yes --replace .env",
    run: import,
};

/// Version 1 of the shape.
#[derive(Serialize)]
struct Answer {
    /// Version of this shape.
    version: u8,
    /// What was found.
    found: Vec<Row>,
    /// The files whose values were replaced, or that were brought back.
    changed: Vec<String>,
}

/// What `--kept` answers: version 1 of the shape.
#[derive(Serialize)]
struct KeptAnswer {
    /// Version of this shape.
    version: u8,
    /// The files, by path; of one path the oldest first.
    kept: Vec<KeptFile>,
}

/// A file that is kept as it was.
#[derive(Serialize)]
struct KeptFile {
    /// Its path.
    path: String,
    /// When it was kept, RFC 3339.
    created: String,
}

/// One key that was found.
#[derive(Serialize)]
struct Row {
    /// Whose.
    provider: String,
    /// Its variable.
    variable: String,
    /// `environment`, or the file.
    place: String,
    /// Its last four characters, where it is long enough to show them.
    ends_in: String,
    /// `stored`, `found` (and not stored), `known` (stored before) or `skipped`.
    action: &'static str,
    /// The connection that it was or would be stored as, or is.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<String>,
    /// Why it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Imports.
fn import(parsed: &Parsed) -> Result<u8, Error> {
    if parsed.has("to") && !parsed.has("restore") {
        return Err(parsed.usage("--to goes with --restore"));
    }
    let app = App::open(parsed.verbosity)?;
    if parsed.has("kept") {
        return kept(parsed, &app);
    }
    files::sweep(parsed.raw_words());
    if parsed.has("restore") {
        return restore(parsed, &app);
    }
    let files = files::read(parsed.raw_words())?;
    let candidates = plan::make(&app, &files, !parsed.has("no-environment"))?;
    if !parsed.verbosity.json {
        show(parsed, &app, &candidates);
    }
    let count = candidates.iter().filter(|found| found.is_new()).count();
    let is_stored = count > 0 && may(parsed, "yes", &format!("Store {}?", keys(count)))?;
    if is_stored {
        plan::store(&app, &candidates)?;
        output::note(parsed.verbosity, &format!("stored {}", keys(count)));
    }
    let changed = replace(parsed, &app, &files, &candidates, is_stored)?;
    remind(&app, &candidates, is_stored);
    if parsed.verbosity.json {
        output::json(&Answer {
            version: 1,
            found: candidates
                .iter()
                .map(|found| found.row(is_stored))
                .collect(),
            changed,
        });
    }
    Ok(0)
}

/// So many keys, in words.
fn keys(count: usize) -> String {
    if count == 1 {
        "1 key".into()
    } else {
        format!("{count} keys")
    }
}

/// Whether the option says so, or the person does.
fn may(parsed: &Parsed, option: &str, question: &str) -> Result<bool, Error> {
    if parsed.has(option) {
        return Ok(true);
    }
    if parsed.verbosity.json || !prompt::is_interactive() {
        output::note(
            parsed.verbosity,
            &format!("{question} Not without --{option}."),
        );
        return Ok(false);
    }
    prompt::confirm(question)
}

/// Replaces values in the files, and gives the files.
fn replace(
    parsed: &Parsed,
    app: &App,
    files: &[EnvFile],
    candidates: &[Candidate],
    is_stored: bool,
) -> Result<Vec<String>, Error> {
    let is_safe = |found: &&Candidate| match &found.action {
        Action::Known(_) => true,
        Action::Store(_) => is_stored,
        Action::Skip(_) | Action::Open => false,
    };
    let mut changed = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let in_it = candidates.iter().filter(is_safe);
        let places: Vec<_> = in_it.filter_map(|found| found.range_in(index)).collect();
        if places.is_empty() {
            continue;
        }
        let question = format!(
            "Replace {} in {} by placeholders? The file as it is stays in the vault, sealed.",
            keys(distinct(&places)),
            encoding::visible(&file.shown())
        );
        if may(parsed, "replace", &question)? {
            file.replace(app, &places)?;
            let shown = encoding::visible(&file.shown());
            output::note(
                parsed.verbosity,
                &format!("replaced in {shown}; `authsome import --restore {shown}` brings it back"),
            );
            changed.push(file.shown());
        }
    }
    Ok(changed)
}

/// How many different places there are: two providers may have the same variable.
fn distinct(places: &[(Range<usize>, &str)]) -> usize {
    let mut starts: Vec<usize> = places.iter().map(|(range, _)| range.start).collect();
    starts.sort_unstable();
    starts.dedup();
    starts.len()
}

/// Says what only the person can do.
fn remind(app: &App, candidates: &[Candidate], is_stored: bool) {
    let in_environment = candidates.iter().filter(|found| {
        found.place == Place::Environment && !matches!(found.action, Action::Skip(_))
    });
    let mut names: Vec<&str> = in_environment
        .map(|found| found.variable.as_str())
        .collect();
    names.dedup();
    if is_stored && !names.is_empty() {
        output::note(
            app.verbosity,
            &format!(
                "this shell still has {}: take it out of where it is set",
                names.join(", ")
            ),
        );
    }
}

/// Lists what was found.
fn show(parsed: &Parsed, app: &App, candidates: &[Candidate]) {
    if candidates.is_empty() {
        output::note(parsed.verbosity, "no API keys found");
        return;
    }
    let mut table = Table::new(&["PROVIDER", "VARIABLE", "WHERE", "ENDS IN", ""]);
    for found in candidates {
        let row = found.row(false);
        let text = match &found.action {
            Action::Store(name) => format!("would be stored as {name}"),
            Action::Known(label) => format!("stored already as {label}"),
            Action::Skip(reason) => format!("left alone: {reason}"),
            Action::Open => String::new(),
        };
        table.row([row.provider, row.variable, row.place, row.ends_in, text]);
    }
    output::text(&table.to_text(Paint::of(&app.parent)));
}

/// Lists the files that are kept.
fn kept(parsed: &Parsed, app: &App) -> Result<u8, Error> {
    if !parsed.raw_words().is_empty() {
        return Err(parsed.usage("--kept takes no words"));
    }
    let snapshot = app.store.snapshot().map_err(Error::from)?;
    let backups = snapshot.backups().into_iter();
    let files: Vec<KeptFile> = backups
        .map(|backup| KeptFile {
            path: backup.path,
            created: clock::rfc3339(backup.created),
        })
        .collect();
    if parsed.verbosity.json {
        output::json(&KeptAnswer {
            version: 1,
            kept: files,
        });
    } else if files.is_empty() {
        output::note(parsed.verbosity, "no files are kept");
    } else {
        let mut table = Table::new(&["FILE", "KEPT"]);
        for file in files {
            table.row([file.path, file.created]);
        }
        output::text(&table.to_text(Paint::of(&app.parent)));
    }
    Ok(0)
}

/// Brings files back as they were.
fn restore(parsed: &Parsed, app: &App) -> Result<u8, Error> {
    let words = parsed.raw_words();
    if words.is_empty() {
        return Err(parsed.usage("--restore takes the names of files"));
    }
    let to = parsed.raw_values("to").last();
    if to.is_some() && words.len() > 1 {
        return Err(parsed.usage("--to takes one file back"));
    }
    let mut changed = Vec::new();
    for word in words {
        let to = to.map(Path::new);
        let file = files::restore(app, word.as_ref(), to, parsed.has("force"))?;
        let shown = encoding::visible(&file);
        output::note(parsed.verbosity, &format!("{shown} is as it was"));
        changed.push(file);
    }
    if parsed.verbosity.json {
        output::json(&Answer {
            version: 1,
            found: Vec::new(),
            changed,
        });
    }
    Ok(0)
}
