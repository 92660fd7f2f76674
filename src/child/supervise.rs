//! Starting the child and staying with it: signals both ways, job control, and the exit code that it leaves.

use std::ffi::OsString;
use std::io;
use std::process::Command;

use crate::environment::Environment;
use crate::sys::process;
use crate::sys::process::Change;
use crate::sys::process::Identity;
use crate::sys::process::Limits;
use crate::sys::signal;
use crate::sys::signal::Signals;

/// Signals that are passed on to the child when another process sent them. Those that the terminal sends reach it anyhow: it is
/// in the same process group.
const FORWARDED: [i32; 9] = [
    libc::SIGTERM,
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGWINCH,
    libc::SIGCONT,
    libc::SIGTSTP,
];

/// How the child came to its end, or did not begin.
#[derive(Debug)]
pub(crate) enum End {
    /// It ended; this is its exit code, or 128 and the signal that ended it.
    Code(u8),
    /// It could not be started.
    NotStarted(io::Error),
}

/// Runs the program to its end, as somebody else if that is given. To be called from the main thread: the child asks to be told when the thread that started it
/// dies.
///
/// # Errors
/// When signals can't be caught, or the child can't be waited for.
pub(crate) fn run(
    program: &OsString,
    arguments: &[OsString],
    environment: &Environment,
    limits: Limits,
    identity: Option<Identity>,
) -> io::Result<End> {
    // Before the child is there, so that no signal is lost between.
    let mut signals = catch_signals()?;
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the child is started"
    )]
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(environment.iter());
    process::prepare_child(&mut command, limits, identity);
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Ok(End::NotStarted(error)),
    };
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    loop {
        while let Some(change) = process::change_of(pid)? {
            match change {
                Change::Exited(_) | Change::Killed(_) => return Ok(End::Code(exit_code(change))),
                Change::Stopped(number) => follow_stop(number)?,
                Change::Continued => {}
            }
        }
        let arrived = signals.next()?;
        if arrived.number != libc::SIGCHLD && arrived.sender.is_some_and(|sender| sender != pid) {
            process::send(pid, arrived.number);
        }
    }
}

/// Catches what is forwarded, and the news of the child.
///
/// # Errors
/// Those of sigaction(2).
pub(crate) fn catch_signals() -> io::Result<Signals> {
    let mut numbers = FORWARDED.to_vec();
    numbers.push(libc::SIGCHLD);
    Signals::catch(&numbers)
}

/// Stops with the child, so that the shell gets the terminal back: it watches this process, not the child. A SIGSTOP is followed only
/// in the foreground, where a child that stops itself would leave the terminal to nobody; in the background it was meant for the
/// child alone.
fn follow_stop(number: i32) -> io::Result<()> {
    let follow = match number {
        libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU => process::has_terminal(),
        _ => process::is_in_foreground(),
    };
    if follow { signal::stop_self() } else { Ok(()) }
}

/// The exit code of a shell for this end (POSIX, Shell Command Language, 2.8.2).
pub(crate) fn exit_code(change: Change) -> u8 {
    let code = match change {
        Change::Exited(code) => code,
        Change::Killed(number) => 128 + number,
        Change::Stopped(_) | Change::Continued => 0,
    };
    u8::try_from(code & 0xff).unwrap_or(u8::MAX)
}
