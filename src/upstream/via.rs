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
    /// Where it listens.
    pub(crate) authority: Authority,
    /// The value of Proxy-Authorization, if its URL has a user.
    pub(crate) authorization: Option<Secret>,
}

/// Which proxy is used for what.
#[derive(Default)]
pub(crate) struct ProxySettings {
    /// For http URLs.
    http: Option<Via>,
    /// For https URLs and blind tunnels.
    https: Option<Via>,
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
    /// Reads the parent's variables: the lower-case one before the upper-case one, the scheme's own before ALL_PROXY. Also gives a
    /// warning where ALL_PROXY is passed over: it is often a SOCKS proxy that is meant for other programs.
    ///
    /// # Errors
    /// When the scheme's own isn't an `http://` URL.
    pub(crate) fn of(parent: &Environment) -> Result<(Self, Option<Invalid>), Invalid> {
        let find = |names: [&'static str; 2]| {
            names
                .into_iter()
                .find_map(|name| parent.text(name).map(|value| parse_via(name, value)))
                .transpose()
        };
        let mut passed_over = None;
        let mut or_all = |own: Option<Via>| match own {
            Some(via) => Some(via),
            None => find(["all_proxy", "ALL_PROXY"]).unwrap_or_else(|invalid| {
                passed_over = Some(invalid);
                None
            }),
        };
        let settings = Self {
            http: or_all(find(["http_proxy", "HTTP_PROXY"])?),
            https: or_all(find(["https_proxy", "HTTPS_PROXY"])?),
            exempt: no_proxy_entries(parent)
                .iter()
                .map(|entry| Exemption::parse(entry))
                .collect(),
        };
        Ok((settings, passed_over))
    }

    /// The proxy for connections to this authority; `None` where it is reached directly.
    pub(crate) fn for_authority(&self, scheme: Scheme, authority: &Authority) -> Option<&Via> {
        if self.exempt.iter().any(|entry| entry.covers(authority)) {
            return None;
        }
        match scheme {
            Scheme::Http => self.http.as_ref(),
            Scheme::Https => self.https.as_ref(),
        }
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
                    let needed = lower != "all_proxy";
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
    let invalid = |why: &str| Invalid {
        variable,
        why: why.to_owned(),
    };
    let rest = match value.split_once("://") {
        None => value,
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
        Some(_) => {
            return Err(invalid(
                "only http:// proxies can be used (no https, no SOCKS)",
            ));
        }
    };
    let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (user, host) = match rest.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, rest),
    };
    let authority = Authority::parse(host.as_bytes(), Some(1080))
        .map_err(|error| invalid(&error.to_string()))?;
    let authorization = user.map(|user| {
        let mut value = b"Basic ".to_vec();
        let decoded = encoding::percent_decode(user.as_bytes());
        let with_colon = if decoded.contains(&b':') {
            decoded
        } else {
            [decoded, b":".to_vec()].concat()
        };
        value.extend(encoding::base64(&with_colon));
        Secret::new(value)
    });
    Ok(Via {
        authority,
        authorization,
    })
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
    fn settings(variables: &[(&str, &str)]) -> Result<ProxySettings, Invalid> {
        ProxySettings::of(&variables.iter().copied().collect()).map(|(settings, _)| settings)
    }

    /// The proxy for a host's https, as text.
    fn via(settings: &ProxySettings, authority: &str) -> Option<String> {
        let authority = Authority::parse(authority.as_bytes(), Some(443)).unwrap();
        let found = settings.for_authority(Scheme::Https, &authority);
        found.map(|via| via.authority.to_string())
    }

    #[test]
    fn the_lower_case_and_the_special_one_win() {
        let found = settings(&[
            ("ALL_PROXY", "http://all:1"),
            ("HTTPS_PROXY", "http://upper:2"),
            ("https_proxy", "lower:3"),
        ]);
        assert_eq!(via(&found.unwrap(), "x.com").as_deref(), Some("lower:3"));
        let found = settings(&[("ALL_PROXY", "http://all:1"), ("https_proxy", "")]).unwrap();
        assert_eq!(via(&found, "x.com").as_deref(), Some("all:1"));
        assert_eq!(via(&settings(&[]).unwrap(), "x.com"), None);
    }

    #[test]
    fn user_and_password_become_a_field() {
        let found = settings(&[("https_proxy", "http://us%40er:p+w@proxy:8080/")]).unwrap();
        let via = found.https.unwrap();
        assert_eq!(via.authority.to_string(), "proxy:8080");
        let expected = [b"Basic ".to_vec(), encoding::base64(b"us@er:p+w")].concat();
        assert_eq!(via.authorization.unwrap().expose(), expected);
    }

    #[test]
    fn other_kinds_of_proxy_are_refused_without_their_password() {
        let error = settings(&[("HTTPS_PROXY", "socks5://u:secret@h:1")])
            .err()
            .unwrap();
        assert_eq!(error.variable, "HTTPS_PROXY");
        assert!(!error.to_string().contains("secret"));
        let error = settings(&[("http_proxy", "http://u:secret@")])
            .err()
            .unwrap();
        assert!(!error.to_string().contains("secret"));
        let parent = [("ALL_PROXY", "socks5://u:secret@h:1")]
            .into_iter()
            .collect();
        let (found, passed_over) = ProxySettings::of(&parent).unwrap();
        assert!(!passed_over.unwrap().to_string().contains("secret"));
        assert_eq!(via(&found, "x.com"), None);
    }

    #[test]
    fn each_variable_that_cannot_be_used_is_told() {
        let parent = [
            ("http_proxy", "socks5://u:secret@h:1"),
            ("HTTP_PROXY", "http://other:1"),
            ("HTTPS_PROXY", "http://h:1"),
            ("ALL_PROXY", "socks5://u:secret@h:1"),
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
        let found = settings(&[("https_proxy", "http://p:1"), ("no_proxy", no_proxy)]).unwrap();
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
        let all = settings(&[("https_proxy", "http://p:1"), ("NO_PROXY", "*")]).unwrap();
        assert_eq!(via(&all, "x.com"), None);
    }
}
