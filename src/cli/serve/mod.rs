//! `authsome serve`: the proxy alone, for programs in other containers.

mod address;
mod manager;
mod password;
mod reload;
mod setup;

use std::io;
use std::io::PipeReader;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use super::app::App;
use super::connect;
use super::connect::ConnectionArgs;
use super::egress;
use super::error::Error;
use super::error::FAILED;
use super::origins;
use super::origins::OriginArgs;
use super::output;
use super::output::Verbosity;
use super::session;
use super::session::Begun;
use super::session::LAST_REFRESH;
use super::syntax::Group;
use super::syntax::Parsed;
use super::syntax::Syntax;
use super::syntax::valued;
use super::telling;
use super::telling::Telling;
use crate::broker::store::Store;
use crate::environment::Environment;
use crate::proxy::Shared;
use crate::proxy::health;
use crate::proxy::service::Service;
use crate::source::Spec;
use crate::sys::poll;
use crate::sys::poll::Watch;
use crate::sys::signal::Signals;
use crate::upstream::egress::Mode;
use address::Address;
use manager::Manager;
use password::PasswordSource;
use reload::Reloader;
use reload::Sources;
use reload::Stamps;

/// Where it listens where nothing is said.
const LISTEN: &str = "127.0.0.1:8080";

/// How long what is under way may take to its end where nothing is said.
const DRAIN: Duration = Duration::from_secs(30);

/// How long what is cut may take to see that.
const CUT_TIME: Duration = Duration::from_secs(1);

/// What is caught. That a program of a source has ended is of no interest, but it can be found out only where it isn't ignored.
const SIGNALS: [i32; 4] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGCHLD];

/// What `serve` says of itself.
pub(super) const SYNTAX: Syntax = Syntax {
    name: "serve",
    summary: "the proxy alone, for programs in other containers",
    words: "",
    ends_at_word: false,
    about: "Serve the proxy to programs that are started elsewhere: in other containers of a pod or a host.

Whoever has its password uses the credentials. It and plain http cross the network in the clear: for one pod, one host or a private \
network only.",
    groups: &[
        Group {
            title: "Who uses the proxy",
            options: &[
                valued(
                    "listen",
                    "ADDR:PORT",
                    "where to listen (127.0.0.1:8080); :PORT is on all addresses",
                ),
                valued(
                    "password-from",
                    "SOURCE",
                    "the password, of user `authsome`, from env:NAME (AUTHSOME_PROXY_PASSWORD), file:PATH or command:LINE",
                ),
                valued(
                    "ca-file",
                    "FILE",
                    "make a root, and write the certificate that programs are to trust to this file; without it, the one of `authsome ca`",
                ),
                valued(
                    "bundle-file",
                    "FILE",
                    "write the root to this file, behind what this machine trusts: for SSL_CERT_FILE",
                ),
            ],
        },
        connect::OPTIONS,
        origins::OPTIONS,
        egress::OPTIONS,
        Group {
            title: "Limits",
            options: &[
                session::UPSTREAM_TIMEOUT,
                session::CONNECTIONS,
                valued("ca-lifetime", "HOURS", "how long the root of --ca-file lasts (8760)"),
                valued(
                    "drain",
                    "SEC",
                    "how long requests may go on once it is to stop (30)",
                ),
            ],
        },
        telling::OPTIONS,
        Group {
            title: "Else",
            options: &[valued(
                "probe",
                "ADDR:PORT",
                "ask the proxy there whether it is well: exit code 0 if it is",
            )],
        },
    ],
    notes: "GET /healthz at its own port needs no password. SIGHUP, and a change of the vault, of a provider's file or of the password's, \
has it read everything anew; a tunnel that nobody looks into goes on until it ends, whatever the password is by then. SIGTERM and SIGINT \
stop it, a second one at once; give it --drain and 15 seconds more to end before it is killed (docker stop --time, stop_grace_period, \
terminationGracePeriodSeconds). A socket that a service manager hands over \
(LISTEN_FDS) is used instead of --listen.",
    examples: "authsome serve --listen :8080 --password-from file:password --ca-file ca.pem
authsome serve --probe :8080",
    run,
};

