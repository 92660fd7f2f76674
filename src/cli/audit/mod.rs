//! `authsome audit`: what was done with credentials, as the log has it.

pub(super) mod summary;
mod view;

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;
use std::time::SystemTime;

use serde::Serialize;

use super::app::App;
use super::error::Error;
use super::output;
use super::output::Paint;
use super::syntax::Group;
use super::syntax::Opt;
use super::syntax::Parsed;
use super::syntax::Syntax;
use super::syntax::flag;
use super::syntax::valued;
use crate::audit::Event;
use crate::audit::Figures;
use crate::audit::read::Reader;
use crate::clock;
use crate::sys::poll;
use view::View;

/// What `audit` says of itself.
pub(super) const SYNTAX: Syntax = Syntax {
    name: "audit",
    summary: "what was done with credentials",
    words: "",
    ends_at_word: false,
    about: "Show the log: each request to a host that a connected provider claims, what the proxy refused, refreshes, logins and logouts; \
the newest last. It has neither secrets nor queries. Times are UTC.",
    groups: &[
        Group {
            title: "Which events",
            options: &[
                valued("lines", "N", "the last N (50); 0 for all"),
                valued(
                    "since",
                    "WHEN",
                    "not before: 90s, 15m, 2h or 7d ago, or a date or time as RFC 3339 has it",
                ),
                valued("provider", "P", "only those about provider P"),
                valued("run", "ID", "only those of this run"),
            ],
        },
        Group {
            title: "How",
            options: &[
                Opt {
                    long: "follow",
                    short: Some('f'),
                    value: None,
                    help: "go on with what is added, until Ctrl-C",
                },
                flag(
                    "summary",
                    "figures of each provider, and its requests by the hour",
                ),
                valued(
                    "audit-file",
                    "FILE",
                    "the log that `run --audit-file` wrote",
                ),
            ],
        },
    ],
    notes: "The log is audit.log in the home; when it has 10 MiB it becomes audit.log.1, and so on to audit.log.4. All of them are read. With \
--follow and --json, each event is an object in a line of its own.",
    examples: "authsome audit --since 2h --provider github\nauthsome audit --follow\nauthsome audit --summary --since 7d",
    run: audit,
};

/// Events that are shown where nothing is said.
const LINES: u64 = 50;

/// Events that can be asked for.
const MAX_LINES: u64 = 100_000_000;

/// How often it is looked for more.
const INTERVAL: Duration = Duration::from_millis(250);

/// `authsome audit`
struct AuditArgs {
    /// `--lines N`; `None` for all.
    lines: Option<usize>,
    /// `--since WHEN`, as events have it.
    since: Option<String>,
    /// `--provider P`
    provider: Option<String>,
    /// `--run ID`
    run: Option<String>,
    /// `--follow`
    follow: bool,
    /// `--summary`
    summary: bool,
    /// `--audit-file FILE`
    file: Option<PathBuf>,
}

impl AuditArgs {
    /// Reads them.
    fn read(parsed: &Parsed) -> Result<Self, Error> {
        parsed.words(0..=0, "no words")?;
        if parsed.has("follow") && parsed.has("summary") {
            return Err(parsed.usage("--follow and --summary exclude each other"));
        }
        let now = clock::now();
        let form = "90s, 15m, 2h, 7d, or a date or time as RFC 3339 has it";
        let since = parsed.parsed("since", form, |text| since(text, now))?;
        let lines = parsed.number("lines", "", 0..=MAX_LINES)?.unwrap_or(LINES);
        Ok(Self {
            lines: (lines > 0).then(|| usize::try_from(lines).unwrap_or(usize::MAX)),
            since: since.map(clock::rfc3339_millis),
            provider: parsed.value("provider")?.map(str::to_owned),
            run: parsed.value("run")?.map(str::to_owned),
            follow: parsed.has("follow"),
            summary: parsed.has("summary"),
            file: parsed.raw_values("audit-file").last().map(PathBuf::from),
        })
    }

    /// Whether an event is wanted.
    fn wants(&self, event: &Event<'_>) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        is(&self.provider, event.provider.as_deref())
            && is(&self.run, Some(&event.run))
            && self
                .since
                .as_deref()
                .is_none_or(|since| &*event.time >= since)
    }
}

