//! The home, the vault in it, and what is left over.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;

use super::super::app::App;
use super::super::ca::public;
use super::super::root;
use super::super::root::Standing;
use super::report::Check;
use super::report::Report;
use crate::clock;
use crate::files::private;
use crate::vault::KEY_FILE;
use crate::vault::PASSPHRASE_FILE;

/// Looks at the folders and the files in them: whose they are, and what others can do with them.
pub(super) fn look(app: &App, report: &mut Report) {
    let path = app.home.path();
    report.add(match fs::symlink_metadata(path) {
        Err(_) if !path.exists() => Check::ok(
            "home",
            format!(
                "{} is not there yet: what is stored first makes it",
                path.display()
            ),
        ),
        _ => folder("home", path),
    });
    for inner in [app.home.providers(), app.home.ca()] {
        if inner.exists() {
            report.add(folder("home", &inner));
        }
    }
    let secret = [
        app.home.vault(),
        app.home.vault_lock(),
        app.home.master_key(),
        app.home.next_master_key(),
        app.home.audit_log(),
    ];
    let found: Vec<Check> = secret
        .iter()
        .filter_map(|path| private::check_file(path).err())
        .map(|error| untrusted("files", &error))
        .collect();
    // Those of definitions that others can change are no definitions: they are told among these.
    report.add_or(
        found,
        Check::ok("files", "no one else can read or change those with secrets"),
    );
}

/// A folder of ours.
fn folder(name: &'static str, path: &Path) -> Check {
    let shown = path.display();
    if let Err(error) = private::check_folder(path) {
        return untrusted(name, &error);
    }
    let mode = fs::metadata(path).map_or(0, |found| found.permissions().mode() & 0o7777);
    if mode & 0o077 != 0 {
        return Check::warn(
            name,
            format!("{shown} can be looked into by others (mode {mode:04o})"),
        )
        .remedy(format!("chmod go-rwx {shown}"));
    }
    Check::ok(name, format!("{shown} is this user's alone"))
}

/// A file or folder that can't be used.
fn untrusted(name: &'static str, error: &private::Error) -> Check {
    Check::fail(name, error.to_string()).remedy(error.remedy())
}

/// What is in a folder, by name; nothing where it can't be read.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Looks whether the vault opens; tells whether what is stored is known, even that it is nothing.
pub(super) fn look_at_vault(app: &App, report: &mut Report) -> bool {
    let snapshot = match app.store.snapshot() {
        Ok(snapshot) => snapshot,
        Err(error) => {
            report.add(Check::fail("vault", error.to_string()).remedy(error.remedy()));
            return false;
        }
    };
    let origin = match app.store.vault().key_origin() {
        Ok(origin) => origin,
        Err(error) => {
            report.add(Check::fail("vault", error.to_string()).remedy(error.remedy()));
            return false;
        }
    };
    let is_there = app.home.vault().exists();
    report.add(if is_there {
        let text = match snapshot.records().len() {
            1 => "1 connection is in it".to_owned(),
            count => format!("{count} connections are in it"),
        };
        Check::ok("vault", format!("it opens ({origin}); {text}"))
    } else {
        Check::ok(
            "vault",
            format!("not made yet; its key will be that of {origin}"),
        )
    });
    true
}

/// Looks at the certificate authority that stays, where there is one.
pub(super) fn look_at_authority(app: &App, report: &mut Report) {
    let snapshot = app.store.snapshot();
    let certificate = match snapshot.and_then(|snapshot| snapshot.authority()) {
        Ok(None) => return,
        Ok(Some(authority)) => authority.certificate,
        Err(error) => {
            return report.add(Check::fail("ca", error.to_string()).remedy(error.remedy()));
        }
    };
    let standing = root::standing(&certificate, clock::now());
    let text = standing.of(&certificate);
    report.add(match standing {
        Standing::Good => Check::ok("ca", text),
        Standing::EndsSoon => Check::warn("ca", text).remedy(root::RENEW),
        Standing::Over => Check::fail("ca", text).remedy(root::RENEW),
        Standing::NotYet => Check::fail("ca", text).remedy(root::CLOCK),
    });
    let shown = public::path(&app.home).display().to_string();
    report.add(match public::standing(&app.home, &certificate) {
        Ok(public::Standing::Same) => Check::ok("ca", format!("{shown} is its certificate")),
        Ok(public::Standing::Missing) => Check::warn("ca", format!("{shown} is not there"))
            .remedy("`authsome ca show` writes it anew"),
        Ok(public::Standing::Differs) => {
            Check::fail("ca", format!("{shown} is not its certificate")).remedy(public::REMEDY)
        }
        Err(error) => Check::fail("ca", error.what).remedy(error.hint.unwrap_or_default()),
    });
}

/// Looks for what was left behind, and for keys that others could have read.
pub(super) fn look_for_leftovers(app: &App, is_open: bool, report: &mut Report) {
    let mut found = Vec::new();
    let master_key = app.home.master_key();
    let vault = app.store.vault();
    let has_other_key = vault.has_given_key() || vault.has_passphrase().unwrap_or(false);
    // A vault that doesn't open may have this very key.
    if is_open && app.home.vault().exists() && has_other_key && master_key.exists() {
        let origin = vault.key_origin().unwrap_or_default();
        let text = format!(
            "{} is there, but the vault opens with {origin}",
            master_key.display()
        );
        let remedy = "remove it, unless an older copy of the vault needs it";
        found.push(Check::warn("leftovers", text).remedy(remedy));
    }
    let next = app.home.next_master_key();
    if next.exists() {
        let text = format!(
            "{} is there: a change of the key was interrupted",
            next.display()
        );
        let remedy = "the next change of the vault ends it; `authsome vault rekey` is one";
        found.push(Check::warn("leftovers", text).remedy(remedy));
    }
    for path in entries(app.home.path()) {
        if path.extension().is_some_and(|extension| extension == "new") {
            let text = format!("{} was left by a process that was killed", path.display());
            let remedy = "remove it when no other authsome is at work";
            found.push(Check::warn("leftovers", text).remedy(remedy));
        }
    }
    report.add_or(found, Check::ok("leftovers", "none"));
    for variable in [KEY_FILE, PASSPHRASE_FILE] {
        if let Some(path) = app.parent.get(variable) {
            report.add(key_file(variable, Path::new(path)));
        }
    }
}

/// A file that a variable names, with a key or a passphrase.
fn key_file(variable: &str, path: &Path) -> Check {
    let shown = path.display();
    // Links followed: secrets that are mounted into containers are links.
    match fs::metadata(path) {
        Err(error) => Check::warn(
            "key-file",
            format!("{variable}: cannot read {shown}: {error}"),
        )
        .remedy("name a file that is there, or unset the variable"),
        Ok(found) if found.permissions().mode() & 0o077 != 0 => {
            let mode = found.permissions().mode() & 0o7777;
            Check::warn(
                "key-file",
                format!("{variable}: {shown} can be used by others (mode {mode:04o})"),
            )
            .remedy(format!("chmod go-rwx {shown}"))
        }
        Ok(_) => Check::ok(
            "key-file",
            format!("{variable}: {shown} is closed to others"),
        ),
    }
}
