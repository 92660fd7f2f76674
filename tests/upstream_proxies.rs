//! Upstream proxies that use TLS or SOCKS, and those that can't be used.

use std::net::TcpListener;

use crate::refresh::logged_in;
use crate::support::Home;
use crate::support::SECRET;
use crate::support::client;
use crate::support::idp::Idp;
use crate::support::origin::Certificate;
use crate::support::origin::Conn;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
use crate::support::socks::Socks;
use crate::support::socks::shuttle;
use crate::support::wire::End;
use crate::support::wire::Filled;
use crate::support::wire::base64;

/// A user and a password as a URL has them, and as they are.
const USER: (&str, &str) = ("us%40er:p%3aw%40", "us@er:p:w@");

/// A GET.
fn get() -> String {
    format!("GET /v1 HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}

/// Echoes each request in its answer.
fn echo(conn: &mut Conn) {
    while let Some(request) = conn.request() {
        conn.ok(&request.text());
    }
}

/// Sends a greeting, then echoes what it receives.
fn talks_first(conn: &mut Conn) {
    conn.send("SSH-2.0-test\r\n");
    let heard = conn.channel.until(b"\n").expect("a line");
    conn.send(heard);
}

#[test]
fn a_proxy_of_socks_is_told_the_name_the_user_and_the_password() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(always_ok);
    let socks = Socks::start(Some(USER.1), origin.port);
    let run = home
        .authsome(["run", "--upstream-ca", &origin.ca_file()])
        .env("ACME_API_KEY", SECRET)
        .env(
            "ALL_PROXY",
            format!("socks5h://{}@localhost:{}", USER.0, socks.origin.port),
        )
        .start();
    assert!(!run.env.values().any(|value| value.contains("p%3aw")));
    assert_eq!(run.proxy.exchange(HOST, &get()).text(), "ok");
    run.stop().assert_without("p%3aw").assert_without("p:w");
    assert_eq!(socks.finish(), [format!("{} {HOST} 443", USER.1)]);
    let arrived = origin.finish();
    assert_eq!(
        arrived.only().one("Authorization"),
        format!("Bearer {SECRET}")
    );
}

#[test]
fn names_are_resolved_here_for_socks5_and_there_for_socks5h() {
    for (scheme, expected) in [
        ("socks5h", &["localhost"][..]),
        ("socks5", &["127.0.0.1", "::1"]),
    ] {
        let home = Home::new();
        home.acme("");
        let origin = Origin::start(always_ok);
        let socks = Socks::start(None, origin.port);
        let run = home
            .authsome(["run", "--upstream-ca", &origin.ca_file()])
            .arg(format!("--connect-to={HOST}:443:localhost:{}", origin.port))
            .env("ACME_API_KEY", SECRET)
            .env(
                "HTTPS_PROXY",
                format!("{scheme}://127.0.0.1:{}", socks.origin.port),
            )
            .start();
        assert_eq!(run.proxy.exchange(HOST, &get()).text(), "ok");
        run.stop();
        let asked = socks.finish();
        let [only] = asked.as_slice() else {
            panic!("{asked:?}");
        };
        let host = only.strip_suffix(&format!(" {}", origin.port));
        assert!(
            host.is_some_and(|host| expected.contains(&host)),
            "{asked:?}"
        );
        origin.finish().only();
    }
}

#[test]
fn plain_http_through_socks_is_as_the_origin_wants_it() {
    let home = Home::new();
    let origin = Origin::plain(always_ok);
    let socks = Socks::start(None, origin.port);
    let url = format!("socks5h://127.0.0.1:{}", socks.origin.port);
    let run = home.authsome(["run"]).env("http_proxy", url).start();
    let mut client = run.proxy.plain();
    client.send("GET http://other.test:81/a?b HTTP/1.1\r\nHost: other.test:81\r\n\r\n");
    assert_eq!(client.response("GET").text(), "ok");
    run.stop();
    assert_eq!(socks.finish(), ["other.test 81"]);
    let arrived = origin.finish();
    assert_eq!(arrived.only().target(), "/a?b");
    assert!(!arrived.only().has("Proxy-Authorization"));
}

#[test]
fn a_server_that_talks_first_is_heard_through_socks() {
    let home = Home::new();
    let origin = Origin::plain(talks_first);
    let socks = Socks::start(None, origin.port);
    let url = format!("socks5h://127.0.0.1:{}", socks.origin.port);
    let run = home.authsome(["run"]).env("ALL_PROXY", url).start();
    let mut tunnel = run.proxy.tunnel("git.test:22");
    assert_eq!(tunnel.until(b"\n").expect("a line"), b"SSH-2.0-test\r\n");
    tunnel.send("hello\n");
    assert_eq!(tunnel.until(b"\n").expect("a line"), b"hello\n");
    drop(tunnel);
    run.stop();
    assert_eq!(socks.finish(), ["git.test 22"]);
}

/// What an answer says of the proxy that sends these bytes to the greeting, and goes on or ends.
fn told_of_socks(user: &str, replies: &'static [&'static [u8]]) -> String {
    let home = Home::new();
    home.acme("");
    let proxy = Origin::plain(move |conn| {
        for reply in replies {
            if !conn.channel.fill() || !conn.channel.try_send(reply) {
                return;
            }
        }
        conn.channel.received();
    });
    let run = home
        .authsome(["run"])
        .env("ACME_API_KEY", SECRET)
        .env(
            "HTTPS_PROXY",
            format!("socks5h://{user}127.0.0.1:{}", proxy.port),
        )
        .start();
    let response = run.proxy.exchange(HOST, &get());
    assert_eq!(response.status(), 502, "{response}");
    let error = response.json()["error"].as_str().expect("text").to_owned();
    run.stop().assert_without("s3cr3t");
    proxy.finish().assert_without(SECRET);
    error
}

