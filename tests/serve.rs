//! The proxy alone: who may use it, how it starts, what it tells of its health, and how it comes to its end.

use std::fs;
use std::fs::File;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use crate::support::BINARY;
use crate::support::Cmd;
use crate::support::Home;
use crate::support::SECRET;
use crate::support::client;
use crate::support::is_over;
use crate::support::is_root;
use crate::support::origin;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::served::PASSWORD;
use crate::support::served::Served;
use crate::support::served::field;
use crate::support::served::root_file;
use crate::support::served::serve;
use crate::support::signal;
use crate::support::wait_until;
use crate::support::wire::End;

/// A request to the API.
fn get() -> String {
    format!("GET /v1 HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}

/// A home with a stored credential, and an origin that answers.
fn scene() -> (Home, Origin) {
    (Home::connected(""), Origin::start(origin::always_ok))
}

// How it starts, or does not.

#[test]
fn without_a_password_that_nobody_guesses_it_does_not_start() {
    let (home, origin) = scene();
    let short = home.file("short", "0123456789abcde\n");
    let missing = home.path("missing").display().to_string();
    let none = serve(&home, &origin)
        .without("AUTHSOME_PROXY_PASSWORD")
        .run();
    none.assert_code(1).assert_stderr(&[
        "authsome: the proxy needs a password: whoever has it uses your credentials",
        "hint: set AUTHSOME_PROXY_PASSWORD, or name where it is with --password-from file:PATH",
    ]);
    let too_short = "authsome: the proxy's password is shorter than 16 bytes";
    let given = "0123456789abcde";
    let by_variable = serve(&home, &origin)
        .env("AUTHSOME_PROXY_PASSWORD", given)
        .run();
    by_variable
        .assert_code(1)
        .assert_stderr(&[too_short])
        .assert_without(given);
    for (source, why) in [
        (format!("file:{short}"), too_short),
        (
            format!("file:{missing}"),
            "no password for the proxy: cannot read ",
        ),
        (
            "env:NONE".to_owned(),
            "no password for the proxy: the environment variable NONE is not set",
        ),
        (
            "command:false".to_owned(),
            "no password for the proxy: the command false failed",
        ),
    ] {
        // The one in the environment does not count where another is named.
        let output = serve(&home, &origin)
            .args(["--password-from", &source])
            .run();
        output
            .assert_code(1)
            .assert_stderr(&[why])
            .assert_without(PASSWORD);
    }
    let literal = serve(&home, &origin)
        .args(["--password-from", PASSWORD])
        .run();
    literal.assert_code(2).assert_without(PASSWORD);
    literal.assert_stderr(&["hint: the password itself never goes on the command line"]);
    origin.finish().assert_nothing();
}

#[test]
fn what_can_not_be_listened_on_is_told_with_what_to_do() {
    let (home, origin) = scene();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let listen = |address: &str| serve(&home, &origin).args(["--listen", address]).run();
    listen(&address).assert_code(1).assert_stderr(&[
        &format!("authsome: cannot listen on {address}: "),
        "hint: something listens there already: stop it, or take another port with --listen",
    ]);
    drop(taken);
    listen("192.0.2.1:0").assert_code(1).assert_stderr(&[
        "authsome: cannot listen on 192.0.2.1:0: ",
        "hint: it is none of this machine's addresses; `--listen :PORT` is on all of them",
    ]);
    for address in [
        "",
        "8080",
        "localhost:8080",
        "http://127.0.0.1:1",
        "127.0.0.1:65536",
        ":",
    ] {
        let form = "--listen takes ADDRESS:PORT, as 127.0.0.1:8080, [::1]:8080 or :8080";
        listen(address).assert_code(2).assert_stderr(&[form]);
    }
    let output = serve(&home, &origin).arg("word").run();
    output
        .assert_code(2)
        .assert_stderr(&["serve takes no words"]);
}

#[test]
fn without_a_root_to_trust_it_names_both_ways_to_one() {
    let (home, origin) = scene();
    let bare = || {
        home.authsome(["serve", "--listen", "127.0.0.1:0"])
            .args(origin.args())
            .env("AUTHSOME_PROXY_PASSWORD", PASSWORD)
    };
    bare().run().assert_code(1).assert_stderr(&[
        "authsome: programs need a root certificate to trust, and there is none",
        "`authsome ca create`",
        "--ca-file PATH",
    ]);
    let output = bare().args(["--ca-file", "/nonexistent/ca.pem"]).run();
    output
        .assert_code(1)
        .assert_stderr(&["cannot write the root certificate", "/nonexistent/ca.pem"]);
    let output = bare().args(["--ca-lifetime", "1"]).run();
    output
        .assert_code(2)
        .assert_stderr(&["--ca-lifetime is for the root of --ca-file"]);

    home.authsome(["ca", "create"]).run().assert_code(0);
    let exported = home.authsome(["ca", "export"]).run();
    let root = home.file("exported.pem", &exported.stdout());
    let bundle = home.path("bundle.pem");
    let cmd = bare().arg("--bundle-file").arg(&bundle);
    let served = Served::of(cmd.background(), root.as_ref());
    assert_eq!(served.exchange(HOST, &get()).text(), "ok");
    let bundle = fs::read_to_string(bundle).unwrap();
    assert!(bundle.ends_with(&exported.stdout()) && bundle.len() > exported.stdout().len());
    served.stop();
}

#[test]
fn a_root_of_its_own_is_everyone_s_to_read_and_another_each_time() {
    let (home, origin) = scene();
    let start = || Served::start(&home, serve(&home, &origin));
    let first = start();
    let before = fs::read(root_file(&home)).unwrap();
    assert_eq!(
        fs::metadata(root_file(&home)).unwrap().mode() & 0o777,
        0o644
    );
    first.stop();
    let second = start();
    assert_ne!(fs::read(root_file(&home)).unwrap(), before);
    assert_eq!(second.exchange(HOST, &get()).text(), "ok");
    second.stop();
}

#[test]
fn it_says_once_where_it_listens_in_the_form_that_is_asked_for() {
    let (home, origin) = scene();
    let cmd = serve(&home, &origin).arg("--json").background();
    let said = cmd.wait_for_stdout(b"\n");
    let said: serde_json::Value = serde_json::from_slice(&said).unwrap();
    assert_eq!(said["version"], 1);
    let url = said["listening"].as_str().unwrap();
    let port = url.strip_prefix("http://127.0.0.1:").unwrap();
    assert_ne!(port, "0");
    let probe = home
        .authsome(["serve", "--json", "--probe", &format!("127.0.0.1:{port}")])
        .run();
    assert_eq!(
        probe.assert_code(0).stdout(),
        "{\"version\":1,\"status\":200}\n"
    );
    assert!(signal("TERM", &cmd.pid.to_string()));
    cmd.end().assert_code(0).assert_quiet();

    let all = serve(&home, &origin).args(["--listen", ":0"]).background();
    let said = all.wait_for_stderr("\n");
    let port = said.trim_end().rsplit(':').next().unwrap().to_owned();
    // On all addresses, of which this is one.
    client::connect(port.parse().unwrap());
    assert!(signal("INT", &all.pid.to_string()));
    all.end().assert_code(0);
}

// Who may use it.

#[test]
fn a_wrong_password_is_refused_and_nothing_arrives() {
    let (home, origin) = scene();
    let served = Served::start(&home, serve(&home, &origin));
    let wrong = format!("{PASSWORD}x");
    for given in ["", "x", &wrong, PASSWORD.trim_start_matches('p')] {
        let (answer, _) = served.connect_with(HOST, given);
        answer.assert_refusal(407, "http_request_denied");
        assert_eq!(answer.one("Proxy-Authenticate"), "Basic realm=\"authsome\"");
        let target = format!("http://{HOST}/");
        let answer = served.ask("GET", &target, &field(given));
        answer.assert_refusal(407, "http_request_denied");
    }
    // So often on one connection, and no more.
    let mut channel = served.proxy.plain();
    let connect = format!("CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n");
    for number in 0..4 {
        channel.send(&connect);
        let answer = channel.response("CONNECT");
        assert_eq!(
            (answer.status(), answer.has("connection")),
            (407, number == 3)
        );
    }
    assert_eq!(channel.rest(), (Vec::new(), End::Clean));
    served.stop();
    origin.finish().assert_nothing();
}

#[test]
fn whoever_has_the_password_gets_the_credential_by_connect() {
    let (home, origin) = scene();
    let spec = format!("file:{}", home.file("password", "another-password-0123\n"));
    let sources = [
        (spec, "another-password-0123"),
        ("env:OTHER".into(), "p:ss word of sixteen"),
        (
            "command:printf %s command-password-0".into(),
            "command-password-0",
        ),
    ];
    for (source, password) in &sources {
        let cmd = serve(&home, &origin).args(["--password-from", source]);
        let mut served = Served::start(&home, cmd.env("OTHER", "p:ss word of sixteen"));
        served.password = (*password).to_owned();
        assert_eq!(served.exchange(HOST, &get()).text(), "ok");
        served.stop();
    }
    let arrived = origin.finish();
    for request in &arrived.requests {
        assert_eq!(request.one("Authorization"), format!("Bearer {SECRET}"));
        assert!(!request.has("Proxy-Authorization"));
    }
    assert_eq!(arrived.requests.len(), sources.len());
}

#[test]
fn no_program_of_a_source_gets_the_password_or_what_the_service_manager_sets() {
    let (home, origin) = scene();
    home.like_acme("other", r#""api_url": "other.test""#);
    let seen = home.path("seen");
    let line = format!(
        "command:sh -c 'env >{}; echo key-of-acme-1'",
        seen.display()
    );
    let cmd = serve(&home, &origin)
        .args([
            "--credential",
            &format!("acme={line}"),
            "--password-from",
            "env:MINE",
        ])
        .env("MINE", PASSWORD)
        .env("NOTIFY_SOCKET", "@nobody-listens-there")
        .env("LISTEN_PID", "1")
        .env("LISTEN_FDS", "1");
    let served = Served::start(&home, cmd);
    assert_eq!(served.exchange(HOST, &get()).text(), "ok");
    let seen = fs::read_to_string(seen).unwrap();
    for words in [PASSWORD, "NOTIFY_SOCKET", "LISTEN_"] {
        assert!(!seen.contains(words), "{seen}");
    }
    let environ = fs::read(format!("/proc/{}/environ", served.program.pid));
    assert!(!environ.is_ok_and(|all| crate::support::contains(&all, PASSWORD.as_bytes())));
    served.stop();
    assert_eq!(
        origin.finish().only().one("Authorization"),
        "Bearer key-of-acme-1"
    );
}

#[test]
fn a_request_that_leads_back_to_it_is_refused_whatever_address_it_listens_on() {
    let (home, origin) = scene();
    let cmd = serve(&home, &origin)
        .args(["--listen", "0.0.0.0:0"])
        .background();
    let said = cmd.wait_for_stderr("\n");
    let port = said.trim_end().rsplit(':').next().unwrap().to_owned();
    let addresses = Command::new("hostname").arg("-I").output();
    let addresses = addresses.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    );
    let own = addresses
        .split_whitespace()
        .filter(|address| !address.contains(':'));
    for address in own.chain(["127.0.0.1", "127.0.0.2"]) {
        let mut channel = client::Proxy::new(port.parse().unwrap(), &root_file(&home)).plain();
        let field = field(PASSWORD);
        channel.send(format!(
            "CONNECT {address}:{port} HTTP/1.1\r\nHost: x\r\n{field}\r\n"
        ));
        channel
            .response("CONNECT")
            .assert_refusal(502, "proxy_loop_detected");
    }
    assert!(signal("TERM", &cmd.pid.to_string()));
    cmd.end().assert_code(0);
}

// Its health.

#[test]
fn health_is_told_to_everyone_and_holds_no_secret() {
    let (home, origin) = scene();
    let served = Served::start(&home, serve(&home, &origin));
    let health = served.health();
    assert_eq!(health.status(), 200);
    assert_eq!(
        health.text(),
        "{\"status\":\"ok\",\"connections\":1,\"generation\":0}\n"
    );
    assert_eq!(health.one("Cache-Control"), "no-store");
    let head = served.ask("HEAD", "/healthz?x=y", "");
    assert_eq!(
        (head.status(), head.one("Content-Length")),
        (200, health.one("Content-Length"))
    );
    // One connection will do for many, and for other requests besides.
    let mut channel = served.proxy.plain();
    for _ in 0..3 {
        channel.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(channel.response("GET").status(), 200);
    }
    channel.send(format!(
        "CONNECT {HOST}:443 HTTP/1.1\r\nHost: x\r\n{}\r\n",
        field(PASSWORD)
    ));
    assert_eq!(channel.response("CONNECT").status(), 200);
    for (method, target) in [
        ("POST", "/healthz"),
        ("GET", "/"),
        ("GET", "/healthz/"),
        ("GET", "//healthz"),
        ("GET", "http://x/healthz"),
    ] {
        let answer = served.ask(method, target, "");
        answer.assert_refusal(407, "http_request_denied");
    }
    served.stop();
    origin.finish().assert_nothing();
}

#[test]
fn a_connection_on_which_nothing_had_the_password_has_its_place_not_for_long() {
    let (home, origin) = scene();
    let plain = Origin::plain(origin::always_ok);
    let cmd = serve(&home, &origin).args(plain.leads_here(&["clear.test"], 80));
    let served = Served::start(&home, cmd);
    let health = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let request = format!(
        "GET http://clear.test/ HTTP/1.1\r\nHost: clear.test\r\n{}\r\n",
        field(PASSWORD)
    );
    let mut known = served.proxy.plain();
    known.send(&request);
    assert_eq!(known.response("GET").text(), "ok");
    for _ in 0..10 {
        known.send(health);
        assert!(!known.response("GET").has("connection"));
    }
    let mut many = served.proxy.plain();
    for number in 1..=9 {
        many.send(health);
        let answer = many.response("GET");
        assert_eq!(
            (answer.status(), answer.has("connection")),
            (200, number == 9)
        );
    }
    assert_eq!(many.rest(), (Vec::new(), End::Clean));
    drop(many);

    let mut asked = served.proxy.plain();
    asked.send(health);
    assert_eq!(asked.response("GET").status(), 200);
    let mut silent = served.proxy.plain();
    for stranger in [&mut asked, &mut silent] {
        assert_eq!(stranger.rest(), (Vec::new(), End::Clean));
    }
    // It has waited for longer.
    known.send(&request);
    assert_eq!(known.response("GET").text(), "ok");
    served.stop();
}

#[test]
fn a_run_has_no_health_to_tell_of() {
    let (home, origin) = scene();
    let run = home.run(&origin).start();
    let mut channel = run.proxy.plain();
    channel.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    channel
        .response("GET")
        .assert_refusal(400, "http_request_error");
    run.stop();
}

#[test]
fn a_probe_tells_by_its_exit_code_whether_a_proxy_is_well() {
    let (home, origin) = scene();
    let probe = |address: &str| home.authsome(["serve", "--probe", address]).run();
    probe("nonsense").assert_code(2);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = silent.local_addr().unwrap().to_string();
    drop(silent);
    probe(&closed)
        .assert_code(1)
        .assert_stderr(&[&format!("authsome: {closed} does not answer: ")]);
    let other = Origin::plain(origin::always_ok);
    // A server that is none of ours may answer anything.
    probe(&format!("127.0.0.1:{}", other.port)).assert_code(0);
    let strange = Origin::plain(|conn| {
        conn.request();
        conn.send("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
    });
    let output = probe(&format!("127.0.0.1:{}", strange.port));
    output
        .assert_code(1)
        .assert_stderr(&["is not well: it answers 503"]);

    // One connection is closed without an answer, as a stranger's may be for another.
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap().to_string();
    let answering = thread::spawn(move || {
        drop(busy.accept().unwrap());
        let (mut second, _) = busy.accept().unwrap();
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        second.write_all(answer).unwrap();
        // Not before the question is read: closing would reset it.
        let _ = second.read(&mut [0; 4096]);
    });
    probe(&address).assert_code(0);
    answering.join().unwrap();

    let served = Served::start(&home, serve(&home, &origin));
    probe(&format!(":{}", served.proxy.port)).assert_code(0);
    probe(&format!("0.0.0.0:{}", served.proxy.port)).assert_code(0);
    let port = served.proxy.port;
    served.stop();
    probe(&format!("127.0.0.1:{port}")).assert_code(1);
}

// Its end.

/// An origin that says the first half of an answer, and the second once it may; `length` is what it announces.
fn in_halves(may_go_on: &Arc<Barrier>, before_head: bool) -> Origin {
    let may_go_on = Arc::clone(may_go_on);
    Origin::start(move |conn| {
        while let Some(request) = conn.request() {
            if request.target() != "/slow" {
                conn.ok("ok");
                continue;
            }
            if before_head {
                may_go_on.wait();
                conn.ok("whole!");
            } else {
                // What ends with a line is not held back.
                conn.send("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nwho\n");
                may_go_on.wait();
                conn.send("le!");
            }
        }
    })
}

/// Waits until nobody listens there.
fn wait_until_closed(served: &Served) {
    let address = (std::net::Ipv4Addr::LOCALHOST, served.proxy.port);
    wait_until("the listener is closed", || {
        std::net::TcpStream::connect(address).is_err()
    });
}

#[test]
fn it_closes_what_waits_and_lets_what_is_under_way_come_to_its_end() {
    for before_head in [false, true] {
        let home = Home::connected("");
        let may_go_on = Arc::new(Barrier::new(2));
        let origin = in_halves(&may_go_on, before_head);
        let served = Served::start(&home, serve(&home, &origin));
        // Three that wait: one that was asked for health, one intercepted, a blind tunnel's origin is another matter.
        let mut plain = served.proxy.plain();
        plain.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(plain.response("GET").status(), 200);
        let mut idle = served.tls(HOST);
        idle.send(get());
        assert_eq!(idle.response("GET").text(), "ok");
        // One whose head has begun.
        let mut begun = served.proxy.plain();
        begun.send("GET /healthz HTTP/1.1\r\nHost:");
        // And one under way.
        let mut slow = served.tls(HOST);
        slow.send(format!("GET /slow HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
        origin.wait_for_requests(2);
        if !before_head {
            slow.until(b"who\n").expect("the first half");
        }

        served.signal("TERM");
        assert_eq!(plain.rest(), (Vec::new(), End::Clean));
        begun.send(" x\r\n\r\n");
        let health = begun.response("GET");
        assert_eq!(health.status(), 503);
        assert_eq!(health.text(), "{\"status\":\"draining\"}\n");
        assert_eq!(health.one("Connection"), "close");
        assert_eq!(idle.rest(), (Vec::new(), End::Clean));
        wait_until_closed(&served);
        may_go_on.wait();
        if before_head {
            let answer = slow.response("GET");
            assert_eq!(
                (answer.text().as_str(), answer.one("Connection")),
                ("whole!", "close")
            );
            assert_eq!(slow.rest(), (Vec::new(), End::Clean));
        } else {
            assert_eq!(slow.rest(), (b"le!".to_vec(), End::Clean));
        }
        served.ended();
    }
}

#[test]
fn a_client_that_has_connected_and_not_asked_yet_is_still_served() {
    let (home, origin) = scene();
    let served = Served::start(&home, serve(&home, &origin));
    let mut silent = served.proxy.plain();
    let mut tunnel = served.tls(HOST);
    let proxy = client::Proxy::new(served.proxy.port, &root_file(&home));
    // It is accepted once another that came later has been answered.
    served.health();
    served.signal("TERM");
    // Its first request may be on its way.
    tunnel.send(get());
    let answer = tunnel.response("GET");
    assert_eq!(
        (answer.text().as_str(), answer.one("Connection")),
        ("ok", "close")
    );
    drop(proxy);
    assert_eq!(silent.rest(), (Vec::new(), End::Clean));
    served.ended();
}

#[test]
fn half_a_head_does_not_hold_up_the_end() {
    let (home, origin) = scene();
    let cmd = serve(&home, &origin).args(["--drain", "15"]);
    let served = Served::start(&home, cmd);
    let mut begun = served.proxy.plain();
    begun.send("GET /healthz HTTP/1.1\r\nHost:");
    // It is accepted once another that came later has been answered.
    served.health();
    served.signal("TERM");
    // Refused, and not cut: that would be without a word.
    let (answer, end) = begun.rest();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(end, End::Clean);
    drop(begun);
    served.ended();
}

#[test]
fn what_takes_too_long_is_cut_and_does_not_look_whole() {
    let home = Home::connected("");
    let script = |conn: &mut origin::Conn| {
        conn.request();
        conn.send("HTTP/1.1 200 OK\r\n\r\nhalf");
        conn.channel.fill();
    };
    let (secure, plain) = (Origin::start(script), Origin::plain(script));
    for (limit, second) in [("1", None), ("86400", Some("TERM")), ("86400", Some("INT"))] {
        let blind = plain.leads_here(&["blind.test"], 443);
        let clear = plain.leads_here(&["clear.test"], 80);
        let cmd = serve(&home, &secure)
            .args(["--drain", limit])
            .args(blind)
            .args(clear);
        let served = Served::start(&home, cmd);
        let mut tls = served.tls(HOST);
        tls.send(format!("GET / HTTP/1.0\r\nHost: {HOST}\r\n\r\n"));
        tls.until(b"half").expect("the first half");
        // Whose end is that of the connection.
        let mut clear = served.proxy.plain();
        let field = field(PASSWORD);
        clear.send(format!(
            "GET http://clear.test/ HTTP/1.0\r\nHost: clear.test\r\n{field}\r\n"
        ));
        clear.until(b"half").expect("the first half");
        let (answer, mut blind) = served.connect_with("blind.test", PASSWORD);
        assert_eq!(answer.status(), 200);
        blind.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        blind.until(b"half").expect("the first half");

        served.signal("TERM");
        wait_until_closed(&served);
        if let Some(second) = second {
            served.signal(second);
        }
        assert_eq!(tls.rest().1, End::Reset, "{limit} {second:?}");
        assert_eq!(clear.rest().1, End::Reset, "{limit} {second:?}");
        assert_eq!(blind.rest().1, End::Reset, "{limit} {second:?}");
        served.ended();
    }
}

// What a service manager does.

/// `authsome serve` by a shell, which hands its standard input over as a socket.
fn handed_over(home: &Home, origin: &Origin, socket: OwnedFd, count: &str) -> std::process::Child {
    handed_over_by(&[], home, origin, (socket, count))
}

/// The same by a shell that these words start.
fn handed_over_by(
    starter: &[&str],
    home: &Home,
    origin: &Origin,
    (socket, count): (OwnedFd, &str),
) -> std::process::Child {
    let mut words = vec!["serve".to_owned(), "--ca-file".to_owned()];
    words.push(root_file(home).display().to_string());
    words.extend(origin.args());
    let line = "exec env LISTEN_PID=$$ LISTEN_FDS=\"$COUNT\" \"$0\" \"$@\" 3<&0 </dev/null";
    let errors = File::create(home.path("errors")).expect("a file");
    let mut all = starter.to_vec();
    all.extend(["sh", "-c", line, BINARY]);
    let mut command = Command::new(all.remove(0));
    command.args(all).args(words).env_clear();
    command
        .env("PATH", std::env::var_os("PATH").expect("a PATH"))
        .env("COUNT", count)
        .env("AUTHSOME_HOME", home.path("home/.authsome"))
        .env("AUTHSOME_PROXY_PASSWORD", PASSWORD)
        .env("NOTIFY_SOCKET", home.path("notify"))
        .stdin(Stdio::from(socket))
        .stderr(errors);
    command.spawn().expect("a shell")
}

/// A service manager, which hears what it is told at `notify` in the home's folder.
fn manager(home: &Home) -> UnixDatagram {
    let manager = UnixDatagram::bind(home.path("notify")).expect("a socket");
    let patience = Some(Duration::from_secs(60));
    manager.set_read_timeout(patience).expect("a timeout");
    manager
}

/// What it is told next.
fn told(manager: &UnixDatagram) -> String {
    let mut text = [0; 256];
    let count = manager.recv(&mut text).expect("a word of the service");
    let text = text.get(..count).unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

#[test]
fn a_socket_that_is_handed_over_is_served_and_the_manager_hears_how_it_stands() {
    let (home, origin) = scene();
    let manager = manager(&home);
    let told = || told(&manager);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Before anyone is there to answer.
    let proxy = client::Proxy::new(port, &root_file(&home));
    let mut early = proxy.plain();
    early.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut child = handed_over(&home, &origin, listener.into(), "1");
    assert_eq!(told(), "READY=1");
    assert_eq!(early.response("GET").status(), 200);
    assert!(signal("HUP", &child.id().to_string()));
    let reloading = told();
    let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
    assert!(
        time.is_some_and(|time| time.parse::<u64>().is_ok()),
        "{reloading}"
    );
    assert_eq!(told(), "READY=1");
    assert!(signal("TERM", &child.id().to_string()));
    assert_eq!(told(), "STOPPING=1");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_is_handed_over_and_no_socket_to_listen_on_is_refused() {
    let (home, origin) = scene();
    let of_no_use = "cannot use the socket that was handed over (LISTEN_FDS): ";
    let ended = |socket: OwnedFd, count: &str, why: &str| {
        let mut child = handed_over(&home, &origin, socket, count);
        assert_eq!(child.wait().unwrap().code(), Some(1), "{why}");
        let said = fs::read_to_string(home.path("errors")).unwrap();
        assert!(said.contains(&format!("{of_no_use}{why}")), "{said}");
    };
    let listener = || OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
    ended(listener(), "2", "there is more than one socket");
    let path = home.path("datagram");
    ended(
        UnixDatagram::bind(path).unwrap().into(),
        "1",
        "it is no socket that listens",
    );
    ended(File::open("/dev/null").unwrap().into(), "1", "");
}

// What fails while it reads everything anew.

/// The proxy whose password comes from a program, and the file that it takes it from. A line is added to another for each time that the
/// program is run.
fn with_password_by_program(home: &Home, origin: &Origin) -> (Cmd, PathBuf, PathBuf) {
    let (password, runs) = (home.path("password"), home.path("runs"));
    let line = format!(
        "command:sh -c 'echo x >>{}; cat {}'",
        runs.display(),
        password.display()
    );
    let cmd = serve(home, origin).args(["--password-from", &line]);
    (cmd, password, runs)
}

/// Waits until the program was run so often.
fn wait_for_runs(runs: &Path, count: usize) {
    wait_until("the program is run", || {
        let text = fs::read_to_string(runs).unwrap_or_default();
        text.lines().count() >= count
    });
}

#[test]
fn a_reload_that_has_failed_is_tried_again_and_told_once() {
    let (home, origin) = scene();
    let (cmd, password, runs) = with_password_by_program(&home, &origin);
    fs::write(&password, PASSWORD).unwrap();
    let served = Served::start(&home, cmd);
    fs::remove_file(&password).unwrap();
    served.signal("HUP");
    // Once to start, once for the signal, and twice by itself.
    wait_for_runs(&runs, 4);
    assert_eq!(served.exchange(HOST, &get()).text(), "ok");
    // No file that it looks at.
    fs::write(&password, PASSWORD).unwrap();
    served.wait_for_generation(1);
    assert_eq!(served.exchange(HOST, &get()).text(), "ok");
    let output = served.stop();
    assert_eq!(output.lines_with("nothing was reloaded"), 1, "{output}");
}

/// Makes a pipe with a name, which blocks who reads it until somebody writes.
fn pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.is_ok_and(|status| status.success()));
}

#[test]
fn a_reload_that_ends_after_it_was_told_to_stop_is_not_told_to_the_manager() {
    let home = Home::connected("");
    let may_go_on = Arc::new(Barrier::new(2));
    let origin = in_halves(&may_go_on, false);
    let manager = manager(&home);
    let (cmd, password, runs) = with_password_by_program(&home, &origin);
    fs::write(&password, PASSWORD).unwrap();
    let served = Served::start(&home, cmd.env("NOTIFY_SOCKET", home.path("notify")));
    assert_eq!(told(&manager), "READY=1");
    // What keeps it from its end.
    let mut slow = served.tls(HOST);
    slow.send(format!("GET /slow HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    slow.until(b"who\n").expect("the first half");
    fs::remove_file(&password).unwrap();
    pipe(&password);
    served.signal("HUP");
    assert!(told(&manager).starts_with("RELOADING=1\n"));
    wait_for_runs(&runs, 2);
    served.signal("TERM");
    assert_eq!(told(&manager), "STOPPING=1");
    fs::write(&password, PASSWORD).unwrap();
    served.wait_for_generation(1);
    may_go_on.wait();
    assert_eq!(slow.rest(), (b"le!".to_vec(), End::Clean));
    served.ended();
    manager.set_nonblocking(true).unwrap();
    let more = manager.recv(&mut [0; 256]);
    assert!(more.is_err(), "{more:?}");
}

// As a container's first process.

/// How a program is started as process 1, if it can be.
fn as_process_1() -> Option<[&'static str; 4]> {
    let words = ["unshare", "--fork", "--pid", "--mount-proc"];
    let tried = Command::new("unshare")
        .args(&words[1..])
        .arg("true")
        .output();
    let can = tried.is_ok_and(|output| output.status.success());
    (is_root() && can).then_some(words)
}

/// The processes that this one has started.
fn children(pid: &str) -> Vec<String> {
    let mut text = String::new();
    let file = File::open(format!("/proc/{pid}/task/{pid}/children"));
    let _ = file.and_then(|mut file| file.read_to_string(&mut text));
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn as_process_1_it_serves_what_is_handed_over_and_has_it_in_one_process() {
    let Some(starter) = as_process_1() else {
        return;
    };
    let (home, origin) = scene();
    let manager = manager(&home);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = client::Proxy::new(listener.local_addr().unwrap().port(), &root_file(&home));
    let mut child = handed_over_by(&starter, &home, &origin, (listener.into(), "1"));
    assert_eq!(told(&manager), "READY=1");
    let mut channel = proxy.plain();
    channel.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(channel.response("GET").status(), 200);
    let [first] = &*children(&child.id().to_string()) else {
        panic!("not one child")
    };
    let [worker] = &*children(first) else {
        panic!("not one child")
    };
    let place = |pid: &str, fd: &str| fs::read_link(format!("/proc/{pid}/fd/{fd}"));
    let socket = place(worker, "3").unwrap();
    assert!(
        socket.to_string_lossy().starts_with("socket:"),
        "{socket:?}"
    );
    // Closed to the programs that it starts.
    let info = fs::read_to_string(format!("/proc/{worker}/fdinfo/3")).unwrap();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = u32::from_str_radix(flags.unwrap().trim(), 8).unwrap();
    assert_ne!(flags & 0o2_000_000, 0, "{info}");
    for entry in fs::read_dir(format!("/proc/{first}/fd")).unwrap() {
        let name = entry.unwrap().file_name();
        let place = place(first, &name.to_string_lossy());
        assert!(place.is_ok_and(|place| place != socket), "{name:?}");
    }
    assert!(signal("TERM", first));
    assert_eq!(told(&manager), "STOPPING=1");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn as_process_1_it_hears_signals_and_leaves_no_zombie() {
    let Some(starter) = as_process_1() else {
        return;
    };
    let (home, origin) = scene();
    // A source whose program leaves another behind, which ends by itself.
    let gone = home.path("gone");
    let line = format!(
        "command:sh -c '(sleep 0.1; echo $$ >{}) >/dev/null & echo key-of-acme-1'",
        gone.display()
    );
    let [unshare, options @ ..] = starter;
    let mut words = options.map(str::to_owned).to_vec();
    words.extend([BINARY, "serve"].map(str::to_owned));
    words.extend(["--listen", "127.0.0.1:0", "--ca-file"].map(str::to_owned));
    words.push(root_file(&home).display().to_string());
    words.extend(["--credential".to_owned(), format!("acme={line}")]);
    words.extend(origin.args());
    let cmd = Cmd::new(&home, unshare)
        .args(words)
        .env("AUTHSOME_PROXY_PASSWORD", PASSWORD);
    let served = Served::start(&home, cmd);
    assert_eq!(served.exchange(HOST, &get()).text(), "ok");
    wait_until("the other program has ended", || gone.exists());
    let first = children(&served.program.pid.to_string());
    let [first] = first.as_slice() else {
        panic!("not one child: {first:?}")
    };
    wait_until("no child of process 1 is a zombie", || {
        children(first).iter().all(|pid| !is_over(pid))
    });
    let worker = children(first);
    let [worker] = worker.as_slice() else {
        panic!("not one child: {worker:?}")
    };
    assert_eq!(children(worker), [""; 0]);
    assert!(signal("HUP", first));
    served.wait_for_generation(1);
    assert!(signal("TERM", first));
    served.ended();
}
