//! The way to origins: certificates, failures before an answer, connections kept, upstream proxies.

use std::io;
use std::net::Shutdown;
use std::net::TcpListener;
use std::net::TcpStream;
use std::thread;

use crate::support::Home;
use crate::support::SECRET;
use crate::support::Scene;
use crate::support::client;
use crate::support::origin::Certificate;
use crate::support::origin::Conn;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
use crate::support::wire::Message;
use crate::support::wire::base64;

/// A request that may be repeated.
fn get() -> String {
    format!("GET /v1 HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}

/// One that may not.
fn post() -> String {
    format!("POST /v1 HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 2\r\n\r\nhi")
}

/// Checks that an origin with this certificate gets nothing, and that the answer names the check that failed.
pub(crate) fn assert_not_trusted(certificate: Certificate, knows_ca: bool, words: &str) {
    let home = Home::new();
    home.acme("");
    let origin = Origin::with(certificate, always_ok);
    let args = if knows_ca {
        origin.args()
    } else {
        origin.leads_here(&[HOST], 443)
    };
    let run = home
        .authsome(["run"])
        .args(args)
        .env("ACME_API_KEY", SECRET)
        .start();
    let response = run.proxy.exchange(HOST, &post());
    let body = response.assert_refusal(502, "tls_certificate_error");
    let error = body["error"].as_str().expect("text");
    assert!(error.contains(HOST) && error.contains(words), "{error}");
    assert!(!response.text().contains(SECRET));
    run.stop();
    let arrived = origin.finish();
    arrived.assert_nothing();
    assert_eq!(arrived.accepted, 1);
}

#[test]
fn an_expired_certificate_gets_nothing() {
    assert_not_trusted(Certificate::Expired, true, "expired");
}

#[test]
fn a_self_signed_certificate_gets_nothing() {
    assert_not_trusted(Certificate::SelfSigned, true, "no trusted root");
}

#[test]
fn a_certificate_for_another_host_gets_nothing() {
    assert_not_trusted(Certificate::WrongName, true, "name");
}

#[test]
fn a_certificate_of_an_unknown_authority_gets_nothing() {
    assert_not_trusted(Certificate::Good, false, "no trusted root");
}

#[test]
fn an_origin_without_tls_gets_nothing() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::plain(|conn| {
        conn.channel.fill();
        conn.channel
            .try_send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    });
    let run = home.run(&origin).start();
    let response = run.proxy.exchange(HOST, &get());
    response.assert_refusal(502, "tls_protocol_error");
    run.stop();
    origin.finish().assert_without(SECRET);
}

#[test]
fn the_roots_of_the_parent_s_ssl_cert_file_are_trusted_unless_told_otherwise() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(always_ok);
    for (roots, status) in [("system", 200), ("mozilla", 502)] {
        let run = home
            .authsome(["run", "--roots", roots])
            .args(origin.leads_here(&[HOST], 443))
            .env("ACME_API_KEY", SECRET)
            .env("SSL_CERT_FILE", origin.ca_file())
            .start();
        assert_eq!(run.proxy.exchange(HOST, &get()).status(), status, "{roots}");
        run.stop();
    }
    assert_eq!(origin.finish().requests.len(), 1);
}

/// A port on which nobody listens.
fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

#[test]
fn a_port_that_refuses_is_told() {
    let home = Home::new();
    home.acme("");
    let run = home
        .authsome(["run"])
        .arg(format!("--connect-to=::127.0.0.1:{}", closed_port()))
        .env("ACME_API_KEY", SECRET)
        .start();
    let response = run.proxy.exchange(HOST, &get());
    response.assert_refusal(502, "connection_refused");
    // A blind tunnel says so before it is one.
    let (answer, _) = run.proxy.ask_for("other.test:443");
    answer.assert_refusal(502, "connection_refused");
    run.stop();
}

#[test]
fn a_name_without_an_address_is_told() {
    let home = Home::new();
    let run = home.authsome(["run"]).start();
    let (answer, _) = run.proxy.ask_for("no-such-host.invalid:443");
    let is_late = answer.status() == 504;
    let (status, token) = if is_late {
        (504, "dns_timeout")
    } else {
        (502, "dns_error")
    };
    let body = answer.assert_refusal(status, token);
    assert!(
        body["error"]
            .as_str()
            .expect("text")
            .contains("no-such-host.invalid")
    );
    run.stop();
}

#[test]
fn an_origin_that_ends_before_it_answers_is_told_and_not_asked_again() {
    for request in [get(), post()] {
        let scene = Scene::new("", |conn| {
            conn.expect_request();
        });
        let response = scene.exchange(&request);
        response.assert_refusal(502, "connection_terminated");
        assert_eq!(scene.finish().arrived.requests.len(), 1);
    }
}

#[test]
fn an_origin_that_ends_within_its_head_is_told() {
    let scene = Scene::new("", |conn| {
        conn.expect_request();
        conn.send("HTTP/1.1 200 OK\r\nContent-Le");
    });
    let response = scene.exchange(&get());
    response.assert_refusal(502, "connection_terminated");
    assert_eq!(scene.finish().arrived.requests.len(), 1);
}

