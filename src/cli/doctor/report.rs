//! What was found, a line each.

use serde::Serialize;

use super::super::error::FAILED;
use super::super::output::Colour;
use super::super::output::Paint;

/// How a thing is.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// In order.
    Ok,
    /// Worth a look.
    Warn,
    /// Something won't work, or can't be trusted.
    Fail,
}

/// One thing that was looked at. Part of the shape of `doctor --json`.
#[derive(Serialize)]
pub(super) struct Check {
    /// What was looked at; several can have the same name.
    name: &'static str,
    /// How it is.
    state: State,
    /// What was found. Nothing of a secret.
    text: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Check {
    /// It is in order.
    pub(super) fn ok(name: &'static str, text: impl Into<String>) -> Self {
        Self {
            name,
            state: State::Ok,
            text: text.into(),
            remedy: None,
        }
    }

    /// It is worth a look.
    pub(super) fn warn(name: &'static str, text: impl Into<String>) -> Self {
        Self {
            state: State::Warn,
            ..Self::ok(name, text)
        }
    }

    /// It is wrong.
    pub(super) fn fail(name: &'static str, text: impl Into<String>) -> Self {
        Self {
            state: State::Fail,
            ..Self::ok(name, text)
        }
    }

    /// The same with what to do.
    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Its line.
    fn line(&self, paint: Paint) -> String {
        let (word, colour) = match self.state {
            State::Ok => ("ok  ", Colour::Green),
            State::Warn => ("warn", Colour::Yellow),
            State::Fail => ("fail", Colour::Red),
        };
        let remedy = self
            .remedy
            .as_ref()
            .map(|remedy| format!("; hint: {remedy}"));
        format!(
            "{}  {:<11} {}{}\n",
            paint.paint(colour, word),
            self.name,
            self.text,
            remedy.unwrap_or_default()
        )
    }
}

/// Version 1 of the shape.
#[derive(Serialize)]
pub(super) struct Answer<'a> {
    /// Version of this shape.
    version: u8,
    /// What was looked at, in order.
    checks: &'a [Check],
    /// Whether nothing is wrong.
    ok: bool,
}

/// Everything that was looked at.
#[derive(Default)]
pub(super) struct Report(Vec<Check>);

impl Report {
    /// Adds what was looked at.
    pub(super) fn add(&mut self, check: Check) {
        self.0.push(check);
    }

    /// Adds what is not in order, or this line where all is.
    pub(super) fn add_or(&mut self, found: Vec<Check>, otherwise: Check) {
        if found.is_empty() {
            self.add(otherwise);
        }
        self.0.extend(found);
    }

    /// The exit code: warnings are no failure.
    pub(super) fn exit_code(&self) -> u8 {
        if self.is_good() { 0 } else { FAILED }
    }

    /// Whether nothing is wrong.
    fn is_good(&self) -> bool {
        self.0.iter().all(|check| check.state != State::Fail)
    }

    /// For programs.
    pub(super) fn to_json(&self) -> Answer<'_> {
        Answer {
            version: 1,
            checks: &self.0,
            ok: self.is_good(),
        }
    }

    /// For people; only what isn't in order where `quiet` is wanted.
    pub(super) fn to_text(&self, paint: Paint, quiet: bool) -> String {
        let shown = self.0.iter();
        shown
            .filter(|check| !quiet || check.state != State::Ok)
            .map(|check| check.line(paint))
            .collect()
    }
}
