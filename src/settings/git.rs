//! Git's configuration: the keys that name a proxy, which count more than HTTPS_PROXY, and certificates.

use std::path::Path;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::pairs::MAX_KEY;
use super::places::Places;
use crate::environment::Environment;

/// Files that include each other, at the most.
const MAX_FILES: usize = 16;

/// Folders between the working directory and that of its repository, at the most.
const MAX_FOLDERS: usize = 16;

/// Pairs that GIT_CONFIG_COUNT announces, at the most.
pub(crate) const MAX_PAIRS: usize = 1000;

/// Files of the system, as Git is built by distributions, by itself and by Homebrew.
const SYSTEM: [&str; 3] = [
    "/etc/gitconfig",
    "/usr/local/etc/gitconfig",
    "/opt/homebrew/etc/gitconfig",
];

/// A setting that was found.
pub(super) struct Setting {
    /// The key as Git takes it: `http.proxy`, `http.URL.sslCAInfo`, `remote.NAME.proxy`.
    pub(super) key: String,
    /// The meaning of the value.
    pub(super) kind: Kind,
    /// A proxy's URL, which may have a password, or a path.
    pub(super) value: Zeroizing<String>,
    /// The file or the variable.
    pub(super) place: Place,
}

/// The place of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A file of the user's or the system's.
    File(PathBuf),
    /// The configuration of the repository around the working directory, which came with it or with an archive.
    Repository(PathBuf),
    /// A variable.
    Variable(String),
}

/// The meaning of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A proxy for everything.
    Proxy,
    /// A proxy for a URL or a remote.
    SomeProxy,
    /// Certificates.
    Certificates,
}

/// Finds the settings of files and of variables.
pub(super) fn find(parent: &Environment, places: &Places<'_>) -> Vec<Setting> {
    let mut found = of_variables(parent);
    let mut files = Vec::new();
    match parent.get("GIT_CONFIG_SYSTEM") {
        Some(path) => files.push(PathBuf::from(path)),
        None if parent.get("GIT_CONFIG_NOSYSTEM").is_some() => {}
        None => files.extend(SYSTEM.map(PathBuf::from)),
    }
    match parent.get("GIT_CONFIG_GLOBAL") {
        Some(path) => files.push(path.into()),
        None => {
            let own = ["$XDG_CONFIG_HOME/git/config", "~/.config/git/config"];
            files.extend(places.first(&own));
            files.extend(places.first(&["~/.gitconfig"]));
        }
    }
    let mut left = MAX_FILES;
    for path in files {
        read(&path, Place::File, places, &mut left, &mut found);
    }
    if let Some(path) = of_repository(parent, places) {
        read(&path, Place::Repository, places, &mut left, &mut found);
    }
    found
}

/// Finds the settings that GIT_CONFIG_COUNT and GIT_CONFIG_PARAMETERS hold.
fn of_variables(parent: &Environment) -> Vec<Setting> {
    let mut found = Vec::new();
    for at in 0..count(parent) {
        let name = format!("GIT_CONFIG_KEY_{at}");
        let Some(key) = parent.text(&name) else {
            continue;
        };
        let Some(kind) = kind_of(key) else {
            continue;
        };
        let value = parent.text(&format!("GIT_CONFIG_VALUE_{at}"));
        found.push(Setting {
            key: key.to_owned(),
            kind,
            value: Zeroizing::new(value.unwrap_or_default().to_owned()),
            place: Place::Variable(name),
        });
    }
    // Written by `git -c` for what it starts, in two ways of quoting.
    let parameters = parent.text("GIT_CONFIG_PARAMETERS").unwrap_or_default();
    for word in parameters.split("' '") {
        let word = word.replace("'='", "=");
        let Some((key, value)) = word.trim_matches(['\'', ' ']).split_once('=') else {
            continue;
        };
        if let Some(kind) = kind_of(key) {
            found.push(Setting {
                key: key.to_owned(),
                kind,
                value: Zeroizing::new(value.to_owned()),
                place: Place::Variable("GIT_CONFIG_PARAMETERS".into()),
            });
        }
    }
    found
}

