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
    entries: BTreeMap<String, Result<Definition, Broken>>,
}

/// A definition that can't be used.
pub(crate) struct Broken {
    /// What is wrong with it.
    pub(crate) invalid: Invalid,
    /// The variables that it would have been used for, as far as they can be read: its own, and those of the bundled definition in
    /// whose place it stands.
    pub(crate) variables: Vec<String>,
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
            let broken = |invalid| Broken {
                invalid,
                variables: Vec::new(),
            };
            entries.insert((*name).to_owned(), definition.map_err(broken));
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
    pub(crate) fn find(&self, name: &str) -> Option<&Result<Definition, Broken>> {
        self.entries.get(name)
    }

    /// All of them, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Result<Definition, Broken>)> {
        self.entries.iter().map(|(name, entry)| (&**name, entry))
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

/// Reads one file.
fn read_definition(path: &Path, stem: &str) -> Result<Definition, Broken> {
    let file = path.display().to_string();
    let mut variables = BUNDLED
        .iter()
        .find(|(bundled, _)| *bundled == stem)
        .and_then(|(name, text)| Definition::parse(name, text.as_bytes()).ok())
        .map_or_else(Vec::new, |definition| definition.variable_names());
    let text = files::read(path, MAX_FILE).map_err(|error| Invalid {
        file: file.clone(),
        field: String::new(),
        why: format!("cannot be read: {error}"),
        remedy: "check the file and its permissions".into(),
    });
    match text.and_then(|text| Definition::parse(&file, &text)) {
        Err(invalid) => Err(Broken { invalid, variables }),
        Ok(definition) => match check(&definition, stem) {
            Ok(()) => Ok(definition),
            Err(invalid) => {
                variables.extend(definition.variable_names());
                Err(Broken { invalid, variables })
            }
        },
    }
}

/// Reads all of a definition, so that a mistake is told even while nothing uses it; the base URL, which may come later, is made up.
/// The file's name must be the provider's.
fn check(definition: &Definition, stem: &str) -> Result<(), Invalid> {
    let name = definition.name()?;
    if Name::parse(stem).as_ref() != Some(&name) {
        return Err(Invalid {
            file: definition.file.clone(),
            field: "name".into(),
            why: format!("is {name}, but the file is called {stem}.json"),
            remedy: format!("call the file {name}.json"),
        });
    }
    let outside = Outside {
        base_url: Some("https://base.invalid"),
        variable: &|_| None,
    };
    definition.provider(&outside).map(drop)
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
