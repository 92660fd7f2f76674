//! One direction of an exchange: a body from one side's framing into the other's, or bytes as they are.

use std::time::Duration;
use std::time::Instant;

use zeroize::Zeroizing;

use super::frames::Frames;
use super::mask::Masker;
use super::stray;
use super::stray::Watch;
use crate::http1;
use crate::http1::body::BodyReader;
use crate::http1::body::BodyWriter;
use crate::http1::framing::Framing;
use crate::http1::head::Fields;
use crate::http1::mend::Tolerance;
use crate::wire::End;
use crate::wire::Wire;

/// Bytes that a lane moves in one turn, about.
const TURN: usize = 64 * 1024;

/// Bytes that it takes at once where it looks through them: what they pass through on the way is as large. The longest line of chunks and
/// trailers must fit.
const PIECE: usize = 32 * 1024;

/// How long the end of a piece that could be the beginning of a credential is held between chunks, between the frames of a message, or in
/// a body that ends with the connection: pieces of one answer follow each other within a round trip, and this is many. Few texts end like
/// that, so few wait.
const HOLD: Duration = Duration::from_secs(1);

/// The same behind a WebSocket message, which nothing may follow, and in bytes that are no frames.
const HOLD_BEHIND_MESSAGE: Duration = Duration::from_millis(5);

/// A trailer filter: whether a field of that name and value goes on.
pub(crate) type TrailerFilter<'a> = &'a dyn Fn(&[u8], &[u8]) -> bool;

/// One direction of bodies.
pub(super) struct Lane<'a> {
    /// Takes the framing off.
    reader: BodyReader,
    /// What is mended of trailers.
    tolerance: Tolerance,
    /// Puts the other side's framing on.
    writer: BodyWriter,
    /// Takes out what must not arrive.
    pub(super) masker: Masker<'a>,
    /// Looks for placeholders in what passes.
    watch: Option<Watch<'a>>,
    /// What comes behind an upgrade.
    socket: Option<Box<WebSocket<'a>>>,
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
            tolerance: Tolerance::Exact,
            writer,
            masker: Masker::default(),
            watch: None,
            socket: None,
            content: 0,
            finished,
        }
    }

    /// A lane for the body of a response, which may be mended.
    pub(super) fn of_response(framing: Framing, writer: BodyWriter, tolerance: Tolerance) -> Self {
        Self {
            reader: BodyReader::tolerant(framing, tolerance),
            tolerance,
            ..Self::new(framing, writer)
        }
    }

    /// Returns whether the body had to be mended.
    pub(super) fn is_mended(&self) -> bool {
        self.reader.is_mended()
    }

    /// The same with something to take out.
    pub(super) fn masked(self, masker: Masker<'a>) -> Self {
        Self { masker, ..self }
    }

    /// Returns the lane with `watch` looking for placeholders in what passes.
    pub(super) fn watched(self, watch: Option<Watch<'a>>) -> Self {
        Self { watch, ..self }
    }

    /// Returns the placeholder that has passed, if one has.
    pub(super) fn stray(&mut self) -> Option<stray::Number> {
        self.watch.as_mut().and_then(Watch::finish)
    }

    /// Bytes as they are, until the connection ends.
    pub(super) fn raw() -> Self {
        Self::new(Framing::UntilClose, BodyWriter::Plain)
    }

    /// The frames of a WebSocket, until the connection ends. `text` searches the messages, `wire` the bytes as they come.
    pub(super) fn frames(text: Masker<'a>, wire: Masker<'a>) -> Self {
        let frames = Frames::default();
        Self {
            socket: Some(Box::new(WebSocket { frames, wire })),
            masker: text,
            ..Self::raw()
        }
    }

    /// Returns whether something passed that was compressed, and could not be looked through.
    pub(super) fn has_passed_compressed(&self) -> bool {
        let socket = self.socket.as_deref();
        socket.is_some_and(|socket| socket.frames.has_passed_compressed())
    }

    /// Returns whether anything was masked.
    pub(super) fn has_masked(&self) -> bool {
        let socket = self.socket.as_deref();
        self.masker.has_found() || socket.is_some_and(|socket| socket.wire.has_found())
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
            if let Some(watch) = &mut self.watch {
                watch.see(step.content);
            }
            if let Some(socket) = &mut self.socket {
                socket.pass(step.content, &mut self.masker, to.output());
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
            section => Fields::parse_mended(section, self.tolerance)?,
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
        let since = self.holds_since()?;
        let hold = match self.socket.as_deref().map(|socket| &socket.frames) {
            _ if self.reader.expects_more() => return None,
            None => HOLD,
            Some(frames) if frames.expects_more() => return None,
            Some(frames) if frames.is_in_message() => HOLD,
            Some(_) => HOLD_BEHIND_MESSAGE,
        };
        Some(since + hold)
    }

    /// Returns since when something is held.
    fn holds_since(&self) -> Option<Instant> {
        let socket = self.socket.as_deref();
        let wire = socket.and_then(|socket| socket.wire.holds_since());
        [self.masker.holds_since(), wire]
            .into_iter()
            .flatten()
            .min()
    }

    /// Writes what was held for long enough, or behind which nothing comes. Tells whether anything was.
    fn release_in_time(&mut self, has_ended: bool, out: &mut Vec<u8>) -> bool {
        let is_due = match has_ended {
            true => self.holds_since().is_some(),
            false => self.holds_until().is_some_and(|due| due <= Instant::now()),
        };
        if is_due {
            self.release(has_ended, out);
        }
        is_due
    }

    /// Writes what is held.
    fn release(&mut self, has_ended: bool, out: &mut Vec<u8>) {
        match &mut self.socket {
            Some(socket) => socket.release(has_ended, &mut self.masker, out),
            None => self.writer.write(&[self.masker.release()], out),
        }
    }
}

