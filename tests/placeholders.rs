//! A placeholder that authsome doesn't replace: the request goes on unchanged, and the user gets a warning.

use std::fs;

use serde_json::Value;

use crate::support::Home;
use crate::support::Output;
use crate::support::PLACEHOLDER;
use crate::support::SECRET;
use crate::support::origin::Arrived;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;

/// A POST with these lines behind its Host, and this content.
fn post(target: &str, lines: &str, content: &str) -> String {
    let length = content.len();
    format!(
        "POST {target} HTTP/1.1\r\nHost: {HOST}\r\n{lines}Content-Length: {length}\r\n\r\n{content}"
    )
}

/// A GET.
fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}

/// Effects of requests.
struct Sent {
    output: Output,
    arrived: Arrived,
    /// The lines of the audit log that are about requests.
    events: Vec<Value>,
}

impl Sent {
    /// Checks that the warnings are exactly these lines.
    fn assert_told(&self, lines: &[&str]) {
        let told: Vec<String> = self.output.stderr().lines().map(str::to_owned).collect();
        let lines: Vec<String> = lines
            .iter()
            .map(|line| format!("authsome: warning: {line}"))
            .collect();
        assert_eq!(told, lines, "{}", self.output);
    }

    /// Where the log has placeholders, request by request.
    fn places(&self) -> Vec<Option<&str>> {
        let events = self.events.iter();
        events.map(|event| event["placeholder"].as_str()).collect()
    }
}

/// Sends requests to [`HOST`], where a provider with these fields is connected.
fn send(fields: &str, requests: &[String]) -> Sent {
    let home = Home::new();
    home.acme(fields);
    let origin = Origin::start(always_ok);
    let run = home.run(&origin).start();
    for request in requests {
        assert_eq!(run.proxy.exchange(HOST, request).status(), 200);
    }
    end(&home, run.stop(), &origin)
}

/// Returns the effects of the requests.
fn end(home: &Home, output: Output, origin: &Origin) -> Sent {
    output.assert_without(SECRET);
    let log = fs::read_to_string(home.own("audit.log")).unwrap_or_default();
    let events = log
        .lines()
        .map(|line| serde_json::from_str(line).expect(line));
    let events: Vec<Value> = events.collect();
    Sent {
        output,
        arrived: origin.finish(),
        events: events
            .into_iter()
            .filter(|event| event["event"] == "request")
            .collect(),
    }
}

/// Returns the warnings for a request to [`HOST`] with the credential in the usual header.
fn told(what: &str, place: &str) -> String {
    format!(
        "acme: {what} was sent with the placeholder in its {place}, which authsome leaves as it is: the credential goes into the header \
         Authorization; have the program send it there alone"
    )
}

#[test]
fn a_form_with_the_placeholder_goes_as_it_is_and_is_told_once() {
    let form = format!("channel=c&token={PLACEHOLDER}");
    let request = post("/api/chat?q=secret-query", "", &form);
    let sent = send("", &[request.clone(), request]);
    let line = told("POST https://api.acme.test/api/chat", "body");
    sent.assert_told(&[&line]);
    assert_eq!(sent.places(), [Some("body"); 2]);
    for request in &sent.arrived.requests {
        assert_eq!(request.text(), form);
        assert_eq!(request.one("Authorization"), format!("Bearer {SECRET}"));
    }
}

#[test]
fn a_placeholder_is_found_wherever_chunks_cut_it() {
    let json = format!("{{\"api_key\": \"{PLACEHOLDER}\", \"a\": 1}}");
    let chunks: String = json
        .chars()
        .map(|letter| format!("1\r\n{letter}\r\n"))
        .collect();
    let request = format!(
        "POST /v1 HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"
    );
    let sent = send("", &[request]);
    sent.assert_told(&[&told("POST https://api.acme.test/v1", "body")]);
    assert_eq!(sent.arrived.only().text(), json);
}

#[test]
fn a_placeholder_is_found_behind_much_else() {
    let content = format!("{}&key={PLACEHOLDER}", "x".repeat(300 * 1024));
    let sent = send("", &[post("/upload", "", &content)]);
    sent.assert_told(&[&told("POST https://api.acme.test/upload", "body")]);
}

#[test]
fn each_place_is_told_and_one_of_a_shape_of_its_own_too() {
    let own = "acme:0000/0000";
    let fields = format!(r#""placeholder": "{own}""#);
    let requests = [
        get("/v1?access%5Ftoken=acme:0000%2F0000"),
        get("/bot-acme:0000/0000/me"),
        post("/form", "", "token=acme%3A0000%2F0000"),
    ];
    let sent = send(&fields, &requests);
    sent.assert_told(&[
        &told("GET https://api.acme.test/v1", "query"),
        &told("GET https://api.acme.test/bot-acme:0000/0000/me", "path"),
        &told("POST https://api.acme.test/form", "body"),
    ]);
    assert_eq!(sent.places(), [Some("query"), Some("path"), Some("body")]);
}

#[test]
fn what_the_credential_replaces_or_a_text_quotes_is_not_told() {
    let quoted = format!(
        r#"{{"messages": [{{"content": "{PLACEHOLDER}"}}, {{"content": "KEY={PLACEHOLDER}\n{{\"token\":\"{PLACEHOLDER}\"}}"}}]}}"#
    );
    let authorized = format!("Authorization: Bearer {PLACEHOLDER}\r\n");
    let requests = [
        get(&format!("/v1?key={PLACEHOLDER}&q={PLACEHOLDER}")),
        post("/v1", &authorized, &quoted),
    ];
    let sent = send(r#""in": "query", "param": "key""#, &requests);
    sent.assert_told(&[]);
    assert_eq!(sent.places(), [None, None]);
}

#[test]
fn without_a_credential_the_remedy_is_another() {
    let line = |what: &str, place: &str| {
        format!(
            "acme: {what} was sent with the placeholder in its {place}, and without a credential: one goes along over https only, to what a \
             connected provider claims (`authsome explain` says what a URL gets)"
        )
    };
    let elsewhere =
        format!("GET /v2 HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {PLACEHOLDER}\r\n\r\n");
    let sent = send(r#""api_url": "https://api.acme.test/v1""#, &[elsewhere]);
    sent.assert_told(&[&line("GET https://api.acme.test/v2", "header")]);

    let home = Home::new();
    home.acme("");
    let origin = Origin::plain(always_ok);
    let run = home
        .run(&origin)
        .arg(format!("--connect-to=::127.0.0.1:{}", origin.port))
        .start();
    let mut client = run.proxy.plain();
    let host = "other.test";
    client.send(format!(
        "POST http://{host}/v1 HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\ntoken={PLACEHOLDER}",
        "token=".len() + PLACEHOLDER.len()
    ));
    assert_eq!(client.response("POST").status(), 200);
    drop(client);
    let sent = end(&home, run.stop(), &origin);
    sent.assert_told(&[&line("POST http://other.test/v1", "body")]);
}
