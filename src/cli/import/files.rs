//! The files that are looked into, and how their values are replaced and brought back.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;

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

/// The files of this folder that are usually looked into: those for this machine alone count before the others.
fn of_this_folder() -> io::Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(".")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let is_one = name == ".env" || name.starts_with(".env.");
        let is_example = EXAMPLES.iter().any(|end| name.ends_with(end));
        if is_one && !is_example && fs::metadata(&name).is_ok_and(|found| found.is_file()) {
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
        let mode = mode_of_own(&path)?;
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
        put(&path, &new, mode)
    }
}

/// Brings a file back as it was before its values were replaced last, and gives its path.
///
/// # Errors
/// When nothing is kept of it, it has changed meanwhile (unless `force`), or it can't be written.
pub(super) fn restore(app: &App, given: &Path, force: bool) -> Result<String, Error> {
    let shown = given.display().to_string();
    let path = whole_path(given)?;
    let kept = app
        .store
        .kept(&path.display().to_string())
        .map_err(Error::from)?;
    let Some((backup, content)) = kept else {
        return Err(Error::plain(format!("nothing is kept of {shown}"))
            .hint("only files that `import` has changed can be brought back"));
    };
    let mode = mode_of_own(&path)?;
    if fingerprint(&content_of(&path)?) != backup.replaced_by && !force {
        return Err(Error::plain(format!(
            "{shown} has changed since its values were replaced"
        ))
        .hint("--force brings it back all the same, without these changes"));
    }
    put(&path, content.expose(), mode)?;
    app.store.forget(&backup).map_err(Error::from)?;
    Ok(shown)
}

/// The path of the file itself, links followed.
fn whole_path(path: &Path) -> Result<PathBuf, Error> {
    fs::canonicalize(path).map_err(|error| failed("cannot find", path, &error))
}

/// The mode of a file of this user.
fn mode_of_own(path: &Path) -> Result<u32, Error> {
    let found = fs::metadata(path).map_err(|error| failed("cannot look at", path, &error))?;
    if found.uid() != process::user() {
        return Err(
            Error::plain(format!("{} belongs to another user", path.display()))
                .hint("run this as that user"),
        );
    }
    Ok(found.permissions().mode() & 0o7777)
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
