//! Responses that are mended, and answers that end with the connection: what becomes of the connections on both sides.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use crate::support::Home;
use crate::support::SECRET;
use crate::support::Scene;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::wire::End;

/// Returns how many connections an origin has that gives these answers, one after another, to a client that asks for https URLs.
fn connections(host: &str, answers: &'static [&'static str]) -> usize {
    let home = Home::new();
    home.acme("");
    let next = AtomicUsize::new(0);
    let origin = Origin::start(move |conn| {
        while conn.request().is_some() {
            conn.send(answers[next.fetch_add(1, Ordering::Relaxed)]);
        }
    });
    let run = home
        .authsome(["run"])
        .args(origin.args_for(&[host]))
        .env("ACME_API_KEY", SECRET)
        .start();
    let mut client = run.proxy.plain();
    for answer in answers {
        client.send(format!(
            "GET https://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n"
        ));
        let response = loop {
            let response = client.response("GET");
            if response.status() >= 200 {
                break response;
            }
        };
        let received = (response.status(), response.text());
        assert_eq!(received, (200, "ok".to_owned()), "{answer:?}");
    }
    run.stop();
    origin.finish().accepted
}

/// An answer that needs no mending.
const GOOD: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";

#[test]
fn a_connection_whose_response_was_mended_is_not_used_again() {
    const MENDED: [&str; 9] = [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX A: b\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-A: b\n\r\n",
        "HTTP/1.1 103 Early\nX-A: b\n\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        GOOD,
    ];
    assert_eq!(connections("other.test", &[GOOD; 3]), 1);
    assert_eq!(connections("other.test", &MENDED), MENDED.len());
}

#[test]
fn a_connection_of_a_claimed_host_whose_response_was_folded_is_not_used_again() {
    const FOLDED: &str = "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 2\r\n\r\nok";
    assert_eq!(connections(HOST, &[GOOD, FOLDED, GOOD, GOOD]), 2);
}

#[test]
fn an_answer_that_ends_with_the_connection_ends_as_the_origin_s() {
    for (is_clean, expected) in [(true, End::Clean), (false, End::Cut)] {
        let scene = Scene::new("", move |conn| {
            conn.expect_request();
            conn.send("HTTP/1.0 200 OK\r\n\r\nall of it");
            if !is_clean {
                conn.cut();
            }
        });
        let mut client = scene.client();
        client.send(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
        let (received, end) = client.rest();
        let expected_bytes = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it";
        assert_eq!(received, expected_bytes, "{}", received.escape_ascii());
        assert_eq!(end, expected);
        scene.finish();
    }
}

#[test]
fn an_answer_that_ends_with_the_connection_is_reset_where_the_origin_s_is() {
    let scene = Scene::new("", |conn| {
        conn.channel.request_head();
        conn.send("HTTP/1.0 200 OK\r\n\r\npart");
        // The system resets a socket that is closed with unread bytes.
        let _ = conn.channel.socket().peek(&mut [0]);
        conn.drop_as_it_is();
    });
    let mut client = scene.client();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 6\r\n\r\n"
    ));
    let head = client.until(b"\r\n\r\npart");
    assert!(head.is_some());
    client.send("hello");
    assert_eq!(client.rest(), (Vec::new(), End::Reset));
    scene.finish();
}
