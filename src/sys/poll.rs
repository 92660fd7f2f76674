//! Waiting for one or two sockets at once.

use std::io;
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;
use std::time::Duration;
use std::time::Instant;

/// What to wait for on one descriptor.
#[derive(Clone, Copy)]
pub(crate) struct Watch<'a> {
    /// The descriptor.
    pub(crate) fd: BorrowedFd<'a>,
    /// Wake when bytes (or an end, or an error) can be read.
    pub(crate) read: bool,
    /// Wake when bytes can be written.
    pub(crate) write: bool,
}

/// Waits until one of the descriptors is ready or the deadline has passed, and tells for each whether it is.
///
/// A descriptor that is watched for nothing wakes nobody: a peer that has hung up would otherwise make the wait spin.
///
/// # Errors
/// Those of poll(2); an interruption by a signal is not one.
pub(crate) fn wait<const N: usize>(
    watches: [Watch<'_>; N],
    deadline: Option<Instant>,
) -> io::Result<[bool; N]> {
    let mut fds = watches.map(|watch| libc::pollfd {
        fd: if watch.read || watch.write {
            watch.fd.as_raw_fd()
        } else {
            -1
        },
        events: if watch.read { libc::POLLIN } else { 0 }
            | if watch.write { libc::POLLOUT } else { 0 },
        revents: 0,
    });
    loop {
        let count = libc::nfds_t::try_from(N).unwrap_or(0);
        // SAFETY: `fds` is an array of N initialised pollfd that lives through the call.
        let found = unsafe { libc::poll(fds.as_mut_ptr(), count, timeout_ms(deadline)) };
        if found >= 0 {
            return Ok(fds.map(|fd| fd.revents != 0));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Whether the peer has ended its sending, or is gone, although what it sent before has not been read. Never waits; where the system
/// can't tell, nothing is known.
pub(crate) fn has_ended(fd: BorrowedFd<'_>) -> bool {
    #[cfg(target_os = "linux")]
    let events = libc::POLLRDHUP;
    #[cfg(not(target_os = "linux"))]
    let events = 0;
    let mut fd = libc::pollfd {
        fd: fd.as_raw_fd(),
        events,
        revents: 0,
    };
    // SAFETY: one initialised pollfd that lives through the call.
    unsafe { libc::poll(&raw mut fd, 1, 0) > 0 }
}

/// Whether the connection has failed: it was reset, or nobody is at its other end. Never waits, and takes nothing from the socket.
pub(crate) fn has_failed(fd: BorrowedFd<'_>) -> bool {
    let mut fd = libc::pollfd {
        fd: fd.as_raw_fd(),
        events: 0,
        revents: 0,
    };
    // SAFETY: one initialised pollfd that lives through the call.
    unsafe { libc::poll(&raw mut fd, 1, 0) > 0 && fd.revents & libc::POLLERR != 0 }
}

/// The rest of the time as poll(2) takes it: milliseconds, rounded up, -1 for ever.
fn timeout_ms(deadline: Option<Instant>) -> libc::c_int {
    let Some(deadline) = deadline else { return -1 };
    let left = deadline.saturating_duration_since(Instant::now());
    let rounded = left
        .saturating_add(Duration::from_nanos(999_999))
        .as_millis();
    libc::c_int::try_from(rounded).unwrap_or(libc::c_int::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::net::TcpStream;
    use std::os::fd::AsFd;

    use super::*;

    /// Two ends of one loopback connection.
    #[expect(clippy::disallowed_methods, reason = "loopback, in a test")]
    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (near, listener.accept().unwrap().0)
    }

    #[test]
    fn only_the_ready_one_is_reported() {
        let ((a, mut far_a), (b, _far_b)) = (pair(), pair());
        far_a.write_all(b"x").unwrap();
        let read = |fd| Watch {
            fd,
            read: true,
            write: false,
        };
        assert_eq!(
            wait([read(a.as_fd()), read(b.as_fd())], None).unwrap(),
            [true, false]
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn an_end_behind_unread_bytes_is_seen() {
        let (a, mut far) = pair();
        far.write_all(b"x").unwrap();
        assert!(!has_ended(a.as_fd()));
        drop(far);
        assert!(has_ended(a.as_fd()));
    }

    #[test]
    fn a_passed_deadline_returns_at_once() {
        let (a, _far) = pair();
        let watch = Watch {
            fd: a.as_fd(),
            read: true,
            write: false,
        };
        assert_eq!(wait([watch], Some(Instant::now())).unwrap(), [false]);
    }

    #[test]
    fn a_hung_up_peer_does_not_wake_who_watches_for_nothing() {
        let (a, far) = pair();
        drop(far);
        let watch = Watch {
            fd: a.as_fd(),
            read: false,
            write: false,
        };
        let soon = Instant::now() + Duration::from_millis(20);
        assert_eq!(wait([watch], Some(soon)).unwrap(), [false]);
    }
}
