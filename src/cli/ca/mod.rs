//! `authsome ca`: a certificate authority that stays, for programs that trust nothing but what their system does.

mod instructions;
pub(super) mod public;
mod systems;
mod view;

use std::net::Ipv6Addr;
use std::time::Duration;

use ring::digest;

use super::app::App;
use super::connect;
use super::connect::ConnectionArgs;
use super::error::Error;
use super::output;
use super::root;
use super::syntax::Group;
use super::syntax::Parsed;
use super::syntax::Syntax;
use super::syntax::flag;
use super::syntax::valued;
use crate::broker::authority::Authority;
use crate::encoding;
use crate::provider::host_rule::HostRule;
use crate::proxy::route::Router;
use crate::tls::root::CLOCK_SKEW;
use crate::tls::root::Certificate;
use crate::tls::root::Scope;
use crate::url::Host;
use view::View;

/// What `ca` says of itself.
pub(super) const SYNTAX: Syntax = Syntax {
    name: "ca",
    summary: "a certificate authority that stays, for `run --ca persistent`",
    words: "WORD [SYSTEM]",
    ends_at_word: false,
    about: "Make, show and trust a certificate authority that stays. `run` makes one of its own each time, and programs are told of it by \
their environment; this one is for programs that look nowhere but into their system's certificates. Its private key is sealed in the \
vault; its certificate is AUTHSOME_HOME/ca/ca.pem.

  create            make one, unless there is one
  show              say what it is
  fingerprint       print its SHA-256
  export            print its certificate (PEM)
  trust [SYSTEM]    print the commands that have it trusted
  untrust [SYSTEM]  print those that end that
  rotate            make another in its place
  remove            remove it

SYSTEM is debian, fedora, alpine, arch, macos, windows, firefox, chromium or java; without it, this machine's. Nothing but the home is \
ever changed: the commands are yours to run.",
    groups: &[
        Group {
            title: "For create and rotate",
            options: &[
                valued("lifetime", "DAYS", "how long it is good (365)"),
                valued(
                    "host",
                    "HOST",
                    "a host that it may vouch for, with the names below it; repeatable \
                     (the hosts of connected providers)",
                ),
                flag("any-name", "let it vouch for any name"),
            ],
        },
        Group {
            title: "For untrust",
            options: &[flag(
                "old",
                "the certificates that it had before it was rotated or removed",
            )],
        },
    ],
    notes: "Whoever gets the key can impersonate the hosts that it may vouch for, to everything that trusts it. rotate keeps hosts and \
lifetime unless told otherwise, and keeps the old certificate (its key is gone) as ca/ca-UNTIL-FINGERPRINT.pem.",
    examples: "authsome ca create --host api.openai.com
authsome ca trust
authsome run --ca persistent -- my-program",
    run: ca,
};

/// How long a CA is good where nothing is said.
const LIFETIME: Duration = days(365);

/// The longest, in days.
const MAX_DAYS: u64 = 3650;

/// Days as a duration.
const fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 60 * 60)
}

/// What to do where there are no hosts to be vouched for.
const NAME_HOSTS: &str =
    "name them with --host HOST, or let the CA vouch for any name with --any-name";

/// The fingerprints of a certificate, in lower-case hexadecimal digits.
pub(super) struct Fingerprint {
    /// SHA-256.
    sha256: String,
    /// SHA-1, which some systems know certificates by.
    sha1: String,
}

impl Fingerprint {
    /// Those of this certificate.
    pub(super) fn of(der: &[u8]) -> Self {
        let hash = |with| encoding::hex(digest::digest(with, der).as_ref());
        Self {
            sha256: hash(&digest::SHA256),
            sha1: hash(&digest::SHA1_FOR_LEGACY_USE_ONLY),
        }
    }

    /// SHA-256 as tools print it: in capital letters, with colons.
    pub(super) fn shown(&self) -> String {
        let pairs = self.sha256.as_bytes().chunks(2);
        let pairs: Vec<_> = pairs.map(String::from_utf8_lossy).collect();
        pairs.join(":").to_ascii_uppercase()
    }

    /// Enough of it to tell certificates of ours apart.
    fn short(&self) -> &str {
        self.sha256.get(..8).unwrap_or(&self.sha256)
    }
}

