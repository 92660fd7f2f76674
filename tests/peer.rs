//! Who may use the proxy: which users' connections are served, and requests with the run's password.

use std::fs;
use std::fs::Permissions;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use crate::support::BINARY;
use crate::support::Cmd;
use crate::support::Home;
use crate::support::NOBODY;
use crate::support::Running;
use crate::support::SECRET;
use crate::support::Scene;
use crate::support::is_root;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
use crate::support::page::Page;
use crate::support::served;
use crate::support::served::PASSWORD;
use crate::support::served::Served;
use crate::support::wire::Channel;
use crate::support::wire::Message;
use crate::support::wire::base64;

/// Another user without rights, and not the one that the rest of the tests know.
const STRANGER: u32 = 65_533;

/// A GET for the host, with these lines behind its Host.
fn get(lines: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n{lines}\r\n")
}

/// curl with what a child would be given, as somebody else.
fn curl(home: &Home, run: &Running, user: u32, words: &[&str]) -> Cmd {
    let cmd = Cmd::new(home, "curl")
        .args(["-sS", "-k", "--max-time", "30"])
        .args(words);
    let cmd = ["HTTPS_PROXY", "https_proxy", "http_proxy"]
        .iter()
        .fold(cmd, |cmd, name| cmd.env(name, &run.env[*name]));
    cmd.folder("/".into()).user(user)
}

#[test]
#[cfg(target_os = "linux")]
fn another_user_can_connect_but_gets_nothing_and_the_child_goes_on() {
    if !is_root() {
        return; // nobody else can be had
    }
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(always_ok);
    let plain = Origin::plain(always_ok);
    let run = home
        .run(&origin)
        .args(plain.leads_here(&["other.test"], 80))
        .arg("--verbose")
        .start();
    let secure = format!("https://{HOST}/");
    for words in [
        &[&*secure][..],
        &["http://other.test/"],
        &["-p", "http://other.test/"],
    ] {
        let output = curl(&home, &run, NOBODY, words).run();
        assert!(!output.status.success(), "{output}");
        assert!(output.stdout.is_empty(), "{output}");
    }
    // Nor where it doesn't wait for anything.
    let hasty = format!(
        "trap '' PIPE; for i in 1 2 3 4 5 6 7 8 9 10; do exec 3<>/dev/tcp/127.0.0.1/{}; \
         printf 'GET http://other.test/ HTTP/1.1\\r\\nHost: other.test\\r\\n\\r\\n' >&3; exec 3>&-; done; echo sent",
        run.proxy.port
    );
    let bash = Cmd::new(&home, "bash").args(["-c", &hasty]);
    let output = bash.folder("/".into()).user(NOBODY).run();
    assert_eq!(output.stdout(), "sent\n", "{output}");
    // Not a byte, and an error rather than an end.
    let raw = format!("exec 3<>/dev/tcp/127.0.0.1/{}; cat <&3", run.proxy.port);
    let bash = Cmd::new(&home, "bash").args(["-c", &raw]);
    let output = bash.folder("/".into()).user(STRANGER).run();
    output.assert_code(1);
    assert!(output.stdout.is_empty(), "{output}");

    assert_eq!(run.proxy.exchange(HOST, &get("")).text(), "ok");
    let output = run.stop();
    for user in [NOBODY, STRANGER] {
        assert_eq!(
            output.lines_with(&format!("of user {user} ")),
            1,
            "{output}"
        );
    }
    assert_eq!(output.lines_with("warning"), 2, "{output}");
    plain.finish().assert_nothing();
    let arrived = origin.finish();
    assert_eq!((arrived.established, arrived.requests.len()), (1, 1));
}

/// `authsome` as a user without rights, in a home of theirs that has the provider `acme`; and what leads a run of theirs to the origin.
fn settle(user: u32, origin: &Origin) -> (Home, PathBuf, Vec<String>) {
    let home = Home::new();
    home.acme("");
    let binary = home.copy_of(BINARY, "authsome");
    let ca = home.file("origin.pem", &origin.ca_pem);
    home.give(user);
    let mut words = vec!["--upstream-ca".to_owned(), ca];
    words.extend(origin.leads_here(&[HOST], 443));
    (home, binary, words)
}

