//! Which root the certificates of a proxy lead to: one that is made for it, or the one that `authsome ca` keeps.

use std::time::Duration;
use std::time::SystemTime;

use super::app::App;
use super::ca::public;
use super::error::Error;
use super::syntax::Opt;
use super::syntax::Parsed;
use super::syntax::valued;
use crate::broker::authority::Authority;
use crate::broker::record::seconds;
use crate::clock;
use crate::provider::host_rule::HostRule;
use crate::proxy::route::Router;
use crate::random;
use crate::tls::root::Certificate;
use crate::tls::root::Root;
use crate::tls::root::Scope;

/// A root that ends sooner than this is told of.
const ENDS_SOON: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How far the clock may be set back while a process's own root is in use. On a machine that also boots another operating
/// system, the clock may be read in the wrong time zone until it is set.
const SET_BACK: Duration = Duration::from_secs(24 * 60 * 60);

/// What to do about a CA that ends.
pub(super) const RENEW: &str =
    "make a new one with `authsome ca rotate`, and have it trusted as `authsome ca trust` says";

/// What to do about one whose time has not come.
pub(super) const CLOCK: &str = "check the clock: certificates are judged by it";

/// The option that chooses.
pub(super) const OPTION: Opt = valued(
    "ca",
    "run|persistent",
    "a root made for this run (the default), or the one of `authsome ca`",
);

/// Which root.
#[derive(Clone, Copy)]
pub(super) enum Choice {
    /// One that is made for this process, and lasts so long.
    Own(Duration),
    /// The one that is kept.
    Kept,
}

impl Choice {
    /// What `--ca` says; one of its own lasts so long.
    ///
    /// # Errors
    /// When it is neither.
    pub(super) fn read(parsed: &Parsed, lifetime: Duration) -> Result<Self, Error> {
        let read = |text: &str| match text {
            "run" => Some(Self::Own(lifetime)),
            "persistent" => Some(Self::Kept),
            _ => None,
        };
        let choice = parsed.parsed("ca", "run or persistent", read)?;
        if matches!(choice, Some(Self::Kept)) && parsed.has("ca-lifetime") {
            let why = "--ca-lifetime is for a root of the run's own, not for --ca persistent";
            return Err(parsed.usage(why));
        }
        Ok(choice.unwrap_or(Self::Own(lifetime)))
    }
}

/// The root for these routes.
///
/// # Errors
/// When one can't be made; when none is kept, or it isn't good now.
pub(super) fn root(choice: Choice, app: &App, router: &Router) -> Result<Root, Error> {
    match choice {
        Choice::Own(lifetime) => {
            let scope = router.domains().map_or(Scope::AnyName, Scope::Hosts);
            // A name of its own: clients that meet two roots of one name may take the wrong one.
            own("authsome run", &scope, lifetime)
        }
        Choice::Kept => {
            let root = kept(app)?;
            let remedy =
                "`authsome ca rotate`, with --host for each host or --any-name, makes one that may";
            warn_of_outside(app, &root.certificate().scope, router, remedy);
            Ok(root)
        }
    }
}

/// A new root, whose name begins so.
///
/// # Errors
/// For want of randomness.
pub(super) fn made(name: &str, scope: &Scope, lifetime: Duration) -> Result<Root, Error> {
    made_at(name, scope, clock::now(), lifetime)
}

/// Returns a new root for this process alone, valid even if the clock is set back.
///
/// # Errors
/// When the system gives no random bytes.
pub(super) fn own(name: &str, scope: &Scope, lifetime: Duration) -> Result<Root, Error> {
    made_at(name, scope, clock::now() - SET_BACK, lifetime + SET_BACK)
}

/// Returns a new root that is valid from `now` on.
fn made_at(name: &str, scope: &Scope, now: SystemTime, lifetime: Duration) -> Result<Root, Error> {
    let token = random::token().map_err(|error| Error::new("no randomness", error))?;
    let name = format!("{name} {}", token.get(..8).unwrap_or_default());
    Root::make(&name, scope, now, lifetime)
        .map_err(|error| Error::new("cannot make a root certificate", error))
}

/// The root that is kept.
///
/// # Errors
/// When there is none, or it isn't good now.
pub(super) fn kept(app: &App) -> Result<Root, Error> {
    let snapshot = app.store.snapshot().map_err(Error::from)?;
    let authority = snapshot.authority().map_err(Error::from)?;
    let Authority { certificate, key } = authority.ok_or_else(none)?;
    public::check(&app.home, &certificate)?;
    if let Some(warning) = judged(&certificate, clock::now())? {
        app.notices.warn(warning);
    }
    Root::kept(certificate, &key).map_err(|error| Error::new("cannot use the CA", error))
}

/// Warns of what a root of this scope can't do for these routes; the remedy is another that can.
pub(super) fn warn_of_outside(app: &App, scope: &Scope, router: &Router, remedy: &str) {
    let outside = outside(scope, router.rules());
    if !outside.is_empty() {
        app.notices.warn(format!(
            "the CA may not vouch for {}, so programs will refuse these connections: {remedy}",
            outside.join(", ")
        ));
    }
}

