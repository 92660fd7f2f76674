//! One test a fault that was found and mended: each failed before.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::support::BINARY;
use crate::support::Cmd;
use crate::support::Home;
use crate::support::PLACEHOLDER;
use crate::support::SECRET;
use crate::support::Scene;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
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
    response.assert_refusal(502, "destination_unavailable");
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
fn a_socks_proxy_for_everything_is_passed_over_with_a_warning() {
    let home = Home::new();
    let output = home
        .authsome(["run", "--", "sh", "-c", "echo [$ALL_PROXY]"])
        .env("ALL_PROXY", "socks5://u:s3cr@127.0.0.1:9")
        .run();
    output
        .assert_code(0)
        .assert_stderr(&["ALL_PROXY", "passed over"])
        .assert_without("s3cr");
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
    run.stop()
        .assert_stderr(&["GET /path 400"])
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
