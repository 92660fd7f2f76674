//! Taking credentials out of what comes back: an origin that echoes a request would show its credential to the child.
//!
//! Each byte of one becomes a star, so lengths and framing stay as they are. It is looked for in the forms that servers write a value in
//! (`forms`), across whatever pieces it arrives in: the end of a piece is held until more is there.
//!
//! An origin can also show later, and to another request, what it was sent. So whatever comes from an authority is searched for every
//! credential that was sent there in this run ([`Sent`]), whichever request it answers. An answer that is under way when another
//! credential is sent to its authority is searched for that one, too, from its next piece on.
//!
//! The child may choose what is looked through, and see when it leaves and what that cost. The cost doesn't depend on how much of
//! the text is like a credential: the search (`search`) compares numbers made with a key of the run, not bytes. What is held
//! depends on a credential's first two bytes, and on nothing else of it but its length in steps: a tail is held from the first
//! place on at which the text has the first two bytes of a form (at the text's last byte: the first). This is a trade. A child
//! that has an origin write texts of its choice, and measures which of them wait, learns these two bytes of each form: mostly a
//! prefix that is public, such as `sk` or `gh`. It learns no third one, since all text behind the two is held alike. In exchange,
//! text that a model writes token by token leaves as it comes. Nothing is held before a byte that no form has, such as a line end.
//!
//! This is a second line, not a boundary: who can have the origin write the credential backwards, or in parts, gets it.
#![deny(clippy::indexing_slicing)]

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::Weak;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Instant;

use zeroize::Zeroizing;

use super::forms;
use super::search::Key;
use super::search::Needle;
use crate::credential::Common;
use crate::credential::Credential;
use crate::provider::Placement;
use crate::url::Authority;

/// What is held is as long as the longest form, and up to a multiple of this: its length shall not be seen either.
const STEP: usize = 64;

/// Credentials of an authority that nothing uses any more and that are searched for all the same, the newest of them: tokens that
/// were replaced may still be good, and an origin may show a request that it got before. Each costs about 0.13 s of a CPU for a GiB
/// of answers, where relaying takes 0.7 s. Those in use are not counted, and never dropped.
const RETIRED: usize = 4;

/// Authorities that have a set of their own. A pattern can claim any number of hosts; those behind this many share one set, and are
/// searched for the credentials of all of them.
const AUTHORITIES: usize = 256;

/// Returns why a credential that is sent like this stays readable in answers, as a whole or by its password, if it does.
pub(crate) fn left_readable(credential: &Credential, placement: &Placement) -> Option<Common> {
    forms::left_readable(credential, placement)
}

/// The forms in which servers write secrets.
struct Forms {
    /// The key by which they are found.
    key: Arc<Key>,
    /// Each once.
    all: Vec<Arc<Needle>>,
    /// Whether all of them are printable ASCII without spaces, as nearly all credentials are.
    is_visible: bool,
    /// Bytes that are held of a text, at the most.
    reach: usize,
    /// The first two bytes of each.
    starts: Zeroizing<Vec<[u8; 2]>>,
}

