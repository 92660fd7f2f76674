//! A bystander: a process in this one's group that tells whether a signal went to the group.
//!
//! A signal doesn't say whether it was sent to this process alone or to its whole group (kill(2)). Both happen: a supervisor signals
//! the process that it started, a canceled job or timeout(1) signals the group, and some stop every process of a tree. A program in
//! the same group has heard the latter already, and some programs take a second SIGTERM or SIGINT for an order to give up at once.
//!
//! The bystander blocks all signals, so that what it is sent stays pending. It is forked before any secret is read.

use std::io;
use std::io::Read;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;
use std::time::Instant;

use super::environ;
use super::poll;
use super::poll::Watch;
use super::process;
use super::signal;

/// How long an answer may take. A bystander that is busy for longer was stopped, with the whole group.
const PATIENCE: Duration = Duration::from_secs(1);

/// A running bystander, which ends when this value is dropped, and with this process at the latest.
pub(crate) struct Bystander {
    /// The bystander's process number.
    pid: i32,
    /// Carries a byte as the question, and eight bytes as the answer.
    stream: UnixStream,
    /// Whether an answer never came. A late one must not be taken for that to another question.
    is_lost: bool,
}

impl Bystander {
    /// Starts a bystander. To be called from the main thread, while the process has one thread and no secrets.
    ///
    /// # Errors
    /// When there may be no further process, or outside of Linux, where pending signals can't be taken one by one.
    pub(crate) fn start() -> io::Result<Self> {
        let (stream, theirs) = UnixStream::pair()?;
        let parent = process::own_pid();
        match process::fork()? {
            Some(pid) => Ok(Self {
                pid,
                stream,
                is_lost: false,
            }),
            None => {
                drop(stream);
                let _ = stand_by(theirs, parent);
                // SAFETY: ends this process, with nothing run that others have left to be run at its end.
                unsafe { libc::_exit(0) }
            }
        }
    }

    /// Returns the signals that other processes have sent to the bystander since the last call; none if it doesn't answer.
    pub(crate) fn heard(&mut self) -> Heard {
        if self.is_lost {
            return Heard(0);
        }
        let answer = self.ask().or_else(|_| {
            // Whoever stopped the group may have continued this process alone.
            process::send(self.pid, libc::SIGCONT);
            self.answer()
        });
        self.is_lost = answer.is_err();
        Heard(answer.unwrap_or(0))
    }

    /// Ends the bystander. Its end is waited for when this is dropped, and other work may be done meanwhile.
    pub(crate) fn dismiss(&self) {
        process::send(self.pid, libc::SIGKILL);
    }

    /// Sends the question, and waits for the answer.
    fn ask(&mut self) -> io::Result<u64> {
        self.stream.write_all(&[0])?;
        self.answer()
    }

    /// Waits for the answer.
    fn answer(&mut self) -> io::Result<u64> {
        let watch = Watch {
            fd: self.stream.as_fd(),
            read: true,
            write: false,
        };
        let [true] = poll::wait([watch], Some(Instant::now() + PATIENCE))? else {
            return Err(io::ErrorKind::TimedOut.into());
        };
        let mut answer = [0; 8];
        self.stream.read_exact(&mut answer)?;
        Ok(u64::from_ne_bytes(answer))
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        self.dismiss();
        process::wait(self.pid);
    }
}

/// Signals that the bystander has heard: a bit for each number.
#[derive(Clone, Copy)]
pub(crate) struct Heard(u64);

impl Heard {
    /// Returns whether the signal is among them.
    pub(crate) fn has(self, number: i32) -> bool {
        self.0 & bit(number) != 0
    }
}

/// The bit of a signal's number; of none for numbers that no signal has.
fn bit(number: i32) -> u64 {
    u32::try_from(number)
        .ok()
        .and_then(|number| 1_u64.checked_shl(number))
        .unwrap_or(0)
}

/// The bystander's life: blocks everything, and answers until the other end is gone.
#[cfg(target_os = "linux")]
fn stand_by(mut stream: UnixStream, parent: i32) -> io::Result<()> {
    signal::set_blocked(&signal::all())?;
    process::end_with_parent(parent, libc::SIGKILL)?;
    // Whoever picks processes by their words (pkill -f) means the other one.
    environ::wipe(|_| true);
    environ::wipe_arguments()?;
    process::set_name(c"signal-watch");
    close_others(stream.as_raw_fd());
    loop {
        let mut question = [0];
        stream.read_exact(&mut question)?;
        let mut heard = 0;
        while let Some((number, sender)) = signal::take_pending() {
            if sender.is_some_and(|sender| sender != parent) {
                heard |= bit(number);
            }
        }
        stream.write_all(&heard.to_ne_bytes())?;
    }
}

/// Fails: other systems have no bystander.
#[cfg(not(target_os = "linux"))]
fn stand_by(_stream: UnixStream, _parent: i32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Closes all descriptors but one: a pipe that the bystander held open would seem to have a writer, or a reader.
#[cfg(target_os = "linux")]
fn close_others(kept: i32) {
    // Where the kernel is older than 5.9, the descriptors stay open, as they do in the other process.
    let kept = libc::c_ulong::from(kept.unsigned_abs());
    let close = |first: libc::c_ulong, last: libc::c_ulong| {
        let none: libc::c_ulong = 0;
        // SAFETY: three numbers. The descriptors that it closes are used by nothing in this process.
        unsafe { libc::syscall(libc::SYS_close_range, first, last, none) };
    };
    if let Some(before) = kept.checked_sub(1) {
        close(0, before);
    }
    close(kept + 1, libc::c_uint::MAX.into());
}
