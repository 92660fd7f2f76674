//! Frames of a WebSocket in the origin's direction (RFC 6455 section 5.2), read so that a credential is found within them.
//!
//! The payloads of data frames are one text for the masker, as the chunks of a body are: a credential that is cut by a frame's header
//! is found. A frame that has begun must go on, so what is held waits for its end and not for a time. Headers and control frames leave
//! in their place among the payloads. Behind anything that is no well-formed frame, bytes are bytes.
#![deny(clippy::indexing_slicing)]

use std::collections::VecDeque;

use super::mask::Masker;

/// Bytes of a header, at the most: two, a length of eight, a mask of four.
const MAX_HEADER: usize = 14;

/// Bytes of a control frame's payload, at the most.
const MAX_CONTROL: u64 = 125;

/// Bytes of headers and control frames that wait behind held text, at the most; then it is not held any longer.
const MAX_WAITING: usize = 4096;

/// Where the stream stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Within a header, or before one.
    #[default]
    Header,
    /// So many bytes before the end of a data frame's payload.
    Data(u64),
    /// So many bytes before the end of a control frame's payload.
    Control(usize),
    /// Behind something that is no frame.
    Lost,
}

/// Returns whether frames of this opcode are control frames.
fn is_control(opcode: u8) -> bool {
    opcode & 0x08 != 0
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    /// Bytes of the header.
    length: usize,
    /// Bytes of the payload.
    payload: u64,
    /// Whether the frame stands beside messages, and not in one.
    is_control: bool,
    /// Whether the frame is a message's last.
    is_final: bool,
    /// Whether the payload is compressed (RFC 7692 section 6).
    is_compressed: bool,
}

/// What bytes are, as the beginning of a header.
#[derive(Debug, PartialEq, Eq)]
enum Read {
    /// A whole header.
    Whole(Header),
    /// More bytes are needed.
    Part,
    /// No frame begins like this.
    Malformed,
}

impl Header {
    /// Reads a header; `is_in_message` says whether a message has begun and not ended.
    fn read(bytes: &[u8], is_in_message: bool) -> Read {
        let Some((first, rest)) = bytes.split_first() else {
            return Read::Part;
        };
        let (opcode, is_final) = (first & 0x0f, first & 0x80 != 0);
        let is_control = is_control(opcode);
        let is_known = match opcode {
            0 => is_in_message,
            1 | 2 => !is_in_message,
            8..=10 => is_final,
            _ => false,
        };
        // RSV1 is for compression, at the beginning of a message; no extension that is in use has the others.
        let is_compressed = first & 0x40 != 0;
        let is_first = matches!(opcode, 1 | 2);
        if !is_known || first & 0x30 != 0 || (is_compressed && !is_first) {
            return Read::Malformed;
        }
        let Some((second, rest)) = rest.split_first() else {
            return Read::Part;
        };
        let (extra, least) = match second & 0x7f {
            126 => (2, 126),
            127 => (8, 1 << 16),
            _ => (0, 0),
        };
        let payload = match (second & 0x7f, rest.get(..extra)) {
            (_, None) => return Read::Part,
            (short, Some([])) => u64::from(short),
            (_, Some(bytes)) => bytes
                .iter()
                .fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        // Lengths are written in the shortest way, and have 63 bits.
        if payload < least || payload >> 63 != 0 || (is_control && payload > MAX_CONTROL) {
            return Read::Malformed;
        }
        // An origin that masks is wrong, but its frames have ends all the same.
        let mask = if second & 0x80 != 0 { 4 } else { 0 };
        let length = 2 + extra + mask;
        if bytes.len() < length {
            return Read::Part;
        }
        Read::Whole(Self {
            length,
            payload,
            is_control,
            is_final,
            is_compressed,
        })
    }
}

/// Reads the frames of one direction, and passes their payloads through a masker.
#[derive(Default)]
pub(super) struct Frames {
    /// Where the stream stands.
    state: State,
    /// Whether a message has begun and not ended.
    is_in_message: bool,
    /// Whether the message's payload is compressed.
    is_compressed: bool,
    /// Whether a compressed payload passed while something was looked for.
    has_passed_compressed: bool,
    /// A header that isn't whole; or a control frame.
    partial: Vec<u8>,
    /// Bytes of `partial` that have left: those of a data frame's header need not wait.
    gone: usize,
    /// Bytes of `partial` that are a control frame's header.
    control_header: usize,
    /// Payload that came in.
    taken: u64,
    /// Payload that was given out.
    given: u64,
    /// Headers and control frames behind text that is held, each with the payload that comes before it.
    waiting: VecDeque<(u64, Vec<u8>)>,
    /// Bytes of them.
    waiting_len: usize,
}

impl Frames {
    /// Returns whether a frame has begun and not ended: more must come at once.
    pub(super) fn expects_more(&self) -> bool {
        match self.state {
            State::Header => !self.partial.is_empty(),
            State::Data(_) | State::Control(_) => true,
            State::Lost => false,
        }
    }

