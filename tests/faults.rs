//! What breaks on the way: origins that end, reset, stall or send what TLS does not know; clients that go away; names and certificates
//! that change. The answer is the right one, what was cut does not look whole, and nothing is left of it.

use std::io;
use std::io::Write;
use std::net::Shutdown;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU16;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::support::BINARY;
use crate::support::Cmd;
use crate::support::Home;
use crate::support::SECRET;
use crate::support::Scene;
use crate::support::client;
use crate::support::held::Held;
use crate::support::is_root;
use crate::support::may_take;
use crate::support::origin::Certificate;
use crate::support::origin::Conn;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
use crate::support::wire::End;
use crate::support::wire::Message;

/// A request that may be repeated.
fn get() -> String {
    format!("GET /v1 HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}

/// One with a body so large that it is never received at once.
fn large_post() -> Vec<u8> {
    const LENGTH: usize = 200_000;

    let head = format!("POST /v1 HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {LENGTH}\r\n\r\n");
    [head.into_bytes(), vec![b'x'; LENGTH]].concat()
}

/// The ways in which a body is framed, each with a part of it.
const PARTS: [&str; 3] = [
    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\npart",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n",
    "HTTP/1.1 200 OK\r\n\r\npart",
];

/// How an origin breaks its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Break {
    /// By its end, without a word of TLS.
    End,
    /// By a reset: a system sends one when a socket is closed with bytes in it that nobody has read.
    Reset,
    /// By bytes that are no TLS record.
    Garbage,
    /// By a record that is larger than any may be.
    TooLarge,
    /// By an alert in the clear.
    Alert,
}

/// All of them.
const BREAKS: [Break; 5] = [
    Break::End,
    Break::Reset,
    Break::Garbage,
    Break::TooLarge,
    Break::Alert,
];

impl Break {
    /// The request after which the origin can do it.
    fn request(self) -> Vec<u8> {
        match self {
            Self::Reset => large_post(),
            _ => get().into_bytes(),
        }
    }

    /// Takes the head of the request, and no more of it than came along.
    fn receive(conn: &mut Conn) {
        conn.channel.request_head().expect("a request");
    }

    /// Breaks the connection.
    fn apply(self, conn: &mut Conn) {
        let raw: &[u8] = match self {
            Self::End => return conn.cut(),
            Self::Reset => return conn.drop_as_it_is(),
            Self::Garbage => b"HTTP/1.1 400 Bad Request\r\n\r\n",
            Self::TooLarge => &[0x17, 3, 3, 0xff, 0xff, 0, 0, 0],
            // Fatal, handshake_failure.
            Self::Alert => &[0x15, 3, 3, 0, 2, 2, 40],
        };
        let _ = conn.channel.socket().write_all(raw);
        // Until the proxy has ended it.
        while conn.channel.fill() {}
        conn.cut();
    }
}

/// What a client gets when the origin sends this and then breaks the connection, and how the client's connection ends.
fn broken_after(bytes: &'static str, how: Break) -> (Option<Message>, End) {
    let scene = Scene::new("", move |conn| {
        Break::receive(conn);
        conn.send(bytes);
        how.apply(conn);
    });
    let mut client = scene.client();
    client.try_send(how.request());
    let response = client.fill().then(|| client.response("POST"));
    let keeps = response.as_ref().is_some_and(|response| response.whole);
    if keeps {
        client.end_sending();
    }
    let (rest, end) = client.rest();
    assert_eq!(String::from_utf8_lossy(&rest), "");
    scene.finish();
    (response, end)
}

#[test]
fn an_answer_that_breaks_within_its_head_becomes_a_502() {
    for how in BREAKS {
        for bytes in ["", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"] {
            let (response, _) = broken_after(bytes, how);
            let response = response.unwrap_or_else(|| panic!("{how:?} {bytes}: no answer"));
            response.assert_refusal(502, "connection_terminated");
        }
    }
}

#[test]
fn an_answer_that_breaks_within_its_body_does_not_look_whole() {
    for how in BREAKS {
        for bytes in PARTS {
            let (response, end) = broken_after(bytes, how);
            let what = format!("{how:?} {bytes}");
            if let Some(response) = response {
                assert_eq!(response.status(), 200, "{what}: {response}");
                assert!(!response.whole, "{what}: {response}");
            }
            assert_ne!(end, End::Clean, "{what}");
        }
    }
}

#[test]
fn what_was_cut_does_not_look_whole_to_an_old_client_with_tls_or_without() {
    for bytes in PARTS {
        for in_the_clear in [false, true] {
            let scene = Scene::new("", move |conn| {
                conn.expect_request();
                conn.send(bytes);
                conn.cut();
            });
            let mut client = if in_the_clear {
                scene.run.proxy.plain()
            } else {
                scene.client()
            };
            client.send(format!("GET https://{HOST}/ HTTP/1.0\r\n\r\n"));
            let (received, end) = client.rest();
            let is_short = received.starts_with(b"HTTP/1.1 200 ") || received.is_empty();
            assert!(is_short, "{bytes}");
            assert_ne!(end, End::Clean, "{bytes}");
            scene.finish();
        }
    }
}

#[test]
fn what_an_origin_in_the_clear_cuts_does_not_look_whole() {
    for bytes in &PARTS[..2] {
        let home = Home::new();
        let origin = Origin::plain(move |conn| {
            conn.expect_request();
            conn.send(bytes);
        });
        let run = home
            .authsome(["run"])
            .args(origin.leads_here(&["other.test"], 80))
            .start();
        for version in ["1.0", "1.1"] {
            let mut client = run.proxy.plain();
            client.send(format!(
                "GET http://other.test/ HTTP/{version}\r\nHost: other.test\r\n\r\n"
            ));
            assert_eq!(client.rest().1, End::Reset, "{version} {bytes}");
        }
        run.stop();
    }
}

#[test]
fn a_kept_connection_that_breaks_between_requests_is_not_noticed_by_the_client() {
    for how in BREAKS {
        let scene = Scene::new("", move |conn| {
            if conn.number > 0 {
                return always_ok(conn);
            }
            conn.expect_request();
            conn.ok("first");
            how.apply(conn);
        });
        let mut client = scene.client();
        for expected in ["first", "ok"] {
            client.send(get());
            assert_eq!(client.response("GET").text(), expected, "{how:?}");
        }
        scene.finish();
    }
}

#[test]
fn tls_that_fails_in_the_handshake_becomes_a_502_that_says_how() {
    for (bytes, token) in [
        (&[][..], "connection_terminated"),
        (&[0x15, 3, 3, 0, 2, 2, 40], "tls_alert_received"),
        (b"SSH-2.0-OpenSSH\r\n", "tls_protocol_error"),
        (&[0x16, 3, 3, 0xff, 0xff, 0], "tls_protocol_error"),
    ] {
        let home = Home::new();
        home.acme("");
        let origin = Origin::plain(move |conn| {
            conn.channel.fill();
            conn.channel.try_send(bytes);
        });
        let run = home.run(&origin).start();
        run.proxy.exchange(HOST, &get()).assert_refusal(502, token);
        run.stop();
        origin.finish().assert_without(SECRET);
    }
}

#[test]
fn a_head_that_comes_too_slowly_is_given_up_and_a_stream_may_pause() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(move |conn| {
        if conn.expect_request().target() == "/stream" {
            conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
            // Longer than a head may take: until the other request was given up.
            let wait = wait.lock().expect("the channel");
            wait.recv().expect("the word to go on");
            conn.send("1\r\nb\r\n0\r\n\r\n");
        } else {
            conn.send("HTTP/1.1 200 OK\r\nX: ");
            // A byte now and then does not make it faster.
            while conn.channel.try_send("a") {
                thread::sleep(Duration::from_millis(20));
            }
        }
    });
    let run = home.run(&origin).args(["--upstream-timeout", "1"]).start();
    let mut stream = run.proxy.tls(HOST);
    stream.send(format!("GET /stream HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    stream.until(b"1\r\na\r\n").expect("a part");
    let response = run.proxy.exchange(HOST, &get());
    response.assert_refusal(504, "http_response_timeout");
    go.send(()).expect("an origin");
    stream
        .until(b"1\r\nb\r\n0\r\n\r\n")
        .expect("the other part");
    run.stop();
}

/// A port that leads to one of some others.
struct Crossing {
    /// Its number.
    port: u16,
    /// Where it leads.
    to: Arc<AtomicU16>,
}

impl Crossing {
    /// One that leads to this port.
    fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let crossing = Self {
            port: listener.local_addr().expect("an address").port(),
            to: Arc::new(AtomicU16::new(port)),
        };
        let to = Arc::clone(&crossing.to);
        let accept = move || {
            for here in listener.incoming() {
                let here = here.expect("a connection");
                let there = client::connect(to.load(Ordering::Acquire));
                let back = (there.try_clone(), here.try_clone());
                pump(here, there);
                pump(back.0.expect("a handle"), back.1.expect("a handle"));
            }
        };
        thread::Builder::new().spawn(accept).expect("a thread");
        crossing
    }

    /// Leads new connections to this port.
    fn lead_to(&self, port: u16) {
        self.to.store(port, Ordering::Release);
    }
}

/// Copies bytes until the end, on a thread, and passes the end on.
fn pump(mut from: TcpStream, mut to: TcpStream) {
    let copy = move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    };
    thread::Builder::new().spawn(copy).expect("a thread");
}

