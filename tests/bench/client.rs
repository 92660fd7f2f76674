//! Clients: the way to a host for each contender, and requests on it.

use std::io::Read;
use std::io::Write;
use std::net::Ipv4Addr;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::ClientConnection;
use rustls::RootCertStore;
use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;

use super::Outcome;
use super::Trying;
use super::secure::Secure;
use super::stage::Host;
use super::stage::Ports;
use super::stage::SECRET;

/// What programs behind a proxy hold in place of the credential.
const PLACEHOLDER: &str = "authsome-proxy-managed";

/// How long a proxy may take to answer a CONNECT.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether TLS may go on where an earlier connection was.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Session {
    /// Never: each connection is that of a new program.
    New,
    /// As in a program that makes one connection after another.
    Resumed,
}

/// How clients of a contender come to hosts.
#[derive(Clone)]
pub(crate) struct Way {
    /// The proxy's port on 127.0.0.1, if there is a proxy.
    proxy: Option<u16>,
    /// Where the origins are, if not.
    ports: Ports,
    /// TLS that always begins anew.
    fresh: Arc<ClientConfig>,
    /// TLS that resumes.
    resuming: Arc<ClientConfig>,
}

impl Way {
    /// A way through this proxy, or to these ports, for clients that trust these certificates in PEM and no others.
    pub(crate) fn new(proxy: Option<u16>, ports: Ports, trusted: &[u8]) -> Outcome<Self> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(trusted).flatten());
        let resuming = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut fresh = resuming.clone();
        fresh.resumption = Resumption::disabled();
        Ok(Self {
            proxy,
            ports,
            fresh: Arc::new(fresh),
            resuming: Arc::new(resuming),
        })
    }

    /// A connection to a host: TCP, and a CONNECT where there is a proxy.
    pub(crate) fn tunnel(&self, host: Host) -> Outcome<TcpStream> {
        let port = self.proxy.unwrap_or_else(|| self.ports.of(host));
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).trying("connecting")?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        if self.proxy.is_some() {
            let name = host.name();
            let connect = format!("CONNECT {name}:443 HTTP/1.1\r\nHost: {name}:443\r\n\r\n");
            socket.write_all(connect.as_bytes())?;
            let head = plain_head(&mut socket).trying("CONNECT")?;
            if !head.starts_with(b"HTTP/1.1 200 ") {
                return Err(format!("CONNECT: {}", String::from_utf8_lossy(&head)).into());
            }
        }
        Ok(socket)
    }

    /// A connection with TLS.
    pub(crate) fn open(&self, host: Host, session: Session) -> Outcome<Client> {
        let socket = self.tunnel(host)?;
        let config = match session {
            Session::New => &self.fresh,
            Session::Resumed => &self.resuming,
        };
        let name = ServerName::try_from(host.name())?;
        let tls = ClientConnection::new(Arc::clone(config), name)?;
        let secure = Secure::over(socket, tls).trying("TLS")?;
        Ok(Client {
            secure,
            is_over: false,
        })
    }

    /// As many connections as wanted.
    pub(crate) fn open_many(&self, host: Host, count: usize) -> Outcome<Vec<Client>> {
        (0..count).map(|_| self.open(host, Session::New)).collect()
    }

    /// A new connection, one request on it, and its end.
    pub(crate) fn visit(&self, host: Host, session: Session, request: &[u8]) -> Outcome<()> {
        let mut client = self.open(host, session)?;
        client.exchange(request)?;
        client.secure.close()
    }

    /// What clients send as the credential.
    pub(crate) fn credential(&self, host: Host) -> &'static str {
        if self.proxy.is_some() && host.is_claimed() {
            PLACEHOLDER
        } else {
            SECRET
        }
    }

    /// A GET, as a program sends it.
    pub(crate) fn get(&self, host: Host, path: &str) -> Vec<u8> {
        self.request("GET", host, path, "")
    }

    /// A PUT, whose body is to follow.
    pub(crate) fn put(&self, host: Host, path: &str, length: u64) -> Vec<u8> {
        self.request("PUT", host, path, &format!("Content-Length: {length}\r\n"))
    }

    /// A request's head.
    fn request(&self, method: &str, host: Host, path: &str, fields: &str) -> Vec<u8> {
        let (name, credential) = (host.name(), self.credential(host));
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {name}\r\nUser-Agent: speed/1\r\nAccept: */*\r\n\
             Authorization: Bearer {credential}\r\n{fields}\r\n"
        );
        head.into_bytes()
    }
}

/// A connection with TLS, on which one request follows another.
pub(crate) struct Client {
    /// The connection.
    secure: Secure,
    /// Whether the last response has ended it.
    is_over: bool,
}

impl Client {
    /// Sends a request, and reads its response to the end. Gives the length of the body.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> Outcome<u64> {
        self.secure.send(request)?;
        self.answer()
    }

    /// Sends a request with a body of so many bytes, made of this piece.
    pub(crate) fn upload(&mut self, request: &[u8], piece: &[u8], length: u64) -> Outcome<()> {
        self.secure.send(request)?;
        let mut left = length;
        while left > 0 {
            let count = usize::try_from(left).unwrap_or(usize::MAX);
            let part = piece.get(..count).unwrap_or(piece);
            self.secure.send(part)?;
            left -= part.len() as u64;
        }
        self.answer().map(drop)
    }

    /// Reads a response, which must be the right one.
    fn answer(&mut self) -> Outcome<u64> {
        if self.is_over {
            return Err("the last response has ended the connection".into());
        }
        let (head, length) = self.secure.message()?;
        self.is_over = head.is_last;
        match head.status {
            200 => Ok(length),
            status => Err(format!("a response with status {status}").into()),
        }
    }
}

/// Reads a head in the clear, and nothing behind it that there could be.
fn plain_head(socket: &mut TcpStream) -> Outcome<Vec<u8>> {
    let (mut head, mut bytes) = (Vec::new(), [0; 4096]);
    while !head.ends_with(b"\r\n\r\n") {
        let count = socket.read(&mut bytes)?;
        if count == 0 {
            return Err("the connection has ended".into());
        }
        head.extend_from_slice(bytes.get(..count).unwrap_or_default());
    }
    Ok(head)
}

/// A request in the clear through a tunnel, and its response.
pub(crate) fn exchange_plain(socket: &mut TcpStream, request: &[u8]) -> Outcome<()> {
    socket.write_all(request)?;
    let mut bytes = [0; 4096];
    let count = socket.read(&mut bytes)?;
    let answer = bytes.get(..count).unwrap_or_default();
    if answer.starts_with(b"HTTP/1.1 200 ") {
        Ok(())
    } else {
        Err(format!("not a 200 but {:?}", String::from_utf8_lossy(answer)).into())
    }
}
