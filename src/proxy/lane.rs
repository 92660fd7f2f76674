//! One direction of an exchange: a body from one side's framing into the other's, or bytes as they are.

use crate::http1;
use crate::http1::body::BodyReader;
use crate::http1::body::BodyWriter;
use crate::http1::framing::Framing;
use crate::http1::head::Fields;
use crate::wire::End;
use crate::wire::Wire;

/// Bytes that a lane moves in one turn, about.
const TURN: usize = 64 * 1024;

/// A trailer filter: whether a field of that name and value goes on.
pub(crate) type TrailerFilter<'a> = &'a dyn Fn(&[u8], &[u8]) -> bool;

/// One direction of bodies.
pub(super) struct Lane {
    /// Takes the framing off.
    reader: BodyReader,
    /// Puts the other side's framing on.
    writer: BodyWriter,
    /// Whether the end has been written.
    pub(super) finished: bool,
}

impl Lane {
    /// A lane from one framing to another.
    pub(super) fn new(framing: Framing, writer: BodyWriter) -> Self {
        let reader = BodyReader::new(framing);
        // Nothing to read means nothing to end either: a chunked writer has a body to end even if it is empty.
        let finished = reader.is_done();
        Self {
            reader,
            writer,
            finished,
        }
    }

    /// Bytes as they are, until the connection ends.
    pub(super) fn raw() -> Self {
        Self::new(Framing::UntilClose, BodyWriter::Plain)
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
            let step = self.reader.step(from.input())?;
            let used = step.used;
            self.writer.write(step.content, to.output());
            from.consume(used);
            moved |= used > 0;
            is_stuck = used == 0;
        }
        if !self.reader.is_done() {
            // What came before an end is sent on before the end is judged.
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
        self.writer.finish(&trailers, keep, to.output());
        self.finished = true;
        Ok(true)
    }
}
