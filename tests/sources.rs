//! Where credentials come from: variables, files, commands; and that nothing of them is told when they fail.

use std::fs;
use std::thread;

use crate::support::BINARY;
use crate::support::Cmd;
use crate::support::Home;
use crate::support::PLACEHOLDER;
use crate::support::Running;
use crate::support::SECRET;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
use crate::support::wire::Message;

/// A home with `acme`, an origin, and a run with these options and nothing in its environment.
fn scene(home: &Home, options: &[&str]) -> (Origin, Running) {
    home.acme("");
    let origin = Origin::start(always_ok);
    let run = home.authsome(["run"]).args(origin.args()).args(options);
    let needs_variable = options.iter().any(|option| option.contains("MY_SECRET"));
    let run = if needs_variable {
        run.env("MY_SECRET", SECRET)
    } else {
        run
    };
    (origin, run.start())
}

/// A request.
fn get() -> String {
    format!("GET /v1 HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}

/// The answer to one request.
fn ask(run: &Running) -> Message {
    run.proxy.exchange(HOST, &get())
}

/// What the requests that arrived had as their credential.
fn sent(origin: &Origin) -> Vec<String> {
    let requests = origin.finish().requests;
    let own = requests
        .iter()
        .map(|request| request.one("Authorization").to_owned());
    own.collect()
}

#[test]
fn a_variable_that_is_named_is_used_and_not_handed_on() {
    let home = Home::new();
    let (origin, run) = scene(&home, &["--credential", "acme=env:MY_SECRET"]);
    assert_eq!(ask(&run).text(), "ok");
    assert!(!run.env.contains_key("MY_SECRET"));
    assert_eq!(run.env["ACME_API_KEY"], PLACEHOLDER);
    run.stop().assert_quiet();
    assert_eq!(sent(&origin), [format!("Bearer {SECRET}")]);
}

#[test]
fn an_option_counts_more_than_the_environment() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(always_ok);
    let file = home.file("key", "from-file-0123\n");
    let run = home
        .run(&origin)
        .arg(format!("--credential=acme=file:{file}"))
        .start();
    assert_eq!(ask(&run).text(), "ok");
    assert_eq!(run.env["ACME_API_KEY"], PLACEHOLDER);
    run.stop();
    assert_eq!(sent(&origin), ["Bearer from-file-0123"]);
}

#[test]
fn a_file_is_read_again_when_it_has_changed() {
    let home = Home::new();
    let file = home.file("key", "first-0123\n");
    let (origin, run) = scene(&home, &["--credential", &format!("acme=file:{file}")]);
    assert_eq!(ask(&run).text(), "ok");
    home.file("key", "second-012\n");
    assert_eq!(ask(&run).text(), "ok");
    // As secrets are mounted into containers: a link that is moved over.
    home.file("other", "third-0123");
    std::os::unix::fs::symlink(home.path("other"), home.path("link")).expect("a link");
    fs::rename(home.path("link"), &file).expect("the link in the file's place");
    assert_eq!(ask(&run).text(), "ok");
    run.stop().assert_quiet();
    assert_eq!(
        sent(&origin),
        [
            "Bearer first-0123",
            "Bearer second-012",
            "Bearer third-0123"
        ]
    );
}

#[test]
fn a_file_that_is_gone_is_a_502_and_the_request_stays() {
    let home = Home::new();
    let file = home.file("key", SECRET);
    let (origin, run) = scene(&home, &["--credential", &format!("acme=file:{file}")]);
    assert_eq!(ask(&run).text(), "ok");
    fs::remove_file(&file).expect("the file");
    let response = ask(&run);
    let body = response.assert_refusal(502, "proxy_configuration_error");
    assert_eq!(body["provider"], "acme");
    assert!(!response.text().contains(SECRET));
    // It recovers.
    home.file("key", "back-again-0");
    assert_eq!(ask(&run).text(), "ok");
    run.stop().assert_without(SECRET);
    assert_eq!(
        sent(&origin),
        [format!("Bearer {SECRET}"), "Bearer back-again-0".to_owned()]
    );
}

#[test]
fn a_file_whose_content_is_no_credential_is_a_502_without_the_content() {
    let home = Home::new();
    let file = home.file("key", SECRET);
    let (origin, run) = scene(&home, &["--credential", &format!("acme=file:{file}")]);
    for content in ["", "\n", "leak-me\nleak-me", "leak-me\r\nX: y", "leak-me\0"] {
        home.file("key", content);
        let response = ask(&run);
        response.assert_refusal(502, "proxy_configuration_error");
        assert!(!response.text().contains("leak"), "{response}");
    }
    run.stop().assert_without("leak");
    origin.finish().assert_nothing();
}

#[test]
fn what_is_read_by_a_descriptor_is_kept_from_the_program() {
    let home = Home::new();
    home.acme("");
    let secret = home.file("secret", SECRET);
    let key = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    let key = home.file("key", key);
    let reads = "cat <&0; cat /dev/stdin; cat 2>&1 <&3; cat 2>&1 <&4; curl -sS \"$0\"";
    // The credential by one descriptor, the vault's key, which nobody needs, by the other; and the same by standard input.
    for (source, key_file, given) in [
        ("/dev/fd/3", "/proc/self/fd/4", "exec 3<\"$0\" 4<\"$1\""),
        ("/dev/stdin", "/dev/fd/4", "exec <\"$0\" 4<\"$1\""),
        ("/dev/fd/3", "/dev/stdin", "exec <\"$1\" 3<\"$0\""),
    ] {
        let origin = Origin::start(always_ok);
        let script = format!("{given}; shift; exec \"$@\"");
        let output = Cmd::new(&home, "sh")
            .args(["-c", &script, &secret, &key, BINARY, "run"])
            .args(origin.args())
            .arg(format!("--credential=acme=file:{source}"))
            .args(["--", "sh", "-c", reads, &format!("https://{HOST}/")])
            .env("AUTHSOME_MASTER_KEY_FILE", key_file)
            .run();
        output.assert_code(0).assert_without(SECRET);
        output.assert_without("00112233");
        assert!(output.stdout().ends_with("ok"), "{output}");
        let arrived = origin.finish();
        let arrived = arrived.only().one("Authorization");
        assert_eq!(arrived, format!("Bearer {SECRET}"), "{source}");
    }
}

#[test]
fn a_command_runs_once_for_fifty_requests_at_once() {
    let home = Home::new();
    let count = home.path("count");
    let script = home.file(
        "helper.sh",
        &format!("echo run >> {}\necho {SECRET}\n", count.display()),
    );
    let (origin, run) = scene(
        &home,
        &["--credential", &format!("acme=command:sh {script}")],
    );
    let proxy = &run.proxy;
    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| assert_eq!(proxy.exchange(HOST, &get()).text(), "ok"));
        }
    });
    run.stop().assert_quiet();
    assert_eq!(fs::read_to_string(count).expect("the count"), "run\n");
    let sent = sent(&origin);
    assert_eq!(sent.len(), 50);
    assert!(sent.iter().all(|own| *own == format!("Bearer {SECRET}")));
}