#[test]
fn a_proxy_that_does_not_do_what_socks_wants_is_told() {
    let agreed: &[u8] = b"\x05\0";
    let cases: [(&str, &'static [&'static [u8]], &str); 9] = [
        ("", &[], "ended the connection"),
        ("", &[b"\x05"], "ended the connection"),
        ("", &[b"HTTP/1.1 400 Bad Request\r\n\r\n"], "write http://"),
        ("", &[b"\x04\x5a"], "does not answer in SOCKS 5"),
        ("", &[b"\x05\x02"], "does not answer in SOCKS 5"),
        ("", &[b"\x05\xff"], "wants a user and a password"),
        (
            "u:s3cr3t@",
            &[b"\x05\x02", b"\x01\x01"],
            "does not take the user and the password",
        ),
        ("u:s3cr3t@", &[b"\x05\x02", b"\x05\0"], "SOCKS 5"),
        ("u:s3cr3t@", &[b"\x05\xff"], "another way to log in"),
    ];
    for (user, replies, words) in cases {
        let error = told_of_socks(user, replies);
        assert!(error.contains(words), "{error}");
        assert!(!error.contains("s3cr3t"), "{error}");
    }
    let answers: [(&'static [&'static [u8]], &str); 5] = [
        (
            &[b"\x05\0", b"\x05\x02\0\x01\0\0\0\0\0\0"],
            "does not allow it",
        ),
        (&[b"\x05\0", b"\x05\x05\0\x01"], "refused"),
        (&[b"\x05\0", b"\x05\x08\0\x01"], "socks5://"),
        (&[b"\x05\0", b"\x05\0\0\x09"], "does not answer in SOCKS 5"),
        // In the clear, where the origin's TLS is to begin.
        (
            &[
                b"\x05\0",
                b"\x05\0\0\x01\0\0\0\0\0\0HTTP/1.1 200 OK\r\n\r\n",
            ],
            "bytes behind its answer",
        ),
    ];
    for (replies, words) in answers {
        assert_eq!(replies[0], agreed);
        let error = told_of_socks("", replies);
        assert!(error.contains(words), "{error}");
    }
}

