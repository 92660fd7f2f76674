//! What is found, and what would become of it: decided before anything is asked or changed.

use std::ops::Range;

use super::Row;
use super::files::EnvFile;
use crate::audit::Kind;
use crate::broker::record;
use crate::broker::record::DEFAULT;
use crate::broker::record::Held;
use crate::broker::record::Record;
use crate::broker::store::Snapshot;
use crate::cli::app::App;
use crate::cli::error::Error;
use crate::cli::key_check;
use crate::cli::key_check::Finding;
use crate::cli::settled;
use crate::clock;
use crate::credential::Credential;
use crate::encoding;
use crate::provider::ExportKind;
use crate::provider::Name;
use crate::provider::PLACEHOLDER;
use crate::provider::definition::Definition;
use crate::provider::reader::Invalid;

/// A key is shown by its end only if it is so long.
const MIN_SHOWN: usize = 16;

/// A key that was found.
pub(super) struct Candidate {
    /// Whose.
    pub(super) provider: Name,
    /// Its variable.
    pub(super) variable: String,
    /// Where.
    pub(super) place: Place,
    /// The key; nothing where it is none.
    credential: Option<Credential>,
    /// The placeholder that would take its place.
    placeholder: String,
    /// What would become of it.
    pub(super) action: Action,
}

/// Where a key was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A variable of this process.
    Environment,
    /// A file: which of those that were read, how it is shown, and where in it.
    File {
        /// Its number.
        index: usize,
        /// Its path.
        shown: String,
        /// Where the value stands.
        range: Range<usize>,
    },
}

/// What would become of a key.
pub(super) enum Action {
    /// It would be stored as this connection.
    Store(Name),
    /// It is stored already, as this.
    Known(Name),
    /// Nothing, because of this.
    Skip(String),
    /// It is a key; what it would be stored as is yet to be decided.
    Open,
}

impl Candidate {
    /// Whether it would be stored.
    pub(super) fn is_new(&self) -> bool {
        matches!(self.action, Action::Store(_))
    }

    /// Where its value stands in the file of this number, and what would take its place.
    pub(super) fn range_in(&self, file: usize) -> Option<(Range<usize>, &str)> {
        match &self.place {
            Place::File { index, range, .. } if *index == file => {
                Some((range.clone(), &self.placeholder))
            }
            _ => None,
        }
    }

    /// The key as it is shown.
    pub(super) fn row(&self, is_stored: bool) -> Row {
        let (action, connection, reason) = match &self.action {
            Action::Store(name) if is_stored => ("stored", Some(name), None),
            Action::Store(name) => ("found", Some(name), None),
            Action::Known(name) => ("known", Some(name), None),
            Action::Skip(reason) => ("skipped", None, Some(reason.clone())),
            Action::Open => ("found", None, None),
        };
        Row {
            provider: self.provider.to_string(),
            variable: self.variable.clone(),
            place: match &self.place {
                Place::Environment => "environment".into(),
                Place::File { shown, .. } => shown.clone(),
            },
            ends_in: self.credential.as_ref().map(ending).unwrap_or_default(),
            action,
            connection: connection.map(Name::to_string),
            reason,
        }
    }
}

/// The last four characters of a key, if it is long enough to show them.
fn ending(credential: &Credential) -> String {
    let bytes = credential.expose();
    let end = bytes
        .len()
        .checked_sub(4)
        .filter(|_| bytes.len() >= MIN_SHOWN);
    match end.and_then(|end| bytes.get(end..)) {
        Some(end) if end.is_ascii() => encoding::printable(end, 4),
        _ => "****".into(),
    }
}

