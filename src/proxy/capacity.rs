//! How much is held open at once: what was asked for, as far as the system lets this process have files open.

use crate::upstream::pool;

/// Connections beyond the limit that are told so at once, at the most; more are closed without a word.
const TURNED_AWAY: usize = 64;

/// Strangers that a service lets in, at the least.
const MIN_STRANGERS: usize = 16;

/// Files for everything else, at the most: those turned away, addresses that are tried side by side, sources, the vault.
const OTHER_FILES: usize = 2 * TURNED_AWAY;

/// How much is held open at once, at the most.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Capacity {
    /// Connections of clients that are served. Each takes two files: itself, and one to its origin.
    pub(crate) connections: usize,
    /// Connections that are told that there are too many; of a service, those of strangers that
    /// were closed and are still to be let go.
    pub(crate) turned_away: usize,
    /// Idle connections to origins.
    pub(crate) idle: usize,
    /// Connections to a service on which nothing has shown its password yet. Each takes one file.
    pub(crate) strangers: usize,
}

impl Capacity {
    /// For so many connections, in a process that may have so many files open. Were more served than there are files for, the
    /// others would wait without a word, and those that are served could reach nothing.
    pub(crate) fn new(wanted: usize, files: usize) -> Self {
        Self::with_strangers(wanted, files, 0)
    }

    /// Returns the same for a service: half as many strangers are let in beside those that are
    /// served, since a client that opens many connections at once is one for a moment.
    pub(crate) fn of_service(wanted: usize, files: usize) -> Self {
        let strangers = (wanted / 2).max(MIN_STRANGERS).min(files / 8).max(1);
        Self::with_strangers(wanted, files, strangers)
    }

    /// Returns the same with so many strangers.
    fn with_strangers(wanted: usize, files: usize, strangers: usize) -> Self {
        let others = OTHER_FILES.min(files / 4);
        let idle = pool::MAX_ALL.min(files / 8);
        let room = files.saturating_sub(others + idle + strangers) / 2;
        Self {
            connections: wanted.min(room.max(1)),
            turned_away: others / 2,
            idle,
            strangers,
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

    #[test]
    fn strangers_to_a_service_have_files_of_their_own() {
        for files in 8..4000 {
            let capacity = Capacity::of_service(1024, files);
            let served = 2 * capacity.connections + capacity.strangers;
            let taken = served + capacity.turned_away + capacity.idle;
            assert!(taken <= files, "{files}: {capacity:?}");
            assert!(capacity.strangers > 0, "{files}");
        }
        for (wanted, strangers) in [(1, 16), (64, 32), (1024, 512), (4000, 2000)] {
            let capacity = Capacity::of_service(wanted, 1_000_000);
            assert_eq!(
                (capacity.connections, capacity.strangers),
                (wanted, strangers)
            );
        }
    }
}
