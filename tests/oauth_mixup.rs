//! Authorization servers that stand in for one another: what metadata may name, where answers come to, and who gets a client's secret.

use serde_json::Value;
use serde_json::json;

use crate::support::Home;
use crate::support::Output;
use crate::support::browser::free_port;
use crate::support::idp;
use crate::support::idp::Idp;
use crate::support::idp::OTHER;
use crate::support::origin::HOST;
use crate::support::page::Page;

/// A hostile resource, which is its own authorization server.
const EVIL: &str = "https://other.test";

/// What it says of itself, with these fields of its metadata; null takes one out.
fn evil(fields: &Value) -> Idp {
    let mut document = json!({
        "issuer": EVIL,
        "authorization_endpoint": "https://other.test/authorize",
        "token_endpoint": "https://other.test/token",
        "registration_endpoint": "https://other.test/register",
        "device_authorization_endpoint": "https://other.test/device",
    });
    for (name, value) in fields.as_object().expect("an object") {
        document[name] = value.clone();
    }
    let place = "other.test/.well-known/oauth-authorization-server";
    Idp::with(|manner| {
        manner.documents.insert(place.to_owned(), document);
        manner.device_start["verification_uri"] = "https://other.test/activate".into();
    })
}

/// A home whose definition names that issuer, and these endpoints.
fn home(flow: &str, endpoints: &Value) -> Home {
    let mut fields = json!({
        "issuer": EVIL,
        "authorization_url": null,
        "token_url": null,
        "device_authorization_url": null,
    });
    for (name, value) in endpoints.as_object().expect("an object") {
        fields[name] = value.clone();
    }
    idp::home(flow, &fields)
}

/// Checks that a login ends with these words before anyone is asked to agree, registers, or gets a code.
fn assert_stopped(idp: &Idp, home: &Home, words: &[&str]) -> Output {
    let output = idp.authsome(home, &["login", "acme"]).run();
    output
        .assert_code(1)
        .assert_stderr(&["authsome: cannot log in to acme: other.test names "])
        .assert_stderr(words)
        .assert_stderr(&[
            "a definition of your own with `oauth.authorization_url`, `oauth.token_url` and",
        ])
        .assert_without("127.0.0.1:")
        .assert_without("WDJB");
    assert!(!home.own("vault").exists(), "{output}");
    for path in ["/token", "/register"] {
        assert!(idp.seen(path).is_empty(), "{path}");
    }
    output
}

// What metadata may name.

#[test]
fn metadata_names_no_endpoint_of_another_host() {
    for (flow, field, words) in [
        (
            "dcr_pkce",
            "authorization_endpoint",
            "authorization endpoint",
        ),
        ("pkce", "authorization_endpoint", "authorization endpoint"),
        ("dcr_pkce", "token_endpoint", "token endpoint"),
        ("dcr_pkce", "registration_endpoint", "registration endpoint"),
        (
            "device_code",
            "device_authorization_endpoint",
            "device authorization endpoint",
        ),
        ("device_code", "token_endpoint", "token endpoint"),
    ] {
        for (url, host) in [
            ("https://idp.test/x", "idp.test"),
            ("https://other.test:444/x", "other.test:444"),
            ("https://other.test.idp.test/x", "other.test.idp.test"),
        ] {
            let idp = evil(&json!({field: url}));
            let words = format!("names {host} as its {words}, but may speak for its own host only");
            assert_stopped(&idp, &home(flow, &json!({})), &[&words]);
            assert!(idp.seen("/device").is_empty());
        }
    }
}

#[test]
fn a_definition_that_writes_endpoints_out_may_name_any_hosts() {
    let idp = evil(&json!({"authorization_endpoint": "https://idp.test/authorize"}));
    let endpoints = json!({
        "authorization_url": "https://idp.test/authorize",
        "token_url": "https://other.test/token",
    });
    let home = home("pkce", &endpoints);
    let output = idp.log_in(&home, &[]);
    output.assert_stderr(&["Agree at idp.test; the code goes to other.test."]);
    assert_eq!(idp.last("/token").host, OTHER);
}

#[test]
fn metadata_completes_no_definition_of_another_host() {
    let idp_test = |field: &str, path: &str| json!({field: format!("https://idp.test/{path}")});
    for (flow, written, endpoint) in [
        (
            "pkce",
            idp_test("authorization_url", "authorize"),
            "authorization endpoint",
        ),
        ("pkce", idp_test("token_url", "token"), "token endpoint"),
        (
            "device_code",
            idp_test("device_authorization_url", "device"),
            "device authorization endpoint",
        ),
        (
            "device_code",
            idp_test("token_url", "token"),
            "token endpoint",
        ),
    ] {
        let idp = evil(&json!({}));
        let words =
            format!("that the definition lacks, and the definition has the {endpoint} at idp.test");
        assert_stopped(&idp, &home(flow, &written), &[&words]);
        assert!(idp.seen("/device").is_empty());
    }
}

