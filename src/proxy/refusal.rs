//! Every answer that the proxy gives by itself: status, Proxy-Status (RFC 9209) and a JSON body, all in one table.

use serde::Serialize;

use crate::http1;
use crate::http1::head::write_field;
use crate::source;
use crate::upstream;
use crate::upstream::Kind;

/// Why the proxy answers instead of the origin.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The request could be read in two ways, or not at all.
    Malformed(http1::Error),
    /// The request doesn't say where it is for, or says two things.
    Target(&'static str),
    /// Its head did not come in time.
    HeadTimeout,
    /// It is for a scheme that isn't http or https.
    Scheme,
    /// Servers could read its path in ways that meet different routes.
    AmbiguousPath,
    /// TRACE would have the origin send the credential back (RFC 9110 section 9.3.8).
    Trace(String),
    /// The provider's credential can't be had.
    NoCredential {
        /// Which connection's.
        label: String,
        /// Why, without anything that its source gave.
        why: String,
    },
    /// The origin can't be reached, or not be trusted.
    Upstream(upstream::Error),
    /// The origin's answer could be read in two ways, or not at all.
    BadResponse(http1::Error),
    /// The origin ended the connection before it answered.
    NoResponse,
    /// The origin changed to a protocol that nobody asked for.
    Upgrade,
    /// The origin did not answer in time.
    ResponseTimeout,
    /// There are as many connections as there may be.
    TooManyConnections,
    /// Something that should not happen.
    Internal(&'static str),
}

/// What a client reads.
struct Answer {
    /// The status.
    status: u16,
    /// The error type of RFC 9209.
    token: &'static str,
    /// What failed.
    error: String,
    /// What to do.
    hint: String,
}

/// The body.
#[derive(Serialize)]
struct Body<'a> {
    /// What failed.
    error: &'a str,
    /// Whose credential it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'a str>,
    /// What to do.
    hint: &'a str,
}

impl Refusal {
    /// A credential that can't be had.
    pub(crate) fn no_credential(label: String, error: &source::Error) -> Self {
        Self::NoCredential {
            label,
            why: error.to_string(),
        }
    }

    /// The table.
    fn answer(&self) -> Answer {
        let answer = |status, token, error: String, hint: &str| Answer {
            status,
            token,
            error,
            hint: hint.to_owned(),
        };
        match self {
            Self::Malformed(error) => malformed(*error),
            Self::Target(why) => answer(
                400,
                "http_request_error",
                (*why).to_owned(),
                "this is an HTTP proxy: send an absolute-form target, or CONNECT host:port",
            ),
            Self::HeadTimeout => answer(
                408,
                "http_request_error",
                "the request's head did not come within 30 s".into(),
                "send the request again",
            ),
            Self::Scheme => answer(
                501,
                "http_request_error",
                "the scheme is neither http nor https".into(),
                "use https",
            ),
            Self::AmbiguousPath => answer(
                400,
                "http_request_denied",
                "servers differ about what this path means, and routes differ with it".into(),
                "write the path without encoded slashes, empty segments and dot segments",
            ),
            Self::Trace(_) => answer(
                405,
                "http_request_denied",
                "TRACE to a host that gets a credential is refused".into(),
                "use another method",
            ),
            Self::NoCredential { label, why } => answer(
                502,
                "proxy_configuration_error",
                format!("no credential for {label}: {why}"),
                "mend the credential's source; the request was not sent",
            ),
            Self::Upstream(error) => {
                let status = if error.kind.is_timeout() { 504 } else { 502 };
                answer(
                    status,
                    error.kind.token(),
                    error.text.clone(),
                    upstream_hint(error.kind),
                )
            }
            Self::BadResponse(error) => answer(
                502,
                "http_protocol_error",
                format!("the origin's answer is malformed: {error}"),
                "this is a fault of the origin, or of something between",
            ),
            Self::NoResponse => answer(
                502,
                "connection_terminated",
                "the origin ended the connection before it answered".into(),
                "send the request again if it can be repeated",
            ),
            Self::Upgrade => answer(
                502,
                "http_upgrade_failed",
                "the origin changed to a protocol that was not asked for".into(),
                "this is a fault of the origin",
            ),
            Self::ResponseTimeout => answer(
                504,
                "http_response_timeout",
                "the origin did not answer in time".into(),
                "raise --upstream-timeout if it needs longer",
            ),
            Self::TooManyConnections => answer(
                503,
                "connection_limit_reached",
                "too many connections".into(),
                "close some, or raise --max-connections",
            ),
            Self::Internal(what) => answer(
                500,
                "proxy_internal_error",
                (*what).to_owned(),
                "please report this",
            ),
        }
    }

