//! A proxy that has an end of its own: asked to stop, it lets what is under way come to its end, and no new thing begin.

use std::io;
use std::io::PipeReader;
use std::io::PipeWriter;
use std::mem;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use crate::sys::poll;

/// Refusals of strangers that are told of without a pause, at the most.
const TOLD: u32 = 100;

/// How long it takes until one more may be told of.
const REFILL: Duration = Duration::from_secs(60);

/// The two steps in which it stops.
pub(crate) struct Service {
    /// Nothing new begins: the listener closes, and connections that wait for a request.
    drain: Event,
    /// What is still under way is cut.
    cut: Event,
    /// Which refusals of strangers are told of.
    refusals: Mutex<Refusals>,
}

impl Service {
    /// One that goes on.
    ///
    /// # Errors
    /// When there are no descriptors to be had.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            drain: Event::new()?,
            cut: Event::new()?,
            refusals: Mutex::new(Refusals::new(Instant::now())),
        })
    }

    /// Returns whether the refusal of a stranger's request may be told of, and how many before it
    /// were not.
    pub(super) fn may_tell(&self) -> Option<u64> {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.take(Instant::now())
    }

    /// Has nothing new begin.
    pub(crate) fn drain(&self) {
        self.drain.happen();
    }

    /// Cuts what is still under way.
    pub(crate) fn cut(&self) {
        self.cut.happen();
    }

    /// Whether nothing new is to begin.
    pub(crate) fn is_draining(&self) -> bool {
        self.drain.has_happened()
    }

    /// What can be read once nothing new is to begin.
    pub(super) fn draining(&self) -> BorrowedFd<'_> {
        self.drain.reader.as_fd()
    }

    /// What can be read once everything is cut.
    pub(super) fn cutting(&self) -> BorrowedFd<'_> {
        self.cut.reader.as_fd()
    }
}

/// Which refusals of strangers are told of. Anyone on the network can cause any number of them, and
/// a log has room for so many lines: those of credentials would give way.
struct Refusals {
    /// Refusals that may be told of now.
    left: u32,
    /// From when on the time counts towards the next one.
    since: Instant,
    /// Refusals that were not told of, since the last that was.
    untold: u64,
}

impl Refusals {
    /// Returns the whole budget.
    fn new(now: Instant) -> Self {
        Self {
            left: TOLD,
            since: now,
            untold: 0,
        }
    }

    /// Takes one refusal out; see [`Service::may_tell`].
    fn take(&mut self, now: Instant) -> Option<u64> {
        while self.left < TOLD && now.saturating_duration_since(self.since) >= REFILL {
            self.left += 1;
            self.since += REFILL;
        }
        if self.left == TOLD {
            self.since = now;
        }
        let Some(left) = self.left.checked_sub(1) else {
            self.untold += 1;
            return None;
        };
        self.left = left;
        Some(mem::take(&mut self.untold))
    }
}

/// Something that happens once, and that can be waited for together with sockets: a pipe that ends then.
struct Event {
    /// Where its end is seen.
    reader: PipeReader,
    /// What ends it by going.
    writer: Mutex<Option<PipeWriter>>,
}

impl Event {
    /// One that has not happened.
    fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        Ok(Self {
            reader,
            writer: Mutex::new(Some(writer)),
        })
    }

    /// It happens.
    fn happen(&self) {
        self.writer().take();
    }

    /// Whether it has.
    fn has_happened(&self) -> bool {
        self.writer().is_none()
    }

    /// What ends the pipe by going.
    fn writer(&self) -> std::sync::MutexGuard<'_, Option<PipeWriter>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something to be waited for by reading.
pub(super) fn readable(fd: BorrowedFd<'_>) -> poll::Watch<'_> {
    poll::Watch {
        fd,
        read: true,
        write: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusals_that_are_told_of_say_how_many_were_not() {
        let start = Instant::now();
        let mut refusals = Refusals::new(start);
        for _ in 0..TOLD {
            assert_eq!(refusals.take(start), Some(0));
        }
        let almost = start + REFILL - Duration::from_secs(1);
        assert_eq!(refusals.take(start), None);
        assert_eq!(refusals.take(almost), None);
        assert_eq!(refusals.take(start + REFILL), Some(2));
        assert_eq!(refusals.take(start + REFILL), None);
        let later = start + 1000 * REFILL;
        let told = (0..2 * TOLD).filter_map(|_| refusals.take(later));
        assert_eq!(told.collect::<Vec<_>>()[..2], [1, 0]);
        assert_eq!(refusals.untold, u64::from(TOLD));
    }

    #[test]
    fn each_step_wakes_those_who_wait_for_it_and_no_others() {
        let service = Service::new().unwrap();
        let seen = || {
            let soon = Instant::now() + Duration::from_millis(1);
            let watches = [readable(service.draining()), readable(service.cutting())];
            poll::wait(watches, Some(soon)).unwrap()
        };
        // A process that another test starts meanwhile holds the pipe's other end, too, until it runs its program.
        let wait_for = |event| poll::wait([readable(event)], None).unwrap();
        assert_eq!((seen(), service.is_draining()), ([false; 2], false));
        service.drain();
        wait_for(service.draining());
        assert_eq!((seen(), service.is_draining()), ([true, false], true));
        service.cut();
        service.cut();
        wait_for(service.cutting());
        assert_eq!(seen(), [true; 2]);
    }
}
