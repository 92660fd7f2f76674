//! What this process was started with, and what a program that it starts gets back: limits, blocked signals, ignored signals.
//!
//! authsome itself has to work whatever it was started with. Someone who blocks SIGCHLD or ignores it, such as a terminal that was
//! itself started from an event loop, would otherwise keep it from noticing that the program has ended.

use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use super::signal;

/// Limits and signals as they were when this process began.
#[derive(Clone, Copy)]
pub(crate) struct Inherited {
    /// Open files: raised here, since each connection takes two.
    files: libc::rlimit,
    /// Size of a core file: zero here.
    core: libc::rlimit,
    /// Blocked signals: none here.
    blocked: libc::sigset_t,
    /// Whether SIGCHLD was ignored: the kernel then reaps children itself, and waiting for one fails.
    ignores_child: bool,
}

impl Inherited {
    /// Replaces what this process was started with by what it needs, and returns what it was. To be called while the process has one
    /// thread: later ones inherit the blocked signals.
    ///
    /// # Errors
    /// When a limit or the signals can't be read or set.
    pub(super) fn replace() -> io::Result<Self> {
        let inherited = Self {
            files: limit(libc::RLIMIT_NOFILE)?,
            core: limit(libc::RLIMIT_CORE)?,
            blocked: signal::set_blocked(&signal::none())?,
            ignores_child: signal::is_ignored(libc::SIGCHLD)?,
        };
        if inherited.ignores_child {
            signal::set_action(libc::SIGCHLD, libc::SIG_DFL, 0)?;
        }
        let no_core = libc::rlimit {
            rlim_cur: 0,
            ..inherited.core
        };
        set_limit(libc::RLIMIT_CORE, no_core)?;
        let files = libc::rlimit {
            rlim_cur: inherited.files.rlim_max,
            ..inherited.files
        };
        // Not being able to raise it is no reason to stop: the limit is then met by refusing connections.
        let _ = set_limit(libc::RLIMIT_NOFILE, files);
        Ok(inherited)
    }

    /// Sets the limits back. Async-signal-safe.
    ///
    /// # Errors
    /// Those of setrlimit(2).
    pub(super) fn restore_limits(&self) -> io::Result<()> {
        set_limit(libc::RLIMIT_NOFILE, self.files)?;
        set_limit(libc::RLIMIT_CORE, self.core)
    }

    /// Sets the signals back, in a process that is about to run another program. Async-signal-safe.
    ///
    /// A signal that has come meanwhile, while all were blocked, does what it would have done to the program alone. So the handlers of
    /// this process go first.
    ///
    /// # Errors
    /// Those of sigaction(2) and sigprocmask(2).
    pub(super) fn restore_signals(&self) -> io::Result<()> {
        signal::drop_handlers()?;
        if self.ignores_child {
            signal::set_action(libc::SIGCHLD, libc::SIG_IGN, 0)?;
        }
        if PIPE_WAS_IGNORED.load(Ordering::Relaxed) {
            signal::set_action(libc::SIGPIPE, libc::SIG_IGN, 0)?;
        }
        signal::set_blocked(&self.blocked).map(drop)
    }
}

/// Whether SIGPIPE was ignored when this process began, as systemd has its services do.
static PIPE_WAS_IGNORED: AtomicBool = AtomicBool::new(false);

/// Makes the C library call [`note_pipe`] before `main`: the Rust runtime then ignores SIGPIPE in any case, and starts programs that
/// don't.
#[used]
#[cfg_attr(target_os = "linux", unsafe(link_section = ".init_array"))]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func"))]
static BEFORE_MAIN: extern "C" fn() = note_pipe;

/// Sets [`PIPE_WAS_IGNORED`].
extern "C" fn note_pipe() {
    if let Ok(is_ignored) = signal::is_ignored(libc::SIGPIPE) {
        PIPE_WAS_IGNORED.store(is_ignored, Ordering::Relaxed);
    }
}

/// The type of a resource's number, which differs between C libraries.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
type Resource = libc::__rlimit_resource_t;
/// The type of a resource's number, which differs between C libraries.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
type Resource = libc::c_int;

/// getrlimit(2).
pub(super) fn limit(resource: Resource) -> io::Result<libc::rlimit> {
    let mut limit = MaybeUninit::<libc::rlimit>::zeroed();
    // SAFETY: writes one rlimit to memory of ours.
    if unsafe { libc::getrlimit(resource, limit.as_mut_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has filled it, and all-zero is valid besides.
    Ok(unsafe { limit.assume_init() })
}

/// setrlimit(2). Async-signal-safe, so it may run between fork and exec.
fn set_limit(resource: Resource, limit: libc::rlimit) -> io::Result<()> {
    // SAFETY: reads one rlimit of ours.
    if unsafe { libc::setrlimit(resource, &raw const limit) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
