//! Hosts, authorities, URLs and paths: one parser for each, so that no two parts of the program read the same name differently.
#![deny(clippy::indexing_slicing)]

use std::fmt;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::sync::Arc;

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
/// Copies share the text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Host(Arc<str>);

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
                .map(|ip: Ipv6Addr| Self(ip.to_string().into()))
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
                .map(|ip: Ipv4Addr| Self(ip.to_string().into()))
                .map_err(|_| Error::HostNumber);
        }
        Ok(Self(name.into()))
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
            None => &*self.0 == "localhost" || self.0.ends_with(".localhost"),
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
}