/// Answers each connection's only request.
fn ok_once(conn: &mut Conn) {
    if conn.request().is_some() {
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    }
}

#[test]
fn each_new_connection_is_verified_whatever_the_last_one_was() {
    let home = Home::new();
    home.acme("");
    let good = Origin::start(ok_once);
    let foreign = Origin::start(ok_once);
    let expired = Origin::with(Certificate::Expired, ok_once);
    let other = Origin::with(Certificate::WrongName, ok_once);
    let crossing = Crossing::to(good.port);
    let run = home
        .authsome(["run", "--upstream-ca", &good.ca_file()])
        .args(["--upstream-ca", &expired.ca_file()])
        .args(["--upstream-ca", &other.ca_file()])
        .arg(format!(
            "--connect-to={HOST}:443:127.0.0.1:{}",
            crossing.port
        ))
        .env("ACME_API_KEY", SECRET)
        .start();
    let mut client = run.proxy.tls(HOST);
    for bad in [&foreign, &expired, &other] {
        crossing.lead_to(good.port);
        client.send(get());
        assert_eq!(client.response("GET").text(), "ok");
        crossing.lead_to(bad.port);
        client.send(get());
        client
            .response("GET")
            .assert_refusal(502, "tls_certificate_error");
    }
    run.stop();
    for bad in [foreign, expired, other] {
        bad.finish().assert_nothing();
    }
}