    /// Returns whether a message has begun and not ended.
    pub(super) fn is_in_message(&self) -> bool {
        self.is_in_message && self.state != State::Lost
    }

    /// Returns whether something passed that could not be looked through.
    pub(super) fn has_passed_compressed(&self) -> bool {
        self.has_passed_compressed
    }

    /// Takes what came, and writes what may leave by now.
    pub(super) fn pass(&mut self, mut piece: &[u8], masker: &mut Masker<'_>, out: &mut Vec<u8>) {
        while !piece.is_empty() {
            let used = match self.state {
                State::Header => self.header(piece, masker, out),
                State::Data(left) => {
                    let used = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
                    let left = left - used as u64;
                    self.state = if left == 0 {
                        State::Header
                    } else {
                        State::Data(left)
                    };
                    self.text(piece.get(..used).unwrap_or_default(), masker, out);
                    used
                }
                State::Control(left) => {
                    let used = left.min(piece.len());
                    self.partial
                        .extend_from_slice(piece.get(..used).unwrap_or_default());
                    self.state = State::Control(left - used);
                    self.end_control(masker, out);
                    used
                }
                State::Lost => {
                    self.text(piece, masker, out);
                    piece.len()
                }
            };
            piece = piece.get(used..).unwrap_or_default();
        }
        if self.waiting_len > MAX_WAITING {
            self.release(masker, out);
        }
    }

    /// Reads a header, or the next part of one; returns how many bytes it took.
    fn header(&mut self, piece: &[u8], masker: &mut Masker<'_>, out: &mut Vec<u8>) -> usize {
        let before = self.partial.len();
        let wanted = MAX_HEADER.saturating_sub(before).min(piece.len());
        self.partial
            .extend_from_slice(piece.get(..wanted).unwrap_or_default());
        match Header::read(&self.partial, self.is_in_message) {
            Read::Part => {
                let first = self.partial.first().copied().unwrap_or_default();
                if !is_control(first & 0x0f) {
                    let bytes = self.partial.get(self.gone..).unwrap_or_default().to_vec();
                    self.gone = self.partial.len();
                    self.aside(bytes, masker, out);
                }
                wanted
            }
            Read::Malformed => {
                let text = self.take_partial();
                self.state = State::Lost;
                self.text(&text, masker, out);
                wanted
            }
            Read::Whole(header) => {
                self.partial.truncate(header.length);
                self.begin(header, masker, out);
                header.length.saturating_sub(before)
            }
        }
    }

    /// Returns what came of a header or a control frame and hasn't left, and forgets it.
    fn take_partial(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.partial);
        bytes.drain(..std::mem::take(&mut self.gone).min(bytes.len()));
        bytes
    }

    /// Begins a frame whose header is whole.
    fn begin(&mut self, header: Header, masker: &mut Masker<'_>, out: &mut Vec<u8>) {
        if header.is_control {
            self.control_header = header.length;
            self.state = State::Control(usize::try_from(header.payload).unwrap_or_default());
            return self.end_control(masker, out);
        }
        if !self.is_in_message {
            self.is_compressed = header.is_compressed;
        }
        self.has_passed_compressed |= self.is_compressed && !masker.is_none();
        self.is_in_message = !header.is_final;
        if header.payload > 0 {
            self.state = State::Data(header.payload);
        }
        let bytes = self.take_partial();
        self.aside(bytes, masker, out);
    }

    /// Lets a control frame leave that is whole. Its payload is a text of its own.
    fn end_control(&mut self, masker: &mut Masker<'_>, out: &mut Vec<u8>) {
        if self.state != State::Control(0) {
            return;
        }
        self.state = State::Header;
        let mut frame = self.take_partial();
        masker.mask(frame.get_mut(self.control_header..).unwrap_or_default());
        self.aside(frame, masker, out);
    }

    /// Lets something leave that is no text, behind the text that came before it.
    fn aside(&mut self, bytes: Vec<u8>, masker: &Masker<'_>, out: &mut Vec<u8>) {
        if masker.holds_since().is_none() {
            out.extend_from_slice(&bytes);
        } else {
            self.waiting_len += bytes.len();
            self.waiting.push_back((self.taken, bytes));
        }
    }

