//! Finding a secret in text, at a cost that does not depend on how much of the text is like it: whoever may choose the text and see what
//! the search took would learn the secret byte by byte otherwise. Numbers made with a key of the run are compared, not bytes.
//!
//! A long secret is found by blocks. Text is taken eight bytes at a time, and each block looked up among the eight-byte parts of the
//! secret's end; wherever the secret stands, so many blocks in a row lie within it. Only then is it compared as a whole: who has that
//! happen knows these bytes already. A short one is found by a hash that is rolled over the text byte by byte.
#![deny(clippy::indexing_slicing)]

use std::io;
use std::ops::Range;

use zeroize::Zeroizing;

use crate::random;

/// Bytes of a block.
const BLOCK: usize = 8;

/// Bytes of a secret's end whose parts are looked up, at the most. It's the end, since the beginning of some is known to all: the name of a
/// service, the header of a JSON Web Token.
const END: usize = 64 + BLOCK - 1;

/// Blocks in a row that are enough to compare, at the least: sixteen bytes, which nobody guesses.
const ENOUGH: usize = 2;

/// Places of the table in which parts are looked up: many more than there are parts, so that each has one to itself.
const PLACES: usize = 1024;

/// The key of a run.
pub(crate) struct Key(Box<[u64; 256]>);

impl Key {
    /// A new one.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn new() -> io::Result<Self> {
        let mut bytes = Zeroizing::new([0; 256 * 8]);
        random::fill(&mut *bytes)?;
        let mut key = Self(Box::new([0; 256]));
        for (number, bytes) in key.0.iter_mut().zip(bytes.as_chunks().0) {
            *number = u64::from_le_bytes(*bytes);
        }
        Ok(key)
    }

    /// The number of a byte.
    fn of(&self, byte: u8) -> u64 {
        self.0.get(usize::from(byte)).copied().unwrap_or_default()
    }

    /// The hash of a text: the numbers of its bytes, each turned as often as bytes come behind it.
    fn hash(&self, text: &[u8]) -> u64 {
        let numbers = text.iter().map(|byte| self.of(*byte));
        numbers.fold(0, |hash, number| hash.rotate_left(1) ^ number)
    }

    /// The hash one byte further on in a text: of so many bytes, without the first one and with the next.
    fn roll(&self, hash: u64, length: u32, first: u8, next: u8) -> u64 {
        hash.rotate_left(1) ^ self.of(first).rotate_left(length) ^ self.of(next)
    }
}

/// What is looked for.
pub(super) struct Needle {
    /// The bytes.
    bytes: Zeroizing<Vec<u8>>,
    /// Their hash.
    hash: u64,
    /// How they are found, where there are enough of them.
    blocks: Option<Blocks>,
}

impl Needle {
    /// Something to look for.
    pub(super) fn new(key: &Key, bytes: Zeroizing<Vec<u8>>) -> Self {
        Self {
            hash: key.hash(&bytes),
            blocks: Blocks::of(key, &bytes),
            bytes,
        }
    }

    /// The bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds the places in the text where it is; they may overlap.
    pub(super) fn find(&self, key: &Key, text: &[u8], found: &mut Vec<Range<usize>>) {
        match &self.blocks {
            Some(blocks) => blocks.find(text, |start| self.compare(key, text, start, found)),
            None => self.roll(key, text, found),
        }
    }

    /// Adds the place if it is there. Takes as long whether it is or not.
    fn compare(&self, key: &Key, text: &[u8], start: usize, found: &mut Vec<Range<usize>>) {
        let place = start..start + self.bytes.len();
        let Some(window) = text.get(place.clone()) else {
            return;
        };
        if key.hash(window) == self.hash && *window == **self.bytes && !found.contains(&place) {
            found.push(place);
        }
    }

    /// Looks for it by a hash that is rolled over the text.
    fn roll(&self, key: &Key, text: &[u8], found: &mut Vec<Range<usize>>) {
        let length = self.bytes.len();
        let turns = u32::try_from(length % 64).unwrap_or_default();
        let Some(first) = text.get(..length) else {
            return;
        };
        let coming = text.get(length..).unwrap_or_default();
        let mut hash = key.hash(first);
        let mut steps = text.iter().zip(coming);
        let mut start = 0;
        loop {
            if hash == self.hash {
                self.compare(key, text, start, found);
            }
            let Some((first, next)) = steps.next() else {
                return;
            };
            hash = key.roll(hash, turns, *first, *next);
            start += 1;
        }
    }
}

/// A part of a secret's end.
#[derive(Clone, Copy)]
struct Part {
    /// Its bytes, as a number.
    number: u64,
    /// Where in the secret it stands.
    at: usize,
}

/// A place that has no part: it is never behind another.
const NONE: Part = Part {
    number: 0,
    at: usize::MAX / 2,
};

/// The parts of a secret's end, to be looked up.
struct Blocks {
    /// Each at the place that its number gives.
    table: Box<[Part; PLACES]>,
    /// What gives the place: no two parts have the same.
    multiplier: u64,
    /// Blocks in a row that surely lie within the end, wherever in the text it stands.
    enough: usize,
}

impl Drop for Blocks {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.multiplier);
        for part in self.table.iter_mut() {
            zeroize::Zeroize::zeroize(&mut part.number);
        }
    }
}

