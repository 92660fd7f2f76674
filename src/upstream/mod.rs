//! Reaching origins: addresses, upstream proxies, verified TLS, and connections kept for the next request.

pub(crate) mod address;
mod causes;
pub(crate) mod connect_to;
pub(crate) mod dial;
pub(crate) mod egress;
pub(crate) mod fetch;
mod habit;
mod happy_eyeballs;
mod http_tunnel;
mod lookups;
pub(crate) mod pool;
mod questions;
mod resolution;
mod socks;
mod tls_failure;
pub(crate) mod via;

use std::fmt;
use std::io;

/// Why an origin was not reached. Each kind is one of RFC 9209's, section 2.3.
#[derive(Clone, Debug)]
pub(crate) struct Error {
    /// Its kind.
    pub(crate) kind: Kind,
    /// What to tell: host names and reasons, nothing that was sent.
    pub(crate) text: String,
}

/// The kinds of failure, in the words of RFC 9209.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The name has no address, or can't be resolved.
    DnsError,
    /// Resolving took too long.
    DnsTimeout,
    /// The origin refused the connection.
    Refused,
    /// It did not answer in time.
    Timeout,
    /// It can't be reached for another reason.
    Unavailable,
    /// It ended the connection while it was being set up.
    Terminated,
    /// Its certificate was not good.
    Certificate,
    /// It sent a TLS alert.
    Alert,
    /// The origin's alert says that both sides share no TLS parameters.
    Mismatch,
    /// It broke the TLS protocol, or speaks none.
    TlsProtocol,
    /// The connection would lead back to ourselves.
    Loop,
    /// The upstream proxy did not let us through.
    Via,
    /// The address may not be connected to.
    Prohibited,
}

impl Kind {
    /// Its word in a Proxy-Status field.
    pub(crate) fn token(self) -> &'static str {
        match self {
            Self::DnsError => "dns_error",
            Self::DnsTimeout => "dns_timeout",
            Self::Refused => "connection_refused",
            Self::Timeout => "connection_timeout",
            Self::Unavailable | Self::Via => "destination_unavailable",
            Self::Terminated => "connection_terminated",
            Self::Certificate => "tls_certificate_error",
            Self::Alert | Self::Mismatch => "tls_alert_received",
            Self::TlsProtocol => "tls_protocol_error",
            Self::Loop => "proxy_loop_detected",
            Self::Prohibited => "destination_ip_prohibited",
        }
    }

    /// Returns whether the failure is one of TLS.
    pub(crate) fn is_tls(self) -> bool {
        matches!(
            self,
            Self::Certificate | Self::Alert | Self::Mismatch | Self::TlsProtocol
        )
    }

    /// Whether the failure is that of a time limit.
    pub(crate) fn is_timeout(self) -> bool {
        matches!(self, Self::Timeout | Self::DnsTimeout)
    }
}

impl Error {
    /// A failure of this kind.
    pub(crate) fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
        }
    }

    /// What connecting to `what` failed with.
    fn of_connect(what: &str, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => {
                Self::new(Kind::Refused, format!("{what} refused the connection"))
            }
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                Self::new(Kind::Timeout, format!("{what} did not answer in time"))
            }
            _ => Self::new(
                Kind::Unavailable,
                format!("{what} can't be reached: {error}"),
            ),
        }
    }

    /// Returns the error for an origin that wants a client certificate.
    pub(crate) fn of_client_certificate(origin: &str) -> Self {
        let text = format!(
            "{origin} wants a certificate of its client, and authsome has none; with `--blind {origin}` the program's own connection goes there as it is, without the credential"
        );
        Self::new(Kind::Alert, text)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
