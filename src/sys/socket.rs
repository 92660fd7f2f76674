//! What std's sockets can't be told.

use std::net::TcpStream;
use std::os::fd::AsRawFd;
#[cfg(target_os = "linux")]
use std::time::Duration;

/// Seconds of silence before the system asks whether the peer is still there, between askings, and how often it asks. Two minutes in all;
/// the first asking comes before load balancers and address translators forget an idle connection, which the small ones do after 60 s.
const KEEP_ALIVE: [(libc::c_int, libc::c_int); 3] = [
    (IDLE_OPTION, 45),
    (libc::TCP_KEEPINTVL, 15),
    (libc::TCP_KEEPCNT, 5),
];

/// How often the system has sent something again without a word from the peer when that counts as gone. The pauses double from 200 ms or
/// a bit more than a round trip on, so the last of them ends after 100 s, or two to four minutes where the way is long.
#[cfg(target_os = "linux")]
const UNANSWERED: u8 = 9;

/// How often the system has asked in vain whether the peer takes more when that counts as gone, and for how long nothing must have been
/// heard of it. These pauses double as long as the peer takes nothing, answers or not, up to two minutes.
#[cfg(target_os = "linux")]
const ASKED_IN_VAIN: (u8, Duration) = (3, Duration::from_secs(100));

/// The option for the first of them.
#[cfg(not(target_os = "macos"))]
const IDLE_OPTION: libc::c_int = libc::TCP_KEEPIDLE;
/// The option for the first of them.
#[cfg(target_os = "macos")]
const IDLE_OPTION: libc::c_int = libc::TCP_KEEPALIVE;

/// Has the system notice a peer that is gone without a word (RFC 9293 section 3.8.4), within two minutes, where nothing is on its way to
/// it. That it can't be set is no error.
pub(crate) fn keep_alive(socket: &TcpStream) {
    set(socket, libc::SOL_SOCKET, libc::SO_KEEPALIVE, &1);
    for (option, value) in KEEP_ALIVE {
        set(socket, libc::IPPROTO_TCP, option, &value);
    }
}

/// Returns whether the peer has acknowledged nothing for long of what is on its way to it: keep-alive asks nothing meanwhile, and the
/// system itself gives up after a quarter of an hour.
///
/// A peer that takes nothing for now acknowledges that it was asked whether it does. TCP_USER_TIMEOUT would end that connection, too.
#[cfg(target_os = "linux")]
pub(crate) fn is_unanswered(socket: &TcpStream) -> bool {
    Silence::of(socket).is_long()
}

/// Returns false: the system doesn't tell.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_unanswered(_: &TcpStream) -> bool {
    false
}

/// What the peer has left unanswered.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy, Debug)]
struct Silence {
    /// How often something was sent again since its last word.
    retransmits: u8,
    /// How often it was asked since whether it takes more.
    probes: u8,
    /// Since when nothing was heard of it.
    since: Duration,
}

#[cfg(target_os = "linux")]
impl Silence {
    /// Returns what the system knows of it; nothing unanswered where it tells nothing.
    fn of(socket: &TcpStream) -> Self {
        // The beginning of a tcp_info (linux/tcp.h): eight bytes, of which the third counts what was sent again and the fourth the
        // questions, and numbers of four bytes, of which the last here tells the milliseconds since an acknowledgement came.
        let mut info = [0_u8; 60];
        let mut size = libc::socklen_t::try_from(info.len()).unwrap_or(0);
        // SAFETY: writes at most `size` bytes to `info`, for a descriptor that is open.
        unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                info.as_mut_ptr().cast(),
                &raw mut size,
            )
        };
        // Where it has failed, all of it is zero.
        let [_, _, retransmits, probes, ..] = info;
        let [.., one, two, three, four] = info;
        let since = u32::from_ne_bytes([one, two, three, four]);
        Self {
            retransmits,
            probes,
            since: Duration::from_millis(since.into()),
        }
    }

    /// Returns whether the peer counts as gone.
    fn is_long(self) -> bool {
        let (times, time) = ASKED_IN_VAIN;
        self.retransmits >= UNANSWERED || self.probes >= times && self.since >= time
    }
}

/// Has closing the socket reset the connection instead of ending it in order (RFC 9293 section 3.10.7: the peer sees an error, not
/// an end). That it can't be set is no error: the connection then ends in order.
pub(crate) fn reset_on_close(socket: &TcpStream) {
    set(
        socket,
        libc::SOL_SOCKET,
        libc::SO_LINGER,
        &libc::linger {
            l_onoff: 1,
            l_linger: 0,
        },
    );
}

