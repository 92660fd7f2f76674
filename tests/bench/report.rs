//! The figures: rows of one value a contender and round, shown as a table and written as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::io::Write as _;
use std::num::NonZero;
use std::path::Path;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use super::Outcome;
use super::Trying;
use super::stage::Stage;

/// The contender that all others are compared with.
pub(crate) const DIRECT: &str = "direct";

/// Beyond this, the rounds of a figure differ so much that the table says so: a quarter of the median between the middle half's ends.
const NOISY: f64 = 0.25;

/// What a figure counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Time, in millionths of a second.
    Micros,
    /// Time, in thousandths.
    Millis,
    /// Requests a second.
    Requests,
    /// 10^6 bytes a second.
    Megabytes,
    /// CPU time for one request, in millionths of a second.
    CpuMicros,
    /// CPU time for 10^9 bytes, in seconds.
    CpuSeconds,
    /// Memory, in 2^20 bytes.
    Mebibytes,
    /// Memory, in 2^10 bytes.
    Kibibytes,
}

impl Unit {
    /// Its name.
    fn text(self) -> &'static str {
        match self {
            Self::Micros => "us",
            Self::Millis => "ms",
            Self::Requests => "req/s",
            Self::Megabytes => "MB/s",
            Self::CpuMicros => "CPU us/req",
            Self::CpuSeconds => "CPU s/GB",
            Self::Mebibytes => "MiB",
            Self::Kibibytes => "KiB",
        }
    }

    /// Whether less of it is better.
    fn less_is_better(self) -> bool {
        !matches!(self, Self::Requests | Self::Megabytes)
    }

    /// Whether what a contender adds to *direct* says something.
    fn adds(self) -> bool {
        matches!(self, Self::Micros | Self::Millis)
    }
}

/// One figure.
struct Row {
    /// What it is.
    name: String,
    /// What it counts.
    unit: Unit,
    /// Each contender's value in each round.
    values: BTreeMap<String, Vec<f64>>,
}

impl Row {
    /// The median of a contender's rounds.
    fn median(&self, contender: &str) -> Option<f64> {
        self.values.get(contender).map(|values| median(values))
    }

    /// A contender's multiple of *direct*: the median of the rounds' own.
    fn ratio(&self, contender: &str) -> Option<f64> {
        self.compared(contender, |own, direct| own / direct)
    }

    /// What a contender adds to *direct*, where that says something: the median of the rounds' own.
    fn added(&self, contender: &str) -> Option<f64> {
        if !self.unit.adds() {
            return None;
        }
        self.compared(contender, |own, direct| own - direct)
    }

    /// A contender beside *direct*, round by round.
    fn compared(&self, contender: &str, compare: fn(f64, f64) -> f64) -> Option<f64> {
        if contender == DIRECT {
            return None;
        }
        let (own, direct) = (self.values.get(contender)?, self.values.get(DIRECT)?);
        let pairs = own.iter().zip(direct);
        let compared: Vec<f64> = pairs.map(|(own, direct)| compare(*own, *direct)).collect();
        Some(median(&compared))
    }

    /// Whether a contender's rounds differ too much to be trusted.
    fn is_noisy(&self, contender: &str) -> bool {
        self.values.get(contender).is_some_and(|values| {
            let spread = quantile(values, 0.75) - quantile(values, 0.25);
            spread > NOISY * median(values)
        })
    }

    /// What the table says of a contender.
    fn cell(&self, contender: &str) -> String {
        let Some(median) = self.median(contender) else {
            return String::new();
        };
        let mark = if self.is_noisy(contender) { "~" } else { " " };
        let mut cell = format!("{:>9}{mark}", digits(median));
        if let Some(ratio) = self.ratio(contender) {
            // Writing to a text can't fail.
            let _ = write!(cell, " x{ratio:<6.2}");
        }
        if let Some(added) = self.added(contender) {
            let sign = if added < 0.0 { "" } else { "+" };
            let _ = write!(cell, " {sign}{}", digits(added));
        }
        cell
    }

    /// What the file says of it.
    fn json(&self) -> Value {
        let contenders = self.values.iter().map(|(name, values)| {
            let figures = json!({
                "median": self.median(name),
                "ratio": self.ratio(name),
                "added": self.added(name),
                "noisy": self.is_noisy(name),
                "rounds": values,
            });
            (name.clone(), figures)
        });
        json!({
            "name": self.name,
            "unit": self.unit.text(),
            "less_is_better": self.unit.less_is_better(),
            "contenders": contenders.collect::<serde_json::Map<_, _>>(),
        })
    }
}

/// Stands for a row of a table.
#[derive(Clone, Copy)]
pub(crate) struct RowId(usize);

/// The figures of a theme.
pub(crate) struct Table {
    /// What `--only` calls it.
    name: &'static str,
    /// What it is about.
    title: &'static str,
    /// The figures.
    rows: Vec<Row>,
    /// What has to be known beside them.
    notes: Vec<String>,
    /// When it was begun.
    begun: Instant,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(name: &'static str, title: &'static str) -> Self {
        Self {
            name,
            title,
            rows: Vec::new(),
            notes: Vec::new(),
            begun: Instant::now(),
        }
    }

