//! A program behind the proxy: what must be there before it starts, and its run to the end.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::app;
use super::app::App;
use super::connect::Connected;
use super::error::Error;
use super::origins::OriginArgs;
use super::root;
use super::root::Choice;
use super::surroundings;
use super::surroundings::Surroundings;
use super::syntax::Opt;
use super::syntax::Parsed;
use super::syntax::valued;
use crate::account::Account;
use crate::audit::Audit;
use crate::broker::Broker;
use crate::broker::Connection;
use crate::broker::store::Store;
use crate::child::downloaders;
use crate::child::environment;
use crate::child::init;
use crate::child::init::Role;
use crate::child::java;
use crate::child::node;
use crate::child::php;
use crate::child::supervise;
use crate::child::supervise::End;
use crate::child::supervise::Program;
use crate::child::supervise::Start;
use crate::environment::EXTRA;
use crate::environment::Environment;
use crate::files::Home;
use crate::files::RunDirectory;
use crate::peer::Admission;
use crate::provider::Provider;
use crate::proxy::Door;
use crate::proxy::Listener;
use crate::proxy::Shared;
use crate::proxy::capacity::Capacity;
use crate::proxy::demo;
use crate::proxy::demo::Demo;
use crate::proxy::mask;
use crate::proxy::state::Current;
use crate::proxy::state::State;
use crate::random;
use crate::settings::Settings;
use crate::source::Source;
use crate::sys::inherited::Inherited;
use crate::sys::process;
use crate::sys::process::Identity;
use crate::tls;
use crate::tls::bundle;
use crate::tls::leaf::LeafCache;
use crate::tls::pkcs12;
use crate::upstream::pool::Pool;

/// How long the end waits for new tokens that are on their way: a server that has not answered by then has most likely given none.
pub(super) const LAST_REFRESH: Duration = Duration::from_secs(10);

/// Connections at once, at the most, where nothing is said.
pub(super) const MAX_CONNECTIONS: usize = 1024;

/// Where a run's files are when TMPDIR would let others replace them: a Linux has this folder, sticky, and so have containers.
const SHARED_MEMORY: &str = "/dev/shm";

/// The option that limits how long an origin may take; [`OriginArgs`] reads it.
pub(super) const UPSTREAM_TIMEOUT: Opt = valued(
    "upstream-timeout",
    "SEC",
    "how long an origin may take to begin its answer (no limit: as long as the program waits)",
);

/// The option that says how many connections there may be at once.
pub(super) const CONNECTIONS: Opt = valued("max-connections", "N", "connections at once (1024)");

/// What it says.
///
/// # Errors
/// When it is no such number.
pub(super) fn max_connections(parsed: &Parsed) -> Result<usize, Error> {
    let count = parsed.number(CONNECTIONS.long, "", 1..=100_000)?;
    Ok(count
        .and_then(|count| count.try_into().ok())
        .unwrap_or(MAX_CONNECTIONS))
}

/// What comes before everything else: before a secret is read, and while the process has one thread.
pub(super) enum Begun {
    /// This process goes on.
    Worker {
        /// Limits and signals that this process was started with.
        inherited: Inherited,
        /// Whether it was split off from process 1.
        is_split: bool,
    },
    /// This was process 1, whose work is done: the exit code is the worker's.
    Done(u8),
}

/// Shuts other processes out of this one, and splits off the work where this is process 1.
///
/// # Errors
/// When either can't be done.
pub(super) fn begin() -> Result<Begun, Error> {
    let inherited = app::protect()?;
    let role =
        init::split_if_first().map_err(|error| Error::new("cannot start as process 1", error))?;
    Ok(match role {
        Role::Worker { is_split } => Begun::Worker {
            inherited,
            is_split,
        },
        Role::Done(code) => Begun::Done(code),
    })
}

