//! What the program's user could change while authsome is root (`run --user`): such files are not read, and such programs not run.
//!
//! # The rule
//!
//! A path is walked from the root directory, each step by the descriptor of the folder before it, symbolic links by hand, so that what
//! was checked is what is opened. On the way, for the path as it is written and for what its links lead to:
//!
//! - Nothing may belong to the program's user ([`Purpose::Read`]), or to anybody but root ([`Purpose::Run`]).
//! - Nobody but the owner may write to a folder or to the file itself: no write bit for group or others. Of links no mode counts, and
//!   their owners can't change them.
//! - A folder with such a bit that is sticky (`/tmp`, a Secret's folder in Kubernetes) will do where the entry in it is root's, since
//!   nobody else can put another in its place. Of what is run that counts for folders alone: a file of root's may have been moved there.
//!   A folder that programs are looked for in, or that they start in, must not have such a bit at all.
//!
//! Without `--user` none of this is asked.

use std::collections::VecDeque;
use std::ffi::CString;
use std::ffi::OsString;
use std::fs::File;
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;
use std::sync::OnceLock;

use super::private::Error;
use crate::sys::directory;

/// Symbolic links on the way, at the most: what the kernel follows, too.
const MAX_LINKS: usize = 40;

/// The bits of a mode by which others can change something.
const WRITABLE: u32 = 0o022;

/// The bit of a folder in which only owners may move and remove entries.
const STICKY: u32 = 0o1000;

/// The user who must not have changed anything, once there is one: the program's.
static OTHER: OnceLock<u32> = OnceLock::new();

/// Keeps this process from reading and running, from here on, what this user could change. Called once, before anything is read.
pub(crate) fn keep_from(user: u32) {
    // A second call would be about the same user.
    let _ = OTHER.set(user);
}

/// Returns the user whose files are neither read nor run, if there is one.
pub(crate) fn kept_from() -> Option<u32> {
    OTHER.get().copied()
}

/// What a path is walked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To read a file that this user can't have changed.
    Read(u32),
    /// To run a program as root.
    Run,
}

impl Purpose {
    /// Checks the owner of a folder or a file.
    fn check_owner(self, owner: u32) -> Result<(), String> {
        match self {
            Self::Read(other) if owner == other => {
                Err(format!("belongs to user {owner}, the program's own"))
            }
            Self::Run if owner != 0 => Err(format!("belongs to user {owner}, not to root")),
            _ => Ok(()),
        }
    }
}

/// A walk along a path, step by step.
struct Walk {
    /// What the path is walked for, which says whose files may be on it.
    purpose: Purpose,
    /// The folders on the way, from the root directory on, without links.
    folders: Vec<Step>,
    /// Names that are still to be looked up.
    ahead: VecDeque<OsString>,
    /// The number of links that were followed.
    links: usize,
}

/// A folder on the way.
struct Step {
    /// The folder, open.
    file: File,
    /// The folder's owner and mode.
    found: Metadata,
    /// The folder's path, for errors.
    path: PathBuf,
}

/// What is at the end of a walk.
enum End {
    /// A folder: the last of the walk's.
    Folder,
    /// Anything else in the last of the walk's folders: name, path, owner and mode.
    File(CString, PathBuf, Metadata),
    /// Nothing has this path.
    Nothing(PathBuf),
}

impl Walk {
    /// Begins at the root directory.
    fn begin(path: &Path, purpose: Purpose) -> Result<Self, Error> {
        let failed = Error::io("look into", Path::new("/"));
        let file = directory::root().map_err(&failed)?;
        let found = file.metadata().map_err(&failed)?;
        let mut walk = Self {
            purpose,
            folders: vec![Step {
                file,
                found,
                path: "/".into(),
            }],
            ahead: VecDeque::new(),
            links: 0,
        };
        if path.is_relative() {
            let current = std::env::current_dir();
            walk.go_to(&current.map_err(Error::io("find the way to", path))?);
        }
        let here = walk.ahead.len();
        walk.go_to(path);
        // A relative path goes on from the working directory, not before it.
        if path.is_relative() {
            walk.ahead.rotate_left(walk.ahead.len() - here);
        }
        Ok(walk)
    }

