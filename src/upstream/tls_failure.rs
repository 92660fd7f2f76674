//! Failures of TLS with an origin: the cause, and what to do about it.

use std::io;

use rustls::AlertDescription;
use rustls::CertificateError;
use rustls::PeerIncompatible;

use super::Error;
use super::Kind;
use crate::clock;
use crate::encoding;
use crate::tls::verifier::Fault;
use crate::wire;

/// What the origin must have at the least, where it doesn't say what it lacks.
const NEEDED: &str = "authsome needs TLS 1.3, or TLS 1.2 with ECDHE and AES-GCM or ChaCha20, and one of the curves X25519, P-256 and P-384";

/// Names of a certificate that an error repeats, at the most.
const MAX_NAMES: usize = 4;

/// Ways to sign a certificate that can't be verified: the end of the algorithm's identifier (RFC 3279 section 2.2, RFC 5758 section 3.2),
/// and what it is called.
const UNVERIFIED: [(&[u8], &str); 4] = [
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04", "MD5"),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05", "SHA-1"),
    (b"\x2a\x86\x48\xce\x3d\x04\x01", "SHA-1"),
    (
        b"\x2a\x86\x48\xce\x3d\x04\x03\x04",
        "ECDSA and SHA-512, as with a P-521 key",
    ),
];

/// Returns the error for a failed TLS handshake with `host`.
pub(super) fn of_handshake(host: &str, error: &io::Error) -> Error {
    let Some(failure) = wire::tls_failure(error) else {
        return match error.kind() {
            io::ErrorKind::TimedOut => Error::new(
                Kind::Timeout,
                format!("the TLS handshake with {host} took too long"),
            ),
            _ => Error::new(
                Kind::Terminated,
                format!("{host} ended the connection before TLS was set up"),
            ),
        };
    };
    match failure {
        rustls::Error::InvalidCertificate(why) => {
            let why = of_certificate(why);
            let text = format!("the certificate of {host} {why}");
            Error::new(Kind::Certificate, text)
        }
        rustls::Error::AlertReceived(alert) => of_alert(host, *alert),
        rustls::Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => {
            let text = format!("TLS with {host} failed: {VERSION}");
            Error::new(Kind::TlsProtocol, text)
        }
        rustls::Error::PeerIncompatible(why) => {
            let text = format!("TLS with {host} failed: {why:?}; {NEEDED}");
            Error::new(Kind::TlsProtocol, text)
        }
        rustls::Error::InvalidMessage(_) => {
            let text = format!("{host} does not answer in TLS (is its port for plain http?)");
            Error::new(Kind::TlsProtocol, text)
        }
        why => Error::new(Kind::TlsProtocol, format!("TLS with {host} failed: {why}")),
    }
}

/// Cause and remedy where an origin's TLS is too old.
const VERSION: &str = "the origin must offer TLS 1.2 or 1.3 (older versions are not safe)";

/// Returns the error for an alert of `host`.
fn of_alert(host: &str, alert: AlertDescription) -> Error {
    let ended = format!("{host} ended the TLS handshake ({alert:?})");
    match alert {
        AlertDescription::ProtocolVersion => Error::new(Kind::Alert, format!("{ended}: {VERSION}")),
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => Error::new(
            Kind::Mismatch,
            format!("{ended}: it shares no cipher suite or curve with authsome; {NEEDED}"),
        ),
        AlertDescription::UnrecognisedName => {
            Error::new(Kind::Alert, format!("{ended}: it serves no such name"))
        }
        AlertDescription::CertificateRequired => Error::of_client_certificate(host),
        _ => Error::new(Kind::Alert, ended),
    }
}

