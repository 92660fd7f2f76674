//! An origin: a server on loopback with a certificate of its own CA, that records every byte which arrives and answers as told.

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::thread;

use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::CertifiedIssuer;
use rcgen::IsCa;
use rcgen::KeyPair;
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::ServerConnection;
use rustls::StreamOwned;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;

use super::Home;
use super::client;
use super::p521;
use super::wire::Channel;
use super::wire::Message;
use super::wire::PATIENCE;
use super::wire::pem;

/// The host that most tests are about.
pub(crate) const HOST: &str = "api.acme.test";

/// The hosts that an origin's certificate is for.
const HOSTS: [&str; 11] = [
    HOST,
    "localhost",
    "auth.acme.test",
    "idp.test",
    "api7.acme.test",
    "other.test",
    "github.com",
    "api.github.com",
    "api7.github.com",
    "apix.github.com",
    "uploads.github.com",
];

/// What the certificate is like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certificate {
    /// As it should be.
    Good,
    /// Its time is over.
    Expired,
    /// It vouches for itself.
    SelfSigned,
    /// It is for another host.
    WrongName,
    /// A CA certificate, which the user names.
    Authority,
    /// An expired CA certificate, which the user names.
    ExpiredAuthority,
    /// A CA certificate for another host, which the user names.
    AuthorityForAnother,
    /// A CA certificate; the user names a different one.
    UnknownAuthority,
    /// A CA certificate; the user names another with the same name and key.
    AuthorityMadeAnew,
    /// It has a P-521 key.
    P521,
    /// The same, by an origin that asks for client certificates but needs none.
    P521ThatAsks,
    /// A valid certificate, by an origin that wants client certificates, too.
    WantsClients,
    /// There is none: plain HTTP.
    None,
}

/// What happened at an origin.
#[derive(Default)]
struct Log {
    /// Connections accepted.
    accepted: usize,
    /// Connections on which TLS was set up.
    established: usize,
    /// Connections whose thread still runs.
    active: usize,
    /// What arrived on each connection, TLS taken off.
    bytes: Vec<Vec<u8>>,
    /// The requests that were read.
    requests: Vec<Message>,
    /// Whether a script found something wrong.
    failed: bool,
    /// The end of the connections to wait for: the address of the last one.
    last: Option<SocketAddr>,
    /// Whether it was accepted, and with it all before.
    last_seen: bool,
}

/// The log and the news of it.
#[derive(Default)]
struct Book {
    /// What happened.
    log: Mutex<Log>,
    /// Something has.
    news: Condvar,
}

impl Book {
    /// Changes the log.
    fn write(&self, change: impl FnOnce(&mut Log)) {
        change(&mut self.lock());
        self.news.notify_all();
    }

    /// The log, even if a script has failed.
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the log is so.
    fn wait(&self, what: &str, is_so: impl Fn(&Log) -> bool) {
        let is_in_time = self.becomes(is_so);
        assert!(is_in_time, "the origin waited for {what} in vain");
    }

    /// Whether the log is so in time.
    fn becomes(&self, is_so: impl Fn(&Log) -> bool) -> bool {
        let (_log, timeout) = self
            .news
            .wait_timeout_while(self.lock(), PATIENCE, |log| !is_so(log))
            .unwrap_or_else(PoisonError::into_inner);
        !timeout.timed_out()
    }
}

/// One connection to an origin, as its script sees it.
pub(crate) struct Conn {
    /// Its bytes.
    pub(crate) channel: Channel,
    /// Which it is, from 0.
    pub(crate) number: usize,
    /// Where requests are noted.
    book: Arc<Book>,
    /// Whether TLS ends as it should.
    clean: bool,
}

impl Conn {
    /// The next request with its body; `None` at the end.
    pub(crate) fn request(&mut self) -> Option<Message> {
        let message = self.channel.request()?;
        self.book.write(|log| log.requests.push(message.clone()));
        Some(message)
    }

    /// The next request, which must come.
    pub(crate) fn expect_request(&mut self) -> Message {
        self.request().expect("a request")
    }

    /// Sends.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.channel.send(bytes);
    }

    /// Answers 200 with this body.
    pub(crate) fn ok(&mut self, body: &str) {
        let length = body.len();
        self.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
    }

    /// Ends the connection without the word of TLS that it was to end.
    pub(crate) fn cut(&mut self) {
        self.clean = false;
        self.channel.cut();
    }

    /// Leaves the connection as it is. The system resets one that is closed with bytes in it that nobody has read.
    pub(crate) fn drop_as_it_is(&mut self) {
        self.clean = false;
    }
}

/// What an origin does with a connection.
pub(crate) type Script = Arc<dyn Fn(&mut Conn) + Send + Sync>;

/// Answers each request with 200 and `ok`.
pub(crate) fn always_ok(conn: &mut Conn) {
    while conn.request().is_some() {
        if !conn
            .channel
            .try_send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        {
            return;
        }
    }
}

