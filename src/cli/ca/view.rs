//! What is said of the CA.

use serde::Serialize;

use super::super::app::App;
use super::super::output;
use super::super::root;
use super::super::root::Standing;
use super::Fingerprint;
use super::public;
use super::public::Old;
use crate::broker::record::seconds;
use crate::clock;
use crate::encoding;
use crate::tls::root::Certificate;
use crate::tls::root::Scope;

/// Version 1 of the shape of `create`, `show`, `rotate` and `remove`.
#[derive(Serialize)]
pub(super) struct View {
    /// Version of this shape.
    version: u8,
    /// Its name.
    subject: String,
    /// Its serial number, in hexadecimal digits.
    serial: String,
    /// Its SHA-256.
    fingerprint: String,
    /// From when on it is good, RFC 3339.
    from: String,
    /// Until when.
    until: String,
    /// `ok`, `ends_soon`, `over` or `not_yet`.
    state: &'static str,
    /// Which hosts it may vouch for, with the names below them.
    hosts: Vec<String>,
    /// Whether it may vouch for any name.
    any_name: bool,
    /// Where the certificate is.
    file: String,
    /// The certificates that it had before.
    old: Vec<String>,
}

impl View {
    /// The CA.
    pub(super) fn of(app: &App, certificate: &Certificate) -> Self {
        let file = public::path(&app.home).display().to_string();
        let old = public::old(&app.home, Some(certificate));
        Self::new(certificate, file, &old)
    }

    /// A CA that is there no more.
    pub(super) fn of_removed(app: &App, certificate: &Certificate) -> Self {
        let kept = app.home.ca().join(public::old_name(certificate));
        let old = public::old(&app.home, None);
        Self::new(certificate, kept.display().to_string(), &old)
    }

    /// What there is to say.
    fn new(certificate: &Certificate, file: String, old: &[Old]) -> Self {
        let hosts = match &certificate.scope {
            Scope::Hosts(hosts) => hosts.iter().map(ToString::to_string).collect(),
            Scope::AnyName => Vec::new(),
        };
        let state = match root::standing(certificate, clock::now()) {
            Standing::Good => "ok",
            Standing::EndsSoon => "ends_soon",
            Standing::Over => "over",
            Standing::NotYet => "not_yet",
        };
        let old = old.iter().map(|old| old.path.display().to_string());
        Self {
            version: 1,
            subject: format!("CN={}", certificate.name),
            serial: encoding::hex(&certificate.serial),
            fingerprint: Fingerprint::of(&certificate.der).shown(),
            from: clock::rfc3339(seconds(certificate.good.start)),
            until: clock::rfc3339(seconds(certificate.good.end)),
            state,
            hosts,
            any_name: certificate.scope == Scope::AnyName,
            file,
            old: old.collect(),
        }
    }

    /// The hosts in words.
    fn hosts(&self) -> String {
        if self.any_name {
            "any name".into()
        } else {
            self.hosts.join(", ")
        }
    }

    /// Says that it was made.
    pub(super) fn tell(&self, app: &App, done: &str) {
        if app.verbosity.json {
            return output::json(self);
        }
        let (hosts, until, file) = (self.hosts(), &self.until, &self.file);
        let mut lines = vec![
            format!("{done}, good for {hosts} until {until}: {file}"),
            format!("SHA-256 {}", self.fingerprint),
            "`authsome ca trust` says how to have it trusted; `authsome run --ca persistent` uses it"
                .to_owned(),
        ];
        if !self.old.is_empty() {
            let text = "an old certificate is trusted until `authsome ca untrust --old` is done";
            lines.push(text.to_owned());
        }
        for line in lines {
            output::note(app.verbosity, &line);
        }
    }

    /// Says that it was removed.
    pub(super) fn tell_removed(&self, app: &App) {
        if app.verbosity.json {
            return output::json(self);
        }
        let file = &self.file;
        let lines = [
            format!("removed the CA; its certificate is kept, without its key: {file}"),
            "where it is trusted it stays so until `authsome ca untrust --old` is done".to_owned(),
        ];
        for line in lines {
            output::note(app.verbosity, &line);
        }
    }

    /// What it is, for people.
    pub(super) fn to_text(&self, app: &App) -> String {
        let mut lines = vec![
            ("subject", self.subject.clone()),
            ("serial", self.serial.clone()),
            ("SHA-256", self.fingerprint.clone()),
            ("from", self.from.clone()),
        ];
        let until = &self.until;
        lines.push(match self.state {
            "over" => ("until", format!("{until}: it has ended")),
            "ends_soon" => ("until", format!("{until}: it ends soon")),
            "not_yet" => ("until", format!("{until}: it isn't good yet")),
            _ => ("until", until.clone()),
        });
        if self.any_name {
            lines.push(("hosts", self.hosts()));
        }
        let add = |lines: &mut Vec<_>, name, values: &[String]| {
            for (index, value) in values.iter().enumerate() {
                lines.push((if index == 0 { name } else { "" }, value.clone()));
            }
        };
        let vault = app.home.vault();
        add(&mut lines, "hosts", &self.hosts);
        if !self.hosts.is_empty() {
            lines.push(("", "and names below these".to_owned()));
        }
        lines.push(("certificate", self.file.clone()));
        lines.push(("key", format!("sealed in {}", vault.display())));
        lines.push(("used by", "authsome run --ca persistent".to_owned()));
        add(&mut lines, "old", &self.old);
        lines
            .into_iter()
            .map(|(name, value)| format!("{name:<12} {}\n", encoding::visible(&value)))
            .collect()
    }
}
