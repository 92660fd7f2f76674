//! `authsome serve` beside the test, and a client of it.

use std::path::Path;
use std::path::PathBuf;

use super::Background;
use super::Cmd;
use super::Home;
use super::Output;
use super::client::Proxy;
use super::client::tls_over;
use super::origin::Origin;
use super::signal;
use super::wire::Channel;
use super::wire::Message;
use super::wire::base64;

/// The proxy's password in most tests.
pub(crate) const PASSWORD: &str = "pr0xy-password-0123456789";

/// What stands before where it listens.
const LISTENING: &str = "listening on http://127.0.0.1:";

/// `authsome serve`, which serves.
pub(crate) struct Served {
    /// The program.
    pub(crate) program: Background,
    /// Its port, and the root that it has written.
    pub(crate) proxy: Proxy,
    /// Its password, as the client has it.
    pub(crate) password: String,
}

/// Where the root of a home's proxy is written.
pub(crate) fn root_file(home: &Home) -> PathBuf {
    home.path("serve-ca.pem")
}

/// `authsome serve` on a free port, with a root in a file, and the usual password.
pub(crate) fn serve(home: &Home, origin: &Origin) -> Cmd {
    home.authsome(["serve", "--listen", "127.0.0.1:0", "--ca-file"])
        .arg(root_file(home))
        .args(origin.args())
        .env("AUTHSOME_PROXY_PASSWORD", PASSWORD)
}

/// A field with this password.
pub(crate) fn field(password: &str) -> String {
    let user = format!("authsome:{password}");
    format!("Proxy-Authorization: Basic {}\r\n", base64(user.as_bytes()))
}

/// A connection that has asked for a tunnel with this password, and the answer.
fn connect_with(proxy: &Proxy, host: &str, password: &str) -> (Message, Channel) {
    let mut channel = proxy.plain();
    let field = field(password);
    channel.send(format!(
        "CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n{field}\r\n"
    ));
    (channel.response("CONNECT"), channel)
}

/// TLS to the host through a proxy with this password.
pub(crate) fn tls_through(proxy: &Proxy, host: &str, password: &str) -> Channel {
    let (answer, channel) = connect_with(proxy, host, password);
    assert_eq!(answer.status(), 200, "{answer}");
    let trusted = tls_over(channel, host, proxy.config());
    trusted.unwrap_or_else(|error| panic!("TLS with {host} through the proxy: {error}"))
}

impl Served {
    /// Starts it, and waits until it listens.
    pub(crate) fn start(home: &Home, cmd: Cmd) -> Self {
        Self::of(cmd.background(), &root_file(home))
    }

    /// Waits until it listens.
    pub(crate) fn of(program: Background, root: &Path) -> Self {
        program.wait_for_stderr(LISTENING);
        let said = program.wait_for_stderr("\n");
        let said = said.split(LISTENING).nth(1).unwrap_or_default();
        let port = said.lines().next().unwrap_or_default();
        Self {
            program,
            proxy: Proxy::new(port.parse().expect("a port"), root),
            password: PASSWORD.to_owned(),
        }
    }

    /// A request in the clear on a connection of its own, and the answer.
    pub(crate) fn ask(&self, method: &str, target: &str, fields: &str) -> Message {
        let mut channel = self.proxy.plain();
        channel.send(format!(
            "{method} {target} HTTP/1.1\r\nHost: x\r\n{fields}\r\n"
        ));
        channel.response(method)
    }

    /// What it says of its health.
    pub(crate) fn health(&self) -> Message {
        self.ask("GET", "/healthz", "")
    }

    /// How often it has read everything anew.
    pub(crate) fn generation(&self) -> u64 {
        let health = self.health().json();
        health["generation"].as_u64().expect("a number")
    }

    /// A connection that has asked for a tunnel with this password, and the answer.
    pub(crate) fn connect_with(&self, host: &str, password: &str) -> (Message, Channel) {
        connect_with(&self.proxy, host, password)
    }

    /// TLS to the host through the proxy.
    pub(crate) fn tls(&self, host: &str) -> Channel {
        tls_through(&self.proxy, host, &self.password)
    }

    /// Sends a request in TLS to the host, and gives its response.
    pub(crate) fn exchange(&self, host: &str, request: &str) -> Message {
        let mut client = self.tls(host);
        client.send(request);
        client.response(request.split(' ').next().unwrap_or_default())
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        assert!(signal(name, &self.program.pid.to_string()));
    }

    /// Has it read everything anew, and waits until it has said so. What it had begun by itself meanwhile may have missed what is new: so
    /// twice, the second of which has begun afterwards for sure.
    pub(crate) fn reload(&self) {
        for _ in 0..2 {
            let next = self.generation() + 1;
            self.signal("HUP");
            self.wait_for_generation(next);
        }
    }

    /// Waits until it has said that it has read everything anew so often.
    pub(crate) fn wait_for_generation(&self, generation: u64) {
        self.program
            .wait_for_stderr(&format!("(generation {generation})\n"));
    }

    /// Stops it, and gives what it has come to. It has told no password.
    pub(crate) fn stop(self) -> Output {
        self.signal("TERM");
        self.ended()
    }

    /// Waits for its end, and gives what it has come to.
    pub(crate) fn ended(self) -> Output {
        let output = self.program.end();
        output.assert_code(0).assert_without(&self.password);
        output
    }
}
