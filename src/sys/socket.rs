//! What std's sockets can't be told.

use std::net::TcpStream;
use std::os::fd::AsRawFd;

/// Seconds of silence before the system asks whether the peer is still there, between askings, and how often it asks.
const KEEP_ALIVE: [(libc::c_int, libc::c_int); 3] = [
    (IDLE_OPTION, 60),
    (libc::TCP_KEEPINTVL, 30),
    (libc::TCP_KEEPCNT, 4),
];

/// The option for the first of them.
#[cfg(not(target_os = "macos"))]
const IDLE_OPTION: libc::c_int = libc::TCP_KEEPIDLE;
/// The option for the first of them.
#[cfg(target_os = "macos")]
const IDLE_OPTION: libc::c_int = libc::TCP_KEEPALIVE;

/// Has the system notice a peer that is gone without a word (RFC 9293 section 3.8.4), within three minutes. That it can't be set is
/// no error.
pub(crate) fn keep_alive(socket: &TcpStream) {
    set(socket, libc::SOL_SOCKET, libc::SO_KEEPALIVE, &1);
    for (option, value) in KEEP_ALIVE {
        set(socket, libc::IPPROTO_TCP, option, &value);
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
