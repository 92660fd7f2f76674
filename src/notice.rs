//! What the lower layers have to say to the person, on its way to the one layer that prints.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::panic::Location;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

/// Warnings of a kind that are shown without a pause, at the most. A program can cause any number, with names in them of its choice.
const BUDGET: u32 = 20;

/// How long it takes until a kind may show one more. A service that runs for months goes on warning, but slowly.
const REFILL: Duration = Duration::from_secs(60 * 60);

/// Texts that are remembered, so that each is shown once; behind this many, the oldest is forgotten.
const REMEMBERED: usize = 1024;

/// What is said in the place of the first warning that is not shown.
const SUPPRESSED: &str = "there are many more warnings like the last ones: of this kind, at most one an hour is shown from now on";

/// One thing worth a line on stderr.
#[derive(Debug)]
pub(crate) enum Notice {
    /// Something is not as the person would expect; shown unless `--quiet`.
    Warning(String),
    /// Something that was done besides, and that the person should know of; shown unless `--quiet` or `--json`.
    Told(String),
    /// A client has come so far with the host that it wants, by name; shown by who asks for it.
    Step(Step, String),
}

/// How far a client has come with a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It has asked the proxy for it, by a CONNECT or for an https URL.
    Asked,
    /// It has asked the proxy for an http URL there.
    AskedInTheClear,
    /// It has sent a request over TLS that ends here, so it trusts our root. That TLS was set up is not enough: some check the
    /// certificate afterwards.
    Trusted,
}

/// What one kind of warning may still show.
struct Budget {
    /// Warnings that may be shown now.
    left: u32,
    /// From when on the time counts towards the next one.
    since: Instant,
    /// Whether it was said that some are not shown, since the budget was last whole.
    has_said: bool,
}

impl Budget {
    /// Takes one warning out; returns what is to be shown: it, a line that says that it isn't, or nothing.
    fn take(&mut self, text: String, now: Instant) -> Option<String> {
        while self.left < BUDGET && now.saturating_duration_since(self.since) >= REFILL {
            self.left += 1;
            self.since += REFILL;
        }
        if self.left == BUDGET {
            self.since = now;
            self.has_said = false;
        }
        if self.left > 0 {
            self.left -= 1;
            return Some(text);
        }
        let is_news = !std::mem::replace(&mut self.has_said, true);
        is_news.then(|| SUPPRESSED.to_owned())
    }
}

/// The warnings so far.
#[derive(Default)]
struct Given {
    /// Texts that were shown, the oldest first.
    texts: VecDeque<String>,
    /// What each place in the code that warns may still show.
    budgets: HashMap<&'static Location<'static>, Budget>,
}

/// Where notices go. Shared by all threads.
pub(crate) struct Notices {
    /// Prints one notice.
    sink: Box<dyn Fn(&Notice) + Send + Sync>,
    /// The warnings so far.
    given: Mutex<Given>,
}

impl Notices {
    /// Notices that go to `sink`.
    pub(crate) fn new(sink: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        Self {
            sink: Box::new(sink),
            given: Mutex::default(),
        }
    }

    /// Warns, once for each text.
    ///
    /// Each place in the code that calls this is a kind of its own. A kind shows 20 warnings, and one more for each hour; so a program
    /// that floods one kind hides no other. The first that isn't shown is replaced by a line that says so.
    #[track_caller]
    pub(crate) fn warn(&self, text: impl Into<String>) {
        self.warn_at(text.into(), Location::caller(), Instant::now());
    }

    /// Warns of this kind at this time.
    fn warn_at(&self, text: String, kind: &'static Location<'static>, now: Instant) {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if given.texts.contains(&text) {
            return;
        }
        let budget = given.budgets.entry(kind).or_insert(Budget {
            left: BUDGET,
            since: now,
            has_said: false,
        });
        let Some(shown) = budget.take(text.clone(), now) else {
            return;
        };
        if shown == text {
            if given.texts.len() >= REMEMBERED {
                given.texts.pop_front();
            }
            given.texts.push_back(text);
        }
        drop(given);
        (self.sink)(&Notice::Warning(shown));
    }

    /// Tells of something that was done besides.
    pub(crate) fn tell(&self, text: String) {
        (self.sink)(&Notice::Told(text));
    }

    /// Tells how far a client has come with a host.
    pub(crate) fn step(&self, step: Step, host: &str) {
        (self.sink)(&Notice::Step(step, host.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Notices, and what was shown of them.
    fn noted() -> (Notices, Arc<Mutex<Vec<String>>>) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let notices = Notices::new(move |notice| {
            if let Notice::Warning(text) = notice {
                log.lock().unwrap().push(text.clone());
            }
        });
        (notices, seen)
    }

    #[test]
    fn a_warning_is_given_once() {
        let (notices, seen) = noted();
        for text in ["a", "b", "a"] {
            notices.warn(text);
        }
        assert_eq!(*seen.lock().unwrap(), ["a", "b"]);
    }

    #[test]
    fn very_many_warnings_of_a_kind_end_with_a_line_that_says_so_and_hide_no_other_kind() {
        let (notices, seen) = noted();
        for number in 0..2000 {
            notices.warn(format!("flood {number}"));
        }
        notices.warn("something else");
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 22);
        assert_eq!(seen[19], "flood 19");
        assert_eq!(seen[20..], [SUPPRESSED, "something else"]);
    }

    #[test]
    fn a_budget_comes_back_slowly_and_what_was_shown_is_remembered_for_long() {
        let (notices, seen) = noted();
        let (kind, start) = (Location::caller(), Instant::now());
        let count = || seen.lock().unwrap().len();
        let warn = |name: &str, hours: u32, number: u32| {
            notices.warn_at(format!("{name} {number}"), kind, start + hours * REFILL);
        };
        for number in 0..100 {
            warn("first", 0, number);
        }
        assert_eq!(count(), 21);
        for number in 0..100 {
            warn("later", 3, number);
        }
        assert_eq!(count(), 24, "one for each hour, and nothing is said again");
        for number in 0..100 {
            warn("rested", 1000, number);
        }
        assert_eq!(count(), 45, "all of it, and the line again");
        for hours in 0..5000 {
            warn("slow", 2000 + hours, hours);
        }
        let given = notices.given.lock().unwrap();
        assert_eq!((given.texts.len(), given.budgets.len()), (REMEMBERED, 1));
    }
}
