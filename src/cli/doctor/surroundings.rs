//! What surrounds a run: proxy variables, certificates, the clock, this process.

use std::fs;
use std::sync::Arc;
use std::time::SystemTime;

use super::super::error::Error;
use super::super::surroundings::adoption;
use super::super::surroundings::trust;
use super::report::Check;
use super::report::Report;
use crate::broker::Broker;
use crate::broker::record::seconds;
use crate::child::environment;
use crate::clock;
use crate::environment::Environment;
use crate::files::Home;
use crate::program;
use crate::provider::host_rule::HostRule;
use crate::proxy::route::Router;
use crate::settings::Settings;
use crate::settings::upstream::Upstream;
use crate::sys::process;
use crate::tls::bundle;
use crate::upstream::via;

/// The first second of 2025: this program is not older.
const OLDEST: u64 = 1_735_689_600;

/// The first second of 2100: certificates of now are long over then.
const LATEST: u64 = 4_102_444_800;

/// How far a file's time may lie ahead, in seconds: file servers have clocks of their own.
const AHEAD: u64 = 60;

/// Looks at the proxy variables, which say how a run reaches origins.
pub(super) fn look_at_proxies(parent: &Environment, broker: Option<&Broker>, report: &mut Report) {
    let mut found: Vec<Check> = via::faults(parent)
        .into_iter()
        .map(|(invalid, is_fatal)| {
            let name = "proxies";
            let check = if is_fatal { Check::fail } else { Check::warn };
            check(name, invalid.to_string()).remedy(format!(
                "set {} to http://, https:// or socks5h:// and HOST:PORT, or unset it",
                invalid.variable
            ))
        })
        .collect();
    if let Some(broker) = broker {
        let router = Router::new(broker);
        let rules: Vec<&HostRule> = router.rules().collect();
        for text in environment::left_out(parent, &rules) {
            let check = Check::warn("proxies", text);
            found.push(check.remedy("nothing, if the program is to get the credential"));
        }
    }
    if parent.get("AUTHSOME_RUN").is_some() {
        let text =
            "this shell is inside of a run: what is started here goes through that one's proxy";
        found.push(Check::warn("proxies", text).remedy("leave that run"));
    }
    let names = [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ];
    let set: Vec<&str> = names
        .into_iter()
        .filter(|name| parent.get(name).is_some())
        .collect();
    let text = if set.is_empty() {
        "none is set: origins are reached directly".to_owned()
    } else {
        format!(
            "{}: origins are reached through it, and programs get authsome's proxy in its place",
            set.join(", ")
        )
    };
    report.add_or(found, Check::ok("proxies", text));
}

/// Looks at the settings of single tools that name a proxy, or something else that a tool prefers to what a run gives it.
pub(super) fn look_at_settings(parent: &Environment, settings: &Settings, report: &mut Report) {
    let name = "settings";
    let mut found: Vec<Check> = settings
        .conflicts
        .iter()
        .filter(|conflict| program::is_found(conflict.tool, parent))
        .map(|conflict| Check::warn(name, &*conflict.text).remedy(conflict.remedy))
        .collect();
    let hint = "set HTTPS_PROXY to the one that leads to origins";
    match Upstream::choose(parent, settings) {
        Upstream::Usual => {}
        Upstream::Adopted(_, places) => found.push(Check::ok(name, adoption(&places))),
        Upstream::Other(places) => {
            let text = format!(
                "{places} names another proxy than HTTPS_PROXY, which is the one that leads to origins"
            );
            found.push(Check::warn(name, text).remedy("name one proxy in all of them"));
        }
        Upstream::Unclear(places) => {
            let text = format!(
                "{places} names several proxies, or one for some hosts only: authsome reaches origins directly"
            );
            found.push(Check::warn(name, text).remedy(hint));
        }
    }
    let otherwise = "no tool's own setting leads past a run";
    report.add_or(found, Check::ok(name, otherwise));
}

