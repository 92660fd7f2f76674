//! Upstream proxies: which of the parent's proxy variables counts for which host, as curl reads them.

use std::fmt;
use std::net::IpAddr;

use super::address::Network;
use crate::encoding;
use crate::environment::Environment;
use crate::secret::Secret;
use crate::url::Authority;
use crate::url::Host;
use crate::url::Scheme;

/// A proxy that our own connections go through.
pub(crate) struct Via {
    /// The proxy's protocol.
    pub(super) kind: Kind,
    /// Where it listens.
    pub(crate) authority: Authority,
    /// The value of Proxy-Authorization, if the URL has a user and the protocol is HTTP.
    pub(crate) authorization: Option<Secret>,
    /// The user and the password, if the URL has a user and the protocol is SOCKS.
    pub(super) login: Option<(Secret, Secret)>,
}

/// The protocol of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// HTTP.
    Http,
    /// HTTP over TLS.
    Https,
    /// SOCKS 5 with addresses: authsome resolves names.
    Socks5,
    /// SOCKS 5 with names: the proxy resolves them.
    Socks5h,
}

impl Kind {
    /// Returns whether the protocol is SOCKS.
    pub(super) fn is_socks(self) -> bool {
        matches!(self, Self::Socks5 | Self::Socks5h)
    }

    /// Returns the port of a URL without one, the same as curl's.
    fn default_port(self) -> u16 {
        match self {
            Self::Https => 443,
            Self::Http | Self::Socks5 | Self::Socks5h => 1080,
        }
    }
}

/// Which proxy is used for what.
#[derive(Default)]
pub(crate) struct ProxySettings {
    /// For http URLs.
    http: Option<Result<Via, Invalid>>,
    /// For https URLs and blind tunnels.
    https: Option<Result<Via, Invalid>>,
    /// Hosts that are reached directly.
    exempt: Vec<Exemption>,
}

/// A proxy variable that can't be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Invalid {
    /// The variable.
    pub(crate) variable: &'static str,
    /// What is wrong with it. Not its value: that may hold a password.
    pub(crate) why: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.variable, self.why)
    }
}

impl ProxySettings {
    /// Reads the parent's variables: the lower-case one before the upper-case one, the scheme's own before ALL_PROXY. An invalid
    /// one is kept, so that its requests fail instead of passing without a proxy.
    pub(crate) fn of(parent: &Environment) -> Self {
        let find = |names: [&'static str; 2]| {
            names
                .into_iter()
                .find_map(|name| parent.text(name).map(|value| parse_via(name, value)))
        };
        let all = || find(["all_proxy", "ALL_PROXY"]);
        Self {
            http: find(["http_proxy", "HTTP_PROXY"]).or_else(all),
            https: find(["https_proxy", "HTTPS_PROXY"]).or_else(all),
            exempt: no_proxy_entries(parent)
                .iter()
                .map(|entry| Exemption::parse(entry))
                .collect(),
        }
    }

    /// Returns the fault of the proxy for https, or else of that for http.
    pub(crate) fn invalid(&self) -> Option<&Invalid> {
        let both = [&self.https, &self.http];
        both.into_iter()
            .find_map(|via| via.as_ref()?.as_ref().err())
    }

    /// The proxy for connections to this authority; `None` where it is reached directly.
    ///
    /// # Errors
    /// The fault of the variable that names the proxy.
    pub(crate) fn for_authority(
        &self,
        scheme: Scheme,
        authority: &Authority,
    ) -> Result<Option<&Via>, &Invalid> {
        if self.exempt.iter().any(|entry| entry.covers(authority)) {
            return Ok(None);
        }
        let via = match scheme {
            Scheme::Http => &self.http,
            Scheme::Https => &self.https,
        };
        via.as_ref().map(Result::as_ref).transpose()
    }
}

/// The variables that name a proxy, each after the one that counts in its place.
const VARIABLES: [[&str; 2]; 3] = [
    ["http_proxy", "HTTP_PROXY"],
    ["https_proxy", "HTTPS_PROXY"],
    ["all_proxy", "ALL_PROXY"],
];

