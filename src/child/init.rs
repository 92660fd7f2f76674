//! Being process 1, a container's entry point: nobody else reaps orphans there, and the kernel drops signals that process 1 has no
//! handler for.
//!
//! The work is done by a second process, so that what is reaped here can never be a child that the work waits for.

use std::io;
use std::os::fd::IntoRawFd;

use super::supervise;
use crate::environment::Environment;
use crate::sys::environ;
use crate::sys::manager;
use crate::sys::process;

/// What the caller is from here on.
pub(crate) enum Role {
    /// The one that does the work.
    Worker {
        /// Whether it was split off from process 1: what was handed to that is its own then.
        is_split: bool,
    },
    /// Process 1, whose work is done: the exit code is the worker's.
    Done(u8),
}

/// In process 1: starts the worker, forwards signals to it and reaps orphans until it ends. Elsewhere it does nothing.
///
/// To be called while the process has one thread.
///
/// # Errors
/// When no second process can be made.
pub(crate) fn split_if_first() -> io::Result<Role> {
    if process::own_pid() != 1 {
        return Ok(Role::Worker { is_split: false });
    }
    // Before anything is opened, which would have its number.
    let given = {
        let own = Environment::of_process();
        manager::given(own.text("LISTEN_PID"), own.text("LISTEN_FDS"))
    };
    let mut signals = supervise::catch_signals()?;
    let Some(worker) = process::fork()? else {
        // It stays open for this one to take.
        given.map(IntoRawFd::into_raw_fd);
        return Ok(Role::Worker { is_split: true });
    };
    // A socket that stays open here would listen on when the worker does no more.
    drop(given);
    // The worker has its own copy, and nothing is read from this one any more.
    environ::wipe(|_| true);
    loop {
        while let Ok(Some((pid, change))) = process::reap_now() {
            if let Some(change) = change
                && pid == worker
            {
                return Ok(Role::Done(supervise::exit_code(change)));
            }
        }
        let arrived = signals.next()?;
        if arrived.number != libc::SIGCHLD && arrived.sender.is_some() {
            process::send(worker, arrived.number);
        }
    }
}