#[test]
fn a_name_that_could_not_be_resolved_is_asked_for_again() {
    const NAME: &str = "comes-and-goes.invalid";

    if !is_root() || !has_mounts_of_its_own() {
        return;
    }
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(ok_once);
    let hosts = home.file("hosts", "127.0.0.1 localhost\n");
    let line = format!("mount --bind {hosts} /etc/hosts; exec \"$0\" run \"$@\"");
    let run = Cmd::new(&home, "unshare")
        .args(["-m", "sh", "-euc", &line, BINARY])
        .args(["--upstream-ca", &origin.ca_file()])
        .arg(format!("--connect-to={HOST}:443:{NAME}:{}", origin.port))
        .env("ACME_API_KEY", SECRET)
        .start();
    let mut client = run.proxy.tls(HOST);
    for _ in 0..2 {
        home.file("hosts", "127.0.0.1 localhost\n");
        client.send(get());
        let response = client.response("GET");
        let body = response.json();
        assert!(matches!(response.status(), 502 | 504), "{response}");
        let error = body["error"].as_str().expect("text");
        assert!(error.contains(NAME), "{error}");
        home.file("hosts", &format!("127.0.0.1 localhost {NAME}\n"));
        client.send(get());
        assert_eq!(client.response("GET").text(), "ok");
    }
    run.stop();
}

/// Whether a process can have mounts that others don't see.
fn has_mounts_of_its_own() -> bool {
    let home = Home::new();
    let output = Cmd::new(&home, "unshare").args(["-m", "true"]).run();
    output.status.success()
}

