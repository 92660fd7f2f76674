//! HTTP/1.1 as it is on the wire: what is refused, how bodies are framed anew, and that what was cut never looks whole.

use std::sync::Mutex;
use std::sync::mpsc;

use crate::support::Home;
use crate::support::SECRET;
use crate::support::Scene;
use crate::support::origin::Conn;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
use crate::support::sent_on;
use crate::support::wait_until;
use crate::support::wire::End;
use crate::support::wire::Framing;
use crate::support::wire::Message;

/// A GET that keeps the connection.
fn get() -> String {
    format!("GET /v1 HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}

/// Sends this as it is, checks that it is refused, the connection closed and that nothing of it arrives.
fn assert_refused(request: impl AsRef<[u8]>, status: u16) {
    let scene = Scene::ok("");
    let mut client = scene.client();
    client.try_send(request.as_ref());
    let response = client.response("GET");
    response.assert_refusal(status, "http_request_error");
    assert_eq!(response.one("Connection"), "close");
    assert_eq!(client.rest().0, b"");
    scene.finish().arrived.assert_nothing();
}

/// Sends a POST with these lines and this body, checks that it is refused and that the origin never sees a whole request.
fn assert_body_refused(lines: &str, body: &str) {
    let scene = Scene::new("", |conn| while conn.request().is_some_and(|m| m.whole) {});
    let mut client = scene.client();
    client.try_send(format!(
        "POST /v1 HTTP/1.1\r\nHost: {HOST}\r\n{lines}\r\n{body}{}",
        get()
    ));
    let response = client.response("POST");
    response.assert_refusal(400, "http_request_error");
    assert_eq!(client.rest().0, b"");
    let arrived = scene.finish().arrived;
    let whole = arrived.requests.iter().filter(|request| request.whole);
    assert_eq!(whole.count(), 0, "{:?}", arrived.requests);
    arrived.assert_without("GET ");
}

/// The response to a GET that the client gets when the origin sends this and ends well.
fn answered(bytes: &'static str) -> Message {
    let scene = Scene::new("", move |conn| {
        conn.expect_request();
        conn.send(bytes);
    });
    let response = scene.exchange(&get());
    scene.finish();
    response
}

#[test]
fn both_lengths_are_refused() {
    let head = format!("POST / HTTP/1.1\r\nHost: {HOST}\r\n");
    assert_refused(
        format!("{head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        400,
    );
    assert_refused(
        format!("{head}Transfer-Encoding: chunked\r\nContent-Length: x\r\n\r\n0\r\n\r\n"),
        400,
    );
}

#[test]
fn a_second_content_length_is_refused() {
    let head = format!("POST / HTTP/1.1\r\nHost: {HOST}\r\n");
    for lines in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 6\r\n",
    ] {
        assert_refused(format!("{head}{lines}\r\nhello"), 400);
    }
}

#[test]
fn a_content_length_that_is_no_number_is_refused() {
    for length in ["+5", "-0", "0x5", "5 5", "", "5;a", "99999999999999999999"] {
        assert_refused(
            format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {length}\r\n\r\nhello"),
            400,
        );
    }
}

#[test]
fn a_content_length_that_is_repeated_arrives_once() {
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\nContent-Length: 005\r\n\r\nhello"
    );
    let request = sent_on("", &request);
    assert_eq!(request.one("Content-Length"), "5");
    assert_eq!(request.text(), "hello");
}

#[test]
fn a_transfer_coding_other_than_chunked_is_refused() {
    for coding in [
        "gzip, chunked",
        "chunked, identity",
        "chunked\r\nTransfer-Encoding: chunked",
        "xchunked",
        "chun\u{212A}ed",
        "\"chunked\"",
    ] {
        assert_refused(
            format!(
                "POST / HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n"
            ),
            400,
        );
    }
}

#[test]
fn chunks_in_http_1_0_are_refused() {
    assert_refused(
        format!("POST / HTTP/1.0\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        400,
    );
}

#[test]
fn a_bad_chunk_is_refused_and_the_request_stays_unfinished() {
    for body in [
        "5\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        ";a=b\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\n",
        "0\r\nX : y\r\n\r\n",
        "0\r\nX: a\nb: c\r\n\r\n",
    ] {
        assert_body_refused("Transfer-Encoding: chunked\r\n", body);
    }
}

#[test]
fn a_bare_line_feed_is_refused() {
    assert_refused(format!("GET / HTTP/1.1\nHost: {HOST}\r\n\r\n"), 400);
    assert_refused(format!("GET / HTTP/1.1\r\nHost: {HOST}\nX: y\r\n\r\n"), 400);
    assert_refused(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\n"), 400);
}

#[test]
fn a_bare_carriage_return_is_refused() {
    assert_refused(
        format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nX: a\rb\r\n\r\n"),
        400,
    );
    assert_refused(format!("GET / HTTP/1.1\r\rHost: {HOST}\r\n\r\n"), 400);
}

#[test]
fn a_folded_line_is_refused() {
    assert_refused(
        format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nX: a\r\n b\r\n\r\n"),
        400,
    );
    assert_refused(
        format!("GET / HTTP/1.1\r\n X: a\r\nHost: {HOST}\r\n\r\n"),
        400,
    );
}

#[test]
fn a_space_before_the_colon_is_refused() {
    assert_refused(
        format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nX : a\r\n\r\n"),
        400,
    );
    assert_refused(
        format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length : 5\r\n\r\nhello"),
        400,
    );
}

#[test]
fn control_bytes_are_refused() {
    for byte in ['\0', '\u{1}', '\u{7f}', '\u{b}'] {
        assert_refused(
            format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nX: a{byte}b\r\n\r\n"),
            400,
        );
        assert_refused(
            format!("GET /a{byte}b HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
            400,
        );
    }
}

#[test]
fn field_lines_without_name_or_colon_are_refused() {
    for line in [": a", "X", "X Y: a", "X\u{e9}: a", "(X): a"] {
        assert_refused(
            format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n{line}\r\n\r\n"),
            400,
        );
    }
}

#[test]
fn a_second_host_is_refused() {
    assert_refused(
        format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nHost: {HOST}\r\n\r\n"),
        400,
    );
}

#[test]
fn a_missing_host_is_refused() {
    assert_refused("GET / HTTP/1.1\r\n\r\n", 400);
}

#[test]
fn request_lines_of_another_form_are_refused() {
    for line in [
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET /#a HTTP/1.1",
        "GET /\u{e9} b HTTP/1.1",
        "GET v1 HTTP/1.1",
        "GET * HTTP/1.1",
        "G@T / HTTP/1.1",
        "GET /",
        "GET\t/\tHTTP/1.1",
    ] {
        assert_refused(format!("{line}\r\nHost: {HOST}\r\n\r\n"), 400);
    }
}

#[test]
fn versions_other_than_1_0_and_1_1_are_refused() {
    for (version, status) in [
        ("HTTP/2.0", 505),
        ("HTTP/1.2", 505),
        ("HTTP/1.32", 400),
        ("http/1.1", 400),
    ] {
        assert_refused(format!("GET / {version}\r\nHost: {HOST}\r\n\r\n"), status);
    }
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let filler = "a".repeat(60_000);
    assert_refused(
        format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nX: {filler}\r\nY: {filler}\r\n\r\n"),
        431,
    );
}

#[test]
fn too_many_fields_are_refused_and_as_many_as_may_be_are_not() {
    let fields = |count: usize| -> String { (0..count).map(|n| format!("X-{n}: 1\r\n")).collect() };
    let head = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n");
    assert_refused(format!("{head}{}\r\n", fields(256)), 431);
    let request = sent_on("", &format!("{head}{}\r\n", fields(255)));
    assert_eq!(request.one("X-254"), "1");
}

#[test]
fn a_target_that_is_too_long_is_refused_and_a_long_one_is_not() {
    let target = |length: usize| format!("/{}", "a".repeat(length));
    let request = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    assert_refused(request(&target(17_000)), 414);
    let arrived = sent_on("", &request(&target(8_000)));
    assert_eq!(arrived.target(), target(8_000));
}

#[test]
fn a_head_in_single_bytes_is_the_same_head() {
    let scene = Scene::ok("");
    let mut client = scene.client();
    for byte in get().bytes() {
        client.send([byte]);
    }
    assert_eq!(client.response("GET").text(), "ok");
    assert_eq!(scene.finish().arrived.only().line, "GET /v1 HTTP/1.1");
}

#[test]
fn values_outside_ascii_and_the_path_as_it_was_written_arrive() {
    let scene = Scene::ok("");
    let mut client = scene.client();
    let mut request = b"GET /a/./b//c%41?x=%zz HTTP/1.1\r\nX-Latin: ".to_vec();
    request.extend(b"\xe9\xff\r\n");
    request.extend(format!("Host: {HOST}\r\n\r\n").bytes());
    client.send(request);
    assert_eq!(client.response("GET").text(), "ok");
    let finished = scene.finish();
    let request = finished.arrived.only();
    assert_eq!(request.target(), "/a/./b//c%41?x=%zz");
    assert_eq!(request.one("X-Latin"), "\u{e9}\u{ff}");
}

#[test]
fn chunks_are_written_anew_both_ways() {
    let scene = Scene::new("", |conn| {
        let request = conn.expect_request();
        assert_eq!(request.framing, Framing::Chunked);
        conn.send(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
             00003;ext=\"x\"\r\nabc\r\n4\r\ndefg\r\n0\r\nX-Sum: 7\r\n\r\n",
        );
        assert!(conn.request().is_none());
    });
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: Chunked\r\n\r\n\
         005;secret=ext\r\nhello\r\n1\r\n!\r\n000\r\nX-Trailer: 1\r\n\r\n"
    );
    let response = scene.exchange(&request);
    assert_eq!(response.text(), "abcdefg");
    assert_eq!(response.framing, Framing::Chunked);
    assert_eq!(response.trailers, [("X-Sum".to_owned(), "7".to_owned())]);
    let finished = scene.finish();
    let request = finished.arrived.only();
    assert_eq!(request.text(), "hello!");
    assert_eq!(request.one("Transfer-Encoding"), "chunked");
    assert_eq!(request.trailers, []);
    finished.arrived.assert_without("secret=ext");
}

#[test]
fn the_answer_to_head_has_a_length_and_no_body() {
    let scene = Scene::new("", |conn| {
        while conn.request().is_some() {
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n");
        }
    });
    let mut client = scene.client();
    for _ in 0..2 {
        client.send(format!("HEAD /v1 HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
        let response = client.response("HEAD");
        assert_eq!(response.one("Content-Length"), "1234");
    }
    scene.finish();
}

#[test]
fn answers_without_content_have_no_body_and_keep_the_connection() {
    let scene = Scene::new("", |conn| {
        conn.expect_request();
        conn.send("HTTP/1.1 204 No Content\r\n\r\n");
        conn.expect_request();
        conn.send("HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: \"a\"\r\n\r\n");
        conn.expect_request();
        conn.ok("end");
    });
    let mut client = scene.client();
    client.send(get());
    let response = client.response("GET");
    assert_eq!(response.status(), 204);
    assert!(!response.has("content-length") && !response.has("transfer-encoding"));
    client.send(get());
    let response = client.response("GET");
    assert_eq!(response.status(), 304);
    assert_eq!(response.one("ETag"), "\"a\"");
    client.send(get());
    assert_eq!(client.response("GET").text(), "end");
    assert_eq!(scene.finish().arrived.accepted, 1);
}

#[test]
fn a_body_that_ends_with_the_connection_ends_with_the_client_s() {
    let scene = Scene::new("", |conn| {
        conn.expect_request();
        conn.send("HTTP/1.1 200 OK\r\n\r\nall of it");
    });
    let mut client = scene.client();
    client.send(get());
    let response = client.response("GET");
    assert_eq!(response.framing, Framing::Close);
    assert_eq!(response.one("Connection"), "close");
    assert_eq!(response.text(), "all of it");
    assert!(response.whole);
    scene.finish();
}

#[test]
fn a_client_of_http_1_0_gets_a_body_that_ends_with_the_connection() {
    let scene = Scene::new("", |conn| {
        conn.expect_request();
        conn.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    });
    let mut client = scene.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    let response = client.response("GET");
    assert_eq!(response.status(), 200);
    assert_eq!(response.framing, Framing::Close);
    assert_eq!(response.text(), "abc");
    assert!(response.whole);
    scene.finish();
}

/// What a client sees when the origin sends this and then ends without close_notify.
fn cut_after(bytes: &'static str, version: &str) -> (Message, End) {
    let scene = Scene::new("", move |conn| {
        conn.expect_request();
        conn.send(bytes);
        conn.cut();
    });
    let mut client = scene.client();
    client.send(format!("GET / {version}\r\nHost: {HOST}\r\n\r\n"));
    let response = client.response("GET");
    let (rest, end) = client.rest();
    assert_eq!(String::from_utf8_lossy(&rest), "");
    scene.finish();
    (response, end)
}

#[test]
fn a_body_that_was_cut_does_not_look_whole() {
    let (response, end) = cut_after("HTTP/1.1 200 OK\r\n\r\npart", "HTTP/1.1");
    assert_eq!(response.text(), "part");
    assert!(!response.whole, "{response}");
    assert_ne!(end, End::Clean);
}

#[test]
fn a_body_that_was_cut_does_not_look_whole_to_a_client_of_http_1_0() {
    let (response, end) = cut_after("HTTP/1.1 200 OK\r\n\r\npart", "HTTP/1.0");
    assert_eq!(response.text(), "part");
    assert!(!response.whole, "{response}");
    assert_ne!(end, End::Clean);
}

#[test]
fn a_body_shorter_than_its_length_does_not_look_whole() {
    let (response, _) = cut_after(
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\npart",
        "HTTP/1.1",
    );
    assert_eq!(response.text(), "part");
    assert!(!response.whole, "{response}");
    // The end is clean here, and still before the length.
    let response = answered("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\npart");
    assert!(!response.whole, "{response}");
}

#[test]
fn chunks_without_the_last_do_not_look_whole() {
    let (response, _) = cut_after(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n",
        "HTTP/1.1",
    );
    assert_eq!(response.text(), "part");
    assert!(!response.whole, "{response}");
    let response =
        answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n0\r\n");
    assert!(!response.whole, "{response}");
}

#[test]
fn a_malformed_answer_becomes_a_502() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
        "HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: y\0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n 2\r\n\r\nok",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
    ] {
        let response = answered(answer);
        response.assert_refusal(502, "http_protocol_error");
    }
}

#[test]
fn bytes_behind_an_answer_belong_to_no_request() {
    let scene = Scene::new("", |conn| {
        conn.expect_request();
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\nX-Planted: 1\r\nContent-Length: 1\r\n\r\nb");
        while conn.channel.fill() {}
    });
    let mut client = scene.client();
    for _ in 0..2 {
        client.send(get());
        let response = client.response("GET");
        assert_eq!(response.text(), "a");
        assert!(!response.has("X-Planted"), "{response}");
    }
    assert_eq!(scene.finish().arrived.accepted, 2);
}

#[test]
fn a_client_that_waits_for_100_gets_the_origin_s() {
    let scene = Scene::new("", |conn| {
        let head = conn.channel.request_head().expect("a head");
        assert_eq!(head.one("Expect"), "100-continue");
        conn.send("HTTP/1.1 100 Continue\r\n\r\n");
        assert_eq!(conn.channel.take(5), b"hello");
        conn.ok("done");
    });
    let mut client = scene.client();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: {HOST}\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    ));
    assert_eq!(client.response("POST").status(), 100);
    client.send("hello");
    assert_eq!(client.response("POST").text(), "done");
    scene.finish();
}

#[test]
fn a_final_answer_instead_of_100_reaches_the_client() {
    let scene = Scene::new("", |conn| {
        conn.channel.request_head().expect("a head");
        conn.send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno");
        while conn.channel.fill() {}
    });
    let mut client = scene.client();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: {HOST}\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    ));
    let response = client.response("POST");
    assert_eq!((response.status(), response.text()), (417, "no".to_owned()));
    assert_eq!(response.one("Connection"), "close");
    scene.finish();
}

