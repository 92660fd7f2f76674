//! Logging in by OAuth with a code that is typed in elsewhere: what the person is shown, and how the server is asked until they have
//! agreed.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::oauth::listed;
use crate::support::Home;
use crate::support::Output;
use crate::support::idp;
use crate::support::idp::Fault;
use crate::support::idp::Idp;
use crate::support::idp::PUBLIC;
use crate::support::origin::HOST;

/// The grant type of such a login.
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A home whose definition logs in like this.
fn home() -> Home {
    idp::home("device_code", &json!({}))
}

/// A login, as it goes with these words.
fn login(idp: &Idp, home: &Home, words: &[&str]) -> Output {
    let cmd = idp.authsome(home, &["login", "acme"]).args(words);
    let output = cmd.run();
    idp.assert_discreet(&output);
    output
}

/// A server that answers this to questions for tokens before it gives them.
fn answering(faults: impl IntoIterator<Item = Fault>) -> Idp {
    let faults = faults.into_iter().collect();
    Idp::with(|manner| manner.device = faults)
}

/// The time between the questions for tokens.
fn pauses(idp: &Idp) -> Vec<Duration> {
    let times: Vec<_> = idp.seen("/token").iter().map(|seen| seen.at).collect();
    let pairs = times.windows(2);
    pairs.map(|pair| pair[1] - pair[0]).collect()
}

/// Checks that a login has failed with these words, and has stored nothing.
fn assert_failed(home: &Home, output: &Output, words: &[&str]) {
    output
        .assert_code(1)
        .assert_stderr(&["cannot log in to acme: ", "hint: "]);
    output.assert_stderr(words).assert_without("leak");
    assert!(output.stdout.is_empty(), "{output}");
    assert!(!home.own("vault").exists(), "{output}");
}

