//! A set of environment variables: read from the process once, changed for the child, never written back; and the names of those that
//! a run sets.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::ffi::OsString;
use std::mem;
use std::sync::LazyLock;

use zeroize::Zeroize;

/// What names a proxy. Yarn since its second version reads only its own; those of `wss:` are for Python's aiohttp and its like.
/// npm and Cargo prefer their own variables among these ([`PROXY_OF_TOOLS`]) to their settings files.
pub(crate) const PROXY: [&str; 10] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
    "WSS_PROXY",
    "wss_proxy",
    "YARN_HTTP_PROXY",
    "YARN_HTTPS_PROXY",
    "npm_config_https_proxy",
    "CARGO_HTTP_PROXY",
];

/// The variables of [`PROXY`] that a single tool reads. In the parent's environment, each may name another proxy than `HTTPS_PROXY`.
pub(crate) const PROXY_OF_TOOLS: [&str; 4] = [
    "YARN_HTTP_PROXY",
    "YARN_HTTPS_PROXY",
    "npm_config_https_proxy",
    "CARGO_HTTP_PROXY",
];

/// What names a proxy to some programs, which prefer it: set only where the parent has it, or where a file names what it names. With
/// PIP_PROXY pip reads no NO_PROXY, nor does the first Yarn with npm_config_proxy, which is for http alone; npm warns of
/// npm_config_http_proxy, and later Yarns refuse settings that they don't know.
pub(crate) const PROXY_WHERE_SET: [&str; 12] = [
    "PIP_PROXY",
    "npm_config_proxy",
    "npm_config_http_proxy",
    "pnpm_config_http_proxy",
    "pnpm_config_https_proxy",
    "YARN_PROXY",
    "grpc_proxy",
    "GRPC_PROXY",
    "ws_proxy",
    "WS_PROXY",
    "GLOBAL_AGENT_HTTP_PROXY",
    "GLOBAL_AGENT_HTTPS_PROXY",
];

/// Variables that name gcloud's proxy, part by part: set only where the parent or gcloud's file names one, since gcloud then reads no NO_PROXY.
pub(crate) const GCLOUD: [&str; 5] = [
    "CLOUDSDK_PROXY_TYPE",
    "CLOUDSDK_PROXY_ADDRESS",
    "CLOUDSDK_PROXY_PORT",
    "CLOUDSDK_PROXY_USERNAME",
    "CLOUDSDK_PROXY_PASSWORD",
];

/// Variables that give Git settings; set only where Git's configuration names a proxy.
pub(crate) const GIT: [&str; 2] = ["GIT_CONFIG_COUNT", "GIT_CONFIG_PARAMETERS"];

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

/// Variables that name a bundle to some programs: set only if the parent has them, or a tool's file names a bundle.
pub(crate) const BUNDLE_WHERE_SET: [&str; 10] = [
    "pnpm_config_cafile",
    "YARN_HTTPS_CA_FILE_PATH",
    "YARN_CA_FILE_PATH",
    "YARN_CAFILE",
    "CONDA_SSL_VERIFY",
    "VAULT_CACERT",
    "CONSUL_CACERT",
    "NOMAD_CACERT",
    "HTTPS_CA_FILE",
    "WEBSOCKET_CLIENT_CA_BUNDLE",
];

/// Variables that name folders of certificates. They keep their values: a program that has a bundle ignores them.
pub(crate) const FOLDERS: [&str; 4] = [
    "SSL_CERT_DIR",
    "GIT_SSL_CAPATH",
    "PERL_LWP_SSL_CA_PATH",
    "HTTPS_CA_DIR",
];

/// What names certificates that are trusted beside a program's own.
pub(crate) const EXTRA: [&str; 2] = ["NODE_EXTRA_CA_CERTS", "DENO_CERT"];

/// What gives Java its options: the proxy and the trust store, for which it has no variables.
pub(crate) const JAVA: &str = "JAVA_TOOL_OPTIONS";

/// Variables with Java options that take precedence over those of [`JAVA`].
pub(crate) const JAVA_OTHERS: [&str; 7] = [
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "JAVA_OPTS",
    "MAVEN_OPTS",
    "GRADLE_OPTS",
    "SBT_OPTS",
    "JVM_OPTS",
];

/// Variable with Node's options: a run adds a preload that sends Node's connections through the proxy.
pub(crate) const NODE: &str = "NODE_OPTIONS";

/// What gives PHP folders with settings: the bundle is one, for which its curl has no variable.
pub(crate) const PHP: &str = "PHP_INI_SCAN_DIR";

/// Variable that names a file of apt's settings, among them the bundle, for which apt has no variable.
pub(crate) const APT: &str = "APT_CONFIG";

/// Variable that names wget's file of system-wide settings, for the same reason.
pub(crate) const WGET: &str = "SYSTEM_WGETRC";

/// What names hosts that are reached without a proxy.
pub(crate) const NO_PROXY: [&str; 3] = ["NO_PROXY", "no_proxy", "npm_config_noproxy"];

/// What names such hosts to some programs, which prefer it; all but the first are set only where the parent has them.
pub(crate) const NO_PROXY_OF_TOOLS: [&str; 6] = [
    "npm_config_noproxy",
    "npm_config_no_proxy",
    "pnpm_config_noproxy",
    "no_grpc_proxy",
    "NO_GRPC_PROXY",
    "GLOBAL_AGENT_NO_PROXY",
];

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
    let all: [&[&str]; 12] = [
        &PROXY,
        &PROXY_WHERE_SET,
        &GCLOUD,
        &GIT,
        &OTHER_PROXY,
        &NO_PROXY,
        // The first is among those above.
        NO_PROXY_OF_TOOLS
            .split_first()
            .map_or(&[], |(_, rest)| rest),
        &BUNDLE,
        &BUNDLE_WHERE_SET,
        &EXTRA,
        &[JAVA, NODE, PHP, APT, WGET],
        &JAVA_OTHERS,
    ];
    let flags = FLAGS.into_iter().map(|(name, _)| name);
    all.into_iter().flatten().copied().chain(flags)
}

/// Whether a run sets the variable by itself.
pub(crate) fn is_set_by_a_run(name: &str) -> bool {
    static SET: LazyLock<HashSet<&str>> = LazyLock::new(|| set_by_a_run().collect());
    let first = |text: &str| text.bytes().next().map(|byte| byte.to_ascii_lowercase());
    let may_be_spelling = || IN_ANY_CASE.iter().any(|start| first(start) == first(name));
    // Asked of each variable in all definitions whenever a run starts.
    SET.contains(name)
        || may_be_spelling() && set_by_a_run().any(|set| is_spelling_of(OsStr::new(name), set))
}

/// Prefixes of variables that npm, pnpm and Yarn read in upper or lower case.
const IN_ANY_CASE: [&str; 3] = ["npm_config_", "pnpm_config_", "yarn_"];

/// Returns whether a name is another spelling of this variable's, by which npm, pnpm or Yarn would find it too.
pub(crate) fn is_spelling_of(name: &OsStr, known: &str) -> bool {
    let (name, known) = (name.as_encoded_bytes(), known.as_bytes());
    let is_one = |(own, other): (&u8, &u8)| {
        own.eq_ignore_ascii_case(other) || (*own == b'-' && *other == b'_')
    };
    let starts = |start: &str| {
        let head = known.get(..start.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
    };
    name != known
        && name.len() == known.len()
        && name.iter().zip(known).all(is_one)
        && IN_ANY_CASE.iter().any(|start| starts(start))
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
