//! Every answer that the proxy gives by itself: status, Proxy-Status (RFC 9209) and a JSON body, in one table.

use std::time::Duration;

use serde::Serialize;

use crate::broker;
use crate::http1;
use crate::http1::head::write_field;
use crate::provider::policy;
use crate::upstream;
use crate::upstream::Kind;
use crate::upstream::egress;

/// Most characters of a reason phrase.
const MAX_REASON: usize = 256;

/// Why the proxy answers instead of the origin.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The request could be read in two ways, or not at all.
    Malformed(http1::Error),
    /// A method that servers which fold case would read as another.
    Method,
    /// The request doesn't say where it is for, or says two things.
    Target(&'static str),
    /// It has not the proxy's password.
    Password,
    /// Its head did not come within this time.
    HeadTimeout(Duration),
    /// It is for a scheme that isn't http or https.
    Scheme,
    /// Servers could read its path in ways that meet different routes.
    AmbiguousPath,
    /// The child may not go to this host.
    Egress(egress::Refused),
    /// Rules keep the request from the credential.
    Rules {
        /// Which connection's.
        label: String,
        /// Why.
        why: policy::Denied,
        /// Whether the request is for a service of AWS. Clients of these take a 403 for credentials that have expired, and some send the
        /// request again for minutes without a word; they show a 400 at once.
        is_aws: bool,
    },
    /// Content came with a method other than POST, PUT and PATCH, and rules apply to the request.
    Content {
        /// The connection whose rules apply.
        label: String,
    },
    /// `Expect` asks for something other than `100-continue` (RFC 9110 section 10.1.1).
    Expectation,
    /// TRACE would have the credential sent back (RFC 9110 section 9.3.8): the connection's, or an upstream proxy's password.
    Trace(Option<String>),
    /// A TRACE that may not be passed on any more: the echo would be this proxy's.
    TraceHere,
    /// The provider's credential can't be had.
    NoCredential {
        /// Which connection's.
        label: String,
        /// Why, without anything that its source gave.
        why: String,
        /// Whether asking again can't help.
        is_lasting: bool,
    },
    /// The origin can't be reached, or not be trusted.
    Upstream(upstream::Error),
    /// The origin's answer could be read in two ways, or not at all.
    BadResponse(http1::Error),
    /// The origin ended the connection before it answered.
    NoResponse,
    /// The origin changed to a protocol that nobody asked for.
    Upgrade,
    /// The origin did not begin its answer within the time that the user set.
    ResponseTimeout(Duration),
    /// The origin vanished: it acknowledges nothing any more.
    Lost,
    /// There are as many connections as there may be.
    TooManyConnections,
    /// Something that should not happen.
    Internal(&'static str),
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
    /// Both, and who says so: GitHub's CLI, Octokit and boto show this member and nothing else.
    message: String,
}

impl Refusal {
    /// A credential that can't be had.
    pub(crate) fn no_credential(label: String, error: &broker::Error) -> Self {
        Self::NoCredential {
            label,
            why: error.brief(),
            is_lasting: !matches!(error, broker::Error::Refresh(_)),
        }
    }

    /// A request that the rules of a connection's definition keep from its credential at this host.
    pub(crate) fn rules(label: String, why: policy::Denied, host: &str) -> Self {
        let is_aws = host.ends_with(".amazonaws.com");
        Self::Rules { label, why, is_aws }
    }

    /// Returns whether the request should not be sent again: it would be refused again however soon, or the origin is still at work on
    /// it, and would do it twice.
    fn is_lasting(&self) -> bool {
        match self {
            Self::NoCredential { is_lasting, .. } => *is_lasting,
            Self::Upstream(error) => matches!(
                error.kind,
                Kind::Certificate | Kind::Loop | Kind::Prohibited | Kind::TlsProtocol
            ),
            Self::HeadTimeout(_)
            | Self::NoResponse
            | Self::BadResponse(_)
            | Self::Upgrade
            | Self::Lost
            | Self::TooManyConnections
            | Self::Internal(_) => false,
            _ => true,
        }
    }

    /// Status and error type (RFC 9209 section 2.3).
    fn kind(&self) -> (u16, &'static str) {
        match self {
            Self::Malformed(error) => (malformed_status(*error), "http_request_error"),
            Self::Target(_) | Self::Method => (400, "http_request_error"),
            Self::Password => (407, "http_request_denied"),
            Self::HeadTimeout(_) => (408, "http_request_error"),
            Self::Scheme => (501, "http_request_error"),
            Self::AmbiguousPath | Self::Content { .. } => (400, "http_request_denied"),
            Self::Expectation => (417, "http_request_error"),
            Self::Rules { is_aws: true, .. } => (400, "http_request_denied"),
            Self::Egress(_) | Self::Rules { .. } => (403, "http_request_denied"),
            Self::Trace(_) | Self::TraceHere => (405, "http_request_denied"),
            Self::NoCredential { .. } => (502, "proxy_configuration_error"),
            Self::Upstream(error) if error.kind.is_timeout() => (504, error.kind.token()),
            Self::Upstream(error) if error.kind == Kind::Prohibited => (403, error.kind.token()),
            Self::Upstream(error) => (502, error.kind.token()),
            Self::BadResponse(_) => (502, "http_protocol_error"),
            Self::NoResponse => (502, "connection_terminated"),
            Self::Upgrade => (502, "http_upgrade_failed"),
            Self::ResponseTimeout(_) => (504, "http_response_timeout"),
            Self::Lost => (504, "connection_read_timeout"),
            Self::TooManyConnections => (503, "connection_limit_reached"),
            Self::Internal(_) => (500, "proxy_internal_error"),
        }
    }

    /// What failed.
    pub(crate) fn text(&self) -> String {
        let fixed = match self {
            Self::Malformed(error) => return format!("the request is malformed: {error}"),
            Self::NoCredential { label, why, .. } => {
                return format!("no credential for {label}: {why}");
            }
            Self::Upstream(error) => return error.text.clone(),
            Self::Egress(refused) => return refused.to_string(),
            Self::Rules { label, why, .. } => {
                return format!("the request may not have the credential of {label}: {why}");
            }
            Self::Content { label } => {
                return format!(
                    "content with a method other than POST, PUT and PATCH could get past the rules of {label}: servers that leave it unread take it for another request"
                );
            }
            Self::BadResponse(error) => {
                return format!("the origin's answer is malformed: {error}");
            }
            Self::ResponseTimeout(limit) => {
                let limit = limit.as_secs();
                return format!("the origin did not begin its answer within {limit} s");
            }
            Self::HeadTimeout(limit) => {
                let limit = limit.as_secs();
                return format!("the request's head did not come within {limit} s");
            }
            Self::Target(why) | Self::Internal(why) => why,
            Self::Method => "the method differs from a known one by case only",
            Self::Password => "the proxy's password is missing or wrong",
            Self::Scheme => "the scheme is neither http nor https",
            Self::AmbiguousPath => {
                "servers differ about what this path means, and routes or rules differ with it"
            }
            Self::Expectation => "the field Expect asks for something other than 100-continue",
            Self::Trace(_) => "TRACE where a credential goes along is refused",
            Self::TraceHere => "this proxy does not echo a TRACE that ends here",
            Self::NoResponse => "the origin ended the connection before it answered",
            Self::Upgrade => "the origin changed to a protocol that was not asked for",
            Self::Lost => {
                "the origin no longer responds: for minutes it has acknowledged nothing on the connection"
            }
            Self::TooManyConnections => "too many connections",
        };
        fixed.to_owned()
    }

    /// Whether it is no refusal of ours, but a failure of the origin or of the way there.
    pub(crate) fn is_failure(&self) -> bool {
        match self {
            Self::Upstream(error) => !matches!(error.kind, Kind::Prohibited | Kind::Loop),
            Self::BadResponse(_)
            | Self::NoResponse
            | Self::Upgrade
            | Self::ResponseTimeout(_)
            | Self::Lost => true,
            _ => false,
        }
    }

    /// What to do.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "nothing more of it was sent on",
            Self::Target(_) => {
                "this is an HTTP proxy: send an absolute-form target, or CONNECT host:port"
            }
            Self::Method => "write the method in capital letters",
            Self::Password => {
                "take the proxy's URL from HTTPS_PROXY as it is, with its user and password"
            }
            Self::HeadTimeout(_) => "send the request again",
            Self::Scheme => "use https",
            Self::AmbiguousPath => {
                "write the path without encoded slashes, semicolons, empty segments and dot segments"
            }
            Self::Egress(refused) => refused.hint(),
            Self::Rules { why, .. } => why.remedy(),
            Self::Content { .. } => "send it without content, or use POST, PUT or PATCH",
            Self::Expectation => {
                "send the request without Expect, or with `Expect: 100-continue` once"
            }
            Self::Trace(_) => "use another method",
            Self::TraceHere => "raise Max-Forwards",
            Self::NoCredential { .. } => {
                "mend the credential's source, or log in again with `authsome login`; the request was not sent"
            }
            Self::Upstream(error) => upstream_hint(error.kind),
            Self::BadResponse(_) => "this is a fault of the origin, or of something between",
            Self::NoResponse => "send the request again if it can be repeated",
            Self::Upgrade => "this is a fault of the origin",
            Self::ResponseTimeout(_) => {
                "raise --upstream-timeout, or omit it: then only the program's own timeout applies"
            }
            Self::Lost => {
                "check the network of this machine, then send the request again if it can be repeated"
            }
            Self::TooManyConnections => {
                "close some, or raise --max-connections, or the limit of open files (`ulimit -Hn`) if that is lower"
            }
            Self::Internal(_) => "please report this",
        }
    }

    /// The provider that the answer is about.
    fn provider(&self) -> Option<&str> {
        match self {
            Self::NoCredential { label, .. }
            | Self::Rules { label, .. }
            | Self::Content { label }
            | Self::Trace(Some(label)) => Some(label),
            _ => None,
        }
    }

    /// The status.
    pub(crate) fn status(&self) -> u16 {
        self.kind().0
    }

    /// Writes the whole answer. `close` says that the connection ends with it, `with_body` that the request's method lets
    /// the answer have one.
    pub(crate) fn write(&self, close: bool, with_body: bool, out: &mut Vec<u8>) {
        let reason = reason(self.status());
        self.write_with_reason(reason, close, with_body, out);
    }

    /// Writes the answer to a CONNECT, which ends the connection. What failed is the reason phrase: of such an answer Go's and Python's
    /// clients show the status line alone.
    pub(crate) fn write_to_connect(&self, out: &mut Vec<u8>) {
        let text = format!("authsome: {}", self.text());
        let printable = text.chars().take(MAX_REASON).map(|letter| match letter {
            ' '..='~' => letter,
            _ => '?',
        });
        let reason: String = printable.collect();
        self.write_with_reason(&reason, true, true, out);
    }

    /// Writes the answer with this reason phrase.
    fn write_with_reason(&self, reason: &str, close: bool, with_body: bool, out: &mut Vec<u8>) {
        let (status, token) = self.kind();
        let error = self.text();
        let body = Body {
            error: &error,
            provider: self.provider(),
            hint: self.hint(),
            message: format!("authsome: {error}; hint: {}", self.hint()),
        };
        let mut body = serde_json::to_vec(&body).unwrap_or_default();
        body.push(b'\n');
        let line = format!("HTTP/1.1 {status} {reason}\r\n");
        out.extend_from_slice(line.as_bytes());
        // Node's preload reads the details.
        let details = match self {
            Self::Upstream(error) if error.kind == Kind::Via => "; details=\"upstream proxy\"",
            _ => "",
        };
        write_field(
            out,
            b"Proxy-Status",
            format!("authsome; error={token}{details}").as_bytes(),
        );
        if status == 407 {
            write_field(out, b"Proxy-Authenticate", b"Basic realm=\"authsome\"");
        }
        write_field(out, b"Content-Type", b"application/json");
        write_field(out, b"Content-Length", body.len().to_string().as_bytes());
        write_field(out, b"Cache-Control", b"no-store");
        if self.is_lasting() {
            // No standard field, but SDKs made by Stainless (OpenAI's, Anthropic's and many more) go by it.
            write_field(out, b"X-Should-Retry", b"false");
        }
        if close {
            write_field(out, b"Connection", b"close");
        }
        out.extend_from_slice(b"\r\n");
        if with_body {
            out.extend_from_slice(&body);
        }
    }
}