/// Starts a run of a user's own, with one more option.
fn own_run(user: u32, origin: &Origin, option: &str) -> (Home, Running) {
    let (home, binary, words) = settle(user, origin);
    let cmd = Cmd::new(&home, binary).args(["run", option]).args(words);
    let run = cmd.env("ACME_API_KEY", SECRET).user(user).start();
    (home, run)
}

#[test]
#[cfg(target_os = "linux")]
fn a_run_serves_its_own_user_and_root_only_where_root_is_admitted() {
    if !is_root() {
        return;
    }
    let origin = Origin::start(always_ok);
    let url = format!("https://{HOST}/");
    for (option, serves_root) in [("--verbose", false), ("--admit-root", true)] {
        let (home, run) = own_run(NOBODY, &origin, option);
        for (user, is_served) in [(NOBODY, true), (0, serves_root), (STRANGER, false)] {
            let output = curl(&home, &run, user, &[&url]).run();
            let expected = if is_served { "ok" } else { "" };
            assert_eq!(output.stdout(), expected, "{option} {user} {output}");
            assert_eq!(output.status.success(), is_served, "{option} {output}");
        }
        let output = run.stop();
        let warned = output.lines_with("of user 0 (root) tried to use the proxy");
        assert_eq!(warned, usize::from(!serves_root), "{output}");
        let warned = output.lines_with(&format!("of user {STRANGER} tried to use the proxy"));
        assert_eq!(warned, 1, "{output}");
        let hinted = output.lines_with("--admit-root");
        assert_eq!(hinted, usize::from(!serves_root), "{output}");
    }
    assert_eq!(origin.finish().requests.len(), 3);
}

#[test]
#[cfg(target_os = "linux")]
fn a_run_of_root_s_for_another_user_serves_neither_root_nor_anybody_else() {
    if !is_root() {
        return;
    }
    let origin = Origin::start(always_ok);
    let url = format!("https://{HOST}/");
    for (option, serves_root) in [("--verbose", false), ("--admit-root", true)] {
        let home = Home::new();
        home.acme("");
        home.open_up();
        let run = home
            .run(&origin)
            .args(["--user", &NOBODY.to_string(), option])
            .folder("/".into())
            .start();
        for (user, is_served) in [(NOBODY, true), (0, serves_root), (STRANGER, false)] {
            let output = curl(&home, &run, user, &[&url]).run();
            let expected = if is_served { "ok" } else { "" };
            assert_eq!(output.stdout(), expected, "{option} {user} {output}");
        }
        let output = run.stop();
        let named = output.lines_with(&format!("it is for user {NOBODY} "));
        assert_eq!(named, if serves_root { 1 } else { 2 }, "{output}");
    }
    assert_eq!(origin.finish().requests.len(), 3);
}

/// What a visitor runs (bash): asks each of its arguments, `NAME PORT REQUEST`, and prints the name and the status of the answer, if
/// there is one. Where HOP is a port, a proxy there is asked for the way, with FIELD in the head.
#[cfg(target_os = "linux")]
const VISIT: &str = r#"
trap '' PIPE
for target in "$@"; do
  IFS=' ' read -r name port request <<<"$target"
  answer=$(
    exec 3<>"/dev/tcp/127.0.0.1/${HOP:-$port}" || exit
    if [ -n "$HOP" ]; then
      printf 'CONNECT 127.0.0.1:%s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n%s\r\n' "$port" "$port" "$FIELD" >&3
      IFS= read -r status <&3
      case $status in *' 200 '*) ;; *) exit ;; esac
      while IFS= read -r line <&3 && [ "$line" != $'\r' ]; do :; done
    fi
    printf "$request" >&3
    IFS= read -r status <&3 && printf %s "${status:9:3}"
  ) 2>/dev/null
  [ -z "$answer" ] || echo "$name $answer"
done
"#;

