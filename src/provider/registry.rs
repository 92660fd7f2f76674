//! All definitions that can be had: the bundled ones, and the person's own, which win.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use super::Name;
use super::bundled::BUNDLED;
use super::definition::Definition;
use super::definition::Outside;
use super::reader::Invalid;
use crate::files::private;

/// Bytes of a definition file, at the most.
pub(crate) const MAX_FILE: u64 = 256 * 1024;

/// Letters at the beginning that tell keys of one provider from those of others.
const MIN_DISTINCTNESS: usize = 3;

/// Definitions by name, and what is wrong with those that can't be used.
pub(crate) struct Registry {
    /// What each name means.
    entries: BTreeMap<String, Result<Definition, Broken>>,
    /// The names of those that are the person's own.
    own: BTreeSet<String>,
    /// The bundled ones in whose place one of the person's own stands: what they export is still a credential's.
    replaced: Vec<Definition>,
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
        let mut registry = Self::bundled();
        for path in definition_files(directory)? {
            let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) else {
                continue;
            };
            let entry = read_definition(&path, stem);
            let before = registry.entries.insert(stem.to_owned(), entry);
            registry.replaced.extend(before.and_then(Result::ok));
            registry.own.insert(stem.to_owned());
        }
        Ok(registry)
    }

    /// The bundled definitions alone.
    pub(crate) fn bundled() -> Self {
        let mut entries = BTreeMap::new();
        for (name, text) in BUNDLED {
            let definition = Definition::parse(&format!("bundled {name}"), text.as_bytes());
            let broken = |invalid| Broken {
                invalid,
                variables: Vec::new(),
            };
            entries.insert((*name).to_owned(), definition.map_err(broken));
        }
        Self {
            entries,
            own: BTreeSet::new(),
            replaced: Vec::new(),
        }
    }

    /// The definition of this name; `None` when there is none.
    pub(crate) fn find(&self, name: &str) -> Option<&Result<Definition, Broken>> {
        self.entries.get(name)
    }

    /// Whether the definition of this name is the person's own.
    pub(crate) fn is_own(&self, name: &str) -> bool {
        self.own.contains(name)
    }

    /// Whether there is a bundled definition of this name.
    pub(crate) fn is_bundled(&self, name: &str) -> bool {
        bundled(name).is_some()
    }

    /// The bundled ones in whose place one of the person's own stands.
    pub(crate) fn replaced(&self) -> &[Definition] {
        &self.replaced
    }

    /// The bundled ones, whatever stands in the place of some.
    pub(crate) fn all_bundled(&self) -> impl Iterator<Item = &Definition> {
        let used = self.iter().filter(|(name, _)| !self.is_own(name));
        let used = used.filter_map(|(_, entry)| entry.as_ref().ok());
        used.chain(&self.replaced)
    }

    /// All of them, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Result<Definition, Broken>)> {
        self.entries.iter().map(|(name, entry)| (&**name, entry))
    }

    /// The providers whose keys look like this one, where that is told by how they begin; none where `own` is among them.
    pub(crate) fn looks_like(&self, key: &[u8], own: &str) -> Vec<(&str, &Definition)> {
        let Ok(key) = str::from_utf8(key) else {
            return Vec::new();
        };
        let fitting = self.iter().filter_map(|(name, entry)| {
            let definition = entry.as_ref().ok()?;
            let shape = definition.key_shape().ok()??;
            let distinctness = shape.distinctness();
            let is_told = distinctness >= MIN_DISTINCTNESS && shape.fits(key);
            is_told.then_some((distinctness, name, definition))
        });
        let fitting: Vec<_> = fitting.collect();
        let most = fitting.iter().map(|(distinctness, ..)| *distinctness).max();
        let best = fitting
            .iter()
            .filter(|(distinctness, ..)| Some(*distinctness) == most);
        let best: Vec<_> = best
            .map(|(_, name, definition)| (*name, *definition))
            .collect();
        if best.iter().any(|(name, _)| *name == own) {
            return Vec::new();
        }
        best
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

/// The text of the bundled definition of this name.
fn bundled(name: &str) -> Option<&'static str> {
    let found = BUNDLED.iter().find(|(bundled, _)| *bundled == name);
    found.map(|(_, text)| *text)
}

/// Reads one file.
fn read_definition(path: &Path, stem: &str) -> Result<Definition, Broken> {
    let file = path.display().to_string();
    let mut variables = bundled(stem)
        .and_then(|text| Definition::parse(stem, text.as_bytes()).ok())
        .map_or_else(Vec::new, |definition| definition.variable_names());
    // Whoever can write it says where credentials go.
    let text = private::read_trusted(path, MAX_FILE).map_err(|error| Invalid {
        file: file.clone(),
        field: String::new(),
        why: match &error {
            private::Error::NotPrivate { path: at, why, .. } if at == path => why.clone(),
            private::Error::Io { error, .. } => format!("cannot be read: {error}"),
            other => other.to_string(),
        },
        remedy: match &error {
            private::Error::NotPrivate { .. } => error.remedy(),
            _ => "check the file and its permissions".into(),
        },
    });
    match text.and_then(|text| Definition::parse(&file, &text)) {
        Err(invalid) => Err(Broken { invalid, variables }),
        Ok(definition) => match check_file(&definition, stem) {
            Ok(()) => Ok(definition),
            Err(invalid) => {
                variables.extend(definition.variable_names());
                Err(Broken { invalid, variables })
            }
        },
    }
}

/// Checks that the file's name is the provider's, and all else.
fn check_file(definition: &Definition, stem: &str) -> Result<(), Invalid> {
    let name = definition.name()?;
    if Name::parse(stem).as_ref() != Some(&name) {
        return Err(Invalid {
            file: definition.file.clone(),
            field: "name".into(),
            why: format!("is {name}, but the file is called {stem}.json"),
            remedy: format!("call the file {name}.json"),
        });
    }
    check(definition)
}

/// Reads all of a definition, so that a mistake is told even while nothing uses it; the base URL, which may come later, is made up.
///
/// # Errors
/// The first field that is wrong.
pub(crate) fn check(definition: &Definition) -> Result<(), Invalid> {
    let outside = Outside {
        base_url: Some("https://base.invalid"),
        username: None,
        variable: &|_| None,
    };
    definition.key_shape()?;
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
    fn a_key_is_known_by_how_it_begins() {
        let registry = Registry::load(Path::new("/nonexistent")).unwrap();
        let names = |key: &str, own: &str| -> Vec<String> {
            let found = registry.looks_like(key.as_bytes(), own);
            found.into_iter().map(|(name, _)| name.to_owned()).collect()
        };
        assert_eq!(
            names("sk-ant-api03-abcdefghijklmnop", "openai"),
            ["anthropic"]
        );
        assert_eq!(
            names("ghp_abcdefghijklmnopqrstuvwxyz", "openai"),
            ["github", "github-mcp"]
        );
        assert!(names("sk-ant-api03-abcdefghijklmnop", "anthropic").is_empty());
        assert!(names("sk-abcdefghijklmnopqrstuvwxyz", "openai").is_empty());
        assert!(names("abcdefghijklmnopqrstuvwxyz", "openai").is_empty());
    }

    #[test]
    fn a_typing_mistake_is_recognised() {
        assert_eq!(distance("openai", "opneai"), 2);
        assert_eq!(distance("", "abc"), 3);
        let registry = Registry::load(Path::new("/nonexistent")).unwrap();
        assert_eq!(registry.nearest("opnai"), Some("openai"));
        assert_eq!(registry.nearest("zzzzzzzzzz"), None);
    }
}