/// Does what the first word says.
fn ca(parsed: &Parsed) -> Result<u8, Error> {
    let form = "create, show, fingerprint, export, trust, untrust, rotate or remove";
    let words = parsed.words(1..=2, form)?;
    let word = words.first().copied().unwrap_or_default();
    let system = words.get(1).copied();
    check_options(parsed, word)?;
    if system.is_some() && !matches!(word, "trust" | "untrust") {
        return Err(parsed.usage(format!("ca {word} takes no further word")));
    }
    let open = || App::open(parsed.verbosity);
    match word {
        "create" => create(parsed, &open()?)?,
        "show" => show(parsed, &open()?)?,
        "fingerprint" => fingerprint(parsed, &open()?)?,
        "export" => export(parsed, &open()?)?,
        "trust" => instructions::trust(parsed, system)?,
        "untrust" => instructions::untrust(parsed, system)?,
        "rotate" => rotate(parsed, &open()?)?,
        "remove" => remove(&open()?)?,
        _ => return Err(parsed.usage(format!("ca takes {form}"))),
    }
    Ok(0)
}

/// Checks that the word goes with the options.
fn check_options(parsed: &Parsed, word: &str) -> Result<(), Error> {
    for (options, words) in [
        (
            &["lifetime", "host", "any-name"][..],
            &["create", "rotate"][..],
        ),
        (&["old"], &["untrust"]),
    ] {
        let given = options.iter().find(|option| parsed.has(option));
        if let Some(option) = given
            && !words.contains(&word)
        {
            let words = words.join(" and ");
            return Err(parsed.usage(format!("--{option} is for ca {words}")));
        }
    }
    Ok(())
}

/// The hosts that the options name; `None` where they name none.
fn scope(parsed: &Parsed) -> Result<Option<Scope>, Error> {
    let form = "the name of a host, or an IP address; names below it are vouched for as well";
    let host = |text: &str| {
        let bracketed = format!("[{text}]");
        let is_ipv6 = text.parse::<Ipv6Addr>().is_ok();
        let text = if is_ipv6 { &bracketed } else { text };
        Host::parse(text.as_bytes()).map_err(|_| parsed.usage(format!("--host takes {form}")))
    };
    let hosts = parsed.values("host")?.into_iter().map(host);
    let mut hosts = hosts.collect::<Result<Vec<Host>, Error>>()?;
    hosts.sort();
    hosts.dedup();
    match (hosts.is_empty(), parsed.has("any-name")) {
        (false, true) => Err(parsed.usage("--host and --any-name exclude each other")),
        (false, false) => Ok(Some(Scope::Hosts(hosts))),
        (true, true) => Ok(Some(Scope::AnyName)),
        (true, false) => Ok(None),
    }
}

/// The hosts of the connected providers.
fn connected_scope(parsed: &Parsed, app: &App) -> Result<Scope, Error> {
    let connected = connect::connect(&ConnectionArgs::read(parsed)?, app)?;
    let router = Router::new(&connected.broker);
    let patterns = router.rules().filter_map(|rule| match rule {
        HostRule::Pattern { .. } => Some(rule.to_string()),
        HostRule::Exact { .. } => None,
    });
    let mut patterns: Vec<String> = patterns.collect();
    patterns.sort();
    patterns.dedup();
    match router.exact_hosts() {
        Some(hosts) if !hosts.is_empty() => Ok(Scope::Hosts(hosts)),
        Some(_) => Err(
            Error::plain("no provider is connected whose hosts the CA could vouch for")
                .hint(NAME_HOSTS),
        ),
        None => Err(Error::plain(format!(
            "a certificate can name hosts, but no patterns as a connected provider has: {}",
            patterns.join(", ")
        ))
        .hint(NAME_HOSTS)),
    }
}

/// `--lifetime DAYS`
fn lifetime(parsed: &Parsed) -> Result<Option<Duration>, Error> {
    let number = parsed.number("lifetime", " of days", 1..=MAX_DAYS)?;
    Ok(number.map(days))
}

/// A new CA.
fn made(scope: &Scope, lifetime: Duration) -> Result<Authority, Error> {
    let (certificate, key) = root::made("authsome CA", scope, lifetime)?.into_kept();
    Ok(Authority { certificate, key })
}

/// There is a CA already.
fn exists() -> Error {
    Error::plain("there is a CA already; nothing was changed")
        .hint("see `authsome ca show`; `authsome ca rotate` makes another in its place")
}