/// setsockopt(2) with a value of the option's own type.
fn set<T>(socket: &TcpStream, level: libc::c_int, option: libc::c_int, value: &T) {
    let size = libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0);
    // SAFETY: reads `size` bytes of `value`, for a descriptor that is open.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const *value).cast(),
            size,
        );
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::time::Instant;

    use super::*;

    /// A connection, both its ends.
    #[expect(clippy::disallowed_methods, reason = "loopback, in a test")]
    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (one, listener.accept().unwrap().0)
    }

    /// Has the socket be deaf, as if its cable were pulled: a filter that takes nothing of any packet.
    fn deafen(socket: &TcpStream) {
        let mut nothing = libc::sock_filter {
            // BPF_RET of linux/bpf_common.h, with a constant.
            code: 6,
            jt: 0,
            jf: 0,
            k: 0,
        };
        let program = libc::sock_fprog {
            len: 1,
            filter: &raw mut nothing,
        };
        set(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program);
    }

    /// Waits until the system has sent or asked so often in vain.
    fn wait_until(socket: &TcpStream, is_enough: impl Fn(Silence) -> bool) -> Silence {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let silence = Silence::of(socket);
            if is_enough(silence) {
                return silence;
            }
            assert!(Instant::now() < deadline, "{silence:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Fills all there is room for.
    fn fill(socket: &mut TcpStream) {
        socket.set_nonblocking(true).unwrap();
        let bytes = [0; 65_536];
        while socket.write(&bytes).is_ok() {}
    }

    #[test]
    fn a_peer_that_is_deaf_is_told_from_one_that_hears_and_says_nothing() {
        let (mut one, other) = pair();
        one.write_all(b"a word").unwrap();
        assert_eq!(Silence::of(&one).retransmits, 0);
        deafen(&other);
        one.write_all(b"another").unwrap();
        // It is sent twice more, within a second: nobody is given up for that.
        assert!(!wait_until(&one, |silence| silence.retransmits >= 2).is_long());
        let (idle, _other) = pair();
        assert_eq!(Silence::of(&idle).retransmits, 0);
    }

    #[test]
    fn a_peer_that_takes_nothing_for_now_is_not_deaf() {
        let (mut one, _other) = pair();
        fill(&mut one);
        // The system asks from now on whether there is room again: three times in this time, and is answered each time.
        std::thread::sleep(Duration::from_millis(800));
        let last = Silence::of(&one);
        assert!(last.probes < 2 && last.retransmits < 2, "{last:?}");
    }

    #[test]
    fn for_how_long_a_deaf_peer_says_nothing_is_known() {
        let (mut one, other) = pair();
        fill(&mut one);
        deafen(&other);
        let begun = Instant::now();
        let is_enough = |silence: Silence| silence.retransmits.max(silence.probes) >= 3;
        let last = wait_until(&one, is_enough);
        assert!(!last.is_long(), "{last:?}");
        // Three pauses have passed, of 200 ms and more. It is no other number of the system's.
        let apart = last.since.abs_diff(begun.elapsed());
        assert!(last.since >= Duration::from_millis(600) && apart < Duration::from_secs(5));
    }

    #[test]
    fn who_was_asked_in_vain_is_gone_after_a_while() {
        for (retransmits, probes, seconds, expected) in [
            (8, 2, 600, false),
            (9, 0, 1, true),
            (0, 3, 99, false),
            (0, 3, 100, true),
        ] {
            let silence = Silence {
                retransmits,
                probes,
                since: Duration::from_secs(seconds),
            };
            assert_eq!(silence.is_long(), expected, "{silence:?}");
        }
    }

    #[test]
    fn keep_alive_finds_a_peer_that_is_gone_within_two_minutes() {
        let (one, _other) = pair();
        keep_alive(&one);
        let value = |option: libc::c_int| {
            let (mut value, mut size): (libc::c_int, libc::socklen_t) = (0, 4);
            // SAFETY: writes a number of this size.
            let result = unsafe {
                libc::getsockopt(
                    one.as_raw_fd(),
                    libc::IPPROTO_TCP,
                    option,
                    (&raw mut value).cast(),
                    &raw mut size,
                )
            };
            assert_eq!(result, 0);
            value
        };
        let [idle, interval, count] =
            [IDLE_OPTION, libc::TCP_KEEPINTVL, libc::TCP_KEEPCNT].map(value);
        assert_eq!(idle + interval * count, 120);
    }
}
