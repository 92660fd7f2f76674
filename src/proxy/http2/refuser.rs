//! The server side of HTTP/2 for refusals alone: frames in, frames out.
//!
//! No HPACK decoder (RFC 7541) is needed: the refuser reads only the headers of frames, and writes the fields of its one answer as
//! literals. Everything that a connection can cost has a limit: answers, other frames, header blocks, content.
#![deny(clippy::indexing_slicing)]

/// The client's connection preface (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of a frame's header.
const FRAME_HEADER: usize = 9;

/// Most bytes of a frame's payload: the default, which applies unless SETTINGS announce another (RFC 9113 section 6.5.2).
const MAX_FRAME: usize = 16_384;

/// Bytes of content that a client may send in all: its window at the start (RFC 9113 section 6.9.2), which never grows.
const MAX_CONTENT: usize = 65_535;

/// Streams answered on a connection, at the most; a client that has more opens another connection.
const MAX_STREAMS: u32 = 100;

/// Frames that belong to no new stream, at the most.
const MAX_OTHERS: u32 = 1000;

/// CONTINUATION frames of a header block, at the most.
const MAX_CONTINUATIONS: u32 = 8;

/// Types of frames (RFC 9113 section 6).
mod kind {
    /// Content.
    pub(super) const DATA: u8 = 0;
    /// A header block that opens a stream, or a trailer section.
    pub(super) const HEADERS: u8 = 1;
    /// PRIORITY, which is deprecated (RFC 9113 section 5.3).
    pub(super) const PRIORITY: u8 = 2;
    /// The end of a stream.
    pub(super) const RST_STREAM: u8 = 3;
    /// Limits of the sender.
    pub(super) const SETTINGS: u8 = 4;
    /// A stream that a server opens.
    pub(super) const PUSH_PROMISE: u8 = 5;
    /// A question whether the peer is alive.
    pub(super) const PING: u8 = 6;
    /// The end of the connection.
    pub(super) const GOAWAY: u8 = 7;
    /// Room for more content.
    pub(super) const WINDOW_UPDATE: u8 = 8;
    /// More of a header block.
    pub(super) const CONTINUATION: u8 = 9;
}

/// The flag of SETTINGS and PING that acknowledge others.
const ACK: u8 = 1;

/// The flag of the last frame of a stream.
const END_STREAM: u8 = 1;

/// The flag of the last frame of a header block.
const END_HEADERS: u8 = 4;

/// The setting that limits concurrent streams.
const MAX_CONCURRENT_STREAMS: [u8; 2] = [0, 3];

/// Why a connection ends (RFC 9113 section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// NO_ERROR
    None = 0,
    /// PROTOCOL_ERROR
    Protocol = 1,
    /// FLOW_CONTROL_ERROR
    FlowControl = 3,
    /// FRAME_SIZE_ERROR
    FrameSize = 6,
    /// ENHANCE_YOUR_CALM
    Calm = 11,
}

/// The header of a frame.
struct Frame {
    /// The type: a constant of [`kind`].
    kind: u8,
    /// Bits whose meaning depends on the type.
    flags: u8,
    /// The frame's stream; 0 is the whole connection.
    stream: u32,
}

/// A header block that has begun.
struct Block {
    /// The stream that the fields belong to.
    stream: u32,
    /// Whether the block opens the stream.
    is_new: bool,
    /// Whether content may follow.
    is_open: bool,
    /// How many more CONTINUATION frames may follow.
    left: u32,
}

/// The refusals of one connection: bytes in, bytes out.
pub(crate) struct Refuser {
    /// The header block of each answer.
    answer: Vec<u8>,
    /// Whether the client's preface has come.
    pub(super) has_begun: bool,
    /// Whether the SETTINGS behind the preface have come.
    is_set_up: bool,
    /// The header block that has not ended.
    block: Option<Block>,
    /// The last stream that the client has opened.
    last: u32,
    /// Streams answered.
    pub(super) answered: u32,
    /// Frames that belonged to no new stream.
    others: u32,
    /// Bytes of content that have come.
    content: usize,
}

