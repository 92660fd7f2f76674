//! The files that are looked into, and how their values are replaced and brought back.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use ring::digest;
use zeroize::Zeroizing;

use crate::broker::record;
use crate::cli::app::App;
use crate::cli::error::Error;
use crate::clock;
use crate::dotenv;
use crate::dotenv::Assignment;
use crate::encoding;
use crate::files;
use crate::files::private;
use crate::sys::process;

/// Bytes of a file, at the most.
const MAX_FILE: u64 = 1024 * 1024;

/// How old what a killed process left behind is, at the least, before it is taken for that.
const STALE: Duration = Duration::from_secs(60 * 60);

/// Ends of names of files that are examples for people.
const EXAMPLES: [&str; 4] = [".example", ".sample", ".template", ".dist"];

/// A file that was read.
pub(super) struct EnvFile {
    /// As the person named it.
    given: PathBuf,
    /// Its content.
    content: Zeroizing<Vec<u8>>,
    /// What is in it.
    assignments: Vec<Assignment>,
}

/// Reads these files, or .env and .env.* of this folder.
///
/// # Errors
/// When one can't be read. One that isn't there counts only if it was named.
pub(super) fn read(words: &[OsString]) -> Result<Vec<EnvFile>, Error> {
    let paths = if words.is_empty() {
        of_this_folder().map_err(|error| failed("cannot look into", Path::new("."), &error))?
    } else {
        words.iter().map(PathBuf::from).collect()
    };
    paths
        .into_iter()
        .map(|path| {
            let content = content_of(&path)?;
            Ok(EnvFile {
                assignments: dotenv::parse(&content),
                given: path,
                content,
            })
        })
        .collect()
}

/// A file can't be used.
fn failed(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::new(&format!("{what} {}", path.display()), error)
        .hint("check the file's name and its permissions")
}

/// A file's content.
fn content_of(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let read = files::read(path, MAX_FILE);
    read.map(Zeroizing::new)
        .map_err(|error| failed("cannot read", path, &error))
}

/// Removes what killed processes have left beside these files, or beside those that are usually looked into: copies that were never
/// moved into a file's place, an hour old and this user's.
pub(super) fn sweep(words: &[OsString]) {
    let given = words.iter().map(Path::new);
    let paths: Vec<PathBuf> = given.filter_map(|path| whole_path(path).ok()).collect();
    let named: Vec<(&Path, Option<&OsStr>)> = match words {
        [] => vec![(Path::new("."), None)],
        _ => paths
            .iter()
            .map(|path| (folder_of(path), path.file_name()))
            .collect(),
    };
    for (folder, name) in named {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let entry_name = entry.file_name();
            let Some(file) = entry_name.to_str().and_then(private::is_beside) else {
                continue;
            };
            let is_one = match name {
                Some(name) => name == file,
                None => file == ".env" || file.starts_with(".env."),
            };
            if is_one && is_stale(&entry.path()) {
                // The next import tries again.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Whether it is a plain file of this user's that nobody has written to for an hour.
fn is_stale(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| {
        let age = found
            .modified()
            .ok()
            .and_then(|time| clock::now().duration_since(time).ok());
        found.is_file() && found.uid() == process::user() && age.is_some_and(|age| age > STALE)
    })
}

/// The folder that a path is in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The files of this folder that are usually looked into: those for this machine alone count before the others.
fn of_this_folder() -> io::Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(".")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let is_one = name == ".env" || name.starts_with(".env.");
        let is_example = EXAMPLES.iter().any(|end| name.ends_with(end));
        let is_left_over = private::is_beside(&name).is_some();
        if is_one
            && !is_example
            && !is_left_over
            && fs::metadata(&name).is_ok_and(|found| found.is_file())
        {
            names.push(name);
        }
    }
    let rank = |name: &str| match name {
        ".env.local" => 0,
        _ if name.ends_with(".local") => 1,
        ".env" => 2,
        _ => 3,
    };
    names.sort_by(|a, b| (rank(a), a).cmp(&(rank(b), b)));
    Ok(names.into_iter().map(PathBuf::from).collect())
}

impl EnvFile {
    /// Its path, for people.
    pub(super) fn shown(&self) -> String {
        self.given.display().to_string()
    }

    /// What is in it.
    pub(super) fn assignments(&self) -> &[Assignment] {
        &self.assignments
    }

