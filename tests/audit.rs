//! The log of what was done: what is in a line and what never is, who may read it, and that no trouble with it stops a request.

use std::fs;
use std::fs::OpenOptions;
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;

use serde_json::Value;
use serde_json::json;

use crate::support::BINARY;
use crate::support::Cmd;
use crate::support::Home;
use crate::support::Running;
use crate::support::SECRET;
use crate::support::client::Proxy;
use crate::support::client::tls_over;
use crate::support::idp;
use crate::support::idp::Fault;
use crate::support::idp::Idp;
use crate::support::is_root;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
use crate::support::wait_until;
use crate::support::wire::base64;

/// What must be nowhere.
pub(crate) const CANARY: &str = "canary-0123456789";

/// A megabyte.
const MIB: usize = 1024 * 1024;

/// A GET of this path.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}

/// The events in a file.
fn events_in(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
    text.lines().map(read).collect()
}

/// The events of a home.
fn events(home: &Home) -> Vec<Value> {
    events_in(&home.own("audit.log"))
}

/// The only event of this kind.
fn only<'a>(events: &'a [Value], kind: &str) -> &'a Value {
    let found: Vec<&Value> = events
        .iter()
        .filter(|event| event["event"] == kind)
        .collect();
    match found.as_slice() {
        [only] => only,
        _ => panic!("not one {kind} in {events:#?}"),
    }
}

/// The files of a home's log.
pub(crate) fn files(home: &Home) -> Vec<PathBuf> {
    let all = home.files().into_iter();
    let mut files: Vec<PathBuf> = all
        .filter(|path| path.to_string_lossy().contains("audit.log"))
        .collect();
    files.sort();
    files
}

/// Writes a log as if it had been there.
pub(crate) fn write_log(home: &Home, name: &str, text: &str) -> PathBuf {
    let path = home.own(name);
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&path)
        .expect("a file");
    file.write_all(text.as_bytes()).expect("a line");
    path
}

/// A line of a log.
pub(crate) fn line(time: &str, run: &str, provider: &str, more: &Value) -> String {
    let mut event = json!({"run": run, "event": "request", "provider": provider,
        "connection": "default", "method": "GET", "host": HOST, "path": "/", "status": 200,
        "sent": 0, "received": 10, "ms": 5, "reused": true});
    for (name, value) in more.as_object().expect("fields") {
        event[name] = value.clone();
    }
    // The time comes first, as authsome writes it.
    let text = event.to_string();
    let rest = text.strip_prefix('{').expect("an object");
    format!("{{\"time\":\"{time}\",{rest}\n")
}

/// Checks that an event has these fields, and these values in them.
fn assert_has(event: &Value, fields: &Value) {
    for (name, value) in fields.as_object().expect("fields") {
        assert_eq!(&event[name], value, "{name} in {event:#}");
    }
}

/// The text of a home's log, in which no secret is.
fn discreet_text(home: &Home) -> String {
    let text = fs::read_to_string(home.own("audit.log")).expect("a log");
    assert!(!text.contains(CANARY) && !text.contains(SECRET), "{text}");
    text
}

// What is in a line.

/// A home whose log has the lines of a run that sent two requests on one connection.
fn with_two_requests() -> Home {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(|conn| {
        conn.expect_request();
        conn.ok(&format!("{CANARY} {SECRET}"));
        conn.expect_request();
        conn.ok("");
    });
    let run = home.run(&origin).start();
    let mut client = run.proxy.tls(HOST);
    client.send(format!(
        "POST /v1/a?key={CANARY} HTTP/1.1\r\nHost: {HOST}\r\nX: {CANARY}\r\nContent-Length: 17\r\n\r\n{CANARY}"
    ));
    assert_eq!(client.response("POST").status(), 200);
    client.send(get(&format!("/v1/b?{CANARY}")));
    assert_eq!(client.response("GET").status(), 200);
    run.stop();
    home
}