/// What is wrong with the proxy variables, each by itself, and whether our own connections can't be made because of it.
pub(crate) fn faults(parent: &Environment) -> Vec<(Invalid, bool)> {
    let mut found = Vec::new();
    let fault = |variable, why: &str| Invalid {
        variable,
        why: why.to_owned(),
    };
    let is_set = |names: &[&str]| names.iter().any(|name| parent.text(name).is_some());
    let is_all_passed_over = VARIABLES.iter().take(2).all(|names| is_set(names));
    for [lower, upper] in VARIABLES {
        for variable in [lower, upper] {
            let is_shadowed = variable == upper && parent.text(lower).is_some();
            match (parent.get(variable), parent.text(variable)) {
                (None, _) => {}
                (Some(_), None) => found.push((fault(variable, NOT_UTF8), false)),
                (Some(value), Some(_)) if is_shadowed => {
                    if Some(value) != parent.get(lower) {
                        let why = format!("has no effect: {lower} is set too, to another value");
                        found.push((fault(variable, &why), false));
                    }
                }
                (Some(_), Some(text)) => {
                    let needed = lower != "all_proxy" || !is_all_passed_over;
                    found.extend(parse_via(variable, text).err().map(|why| (why, needed)));
                }
            }
        }
    }
    for variable in ["no_proxy", "NO_PROXY"] {
        if parent.get(variable).is_some() && parent.text(variable).is_none() {
            found.push((fault(variable, NOT_UTF8), false));
        }
    }
    found
}

/// What is wrong with a variable that is passed over.
const NOT_UTF8: &str = "is not UTF-8, and has no effect";

/// The entries of NO_PROXY and no_proxy, trimmed, once each, in order.
pub(crate) fn no_proxy_entries(parent: &Environment) -> Vec<String> {
    let mut entries: Vec<String> = Vec::new();
    for name in ["NO_PROXY", "no_proxy"] {
        for entry in parent.text(name).unwrap_or_default().split([',', ' ']) {
            let entry = entry.trim();
            if !entry.is_empty() && !entries.iter().any(|known| known == entry) {
                entries.push(entry.to_owned());
            }
        }
    }
    entries
}

/// Reads a proxy URL; without a scheme it is taken as http, as curl does.
fn parse_via(variable: &'static str, value: &str) -> Result<Via, Invalid> {
    let invalid = |why: String| Invalid { variable, why };
    let (scheme, rest) = value.split_once("://").unwrap_or(("http", value));
    let kind = match scheme.to_ascii_lowercase().as_str() {
        "http" => Kind::Http,
        "https" => Kind::Https,
        "socks5" => Kind::Socks5,
        "socks5h" => Kind::Socks5h,
        "socks" | "socks4" | "socks4a" => {
            let why = "only version 5 of SOCKS is supported: socks5h://HOST:PORT";
            return Err(invalid(why.to_owned()));
        }
        // The scheme is not shown: it may be part of a password.
        _ => return Err(invalid("is not the URL of a supported proxy".to_owned())),
    };
    let (rest, path) = match rest.split_once(['/', '?', '#']) {
        Some((rest, path)) => (rest, path),
        None => (rest, ""),
    };
    // Otherwise the user would be taken for the host, and told and resolved as one.
    if path.contains('@') {
        let why = "its user or password has a character that must be written as %2F (/), %3F (?) or %23 (#)";
        return Err(invalid(why.to_owned()));
    }
    let (user, host) = match rest.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, rest),
    };
    let authority = Authority::parse(host.as_bytes(), Some(kind.default_port()))
        .map_err(|error| invalid(error.to_string()))?;
    let mut via = Via {
        kind,
        authority,
        authorization: None,
        login: None,
    };
    match user {
        Some(user) if kind.is_socks() => via.login = login(user).map_err(invalid)?,
        Some(user) => via.authorization = Some(authorization(user)),
        None => {}
    }
    Ok(via)
}

