//! Connections: how they come into the vault, which of them a run uses, how they are shown and let go; definitions of one's own.

use std::fs;
use std::net::TcpStream;
use std::process::Command;

use crate::support::Cmd;
use crate::support::Home;
use crate::support::Output;
use crate::support::PLACEHOLDER;
use crate::support::Running;
use crate::support::SECRET;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
use crate::support::page::Page;
use crate::support::wire::base64;

/// A key that looks like one of Anthropic's.
const ANTHROPIC: &str = "sk-ant-api03-abcdefghijklmnop";

/// Checks that a command fails with this code and a hint, says these words and nothing on stdout.
fn assert_fails(cmd: Cmd, code: i32, words: &[&str]) -> Output {
    let output = cmd.run();
    output
        .assert_code(code)
        .assert_stderr(&["authsome: ", "hint: "]);
    output.assert_stderr(words).assert_without(SECRET);
    assert!(output.stdout.is_empty(), "{output}");
    output
}

/// What a command that succeeds writes.
fn said(cmd: Cmd) -> String {
    let output = cmd.run();
    output.assert_code(0);
    output.stdout()
}

/// One field of a stored connection of `acme`.
fn field(home: &Home, connection: &str, name: &str) -> String {
    let words = ["get", "acme", "--connection", connection, "--field", name];
    said(home.authsome(words).arg("--show-secret"))
}

/// What `list` knows, as JSON.
fn listed(home: &Home) -> serde_json::Value {
    let output = home.authsome(["list", "--json"]).run();
    output.assert_code(0);
    let answer: serde_json::Value = output.json();
    answer["connections"].clone()
}

/// Sends a request in a run.
fn ask(run: &Running) {
    let request = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    assert_eq!(run.proxy.exchange(HOST, &request).text(), "ok");
}

/// The credential of the one request that a run sends, started with these words and this variable.
fn sent(home: &Home, words: &[&str], variables: &[(&str, &str)]) -> String {
    let origin = Origin::start(always_ok);
    let cmd = home.authsome(["run"]).args(origin.args()).args(words);
    let run = variables
        .iter()
        .fold(cmd, |cmd, (name, value)| cmd.env(name, value))
        .start();
    ask(&run);
    run.stop().assert_without(SECRET);
    origin.finish().only().one("Authorization").to_owned()
}

#[test]
fn what_is_no_credential_is_refused_and_not_stored() {
    let home = Home::new();
    home.acme("");
    let long = "k".repeat(17 * 1024);
    let bytes = "it has control bytes, spaces around it or more than one line";
    for (text, why) in [
        ("", "it is empty"),
        ("\n", "it is empty"),
        ("\r\n", "it is empty"),
        (&long, "it is longer than 16 KiB"),
        (&"k".repeat(70 * 1024), "it is longer than 16 KiB"),
        ("leak-me\0x", bytes),
        ("leak-me\x7f", bytes),
        ("leak\tme", bytes),
        (" leak-me", bytes),
        ("leak-me ", bytes),
        ("leak-me\r\nleak-me", bytes),
        ("leak-me\n\n", bytes),
        ("leak-me\r", bytes),
    ] {
        let output = home.login(&["acme"], text).run();
        let expected = format!(
            "authsome: this is no credential: {why}\n  hint: give the key or token alone, in one line\n"
        );
        output.assert_code(1).assert_without("leak");
        assert_eq!(output.stderr(), expected, "{output}");
        assert!(!home.own("vault").exists() && !home.own("master.key").exists());
    }
}

#[test]
fn one_line_end_is_not_part_of_a_credential() {
    let home = Home::new();
    home.acme("");
    let most = "k".repeat(16 * 1024);
    for (text, stored) in [
        (SECRET.to_owned(), SECRET),
        (format!("{SECRET}\n"), SECRET),
        (format!("{SECRET}\r\n"), SECRET),
        ("in two words".to_owned(), "in two words"),
        ("schlüssel".to_owned(), "schlüssel"),
        (most.clone(), &most),
    ] {
        let output = home.login(&["acme", "--force"], &text).run();
        output.assert_code(0).assert_without(stored);
        assert_eq!(field(&home, "default", "credential"), format!("{stored}\n"));
    }
}

#[test]
fn wrong_usage_of_login_repeats_no_value() {
    let home = Home::new();
    home.acme("");
    for words in [
        &[][..],
        &["acme", "leak-me"],
        &["acme", "--key", "leak-me"],
        &["acme", "--stdin=leak-me"],
        &["acme", "--from", "leak-me"],
        &["acme", "--from", "vault:leak-me"],
        &["acme", "--from", "env:"],
        &["acme", "--from", "env:A", "--stdin"],
        &["acme", "--stdin", "--browser"],
        &["acme", "--stdin", "--ttl", "5"],
        &["acme", "--from", "env:A", "--ttl", "5"],
        &["acme", "--stdin", "--connection", "Leak Me"],
        &["acme", "--stdin", "--connection", "../leak-me"],
        &["acme", "--stdin", "--flow", "leak-me"],
    ] {
        let cmd = home.authsome(["login"]).args(words);
        assert_fails(cmd, 2, &["see `authsome login --help`"]).assert_without("eak");
    }
    let oauth = home.authsome(["login", "acme", "--flow", "pkce"]);
    assert_fails(
        oauth,
        1,
        &["acme does not log in by pkce", "leave --flow out"],
    );
    assert!(!home.own("vault").exists());
}

