//! The credential that was sent, in what the origin sends back: it does not reach the child, whatever piece of the answer it is in, and
//! the answer is otherwise as it was.

use crate::support::Home;
use crate::support::SECRET;
use crate::support::Scene;
use crate::support::origin::Conn;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::wire::End;
use crate::support::wire::Framing;
use crate::support::wire::base64;

/// Stars in the place of the credential.
fn stars() -> String {
    "*".repeat(SECRET.len())
}

/// A request.
fn get() -> String {
    format!("GET /echo HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}

/// The head of a request as an origin would print it.
fn printed(conn: &mut Conn) -> String {
    let request = conn.expect_request();
    String::from_utf8_lossy(&request.head).into_owned()
}

/// What a test sees of an echo: the body and how it was framed; nothing of the credential may be in the head either.
fn echoed(fields: &str, script: impl Fn(&mut Conn) + Send + Sync + 'static) -> (String, Framing) {
    let scene = Scene::new(fields, script);
    let mut client = scene.client();
    client.send(get());
    let response = client.response("GET");
    assert!(response.whole, "{response}");
    assert!(!response.to_string().contains(SECRET), "{response}");
    scene.finish();
    (response.text(), response.framing)
}

#[test]
fn an_echo_of_known_length_has_stars_of_the_same_length() {
    let (body, framing) = echoed("", |conn| {
        let head = printed(conn);
        conn.ok(&head);
    });
    assert!(
        body.contains(&format!("Authorization: Bearer {}\r\n", stars())),
        "{body}"
    );
    assert_eq!(framing, Framing::Length);
}

#[test]
fn an_echo_in_many_records_has_none_of_it() {
    let (body, _) = echoed("", |conn| {
        let head = printed(conn);
        conn.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            head.len()
        ));
        for byte in head.bytes() {
            conn.send([byte]);
        }
    });
    assert!(body.contains(&stars()), "{body}");
}

#[test]
fn an_echo_in_chunks_of_any_size_has_none_of_it() {
    for size in [1, 2, 7, SECRET.len() - 1, SECRET.len()] {
        let (body, framing) = echoed("", move |conn| {
            let head = printed(conn);
            let mut answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
            for chunk in head.as_bytes().chunks(size) {
                let text = String::from_utf8_lossy(chunk);
                answer.push_str(&format!("{:x}\r\n{text}\r\n", chunk.len()));
            }
            // In one piece: how the chunks are cut is what counts, not how long the origin takes between them.
            conn.send(format!("{answer}0\r\nX-Echo: {SECRET}\r\n\r\n"));
        });
        assert!(body.contains(&stars()), "{size}: {body}");
        assert_eq!(framing, Framing::Chunked);
    }
}

#[test]
fn a_pause_within_a_chunk_lets_nothing_out() {
    // As long as the network takes, or the child that reads slowly: here until the client has all that leaves meanwhile.
    let scene = Scene::new("", |conn| {
        conn.channel.request_head().expect("a head");
        let (first, second) = SECRET.split_at(SECRET.len() - 1);
        let length = 12 + SECRET.len();
        conn.send(format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\nfirst line\r\n{first}"
        ));
        assert_eq!(conn.channel.take(1), b"x");
        conn.send(format!("{second}\r\n0\r\n\r\n"));
    });
    let mut client = scene.client();
    client.send(format!(
        "POST / HTTP/1.0\r\nHost: {HOST}\r\nContent-Length: 1\r\n\r\n"
    ));
    client.until(b"\r\n\r\n").expect("a head");
    assert_eq!(client.take(12), b"first line\r\n");
    client.send("x");
    let (rest, _) = client.rest();
    assert_eq!(String::from_utf8_lossy(&rest), stars());
    scene.finish();
}

#[test]
fn the_page_of_an_upstream_proxy_does_not_show_its_password() {
    let home = Home::new();
    let proxy = Origin::plain(|conn| {
        let head = printed(conn);
        assert!(head.contains("Proxy-Authorization: Basic "), "{head}");
        conn.ok(&format!(
            "{head} mailto:you?body=p4ssw0rd%20of%20mine, p4ssw0rd of mine"
        ));
    });
    let url = format!("http://corp:p4ssw0rd%20of%20mine@127.0.0.1:{}", proxy.port);
    let run = home.authsome(["run"]).env("http_proxy", url).start();
    let mut client = run.proxy.plain();
    client.send("GET http://nowhere.test/ HTTP/1.1\r\nHost: nowhere.test\r\n\r\n");
    let page = client.response("GET");
    assert_eq!(page.status(), 200, "{page}");
    let sent = base64(b"corp:p4ssw0rd of mine");
    for secret in [&*sent, "p4ssw0rd"] {
        assert!(!page.text().contains(secret), "{page}");
    }
    assert!(
        page.text()
            .contains(&format!("Basic {}\r\n", "*".repeat(sent.len()))),
        "{page}"
    );
    run.stop();
}

