//! A proxy that has an end of its own: asked to stop, it lets what is under way come to its end, and no new thing begin.

use std::io;
use std::io::PipeReader;
use std::io::PipeWriter;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::sync::Mutex;
use std::sync::PoisonError;

use crate::sys::poll;

/// The two steps in which it stops.
pub(crate) struct Service {
    /// Nothing new begins: the listener closes, and connections that wait for a request.
    drain: Event,
    /// What is still under way is cut.
    cut: Event,
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
        })
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
    use std::time::Duration;
    use std::time::Instant;

    use super::*;

    #[test]
    fn each_step_wakes_those_who_wait_for_it_and_no_others() {
        let service = Service::new().unwrap();
        let seen = || {
            let soon = Instant::now() + Duration::from_millis(1);
            let watches = [readable(service.draining()), readable(service.cutting())];
            poll::wait(watches, Some(soon)).unwrap()
        };
        assert_eq!((seen(), service.is_draining()), ([false; 2], false));
        service.drain();
        assert_eq!((seen(), service.is_draining()), ([true, false], true));
        service.cut();
        service.cut();
        assert_eq!(seen(), [true; 2]);
    }
}
