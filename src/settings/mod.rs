//! Tools' own settings of proxies and certificates, in variables and in files: for the tool they count more than HTTPS_PROXY and
//! SSL_CERT_FILE, so it would go past the run's proxy, or lack certificates that it has without authsome.
//!
//! Files are read as untrusted input. Those of the working directory, such as a repository's, lead to warnings, or to a variable that
//! overrules them: which certificates are trusted, and which proxy leads to origins, is not for a repository to say.

mod file;
pub(crate) mod git;
pub(crate) mod java;
mod pairs;
mod places;
mod tools;
pub(crate) mod upstream;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::environment::BUNDLE;
use crate::environment::BUNDLE_WHERE_SET;
use crate::environment::EXTRA;
use crate::environment::Environment;
use crate::environment::FOLDERS;
use crate::environment::JAVA;
use crate::environment::JAVA_OTHERS;
use crate::environment::NO_PROXY_OF_TOOLS;
use crate::environment::PROXY_OF_TOOLS;
use crate::environment::PROXY_WHERE_SET;
use crate::environment::is_spelling_of;
use file::A_PROXY;
use file::FileSettings;
use git::Kind;
use git::Place;
use places::Places;
pub(crate) use tools::GCLOUD_PROXY;
use tools::PROJECT_FILES;
use tools::TOOLS;
use tools::Tool;

/// A proxy that a tool would use.
pub(crate) struct Proxy {
    /// The variable or the file that names it.
    pub(crate) place: String,
    /// The proxy's URL, possibly with a password; `None` if the setting gives only a part of it.
    url: Option<Zeroizing<String>>,
    /// Whether it is used for all that the tool asks for.
    is_general: bool,
    /// Whether the tool prefers it to a run's.
    is_conflict: bool,
}

/// Certificates that a tool trusts.
pub(crate) struct Certificates {
    /// The variable or the file that names them.
    pub(crate) place: String,
    /// The path or the text.
    pub(crate) pem: Pem,
}

/// Where certificates are.
pub(crate) enum Pem {
    /// In a file, or in the files of a folder.
    Path(PathBuf),
    /// The certificates themselves.
    Text(String),
}

/// A setting that a run can't overrule.
pub(crate) struct Conflict {
    /// The program that is affected.
    pub(crate) tool: &'static str,
    /// The sentence that says what the setting names, and where it stands.
    pub(crate) text: String,
    /// A command or a change that resolves the conflict.
    pub(crate) remedy: &'static str,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.text, self.remedy)
    }
}

/// Settings of single tools.
#[derive(Default)]
pub(crate) struct Settings {
    /// Proxies that tools would use.
    pub(crate) proxies: Vec<Proxy>,
    /// Hosts that a tool reaches without a proxy.
    no_proxy: Vec<String>,
    /// Certificates that tools trust.
    pub(crate) certificates: Vec<Certificates>,
    /// Settings that a run can't overrule.
    pub(crate) conflicts: Vec<Conflict>,
    /// The keys of Git's configuration that name a proxy.
    pub(crate) git_keys: BTreeSet<String>,
    /// Variables that a run sets since a file names what they name.
    pub(crate) variables: BTreeSet<&'static str>,
}

impl Settings {
    /// Reads the parent's variables and the files that they lead to.
    pub(crate) fn read(parent: &Environment) -> Self {
        let places = Places::new(parent);
        let mut settings = Self::default();
        settings.look_at_variables(parent);
        settings.look_at_gcloud(parent);
        settings.look_at_java(parent);
        for tool in &TOOLS {
            settings.look_at(tool, &places);
        }
        settings.look_at_git(parent, &places);
        if !places.is_system_only()
            && let Ok(here) = std::env::current_dir()
        {
            settings.look_around(&here, &places);
        }
        settings
    }

    /// Reads only variables, for commands that run no program.
    pub(crate) fn from_env(parent: &Environment) -> Self {
        let mut settings = Self::default();
        settings.look_at_variables(parent);
        settings
    }

    /// Looks at the variables that each name one thing.
    fn look_at_variables(&mut self, parent: &Environment) {
        let is_one = |name: &OsStr, known: &[&str]| {
            let mut known = known.iter();
            known.any(|other| name == *other || is_spelling_of(name, other))
        };
        for (name, value) in parent.iter().filter(|(_, value)| !value.is_empty()) {
            let place = || name.to_string_lossy().into_owned();
            if is_one(name, &PROXY_OF_TOOLS) || is_one(name, &PROXY_WHERE_SET) {
                self.add_proxy(place(), value.to_str(), true);
            } else if is_one(name, &NO_PROXY_OF_TOOLS) {
                self.add_no_proxy(&value.to_string_lossy());
            } else if [&BUNDLE[..], &BUNDLE_WHERE_SET, &EXTRA]
                .into_iter()
                .any(|set| is_one(name, set))
            {
                self.add_path(place(), value.into());
            } else if is_one(name, &FOLDERS) {
                for folder in std::env::split_paths(value) {
                    self.add_path(place(), folder);
                }
            } else if is_spelling_of(name, "npm_config_ca") || name == "npm_config_ca" {
                self.add_text(place(), &value.to_string_lossy());
            }
        }
    }

