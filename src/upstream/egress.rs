//! Where the child may go: which hosts by name, and which addresses, whatever name led to them.
//!
//! Hosts are judged before anything is done for a request, addresses when it is known which would be connected to. A name says nothing
//! about addresses: whoever owns it can let it lead anywhere, and elsewhere the next time.
#![deny(clippy::indexing_slicing)]

use std::fmt;
use std::net::IpAddr;
use std::net::SocketAddr;

use super::address;
use super::address::Class;
use super::address::Network;
use crate::provider::host_rule::HostRule;
use crate::sys::route;
use crate::url;
use crate::url::Authority;
use crate::url::Host;

/// One `--allow` or `--deny`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// Which hosts.
    hosts: Hosts,
    /// On which port, if not on all.
    port: Option<u16>,
}

/// The hosts of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    /// One name.
    Name(Host),
    /// All names below it.
    Below(Host),
    /// All names.
    AnyName,
    /// Addresses.
    Addresses(Network),
}

/// Why a pattern was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invalid {
    /// The host or the port is malformed.
    Url(url::Error),
    /// What has a slash is no network.
    Network,
    /// `*.` stands before an address.
    BelowAddress,
    /// It is a name, and only addresses count.
    NotAnAddress,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => error.fmt(f),
            Self::Network => f.write_str(
                "what has a slash is no network like 10.0.0.0/8 or [fd00::]/8:443 (no bits set behind the prefix)",
            ),
            Self::BelowAddress => f.write_str("nothing lies below an address; give a network"),
            Self::NotAnAddress => f.write_str("this is a name, which can lead to any address"),
        }
    }
}

impl Pattern {
    /// Reads an address or a network, with a port if it is to count.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse_address(text: &str) -> Result<Self, Invalid> {
        let pattern = Self::parse(text)?;
        match pattern.hosts {
            Hosts::Addresses(_) => Ok(pattern),
            _ => Err(Invalid::NotAnAddress),
        }
    }

    /// Reads a name, `*.name`, `*`, an address or a network, each with a port if it is to count.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        if let Some(slash) = text.find('/') {
            let (address, bits) = text.split_at(slash);
            let (bits, port) = split_port(bits).map_err(Invalid::Url)?;
            let network = Network::parse(&format!("{address}{bits}")).ok_or(Invalid::Network)?;
            return Ok(Self {
                hosts: Hosts::Addresses(network),
                port,
            });
        }
        // An IPv6 address by itself: with a port it needs its brackets.
        if let Ok(ip @ IpAddr::V6(_)) = text.parse() {
            return Ok(Self {
                hosts: Hosts::Addresses(Network::only(ip)),
                port: None,
            });
        }
        let (host, port) = split_port(text).map_err(Invalid::Url)?;
        if host == "*" {
            return Ok(Self {
                hosts: Hosts::AnyName,
                port,
            });
        }
        let (name, is_below) = match host.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (host, false),
        };
        let host = Host::parse(name.as_bytes()).map_err(Invalid::Url)?;
        let hosts = match host.ip() {
            Some(_) if is_below => return Err(Invalid::BelowAddress),
            Some(ip) => Hosts::Addresses(Network::only(ip)),
            None if is_below => Hosts::Below(host),
            None => Hosts::Name(host),
        };
        Ok(Self { hosts, port })
    }

    /// Returns whether the entry could name a host of the rule. A name below `*.` counts for any regular expression.
    pub(crate) fn may_meet(&self, rule: &HostRule) -> bool {
        match (rule, &self.hosts) {
            (HostRule::Exact { authority, .. }, _) => self.has_host(authority),
            (HostRule::Pattern { .. }, _) if !self.has_port(443) => false,
            (HostRule::Pattern { .. }, Hosts::Name(host)) => rule.claims_host(host),
            (HostRule::Pattern { .. }, Hosts::Below(_) | Hosts::AnyName) => true,
            (HostRule::Pattern { .. }, Hosts::Addresses(_)) => false,
        }
    }

    /// Whether the host that is asked for is one of these, by what it is called.
    pub(crate) fn has_host(&self, authority: &Authority) -> bool {
        let host = &authority.host;
        self.has_port(authority.port)
            && match (&self.hosts, host.ip()) {
                (Hosts::Addresses(network), Some(ip)) => network.has(ip.to_canonical()),
                (Hosts::Name(name), None) => name == host,
                (Hosts::Below(name), None) => host
                    .as_str()
                    .strip_suffix(name.as_str())
                    .is_some_and(|rest| rest.ends_with('.')),
                (Hosts::AnyName, None) => true,
                _ => false,
            }
    }

    /// Whether the address is one of these. A name never has one.
    fn has_address(&self, ip: IpAddr, port: u16) -> bool {
        matches!(&self.hosts, Hosts::Addresses(network) if network.has(ip)) && self.has_port(port)
    }

    /// Whether the port counts.
    fn has_port(&self, port: u16) -> bool {
        self.port.is_none_or(|own| own == port)
    }
}