    /// A new row. Rows are shown in the order in which they came.
    pub(crate) fn row(&mut self, name: impl Into<String>, unit: Unit) -> RowId {
        self.rows.push(Row {
            name: name.into(),
            unit,
            values: BTreeMap::new(),
        });
        RowId(self.rows.len() - 1)
    }

    /// Adds a contender's value in this round.
    pub(crate) fn add(&mut self, row: RowId, contender: &str, value: f64) {
        if let Some(row) = self.rows.get_mut(row.0) {
            let values = row.values.entry(contender.to_owned()).or_default();
            values.push(value);
        }
    }

    /// Adds a time, in the row's unit.
    pub(crate) fn time(&mut self, row: RowId, contender: &str, time: Duration) {
        let is_millis = self
            .rows
            .get(row.0)
            .is_some_and(|row| row.unit == Unit::Millis);
        let factor = if is_millis { 1e3 } else { 1e6 };
        self.add(row, contender, time.as_secs_f64() * factor);
    }

    /// Adds what has to be known.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// As text, a column for each of these contenders; how many seconds it took.
    fn text(&self, contenders: &[String], took: u64) -> String {
        let mut text = format!("\n{} ({}, {took} s)\n", self.title, self.name);
        let mut line = format!("  {:<44}{:<11}", "", "");
        for name in contenders {
            let _ = write!(line, "{name:>9}{:<17}", "");
        }
        let _ = writeln!(text, "{}", line.trim_end());
        for row in &self.rows {
            let mut line = format!("  {:<44}{:<11}", row.name, row.unit.text());
            for name in contenders {
                let _ = write!(line, "{:<26}", row.cell(name));
            }
            let _ = writeln!(text, "{}", line.trim_end());
        }
        for note in &self.notes {
            let _ = writeln!(text, "  - {note}");
        }
        text
    }
}

/// All that was found.
pub(crate) struct Report {
    /// The contenders, in the order of the columns.
    contenders: Vec<String>,
    /// What was measured where and how.
    about: Value,
    /// The themes.
    themes: Vec<Value>,
}

impl Report {
    /// A report without figures; prints what leads the tables.
    pub(crate) fn new(stage: &Stage) -> Outcome<Self> {
        let contenders: Vec<String> = stage
            .contenders
            .iter()
            .map(|contender| contender.name.clone())
            .collect();
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or_default();
        let cpus = thread::available_parallelism().map_or(0, NonZero::get);
        let options = &stage.options;
        let about = json!({
            "rounds": options.rounds,
            "cpus": cpus,
            "load_before": load,
            "nginx": stage.nginx_version,
            "body_bytes": options.scale.body,
            "binaries": options.binaries.iter().cloned().collect::<BTreeMap<_, _>>(),
        });
        print(&format!(
            "{} rounds, {cpus} CPUs, load {load} before, {}\n\
             medians of the rounds; x: multiple of direct, +: more than direct, both medians of what each round shows;\n\
             ~: the middle half of the rounds differs by more than a quarter\n",
            options.rounds, stage.nginx_version
        ))?;
        Ok(Self {
            contenders,
            about,
            themes: Vec::new(),
        })
    }

    /// Adds a theme's figures and prints them.
    pub(crate) fn add(&mut self, table: &Table) -> Outcome<()> {
        let took = table.begun.elapsed().as_secs();
        print(&table.text(&self.contenders, took))?;
        let rows: Vec<Value> = table.rows.iter().map(Row::json).collect();
        self.themes.push(json!({
            "name": table.name,
            "title": table.title,
            "seconds": took,
            "rows": rows,
            "notes": table.notes,
        }));
        Ok(())
    }

    /// Writes everything to a file.
    pub(crate) fn write(self, path: &Path) -> Outcome<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).trying("a folder for the figures")?;
        }
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let all = json!({
            "version": 1,
            "about": self.about,
            "contenders": self.contenders,
            "themes": self.themes,
        });
        fs::write(&path, format!("{all:#}\n")).trying(&path.display().to_string())?;
        print(&format!("\n{}\n", path.display()))
    }
}

/// Prints.
pub(crate) fn print(text: &str) -> Outcome<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .trying("standard output")
}

/// Says something that is no figure.
pub(crate) fn say(text: &str) {
    // There is no other place to tell that this one is closed.
    let _ = writeln!(io::stderr(), "{text}");
}

/// The middle one.
pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// What this share of the values does not exceed; between two of them, in proportion.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = share * sorted.len().saturating_sub(1) as f64;
    let mut around = sorted.iter().skip(whole(at.floor()));
    let low = around.next().copied().unwrap_or(f64::NAN);
    let high = around.next().copied().unwrap_or(low);
    low + (high - low) * at.fract()
}

/// A number that counts, as such.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index into a list is whole and small"
)]
fn whole(number: f64) -> usize {
    number as usize
}

/// The median of times.
pub(crate) fn median_time(times: &[Duration]) -> Duration {
    let seconds: Vec<f64> = times.iter().map(Duration::as_secs_f64).collect();
    Duration::try_from_secs_f64(median(&seconds)).unwrap_or_default()
}

/// With as many digits as say something.
fn digits(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
