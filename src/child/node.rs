//! The preload that sends Node's connections through the proxy, named by NODE_OPTIONS. Variables alone don't suffice:
//! only some versions and libraries of Node read them.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use crate::environment::Environment;
use crate::environment::NODE;
use crate::files::is_run_directory;

/// The name of the preload's file.
pub(crate) const FILE: &str = "node-preload.cjs";

/// The preload.
const PRELOAD: &str = include_str!("node/preload.cjs");

/// Text in the preload that the proxy's address replaces.
const PROXY: &str = "@PROXY@";

/// Text in the preload that the root replaces, as PEM.
const ROOT: &str = "@ROOT@";

/// Text in the preload that `yes` replaces where egress is restricted, else `no`.
const IS_RESTRICTED: &str = "@IS_RESTRICTED@";

/// Returns the preload for the proxy at this address. It has no password, since other users can read the file: the
/// password comes from HTTPS_PROXY. It contains the root, since `node --permission` may forbid reading other files.
pub(crate) fn preload(proxy: SocketAddr, root_pem: &str, is_restricted: bool) -> String {
    let is_restricted = if is_restricted { "yes" } else { "no" };
    PRELOAD
        .replacen(PROXY, &proxy.to_string(), 1)
        .replacen(ROOT, root_pem, 1)
        .replacen(IS_RESTRICTED, is_restricted, 1)
}

/// Returns the child's NODE_OPTIONS: the parent's without the preload of a run around this one, and then the preload in `file`, if
/// there is one. `None` leaves the variable out. Options that Node refuses stay as they are.
pub(super) fn options(parent: &Environment, file: Option<&Path>) -> Option<OsString> {
    let of_parent = parent.get(NODE).unwrap_or_default();
    let Some(words) = words(of_parent.as_bytes()) else {
        return Some(of_parent.to_owned());
    };
    let mut options = of_parent.as_bytes().to_vec();
    for pair in words.windows(2).rev() {
        if let [(option, flag), (path, value)] = pair
            && flag == b"--require"
            && is_preload(Path::new(OsStr::from_bytes(value)))
        {
            // With the space before it.
            options.drain(option.start.saturating_sub(1)..path.end);
        }
    }
    if let Some(file) = file {
        if !options.is_empty() {
            options.push(b' ');
        }
        options.extend_from_slice(b"--require ");
        options.extend(quoted(file.as_os_str().as_bytes()));
    }
    (!options.is_empty()).then(|| OsString::from_vec(options))
}

/// Returns whether the file is the preload of a run, be it one that has ended.
fn is_preload(file: &Path) -> bool {
    file.file_name() == Some(OsStr::new(FILE)) && file.parent().is_some_and(is_run_directory)
}

/// Returns the words of NODE_OPTIONS, each with its place; `None` where Node refuses the whole. Spaces divide words, double quotes
/// hold spaces, and a backslash in quotes makes the next byte plain.
fn words(options: &[u8]) -> Option<Vec<(Range<usize>, Vec<u8>)>> {
    let mut words: Vec<(Range<usize>, Vec<u8>)> = Vec::new();
    let (mut is_quoted, mut is_new) = (false, true);
    let mut bytes = options.iter().copied().enumerate();
    while let Some((at, mut byte)) = bytes.next() {
        if byte == b' ' && !is_quoted {
            is_new = true;
            continue;
        }
        if is_new {
            words.push((at..at, Vec::new()));
            is_new = false;
        }
        let (place, word) = words.last_mut()?;
        place.end = at + 1;
        if byte == b'"' {
            is_quoted = !is_quoted;
            continue;
        }
        if byte == b'\\' && is_quoted {
            (place.end, byte) = bytes.next().map(|(at, byte)| (at + 1, byte))?;
        }
        word.push(byte);
    }
    (!is_quoted).then_some(words)
}