    /// Looks at gcloud's variables.
    fn look_at_gcloud(&mut self, parent: &Environment) {
        if let Some(host) = parent.text(GCLOUD_PROXY) {
            self.variables.insert(GCLOUD_PROXY);
            let port = parent.text("CLOUDSDK_PROXY_PORT");
            let is_plain = parent.get("CLOUDSDK_PROXY_USERNAME").is_none()
                && matches!(
                    parent.text("CLOUDSDK_PROXY_TYPE"),
                    None | Some("http" | "http_no_tunnel")
                );
            let port = port.filter(|_| is_plain);
            let url = port.map(|port| format!("{host}:{port}"));
            self.add_proxy(GCLOUD_PROXY.to_owned(), url.as_deref(), true);
        }
    }

    /// Looks at the options that Java gets by variables.
    fn look_at_java(&mut self, parent: &Environment) {
        // Within a run JAVA_TOOL_OPTIONS has that run's proxy, and so has HTTPS_PROXY.
        for name in JAVA_OTHERS.iter().chain(&[JAVA]) {
            let Some(options) = parent.get(name) else {
                continue;
            };
            let Some(host) = java::value(options, "https.proxyHost") else {
                continue;
            };
            let port = java::value(options, "https.proxyPort").unwrap_or("443");
            let is_plain = java::value(options, "https.proxyUser").is_none();
            let url = is_plain.then(|| format!("{host}:{port}"));
            self.add_proxy((*name).to_owned(), url.as_deref(), true);
        }
    }

    /// Looks at Git's configuration.
    fn look_at_git(&mut self, parent: &Environment, places: &Places<'_>) {
        for setting in git::find(parent, places) {
            let (place, folder) = match &setting.place {
                Place::Variable(name) => (name.clone(), None),
                Place::File(path) => (places.shown(path), path.parent()),
                Place::Repository(path) => {
                    let folder = path.parent().unwrap_or(path);
                    if !self.has(&places.expanded(&setting.value, folder)) {
                        self.look_at_repository(&setting, &places.shown(path));
                    }
                    continue;
                }
            };
            match setting.kind {
                Kind::Certificates if !is_nothing(&setting.value) => {
                    let folder = folder.unwrap_or_else(|| Path::new("/"));
                    self.add_path(place, places.expanded(&setting.value, folder));
                }
                Kind::Certificates => {}
                Kind::Proxy | Kind::SomeProxy => {
                    let is_general = setting.kind == Kind::Proxy;
                    self.add_proxy(place, Some(&setting.value), is_general);
                    self.git_keys.insert(setting.key);
                }
            }
        }
    }

    /// Looks at a setting of the repository around the working directory. Set for all repositories, a remote's proxy would make a remote
    /// in each.
    fn look_at_repository(&mut self, setting: &git::Setting, place: &str) {
        let (what, remedy) = match setting.kind {
            Kind::Certificates => (
                "certificates, which a run does not trust since a repository names them",
                "name the file by GIT_SSL_CAINFO where authsome is started",
            ),
            Kind::SomeProxy if setting.key.to_ascii_lowercase().starts_with("remote.") => (
                "a proxy of a remote, which git prefers to authsome's",
                "remove that line",
            ),
            Kind::Proxy | Kind::SomeProxy => {
                self.git_keys.insert(setting.key.clone());
                return;
            }
        };
        self.conflicts.push(Conflict {
            tool: "git",
            text: format!("{place} names {what}"),
            remedy,
        });
    }

    /// Looks at a tool's files.
    fn look_at(&mut self, tool: &Tool, places: &Places<'_>) {
        let paths = tool.places.iter().filter_map(|place| places.first(place));
        let mut paths: Vec<PathBuf> = paths.collect();
        if tool.name == "gcloud" {
            paths = paths.iter().map(|path| places.gcloud(path)).collect();
        }
        // PIP_CONFIG_FILE=/dev/null makes pip read no file at all.
        if tool.name == "pip" && paths.iter().any(|path| path == Path::new("/dev/null")) {
            return;
        }
        for path in paths {
            if let Some(text) = places.read(&path) {
                self.look_at_text(tool, &text, &path, places);
            }
        }
    }

