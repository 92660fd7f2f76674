//! Messages in a form that does not depend on how their bytes arrived.

/// Stands where a chunked body begins.
pub(super) const CHUNKS: &[u8] = b"{chunks}";

/// Stands for the size line of the last chunk.
pub(super) const LAST: &[u8] = b"{last}";

/// Stands before bytes that are no chunked coding as the proxy writes it.
const BAD: &[u8] = b"{bad}";

/// What one side received, with the framing taken off chunked bodies: how large chunks are depends on the pieces in which a body came.
///
/// Of a part of a stream this is a part of what it is of the whole.
pub(super) fn normal(stream: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), stream);
    while let Some(end) = find(rest, b"\r\n\r\n") {
        let (head, behind) = rest.split_at(end + 4);
        out.extend_from_slice(head);
        rest = behind;
        if find(head, b"\r\nTransfer-Encoding: chunked\r\n").is_some() {
            out.extend_from_slice(CHUNKS);
            rest = unchunk(rest, &mut out);
        }
    }
    out.extend_from_slice(rest);
    out
}

/// Takes the framing off one body, and tells what is behind it.
fn unchunk<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    while let Some(end) = find(rest, b"\r\n") {
        let (line, behind) = rest.split_at(end);
        let Some(size) = size(line) else {
            break;
        };
        let behind = behind.get(2..).unwrap_or_default();
        if size == 0 {
            out.extend_from_slice(LAST);
            // The trailers and the empty line are as they are.
            let end = if behind.starts_with(b"\r\n") {
                Some(2)
            } else {
                find(behind, b"\r\n\r\n").map(|end| end + 4)
            };
            let (trailers, behind) = behind.split_at(end.unwrap_or(behind.len()));
            out.extend_from_slice(trailers);
            return behind;
        }
        let (content, behind) = behind.split_at(size.min(behind.len()));
        out.extend_from_slice(content);
        match behind {
            [b'\r', b'\n', more @ ..] => rest = more,
            [] | [b'\r'] => return &[],
            bad => {
                rest = bad;
                break;
            }
        }
    }
    // A size line that isn't whole says nothing yet.
    if find(rest, b"\r\n").is_some() {
        out.extend_from_slice(BAD);
        return rest;
    }
    &[]
}

/// A chunk's size as the proxy writes it: lower-case digits, no zeros before them, nothing behind.
fn size(line: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(line).ok()?;
    let size = usize::from_str_radix(text, 16).ok()?;
    (format!("{size:x}") == text).then_some(size)
}

/// Where the text is first.
pub(super) fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, text)
}

#[test]
fn chunks_of_any_size_are_the_same_and_a_part_is_a_part() {
    let whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\nb\r\nllo, world!\r\n0\r\nX: 1\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
    let expected = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}hello, world!{last}X: 1\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
    assert_eq!(normal(whole), expected);
    for cut in 0..whole.len() {
        let part = normal(&whole[..cut]);
        assert!(expected.starts_with(&part), "{}", part.escape_ascii());
    }
}

#[test]
fn chunks_that_the_proxy_would_not_write_are_seen() {
    for size in ["02", "2;a=b", "2 ", "+2", "0x2", "A\r\nhello world"] {
        let stream = format!(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\nhe\r\n0\r\n\r\n"
        );
        assert!(find(&normal(stream.as_bytes()), BAD).is_some(), "{size}");
    }
}