#[test]
fn a_provider_that_is_not_known_is_exit_code_3() {
    let home = Home::connected("");
    for words in [
        &["login", "acne", "--stdin"][..],
        &["get", "acne"],
        &["inspect", "acne"],
        &["export", "acne"],
        &["default", "acne", "work"],
        &["logout", "acne"],
        &["revoke", "acne"],
        &["remove", "acne"],
    ] {
        let hint = "hint: did you mean `acme`?";
        assert_fails(
            home.authsome(words),
            3,
            &["there is no provider: acne", hint],
        );
    }
    let cmd = home.authsome(["get", "zzzzzzzzzz"]);
    assert_fails(
        cmd,
        3,
        &["`authsome list --all`", "`authsome register FILE`"],
    );
}

#[test]
fn what_is_not_connected_is_exit_code_4_and_a_name_that_is_not_there_3() {
    let home = Home::new();
    home.acme("");
    for words in [
        &["get", "acme"][..],
        &["export", "acme"],
        &["logout", "acme"],
        &["logout", "acme", "--all"],
        &["revoke", "acme"],
    ] {
        let words_of_error = &["acme is not connected", "log in with `authsome login acme`"];
        assert_fails(home.authsome(words), 4, words_of_error);
    }
    home.login(&["acme"], SECRET).run().assert_code(0);
    for words in [
        &["get", "acme", "--connection", "work"][..],
        &["export", "acme", "--connection", "work"],
        &["logout", "acme", "--connection", "work"],
        &["default", "acme", "work"],
    ] {
        let words_of_error = &["acme has no connection work", "see `authsome get acme`"];
        assert_fails(home.authsome(words), 3, words_of_error);
    }
    let run = home.authsome(["run", "--connection", "acme=work", "echo", "ran"]);
    assert_fails(run, 125, &["acme has no connection work"]);
}

