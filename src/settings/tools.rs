//! The table of tools: which files they read, and which keys in them name a proxy or certificates.

use super::pairs::Format;

/// The meaning of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A proxy's URL.
    Proxy,
    /// A proxy of another kind, or a host without the port.
    OtherProxy,
    /// A proxy's host; its port is under another key.
    Host,
    /// A proxy's port.
    Port,
    /// The user whom the file's proxy asks for; the password may be anywhere.
    User,
    /// Hosts that are reached without a proxy.
    NoProxy,
    /// A file of certificates, or a folder of such files.
    Certificates,
    /// Certificates themselves.
    Inline,
    /// A file of certificates in a form that isn't PEM.
    Store,
}

/// The setting that the tool prefers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Winner {
    /// A variable that every run sets.
    Run,
    /// A variable that a run sets where the file has this key: for those that lack it, it would change something.
    Set(&'static str),
    /// The file, whatever a variable says.
    File,
}

/// A key in a tool's file.
pub(super) struct Key {
    /// The key in lower case, as in `section.key`; a star stands for anything.
    pub(super) name: &'static str,
    /// The meaning of the value.
    pub(super) what: What,
    /// The setting that counts for the tool.
    pub(super) winner: Winner,
}

/// A tool's files.
pub(super) struct Tool {
    /// The program's name.
    pub(super) name: &'static str,
    /// Places of files. Of the alternatives for one, the first counts whose variable (`$NAME`) is set; `~` is the home.
    pub(super) places: &'static [&'static [&'static str]],
    /// The syntax of the files.
    pub(super) format: Format,
    /// Keys of interest.
    pub(super) keys: &'static [Key],
    /// A way to have the tool use the run's, where it prefers its file.
    pub(super) remedy: &'static str,
}

/// A row of keys.
const fn key(name: &'static str, what: What, winner: Winner) -> Key {
    Key { name, what, winner }
}

/// Files of the working directory, by tool. They lead to warnings only, since they may have come with a repository.
pub(super) const PROJECT_FILES: [(&str, &str); 3] = [
    ("npm", ".npmrc"),
    ("cargo", ".cargo/config.toml"),
    ("yarn", ".yarnrc.yml"),
];

/// The tools. Git is not among them: its configuration includes other files, and names proxies by URL and by remote.
pub(super) const TOOLS: [Tool; 18] = [
    Tool {
        name: "npm",
        places: &[
            &[
                "$npm_config_userconfig",
                "$NPM_CONFIG_USERCONFIG",
                "~/.npmrc",
            ],
            &[
                "$npm_config_globalconfig",
                "$NPM_CONFIG_GLOBALCONFIG",
                "/etc/npmrc",
            ],
        ],
        format: Format::Sections,
        keys: &[
            key("proxy", What::Proxy, Winner::Set("npm_config_proxy")),
            key("https-proxy", What::Proxy, Winner::Run),
            key("noproxy", What::NoProxy, Winner::Run),
            key("cafile", What::Certificates, Winner::Run),
            key("ca", What::Inline, Winner::Run),
            key("ca[]", What::Inline, Winner::Run),
        ],
        remedy: "",
    },
    Tool {
        name: "pip",
        places: &[
            &["/etc/pip.conf"],
            &["~/.pip/pip.conf"],
            &["$XDG_CONFIG_HOME/pip/pip.conf", "~/.config/pip/pip.conf"],
            &["~/Library/Application Support/pip/pip.conf"],
            &["$VIRTUAL_ENV/pip.conf"],
            &["$PIP_CONFIG_FILE"],
        ],
        format: Format::Sections,
        keys: &[
            key("*.proxy", What::Proxy, Winner::Set("PIP_PROXY")),
            key("*.cert", What::Certificates, Winner::Run),
        ],
        remedy: "",
    },
    Tool {
        name: "cargo",
        places: &[
            &["$CARGO_HOME/config.toml", "~/.cargo/config.toml"],
            &["$CARGO_HOME/config", "~/.cargo/config"],
        ],
        format: Format::Sections,
        keys: &[
            key("http.proxy", What::Proxy, Winner::Run),
            key("http.cainfo", What::Certificates, Winner::Run),
        ],
        remedy: "",
    },
    Tool {
        name: "aws",
        places: &[&["$AWS_CONFIG_FILE", "~/.aws/config"]],
        format: Format::Sections,
        keys: &[key("*.ca_bundle", What::Certificates, Winner::Run)],
        remedy: "",
    },
    Tool {
        name: "gcloud",
        places: &[&[
            "$CLOUDSDK_CONFIG/configurations/config_default",
            "~/.config/gcloud/configurations/config_default",
        ]],
        format: Format::Sections,
        keys: &[
            key("proxy.address", What::Host, Winner::Set(GCLOUD_PROXY)),
            key("proxy.port", What::Port, Winner::Run),
            key("proxy.username", What::User, Winner::Run),
            key("core.custom_ca_certs_file", What::Certificates, Winner::Run),
        ],
        remedy: "",
    },
    Tool {
        name: "composer",
        places: &[
            &["$COMPOSER_HOME/config.json", "~/.composer/config.json"],
            &[
                "$XDG_CONFIG_HOME/composer/config.json",
                "~/.config/composer/config.json",
            ],
        ],
        format: Format::Json,
        keys: &[key("config.cafile", What::Certificates, Winner::Run)],
        remedy: "",
    },
    Tool {
        name: "bundle",
        places: &[&["$BUNDLE_USER_CONFIG", "~/.bundle/config"]],
        format: Format::Yaml,
        keys: &[key("bundle_ssl_ca_cert", What::Certificates, Winner::Run)],
        remedy: "",
    },
    Tool {
        name: "poetry",
        places: &[&[
            "$XDG_CONFIG_HOME/pypoetry/config.toml",
            "~/.config/pypoetry/config.toml",
        ]],
        format: Format::Sections,
        keys: &[key("certificates.*.cert", What::Certificates, Winner::Run)],
        remedy: "",
    },
    Tool {
        name: "yarn",
        places: &[&["~/.yarnrc.yml"]],
        format: Format::Yaml,
        keys: &[
            key("httpproxy", What::Proxy, Winner::Run),
            key("httpsproxy", What::Proxy, Winner::Run),
            key("networksettings.*.httpproxy", What::Proxy, Winner::File),
            key("networksettings.*.httpsproxy", What::Proxy, Winner::File),
            key(
                "httpscafilepath",
                What::Certificates,
                Winner::Set("YARN_HTTPS_CA_FILE_PATH"),
            ),
            key(
                "cafilepath",
                What::Certificates,
                Winner::Set("YARN_CA_FILE_PATH"),
            ),
            key(
                "networksettings.*.httpscafilepath",
                What::Certificates,
                Winner::File,
            ),
        ],
        remedy: "remove the lines below networkSettings",
    },
    Tool {
        name: "yarn",
        places: &[&["~/.yarnrc"]],
        format: Format::Words,
        keys: &[
            key("https-proxy", What::Proxy, Winner::Run),
            key("proxy", What::Proxy, Winner::File),
            key("cafile", What::Certificates, Winner::File),
        ],
        remedy: "move the lines into ~/.npmrc",
    },
    Tool {
        name: "conda",
        places: &[&["$CONDARC", "~/.condarc"]],
        format: Format::Yaml,
        keys: &[
            key("proxy_servers.*", What::Proxy, Winner::File),
            key(
                "ssl_verify",
                What::Certificates,
                Winner::Set("CONDA_SSL_VERIFY"),
            ),
        ],
        remedy: "name the proxy by HTTPS_PROXY where authsome is started, and remove proxy_servers",
    },
    Tool {
        name: "curl",
        places: &[
            &["$CURL_HOME/.curlrc", "~/.curlrc"],
            &["$XDG_CONFIG_HOME/curlrc", "~/.config/curlrc"],
        ],
        format: Format::Words,
        keys: &[
            key("proxy", What::Proxy, Winner::File),
            key("x", What::Proxy, Winner::File),
            key("preproxy", What::OtherProxy, Winner::File),
            key("socks*", What::OtherProxy, Winner::File),
            key("proxy-user", What::User, Winner::File),
            key("noproxy", What::NoProxy, Winner::File),
            key("cacert", What::Certificates, Winner::File),
            key("capath", What::Certificates, Winner::File),
        ],
        remedy: "run curl with -q, or remove the line",
    },
    Tool {
        name: "wget",
        places: &[&["$WGETRC", "~/.wgetrc"], &["/etc/wgetrc"]],
        format: Format::Sections,
        keys: &[
            key("http_proxy", What::Proxy, Winner::File),
            key("https_proxy", What::Proxy, Winner::File),
            key("proxy_user", What::User, Winner::File),
            key("ca_certificate", What::Certificates, Winner::File),
            key("ca_directory", What::Certificates, Winner::File),
        ],
        remedy: "run wget with --no-config, or remove the line",
    },
    Tool {
        name: "gem",
        places: &[&["/etc/gemrc"], &["~/.gemrc", "$XDG_CONFIG_HOME/gem/gemrc"]],
        format: Format::Yaml,
        keys: &[
            key("http_proxy", What::Proxy, Winner::File),
            key("ssl_ca_cert", What::Certificates, Winner::File),
        ],
        remedy: "run gem with --norc, or remove the line",
    },
    Tool {
        name: "gradle",
        places: &[&[
            "$GRADLE_USER_HOME/gradle.properties",
            "~/.gradle/gradle.properties",
        ]],
        format: Format::Sections,
        keys: &[
            key("systemprop.https.proxyhost", What::Host, Winner::File),
            key("systemprop.https.proxyport", What::Port, Winner::File),
            key("systemprop.https.proxyuser", What::User, Winner::File),
            key("systemprop.http.proxyhost", What::Host, Winner::File),
            key("systemprop.http.proxyport", What::Port, Winner::File),
            key("systemprop.http.proxyuser", What::User, Winner::File),
            key(
                "systemprop.javax.net.ssl.truststore",
                What::Store,
                Winner::File,
            ),
        ],
        remedy: "remove the lines: a run gives Java both by JAVA_TOOL_OPTIONS",
    },
    Tool {
        name: "mvn",
        places: &[&["~/.m2/settings.xml"]],
        format: Format::Maven,
        keys: &[
            key("proxy.host", What::Host, Winner::File),
            key("proxy.port", What::Port, Winner::File),
            key("proxy.username", What::User, Winner::File),
        ],
        remedy: "set <active>false</active> there",
    },
    Tool {
        name: "dotnet",
        places: &[
            &["~/.nuget/NuGet/NuGet.Config"],
            &["~/.config/NuGet/NuGet.Config"],
        ],
        format: Format::NuGet,
        keys: &[key("http_proxy", What::Proxy, Winner::File)],
        remedy: "remove the key http_proxy",
    },
    Tool {
        name: "R",
        places: &[&["$R_ENVIRON_USER", "~/.Renviron"]],
        format: Format::Sections,
        keys: &[
            key("http_proxy", What::Proxy, Winner::File),
            key("https_proxy", What::Proxy, Winner::File),
            key("ssl_cert_file", What::Certificates, Winner::File),
            key("curl_ca_bundle", What::Certificates, Winner::File),
        ],
        remedy: "run R with --no-environ, or remove the line",
    },
];

/// The variable that stands for all those of gcloud's proxy.
pub(crate) const GCLOUD_PROXY: &str = "CLOUDSDK_PROXY_ADDRESS";
