//! What authsome costs, measured: `cargo bench --bench speed`, and with `-- --help` its options.
//!
//! Each figure is taken for each contender: *direct* (no proxy), `authsome run` as people run it (one or several binaries), and
//! mitmproxy with a three-line addon that does the same work, where it is installed. The contenders take turns within each round, so
//! that a busy machine is busy for all of them; a figure is the median of the rounds, a ratio the median of the rounds' ratios.
//! Nothing is asserted about speed. It fails where something does not work: an answer that isn't the right one (the origin refuses a
//! request without the credential), a program that does not start.
//!
//! ```text
//! client (this program, threads) ──▶ contender ──▶ nginx (TLS, keep-alive)
//!                                              ──▶ relay (20 ms each way) ──▶ nginx
//!                                              ──▶ sink (this program): takes uploads
//! ```
#![expect(
    clippy::disallowed_methods,
    reason = "a bench starts programs, writes files and connects as it likes"
)]

// How it is run.
mod options;

// What the figures are and how they are shown.
mod report;

// The origins, and the folder with all that is written.
mod certificates;
mod nginx;
mod relay;
mod sink;
mod stage;

// Programs that run beside, and what the system says of them.
mod contender;
mod program;

// The load.
mod client;
mod load;
mod secure;

// The themes.
mod connect;
mod curl;
mod growth;
mod keepalive;
mod memory;
mod start;
mod transfer;

use std::error::Error;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::process::ExitCode;

use options::Options;
use report::Report;
use report::Table;
use stage::Stage;

/// Whatever went wrong, in words.
type Failure = Box<dyn Error + Send + Sync>;

/// What can go wrong.
type Outcome<T> = Result<T, Failure>;

/// Adds to an error what was tried.
trait Trying<T> {
    /// The same; where it has failed, with these words before the reason.
    fn trying(self, what: &str) -> Outcome<T>;
}

impl<T, E: Into<Failure>> Trying<T> for Result<T, E> {
    fn trying(self, what: &str) -> Outcome<T> {
        self.map_err(|error| format!("{what}: {}", error.into()).into())
    }
}

/// A part of the whole: figures that belong together.
struct Theme {
    /// What `--only` calls it.
    name: &'static str,
    /// What it is about.
    title: &'static str,
    /// Takes the figures.
    measure: fn(&Stage, &mut Table) -> Outcome<()>,
}

/// All of them, in the order in which they run.
const THEMES: [Theme; 8] = [
    Theme {
        name: "start",
        title: "starting a program",
        measure: start::measure,
    },
    Theme {
        name: "keepalive",
        title: "requests on open connections",
        measure: keepalive::measure,
    },
    Theme {
        name: "connect",
        title: "a new connection for each request",
        measure: connect::near,
    },
    Theme {
        name: "far",
        title: "an origin 20 ms away, each way (delayed by a relay of the bench, not by the kernel)",
        measure: connect::far,
    },
    Theme {
        name: "curl",
        title: "curl, one run after another, over the same 20 ms",
        measure: curl::measure,
    },
    Theme {
        name: "transfer",
        title: "large bodies",
        measure: transfer::measure,
    },
    Theme {
        name: "memory",
        title: "memory for what is open and idle, above the idle proxy",
        measure: memory::measure,
    },
    Theme {
        name: "growth",
        title: "as work grows",
        measure: growth::measure,
    },
];

fn main() -> ExitCode {
    let ended = raise_limits().and_then(|()| bench());
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::say(&format!("speed: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Says that the limits have been raised already.
const RAISED: &str = "SPEED_LIMITS_RAISED";

/// Runs this program again with as many open files as are allowed to it and all that it starts; without unsafe code, only a shell
/// can do that.
fn raise_limits() -> Outcome<()> {
    if std::env::var_os(RAISED).is_some() {
        return Ok(());
    }
    let own = std::env::current_exe()?;
    let error = Command::new("sh")
        .args(["-c", "ulimit -n \"$(ulimit -Hn)\"; exec \"$0\" \"$@\""])
        .arg(own)
        .args(std::env::args_os().skip(1))
        .env(RAISED, "1")
        .exec();
    Err(error).trying("cannot start sh")
}

/// Takes the figures that are wanted.
fn bench() -> Outcome<()> {
    let Some(options) = Options::read()? else {
        return report::print(options::HELP);
    };
    let stage = Stage::set(options)?;
    let mut report = Report::new(&stage)?;
    for theme in THEMES {
        if stage.options.wants(theme.name) {
            let mut table = Table::new(theme.name, theme.title);
            (theme.measure)(&stage, &mut table).trying(theme.name)?;
            report.add(&table)?;
        }
    }
    report.write(&stage.options.json)
}