#[test]
fn a_request_leaves_a_line_with_everything_but_its_secrets() {
    let home = with_two_requests();
    discreet_text(&home);
    let mode = fs::metadata(home.own("audit.log")).expect("a log").mode();
    assert_eq!(mode & 0o7777, 0o600);
    let events = events(&home);
    let [_, first, second] = events.as_slice() else {
        panic!("{events:#?}");
    };
    let length = CANARY.len() + 1 + SECRET.len();
    for (event, method, path, (sent, received), reused) in [
        (first, "POST", "/v1/a", (CANARY.len(), length), false),
        (second, "GET", "/v1/b", (0, 0), true),
    ] {
        assert_has(
            event,
            &json!({"event": "request", "provider": "acme", "connection": "default", "method": method,
                "host": HOST, "path": path, "status": 200, "sent": sent, "received": received,
                "reused": reused, "error": null}),
        );
        assert!(event["ms"].is_u64(), "{event}");
    }
}

#[test]
fn the_lines_of_a_run_begin_with_its_program_and_have_their_fields_in_order() {
    let home = with_two_requests();
    let text = discreet_text(&home);
    assert!(!text.contains("READY"), "no arguments: {text}");
    let events = events(&home);
    let run = events[0]["run"].as_str().expect("a run");
    let is_hex = |byte: u8| byte.is_ascii_hexdigit();
    assert!(run.len() == 8 && run.bytes().all(is_hex), "{run}");
    assert_has(&events[0], &json!({"event": "start", "program": "sh"}));
    assert!(events[0]["version"].is_string());
    for event in &events {
        assert_eq!(event["run"], run);
        let time = event["time"].as_str().expect("a time");
        assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
    }
    let line = text.lines().nth(1).expect("a line");
    let order =
        "time run event provider connection method host path status sent received ms reused";
    let place = |name| line.find(&format!("\"{name}\":")).expect("the field");
    let places: Vec<usize> = order.split(' ').map(place).collect();
    assert!(places.is_sorted(), "{line}");
}