/// A user without rights, and without a line in the system's file of users.
#[cfg(target_os = "linux")]
const ALICE: u32 = 41_001;
/// The second of them.
#[cfg(target_os = "linux")]
const BOB: u32 = 41_002;
/// The third.
#[cfg(target_os = "linux")]
const EVE: u32 = 41_003;

/// A machine on which several users have something that listens.
#[cfg(target_os = "linux")]
struct Machine {
    /// Where all of it leads.
    origin: Origin,
    /// Root's home.
    home: Home,
    /// Alice's own run.
    own: Running,
    /// A login of Alice's that waits.
    page: Page,
    /// A run of root's for Alice.
    of_alice: Running,
    /// A run of root's for Bob.
    of_bob: Running,
    /// A service of root's.
    serve: Served,
}

#[cfg(target_os = "linux")]
impl Machine {
    /// Starts all of it.
    fn start() -> Self {
        let origin = Origin::start(always_ok);
        let home = Home::connected("");
        home.open_up();
        let (alice, binary, _) = settle(ALICE, &origin);
        let login = Cmd::new(&alice, binary).args(["login", "acme"]);
        let run_as = |user: u32| {
            let cmd = home.run(&origin).args(["--user", &user.to_string()]);
            cmd.folder("/".into()).start()
        };
        Self {
            own: own_run(ALICE, &origin, "--verbose").1,
            page: Page::of(login.user(ALICE).background()),
            of_alice: run_as(ALICE),
            of_bob: run_as(BOB),
            serve: Served::start(&home, served::serve(&home, &origin)),
            origin,
            home,
        }
    }

    /// The listeners as a visitor is told of them; the service too, for those who come directly.
    fn listeners(&self, is_direct: bool) -> Vec<String> {
        let proxy = |name: &str, port: u16, field: &str| {
            format!(
                "{name} {port} GET https://{HOST}/ HTTP/1.1\r\nHost: {HOST}\r\n{field}Connection: close\r\n\r\n"
            )
        };
        let (port, path) = (self.page.port, &self.page.path);
        let mut listeners = vec![
            proxy("own", self.own.proxy.port, ""),
            proxy("of-alice", self.of_alice.proxy.port, ""),
            proxy("of-bob", self.of_bob.proxy.port, ""),
            format!("page {port} GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"),
        ];
        if is_direct {
            let port = self.serve.proxy.port;
            listeners.push(proxy("serve", port, ""));
            listeners.push(proxy("password", port, &served::field(PASSWORD)));
        }
        // As printf takes it, on one line.
        let escaped = |text: &String| text.replace("\r\n", "\\r\\n");
        listeners.iter().map(escaped).collect()
    }

    /// What somebody sees who runs bash in this way, and goes by a proxy if there is a port of any.
    fn visit(&self, user: u32, bash: &[&str], hop: Option<u16>) -> String {
        let (program, words) = bash.split_first().expect("a program");
        let mut cmd = Cmd::new(&self.home, program)
            .args(words)
            .args(["-c", VISIT, "visit"])
            .args(self.listeners(hop.is_none()))
            .folder("/".into());
        if let Some(port) = hop {
            cmd = cmd.env("HOP", port.to_string());
            cmd = cmd.env("FIELD", served::field(PASSWORD));
        }
        let output = cmd.user(user).run();
        output.assert_code(0);
        output.stdout().trim_end().replace('\n', ", ")
    }

    /// A copy of bash that is root, for whoever starts it: for Eve alone. `None` where there can be no such programs.
    fn bash_of_root(&self) -> Option<String> {
        let copy = self.home.copy_of("/bin/bash", "bash-of-root");
        chown(&copy, None, Some(EVE)).expect("its group");
        fs::set_permissions(&copy, Permissions::from_mode(0o4750)).expect("its mode");
        let who = Cmd::new(&self.home, &copy).args(["-p", "-c", "echo $EUID"]);
        let is_root = who.folder("/".into()).user(EVE).run().stdout() == "0\n";
        is_root.then(|| copy.display().to_string())
    }

