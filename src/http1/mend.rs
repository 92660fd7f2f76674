//! Mending responses: rewrites forms that RFC 9112 forbids but that clients accept and that have only one meaning.
//!
//! The result goes to the strict parser, which alone decides what a head means. The caller closes the origin socket after a
//! mended response, so that a reading that the origin doesn't share spoils no other response.
#![deny(clippy::indexing_slicing)]

use super::Error;

/// How much of a response is mended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tolerance {
    /// Nothing.
    #[default]
    Exact,
    /// Folded field lines are joined, as RFC 9112 section 5.2 has a proxy do.
    Folds,
    /// What curl takes, too: LF without CR, control bytes but NUL, spaces around a field's name, fields whose name is none, a transfer
    /// coding that is named twice or beside a length.
    Lenient,
}

/// Fields that say where a message ends. Clients differ about such a field in an odd form (curl passes over a folded one), so it is
/// never mended.
const FRAMING: [&str; 2] = ["content-length", "transfer-encoding"];

/// Returns the head as it should have been written.
///
/// # Errors
/// When a line that begins with a space continues no field, or a field that says where the message ends is in an odd form.
pub(super) fn head(head: &[u8], tolerance: Tolerance) -> Result<Vec<u8>, Error> {
    let end = memchr::memchr(b'\n', head).map_or(head.len(), |end| end + 1);
    let (start, section) = head.split_at_checked(end).unwrap_or((head, &[]));
    let mut out = Vec::with_capacity(head.len());
    match tolerance {
        Tolerance::Lenient => status_line(without_end(start), &mut out),
        Tolerance::Exact | Tolerance::Folds => out.extend_from_slice(start),
    }
    fields(section, tolerance, &mut out)?;
    Ok(out)
}

/// Writes field lines up to and including the empty line.
///
/// # Errors
/// As for a head.
pub(super) fn fields(section: &[u8], tolerance: Tolerance, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut lines = section
        .split_inclusive(|byte| *byte == b'\n')
        .map(without_end)
        .peekable();
    while let Some(line) = lines.next() {
        if is_continuation(line) {
            return Err(Error::Folded);
        }
        let mut joined = line.to_vec();
        let mut is_folded = false;
        // A name ends on its line: curl refuses another, and joined it could be left out as none.
        if lines.peek().is_some_and(|more| is_continuation(more)) && !line.contains(&b':') {
            return Err(Error::FieldLine);
        }
        while let Some(more) = lines.next_if(|more| is_continuation(more)) {
            joined.push(b' ');
            joined.extend_from_slice(more.trim_ascii_start());
            is_folded = true;
        }
        match tolerance {
            Tolerance::Lenient if !line.is_empty() => field(&joined, is_folded, out)?,
            _ => {
                if is_folded
                    && joined
                        .split(|byte| *byte == b':')
                        .next()
                        .is_some_and(is_like_framing)
                {
                    return Err(Error::Folded);
                }
                out.extend_from_slice(&joined);
                out.extend_from_slice(b"\r\n");
            }
        }
    }
    Ok(())
}

/// Writes one field. Drops a field with an invalid name, which no recipient could use. Keeps a line without a colon for the
/// parser, which refuses it like curl.
fn field(line: &[u8], is_folded: bool, out: &mut Vec<u8>) -> Result<(), Error> {
    let colon = memchr::memchr(b':', line).unwrap_or(line.len());
    let (before, value) = line.split_at_checked(colon).unwrap_or((line, &[]));
    let name = before.trim_ascii();
    // curl ends the head at a line that begins with a CR, and refuses a CR in a name. A line of nothing would end the head written here.
    if before.contains(&b'\r') || name.is_empty() && value.is_empty() {
        return Err(Error::FieldLine);
    }
    if is_like_framing(name) && (is_folded || !is_framing(before) || value.iter().any(is_control)) {
        return Err(Error::FieldLine);
    }
    if value.is_empty() || is_token(name) {
        out.extend_from_slice(name);
        without_controls(value, out);
        out.extend_from_slice(b"\r\n");
    }
    Ok(())
}

