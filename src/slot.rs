//! Places of which there are only so many: connections, lookups, attempts to connect. Each takes a thread.

use std::ops::Deref;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

/// A place that was taken; given back when this is dropped, so however its thread ends.
pub(crate) struct Slot<C: Deref<Target = AtomicUsize>>(C);

impl<C: Deref<Target = AtomicUsize>> Slot<C> {
    /// Takes a place, unless so many are taken.
    pub(crate) fn take(taken: C, limit: usize) -> Option<Self> {
        let more = |count| (count < limit).then_some(count + 1);
        taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .ok()?;
        Some(Self(taken))
    }
}

impl<C: Deref<Target = AtomicUsize>> Drop for Slot<C> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn a_slot_comes_back_even_from_a_panic() {
        let taken = Arc::new(AtomicUsize::new(0));
        let slot = Slot::take(Arc::clone(&taken), 1).unwrap();
        assert!(Slot::take(Arc::clone(&taken), 1).is_none());
        let thread = thread::Builder::new().spawn(move || {
            let _slot = slot;
            panic!("a connection's thread may end like this");
        });
        assert!(thread.unwrap().join().is_err());
        assert!(Slot::take(taken, 1).is_some());
    }
}
