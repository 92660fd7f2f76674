//! How often tokens are replaced because an origin refuses them.

use std::collections::VecDeque;
use std::time::Duration;
use std::time::Instant;

/// The first pause behind a replacement.
const FIRST: Duration = Duration::from_secs(10);

/// The longest pause.
const LONGEST: Duration = Duration::from_secs(3600);

/// How many requests that got through are remembered, the latest.
const MAX_PROVEN: usize = 32;

/// The pauses between replacements. Some origins refuse every token, for want of a scope: each pause is twice as long as the one before,
/// until a request like the refused one gets through.
///
/// A request that got through before is not kept waiting by others: a program that asks over and over for what is refused could keep a
/// login from new tokens once they are needed.
#[derive(Default)]
pub(super) struct Pace {
    /// The last replacement.
    last: Option<Last>,
    /// Hashes of what requests asked for that got through, since one of these was refused.
    proven: VecDeque<u64>,
}

/// The last replacement.
struct Last {
    /// When it began.
    when: Instant,
    /// The pause after this replacement, before tokens are replaced again.
    pause: Duration,
    /// A hash of what the refused request asked for.
    place: u64,
    /// Whether such a request got through since.
    is_proven: bool,
}

impl Pace {
    /// Returns whether a token may be replaced now for a request that was refused, and counts it if so.
    pub(super) fn take_turn(&mut self, now: Instant, place: u64) -> bool {
        let is_proven = self.proven.contains(&place);
        let mut next = FIRST;
        if let Some(last) = &self.last {
            let mut pause = FIRST;
            if !is_proven && !last.is_proven {
                (pause, next) = (last.pause, LONGEST.min(last.pause * 2));
            }
            if now.saturating_duration_since(last.when) < pause {
                return false;
            }
        }
        if is_proven {
            // The token that all of these got through with is good no more.
            self.proven.clear();
        }
        self.last = Some(Last {
            when: now,
            pause: next,
            place,
            is_proven: false,
        });
        true
    }

    /// Notes that a request got through.
    pub(super) fn note_success(&mut self, place: u64) {
        if let Some(last) = &mut self.last {
            last.is_proven |= last.place == place;
        }
        if !self.proven.contains(&place) {
            if self.proven.len() >= MAX_PROVEN {
                self.proven.pop_front();
            }
            self.proven.push_back(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seconds at which tokens are replaced, where a request comes each second; whether it gets through with the token then is
    /// said by `is_good`.
    fn turns(seconds: u64, is_good: impl Fn(u64) -> bool) -> Vec<u64> {
        let (start, mut pace) = (Instant::now(), Pace::default());
        let mut turns = Vec::new();
        for second in 0..seconds {
            if is_good(second) {
                pace.note_success(7);
            } else if pace.take_turn(start + Duration::from_secs(second), 7) {
                turns.push(second);
            }
        }
        turns
    }

    #[test]
    fn each_pause_is_twice_as_long_as_the_one_before_up_to_an_hour() {
        let found = turns(20_000, |_| false);
        let expected = [
            0, 10, 30, 70, 150, 310, 630, 1270, 2550, 5110, 8710, 12_310, 15_910, 19_510,
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_token_that_works_where_one_was_refused_begins_anew() {
        // Tokens are good for two minutes each, whatever the server says.
        assert_eq!(
            turns(700, |second| second % 120 != 119),
            [119, 239, 359, 479, 599]
        );
        // Until 200 s none is.
        let found = turns(400, |second| (200..300).contains(&second));
        assert_eq!(found, [0, 10, 30, 70, 150, 300, 310, 330, 370]);
    }

    #[test]
    fn what_works_elsewhere_says_nothing() {
        let (now, mut pace) = (Instant::now(), Pace::default());
        assert!(pace.take_turn(now, 1));
        assert!(pace.take_turn(now + FIRST, 1));
        pace.note_success(2);
        assert!(!pace.take_turn(now + FIRST * 2, 1));
        assert!(pace.take_turn(now + FIRST * 3, 2));
    }

    #[test]
    fn what_is_always_refused_keeps_no_other_waiting() {
        let (bad, good) = (1, 2);
        let (mut now, mut pace) = (Instant::now(), Pace::default());
        for _ in 0..10 {
            assert!(pace.take_turn(now, bad));
            now += LONGEST;
        }
        pace.note_success(good);
        assert!(pace.take_turn(now, bad));
        // The token ends.
        assert!(!pace.take_turn(now + FIRST / 2, good));
        now += FIRST;
        assert!(!pace.take_turn(now, bad));
        assert!(pace.take_turn(now, good));
        // Refused again, it is like any other.
        assert!(!pace.take_turn(now + FIRST / 2, good));
        assert!(pace.take_turn(now + FIRST, good));
        assert!(!pace.take_turn(now + FIRST * 2, good));
    }

    #[test]
    fn only_so_many_places_are_remembered() {
        let mut pace = Pace::default();
        (0..1000).for_each(|place| pace.note_success(place));
        assert_eq!(pace.proven.len(), MAX_PROVEN);
    }
}
