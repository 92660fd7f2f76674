//! Time limits: a slow origin, a client that has ended its sending, and idle sockets.

use std::collections::BTreeMap;
use std::fs;
use std::net::Shutdown;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;
use std::time::Instant;

use crate::support::Home;
use crate::support::Scene;
use crate::support::client;
use crate::support::origin::Conn;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
use crate::support::wire::Channel;

/// Most time for an event that the test doesn't trigger itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request that can't be sent twice.
fn post() -> String {
    format!("POST /v1 HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 2\r\n\r\nhi")
}

/// Sends that on a connection of its own and gives the answer, once the connection to the origin is put aside: the proxy answers the
/// second request by itself, behind that.
fn post_alone(scene: &Scene) -> String {
    let mut client = scene.client();
    client.send(post());
    let answer = client.response("POST");
    assert_eq!(answer.status(), 200, "{answer}");
    client.send(format!("TRACE / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    assert_eq!(client.response("TRACE").status(), 405);
    answer.text()
}

/// Answers the first request of the first connection and reads the second, which it leaves unanswered; serves others well. `announced` is
/// how long it says that it keeps the connection.
fn ends_after_one(announced: &str) -> impl Fn(&mut Conn) + Send + Sync + 'static {
    let announced = announced.to_owned();
    move |conn| {
        if conn.number > 0 {
            return always_ok(conn);
        }
        conn.expect_request();
        conn.send(format!(
            "HTTP/1.1 200 OK\r\n{announced}Content-Length: 5\r\n\r\nfirst"
        ));
        conn.request();
    }
}

#[test]
fn a_post_of_another_client_goes_on_no_connection_that_the_origin_may_be_about_to_close() {
    let scene = Scene::new("", ends_after_one(""));
    assert_eq!(post_alone(&scene), "first");
    // The origin is about to close the idle socket, unnoticed. Without authsome, this client would open its own.
    assert_eq!(post_alone(&scene), "ok");
    let arrived = scene.finish().arrived;
    assert_eq!((arrived.accepted, arrived.requests.len()), (2, 2));
}

#[test]
fn posts_share_a_connection_that_the_origin_says_it_keeps() {
    let scene = Scene::new("", |conn| {
        while conn.request().is_some() {
            conn.send("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=60\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    for _ in 0..5 {
        post_alone(&scene);
    }
    let arrived = scene.finish().arrived;
    assert_eq!((arrived.accepted, arrived.requests.len()), (1, 5));
}

#[test]
fn posts_share_a_connection_once_the_origin_has_shown_that_it_keeps_them() {
    let (sender, receiver) = mpsc::channel();
    let sender = Mutex::new(sender);
    let scene = Scene::new("", move |conn| {
        let mut count = 0;
        while conn.request().is_some() {
            count += 1;
            sender.lock().expect("it").send(count).expect("a test");
            conn.ok("ok");
        }
    });
    let deadline = Instant::now() + PATIENCE;
    loop {
        post_alone(&scene);
        if receiver.recv().expect("a request") > 1 {
            break;
        }
        assert!(Instant::now() < deadline, "each has one of its own");
    }
    scene.finish();
}

#[test]
fn posts_of_one_client_share_its_connection_from_the_first_on() {
    let scene = Scene::ok("");
    let mut client = scene.client();
    for _ in 0..20 {
        client.send(post());
        assert_eq!(client.response("POST").text(), "ok");
    }
    // On a machine that stands still for a second, a client's own connection is in doubt, too.
    assert!(scene.finish().arrived.accepted < 10);
}

#[test]
fn posts_of_one_client_share_its_connection_although_the_origin_has_ended_one() {
    let (sender, receiver) = mpsc::channel();
    let sender = Mutex::new(sender);
    let scene = Scene::new("", move |conn| {
        if conn.number > 0 {
            return always_ok(conn);
        }
        conn.expect_request();
        conn.ok("ok");
        conn.cut();
        sender.lock().expect("it").send(()).expect("a test");
    });
    let mut client = scene.client();
    for number in 0..20 {
        client.send(post());
        assert_eq!(client.response("POST").text(), "ok");
        if number == 0 {
            receiver.recv().expect("the end of a connection");
        }
    }
    assert!(scene.finish().arrived.accepted < 10);
}

#[test]
fn posts_of_one_client_share_its_connection_where_the_origin_keeps_it_for_a_second() {
    let scene = Scene::new("", |conn| {
        while conn.request().is_some() {
            conn.send("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let mut client = scene.client();
    for _ in 0..20 {
        client.send(post());
        assert_eq!(client.response("POST").text(), "ok");
    }
    // On a machine that stands still for half a second, the connection is given up.
    assert!(scene.finish().arrived.accepted < 20);
}

#[test]
fn a_post_on_the_client_s_own_connection_that_was_dead_ends_as_it_would_alone() {
    let empty = format!("POST /v1 HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 0\r\n\r\n");
    for request in [post(), empty] {
        let scene = Scene::new("", ends_after_one("Keep-Alive: timeout=60\r\n"));
        let mut client = scene.client();
        client.send(post());
        assert_eq!(client.response("POST").text(), "first");
        client.send(request);
        // The client gets no byte and no orderly end, so that it can decide whether to send the request again.
        let (bytes, end) = client.rest();
        assert!(bytes.is_empty(), "{:?}", String::from_utf8_lossy(&bytes));
        assert_eq!(end, crate::support::wire::End::Cut);
        assert_eq!(scene.exchange(&post()).text(), "ok");
        let arrived = scene.finish().arrived;
        assert_eq!((arrived.accepted, arrived.requests.len()), (2, 3));
    }
}

/// A TCP connection as the system has it.
#[derive(Debug)]
struct Row {
    /// The port at this end.
    own: u16,
    /// The port at the other.
    peer: u16,
    /// The kind of timer that runs: 2 is that of keep-alive.
    timer: u8,
    /// Ticks, of which a second has a hundred, until it does.
    ticks: u64,
}

/// The TCP connections of IPv4 that are established.
fn connections() -> Vec<Row> {
    let table = fs::read_to_string("/proc/net/tcp").expect("the system's table");
    let hex = |text: &str| u64::from_str_radix(text, 16).expect("a number");
    let port = |text: &str| {
        let (_, port) = text.split_once(':').expect("a port");
        u16::from_str_radix(port, 16).expect("a number")
    };
    let rows = table.lines().skip(1).filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (timer, ticks) = words[5].split_once(':').expect("a timer");
        (words[3] == "01").then(|| Row {
            own: port(words[1]),
            peer: port(words[2]),
            timer: u8::try_from(hex(timer)).expect("a kind"),
            ticks: hex(ticks),
        })
    });
    rows.collect()
}

/// Waits until the system watches all of these connections, and checks that it asks within 45 s whether anybody is at the other end.
fn assert_watched(is_one: impl Fn(&Row) -> bool, count: usize) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // A table that changes while it is read may have one connection several times.
        let rows = connections().into_iter().filter(&is_one);
        let rows: BTreeMap<_, _> = rows.map(|row| ((row.own, row.peer), row)).collect();
        let rows: Vec<Row> = rows.into_values().collect();
        assert_eq!(rows.len(), count, "{rows:?}");
        // The peer's acknowledgement may be on its way for a moment; another timer runs until then.
        if rows.iter().all(|row| row.timer == 2) {
            assert!(rows.iter().all(|row| row.ticks <= 4500), "{rows:?}");
            return;
        }
        assert!(Instant::now() < deadline, "{rows:?}");
        std::thread::yield_now();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn while_an_origin_thinks_the_system_watches_both_sides() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(move |conn| {
        conn.expect_request();
        wait.lock().expect("it").recv().expect("the word");
        conn.ok("thought");
    });
    let tunnel_to = Origin::plain(|conn| {
        conn.channel.fill();
        while conn.channel.fill() {}
    });
    let run = home
        .run(&origin)
        .args(tunnel_to.leads_here(&["unclaimed.test"], 443))
        .start();
    let mut client = run.proxy.tls(HOST);
    client.send(post());
    origin.wait_for_requests(1);
    let mut tunnel = run.proxy.tunnel("unclaimed.test:443");
    tunnel.send("x");
    tunnel_to.wait_for_bytes(1);
    for port in [origin.port, tunnel_to.port] {
        assert_watched(|row| row.peer == port, 1);
    }
    assert_watched(|row| row.own == run.proxy.port, 2);
    go.send(()).expect("an origin");
    assert_eq!(client.response("POST").text(), "thought");
    drop(tunnel);
    run.stop();
}

#[test]
fn a_client_that_has_ended_its_sending_in_the_clear_has_the_answer() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let home = Home::new();
    let origin = Origin::plain(move |conn| {
        conn.expect_request();
        wait.lock().expect("it").recv().expect("the word");
        conn.ok("thought");
    });
    let run = home
        .authsome(["run"])
        .args(origin.leads_here(&["plain.test"], 80))
        .start();
    let socket = client::connect(run.proxy.port);
    let mut client = Channel::new(Box::new(socket.try_clone().expect("another handle")));
    client.send("GET http://plain.test/ HTTP/1.1\r\nHost: plain.test\r\n\r\n");
    origin.wait_for_requests(1);
    socket.shutdown(Shutdown::Write).expect("an open socket");
    go.send(()).expect("an origin");
    assert_eq!(client.response("GET").text(), "thought");
    run.stop();
}

#[test]
fn a_limit_that_the_user_sets_is_in_the_error() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(|conn| while conn.channel.fill() {});
    let run = home.run(&origin).args(["--upstream-timeout", "1"]).start();
    let response = run.proxy.exchange(HOST, &post());
    let body = response.assert_refusal(504, "http_response_timeout");
    let error = body["error"].as_str().expect("text");
    assert!(error.contains("within 1 s"), "{error}");
    assert!(body["hint"].as_str().expect("text").contains("omit it"));
    run.stop();
}