/// The CA's certificate, whose copy is no other.
fn current(app: &App) -> Result<Certificate, Error> {
    let snapshot = app.store.snapshot().map_err(Error::from)?;
    let authority = snapshot.authority().map_err(Error::from)?;
    let certificate = authority.ok_or_else(root::none)?.certificate;
    public::check(&app.home, &certificate)?;
    Ok(certificate)
}

/// Makes one.
fn create(parsed: &Parsed, app: &App) -> Result<(), Error> {
    let (named, lifetime) = (scope(parsed)?, lifetime(parsed)?.unwrap_or(LIFETIME));
    let snapshot = app.store.snapshot().map_err(Error::from)?;
    if snapshot.authority().map_err(Error::from)?.is_some() {
        return Err(exists());
    }
    let scope = named.map_or_else(|| connected_scope(parsed, app), Ok)?;
    let new = made(&scope, lifetime)?;
    let certificate = new.certificate.clone();
    app.store.change_authority(|old| {
        let path = public::path(&app.home);
        if old.is_some() {
            return Err(exists());
        }
        if public::is_taken(&path) {
            let what = format!(
                "{} is there already, but no CA is in the vault; nothing was changed",
                path.display()
            );
            return Err(Error::plain(what).hint("move it away"));
        }
        Ok(Some(new))
    })?;
    published(app)?;
    View::of(app, &certificate).tell(app, "made a CA");
    Ok(())
}

/// Makes another in its place.
fn rotate(parsed: &Parsed, app: &App) -> Result<(), Error> {
    let (scope, lifetime) = (scope(parsed)?, lifetime(parsed)?);
    let mut certificate = None;
    app.store.change_authority(|old| {
        let old = old.ok_or_else(root::none)?.certificate;
        let kept = old.good.end.duration_since(old.good.start + CLOCK_SKEW);
        let lifetime = lifetime.or_else(|| kept.ok()).unwrap_or(LIFETIME);
        let new = made(scope.as_ref().unwrap_or(&old.scope), lifetime)?;
        public::retire(&app.home, &old)?;
        certificate = Some(new.certificate.clone());
        Ok::<_, Error>(Some(new))
    })?;
    published(app)?;
    if let Some(certificate) = certificate {
        View::of(app, &certificate).tell(app, "made a new CA");
    }
    Ok(())
}

/// Writes the copy of a certificate that is in the vault by now.
fn published(app: &App) -> Result<(), Error> {
    public::publish(app).map_err(|error| Error {
        what: format!(
            "the CA is in the vault, but its certificate is not in {}: {}",
            app.home.ca().display(),
            error.what
        ),
        ..error
    })
}

/// Removes it.
fn remove(app: &App) -> Result<(), Error> {
    let mut certificate = None;
    app.store.change_authority(|old| {
        let old = old.ok_or_else(root::none)?.certificate;
        public::retire(&app.home, &old)?;
        certificate = Some(old);
        Ok::<_, Error>(None)
    })?;
    if let Some(certificate) = certificate {
        View::of_removed(app, &certificate).tell_removed(app);
    }
    Ok(())
}

/// Says what it is.
fn show(parsed: &Parsed, app: &App) -> Result<(), Error> {
    let certificate = current(app)?;
    if let Err(error) = public::publish(app) {
        app.notices.warn(error.what);
    }
    let view = View::of(app, &certificate);
    if parsed.verbosity.json {
        output::json(&view);
    } else {
        output::text(&view.to_text(app));
    }
    Ok(())
}

/// Prints its fingerprint.
fn fingerprint(parsed: &Parsed, app: &App) -> Result<(), Error> {
    /// Version 1 of the shape.
    #[derive(serde::Serialize)]
    struct Answer {
        /// Version of this shape.
        version: u8,
        /// SHA-256.
        fingerprint: String,
    }

    let fingerprint = Fingerprint::of(&current(app)?.der).shown();
    if parsed.verbosity.json {
        output::json(&Answer {
            version: 1,
            fingerprint,
        });
    } else {
        output::text(&format!("{fingerprint}\n"));
    }
    Ok(())
}

/// Prints its certificate.
fn export(parsed: &Parsed, app: &App) -> Result<(), Error> {
    /// Version 1 of the shape.
    #[derive(serde::Serialize)]
    struct Answer {
        /// Version of this shape.
        version: u8,
        /// The certificate.
        certificate: String,
    }

    let certificate = current(app)?.pem();
    if parsed.verbosity.json {
        output::json(&Answer {
            version: 1,
            certificate,
        });
    } else {
        output::text(&certificate);
    }
    Ok(())
}
