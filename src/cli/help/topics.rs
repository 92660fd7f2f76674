//! What is to know beyond a single command, as data: `authsome help TOPIC` and the manual page come from it.

use super::super::libraries;

/// Something that concerns more than one command.
pub(super) struct Topic {
    /// What it is asked for by.
    pub(super) name: &'static str,
    /// What it is about, in a line of the list of topics.
    pub(super) summary: &'static str,
    /// Its parts, in order.
    pub(super) parts: &'static [Part],
}

/// A part of a topic. Each of the three may be empty.
pub(super) struct Part {
    /// What stands above it.
    pub(super) title: &'static str,
    /// Paragraphs, a line each; a line that is indented stays as it is.
    pub(super) text: &'static str,
    /// Things, each with what it means.
    pub(super) rows: &'static [(&'static str, &'static str)],
}

/// All topics, in the order in which help names them.
pub(super) const TOPICS: &[Topic] = &[
    MATCHING,
    SOURCES,
    PROVIDERS,
    ENVIRONMENT,
    CLIENTS,
    FILES,
    SECURITY,
    EXIT_CODES,
];

/// Which requests get a credential.
const MATCHING: Topic = Topic {
    name: "matching",
    summary: "which requests get a credential",
    parts: &[
        Part {
            title: "",
            text: "A request gets a credential when it goes over https to a host, a port and a path that a connected provider claims. `authsome explain [METHOD] URL` says it for any request, and why not.",
            rows: &[],
        },
        Part {
            title: "In a definition's api_url",
            text: "",
            rows: &[
                ("api.github.com", "that host on port 443, all paths"),
                (
                    "https://api.x.com:8443/v1",
                    "that port; /v1 and what lies below it, whole segments",
                ),
                (
                    "regex:^api[0-9]+\\.x\\.com$",
                    "all hosts that the pattern matches from end to end, port 443",
                ),
            ],
        },
        Part {
            title: "",
            text: "The longest path wins, then an exact host over a pattern. What two connections claim alike gets neither's credential, with a warning. \
Plain http, this machine, other ports and a provider's own OAuth endpoints get none. What the program itself sends in the place of the \
credential is replaced. A host that nobody claims is passed through unread.",
            rows: &[],
        },
    ],
};

/// Where credentials come from.
const SOURCES: Topic = Topic {
    name: "sources",
    summary: "where credentials come from",
    parts: &[
        Part {
            title: "A SOURCE",
            text: "",
            rows: &[
                (
                    "env:NAME",
                    "a variable of authsome's own environment, which the program does not get",
                ),
                ("file:PATH", "a file, read again when it changes"),
                (
                    "command:LINE",
                    "what a program prints: run without a shell unless it is `sh -c`, for at most 30 s, and used for --credential-ttl seconds",
                ),
            ],
        },
        Part {
            title: "What counts, the first before the others",
            text: "",
            rows: &[
                ("--credential P=SOURCE", "for one run"),
                (
                    "the vault",
                    "what `authsome login` has stored: a key, tokens, or a source (--from)",
                ),
                (
                    "the environment",
                    "a variable that a provider exports, as OPENAI_API_KEY, where nothing is stored",
                ),
            ],
        },
        Part {
            title: "",
            text: "A credential is never taken from a command line, where others can read it. A login, a logout or a refresh counts for the next request of a run that is going on.",
            rows: &[],
        },
    ],
};

/// What a definition has.
const PROVIDERS: Topic = Topic {
    name: "providers",
    summary: "definitions of providers, and how to write one",
    parts: &[
        Part {
            title: "",
            text: "A provider is a JSON file that says which hosts take its credential, and how. Many are built in (`authsome list --all`); one of your own is added by `authsome register FILE`, and wins over a built-in one of its name. `authsome inspect P --json` shows any.
  {
    \"name\": \"acme\",
    \"api_url\": \"https://api.acme.example/v2\",
    \"api_key\": {\"header_name\": \"X-Acme-Key\", \"header_prefix\": null},
    \"export\": {\"ACME_API_KEY\": \"API_TOKEN\"}
  }",
            rows: &[],
        },
        Part {
            title: "Fields",
            text: "",
            rows: &[
                ("name, display_name", "what it is called"),
                (
                    "api_url",
                    "the hosts, as one text or a list (`authsome help matching`); {base_url} in it is filled in from --base-url, from the variable that base_url_env names, or from base_url",
                ),
                (
                    "unclaimed",
                    "hosts of the same service that get no credential, each with the reason: `authsome explain` shows it",
                ),
                (
                    "api_key",
                    "header_name (Authorization), header_prefix (Bearer), in (header, query or basic), param, username, key_pattern",
                ),
                (
                    "oauth",
                    "authorization_url, token_url, device_authorization_url, revocation_url, registration_endpoint, scopes, client_id, ...",
                ),
                (
                    "export",
                    "variables that the program gets, each with what it stands for: API_TOKEN, ACCESS_TOKEN or API_URL",
                ),
                (
                    "placeholder",
                    "what stands in them (authsome-proxy-managed)",
                ),
                ("inject", "`if-placeholder` leaves a value of the program's own alone"),
                (
                    "rules",
                    "which requests may have the credential: methods, path, action; the first that fits counts, and none is a denial",
                ),
                ("extra_headers", "constants that go along"),
            ],
        },
    ],
};