#[test]
fn an_echo_that_ends_with_the_connection_has_none_of_it() {
    let (body, _) = echoed("", |conn| {
        let head = printed(conn);
        conn.send(format!("HTTP/1.1 200 OK\r\n\r\n{head}"));
    });
    assert!(body.contains(&stars()), "{body}");
}

#[test]
fn fields_reasons_trailers_and_interim_answers_have_none_of_it() {
    let scene = Scene::new("", |conn| {
        conn.expect_request();
        conn.send(format!(
            "HTTP/1.1 103 {SECRET}\r\nLink: <{SECRET}>\r\n\r\n\
             HTTP/1.1 200 {SECRET}\r\nX-Echo: Bearer {SECRET}\r\nX-{SECRET}: a\r\nSet-Cookie: a={SECRET}; Path=/\r\n\
             Location: https://{HOST}/?token={SECRET}\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nok\r\n0\r\nX-Echo: {SECRET}\r\n\r\n"
        ));
    });
    let mut client = scene.client();
    client.send(get());
    let early = client.response("GET");
    assert_eq!(early.one("Link"), format!("<{}>", stars()));
    let response = client.response("GET");
    assert_eq!(response.line, format!("HTTP/1.1 200 {}", stars()));
    assert_eq!(response.one("X-Echo"), format!("Bearer {}", stars()));
    assert_eq!(response.one("Set-Cookie"), format!("a={}; Path=/", stars()));
    assert_eq!(response.trailers, [("X-Echo".to_owned(), stars())]);
    for message in [early, response] {
        assert!(!message.to_string().contains(SECRET), "{message}");
    }
    scene.finish();
}

#[test]
fn a_refusal_that_echoes_has_none_of_it() {
    let scene = Scene::new("", |conn| {
        let head = printed(conn);
        conn.send(format!(
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer error=\"{SECRET} is wrong\"\r\nContent-Length: {}\r\n\r\n{head}",
            head.len()
        ));
    });
    let response = scene.exchange(&get());
    assert_eq!(response.status(), 401);
    assert!(!response.to_string().contains(SECRET), "{response}");
    assert!(response.one("WWW-Authenticate").contains(&stars()));
    scene.finish();
}

#[test]
fn basic_authentication_is_masked_as_it_was_sent() {
    let basic = r#""api_key": {"in": "basic", "username": "me"}"#;
    let (body, _) = echoed(basic, |conn| {
        let head = printed(conn);
        conn.ok(&format!("{head}{SECRET}"));
    });
    let sent = base64(format!("me:{SECRET}").as_bytes());
    assert!(!body.contains(&sent), "{body}");
    assert!(
        body.contains(&format!("Basic {}\r\n", "*".repeat(sent.len()))),
        "{body}"
    );
}

#[test]
fn a_key_in_the_query_is_masked_in_the_url_that_comes_back() {
    let query = r#""api_key": {"in": "query", "param": "key"}"#;
    let (body, _) = echoed(query, |conn| {
        let head = printed(conn);
        conn.ok(&head);
    });
    assert!(
        body.starts_with(&format!("GET /echo?key={} HTTP/1.1\r\n", stars())),
        "{body}"
    );
}

#[test]
fn the_person_is_told_that_a_host_sends_the_credential_back() {
    let scene = Scene::new("", |conn| {
        for _ in 0..2 {
            let head = printed(conn);
            conn.ok(&head);
        }
    });
    let mut client = scene.client();
    // What is told of the first answer is told before the second request is read.
    for _ in 0..2 {
        client.send(get());
        client.response("GET");
    }
    let output = scene.run.stop();
    let words = format!("{HOST} sent the credential of acme back; it was masked");
    output.assert_stderr(&[&words]);
    output.assert_without(SECRET);
}

