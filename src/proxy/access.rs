//! Who may use the proxy: connections of users that are admitted, and requests with its password where it has one.

use std::io;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;

use zeroize::Zeroizing;

use crate::encoding;
use crate::http1::head::RequestHead;
use crate::notice::Notices;
use crate::peer::Admission;
use crate::peer::Peers;
use crate::random;
use crate::secret::Secret;

/// The user in the proxy's URL, where that has a password.
const USER: &str = "authsome";

/// Whose connections are served.
pub(crate) struct Access {
    /// They; `None` where the system doesn't tell whose they are, and a password is all that there is.
    peers: Option<Peers>,
}

/// How a program comes to the proxy.
pub(crate) struct Door {
    /// Whose connections are served.
    pub(crate) access: Access,
    /// What is asked for, if anything is.
    pub(crate) password: Option<Password>,
    /// The proxy's URL, with the password in it.
    pub(crate) url: String,
}

/// The proxy's password, as a request has it (RFC 7617).
pub(crate) struct Password(Secret);

impl Access {
    /// Access for everyone who has the password.
    pub(crate) fn by_password() -> Self {
        Self { peers: None }
    }

    /// Access to a listener for those who are admitted.
    ///
    /// # Errors
    /// When it should tell and doesn't, and no password is wanted; when it has no randomness to give.
    pub(super) fn to(
        listener: &TcpListener,
        address: SocketAddr,
        admission: Admission,
        wants_password: bool,
    ) -> io::Result<Door> {
        let peers = match Peers::of(listener, admission) {
            Ok(peers) => Some(peers),
            Err(error) if wants_password || error.kind() == io::ErrorKind::Unsupported => None,
            Err(error) => return Err(error),
        };
        let (password, user) = if wants_password || peers.is_none() {
            let token = random::token()?;
            let password = Password::new(token.as_bytes());
            (Some(password), format!("{USER}:{token}@"))
        } else {
            (None, String::new())
        };
        Ok(Door {
            access: Self { peers },
            password,
            url: format!("http://{user}{address}"),
        })
    }

    /// Whether the connection is served. To be asked before anything is read from it or sent; one that isn't is closed without a word.
    pub(super) fn admits(&self, socket: &TcpStream, notices: &Notices) -> bool {
        self.peers
            .as_ref()
            .is_none_or(|peers| peers.admit(socket, "the proxy", notices))
    }
}

impl Password {
    /// These bytes, for the user `authsome`.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let mut user = Zeroizing::new(Vec::with_capacity(USER.len() + 1 + bytes.len()));
        for part in [USER.as_bytes(), b":", bytes] {
            user.extend_from_slice(part);
        }
        Self(Secret::new(encoding::base64(&user)))
    }

    /// Whether it is the same.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.same_as(&other.0)
    }

    /// Whether the request has it: in one field, of the one scheme.
    pub(super) fn is_in(&self, head: &RequestHead) -> bool {
        let mut fields = head.fields.all("proxy-authorization");
        let (Some(field), None) = (fields.next(), fields.next()) else {
            return false;
        };
        let mut words = field.splitn(2, |byte| *byte == b' ');
        let scheme = words.next().unwrap_or_default();
        let given = words.next().unwrap_or_default().trim_ascii();
        // In a time that doesn't tell how much of it is right.
        scheme.eq_ignore_ascii_case(b"basic") && self.0.same_as(&Secret::new(given.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_field_with_the_password_is_right() {
        let allows = |password: &Password, fields: &str| {
            let text = format!("GET http://x/ HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
            password.is_in(&RequestHead::parse(text.as_bytes()).unwrap())
        };
        let password = Password::new(b"abc");
        assert!(password.is(&Password::new(b"abc")));
        assert!(!password.is(&Password::new(b"abd")));
        let right = "YXV0aHNvbWU6YWJj";
        for scheme in ["Basic", "basic", "BASIC"] {
            let field = format!("Proxy-Authorization: {scheme} {right}\r\n");
            assert!(allows(&password, &field), "{scheme}");
            assert!(!allows(&password, &format!("{field}{field}")), "{scheme}");
        }
        for field in [
            "",
            "Proxy-Authorization:\r\n",
            "Proxy-Authorization: Basic\r\n",
            "Proxy-Authorization: Basic YXV0aHNvbWU6YWJ\r\n",
            "Proxy-Authorization: Basic YXV0aHNvbWU6YWJjZA==\r\n",
            "Proxy-Authorization: Bearer YXV0aHNvbWU6YWJj\r\n",
            "Proxy-Authorization: YXV0aHNvbWU6YWJj\r\n",
            "Authorization: Basic YXV0aHNvbWU6YWJj\r\n",
        ] {
            assert!(!allows(&password, field), "{field}");
        }
    }
}
