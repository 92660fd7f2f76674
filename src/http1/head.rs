//! Heads: where one ends, what it says, and writing one anew from its parts.
#![deny(clippy::indexing_slicing)]

use std::mem::MaybeUninit;
use std::ops::Range;
use std::slice;

use super::Error;
use super::mend;
use super::mend::Tolerance;
use crate::encoding;

/// Fields in one head, at the most.
pub(crate) const MAX_FIELDS: usize = 256;

/// Bytes of a request head, at the most.
pub(crate) const MAX_REQUEST_HEAD: usize = 64 * 1024;

/// Bytes of a response head, at the most.
pub(crate) const MAX_RESPONSE_HEAD: usize = 256 * 1024;

/// Bytes of a request target, at the most.
pub(crate) const MAX_TARGET: usize = 16 * 1024;

/// Empty lines that are passed over before a message (RFC 9112 section 2.2 asks for one).
const MAX_EMPTY_LINES: usize = 4;

/// Finds the end of a head in bytes that arrive bit by bit, looking at each byte once.
///
/// Every line must end in CR LF, although RFC 9112 section 2.2 allows a recipient to take a bare LF: httparse and many servers
/// do, others don't, and what two of them read differently is how requests are smuggled. Of a response more may be let pass.
#[derive(Default)]
pub(crate) struct HeadScanner {
    /// What is let pass.
    tolerance: Tolerance,
    /// Where the line that isn't complete yet begins.
    line: usize,
    /// Bytes of that line that were looked at.
    seen: usize,
    /// Where the message begins, after empty lines.
    start: usize,
    /// Empty lines before it.
    empty: usize,
}

impl HeadScanner {
    /// A scanner that lets pass what [`ResponseHead::parse_mended`] mends.
    pub(crate) fn tolerant(tolerance: Tolerance) -> Self {
        Self {
            tolerance,
            ..Self::default()
        }
    }

    /// Looks at `input`, which begins where it began in the last call and has grown. Gives the head's range once it is whole.
    ///
    /// # Errors
    /// As soon as a byte can't be part of a head, or when it is longer than `limit`.
    pub(crate) fn scan(
        &mut self,
        input: &[u8],
        limit: usize,
    ) -> Result<Option<Range<usize>>, Error> {
        while let Some(rest) = input.get(self.line + self.seen..)
            && let Some(length) = memchr::memchr(b'\n', rest)
        {
            let end = self.line + self.seen + length;
            let line = input.get(self.line..end).unwrap_or_default();
            let line = match line.strip_suffix(b"\r") {
                Some(line) => line,
                None if self.tolerance == Tolerance::Lenient => line,
                None => return Err(Error::LineEnd),
            };
            self.check(line)?;
            let is_first = self.line == self.start;
            self.line = end + 1;
            self.seen = 0;
            if self.line > limit {
                return Err(Error::HeadTooLarge);
            }
            match (line.is_empty(), is_first) {
                (true, true) => {
                    self.empty += 1;
                    self.start = self.line;
                    if self.empty > MAX_EMPTY_LINES {
                        return Err(Error::EmptyLines);
                    }
                }
                (true, false) => return Ok(Some(self.start..self.line)),
                (false, true) if mend::is_continuation(line) => return Err(Error::StartLine),
                (false, false) if mend::is_continuation(line) => match self.tolerance {
                    Tolerance::Exact => return Err(Error::Folded),
                    Tolerance::Folds | Tolerance::Lenient => {}
                },
                (false, _) => {}
            }
        }
        let partial = input.get(self.line + self.seen..).unwrap_or_default();
        // A CR may be the first half of the line's end; anywhere else it is refused with the whole line.
        self.check(partial.strip_suffix(b"\r").unwrap_or(partial))?;
        self.seen = input
            .len()
            .saturating_sub(self.line + usize::from(partial.ends_with(b"\r")));
        if input.len() > limit {
            return Err(Error::HeadTooLarge);
        }
        Ok(None)
    }

    /// Refuses bytes that no head has.
    fn check(&self, line: &[u8]) -> Result<(), Error> {
        match self.tolerance {
            Tolerance::Lenient if memchr::memchr(0, line).is_none() => Ok(()),
            Tolerance::Lenient => Err(Error::ControlByte),
            Tolerance::Exact | Tolerance::Folds => check_line(line),
        }
    }

    /// Whether what was scanned holds the beginning of a message. Empty lines before one are none.
    pub(crate) fn has_begun(&self, input: &[u8]) -> bool {
        !matches!(input.get(self.start..), None | Some([] | [b'\r']))
    }
}