/// How a session is to be.
pub(super) struct Setup<'a> {
    /// How origins are reached.
    pub(super) origins: &'a OriginArgs,
    /// The demonstration, if it is part of it.
    pub(super) demo: Option<&'a Demo>,
    /// The root that its certificates lead to.
    pub(super) root: Choice,
    /// Connections at once, at the most.
    pub(super) max_connections: usize,
    /// Who the program is run as, if somebody else.
    pub(super) account: Option<&'a Account>,
    /// Whether the proxy asks for a password.
    pub(super) proxy_auth: bool,
    /// Whether the proxy serves root where the program isn't root.
    pub(super) admit_root: bool,
    /// Whether to report which setting names the upstream proxy.
    pub(super) verbose: bool,
    /// Whether Node gets a preload.
    pub(super) node_preload: bool,
}

impl Setup<'_> {
    /// Decides whom the proxy serves, and returns how they come to it. That is the user that the program runs as: with `--user` not
    /// authsome's own, root, as which the authsomes of other such runs connect.
    ///
    /// # Errors
    /// When the system doesn't say who connects.
    fn door(&self, listener: &Listener) -> Result<Door, Error> {
        let user = self.account.map(|account| account.identity.user);
        let admission = Admission {
            user: user.unwrap_or_else(process::user),
            root: self.admit_root,
        };
        let door = listener.door(admission, self.proxy_auth);
        door.map_err(|error| {
            Error::new("cannot guard the proxy", error)
                .hint("make that readable, or guard it with --proxy-auth")
        })
    }

    /// Returns what the child's files are made of, for the proxy at this address.
    fn contents<'a>(
        &self,
        root: String,
        trusted: Option<&'a [u8]>,
        proxy: SocketAddr,
    ) -> Contents<'a> {
        let preload = || node::preload(proxy, &root, self.origins.egress.is_restricted());
        Contents {
            preload: self.node_preload.then(preload),
            root,
            trusted,
        }
    }
}

/// A proxy that serves, and what a program needs to use it.
pub(super) struct Session {
    /// What the program reads; removed when this is dropped.
    files: Files,
    /// The program's environment.
    environment: Environment,
    /// Who it is run as, if somebody else.
    identity: Option<Identity>,
    /// Where new tokens go.
    store: Arc<Store>,
    /// Where it is told what the program asks for.
    audit: Arc<Audit>,
}

impl Session {
    /// Starts the proxy. Whatever can fail does so before the program is there.
    ///
    /// # Errors
    /// What can't be made or used.
    pub(super) fn start(app: &App, connected: Connected, setup: &Setup<'_>) -> Result<Self, Error> {
        let (parent, home) = (&app.parent, &app.home);
        let listener =
            Listener::bind().map_err(|error| Error::new("cannot listen on 127.0.0.1", error))?;
        let identity = setup.account.map(|account| account.identity);
        let door = setup.door(&listener)?;
        let state = State::new(connected.broker, door.password).blind_to(connected.blind);
        let root = root::root(setup.root, app, state.router())?;
        let around = Surroundings::read(app, Settings::read(parent));
        let contents = setup.contents(root.pem(), around.trusted.as_deref(), listener.address());
        let files = Files::write(parent, home, &contents, identity.is_some())?;
        identity.map_or(Ok(()), |identity| files.open_to(identity))?;
        let own = Some(listener.address());
        let (dialer, warnings) = setup.origins.dialer(&around, own, setup.demo)?;
        let plan = environment::Plan {
            proxy: &door.url,
            account: setup.account,
            bundle: &files.bundle,
            extra: &files.extra,
            trust_store: files.trust_store.as_deref(),
            php_settings: files.php_settings.as_deref(),
            node_preload: files.node_preload.as_deref(),
            connected: &providers(state.broker()),
            known: &connected.known,
            sources: &connected.sources,
            rules: &state.router().rules().collect::<Vec<_>>(),
            settings: &around.settings,
            is_restricted: setup.origins.egress.is_restricted(),
        };
        let child = environment::build(parent, &plan);
        for warning in child.1.into_iter().chain(warnings) {
            app.notices.warn(warning);
        }
        surroundings::report(app, &around, setup.verbose, setup.origins.mozilla_only);
        let leaves = LeafCache::new(root, tls::crypto())
            .map_err(|error| Error::new("no certificates", error))?;
        app.store.vault().ask_no_more();
        let capacity = Capacity::new(setup.max_connections, process::open_files());
        let shared = Shared {
            access: door.access,
            current: Current::new(state),
            leaves,
            dialer,
            pool: Pool::new(capacity.idle),
            masking: mask::Known::new().map_err(|error| Error::new("no randomness", error))?,
            notices: Arc::clone(&app.notices),
            audit: Arc::clone(&app.audit),
            patience: setup.origins.timeout,
            capacity,
            service: None,
        };
        listener
            .serve(Arc::new(shared))
            .map_err(|error| Error::new("cannot start the proxy", error))?;
        Ok(Self {
            files,
            environment: child.0,
            identity,
            store: Arc::clone(&app.store),
            audit: Arc::clone(&app.audit),
        })
    }

