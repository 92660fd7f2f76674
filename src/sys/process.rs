//! Processes: what a child inherits, how it ended, and what others may see of this one.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::inherited;
use super::inherited::Inherited;
#[cfg(target_os = "linux")]
use super::landlock;
#[cfg(target_os = "linux")]
use super::landlock::Scoped;

/// What became of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It ended with this exit code.
    Exited(i32),
    /// This signal ended it.
    Killed(i32),
    /// This signal stopped it.
    Stopped(i32),
    /// It goes on after a stop.
    Continued,
}

/// Keeps this process's memory and environment from other processes of the same user: no ptrace, no `/proc/PID/mem`, `environ`
/// or `fd`, no core file. Also raises the limit of open files to what is allowed, and makes signals arrive that this process was
/// started to block. Returns what the program gets back.
///
/// # Errors
/// When a limit or the signals can't be read, or the process can't be made undumpable.
pub(crate) fn harden() -> io::Result<Inherited> {
    #[cfg(target_os = "linux")]
    // SAFETY: PR_SET_DUMPABLE takes one number.
    if unsafe { libc::prctl(libc::PR_SET_DUMPABLE, NONE, NONE, NONE, NONE) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Inherited::replace()
}

/// How many files this process may have open.
pub(crate) fn open_files() -> usize {
    // Where it can't be read, it is met by refusing connections.
    inherited::limit(libc::RLIMIT_NOFILE).map_or(usize::MAX, |limit| {
        usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
    })
}

/// How large a file may become that this process writes to. A write beyond it ends the process by a signal.
pub(crate) fn file_size() -> u64 {
    inherited::limit(libc::RLIMIT_FSIZE).map_or(u64::MAX, |limit| limit.rlim_cur)
}

/// Whether other processes of the same user can look into this one; `None` where that can't be asked.
pub(crate) fn is_dumpable() -> Option<bool> {
    #[cfg(target_os = "linux")]
    // SAFETY: PR_GET_DUMPABLE takes nothing.
    match unsafe { libc::prctl(libc::PR_GET_DUMPABLE, NONE, NONE, NONE, NONE) } {
        0 => Some(false),
        1.. => Some(true),
        _ => None,
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// Whether a crash could leave this process's memory in a file.
///
/// # Errors
/// When the limit can't be read.
pub(crate) fn can_leave_core() -> io::Result<bool> {
    Ok(inherited::limit(libc::RLIMIT_CORE)?.rlim_cur > 0)
}

/// An argument of prctl(2) that is zero or not used. It reads each as a long, so an int would leave half of it to chance.
#[cfg(target_os = "linux")]
const NONE: libc::c_ulong = 0;

/// A user and a group, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The user.
    pub(crate) user: u32,
    /// The group.
    pub(crate) group: u32,
}

/// Has this process be somebody else, for good: no other groups, no way back, no program that would give more rights (setuid, file
/// capabilities) does so from here on, none of the keys that the kernel keeps for this user, and where the kernel can do it, other
/// processes of that user are out of its reach. `may_ask` is what [`may_ask_for_domain`] says. Async-signal-safe.
fn become_user(identity: Identity, may_ask: bool) -> io::Result<()> {
    // SAFETY: no groups, so no memory is read.
    if unsafe { libc::setgroups(0, std::ptr::null()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: takes a plain number.
    if unsafe { libc::setgid(identity.group) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: takes a plain number.
    if unsafe { libc::setuid(identity.user) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // Some ways of starting this process let capabilities outlive the change (securebits).
    // SAFETY: takes a plain number.
    if unsafe { libc::setuid(0) } == 0 {
        return Err(io::Error::from_raw_os_error(libc::EPERM));
    }
    #[cfg(target_os = "linux")]
    {
        // Where there are none of these, there is nothing to clear.
        // SAFETY: two numbers, and others that are not used.
        unsafe { libc::prctl(libc::PR_CAP_AMBIENT, CLEAR_AMBIENT, NONE, NONE, NONE) };
        if may_ask {
            leave_session_keyring();
        }
        let on: libc::c_ulong = 1;
        // SAFETY: PR_SET_NO_NEW_PRIVS takes one number, and wants zeros behind it.
        if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, on, NONE, NONE, NONE) } < 0 {
            return Err(io::Error::last_os_error());
        }
        if may_ask {
            match landlock::scope(landlock::SIGNALS | landlock::ABSTRACT_SOCKETS)? {
                Scoped::Done | Scoped::Unknown => {}
                Scoped::NotAllowed => return Err(io::Error::from_raw_os_error(libc::EPERM)),
            }
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = may_ask;
    Ok(())
}

/// Returns whether the kernel can be asked for a domain of Landlock's, and for a keyring. A filter of system calls that doesn't know the
/// question may end whoever asks it, as those of an older systemd do (`SystemCallFilter=`); so where there is a filter, another process asks first.
#[cfg(target_os = "linux")]
fn may_ask_for_domain() -> bool {
    // SAFETY: PR_GET_SECCOMP takes nothing.
    let filters = unsafe { libc::prctl(libc::PR_GET_SECCOMP, NONE, NONE, NONE, NONE) };
    if filters == 0 {
        return true;
    }
    // SAFETY: the new process makes only system calls, none of which needs what another thread may hold.
    match unsafe { libc::fork() } {
        0 => {
            leave_session_keyring();
            let _ = landlock::scope(landlock::SIGNALS);
            // SAFETY: ends this process, with nothing run that others have left to be run at its end.
            unsafe { libc::_exit(0) }
        }
        pid @ 1.. => {
            let end = wait_pid(pid, 0).ok().flatten();
            end.and_then(|(_, status)| change(status)) == Some(Change::Exited(0))
        }
        // Then the program can't be started either.
        _ => true,
    }
}

/// Nothing is asked for elsewhere.
#[cfg(not(target_os = "linux"))]
fn may_ask_for_domain() -> bool {
    false
}

/// Gives this process a session keyring of its own. Keys are reached by whoever has the keyring that they are linked to (keyrings(7)), and
/// a change of user leaves that as it is. Where the call isn't there, or is kept away, there are none to reach. Async-signal-safe.
#[cfg(target_os = "linux")]
fn leave_session_keyring() {
    /// KEYCTL_JOIN_SESSION_KEYRING of linux/keyctl.h; without a name the keyring is a new one.
    const JOIN: libc::c_ulong = 1;

    // SAFETY: keyctl(2) with a number and no name; no memory is read.
    unsafe { libc::syscall(libc::SYS_keyctl, JOIN, NONE, NONE, NONE, NONE) };
}

/// PR_CAP_AMBIENT_CLEAR_ALL of linux/prctl.h.
#[cfg(target_os = "linux")]
const CLEAR_AMBIENT: libc::c_ulong = 4;

/// Whether somebody else can read a file; found out by a process that becomes them, as the child will.
///
/// # Errors
/// When this process can't have another be somebody else.
pub(crate) fn can_be_read_by(identity: Identity, path: &CStr) -> io::Result<bool> {
    const UNREADABLE: libc::c_int = 255;

    let may_ask = may_ask_for_domain();
    // SAFETY: the new process makes only system calls, none of which needs what another thread may hold.
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    if pid == 0 {
        let code = match become_user(identity, may_ask) {
            // SAFETY: reads a string that ends with a zero.
            Ok(()) if unsafe { libc::open(path.as_ptr(), libc::O_RDONLY) } < 0 => UNREADABLE,
            Ok(()) => 0,
            Err(error) => error.raw_os_error().unwrap_or(libc::EINVAL),
        };
        // SAFETY: ends this process, with nothing run that others have left to be run at its end.
        unsafe { libc::_exit(code) };
    }
    match wait_pid(pid, 0)?.and_then(|(_, status)| change(status)) {
        Some(Change::Exited(0)) => Ok(true),
        Some(Change::Exited(UNREADABLE)) => Ok(false),
        Some(Change::Exited(code)) => Err(io::Error::from_raw_os_error(code)),
        _ => Err(io::ErrorKind::Interrupted.into()),
    }
}

/// Prepares the child between fork and exec: changes its user if requested, isolates it from other processes where the kernel
/// can, requests SIGTERM for the parent's death, and restores the limits and signals that this process was started with.
///
/// For a child of the same user the abstract sockets of others stay open: some of root's tools, and of desktops, are reached by them.
///
/// The parent's death is judged by the *thread* that forked (prctl(2)): spawn from the main thread.
pub(crate) fn prepare_child(
    command: &mut Command,
    inherited: Inherited,
    identity: Option<Identity>,
) {
    let parent = own_pid();
    let may_ask = may_ask_for_domain();
    let before_exec = move || {
        inherited.restore_limits()?;
        // The wish for a signal must come afterwards: a change of user takes it back.
        match identity {
            Some(identity) => become_user(identity, may_ask)?,
            // It needs CAP_SYS_ADMIN or no_new_privs; without them the child is as free as any.
            #[cfg(target_os = "linux")]
            None if may_ask => {
                let _ = landlock::scope(landlock::SIGNALS);
            }
            None => {}
        }
        // If the parent died before the request, the kernel would never send the signal.
        #[cfg(target_os = "linux")]
        end_with_parent(parent, libc::SIGTERM)?;
        #[cfg(not(target_os = "linux"))]
        is_child_of(parent)?;
        // Last: signals that have been held back until now end the child here, or wait for the program.
        inherited.restore_signals()
    };
    // SAFETY: the closure makes system calls only: no allocation, no lock.
    unsafe { command.pre_exec(before_exec) };
}

/// Asks for a signal when the thread that started this process dies; `parent` is its process. Async-signal-safe.
///
/// # Errors
/// When it has died already.
#[cfg(target_os = "linux")]
pub(super) fn end_with_parent(parent: i32, signal: i32) -> io::Result<()> {
    let signal = libc::c_ulong::from(signal.unsigned_abs());
    // SAFETY: PR_SET_PDEATHSIG takes one number.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal, NONE, NONE, NONE) } < 0 {
        return Err(io::Error::last_os_error());
    }
    is_child_of(parent)
}

/// Fails if the process is no child of `parent`, which then has died. Async-signal-safe.
fn is_child_of(parent: i32) -> io::Result<()> {
    // SAFETY: takes nothing, cannot fail.
    match unsafe { libc::getppid() } == parent {
        true => Ok(()),
        false => Err(io::Error::from_raw_os_error(libc::ESRCH)),
    }
}

/// Sets the name that ps(1) and pkill(1) know this process by: at most 15 bytes of it.
#[cfg(target_os = "linux")]
pub(super) fn set_name(name: &CStr) {
    // SAFETY: PR_SET_NAME reads a string that ends with a zero.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), NONE, NONE, NONE) };
}

/// Returns whether the process is in the same group as this one, so that what is sent to the group reaches both.
pub(crate) fn is_in_own_group(pid: i32) -> bool {
    // SAFETY: takes a number; a process that is gone has no group.
    let group = unsafe { libc::getpgid(pid) };
    // SAFETY: takes nothing, cannot fail.
    group == unsafe { libc::getpgrp() }
}

/// Waits for the end of a child, whatever it is.
pub(super) fn wait(pid: i32) {
    let _ = wait_pid(pid, 0);
}

/// This process's number.
pub(crate) fn own_pid() -> i32 {
    // SAFETY: takes nothing, cannot fail.
    unsafe { libc::getpid() }
}

/// Sends a signal. A process that is gone is no error worth telling.
pub(crate) fn send(pid: i32, signal: i32) {
    // SAFETY: two plain numbers.
    unsafe { libc::kill(pid, signal) };
}

/// What has become of the child since the last call, if anything. Never waits.
///
/// # Errors
/// When `pid` is no child of this process.
pub(crate) fn change_of(pid: i32) -> io::Result<Option<Change>> {
    let found = wait_pid(pid, libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED)?;
    Ok(found.and_then(|(_, status)| change(status)))
}

/// Reaps a child that has ended, without waiting.
///
/// # Errors
/// When there is no child.
pub(crate) fn reap_now() -> io::Result<Option<(i32, Option<Change>)>> {
    Ok(wait_pid(-1, libc::WNOHANG)?.map(|(pid, status)| (pid, change(status))))
}

/// waitpid(2), again when a signal comes between.
fn wait_pid(pid: i32, flags: i32) -> io::Result<Option<(i32, i32)>> {
    loop {
        let mut status = 0;
        // SAFETY: writes one int of ours.
        let found = unsafe { libc::waitpid(pid, &raw mut status, flags) };
        match found {
            0 => return Ok(None),
            1.. => return Ok(Some((found, status))),
            _ => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}

/// A status of waitpid(2) in words.
fn change(status: i32) -> Option<Change> {
    if libc::WIFEXITED(status) {
        Some(Change::Exited(libc::WEXITSTATUS(status)))
    } else if libc::WIFSIGNALED(status) {
        Some(Change::Killed(libc::WTERMSIG(status)))
    } else if libc::WIFSTOPPED(status) {
        Some(Change::Stopped(libc::WSTOPSIG(status)))
    } else if libc::WIFCONTINUED(status) {
        Some(Change::Continued)
    } else {
        None
    }
}

/// Makes a second process of this one: `None` in the new one, its number in the old one.
///
/// Only for a process that still has one thread.
///
/// # Errors
/// Those of fork(2).
pub(crate) fn fork() -> io::Result<Option<i32>> {
    // SAFETY: called before any thread is started, so the new process has all that the old one had.
    match unsafe { libc::fork() } {
        0 => Ok(None),
        pid @ 1.. => Ok(Some(pid)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The effective user of this process.
pub(crate) fn user() -> u32 {
    // SAFETY: takes nothing, cannot fail.
    unsafe { libc::geteuid() }
}

/// Whether there is a controlling terminal, and so a shell that would continue a stopped process.
pub(crate) fn has_terminal() -> bool {
    File::open(TERMINAL).is_ok()
}

/// Whether this process's group is the one that the controlling terminal talks to.
pub(crate) fn is_in_foreground() -> bool {
    File::open(TERMINAL).is_ok_and(|terminal| {
        // SAFETY: a descriptor that is open.
        let front = unsafe { libc::tcgetpgrp(terminal.as_raw_fd()) };
        // SAFETY: takes nothing, cannot fail.
        front == unsafe { libc::getpgrp() }
    })
}

/// The controlling terminal, whichever it is.
pub(super) const TERMINAL: &str = "/dev/tty";

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// An instruction of a filter (linux/filter.h).
    fn instruction(code: u16, skip: u8, value: u32) -> libc::sock_filter {
        libc::sock_filter {
            code,
            jt: 0,
            jf: skip,
            k: value,
        }
    }

    #[test]
    fn a_filter_that_ends_who_asks_for_a_domain_ends_no_program() {
        assert!(may_ask_for_domain());
        // A filter is its thread's alone.
        let filtered = |outcome: u32| {
            let asks = move || {
                let number = u32::try_from(libc::SYS_landlock_create_ruleset).unwrap();
                let mut filter = [
                    instruction(0x20, 0, 0),      // load the number of the call
                    instruction(0x15, 1, number), // go on if it is this one
                    instruction(0x06, 0, outcome),
                    instruction(0x06, 0, libc::SECCOMP_RET_ALLOW),
                ];
                let filter = libc::sock_fprog {
                    len: 4,
                    filter: filter.as_mut_ptr(),
                };
                let on: libc::c_ulong = 1;
                let kind = libc::c_ulong::from(libc::SECCOMP_MODE_FILTER);
                // SAFETY: PR_SET_NO_NEW_PRIVS takes one number, and wants zeros behind it.
                let done = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, on, NONE, NONE, NONE) };
                assert_eq!(done, 0);
                // SAFETY: reads a filter of ours.
                let done = unsafe { libc::prctl(libc::PR_SET_SECCOMP, kind, &raw const filter) };
                assert_eq!(done, 0);
                may_ask_for_domain()
            };
            std::thread::scope(|scope| scope.spawn(asks).join().unwrap())
        };
        assert!(!filtered(libc::SECCOMP_RET_KILL_PROCESS));
        let refused = libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();
        assert!(filtered(refused));
    }
}