/// A proxy that leads every tunnel to one port of this machine, where the user and the password are right.
fn http_proxy(port: u16) -> impl Fn(&mut Conn) + Send + Sync {
    move |conn| {
        let request = conn.expect_request();
        let expected = format!("Basic {}", base64(USER.1.as_bytes()));
        if request.all("Proxy-Authorization") != [&*expected] {
            conn.send("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
        } else if request.method() == "CONNECT" {
            let there = client::connect(port);
            conn.send("HTTP/1.1 200 OK\r\n\r\n");
            shuttle(&mut conn.channel, there);
        } else {
            conn.ok("by proxy");
        }
    }
}

#[test]
fn a_proxy_of_https_is_verified_and_leads_to_a_verified_origin() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(echo);
    let proxy = Origin::start(http_proxy(origin.port));
    let run = home
        .authsome(["run", "--upstream-ca", &origin.ca_file()])
        .args(["--upstream-ca", &proxy.ca_file()])
        .env("ACME_API_KEY", SECRET)
        .env(
            "ALL_PROXY",
            format!("https://{}@localhost:{}", USER.0, proxy.port),
        )
        .start();
    // More than any buffer holds, there and back.
    let body = "0123456789abcdef".repeat(64 * 1024);
    let post = format!(
        "POST /v1 HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    for _ in 0..2 {
        let response = run.proxy.exchange(HOST, &post);
        assert_eq!(response.status(), 200);
        assert!(response.whole && response.text() == body);
    }
    // In the clear to an origin, and sealed to the proxy.
    let mut client = run.proxy.plain();
    client.send("GET http://other.test/a HTTP/1.1\r\nHost: other.test\r\n\r\n");
    assert_eq!(client.response("GET").text(), "by proxy");
    run.stop().assert_without("p%3aw").assert_without("p:w");
    let asked = proxy.finish();
    asked.assert_without(SECRET);
    let targets: Vec<&str> = asked
        .requests
        .iter()
        .map(|request| request.target())
        .collect();
    assert!(targets.contains(&"http://other.test/a"), "{targets:?}");
    assert!(targets.contains(&&*format!("{HOST}:443")), "{targets:?}");
    for request in origin.finish().requests {
        assert_eq!(request.one("Authorization"), format!("Bearer {SECRET}"));
        assert!(!request.has("Proxy-Authorization"));
    }
}

#[test]
fn a_blind_tunnel_through_a_proxy_of_https_passes() {
    let home = Home::new();
    let origin = Origin::plain(|conn| {
        let heard = conn.channel.until(b"\n").expect("a line");
        conn.send(heard);
    });
    let proxy = Origin::start(http_proxy(origin.port));
    let url = format!("https://{}@localhost:{}", USER.0, proxy.port);
    let run = home
        .authsome(["run", "--upstream-ca", &proxy.ca_file()])
        .env("HTTPS_PROXY", url)
        .start();
    let mut tunnel = run.proxy.tunnel("git.test:22");
    tunnel.send("hello\n");
    assert_eq!(tunnel.until(b"\n").expect("a line"), b"hello\n");
    drop(tunnel);
    run.stop();
    assert_eq!(proxy.finish().only().target(), "git.test:22");
}

#[test]
fn what_a_proxy_of_https_cuts_short_does_not_look_whole() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(|conn| {
        conn.expect_request();
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
        conn.cut();
    });
    // The proxy ends its own TLS as it should.
    let proxy = Origin::start(http_proxy(origin.port));
    let run = home
        .authsome(["run", "--upstream-ca", &origin.ca_file()])
        .args(["--upstream-ca", &proxy.ca_file()])
        .env("ACME_API_KEY", SECRET)
        .env(
            "HTTPS_PROXY",
            format!("https://{}@localhost:{}", USER.0, proxy.port),
        )
        .start();
    let response = run.proxy.exchange(HOST, &get());
    assert_eq!((response.status(), response.whole), (200, false));
    assert_eq!(response.text(), "half");
    run.stop();
    origin.finish();
}