/// Variables.
const ENVIRONMENT: Topic = Topic {
    name: "environment",
    summary: "variables that are read, and those that a program gets",
    parts: &[
        Part {
            title: "Read by authsome",
            text: "",
            rows: &[
                ("AUTHSOME_HOME", "where everything is kept (~/.authsome)"),
                (
                    "AUTHSOME_MASTER_KEY",
                    "the vault's key; AUTHSOME_MASTER_KEY_FILE is a file with it, AUTHSOME_MASTER_KEY_COMMAND a command that prints it",
                ),
                (
                    "AUTHSOME_PASSPHRASE_FILE",
                    "a file with the vault's passphrase",
                ),
                ("AUTHSOME_PROXY_PASSWORD", "the password of `serve`"),
                (
                    "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY",
                    "the proxy by which origins are reached: SCHEME://[USER:PASSWORD@]HOST:PORT, SCHEME one of http, https, socks5h and socks5",
                ),
                (
                    "SSL_CERT_FILE",
                    "certificates that are trusted in the place of the system's; those that variables and files of single tools name \
                     (CURL_CA_BUNDLE, NODE_EXTRA_CA_CERTS, npm's cafile, ...) are trusted beside them",
                ),
                ("TMPDIR", "where a run's public certificates are put (/tmp)"),
                ("NO_COLOR", "no colours"),
            ],
        },
        Part {
            title: "What a program gets in a run",
            text: "Its parent's variables, without the secrets that authsome reads, and with these:",
            rows: &[
                (
                    "HTTP_PROXY, HTTPS_PROXY, http_proxy, https_proxy, WSS_PROXY, wss_proxy, YARN_HTTP_PROXY, YARN_HTTPS_PROXY, npm_config_https_proxy, CARGO_HTTP_PROXY",
                    "the run's proxy; ALL_PROXY and all_proxy are removed",
                ),
                (
                    "NO_PROXY, no_proxy, npm_config_noproxy",
                    "the parent's entries, but for those that would lead past the proxy, and this machine",
                ),
                (
                    "SSL_CERT_FILE, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, GIT_SSL_CAINFO, AWS_CA_BUNDLE, PIP_CERT, CARGO_HTTP_CAINFO, NIX_SSL_CERT_FILE, HTTPLIB2_CA_CERTS, GRPC_DEFAULT_SSL_ROOTS_FILE_PATH, BUNDLE_SSL_CA_CERT, COMPOSER_CAFILE, CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE, HEX_CACERTS_PATH, npm_config_cafile, PERL_LWP_SSL_CA_FILE",
                    "what the parent trusts, and the run's root",
                ),
                (
                    "PIP_PROXY, npm_config_proxy, npm_config_http_proxy, pnpm_config_http_proxy, pnpm_config_https_proxy, YARN_PROXY, grpc_proxy, GRPC_PROXY, ws_proxy, WS_PROXY, GLOBAL_AGENT_HTTP_PROXY, GLOBAL_AGENT_HTTPS_PROXY, CLOUDSDK_PROXY_TYPE, CLOUDSDK_PROXY_ADDRESS, CLOUDSDK_PROXY_PORT, CLOUDSDK_PROXY_USERNAME, CLOUDSDK_PROXY_PASSWORD, npm_config_no_proxy, pnpm_config_noproxy, no_grpc_proxy, NO_GRPC_PROXY, GLOBAL_AGENT_NO_PROXY, pnpm_config_cafile, YARN_HTTPS_CA_FILE_PATH, YARN_CA_FILE_PATH, YARN_CAFILE, CONDA_SSL_VERIFY, VAULT_CACERT, CONSUL_CACERT, NOMAD_CACERT, HTTPS_CA_FILE, WEBSOCKET_CLIENT_CA_BUNDLE",
                    "the same, only if the parent has them or the tool's file has such a setting",
                ),
                (
                    "GIT_CONFIG_COUNT, GIT_CONFIG_PARAMETERS",
                    "if Git's configuration names a proxy: the run's proxy in its place",
                ),
                (
                    "_JAVA_OPTIONS, JDK_JAVA_OPTIONS, JAVA_OPTS, MAVEN_OPTS, GRADLE_OPTS, SBT_OPTS, JVM_OPTS",
                    "the parent's, without a proxy or a trust store, where JAVA_TOOL_OPTIONS names the run's",
                ),
                (
                    "NODE_EXTRA_CA_CERTS, DENO_CERT",
                    "the run's root, and the parent's extra certificates",
                ),
                (
                    "JAVA_TOOL_OPTIONS",
                    "where there is a Java: the parent's options, then the proxy and a trust store of the same certificates",
                ),
                (
                    "NODE_OPTIONS",
                    "the parent's options, then a preload that sends Node's connections through the proxy (--no-node-preload leaves it out)",
                ),
                (
                    "PHP_INI_SCAN_DIR",
                    "where there is a PHP: one more folder, whose settings name the certificates",
                ),
                (
                    "APT_CONFIG, SYSTEM_WGETRC",
                    "if apt or wget is installed: a file with the parent's or the machine's settings and the run's certificates",
                ),
                (
                    "NODE_USE_ENV_PROXY, PERL_LWP_ENV_PROXY",
                    "1: Node and LWP heed the proxy",
                ),
                ("AUTHSOME_RUN, AUTHSOME_PROXY_MODE", "1, true"),
                (
                    "what providers export",
                    "a placeholder for each credential, as OPENAI_API_KEY=authsome-proxy-managed",
                ),
            ],
        },
    ],
};