    /// Stops all of it: the login and Alice's run have said whom they refused, and so many requests have arrived.
    fn stop(self, arrived: usize) {
        let said = self.page.program.wait_for_stderr("of user 0 (root)");
        let output = self.own.stop();
        for (said, place) in [
            (said, "the page of this login"),
            (output.stderr(), "the proxy"),
        ] {
            for user in [&*BOB.to_string(), &*EVE.to_string(), "0 (root)"] {
                let line = format!("a program of user {user} tried to use {place} and was refused");
                assert_eq!(said.matches(&line).count(), 1, "{user}\n{said}");
            }
            assert_eq!(said.matches("--admit-root").count(), 1, "{said}");
        }
        self.of_alice.stop();
        self.of_bob.stop();
        self.serve.stop();
        assert_eq!(self.origin.finish().requests.len(), arrived);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn nobody_reaches_another_user_s_proxy_or_login_page_by_any_way() {
    if !is_root() {
        return;
    }
    let machine = Machine::start();
    let bash = &["bash"][..];
    let powerless = &["setpriv", "--bounding-set=-all", "--inh-caps=-all", "bash"];
    for (visitor, user, bash, expected) in [
        ("alice", ALICE, bash, "own 200, of-alice 200, page 200, "),
        ("bob", BOB, bash, "of-bob 200, "),
        ("eve", EVE, bash, ""),
        ("root", 0, bash, ""),
        ("root without rights", 0, powerless, ""),
    ] {
        let expected = format!("{expected}serve 407, password 200");
        assert_eq!(machine.visit(user, bash, None), expected, "{visitor}");
    }
    for (visitor, user, by, expected) in [
        // That there is a way at all: her own run connects as herself.
        (
            "alice",
            ALICE,
            machine.own.proxy.port,
            "of-alice 200, page 200",
        ),
        ("alice", ALICE, machine.of_alice.proxy.port, ""),
        ("bob", BOB, machine.of_bob.proxy.port, ""),
        ("eve", EVE, machine.serve.proxy.port, ""),
    ] {
        assert_eq!(
            machine.visit(user, bash, Some(by)),
            expected,
            "{visitor} by {by}"
        );
    }
    let mut arrived = 2 + 1 + 5 + 1;
    // A program that becomes root connects as root, for whoever has started it.
    if let Some(bash) = machine.bash_of_root() {
        let seen = machine.visit(EVE, &[&bash, "-p"], None);
        assert_eq!(seen, "serve 407, password 200");
        arrived += 1;
    }
    machine.stop(arrived);
}

#[test]
#[cfg(target_os = "linux")]
fn root_of_a_user_namespace_is_served_as_the_user_outside_and_no_other_root_is() {
    let as_root = ["--user", "--map-root-user"];
    let can = Cmd::new(&Home::new(), "unshare").args(as_root).arg("true");
    if !is_root() || !can.folder("/".into()).user(NOBODY).run().status.success() {
        return;
    }
    let origin = Origin::start(always_ok);
    let url = format!("https://{HOST}/");
    // Root by its number, and so asked for by the option as well: still not the machine's root.
    for option in ["--verbose", "--admit-root"] {
        let (home, binary, words) = settle(NOBODY, &origin);
        let cmd = Cmd::new(&home, "unshare").args(as_root).arg(binary);
        let cmd = cmd.args(["run", option]).args(words);
        let run = cmd.env("ACME_API_KEY", SECRET).user(NOBODY).start();
        for (user, is_served) in [(NOBODY, true), (0, false), (STRANGER, false)] {
            let output = curl(&home, &run, user, &[&url]).run();
            let expected = if is_served { "ok" } else { "" };
            assert_eq!(output.stdout(), expected, "{option} {user} {output}");
        }
        let output = run.stop();
        // Both have no number of their own in there.
        assert_eq!(output.lines_with("of user 65534 tried"), 1, "{output}");
        assert_eq!(output.lines_with("warning"), 1, "{output}");
    }
    assert_eq!(origin.finish().requests.len(), 2);
}

#[test]
#[cfg(target_os = "linux")]
fn a_login_s_page_answers_root_where_root_is_admitted() {
    if !is_root() {
        return;
    }
    let origin = Origin::start(always_ok);
    let (home, binary, _) = settle(NOBODY, &origin);
    let login = Cmd::new(&home, binary).args(["login", "acme", "--admit-root"]);
    let page = Page::of(login.user(NOBODY).background());
    // As from a browser whose connections a service of root's forwards.
    assert_eq!(page.enter(SECRET).status(), 200);
    let output = page.program.end();
    output.assert_code(0);
    assert_eq!(output.lines_with("warning"), 0, "{output}");
    assert!(home.own("vault").exists());
}

#[test]
fn a_socket_for_both_kinds_of_addresses_is_known_too() {
    let scene = Scene::ok("");
    let address = ("::ffff:127.0.0.1", scene.run.proxy.port);
    let Ok(socket) = TcpStream::connect(address) else {
        return; // no IPv6 here
    };
    let mut client = Channel::new(Box::new(socket));
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    let answer = client.response("GET");
    answer.assert_refusal(400, "http_request_error");
    scene.run.stop().assert_quiet();
}

#[test]
fn a_thousand_connections_in_a_row_are_all_served() {
    let scene = Scene::ok("");
    let proxy = &scene.run.proxy;
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..250 {
                    let mut client = proxy.plain();
                    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
                    assert_eq!(client.response("GET").status(), 400);
                }
            });
        }
    });
    scene.run.stop().assert_quiet();
}

