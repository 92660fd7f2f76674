//! Ways for the child to get at the credential that no other file is about: the process beside it, what a crash leaves, what it could have
//! others do for it. The README's table of attempts names the tests of all of them; the last test here holds it to that.

use std::fs;
use std::path::Path;

use crate::support::BINARY;
use crate::support::Cmd;
use crate::support::Home;
use crate::support::NOBODY;
use crate::support::PLACEHOLDER;
use crate::support::SECRET;
use crate::support::Scene;
use crate::support::client::connect;
use crate::support::contains;
use crate::support::is_root;
use crate::support::origin::Certificate;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;

/// A request.
fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}

/// A home with the provider `acme`, and `authsome run` in it with this program as the child: of the same user as authsome, and not
/// root, whom nothing is denied.
fn beside(program: &[&str]) -> (Home, Cmd) {
    let home = Home::new();
    home.acme("");
    let cmd = home
        .authsome(["run", "--"])
        .args(program)
        .env("ACME_API_KEY", SECRET)
        .folder(home.temporary());
    let cmd = as_a_person(&home, cmd);
    (home, cmd)
}

/// The command as a user who isn't root.
fn as_a_person(home: &Home, cmd: Cmd) -> Cmd {
    if !is_root() {
        return cmd;
    }
    home.give(NOBODY);
    cmd.user(NOBODY)
}

#[test]
fn what_the_child_can_read_of_itself_and_on_the_disk_has_no_credential() {
    let script = "env; cat /proc/self/environ /proc/self/cmdline /proc/$PPID/cmdline; \
                  find \"$TMPDIR\" \"$AUTHSOME_HOME\" -type f -exec cat {} +; echo read";
    let (_home, cmd) = beside(&["sh", "-c", script]);
    let output = cmd.run();
    output.assert_code(0).assert_without(SECRET);
    assert!(contains(&output.stdout, PLACEHOLDER.as_bytes()), "{output}");
    assert!(contains(&output.stdout, b"BEGIN CERTIFICATE"), "{output}");
    assert!(output.stdout().ends_with("read\n"), "{output}");
}

#[test]
#[cfg(target_os = "linux")]
fn the_files_of_authsome_s_process_cannot_be_read_by_the_child() {
    let script = "for name in environ mem maps smaps auxv stack syscall; do cat /proc/$PPID/$name && echo \"read $name\"; done; \
                  ls -l /proc/$PPID/fd && echo read fd; ls /proc/$PPID/map_files && echo read map_files; \
                  readlink /proc/$PPID/exe /proc/$PPID/cwd && echo read links; \
                  for task in /proc/$PPID/task/*; do cat $task/environ $task/maps && echo \"read $task\"; done; echo tried";
    let (home, cmd) = beside(&["sh", "-c", script]);
    let output = cmd.run();
    output.assert_without(SECRET);
    assert_eq!(output.stdout(), "tried\n", "{output}");
    // The same of a process that isn't protected: what was denied is denied by authsome.
    let words = ["-c", "sh -c \"$SCRIPT\"; exit 0"];
    let plain = Cmd::new(&home, "sh").args(words).env("SCRIPT", script);
    let output = as_a_person(&home, plain.folder(home.temporary())).run();
    assert!(output.stdout().contains("read environ"), "{output}");
}

/// What [`attacker`] is told by.
const ATTACK: &str = "AUTHSOME_TEST_ATTACKS_ITS_PARENT";

#[test]
#[cfg(target_os = "linux")]
fn authsome_s_process_cannot_be_traced_or_robbed_by_the_child() {
    let own = std::env::current_exe().expect("this program");
    let own = own.display().to_string();
    let attack = [&*own, "--exact", "escape::attacker", "--nocapture"];
    let (home, cmd) = beside(&attack);
    let output = cmd.env(ATTACK, "1").run();
    output.assert_code(0).assert_without(SECRET);
    for way in ["trace", "seize", "read", "descriptor"] {
        assert!(
            output.stdout().contains(&format!("{way}: denied\n")),
            "{output}"
        );
    }
    // The same against a shell: it works where the system lets a program trace its parent.
    let script = format!("{}; exit 0", attack.join(" "));
    let plain = Cmd::new(&home, "sh").args(["-c", &script]).env(ATTACK, "1");
    let output = as_a_person(&home, plain.folder(home.temporary())).run();
    let is_free = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope")
        .map_or(true, |scope| scope.trim() == "0");
    if is_free {
        for way in ["seize", "read", "descriptor"] {
            assert!(
                output.stdout().contains(&format!("{way}: done\n")),
                "{output}"
            );
        }
    }
}