impl Refuser {
    /// Begins a connection that answers each stream with this message.
    pub(crate) fn new(message: &str, out: &mut Vec<u8>) -> Self {
        let mut settings = MAX_CONCURRENT_STREAMS.to_vec();
        settings.extend(MAX_STREAMS.to_be_bytes());
        write_frame(out, kind::SETTINGS, 0, 0, &settings);
        Self {
            answer: header_block(message),
            has_begun: false,
            is_set_up: false,
            block: None,
            last: 0,
            answered: 0,
            others: 0,
            content: 0,
        }
    }

    /// Reads all complete frames of the input, and writes the answers. Returns how many bytes were read.
    ///
    /// # Errors
    /// Why the connection ends. The output tells the client.
    pub(crate) fn read(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Code> {
        let mut used = 0;
        loop {
            match self.step(input.get(used..).unwrap_or_default(), out) {
                Ok(0) => return Ok(used),
                Ok(count) => used += count,
                Err(code) => {
                    self.end(code, out);
                    return Err(code);
                }
            }
        }
    }

    /// Tells the client that the connection ends.
    pub(super) fn end(&self, code: Code, out: &mut Vec<u8>) {
        let payload = [self.last.to_be_bytes(), (code as u32).to_be_bytes()].concat();
        write_frame(out, kind::GOAWAY, 0, 0, &payload);
    }

    /// Reads the preface, or one frame. Returns 0 where it is not whole yet.
    fn step(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Code> {
        if !self.has_begun {
            let size = input.len().min(PREFACE.len());
            if input.get(..size) != PREFACE.get(..size) {
                return Err(Code::Protocol);
            }
            self.has_begun = size == PREFACE.len();
            return Ok(if self.has_begun { size } else { 0 });
        }
        let [a, b, c, kind, flags, s, t, u, v, rest @ ..] = input else {
            return Ok(0);
        };
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        if length > MAX_FRAME {
            return Err(Code::FrameSize);
        }
        let Some(payload) = rest.get(..length) else {
            return Ok(0);
        };
        let frame = Frame {
            kind: *kind,
            flags: *flags,
            stream: u32::from_be_bytes([s & 0x7f, *t, *u, *v]),
        };
        self.take(&frame, payload, out)?;
        Ok(FRAME_HEADER + length)
    }

    /// Handles a frame.
    fn take(&mut self, frame: &Frame, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Code> {
        let is_settings = frame.kind == kind::SETTINGS && frame.flags & ACK == 0;
        let is_expected = self.is_set_up || is_settings;
        self.is_set_up = true;
        match (self.block.take(), frame.kind) {
            _ if !is_expected => Err(Code::Protocol),
            (Some(block), kind::CONTINUATION) if block.stream == frame.stream => {
                let left = block.left.checked_sub(1).ok_or(Code::Calm)?;
                self.take_block(Block { left, ..block }, frame, out)
            }
            (Some(_), _) | (None, kind::CONTINUATION | kind::PUSH_PROMISE) => Err(Code::Protocol),
            (None, kind::HEADERS) => {
                let block = self.begin_block(frame)?;
                self.take_block(block, frame, out)
            }
            (None, _) => {
                self.count()?;
                match frame.stream {
                    0 => about_connection(frame, payload, out),
                    _ => self.about_stream(frame, payload),
                }
            }
        }
    }

    /// Begins a header block. A block on a stream that was already answered is a trailer section that was in flight.
    fn begin_block(&mut self, frame: &Frame) -> Result<Block, Code> {
        if frame.stream.is_multiple_of(2) {
            return Err(Code::Protocol);
        }
        let is_new = frame.stream > self.last;
        if is_new {
            self.last = frame.stream;
        } else {
            self.count()?;
        }
        Ok(Block {
            stream: frame.stream,
            is_new,
            is_open: frame.flags & END_STREAM == 0,
            left: MAX_CONTINUATIONS,
        })
    }

    /// Answers the stream of a header block that ends with this frame and has opened the stream.
    fn take_block(&mut self, block: Block, frame: &Frame, out: &mut Vec<u8>) -> Result<(), Code> {
        if frame.flags & END_HEADERS == 0 {
            self.block = Some(block);
        } else if block.is_new {
            let flags = END_STREAM | END_HEADERS;
            write_frame(out, kind::HEADERS, flags, block.stream, &self.answer);
            if block.is_open {
                // The client need not send the rest (RFC 9113 section 8.1).
                write_frame(out, kind::RST_STREAM, 0, block.stream, &[0; 4]);
            }
            self.answered += 1;
            if self.answered == MAX_STREAMS {
                return Err(Code::None);
            }
        }
        Ok(())
    }

    /// Counts a frame that belongs to no new stream.
    fn count(&mut self) -> Result<(), Code> {
        self.others += 1;
        if self.others > MAX_OTHERS {
            return Err(Code::Calm);
        }
        Ok(())
    }

    /// Checks a frame about a stream, and ignores its content.
    fn about_stream(&mut self, frame: &Frame, payload: &[u8]) -> Result<(), Code> {
        let is_idle = frame.stream > self.last || frame.stream.is_multiple_of(2);
        match (frame.kind, payload.len()) {
            (kind::SETTINGS | kind::PING | kind::GOAWAY, _) => Err(Code::Protocol),
            (kind::DATA | kind::RST_STREAM | kind::WINDOW_UPDATE, _) if is_idle => {
                Err(Code::Protocol)
            }
            (kind::DATA, length) => {
                self.content += length;
                match self.content > MAX_CONTENT {
                    true => Err(Code::FlowControl),
                    false => Ok(()),
                }
            }
            (kind::RST_STREAM | kind::WINDOW_UPDATE, length) if length != 4 => Err(Code::FrameSize),
            _ => Ok(()),
        }
    }
}

/// Answers a frame about the connection.
fn about_connection(frame: &Frame, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Code> {
    let is_ack = frame.flags & ACK != 0;
    match (frame.kind, payload.len()) {
        (kind::DATA | kind::PRIORITY | kind::RST_STREAM, _) => Err(Code::Protocol),
        (kind::SETTINGS, length) if length % 6 != 0 || is_ack && length > 0 => Err(Code::FrameSize),
        (kind::PING, length) if length != 8 => Err(Code::FrameSize),
        (kind::WINDOW_UPDATE, length) if length != 4 => Err(Code::FrameSize),
        (kind::SETTINGS, _) if !is_ack => {
            write_frame(out, kind::SETTINGS, ACK, 0, &[]);
            Ok(())
        }
        (kind::PING, _) if !is_ack => {
            write_frame(out, kind::PING, ACK, 0, payload);
            Ok(())
        }
        // All streams were answered.
        (kind::GOAWAY, _) => Err(Code::None),
        _ => Ok(()),
    }
}

/// Writes a frame. Payloads here are shorter than any client's limit.
fn write_frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len())
        .unwrap_or_default()
        .to_be_bytes();
    out.extend_from_slice(length.get(1..).unwrap_or_default());
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// The header block of an answer: literals without indexing (RFC 7541 section 6.2.2), behind a dynamic table of size 0, which a client that
/// has announced a smaller table waits for (section 4.2).
fn header_block(message: &str) -> Vec<u8> {
    let mut block = vec![0x20];
    for (name, value) in [
        (":status", "505"),
        ("content-type", "application/grpc"),
        ("proxy-status", "authsome; error=http_request_error"),
        // AWS SDKs show nothing else of an answer without content.
        ("x-amzn-errortype", "AuthsomeRefused"),
        ("grpc-status", "12"),
        ("grpc-message", &printable(message)),
    ] {
        block.push(0);
        for text in [name, value] {
            write_length(&mut block, text.len());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// Writes the length of a string that isn't compressed (RFC 7541 sections 5.1 and 5.2).
fn write_length(block: &mut Vec<u8>, length: usize) {
    let Some(mut rest) = length.checked_sub(0x7f) else {
        return block.extend(u8::try_from(length));
    };
    block.push(0x7f);
    while rest >= 0x80 {
        block.extend(u8::try_from(rest % 0x80 + 0x80));
        rest /= 0x80;
    }
    block.extend(u8::try_from(rest));
}

/// The text without what clients decode in different ways: gRPC escapes with `%`, and not all clients undo that.
fn printable(text: &str) -> String {
    let is_plain = |letter: &char| matches!(letter, ' '..='~') && *letter != '%';
    text.chars().filter(is_plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The message of the answers here.
    const MESSAGE: &str = "a message";

    /// A frame.
    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        write_frame(&mut frame, kind, flags, stream, payload);
        frame
    }

    /// Preface and SETTINGS, and these frames behind them.
    fn begun(frames: &[Vec<u8>]) -> Vec<u8> {
        let settings = frame(kind::SETTINGS, 0, 0, &[]);
        [PREFACE, &settings, &frames.concat()].concat()
    }

    /// A request without content.
    fn request(stream: u32) -> Vec<u8> {
        frame(kind::HEADERS, END_HEADERS | END_STREAM, stream, b"?")
    }

    /// What is said to the input that comes in pieces of these sizes and then whole, and why the connection ends.
    fn run(input: &[u8], pieces: impl IntoIterator<Item = usize>) -> (Vec<u8>, Result<(), Code>) {
        let mut out = Vec::new();
        let mut refuser = Refuser::new(MESSAGE, &mut out);
        let (mut used, mut came) = (0, 0);
        for piece in pieces.into_iter().chain([input.len()]) {
            came = input.len().min(came + piece);
            match refuser.read(&input[used..came], &mut out) {
                Ok(count) => used += count,
                Err(code) => return (out, Err(code)),
            }
        }
        (out, Ok(()))
    }

    /// What is said to the input, as type and stream of each frame, and why the connection ends.
    fn said(input: &[u8]) -> (Vec<(u8, u32)>, Result<(), Code>) {
        let (out, end) = run(input, []);
        let mut rest = out.as_slice();
        let mut frames = Vec::new();
        while let [0, b, c, kind, _, s, t, u, v, behind @ ..] = rest {
            frames.push((*kind, u32::from_be_bytes([*s, *t, *u, *v])));
            rest = &behind[usize::from(u16::from_be_bytes([*b, *c]))..];
        }
        assert_eq!(rest, b"");
        (frames, end)
    }

    #[test]
    fn each_stream_is_answered_once_however_its_frames_are_cut() {
        let input = begun(&[
            frame(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 1, 0]),
            frame(kind::HEADERS, END_HEADERS, 1, b"huffman"),
            frame(kind::DATA, END_STREAM, 1, b"content"),
            frame(kind::PING, 0, 0, b"12345678"),
            frame(kind::PRIORITY, 0, 9, &[0; 5]),
            frame(kind::HEADERS, END_STREAM, 7, b"in"),
            frame(kind::CONTINUATION, 0, 7, b""),
            frame(kind::CONTINUATION, END_HEADERS, 7, b"parts"),
            frame(kind::HEADERS, END_HEADERS | END_STREAM, 1, b"trailers"),
            frame(kind::RST_STREAM, 0, 7, &[0, 0, 0, 8]),
            frame(0xfa, 0xff, 7, b"grease"),
            frame(kind::PING, ACK, 0, b"12345678"),
            frame(kind::SETTINGS, ACK, 0, b""),
        ]);
        let answer = header_block(MESSAGE);
        let expected = [
            frame(kind::SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]),
            frame(kind::SETTINGS, ACK, 0, b""),
            frame(kind::HEADERS, 5, 1, &answer),
            frame(kind::RST_STREAM, 0, 1, &[0; 4]),
            frame(kind::PING, ACK, 0, b"12345678"),
            frame(kind::HEADERS, 5, 7, &answer),
        ];
        let expected = (expected.concat(), Ok(()));
        for cut in 0..=input.len() {
            assert_eq!(run(&input, [cut]), expected, "cut at {cut}");
        }
        for size in 1..40 {
            let pieces = vec![size; input.len()];
            assert_eq!(run(&input, pieces), expected, "in pieces of {size}");
        }
    }

    /// Takes a string that isn't compressed off a header block.
    fn take_string(block: &mut &[u8]) -> String {
        let mut byte = || {
            let (first, rest) = block.split_first().unwrap();
            *block = rest;
            usize::from(*first)
        };
        let (mut length, mut shift) = (byte(), 0);
        if length == 0x7f {
            loop {
                let more = byte();
                length += (more & 0x7f) << shift;
                shift += 7;
                if more < 0x80 {
                    break;
                }
            }
        }
        let (text, rest) = block.split_at(length);
        *block = rest;
        String::from_utf8(text.to_vec()).unwrap()
    }

    #[test]
    fn a_header_block_has_literals_of_any_length_and_plain_text() {
        for length in [0, 1, 126, 127, 128, 254, 255, 383, 16_000] {
            let text = "x".repeat(length);
            let block = header_block(&format!("%{text}\u{e9}\n"));
            let mut rest = block.strip_prefix(&[0x20]).unwrap();
            let mut fields = Vec::new();
            while let [0, behind @ ..] = rest {
                rest = behind;
                fields.push((take_string(&mut rest), take_string(&mut rest)));
            }
            assert_eq!(rest, b"");
            let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (&**n, &**v)).collect();
            let expected = [
                (":status", "505"),
                ("content-type", "application/grpc"),
                ("proxy-status", "authsome; error=http_request_error"),
                ("x-amzn-errortype", "AuthsomeRefused"),
                ("grpc-status", "12"),
                ("grpc-message", &*text),
            ];
            assert_eq!(fields, expected);
        }
    }

    /// Checks that behind preface and SETTINGS this ends the connection with the code.
    fn assert_ends(frames: &[Vec<u8>], code: Code) {
        let (answers, end) = said(&begun(frames));
        assert_eq!(end, Err(code), "{answers:?}");
        assert_eq!(answers.last(), Some(&(kind::GOAWAY, 0)), "{code:?}");
    }

    #[test]
    fn what_breaks_a_rule_ends_the_connection() {
        for (kind, flags, stream, size) in [
            (kind::HEADERS, END_HEADERS, 0, 0),
            (kind::HEADERS, END_HEADERS, 2, 0),
            (kind::DATA, 0, 0, 0),
            (kind::DATA, 0, 2, 0),
            (kind::DATA, 0, 3, 0),
            (kind::RST_STREAM, 0, 0, 4),
            (kind::RST_STREAM, 0, 3, 4),
            (kind::WINDOW_UPDATE, 0, 3, 4),
            (kind::PRIORITY, 0, 0, 5),
            (kind::SETTINGS, 0, 1, 0),
            (kind::PING, 0, 1, 8),
            (kind::GOAWAY, 0, 1, 8),
            (kind::PUSH_PROMISE, 0, 1, 0),
            (kind::CONTINUATION, END_HEADERS, 1, 0),
        ] {
            let bad = frame(kind, flags, stream, &vec![0; size]);
            assert_ends(&[request(1), bad], Code::Protocol);
        }
        let open = frame(kind::HEADERS, 0, 1, b"");
        for behind in [
            request(3),
            frame(kind::PING, 0, 0, &[0; 8]),
            frame(kind::CONTINUATION, END_HEADERS, 3, b""),
        ] {
            assert_ends(&[open.clone(), behind], Code::Protocol);
        }
        let early = [PREFACE, &request(1)].concat();
        for input in [&early[..], b"GET / HTTP/1.1\r\n", b"PRI * HTTP/2.1"] {
            assert_eq!(said(input).1, Err(Code::Protocol));
        }
    }

    #[test]
    fn sizes_that_frames_cannot_have_end_the_connection() {
        for (kind, flags, stream, size) in [
            (kind::WINDOW_UPDATE, 0, 0, 3),
            (kind::WINDOW_UPDATE, 0, 1, 5),
            (kind::RST_STREAM, 0, 1, 5),
            (kind::SETTINGS, 0, 0, 7),
            (kind::SETTINGS, ACK, 0, 6),
            (kind::PING, 0, 0, 9),
            (kind::DATA, 0, 1, MAX_FRAME + 1),
            (0xfa, 0, 0, 0xff_ffff),
        ] {
            let bad = frame(kind, flags, stream, &vec![0; size]);
            assert_ends(&[request(1), bad.clone()], Code::FrameSize);
            // By its header alone, where no payload of this size is read.
            let header = bad[..FRAME_HEADER].to_vec();
            let (_, end) = said(&begun(&[request(1), header]));
            assert_eq!(end.is_err(), size > MAX_FRAME);
        }
    }

    #[test]
    fn what_goes_on_without_end_is_ended() {
        let open = frame(kind::HEADERS, 0, 1, b"");
        let parts = frame(kind::CONTINUATION, 0, 1, b"").repeat(9);
        assert_ends(&[open, parts], Code::Calm);
        let content = frame(kind::DATA, 0, 1, &[0; MAX_FRAME]).repeat(4);
        assert_ends(&[request(1), content], Code::FlowControl);
        for flood in [
            frame(kind::DATA, 0, 1, b""),
            frame(kind::PING, 0, 0, &[0; 8]),
            frame(kind::PING, ACK, 0, &[0; 8]),
            frame(kind::SETTINGS, 0, 0, b""),
            frame(kind::RST_STREAM, 0, 1, &[0; 4]),
            frame(kind::WINDOW_UPDATE, 0, 0, &[0; 4]),
            frame(kind::PRIORITY, 0, 5, &[0; 5]),
            frame(0xfa, 0, 5, b""),
            request(1),
        ] {
            assert_ends(&[request(1), flood.repeat(1000)], Code::Calm);
        }
        let streams = |count: u32| {
            (0..count)
                .flat_map(|number| request(2 * number + 1))
                .collect()
        };
        assert_ends(&[streams(MAX_STREAMS)], Code::None);
        assert_eq!(said(&begun(&[streams(MAX_STREAMS - 1)])).1, Ok(()));
        assert_ends(&[frame(kind::GOAWAY, 0, 0, &[0; 8])], Code::None);
    }

    #[test]
    fn what_stays_within_the_limits_goes_on() {
        let headers = frame(kind::HEADERS, 0, 1, &[0; MAX_FRAME]);
        let parts = frame(kind::CONTINUATION, 0, 1, &[0; MAX_FRAME]).repeat(7);
        let last = frame(kind::CONTINUATION, END_HEADERS, 1, b"");
        let content = frame(kind::DATA, 0, 1, &[0; 13_107]).repeat(5);
        let pings = frame(kind::PING, 0, 0, &[0; 8]).repeat(994);
        let input = begun(&[headers, parts, last, content, pings]);
        let (answers, end) = said(&input);
        assert_eq!(end, Ok(()));
        // The refuser's SETTINGS and its acknowledgement, the answer in two frames, and an answer to each ping.
        assert_eq!(answers.len(), 2 + 2 + 994);
    }
}
