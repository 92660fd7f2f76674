//! Whether the proxy is well, for those who look after services: a request to its own port that needs no password, and who asks it.

use std::io;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use serde::Serialize;

use super::service::Service;
use super::state::State;
use crate::http1::head::HeadScanner;
use crate::http1::head::MAX_RESPONSE_HEAD;
use crate::http1::head::RequestHead;
use crate::http1::head::ResponseHead;
use crate::url;
use crate::wire::Wire;

/// Where it is asked.
const PATH: &str = "/healthz";

/// How long the proxy may take to answer who asks.
const TIME: Duration = Duration::from_secs(5);

/// How long who asks waits before it asks again.
const PAUSE: Duration = Duration::from_millis(50);

/// What is told. Nothing of it is secret.
#[derive(Serialize)]
struct Health {
    /// In one word.
    status: &'static str,
    /// How many connections there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    connections: Option<usize>,
    /// How often they were read anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
}

/// Whether the request asks for it: in origin form, so of this server and not of one behind the proxy.
pub(super) fn is_asked(head: &RequestHead) -> bool {
    matches!(&*head.method, "GET" | "HEAD")
        && url::split_query(head.target.as_bytes()).0 == PATH.as_bytes()
}

/// Writes the answer. `close` says that the connection ends with it.
pub(super) fn answer(
    head: &RequestHead,
    service: &Service,
    state: &State,
    close: bool,
    out: &mut Vec<u8>,
) {
    let (line, health) = if service.is_draining() {
        let health = Health {
            status: "draining",
            connections: None,
            generation: None,
        };
        ("503 Service Unavailable", health)
    } else {
        let health = Health {
            status: "ok",
            connections: Some(state.broker.connections().count()),
            generation: Some(state.generation),
        };
        ("200 OK", health)
    };
    let body = serde_json::to_string(&health).unwrap_or_default() + "\n";
    let end = if close { "Connection: close\r\n" } else { "" };
    let head_text = format!(
        "HTTP/1.1 {line}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\n{end}\r\n",
        body.len()
    );
    out.extend_from_slice(head_text.as_bytes());
    if head.method != "HEAD" {
        out.extend_from_slice(body.as_bytes());
    }
}

/// Asks a proxy, and returns the status of its answer. Asks again where the connection is closed without one: among very many connections
/// from the same address it may have given way to another before the question was read.
///
/// # Errors
/// When the proxy can't be reached, or gives no answer within 5 s.
pub(crate) fn ask(address: SocketAddr) -> io::Result<u16> {
    let deadline = Instant::now() + TIME;
    loop {
        match ask_once(address, deadline) {
            Err(error) if is_closed(&error) && Instant::now() + PAUSE < deadline => {
                thread::sleep(PAUSE);
            }
            other => return other,
        }
    }
}

/// Returns whether a connection was closed by the other side.
fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}

/// Asks a proxy on one connection.
fn ask_once(address: SocketAddr, deadline: Instant) -> io::Result<u16> {
    let mut wire = Wire::plain(TcpStream::connect_timeout(&address, TIME)?)?;
    let request = format!("GET {PATH} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    wire.output().extend_from_slice(request.as_bytes());
    wire.flush_all(deadline)?;
    let malformed = |_| io::Error::new(io::ErrorKind::InvalidData, "it doesn't answer in HTTP");
    let mut scanner = HeadScanner::default();
    loop {
        let found = scanner
            .scan(wire.input(), MAX_RESPONSE_HEAD)
            .map_err(malformed)?;
        if let Some(range) = found {
            let head = wire.input().get(range).unwrap_or_default();
            return Ok(ResponseHead::parse(head).map_err(malformed)?.status);
        }
        if wire.end().is_some() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        wire.wait_for_input(deadline)?;
    }
}