#[test]
fn metadata_that_registers_a_client_gets_nothing_of_a_token_endpoint_elsewhere() {
    let idp = evil(&json!({"revocation_endpoint": "https://other.test/revoke"}));
    idp.change(|manner| manner.registers_secret = true);
    let endpoints = json!({
        "authorization_url": "https://idp.test/authorize",
        "token_url": "https://idp.test/token",
    });
    let home = home("dcr_pkce", &endpoints);
    let output = idp.log_in(&home, &[]);
    output.assert_stderr(&[
        "other.test names a revocation endpoint at other.test, which is not used",
    ]);
    idp.authsome(&home, &["logout", "acme"]).run();
    assert!(idp.seen("/revoke").is_empty());
    assert!(idp.seen("/token").iter().all(|seen| seen.host == idp::IDP));
}

#[test]
fn a_found_server_shows_no_page_for_codes_of_another_host() {
    let page = |field: &str, url: &str| {
        let idp = evil(&json!({}));
        idp.change(|manner| manner.device_start[field] = url.into());
        idp
    };
    let words = "names idp.test as its page for codes";
    for field in [
        "verification_uri",
        "verification_url",
        "verification_uri_complete",
    ] {
        let idp = page(field, "https://idp.test/activate");
        assert_stopped(&idp, &home("device_code", &json!({})), &[words]);
    }
    let idp = page("verification_uri", "idp.test/activate");
    let home_of_it = home("device_code", &json!({}));
    let output = idp.authsome(&home_of_it, &["login", "acme"]).run();
    output
        .assert_code(1)
        .assert_stderr(&["has a verification_uri that is no URL"]);
    output.assert_without("WDJB");
    // At its own host it may.
    let idp = evil(&json!({}));
    let home = home("device_code", &json!({}));
    let output = idp.authsome(&home, &["login", "acme"]).run();
    output
        .assert_code(0)
        .assert_stderr(&["https://other.test/activate"]);
}

#[test]
fn an_endpoint_elsewhere_that_the_login_does_not_need_is_left_out() {
    let idp = evil(&json!({
        "revocation_endpoint": "https://idp.test/revoke",
        "device_authorization_endpoint": "https://idp.test/device",
    }));
    let home = home("dcr_pkce", &json!({}));
    let output = idp.log_in(&home, &[]);
    output.assert_stderr(&["other.test names a revocation endpoint at idp.test"]);
    idp.authsome(&home, &["logout", "acme"]).run();
    assert!(idp.seen("/revoke").is_empty());
    let output = idp
        .authsome(&home, &["login", "acme", "--flow", "device_code"])
        .run();
    output
        .assert_code(1)
        .assert_stderr(&["other.test names idp.test as its device authorization endpoint"]);
    assert!(idp.seen("/device").is_empty());
}

// Where answers come to.

#[test]
fn a_server_that_does_not_promise_its_name_has_a_path_of_its_own() {
    let own_path = |issuer: &str| {
        let place = format!(
            "{}/.well-known/oauth-authorization-server",
            issuer.trim_start_matches("https://")
        );
        let idp = Idp::with(|manner| {
            let document = json!({
                "issuer": issuer,
                "authorization_endpoint": format!("{issuer}/authorize"),
                "token_endpoint": format!("{issuer}/token"),
                "registration_endpoint": format!("{issuer}/register"),
            });
            manner.documents.insert(place, document);
        });
        let home = home("dcr_pkce", &json!({"issuer": issuer}));
        let login = idp.login(&home, &[]);
        let start = format!("http://127.0.0.1:{}", login.port);
        let uri = login.fields()["redirect_uri"].clone();
        let path = uri.strip_prefix(&start).expect("this port").to_owned();
        let target = login.agree(&idp);
        let (_, query) = target.split_once('?').expect("a query");
        for other in [
            "/callback",
            "/callback/",
            "/callback/AAAAAAAAAAAAAAAAAAAAAA",
        ] {
            let answer = login.come_back(&format!("{other}?{query}"));
            assert_eq!(answer.status(), 404, "{other}\n{answer}");
        }
        assert!(idp.seen("/token").is_empty());
        login.come_back(&target);
        login.end(&idp).assert_code(0);
        assert_eq!(idp.last("/token").field("redirect_uri"), uri);
        path
    };
    let paths = ["https://idp.test", EVIL].map(own_path);
    assert_ne!(paths[0], paths[1]);
    for path in paths {
        let mark = path.strip_prefix("/callback/").expect("a path of its own");
        assert_eq!(mark.len(), 22, "{path}");
    }
}