/// Comes so far with a request for [`HOST`], and goes away.
fn leave_at(phase: &str, scene: &Scene) {
    let connect = format!("CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    let chunks = "Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n";
    let proxy = &scene.run.proxy;
    let mut client = match phase {
        "nothing" | "half a CONNECT" | "a CONNECT" => proxy.plain(),
        "half a handshake" => proxy.tunnel(&format!("{HOST}:443")),
        _ => proxy.tls(HOST),
    };
    match phase {
        "half a CONNECT" => client.send("CONNECT api.acme"),
        "a CONNECT" => client.send(connect),
        // The first bytes of a ClientHello.
        "half a handshake" => client.send([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
        "half a head" => client.send("GET / HTT"),
        "half a body" => {
            client.send(format!("POST / HTTP/1.1\r\nHost: {HOST}\r\n{chunks}"));
            scene.origin.wait_for_bytes(100);
        }
        "a request" | "half an answer" => {
            client.send(get());
            scene.origin.wait_for_requests(1);
        }
        _ => {}
    }
    if phase == "half an answer" {
        client.until(b"1\r\na\r\n").expect("a part");
    }
    client.cut();
}

#[test]
fn of_a_client_that_goes_away_nothing_is_left_however_far_it_came() {
    for phase in [
        "nothing",
        "half a CONNECT",
        "a CONNECT",
        "half a handshake",
        "a handshake",
        "half a head",
        "half a body",
        "a request",
        "half an answer",
    ] {
        let scene = Scene::new("", move |conn| {
            let request = conn.request();
            if phase == "half an answer" {
                conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
            }
            let is_whole = request.is_some_and(|request| request.whole);
            assert_eq!(is_whole, phase != "half a body");
            // Comes to an end only because the proxy ends the connection.
            while conn.channel.fill() {}
        });
        let pid = scene.run.program.pid;
        let before = Held::at_rest(pid);
        for _ in 0..3 {
            leave_at(phase, &scene);
        }
        before.wait_for(pid);
        scene.finish();
    }
}

#[test]
fn of_a_client_that_leaves_a_tunnel_or_a_request_in_the_clear_nothing_is_left() {
    let home = Home::new();
    let origin = Origin::plain(|conn| {
        if conn.channel.take(4) == b"GET " {
            conn.channel.try_send("HTTP/1.1 200 OK\r\n\r\npart");
        }
        // Comes to an end only because the proxy ends the connection.
        while conn.channel.fill() {}
    });
    let run = home
        .authsome(["run"])
        .args(origin.leads_here(&["other.test"], 80))
        .args(origin.leads_here(&["other.test"], 443))
        .start();
    let before = Held::at_rest(run.program.pid);
    let request = "GET http://other.test/ HTTP/1.1\r\nHost: other.test\r\n\r\n";
    for number in 0..8 {
        let mut client = if number % 2 == 0 {
            run.proxy.tunnel("other.test:443")
        } else {
            run.proxy.plain()
        };
        client.send(if number % 2 == 0 { "some" } else { request });
        origin.wait_for_bytes(4 * (number + 1));
        if number % 4 > 1 {
            // As an end of its sending that is followed by the end of its interest.
            client.end_sending();
        }
        client.cut();
    }
    before.wait_for(run.program.pid);
    origin.wait_for_end();
    run.stop();
}

#[test]
fn a_client_that_goes_away_behind_requests_that_nobody_has_read_is_noticed() {
    // A client may end its sending and wait: silence of 30 s means that it has gone.
    if !may_take(60) {
        return;
    }
    let scene = Scene::new("", |conn| {
        conn.expect_request();
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
        // Comes to an end only because the proxy ends the connection.
        let minutes = Some(Duration::from_secs(120));
        let socket = conn.channel.socket();
        socket.set_read_timeout(minutes).expect("a timeout");
        while conn.channel.fill() {}
    });
    let pid = scene.run.program.pid;
    let before = Held::at_rest(pid);
    let mut client = scene.client();
    client.send(get());
    client.until(b"1\r\na\r\n").expect("a part");
    // More than the proxy reads ahead, and less than the system takes for it.
    client.send(get().repeat(120_000 / get().len()));
    client.cut();
    drop(client);
    before.wait_for(pid);
    scene.finish();
}
