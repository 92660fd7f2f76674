//! `ca trust` and `ca untrust`: the commands that a person can run, and what there is to know before.

use serde::Serialize;

use super::super::app::App;
use super::super::error::Error;
use super::super::output;
use super::super::output::Verbosity;
use super::super::root;
use super::super::syntax::Parsed;
use super::Fingerprint;
use super::public;
use super::public::Old;
use super::systems;
use super::systems::SYSTEMS;
use super::systems::Subject;
use super::systems::System;
use crate::tls::root::Scope;

/// Version 1 of the shape of `trust` and `untrust`.
#[derive(Serialize)]
struct Instructions {
    /// Version of this shape.
    version: u8,
    /// For which system.
    system: &'static str,
    /// The SHA-256 of the certificates that they are about.
    fingerprints: Vec<String>,
    /// What to run.
    commands: Vec<String>,
    /// What else there is to know.
    notes: Vec<String>,
    /// The systems that there are instructions for.
    systems: Vec<&'static str>,
}

/// Prints the commands that have the CA trusted.
pub(super) fn trust(parsed: &Parsed, name: Option<&str>) -> Result<(), Error> {
    let system = system(parsed, name)?;
    let app = App::open(parsed.verbosity)?;
    tell(system, &of_trust(&app, system)?, app.verbosity);
    Ok(())
}

/// Prints the commands that end that.
pub(super) fn untrust(parsed: &Parsed, name: Option<&str>) -> Result<(), Error> {
    let system = system(parsed, name)?;
    let app = App::open(parsed.verbosity)?;
    let told = of_untrust(&app, system, parsed.has("old"))?;
    tell(system, &told, app.verbosity);
    Ok(())
}

/// The names of all systems.
fn names() -> Vec<&'static str> {
    SYSTEMS.iter().map(|system| system.name).collect()
}

/// The system of that name, else this machine's.
fn system(parsed: &Parsed, name: Option<&str>) -> Result<&'static System, Error> {
    let list = names().join(", ");
    match name {
        Some(name) => systems::named(name).ok_or_else(|| {
            parsed.usage(format!("there is no system of that name; there are {list}"))
        }),
        None => systems::here().ok_or_else(|| {
            Error::plain("which system this is can't be told")
                .hint(format!("name it as a second word: {list}"))
        }),
    }
}

/// Prints them: what isn't a command is a comment of the shell.
fn tell(system: &System, told: &Instructions, verbosity: Verbosity) {
    if verbosity.json {
        return output::json(told);
    }
    let lines = |mark: &str, lines: &[String]| -> String {
        let lines = lines.iter().map(|line| format!("{mark}{line}\n"));
        lines.collect()
    };
    let commands = lines("", &told.commands);
    if verbosity.quiet {
        return output::text(&commands);
    }
    let title = [system.title.to_owned()];
    let others = [format!(
        "a second word names another: {}",
        names().join(", ")
    )];
    let parts = [
        lines("# ", &title),
        commands,
        lines("# ", &told.notes),
        lines("# ", &others),
    ];
    output::text(&parts.concat());
}

impl Instructions {
    /// Those with these commands, about these certificates.
    fn new(system: &'static System, fingerprints: Vec<String>, commands: Vec<String>) -> Self {
        Self {
            version: 1,
            system: system.name,
            fingerprints,
            commands,
            notes: Vec::new(),
            systems: names(),
        }
    }
}

/// How it is trusted.
fn of_trust(app: &App, system: &'static System) -> Result<Instructions, Error> {
    let certificate = super::current(app)?;
    let fingerprint = Fingerprint::of(&certificate.der);
    let shown = fingerprint.shown();
    let subject = Subject {
        der: &certificate.der,
        fingerprint,
    };
    let hosts = match &certificate.scope {
        Scope::AnyName => "any host".to_owned(),
        Scope::Hosts(hosts) => {
            let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
            format!("{}, and names below", hosts.join(", "))
        }
    };
    let mut told = Instructions::new(system, vec![shown.clone()], system.trust(&subject));
    told.notes = system.notes(&subject);
    told.notes.push(format!("SHA-256 {shown}"));
    told.notes.push(format!(
        "whoever gets the CA's key can then impersonate {hosts}; `authsome ca untrust {}` says how to end it",
        system.name
    ));
    Ok(told)
}

/// How that is ended: for the CA, or for the certificates that it had before.
fn of_untrust(app: &App, system: &'static System, is_old: bool) -> Result<Instructions, Error> {
    let snapshot = app.store.snapshot().map_err(Error::from)?;
    let authority = snapshot.authority().map_err(Error::from)?;
    let current = authority.map(|authority| authority.certificate);
    let certificates = match current {
        Some(certificate) if !is_old => vec![Old {
            path: public::path(&app.home),
            der: certificate.der,
        }],
        other => public::old(&app.home, other.as_ref()),
    };
    let Some(last) = certificates.last() else {
        return Err(if is_old {
            Error::plain("the CA had no certificate before")
                .hint("without --old, it is the CA's own that is trusted no more")
        } else {
            root::none()
        });
    };
    let subject = |old: &Old| Fingerprint::of(&old.der);
    let commands = certificates.iter().flat_map(|old| {
        system.untrust(&Subject {
            der: &old.der,
            fingerprint: subject(old),
        })
    });
    let shown = certificates.iter().map(|old| subject(old).shown());
    let mut told = Instructions::new(system, shown.collect(), commands.collect());
    let last = Subject {
        der: &last.der,
        fingerprint: subject(last),
    };
    told.notes = system.notes(&last);
    let shown = told.fingerprints.iter();
    let shown: Vec<String> = shown.map(|shown| format!("SHA-256 {shown}")).collect();
    told.notes.extend(shown);
    Ok(told)
}