/// A running origin.
pub(crate) struct Origin {
    /// Its port on 127.0.0.1.
    pub(crate) port: u16,
    /// Its CA's certificate as PEM.
    pub(crate) ca_pem: String,
    /// Where the file with it is.
    folder: Home,
    /// What happened.
    book: Arc<Book>,
}

impl Origin {
    /// An origin with a good certificate.
    pub(crate) fn start(script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Self {
        Self::with(Certificate::Good, script)
    }

    /// An origin that speaks plain HTTP.
    pub(crate) fn plain(script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Self {
        Self::with(Certificate::None, script)
    }

    /// An origin with a certificate like this.
    pub(crate) fn with(
        certificate: Certificate,
        script: impl Fn(&mut Conn) + Send + Sync + 'static,
    ) -> Self {
        let (config, ca_pem) = identity(certificate);
        let config = (certificate != Certificate::None).then_some(config);
        let folder = Home::new();
        std::fs::write(folder.path("ca.pem"), &ca_pem).expect("a file");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let book = Arc::new(Book::default());
        let script: Script = Arc::new(script);
        let accepting = Arc::clone(&book);
        thread::Builder::new()
            .name("origin".into())
            .spawn(move || accept(&listener, config.as_ref(), &script, &accepting))
            .expect("a thread");
        Self {
            port,
            ca_pem,
            folder,
            book,
        }
    }

    /// Options that lead `authsome run` here for [`HOST`].
    pub(crate) fn args(&self) -> Vec<String> {
        self.args_for(&[HOST])
    }

    /// Options that lead `authsome run` here for these hosts.
    pub(crate) fn args_for(&self, hosts: &[&str]) -> Vec<String> {
        let mut args = vec!["--upstream-ca".to_owned(), self.ca_file()];
        args.extend(self.leads_here(hosts, 443));
        args
    }

    /// Options that lead here for these hosts' port.
    pub(crate) fn leads_here(&self, hosts: &[&str], port: u16) -> Vec<String> {
        let rule = |host: &&str| format!("--connect-to={host}:{port}:127.0.0.1:{}", self.port);
        hosts.iter().map(rule).collect()
    }

    /// The file with its CA's certificate.
    pub(crate) fn ca_file(&self) -> String {
        self.folder.path("ca.pem").display().to_string()
    }

    /// The requests that arrived so far.
    pub(crate) fn requests(&self) -> Vec<Message> {
        self.book.lock().requests.clone()
    }

    /// Waits until so many requests have arrived.
    pub(crate) fn wait_for_requests(&self, count: usize) {
        self.book
            .wait("requests", |log| log.requests.len() >= count);
    }

    /// Waits until so many bytes have arrived on all connections together.
    pub(crate) fn wait_for_bytes(&self, count: usize) {
        let arrived = |log: &Log| log.bytes.iter().map(Vec::len).sum::<usize>() >= count;
        self.book.wait("bytes", arrived);
    }

    /// Waits until no connection is left, of at least one that there was.
    pub(crate) fn wait_for_end(&self) {
        self.book.wait("the end of its connections", |log| {
            log.accepted > 0 && log.active == 0
        });
    }

    /// Whether all connections that there are end in time.
    pub(crate) fn is_left_alone(&self) -> bool {
        self.book.becomes(|log| log.active == 0)
    }

    /// Everything that arrived, once all connections have ended. To be called when whoever could connect is gone.
    pub(crate) fn finish(&self) -> Arrived {
        // In one step for whoever accepts it, so that it is known there.
        self.book.write(|log| {
            let socket = client::connect(self.port);
            log.last = Some(socket.local_addr().expect("an address"));
        });
        let is_still = |log: &Log| log.last_seen && log.active == 0;
        self.book.wait("its connections to end", is_still);
        let log = self.book.lock();
        assert!(!log.failed, "the origin's script has failed, see above");
        Arrived {
            accepted: log.accepted,
            established: log.established,
            bytes: log.bytes.concat(),
            requests: log.requests.clone(),
        }
    }
}

/// Everything that arrived at an origin.
pub(crate) struct Arrived {
    /// Connections.
    pub(crate) accepted: usize,
    /// Those on which TLS was set up.
    pub(crate) established: usize,
    /// All bytes, TLS taken off.
    pub(crate) bytes: Vec<u8>,
    /// All requests.
    pub(crate) requests: Vec<Message>,
}

impl Arrived {
    /// Checks that not a byte came.
    pub(crate) fn assert_nothing(&self) {
        let text = String::from_utf8_lossy(&self.bytes);
        assert!(self.bytes.is_empty(), "this arrived at the origin: {text}");
    }

    /// Checks that this was nowhere in what arrived.
    pub(crate) fn assert_without(&self, words: &str) {
        let text = String::from_utf8_lossy(&self.bytes);
        assert!(!text.contains(words), "{words} arrived: {text}");
    }

    /// The only request.
    pub(crate) fn only(&self) -> &Message {
        match self.requests.as_slice() {
            [only] => only,
            other => panic!("not one request but {other:?}"),
        }
    }
}

/// Accepts until the end. The connection that [`Origin::finish`] makes is known by its address: all before it were accepted.
fn accept(
    listener: &TcpListener,
    config: Option<&Arc<ServerConfig>>,
    script: &Script,
    book: &Arc<Book>,
) {
    for socket in listener.incoming() {
        let Ok(socket) = socket else { continue };
        let peer = socket.peer_addr().ok();
        let mut number = 0;
        book.write(|log| {
            number = log.accepted;
            log.last_seen = log.last.is_some() && log.last == peer;
            if !log.last_seen {
                log.accepted += 1;
                log.active += 1;
                log.bytes.push(Vec::new());
            }
        });
        if book.lock().last_seen {
            return;
        }
        let (config, script, book) = (config.cloned(), Arc::clone(script), Arc::clone(book));
        let serve = move || {
            let _end = Ending(Arc::clone(&book));
            let Some(channel) = secure(socket, config, &book) else {
                return;
            };
            let recording = Arc::clone(&book);
            let recorder = move |bytes: &[u8]| {
                recording.write(|log| log.bytes[number].extend_from_slice(bytes));
            };
            let mut conn = Conn {
                channel: channel.recorded(Box::new(recorder)),
                number,
                book,
                clean: true,
            };
            script(&mut conn);
            if conn.clean {
                conn.channel.end_sending();
            }
        };
        thread::Builder::new()
            .name("origin connection".into())
            .spawn(serve)
            .expect("a thread");
    }
}

/// Notes a connection's end, however it came.
struct Ending(Arc<Book>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.write(|log| {
            log.active -= 1;
            log.failed |= thread::panicking();
        });
    }
}

/// Sets up TLS, if there is any; `None` when that fails.
fn secure(socket: TcpStream, config: Option<Arc<ServerConfig>>, book: &Book) -> Option<Channel> {
    let Some(config) = config else {
        return Some(Channel::new(Box::new(socket)));
    };
    let mut tls = ServerConnection::new(config).expect("a server");
    let mut socket = socket;
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    while tls.is_handshaking() {
        let (read, written) = tls.complete_io(&mut socket).ok()?;
        if (read, written) == (0, 0) {
            return None;
        }
    }
    book.write(|log| log.established += 1);
    Some(Channel::new(Box::new(StreamOwned::new(tls, socket))))
}

/// TLS with a certificate like this, and the PEM of the one that is named.
fn identity(certificate: Certificate) -> (Arc<ServerConfig>, String) {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name = named("test authority");
    let key = KeyPair::generate().expect("a key");
    let authority = CertifiedIssuer::self_signed(params, key).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let [leaf, trusted] = leaf(certificate, &key, &authority);
    let secret = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let crypto = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&crypto))
        .with_safe_default_protocol_versions()
        .expect("versions");
    let clients = || {
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).expect("a root");
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), crypto)
    };
    let clients = match certificate {
        Certificate::WantsClients => clients().build().expect("a verifier"),
        Certificate::P521ThatAsks => {
            let clients = clients().allow_unauthenticated();
            clients.build().expect("a verifier")
        }
        _ => WebPkiClientVerifier::no_client_auth(),
    };
    let builder = builder.with_client_cert_verifier(clients);
    if matches!(certificate, Certificate::P521 | Certificate::P521ThatAsks) {
        let config = builder.with_cert_resolver(p521::resolver());
        return (Arc::new(config), p521::CERTIFICATE.to_owned());
    }
    let mut config = builder
        .with_single_cert(vec![leaf], secret)
        .expect("a certificate and its key");
    // h2 first, so that a client which offered it would get it.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (Arc::new(config), pem("CERTIFICATE", &trusted))
}

