//! Signals as a stream of values: a handler notes each one in a pipe, a thread reads them in order.
//!
//! Handlers, not `SIG_IGN`: an ignored signal stays ignored in the child after exec, a handled one is reset to its default.

use std::io;
use std::io::PipeReader;
use std::io::Read;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;
use std::os::fd::FromRawFd;
use std::os::fd::IntoRawFd;
use std::os::fd::OwnedFd;
use std::os::fd::RawFd;
use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::poll;
use super::poll::Watch;

/// Where the handler writes; negative while no [`Signals`] are there.
static PIPE: AtomicI32 = AtomicI32::new(FREE);

/// What is there then. Writing to it is an error, and no harm.
const FREE: i32 = -1;

/// Bytes of one note in the pipe: the signal's number and its sender, both native-endian. Below `PIPE_BUF`, so writes are whole.
const NOTE: usize = 8;

/// One signal that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    /// Its number.
    pub(crate) number: i32,
    /// The process that sent it; `None` when the kernel did (a key at the terminal, a hang-up, a child that ended).
    pub(crate) sender: Option<i32>,
}

/// The signals caught from here on. One at a time: the handlers are the process's, and so is the pipe that they write to.
pub(crate) struct Signals {
    /// Where the notes come out.
    reader: PipeReader,
    /// Where they go in.
    writer: RawFd,
}

impl Signals {
    /// Catches the given signals, but for those that this process was told to ignore (nohup, a shell's background job): the
    /// child shall inherit that. SIGCHLD is caught in any case.
    ///
    /// # Errors
    /// `ResourceBusy` while others are there, which go on as they are; when the pipe can't be made or a handler can't be set.
    pub(crate) fn catch(numbers: &[i32]) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        // SAFETY: fcntl on a descriptor that this function has just made.
        if unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) } < 0 {
            return Err(io::Error::last_os_error());
        }
        PIPE.compare_exchange(
            FREE,
            writer.as_raw_fd(),
            Ordering::AcqRel,
            Ordering::Acquire,
        )
        .map_err(|_| {
            io::Error::new(
                io::ErrorKind::ResourceBusy,
                "signals are waited for elsewhere",
            )
        })?;
        let writer = writer.into_raw_fd();
        let caught = Self { reader, writer };
        for &number in numbers {
            if number == libc::SIGCHLD || !is_ignored(number)? {
                set_handler(number)?;
            }
        }
        Ok(caught)
    }

    /// Gives the signals back to the system: each does again what it does by default.
    ///
    /// # Errors
    /// When that can't be set.
    pub(crate) fn release(self, numbers: &[i32]) -> io::Result<()> {
        for &number in numbers {
            if !is_ignored(number)? {
                set_action(number, libc::SIG_DFL, 0)?;
            }
        }
        let writer = self.writer;
        drop(self);
        // After the handlers, so that none meets a descriptor that is somebody else's by now.
        // SAFETY: `catch` made it, and nothing else has closed it.
        drop(unsafe { OwnedFd::from_raw_fd(writer) });
        Ok(())
    }

    /// Gives the signals back to the system, and ends this process as this one of them does by default.
    pub(crate) fn end_process(self, numbers: &[i32], number: i32) -> ! {
        if self.release(numbers).is_ok() {
            // SAFETY: raise takes a plain number. The thread that calls it gets the signal before it returns.
            unsafe { libc::raise(number) };
        }
        // Process 1 has no default actions.
        std::process::exit(128 + number)
    }

    /// What to wait on for the next one.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    /// The next signal; waits for it.
    ///
    /// # Errors
    /// Those of reading the pipe, which has no reason to fail.
    pub(crate) fn next(&mut self) -> io::Result<Arrived> {
        let mut note = [0; NOTE];
        self.reader.read_exact(&mut note)?;
        let [a, b, c, d, e, f, g, h] = note;
        let sender = i32::from_ne_bytes([e, f, g, h]);
        Ok(Arrived {
            number: i32::from_ne_bytes([a, b, c, d]),
            sender: (sender > 0).then_some(sender),
        })
    }

    /// The next signal, if it comes before the deadline.
    ///
    /// # Errors
    /// Those of poll(2) and of reading the pipe.
    pub(crate) fn next_before(&mut self, deadline: Instant) -> io::Result<Option<Arrived>> {
        let watch = Watch {
            fd: self.reader.as_fd(),
            read: true,
            write: false,
        };
        match poll::wait([watch], Some(deadline))? {
            [true] => self.next().map(Some),
            [false] => Ok(None),
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // The descriptor stays open: a handler may be about to write to it.
        let _ = PIPE.compare_exchange(self.writer, FREE, Ordering::AcqRel, Ordering::Acquire);
    }
}

