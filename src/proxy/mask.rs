//! Taking the credential that was sent out of what comes back: an origin that echoes a request would show it to the child.
//!
//! Each byte of it becomes a star, so lengths and framing stay as they are. It is looked for in the forms that servers write a value in
//! (`forms`), across whatever pieces it arrives in: the end of a piece is held until more is there.
//!
//! The child may choose what is looked through, and see when it leaves and what that cost. So neither depends on how much of it is
//! like the credential: what is held depends on its length and on bytes that no credential has (lines and events leave at once), and
//! the search (`search`) compares numbers made with a key of the run, not bytes.
//!
//! This is a second line, not a boundary: who can have the origin write the credential backwards, or in parts, gets it.
#![deny(clippy::indexing_slicing)]

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::Weak;
use std::time::Instant;

use zeroize::Zeroizing;

use super::forms;
use super::search::Key;
use super::search::Needle;
use crate::credential::Credential;
use crate::provider::Placement;

/// Bytes of what is looked for, at the least: anything shorter is in ordinary text by chance.
const SHORTEST: usize = 8;

/// What is held is as long as the longest form, and up to a multiple of this: its length shall not be seen either.
const STEP: usize = 64;

/// The forms in which servers write a secret.
pub(crate) struct Forms {
    /// The key by which they are found.
    key: Arc<Key>,
    /// Each once.
    all: Vec<Needle>,
    /// Whether all of them are printable ASCII without spaces, as nearly all credentials are.
    is_visible: bool,
}

impl Forms {
    /// The forms of a credential that is sent like this.
    fn of(key: &Arc<Key>, credential: &Credential, placement: &Placement) -> Self {
        Self::new(key, forms::of_credential(credential, placement))
    }

    /// These forms, but for those that are too short.
    fn new(key: &Arc<Key>, forms: Vec<Zeroizing<Vec<u8>>>) -> Self {
        let mut all: Vec<Needle> = Vec::with_capacity(forms.len());
        for bytes in forms {
            if bytes.len() >= SHORTEST && all.iter().all(|known| known.bytes() != &**bytes) {
                all.push(Needle::new(key, bytes));
            }
        }
        let mut bytes = all.iter().flat_map(|form| form.bytes());
        Self {
            key: Arc::clone(key),
            is_visible: bytes.all(u8::is_ascii_graphic),
            all,
        }
    }

    /// What looks for them in one response.
    pub(crate) fn masker(&self) -> Masker<'_> {
        let longest = self.all.iter().map(|form| form.bytes().len()).max();
        Masker {
            forms: Some(self).filter(|forms| !forms.all.is_empty()),
            reach: longest.unwrap_or(0).next_multiple_of(STEP),
            ..Masker::default()
        }
    }

    /// Whether no form has this byte.
    fn is_break(&self, byte: u8) -> bool {
        match self.is_visible {
            true => !byte.is_ascii_graphic(),
            false => byte.is_ascii_control(),
        }
    }

    /// Where forms are in the text; they may overlap.
    fn found_in(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        for form in &self.all {
            form.find(&self.key, text, &mut found);
        }
        found
    }
}

/// A credential, how it is sent, and its forms.
type Sent = (Weak<Credential>, Placement, Arc<Forms>);

/// The forms of credentials that were sent lately: making them takes longer than most requests.
pub(crate) struct Known {
    /// The key of the run.
    key: Arc<Key>,
    /// Each with its credential, as long as that is used.
    lately: Mutex<Vec<Sent>>,
}

/// Credentials whose forms are known, at the most.
const LATELY: usize = 64;

