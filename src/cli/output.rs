//! The only place that prints. Every line goes out in one write, since the child writes to the same terminal.

use std::io::Write;

use serde::Serialize;

use super::error::Error;
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

/// Notices as lines on stderr.
pub(crate) fn notices(verbosity: Verbosity) -> Notices {
    Notices::new(move |notice| match notice {
        Notice::Warning(text) if !verbosity.quiet => line(&format!("authsome: warning: {text}")),
        Notice::Request(text) if verbosity.verbose => line(&format!("authsome: {text}")),
        Notice::Warning(_) | Notice::Request(_) => {}
    })
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

/// A command's result on stdout. A reader that has gone away has seen enough.
pub(crate) fn text(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// A command's result on stdout, as one JSON object.
pub(crate) fn json(value: &impl Serialize) {
    text(&format!(
        "{}\n",
        serde_json::to_string(value).unwrap_or_default()
    ));
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
