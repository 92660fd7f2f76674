//! Taking the credential that was sent out of what comes back: an origin that echoes a request would show it to the child.
//!
//! Each byte of it becomes a star, so lengths and framing stay as they are. It is looked for in the forms that servers write a value in,
//! across whatever pieces it arrives in: the end of a piece is held until more is there. What is held does not depend on what it says,
//! but on its length and on control bytes, which no credential has (so lines and events leave at once): were it held just where it begins
//! like the credential, a child whose words come back could ask for its bytes one by one.
//!
//! This is a second line, not a boundary: who can have the origin write the credential backwards, or in parts, gets it.
#![deny(clippy::indexing_slicing)]

use std::ops::Range;
use std::time::Duration;
use std::time::Instant;

use memchr::memmem::Finder;
use zeroize::Zeroizing;

use super::inject;
use crate::credential::Credential;
use crate::encoding;
use crate::provider::Placement;

/// Bytes of what is looked for, at the least: anything shorter is in ordinary text by chance.
const SHORTEST: usize = 8;

/// What is held is as long as the longest form, and up to a multiple of this: its length shall not be seen either.
const STEP: usize = 64;

/// How long the end of a piece is held where it isn't known whether more will come. Pieces of one answer follow each other at once; a
/// stream may pause for ever.
const HOLD: Duration = Duration::from_millis(5);

/// The forms in which servers write a credential.
pub(crate) struct Forms(Vec<Zeroizing<Vec<u8>>>);

impl Forms {
    /// The forms of a credential that is sent like this: itself, as it is sent, and as text of JSON, HTML and URLs has it.
    pub(crate) fn of(credential: &Credential, placement: &Placement) -> Self {
        let secret = credential.expose();
        let mut forms = Self(Vec::with_capacity(8));
        forms.add(secret.to_vec());
        if let Placement::Basic(user) = placement
            && let Some(pair) = inject::basic_pair(user, secret)
        {
            forms.add(encoding::base64(&pair));
        }
        if secret.iter().all(|byte| encoding::is_unreserved(*byte)) {
            return forms;
        }
        let json = |byte| match byte {
            b'"' => Some("\\\""),
            b'\\' => Some("\\\\"),
            _ => None,
        };
        forms.add(escaped(secret, json));
        forms.add(escaped(secret, |byte| match byte {
            b'/' => Some("\\/"),
            other => json(other),
        }));
        for quotes in [
            ["&quot;", "&#39;"],
            ["&quot;", "&#x27;"],
            ["&#34;", "&#39;"],
        ] {
            let [double, single] = quotes;
            forms.add(escaped(secret, |byte| match byte {
                b'&' => Some("&amp;"),
                b'<' => Some("&lt;"),
                b'>' => Some("&gt;"),
                b'"' => Some(double),
                b'\'' => Some(single),
                _ => None,
            }));
        }
        let percent = encoding::percent_encode(secret);
        forms.add(lower_escapes(&percent));
        forms.add(percent);
        forms
    }

    /// Adds a form, if it is new and long enough.
    fn add(&mut self, form: Vec<u8>) {
        let form = Zeroizing::new(form);
        if form.len() >= SHORTEST && !self.0.contains(&form) {
            self.0.push(form);
        }
    }

    /// What looks for them in one response.
    pub(crate) fn masker(&self) -> Masker<'_> {
        let longest = self.0.iter().map(|form| form.len()).max();
        Masker {
            finders: self.0.iter().map(|form| Finder::new(&**form)).collect(),
            reach: longest.unwrap_or(0).next_multiple_of(STEP),
            held: Zeroizing::default(),
            since: None,
            scratch: Zeroizing::default(),
            found: false,
        }
    }
}

/// The text with some bytes written in another way.
fn escaped(text: &[u8], as_written: impl Fn(u8) -> Option<&'static str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() * 6);
    for byte in text {
        match as_written(*byte) {
            Some(other) => out.extend_from_slice(other.as_bytes()),
            None => out.push(*byte),
        }
    }
    out
}

