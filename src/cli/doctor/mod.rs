//! `authsome doctor`: whether everything here is as a run needs it, and whether a program finds its way through one.

mod advice;
mod connections;
mod home;
mod report;
mod surroundings;
mod tool;

use super::app::App;
use super::connect;
use super::connect::ConnectionArgs;
use super::error::Error;
use super::origins;
use super::origins::OriginArgs;
use super::output;
use super::output::Paint;
use super::surroundings::Surroundings;
use super::syntax::Group;
use super::syntax::Parsed;
use super::syntax::Syntax;
use super::syntax::flag;
use crate::settings::Settings;
use report::Check;
use report::Report;

/// What `doctor` says of itself.
pub(super) const SYNTAX: Syntax = Syntax {
    name: "doctor",
    summary: "look for what is wrong here, or with how a program connects",
    words: "[[--] TOOL [ARG...]]",
    ends_at_word: true,
    about: "Look at all that a run needs, and say of each thing whether it is in order, why not, and what to do. Nothing is changed, and \
nothing is asked of the network without --online.

With TOOL, run it behind the proxy instead, as `run --demo` does but without any connection of yours, and say how far it came: whether \
it used the proxy, trusted its certificates, and got the credential. {url} in its arguments, and the variable AUTHSOME_DOCTOR_URL, are \
the URL that it is to ask for.",
    groups: &[
        Group {
            title: "Options",
            options: &[flag(
                "online",
                "reach the hosts of connected providers too, without credentials",
            )],
        },
        origins::OPTIONS,
    ],
    notes: "Exit code: 1 if anything fails, 0 otherwise; warnings don't count. With TOOL: 0 if the credential arrived, else 1; 127 if \
TOOL is not found, 126 if it is not executable.",
    examples: "authsome doctor --online\nauthsome doctor -- curl -sS {url}",
    run: doctor,
};

/// Looks, and gives the exit code.
fn doctor(parsed: &Parsed) -> Result<u8, Error> {
    let origins = OriginArgs::read(parsed)?;
    if let Some((program, arguments)) = parsed.raw_words().split_first() {
        if parsed.has("online") {
            return Err(parsed.usage("--online is for doctor without a TOOL"));
        }
        return tool::try_out(parsed.verbosity, &origins, program, arguments);
    }
    let mut report = Report::default();
    // Before any secret is read. What it could not do is among what is looked at.
    let protected = super::app::protect().map(drop);
    let (app, unread) = App::to_look_at(parsed.verbosity);
    home::look(&app, &mut report);
    let is_open = home::look_at_vault(&app, &mut report);
    if is_open {
        home::look_at_authority(&app, &mut report);
    }
    home::look_for_leftovers(&app, is_open, &mut report);
    connections::look_at_definitions(&app, unread, &mut report);
    connections::look_at_records(&app, is_open, &mut report);
    let connected = if is_open {
        Some(connect::connect(&ConnectionArgs::read(parsed)?, &app))
    } else {
        None
    };
    connections::look_at_run(connected.as_ref(), &mut report);
    let connected = connected.and_then(Result::ok);
    let broker = connected.as_ref().map(|connected| &connected.broker);
    let settings = Settings::read(&app.parent);
    surroundings::look_at_proxies(&app.parent, broker, &mut report);
    surroundings::look_at_settings(&app.parent, &settings, &mut report);
    let trusted = surroundings::look_at_trust(&app.parent, &settings, &mut report);
    surroundings::look_at_clock(&app.home, &mut report);
    surroundings::look_at_process(protected, &mut report);
    if parsed.has("online") {
        match broker {
            Some(broker) => {
                let around = Surroundings {
                    parent: &app.parent,
                    settings,
                    trusted,
                    others: Vec::new(),
                };
                connections::reach(&around, broker, &origins, &mut report);
            }
            None => report.add(Check::warn(
                "online",
                "which hosts are to be reached can't be told while the connections can't be used",
            )),
        }
    }
    if parsed.verbosity.json {
        output::json(&report.to_json());
    } else {
        output::text(&report.to_text(Paint::of(&app.parent), parsed.verbosity.quiet));
    }
    Ok(report.exit_code())
}
