//! Clients that speak HTTP/2 only, to hosts whose TLS ends in the proxy: each request is refused with the reason and the remedy.

use std::fs;
use std::sync::Arc;

use serde_json::Value;

use crate::support::Home;
use crate::support::Running;
use crate::support::SECRET;
use crate::support::Scene;
use crate::support::client::Proxy;
use crate::support::client::tls_over;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
use crate::support::served::Served;
use crate::support::served::serve;
use crate::support::wire::Channel;
use crate::support::wire::End;

/// What a client sends first: the preface, and SETTINGS that change nothing.
const BEGIN: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// The type of frames with fields.
const HEADERS: u8 = 1;

/// The type of settings.
const SETTINGS: u8 = 4;

/// The type of pings.
const PING: u8 = 6;

/// The type of a connection's end.
const GOAWAY: u8 = 7;

/// TLS to [`HOST`] by a client that offers these protocols.
pub(crate) fn offering(
    proxy: &Proxy,
    tunnel: Channel,
    protocols: &[&[u8]],
) -> Result<Channel, String> {
    let mut config = (*proxy.config()).clone();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    tls_over(tunnel, HOST, Arc::new(config))
}

/// A client that offers HTTP/2 alone.
fn client(run: &Running) -> Channel {
    let tunnel = run.proxy.tunnel(&format!("{HOST}:443"));
    offering(&run.proxy, tunnel, &[b"h2"]).expect("TLS")
}

