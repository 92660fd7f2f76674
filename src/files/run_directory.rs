//! The directory of a run: only we can write in it, and it goes away again.

use std::ffi::CStr;
use std::ffi::CString;
use std::fs::File;
use std::fs::Metadata;
use std::fs::OpenOptions;
use std::fs::Permissions;
use std::io;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use super::leftover;
use super::private::Error;
use super::trusted;
use super::trusted::Purpose;
use crate::clock;
use crate::random;
use crate::sys::directory;
use crate::sys::process;

/// How the directory of a run is called, before its random part.
const RUN_PREFIX: &str = "authsome-run-";

/// How it is called until it is locked.
const NEW_PREFIX: &str = "authsome-new-";

/// After what time one that isn't locked yet was left by a run that was killed: making one takes no time to speak of.
const NEW_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// The file in it whose lock says that the run is alive.
const ALIVE: &CStr = c"alive";

/// The mode of a directory that is this user's alone.
const PRIVATE: u32 = 0o700;

/// The mode of one that every user may look into.
const SHARED: u32 = 0o755;

/// The bits of a mode by which others can change something.
const WRITABLE: u32 = 0o022;

/// The bit of a folder in which only owners may move and remove entries.
const STICKY: u32 = 0o1000;

/// The user under whose number all are shown that have none in this user namespace.
const NO_NUMBER: u32 = 65534;

/// Folders within a directory that is removed, at the most.
const MAX_DEPTH: u32 = 16;

/// A directory that lasts as long as a run: only we can write in it, and it goes when the value is dropped.
///
/// The directory is made, filled and removed by descriptors, never by its path again, and only in a folder where nobody else can put
/// another directory in its place.
///
/// What a killed run left behind is removed by the next one: the file `alive` is locked by a living run, and the lock goes with
/// the process however it ended. A directory that variables of a living process name stays until a run finds no such process.
pub(crate) struct RunDirectory {
    /// The directory's path, for those who read in it.
    path: PathBuf,
    /// The folder that the directory is in.
    place: File,
    /// The directory's name in that folder.
    name: CString,
    /// The directory itself.
    folder: File,
    /// Holds the lock.
    _alive: File,
}

impl RunDirectory {
    /// Makes the directory in `parent`, after sweeping out what dead runs of this user left there.
    ///
    /// # Errors
    /// When the parent isn't there, can't be written to, or lets others exchange what is in it.
    pub(crate) fn create(parent: &Path) -> io::Result<Self> {
        Self::with_mode(parent, PRIVATE)
    }

    /// Makes the directory so that every user can read what is in it. They still can't write there.
    ///
    /// # Errors
    /// When the folder can't be made there, as for [`Self::create`].
    pub(crate) fn create_shared(parent: &Path) -> io::Result<Self> {
        Self::with_mode(parent, SHARED)
    }

    /// Returns whether no such directory is made in this folder since others could replace it there.
    pub(crate) fn is_refused_in(parent: &Path) -> bool {
        matches!(open_place(parent), Err(Error::NotPrivate { .. }))
    }

    /// Makes the directory with this mode.
    fn with_mode(parent: &Path, mode: u32) -> io::Result<Self> {
        let place = open_place(parent).map_err(Error::into_io)?;
        sweep(&place);
        let token = random::token()?;
        let new = CString::new(format!("{NEW_PREFIX}{token}"))?;
        // A name that is already there, as a link or otherwise, is an error.
        directory::make(&place, &new, mode == SHARED)?;
        let name = format!("{RUN_PREFIX}{token}");
        let made = Self::lock(parent.join(&name), place, &new, CString::new(name)?, mode);
        made.map_err(|(place, error)| {
            if let Ok(folder) = directory::open(&place, &new, directory::FOLDER, 0) {
                remove(&place, &new, &folder);
            }
            error
        })
    }

