//! PHP's way to the certificates: its curl reads no variable for them, but a setting, and it looks for settings in the folders of
//! PHP_INI_SCAN_DIR.

use std::ffi::OsString;
use std::path::Path;

use crate::environment::Environment;
use crate::environment::PHP;
use crate::program;

/// Whether a program with this environment finds a PHP.
pub(crate) fn is_there(environment: &Environment) -> bool {
    program::is_found("php", environment)
}

/// Settings that name the bundle, as a file `*.ini`; `None` where PHP would read another path there, or in the list of folders.
pub(crate) fn settings(bundle: &Path) -> Option<String> {
    let path = bundle.to_str()?;
    let is_plain = !path.contains(['"', '$', '\\', ':', '\n']);
    is_plain.then(|| format!("curl.cainfo=\"{path}\"\nopenssl.cafile=\"{path}\"\n"))
}

/// What PHP_INI_SCAN_DIR becomes: the parent's folders, or PHP's own, for which an empty one stands; then the file's.
pub(super) fn folders(parent: &Environment, file: &Path) -> OsString {
    let mut folders = OsString::from(parent.get(PHP).unwrap_or_default());
    // One that is empty means none, which is something else than one that isn't there.
    if !folders.is_empty() || !parent.has(PHP) {
        folders.push(":");
    }
    folders.push(file.parent().unwrap_or(file));
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_s_folders_or_php_s_own_stay() {
        let folders = |parent: &[(&str, &str)]| {
            let parent = parent.iter().copied().collect();
            folders(&parent, Path::new("/run/authsome.ini"))
        };
        assert_eq!(folders(&[]), ":/run");
        assert_eq!(folders(&[(PHP, "")]), "/run");
        assert_eq!(folders(&[(PHP, ":/etc/own")]), ":/etc/own:/run");
    }

    #[test]
    fn a_path_that_php_would_read_otherwise_gives_no_settings() {
        let settings = |path: &str| settings(Path::new(path));
        assert_eq!(
            settings("/a b/x.pem").as_deref(),
            Some("curl.cainfo=\"/a b/x.pem\"\nopenssl.cafile=\"/a b/x.pem\"\n")
        );
        for path in ["/a\"/x", "/a:b/x", "/${HOME}/x", "/a\\/x"] {
            assert_eq!(settings(path), None, "{path}");
        }
    }
}
