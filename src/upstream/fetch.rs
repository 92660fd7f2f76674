//! Small requests of our own, to identity providers: one request on one verified connection, its whole answer in memory.

use std::fmt;
use std::io;
use std::time::Duration;
use std::time::Instant;

use zeroize::Zeroizing;

use super::dial::Dialer;
use super::dial::SecureStream;
use crate::http1;
use crate::http1::body::BodyReader;
use crate::http1::framing::Framing;
use crate::http1::head::HeadScanner;
use crate::http1::head::MAX_RESPONSE_HEAD;
use crate::http1::head::ResponseHead;
use crate::http1::head::write_field;
use crate::url::Authority;
use crate::url::Scheme;
use crate::url::Url;

/// How long a request may take in all, once the connection is there.
const TIME: Duration = Duration::from_secs(30);

/// Bytes of an answer's body, at the most.
const MAX_BODY: usize = 1024 * 1024;

/// A request.
pub(crate) struct Call<'a> {
    /// Where to. Only https will do.
    pub(crate) url: &'a Url,
    /// Fields beside the usual ones: names, and values that may be secret.
    pub(crate) fields: Vec<(&'static str, Zeroizing<Vec<u8>>)>,
    /// What a POST sends: its media type, and the bytes. Without it the request is a GET.
    pub(crate) body: Option<(&'static str, Zeroizing<Vec<u8>>)>,
}

/// An answer, whatever its status.
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// Where it says something is to be found: the values of its WWW-Authenticate fields.
    pub(crate) challenges: Vec<String>,
    /// Its body.
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Error {
    /// The URL is not one of https.
    NotHttps(Authority),
    /// The server was not reached or not verified.
    Upstream(super::Error),
    /// It did not answer in time.
    Timeout(Authority),
    /// It ended the connection before its answer was whole.
    Cut(Authority),
    /// Its answer is malformed.
    Malformed(Authority, http1::Error),
    /// Its answer is larger than 1 MiB.
    TooLarge(Authority),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHttps(host) => write!(f, "{host} would be reached without TLS"),
            Self::Upstream(error) => error.fmt(f),
            Self::Timeout(host) => write!(f, "{host} did not answer within {} s", TIME.as_secs()),
            Self::Cut(host) => write!(f, "{host} ended the connection before its answer was whole"),
            Self::Malformed(host, why) => write!(f, "the answer of {host} is malformed: {why}"),
            Self::TooLarge(host) => write!(f, "the answer of {host} is larger than 1 MiB"),
        }
    }
}

impl Error {
    /// Whether another try may do better.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Upstream(error) => error.kind != super::Kind::Prohibited,
            Self::Timeout(_) | Self::Cut(_) => true,
            Self::NotHttps(_) | Self::Malformed(..) | Self::TooLarge(_) => false,
        }
    }
}

/// Sends a request and reads its answer. Redirections are answers like any other: nothing is sent to where they lead.
///
/// # Errors
/// Why there is no whole answer.
pub(crate) fn fetch(dialer: &Dialer, call: &Call<'_>) -> Result<Answer, Error> {
    let authority = &call.url.authority;
    if call.url.scheme != Scheme::Https {
        return Err(Error::NotHttps(authority.clone()));
    }
    let mut stream = dialer.secure_own(authority).map_err(Error::Upstream)?;
    write_request(call, stream.wire().output());
    let deadline = Instant::now() + TIME;
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::TimedOut => Error::Timeout(authority.clone()),
        _ => Error::Cut(authority.clone()),
    };
    stream.wire().flush_all(deadline).map_err(failed)?;
    // Interim responses count: there may be any number of them.
    let mut room = MAX_RESPONSE_HEAD;
    let head = loop {
        let head = read_head(&mut stream, deadline, &mut room)?;
        // 101 was not asked for; it ends in a body that is no answer.
        if head.status >= 200 || head.status == 101 {
            break head;
        }
    };
    let method = if call.body.is_some() { "POST" } else { "GET" };
    let framing = Framing::of_response(&head, method)
        .map_err(|why| Error::Malformed(authority.clone(), why))?;
    let body = read_body(&mut stream, framing, deadline)?;
    let challenges = head.fields.all("www-authenticate");
    Ok(Answer {
        status: head.status,
        challenges: challenges
            .map(|value| String::from_utf8_lossy(value).into_owned())
            .collect(),
        body,
    })
}

