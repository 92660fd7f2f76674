//! HTTP/1.x messages as bytes (RFC 9112): heads, framing, bodies. No sockets here.

pub(crate) mod body;
pub(crate) mod framing;
pub(crate) mod head;
pub(crate) mod mend;

use std::fmt;

/// Why a message was not accepted. Each is a place where two parsers could read two things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// A line that ends in LF alone, or a CR without LF.
    LineEnd,
    /// A NUL or another control byte in a head.
    ControlByte,
    /// Lines before the message that hold nothing, more than a few.
    EmptyLines,
    /// A line that continues the one before (RFC 9112 section 5.2).
    Folded,
    /// The start line is not three parts with one space between.
    StartLine,
    /// A version other than HTTP/1.0 and HTTP/1.1.
    Version,
    /// A field line without a token, a colon right behind it, and a value.
    FieldLine,
    /// A request target with a space, a control byte or a fragment.
    Target,
    /// The head is larger than the limit.
    HeadTooLarge,
    /// The head has more fields than the limit.
    TooManyFields,
    /// The request target is longer than the limit.
    TargetTooLong,
    /// Both Content-Length and Transfer-Encoding.
    BothLengths,
    /// A Content-Length that is no number, or two that differ.
    ContentLength,
    /// A Transfer-Encoding that is not exactly `chunked`.
    TransferEncoding,
    /// A chunk's size line, its end or the trailer section is malformed.
    Chunk,
    /// The trailer section is larger than the limit.
    TrailerTooLarge,
    /// The message ended before its body did.
    Incomplete,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LineEnd => "a line does not end in CR LF",
            Self::ControlByte => "a control byte in the head",
            Self::EmptyLines => "too many empty lines before the message",
            Self::Folded => "a folded field line",
            Self::StartLine => "a malformed start line",
            Self::Version => "a version other than HTTP/1.0 and HTTP/1.1",
            Self::FieldLine => "a malformed field line",
            Self::Target => "a malformed request target",
            Self::HeadTooLarge => "the head is too large",
            Self::TooManyFields => "too many fields",
            Self::TargetTooLong => "the request target is too long",
            Self::BothLengths => "both Content-Length and Transfer-Encoding",
            Self::ContentLength => "an invalid or repeated Content-Length",
            Self::TransferEncoding => "a Transfer-Encoding other than chunked",
            Self::Chunk => "a malformed chunk",
            Self::TrailerTooLarge => "the trailer section is too large",
            Self::Incomplete => "the body ended too early",
        })
    }
}
