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

/// The same where the system doesn't tell.
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
