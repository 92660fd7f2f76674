//! One direction of an exchange: a body from one side's framing into the other's, or bytes as they are.

use std::time::Duration;
use std::time::Instant;

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

/// How long the end of a piece is held between chunks, or in a body that ends with the connection: pieces of one answer follow each other
/// within a round trip, and what a stream says before a pause mostly ends with a line end or a space.
const HOLD: Duration = Duration::from_millis(100);

/// The same in a tunnel, whose messages end with anything.
const HOLD_IN_TUNNEL: Duration = Duration::from_millis(5);

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
    /// How long the end of a piece is held where it isn't known whether more comes.
    hold: Duration,
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
            hold: HOLD,
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
        Self {
            hold: HOLD_IN_TUNNEL,
            ..Self::new(Framing::UntilClose, BodyWriter::Plain)
        }
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
            match (self.masker.pass(step.content), self.writer) {
                ([[], content], BodyWriter::Plain) => to.send_or_keep(content),
                (content, writer) => writer.write(&content, to.output()),
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
        self.writer.write(&[self.masker.release()], out);
        let end = out.len();
        self.writer.finish(&trailers, keep, out);
        self.masker.mask(out.get_mut(end..).unwrap_or_default());
        self.finished = true;
        Ok(true)
    }

    /// Until when the end of a piece is held that may be all that comes for now. Within a length, or a chunk, more does.
    pub(super) fn holds_until(&self) -> Option<Instant> {
        let since = self.masker.holds_since();
        since
            .filter(|_| !self.reader.expects_more())
            .map(|since| since + self.hold)
    }

    /// Writes what was held for long enough, or behind which nothing comes. Tells whether anything was.
    fn release_in_time(&mut self, has_ended: bool, out: &mut Vec<u8>) -> bool {
        let is_due = match has_ended {
            true => self.masker.holds_since().is_some(),
            false => self.holds_until().is_some_and(|due| due <= Instant::now()),
        };
        if is_due {
            self.writer.write(&[self.masker.release()], out);
        }
        is_due
    }
}