#[test]
fn an_expectation_other_than_100_continue_is_refused() {
    for lines in [
        "Expect: y 100-continue\r\n",
        "Expect: 100-continue, x\r\n",
        "Expect: 100-continue\r\nExpect: 100-continue\r\n",
        "Expect: 100-continu\u{212a}\r\n",
        "Expect: 200-ok\r\n",
        "Expect:\r\n",
    ] {
        let content = "Content-Length: 2\r\n\r\nhi";
        assert_refused(
            format!("POST /v1 HTTP/1.1\r\nHost: {HOST}\r\n{lines}{content}"),
            417,
        );
    }
}

#[test]
fn an_early_answer_reaches_a_client_that_is_still_sending() {
    let scene = Scene::new("", |conn| {
        conn.channel.request_head().expect("a head");
        conn.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
        while conn.channel.fill() {}
    });
    let mut client = scene.client();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 100000000\r\n\r\nfirst part"
    ));
    let response = client.response("POST");
    assert_eq!(
        (response.status(), response.text()),
        (413, "big".to_owned())
    );
    assert_eq!(response.one("Connection"), "close");
    scene.finish();
}

#[test]
fn an_early_answer_of_an_origin_that_then_closes_reaches_the_client() {
    let scene = Scene::new("", |conn| {
        conn.channel.request_head().expect("a head");
        conn.send(
            "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig",
        );
    });
    let mut client = scene.client();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 3000000\r\n\r\n"
    ));
    // The proxy may close once it has answered.
    let part = vec![b'x'; 100_000];
    for _ in 0..30 {
        if !client.try_send(&part) {
            break;
        }
    }
    assert_eq!(client.response("POST").status(), 413);
    scene.finish();
}

