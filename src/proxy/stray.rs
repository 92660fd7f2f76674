//! Warnings about placeholders that authsome doesn't replace: in a body, a query, a path, or over plain http. The origin
//! refuses such a request without saying why.
//!
//! A model's transcript may quote a placeholder that a program has printed. So one counts in a body or a query only as the whole value of
//! something that is called like a credential: `token=...` in a form, `"api_key": "..."` in JSON, a part of multipart data.
#![deny(clippy::indexing_slicing)]

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::PoisonError;

use memchr::memmem::Finder;

use super::route::Match;
use crate::audit::event;
use crate::broker::Broker;
use crate::encoding;
use crate::http1::head::RequestHead;
use crate::notice::Notices;
use crate::provider::Placement;
use crate::url;
use crate::url::Authority;
use crate::url::Scheme;

/// Bytes before a value in which its name is looked for. In multipart data, a line with the name and one with a type come before it.
const LOOK_BACK: usize = 160;

/// Words in the names of fields that hold a credential; each such name has at least one.
const NAMES: [&[u8]; 7] = [
    b"token", b"key", b"auth", b"secret", b"pass", b"cred", b"id",
];

/// Where in a request a placeholder was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// A value in the body.
    Body,
    /// A parameter of the query.
    Query,
    /// Anywhere in the path.
    Path,
    /// A header of a request that met no route.
    Header,
}

impl Place {
    /// Returns the word for warnings and the audit log.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Query => "query",
            Self::Path => "path",
            Self::Header => "header",
        }
    }
}

/// A placeholder, by its place in [`Placeholders`].
pub(super) type Number = usize;

/// The placeholders of all connections.
pub(super) struct Placeholders {
    /// Each text once.
    entries: Vec<Entry>,
    /// Bytes of the longest needle.
    longest: usize,
    /// Warnings already given: one for each connection and place.
    warned: Mutex<HashSet<(String, Place, bool)>>,
}

/// One placeholder.
struct Entry {
    /// The text itself.
    text: String,
    /// The text, and as it stands in a form or a query, if that differs.
    needles: Vec<Finder<'static>>,
    /// The connections that have it.
    labels: Vec<String>,
}

/// What a warning needs to know of a request.
pub(super) struct About<'a> {
    /// The head as received.
    pub(super) head: &'a RequestHead,
    /// The scheme of its URL.
    pub(super) scheme: Scheme,
    /// The origin's host and port.
    pub(super) authority: &'a Authority,
    /// The target in origin form.
    pub(super) target: &'a str,
    /// The route whose credential the request has.
    pub(super) armed: Option<&'a Match>,
    /// The route that the request matches, even if it keeps a credential of its own.
    pub(super) met: Option<&'a Match>,
    /// The placeholder found in the body.
    pub(super) in_body: Option<Number>,
}

impl Placeholders {
    /// Collects the placeholders of a broker's connections.
    pub(super) fn new(broker: &Broker) -> Self {
        let mut entries: Vec<Entry> = Vec::new();
        for (_, connection) in broker.connections() {
            let (text, label) = (&connection.provider.placeholder, connection.label());
            match entries.iter_mut().find(|entry| entry.text == *text) {
                Some(entry) => entry.labels.push(label),
                None if text.is_empty() => {}
                None => entries.push(Entry::new(text, label)),
            }
        }
        let needles = entries.iter().flat_map(|entry| &entry.needles);
        let longest = needles.map(|needle| needle.needle().len()).max();
        Self {
            longest: longest.unwrap_or_default(),
            entries,
            warned: Mutex::default(),
        }
    }

