//! Paths as servers may read them, for decisions that must hold whichever way they do.
#![deny(clippy::indexing_slicing)]

use crate::encoding;

/// A path that no two servers need agree about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AmbiguousPath;

/// The ways in which servers read a path, normalised: percent-encoded unreserved characters decoded, then dot segments resolved
/// (RFC 3986 sections 6.2.2.2 and 5.2.4). More than one where the path has dot segments, which some routers leave as they are; an encoded
/// slash or a backslash, which some take for a slash; or an empty segment, which some drop. For a decision that must hold for all of
/// them; the request goes on as it came.
///
/// # Errors
/// When the path can't be judged: an escaped control byte, a broken escape, a `..` above the root, or dot segments beside anything that
/// servers take apart in ways of their own (`..;x`, `..%2f`, `%252e%252e`, `//..`), be they written in bytes that only some take for dots.
pub(crate) fn path_readings(path: &[u8]) -> Result<Vec<String>, AmbiguousPath> {
    let decoded = decode_unreserved(path)?;
    if has_hidden_dots(&decoded) {
        return Err(AmbiguousPath);
    }
    let mut forms = vec![decoded.clone()];
    let split = decoded
        .replace("%2F", "/")
        .replace("%5C", "/")
        .replace('\\', "/");
    if split != decoded {
        forms.push(split);
    }
    for form in forms.clone() {
        let mut merged = form;
        while merged.contains("//") {
            merged = merged.replace("//", "/");
        }
        forms.push(merged);
    }
    let mut readings: Vec<String> = Vec::new();
    let mut add = |reading: String| {
        if !readings.contains(&reading) {
            readings.push(reading);
        }
    };
    for form in &forms {
        add(resolve_dots(form)?);
    }
    // Last: the first is the one of RFC 3986.
    forms.into_iter().for_each(add);
    Ok(readings)
}

/// Whether a path has both something that servers take apart differently and a segment that may be a dot segment to one of them.
fn has_hidden_dots(path: &str) -> bool {
    let is_plain = !path.contains(['%', '\\', ';']) && !path.contains("//");
    if is_plain {
        return false;
    }
    let mut deep = path.as_bytes().to_vec();
    while deep.contains(&b'%') {
        let next = encoding::percent_decode(&deep);
        if next == deep {
            break;
        }
        deep = next;
    }
    let deep = with_plain_dots(&deep);
    let mut segments = deep.split(|byte| matches!(byte, b'/' | b'\\'));
    segments.any(|segment| {
        let name = segment
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default();
        name.starts_with(b"..") || name.trim_ascii() == b"."
    })
}

/// The bytes with a dot or a slash for what only some servers take for one: UTF-8 that is longer than it has to be (RFC 3629 section 3),
/// and the full-width forms that compatibility makes the same (Unicode Standard Annex 15).
fn with_plain_dots(bytes: &[u8]) -> Vec<u8> {
    const LIKE: [(&[u8], u8); 10] = [
        (b"\xc0\xae", b'.'),
        (b"\xe0\x80\xae", b'.'),
        (b"\xef\xbc\x8e", b'.'),
        (b"\xe2\x80\xa4", b'.'),
        (b"\xc0\xaf", b'/'),
        (b"\xe0\x80\xaf", b'/'),
        (b"\xef\xbc\x8f", b'/'),
        (b"\xc1\x9c", b'/'),
        (b"\xe0\x81\x9c", b'/'),
        (b"\xef\xbc\xbc", b'/'),
    ];
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((byte, tail)) = rest.split_first() {
        match LIKE.iter().find(|(like, _)| rest.starts_with(like)) {
            Some((like, plain)) => {
                out.push(*plain);
                rest = rest.get(like.len()..).unwrap_or_default();
            }
            None => {
                out.push(*byte);
                rest = tail;
            }
        }
    }
    out
}

/// The one reading of a path that has only one.
///
/// # Errors
/// When it has several.
pub(crate) fn normalise_path(path: &[u8]) -> Result<String, AmbiguousPath> {
    let mut readings = path_readings(path)?;
    if readings.len() > 1 {
        return Err(AmbiguousPath);
    }
    readings.pop().ok_or(AmbiguousPath)
}

