//! Descriptors that this process was given, by number.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::fd::FromRawFd;
use std::os::unix::fs::FileTypeExt;

/// The highest of the standard streams' numbers.
const LAST_STANDARD: i32 = 2;

/// A copy of the descriptor of this number, for this process alone. One that is no standard stream isn't handed on to the programs that
/// are started from here on either.
///
/// # Errors
/// When nothing is open under that number.
pub(crate) fn copy(number: i32) -> io::Result<File> {
    // SAFETY: fcntl(2) with numbers; what isn't open is an error.
    let copied = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, LAST_STANDARD + 1) };
    if copied < 0 {
        return Err(io::Error::last_os_error());
    }
    if number > LAST_STANDARD {
        keep(number);
    }
    // SAFETY: the descriptor was made just now, and nobody else has it.
    Ok(unsafe { File::from_raw_fd(copied) })
}

/// Keeps the descriptor of this number from the programs that are started from here on. One that isn't open stays so.
pub(crate) fn keep(number: i32) {
    // SAFETY: fcntl(2) with numbers; what isn't open is an error, and no harm.
    unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
}

/// Takes standard input away from the programs that are started from here on: they find nothing there. Returns what it was, or nothing
/// where it is a terminal or another device, which stays in its place.
///
/// # Errors
/// When it isn't open, or nothing can be put in its place.
pub(crate) fn take_stdin() -> io::Result<Option<File>> {
    let taken = copy(libc::STDIN_FILENO)?;
    if taken.metadata()?.file_type().is_char_device() {
        return Ok(None);
    }
    let nothing = File::open("/dev/null")?;
    // SAFETY: two descriptors by number, the first of which is open.
    if unsafe { libc::dup2(nothing.as_raw_fd(), libc::STDIN_FILENO) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Some(taken))
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::io::Write;

    use super::*;

    #[test]
    fn a_copy_leads_to_the_same_place_and_what_is_not_open_has_none() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut copied = copy(writer.as_raw_fd()).unwrap();
        assert_ne!(copied.as_raw_fd(), writer.as_raw_fd());
        drop(writer);
        copied.write_all(b"x").unwrap();
        drop(copied);
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert_eq!(read, b"x");
        assert!(copy(-1).is_err());
    }
}