    /// Returns a scanner for a body, which is read in pieces.
    pub(super) fn watch(&self) -> Watch<'_> {
        Watch {
            placeholders: self,
            tail: Vec::new(),
            has_begun: false,
            found: None,
        }
    }

    /// Warns the user if a request was sent with a placeholder that authsome doesn't replace. Returns its place.
    pub(super) fn warn(
        &self,
        about: &About<'_>,
        broker: &Broker,
        notices: &Notices,
    ) -> Option<Place> {
        let in_body = about.in_body.map(|number| (number, Place::Body));
        let in_head = || self.in_target(about).or_else(|| self.in_fields(about));
        let (number, place) = in_body.or_else(in_head)?;
        let entry = self.entries.get(number)?;
        let met = about.met.map(|found| broker.connection(found.connection()));
        let whose = met.filter(|connection| connection.provider.placeholder == entry.text);
        let label = match (whose, entry.labels.as_slice()) {
            (Some(connection), _) => connection.label(),
            (None, [only]) => only.clone(),
            (None, _) => String::new(),
        };
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.insert((label.clone(), place, about.met.is_some())) {
            drop(warned);
            notices.warn(warning(&label, place, about));
        }
        Some(place)
    }

    /// Finds a placeholder in a request's target, except in the parameter that the credential replaces.
    fn in_target(&self, about: &About<'_>) -> Option<(Number, Place)> {
        let (path, query) = url::split_query(about.target.as_bytes());
        let replaced = match about.armed.map(Match::placement) {
            Some(Placement::Query { param }) => Some(param.as_bytes()),
            _ => None,
        };
        let pairs = query.unwrap_or_default().split(|byte| *byte == b'&');
        let in_query = pairs.filter_map(|pair| {
            let at = memchr::memchr(b'=', pair)?;
            let (name, value) = (pair.get(..at)?, pair.get(at + 1..)?);
            let is_left = replaced != Some(encoding::query_decode(name).as_slice());
            let value = encoding::query_decode(value);
            self.position(|entry| is_left && is_name(name) && value == entry.text.as_bytes())
        });
        let in_path = || {
            self.position(|entry| {
                let mut needles = entry.needles.iter();
                needles.any(|needle| needle.find(path).is_some())
            })
        };
        let in_query = in_query.map(|number| (number, Place::Query)).next();
        in_query.or_else(|| Some((in_path()?, Place::Path)))
    }

    /// Finds a placeholder in the fields of a request that matches no route. Where a route matches, none is left.
    fn in_fields(&self, about: &About<'_>) -> Option<(Number, Place)> {
        let fields = &about.head.fields;
        let has = |entry: &Entry| {
            let mut values = fields.iter().map(|(_, value)| value);
            values.any(|value| super::beside::contains(value, entry.text.as_bytes()))
        };
        let found = about.met.is_none().then(|| self.position(has))??;
        Some((found, Place::Header))
    }

    /// Returns the first placeholder that the predicate holds for.
    fn position(&self, is_it: impl Fn(&Entry) -> bool) -> Option<Number> {
        self.entries.iter().position(is_it)
    }

    /// Finds a placeholder in a part of a body, as a whole value. The part's `edges` say whether the body begins or ends with it; a placeholder at an
    /// edge that is none is for the next part.
    fn find(&self, part: &[u8], (begins, ends): (bool, bool)) -> Option<Number> {
        let is_value = |start: usize, end: usize| {
            let before = part.get(..start).unwrap_or_default();
            let after = part.get(end).copied();
            (begins || start > 0) && (ends || after.is_some()) && is_whole_value(before, after)
        };
        self.position(|entry| {
            entry.needles.iter().any(|needle| {
                let length = needle.needle().len();
                let mut starts = needle.find_iter(part);
                starts.any(|start| is_value(start, start + length))
            })
        })
    }
}

impl Entry {
    /// An entry with its first connection.
    fn new(text: &str, label: String) -> Self {
        let encoded = encoding::percent_encode(text.as_bytes());
        let mut needles = vec![Finder::new(text.as_bytes()).into_owned()];
        if encoded != text.as_bytes() {
            needles.push(Finder::new(&encoded).into_owned());
        }
        Self {
            text: text.to_owned(),
            needles,
            labels: vec![label],
        }
    }
}

/// Looks for placeholders in a body that passes by.
pub(super) struct Watch<'a> {
    /// Texts to search for.
    placeholders: &'a Placeholders,
    /// The end of what has passed: a placeholder whose rest is to come, and what stands before it.
    tail: Vec<u8>,
    /// Whether the tail is not the body's beginning.
    has_begun: bool,
    /// The first placeholder found.
    found: Option<Number>,
}

impl Watch<'_> {
    /// Scans the next piece of the body.
    pub(super) fn see(&mut self, piece: &[u8]) {
        if self.found.is_some() || self.placeholders.entries.is_empty() || piece.is_empty() {
            return;
        }
        // A placeholder that begins in the tail, or whose name does, is whole within the seam.
        let room = LOOK_BACK + self.placeholders.longest + 1;
        let mut seam = std::mem::take(&mut self.tail);
        seam.extend_from_slice(piece.get(..room).unwrap_or(piece));
        let places = self.placeholders;
        self.found = places.find(&seam, (!self.has_begun, false));
        if let Some(last) = piece.len().checked_sub(room).filter(|last| *last > 0) {
            self.found = self.found.or_else(|| places.find(piece, (false, false)));
            seam.clear();
            seam.extend_from_slice(piece.get(last..).unwrap_or_default());
            self.has_begun = true;
        } else if let Some(over) = seam.len().checked_sub(room).filter(|over| *over > 0) {
            seam.drain(..over);
            self.has_begun = true;
        }
        self.tail = seam;
    }

    /// Returns the first placeholder found, at the body's end.
    pub(super) fn finish(&mut self) -> Option<Number> {
        let edges = (!self.has_begun, true);
        self.found
            .or_else(|| self.placeholders.find(&self.tail, edges))
    }
}

