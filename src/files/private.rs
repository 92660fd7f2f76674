//! Files that nobody else may read or change: checked before they are trusted, replaced as a whole.

use std::fs;
use std::fs::File;
use std::fs::Metadata;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;

pub(crate) use super::error::Error;
use super::trusted;
use crate::random;
use crate::sys::process;

/// The user that may do everything anyhow.
const ROOT: u32 = 0;

/// What stands between a file's name and a token in the name that is used while the file is replaced.
const BESIDE: &str = ".authsome-";

/// Checks that a folder is this user's and that nobody else can change what is in it; where the program has a user of its own, also that
/// this one can't have put it there. One that isn't there passes.
///
/// # Errors
/// When it isn't so, or can't be found out.
pub(crate) fn check_folder(path: &Path) -> Result<(), Error> {
    if let Some(other) = trusted::kept_from() {
        trusted::check_way(path, other)?;
    }
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => check(path, &found, 0o022, "go-w"),
        Ok(_) => Err(Error::io("use", path)(io::ErrorKind::NotADirectory.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("look into", path)(error)),
    }
}

/// Checks that a file is a plain one of this user's, and that others can't do anything with it. One that isn't there passes.
///
/// # Errors
/// When it isn't so, or can't be found out.
pub(crate) fn check_file(path: &Path) -> Result<(), Error> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("look at", path)(error)),
    };
    check_plain(path, &found)?;
    check(path, &found, 0o077, "go-rwx")
}

/// Checks that it is no link, folder, pipe or device.
pub(super) fn check_plain(path: &Path, found: &Metadata) -> Result<(), Error> {
    if found.is_file() {
        return Ok(());
    }
    Err(Error::NotPrivate {
        path: path.to_owned(),
        why: "is not a plain file".into(),
        remedy: "move it away".into(),
    })
}

/// Reads a file that nobody else may read or write, of at most `limit` bytes; `None` when it isn't there.
///
/// # Errors
/// When it is a link, another user's, or open to others; those of reading.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, Error> {
    let file = OpenOptions::new()
        .read(true)
        // Not through a link, and without waiting for a pipe's other end.
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path);
    let file = match file {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    let found = file.metadata().map_err(Error::io("read", path))?;
    check_plain(path, &found)?;
    check(path, &found, 0o077, "go-rwx")?;
    let bytes = super::read_open(file, limit).map_err(Error::io("read", path))?;
    Ok(Some(bytes))
}

/// Reads a file that nobody else may write, of at most `limit` bytes. It may be a link, and the system administrator's: both are
/// usual where files are mounted or installed.
///
/// # Errors
/// When it is another user's, others can write it, or it is no plain file; those of reading.
pub(crate) fn read_trusted(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let file = match trusted::kept_from() {
        Some(other) => trusted::open(path, other)?,
        None => OpenOptions::new()
            .read(true)
            // Without waiting for a pipe's other end.
            .custom_flags(libc::O_NONBLOCK)
            .open(path)
            .map_err(Error::io("read", path))?,
    };
    let found = file.metadata().map_err(Error::io("read", path))?;
    check_plain(path, &found)?;
    if found.uid() == ROOT {
        check_mode(path, &found, 0o022, "go-w")?;
    } else {
        check(path, &found, 0o022, "go-w")?;
    }
    super::read_open(file, limit).map_err(Error::io("read", path))
}

/// Checks owner and mode.
pub(super) fn check(
    path: &Path,
    found: &Metadata,
    forbidden: u32,
    change: &str,
) -> Result<(), Error> {
    let shown = path.display();
    let (owner, user) = (found.uid(), process::user());
    if owner != user {
        return Err(Error::NotPrivate {
            path: path.to_owned(),
            why: format!("belongs to user {owner}, but this is user {user}"),
            remedy: format!("run as that user, or: chown -R {user} {shown}"),
        });
    }
    check_mode(path, found, forbidden, change)
}

/// Checks the mode.
fn check_mode(path: &Path, found: &Metadata, forbidden: u32, change: &str) -> Result<(), Error> {
    let mode = found.permissions().mode() & 0o7777;
    if mode & forbidden != 0 {
        return Err(Error::NotPrivate {
            path: path.to_owned(),
            why: format!("can be used by others (mode {mode:04o}): it is not trusted"),
            remedy: format!("chmod {change} {}, if nobody has used it", path.display()),
        });
    }
    Ok(())
}

/// Puts these bytes in the place of a file of ours: whoever reads it sees the old content or the new, and after a crash or on a full
/// disk one of them is there. The name with `.new` behind it is used meanwhile, whatever is there.
///
/// # Errors
/// Those of writing; the old content is then still there, but for `NotOnDisk`: then it is the new.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let new = with_ending(path, ".new");
    // What a killed process left behind.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::io("write", &new)(error));
        }
        _ => {}
    }
    replace_by(path, &new, bytes, mode)
}

/// The same for a file that isn't ours: the name used meanwhile is one that nobody else has.
///
/// # Errors
/// Those of writing; the old content is then still there, but for `NotOnDisk`: then it is the new.
pub(crate) fn replace_beside(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let token = random::token().map_err(Error::io("write", path))?;
    let new = with_ending(path, &format!("{BESIDE}{token}"));
    replace_by(path, &new, bytes, mode)
}

/// The name of the file that this name was used for meanwhile, if it is one of those that `replace_beside` uses.
pub(crate) fn is_beside(name: &str) -> Option<&str> {
    let (file, token) = name.rsplit_once(BESIDE)?;
    let is_token = token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_token.then_some(file)
}