#[test]
fn an_origin_that_does_not_answer_in_time_is_told() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(|conn| while conn.channel.fill() {});
    let run = home.run(&origin).args(["--upstream-timeout", "1"]).start();
    let response = run.proxy.exchange(HOST, &get());
    response.assert_refusal(504, "http_response_timeout");
    run.stop();
}

#[test]
fn a_refused_request_keeps_the_connection_where_its_framing_is_known() {
    let scene = Scene::new("", |conn| {
        if conn.number == 0 {
            conn.expect_request();
        } else {
            always_ok(conn);
        }
    });
    let mut client = scene.client();
    client.send(get());
    client
        .response("GET")
        .assert_refusal(502, "connection_terminated");
    client.send(get());
    assert_eq!(client.response("GET").text(), "ok");
    scene.finish();
}

#[test]
fn connections_of_the_child_share_one_to_the_origin() {
    let scene = Scene::ok("");
    for _ in 0..5 {
        let mut client = scene.client();
        client.send(get());
        assert_eq!(client.response("GET").text(), "ok");
        // Answered by the proxy itself, once it has put the connection of the first request aside.
        client.send(format!("TRACE / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
        assert_eq!(client.response("TRACE").status(), 405);
    }
    let arrived = scene.finish().arrived;
    assert_eq!((arrived.accepted, arrived.established), (1, 1));
    assert_eq!(arrived.requests.len(), 5);
}

#[test]
fn a_connection_is_kept_for_no_longer_than_the_origin_says() {
    for (announced, connections) in [("timeout=0, max=100", 2), ("max=9, Timeout=60", 1)] {
        let answer =
            format!("HTTP/1.1 200 OK\r\nKeep-Alive: {announced}\r\nContent-Length: 2\r\n\r\nok");
        let scene = Scene::new("", move |conn| {
            while conn.request().is_some() {
                conn.send(&*answer);
            }
        });
        for _ in 0..2 {
            let mut client = scene.client();
            client.send(post());
            let response = client.response("POST");
            assert_eq!(response.text(), "ok");
            assert!(!response.has("Keep-Alive"), "{response}");
        }
        assert_eq!(scene.finish().arrived.accepted, connections, "{announced}");
    }
}

#[test]
fn a_connection_that_the_origin_ends_is_not_used_again() {
    for answer in [
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ] {
        let scene = Scene::new("", move |conn| {
            conn.expect_request();
            conn.send(answer);
            assert!(conn.request().is_none(), "a second request");
        });
        let mut client = scene.client();
        for _ in 0..2 {
            client.send(post());
            let response = client.response("POST");
            assert_eq!(response.text(), "ok");
            assert!(!response.has("Connection"), "{response}");
        }
        assert_eq!(scene.finish().arrived.accepted, 2);
    }
}

/// Answers the first request of the first connection and reads the second, which it leaves unanswered; serves others well.
fn ends_after_one(conn: &mut Conn) {
    if conn.number > 0 {
        return always_ok(conn);
    }
    conn.expect_request();
    conn.ok("first");
    conn.expect_request();
}

#[test]
fn a_get_on_a_connection_that_was_dead_is_sent_once_more() {
    let scene = Scene::new("", ends_after_one);
    let mut client = scene.client();
    client.send(get());
    assert_eq!(client.response("GET").text(), "first");
    client.send(get());
    assert_eq!(client.response("GET").text(), "ok");
    let arrived = scene.finish().arrived;
    assert_eq!((arrived.accepted, arrived.requests.len()), (2, 3));
    for request in arrived.requests {
        assert_eq!(request.one("Authorization"), format!("Bearer {SECRET}"));
    }
}

#[test]
fn a_get_is_not_sent_once_more_when_its_answer_had_begun() {
    let scene = Scene::new("", |conn| {
        conn.expect_request();
        conn.ok("first");
        conn.expect_request();
        conn.send("HTTP/1.1 103 Early Hints\r\n\r\n");
        conn.cut();
    });
    let mut client = scene.client();
    client.send(get());
    assert_eq!(client.response("GET").text(), "first");
    client.send(get());
    assert_eq!(client.response("GET").status(), 103);
    client.rest();
    assert_eq!(scene.finish().arrived.requests.len(), 2);
}

#[test]
fn requests_with_and_without_a_credential_share_no_connection() {
    let scene = Scene::ok(r#""api_url": "https://api.acme.test/v1""#);
    let mut client = scene.client();
    for path in ["/v1", "/v2", "/v1", "/v2"] {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
        assert_eq!(client.response("GET").text(), "ok");
    }
    assert_eq!(scene.finish().arrived.accepted, 2);
}

#[test]
fn the_proxy_does_not_connect_to_itself() {
    let home = Home::new();
    let run = home.authsome(["run"]).start();
    let port = run.proxy.port;
    for host in [
        "127.0.0.1",
        "localhost",
        "127.0.0.2",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
    ] {
        let (answer, _) = run.proxy.ask_for(&format!("{host}:{port}"));
        answer.assert_refusal(502, "proxy_loop_detected");
    }
    let mut client = run.proxy.plain();
    client.send(format!(
        "GET http://localhost:{port}/ HTTP/1.1\r\nHost: x\r\n\r\n"
    ));
    let response = client.response("GET");
    response.assert_refusal(502, "proxy_loop_detected");
    run.stop();
}

/// Copies bytes until the end, and passes that on.
fn pump(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

/// A proxy that opens tunnels to ports of this machine, where the password is right.
pub(crate) fn tunnel_proxy(conn: &mut Conn) {
    let request = conn.expect_request();
    let expected = format!("Basic {}", base64(b"user:p@ss"));
    if request.method() != "CONNECT" {
        return conn.ok("by proxy");
    }
    if request.all("Proxy-Authorization") != [&*expected] {
        return conn
            .send("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    }
    let port = request.target().rsplit(':').next().expect("a port");
    let there = client::connect(port.parse().expect("a port"));
    conn.send("HTTP/1.1 200 OK\r\n\r\n");
    let here = conn.channel.socket();
    let back = (there.try_clone(), here.try_clone());
    let up = move || pump(here, there);
    let up = thread::Builder::new().spawn(up).expect("a thread");
    pump(back.0.expect("a handle"), back.1.expect("a handle"));
    up.join().expect("the other direction");
}

/// A run behind the proxy, and what arrives there and at the origin for one GET.
fn through_proxy(url: &str, no_proxy: &str) -> (Message, Vec<Message>, Vec<Message>) {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(always_ok);
    let proxy = Origin::plain(tunnel_proxy);
    let url = url.replace("PORT", &proxy.port.to_string());
    let run = home
        .run(&origin)
        .env("HTTPS_PROXY", &url)
        .env("NO_PROXY", no_proxy)
        .start();
    assert!(run.env.values().all(|value| !value.contains("p%40ss")));
    let response = run.proxy.exchange(HOST, &get());
    run.stop().assert_without("p%40ss").assert_without("p@ss");
    (response, proxy.finish().requests, origin.finish().requests)
}

#[test]
fn the_parent_s_proxy_is_asked_for_a_tunnel_with_its_password() {
    let (response, asked, arrived) = through_proxy("http://user:p%40ss@127.0.0.1:PORT", "");
    assert_eq!(response.text(), "ok");
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].method(), "CONNECT");
    assert!(!asked[0].has("Authorization"));
    assert_eq!(arrived[0].one("Authorization"), format!("Bearer {SECRET}"));
    assert!(!arrived[0].has("Proxy-Authorization"));
}

#[test]
fn a_proxy_that_opens_no_tunnel_is_told() {
    let (response, asked, arrived) = through_proxy("http://127.0.0.1:PORT", "");
    response.assert_refusal(502, "destination_unavailable; details=\"upstream proxy\"");
    assert!(!response.text().contains(SECRET));
    assert_eq!((asked.len(), arrived.len()), (1, 0));
}

#[test]
fn the_parent_s_no_proxy_is_honoured() {
    for no_proxy in [HOST, ".acme.test", "*"] {
        let (response, asked, arrived) = through_proxy("http://127.0.0.1:PORT", no_proxy);
        assert_eq!(response.text(), "ok");
        assert_eq!((asked.len(), arrived.len()), (0, 1));
    }
}

#[test]
fn plain_http_goes_to_the_parent_s_proxy_in_absolute_form() {
    let home = Home::new();
    let proxy = Origin::plain(tunnel_proxy);
    let url = format!("http://user:p%40ss@127.0.0.1:{}/", proxy.port);
    let run = home.authsome(["run"]).env("http_proxy", url).start();
    let mut client = run.proxy.plain();
    client.send("GET http://other.test/a?b HTTP/1.1\r\nHost: other.test\r\n\r\n");
    assert_eq!(client.response("GET").text(), "by proxy");
    run.stop();
    let arrived = proxy.finish();
    assert_eq!(arrived.only().target(), "http://other.test/a?b");
    let expected = format!("Basic {}", base64(b"user:p@ss"));
    assert_eq!(arrived.only().one("Proxy-Authorization"), expected);
}

#[test]
fn a_run_within_a_run_goes_through_it() {
    let home = Home::new();
    home.acme("");
    home.like_acme("beta", r#""api_url": "other.test""#);
    let origin = Origin::start(always_ok);
    let inner = [env!("CARGO_BIN_EXE_authsome"), "run", "--upstream-ca"];
    let secret = home.file("beta-key", "beta-s3cret");
    let run = home
        .run(&origin)
        .args(origin.leads_here(&["other.test"], 443))
        .arg("--")
        .args(inner)
        .arg(origin.ca_file())
        .arg(format!("--credential=beta=file:{secret}"))
        .start();
    for host in [HOST, "other.test"] {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(run.proxy.exchange(host, &request).text(), "ok");
    }
    run.stop().assert_quiet();
    let requests = origin.finish().requests;
    let sent: Vec<&str> = requests.iter().map(|r| r.one("Authorization")).collect();
    assert_eq!(
        sent,
        [format!("Bearer {SECRET}"), "Bearer beta-s3cret".to_owned()]
    );
}