/// Returns the value of Proxy-Authorization for the user and the password of a URL.
fn authorization(user: &str) -> Secret {
    let mut value = b"Basic ".to_vec();
    let decoded = encoding::percent_decode(user.as_bytes());
    let with_colon = if decoded.contains(&b':') {
        decoded
    } else {
        [decoded, b":".to_vec()].concat()
    };
    value.extend(encoding::base64(&with_colon));
    Secret::new(value)
}

/// Returns the user and the password of a URL for SOCKS; nothing if the user is empty.
fn login(user: &str) -> Result<Option<(Secret, Secret)>, String> {
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let [user, password] = [user, password].map(|text| encoding::percent_decode(text.as_bytes()));
    if user.len().max(password.len()) > 255 {
        return Err("the user or the password is longer than SOCKS allows (255 bytes)".to_owned());
    }
    let is_given = !user.is_empty();
    Ok(is_given.then(|| (Secret::new(user), Secret::new(password))))
}

/// One entry of NO_PROXY.
pub(crate) enum Exemption {
    /// `*`
    All,
    /// Addresses.
    Network(Network),
    /// A name and everything below it, on one port or all.
    Name(String, Option<u16>),
}

impl Exemption {
    /// Reads an entry. What is no address is a name.
    pub(crate) fn parse(entry: &str) -> Self {
        if entry == "*" {
            return Self::All;
        }
        let (address, bits) = match entry.split_once('/') {
            Some((address, bits)) => (address, bits.parse().ok()),
            None => (entry, Some(128)),
        };
        let bare = address.trim_start_matches('[').trim_end_matches(']');
        if let (Ok(ip), Some(bits)) = (bare.parse::<IpAddr>(), bits) {
            return Self::Network(Network::new(ip, bits));
        }
        let (name, port) = match entry.rsplit_once(':') {
            Some((name, port)) if port.parse::<u16>().is_ok() => (name, port.parse().ok()),
            _ => (entry, None),
        };
        let name = name
            .trim_start_matches('*')
            .trim_matches('.')
            .to_ascii_lowercase();
        Self::Name(name, port)
    }

    /// Whether the entry exempts the authority.
    fn covers(&self, authority: &Authority) -> bool {
        match self {
            Self::All => true,
            Self::Network(network) => authority.host.ip().is_some_and(|ip| network.has(ip)),
            Self::Name(name, port) => {
                port.is_none_or(|port| port == authority.port) && is_below(&authority.host, name)
            }
        }
    }
}

