//! Events as a table for people.

use super::super::amounts;
use super::super::output;
use super::super::output::Paint;
use super::super::output::Table;
use crate::audit::Event;
use crate::audit::Kind;
use crate::encoding;

/// The columns.
const COLUMNS: [&str; 9] = [
    "TIME",
    "RUN",
    "EVENT",
    "CONNECTION",
    "WHAT",
    "STATUS",
    "UP",
    "DOWN",
    "TOOK",
];

/// The letters of a time that are shown: month and day, and the time of day.
const SHOWN: (usize, usize) = ("2026-".len(), "2026-11-25T11:00:00".len());

/// Letters of a path that are shown.
const MAX_WHAT: usize = 60;

/// How wide the columns are at least where more is to come.
const LEAST: [usize; 9] = [15, 8, 9, 10, 40, 6, 8, 8, 7];

/// A table of events.
pub(super) struct View {
    /// It.
    table: Table,
    /// Its columns' widths, for what is added.
    widths: Vec<usize>,
}

impl View {
    /// Of these.
    pub(super) fn new<'a>(events: impl IntoIterator<Item = &'a Event<'static>>) -> Self {
        let mut columns = COLUMNS.to_vec();
        columns.push("");
        let mut table = Table::new(&columns);
        for event in events {
            table.row(cells(event));
        }
        let widths = table.widths().into_iter().zip(LEAST.into_iter().chain([0]));
        let widths = widths.map(|(width, least)| width.max(least)).collect();
        Self { table, widths }
    }

    /// All of it.
    pub(super) fn to_text(&self, paint: Paint) -> String {
        self.table.to_text(paint)
    }

    /// The line of one more event.
    pub(super) fn line(&self, event: &Event<'_>) -> String {
        let cells = cells(event).map(|cell| encoding::visible(&cell));
        format!("{}\n", output::in_columns(&cells, &self.widths))
    }
}

/// The cells of an event.
fn cells(event: &Event<'_>) -> [String; 10] {
    let time = event.time.get(SHOWN.0..SHOWN.1).unwrap_or(&event.time);
    let number = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        format!("{}Z", time.replace('T', " ")),
        event.run.to_string(),
        event.event.to_string(),
        event.label(),
        what(event),
        number(event.status.map(|status| status.to_string())),
        number(event.sent.map(amounts::bytes)),
        number(event.received.map(amounts::bytes)),
        number(event.ms.map(amounts::time)),
        remark(event),
    ]
}

/// What it was about.
fn what(event: &Event<'_>) -> String {
    if let Some(program) = &event.program {
        return program.to_string();
    }
    if event.is(Kind::Lost) || event.is(Kind::Cut) {
        let count = event.count.unwrap_or_default();
        return match event.is(Kind::Lost) {
            true => format!("{count} events could not be written"),
            false => format!("{count} requests were under way when the run ended"),
        };
    }
    let host = event.host.as_deref().unwrap_or_default();
    let path = event.path.as_deref().unwrap_or_default();
    let place = match event.method.as_deref() {
        Some(method) => format!("{method} {host}{path}"),
        None => format!("{host}{path}"),
    };
    match place.char_indices().nth(MAX_WHAT) {
        Some((end, _)) => format!("{}...", place.get(..end).unwrap_or_default()),
        None => place,
    }
}

/// What there is to say of it besides.
fn remark(event: &Event<'_>) -> String {
    let reused = event.reused.unwrap_or_default().then_some("reused");
    let is_refusal = event.is(Kind::Refused);
    let untold = event.count.filter(|_| is_refusal);
    let untold = untold.map(|count| format!("{count} others before it have no line"));
    let parts = [event.error.as_deref(), reused, untold.as_deref()];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}
