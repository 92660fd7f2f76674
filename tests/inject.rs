//! What becomes of a request that gets a credential: where the credential is in what arrives, and what of the child's is not.

use crate::support::Home;
use crate::support::PLACEHOLDER;
use crate::support::SECRET;
use crate::support::Scene;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
use crate::support::sent_on;
use crate::support::wire::base64;

/// A request with these lines behind its Host.
fn get(lines: &str) -> String {
    format!("GET /v1?q=1 HTTP/1.1\r\nHost: {HOST}\r\n{lines}\r\n")
}

/// A definition whose key goes into a field of its own.
const X_API_KEY: &str = r#""header_name": "x-api-key", "header_prefix": null"#;

#[test]
fn a_bearer_token_arrives_behind_its_prefix() {
    let request = sent_on("", &get("Accept: */*\r\n"));
    assert_eq!(request.one("Authorization"), format!("Bearer {SECRET}"));
    assert_eq!(request.line, "GET /v1?q=1 HTTP/1.1");
    assert_eq!(request.one("Accept"), "*/*");
    assert_eq!(request.one("Host"), HOST);
}

#[test]
fn a_key_without_prefix_arrives_as_it_is() {
    let request = sent_on(X_API_KEY, &get(""));
    assert_eq!(request.one("x-api-key"), SECRET);
    assert!(!request.has("Authorization"));
}

