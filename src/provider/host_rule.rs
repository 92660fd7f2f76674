//! One rule of `api_url`: an exact host, a URL with a path, or a pattern.

use std::fmt;

use regex_lite::Regex;
use regex_lite::RegexBuilder;

use crate::path;
use crate::url;
use crate::url::Authority;
use crate::url::Host;
use crate::url::Scheme;
use crate::url::Url;

/// Domains below which strangers get names of their own, beside the country-code ones that [`is_registrable`] works out. Not the
/// whole public suffix list: what people would write into a definition by mistake.
const SHARED_DOMAINS: [&str; 24] = [
    "amazonaws.com",
    "appspot.com",
    "azurewebsites.net",
    "blogspot.com",
    "cloudapp.net",
    "cloudfront.net",
    "firebaseapp.com",
    "fly.dev",
    "github.io",
    "githubpreview.dev",
    "gitlab.io",
    "herokuapp.com",
    "ngrok.app",
    "ngrok.io",
    "netlify.app",
    "onrender.com",
    "pages.dev",
    "r2.dev",
    "railway.app",
    "run.app",
    "supabase.co",
    "vercel.app",
    "web.app",
    "workers.dev",
];

/// Which requests a rule is for.
#[derive(Clone)]
pub(crate) enum HostRule {
    /// One host and port, and the paths at or below `path` if there is one.
    Exact {
        /// Host and port.
        authority: Authority,
        /// Normalised, without a slash at its end.
        path: Option<String>,
    },
    /// All hosts that the pattern matches from end to end, on port 443.
    Pattern {
        /// The pattern, anchored and case-blind.
        regex: Regex,
        /// As it was written.
        source: String,
    },
}

/// Why a rule was not accepted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Invalid {
    /// The host or URL is malformed.
    Url(url::Error),
    /// Plain http never takes a credential.
    NotHttps,
    /// Loopback hosts are never matched.
    Loopback,
    /// The URL has a query, which no rule compares.
    Query,
    /// Servers could read the path in more than one way.
    Path,
    /// The pattern is no regular expression.
    Regex(String),
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => error.fmt(f),
            Self::NotHttps => f.write_str("a credential goes over https only"),
            Self::Loopback => f.write_str("loopback hosts are never matched"),
            Self::Query => f.write_str("a rule compares host and path, not the query"),
            Self::Path => f.write_str("the path can be read in more than one way"),
            Self::Regex(why) => write!(f, "not a regular expression: {why}"),
        }
    }
}