#[test]
fn a_proxy_of_https_that_is_not_verified_gets_nothing() {
    let home = Home::new();
    home.acme("");
    for (certificate, words) in [
        (Certificate::WrongName, "another name"),
        (Certificate::SelfSigned, "no trusted root"),
    ] {
        let proxy = Origin::with(certificate, always_ok);
        let run = home
            .authsome(["run", "--upstream-ca", &proxy.ca_file()])
            .env("ACME_API_KEY", SECRET)
            .env(
                "HTTPS_PROXY",
                format!("https://{}@localhost:{}", USER.0, proxy.port),
            )
            .start();
        let response = run.proxy.exchange(HOST, &get());
        let body =
            response.assert_refusal(502, "destination_unavailable; details=\"upstream proxy\"");
        let error = body["error"].as_str().expect("text");
        assert!(
            error.contains("upstream proxy") && error.contains(words),
            "{error}"
        );
        run.stop();
        proxy.finish().assert_nothing();
    }
}

#[test]
fn a_proxy_that_never_comes_to_its_answer_is_given_up() {
    let home = Home::new();
    let proxy = Origin::plain(|conn| {
        conn.expect_request();
        let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(100);
        while conn.channel.try_send(&interim) {}
    });
    let url = format!("http://127.0.0.1:{}", proxy.port);
    let run = home.authsome(["run"]).env("HTTPS_PROXY", url).start();
    let (answer, _) = run.proxy.ask_for("git.test:22");
    answer.assert_refusal(502, "destination_unavailable; details=\"upstream proxy\"");
    run.stop();
    proxy.finish();
}

#[test]
fn a_proxy_that_cannot_be_used_is_told_and_nothing_goes_without_it() {
    for (variable, url) in [
        ("HTTPS_PROXY", "socks4://u:p%40ss@127.0.0.1:1080"),
        ("ALL_PROXY", "ftp://u:p%40ss@127.0.0.1:1080"),
        ("ALL_PROXY", "http://u:p%40ss@"),
        // A slash of the password ends what is before the path.
        ("HTTPS_PROXY", "http://u:1/p%40ss@127.0.0.1:1080"),
    ] {
        let home = Home::new();
        home.acme("");
        let origin = Origin::start(always_ok);
        let run = home
            .run(&origin)
            .args(origin.leads_here(&["other.test"], 443))
            .env(variable, url)
            .env("NO_PROXY", "other.test")
            .start();
        let response = run.proxy.exchange(HOST, &get());
        let body =
            response.assert_refusal(502, "destination_unavailable; details=\"upstream proxy\"");
        let error = body["error"].as_str().expect("text");
        assert!(error.contains(variable), "{error}");
        assert!(!response.text().contains("ss@"), "{error}");
        let (answer, _) = run.proxy.ask_for("third.test:443");
        answer.assert_refusal(502, "destination_unavailable; details=\"upstream proxy\"");
        // What needs no proxy goes on.
        assert_eq!(run.proxy.ask_for("other.test:443").0.status(), 200);
        run.stop()
            .assert_stderr(&[variable, "socks5h://"])
            .assert_without("p%40ss");
        assert!(origin.finish().requests.is_empty());
    }
}

#[test]
fn a_kept_connection_through_a_proxy_of_https_that_has_ended_is_not_used() {
    for is_cut in [false, true] {
        let home = Home::new();
        home.acme("");
        let origin = Origin::start(move |conn| {
            conn.expect_request();
            conn.ok("once");
            if is_cut {
                conn.cut();
            }
        });
        let proxy = Origin::start(http_proxy(origin.port));
        let run = home
            .authsome(["run", "--upstream-ca", &origin.ca_file()])
            .args(["--upstream-ca", &proxy.ca_file()])
            .env("ACME_API_KEY", SECRET)
            .env(
                "HTTPS_PROXY",
                format!("https://{}@localhost:{}", USER.0, proxy.port),
            )
            .start();
        let post = format!("POST /v1 HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 2\r\n\r\nhi");
        for _ in 0..4 {
            let response = run.proxy.exchange(HOST, &post);
            assert_eq!(
                (response.status(), response.whole),
                (200, true),
                "{response}"
            );
            assert_eq!(response.text(), "once");
        }
        run.stop();
        assert_eq!(origin.finish().requests.len(), 4);
        proxy.finish();
    }
}

