//! What a service manager of systemd's kind hands to a service and wants to hear of it: sd_listen_fds(3), sd_notify(3).

use std::ffi::OsStr;
use std::io;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::fd::FromRawFd;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr;
use std::os::unix::net::UnixDatagram;

use super::process;

/// The first descriptor that is handed over.
const FIRST: libc::c_int = 3;

/// The number in a variable.
fn number(text: Option<&str>) -> Option<i32> {
    text.and_then(|text| text.parse().ok())
}

/// The descriptor that was handed to this process, by the values of LISTEN_PID and LISTEN_FDS, whatever it is; `None` where none was. To
/// be called once, and before anything else is opened.
pub(crate) fn given(pid: Option<&str>, count: Option<&str>) -> Option<OwnedFd> {
    let is_own = number(pid) == Some(process::own_pid());
    if !is_own || number(count).is_none_or(|count| count < 1) {
        return None;
    }
    // SAFETY: takes plain numbers; one that isn't open is an error.
    if unsafe { libc::fcntl(FIRST, libc::F_GETFD) } < 0 {
        return None;
    }
    // SAFETY: it is open, and whoever has started this process says that it is for it to have.
    Some(unsafe { OwnedFd::from_raw_fd(FIRST) })
}

/// The socket that was handed to this process, or to process 1 where it was split off from that, by the values of LISTEN_PID and
/// LISTEN_FDS; `None` where none was. To be called once, and before anything else is opened.
///
/// # Errors
/// When there are several, or it is none that listens for TCP.
pub(crate) fn listener(
    pid: Option<&str>,
    count: Option<&str>,
    is_split: bool,
) -> io::Result<Option<TcpListener>> {
    let is_own = |pid: i32| pid == process::own_pid() || is_split && pid == 1;
    if !number(pid).is_some_and(is_own) {
        return Ok(None);
    }
    match number(count) {
        None | Some(..=0) => return Ok(None),
        Some(1) => {}
        Some(_) => return Err(io::Error::other("there is more than one socket")),
    }
    // SAFETY: takes plain numbers; one that isn't open is an error.
    if unsafe { libc::fcntl(FIRST, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, and whoever has started this process says that it is for it to have.
    let socket = unsafe { OwnedFd::from_raw_fd(FIRST) };
    if !is_listening(&socket)? {
        return Err(io::Error::other("it is no socket that listens"));
    }
    let socket = TcpListener::from(socket);
    // Of another family, an error.
    socket.local_addr()?;
    Ok(Some(socket))
}

/// Whether the socket is one that accepts connections.
fn is_listening(socket: &OwnedFd) -> io::Result<bool> {
    let mut value: libc::c_int = 0;
    let mut size = libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or(0);
    // SAFETY: writes at most `size` bytes to a number of ours.
    let found = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ACCEPTCONN,
            (&raw mut value).cast(),
            &raw mut size,
        )
    };
    if found < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(value != 0)
}

/// Tells the manager, at the socket that NOTIFY_SOCKET names: a path, or behind an `@` a name without a file.
///
/// # Errors
/// When it can't be told.
pub(crate) fn tell(socket: &OsStr, state: &str) -> io::Result<()> {
    let address = match socket.as_bytes().split_first() {
        #[cfg(target_os = "linux")]
        Some((b'@', name)) => {
            use std::os::linux::net::SocketAddrExt;
            SocketAddr::from_abstract_name(name)?
        }
        _ => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?
        .send_to_addr(state.as_bytes(), &address)
        .map(drop)
}

/// Microseconds of the clock that never goes back, as the manager has it.
pub(crate) fn monotonic_microseconds() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes one timespec of ours.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    let number = |part: i64| u64::try_from(part).unwrap_or(0);
    number(time.tv_sec) * 1_000_000 + number(time.tv_nsec) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_another_process_is_left_alone() {
        let own = process::own_pid().to_string();
        for (pid, count) in [
            (None, Some("1")),
            (Some("1"), Some("1")),
            (Some("x"), Some("1")),
            (Some(&*own), None),
            (Some(&*own), Some("0")),
        ] {
            assert!(
                listener(pid, count, false).unwrap().is_none(),
                "{pid:?} {count:?}"
            );
        }
        assert!(listener(Some(&own), Some("2"), false).is_err());
        assert!(listener(Some("1"), Some("2"), true).is_err());
        assert!(listener(Some("3"), Some("2"), true).unwrap().is_none());
        for (pid, count) in [(Some("1"), Some("1")), (Some(&*own), Some("0"))] {
            assert!(given(pid, count).is_none(), "{pid:?} {count:?}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_manager_is_told_at_a_name_without_a_file() {
        use std::os::linux::net::SocketAddrExt;

        let name = format!("authsome-test-{}", process::own_pid());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        tell(OsStr::new(&format!("@{name}")), "READY=1").unwrap();
        let mut told = [0; 16];
        let count = manager.recv(&mut told).unwrap();
        assert_eq!(told.get(..count), Some(&b"READY=1"[..]));
    }
}