#[test]
fn the_content_of_streams_is_counted_without_its_framing_up_to_where_it_is_cut() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(|conn| {
        conn.expect_request();
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..100 {
            conn.send(format!("64\r\n{}\r\n", "x".repeat(100)));
        }
        conn.send("0\r\n\r\n");
        conn.expect_request();
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly so much");
        conn.cut();
    });
    let run = home.run(&origin).start();
    let mut client = run.proxy.tls(HOST);
    client.send(format!(
        "POST /up HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ));
    for _ in 0..10 {
        client.send(format!("a;x=y\r\n{}\r\n", "u".repeat(10)));
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.response("POST").body.len(), 10_000);
    client.send(get("/cut"));
    assert!(!client.response("GET").whole);
    run.stop();
    let events = events(&home);
    let [_, whole, cut] = events.as_slice() else {
        panic!("{events:#?}");
    };
    assert_has(whole, &json!({"sent": 100, "received": 10_000}));
    let error = "the answer was cut short";
    assert_has(cut, &json!({"status": 200, "received": 12, "error": error}));
}

/// Has a run refuse requests in five ways.
fn be_refused(run: &Running) {
    let url = &run.env["HTTPS_PROXY"];
    let user = url.split(['/', '@']).nth(2).expect("a password");
    let field = base64(user.as_bytes());
    let field = format!("Proxy-Authorization: Basic {field}\r\n");
    let ask = |text: String| {
        let mut client = run.proxy.plain();
        client.send(text);
        (client.response("CONNECT").status(), client)
    };
    let connect = |host: &str, field| {
        ask(format!(
            "CONNECT {host}:443 HTTP/1.1\r\nHost: {host}\r\n{field}\r\n"
        ))
    };
    assert_eq!(connect("denied.test", "").0, 407);
    assert_eq!(connect("denied.test", &field).0, 403);
    let url = format!("http://user:{CANARY}@x/");
    assert_eq!(
        ask(format!("GET {url} HTTP/1.1\r\nHost: x\r\n{field}\r\n")).0,
        400
    );
    let (_, tunnel) = connect(HOST, &field);
    let mut client = tls_over(tunnel, HOST, run.proxy.config()).expect("TLS");
    let lines = format!("Host: {HOST}\r\nContent-Length: 0\r\n");
    client.send(format!("POST /x?{CANARY} HTTP/1.1\r\n{lines}\r\n"));
    assert_eq!(client.response("POST").status(), 403);
    client.send(format!("GET /y HTTP/1.1\r\n{lines}A : {CANARY}\r\n\r\n"));
    assert_eq!(client.response("GET").status(), 400);
}

#[test]
fn what_the_proxy_refuses_leaves_a_line_with_the_reason() {
    let home = Home::new();
    home.acme(r#""rules": [{"methods": ["GET"], "action": "allow"}]"#);
    let origin = Origin::start(always_ok);
    let run = home
        .run(&origin)
        .args(["--deny", "denied.test", "--proxy-auth"]);
    let run = run.start();
    be_refused(&run);
    run.stop();
    origin.finish().assert_nothing();
    discreet_text(&home);
    let mut events = events(&home);
    events.retain(|event| event["event"] == "refused");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let seen = |event: &Value| {
        assert!(event["error"].is_string(), "{event}");
        (
            event["status"].as_u64(),
            text(&event["host"]),
            text(&event["method"]),
        )
    };
    // Those of different connections come as they may.
    let mut seen: Vec<_> = events.iter().map(seen).collect();
    seen.sort_unstable();
    let expected = [
        (400, "", "GET"),
        (400, HOST, ""),
        (403, HOST, "POST"),
        (403, "denied.test", "CONNECT"),
        (407, "", ""),
    ];
    let expected =
        expected.map(|(status, host, method)| (Some(status), host.into(), method.into()));
    assert_eq!(seen, expected, "{events:#?}");
    let post = events.iter().find(|event| event["method"] == "POST");
    assert_has(
        post.expect("it"),
        &json!({"provider": "acme", "path": "/x"}),
    );
}

#[test]
fn a_failed_origin_an_ambiguous_host_and_what_passes_blindly_are_told_apart() {
    let home = Home::new();
    home.acme(r#""api_url": ["api.acme.test", "other.test"]"#);
    home.like_acme("beta", r#""api_url": "other.test""#);
    let origin = Origin::start(always_ok);
    let plain = Origin::plain(always_ok);
    let run = home
        .run(&origin)
        .env("BETA_API_KEY", SECRET)
        .args(origin.leads_here(&["other.test", "idp.test"], 443))
        .args(plain.leads_here(&["clear.test"], 80))
        .start();
    assert_eq!(
        run.proxy
            .exchange("other.test", "GET /a HTTP/1.1\r\nHost: other.test\r\n\r\n")
            .status(),
        200
    );
    let mut client = run.proxy.plain();
    client.send("GET http://clear.test/ HTTP/1.1\r\nHost: clear.test\r\n\r\n");
    assert_eq!(client.response("GET").status(), 200);
    drop(run.proxy.tunnel("idp.test:443"));
    run.stop();
    let events = events(&home);
    assert_eq!(events.len(), 2, "{events:#?}");
    let ambiguous = only(&events, "ambiguous");
    assert_eq!(
        (&ambiguous["host"], &ambiguous["status"]),
        (&json!("other.test"), &json!(200))
    );
    assert_eq!(ambiguous["error"], "claimed by acme and beta");

    let home = Home::new();
    home.acme("");
    let closed = Origin::plain(|_| {});
    let run = home.run(&closed).start();
    assert_eq!(run.proxy.exchange(HOST, &get("/")).status(), 502);
    run.stop();
    let events = self::events(&home);
    let failed = only(&events, "request");
    assert_eq!(
        (&failed["status"], &failed["provider"]),
        (&json!(502), &json!("acme"))
    );
    assert!(failed["error"].is_string());
}

#[test]
fn logins_refreshes_and_logouts_leave_lines_and_no_token() {
    let idp = Idp::start();
    let home = idp::home("pkce", &json!({}));
    idp.change(|manner| manner.expires_in = json!(1));
    idp.log_in(&home, &[]);
    idp.wait_for_end_of_tokens();
    let run = idp.run(&home).start();
    assert_eq!(run.proxy.exchange(HOST, &get("/v1")).status(), 200);
    idp.wait_for_end_of_tokens();
    idp.once(
        "/token",
        Fault::json(
            400,
            &json!({"error": CANARY, "error_description": CANARY}).to_string(),
        ),
    );
    run.proxy.exchange(HOST, &get("/v1"));
    run.stop();
    idp.authsome(&home, &["logout", "acme"])
        .run()
        .assert_code(0);
    home.login(&["beta"], SECRET);
    let events = events(&home);
    let kinds: Vec<&str> = events
        .iter()
        .filter_map(|event| event["event"].as_str())
        .collect();
    assert_eq!(
        kinds,
        [
            "login", "start", "refresh", "request", "refresh", "refused", "logout"
        ]
    );
    for kind in ["login", "logout"] {
        let event = only(&events, kind);
        assert_eq!(
            (&event["provider"], &event["connection"]),
            (&json!("acme"), &json!("default"))
        );
    }
    assert_eq!(
        (&events[2]["host"], &events[2]["error"]),
        (&json!("idp.test"), &Value::Null)
    );
    assert_eq!(events[4]["error"], "the server gives no new tokens");
    let runs: Vec<&Value> = events.iter().map(|event| &event["run"]).collect();
    assert_ne!(runs[0], runs[1]);
    assert_eq!(runs[1], runs[5]);
    let text = fs::read_to_string(home.own("audit.log")).expect("a log");
    for secret in idp.secrets().iter().map(String::as_str).chain([CANARY]) {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[test]
fn definitions_keys_and_defaults_leave_lines() {
    let home = Home::new();
    let file = home.file(
        "beta.json",
        r#"{"name": "beta", "api_url": "beta.test", "api_key": {}}"#,
    );
    home.authsome(["register", &file]).run().assert_code(0);
    home.login(&["beta"], SECRET).run().assert_code(0);
    home.login(&["beta", "--connection", "work"], SECRET)
        .run()
        .assert_code(0);
    home.authsome(["default", "beta", "work"])
        .run()
        .assert_code(0);
    home.authsome(["vault", "rekey"]).run().assert_code(0);
    home.authsome(["revoke", "beta"]).run().assert_code(0);
    home.authsome(["remove", "beta"]).run().assert_code(0);
    let events = events(&home);
    let told: Vec<String> = events
        .iter()
        .map(|event| {
            let words = ["event", "provider", "connection"].map(|name| event[name].as_str());
            words.into_iter().flatten().collect::<Vec<_>>().join(" ")
        })
        .collect();
    let expected = [
        "register beta",
        "login beta default",
        "login beta work",
        "default beta work",
        "rekey",
        "revoke beta default",
        "revoke beta work",
        "remove beta",
    ];
    assert_eq!(told, expected);
}

// The file.

#[test]
fn a_run_that_asks_for_nothing_or_wants_no_log_leaves_nothing() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(always_ok);
    home.run(&origin)
        .arg("true")
        .run()
        .assert_code(0)
        .assert_quiet();
    let run = home.run(&origin).arg("--no-audit").start();
    assert_eq!(run.proxy.exchange(HOST, &get("/")).status(), 200);
    run.stop();
    assert!(files(&home).is_empty());
}

#[test]
fn the_home_is_made_for_the_first_event() {
    let home = Home::new();
    let fresh = home.path("fresh/.authsome");
    let run = home
        .authsome(["run", "--demo"])
        .env("AUTHSOME_HOME", &fresh)
        .start();
    assert!(!fresh.exists());
    let host = "demo.authsome.test";
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    run.proxy.exchange(host, &request);
    run.stop();
    let mode = |path: &Path| fs::metadata(path).expect("it").mode() & 0o777;
    assert_eq!(mode(&fresh), 0o700);
    assert_eq!(mode(&fresh.join("audit.log")), 0o600);
    assert_eq!(
        only(&events_in(&fresh.join("audit.log")), "request")["provider"],
        "demo"
    );
}

#[test]
fn a_log_that_others_can_use_or_that_is_a_link_is_refused() {
    let home = Home::new();
    let target = home.file("target", "");
    fs::set_permissions(&target, Permissions::from_mode(0o600)).expect("its mode");
    let link = home.path("link");
    symlink(&target, &link).expect("a link");
    let loose = home.file("loose", "");
    fs::set_permissions(&loose, Permissions::from_mode(0o640)).expect("its mode");
    for file in [&*link.to_string_lossy(), &loose, "/nonexistent/log"] {
        let output = home
            .authsome(["run", "--audit-file", file, "echo", "ran"])
            .run();
        output
            .assert_code(125)
            .assert_stderr(&["the audit log can't be used", file, "hint:"])
            .assert_without("ran");
    }
    symlink(&target, home.own("audit.log")).expect("a link");
    for words in [&["run", "true"][..], &["list"]] {
        let output = home.authsome(words).run();
        output.assert_stderr(&["the audit log can't be used", "is not a plain file"]);
        assert!(!output.status.success(), "{output}");
    }
    home.authsome(["doctor"]).run().assert_code(1);
    assert_eq!(fs::read(&target).expect("the target"), b"");
    let both = home.authsome(["run", "--no-audit", "--audit-file", "x", "true"]);
    both.run().assert_code(2);
    home.authsome(["run", "--no-audit", "true"])
        .run()
        .assert_code(0);
}

#[test]
fn a_log_that_this_process_was_given_open_is_written_as_it_comes() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(always_ok);
    let run = home
        .run(&origin)
        .args(["--audit-file", "/dev/stderr"])
        .start();
    assert_eq!(run.proxy.exchange(HOST, &get("/told")).status(), 200);
    run.program.wait_for_stderr("\"/told\"");
    run.stop();

    // Another one, which the program doesn't get.
    let path = home.path("given");
    let words = "exec \"$0\" \"$@\" 5>given";
    let run = Cmd::new(&home, "sh")
        .args(["-c", words, BINARY, "run"])
        .args(origin.args())
        .env("ACME_API_KEY", SECRET)
        .args(["--audit-file", "/dev/fd/5"])
        .start();
    assert_eq!(run.proxy.exchange(HOST, &get("/told")).status(), 200);
    run.stop();
    assert_eq!(events_in(&path).len(), 2);
    let output = Cmd::new(&home, "sh")
        .args(["-c", words, BINARY, "run"])
        .args(["--audit-file", "/dev/fd/5", "sh", "-c", "echo no >&5"])
        .run();
    assert!(!output.status.success(), "{output}");
    assert_eq!(fs::read(&path).expect("the file"), b"");
    assert!(files(&home).is_empty());
}

/// Sends so many requests on one connection.
pub(crate) fn send(proxy: &Proxy, count: usize) {
    let mut client = proxy.tls(HOST);
    for number in 0..count {
        client.send(get(&format!("/{number}")));
        assert_eq!(client.response("GET").status(), 200);
    }
}

#[test]
fn a_large_log_is_put_aside_and_of_two_runs_that_write_to_it_no_line_is_lost() {
    const EACH: usize = 150;

    let home = Home::new();
    home.acme("");
    // So large that it is put aside while they write.
    let filler = line("2026-01-01T00:00:00.000Z", "00000000", "acme", &json!({}));
    let count = (10 * MIB - 20_000) / filler.len();
    write_log(&home, "audit.log", &filler.repeat(count));
    write_log(&home, "audit.log.1", "older\n");
    write_log(&home, "audit.log.4", "oldest\n");
    let origin = Origin::start(always_ok);
    let runs = [home.run(&origin).start(), home.run(&origin).start()];
    std::thread::scope(|scope| {
        for run in &runs {
            let proxy = &run.proxy;
            scope.spawn(|| send(proxy, EACH));
        }
    });
    for run in runs {
        run.stop().assert_quiet();
    }
    let names = ["audit.log", "audit.log.1", "audit.log.2", "audit.log.lock"];
    let found = files(&home);
    let names_of = |path: &PathBuf| {
        path.file_name()
            .map(|name| name.to_string_lossy().into_owned())
    };
    let found: Vec<String> = found.iter().filter_map(names_of).collect();
    // The fourth stays where it is until there is a third.
    assert_eq!(
        found,
        [names[0], names[1], names[2], "audit.log.4", names[3]]
    );
    assert_eq!(fs::read(home.own("audit.log.2")).expect("it"), b"older\n");
    let (old, new) = (events_in(&home.own("audit.log.1")), events(&home));
    assert_eq!(old.len() + new.len(), count + 2 * (EACH + 1));
    assert!(
        !new.is_empty() && old.len() > count,
        "{} {}",
        old.len(),
        new.len()
    );
    for name in ["audit.log", "audit.log.1"] {
        let found = fs::metadata(home.own(name)).expect("it");
        assert_eq!(found.mode() & 0o777, 0o600);
        assert!(
            found.size() <= 10 * MIB as u64 + 64 * 1024,
            "{}",
            found.size()
        );
    }
    let all = home.authsome(["audit", "--lines", "0", "--provider", "acme", "--json"]);
    let answer: Value = all.run().assert_code(0).json();
    let shown = answer["events"].as_array().expect("events").len();
    assert_eq!(shown, count + 2 * EACH);
}

#[test]
fn no_trouble_with_the_log_stops_a_request_and_it_is_told_once() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(always_ok);
    let run = home
        .run(&origin)
        .args(["--audit-file", "/dev/full"])
        .start();
    send(&run.proxy, 5);
    let output = run.stop();
    output.assert_stderr(&[
        "warning: the audit log /dev/full can't be written",
        "requests go on",
    ]);
    assert_eq!(output.lines_with("warning"), 1, "{output}");

    // A limit of this process: the system would end it for a write beyond.
    let log = write_log(&home, "limited", &"\n".repeat(4 * MIB - 512));
    let run = Cmd::new(&home, "bash")
        .args(["-c", "ulimit -f 4096; exec \"$0\" \"$@\"", BINARY, "run"])
        .args(origin.args())
        .arg("--audit-file")
        .arg(&log)
        .env("ACME_API_KEY", SECRET)
        .start();
    send(&run.proxy, 5);
    let output = run.stop();
    assert_eq!(output.lines_with("warning"), 1, "{output}");
    assert!(fs::metadata(&log).expect("it").len() <= 4 * MIB as u64);

    // Nobody can make a home there, root neither.
    let run = home.run(&origin).env("AUTHSOME_HOME", "/proc/nothing");
    let run = run.arg("--demo").start();
    let host = "demo.authsome.test";
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    assert_eq!(run.proxy.exchange(host, &request).status(), 200);
    let output = run.stop();
    output.assert_stderr(&["the audit log /proc/nothing/audit.log can't be written"]);
}

/// Mounts a small disk, in a mount namespace of its own, so that nothing of it is left; then becomes what is told.
const SMALL_DISK: &str =
    "mkdir small && mount -t tmpfs -o size=64k,mode=700 none small && exec \"$0\" \"$@\"";

#[test]
fn a_full_disk_costs_lines_which_are_counted_and_the_next_ones_are_whole() {
    let home = Home::new();
    home.acme("");
    let can_mount = Cmd::new(&home, "unshare")
        .args(["-m", "sh", "-c", SMALL_DISK, "true"])
        .run();
    if !is_root() || !can_mount.status.success() {
        return;
    }
    fs::remove_dir(home.path("small")).expect("the folder alone");
    let origin = Origin::start(always_ok);
    let run = Cmd::new(&home, "unshare")
        .args(["-m", "sh", "-c", SMALL_DISK, BINARY, "run"])
        .args(origin.args())
        .args(["--audit-file", "small/log"])
        .env("ACME_API_KEY", SECRET)
        .start();
    // As the run sees it.
    let root = PathBuf::from(format!("/proc/{}/root", run.program.pid));
    let place = home.path("small");
    let disk = root.join(place.strip_prefix("/").expect("an absolute path"));
    let text = || fs::read_to_string(disk.join("log")).expect("a log");
    let is_told = |path: &str| text().contains(path);
    send(&run.proxy, 2);
    wait_until("they are told", || is_told("\"/1\""));
    let ballast = disk.join("ballast");
    let mut file = fs::File::create(&ballast).expect("a file");
    while file.write(&[0; 4096]).is_ok_and(|count| count > 0) {}
    // What the last page of the log has room for goes in, and a part of a line.
    send(&run.proxy, 40);
    run.program.wait_for_stderr("can't be written");
    drop(file);
    fs::remove_file(&ballast).expect("room");
    assert_eq!(run.proxy.exchange(HOST, &get("/last")).status(), 200);
    wait_until("that is told", || is_told("\"/last\""));
    let text = text();
    let output = run.stop();
    assert_eq!(output.lines_with("warning"), 1, "{output}");
    let (mut whole, mut torn, mut lost) = (0, 0, 0);
    for line in text.lines() {
        match serde_json::from_str::<Value>(line) {
            Ok(event) if event["event"] == "lost" => {
                lost += event["count"].as_u64().expect("a count");
            }
            Ok(_) => whole += 1,
            Err(_) => torn += 1,
        }
    }
    assert!(lost > 0 && torn <= 1, "{text}");
    assert_eq!(whole + lost, 1 + 43, "{text}");
    assert!(text.ends_with("}\n"), "{text}");
}
