//! What one process does at a time: a lock on a file.

use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::fs::TryLockError;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use super::private;
use super::private::Error;

/// How long a lock is waited for: longer than what is usually done under it takes. Only a refresh by a server that takes all its time may take
/// a few seconds more.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// How often a lock is tried meanwhile. flock(2) has no deadline.
const INTERVAL: Duration = Duration::from_millis(5);

/// A lock that one process holds at a time, until this is dropped or the process ends, however it ends.
pub(crate) struct Lock {
    /// Holds it.
    file: File,
    /// Where that is, if nobody has removed it.
    path: PathBuf,
}

impl Lock {
    /// Waits for the lock.
    ///
    /// # Errors
    /// `Busy` after 40 s; those of making the file, and one that is no plain file.
    pub(crate) fn acquire(path: &Path) -> Result<Self, Error> {
        Self::within(path, PATIENCE)
    }

    /// Waits for the lock no longer than this.
    ///
    /// # Errors
    /// `Busy` after that; those of making the file.
    pub(crate) fn within(path: &Path, patience: Duration) -> Result<Self, Error> {
        let deadline = Instant::now() + patience;
        let mut file = open(path)?;
        loop {
            match file.try_lock() {
                Ok(()) => {
                    let lock = Self {
                        file,
                        path: path.to_owned(),
                    };
                    if lock.is_in_place()? {
                        return Ok(lock);
                    }
                    // Removed since it was opened: by now others lock the one that has taken its place.
                    file = open(path)?;
                }
                Err(TryLockError::Error(error)) => return Err(Error::io("lock", path)(error)),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    thread::sleep(INTERVAL);
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::Busy {
                        path: path.to_owned(),
                        waited: patience,
                    });
                }
            }
        }
    }

    /// Makes sure that nobody else has the lock by now, as somebody can when its file was removed. To be asked before anything is
    /// changed.
    ///
    /// # Errors
    /// `LockGone`; those of looking.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self.is_in_place()? {
            true => Ok(()),
            false => Err(Error::LockGone(self.path.clone())),
        }
    }

    /// Whether the file that is locked is the one that others would lock.
    fn is_in_place(&self) -> Result<bool, Error> {
        let failed = Error::io("look at", &self.path);
        let locked = self.file.metadata().map_err(&failed)?;
        match fs::symlink_metadata(&self.path) {
            Ok(found) => Ok((found.dev(), found.ino()) == (locked.dev(), locked.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }
}

/// Opens the file of a lock; makes it if it isn't there.
fn open(path: &Path) -> Result<File, Error> {
    let file = OpenOptions::new()
        // Both, since a pipe that is opened for writing alone would be an error that nobody understands.
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
        .map_err(Error::io("lock", path))?;
    let found = file.metadata().map_err(Error::io("lock", path))?;
    private::check_plain(path, &found)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::sync::atomic::AtomicU32;
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::files::private::read_trusted;
    use crate::files::private::tests::folder;
    use crate::files::private::tests::make_pipe;

    #[test]
    fn a_lock_is_held_by_one_at_a_time() {
        let (_run, path) = folder(0o600);
        let (inside, most) = (AtomicU32::new(0), AtomicU32::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let _lock = Lock::acquire(&path).unwrap();
                    let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    inside.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(most.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_pipe_in_a_lock_s_place_is_refused_and_not_waited_for() {
        let (_run, path) = folder(0o600);
        let pipe = path.with_file_name("pipe");
        make_pipe(&pipe);
        assert!(matches!(
            Lock::acquire(&pipe),
            Err(Error::NotPrivate { .. })
        ));
        assert!(matches!(
            read_trusted(&pipe, 10),
            Err(Error::NotPrivate { .. })
        ));
    }

    /// How many open files of this process are called so.
    #[cfg(target_os = "linux")]
    fn open_files(path: &str) -> usize {
        let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
        open.filter(|entry| fs::read_link(entry.path()).is_ok_and(|name| name == Path::new(path)))
            .count()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_lock_whose_file_was_removed_is_given_to_nobody_who_waited_for_it() {
        let (_run, path) = folder(0o600);
        let name = path.display().to_string();
        let (first, is_in) = (Lock::acquire(&path).unwrap(), AtomicBool::new(false));
        thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let lock = Lock::acquire(&path).unwrap();
                is_in.store(true, Ordering::SeqCst);
                drop(lock);
            });
            while open_files(&name) < 2 {
                thread::yield_now();
            }
            fs::remove_file(&path).unwrap();
            let second = Lock::acquire(&path).unwrap();
            assert!(matches!(first.check(), Err(Error::LockGone(_))));
            drop(first);
            // It goes on to wait for the file that is there now.
            while open_files(&name) < 2 && !waiting.is_finished() {
                thread::yield_now();
            }
            assert!(!is_in.load(Ordering::SeqCst));
            assert!(second.check().is_ok());
            drop(second);
        });
        assert!(is_in.load(Ordering::SeqCst));
    }
}