    /// The same with one more variable for the program.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.set(name, value);
        self
    }

    /// Runs the program to its end, and gives its exit code. To be called from the main thread.
    ///
    /// # Errors
    /// When it can't be started, with the exit codes of a shell, or not be waited for.
    pub(super) fn run(
        self,
        program: &OsString,
        arguments: &[OsString],
        mut start: Start,
    ) -> Result<u8, Error> {
        let name = Path::new(program).file_name().unwrap_or_default();
        self.audit.begin(&name.to_string_lossy());
        let run = Program {
            name: program,
            arguments,
            environment: &self.environment,
            identity: self.identity,
        };
        let end = supervise::run(&run, &mut start)
            .map_err(|error| Error::new("cannot wait for the program", error))?;
        drop(self.files);
        // A new refresh token that is on its way would be lost, and the old one may be good no more.
        self.store.refreshes().wait(LAST_REFRESH);
        self.audit.finish();
        match end {
            End::Code(code) => Ok(code),
            End::NotStarted(error) => Err(not_started(program, &error)),
        }
    }
}

/// Adds the demonstration's provider, with a credential of its own for this run, and starts its origin.
///
/// # Errors
/// When the origin can't be started.
pub(super) fn add_demo(connected: &mut Connected) -> Result<Demo, Error> {
    let failed = |why: &dyn std::fmt::Display| Error::new("cannot start the demonstration", why);
    let secret = random::token().map_err(|error| failed(&error))?;
    let demo = demo::start(secret.clone().into_bytes()).map_err(|error| failed(&error))?;
    let source =
        Source::held("the demonstration", secret.as_bytes()).map_err(|error| failed(&error))?;
    let provider = demo::provider().map_err(|error| failed(&error))?;
    connected.broker.add(Connection::given(provider, source));
    Ok(demo)
}

/// What the child's files are made of.
struct Contents<'a> {
    /// The root, as PEM.
    root: String,
    /// Certificates that the parent's programs trust; `None` if unknown.
    trusted: Option<&'a [u8]>,
    /// The preload for Node, unless the run is without one.
    preload: Option<String>,
}

/// The files that the child reads.
struct Files {
    /// Removed when this is dropped.
    _directory: RunDirectory,
    /// All that the parent's programs trust, and our root.
    bundle: PathBuf,
    /// For the variables that name certificates beside a program's own: our root, and the parent's extra ones;
    /// and settings of apt and wget that name the bundle.
    extra: BTreeMap<&'static str, PathBuf>,
    /// The bundle as Java reads it, where there is a Java.
    trust_store: Option<PathBuf>,
    /// Settings of PHP that name the bundle, where there is a PHP.
    php_settings: Option<PathBuf>,
    /// The preload for Node, unless the run is without one.
    node_preload: Option<PathBuf>,
}

