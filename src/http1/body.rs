//! Bodies: read from one framing, written in another. State machines over byte slices; nothing is buffered but trailers.
#![deny(clippy::indexing_slicing)]

use std::io::Write;

use super::Error;
use super::framing::Framing;
use super::head::Fields;
use super::head::write_field;
use super::mend::Tolerance;
use crate::encoding;

/// Bytes of a chunk's size line with its extensions, at the most.
const MAX_SIZE_LINE: usize = 256;

/// Bytes of all chunk extensions of a body, at the most.
const MAX_EXTENSIONS: usize = 16 * 1024;

/// Bytes of a trailer section, at the most.
const MAX_TRAILERS: usize = 16 * 1024;

/// Takes the framing off a body.
pub(crate) struct BodyReader {
    /// Where it stands.
    state: State,
    /// The trailer section as it arrives, and when whole.
    trailers: Vec<u8>,
    /// Bytes of extensions so far.
    extensions: usize,
    /// Whether lines may end in LF alone, and have control bytes where they mean nothing.
    is_lenient: bool,
    /// Whether a line did.
    is_mended: bool,
}

/// What comes next in the body.
///
/// ```text
/// Size -> Data -> DataEnd -> Size ...        Length -> Done
///   \-> Trailer -> Done                      UntilClose -> Done (at the end of the input)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many bytes.
    Length(u64),
    /// Everything until the connection ends.
    UntilClose,
    /// A chunk's size line.
    Size,
    /// So many bytes of a chunk.
    Data(u64),
    /// The CR LF behind a chunk.
    DataEnd,
    /// Field lines up to an empty one.
    Trailer,
    /// Nothing.
    Done,
}

/// One step through the input: what it used up, and the content in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step<'a> {
    /// Bytes of the input that are done with. Zero: more is needed.
    pub(crate) used: usize,
    /// Content, a part of those bytes.
    pub(crate) content: &'a [u8],
}