#[test]
fn interim_answers_reach_the_client_in_order() {
    let scene = Scene::new("", |conn| {
        conn.expect_request();
        conn.send("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
        conn.ok("end");
    });
    let mut client = scene.client();
    client.send(get());
    assert_eq!(client.response("GET").status(), 102);
    let hints = client.response("GET");
    assert_eq!((hints.status(), hints.one("Link")), (103, "</a>"));
    assert_eq!(client.response("GET").text(), "end");
    scene.finish();
}

#[test]
fn what_would_lead_past_the_proxy_is_taken_out_of_answers() {
    let response = answered(
        "HTTP/1.1 200 OK\r\nAlt-Svc: h3=\":443\"\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n\
         Connection: x-hop\r\nX-Hop: 1\r\nProxy-Authenticate: Basic\r\nWWW-Authenticate: Bearer\r\n\
         Keep-Alive: 5\r\nContent-Length: 2\r\n\r\nok",
    );
    for name in ["Alt-Svc", "X-Hop", "Keep-Alive", "Proxy-Authenticate"] {
        assert!(!response.has(name), "{response}");
    }
    assert_eq!(response.all("Set-Cookie"), ["a=1", "b=2"]);
    assert_eq!(response.one("WWW-Authenticate"), "Bearer");
}

/// Echoes bytes until the end.
fn echo(conn: &mut Conn) {
    loop {
        let bytes = conn.channel.take(1);
        if bytes.is_empty() {
            return;
        }
        conn.send(bytes);
    }
}

#[test]
fn a_websocket_gets_the_credential_and_then_carries_bytes_both_ways() {
    let scene = Scene::new("", |conn| {
        let request = conn.expect_request();
        assert_eq!(request.one("Upgrade"), "websocket");
        assert_eq!(request.one("Connection"), "Upgrade");
        assert_eq!(request.one("Sec-WebSocket-Key"), "eA==");
        conn.send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: eQ==\r\n\r\n\0first bytes\r\n\r\n",
        );
        echo(conn);
    });
    let mut client = scene.client();
    client.send(format!(
        "GET /ws HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: eA==\r\n\r\n"
    ));
    let response = client.response("GET");
    assert_eq!(response.status(), 101);
    assert_eq!(response.one("Upgrade"), "websocket");
    assert_eq!(response.one("Sec-WebSocket-Accept"), "eQ==");
    assert_eq!(client.take(16), b"\0first bytes\r\n\r\n");
    for part in ["ping", "GET / HTTP/1.1\r\n\r\n", "\0\u{1}"] {
        client.send(part);
        assert_eq!(client.take(part.len()), part.as_bytes());
    }
    client.end_sending();
    assert_eq!(client.rest(), (Vec::new(), End::Clean));
    let finished = scene.finish();
    let request = finished.arrived.only();
    assert_eq!(request.one("Authorization"), format!("Bearer {SECRET}"));
}