impl Files {
    /// Writes them.
    fn write(
        parent: &Environment,
        home: &Home,
        contents: &Contents<'_>,
        is_shared: bool,
    ) -> Result<Self, Error> {
        let temporary = parent
            .get("TMPDIR")
            .map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
        let write_in = |place: &Path| {
            let directory = match is_shared {
                true => RunDirectory::create_shared(place),
                false => RunDirectory::create(place),
            };
            Self::write_in(directory?, parent, contents)
        };
        let at_home = || home.create().and_then(|()| write_in(home.path()));
        let in_memory = || write_in(Path::new(SHARED_MEMORY));
        // A container may have no place for temporary files, a full one, or one where everybody can replace what is there. The
        // error says why the first place would not do.
        write_in(&temporary).or_else(|error| {
            let instead = match (RunDirectory::is_refused_in(&temporary), is_shared) {
                // The home is most likely closed to the program's user.
                (_, true) => in_memory().or_else(|_| at_home()),
                (true, false) => at_home().or_else(|_| in_memory()),
                (false, false) => at_home(),
            };
            instead.map_err(|_| {
                Error::new("cannot write the certificate files", error)
                    .hint("set TMPDIR or AUTHSOME_HOME to a folder that can be written to; one that others can write to must be sticky (chmod +t)")
            })
        })
    }

    /// Lets somebody else read them.
    ///
    /// # Errors
    /// When they can't all the same, since a folder above is closed to them; when nobody can be run as them.
    fn open_to(&self, identity: Identity) -> Result<(), Error> {
        let failed = |error: io::Error| {
            let user = identity.user;
            Error::new(&format!("cannot run a program as user {user}"), error).hint(
                "start authsome as root, with the right to change users (CAP_SETUID, CAP_SETGID)",
            )
        };
        let path = CString::new(self.bundle.as_os_str().as_bytes()).map_err(io::Error::from);
        if !process::can_be_read_by(identity, &path.map_err(failed)?).map_err(failed)? {
            let file = self.bundle.display();
            return Err(Error::plain(format!(
                "user {} can't read the certificates in {file}",
                identity.user
            ))
            .hint("set TMPDIR to a folder that this user can reach, as /tmp is"));
        }
        Ok(())
    }

    /// Writes them into this directory.
    fn write_in(
        directory: RunDirectory,
        parent: &Environment,
        contents: &Contents<'_>,
    ) -> io::Result<Self> {
        let root_pem = &*contents.root;
        let pem = bundle::for_child(contents.trusted, root_pem);
        let bundle = directory.write_public("bundle.pem", &pem)?;
        let trust_store = java::is_there(parent)
            .then(|| directory.write_public("bundle.p12", &pkcs12::trust_store(&pem)))
            .transpose()?;
        let php_settings = php::is_there(parent)
            .then(|| php::settings(&bundle))
            .flatten()
            .map(|settings| directory.write_public("authsome.ini", settings.as_bytes()))
            .transpose()?;
        let own = directory.write_public("ca.pem", root_pem.as_bytes())?;
        let node_preload = contents
            .preload
            .as_ref()
            .map(|preload| directory.write_public(node::FILE, preload.as_bytes()))
            .transpose()?;
        let mut extra = BTreeMap::new();
        for name in EXTRA {
            let of_parent = parent
                .get(name)
                .and_then(|path| bundle::read_pem(path.as_ref()).ok());
            let path = match of_parent {
                None => own.clone(),
                Some(pem) => {
                    let file = format!("{}.pem", name.to_ascii_lowercase());
                    directory.write_public(&file, &bundle::joined(pem, root_pem))?
                }
            };
            extra.insert(name, path);
        }
        for (variable, file, text) in downloaders::settings(parent, &bundle) {
            extra.insert(variable, directory.write_public(file, text.as_bytes())?);
        }
        Ok(Self {
            _directory: directory,
            bundle,
            extra,
            trust_store,
            php_settings,
            node_preload,
        })
    }
}

/// The providers that have a connection.
fn providers(broker: &Broker) -> Vec<&Provider> {
    let connections = broker.connections();
    connections
        .map(|(_, Connection { provider, .. })| provider)
        .collect()
}

/// Why the program did not start, with the exit codes of a shell.
fn not_started(program: &OsString, error: &io::Error) -> Error {
    let name = program.to_string_lossy();
    let (code, hint) = match error.kind() {
        io::ErrorKind::NotFound => (127, "check its name, and PATH"),
        _ => (126, "check that it is a program and may be executed"),
    };
    Error::new(&format!("cannot run {name}"), error)
        .hint(hint)
        .code(code)
}
