//! The door to the whole way of a request: a proxy whose clients and origins are the target's own. Everything between them is what
//! people run: routes, the credential, verified TLS to the origin, kept connections.

use std::net::SocketAddr;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;

use crate::audit::Audit;
use crate::broker::Broker;
use crate::broker::Connection;
use crate::clock;
use crate::notice::Notices;
use crate::peer::Admission;
use crate::provider::definition::Definition;
use crate::provider::definition::Outside;
use crate::proxy::Listener;
use crate::proxy::Shared;
use crate::proxy::capacity::Capacity;
use crate::proxy::client;
use crate::proxy::mask;
use crate::proxy::state::Current;
use crate::proxy::state::State;
use crate::source::Source;
use crate::sys::signal::Signals;
use crate::tls;
use crate::tls::leaf::LeafCache;
use crate::tls::root::Root;
use crate::tls::root::Scope;
use crate::tls::trust::Trust;
use crate::upstream::connect_to::ConnectTo;
use crate::upstream::dial::Dialer;
use crate::upstream::egress::Egress;
use crate::upstream::pool::Pool;
use crate::upstream::via::ProxySettings;
use crate::url::Authority;
use crate::url::Host;
use crate::wire::Wire;

/// How long roots last: longer than a target runs.
const LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How long an origin may take to begin its response. One of the target's own never takes as long.
const PATIENCE: Duration = Duration::from_secs(5);

/// An origin, and the provider that claims it.
pub struct Origin<'a> {
    /// Its host; the port is 443.
    pub host: &'a str,
    /// Where it listens.
    pub address: SocketAddr,
    /// The provider's definition, as JSON.
    pub definition: &'a str,
    /// The credential.
    pub credential: &'a str,
}

/// A proxy.
pub struct Proxied(Shared);

impl Proxied {
    /// A proxy between its clients and these origins, and the TLS that each of them is to speak.
    #[must_use]
    pub fn new(origins: &[Origin<'_>]) -> (Self, Vec<Arc<ServerConfig>>) {
        // Where `main` is Rust's, its runtime ignores the signal. A fuzzer's would end the process at a closed connection.
        let caught = Signals::catch(&[libc::SIGPIPE]);
        drop(caught.expect("nobody else waits for signals"));

        let hosts: Vec<Host> = origins.iter().map(|origin| host(origin.host)).collect();
        let (leaves, trusted) = certificates("origins", &hosts);
        let configs = hosts
            .iter()
            .map(|host| leaves.config(host).expect("a name for a certificate"));
        let configs = configs.collect();

        let broker = Broker::new(origins.iter().map(connection).collect());
        let connect_to = origins.iter().zip(hosts.iter().cloned());
        let connect_to = connect_to.filter_map(|(origin, host)| {
            ConnectTo::new(Authority { host, port: 443 }, origin.address)
        });
        let dialer = Dialer::new(
            connect_to.collect(),
            ProxySettings::default(),
            Trust::new(None, trusted, tls::crypto()),
            Egress::default(),
            None,
        );
        let listener = Listener::bind().expect("a loopback");
        let door = listener
            .door(Admission::own(false), false)
            .expect("the system tells");
        let capacity = Capacity::new(1, 1024);
        let shared = Shared {
            access: door.access,
            current: Current::new(State::new(broker, None)),
            leaves: certificates("a run", &hosts).0,
            dialer,
            pool: Pool::new(capacity.idle),
            masking: mask::Known::new().expect("there is randomness"),
            notices: Arc::new(Notices::new(|_| {})),
            audit: Arc::new(Audit::off()),
            patience: PATIENCE,
            capacity,
            service: None,
        };
        (Self(shared), configs)
    }

    /// Serves a client's connection to its end, as if it had come out of the TLS of a CONNECT to this host.
    pub fn serve(&self, socket: TcpStream, host_name: &str) {
        let authority = Authority {
            host: host(host_name),
            port: 443,
        };
        let client = Wire::plain(socket).expect("a TCP socket");
        let pass = self.0.current.get().pass();
        client::serve_intercepted(client, &authority, pass, &self.0);
    }
}

/// The host of this name.
fn host(name: &str) -> Host {
    Host::parse(name.as_bytes()).expect("a host")
}

/// Leaves for the hosts, and the root that they lead to.
fn certificates(
    name: &str,
    hosts: &[Host],
) -> (LeafCache, Vec<rustls::pki_types::CertificateDer<'static>>) {
    let scope = Scope::Hosts(hosts.to_vec());
    let root = Root::make(name, &scope, clock::now(), LIFETIME).expect("there is randomness");
    let certificate = root.certificate().der.clone();
    let leaves = LeafCache::new(root, tls::crypto()).expect("a key of our own");
    (leaves, vec![certificate])
}

/// A login to the origin's provider.
fn connection(origin: &Origin<'_>) -> Connection {
    let outside = Outside {
        base_url: None,
        username: None,
        variable: &|_: &str| None,
    };
    let definition = Definition::parse("definition.json", origin.definition.as_bytes());
    let provider = definition.and_then(|definition| definition.provider(&outside));
    let source = Source::held("the target", origin.credential.as_bytes());
    Connection::given(
        provider.expect("a good definition"),
        source.expect("a good credential"),
    )
}