#[test]
fn a_key_that_does_not_look_right_is_refused_unless_it_is_meant() {
    let home = Home::new();
    home.acme(
        r#""api_key": {"key_pattern": "^acme_[a-z]{8}$", "key_pattern_hint": "starts with acme_"}"#,
    );
    home.like_acme("beta", r#""api_key": {"key_pattern": "^beta_[a-z]{8}$"}"#);
    home.like_acme("gamma", "");
    let anthropic = "this looks like a key of Anthropic (`anthropic`), not of";
    for (provider, key, error) in [
        (
            "acme",
            "leak-me-0123",
            "this does not look like a key of Acme, which starts with acme_".to_owned(),
        ),
        (
            "beta",
            "leak-me-0123",
            "this does not look like a key of Acme, which matches ^beta_[a-z]{8}$".to_owned(),
        ),
        (
            "acme",
            ANTHROPIC,
            format!("{anthropic} Acme, which starts with acme_"),
        ),
        (
            "acme",
            "beta_abcdefgh",
            "this looks like a key of Acme (`beta`), not of Acme, which starts with acme_"
                .to_owned(),
        ),
        ("openai", ANTHROPIC, format!("{anthropic} OpenAI")),
    ] {
        let output = home.login(&[provider], key).run();
        output.assert_code(1).assert_without(key);
        let hint = "check what you copied; --force takes it all the same";
        assert_eq!(
            output.stderr(),
            format!("authsome: {error}\n  hint: {hint}\n")
        );
        assert!(!home.own("vault").exists());
        // A source is looked at, too.
        let source = home
            .authsome(["login", provider, "--from", "env:K"])
            .env("K", key);
        assert_fails(source, 1, &[&error]).assert_without(key);
    }
    let output = home.login(&["openai", "--force"], ANTHROPIC).run();
    output.assert_code(0).assert_without(ANTHROPIC);
    output.assert_stderr(&[&format!("authsome: warning: {anthropic} OpenAI")]);
    home.login(&["acme"], "acme_abcdefgh").run().assert_code(0);
    // Where nothing is known of the provider's own keys, it is a warning.
    let output = home.login(&["gamma"], ANTHROPIC).run();
    output.assert_code(0).assert_without(ANTHROPIC);
    output.assert_stderr(&[&format!("authsome: warning: {anthropic} Acme")]);
    assert_eq!(listed(&home).as_array().unwrap().len(), 3);
}

#[test]
fn a_connection_that_is_there_is_replaced_only_where_that_is_said() {
    let home = Home::connected("");
    let before = home.vault();
    let hint = "`authsome login acme --connection NAME` adds another, --force replaces this one";
    let again = home.login(&["acme"], "another-0123");
    assert_fails(again, 1, &["authsome: acme is connected already", hint]);
    // A person in a browser isn't asked in vain, either.
    let page = home.authsome(["login", "acme"]);
    assert_fails(page, 1, &["acme is connected already"]);
    assert_eq!(home.vault(), before);
    let login = home.login(&["acme", "--force"], "another-0123");
    login
        .run()
        .assert_code(0)
        .assert_stderr(&["connected acme;"]);
    assert_eq!(field(&home, "default", "credential"), "another-0123\n");
    assert_eq!(listed(&home).as_array().unwrap().len(), 1);
}

#[test]
fn a_source_is_stored_as_where_it_is_and_read_when_it_is_used() {
    let home = Home::new();
    home.acme("");
    home.file("key", "first-0123\n");
    let login = |source: &str| {
        home.authsome(["login", "acme", "--force", "--from", source])
            .folder(home.path("."))
            .env("MY_SECRET", SECRET)
    };
    login("file:key")
        .run()
        .assert_code(0)
        .assert_without("first-0123");
    let path = fs::canonicalize(home.path("key")).unwrap();
    let source = format!("file:{}", path.display());
    assert_eq!(field(&home, "default", "source"), format!("{source}\n"));
    assert_eq!(sent(&home, &[], &[]), "Bearer first-0123");
    home.file("key", "second-0123\n");
    assert_eq!(sent(&home, &[], &[]), "Bearer second-0123");
    assert_eq!(field(&home, "default", "credential"), "second-0123\n");

    login("env:MY_SECRET").run().assert_code(0);
    assert_eq!(listed(&home)[0]["source"], "env:MY_SECRET");
    assert_eq!(
        listed(&home)[0]["state"],
        "the environment variable MY_SECRET is not set"
    );
    let given = [("MY_SECRET", SECRET)];
    assert_eq!(sent(&home, &[], &given), format!("Bearer {SECRET}"));

    let login = login("command:echo third-0123").args(["--ttl", "60"]);
    login.run().assert_code(0).assert_without("third-0123");
    assert_eq!(listed(&home)[0]["source"], "command:echo");
    assert_eq!(sent(&home, &[], &[]), "Bearer third-0123");
}

#[test]
fn a_source_that_gives_nothing_is_stored_only_where_that_is_said() {
    let home = Home::new();
    home.acme("");
    let login = |source: &str| home.authsome(["login", "acme", "--from", source]);
    let broken = home.file("broken", "leak-me\nleak-me");
    for (source, why) in [
        ("env:NO_SUCH", "the environment variable NO_SUCH is not set"),
        ("file:/no/such/file", "/no/such/file"),
        (&format!("file:{broken}"), "more than one line"),
        ("command:no-such-program", "was not found"),
        ("command:sh -c 'echo leak-me; exit 3'", "failed"),
        ("command:true", "it is empty"),
        ("command:echo 'unclosed", "a quote that is not closed"),
    ] {
        let words = &["the source gives no credential: ", why, "--force stores it"];
        assert_fails(login(source), 1, words).assert_without("leak");
    }
    assert!(!home.own("vault").exists());
    let output = login("env:NO_SUCH").arg("--force").run();
    output
        .assert_code(0)
        .assert_stderr(&["warning: the source gives nothing now"]);
    // A run starts all the same, and its requests are refused.
    let origin = Origin::start(always_ok);
    let run = home.authsome(["run"]).args(origin.args()).start();
    let request = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    let refused = run.proxy.exchange(HOST, &request);
    refused.assert_refusal(502, "proxy_configuration_error");
    let output = run.stop();
    output.assert_stderr(&["warning: acme has no credential now", "NO_SUCH"]);
    origin.finish().assert_nothing();
    let get = home.authsome(["get", "acme", "--show-secret"]);
    assert_fails(get, 1, &["no credential for acme", "NO_SUCH"]);
}

#[test]
fn a_provider_s_requests_use_its_default_or_the_connection_that_is_named() {
    let home = Home::connected("");
    let output = home
        .login(&["acme", "--connection", "work"], "of-work-0123")
        .run();
    output.assert_code(0);
    output.assert_stderr(&[
        "connected acme/work;",
        "`authsome default acme work` changes that",
    ]);
    assert_eq!(sent(&home, &[], &[]), format!("Bearer {SECRET}"));
    let chosen = sent(&home, &["--connection", "acme=work"], &[]);
    assert_eq!(chosen, "Bearer of-work-0123");
    let output = home.authsome(["default", "acme", "work"]).run();
    output.assert_code(0).assert_stderr(&["acme uses work now"]);
    assert_eq!(sent(&home, &[], &[]), "Bearer of-work-0123");
    let shown = said(home.authsome(["list"]));
    assert!(shown.contains("default (not default)"), "{shown}");
    let explained = home
        .authsome(["explain", "--json", &format!("https://{HOST}/")])
        .run();
    let explained: serde_json::Value = explained.json();
    assert_eq!(explained["connection"], "work");
}

#[test]
fn logging_out_of_the_default_hands_it_on() {
    let home = Home::connected("");
    for name in ["b", "c"] {
        let login = home.login(&["acme", "--connection", name], &format!("of-{name}-0123"));
        login.run().assert_code(0);
    }
    let logout = |words: &[&str]| {
        let output = home.authsome(["logout", "acme"]).args(words).run();
        output.assert_code(0);
        output.stderr()
    };
    let text = logout(&[]);
    assert_eq!(text, "logged out of acme (default)\nits default is b now\n");
    assert_eq!(sent(&home, &[], &[]), "Bearer of-b-0123");
    assert_eq!(logout(&["--connection", "c"]), "logged out of acme (c)\n");
    assert_eq!(logout(&["--all"]), "logged out of acme (b)\n");
    assert_eq!(listed(&home).as_array().unwrap().len(), 0);
    let both = home.authsome(["logout", "acme", "--all", "--connection", "b"]);
    assert_fails(both, 2, &["exclude each other"]);
    let output = home.authsome(["list"]).run();
    output.assert_code(0).assert_stderr(&["no connections yet"]);
}

#[test]
fn revoking_removes_all_and_says_where_keys_are_taken_back() {
    let home = Home::connected(r#""docs_url": "https://acme.test/keys""#);
    home.login(&["acme", "--connection", "b"], SECRET)
        .run()
        .assert_code(0);
    home.login(&["openai"], "sk-abcdefghijklmnopqrstuvwxyz")
        .run()
        .assert_code(0);
    let output = home.authsome(["revoke", "acme"]).run();
    output.assert_code(0).assert_stderr(&[
        "removed acme (b, default)",
        "keys and tokens that are still good are revoked at https://acme.test/keys",
    ]);
    let left = listed(&home);
    assert_eq!(left.as_array().unwrap().len(), 1);
    assert_eq!(left[0]["provider"], "openai");
}

#[test]
fn a_base_url_and_a_user_name_are_stored_and_used() {
    let home = Home::new();
    let login = |words: &[&str]| home.login(&["jira-token"], SECRET).args(words);
    let words = &["jira-token has no URL of its own", "--base-url URL"];
    assert_fails(login(&[]), 1, words);
    assert_fails(login(&["--base-url", "https://x.test/?a=b"]), 1, &["query"]);
    assert_fails(
        login(&["--base-url", "https://localhost/"]),
        1,
        &["loopback"],
    );
    assert!(!home.own("vault").exists());
    let url = format!("https://{HOST}");
    login(&["--base-url", &url, "--username", "me@acme.test"])
        .run()
        .assert_code(0);
    let shown = listed(&home);
    assert_eq!(shown[0]["base_url"], url);
    assert_eq!(shown[0]["username"], "me@acme.test");
    let basic = base64(format!("me@acme.test:{SECRET}").as_bytes());
    assert_eq!(sent(&home, &[], &[]), format!("Basic {basic}"));
    let exported = said(home.authsome(["export", "jira-token"]));
    assert_eq!(exported, format!("JIRA_API_TOKEN={SECRET}\n"));
}

#[test]
fn a_base_url_of_the_command_line_is_the_person_s_word() {
    let home = Home::new();
    let login = home.login(&["jira-token", "--base-url", "https://a.acme.test"], SECRET);
    login.run().assert_code(0);
    let explained = home.explain(&[
        "--base-url",
        &format!("jira-token=https://{HOST}"),
        &format!("https://{HOST}/"),
    ]);
    assert_eq!(explained["decision"], "inject");
}

#[test]
fn the_option_counts_more_than_the_vault_and_the_vault_more_than_the_environment() {
    let home = Home::connected("");
    let variables = [
        ("ACME_API_KEY", "of-the-environment"),
        ("MINE", "of-the-option"),
    ];
    assert_eq!(sent(&home, &[], &variables), format!("Bearer {SECRET}"));
    let option = ["--credential", "acme=env:MINE"];
    assert_eq!(sent(&home, &option, &variables), "Bearer of-the-option");
    home.authsome(["logout", "acme"]).run().assert_code(0);
    assert_eq!(sent(&home, &[], &variables), "Bearer of-the-environment");
}

#[test]
fn the_child_gets_a_placeholder_for_what_is_stored() {
    let home = Home::connected("");
    for value in [None, Some("of-the-environment")] {
        let cmd = home.authsome(["run", "env"]);
        let cmd = match value {
            None => cmd,
            Some(value) => cmd.env("ACME_API_KEY", value),
        };
        let output = cmd
            .env("AUTHSOME_MASTER_KEY_FILE", home.own("master.key"))
            .run();
        output.assert_code(0).assert_without(SECRET);
        output
            .assert_without("of-the-environment")
            .assert_without("MASTER_KEY");
        let shown = format!("ACME_API_KEY={PLACEHOLDER}\n");
        assert!(output.stdout().contains(&shown), "{output}");
    }
}

#[test]
fn one_field_is_shown_at_a_time_and_the_credential_only_where_that_is_said() {
    let home = Home::connected("");
    let get = |words: &[&str]| home.authsome(["get", "acme"]).args(words);
    for name in ["credential", "api_key", "access_token"] {
        let words = &["the credential is a secret", "add --show-secret to see it"];
        assert_fails(get(&["--field", name]), 1, words);
        let shown = said(get(&["--field", name, "--show-secret"]));
        assert_eq!(shown, format!("{SECRET}\n"));
    }
    assert_fails(
        get(&["--field", "nothing"]),
        2,
        &["there is no field nothing"],
    );
    for (name, value) in [
        ("provider", "acme"),
        ("connection", "default"),
        ("default", "true"),
        ("source", "vault"),
        ("state", "ok"),
    ] {
        assert_eq!(said(get(&["--field", name])), format!("{value}\n"));
    }
    let all = said(get(&[]));
    assert!(all.contains("********") && !all.contains(SECRET), "{all}");
    assert!(said(get(&["--show-secret"])).contains(SECRET));
}

#[test]
fn what_is_exported_is_read_back_as_it_was() {
    let home = Home::new();
    home.acme("");
    let key = r#"it's $5 "x" \ #1"#;
    home.login(&["acme"], key).run().assert_code(0);
    let export = |words: &[&str]| said(home.authsome(["export", "acme"]).args(words));
    let quoted = "ACME_API_KEY=\"it's \\$5 \\\"x\\\" \\\\ #1\"\n";
    assert_eq!(export(&[]), quoted);
    assert_eq!(export(&["--format", "env"]), quoted);
    let json: serde_json::Value = serde_json::from_str(&export(&["--format", "json"])).unwrap();
    assert_eq!(json, serde_json::json!({"ACME_API_KEY": key}));
    let script = format!(
        "{}printf %s \"$ACME_API_KEY\"",
        export(&["--format", "shell"])
    );
    let read = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&read.stdout), key);
    let wrong = home.authsome(["export", "--format", "yaml"]);
    assert_fails(wrong, 2, &["--format takes `env`, `shell` or `json`"]);
}