impl HostRule {
    /// Reads a bare host, an https URL or `regex:PATTERN`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        if let Some(source) = text.strip_prefix("regex:") {
            // By itself first: `a)|(?:b` would be good between the anchors, and leave one side without.
            compile(source)?;
            let regex = compile(&format!("^(?:{source})$"))?;
            return Ok(Self::Pattern {
                regex,
                source: source.to_owned(),
            });
        }
        let url = if text.contains("://") {
            text.to_owned()
        } else {
            format!("https://{text}")
        };
        let url = Url::parse(url.as_bytes()).map_err(Invalid::Url)?;
        if url.scheme != Scheme::Https {
            return Err(Invalid::NotHttps);
        }
        if url.authority.host.is_loopback() {
            return Err(Invalid::Loopback);
        }
        if url.target.contains('?') {
            return Err(Invalid::Query);
        }
        let path = path::normalise_path(url.path().as_bytes()).map_err(|_| Invalid::Path)?;
        let path = path.trim_end_matches('/');
        Ok(Self::Exact {
            authority: url.authority,
            path: (!path.is_empty()).then(|| path.to_owned()),
        })
    }

    /// Whether some request to this authority could match.
    pub(crate) fn claims(&self, authority: &Authority) -> bool {
        match self {
            Self::Exact { authority: own, .. } => own == authority,
            Self::Pattern { .. } => authority.port == 443 && self.claims_host(&authority.host),
        }
    }

    /// Whether some request to this host could match, on whatever port.
    pub(crate) fn claims_host(&self, host: &Host) -> bool {
        match self {
            Self::Exact { authority, .. } => authority.host == *host,
            // A pattern is about names: an address only equals itself.
            Self::Pattern { regex, .. } => {
                host.ip().is_none() && !host.is_loopback() && regex.is_match(host.as_str())
            }
        }
    }

    /// The path that the rule asks for.
    pub(crate) fn path(&self) -> Option<&str> {
        match self {
            Self::Exact { path, .. } => path.as_deref(),
            Self::Pattern { .. } => None,
        }
    }

    /// The host, where it is exact.
    pub(crate) fn exact_host(&self) -> Option<&Host> {
        match self {
            Self::Exact { authority, .. } => Some(&authority.host),
            Self::Pattern { .. } => None,
        }
    }

    /// Whether a NO_PROXY entry for this name and everything below it would exempt a host of this rule.
    pub(crate) fn lies_below(&self, entry: &str) -> bool {
        let below = |name: &str| {
            name.strip_suffix(entry)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        match self {
            Self::Exact { authority, .. } => below(authority.host.as_str()),
            Self::Pattern { regex, source } => {
                regex.is_match(entry)
                    || alternatives(source).iter().any(|one| {
                        let suffix = literal_suffix(one);
                        below(suffix.trim_start_matches('.')) || entry.ends_with(&*suffix)
                    })
            }
        }
    }

    /// Returns registrable names, or names below them, that cover all the rule's hosts; `None` if a pattern gives none.
    pub(crate) fn domains(&self) -> Option<Vec<Host>> {
        match self {
            Self::Exact { authority, .. } => Some(vec![authority.host.clone()]),
            Self::Pattern { source, .. } if is_hard_to_read(source) => None,
            Self::Pattern { source, .. } => {
                alternatives(source).iter().map(|one| domain(one)).collect()
            }
        }
    }

    /// Whether the rule is a pattern that could match a name which anyone can register.
    pub(crate) fn is_loose(&self) -> bool {
        match self {
            Self::Exact { .. } => false,
            Self::Pattern { source, .. } => {
                is_hard_to_read(source) || alternatives(source).iter().any(|one| is_loose(one))
            }
        }
    }
}

impl fmt::Display for HostRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact { authority, path } => {
                let authority = authority.to_header(Scheme::Https);
                write!(f, "https://{authority}{}", path.as_deref().unwrap_or(""))
            }
            Self::Pattern { source, .. } => write!(f, "regex:{source}"),
        }
    }
}

/// Compiles a pattern: case-blind, and of a size that can't hurt.
fn compile(pattern: &str) -> Result<Regex, Invalid> {
    RegexBuilder::new(pattern)
        .case_insensitive(true)
        .size_limit(1 << 20)
        .build()
        .map_err(|error| Invalid::Regex(error.to_string()))
}

/// Whether a pattern has what [`alternatives`] doesn't follow: flags, and brackets that stand for themselves in a class.
fn is_hard_to_read(pattern: &str) -> bool {
    let has_flags = pattern.matches("(?").count() > pattern.matches("(?:").count();
    has_flags || ["[]", "[^]", "[:"].iter().any(|odd| pattern.contains(odd))
}