/// What there is to warn of a CA at that time.
///
/// # Errors
/// When nobody would accept what it vouches for.
fn judged(certificate: &Certificate, now: SystemTime) -> Result<Option<String>, Error> {
    let standing = standing(certificate, now);
    let text = standing.of(certificate);
    match standing {
        Standing::Good => Ok(None),
        Standing::EndsSoon => Ok(Some(format!("{text}; {RENEW}"))),
        Standing::NotYet => Err(Error::plain(text).hint(CLOCK)),
        Standing::Over => Err(Error::plain(text).hint(RENEW)),
    }
}

/// There is no CA.
pub(super) fn none() -> Error {
    Error::plain("there is no CA yet").hint("make one with `authsome ca create`")
}

/// The hosts of these rules that a root of this scope may not vouch for, and the patterns that may meet such.
fn outside<'a>(scope: &Scope, rules: impl Iterator<Item = &'a HostRule>) -> Vec<String> {
    let outside = rules.filter_map(|rule| match rule {
        HostRule::Exact { authority, .. } => {
            (!scope.has(&authority.host)).then(|| authority.host.to_string())
        }
        HostRule::Pattern { .. } => (*scope != Scope::AnyName).then(|| format!("all of {rule}")),
    });
    let mut outside: Vec<String> = outside.collect();
    outside.sort();
    outside.dedup();
    outside
}

/// How a certificate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It isn't good yet.
    NotYet,
    /// It is good.
    Good,
    /// It is, and not for much longer.
    EndsSoon,
    /// It is good no more.
    Over,
}

/// How a certificate stands at that time.
pub(super) fn standing(certificate: &Certificate, now: SystemTime) -> Standing {
    let good = &certificate.good;
    if now < good.start {
        Standing::NotYet
    } else if now >= good.end {
        Standing::Over
    } else if now + ENDS_SOON > good.end {
        Standing::EndsSoon
    } else {
        Standing::Good
    }
}

impl Standing {
    /// The same of this CA, in words.
    pub(super) fn of(self, certificate: &Certificate) -> String {
        let good = &certificate.good;
        let (from, until) = (
            clock::rfc3339(seconds(good.start)),
            clock::rfc3339(seconds(good.end)),
        );
        match self {
            Self::NotYet => format!("the CA is good from {from} on only"),
            Self::Good => format!("the CA is good until {until}"),
            Self::EndsSoon => format!("the CA ends soon, at {until}"),
            Self::Over => format!("the CA has ended, at {until}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::url::Host;

    /// A host.
    fn host(name: &str) -> Host {
        Host::parse(name.as_bytes()).unwrap()
    }

    #[test]
    fn a_root_is_judged_by_the_time_and_told_of_before_it_ends() {
        let day = Duration::from_secs(24 * 60 * 60);
        let now = clock::now();
        let root = Root::make("test", &Scope::AnyName, now, 100 * day).unwrap();
        let certificate = root.certificate();
        for (time, expected, words) in [
            (now - day, Standing::NotYet, "check the clock"),
            (now, Standing::Good, ""),
            (now + 70 * day, Standing::Good, ""),
            (now + 71 * day, Standing::EndsSoon, "ca rotate"),
            (now + 100 * day, Standing::Over, "ca rotate"),
            (now + 1000 * day, Standing::Over, "ca rotate"),
        ] {
            assert_eq!(standing(certificate, time), expected);
            let is_usable = matches!(expected, Standing::Good | Standing::EndsSoon);
            let said = match judged(certificate, time) {
                Ok(warning) => (true, warning.unwrap_or_default()),
                Err(error) => (false, error.hint.unwrap_or_default()),
            };
            assert_eq!((said.0, said.1.is_empty()), (is_usable, words.is_empty()));
            assert!(said.1.contains(words), "{said:?}");
        }
    }

    #[test]
    fn a_process_s_own_root_is_good_when_the_clock_is_set_back_for_as_long_as_it_lasts() {
        let hour = Duration::from_secs(60 * 60);
        let before = clock::now();
        let root = own("test", &Scope::AnyName, 10 * hour).unwrap();
        let (good, after) = (&root.certificate().good, clock::now());
        assert!(good.contains(&(before - 24 * hour)) && !good.contains(&(before - 26 * hour)));
        assert!(good.end >= before + 10 * hour - hour / 3600 && good.end <= after + 10 * hour);
    }

    #[test]
    fn hosts_that_a_root_may_not_vouch_for_are_found() {
        let scope = Scope::Hosts(vec![host("x.com"), host("192.0.2.1")]);
        let texts = [
            "x.com",
            "api.x.com",
            "x.com:8443",
            "192.0.2.1",
            "notx.com",
            "com",
            "192.0.2.2",
            "regex:^a[.]x[.]com$",
        ];
        let rules: Vec<HostRule> = texts
            .iter()
            .map(|text| HostRule::parse(text).unwrap())
            .collect();
        let found = outside(&scope, rules.iter());
        let expected = ["192.0.2.2", "all of regex:^a[.]x[.]com$", "com", "notx.com"];
        assert_eq!(found, expected);
        let found = outside(&Scope::AnyName, rules.iter());
        assert_eq!(found, ["192.0.2.1", "192.0.2.2"]);
    }
}