#[test]
fn two_that_export_one_variable_are_exported_one_by_one() {
    let home = Home::connected("");
    home.like_acme(
        "beta",
        r#""export": {"ACME_API_KEY": "API_TOKEN", "BETA": "API_TOKEN"}"#,
    );
    home.login(&["beta"], "of-beta-0123").run().assert_code(0);
    let words = &[
        "acme and beta both export ACME_API_KEY",
        "`authsome export PROVIDER`",
    ];
    for format in ["env", "shell", "json"] {
        let all = home.authsome(["export", "--format", format]);
        assert_fails(all, 1, words).assert_without("of-beta-0123");
    }
    let beta = said(home.authsome(["export", "beta"]));
    assert_eq!(beta, "ACME_API_KEY=of-beta-0123\nBETA=of-beta-0123\n");
    home.authsome(["logout", "acme"]).run().assert_code(0);
    assert_eq!(said(home.authsome(["export"])), beta);
    home.authsome(["logout", "beta"]).run().assert_code(0);
    let output = home.authsome(["export"]).run();
    output
        .assert_code(0)
        .assert_stderr(&["there is nothing to export"]);
    let named = home.authsome(["export", "--connection", "work"]);
    assert_fails(named, 2, &["--connection needs the name of a provider"]);
}

/// Registers a definition with these fields, from a file outside of the home.
fn register(home: &Home, fields: &str, words: &[&str]) -> Cmd {
    let file = home.file("definition.json", &format!("{{{fields}}}"));
    home.authsome(["register", &file]).args(words)
}