    /// Goes on with this path, and then with what was still to come.
    fn go_to(&mut self, path: &Path) {
        let mut names = Vec::new();
        for component in path.components() {
            match component {
                Component::RootDir => self.folders.truncate(1),
                Component::ParentDir => names.push("..".into()),
                Component::Normal(name) => names.push(name.to_owned()),
                Component::CurDir | Component::Prefix(_) => {}
            }
        }
        for name in names.into_iter().rev() {
            self.ahead.push_front(name);
        }
    }

    /// Returns the folder that the walk is in.
    fn here(&self) -> Result<&Step, Error> {
        let lost = || Error::io("look into", Path::new("/"))(io::ErrorKind::NotFound.into());
        self.folders.last().ok_or_else(lost)
    }

    /// Walks to the end of the path.
    fn run(&mut self) -> Result<End, Error> {
        while let Some(name) = self.ahead.pop_front() {
            if name == ".." {
                // The root directory is above itself.
                if self.folders.len() > 1 {
                    self.folders.pop();
                }
                continue;
            }
            if let Some(end) = self.step(name)? {
                return Ok(end);
            }
        }
        self.check_folder()?;
        Ok(End::Folder)
    }

    /// Checks the folder that the walk is in: its owner, and that others can't replace what isn't theirs.
    fn check_folder(&self) -> Result<(), Error> {
        let here = self.here()?;
        let refused = |why| {
            let remedy = "use a folder that is root's, and that nobody else can write to";
            refused(&here.path, why, remedy.into())
        };
        self.purpose
            .check_owner(here.found.uid())
            .map_err(|why| refused(format!("is a folder that {why}")))?;
        let mode = here.found.mode();
        if mode & WRITABLE != 0 && mode & STICKY == 0 {
            let mode = mode & 0o7777;
            return Err(refused(format!(
                "is a folder in which others can replace files (mode {mode:04o})"
            )));
        }
        Ok(())
    }

    /// Checks the folder at the end of the walk: where programs are looked for nobody else may add one, so a sticky folder won't do.
    fn check_last_folder(&self) -> Result<(), Error> {
        let here = self.here()?;
        let mode = here.found.mode() & 0o7777;
        if self.purpose == Purpose::Run && mode & WRITABLE != 0 {
            let why = format!("is a folder in which others can make files (mode {mode:04o})");
            let remedy = "use a folder that nobody but root can write to";
            return Err(refused(&here.path, why, remedy.into()));
        }
        Ok(())
    }

    /// Goes to an entry of the folder that the walk is in.
    fn step(&mut self, name: OsString) -> Result<Option<End>, Error> {
        self.check_folder()?;
        let here = self.here()?;
        let path = here.path.join(&name);
        let failed = Error::io("look at", &path);
        let entry = CString::new(name.into_vec())
            .map_err(io::Error::from)
            .map_err(&failed)?;
        let file = match directory::open(&here.file, &entry, directory::LOOK, 0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Some(End::Nothing(path.clone())));
            }
            opened => opened.map_err(&failed)?,
        };
        let found = file.metadata().map_err(&failed)?;
        if here.found.mode() & WRITABLE != 0 {
            self.check_entry(&path, &found)?;
        }
        if found.is_symlink() {
            self.links += 1;
            if self.links > MAX_LINKS {
                return Err(failed(io::Error::from_raw_os_error(libc::ELOOP)));
            }
            let target = directory::read_link(&self.here()?.file, &entry).map_err(&failed)?;
            self.go_to(Path::new(&target));
            return Ok(None);
        }
        if found.is_dir() {
            let path = path.clone();
            self.folders.push(Step { file, found, path });
            return Ok(None);
        }
        if !self.ahead.is_empty() {
            return Err(failed(io::ErrorKind::NotADirectory.into()));
        }
        Ok(Some(End::File(entry, path.clone(), found)))
    }

    /// Checks an entry of a sticky folder, which others can write to.
    fn check_entry(&self, path: &Path, found: &Metadata) -> Result<(), Error> {
        let owner = found.uid();
        if owner != 0 {
            let why = format!("belongs to user {owner}, in a folder that others can write to");
            let remedy = format!("chown root {}, if nobody has used it", path.display());
            return Err(refused(path, why, remedy));
        }
        if self.purpose == Purpose::Run && !found.is_dir() {
            let why = "is in a folder that others can write to".into();
            let remedy = "move it to a folder that nobody but root can write to";
            return Err(refused(path, why, remedy.into()));
        }
        Ok(())
    }

    /// Checks a file at the end of the walk.
    fn check_file(&self, path: &Path, found: &Metadata) -> Result<(), Error> {
        if !found.is_file() {
            return Err(refused(
                path,
                "is not a plain file".into(),
                "move it away".into(),
            ));
        }
        self.purpose.check_owner(found.uid()).map_err(|why| {
            let remedy = format!("chown root {}, if nobody has used it", path.display());
            refused(path, why, remedy)
        })?;
        let mode = found.mode() & 0o7777;
        if mode & WRITABLE != 0 {
            let why = format!("can be written to by others (mode {mode:04o})");
            let remedy = format!("chmod go-w {}, if nobody has used it", path.display());
            return Err(refused(path, why, remedy));
        }
        Ok(())
    }
}