/// Writes the status line: its name in capital letters, one space before the status.
fn status_line(line: &[u8], out: &mut Vec<u8>) {
    let (name, rest) = line.split_at_checked(5).unwrap_or((&[], line));
    match name.eq_ignore_ascii_case(b"HTTP/") {
        true => out.extend_from_slice(b"HTTP/"),
        false => out.extend_from_slice(name),
    }
    let space = rest.iter().position(is_space).unwrap_or(rest.len());
    let (version, rest) = rest.split_at_checked(space).unwrap_or((rest, &[]));
    out.extend_from_slice(version);
    if !rest.is_empty() {
        out.push(b' ');
        let spaces = rest.iter().take_while(|byte| is_space(byte)).count();
        without_controls(rest.get(spaces..).unwrap_or_default(), out);
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes the text with a space for each control byte but HTAB (RFC 9110 section 5.5, RFC 9112 section 2.2 for a CR). A NUL is left to the
/// parser, which refuses it.
fn without_controls(text: &[u8], out: &mut Vec<u8>) {
    let is_bad = |byte: &u8| is_control(byte) && *byte != 0;
    out.extend(text.iter().map(|byte| match is_bad(byte) {
        true => b' ',
        false => *byte,
    }));
}

/// Returns whether a line of the head goes on with the one before.
pub(super) fn has_fold(head: &[u8]) -> bool {
    let mut ends = memchr::memchr_iter(b'\n', head);
    ends.any(|end| is_continuation(head.get(end + 1..).unwrap_or_default()))
}

/// Returns the line without its LF, and the CR before that.
fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Returns whether the line goes on with the one before.
pub(super) fn is_continuation(line: &[u8]) -> bool {
    line.first().is_some_and(is_space)
}

/// Returns whether the byte is a space or a tab.
fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Returns whether the byte is a control byte but HTAB.
fn is_control(byte: &u8) -> bool {
    byte.is_ascii_control() && *byte != b'\t'
}

/// Returns whether the field says where the message ends.
fn is_framing(name: &[u8]) -> bool {
    FRAMING
        .iter()
        .any(|framing| name.eq_ignore_ascii_case(framing.as_bytes()))
}

/// Returns whether a client that passes over some bytes of the name could read that the field says where the message ends.
fn is_like_framing(name: &[u8]) -> bool {
    let bare: Vec<u8> = name.iter().copied().filter(is_token_byte).collect();
    is_framing(&bare)
}

/// Returns whether the bytes are a token (RFC 9110 section 5.6.2).
fn is_token(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(is_token_byte)
}

/// Returns whether a token can have the byte.
fn is_token_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

#[cfg(test)]
mod tests {
    use super::super::head::Fields;
    use super::*;

    /// The head that this one becomes, as text.
    fn mended(text: &str, tolerance: Tolerance) -> Result<String, Error> {
        let out = head(text.as_bytes(), tolerance)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_good_head_stays_what_it_is() {
        let good = "HTTP/1.1 200 OK\r\nX-A:  b\t\r\nContent-Length: 2\r\nX-C:\r\n\r\n";
        for tolerance in [Tolerance::Folds, Tolerance::Lenient] {
            assert_eq!(mended(good, tolerance).as_deref(), Ok(good));
        }
    }

    #[test]
    fn folds_become_a_space() {
        let folded = "HTTP/1.1 200 OK\r\nX-A: a;\r\n\tb;\r\n  c\r\nX-B: 1\r\n\r\n";
        let joined = "HTTP/1.1 200 OK\r\nX-A: a; b; c\r\nX-B: 1\r\n\r\n";
        for tolerance in [Tolerance::Folds, Tolerance::Lenient] {
            assert_eq!(mended(folded, tolerance).as_deref(), Ok(joined));
            let name = "HTTP/1.1 200 OK\r\nSet-\r\n Cookie: a\r\n\r\n";
            assert_eq!(mended(name, tolerance), Err(Error::FieldLine));
            let of_none = "HTTP/1.1 200 OK\r\n X-A: a\r\n\r\n";
            assert_eq!(mended(of_none, tolerance), Err(Error::Folded));
        }
        for framing in [
            "Transfer-Encoding:\r\n chunked",
            "content-length: 1\r\n\t2",
            "Content-Length\r\n : 2",
        ] {
            let text = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n");
            assert!(mended(&text, Tolerance::Folds).is_err(), "{framing}");
            assert!(mended(&text, Tolerance::Lenient).is_err(), "{framing}");
        }
    }

    #[test]
    fn what_curl_takes_is_written_as_it_should_be() {
        for (text, expected) in [
            (
                "HTTP/1.1 200 OK\nX-A: b\n\n",
                "HTTP/1.1 200 OK\r\nX-A: b\r\n\r\n",
            ),
            ("http/1.1 \t 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"),
            ("HTTP/1.0 200\r\n\r\n", "HTTP/1.0 200\r\n\r\n"),
            (
                "HTTP/1.1 200 OK\r\nX A: b\r\n: c\r\nX-D : d\r\n\u{e9}: e\r\n\r\n",
                "HTTP/1.1 200 OK\r\nX-D: d\r\n\r\n",
            ),
            (
                "HTTP/1.1 200 O\u{1b}K\r\nX-A: a\rb\u{7f}c\r\n\r\n",
                "HTTP/1.1 200 O K\r\nX-A: a b c\r\n\r\n",
            ),
            // The parser refuses these.
            (
                "HTTP/1.1 200 OK\r\nX-A\r\n\r\n",
                "HTTP/1.1 200 OK\r\nX-A\r\n\r\n",
            ),
            (
                "HTTP/1.1 200 OK\r\nX-A: \0\r\n\r\n",
                "HTTP/1.1 200 OK\r\nX-A: \0\r\n\r\n",
            ),
            ("SSH-2.0-x\r\n\r\n", "SSH-2.0-x\r\n\r\n"),
        ] {
            assert_eq!(mended(text, Tolerance::Lenient).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn a_field_that_clients_could_take_for_a_length_is_refused() {
        for line in [
            "Content-Length : 2",
            "Content-Length\u{1}: 2",
            "Content-Length\u{b}: 2",
            "\u{c}content-length: 2",
            "(Content-Length): 2",
            "\u{fe0f}Transfer-Encoding: chunked",
            "Transfer-\u{7f}Encoding: chunked",
            "Transfer-Encoding: chunked\u{b}",
            "Transfer-Encoding: \rchunked",
            "Content-Length: 2\r",
        ] {
            let text = format!("HTTP/1.1 200 OK\r\n{line}\r\n\r\n");
            let found = mended(&text, Tolerance::Lenient);
            assert_eq!(found, Err(Error::FieldLine), "{line:?}");
        }
    }

    #[test]
    fn a_line_that_could_end_the_head_is_refused() {
        for line in [
            "\r",
            "\r\r",
            "\u{c}",
            "\u{c}\r",
            "\rX-A: b",
            "X-A\rX-B: b",
            "X-A\r: b",
        ] {
            let fields = format!("{line}\r\nContent-Length: 2\r\n\r\n");
            let text = format!("HTTP/1.1 200 OK\r\n{fields}");
            let found = mended(&text, Tolerance::Lenient);
            assert_eq!(found, Err(Error::FieldLine), "{line:?}");
            let found = Fields::parse_mended(fields.as_bytes(), Tolerance::Lenient);
            assert_eq!(found.err(), Some(Error::FieldLine), "{line:?}");
        }
    }
}
