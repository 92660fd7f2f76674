//! What a provider is: which hosts are its own, and how a credential is put on a request to them.

pub(crate) mod bundled;
pub(crate) mod definition;
mod exports;
pub(crate) mod host_rule;
pub(crate) mod key_shape;
mod known;
pub(crate) mod oauth;
pub(crate) mod policy;
pub(crate) mod reader;
pub(crate) mod registry;

use std::fmt;
use std::sync::Arc;

use crate::url::Url;
use host_rule::HostRule;
use oauth::Oauth;
use policy::Policy;

/// What the child holds instead of a credential, unless the definition has a word of its own.
pub(crate) const PLACEHOLDER: &str = "authsome-proxy-managed";

/// The name of a provider or a connection: `[a-z0-9][a-z0-9._-]{0,63}`. It becomes a file's name, so nothing else may pass.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Name(String);

impl Name {
    /// The name, if it is one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let (first, rest) = text.as_bytes().split_first()?;
        let valid = good(*first)
            && rest.len() <= 63
            && rest.iter().all(|byte| good(*byte) || b"._-".contains(byte));
        valid.then(|| Self(text.to_owned()))
    }

    /// Its text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A provider, as its definition says.
pub(crate) struct Provider {
    /// Its name.
    pub(crate) name: Name,
    /// How people call it.
    pub(crate) display_name: String,
    /// Where a person gets a credential, or reads about it.
    pub(crate) docs_url: Option<String>,
    /// The hosts that take the credential. Empty when the definition needs a base URL that nobody gave.
    pub(crate) rules: Vec<Rule>,
    /// Hosts of the same service that deliberately get no credential.
    pub(crate) unclaimed: Vec<Unclaimed>,
    /// Which of their requests may get it.
    pub(crate) policy: Policy,
    /// Why `rules` is empty: what would give the base URL.
    pub(crate) missing_base_url: Option<String>,
    /// The environment variables that programs look for.
    pub(crate) exports: Vec<Export>,
    /// What the child gets for those that hold a credential.
    pub(crate) placeholder: String,
    /// When the credential replaces what the child sent.
    pub(crate) inject: Inject,
    /// Constant fields that go with the credential.
    pub(crate) extra_headers: Vec<(String, String)>,
    /// OAuth endpoints: requests to them are forwarded unchanged.
    pub(crate) oauth_endpoints: Vec<Url>,
    /// How tokens are had, of a provider that logs in by OAuth.
    pub(crate) oauth: Option<Arc<Oauth>>,
}

/// A host that a provider doesn't claim, although its users might expect so.
pub(crate) struct Unclaimed {
    /// The host, or `*.` and the domain that all of them are below.
    host: String,
    /// What the host takes instead, as in "takes signed links".
    why: String,
}

impl Provider {
    /// Returns why the provider doesn't claim this host, if its definition says so. `host` is in lower case.
    pub(crate) fn why_unclaimed(&self, host: &str) -> Option<&str> {
        let is_it = |entry: &&Unclaimed| match entry.host.strip_prefix('*') {
            Some(domain) => host.ends_with(domain),
            None => host == entry.host,
        };
        self.unclaimed.iter().find(is_it).map(|entry| &*entry.why)
    }

    /// The names under which a parent's environment may hold this provider's credential, in alphabetical order.
    pub(crate) fn credential_variables(&self) -> impl Iterator<Item = &str> {
        let holds = |export: &&Export| export.kind == ExportKind::Credential;
        self.exports
            .iter()
            .filter(holds)
            .map(|export| &*export.name)
    }
}

/// One entry of `api_url`: a host rule, and how that host takes the credential.
pub(crate) struct Rule {
    /// Which requests.
    pub(crate) host: HostRule,
    /// Where the credential goes in them.
    pub(crate) placement: Placement,
}

/// Where in a request a credential goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// A field with the credential, behind a prefix and a space if there is one.
    Header {
        /// The field's name.
        name: String,
        /// For example `Bearer`.
        prefix: Option<String>,
    },
    /// HTTP basic authentication (RFC 7617).
    Basic(BasicUser),
    /// A parameter of the query.
    Query {
        /// Its name.
        param: String,
    },
}

impl Placement {
    /// Where the credential goes, with stars in its place.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Header { name, prefix: None } => format!("{name}: ********"),
            Self::Header {
                name,
                prefix: Some(prefix),
            } => format!("{name}: {prefix} ********"),
            Self::Basic(BasicUser::Fixed(user)) => {
                format!("Authorization: Basic ******** (user {user})")
            }
            Self::Basic(BasicUser::Credential | BasicUser::InCredential) => {
                "Authorization: Basic ********".to_owned()
            }
            Self::Query { param } => format!("query parameter {param}=********"),
        }
    }
}

/// Who the user is in HTTP basic authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BasicUser {
    /// A known user; the credential is the password.
    Fixed(String),
    /// The credential is the user; the password is empty.
    Credential,
    /// The credential holds both: `user:password`.
    InCredential,
}

/// When the credential replaces what the child sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inject {
    /// In every request.
    Always,
    /// Only where the child sent the placeholder, or nothing.
    IfPlaceholder,
}

/// An environment variable that programs of this provider read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Export {
    /// Its name.
    pub(crate) name: String,
    /// What it stands for.
    pub(crate) kind: ExportKind,
}

/// What an exported variable stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExportKind {
    /// The API key or access token: taken from the parent, replaced by the placeholder for the child.
    Credential,
    /// A refresh token: never taken, replaced by the placeholder.
    RefreshToken,
    /// The provider's URL: no secret, given as it is.
    ApiUrl,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_safe_as_a_file_name() {
        for good in ["a", "openai", "brave-search", "x.y_z", "0"] {
            assert!(Name::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "-a",
            "a/b",
            "A",
            "a b",
            "é",
            "a\0",
            &"a".repeat(65),
        ] {
            assert!(Name::parse(bad).is_none(), "{bad:?}");
        }
    }
}
