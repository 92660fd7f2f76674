//! The command line: usage, errors with what, why and what to do, and that `explain` says what the proxy then does.

use std::os::unix::fs::PermissionsExt;

use crate::support::Home;
use crate::support::Output;
use crate::support::SECRET;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;

/// Checks an error of the command line: exit code 2, nothing on stdout, a hint.
fn assert_usage(words: &[&str]) -> Output {
    let output = Home::new().authsome(words).run();
    output
        .assert_code(2)
        .assert_stderr(&["authsome: ", "hint: see `authsome"]);
    assert!(output.stdout.is_empty(), "{output}");
    output
}

#[test]
fn wrong_usage_is_told_with_where_to_look() {
    for words in [
        &[][..],
        &["no-such-command"],
        &["--no-such-option"],
        &["run"],
        &["run", "--no-such-option", "--", "true"],
        &["run", "-x", "true"],
        &["run", "--upstream-timeout", "0", "true"],
        &["run", "--upstream-timeout", "+5", "true"],
        &["run", "--max-connections", "many", "true"],
        &["run", "--connect-to", "host:443", "true"],
        &["run", "--roots", "none", "true"],
        &["run", "--credential"],
        &["run", "--base-url", "acme", "true"],
        &["run", "--quiet=yes", "true"],
        &["explain"],
        &["explain", "GET", "https://a.test/", "more"],
        &["explain", "https://a.test:99999/"],
        &["explain", "https://user@a.test/"],
        &["help", "no-such-command"],
    ] {
        assert_usage(words);
    }
}

#[test]
fn a_credential_on_the_command_line_is_refused_and_not_repeated() {
    for word in [
        "acme=sk-leak-me",
        "acme=",
        "sk-leak-me",
        "acme=vault:sk-leak-me",
    ] {
        let home = Home::new();
        let output = home
            .authsome(["run", "--credential", word, "--", "true"])
            .run();
        output
            .assert_code(2)
            .assert_stderr(&["env:", "file:", "command:"]);
        assert!(!output.stderr().contains("leak-me"), "{output}");
    }
}

#[test]
fn errors_come_as_json_where_that_is_asked_for() {
    let home = Home::new();
    for (words, code) in [
        (&["run", "--json", "--no-such-option"][..], 2),
        (
            &["run", "--json", "--credential", "nobody=env:X", "true"],
            125,
        ),
        (
            &[
                "explain",
                "--json",
                "--credential",
                "nobody=env:X",
                "a.test",
            ],
            3,
        ),
    ] {
        let output = home.authsome(words).run();
        output.assert_code(code);
        assert!(output.stdout.is_empty(), "{output}");
        let error: serde_json::Value = serde_json::from_str(&output.stderr()).unwrap();
        assert_eq!(error["exit_code"], code);
        assert!(
            error["error"].is_string() && error["hint"].is_string(),
            "{output}"
        );
    }
}

#[test]
fn help_and_version_are_on_stdout_and_fit() {
    let home = Home::new();
    for words in [
        &["--help"][..],
        &["-h"],
        &["help"],
        &["help", "run"],
        &["run", "--help"],
        &["help", "explain"],
        &["explain", "-h"],
    ] {
        let output = home.authsome(words).run();
        output.assert_code(0).assert_quiet();
        let text = output.stdout();
        assert!(
            text.contains("Usage: authsome") && text.contains("Example"),
            "{output}"
        );
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{output}"
        );
    }
    for word in ["version", "--version", "-V"] {
        let output = home.authsome([word]).run();
        let expected = format!("authsome {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(output.stdout(), expected);
    }
}

#[test]
fn every_topic_that_help_names_has_a_text_that_fits() {
    let home = Home::new();
    let general = home.authsome(["help"]).run().stdout();
    let (_, topics) = general.split_once("Topics:\n").expect("topics");
    let lines = topics.lines().take_while(|line| !line.is_empty());
    let names: Vec<&str> = lines
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(names.len() > 4, "{general}");
    for name in names {
        let output = home.authsome(["help", name]).run();
        output.assert_code(0).assert_quiet();
        let text = output.stdout();
        assert!(text.lines().count() > 5, "{output}");
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{output}"
        );
    }
}

