//! The layers that the documentation of `src/lib.rs` draws, held against what the sources import.
#![expect(
    clippy::panic,
    reason = "a check in support code that fails is a failed test"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// The folder of the sources.
fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All sources: their path below `src`, and their lines.
fn all_files() -> Vec<(String, Vec<String>)> {
    let (mut folders, mut files) = (vec![sources()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(sources()).expect("a path below src");
                let text = fs::read_to_string(&path).expect("a source");
                let lines = text.lines().map(str::to_owned).collect();
                files.push((name.display().to_string(), lines));
            }
        }
    }
    files.sort();
    assert!(files.len() > 20, "where are the sources?");
    files
}

/// The layer of each module, as the table in the documentation has it.
fn layers() -> BTreeMap<String, u32> {
    let text = fs::read_to_string(sources().join("lib.rs")).expect("src/lib.rs");
    let (_, rest) = text
        .split_once("//! # Layers")
        .expect("the section about layers");
    let table = rest.split("```").nth(1).expect("a table in it");
    let mut layers = BTreeMap::new();
    let lines = table.lines().filter_map(|line| line.strip_prefix("//! "));
    for line in lines.filter(|line| !line.is_empty()) {
        let mut words = line.split_whitespace();
        let layer = words.next().and_then(|word| word.parse().ok());
        let layer: u32 = layer.unwrap_or_else(|| panic!("no layer in {line:?}"));
        for module in words.take_while(|word| !word.starts_with('·')) {
            let before = layers.insert(module.to_owned(), layer);
            assert_eq!(before, None, "{module} is in the table twice");
        }
    }
    assert!(layers.len() > 10, "{layers:?}");
    layers
}

/// The modules at the root that are part of every build.
fn modules() -> Vec<String> {
    let text = fs::read_to_string(sources().join("lib.rs")).expect("src/lib.rs");
    let (mut found, mut is_special) = (Vec::new(), false);
    for line in text.lines() {
        let name = line.trim_start_matches("pub ").strip_prefix("mod ");
        if let Some(name) = name.and_then(|name| name.strip_suffix(';'))
            && !is_special
        {
            found.push(name.to_owned());
        }
        is_special = line.starts_with("#[cfg(") || is_special && !line.contains("mod ");
    }
    found
}

/// The module at the root that a file belongs to.
fn module_of(file: &str) -> &str {
    let first = file.split('/').next().unwrap_or_default();
    first.strip_suffix(".rs").unwrap_or(first)
}

/// How many modules deep the file is: what so many `super` lead to is the root.
fn depth_of(file: &str) -> usize {
    let parts = file.split('/').count();
    if file.ends_with("/mod.rs") {
        parts - 1
    } else {
        parts
    }
}

/// The identifier that the text begins with.
fn identifier(text: &str) -> &str {
    let end = text.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    text.split_at(end.unwrap_or(text.len())).0
}

/// The modules at the root that a line of code names, in a module so deep.
fn named(line: &str, depth: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut before = String::new();
    for (index, rest) in line.split("crate::").enumerate() {
        let is_part = before.ends_with(|letter: char| letter.is_alphanumeric() || letter == '_');
        if index > 0 && !is_part {
            assert!(!rest.starts_with('{'), "one path for each use: {line}");
            found.push(identifier(rest).to_owned());
        }
        before = rest.to_owned();
    }
    // As many in a row as lead to the root, no more and no fewer.
    let mut in_a_row = 0;
    for (index, rest) in line.split("super::").enumerate() {
        in_a_row += usize::from(index > 0);
        if !rest.is_empty() {
            if in_a_row == depth {
                found.push(identifier(rest).to_owned());
            }
            in_a_row = 0;
        }
    }
    found
}

/// The code of a line, without a comment.
fn code(line: &str) -> &str {
    if line.trim_start().starts_with("//") {
        ""
    } else {
        line.split(" // ").next().unwrap_or_default()
    }
}

#[test]
fn the_table_of_layers_has_every_module_and_no_other() {
    let mut modules = modules();
    modules.sort();
    let table: Vec<String> = layers().into_keys().collect();
    assert_eq!(table, modules);
}

#[test]
fn no_module_imports_from_its_own_layer_or_above() {
    let layers = layers();
    let mut offenders = Vec::new();
    for (file, lines) in all_files() {
        let module = module_of(&file);
        // The root, and what is not part of every build, may see everything.
        let Some(own) = layers.get(module) else {
            continue;
        };
        let mut depth = depth_of(&file);
        for (number, line) in lines.iter().enumerate() {
            // A module of tests at the file's end is one deeper.
            depth += usize::from(line.starts_with("mod tests {"));
            for name in named(code(line), depth) {
                let is_above = layers.get(&name).is_some_and(|layer| layer >= own);
                if name != module && is_above {
                    let number = number + 1;
                    offenders.push(format!(
                        "src/{file}:{number}: {module} ({own}) names {name}"
                    ));
                }
            }
        }
    }
    assert!(offenders.is_empty(), "\n{}", offenders.join("\n"));
}

