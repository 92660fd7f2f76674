//! `run --user`: who the program is then, what it can and can't reach; and what anybody finds in authsome's own environment.

use std::fs;
use std::fs::Permissions;
#[cfg(target_os = "linux")]
use std::os::unix::fs::FileExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

use crate::support::BINARY;
use crate::support::Cmd;
use crate::support::Home;
use crate::support::NOBODY;
use crate::support::PLACEHOLDER;
use crate::support::SECRET;
use crate::support::contains;
use crate::support::is_over;
use crate::support::is_root;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
use crate::support::signal;
use crate::support::wait_until;

/// Sets a mode.
fn set_mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("its mode");
}

/// A home that every user can come to, as far as a run's files are meant for them.
fn reachable() -> Home {
    let home = Home::new();
    home.open_up();
    home
}

/// `authsome run --user USER -- sh -c SCRIPT`, by root.
fn script(home: &Home, user: &str, script: &str) -> Cmd {
    let cmd = home.authsome(["run", "--user", user, "--", "sh", "-c", script]);
    cmd.folder("/".into())
}

/// Nobody's group, by its number in /etc/passwd, and its home there.
fn nobody() -> (String, String) {
    let passwd = fs::read_to_string("/etc/passwd").expect("the users");
    let line = passwd.lines().find(|line| line.starts_with("nobody:"));
    let words: Vec<&str> = line.expect("nobody").split(':').collect();
    (words[3].to_owned(), words[5].to_owned())
}

#[test]
fn the_program_is_who_was_said_and_nobody_else() {
    if !is_root() {
        return;
    }
    let home = reachable();
    let tell = "id -u; id -g; id -G; grep -E '^(Uid|Gid|Groups|NoNewPrivs|CapEff|CapPrm|CapAmb):' /proc/self/status | tr -d '\\t '; \
        echo \"$HOME ${USER-none} ${LOGNAME-none} ${AUTHSOME_HOME-none}\"";
    let (group, folder) = nobody();
    for (user, expected, surroundings) in [
        (
            "nobody",
            [NOBODY.to_string(), group],
            format!("{folder} nobody nobody none"),
        ),
        (
            "65534:7",
            [NOBODY.to_string(), "7".into()],
            format!("{folder} nobody nobody none"),
        ),
        (
            "41234",
            ["41234".into(), "41234".into()],
            "/ none none none".into(),
        ),
        (
            "41234:0",
            ["41234".into(), "0".into()],
            "/ none none none".into(),
        ),
    ] {
        // As from a root with other groups, none of which is left.
        let output = Cmd::new(&home, "setpriv")
            .args(["--groups", "4,20,27", BINARY, "run", "--user", user])
            .args(["--", "sh", "-c", tell])
            .folder("/".into())
            .env("USER", "root")
            .env("LOGNAME", "root")
            .run();
        output.assert_code(0).assert_quiet();
        let [user, group] = expected;
        let text = output.stdout();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..3], [&*user, &*group, &*group], "{output}");
        assert!(
            lines.contains(&&*format!("Uid:{}", user.repeat(4))),
            "{output}"
        );
        assert!(
            lines.contains(&&*format!("Gid:{}", group.repeat(4))),
            "{output}"
        );
        assert!(lines.contains(&"Groups:"), "{output}");
        assert!(lines.contains(&"NoNewPrivs:1"), "{output}");
        for set in ["CapEff", "CapPrm", "CapAmb"] {
            assert!(
                lines.contains(&&*format!("{set}:0000000000000000")),
                "{output}"
            );
        }
        assert_eq!(lines.last(), Some(&&*surroundings), "{output}");
    }
}