#[test]
fn the_manual_page_has_every_command_and_topic_and_is_one_for_all() {
    let home = Home::new();
    let output = home.authsome(["help", "--man"]).run();
    output.assert_code(0).assert_quiet();
    let page = output.stdout();
    assert!(page.starts_with(".TH AUTHSOME 1 "), "{page}");
    for word in [
        ".SS \"authsome run [OPTIONS] [\\-\\-] COMMAND [ARG...]\"",
        ".SS \"authsome version [OPTIONS]\"",
        ".SH \"EXIT CODES\"",
        "\\fB\\-\\-upstream\\-ca FILE\\fR",
    ] {
        assert!(page.contains(word), "{word}\n{page}");
    }
    home.authsome(["help", "run", "--man"]).run().assert_code(2);
}

#[test]
fn every_option_that_help_names_is_known() {
    let home = Home::new();
    for command in ["run", "explain"] {
        let text = home.authsome(["help", command]).run().stdout();
        let named = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        for option in named.filter(|word| word.starts_with("--") && word.len() > 2) {
            let output = home.authsome([command, option]).run();
            assert!(
                !output.stderr().contains("invalid option"),
                "{option}: {output}"
            );
        }
    }
}

#[test]
fn a_broken_definition_that_is_used_is_an_error_before_the_child_runs() {
    for (fields, field, words) in [
        (r#""api_url": "http://api.acme.test""#, "api_url", "https"),
        (r#""api_url": []"#, "api_url", "empty"),
        (r#""api_url": 5"#, "api_url", "type"),
        (r#""api_url": "regex:(""#, "api_url", "regular expression"),
        (
            r#""api_url": "https://api.acme.test/a?b""#,
            "api_url",
            "query",
        ),
        (r#""api_url": "localhost""#, "api_url", "loopback"),
        (r#""header_name": "X Key""#, "header_name", "may be set"),
        (r#""in": "cookie""#, "in", "header, query or basic"),
        (r#""in": "query""#, "param", "missing"),
        (r#""in": "basic", "username": "a:b""#, "username", "colon"),
        (r#""auth_type": "magic""#, "auth_type", "oauth2"),
        (r#""flow": "magic""#, "flow", "flow"),
        (r#""inject": "never""#, "inject", "always"),
        (r#""schema_version": 2"#, "schema_version", "version"),
        (
            r#""extra_headers": {"X": "a\r\nb"}"#,
            "extra_headers",
            "header field",
        ),
        (r#""placeholder": "x y""#, "placeholder", "ASCII"),
    ] {
        let home = Home::new();
        home.acme(fields);
        let secret = home.file("key", SECRET);
        let output = home
            .authsome([
                "run",
                "--credential",
                &format!("acme=file:{secret}"),
                "--",
                "echo",
                "ran",
            ])
            .run();
        output
            .assert_code(125)
            .assert_stderr(&["acme.json", field, words, "hint:"]);
        assert!(output.stdout.is_empty(), "{output}");
    }
}

#[test]
fn a_broken_definition_that_the_environment_uses_is_an_error_too() {
    let home = Home::new();
    home.acme(r#""api_url": "http://api.acme.test""#);
    let output = home
        .authsome(["run", "--", "echo", "ran"])
        .env("ACME_API_KEY", SECRET)
        .run();
    output
        .assert_code(125)
        .assert_stderr(&["acme.json", "api_url", "hint:"]);
    output.assert_without("ran").assert_without(SECRET);
}

#[test]
fn a_broken_file_in_the_place_of_a_bundled_definition_is_an_error_when_that_is_used() {
    let home = Home::new();
    home.provider("openai", "{ not json");
    let output = home
        .authsome(["run", "--", "echo", "ran"])
        .env("OPENAI_API_KEY", SECRET)
        .run();
    output
        .assert_code(125)
        .assert_stderr(&["openai.json", "JSON", "hint:"]);
    output.assert_without("ran").assert_without(SECRET);
}

#[test]
fn a_broken_definition_that_is_not_used_is_one_warning() {
    let home = Home::new();
    home.provider("acme", "{ not json");
    let output = home.authsome(["run", "--", "echo", "ran"]).run();
    output.assert_code(0);
    assert_eq!(output.stdout(), "ran\n");
    assert_eq!(output.lines_with("acme.json"), 1, "{output}");
    assert_eq!(output.lines_with(""), 1, "{output}");
    let output = home.authsome(["run", "--quiet", "--", "echo", "ran"]).run();
    output.assert_code(0).assert_quiet();
}

#[test]
fn a_file_whose_name_is_another_s_is_told() {
    let home = Home::new();
    home.provider(
        "other",
        &format!(r#"{{"name": "acme", "api_url": "{HOST}"}}"#),
    );
    let output = home
        .authsome(["run", "--credential", "other=env:PATH", "--", "true"])
        .run();
    output
        .assert_code(125)
        .assert_stderr(&["other.json", "acme.json"]);
}

#[test]
fn fields_that_are_not_known_are_a_warning_when_the_definition_is_used() {
    let home = Home::new();
    home.acme(r#""colour": "blue""#);
    let cmd = || home.authsome(["run", "--", "true"]);
    cmd().run().assert_code(0).assert_quiet();
    let output = cmd().env("ACME_API_KEY", SECRET).run();
    output.assert_code(0);
    assert_eq!(output.lines_with("colour"), 1, "{output}");
}

#[test]
fn a_provider_that_is_not_known_gets_a_suggestion() {
    let home = Home::new();
    let run = |name: &str| {
        let credential = format!("{name}=env:PATH");
        home.authsome(["run", "--credential", &credential, "--", "echo", "ran"])
            .run()
    };
    run("opnai")
        .assert_code(125)
        .assert_stderr(&["opnai", "did you mean `openai`?"]);
    let output = run("zzzzzzzzzzzz");
    output
        .assert_code(125)
        .assert_stderr(&["zzzzzzzzzzzz", "authsome register FILE"]);
    output.assert_without("ran");
}

#[test]
fn a_provider_that_is_named_twice_is_an_error() {
    let home = Home::new();
    home.acme("");
    let output = home
        .authsome([
            "run",
            "--credential=acme=env:A",
            "--credential=acme=env:B",
            "true",
        ])
        .env("A", SECRET)
        .env("B", SECRET)
        .run();
    output.assert_code(125).assert_stderr(&["acme", "twice"]);
}

#[test]
fn a_secret_file_that_cannot_be_read_is_an_error_before_the_child_runs() {
    let home = Home::new();
    home.acme("");
    let folder = home.temporary().display().to_string();
    let output = home
        .authsome([
            "run",
            "--credential",
            &format!("acme=file:{folder}"),
            "--",
            "echo",
            "ran",
        ])
        .run();
    output
        .assert_code(125)
        .assert_stderr(&[&folder, "hint:"])
        .assert_without("ran");
    // Permissions stop everyone but root.
    let file = home.file("key", SECRET);
    let closed = std::fs::Permissions::from_mode(0o000);
    std::fs::set_permissions(&file, closed).unwrap();
    if std::fs::read(&file).is_err() {
        let output = home
            .authsome([
                "run",
                "--credential",
                &format!("acme=file:{file}"),
                "--",
                "echo",
                "ran",
            ])
            .run();
        output
            .assert_code(125)
            .assert_stderr(&[&file])
            .assert_without("ran");
    }
}

#[test]
fn an_upstream_ca_that_is_none_is_an_error_before_the_child_runs() {
    let home = Home::new();
    let text = home.file("text.pem", "no certificate");
    let broken = home.file(
        "broken.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    for file in ["/no/such/file", &text, &broken] {
        let output = home
            .authsome(["run", "--upstream-ca", file, "--", "echo", "ran"])
            .run();
        output
            .assert_code(125)
            .assert_stderr(&["--upstream-ca", file, "hint:"]);
        output.assert_without("ran");
    }
}

#[test]
fn verbose_says_a_line_for_each_request_without_secrets_and_queries() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(always_ok);
    let run = home.run(&origin).arg("--verbose").start();
    let request = format!(
        "POST /v1/a?key=leak-me HTTP/1.1\r\nHost: {HOST}\r\nX: leak-me\r\nContent-Length: 7\r\n\r\nleak-me"
    );
    run.proxy.exchange(HOST, &request);
    run.program.wait_for_stderr("/v1/a");
    let output = run.stop();
    let errors = output.stderr();
    let line = errors.lines().find(|line| line.contains("POST"));
    let line: Vec<&str> = line.expect("a line").split_whitespace().collect();
    let place = format!("https://{HOST}/v1/a");
    let expected = ["POST", &place, "200", "acme", "2", "B"];
    assert_eq!(line.get(2..8), Some(&expected[..]), "{output}");
    assert_eq!(line.last(), Some(&"ms"), "{output}");
    assert!(!output.stderr().contains("leak-me"), "{output}");
    output.assert_without(SECRET);
}

#[test]
fn verbose_tells_of_a_client_that_ends_as_soon_as_it_has_seen_the_certificate() {
    let home = Home::new();
    home.acme("");
    let origin = Origin::start(always_ok);
    let run = home.run(&origin).arg("--verbose").start();
    drop(run.proxy.tls(HOST));
    run.program.wait_for_stderr("ended without a request");
    let output = run.stop();
    assert_eq!(
        output.lines_with("it may not trust the certificate"),
        1,
        "{output}"
    );
}

#[test]
fn a_run_prints_nothing_of_its_own_on_stdout() {
    let home = Home::new();
    let output = home
        .authsome(["run", "-v", "--json", "true"])
        .env("OPENAI_API_KEY", SECRET)
        .run();
    output.assert_code(0);
    assert!(output.stdout.is_empty(), "{output}");
}

#[test]
fn the_demonstration_shows_a_credential_that_arrived() {
    let home = Home::new();
    let run = home.authsome(["run", "--demo"]).start();
    let host = "demo.authsome.test";
    let request = format!("GET /hello HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let response = run.proxy.exchange(host, &request);
    let shown = response.json();
    assert_eq!(shown["credential_arrived"], true);
    assert_eq!(shown["target"], "/hello");
    run.stop().assert_quiet();
}

/// A home with providers for every outcome.
fn home_to_explain() -> Home {
    let home = Home::new();
    home.acme(
        r#""api_url": ["https://api.acme.test/v1", "other.test", {"url": "git.test", "in": "basic", "username": "token"}],
        "auth_type": "api_key", "docs_url": "https://acme.test/keys",
        "oauth": {"token_url": "https://other.test/oauth/token"}"#,
    );
    home.like_acme(
        "beta",
        r#""api_url": "beta.test", "docs_url": "https://beta.test/keys""#,
    );
    home
}

/// The method and URL, then decision, provider and a part of the reason that `explain` gives for them.
const OUTCOMES: [[&str; 5]; 12] = [
    [
        "GET",
        "https://api.acme.test/v1/a?key=leak-me",
        "inject",
        "acme",
        "",
    ],
    ["POST", "other.test", "inject", "acme", ""],
    ["GET", "https://git.test/", "inject", "acme", ""],
    [
        "TRACE",
        "https://other.test/",
        "refuse",
        "acme",
        "send the credential back",
    ],
    [
        "GET",
        "https://api.acme.test/v1/..%2fa",
        "refuse",
        "",
        "different routes",
    ],
    [
        "GET",
        "https://api.acme.test/v2",
        "forward",
        "",
        "other paths only",
    ],
    [
        "GET",
        "https://other.test:8443/",
        "forward",
        "",
        "another port",
    ],
    ["GET", "http://other.test/", "forward", "", "plain http"],
    ["GET", "https://localhost/", "forward", "", "this machine"],
    [
        "GET",
        "https://nobody.test/",
        "forward",
        "",
        "no provider claims",
    ],
    [
        "GET",
        "https://beta.test/",
        "forward",
        "beta",
        "not connected",
    ],
    [
        "POST",
        "https://other.test/oauth/token",
        "forward",
        "",
        "OAuth endpoint of acme",
    ],
];

#[test]
fn explain_tells_of_each_outcome_as_json() {
    let home = home_to_explain();
    for [method, url, decision, provider, reason] in OUTCOMES {
        let answer = home.explain(&[method, url]);
        assert_eq!(answer["version"], 1);
        assert_eq!(answer["method"], method);
        assert_eq!(answer["decision"], decision, "{url} {answer}");
        assert_eq!(
            answer["provider"].as_str().unwrap_or_default(),
            provider,
            "{answer}"
        );
        let because = answer["reason"].as_str().unwrap_or_default();
        assert!(because.contains(reason), "{answer}");
        assert!(!answer.to_string().contains("leak-me"), "{answer}");
        assert!(!answer.to_string().contains(SECRET), "{answer}");
    }
}

#[test]
fn explain_tells_of_each_outcome_as_text() {
    let home = home_to_explain();
    for [method, url, decision, provider, reason] in OUTCOMES {
        let cmd = home.authsome(["explain", method, url]);
        let output = cmd.env("ACME_API_KEY", SECRET).run();
        output.assert_code(0).assert_quiet();
        output.assert_without("leak-me").assert_without(SECRET);
        let headline = match decision {
            "inject" => "gets a credential",
            "refuse" => "is refused",
            _ => "is forwarded as it is",
        };
        for words in [method, headline, provider, reason] {
            assert!(output.stdout().contains(words), "no {words:?}\n{output}");
        }
    }
}

#[test]
fn explain_says_where_the_credential_goes_and_how_to_connect() {
    let home = home_to_explain();
    let answer = home.explain(&["https://git.test/"]);
    assert_eq!(
        answer["credential"],
        "Authorization: Basic ******** (user token)"
    );
    assert_eq!(answer["route"], "https://git.test");
    assert_eq!(answer["connection"], "default");
    let answer = home.explain(&["https://beta.test/"]);
    let hint = answer["hint"].as_str().unwrap();
    assert!(
        hint.contains("BETA_API_KEY") && hint.contains("https://beta.test/keys"),
        "{answer}"
    );
}

#[test]
fn explain_tells_of_an_ambiguous_host() {
    let home = Home::new();
    home.acme("");
    home.like_acme("beta", "");
    let key = home.file("key", "beta-secret");
    let credential = format!("--credential=beta=file:{key}");
    let answer = home.explain(&[&credential, &format!("https://{HOST}/")]);
    assert_eq!(answer["decision"], "forward");
    assert_eq!(answer["reason"], "ambiguous between acme and beta");
}

#[test]
fn explain_agrees_with_what_the_proxy_then_does() {
    let home = Home::new();
    home.acme(
        r#""api_url": ["https://api.acme.test/v1", "https://api.acme.test/v2/b"], "in": "header",
        "oauth": {"token_url": "https://api.acme.test/v1/token"}"#,
    );
    let origin = Origin::start(always_ok);
    let run = home.run(&origin).start();
    let paths = [
        "/v1",
        "/v1/",
        "/v10",
        "/v1?x",
        "/%76%31/a",
        "/v2",
        "/v2/b",
        "/v2/bc",
        "/v2/a/../b",
        "/v1/..%2fv3",
        "/v1//a",
        "//v1",
        "/v1/token",
        "/v1/token/",
        "/v1/tokens",
        "/v1/;a",
        "/V1",
        "/",
        "/v1/%2e%2e/v3",
        "/v1/a%2fb",
        "/v1%5c..%5cb",
        "/v1/./token",
    ];
    for method in ["GET", "TRACE"] {
        for path in paths {
            let explained = home.explain(&[method, &format!("https://{HOST}{path}")]);
            let before = origin.requests().len();
            let request = format!("{method} {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
            let response = run.proxy.exchange(HOST, &request);
            let done = match (response.status(), origin.requests().get(before)) {
                (200, Some(request)) if request.has("Authorization") => "inject",
                (200, Some(_)) => "forward",
                (400 | 405, None) => "refuse",
                other => panic!("{other:?}"),
            };
            assert_eq!(explained["decision"], done, "{method} {path}: {explained}");
        }
    }
    run.stop();
}
