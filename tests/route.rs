//! Which requests get a credential and which pass: hosts, ports, paths, spellings, OAuth endpoints, ambiguity.

use std::sync::Arc;

use crate::support::Home;
use crate::support::SECRET;
use crate::support::Scene;
use crate::support::client::tls_over;
use crate::support::client::trusting;
use crate::support::origin::Conn;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
use crate::support::wire::End;

/// A GET of this path with a credential of the child's own.
fn get(host: &str, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer mine\r\n\r\n")
}

/// What the run with this definition sends for this path.
fn authorization_for(fields: &str, path: &str) -> String {
    let scene = Scene::ok(fields);
    assert_eq!(scene.exchange(&get(HOST, path)).text(), "ok");
    let arrived = scene.finish().arrived;
    let request = arrived.only();
    assert_eq!(request.target(), path);
    request.one("Authorization").to_owned()
}

/// What arrives with a credential.
fn injected() -> String {
    format!("Bearer {SECRET}")
}

/// A home with `acme`, an origin for these hosts, and a run whose connections for the hosts' port lead there.
fn scene_for(hosts: &[&str], port: u16, script: fn(&mut Conn)) -> Scene {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(script);
    let run = home
        .run(&origin)
        .args(origin.leads_here(hosts, port))
        .start();
    Scene { run, origin, home }
}

/// Checks that a tunnel to the authority is blind: the client sees the origin's own certificate, and its bytes arrive as they are.
fn assert_blind(scene: Scene, host: &str, port: u16) {
    let trusted = trusting(scene.origin.ca_pem.as_bytes());
    let tunnel = scene.run.proxy.tunnel(&format!("{host}:{port}"));
    let mut client = tls_over(tunnel, host, trusted).expect("the origin's own certificate");
    let request = get(host, "/v1");
    client.send(&request);
    assert_eq!(client.response("GET").text(), "ok");
    let tunnel = scene.run.proxy.tunnel(&format!("{host}:{port}"));
    let refused = tls_over(tunnel, host, scene.run.proxy.config());
    assert!(
        refused.is_err(),
        "a certificate of the run's for {host}:{port}"
    );
    assert_eq!(scene.finish().arrived.bytes, request.as_bytes());
}

#[test]
fn a_host_that_nobody_claims_is_a_blind_tunnel() {
    assert_blind(
        scene_for(&["other.test"], 443, always_ok),
        "other.test",
        443,
    );
}

#[test]
fn another_port_of_a_claimed_host_is_a_blind_tunnel() {
    assert_blind(scene_for(&[HOST], 8443, always_ok), HOST, 8443);
}

#[test]
fn a_host_below_a_claimed_one_is_a_blind_tunnel() {
    assert_blind(
        scene_for(&["auth.acme.test"], 443, always_ok),
        "auth.acme.test",
        443,
    );
}

