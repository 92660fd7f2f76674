//! `--blind HOST`: a host of a connected provider that a run leaves unread.

use serde_json::Value;

use crate::http2::offering;
use crate::support::Cmd;
use crate::support::Home;
use crate::support::PLACEHOLDER;
use crate::support::Running;
use crate::support::SECRET;
use crate::support::client;
use crate::support::client::tls_over;
use crate::support::origin::Conn;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
use crate::support::served::Served;
use crate::support::served::serve;
use crate::support::wire::Message;

/// A request of a program that has the placeholder.
fn get() -> String {
    format!("GET /v1 HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {PLACEHOLDER}\r\n\r\n")
}

/// `authsome run` towards the origin, with these options.
fn run(home: &Home, origin: &Origin, options: &[&str]) -> Cmd {
    home.acme("");
    home.run(origin).args(options)
}

/// Returns the answer to a request through a tunnel, by a client that trusts only the origin's own certificate.
fn ask_unread(run: &Running, origin: &Origin) -> Message {
    let tunnel = run.proxy.tunnel(&format!("{HOST}:443"));
    let trusting = client::trusting(origin.ca_pem.as_bytes());
    let mut client = tls_over(tunnel, HOST, trusting).expect("the origin's own TLS");
    client.send(get());
    client.response("GET")
}

/// The answer to a CONNECT.
fn answer(run: &Running, authority: &str) -> Message {
    run.proxy.ask_for(authority).0
}

#[test]
fn a_blind_host_is_reached_untouched_and_without_the_credential() {
    for option in [HOST, "*.acme.test", "API.acme.test:443", "*"] {
        let (home, origin) = (Home::new(), Origin::start(always_ok));
        let run = run(&home, &origin, &["--blind", option]).start();
        assert_eq!(run.env["ACME_API_KEY"], PLACEHOLDER);
        assert_eq!(ask_unread(&run, &origin).text(), "ok", "{option}");
        // A request to the proxy for an https URL isn't a tunnel: the proxy reads it, but adds nothing.
        let mut client = run.proxy.plain();
        client.send(get().replace("/v1", &format!("https://{HOST}/v1")));
        assert_eq!(client.response("GET").text(), "ok", "{option}");
        drop(client);
        run.program
            .wait_for_stderr("with the placeholder in its header");
        run.stop().assert_stderr(&["acme"]);
        let arrived = origin.finish();
        arrived.assert_without(SECRET);
        assert_eq!(arrived.requests.len(), 2);
        assert_eq!(arrived.requests[0].head, get().into_bytes());
    }
}