/// Writes a request.
fn write_request(call: &Call<'_>, out: &mut Vec<u8>) {
    let method = if call.body.is_some() { "POST" } else { "GET" };
    let target = match call.url.target.as_str() {
        target if target.starts_with('/') => target.to_owned(),
        target => format!("/{target}"),
    };
    out.extend_from_slice(format!("{method} {target} HTTP/1.1\r\n").as_bytes());
    let host = call.url.authority.to_header(call.url.scheme);
    let agent = concat!("authsome/", env!("CARGO_PKG_VERSION"));
    for (name, value) in [
        ("Host", host.as_str()),
        ("Accept", "application/json"),
        // GitHub refuses requests without one.
        ("User-Agent", agent),
        ("Connection", "close"),
    ] {
        write_field(out, name.as_bytes(), value.as_bytes());
    }
    for (name, value) in &call.fields {
        write_field(out, name.as_bytes(), value);
    }
    if let Some((media_type, body)) = &call.body {
        write_field(out, b"Content-Type", media_type.as_bytes());
        write_field(out, b"Content-Length", body.len().to_string().as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(body);
    } else {
        out.extend_from_slice(b"\r\n");
    }
}

/// Waits for more input.
fn wait(stream: &mut SecureStream, deadline: Instant) -> Result<(), Error> {
    let host = stream.authority().clone();
    stream
        .wire()
        .wait_for_input(deadline)
        .map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => Error::Timeout(host),
            _ => Error::Cut(host),
        })
}

/// Reads one head.
fn read_head(
    stream: &mut SecureStream,
    deadline: Instant,
    room: &mut usize,
) -> Result<ResponseHead, Error> {
    let host = stream.authority().clone();
    let malformed = |why| Error::Malformed(host.clone(), why);
    let mut scanner = HeadScanner::default();
    stream.wire().set_input_limit(Some(MAX_RESPONSE_HEAD + 1));
    loop {
        let found = scanner
            .scan(stream.wire().input(), *room)
            .map_err(malformed)?;
        if let Some(range) = found {
            let head = stream.wire().input().get(range.clone()).unwrap_or_default();
            let head = ResponseHead::parse(head).map_err(malformed)?;
            stream.wire().consume(range.end);
            *room = room.saturating_sub(range.end);
            return Ok(head);
        }
        if stream.wire().end().is_some() {
            return Err(Error::Cut(host));
        }
        wait(stream, deadline)?;
    }
}

/// Reads the body.
fn read_body(
    stream: &mut SecureStream,
    framing: Framing,
    deadline: Instant,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let host = stream.authority().clone();
    let malformed = |why| Error::Malformed(host.clone(), why);
    let mut reader = BodyReader::new(framing);
    let mut body = Zeroizing::new(Vec::with_capacity(8192));
    stream.wire().set_input_limit(None);
    loop {
        let step = reader.step(stream.wire().input()).map_err(malformed)?;
        if body.len() + step.content.len() > MAX_BODY {
            return Err(Error::TooLarge(host));
        }
        body.extend_from_slice(step.content);
        let used = step.used;
        stream.wire().consume(used);
        if reader.is_done() {
            return Ok(body);
        }
        if used > 0 {
            continue;
        }
        match stream.wire().end() {
            None => wait(stream, deadline)?,
            // A body that only the connection's end ends must not have been cut (RFC 8446 section 6.1).
            Some(crate::wire::End::Cut) => return Err(Error::Cut(host)),
            Some(crate::wire::End::Clean) => {
                reader
                    .end_of_input()
                    .map_err(|_| Error::Cut(host.clone()))?;
                return Ok(body);
            }
        }
    }
}
