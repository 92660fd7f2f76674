//! One direction of an exchange: a body from one side's framing into the other's, or bytes as they are.

use std::time::Duration;
use std::time::Instant;

use super::frames::Frames;
use super::mask::Masker;
use crate::http1;
use crate::http1::body::BodyReader;
use crate::http1::body::BodyWriter;
use crate::http1::framing::Framing;
use crate::http1::head::Fields;
use crate::wire::End;
use crate::wire::Wire;

/// Bytes that a lane moves in one turn, about.
const TURN: usize = 64 * 1024;

/// Bytes that it takes at once where it looks through them: what they pass through on the way is as large. The longest line of chunks and
/// trailers must fit.
const PIECE: usize = 32 * 1024;

/// How long the end of a piece that could be the beginning of a credential is held between chunks, between the frames of a message, or in
/// a body that ends with the connection: pieces of one answer follow each other within a round trip.
const HOLD: Duration = Duration::from_millis(100);

/// The same behind a WebSocket message, which nothing may follow, and in bytes that are no frames.
const HOLD_BEHIND_MESSAGE: Duration = Duration::from_millis(5);

/// A trailer filter: whether a field of that name and value goes on.
pub(crate) type TrailerFilter<'a> = &'a dyn Fn(&[u8], &[u8]) -> bool;

/// One direction of bodies.
pub(super) struct Lane<'a> {
    /// Takes the framing off.
    reader: BodyReader,
    /// Puts the other side's framing on.
    writer: BodyWriter,
    /// Takes out what must not arrive.
    pub(super) masker: Masker<'a>,
    /// Finds the text in what comes behind an upgrade.
    frames: Option<Box<Frames>>,
    /// Bytes of content that have come in.
    pub(super) content: u64,
    /// Whether the end has been written.
    pub(super) finished: bool,
}

impl<'a> Lane<'a> {
    /// A lane from one framing to another, which takes nothing out.
    pub(super) fn new(framing: Framing, writer: BodyWriter) -> Self {
        let reader = BodyReader::new(framing);
        // Nothing to read means nothing to end either: a chunked writer has a body to end even if it is empty.
        let finished = reader.is_done();
        Self {
            reader,
            writer,
            masker: Masker::default(),
            frames: None,
            content: 0,
            finished,
        }
    }

    /// The same with something to take out.
    pub(super) fn masked(self, masker: Masker<'a>) -> Self {
        Self { masker, ..self }
    }

    /// Bytes as they are, until the connection ends.
    pub(super) fn raw() -> Self {
        Self::new(Framing::UntilClose, BodyWriter::Plain)
    }

    /// The frames of a WebSocket, until the connection ends.
    pub(super) fn frames(masker: Masker<'a>) -> Self {
        Self {
            frames: Some(Box::default()),
            masker,
            ..Self::raw()
        }
    }

    /// Returns whether something passed that was compressed, and could not be looked through.
    pub(super) fn has_passed_compressed(&self) -> bool {
        let frames = self.frames.as_deref();
        frames.is_some_and(Frames::has_passed_compressed)
    }

    /// Moves what is there. Tells whether anything was.
    ///
    /// # Errors
    /// When the body is malformed, or its side has ended before it.
    pub(super) fn pump(
        &mut self,
        from: &mut Wire,
        to: &mut Wire,
        keep: TrailerFilter<'_>,
    ) -> Result<bool, http1::Error> {
        if self.finished || to.wants_flush() {
            return Ok(false);
        }
        let (mut moved, mut is_stuck) = (false, false);
        while !self.reader.is_done() && !is_stuck && to.output().len() < TURN {
            let input = from.input();
            let piece = if self.masker.is_none() { TURN } else { PIECE };
            let step = self.reader.step(input.get(..piece).unwrap_or(input))?;
            let used = step.used;
            self.content += step.content.len() as u64;
            if let Some(frames) = &mut self.frames {
                frames.pass(step.content, &mut self.masker, to.output());
            } else {
                match (self.masker.pass(step.content), self.writer) {
                    ([[], content], BodyWriter::Plain) => to.send_or_keep(content),
                    (content, writer) => writer.write(&content, to.output()),
                }
            }
            from.consume(used);
            moved |= used > 0;
            is_stuck = used == 0;
        }
        if !self.reader.is_done() {
            // What came before an end is sent on before the end is judged.
            moved |= self.release_in_time(from.end().is_some(), to.output());
            if moved {
                return Ok(true);
            }
            match (is_stuck, from.end()) {
                (true, Some(End::Clean)) if from.input().is_empty() => {
                    self.reader.end_of_input()?;
                }
                (true, Some(_)) => return Err(http1::Error::Incomplete),
                _ => return Ok(moved),
            }
        }
        let trailers = match self.reader.trailers() {
            [] => Fields::default(),
            section => Fields::parse(section)?,
        };
        let out = to.output();
        self.release(true, out);
        let end = out.len();
        self.writer.finish(&trailers, keep, out);
        self.masker.mask(out.get_mut(end..).unwrap_or_default());
        self.finished = true;
        Ok(true)
    }

    /// Until when the end of a piece is held that may be all that comes for now. Within a length, a chunk or a frame, more does.
    pub(super) fn holds_until(&self) -> Option<Instant> {
        let since = self.masker.holds_since()?;
        let hold = match &self.frames {
            _ if self.reader.expects_more() => return None,
            None => HOLD,
            Some(frames) if frames.expects_more() => return None,
            Some(frames) if frames.is_in_message() => HOLD,
            Some(_) => HOLD_BEHIND_MESSAGE,
        };
        Some(since + hold)
    }

    /// Writes what was held for long enough, or behind which nothing comes. Tells whether anything was.
    fn release_in_time(&mut self, has_ended: bool, out: &mut Vec<u8>) -> bool {
        let is_due = match has_ended {
            true => self.masker.holds_since().is_some(),
            false => self.holds_until().is_some_and(|due| due <= Instant::now()),
        };
        if is_due {
            self.release(has_ended, out);
        }
        is_due
    }

    /// Writes what is held.
    fn release(&mut self, has_ended: bool, out: &mut Vec<u8>) {
        match &mut self.frames {
            Some(frames) if has_ended => frames.finish(&mut self.masker, out),
            Some(frames) => frames.release(&mut self.masker, out),
            None => self.writer.write(&[self.masker.release()], out),
        }
    }
}