/// Returns which check a certificate did not pass, as the end of a sentence.
fn of_certificate(error: &CertificateError) -> String {
    let at = |time: &rustls::pki_types::UnixTime| clock::rfc3339(time.as_secs());
    match error {
        CertificateError::ExpiredContext { not_after, .. } => format!(
            "has expired, at {} (renew it; is this machine's clock right?)",
            at(not_after)
        ),
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "is not valid yet, before {} (is this machine's clock right?)",
            at(not_before)
        ),
        CertificateError::NotValidForNameContext { presented, .. } => of_names(presented),
        CertificateError::UnknownIssuer => {
            "leads to no trusted root (a private one can be given with --upstream-ca)".into()
        }
        CertificateError::Revoked => "is revoked".into(),
        CertificateError::BadSignature => "has a bad signature".into(),
        CertificateError::InvalidPurposeContext { .. } => {
            "is not for servers (its extendedKeyUsage must have serverAuth)".into()
        }
        CertificateError::BadEncoding => "is malformed".into(),
        CertificateError::UnsupportedSignatureAlgorithmContext {
            signature_algorithm_id: id,
            ..
        } => {
            let mut known = UNVERIFIED.iter();
            let known = known.find(|(end, _)| id.ends_with(end));
            let how = known.map_or("an algorithm that is not known here", |(_, name)| name);
            format!(
                "is signed by {how}, which authsome can't verify (sign it by SHA-256 and RSA of 2048 bits or more, P-256, P-384 or Ed25519)"
            )
        }
        CertificateError::Other(other) => match other.0.downcast_ref::<Fault>() {
            Some(fault) => fault.to_string(),
            None => format!("was not accepted: {other}"),
        },
        other => format!("was not accepted: {other}"),
    }
}

/// Returns the names that a certificate is for; `presented` has webpki's form: `DnsName("a.test")` or `IpAddress(192.0.2.7)`.
fn of_names(presented: &[String]) -> String {
    if presented.is_empty() {
        return "is for no host: it has no subjectAltName (its CN doesn't count)".to_owned();
    }
    let names: Vec<String> = presented
        .iter()
        .take(MAX_NAMES)
        .map(|name| {
            let inner = name
                .split_once('(')
                .map_or(name.as_str(), |(_, inner)| inner);
            let bare = inner.trim_end_matches(')').trim_matches('"');
            encoding::printable(bare.as_bytes(), 100)
        })
        .collect();
    let more = match presented.len().saturating_sub(MAX_NAMES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("is for another name: {}{more}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use rustls::Error as Tls;
    use rustls::pki_types::ServerName;
    use rustls::pki_types::UnixTime;

    use super::*;

    /// Returns the error text of a failure.
    fn text_of(error: Tls) -> String {
        of_handshake("a.test", &io::Error::new(io::ErrorKind::InvalidData, error)).text
    }

    /// Checks that the error text of each failure has these words, the host, and nothing that a terminal would obey.
    fn check<const N: usize>(failures: [(Tls, &str); N]) {
        for (error, words) in failures {
            let text = text_of(error);
            assert!(text.contains("a.test") && text.contains(words), "{text}");
            let is_printable = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
            assert!(text.bytes().all(is_printable), "{text}");
        }
    }

    #[test]
    fn each_fault_of_a_certificate_has_its_cause_and_a_remedy() {
        let at = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let presented = |names: &[&str]| CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("a.test").unwrap(),
            presented: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        let signed = |id: &[u8]| CertificateError::UnsupportedSignatureAlgorithmContext {
            signature_algorithm_id: id.to_vec(),
            supported_algorithms: Vec::new(),
        };
        let expired = CertificateError::ExpiredContext {
            time: at(1),
            not_after: at(0),
        };
        let early = CertificateError::NotValidYetContext {
            time: at(0),
            not_before: at(86_400),
        };
        let two = ["DnsName(\"b.test\")", "IpAddress(192.0.2.7)"];
        let six = ["DnsName(\"b\u{1b}[2J\")"; 6];
        check([
            (Tls::from(expired), "expired, at 1970-01-01T00:00:00Z"),
            (early.into(), "before 1970-01-02T00:00:00Z (is this"),
            (presented(&[]).into(), "no subjectAltName"),
            (presented(&two).into(), "another name: b.test, 192.0.2.7"),
            (presented(&six).into(), "b\\x1b[2J and 2 more"),
            (signed(UNVERIFIED[1].0).into(), "signed by SHA-1"),
            (signed(UNVERIFIED[3].0).into(), "P-521"),
            (signed(b"").into(), "not known here"),
            (CertificateError::UnknownIssuer.into(), "--upstream-ca"),
        ]);
    }

    #[test]
    fn each_failure_of_a_handshake_has_its_cause_and_a_remedy() {
        let alert = Tls::AlertReceived;
        check([
            (alert(AlertDescription::ProtocolVersion), "1.2 or 1.3"),
            (alert(AlertDescription::HandshakeFailure), "ECDHE"),
            (alert(AlertDescription::CertificateRequired), "its client"),
            (alert(AlertDescription::InternalError), "InternalError"),
            (
                PeerIncompatible::ServerDoesNotSupportTls12Or13.into(),
                "1.2 or 1.3",
            ),
            (PeerIncompatible::NoCipherSuitesInCommon.into(), "ECDHE"),
        ]);
    }
}