/// Refuses control bytes but HTAB (RFC 9110 section 5.5).
fn check_line(line: &[u8]) -> Result<(), Error> {
    let is_bad = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
    // Nearly every line is good, and most have no tab either.
    let (words, rest) = line.as_chunks();
    if !words.iter().any(has_control) && !rest.iter().any(is_bad) {
        return Ok(());
    }
    match line.iter().find(|byte| is_bad(byte)) {
        Some(b'\r') => Err(Error::LineEnd),
        Some(_) => Err(Error::ControlByte),
        None => Ok(()), // tabs
    }
}

/// Whether a control byte is among these eight, HTAB too: looked at together, since each byte of a head comes by here.
fn has_control(word: &[u8; 8]) -> bool {
    /// This byte eight times.
    const fn eight(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }
    // A byte's top bit is left set where it was less than the subtrahend: below 0x20, or, with DEL made zero, below 1. What is
    // borrowed from the next byte can only come from such a one.
    let below = |word: u64, limit: u8| word.wrapping_sub(eight(limit)) & !word & eight(0x80);
    let word = u64::from_ne_bytes(*word);
    below(word, b' ') | below(word ^ eight(0x7f), 1) != 0
}

/// The fields of a head or a trailer section, in the order in which they came.
#[derive(Default)]
pub(crate) struct Fields {
    /// Names and values, one after another.
    bytes: Vec<u8>,
    /// Where each stands in `bytes`. Invariant: in bounds.
    list: Vec<Field>,
    /// Whether a Connection field is among them: each field is held against those, and mostly there is none.
    has_connection: bool,
}

/// Where a field stands.
#[derive(Clone, Copy)]
struct Field {
    /// Start of the name.
    name: usize,
    /// End of the name, start of the value.
    value: usize,
    /// End of the value.
    end: usize,
}

impl Fields {
    /// Adds one behind the others.
    fn push(&mut self, name: &[u8], value: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        self.has_connection |= name.eq_ignore_ascii_case(b"connection");
        self.list.push(Field {
            name: start,
            value: start + name.len(),
            end: start + name.len() + value.len(),
        });
    }

    /// Copies what httparse found; whitespace around values is not part of them (RFC 9110 section 5.5).
    fn copied(headers: &[httparse::Header<'_>]) -> Self {
        let size = headers
            .iter()
            .map(|field| field.name.len() + field.value.len())
            .sum();
        let mut fields = Self {
            bytes: Vec::with_capacity(size),
            list: Vec::with_capacity(headers.len()),
            has_connection: false,
        };
        for header in headers {
            fields.push(header.name.as_bytes(), trim(header.value));
        }
        fields
    }

    /// Bytes that all of them take where they are written anew, at the most.
    pub(crate) fn written_len(&self) -> usize {
        self.bytes.len() + self.list.len() * ": \r\n".len()
    }

    /// Name and value of each field.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.list.iter().map(|field| self.parts(field))
    }

    /// Name and value of one of them.
    fn parts(&self, field: &Field) -> (&[u8], &[u8]) {
        let part = |range| self.bytes.get(range).unwrap_or_default();
        (part(field.name..field.value), part(field.value..field.end))
    }

