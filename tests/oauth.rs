//! Logging in by OAuth in the browser: what the person is sent to, what comes back, who asks, and what is stored.

use std::fs;
use std::net::TcpListener;

use serde_json::Value;
use serde_json::json;

use crate::support::BINARY;
use crate::support::Cmd;
use crate::support::Home;
use crate::support::Output;
use crate::support::PLACEHOLDER;
use crate::support::browser;
use crate::support::browser::free_port;
use crate::support::client;
use crate::support::idp;
use crate::support::idp::Fault;
use crate::support::idp::ISSUER;
use crate::support::idp::Idp;
use crate::support::idp::OTHER;
use crate::support::idp::PUBLIC;
use crate::support::origin::HOST;
use crate::support::page::Page;

/// What `list` knows of the first connection.
pub(crate) fn listed(home: &Home) -> Value {
    let output = home.authsome(["list", "--json"]).run();
    output.assert_code(0);
    output.json::<Value>()["connections"][0].clone()
}

/// The credential of the connection, as `get` shows it.
pub(crate) fn credential(idp: &Idp, home: &Home) -> String {
    let words = [
        "get",
        "acme",
        "--field",
        "credential",
        "--show-secret",
        "--quiet",
    ];
    let output = idp.authsome(home, &words).run();
    output.assert_code(0);
    output.stdout().trim_end().to_owned()
}