/// Looks for the certificates that programs of this machine trust, and returns them as PEM.
pub(super) fn look_at_trust(
    parent: &Environment,
    settings: &Settings,
    report: &mut Report,
) -> Option<Arc<[u8]>> {
    let trusted = bundle::trusted(parent, settings);
    for text in trusted.warnings {
        report
            .add(Check::warn("trust", text).remedy("name a PEM file of certificates, or unset it"));
    }
    report.add(match trusted.base {
        Some(path) => Check::ok("trust", format!("certificates of this system: {}", path.display())),
        None => Check::warn("trust", "this system has no file of trusted certificates: Mozilla's, which are built in, are used")
            .remedy("install ca-certificates, or name a PEM file by SSL_CERT_FILE"),
    });
    if !trusted.others.is_empty() {
        let text = trust(&trusted.others, false);
        report.add(Check::ok("trust", text));
    }
    trusted.pem.map(Arc::from)
}

/// Looks whether the clock can be right.
pub(super) fn look_at_clock(home: &Home, report: &mut Report) {
    let folders = [home.path().to_owned(), home.providers()];
    let files = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
    let times = files.filter_map(|file| file.metadata().and_then(|found| found.modified()).ok());
    report.add(clock_check(clock::now(), times.max()));
}

/// How the clock is, when the newest file is of that time.
fn clock_check(now: SystemTime, newest: Option<SystemTime>) -> Check {
    let (now, newest) = (seconds(now), newest.map_or(0, seconds));
    let shown = clock::rfc3339(now);
    let remedy = "set the clock: certificates are judged by it";
    if !(OLDEST..LATEST).contains(&now) {
        return Check::fail("clock", format!("it says {shown}, which can't be")).remedy(remedy);
    }
    if newest > now.saturating_add(AHEAD) {
        let newest = clock::rfc3339(newest);
        let text = format!(
            "it says {shown}, but there is a file in the home that was written at {newest}"
        );
        return Check::warn("clock", text).remedy(remedy);
    }
    Check::ok("clock", format!("it says {shown}"))
}

/// Looks whether this process is shut to others, and which it is.
pub(super) fn look_at_process(protected: Result<(), Error>, report: &mut Report) {
    if let Err(error) = protected {
        let remedy = "see what forbids prctl and setrlimit here (seccomp, a container's policy)";
        report.add(Check::fail("process", error.what).remedy(remedy));
    }
    report.add(match process::is_dumpable() {
        Some(false) => Check::ok("process", "other programs of this user can't look into it"),
        Some(true) => Check::fail("process", "other programs of this user can look into it")
            .remedy("see what forbids prctl here (seccomp, a container's policy)"),
        None => Check::warn(
            "process",
            "whether other programs of this user can look into it can't be told on this system",
        )
        .remedy("run what must not see credentials as another user"),
    });
    report.add(match process::can_leave_core() {
        Ok(false) => Check::ok("process", "a crash leaves no core file"),
        _ => Check::fail(
            "process",
            "a crash could leave a core file, with secrets in it",
        )
        .remedy("start it with `ulimit -c 0`"),
    });
    report.add(if process::own_pid() == 1 {
        Check::ok(
            "process",
            "it is process 1: a run here reaps orphans and passes signals on",
        )
    } else {
        Check::ok("process", "it isn't process 1")
    });
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::report::Report;
    use super::*;

    /// Whether the clock at this second is no failure, with a file of that second.
    fn line(now: u64, newest: u64) -> String {
        let at = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        let mut report = Report::default();
        report.add(clock_check(at(now), Some(at(newest))));
        serde_json::to_value(report.to_json()).unwrap()["checks"][0]["state"].to_string()
    }

    #[test]
    fn a_clock_that_cannot_be_right_is_told() {
        for (now, newest, state) in [
            (0, 0, "fail"),
            (OLDEST - 1, 0, "fail"),
            (LATEST, 0, "fail"),
            (OLDEST, OLDEST + AHEAD + 1, "warn"),
            (OLDEST, OLDEST + AHEAD, "ok"),
            (LATEST - 1, 0, "ok"),
        ] {
            assert_eq!(line(now, newest), format!("\"{state}\""), "{now} {newest}");
        }
    }
}