    /// The values of all fields of this name, whatever its case. Mostly its length alone says that it is another.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let name = name.as_bytes();
        self.list
            .iter()
            .filter(|field| field.name.checked_add(name.len()) == Some(field.value))
            .map(|field| self.parts(field))
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Whether a field of this name is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// The members of the comma-separated lists in all fields of this name, without those that are empty.
    pub(crate) fn members(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.all(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .map(trim)
            .filter(|member| !member.is_empty())
    }

    /// Whether one of those members is this token, whatever its case.
    pub(crate) fn has_member(&self, name: &str, token: &str) -> bool {
        self.members(name)
            .any(|member| member.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// Reads a trailer section of which something is mended.
    ///
    /// # Errors
    /// What is wrong with it and isn't mended.
    pub(crate) fn parse_mended(section: &[u8], tolerance: Tolerance) -> Result<Self, Error> {
        if tolerance != Tolerance::Lenient {
            return Self::parse(section);
        }
        let mut mended = Vec::with_capacity(section.len());
        mend::fields(section, tolerance, &mut mended)?;
        Self::parse(&mended)
    }

    /// Reads a trailer section: field lines up to and with the empty line.
    ///
    /// # Errors
    /// When a line is malformed or there are too many.
    #[inline(never)] // its slots are to be on no stack for longer
    pub(crate) fn parse(section: &[u8]) -> Result<Self, Error> {
        let mut slots = [httparse::EMPTY_HEADER; MAX_FIELDS];
        match httparse::parse_headers(section, &mut slots) {
            Ok(httparse::Status::Complete((end, found))) if end == section.len() => {
                Ok(Self::copied(found))
            }
            // Fields behind the end of the section must not be lost.
            Ok(_) => Err(Error::FieldLine),
            Err(error) => Err(error.into()),
        }
    }
}

/// `value` without spaces and tabs around it. `trim_ascii` would take form feeds too.
fn trim(value: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value
        .iter()
        .position(|byte| !is_space(byte))
        .unwrap_or(value.len());
    let end = value
        .iter()
        .rposition(|byte| !is_space(byte))
        .map_or(start, |last| last + 1);
    value.get(start..end).unwrap_or_default()
}

impl From<httparse::Error> for Error {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::TooManyHeaders => Self::TooManyFields,
            httparse::Error::Version => Self::Version,
            httparse::Error::HeaderName | httparse::Error::HeaderValue => Self::FieldLine,
            httparse::Error::NewLine | httparse::Error::Status | httparse::Error::Token => {
                Self::StartLine
            }
        }
    }
}

/// HTTP/1.0 or HTTP/1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// A request's head.
pub(crate) struct RequestHead {
    /// Its method.
    pub(crate) method: String,
    /// The target as received, but with bytes above 0x7F percent-encoded.
    pub(crate) target: String,
    /// Its version.
    pub(crate) version: Version,
    /// Its fields.
    pub(crate) fields: Fields,
}

impl RequestHead {
    /// Reads a head that [`HeadScanner`] found. Nothing is repaired but a target with bytes above 0x7F, which browsers encode and curl
    /// sends as they were typed: encoded, it is the same to every server.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(head: &[u8]) -> Result<Self, Error> {
        match with_encoded_target(head) {
            Some(encoded) => Self::parse_ascii(&encoded),
            None => Self::parse_ascii(head),
        }
    }

    /// Reads a head whose target has no bytes above 0x7F.
    #[inline(never)] // its slots are to be on no stack for longer
    fn parse_ascii(head: &[u8]) -> Result<Self, Error> {
        let mut slots = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut []);
        match request.parse_with_uninit_headers(head, &mut slots) {
            Ok(httparse::Status::Complete(end)) if end == head.len() => {}
            // Fields behind the end of the head must not be lost.
            Ok(httparse::Status::Complete(_)) => return Err(Error::FieldLine),
            Ok(httparse::Status::Partial) => return Err(Error::StartLine),
            // httparse stops at the first byte that no target has; say so rather than blame the line.
            Err(httparse::Error::Token) if target_is_at_fault(head) => return Err(Error::Target),
            Err(httparse::Error::Version) if !has_version(head) => return Err(Error::StartLine),
            Err(error) => return Err(error.into()),
        }
        let target = request.path.unwrap_or_default();
        if target.len() > MAX_TARGET {
            return Err(Error::TargetTooLong);
        }
        if !is_target(target.as_bytes()) {
            return Err(Error::Target);
        }
        Ok(Self {
            method: request.method.unwrap_or_default().to_owned(),
            target: target.to_owned(),
            version: version(request.version),
            fields: Fields::copied(request.headers),
        })
    }
}

/// Whether the bytes are a request target: printable ASCII without a fragment (RFC 9112 section 3.2). httparse takes more.
fn is_target(target: &[u8]) -> bool {
    target
        .iter()
        .all(|byte| (0x21..=0x7e).contains(byte) && *byte != b'#')
}

/// The start line's parts between single spaces, if they are three.
fn parts(line: &[u8]) -> Option<[&[u8]; 3]> {
    let mut parts = line.split(|byte| *byte == b' ');
    let three = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(three)
}

/// The first line of a head, without its end.
fn start_line(head: &[u8]) -> &[u8] {
    head.split(|byte| *byte == b'\r').next().unwrap_or_default()
}

/// Whether a start line has its three parts and the middle one is what is wrong.
fn target_is_at_fault(head: &[u8]) -> bool {
    parts(start_line(head)).is_some_and(|[_, target, _]| !target.is_empty() && !is_target(target))
}

