//! How long an origin keeps idle sockets open, as announced or observed.
//!
//! A request that can't be sent twice must not meet the end of the connection that it is sent on. Alone a program would have made a
//! connection for it, or have used one of its own. So it goes on a kept one only if the origin was seen to keep another open for longer
//! than this one has been idle, and for as long more as the request may be on its way.
//!
//! ```text
//! idle for ──▶ 0 ········ this connection ··· SLACK + a round trip ··· another, seen open        found closed
//!                         │◀──────── time for the request to arrive ──────▶│ ◀── the end is here ──▶ │
//! ```
//! The observed sockets are the idle ones: while requests follow each other closely, one socket serves them, and sockets that
//! were opened earlier stay idle beside it.

use std::time::Duration;

/// What is allowed for beside a round trip: the origin may be slow to read, and see its own time first.
const SLACK: Duration = Duration::from_millis(200);

/// How long the observation of an open socket counts.
const OPEN_COUNTS: Duration = Duration::from_secs(600);

/// How long the observation of a closed socket counts: a restart of the server, which closes all sockets, is no habit.
const CLOSED_COUNTS: Duration = Duration::from_secs(120);

/// How long a client may leave a connection idle and still have it back for a request that can't be sent twice where nothing is known of
/// the origin: it would have done the same alone, and few origins wait less than a second.
const BRIEF: Duration = Duration::from_secs(1);

/// Observations of one origin. All `now` arguments come from the same clock.
#[derive(Default)]
pub(super) struct Habit {
    /// The longest time for which a connection was idle and open.
    open: Option<Open>,
    /// The shortest after which one was closed.
    closed: Option<Closed>,
}

/// A connection that was open.
#[derive(Clone, Copy)]
struct Open {
    /// It had been idle for so long.
    idle: Duration,
    /// When that was seen.
    when: Duration,
}

/// A connection that was closed.
#[derive(Clone, Copy)]
struct Closed {
    /// It had been idle for so long when that was seen.
    idle: Duration,
    /// It had been idle for so long when it was last seen open.
    seen: Duration,
    /// When that was seen.
    when: Duration,
}

impl Closed {
    /// Returns whether the same end may be near for a connection that its own client wants back.
    ///
    /// One that has been idle for longer has outlived it. And what ends within [`SLACK`] has hardly been idle: it was its last request, of
    /// so many, or the origin was started anew, and the next connection is as good as the first.
    fn threatens(&self, connection: Idle) -> bool {
        let arrives = connection.distance + SLACK;
        let window = connection.idle.max(arrives)..=connection.idle + arrives;
        window.contains(&self.idle)
    }
}

/// An idle connection, as far as it counts for its use.
#[derive(Clone, Copy)]
pub(super) struct Idle {
    /// Time that the socket has been idle.
    pub(super) idle: Duration,
    /// How long a round trip takes, at the most.
    pub(super) distance: Duration,
    /// For how long the origin has said that it keeps it.
    pub(super) announced: Option<Duration>,
    /// Whether the client that wants the socket used it last.
    pub(super) is_own: bool,
}

impl Habit {
    /// Notes that a connection was open although it had been idle for so long.
    pub(super) fn note_open(&mut self, idle: Duration, now: Duration) {
        if self.open(now).is_none_or(|open| idle >= open.idle) {
            self.open = Some(Open { idle, when: now });
        }
    }

    /// Notes that a connection was closed when it had been idle for so long, and was last `seen` open at that age.
    pub(super) fn note_closed(&mut self, idle: Duration, seen: Duration, now: Duration) {
        if self.closed(now).is_none_or(|closed| idle <= closed.idle) {
            self.closed = Some(Closed {
                idle,
                seen,
                when: now,
            });
        }
    }

    /// Returns whether a request that can't be sent twice may go on the connection.
    pub(super) fn permits(&self, connection: Idle, now: Duration) -> bool {
        let needed = connection.idle + connection.distance + SLACK;
        let closed = self.closed(now);
        let is_kept = |time: Duration| closed.is_none_or(|closed| closed.idle > time);
        let announced = connection.announced.filter(|time| is_kept(*time));
        // Without authsome, the program would take the same risk with its own socket; but not once such a close has been observed.
        let is_like_alone = connection.is_own
            && connection.idle <= BRIEF
            && !closed.is_some_and(|closed| closed.threatens(connection));
        is_like_alone || needed <= self.shown(now).max(announced.unwrap_or_default())
    }

