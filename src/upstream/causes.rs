//! Why TLS with some origins fails, remembered for a while. Finding out takes another connection to the origin and another set of
//! roots, and programs repeat requests that fail.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use super::Error;
use crate::url::Authority;

/// How long a cause counts. The owner of an origin that has mended it waits no longer for another answer.
const COUNTS: Duration = Duration::from_secs(60);

/// Causes that are remembered, at the most.
const MAX: usize = 64;

/// A cause, if one was found; empty while somebody looks for it.
type Cause = Arc<OnceLock<Option<Error>>>;

/// The causes of the last failures.
#[derive(Default)]
pub(super) struct Causes {
    /// The origins in the order of their failures, with the time of that.
    known: Mutex<VecDeque<(Authority, Instant, Cause)>>,
}

impl Causes {
    /// Returns why TLS with the authority fails. Has one of all callers `find` it out, and the others wait for that.
    pub(super) fn of(
        &self,
        authority: &Authority,
        now: Instant,
        find: impl FnOnce() -> Option<Error>,
    ) -> Option<Error> {
        self.place(authority, now).get_or_init(find).clone()
    }

    /// Returns where the cause for the authority stands, or is to.
    fn place(&self, authority: &Authority, now: Instant) -> Cause {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(_, since, _)| now.saturating_duration_since(*since) < COUNTS);
        if let Some((_, _, cause)) = known.iter().find(|(other, _, _)| other == authority) {
            return Arc::clone(cause);
        }
        if known.len() >= MAX {
            known.pop_front();
        }
        let cause = Cause::default();
        known.push_back((authority.clone(), now, Arc::clone(&cause)));
        cause
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::upstream::Kind;

    /// Returns the authority of a host with this number.
    fn authority(number: usize) -> Authority {
        Authority::parse(format!("h{number}.test:443").as_bytes(), None).unwrap()
    }

    #[test]
    fn a_cause_is_looked_for_once_a_minute_for_each_origin() {
        let causes = Causes::default();
        let begun = Instant::now();
        let looks = Cell::new(0);
        let at = |number: usize, seconds: u64| {
            let now = begun + Duration::from_secs(seconds);
            let found = causes.of(&authority(number), now, || {
                looks.set(looks.get() + 1);
                (number > 0).then(|| Error::new(Kind::Certificate, format!("bad {number}")))
            });
            (found.map(|error| error.text), looks.get())
        };
        assert_eq!(at(0, 0), (None, 1));
        assert_eq!(at(1, 1), (Some("bad 1".to_owned()), 2));
        assert_eq!(at(0, 59), (None, 2));
        assert_eq!(at(1, 60), (Some("bad 1".to_owned()), 2));
        assert_eq!(at(0, 60), (None, 3));
        assert_eq!(at(1, 61), (Some("bad 1".to_owned()), 4));
    }

    #[test]
    fn only_the_last_causes_are_remembered() {
        let causes = Causes::default();
        let now = Instant::now();
        for number in 0..=MAX {
            causes.of(&authority(number), now, || None);
        }
        causes.of(&authority(MAX), now, || panic!("forgotten"));
        assert_eq!(causes.known.lock().unwrap().len(), MAX);
        let is_forgotten = Cell::new(false);
        causes.of(&authority(0), now, || {
            is_forgotten.set(true);
            None
        });
        assert!(is_forgotten.get());
    }
}