/// Whether a start line has its three parts and the last one is a version, be it another than ours (RFC 9112 section 2.3). Anything else
/// is no request line.
fn has_version(head: &[u8]) -> bool {
    let is_version = |version: &[u8]| match version.strip_prefix(b"HTTP/") {
        Some([major, b'.', minor]) => major.is_ascii_digit() && minor.is_ascii_digit(),
        _ => false,
    };
    parts(start_line(head)).is_some_and(|[_, _, version]| is_version(version))
}

/// The head with each byte above 0x7F of its target percent-encoded (RFC 3986 section 2.1); `None` where there is none.
fn with_encoded_target(head: &[u8]) -> Option<Vec<u8>> {
    let line = start_line(head);
    if line.is_ascii() {
        return None;
    }
    let [method, target, _] = parts(line)?;
    let mut encoded = Vec::with_capacity(head.len() + 2 * target.len());
    let start = method.len() + 1;
    encoded.extend_from_slice(head.get(..start)?);
    for byte in target {
        if byte.is_ascii() {
            encoded.push(*byte);
        } else {
            encoded.extend(encoding::percent_encode(slice::from_ref(byte)));
        }
    }
    encoded.extend_from_slice(head.get(start + target.len()..)?);
    Some(encoded)
}

/// httparse's version in ours.
fn version(minor: Option<u8>) -> Version {
    if minor == Some(0) {
        Version::Http10
    } else {
        Version::Http11
    }
}

/// A response's head.
pub(crate) struct ResponseHead {
    /// 100 to 999.
    pub(crate) status: u16,
    /// The reason phrase, often empty.
    pub(crate) reason: String,
    /// Its version.
    pub(crate) version: Version,
    /// Its fields.
    pub(crate) fields: Fields,
    /// Whether the head had to be mended.
    pub(crate) is_mended: bool,
}

impl ResponseHead {
    /// Reads a head that a tolerant scanner found.
    ///
    /// # Errors
    /// What is wrong with it and isn't mended.
    pub(crate) fn parse_mended(head: &[u8], tolerance: Tolerance) -> Result<Self, Error> {
        let is_read = match tolerance {
            Tolerance::Exact => false,
            Tolerance::Folds => mend::has_fold(head),
            Tolerance::Lenient => true,
        };
        if !is_read {
            return Self::parse(head);
        }
        let mended = mend::head(head, tolerance)?;
        Ok(Self {
            is_mended: mended != head,
            ..Self::parse(&mended)?
        })
    }

    /// Reads a head that [`HeadScanner`] found.
    ///
    /// # Errors
    /// What is wrong with it.
    #[inline(never)] // its slots are to be on no stack for longer
    pub(crate) fn parse(head: &[u8]) -> Result<Self, Error> {
        let mut slots = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        let mut response = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        match config.parse_response_with_uninit_headers(&mut response, head, &mut slots) {
            Ok(httparse::Status::Complete(end)) if end == head.len() => {}
            // Fields behind the end of the head must not be lost.
            Ok(httparse::Status::Complete(_)) => return Err(Error::FieldLine),
            Ok(httparse::Status::Partial) => return Err(Error::StartLine),
            Err(error) => return Err(error.into()),
        }
        // httparse takes 000 to 099 too.
        let status = response
            .code
            .filter(|code| *code >= 100)
            .ok_or(Error::StartLine)?;
        Ok(Self {
            status,
            reason: response.reason.unwrap_or_default().to_owned(),
            version: version(response.version),
            fields: Fields::copied(response.headers),
            is_mended: false,
        })
    }
}

/// Writes one field line.
pub(crate) fn write_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Fields that speak about one connection only (RFC 9110 section 7.6.1), and two that are not for others: `Proxy`, which CGI
/// programs would read as HTTP_PROXY, and HTTP2-Settings of an upgrade that is not passed on.
pub(crate) const HOP_BY_HOP: [&str; 11] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "proxy-authenticate",
    "proxy",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// Whether a field ends here: it is hop-by-hop, or the message's own Connection fields name it.
