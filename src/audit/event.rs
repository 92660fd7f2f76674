//! What is told of one thing that was done: a line of the log.

use std::borrow::Cow;

use serde::Deserialize;
use serde::Serialize;

use crate::encoding;

/// Bytes of a path, at the most.
const MAX_PATH: usize = 1024;

/// Bytes of a method, at the most.
const MAX_METHOD: usize = 16;

/// Bytes of a reason, at the most.
const MAX_ERROR: usize = 1024;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A run began.
    Start,
    /// A request went to an origin, or was to.
    Request,
    /// The same of one that several connections claim: it went without a credential.
    Ambiguous,
    /// The same of one that nobody claims; in the log there is no line for it.
    Passed,
    /// The proxy refused a request.
    Refused,
    /// Tokens were replaced, or were to be.
    Refresh,
    /// A connection was stored.
    Login,
    /// A connection was removed.
    Logout,
    /// All connections of a provider were removed.
    Revoke,
    /// A key that lay around was stored.
    Import,
    /// Another connection is its provider's default.
    Default,
    /// A definition was added.
    Register,
    /// A definition was removed.
    Remove,
    /// The vault has another key.
    Rekey,
    /// Events could not be written.
    Lost,
    /// A run ended before all that was under way.
    Cut,
}

impl Kind {
    /// Its word in the log.
    fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Request => "request",
            Self::Ambiguous => "ambiguous",
            Self::Passed => "passed",
            Self::Refused => "refused",
            Self::Refresh => "refresh",
            Self::Login => "login",
            Self::Logout => "logout",
            Self::Revoke => "revoke",
            Self::Import => "import",
            Self::Default => "default",
            Self::Register => "register",
            Self::Remove => "remove",
            Self::Rekey => "rekey",
            Self::Lost => "lost",
            Self::Cut => "cut",
        }
    }
}

/// A text of an event: borrowed where it is made, its own where it was read.
type Text<'a> = Cow<'a, str>;

/// One thing that was done, as a line of the log has it. Never a secret: neither queries, nor values of fields, nor bodies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Event<'a> {
    /// When it was told, RFC 3339 with milliseconds; the log fills it in.
    pub(crate) time: Text<'a>,
    /// Which process told it; the log fills it in.
    pub(crate) run: Text<'a>,
    /// What it is: the word of a [`Kind`], or of one that a later version has.
    pub(crate) event: Text<'a>,
    /// The program of a run: its name alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) program: Option<Text<'a>>,
    /// The version of authsome that runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<Text<'a>>,
    /// The provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) provider: Option<Text<'a>>,
    /// The connection's own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) connection: Option<Text<'a>>,
    /// The method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) method: Option<Text<'a>>,
    /// The host, with its port where that isn't 443.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<Text<'a>>,
    /// The path, without the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<Text<'a>>,
    /// The status of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// Bytes of content to the origin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sent: Option<u64>,
    /// Bytes of content from the origin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) received: Option<u64>,
    /// How long it took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ms: Option<u64>,
    /// Whether the connection to the origin had been used before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reused: Option<bool>,
    /// Where in the request a placeholder was left: `body`, `query`, `path` or `header`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) placeholder: Option<Text<'a>>,
    /// Why it was refused, or has no whole answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<Text<'a>>,
    /// How many events could not be written, how many requests were under way, or how many refusals
    /// of clients without the password have no line of their own before this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u64>,
    /// What to do about a refusal, for whoever listens.
    #[serde(skip)]
    pub(crate) hint: Option<&'static str>,
    /// Whether it is about plain http, for whoever listens.
    #[serde(skip)]
    pub(crate) is_clear: bool,
}

impl<'a> Event<'a> {
    /// An event of which nothing more is known.
    pub(crate) fn of(kind: Kind) -> Self {
        Self {
            event: kind.word().into(),
            ..Self::default()
        }
    }

    /// An event about a connection, or about a provider.
    pub(crate) fn about(kind: Kind, provider: &'a str, connection: Option<&'a str>) -> Self {
        Self {
            provider: Some(provider.into()),
            connection: connection.map(Cow::Borrowed),
            ..Self::of(kind)
        }
    }

