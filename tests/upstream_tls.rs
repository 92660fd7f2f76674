//! Origins' certificates and TLS, and the errors where they don't suffice.

use crate::support::Home;
use crate::support::SECRET;
use crate::support::origin::Certificate;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
use crate::upstream::assert_not_trusted;

/// A request.
fn get() -> String {
    format!("GET /v1 HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}

#[test]
fn an_authority_s_certificate_gets_nothing_where_another_one_is_named() {
    // Another of the same name and key, too.
    for certificate in [
        Certificate::UnknownAuthority,
        Certificate::AuthorityMadeAnew,
    ] {
        assert_not_trusted(certificate, true, "name this very one with --upstream-ca");
    }
}

#[test]
fn an_authority_s_own_certificate_gets_nothing_where_its_time_is_over() {
    assert_not_trusted(
        Certificate::ExpiredAuthority,
        true,
        "has expired, at 2021-01-01",
    );
}

#[test]
fn an_authority_s_own_certificate_gets_nothing_for_another_name() {
    let words = "is for another name: wrong.test";
    assert_not_trusted(Certificate::AuthorityForAnother, true, words);
}

#[test]
fn an_authority_s_own_certificate_is_its_server_s_where_it_is_named() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::with(Certificate::Authority, always_ok);
    // By the option, and by the parent's own setting.
    for is_option in [true, false] {
        let args = match is_option {
            true => origin.args(),
            false => origin.leads_here(&[HOST], 443),
        };
        let run = home
            .authsome(["run"])
            .args(args)
            .env("ACME_API_KEY", SECRET);
        let run = match is_option {
            true => run,
            false => run.env("SSL_CERT_FILE", origin.ca_file()),
        };
        let run = run.start();
        assert_eq!(run.proxy.exchange(HOST, &get()).text(), "ok");
        run.stop();
    }
    let arrived = origin.finish();
    for request in &arrived.requests {
        assert_eq!(request.one("Authorization"), format!("Bearer {SECRET}"));
    }
    assert_eq!(arrived.requests.len(), 2);
}

#[test]
fn what_an_origin_s_tls_lacks_is_told_to_client_and_user() {
    for (answer, token, words) in [
        (
            &b"\x15\x03\x01\x00\x02\x02\x46"[..],
            "tls_alert_received",
            "1.2 or 1.3",
        ),
        (
            b"\x15\x03\x01\x00\x02\x02\x28",
            "tls_alert_received",
            "ECDHE",
        ),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            "tls_protocol_error",
            "plain http",
        ),
    ] {
        let home = Home::new();
        home.acme("");
        let origin = Origin::plain(move |conn| {
            conn.channel.fill();
            conn.channel.try_send(answer);
        });
        let run = home.run(&origin).start();
        let response = run.proxy.exchange(HOST, &get());
        let body = response.assert_refusal(502, token);
        let error = body["error"].as_str().expect("text");
        assert!(error.contains(HOST) && error.contains(words), "{error}");
        run.stop().assert_stderr(&[error]);
        origin.finish().assert_without(SECRET);
    }
}

#[test]
fn what_a_server_says_first_comes_through_an_upstream_proxy_with_the_answer() {
    let home = Home::new();
    let proxy = Origin::plain(|conn| {
        conn.expect_request();
        conn.send("HTTP/1.1 200 OK\r\n\r\nSSH-2.0-first\r\n");
        let said = conn.channel.until(b"\n");
        assert_eq!(said.as_deref(), Some(&b"SSH-2.0-second\n"[..]));
    });
    let url = format!("http://127.0.0.1:{}", proxy.port);
    let run = home.authsome(["run"]).env("HTTPS_PROXY", url).start();
    let mut tunnel = run.proxy.tunnel("other.test:22");
    let said = tunnel.until(b"\n");
    assert_eq!(said.as_deref(), Some(&b"SSH-2.0-first\r\n"[..]));
    tunnel.send("SSH-2.0-second\n");
    assert_eq!(tunnel.rest().0, b"");
    run.stop();
    assert_eq!(proxy.finish().requests.len(), 1);
}

#[test]
fn the_cause_of_a_failure_is_looked_for_once_however_often_a_program_asks() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::with(Certificate::P521, always_ok);
    let run = home.run(&origin).start();
    for _ in 0..3 {
        let response = run.proxy.exchange(HOST, &get());
        let body = response.assert_refusal(502, "tls_certificate_error");
        let error = body["error"].as_str().expect("text");
        assert!(error.contains("has a P-521 key"), "{error}");
    }
    run.stop();
    let arrived = origin.finish();
    arrived.assert_nothing();
    assert_eq!(arrived.accepted, 4);
}

/// Checks that an origin with this certificate gets no request, and returns the error.
fn told(certificate: Certificate, token: &str) -> String {
    let home = Home::new();
    home.acme("");
    let origin = Origin::with(certificate, always_ok);
    let run = home.run(&origin).start();
    let body = run.proxy.exchange(HOST, &get()).assert_refusal(502, token);
    run.stop();
    origin.finish().assert_nothing();
    body["error"].as_str().expect("text").to_owned()
}

#[test]
fn a_key_that_cannot_be_verified_is_named() {
    for certificate in [Certificate::P521, Certificate::P521ThatAsks] {
        let error = told(certificate, "tls_certificate_error");
        assert!(error.contains("has a P-521 key"), "{error}");
    }
}

#[test]
fn an_origin_that_wants_a_certificate_of_its_client_is_told() {
    let error = told(Certificate::WantsClients, "tls_alert_received");
    assert!(
        error.contains("wants a certificate of its client"),
        "{error}"
    );
}