/// What a server can say instead of a code, and what a person is told.
fn no_codes() -> Vec<(Fault, &'static str)> {
    let json = Fault::json;
    let html = Fault::Answer(500, "Content-Type: text/html", "<html>".into());
    vec![
        (
            Fault::Closed,
            "ended the connection before its answer was whole",
        ),
        (html, "status 500 without a reason"),
        (json(200, "{\"device_code\": \"leak"), "is cut short"),
        (json(200, "{}"), "has no verification_uri"),
        (
            json(
                200,
                r#"{"verification_uri": "https://idp.test/a", "device_code": "leak"}"#,
            ),
            "has no user_code",
        ),
        (
            json(
                200,
                r#"{"verification_uri": "https://idp.test/a", "user_code": "A"}"#,
            ),
            "has no device_code",
        ),
        (
            json(
                200,
                r#"{"verification_uri": "https://idp.test/a", "user_code": "A\u001b[31m", "device_code": "leak"}"#,
            ),
            "has a user_code that can't be shown",
        ),
        (
            json(
                200,
                r#"{"verification_uri": "https://idp.test/\u009b", "user_code": "A", "device_code": "leak"}"#,
            ),
            "has a verification_uri that can't be shown",
        ),
        (json(400, r#"{"error": "invalid_scope"}"#), "--scopes"),
        (
            json(200, r#"{"error": "device_flow_disabled"}"#),
            "device_flow_disabled",
        ),
    ]
}

#[test]
fn a_server_that_gives_no_code_is_an_error() {
    for (fault, words) in no_codes() {
        let idp = Idp::start();
        idp.once("/device", fault);
        let home = home();
        let output = login(&idp, &home, &[]);
        assert_failed(&home, &output, &[words]);
        output.assert_without("\u{1b}").assert_without("\u{9b}");
        assert!(idp.seen("/token").is_empty());
    }
    // Nor does one that isn't known.
    let (idp, home) = (Idp::start(), Home::new());
    idp::define(
        &home,
        "device_code",
        &json!({"device_authorization_url": null}),
    );
    assert_failed(
        &home,
        &login(&idp, &home, &[]),
        &["says nothing about an authorization server"],
    );
}

#[test]
fn a_person_who_does_not_agree_is_not_logged_in() {
    for (code, words) in [
        (
            "access_denied",
            &["access was denied", "log in again, and agree"][..],
        ),
        ("expired_token", &["the time for it is over", "be quicker"]),
        ("invalid_grant", &["the server says invalid_grant"]),
    ] {
        let idp = answering([Fault::error("authorization_pending"), Fault::error(code)]);
        let home = home();
        let output = login(&idp, &home, &[]);
        assert_failed(&home, &output, words);
        assert_eq!(idp.seen("/token").len(), 2);
    }
}

#[test]
fn a_code_is_not_asked_about_when_its_time_is_over() {
    let pending = Fault::error("authorization_pending");
    let idp = answering(std::iter::repeat_n(pending, 10));
    idp.change(|manner| manner.device_start["expires_in"] = json!(2));
    let home = home();
    let output = login(&idp, &home, &[]);
    assert_failed(&home, &output, &["the time for it is over"]);
    assert!(idp.seen("/token").len() <= 2);
}

#[test]
fn the_code_is_shown_and_the_server_asked_until_the_person_agrees() {
    let pending = Fault::error("authorization_pending");
    let idp = answering([pending.clone(), pending]);
    let home = home();
    let output = login(&idp, &home, &["--scopes", "one,two"]);
    output.assert_code(0).assert_stderr(&[
        "https://idp.test/activate\n",
        "W D J B - M J H T",
        "as WDJB-MJHT. It is good for 10 minutes.",
        "connected acme;",
    ]);
    let asked = idp.last("/device");
    assert_eq!(asked.field("client_id"), PUBLIC);
    assert_eq!(asked.field("scope"), "one two");
    let questions = idp.seen("/token");
    assert_eq!(questions.len(), 3);
    for question in questions {
        assert_eq!(question.field("grant_type"), GRANT);
        assert_eq!(question.field("client_id"), PUBLIC);
        assert_eq!(question.field("device_code"), idp.newest("device"));
    }
    let second = Duration::from_secs(1);
    assert!(pauses(&idp).iter().all(|pause| *pause >= second));
    assert_eq!(listed(&home)["flow"], "device_code");
    assert_eq!(listed(&home)["scopes"], json!(["one", "two"]));

    let run = idp.run(&home).start();
    let request = format!("GET /v1 HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    assert_eq!(run.proxy.exchange(HOST, &request).text(), "ok");
    idp.assert_discreet(&run.stop());
}

#[test]
fn a_server_that_finds_us_too_quick_is_asked_less_often() {
    let pending = Fault::error("authorization_pending");
    let idp = answering([Fault::error("slow_down"), pending]);
    login(&idp, &home(), &[]).assert_code(0);
    let six = Duration::from_secs(6);
    let pauses = pauses(&idp);
    assert!(
        pauses.len() == 2 && pauses.iter().all(|pause| *pause >= six),
        "{pauses:?}"
    );
}

#[test]
fn a_server_that_fails_for_once_is_asked_again() {
    let html = Fault::Answer(503, "Content-Type: text/html", "<html>".into());
    let busy = Fault::json(503, r#"{"error": "temporarily_unavailable"}"#);
    for fault in [Fault::Closed, html, busy] {
        let idp = answering([fault]);
        login(&idp, &home(), &[]).assert_code(0);
        assert_eq!(idp.seen("/token").len(), 2);
        assert!(pauses(&idp)[0] >= Duration::from_secs(2));
    }
}

#[test]
fn the_name_that_google_has_for_the_page_is_read_too() {
    let idp = Idp::start();
    idp.change(|manner| {
        manner.device_start = json!({
            "verification_url": "https://other.test/device",
            "expires_in": "1800",
            "interval": "1",
        });
    });
    let output = login(&idp, &home(), &[]);
    output.assert_code(0);
    output.assert_stderr(&["https://other.test/device\n", "It is good for 15 minutes."]);
}

#[test]
fn a_program_reads_the_code_in_json() {
    let idp = Idp::start();
    idp.change(|manner| {
        let complete = "https://idp.test/activate?code=WDJB-MJHT";
        manner.device_start["verification_uri_complete"] = complete.into();
    });
    let output = login(&idp, &home(), &["--json"]);
    output.assert_code(0);
    let said: Value = serde_json::from_str(&output.stderr()).unwrap();
    let expected = json!({
        "version": 1,
        "open": "https://idp.test/activate?code=WDJB-MJHT",
        "verification_uri": "https://idp.test/activate",
        "user_code": "WDJB-MJHT",
        "seconds": 600,
        "agree_at": "idp.test",
        "code_goes_to": "idp.test",
    });
    assert_eq!(said, expected);
    assert_eq!(output.json::<Value>()["provider"], "acme");
}