/// `authsome serve`
struct ServeArgs {
    /// `--listen ADDR:PORT`
    listen: Option<Address>,
    /// `--password-from SOURCE`
    password: Option<Spec>,
    /// `--ca-file FILE`
    ca_file: Option<PathBuf>,
    /// `--bundle-file FILE`
    bundle_file: Option<PathBuf>,
    /// How origins are reached.
    origins: OriginArgs,
    /// `--max-connections N`
    max_connections: usize,
    /// `--ca-lifetime HOURS`
    ca_lifetime: Duration,
    /// `--drain SEC`
    drain: Duration,
    /// What to print.
    verbosity: Verbosity,
    /// Who is told of requests.
    telling: Telling,
}

impl ServeArgs {
    /// Reads them.
    fn read(parsed: &Parsed) -> Result<Self, Error> {
        let hours = parsed.number("ca-lifetime", " of hours", 1..=24 * 825)?;
        let path = |long: &str| parsed.raw_values(long).last().map(PathBuf::from);
        if hours.is_some() && !parsed.has("ca-file") {
            let why = "--ca-lifetime is for the root of --ca-file, not for that of `authsome ca`";
            return Err(parsed.usage(why));
        }
        let mut origins = OriginArgs::read(parsed)?;
        // Requests from other machines and containers would come from this one.
        origins.egress.deny_this_machine = Some(Mode::Serve);
        Ok(Self {
            listen: address(parsed, "listen")?,
            password: password::read(parsed)?,
            ca_file: path("ca-file"),
            bundle_file: path("bundle-file"),
            origins,
            max_connections: session::max_connections(parsed)?,
            ca_lifetime: Duration::from_secs(hours.unwrap_or(24 * 365) * 3600),
            drain: parsed.seconds("drain", 0..=86_400)?.unwrap_or(DRAIN),
            verbosity: parsed.verbosity,
            telling: Telling::read(parsed)?,
        })
    }
}

/// An option's value as an address.
fn address(parsed: &Parsed, long: &str) -> Result<Option<Address>, Error> {
    let form = "ADDRESS:PORT, as 127.0.0.1:8080, [::1]:8080 or :8080";
    parsed.parsed(long, form, Address::parse)
}

/// Serves until it is told to stop.
///
/// # Errors
/// When it can't start.
fn run(parsed: &Parsed) -> Result<u8, Error> {
    parsed.words(0..=0, "no words")?;
    if let Some(address) = address(parsed, "probe")? {
        return probe(address, parsed.verbosity);
    }
    let args = ServeArgs::read(parsed)?;
    let connections = ConnectionArgs::read(parsed)?.without_program();
    let is_split = match session::begin()? {
        Begun::Worker { is_split, .. } => is_split,
        Begun::Done(code) => return Ok(code),
    };
    let (manager, given) = Manager::of(&Environment::of_process(), is_split)?;
    let mut app = App::new(args.verbosity)?;
    app.audit = Arc::new(args.telling.audit(&app)?);
    Manager::take_from(&mut app.parent);
    let password = PasswordSource::open(args.password.as_ref(), &mut app)?;
    let sources = Sources {
        app,
        connections,
        password,
    };
    let seen = sources.stamps();
    let state = sources.state(None)?;
    // Whoever enters the vault's passphrase may also end it by a key until here.
    sources.app.store.vault().ask_no_more();
    // Before it is said that it serves: who has heard that may ask for a reload.
    let signals = Signals::catch(&SIGNALS).map_err(no_signals)?;
    let (shared, ended) = setup::start(&args, &sources.app, state, given)?;
    let serving = Serving {
        store: Arc::clone(&sources.app.store),
        manager: Arc::new(manager),
        shared,
        ended,
        signals,
    };
    serving.run(sources, seen, args.drain)
}