#[test]
fn a_prefix_of_the_definition_s_own_is_used() {
    let request = sent_on(r#""header_prefix": "Klaviyo-API-Key""#, &get(""));
    let expected = format!("Klaviyo-API-Key {SECRET}");
    assert_eq!(request.one("Authorization"), expected);
}

#[test]
fn basic_authentication_has_the_definition_s_user() {
    let request = sent_on(r#""in": "basic", "username": "token""#, &get(""));
    let pair = base64(format!("token:{SECRET}").as_bytes());
    assert_eq!(request.one("Authorization"), format!("Basic {pair}"));
}

#[test]
fn basic_authentication_takes_the_credential_as_user_where_it_is_to() {
    let request = sent_on(r#""in": "basic", "key_as": "username""#, &get(""));
    let pair = base64(format!("{SECRET}:").as_bytes());
    assert_eq!(request.one("Authorization"), format!("Basic {pair}"));
}

#[test]
fn basic_authentication_without_a_user_in_the_credential_is_refused() {
    let scene = Scene::ok(r#""in": "basic""#);
    let response = scene.exchange(&get(""));
    let body = response.assert_refusal(502, "proxy_configuration_error");
    assert_eq!(body["provider"], "acme");
    assert!(!response.text().contains(SECRET));
    scene.finish().arrived.assert_nothing();
}

#[test]
fn a_query_parameter_replaces_the_child_s_own() {
    let target = format!("GET /v1?a=1&api_key={PLACEHOLDER}&b=2&api%5Fkey=x HTTP/1.1");
    let request = format!("{target}\r\nHost: {HOST}\r\n\r\n");
    let request = sent_on(r#""in": "query", "param": "api_key""#, &request);
    assert_eq!(request.target(), format!("/v1?a=1&b=2&api_key={SECRET}"));
    assert!(!request.has("Authorization"));
}

#[test]
fn a_query_parameter_is_added_where_there_is_no_query() {
    let request = format!("GET /v1 HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    let request = sent_on(r#""in": "query", "param": "key""#, &request);
    assert_eq!(request.target(), format!("/v1?key={SECRET}"));
}

#[test]
fn extra_headers_arrive_beside_the_credential_and_once() {
    let fields = r#""extra_headers": {"X-Version": "2026-01-01"}"#;
    let request = sent_on(fields, &get("x-version: old\r\nX-VERSION: older\r\n"));
    assert_eq!(request.one("X-Version"), "2026-01-01");
    assert_eq!(request.one("Authorization"), format!("Bearer {SECRET}"));
}

#[test]
fn all_copies_that_the_child_sends_are_replaced_by_one() {
    let lines = "authorization: Bearer one\r\nX-A: 1\r\nAUTHORIZATION: Bearer two\r\n";
    let request = sent_on("", &get(lines));
    assert_eq!(request.one("Authorization"), format!("Bearer {SECRET}"));
    assert_eq!(request.one("X-A"), "1");
}

#[test]
fn a_copy_with_an_underscore_is_replaced_too() {
    let request = sent_on(X_API_KEY, &get("x_api_key: mine\r\nX-API_Key: mine\r\n"));
    assert_eq!(request.one("x-api-key"), SECRET);
    let head = String::from_utf8_lossy(&request.head).to_lowercase();
    assert!(!head.contains("mine"), "{head}");
}

#[test]
fn a_copy_is_replaced_whatever_stands_between_its_letters() {
    let lines = "X.Api.Key: mine\r\nX~Api'Key: mine\r\nXApiKey: mine\r\nContent.Length: 5\r\nTransfer.Encoding: chunked\r\n\
                 Ho.st: other.test\r\nProxy.Authorization: mine\r\nX-Stays: 1\r\n";
    let request = sent_on(X_API_KEY, &get(lines));
    let head = format!(
        "GET /v1?q=1 HTTP/1.1\r\nHost: {HOST}\r\nX-Stays: 1\r\nx-api-key: {SECRET}\r\nAccept-Encoding: identity\r\n\r\n"
    );
    assert_eq!(String::from_utf8_lossy(&request.head), head);
}

#[test]
fn connection_cannot_take_the_authorization_out() {
    let request = sent_on("", &get("Connection: authorization\r\n"));
    assert_eq!(request.one("Authorization"), format!("Bearer {SECRET}"));
    assert!(!request.has("Connection"));
}

#[test]
fn connection_cannot_take_the_key_out() {
    let lines = "Connection:\r\nConnection: keep-alive, X-Api-Key, x-gone\r\nX-Gone: 1\r\n";
    let request = sent_on(X_API_KEY, &get(lines));
    assert_eq!(request.one("x-api-key"), SECRET);
    assert!(!request.has("x-gone"));
}

#[test]
fn other_fields_that_hold_the_placeholder_are_dropped() {
    let lines = format!("Cookie: k={PLACEHOLDER}\r\nX-Key: {PLACEHOLDER}\r\nX-Other: 1\r\n");
    let scene = Scene::ok("");
    let lines = format!("{lines}Authorization: Bearer {PLACEHOLDER}\r\n");
    scene.exchange(&get(&lines));
    let finished = scene.finish();
    let request = finished.arrived.only();
    assert!(!request.has("Cookie") && !request.has("X-Key"));
    assert_eq!(request.one("X-Other"), "1");
    finished.arrived.assert_without(PLACEHOLDER);
}

#[test]
fn a_placeholder_of_the_definition_s_own_never_arrives() {
    let placeholder = "sk-0000000000000000";
    let fields = format!(r#""placeholder": "{placeholder}""#);
    let scene = Scene::ok(&fields);
    assert_eq!(scene.run.env["ACME_API_KEY"], placeholder);
    let lines = format!("Authorization: Bearer {placeholder}\r\nX-Copy: {placeholder}\r\n");
    scene.exchange(&get(&lines));
    let finished = scene.finish();
    finished.arrived.only().one("Authorization");
    finished.arrived.assert_without(placeholder);
}

#[test]
fn if_placeholder_leaves_a_value_of_the_child_s_own() {
    let fields = r#""inject": "if-placeholder""#;
    let request = sent_on(fields, &get("Authorization: Bearer mine\r\n"));
    assert_eq!(request.one("Authorization"), "Bearer mine");
}

#[test]
fn if_placeholder_replaces_the_placeholder() {
    let fields = r#""inject": "if-placeholder""#;
    let line = format!("Authorization: Bearer {PLACEHOLDER}\r\n");
    let request = sent_on(fields, &get(&line));
    assert_eq!(request.one("Authorization"), format!("Bearer {SECRET}"));
}

#[test]
fn if_placeholder_fills_in_what_is_not_there() {
    let request = sent_on(r#""inject": "if-placeholder""#, &get(""));
    assert_eq!(request.one("Authorization"), format!("Bearer {SECRET}"));
}

#[test]
fn if_placeholder_knows_the_placeholder_in_basic_authentication() {
    let fields = r#""inject": "if-placeholder", "in": "basic", "username": "token""#;
    let pair = base64(format!("token:{PLACEHOLDER}").as_bytes());
    let request = sent_on(fields, &get(&format!("Authorization: Basic {pair}\r\n")));
    let pair = base64(format!("token:{SECRET}").as_bytes());
    assert_eq!(request.one("Authorization"), format!("Basic {pair}"));
}

#[test]
fn the_placeholder_does_not_arrive_beside_a_value_of_the_child_s_own() {
    let fields = r#""inject": "if-placeholder""#;
    let lines = format!("Authorization: Bearer mine\r\nX-Key: {PLACEHOLDER}\r\n");
    let request = sent_on(fields, &get(&lines));
    assert_eq!(request.one("Authorization"), "Bearer mine");
    assert!(!request.has("X-Key"), "{request}");
}

#[test]
fn no_trailer_goes_with_a_credential() {
    let request = format!(
        "POST /v1 HTTP/1.1\r\nHost: {HOST}\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\
         Authorization: Bearer mine\r\nX-Api-Key: mine\r\nx_api_key: mine\r\nX-Sum: 1\r\n\
         X-Copy: {PLACEHOLDER}\r\nHost: other.test\r\nContent-Length: 9\r\n\r\n"
    );
    let request = sent_on(X_API_KEY, &request);
    assert_eq!(request.text(), "hi");
    assert_eq!(request.one("x-api-key"), SECRET);
    assert_eq!(request.trailers, []);
    assert!(!request.has("Trailer"), "{request}");
}

#[test]
fn trace_is_refused_and_nothing_arrives() {
    let scene = Scene::ok("");
    let response = scene.exchange(&format!("TRACE / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    let body = response.assert_refusal(405, "http_request_denied");
    assert_eq!(body["provider"], "acme");
    scene.finish().arrived.assert_nothing();
}

#[test]
fn every_request_of_a_connection_gets_the_credential() {
    let scene = Scene::ok("");
    let mut client = scene.client();
    for number in 0..3 {
        client.send(get(&format!("X-Number: {number}\r\n")));
        assert_eq!(client.response("GET").status(), 200);
    }
    let finished = scene.finish();
    assert_eq!(finished.arrived.requests.len(), 3);
    for (number, request) in finished.arrived.requests.iter().enumerate() {
        assert_eq!(request.one("X-Number"), number.to_string());
        assert_eq!(request.one("Authorization"), format!("Bearer {SECRET}"));
    }
}

#[test]
fn pipelined_requests_each_get_the_credential() {
    let scene = Scene::ok("");
    let mut client = scene.client();
    let requests: String = (0..3).map(|n| get(&format!("X-Number: {n}\r\n"))).collect();
    client.send(requests);
    for _ in 0..3 {
        assert_eq!(client.response("GET").text(), "ok");
    }
    let finished = scene.finish();
    for request in &finished.arrived.requests {
        assert_eq!(request.one("Authorization"), format!("Bearer {SECRET}"));
    }
    assert_eq!(finished.arrived.requests.len(), 3);
}

#[test]
fn a_client_of_http_1_0_gets_the_credential_and_its_connection_ends() {
    let scene = Scene::ok("");
    let mut client = scene.client();
    client.send("GET /v1 HTTP/1.0\r\n\r\n");
    let response = client.response("GET");
    assert_eq!(response.text(), "ok");
    assert!(client.rest().0.is_empty());
    let finished = scene.finish();
    let request = finished.arrived.only();
    assert_eq!(request.line, "GET /v1 HTTP/1.1");
    assert_eq!(request.one("Host"), HOST);
    assert_eq!(request.one("Authorization"), format!("Bearer {SECRET}"));
}

#[test]
fn an_absolute_https_target_on_the_proxy_s_port_gets_the_credential_over_tls() {
    let scene = Scene::ok("");
    let mut client = scene.run.proxy.plain();
    client.send(format!(
        "GET https://{HOST}/v1 HTTP/1.1\r\nHost: {HOST}\r\n\r\n"
    ));
    assert_eq!(client.response("GET").text(), "ok");
    let finished = scene.finish();
    assert_eq!(finished.arrived.established, 1);
    let request = finished.arrived.only();
    assert_eq!(request.line, "GET /v1 HTTP/1.1");
    assert_eq!(request.one("Authorization"), format!("Bearer {SECRET}"));
}

#[test]
fn plain_http_never_gets_the_credential() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::plain(always_ok);
    for (target, port) in [(HOST.to_owned(), 80), (format!("{HOST}:443"), 443)] {
        let run = home.run(&origin).args(origin.leads_here(&[HOST], port));
        // The rule for 443 that `run` has adds is for the same origin, which speaks no TLS.
        let run = run.start();
        let mut client = run.proxy.plain();
        client.send(format!(
            "GET http://{target}/v1 HTTP/1.1\r\nHost: {target}\r\nX-Own: 1\r\n\r\n"
        ));
        assert_eq!(client.response("GET").text(), "ok");
        run.stop();
    }
    let arrived = origin.finish();
    arrived.assert_without(SECRET);
    assert_eq!(arrived.requests.len(), 2);
    for request in &arrived.requests {
        assert!(!request.has("Authorization"));
        assert_eq!(request.one("X-Own"), "1");
    }
}

#[test]
fn each_host_takes_the_credential_in_its_own_way() {
    let home = Home::new();
    let origin = Origin::start(always_ok);
    let hosts = ["github.com", "api.github.com"];
    let run = home
        .authsome(["run"])
        .args(origin.args_for(&hosts))
        .env("GITHUB_TOKEN", SECRET)
        .start();
    for host in hosts {
        let request = format!("GET /owner/repo.git/info/refs HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(run.proxy.exchange(host, &request).text(), "ok");
    }
    run.stop().assert_quiet();
    let arrived = origin.finish();
    let sent: Vec<&str> = arrived
        .requests
        .iter()
        .map(|r| r.one("Authorization"))
        .collect();
    let pair = base64(format!("x-access-token:{SECRET}").as_bytes());
    assert_eq!(sent, [format!("Basic {pair}"), format!("Bearer {SECRET}")]);
}

#[test]
fn an_options_target_of_the_whole_server_gets_the_credential_too() {
    let request = sent_on("", &format!("OPTIONS * HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    assert_eq!(request.line, "OPTIONS * HTTP/1.1");
    assert_eq!(request.one("Authorization"), format!("Bearer {SECRET}"));
}

#[test]
fn proxy_credentials_and_hop_by_hop_fields_of_the_child_end_at_the_proxy() {
    let lines = "Proxy-Authorization: Basic eA==\r\nProxy-Connection: keep-alive\r\n\
                 Keep-Alive: 5\r\nTE: trailers\r\nProxy: http://evil.test\r\nX-End: 1\r\n";
    let request = sent_on("", &get(lines));
    let names = [
        "Proxy-Authorization",
        "Proxy-Connection",
        "Keep-Alive",
        "TE",
        "Proxy",
    ];
    for name in names {
        assert!(!request.has(name), "{request}");
    }
    assert_eq!(request.one("X-End"), "1");
}