    /// The provider that the answer is about.
    fn provider(&self) -> Option<&str> {
        match self {
            Self::Trace(label) | Self::NoCredential { label, .. } => Some(label),
            _ => None,
        }
    }

    /// The status.
    pub(crate) fn status(&self) -> u16 {
        self.answer().status
    }

    /// What failed, for the person's log.
    pub(crate) fn text(&self) -> String {
        self.answer().error
    }

    /// Writes the whole answer. `close` says that the connection ends with it, `with_body` that the request's method lets
    /// the answer have one.
    pub(crate) fn write(&self, close: bool, with_body: bool, out: &mut Vec<u8>) {
        let answer = self.answer();
        let body = Body {
            error: &answer.error,
            provider: self.provider(),
            hint: &answer.hint,
        };
        let mut body = serde_json::to_vec(&body).unwrap_or_default();
        body.push(b'\n');
        let line = format!("HTTP/1.1 {} {}\r\n", answer.status, reason(answer.status));
        out.extend_from_slice(line.as_bytes());
        let status = format!("authsome; error={}", answer.token);
        write_field(out, b"Proxy-Status", status.as_bytes());
        write_field(out, b"Content-Type", b"application/json");
        write_field(out, b"Content-Length", body.len().to_string().as_bytes());
        write_field(out, b"Cache-Control", b"no-store");
        if close {
            write_field(out, b"Connection", b"close");
        }
        out.extend_from_slice(b"\r\n");
        if with_body {
            out.extend_from_slice(&body);
        }
    }
}

/// The answer to a malformed request.
fn malformed(error: http1::Error) -> Answer {
    let status = match error {
        http1::Error::HeadTooLarge
        | http1::Error::TooManyFields
        | http1::Error::TrailerTooLarge => 431,
        http1::Error::TargetTooLong => 414,
        http1::Error::Version => 505,
        _ => 400,
    };
    Answer {
        status,
        token: "http_request_error",
        error: format!("the request is malformed: {error}"),
        hint: "nothing of it was sent on".into(),
    }
}

/// What to do when the origin can't be reached.
fn upstream_hint(kind: Kind) -> &'static str {
    match kind {
        Kind::DnsError | Kind::DnsTimeout => "check the host's name and this machine's resolver",
        Kind::Refused | Kind::Timeout | Kind::Unavailable | Kind::Terminated => {
            "check that the host is up and can be reached from here"
        }
        Kind::Certificate => "the request was not sent; verification can't be turned off",
        Kind::Alert | Kind::TlsProtocol => "the request was not sent; is this a TLS server?",
        Kind::Loop => "send requests to the host that they are for",
        Kind::Via => "check the proxy variables that authsome was started with",
    }
}

/// The reason phrase of a status that we send.
fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        414 => "URI Too Long",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_and_says_what_to_do() {
        let refusal = Refusal::NoCredential {
            label: "openai".into(),
            why: "cannot read \"/x\"".into(),
        };
        let mut out = Vec::new();
        refusal.write(true, true, &mut out);
        let text = String::from_utf8(out).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 502 Bad Gateway\r\n"));
        assert!(head.contains("Proxy-Status: authsome; error=proxy_configuration_error"));
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
        assert!(head.contains("Connection: close"));
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["provider"], "openai");
        assert_eq!(
            body["error"],
            "no credential for openai: cannot read \"/x\""
        );
        assert!(body["hint"].is_string());
    }

    #[test]
    fn the_answer_to_head_has_no_body() {
        let mut out = Vec::new();
        Refusal::NoResponse.write(false, false, &mut out);
        assert!(out.ends_with(b"\r\n\r\n"));
    }

    #[test]
    fn sizes_have_statuses_of_their_own() {
        let status = |error| Refusal::Malformed(error).status();
        assert_eq!(status(http1::Error::HeadTooLarge), 431);
        assert_eq!(status(http1::Error::TargetTooLong), 414);
        assert_eq!(status(http1::Error::Version), 505);
        assert_eq!(status(http1::Error::BothLengths), 400);
    }
}
