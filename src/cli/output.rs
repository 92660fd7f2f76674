//! The only place that prints. Every line goes out in one write, since the child writes to the same terminal. Names and texts from files
//! are among what is printed: what would command the terminal is made visible here, but for our own colours.

use std::io::IsTerminal;
use std::io::Write;
use std::sync::OnceLock;

use serde::Serialize;

use super::error::Error;
use crate::encoding;
use crate::environment::Environment;
use crate::notice::Notice;
use crate::notice::Notices;

/// What a person wants to hear.
#[derive(Clone, Copy, Default)]
pub(crate) struct Verbosity {
    /// No warnings.
    pub(crate) quiet: bool,
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
        Notice::Warning(text) if !verbosity.quiet => {
            line(&format!("authsome: warning: {}", encoding::visible(text)));
        }
        Notice::Told(text) if !verbosity.quiet && !verbosity.json => {
            line(&encoding::visible(text));
        }
        Notice::Warning(_) | Notice::Told(_) | Notice::Step(..) => {}
    }
}

/// One line on stderr. That it can't be written is no reason to stop.
fn line(text: &str) {
    let _ = std::io::stderr().write_all(format!("{}\n", tame(text)).as_bytes());
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
        return line(&json_text(&shape));
    }
    let hint = error.hint.as_ref();
    let hint = hint.map(|hint| format!("\n  hint: {}", encoding::visible(hint)));
    line(&format!(
        "authsome: {}{}",
        encoding::visible(&error.what),
        hint.unwrap_or_default()
    ));
}

/// What may stand in a text beside letters: line ends, tabs, and the colours of [`Paint`].
const OWN: [&str; 7] = [
    "\n", "\t", "\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m",
];

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
    /// None.
    pub(super) fn off() -> Self {
        Self { is_on: false }
    }

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
        let cells = cells.into_iter();
        self.rows
            .push(cells.map(|cell| encoding::visible(&cell)).collect());
    }

    /// How wide its columns are.
    pub(super) fn widths(&self) -> Vec<usize> {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        (0..columns).map(width).collect()
    }

    /// All of it, in columns.
    pub(super) fn to_text(&self, paint: Paint) -> String {
        let widths = self.widths();
        let mut text = String::new();
        for (index, row) in self.rows.iter().enumerate() {
            let line = in_columns(row, &widths);
            if index == 0 {
                text.push_str(&paint.paint(Colour::Bold, &line));
            } else {
                text.push_str(&line);
            }
            text.push('\n');
        }
        text
    }
}

/// Cells in columns of these widths; a longer one takes its room from those behind it.
pub(super) fn in_columns(cells: &[String], widths: &[usize]) -> String {
    let cells = cells.iter().zip(widths);
    let line: String = cells
        .map(|(cell, width)| format!("{cell:<width$}  "))
        .collect();
    line.trim_end().to_owned()
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
    bytes(tame(text).as_bytes());
}

/// The text with what would command a terminal made visible; lines, tabs and our own colours stay.
fn tame(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|letter: char| letter.is_control()) {
        let (before, from) = rest.split_at(at);
        out.push_str(&encoding::visible(before));
        let own = OWN.iter().find(|own| from.starts_with(**own));
        let length = own.map_or_else(
            || from.chars().next().map_or(0, char::len_utf8),
            |own| own.len(),
        );
        let (control, behind) = from.split_at(length);
        match own {
            Some(own) => out.push_str(own),
            None => out.push_str(&encoding::visible(control)),
        }
        rest = behind;
    }
    out.push_str(&encoding::visible(rest));
    out
}

/// A command's result on stdout, as one JSON object.
pub(crate) fn json(value: &impl Serialize) {
    text(&format!("{}\n", json_text(value)));
}

/// A value as JSON in one line. Control letters that JSON lets stand are escaped too: they are in strings only.
fn json_text(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if encoding::visible(letter.encode_utf8(&mut [0; 4])).len() > letter.len_utf8() {
            out.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            out.push(letter);
        }
    }
    out
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_colours_pass_and_other_commands_do_not() {
        let paint = Paint { is_on: true };
        for colour in [Colour::Bold, Colour::Green, Colour::Yellow, Colour::Red] {
            let text = format!("{}\tx\n", paint.paint(colour, "a"));
            assert_eq!(tame(&text), text);
        }
        assert_eq!(tame("\x1b[2J\x1b]0;x\x07\r"), "\\x1b[2J\\x1b]0;x\\x07\\x0d");
        assert_eq!(tame("é\u{9b}31m\x1b"), "é\\x9b31m\\x1b");
    }

    #[test]
    fn json_has_no_control_letters_and_says_the_same() {
        let text = json_text(&"a\x1b\u{9b}\u{202e}é\x7f");
        assert_eq!(text, r#""a\u001b\u009b\u202eé\u007f""#);
        let read: String = serde_json::from_str(&text).unwrap();
        assert_eq!(read, "a\x1b\u{9b}\u{202e}é\x7f");
    }
}