#[test]
fn nobody_is_taken_for_a_stranger_when_there_are_no_descriptors_left() {
    let home = Home::new();
    let limited = "ulimit -n 30; exec \"$0\" run -- \"$@\"";
    let child = "env -0; printf '=READY\\0'; exec cat";
    let words = ["-c", limited, BINARY, "sh", "-c", child];
    let run = Cmd::new(&home, "sh")
        .args(words)
        .env("CHILD", child)
        .start_at_terminal();
    // More than can be open there at once: as many are served as there is room for, and the others hear so or are closed.
    let mut clients: Vec<Channel> = (0..60).map(|_| run.proxy.plain()).collect();
    let mut served = 0;
    for client in &mut clients {
        client.try_send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = client.rest().0;
        served += usize::from(answer.starts_with(b"HTTP/1.1 400 "));
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 "));
    }
    assert!(served > 0, "nobody was served");
    run.stop().assert_quiet();
}

/// The user and the password in a run's proxy URL.
fn password(run: &Running) -> String {
    let url = run.env["HTTPS_PROXY"].strip_prefix("http://");
    let (user, _) = url.and_then(|url| url.split_once('@')).expect("a user");
    let (name, token) = user.split_once(':').expect("a password");
    assert_eq!(name, "authsome");
    assert!(token.len() >= 32, "too short to be random: {token}");
    for other in ["HTTP_PROXY", "http_proxy", "https_proxy"] {
        assert_eq!(run.env[other], run.env["HTTPS_PROXY"]);
    }
    user.to_owned()
}

/// The field with a password.
fn field(user: &str) -> String {
    format!("Proxy-Authorization: Basic {}\r\n", base64(user.as_bytes()))
}

/// A run with a password, an origin with TLS and one without.
fn guarded(home: &Home) -> (Running, Origin, Origin) {
    home.acme("");
    let origin = Origin::start(always_ok);
    let plain = Origin::plain(always_ok);
    let run = home
        .run(&origin)
        .args(plain.leads_here(&["other.test"], 80))
        .args(["--proxy-auth", "--verbose"])
        .start();
    (run, origin, plain)
}

/// Ends the run: nothing of the password was printed.
fn stop(run: Running, user: &str) {
    let token = user.rsplit(':').next().expect("a password").to_owned();
    let pid = run.program.pid;
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    assert!(!String::from_utf8_lossy(&words).contains(&token));
    // What the child has printed is its environment, with the URL in it.
    let output = run.stop();
    assert!(!output.stderr().contains(&token), "{output}");
    assert!(
        !output.stderr().contains(&base64(user.as_bytes())),
        "{output}"
    );
}