/// Where secrets are laid open, how often, and what for.
const LAID_OPEN: [(&str, usize, &str); 21] = [
    ("secret.rs", usize::MAX, "it is what secrets are"),
    ("fuzzing.rs", 2, "no part of any build that people run"),
    ("credential.rs", usize::MAX, "it is what credentials are"),
    (
        "proxy/inject.rs",
        usize::MAX,
        "the one place that writes a credential to the wire",
    ),
    ("proxy/forms.rs", 1, "to be found in what comes back"),
    ("proxy/sending.rs", 2, "the password of an upstream proxy"),
    ("tls/root.rs", 1, "the key of a root that is kept"),
    (
        "upstream/http_tunnel.rs",
        1,
        "the password of an upstream proxy",
    ),
    ("upstream/socks.rs", 1, "the login of an upstream proxy"),
    (
        "vault/master.rs",
        3,
        "the master key's text, and its passphrase",
    ),
    ("broker/store.rs", 4, "into the vault"),
    ("broker/client.rs", 2, "the form in the vault"),
    ("broker/grant.rs", 2, "the form in the vault"),
    ("oauth/client.rs", 2, "into requests for tokens"),
    ("oauth/registration.rs", 1, "into a request about a client"),
    (
        "cli/export.rs",
        2,
        "the person asked to see it: as JSON, as lines",
    ),
    (
        "cli/serve/password.rs",
        2,
        "its length; into the form that requests have",
    ),
    ("cli/get.rs", 3, "the person asked to see it"),
    (
        "cli/import/files.rs",
        1,
        "a kept file goes back to its place",
    ),
    ("cli/import/plan.rs", 1, "the last four characters"),
    ("cli/key_check.rs", 1, "how it begins"),
];

#[test]
fn a_secret_is_laid_open_only_where_there_is_a_reason() {
    let allowed: BTreeMap<&str, usize> = LAID_OPEN
        .into_iter()
        .map(|(file, count, _)| (file, count))
        .collect();
    let mut offenders = Vec::new();
    for (file, lines) in all_files() {
        let shipped = lines
            .iter()
            .take_while(|line| !line.starts_with("#[cfg(test)]"));
        let laid_open: Vec<String> = shipped
            .enumerate()
            .filter(|(_, line)| code(line).contains(".expose()"))
            .map(|(number, line)| format!("src/{file}:{}: {}", number + 1, line.trim()))
            .collect();
        // Exactly as many: a place that is gone makes no room for another.
        let count = *allowed.get(&*file).unwrap_or(&0);
        if count != usize::MAX && laid_open.len() != count {
            offenders.push(format!("src/{file}: {count} are known"));
            offenders.extend(laid_open);
        }
    }
    assert!(offenders.is_empty(), "\n{}", offenders.join("\n"));
}

#[test]
fn only_the_place_that_arms_a_request_writes_a_credential_to_the_wire() {
    let mut senders = Vec::new();
    for (file, lines) in all_files() {
        let shipped = lines
            .iter()
            .take_while(|line| !line.starts_with("#[cfg(test)]"));
        if shipped
            .into_iter()
            .any(|line| code(line).contains("Armed {"))
        {
            senders.push(file);
        }
    }
    assert_eq!(senders, ["proxy/inject.rs"]);
}

#[test]
fn only_the_places_that_are_for_it_print_and_start_programs() {
    let rules: [(&[&str], &[&str]); 2] = [
        (
            &["std::io::stdout()", "std::io::stderr()", "println!("],
            &["cli/output.rs"],
        ),
        (
            &["Command::new("],
            &["child/supervise.rs", "program/mod.rs"],
        ),
    ];
    let mut offenders = Vec::new();
    for (file, lines) in all_files() {
        let shipped = lines
            .iter()
            .take_while(|line| !line.starts_with("#[cfg(test)]"));
        for (number, line) in shipped.enumerate() {
            for (words, places) in rules {
                let is_used = words.iter().any(|word| code(line).contains(word));
                if is_used && !places.contains(&&*file) {
                    offenders.push(format!("src/{file}:{}: {}", number + 1, line.trim()));
                }
            }
        }
    }
    assert!(offenders.is_empty(), "\n{}", offenders.join("\n"));
}

#[test]
fn the_checks_themselves_see_what_they_are_for() {
    assert_eq!(named("use crate::cli::args;", 2), ["cli"]);
    assert_eq!(named("use super::super::proxy::x;", 2), ["proxy"]);
    assert_eq!(named("use super::args::X;", 2), [""; 0]);
    assert_eq!(named("use super::broker::X;", 1), ["broker"]);
    assert_eq!(
        named("let a = crate::url::f(crate::files::g());", 1),
        ["url", "files"]
    );
    assert_eq!(depth_of("proxy/mod.rs"), 1);
    assert_eq!(depth_of("proxy/relay.rs"), 2);
    assert_eq!(depth_of("broker.rs"), 1);
    assert_eq!(module_of("broker.rs"), "broker");
    assert_eq!(code("    // crate::cli"), "");
}
