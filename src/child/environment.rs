//! The child's environment: the parent's, with the proxy in and the secrets out.

use std::collections::BTreeMap;
use std::path::Path;

use super::java;
use super::node;
use super::php;
use super::tools;
use crate::account::Account;
use crate::environment::BUNDLE;
use crate::environment::Environment;
use crate::environment::FLAGS;
use crate::environment::JAVA;
use crate::environment::NO_PROXY;
use crate::environment::NODE;
use crate::environment::OTHER_PROXY;
use crate::environment::OWN_HOME;
use crate::environment::PHP;
use crate::environment::PROXY;
use crate::provider::Export;
use crate::provider::ExportKind;
use crate::provider::Provider;
use crate::provider::host_rule::HostRule;
use crate::settings::Settings;
use crate::upstream::via::no_proxy_entries;
use crate::vault::is_own_secret;

/// Hosts that are always reached directly.
const LOCAL: [&str; 3] = ["127.0.0.1", "localhost", "::1"];

/// What the child's environment is made of.
pub(crate) struct Plan<'a> {
    /// The proxy's URL.
    pub(crate) proxy: &'a str,
    /// Who the child is, if somebody else.
    pub(crate) account: Option<&'a Account>,
    /// The bundle with our root.
    pub(crate) bundle: &'a Path,
    /// The file for each name of [`crate::environment::EXTRA`], and for others that name a file of the run.
    pub(crate) extra: &'a BTreeMap<&'static str, std::path::PathBuf>,
    /// The bundle's certificates as Java reads them, where there is a Java.
    pub(crate) trust_store: Option<&'a Path>,
    /// Settings of PHP that name the bundle, where there is a PHP.
    pub(crate) php_settings: Option<&'a Path>,
    /// The preload for Node, unless the run is without one.
    pub(crate) node_preload: Option<&'a Path>,
    /// Providers that have a connection.
    pub(crate) connected: &'a [&'a Provider],
    /// Exports of all providers, connected or not: what the parent has under a credential's name is masked.
    pub(crate) known: &'a [(Export, String)],
    /// Variables that were read as a credential's source.
    pub(crate) sources: &'a [String],
    /// The rules of all routes.
    pub(crate) rules: &'a [&'a HostRule],
    /// Settings of single tools.
    pub(crate) settings: &'a Settings,
    /// Whether it was said where the child may go.
    pub(crate) is_restricted: bool,
}

/// The child's environment, and warnings about what was left out of it.
pub(crate) fn build(parent: &Environment, plan: &Plan<'_>) -> (Environment, Vec<String>) {
    let mut child = parent.clone();
    let mut warnings = Vec::new();
    for name in PROXY {
        child.set(name, plan.proxy);
    }
    for name in OTHER_PROXY {
        child.remove(name);
    }
    let no_proxy = match plan.is_restricted {
        false => no_proxy(parent, plan.rules, &mut warnings),
        true => {
            let entries = no_proxy_entries(parent);
            if entries.iter().any(|entry| !LOCAL.contains(&entry.as_str())) {
                warnings.push("NO_PROXY is left out: where the program may go is restricted, and its entries would lead past that".into());
            }
            LOCAL.join(",")
        }
    };
    for name in NO_PROXY {
        child.set(name, &no_proxy);
    }
    for name in BUNDLE {
        child.set(name, plan.bundle);
    }
    for (name, path) in plan.extra {
        child.set(*name, path);
    }
    for (name, value) in FLAGS {
        child.set(name, value);
    }
    if let Some(store) = plan.trust_store {
        child.set(JAVA, java::options(parent, plan.proxy, &no_proxy, store));
        for name in java::with_trust_store(parent) {
            warnings.push(format!(
                "the trust store that {name} names is not used: the run's own takes its place, with what SSL_CERT_FILE, other variables and \
                 settings of tools name, or else the system trusts"
            ));
        }
    }
    if let Some(file) = plan.php_settings {
        child.set(PHP, php::folders(parent, file));
    }
    let route = tools::Route {
        proxy: plan.proxy,
        no_proxy: &no_proxy,
        bundle: plan.bundle,
        has_java: plan.trust_store.is_some(),
        is_blind: plan.account.is_some(),
    };
    tools::set(plan.settings, &route, &mut child);
    match node::options(parent, plan.node_preload) {
        Some(options) => child.set(NODE, options),
        None => child.remove(NODE),
    }
    mask(parent, plan, &mut child);
    if let Some(account) = plan.account {
        be(account, &mut child);
    }
    (child, warnings)
}