impl Blocks {
    /// Those of a secret; nothing where it is too short, or repeats itself.
    fn of(key: &Key, secret: &[u8]) -> Option<Self> {
        let start = secret.len().saturating_sub(END);
        let end = secret.get(start..)?;
        let enough = (end.len() + 1).checked_sub(BLOCK)? / BLOCK;
        if enough < ENOUGH {
            return None;
        }
        let parts: Vec<Part> = end
            .windows(BLOCK)
            .enumerate()
            .map(|(index, bytes)| Part {
                number: number(bytes),
                at: start + index,
            })
            .collect();
        // Some of these put two parts at one place, or all do where two are the same.
        let multipliers = (0..=u8::MAX).map(|byte| key.of(byte) | 1);
        multipliers
            .filter_map(|multiplier| Self::with(multiplier, enough, &parts))
            .next()
    }

    /// The table with this multiplier, if no two parts meet in it.
    fn with(multiplier: u64, enough: usize, parts: &[Part]) -> Option<Self> {
        let mut blocks = Self {
            table: Box::new([NONE; PLACES]),
            multiplier,
            enough,
        };
        for part in parts {
            let place = blocks.place(part.number);
            let free = blocks
                .table
                .get_mut(place)
                .filter(|free| free.at == NONE.at)?;
            *free = *part;
        }
        Some(blocks)
    }

    /// The place of a block.
    fn place(&self, number: u64) -> usize {
        let place = number.wrapping_mul(self.multiplier) >> (u64::BITS - PLACES.ilog2());
        usize::try_from(place).unwrap_or_default() % PLACES
    }

    /// Tells where the secret would begin, wherever enough blocks of its end are in a row.
    fn find(&self, text: &[u8], mut tell: impl FnMut(usize)) {
        let (mut row, mut next) = (0, NONE.at);
        for (index, block) in text.as_chunks::<BLOCK>().0.iter().enumerate() {
            let number = u64::from_le_bytes(*block);
            let part = self.table.get(self.place(number)).copied().unwrap_or(NONE);
            // Without a branch: what it takes is the same for all blocks.
            let is_it = usize::from(part.number == number);
            let goes_on = usize::from(part.at == next);
            row = is_it * (row * goes_on + 1);
            next = part.at + BLOCK;
            if row >= self.enough
                && let Some(start) = (index * BLOCK).checked_sub(part.at)
            {
                tell(start);
            }
        }
    }
}

/// A block as a number.
fn number(bytes: &[u8]) -> u64 {
    let bytes = bytes.first_chunk().copied().unwrap_or_default();
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a secret is in a text.
    fn places(secret: &str, text: &str) -> Vec<Range<usize>> {
        let key = Key::new().unwrap();
        let needle = Needle::new(&key, Zeroizing::new(secret.into()));
        let mut found = Vec::new();
        needle.find(&key, text.as_bytes(), &mut found);
        found
    }

    /// A text that doesn't repeat itself.
    fn text(length: usize) -> String {
        let words = (100..1000).map(|number| format!("{number}-"));
        words.collect::<String>().chars().take(length).collect()
    }

    #[test]
    fn a_secret_is_found_at_every_place_and_nothing_else_is() {
        for secret in [
            text(8),
            text(22),
            text(23),
            text(40),
            text(71),
            text(500),
            "x".repeat(64),
            "ab".repeat(70),
        ] {
            for before in 0..40 {
                for after in [0, 1, 7, 8, 9] {
                    let text = format!("{}{secret}{}", "y".repeat(before), "z".repeat(after));
                    let place = before..before + secret.len();
                    assert_eq!(places(&secret, &text), vec![place], "{before} {after}");
                }
            }
            for at in 0..secret.len() {
                let mut other = secret.clone().into_bytes();
                other[at] = b'?';
                let other = format!("yyy{}z", String::from_utf8(other).unwrap());
                assert_eq!(places(&secret, &other), [], "{other}");
            }
        }
    }

    #[test]
    fn a_secret_is_found_as_often_as_it_is_there() {
        for secret in [text(10), text(50)] {
            let text = format!("{secret}{secret}-{secret}");
            let length = secret.len();
            let expected = [
                0..length,
                length..2 * length,
                2 * length + 1..3 * length + 1,
            ];
            assert_eq!(places(&secret, &text), expected);
        }
        assert_eq!(places("abababab", "-ababababab-"), [1..9, 3..11]);
    }

    #[test]
    fn long_secrets_are_found_by_blocks_and_others_are_not() {
        let key = Key::new().unwrap();
        let is_by_blocks = |secret: &str| Blocks::of(&key, secret.as_bytes()).is_some();
        assert!(is_by_blocks(&text(23)) && is_by_blocks(&text(71)) && is_by_blocks(&text(2000)));
        assert!(!is_by_blocks(&text(22)) && !is_by_blocks(&"x".repeat(100)));
    }

    #[test]
    fn bytes_that_change_places_have_the_same_hash_and_are_compared_all_the_same() {
        let secret = format!("a{}b", "x".repeat(63));
        let swapped = format!("b{}a", "x".repeat(63));
        assert_eq!(places(&secret, &swapped), []);
    }
}
