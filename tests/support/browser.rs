//! A login by OAuth in the browser: what a person's browser does on the way.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::net::TcpListener;
use std::sync::Mutex;
use std::sync::PoisonError;

use super::Background;
use super::Home;
use super::Output;
use super::client;
use super::idp;
use super::idp::Idp;
use super::wire::Channel;
use super::wire::Message;

/// A port that is free, and that no other test is given.
pub(crate) fn free_port() -> u16 {
    /// Those that were given.
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
        if given.insert(port) {
            return port;
        }
    }
}

/// A login that waits for the browser to come back.
pub(crate) struct Login {
    /// The program.
    pub(crate) program: Background,
    /// The address that it has said: of its own page, which leads to the service's.
    pub(crate) start: String,
    /// The service's page, where that led.
    pub(crate) url: String,
    /// The cookie that came with it, as the browser sends it back.
    pub(crate) cookie: Option<String>,
    /// The port that the browser comes back to.
    pub(crate) port: u16,
}

impl Login {
    /// Waits until a program says which page it is; it says these words behind that. The browser follows at once.
    fn of(program: Background, port: u16, words: &str) -> Self {
        let mut login = Self::waiting(program, port, words);
        login.follow();
        login
    }

    /// The same before the browser has gone to the page.
    fn waiting(program: Background, port: u16, words: &str) -> Self {
        let said = program.wait_for_stderr(words);
        Self {
            program,
            start: start_page(&said, port),
            url: String::new(),
            cookie: None,
            port,
        }
    }

    /// The login of a program that has said the page's address among others.
    pub(crate) fn behind(program: Background, port: u16) -> Self {
        Self::of(program, port, said_behind(&[]))
    }

    /// What the start page answers.
    pub(crate) fn open(&self) -> Message {
        self.send(&get(self.start_path()))
    }

    /// The path of the start page.
    pub(crate) fn start_path(&self) -> &str {
        let start = format!("http://127.0.0.1:{}", self.port);
        self.start
            .strip_prefix(&start)
            .expect("the callback's port")
    }

    /// Goes to the start page, and where it leads.
    pub(crate) fn follow(&mut self) {
        let answer = self.open();
        assert_eq!(answer.status(), 303, "{answer}");
        self.url = answer.one("Location").to_owned();
        self.cookie = match &*answer.all("Set-Cookie") {
            [] => None,
            [cookie] => cookie.split(';').next().map(str::to_owned),
            _ => panic!("more than one cookie: {answer}"),
        };
    }

    /// The page that the person is sent to for another client than the first.
    pub(crate) fn again(&mut self, client: &str) {
        let words = said_behind(&[]);
        let said = || self.program.stderr_so_far();
        super::wait_until("another page", || said().matches(words).count() > 1);
        self.start = start_page(&said(), self.port);
        self.follow();
        assert_eq!(self.fields()["client_id"], client);
    }

    /// What the page is told.
    pub(crate) fn fields(&self) -> BTreeMap<String, String> {
        let (_, query) = self.url.split_once('?').expect("a query");
        idp::fields(query)
    }

    /// What the answer must bring back.
    pub(crate) fn state(&self) -> String {
        self.fields()["state"].clone()
    }