/// The host of a pattern, and its port if it has one.
fn split_port(text: &str) -> Result<(&str, Option<u16>), url::Error> {
    let start = text.find(']').unwrap_or(0);
    let behind = text.get(start..).unwrap_or_default();
    match behind.find(':') {
        None => Ok((text, None)),
        Some(at) => {
            let (host, port) = text.split_at(start + at);
            // With a host that is one, so that the port alone is judged.
            let port = Authority::parse(format!("x{port}").as_bytes(), None)?.port;
            Ok((host, Some(port)))
        }
    }
}

/// Why a host is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Which.
    host: Authority,
    /// By what.
    by: By,
}

/// What refuses a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// A `--deny` names it.
    Deny,
    /// No `--allow` names it.
    Allow,
    /// `--only-matched`
    OnlyMatched,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = &self.host;
        match self.by {
            By::Deny => write!(f, "{host} is refused by --deny"),
            By::Allow => write!(
                f,
                "{host} is refused: no --allow names it, and no connected provider claims it"
            ),
            By::OnlyMatched => write!(
                f,
                "{host} is refused by --only-matched: no connected provider claims it"
            ),
        }
    }
}

impl Refused {
    /// What to do.
    pub(crate) fn hint(&self) -> &'static str {
        match self.by {
            By::Deny => {
                "who started authsome chose so: a host of --deny is reached without that option only"
            }
            By::Allow | By::OnlyMatched => {
                "who started authsome chose so: `run --allow HOST` lets a host pass; `authsome explain URL` says which provider claims one"
            }
        }
    }
}

/// Whom a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// The child: all options count.
    Child,
    /// Ourselves, for tokens: the options that are about the child don't.
    Authsome,
}

/// What may be reached.
#[derive(Clone, Debug, Default)]
pub(crate) struct Egress {
    /// `--allow`
    pub(crate) allow: Vec<Pattern>,
    /// `--allow-address`
    pub(crate) allow_address: Vec<Pattern>,
    /// `--deny`
    pub(crate) deny: Vec<Pattern>,
    /// `--only-matched`
    pub(crate) only_matched: bool,
    /// `--deny-private`
    pub(crate) deny_private: bool,
    /// The mode in which no client is led to this machine itself, if authsome runs in one.
    pub(crate) deny_this_machine: Option<Mode>,
}

/// A mode in which authsome connects with an identity that its client doesn't have: to services of
/// this machine it comes as another user, or from inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// `run --user`
    User,
    /// `serve`
    Serve,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "with --user",
            Self::Serve => "by `authsome serve`",
        })
    }
}

impl Egress {
    /// Whether anything is said of where the child may go.
    pub(crate) fn is_restricted(&self) -> bool {
        !self.allow.is_empty() || !self.deny.is_empty() || self.only_matched || self.deny_private
    }

    /// Whether the child may ask for a host. One that a route claims is what the run is for.
    ///
    /// # Errors
    /// Why it may not.
    pub(crate) fn admit(&self, authority: &Authority, is_claimed: bool) -> Result<(), Refused> {
        let is_in = |list: &[Pattern]| list.iter().any(|pattern| pattern.has_host(authority));
        let by = if is_in(&self.deny) {
            By::Deny
        } else if is_claimed || is_in(&self.allow) {
            return Ok(());
        } else if !self.allow.is_empty() {
            By::Allow
        } else if self.only_matched {
            By::OnlyMatched
        } else {
            return Ok(());
        };
        Err(Refused {
            host: authority.clone(),
            by,
        })
    }

