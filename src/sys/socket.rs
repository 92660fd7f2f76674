//! What std's sockets can't be told.

use std::net::TcpStream;
use std::os::fd::AsRawFd;

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
    unanswered(socket) >= UNANSWERED
}

/// Returns false: the system doesn't tell.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_unanswered(_: &TcpStream) -> bool {
    false
}

/// How often something was sent again since the peer's last word, and how often it was asked whether it takes more.
#[cfg(target_os = "linux")]
fn unanswered(socket: &TcpStream) -> u8 {
    // The beginning of a tcp_info (linux/tcp.h): states of the connection and of its congestion, retransmits, probes; each a byte.
    let mut info = [0_u8; 8];
    let mut size = libc::socklen_t::try_from(info.len()).unwrap_or(0);
    // SAFETY: writes `size` bytes to `info`, for a descriptor that is open.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut size,
        )
    };
    let [_, _, retransmits, probes, ..] = info;
    match result {
        0 => retransmits.max(probes),
        _ => 0,
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
    use std::time::Duration;
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

    #[test]
    fn a_peer_that_is_deaf_is_told_from_one_that_hears_and_says_nothing() {
        let (mut one, other) = pair();
        one.write_all(b"a word").unwrap();
        assert_eq!(unanswered(&one), 0);
        deafen(&other);
        one.write_all(b"another").unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while unanswered(&one) < 2 {
            assert!(Instant::now() < deadline, "it is sent once only");
            std::thread::sleep(Duration::from_millis(20));
        }
        // It was sent twice more, within a second: nobody is given up for that.
        assert!(!is_unanswered(&one));
        let (idle, _other) = pair();
        assert_eq!(unanswered(&idle), 0);
    }

    #[test]
    fn a_peer_that_takes_nothing_for_now_is_not_deaf() {
        let (mut one, _other) = pair();
        one.set_nonblocking(true).unwrap();
        let bytes = [0; 65_536];
        while one.write(&bytes).is_ok() {}
        // The system asks from now on whether there is room again: three times in this time, and is answered each time.
        std::thread::sleep(Duration::from_millis(800));
        let last = unanswered(&one);
        assert!(last < 2, "{last}");
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