    /// Looks at tools' files in the working directory, whose certificates a run's variables take the place of.
    fn look_around(&mut self, here: &Path, places: &Places<'_>) {
        for (name, file) in PROJECT_FILES {
            let path = here.join(file);
            let place = places.shown(&path);
            // In the home, or below Cargo's, it is the user's own.
            let is_own = place.strip_prefix("~/") == Some(file);
            let Some(text) = (!is_own).then(|| places.read(&path)).flatten() else {
                continue;
            };
            let tools = TOOLS.iter().filter(|tool| tool.name == name);
            for tool in tools {
                let found = FileSettings::parse(tool, &text);
                let mut paths = found.certificates.iter();
                let is_trusted = paths.all(|path| self.has(&places.expanded(path, here)));
                if !is_trusted || !found.inline.is_empty() {
                    self.conflicts.push(Conflict {
                        tool: tool.name,
                        text: format!("{place} names certificates, which a run does not trust since they may have come with the folder"),
                        remedy: "name their file by NODE_EXTRA_CA_CERTS or CURL_CA_BUNDLE where authsome is started, if they are yours",
                    });
                }
            }
        }
    }

    /// Looks at a tool's file.
    fn look_at_text(&mut self, tool: &Tool, text: &str, path: &Path, places: &Places<'_>) {
        let place = places.shown(path);
        let file = FileSettings::parse(tool, text);
        if let Some(host) = &file.host {
            let port = file.port.as_ref().filter(|_| !file.has_user);
            let url = port.map(|port| format!("{host}:{port}"));
            self.add_proxy(place.clone(), url.as_deref(), true);
        }
        for (url, is_general) in &file.proxies {
            let url = url.as_deref().map(String::as_str);
            let url = url.filter(|url| !file.has_user || is_nothing(url));
            self.add_proxy(place.clone(), url, *is_general);
        }
        for entries in &file.no_proxy {
            self.add_no_proxy(entries);
        }
        // Cargo's paths begin where the folder `.cargo` is.
        let folder = match tool.name {
            "cargo" => path.parent().and_then(Path::parent),
            _ => path.parent(),
        };
        for value in &file.certificates {
            let path = places.expanded(value, folder.unwrap_or(path));
            self.add_path(place.clone(), path);
        }
        for text in &file.inline {
            self.add_text(place.clone(), text);
        }
        self.variables.extend(file.variables);
        if file.conflicts.is_empty() {
            return;
        }
        for proxy in &mut self.proxies {
            proxy.is_conflict |= proxy.place == place && file.conflicts.contains(A_PROXY);
        }
        let what: Vec<&str> = file.conflicts.into_iter().collect();
        self.conflicts.push(Conflict {
            tool: tool.name,
            text: format!(
                "{place} names {}, which {} prefers to a run's",
                what.join(" and "),
                tool.name
            ),
            remedy: tool.remedy,
        });
    }

    /// Returns whether this file's certificates are trusted.
    fn has(&self, path: &Path) -> bool {
        let mut files = self.certificates.iter();
        files.any(|file| matches!(&file.pem, Pem::Path(own) if own == path))
    }

    /// Adds a proxy; an empty value, or npm's word for none, names none.
    fn add_proxy(&mut self, place: String, url: Option<&str>, is_general: bool) {
        if url.is_some_and(is_nothing) {
            return;
        }
        let url = url.map(|url| Zeroizing::new(url.to_owned()));
        self.proxies.push(Proxy {
            place,
            url,
            is_general,
            is_conflict: false,
        });
    }

    /// Adds hosts that are reached without a proxy.
    fn add_no_proxy(&mut self, entries: &str) {
        let entries = entries.split([',', ' ']).filter(|entry| !is_nothing(entry));
        self.no_proxy.extend(entries.map(str::to_owned));
    }

    /// Adds certificates that are in a file or a folder.
    fn add_path(&mut self, place: String, path: PathBuf) {
        // What an empty one in a list, npm's word for none, and Nix's file that is never there stand for.
        let is_none = path.to_str().is_some_and(is_nothing) || path == Path::new(NIX_NONE);
        if !is_none {
            let pem = Pem::Path(path);
            self.certificates.push(Certificates { place, pem });
        }
    }

    /// Adds certificates that stand in a setting, where line ends may be written as `\n`.
    fn add_text(&mut self, place: String, text: &str) {
        if !is_nothing(text) {
            let pem = Pem::Text(text.replace("\\n", "\n"));
            self.certificates.push(Certificates { place, pem });
        }
    }
}

/// The file that Nix names where there are to be no certificates.
const NIX_NONE: &str = "/no-cert-file.crt";

/// Values that stand for none, or that only say whether something is done at all.
const NOTHING: [&str; 13] = [
    "",
    "null",
    "undefined",
    "none",
    "false",
    "true",
    "0",
    "1",
    "no",
    "yes",
    "off",
    "on",
    "truststore",
];

/// Returns whether a value names nothing.
pub(crate) fn is_nothing(value: &str) -> bool {
    let value = value.trim();
    NOTHING
        .iter()
        .any(|known| known.eq_ignore_ascii_case(value))
}