    /// Passes text through the masker.
    fn text(&mut self, text: &[u8], masker: &mut Masker<'_>, out: &mut Vec<u8>) {
        self.taken += text.len() as u64;
        for part in masker.pass(text) {
            self.give(part, out);
        }
        self.end_waiting(out);
    }

    /// Writes text, and what stands within it.
    fn give(&mut self, mut text: &[u8], out: &mut Vec<u8>) {
        while !text.is_empty() {
            let before = self
                .waiting
                .front()
                .map_or(u64::MAX, |(at, _)| at.saturating_sub(self.given));
            let count = usize::try_from(before)
                .unwrap_or(usize::MAX)
                .min(text.len());
            let (now, rest) = text.split_at(count);
            out.extend_from_slice(now);
            self.given += count as u64;
            text = rest;
            if !text.is_empty() {
                self.end_waiting(out);
            }
        }
    }

    /// Writes what waits for nothing any more.
    fn end_waiting(&mut self, out: &mut Vec<u8>) {
        while self
            .waiting
            .front()
            .is_some_and(|(at, _)| *at <= self.given)
        {
            let (_, bytes) = self.waiting.pop_front().unwrap_or_default();
            self.waiting_len -= bytes.len();
            out.extend_from_slice(&bytes);
        }
    }

    /// Writes all that is held: nothing more comes, or not soon.
    pub(super) fn release(&mut self, masker: &mut Masker<'_>, out: &mut Vec<u8>) {
        self.give(masker.release(), out);
        self.end_waiting(out);
    }

