//! Idle connections to origins, kept for the next request.
//!
//! A connection is kept under its authority *and* the login whose credential was sent on it: some servers tie who is asking to the
//! connection (NTLM does), so requests with different credentials, or with none, never share one. Where a client does that by itself, it
//! shares the connection with nobody.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use super::dial::SecureStream;
use super::habit;
use super::habit::Habit;
use crate::sys::uptime;
use crate::url::Authority;

/// Idle connections under one key, at the most: as many as requests were under way there at once, unless those were very many.
const MAX_EACH: usize = 128;

/// Idle connections in all, at the most.
pub(crate) const MAX_ALL: usize = 256;

/// Most origins whose idle time is remembered.
const MAX_HABITS: usize = 1024;

/// How long one is kept. Servers commonly wait 60 s or more; those that wait less close, which is seen before reuse.
const MAX_IDLE: Duration = Duration::from_secs(50);

/// How much earlier than the origin a connection is given up whose end it has announced, unless that is most of its time: a request may
/// be on its way that long.
const AHEAD: Duration = Duration::from_secs(1);

/// How often it is looked for connections that are kept for too long.
const LOOK: Duration = Duration::from_secs(1);

/// What a connection is kept under.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// The origin it was verified for.
    pub(crate) authority: Authority,
    /// Whose credential was sent on it: a number that stands for one login, and for no other later on.
    pub(crate) identity: Option<u64>,
    /// The number of the only client's connection that may use it: that client has authenticated it by a login of its own.
    pub(crate) client: Option<u64>,
}

/// Which connection a request can use.
#[derive(Clone, Copy)]
pub(crate) enum Need {
    /// Any: it may be sent again should the connection turn out to be dead.
    Any,
    /// One that the origin is not about to close.
    Sure {
        /// The number of the client's connection that the request came on.
        client: u64,
    },
}

/// A connection that was kept.
pub(crate) struct Taken {
    /// The connection. Whether the origin has ended it, or has sent anything, is to be looked at right before it is used.
    pub(crate) stream: SecureStream,
    /// How it was kept.
    pub(crate) rest: Rest,
}

/// How a connection was kept.
#[derive(Clone, Copy)]
pub(crate) struct Rest {
    /// For how long.
    idle: Duration,
    /// For how long when it was last seen open.
    seen: Duration,
    /// Whether it goes to the client that used it last.
    pub(crate) is_own: bool,
}

/// The idle connections.
pub(crate) struct Pool {
    /// The connections.
    idle: Mutex<Idle<SecureStream>>,
    /// How many in all, at the most.
    limit: usize,
}

impl Pool {
    /// A pool that holds so many.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            idle: Mutex::new(Idle::new(uptime::since_boot())),
            limit,
        }
    }

    /// Returns the connection that was used last of those that the request can use.
    pub(crate) fn take(&self, key: &Key, need: Need) -> Option<Taken> {
        loop {
            let now = uptime::since_boot();
            let mut idle = self.lock();
            if let Some(taken) = idle.pop(key, need, now) {
                return Some(taken.into_taken(need, now));
            }
            // No socket is certain yet: if the oldest is open, younger ones are usable.
            let mut oldest = idle.pop_oldest(key, now)?;
            // Release the lock for other threads.
            drop(idle);
            let is_open = oldest.stream.wire().is_idle();
            let mut idle = self.lock();
            if idle.put_back(key, oldest, is_open, now) {
                let taken = idle.pop(key, need, now)?;
                return Some(taken.into_taken(need, now));
            }
        }
    }

    /// Keeps a connection whose last response was read to its end. `announced` is how long the origin says it will wait, `client` the
    /// number of the client's connection that has used it.
    pub(crate) fn put(
        &self,
        key: Key,
        mut stream: SecureStream,
        announced: Option<Duration>,
        client: u64,
    ) {
        // What came behind the response belongs to nothing that was asked; what comes later is looked for before the next request.
        if *stream.authority() != key.authority || !stream.wire().is_at_rest() {
            return;
        }
        stream.wire().give_memory_back();
        let kept = Kept {
            since: uptime::since_boot(),
            seen: Duration::ZERO,
            announced: announced.map(|time| time - AHEAD.min(time / 2)),
            client,
            distance: stream.distance(),
            stream,
        };
        // Closed once others can go on.
        let _over = self.lock().push(key, kept, self.limit);
    }

    /// Notes that the origin has used a connection that was kept like this.
    pub(crate) fn was_open(&self, authority: &Authority, rest: &Rest) {
        let now = uptime::since_boot();
        let mut idle = self.lock();
        let known = idle.habits.get(authority);
        // Of each request, which mostly is none.
        if known.is_none_or(|habit| habit.is_news(rest.idle, now)) {
            idle.habit(authority).note_open(rest.idle, now);
        }
    }

    /// Notes that a connection that was kept like this had ended, or ended when it was used.
    pub(crate) fn was_closed(&self, authority: &Authority, rest: &Rest) {
        let now = uptime::since_boot();
        let mut idle = self.lock();
        idle.habit(authority).note_closed(rest.idle, rest.seen, now);
    }

    /// Ends all of them.
    pub(crate) fn clear(&self) {
        let idle = std::mem::replace(&mut *self.lock(), Idle::new(uptime::since_boot()));
        drop(idle);
    }

    /// The connections.
    fn lock(&self) -> MutexGuard<'_, Idle<SecureStream>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is kept. Times are those since the machine was started.