    /// Whether it is of this kind.
    pub(crate) fn is(&self, kind: Kind) -> bool {
        self.event == kind.word()
    }

    /// Whether it is about a request that was for an origin that is looked into.
    pub(crate) fn is_request(&self) -> bool {
        self.is(Kind::Request) || self.is(Kind::Ambiguous)
    }

    /// Whether what it is about went wrong.
    pub(crate) fn is_error(&self) -> bool {
        self.error.is_some() && !self.is(Kind::Ambiguous)
            || self.status.is_some_and(|status| status >= 400)
    }

    /// How the connection is called in messages: the provider, and its own name unless that is `default`.
    pub(crate) fn label(&self) -> String {
        match (&self.provider, &self.connection) {
            (Some(provider), Some(name)) if name != "default" => format!("{provider}/{name}"),
            (Some(provider), _) => provider.to_string(),
            (None, _) => "-".to_owned(),
        }
    }
}

/// The path of a request's target, for an event: without what keys are kept in, and printable. Nothing where the target is no path:
/// what is read as one could hold a password.
pub(crate) fn path(target: &str) -> Option<Text<'_>> {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    (path.starts_with('/') || path == "*").then(|| printable(path, MAX_PATH))
}

/// A request's method, for an event.
pub(crate) fn method(method: &str) -> Text<'_> {
    printable(method, MAX_METHOD)
}

/// A reason, for an event.
pub(crate) fn error(mut text: String) -> Text<'static> {
    if let Some((end, _)) = text.char_indices().find(|(at, _)| *at > MAX_ERROR) {
        text.truncate(end);
    }
    text.into()
}

/// Text in letters that can be printed, at most so many bytes of it.
fn printable(text: &str, limit: usize) -> Text<'_> {
    if text.len() <= limit && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return text.into();
    }
    let mut shown = encoding::printable(text.as_bytes(), limit);
    // Escapes may have made it longer; all of it is ASCII.
    shown.truncate(limit);
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_what_is_known_in_a_fixed_order_and_reads_as_it_was() {
        let event = Event {
            time: "2026-11-25T11:00:00.000Z".into(),
            run: "0123abcd".into(),
            method: Some("GET".into()),
            host: Some("api.acme.test".into()),
            path: Some("/v1".into()),
            status: Some(200),
            sent: Some(0),
            received: Some(2),
            ms: Some(7),
            reused: Some(false),
            ..Event::about(Kind::Request, "acme", Some("default"))
        };
        let line = serde_json::to_string(&event).unwrap();
        assert_eq!(
            line,
            "{\"time\":\"2026-11-25T11:00:00.000Z\",\"run\":\"0123abcd\",\"event\":\"request\",\"provider\":\"acme\",\
             \"connection\":\"default\",\"method\":\"GET\",\"host\":\"api.acme.test\",\"path\":\"/v1\",\"status\":200,\
             \"sent\":0,\"received\":2,\"ms\":7,\"reused\":false}"
        );
        let read: Event<'_> = serde_json::from_str(&line).unwrap();
        assert_eq!(read, event);
    }

    #[test]
    fn of_a_target_the_path_alone_is_told() {
        let long = format!("/{}", "x".repeat(2000));
        for (target, expected) in [
            ("/a?key=k", Some("/a")),
            ("/a#key=k", Some("/a")),
            ("*", Some("*")),
            ("https://u:p@x/", None),
            ("x?y", None),
            ("/a\"\x1b", Some("/a\\\"\\x1b")),
        ] {
            assert_eq!(path(target).as_deref(), expected, "{target}");
        }
        assert_eq!(path(&long).unwrap().len(), MAX_PATH);
        let escaped = format!("/{}", "\u{1}".repeat(1000));
        assert!(path(&escaped).unwrap().len() <= MAX_PATH);
        assert_eq!(method(&"M".repeat(100)).len(), MAX_METHOD);
        assert!(error("é".repeat(2000)).len() <= MAX_ERROR + 2);
    }
}
