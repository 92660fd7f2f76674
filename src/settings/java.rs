//! Options of Java in variables: those that name a proxy or a trust store count more than what JAVA_TOOL_OPTIONS says.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// Options that a run gives by JAVA_TOOL_OPTIONS, or that would lead past what it gives.
const OPTIONS: [&str; 15] = [
    "http.proxyHost",
    "http.proxyPort",
    "http.proxyUser",
    "http.proxyPassword",
    "http.nonProxyHosts",
    "https.proxyHost",
    "https.proxyPort",
    "https.proxyUser",
    "https.proxyPassword",
    "socksProxyHost",
    "socksProxyPort",
    "java.net.useSystemProxies",
    "javax.net.ssl.trustStore",
    "javax.net.ssl.trustStoreType",
    "javax.net.ssl.trustStorePassword",
];

/// Returns the options without those that name a proxy or a trust store, and whether there were any; quotes are left as they are.
pub(crate) fn without_route(options: &OsStr) -> (OsString, bool) {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut has_route = false;
    for word in words(options.as_bytes()) {
        match route(word) {
            Some(_) => has_route = true,
            None => kept.push(word),
        }
    }
    let kept = kept.join(&b' ');
    (OsStr::from_bytes(&kept).to_owned(), has_route)
}

/// Returns the value of an option; with quotes in it, none.
pub(crate) fn value<'a>(options: &'a OsStr, name: &str) -> Option<&'a str> {
    let found = words(options.as_bytes()).filter_map(route);
    let mut of_name = found.filter(|(option, _)| *option == name);
    let value = of_name.next_back()?.1;
    (!value.contains(['"', '\'', '\\'])).then_some(value)
}

/// Splits a word into name and value, if it names a part of a route.
fn route(word: &[u8]) -> Option<(&str, &str)> {
    let text = str::from_utf8(word).ok()?.trim_start_matches(['"', '\'']);
    let option = text.strip_prefix("-D")?;
    let (name, value) = option.split_once('=').unwrap_or((option, ""));
    OPTIONS.contains(&name).then_some((name, value))
}

/// Splits options at spaces outside of quotes.
fn words(options: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    let mut quote = None;
    let split: Vec<&[u8]> = options
        .split(|byte| {
            match (quote, byte) {
                (None, b'"' | b'\'') => quote = Some(*byte),
                (Some(open), byte) if open == *byte => quote = None,
                _ => {}
            }
            quote.is_none() && byte.is_ascii_whitespace()
        })
        .filter(|word| !word.is_empty())
        .collect();
    split.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_a_route_is_taken_out_and_all_else_stays() {
        for (options, kept, has_route) in [
            ("-Xmx1g -Da='b  c'", "-Xmx1g -Da='b  c'", false),
            (
                "-Xmx1g -Dhttps.proxyHost=p -Dhttps.proxyPort=1  -ea",
                "-Xmx1g -ea",
                true,
            ),
            (
                "-Djavax.net.ssl.trustStore='/a b' \"-Dhttp.nonProxyHosts=a|b\" x",
                "x",
                true,
            ),
            ("-Dhttp.proxyHostile=1", "-Dhttp.proxyHostile=1", false),
            (
                "'unended -Dhttp.proxyHost=p",
                "'unended -Dhttp.proxyHost=p",
                false,
            ),
            ("", "", false),
        ] {
            let (found, route) = without_route(OsStr::new(options));
            assert_eq!(
                (found.to_str(), route),
                (Some(kept), has_route),
                "{options}"
            );
        }
    }

    #[test]
    fn the_last_value_of_an_option_counts() {
        let options = OsStr::new("-Dhttps.proxyHost=a -Dhttps.proxyHost=b -Dhttps.proxyPort='8'");
        assert_eq!(value(options, "https.proxyHost"), Some("b"));
        assert_eq!(value(options, "https.proxyPort"), None);
        assert_eq!(value(options, "http.proxyHost"), None);
    }
}