#[test]
fn a_proxy_that_is_not_there_is_told_as_the_proxy() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = closed.local_addr().expect("its address").port();
    drop(closed);
    for scheme in ["http", "https", "socks5h"] {
        let home = Home::new();
        home.acme("");
        let url = format!("{scheme}://u:p%40ss@127.0.0.1:{port}");
        let run = home
            .authsome(["run"])
            .env("ACME_API_KEY", SECRET)
            .env("ALL_PROXY", url)
            .start();
        let response = run.proxy.exchange(HOST, &get());
        let body =
            response.assert_refusal(502, "destination_unavailable; details=\"upstream proxy\"");
        let expected = format!("the upstream proxy 127.0.0.1:{port} refused the connection");
        assert_eq!(body["error"].as_str(), Some(&*expected));
        run.stop().assert_without("ss@");
    }
}

#[test]
fn tokens_are_had_through_proxies_too() {
    for scheme in ["socks5", "socks5h", "https"] {
        let idp = Idp::start();
        let home = logged_in(&idp, 3600);
        let old = idp.newest("access");
        idp.forget_access_tokens();
        let socks = Socks::start(Some(USER.1), idp.origin.port);
        let tls = Origin::start(http_proxy(idp.origin.port));
        let port = match scheme {
            "https" => tls.port,
            _ => socks.origin.port,
        };
        let run = idp
            .run(&home)
            .args(["--upstream-ca", &tls.ca_file()])
            .env(
                "ALL_PROXY",
                format!("{scheme}://{}@localhost:{port}", USER.0),
            )
            .start();
        assert_eq!(run.proxy.exchange(HOST, &get()).text(), "ok");
        let output = run.stop();
        idp.assert_discreet(&output);
        output.assert_without("p%3aw").assert_without("p:w");
        let sent: Vec<Option<String>> = idp
            .seen("/v1")
            .into_iter()
            .map(|seen| seen.authorization)
            .collect();
        let expected = [old, idp.newest("access")].map(|token| Some(format!("Bearer {token}")));
        assert_eq!((sent.as_slice(), idp.refreshes().len()), (&expected[..], 1));
        // To the API and to the server of tokens: nothing passes the proxy by.
        let tunnels = match scheme {
            "https" => tls.finish().requests.len(),
            _ => socks.finish().len(),
        };
        assert!(tunnels >= 2, "{tunnels}");
    }
}

#[test]
fn a_blind_tunnel_ends_in_order_whatever_way_a_proxy_of_https_ends() {
    for is_cut in [false, true] {
        let home = Home::new();
        // Whether something is missing is for what the tunnel carries to tell: an end of TCP tells no more.
        let proxy = Origin::start(move |conn| {
            conn.expect_request();
            conn.send("HTTP/1.1 200 OK\r\n\r\nbye\n");
            if is_cut {
                conn.cut();
            }
        });
        let url = format!("https://localhost:{}", proxy.port);
        let run = home
            .authsome(["run", "--upstream-ca", &proxy.ca_file()])
            .env("HTTPS_PROXY", url)
            .start();
        let mut tunnel = run.proxy.tunnel("git.test:22");
        assert_eq!(tunnel.until(b"\n").expect("a line"), b"bye\n");
        assert!(
            matches!(tunnel.try_fill(), Filled::Ended(End::Clean)),
            "{is_cut}"
        );
        drop(tunnel);
        run.stop();
        proxy.finish();
    }
}