#[test]
fn the_program_uses_the_proxy_and_trusts_the_bundle() {
    if !is_root() {
        return;
    }
    let home = Home::connected("");
    home.open_up();
    let origin = Origin::start(always_ok);
    for (mask, option) in [
        ("022", "--quiet"),
        ("077", "--quiet"),
        ("022", "--proxy-auth"),
    ] {
        // What is read in the clear is a run's own file, whatever this user's mask is.
        let line = format!("umask {mask}; exec \"$0\" run --user nobody {option} \"$@\"");
        let output = Cmd::new(&home, "sh")
            .args(["-c", &line, BINARY])
            .args(origin.args())
            .args(["--", "curl", "-sS", &format!("https://{HOST}/")])
            .folder("/".into())
            .run();
        output.assert_code(0).assert_quiet();
        assert_eq!(output.stdout(), "ok", "{mask} {option}");
        assert_eq!(fs::read_dir(home.temporary()).expect("it").count(), 0);
    }
    for request in origin.finish().requests {
        assert_eq!(request.one("Authorization"), format!("Bearer {SECRET}"));
    }
}

#[test]
fn authsome_works_within_a_run_as_another_user() {
    if !is_root() {
        return;
    }
    let home = Home::connected("");
    home.open_up();
    let origin = Origin::start(always_ok);
    let binary = home.copy_of(BINARY, "authsome").display().to_string();
    let own = home.path("of-nobody");
    fs::create_dir(&own).expect("a folder");
    set_mode(&own, 0o700);
    chown(&own, Some(NOBODY), Some(NOBODY)).expect("another owner");
    let script = format!(
        "export AUTHSOME_HOME={}; {binary} run -- curl -sS https://{HOST}/ && {binary} doctor -- curl -sS -o /dev/null '{{url}}'",
        own.display()
    );
    let output = home
        .run(&origin)
        .args(["--user", "nobody", "--", "sh", "-c", &script])
        .folder("/".into())
        .run();
    output.assert_code(0);
    assert_eq!(output.stdout(), "ok", "{output}");
    assert_eq!(output.lines_with("ok    credential"), 1, "{output}");
    assert_eq!(output.lines_with("warning"), 0, "{output}");
    let arrived = origin.finish();
    let sent = arrived.only().one("Authorization");
    assert_eq!(sent, format!("Bearer {SECRET}"));
}

#[test]
fn the_program_reads_neither_the_vault_nor_anything_of_authsome_s_process() {
    if !is_root() {
        return;
    }
    let home = Home::connected("");
    home.open_up();
    let own = home.own("").display().to_string();
    let tries = [
        format!("cat {own}/vault"),
        format!("cat {own}/master.key"),
        format!("ls {own}"),
        "cat /proc/$PPID/environ".into(),
        "cat /proc/$PPID/maps".into(),
        "cat /proc/$PPID/auxv".into(),
        "ls /proc/$PPID/fd/".into(),
        "ls /proc/$PPID/cwd/".into(),
        "readlink /proc/$PPID/exe".into(),
        "dd if=/proc/$PPID/mem of=/dev/null count=0".into(),
        "kill -0 $PPID".into(),
        "touch \"${SSL_CERT_FILE%/*}/new\"".into(),
        "true >>\"$SSL_CERT_FILE\"".into(),
        "true >>\"${SSL_CERT_FILE%/*}/alive\"".into(),
    ];
    let all: String = tries
        .iter()
        .map(|what| {
            format!(
                "if ({what}) >/dev/null 2>&1; then echo '{}'; fi\n",
                what.replace('\'', "")
            )
        })
        .collect();
    let output = script(&home, "nobody", &all).run();
    output.assert_code(0);
    assert_eq!(output.stdout(), "", "{output}");
    // For root beside a run every one of them works, so that none fails by itself.
    let run = home.authsome(["run"]).start();
    let output = Cmd::new(&home, "sh")
        .args(["-c", &all.replace("$PPID", &run.program.pid.to_string())])
        .env("SSL_CERT_FILE", &run.env["SSL_CERT_FILE"])
        .run();
    assert_eq!(output.stdout().lines().count(), tries.len(), "{output}");
    run.stop();
}