impl Forms {
    /// These forms, each taken once.
    fn new<'a>(key: &Arc<Key>, needles: impl IntoIterator<Item = &'a Arc<Needle>>) -> Self {
        let mut all: Vec<Arc<Needle>> = Vec::new();
        for needle in needles {
            if all.iter().all(|known| known.bytes() != needle.bytes()) {
                all.push(Arc::clone(needle));
            }
        }
        let mut bytes = all.iter().flat_map(|form| form.bytes());
        let is_visible = bytes.all(u8::is_ascii_graphic);
        let longest = all.iter().map(|form| form.bytes().len()).max();
        let starts = all.iter().filter_map(|form| form.bytes().first_chunk());
        let mut starts = Zeroizing::new(starts.copied().collect::<Vec<[u8; 2]>>());
        starts.sort_unstable();
        starts.dedup();
        Self {
            key: Arc::clone(key),
            is_visible,
            reach: longest.unwrap_or(0).next_multiple_of(STEP),
            starts,
            all,
        }
    }

    /// Whether no form has this byte.
    fn is_break(&self, byte: u8) -> bool {
        match self.is_visible {
            true => !byte.is_ascii_graphic(),
            false => byte.is_ascii_control(),
        }
    }

    /// Returns whether a form could begin with these bytes, as far as its first two say.
    fn could_begin(&self, text: &[u8]) -> bool {
        match text {
            [] => false,
            [only] => self.starts.iter().any(|[first, _]| first == only),
            [first, second, ..] => self.starts.contains(&[*first, *second]),
        }
    }

    /// Returns where the part of a text begins in which a form could begin and not end.
    fn end_to_hold(&self, text: &[u8]) -> usize {
        let start = text.len().saturating_sub(self.reach);
        let end = text.get(start..).unwrap_or_default();
        let last_break = end.iter().rposition(|byte| self.is_break(*byte));
        let first = last_break.map_or(0, |at| at + 1);
        let held =
            (first..end.len()).find(|at| self.could_begin(end.get(*at..).unwrap_or_default()));
        start + held.unwrap_or(end.len())
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

/// A credential that was sent, and how.
struct Entry {
    /// The credential, as long as that is used.
    credential: Weak<Credential>,
    /// How it was sent.
    placement: Placement,
    /// The connection, as messages call it.
    label: String,
    /// Its forms; none where they are too common.
    needles: Vec<Arc<Needle>>,
}

impl Entry {
    /// Returns whether it has the same forms as another.
    fn same_as(&self, other: &Self) -> bool {
        let mut pairs = self.needles.iter().zip(&other.needles);
        self.label == other.label
            && self.placement == other.placement
            && self.needles.len() == other.needles.len()
            && pairs.all(|(one, other)| one.bytes() == other.bytes())
    }
}

/// The credentials that were sent to an authority in this run.
pub(crate) struct Sent {
    /// The key of the run.
    key: Arc<Key>,
    /// Goes up with each change of the forms, so that an answer under way sees it without a lock.
    generation: AtomicU64,
    /// Everything else.
    list: Mutex<List>,
}

/// What a lock guards.
struct List {
    /// The oldest first.
    entries: Vec<Entry>,
    /// The forms of all of them; nothing where there are none.
    forms: Option<Arc<Forms>>,
}

impl Sent {
    /// Nothing was sent yet.
    fn new(key: &Arc<Key>) -> Self {
        Self {
            key: Arc::clone(key),
            generation: AtomicU64::new(0),
            list: Mutex::new(List {
                entries: Vec::new(),
                forms: None,
            }),
        }
    }

    /// Adds a credential that is about to be sent there like this by the connection of that label. Returns why it stays readable in
    /// answers, where it does and is new.
    pub(crate) fn add(
        &self,
        credential: &Arc<Credential>,
        placement: &Placement,
        label: impl FnOnce() -> String,
    ) -> Option<Common> {
        let is_same = |entry: &Entry| {
            std::ptr::eq(entry.credential.as_ptr(), Arc::as_ptr(credential))
                && entry.placement == *placement
        };
        if self.list().entries.iter().any(is_same) {
            return None;
        }
        // Made without the lock, since it takes a while.
        let entry = Entry {
            needles: self.needles(forms::of_credential(credential, placement)),
            credential: Arc::downgrade(credential),
            placement: placement.clone(),
            label: label(),
        };
        let mut list = self.list();
        let known = list.entries.iter().position(|known| known.same_as(&entry));
        let is_new = known.is_none();
        if let Some(known) = known {
            list.entries.remove(known);
        }
        list.entries.push(entry);
        if is_new {
            list.retire();
            self.rebuild(&mut list);
        }
        drop(list);
        let why = left_readable(credential, placement);
        why.filter(|_| is_new)
    }

    /// Returns whether there is nothing to look for.
    pub(crate) fn is_empty(&self) -> bool {
        self.list().forms.is_none()
    }

    /// Returns the connections whose credentials were sent, for a message.
    pub(crate) fn labels(&self) -> String {
        let list = self.list();
        let searched = list
            .entries
            .iter()
            .filter(|entry| !entry.needles.is_empty());
        let mut labels: Vec<&str> = searched.map(|entry| entry.label.as_str()).collect();
        labels.sort_unstable();
        labels.dedup();
        labels.join(" or ")
    }

    /// Returns what looks for the credentials in one response.
    pub(crate) fn masker(&self) -> Masker<'_> {
        let mut masker = Masker {
            sent: Some(self),
            ..Masker::default()
        };
        masker.load(self);
        masker
    }

    /// Returns the forms as something to look for.
    fn needles(&self, forms: Vec<Zeroizing<Vec<u8>>>) -> Vec<Arc<Needle>> {
        let needles = forms.into_iter().map(|bytes| Needle::new(&self.key, bytes));
        needles.map(Arc::new).collect()
    }

    /// Combines the forms of all entries anew.
    fn rebuild(&self, list: &mut List) {
        let needles = list.entries.iter().flat_map(|entry| &entry.needles);
        let forms = Forms::new(&self.key, needles);
        list.forms = (!forms.all.is_empty()).then(|| Arc::new(forms));
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// The list.
    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl List {
    /// Drops the oldest of those that nothing uses any more, where they are too many.
    fn retire(&mut self) {
        let is_retired = |entry: &Entry| entry.credential.strong_count() == 0;
        let retired = self.entries.iter().filter(|entry| is_retired(entry));
        let mut too_many = retired.count().saturating_sub(RETIRED);
        self.entries.retain(|entry| {
            let goes = too_many > 0 && is_retired(entry);
            too_many -= usize::from(goes);
            !goes
        });
    }
}

/// The field that holds an upstream proxy's password, and its set.
type OfProxy = (Zeroizing<Vec<u8>>, Arc<Sent>);

/// What was sent where in this run.
pub(crate) struct Known {
    /// The key of the run.
    key: Arc<Key>,
    /// The set of each authority.
    by_authority: Mutex<HashMap<Authority, Arc<Sent>>>,
    /// The set of all that have none of their own.
    others: Arc<Sent>,
    /// The sets of upstream proxies, by the field that holds their password. The environment names very few.
    of_proxies: Mutex<Vec<OfProxy>>,
}

impl Known {
    /// Nothing was sent yet.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn new() -> io::Result<Self> {
        let key = Arc::new(Key::new()?);
        Ok(Self {
            by_authority: Mutex::default(),
            others: Arc::new(Sent::new(&key)),
            of_proxies: Mutex::default(),
            key,
        })
    }

    /// Returns what was sent to an authority.
    pub(crate) fn at(&self, authority: &Authority) -> Arc<Sent> {
        let mut sets = self
            .by_authority
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(sent) = sets.get(authority) {
            return Arc::clone(sent);
        }
        if sets.len() >= AUTHORITIES {
            return Arc::clone(&self.others);
        }
        let sent = Arc::new(Sent::new(&self.key));
        sets.insert(authority.clone(), Arc::clone(&sent));
        sent
    }

    /// Returns what an upstream proxy is sent: a user and a password, as the field of basic authentication has them.
    pub(crate) fn at_proxy(&self, authorization: &[u8]) -> Arc<Sent> {
        let mut sets = self
            .of_proxies
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((_, sent)) = sets.iter().find(|(known, _)| ***known == *authorization) {
            return Arc::clone(sent);
        }
        let sent = Sent::new(&self.key);
        let needles = sent.needles(forms::of_basic(authorization));
        let forms = Forms::new(&self.key, &needles);
        sent.list().forms = (!forms.all.is_empty()).then(|| Arc::new(forms));
        let sent = Arc::new(sent);
        sets.push((Zeroizing::new(authorization.to_vec()), Arc::clone(&sent)));
        sent
    }
}

/// Masks one response.
#[derive(Default)]
pub(crate) struct Masker<'a> {
    /// Where it comes from what to look for.
    sent: Option<&'a Sent>,
    /// Which of its generations `forms` is of.
    generation: u64,
    /// What to look for; nothing where there is nothing.
    forms: Option<Arc<Forms>>,
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
    /// Takes over what was sent meanwhile. Returns whether there is nothing to look for.
    pub(crate) fn is_none(&mut self) -> bool {
        if let Some(sent) = self.sent
            && sent.generation.load(Ordering::Acquire) != self.generation
        {
            self.load(sent);
        }
        self.forms.is_none()
    }

    /// Takes the forms as they are now.
    fn load(&mut self, sent: &Sent) {
        let list = sent.list();
        self.generation = sent.generation.load(Ordering::Acquire);
        self.forms.clone_from(&list.forms);
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
        if !self.is_none()
            && let Some(forms) = &self.forms
        {
            let places = forms.found_in(text);
            self.star(text, places);
        }
    }

    /// Takes the next piece of a body, and gives what may leave by now, in two parts: of what was held, and of the piece.
    pub(crate) fn pass<'b>(&'b mut self, piece: &'b [u8]) -> [&'b [u8]; 2] {
        if piece.is_empty() {
            return [&[], piece];
        }
        self.is_none();
        let Some(forms) = self.forms.clone() else {
            return [self.release(), piece];
        };
        let is_long = self.held.is_empty() || piece.len() >= forms.reach;
        if is_long && !self.is_in_seam(&forms, piece) && forms.found_in(piece).is_empty() {
            let end = forms.end_to_hold(piece);
            self.scratch = std::mem::take(&mut self.held);
            self.hold(piece.get(end..).unwrap_or_default());
            return [&self.scratch, piece.get(..end).unwrap_or_default()];
        }
        let mut all = Zeroizing::new(Vec::with_capacity(self.held.len() + piece.len()));
        all.extend_from_slice(&self.held);
        all.extend_from_slice(piece);
        let ranges = forms.found_in(&all);
        let last = ranges.iter().map(|range| range.end).max().unwrap_or(0);
        let end = last + forms.end_to_hold(all.get(last..).unwrap_or_default());
        self.hold(all.get(end..).unwrap_or_default());
        self.star(&mut all, ranges);
        all.truncate(end);
        self.scratch = all;
        [&self.scratch, &[]]
    }

    /// Whether a form is in what is held together with the beginning of a piece that is longer than any form.
    fn is_in_seam(&self, forms: &Forms, piece: &[u8]) -> bool {
        if self.held.is_empty() {
            return false;
        }
        let start = piece.get(..forms.reach.min(piece.len()));
        let seam = Zeroizing::new([&self.held, start.unwrap_or_default()].concat());
        !forms.found_in(&seam).is_empty()
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
}

