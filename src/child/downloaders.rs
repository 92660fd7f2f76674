//! Settings files that give apt and wget the run's certificates. Debian's builds read no variable for a bundle, but
//! a setting, and a variable names the file with the settings.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use crate::environment::APT;
use crate::environment::Environment;
use crate::environment::WGET;
use crate::program;

/// Returns settings files for apt and wget if they are installed: the variable, the file's name, and its text.
pub(crate) fn settings(
    environment: &Environment,
    bundle: &Path,
) -> Vec<(&'static str, &'static str, String)> {
    let is_there = |program| program::is_found(program, environment);
    let apt = is_there("apt-get").then(|| apt(environment.get(APT), bundle));
    let wget = is_there("wget").then(|| wget(environment.get(WGET), bundle));
    [
        (APT, "apt.conf", apt.flatten()),
        (WGET, "wgetrc", wget.flatten()),
    ]
    .into_iter()
    .filter_map(|(variable, file, text)| Some((variable, file, text?)))
    .collect()
}

/// Settings of apt: the file that the parent has named, the bundle, and that apt stays the user that it is. As another it could not use
/// the proxy. `None` where a path would be read otherwise.
fn apt(parent: Option<&OsStr>, bundle: &Path) -> Option<String> {
    let bundle = plain(bundle)?;
    let include = match parent.map(Path::new) {
        Some(file) if file.exists() => format!("#include \"{}\";\n", plain(file)?),
        _ => String::new(),
    };
    Some(format!(
        "{include}Acquire::https::CaInfo \"{bundle}\";\nAPT::Sandbox::User \"root\";\n"
    ))
}

/// Settings of wget for the whole machine, which it reads before the user's own: those of the file in whose place this one comes, and the
/// bundle. `None` where that file can't be read.
fn wget(parent: Option<&OsStr>, bundle: &Path) -> Option<String> {
    let bundle = plain(bundle)?;
    let file = parent.map_or_else(|| PathBuf::from("/etc/wgetrc"), PathBuf::from);
    let own = match file.exists() {
        true => fs::read_to_string(&file).ok()?,
        false => String::new(),
    };
    Some(format!("{own}\nca_certificate = {bundle}\n"))
}

/// Returns a path that both tools read literally.
fn plain(path: &Path) -> Option<&str> {
    path.to_str()
        .filter(|text| !text.contains(['"', '\\', '\n', '#', ';']) && text.trim() == *text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_parent_s_files_say_stays() {
        let bundle = Path::new("/run/bundle.pem");
        let apt = |parent: Option<&str>| apt(parent.map(OsStr::new), bundle).unwrap();
        let own = "Acquire::https::CaInfo \"/run/bundle.pem\";\nAPT::Sandbox::User \"root\";\n";
        assert_eq!(apt(None), own);
        assert_eq!(apt(Some("/nowhere/apt.conf")), own);
        assert_eq!(
            apt(Some("/proc/self/stat")),
            format!("#include \"/proc/self/stat\";\n{own}")
        );
        let wget = |parent: &str| wget(Some(OsStr::new(parent)), bundle).unwrap();
        assert_eq!(
            wget("/nowhere/wgetrc"),
            "\nca_certificate = /run/bundle.pem\n"
        );
        let name = fs::read_to_string("/proc/self/comm").unwrap();
        assert!(wget("/proc/self/comm").starts_with(&name));
    }

    #[test]
    fn a_path_that_they_would_read_otherwise_gives_no_settings() {
        for path in ["/a\"/x", "/a\\/x", "/a\n/x", "/a#/x", "/a/x "] {
            assert_eq!(apt(None, Path::new(path)), None, "{path}");
            assert_eq!(wget(None, Path::new(path)), None, "{path}");
        }
    }
}
