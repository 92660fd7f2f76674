//! The environment as root's commands may have it while the program's user is another: without variables that lead to what that user
//! could change, such as `PYTHONPATH`, `BASH_ENV`, `LD_LIBRARY_PATH` or a `HOME` with settings in it.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::environment::Environment;
use crate::files::trusted;
use crate::files::trusted::Purpose;

/// The variable that names a user's folder.
const HOME: &str = "HOME";

/// Where root's folder is; the second for a system without the first.
const HOMES: [&str; 2] = ["/root", "/"];

/// Variables that are looked at elsewhere, or that no program follows.
const PASSED_OVER: [&str; 6] = ["PATH", "PWD", "OLDPWD", "MAIL", "SUDO_COMMAND", "_"];

/// Folders for temporary files: everybody can write there, and programs know it.
const TEMPORARY: [&str; 3] = ["TMPDIR", "TMP", "TEMP"];

/// The bytes that end a path in a list, in a list of options, or in a script.
const ENDS: &[u8] = b":;,=\"'() \t\n";

/// Returns the variables that lead to what this user could change.
pub(crate) fn leading_to(environment: &Environment, user: u32) -> Vec<OsString> {
    let leads = |(name, value): &(&OsStr, &OsStr)| {
        let is_one_of = |names: &[&str]| names.iter().any(|known| name == known);
        let leads_there = |path: &Path| {
            let is_place =
                is_one_of(&TEMPORARY) && trusted::folder(path, Purpose::Read(user)).is_ok();
            !is_place && trusted::is_open_to(path, user)
        };
        !is_one_of(&PASSED_OVER) && paths(value).any(leads_there)
    };
    let found = environment.iter().filter(leads);
    found.map(|(name, _)| name.to_owned()).collect()
}

/// Takes these variables out of an environment. In the place of a home there is root's own.
pub(super) fn take_out(environment: &mut Environment, names: &[OsString]) {
    environment.remove_where(|name| names.iter().any(|other| other == name));
    let is_roots = |home: &&str| trusted::folder(Path::new(home), Purpose::Run).is_ok();
    if names.iter().any(|name| name == HOME)
        && let Some(home) = HOMES.iter().find(|home| is_roots(home))
    {
        environment.set(HOME, *home);
    }
}

/// The absolute paths in a value: by themselves, in a list, or behind an option (`-I/path`).
fn paths(value: &OsStr) -> impl Iterator<Item = &Path> {
    let parts = value.as_bytes().split(|byte| ENDS.contains(byte));
    let paths = parts.filter_map(|part| match part.first()? {
        b'/' => Some(part),
        b'-' => part.get(part.iter().position(|byte| *byte == b'/')?..),
        _ => None,
    });
    paths.map(|path| Path::new(OsStr::from_bytes(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_in_lists_and_behind_options() {
        for (value, expected) in [
            ("/a:b:/c/d", &["/a", "/c/d"][..]),
            (
                "-javaagent:/a.jar=x -I/b --require=/c",
                &["/a.jar", "/b", "/c"],
            ),
            ("unix:path=/a,guid=1", &["/a"]),
            ("https://a.test/b", &["//a.test/b"]),
            ("() { . '/a'; }", &["/a"]),
            ("a/b -c", &[]),
            ("", &[]),
        ] {
            let found: Vec<&Path> = paths(OsStr::new(value)).collect();
            let expected: Vec<&Path> = expected.iter().map(Path::new).collect();
            assert_eq!(found, expected, "{value}");
        }
    }
}