/// Returns the error for a file or folder that doesn't pass.
fn refused(path: &Path, why: String, remedy: String) -> Error {
    Error::NotPrivate {
        path: path.to_owned(),
        why,
        remedy,
    }
}

/// Returns the error for a path that nothing has.
fn missing(path: &Path) -> Error {
    Error::io("look at", path)(io::ErrorKind::NotFound.into())
}

/// Opens a file that this user can't have changed, to read it.
///
/// # Errors
/// When the user could have, or it is no plain file; those of opening.
pub(crate) fn open(path: &Path, other: u32) -> Result<File, Error> {
    let mut walk = Walk::begin(path, Purpose::Read(other))?;
    match walk.run()? {
        End::File(name, at, found) => {
            walk.check_file(&at, &found)?;
            let failed = Error::io("read", &at);
            let flags = libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK;
            let file = directory::open(&walk.here()?.file, &name, flags, 0).map_err(&failed)?;
            // What was opened, should it be another than what was looked at.
            walk.check_file(&at, &file.metadata().map_err(&failed)?)?;
            Ok(file)
        }
        End::Folder => Err(Error::io("read", path)(io::ErrorKind::IsADirectory.into())),
        End::Nothing(at) => Err(missing(&at)),
    }
}

/// Opens a folder that this user can't have changed, to go on from.
///
/// # Errors
/// When the user could have, or it is no folder; those of looking.
pub(crate) fn folder(path: &Path, purpose: Purpose) -> Result<File, Error> {
    let mut walk = Walk::begin(path, purpose)?;
    match walk.run()? {
        End::Folder => {
            walk.check_last_folder()?;
            let failed = Error::io("look into", path);
            directory::open(&walk.here()?.file, c".", directory::FOLDER, 0).map_err(failed)
        }
        End::File(..) => Err(Error::io("look into", path)(
            io::ErrorKind::NotADirectory.into(),
        )),
        End::Nothing(at) => Err(missing(&at)),
    }
}

/// Checks the way to something that may not be there yet: then nobody else may be able to put it there.
///
/// # Errors
/// When this user could have something else be there; those of looking.
pub(crate) fn check_way(path: &Path, other: u32) -> Result<(), Error> {
    let mut walk = Walk::begin(path, Purpose::Read(other))?;
    match walk.run()? {
        End::Nothing(at) if walk.here()?.found.mode() & WRITABLE != 0 => {
            let why = "is not there, in a folder where others could make it".into();
            Err(refused(&at, why, "make it first, as root".into()))
        }
        _ => Ok(()),
    }
}

/// Returns whether nothing has this path yet and others could make it, in a folder that is fine but for that.
pub(crate) fn could_be_made_by_others(path: &Path, other: u32) -> bool {
    let walk = Walk::begin(path, Purpose::Read(other));
    walk.is_ok_and(|mut walk| {
        let is_missing = matches!(walk.run(), Ok(End::Nothing(_)));
        is_missing
            && walk
                .here()
                .is_ok_and(|here| here.found.mode() & WRITABLE != 0)
    })
}