    /// Writes all that is held, and the beginning of a header or of a control frame: the stream has ended.
    pub(super) fn finish(&mut self, masker: &mut Masker<'_>, out: &mut Vec<u8>) {
        self.release(masker, out);
        let mut bytes = self.take_partial();
        masker.mask(&mut bytes);
        out.extend_from_slice(&bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::mask;

    /// Returns what a header of these bytes says, outside of a message.
    fn header(bytes: &[u8]) -> Read {
        Header::read(bytes, false)
    }

    /// A frame with this first byte.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            short @ 0..126 => frame.push(u8::try_from(short).unwrap()),
            length => {
                frame.push(126);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
        }
        [frame, payload.to_vec()].concat()
    }

    #[test]
    fn headers_of_every_kind_are_read() {
        let whole = |length, payload| {
            Read::Whole(Header {
                length,
                payload,
                is_control: false,
                is_final: true,
                is_compressed: false,
            })
        };
        assert_eq!(header(&[0x81, 5]), whole(2, 5));
        assert_eq!(header(&[0x82, 0]), whole(2, 0));
        assert_eq!(header(&[0x81, 126, 1, 0]), whole(4, 256));
        assert_eq!(
            header(&[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
            whole(10, 65536)
        );
        assert_eq!(header(&[0x81, 0x85, 1, 2, 3, 4]), whole(6, 5));
        for part in [
            &[][..],
            &[0x81],
            &[0x81, 126],
            &[0x81, 126, 1],
            &[0x81, 0x85, 1, 2, 3],
        ] {
            assert_eq!(header(part), Read::Part, "{part:?}");
        }
    }

    #[test]
    fn kinds_of_frames_are_told_apart() {
        let read = |bytes: &[u8], is_in_message| match Header::read(bytes, is_in_message) {
            Read::Whole(header) => (header.is_control, header.is_final, header.is_compressed),
            other => panic!("{other:?}"),
        };
        assert_eq!(read(&[0xc1, 5], false), (false, true, true));
        assert_eq!(read(&[0x89, 0], false), (true, true, false));
        assert_eq!(read(&[0x01, 5], false), (false, false, false));
        assert_eq!(read(&[0x80, 5], true), (false, true, false));
    }

    #[test]
    fn what_is_no_header_is_seen() {
        for bad in [
            &[0x80, 5][..],
            &[0x83],
            &[0x8b],
            &[0x91],
            &[0xa1],
            &[0xc9],
            &[0x09, 0],
            &[0x89, 126, 0, 126],
            &[0x81, 126, 0, 5],
            &[0x81, 127, 0, 0, 0, 0, 0, 0, 255, 255],
            &[0x81, 127, 128, 0, 0, 0, 0, 0, 0, 0],
            b"HTTP/1.1 200 OK",
            b"GET / HTTP/1.1",
            b"{}",
        ] {
            assert_eq!(header(bad), Read::Malformed, "{bad:?}");
        }
        assert_eq!(Header::read(&[0x81, 5], true), Read::Malformed);
        assert_eq!(Header::read(b"@5", true), Read::Malformed);
    }

    #[test]
    fn frames_leave_as_they_came_in_pieces_of_any_size() {
        let stream = [
            frame(0x01, b"one"),
            frame(0x89, b"ping"),
            frame(0x80, &[b'x'; 300]),
            frame(0x82, b""),
            frame(0xc1, b"packed"),
            frame(0x88, b"\x03\xe8"),
            b"no frame at all".to_vec(),
        ]
        .concat();
        for size in 1..stream.len() {
            let (mut frames, mut masker) = (Frames::default(), Masker::default());
            let mut out = Vec::new();
            for piece in stream.chunks(size) {
                frames.pass(piece, &mut masker, &mut out);
            }
            assert_eq!(frames.state, State::Lost);
            assert_eq!(out, stream, "{size}");
        }
    }

    #[test]
    fn a_frame_that_has_begun_is_known_to_go_on() {
        let (mut frames, mut masker) = (Frames::default(), Masker::default());
        let mut out = Vec::new();
        for byte in frame(0x01, b"one") {
            assert_eq!(
                frames.expects_more(),
                !out.is_empty() || !frames.partial.is_empty()
            );
            frames.pass(&[byte], &mut masker, &mut out);
        }
        assert!(!frames.expects_more() && frames.is_in_message());
        frames.pass(&frame(0x80, b""), &mut masker, &mut out);
        assert!(!frames.expects_more() && !frames.is_in_message());
        frames.pass(b"\x81", &mut masker, &mut out);
        assert!(frames.expects_more());
        frames.finish(&mut masker, &mut out);
        assert_eq!(
            out,
            [frame(0x01, b"one"), frame(0x80, b""), vec![0x81]].concat()
        );
    }

    #[test]
    fn a_credential_is_found_across_frames_and_what_stands_between_them_stays() {
        let secret = "s3cret-of-acme-0123456789";
        let sent = mask::sent_for_test(secret);
        let (first, second) = secret.split_at(9);
        let stream = |one: &str, other: &str, ping: &str| {
            [
                frame(0x01, format!("before {one}").as_bytes()),
                frame(0x89, ping.as_bytes()),
                frame(0x00, b""),
                frame(0x80, format!("{other} after").as_bytes()),
                frame(0x81, b"s"),
                frame(0x88, b""),
            ]
            .concat()
        };
        let came = stream(first, second, secret);
        let stars = |text: &str| "*".repeat(text.len());
        let expected = stream(&stars(first), &stars(second), &stars(secret));
        for size in 1..came.len() {
            let (mut frames, mut masker) = (Frames::default(), sent.masker());
            let mut out = Vec::new();
            for piece in came.chunks(size) {
                frames.pass(piece, &mut masker, &mut out);
            }
            assert!(
                out.len() < came.len(),
                "the last letter could begin another"
            );
            frames.release(&mut masker, &mut out);
            assert_eq!(out, expected, "{size}");
            assert_eq!((frames.waiting_len, frames.given), (0, frames.taken));
        }
    }

    #[test]
    fn compressed_messages_and_masked_frames_pass_and_the_former_are_noted() {
        let sent = mask::sent_for_test("s3cret-of-acme-0123456789");
        let (mut frames, mut masker) = (Frames::default(), sent.masker());
        let mut out = Vec::new();
        frames.pass(b"\x81\x83\x01\x02\x03\x04abc", &mut masker, &mut out);
        assert!(!frames.expects_more() && !frames.has_passed_compressed());
        frames.pass(b"\xc1\x03abc\x89\x01x", &mut masker, &mut out);
        assert!(frames.has_passed_compressed());
        assert_eq!(out, b"\x81\x83\x01\x02\x03\x04abc\xc1\x03abc\x89\x01x");
    }

    #[test]
    fn very_many_control_frames_do_not_wait_behind_held_text() {
        let sent = mask::sent_for_test("s3cret-of-acme-0123456789");
        let (mut frames, mut masker) = (Frames::default(), sent.masker());
        let (mut out, mut came) = (Vec::new(), Vec::new());
        for _ in 0..1000 {
            for frame in [frame(0x81, b"s3"), frame(0x89, &[b'x'; 100])] {
                frames.pass(&frame, &mut masker, &mut out);
                came.extend(frame);
                assert!(came.len() - out.len() < MAX_WAITING + 500);
            }
        }
        frames.release(&mut masker, &mut out);
        assert_eq!(out, came);
    }
}
