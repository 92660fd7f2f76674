//! Variables that name the proxy and the bundle for tools that prefer a setting of their own to HTTPS_PROXY and
//! SSL_CERT_FILE.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::path::Path;

use crate::encoding;
use crate::environment::BUNDLE;
use crate::environment::BUNDLE_WHERE_SET;
use crate::environment::Environment;
use crate::environment::JAVA_OTHERS;
use crate::environment::NO_PROXY;
use crate::environment::NO_PROXY_OF_TOOLS;
use crate::environment::PROXY;
use crate::environment::PROXY_WHERE_SET;
use crate::environment::is_spelling_of;
use crate::settings::GCLOUD_PROXY;
use crate::settings::Settings;
use crate::settings::git;
use crate::settings::is_nothing;
use crate::settings::java;

/// The proxy and the bundle of a run.
pub(super) struct Route<'a> {
    /// The proxy's URL, which may have a password.
    pub(super) proxy: &'a str,
    /// Hosts that are reached without the proxy.
    pub(super) no_proxy: &'a str,
    /// The run's bundle.
    pub(super) bundle: &'a Path,
    /// Whether Java gets its options.
    pub(super) has_java: bool,
    /// Whether the files that the program reads could not be looked at.
    pub(super) is_blind: bool,
}

/// Sets each variable that the parent has or that a tool's file calls for, so that the tool uses the run's proxy and bundle.
pub(super) fn set(settings: &Settings, route: &Route<'_>, child: &mut Environment) {
    set_if_present(settings, &PROXY_WHERE_SET, route.proxy.as_ref(), child);
    set_if_present(settings, &NO_PROXY_OF_TOOLS, route.no_proxy.as_ref(), child);
    set_if_present(settings, &BUNDLE_WHERE_SET, route.bundle.as_ref(), child);
    set_gcloud(settings, route.proxy, child);
    set_git(settings, route, child);
    if route.has_java {
        for name in JAVA_OTHERS {
            let found = child.get(name).map(java::without_route);
            match found {
                Some((kept, true)) if kept.is_empty() => child.remove(name),
                Some((kept, true)) => child.set(name, kept),
                _ => {}
            }
        }
    }
    forget_spellings(child);
}

/// Sets the variables that the parent has with a value, or that a tool's file makes necessary.
fn set_if_present(
    settings: &Settings,
    names: &[&'static str],
    value: &OsStr,
    child: &mut Environment,
) {
    for name in names {
        if is_named(child, name) || settings.variables.contains(name) {
            child.set(*name, value);
        }
    }
}

/// Returns whether a variable, or another spelling of it, is set to something. What turns verification off in that variable stays.
fn is_named(child: &Environment, name: &str) -> bool {
    let is_it = |(other, value): (&OsStr, &OsStr)| {
        let is_name = other == name || is_spelling_of(other, name);
        is_name && !value.to_str().is_some_and(is_nothing)
    };
    child.iter().any(is_it)
}

/// Removes other spellings of variables that are set, since it is unknown which spelling a tool prefers.
fn forget_spellings(child: &mut Environment) {
    let sets: [&[&str]; 6] = [
        &PROXY,
        &PROXY_WHERE_SET,
        &NO_PROXY,
        &NO_PROXY_OF_TOOLS,
        &BUNDLE,
        &BUNDLE_WHERE_SET,
    ];
    let names = sets.into_iter().flatten();
    let set: Vec<&str> = names.copied().filter(|name| child.has(name)).collect();
    child.remove_where(|name| {
        // A name of the set stays even where it is also a spelling of another, as Yarn's names in upper case are.
        !set.iter().any(|own| name == *own) && set.iter().any(|own| is_spelling_of(name, own))
    });
}

/// Sets the parts of gcloud's proxy. It takes an empty user for none, and one that isn't set from its file.
fn set_gcloud(settings: &Settings, proxy: &str, child: &mut Environment) {
    if !settings.variables.contains(GCLOUD_PROXY) {
        return;
    }
    let rest = proxy.split_once("://").map_or(proxy, |(_, rest)| rest);
    let (user, authority) = rest.rsplit_once('@').unwrap_or(("", rest));
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "80"));
    child.set("CLOUDSDK_PROXY_TYPE", "http");
    child.set(GCLOUD_PROXY, host);
    child.set("CLOUDSDK_PROXY_PORT", port.trim_end_matches('/'));
    child.set("CLOUDSDK_PROXY_USERNAME", user);
    let password = encoding::percent_decode(password.as_bytes());
    let password = String::from_utf8(password).unwrap_or_default();
    child.set("CLOUDSDK_PROXY_PASSWORD", password);
}