/// The child's value of a variable in a run.
fn variable(home: &Home, name: &str) -> String {
    said(home.authsome(["run", "sh", "-c", &format!("echo ${name}")]))
}

#[test]
fn a_definition_that_is_none_is_not_registered() {
    let home = Home::new();
    let good = r#""name": "acme", "auth_type": "api_key""#;
    for (fields, words) in [
        ("", &["name"][..]),
        (
            r#""name": "../acme", "api_url": "a.test""#,
            &["name", "not a provider name"],
        ),
        (good, &["api_url", "missing"]),
        (
            &format!("{good}, \"api_url\": \"http://a.test\""),
            &["api_url", "https"],
        ),
        (
            &format!("{good}, \"api_url\": \"a.test\", \"api_key\": {{\"key_pattern\": \"(\"}}"),
            &["key_pattern", "not a pattern"],
        ),
        (
            &format!("{good}, \"api_url\": \"a.test\", \"export\": {{\"A\": \"MAGIC\"}}"),
            &["export", "stands for nothing known"],
        ),
        (
            &format!("{good}, \"schema_version\": 2"),
            &["schema_version"],
        ),
        ("nonsense", &["not valid JSON"]),
    ] {
        assert_fails(register(&home, fields, &[]), 1, words);
    }
    let missing = home.authsome(["register", "/no/such/file"]).run();
    missing
        .assert_code(1)
        .assert_stderr(&["cannot read /no/such/file"]);
    assert_eq!(fs::read_dir(home.own("providers")).unwrap().count(), 0);
}

