//! Paths as servers may read them, for decisions that must hold whichever way they do.
#![deny(clippy::indexing_slicing)]

use crate::encoding;

/// A path that no two servers need agree about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AmbiguousPath;

/// The ways in which servers read a path, normalised: percent-encoded unreserved characters decoded, then dot segments resolved
/// (RFC 3986 sections 6.2.2.2 and 5.2.4). More than one where the path has dot segments, which some routers leave as they are; an encoded
/// slash or a backslash, which some take for a slash, or a character that some fold to one ([`LIKE`]); an empty segment, which some drop; or
/// a semicolon, behind which some take the rest of a segment for parameters that are no part of the path (RFC 3986 section 3.3). For a
/// decision that must hold for all of them; the request goes on as it came.
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
    // Without dot segments, or they would have been found.
    let folded = with_plain_escapes(&split);
    for form in [split, folded] {
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    for form in forms.clone() {
        let bare = without_parameters(&form);
        if !forms.contains(&bare) {
            forms.push(bare);
        }
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

/// Returns the path without what follows a semicolon, written or escaped, in each segment. Without dot segments, or they would have been
/// found.
fn without_parameters(path: &str) -> String {
    let plain = path.replace("%3B", ";");
    let segments = plain.split('/');
    let names = segments.map(|segment| segment.split(';').next().unwrap_or_default());
    names.collect::<Vec<&str>>().join("/")
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

/// UTF-8 that only some servers read as a dot, a slash or a backslash, and what they read. A backslash stands here as a slash.
///
/// - UTF-8 that is longer than it has to be (RFC 3629 section 3).
/// - Characters that compatibility makes the same (NFKC, Unicode Standard Annex 15).
/// - Characters that Windows replaces by these where a code page lacks them ("best fit"): the fraction and division slash, the set minus,
///   and the yen and won signs, which stand in the backslash's place in Japanese and Korean code pages.
const LIKE: [(&[u8], &[u8]); 25] = [
    (b"\xc0\xae", b"."),
    (b"\xe0\x80\xae", b"."),
    (b"\xf0\x80\x80\xae", b"."),
    (b"\xe2\x80\xa4", b"."),   // U+2024
    (b"\xe2\x80\xa5", b".."),  // U+2025
    (b"\xe2\x80\xa6", b"..."), // U+2026
    (b"\xef\xb8\x99", b"..."), // U+FE19
    (b"\xef\xb8\xb0", b".."),  // U+FE30
    (b"\xef\xb9\x92", b"."),   // U+FE52
    (b"\xef\xbc\x8e", b"."),   // U+FF0E
    (b"\xc0\xaf", b"/"),
    (b"\xe0\x80\xaf", b"/"),
    (b"\xf0\x80\x80\xaf", b"/"),
    (b"\xe2\x81\x84", b"/"), // U+2044
    (b"\xe2\x88\x95", b"/"), // U+2215
    (b"\xef\xbc\x8f", b"/"), // U+FF0F
    (b"\xc1\x9c", b"/"),
    (b"\xe0\x81\x9c", b"/"),
    (b"\xf0\x80\x81\x9c", b"/"),
    (b"\xe2\x88\x96", b"/"), // U+2216
    (b"\xef\xb9\xa8", b"/"), // U+FE68
    (b"\xef\xbc\xbc", b"/"), // U+FF3C
    (b"\xc2\xa5", b"/"),     // U+00A5
    (b"\xe2\x82\xa9", b"/"), // U+20A9
    (b"\xef\xbf\xa6", b"/"), // U+FFE6, which NFKC makes U+20A9
];

/// Returns the bytes with plain dots and slashes in the place of what is [`LIKE`] them.
fn with_plain_dots(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((byte, tail)) = rest.split_first() {
        match LIKE.iter().find(|(like, _)| rest.starts_with(like)) {
            Some((like, plain)) => {
                out.extend_from_slice(plain);
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

/// Does the same where those bytes are percent-encoded, in upper case.
fn with_plain_escapes(path: &str) -> String {
    let mut path = path.to_owned();
    if !path.contains('%') {
        return path;
    }
    for (like, plain) in LIKE {
        let escaped: String = like.iter().map(|byte| format!("%{byte:02X}")).collect();
        if path.contains(&escaped) {
            path = path.replace(&escaped, &String::from_utf8_lossy(plain));
        }
    }
    path
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
            "/v1/%E2%80%A4%E2%80%A4/a",
            "/v1/%E2%80%A5/a",
            "/v1/%e2%80%a5%2fa",
            "/v1/%E2%80%A6/a",
            "/v1/%EF%B8%99/a",
            "/v1/%EF%B8%B0/a",
            "/v1/%EF%B9%92%EF%B9%92/a",
            "/v1/%EF%B9%92./a",
            "/v1/%F0%80%80%AE./a",
            "/v1/x%EF%B9%A8..%EF%B9%A8a",
            "/v1/x%EF%BC%BC..%EF%BC%BCa",
            "/v1/x%E2%88%95../a",
            "/v1/x%E2%88%96../a",
            "/v1/x%C2%A5..%C2%A5a",
            "/v1/%25E2%2580%25A5/a",
            "/v1/\u{2025}/a",
            "/v1/x\u{fe68}a",
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
            ("/a%EF%BC%8Fb", &["/a%EF%BC%8Fb", "/a/b"]),
            ("/a%ef%b9%a8b", &["/a%EF%B9%A8b", "/a/b"]),
            ("/a%E2%81%84b", &["/a%E2%81%84b", "/a/b"]),
            ("/a%C0%AFb", &["/a%C0%AFb", "/a/b"]),
            ("/a%E2%80%A4b", &["/a%E2%80%A4b", "/a.b"]),
            ("/a%E2%80%A6", &["/a%E2%80%A6", "/a..."]),
            ("/a;x=1/b;", &["/a;x=1/b;", "/a/b"]),
            ("/a%3bx/;y/b", &["/a%3Bx/;y/b", "/a//b", "/a/b"]),
            ("/a;x%2fb", &["/a;x%2Fb", "/a;x/b", "/a", "/a/b"]),
            (
                "/a%2f%E2%82%A9b",
                &["/a%2F%E2%82%A9b", "/a/%E2%82%A9b", "/a//b", "/a/b"],
            ),
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
