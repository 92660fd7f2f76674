//! Starting the child and staying with it: signals both ways, job control, and the exit code that it leaves.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::time::Duration;
use std::time::Instant;

use crate::environment::Environment;
use crate::sys::bystander::Bystander;
use crate::sys::inherited::Inherited;
use crate::sys::process;
use crate::sys::process::Change;
use crate::sys::process::Identity;
use crate::sys::signal;
use crate::sys::signal::Arrived;
use crate::sys::signal::Held;
use crate::sys::signal::Signals;

/// How long after a signal others still count as sent together with it.
const GATHERING: Duration = Duration::from_millis(50);

/// The shell that runs a script without `#!`.
const SHELL: &str = "/bin/sh";

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

/// What must be set up before a secret is read, while the process has one thread.
pub(crate) struct Start {
    /// Limits and signals that this process was started with; the program gets them back.
    inherited: Inherited,
    /// Tells whether a signal went to the program too; `None` where there may be no further process, and on other systems than Linux.
    bystander: Option<Bystander>,
}

impl Start {
    /// Starts the bystander.
    pub(crate) fn new(inherited: Inherited) -> Self {
        Self {
            inherited,
            bystander: Bystander::start().ok(),
        }
    }
}

/// The program to run.
pub(crate) struct Program<'a> {
    /// Name or path.
    pub(crate) name: &'a OsStr,
    /// Arguments behind the program's name.
    pub(crate) arguments: &'a [OsString],
    /// All variables of the program.
    pub(crate) environment: &'a Environment,
    /// The OS user to run as; `None` for this process's own.
    pub(crate) identity: Option<Identity>,
}

/// Runs the program to its end. Call it from the main thread: the kernel signals the child when the thread that started it ends.
///
/// # Errors
/// When signals can't be caught, or the child can't be waited for.
pub(crate) fn run(program: &Program<'_>, start: &mut Start) -> io::Result<End> {
    // Before the child is there, so that no signal is lost between.
    let mut signals = catch_signals()?;
    if let Some(bystander) = &mut start.bystander {
        bystander.heard(); // what came before the program is not for it
    }
    let child = match spawn(program, start.inherited) {
        Ok(child) => child,
        Err(error) => return Ok(End::NotStarted(error)),
    };
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    loop {
        while let Some(change) = process::change_of(pid)? {
            match change {
                Change::Exited(_) | Change::Killed(_) => {
                    if let Some(bystander) = &start.bystander {
                        bystander.dismiss();
                    }
                    return Ok(End::Code(exit_code(change)));
                }
                Change::Stopped(number) => follow_stop(number)?,
                Change::Continued => {}
            }
        }
        let first = signals.next()?;
        if first.number == libc::SIGCHLD {
            continue;
        }
        for number in signals_to_forward(pid, first, &mut signals, start.bystander.as_mut())? {
            process::send(pid, number);
        }
    }
}

/// Starts the program. Signals wait meanwhile, so that none is lost between the handlers of this process and the program's own.
fn spawn(program: &Program<'_>, inherited: Inherited) -> io::Result<Child> {
    let _held = Held::all()?;
    let spawn = |name: &OsStr, script: Option<&Path>| {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is where the child is started"
        )]
        let mut command = Command::new(name);
        command.args(script).args(program.arguments);
        command.env_clear().envs(program.environment.iter());
        process::prepare_child(&mut command, inherited, program.identity);
        command.spawn()
    };
    spawn(program.name, None).or_else(|error| {
        // A script without `#!` is the shell's (POSIX, execvp()). glibc starts it by itself, musl doesn't.
        let is_script = error.raw_os_error() == Some(libc::ENOEXEC);
        match is_script.then(|| path(program)).flatten() {
            Some(script) => spawn(OsStr::new(SHELL), Some(&script)).map_err(|_| error),
            None => Err(error),
        }
    })
}

/// Returns the file that the system runs for the program's name.
fn path(program: &Program<'_>) -> Option<PathBuf> {
    if program.name.as_bytes().contains(&b'/') {
        return Some(PathBuf::from(program.name));
    }
    let path = program.environment.get("PATH")?;
    std::env::split_paths(path)
        .map(|folder| folder.join(program.name))
        .find(|file| {
            file.metadata()
                .is_ok_and(|metadata| metadata.is_file() && metadata.mode() & 0o111 != 0)
        })
}

/// Waits for more signals like the first one, and returns those that the program hasn't heard: they were sent to this process alone.
///
/// Whoever ends a tree of processes, or the processes of a control group, signals one after the other; timeout(1) signals first its
/// child, then its group. So all that comes within [`GATHERING`] counts as sent together.
fn signals_to_forward(
    pid: i32,
    first: Arrived,
    signals: &mut Signals,
    bystander: Option<&mut Bystander>,
) -> io::Result<Vec<i32>> {
    let until = Instant::now() + GATHERING;
    let mut numbers = Vec::new();
    let mut next = Some(first);
    while let Some(arrived) = next {
        let is_foreign = arrived.sender.is_some_and(|sender| sender != pid);
        if is_foreign && arrived.number != libc::SIGCHLD && !numbers.contains(&arrived.number) {
            numbers.push(arrived.number);
        }
        // A stop and a continuation take each other back where they are pending, as they are with the bystander: it is asked at once.
        let is_urgent = [libc::SIGCONT, libc::SIGTSTP].contains(&arrived.number);
        // What the kernel sends, at a key of the terminal, reaches the group.
        next = match numbers.is_empty() || is_urgent {
            true => None,
            false => signals.next_before(until)?,
        };
    }
    if let Some(bystander) = bystander {
        let heard = bystander.heard();
        if process::is_in_own_group(pid) {
            numbers.retain(|number| !heard.has(*number));
        }
    }
    Ok(numbers)
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
