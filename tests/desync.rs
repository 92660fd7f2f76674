//! Origins that do not read what they are sent: no byte of a request's content becomes a request with a credential, and no answer reaches
//! anyone but who asked, in a run and among the clients of `serve`.

use std::sync::Arc;
use std::sync::Mutex;
use std::thread;

use crate::support::Home;
use crate::support::SECRET;
use crate::support::Scene;
use crate::support::client::Proxy;
use crate::support::contains;
use crate::support::origin::Conn;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::raised;
use crate::support::sent_on;
use crate::support::served::PASSWORD;
use crate::support::served::Served;
use crate::support::served::serve;
use crate::support::served::tls_through;
use crate::support::wire::Channel;
use crate::support::wire::Filled;

/// Which content an origin doesn't read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It reads all content.
    Good,
    /// It reads content with POST, PUT and PATCH only, as Python's http.server does.
    Unusual,
    /// It reads none, and answers content with this status.
    Errors(u16),
    /// Where the head says so (`X-Early`), it begins to answer before the content comes, and doesn't read that.
    Early,
    /// It answers HEAD like GET, the body in a record of its own.
    HeadLikeGet,
}

/// An origin's side of a connection.
struct Careless<'a> {
    /// The connection.
    conn: &'a mut Conn,
    /// Bytes that were received and not read.
    buffer: Vec<u8>,
}

impl Careless<'_> {
    /// Receives some more; returns false at the end.
    fn fill(&mut self) -> bool {
        loop {
            let filled = self.conn.channel.try_fill();
            self.buffer.extend(self.conn.channel.received());
            match filled {
                Filled::More => return true,
                Filled::Ended(_) => return false,
                // A connection that is kept may be idle for long.
                Filled::Nothing => {}
            }
        }
    }

    /// Reads up to and with the text.
    fn until(&mut self, text: &[u8]) -> Option<String> {
        loop {
            let mut parts = self.buffer.windows(text.len());
            if let Some(at) = parts.position(|part| part == text) {
                let read: Vec<u8> = self.buffer.drain(..at + text.len()).collect();
                return Some(String::from_utf8_lossy(&read).into_owned());
            }
            if !self.fill() {
                return None;
            }
        }
    }

    /// Waits until as many bytes have come; returns false if they don't.
    fn wait_for(&mut self, count: usize) -> bool {
        while self.buffer.len() < count {
            if !self.fill() {
                return false;
            }
        }
        true
    }

    /// Reads the content that a head announces.
    fn content(&mut self, head: &str) -> Option<String> {
        if value(head, "Transfer-Encoding").is_some() {
            return self.until(b"0\r\n\r\n");
        }
        let length = length(head);
        self.wait_for(length).then(|| {
            let read: Vec<u8> = self.buffer.drain(..length).collect();
            String::from_utf8_lossy(&read).into_owned()
        })
    }

    /// Serves the connection to its end. `note` gets each head, and each content that is read.
    fn serve(&mut self, kind_of: impl Fn(&str) -> Kind, note: impl Fn(&str, Option<&str>)) {
        while let Some(head) = self.until(b"\r\n\r\n") {
            note(&head, None);
            let mut words = head.split(' ');
            let (method, target) = (words.next().unwrap_or_default(), words.next());
            let (Some(target), true) = (target, head.contains(" HTTP/1.1\r\n")) else {
                self.conn.channel.try_send(
                    "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                );
                return;
            };
            let has_content = length(&head) > 0 || value(&head, "Transfer-Encoding").is_some();
            let is_usual = ["POST", "PUT", "PATCH"].contains(&method);
            let kind = kind_of(&head);
            let (status, reads) = match kind {
                Kind::Good | Kind::HeadLikeGet => (200, true),
                Kind::Unusual => (200, is_usual),
                Kind::Errors(status) if has_content => (status, false),
                Kind::Errors(_) => (200, false),
                Kind::Early => (200, value(&head, "X-Early").is_none()),
            };
            if has_content && reads {
                if value(&head, "Expect").is_some() {
                    self.conn.channel.try_send("HTTP/1.1 100 Continue\r\n\r\n");
                }
                let Some(content) = self.content(&head) else {
                    return;
                };
                note(&head, Some(&content));
            }
            // Whether the connection is to end is not looked at, either: the proxy must end it.
            let start = format!(
                "HTTP/1.1 {status} OK\r\nX-Answer: {target}\r\nContent-Length: {}\r\n\r\n",
                target.len()
            );
            match (kind, method) {
                (Kind::HeadLikeGet, "HEAD") => {
                    self.conn.channel.try_send(start);
                    self.conn.channel.try_send(target);
                }
                (_, "HEAD") => {
                    self.conn.channel.try_send(start);
                }
                (Kind::Early, _) if !reads => {
                    let (some, others) = target.split_at(1);
                    self.conn.channel.try_send(start + some);
                    let is_chunked = length(&head) == 0;
                    let is_end = |buffer: &[u8]| !is_chunked || buffer.ends_with(b"\r\n0\r\n\r\n");
                    while self.buffer.len() < length(&head) || !is_end(&self.buffer) {
                        if !self.fill() {
                            return;
                        }
                    }
                    self.conn.channel.try_send(others);
                }
                _ => {
                    self.conn.channel.try_send(start + target);
                }
            }
        }
    }
}