#[test]
fn a_command_runs_again_when_its_answer_is_too_old() {
    let home = Home::new();
    let count = home.path("count");
    let script = home.file(
        "helper.sh",
        &format!(
            "echo run >> {0}\necho key-number-$(wc -l < {0})\n",
            count.display()
        ),
    );
    let credential = format!("acme=command:sh {script}");
    let (origin, run) = scene(
        &home,
        &["--credential-ttl", "0", "--credential", &credential],
    );
    for _ in 0..3 {
        assert_eq!(ask(&run).text(), "ok");
    }
    run.stop();
    let expected = [1, 2, 3].map(|n| format!("Bearer key-number-{n}"));
    assert_eq!(sent(&origin), expected);
}

#[test]
fn a_command_behind_sh_c_is_a_script() {
    let home = Home::new();
    let line = "acme=command:sh -c printf '%s' \"$MY_SECRET\" | tr a-z A-Z";
    let (origin, run) = scene(&home, &["--credential", line]);
    assert_eq!(ask(&run).text(), "ok");
    run.stop();
    assert_eq!(sent(&origin), [format!("Bearer {}", SECRET.to_uppercase())]);
}

#[test]
fn a_command_that_fails_is_a_502_with_nothing_of_its_output() {
    let home = Home::new();
    let script = home.file("helper.sh", "echo leak-me-0123\nexit 3\n");
    let (origin, run) = scene(
        &home,
        &["--credential", &format!("acme=command:sh {script}")],
    );
    let response = ask(&run);
    let body = response.assert_refusal(502, "proxy_configuration_error");
    assert_eq!(body["provider"], "acme");
    assert!(!response.text().contains("leak"), "{response}");
    run.stop().assert_without("leak");
    let arrived = origin.finish();
    arrived.assert_nothing();
    // The credential is asked for before the origin.
    assert_eq!(arrived.accepted, 0);
}

