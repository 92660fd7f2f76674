//! Locations of settings files, and a bounded read of each that never blocks. With `run --user`, only the system's files count.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::ffi::OsString;
use std::path::Path;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::environment::Environment;
use crate::files;
use crate::files::trusted;

/// Bytes of a file of settings, at the most.
const MAX_FILE: u64 = 256 * 1024;

/// Entries of the home that are listed, at the most. One list takes less time than looking for each file, of which most aren't there.
const MAX_ENTRIES: usize = 1000;

/// The places that an environment leads to.
pub(super) struct Places<'a> {
    /// The variables.
    parent: &'a Environment,
    /// The folder that HOME names.
    home: Option<PathBuf>,
    /// Names of all that is in there; `None` where they are too many.
    entries: Option<HashSet<OsString>>,
    /// Whether the program has a user of its own (`run --user`): then only the system's files count. Those of this user, root, are not
    /// read by the program, and its own are for root neither to read nor to trust.
    is_guarded: bool,
}

impl<'a> Places<'a> {
    /// The places of this environment.
    pub(super) fn new(parent: &'a Environment) -> Self {
        let home = parent.get("HOME").map(PathBuf::from);
        let is_guarded = trusted::kept_from().is_some();
        let listed = home.as_ref().filter(|_| !is_guarded);
        Self {
            parent,
            entries: listed.and_then(|home| names_in(home)),
            home,
            is_guarded,
        }
    }

    /// Returns whether only the system's files count.
    pub(super) fn is_system_only(&self) -> bool {
        self.is_guarded
    }

    /// Returns the first of these alternatives whose variable is set.
    pub(super) fn first(&self, alternatives: &[&str]) -> Option<PathBuf> {
        alternatives.iter().find_map(|place| self.path(place))
    }

    /// Returns the path of a place; `None` where its variable isn't set.
    fn path(&self, place: &str) -> Option<PathBuf> {
        if place.starts_with('/') {
            return Some(place.into());
        }
        if self.is_guarded {
            return None;
        }
        if let Some(rest) = place.strip_prefix("~/") {
            let first = rest.split('/').next().unwrap_or_default();
            let is_there = |entries: &HashSet<OsString>| entries.contains(OsStr::new(first));
            let path = self.home.as_ref()?.join(rest);
            return self.entries.as_ref().is_none_or(is_there).then_some(path);
        }
        let (name, rest) = match place.split_once('/') {
            Some((name, rest)) => (name, Some(rest)),
            None => (place, None),
        };
        let folder = Path::new(self.parent.get(name.strip_prefix('$')?)?);
        Some(rest.map_or_else(|| folder.to_owned(), |rest| folder.join(rest)))
    }

    /// Reads a settings file. Ignores a file that is unreadable or isn't text: its tool reports that.
    pub(super) fn read(&self, path: &Path) -> Option<Zeroizing<String>> {
        // A pipe can be read only once, by the program.
        if files::is_own_descriptor(path) {
            return None;
        }
        let bytes = Zeroizing::new(files::read(path, MAX_FILE).ok()?);
        let text = str::from_utf8(&bytes).ok()?;
        Some(Zeroizing::new(text.to_owned()))
    }

    /// Returns the file of gcloud's configuration that counts, by the path of the default one.
    pub(super) fn gcloud(&self, default: &Path) -> PathBuf {
        let named = || {
            let folder = default.parent()?.parent()?;
            let text = self.read(&folder.join("active_config"))?;
            Some(text.trim().to_owned())
        };
        let name = self.parent.text("CLOUDSDK_ACTIVE_CONFIG_NAME");
        let name = name.map(str::to_owned).or_else(named);
        let name = name.filter(|name| !name.is_empty() && !name.contains('/'));
        name.map_or_else(
            || default.to_owned(),
            |name| default.with_file_name(format!("config_{name}")),
        )
    }

    /// Returns the path that a value of a file in this folder means.
    pub(super) fn expanded(&self, value: &str, folder: &Path) -> PathBuf {
        let of_variable = || {
            let (name, rest) = value.strip_prefix("${")?.split_once('}')?;
            let rest = rest.trim_start_matches('/');
            Some(Path::new(self.parent.get(name)?).join(rest))
        };
        let of_home = || Some(self.home.as_ref()?.join(value.strip_prefix("~/")?));
        of_home()
            .or_else(of_variable)
            .unwrap_or_else(|| folder.join(value))
    }

    /// Returns a path as a user writes it, with `~` for the home.
    pub(super) fn shown(&self, path: &Path) -> String {
        let below = self
            .home
            .as_ref()
            .and_then(|home| path.strip_prefix(home).ok());
        match below {
            Some(rest) => format!("~/{}", rest.display()),
            None => path.display().to_string(),
        }
    }
}

/// Returns the names in a folder; `None` where they can't be listed, or are too many.
fn names_in(folder: &Path) -> Option<HashSet<OsString>> {
    let mut names = HashSet::new();
    for entry in std::fs::read_dir(folder).ok()? {
        if names.len() >= MAX_ENTRIES {
            return None;
        }
        names.insert(entry.ok()?.file_name());
    }
    Some(names)
}