/// The certificate that an origin has, and the one that is named.
fn leaf(
    certificate: Certificate,
    key: &KeyPair,
    authority: &CertifiedIssuer<'_, KeyPair>,
) -> [CertificateDer<'static>; 2] {
    use Certificate::*;

    let names: &[&str] = match certificate {
        WrongName | AuthorityForAnother => &["wrong.test"],
        _ => &HOSTS,
    };
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name = named("test origin");
    if matches!(certificate, Expired | ExpiredAuthority) {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    }
    let own = |params: &CertificateParams| {
        let made = params.self_signed(key).expect("a certificate");
        CertificateDer::from(made)
    };
    let trusted = authority.der().clone();
    match certificate {
        SelfSigned => return [own(&params), trusted],
        Authority | ExpiredAuthority | AuthorityForAnother | UnknownAuthority
        | AuthorityMadeAnew => {}
        _ => {
            let signed = params.signed_by(key, authority).expect("a certificate");
            return [signed.into(), trusted];
        }
    }
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let leaf = own(&params);
    match certificate {
        UnknownAuthority => [leaf, trusted],
        AuthorityMadeAnew => {
            params.serial_number = Some(1.into());
            let anew = own(&params);
            assert_ne!(anew, leaf);
            [leaf, anew]
        }
        _ => [leaf.clone(), leaf],
    }
}

/// A name of one part.
fn named(name: &str) -> rcgen::DistinguishedName {
    let mut names = rcgen::DistinguishedName::new();
    names.push(rcgen::DnType::CommonName, name);
    names
}