/// A frame.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("short").to_be_bytes();
    [&[0], &length[..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

/// The next frame: type, flags, stream and payload. `None` at the end.
fn next(channel: &mut Channel) -> Option<(u8, u8, u8, Vec<u8>)> {
    let header = channel.take(9);
    let [0, high, low, kind, flags, 0, 0, 0, stream] = *header.as_slice() else {
        assert!(header.is_empty(), "{header:?}");
        return None;
    };
    let length = usize::from(high) << 8 | usize::from(low);
    Some((kind, flags, stream, channel.take(length)))
}

/// Returns the code of the GOAWAY that the proxy sends before an orderly end.
fn code(channel: &mut Channel) -> u8 {
    loop {
        let (kind, _, _, payload) = next(channel).expect("a GOAWAY");
        if kind == GOAWAY {
            assert_eq!(channel.rest(), (Vec::new(), End::Clean));
            return payload[7];
        }
    }
}

/// Sends a request, and returns the text of its answer's fields.
fn ask(channel: &mut Channel, stream: u8) -> String {
    // GET / of https, by the static table.
    channel.send(frame(HEADERS, 5, stream, &[0x82, 0x84, 0x87]));
    loop {
        let (kind, flags, of, payload) = next(channel).expect("an answer");
        if kind == HEADERS {
            assert_eq!((flags, of), (5, stream));
            return payload.iter().copied().map(char::from).collect();
        }
        assert_eq!(kind, SETTINGS);
    }
}

#[test]
fn a_client_that_speaks_http_2_only_is_told_what_to_do() {
    let scene = Scene::ok("");
    for _ in 0..2 {
        let mut client = client(&scene.run);
        // Clients of gRPC wait for this before they ask.
        assert_eq!(next(&mut client).expect("SETTINGS").0, SETTINGS);
        client.send(BEGIN);
        for stream in [1, 3] {
            let answer = ask(&mut client, stream);
            for words in [
                "\u{7}:status\u{3}505",
                "\u{b}grpc-status\u{2}12",
                "application/grpc",
                "proxy-status",
                "authsome; error=",
                "authsome speaks HTTP/1.1 to api.acme.test, where acme is connected; to let this program reach it without the credential use --blind api.acme.test",
            ] {
                assert!(answer.contains(words), "{words:?} is not in {answer:?}");
            }
        }
        client.send(frame(PING, 0, 0, b"12345678"));
        assert_eq!(next(&mut client), Some((PING, 1, 0, b"12345678".to_vec())));
        client.end_sending();
        assert_eq!(client.rest(), (Vec::new(), End::Clean));
    }
    let log = scene.home.own("audit.log");
    let said = scene.run.program.stderr_so_far();
    assert_eq!(said.matches("a client speaks HTTP/2 only").count(), 1);
    assert!(said.contains("use --blind api.acme.test"), "{said}");
    scene.run.stop().assert_without(SECRET);
    scene.origin.finish().assert_nothing();
    let log = fs::read_to_string(log).expect("a log");
    let events = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let refused: Vec<Value> = events
        .filter(|event: &Value| event["event"] == "refused")
        .collect();
    assert_eq!(refused.len(), 4, "{log}");
    for event in refused {
        assert_eq!(
            (&event["status"], &event["host"]),
            (&505.into(), &HOST.into())
        );
        assert_eq!(
            (&event["provider"], &event["method"]),
            (&"acme".into(), &Value::Null)
        );
    }
}

#[test]
fn a_client_that_speaks_http_1_too_gets_it_with_the_credential() {
    let scene = Scene::ok("");
    let tunnel = || scene.run.proxy.tunnel(&format!("{HOST}:443"));
    let all: [&[&[u8]]; 5] = [
        &[b"h2", b"http/1.1"],
        &[b"http/1.1", b"h2"],
        &[b"h2", b"http/1.0"],
        &[b"http/1.1"],
        &[],
    ];
    for protocols in all {
        let mut client = offering(&scene.run.proxy, tunnel(), protocols).expect("TLS");
        client.send(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
        assert_eq!(client.response("GET").text(), "ok", "{protocols:?}");
    }
    // As an older gRPC offers it.
    let mut client = offering(&scene.run.proxy, tunnel(), &[b"grpc-exp", b"h2"]).expect("TLS");
    client.send(BEGIN);
    assert!(ask(&mut client, 1).contains("505"));
    assert!(offering(&scene.run.proxy, tunnel(), &[b"spdy/3"]).is_err());
    drop(client);
    let arrived = scene.finish().arrived;
    assert_eq!(arrived.requests.len(), all.len());
    for request in arrived.requests {
        assert_eq!(request.one("Authorization"), format!("Bearer {SECRET}"));
    }
}

#[test]
fn a_client_that_breaks_the_protocol_is_told_and_costs_no_more() {
    let scene = Scene::ok("");
    let large = [&[0, 0x40, 1, 0][..], &[0; 5]].concat();
    let continued = [frame(HEADERS, 0, 1, b""), frame(9, 0, 1, b"").repeat(9)].concat();
    let content = [
        frame(HEADERS, 4, 1, b""),
        frame(0, 0, 1, &[0; 16_000]).repeat(5),
    ]
    .concat();
    let streams: Vec<u8> = (0..120)
        .flat_map(|number| frame(HEADERS, 5, 2 * number + 1, b""))
        .collect();
    for (bytes, expected) in [
        (b"GET / HTTP/1.1\r\nHost: api.acme.test\r\n\r\n".to_vec(), 1),
        (frame(HEADERS, 5, 1, b""), 1),
        ([BEGIN, &frame(HEADERS, 5, 2, b"")].concat(), 1),
        ([BEGIN, &large].concat(), 6),
        ([BEGIN, &frame(PING, 0, 0, b"short")].concat(), 6),
        ([BEGIN, &content].concat(), 3),
        ([BEGIN, &continued].concat(), 11),
        (
            [BEGIN, &frame(PING, 0, 0, &[0; 8]).repeat(20_000)].concat(),
            11,
        ),
        (
            [BEGIN, &frame(SETTINGS, 0, 0, b"").repeat(20_000)].concat(),
            11,
        ),
        ([BEGIN, &streams].concat(), 0),
        ([BEGIN, &frame(GOAWAY, 0, 0, &[0; 8])].concat(), 0),
    ] {
        let mut client = client(&scene.run);
        client.send(&bytes);
        assert_eq!(code(&mut client), expected, "{} bytes", bytes.len());
    }
    // The input is cut at each position.
    for end in 0..BEGIN.len() {
        let mut client = client(&scene.run);
        client.send(BEGIN.split_at(end).0);
        client.end_sending();
        assert_eq!(client.rest().1, End::Clean);
    }
    assert_eq!(
        scene
            .exchange(&format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"))
            .text(),
        "ok"
    );
    let arrived = scene.finish().arrived;
    assert_eq!(arrived.requests.len(), 1);
}

#[test]
fn a_service_that_stops_ends_these_connections_too() {
    let home = Home::connected("");
    let origin = Origin::start(always_ok);
    let served = Served::start(&home, serve(&home, &origin));
    let (_, tunnel) = served.connect_with(HOST, &served.password);
    let mut client = offering(&served.proxy, tunnel, &[b"h2"]).expect("TLS");
    client.send(BEGIN);
    assert!(ask(&mut client, 1).contains("--blind"));
    served.signal("TERM");
    assert_eq!(code(&mut client), 0);
    drop(client);
    served
        .ended()
        .assert_stderr(&["a client speaks HTTP/2 only to api.acme.test"]);
}