#[test]
fn bytes_that_a_client_sends_before_the_101_reach_a_websocket() {
    let scene = Scene::new("", |conn| {
        conn.expect_request();
        conn.send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        );
        echo(conn);
    });
    let mut client = scene.client();
    client.send(format!(
        "GET /ws HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nearly"
    ));
    assert_eq!(client.response("GET").status(), 101);
    assert_eq!(client.take(5), b"early");
    scene.finish();
}

#[test]
fn a_websocket_that_the_origin_declines_is_an_ordinary_answer() {
    let scene = Scene::new("", |conn| {
        conn.expect_request();
        conn.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
        while conn.channel.fill() {}
    });
    let request = "Upgrade: websocket\r\nConnection: Upgrade";
    let response = scene.exchange(&format!(
        "GET /ws HTTP/1.1\r\nHost: {HOST}\r\n{request}\r\n\r\n"
    ));
    assert_eq!((response.status(), response.text()), (403, "no".to_owned()));
    scene.finish();
}

#[test]
fn h2c_is_not_passed_on() {
    let lines = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n";
    let request = sent_on(
        "",
        &format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n{lines}\r\n"),
    );
    for name in ["Upgrade", "HTTP2-Settings", "Connection"] {
        assert!(!request.has(name), "{request}");
    }
}