    /// Why the address may not be connected to; nothing where it may.
    pub(crate) fn prohibits(&self, address: SocketAddr, asker: Asker) -> Option<Prohibited> {
        let ip = address.ip();
        let prohibited = |why| Some(Prohibited { ip, why });
        let has = |list: &[Pattern], ip| {
            let mut patterns = list.iter();
            patterns.any(|pattern| pattern.has_address(ip, address.port()))
        };
        // All that the address can be taken for is denied; what is allowed is that address, not one that it carries.
        let carried = match ip {
            IpAddr::V6(ip) => address::carried(ip).map(IpAddr::V4),
            IpAddr::V4(_) => None,
        };
        let forms = [Some(ip), carried];
        let mut meant = forms
            .into_iter()
            .flatten()
            .flat_map(|ip| [ip, address::connected(ip)]);
        let is_denied = meant.any(|ip| has(&self.deny, ip));
        if asker == Asker::Child && is_denied {
            return prohibited(Why::Deny);
        }
        let lifted = [&self.allow, &self.allow_address];
        let is_lifted = |ip| lifted.iter().any(|list| has(list, ip));
        if is_lifted(ip.to_canonical()) || is_lifted(ip) {
            return None;
        }
        let class = Class::of(ip);
        if let Some(class) = class.filter(|class| class.is_refused_by_default()) {
            return prohibited(Why::Class(class));
        }
        if asker == Asker::Authsome {
            return None;
        }
        if let (Some(class), true) = (class, self.deny_private) {
            return prohibited(Why::Private(class));
        }
        let mode = self.deny_this_machine?;
        if let Some(class) = class.filter(|class| class.is_this_machine()) {
            return prohibited(Why::ThisMachine(class, mode));
        }
        // An address of this machine may be of any class.
        let mut forms = forms.into_iter().flatten();
        forms.find_map(
            |form| match route::is_local(SocketAddr::new(form, address.port())) {
                Ok(false) => None,
                Ok(true) => prohibited(Why::Own(mode)),
                Err(_) => prohibited(Why::Unclear(mode)),
            },
        )
    }

    /// Why a host may not be asked of an upstream proxy, which resolves names where we can't see it. An address is known; so is a name
    /// of loopback (RFC 6761 section 6.3), wherever that proxy is.
    pub(crate) fn prohibits_unresolved(
        &self,
        authority: &Authority,
        asker: Asker,
    ) -> Option<Prohibited> {
        let loopback = || {
            let ip = IpAddr::from([127, 0, 0, 1]);
            authority.host.is_loopback().then_some(ip)
        };
        let ip = authority.host.ip().or_else(loopback)?;
        self.prohibits(SocketAddr::new(ip, authority.port), asker)
    }
}

/// An address that may not be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prohibited {
    /// Which.
    ip: IpAddr,
    /// Why.
    why: Why,
}

/// Why an address may not be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// A `--deny` has it.
    Deny,
    /// Its class, unless the person names it.
    Class(Class),
    /// Its class, by `--deny-private`.
    Private(Class),
    /// Its class, which is this machine.
    ThisMachine(Class, Mode),
    /// The system delivers it to this machine.
    Own(Mode),
    /// Nothing tells whether the system does.
    Unclear(Mode),
}

