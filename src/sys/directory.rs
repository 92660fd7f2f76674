//! Files by the descriptor of their folder and their name in it: nothing that happens to the path above can lead elsewhere.

use std::ffi::CStr;
use std::ffi::CString;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::fd::FromRawFd;
use std::os::fd::IntoRawFd;
use std::os::unix::ffi::OsStringExt;

/// Opens the entry itself, a symbolic link too, to look at and to go on from, not to read.
#[cfg(not(target_os = "macos"))]
pub(crate) const LOOK: libc::c_int = libc::O_PATH | libc::O_NOFOLLOW;
/// Opens the entry itself, a symbolic link too, to look at and to go on from.
#[cfg(target_os = "macos")]
pub(crate) const LOOK: libc::c_int = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_SYMLINK;

/// Opens a folder, to list it and to change what is in it, but not through a link.
pub(crate) const FOLDER: libc::c_int = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;

/// Opens a folder, through links too, to make entries in it: that takes no right to list it.
#[cfg(not(target_os = "macos"))]
pub(crate) const PLACE: libc::c_int = libc::O_PATH | libc::O_DIRECTORY;
/// Opens a folder, through links too, to make entries in it.
#[cfg(target_os = "macos")]
pub(crate) const PLACE: libc::c_int = libc::O_DIRECTORY;

/// Bytes of a link's target, at the most: PATH_MAX of Linux.
const MAX_TARGET: usize = 4096;

/// Returns the root directory, to go on from.
///
/// # Errors
/// Those of open(2).
pub(crate) fn root() -> io::Result<File> {
    // SAFETY: reads a string that ends with a zero.
    let opened = unsafe { libc::open(c"/".as_ptr(), LOOK | libc::O_CLOEXEC) };
    file(opened)
}

