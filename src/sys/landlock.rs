//! Landlock's scopes (landlock(7), Linux 6.12): a domain that restricts no file and no socket of the network, but keeps a process and
//! all that it starts from other processes: no ptrace(2) of them, no `/proc/PID/environ` or `mem`, no signals.

use std::io;

/// LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET of linux/landlock.h: no connections to sockets without a file that are others'.
pub(crate) const ABSTRACT_SOCKETS: u64 = 1;

/// LANDLOCK_SCOPE_SIGNAL of linux/landlock.h: no signals to others.
pub(crate) const SIGNALS: u64 = 2;

/// struct landlock_ruleset_attr of linux/landlock.h.
#[repr(C)]
struct Attributes {
    /// Rights to files that the domain restricts: none here.
    handled_access_fs: u64,
    /// Rights to ports that the domain restricts: none here.
    handled_access_net: u64,
    /// Kinds of access that stay within the domain.
    scoped: u64,
}

/// The outcome of [`scope`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scoped {
    /// The caller is in a domain of its own.
    Done,
    /// The kernel has no scopes, or a container's filter of system calls keeps them away.
    Unknown,
    /// The caller has neither CAP_SYS_ADMIN nor no_new_privs.
    NotAllowed,
}

/// Puts the calling thread, and what it starts, into a domain with these scopes. Async-signal-safe.
///
/// # Errors
/// Those of the kernel that [`Scoped`] has no word for.
pub(crate) fn scope(scopes: u64) -> io::Result<Scoped> {
    let attributes = Attributes {
        handled_access_fs: 0,
        handled_access_net: 0,
        scoped: scopes,
    };
    let none: libc::c_ulong = 0;
    // SAFETY: reads `attributes`, as many bytes as it has.
    let ruleset = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            &raw const attributes,
            size_of::<Attributes>(),
            none,
        )
    };
    if ruleset < 0 {
        let error = io::Error::last_os_error();
        return match error.raw_os_error() {
            // No Landlock; not switched on; an older one, which knows no scopes; a filter.
            Some(
                libc::ENOSYS
                | libc::EOPNOTSUPP
                | libc::E2BIG
                | libc::EINVAL
                | libc::ENOMSG
                | libc::EPERM,
            ) => Ok(Scoped::Unknown),
            _ => Err(error),
        };
    }
    // SAFETY: a descriptor that was made just now, and no flags.
    let restricted = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset, none) };
    let error = io::Error::last_os_error();
    if let Ok(ruleset) = libc::c_int::try_from(ruleset) {
        // SAFETY: it is open, and nobody else has it.
        unsafe { libc::close(ruleset) };
    }
    match restricted {
        0 => Ok(Scoped::Done),
        _ if error.raw_os_error() == Some(libc::EPERM) => Ok(Scoped::NotAllowed),
        _ => Err(error),
    }
}
