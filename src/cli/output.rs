//! The only place that prints. Every line goes out in one write, since the child writes to the same terminal.

use std::io::IsTerminal;
use std::io::Write;
use std::sync::OnceLock;

use serde::Serialize;

use super::error::Error;
use crate::environment::Environment;
use crate::notice::Notice;
use crate::notice::Notices;

/// What a person wants to hear.
#[derive(Clone, Copy, Default)]
pub(crate) struct Verbosity {
    /// No warnings.
    pub(crate) quiet: bool,
    /// A line for each request.
    pub(crate) verbose: bool,
    /// JSON instead of text.
    pub(crate) json: bool,
}

/// Whether stderr is a terminal.
pub(super) fn stderr_is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// Something a program is told besides its result, as a line on stderr; unless `--quiet`.
pub(super) fn note(verbosity: Verbosity, text: &str) {
    if !verbosity.quiet {
        line(text);
    }
}

/// What a person has to know for the command to go on, on stderr; `--quiet` or not.
pub(super) fn always(text: &str) {
    line(text);
}

/// Notices as lines on stderr.
pub(crate) fn notices(verbosity: Verbosity) -> Notices {
    Notices::new(move |given| notice(verbosity, given))
}

/// A notice as a line on stderr, if the person wants to hear it.
pub(super) fn notice(verbosity: Verbosity, notice: &Notice) {
    match notice {
        Notice::Warning(text) if !verbosity.quiet => line(&format!("authsome: warning: {text}")),
        Notice::Told(text) if !verbosity.quiet && !verbosity.json => line(text),
        Notice::Request(text) if verbosity.verbose => line(&format!("authsome: {text}")),
        Notice::Warning(_) | Notice::Told(_) | Notice::Request(_) | Notice::Step(..) => {}
    }
}

/// One line on stderr. That it can't be written is no reason to stop.
fn line(text: &str) {
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// A failed command's error, as text or as one JSON object.
pub(crate) fn error(error: &Error, json: bool) {
    /// The object.
    #[derive(Serialize)]
    struct Shape<'a> {
        /// What failed.
        error: &'a str,
        /// What to do.
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<&'a str>,
        /// The exit code.
        exit_code: u8,
    }

    if json {
        let shape = Shape {
            error: &error.what,
            hint: error.hint.as_deref(),
            exit_code: error.code,
        };
        return line(&serde_json::to_string(&shape).unwrap_or_default());
    }
    let hint = error.hint.as_ref().map(|hint| format!("\n  hint: {hint}"));
    line(&format!(
        "authsome: {}{}",
        error.what,
        hint.unwrap_or_default()
    ));
}

/// Colours, where they are wanted: on a terminal, and without NO_COLOR.
#[derive(Clone, Copy)]
pub(super) struct Paint {
    /// Whether they are.
    is_on: bool,
}

/// A colour, or another way to stand out.
#[derive(Clone, Copy)]
pub(super) enum Colour {
    /// Bold.
    Bold,
    /// Good.
    Green,
    /// Worth a look.
    Yellow,
    /// Bad.
    Red,
}

impl Paint {
    /// What this environment wants on stdout.
    pub(super) fn of(parent: &Environment) -> Self {
        Self::on(parent, std::io::stdout().is_terminal())
    }

    /// What it wants on stderr.
    pub(super) fn of_errors(parent: &Environment) -> Self {
        Self::on(parent, stderr_is_terminal())
    }

    /// What it wants on a terminal, or elsewhere.
    fn on(parent: &Environment, is_terminal: bool) -> Self {
        let is_plain = parent.get("NO_COLOR").is_some()
            || parent.get("TERM").is_some_and(|term| term == "dumb");
        Self {
            is_on: !is_plain && is_terminal,
        }
    }

    /// The text in that colour.
    pub(super) fn paint(self, colour: Colour, text: &str) -> String {
        let code = match colour {
            Colour::Bold => 1,
            Colour::Green => 32,
            Colour::Yellow => 33,
            Colour::Red => 31,
        };
        if self.is_on {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// A table for people.
pub(super) struct Table {
    /// Rows, the first of them the names of the columns.
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty one with these columns.
    pub(super) fn new(columns: &[&str]) -> Self {
        Self {
            rows: vec![columns.iter().map(|name| (*name).to_owned()).collect()],
        }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// All of it, in columns.
    pub(super) fn to_text(&self, paint: Paint) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for (index, row) in self.rows.iter().enumerate() {
            let cells = row.iter().zip(&widths);
            let line: String = cells
                .map(|(cell, width)| format!("{cell:<width$}  "))
                .collect();
            let line = line.trim_end();
            if index == 0 {
                text.push_str(&paint.paint(Colour::Bold, line));
            } else {
                text.push_str(line);
            }
            text.push('\n');
        }
        text
    }
}

/// Why a result could not be written, if one could not.
static LOST: OnceLock<std::io::Error> = OnceLock::new();

/// What a command has come to, once its result is out: a failure where that could not be written.
///
/// # Errors
/// That failure, and the command's own.
pub(super) fn checked(done: Result<u8, Error>) -> Result<u8, Error> {
    match (done, LOST.get()) {
        (Ok(_), Some(error)) => Err(Error::new("cannot write the result", error)
            .hint("make room there, or write it elsewhere; what the command does besides is done")),
        (done, _) => done,
    }
}

/// A command's result on stdout.
pub(crate) fn text(text: &str) {
    bytes(text.as_bytes());
}

/// A command's result on stdout, as one JSON object.
pub(crate) fn json(value: &impl Serialize) {
    text(&format!(
        "{}\n",
        serde_json::to_string(value).unwrap_or_default()
    ));
}

/// A command's result on stdout, in bytes that may be a secret's. A reader that has gone away has seen enough; any other error is kept
/// for [`checked`].
pub(super) fn bytes(bytes: &[u8]) {
    let mut stdout = std::io::stdout();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    if let Err(error) = written
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        let _ = LOST.set(error);
    }
}

/// Has a panic say where, and nothing of what: its message could hold anything.
pub(crate) fn quiet_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        line(&format!(
            "authsome: internal error at {place}; please report it"
        ));
    }));
}
