//! How much is held open at once: what was asked for, as far as the system lets this process have files open.

use crate::upstream::pool;

/// Connections beyond the limit that are told so at once, at the most; more are closed without a word.
const TURNED_AWAY: usize = 64;

/// Files for everything else, at the most: those turned away, addresses that are tried side by side, sources, the vault.
const OTHER_FILES: usize = 2 * TURNED_AWAY;

/// How much is held open at once, at the most.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Capacity {
    /// Connections of clients that are served. Each takes two files: itself, and one to its origin.
    pub(crate) connections: usize,
    /// Connections that are told that there are too many.
    pub(crate) turned_away: usize,
    /// Idle connections to origins.
    pub(crate) idle: usize,
}

impl Capacity {
    /// For so many connections, in a process that may have so many files open. Were more served than there are files for, the
    /// others would wait without a word, and those that are served could reach nothing.
    pub(crate) fn new(wanted: usize, files: usize) -> Self {
        let others = OTHER_FILES.min(files / 4);
        let idle = pool::MAX_ALL.min(files / 8);
        let room = (files - others - idle) / 2;
        Self {
            connections: wanted.min(room.max(1)),
            turned_away: others / 2,
            idle,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_is_served_where_there_are_files_for_it() {
        for (wanted, files) in [(1024, 4096), (1, 4096), (100_000, usize::MAX)] {
            let capacity = Capacity::new(wanted, files);
            assert_eq!(capacity.connections, wanted, "{files}");
            assert_eq!((capacity.turned_away, capacity.idle), (64, 256));
        }
    }

    #[test]
    fn few_files_are_never_promised_twice() {
        for files in 0..2000 {
            let capacity = Capacity::new(1024, files);
            let taken = 2 * capacity.connections + capacity.turned_away + capacity.idle;
            assert!(taken <= files.max(2), "{files}: {capacity:?}");
            assert!(capacity.connections > 0);
        }
        assert_eq!(Capacity::new(1024, 1024).connections, 384);
    }
}