impl fmt::Display for Prohibited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ip = self.ip;
        match self.why {
            Why::Deny => write!(f, "{ip} is refused by --deny"),
            Why::Class(class) => {
                write!(
                    f,
                    "{ip} is {class}: refused unless --allow-address names it"
                )
            }
            Why::Private(class) => write!(f, "{ip} is {class}: refused by --deny-private"),
            Why::ThisMachine(class, mode) => write!(
                f,
                "{ip} is {class}: refused {mode} unless --allow-address names it"
            ),
            Why::Own(mode) => write!(
                f,
                "{ip} is an address of this machine: refused {mode} unless --allow-address names it"
            ),
            Why::Unclear(mode) => write!(
                f,
                "{ip} may be an address of this machine, and the system doesn't tell: refused {mode} unless --allow-address names it"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A policy of these patterns.
    fn egress(allow: &[&str], deny: &[&str]) -> Egress {
        let read = |text: &&str| Pattern::parse(text).unwrap();
        Egress {
            allow: allow.iter().map(read).collect(),
            deny: deny.iter().map(read).collect(),
            ..Egress::default()
        }
    }

    /// What refuses an authority that nobody claims.
    fn by(egress: &Egress, text: &str) -> Option<By> {
        let authority = Authority::parse(text.as_bytes(), Some(443)).unwrap();
        egress
            .admit(&authority, false)
            .err()
            .map(|refused| refused.by)
    }

    /// Why an address is prohibited, at port 443.
    fn why(egress: &Egress, ip: &str) -> Option<Why> {
        let address = SocketAddr::new(ip.parse().unwrap(), 443);
        egress
            .prohibits(address, Asker::Child)
            .map(|prohibited| prohibited.why)
    }

    #[test]
    fn a_pattern_has_its_hosts_and_no_others() {
        for (pattern, has, has_not) in [
            (
                "A.Test.",
                &["a.test", "A.TEST.", "a.test:80"][..],
                &["x.a.test", "xa.test", "a.test.evil"][..],
            ),
            ("a.test:80", &["a.test:80"], &["a.test", "a.test:8080"]),
            (
                "*.a.test",
                &["x.a.test", "x.y.a.test:1"],
                &["a.test", "xa.test", "a.test.evil"],
            ),
            ("*.a.test:80", &["x.a.test:80"], &["x.a.test", "a.test:80"]),
            (
                "*",
                &["a.test", "localhost"],
                &["192.0.2.1", "[2001:db8::1]"],
            ),
            ("*:80", &["a.test:80"], &["a.test"]),
            (
                "192.0.2.1",
                &["192.0.2.1", "192.0.2.1:80", "[::ffff:192.0.2.1]"],
                &["192.0.2.2", "a.test"],
            ),
            ("192.0.2.1:80", &["192.0.2.1:80"], &["192.0.2.1"]),
            ("192.0.2.0/24", &["192.0.2.255:1"], &["192.0.3.0", "a.test"]),
            ("2001:db8::1", &["[2001:DB8:0::1]"], &["[2001:db8::2]"]),
            (
                "[2001:db8::1]:80",
                &["[2001:db8::1]:80"],
                &["[2001:db8::1]"],
            ),
            ("2001:db8::/32", &["[2001:db8:1::]"], &["[2001:db9::]"]),
            (
                "192.0.2.0/24:80",
                &["192.0.2.9:80"],
                &["192.0.2.9", "192.0.3.9:80"],
            ),
            (
                "2001:db8::/32:80",
                &["[2001:db8:1::]:80"],
                &["[2001:db8:1::]"],
            ),
            ("[::ffff:192.0.2.1]", &["192.0.2.1"], &["192.0.2.2"]),
        ] {
            let egress = egress(&[pattern], &[]);
            for text in has {
                assert_eq!(by(&egress, text), None, "{pattern} {text}");
            }
            for text in has_not {
                assert_eq!(by(&egress, text), Some(By::Allow), "{pattern} {text}");
            }
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in [
            "",
            ":",
            ":443",
            "a.test:",
            "a.test:0",
            "a.test:65536",
            "a.test:x",
            "a.test:1:2",
            "a..test",
            ".a.test",
            "a.*.test",
            "**",
            "*a.test",
            "*.",
            "*.*.a.test",
            "*.192.0.2.1",
            "*.[::1]",
            "127.1",
            "0x7f000001",
            "2130706433",
            "010.0.0.1",
            "[::1",
            "[::1]x",
            "[a.test]",
            "https://a.test",
            "a.test/",
            "user@a.test",
            "a test",
            "b\u{fc}cher.test",
            "10.0.0.1/8",
            "10.0.0.0/8:",
            "10.0.0.0/8:0",
            "10.0.0.0:443/8",
            "fd00::/8:x",
        ] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
        for text in ["a.test", "*", "*.a.test", "*:80", "", "10.0.0.1/8"] {
            assert!(Pattern::parse_address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn deny_wins_and_what_is_claimed_needs_no_allow() {
        let authority = |text: &str| Authority::parse(text.as_bytes(), None).unwrap();
        let both = egress(&["*.a.test"], &["x.a.test", "*:22"]);
        assert_eq!(by(&both, "y.a.test"), None);
        assert_eq!(by(&both, "x.a.test"), Some(By::Deny));
        assert_eq!(by(&both, "y.a.test:22"), Some(By::Deny));
        assert_eq!(by(&both, "b.test"), Some(By::Allow));
        assert_eq!(both.admit(&authority("b.test:443"), true), Ok(()));
        assert!(both.admit(&authority("x.a.test:443"), true).is_err());
        let only = Egress {
            only_matched: true,
            ..Egress::default()
        };
        assert_eq!(by(&only, "b.test"), Some(By::OnlyMatched));
        assert_eq!(only.admit(&authority("b.test:443"), true), Ok(()));
        let with_allow = Egress {
            only_matched: true,
            ..egress(&["a.test"], &[])
        };
        assert_eq!(by(&with_allow, "a.test"), None);
        assert_eq!(by(&with_allow, "b.test"), Some(By::Allow));
        assert_eq!(by(&Egress::default(), "b.test"), None);
    }

    #[test]
    fn metadata_is_refused_unless_an_address_or_a_network_names_it() {
        let class = Some(Why::Class(Class::LinkLocal));
        for lists in [
            egress(&[], &[]),
            egress(&["*", "meta.test", "*.test"], &[]),
            egress(&["169.254.0.0/24"], &[]),
            egress(&["169.254.169.254:80"], &[]),
        ] {
            assert_eq!(why(&lists, "169.254.169.254"), class);
            assert_eq!(why(&lists, "64:ff9b::169.254.169.254"), class);
        }
        for allow in ["169.254.169.254", "169.254.0.0/16", "169.254.169.254:443"] {
            let egress = egress(&[allow], &[]);
            assert_eq!(why(&egress, "169.254.169.254"), None, "{allow}");
            assert_eq!(why(&egress, "::ffff:169.254.169.254"), None, "{allow}");
            // Another address, which only carries it.
            assert_eq!(why(&egress, "64:ff9b::169.254.169.254"), class, "{allow}");
        }
        let both = egress(&["169.254.0.0/16"], &["169.254.169.254"]);
        assert_eq!(why(&both, "169.254.169.254"), Some(Why::Deny));
        assert_eq!(why(&both, "169.254.1.1"), None);
    }

    #[test]
    fn an_address_that_is_allowed_by_itself_lifts_its_refusals_and_allows_no_host() {
        let lifting = |text: &str| Egress {
            allow_address: vec![Pattern::parse_address(text).unwrap()],
            deny_this_machine: Some(Mode::User),
            ..Egress::default()
        };
        for text in ["169.254.169.254", "169.254.0.0/16", "169.254.169.254:443"] {
            let egress = lifting(text);
            assert_eq!(why(&egress, "169.254.169.254"), None, "{text}");
            assert_eq!(why(&egress, "::ffff:169.254.169.254"), None, "{text}");
            assert!(why(&egress, "64:ff9b::169.254.169.254").is_some(), "{text}");
            assert!(why(&egress, "127.0.0.1").is_some(), "{text}");
            // No list of hosts has begun.
            assert_eq!(by(&egress, "a.test"), None, "{text}");
            assert!(!egress.is_restricted(), "{text}");
        }
        assert_eq!(why(&lifting("127.0.0.0/8:443"), "127.0.0.1"), None);
        assert!(why(&lifting("127.0.0.0/8:80"), "127.0.0.1").is_some());
        let private = Egress {
            deny_private: true,
            ..lifting("10.0.0.1")
        };
        assert_eq!(why(&private, "10.0.0.1"), None);
        assert!(why(&private, "10.0.0.2").is_some());
        let denied = Egress {
            deny: vec![Pattern::parse("10.0.0.1").unwrap()],
            ..lifting("10.0.0.1")
        };
        assert_eq!(why(&denied, "10.0.0.1"), Some(Why::Deny));
        // Hosts that are listed stay the only ones.
        let listed = Egress {
            allow: vec![Pattern::parse("a.test").unwrap()],
            ..lifting("10.0.0.1")
        };
        assert_eq!(by(&listed, "10.0.0.1"), Some(By::Allow));
    }

    #[test]
    fn nobody_is_lent_an_identity_on_this_machine() {
        for mode in [Mode::User, Mode::Serve] {
            let lending = |allow: &[&str]| Egress {
                deny_this_machine: Some(mode),
                ..egress(allow, &[])
            };
            for (ip, class) in [
                ("127.0.0.1", Class::Loopback),
                ("127.9.9.9", Class::Loopback),
                ("::1", Class::Loopback),
                ("::ffff:127.0.0.1", Class::Loopback),
                ("64:ff9b::127.0.0.1", Class::Loopback),
                ("0.0.0.0", Class::Unspecified),
                ("::", Class::Unspecified),
            ] {
                let refused = Some(Why::ThisMachine(class, mode));
                assert_eq!(why(&lending(&[]), ip), refused, "{ip}");
                assert_eq!(why(&lending(&["*"]), ip), refused, "{ip}");
                assert_eq!(why(&egress(&[], &[]), ip), None, "{ip}");
            }
            assert_eq!(why(&lending(&["127.0.0.1"]), "127.0.0.1"), None);
            assert_eq!(why(&lending(&[]), "192.0.2.1"), None);
            // Tokens are asked for where a definition says, over TLS: the child has no say in it.
            let loopback = SocketAddr::from(([127, 0, 0, 1], 443));
            assert_eq!(lending(&[]).prohibits(loopback, Asker::Authsome), None);
        }
    }

    #[test]
    fn a_denied_address_is_denied_in_every_form() {
        let denying = egress(&[], &["192.0.2.0/24", "198.51.100.1:443"]);
        for ip in [
            "192.0.2.9",
            "::ffff:192.0.2.9",
            "::192.0.2.9",
            "64:ff9b::192.0.2.9",
            "2002:c000:209::1",
            "198.51.100.1",
        ] {
            assert_eq!(why(&denying, ip), Some(Why::Deny), "{ip}");
        }
        assert_eq!(why(&denying, "192.0.3.9"), None);
        let mapped = egress(&[], &["[::ffff:192.0.2.0]/120"]);
        for ip in ["192.0.2.9", "::ffff:192.0.2.9"] {
            assert_eq!(why(&mapped, ip), Some(Why::Deny), "{ip}");
        }
        // Whoever connects to no address connects to loopback.
        let loopback = egress(&[], &["127.0.0.1", "::1"]);
        for ip in ["0.0.0.0", "::", "::ffff:0.0.0.0", "127.0.0.1", "::1"] {
            assert_eq!(why(&loopback, ip), Some(Why::Deny), "{ip}");
        }
        assert_eq!(why(&egress(&[], &["::1"]), "0.0.0.0"), None);
        let name = egress(&[], &["a.test", "*"]);
        assert_eq!(why(&name, "192.0.2.9"), None);
    }

    #[test]
    fn private_addresses_are_refused_where_that_is_asked_for() {
        let private = |allow: &[&str]| Egress {
            deny_private: true,
            ..egress(allow, &[])
        };
        for (ip, class) in [
            ("127.0.0.1", Class::Loopback),
            ("::1", Class::Loopback),
            ("0.0.0.0", Class::Unspecified),
            ("10.0.0.1", Class::Private),
            ("fd12::1", Class::Private),
            ("100.64.0.1", Class::Shared),
            ("::ffff:192.168.0.1", Class::Private),
        ] {
            assert_eq!(why(&egress(&[], &[]), ip), None, "{ip}");
            assert_eq!(why(&private(&[]), ip), Some(Why::Private(class)), "{ip}");
            assert_eq!(
                why(&private(&["*"]), ip),
                Some(Why::Private(class)),
                "{ip} *"
            );
            let lifted = private(&[&format!("{ip}/{}", if ip.contains(':') { 128 } else { 32 })]);
            assert_eq!(why(&lifted, ip), None, "{ip} lifted");
        }
        assert_eq!(why(&private(&[]), "8.8.8.8"), None);
        let link = Some(Why::Class(Class::LinkLocal));
        assert_eq!(why(&private(&[]), "fe80::1"), link);
    }

    #[test]
    fn our_own_connections_are_kept_from_metadata_only() {
        let all = Egress {
            deny_private: true,
            ..egress(&[], &["192.0.2.1", "10.0.0.1"])
        };
        let own = |ip: &str| {
            let address = SocketAddr::new(ip.parse().unwrap(), 443);
            all.prohibits(address, Asker::Authsome).is_some()
        };
        assert!(!own("192.0.2.1") && !own("10.0.0.1") && !own("127.0.0.1"));
        assert!(own("169.254.169.254") && own("fd00:ec2::254"));
    }

    #[test]
    fn what_an_upstream_proxy_resolves_is_judged_as_far_as_it_can_be() {
        let all = Egress {
            deny_private: true,
            ..Egress::default()
        };
        let refused = |egress: &Egress, text: &str| {
            let authority = Authority::parse(text.as_bytes(), Some(443)).unwrap();
            let found = egress.prohibits_unresolved(&authority, Asker::Child);
            found.is_some()
        };
        assert!(refused(&all, "10.0.0.1") && refused(&all, "[::1]"));
        assert!(refused(&all, "localhost") && refused(&all, "x.localhost"));
        assert!(!refused(&all, "a.test") && !refused(&all, "8.8.8.8"));
        let default = Egress::default();
        assert!(refused(&default, "169.254.169.254") && !refused(&default, "localhost"));
    }
}
