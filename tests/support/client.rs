//! A client as strict as can be: CONNECT through the proxy, TLS that trusts the run's bundle and nothing else, bytes as given.

use std::net::Ipv4Addr;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::OnceLock;

use rustls::ClientConfig;
use rustls::ClientConnection;
use rustls::RootCertStore;
use rustls::StreamOwned;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;

use super::wire::Channel;
use super::wire::Duplex;
use super::wire::Message;

/// A proxy as the child knows it.
pub(crate) struct Proxy {
    /// Its port on 127.0.0.1.
    pub(crate) port: u16,
    /// The bundle that clients shall trust.
    pub(crate) bundle: std::path::PathBuf,
    /// TLS with that bundle, made when first needed.
    config: OnceLock<Arc<ClientConfig>>,
}

impl Proxy {
    /// The proxy at this port.
    pub(crate) fn new(port: u16, bundle: &Path) -> Self {
        Self {
            port,
            bundle: bundle.to_owned(),
            config: OnceLock::new(),
        }
    }

    /// A connection to the proxy's port, of which nothing has been asked.
    pub(crate) fn plain(&self) -> Channel {
        Channel::new(Box::new(connect(self.port)))
    }

    /// A connection that has asked for a tunnel, and the answer.
    pub(crate) fn ask_for(&self, authority: &str) -> (Message, Channel) {
        let mut channel = self.plain();
        channel.send(format!(
            "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n"
        ));
        (channel.response("CONNECT"), channel)
    }

    /// A tunnel.
    pub(crate) fn tunnel(&self, authority: &str) -> Channel {
        let (answer, channel) = self.ask_for(authority);
        assert_eq!(answer.status(), 200, "{answer}");
        assert!(!answer.has("content-length") && !answer.has("transfer-encoding"));
        channel
    }

    /// A tunnel to port 443 of a host with TLS in it, which trusts the run's bundle.
    pub(crate) fn tls(&self, host: &str) -> Channel {
        let tunnel = self.tunnel(&format!("{host}:443"));
        let trusted = tls_over(tunnel, host, self.config());
        trusted.unwrap_or_else(|error| panic!("TLS with {host} through the proxy: {error}"))
    }

    /// Sends a request in TLS to the host, and gives its response.
    pub(crate) fn exchange(&self, host: &str, request: &str) -> Message {
        let mut client = self.tls(host);
        client.send(request);
        client.response(request.split(' ').next().unwrap_or_default())
    }

    /// TLS that trusts the run's bundle.
    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        let make = || trusting(&std::fs::read(&self.bundle).expect("the run's bundle"));
        Arc::clone(self.config.get_or_init(make))
    }
}

/// A connection to a port of this machine.
pub(crate) fn connect(port: u16) -> TcpStream {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection to a port of ours")
}

/// A connection to a port of 127.0.0.1 from another address of 127.0.0.0/8.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "std binds no socket before it connects")]
pub(crate) fn connect_from(source: [u8; 4], port: u16) -> TcpStream {
    use std::os::fd::FromRawFd;

    let address = |ip: [u8; 4], port: u16| libc::sockaddr_in {
        sin_family: libc::sa_family_t::try_from(libc::AF_INET).expect("a small number"),
        sin_port: port.to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes(ip),
        },
        sin_zero: [0; 8],
    };
    let (own, peer) = (address(source, 0), address([127, 0, 0, 1], port));
    let size = libc::socklen_t::try_from(size_of_val(&own)).expect("a small number");
    // SAFETY: three plain numbers.
    let number = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    assert!(number >= 0, "no socket");
    // SAFETY: made just now, and nobody else's.
    let socket = unsafe { TcpStream::from_raw_fd(number) };
    // SAFETY: reads an address of this size.
    let bound = unsafe { libc::bind(number, (&raw const own).cast(), size) };
    assert_eq!(bound, 0, "{source:?} is not to be had");
    // SAFETY: reads an address of this size.
    let connected = unsafe { libc::connect(number, (&raw const peer).cast(), size) };
    assert_eq!(connected, 0, "no connection from {source:?}");
    socket
}

/// TLS that trusts the certificates in PEM, and no others.
pub(crate) fn trusting(pem: &[u8]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).flatten());
    let config =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
    Arc::new(config)
}

/// TLS for a host over a connection.
pub(crate) fn tls_over(
    channel: Channel,
    host: &str,
    config: Arc<ClientConfig>,
) -> Result<Channel, String> {
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let mut tls = ClientConnection::new(config, name).map_err(|error| error.to_string())?;
    let mut socket = socket_of(&*channel.into_stream());
    while tls.is_handshaking() {
        let (read, _) = tls
            .complete_io(&mut socket)
            .map_err(|error| error.to_string())?;
        if read == 0 && tls.is_handshaking() {
            return Err("the connection ended".to_owned());
        }
    }
    Ok(Channel::new(Box::new(StreamOwned::new(tls, socket))))
}

/// The socket below a connection in the clear.
fn socket_of(stream: &dyn Duplex) -> TcpStream {
    stream.socket().try_clone().expect("another handle")
}