    /// Locks a new directory, and only then gives it the name by which the runs that sweep know it: they never meet one that lives
    /// and isn't locked.
    fn lock(
        path: PathBuf,
        place: File,
        new: &CStr,
        name: CString,
        mode: u32,
    ) -> Result<Self, (File, io::Error)> {
        let lock = || {
            let folder = directory::open(&place, new, directory::FOLDER, 0)?;
            if !is_ours(&folder.metadata()?) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            // Whatever the umask.
            folder.set_permissions(Permissions::from_mode(mode))?;
            let alive = directory::open(&folder, ALIVE, NEW_FILE, 0o600)?;
            alive.lock()?;
            // The lock keeps systemd's cleanup of old temporary files (tmpfiles.d(5)) away from the folder, whose files may go
            // unread for days. The run works without the lock, too.
            let _ = folder.lock_shared();
            directory::rename(&place, new, &name)?;
            Ok((folder, alive))
        };
        match lock() {
            Err(error) => Err((place, error)),
            Ok((folder, alive)) => Ok(Self {
                path,
                place,
                name,
                folder,
                _alive: alive,
            }),
        }
    }

    /// Writes a new file of public data (mode 0644) and returns its path.
    ///
    /// # Errors
    /// Those of writing, a full disk among them.
    pub(crate) fn write_public(&self, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        let mut file = directory::open(&self.folder, &CString::new(name)?, NEW_FILE, 0o644)?;
        // Whatever the umask.
        file.set_permissions(Permissions::from_mode(0o644))?;
        file.write_all(bytes)?;
        Ok(self.path.join(name))
    }
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        let mut names = vec![&self.name];
        leftover::keep_unnamed(&mut names);
        if !names.is_empty() {
            remove(&self.place, &self.name, &self.folder);
        }
    }
}

/// How a file is opened that isn't there yet.
const NEW_FILE: libc::c_int = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;

/// Opens the folder for a directory, if it is one where nobody else can put another in its place.
fn open_place(path: &Path) -> Result<File, Error> {
    let failed = Error::io("write to", path);
    let place = match trusted::kept_from() {
        Some(other) => trusted::folder(path, Purpose::Read(other))?,
        None => OpenOptions::new()
            .read(true)
            .custom_flags(directory::PLACE)
            .open(path)
            .map_err(&failed)?,
    };
    let found = place.metadata().map_err(&failed)?;
    let (owner, mode) = (found.uid(), found.mode());
    let is_sticky = mode & STICKY != 0;
    let refused = |why, remedy| {
        Err(Error::NotPrivate {
            path: path.to_owned(),
            why,
            remedy,
        })
    };
    if mode & WRITABLE != 0 && !is_sticky {
        let mode = mode & 0o7777;
        return refused(
            format!(
                "is a folder in which others can replace files, since it is not sticky (mode {mode:04o})"
            ),
            format!("chmod +t {}", path.display()),
        );
    }
    let is_known = owner == 0 || owner == process::user() || owner == NO_NUMBER && is_sticky;
    if !is_known {
        return refused(
            format!("is a folder that belongs to user {owner}"),
            "use another folder".into(),
        );
    }
    Ok(place)
}

/// Removes a directory and what is in it. What can't be removed stays.
fn remove(place: &File, name: &CStr, folder: &File) {
    empty(folder, 0);
    let _ = directory::remove_folder(place, name);
}

/// Removes what is in a folder, following no link.
fn empty(folder: &File, depth: u32) {
    for name in directory::names(folder).unwrap_or_default() {
        if directory::remove_file(folder, &name).is_err()
            && depth < MAX_DEPTH
            && let Ok(inner) = directory::open(folder, &name, directory::FOLDER, 0)
        {
            empty(&inner, depth + 1);
            let _ = directory::remove_folder(folder, &name);
        }
    }
}

/// Removes the run directories of this user in a folder whose run is dead, and that no process names. Whatever can't be judged is left
/// alone.
fn sweep(place: &File) {
    let open = |name: &CStr| directory::open(place, name, directory::FOLDER, 0);
    let is_dead = |name: &CStr| match has_form(name, RUN_PREFIX) {
        true => open(name).is_ok_and(|folder| is_abandoned(&folder)),
        false => {
            has_form(name, NEW_PREFIX) && open(name).is_ok_and(|folder| is_left_unfinished(&folder))
        }
    };
    let mut names = directory::names(place).unwrap_or_default();
    names.retain(|name| is_dead(name));
    leftover::keep_unnamed(&mut names);
    for name in names {
        if let Ok(folder) = open(&name) {
            remove(place, &name, &folder);
        }
    }
}

/// Returns whether a run's directory has, or had, this path, as its name tells.
pub(crate) fn is_run_directory(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.as_bytes());
    let name = name.and_then(|name| CString::new(name).ok());
    name.is_some_and(|name| has_form(&name, RUN_PREFIX))
}

