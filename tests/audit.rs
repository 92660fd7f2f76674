//! The log of what was done: what is in a line and what never is, who may read it, and that no trouble with it stops a request; the
//! command that shows it; and what a run tells of its requests besides.

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
use crate::support::Output;
use crate::support::SECRET;
use crate::support::client::Proxy;
use crate::support::idp;
use crate::support::idp::Fault;
use crate::support::idp::Idp;
use crate::support::is_root;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
use crate::support::wait_until;

/// What must be nowhere.
const CANARY: &str = "canary-0123456789";

/// A megabyte.
const MIB: usize = 1024 * 1024;

/// A GET of this path.
fn get(path: &str) -> String {
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
fn files(home: &Home) -> Vec<PathBuf> {
    let all = home.files().into_iter();
    let mut files: Vec<PathBuf> = all
        .filter(|path| path.to_string_lossy().contains("audit.log"))
        .collect();
    files.sort();
    files
}

/// Writes a log as if it had been there.
fn write_log(home: &Home, name: &str, text: &str) -> PathBuf {
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
fn line(time: &str, run: &str, provider: &str, more: &Value) -> String {
    let mut event = json!({"run": run, "event": "request", "provider": provider,
        "connection": "default", "method": "GET", "host": HOST, "path": "/", "status": 200,
        "sent": 0, "received": 10, "ms": 5, "reused": true});
    for (name, value) in more.as_object().expect("fields") {
        event[name] = value.clone();
    }
    // The time comes first, as authsome writes it.
    let rest = event.to_string();
    format!("{{\"time\":\"{time}\",{}\n", &rest[1..])
}

// What is in a line.

#[test]
fn a_request_leaves_a_line_with_everything_but_its_secrets() {
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

    let text = fs::read_to_string(home.own("audit.log")).expect("a log");
    assert!(!text.contains(CANARY) && !text.contains(SECRET), "{text}");
    let mode = fs::metadata(home.own("audit.log")).expect("a log").mode();
    assert_eq!(mode & 0o7777, 0o600);
    let events = events(&home);
    let [start, first, second] = events.as_slice() else {
        panic!("{text}");
    };
    assert_eq!(
        (&start["event"], &start["program"]),
        (&json!("start"), &json!("sh"))
    );
    assert!(start["version"].is_string());
    assert!(!text.contains("READY"), "no arguments: {text}");
    let run = start["run"].as_str().expect("a run");
    assert!(run.len() == 8 && run.bytes().all(|byte| byte.is_ascii_hexdigit()));
    for event in &events {
        assert_eq!(event["run"], run);
        let time = event["time"].as_str().expect("a time");
        assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
    }
    let length = CANARY.len() + 1 + SECRET.len();
    for (event, method, path, sent, received, reused) in [
        (first, "POST", "/v1/a", CANARY.len(), length, false),
        (second, "GET", "/v1/b", 0, 0, true),
    ] {
        assert_eq!(event["event"], "request");
        assert_eq!(
            (&event["provider"], &event["connection"]),
            (&json!("acme"), &json!("default"))
        );
        assert_eq!(
            (&event["method"], &event["path"]),
            (&json!(method), &json!(path))
        );
        assert_eq!(
            (&event["host"], &event["status"]),
            (&json!(HOST), &json!(200))
        );
        assert_eq!(
            (&event["sent"], &event["received"]),
            (&json!(sent), &json!(received))
        );
        assert_eq!(event["reused"], reused);
        assert!(event["ms"].is_u64() && event["error"].is_null());
    }
    let line = text.lines().nth(1).expect("a line");
    let order = [
        "time",
        "run",
        "event",
        "provider",
        "connection",
        "method",
        "host",
        "path",
        "status",
        "sent",
        "received",
        "ms",
        "reused",
    ];
    let places = order.map(|name| line.find(&format!("\"{name}\":")));
    assert!(
        places.is_sorted() && places.iter().all(Option::is_some),
        "{line}"
    );
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
    assert_eq!(
        (&whole["sent"], &whole["received"]),
        (&json!(100), &json!(10_000))
    );
    assert_eq!(
        (&cut["status"], &cut["received"]),
        (&json!(200), &json!(12))
    );
    assert_eq!(cut["error"], "the answer was cut short");
}

#[test]
fn what_the_proxy_refuses_leaves_a_line_with_the_reason() {
    let home = Home::new();
    home.acme(r#""rules": [{"methods": ["GET"], "action": "allow"}]"#);
    let origin = Origin::start(always_ok);
    let run = home
        .run(&origin)
        .args(["--deny", "denied.test", "--proxy-auth"])
        .start();
    let user = run.env["HTTPS_PROXY"]
        .split(['/', '@'])
        .nth(2)
        .expect("a password");
    let field = format!(
        "Proxy-Authorization: Basic {}\r\n",
        crate::support::wire::base64(user.as_bytes())
    );
    let ask = |text: &str| {
        let mut client = run.proxy.plain();
        client.send(text);
        (client.response("CONNECT").status(), client)
    };
    let connect = |host: &str, field: &str| {
        ask(&format!(
            "CONNECT {host}:443 HTTP/1.1\r\nHost: {host}\r\n{field}\r\n"
        ))
    };
    assert_eq!(connect("denied.test", "").0, 407);
    assert_eq!(connect("denied.test", &field).0, 403);
    let secret = format!("GET http://user:{CANARY}@x/ HTTP/1.1\r\nHost: x\r\n{field}\r\n");
    assert_eq!(ask(&secret).0, 400);
    let (_, tunnel) = connect(HOST, &field);
    let tls = crate::support::client::tls_over(tunnel, HOST, run.proxy.config());
    let mut client = tls.expect("TLS");
    client.send(format!(
        "POST /x?{CANARY} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 0\r\n\r\n"
    ));
    assert_eq!(client.response("POST").status(), 403);
    client.send(format!(
        "GET /y HTTP/1.1\r\nHost: {HOST}\r\nA : {CANARY}\r\n\r\n"
    ));
    assert_eq!(client.response("GET").status(), 400);
    run.stop();
    origin.finish().assert_nothing();

    let text = fs::read_to_string(home.own("audit.log")).expect("a log");
    assert!(!text.contains(CANARY), "{text}");
    let events = events(&home);
    let refused: Vec<&Value> = events
        .iter()
        .filter(|event| event["event"] == "refused")
        .collect();
    let mut seen: Vec<(u64, &str, &str)> = refused
        .iter()
        .map(|event| {
            let host = event["host"].as_str().unwrap_or_default();
            let method = event["method"].as_str().unwrap_or_default();
            (event["status"].as_u64().expect("a status"), host, method)
        })
        .collect();
    let expected = [
        (400, "", "GET"),
        (400, HOST, ""),
        (403, HOST, "POST"),
        (403, "denied.test", "CONNECT"),
        (407, "", ""),
    ];
    // Those of different connections come as they may.
    seen.sort_unstable();
    assert_eq!(seen, expected, "{events:#?}");
    assert!(refused.iter().all(|event| event["error"].is_string()));
    let is_post = |event: &&&Value| event["method"] == "POST";
    let post = refused.iter().find(is_post).expect("a POST");
    assert_eq!(
        (&post["provider"], &post["path"]),
        (&json!("acme"), &json!("/x"))
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
    assert_eq!(files(&home), [PathBuf::new(); 0]);
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
fn send(proxy: &Proxy, count: usize) {
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
        assert!(found.size() <= 10 * MIB as u64 + 4096, "{}", found.size());
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

// The command.

/// `authsome audit` with these words.
fn audit(home: &Home, words: &[&str]) -> Output {
    let output = home.authsome(["audit"]).args(words).run();
    output.assert_code(0);
    output
}

/// The paths of the events that it gives.
fn paths(home: &Home, words: &[&str]) -> Vec<String> {
    let answer: Value = audit(home, &[&["--json"], words].concat()).json();
    assert_eq!(answer["version"], 1);
    let events = answer["events"].as_array().expect("events").iter();
    events
        .map(|event| event["path"].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn events_are_chosen_by_time_provider_run_and_number() {
    let home = Home::new();
    assert!(
        audit(&home, &[])
            .stderr()
            .contains("nothing has been logged yet")
    );
    for (name, time, run, provider, path) in [
        (
            "audit.log.2",
            "2026-01-01T00:00:00.000Z",
            "aaaaaaaa",
            "acme",
            "/1",
        ),
        (
            "audit.log.1",
            "2026-01-02T00:00:00.000Z",
            "aaaaaaaa",
            "beta",
            "/2",
        ),
        (
            "audit.log",
            "2026-01-03T10:00:00.000Z",
            "bbbbbbbb",
            "acme",
            "/3",
        ),
        (
            "audit.log",
            "2126-01-03T10:00:00.000Z",
            "bbbbbbbb",
            "acme",
            "/4",
        ),
    ] {
        write_log(
            &home,
            name,
            &line(time, run, provider, &json!({"path": path})),
        );
    }
    for (words, expected) in [
        (&[][..], &["/1", "/2", "/3", "/4"][..]),
        (&["--lines", "2"], &["/3", "/4"]),
        (&["--lines", "1", "--provider", "beta"], &["/2"]),
        (&["--run", "aaaaaaaa"], &["/1", "/2"]),
        (&["--run", "aaaaaaaa", "--provider", "acme"], &["/1"]),
        (&["--provider", "none"], &[]),
        (&["--since", "2026-01-02"], &["/2", "/3", "/4"]),
        (&["--since", "2026-01-03T12:00:00+02:00"], &["/3", "/4"]),
        (&["--since", "2026-01-03T12:00:00Z"], &["/4"]),
        (&["--since", "90s"], &["/4"]),
    ] {
        assert_eq!(paths(&home, words), expected, "{words:?}");
    }
    let table = audit(&home, &["--provider", "beta"]).stdout();
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("TIME"), "{table}");
    let words: Vec<&str> = lines[1].split_whitespace().collect();
    let what = format!("{HOST}/2");
    let expected = [
        "01-02",
        "00:00:00Z",
        "aaaaaaaa",
        "request",
        "beta",
        "GET",
        &what,
        "200",
        "0",
        "B",
        "10",
        "B",
        "5",
        "ms",
        "reused",
    ];
    assert_eq!(words, expected, "{table}");
    for words in [
        &["--since", "yesterday"][..],
        &["--lines", "-1"],
        &["--follow", "--summary"],
        &["word"],
    ] {
        home.authsome(["audit"]).args(words).run().assert_code(2);
    }
    let missing = home
        .authsome(["audit", "--audit-file", "/nonexistent"])
        .run();
    missing
        .assert_code(1)
        .assert_stderr(&["cannot read /nonexistent"]);
}

#[test]
fn damaged_lines_are_passed_over_and_nothing_commands_the_terminal() {
    let home = Home::new();
    let good = |path: &str| {
        line(
            "2026-01-01T00:00:00.000Z",
            "aaaaaaaa",
            "acme",
            &json!({"path": path}),
        )
    };
    let (one, two, three) = (good("/1"), good("/2"), good("/3\u{1b}]0;x\u{7}\u{202e}"));
    let torn = &one[..one.len() / 2];
    let long = "x".repeat(200_000);
    let text = format!("{one}no json\n\n{{\"time\":1}}\n{torn}{two}{long}\n\u{0}\n{three}{torn}");
    write_log(&home, "audit.log", &text);
    let output = audit(&home, &[]);
    output.assert_stderr(&["6 lines of the log are damaged"]);
    let table = output.stdout();
    assert_eq!(table.lines().count(), 4, "{table}");
    assert!(table.contains("/3\\x1b]0;x\\x07\\u{202e}"), "{table}");
    let json = audit(&home, &["--json"]).stdout();
    for letter in ['\u{1b}', '\u{7}', '\u{202e}'] {
        assert!(
            !table.contains(letter) && !json.contains(letter),
            "{letter:?}"
        );
    }
    assert_eq!(paths(&home, &[])[..2], ["/1", "/2"]);
}

#[test]
fn the_summary_has_the_figures_of_each_provider_and_a_bar_an_hour() {
    let home = Home::new();
    for (hour, ms, status) in [
        ("08", 10, 200),
        ("10", 20, 200),
        ("10", 30, 500),
        ("10", 40, 200),
    ] {
        let time = format!("2026-01-01T{hour}:30:00.000Z");
        let more = json!({"ms": ms, "status": status, "sent": 1024, "received": 1536});
        write_log(&home, "audit.log", &line(&time, "aaaaaaaa", "acme", &more));
    }
    let cut = json!({"error": "the answer was cut short"});
    let refused = json!({"event": "refused", "status": 403});
    for more in [cut, refused] {
        write_log(
            &home,
            "audit.log",
            &line("2026-01-01T09:00:00.000Z", "bbbbbbbb", "beta", &more),
        );
    }
    let answer: Value = audit(&home, &["--summary", "--json"]).json();
    let expected = json!({"version": 1, "providers": [
        {"provider": "acme", "requests": 4, "errors": 1, "refused": 0, "sent": 4096, "received": 6144,
         "p50_ms": 20, "p95_ms": 40, "hours": {"2026-01-01T08": 1, "2026-01-01T10": 3}},
        {"provider": "beta", "requests": 1, "errors": 1, "refused": 1, "sent": 0, "received": 10,
         "p50_ms": 5, "p95_ms": 5, "hours": {"2026-01-01T09": 1}},
    ]});
    assert_eq!(answer, expected);
    let text = |locale: &str| {
        let output = home
            .authsome(["audit", "--summary"])
            .env("LC_ALL", locale)
            .run();
        output.assert_code(0);
        output.stdout()
    };
    let plain = text("C");
    let expected = "\
PROVIDER  REQUESTS  ERRORS  REFUSED  UP       DOWN     P50    P95
acme      4         1       0        4.0 KiB  6.0 KiB  20 ms  40 ms
beta      1         1       1        0 B      10 B     5 ms   5 ms

requests by the hour, 2026-01-01 08h to 2026-01-01 10h UTC; # is 3
acme |- #|
beta | - |
";
    assert_eq!(plain, expected);
    assert!(text("C.UTF-8").ends_with("█ is 3\nacme |▃ █|\nbeta | ▃ |\n"));
    let since = audit(&home, &["--summary", "--since", "2027-01-01"]);
    assert_eq!(since.stdout(), "no requests\n");
}

#[test]
fn following_goes_on_where_the_log_is_put_aside_and_ends_with_who_reads_it() {
    let home = Home::new();
    home.acme("");
    let follow = home.authsome(["audit", "--follow"]).background();
    let lines = home.authsome(["audit", "-f", "--json"]).background();
    follow.wait_for_stdout(b"TIME");
    let origin = Origin::start(always_ok);
    let run = home.run(&origin).start();
    for name in ["/before", "/after"] {
        assert_eq!(run.proxy.exchange(HOST, &get(name)).status(), 200);
        follow.wait_for_stdout(name.as_bytes());
        lines.wait_for_stdout(format!("\"{name}\"").as_bytes());
        let _ = fs::rename(home.own("audit.log"), home.own("audit.log.1"));
    }
    run.stop();
    let text = lines.wait_for_stdout(b"/after");
    let text = String::from_utf8(text).expect("text");
    let is_event = |line: &str| serde_json::from_str::<Value>(line).is_ok();
    assert!(text.lines().all(is_event), "{text}");
    // The reader is gone, and nothing more is logged.
    let piped = Cmd::new(&home, "sh")
        .args(["-c", "\"$0\" audit -f | head -n 1", BINARY])
        .run();
    piped.assert_code(0);
    assert!(piped.stdout().starts_with("TIME"), "{piped}");
    let pid = follow.pid.to_string();
    assert!(crate::support::signal("INT", &pid));
    wait_until("it has ended", || crate::support::is_over(&pid));
}

// What a run tells besides.

#[test]
fn a_run_sums_up_in_the_end_without_a_log_too() {
    let home = Home::new();
    home.acme(r#""rules": [{"methods": ["GET"], "action": "allow"}]"#);
    let origin = Origin::start(always_ok);
    let run = home.run(&origin).args(["--summary", "--no-audit"]).start();
    send(&run.proxy, 3);
    run.proxy
        .exchange(HOST, &format!("DELETE / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    let errors = run.stop().stderr();
    let lines: Vec<Vec<&str>> = errors
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines.len(), 2, "{errors}");
    assert_eq!(
        lines[0],
        [
            "PROVIDER", "REQUESTS", "ERRORS", "REFUSED", "UP", "DOWN", "P50", "P95"
        ]
    );
    assert_eq!(lines[1][..8], ["acme", "3", "0", "1", "0", "B", "6", "B"]);
    assert!(files(&home).is_empty());
    let output = home
        .authsome(["run", "--summary", "sh", "-c", "exit 7"])
        .run();
    output.assert_code(7).assert_stderr(&["no requests"]);
    assert!(output.stdout.is_empty(), "{output}");
}

#[test]
fn live_lines_stand_in_columns_and_say_why_and_what_to_do() {
    let home = Home::new();
    home.acme(r#""rules": [{"methods": ["GET"], "action": "allow"}]"#);
    let origin = Origin::start(always_ok);
    let run = home
        .run(&origin)
        .args(["-v", "--deny", "denied.test"])
        .start();
    send(&run.proxy, 2);
    run.proxy.exchange(
        HOST,
        &format!("DELETE /9?{CANARY} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
    );
    assert_eq!(run.proxy.ask_for("denied.test:443").0.status(), 403);
    let output = run.stop();
    output.assert_without(CANARY).assert_without("\u{1b}");
    let errors = output.stderr();
    let with = |words: &str| {
        let found: Vec<&str> = errors.lines().filter(|line| line.contains(words)).collect();
        match found.as_slice() {
            [only] => *only,
            _ => panic!("not one {words} in\n{errors}"),
        }
    };
    assert_eq!(errors.lines().count(), 4, "{errors}");
    let (first, second) = (with("/0 "), with("/1 "));
    for part in ["https://", " 200 ", " acme"] {
        assert_eq!(first.find(part), second.find(part), "{errors}");
    }
    assert!(
        first.ends_with(" ms") && second.ends_with(" ms  reused"),
        "{errors}"
    );
    let denied = with("DELETE");
    for part in ["/9 ", " 403 acme", "none of the rules", "hint: "] {
        assert!(denied.contains(part), "{errors}");
    }
    assert!(
        with("CONNECT denied.test").contains("refused by --deny; hint: "),
        "{errors}"
    );
}