/// The status that a run's request gets.
fn asked_in_a_run(idp: &Idp, home: &Home) -> u16 {
    let run = idp.run(home).start();
    let request = format!("GET /v1 HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    let response = run.proxy.exchange(HOST, &request);
    idp.assert_discreet(&run.stop());
    response.status()
}

/// Checks that a login has failed with these words and a hint.
fn assert_failed(output: &Output, words: &[&str]) {
    output
        .assert_code(1)
        .assert_stderr(&["authsome: ", "hint: "]);
    output.assert_stderr(words);
    assert!(output.stdout.is_empty(), "{output}");
}

/// The vault's bytes, or none where there is no vault.
fn vault(home: &Home) -> Option<Vec<u8>> {
    fs::read(home.own("vault")).ok()
}

// What the person is sent to.

#[test]
fn a_port_that_is_in_use_is_an_error_that_names_another_way() {
    let idp = Idp::start();
    let home = idp::home("pkce", &json!({}));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let words = ["login", "acme", "--callback-port", &port];
    let output = idp.authsome(&home, &words).run();
    let error = format!("cannot listen on port {port} for the browser to come back");
    assert_failed(&output, &[&error, "choose another with --callback-port"]);
    assert!(idp.seen("/token").is_empty() && vault(&home).is_none());
}

#[test]
fn wrong_usage_of_a_login_by_oauth_asks_nobody() {
    let idp = Idp::start();
    let home = idp::home("pkce", &json!({}));
    for words in [
        &["--client-secret-from", "env:A"][..],
        &["--client-id", "a", "--client-secret-from", "leak-me"],
        &["--callback-port", "0"],
        &["--callback-port", "65536"],
        &["--flow", "implicit"],
    ] {
        let cmd = idp.authsome(&home, &["login", "acme"]).args(words);
        let output = cmd.run();
        output.assert_code(2).assert_without("leak-me");
    }
    let no_secret = ["login", "acme", "--client-id", "a", "--client-secret-from"];
    let cmd = idp.authsome(&home, &no_secret).arg("env:NO_SUCH");
    assert_failed(&cmd.run(), &["no secret for the client", "NO_SUCH"]);
    assert!(idp.seen("/token").is_empty() && vault(&home).is_none());
}

#[test]
fn the_person_is_sent_to_the_server_with_all_that_it_has_to_know() {
    let idp = Idp::start();
    let params = json!({"authorization_params": {"prompt": "consent", "access_type": "offline"}});
    let home = idp::home("pkce", &params);
    let login = idp.login(&home, &[]);
    assert!(login.url.starts_with("https://idp.test/authorize?"));
    let mut fields = login.fields();
    let state = fields.remove("state").unwrap();
    let challenge = fields.remove("code_challenge").unwrap();
    assert_eq!((state.len(), challenge.len()), (43, 43));
    assert_ne!(state, challenge);
    let redirect = format!("http://127.0.0.1:{}/callback", login.port);
    let expected = [
        ("access_type", "offline"),
        ("client_id", PUBLIC),
        ("code_challenge_method", "S256"),
        ("prompt", "consent"),
        ("redirect_uri", &redirect),
        ("response_type", "code"),
        ("scope", "read write"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(fields.into_iter().collect::<Vec<_>>(), expected);
    let output = login.complete(&idp);
    output.assert_code(0);
    let words = "connected acme; its credential goes to https://api.acme.test,";
    output.assert_stderr(&[words]);
    // The server has checked code, verifier and redirect URI.
    let request = idp.last("/token");
    assert_eq!(request.field("client_id"), PUBLIC);
    assert_eq!(request.authorization, None);
    assert!(!request.fields.contains_key("client_secret"));
}

#[test]
fn a_server_without_pkce_gets_none() {
    let idp = Idp::start();
    let home = idp::home("pkce", &json!({"pkce": false}));
    let login = idp.login(&home, &[]);
    assert!(!login.url.contains("code_challenge"), "{}", login.url);
    login.complete(&idp).assert_code(0);
    assert!(!idp.last("/token").fields.contains_key("code_verifier"));
}

#[test]
fn scopes_are_those_of_the_command_line_and_then_those_of_the_server() {
    let idp = Idp::start();
    let home = idp::home("pkce", &json!({}));
    for (words, asked) in [
        ("one two", "one two"),
        ("one,two, three", "one two three"),
        ("one", "one"),
    ] {
        let login = idp.login(&home, &["--force", "--scopes", words]);
        assert_eq!(login.fields()["scope"], asked);
        login.complete(&idp).assert_code(0);
        let scopes: Vec<&str> = asked.split(' ').collect();
        assert_eq!(listed(&home)["scopes"], json!(scopes));
    }
    let login = idp.login(&home, &["--force", "--scopes", ""]);
    assert!(!login.fields().contains_key("scope"));
    idp.change(|manner| manner.scope = Some("less than that"));
    login.complete(&idp).assert_code(0);
    assert_eq!(listed(&home)["scopes"], json!(["less", "than", "that"]));
}

#[test]
fn tokens_go_where_they_belong_and_are_shown_where_they_are_asked_for() {
    let idp = Idp::start();
    let home = idp::home("pkce", &json!({}));
    idp.log_in(&home, &[]);
    let (access, refresh) = (idp.newest("access"), idp.newest("refresh"));
    let run = idp.run(&home).start();
    assert_eq!(run.env["ACME_TOKEN"], PLACEHOLDER);
    let request = format!("GET /v1 HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    assert_eq!(run.proxy.exchange(HOST, &request).text(), "ok");
    idp.assert_discreet(&run.stop());
    let arrived = idp.last("/v1").authorization;
    assert_eq!(arrived, Some(format!("Bearer {access}")));

    assert_shown(&idp, &home);
    assert_eq!(credential(&idp, &home), access);
    let export = |words: &[&str]| {
        let cmd = idp.authsome(&home, &["export", "acme"]);
        let output = cmd.args(words).run();
        output.assert_code(0);
        output.stdout()
    };
    assert_eq!(export(&[]), format!("ACME_TOKEN={access}\n"));
    let both = format!("ACME_REFRESH_TOKEN={refresh}\nACME_TOKEN={access}\n");
    assert_eq!(export(&["--with-refresh-token"]), both);
    assert!(idp.refreshes().is_empty());
}

/// Checks what is shown of a login that went well, and that it is no secret.
fn assert_shown(idp: &Idp, home: &Home) {
    let known = listed(home);
    assert_eq!(known["flow"], "pkce");
    assert_eq!(known["state"], "ok");
    assert_eq!(known["source"], "vault");
    assert_eq!(known["refreshable"], true);
    assert_eq!(known["scopes"], json!(["read", "write"]));
    let expires = known["expires"].as_str().expect("a time");
    assert!(expires.starts_with("20") && expires.ends_with('Z'));
    for (field, value) in [
        ("flow", "pkce"),
        ("scopes", "read write"),
        ("expires", expires),
        ("refreshable", "true"),
    ] {
        let output = home.authsome(["get", "acme", "--field", field]).run();
        assert_eq!(output.stdout(), format!("{value}\n"));
    }
    idp.assert_discreet(&home.authsome(["get", "acme"]).run());
}

#[test]
fn a_program_reads_the_page_in_json() {
    let idp = Idp::start();
    let home = idp::home("pkce", &json!({}));
    let login = idp.login(&home, &["--json"]);
    let start = login.start.clone();
    let output = login.complete(&idp);
    let said: Value = serde_json::from_str(&output.stderr()).unwrap();
    let expected = json!({
        "version": 1,
        "open": start,
        "seconds": 300,
        "agree_at": "idp.test",
        "code_goes_to": "idp.test",
    });
    assert_eq!(said, expected);
    let answer: Value = output.json();
    assert_eq!(answer["provider"], "acme");
    assert_eq!(answer["routes"], json!([format!("https://{HOST}")]));
}

// What comes back.

#[test]
fn what_is_not_the_answer_leaves_the_login_as_it_is() {
    let idp = Idp::start();
    let home = idp::home("pkce", &json!({}));
    let login = idp.login(&home, &[]);
    for (request, status) in [
        (browser::get("/callback?code=x&state=wrong"), 400),
        (browser::get("/callback?code=x"), 400),
        (browser::get("/callback"), 400),
        (browser::get("/callback?code=x&state="), 400),
        (browser::get("/callback?code=x&state=STATE&state=STATE"), 400),
        (browser::get("/callback?code=x&code=y&state=STATE"), 400),
        (browser::get("/callback?code=x&state=STATE&iss=a&iss=b"), 400),
        (browser::get("/callback?state=STATE"), 400),
        (browser::get("/callback?error=access_denied"), 400),
        (browser::get("/callback?error=access_denied&state=wrong"), 400),
        (browser::get("/?code=x&state=STATE"), 404),
        (browser::get("/callback/?code=x&state=STATE"), 404),
        (browser::get("/favicon.ico"), 404),
        (
            "GET /callback?code=x&state=STATE HTTP/1.1\r\nHost: evil.test:PORT\r\n\r\n".into(),
            403,
        ),
        (
            "GET /callback?code=x&state=STATE HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".into(),
            403,
        ),
        (
            "POST /callback?code=x&state=STATE HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nContent-Length: 18\r\n\r\ncode=x&state=STATE"
                .into(),
            404,
        ),
        (
            "HEAD /callback?code=x&state=STATE HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n".into(),
            405,
        ),
    ] {
        let answer = login.send(&request);
        assert_eq!(answer.status(), status, "{request}\n{answer}");
        assert!(!answer.text().contains(&login.state()), "{answer}");
    }
    assert!(idp.seen("/token").is_empty());
    login.complete(&idp).assert_code(0);
    assert_eq!(idp.seen("/token").len(), 1);
}

#[test]
fn the_same_answer_once_more_is_not_redeemed_again() {
    let idp = Idp::start();
    let home = idp::home("pkce", &json!({}));
    let login = idp.login(&home, &[]);
    let target = login.agree(&idp);
    idp.hold();
    let mut first = login.channel(&browser::get(&target));
    idp.wait_for_token_requests(1);
    let mut second = login.channel(&browser::get(&target));
    idp.release();
    let answer = first.response("GET");
    assert_eq!(answer.status(), 200, "{answer}");
    assert!(answer.text().contains("Acme is connected"), "{answer}");
    // The other tab is told that it is over, unless the program has ended before.
    let (rest, _) = second.rest();
    let told = String::from_utf8_lossy(&rest).into_owned();
    assert!(
        told.is_empty() || told.starts_with("HTTP/1.1 409 "),
        "{told}"
    );
    let port = login.port;
    login.end(&idp).assert_code(0);
    assert_eq!(idp.seen("/token").len(), 1);
    let late = std::net::TcpStream::connect(("127.0.0.1", port));
    assert!(late.is_err(), "someone listens still");
}

#[test]
fn what_the_server_says_instead_of_a_code_is_told_in_both_places() {
    let idp = Idp::start();
    let home = idp::home("pkce", &json!({}));
    for (query, words, shown) in [
        (
            "error=access_denied&error_description=x",
            &["access was denied", "hint: log in again, and agree"][..],
            "Access was denied",
        ),
        (
            "error=invalid_scope&error_description=%3Cb%3Eno+%22x%22%1b%5B31m%0a%C3%A9",
            &[
                r#"the server says invalid_scope (<b>no \"x\"\x1b[31m\n\xc3\xa9)"#,
                "--scopes",
            ],
            "&lt;b&gt;no",
        ),
        (
            "error=%3Cscript%3E",
            &["the server says that something is wrong"],
            "The server says that something is wrong",
        ),
        // Whatever else comes with it, an error is one.
        (
            "error=server_error&code=x",
            &["the server says server_error"],
            "server_error",
        ),
    ] {
        let login = idp.login(&home, &[]);
        let answer = login.come_back(&format!("/callback?{query}&state=STATE"));
        assert_eq!(answer.status(), 200, "{answer}");
        let page = answer.text();
        assert!(page.contains("Acme is not connected"), "{answer}");
        assert!(page.contains(shown), "{answer}");
        assert!(
            !page.contains("<b>") && !page.contains("<script"),
            "{answer}"
        );
        let output = login.end(&idp);
        assert_failed(&output, words);
        output.assert_without("\u{1b}");
    }
    assert!(idp.seen("/token").is_empty() && vault(&home).is_none());
}

#[test]
fn an_answer_of_another_server_is_not_redeemed() {
    let idp = Idp::start();
    let document = |promise: Value| {
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://idp.test/authorize",
            "token_endpoint": "https://idp.test/token",
            "authorization_response_iss_parameter_supported": promise,
        })
    };
    let place = "idp.test/.well-known/oauth-authorization-server";
    // Whether the server promises to say who it is, whom it names, and whether that is right.
    for (promise, iss, is_good) in [
        (json!(true), Some("https://other.test"), false),
        (json!(true), Some("https://idp.test/"), false),
        (json!(true), None, false),
        (json!(false), Some("https://other.test"), false),
        (json!(false), None, true),
        (json!("true"), None, true),
        (json!(true), Some(ISSUER), true),
    ] {
        let oauth = json!({"authorization_url": null, "token_url": null, "issuer": ISSUER});
        let home = idp::home("pkce", &oauth);
        idp.change(|manner| {
            manner
                .documents
                .insert(place.to_owned(), document(promise.clone()));
            manner.iss = iss;
        });
        let before = idp.seen("/token").len();
        let output = idp.login(&home, &[]).complete(&idp);
        if is_good {
            output.assert_code(0);
        } else {
            let words = "the answer comes from another server than was asked";
            assert_failed(&output, &[words, "someone is in between"]);
            assert!(vault(&home).is_none(), "{promise} {iss:?}");
        }
        let redeemed = idp.seen("/token").len() - before;
        assert_eq!(redeemed, usize::from(is_good), "{promise} {iss:?}");
    }
}

#[test]
fn an_issuer_of_the_definition_counts_without_its_document() {
    let idp = Idp::start();
    let home = idp::home("pkce", &json!({"issuer": ISSUER}));
    idp.change(|manner| manner.iss = Some("https://other.test"));
    let output = idp.login(&home, &[]).complete(&idp);
    assert_failed(&output, &["another server than was asked"]);
    idp.change(|manner| manner.iss = Some(ISSUER));
    idp.log_in(&home, &[]);
}

#[test]
fn a_thousand_connections_that_say_nothing_keep_nobody_from_coming_back() {
    let idp = Idp::start();
    let home = idp::home("pkce", &json!({}));
    let login = idp.login(&home, &[]);
    let target = login.agree(&idp);
    let stray: Vec<_> = (0..1000).map(|_| client::connect(login.port)).collect();
    let answer = login.come_back(&target);
    assert!(answer.text().contains("Acme is connected"), "{answer}");
    login.end(&idp).assert_code(0);
    drop(stray);
    assert_eq!(asked_in_a_run(&idp, &home), 200);
}

#[test]
fn nor_do_they_where_few_descriptors_are_to_be_had() {
    let idp = Idp::start();
    let home = idp::home("pkce", &json!({}));
    let port = free_port();
    let port_of_it = port.to_string();
    let limited = "ulimit -n 256; exec \"$0\" \"$@\"";
    let words = ["login", "acme", "--callback-port", &port_of_it];
    let cmd = Cmd::new(&home, "sh").args(["-c", limited, BINARY]);
    let cmd = cmd.args(words).args(idp.origin.args_for(&[idp::IDP]));
    let program = cmd.background();
    program.wait_for_stderr("The login waits for");
    let login = browser::Login::behind(program, port);
    let target = login.agree(&idp);
    let stray: Vec<_> = (0..300).map(|_| client::connect(login.port)).collect();
    let answer = login.come_back(&target);
    assert!(answer.text().contains("Acme is connected"), "{answer}");
    login.end(&idp).assert_code(0);
    drop(stray);
}

// Who asks.

/// A server that knows one client, and its secret.
fn with_client(id: &str, secret: Option<&str>) -> Idp {
    let (id, secret) = (id.to_owned(), secret.map(str::to_owned));
    Idp::with(|manner| manner.clients = [(id, secret)].into())
}

/// The secret of a client. Its signs have a meaning in forms and in basic authentication.
const CLIENT_SECRET: &str = "client+s3cret/of:acme %&=";

/// `login acme` with a client of the command line.
const WITH_CLIENT: [&str; 6] = [
    "login",
    "acme",
    "--client-id",
    "own client",
    "--client-secret-from",
    "env:CLIENT_SECRET",
];

#[test]
fn a_client_shows_its_secret_as_the_definition_says_and_is_kept_sealed() {
    for auth in ["body", "basic"] {
        let idp = with_client("own client", Some(CLIENT_SECRET));
        idp.change(|manner| manner.expires_in = json!(1));
        let home = idp::home("pkce", &json!({"client_auth": auth, "client_id": null}));
        let cmd = idp.authsome(&home, &WITH_CLIENT);
        let cmd = cmd.env("CLIENT_SECRET", CLIENT_SECRET);
        let output = idp.login_by(cmd, free_port()).complete(&idp);
        output.assert_code(0).assert_without(CLIENT_SECRET);
        // It is there for the next login, and for new tokens.
        let output = idp.log_in(&home, &["--force"]);
        output.assert_without(CLIENT_SECRET);
        idp.wait_for_end_of_tokens();
        assert_eq!(asked_in_a_run(&idp, &home), 200);
        assert_eq!(idp.refreshes().len(), 1);
        for seen in idp.seen("/token") {
            assert_eq!(seen.fields.contains_key("client_secret"), auth == "body");
            assert_eq!(seen.fields.contains_key("client_id"), auth == "body");
            assert_eq!(seen.authorization.is_some(), auth == "basic");
        }
        for file in home.files() {
            let content = fs::read(&file).unwrap_or_default();
            let is_in = crate::support::contains(&content, b"s3cret/of");
            assert!(!is_in, "{}", file.display());
        }
    }
}

#[test]
fn a_client_that_the_server_does_not_know_is_an_error_that_names_the_way_out() {
    let idp = with_client("another", Some("x"));
    let home = idp::home("pkce", &json!({}));
    let output = idp.login(&home, &[]).complete(&idp);
    assert_failed(&output, &["the server says invalid_client", "--new-client"]);
    assert!(vault(&home).is_none());
}

#[test]
fn a_kept_secret_is_not_shown_to_another_token_endpoint() {
    let idp = with_client("own client", Some(CLIENT_SECRET));
    let home = idp::home("pkce", &json!({"client_id": null}));
    let log_in = || {
        let cmd = idp.authsome(&home, &[&WITH_CLIENT[..], &["--force"]].concat());
        let cmd = cmd.env("CLIENT_SECRET", CLIENT_SECRET);
        idp.login_by(cmd, free_port()).complete(&idp)
    };
    log_in().assert_code(0);
    let elsewhere = json!({"client_id": null, "token_url": "https://other.test/token"});
    idp::define(&home, "pkce", &elsewhere);
    let to_other = || {
        let seen = idp.seen("/token").into_iter();
        seen.filter(|seen| seen.host == OTHER).collect::<Vec<_>>()
    };
    // Not when nothing is said of a client, and not when only its name is.
    let words = ["login", "acme", "--force"];
    let page = Page::of(idp.authsome(&home, &words).background());
    assert!(page.get().text().contains("A client for Acme"));
    drop(page);
    let words = ["login", "acme", "--force", "--client-id", "own client"];
    let login = idp.login_by(idp.authsome(&home, &words), free_port());
    let output = login.complete(&idp);
    assert_failed(&output, &["invalid_client"]);
    assert!(
        to_other()
            .iter()
            .all(|seen| !seen.fields.contains_key("client_secret"))
    );
    // A person who gives it again means the new one.
    log_in().assert_code(0);
    assert_eq!(
        to_other().last().unwrap().field("client_secret"),
        CLIENT_SECRET
    );
}

#[test]
fn each_installation_has_a_client_of_its_own() {
    let idp = Idp::start();
    let home = idp::home(
        "pkce",
        &json!({
            "authorization_url": "{base_url}/authorize",
            "token_url": "{base_url}/token",
            "client_id": null,
        }),
    );
    let at = |host: &str, name: &str, words: &[&str]| {
        let url = format!("https://{host}");
        let all = [&["--base-url", &url, "--connection", name], words].concat();
        let login = idp.login(&home, &all);
        let id = login.fields()["client_id"].clone();
        assert!(login.url.starts_with(&format!("{url}/authorize?")));
        login.complete(&idp).assert_code(0);
        id
    };
    assert_eq!(at(idp::IDP, "one", &["--client-id", "first"]), "first");
    assert_eq!(at(idp::IDP, "two", &[]), "first");
    assert_eq!(at(OTHER, "three", &["--client-id", "second"]), "second");
    assert_eq!(at(OTHER, "four", &[]), "second");
    assert_eq!(at(idp::IDP, "five", &[]), "first");
    // One that was never entered for an installation isn't taken from another.
    let words = ["login", "acme", "--base-url", "https://auth.acme.test"];
    let page = Page::of(idp.authsome(&home, &words).background());
    assert!(page.get().text().contains("A client for Acme"));
}

#[test]
fn without_a_terminal_a_page_asks_for_the_client() {
    let idp = with_client("own-client", Some(CLIENT_SECRET));
    let home = idp::home("pkce", &json!({"client_id": null}));
    let port = free_port();
    let port_of_it = port.to_string();
    let words = ["login", "acme", "--callback-port", &port_of_it];
    let page = Page::of(idp.authsome(&home, &words).background());
    let form = page.get();
    let redirect = format!("http://127.0.0.1:{port}/callback");
    assert!(form.text().contains(&redirect), "{form}");
    let own = "Origin: http://127.0.0.1:PORT\r\nSec-Fetch-Site: same-origin\r\n";
    let token = page.token();
    let enter = |token: &str, id: &str, secret: &str| {
        let fields = [
            ("token", token),
            ("id", id),
            ("secret", secret),
            ("action", "store"),
        ];
        page.post(&fields, own)
    };
    for (token, id, secret, status) in [
        ("wrong", "own-client", CLIENT_SECRET, 403),
        (&*token, "", CLIENT_SECRET, 422),
        (&*token, "schlüssel", CLIENT_SECRET, 422),
        (&*token, "own-client", "two\nlines", 422),
    ] {
        let answer = enter(token, id, secret);
        assert_eq!(answer.status(), status, "{answer}");
        assert!(!answer.text().contains("s3cret"), "{answer}");
    }
    let answer = enter(&token, "own-client", CLIENT_SECRET);
    assert!(answer.text().contains("The client is taken"), "{answer}");
    page.program.wait_for_stderr("The login waits for");
    let login = browser::Login::behind(page.program, port);
    assert_eq!(login.fields()["client_id"], "own-client");
    let output = login.complete(&idp);
    output.assert_code(0).assert_without(CLIENT_SECRET);

    // The next login asks no more, unless that is said.
    idp.log_in(&home, &["--force"]);
    let words = ["login", "acme", "--force", "--new-client"];
    let page = Page::of(idp.authsome(&home, &words).background());
    let token = page.token();
    let fields = [("token", &*token), ("action", "cancel")];
    assert!(page.post(&fields, own).text().contains("Cancelled"));
    let before = vault(&home);
    let output = page.program.end();
    assert_failed(&output, &["the person cancelled", "--client-id"]);
    assert_eq!(vault(&home), before);
}

// Trouble with the token endpoint.

/// What a token endpoint can do wrong, and what a person is told.
pub(crate) fn faults() -> Vec<(Fault, &'static str)> {
    let html = |status| Fault::Answer(status, "Content-Type: text/html", "<html>".into());
    let mut all = vec![
        (
            Fault::Closed,
            "ended the connection before its answer was whole",
        ),
        (
            Fault::Short("{\"access_token\": \"leak-me"),
            "ended the connection",
        ),
        (Fault::Interim, "the head is too large"),
        (html(500), "is status 500 without a reason"),
        (html(200), "is no JSON (status 200)"),
        (
            Fault::Answer(302, "Location: https://other.test/token", String::new()),
            "is status 302 without a reason",
        ),
        (
            Fault::Answer(307, "Location: https://other.test/token", String::new()),
            "is status 307 without a reason",
        ),
    ];
    all.extend(wrong_bodies());
    all
}

/// The same in JSON, or what should be.
fn wrong_bodies() -> Vec<(Fault, &'static str)> {
    let json = Fault::json;
    vec![
        (json(200, "{\"access_token\": \"leak-me"), "is cut short"),
        (
            json(200, &format!("{{\"a\": \"{}\"}}", "x".repeat(10 << 20))),
            "is larger than 1 MiB",
        ),
        (json(200, "[\"leak-me\"]"), "is no JSON object"),
        (
            json(200, "{\"token_type\": \"bearer\"}"),
            "has no access_token",
        ),
        (
            json(200, "{\"access_token\": 5}"),
            "a field access_token that is no text",
        ),
        (
            json(
                200,
                "{\"access_token\": \"leak-me\", \"expires_in\": \"soon\"}",
            ),
            "a field expires_in that is no number",
        ),
        (
            json(
                200,
                "{\"access_token\": \"leak-me\", \"access_token\": \"leak-me-too\"}",
            ),
            "has a field twice",
        ),
        (
            json(200, "{\"access_token\": \"leak\\r\\nme\"}"),
            "an access_token that can't be sent",
        ),
        (
            json(
                200,
                "{\"error\": \"bad_verification_code\", \"access_token\": \"leak-me\"}",
            ),
            "the server says bad_verification_code",
        ),
        (
            json(
                400,
                "{\"error\": \"invalid_request\", \"error_description\": \"It is\\u001b old\"}",
            ),
            "the server says invalid_request",
        ),
    ]
}

#[test]
fn trouble_with_the_token_endpoint_is_told_and_changes_nothing() {
    let idp = Idp::start();
    let home = idp::home("pkce", &json!({}));
    idp.log_in(&home, &[]);
    let (before, access) = (vault(&home), idp.newest("access"));
    for (fault, words) in faults() {
        idp.once("/token", fault);
        let is_described = words == "the server says invalid_request";
        let output = idp.login(&home, &["--force"]).complete(&idp);
        assert_failed(&output, &["cannot log in to acme: ", words]);
        if is_described {
            // The person who logs in gets all of it, escaped.
            output.assert_stderr(&["invalid_request (It is\\x1b old)"]);
        }
        output.assert_without("leak").assert_without("\u{1b}");
        assert!(vault(&home) == before, "{output}");
    }
    assert_eq!(credential(&idp, &home), access);
    // Nothing has followed where a redirection led.
    assert!(idp.seen("/token").iter().all(|seen| seen.host == idp::IDP));
    // A server that isn't there at all.
    let port = free_port().to_string();
    let login = ["login", "acme", "--force", "--connect-to"];
    let nowhere = format!("idp.test:443:127.0.0.1:{port}");
    let cmd = home.authsome(login).arg(nowhere);
    let login = idp.login_by(cmd, free_port());
    let target = login.agree(&idp);
    assert!(
        login
            .come_back(&target)
            .text()
            .contains("Acme is not connected")
    );
    assert_failed(&login.end(&idp), &["idp.test", "check the network"]);
    assert!(vault(&home) == before);
}

#[test]
fn lifetimes_are_read_in_every_form() {
    let idp = Idp::start();
    let home = idp::home("pkce", &json!({}));
    for (written, is_known) in [
        (json!(3600), true),
        (json!("3600"), true),
        (json!(3599.5), true),
        (json!(1e18), true),
        (json!(null), false),
        (json!(0), false),
        (json!("0"), false),
        (json!(-1), false),
    ] {
        idp.change(|manner| manner.expires_in = written.clone());
        idp.log_in(&home, &["--force"]);
        let known = listed(&home);
        assert_eq!(known["expires"].is_string(), is_known, "{written}");
        assert_eq!(known["state"], "ok", "{written}");
        assert_eq!(asked_in_a_run(&idp, &home), 200, "{written}");
    }
    assert!(idp.refreshes().is_empty());
}