/// Whether the name is one that [`RunDirectory::create`] gives, with this beginning.
fn has_form(name: &CStr, prefix: &str) -> bool {
    name.to_str()
        .ok()
        .and_then(|name| name.strip_prefix(prefix))
        .is_some_and(|token| {
            token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
}

/// Whether it is a directory of ours, in which nobody else can write.
fn is_ours(found: &Metadata) -> bool {
    found.is_dir() && found.uid() == process::user() && found.mode() & WRITABLE == 0
}

/// Whether the directory is ours, and whoever was making it has been gone for long.
fn is_left_unfinished(folder: &File) -> bool {
    folder.metadata().is_ok_and(|found| {
        let age = found
            .modified()
            .ok()
            .and_then(|made| clock::now().duration_since(made).ok());
        is_ours(&found) && age.is_some_and(|age| age > NEW_LIFETIME)
    })
}

/// Whether the directory is ours and nobody holds its lock. One without the file is being removed.
fn is_abandoned(folder: &File) -> bool {
    let flags = libc::O_WRONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK;
    folder.metadata().is_ok_and(|found| is_ours(&found))
        && directory::open(folder, ALIVE, flags, 0).is_ok_and(|file| file.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::thread;

    use super::*;

    #[test]
    fn a_run_directory_is_locked_for_those_who_remove_old_files() {
        let run = RunDirectory::create(&std::env::temp_dir()).unwrap();
        let folder = File::open(&run.path).unwrap();
        assert!(matches!(
            folder.try_lock(),
            Err(fs::TryLockError::WouldBlock)
        ));
    }

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
            .open(dead.join("alive"))
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
                        assert!(run.path.join("alive").exists());
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
        File::create_new(new.join("alive")).unwrap();
        sweep(&base.folder);
        assert!(new.exists());
        let long_ago = clock::now() - 2 * NEW_LIFETIME;
        File::open(&new).unwrap().set_modified(long_ago).unwrap();
        sweep(&base.folder);
        assert!(!new.exists());
    }

    #[test]
    fn a_shared_one_is_everybody_s_to_read_whatever_the_umask() {
        let base = RunDirectory::create(&std::env::temp_dir()).unwrap();
        let run = RunDirectory::create_shared(&base.path).unwrap();
        assert_eq!(run.folder.metadata().unwrap().mode() & 0o7777, SHARED);
    }

    #[test]
    fn a_folder_that_lets_others_exchange_what_is_in_it_gets_none() {
        let base = RunDirectory::create(&std::env::temp_dir()).unwrap();
        let place = base.path.join("place");
        fs::create_dir(&place).unwrap();
        for mode in [0o777, 0o770, 0o707] {
            fs::set_permissions(&place, Permissions::from_mode(mode)).unwrap();
            let error = RunDirectory::create(&place).err().unwrap();
            assert!(
                error.to_string().contains("not sticky"),
                "{mode:o}: {error}"
            );
            fs::set_permissions(&place, Permissions::from_mode(mode | STICKY)).unwrap();
            RunDirectory::create(&place).unwrap();
        }
        assert_eq!(fs::read_dir(&place).unwrap().count(), 0);
    }

    #[test]
    fn what_is_swept_is_a_folder_and_no_link_leads_out_of_it() {
        let base = RunDirectory::create(&std::env::temp_dir()).unwrap();
        let kept = base.path.join("kept");
        fs::create_dir_all(kept.join("inner")).unwrap();
        File::create_new(kept.join("alive")).unwrap();
        fs::set_permissions(&kept, Permissions::from_mode(0o700)).unwrap();
        let named = |digit: &str| base.path.join(format!("{RUN_PREFIX}{}", digit.repeat(32)));
        std::os::unix::fs::symlink(&kept, named("0")).unwrap();
        let dead = named("1");
        fs::create_dir_all(dead.join("inner")).unwrap();
        fs::set_permissions(&dead, Permissions::from_mode(0o700)).unwrap();
        File::create_new(dead.join("alive")).unwrap();
        std::os::unix::fs::symlink(&kept, dead.join("inner/link")).unwrap();
        sweep(&base.folder);
        assert!(!dead.exists());
        assert!(kept.join("alive").exists() && kept.join("inner").exists());
        assert!(named("0").is_symlink());
    }
}
