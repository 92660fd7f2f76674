//! Libraries that ignore the environment's proxy or certificates, and the code that each needs instead. Each remedy was
//! tried with the version named below, against a local TLS origin.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::fs;
use std::fs::File;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;

use crate::environment::Environment;

/// A library.
pub(super) struct Library {
    /// The package's name, as pip installs it.
    pub(super) name: &'static str,
    /// The folder of the installed package.
    folder: &'static str,
    /// The run's setting that the library ignores by default.
    pub(super) fault: Fault,
    /// The code to write.
    pub(super) remedy: &'static str,
}

/// What a library ignores.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The proxy: the library connects directly.
    Proxy,
    /// The certificates: the library trusts only its own.
    Trust,
    /// Both.
    Both,
}

impl Fault {
    /// Returns the description, as the end of a sentence.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Proxy => "bypasses the proxy by default",
            Self::Trust => "trusts only its own certificates by default",
            Self::Both => "bypasses the proxy and trusts only its own certificates by default",
        }
    }
}

/// Python libraries: aiohttp 3.14, asana 5.4, deepl 1.32, discord.py 2.7, hubspot-api-client 12.0, pinecone 10.2, replicate 1.0, stripe 16.1.
pub(super) const PYTHON: [Library; 8] = [
    Library {
        name: "aiohttp",
        folder: "aiohttp",
        fault: Fault::Proxy,
        remedy: "aiohttp.ClientSession(trust_env=True)",
    },
    Library {
        name: "asana",
        folder: "asana",
        fault: Fault::Both,
        remedy: "configuration.proxy = os.environ[\"HTTPS_PROXY\"] and configuration.ssl_ca_cert = os.environ[\"SSL_CERT_FILE\"], before asana.ApiClient(configuration)",
    },
    Library {
        name: "deepl",
        folder: "deepl",
        fault: Fault::Trust,
        remedy: "deepl.DeepLClient(key, verify_ssl=os.environ[\"SSL_CERT_FILE\"])",
    },
    Library {
        name: "discord.py",
        folder: "discord",
        fault: Fault::Proxy,
        remedy: "discord.Client(intents=..., proxy=os.environ[\"HTTPS_PROXY\"]); that is for its REST calls, since its gateway takes the token in a WebSocket message, where authsome puts none",
    },
    Library {
        name: "hubspot-api-client",
        folder: "hubspot",
        fault: Fault::Proxy,
        remedy: "hubspot.Client.create(access_token=..., proxy=os.environ[\"HTTPS_PROXY\"])",
    },
    Library {
        name: "pinecone",
        folder: "pinecone",
        fault: Fault::Proxy,
        remedy: "pinecone.Pinecone(api_key=..., proxy_url=os.environ[\"HTTPS_PROXY\"])",
    },
    Library {
        name: "replicate",
        folder: "replicate",
        fault: Fault::Proxy,
        remedy: "replicate.Client(transport=transport), where transport is httpx.HTTPTransport(proxy=os.environ[\"HTTPS_PROXY\"])",
    },
    Library {
        name: "stripe",
        folder: "stripe",
        fault: Fault::Trust,
        remedy: "stripe.ca_bundle_path = os.environ[\"SSL_CERT_FILE\"]",
    },
];

/// Returns a help row for each library: its name and the code that it needs.
pub(super) const ROWS: [(&str, &str); PYTHON.len()] = {
    let mut rows = [("", ""); PYTHON.len()];
    let mut index = 0;
    while index < rows.len() {
        rows[index] = (PYTHON[index].name, PYTHON[index].remedy);
        index += 1;
    }
    rows
};

/// Returns the libraries that are installed for a program that is a Python interpreter or a script for one. Looks for
/// folders only; runs nothing.
pub(super) fn installed(program: &OsStr, environment: &Environment) -> Vec<&'static Library> {
    let Some(python) = find(program, environment).and_then(|file| interpreter(&file, environment))
    else {
        return Vec::new();
    };
    let folders = package_folders(&python, environment);
    let is_there = |library: &&Library| {
        let mut folders = folders.iter();
        folders.any(|folder| folder.join(library.folder).join("__init__.py").is_file())
    };
    PYTHON.iter().filter(is_there).collect()
}

/// Returns the path of a program, searching PATH as a shell does.
fn find(program: &OsStr, environment: &Environment) -> Option<PathBuf> {
    if Path::new(program).components().count() > 1 {
        return Some(program.into());
    }
    let folders = environment.get("PATH").unwrap_or_default();
    let mut files = std::env::split_paths(folders).map(|folder| folder.join(program));
    files.find(|file| file.is_file())
}

/// Returns the Python interpreter that runs a file: the file itself, or the interpreter that its first line names.
fn interpreter(file: &Path, environment: &Environment) -> Option<PathBuf> {
    /// Returns whether a file is called like a Python.
    fn is_python(file: &Path) -> bool {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("python") || name.starts_with("pypy")
    }

    if is_python(file) {
        return Some(file.to_owned());
    }
    let mut line = Vec::new();
    let start = File::open(file).ok()?.take(512);
    BufReader::new(start).read_until(b'\n', &mut line).ok()?;
    let line = String::from_utf8(line).ok()?;
    let mut words = line.strip_prefix("#!")?.split_whitespace();
    let first = PathBuf::from(words.next()?);
    let named = match first.file_name()?.to_str()? {
        "env" => find(
            &OsString::from(words.find(|word| !word.starts_with('-'))?),
            environment,
        )?,
        _ => first,
    };
    is_python(&named).then_some(named)
}

/// Returns the folders in which a Python's packages may be: beside it, the system's, and the user's.
fn package_folders(python: &Path, environment: &Environment) -> Vec<PathBuf> {
    // A virtual environment's Python is a link, and its packages are beside the link.
    let beside = python.parent().and_then(Path::parent);
    let mut roots: Vec<PathBuf> = beside.into_iter().map(Path::to_owned).collect();
    if beside == Some(Path::new("/usr")) {
        roots.push("/usr/local".into());
        let home = environment.get("HOME").map(PathBuf::from);
        roots.extend(home.map(|home| home.join(".local")));
    }
    let versions = roots.iter().flat_map(|root| {
        let entries = fs::read_dir(root.join("lib"))
            .into_iter()
            .flatten()
            .flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("python"))
    });
    let kinds = ["site-packages", "dist-packages"];
    versions
        .flat_map(|version| kinds.map(|kind| version.path().join(kind)))
        .collect()
}