/// The pattern's alternatives at its top level.
fn alternatives(pattern: &str) -> Vec<String> {
    let (mut depth, mut in_class, mut escaped) = (0_usize, false, false);
    let mut parts = vec![String::new()];
    for letter in pattern.chars() {
        match letter {
            _ if escaped => {}
            '[' => in_class = true,
            ']' => in_class = false,
            '(' if !in_class => depth += 1,
            ')' if !in_class => depth = depth.saturating_sub(1),
            '|' if !in_class && depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        escaped = letter == '\\' && !escaped;
        if let Some(part) = parts.last_mut() {
            part.push(letter);
        }
    }
    parts
}

/// The literal text that every match of an alternative ends in.
fn literal_suffix(alternative: &str) -> String {
    split_literal_suffix(alternative).1
}

/// An alternative cut before the literal text that it ends in.
fn split_literal_suffix(alternative: &str) -> (String, String) {
    let mut rest: Vec<char> = alternative.trim_end_matches('$').chars().collect();
    let mut suffix = Vec::new();
    while let Some(letter) = rest.pop() {
        if letter.is_ascii_alphanumeric() && rest.last() != Some(&'\\') || letter == '-' {
            suffix.push(letter);
        } else if letter == '.' && rest.last() == Some(&'\\') {
            rest.pop();
            suffix.push('.');
        } else {
            rest.push(letter);
            break;
        }
    }
    let suffix: String = suffix.iter().rev().collect();
    (rest.iter().collect(), suffix.to_ascii_lowercase())
}

/// Returns the name that all matches of an alternative equal or lie below, unless it is a public suffix.
fn domain(alternative: &str) -> Option<Host> {
    let suffix = literal_suffix(alternative);
    // What stands before the suffix may end within a label, so its first label counts for nothing.
    let (_, domain) = suffix.split_once('.')?;
    let host = Host::parse(domain.as_bytes()).ok()?;
    (is_registrable(domain) && host.ip().is_none()).then_some(host)
}

/// Whether an alternative could match a name that anyone can register.
fn is_loose(alternative: &str) -> bool {
    let (before, suffix) = split_literal_suffix(alternative);
    if before.is_empty() || before == "^" {
        // One name, which the author chose; without a dot it is no name that can be registered.
        return !suffix.trim_start_matches('.').contains('.');
    }
    // What stands before the suffix may end within a label, so its first label counts for nothing.
    !is_registrable(suffix.split_once('.').map_or("", |(_, domain)| domain))
}

/// Whether a domain belongs to someone: two labels, three under `co.uk` and its like, and not below a shared one.
fn is_registrable(domain: &str) -> bool {
    let labels: Vec<&str> = domain.split('.').collect();
    let [.., second, top] = labels.as_slice() else {
        return false;
    };
    let is_below = |shared: &&str| {
        domain
            .strip_suffix(*shared)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let is_shared = SHARED_DOMAINS.iter().any(is_below);
    let is_country = top.len() == 2
        && matches!(
            *second,
            "co" | "com" | "net" | "org" | "gov" | "edu" | "ac" | "ne" | "or"
        );
    !is_shared && !top.is_empty() && !second.is_empty() && (!is_country || labels.len() > 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the rule claims the authority.
    fn claims(rule: &str, authority: &str) -> bool {
        let authority = Authority::parse(authority.as_bytes(), Some(443)).unwrap();
        HostRule::parse(rule).unwrap().claims(&authority)
    }

    #[test]
    fn a_host_matches_itself_only() {
        assert!(claims("api.github.com", "api.github.com"));
        assert!(claims("api.github.com", "API.GITHUB.COM."));
        assert!(claims("https://api.x.com:8443/v1", "api.x.com:8443"));
        for other in [
            "github.com",
            "xapi.github.com",
            "api.github.com.evil.example",
            "api.github.com:8443",
        ] {
            assert!(!claims("api.github.com", other), "{other}");
        }
    }

    #[test]
    fn the_names_above_a_pattern_are_those_that_all_its_hosts_lie_below() {
        let domains = |pattern: &str| {
            let domains = HostRule::parse(&format!("regex:{pattern}"))
                .unwrap()
                .domains();
            domains.map(|domains| domains.iter().map(Host::to_string).collect::<Vec<_>>())
        };
        for (pattern, expected) in [
            (r"^[a-z0-9]+(-dsn)?\.algolia\.net$", &["algolia.net"][..]),
            (r"^us[0-9]\.API\.x\.com$", &["api.x.com"]),
            (r"[a-z]+x\.y\.com", &["y.com"]),
            (r"a\.x\.com|(?:b|c)\.y\.co\.uk", &["x.com", "y.co.uk"]),
            (r"\x41\.x\.com", &["x.com"]),
        ] {
            let expected = expected.iter().map(ToString::to_string).collect();
            assert_eq!(domains(pattern), Some(expected), "{pattern}");
        }
        for pattern in [
            r".*",
            r"a\.x\.com?",
            r"a\.x\.(com|net)",
            r"a\.x\.com|.*",
            r"[a-z]+x\.com",
            r"a.x\.com",
            r"[a-z]+\.github\.io",
            r"a\.[x\.com]+",
            r"(?i)a\.x\.com",
            r"a\.x\.com\w",
            r"a\.x\.com\w1",
        ] {
            assert_eq!(domains(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn a_pattern_matches_whole_names_on_443() {
        let rule = r"regex:^api[0-9]+\.github\.com$";
        assert!(claims(rule, "api7.github.com"));
        assert!(claims(rule, "API7.GitHub.com"));
        for other in [
            "api.github.com",
            "api7.github.com:80",
            "xapi7.github.com",
            "api7-github.com",
        ] {
            assert!(!claims(rule, other), "{other}");
        }
        assert!(!claims(r"regex:api\.x\.com", "evil-api.x.com"));
        assert!(!claims(r"regex:.*", "192.0.2.1"));
        assert!(!claims(r"regex:.*", "localhost"));
    }

    #[test]
    fn malformed_rules_say_why() {
        for (rule, why) in [
            ("http://api.x.com", Invalid::NotHttps),
            ("ftp://api.x.com", Invalid::Url(url::Error::Scheme)),
            ("localhost:8080", Invalid::Loopback),
            ("https://127.0.0.1/", Invalid::Loopback),
            ("https://x.com/a?b=c", Invalid::Query),
            ("https://x.com/a%2fb", Invalid::Path),
            ("bücher.example", Invalid::Url(url::Error::HostByte)),
            ("", Invalid::Url(url::Error::EmptyHost)),
        ] {
            assert_eq!(HostRule::parse(rule).err(), Some(why), "{rule}");
        }
        for pattern in ["regex:(", r"regex:a\.x\.com)|(?:b\.x\.com"] {
            let error = HostRule::parse(pattern).err();
            assert!(matches!(error, Some(Invalid::Regex(_))), "{pattern}");
        }
    }

    #[test]
    fn patterns_that_a_strangers_host_could_match_are_loose() {
        let loose = |rule: &str| HostRule::parse(rule).unwrap().is_loose();
        for rule in [
            "regex:.*",
            "regex:.*googleapis.*",
            r"regex:.*githubusercontent\.com$",
            r"regex:.*\.com",
            r"regex:.*\.co\.uk",
            r"regex:.*\.github\.io",
            r"regex:.*\.a\.run\.app",
            r"regex:.*\.s3\.amazonaws\.com",
            r"regex:api\.x\.com|.*",
            r"regex:.*\.x\.com(\.evil)?",
            r"regex:(?x).*\.x\.com",
            r"regex:.*[](]?|a\.x\.com",
            r"regex:.*[[:alpha:](]?|a\.x\.com",
            "regex:(?x)(?:b)#(\n.*|a\\.x\\.com",
        ] {
            assert!(loose(rule), "{rule}");
        }
        for rule in [
            r"regex:^api[0-9]+\.github\.com$",
            r"regex:.*\.linear\.app",
            r"regex:(a|b)\.x\.com|c\.y\.org",
            r"regex:^x\.com$",
            r"regex:^mine\.github\.io$",
            r"regex:.*\.x\.co\.uk",
            "api.github.com",
        ] {
            assert!(!loose(rule), "{rule}");
        }
    }

    #[test]
    fn no_proxy_entries_that_reach_a_rule() {
        let below = |rule: &str, entry: &str| HostRule::parse(rule).unwrap().lies_below(entry);
        assert!(below("api.x.com", "x.com"));
        assert!(below("api.x.com", "api.x.com"));
        assert!(below("api.x.com", "com"));
        assert!(!below("api.x.com", "i.x.com"));
        assert!(!below("api.x.com", "other.com"));
        assert!(below(r"regex:.*\.x\.com", "x.com"));
        assert!(below(r"regex:.*\.x\.com", "a.x.com"));
        assert!(below(r"regex:^api[0-9]+\.x\.com$", "com"));
        assert!(!below(r"regex:.*\.x\.com", "y.com"));
    }
}
