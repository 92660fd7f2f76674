//! Warnings about connections whose hosts a run's program never asked the proxy for: most likely it bypassed the proxy.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use super::output;
use super::output::Verbosity;
use crate::broker::Broker;
use crate::notice::Notice;
use crate::notice::Notices;
use crate::provider::host_rule::HostRule;
use crate::url::Host;

/// Exit codes of programs that have most likely not begun: wrong usage (also `EX_USAGE`), and a shell that finds no program or can't run it.
const NOT_BEGUN: [u8; 4] = [2, 64, 126, 127];

/// Exit codes from here on stand for a signal.
const BY_SIGNAL: u8 = 128;

/// Tracks whether the program asked for the hosts of each connection.
#[derive(Default)]
pub(super) struct Watch(OnceLock<Vec<Watched>>);

/// A connection whose hosts the program may be expected to ask for.
struct Watched {
    /// The connection's name in messages.
    label: String,
    /// Hosts that the connection claims.
    hosts: Vec<HostRule>,
    /// Whether the user named the connection on the command line; if not, it is the only connection.
    is_named: bool,
    /// Whether one of the hosts was asked for.
    is_asked: AtomicBool,
}

impl Watch {
    /// Wraps notices so that the watch sees each one before the user does.
    pub(super) fn notices(self: &Arc<Self>, verbosity: Verbosity) -> Notices {
        let watch = Arc::clone(self);
        Notices::new(move |notice| match notice {
            Notice::Step(_, host) => watch.mark_asked(host),
            other => output::notice(verbosity, other),
        })
    }

    /// Starts to watch the connections that the user named or, if none, the only connection. Among several stored
    /// connections, nothing says which the program needs.
    pub(super) fn begin(&self, broker: &Broker, is_named: impl Fn(&str) -> bool) {
        let count = broker.connections().count();
        let watched = broker.connections().filter_map(|(_, connection)| {
            let provider = &connection.provider;
            let is_named = is_named(provider.name.as_str());
            let hosts = provider.rules.iter().map(|rule| rule.host.clone());
            let is_watched = (is_named || count == 1) && !provider.rules.is_empty();
            is_watched.then(|| Watched {
                label: connection.label(),
                hosts: hosts.collect(),
                is_named,
                is_asked: AtomicBool::new(false),
            })
        });
        let _ = self.0.set(watched.collect());
    }

    /// Notes that the proxy was asked for a host.
    fn mark_asked(&self, host: &str) {
        for watched in self.watched().filter(|watched| !watched.is_asked()) {
            let claims = |host: &Host| watched.hosts.iter().any(|rule| rule.claims_host(host));
            if Host::parse(host.as_bytes()).is_ok_and(|host| claims(&host)) {
                watched.is_asked.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Warns the user, once the program has ended with this code.
    pub(super) fn warn(&self, program: &OsStr, code: u8, verbosity: Verbosity) {
        if let Some(text) = self.warning(program, code) {
            output::notice(verbosity, &Notice::Warning(text));
        }
    }

    /// Returns the warning, if there is one.
    ///
    /// A program that bypassed the proxy sent a placeholder as its credential, and failed. A program that succeeded may not
    /// need the only connection, but a connection that the user named for this run is expected to be used.
    fn warning(&self, program: &OsStr, code: u8) -> Option<String> {
        if NOT_BEGUN.contains(&code) || code >= BY_SIGNAL {
            return None;
        }
        let unused = self.watched().filter(|watched| !watched.is_asked());
        let labels: Vec<&str> = unused
            .filter(|watched| watched.is_named || code != 0)
            .map(|watched| watched.label.as_str())
            .collect();
        if labels.is_empty() {
            return None;
        }
        let whose = match labels.len() {
            1 => "its",
            _ => "their",
        };
        let program = Path::new(program).file_name().unwrap_or(program);
        Some(format!(
            "{}: connected, but no request for {whose} hosts came through the proxy; if the program sent one, it bypassed the proxy: `authsome doctor -- {} ...` tests how it connects, `authsome help clients` lists libraries that need a setting",
            labels.join(", "),
            program.to_string_lossy()
        ))
    }

    /// Returns the connections; none before the watch has begun.
    fn watched(&self) -> impl Iterator<Item = &Watched> {
        self.0.get().into_iter().flatten()
    }
}

impl Watched {
    /// Returns whether one of the hosts was asked for.
    fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::Relaxed)
    }
}
