//! The upstream proxy that tools' settings name, where the usual variables name none.

use zeroize::Zeroizing;

use super::Proxy;
use super::Settings;
use crate::environment::Environment;

/// The usual variables for a proxy.
const USUAL: [&str; 6] = [
    "https_proxy",
    "HTTPS_PROXY",
    "http_proxy",
    "HTTP_PROXY",
    "all_proxy",
    "ALL_PROXY",
];

/// The source of the proxy that authsome's own sockets go through.
pub(crate) enum Upstream {
    /// What the usual variables say, or none.
    Usual,
    /// The usual variables name one, and settings of tools another, at these places: it isn't used.
    Other(String),
    /// The one that settings at these places agree on: variables that name it in the usual way.
    Adopted(Environment, String),
    /// Settings at these places name several: none is used.
    Unclear(String),
}

impl Upstream {
    /// Chooses the proxy.
    pub(crate) fn choose(parent: &Environment, settings: &Settings) -> Self {
        let proxies = &settings.proxies;
        if proxies.is_empty() {
            return Self::Usual;
        }
        let usual: Vec<Zeroizing<String>> = USUAL
            .iter()
            .filter_map(|name| parent.text(name))
            .map(|url| authority(&with_scheme(url)))
            .collect();
        let is_set = USUAL.iter().any(|name| parent.get(name).is_some());
        if is_set {
            let is_other = |proxy: &&Proxy| {
                let url = proxy.url.as_deref().map(|url| authority(&with_scheme(url)));
                !proxy.is_conflict && !url.is_some_and(|url| usual.contains(&url))
            };
            let others: Vec<&Proxy> = proxies.iter().filter(is_other).collect();
            return match others.is_empty() || parent.get("AUTHSOME_RUN").is_some() {
                true => Self::Usual,
                false => Self::Other(places(others)),
            };
        }
        let mut urls = proxies
            .iter()
            .map(|proxy| proxy.url.as_deref().map(|url| with_scheme(url)));
        let first = urls.next().flatten();
        let is_one = urls.all(|url| url == first);
        let is_general = proxies.iter().any(|proxy| proxy.is_general);
        let places = places(proxies);
        match first {
            Some(url) if is_one && is_general => {
                let mut environment = Environment::default();
                environment.set("https_proxy", &*url);
                environment.set("http_proxy", &*url);
                let no_proxy = ["NO_PROXY", "no_proxy"].map(|name| parent.text(name));
                let mut entries: Vec<&str> = no_proxy.into_iter().flatten().collect();
                entries.extend(settings.no_proxy.iter().map(String::as_str));
                environment.set("no_proxy", entries.join(","));
                Self::Adopted(environment, places)
            }
            _ => Self::Unclear(places),
        }
    }
}

/// A proxy's URL in one form: `http://` is meant where no scheme stands.
fn with_scheme(url: &str) -> Zeroizing<String> {
    let url = url.trim().trim_end_matches('/');
    Zeroizing::new(match url.split_once("://") {
        None => format!("http://{url}"),
        Some((scheme, rest)) => format!("{}://{rest}", scheme.to_ascii_lowercase()),
    })
}

/// A URL without its user and password.
fn authority(url: &str) -> Zeroizing<String> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let bare = rest.rsplit_once('@').map_or(rest, |(_, bare)| bare);
    Zeroizing::new(format!("{scheme}://{bare}"))
}

/// The places that name these proxies, once each.
fn places<'a>(proxies: impl IntoIterator<Item = &'a Proxy>) -> String {
    let mut places: Vec<&str> = Vec::new();
    for proxy in proxies {
        if !places.contains(&proxy.place.as_str()) {
            places.push(&proxy.place);
        }
    }
    places.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the decision for an environment, as a word and the places.
    fn decision(parent: &[(&str, &str)]) -> String {
        let parent: Environment = parent.iter().copied().collect();
        let settings = Settings::from_env(&parent);
        match Upstream::choose(&parent, &settings) {
            Upstream::Usual => "usual".into(),
            Upstream::Other(places) => format!("other {places}"),
            Upstream::Unclear(places) => format!("unclear {places}"),
            Upstream::Adopted(environment, places) => format!(
                "adopted {} past {} by {places}",
                environment.text("https_proxy").unwrap_or_default(),
                environment.text("no_proxy").unwrap_or_default()
            ),
        }
    }

    #[test]
    fn only_what_all_agree_on_is_taken() {
        let (npm, pip) = ("npm_config_https_proxy", "PIP_PROXY");
        for (parent, expected) in [
            (&[][..], "usual"),
            (
                &[
                    (npm, "http://p:1/"),
                    (pip, "p:1"),
                    ("NPM_CONFIG_NOPROXY", "a.test"),
                    ("NO_PROXY", "b.test"),
                ],
                "adopted http://p:1 past b.test,a.test by PIP_PROXY, npm_config_https_proxy",
            ),
            (
                &[(npm, "http://p:1"), (pip, "http://p:2")],
                "unclear PIP_PROXY, npm_config_https_proxy",
            ),
            (&[(npm, "p:1"), ("https_proxy", "http://p:1")], "usual"),
            (
                &[(npm, "p:1"), ("https_proxy", "http://me:secret@p:1")],
                "usual",
            ),
            (
                &[(npm, "p:1"), ("https_proxy", "http://p:2")],
                "other npm_config_https_proxy",
            ),
            (&[(npm, "null"), (pip, "")], "usual"),
        ] {
            assert_eq!(decision(parent), expected, "{parent:?}");
        }
    }
}