/// Returns the path quoted for NODE_OPTIONS.
fn quoted(word: &[u8]) -> Vec<u8> {
    if !word.iter().any(|byte| matches!(byte, b' ' | b'"')) {
        return word.to_vec();
    }
    let mut out = vec![b'"'];
    for byte in word {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run's folder.
    const RUN: &str = "/tmp/authsome-run-0123456789abcdef0123456789abcdef";

    /// NODE_OPTIONS for this value of the parent's and this file.
    fn made(parent: &str, file: Option<&str>) -> Option<String> {
        let parent = [(NODE, parent)].into_iter().collect();
        let options = options(&parent, file.map(Path::new))?;
        Some(options.into_string().unwrap())
    }

    #[test]
    fn the_parent_s_options_stay_in_front() {
        let file = Some("/x/node-preload.cjs");
        assert_eq!(
            made("", file).as_deref(),
            Some("--require /x/node-preload.cjs")
        );
        assert_eq!(
            made("--max-old-space-size=99 --import \"/a b/c\"", file).as_deref(),
            Some("--max-old-space-size=99 --import \"/a b/c\" --require /x/node-preload.cjs")
        );
        assert_eq!(made("--inspect", None).as_deref(), Some("--inspect"));
        assert_eq!(made("", None), None);
    }

    #[test]
    fn what_node_refuses_stays_as_it_is() {
        for refused in ["--title=\"a", "\"a\\", "--x \"a b\" \""] {
            assert_eq!(made(refused, Some("/x")).as_deref(), Some(refused));
        }
    }

    #[test]
    fn the_preload_of_a_run_around_this_one_is_replaced_and_no_other() {
        let outer = format!("--require {RUN}/node-preload.cjs");
        let file = Some("/x/y");
        assert_eq!(made(&outer, file).as_deref(), Some("--require /x/y"));
        assert_eq!(made(&outer, None), None);
        assert_eq!(
            made(&format!("--inspect {outer}  --no-warnings"), file).as_deref(),
            Some("--inspect  --no-warnings --require /x/y")
        );
        let quoted = format!("--a --require \"/a b{RUN}/node-preload.cjs\" {outer}");
        assert_eq!(made(&quoted, file).as_deref(), Some("--a --require /x/y"));
        for other in [
            "--require /tmp/authsome-run-1/node-preload.cjs",
            &format!("--require {RUN}/other.cjs"),
            &format!("--title {RUN}/node-preload.cjs"),
            "--require",
        ] {
            let expected = format!("{other} --require /x/y");
            assert_eq!(made(other, file), Some(expected));
        }
    }

    #[test]
    fn a_path_with_spaces_and_quotes_is_one_word_as_node_reads_it() {
        for (path, word) in [
            ("/a/b", "/a/b"),
            ("/a b", "\"/a b\""),
            ("/a\\b", "/a\\b"),
            ("/a\"b\\ c", "\"/a\\\"b\\\\ c\""),
        ] {
            assert_eq!(quoted(path.as_bytes()), word.as_bytes(), "{path}");
            let words = words(word.as_bytes()).unwrap();
            assert_eq!(words, [(0..word.len(), path.into())], "{path}");
        }
        assert_eq!(words(b"\"\\\\\"").unwrap(), [(0..4, b"\\".to_vec())]);
        assert_eq!(words(b"").unwrap(), []);
    }

    #[test]
    fn the_preload_gets_what_is_the_run_s_and_is_short() {
        let proxy = SocketAddr::from(([127, 0, 0, 1], 8080));
        let preload = preload(proxy, "one\ntwo\n", true);
        assert_eq!(preload.matches("'127.0.0.1:8080'").count(), 1);
        assert_eq!(preload.matches("`one\ntwo\n`").count(), 1);
        assert_eq!(preload.matches("'yes' !== 'no'").count(), 1);
        assert!(
            [PROXY, ROOT, IS_RESTRICTED]
                .iter()
                .all(|part| !preload.contains(part))
        );
        assert!(PRELOAD.lines().count() <= 150);
    }
}
