//! One test a fault that was found and mended: each failed before.

use std::fs;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use std::time::SystemTime;

use crate::support::BINARY;
use crate::support::Cmd;
use crate::support::Home;
use crate::support::NOBODY;
use crate::support::Output;
use crate::support::PLACEHOLDER;
use crate::support::SECRET;
use crate::support::Scene;
use crate::support::contains;
use crate::support::is_root;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
use crate::support::page::Page;
use crate::support::wait_until;
use crate::support::wire::End;

#[test]
fn clear_bytes_behind_an_upstream_proxy_s_answer_are_not_read_as_tls() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(always_ok);
    let proxy = Origin::plain(|conn| {
        conn.expect_request();
        conn.send("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged");
        while conn.channel.fill() {}
    });
    let url = format!("http://127.0.0.1:{}", proxy.port);
    let run = home.run(&origin).env("HTTPS_PROXY", url).start();
    let request = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    let response = run.proxy.exchange(HOST, &request);
    response.assert_refusal(502, "destination_unavailable; details=\"upstream proxy\"");
    run.stop();
    origin.finish().assert_nothing();
}

#[test]
fn a_method_s_case_does_not_get_it_past_the_rule_for_trace() {
    for method in ["trace", "Trace", "TrAcK", "head", "connect"] {
        let scene = Scene::ok("");
        let response = scene.exchange(&format!("{method} / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
        response.assert_refusal(400, "http_request_error");
        scene.finish().arrived.assert_nothing();
    }
}

#[test]
fn an_upstream_proxy_is_not_asked_to_send_its_password_back() {
    let home = Home::new();
    let proxy = Origin::plain(always_ok);
    let url = format!("http://user:p%40ss@127.0.0.1:{}/", proxy.port);
    let run = home.authsome(["run"]).env("http_proxy", url).start();
    let mut client = run.proxy.plain();
    client.send("TRACE http://other.test/ HTTP/1.1\r\nHost: other.test\r\nMax-Forwards: 0\r\n\r\n");
    client
        .response("TRACE")
        .assert_refusal(405, "http_request_denied");
    run.stop();
    proxy.finish().assert_nothing();
}

#[test]
fn an_answer_that_is_cut_does_not_look_whole_to_http_1_0_in_the_clear() {
    let scene = Scene::new("", |conn| {
        conn.expect_request();
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        conn.cut();
    });
    let mut client = scene.run.proxy.plain();
    client.send(format!("GET https://{HOST}/ HTTP/1.0\r\n\r\n"));
    let (bytes, end) = client.rest();
    assert!(
        bytes.starts_with(b"HTTP/1.1 200") || bytes.is_empty(),
        "{bytes:?}"
    );
    assert_eq!(end, End::Reset);
    scene.finish();
}

#[test]
fn a_source_command_does_not_get_the_other_credentials() {
    let home = Home::new();
    home.acme("");
    home.like_acme("other", r#""api_url": "other.test""#);
    let seen = home.path("seen");
    let line = format!("sh -c 'env > {}; echo {SECRET}'", seen.display());
    let origin = Origin::start(always_ok);
    let run = home
        .authsome(["run"])
        .args(origin.args())
        .args(["--credential", &format!("acme=command:{line}")])
        .args(["--credential", "openai=env:MY_SECRET"])
        .env("OTHER_API_KEY", "canary-1")
        .env("MY_SECRET", "canary-2")
        .env("AUTHSOME_MASTER_KEY", "canary-3")
        .env("HARMLESS", "kept")
        .start();
    let request = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    assert_eq!(run.proxy.exchange(HOST, &request).status(), 200);
    run.stop();
    let seen = fs::read_to_string(seen).expect("the command's environment");
    assert!(seen.contains("HARMLESS=kept"), "{seen}");
    assert!(!seen.contains("canary"), "{seen}");
    assert_eq!(
        origin.finish().only().one("Authorization"),
        format!("Bearer {SECRET}")
    );
}

#[test]
fn paths_that_lead_out_of_a_prefix_by_tricks_are_refused() {
    let home = Home::new();
    home.acme(&format!(r#""api_url": "https://{HOST}/v1""#));
    for path in [
        "/v1/;/../echo",
        "/v1/..%2Fecho%2Fz\\..\\..\\v1\\x",
        "/v1/..%5Cecho%5Cz%2F..%2F..%2Fv1%2Fx",
        "/v1/..%3b/echo",
        "/v1/%252e%252e/echo",
        "/v1/..%c0%afecho",
        "/v1/..%20/echo",
    ] {
        let answer = home.explain(&[&format!("https://{HOST}{path}")]);
        assert_eq!(answer["decision"], "refuse", "{path}");
    }
    let answer = home.explain(&[&format!("https://{HOST}/v1/group%2Fproject")]);
    assert_eq!(answer["decision"], "inject");
}

#[test]
fn dot_segments_do_not_lead_into_a_prefix_for_servers_that_leave_them() {
    let scene = Scene::ok(&format!(r#""api_url": "https://{HOST}/v1""#));
    for path in [
        "/echo/../v1/x",
        "/echo/%2e%2e/v1/x",
        "/./v1",
        "/v1/%c0%ae%c0%ae/echo",
        "/v1/.%09./echo",
        "/v1/%EF%BC%8E%EF%BC%8E/echo",
        "/v1/%E2%80%A5/echo",
        "/v1/%EF%B8%B0/echo",
        "/v1/%EF%B9%92%EF%B9%92/echo",
        "/v1/x%EF%B9%A8..%EF%B9%A8..%EF%B9%A8echo",
        "/v1%E2%81%84x",
    ] {
        let response = scene.exchange(&format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
        response.assert_refusal(400, "http_request_denied");
    }
    // Both readings lie below the prefix.
    let request = format!("GET /v1/a/../b HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    assert_eq!(scene.exchange(&request).text(), "ok");
    assert_eq!(scene.finish().arrived.only().target(), "/v1/a/../b");
}

#[test]
fn fields_that_name_another_target_or_method_do_not_go_with_a_credential() {
    let scene = Scene::ok(&format!(r#""api_url": "https://{HOST}/v1""#));
    let request = |line: &str| format!("GET /v1 HTTP/1.1\r\nHost: {HOST}\r\n{line}\r\n\r\n");
    for line in [
        "X-HTTP-Method-Override: TRACE",
        "x_http_method: trace",
        "X.HTTP.Method.Override: TRACE",
    ] {
        let response = scene.exchange(&request(line));
        response.assert_refusal(405, "http_request_denied");
    }
    for line in [
        "X-Original-URL: /echo",
        "X_Rewrite_Url: /echo",
        "X.Original.URL: /echo",
        "Accept-Charset: utf-16",
    ] {
        assert_eq!(scene.exchange(&request(line)).text(), "ok");
    }
    let arrived = scene.finish().arrived;
    assert_eq!(arrived.requests.len(), 4);
    arrived.assert_without("echo");
    arrived.assert_without("utf-16");
}

#[test]
fn a_request_with_a_credential_of_its_own_shares_no_connection_with_ours() {
    let scene = Scene::ok(r#""inject": "if-placeholder""#);
    let own = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer mine\r\n\r\n");
    let ours = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    for request in [&own, &ours, &own, &ours] {
        assert_eq!(scene.exchange(request).text(), "ok");
    }
    assert_eq!(scene.finish().arrived.accepted, 2);
}

#[test]
fn a_stored_credential_does_not_follow_its_definition_to_another_place_in_a_request() {
    let home = Home::connected("");
    let origin = Origin::start(always_ok);
    home.acme(r#""api_key": {"in": "query", "param": "text"}, "placeholder": "zzzzzzzzzz""#);
    let run = home.authsome(["run"]).args(origin.args()).start();
    drop(run.proxy.plain());
    let output = run.stop();
    output.assert_stderr(&[
        "acme gets no requests",
        "go elsewhere than when you logged in",
        "query parameter text=********",
        "authsome login acme --force",
    ]);
    // What was stored is used again as soon as it goes where it went.
    home.acme("");
    let run = home.authsome(["run"]).args(origin.args()).start();
    let request = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    assert_eq!(run.proxy.exchange(HOST, &request).text(), "ok");
    run.stop().assert_quiet();
    let arrived = origin.finish();
    assert_eq!(
        arrived.only().one("Authorization"),
        format!("Bearer {SECRET}")
    );
}

#[test]
fn a_definition_in_the_place_of_a_bundled_one_lays_no_variable_open() {
    let home = Home::new();
    home.provider(
        "openai",
        r#"{"name": "openai", "auth_type": "api_key", "api_url": "api.openai.com"}"#,
    );
    let env = |words: &[&str]| {
        let cmd = home.authsome(["run"]).args(words).args(["--", "env"]);
        cmd.env("OPENAI_API_KEY", SECRET).run()
    };
    for words in [&[][..], &["--no-env-credentials"]] {
        let output = env(words);
        output.assert_code(0).assert_without(SECRET);
        assert!(
            output
                .stdout()
                .contains(&format!("OPENAI_API_KEY={PLACEHOLDER}\n"))
        );
    }
    home.provider(
        "openai",
        r#"{"name": "openai", "api_url": ["api.openai.com", "other.test"], "export": {"OPENAI_API_KEY": "API_TOKEN"}}"#,
    );
    env(&[]).assert_stderr(&["openai.json has OPENAI_API_KEY go to https://other.test"]);
    // Also from a definition of another name.
    home.provider(
        "mine",
        r#"{"name": "mine", "api_url": "third.test", "export": {"OPENAI_API_KEY": "API_TOKEN"}}"#,
    );
    env(&[]).assert_stderr(&["mine.json has OPENAI_API_KEY go to https://third.test"]);
    home.provider(
        "openai",
        r#"{"name": "openai", "api_url": "api.openai.com", "export": {"OPENAI_API_KEY": "API_TOKEN"}}"#,
    );
    assert_eq!(env(&[]).lines_with("openai.json"), 0);
}

#[test]
fn a_connect_with_two_hosts_is_refused() {
    let scene = Scene::ok("");
    let mut client = scene.run.proxy.plain();
    client.send(format!(
        "CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}\r\nHost: other\r\n\r\n"
    ));
    client
        .response("CONNECT")
        .assert_refusal(400, "http_request_error");
    scene.finish();
}

#[test]
fn fields_that_a_server_could_fold_into_framing_do_not_go_on() {
    let scene = Scene::ok("");
    let response = scene.exchange(&format!(
        "POST / HTTP/1.1\r\nHost: {HOST}\r\nTransfer_Encoding: chunked\r\nContent_Length: 50\r\nContent-Length: 2\r\n\r\nhi"
    ));
    assert_eq!(response.status(), 200);
    let finished = scene.finish();
    let arrived = finished.arrived.only();
    assert!(
        !arrived.has("Transfer_Encoding") && !arrived.has("Content_Length"),
        "{arrived}"
    );
    assert_eq!(arrived.one("Content-Length"), "2");
}

#[test]
fn a_pattern_cannot_get_out_of_its_anchors() {
    let home = Home::new();
    home.acme(r#""api_url": "regex:api\\.safe\\.test)|(?:b\\.safe\\.test""#);
    let output = home
        .authsome(["run", "--credential", "acme=env:X", "true"])
        .env("X", "x")
        .run();
    output
        .assert_code(125)
        .assert_stderr(&["acme.json", "api_url[0]", "regular expression"]);
}

#[test]
fn a_definition_cannot_set_the_framing() {
    for fields in [
        r#""api_key": {"header_name": "Content-Length"}"#,
        r#""extra_headers": {"Transfer_Encoding": "chunked"}"#,
        r#""extra_headers": {"Host": "other"}"#,
    ] {
        let home = Home::new();
        home.acme(fields);
        let output = home
            .authsome(["run", "true"])
            .env("ACME_API_KEY", "x")
            .run();
        output
            .assert_code(125)
            .assert_stderr(&["acme.json", "hint"]);
    }
}

#[test]
fn many_connections_too_many_hear_so() {
    let home = Home::new();
    let run = home.authsome(["run", "--max-connections", "1"]).start();
    let mut first = run.proxy.plain();
    first.send("GET / HTTP/1.1\r\n");
    for _ in 0..20 {
        let mut second = run.proxy.plain();
        second.send("GET http://x.test/ HTTP/1.1\r\nHost: x.test\r\n\r\n");
        second
            .response("GET")
            .assert_refusal(503, "connection_limit_reached");
    }
    drop(first);
    run.stop();
}

#[test]
fn an_empty_variable_stays_empty() {
    let home = Home::new();
    home.acme("");
    let output = home.authsome(["run", "env"]).env("ACME_API_KEY", "").run();
    assert!(!output.stdout().contains(PLACEHOLDER), "{output}");
}

#[test]
fn a_key_among_subprotocols_is_dropped_and_the_others_stay() {
    let scene = Scene::ok("");
    let response = scene.exchange(&format!(
        "GET / HTTP/1.1\r\nHost: {HOST}\r\nSec-WebSocket-Protocol: realtime, key.{PLACEHOLDER}, beta\r\n\r\n"
    ));
    assert_eq!(response.status(), 200);
    let finished = scene.finish();
    let arrived = finished.arrived.only();
    assert_eq!(arrived.one("Sec-WebSocket-Protocol"), "realtime, beta");
    assert_eq!(arrived.one("Authorization"), format!("Bearer {SECRET}"));
}

#[test]
fn a_proxy_for_everything_is_kept_from_the_program_and_its_password_is_not_told() {
    let home = Home::new();
    let output = home
        .authsome(["run", "--", "sh", "-c", "echo [$ALL_PROXY]"])
        .env("ALL_PROXY", "socks5://u:s3cr@127.0.0.1:9")
        .run();
    output.assert_code(0).assert_quiet().assert_without("s3cr");
    assert_eq!(output.stdout(), "[]\n");
}

#[test]
fn a_refused_request_s_query_is_not_logged() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(always_ok);
    let run = home
        .authsome(["run", "--verbose"])
        .args(origin.args())
        .env("ACME_API_KEY", SECRET)
        .start();
    let request = "GET /path?key=canary HTTP/1.1\r\nHost: other.test\r\n\r\n";
    run.proxy
        .exchange(HOST, request)
        .assert_refusal(400, "http_request_error");
    let output = run.stop();
    output.assert_without("canary");
    let errors = output.stderr();
    let words: Vec<&str> = errors.split_whitespace().collect();
    let is_told = words
        .windows(3)
        .any(|words| words == ["GET", "/path", "400"]);
    assert!(is_told, "{output}");
}

#[test]
fn a_password_in_a_target_that_could_not_be_read_is_not_told() {
    let home = Home::new();
    let run = home.authsome(["run", "--verbose"]).start();
    let mut client = run.proxy.plain();
    client.send("GET http://user:canary@other.test/ HTTP/1.1\r\nHost: other.test\r\n\r\n");
    let answer = client.response("GET");
    answer.assert_refusal(400, "http_request_error");
    run.stop()
        .assert_stderr(&["the target is no URL"])
        .assert_without("canary");
}

#[test]
fn a_place_without_temporary_files_is_no_obstacle() {
    let home = Home::new();
    let fresh = home.path("not-there/.authsome");
    let output = home
        .authsome(["run", "--", "sh", "-c", "dirname $SSL_CERT_FILE"])
        .env("TMPDIR", "/nonexistent")
        .env("AUTHSOME_HOME", &fresh)
        .run();
    output.assert_code(0);
    assert!(
        output.stdout().starts_with(&*fresh.to_string_lossy()),
        "{output}"
    );
    assert_eq!(
        fs::read_dir(&fresh).expect("the home").count(),
        0,
        "{output}"
    );
    let output = home
        .authsome(["run", "true"])
        .env("TMPDIR", "/nonexistent")
        .env("AUTHSOME_HOME", "/proc/nothing")
        .run();
    output
        .assert_code(125)
        .assert_stderr(&["certificate files", "TMPDIR"]);
}

/// Registers a definition that claims this host and exports this variable.
fn register(home: &Home, name: &str, host: &str, variable: &str) -> Output {
    let text = format!(
        r#"{{"name": "{name}", "auth_type": "api_key", "api_url": "{host}", "export": {{"{variable}": "API_TOKEN"}}}}"#
    );
    let file = home.file("definition.json", &text);
    home.authsome(["register", "--force", &file]).run()
}

#[test]
fn a_definition_puts_no_code_into_what_a_shell_evaluates() {
    let home = Home::new();
    for variable in ["A;touch pwned;B", "PATH", "LD_PRELOAD", "HTTPS_PROXY"] {
        let output = register(&home, "acme", HOST, variable);
        output.assert_code(1).assert_stderr(&["export", "hint: "]);
        assert!(!home.own("providers/acme.json").exists());
    }
    let output = register(&home, "acme", HOST, "ACME_KEY");
    output.assert_code(0).assert_stderr(&[
        &format!("its credential goes to https://{HOST}"),
        "programs find it as ACME_KEY",
    ]);
    // One that got there by another way isn't used, and its other variables are masked all the same.
    home.like_acme(
        "bad",
        r#""export": {"A;B": "API_TOKEN", "BAD_KEY": "API_TOKEN"}"#,
    );
    let run = home.authsome(["run", "env"]).env("BAD_KEY", SECRET).run();
    run.assert_code(125).assert_without(SECRET);
    run.assert_stderr(&["not a variable's name"]);
}

#[test]
fn a_stored_credential_does_not_follow_its_definition_to_other_hosts() {
    let home = Home::new();
    let key = "sk-abcdefghijklmnopqrstuvwxyz";
    home.login(&["openai"], key).run().assert_code(0);
    let output = register(&home, "openai", HOST, "OPENAI_API_KEY");
    output.assert_code(0).assert_stderr(&[
        "the credential of openai was for https://",
        ", https://api.openai.com,",
        &format!("this definition claims https://{HOST}"),
    ]);
    let output = home.authsome(["run", "true"]).run();
    output.assert_code(0).assert_stderr(&[
        &format!(
            "has the credential go elsewhere than when you logged in (new: https://{HOST}, as "
        ),
        "`authsome login openai --force`",
    ]);
    let explained = home.explain(&[HOST]);
    assert_eq!(explained["decision"], "forward");
    let state = home.authsome(["get", "openai", "--field", "state"]).run();
    assert!(state.stdout().contains("elsewhere"), "{state}");
    // Whoever logs in again has been told where it goes.
    home.login(&["openai", "--force"], "of-the-gateway")
        .run()
        .assert_code(0);
    let explained = home.explain(&[HOST]);
    assert_eq!(explained["decision"], "inject");
    // And the gateway's key doesn't go to the service itself, where the definition is removed.
    let output = home.authsome(["remove", "openai"]).run();
    output
        .assert_code(0)
        .assert_stderr(&["the credential of openai was for", "api.openai.com"]);
    let explained = home.explain(&["https://api.openai.com/v1/models"]);
    assert_eq!(explained["decision"], "forward");
}

/// A newer authsome adds hosts to definitions: connections made before keep their old hosts.
#[test]
fn a_host_that_a_definition_gains_takes_nothing_from_those_that_it_had() {
    let home = Home::connected("");
    let origin = Origin::start(always_ok);
    home.acme(&format!(r#""api_url": ["{HOST}", "new.acme.test"]"#));
    let run = home.authsome(["run"]).args(origin.args()).start();
    let request = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    assert_eq!(run.proxy.exchange(HOST, &request).text(), "ok");
    run.stop().assert_quiet();
    let arrived = origin.finish();
    assert!(contains(
        &arrived.requests[0].head,
        format!("Bearer {SECRET}").as_bytes()
    ));
    let explained = home.explain(&["https://new.acme.test/"]);
    assert_eq!(explained["decision"], "forward", "{explained}");
    let reason = explained["reason"].as_str().expect("a reason");
    assert!(
        reason.contains("did not when its credential was stored"),
        "{reason}"
    );
    assert!(
        explained["hint"]
            .as_str()
            .is_some_and(|hint| hint.contains("authsome login acme --force"))
    );
    home.login(&["acme", "--force"], SECRET)
        .run()
        .assert_code(0);
    let explained = home.explain(&["https://new.acme.test/"]);
    assert_eq!(explained["decision"], "inject", "{explained}");
}

#[test]
fn another_environment_does_not_lead_a_stored_credential_elsewhere() {
    let home = Home::new();
    let url = format!("https://{HOST}");
    let login = home
        .login(&["jira-token"], SECRET)
        .env("JIRA_URL", &url)
        .env("JIRA_USERNAME", "me@acme.test");
    login
        .run()
        .assert_code(0)
        .assert_stderr(&[&format!("goes to {url}")]);
    let listed: serde_json::Value = home.authsome(["list", "--json"]).run().json();
    assert_eq!(listed["connections"][0]["base_url"], url);
    assert_eq!(listed["connections"][0]["username"], "me@acme.test");
    for (url, decision) in [
        ("https://evil.test/", "forward"),
        (&format!("{url}/"), "inject"),
    ] {
        let explain = home.authsome(["explain", "--json", url]);
        let output = explain.env("JIRA_URL", "https://evil.test").run();
        let explained: serde_json::Value = output.json();
        assert_eq!(explained["decision"], decision, "{output}");
    }
}

/// Names that must not be in the environment of a program that is started beside a run.
fn assert_nothing_secret_in(seen: &Path) {
    let environment = fs::read_to_string(seen).expect("what the program has seen");
    assert!(environment.contains("HARMLESS=kept"), "{environment}");
    for secret in [SECRET, "MASTER_KEY", "PASSPHRASE"] {
        assert!(!environment.contains(secret), "{secret}\n{environment}");
    }
}

#[test]
fn the_program_that_opens_a_page_gets_no_credentials() {
    let home = Home::new();
    home.acme("");
    home.like_acme("other", "");
    let key = "00".repeat(32);
    home.authsome(["login", "other", "--from", "env:MINE"])
        .env("MINE", SECRET)
        .env("AUTHSOME_MASTER_KEY", &key)
        .run()
        .assert_code(0);
    let seen = home.path("seen");
    let script = home.file(
        "browser",
        "#!/bin/sh\nenv > \"$SEEN.new\"; mv \"$SEEN.new\" \"$SEEN\"\n",
    );
    let mode = PermissionsExt::from_mode(0o700);
    fs::set_permissions(&script, mode).unwrap();
    let login = home.authsome(["login", "acme"]).env("BROWSER", &script);
    let login = login
        .env("SEEN", &seen)
        .env("HARMLESS", "kept")
        .env("MINE", SECRET)
        .env("OTHER_API_KEY", SECRET)
        .env("OPENAI_API_KEY", SECRET)
        .env("AUTHSOME_MASTER_KEY", &key)
        .env("AUTHSOME_PASSPHRASE_FILE", "/nowhere");
    let page = Page::of(login.background());
    wait_until("the browser is started", || seen.exists());
    assert_nothing_secret_in(&seen);
    page.enter("of-acme-0123");
    page.program.end().assert_code(0);
}

#[test]
fn a_command_that_a_login_brings_while_a_run_goes_on_gets_no_credentials_either() {
    let home = Home::new();
    home.acme("");
    home.like_acme("other", r#""api_url": "other.test""#);
    let key = "00".repeat(32);
    let with_key = |words: &[&str]| home.authsome(words).env("AUTHSOME_MASTER_KEY", &key);
    let login = with_key(&["login", "acme", "--stdin"]).stdin(b"of-acme-0123");
    login.run().assert_code(0);
    let origin = Origin::start(always_ok);
    let run = with_key(&["run"])
        .args(origin.args())
        .env("HARMLESS", "kept")
        .env("OTHER_API_KEY", SECRET)
        .start();
    let seen = home.path("seen");
    let line = format!("command:sh -c 'env > {}; echo of-it-0123'", seen.display());
    let login = with_key(&["login", "acme", "--force", "--from", &line]);
    login.run().assert_code(0);
    fs::remove_file(&seen).unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    assert_eq!(run.proxy.exchange(HOST, &request).text(), "ok");
    run.stop();
    let arrived = origin.finish();
    assert_eq!(arrived.only().one("Authorization"), "Bearer of-it-0123");
    assert_nothing_secret_in(&seen);
}

#[test]
fn a_command_for_the_vault_s_new_key_gets_no_credentials() {
    let home = Home::connected("");
    let seen = home.path("seen");
    let line = format!(
        "command:sh -c 'env > {}; echo {}'",
        seen.display(),
        "11".repeat(32)
    );
    let output = home
        .authsome(["vault", "rekey", "--key", &line])
        .env("HARMLESS", "kept")
        .env("ACME_API_KEY", SECRET)
        .env("AUTHSOME_MASTER_KEY_FILE", home.own("master.key"))
        .run();
    output.assert_code(0);
    assert_nothing_secret_in(&seen);
}

#[test]
#[cfg(target_os = "linux")]
fn another_user_of_the_machine_is_not_heard_by_the_page() {
    let home = Home::new();
    home.acme("");
    let page = Page::of(home.authsome(["login", "acme"]).background());
    let url = format!("http://127.0.0.1:{}{}", page.port, page.path);
    let curl = || {
        let cmd = Cmd::new(&home, "curl").args(["-sS", "--max-time", "30", &url]);
        cmd.folder("/".into())
    };
    let answer = curl().run();
    answer.assert_code(0);
    assert!(answer.stdout().contains("name=\"token\""), "{answer}");
    // Only root can be somebody else.
    if is_root() {
        for words in [&[][..], &["--data", "key=of-a-stranger"]] {
            let answer = curl().args(words).user(NOBODY).run();
            assert!(!answer.status.success(), "{answer}");
            assert!(answer.stdout.is_empty(), "{answer}");
        }
        // Nor where the stranger has gone before anybody looks whose it was.
        let token = page.token();
        let body = format!("token={token}&key=of-a-stranger&action=store");
        let script = format!(
            "import socket\nfor i in range(200):\n s=socket.create_connection(('127.0.0.1',{}))\n try:\n  \
             s.sendall(b'POST {} HTTP/1.1\\r\\nHost: 127.0.0.1:{}\\r\\nContent-Length: {}\\r\\n\\r\\n{body}')\n \
             except OSError: pass\n s.close()\nprint('tried')\n",
            page.port,
            page.path,
            page.port,
            body.len()
        );
        let python = Cmd::new(&home, "python3").args(["-c", &script]);
        let python = python.folder("/".into()).env("HOME", "/");
        if Command::new("python3").arg("--version").output().is_ok() {
            let tried = python.user(NOBODY).run();
            tried.assert_code(0);
            assert_eq!(tried.stdout(), "tried\n");
        }
        assert!(!home.own("vault").exists());
    }
    page.enter(SECRET);
    page.program.end().assert_code(0);
    let stored = home.authsome(["get", "acme", "--field", "credential", "--show-secret"]);
    assert_eq!(stored.run().stdout(), format!("{SECRET}\n"));
}

#[test]
fn what_an_import_stored_twice_is_exported_once() {
    let home = Home::new();
    let token = "ghp_abcdefghijklmnopqrstuvwxyz0123456789";
    let import = home
        .authsome(["import", "--yes"])
        .env("GITHUB_TOKEN", token);
    import.run().assert_code(0);
    let listed: serde_json::Value = home.authsome(["list", "--json"]).run().json();
    assert!(listed["connections"].as_array().unwrap().len() > 1);
    let output = home.authsome(["export"]).run();
    output.assert_code(0).assert_quiet();
    assert!(
        output.stdout().contains(&format!("GITHUB_TOKEN={token}\n")),
        "{output}"
    );
}

#[test]
fn a_connection_that_cannot_be_exported_does_not_keep_the_others_back() {
    let home = Home::connected("");
    for (name, source) in [("beta", "env:NO_SUCH"), ("gone", "env:THERE")] {
        home.like_acme(name, "");
        home.authsome(["login", name, "--force", "--from", source])
            .env("THERE", "of-gone-0123")
            .run()
            .assert_code(0);
    }
    fs::remove_file(home.own("providers/gone.json")).unwrap();
    for format in ["env", "shell", "json"] {
        let output = home.authsome(["export", "--format", format]).run();
        output.assert_code(1).assert_stderr(&[
            "warning: beta is left out: ",
            "NO_SUCH is not set",
            "warning: gone is left out: there is no provider",
        ]);
        assert!(output.stdout().contains(SECRET), "{output}");
    }
    let named = home.authsome(["export", "beta"]).run();
    named
        .assert_code(1)
        .assert_stderr(&["authsome: no credential for beta"]);
}

#[test]
fn a_key_that_is_cut_short_is_not_taken_for_another_provider_s() {
    let home = Home::new();
    let output = home.login(&["openai"], "sk-wrong").run();
    output.assert_code(1).assert_without("DeepSeek");
    output.assert_stderr(&[
        "authsome: this does not look like a key of OpenAI, which starts with sk-; it may be cut short\n",
    ]);
    for (key, provider) in [
        ("sk-ant-api03-abcdefghijklmnop", "Anthropic (`anthropic`)"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "GitHub"),
    ] {
        let words = format!("this looks like a key of {provider}");
        let output = home.login(&["openai"], key).run();
        output.assert_code(1).assert_stderr(&[&words]);
    }
}

/// A home whose `.env` in a folder of its own had a key that was replaced, and the folder.
fn imported() -> (Home, PathBuf) {
    let home = Home::new();
    home.acme("");
    let folder = home.path("project");
    let text = format!("ACME_API_KEY={SECRET}\n");
    let made = fs::create_dir(&folder).and_then(|()| fs::write(folder.join(".env"), text));
    made.expect("a folder with a file");
    let output = import(&home, &folder, &["--yes", "--replace"]).run();
    output.assert_code(0);
    (home, folder)
}

/// `authsome import` in a folder.
fn import(home: &Home, folder: &Path, words: &[&str]) -> Cmd {
    let cmd = home.authsome(["import"]).args(words);
    cmd.folder(folder.to_owned())
}

/// What a file has in it, and its mode.
fn content(path: &Path) -> (String, u32) {
    let mode = MetadataExt::mode(&fs::metadata(path).expect("a file"));
    (fs::read_to_string(path).expect("a file"), mode & 0o777)
}

#[test]
fn a_kept_file_can_be_had_back_once_it_is_gone() {
    let (home, folder) = imported();
    let original = format!("ACME_API_KEY={SECRET}\n");
    fs::remove_file(folder.join(".env")).unwrap();
    let output = import(&home, &folder, &["--restore", ".env"]).run();
    output.assert_code(0).assert_stderr(&[".env is as it was"]);
    assert_eq!(content(&folder.join(".env")), (original, 0o600));
    let again = import(&home, &folder, &["--restore", ".env"]).run();
    again
        .assert_code(1)
        .assert_stderr(&["nothing is kept of .env", "import --kept"]);
}

#[test]
fn a_kept_file_can_be_had_back_once_its_folder_is_gone() {
    let (home, folder) = imported();
    let moved = home.path("moved");
    fs::rename(&folder, &moved).unwrap();
    let listed = home.authsome(["import", "--kept"]).run();
    listed.assert_code(0).assert_without(SECRET);
    let path = listed.stdout();
    let path = path.lines().nth(1).unwrap().split("  ").next().unwrap();
    assert!(path.ends_with("/project/.env"), "{listed}");
    let restore = |words: &[&str]| import(&home, &moved, words).args(["--restore", path]);
    restore(&[])
        .run()
        .assert_code(1)
        .assert_stderr(&["cannot find", "--to FILE"]);
    fs::write(moved.join("other"), "precious").unwrap();
    restore(&["--to", "other"])
        .run()
        .assert_code(1)
        .assert_stderr(&["other is there already", "--force"]);
    assert_eq!(content(&moved.join("other")).0, "precious");
    // What the import has left there is no loss.
    let output = restore(&["--to", ".env"]).run();
    output.assert_code(0).assert_stderr(&[".env is as it was"]);
    let original = format!("ACME_API_KEY={SECRET}\n");
    assert_eq!(content(&moved.join(".env")).0, original);
    let stray = import(&home, &moved, &["--to", "x"]).run();
    stray
        .assert_code(2)
        .assert_stderr(&["--to goes with --restore"]);
}

#[test]
fn another_name_of_a_file_still_has_its_keys_and_is_told_of() {
    let home = Home::new();
    home.acme("");
    let folder = home.path("project");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(".env"), format!("ACME_API_KEY={SECRET}\n")).unwrap();
    fs::hard_link(folder.join(".env"), home.path("link")).unwrap();
    let output = import(&home, &folder, &["--yes", "--replace"]).run();
    output
        .assert_code(0)
        .assert_stderr(&["warning: .env had another name (a hard link)"]);
}

#[test]
fn what_a_killed_import_left_behind_is_swept_and_never_read() {
    let (home, folder) = imported();
    let token = "0123456789abcdef".repeat(2);
    let hour = Duration::from_secs(2 * 60 * 60);
    let leave = |name: &str, is_old: bool| {
        let path = folder.join(name);
        let text = format!("ACME_API_KEY={SECRET}-of-{}\n", name.len());
        fs::write(&path, text).unwrap();
        if is_old {
            let file = File::options().write(true).open(&path).unwrap();
            let time = SystemTime::now() - hour;
            file.set_modified(time).unwrap();
        }
        path
    };
    let old = leave(&format!(".env.authsome-{token}"), true);
    let of_other = leave(&format!(".env.local.authsome-{token}"), true);
    let new = leave(
        &format!(".env.authsome-f{}", token.get(1..).unwrap()),
        false,
    );
    let foreign = leave("notes.authsome-mine", true);
    let output = import(&home, &folder, &["--restore", ".env"]).run();
    output.assert_code(0);
    assert!(!old.exists() && of_other.exists() && new.exists() && foreign.exists());
    let output = import(&home, &folder, &["--json"]).run();
    assert!(!of_other.exists() && new.exists() && foreign.exists());
    output.assert_without("authsome-");
}

#[test]
fn a_name_or_a_definition_commands_no_terminal() {
    let (home, folder) = imported();
    let name = ".env.\u{1b}[2J\u{9b}1m\n";
    fs::write(folder.join(name), format!("ACME_API_KEY={SECRET}-too\n")).unwrap();
    home.acme(r#""display_name": "\u001b]0;Acme\u0007", "docs_url": "https://x.test/\u001b[31m""#);
    home.like_acme(
        "other",
        r#""api_key": {"key_pattern": "^x", "key_pattern_hint": "\u001b[5m"}"#,
    );
    let assert_tame = |output: &Output| {
        let all = [output.stdout(), output.stderr()].concat();
        assert!(!all.contains(['\u{1b}', '\u{7}', '\u{9b}']), "{all:?}");
    };
    let output = import(&home, &folder, &["--yes", "--replace"]).run();
    output.assert_code(0);
    assert_tame(&output);
    assert!(
        output.stdout().contains(".env.\\x1b[2J\\x9b1m\\x0a"),
        "{output}"
    );
    let json = import(&home, &folder, &["--json", "--quiet"]).run();
    assert_tame(&json);
    let found: serde_json::Value = json.json();
    assert!(found["found"].is_array());
    for words in [
        &["import", "--kept"][..],
        &["inspect", "acme"],
        &["inspect", "acme", "--json"],
        &["inspect", "other"],
        &["list", "--all"],
        &["list", "--all", "--json"],
        &["explain", HOST],
        &["revoke", "acme"],
        &["login", "\u{1b}[2J"],
        &["doctor"],
        &["register", "/\u{1b}[2J"],
        &["run", "true"],
    ] {
        assert_tame(&home.authsome(words).run());
    }
    assert_tame(&home.login(&["other"], "wrong").run());
}

/// Makes a named pipe that nobody writes to, and gives its path.
fn pipe(home: &Home, name: &str) -> String {
    let path = home.path(name);
    let made = Command::new("mkfifo").arg(&path).status();
    assert!(made.expect("mkfifo").success());
    path.display().to_string()
}

#[test]
fn a_named_pipe_in_a_file_s_place_is_refused_and_not_waited_for() {
    let home = Home::connected("");
    let pipe = pipe(&home, "pipe");
    let source = format!("file:{pipe}");
    for words in [
        &["register", &pipe][..],
        &["import", &pipe],
        &["vault", "rekey", "--key", &source],
        &["vault", "rekey", "--passphrase-file", &pipe],
    ] {
        let output = home.authsome(words).run();
        output
            .assert_code(1)
            .assert_stderr(&["a named pipe", "hint: "]);
    }
    let list = home
        .authsome(["list"])
        .env("AUTHSOME_MASTER_KEY_FILE", &pipe);
    list.run().assert_code(1).assert_stderr(&["a named pipe"]);
    let fresh = home.path("fresh");
    let login = home
        .login(&["openai", "--force"], SECRET)
        .env("AUTHSOME_HOME", fresh);
    let login = login.env("AUTHSOME_PASSPHRASE_FILE", &pipe);
    login.run().assert_code(1).assert_stderr(&["a named pipe"]);
}

#[test]
fn a_pipe_that_the_shell_has_opened_is_read() {
    let home = Home::connected("");
    let definition = home.own("providers/acme.json");
    fs::rename(&definition, home.path("acme.json")).unwrap();
    for line in [
        "cat acme.json | \"$0\" register --force /dev/stdin",
        "cat acme.json | \"$0\" register --force /dev/fd/3 3<&0 <&-",
    ] {
        let cmd = Cmd::new(&home, "sh").args(["-c", line, BINARY]);
        cmd.run().assert_code(0);
        fs::remove_file(&definition).unwrap();
    }
}

#[test]
fn a_pipe_in_the_place_of_the_vault_s_lock_or_of_a_definition_is_refused() {
    let home = Home::connected("");
    fs::remove_file(home.own("vault.lock")).unwrap();
    pipe(&home, "home/.authsome/vault.lock");
    home.authsome(["logout", "acme"])
        .run()
        .assert_code(1)
        .assert_stderr(&["vault.lock is not a plain file", "hint: move it away"]);
    fs::remove_file(home.own("vault.lock")).unwrap();
    fs::remove_file(home.own("providers/acme.json")).unwrap();
    pipe(&home, "home/.authsome/providers/acme.json");
    home.authsome(["inspect", "acme"])
        .run()
        .assert_code(1)
        .assert_stderr(&["acme.json: is not a plain file", "hint: move it away"]);
}

#[test]
fn a_definition_that_others_can_change_is_refused_by_a_run_and_by_doctor() {
    let home = Home::connected("");
    let path = home.own("providers/acme.json");
    for mode in [0o664, 0o646, 0o622] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let words = &["acme.json", "can be used by others", "chmod go-w "];
        let run = home.authsome(["run", "true"]).env("ACME_API_KEY", SECRET);
        run.run().assert_code(125).assert_stderr(words);
        let doctor = home.authsome(["doctor"]).run();
        doctor.assert_code(1);
        for words in words {
            assert!(doctor.stdout().contains(words), "no {words}\n{doctor}");
        }
    }
    // A link is as good as what it leads to.
    fs::rename(&path, home.path("acme.json")).unwrap();
    symlink(home.path("acme.json"), &path).unwrap();
    let inspect = home.authsome(["inspect", "acme"]);
    inspect.run().assert_code(1);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let inspect = home.authsome(["inspect", "acme"]);
    inspect.run().assert_code(0);
}

#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let home = Home::connected("");
    let show = [
        "get",
        "acme",
        "--field",
        "credential",
        "--show-secret",
        "--json",
    ];
    for words in [
        &show[..5],
        &show,
        &["list"],
        &["list", "--json"],
        &["export", "acme"],
        &["help"],
        &["version"],
    ] {
        let line = "exec \"$0\" \"$@\" >/dev/full";
        let cmd = Cmd::new(&home, "sh").args(["-c", line, BINARY]).args(words);
        cmd.run()
            .assert_code(1)
            .assert_stderr(&["cannot write the result", "No space left"])
            .assert_without(SECRET);
    }
}

#[test]
fn a_file_s_name_among_the_providers_is_not_a_word_for_a_shell() {
    let home = Home::new();
    home.acme("");
    let text = fs::read_to_string(home.own("providers/acme.json")).unwrap();
    for name in ["$(touch pwned)", "`touch pwned`", "two words"] {
        home.provider(name, &text);
    }
    let output = home.authsome(["list", "--all", "--names"]).run();
    output.assert_code(0);
    let names = output.stdout();
    assert!(names.lines().any(|name| name == "acme"), "{names}");
    assert!(!names.contains("touch") && !names.contains(' '), "{names}");
}

#[test]
fn doctor_names_the_connection_that_is_to_be_logged_in_again() {
    let home = Home::new();
    home.acme("");
    let key = home.file("key", SECRET);
    let source = format!("file:{key}");
    let words = ["login", "acme", "--connection", "work", "--from", &source];
    home.authsome(words).run().assert_code(0);
    fs::remove_file(&key).unwrap();
    let output = home.authsome(["doctor"]).run();
    output.assert_code(1);
    let again = "`authsome login acme --connection work --force`";
    assert!(output.stdout().contains(again), "{output}");
}

#[test]
fn an_upstream_proxy_that_cannot_be_used_is_no_matter_where_nothing_is_reached() {
    let home = Home::connected("");
    for words in [
        &["get", "acme", "--field", "credential", "--show-secret"][..],
        &["export", "acme"],
    ] {
        let cmd = home.authsome(words);
        let output = cmd.env("HTTPS_PROXY", "socks5://127.0.0.1:1").run();
        output.assert_code(0).assert_quiet();
        assert!(output.stdout().contains(SECRET), "{output}");
    }
}

#[test]
fn the_program_s_own_json_is_not_authsome_s() {
    let home = Home::connected("");
    let output = home.authsome(["run", "no-such-program", "--json"]).run();
    output.assert_code(127).assert_stderr(&["authsome: "]);
    assert!(!output.stderr().starts_with('{'), "{output}");
    // What is wrong in the line itself is told as it was asked for.
    let output = home.authsome(["list", "--json", "--no-such-option"]).run();
    output.assert_code(2);
    assert!(output.stderr().starts_with('{'), "{output}");
}

#[test]
fn all_flows_are_completed() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let output = home.authsome(["completions", shell]).run();
        let script = output.stdout();
        for flow in ["pkce", "device_code", "dcr_pkce", "api_key"] {
            let is_word = |word: &str| word == flow;
            let letters = |c: char| !c.is_ascii_lowercase() && c != '_';
            assert!(script.split(letters).any(is_word), "{shell}: {flow}");
        }
    }
}

#[test]
fn a_command_that_gives_the_wrong_key_is_run_once() {
    let home = Home::connected("");
    let script = format!(
        "echo asked >>'{}'; echo {}",
        home.path("asked").display(),
        "07".repeat(32)
    );
    let script = home.file("key.sh", &script);
    let cmd = home.authsome(["list"]);
    let cmd = cmd.env("AUTHSOME_MASTER_KEY_COMMAND", format!("sh {script}"));
    cmd.run()
        .assert_code(1)
        .assert_stderr(&["sealed with another key"]);
    assert_eq!(fs::read_to_string(home.path("asked")).unwrap(), "asked\n");
}

#[test]
fn a_length_that_an_origin_repeats_goes_on_as_one_number_where_no_body_follows() {
    for (method, status) in [("HEAD", "200 OK"), ("GET", "304 Not Modified")] {
        let scene = Scene::new("", move |conn| {
            conn.expect_request();
            let lengths = "Content-Length: 0099, 99\r\nContent-Length: 99\r\n";
            conn.send(format!("HTTP/1.1 {status}\r\n{lengths}\r\n"));
        });
        let mut client = scene.client();
        client.send(format!("{method} /v1 HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
        let response = client.response(method);
        assert_eq!(response.one("Content-Length"), "99", "{method}");
        scene.finish();
    }
}