impl BodyReader {
    /// Reads a body of this framing.
    pub(crate) fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Size,
            Framing::UntilClose => State::UntilClose,
        };
        Self {
            state,
            trailers: Vec::new(),
            extensions: 0,
            is_lenient: false,
            is_mended: false,
        }
    }

    /// Creates a reader that mends a response's body.
    pub(crate) fn tolerant(framing: Framing, tolerance: Tolerance) -> Self {
        Self {
            is_lenient: tolerance == Tolerance::Lenient,
            ..Self::new(framing)
        }
    }

    /// Whether something had to be mended so far.
    pub(crate) fn is_mended(&self) -> bool {
        self.is_mended
    }

    /// Whether the whole body has been read.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether the part that it is in isn't whole: more must come at once, unless the message is cut.
    pub(crate) fn expects_more(&self) -> bool {
        matches!(
            self.state,
            State::Length(_) | State::Data(_) | State::DataEnd
        )
    }

    /// Reads on. Call again with what is left of the input until it uses nothing or is done.
    ///
    /// # Errors
    /// When the chunked coding is malformed or its lines are too long.
    pub(crate) fn step<'a>(&mut self, input: &'a [u8]) -> Result<Step<'a>, Error> {
        match self.state {
            State::Done => Ok(Step {
                used: 0,
                content: &[],
            }),
            State::UntilClose => Ok(Step {
                used: input.len(),
                content: input,
            }),
            State::Length(left) => Ok(self.content(input, left, State::Length, State::Done)),
            State::Data(left) => Ok(self.content(input, left, State::Data, State::DataEnd)),
            State::Size => self.size(input),
            State::DataEnd => self.data_end(input),
            State::Trailer => self.trailer(input),
        }
    }

    /// Tells that the input has ended.
    ///
    /// # Errors
    /// When the body has not.
    pub(crate) fn end_of_input(&mut self) -> Result<(), Error> {
        match self.state {
            State::UntilClose | State::Done => {
                self.state = State::Done;
                Ok(())
            }
            _ => Err(Error::Incomplete),
        }
    }

    /// The trailer section, once the body is done: field lines and the empty line. Nothing where there was none.
    pub(crate) fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// Content of which `left` bytes are to come.
    fn content<'a>(
        &mut self,
        input: &'a [u8],
        left: u64,
        more: fn(u64) -> State,
        then: State,
    ) -> Step<'a> {
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        let left = left - take as u64;
        self.state = if left == 0 { then } else { more(left) };
        Step {
            used: take,
            content: input.get(..take).unwrap_or_default(),
        }
    }

    /// A chunk's size line: hexadecimal digits, extensions that are passed over, CR LF (RFC 9112 section 7.1).
    fn size<'a>(&mut self, input: &'a [u8]) -> Result<Step<'a>, Error> {
        let Some((line, used)) = self.line(input, MAX_SIZE_LINE, Error::Chunk)? else {
            return Ok(Step {
                used: 0,
                content: &[],
            });
        };
        let end = line
            .iter()
            .position(|byte| !byte.is_ascii_hexdigit())
            .unwrap_or(line.len());
        let (digits, extension) = line.split_at(end);
        let size = chunk_size(digits)?;
        let spaces = extension
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count();
        let rest = extension.get(spaces..).unwrap_or_default();
        // Spaces alone are let pass: servers that pad their sizes exist, and pad all of them. Anything else must be an extension.
        if !rest.is_empty() && !rest.starts_with(b";") {
            return Err(Error::Chunk);
        }
        self.extensions += rest.len();
        if self.extensions > MAX_EXTENSIONS {
            return Err(Error::Chunk);
        }
        self.state = if size == 0 {
            State::Trailer
        } else {
            State::Data(size)
        };
        Ok(Step { used, content: &[] })
    }

    /// The CR LF behind a chunk: compared, not skipped.
    fn data_end<'a>(&mut self, input: &'a [u8]) -> Result<Step<'a>, Error> {
        match input {
            [b'\r', b'\n', ..] => {
                self.state = State::Size;
                Ok(Step {
                    used: 2,
                    content: &[],
                })
            }
            [] | [b'\r'] => Ok(Step {
                used: 0,
                content: &[],
            }),
            [b'\n', ..] if self.is_lenient => {
                self.is_mended = true;
                self.state = State::Size;
                Ok(Step {
                    used: 1,
                    content: &[],
                })
            }
            _ => Err(Error::Chunk),
        }
    }

    /// One line of the trailer section.
    fn trailer<'a>(&mut self, input: &'a [u8]) -> Result<Step<'a>, Error> {
        let Some((line, used)) = self.line(input, MAX_TRAILERS, Error::TrailerTooLarge)? else {
            return Ok(Step {
                used: 0,
                content: &[],
            });
        };
        if line.is_empty() {
            self.state = State::Done;
            if !self.trailers.is_empty() {
                self.trailers.extend_from_slice(b"\r\n");
            }
        } else if matches!(line.first(), Some(b' ' | b'\t')) && !self.is_lenient {
            return Err(Error::Chunk);
        } else {
            self.trailers.extend_from_slice(line);
            self.trailers.extend_from_slice(b"\r\n");
            if self.trailers.len() > MAX_TRAILERS {
                return Err(Error::TrailerTooLarge);
            }
        }
        Ok(Step { used, content: &[] })
    }

    /// The line at the start of the input, without its CR LF, and its length with that; `None` while it isn't whole.
    fn line<'a>(
        &mut self,
        input: &'a [u8],
        limit: usize,
        too_long: Error,
    ) -> Result<Option<(&'a [u8], usize)>, Error> {
        let window = input.get(..limit + 2).unwrap_or(input);
        let Some(end) = memchr::memchr(b'\n', window) else {
            self.check(window.strip_suffix(b"\r").unwrap_or(window))?;
            return if window.len() > limit + 1 {
                Err(too_long)
            } else {
                Ok(None)
            };
        };
        let whole = window.get(..end).unwrap_or_default();
        let line = match whole.strip_suffix(b"\r") {
            Some(line) => line,
            None if self.is_lenient => {
                self.is_mended = true;
                whole
            }
            None => return Err(Error::Chunk),
        };
        self.check(line)?;
        Ok(Some((line, end + 1)))
    }

    /// Refuses control bytes but HTAB.
    fn check(&mut self, line: &[u8]) -> Result<(), Error> {
        let is_bad = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
        let has_bad = line.iter().any(is_bad);
        self.is_mended |= has_bad;
        match has_bad && (!self.is_lenient || line.contains(&0)) {
            true => Err(Error::Chunk),
            false => Ok(()),
        }
    }
}

/// 1 to 15 significant hexadecimal digits, so that nothing overflows; a few leading zeros are let pass.
fn chunk_size(digits: &[u8]) -> Result<u64, Error> {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    if digits.is_empty() || zeros > 16 || digits.len() - zeros > 15 {
        return Err(Error::Chunk);
    }
    let value = |digit: &u8| u64::from(encoding::hex_value(*digit).unwrap_or(0));
    Ok(digits.iter().fold(0, |sum, digit| sum << 4 | value(digit)))
}

