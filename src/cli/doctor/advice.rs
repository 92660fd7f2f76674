//! Which setting a program needs where it doesn't read the usual variables.

use std::ffi::OsStr;
use std::path::Path;

/// What to do about a program.
pub(super) struct Advice {
    /// The names of its files, without a version behind them.
    names: &'static [&'static str],
    /// When it does not use the proxy.
    pub(super) proxy: &'static str,
    /// When it does not trust the certificates.
    pub(super) trust: &'static str,
}

/// What is known of programs.
const KNOWN: [Advice; 12] = [
    Advice {
        names: &["curl"],
        proxy: "curl reads HTTPS_PROXY unless --noproxy, --proxy or ~/.curlrc say otherwise",
        trust: "leave --cacert and --capath out (see ~/.curlrc), or give --cacert \"$SSL_CERT_FILE\"",
    },
    Advice {
        names: &["wget", "wget2"],
        proxy: "see that ~/.wgetrc has no use_proxy = off, and that --no-proxy isn't given",
        trust: "see that ~/.wgetrc has no ca_certificate, and that --no-config isn't given; else give --ca-certificate=\"$SSL_CERT_FILE\"",
    },
    Advice {
        names: &["git"],
        proxy: "git reads HTTPS_PROXY unless http.proxy is configured, which a run overrules in your own configuration and that of the repository it starts in: see \
                `git config --get-regexp proxy`",
        trust: "git reads GIT_SSL_CAINFO, which is set, before http.sslCAInfo: see that http.sslBackend is not configured",
    },
    Advice {
        names: &["node", "nodejs", "npm", "npx", "yarn", "pnpm", "tsx"],
        proxy: "Node from 16 on uses the proxy by the preload in NODE_OPTIONS, which is set, unless the program changes that variable or \
                HTTPS_PROXY for Node",
        trust: "Node trusts the run's root by NODE_EXTRA_CA_CERTS and the preload in NODE_OPTIONS, which are set, unless the program changes \
                them or pins a certificate",
    },
    Advice {
        names: &["deno"],
        proxy: "deno reads HTTPS_PROXY, unless the program makes an HTTP client of its own: Deno.createHttpClient takes `proxy`",
        trust: "deno reads DENO_CERT, which is set; else give --cert \"$SSL_CERT_FILE\"",
    },
    Advice {
        names: &[
            "python", "python3", "pip", "pip3", "uv", "uvx", "poetry", "pytest", "http",
        ],
        proxy: "urllib, requests and httpx read HTTPS_PROXY unless trust_env is False; aiohttp needs ClientSession(trust_env=True)",
        trust: "requests reads REQUESTS_CA_BUNDLE, ssl and httpx SSL_CERT_FILE; where certificates are the program's own: \
                verify=os.environ[\"SSL_CERT_FILE\"]",
    },
    Advice {
        names: &["go", "gh", "hub", "terraform", "kubectl", "helm", "docker"],
        proxy: "Go programs read HTTPS_PROXY unless they make a transport of their own: it needs Proxy: http.ProxyFromEnvironment",
        trust: "Go programs read SSL_CERT_FILE, but not on macOS: add the certificate to the keychain there",
    },
    Advice {
        names: &[
            "java", "mvn", "gradle", "gradlew", "mvnw", "kotlin", "scala", "sbt", "clojure",
        ],
        proxy: "JAVA_TOOL_OPTIONS, which is set where there is a Java, has -Dhttps.proxyHost and -Dhttps.proxyPort: see that the program's \
                own options or settings say nothing else, and give it the proxy there if it looks at neither; with --proxy-auth it \
                needs an Authenticator",
        trust: "JAVA_TOOL_OPTIONS, which is set where there is a Java, has -Djavax.net.ssl.trustStore: see that no other trust store is \
                named on its command line, or give it that file by its own option",
    },
    Advice {
        names: &["ruby", "gem", "bundle", "rake", "rails"],
        proxy: "Net::HTTP reads https_proxy unless it is given a proxy of nil; other libraries take one as an option",
        trust: "Ruby reads SSL_CERT_FILE unless the program sets ca_file: set that to ENV[\"SSL_CERT_FILE\"]",
    },
    Advice {
        names: &["php", "composer"],
        proxy: "PHP's curl reads https_proxy; streams (file_get_contents) need a context with http.proxy tcp://HOST:PORT",
        trust: "PHP_INI_SCAN_DIR, which is set where there is a PHP, names the certificates in settings; else give \
                -d curl.cainfo=\"$SSL_CERT_FILE\" -d openssl.cafile=\"$SSL_CERT_FILE\"",
    },
    Advice {
        names: &[
            "perl",
            "lwp-request",
            "GET",
            "POST",
            "HEAD",
            "cpan",
            "cpanm",
        ],
        proxy: "LWP heeds the proxy by PERL_LWP_ENV_PROXY, which is set, unless the program says env_proxy => 0; HTTP::Tiny reads https_proxy",
        trust: "LWP reads PERL_LWP_SSL_CA_FILE, and HTTP::Tiny SSL_CERT_FILE, which are set, unless the program gives SSL_ca_file itself",
    },
    Advice {
        names: &["dotnet", "pwsh", "nuget"],
        proxy: "HttpClient reads HTTPS_PROXY unless its handler has UseProxy = false or a Proxy of its own",
        trust: ".NET reads SSL_CERT_FILE on Linux only: elsewhere add the certificate to the system's store",
    },
];

/// What holds for any program.
const GENERAL: Advice = Advice {
    names: &[],
    proxy: "give it the proxy $HTTPS_PROXY by its own option or configuration, if it reads no variable",
    trust: "give it the certificates in $SSL_CERT_FILE by its own option, if it reads no variable; a program that pins certificates \
            can't be helped",
};

/// What to do about the program of this path.
pub(super) fn for_tool(program: &OsStr) -> &'static Advice {
    let file = Path::new(program).file_name().unwrap_or(program);
    let file = file.to_string_lossy();
    let bare = file.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    let is_it = |advice: &&Advice| {
        advice
            .names
            .iter()
            .any(|name| *name == file || *name == bare)
    };
    KNOWN.iter().find(is_it).unwrap_or(&GENERAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_known_by_its_file_without_its_version() {
        for (program, words) in [
            ("/usr/bin/python3.12", "trust_env"),
            ("node22", "NODE_OPTIONS"),
            ("java", "JAVA_TOOL_OPTIONS"),
            ("wget2", "wgetrc"),
            ("./my-program", "its own option"),
            ("", "its own option"),
        ] {
            let advice = for_tool(OsStr::new(program));
            assert!(advice.proxy.contains(words), "{program}: {}", advice.proxy);
        }
    }
}