/// The time that `--since` names.
fn since(text: &str, now: SystemTime) -> Option<SystemTime> {
    let unit = match text.bytes().last()? {
        b's' => 1,
        b'm' => 60,
        b'h' => 3600,
        b'd' => 86_400,
        _ => return clock::parse_rfc3339(text),
    };
    let digits = text.get(..text.len() - 1)?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let count: u64 = is_number.then(|| digits.parse().ok())??;
    // What was before all times is at their beginning.
    let ago = Duration::from_secs(count.checked_mul(unit)?);
    let then = now.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH);
    Some(then.max(SystemTime::UNIX_EPOCH))
}

/// Version 1 of the shape.
#[derive(Serialize)]
struct Answer<'a> {
    /// Version of this shape.
    version: u8,
    /// The events, the newest last.
    events: &'a VecDeque<Event<'static>>,
}

/// Shows the log.
fn audit(parsed: &Parsed) -> Result<u8, Error> {
    let args = AuditArgs::read(parsed)?;
    let app = App::open(parsed.verbosity)?;
    let path = args.file.clone().unwrap_or_else(|| app.home.audit_log());
    let failed = |error: io::Error| {
        Error::new(&format!("cannot read {}", path.display()), error)
            .hint("check the file's name and its permissions")
    };
    let mut reader = Reader::open(&path).map_err(&failed)?;
    if reader.is_empty() && !args.follow {
        if args.file.is_some() {
            return Err(failed(io::ErrorKind::NotFound.into()));
        }
        output::note(app.verbosity, "nothing has been logged yet");
    }
    if args.summary {
        let mut figures = Figures::default();
        let mut add = |event: Event<'static>| {
            if args.wants(&event) {
                figures.add(&event);
            }
        };
        reader.read(&mut add).map_err(&failed)?;
        tell_damage(&app, reader.damaged());
        summary::show(&app, &figures);
        return Ok(0);
    }
    let mut events = VecDeque::new();
    let mut add = |event: Event<'static>| {
        if args.wants(&event) {
            events.push_back(event);
            if args.lines.is_some_and(|lines| events.len() > lines) {
                events.pop_front();
            }
        }
    };
    reader.read(&mut add).map_err(&failed)?;
    if args.follow {
        return follow(&app, &args, reader, &events).map_err(&failed);
    }
    tell_damage(&app, reader.damaged());
    if parsed.verbosity.json {
        output::json(&Answer {
            version: 1,
            events: &events,
        });
    } else if !events.is_empty() {
        output::text(&View::new(&events).to_text(Paint::of(&app.parent)));
    }
    Ok(0)
}

/// Says that lines could not be read, if there were some.
fn tell_damage(app: &App, damaged: u64) {
    match damaged {
        0 => {}
        1 => app
            .notices
            .warn("1 line of the log is damaged; it was passed over"),
        count => app.notices.warn(format!(
            "{count} lines of the log are damaged; they were passed over"
        )),
    }
}

/// Shows these events, then what is added, until nobody reads it any more.
fn follow(
    app: &App,
    args: &AuditArgs,
    mut reader: Reader,
    events: &VecDeque<Event<'static>>,
) -> io::Result<u8> {
    let view = View::new(events);
    if app.verbosity.json {
        events.iter().for_each(output::json);
    } else {
        output::text(&view.to_text(Paint::of(&app.parent)));
    }
    let mut show = |event: Event<'static>| {
        if !args.wants(&event) {
            return;
        }
        if app.verbosity.json {
            output::json(&event);
        } else {
            output::text(&view.line(&event));
        }
    };
    loop {
        reader.read_on(&mut show)?;
        // A pipe's reader that has gone would be met with the next event only.
        if poll::has_ended(io::stdout().as_fd()) {
            return Ok(0);
        }
        thread::sleep(INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_so_long_ago_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let ago = |seconds| now.checked_sub(Duration::from_secs(seconds));
        for (text, expected) in [
            ("90s", ago(90)),
            ("15m", ago(900)),
            ("2h", ago(7200)),
            ("7d", ago(604_800)),
            ("0s", Some(now)),
            ("99999d", Some(SystemTime::UNIX_EPOCH)),
            ("1970-01-02", ago(1_000_000 - 86_400)),
            ("1970-01-02T00:00:00Z", ago(1_000_000 - 86_400)),
        ] {
            assert_eq!(since(text, now), expected, "{text}");
        }
        for text in [
            "",
            "s",
            "5",
            "-5m",
            "1.5h",
            "5 m",
            "5w",
            "18446744073709551615d",
            "é",
        ] {
            assert_eq!(since(text, now), None, "{text}");
        }
    }
}
