//! `authsome run`: the proxy, the child, and what must be there before it starts.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::args::RunArgs;
use super::connect;
use super::connect::Connected;
use super::error::Error;
use super::error::FAILED;
use super::error::NOT_STARTED;
use super::error::UNKNOWN;
use super::home;
use super::output;
use crate::broker::Connection;
use crate::child::environment;
use crate::child::init;
use crate::child::init::Role;
use crate::child::supervise;
use crate::child::supervise::End;
use crate::clock;
use crate::environment::Environment;
use crate::files::Home;
use crate::files::RunDirectory;
use crate::notice::Notices;
use crate::provider::Provider;
use crate::provider::host_rule::HostRule;
use crate::provider::registry::Registry;
use crate::proxy::Listener;
use crate::proxy::Shared;
use crate::proxy::demo;
use crate::proxy::demo::Demo;
use crate::proxy::route::Router;
use crate::random;
use crate::source::Source;
use crate::sys::process;
use crate::tls;
use crate::tls::bundle;
use crate::tls::leaf::LeafCache;
use crate::tls::root::Root;
use crate::tls::root::Scope;
use crate::tls::trust;
use crate::tls::trust::Trust;
use crate::upstream::dial::ConnectTo;
use crate::upstream::dial::Dialer;
use crate::upstream::pool::Pool;
use crate::upstream::via::ProxySettings;

/// How long a run's root lasts.
const CA_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// How long it lasts as a container's entry point, whose run has no end that anyone plans: a year.
const CA_LIFETIME_AS_INIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Runs the program and gives its exit code.
///
/// # Errors
/// When authsome itself can't start: exit code 125 (2 where it was a word of the command line).
pub(crate) fn run(args: &RunArgs) -> Result<u8, Error> {
    start(args).map_err(|error| match error.code {
        FAILED | UNKNOWN => error.code(NOT_STARTED),
        _ => error,
    })
}

/// The steps, in order. Whatever can fail does so before the child is there.
fn start(args: &RunArgs) -> Result<u8, Error> {
    let is_init = process::own_pid() == 1;
    // Before any secret is read.
    let limits =
        process::harden().map_err(|error| Error::new("cannot protect this process", error))?;
    let role =
        init::split_if_first().map_err(|error| Error::new("cannot start as process 1", error))?;
    if let Role::Done(code) = role {
        return Ok(code);
    }
    let parent = Environment::of_process();
    let home = home(&parent);
    let notices = Arc::new(output::notices(args.verbosity));
    let mut connected = connections(args, &parent, &home, &notices)?;
    let demo = if args.demo {
        Some(add_demo(&mut connected)?)
    } else {
        None
    };
    let router = Router::new(&connected.broker);
    let lifetime = args.ca_lifetime.unwrap_or(if is_init {
        CA_LIFETIME_AS_INIT
    } else {
        CA_LIFETIME
    });
    let root = make_root(&router, lifetime)?;
    let listener =
        Listener::bind().map_err(|error| Error::new("cannot listen on 127.0.0.1", error))?;
    let trusted = bundle::trusted(&parent);
    let files = Files::write(&parent, &home, &root, trusted.as_deref())?;
    let (dialer, warning) = dialer(args, &parent, &listener, demo.as_ref(), trusted)?;
    let child = child_environment(&parent, &connected, &router, &listener, &files);
    for warning in child.1.into_iter().chain(warning) {
        notices.warn(warning);
    }
    let leaves = LeafCache::new(root, tls::crypto())
        .map_err(|error| Error::new("no certificates", error))?;
    let shared = Shared {
        router,
        broker: connected.broker,
        leaves,
        dialer,
        pool: Pool::default(),
        notices,
        patience: args.upstream_timeout,
        max_connections: args.max_connections,
    };
    listener
        .serve(Arc::new(shared))
        .map_err(|error| Error::new("cannot start the proxy", error))?;
    let end = supervise::run(&args.program, &args.arguments, &child.0, limits)
        .map_err(|error| Error::new("cannot wait for the program", error))?;
    drop(files);
    match end {
        End::Code(code) => Ok(code),
        End::NotStarted(error) => Err(not_started(&args.program, &error)),
    }
}

/// The connections that options and environment give.
fn connections(
    args: &RunArgs,
    parent: &Environment,
    home: &Home,
    notices: &Notices,
) -> Result<Connected, Error> {
    let directory = home.providers();
    let registry = Registry::load(&directory).map_err(|error| {
        Error::new(&format!("cannot read {}", directory.display()), error)
            .hint("check the folder and its permissions")
    })?;
    connect::connect(&args.connections, parent, &registry, notices)
}