/// Returns the value of the first field with this name.
fn value<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.split("\r\n");
    let start = format!("{name}: ");
    lines.find_map(|line| line.strip_prefix(&start))
}

/// Returns the length of the content that a head announces.
fn length(head: &str) -> usize {
    let length = value(head, "Content-Length").and_then(|value| value.parse().ok());
    length.unwrap_or(0)
}

/// Returns a script for an origin of this kind. It fails when a head with the credential has anything of another request's content in it.
fn careless(kind: Kind) -> impl Fn(&mut Conn) + Send + Sync {
    move |conn| {
        let buffer = Vec::new();
        let note = |head: &str, _: Option<&str>| {
            let is_both = head.contains("/hidden") && head.contains(SECRET);
            assert!(!is_both, "a request within another: {head}");
        };
        Careless { conn, buffer }.serve(|_| kind, note);
    }
}

/// Sends a request whose content is the beginning of another, and then one that somebody else would send: its answer is its own.
fn attack(open: &dyn Fn() -> Channel, method: &str, is_late: bool) {
    let hidden = "GET /hidden HTTP/1.1\r\nHost: x\r\nX-Pad: ";
    let head = format!(
        "{method} /first HTTP/1.1\r\nHost: {HOST}\r\n{}Content-Length: {}\r\n\r\n",
        if is_late { "X-Early: 1\r\n" } else { "" },
        hidden.len()
    );
    let mut client = open();
    if is_late {
        client.send(head);
        let answer = client.request_head().expect("an answer");
        assert_eq!(answer.one("X-Answer"), "/first");
        client.send(hidden);
        assert_eq!(client.take(6), b"/first");
    } else {
        client.send(head + hidden);
        let answer = client.response(method);
        assert_eq!(answer.one("X-Answer"), "/first", "{method}");
    }
    let mut other = open();
    other.send(format!("GET /other HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    let answer = other.response("GET");
    assert_eq!(answer.text(), "/other", "behind {method}");
}

/// Attacks an origin of this kind with each method, over `run` and through `serve`.
fn attack_both(kind: Kind, methods: &[&str], is_late: bool) {
    let scene = Scene::new("", careless(kind));
    for method in methods {
        attack(&|| scene.client(), method, is_late);
    }
    scene.finish();

    let home = Home::connected("");
    let origin = Origin::start(careless(kind));
    let served = Served::start(&home, serve(&home, &origin));
    for method in methods {
        attack(&|| served.tls(HOST), method, is_late);
    }
    served.stop();
    origin.finish();
}

#[test]
fn content_that_is_not_read_with_its_method_takes_in_no_other_request() {
    let methods = ["GET", "HEAD", "OPTIONS", "DELETE", "PROPFIND"];
    attack_both(Kind::Unusual, &methods, false);
}

#[test]
fn content_that_an_error_does_not_read_takes_in_no_other_request() {
    for status in [400, 401, 404, 413, 500] {
        attack_both(Kind::Errors(status), &["POST", "PUT", "PATCH"], false);
    }
}

#[test]
fn content_behind_an_early_answer_takes_in_no_other_request() {
    attack_both(Kind::Early, &["POST", "PUT"], true);
}

#[test]
fn a_body_behind_the_answer_to_head_is_nobody_s_answer() {
    let scene = Scene::new("", careless(Kind::HeadLikeGet));
    for number in 0..20 {
        let mut client = scene.client();
        client.send(format!("HEAD /first HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
        assert_eq!(client.response("HEAD").one("X-Answer"), "/first");
        client.send(format!("GET /{number} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
        assert_eq!(client.response("GET").text(), format!("/{number}"));
    }
    scene.finish();
}

#[test]
fn an_answer_that_may_have_a_body_which_it_must_not_have_ends_the_connection() {
    for (method, answer) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
        (
            "HEAD",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        ("HEAD", "HTTP/1.1 200 OK\r\n\r\n"),
        ("GET", "HTTP/1.1 204 X\r\nContent-Length: 9\r\n\r\n"),
    ] {
        let scene = Scene::new("", move |conn| {
            while conn.request().is_some() {
                conn.send(answer);
            }
        });
        let mut client = scene.client();
        for _ in 0..2 {
            client.send(format!("{method} / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
            assert!(!client.response(method).has("Connection"), "{answer}");
        }
        assert_eq!(scene.finish().arrived.accepted, 2, "{method} {answer}");
    }
}

#[test]
fn a_connection_is_kept_behind_content_only_where_it_has_surely_been_read() {
    let length = "Content-Length: 2\r\n\r\nhi";
    let chunks = "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    let no_chunks = "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let none = "\r\n";
    let zero = "Content-Length: 0\r\n\r\n";
    for (method, status, content, is_kept) in [
        ("POST", 200, length, true),
        ("POST", 201, chunks, true),
        ("PUT", 204, length, true),
        ("PATCH", 303, no_chunks, true),
        ("POST", 304, length, true),
        ("GET", 304, none, true),
        ("HEAD", 200, none, true),
        ("POST", 400, length, false),
        ("PUT", 401, chunks, false),
        ("PATCH", 404, no_chunks, false),
        ("POST", 500, length, false),
        ("POST", 404, none, true),
        ("POST", 500, zero, true),
        ("GET", 200, length, false),
        ("GET", 200, no_chunks, false),
        ("GET", 404, none, true),
        ("GET", 200, zero, true),
        ("DELETE", 200, length, false),
        ("OPTIONS", 204, chunks, false),
        ("post", 200, length, false),
        ("QUERY", 200, length, false),
        ("QUERY", 200, none, true),
    ] {
        let what = format!("{method} {status} {content:?}");
        let scene = Scene::new("", move |conn| {
            while conn.request().is_some() {
                let length = match status {
                    204 | 304 => "",
                    _ => "Content-Length: 0\r\n",
                };
                conn.send(format!("HTTP/1.1 {status} X\r\n{length}\r\n"));
            }
        });
        let mut client = scene.client();
        for _ in 0..2 {
            client.send(format!("{method} / HTTP/1.1\r\nHost: {HOST}\r\n{content}"));
            let answer = client.response(method);
            assert_eq!(answer.status(), status, "{what}");
            // The client's own connection stays in any case.
            assert!(!answer.has("Connection"), "{what}: {answer}");
        }
        let arrived = scene.finish().arrived;
        assert_eq!(arrived.accepted, if is_kept { 1 } else { 2 }, "{what}");
        let is_usual = ["POST", "PUT", "PATCH"].contains(&method);
        let ends = content != none && content != zero && !is_usual;
        let expected: &[&str] = if ends { &["close"] } else { &[] };
        for request in arrived.requests {
            assert_eq!(request.all("Connection"), expected, "{what}: {request}");
        }
    }
}

#[test]
fn an_origin_of_http_1_0_or_that_answers_before_the_content_is_asked_on_another_connection() {
    for (answer, is_whole) in [
        (
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
            true,
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false),
    ] {
        let scene = Scene::new("", move |conn| {
            while let Some(head) = conn.channel.request_head() {
                if is_whole && head.has("Content-Length") {
                    conn.channel.take(5);
                }
                conn.send(answer);
            }
        });
        let mut client = scene.client();
        let head = format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\n\r\n");
        client.send(head);
        if !is_whole {
            assert_eq!(client.response("POST").text(), "ok");
        }
        client.try_send("hello");
        if is_whole {
            assert_eq!(client.response("POST").text(), "ok");
        }
        let answer = scene.exchange(&format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
        assert_eq!(answer.text(), "ok");
        assert_eq!(scene.finish().arrived.accepted, 2);
    }
}

#[test]
fn a_connection_that_a_client_has_authenticated_by_itself_is_for_nobody_else() {
    // The credential is in another field than the login.
    let fields = r#""api_key": {"header_name": "X-Api-Key"}"#;
    let scene = Scene::new(
        &format!(r#""api_url": "https://{HOST}/v1", {fields}"#),
        |conn| {
            let number = conn.number;
            while conn.request().is_some() {
                conn.ok(&number.to_string());
            }
        },
    );
    let ask_at = |client: &mut Channel, path: &str, field: &str| {
        client.send(format!(
            "GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{field}\r\n"
        ));
        client.response("GET").text()
    };
    let ask = |client: &mut Channel, field: &str| ask_at(client, "/own", field);
    let [mut one, mut other] = [scene.client(), scene.client()];
    // The steps of one client stay together, and those of another don't come there.
    for step in ["NTLM b25l", "ntlm dHdv", "Negotiate dGhyZWU="] {
        let field = format!("Authorization: {step}\r\n");
        assert_eq!(ask(&mut one, &field), "0");
        assert_eq!(ask(&mut other, &field), "1");
    }
    // Nor do requests that need no connection of their own. They share one.
    for field in [
        "",
        "Authorization: Bearer a\r\n",
        "Authorization: Basic YTpi\r\n",
    ] {
        assert_eq!(ask(&mut one, field), "2", "{field}");
    }
    for (client, number) in [(&mut one, "3"), (&mut other, "4")] {
        for _ in 0..2 {
            let text = ask_at(client, "/v1", "Authorization: NTLM b25l\r\n");
            assert_eq!(text, number);
        }
    }
    scene.finish();
}

#[test]
fn the_beginning_of_a_record_behind_an_answer_ends_the_connection() {
    let scene = Scene::new("", |conn| {
        let request = conn.expect_request();
        conn.ok(request.target());
        // The head of a TLS record whose content is to come.
        let mut socket = conn.channel.socket();
        std::io::Write::write_all(&mut socket, &[23, 3, 3, 0, 64]).expect("room");
        if conn.number == 0 {
            assert!(conn.request().is_none());
        }
        conn.drop_as_it_is();
    });
    let mut client = scene.client();
    for target in ["/1", "/2"] {
        client.send(format!("GET {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
        assert_eq!(client.response("GET").text(), target);
    }
    assert_eq!(scene.finish().arrived.accepted, 2);
}

#[test]
fn content_with_a_method_that_has_none_is_refused_where_there_are_rules() {
    let rules = r#""rules": [{"methods": ["GET", "HEAD", "OPTIONS", "DELETE", "POST"], "action": "allow"}]"#;
    let contents = [
        "Content-Length: 2\r\n\r\nhi",
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ];
    let scene = Scene::ok(rules);
    for method in ["GET", "HEAD", "OPTIONS", "DELETE"] {
        for content in contents {
            let request = format!("{method} / HTTP/1.1\r\nHost: {HOST}\r\n{content}");
            let answer = scene.exchange(&request);
            if method == "HEAD" {
                assert_eq!(answer.status(), 400);
                continue;
            }
            let body = answer.assert_refusal(400, "http_request_denied");
            assert_eq!(body["provider"], "acme");
            assert_eq!(
                body["hint"],
                "send it without content, or use POST, PUT or PATCH"
            );
        }
    }
    // A rule that denies the request says so.
    let answer = scene.exchange(&format!(
        "QUERY / HTTP/1.1\r\nHost: {HOST}\r\n{}",
        contents[0]
    ));
    answer.assert_refusal(403, "http_request_denied");
    scene.finish().arrived.assert_nothing();

    for request in [
        format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 0\r\n\r\n"),
        format!("POST / HTTP/1.1\r\nHost: {HOST}\r\n{}", contents[0]),
    ] {
        let request = sent_on(rules, &request);
        assert_eq!(request.one("Authorization"), format!("Bearer {SECRET}"));
    }
    // Where no rules apply, the service decides.
    let request = format!("DELETE / HTTP/1.1\r\nHost: {HOST}\r\n{}", contents[0]);
    assert_eq!(sent_on("", &request).text(), "hi");
}

/// The hosts of the play, and how the origin behind each behaves.
const PLAY: [(&str, Kind); 5] = [
    (HOST, Kind::Unusual),
    ("auth.acme.test", Kind::Errors(404)),
    ("api7.acme.test", Kind::Early),
    ("idp.test", Kind::Good),
    ("other.test", Kind::HeadLikeGet),
];

/// The two clients' words, which stand in all that they send.
const TAGS: [&str; 2] = ["alpha", "omega"];

/// A hostile client of the play.
struct Hostile<'a> {
    /// Its word.
    tag: &'static str,
    /// The other's.
    other: &'static str,
    /// A source of numbers that look random.
    state: u64,
    /// Opens a connection to a host.
    open: &'a dyn Fn(&str) -> Channel,
    /// Its connection to each host.
    channels: [Option<Channel>; PLAY.len()],
    /// Requests so far.
    count: usize,
    /// Answers of the origin so far.
    answered: usize,
}

impl Hostile<'_> {
    /// Returns a number below the limit.
    fn number(&mut self, limit: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state >> 33).expect("31 bits") % limit
    }

    /// Returns a request: its method, its target, its head and its content.
    fn request(&mut self, host: &str) -> [String; 4] {
        self.count += 1;
        let (tag, count) = (self.tag, self.count);
        let methods = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"];
        let method = methods[self.number(methods.len())];
        let target = format!("/asked/{tag}/{count}");
        let hidden = format!("/hidden/{tag}/{count} HTTP/1.1\r\nHost: {host}\r\nX-Tag: {tag}\r\n");
        let content = match self.number(4) {
            0 => format!("GET {hidden}X-Pad: "),
            1 => format!("POST {hidden}Content-Length: 61\r\n\r\n"),
            2 => format!("DELETE {hidden}\r\n"),
            _ => "x".repeat(30),
        };
        let (framing, content) = match self.number(5) {
            0 | 1 => (String::new(), String::new()),
            2 => ("Content-Length: 0\r\n".to_owned(), String::new()),
            3 => (format!("Content-Length: {}\r\n", content.len()), content),
            _ => (
                "Transfer-Encoding: chunked\r\n".to_owned(),
                format!("{:x}\r\n{content}\r\n0\r\n\r\n", content.len()),
            ),
        };
        let head =
            format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nX-Tag: {tag}\r\n{framing}");
        [method.to_owned(), target, head, content]
    }

    /// Reads the final answer to a request, and holds it against that. Returns whether the connection goes on.
    fn read(&mut self, channel: &mut Channel, method: &str, target: &str) -> bool {
        let head = loop {
            match channel.request_head() {
                Some(head) if head.status() == 100 => {}
                Some(head) => break head,
                None => return false,
            }
        };
        let text = String::from_utf8_lossy(&head.head);
        assert!(!text.contains(self.other), "{text} for {target}");
        if head.has("Proxy-Status") {
            assert!(!head.has("X-Answer"), "{text}");
        } else {
            assert_eq!(head.one("X-Answer"), target, "{text}");
            self.answered += 1;
        }
        let length = if method == "HEAD" { 0 } else { length(&text) };
        let body = channel.take(length);
        assert!(
            !contains(&body, self.other.as_bytes()),
            "the other's answer"
        );
        if !head.has("Proxy-Status") && method != "HEAD" {
            // It may be cut, where the origin's connection was.
            assert!(target.as_bytes().starts_with(&body), "{body:?}");
        }
        !head.has("Connection") && (body.len() == length)
    }

    /// Sends some requests to a host, one behind the other or with a pause where the origin could speak, and reads the answers.
    fn act(&mut self) {
        let place = self.number(PLAY.len());
        let (host, kind) = PLAY[place];
        let channel = self.channels[place].take();
        let mut channel = channel.unwrap_or_else(|| (self.open)(host));
        let [method, target, head, content] = self.request(host);
        let goes_on = match self.number(8) {
            // The content behind the beginning of the answer, or behind the 100.
            way @ (0 | 1) if !content.is_empty() && (way == 0 || kind == Kind::Early) => {
                let is_early = way == 1;
                let field = if is_early {
                    "X-Early: 1"
                } else {
                    "Expect: 100-continue"
                };
                channel.send(format!("{head}{field}\r\n\r\n"));
                self.read_then_send(&mut channel, [&method, &target, &content], is_early)
            }
            // Never the whole of it.
            2 if !content.is_empty() => {
                let (half, _) = content.split_at(content.len() / 2);
                channel.send(format!("{head}\r\n{half}"));
                false
            }
            // Several at once.
            3 | 4 => {
                let [other_method, other_target, other_head, other_content] = self.request(host);
                channel.send(format!(
                    "{head}\r\n{content}{other_head}\r\n{other_content}"
                ));
                self.read(&mut channel, &method, &target)
                    && self.read(&mut channel, &other_method, &other_target)
            }
            _ => {
                channel.send(format!("{head}\r\n{content}"));
                self.read(&mut channel, &method, &target)
            }
        };
        if goes_on {
            self.channels[place] = Some(channel);
        }
    }

    /// Waits for the beginning of the answer or for a 100, sends the content, and reads the rest.
    fn read_then_send(
        &mut self,
        channel: &mut Channel,
        [method, target, content]: [&str; 3],
        is_early: bool,
    ) -> bool {
        if is_early {
            let Some(head) = channel.request_head() else {
                return false;
            };
            assert_eq!(head.one("X-Answer"), target);
            channel.try_send(content);
            self.answered += 1;
            if method == "HEAD" {
                return false;
            }
            let body = channel.take(target.len());
            assert!(target.as_bytes().starts_with(&body), "{body:?}");
            return false;
        }
        let Some(head) = channel.request_head() else {
            return false;
        };
        if head.status() != 100 {
            // The connection ends with an answer that came before the content.
            return false;
        }
        channel.try_send(content);
        self.read(channel, method, target)
    }
}

/// Checks a head that an origin takes for a request's, or the content that it has read with it: all of it is of one client, and the
/// credential is in nothing that a client has hidden in content.
fn check(head: &str, content: Option<&str>) {
    let own = TAGS.iter().find(|tag| head.contains(**tag));
    let Some(own) = own else {
        // What is left of chunks is no request, and the origin ends the connection.
        assert!(!head.contains(SECRET), "{head}");
        return;
    };
    let other = TAGS.iter().find(|tag| *tag != own).expect("another");
    assert!(!head.contains(other), "{head}");
    let is_asked = head.contains(&format!(" /asked/{own}/"));
    assert_eq!(head.contains(SECRET), is_asked, "{head}");
    assert!(
        !(is_asked && head.contains("/hidden/")),
        "a request within another: {head}"
    );
    assert_eq!(head.matches("X-Tag: ").count(), 1, "{head}");
    if let Some(content) = content {
        assert!(!content.contains(SECRET), "{head}{content}");
        assert!(!content.contains(other), "{head}{content}");
    }
}

/// Plays the client of this number until it has sent so many requests. Returns how many it has sent, and answers of an origin.
fn play(place: usize, count: usize, proxy: &Proxy) -> (usize, usize) {
    let mut client = Hostile {
        tag: TAGS[place],
        other: TAGS[1 - place],
        state: 0x9e37_79b9_7f4a_7c15 + place as u64,
        open: &|host| tls_through(proxy, host, PASSWORD),
        channels: Default::default(),
        count: 0,
        answered: 0,
    };
    while client.count < count {
        client.act();
    }
    (client.count, client.answered)
}

/// Two hostile clients send requests of all kinds through one `serve` to origins of each kind, AUTHSOME_TEST_REQUESTS in all.
#[test]
fn two_hostile_clients_of_one_proxy_never_see_each_other() {
    let hosts = PLAY.map(|(host, _)| host);
    let list = serde_json::to_string(&hosts).expect("JSON");
    let home = Home::connected(&format!(r#""api_url": {list}"#));
    let seen = Arc::new(Mutex::new([[0_usize; 2]; PLAY.len()]));
    let seeing = Arc::clone(&seen);
    let origin = Origin::start(move |conn| {
        let place_of = |head: &str| {
            let host = value(head, "Host").unwrap_or_default();
            PLAY.iter().position(|(own, _)| *own == host)
        };
        let buffer = Vec::new();
        Careless { conn, buffer }.serve(
            |head| place_of(head).map_or(Kind::Good, |place| PLAY[place].1),
            |head, content| {
                check(head, content);
                if let (Some(place), None) = (place_of(head), content) {
                    let is_hidden = usize::from(head.contains("/hidden/"));
                    seeing.lock().expect("a lock")[place][is_hidden] += 1;
                }
            },
        );
    });
    let others = origin.leads_here(&hosts[1..], 443);
    let served = Served::start(&home, serve(&home, &origin).args(others));
    let all = raised("AUTHSOME_TEST_REQUESTS", 400);
    let proxy = &served.proxy;
    let counts = thread::scope(|scope| {
        let threads = [0, 1].map(|place| scope.spawn(move || play(place, all / 2, proxy)));
        threads.map(|thread| thread.join().expect("a client that saw nothing wrong"))
    });
    served.stop();
    let arrived = origin.finish();
    let seen = *seen.lock().expect("a lock");
    println!(
        "requests and answers of each client: {counts:?}; sent and hidden requests at each origin: {seen:?}, on {} connections",
        arrived.accepted
    );
    for (count, answered) in counts {
        // Others were cut, or refused since their connection had ended.
        assert!(
            answered > count / 2,
            "{answered} answers to {count} requests"
        );
    }
    assert!(seen.iter().all(|[sent, _]| *sent > 0), "{seen:?}");
}
