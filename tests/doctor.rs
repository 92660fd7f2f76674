//! `doctor`: each thing that can be wrong is told by itself, and how far a program comes through the proxy.

use std::fs;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::time::Duration;
use std::time::SystemTime;

use crate::support::Cmd;
use crate::support::Home;
use crate::support::Output;
use crate::support::SECRET;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;

/// What the home of a test holds of the vault.
const VAULT: &str = "home/.authsome/vault";

/// The vault's key there.
const KEY: &str = "home/.authsome/master.key";

/// A home with a connection of `acme` in its vault, in which nothing is wrong.
fn good_home() -> Home {
    let home = Home::new();
    home.acme("");
    set_mode(&home, "home/.authsome/providers/acme.json", 0o600);
    login(home.authsome(["login", "acme", "--stdin"]));
    home
}

/// Logs in with the usual secret.
fn login(cmd: Cmd) {
    cmd.stdin(SECRET.as_bytes()).run().assert_code(0);
}

/// Sets a mode in the folder of a test.
fn set_mode(home: &Home, name: &str, mode: u32) {
    let mode = fs::Permissions::from_mode(mode);
    fs::set_permissions(home.path(name), mode).expect("a file of that name");
}

/// `authsome doctor` there, with these words.
fn doctor(home: &Home, words: &[&str]) -> Cmd {
    home.authsome(["doctor"]).args(words)
}

/// Runs it, and checks that it fails or not, that it has such lines, and that no secret is in any.
fn assert_found(cmd: Cmd, code: i32, lines: &[[&str; 3]]) -> Output {
    let output = cmd.run();
    output
        .assert_code(code)
        .assert_quiet()
        .assert_without(SECRET);
    for [state, name, words] in lines {
        let text = output.stdout();
        let is_it = |line: &&str| {
            let mut parts = line.split_whitespace();
            parts.next() == Some(state) && parts.next() == Some(name) && line.contains(words)
        };
        assert!(
            text.lines().any(|line| is_it(&line)),
            "no {state} {name} {words}\n{output}"
        );
    }
    output
}

/// The same for a failure.
fn assert_fails(home: &Home, name: &str, words: &str) -> Output {
    let output = assert_found(doctor(home, &[]), 1, &[["fail", name, words]]);
    output.assert_hints();
    output
}

/// The same for a warning, which is no failure.
fn assert_warns(cmd: Cmd, name: &str, words: &str) {
    assert_found(cmd, 0, &[["warn", name, words]]).assert_hints();
}

impl Output {
    /// Checks that each line of a failure or a warning says what to do, but those that only say that something is not known.
    fn assert_hints(&self) {
        for line in self.stdout().lines() {
            let is_good = line.starts_with("ok ") || line.contains("can't be");
            assert!(is_good || line.contains("; hint: "), "{line}\n{self}");
        }
    }
}

#[test]
fn a_home_that_others_can_write_to_fails_and_all_else_is_told() {
    let home = good_home();
    set_mode(&home, "home/.authsome", 0o777);
    let output = assert_fails(&home, "home", "can be used by others");
    for line in [
        "fail  vault",
        "warn  connections",
        "warn  run",
        "ok    clock",
        "ok    process",
    ] {
        assert!(output.stdout().contains(line), "no {line}\n{output}");
    }
}

#[test]
fn modes_that_let_others_in_are_told() {
    let home = good_home();
    set_mode(&home, "home/.authsome", 0o755);
    assert_warns(doctor(&home, &[]), "home", "chmod go-rwx");
    set_mode(&home, "home/.authsome", 0o700);
    set_mode(&home, "home/.authsome/providers/acme.json", 0o666);
    assert_fails(&home, "definitions", "acme.json");
    set_mode(&home, "home/.authsome/providers/acme.json", 0o600);
    set_mode(&home, "home/.authsome/providers", 0o777);
    assert_fails(&home, "home", "providers");
    set_mode(&home, "home/.authsome/providers", 0o700);
    set_mode(&home, KEY, 0o644);
    assert_fails(&home, "files", "master.key");
    assert_fails(&home, "vault", "master.key");
}