/// Checks that an answer asks for the password, on a connection that stays or doesn't.
fn assert_asks(answer: &Message, stays: bool) {
    answer.assert_refusal(407, "http_request_denied");
    assert_eq!(answer.one("Proxy-Authenticate"), "Basic realm=\"authsome\"");
    assert_eq!(answer.has("Connection"), !stays, "{answer}");
}

/// A request in plain HTTP on the proxy's own port, with these lines.
fn absolute(lines: &str) -> String {
    format!("GET http://other.test/ HTTP/1.1\r\nHost: other.test\r\n{lines}\r\n")
}

#[test]
fn a_request_without_the_password_is_asked_for_it_and_may_try_again() {
    let (run, origin, plain) = guarded(&Home::new());
    let user = password(&run);
    let right = field(&user);
    let wrong = [
        String::new(),
        field("authsome:0123456789abcdef0123456789abcdef"),
        field(&format!("{user}x")),
        field(&user.replace("authsome", "other")),
        format!("{right}{right}"),
        right.replace("Basic", "Bearer"),
    ];
    for lines in &wrong {
        let mut client = run.proxy.plain();
        client.send(absolute(lines));
        assert_asks(&client.response("GET"), true);
        client.send(absolute(&right));
        assert_eq!(client.response("GET").text(), "ok", "{lines:?}");
        // For each request anew.
        client.send(absolute(""));
        assert_asks(&client.response("GET"), true);
    }
    let mut client = run.proxy.plain();
    client.send(absolute(&right.replace("Basic", "bASIC")));
    assert_eq!(client.response("GET").text(), "ok");
    stop(run, &user);
    let arrived = plain.finish();
    assert_eq!(arrived.requests.len(), wrong.len() + 1);
    arrived.assert_without("Proxy-Authorization");
    arrived.assert_without(&base64(user.as_bytes()));
    origin.finish().assert_nothing();
}

#[test]
fn a_connect_without_the_password_is_asked_for_it_and_may_try_again() {
    let (run, origin, plain) = guarded(&Home::new());
    let user = password(&run);
    let right = field(&user);
    for (lines, authority) in [
        (String::new(), format!("{HOST}:443")),
        (field("authsome:x"), format!("{HOST}:443")),
        (format!("{right}{right}"), "other.test:80".to_owned()),
    ] {
        let connect = |lines: &str| {
            format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{lines}\r\n")
        };
        let mut client = run.proxy.plain();
        client.send(connect(&lines));
        assert_asks(&client.response("CONNECT"), true);
        client.send(connect(&right));
        assert_eq!(client.response("CONNECT").status(), 200);
        if authority.starts_with("other") {
            continue;
        }
        // Within the tunnel nobody is asked again.
        let config = run.proxy.config();
        let mut tls = crate::support::client::tls_over(client, HOST, config).expect("TLS");
        tls.send(get(""));
        assert_eq!(tls.response("GET").text(), "ok");
    }
    stop(run, &user);
    let arrived = origin.finish();
    assert_eq!(arrived.requests.len(), 2);
    arrived.assert_without("Proxy-Authorization");
    plain.finish().assert_nothing();
}

#[test]
fn who_can_not_try_again_is_asked_on_a_connection_that_ends() {
    let (run, origin, plain) = guarded(&Home::new());
    let user = password(&run);
    // With a body that isn't read, and as a client of HTTP/1.0, which may not know that connections can stay.
    for request in [
        format!("POST http://other.test/ HTTP/1.1\r\nHost: other.test\r\nContent-Length: 3\r\n\r\n{}", "abc"),
        "POST http://other.test/ HTTP/1.1\r\nHost: other.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "GET http://other.test/ HTTP/1.0\r\n\r\n".to_owned(),
        absolute("Connection: close\r\n"),
        format!("CONNECT {HOST}:443 HTTP/1.0\r\n\r\n"),
    ] {
        let mut client = run.proxy.plain();
        client.send(&request);
        assert_asks(&client.response("GET"), false);
        let (rest, _) = client.rest();
        assert!(rest.is_empty(), "{request}");
    }
    // A HEAD has no body to say it in.
    let mut client = run.proxy.plain();
    client.send(absolute("").replace("GET", "HEAD"));
    let answer = client.response("HEAD");
    assert_eq!((answer.status(), answer.body.len()), (407, 0));
    client.send(absolute(&field(&user)));
    assert_eq!(client.response("GET").text(), "ok");
    // Not for ever.
    let mut client = run.proxy.plain();
    for number in 1..=4 {
        client.send(absolute(""));
        assert_asks(&client.response("GET"), number < 4);
    }
    assert!(client.rest().0.is_empty());
    stop(run, &user);
    assert_eq!(plain.finish().requests.len(), 1);
    origin.finish().assert_nothing();
}