    /// Returns whether it would be news that a connection is open which has been idle for so long.
    pub(super) fn is_news(&self, idle: Duration, now: Duration) -> bool {
        self.open(now).is_none_or(|open| idle > open.idle)
    }

    /// Returns for how long the origin has shown that it keeps idle connections. One that was closed earlier than another was seen open
    /// counts for all, and up to when it was seen open itself: behind one name may be servers that differ.
    fn shown(&self, now: Duration) -> Duration {
        let open = self.open(now).map_or(Duration::ZERO, |open| open.idle);
        match self.closed(now) {
            Some(closed) if closed.idle <= open => closed.seen,
            _ => open,
        }
    }

    /// Returns the observation of an open socket, while it counts.
    fn open(&self, now: Duration) -> Option<Open> {
        let counts = |open: &Open| now.saturating_sub(open.when) < OPEN_COUNTS;
        self.open.filter(counts)
    }

    /// Returns the observation of a closed socket, while it counts.
    fn closed(&self, now: Duration) -> Option<Closed> {
        let counts = |closed: &Closed| now.saturating_sub(closed.when) < CLOSED_COUNTS;
        self.closed.filter(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A time when nothing was seen yet.
    const START: Duration = Duration::from_secs(1000);

    /// Milliseconds.
    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// A connection from 50 ms away of which the origin has said nothing, and that another client has used.
    fn idle(count: u64) -> Idle {
        Idle {
            idle: ms(count),
            distance: ms(50),
            announced: None,
            is_own: false,
        }
    }

    /// The longest time, of some, for which a connection like this may have been idle.
    fn longest(habit: &Habit, like: Idle, now: Duration) -> u64 {
        let times = (0..600).map(|step| step * 100);
        let borne = times.take_while(|time| {
            let idle = ms(*time);
            habit.permits(Idle { idle, ..like }, now)
        });
        borne.last().unwrap_or(0)
    }

    #[test]
    fn of_an_origin_that_was_never_seen_nothing_is_taken_for_granted() {
        let habit = Habit::default();
        assert!(!habit.permits(idle(0), START));
        assert!(habit.is_news(ms(0), START));
        // Its own connection a client has back at once, as it would alone.
        let own = Idle {
            is_own: true,
            ..idle(0)
        };
        assert!(habit.permits(own, START));
        assert_eq!(longest(&habit, own, START), 1000);
    }

    #[test]
    fn what_was_seen_open_shows_how_long_others_may_be_idle() {
        let mut habit = Habit::default();
        for (seen, borne) in [
            (200, 0),
            (400, 100),
            (300, 100),
            (10_000, 9700),
            (350, 9700),
        ] {
            habit.note_open(ms(seen), START);
            assert_eq!(longest(&habit, idle(0), START), borne, "{seen}");
        }
        assert!(habit.is_news(ms(10_001), START) && !habit.is_news(ms(9000), START));
        // The further away, the longer a request is on its way.
        let far = Idle {
            distance: ms(1000),
            ..idle(0)
        };
        assert_eq!(longest(&habit, far, START), 8800);
        // It was long ago.
        let later = START + OPEN_COUNTS;
        assert_eq!(longest(&habit, idle(0), later), 0);
    }

    #[test]
    fn what_the_origin_says_counts_until_it_is_seen_not_to_hold() {
        let mut habit = Habit::default();
        let said = Idle {
            announced: Some(ms(4000)),
            ..idle(0)
        };
        assert_eq!(longest(&habit, said, START), 3700);
        habit.note_closed(ms(6000), ms(0), START);
        assert_eq!(longest(&habit, said, START), 3700);
        habit.note_closed(ms(3000), ms(0), START);
        assert!(!habit.permits(said, START));
        assert!(habit.permits(said, START + CLOSED_COUNTS));
    }

    #[test]
    fn one_that_was_closed_early_counts_for_all() {
        let mut habit = Habit::default();
        habit.note_open(ms(30_000), START);
        // It says nothing new: it was idle for longer than any that was seen open.
        habit.note_closed(ms(40_000), ms(0), START);
        assert_eq!(longest(&habit, idle(0), START), 29_700);
        habit.note_closed(ms(5000), ms(2000), START);
        habit.note_closed(ms(6000), ms(3000), START);
        assert_eq!(longest(&habit, idle(0), START), 1700);
        // Not even to its own client is one given back that may be closed by then.
        let own = Idle {
            is_own: true,
            ..idle(0)
        };
        habit.note_closed(ms(600), ms(0), START);
        assert_eq!(longest(&habit, own, START), 300);
        // What is open still has outlived that.
        let longer = Idle {
            idle: ms(650),
            ..own
        };
        assert!(
            !habit.permits(
                Idle {
                    idle: ms(600),
                    ..own
                },
                START
            ) && habit.permits(longer, START)
        );
        assert_eq!(longest(&habit, idle(0), START + CLOSED_COUNTS), 29_700);
    }

    #[test]
    fn an_end_that_came_with_an_answer_takes_no_client_its_connection() {
        let mut habit = Habit::default();
        for idle in [0, 100] {
            habit.note_closed(ms(idle), ms(0), START);
            let own = Idle {
                is_own: true,
                ..self::idle(0)
            };
            assert_eq!(longest(&habit, own, START), 1000, "{idle}");
            // For another's it is no reason to trust it.
            assert!(!habit.permits(self::idle(0), START));
        }
    }

    /// Requests that can't be sent twice, one every so many milliseconds, to an origin that ends connections which were idle for so long:
    /// how many connections they take, and how many of them meet the end of one. As the pool has it, the one that was used last is asked
    /// for, and the oldest looked at. The end is seen half a round trip late, and the request arrives as much later.
    fn requests(count: usize, every: u64, origin_keeps: u64) -> (usize, usize) {
        let (mut habit, mut now) = (Habit::default(), START);
        // Since when each is idle, and the age at which it was seen open.
        let mut kept: Vec<(Duration, Duration)> = Vec::new();
        let (mut made, mut lost) = (0, 0);
        let (distance, keeps) = (ms(50), ms(origin_keeps));
        for _ in 0..count {
            let like = idle(0);
            loop {
                let last = kept.last().map(|(since, _)| now - *since);
                if last.is_some_and(|idle| habit.permits(Idle { idle, ..like }, now)) {
                    let idle = last.expect("one");
                    kept.pop();
                    if idle < keeps {
                        lost += usize::from(idle + distance >= keeps);
                        break;
                    }
                    habit.note_closed(idle, ms(0), now);
                    continue;
                }
                let oldest = kept.first().copied();
                let news = oldest.filter(|(since, _)| habit.is_news(now - *since, now));
                match news {
                    None => {
                        made += 1;
                        break;
                    }
                    Some((since, _)) if now - since < keeps => {
                        habit.note_open(now - since, now);
                        kept[0].1 = now - since;
                    }
                    Some((since, seen)) => {
                        habit.note_closed(now - since, seen, now);
                        kept.remove(0);
                    }
                }
            }
            kept.push((now, ms(0)));
            now += ms(every);
        }
        (made, lost)
    }

    #[test]
    fn requests_that_follow_each_other_closely_share_and_none_meets_the_end_of_a_connection() {
        for (every, keeps, made) in [
            (100, 60_000, 4),
            (300, 60_000, 2),
            (5000, 60_000, 2),
            (1000, 5000, 2),
            (20, 75_000, 14),
        ] {
            assert_eq!(requests(50, every, keeps), (made, 0), "{every} {keeps}");
        }
        for keeps in [50, 1000, 2000, 5000] {
            for every in [20, 40, 900, 1900, 1960, 2000, 4900, 4960] {
                assert_eq!(requests(50, every, keeps).1, 0, "{every} {keeps}");
            }
        }
    }
}
