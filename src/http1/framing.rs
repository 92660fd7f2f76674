//! How long a message's body is: RFC 9112 section 6.3, with everything that two recipients could read in two ways refused.
#![deny(clippy::indexing_slicing)]

use super::Error;
use super::head::RequestHead;
use super::head::ResponseHead;
use super::head::Version;

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none, and no field announces one.
    None,
    /// After so many bytes; zero is a length too.
    Length(u64),
    /// Where the chunked coding says so.
    Chunked,
    /// Where the connection ends; only in responses.
    UntilClose,
}

impl Framing {
    /// A request's framing.
    ///
    /// # Errors
    /// Both lengths, lengths that differ or are no numbers, a transfer coding that isn't exactly `chunked` or that came with
    /// HTTP/1.0 (RFC 9112 section 6.1).
    pub(crate) fn of_request(head: &RequestHead) -> Result<Self, Error> {
        let chunked = is_chunked(head.fields.all("transfer-encoding"))?;
        let length = content_length(head.fields.all("content-length"));
        match (chunked, head.fields.has("content-length")) {
            (true, true) => Err(Error::BothLengths),
            (true, false) if head.version == Version::Http10 => Err(Error::TransferEncoding),
            (true, false) => Ok(Self::Chunked),
            (false, _) => Ok(length?.map_or(Self::None, Self::Length)),
        }
    }

    /// A response's framing; it depends on the request's method.
    ///
    /// # Errors
    /// As for a request.
    pub(crate) fn of_response(head: &ResponseHead, method: &str) -> Result<Self, Error> {
        let chunked = is_chunked(head.fields.all("transfer-encoding"))?;
        let length = content_length(head.fields.all("content-length"))?;
        if has_no_content(head, method) {
            return Ok(Self::None);
        }
        match (chunked, length) {
            (true, Some(_)) => Err(Error::BothLengths),
            (true, None) if head.version == Version::Http10 => Err(Error::TransferEncoding),
            (true, None) => Ok(Self::Chunked),
            (false, Some(length)) => Ok(Self::Length(length)),
            (false, None) => Ok(Self::UntilClose),
        }
    }

    /// Returns a response's framing. Also accepts odd forms with one reading by RFC 9112 section 6.3: `chunked` repeated, or
    /// beside a length, which is then ignored; and the obsolete coding `identity`.
    ///
    /// # Errors
    /// Lengths that differ or are no numbers, and other codings.
    pub(crate) fn of_response_mended(head: &ResponseHead, method: &str) -> Result<Self, Error> {
        let strict = match Self::of_response(head, method) {
            Err(error @ (Error::BothLengths | Error::TransferEncoding)) => error,
            framing => return framing,
        };
        let length = content_length(head.fields.all("content-length"))?;
        let is = |coding: &[u8], name: &str| coding.eq_ignore_ascii_case(name.as_bytes());
        let mut codings = head.fields.members("transfer-encoding");
        if !codings.all(|coding| is(coding, "chunked") || is(coding, "identity")) {
            return Err(strict);
        }
        if has_no_content(head, method) {
            return Ok(Self::None);
        }
        Ok(match length {
            _ if head.fields.has_member("transfer-encoding", "chunked") => Self::Chunked,
            Some(length) => Self::Length(length),
            None => Self::UntilClose,
        })
    }

    /// The length that a response announces: its own, or where it has no body the one that the answer to a GET would have, or that is
    /// stored (RFC 9110 section 8.6).
    ///
    /// # Errors
    /// When it is no number, or there are two.
    pub(crate) fn announced(self, head: &ResponseHead, method: &str) -> Result<Option<u64>, Error> {
        match self {
            Self::Length(length) => Ok(Some(length)),
            Self::None if method == "HEAD" || head.status == 304 => {
                content_length(head.fields.all("content-length"))
            }
            Self::None | Self::Chunked | Self::UntilClose => Ok(None),
        }
    }

    /// Whether there is surely nothing to read.
    pub(crate) fn is_empty(self) -> bool {
        matches!(self, Self::None | Self::Length(0))
    }
}

/// Returns whether a response has no content, whatever its fields say (RFC 9112 section 6.3).
fn has_no_content(head: &ResponseHead, method: &str) -> bool {
    method == "HEAD" || head.status < 200 || matches!(head.status, 204 | 304)
}

/// Returns whether content is usual with this method. Servers that read none with another method take it for the next request, and are not
/// wrong: it has no meaning there (RFC 9110 sections 9.3.1, 9.3.2 and 9.3.5).
pub(crate) fn is_content_usual(method: &str) -> bool {
    matches!(method, "POST" | "PUT" | "PATCH")
}

/// The one length that all Content-Length fields name, if there is any. Repeats of the same number are allowed (RFC 9110
/// section 8.6).
fn content_length<'a>(values: impl Iterator<Item = &'a [u8]>) -> Result<Option<u64>, Error> {
    let mut found = None;
    for member in values.flat_map(|value| value.split(|byte| *byte == b',')) {
        let length = decimal(member.trim_ascii())?;
        if found.is_some_and(|other| other != length) {
            return Err(Error::ContentLength);
        }
        found = Some(length);
    }
    Ok(found)
}