#[test]
fn a_command_s_credential_is_not_in_the_child_s_environment() {
    let home = Home::new();
    let (_origin, run) = scene(
        &home,
        &["--credential", &format!("acme=command:echo {SECRET}-2")],
    );
    assert!(
        run.env
            .values()
            .all(|value| !value.contains(&format!("{SECRET}-2")))
    );
    run.stop();
}

#[test]
fn without_env_credentials_the_variable_is_masked_and_the_host_passes() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(always_ok);
    let run = home.run(&origin).arg("--no-env-credentials").start();
    assert_eq!(run.env["ACME_API_KEY"], PLACEHOLDER);
    let tunnel = run.proxy.tunnel(&format!("{HOST}:443"));
    let trusted = crate::support::client::trusting(origin.ca_pem.as_bytes());
    let passed = crate::support::client::tls_over(tunnel, HOST, trusted);
    assert!(passed.is_ok(), "no blind tunnel");
    drop(passed);
    run.stop();
    origin.finish().assert_nothing();
}

#[test]
fn sources_that_give_nothing_are_errors_before_the_child_runs() {
    let home = Home::new();
    home.acme("");
    let broken = home.file("broken", "leak-me\nleak-me");
    for (source, words) in [
        ("env:NO_SUCH", "NO_SUCH"),
        ("file:/nonexistent/key", "/nonexistent/key"),
        (&*format!("file:{broken}"), "broken"),
        ("command:no-such-program-here", "no-such-program-here"),
        ("command:sh 'unclosed", "quote"),
        ("env:MY_SECRET", "MY_SECRET"),
    ] {
        let output = home
            .authsome([
                "run",
                "--credential",
                &format!("acme={source}"),
                "--",
                "echo",
                "ran",
            ])
            .env("MY_SECRET", "leak-me\nleak-me")
            .run();
        output
            .assert_code(125)
            .assert_without("ran")
            .assert_without("leak-me");
        output.assert_stderr(&["acme", words, "hint:"]);
    }
}

#[test]
fn two_variables_that_differ_are_warned_of_and_the_first_is_used() {
    let home = Home::new();
    home.acme(r#""export": {"ACME_A": "API_TOKEN", "ACME_B": "API_TOKEN"}"#);
    let origin = Origin::start(always_ok);
    let run = home
        .authsome(["run"])
        .args(origin.args())
        .env("ACME_B", "second-0123")
        .env("ACME_A", "first-0123")
        .start();
    assert_eq!(ask(&run).text(), "ok");
    assert_eq!(
        [&*run.env["ACME_A"], &*run.env["ACME_B"]],
        [PLACEHOLDER, PLACEHOLDER]
    );
    let output = run.stop();
    assert_eq!(output.lines_with("ACME_A and ACME_B differ"), 1, "{output}");
    output.assert_without("second-0123");
    assert_eq!(sent(&origin), ["Bearer first-0123"]);
}

#[test]
fn a_placeholder_in_the_environment_is_no_credential() {
    let home = Home::new();
    home.acme("");
    let output = home
        .authsome(["explain", &format!("https://{HOST}/")])
        .env("ACME_API_KEY", PLACEHOLDER)
        .run();
    output.assert_code(0);
    assert!(output.stdout().contains("not connected"), "{output}");
}