    /// Replaces values by placeholders. The content as it was is in the vault before the file changes.
    ///
    /// # Errors
    /// When the file has changed since it was read or belongs to someone else, the vault can't be changed, or the file can't.
    pub(super) fn replace(&self, app: &App, places: &[(Range<usize>, &str)]) -> Result<(), Error> {
        let shown = self.shown();
        let path = whole_path(&self.given)?;
        let Some((mode, links)) = found_of_own(&path)? else {
            return Err(failed(
                "cannot find",
                &path,
                &io::ErrorKind::NotFound.into(),
            ));
        };
        if *content_of(&path)? != *self.content {
            return Err(
                Error::plain(format!("{shown} has changed since it was read"))
                    .hint("the keys are stored; run import again for the file"),
            );
        }
        let mut places = places.to_vec();
        places.sort_by_key(|(range, _)| range.start);
        places.dedup_by_key(|(range, _)| range.start);
        let new = dotenv::replaced(&self.content, &places);
        let now = record::seconds(clock::now());
        let name = path.display().to_string();
        app.store
            .keep(&name, &self.content, &fingerprint(&new), now)
            .map_err(Error::from)?;
        put(&path, &new, mode)?;
        if links > 1 {
            app.notices.warn(format!(
                "{shown} had another name (a hard link), under which its keys still are: remove that file"
            ));
        }
        Ok(())
    }
}

/// Brings a file back as it was before its values were replaced last, in its place or in that of `to`; gives the path.
///
/// # Errors
/// When nothing is kept of it, what is there now was changed meanwhile or is another file (unless `force`), or it can't be written.
pub(super) fn restore(
    app: &App,
    given: &Path,
    to: Option<&Path>,
    force: bool,
) -> Result<String, Error> {
    let shown = given.display().to_string();
    let path = match (whole_path(given), to) {
        (Ok(path), _) => path,
        // Its folder is gone: it is known by the path that it had.
        (Err(_), Some(_)) => {
            std::path::absolute(given).map_err(|error| failed("cannot find", given, &error))?
        }
        (Err(error), None) => {
            return Err(error.hint("`authsome import --kept` lists what is kept; with --to FILE it is written elsewhere"));
        }
    };
    let kept = app
        .store
        .kept(&path.display().to_string())
        .map_err(Error::from)?;
    let Some((backup, content)) = kept else {
        return Err(Error::plain(format!("nothing is kept of {shown}")).hint(
            "only files that `import` has changed can be brought back: `authsome import --kept` lists them",
        ));
    };
    let target = match to {
        Some(to) => whole_path(to)?,
        None => path,
    };
    let found = found_of_own(&target)?;
    if found.is_some() && !force {
        check_unchanged(&target, to, &backup.replaced_by)?;
    }
    let mode = found.map_or(0o600, |(mode, _)| mode);
    put(&target, content.expose(), mode)?;
    app.store.forget(&backup).map_err(Error::from)?;
    Ok(to.map_or(shown, |to| to.display().to_string()))
}

/// Checks that nothing is lost with what is in a file's place.
fn check_unchanged(target: &Path, to: Option<&Path>, replaced_by: &str) -> Result<(), Error> {
    if fingerprint(&content_of(target)?) == replaced_by {
        return Ok(());
    }
    Err(match to {
        Some(to) => Error::plain(format!("{} is there already", to.display()))
            .hint("name another file, or replace it with --force"),
        None => Error::plain(format!(
            "{} has changed since its values were replaced",
            target.display()
        ))
        .hint("--force brings it back all the same, without these changes"),
    })
}

/// The path of the file itself, links followed. The file need not be there, but its folder.
fn whole_path(path: &Path) -> Result<PathBuf, Error> {
    let found = match (fs::canonicalize(path), path.file_name()) {
        (Err(error), Some(name)) if error.kind() == io::ErrorKind::NotFound => {
            fs::canonicalize(folder_of(path)).map(|folder| folder.join(name))
        }
        (found, _) => found,
    };
    found.map_err(|error| failed("cannot find", path, &error))
}

/// The mode of a file of this user, and how many names it has; `None` when it isn't there.
fn found_of_own(path: &Path) -> Result<Option<(u32, u64)>, Error> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("cannot look at", path, &error)),
    };
    if found.uid() != process::user() {
        return Err(
            Error::plain(format!("{} belongs to another user", path.display()))
                .hint("run this as that user"),
        );
    }
    Ok(Some((found.permissions().mode() & 0o7777, found.nlink())))
}

/// Puts new content in the file's place.
fn put(path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    private::replace_beside(path, content, mode).map_err(|error| {
        let remedy = error.remedy();
        Error::plain(error.to_string()).hint(remedy)
    })
}

/// What tells one content from another.
fn fingerprint(content: &[u8]) -> String {
    encoding::hex(digest::digest(&digest::SHA256, content).as_ref())
}