/// Settings for programs that don't find the proxy or its certificates by variables.
const CLIENTS: Topic = Topic {
    name: "clients",
    summary: "programs and libraries that need a setting of their own",
    parts: &[
        Part {
            title: "",
            text: "Most programs find the proxy and its certificates by the variables that a run sets (`authsome help environment`). If no request comes through the proxy, or its certificates aren't trusted, `authsome doctor -- TOOL ...` tests how a tool connects and says what it needs.",
            rows: &[],
        },
        Part {
            title: "Settings for Python libraries",
            text: "",
            rows: &libraries::ROWS,
        },
    ],
};

/// Files.
const FILES: Topic = Topic {
    name: "files",
    summary: "what is kept where",
    parts: &[
        Part {
            title: "In AUTHSOME_HOME (~/.authsome), for its owner alone",
            text: "",
            rows: &[
                ("vault", "what is stored, sealed (ChaCha20-Poly1305)"),
                (
                    "master.key",
                    "its key, unless a variable or a passphrase gives it",
                ),
                ("providers/NAME.json", "definitions of your own"),
                (
                    "audit.log, audit.log.1 to .4",
                    "what was done, a line each; `authsome audit` shows it",
                ),
                (
                    "ca/ca.pem",
                    "the certificate of the CA that `authsome ca` keeps, for others to trust; its key is in the vault",
                ),
            ],
        },
        Part {
            title: "",
            text: "A run keeps its public certificates in a folder of its own below TMPDIR, and removes it at its end. `authsome doctor` looks for what is wrong with any of these.",
            rows: &[],
        },
    ],
};

/// What is promised.
const SECURITY: Topic = Topic {
    name: "security",
    summary: "what is promised, and what is not",
    parts: &[Part {
        title: "",
        text: "The program never holds a credential: not in its environment, its arguments, a file, or an answer, where what an origin sends back of it is masked. A credential leaves only over verified TLS, to the host that it is for; there is no switch that turns verification off. A request that two servers could read in two ways is refused.

A program that runs as you can read what you can read, the vault's key beside the vault too. Remedies: `run --user UID[:GID]` as root, a passphrase for the vault (`authsome vault rekey`), or credentials that are given to authsome alone (a container's secrets). What the program may do with a credential that it can't see is limited by the service, and by `rules` in the definition (`authsome help providers`); where it may go, by --allow, --deny, --only-matched and --deny-private. These options hold a tunnel to the host of its CONNECT by the server name of TLS; what is asked for within TLS, nobody outside can see. With --user and in `serve`, what listens on this machine is out of reach unless --allow-address names it.",
        rows: &[],
    }],
};

/// Exit codes.
const EXIT_CODES: Topic = Topic {
    name: "exit-codes",
    summary: "what commands end with",
    parts: &[
        Part {
            title: "",
            text: "",
            rows: &[
                ("0", "it is done"),
                ("1", "it failed; stderr says what, why, and what to do"),
                ("2", "wrong usage"),
                ("3", "no such provider or connection"),
                ("4", "a login is needed"),
            ],
        },
        Part {
            title: "Of `authsome run`",
            text: "",
            rows: &[
                ("the program's", "when it has ended by itself"),
                ("128+N", "signal N ended it"),
                ("127", "there is no such program"),
                ("126", "it can't be executed"),
                ("125", "authsome itself could not start"),
                ("2", "wrong usage"),
            ],
        },
    ],
};
