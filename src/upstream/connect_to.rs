//! `--connect-to`: where the person has connections for some authorities go.

use std::net::IpAddr;
use std::net::SocketAddr;

use crate::url::Authority;
use crate::url::Host;

/// `--connect-to HOST:PORT:ADDR:PORT`, as curl has it: empty parts match, or keep, anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectTo {
    /// The host that is asked for.
    from_host: Option<Host>,
    /// The port that is asked for.
    from_port: Option<u16>,
    /// The host to connect to instead.
    to_host: Option<Host>,
    /// The port to connect to instead.
    to_port: Option<u16>,
    /// Whether the upstream proxy is passed over.
    is_direct: bool,
}

/// Where a rule sends connections.
#[derive(Debug)]
pub(super) struct Destination {
    /// The host and the port to connect to.
    pub(super) authority: Authority,
    /// Whether the rule names the address itself.
    pub(super) is_address: bool,
    /// Whether the upstream proxy is passed over.
    pub(super) is_direct: bool,
}

impl ConnectTo {
    /// Makes a rule for an origin that authsome itself serves. No upstream proxy leads there: its loopback is another machine's.
    pub(crate) fn own_origin(from: Authority, to: SocketAddr) -> Option<Self> {
        let address = match to.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        Some(Self {
            from_host: Some(from.host),
            from_port: Some(from.port),
            to_host: Some(Host::parse(address.as_bytes()).ok()?),
            to_port: Some(to.port()),
            is_direct: true,
        })
    }

    /// Reads the option's value; `None` when it isn't of that form.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (from_host, rest) = split_host(text)?;
        let (from_port, rest) = rest.split_once(':')?;
        let (to_host, to_port) = split_host(rest)?;
        let port = |text: &str| match text {
            "" => Some(None),
            text => Authority::parse(format!("x:{text}").as_bytes(), None)
                .ok()
                .map(|a| Some(a.port)),
        };
        let host = |text: &str| match text {
            "" => Some(None),
            text => Host::parse(text.as_bytes()).ok().map(Some),
        };
        Some(Self {
            from_host: host(from_host)?,
            from_port: port(from_port)?,
            to_host: host(to_host)?,
            to_port: port(to_port)?,
            is_direct: false,
        })
    }

    /// Returns where a connection for `authority` goes, if the rule is for it.
    pub(super) fn apply(&self, authority: &Authority) -> Option<Destination> {
        let applies = self
            .from_host
            .as_ref()
            .is_none_or(|host| *host == authority.host)
            && self.from_port.is_none_or(|port| port == authority.port);
        applies.then(|| {
            let target = Authority {
                host: self.to_host.as_ref().unwrap_or(&authority.host).clone(),
                port: self.to_port.unwrap_or(authority.port),
            };
            let is_address = self
                .to_host
                .as_ref()
                .is_some_and(|host| host.ip().is_some());
            Destination {
                authority: target,
                is_address,
                is_direct: self.is_direct,
            }
        })
    }
}

/// The text before a colon, brackets kept whole, and the text behind it.
fn split_host(text: &str) -> Option<(&str, &str)> {
    let start = if text.starts_with('[') {
        text.find(']')?
    } else {
        0
    };
    let colon = start + text.get(start..)?.find(':')?;
    Some((text.get(..colon)?, text.get(colon + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a rule sends an authority.
    fn apply(rule: &str, authority: &str) -> Option<String> {
        let authority = Authority::parse(authority.as_bytes(), None).unwrap();
        ConnectTo::parse(rule)
            .unwrap()
            .apply(&authority)
            .map(|found| found.authority.to_string())
    }

    #[test]
    fn connect_to_reads_as_curls_does() {
        assert_eq!(
            apply("a.com:443:127.0.0.1:8443", "a.com:443").as_deref(),
            Some("127.0.0.1:8443")
        );
        assert_eq!(apply("a.com:443:127.0.0.1:8443", "a.com:80"), None);
        assert_eq!(apply("::b.com:", "a.com:443").as_deref(), Some("b.com:443"));
        assert_eq!(
            apply("a.com::[::1]:", "a.com:5").as_deref(),
            Some("[::1]:5")
        );
        assert_eq!(apply(":::1", "a.com:5").as_deref(), Some("a.com:1"));
        for bad in [
            "",
            "a",
            "a:1",
            "a:1:b",
            "a:x:b:1",
            "a:1:b:70000",
            "a b:1:c:1",
            "[::1:1:b:1",
        ] {
            assert_eq!(ConnectTo::parse(bad), None, "{bad}");
        }
    }
    #[test]
    fn only_an_address_that_the_rule_says_is_the_person_s() {
        let is_address = |rule: &str| {
            let authority = Authority::parse(b"192.0.2.1:443", None).unwrap();
            ConnectTo::parse(rule)
                .unwrap()
                .apply(&authority)
                .unwrap()
                .is_address
        };
        assert!(is_address("::127.0.0.1:"));
        assert!(is_address("::[::1]:80"));
        assert!(!is_address("::a.test:"));
        assert!(!is_address(":::80"));
    }
}
