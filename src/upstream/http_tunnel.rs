//! Tunnels through HTTP proxies (RFC 9110 section 9.3.6).

use std::io;
use std::time::Duration;
use std::time::Instant;

use zeroize::Zeroizing;

use super::Error;
use super::Kind;
use super::via::Via;
use crate::http1::head::HeadScanner;
use crate::http1::head::MAX_REQUEST_HEAD;
use crate::http1::head::ResponseHead;
use crate::http1::head::write_field;
use crate::url::Authority;
use crate::wire::Wire;

/// Time for the proxy's answer.
const TIME: Duration = Duration::from_secs(10);

/// Asks the proxy for a tunnel to the target. Bytes behind the proxy's answer are the target's and stay in the input.
///
/// # Errors
/// When the proxy refuses, breaks the protocol, or doesn't answer in time.
pub(super) fn connect(wire: &mut Wire, via: &Via, target: &Authority) -> Result<(), Error> {
    let proxy = &via.authority;
    let failed = |why: &str| Error::new(Kind::Via, format!("the upstream proxy {proxy} {why}"));
    let deadline = Instant::now() + TIME;
    let out = wire.output();
    out.extend_from_slice(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").as_bytes());
    if let Some(authorization) = &via.authorization {
        let secret = authorization.expose();
        let mut field = Zeroizing::new(Vec::with_capacity(secret.len() + 32));
        write_field(&mut field, b"Proxy-Authorization", secret);
        field.extend_from_slice(b"\r\n");
        wire.push_secret(&field);
    } else {
        out.extend_from_slice(b"\r\n");
    }
    wire.flush_all(deadline)
        .map_err(|_| failed("ended the connection"))?;
    let mut scanner = HeadScanner::default();
    // Interim responses count: there may be any number of them.
    let mut room = MAX_REQUEST_HEAD;
    loop {
        let found = scanner
            .scan(wire.input(), room)
            .map_err(|_| failed("does not answer in HTTP"))?;
        if let Some(range) = found {
            let head = wire.input().get(range.clone()).unwrap_or_default();
            let head = ResponseHead::parse(head).map_err(|_| failed("does not answer in HTTP"))?;
            wire.consume(range.end);
            room = room.saturating_sub(range.end);
            return match head.status {
                // What is behind the answer is the origin's: SSH servers speak first.
                200..=299 => {
                    wire.begin_tunnel();
                    Ok(())
                }
                // A 1xx may come before the answer.
                100..=199 => {
                    scanner = HeadScanner::default();
                    continue;
                }
                407 => Err(failed(
                    "wants a user and a password (put them into its URL)",
                )),
                status => Err(failed(&format!(
                    "answered {status} to the CONNECT for {target}"
                ))),
            };
        }
        if wire.end().is_some() {
            return Err(failed("ended the connection"));
        }
        wire.wait_for_input(deadline)
            .map_err(|error| match error.kind() {
                io::ErrorKind::TimedOut => failed("did not answer in time"),
                _ => failed("ended the connection"),
            })?;
    }
}