/// Returns how many pairs there are in variables.
pub(crate) fn count(parent: &Environment) -> usize {
    let count = parent.text("GIT_CONFIG_COUNT");
    let count = count.and_then(|count| count.trim().parse().ok());
    count.filter(|count| *count <= MAX_PAIRS).unwrap_or(0)
}

/// Returns what a key names, if that is a proxy or certificates.
fn kind_of(key: &str) -> Option<Kind> {
    let (section, rest) = key.split_once('.')?;
    let (between, name) = match rest.rsplit_once('.') {
        Some((between, name)) => (Some(between), name),
        None => (None, rest),
    };
    let is = |text: &str, other: &str| text.eq_ignore_ascii_case(other);
    match between {
        None if is(section, "http") && is(name, "proxy") => Some(Kind::Proxy),
        Some(_) if is(name, "proxy") && (is(section, "http") || is(section, "remote")) => {
            Some(Kind::SomeProxy)
        }
        _ if is(section, "http") && (is(name, "sslcainfo") || is(name, "sslcapath")) => {
            Some(Kind::Certificates)
        }
        _ => None,
    }
}

/// Finds the configuration of the repository around the working directory.
fn of_repository(parent: &Environment, places: &Places<'_>) -> Option<PathBuf> {
    if places.is_system_only() {
        return None;
    }
    if let Some(folder) = parent.get("GIT_DIR") {
        return Some(Path::new(folder).join("config"));
    }
    let here = std::env::current_dir().ok()?;
    let mut folders = here.ancestors().take(MAX_FOLDERS);
    let git = folders.find_map(|folder| {
        let git = folder.join(".git");
        Some((std::fs::symlink_metadata(&git).ok()?.is_dir(), git))
    });
    let (is_folder, git) = git?;
    if is_folder {
        return Some(git.join("config"));
    }
    // A worktree or a submodule, which says where its folder is.
    let text = places.read(&git)?;
    let folder = git.parent()?.join(text.strip_prefix("gitdir:")?.trim());
    let common = places.read(&folder.join("commondir"));
    Some(match common {
        Some(common) => folder.join(common.trim()).join("config"),
        None => folder.join("config"),
    })
}

/// Reads a file and those that it includes.
fn read(
    path: &Path,
    place: fn(PathBuf) -> Place,
    places: &Places<'_>,
    left: &mut usize,
    found: &mut Vec<Setting>,
) {
    if *left == 0 {
        return;
    }
    let Some(text) = places.read(path) else {
        return;
    };
    *left -= 1;
    let mut included = Vec::new();
    parse(&text, &mut |key, value| {
        if let Some(kind) = kind_of(key) {
            found.push(Setting {
                key: key.to_owned(),
                kind,
                value: Zeroizing::new(value.to_owned()),
                place: place(path.to_owned()),
            });
        }
        let is_include = ["include.", "includeif."].iter().any(|start| {
            let head = key.get(..start.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(start))
        });
        if is_include && key.ends_with(".path") {
            // Whatever the condition: it may hold where the program goes.
            included.push(places.expanded(value, path.parent().unwrap_or(path)));
        }
    });
    for path in included {
        read(&path, place, places, left, found);
    }
}

/// Gives each key with its value.
fn parse(text: &str, sink: &mut dyn FnMut(&str, &str)) {
    let mut section = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let mut line = line.trim();
        if let Some(rest) = line.strip_prefix('[') {
            let Some((name, after)) = section_of(rest) else {
                section.clear();
                continue;
            };
            section = name;
            if section.len() > MAX_KEY {
                section.clear();
            }
            line = after.trim();
        }
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let (name, value) = line.split_once('=').unwrap_or((line, "true"));
        let mut value = value.to_owned();
        while value.ends_with('\\') {
            value.pop();
            let Some(more) = lines.next() else { break };
            value.push_str(more);
        }
        let name = name.trim();
        if name.len() > MAX_KEY {
            continue;
        }
        let key = format!("{section}.{}", name.to_ascii_lowercase());
        sink(&key, &unquoted(&value));
    }
}