/// Puts the account's own in the place of what is this user's: as su and container engines do, the home and the names; and where
/// authsome keeps its things, which an authsome in the child could not use.
fn be(account: &Account, child: &mut Environment) {
    child.remove(OWN_HOME);
    child.set("HOME", &account.home);
    for name in ["USER", "LOGNAME"] {
        match &account.name {
            Some(own) => child.set(name, own),
            None => child.remove(name),
        }
    }
}

/// Takes the secrets out and puts placeholders in.
fn mask(parent: &Environment, plan: &Plan<'_>, child: &mut Environment) {
    child.remove_where(is_own_secret);
    for name in plan.sources {
        child.remove(name);
    }
    for (export, placeholder) in plan.known {
        if export.kind != ExportKind::ApiUrl && parent.get(&export.name).is_some() {
            child.set(&export.name, placeholder);
        }
    }
    for provider in plan.connected {
        for export in &provider.exports {
            match export.kind {
                ExportKind::Credential => child.set(&export.name, &provider.placeholder),
                ExportKind::ApiUrl => {
                    if let Some(rule) = provider.rules.first() {
                        child.set(&export.name, rule.host.to_string());
                    }
                }
                ExportKind::RefreshToken => {}
            }
        }
    }
}

/// What the child does not get of the parent's NO_PROXY, in words.
pub(crate) fn left_out(parent: &Environment, rules: &[&HostRule]) -> Vec<String> {
    let mut warnings = Vec::new();
    no_proxy(parent, rules, &mut warnings);
    warnings
}

/// The parent's entries but for those that would exempt a host with a route, then this machine.
fn no_proxy(parent: &Environment, rules: &[&HostRule], warnings: &mut Vec<String>) -> String {
    let mut entries = Vec::new();
    for entry in no_proxy_entries(parent) {
        match rules.iter().find(|rule| exempts(&entry, rule)) {
            None => entries.push(entry),
            Some(rule) => warnings.push(format!(
                "the NO_PROXY entry {entry} is left out: it would send requests for {rule} past the proxy"
            )),
        }
    }
    for local in LOCAL {
        if !entries.iter().any(|entry| entry == local) {
            entries.push(local.to_owned());
        }
    }
    entries.join(",")
}