#[test]
fn definitions_of_both_forms_are_registered_and_used() {
    for export in [
        r#""export": {"env": {"api_key": "ACME_KEY"}}"#,
        r#""export": {"ACME_KEY": "API_TOKEN"}"#,
    ] {
        let home = Home::new();
        let fields = format!(
            r#""name": "acme", "display_name": "Acme", "auth_type": "api_key", "flow": "api_key", "host_url": "{HOST}",
            "colour": "blue", "api_key": {{"header_name": "Authorization", "header_prefix": "Token"}}, {export}"#
        );
        let output = register(&home, &fields, &[]).run();
        output.assert_code(0);
        output.assert_stderr(&["the field colour is not known", "acme is known now;"]);
        home.login(&["acme"], SECRET).run().assert_code(0);
        assert_eq!(sent(&home, &[], &[]), format!("Token {SECRET}"));
        assert_eq!(variable(&home, "ACME_KEY"), format!("{PLACEHOLDER}\n"));
        let exported = said(home.authsome(["export", "acme"]));
        assert_eq!(exported, format!("ACME_KEY={SECRET}\n"));
        let mode = std::os::unix::fs::MetadataExt::mode(
            &home.own("providers/acme.json").metadata().unwrap(),
        );
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_definition_that_is_there_is_replaced_only_where_that_is_said() {
    let home = Home::new();
    let fields =
        |host: &str| format!(r#""name": "acme", "auth_type": "api_key", "api_url": "{host}""#);
    register(&home, &fields("a.test"), &[]).run().assert_code(0);
    let again = register(&home, &fields("b.test"), &[]);
    assert_fails(
        again,
        1,
        &["acme.json is there already", "--force replaces it"],
    );
    let kept = fs::read_to_string(home.own("providers/acme.json")).unwrap();
    assert!(kept.contains("a.test"), "{kept}");
    register(&home, &fields("b.test"), &["--force"])
        .run()
        .assert_code(0);
    let kept = fs::read_to_string(home.own("providers/acme.json")).unwrap();
    assert!(kept.contains("b.test"), "{kept}");
}

#[test]
fn a_definition_of_one_s_own_wins_over_the_bundled_one_until_it_is_removed() {
    let home = Home::new();
    let fields = format!(
        r#""name": "openai", "display_name": "Mine", "auth_type": "api_key", "api_url": "{HOST}",
        "export": {{"OPENAI_API_KEY": "API_TOKEN"}}"#
    );
    let output = register(&home, &fields, &[]).run();
    output
        .assert_code(0)
        .assert_stderr(&["in place of the built-in definition"]);
    home.login(&["openai"], SECRET).run().assert_code(0);
    assert_eq!(sent(&home, &[], &[]), format!("Bearer {SECRET}"));
    let output = home.authsome(["remove", "openai"]).run();
    output.assert_code(0);
    output.assert_stderr(&["the built-in definition counts again"]);
    assert!(!home.own("providers/openai.json").exists());
    let shown = said(home.authsome(["inspect", "openai"]));
    assert!(
        shown.contains("bundled openai") && shown.contains("api.openai.com"),
        "{shown}"
    );
    let again = home.authsome(["remove", "openai"]);
    assert_fails(
        again,
        3,
        &[
            "openai is built in, and can't be removed",
            "authsome logout openai",
        ],
    );
}

#[test]
fn a_definition_with_connections_is_not_removed() {
    let home = Home::connected("");
    let words = &["acme has connections", "`authsome logout acme --all`"];
    assert_fails(home.authsome(["remove", "acme"]), 1, words);
    assert!(home.own("providers/acme.json").exists());
    // Where it went all the same, its connections can still be let go.
    let text = fs::read_to_string(home.own("providers/acme.json")).unwrap();
    fs::remove_file(home.own("providers/acme.json")).unwrap();
    assert_eq!(listed(&home)[0]["state"], "no definition of the provider");
    let output = home.authsome(["run", "true"]).run();
    output
        .assert_code(0)
        .assert_stderr(&["there is no definition of acme any more"]);
    home.authsome(["logout", "acme"]).run().assert_code(0);
    home.file("home/.authsome/providers/acme.json", &text);
    home.authsome(["remove", "acme"]).run().assert_code(0);
    assert_fails(home.authsome(["get", "acme"]), 3, &["there is no provider"]);
}

/// A login that waits at its page.
fn page(home: &Home, words: &[&str]) -> Page {
    Page::of(home.authsome(["login", "acme"]).args(words).background())
}

/// A home whose `acme` says how its keys look.
fn home_with_shape() -> Home {
    let home = Home::new();
    home.acme(
        r#""docs_url": "https://acme.test/keys?a=<b>&c",
        "api_key": {"key_pattern": "^acme_", "key_pattern_hint": "starts with acme_ & <more>"}"#,
    );
    home
}

#[test]
fn the_page_is_shown_to_its_own_browser_alone() {
    let home = home_with_shape();
    let page = page(&home, &[]);
    let token = page.token();
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n", 404),
        ("GET PATHx HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n", 404),
        ("GET PATH HTTP/1.1\r\nHost: evil.test:PORT\r\n\r\n", 403),
        ("GET PATH HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 403),
        ("PUT PATH HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n", 405),
    ] {
        let answer = page.send(request);
        assert_eq!(answer.status(), status, "{request}{answer}");
        assert!(!answer.text().contains(&token), "{answer}");
    }
    let fields = [
        ("token", &*token),
        ("key", "acme_leak-me"),
        ("action", "store"),
    ];
    for head in [
        "Origin: http://evil.test\r\n",
        "Origin: null\r\n",
        "Origin: https://127.0.0.1:PORT\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
    ] {
        let answer = page.post(&fields, head);
        assert_eq!(answer.status(), 403, "{head}{answer}");
    }
    let other = "0".repeat(token.len());
    for fields in [
        &[("key", "acme_leak-me")][..],
        &[("token", ""), ("key", "acme_leak-me")],
        &[("token", &other), ("key", "acme_leak-me")],
        &[
            ("token", &token),
            ("token", &token),
            ("key", "acme_leak-me"),
        ],
        &[("token", &other), ("action", "cancel")],
    ] {
        let answer = page.post(fields, "");
        assert_eq!(answer.status(), 403, "{answer}");
        assert!(
            answer.text().contains("Please enter the key again"),
            "{answer}"
        );
        assert!(!answer.text().contains("leak-me"), "{answer}");
    }
    assert!(!home.own("vault").exists());
    // It is there still.
    assert_eq!(page.enter("acme_0123").status(), 200);
    page.program.end().assert_code(0);
}

#[test]
fn the_page_keeps_to_itself() {
    let home = home_with_shape();
    let page = page(&home, &[]);
    let answer = page.get();
    assert_eq!(answer.status(), 200, "{answer}");
    let text = answer.text();
    let (_, style) = text.split_once("<style>").expect("a style sheet");
    let (style, _) = style.split_once("</style>").expect("its end");
    let digest = ring::digest::digest(&ring::digest::SHA256, style.as_bytes());
    let digest = base64(digest.as_ref());
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'self'; \
         frame-ancestors 'none'; base-uri 'none'"
    );
    for (name, value) in [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Security-Policy", policy.as_str()),
        ("Cache-Control", "no-store"),
        ("X-Frame-Options", "DENY"),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "same-origin"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Connection", "close"),
    ] {
        assert_eq!(answer.one(name), value, "{name}");
    }
    for part in [
        "<h1>Connect Acme</h1>",
        HOST,
        "type=\"password\"",
        "A key starts with acme_ &amp; &lt;more&gt;.",
        "href=\"https://acme.test/keys?a=&lt;b&gt;&amp;c\"",
    ] {
        assert!(text.contains(part), "no {part}\n{answer}");
    }
    assert!(
        !text.contains("<script") && !text.contains("<more>"),
        "{answer}"
    );
    // Neither can be guessed, and the path alone is not enough.
    assert!(page.path.len() > 20 && page.token().len() > 20);
    assert!(!page.path.contains(&page.token()));
}

#[test]
fn a_wrong_key_is_asked_for_again_and_the_right_one_ends_the_page() {
    let home = home_with_shape();
    let page = page(&home, &[]);
    for (key, why) in [
        (
            "leak-me-0123",
            "This does not look like a key of Acme, which starts with acme_ &amp; &lt;more&gt;",
        ),
        ("", "This is no credential: it is empty"),
        ("acme_leak-me\0x", "it has control bytes"),
        (&"leak-me".repeat(2500), "it is longer than 16 KiB"),
        (
            ANTHROPIC,
            "This looks like a key of Anthropic (<code>anthropic</code>)",
        ),
    ] {
        let answer = page.enter(key);
        assert_eq!(answer.status(), 422, "{answer}");
        let text = answer.text();
        assert!(
            text.contains(why) && text.contains("role=\"alert\""),
            "{answer}"
        );
        assert!(
            !text.contains("leak-me") && !text.contains(ANTHROPIC),
            "{answer}"
        );
    }
    assert!(!home.own("vault").exists());
    // What a person copies has spaces around it.
    let answer = page.enter(" acme_right-0123\n");
    assert_eq!(answer.status(), 200, "{answer}");
    assert!(answer.text().contains("Acme is connected"), "{answer}");
    assert!(!answer.text().contains("right-0123"), "{answer}");
    let output = page.program.end();
    output.assert_code(0).assert_without("right-0123");
    output
        .assert_without("leak-me")
        .assert_stderr(&["connected acme;"]);
    assert!(output.stdout.is_empty(), "{output}");
    assert!(TcpStream::connect(("127.0.0.1", page.port)).is_err());
    assert_eq!(field(&home, "default", "credential"), "acme_right-0123\n");
}

#[test]
fn a_page_that_is_cancelled_stores_nothing() {
    let home = home_with_shape();
    let page = page(&home, &[]);
    let token = page.token();
    let answer = page.post(
        &[
            ("token", &token),
            ("key", "acme_leak-me"),
            ("action", "cancel"),
        ],
        "",
    );
    assert_eq!(answer.status(), 200, "{answer}");
    assert!(answer.text().contains("Nothing was stored"), "{answer}");
    let output = page.program.end();
    output.assert_code(1).assert_without("leak-me");
    output.assert_stderr(&[
        "the person cancelled",
        "hint: try again, or give the key with --stdin",
    ]);
    assert!(!home.own("vault").exists());
    assert!(TcpStream::connect(("127.0.0.1", page.port)).is_err());
}

#[test]
fn a_page_whose_key_cannot_be_stored_says_so() {
    let home = Home::connected("");
    let page = page(&home, &["--connection", "work"]);
    // Meanwhile someone else was faster.
    let login = home.login(&["acme", "--connection", "work"], "faster-0123");
    login.run().assert_code(0);
    let answer = page.enter("slower-0123");
    assert!(answer.text().contains("could not be stored"), "{answer}");
    assert!(
        answer.text().contains("acme/work is connected already"),
        "{answer}"
    );
    let output = page.program.end();
    output.assert_code(1).assert_without("slower-0123");
    output.assert_stderr(&["acme/work is connected already"]);
    assert_eq!(field(&home, "work", "credential"), "faster-0123\n");
}

#[test]
fn the_page_asks_for_what_else_is_needed() {
    let home = Home::new();
    let page = Page::of(home.authsome(["login", "jira-token"]).background());
    let text = page.get().text();
    for part in ["name=\"url\"", "name=\"username\"", "JIRA_USERNAME"] {
        assert!(text.contains(part), "no {part}\n{text}");
    }
    let token = page.token();
    let enter = |url: &str| {
        let fields = [
            ("token", &*token),
            ("url", url),
            ("username", "me@acme.test"),
            ("key", SECRET),
            ("action", "store"),
        ];
        page.post(&fields, "")
    };
    for (url, why) in [
        ("", "no URL of its own"),
        ("http://\"><b>", "can&#39;t be used"),
        ("https://localhost", "loopback"),
    ] {
        let answer = enter(url);
        assert_eq!(answer.status(), 422, "{answer}");
        let text = answer.text();
        assert!(!text.contains(SECRET) && !text.contains("<b>"), "{answer}");
        assert!(text.contains("value=\"me@acme.test\""), "{answer}");
        assert!(text.contains(why), "no {why}\n{answer}");
    }
    assert_eq!(enter(&format!("https://{HOST}")).status(), 200);
    page.program.end().assert_code(0).assert_without(SECRET);
    let basic = base64(format!("me@acme.test:{SECRET}").as_bytes());
    assert_eq!(sent(&home, &[], &[]), format!("Basic {basic}"));
}

#[test]
fn the_page_is_opened_in_the_browser_that_the_environment_names() {
    let home = home_with_shape();
    let opened = home.path("opened");
    let script = home.file(
        "browser",
        "#!/bin/sh\nprintf '%s' \"$1\" > \"$OPENED.new\"; mv \"$OPENED.new\" \"$OPENED\"\n",
    );
    let made = Command::new("chmod")
        .args(["700", &script])
        .status()
        .unwrap();
    assert!(made.success());
    let cmd = home.authsome(["login", "acme", "--browser", "--quiet"]);
    let page = Page::of(
        cmd.env("BROWSER", &script)
            .env("OPENED", &opened)
            .background(),
    );
    crate::support::wait_until("the browser is started", || opened.exists());
    let url = fs::read_to_string(&opened).unwrap();
    assert_eq!(url, format!("http://127.0.0.1:{}{}", page.port, page.path));
    page.enter("acme_0123");
    page.program.end().assert_code(0);
}
