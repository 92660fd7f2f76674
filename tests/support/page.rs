//! The page on which a person enters a key, and what a browser asks of it.

use super::Background;
use super::client;
use super::wire::Channel;
use super::wire::Message;

/// A page that a program shows.
pub(crate) struct Page {
    /// The program.
    pub(crate) program: Background,
    /// The page's port on 127.0.0.1.
    pub(crate) port: u16,
    /// Its path.
    pub(crate) path: String,
}

impl Page {
    /// Waits until the program says where its page is.
    pub(crate) fn of(program: Background) -> Self {
        let said = program.wait_for_stderr("http://127.0.0.1:");
        let (_, url) = said.split_once("http://127.0.0.1:").expect("a URL");
        let url = url.split(['\n', '"']).next().unwrap_or_default();
        let (port, path) = url.split_once('/').expect("a path");
        Self {
            program,
            port: port.parse().expect("a port"),
            path: format!("/{path}"),
        }
    }

    /// The answer to a request, as it is but for PORT and PATH.
    pub(crate) fn send(&self, request: &str) -> Message {
        let mut channel = Channel::new(Box::new(client::connect(self.port)));
        channel.send(
            request
                .replace("PORT", &self.port.to_string())
                .replace("PATH", &self.path),
        );
        channel.response("GET")
    }

    /// The page itself.
    pub(crate) fn get(&self) -> Message {
        self.send("GET PATH HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n")
    }

    /// What the form has to send back.
    pub(crate) fn token(&self) -> String {
        let page = self.get().text();
        let (_, rest) = page
            .split_once("name=\"token\" value=\"")
            .expect("a token in the form");
        rest.split('"').next().unwrap_or_default().to_owned()
    }

    /// The answer to the form with these fields, and more fields of the head.
    pub(crate) fn post(&self, fields: &[(&str, &str)], head: &str) -> Message {
        let pairs: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", percent(value.as_bytes())))
            .collect();
        let body = pairs.join("&");
        self.send(&format!(
            "POST PATH HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             {head}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    /// The answer to a key that a person enters, as a browser sends it.
    pub(crate) fn enter(&self, key: &str) -> Message {
        let token = self.token();
        self.post(
            &[("token", &token), ("key", key), ("action", "store")],
            "Origin: http://127.0.0.1:PORT\r\nSec-Fetch-Site: same-origin\r\n",
        )
    }
}

/// Bytes of a form's value: all but letters and digits escaped.
pub(crate) fn percent(bytes: &[u8]) -> String {
    let escaped = |byte: &u8| match byte {
        byte if byte.is_ascii_alphanumeric() => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    bytes.iter().map(escaped).collect()
}
