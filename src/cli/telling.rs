//! Who is told what a run's program asks for: the log, the person as it happens, the person in the end.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use super::amounts;
use super::app;
use super::app::App;
use super::audit::summary;
use super::error::Error;
use super::output;
use super::output::Colour;
use super::output::Paint;
use super::syntax::Group;
use super::syntax::Opt;
use super::syntax::Parsed;
use super::syntax::flag;
use super::syntax::valued;
use crate::audit::Audit;
use crate::audit::Event;
use crate::audit::Kind;
use crate::audit::Log;
use crate::encoding;

/// The options about it.
pub(super) const OPTIONS: Group = Group {
    title: "What is told of its requests",
    options: &[
        Opt {
            long: "verbose",
            short: Some('v'),
            value: None,
            help: "a line for each request on stderr, without secrets or queries",
        },
        flag("summary", "a table on stderr in the end"),
        valued(
            "audit-file",
            "FILE",
            "the log, in place of audit.log in the home; /dev/stderr for a container's",
        ),
        flag("no-audit", "no log"),
    ],
};

/// What the options say.
pub(super) struct Telling {
    /// `--verbose`
    verbose: bool,
    /// `--summary`
    summary: bool,
    /// `--audit-file FILE`
    file: Option<PathBuf>,
    /// `--no-audit`
    no_audit: bool,
}

impl Telling {
    /// Reads them.
    ///
    /// # Errors
    /// When they exclude each other.
    pub(super) fn read(parsed: &Parsed) -> Result<Self, Error> {
        let file = parsed.raw_values("audit-file").last().map(PathBuf::from);
        let no_audit = parsed.has("no-audit");
        if no_audit && file.is_some() {
            return Err(parsed.usage("--audit-file and --no-audit exclude each other"));
        }
        Ok(Self {
            verbose: parsed.has("verbose"),
            summary: parsed.has("summary"),
            file,
            no_audit,
        })
    }

    /// Returns whether requests are logged on standard error.
    pub(super) fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Where events go.
    ///
    /// # Errors
    /// When the log can't be used.
    pub(super) fn audit(&self, app: &App) -> Result<Audit, Error> {
        let mut audit = Audit::off();
        if let Some(file) = &self.file {
            let log = Log::at(file.clone(), Arc::clone(&app.notices));
            audit = audit.logged(log.map_err(app::unusable_log)?);
        } else if !self.no_audit {
            audit = audit.logged(app.log()?);
        }
        if self.summary {
            audit = audit.counted();
        }
        if self.verbose {
            let lines = Lines::new(Paint::of_errors(&app.parent));
            audit = audit.heard(move |event| {
                if let Some(line) = lines.of(event) {
                    output::always(&line);
                }
            });
        }
        Ok(audit)
    }
}

/// Sums up what was counted, if it was.
pub(super) fn sum_up(audit: &Audit) {
    if let Some(text) = audit.with_figures(summary::table) {
        output::always(text.trim_end());
    }
}

/// How wide the column of places becomes, at the most: longer ones stand out.
const MAX_PLACE: usize = 60;

/// Live lines about requests.
struct Lines {
    /// Their colours.
    paint: Paint,
    /// How wide the column of places is by now.
    width: AtomicUsize,
}

impl Lines {
    /// In these colours.
    fn new(paint: Paint) -> Self {
        Self {
            paint,
            width: AtomicUsize::new(0),
        }
    }

    /// The line for an event, if it has one.
    fn of(&self, event: &Event<'_>) -> Option<String> {
        if event.is(Kind::Cut) || event.is(Kind::Lost) {
            return None;
        }
        let time = event
            .time
            .get("2026-11-25T".len().."2026-11-25T11:00:00".len());
        let method = event.method.as_deref().unwrap_or(&event.event);
        let place = encoding::visible(&place(event));
        let width = place.chars().count().min(MAX_PLACE);
        let width = self.width.fetch_max(width, Ordering::Relaxed).max(width);
        let status = event
            .status
            .map_or_else(|| "-".into(), |status| status.to_string());
        let status = self.paint.paint(colour(event), &format!("{status:>3}"));
        let label = event.label();
        let received = event.received.map(amounts::bytes).unwrap_or_default();
        let ms = event.ms.map(amounts::time).unwrap_or_default();
        let line = format!(
            "authsome: {}Z {method:<7} {place:<width$} {status} {label:<10} {received:>9} {ms:>8}{}",
            time.unwrap_or_default(),
            remark(event)
        );
        Some(line.trim_end().to_owned())
    }
}

/// What it was for.
fn place(event: &Event<'_>) -> String {
    let host = event.host.as_deref();
    let path = event.path.as_deref().unwrap_or_default();
    let scheme = if event.is_clear { "http" } else { "https" };
    match (event.method.as_deref(), host) {
        (Some("CONNECT"), Some(host)) => host.to_owned(),
        // What http has by itself is not said.
        (Some(_), Some(host)) if event.is_clear => {
            format!(
                "{scheme}://{}{path}",
                host.strip_suffix(":80").unwrap_or(host)
            )
        }
        (Some(_), Some(host)) => format!("{scheme}://{host}{path}"),
        (None, Some(host)) => host.to_owned(),
        (_, None) if path.is_empty() => "-".to_owned(),
        (_, None) => path.to_owned(),
    }
}

/// The colour of its status.
fn colour(event: &Event<'_>) -> Colour {
    match event.status {
        _ if event.error.is_some() => Colour::Red,
        Some(500..) => Colour::Red,
        Some(400..) => Colour::Yellow,
        _ => Colour::Green,
    }
}

/// What there is to say of it besides.
fn remark(event: &Event<'_>) -> String {
    let error = event.error.as_deref().map(encoding::visible);
    match (error, event.hint) {
        (Some(error), Some(hint)) => format!("  {error}; hint: {hint}"),
        (Some(error), None) if event.is_request() && event.status.is_none() => {
            format!("  aborted: {error}")
        }
        (Some(error), None) => format!("  {error}"),
        (None, _) if event.is(Kind::Passed) && !event.is_clear => "  passed through".to_owned(),
        (None, _) if event.reused == Some(true) => "  reused".to_owned(),
        (None, _) => String::new(),
    }
}
