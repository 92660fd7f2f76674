//! Hosts, authorities, URLs and paths: one parser for each, so that no two parts of the program read the same name differently.
#![deny(clippy::indexing_slicing)]

use std::fmt;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

use crate::encoding;

/// Why a host, authority or URL was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// Nothing where a host should be.
    EmptyHost,
    /// A byte that no host has: an `@`, a space, a percent sign, a letter outside ASCII.
    HostByte,
    /// A label that is empty or over 63 bytes, or a name over 253.
    HostLabel,
    /// A last label that is a number, in what is no IPv4 address: resolvers read `127.1` and `0x7f.1` as addresses.
    HostNumber,
    /// Brackets around what is no IPv6 address.
    Ipv6,
    /// Not 1 to 65535 in plain digits, or missing where it must be.
    Port,
    /// A scheme other than http or https.
    Scheme,
    /// A URL with user information (RFC 9110 section 4.2.4 forbids making one).
    UserInfo,
    /// A path or query with bytes outside 0x21 to 0x7E.
    PathByte,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EmptyHost => "the host is missing",
            Self::HostByte => {
                "the host has a byte that host names don't have (write international names in their xn-- form)"
            }
            Self::HostLabel => "the host has an empty or overlong label",
            Self::HostNumber => "the host ends in a number but is no IPv4 address",
            Self::Ipv6 => "the brackets hold no IPv6 address",
            Self::Port => "the port is not a number from 1 to 65535",
            Self::Scheme => "the scheme is neither https nor http",
            Self::UserInfo => "user information before the host is not allowed",
            Self::PathByte => "the path has a space, a control byte, a # or a byte outside ASCII",
        })
    }
}

/// A host as it is compared: a lower-case name without a trailing dot, or an IP address in its canonical form.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Host(String);

impl Host {
    /// Reads a host as it stands in an authority: a name, an IPv4 address, or an IPv6 address in brackets.
    ///
    /// # Errors
    /// What is wrong with it; nothing is repaired but case and one trailing dot.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Error> {
        if let Some(inner) = text.strip_prefix(b"[") {
            let inner = inner.strip_suffix(b"]").ok_or(Error::Ipv6)?;
            let address = std::str::from_utf8(inner)
                .ok()
                .and_then(|text| text.parse().ok());
            return address
                .map(|ip: Ipv6Addr| Self(ip.to_string()))
                .ok_or(Error::Ipv6);
        }
        let name = text.strip_suffix(b".").unwrap_or(text);
        if name.is_empty() {
            return Err(Error::EmptyHost);
        }
        let is_host_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        if !name.iter().all(is_host_byte) {
            return Err(Error::HostByte);
        }
        if name.len() > 253
            || name
                .split(|b| *b == b'.')
                .any(|l| l.is_empty() || l.len() > 63)
        {
            return Err(Error::HostLabel);
        }
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        if last_label_is_number(&name) {
            return name
                .parse()
                .map(|ip: Ipv4Addr| Self(ip.to_string()))
                .map_err(|_| Error::HostNumber);
        }
        Ok(Self(name))
    }

    /// The name or address; an IPv6 address without brackets.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The address, if it is one.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        self.0.parse().ok()
    }

    /// Whether the host is this machine: localhost, a name below it, or a loopback address.
    pub(crate) fn is_loopback(&self) -> bool {
        match self.ip().map(|ip| ip.to_canonical()) {
            Some(ip) => ip.is_loopback() || ip.is_unspecified(),
            None => self.0 == "localhost" || self.0.ends_with(".localhost"),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(':') {
            write!(f, "[{}]", self.0)
        } else {
            f.write_str(&self.0)
        }
    }
}

