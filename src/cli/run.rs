//! `authsome run`: the proxy, the child, and what must be there before it starts.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::app;
use super::app::App;
use super::connect;
use super::connect::Connected;
use super::connect::ConnectionArgs;
use super::error::Error;
use super::error::FAILED;
use super::error::LOGIN_NEEDED;
use super::error::NOT_STARTED;
use super::error::UNKNOWN;
use super::output::Verbosity;
use super::syntax::Group;
use super::syntax::Opt;
use super::syntax::Parsed;
use super::syntax::Syntax;
use super::syntax::flag;
use super::syntax::valued;
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
use crate::provider::Provider;
use crate::provider::host_rule::HostRule;
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

/// What `run` says of itself.
pub(super) const SYNTAX: Syntax = Syntax {
    name: "run",
    summary: "run a program with credentials added to its requests",
    words: "[--] COMMAND [ARG...]",
    ends_at_word: true,
    about: "Run a program behind a local proxy that adds credentials to its requests.

Stored connections are used, and credentials found in the environment under a name that a provider exports (OPENAI_API_KEY, \
GITHUB_TOKEN, ...); the program gets a placeholder. A credential goes to its provider's hosts only, over verified TLS.",
    groups: &[
        connect::OPTIONS,
        Group {
            title: "How origins are reached",
            options: &[
                valued("upstream-ca", "FILE", "trust the certificates in this PEM file too"),
                valued(
                    "roots",
                    "system|mozilla",
                    "trust the system's roots too (system), or only those of Mozilla that are built in",
                ),
                valued("connect-to", "H:P:A:Q", "connect to address A, port Q for host H, port P"),
                valued("upstream-timeout", "SEC", "how long an origin may take to answer (300)"),
            ],
        },
        Group {
            title: "Limits",
            options: &[
                valued("max-connections", "N", "connections at once (1024)"),
                valued(
                    "ca-lifetime",
                    "HOURS",
                    "how long the run's own root lasts (24; 8760 as a container's first process)",
                ),
            ],
        },
        Group {
            title: "Else",
            options: &[
                flag("demo", "add the provider `demo`, answered by this program"),
                Opt {
                    long: "verbose",
                    short: Some('v'),
                    value: None,
                    help: "a line for each request, without secrets or queries",
                },
            ],
        },
    ],
    notes: "Exit code: the program's; 128+N if signal N ended it; 127 not found; 126 not executable; 125 authsome could not start; \
2 wrong usage.",
    examples: "authsome run --credential github=command:'pass show github' -- gh pr list",
    run,
};

/// `authsome run`
struct RunArgs {
    /// Which connections.
    connections: ConnectionArgs,
    /// `--demo`
    demo: bool,
    /// `--connect-to`
    connect_to: Vec<ConnectTo>,
    /// `--upstream-ca`
    upstream_ca: Vec<PathBuf>,
    /// `--roots mozilla`
    mozilla_only: bool,
    /// `--upstream-timeout SECONDS`
    upstream_timeout: Duration,
    /// `--max-connections N`
    max_connections: usize,
    /// `--ca-lifetime HOURS`
    ca_lifetime: Option<Duration>,
    /// What to print.
    verbosity: Verbosity,
    /// COMMAND
    program: OsString,
    /// Its arguments.
    arguments: Vec<OsString>,
}