impl Known {
    /// None are known yet.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            key: Arc::new(Key::new()?),
            lately: Mutex::default(),
        })
    }

    /// The forms of a credential that is sent like this.
    pub(crate) fn of(&self, credential: &Arc<Credential>, placement: &Placement) -> Arc<Forms> {
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lately.iter().find(|(known, as_sent, _)| {
            std::ptr::eq(known.as_ptr(), Arc::as_ptr(credential)) && as_sent == placement
        });
        if let Some((_, _, forms)) = known {
            return Arc::clone(forms);
        }
        lately.retain(|(credential, ..)| credential.strong_count() > 0);
        if lately.len() >= LATELY {
            lately.remove(0);
        }
        let forms = Arc::new(Forms::of(&self.key, credential, placement));
        lately.push((
            Arc::downgrade(credential),
            placement.clone(),
            Arc::clone(&forms),
        ));
        forms
    }

    /// The forms of a user and a password as the field of basic authentication has them.
    pub(crate) fn of_basic(&self, authorization: &[u8]) -> Forms {
        Forms::new(&self.key, forms::of_basic(authorization))
    }
}

/// Masks one response.
#[derive(Default)]
pub(crate) struct Masker<'a> {
    /// What to look for.
    forms: Option<&'a Forms>,
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
    /// Whether there is nothing to look for.
    pub(crate) fn is_none(&self) -> bool {
        self.forms.is_none()
    }

    /// Whether anything was masked.
    pub(crate) fn has_found(&self) -> bool {
        self.found
    }

    /// Since when something is held; nothing where nothing is.
    pub(crate) fn holds_since(&self) -> Option<Instant> {
        self.since
    }

    /// Masks text that is whole, in its place.
    pub(crate) fn mask(&mut self, text: &mut [u8]) {
        let places = self.found_in(text);
        self.star(text, places);
    }

    /// Takes the next piece of a body, and gives what may leave by now, in two parts: of what was held, and of the piece.
    pub(crate) fn pass<'b>(&'b mut self, piece: &'b [u8]) -> [&'b [u8]; 2] {
        let Some(forms) = self.forms.filter(|_| !piece.is_empty()) else {
            return [&[], piece];
        };
        let is_long = self.held.is_empty() || piece.len() >= self.reach;
        if is_long && !self.is_in_seam(piece) && forms.found_in(piece).is_empty() {
            let end = self.end_to_hold(piece);
            self.scratch = std::mem::take(&mut self.held);
            self.hold(piece.get(end..).unwrap_or_default());
            return [&self.scratch, piece.get(..end).unwrap_or_default()];
        }
        let mut all = Zeroizing::new(Vec::with_capacity(self.held.len() + piece.len()));
        all.extend_from_slice(&self.held);
        all.extend_from_slice(piece);
        let ranges = forms.found_in(&all);
        let last = ranges.iter().map(|range| range.end).max();
        let end = self.end_to_hold(&all).max(last.unwrap_or(0));
        self.hold(all.get(end..).unwrap_or_default());
        self.star(&mut all, ranges);
        all.truncate(end);
        self.scratch = all;
        [&self.scratch, &[]]
    }

    /// Whether a form is in what is held together with the beginning of a piece that is longer than any form.
    fn is_in_seam(&self, piece: &[u8]) -> bool {
        if self.held.is_empty() {
            return false;
        }
        let start = piece.get(..self.reach.min(piece.len()));
        let seam = Zeroizing::new([&self.held, start.unwrap_or_default()].concat());
        !self.found_in(&seam).is_empty()
    }

    /// Puts stars in these places.
    fn star(&mut self, text: &mut [u8], places: Vec<Range<usize>>) {
        for place in places {
            if let Some(part) = text.get_mut(place) {
                part.fill(b'*');
                self.found = true;
            }
        }
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
        let is_break = |byte: &u8| self.forms.is_some_and(|forms| forms.is_break(*byte));
        let last = end.iter().rposition(is_break);
        last.map_or(start, |at| start + at + 1)
    }

    /// Where forms are in the text.
    fn found_in(&self, text: &[u8]) -> Vec<Range<usize>> {
        self.forms
            .map(|forms| forms.found_in(text))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding;
    use crate::provider::BasicUser;

    /// The forms of a bearer token.
    fn forms(secret: &str) -> Forms {
        let placement = Placement::Header {
            name: "Authorization".into(),
            prefix: None,
        };
        of(secret, &placement)
    }

    /// The forms of a credential.
    fn of(secret: &str, placement: &Placement) -> Forms {
        let credential = Credential::new(secret.as_bytes().to_vec()).unwrap();
        Forms::of(&Arc::new(Key::new().unwrap()), &credential, placement)
    }

    /// What leaves of pieces.
    fn passed(forms: &Forms, pieces: &[&[u8]]) -> (String, bool) {
        let mut masker = forms.masker();
        let mut out = Vec::new();
        for piece in pieces {
            out.extend(masker.pass(piece).concat());
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
            let left = masker.pass(piece).concat().len();
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
            r#"a/b\"c\\d'e\u0026f\u003cg+h="#,
            r"a/b&quot;c\d&#39;e&amp;f&lt;g+h=",
            r"a/b&quot;c\d&#x27;e&amp;f&lt;g+h=",
            r"a/b&#34;c\d&#39;e&amp;f&lt;g+h=",
            r"a/b&#34;c\d&#39;e&amp;f&lt;g&#43;h=",
            r"a&#x2F;b&quot;c\d&#x27;e&amp;f&lt;g+h&#x3D;",
            "a%2Fb%22c%5Cd%27e%26f%3Cg%2Bh%3D",
            "a%2fb%22c%5cd%27e%26f%3cg%2bh%3d",
            "a/b%22c%5Cd%27e%26f%3Cg%2Bh%3D",
            secret,
        ] {
            let stars = "*".repeat(text.len());
            assert_eq!(passed(&forms, &[text.as_bytes()]).0, stars, "{text}");
        }
    }

    #[test]
    fn basic_authentication_is_known_as_it_is_sent_and_by_its_password() {
        let password = "ab?4w0rd-of-mine>";
        let sent =
            String::from_utf8(encoding::base64(format!("me:{password}").as_bytes())).unwrap();
        assert!(sent.contains('/'), "{sent}");
        let fixed = Placement::Basic(BasicUser::Fixed("me".into()));
        let both = Placement::Basic(BasicUser::InCredential);
        let known = Known::new().unwrap();
        for forms in [
            of(password, &fixed),
            of(&format!("me:{password}"), &both),
            known.of_basic(format!("Basic {sent}").as_bytes()),
        ] {
            for text in [
                &sent,
                password,
                &sent.replace('/', "\\/"),
                &sent
                    .replace('=', "%3D")
                    .replace('/', "%2F")
                    .replace('+', "%2B"),
            ] {
                assert_eq!(
                    passed(&forms, &[text.as_bytes()]).0,
                    "*".repeat(text.len()),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn forms_are_made_once_and_go_with_their_credential() {
        let known = Known::new().unwrap();
        let header = Placement::Header {
            name: "X-Key".into(),
            prefix: None,
        };
        let credential = |text: &str| Arc::new(Credential::new(text.into()).unwrap());
        let one = credential("0123456789");
        let forms = known.of(&one, &header);
        assert!(Arc::ptr_eq(&forms, &known.of(&one, &header)));
        let basic = Placement::Basic(BasicUser::Credential);
        assert!(!Arc::ptr_eq(&forms, &known.of(&one, &basic)));
        drop(one);
        for number in 0..2 * LATELY {
            known.of(&credential(&format!("0123456789-{number}")), &header);
        }
        assert_eq!(known.lately.lock().unwrap().len(), 1);
        let kept: Vec<_> = (0..2 * LATELY).map(|_| credential("0123456789")).collect();
        for credential in &kept {
            known.of(credential, &header);
        }
        assert_eq!(known.lately.lock().unwrap().len(), LATELY);
    }

    #[test]
    fn what_is_short_is_left_alone() {
        assert_eq!(
            passed(&forms("token12"), &[b"token12"]),
            ("token12".into(), false)
        );
    }
}