/// The status for a malformed request: some limits have their own (RFC 6585, RFC 9110 section 15.5).
fn malformed_status(error: http1::Error) -> u16 {
    match error {
        http1::Error::HeadTooLarge
        | http1::Error::TooManyFields
        | http1::Error::TrailerTooLarge => 431,
        http1::Error::TargetTooLong => 414,
        http1::Error::Version => 505,
        _ => 400,
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
        Kind::Alert | Kind::Mismatch => "the origin must offer what the error names",
        Kind::TlsProtocol => "the request was not sent; is this a TLS server?",
        Kind::Loop => "send requests to the host that they are for",
        Kind::Via => "check the proxy variables that authsome was started with",
        Kind::Prohibited => {
            "if this address is meant, start authsome with `--allow-address` and the address or its network; --deny wins over it, and a name lifts nothing"
        }
    }
}

/// The reason phrase of a status that we send.
fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        403 => "Forbidden",
        405 => "Method Not Allowed",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        414 => "URI Too Long",
        417 => "Expectation Failed",
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
            is_lasting: true,
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
        let hint = body["hint"].as_str().unwrap();
        let message =
            format!("authsome: no credential for openai: cannot read \"/x\"; hint: {hint}");
        assert_eq!(body["message"], message);
    }

    #[test]
    fn clients_are_told_not_to_repeat_what_would_be_refused_again() {
        let says_so = |refusal: &Refusal| {
            let mut out = Vec::new();
            refusal.write(true, true, &mut out);
            String::from_utf8(out)
                .unwrap()
                .contains("\r\nX-Should-Retry: false\r\n")
        };
        let no_credential = |is_lasting| Refusal::NoCredential {
            label: "openai".into(),
            why: "none".into(),
            is_lasting,
        };
        let upstream = |kind| Refusal::Upstream(upstream::Error::new(kind, "no"));
        assert!(says_so(&Refusal::ResponseTimeout(Duration::from_secs(600))));
        assert!(!says_so(&Refusal::Lost));
        assert!(says_so(&no_credential(true)));
        assert!(!says_so(&no_credential(false)));
        assert!(says_so(&upstream(Kind::Certificate)));
        assert!(!says_so(&upstream(Kind::DnsTimeout)));
        assert!(!says_so(&Refusal::NoResponse));
        assert!(!says_so(&Refusal::TooManyConnections));
    }

    #[test]
    fn rules_at_aws_have_the_status_that_its_clients_show() {
        let status = |host| Refusal::rules("x".into(), policy::Denied::NoRule, host).status();
        assert_eq!(status("bedrock.us-east-1.amazonaws.com"), 400);
        assert_eq!(status("api.github.com"), 403);
        assert_eq!(status("notamazonaws.com"), 403);
    }

    #[test]
    fn the_status_line_of_a_connect_says_what_failed_in_letters_that_may_stand_there() {
        let text = format!("caf\u{e9}\r\nX: {}", "y".repeat(1000));
        let mut out = Vec::new();
        Refusal::Upstream(upstream::Error::new(Kind::DnsError, text)).write_to_connect(&mut out);
        let text = String::from_utf8(out).unwrap();
        let line = text.lines().next().unwrap();
        assert!(
            line.starts_with("HTTP/1.1 502 authsome: caf???X: yyy"),
            "{line}"
        );
        assert_eq!(line.len(), "HTTP/1.1 502 ".len() + MAX_REASON);
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