#[test]
fn a_port_that_the_definition_names_is_claimed() {
    let home = Home::new();
    home.acme(r#""api_url": "https://api.acme.test:8443""#);
    let origin = Origin::start(always_ok);
    let run = home
        .run(&origin)
        .args(origin.leads_here(&[HOST], 8443))
        .start();
    let tunnel = run.proxy.tunnel(&format!("{HOST}:8443"));
    let mut client = tls_over(tunnel, HOST, run.proxy.config()).expect("the run's certificate");
    client.send(get(&format!("{HOST}:8443"), "/"));
    assert_eq!(client.response("GET").text(), "ok");
    run.stop();
    let arrived = origin.finish();
    assert_eq!(arrived.only().one("Authorization"), injected());
    assert_eq!(arrived.only().one("Host"), format!("{HOST}:8443"));
}

#[test]
fn a_blind_tunnel_carries_any_bytes_from_the_first_segment_on() {
    let home = Home::new();
    let origin = Origin::plain(|conn| {
        let (bytes, end) = conn.channel.rest();
        assert_eq!(end, End::Clean);
        conn.send(bytes.iter().rev().copied().collect::<Vec<u8>>());
    });
    let run = home
        .authsome(["run"])
        .args(origin.leads_here(&["other.test"], 22))
        .start();
    let mut client = run.proxy.plain();
    client.send(b"CONNECT other.test:22 HTTP/1.0\r\n\r\n\0\x01SSH\xff");
    assert_eq!(client.response("CONNECT").status(), 200);
    client.send(b"\r\n\r\n");
    // The client's end reaches the origin, and what that sends afterwards reaches the client.
    client.end_sending();
    assert_eq!(
        client.rest(),
        (b"\n\r\n\r\xffHSS\x01\0".to_vec(), End::Clean)
    );
    run.stop();
    origin.finish();
}

#[test]
fn two_providers_of_one_host_leave_the_request_unchanged_and_warn_once() {
    let home = Home::new();
    home.acme("");
    home.like_acme("beta", "");
    let origin = Origin::start(always_ok);
    let run = home.run(&origin).env("BETA_API_KEY", "beta-s3cret").start();
    for _ in 0..2 {
        assert_eq!(run.proxy.exchange(HOST, &get(HOST, "/v1")).text(), "ok");
    }
    let output = run.stop();
    assert_eq!(output.lines_with("acme and beta"), 1, "{output}");
    assert_eq!(output.lines_with(""), 1, "{output}");
    for request in origin.finish().requests {
        assert_eq!(request.one("Authorization"), "Bearer mine");
    }
}

#[test]
fn the_longer_path_wins_over_the_whole_host() {
    let home = Home::new();
    home.acme("");
    home.like_acme("beta", r#""api_url": "https://api.acme.test/beta""#);
    let origin = Origin::start(always_ok);
    let run = home.run(&origin).env("BETA_API_KEY", "beta-s3cret").start();
    for path in ["/beta/x", "/betas", "/"] {
        run.proxy.exchange(HOST, &get(HOST, path));
    }
    run.stop().assert_quiet();
    let requests = origin.finish().requests;
    let sent: Vec<&str> = requests.iter().map(|r| r.one("Authorization")).collect();
    assert_eq!(sent, ["Bearer beta-s3cret", &injected(), &injected()]);
}

#[test]
fn a_pattern_claims_whole_names_only() {
    let home = Home::new();
    home.acme(r#""api_url": "regex:^api[0-9]+\\.github\\.com$""#);
    let origin = Origin::start(always_ok);
    let hosts = ["api7.github.com", "apix.github.com"];
    let run = home
        .run(&origin)
        .args(origin.leads_here(&hosts, 443))
        .start();
    let response = run.proxy.exchange(hosts[0], &get(hosts[0], "/"));
    assert_eq!(response.text(), "ok");
    let tunnel = run.proxy.tunnel("apix.github.com:443");
    let trusted = trusting(origin.ca_pem.as_bytes());
    let mut client = tls_over(tunnel, hosts[1], trusted).expect("the origin's own certificate");
    client.send(get(hosts[1], "/"));
    client.response("GET");
    run.stop().assert_quiet();
    let requests = origin.finish().requests;
    let sent: Vec<&str> = requests.iter().map(|r| r.one("Authorization")).collect();
    assert_eq!(sent, [&injected(), "Bearer mine"]);
}

#[test]
fn a_pattern_that_a_stranger_s_host_could_match_is_warned_of() {
    let home = Home::new();
    home.acme(r#""api_url": "regex:.*\\.com""#);
    let run = home.authsome(["run"]).env("ACME_API_KEY", SECRET).start();
    let output = run.stop();
    assert_eq!(output.lines_with("warning"), 1, "{output}");
    output.assert_stderr(&["acme"]);
}

#[test]
fn a_path_prefix_takes_whole_segments_on_the_normalised_path() {
    let fields = r#""api_url": "https://api.acme.test/v1""#;
    for path in [
        "/v1",
        "/v1/",
        "/v1/a?b=/v2",
        "/v1?q",
        "/%761/a",
        "/v1/a/../b",
        "/v1/./a",
    ] {
        assert_eq!(authorization_for(fields, path), injected(), "{path}");
    }
    for path in [
        "/",
        "/v10",
        "/v1a/b",
        "/V1/a",
        "/v2/v1",
        "/v2/../v3",
        "/?/v1",
    ] {
        assert_eq!(authorization_for(fields, path), "Bearer mine", "{path}");
    }
}

#[test]
fn an_ambiguous_path_is_refused_and_nothing_arrives() {
    let scene = Scene::ok(r#""api_url": "https://api.acme.test/v1""#);
    for path in [
        "/v1/%2e%2e%2fadmin",
        "/v1/..%5cadmin",
        "/v1/..;/admin",
        "/../v1/a",
        "//v1/a",
        // Not every server resolves dot segments before it routes.
        "/a/../v1/b",
        "/./v1",
        "/v1/../v2",
        "/v1/%2e%2e/v2",
    ] {
        let response = scene.exchange(&get(HOST, path));
        response.assert_refusal(400, "http_request_denied");
    }
    scene.finish().arrived.assert_nothing();
}

#[test]
fn a_path_is_nobody_s_business_where_no_route_has_one() {
    assert_eq!(authorization_for("", "/a/..%2f..%5cb//c/."), injected());
}

#[test]
fn a_host_field_that_names_another_host_is_refused() {
    let scene = Scene::ok("");
    let spellings = [
        "other.test",
        "api.acme.test:8443",
        "api.acme.test@other.test",
        "api.acme.test,other.test",
        "",
        "127.0.0.1",
    ];
    for host in spellings {
        let response = scene.exchange(&get(host, "/"));
        response.assert_refusal(400, "http_request_error");
        assert_eq!(response.one("Connection"), "close");
    }
    scene.finish().arrived.assert_nothing();
}

#[test]
fn a_host_field_in_another_spelling_of_the_same_host_is_written_anew() {
    let scene = Scene::ok("");
    for host in ["API.Acme.Test", "api.acme.test.", "api.acme.test:443"] {
        assert_eq!(scene.exchange(&get(host, "/")).text(), "ok");
    }
    for request in scene.finish().arrived.requests {
        assert_eq!(request.one("Host"), HOST);
        assert_eq!(request.one("Authorization"), injected());
    }
}

#[test]
fn an_absolute_target_inside_the_tunnel_must_name_its_host() {
    let scene = Scene::ok("");
    let same = format!("https://{HOST}/v1");
    assert_eq!(scene.exchange(&get(HOST, &same)).text(), "ok");
    for other in [
        "https://other.test/v1".to_owned(),
        format!("http://{HOST}/v1"),
    ] {
        let response = scene.exchange(&get(HOST, &other));
        response.assert_refusal(400, "http_request_error");
    }
    let arrived = scene.finish().arrived;
    assert_eq!(arrived.only().line, "GET /v1 HTTP/1.1");
}

#[test]
fn a_server_name_that_differs_from_the_connect_fails_the_handshake() {
    let scene = Scene::ok("");
    let tunnel = scene.run.proxy.tunnel(&format!("{HOST}:443"));
    let failed = tls_over(tunnel, "other.test", scene.run.proxy.config());
    let why = failed.err().expect("no TLS");
    assert!(why.contains("alert"), "{why}");
    scene.finish().arrived.assert_nothing();
}

#[test]
fn a_client_that_names_no_server_gets_the_host_of_the_connect() {
    let scene = Scene::ok("");
    let mut config = (*scene.run.proxy.config()).clone();
    config.enable_sni = false;
    let tunnel = scene.run.proxy.tunnel(&format!("{HOST}:443"));
    let mut client = tls_over(tunnel, HOST, Arc::new(config)).expect("TLS");
    client.send(get(HOST, "/"));
    assert_eq!(client.response("GET").text(), "ok");
    assert_eq!(
        scene.finish().arrived.only().one("Authorization"),
        injected()
    );
}

#[test]
fn no_spelling_of_a_claimed_host_is_a_blind_tunnel() {
    let scene = Scene::ok("");
    let spellings = [
        "API.ACME.TEST:443",
        "api.acme.test.:443",
        "api.acme.test:00443",
    ];
    for authority in spellings {
        let tunnel = scene.run.proxy.tunnel(authority);
        let config = scene.run.proxy.config();
        let mut client = tls_over(tunnel, HOST, config).expect("the run's certificate");
        client.send(get(HOST, "/"));
        assert_eq!(client.response("GET").text(), "ok");
    }
    let requests = scene.finish().arrived.requests;
    assert_eq!(requests.len(), spellings.len());
    for request in requests {
        assert_eq!(request.one("Authorization"), injected());
    }
}

#[test]
fn a_connect_that_is_no_host_and_port_is_refused() {
    let scene = Scene::ok("");
    for authority in [
        "user@api.acme.test:443",
        "user:password@api.acme.test:443",
        "api.acme.test",
        "api.acme.test:",
        "api.acme.test:0",
        "api.acme.test:65536",
        "api.acme.test:+443",
        "api.acme.test:443/",
        "https://api.acme.test:443",
        "api.acme.test..:443",
        "api%2eacme.test:443",
        "api.acme.test%00:443",
        "[api.acme.test]:443",
        "[::1%25eth0]:443",
        "127.1:443",
        "0x7f000001:443",
        ":443",
        "/",
    ] {
        let (answer, mut client) = scene.run.proxy.ask_for(authority);
        answer.assert_refusal(400, "http_request_error");
        assert_eq!(client.rest().0, b"", "{authority}");
    }
    scene.finish().arrived.assert_nothing();
}

#[test]
fn a_connect_with_a_body_is_refused() {
    let scene = Scene::ok("");
    for line in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        let mut client = scene.run.proxy.plain();
        client.send(format!(
            "CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n{line}\r\n\r\n"
        ));
        client
            .response("GET")
            .assert_refusal(400, "http_request_error");
    }
    scene.finish().arrived.assert_nothing();
}

#[test]
fn a_connect_inside_a_tunnel_is_refused() {
    let scene = Scene::ok("");
    let mut client = scene.client();
    client.send(format!(
        "CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n"
    ));
    client
        .response("GET")
        .assert_refusal(400, "http_request_error");
    scene.finish().arrived.assert_nothing();
}

#[test]
fn the_proxy_itself_serves_nothing_and_other_schemes_are_not_known() {
    let scene = Scene::ok("");
    let targets = [
        ("/", 400),
        ("ftp://api.acme.test/", 501),
        ("*", 400),
        ("http://a@b/", 400),
        ("http:///x", 400),
    ];
    for (target, status) in targets {
        let mut client = scene.run.proxy.plain();
        client.send(get(HOST, target));
        client
            .response("GET")
            .assert_refusal(status, "http_request_error");
    }
    scene.finish().arrived.assert_nothing();
}

#[test]
fn absolute_https_targets_whose_host_field_differs_are_refused() {
    let scene = Scene::ok("");
    let mut client = scene.run.proxy.plain();
    client.send(get("other.test", &format!("https://{HOST}/v1")));
    client
        .response("GET")
        .assert_refusal(400, "http_request_error");
    scene.finish().arrived.assert_nothing();
}

#[test]
fn plain_http_is_forwarded_with_the_host_of_its_target() {
    let home = Home::new();
    let origin = Origin::plain(always_ok);
    let run = home
        .authsome(["run"])
        .args(origin.leads_here(&["other.test"], 80))
        .start();
    let mut client = run.proxy.plain();
    client.send(get("elsewhere.test", "http://other.test?q"));
    assert_eq!(client.response("GET").text(), "ok");
    run.stop();
    let arrived = origin.finish();
    assert_eq!(arrived.only().line, "GET /?q HTTP/1.1");
    assert_eq!(arrived.only().one("Host"), "other.test");
    assert_eq!(arrived.only().one("Authorization"), "Bearer mine");
}

#[test]
fn oauth_endpoints_are_forwarded_unchanged() {
    let fields = r#""auth_type": "oauth2", "oauth": {"token_url": "https://api.acme.test/oauth/token",
        "authorization_url": "https://auth.acme.test/authorize"}"#;
    let scene = Scene::ok(fields);
    let body = "grant_type=refresh_token&refresh_token=mine";
    let request = format!(
        "POST /oauth/token HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Basic bWluZQ==\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(scene.exchange(&request).text(), "ok");
    assert_eq!(scene.exchange(&get(HOST, "/oauth/tokens")).text(), "ok");
    let requests = scene.finish().arrived.requests;
    assert_eq!(requests[0].one("Authorization"), "Basic bWluZQ==");
    assert_eq!(requests[0].text(), body);
    assert_eq!(requests[1].one("Authorization"), injected());
}

#[test]
fn a_request_without_a_match_on_an_intercepted_host_is_forwarded_unchanged() {
    let scene = Scene::ok(r#""api_url": "https://api.acme.test/v1""#);
    let request = format!(
        "PATCH /v2?a HTTP/1.1\r\nHost: {HOST}\r\nX-B: 2\r\nx-a: 1\r\nX-B: 3\r\nContent-Length: 2\r\n\r\nhi"
    );
    assert_eq!(scene.exchange(&request).text(), "ok");
    let arrived = scene.finish().arrived;
    let text = String::from_utf8_lossy(&arrived.bytes).into_owned();
    assert_eq!(text, request);
}
