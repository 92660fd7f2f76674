//! The demonstration's origin: a small TLS server inside the process, reached and verified like any other, that answers with the
//! head it received. The credential in it is shown as a hash.

use std::io;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use ring::digest;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::UnbufferedServerConnection;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::clock;
use crate::encoding;
use crate::http1::head::HeadScanner;
use crate::http1::head::MAX_REQUEST_HEAD;
use crate::http1::head::RequestHead;
use crate::http1::head::write_field;
use crate::provider::Provider;
use crate::provider::definition::Definition;
use crate::provider::definition::Outside;
use crate::provider::reader::Invalid;
use crate::tls;
use crate::tls::leaf::LeafCache;
use crate::tls::root::Root;
use crate::tls::root::Scope;
use crate::url::Authority;
use crate::url::Host;
use crate::wire::Wire;

/// The demonstration's definition, as a person would write one.
const DEFINITION: &str = include_str!("demo.json");

/// The host that it claims. `.test` is reserved (RFC 6761): no such name is ever registered.
const HOST: &str = "demo.authsome.test";

/// How long a client may take for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// The demonstration's provider.
///
/// # Errors
/// None: the definition is compiled in, and a test reads it.
pub(crate) fn provider() -> Result<Provider, Invalid> {
    let outside = Outside {
        base_url: None,
        username: None,
        variable: &|_| None,
    };
    Definition::parse("demo", DEFINITION.as_bytes())?.provider(&outside)
}

/// A demonstration origin that listens.
pub(crate) struct Demo {
    /// Where it is said to be.
    pub(crate) authority: Authority,
    /// Where it is.
    pub(crate) address: SocketAddr,
    /// What its certificate leads to.
    pub(crate) root: CertificateDer<'static>,
    /// What has arrived there.
    arrived: Arc<Arrived>,
}

impl Demo {
    /// The URL to ask for.
    pub(crate) fn url(&self) -> String {
        format!("https://{}/", self.authority.host)
    }

    /// Whether a request has arrived that had the credential.
    pub(crate) fn has_credential(&self) -> bool {
        self.arrived.credential.load(Ordering::SeqCst)
    }
}

/// What the origin was sent.
struct Arrived {
    /// The secret that it expects, and hides in what it shows.
    secret: Vec<u8>,
    /// Whether it has come.
    credential: AtomicBool,
}

/// Starts the origin on a free port of 127.0.0.1. `secret` is what it expects, and hides in what it shows.
///
/// # Errors
/// When it can't listen, or has no certificate.
pub(crate) fn start(secret: Vec<u8>) -> io::Result<Demo> {
    let host = Host::parse(HOST.as_bytes()).map_err(|error| io::Error::other(error.to_string()))?;
    let day = Duration::from_secs(24 * 60 * 60);
    let scope = Scope::Hosts(vec![host.clone()]);
    let root = Root::make("authsome demonstration origin", &scope, clock::now(), day)
        .map_err(io::Error::other)?;
    let certificate = root.certificate().der.clone();
    let config = LeafCache::new(root, tls::crypto())
        .and_then(|leaves| leaves.config(&host))
        .map_err(|error| io::Error::other(error.to_string()))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let arrived = Arc::new(Arrived {
        secret,
        credential: AtomicBool::new(false),
    });
    let book = Arc::clone(&arrived);
    let accept = move || {
        for socket in listener.incoming().flatten() {
            let (config, book) = (Arc::clone(&config), Arc::clone(&book));
            let serve = move || {
                // A client that breaks off is no business of anyone's.
                let _ = serve(socket, config, &book);
            };
            let _ = thread::Builder::new().name("demo".into()).spawn(serve);
        }
    };
    thread::Builder::new().name("demo".into()).spawn(accept)?;
    Ok(Demo {
        authority: Authority { host, port: 443 },
        address,
        root: certificate,
        arrived,
    })
}

/// Answers one request and closes.
fn serve(socket: TcpStream, config: Arc<ServerConfig>, book: &Arrived) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let tls = UnbufferedServerConnection::new(config).map_err(io::Error::other)?;
    let mut wire = Wire::plain(socket)?.accept_tls(tls)?;
    wire.handshake(deadline)?;
    let mut scanner = HeadScanner::default();
    let head = loop {
        let found = scanner.scan(wire.input(), MAX_REQUEST_HEAD);
        match found.map_err(|error| io::Error::other(error.to_string()))? {
            Some(range) => break wire.input().get(range).unwrap_or_default().to_vec(),
            None if wire.end().is_some() => return Ok(()),
            None => wire.wait_for_input(deadline)?,
        }
    };
    let head = RequestHead::parse(&head).map_err(|error| io::Error::other(error.to_string()))?;
    let (shown, arrived) = echo(&head, &book.secret);
    // Before the answer: who has read that may end at once, and be asked about.
    book.credential.fetch_or(arrived, Ordering::SeqCst);
    let mut body = serde_json::to_vec_pretty(&shown)?;
    body.push(b'\n');
    let out = wire.output();
    out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    write_field(out, b"Content-Type", b"application/json");
    write_field(out, b"Content-Length", body.len().to_string().as_bytes());
    write_field(out, b"Connection", b"close");
    out.extend_from_slice(b"\r\n");
    if head.method != "HEAD" {
        out.extend_from_slice(&body);
    }
    wire.close_gracefully();
    Ok(())
}

/// What arrived, with the credential hidden, and whether that was there.
fn echo(head: &RequestHead, secret: &[u8]) -> (Value, bool) {
    let mut headers = Map::new();
    let mut arrived = false;
    for (name, value) in head.fields.iter() {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        let shown = match memchr::memmem::find(value, secret) {
            Some(at) => {
                arrived = true;
                let (before, rest) = value.split_at(at);
                let after = rest.get(secret.len()..).unwrap_or_default();
                let hash = fingerprint(secret);
                [before, hash.as_bytes(), after].concat()
            }
            None => value.to_vec(),
        };
        headers.insert(name, encoding::printable(&shown, 256).into());
    }
    let shown = json!({
        "method": head.method,
        "target": encoding::printable(head.target.as_bytes(), 256),
        "headers": headers,
        "credential_arrived": arrived,
    });
    (shown, arrived)
}

/// The start of a secret's SHA-256, enough to see that two are the same.
pub(crate) fn fingerprint(secret: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, secret);
    let hex = encoding::hex(hash.as_ref());
    format!(
        "<secret with SHA-256 {}...>",
        hex.get(..12).unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_good() {
        assert_eq!(provider().unwrap().name.as_str(), "demo");
    }

    #[test]
    fn the_echo_hides_the_secret() {
        let head = b"GET /?a HTTP/1.1\r\nHost: demo\r\nAuthorization: Bearer s3cret\r\n\r\n";
        let head = RequestHead::parse(head).unwrap();
        let (shown, arrived) = echo(&head, b"s3cret");
        assert!(arrived && shown["credential_arrived"] == true);
        assert!(!shown.to_string().contains("s3cret"));
        let header = shown["headers"]["authorization"].as_str().unwrap();
        assert!(
            header.starts_with("Bearer <secret with SHA-256 "),
            "{header}"
        );
        let (shown, arrived) = echo(&head, b"other");
        assert!(!arrived && shown["credential_arrived"] == false);
    }
}