/// No test but the child of one: it tries to get into its parent, and says what became of that.
#[test]
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no library offers an attacker's system calls")]
fn attacker() {
    if std::env::var_os(ATTACK).is_none() {
        return;
    }
    let parent = i32::try_from(std::os::unix::process::parent_id()).expect("a number");
    let tell = |way: &str, result: i64| {
        let became = if result < 0 { "denied" } else { "done" };
        println!("{way}: {became}");
    };
    let mut bytes = [0_u8; 16];
    let local = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    // An address that is in every process of this program's kind: where its own code is. For another program it may be none: then the
    // address is at fault (EFAULT), not the right (EPERM).
    let remote = libc::iovec {
        iov_base: (attacker as fn() as usize) as *mut libc::c_void,
        iov_len: bytes.len(),
    };
    // SAFETY: reads and writes within the two vectors, of which the local one is ours.
    let read =
        unsafe { libc::process_vm_readv(parent, &raw const local, 1, &raw const remote, 1, 0) };
    let error = std::io::Error::last_os_error();
    let is_denied = read < 0 && error.kind() == std::io::ErrorKind::PermissionDenied;
    tell("read", if is_denied { -1 } else { 0 });
    // SAFETY: two numbers.
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, parent, 0) };
    // SAFETY: three numbers.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd, 0, 0) };
    tell("descriptor", descriptor);
    let nothing = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: takes no memory.
    let seized = unsafe { libc::ptrace(libc::PTRACE_SEIZE, parent, nothing, nothing) };
    tell("seize", seized);
    if seized < 0 {
        // It would stop a parent that lets it: that is tried only where the gentler way is denied.
        // SAFETY: takes no memory.
        let traced = unsafe { libc::ptrace(libc::PTRACE_ATTACH, parent, nothing, nothing) };
        tell("trace", traced);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_crash_that_the_child_causes_leaves_no_core() {
    // In the folder of the process that crashes, as core(5) has it where nothing else is set.
    let cores = |folder: &Path| {
        let entries = fs::read_dir(folder).expect("the folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        names
            .filter(|name| name.to_string_lossy().starts_with("core"))
            .count()
    };
    let home = Home::new();
    home.acme("");
    let unlimited = "ulimit -c unlimited && exec \"$@\"";
    let crash = "ulimit -c unlimited; kill -ABRT $PPID; exec cat";
    let words = [
        "-c", unlimited, "sh", BINARY, "run", "--", "sh", "-c", crash,
    ];
    let cmd = Cmd::new(&home, "sh")
        .args(words)
        .env("ACME_API_KEY", SECRET);
    let output = as_a_person(&home, cmd.folder(home.temporary())).run();
    assert!(!output.status.success(), "{output}");
    assert_eq!(cores(&home.temporary()), 0, "{output}");
    let plain = Cmd::new(&home, "sh").args(["-c", "ulimit -c unlimited && sh -c 'kill -ABRT $$'"]);
    as_a_person(&home, plain.folder(home.temporary())).run();
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    if pattern.starts_with("core") {
        assert!(
            cores(&home.temporary()) > 0,
            "a crash leaves no core here at all"
        );
    }
}

#[test]
fn a_redirect_to_another_host_takes_no_credential_along() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(|conn| {
        conn.expect_request();
        conn.send(
            "HTTP/1.1 302 Found\r\nLocation: https://other.test/taken\r\nContent-Length: 0\r\n\r\n",
        );
        while conn.request().is_some() {}
    });
    let other = Origin::start(always_ok);
    let run = home
        .run(&origin)
        .args(other.leads_here(&["other.test"], 443))
        .start();
    let response = run.proxy.exchange(HOST, &get("/"));
    assert_eq!(response.status(), 302);
    assert_eq!(response.one("Location"), "https://other.test/taken");
    // As a client does that follows: the same request at the other host, whose TLS is its own.
    let tunnel = run.proxy.tunnel("other.test:443");
    let trusted = crate::support::client::trusting(other.ca_pem.as_bytes());
    let mut client = crate::support::client::tls_over(tunnel, "other.test", trusted).expect("TLS");
    client.send(format!(
        "GET /taken HTTP/1.1\r\nHost: other.test\r\nAuthorization: Bearer {PLACEHOLDER}\r\n\r\n"
    ));
    assert_eq!(client.response("GET").text(), "ok");
    drop(client);
    run.stop();
    let arrived = other.finish();
    arrived.assert_without(SECRET);
    assert_eq!(
        arrived.only().one("Authorization"),
        format!("Bearer {PLACEHOLDER}")
    );
}

#[test]
fn the_preface_of_http_2_is_refused() {
    let scene = Scene::ok("");
    let mut client = scene.client();
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    client
        .response("PRI")
        .assert_refusal(505, "http_request_error");
    let mut plain = scene.run.proxy.plain();
    plain.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    plain
        .response("PRI")
        .assert_refusal(505, "http_request_error");
    scene.finish().arrived.assert_nothing();
}

#[test]
fn a_pipelined_request_for_another_host_is_refused() {
    let scene = Scene::ok("");
    let mut client = scene.client();
    client.send(format!(
        "{}GET /second HTTP/1.1\r\nHost: other.test\r\n\r\n{}",
        get("/first"),
        get("/third")
    ));
    assert_eq!(client.response("GET").text(), "ok");
    client
        .response("GET")
        .assert_refusal(400, "http_request_error");
    assert!(client.rest().0.is_empty());
    let arrived = scene.finish().arrived;
    assert_eq!(arrived.only().target(), "/first");
}

#[test]
fn a_body_is_no_second_request() {
    // What looks like a request within a body arrives as a body, without a credential of its own.
    let scene = Scene::ok("");
    let hidden = get("/hidden");
    let response = scene.exchange(&format!(
        "POST /first HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {}\r\n\r\n{hidden}",
        hidden.len()
    ));
    assert_eq!(response.text(), "ok");
    let arrived = scene.finish().arrived;
    assert_eq!(arrived.only().text(), hidden);
    let text = String::from_utf8_lossy(&arrived.bytes);
    assert_eq!(text.matches(SECRET).count(), 1, "{text}");
}

#[test]
fn a_run_within_a_run_that_trusts_the_child_s_origin_gets_the_placeholder() {
    // The child starts authsome by itself, has it trust an origin of the child's own, and lets it take what is in the environment.
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(always_ok);
    let evil = Origin::start(always_ok);
    let run = home
        .run(&origin)
        .arg("--")
        .args([BINARY, "run"])
        .args(evil.args())
        .args(["--credential", "acme=env:ACME_API_KEY"])
        .start();
    assert_eq!(run.proxy.exchange(HOST, &get("/")).text(), "ok");
    run.stop();
    origin.finish().assert_nothing();
    let arrived = evil.finish();
    arrived.assert_without(SECRET);
    assert_eq!(
        arrived.only().one("Authorization"),
        format!("Bearer {PLACEHOLDER}")
    );
}

#[test]
fn an_origin_that_only_answers_for_the_host_gets_nothing() {
    // The name leads to another server, as an answer of DNS could: it has a good certificate, for another name.
    let home = Home::new();
    home.acme("");
    let other = Origin::with(Certificate::WrongName, always_ok);
    let run = home.run(&other).start();
    let response = run.proxy.exchange(HOST, &get("/"));
    response.assert_refusal(502, "tls_certificate_error");
    run.stop();
    other.finish().assert_nothing();
}

#[test]
fn the_proxy_s_port_answers_no_one_with_a_credential() {
    // Whatever is asked of the port itself: it serves no page, no file, no state.
    let scene = Scene::ok("");
    for request in [
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        "GET /proxy.pac HTTP/1.0\r\n\r\n",
        "GET http://authsome/ HTTP/1.1\r\nHost: authsome\r\n\r\n",
        "\x16\x03\x01\x00\x05hello",
        "\x05\x01\x00",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n\r\n",
    ] {
        let mut client =
            crate::support::wire::Channel::new(Box::new(connect(scene.run.proxy.port)));
        client.send(request);
        client.end_sending();
        let (answer, _) = client.rest();
        assert!(!contains(&answer, SECRET.as_bytes()), "{request:?}");
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{request:?}");
    }
    scene.finish().arrived.assert_nothing();
}

#[test]
fn each_attempt_in_the_readme_s_table_has_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).expect("a README");
    let (_, table) = readme
        .split_once("| attempt | what comes of it | test |")
        .expect("the table");
    let rows: Vec<&str> = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert!(rows.len() > 30, "{rows:?}");
    for row in rows {
        let cell = row.rsplit('|').nth(1).expect("a last cell");
        let names: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test: {row}");
        for name in names {
            let (file, function) = name.split_once("::").expect("FILE::NAME");
            let path = root.join("tests").join(file).with_extension("rs");
            let source = fs::read_to_string(&path).unwrap_or_default();
            let is_there = source.contains(&format!("\nfn {function}() {{"));
            assert!(is_there, "{name} is not in {}", path.display());
        }
    }
}