/// Returns a section's name, with its subsection behind a dot, and what is behind the bracket.
fn section_of(rest: &str) -> Option<(String, &str)> {
    let Some((name, sub)) = rest.split_once('"') else {
        let (name, after) = rest.split_once(']')?;
        return Some((name.trim().to_ascii_lowercase(), after));
    };
    if let Some((name, after)) = name.split_once(']') {
        // The quote belongs to a value on the same line.
        let end = rest.len() - sub.len() - after.len() - 1;
        return Some((name.trim().to_ascii_lowercase(), rest.get(end..)?));
    }
    let mut out = format!("{}.", name.trim().to_ascii_lowercase());
    let mut letters = sub.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((out, sub.get(at..)?.split_once(']')?.1)),
            '\\' => out.extend(letters.next().map(|(_, letter)| letter)),
            letter => out.push(letter),
        }
    }
    None
}

/// Returns a value of git's configuration without quotes, and without a comment at its end.
fn unquoted(value: &str) -> String {
    let mut out = String::new();
    let mut is_quoted = false;
    let mut letters = value.trim().chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => is_quoted = !is_quoted,
            '#' | ';' if !is_quoted => break,
            '\\' => out.extend(letters.next()),
            letter => out.push(letter),
        }
    }
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pairs of a text, a line each.
    fn pairs(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        parse(text, &mut |key, value| found.push(format!("{key}={value}")));
        found
    }

    #[test]
    fn keys_have_their_section_and_subsection() {
        let text = "[HTTP]\n\tProxy = http://p:1 # why\n[http \"https://A.test/\"] proxy = \"p ; 2\"\n\
                    [remote \"a \\\"b\\\" ]\"]\nproxy=\n[include]\npath = \"~/x\"\n[core] a = \"b\"\nbare\n[http]sslCAInfo = /a\\\nb\n";
        assert_eq!(
            pairs(text),
            [
                "http.proxy=http://p:1",
                "http.https://A.test/.proxy=p ; 2",
                "remote.a \"b\" ].proxy=",
                "include.path=~/x",
                "core.a=b",
                "core.bare=true",
                "http.sslcainfo=/ab",
            ]
        );
    }

    #[test]
    fn no_text_is_too_odd() {
        let long = "[".repeat(10_000);
        for text in [
            "",
            "[",
            "[]",
            "[\"",
            "[a \"",
            "[a \"\\",
            "=",
            "\\",
            "a=\\",
            "a=\"",
            "]",
            "[a]\"",
            "[\u{fc} \"\u{1f600}\"]\u{fc}=\\\u{fc}",
            &long,
        ] {
            pairs(text);
        }
    }

    #[test]
    fn only_keys_of_proxies_and_certificates_count() {
        for (key, kind) in [
            ("http.proxy", Some(Kind::Proxy)),
            ("HTTP.Proxy", Some(Kind::Proxy)),
            ("http.https://a.test.proxy", Some(Kind::SomeProxy)),
            ("remote.origin.proxy", Some(Kind::SomeProxy)),
            ("http.sslCAInfo", Some(Kind::Certificates)),
            ("http.https://a.test/.sslCAPath", Some(Kind::Certificates)),
            ("remote.origin.url", None),
            ("remote.proxy", None),
            ("core.proxy", None),
            ("proxy", None),
        ] {
            assert_eq!(kind_of(key), kind, "{key}");
        }
    }

    #[test]
    fn variables_are_read_in_both_ways_of_quoting() {
        let parent: Environment = [
            ("GIT_CONFIG_COUNT", "2"),
            ("GIT_CONFIG_KEY_0", "http.proxy"),
            ("GIT_CONFIG_VALUE_0", "p:0"),
            ("GIT_CONFIG_KEY_1", "user.name"),
            (
                "GIT_CONFIG_PARAMETERS",
                "'http.proxy=p:1' 'http.https://a.test.proxy'='p:2'",
            ),
        ]
        .into_iter()
        .collect();
        let found = of_variables(&parent);
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|setting| (&*setting.key, setting.value.as_str()))
            .collect();
        let expected = [
            ("http.proxy", "p:0"),
            ("http.proxy", "p:1"),
            ("http.https://a.test.proxy", "p:2"),
        ];
        assert_eq!(found, expected);
        let many = [("GIT_CONFIG_COUNT", "99999999")].into_iter().collect();
        assert_eq!(count(&many), 0);
    }
}
