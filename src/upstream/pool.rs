//! Idle connections to origins, kept for the next request.
//!
//! A connection is kept under its authority *and* the login whose credential was sent on it: some servers tie who is asking to the
//! connection (NTLM does), so requests with different credentials, or with none, never share one.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use super::dial::SecureStream;
use crate::url::Authority;

/// Idle connections under one key, at the most.
const MAX_EACH: usize = 16;

/// Idle connections in all, at the most.
pub(crate) const MAX_ALL: usize = 256;

/// How long one is kept. Servers commonly wait 60 s or more; those that wait less close, which is seen before reuse.
const MAX_IDLE: Duration = Duration::from_secs(50);

/// How long one is good for a request that can't be sent twice: long enough for a program's next call, short enough that the
/// origin is not about to close.
const MAX_IDLE_ONE_SHOT: Duration = Duration::from_secs(4);

/// What a connection is kept under.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// The origin it was verified for.
    pub(crate) authority: Authority,
    /// Whose credential was sent on it: a number that stands for one login.
    pub(crate) identity: Option<usize>,
}

/// Connections under a key, each with when it was put aside.
type Idle = HashMap<Key, Vec<(Instant, SecureStream)>>;

/// The idle connections.
pub(crate) struct Pool {
    /// The connections. No list is empty for long: the keys name hosts, of which a child can think of any number.
    idle: Mutex<Idle>,
    /// How many in all, at the most.
    limit: usize,
}

impl Pool {
    /// A pool that holds so many.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            idle: Mutex::default(),
            limit,
        }
    }

    /// A connection that seems to be good; the one that was used last. `can_repeat` says whether the request may be sent again
    /// should the connection turn out to be dead.
    pub(crate) fn take(&self, key: &Key, can_repeat: bool) -> Option<SecureStream> {
        let limit = if can_repeat {
            MAX_IDLE
        } else {
            MAX_IDLE_ONE_SHOT
        };
        loop {
            let (since, mut stream) = self.lock().get_mut(key)?.pop()?;
            if since.elapsed() < limit && stream.wire().is_idle() {
                return Some(stream);
            }
        }
    }

    /// Keeps a connection whose last response was read to its end.
    pub(crate) fn put(&self, key: Key, mut stream: SecureStream) {
        // What came behind the response belongs to nothing that was asked; what comes later is looked for when it is taken.
        if *stream.authority() != key.authority || !stream.wire().is_clear() {
            return;
        }
        stream.wire().give_memory_back();
        let mut idle = self.lock();
        // Of all origins: an old one of an origin that is asked no more would stay.
        idle.retain(|_, list| {
            list.retain(|(since, _)| since.elapsed() < MAX_IDLE);
            !list.is_empty()
        });
        if idle.values().map(Vec::len).sum::<usize>() >= self.limit {
            idle.clear();
        }
        let list = idle.entry(key).or_default();
        if list.len() < MAX_EACH.min(self.limit) {
            list.push((Instant::now(), stream));
        }
    }

    /// Ends all of them.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// The connections.
    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