impl RunArgs {
    /// Reads them.
    fn read(parsed: &Parsed) -> Result<Self, Error> {
        let Some((program, arguments)) = parsed.raw_words().split_first() else {
            return Err(parsed.usage("the command to run is missing"));
        };
        let connect_to = parsed.values("connect-to")?.into_iter().map(|rule| {
            let form = "--connect-to takes HOST:PORT:ADDRESS:PORT";
            ConnectTo::parse(rule).ok_or_else(|| parsed.usage(form))
        });
        let roots = |name: &str| match name {
            "mozilla" => Some(true),
            "system" => Some(false),
            _ => None,
        };
        let hours = parsed.number("ca-lifetime", " of hours", 1..=24 * 825)?;
        let count = parsed.number("max-connections", "", 1..=100_000)?;
        Ok(Self {
            connections: ConnectionArgs::read(parsed)?,
            demo: parsed.has("demo"),
            connect_to: connect_to.collect::<Result<_, _>>()?,
            upstream_ca: parsed
                .raw_values("upstream-ca")
                .map(PathBuf::from)
                .collect(),
            mozilla_only: parsed
                .parsed("roots", "`system` or `mozilla`", roots)?
                .unwrap_or(false),
            upstream_timeout: parsed
                .seconds("upstream-timeout", 1..=86_400)?
                .unwrap_or(Duration::from_secs(300)),
            max_connections: count
                .and_then(|count| count.try_into().ok())
                .unwrap_or(1024),
            ca_lifetime: hours.map(|hours| Duration::from_secs(hours * 3600)),
            verbosity: Verbosity {
                verbose: parsed.has("verbose"),
                ..parsed.verbosity
            },
            program: program.clone(),
            arguments: arguments.to_vec(),
        })
    }
}

/// Runs the program and gives its exit code.
///
/// # Errors
/// When authsome itself can't start: exit code 125 (2 where it was a word of the command line).
fn run(parsed: &Parsed) -> Result<u8, Error> {
    let args = RunArgs::read(parsed)?;
    start(&args).map_err(|error| match error.code {
        FAILED | UNKNOWN | LOGIN_NEEDED => error.code(NOT_STARTED),
        _ => error,
    })
}

/// The steps, in order. Whatever can fail does so before the child is there.
fn start(args: &RunArgs) -> Result<u8, Error> {
    let is_init = process::own_pid() == 1;
    // Before any secret is read.
    let limits = app::protect()?;
    let role =
        init::split_if_first().map_err(|error| Error::new("cannot start as process 1", error))?;
    if let Role::Done(code) = role {
        return Ok(code);
    }
    let app = App::new(args.verbosity)?;
    let mut connected = connect::connect(&args.connections, &app)?;
    let demo = if args.demo {
        Some(add_demo(&mut connected)?)
    } else {
        None
    };
    let lifetime = args.ca_lifetime.unwrap_or(if is_init {
        CA_LIFETIME_AS_INIT
    } else {
        CA_LIFETIME
    });
    let (parent, home) = (&app.parent, &app.home);
    let router = Router::new(&connected.broker);
    let root = make_root(&router, lifetime)?;
    let listener =
        Listener::bind().map_err(|error| Error::new("cannot listen on 127.0.0.1", error))?;
    let trusted = bundle::trusted(parent);
    let files = Files::write(parent, home, &root, trusted.as_deref())?;
    let (dialer, warning) = dialer(args, parent, &listener, demo.as_ref(), trusted)?;
    let child = child_environment(parent, &connected, &router, &listener, &files);
    for warning in child.1.into_iter().chain(warning) {
        app.notices.warn(warning);
    }
    let leaves = LeafCache::new(root, tls::crypto())
        .map_err(|error| Error::new("no certificates", error))?;
    let shared = Shared {
        router,
        broker: connected.broker,
        leaves,
        dialer,
        pool: Pool::default(),
        notices: app.notices,
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

/// Adds the demonstration's provider, with a credential of its own for this run, and starts its origin.
fn add_demo(connected: &mut Connected) -> Result<Demo, Error> {
    let failed = |why: &dyn std::fmt::Display| Error::new("cannot start the demonstration", why);
    let secret = random::token().map_err(|error| failed(&error))?;
    let demo = demo::start(secret.clone().into_bytes()).map_err(|error| failed(&error))?;
    let source =
        Source::held("the demonstration", secret.as_bytes()).map_err(|error| failed(&error))?;
    let provider = demo::provider().map_err(|error| failed(&error))?;
    connected.broker.add(Connection::given(provider, source));
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
