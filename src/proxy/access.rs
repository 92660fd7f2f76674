//! Who may use the proxy: connections of users that are admitted, and requests with the run's password where it has one.

use std::io;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;

use crate::encoding;
use crate::http1::head::RequestHead;
use crate::notice::Notices;
use crate::peer::Peer;
use crate::peer::Peers;
use crate::random;
use crate::secret::Secret;

/// The user in the proxy's URL, where that has a password.
const USER: &str = "authsome";

/// Who may use the proxy.
pub(crate) struct Access {
    /// Whose connections are served; `None` where the system doesn't tell whose they are.
    peers: Option<Peers>,
    /// What follows `Basic` in a request that is served; `None` where no password is asked for.
    password: Option<Secret>,
}

impl Access {
    /// Access to a listener for this user and root, and for the user of the child if that is another; and the proxy's URL for the
    /// child. Where the system doesn't tell whose a connection is, a password is all that there is.
    ///
    /// # Errors
    /// When it should tell and doesn't, and no password is wanted; when it has no randomness to give.
    pub(super) fn to(
        listener: &TcpListener,
        address: SocketAddr,
        child: Option<u32>,
        wants_password: bool,
    ) -> io::Result<(Self, String)> {
        let peers = match Peers::of(listener, child) {
            Ok(peers) => Some(peers),
            Err(error) if wants_password || error.kind() == io::ErrorKind::Unsupported => None,
            Err(error) => return Err(error),
        };
        let (password, user) = if wants_password || peers.is_none() {
            let user = format!("{USER}:{}", random::token()?);
            let password = Secret::new(encoding::base64(user.as_bytes()));
            (Some(password), format!("{user}@"))
        } else {
            (None, String::new())
        };
        let url = format!("http://{user}{address}");
        Ok((Self { peers, password }, url))
    }

    /// Whether the connection is served. To be asked before anything is read from it or sent; one that isn't is closed without a word.
    pub(super) fn admits(&self, socket: &TcpStream, notices: &Notices) -> bool {
        match self.peers.as_ref().map(|peers| peers.judge(socket)) {
            None | Some(Peer::Admitted) => true,
            Some(Peer::Stranger(user)) => {
                notices.warn(format!(
                    "a program of user {user} tried to use the proxy, and was not heard: it is for the program that was started here"
                ));
                false
            }
            // Nobody would get an answer.
            Some(Peer::Gone) => false,
            Some(Peer::Unknown(error)) => {
                notices.warn(format!(
                    "a connection to the proxy was closed, since it can't be found out whose it is: {error}"
                ));
                false
            }
        }
    }

    /// Whether the request has the password, if there is one: in one field, of the one scheme (RFC 7617).
    pub(super) fn allows(&self, head: &RequestHead) -> bool {
        let Some(password) = &self.password else {
            return true;
        };
        let mut fields = head.fields.all("proxy-authorization");
        let (Some(field), None) = (fields.next(), fields.next()) else {
            return false;
        };
        let mut words = field.splitn(2, |byte| *byte == b' ');
        let scheme = words.next().unwrap_or_default();
        let given = words.next().unwrap_or_default().trim_ascii();
        // In a time that doesn't tell how much of it is right.
        scheme.eq_ignore_ascii_case(b"basic") && password.same_as(&Secret::new(given.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_field_with_the_password_is_right() {
        let with = |password: Option<&str>| Access {
            peers: None,
            password: password.map(|text| Secret::new(encoding::base64(text.as_bytes()))),
        };
        let allows = |access: &Access, fields: &str| {
            let text = format!("GET http://x/ HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
            access.allows(&RequestHead::parse(text.as_bytes()).unwrap())
        };
        let access = with(Some("authsome:abc"));
        let right = "YXV0aHNvbWU6YWJj";
        for scheme in ["Basic", "basic", "BASIC"] {
            let field = format!("Proxy-Authorization: {scheme} {right}\r\n");
            assert!(allows(&access, &field), "{scheme}");
            assert!(!allows(&access, &format!("{field}{field}")), "{scheme}");
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
            assert!(!allows(&access, field), "{field}");
        }
        assert!(allows(&with(None), ""));
    }
}