/// Whether a NO_PROXY entry would exempt a host of the rule, as any program might read it: ports don't narrow it for all, and some
/// take an entry for the end of a name.
fn exempts(entry: &str, rule: &HostRule) -> bool {
    if entry == "*" {
        return true;
    }
    let bare = entry.trim_start_matches('[').to_ascii_lowercase();
    let address = bare.split(['/', ']']).next().unwrap_or_default();
    if address.parse::<std::net::IpAddr>().is_ok() {
        return rule
            .exact_host()
            .is_some_and(|host| host.ip().is_some() && address == host.as_str());
    }
    let name = bare.rsplit_once(':').map_or(&*bare, |(name, _)| name);
    let name = name.trim_start_matches('*').trim_matches('.');
    !name.is_empty() && rule.lies_below(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::EXTRA;

    /// The child's environment for one connected provider, `x`, with a route to api.x.com.
    fn child(parent: &[(&str, &str)]) -> (Environment, Vec<String>) {
        let text = r#"{"name": "x", "api_url": "https://api.x.com/v1",
            "export": {"X_KEY": "API_TOKEN", "X_URL": "API_URL"}}"#;
        let definition = crate::provider::definition::Definition::parse("x", text.as_bytes());
        let outside = crate::provider::definition::Outside {
            base_url: None,
            username: None,
            variable: &|_| None,
        };
        let provider = definition.unwrap().provider(&outside).unwrap();
        let other = Export {
            name: "OTHER_KEY".into(),
            kind: ExportKind::Credential,
        };
        let refresh = Export {
            name: "OTHER_REFRESH".into(),
            kind: ExportKind::RefreshToken,
        };
        let rules: Vec<&HostRule> = provider.rules.iter().map(|rule| &rule.host).collect();
        let parent: Environment = parent.iter().copied().collect();
        build(
            &parent,
            &Plan {
                proxy: "http://127.0.0.1:8080",
                account: None,
                bundle: Path::new("/run/bundle.pem"),
                extra: &EXTRA
                    .into_iter()
                    .map(|name| (name, "/run/ca.pem".into()))
                    .collect(),
                trust_store: Some(Path::new("/run/bundle.p12")),
                php_settings: Some(Path::new("/run/authsome.ini")),
                node_preload: Some(Path::new("/run/node-preload.cjs")),
                connected: &[&provider],
                known: &[
                    (other, "placeholder".into()),
                    (refresh, "placeholder".into()),
                ],
                sources: &["MY_SECRET".into()],
                rules: &rules,
                settings: &Settings::from_env(&parent),
                is_restricted: false,
            },
        )
    }

    #[test]
    fn the_proxy_and_the_bundle_are_everywhere() {
        let (child, warnings) = child(&[("ALL_PROXY", "socks5://x"), ("HTTP_PROXY", "http://old")]);
        for name in PROXY {
            assert_eq!(child.text(name), Some("http://127.0.0.1:8080"), "{name}");
        }
        assert!(!child.has("ALL_PROXY"));
        for name in BUNDLE {
            assert_eq!(child.text(name), Some("/run/bundle.pem"), "{name}");
        }
        assert_eq!(child.text("NODE_EXTRA_CA_CERTS"), Some("/run/ca.pem"));
        assert_eq!(child.text("NO_PROXY"), Some("127.0.0.1,localhost,::1"));
        assert!(warnings.is_empty());
    }

    #[test]
    fn java_is_told_and_so_is_who_named_a_trust_store() {
        let (plain, warnings) = child(&[("NO_PROXY", "internal.example")]);
        let options = plain.text(JAVA).unwrap();
        assert!(options.starts_with("-Djavax.net.ssl.trustStore=/run/bundle.p12 "));
        assert!(options.contains(" -Dhttps.proxyPort=8080 "));
        assert!(options.contains(
            "=*.internal.example|internal.example|127.0.0.1|*.localhost|localhost|[::1]"
        ));
        assert!(warnings.is_empty());
        let (_, warnings) = child(&[(JAVA, "-Djavax.net.ssl.trustStore=/x")]);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
    }

    #[test]
    fn php_gets_one_more_folder_of_settings() {
        let (child, warnings) = child(&[(PHP, "/etc/own")]);
        assert_eq!(child.text(PHP), Some("/etc/own:/run"));
        assert!(warnings.is_empty());
    }

    #[test]
    fn secrets_are_replaced_or_removed() {
        let (child, _) = child(&[
            ("X_KEY", "secret"),
            ("OTHER_KEY", "secret"),
            ("OTHER_REFRESH", "secret"),
            ("MY_SECRET", "secret"),
            ("AUTHSOME_MASTER_KEY", "secret"),
            ("AUTHSOME_PASSPHRASE_FILE", "secret"),
            ("HARMLESS", "kept"),
        ]);
        assert_eq!(child.text("X_KEY"), Some("authsome-proxy-managed"));
        assert_eq!(child.text("X_URL"), Some("https://api.x.com/v1"));
        assert_eq!(child.text("OTHER_KEY"), Some("placeholder"));
        assert_eq!(child.text("HARMLESS"), Some("kept"));
        assert!(child.iter().all(|(_, value)| value != "secret"));
    }

    #[test]
    fn entries_that_exempt_a_route_are_left_out_with_a_warning() {
        let (child, warnings) = child(&[
            ("NO_PROXY", "internal.example, .x.com ,10.0.0.0/8,localhost"),
            ("no_proxy", "internal.example,API.x.com:443,*"),
        ]);
        assert_eq!(
            child.text("no_proxy"),
            Some("internal.example,10.0.0.0/8,localhost,127.0.0.1,::1")
        );
        assert_eq!(warnings.len(), 3, "{warnings:?}");
    }
}