#[test]
fn a_program_that_would_make_it_root_does_not() {
    if !is_root() {
        return;
    }
    let home = reachable();
    let copy = home.copy_of("/usr/bin/id", "own-id");
    set_mode(&copy, 0o4755);
    let id = copy.display().to_string();
    let alone = Cmd::new(&home, &id)
        .arg("-u")
        .folder("/".into())
        .user(NOBODY);
    if alone.run().stdout() != "0\n" {
        return; // no such programs where temporary files are
    }
    let output = script(&home, "nobody", &format!("{id} -u")).run();
    assert_eq!(output.stdout(), format!("{NOBODY}\n"), "{output}");
}

#[test]
fn sources_are_read_by_authsome_s_own_user() {
    if !is_root() {
        return;
    }
    let home = reachable();
    home.acme("");
    let origin = Origin::start(always_ok);
    let seen = home.path("seen").display().to_string();
    let key = home.file("key", SECRET);
    set_mode(&key, 0o600);
    let output = home
        .authsome(["run", "--user", "nobody"])
        .args(origin.args())
        .arg(format!(
            "--credential=acme=command:sh -c 'id -u >{seen}; cat {key}'"
        ))
        .args(["--", "curl", "-sS", &format!("https://{HOST}/")])
        .folder("/".into())
        .run();
    assert_eq!(output.stdout(), "ok", "{output}");
    assert_eq!(fs::read_to_string(&seen).expect("it"), "0\n");
    let arrived = origin.finish();
    assert_eq!(
        arrived.only().one("Authorization"),
        format!("Bearer {SECRET}")
    );
}

#[test]
fn exit_codes_signals_and_the_end_are_as_without() {
    if !is_root() {
        return;
    }
    let home = reachable();
    script(&home, "nobody", "exit 7").run().assert_code(7);
    script(&home, "nobody", "kill -KILL $$")
        .run()
        .assert_code(137);
    let run = |user| {
        home.authsome(["run", "--user", user, "--"])
            .folder("/".into())
    };
    run("nobody").arg("/no/such/program").run().assert_code(127);
    run("nobody").arg("/etc/passwd").run().assert_code(126);
    // What only root may execute.
    let only = home.file("only-root", "#!/bin/sh\necho ran\n");
    set_mode(&only, 0o700);
    run("nobody")
        .arg(&only)
        .run()
        .assert_code(126)
        .assert_without("ran");

    let trap = "trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 0.05; done";
    let run = script(&home, "nobody", trap).background();
    run.wait_for_stdout(b"ready");
    assert!(signal("TERM", &run.pid.to_string()));
    run.end().assert_code(3);

    let run = script(&home, "nobody", "echo pid=$$.; exec cat").background();
    let printed = run.wait_for_stdout(b".\n");
    let printed = String::from_utf8_lossy(&printed).into_owned();
    let child = printed
        .trim()
        .trim_start_matches("pid=")
        .trim_end_matches('.');
    assert!(signal("KILL", &run.pid.to_string()));
    wait_until("the child has ended", || is_over(child));
}