struct Kept<S> {
    /// Since when.
    since: Duration,
    /// For how long when it was last seen open.
    seen: Duration,
    /// For how long the origin keeps it, by its own word.
    announced: Option<Duration>,
    /// The number of the client's connection that used it last.
    client: u64,
    /// How long a round trip takes on it, at the most.
    distance: Duration,
    /// The connection.
    stream: S,
}

impl<S> Kept<S> {
    /// Returns how long the socket is kept.
    fn idle(&self, now: Duration) -> Duration {
        now.saturating_sub(self.since)
    }

    /// Returns whether the socket is young enough to use.
    fn is_good(&self, now: Duration) -> bool {
        let limit = self.announced.map_or(MAX_IDLE, |time| time.min(MAX_IDLE));
        self.idle(now) < limit
    }

    /// Returns whether the request can use the socket, given the origin's habit.
    fn serves(&self, need: Need, habit: Option<&Habit>, now: Duration) -> bool {
        match need {
            Need::Any => true,
            Need::Sure { client } => {
                let connection = habit::Idle {
                    idle: self.idle(now),
                    distance: self.distance,
                    announced: self.announced,
                    is_own: self.client == client,
                };
                match habit {
                    Some(habit) => habit.permits(connection, now),
                    None => Habit::default().permits(connection, now),
                }
            }
        }
    }
}

impl Kept<SecureStream> {
    /// The connection, for the request that it serves.
    fn into_taken(self, need: Need, now: Duration) -> Taken {
        let rest = Rest {
            idle: self.idle(now),
            seen: self.seen,
            is_own: matches!(need, Need::Sure { client } if client == self.client),
        };
        Taken {
            stream: self.stream,
            rest,
        }
    }
}

/// Connections by key, each list in the order in which they came. No list is empty for long: the keys name hosts, of which a child can
/// think of any number.
struct Idle<S> {
    /// The lists.
    lists: HashMap<Key, VecDeque<Kept<S>>>,
    /// Connections in all of them.
    count: usize,
    /// When it was last looked for those that are kept for too long.
    looked: Duration,
    /// How long origins keep connections.
    habits: HashMap<Authority, Habit>,
}

impl<S> Idle<S> {
    /// None.
    fn new(now: Duration) -> Self {
        Self {
            lists: HashMap::new(),
            count: 0,
            looked: now,
            habits: HashMap::new(),
        }
    }

    /// Returns the observations of an origin.
    fn habit(&mut self, authority: &Authority) -> &mut Habit {
        if self.habits.len() >= MAX_HABITS && !self.habits.contains_key(authority) {
            self.habits.clear();
        }
        self.habits.entry(authority.clone()).or_default()
    }

    /// Removes and returns the most recently kept socket that can serve the request.
    fn pop(&mut self, key: &Key, need: Need, now: Duration) -> Option<Kept<S>> {
        let habit = self.habits.get(&key.authority);
        let list = self.lists.get_mut(key)?;
        let serves = |kept: &Kept<S>| kept.is_good(now) && kept.serves(need, habit, now);
        let place = list.iter().rposition(serves)?;
        let kept = list.remove(place)?;
        self.count -= 1;
        Some(kept)
    }

