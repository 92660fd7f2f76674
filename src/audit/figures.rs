//! What events come to in numbers, by provider.

use std::collections::BTreeMap;

use super::event::Event;
use super::event::Kind;

/// What requests are counted under that met no route.
const NOBODY: &str = "-";

/// Times up to this many milliseconds are counted one by one.
const EXACT: u64 = 64;

/// The exponent of that number.
const EXACT_BITS: u32 = 6;

/// Longer ones are counted in so many steps for each doubling: a step is at the most 3 % wide.
const STEPS: u64 = 32;

/// The exponent of that number.
const STEP_BITS: u32 = 5;

/// The letters of a time that name its hour.
const HOUR: usize = "2026-11-25T11".len();

/// The figures of all providers, as many as there are names in what was counted: a run's own connections, or a log's.
#[derive(Default)]
pub(crate) struct Figures(BTreeMap<String, Figure>);

/// Those of one.
#[derive(Default)]
pub(crate) struct Figure {
    /// Requests that went to an origin, or were to.
    pub(crate) requests: u64,
    /// Those that had no answer, a cut one, or one with a status of 400 and above.
    pub(crate) errors: u64,
    /// Requests that the proxy refused.
    pub(crate) refused: u64,
    /// Bytes of content to origins.
    pub(crate) sent: u64,
    /// Bytes of content from origins.
    pub(crate) received: u64,
    /// How long requests took.
    times: Times,
    /// Requests by hour, in the order of time.
    pub(crate) hours: BTreeMap<String, u64>,
}

impl Figures {
    /// Counts an event.
    pub(crate) fn add(&mut self, event: &Event<'_>) {
        let is_request = event.is_request();
        if !is_request && !event.is(Kind::Refused) {
            return;
        }
        let name = event.provider.as_deref().unwrap_or(NOBODY);
        if !self.0.contains_key(name) {
            self.0.insert(name.to_owned(), Figure::default());
        }
        let Some(figure) = self.0.get_mut(name) else {
            return;
        };
        if !is_request {
            figure.refused += 1;
            return;
        }
        figure.requests += 1;
        figure.errors += u64::from(event.is_error());
        let add = |sum: &mut u64, count: Option<u64>| *sum = sum.saturating_add(count.unwrap_or(0));
        add(&mut figure.sent, event.sent);
        add(&mut figure.received, event.received);
        if let Some(ms) = event.ms {
            figure.times.add(ms);
        }
        let hour = event.time.get(..HOUR).unwrap_or_default();
        match figure.hours.get_mut(hour) {
            Some(count) => *count += 1,
            None => {
                figure.hours.insert(hour.to_owned(), 1);
            }
        }
    }

    /// Each provider's, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Figure)> {
        self.0.iter().map(|(name, figure)| (name.as_str(), figure))
    }
}

impl Figure {
    /// The time within which so many of a hundred requests were done, in milliseconds.
    pub(crate) fn percentile(&self, percent: u64) -> Option<u64> {
        self.times.percentile(percent)
    }
}

/// How often each time was met.
#[derive(Default)]
struct Times {
    /// How many there are.
    count: u64,
    /// By step.
    steps: Vec<u64>,
}

impl Times {
    /// Counts one.
    fn add(&mut self, ms: u64) {
        let step = step(ms);
        if self.steps.len() <= step {
            self.steps.resize(step + 1, 0);
        }
        if let Some(count) = self.steps.get_mut(step) {
            *count += 1;
            self.count += 1;
        }
    }

    /// The shortest time that so many of a hundred do not exceed.
    fn percentile(&self, percent: u64) -> Option<u64> {
        let rank = self.count.saturating_mul(percent).div_ceil(100).max(1);
        let mut seen = 0;
        let step = self.steps.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(shortest(step as u64))
    }
}

/// The step that a time belongs to.
fn step(ms: u64) -> usize {
    let step = match ms.checked_ilog2() {
        None => 0,
        Some(bits) if bits < EXACT_BITS => ms,
        Some(bits) => {
            let within = (ms >> (bits - STEP_BITS)) % STEPS;
            EXACT + u64::from(bits - EXACT_BITS) * STEPS + within
        }
    };
    usize::try_from(step).unwrap_or(usize::MAX)
}

/// The shortest time of a step.
fn shortest(step: u64) -> u64 {
    let Some(over) = step.checked_sub(EXACT) else {
        return step;
    };
    let (doublings, within) = (over / STEPS, over % STEPS);
    (STEPS + within) << (doublings + u64::from(EXACT_BITS - STEP_BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_holds_times_that_differ_by_three_percent_at_the_most() {
        for ms in (0..2000).chain([4095, 4096, 65_537, 86_400_000, u64::from(u32::MAX)]) {
            let found = shortest(step(ms) as u64);
            assert!(found <= ms, "{ms}: {found}");
            assert!((ms - found) * 100 <= ms * 32 / 10, "{ms}: {found}");
            assert!(ms > EXACT || found == ms, "{ms}: {found}");
        }
        assert!(step(u64::MAX) < 2000);
    }

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        let mut times = Times::default();
        assert_eq!(times.percentile(50), None);
        for ms in 1..=20 {
            times.add(ms);
        }
        assert_eq!(times.percentile(50), Some(10));
        assert_eq!(times.percentile(95), Some(19));
        assert_eq!(times.percentile(100), Some(20));
        assert_eq!(times.percentile(0), Some(1));
    }

    #[test]
    fn requests_and_refusals_are_told_apart() {
        let mut figures = Figures::default();
        let request = |status, error: Option<&'static str>| Event {
            time: "2026-11-25T11:30:00.000Z".into(),
            status,
            error: error.map(Into::into),
            sent: Some(1),
            received: Some(10),
            ms: Some(5),
            ..Event::about(Kind::Request, "acme", None)
        };
        figures.add(&request(Some(200), None));
        figures.add(&request(Some(404), None));
        figures.add(&request(Some(200), Some("the answer was cut short")));
        figures.add(&Event::of(Kind::Refused));
        figures.add(&Event::about(Kind::Refresh, "acme", None));
        let all: Vec<_> = figures.iter().collect();
        let [("-", nobody), ("acme", acme)] = all.as_slice() else {
            panic!("not these two");
        };
        assert_eq!((nobody.requests, nobody.refused), (0, 1));
        assert_eq!((acme.requests, acme.errors, acme.refused), (3, 2, 0));
        assert_eq!((acme.sent, acme.received), (3, 30));
        assert_eq!(acme.hours.get("2026-11-25T11"), Some(&3));
    }
}