/// Whether a resolver could take the name for a number: the last label is all digits, or `0x` and hexadecimal digits.
fn last_label_is_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or("");
    match last.strip_prefix("0x") {
        Some(rest) => rest.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => last.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Authority {
    /// The host.
    pub(crate) host: Host,
    /// The port.
    pub(crate) port: u16,
}

impl Authority {
    /// Reads `host[:port]` (RFC 3986 section 3.2 without user information). Without a port it takes `default`; where that is
    /// `None`, the port must be there.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &[u8], default: Option<u16>) -> Result<Self, Error> {
        if text.contains(&b'@') {
            return Err(Error::UserInfo);
        }
        let after_bracket = text
            .iter()
            .rposition(|byte| *byte == b']')
            .map_or(0, |at| at + 1);
        let colon = text
            .iter()
            .skip(after_bracket)
            .position(|byte| *byte == b':');
        let (host, port) = match colon {
            Some(at) => {
                let (host, port) = text.split_at(after_bracket + at);
                (host, Some(port.get(1..).unwrap_or_default()))
            }
            None => (text, None),
        };
        let port = match port {
            Some(digits) => parse_port(digits)?,
            None => default.ok_or(Error::Port)?,
        };
        Ok(Self {
            host: Host::parse(host)?,
            port,
        })
    }

    /// How a Host header names it: without the port where that is the scheme's own.
    pub(crate) fn to_header(&self, scheme: Scheme) -> String {
        if self.port == scheme.default_port() {
            self.host.to_string()
        } else {
            self.to_string()
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// One to five digits, 1 to 65535. `str::parse` would also take a sign.
fn parse_port(digits: &[u8]) -> Result<u16, Error> {
    if digits.is_empty() || digits.len() > 5 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Error::Port);
    }
    let number = digits
        .iter()
        .fold(0_u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    u16::try_from(number)
        .ok()
        .filter(|port| *port > 0)
        .ok_or(Error::Port)
}

/// The schemes that this program speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// The port that a URL without one means.
    pub(crate) fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// Its name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// An http or https URL: scheme, authority, and path with query as they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// Its scheme.
    pub(crate) scheme: Scheme,
    /// Its host and port.
    pub(crate) authority: Authority,
    /// Path and query, byte for byte; empty where the URL has neither.
    pub(crate) target: String,
}

impl Url {
    /// Reads an absolute URL.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Error> {
        let (scheme, rest) = if let Some(rest) = strip_prefix_case_blind(text, b"https://") {
            (Scheme::Https, rest)
        } else if let Some(rest) = strip_prefix_case_blind(text, b"http://") {
            (Scheme::Http, rest)
        } else {
            return Err(Error::Scheme);
        };
        let end = rest
            .iter()
            .position(|byte| b"/?#".contains(byte))
            .unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let authority = Authority::parse(authority, Some(scheme.default_port()))?;
        if !target
            .iter()
            .all(|byte| (0x21..=0x7e).contains(byte) && *byte != b'#')
        {
            return Err(Error::PathByte);
        }
        Ok(Self {
            scheme,
            authority,
            target: String::from_utf8_lossy(target).into_owned(),
        })
    }

    /// The path alone, `/` where there is none.
    pub(crate) fn path(&self) -> &str {
        match split_query(self.target.as_bytes()).0.len() {
            0 => "/",
            end => self.target.get(..end).unwrap_or("/"),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.authority.to_header(self.scheme);
        write!(f, "{}://{authority}{}", self.scheme.as_str(), self.target)
    }
}

/// `text` without `prefix`, whatever its case.
fn strip_prefix_case_blind<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// A request target cut at its first question mark: path, and query if there is one.
pub(crate) fn split_query(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'?', target) {
        Some(at) => {
            let (path, query) = target.split_at(at);
            (path, query.get(1..))
        }
        None => (target, None),
    }
}

/// A path that no two servers need agree about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AmbiguousPath;

