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
use std::time::Instant;

use super::dial::SecureStream;
use crate::url::Authority;

/// Idle connections under one key, at the most: as many as requests were under way there at once, unless those were very many.
const MAX_EACH: usize = 128;

/// Idle connections in all, at the most.
pub(crate) const MAX_ALL: usize = 256;

/// How long one is kept. Servers commonly wait 60 s or more; those that wait less close, which is seen before reuse.
const MAX_IDLE: Duration = Duration::from_secs(50);

/// How long one is good for a request that can't be sent twice: long enough for a program's next call, short enough that the
/// origin is not about to close.
const MAX_IDLE_ONE_SHOT: Duration = Duration::from_secs(4);

/// How much earlier than the origin a connection is given up whose end it has announced: a request may be on its way that long.
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
            idle: Mutex::new(Idle::new(Instant::now())),
            limit,
        }
    }

    /// Returns the connection that was used last of those that are not too old. Whether the origin has ended it, or has sent anything, is for
    /// the caller to look at right before it sends. `can_repeat` says whether the request may be sent again should the connection turn out to
    /// be dead.
    pub(crate) fn take(&self, key: &Key, can_repeat: bool) -> Option<SecureStream> {
        let limit = if can_repeat {
            MAX_IDLE
        } else {
            MAX_IDLE_ONE_SHOT
        };
        loop {
            let kept = self.lock().pop(key)?;
            let now = Instant::now();
            if now < kept.until.min(kept.since + limit) {
                return Some(kept.stream);
            }
        }
    }

    /// Keeps a connection whose last response was read to its end. `announced` is how long the origin says it will wait.
    pub(crate) fn put(&self, key: Key, mut stream: SecureStream, announced: Option<Duration>) {
        // What came behind the response belongs to nothing that was asked; what comes later is looked for before the next request.
        if *stream.authority() != key.authority || !stream.wire().is_at_rest() {
            return;
        }
        stream.wire().give_memory_back();
        let since = Instant::now();
        let announced = announced.map_or(MAX_IDLE, |time| time.saturating_sub(AHEAD));
        let kept = Kept {
            since,
            until: since + MAX_IDLE.min(announced),
            stream,
        };
        // Closed once others can go on.
        let _over = self.lock().push(key, kept, self.limit);
    }

    /// Ends all of them.
    pub(crate) fn clear(&self) {
        let idle = std::mem::replace(&mut *self.lock(), Idle::new(Instant::now()));
        drop(idle);
    }

    /// The connections.
    fn lock(&self) -> MutexGuard<'_, Idle<SecureStream>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is kept.
struct Kept<S> {
    /// Since when.
    since: Instant,
    /// Until when it is good.
    until: Instant,
    /// The connection.
    stream: S,
}

/// Connections by key, each list in the order in which they came. No list is empty for long: the keys name hosts, of which a child can
/// think of any number.
struct Idle<S> {
    /// The lists.
    lists: HashMap<Key, VecDeque<Kept<S>>>,
    /// Connections in all of them.
    count: usize,
    /// When it was last looked for those that are kept for too long.
    looked: Instant,
}

impl<S> Idle<S> {
    /// None.
    fn new(now: Instant) -> Self {
        Self {
            lists: HashMap::new(),
            count: 0,
            looked: now,
        }
    }

    /// Takes out the one that came last.
    fn pop(&mut self, key: &Key) -> Option<Kept<S>> {
        let kept = self.lists.get_mut(key)?.pop_back()?;
        self.count -= 1;
        Some(kept)
    }

    /// Takes one in, and gives out those that are kept no more: they are too old, or too many.
    fn push(&mut self, key: Key, kept: Kept<S>, limit: usize) -> Vec<Kept<S>> {
        let mut over = Vec::new();
        let now = kept.since;
        if now.saturating_duration_since(self.looked) >= LOOK {
            self.looked = now;
            // Of all origins: an old one of an origin that is asked no more would stay.
            self.lists.retain(|_, list| {
                let (good, old) = list.drain(..).partition(|kept| kept.until > now);
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
        now: Instant,
    }

    impl Scene {
        /// Holds none.
        fn new() -> Self {
            let now = Instant::now();
            Self {
                idle: Idle::new(now),
                now,
            }
        }

        /// Keeps one for so many seconds; gives those that have to go.
        fn keep(&mut self, host: usize, stream: usize, seconds: u64, limit: usize) -> Vec<usize> {
            let kept = Kept {
                since: self.now,
                until: self.now + Duration::from_secs(seconds),
                stream,
            };
            let over = self.idle.push(key(host), kept, limit);
            let all = self.idle.lists.values().map(VecDeque::len);
            assert_eq!(self.idle.count, all.sum::<usize>());
            over.into_iter().map(|kept| kept.stream).collect()
        }

        /// Takes one.
        fn take(&mut self, host: usize) -> Option<usize> {
            self.idle.pop(&key(host)).map(|kept| kept.stream)
        }
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
            scene.now += Duration::from_millis(1);
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
        scene.now += Duration::from_secs(5);
        let mut over = scene.keep(2, 21, 50, 9);
        over.sort_unstable();
        assert_eq!(over, [10, 30]);
        assert_eq!(scene.idle.lists.len(), 1);
        assert_eq!(scene.take(2), Some(21));
    }
}
