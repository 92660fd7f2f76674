//! The directory of a run: only we can write in it, and it goes away again.

use std::ffi::OsStr;
use std::fs;
use std::fs::DirBuilder;
use std::fs::File;
use std::fs::Metadata;
use std::fs::OpenOptions;
use std::fs::Permissions;
use std::io;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use crate::clock;
use crate::random;
use crate::sys::process;

/// How the directory of a run is called, before its random part.
const RUN_PREFIX: &str = "authsome-run-";

/// How it is called until it is locked.
const NEW_PREFIX: &str = "authsome-new-";

/// After what time one that isn't locked yet was left by a run that was killed: making one takes no time to speak of.
const NEW_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// The file in it whose lock says that the run is alive.
const ALIVE: &str = "alive";

/// A directory that lasts as long as a run: only we can write in it, and it goes when the value is dropped.
///
/// What a killed run left behind is removed by the next one: the file `alive` is locked by a living run, and the lock goes with
/// the process however it ended.
pub(crate) struct RunDirectory {
    /// Where it is.
    path: PathBuf,
    /// Holds the lock.
    _alive: File,
}

impl RunDirectory {
    /// Makes the directory in `parent`, after sweeping out what dead runs of this user left there.
    ///
    /// # Errors
    /// When the parent isn't there, or can't be written to.
    pub(crate) fn create(parent: &Path) -> io::Result<Self> {
        sweep(parent);
        let token = random::token()?;
        let new = parent.join(format!("{NEW_PREFIX}{token}"));
        // Not recursive: a name that is already there, as a link or otherwise, is an error.
        DirBuilder::new().mode(0o700).create(&new)?;
        let made = Self::lock(&new, parent.join(format!("{RUN_PREFIX}{token}")));
        if made.is_err() {
            let _ = fs::remove_dir_all(&new);
        }
        made
    }

    /// Locks a new directory, and only then gives it the name by which the runs that sweep know it: they never meet one that lives
    /// and isn't locked.
    fn lock(new: &Path, path: PathBuf) -> io::Result<Self> {
        let alive = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(new.join(ALIVE))?;
        alive.lock()?;
        fs::rename(new, &path)?;
        Ok(Self {
            path,
            _alive: alive,
        })
    }

    /// Writes a new file of public data (mode 0644) and returns its path.
    ///
    /// # Errors
    /// Those of writing, a full disk among them.
    pub(crate) fn write_public(&self, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self.path.join(name);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(&path)?;
        // Whatever the umask.
        file.set_permissions(Permissions::from_mode(0o644))?;
        file.write_all(bytes)?;
        Ok(path)
    }

    /// Lets every user read what is in it. They still can't write there.
    ///
    /// # Errors
    /// Those of changing a mode.
    pub(crate) fn share(&self) -> io::Result<()> {
        fs::set_permissions(&self.path, Permissions::from_mode(0o755))
    }
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes the run directories of this user in `parent` whose run is dead. Whatever can't be judged is left alone.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let is_dead_run = has_form(&name, RUN_PREFIX) && is_abandoned(&path);
        if is_dead_run || has_form(&name, NEW_PREFIX) && is_left_unfinished(&path) {
            let _ = fs::remove_dir_all(path);
        }
    }
}

/// Whether the name is one that [`RunDirectory::create`] gives, with this beginning.
fn has_form(name: &OsStr, prefix: &str) -> bool {
    name.to_str()
        .and_then(|name| name.strip_prefix(prefix))
        .is_some_and(|token| {
            token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
}

/// Whether it is a directory of ours.
fn is_ours(found: &Metadata) -> bool {
    found.is_dir() && found.uid() == process::user()
}

/// Whether the directory is ours, and whoever was making it has been gone for long.
fn is_left_unfinished(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| {
        let age = found
            .modified()
            .ok()
            .and_then(|made| clock::now().duration_since(made).ok());
        is_ours(&found) && age.is_some_and(|age| age > NEW_LIFETIME)
    })
}

/// Whether the directory is ours and nobody holds its lock. One without the file is being removed.
fn is_abandoned(path: &Path) -> bool {
    let ours = fs::symlink_metadata(path).is_ok_and(|found| is_ours(&found));
    ours && OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path.join(ALIVE))
        .is_ok_and(|file| file.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_run_directory_is_private_and_goes_when_dropped() {
        let run = RunDirectory::create(&std::env::temp_dir()).unwrap();
        let file = run.write_public("ca.pem", b"x").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&run.path), 0o700);
        assert_eq!(mode(&file), 0o644);
        let path = run.path.clone();
        drop(run);
        assert!(!path.exists());
    }

    #[test]
    fn the_next_run_sweeps_what_a_dead_one_left_and_spares_the_living() {
        let base = RunDirectory::create(&std::env::temp_dir()).unwrap();
        let dead = base.path.join(format!("{RUN_PREFIX}{}", "0".repeat(32)));
        fs::create_dir(&dead).unwrap();
        File::options()
            .create_new(true)
            .write(true)
            .open(dead.join(ALIVE))
            .unwrap();
        let other = base.path.join("authsome-run-of-somebody");
        fs::create_dir(&other).unwrap();
        let living = RunDirectory::create(&base.path).unwrap();
        assert!(!dead.exists());
        let _second = RunDirectory::create(&base.path).unwrap();
        assert!(living.path.exists());
        assert!(other.exists());
    }

    #[test]
    fn a_run_that_begins_is_not_swept_by_another_that_begins() {
        let base = RunDirectory::create(&std::env::temp_dir()).unwrap();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let run = RunDirectory::create(&base.path).unwrap();
                        assert!(run.path.join(ALIVE).exists());
                        run.write_public("ca.pem", b"x").unwrap();
                    }
                });
            }
        });
        // Nor is anything left but the base's own file.
        assert_eq!(fs::read_dir(&base.path).unwrap().count(), 1);
    }

    #[test]
    fn what_is_being_made_is_swept_only_when_it_is_old() {
        let base = RunDirectory::create(&std::env::temp_dir()).unwrap();
        let new = base.path.join(format!("{NEW_PREFIX}{}", "0".repeat(32)));
        fs::create_dir(&new).unwrap();
        File::create_new(new.join(ALIVE)).unwrap();
        sweep(&base.path);
        assert!(new.exists());
        let long_ago = clock::now() - 2 * NEW_LIFETIME;
        File::open(&new).unwrap().set_modified(long_ago).unwrap();
        sweep(&base.path);
        assert!(!new.exists());
    }
}