#[test]
fn a_101_that_nobody_asked_for_becomes_a_502() {
    let response =
        answered("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n");
    response.assert_refusal(502, "http_upgrade_failed");
}

#[test]
fn a_client_that_has_ended_its_sending_still_gets_its_answer() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let scene = Scene::new("", move |conn| {
        conn.expect_request();
        let wait = wait.lock().expect("the channel");
        wait.recv().expect("the word to go on");
        conn.ok("late");
    });
    let mut client = scene.client();
    client.send(get());
    scene.origin.wait_for_requests(1);
    client.end_sending();
    go.send(()).expect("an origin");
    let response = client.response("GET");
    assert_eq!(response.text(), "late");
    scene.finish();
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let scene = Scene::new("", |conn| {
        while let Some(request) = conn.request() {
            let body = format!("{} {}", request.target(), request.text());
            conn.ok(&body);
        }
    });
    let mut client = scene.client();
    let post =
        |n: usize| format!("POST /{n} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 2\r\n\r\nb{n}");
    client.send(format!("{}{}{}", post(1), post(2), post(3)));
    for n in 1..=3 {
        assert_eq!(client.response("POST").text(), format!("/{n} b{n}"));
    }
    scene.finish();
}

#[test]
fn nothing_behind_connection_close_is_read() {
    let scene = Scene::ok("");
    let mut client = scene.client();
    let first = format!("GET /1 HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n");
    client.send(format!("{first}{}", get()));
    let response = client.response("GET");
    assert_eq!(response.one("Connection"), "close");
    assert_eq!(client.rest().0, b"");
    assert_eq!(scene.finish().arrived.only().target(), "/1");
}