#[test]
fn it_works_as_process_1_too() {
    let can = Command::new("unshare")
        .args(["--fork", "--pid", "--mount-proc", "true"])
        .output();
    if !is_root() || !can.is_ok_and(|output| output.status.success()) {
        return;
    }
    let home = reachable();
    let as_first = |line: &str| {
        let words = [
            "--fork",
            "--pid",
            "--mount-proc",
            BINARY,
            "run",
            "--user",
            "nobody",
        ];
        let cmd = Cmd::new(&home, "unshare").args(words);
        cmd.args(["--", "sh", "-c", line]).folder("/".into())
    };
    // Root's own program may look at process 1, which has handed its work on, and finds no secret there.
    let words = [
        "--fork",
        "--pid",
        "--mount-proc",
        BINARY,
        "run",
        "--",
        "cat",
        "/proc/1/environ",
    ];
    let output = Cmd::new(&home, "unshare")
        .args(words)
        .env("OPENAI_API_KEY", "sk-proj-canary")
        .run();
    output.assert_code(0).assert_without("sk-proj-canary");
    assert!(contains(&output.stdout, b"OPENAI_API_KEY=\0"), "{output}");
    let output = as_first("id -u; cat /proc/1/environ; exit 5").run();
    output.assert_code(5);
    assert_eq!(output.stdout(), format!("{NOBODY}\n"), "{output}");
    // By another way than its own group: it is process 1 that passes the signal on.
    let trap = "trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 0.05; done";
    let run = as_first(trap).background();
    run.wait_for_stdout(b"ready");
    let children = format!("/proc/{0}/task/{0}/children", run.pid);
    let first = fs::read_to_string(children).expect("its children");
    assert!(signal("TERM", first.trim()));
    run.end().assert_code(3);
}

#[test]
fn users_that_can_not_be_are_refused_before_anything_runs() {
    let home = reachable();
    for user in [
        "0",
        "root",
        "0:1000",
        "no-such-user",
        "",
        "1000:",
        "-1",
        "4294967295",
        "1000:x",
    ] {
        let output = script(&home, user, "echo ran").run();
        output
            .assert_code(2)
            .assert_without("ran")
            .assert_stderr(&["--user"]);
    }
}

#[test]
fn only_root_can_run_a_program_as_somebody_else() {
    let home = Home::new();
    let binary = home.copy_of(BINARY, "authsome");
    let cmd = Cmd::new(&home, &binary).args(["run", "--user", "41234", "--", "echo", "ran"]);
    let output = if is_root() {
        home.give(NOBODY);
        cmd.user(NOBODY).run()
    } else {
        cmd.run()
    };
    output.assert_code(125).assert_without("ran");
    output.assert_stderr(&["only root", "hint: "]);
}

#[test]
fn certificates_that_the_user_can_not_come_to_are_an_error_before_the_program_runs() {
    if !is_root() {
        return;
    }
    // Whose folders are closed, as root's own often are.
    let home = Home::new();
    let output = script(&home, "nobody", "echo ran").run();
    output.assert_code(125).assert_without("ran");
    output.assert_stderr(&["can't read the certificates", "hint: set TMPDIR"]);
    assert_eq!(fs::read_dir(home.temporary()).expect("it").count(), 0);
}

#[test]
fn root_that_may_not_change_users_is_told_so() {
    let without = ["--bounding-set=-setuid", "--inh-caps=-setuid", "--"];
    let can = Command::new("setpriv").args(without).arg("true").output();
    if !is_root() || !can.is_ok_and(|output| output.status.success()) {
        return;
    }
    let home = reachable();
    let cmd = Cmd::new(&home, "setpriv").args(without).arg(BINARY);
    let output = cmd
        .args(["run", "--user", "nobody", "--", "echo", "ran"])
        .run();
    output.assert_code(125).assert_without("ran");
    output.assert_stderr(&["cannot run a program as user 65534", "CAP_SETUID"]);
}