/// Returns whether this user could change what a path leads to, or put something else there; also whether anybody could.
pub(crate) fn is_open_to(path: &Path, other: u32) -> bool {
    let Ok(mut walk) = Walk::begin(path, Purpose::Read(other)) else {
        return false;
    };
    match walk.run() {
        Ok(End::File(_, at, found)) if found.is_file() => walk.check_file(&at, &found).is_err(),
        // A socket or a device: others may be meant to write to it.
        Ok(End::File(_, _, found)) => found.uid() == other,
        Ok(End::Folder | End::Nothing(_)) => walk
            .here()
            .is_ok_and(|here| here.found.mode() & WRITABLE != 0),
        Err(error) => matches!(error, Error::NotPrivate { .. }),
    }
}

/// Checks that a program is one that nobody but root can change.
///
/// # Errors
/// When others could, or it is none; `NotFound` when it isn't there.
pub(crate) fn check_program(path: &Path) -> Result<(), Error> {
    let mut walk = Walk::begin(path, Purpose::Run)?;
    match walk.run()? {
        End::File(_, at, found) => {
            walk.check_file(&at, &found)?;
            if found.mode() & 0o111 == 0 {
                return Err(Error::io("run", &at)(
                    io::ErrorKind::PermissionDenied.into(),
                ));
            }
            Ok(())
        }
        End::Folder => Err(Error::io("run", path)(io::ErrorKind::IsADirectory.into())),
        End::Nothing(at) => Err(missing(&at)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::files::RunDirectory;
    use crate::sys::process;

    /// A user who owns nothing here.
    const OTHER: u32 = 4_000_000_000;

    #[test]
    fn a_relative_path_begins_at_the_working_directory() {
        let current = std::env::current_dir().unwrap();
        for name in ["Cargo.toml", "./src/../Cargo.toml", "src/none", "src"] {
            let kind = |path: &Path| open(path, OTHER).map_err(|error| error.into_io().kind());
            let relative = kind(Path::new(name)).map(drop);
            assert_eq!(relative, kind(&current.join(name)).map(drop), "{name}");
        }
    }

    #[test]
    fn the_root_directory_is_above_itself() {
        for path in ["/", "/..", "/../.."] {
            assert!(folder(Path::new(path), Purpose::Read(OTHER)).is_ok());
        }
        let owner = fs::metadata("/").unwrap().uid();
        let refused = folder(Path::new("/"), Purpose::Read(owner));
        assert!(matches!(refused, Err(Error::NotPrivate { .. })));
    }

    #[test]
    fn links_in_a_circle_and_what_is_not_there_are_errors() {
        if process::user() != 0 {
            return; // what lies in a sticky folder must be root's
        }
        let run = RunDirectory::create(&std::env::temp_dir()).unwrap();
        let file = run.write_public("file", b"x").unwrap();
        let base = file.parent().unwrap();
        symlink("b", base.join("a")).unwrap();
        symlink("a", base.join("b")).unwrap();
        let kind = |name: &str| {
            open(&base.join(name), OTHER)
                .err()
                .unwrap()
                .into_io()
                .kind()
        };
        assert_eq!(
            open(&base.join("a"), OTHER)
                .err()
                .unwrap()
                .into_io()
                .raw_os_error(),
            Some(libc::ELOOP)
        );
        assert_eq!(kind("none"), io::ErrorKind::NotFound);
        assert_eq!(kind("none/below"), io::ErrorKind::NotFound);
        assert_eq!(kind("file/below"), io::ErrorKind::NotADirectory);
        assert_eq!(kind("."), io::ErrorKind::IsADirectory);
        assert!(open(&file, OTHER).is_ok());
        assert!(check_way(&base.join("none"), OTHER).is_ok());
        assert!(matches!(
            check_program(&file),
            Err(Error::Io { what: "run", .. })
        ));
    }
}