/// Sets each of Git's keys that names a proxy: one of a URL counts more than the general one, wherever they stand, and of equal ones
/// the last. Where no key names a proxy, none is set: programs list Git's configuration.
fn set_git(settings: &Settings, route: &Route<'_>, child: &mut Environment) {
    let general = "http.proxy";
    let mut keys: Vec<&str> = settings.git_keys.iter().map(String::as_str).collect();
    if keys.is_empty() && !route.is_blind {
        return;
    }
    if !keys.iter().any(|key| key.eq_ignore_ascii_case(general)) {
        keys.push(general);
    }
    let count = git::count(child);
    let names = (0..count).map(|at| (format!("GIT_CONFIG_KEY_{at}"), at));
    let of_parent: Vec<(String, usize)> = names
        .filter_map(|(name, at)| Some((child.text(&name)?.to_owned(), at)))
        .collect();
    // In their place: the parent's proxy may have a password.
    for (key, at) in &of_parent {
        if keys.contains(&key.as_str()) {
            child.set(format!("GIT_CONFIG_VALUE_{at}"), route.proxy);
        }
    }
    let is_new = |key: &&str| !of_parent.iter().any(|(own, _)| own == key);
    let mut next = count;
    for key in keys.iter().copied().filter(is_new) {
        child.set(format!("GIT_CONFIG_KEY_{next}"), key);
        child.set(format!("GIT_CONFIG_VALUE_{next}"), route.proxy);
        next += 1;
    }
    child.set("GIT_CONFIG_COUNT", next.to_string());
    // Git prefers what `git -c` hands on.
    let Some(of_parent) = child.get("GIT_CONFIG_PARAMETERS") else {
        return;
    };
    let mut parameters = OsString::from(of_parent);
    let is_plain = |key: &&str| !key.contains(['\'', '!', '=']);
    for key in keys.into_iter().filter(is_plain) {
        parameters.push(format!(" '{key}={}'", route.proxy));
    }
    child.set("GIT_CONFIG_PARAMETERS", parameters);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The child's variables for these of the parent's.
    fn child(parent: &[(&str, &str)], proxy: &str) -> Environment {
        let parent: Environment = parent.iter().copied().collect();
        let settings = Settings::read(&parent);
        let mut child = parent;
        let route = Route {
            proxy,
            no_proxy: "localhost",
            bundle: Path::new("/run/bundle.pem"),
            has_java: true,
            is_blind: false,
        };
        set(&settings, &route, &mut child);
        child
    }

    const PLAIN: &str = "http://127.0.0.1:8080";

    /// Variables that keep tests from this machine's own configuration of Git.
    const NO_FILES: [(&str, &str); 3] = [
        ("GIT_CONFIG_SYSTEM", "/nowhere/git"),
        ("GIT_CONFIG_GLOBAL", "/nowhere/git"),
        ("GIT_DIR", "/nowhere"),
    ];

    #[test]
    fn only_what_the_parent_has_is_set() {
        let own = [
            ("PIP_PROXY", "http://old"),
            ("VAULT_CACERT", "/c"),
            ("no_grpc_proxy", "x.test"),
        ];
        let found = child(&own, PLAIN);
        assert_eq!(found.text("PIP_PROXY"), Some(PLAIN));
        assert_eq!(found.text("VAULT_CACERT"), Some("/run/bundle.pem"));
        assert_eq!(found.text("no_grpc_proxy"), Some("localhost"));
        assert_eq!(found.iter().count(), 3);
        assert_eq!(child(&NO_FILES, PLAIN).iter().count(), NO_FILES.len());
    }

    #[test]
    fn no_other_spelling_is_left() {
        let found = child(
            &[
                ("NPM_CONFIG_HTTP_PROXY", "http://old"),
                ("npm_config_http-proxy", "http://old"),
                ("yarn_cafile", "/c"),
                ("npm_config_other", "x"),
            ],
            PLAIN,
        );
        let names: Vec<&str> = found.iter().filter_map(|(name, _)| name.to_str()).collect();
        assert_eq!(
            names,
            ["YARN_CAFILE", "npm_config_http_proxy", "npm_config_other"]
        );
    }

    #[test]
    fn gcloud_gets_the_parts_and_no_user_of_another_proxy() {
        let own = [
            ("CLOUDSDK_PROXY_ADDRESS", "p"),
            ("CLOUDSDK_PROXY_USERNAME", "me"),
        ];
        let part = |child: &Environment, name: &str| {
            let found = child.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| value.to_str().unwrap().to_owned())
        };
        let plain = child(&own, PLAIN);
        assert_eq!(part(&plain, "CLOUDSDK_PROXY_ADDRESS").unwrap(), "127.0.0.1");
        assert_eq!(part(&plain, "CLOUDSDK_PROXY_PORT").unwrap(), "8080");
        assert_eq!(part(&plain, "CLOUDSDK_PROXY_USERNAME").unwrap(), "");
        let asked = child(&own, "http://authsome:a%2Fb@127.0.0.1:1");
        assert_eq!(part(&asked, "CLOUDSDK_PROXY_USERNAME").unwrap(), "authsome");
        assert_eq!(part(&asked, "CLOUDSDK_PROXY_PASSWORD").unwrap(), "a/b");
    }

    #[test]
    fn keys_of_git_are_set_behind_the_parent_s() {
        let mut own = vec![
            ("GIT_CONFIG_COUNT", "2"),
            ("GIT_CONFIG_KEY_0", "http.https://a.test.proxy"),
            ("GIT_CONFIG_VALUE_0", "http://u:secret@old"),
            ("GIT_CONFIG_KEY_1", "user.name"),
            ("GIT_CONFIG_VALUE_1", "me"),
            ("GIT_CONFIG_PARAMETERS", "'http.proxy=http://old'"),
        ];
        own.extend(NO_FILES);
        let found = child(&own, PLAIN);
        for (name, value) in [
            ("GIT_CONFIG_COUNT", "3"),
            ("GIT_CONFIG_VALUE_0", PLAIN),
            ("GIT_CONFIG_VALUE_1", "me"),
            ("GIT_CONFIG_KEY_2", "http.proxy"),
            ("GIT_CONFIG_VALUE_2", PLAIN),
        ] {
            assert_eq!(found.text(name), Some(value), "{name}");
        }
        let parameters = found.text("GIT_CONFIG_PARAMETERS").unwrap();
        assert!(
            parameters.ends_with(" 'http.proxy=http://127.0.0.1:8080'"),
            "{parameters}"
        );
    }

    #[test]
    fn options_of_java_lose_their_route() {
        let own = [
            ("MAVEN_OPTS", "-Xmx1g -Dhttps.proxyHost=p"),
            ("GRADLE_OPTS", "-Da=b"),
        ];
        let found = child(&own, PLAIN);
        assert_eq!(found.text("MAVEN_OPTS"), Some("-Xmx1g"));
        assert_eq!(found.text("GRADLE_OPTS"), Some("-Da=b"));
    }
}