/// Looks through the environment and the files, in the order in which programs let them count: the environment first, then the files
/// as they come.
///
/// # Errors
/// When the vault can't be opened.
pub(super) fn make(
    app: &App,
    files: &[EnvFile],
    environment: bool,
) -> Result<Vec<Candidate>, Error> {
    let snapshot = app.store.snapshot().map_err(Error::from)?;
    let mut found: Vec<Candidate> = Vec::new();
    for (_, entry) in app.registry.iter() {
        let Ok(definition) = entry else { continue };
        let of_it = candidates(app, definition, files, environment);
        found.extend(of_it.map_err(|invalid| Error::from(&invalid))?);
    }
    for index in 0..found.len() {
        let (before, rest) = found.split_at_mut(index);
        if let Some(candidate) = rest.first_mut() {
            decide(&snapshot, before, candidate)?;
        }
    }
    Ok(found)
}

/// The keys of one provider.
fn candidates(
    app: &App,
    definition: &Definition,
    files: &[EnvFile],
    environment: bool,
) -> Result<Vec<Candidate>, Invalid> {
    let provider = definition.name()?;
    let placeholder = definition.placeholder()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    // One that files could take for something else is none for them.
    let in_files = if placeholder.bytes().all(is_plain) {
        placeholder.clone()
    } else {
        PLACEHOLDER.to_owned()
    };
    let exports = definition.exports()?.into_iter();
    let mut names: Vec<String> = exports
        .filter(|export| export.kind == ExportKind::Credential)
        .map(|export| export.name)
        .collect();
    names.sort();
    names.dedup();
    let mut found = Vec::new();
    let mut add = |variable: &str, place: Place, value: &[u8]| {
        let is_placeholder = [&*placeholder, PLACEHOLDER]
            .iter()
            .any(|known| known.as_bytes() == value);
        if value.is_empty() || is_placeholder || is_reference(value) {
            return;
        }
        let (credential, action) = judge(app, definition, value);
        found.push(Candidate {
            provider: provider.clone(),
            variable: variable.to_owned(),
            place,
            credential,
            placeholder: in_files.clone(),
            action,
        });
    };
    for name in &names {
        if let Some(value) = app.parent.get(name).filter(|_| environment) {
            add(name, Place::Environment, value.as_encoded_bytes());
        }
    }
    for (index, file) in files.iter().enumerate() {
        for one in file
            .assignments()
            .iter()
            .filter(|one| names.contains(&one.name))
        {
            let place = Place::File {
                index,
                shown: file.shown(),
                range: one.range.clone(),
            };
            add(&one.name, place, &one.value);
        }
    }
    Ok(found)
}

/// Whether the value is another variable's: `$NAME`, `${NAME}`.
fn is_reference(value: &[u8]) -> bool {
    let Some(name) = value.strip_prefix(b"$") else {
        return false;
    };
    let inner = name
        .strip_prefix(b"{")
        .and_then(|name| name.strip_suffix(b"}"));
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    inner.unwrap_or(name).iter().all(is_name)
}

/// Whether a value is a key of the provider. That it can be stored is decided later.
fn judge(app: &App, definition: &Definition, value: &[u8]) -> (Option<Credential>, Action) {
    match Credential::new(value.to_vec()) {
        Err(why) => (None, Action::Skip(format!("no credential: {why}"))),
        Ok(credential) => {
            let action = match key_check::look(&app.registry, definition, &credential) {
                Finding::Wrong(why) => Action::Skip(why),
                Finding::Good | Finding::Doubtful(_) => Action::Open,
            };
            (Some(credential), action)
        }
    }
}

/// Decides what a key is stored as: the provider's default if that is free, else a connection named after the place. The same key is
/// stored once.
fn decide(
    snapshot: &Snapshot,
    before: &[Candidate],
    candidate: &mut Candidate,
) -> Result<(), Error> {
    let (Action::Open, Some(key)) = (&candidate.action, &candidate.credential) else {
        return Ok(());
    };
    let mut taken = Vec::new();
    for record in snapshot.of_provider(&candidate.provider) {
        let secret = snapshot.secret(&record).map_err(Error::from)?;
        if secret.is_some_and(|secret| key.same_as(&secret)) {
            candidate.action = Action::Known(record.connection);
            return Ok(());
        }
        taken.push(record.connection);
    }
    for other in before
        .iter()
        .filter(|other| other.provider == candidate.provider)
    {
        let (Action::Store(name) | Action::Known(name)) = &other.action else {
            continue;
        };
        let is_same = other
            .credential
            .as_ref()
            .is_some_and(|other| other.same_as(&key.to_secret()));
        if is_same {
            candidate.action = Action::Known(name.clone());
            return Ok(());
        }
        taken.push(name.clone());
    }
    candidate.action = Action::Store(free_name(&candidate.place, &taken));
    Ok(())
}