    /// Agrees at the server, and gives what it sends the browser back with: path and query.
    pub(crate) fn agree(&self, idp: &Idp) -> String {
        let url = self.url.strip_prefix("https://").expect("an https URL");
        let (host, target) = url.split_once('/').expect("a path");
        let channel = Channel::new(Box::new(client::connect(idp.origin.port)));
        let config = client::trusting(idp.origin.ca_pem.as_bytes());
        let mut channel = client::tls_over(channel, host, config).expect("TLS with the server");
        channel.send(format!(
            "GET /{target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        ));
        let answer = channel.response("GET");
        assert_eq!(answer.status(), 302, "{answer}");
        let start = format!("http://127.0.0.1:{}", self.port);
        let place = answer.one("Location").strip_prefix(&start);
        place
            .unwrap_or_else(|| panic!("elsewhere: {answer}"))
            .to_owned()
    }

    /// Sends a request to the page where the browser comes back; PORT and STATE are filled in.
    pub(crate) fn send(&self, request: &str) -> Message {
        let mut channel = self.channel(request);
        channel.response(request.split(' ').next().unwrap_or_default())
    }

    /// The connection on which a request was sent there.
    pub(crate) fn channel(&self, request: &str) -> Channel {
        let mut channel = Channel::new(Box::new(client::connect(self.port)));
        let mut request = request.replace("PORT", &self.port.to_string());
        if !self.url.is_empty() {
            request = request.replace("STATE", &self.state());
        }
        if let Some(cookie) = &self.cookie
            && !request.contains("Cookie:")
        {
            request = request.replacen("\r\n\r\n", &format!("\r\nCookie: {cookie}\r\n\r\n"), 1);
        }
        channel.send(request);
        channel
    }

    /// Comes back with this path and query.
    pub(crate) fn come_back(&self, target: &str) -> Message {
        self.send(&get(target))
    }

    /// Agrees, comes back, and waits for the end.
    pub(crate) fn complete(self, idp: &Idp) -> Output {
        let target = self.agree(idp);
        self.come_back(&target);
        self.end(idp)
    }

    /// Waits for the end. Whatever came of it, nothing that only the client may see was written.
    pub(crate) fn end(self, idp: &Idp) -> Output {
        let output = self.program.end();
        idp.assert_discreet(&output);
        output
    }
}

/// The request of a browser for a page.
pub(crate) fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n")
}

/// The address of the start page in what a program has said last.
fn start_page(said: &str, port: u16) -> String {
    let start = said.rfind(&format!("http://127.0.0.1:{port}/login/"));
    let end = |letter: char| letter.is_whitespace() || letter == '"';
    let url = said.get(start.expect("a start page")..).unwrap_or_default();
    url.split(end).next().unwrap_or_default().to_owned()
}

impl Idp {
    /// Starts `authsome login acme` with these words, and waits for the page that it sends the person to.
    pub(crate) fn login(&self, home: &Home, words: &[&str]) -> Login {
        let port = free_port();
        self.login_at(home, words, port)
    }

    /// The same before the browser has gone to the page.
    pub(crate) fn login_unopened(&self, home: &Home, words: &[&str]) -> Login {
        let port = free_port();
        let cmd = self.login_cmd(home, words, port);
        Login::waiting(cmd.background(), port, said_behind(words))
    }

    /// The same with a port of the test's choice.
    pub(crate) fn login_at(&self, home: &Home, words: &[&str], port: u16) -> Login {
        let cmd = self.login_cmd(home, words, port);
        Login::of(cmd.background(), port, said_behind(words))
    }

    /// `authsome login acme` that the browser comes back to at this port.
    fn login_cmd(&self, home: &Home, words: &[&str], port: u16) -> super::Cmd {
        let port = port.to_string();
        self.authsome(home, &["login", "acme", "--callback-port", &port])
            .args(words)
    }

    /// Starts it like this.
    pub(crate) fn login_by(&self, cmd: super::Cmd, port: u16) -> Login {
        let port_of_it = port.to_string();
        let cmd = cmd.args(["--callback-port", &port_of_it]);
        Login::of(cmd.background(), port, said_behind(&[]))
    }

    /// Logs in.
    pub(crate) fn log_in(&self, home: &Home, words: &[&str]) -> Output {
        let output = self.login(home, words).complete(self);
        output.assert_code(0);
        output
    }
}

/// What a login says behind the URL of the page.
fn said_behind(words: &[&str]) -> &'static str {
    match words.contains(&"--json") {
        true => "\"seconds\"",
        false => "The login waits for",
    }
}