#[test]
fn a_home_that_is_no_folder_fails() {
    let home = Home::new();
    let file = home.file("file", "");
    let cmd = doctor(&home, &[]).env("AUTHSOME_HOME", file);
    assert_found(
        cmd,
        1,
        &[
            ["fail", "home", "not a directory"],
            ["fail", "vault", "file"],
        ],
    );
}

#[test]
fn a_vault_that_does_not_open_fails_and_says_why() {
    let home = good_home();
    let key = "1".repeat(64);
    let foreign = doctor(&home, &[]).env("AUTHSOME_MASTER_KEY", &key);
    let output = assert_found(foreign, 1, &[["fail", "vault", "another key"]]);
    output.assert_without(&key);
    // The key that lies there may be the right one.
    assert!(output.stdout().contains("ok    leftovers"), "{output}");
    let moved = home.path("moved");
    fs::rename(home.path(KEY), &moved).unwrap();
    assert_fails(&home, "vault", "key is missing");
    fs::rename(&moved, home.path(KEY)).unwrap();
    fs::write(home.path(VAULT), "not a vault").unwrap();
    assert_fails(&home, "vault", "vault");
}

#[test]
fn a_broken_definition_and_an_unknown_field_are_told() {
    let home = good_home();
    home.like_acme("beta", r#""colour": "blue""#);
    assert_found(doctor(&home, &[]), 0, &[["warn", "definitions", "colour"]]);
    home.provider("gamma", "{ not json");
    let output = assert_fails(&home, "definitions", "gamma.json");
    assert!(
        output.stdout().contains("ok    connections acme"),
        "{output}"
    );
}

#[test]
fn a_broken_definition_of_a_connection_keeps_runs_from_starting() {
    let home = good_home();
    home.provider("acme", "{ not json");
    let output = assert_fails(&home, "run", "acme.json");
    assert!(
        output.stdout().contains("fail  connections acme"),
        "{output}"
    );
}

#[test]
fn a_pattern_that_a_stranger_could_meet_is_a_warning() {
    let home = good_home();
    home.like_acme("beta", r#""api_url": "regex:.*beta.*""#);
    assert_found(doctor(&home, &[]), 0, &[["warn", "rules", "beta"]]);
}

#[test]
fn a_connection_whose_source_is_gone_fails() {
    let home = Home::new();
    home.acme("");
    let key = home.file("key", SECRET);
    let source = format!("file:{key}");
    let cmd = home.authsome(["login", "acme", "--from", &source]);
    cmd.run().assert_code(0);
    assert_found(doctor(&home, &[]), 0, &[["ok", "connections", "acme"]]);
    fs::remove_file(&key).unwrap();
    assert_fails(&home, "connections", &key);
}

#[test]
fn proxy_variables_that_cannot_be_used_are_told_each() {
    let home = good_home();
    let socks = format!("socks4://user:{SECRET}@host:1");
    for name in ["HTTP_PROXY", "https_proxy"] {
        let cmd = doctor(&home, &[]).env(name, &socks);
        assert_found(cmd, 1, &[["fail", "proxies", name]]).assert_hints();
    }
    let cmd = doctor(&home, &[]).env("ALL_PROXY", &socks);
    assert_found(cmd, 1, &[["fail", "proxies", "ALL_PROXY"]]).assert_hints();
    let cmd = doctor(&home, &[]).env("HTTP_PROXY", "http://one:1");
    let cmd = cmd.env("HTTPS_PROXY", "socks5h://one:1");
    assert_warns(cmd.env("ALL_PROXY", &socks), "proxies", "ALL_PROXY");
    let cmd = doctor(&home, &[]).env("NO_PROXY", HOST);
    assert_warns(cmd, "proxies", "NO_PROXY");
    let cmd = doctor(&home, &[]).env("HTTPS_PROXY", "http://one:1");
    assert_warns(
        cmd.env("https_proxy", "http://two:1"),
        "proxies",
        "HTTPS_PROXY",
    );
    let cmd = doctor(&home, &[]).env("HTTPS_PROXY", "http://one:1");
    assert_found(cmd, 0, &[["ok", "proxies", "HTTPS_PROXY"]]);
    assert_warns(
        doctor(&home, &[]).env("AUTHSOME_RUN", "1"),
        "proxies",
        "inside of a run",
    );
}

#[test]
fn certificates_that_cannot_be_read_are_a_warning() {
    let home = good_home();
    let cmd = doctor(&home, &[]).env("SSL_CERT_FILE", home.file("empty", ""));
    assert_warns(cmd, "trust", "SSL_CERT_FILE");
}

#[test]
fn a_file_from_the_future_is_a_warning_about_the_clock() {
    let home = good_home();
    let vault = File::options().write(true).open(home.path(VAULT)).unwrap();
    let day = Duration::from_secs(24 * 60 * 60);
    vault.set_modified(SystemTime::now() + day).unwrap();
    assert_warns(doctor(&home, &[]), "clock", "written at");
}

#[test]
fn what_was_left_behind_is_told() {
    let home = good_home();
    home.file("home/.authsome/vault.new", "");
    assert_warns(doctor(&home, &[]), "leftovers", "vault.new");
    let next = home.path("home/.authsome/master.key.next");
    fs::copy(home.path(KEY), next).unwrap();
    assert_warns(doctor(&home, &[]), "leftovers", "master.key.next");
}

#[test]
fn a_key_beside_a_vault_that_does_not_need_it_is_a_warning() {
    let home = good_home();
    let key = fs::read_to_string(home.path(KEY)).unwrap();
    let given = doctor(&home, &[]).env("AUTHSOME_MASTER_KEY", key.trim());
    let output = assert_found(given, 0, &[["warn", "leftovers", "master.key"]]);
    output.assert_without(key.trim());

    let home = Home::new();
    home.acme("");
    let passphrase = home.file("passphrase", SECRET);
    let variable = "AUTHSOME_PASSPHRASE_FILE";
    set_mode(&home, "passphrase", 0o600);
    login(
        home.authsome(["login", "acme", "--stdin"])
            .env(variable, &passphrase),
    );
    fs::write(home.path(KEY), key).unwrap();
    set_mode(&home, KEY, 0o600);
    let cmd = doctor(&home, &[]).env(variable, &passphrase);
    let lines = [
        ["warn", "leftovers", "master.key"],
        ["ok", "key-file", variable],
    ];
    assert_found(cmd, 0, &lines);
}

#[test]
fn a_key_file_that_others_can_read_or_that_is_missing_is_a_warning() {
    let home = good_home();
    let key = fs::read_to_string(home.path(KEY)).unwrap();
    let file = home.file("key", &key);
    set_mode(&home, "key", 0o644);
    let cmd = doctor(&home, &[]).env("AUTHSOME_MASTER_KEY_FILE", &file);
    assert_warns(cmd, "key-file", "mode 0644");
    let cmd = doctor(&home, &[]).env("AUTHSOME_PASSPHRASE_FILE", "/nonexistent");
    assert_warns(cmd, "key-file", "/nonexistent");
}

#[test]
fn hosts_are_reached_only_when_that_is_asked_for() {
    let home = good_home();
    let origin = Origin::start(always_ok);
    let args = origin.args();
    let online = || doctor(&home, &["--online"]);
    let untrusted = online().args(origin.leads_here(&[HOST], 443));
    assert_found(untrusted, 1, &[["fail", "online", "no trusted root"]]).assert_hints();
    assert_found(online().args(&args), 0, &[["ok", "online", HOST]]);
    let output = assert_found(doctor(&home, &[]).args(&args), 0, &[]);
    assert!(!output.stdout().contains("online"), "{output}");
    assert!(origin.requests().is_empty());
}

#[test]
fn nothing_is_wrong_in_a_good_home_and_nothing_is_changed() {
    let home = good_home();
    let before = fs::read(home.path(VAULT)).unwrap();
    let output = assert_found(doctor(&home, &[]), 0, &[["ok", "run", "acme"]]);
    let text = output.stdout();
    let bad = |line: &&str| !line.starts_with("ok ") && !line.contains("trust");
    assert_eq!(text.lines().find(bad), None, "{output}");
    assert!(!text.contains('\x1b'), "{output}");
    assert_eq!(fs::read(home.path(VAULT)).unwrap(), before);
    let none = Home::new();
    let nowhere = none.path("none");
    let cmd = doctor(&none, &[]).env("AUTHSOME_HOME", &nowhere);
    assert_found(
        cmd,
        0,
        &[["ok", "home", "not there yet"], ["ok", "vault", "not made"]],
    );
    assert!(!nowhere.exists());
}

#[test]
fn quiet_leaves_out_what_is_in_order() {
    let home = good_home();
    set_mode(&home, "home/.authsome", 0o755);
    let output = doctor(&home, &["--quiet"]).run();
    output.assert_code(0);
    let text = output.stdout();
    assert!(text.starts_with("warn  home"), "{output}");
    assert!(!text.contains("ok "), "{output}");
}

/// The checks in an answer in JSON, each with its name and state.
fn checks(output: &Output, ok: bool) -> Vec<(String, String)> {
    let answer: serde_json::Value =
        serde_json::from_str(&output.stdout()).unwrap_or_else(|error| panic!("{error}\n{output}"));
    assert_eq!(answer["version"], 1);
    assert_eq!(answer["ok"], ok, "{output}");
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let check = |check: &serde_json::Value| {
        assert!(!text(&check["text"]).is_empty());
        let remedy = check.get("remedy");
        assert!(remedy.is_none_or(|remedy| !text(remedy).is_empty()));
        (text(&check["name"]), text(&check["state"]))
    };
    answer["checks"]
        .as_array()
        .expect("checks")
        .iter()
        .map(check)
        .collect()
}

#[test]
fn the_answer_comes_as_json() {
    let home = good_home();
    let output = doctor(&home, &["--json"]).run();
    output.assert_code(0).assert_quiet().assert_without(SECRET);
    let found = checks(&output, true);
    for name in [
        "home",
        "vault",
        "connections",
        "definitions",
        "proxies",
        "trust",
        "clock",
    ] {
        assert!(
            found.iter().any(|(found, _)| found == name),
            "{name}\n{output}"
        );
    }
    fs::remove_file(home.path(KEY)).unwrap();
    let output = doctor(&home, &["--json"]).run();
    output.assert_code(1).assert_quiet();
    assert!(checks(&output, false).contains(&("vault".into(), "fail".into())));
}

/// Runs a tool, and checks what is said of the proxy, trust and the credential.
fn assert_tool(words: &[&str], code: i32, states: [&str; 3]) -> Output {
    let home = good_home();
    let output = doctor(&home, words).run();
    output.assert_code(code).assert_without(SECRET);
    for (name, state) in ["proxy", "trust", "credential"].into_iter().zip(states) {
        output.assert_stderr(&[&format!("{state:<4}  {name:<11} ")]);
    }
    output
}

#[test]
fn a_tool_that_is_not_there_or_is_no_program_has_the_code_of_a_shell() {
    let home = Home::new();
    let output = doctor(&home, &["--", "no-such-tool"]).run();
    output
        .assert_code(127)
        .assert_stderr(&["no-such-tool", "hint:"]);
    let folder = home.temporary().display().to_string();
    doctor(&home, &["--", &folder]).run().assert_code(126);
    let usage = doctor(&home, &["--online", "--", "true"]).run();
    usage.assert_code(2).assert_stderr(&["--online"]);
}

#[test]
fn a_tool_that_asks_for_nothing_is_told() {
    let output = assert_tool(&["--", "true"], 1, ["fail", "warn", "fail"]);
    output.assert_stderr(&["HTTPS_PROXY by its own option"]);
    assert!(output.stdout.is_empty(), "{output}");
}

#[test]
fn a_tool_that_passes_the_proxy_by_is_told_with_its_setting() {
    let words = ["--", "curl", "-sS", "--noproxy", "*", "{url}"];
    let output = assert_tool(&words, 1, ["fail", "warn", "fail"]);
    output.assert_stderr(&["--noproxy, --proxy or ~/.curlrc"]);
}

#[test]
fn a_tool_that_does_not_trust_us_is_told_with_its_setting() {
    let words = ["--", "curl", "-sS", "--cacert", "/dev/null", "{url}"];
    let output = assert_tool(&words, 1, ["ok", "fail", "fail"]);
    output.assert_stderr(&["--cacert \"$SSL_CERT_FILE\""]);
}

#[test]
fn a_tool_that_asks_in_the_clear_is_told() {
    let words = ["--", "curl", "-sS", "http://demo.authsome.test/"];
    let output = assert_tool(&words, 1, ["ok", "warn", "fail"]);
    output.assert_stderr(&["plain http never gets one"]);
}

#[test]
fn a_tool_that_does_it_all_is_good_and_its_output_is_its_own() {
    for words in [
        &["--", "curl", "-sS", "{url}"][..],
        &["curl", "-sS", "{url}"],
        &["sh", "-c", "curl -sS \"$AUTHSOME_DOCTOR_URL\""],
    ] {
        let output = assert_tool(words, 0, ["ok", "ok", "ok"]);
        let shown: serde_json::Value = serde_json::from_str(&output.stdout()).unwrap();
        assert_eq!(shown["credential_arrived"], true, "{output}");
    }
    let home = good_home();
    let quiet = doctor(&home, &["-q", "--", "curl", "-sS", "{url}"]).run();
    quiet.assert_code(0).assert_quiet();
}

#[test]
fn what_is_said_of_a_tool_comes_as_json_behind_its_output() {
    let home = good_home();
    let words = ["--json", "--", "curl", "-sS", "{url}"];
    let mut output = doctor(&home, &words).run();
    output.assert_code(0).assert_quiet();
    // Ours is the last of it.
    let shown = output.stdout();
    let last = shown.trim_end().rsplit('\n').next().unwrap_or_default();
    assert!(shown.len() > last.len() + 10, "{shown}");
    output.stdout = last.into();
    let names = ["proxy", "trust", "credential"];
    let expected: Vec<(String, String)> = names.map(|name| (name.into(), "ok".into())).to_vec();
    assert_eq!(checks(&output, true), expected);
}

#[test]
fn a_tool_gets_no_secret_and_needs_no_vault() {
    let home = good_home();
    fs::write(home.path(VAULT), "not a vault").unwrap();
    let words = ["--", "sh", "-c", "env; curl -sS \"$AUTHSOME_DOCTOR_URL\""];
    let output = doctor(&home, &words).env("ACME_API_KEY", SECRET).run();
    output.assert_code(0).assert_without(SECRET);
}

#[test]
fn libraries_that_need_a_line_of_their_own_are_told_of_and_not_run() {
    let home = Home::new();
    for folder in ["venv/bin", "venv/lib/python3.12/site-packages/stripe"] {
        fs::create_dir_all(home.path(folder)).unwrap();
    }
    home.file("venv/lib/python3.12/site-packages/stripe/__init__.py", "");
    // The stand-in for Python leaves a file if it is run for anything but the tool.
    let python = home.path("venv/bin/python3");
    symlink("/bin/sh", &python).unwrap();
    let tool = home.file(
        "tool",
        &format!("#!{}\necho ran >>\"$0.ran\"\n", python.display()),
    );
    set_mode(&home, "tool", 0o755);
    let output = home.authsome(["doctor", "--", &tool]).run();
    output.assert_code(1);
    let line = "warn  library     stripe is installed, and trusts only its own certificates by default; \
                hint: where it is used, write stripe.ca_bundle_path = os.environ[\"SSL_CERT_FILE\"]\n";
    assert!(output.stderr().contains(line), "{output}");
    assert_eq!(output.lines_with("library"), 1, "{output}");
    assert_eq!(fs::read_to_string(home.path("tool.ran")).unwrap(), "ran\n");
    // For another program, none of them matters.
    let output = home.authsome(["doctor", "--", "sh", "-c", ":"]).run();
    assert_eq!(output.lines_with("library"), 0, "{output}");
}
