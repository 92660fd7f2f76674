//! The credential that was sent, in what the origin sends back: it does not reach the child, whatever piece of the answer it is in, and
//! the answer is otherwise as it was.

use crate::support::Home;
use crate::support::SECRET;
use crate::support::Scene;
use crate::support::origin::Conn;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::wire::Channel;
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
fn an_echo_that_is_cut_or_folded_has_none_of_it() {
    let scene = Scene::new("", |conn| {
        conn.expect_request();
        conn.send(format!(
            "HTTP/1.1 200 OK\r\nX-Echo: a\r\n\t{SECRET}\r\n {SECRET}\r\n\r\n{SECRET}, {}",
            SECRET.split_at(SECRET.len() - 1).0
        ));
        conn.cut();
    });
    let mut client = scene.client();
    client.send(get());
    let (received, end) = client.rest();
    let received = String::from_utf8_lossy(&received);
    let stars = stars();
    assert!(received.contains(&format!("X-Echo: a {stars} {stars}\r\n")));
    assert!(!received.contains(SECRET), "{received}");
    let body = received.split_once("\r\n\r\n").expect("a head").1;
    assert!(body.starts_with(&format!("{stars}, ")), "{received}");
    assert_eq!(end, End::Cut);
    scene.finish();
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

/// Fields of a definition whose requests get a credential below `/v1` alone.
fn below_v1() -> String {
    format!(r#""api_url": "https://{HOST}/v1""#)
}

/// A request for this path.
fn get_path(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}

#[test]
fn what_an_origin_keeps_is_masked_in_answers_to_requests_without_a_credential() {
    let scene = Scene::new(&below_v1(), |conn| {
        while let Some(request) = conn.request() {
            if request.line.starts_with("GET /v1 ") {
                assert_eq!(request.one("Authorization"), format!("Bearer {SECRET}"));
                conn.ok("kept");
            } else {
                assert!(!request.has("Authorization"), "{request}");
                // A coding that the program asks for would hide it.
                assert_eq!(request.all("Accept-Encoding"), ["identity"], "{request}");
                assert!(!request.has("Sec-WebSocket-Extensions"), "{request}");
                conn.send(format!(
                    "HTTP/1.1 200 {SECRET}\r\nX-Kept: {SECRET}\r\nContent-Length: {}\r\n\r\n{SECRET}",
                    SECRET.len()
                ));
            }
        }
    });
    assert_eq!(scene.exchange(&get_path("/v1")).text(), "kept");
    let fields = "Accept-Encoding: gzip\r\nSec-WebSocket-Extensions: permessage-deflate\r\n";
    let request = format!("GET /kept HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n");
    let response = scene.exchange(&request);
    assert_eq!(response.text(), stars());
    assert!(!response.to_string().contains(SECRET), "{response}");
    let output = scene.run.stop();
    output.assert_stderr(&[&format!("{HOST} sent the credential of acme back")]);
}

#[test]
fn what_an_origin_keeps_is_masked_in_answers_to_other_logins() {
    let home = Home::new();
    home.acme(&below_v1());
    home.like_acme("beta", &format!(r#""api_url": "https://{HOST}/v2""#));
    let lenient = format!(r#""api_url": "https://{HOST}/v3", "inject": "if-placeholder""#);
    home.like_acme("gamma", &lenient);
    let origin = Origin::start(|conn| {
        while let Some(request) = conn.request() {
            conn.ok(&format!("{SECRET} {}", request.one("Authorization")));
        }
    });
    let run = home
        .run(&origin)
        .env("BETA_API_KEY", "s3cret-of-beta-9876543210")
        .env("GAMMA_API_KEY", "s3cret-of-gamma-9876543210")
        .start();
    let echo = |path: &str, fields: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n");
        run.proxy.exchange(HOST, &request).text()
    };
    assert_eq!(echo("/v1", ""), format!("{0} Bearer {0}", stars()));
    assert_eq!(echo("/v2", ""), format!("{0} Bearer {0}", stars()));
    let own = "Authorization: Bearer mine\r\n";
    assert_eq!(echo("/v3", own), format!("{} Bearer mine", stars()));
    run.stop();
}

#[test]
fn an_answer_that_began_before_the_credential_was_sent_has_none_of_it() {
    let scene = Scene::new(&below_v1(), |conn| {
        let head = conn.channel.request_head().expect("a head");
        if head.line.starts_with("GET /v1 ") {
            return conn.ok("sent");
        }
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nbegun\n\r\n");
        assert_eq!(conn.channel.take(1), b"x");
        conn.send(format!("{:x}\r\n{SECRET}\r\n0\r\n\r\n", SECRET.len()));
    });
    let mut client = scene.client();
    client.send(format!(
        "POST /log HTTP/1.0\r\nHost: {HOST}\r\nContent-Length: 1\r\n\r\n"
    ));
    client.until(b"begun\n").expect("the beginning");
    assert_eq!(scene.exchange(&get_path("/v1")).text(), "sent");
    client.send("x");
    let (rest, _) = client.rest();
    assert_eq!(String::from_utf8_lossy(&rest), stars());
    scene.run.stop();
}

#[test]
fn a_part_of_a_file_is_masked_and_told_of_as_a_coding_is() {
    let scene = Scene::new("", |conn| {
        conn.expect_request();
        conn.send(format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-29/40\r\nContent-Length: 30\r\n\r\n{SECRET}s3cre"
        ));
    });
    let request = format!("GET /echo HTTP/1.1\r\nHost: {HOST}\r\nRange: bytes=0-29\r\n\r\n");
    let response = scene.exchange(&request);
    assert_eq!(response.text(), format!("{}s3cre", stars()));
    let output = scene.run.stop();
    output.assert_stderr(&[&format!("{HOST} answers with parts of files (206)"), "acme"]);
}

/// A scene in which the client has changed to a WebSocket and the origin goes on with this.
fn websocket(
    fields: &'static str,
    script: impl Fn(&mut Conn) + Send + Sync + 'static,
) -> (Scene, Channel) {
    let scene = Scene::new("", move |conn| {
        let request = conn.expect_request();
        if !request.has("Upgrade") {
            return conn.ok("ok");
        }
        conn.send(format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{fields}\r\n"
        ));
        script(conn);
    });
    let mut client = scene.client();
    client.send(format!(
        "GET /ws HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    ));
    assert_eq!(client.response("GET").status(), 101);
    (scene, client)
}

#[test]
fn a_pause_within_a_frame_of_a_websocket_lets_nothing_out() {
    let (first, second) = SECRET.split_at(SECRET.len() - 1);
    let (scene, mut client) = websocket("", move |conn| {
        let length = u8::try_from(3 + SECRET.len()).expect("a short frame");
        conn.send([&[0x01, length], b"hi\n".as_slice(), first.as_bytes()].concat());
        assert_eq!(conn.channel.take(1), b"x");
        // A control frame may stand between the frames of a message, and the message's text goes on behind it.
        let rest = [second.as_bytes(), b"\x89\x01p\x80\x1a", first.as_bytes()].concat();
        conn.send([&rest, second.as_bytes(), b"!"].concat());
    });
    assert_eq!(client.take(5), [b"\x01\x1c".as_slice(), b"hi\n"].concat());
    // As long as other requests take.
    for _ in 0..5 {
        assert_eq!(scene.exchange(&get()).text(), "ok");
    }
    client.send("x");
    client.end_sending();
    let (rest, end) = client.rest();
    assert_eq!(end, End::Clean);
    let expected = [
        stars().as_bytes(),
        b"\x89\x01p\x80\x1a",
        stars().as_bytes(),
        b"!",
    ]
    .concat();
    assert_eq!(
        rest.escape_ascii().to_string(),
        expected.escape_ascii().to_string()
    );
    scene.finish();
}

#[test]
fn a_credential_in_two_frames_of_a_message_is_masked_and_the_frames_stay() {
    let (first, second) = SECRET.split_at(9);
    let (scene, mut client) = websocket("", move |conn| {
        let frames = [
            &[0x01, 9],
            first.as_bytes(),
            b"\x89\x02hi\x80\x10",
            second.as_bytes(),
        ];
        conn.send(frames.concat());
    });
    client.end_sending();
    let (rest, _) = client.rest();
    let expected = b"\x01\x09*********\x89\x02hi\x80\x10****************";
    assert_eq!(
        rest.escape_ascii().to_string(),
        expected.escape_ascii().to_string()
    );
    scene.finish();
}

#[test]
fn a_websocket_that_is_compressed_all_the_same_is_told_of() {
    let extension = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let (scene, mut client) = websocket(extension, |conn| {
        conn.send(b"\xc1\x03abc");
    });
    client.end_sending();
    assert_eq!(client.rest().0, b"\xc1\x03abc");
    let output = scene.run.stop();
    output.assert_stderr(&[
        "answers in permessage-deflate although it was asked not to",
        "acme",
    ]);
}

#[test]
fn text_that_a_model_writes_token_by_token_leaves_as_it_comes() {
    // The origin goes on only when the client has everything, within one chunk or one frame: what is held there is held until more comes.
    const TOKENS: [&str; 5] = ["Hello", ", world", "! How", " can I", " help you"];
    let length: usize = TOKENS.iter().map(|token| token.len()).sum();
    let stream = |conn: &mut Conn| {
        for token in TOKENS {
            conn.send(token);
            conn.channel.take(1);
        }
    };
    let receive = |client: &mut Channel| {
        for token in TOKENS {
            assert_eq!(String::from_utf8_lossy(&client.take(token.len())), token);
            client.send("x");
        }
    };
    let scene = Scene::new("", move |conn| {
        conn.channel.request_head().expect("a head");
        conn.send(format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n"
        ));
        stream(conn);
    });
    let mut client = scene.client();
    client.send(format!(
        "POST / HTTP/1.0\r\nHost: {HOST}\r\nContent-Length: 5\r\n\r\n"
    ));
    client.until(b"\r\n\r\n").expect("a head");
    receive(&mut client);
    scene.run.stop();
    let (scene, mut client) = websocket("", move |conn| {
        conn.send([0x81, u8::try_from(length).expect("a short frame")]);
        stream(conn);
    });
    client.take(2);
    receive(&mut client);
    scene.run.stop();
}

#[test]
fn a_password_that_is_a_word_leaves_answers_as_they_are_and_what_was_sent_is_masked() {
    let home = Home::new();
    home.acme(r#""in": "basic""#);
    let origin = Origin::start(|conn| {
        let head = printed(conn);
        conn.ok(&format!(
            "{{\"password\": null, \"is_password\": 0}} {head}"
        ));
    });
    let run = home
        .run(&origin)
        .env("ACME_API_KEY", "admin:password")
        .start();
    let response = run.proxy.exchange(HOST, &get());
    let text = response.text();
    assert!(
        text.starts_with("{\"password\": null, \"is_password\": 0} "),
        "{text}"
    );
    let sent = base64(b"admin:password");
    assert!(!text.contains(&sent), "{text}");
    assert!(
        text.contains(&format!("Basic {}\r\n", "*".repeat(sent.len()))),
        "{text}"
    );
    let output = run.stop();
    output.assert_stderr(&[
        "the credential of acme is made of ordinary words: it is not masked in answers that repeat it",
    ]);
}

#[test]
fn a_login_says_that_a_credential_is_too_common_to_be_masked() {
    let home = Home::new();
    home.acme("");
    home.like_acme("beta", r#""in": "basic""#);
    let words = "this credential is made of ordinary words: it is not masked";
    for (provider, key, warning) in [
        ("acme", "password", words),
        ("beta", "admin:password", words),
        (
            "acme",
            "a1b2c3",
            "this credential is shorter than 8 bytes: it is not masked",
        ),
    ] {
        let output = home.login(&[provider, "--force"], key).run();
        output.assert_code(0);
        output.assert_stderr(&[warning]);
        let from = ["login", provider, "--force", "--from", "env:K"];
        let output = home.authsome(from).env("K", key).run();
        output.assert_code(0);
        output.assert_stderr(&[warning]);
    }
    let output = home.login(&["acme", "--force"], SECRET).run();
    assert!(!output.stderr().contains("masked"), "{output}");
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
    let words = "the credential of acme is shorter than 8 bytes: it is not masked";
    run.stop().assert_stderr(&[words]);
}

#[test]
fn warnings_that_the_program_causes_by_names_of_its_choice_hide_no_others() {
    let home = Home::new();
    let both = r#""api_url": ["regex:^api[0-9]+[.]github[.]com$""#;
    home.acme(&format!(r#"{both}, "{HOST}"]"#));
    home.like_acme("beta", &format!("{both}]"));
    let origin = Origin::start(|conn| {
        let head = printed(conn);
        conn.ok(&head);
    });
    let names: Vec<String> = (0..30)
        .map(|number| format!("api{number}.github.com"))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let run = home
        .run(&origin)
        .env("BETA_API_KEY", SECRET)
        .args(origin.leads_here(&names, 443))
        .start();
    for name in &names {
        let request = format!("GET / HTTP/1.1\r\nHost: {name}\r\n\r\n");
        run.proxy.exchange(name, &request);
    }
    run.proxy.exchange(HOST, &get());
    let output = run.stop();
    assert_eq!(output.lines_with("is claimed by"), 20, "{output}");
    // The origin's certificate lacks these names, too, which adds a warning.
    assert_eq!(output.lines_with("is for another name"), 20, "{output}");
    assert_eq!(
        output.lines_with("there are many more warnings"),
        2,
        "{output}"
    );
    let words = format!("{HOST} sent the credential of acme back; it was masked");
    output.assert_stderr(&[&words]);
}
