//! Java's way to the proxy. It reads no variable for a proxy or for certificates, but it takes options from one, JAVA_TOOL_OPTIONS, and
//! says so on standard error at each start: that is why only a run that may come to Java sets it.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use memchr::memmem;

use crate::environment::Environment;
use crate::environment::JAVA;
use crate::environment::JAVA_OTHERS;
use crate::program;
use crate::settings;

/// The option that names a trust store.
const TRUST_STORE: &str = "-Djavax.net.ssl.trustStore=";

/// Returns whether a program with this environment may start Java: one is on its PATH, or a variable
/// says where Java is or which proxy Java uses.
pub(crate) fn is_there(environment: &Environment) -> bool {
    let mut others = JAVA_OTHERS.iter().filter_map(|name| environment.get(name));
    environment.get("JAVA_HOME").is_some()
        || program::is_found("java", environment)
        || others.any(|options| settings::java::without_route(options).1)
}

/// What JAVA_TOOL_OPTIONS becomes: the parent's options, then ours, which win. `proxy` is the proxy's URL, `no_proxy` what goes past
/// it, `store` a PKCS#12 file that asks for no password.
pub(super) fn options(parent: &Environment, proxy: &str, no_proxy: &str, store: &Path) -> OsString {
    let authority = proxy.rsplit(['/', '@']).next().unwrap_or_default();
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "80"));
    let direct: Vec<String> = no_proxy.split(',').flat_map(patterns).collect();
    let mut options = OsString::new();
    if let Some(of_parent) = parent.get(JAVA) {
        options.push(of_parent);
        options.push(" ");
    }
    options.push(TRUST_STORE);
    options.push(quoted(store.as_os_str()));
    options.push(" -Djavax.net.ssl.trustStoreType=PKCS12");
    for scheme in ["http", "https"] {
        options.push(format!(
            " -D{scheme}.proxyHost={host} -D{scheme}.proxyPort={port}"
        ));
    }
    options.push(format!(" -Dhttp.nonProxyHosts={}", direct.join("|")));
    options
}

/// Returns the variables in which the parent's options name a trust store, which the run's store replaces.
/// The store of an outer run doesn't count: its root is in the bundle that this run's store is made of.
pub(super) fn with_trust_store(parent: &Environment) -> impl Iterator<Item = &'static str> {
    let names = [JAVA].into_iter().chain(JAVA_OTHERS);
    names.filter(|name| {
        let options = parent.get(name).unwrap_or_default();
        !parent.has("AUTHSOME_RUN")
            && memmem::find(options.as_bytes(), TRUST_STORE.as_bytes()).is_some()
    })
}

/// An entry of NO_PROXY in Java's form, where a name is itself alone and a star stands at one end. Networks and ports have none: what
/// they exempt takes the way through the proxy, which honours them.
fn patterns(entry: &str) -> Vec<String> {
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => return vec![address.to_string()],
        Ok(IpAddr::V6(address)) => return vec![format!("[{address}]")],
        Err(_) if entry == "*" => return vec![entry.to_owned()],
        Err(_) => {}
    }
    let name = entry.trim_start_matches("*.").trim_start_matches('.');
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if name.is_empty() || !name.bytes().all(is_name) {
        return Vec::new();
    }
    let below = format!("*.{name}");
    if entry == name {
        vec![below, name.to_owned()]
    } else {
        vec![below]
    }
}

/// A word that JAVA_TOOL_OPTIONS gives as it is: it is split at spaces, and quotes of either kind hold a part together.
fn quoted(word: &OsStr) -> OsString {
    let is_special = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'\'' | b'"');
    if !word.as_bytes().iter().any(is_special) {
        return word.to_owned();
    }
    let mut parts = word.as_bytes().split(|byte| *byte == b'\'');
    let mut out = OsString::from("'");
    out.push(OsStr::from_bytes(parts.next().unwrap_or_default()));
    for part in parts {
        out.push("'\"'\"'");
        out.push(OsStr::from_bytes(part));
    }
    out.push("'");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The options for this value of the parent's, entries of NO_PROXY and path of the store.
    fn made(parent: &[(&str, &str)], no_proxy: &str, store: &str) -> String {
        let parent = parent.iter().copied().collect();
        let proxy = "http://authsome:secret@127.0.0.1:8080";
        let options = options(&parent, proxy, no_proxy, Path::new(store));
        options.into_string().unwrap()
    }

    #[test]
    fn the_parent_s_options_come_first_and_the_proxy_s_password_is_not_in_it() {
        assert_eq!(
            made(
                &[("JAVA_TOOL_OPTIONS", "-Da='b c'")],
                "localhost",
                "/run/x.p12"
            ),
            "-Da='b c' -Djavax.net.ssl.trustStore=/run/x.p12 -Djavax.net.ssl.trustStoreType=PKCS12 \
             -Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=8080 -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=8080 \
             -Dhttp.nonProxyHosts=*.localhost|localhost"
        );
    }

    #[test]
    fn entries_of_no_proxy_get_the_form_that_java_knows() {
        let java = |no_proxy: &str| {
            let made = made(&[], no_proxy, "/x");
            made.rsplit_once("nonProxyHosts=").unwrap().1.to_owned()
        };
        assert_eq!(
            java("127.0.0.1,localhost,::1"),
            "127.0.0.1|*.localhost|localhost|[::1]"
        );
        assert_eq!(
            java("x.com,.y.com,*.z.com"),
            "*.x.com|x.com|*.y.com|*.z.com"
        );
        assert_eq!(java("*"), "*");
        // What Java would read as something else, or not at all.
        assert_eq!(java("10.0.0.0/8,x.com:443,a|b,a b,a'b,a*b,**,,."), "");
    }

    #[test]
    fn a_path_with_spaces_and_quotes_stays_one_word() {
        for (path, word) in [
            ("/a/b", "/a/b"),
            ("/a b", "'/a b'"),
            ("/it's", "'/it'\"'\"'s'"),
            ("/a\"b", "'/a\"b'"),
        ] {
            assert_eq!(quoted(OsStr::new(path)), word, "{path}");
        }
    }

    #[test]
    fn a_trust_store_of_the_parent_s_own_is_seen_but_not_that_of_a_run() {
        let theirs = ("JAVA_TOOL_OPTIONS", "-Xmx1g -Djavax.net.ssl.trustStore=/x");
        let has = |parent: &[(&str, &str)]| {
            let parent = parent.iter().copied().collect();
            with_trust_store(&parent).next().is_some()
        };
        assert!(has(&[theirs]));
        assert!(!has(&[theirs, ("AUTHSOME_RUN", "1")]));
        assert!(!has(&[("JAVA_TOOL_OPTIONS", "-Xmx1g")]));
        assert!(!has(&[]));
    }

    #[test]
    fn java_is_there_where_a_variable_or_a_folder_of_path_says_so() {
        let there = |parent: &[(&str, &str)]| is_there(&parent.iter().copied().collect());
        assert!(there(&[("JAVA_HOME", "/opt/java"), ("PATH", "/nowhere")]));
        assert!(!there(&[("JAVA_HOME", ""), ("PATH", "/nowhere")]));
    }
}
