//! A set of environment variables: read from the process once, changed for the child, never written back; and the names of those that
//! a run sets.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::ffi::OsString;
use std::mem;

use zeroize::Zeroize;

/// What names a proxy. Yarn since its second version reads only its own; those of `wss:` are for Python's aiohttp and its like.
pub(crate) const PROXY: [&str; 8] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
    "WSS_PROXY",
    "wss_proxy",
    "YARN_HTTP_PROXY",
    "YARN_HTTPS_PROXY",
];

/// What would lead past it: a SOCKS proxy there is preferred by some programs.
pub(crate) const OTHER_PROXY: [&str; 2] = ["ALL_PROXY", "all_proxy"];

/// What names a bundle of trusted certificates that replaces a program's own. That of npm, pnpm and Yarn counts more than a `cafile`
/// in a npmrc, beside which they would look at no other certificates.
pub(crate) const BUNDLE: [&str; 16] = [
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "AWS_CA_BUNDLE",
    "PIP_CERT",
    "CARGO_HTTP_CAINFO",
    "NIX_SSL_CERT_FILE",
    "HTTPLIB2_CA_CERTS",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "BUNDLE_SSL_CA_CERT",
    "COMPOSER_CAFILE",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    "HEX_CACERTS_PATH",
    "npm_config_cafile",
    "PERL_LWP_SSL_CA_FILE",
];

/// What names certificates that are trusted beside a program's own.
pub(crate) const EXTRA: [&str; 2] = ["NODE_EXTRA_CA_CERTS", "DENO_CERT"];

/// What gives Java its options: the proxy and the trust store, for which it has no variables.
pub(crate) const JAVA: &str = "JAVA_TOOL_OPTIONS";

/// What gives Node its options: a preload that makes its connections through the proxy.
pub(crate) const NODE: &str = "NODE_OPTIONS";

/// What gives PHP folders with settings: the bundle is one, for which its curl has no variable.
pub(crate) const PHP: &str = "PHP_INI_SCAN_DIR";

/// What names a file with settings of apt: the bundle is one, for which it has no variable.
pub(crate) const APT: &str = "APT_CONFIG";

/// What names wget's file with settings for the whole machine, for the same.
pub(crate) const WGET: &str = "SYSTEM_WGETRC";

/// What names hosts that are reached without a proxy.
pub(crate) const NO_PROXY: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// What names the folder where authsome keeps its things.
pub(crate) const OWN_HOME: &str = "AUTHSOME_HOME";

/// What tells a program, and authsome itself, that it is in a run.
pub(crate) const FLAGS: [(&str, &str); 4] = [
    ("NODE_USE_ENV_PROXY", "1"),
    ("PERL_LWP_ENV_PROXY", "1"),
    ("AUTHSOME_RUN", "1"),
    ("AUTHSOME_PROXY_MODE", "true"),
];

/// The variables that a run sets, or removes, by itself.
pub(crate) fn set_by_a_run() -> impl Iterator<Item = &'static str> {
    let all: [&[&str]; 6] = [
        &PROXY,
        &OTHER_PROXY,
        &NO_PROXY,
        &BUNDLE,
        &EXTRA,
        &[JAVA, NODE, PHP, APT, WGET],
    ];
    let flags = FLAGS.into_iter().map(|(name, _)| name);
    all.into_iter().flatten().copied().chain(flags)
}

/// Whether a run sets the variable by itself.
pub(crate) fn is_set_by_a_run(name: &str) -> bool {
    set_by_a_run().any(|set| set == name)
}

/// Environment variables by name. Values may be secrets: they are wiped when they are dropped, replaced or removed.
#[derive(Clone, Default)]
pub(crate) struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// What this process was given.
    pub(crate) fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// The variable's value, if it is set to something that isn't empty.
    pub(crate) fn get(&self, name: &str) -> Option<&OsStr> {
        self.0
            .get(OsStr::new(name))
            .map(OsString::as_os_str)
            .filter(|value| !value.is_empty())
    }

    /// The same, if it is also valid UTF-8.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.to_str()
    }

    /// Whether the variable is set at all, even to nothing.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(OsStr::new(name))
    }

    /// Sets a variable.
    pub(crate) fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        if let Some(old) = self.0.insert(name.into(), value.into()) {
            wipe(old);
        }
    }

    /// Removes a variable.
    pub(crate) fn remove(&mut self, name: &str) {
        if let Some(old) = self.0.remove(OsStr::new(name)) {
            wipe(old);
        }
    }

    /// Removes the variables whose name the test accepts.
    pub(crate) fn remove_where(&mut self, test: impl Fn(&OsStr) -> bool) {
        self.0.retain(|name, value| {
            let stays = !test(name);
            if !stays {
                wipe(mem::take(value));
            }
            stays
        });
    }

    /// All variables, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.0.values_mut().for_each(|value| wipe(mem::take(value)));
    }
}

/// Overwrites a value.
fn wipe(value: OsString) {
    value.into_encoded_bytes().zeroize();
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}