/// One to eighteen digits. `str::parse` would also take a sign.
///
/// # Errors
/// When it is anything else.
pub(crate) fn decimal(digits: &[u8]) -> Result<u64, Error> {
    if digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Error::ContentLength);
    }
    Ok(digits
        .iter()
        .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

/// Whether the message is chunked: one field line whose whole value is that word.
fn is_chunked<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Result<bool, Error> {
    match (values.next(), values.next()) {
        (None, _) => Ok(false),
        (Some(value), None) if value.eq_ignore_ascii_case(b"chunked") => Ok(true),
        _ => Err(Error::TransferEncoding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The framing of a POST with these field lines.
    fn request(version: &str, fields: &str) -> Result<Framing, Error> {
        let head = format!("POST / HTTP/{version}\r\n{fields}\r\n");
        Framing::of_request(&RequestHead::parse(head.as_bytes()).unwrap())
    }

    /// The framing of a response to this method.
    fn response(status: u16, method: &str, fields: &str) -> Result<Framing, Error> {
        let head = format!("HTTP/1.1 {status} \r\n{fields}\r\n");
        Framing::of_response(&ResponseHead::parse(head.as_bytes()).unwrap(), method)
    }

    #[test]
    fn requests_with_one_clear_length() {
        for (fields, framing) in [
            ("", Framing::None),
            ("Content-Length: 0\r\n", Framing::Length(0)),
            ("Content-Length: 010\r\n", Framing::Length(10)),
            (
                "Content-Length: 5\r\ncontent-length: 5\r\n",
                Framing::Length(5),
            ),
            ("Content-Length: 5, 5\r\n", Framing::Length(5)),
            ("Transfer-Encoding: Chunked\r\n", Framing::Chunked),
        ] {
            assert_eq!(request("1.1", fields), Ok(framing), "{fields:?}");
        }
    }

    #[test]
    fn requests_with_two_readings_are_refused() {
        for (fields, error) in [
            (
                "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                Error::BothLengths,
            ),
            (
                "Content-Length: x\r\nTransfer-Encoding: chunked\r\n",
                Error::BothLengths,
            ),
            (
                "Content-Length: 5\r\nContent-Length: 6\r\n",
                Error::ContentLength,
            ),
            ("Content-Length: 5, 6\r\n", Error::ContentLength),
            ("Content-Length: +5\r\n", Error::ContentLength),
            ("Content-Length: -5\r\n", Error::ContentLength),
            ("Content-Length: 0x5\r\n", Error::ContentLength),
            ("Content-Length: 5,\r\n", Error::ContentLength),
            ("Content-Length:\r\n", Error::ContentLength),
            (
                "Content-Length: 9999999999999999999\r\n",
                Error::ContentLength,
            ),
            (
                "Transfer-Encoding: gzip, chunked\r\n",
                Error::TransferEncoding,
            ),
            (
                "Transfer-Encoding: chun\u{212a}ed\r\n",
                Error::TransferEncoding,
            ),
            (
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                Error::TransferEncoding,
            ),
            ("Transfer-Encoding: identity\r\n", Error::TransferEncoding),
            ("Transfer-Encoding:\r\n", Error::TransferEncoding),
        ] {
            assert_eq!(request("1.1", fields), Err(error), "{fields:?}");
        }
        assert_eq!(
            request("1.0", "Transfer-Encoding: chunked\r\n"),
            Err(Error::TransferEncoding)
        );
    }

    #[test]
    fn responses_depend_on_method_and_status() {
        let length = "Content-Length: 7\r\n";
        assert_eq!(response(200, "GET", length), Ok(Framing::Length(7)));
        assert_eq!(response(200, "HEAD", length), Ok(Framing::None));
        assert_eq!(response(304, "GET", length), Ok(Framing::None));
        assert_eq!(response(204, "GET", ""), Ok(Framing::None));
        assert_eq!(response(101, "GET", ""), Ok(Framing::None));
        assert_eq!(response(200, "GET", ""), Ok(Framing::UntilClose));
        assert_eq!(
            response(200, "GET", "Transfer-Encoding: chunked\r\n"),
            Ok(Framing::Chunked)
        );
        assert_eq!(
            response(
                200,
                "GET",
                "Transfer-Encoding: chunked\r\nContent-Length: 7\r\n"
            ),
            Err(Error::BothLengths)
        );
        assert_eq!(
            response(200, "HEAD", "Content-Length: a\r\n"),
            Err(Error::ContentLength)
        );
    }

    #[test]
    fn a_mended_response_has_the_one_length_that_counts() {
        let framing = |version: &str, fields: &str| {
            let head = format!("HTTP/{version} 200 \r\n{fields}\r\n\r\n");
            Framing::of_response_mended(&ResponseHead::parse(head.as_bytes()).unwrap(), "GET")
        };
        for (fields, expected) in [
            (
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: Chunked",
                Ok(Framing::Chunked),
            ),
            ("Transfer-Encoding: chunked, chunked", Ok(Framing::Chunked)),
            (
                "Transfer-Encoding: chunked\r\nContent-Length: 7",
                Ok(Framing::Chunked),
            ),
            (
                "Transfer-Encoding: identity\r\nContent-Length: 7",
                Ok(Framing::Length(7)),
            ),
            ("Transfer-Encoding: identity", Ok(Framing::UntilClose)),
            ("Content-Length: 7", Ok(Framing::Length(7))),
            (
                "Transfer-Encoding: chunked\r\nContent-Length: x",
                Err(Error::ContentLength),
            ),
            (
                "Transfer-Encoding: gzip, chunked",
                Err(Error::TransferEncoding),
            ),
            (
                "Content-Length: 7\r\nContent-Length: 8",
                Err(Error::ContentLength),
            ),
        ] {
            assert_eq!(framing("1.1", fields), expected, "{fields}");
        }
        assert_eq!(
            framing("1.0", "Transfer-Encoding: chunked"),
            Ok(Framing::Chunked)
        );
    }
}