/// The ways in which servers read a path, normalised: percent-encoded unreserved characters decoded, then dot segments resolved
/// (RFC 3986 sections 6.2.2.2 and 5.2.4). More than one where the path has an encoded slash or a backslash, which some take for a
/// slash, or an empty segment, which some drop. For a decision that must hold for all of them; the request goes on as it came.
///
/// # Errors
/// When the path can't be judged: a NUL, a broken escape, a `..` above the root, or dot segments beside anything that servers take
/// apart in ways of their own (`..;x`, `..%2f`, `%252e%252e`, `//..`).
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
    for form in forms {
        let reading = resolve_dots(&form)?;
        if !readings.contains(&reading) {
            readings.push(reading);
        }
    }
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
    let mut segments = deep.split(|byte| matches!(byte, b'/' | b'\\'));
    segments.any(|segment| {
        let name = segment
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default();
        name.starts_with(b"..") || name.trim_ascii() == b"."
    })
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
                if value == 0 {
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

    /// A parsed host's text, or the error.
    fn host(text: &str) -> Result<String, Error> {
        Host::parse(text.as_bytes()).map(|host| host.as_str().to_owned())
    }

    #[test]
    fn hosts_are_canonical() {
        assert_eq!(host("API.GitHub.com").unwrap(), "api.github.com");
        assert_eq!(host("api.github.com.").unwrap(), "api.github.com");
        assert_eq!(host("192.0.2.1").unwrap(), "192.0.2.1");
        assert_eq!(host("[2001:DB8:0::1]").unwrap(), "2001:db8::1");
        assert_eq!(host("a_b.example").unwrap(), "a_b.example");
    }

    #[test]
    fn hosts_that_could_be_read_otherwise_are_refused() {
        for (text, error) in [
            ("", Error::EmptyHost),
            (".", Error::EmptyHost),
            ("a..b", Error::HostLabel),
            ("a.b..", Error::HostLabel),
            ("a b", Error::HostByte),
            ("a%2eb", Error::HostByte),
            ("a\0b", Error::HostByte),
            ("a,b", Error::HostByte),
            ("k\u{212a}", Error::HostByte),
            ("user@host", Error::HostByte),
            ("127.1", Error::HostNumber),
            ("0x7f.1", Error::HostNumber),
            ("2130706433", Error::HostNumber),
            ("1.2.3.0x4", Error::HostNumber),
            ("1.2.3.04", Error::HostNumber),
            ("[::1", Error::Ipv6),
            ("[fe80::1%25eth0]", Error::Ipv6),
            ("[127.0.0.1]", Error::Ipv6),
        ] {
            assert_eq!(host(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn loopback_in_every_spelling() {
        for name in [
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "127.0.0.1",
            "127.9.9.9",
            "[::1]",
        ] {
            assert!(
                Host::parse(name.as_bytes()).unwrap().is_loopback(),
                "{name}"
            );
        }
        for name in ["[::ffff:127.0.0.1]", "[::ffff:0.0.0.0]", "0.0.0.0", "[::]"] {
            assert!(
                Host::parse(name.as_bytes()).unwrap().is_loopback(),
                "{name}"
            );
        }
        for name in ["localhost.example", "128.0.0.1", "[::2]", "notlocalhost"] {
            assert!(
                !Host::parse(name.as_bytes()).unwrap().is_loopback(),
                "{name}"
            );
        }
    }

    #[test]
    fn ports_are_plain_digits() {
        let port = |text: &str| Authority::parse(text.as_bytes(), None).map(|found| found.port);
        assert_eq!(port("a:443"), Ok(443));
        assert_eq!(port("a:00443"), Ok(443));
        assert_eq!(port("[::1]:65535"), Ok(65535));
        for text in [
            "a", "a:", "a:0", "a:+443", "a:65536", "a:1e3", "a:000443", "[::1]", "a:4 ",
        ] {
            assert_eq!(port(text), Err(Error::Port), "{text}");
        }
        assert!(Authority::parse(b"a:1:2", None).is_err());
        assert_eq!(Authority::parse(b"u@a:1", None), Err(Error::UserInfo));
    }

    #[test]
    fn a_url_keeps_its_path_and_query() {
        let url = Url::parse(b"HTTPS://Api.X.com/a/../b?c=%20&d").unwrap();
        assert_eq!(url.authority.to_string(), "api.x.com:443");
        assert_eq!(url.target, "/a/../b?c=%20&d");
        assert_eq!(url.to_string(), "https://api.x.com/a/../b?c=%20&d");
        assert_eq!(Url::parse(b"http://x:8080?q").unwrap().path(), "/");
        assert_eq!(Url::parse(b"ftp://x/"), Err(Error::Scheme));
        assert_eq!(Url::parse(b"https://u:p@x/"), Err(Error::UserInfo));
        assert_eq!(Url::parse(b"https://x/#frag"), Err(Error::PathByte));
    }

    #[test]
    fn paths_are_compared_normalised() {
        for (path, normal) in [
            ("/v1/chat", "/v1/chat"),
            ("/v1/./chat", "/v1/chat"),
            ("/v2/../v1/chat", "/v1/chat"),
            ("/%76%31/chat", "/v1/chat"),
            ("/%2e%2E/v1", ""),
            ("/a/%2e%2e/v1", "/v1"),
            ("/a%20b/%7e", "/a%20b/~"),
            ("/a/..", "/"),
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