/// Whether the host is the name or lies below it.
fn is_below(host: &Host, name: &str) -> bool {
    let below = |rest: &str| rest.is_empty() || rest.ends_with('.');
    !name.is_empty() && host.as_str().strip_suffix(name).is_some_and(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The settings of these variables.
    fn settings(variables: &[(&str, &str)]) -> ProxySettings {
        ProxySettings::of(&variables.iter().copied().collect())
    }

    /// The proxy for a host's https, as text.
    fn via(settings: &ProxySettings, authority: &str) -> Option<String> {
        let authority = Authority::parse(authority.as_bytes(), Some(443)).unwrap();
        let found = settings.for_authority(Scheme::Https, &authority);
        found.unwrap().map(|via| via.authority.to_string())
    }

    #[test]
    fn the_lower_case_and_the_special_one_win() {
        let found = settings(&[
            ("ALL_PROXY", "http://all:1"),
            ("HTTPS_PROXY", "http://upper:2"),
            ("https_proxy", "lower:3"),
        ]);
        assert_eq!(via(&found, "x.com").as_deref(), Some("lower:3"));
        let found = settings(&[("ALL_PROXY", "http://all:1"), ("https_proxy", "")]);
        assert_eq!(via(&found, "x.com").as_deref(), Some("all:1"));
        assert_eq!(via(&settings(&[]), "x.com"), None);
    }

    #[test]
    fn user_and_password_become_a_field() {
        let found = settings(&[("https_proxy", "http://us%40er:p+w@proxy:8080/")]);
        let via = found.https.unwrap().unwrap();
        assert_eq!(via.authority.to_string(), "proxy:8080");
        let expected = [b"Basic ".to_vec(), encoding::base64(b"us@er:p+w")].concat();
        assert_eq!(via.authorization.unwrap().expose(), expected);
    }

    #[test]
    fn a_proxy_of_socks_is_told_the_user_and_the_password_as_they_are() {
        let url = "SOCKS5h://us%40er:p%3aw:x@[2001:db8::1]/";
        let found = settings(&[("ALL_PROXY", url)]);
        for via in [found.http, found.https] {
            let via = via.unwrap().unwrap();
            assert_eq!(via.kind, Kind::Socks5h);
            assert_eq!(via.authority.to_string(), "[2001:db8::1]:1080");
            assert!(via.authorization.is_none());
            let (user, password) = via.login.unwrap();
            assert_eq!(
                (user.expose(), password.expose()),
                (&b"us@er"[..], &b"p:w:x"[..])
            );
        }
        let long = format!("socks5://u:{}@h", "x".repeat(256));
        assert!(parse_via("ALL_PROXY", &long).is_err());
        let nobody = parse_via("ALL_PROXY", "socks5://:pw@h").unwrap();
        assert!(nobody.login.is_none() && nobody.kind == Kind::Socks5);
        let tls = parse_via("ALL_PROXY", "https://u@h").unwrap();
        assert_eq!((tls.kind, tls.authority.port), (Kind::Https, 443));
        assert!(tls.authorization.is_some());
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_kept_and_told_without_its_password() {
        let authority = Authority::parse(b"x.com", Some(443)).unwrap();
        for url in [
            "socks4://u:secret@h:1",
            "socks://u:secret@h:1",
            "secret://u:p@h:1",
            "http://u:secret@",
            "socks5h://u:secret@h:x",
            "http://secret:1/x@h:1",
            "http://secret:1?x@h:1",
            "socks5h://secret:1#x@h:1",
        ] {
            for variable in ["HTTPS_PROXY", "all_proxy"] {
                let found = settings(&[(variable, url)]);
                let error = found
                    .for_authority(Scheme::Https, &authority)
                    .err()
                    .unwrap();
                assert_eq!(error.variable, variable);
                assert!(!error.to_string().contains("secret"), "{error}");
                assert_eq!(found.invalid(), Some(error));
            }
            let found = settings(&[("ALL_PROXY", url), ("NO_PROXY", "x.com")]);
            assert!(found.for_authority(Scheme::Https, &authority).is_ok());
        }
    }

    #[test]
    fn each_variable_that_cannot_be_used_is_told() {
        let parent = [
            ("http_proxy", "socks4://u:secret@h:1"),
            ("HTTP_PROXY", "http://other:1"),
            ("HTTPS_PROXY", "http://h:1"),
            ("ALL_PROXY", "socks4://u:secret@h:1"),
        ];
        let found = faults(&parent.into_iter().collect());
        let found: Vec<(&str, bool)> = found
            .iter()
            .map(|(invalid, is_fatal)| (invalid.variable, *is_fatal))
            .collect();
        let expected = [
            ("http_proxy", true),
            ("HTTP_PROXY", false),
            ("ALL_PROXY", false),
        ];
        assert_eq!(found, expected);
        assert!(faults(&Environment::default()).is_empty());
    }

    #[test]
    fn no_proxy_exempts_names_ports_and_networks() {
        let no_proxy = "a.com, .b.com,*.c.com d.com:8443,10.0.0.0/8,[2001:db8::]/32,192.0.2.7";
        let found = settings(&[("https_proxy", "http://p:1"), ("no_proxy", no_proxy)]);
        for host in [
            "a.com",
            "x.a.com",
            "b.com",
            "x.b.com",
            "x.c.com",
            "d.com:8443",
            "10.1.2.3",
            "[2001:db8::1]",
            "192.0.2.7",
        ] {
            assert_eq!(via(&found, host), None, "{host}");
        }
        for host in ["xa.com", "d.com", "11.0.0.1", "[2001:db9::1]", "192.0.2.8"] {
            assert!(via(&found, host).is_some(), "{host}");
        }
        let all = settings(&[("https_proxy", "http://p:1"), ("NO_PROXY", "*")]);
        assert_eq!(via(&all, "x.com"), None);
    }
}