#[test]
fn each_event_of_a_stream_reaches_the_client_before_the_next_is_sent() {
    let (confirm, confirmed) = mpsc::channel::<()>();
    let confirmed = Mutex::new(confirmed);
    let scene = Scene::new("", move |conn| {
        conn.expect_request();
        conn.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        let confirmed = confirmed.lock().expect("the channel");
        for number in 0..5 {
            let event = format!("data: {number}\n\n");
            conn.send(format!("{:x}\r\n{event}\r\n", event.len()));
            confirmed.recv().expect("the client's word");
        }
        conn.send("0\r\n\r\n");
    });
    let mut client = scene.client();
    client.send(get());
    client.until(b"\r\n\r\n").expect("a head");
    for number in 0..5 {
        let event = format!("data: {number}\n\n");
        client.until(event.as_bytes()).expect("an event");
        confirm.send(()).expect("an origin");
    }
    client.until(b"0\r\n\r\n").expect("the end");
    scene.finish();
}

#[test]
fn the_parts_of_a_request_s_body_reach_the_origin_at_once() {
    let scene = Scene::new("", |conn| {
        conn.channel.request_head().expect("a head");
        for part in [b"one", b"two"] {
            assert_eq!(conn.channel.take(3), part);
            // The client sends the second part when it has read this.
            conn.send("HTTP/1.1 102 Processing\r\n\r\n");
        }
        conn.ok("end");
    });
    let mut client = scene.client();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 6\r\n\r\n"
    ));
    for part in ["one", "two"] {
        client.send(part);
        assert_eq!(client.response("POST").status(), 102);
    }
    assert_eq!(client.response("POST").text(), "end");
    scene.finish();
}