/// Adds the demonstration's provider, with a credential of its own for this run, and starts its origin.
fn add_demo(connected: &mut Connected) -> Result<Demo, Error> {
    let failed = |why: &dyn std::fmt::Display| Error::new("cannot start the demonstration", why);
    let secret = random::token().map_err(|error| failed(&error))?;
    let demo = demo::start(secret.clone().into_bytes()).map_err(|error| failed(&error))?;
    let source =
        Source::held("the demonstration", secret.as_bytes()).map_err(|error| failed(&error))?;
    let provider = demo::provider().map_err(|error| failed(&error))?;
    connected.broker.add(provider, source);
    Ok(demo)
}

/// The root of this run, for the hosts that have routes.
fn make_root(router: &Router, lifetime: Duration) -> Result<Root, Error> {
    let scope = router.exact_hosts().map_or(Scope::AnyName, Scope::Hosts);
    let token = random::token().map_err(|error| Error::new("no randomness", error))?;
    // A name of its own: clients that meet two roots of one name may take the wrong one.
    let name = format!("authsome run {}", token.get(..8).unwrap_or_default());
    Root::make(&name, &scope, clock::now(), lifetime)
        .map_err(|error| Error::new("cannot make a root certificate", error))
}

/// The way to origins, and a warning about it.
fn dialer(
    args: &RunArgs,
    parent: &Environment,
    listener: &Listener,
    demo: Option<&Demo>,
    trusted: Option<Vec<u8>>,
) -> Result<(Dialer, Option<String>), Error> {
    let mut extra = Vec::new();
    for path in &args.upstream_ca {
        let roots = trust::read_roots(path).map_err(|error| {
            Error::new(
                &format!("cannot use --upstream-ca {}", path.display()),
                error,
            )
            .hint("give a PEM file of certificates")
        })?;
        extra.extend(roots);
    }
    let mut connect_to = args.connect_to.clone();
    if let Some(demo) = demo {
        extra.push(demo.root.clone());
        connect_to.extend(ConnectTo::new(demo.authority.clone(), demo.address));
    }
    let (proxies, passed_over) = ProxySettings::of(parent).map_err(|invalid| {
        Error::new("cannot use the upstream proxy", invalid)
            .hint("set it to http://HOST:PORT, or unset it")
    })?;
    let passed_over = passed_over
        .map(|invalid| format!("{invalid}; it is passed over, and origins are reached without it"));
    let bundle = trusted.filter(|_| !args.mozilla_only).map(Arc::from);
    let trust = Trust::new(bundle, extra, tls::crypto());
    Ok((
        Dialer::new(connect_to, proxies, trust, listener.address()),
        passed_over,
    ))
}

/// The files that the child reads.
struct Files {
    /// Removed when this is dropped.
    _directory: RunDirectory,
    /// All that the parent's programs trust, and our root.
    bundle: PathBuf,
    /// For the variables that name certificates beside a program's own: our root, and the parent's extra ones.
    extra: BTreeMap<&'static str, PathBuf>,
}

impl Files {
    /// Writes them.
    fn write(
        parent: &Environment,
        home: &Home,
        root: &Root,
        trusted: Option<&[u8]>,
    ) -> Result<Self, Error> {
        let temporary = parent
            .get("TMPDIR")
            .map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
        let root_pem = root.pem();
        // The home comes second: a container may have no place for temporary files, or a full one.
        Self::write_in(&temporary, parent, &root_pem, trusted)
            .or_else(|_| {
                home.create()?;
                Self::write_in(home.path(), parent, &root_pem, trusted)
            })
            .map_err(|error| {
                Error::new("cannot write the certificate files", error)
                    .hint("set TMPDIR or AUTHSOME_HOME to a folder that can be written to")
            })
    }

    /// Writes them into a new directory in this one.
    fn write_in(
        place: &Path,
        parent: &Environment,
        root_pem: &str,
        trusted: Option<&[u8]>,
    ) -> io::Result<Self> {
        let directory = RunDirectory::create(place)?;
        let bundle = directory.write_public("bundle.pem", &bundle::for_child(trusted, root_pem))?;
        let own = directory.write_public("ca.pem", root_pem.as_bytes())?;
        let mut extra = BTreeMap::new();
        for name in environment::EXTRA {
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
        Ok(Self {
            _directory: directory,
            bundle,
            extra,
        })
    }
}

/// The child's environment, and warnings about it.
fn child_environment(
    parent: &Environment,
    connected: &Connected,
    router: &Router,
    listener: &Listener,
    files: &Files,
) -> (Environment, Vec<String>) {
    let providers: Vec<&Provider> = connected
        .broker
        .connections()
        .map(|(_, Connection { provider, .. })| provider)
        .collect();
    let rules: Vec<&HostRule> = router.rules().collect();
    let plan = environment::Plan {
        proxy: listener.address(),
        bundle: &files.bundle,
        extra: &files.extra,
        connected: &providers,
        known: &connected.known,
        sources: &connected.sources,
        rules: &rules,
    };
    environment::build(parent, &plan)
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
