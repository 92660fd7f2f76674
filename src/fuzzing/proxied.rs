//! The door to the whole way of a request: a proxy whose clients and origins are the target's own. Everything between them is what
//! people run: routes, the credential, verified TLS to the origin, kept connections.

use std::fs;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;

use crate::audit::Audit;
use crate::broker::Broker;
use crate::broker::Connection;
use crate::broker::Stored;
use crate::broker::Surroundings;
use crate::broker::grant::About;
use crate::broker::grant::Grant;
use crate::broker::record::DEFAULT;
use crate::broker::record::Held;
use crate::broker::record::Record;
use crate::broker::store::Store;
use crate::clock;
use crate::environment::Environment;
use crate::files::Home;
use crate::notice::Notices;
use crate::peer::Admission;
use crate::provider::Name;
use crate::provider::Provider;
use crate::provider::definition::Definition;
use crate::provider::definition::Outside;
use crate::proxy::Listener;
use crate::proxy::Shared;
use crate::proxy::capacity::Capacity;
use crate::proxy::client;
use crate::proxy::mask;
use crate::proxy::state::Current;
use crate::proxy::state::State;
use crate::secret::Secret;
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
use crate::vault::KeyRing;
use crate::vault::NoAnswer;
use crate::vault::Vault;
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
pub struct Proxied {
    /// What its connections share.
    shared: Shared,
    /// The stored logins.
    logins: Arc<Logins>,
}

/// The logins that are in a vault: those to providers with OAuth. A person may log in anew while the proxy works.
pub struct Logins {
    /// The vault's records.
    store: Arc<Store>,
    /// The record of each login.
    records: Vec<Record>,
}

impl Logins {
    /// Logs in to a provider, with this token in the place of another.
    ///
    /// # Panics
    /// When there is no such login, or nowhere to write.
    pub fn replace(&self, provider: &str, token: &str) {
        let mut records = self.records.iter();
        let record = records.find(|record| record.provider.as_str() == provider);
        let record = record.expect("a provider with OAuth").clone();
        let stored = self.store.add(record, Some(&tokens(token)), true);
        stored.expect("a place to write");
    }
}

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

        let mut logins = Logins {
            store: Arc::new(Store::new(vault())),
            records: Vec::new(),
        };
        let connections = origins
            .iter()
            .map(|origin| connection(origin, &mut logins))
            .collect();
        let broker = Broker::new(connections);
        let connect_to = origins.iter().zip(hosts.iter().cloned());
        let connect_to = connect_to.filter_map(|(origin, host)| {
            ConnectTo::own_origin(Authority { host, port: 443 }, origin.address)
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
            patience: Some(PATIENCE),
            capacity,
            service: None,
        };
        let logins = Arc::new(logins);
        (Self { shared, logins }, configs)
    }

    /// Returns the stored logins.
    #[must_use]
    pub fn logins(&self) -> Arc<Logins> {
        Arc::clone(&self.logins)
    }

    /// Serves a client's connection to its end, as if it had come out of the TLS of a CONNECT to this host.
    pub fn serve(&self, socket: TcpStream, host_name: &str) {
        let authority = Authority {
            host: host(host_name),
            port: 443,
        };
        let client = Wire::plain(socket).expect("a TCP socket");
        let pass = self.shared.current.get().pass();
        client::serve_intercepted(client, &authority, pass, &self.shared);
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

/// A login to the origin's provider: stored, where that has OAuth.
fn connection(origin: &Origin<'_>, logins: &mut Logins) -> Connection {
    let outside = Outside {
        base_url: None,
        username: None,
        variable: &|_: &str| None,
    };
    let definition = Definition::parse("definition.json", origin.definition.as_bytes());
    let provider = definition.and_then(|definition| definition.provider(&outside));
    let provider = provider.expect("a good definition");
    if let Some(record) = record(&provider) {
        let secret = tokens(origin.credential);
        let record = logins.store.add(record, Some(&secret), true);
        let record = record.expect("a place to write");
        let surroundings = Surroundings {
            variables: Environment::default(),
            commands: Environment::default(),
        };
        let stored = Arc::new(Stored::new(&logins.store, &record, &surroundings));
        logins.records.push(record);
        return Connection::stored(provider, stored);
    }
    let source = Source::held("the target", origin.credential.as_bytes());
    Connection::given(provider, source.expect("a good credential"))
}

/// The record of a login by OAuth, where the provider has that.
fn record(provider: &Provider) -> Option<Record> {
    let oauth = provider.oauth.as_ref()?;
    let about = About {
        flow: oauth.flow,
        expires_ms: None,
        lifetime_ms: None,
        scopes: Vec::new(),
        is_refreshable: false,
        needs_login: false,
        token_url: oauth.endpoints.token.clone()?,
        revocation_url: None,
        resource: None,
        client_id: "client".into(),
        client_auth: oauth.client_auth,
    };
    Some(Record {
        provider: provider.name.clone(),
        connection: Name::parse(DEFAULT).expect("a good name"),
        is_default: true,
        held: Held::Oauth(Box::new(about)),
        base_url: None,
        username: None,
        routes: None,
        created: 0,
        updated: 0,
    })
}

/// An access token without a refresh token, as the vault has it.
fn tokens(access: &str) -> Secret {
    let grant = Grant {
        access: Secret::new(access.as_bytes().to_vec()),
        refresh: None,
        client_secret: None,
    };
    grant.to_secret()
}

/// A vault of this process alone, in memory where the system has a place for that: each change of it is waited for.
fn vault() -> Vault {
    const NAME: &str = "authsome-fuzz.";

    let memory = PathBuf::from("/dev/shm");
    let folder = if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    };
    // A fuzzer ends without cleaning up.
    for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(NAME));
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let home = Home::at(folder.join(format!("{NAME}{}", std::process::id())));
    home.create().expect("a folder");
    let mut environment = Environment::default();
    environment.set("AUTHSOME_MASTER_KEY", "0".repeat(64));
    let ask = Box::new(|| Err(NoAnswer::Nobody("nobody is there to be asked".into())));
    let keys = KeyRing::new(&environment, &home, ask);
    Vault::new(home, keys, Arc::new(Notices::new(|_| {})))
}