#[test]
fn a_large_body_passes_both_ways_unchanged() {
    let scene = Scene::new("", |conn| {
        let request = conn.expect_request();
        conn.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            request.body.len()
        ));
        conn.send(request.body);
    });
    let body: Vec<u8> = (0..3_000_000_u32)
        .flat_map(|n| (n * 7).to_be_bytes())
        .collect();
    let mut client = scene.client();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    ));
    client.send(&body);
    let response = client.response("POST");
    assert!(response.body == body, "the body has changed");
    scene.finish();
}

#[test]
fn a_client_that_goes_away_ends_the_request_at_the_origin() {
    let scene = Scene::new("", |conn| {
        conn.expect_request();
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
        // Comes to an end only because the proxy ends the connection.
        while conn.channel.fill() {}
    });
    let mut client = scene.client();
    client.send(get());
    client.until(b"1\r\na\r\n").expect("a part");
    client.cut();
    drop(client);
    scene.origin.wait_for_end();
    scene.finish();
}

#[test]
fn a_request_whose_client_goes_away_is_never_completed() {
    let scene = Scene::new("", |conn| {
        let request = conn.expect_request();
        assert!(!request.whole, "{request}");
    });
    let mut client = scene.client();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n"
    ));
    scene.origin.wait_for_bytes(100);
    client.cut();
    drop(client);
    scene.origin.wait_for_end();
    assert!(!scene.finish().arrived.only().whole);
}

#[test]
fn tls_inside_the_tunnel_offers_http_1_1_and_nothing_else() {
    // The origin prefers h2 and would take it if it were offered; the answer could not be read then.
    let response = answered("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(response.text(), "ok");
}

#[test]
fn clear_text_inside_a_tunnel_to_a_claimed_host_goes_nowhere() {
    let scene = Scene::ok("");
    let mut tunnel = scene.run.proxy.tunnel(&format!("{HOST}:443"));
    tunnel.try_send(get());
    let (bytes, _) = tunnel.rest();
    assert!(!bytes.starts_with(b"HTTP/"), "{bytes:?}");
    scene.finish().arrived.assert_nothing();
}

#[test]
fn a_connection_too_many_is_turned_away_until_there_is_room() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(always_ok);
    let run = home.run(&origin).args(["--max-connections", "1"]).start();
    // An answered request shows that its connection has the only place.
    let mut first = run.proxy.tls(HOST);
    first.send(get());
    assert_eq!(first.response("GET").status(), 200);
    let refused = run.proxy.plain().response("GET");
    refused.assert_refusal(503, "connection_limit_reached");
    assert_eq!(refused.one("Connection"), "close");
    drop(first);
    wait_until("there is room", || {
        let mut client = run.proxy.plain();
        client.try_send(format!(
            "CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}\r\n\r\n"
        ));
        let answer = client.until(b"\r\n\r\n");
        answer.is_some_and(|head| head.starts_with(b"HTTP/1.1 200"))
    });
    run.stop();
}
