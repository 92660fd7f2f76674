//! What must not be cut off by the end of the process.

use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

/// Refreshes that have begun: between the request and the vault, the new refresh token is nowhere else, and the old one may be good no
/// more (RFC 6749 section 6).
#[derive(Default)]
pub(crate) struct UnderWay {
    /// How many there are.
    count: Mutex<usize>,
    /// That one has ended.
    ended: Condvar,
}

/// One of them, until it is dropped.
pub(super) struct Begun<'a>(&'a UnderWay);

impl UnderWay {
    /// One more.
    pub(super) fn begin(&self) -> Begun<'_> {
        self.change(|count| *count += 1);
        Begun(self)
    }

    /// Waits until there is none, or for so long.
    pub(crate) fn wait(&self, limit: Duration) {
        let count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let is_some = |count: &mut usize| *count > 0;
        // It makes no difference how it ended: the process ends now.
        drop(self.ended.wait_timeout_while(count, limit, is_some));
    }

    /// Calls the function unless there is one. None begins meanwhile.
    pub(crate) fn unless_any(&self, call: impl FnOnce()) {
        let count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        if *count == 0 {
            call();
        }
    }

    /// Changes the count, and tells.
    fn change(&self, change: impl FnOnce(&mut usize)) {
        change(&mut self.count.lock().unwrap_or_else(PoisonError::into_inner));
        self.ended.notify_all();
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.0.change(|count| *count = count.saturating_sub(1));
    }
}