#[test]
fn a_program_that_speaks_http_2_only_comes_to_a_blind_host() {
    let (home, origin) = (
        Home::new(),
        Origin::start(|conn: &mut Conn| {
            assert_eq!(conn.channel.take(24), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
            conn.send("spoken by the origin");
        }),
    );
    let run = run(&home, &origin, &["--blind", HOST]).start();
    let tunnel = run.proxy.tunnel(&format!("{HOST}:443"));
    let trusting = client::trusting(origin.ca_pem.as_bytes());
    let mut config = (*trusting).clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let mut client = tls_over(tunnel, HOST, config.into()).expect("TLS");
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert_eq!(client.rest().0, b"spoken by the origin");
    drop(client);
    run.stop().assert_quiet();
    origin.finish();
}

#[test]
fn what_is_not_named_is_read_as_before() {
    for option in [
        "other.test",
        "acme.test",
        "*.api.acme.test",
        "api.acme.test:8443",
    ] {
        let (home, origin) = (Home::new(), Origin::start(always_ok));
        let run = run(&home, &origin, &["--blind", option]).start();
        assert_eq!(run.proxy.exchange(HOST, &get()).text(), "ok");
        let warning = format!("--blind {option}: no connected provider claims it");
        assert_eq!(run.stop().lines_with(&warning), 1, "{option}");
        let arrived = origin.finish();
        assert_eq!(
            arrived.only().one("Authorization"),
            format!("Bearer {SECRET}")
        );
    }
}

#[test]
fn a_blind_host_is_judged_by_the_egress_policy() {
    let denied = |options: &[&str], authority: &str, word: &str| {
        let (home, origin) = (Home::new(), Origin::start(always_ok));
        let run = run(&home, &origin, options).start();
        let refusal = answer(&run, authority).assert_refusal(403, "http_request_denied");
        assert!(refusal.to_string().contains(word), "{refusal}");
        run.stop();
        origin.finish().assert_nothing();
    };
    let claimed = format!("{HOST}:443");
    for option in [HOST, "*"] {
        denied(&["--blind", option, "--deny", HOST], &claimed, "--deny");
    }
    // No host becomes one that is allowed by being left unread.
    for authority in ["other.test:443", "api7.acme.test:443", "api.acme.test:8443"] {
        denied(
            &["--blind=*", "--only-matched"],
            authority,
            "--only-matched",
        );
        denied(&["--blind=*", "--allow=third.test"], authority, "--allow");
    }
    for policy in ["--only-matched", "--allow=third.test"] {
        let (home, origin) = (Home::new(), Origin::start(always_ok));
        let run = run(&home, &origin, &["--blind", HOST, policy]).start();
        assert_eq!(ask_unread(&run, &origin).text(), "ok", "{policy}");
        // The server name of TLS is held against the CONNECT's host.
        let tunnel = run.proxy.tunnel(&claimed);
        let trusting = client::trusting(origin.ca_pem.as_bytes());
        assert!(tls_over(tunnel, "other.test", trusting).is_err());
        run.stop();
        assert_eq!(origin.finish().requests.len(), 1);
    }
}

#[test]
fn no_proxy_may_name_a_blind_host_and_no_root_vouches_for_it() {
    let (home, origin) = (Home::new(), Origin::start(always_ok));
    home.like_acme("other", r#""api_url": "other.test""#);
    let command = run(&home, &origin, &["--blind", HOST]);
    let command = command
        .env("NO_PROXY", "acme.test,other.test")
        .env("OTHER_API_KEY", SECRET);
    let run = command.start();
    assert_eq!(run.env["NO_PROXY"], "acme.test,127.0.0.1,localhost,::1");
    run.stop()
        .assert_stderr(&["the NO_PROXY entry other.test is left out"]);
    let made = home
        .authsome(["ca", "create", "--host", "other.test"])
        .run();
    made.assert_code(0);
    let kept = ["--ca", "persistent", "--blind", HOST];
    let kept = home.run(&origin).args(kept).args(["--", "true"]).run();
    kept.assert_code(0).assert_quiet();
}

#[test]
fn explain_says_why_a_blind_host_gets_nothing() {
    let home = Home::new();
    home.acme("");
    let url = format!("https://{HOST}/v1");
    let answer = home.explain(&["--blind", HOST, &url]);
    assert_eq!(answer["decision"], "forward", "{answer}");
    assert_eq!(answer["reason"], "--blind leaves the host unread");
    assert_eq!(home.explain(&[&url])["decision"], "inject");
    assert_eq!(answer["credential"], Value::Null);
    for (host, words) in [
        ("", "the host is missing"),
        ("https://a.test", "no network"),
    ] {
        let output = home.authsome(["run", "--blind", host, "--", "true"]).run();
        output
            .assert_code(2)
            .assert_stderr(&["--blind takes", words]);
    }
}

#[test]
fn a_service_leaves_a_host_unread_after_it_has_read_everything_anew() {
    let (home, origin) = (Home::connected(""), Origin::start(always_ok));
    let served = Served::start(&home, serve(&home, &origin).args(["--blind", HOST]));
    for _ in 0..2 {
        let (answer, tunnel) = served.connect_with(HOST, &served.password);
        assert_eq!(answer.status(), 200, "{answer}");
        let trusting = client::trusting(origin.ca_pem.as_bytes());
        let mut client = tls_over(tunnel, HOST, trusting).expect("the origin's own TLS");
        client.send(get());
        assert_eq!(client.response("GET").text(), "ok");
        let (_, tunnel) = served.connect_with(HOST, &served.password);
        assert!(offering(&served.proxy, tunnel, &[]).is_err());
        served.reload();
    }
    served.stop();
    origin.finish().assert_without(SECRET);
}

#[test]
fn a_host_that_a_pattern_claims_is_left_unread_by_its_name() {
    let (home, origin) = (Home::new(), Origin::start(always_ok));
    home.acme(r#""api_url": "regex:api[0-9]?[.]acme[.]test""#);
    let options = [
        "--blind",
        HOST,
        "--blind=apix.acme.test",
        "--blind=*.acme.test:8443",
        "--blind=*.apis.acme.test",
    ];
    let run = home.run(&origin).args(options);
    let run = run
        .args(origin.leads_here(&["api7.acme.test"], 443))
        .start();
    assert_eq!(ask_unread(&run, &origin).text(), "ok");
    let request = get().replace(HOST, "api7.acme.test");
    assert_eq!(run.proxy.exchange("api7.acme.test", &request).text(), "ok");
    let output = run.stop();
    output.assert_stderr(&["--blind apix.acme.test: no connected provider claims it"]);
    assert_eq!(output.lines_with("--blind"), 2, "{output}");
    let sent = origin.finish().requests;
    let sent: Vec<&str> = sent
        .iter()
        .map(|request| request.one("Authorization"))
        .collect();
    let with_credential = format!("Bearer {SECRET}");
    assert_eq!(sent, [&format!("Bearer {PLACEHOLDER}"), &with_credential]);
}