/// The path without `.` and `..` segments.
fn resolve_dots(path: &str) -> Result<String, AmbiguousPath> {
    let mut segments: Vec<&str> = Vec::new();
    let body = path.strip_prefix('/').ok_or(AmbiguousPath)?;
    let mut parts = body.split('/').peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        match part {
            "." if last => segments.push(""),
            "." => {}
            ".." => {
                segments.pop().ok_or(AmbiguousPath)?;
                if last {
                    segments.push("");
                }
            }
            other if matches!(other.split(';').next(), Some("." | "..")) => {
                return Err(AmbiguousPath);
            }
            other => segments.push(other),
        }
    }
    Ok(format!("/{}", segments.join("/")))
}

/// The path with `%XX` of unreserved characters decoded, and the digits of all others in upper case.
fn decode_unreserved(path: &[u8]) -> Result<String, AmbiguousPath> {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'%' => {
                let value = encoding::escape_value(tail).ok_or(AmbiguousPath)?;
                if value.is_ascii_control() {
                    return Err(AmbiguousPath);
                }
                let (escape, after) = tail.split_at_checked(2).ok_or(AmbiguousPath)?;
                rest = after;
                if encoding::is_unreserved(value) {
                    out.push(char::from(value));
                } else {
                    out.push('%');
                    out.extend(
                        escape
                            .iter()
                            .map(|digit| char::from(digit.to_ascii_uppercase())),
                    );
                }
            }
            0x21..=0x7e => out.push(char::from(byte)),
            _ => return Err(AmbiguousPath),
        }
    }
    Ok(out)
}

/// Whether `path` is `prefix` or lies below it, whole segments compared: `/v1` covers `/v1` and `/v1/x`, not `/v10`.
pub(crate) fn path_is_below(path: &str, prefix: &str) -> bool {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_normalised() {
        for (path, normal) in [
            ("/v1/chat", "/v1/chat"),
            ("/%76%31/chat", "/v1/chat"),
            ("/%2e%2E/v1", ""),
            ("/a/%2e%2e/v1", ""),
            ("/a/./v1", ""),
            ("/a%20b/%7e", "/a%20b/~"),
            ("/a/..", ""),
            ("/", "/"),
        ] {
            let expected = if normal.is_empty() {
                Err(AmbiguousPath)
            } else {
                Ok(normal.into())
            };
            assert_eq!(normalise_path(path.as_bytes()), expected, "{path}");
        }
    }

    #[test]
    fn paths_that_cannot_be_judged_are_refused() {
        for path in [
            "/..",
            "/a/../..",
            "/a%2f../..",
            "/v1/..;/x",
            "/a%",
            "/a%zz",
            "/%00",
            "/v1/.%09./a",
            "/v1/%c0%ae%c0%ae/a",
            "/v1/%EF%BC%8E%EF%BC%8E/a",
            "/v1/..%c0%afa",
            "x",
        ] {
            assert_eq!(path_readings(path.as_bytes()), Err(AmbiguousPath), "{path}");
        }
        assert_eq!(normalise_path(b"/a%2fb"), Err(AmbiguousPath));
    }

    #[test]
    fn paths_that_servers_read_differently_have_all_their_readings() {
        for (path, readings) in [
            ("/v1/a", &["/v1/a"][..]),
            ("/v1/a%2fb", &["/v1/a%2Fb", "/v1/a/b"]),
            ("//v1", &["//v1", "/v1"]),
            ("/a\\b", &["/a\\b", "/a/b"]),
            ("/v2/../v1/a", &["/v1/a", "/v2/../v1/a"]),
            ("/v1/%2e/a", &["/v1/a", "/v1/./a"]),
            ("/a/..", &["/", "/a/.."]),
        ] {
            assert_eq!(path_readings(path.as_bytes()).unwrap(), readings, "{path}");
        }
    }

    #[test]
    fn a_prefix_covers_whole_segments() {
        assert!(path_is_below("/v1", "/v1"));
        assert!(path_is_below("/v1/x", "/v1"));
        assert!(path_is_below("/v1/x", "/v1/"));
        assert!(path_is_below("/v1", "/v1/"));
        assert!(!path_is_below("/v10", "/v1"));
        assert!(!path_is_below("/", "/v1"));
        assert!(path_is_below("/anything", "/"));
    }
}