/// A name for a connection that isn't taken.
fn free_name(place: &Place, taken: &[Name]) -> Name {
    let default = Name::parse(DEFAULT).expect("a good name");
    if !taken.contains(&default) {
        return default;
    }
    let base = match place {
        Place::Environment => "environment".to_owned(),
        Place::File { shown, .. } => {
            let file = shown.rsplit('/').next().unwrap_or_default();
            let file = file.trim_start_matches('.').trim_start_matches("env.");
            file.to_ascii_lowercase()
        }
    };
    let numbered = |number: usize| match number {
        1 => base.clone(),
        _ => format!("{base}-{number}"),
    };
    let mut names = (1..=taken.len() + 1).filter_map(|number| Name::parse(&numbered(number)));
    let free = names.find(|name| !taken.contains(name));
    free.unwrap_or_else(|| {
        let names =
            (1..=taken.len() + 1).filter_map(|number| Name::parse(&format!("imported-{number}")));
        let mut free = names.filter(|name| !taken.contains(name));
        free.next().expect("more names than are taken")
    })
}

/// Stores what is new.
///
/// # Errors
/// When the vault can't be changed, or somebody else has stored a connection of that name meanwhile.
pub(super) fn store(app: &App, candidates: &[Candidate]) -> Result<(), Error> {
    let now = record::seconds(clock::now());
    for candidate in candidates {
        let (Action::Store(name), Some(credential)) = (&candidate.action, &candidate.credential)
        else {
            continue;
        };
        let definition = app.definition(candidate.provider.as_str())?;
        // A URL in the environment that is no good is for the person to mend before a run; the key is safer in the vault meanwhile.
        let settled = settled::settle(app, definition, None, None).unwrap_or_default();
        let record = Record {
            provider: candidate.provider.clone(),
            connection: name.clone(),
            is_default: false,
            held: Held::Sealed,
            base_url: settled.base_url,
            username: settled.username,
            routes: settled.routes,
            created: now,
            updated: now,
        };
        let stored = app
            .store
            .add(record, Some(&credential.to_secret()), false)
            .map_err(Error::from)?;
        app.tell(Kind::Import, &stored);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_from_the_place_when_the_default_is_taken() {
        let name = |text: &str| Name::parse(text).unwrap();
        let file = |shown: &str| Place::File {
            index: 0,
            shown: shown.into(),
            range: 0..0,
        };
        let taken = [name("default"), name("local")];
        assert_eq!(free_name(&file(".env"), &[]), name("default"));
        assert_eq!(free_name(&file(".env"), &taken), name("env"));
        assert_eq!(
            free_name(&file("a/.env.production"), &taken),
            name("production")
        );
        assert_eq!(free_name(&file(".env.local"), &taken), name("local-2"));
        assert_eq!(free_name(&file("Größe"), &taken), name("imported-1"));
        assert_eq!(free_name(&Place::Environment, &taken), name("environment"));
    }

    #[test]
    fn a_short_key_is_not_shown_at_all() {
        let ending = |key: &str| ending(&Credential::new(key.as_bytes().to_vec()).unwrap());
        assert_eq!(ending("0123456789abcdef"), "cdef");
        assert_eq!(ending("0123456789abcde"), "****");
    }

    #[test]
    fn a_reference_is_no_key() {
        assert!(is_reference(b"$OPENAI_API_KEY") && is_reference(b"${KEY}"));
        assert!(!is_reference(b"$2a$10$x") && !is_reference(b"sk-1"));
    }
}
