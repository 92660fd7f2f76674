//! Tokens from authorization servers: OAuth 2.0 (RFC 6749) with PKCE (RFC 7636), device codes (RFC 8628), registration of clients
//! (RFC 7591), discovery (RFC 8414, RFC 9728) and revocation (RFC 7009).
//!
//! Nothing here talks to a person, and nothing is kept: requests go out by the dialer that is given, and what they bring is given
//! back.

pub(crate) mod client;
pub(crate) mod code;
pub(crate) mod device;
pub(crate) mod discovery;
pub(crate) mod registration;
pub(crate) mod token;

use std::fmt;

use crate::encoding;
use crate::upstream::fetch;
use crate::url::Authority;
use crate::url::Scheme;

/// Why there is no token.
#[derive(Debug)]
pub(crate) enum Error {
    /// The person, or the server, said no.
    Denied,
    /// A code's time is over.
    Expired,
    /// The server says what is wrong (RFC 6749 section 5.2).
    Server {
        /// Its word for it.
        code: String,
        /// What it adds.
        description: Option<String>,
    },
    /// The server's answer is not what it should be.
    Answer {
        /// Whose.
        host: Authority,
        /// What is wrong with it, as the rest of a sentence.
        why: String,
    },
    /// The server is in trouble, and says no more than that.
    Unavailable {
        /// Whose.
        host: Authority,
        /// The status of its answer.
        status: u16,
    },
    /// The server was not reached, or did not answer.
    Transport(fetch::Error),
    /// The answer to the authorization request comes from another server than it was sent to (RFC 9207).
    Issuer,
    /// Metadata names an endpoint at another host than its issuer's: a hostile server would have a person agree at an honest one, and
    /// get the code.
    Foreign {
        /// The issuer's host.
        issuer: Authority,
        /// The kind of endpoint that the metadata names at another host.
        endpoint: &'static str,
        /// Where that is.
        host: Authority,
    },
    /// Metadata names the page where the person agrees, or the token endpoint, and the definition has the other one at another host.
    Apart {
        /// The issuer's host.
        issuer: Authority,
        /// What the definition names.
        endpoint: &'static str,
        /// Where that is.
        host: Authority,
    },
    /// The definition, or the server, lacks what is needed.
    Missing(&'static str),
    /// What kept another that asked a moment ago, or another program that is at it, from new tokens.
    Again(String),
    /// The operating system has no randomness to give.
    Randomness(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied => f.write_str("access was denied"),
            Self::Expired => f.write_str("the time for it is over"),
            Self::Server { code, description } => {
                match is_word(code) {
                    true => write!(f, "the server says {code}")?,
                    false => f.write_str("the server says that something is wrong")?,
                }
                match description {
                    Some(text) => write!(f, " ({})", shown(text)),
                    None => Ok(()),
                }
            }
            Self::Answer { host, why } => write!(f, "the answer of {host} {why}"),
            Self::Unavailable { host, status } => {
                write!(
                    f,
                    "the answer of {host} is status {status} without a reason"
                )
            }
            Self::Transport(error) => error.fmt(f),
            Self::Issuer => f.write_str("the answer comes from another server than was asked"),
            Self::Foreign {
                issuer,
                endpoint,
                host,
            } => write!(
                f,
                "{} names {} as its {endpoint}, but may speak for its own host only",
                issuer.to_header(Scheme::Https),
                host.to_header(Scheme::Https)
            ),
            Self::Apart {
                issuer,
                endpoint,
                host,
            } => write!(
                f,
                "{} names endpoints that the definition lacks, and the definition has the {endpoint} at {}",
                issuer.to_header(Scheme::Https),
                host.to_header(Scheme::Https)
            ),
            Self::Missing(what) => write!(f, "{what} is not known"),
            Self::Again(why) => f.write_str(why),
            Self::Randomness(why) => write!(f, "no randomness: {why}"),
        }
    }
}

impl Error {
    /// The server's word for what is wrong, if it gave one.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Server { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether asking once more with the same refresh token and client is in vain: only a login helps. Some servers have words of
    /// their own for it (GitHub, Slack).
    pub(crate) fn is_final(&self) -> bool {
        matches!(
            self.code(),
            Some(
                "invalid_grant"
                    | "bad_refresh_token"
                    | "invalid_refresh_token"
                    | "invalid_client"
                    | "unauthorized_client"
            )
        )
    }

    /// The same without what the server adds: where nobody is there to read it, it is not kept.
    pub(crate) fn terse(self) -> Self {
        match self {
            Self::Server { code, .. } => Self::Server {
                code,
                description: None,
            },
            other => other,
        }
    }

    /// Why, without any of the server's own words.
    pub(crate) fn in_own_words(&self) -> String {
        match self {
            Self::Server { .. } if self.is_final() => "the server takes its tokens no more".into(),
            Self::Server { .. } => "the server gives no new tokens".into(),
            other => other.to_string(),
        }
    }

    /// Whether another try may do better.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Transport(error) => error.is_passing(),
            Self::Unavailable { .. } => true,
            _ => matches!(
                self.code(),
                Some("server_error" | "temporarily_unavailable")
            ),
        }
    }

    /// What a person can do about it.
    pub(crate) fn remedy(&self) -> &'static str {
        match self {
            Self::Denied => "log in again, and agree",
            Self::Expired => "log in again, and be quicker",
            Self::Server { code, .. } => match code.as_str() {
                "invalid_client" | "unauthorized_client" => {
                    "check the client's id and secret; --new-client enters or registers another"
                }
                "invalid_scope" => "ask for other scopes with --scopes",
                "invalid_grant" => "log in again",
                "server_error" | "temporarily_unavailable" => "try again later",
                _ => "see what the service says about it, and log in again",
            },
            Self::Answer { .. } => "try again; if it stays so, the definition's URLs may be wrong",
            Self::Unavailable { .. } => "the service is in trouble: try again later",
            Self::Transport(_) => "check the network, and try again",
            Self::Again(_) => "try again in a moment",
            Self::Issuer => "log in again; if it stays so, someone is in between",
            Self::Foreign { .. } | Self::Apart { .. } => {
                "if you know that both belong together, `authsome register` a definition of your own with \
                 `oauth.authorization_url`, `oauth.token_url` and what else the login needs written out"
            }
            Self::Missing(_) => "see `authsome inspect`, and the provider's documentation",
            Self::Randomness(_) => "see why the system has none",
        }
    }
}

/// Whether a server's code for an error looks like one (RFC 6749 section 5.2), and like nothing else that it was sent.
fn is_word(code: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    (1..=48).contains(&code.len()) && code.bytes().all(is_letter)
}

/// A server's words, as they may be shown.
fn shown(text: &str) -> String {
    encoding::printable(text.as_bytes(), 200)
}

impl From<fetch::Error> for Error {
    fn from(error: fetch::Error) -> Self {
        Self::Transport(error)
    }
}

/// Random bytes as base64url without padding (RFC 7636 section 4.1): 43 characters.
///
/// # Errors
/// When the operating system has no randomness to give.
fn random_text() -> Result<String, Error> {
    let mut bytes = [0; 32];
    getrandom::getrandom(&mut bytes).map_err(|error| Error::Randomness(error.to_string()))?;
    Ok(encoding::base64url(&bytes))
}
