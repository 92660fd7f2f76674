//! Connections to a service on which nothing shows its password: they keep nobody from it who has
//! it, and nobody from its health.

use std::fs;

use crate::support::Home;
use crate::support::client::connect_from;
use crate::support::client::tls_over;
use crate::support::origin;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::served::PASSWORD;
use crate::support::served::Served;
use crate::support::served::field;
use crate::support::served::serve;
use crate::support::wire::Channel;
use crate::support::wire::End;
use crate::support::wire::Message;

/// A service that serves so many connections at once. There are 16 places for strangers to it then,
/// of which four are for an address.
struct Scene {
    home: Home,
    served: Served,
    origin: Origin,
}

impl Scene {
    fn new(connections: usize) -> Self {
        let home = Home::connected("");
        let origin = Origin::start(origin::always_ok);
        let cmd = serve(&home, &origin).args(["--max-connections", &connections.to_string()]);
        let served = Served::start(&home, cmd);
        Self {
            home,
            served,
            origin,
        }
    }

    /// A connection from an address of this machine that has sent these words.
    fn stranger(&self, last: u8, words: &str) -> Channel {
        let socket = connect_from([127, 0, 0, last], self.served.proxy.port);
        let mut channel = Channel::new(Box::new(socket));
        channel.send(words);
        channel
    }

    /// Many connections that have sent these words, four from each of ten addresses; all of them
    /// have been let in.
    fn flood(&self, words: &str) -> Vec<Channel> {
        let all = (0..40).map(|number| self.stranger(100 + number % 10, words));
        let all = all.collect();
        self.assert_well();
        all
    }

    /// Checks that it says that it is well, to whoever asks.
    fn assert_well(&self) {
        assert_eq!(self.served.health().status(), 200);
    }

    /// Asks for the API, with the password, on a connection of its own.
    fn ask(&self) -> Message {
        let mut channel = self.served.proxy.plain();
        channel.send(without_end() + "\r\n");
        channel.response("GET")
    }

    /// Ends it: so many requests have arrived.
    fn finish(self, requests: usize) {
        let output = self.served.stop();
        // Said once, however many come.
        assert_eq!(output.lines_with("the oldest of them are closed"), 1);
        assert_eq!(self.origin.finish().requests.len(), requests);
    }
}

/// A request for the API with the password, of which the end is missing.
fn without_end() -> String {
    format!(
        "GET https://{HOST}/v1 HTTP/1.1\r\nHost: {HOST}\r\n{}",
        field(PASSWORD)
    )
}

#[test]
fn strangers_who_stay_keep_nobody_out_who_has_the_password() {
    let scene = Scene::new(2);
    let words = [
        "",
        "GET http://x/ HTTP/1.1\r\nX: ",
        "CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    ];
    let mut floods = Vec::new();
    for words in words {
        floods.push(scene.flood(words));
        assert_eq!(scene.ask().text(), "ok", "{words:?}");
        let port = scene.served.proxy.port;
        let probe = format!("127.0.0.1:{port}");
        let probe = scene.home.authsome(["serve", "--probe", &probe]).run();
        probe.assert_code(0);
    }
    // The first was closed for another, without a word.
    assert_eq!(floods[0][0].rest(), (Vec::new(), End::Clean));
    drop(floods);
    scene.finish(words.len());
}

#[test]
fn one_address_takes_its_own_places_only() {
    let scene = Scene::new(2);
    // Whoever is slower than the limit, on a busy machine, is told so; then it's another round.
    let answer = (0..10).map(|_| {
        let mut slow = scene.stranger(9, &without_end());
        let flood: Vec<Channel> = (0..40).map(|_| scene.stranger(8, "")).collect();
        scene.assert_well();
        slow.send("\r\n");
        let answer = slow.response("GET");
        drop(flood);
        answer
    });
    let answer = answer
        .into_iter()
        .find(|answer| answer.status() != 408)
        .expect("a round in time");
    assert_eq!(answer.text(), "ok");
    // It has places all the same.
    let mut other = scene.stranger(8, &without_end());
    other.send("\r\n");
    assert_eq!(other.response("GET").text(), "ok");
    drop(other);
    scene.finish(2);
}

#[test]
fn whoever_has_shown_the_password_is_closed_for_nobody() {
    let scene = Scene::new(2);
    let mut known = scene.served.proxy.plain();
    let request = without_end() + "\r\n";
    known.send(&request);
    assert_eq!(known.response("GET").text(), "ok");
    // The other takes its time until TLS.
    let (answer, slow) = scene.served.connect_with(HOST, PASSWORD);
    assert_eq!(answer.status(), 200);
    let flood = scene.flood("");
    known.send(&request);
    assert_eq!(known.response("GET").text(), "ok");
    let mut slow = tls_over(slow, HOST, scene.served.proxy.config()).expect("TLS");
    slow.send(format!("GET /v1 HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    assert_eq!(slow.response("GET").text(), "ok");
    drop((flood, known, slow));
    scene.finish(3);
}

#[test]
fn refusals_of_strangers_do_not_fill_the_log() {
    let scene = Scene::new(1);
    // Four on each connection, all of which are answered.
    let tries = "GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n".repeat(4);
    for number in 0..30 {
        let mut stranger = scene.stranger(100 + number, &tries);
        for _ in 0..4 {
            assert_eq!(stranger.response("GET").status(), 407);
        }
    }
    assert_eq!(scene.ask().text(), "ok");
    scene.served.stop();
    let log = fs::read_to_string(scene.home.own("audit.log")).expect("a log");
    let count = |kind: &str| log.matches(&format!("\"event\":\"{kind}\"")).count();
    assert_eq!(count("request"), 1, "{log}");
    // One a minute more, on a busy machine.
    assert!((100..115).contains(&count("refused")), "{log}");
}

#[test]
fn its_health_is_told_where_every_place_is_taken() {
    let scene = Scene::new(1);
    let mut known = scene.served.proxy.plain();
    let request = without_end() + "\r\n";
    known.send(&request);
    assert_eq!(known.response("GET").text(), "ok");
    let flood = scene.flood("GET http://x/ HTTP/1.1\r\nX: ");
    scene.ask().assert_refusal(503, "connection_limit_reached");
    scene.assert_well();
    let wrong = scene.served.ask("GET", "http://x/", &field("wrong"));
    wrong.assert_refusal(407, "http_request_denied");
    // Once there is a place, who asks has it.
    drop(known);
    let answers = std::iter::repeat_with(|| scene.ask());
    let mut answers = answers.skip_while(|answer| answer.status() == 503);
    assert_eq!(answers.next().expect("an answer").text(), "ok");
    drop(flood);
    scene.finish(2);
}
