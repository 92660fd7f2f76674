//! `authsome run`: a program behind the proxy, with the connections that the person has.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use super::app::App;
use super::connect;
use super::connect::ConnectionArgs;
use super::egress;
use super::error::Error;
use super::error::FAILED;
use super::error::LOGIN_NEEDED;
use super::error::NOT_STARTED;
use super::error::UNKNOWN;
use super::origins;
use super::origins::OriginArgs;
use super::output::Verbosity;
use super::root;
use super::root::Choice;
use super::session;
use super::session::Begun;
use super::session::Session;
use super::session::Setup;
use super::syntax::Group;
use super::syntax::Parsed;
use super::syntax::Syntax;
use super::syntax::flag;
use super::syntax::valued;
use super::telling;
use super::telling::Telling;
use super::unused;
use crate::account::Account;
use crate::child::supervise::Start;
use crate::files::trusted;
use crate::sys::process;

use crate::upstream::egress::Mode;

/// How long a run's root lasts: a year, since a run may be long and a running program can't be given another root.
const CA_LIFETIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);

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
        origins::OPTIONS,
        egress::OPTIONS,
        Group {
            title: "Who uses the proxy",
            options: &[
                valued(
                    "user",
                    "UID[:GID]",
                    "run the program as this user, or a NAME of /etc/passwd (needs root)",
                ),
                flag(
                    "admit-root",
                    "serve connections of root too, such as those of a port forwarder that runs as root",
                ),
                flag(
                    "proxy-auth",
                    "put a password into the proxy's URL, and ask for it",
                ),
                flag(
                    "no-node-preload",
                    "leave NODE_OPTIONS unchanged: only Node code that reads HTTPS_PROXY itself uses the proxy then",
                ),
            ],
        },
        Group {
            title: "Limits",
            options: &[
                session::UPSTREAM_TIMEOUT,
                session::CONNECTIONS,
            ],
        },
        Group {
            title: "Certificates",
            options: &[
                root::OPTION,
                valued(
                    "ca-lifetime",
                    "HOURS",
                    "how long the run's own root lasts (8760: a year)",
                ),
            ],
        },
        telling::OPTIONS,
        Group {
            title: "Else",
            options: &[flag(
                "demo",
                "add the provider `demo`, answered by this program",
            )],
        },
    ],
    notes: "On Linux only programs of the OS user that the program runs as can use the proxy, root's only with --admit-root; elsewhere the proxy has a \
password in any case.
With --user the program can neither read what is authsome's nor become root again; TMPDIR must be a folder that it can reach. \
Through the proxy it reaches no address of this machine unless --allow-address names it. \
Root then runs no command and reads no file that the program's user could have changed.

Exit code: the program's; 128+N if signal N ended it; 127 not found; 126 not executable; 125 authsome could not start; \
2 wrong usage.",
    examples: "authsome run --credential github=command:'pass show github' -- gh pr list
authsome run --user 1000:1000 -- my-agent",
    run,
};

/// `authsome run`
struct RunArgs {
    /// Which connections.
    connections: ConnectionArgs,
    /// `--demo`
    demo: bool,
    /// How origins are reached.
    origins: OriginArgs,
    /// `--user UID[:GID]`
    account: Option<Account>,
    /// `--proxy-auth`
    proxy_auth: bool,
    /// `--admit-root`
    admit_root: bool,
    /// False with `--no-node-preload`.
    node_preload: bool,
    /// `--max-connections N`
    max_connections: usize,
    /// `--ca WHICH`, `--ca-lifetime HOURS`
    root: Choice,
    /// What to print.
    verbosity: Verbosity,
    /// Who is told of its requests.
    telling: Telling,
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
        let hours = parsed.number("ca-lifetime", " of hours", 1..=24 * 825)?;
        let lifetime = hours.map_or(CA_LIFETIME, |hours| Duration::from_secs(hours * 3600));
        let account = account(parsed)?;
        let mut origins = OriginArgs::read(parsed)?;
        // The program's requests would come from root.
        origins.egress.deny_this_machine = account.as_ref().map(|_| Mode::User);
        Ok(Self {
            connections: ConnectionArgs::read(parsed)?,
            demo: parsed.has("demo"),
            origins,
            account,
            proxy_auth: parsed.has("proxy-auth"),
            admit_root: parsed.has("admit-root"),
            node_preload: !parsed.has("no-node-preload"),
            max_connections: session::max_connections(parsed)?,
            root: Choice::read(parsed, lifetime)?,
            verbosity: parsed.verbosity,
            telling: Telling::read(parsed)?,
            program: program.clone(),
            arguments: arguments.to_vec(),
        })
    }
}

/// `--user UID[:GID]`
///
/// # Errors
/// When there is no such user that a program can be run as.
fn account(parsed: &Parsed) -> Result<Option<Account>, Error> {
    let Some(text) = parsed.value("user")? else {
        return Ok(None);
    };
    let found = Account::find(text).map_err(|why| parsed.usage(format!("--user: {why}")))?;
    Ok(Some(found))
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
    if args.account.is_some() && process::user() != 0 {
        return Err(Error::plain("only root can run a program as another user")
            .hint("start authsome as root for --user, or leave it out"));
    }
    let start = match session::begin()? {
        Begun::Worker { inherited, .. } => Start::new(inherited),
        Begun::Done(code) => return Ok(code),
    };
    if let Some(account) = &args.account {
        trusted::keep_from(account.identity.user);
    }
    let mut app = App::new(args.verbosity)?;
    let watch = Arc::new(unused::Watch::default());
    app.notices = Arc::new(watch.notices(args.verbosity));
    app.audit = Arc::new(args.telling.audit(&app)?);
    let mut connected = connect::connect(&args.connections, &app)?;
    watch.begin(&connected.broker, |provider| {
        args.connections.name(provider)
    });
    let demo = args
        .demo
        .then(|| session::add_demo(&mut connected))
        .transpose()?;
    let setup = Setup {
        origins: &args.origins,
        demo: demo.as_ref(),
        root: args.root,
        max_connections: args.max_connections,
        account: args.account.as_ref(),
        proxy_auth: args.proxy_auth,
        admit_root: args.admit_root,
        verbose: args.telling.is_verbose(),
        node_preload: args.node_preload,
    };
    let session = Session::start(&app, connected, &setup)?;
    let audit = Arc::clone(&app.audit);
    // With the environment, which holds what no connection of this run needs.
    drop(app);
    let done = session.run(&args.program, &args.arguments, start);
    if let Ok(code) = done {
        watch.warn(&args.program, code, args.verbosity);
    }
    telling::sum_up(&audit);
    done
}
