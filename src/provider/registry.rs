//! All definitions that can be had: the bundled ones, and the person's own, which win.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::Name;
use super::bundled::BUNDLED;
use super::definition::Definition;
use super::definition::Outside;
use super::reader::Invalid;
use crate::files;

/// Bytes of a definition file, at the most.
const MAX_FILE: u64 = 256 * 1024;

/// Definitions by name, and what is wrong with those that can't be used.
pub(crate) struct Registry {
    /// What each name means.
    entries: BTreeMap<String, Result<Definition, Invalid>>,
}

impl Registry {
    /// The bundled definitions and those in `directory`, which need not exist.
    ///
    /// # Errors
    /// When the directory is there but can't be read.
    pub(crate) fn load(directory: &Path) -> io::Result<Self> {
        let mut entries = BTreeMap::new();
        for (name, text) in BUNDLED {
            let definition = Definition::parse(&format!("bundled {name}"), text.as_bytes());
            entries.insert((*name).to_owned(), definition);
        }
        for path in definition_files(directory)? {
            let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) else {
                continue;
            };
            entries.insert(stem.to_owned(), read_definition(&path, stem));
        }
        Ok(Self { entries })
    }

    /// The definition of this name; `None` when there is none.
    pub(crate) fn find(&self, name: &str) -> Option<&Result<Definition, Invalid>> {
        self.entries.get(name)
    }

    /// All of them, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Result<Definition, Invalid>)> {
        self.entries.iter().map(|(name, entry)| (&**name, entry))
    }

    /// The credential variables of the bundled definition of this name: what a broken file of the same name would be used for.
    pub(crate) fn shadowed_variables(&self, name: &str) -> Vec<String> {
        let bundled = BUNDLED.iter().find(|(bundled, _)| *bundled == name);
        bundled
            .and_then(|(name, text)| Definition::parse(name, text.as_bytes()).ok())
            .map_or_else(Vec::new, |definition| definition.variable_names())
    }

    /// The name that a mistyped one most likely meant.
    pub(crate) fn nearest(&self, name: &str) -> Option<&str> {
        let near = |known: &&str| distance(known, name) <= 1 + name.len() / 4;
        self.entries
            .keys()
            .map(String::as_str)
            .filter(near)
            .min_by_key(|known| distance(known, name))
    }
}

/// The files in the directory whose name ends in `.json`, sorted.
fn definition_files(directory: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Reads one file; its name must be the provider's.
fn read_definition(path: &Path, stem: &str) -> Result<Definition, Invalid> {
    let file = path.display().to_string();
    let invalid = |field: &str, why: String, remedy: String| Invalid {
        file: file.clone(),
        field: field.to_owned(),
        why,
        remedy,
    };
    let text = files::read(path, MAX_FILE).map_err(|error| {
        invalid(
            "",
            format!("cannot be read: {error}"),
            "check the file and its permissions".into(),
        )
    })?;
    let definition = Definition::parse(&file, &text)?;
    let name = definition.name()?;
    if Name::parse(stem).as_ref() != Some(&name) {
        let remedy = format!("call the file {name}.json");
        return Err(invalid(
            "name",
            format!("is {name}, but the file is called {stem}.json"),
            remedy,
        ));
    }
    // All of it is read now, so that a mistake is told even while nothing uses it; the base URL, which may come later, is made up.
    let outside = Outside {
        base_url: Some("https://base.invalid"),
        variable: &|_| None,
    };
    definition.provider(&outside)?;
    Ok(definition)
}

/// How many letters differ between two words (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, y) in b.chars().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_mistake_is_recognised() {
        assert_eq!(distance("openai", "opneai"), 2);
        assert_eq!(distance("", "abc"), 3);
        let registry = Registry::load(Path::new("/nonexistent")).unwrap();
        assert_eq!(registry.nearest("opnai"), Some("openai"));
        assert_eq!(registry.nearest("zzzzzzzzzz"), None);
    }
}