#[test]
#[cfg(target_os = "linux")]
fn what_root_finds_in_authsome_s_own_environment_holds_no_secret() {
    if !is_root() {
        return; // nobody else finds anything there
    }
    let home = Home::new();
    let hosts = [
        ("acme", HOST, SECRET),
        ("beta", "other.test", "of-beta-0123"),
        ("kept", "auth.acme.test", "of-kept-0123"),
    ];
    for (name, host, _) in hosts {
        home.like_acme(name, &format!(r#""api_url": "{host}""#));
    }
    let key = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    let login = home.authsome(["login", "kept", "--from", "env:KEPT_SOURCE"]);
    let login = login.env("AUTHSOME_MASTER_KEY", key);
    login
        .env("KEPT_SOURCE", "of-kept-0123")
        .run()
        .assert_code(0);
    let origin = Origin::start(always_ok);
    let secrets = [
        ("AUTHSOME_MASTER_KEY", key),
        ("ACME_API_KEY", SECRET),
        ("BETA_SOURCE", "of-beta-0123"),
        ("KEPT_SOURCE", "of-kept-0123"),
        // Of a provider that has another credential, and of one that is built in.
        ("BETA_API_KEY", "unused-of-beta"),
        ("OPENAI_API_KEY", "sk-proj-canary"),
        ("ALL_PROXY", "http://user:proxy-canary@127.0.0.1:9"),
    ];
    let cmd = home
        .authsome(["run", "--credential", "beta=env:BETA_SOURCE"])
        .args(origin.args_for(&hosts.map(|(_, host, _)| host)))
        .env("NO_PROXY", "*")
        .env("HARMLESS", "still-there");
    let cmd = secrets
        .iter()
        .fold(cmd, |cmd, (name, value)| cmd.env(name, value));
    let run = cmd.start();
    let path = format!("/proc/{}/environ", run.program.pid);
    let shown = fs::read(path).expect("root may look there");
    assert!(contains(&shown, b"HARMLESS=still-there\0"));
    for (name, value) in secrets {
        assert!(contains(&shown, format!("{name}=\0").as_bytes()), "{name}");
        assert!(!contains(&shown, value.as_bytes()), "{name}");
    }
    assert_eq!(run.env["ACME_API_KEY"], PLACEHOLDER);
    for (_, host, _) in hosts {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(run.proxy.exchange(host, &request).text(), "ok");
    }
    run.stop();
    let requests = origin.finish().requests;
    let sent: Vec<&str> = requests.iter().map(|r| r.one("Authorization")).collect();
    assert_eq!(sent, hosts.map(|(_, _, secret)| format!("Bearer {secret}")));
}

/// How often these bytes are in a process's memory.
#[cfg(target_os = "linux")]
fn count_in_memory(pid: u32, bytes: &[u8]) -> usize {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("root may look there");
    let memory = fs::File::open(format!("/proc/{pid}/mem")).expect("root may look there");
    let mut count = 0;
    for line in maps.lines().filter(|line| !line.contains("[v")) {
        let range = line
            .split(' ')
            .next()
            .and_then(|range| range.split_once('-'));
        let (start, end) = range.expect("a range");
        let number = |digits| u64::from_str_radix(digits, 16).expect("an address");
        let length = usize::try_from(number(end) - number(start)).expect("a length");
        let mut content = vec![0; length];
        // What can't be read has nothing in it.
        let read = memory.read_at(&mut content, number(start)).unwrap_or(0);
        let content = content.get(..read).unwrap_or_default();
        count += memchr::memmem::find_iter(content, bytes).count();
    }
    count
}

#[test]
#[cfg(target_os = "linux")]
fn a_credential_that_no_connection_needs_is_not_kept_in_memory() {
    if !is_root() {
        return; // nobody else can look there
    }
    let home = Home::new();
    home.acme("");
    let unused = [
        ("OPENAI_API_KEY", "sk-proj-unused-canary"),
        ("GH_TOKEN", "ghp_unused-canary"),
    ];
    let cmd = home.authsome(["run", "--no-env-credentials"]);
    let cmd = cmd.args(["--credential", "acme=env:ACME_API_KEY"]);
    let cmd = cmd.env("ACME_API_KEY", SECRET);
    let cmd = unused
        .iter()
        .fold(cmd, |cmd, (name, value)| cmd.env(name, value));
    let run = cmd.start();
    let pid = run.program.pid;
    assert!(count_in_memory(pid, SECRET.as_bytes()) > 0);
    for (name, value) in unused {
        assert_eq!(run.env[name], PLACEHOLDER);
        assert_eq!(count_in_memory(pid, value.as_bytes()), 0, "{name}");
    }
    run.stop();
}
