//! The definitions of providers, the stored connections, and what a run would have of both.

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;

use super::super::app::App;
use super::super::connect::Connected;
use super::super::error::Error;
use super::super::origins::OriginArgs;
use super::super::settled;
use super::super::surroundings::Surroundings;
use super::super::view::View;
use super::report::Check;
use super::report::Report;
use crate::broker::Broker;
use crate::broker::record::login_again;
use crate::provider::host_rule::HostRule;

/// Looks at the definitions: those that can't be used, fields without effect, and rules that a stranger's host could meet.
pub(super) fn look_at_definitions(app: &App, unread: Option<io::Error>, report: &mut Report) {
    let (mut broken, mut unknown, mut loose) = (Vec::new(), Vec::new(), Vec::new());
    if let Some(error) = unread {
        let text = format!("cannot read {}: {error}", app.home.providers().display());
        broken
            .push(Check::fail("definitions", text).remedy("check the folder and its permissions"));
    }
    for (_, entry) in app.registry.iter() {
        let definition = match entry {
            Ok(definition) => definition,
            Err(error) => {
                let check = Check::fail("definitions", error.invalid.to_string());
                broken.push(check.remedy(&error.invalid.remedy));
                continue;
            }
        };
        for field in &definition.unknown {
            let text = settled::unknown_field(definition, field);
            unknown
                .push(Check::warn("definitions", text).remedy("remove it, or mend its spelling"));
        }
        // What is wrong with it has been told above, or is about what only a run brings with it.
        if let Ok(provider) = app.provider(definition, None) {
            for text in settled::loose_rules(&provider) {
                loose.push(Check::warn("rules", text).remedy(
                    "end the pattern in a domain of the provider's own, with \\. before it",
                ));
            }
        }
    }
    broken.extend(unknown);
    let count = app.registry.iter().count();
    let own = app
        .registry
        .iter()
        .filter(|(name, _)| app.registry.is_own(name));
    let text = format!("{count} can be used, {} of them your own", own.count());
    report.add_or(broken, Check::ok("definitions", text));
    report.add_or(
        loose,
        Check::ok("rules", "no pattern could meet a stranger's host"),
    );
}

/// Looks whether each stored connection has its credential.
pub(super) fn look_at_records(app: &App, is_open: bool, report: &mut Report) {
    // A vault that was shut is not tried once more: that would be one more question.
    let snapshot = is_open.then(|| app.store.snapshot().ok()).flatten();
    let Some(snapshot) = snapshot else {
        report.add(Check::warn(
            "connections",
            "the stored ones can't be seen while the vault is shut",
        ));
        return;
    };
    let records = snapshot.records();
    if records.is_empty() {
        let text = "none is stored: `authsome login PROVIDER` makes one";
        report.add(Check::ok("connections", text));
    }
    for record in records {
        let view = View::of(app, &snapshot, &record);
        let label = record.label();
        let day = view.updated.get(..10).unwrap_or_default();
        report.add(if view.state == "ok" {
            let ends = match (&view.expires, view.refreshable) {
                (Some(_), Some(true)) => "refreshed when it ends".to_owned(),
                (Some(when), _) => format!("ends {when}"),
                (None, _) => "no expiry known".to_owned(),
            };
            let text = format!(
                "{label} has its credential ({}, of {day}, {ends})",
                view.source
            );
            Check::ok("connections", text)
        } else {
            let again = login_again(&record.provider, &record.connection);
            let remedy = match view.source.as_str() {
                "vault" => format!("`{again}`, or bring its definition back"),
                source => format!("bring {source} back, or `{again}`"),
            };
            Check::fail("connections", format!("{label}: {}", view.state)).remedy(remedy)
        });
    }
}

/// Looks at what a run that is started here would have; `None` where that can't be known.
pub(super) fn look_at_run(connected: Option<&Result<Connected, Error>>, report: &mut Report) {
    report.add(match connected {
        None => Check::warn(
            "run",
            "whether one can be started can't be told while the vault is shut",
        ),
        Some(Err(error)) => {
            let check = Check::fail("run", format!("none can be started here: {}", error.what));
            match &error.hint {
                Some(hint) => check.remedy(hint),
                None => check,
            }
        }
        Some(Ok(connected)) => {
            let connections = connected.broker.connections();
            let labels: Vec<String> = connections
                .map(|(_, connection)| connection.label())
                .collect();
            let text = if labels.is_empty() {
                "one that is started here would have no connection".to_owned()
            } else {
                format!("one that is started here would have {}", labels.join(", "))
            };
            Check::ok("run", text)
        }
    });
}

/// Reaches the exact hosts of connected providers, and verifies their certificates. Nothing is asked of them.
pub(super) fn reach(
    around: &Surroundings<'_>,
    broker: &Broker,
    origins: &OriginArgs,
    report: &mut Report,
) {
    let dialer = match origins.dialer(around, None, None) {
        Ok((dialer, _)) => dialer,
        Err(error) => {
            let check = Check::fail("online", error.what);
            report.add(check.remedy(error.hint.unwrap_or_default()));
            return;
        }
    };
    let mut seen = BTreeSet::new();
    for (_, connection) in broker.connections() {
        for rule in &connection.provider.rules {
            let HostRule::Exact { authority, .. } = &rule.host else {
                continue;
            };
            if !seen.insert(authority.to_string()) {
                continue;
            }
            report.add(match dialer.secure(authority, Ipv4Addr::LOCALHOST.into()) {
                Ok(_) => Check::ok("online", format!("{authority} answers, with a good certificate")),
                Err(error) => Check::fail("online", error.to_string())
                    .remedy("check the network and the proxy variables; a private root is given by --upstream-ca"),
            });
        }
    }
    if seen.is_empty() {
        report.add(Check::ok(
            "online",
            "no connected provider has an exact host",
        ));
    }
}