/// What an origin sends behind an upgrade. It is searched twice: the text of its messages, across the frames of each, and the bytes as
/// they come, since nothing makes an origin send frames.
struct WebSocket<'a> {
    /// Finds the text.
    frames: Frames,
    /// Searches the bytes.
    wire: Masker<'a>,
}

impl WebSocket<'_> {
    /// Takes what came, and writes what may leave by now. `text` searches the messages.
    fn pass(&mut self, came: &[u8], text: &mut Masker<'_>, out: &mut Vec<u8>) {
        let mut bytes = Zeroizing::new(Vec::with_capacity(came.len()));
        self.frames.pass(came, text, &mut bytes);
        for part in self.wire.pass(&bytes) {
            out.extend_from_slice(part);
        }
    }

    /// Writes all that is held: nothing more comes, or not soon.
    fn release(&mut self, has_ended: bool, text: &mut Masker<'_>, out: &mut Vec<u8>) {
        let mut bytes = Zeroizing::new(Vec::new());
        match has_ended {
            true => self.frames.finish(text, &mut bytes),
            false => self.frames.release(text, &mut bytes),
        }
        for part in self.wire.pass(&bytes) {
            out.extend_from_slice(part);
        }
        out.extend_from_slice(self.wire.release());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::mask;

    #[test]
    fn a_credential_is_found_where_bytes_only_begin_like_frames() {
        let secret = "sk-7Qm2xV9tKcR4w";
        let sent = mask::sent_for_test(secret);
        // A control frame that ends within the credential, a message that does, and no frames at all.
        for before in [&b"\x8a\x15{;S}12345t\r\nX: "[..], b"\x81\x05ab", b"HTTP "] {
            let came = [before, secret.as_bytes(), b" there"].concat();
            let stars = "*".repeat(secret.len());
            let expected = [before, stars.as_bytes(), b" there"].concat();
            for size in 1..came.len() {
                let mut text = sent.masker();
                let (frames, wire) = (Frames::default(), sent.masker());
                let mut socket = WebSocket { frames, wire };
                let mut out = Vec::new();
                for piece in came.chunks(size) {
                    socket.pass(piece, &mut text, &mut out);
                }
                socket.release(true, &mut text, &mut out);
                assert_eq!(out, expected, "{size}: {}", out.escape_ascii());
            }
        }
    }
}