#[test]
fn curl_with_the_child_s_environment_has_the_password() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(always_ok);
    let plain = Origin::plain(always_ok);
    // The second is asked first, and tries again.
    let script = format!(
        "curl -sS https://{HOST}/a && curl -sS --proxy-anyauth https://{HOST}/b && curl -sS http://other.test/c"
    );
    let output = home
        .run(&origin)
        .args(plain.leads_here(&["other.test"], 80))
        .args(["--proxy-auth", "--", "sh", "-c", &script])
        .run();
    output.assert_code(0).assert_quiet();
    assert_eq!(output.stdout(), "okokok");
    let requests = origin.finish().requests;
    assert_eq!(requests.len(), 2);
    for request in &requests {
        assert_eq!(request.one("Authorization"), format!("Bearer {SECRET}"));
        assert!(!request.has("Proxy-Authorization"));
    }
    assert!(!plain.finish().only().has("Proxy-Authorization"));
}

#[test]
fn a_run_within_a_run_goes_through_its_password() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(always_ok);
    let plain = Origin::plain(always_ok);
    let run = home
        .run(&origin)
        .args(plain.leads_here(&["other.test"], 80))
        .args(["--proxy-auth", "--verbose", "--"])
        .args([BINARY, "run", "--proxy-auth", "--verbose"])
        .start();
    let user = password(&run);
    let request = format!(
        "CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n{}\r\n",
        field(&user)
    );
    let mut client = run.proxy.plain();
    client.send(request);
    assert_eq!(client.response("CONNECT").status(), 200);
    let config = run.proxy.config();
    let mut tls = crate::support::client::tls_over(client, HOST, config).expect("TLS");
    tls.send(get(""));
    assert_eq!(tls.response("GET").text(), "ok");
    let mut client = run.proxy.plain();
    client.send(absolute(&field(&user)));
    assert_eq!(client.response("GET").text(), "ok");
    stop(run, &user);
    let arrived = origin.finish();
    assert_eq!(
        arrived.only().one("Authorization"),
        format!("Bearer {SECRET}")
    );
    arrived.assert_without("Proxy-Authorization");
    plain.finish().assert_without("Proxy-Authorization");
}

#[test]
fn there_is_a_password_where_strangers_look_like_the_own_user() {
    let can = Command::new("unshare").args(["--user", "true"]).output();
    if !can.is_ok_and(|output| output.status.success()) {
        return;
    }
    let home = Home::new();
    let plain = Origin::plain(always_ok);
    // In a namespace where nobody has a number of their own.
    let output = Cmd::new(&home, "unshare")
        .args(["--user", BINARY, "run"])
        .args(plain.leads_here(&["other.test"], 80))
        .args([
            "--",
            "sh",
            "-c",
            "echo \"$HTTPS_PROXY\"; curl -sS http://other.test/",
        ])
        .run();
    assert!(output.stdout().starts_with("http://authsome:"), "{output}");
    assert!(output.stdout().ends_with("\nok"), "{output}");
    assert_eq!(plain.finish().requests.len(), 1);
}

#[test]
fn without_the_option_there_is_no_password_where_the_system_tells_who_connects() {
    let home = Home::new();
    let run = home.authsome(["run"]).start();
    let has_password = run.env["HTTPS_PROXY"].contains('@');
    assert_eq!(has_password, !cfg!(target_os = "linux"));
    run.stop().assert_quiet();
}