/// The path with more behind its last name.
fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Writes the new file and moves it over the old one.
fn replace_by(path: &Path, new: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let written = write_new(new, bytes, mode)
        .map_err(Error::io("write", new))
        .and_then(|()| fs::rename(new, path).map_err(Error::io("replace", path)));
    if let Err(error) = written {
        let _ = fs::remove_file(new);
        return Err(error);
    }
    sync_folder_of(path)
}

/// Writes a file that isn't there, to the disk itself.
fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    // Last: what a killed process leaves behind is nobody else's to read.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.sync_all()
}

/// Moves a file within its folder, to the disk itself.
///
/// # Errors
/// Those of renaming; `NotOnDisk` where it has its new name.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(Error::io("rename", from))?;
    sync_folder_of(to)
}

/// Removes a file if it is there, from the disk itself.
///
/// # Errors
/// Those of removing; `NotOnDisk` where it is gone.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Ok(()) => sync_folder_of(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("remove", path)(error)),
    }
}

/// Has the folder's entries written to the disk: until then a crash can undo a rename.
fn sync_folder_of(path: &Path) -> Result<(), Error> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| Error::NotOnDisk {
            folder: folder.to_owned(),
            error,
        })
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::AtomicU32;
    use std::sync::atomic::Ordering;
    use std::thread;

    use super::*;
    use crate::files::RunDirectory;

    /// A folder with a file `f` in it that holds `old`, of this mode.
    pub(in crate::files) fn folder(mode: u32) -> (RunDirectory, PathBuf) {
        let run = RunDirectory::create(&std::env::temp_dir()).unwrap();
        let path = run.write_public("f", b"old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (run, path)
    }

    #[test]
    fn a_file_that_others_can_use_is_not_read() {
        for mode in [0o604, 0o640, 0o602, 0o644] {
            let (_run, path) = folder(mode);
            let error = read(&path, 10).unwrap_err();
            assert!(matches!(&error, Error::NotPrivate { .. }), "{mode:o}");
            assert!(error.remedy().starts_with("chmod go-rwx "), "{error}");
        }
        let (_run, path) = folder(0o600);
        assert_eq!(read(&path, 10).unwrap().unwrap(), b"old");
    }

    #[test]
    fn a_link_or_a_folder_in_a_file_s_place_is_not_read() {
        let (_run, path) = folder(0o600);
        let link = path.with_file_name("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(read(&link, 10), Err(Error::Io { .. })));
        let parent = path.parent().unwrap();
        assert!(matches!(read(parent, 10), Err(Error::NotPrivate { .. })));
        assert!(read(&path.with_file_name("none"), 10).unwrap().is_none());
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_not_trusted() {
        let (_run, path) = folder(0o600);
        let parent = path.parent().unwrap();
        assert!(check_folder(parent).is_ok());
        fs::set_permissions(parent, fs::Permissions::from_mode(0o770)).unwrap();
        assert!(matches!(
            check_folder(parent),
            Err(Error::NotPrivate { .. })
        ));
        assert!(matches!(check_folder(&path), Err(Error::Io { .. })));
        assert!(check_folder(Path::new("/nonexistent")).is_ok());
    }

    #[test]
    fn a_file_is_replaced_whole_with_its_mode_and_leftovers_are_no_obstacle() {
        let (_run, path) = folder(0o644);
        let leftover = path.with_file_name("f.new");
        fs::copy(&path, &leftover).unwrap();
        replace(&path, b"new", 0o600).unwrap();
        assert_eq!(read(&path, 10).unwrap().unwrap(), b"new");
        assert!(!leftover.exists());
    }

    #[test]
    fn what_is_not_yet_whole_is_nobody_else_s_to_read() {
        const SIZE: u64 = 8 * 1024 * 1024;

        let (_run, path) = folder(0o644);
        let bytes = vec![b'k'; usize::try_from(SIZE).unwrap()];
        let is_over = AtomicU32::new(0);
        let open = AtomicU32::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                while is_over.load(Ordering::SeqCst) == 0 {
                    for entry in fs::read_dir(path.parent().unwrap()).unwrap().flatten() {
                        let name = entry.file_name();
                        let is_new = name.to_str().and_then(is_beside) == Some("f");
                        if let (true, Ok(found)) = (is_new, entry.metadata())
                            && found.len() < SIZE
                            && found.permissions().mode() & 0o077 != 0
                        {
                            open.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                }
            });
            for _ in 0..4 {
                replace_beside(&path, &bytes, 0o644).unwrap();
            }
            is_over.store(1, Ordering::SeqCst);
        });
        assert_eq!(open.load(Ordering::SeqCst), 0);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
    }

    /// Makes a named pipe.
    pub(in crate::files) fn make_pipe(path: &Path) {
        #[expect(
            clippy::disallowed_methods,
            reason = "the standard library makes no pipes with a name"
        )]
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.unwrap().success());
    }

    #[test]
    fn a_file_that_others_can_write_is_not_trusted_and_a_link_is() {
        let (_run, path) = folder(0o644);
        let link = path.with_file_name("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(read_trusted(&link, 10).unwrap(), b"old");
        for mode in [0o664, 0o646, 0o622] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            for name in [&path, &link] {
                let error = read_trusted(name, 10).unwrap_err();
                assert!(error.remedy().starts_with("chmod go-w "), "{error}");
            }
        }
    }
}
