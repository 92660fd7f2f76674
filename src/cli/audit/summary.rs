//! What events come to: figures by provider, and their requests by the hour.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::super::amounts;
use super::super::app::App;
use super::super::output;
use super::super::output::Paint;
use super::super::output::Table;
use crate::audit::Figures;
use crate::audit::figures::Figure;
use crate::clock;
use crate::environment::Environment;

/// Hours that are drawn, at the most: the last ones.
const MAX_HOURS: usize = 48;

/// Bars from the lowest to the highest, where the terminal shows more than ASCII.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The same in ASCII.
const LETTERS: [char; 8] = ['.', ':', '-', '=', '+', '*', '%', '#'];

/// Version 1 of the shape.
#[derive(Serialize)]
struct Answer<'a> {
    /// Version of this shape.
    version: u8,
    /// The figures.
    providers: Vec<Row<'a>>,
}

/// One provider's.
#[derive(Serialize)]
struct Row<'a> {
    /// Its name; `-` for requests that met no route.
    provider: &'a str,
    /// Requests.
    requests: u64,
    /// Those without a good answer.
    errors: u64,
    /// Those that the proxy refused.
    refused: u64,
    /// Bytes up.
    sent: u64,
    /// Bytes down.
    received: u64,
    /// Half of them took no longer, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    p50_ms: Option<u64>,
    /// 95 of a hundred took no longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    p95_ms: Option<u64>,
    /// Requests by hour.
    hours: &'a BTreeMap<String, u64>,
}

impl<'a> Row<'a> {
    /// Of this provider.
    fn of((provider, figure): (&'a str, &'a Figure)) -> Self {
        Self {
            provider,
            requests: figure.requests,
            errors: figure.errors,
            refused: figure.refused,
            sent: figure.sent,
            received: figure.received,
            p50_ms: figure.percentile(50),
            p95_ms: figure.percentile(95),
            hours: &figure.hours,
        }
    }
}

/// Shows them.
pub(super) fn show(app: &App, figures: &Figures) {
    if app.verbosity.json {
        return output::json(&Answer {
            version: 1,
            providers: figures.iter().map(Row::of).collect(),
        });
    }
    let bars = if is_utf8(&app.parent) {
        BLOCKS
    } else {
        LETTERS
    };
    let text = match figures.iter().next() {
        None => "no requests\n".to_owned(),
        Some(_) => format!(
            "{}{}",
            filled(figures).to_text(Paint::of(&app.parent)),
            chart(figures, bars)
        ),
    };
    output::text(&text);
}

/// The table alone.
pub(in super::super) fn table(figures: &Figures) -> String {
    match figures.iter().next() {
        None => "authsome: no requests".to_owned(),
        Some(_) => filled(figures).to_text(Paint::off()),
    }
}

/// The table.
fn filled(figures: &Figures) -> Table {
    let mut table = Table::new(&[
        "PROVIDER", "REQUESTS", "ERRORS", "REFUSED", "UP", "DOWN", "P50", "P95",
    ]);
    for (provider, figure) in figures.iter() {
        let time = |percent| {
            let found = figure.percentile(percent);
            found.map_or_else(|| "-".to_owned(), amounts::time)
        };
        table.row([
            provider.to_owned(),
            figure.requests.to_string(),
            figure.errors.to_string(),
            figure.refused.to_string(),
            amounts::bytes(figure.sent),
            amounts::bytes(figure.received),
            time(50),
            time(95),
        ]);
    }
    table
}

/// Requests by the hour, a letter each; nothing where there were none.
fn chart(figures: &Figures, bars: [char; 8]) -> String {
    let all = || figures.iter().flat_map(|(_, figure)| figure.hours.keys());
    let (Some(first), Some(last)) = (all().min(), all().max()) else {
        return String::new();
    };
    let hours = hours_to(first, last);
    let count = |figure: &Figure, hour: &String| figure.hours.get(hour).copied().unwrap_or(0);
    let most = figures
        .iter()
        .flat_map(|(_, figure)| hours.iter().map(move |hour| count(figure, hour)))
        .max()
        .unwrap_or(0)
        .max(1);
    let width = figures.iter().map(|(name, _)| name.chars().count()).max();
    let width = width.unwrap_or(0);
    let shown = |hour: Option<&String>| hour.map(|hour| hour.replace('T', " ")).unwrap_or_default();
    let mut text = format!(
        "\nrequests by the hour, {}h to {}h UTC; {} is {most}\n",
        shown(hours.first()),
        shown(hours.last()),
        bars.last().copied().unwrap_or_default(),
    );
    for (name, figure) in figures.iter().filter(|(_, figure)| figure.requests > 0) {
        let line: String = hours
            .iter()
            .map(|hour| bar(count(figure, hour), most, bars))
            .collect();
        text.push_str(&format!("{name:<width$} |{line}|\n"));
    }
    text
}

/// The bar of so many.
fn bar(count: u64, most: u64, bars: [char; 8]) -> char {
    let height = count.saturating_mul(bars.len() as u64).div_ceil(most);
    let index = height.checked_sub(1).map(usize::try_from);
    let bar = index.and_then(|index| bars.get(index.ok()?));
    bar.copied().unwrap_or(' ')
}

/// The hours from one to another, the last ones where they are many.
fn hours_to(first: &str, last: &str) -> Vec<String> {
    let Some(end) = clock::parse_rfc3339(&format!("{last}:00:00Z")) else {
        return Vec::new();
    };
    let mut hours = Vec::new();
    let mut ago = Duration::ZERO;
    while let Some(time) = end.checked_sub(ago) {
        let text = clock::rfc3339_millis(time);
        let hour = text.get(..last.len()).unwrap_or_default();
        if hour < first || hours.len() >= MAX_HOURS {
            break;
        }
        hours.push(hour.to_owned());
        ago += Duration::from_secs(3600);
    }
    hours.reverse();
    hours
}

/// Whether the locale says that text is UTF-8 (POSIX, XBD 8.2: the first of these that is set counts).
fn is_utf8(parent: &Environment) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| parent.text(name))
        .unwrap_or_default()
        .to_ascii_lowercase();
    locale.ends_with("utf-8") || locale.ends_with("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_reach_from_the_lowest_for_one_to_the_highest_for_the_most() {
        let line: String = [0, 1, 2, 50, 99, 100]
            .map(|count| bar(count, 100, LETTERS))
            .iter()
            .collect();
        assert_eq!(line, " ..=##");
        assert_eq!(bar(1, 1, BLOCKS), '█');
    }

    #[test]
    fn hours_are_all_those_between_and_not_too_many() {
        let hours = hours_to("2026-11-24T22", "2026-11-25T01");
        let expected = [
            "2026-11-24T22",
            "2026-11-24T23",
            "2026-11-25T00",
            "2026-11-25T01",
        ];
        assert_eq!(hours, expected);
        assert_eq!(hours_to("2020-01-01T00", "2026-11-25T01").len(), MAX_HOURS);
        assert!(hours_to("x", "damaged").is_empty());
    }
}