/// Returns whether the signal is ignored. Async-signal-safe.
///
/// # Errors
/// When there is no such signal.
pub(super) fn is_ignored(number: i32) -> io::Result<bool> {
    Ok(action(number)? == libc::SIG_IGN)
}

/// Returns what the signal does: a handler's address, `SIG_DFL` or `SIG_IGN`.
fn action(number: i32) -> io::Result<libc::sighandler_t> {
    let mut old = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a null new action only asks for the old one, written to a sigaction of ours.
    if unsafe { libc::sigaction(number, std::ptr::null(), old.as_mut_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: sigaction succeeded and zeroed memory is a valid sigaction besides.
    Ok(unsafe { old.assume_init() }.sa_sigaction)
}

/// Has each signal that has a handler do what it does by default. Async-signal-safe.
///
/// # Errors
/// Those of sigaction(2).
pub(super) fn drop_handlers() -> io::Result<()> {
    /// The last of the signals that have names; the C library keeps some of those behind it for itself.
    const LAST: i32 = 31;

    for number in 1..=LAST {
        if ![libc::SIG_DFL, libc::SIG_IGN].contains(&action(number)?) {
            set_action(number, libc::SIG_DFL, 0)?;
        }
    }
    Ok(())
}

/// Returns a set of no signals.
pub(super) fn none() -> libc::sigset_t {
    let mut set = MaybeUninit::zeroed();
    // SAFETY: writes a set of ours.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: the call has filled it, and cannot fail.
    unsafe { set.assume_init() }
}

/// Returns the set of all signals.
pub(super) fn all() -> libc::sigset_t {
    let mut set = MaybeUninit::zeroed();
    // SAFETY: writes a set of ours.
    unsafe { libc::sigfillset(set.as_mut_ptr()) };
    // SAFETY: the call has filled it, and cannot fail.
    unsafe { set.assume_init() }
}

/// Blocks the signals of the set, and no others, for the calling thread; returns those that were blocked before. Async-signal-safe.
///
/// # Errors
/// Those of sigprocmask(2).
pub(super) fn set_blocked(set: &libc::sigset_t) -> io::Result<libc::sigset_t> {
    let mut old = none();
    // SAFETY: reads one set and writes another, both of ours.
    match unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, set, &raw mut old) } {
        0 => Ok(old),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Takes one of the pending signals that the calling thread blocks, with its sender if a process has sent it. Never waits.
#[cfg(target_os = "linux")]
pub(super) fn take_pending() -> Option<(i32, Option<i32>)> {
    let (every, now) = (
        all(),
        libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        },
    );
    let mut info = MaybeUninit::zeroed();
    // SAFETY: reads a set and a time of ours, and writes a siginfo_t of ours.
    let number = unsafe { libc::sigtimedwait(&raw const every, info.as_mut_ptr(), &raw const now) };
    // SAFETY: all-zero is a valid siginfo_t.
    (number > 0).then(|| (number, sender(unsafe { info.assume_init_ref() })))
}

/// The process that has sent a signal; `None` if it was the kernel.
fn sender(info: &libc::siginfo_t) -> Option<i32> {
    // A code above zero is the kernel's own (SI_KERNEL, CLD_EXITED): there is no sender to name.
    if info.si_code > 0 {
        return None;
    }
    // SAFETY: for signals sent by a process the field is filled in.
    match unsafe { info.si_pid() } {
        0 => Some(i32::MAX), // from outside this pid namespace: a sender without a number here
        sender => Some(sender),
    }
}

/// Signals that the calling thread doesn't get until this is dropped: they wait.
pub(crate) struct Held(libc::sigset_t);

impl Held {
    /// Holds all signals back.
    ///
    /// # Errors
    /// Those of sigprocmask(2).
    pub(crate) fn all() -> io::Result<Self> {
        set_blocked(&all()).map(Self)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = set_blocked(&self.0);
    }
}

/// Points the signal at [`note`].
fn set_handler(number: i32) -> io::Result<()> {
    let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) = note;
    set_action(
        number,
        handler as libc::sighandler_t,
        libc::SA_SIGINFO | libc::SA_RESTART,
    )
}