///
/// A Connection that names Content-Length, Host or the like changes nothing: those fields are always written anew.
pub(crate) fn is_hop_by_hop(fields: &Fields, name: &[u8]) -> bool {
    let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
    HOP_BY_HOP
        .iter()
        .any(|listed| listed.len() == name.len() && is(listed.as_bytes()))
        || fields.has_connection && fields.members("connection").any(is)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scans in one go.
    fn scan(input: &[u8]) -> Result<Option<Range<usize>>, Error> {
        HeadScanner::default().scan(input, MAX_REQUEST_HEAD)
    }

    #[test]
    fn the_end_is_found_whatever_the_split() {
        let input = b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
        let whole = 2..input.len() - 4;
        for split in 0..=input.len() {
            let mut scanner = HeadScanner::default();
            let first = scanner.scan(&input[..split], 1024).unwrap();
            if split >= whole.end {
                assert_eq!(first, Some(whole.clone()), "{split}");
            } else {
                assert_eq!(first, None, "{split}");
                assert_eq!(
                    scanner.scan(input, 1024).unwrap(),
                    Some(whole.clone()),
                    "{split}"
                );
            }
        }
        let mut scanner = HeadScanner::default();
        for end in 1..whole.end {
            assert_eq!(scanner.scan(&input[..end], 1024).unwrap(), None);
        }
        assert_eq!(
            scanner.scan(&input[..whole.end], 1024).unwrap(),
            Some(whole)
        );
    }

    #[test]
    fn a_control_byte_is_found_wherever_it_stands() {
        for around in [b'a', b' ', b'~', 0x80, 0xff, b'\t'] {
            for byte in 0..=u8::MAX {
                let bad = byte != b'\t' && (byte < 0x20 || byte == 0x7f);
                for place in 0..17 {
                    let mut line = [around; 17];
                    line[place] = byte;
                    assert_eq!(
                        check_line(&line).is_err(),
                        bad,
                        "{byte:#x} at {place} among {around:#x}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_refused_at_once() {
        for (input, error) in [
            (&b"GET / HTTP/1.1\nHost: a\n\n"[..], Error::LineEnd),
            (b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", Error::LineEnd),
            (b"GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n", Error::LineEnd),
            (b"GET / HTTP/1.1\r\nA: b\r\r\n\r\n", Error::LineEnd),
            (b"GET / HTTP/1.1\r\nA: b\0\r\n\r\n", Error::ControlByte),
            (b"GET / HTTP/1.1\r\nA: b\x7f\r\n\r\n", Error::ControlByte),
            (b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", Error::Folded),
            (b" GET / HTTP/1.1\r\n\r\n", Error::StartLine),
            (b"\r\n\r\n\r\n\r\n\r\n", Error::EmptyLines),
            (b"\x16\x03\x01\x02\x00", Error::ControlByte),
        ] {
            assert_eq!(scan(input), Err(error), "{}", input.escape_ascii());
        }
    }

    #[test]
    fn empty_lines_begin_no_message() {
        for (input, has_begun) in [
            (&b""[..], false),
            (b"\r", false),
            (b"\r\n", false),
            (b"\r\n\r", false),
            (b"\r\nG", true),
            (b"G", true),
        ] {
            let mut scanner = HeadScanner::default();
            scanner.scan(input, 1024).unwrap();
            assert_eq!(
                scanner.has_begun(input),
                has_begun,
                "{}",
                input.escape_ascii()
            );
        }
    }

    #[test]
    fn a_head_over_the_limit_is_refused_before_it_ends() {
        let long = [b"GET / HTTP/1.1\r\nA: ".as_slice(), &[b'a'; 100]].concat();
        assert_eq!(
            HeadScanner::default().scan(&long, 64),
            Err(Error::HeadTooLarge)
        );
        let whole = [long.as_slice(), b"\r\n\r\n"].concat();
        assert_eq!(
            HeadScanner::default().scan(&whole, 64),
            Err(Error::HeadTooLarge)
        );
        assert!(
            HeadScanner::default()
                .scan(&whole, whole.len())
                .unwrap()
                .is_some()
        );
    }

    #[test]
    fn a_request_is_read_as_it_stands() {
        let head = b"POST /a?b HTTP/1.0\r\nHost: x\r\nX-A:  v \t\r\nx-a: \xff\r\nE:\r\n\r\n";
        let request = RequestHead::parse(head).unwrap();
        assert_eq!((&*request.method, &*request.target), ("POST", "/a?b"));
        assert_eq!(request.version, Version::Http10);
        assert_eq!(
            request.fields.all("X-a").collect::<Vec<_>>(),
            [&b"v"[..], b"\xff"]
        );
        assert_eq!(request.fields.all("e").collect::<Vec<_>>(), [b""]);
    }

    #[test]
    fn malformed_requests_are_refused() {
        for (head, error) in [
            (&b"GET  / HTTP/1.1\r\n\r\n"[..], Error::StartLine),
            (b"GET / HTTP/1.1 \r\n\r\n", Error::StartLine),
            (b"GET /\r\n\r\n", Error::StartLine),
            (b"GET / HTTP/2.0\r\n\r\n", Error::Version),
            (b"GET / HTTP/3.0\r\n\r\n", Error::Version),
            (b"GET / HTTP/1.32\r\n\r\n", Error::StartLine),
            (b"GET / HTTP/2\r\n\r\n", Error::StartLine),
            (b"GET / http/1.1\r\n\r\n", Error::StartLine),
            (b"GET /a b HTTP/1.1\r\n\r\n", Error::StartLine),
            (b"G(T / HTTP/1.1\r\n\r\n", Error::StartLine),
            (b"GET /a#b HTTP/1.1\r\n\r\n", Error::Target),
            (b"GET /\xc3\xa9#b HTTP/1.1\r\n\r\n", Error::Target),
            (b"G\xc3\xa9T / HTTP/1.1\r\n\r\n", Error::StartLine),
            (b"GET /\xc3\xa9 b HTTP/1.1\r\n\r\n", Error::StartLine),
            (b"GET / HTTP/1.1\r\nA : b\r\n\r\n", Error::FieldLine),
            (b"GET / HTTP/1.1\r\nA\r\n\r\n", Error::FieldLine),
            (b"GET / HTTP/1.1\r\n: b\r\n\r\n", Error::FieldLine),
            (b"GET / HTTP/1.1\r\nA(: b\r\n\r\n", Error::FieldLine),
        ] {
            assert_eq!(
                RequestHead::parse(head).err(),
                Some(error),
                "{}",
                head.escape_ascii()
            );
        }
        let mut many = b"GET / HTTP/1.1\r\n".to_vec();
        many.extend(b"a: b\r\n".repeat(MAX_FIELDS));
        assert!(RequestHead::parse(&[many.as_slice(), b"\r\n"].concat()).is_ok());
        many.extend(b"a: b\r\n\r\n");
        assert_eq!(RequestHead::parse(&many).err(), Some(Error::TooManyFields));
    }

    #[test]
    fn bytes_above_ascii_in_a_target_are_encoded_each() {
        let head = b"GET /Z\xc3\xbcrich?q=%c3\xff&r=\x80 HTTP/1.1\r\nX: \xff\r\n\r\n";
        let request = RequestHead::parse(head).unwrap();
        assert_eq!(request.target, "/Z%C3%BCrich?q=%c3%FF&r=%80");
        assert_eq!(request.fields.all("x").next(), Some(&b"\xff"[..]));
        let long = [
            b"GET /".as_slice(),
            &[0xff; MAX_TARGET / 3],
            b" HTTP/1.1\r\n\r\n",
        ]
        .concat();
        assert_eq!(RequestHead::parse(&long).err(), None);
        let longer = [
            b"GET /".as_slice(),
            &[0xff; MAX_TARGET / 3 + 1],
            b" HTTP/1.1\r\n\r\n",
        ]
        .concat();
        assert_eq!(
            RequestHead::parse(&longer).err(),
            Some(Error::TargetTooLong)
        );
    }

    #[test]
    fn a_status_below_100_is_refused() {
        assert_eq!(
            ResponseHead::parse(b"HTTP/1.1 099 x\r\n\r\n").err(),
            Some(Error::StartLine)
        );
        let response = ResponseHead::parse(b"HTTP/1.1 200\r\n\r\n").unwrap();
        assert_eq!((response.status, &*response.reason), (200, ""));
    }

    #[test]
    fn fields_behind_the_end_are_not_lost() {
        let section = b"X-A: b\r\n\r\nContent-Length: 2\r\n\r\n";
        assert_eq!(Fields::parse(section).err(), Some(Error::FieldLine));
        let head = [b"HTTP/1.1 200 OK\r\n".as_slice(), section].concat();
        assert_eq!(ResponseHead::parse(&head).err(), Some(Error::FieldLine));
        let head = [b"GET / HTTP/1.1\r\n".as_slice(), section].concat();
        assert_eq!(RequestHead::parse(&head).err(), Some(Error::FieldLine));
    }

    #[test]
    fn a_connection_field_cannot_name_itself_into_a_loop() {
        let head = b"GET / HTTP/1.1\r\nConnection:\r\nConnection: connection, X-A\r\n\r\n";
        let fields = RequestHead::parse(head).unwrap().fields;
        assert!(is_hop_by_hop(&fields, b"x-a"));
        assert!(is_hop_by_hop(&fields, b"CONNECTION"));
        assert!(!is_hop_by_hop(&fields, b"accept"));
    }
}