/// Returns what an authority knows that was sent a bearer token.
#[cfg(test)]
pub(super) fn sent_for_test(secret: &str) -> Sent {
    tests::sent(secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding;
    use crate::provider::BasicUser;

    /// A placement of a bearer token.
    fn bearer() -> Placement {
        Placement::Header {
            name: "Authorization".into(),
            prefix: None,
        }
    }

    /// A credential.
    fn credential(text: &str) -> Arc<Credential> {
        Arc::new(Credential::new(text.into()).unwrap())
    }

    /// What an authority knows that was sent a bearer token.
    pub(super) fn sent(secret: &str) -> Sent {
        sent_as(secret, &bearer())
    }

    /// What an authority knows that was sent a credential.
    fn sent_as(secret: &str, placement: &Placement) -> Sent {
        let sent = nothing_sent();
        sent.add(&credential(secret), placement, String::new);
        sent
    }

    /// What an authority knows that was sent nothing.
    fn nothing_sent() -> Sent {
        Sent::new(&Arc::new(Key::new().unwrap()))
    }

    /// What leaves of pieces.
    fn passed(sent: &Sent, pieces: &[&[u8]]) -> (String, bool) {
        let mut masker = sent.masker();
        let mut out = Vec::new();
        for piece in pieces {
            out.extend(masker.pass(piece).concat());
        }
        out.extend_from_slice(masker.release());
        (String::from_utf8(out).unwrap(), masker.has_found())
    }

    /// How many bytes of a piece leave at once.
    fn left_at_once(sent: &Sent, piece: &[u8]) -> usize {
        let mut masker = sent.masker();
        let left = masker.pass(piece).concat().len();
        assert_eq!(masker.release().len(), piece.len() - left);
        left
    }

    #[test]
    fn what_was_found_is_stars_however_it_comes() {
        let secret = "sk-0123456789abcdef";
        let forms = sent(secret);
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
    fn what_is_held_depends_on_two_bytes_of_the_credential_and_no_more() {
        let sent = sent("sk-0123456789abcdef");
        for length in 2..200 {
            for before in ["", "\n", "x", "x\ny", "s", "sks"] {
                let held = |text: &str| {
                    let text: String = text.chars().cycle().take(length).collect();
                    let text = format!("{before}{text}");
                    text.len() - left_at_once(&sent, text.as_bytes())
                };
                let right = held("sk-0123456789abcde");
                for at in 2..18 {
                    let mut wrong = "sk-0123456789abcde".to_owned();
                    wrong.replace_range(at..=at, "X");
                    assert_eq!(held(&wrong), right, "{before:?} {length} {at}");
                }
            }
        }
        assert_eq!(left_at_once(&sent, b"sk-012345"), 0);
        assert_eq!(left_at_once(&sent, b"skip"), 0);
    }

    #[test]
    fn nothing_is_held_that_can_not_be_the_beginning_of_a_credential() {
        let sent = sent("sk-0123456789abcdef");
        for text in [
            "Hello",
            " world",
            "!",
            "k-0123456789abcdef",
            "sum",
            "data: {}\n\n",
            "sk\n",
        ] {
            assert_eq!(left_at_once(&sent, text.as_bytes()), text.len(), "{text:?}");
        }
        assert_eq!(left_at_once(&sent, b"words"), 4);
        assert_eq!(left_at_once(&sent, b"a sk b sk-1"), 7);
        // Behind the longest form, it would be whole.
        let text = format!("sk{}", "x".repeat(63));
        assert_eq!(left_at_once(&sent, text.as_bytes()), text.len());
        let text = format!("sk{}", "x".repeat(62));
        assert_eq!(left_at_once(&sent, text.as_bytes()), 0);
    }

    #[test]
    fn a_text_that_repeats_itself_is_masked_as_a_whole() {
        assert_eq!(
            passed(&sent("ab1ab1ab1"), &[b"-ab1ab1ab1ab1-"]).0,
            "-************-"
        );
    }

    #[test]
    fn the_forms_that_servers_write_are_known() {
        let secret = r#"a/b"c\d'e&f<g+h="#;
        let forms = sent(secret);
        for text in [
            r#"a/b\"c\\d'e&f<g+h="#,
            r#"a\/b\"c\\d'e&f<g+h="#,
            r#"a/b\"c\\d'e\u0026f\u003cg+h="#,
            r#"a/b\"c\\d\u0027e\u0026f\u003cg+h\u003d"#,
            r"a/b\u0022c\\d\u0027e\u0026f\u003Cg\u002Bh=",
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
    fn each_form_is_there_once() {
        let made = |secret: &str| forms::of_credential(&credential(secret), &bearer());
        for secret in [
            "sk-0123456789",
            "a+b/c0123456789==",
            r#"a"b\c'd&e<f>g`h i%j"#,
        ] {
            let forms = made(secret);
            let texts: std::collections::HashSet<&[u8]> =
                forms.iter().map(|form| form.as_slice()).collect();
            assert_eq!(texts.len(), forms.len(), "{secret}");
        }
        assert_eq!(made("sk-0123456789").len(), 1);
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
            Arc::new(sent_as(password, &fixed)),
            Arc::new(sent_as(&format!("me:{password}"), &both)),
            known.at_proxy(format!("Basic {sent}").as_bytes()),
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
    fn a_user_without_a_password_is_known() {
        let forms = sent_as("key-0123456789", &Placement::Basic(BasicUser::Credential));
        for text in ["key-0123456789", "a2V5LTAxMjM0NTY3ODk6"] {
            assert_eq!(passed(&forms, &[text.as_bytes()]).0, "*".repeat(text.len()));
        }
    }

    /// An authority.
    fn authority(number: usize) -> Authority {
        Authority::parse(format!("api{number}.acme.test:443").as_bytes(), None).unwrap()
    }

    #[test]
    fn all_that_was_sent_to_an_authority_is_found_in_what_comes_from_there() {
        let known = Known::new().unwrap();
        let (one, other) = (credential("one-0123456789"), credential("other-0123456789"));
        known.at(&authority(1)).add(&one, &bearer(), || "b".into());
        known
            .at(&authority(1))
            .add(&other, &bearer(), || "a".into());
        known
            .at(&authority(2))
            .add(&other, &bearer(), || "a".into());
        let text = b"one-0123456789 other-0123456789";
        for (number, expected) in [
            (1, "************** ****************"),
            (2, "one-0123456789 ****************"),
            (3, "one-0123456789 other-0123456789"),
        ] {
            assert_eq!(passed(&known.at(&authority(number)), &[text]).0, expected);
        }
        assert_eq!(known.at(&authority(1)).labels(), "a or b");
        assert!(known.at(&authority(3)).is_empty());
    }

    #[test]
    fn authorities_behind_very_many_share_what_they_were_sent() {
        let known = Known::new().unwrap();
        for number in 0..AUTHORITIES {
            known.at(&authority(number));
        }
        let key = credential("key-0123456789");
        known
            .at(&authority(AUTHORITIES))
            .add(&key, &bearer(), String::new);
        assert!(!known.at(&authority(AUTHORITIES + 1)).is_empty());
        assert!(known.at(&authority(0)).is_empty());
        assert_eq!(known.by_authority.lock().unwrap().len(), AUTHORITIES);
    }

    #[test]
    fn forms_are_made_once_and_those_in_use_are_never_dropped() {
        let sent = nothing_sent();
        let used: Vec<_> = (0..2 * RETIRED)
            .map(|number| credential(&format!("used-0123456789-{number}")))
            .collect();
        for credential in &used {
            sent.add(credential, &bearer(), String::new);
        }
        let generation = || sent.generation.load(Ordering::Acquire);
        let before = generation();
        for again in &used {
            sent.add(again, &bearer(), String::new);
            sent.add(&credential("used-0123456789-1"), &bearer(), String::new);
        }
        assert_eq!(generation(), before);
        for number in 0..10 * RETIRED {
            let short_lived = credential(&format!("retired-0123456789-{number}"));
            sent.add(&short_lived, &bearer(), String::new);
        }
        let list = sent.list();
        let is_known = |text: &str| {
            let mut needles = list.entries.iter().flat_map(|entry| &entry.needles);
            needles.any(|needle| needle.bytes() == text.as_bytes())
        };
        for number in (0..2 * RETIRED).filter(|number| *number != 1) {
            assert!(is_known(&format!("used-0123456789-{number}")), "{number}");
        }
        assert!(is_known(&format!(
            "retired-0123456789-{}",
            10 * RETIRED - 1
        )));
        assert!(is_known(&format!("retired-0123456789-{}", 9 * RETIRED)));
        assert!(!is_known("retired-0123456789-0"));
        assert!(list.entries.len() <= used.len() + RETIRED + 1);
    }

    #[test]
    fn an_answer_under_way_is_searched_for_what_is_sent_meanwhile() {
        let sent = nothing_sent();
        let mut masker = sent.masker();
        assert!(masker.is_none());
        assert_eq!(masker.pass(b"key-0123456789 ").concat(), b"key-0123456789 ");
        let key = credential("key-0123456789");
        sent.add(&key, &bearer(), String::new);
        assert_eq!(masker.pass(b"and key-012345").concat(), b"and ");
        let longer = credential(&format!("key-{}", "x1".repeat(50)));
        sent.add(&longer, &bearer(), String::new);
        assert_eq!(masker.pass(b"6789 ").concat(), b"************** ");
        assert_eq!(masker.pass(longer.expose()).concat(), [b'*'; 104]);
    }

    #[test]
    fn what_is_short_or_a_word_is_left_alone_and_said_once() {
        for (secret, why) in [("token12", Common::Short), ("password", Common::Word)] {
            let (sent, key) = (nothing_sent(), credential(secret));
            assert_eq!(sent.add(&key, &bearer(), String::new), Some(why));
            assert_eq!(sent.add(&key, &bearer(), String::new), None);
            assert!(sent.is_empty());
            assert_eq!(passed(&sent, &[secret.as_bytes()]), (secret.into(), false));
        }
        let both = Placement::Basic(BasicUser::InCredential);
        let (sent, key) = (nothing_sent(), credential("admin:password"));
        assert_eq!(sent.add(&key, &both, String::new), Some(Common::Word));
        let (text, masked) = (
            b"admin password admin:password YWRtaW46cGFzc3dvcmQ=",
            "admin password ************** ********************",
        );
        assert_eq!(passed(&sent, &[text]).0, masked);
        assert_eq!(
            sent_as("s3cret-of-acme", &bearer()).add(&key, &both, String::new),
            Some(Common::Word)
        );
    }
}
