//! Where a proxy listens, as a person writes it.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// This address.
    One(SocketAddr),
    /// All addresses of this machine, of both families where it has both.
    All(u16),
}

impl Address {
    /// Reads `127.0.0.1:8080`, `[::1]:8080` or `:8080`; `None` for anything else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix(':') {
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                port.parse().ok().map(Self::All)
            }
            Some(_) => None,
            None => text.parse().ok().map(Self::One),
        }
    }

    /// Those to listen on, each where the ones before are of a family that this machine doesn't have.
    pub(super) fn to_listen_on(self) -> Vec<SocketAddr> {
        match self {
            Self::One(address) => vec![address],
            Self::All(port) => vec![
                (Ipv6Addr::UNSPECIFIED, port).into(),
                (Ipv4Addr::UNSPECIFIED, port).into(),
            ],
        }
    }

    /// Where somebody on this machine reaches who listens there.
    pub(super) fn to_ask(self) -> SocketAddr {
        match self {
            Self::All(port) => (Ipv4Addr::LOCALHOST, port).into(),
            Self::One(address) if address.ip().is_unspecified() => {
                let ip: IpAddr = match address {
                    SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                    SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
                };
                (ip, address.port()).into()
            }
            Self::One(address) => address,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_asked_where_they_can_be_reached() {
        for (text, asked) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080"),
            ("[fd00::1]:0", "[fd00::1]:0"),
            (":8080", "127.0.0.1:8080"),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.to_ask(), asked.parse().unwrap(), "{text}");
        }
        assert_eq!(Address::parse(":1").unwrap().to_listen_on().len(), 2);
        for text in [
            "",
            ":",
            "8080",
            "x",
            "localhost:8080",
            "127.0.0.1",
            "::1:8080",
            "[::1]",
            ":+1",
            ":65536",
            "127.0.0.1:65536",
            "http://127.0.0.1:1",
            "127.0.0.1:1/",
        ] {
            assert_eq!(Address::parse(text), None, "{text}");
        }
    }
}