/// sigaction(2) with an empty mask. Async-signal-safe.
///
/// # Errors
/// Those of sigaction(2).
pub(super) fn set_action(
    number: i32,
    action: libc::sighandler_t,
    flags: libc::c_int,
) -> io::Result<()> {
    // SAFETY: all-zero is a valid sigaction: default action, empty mask, no flags.
    let mut new: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    new.sa_sigaction = action;
    new.sa_flags = flags;
    // SAFETY: `new` is a whole sigaction; the old one isn't asked for.
    if unsafe { libc::sigaction(number, &raw const new, std::ptr::null_mut()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Stops this process as the terminal's suspend key would, and returns when it is continued. Does nothing in an orphaned process
/// group, where nobody could continue it (POSIX, 2.4.3).
///
/// # Errors
/// Those of sigaction(2).
pub(crate) fn stop_self() -> io::Result<()> {
    set_action(libc::SIGTSTP, libc::SIG_DFL, 0)?;
    // SAFETY: raise takes a plain number.
    unsafe { libc::raise(libc::SIGTSTP) };
    set_handler(libc::SIGTSTP)
}

/// The handler: notes the signal in the pipe. Only async-signal-safe calls, and errno as it was.
extern "C" fn note(number: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: errno's address is valid for the thread's life.
    let errno = unsafe { &mut *errno_address() };
    let saved = *errno;
    // SAFETY: with SA_SIGINFO the kernel passes a valid siginfo_t.
    let info = unsafe { &*info };
    let sender = sender(info).unwrap_or(0);
    let [a, b, c, d] = number.to_ne_bytes();
    let [e, f, g, h] = sender.to_ne_bytes();
    let bytes = [a, b, c, d, e, f, g, h];
    // SAFETY: writes NOTE bytes of a local array; a full pipe loses the note, which then has 8,191 before it.
    unsafe { libc::write(PIPE.load(Ordering::Acquire), bytes.as_ptr().cast(), NOTE) };
    *errno = saved;
}

/// The thread's errno.
fn errno_address() -> *mut i32 {
    #[cfg(target_os = "linux")]
    // SAFETY: takes nothing, cannot fail.
    unsafe {
        libc::__errno_location()
    }
    #[cfg(not(target_os = "linux"))]
    // SAFETY: takes nothing, cannot fail.
    unsafe {
        libc::__error()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_signals_is_not_cut_off_by_another_who_would() {
        let mut first = Signals::catch(&[libc::SIGUSR2]).unwrap();
        let second = Signals::catch(&[libc::SIGUSR2]);
        let error = second.err().expect("one at a time");
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
        // SAFETY: raise takes a plain number.
        unsafe { libc::raise(libc::SIGUSR2) };
        assert_eq!(first.next().unwrap().number, libc::SIGUSR2);
        first.release(&[libc::SIGUSR2]).unwrap();
        Signals::catch(&[libc::SIGUSR2])
            .and_then(|third| third.release(&[libc::SIGUSR2]))
            .unwrap();
    }
}