/// The text with the digits of its percent escapes in lower case.
fn lower_escapes(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, tail)) = rest.split_first() {
        out.push(*byte);
        rest = tail;
        if *byte == b'%'
            && let Some((digits, tail)) = tail.split_at_checked(2)
        {
            out.extend(digits.iter().map(u8::to_ascii_lowercase));
            rest = tail;
        }
    }
    out
}

/// Masks one response.
#[derive(Default)]
pub(crate) struct Masker<'a> {
    /// One for each form.
    finders: Vec<Finder<'a>>,
    /// Bytes that are held, at the most.
    reach: usize,
    /// The end of what came, which is held.
    held: Zeroizing<Vec<u8>>,
    /// Since when.
    since: Option<Instant>,
    /// What is given out where it isn't what came.
    scratch: Zeroizing<Vec<u8>>,
    /// Whether anything was masked.
    found: bool,
}

impl Masker<'_> {
    /// Whether anything was masked.
    pub(crate) fn has_found(&self) -> bool {
        self.found
    }

    /// Until when something is held; nothing where nothing is.
    pub(crate) fn holds_until(&self) -> Option<Instant> {
        self.since.map(|since| since + HOLD)
    }

    /// Masks text that is whole, in its place.
    pub(crate) fn mask(&mut self, text: &mut [u8]) {
        for range in self.found_in(text) {
            if let Some(part) = text.get_mut(range) {
                part.fill(b'*');
                self.found = true;
            }
        }
    }

    /// Takes the next piece of a body, and gives what may leave by now.
    pub(crate) fn pass<'b>(&'b mut self, piece: &'b [u8]) -> &'b [u8] {
        if self.finders.is_empty() || piece.is_empty() {
            return piece;
        }
        if self.held.is_empty() && self.found_in(piece).is_empty() {
            let end = self.end_to_hold(piece);
            self.hold(piece.get(end..).unwrap_or_default());
            return piece.get(..end).unwrap_or_default();
        }
        let mut all = Zeroizing::new(Vec::with_capacity(self.held.len() + piece.len()));
        all.extend_from_slice(&self.held);
        all.extend_from_slice(piece);
        let mut end = self.end_to_hold(&all);
        for range in self.found_in(&all) {
            end = end.max(range.end);
        }
        let rest = Zeroizing::new(all.split_off(end));
        self.hold(&rest);
        self.mask(&mut all);
        self.scratch = all;
        &self.scratch
    }

    /// Gives what is held: nothing more comes, or not soon.
    pub(crate) fn release(&mut self) -> &[u8] {
        self.since = None;
        self.scratch = std::mem::take(&mut self.held);
        &self.scratch
    }

    /// Holds these bytes.
    fn hold(&mut self, bytes: &[u8]) {
        self.held.clear();
        self.held.extend_from_slice(bytes);
        self.since = (!bytes.is_empty()).then(Instant::now);
    }

    /// Where the part of the text begins in which a form could begin and not end.
    fn end_to_hold(&self, text: &[u8]) -> usize {
        let start = text.len().saturating_sub(self.reach);
        let end = text.get(start..).unwrap_or_default();
        let control = end.iter().rposition(u8::is_ascii_control);
        control.map_or(start, |at| start + at + 1)
    }

    /// Where forms are in the text; they may overlap.
    fn found_in(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut ranges = Vec::new();
        for finder in &self.finders {
            let mut from = 0;
            while let Some(at) = finder.find(text.get(from..).unwrap_or_default()) {
                let start = from + at;
                ranges.push(start..start + finder.needle().len());
                from = start + 1;
            }
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The forms of a bearer token.
    fn forms(secret: &str) -> Forms {
        let credential = Credential::new(secret.as_bytes().to_vec()).unwrap();
        let placement = Placement::Header {
            name: "Authorization".into(),
            prefix: None,
        };
        Forms::of(&credential, &placement)
    }

    /// What leaves of pieces.
    fn passed(forms: &Forms, pieces: &[&[u8]]) -> (String, bool) {
        let mut masker = forms.masker();
        let mut out = Vec::new();
        for piece in pieces {
            out.extend_from_slice(masker.pass(piece));
        }
        out.extend_from_slice(masker.release());
        (String::from_utf8(out).unwrap(), masker.has_found())
    }

    #[test]
    fn what_was_found_is_stars_however_it_comes() {
        let secret = "sk-0123456789abcdef";
        let forms = forms(secret);
        let text = format!("a\n{secret}, {secret}sk-01234{secret} b\n sk-0");
        let masked = text.replace(secret, &"*".repeat(secret.len()));
        let bytes = text.as_bytes();
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                let expected = (masked.clone(), true);
                assert_eq!(passed(&forms, &pieces), expected, "{first} {second}");
            }
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(passed(&forms, &single), (masked, true));
    }

    #[test]
    fn what_is_held_says_nothing_of_the_credential() {
        let forms = forms("sk-0123456789abcdef");
        let held = |piece: &[u8]| {
            let mut masker = forms.masker();
            let left = masker.pass(piece).len();
            assert_eq!(masker.release().len(), piece.len() - left);
            left
        };
        for length in 1..200 {
            let right: String = "sk-0123456789abcde".chars().cycle().take(length).collect();
            let wrong: String = "sk-0123456789abcdX".chars().cycle().take(length).collect();
            for before in ["", "\n", "x", "x\ny"] {
                let left = held(format!("{before}{right}").as_bytes());
                assert_eq!(held(format!("{before}{wrong}").as_bytes()), left);
                assert_eq!(
                    left,
                    (before.len() + length)
                        .saturating_sub(64)
                        .max(before.find('\n').map_or(0, |at| at + 1))
                );
            }
        }
        let event = b"data: {}\n\n";
        assert_eq!(held(event), event.len());
    }

    #[test]
    fn a_text_that_repeats_itself_is_masked_as_a_whole() {
        assert_eq!(
            passed(&forms("abababab"), &[b"-ababababab-"]).0,
            "-**********-"
        );
    }

    #[test]
    fn the_forms_that_servers_write_are_known() {
        let secret = r#"a/b"c\d'e&f<g+h="#;
        let forms = forms(secret);
        for text in [
            r#"a/b\"c\\d'e&f<g+h="#,
            r#"a\/b\"c\\d'e&f<g+h="#,
            r"a/b&quot;c\d&#39;e&amp;f&lt;g+h=",
            r"a/b&quot;c\d&#x27;e&amp;f&lt;g+h=",
            r"a/b&#34;c\d&#39;e&amp;f&lt;g+h=",
            "a%2Fb%22c%5Cd%27e%26f%3Cg%2Bh%3D",
            "a%2fb%22c%5cd%27e%26f%3cg%2bh%3d",
            secret,
        ] {
            assert_eq!(
                passed(&forms, &[text.as_bytes()]).0,
                "*".repeat(text.len()),
                "{text}"
            );
        }
    }

    #[test]
    fn basic_authentication_is_known_as_it_is_sent() {
        let credential = Credential::new(b"p4ssw0rd-of-mine".to_vec()).unwrap();
        let user = crate::provider::BasicUser::Fixed("me".into());
        let forms = Forms::of(&credential, &Placement::Basic(user));
        let sent = encoding::base64(b"me:p4ssw0rd-of-mine");
        assert_eq!(passed(&forms, &[&sent]).0, "*".repeat(sent.len()));
    }

    #[test]
    fn what_is_short_is_left_alone() {
        assert_eq!(
            passed(&forms("token12"), &[b"token12"]),
            ("token12".into(), false)
        );
    }
}