    /// Removes and returns the oldest socket, if finding it open would teach something new.
    fn pop_oldest(&mut self, key: &Key, now: Duration) -> Option<Kept<S>> {
        let habit = self.habits.get(&key.authority);
        let list = self.lists.get_mut(key)?;
        let idle = list.front()?.idle(now);
        if habit.is_some_and(|habit| !habit.is_news(idle, now)) {
            return None;
        }
        self.count -= 1;
        list.pop_front()
    }

    /// Records whether the oldest socket is open, and puts it back if so. Returns whether it was put back.
    fn put_back(&mut self, key: &Key, mut kept: Kept<S>, is_open: bool, now: Duration) -> bool {
        let idle = kept.idle(now);
        let habit = self.habit(&key.authority);
        if !is_open {
            habit.note_closed(idle, kept.seen, now);
            return false;
        }
        habit.note_open(idle, now);
        kept.seen = idle;
        self.lists.entry(key.clone()).or_default().push_front(kept);
        self.count += 1;
        true
    }

    /// Takes one in, and gives out those that are kept no more: they are too old, or too many.
    fn push(&mut self, key: Key, kept: Kept<S>, limit: usize) -> Vec<Kept<S>> {
        let mut over = Vec::new();
        let now = kept.since;
        if now.saturating_sub(self.looked) >= LOOK {
            self.looked = now;
            // Of all origins: an old one of an origin that is asked no more would stay.
            self.lists.retain(|_, list| {
                let (good, old) = list.drain(..).partition(|kept| kept.is_good(now));
                *list = good;
                over.extend::<VecDeque<_>>(old);
                !list.is_empty()
            });
            self.count -= over.len();
        }
        let list = self.lists.entry(key).or_default();
        list.push_back(kept);
        self.count += 1;
        if list.len() > MAX_EACH {
            over.extend(list.pop_front());
            self.count -= 1;
        }
        while self.count > limit {
            let oldest = self
                .lists
                .values_mut()
                .filter(|list| !list.is_empty())
                .min_by_key(|list| list.front().map(|kept| kept.since));
            let Some(list) = oldest else { break };
            over.extend(list.pop_front());
            self.count -= 1;
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key for a host of this number.
    fn key(number: usize) -> Key {
        let host = format!("a{number}.x.com:443");
        Key {
            authority: Authority::parse(host.as_bytes(), None).unwrap(),
            identity: None,
            client: None,
        }
    }

    /// Numbers, as if they were connections.
    struct Scene {
        /// What holds them.
        idle: Idle<usize>,
        /// The time.
        now: Duration,
    }

    impl Scene {
        /// Holds none.
        fn new() -> Self {
            let now = Duration::from_secs(1000);
            Self {
                idle: Idle::new(now),
                now,
            }
        }

        /// Keeps one for so many seconds; gives those that have to go.
        fn keep(&mut self, host: usize, stream: usize, seconds: u64, limit: usize) -> Vec<usize> {
            let kept = Kept {
                since: self.now,
                seen: Duration::ZERO,
                announced: Some(Duration::from_secs(seconds)),
                client: CLIENT,
                distance: Duration::ZERO,
                stream,
            };
            let over = self.idle.push(key(host), kept, limit);
            let all = self.idle.lists.values().map(VecDeque::len);
            assert_eq!(self.idle.count, all.sum::<usize>());
            over.into_iter().map(|kept| kept.stream).collect()
        }

        /// Takes one.
        fn take(&mut self, host: usize) -> Option<usize> {
            self.take_for(host, Need::Any)
        }

        /// Takes one for such a request.
        fn take_for(&mut self, host: usize, need: Need) -> Option<usize> {
            let kept = self.idle.pop(&key(host), need, self.now);
            kept.map(|kept| kept.stream)
        }

        /// Looks at the oldest one, which is open or not; gives it, if it was looked at.
        fn look(&mut self, host: usize, is_open: bool) -> Option<usize> {
            let kept = self.idle.pop_oldest(&key(host), self.now)?;
            let stream = kept.stream;
            let is_back = self.idle.put_back(&key(host), kept, is_open, self.now);
            assert_eq!(is_back, is_open);
            Some(stream)
        }

        /// Lets so many milliseconds pass.
        fn wait(&mut self, milliseconds: u64) {
            self.now += Duration::from_millis(milliseconds);
        }
    }

    /// The client's connection that uses those that are kept.
    const CLIENT: u64 = 7;

    /// What a request on that needs which can't be sent twice.
    const OWN: Need = Need::Sure { client: CLIENT };

    /// What one on another needs.
    const OTHER: Need = Need::Sure { client: 8 };

    #[test]
    fn a_request_that_can_t_be_sent_twice_waits_until_the_oldest_has_shown_what_the_origin_keeps() {
        let mut scene = Scene::new();
        // The origin has announced nothing.
        let keep = |scene: &mut Scene, stream| {
            scene.keep(1, stream, 0, 9);
            let list = scene.idle.lists.get_mut(&key(1)).unwrap();
            list.back_mut().unwrap().announced = None;
        };
        keep(&mut scene, 10);
        scene.wait(300);
        assert_eq!(scene.take_for(1, OTHER), None);
        assert_eq!(scene.look(1, true), Some(10));
        assert_eq!(scene.take_for(1, OTHER), None);
        keep(&mut scene, 11);
        scene.wait(300);
        // Nothing is known of its age but what the other, twice as old, can show.
        assert_eq!(scene.take_for(1, OTHER), None);
        assert_eq!(scene.look(1, true), Some(10));
        assert_eq!(scene.look(1, true), None);
        assert_eq!(scene.take_for(1, OTHER), Some(11));
        // The oldest would do for any other request.
        assert_eq!(scene.take_for(1, OTHER), None);
        assert_eq!(scene.take(1), Some(10));
    }

    #[test]
    fn a_client_has_its_own_connection_back_and_no_other_s() {
        let mut scene = Scene::new();
        scene.keep(1, 10, 1, 9);
        scene.wait(900);
        assert_eq!(scene.take_for(1, OTHER), None);
        assert_eq!(scene.take_for(1, OWN), Some(10));
        // Not where the origin is known to close early, nor once it was left idle for longer.
        scene.keep(1, 11, 50, 9);
        scene.wait(500);
        assert_eq!(scene.look(1, false), Some(11));
        scene.keep(1, 12, 1, 9);
        scene.wait(400);
        assert_eq!(scene.take_for(1, OWN), None);
    }

    #[test]
    fn what_origins_are_known_to_do_is_not_kept_without_end() {
        let mut scene = Scene::new();
        for number in 0..MAX_HABITS + 10 {
            let authority = key(number).authority;
            let now = scene.now;
            scene.idle.habit(&authority).note_open(Duration::ZERO, now);
        }
        assert!(scene.idle.habits.len() <= MAX_HABITS);
    }

    #[test]
    fn the_last_one_of_the_same_key_comes_first() {
        let mut scene = Scene::new();
        for (host, stream) in [(1, 10), (1, 11), (2, 20)] {
            assert!(scene.keep(host, stream, 50, 9).is_empty());
        }
        let taken = [1, 1, 1, 2, 3].map(|host| scene.take(host));
        assert_eq!(taken, [Some(11), Some(10), None, Some(20), None]);
        assert_eq!(scene.idle.count, 0);
    }

    #[test]
    fn where_there_are_too_many_the_oldest_goes_whosever_it_is() {
        let mut scene = Scene::new();
        let steps: [(usize, usize, &[usize]); 6] = [
            (0, 3, &[]),
            (1, 3, &[]),
            (2, 3, &[]),
            (2, 3, &[0]),
            (2, 3, &[1]),
            (9, 0, &[2, 3, 4, 5]),
        ];
        for (stream, (host, limit, over)) in steps.into_iter().enumerate() {
            scene.wait(1);
            assert_eq!(scene.keep(host, stream, 50, limit), over);
        }
    }

    #[test]
    fn one_origin_does_not_get_all_the_places() {
        let mut scene = Scene::new();
        for stream in 0..MAX_EACH {
            assert!(scene.keep(1, stream, 50, MAX_ALL).is_empty());
        }
        assert_eq!(scene.keep(1, 1000, 50, MAX_ALL), [0]);
        assert!(scene.keep(2, 1001, 50, MAX_ALL).is_empty());
    }

    #[test]
    fn old_ones_go_also_those_of_origins_that_are_asked_no_more() {
        let mut scene = Scene::new();
        for (host, stream, seconds) in [(1, 10, 4), (2, 20, 50), (3, 30, 4)] {
            scene.keep(host, stream, seconds, 9);
        }
        scene.wait(5000);
        let mut over = scene.keep(2, 21, 50, 9);
        over.sort_unstable();
        assert_eq!(over, [10, 30]);
        assert_eq!(scene.idle.lists.len(), 1);
        assert_eq!(scene.take(2), Some(21));
    }
}