/// A proxy that serves.
struct Serving {
    /// Where new tokens go.
    store: Arc<Store>,
    /// Who has started this process.
    manager: Arc<Manager>,
    /// What is served.
    shared: Arc<Shared>,
    /// Ends with its last connection.
    ended: PipeReader,
    /// What it is told meanwhile.
    signals: Signals,
}

impl Serving {
    /// Serves until it is told to stop; what is under way then may go on for so long.
    ///
    /// # Errors
    /// When it can't find out what it is told.
    fn run(mut self, sources: Sources, seen: Stamps, drain: Duration) -> Result<u8, Error> {
        let reloader = Reloader {
            sources,
            seen,
            failed: None,
            shared: Arc::clone(&self.shared),
            manager: Arc::clone(&self.manager),
        };
        let (ask, asked) = mpsc::channel();
        thread::Builder::new()
            .name("reload".into())
            .spawn(move || reloader.run(&asked))
            .map_err(|error| Error::new("cannot start the proxy", error))?;
        self.manager.ready();
        self.wait_for_stop(&ask).map_err(no_signals)?;
        self.manager.stopping();
        if let Some(service) = &self.shared.service {
            stop(service, &self.ended, &mut self.signals, drain).map_err(no_signals)?;
        }
        // A new refresh token that is on its way would be lost, and the old one may be good no more.
        self.store.refreshes().wait(LAST_REFRESH);
        self.shared.audit.finish();
        telling::sum_up(&self.shared.audit);
        Ok(0)
    }

    /// Waits for the signal to stop, and has everything read anew for those that come before.
    fn wait_for_stop(&mut self, ask: &mpsc::Sender<()>) -> io::Result<()> {
        loop {
            match self.signals.next()?.number {
                libc::SIGTERM | libc::SIGINT => return Ok(()),
                // Where nobody reads any more, an internal error has been told.
                libc::SIGHUP => drop(ask.send(())),
                _ => {}
            }
        }
    }
}

/// What is told when signals can't be waited for.
fn no_signals(error: io::Error) -> Error {
    Error::new("cannot wait for signals", error)
}

/// Asks a proxy whether it is well.
///
/// # Errors
/// When it isn't, or isn't there.
fn probe(address: Address, verbosity: Verbosity) -> Result<u8, Error> {
    /// Version 1 of the shape.
    #[derive(serde::Serialize)]
    struct Answer {
        /// Version of this shape.
        version: u8,
        /// The status of the proxy's answer.
        status: u16,
    }

    let address = address.to_ask();
    let status = health::ask(address).map_err(|error| {
        Error::new(&format!("{address} does not answer"), error)
            .hint("see that `authsome serve` runs, and where it listens")
    })?;
    if status == 200 {
        if verbosity.json {
            output::json(&Answer { version: 1, status });
        } else {
            output::note(verbosity, &format!("authsome: {address} is well"));
        }
        return Ok(0);
    }
    Err(Error::plain(format!("{address} is not well: it answers {status}")).code(FAILED))
}

/// Lets what is under way come to its end, for so long, and cuts the rest; a signal cuts it at once.
fn stop(
    service: &Service,
    ended: &PipeReader,
    signals: &mut Signals,
    limit: Duration,
) -> io::Result<()> {
    let deadline = Instant::now() + limit;
    service.drain();
    loop {
        let watches = [ended.as_fd(), signals.as_fd()].map(readable);
        let [has_ended, is_signalled] = poll::wait(watches, Some(deadline))?;
        if has_ended {
            return Ok(());
        }
        let is_stop = |number| matches!(number, libc::SIGTERM | libc::SIGINT);
        let is_enough = is_signalled && is_stop(signals.next()?.number);
        if is_enough || Instant::now() >= deadline {
            break;
        }
    }
    service.cut();
    let soon = Some(Instant::now() + CUT_TIME);
    poll::wait([readable(ended.as_fd())], soon).map(drop)
}

/// Something to be waited for by reading.
fn readable(fd: BorrowedFd<'_>) -> Watch<'_> {
    Watch {
        fd,
        read: true,
        write: false,
    }
}

/// The proxy that is served, and a pipe that ends with its last connection.
type Served = (Arc<Shared>, PipeReader);