/// Puts a framing on a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyWriter {
    /// Content as it is: its length was announced, or the end of the connection ends it.
    Plain,
    /// The chunked coding, with chunk sizes of our own and no extensions.
    Chunked,
}

impl BodyWriter {
    /// Writes content, which may be in parts.
    pub(crate) fn write(self, parts: &[&[u8]], out: &mut Vec<u8>) {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        // An empty chunk would end the body.
        let is_chunk = self == Self::Chunked && length > 0;
        if is_chunk {
            // A Vec takes all that is written to it.
            let _ = write!(out, "{length:x}\r\n");
        }
        for part in parts {
            out.extend_from_slice(part);
        }
        if is_chunk {
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Ends the body, with those of the trailers that `keep` lets pass.
    pub(crate) fn finish(
        self,
        trailers: &Fields,
        keep: impl Fn(&[u8], &[u8]) -> bool,
        out: &mut Vec<u8>,
    ) {
        if self == Self::Chunked {
            out.extend_from_slice(b"0\r\n");
            for (name, value) in trailers.iter().filter(|(name, value)| keep(name, value)) {
                write_field(out, name, value);
            }
            out.extend_from_slice(b"\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads all of `input`, given in pieces that end at `cuts`; content, rest and trailers.
    fn read(
        framing: Framing,
        input: &[u8],
        cuts: &[usize],
    ) -> Result<(Vec<u8>, usize, Vec<u8>), Error> {
        let mut reader = BodyReader::new(framing);
        let (mut content, mut at) = (Vec::new(), 0);
        for &end in cuts.iter().chain([&input.len()]) {
            loop {
                let step = reader.step(&input[at..end])?;
                at += step.used;
                content.extend_from_slice(step.content);
                if step.used == 0 || reader.is_done() {
                    break;
                }
            }
        }
        reader.end_of_input()?;
        Ok((content, input.len() - at, reader.trailers().to_vec()))
    }

    #[test]
    fn a_chunked_body_reads_the_same_whatever_the_split() {
        let input = b"5\r\nhello\r\n006;a=b \r\n world\r\n0\r\nX-T: 1\r\n\r\nGET";
        let expected = Ok((b"hello world".to_vec(), 3, b"X-T: 1\r\n\r\n".to_vec()));
        for first in 0..=input.len() {
            for second in first..=input.len() {
                assert_eq!(read(Framing::Chunked, input, &[first, second]), expected);
            }
        }
        let every: Vec<usize> = (0..input.len()).collect();
        assert_eq!(read(Framing::Chunked, input, &every), expected);
    }

    #[test]
    fn malformed_chunks_are_refused_whatever_the_split() {
        for input in [
            &b"\r\n"[..],
            b" \r\n\r\n",
            b";a=b\r\n\r\n",
            b"0x5\r\nhello\r\n0\r\n\r\n",
            b"+5\r\nhello\r\n0\r\n\r\n",
            b"-0\r\n\r\n",
            b"5_0\r\n",
            b"5\nhello\r\n0\r\n\r\n",
            b"5\r\nhello0\r\n\r\n",
            b"5\r\nhello\n0\r\n\r\n",
            b"5\r\nhelloXX0\r\n\r\n",
            b"5;a\nb\r\nhello\r\n0\r\n\r\n",
            b"5;a\rb\r\nhello\r\n0\r\n\r\n",
            b"5;a\0b\r\nhello\r\n0\r\n\r\n",
            b"FFFFFFFFFFFFFFFF\r\n",
            b"00000000000000000000000005\r\nhello\r\n0\r\n\r\n",
            b"0\r\nA: b\n\r\n",
            b"0\r\n A: b\r\n\r\n",
        ] {
            for cut in 0..input.len() {
                let found = read(Framing::Chunked, input, &[cut]);
                assert_eq!(
                    found,
                    Err(Error::Chunk),
                    "{} at {cut}",
                    input.escape_ascii()
                );
            }
        }
    }

    #[test]
    fn a_lenient_reader_takes_bare_lf_and_says_so() {
        let read = |tolerance, input: &[u8], cut: usize| {
            let mut reader = BodyReader::tolerant(Framing::Chunked, tolerance);
            let (mut content, mut at) = (Vec::new(), 0);
            for end in [cut, input.len()] {
                while !reader.is_done() {
                    let step = reader.step(&input[at..end])?;
                    content.extend_from_slice(step.content);
                    at += step.used;
                    if step.used == 0 {
                        break;
                    }
                }
            }
            reader.end_of_input()?;
            let trailers = Fields::parse_mended(reader.trailers(), tolerance)?;
            let count = trailers.iter().count();
            Ok((content, count, reader.is_mended()))
        };
        let sloppy = b"2\nok\n1;a\x01\r\n!\r\n0\nX-A: b\n c\nX B: c\n\n";
        let good = b"2\r\nok\r\n1;a\r\n!\r\n0\r\nX-A: b\r\n\r\n";
        for cut in 0..sloppy.len() {
            let found = read(Tolerance::Lenient, sloppy, cut);
            assert_eq!(found, Ok((b"ok!".to_vec(), 1, true)), "{cut}");
            for strict in [Tolerance::Exact, Tolerance::Folds] {
                assert_eq!(read(strict, sloppy, cut), Err(Error::Chunk), "{cut}");
            }
        }
        let found = read(Tolerance::Lenient, good, 0);
        assert_eq!(found, Ok((b"ok!".to_vec(), 1, false)));
        for bad in [
            &b"+2\nok\n0\n\n"[..],
            b"2\nokX\n",
            b"2\nok\r0\n",
            b"2;\0\nok",
            b"\nok",
        ] {
            assert_eq!(
                read(Tolerance::Lenient, bad, 0),
                Err(Error::Chunk),
                "{}",
                bad.escape_ascii()
            );
        }
    }

    #[test]
    fn a_body_that_is_cut_is_incomplete() {
        let whole = b"5\r\nhello\r\n0\r\n\r\n";
        for end in 0..whole.len() {
            let found = read(Framing::Chunked, &whole[..end], &[]);
            assert_eq!(found, Err(Error::Incomplete), "{end}");
        }
        assert_eq!(
            read(Framing::Length(6), b"hello", &[]),
            Err(Error::Incomplete)
        );
        assert_eq!(
            read(Framing::UntilClose, b"hello", &[]),
            Ok((b"hello".to_vec(), 0, vec![]))
        );
    }

    #[test]
    fn a_length_leaves_what_follows_alone() {
        assert_eq!(
            read(Framing::Length(5), b"helloGET", &[2]),
            Ok((b"hello".to_vec(), 3, vec![]))
        );
        assert_eq!(read(Framing::None, b"GET", &[]), Ok((vec![], 3, vec![])));
    }

    #[test]
    fn endless_lines_are_refused() {
        let line = [b"5;".as_slice(), &[b'a'; 300]].concat();
        assert_eq!(read(Framing::Chunked, &line, &[]), Err(Error::Chunk));
        let mut trailers = b"0\r\n".to_vec();
        trailers.extend(b"a: b\r\n".repeat(MAX_TRAILERS / 5));
        assert_eq!(
            read(Framing::Chunked, &trailers, &[]),
            Err(Error::TrailerTooLarge)
        );
        let mut body = Vec::new();
        for _ in 0..MAX_EXTENSIONS / 200 + 1 {
            body.extend([b"1;".as_slice(), &[b'a'; 200], b"\r\nx\r\n"].concat());
        }
        assert_eq!(read(Framing::Chunked, &body, &[]), Err(Error::Chunk));
    }

    #[test]
    fn sizes_may_be_padded_in_as_many_chunks_as_there_are() {
        let body = [
            b"1    \r\nx\r\n".repeat(MAX_EXTENSIONS),
            b"0\r\n\r\n".to_vec(),
        ]
        .concat();
        let expected = Ok((vec![b'x'; MAX_EXTENSIONS], 0, vec![]));
        assert_eq!(read(Framing::Chunked, &body, &[]), expected);
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut out = Vec::new();
        for content in [&b"hello"[..], b"", b" world"] {
            BodyWriter::Chunked.write(&[content], &mut out);
        }
        let trailers = Fields::parse(b"X-T: 1\r\nAuthorization: x\r\n\r\n").unwrap();
        BodyWriter::Chunked.finish(&trailers, |name, _| name == b"X-T", &mut out);
        let expected = Ok((b"hello world".to_vec(), 0, b"X-T: 1\r\n\r\n".to_vec()));
        assert_eq!(read(Framing::Chunked, &out, &[]), expected);
    }
}
