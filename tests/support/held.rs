//! What a process holds, as the system tells it. Linux tells; elsewhere nothing is known, and equal to itself.

use std::fs;

use super::wait_until;

/// Threads and descriptors of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// Threads.
    pub(crate) threads: Option<usize>,
    /// Descriptors but that of the log, which is opened at the first request and stays: only root sees those of a process that is not
    /// dumpable.
    pub(crate) files: Option<usize>,
}

impl Held {
    /// What the process holds now.
    pub(crate) fn by(pid: u32) -> Self {
        let files = fs::read_dir(format!("/proc/{pid}/fd"));
        let is_log = |entry: &fs::DirEntry| {
            fs::read_link(entry.path()).is_ok_and(|path| path.ends_with("audit.log"))
        };
        Self {
            threads: figure(pid, "Threads"),
            files: files
                .ok()
                .map(|files| files.flatten().filter(|entry| !is_log(entry)).count()),
        }
    }

    /// What a run holds while nobody is connected to it: it has its first thread, and the one that accepts.
    pub(crate) fn at_rest(pid: u32) -> Self {
        let is_at_rest = || figure(pid, "Threads").is_none_or(|threads| threads == 2);
        wait_until("nobody is connected", is_at_rest);
        Self::by(pid)
    }

    /// Waits until the process holds no more than this again.
    pub(crate) fn wait_for(self, pid: u32) {
        let what = format!("process {pid} holds no more than {self:?} as before");
        wait_until(&what, || {
            let now = Self::by(pid);
            now.threads <= self.threads && now.files <= self.files
        });
    }
}

/// The most memory that the process had at once, in KiB.
pub(crate) fn peak_memory(pid: u32) -> Option<usize> {
    figure(pid, "VmHWM")
}

/// The memory that the process has now, in KiB.
pub(crate) fn memory(pid: u32) -> Option<usize> {
    figure(pid, "VmRSS")
}

/// A figure of the process's status.
fn figure(pid: u32, name: &str) -> Option<usize> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}