#[test]
fn a_client_is_registered_anew_when_the_promise_comes_or_goes() {
    let idp = evil(&json!({}));
    let home = home("dcr_pkce", &json!({}));
    let place = "other.test/.well-known/oauth-authorization-server";
    let promise = |is_made: bool| {
        idp.change(|manner| {
            let document = manner.documents.get_mut(place).expect("a document");
            document["authorization_response_iss_parameter_supported"] = is_made.into();
            manner.iss = is_made.then_some(EVIL);
        });
    };
    let port = free_port();
    for (is_made, path_end, count) in [
        (false, None, 1),
        (false, None, 1),
        (true, Some("/callback"), 2),
        (true, Some("/callback"), 2),
        (false, None, 3),
    ] {
        promise(is_made);
        let login = idp.login_at(&home, &["--force"], port);
        let uri = login.fields()["redirect_uri"].clone();
        let is_common = uri.ends_with("/callback");
        assert_eq!(is_common, path_end.is_some(), "{uri}");
        login.complete(&idp).assert_code(0);
        let registered = idp.seen("/register");
        assert_eq!(registered.len(), count, "{uri}");
        assert!(registered.last().expect("one").body.contains(&uri));
    }
}

#[test]
fn an_entered_client_comes_back_where_its_owner_has_registered_it() {
    let idp = evil(&json!({}));
    let home = home("pkce", &json!({"client_id": null}));
    let login = idp.login(&home, &["--client-id", "own"]);
    let expected = format!("http://127.0.0.1:{}/callback", login.port);
    assert_eq!(login.fields()["redirect_uri"], expected);
    login.complete(&idp).assert_code(0);
}

// Who gets a client's secret.

/// The secret of a client.
const CLIENT_SECRET: &str = "leak-of-a-client-0123";

#[test]
fn a_kept_secret_goes_to_no_endpoint_that_a_definition_names_later() {
    for (flow, field, path) in [
        ("device_code", "device_authorization_url", "/device"),
        ("pkce", "revocation_url", "/revoke"),
        ("pkce", "device_authorization_url", "/device"),
    ] {
        let idp = Idp::with(|manner| {
            manner.clients = [("own".to_owned(), Some(CLIENT_SECRET.to_owned()))].into();
        });
        let home = idp::home(flow, &json!({"client_id": null}));
        let words = ["login", "acme", "--client-id", "own"];
        let with_secret = |words: &[&str]| {
            let cmd = idp.authsome(&home, words);
            let cmd = cmd.args(["--client-secret-from", "env:OWN"]);
            cmd.env("OWN", CLIENT_SECRET)
        };
        let log_in = |cmd: crate::support::Cmd| match flow {
            "pkce" => idp.login_by(cmd, free_port()).complete(&idp),
            _ => cmd.run(),
        };
        log_in(with_secret(&words)).assert_code(0);
        let url = format!("https://other.test{path}");
        idp::define(&home, flow, &json!({"client_id": null, field: url}));
        // Not when nothing is said of a client.
        let cmd = idp.authsome(&home, &["login", "acme", "--force"]);
        let page = Page::of(cmd.background());
        assert!(page.get().text().contains("A client for Acme"), "{field}");
        page.program
            .wait_for_stderr("is not used for other.test:443");
        drop(page);
        // And not when only its id is.
        let cmd = idp.authsome(&home, &[&words[..], &["--force"]].concat());
        log_in(cmd).assert_code(1);
        let has_secret = |seen: &idp::Seen| seen.body.contains(CLIENT_SECRET);
        let to_other = || {
            let seen = idp.seen(path).into_iter();
            seen.filter(|seen| seen.host == OTHER).collect::<Vec<_>>()
        };
        assert!(!to_other().iter().any(has_secret), "{field}");
        // Whoever gives it again means the new one, and goes on to use it.
        log_in(with_secret(&[&words[..], &["--force"]].concat())).assert_code(0);
        let cmd = idp.authsome(&home, &["login", "acme", "--force"]);
        log_in(cmd).assert_code(0);
        idp.authsome(&home, &["logout", "acme"])
            .run()
            .assert_code(0);
        let is_used = flow == "device_code" || field == "revocation_url";
        assert_eq!(to_other().iter().any(has_secret), is_used, "{field}");
    }
}

#[test]
fn a_registered_client_s_secret_goes_to_no_endpoint_that_metadata_names_later() {
    let idp = evil(&json!({}));
    idp.change(|manner| manner.registers_secret = true);
    let home = home("dcr_pkce", &json!({}));
    let port = free_port();
    idp.login_at(&home, &[], port).complete(&idp).assert_code(0);
    let secret = idp.newest("client-secret");
    // The definition has another place for tokens to be taken back.
    let endpoints = json!({
        "issuer": EVIL,
        "authorization_url": null,
        "token_url": null,
        "device_authorization_url": null,
        "revocation_url": "https://idp.test/revoke",
    });
    idp::define(&home, "dcr_pkce", &endpoints);
    let login = idp.login_at(&home, &["--force"], port);
    login.complete(&idp).assert_code(0);
    assert_eq!(idp.seen("/register").len(), 2);
    idp.authsome(&home, &["logout", "acme"])
        .run()
        .assert_code(0);
    let taken_back = idp.seen("/revoke");
    assert!(!taken_back.is_empty());
    let has_secret = |seen: &idp::Seen| seen.body.contains(&secret);
    assert!(!taken_back.iter().any(has_secret));
    assert!(idp.seen("/token").iter().any(has_secret));
    assert!(idp.seen("/").iter().all(|seen| seen.host == HOST));
}
