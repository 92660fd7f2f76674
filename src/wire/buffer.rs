//! Bytes that were received and not yet used, or are to be sent.
#![deny(clippy::indexing_slicing)]

use std::io;
use std::io::Read;

/// Room that is made first: most messages of an API fit, and an idle connection may be one of many.
const SMALL: usize = 4 * 1024;

/// Room that is made once more comes than fits: a few TLS records, the longest of which needs 18 KiB (RFC 5246 section 6.2.3).
const LARGE: usize = 64 * 1024;

/// A queue of bytes: `start..end` of `data`. Invariant: `start <= end <= data.len()`.
#[derive(Default)]
pub(super) struct Buffer {
    /// All of the memory.
    data: Vec<u8>,
    /// Where what is unused begins.
    start: usize,
    /// Where it ends.
    end: usize,
    /// Whether the last read took all the room that there was.
    was_filled: bool,
}

impl Buffer {
    /// What is there.
    pub(super) fn filled(&self) -> &[u8] {
        self.data.get(self.start..self.end).unwrap_or_default()
    }

    /// The same, to be changed in its place.
    pub(super) fn filled_mut(&mut self) -> &mut [u8] {
        self.data.get_mut(self.start..self.end).unwrap_or_default()
    }

    /// Whether nothing is there.
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Marks bytes at the front as used.
    pub(super) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Room for at least so many bytes behind what is there.
    pub(super) fn room(&mut self, least: usize) -> &mut [u8] {
        if self.data.len() - self.end < least && self.start > 0 {
            self.data.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.data.len() - self.end < least {
            // At least twice as much as before: growing step by step leaves holes behind.
            let size = (self.end + least).max(2 * self.data.len());
            let size = size.next_multiple_of(SMALL);
            let mut larger = vec![0; size];
            if let Some(front) = larger.get_mut(..self.end) {
                front.copy_from_slice(self.filled());
            }
            self.data = larger;
        }
        self.data.get_mut(self.end..).unwrap_or_default()
    }

    /// Takes bytes that were written into the room as there.
    pub(super) fn commit(&mut self, count: usize) {
        self.end = (self.end + count).min(self.data.len());
    }

    /// Adds bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if let Some(room) = self.room(bytes.len()).get_mut(..bytes.len()) {
            room.copy_from_slice(bytes);
            self.commit(bytes.len());
        }
    }

    /// Reads once, as much as there is room for; the room grows with what comes. Tells how much came, and whether there may be more.
    ///
    /// # Errors
    /// Those of the source.
    pub(super) fn read_from(&mut self, mut source: impl Read) -> io::Result<(usize, bool)> {
        let least = match self.data.len() {
            0 => SMALL,
            _ if self.was_filled => LARGE,
            size => size / 2,
        };
        let room = self.room(least);
        let size = room.len();
        let count = source.read(room)?;
        self.commit(count);
        self.was_filled = count == size;
        Ok((count, count == size))
    }

    /// Gives back its memory where it holds nothing, and more than the least.
    pub(super) fn shrink(&mut self) {
        if self.is_empty() && self.data.len() > SMALL {
            *self = Self::default();
        }
    }

    /// Gives back its memory where it holds nothing.
    pub(super) fn rest(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_whatever_the_sizes() {
        let text: Vec<u8> = (0..200_000u32).map(|at| (at % 251) as u8).collect();
        let mut buffer = Buffer::default();
        let (mut source, mut found) = (text.as_slice(), Vec::new());
        for step in [1, 4095, 4096, 5000, 70_000].into_iter().cycle() {
            let (_, may_be_more) = buffer.read_from(&mut source).unwrap();
            assert!(may_be_more || source.is_empty());
            let taken = step.min(buffer.filled().len());
            found.extend_from_slice(&buffer.filled()[..taken]);
            buffer.consume(taken);
            if source.is_empty() && buffer.is_empty() {
                break;
            }
        }
        assert!(found == text);
    }

    #[test]
    fn a_little_needs_little_memory_and_much_is_given_back() {
        let mut buffer = Buffer::default();
        for _ in 0..1000 {
            buffer.read_from(&[b'x'; 1000][..]).unwrap();
            buffer.consume(1000);
        }
        assert_eq!(buffer.data.len(), SMALL);
        buffer.push(&[b'x'; 100_000]);
        buffer.shrink();
        assert_eq!(buffer.filled().len(), 100_000);
        buffer.consume(100_000);
        buffer.shrink();
        assert_eq!(buffer.data.len(), 0);
    }
}