#[test]
fn answers_that_could_not_be_looked_through_are_not_asked_for() {
    let scene = Scene::new("", |conn| {
        let request = conn.expect_request();
        assert_eq!(request.all("Accept-Encoding"), ["identity"], "{request}");
        assert!(!request.has("Sec-WebSocket-Extensions"), "{request}");
        conn.ok("ok");
        // Without the field, any coding would do.
        let request = conn.expect_request();
        assert_eq!(request.all("accept-encoding"), ["identity"], "{request}");
        conn.ok("ok");
    });
    let mut client = scene.client();
    client.send(format!(
        "GET / HTTP/1.1\r\nHost: {HOST}\r\naccept-encoding: gzip, br\r\nAccept_Encoding: zstd\r\nAccept-Encoding: deflate\r\n\
         Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    ));
    assert_eq!(client.response("GET").text(), "ok");
    client.send(get());
    assert_eq!(client.response("GET").text(), "ok");
    scene.finish().arrived.assert_without("zstd");
}

#[test]
fn an_answer_that_is_coded_all_the_same_is_told_of() {
    let scene = Scene::new("", |conn| {
        for _ in 0..2 {
            conn.expect_request();
            conn.send("HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\nxy");
        }
    });
    let mut client = scene.client();
    for _ in 0..2 {
        client.send(get());
        assert_eq!(client.response("GET").text(), "xy");
    }
    let output = scene.run.stop();
    output.assert_stderr(&["answers in br although it was asked not to", "acme"]);
}

#[test]
fn a_request_without_a_credential_keeps_its_codings_and_its_answer() {
    let scene = Scene::new(&format!(r#""api_url": "https://{HOST}/v1""#), |conn| {
        let request = conn.expect_request();
        assert_eq!(request.one("Accept-Encoding"), "gzip");
        assert!(!request.has("Authorization"), "{request}");
        conn.ok(SECRET);
    });
    let request = format!("GET /v2 HTTP/1.1\r\nHost: {HOST}\r\nAccept-Encoding: gzip\r\n\r\n");
    // It was not sent, so the origin knows it from elsewhere, or by chance.
    assert_eq!(scene.exchange(&request).text(), SECRET);
    scene.run.stop();
}

#[test]
fn a_websocket_that_echoes_its_handshake_has_none_of_it() {
    let scene = Scene::new("", |conn| {
        let head = printed(conn);
        conn.send(format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Echo: {SECRET}\r\n\r\n{head}"
        ));
        let more = conn.channel.take(4);
        conn.send([b"\x81\x7e".as_slice(), &more, SECRET.as_bytes(), b"\n"].concat());
    });
    let mut client = scene.client();
    client.send(format!(
        "GET /ws HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    ));
    let answer = client.response("GET");
    assert_eq!(answer.one("X-Echo"), stars());
    let shown = client.until(b"\r\n\r\n").expect("an echo");
    client.send("more");
    client.end_sending();
    let (rest, end) = client.rest();
    assert_eq!(end, End::Clean);
    let all = String::from_utf8_lossy(&[shown, rest].concat()).into_owned();
    assert!(!all.contains(SECRET), "{all}");
    assert!(all.contains(&format!("Bearer {}", stars())), "{all}");
    assert!(all.ends_with(&format!("more{}\n", stars())), "{all}");
    scene.finish();
}

#[test]
fn the_end_of_a_piece_arrives_although_the_stream_pauses() {
    // The origin goes on only when the client has everything: were the end held until more comes, both would wait for ever.
    for head in ["Transfer-Encoding: chunked\r\n", ""] {
        let is_chunked = !head.is_empty();
        let scene = Scene::new("", move |conn| {
            conn.channel.request_head().expect("a head");
            conn.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n"));
            for part in ["no line end", "s3cret-of-acme-0", "123456789 more"] {
                match is_chunked {
                    true => conn.send(format!("{:x}\r\n{part}\r\n", part.len())),
                    false => conn.send(part),
                }
                conn.channel.take(1);
            }
        });
        let mut client = scene.client();
        client.send(format!(
            "POST / HTTP/1.0\r\nHost: {HOST}\r\nContent-Length: 3\r\n\r\n"
        ));
        client.until(b"\r\n\r\n").expect("a head");
        for part in ["no line end", "s3cret-of-acme-0", "123456789 more"] {
            assert_eq!(String::from_utf8_lossy(&client.take(part.len())), part);
            client.send("x");
        }
        scene.run.stop();
    }
}

#[test]
fn a_short_credential_is_no_reason_to_change_what_comes_back() {
    let scene = Scene::new("", |conn| {
        conn.expect_request();
        conn.ok("ok");
    });
    scene.exchange(&get());
    scene.run.stop();
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(|conn| {
        let head = printed(conn);
        conn.ok(&head);
    });
    let run = home.run(&origin).env("ACME_API_KEY", "Bearer").start();
    let response = run.proxy.exchange(HOST, &get());
    assert!(
        response.text().contains("Authorization: Bearer Bearer\r\n"),
        "{response}"
    );
    run.stop();
}