/// Opens an entry of a folder, close-on-exec. A new file gets this mode, less the umask.
///
/// # Errors
/// Those of openat(2).
pub(crate) fn open(
    folder: &File,
    name: &CStr,
    flags: libc::c_int,
    mode: libc::c_uint,
) -> io::Result<File> {
    loop {
        // SAFETY: a descriptor that is open, and a string that ends with a zero.
        let opened = unsafe {
            libc::openat(
                folder.as_raw_fd(),
                name.as_ptr(),
                flags | libc::O_CLOEXEC,
                mode,
            )
        };
        match file(opened) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Returns the file of a descriptor that was opened just now.
fn file(opened: libc::c_int) -> io::Result<File> {
    if opened < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was made just now, and nobody else has it.
    Ok(unsafe { File::from_raw_fd(opened) })
}

/// Makes a folder that everybody may look into, or this user alone; less the umask.
///
/// # Errors
/// Those of mkdirat(2); a name that is taken, by a link too, is one.
pub(crate) fn make(folder: &File, name: &CStr, is_shared: bool) -> io::Result<()> {
    let mode: libc::mode_t = if is_shared { 0o755 } else { 0o700 };
    // SAFETY: a descriptor that is open, and a string that ends with a zero.
    done(unsafe { libc::mkdirat(folder.as_raw_fd(), name.as_ptr(), mode) })
}

/// Renames an entry within its folder.
///
/// # Errors
/// Those of renameat(2).
pub(crate) fn rename(folder: &File, from: &CStr, to: &CStr) -> io::Result<()> {
    let number = folder.as_raw_fd();
    // SAFETY: a descriptor that is open, and strings that end with a zero.
    done(unsafe { libc::renameat(number, from.as_ptr(), number, to.as_ptr()) })
}

/// Removes an entry that is no folder.
///
/// # Errors
/// Those of unlinkat(2).
pub(crate) fn remove_file(folder: &File, name: &CStr) -> io::Result<()> {
    // SAFETY: a descriptor that is open, and a string that ends with a zero.
    done(unsafe { libc::unlinkat(folder.as_raw_fd(), name.as_ptr(), 0) })
}

/// Removes an empty folder.
///
/// # Errors
/// Those of unlinkat(2).
pub(crate) fn remove_folder(folder: &File, name: &CStr) -> io::Result<()> {
    // SAFETY: a descriptor that is open, and a string that ends with a zero.
    done(unsafe { libc::unlinkat(folder.as_raw_fd(), name.as_ptr(), libc::AT_REMOVEDIR) })
}

/// Returns the result of a call that returns nothing else.
fn done(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Returns where the symbolic link of this name leads.
///
/// # Errors
/// Those of readlinkat(2); a target of more than 4,095 bytes is one.
pub(crate) fn read_link(folder: &File, name: &CStr) -> io::Result<OsString> {
    let mut target = vec![0; MAX_TARGET];
    // SAFETY: writes at most as many bytes as there is room for.
    let count = unsafe {
        libc::readlinkat(
            folder.as_raw_fd(),
            name.as_ptr(),
            target.as_mut_ptr().cast(),
            target.len(),
        )
    };
    let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
    if count >= MAX_TARGET {
        return Err(io::ErrorKind::InvalidFilename.into());
    }
    target.truncate(count);
    Ok(OsString::from_vec(target))
}

/// Returns the names in a folder that was opened by [`FOLDER`].
///
/// # Errors
/// Those of opening it once more.
pub(crate) fn names(folder: &File) -> io::Result<Vec<CString>> {
    let own = open(folder, c".", FOLDER, 0)?.into_raw_fd();
    // SAFETY: the descriptor is open and a folder's, and belongs to the stream from here on, unless there is none.
    let stream = unsafe { libc::fdopendir(own) };
    if stream.is_null() {
        let error = io::Error::last_os_error();
        // SAFETY: it was made above, and nobody else has it.
        unsafe { libc::close(own) };
        return Err(error);
    }
    let mut names = Vec::new();
    loop {
        // SAFETY: the stream is open, and no other thread has it.
        let entry = unsafe { libc::readdir(stream) };
        if entry.is_null() {
            break;
        }
        // SAFETY: the entry is good until the next call.
        let name = unsafe { &raw const (*entry).d_name };
        // SAFETY: the same, and its name ends with a zero.
        let name = unsafe { CStr::from_ptr(name.cast()) };
        if name != c"." && name != c".." {
            names.push(name.to_owned());
        }
    }
    // SAFETY: the stream is open, and not used any more.
    unsafe { libc::closedir(stream) };
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn entries_are_made_named_read_and_removed_by_their_folder() {
        let base = std::env::temp_dir().join(format!("authsome-at-{}", std::process::id()));
        std::fs::create_dir(&base).unwrap();
        let folder = File::open(&base).unwrap();
        make(&folder, c"sub", false).unwrap();
        assert!(make(&folder, c"sub", false).is_err());
        std::os::unix::fs::symlink("sub/../there", base.join("link")).unwrap();
        assert_eq!(read_link(&folder, c"link").unwrap(), "sub/../there");
        assert!(read_link(&folder, c"sub").is_err());
        let link = open(&folder, c"link", LOOK, 0).unwrap();
        assert!(link.metadata().unwrap().is_symlink());
        assert!(open(&folder, c"link", FOLDER, 0).is_err());
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL;
        open(&folder, c"file", flags, 0o600).unwrap();
        let mut read = String::new();
        open(&folder, c"file", libc::O_RDONLY, 0)
            .and_then(|mut file| file.read_to_string(&mut read))
            .unwrap();
        rename(&folder, c"file", c"renamed").unwrap();
        let mut found = names(&folder).unwrap();
        found.sort();
        assert_eq!(found, [c"link", c"renamed", c"sub"].map(CStr::to_owned));
        for name in [c"link", c"renamed"] {
            remove_file(&folder, name).unwrap();
        }
        remove_folder(&folder, c"sub").unwrap();
        assert!(names(&folder).unwrap().is_empty());
        std::fs::remove_dir(&base).unwrap();
        assert!(root().unwrap().metadata().unwrap().is_dir());
    }
}