/// Returns whether what stands between these is the whole value of something that is called like a credential.
fn is_whole_value(before: &[u8], after: Option<u8>) -> bool {
    let start = before.len().saturating_sub(LOOK_BACK);
    let before = before.get(start..).unwrap_or_default();
    let name = match (before.split_last(), after) {
        (Some((b'=', name)), None | Some(b'&')) => name,
        (Some((b'"', rest)), Some(b'"')) => {
            let name = rest.trim_ascii_end().strip_suffix(b":");
            name.and_then(|name| name.trim_ascii_end().strip_suffix(b"\""))
                .unwrap_or_default()
        }
        // A part of multipart data has its name in a field of its own.
        (Some((b'\n', _)), None | Some(b'\r' | b'\n')) => return is_named_part(before),
        _ => return false,
    };
    let own = name.rsplit(|byte| matches!(byte, b'&' | b'"' | b'\n'));
    own.take(1).any(is_name)
}

/// Returns whether these lines begin a part of multipart data that is called like a credential.
fn is_named_part(lines: &[u8]) -> bool {
    let Some(lines) = lines.strip_suffix(b"\r\n\r\n") else {
        return false;
    };
    let name = memchr::memmem::rfind(lines, b"name=\"").and_then(|at| lines.get(at + 6..));
    let mut parts = name.unwrap_or_default().split(|byte| *byte == b'"');
    parts.next().is_some_and(is_name)
}

/// Returns whether a name is that of a field for a credential.
fn is_name(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    NAMES
        .iter()
        .any(|word| super::beside::contains(&name, word))
}

/// Returns the warning about a placeholder that was sent.
fn warning(label: &str, place: Place, about: &About<'_>) -> String {
    let scheme = match about.scheme {
        Scheme::Https => "https",
        Scheme::Http => "http",
    };
    let host = about.authority.to_header(about.scheme);
    let method = event::method(&about.head.method);
    let path = event::path(about.target).unwrap_or_default();
    let (whose, which) = match label {
        "" => (String::new(), "a placeholder"),
        label => (format!("{label}: "), "the placeholder"),
    };
    let sent = format!(
        "{whose}{method} {scheme}://{host}{path} was sent with {which} in its {}",
        place.word()
    );
    match about.met {
        None => format!(
            "{sent}, and without a credential: one goes along over https only, to what a connected provider claims (`authsome explain` says what a URL gets)"
        ),
        Some(found) => {
            let put = match found.placement() {
                Placement::Header { name, .. } => format!("the header {name}"),
                Placement::Basic(_) => "the header Authorization (Basic)".to_owned(),
                Placement::Query { param } => format!("the query's parameter {param}"),
            };
            format!(
                "{sent}, which authsome leaves as it is: the credential goes into {put}; have the program send it there alone"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Connection;
    use crate::proxy::demo;
    use crate::source::Source;

    const TEXT: &str = "authsome-proxy-managed";

    /// The placeholder of one connection.
    fn placeholders() -> Placeholders {
        let source = Source::held("a test", b"s3cret-0123456789").unwrap();
        let provider = demo::provider().unwrap();
        Placeholders::new(&Broker::new(vec![Connection::given(provider, source)]))
    }

    /// Returns whether it is found in these pieces.
    fn is_in(pieces: &[&[u8]]) -> bool {
        let placeholders = placeholders();
        let mut watch = placeholders.watch();
        pieces.iter().for_each(|piece| watch.see(piece));
        watch.finish().is_some()
    }

    #[test]
    fn a_value_is_found_whatever_the_split() {
        let fill = "x".repeat(1000);
        for body in [
            format!("token={TEXT}"),
            format!("a={fill}&api_key={TEXT}&b={fill}"),
            format!("{{\"a\": \"{fill}\", \"auth\" : \"{TEXT}\"}}"),
            format!(
                "--b\r\nContent-Disposition: form-data; name=\"token\"\r\nContent-Type: text/plain\r\n\r\n{TEXT}\r\n--b--"
            ),
        ] {
            let body = body.as_bytes();
            for at in 0..=body.len() {
                let (first, second) = body.split_at(at);
                assert!(is_in(&[first, second]), "{at}: {}", body.escape_ascii());
            }
            for size in [1, 2, 7, 100, 250] {
                let pieces: Vec<&[u8]> = body.chunks(size).collect();
                assert!(is_in(&pieces), "{size}: {}", body.escape_ascii());
            }
        }
    }

    #[test]
    fn what_only_quotes_it_is_not_found() {
        for body in [
            TEXT.to_owned(),
            format!("token={TEXT}x"),
            format!("text={TEXT}"),
            format!("token=x{TEXT}"),
            format!("{{\"content\": \"{TEXT}\"}}"),
            format!("{{\"token\": \"the {TEXT}\"}}"),
            format!("{{\"content\": \"{{\\\"token\\\": \\\"{TEXT}\\\"}}\"}}"),
            format!("[\"token\", \"{TEXT}\"]"),
            format!("OPENAI_API_KEY={TEXT}\nHOME=/"),
            format!("name=\"file\"\r\n\r\n{TEXT}\r\n"),
        ] {
            for size in [1, 5, 1000] {
                let pieces: Vec<&[u8]> = body.as_bytes().chunks(size).collect();
                assert!(!is_in(&pieces), "{size}: {body}");
            }
        }
    }
}
