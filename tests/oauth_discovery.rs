//! Servers that are found by asking, and clients that are registered there: what is believed, what is sent, and what is kept.

use serde_json::Value;
use serde_json::json;

use crate::oauth::credential;
use crate::oauth::listed;
use crate::support::Home;
use crate::support::Output;
use crate::support::contains;
use crate::support::idp;
use crate::support::idp::ISSUER;
use crate::support::idp::Idp;
use crate::support::origin::HOST;

/// Where a server's own document lies.
const SERVER: &str = "idp.test/.well-known/oauth-authorization-server";

/// Where that of OpenID Connect lies.
const OPENID: &str = "idp.test/.well-known/openid-configuration";

/// Where a resource's lies.
const RESOURCE: &str = "api.acme.test/.well-known/oauth-protected-resource";

/// The path that browsers come back to from a server that doesn't promise to name itself: 22 letters of its issuer's digest.
const OWN_PATH: &str = "/callback/fByl70borBa95dEUvgOKNZ";

/// A server's document.
fn document() -> Value {
    json!({
        "issuer": ISSUER,
        "authorization_endpoint": "https://idp.test/authorize",
        "token_endpoint": "https://idp.test/token",
        "registration_endpoint": "https://idp.test/register",
        "device_authorization_endpoint": "https://idp.test/device",
    })
}

/// The same with one field of this value.
fn with(name: &str, value: Value) -> Value {
    let mut document = document();
    document[name] = value;
    document
}

/// A server with these documents.
fn serving<const N: usize>(documents: [(&str, Value); N]) -> Idp {
    let documents = documents.map(|(place, document)| (place.to_owned(), document));
    Idp::with(|manner| manner.documents = documents.into())
}

/// A home whose definition names no endpoints, but these fields.
fn home(oauth: &Value) -> Home {
    let mut fields = json!({
        "authorization_url": null,
        "token_url": null,
        "device_authorization_url": null,
        "client_id": null,
    });
    for (name, value) in oauth.as_object().expect("an object") {
        fields[name] = value.clone();
    }
    idp::home("dcr_pkce", &fields)
}

/// Checks that a login fails with these words before anyone is asked to agree, and that nothing is stored.
fn assert_failed(idp: &Idp, home: &Home, words: &[&str]) -> Output {
    let output = idp.authsome(home, &["login", "acme"]).run();
    output
        .assert_code(1)
        .assert_stderr(&["authsome: cannot log in to acme: ", "hint: "]);
    output.assert_stderr(words);
    assert!(!home.own("vault").exists(), "{output}");
    assert!(idp.seen("/token").is_empty());
    output
}

// What is believed.

#[test]
fn a_document_that_is_not_the_server_s_own_is_not_believed() {
    for (document, words) in [
        (
            with("issuer", json!("https://other.test")),
            "is that of another issuer",
        ),
        (
            with("issuer", json!("https://idp.test/x")),
            "is that of another issuer",
        ),
        (with("issuer", json!(null)), "is that of another issuer"),
        (with("issuer", json!(5)), "a field issuer that is no text"),
        (
            with("token_endpoint", json!("http://idp.test/token")),
            "has no https URL as its token_endpoint",
        ),
        (
            with("authorization_endpoint", json!("http://idp.test/a")),
            "has no https URL as its authorization_endpoint",
        ),
        (
            with("registration_endpoint", json!("ftp://idp.test/")),
            "has no https URL as its registration_endpoint",
        ),
        (
            with("token_endpoint", json!(["x"])),
            "a field token_endpoint that is no text",
        ),
        (
            json!([]),
            "says nothing about an authorization server there",
        ),
        (
            with("registration_endpoint", json!(null)),
            "the registration endpoint is not known",
        ),
    ] {
        let idp = serving([(SERVER, document)]);
        let home = home(&json!({"issuer": ISSUER}));
        assert_failed(&idp, &home, &[words]);
        assert!(idp.seen("/register").is_empty());
    }
    let idp = Idp::start();
    let words = "idp.test:443 says nothing about an authorization server there";
    assert_failed(&idp, &home(&json!({"issuer": ISSUER})), &[words]);
}

#[test]
fn a_resource_that_speaks_for_another_is_not_believed() {
    let servers = json!([ISSUER]);
    for (resource, words) in [
        (
            json!({"resource": "https://other.test", "authorization_servers": servers}),
            "speaks for another host",
        ),
        (
            json!({"resource": "not a URL", "authorization_servers": servers}),
            "speaks for another host",
        ),
        (
            json!({"resource": "https://api.acme.test", "authorization_servers": []}),
            "names no authorization server",
        ),
        (
            json!({"resource": "https://api.acme.test"}),
            "names no authorization server",
        ),
        (
            json!({"resource": "https://api.acme.test", "authorization_servers": ["https://other.test"]}),
            "says nothing about an authorization server there",
        ),
    ] {
        let idp = serving([(RESOURCE, resource), (SERVER, document())]);
        assert_failed(&idp, &home(&json!({})), &[words]);
    }
}

#[test]
fn what_the_resource_names_in_a_challenge_is_believed_of_its_own_host_only() {
    let named = json!({"resource": "https://api.acme.test", "authorization_servers": [ISSUER]});
    for (place, is_good) in [
        ("https://api.acme.test/elsewhere", true),
        ("https://other.test/elsewhere", false),
    ] {
        let path = place.trim_start_matches("https://");
        let idp = serving([(path, named.clone()), (SERVER, document())]);
        let field = format!("WWW-Authenticate: Bearer resource_metadata=\"{place}\"");
        let challenge = idp::Fault::Answer(401, field.leak(), "no".into());
        idp.always("/", challenge);
        let home = home(&json!({}));
        if is_good {
            idp.log_in(&home, &[]);
        } else {
            // Then the resource's own host is asked, which is no authorization server.
            assert_failed(&idp, &home, &["api.acme.test:443 says nothing"]);
            assert!(idp.seen("/elsewhere").is_empty());
        }
    }
}

// How it is found.

#[test]
fn a_server_is_found_by_its_issuer() {
    for (issuer, place) in [
        (ISSUER, SERVER),
        (ISSUER, OPENID),
        ("https://idp.test/", SERVER),
        (
            "https://idp.test/tenant",
            "idp.test/.well-known/oauth-authorization-server/tenant",
        ),
        (
            "https://idp.test/tenant",
            "idp.test/tenant/.well-known/openid-configuration",
        ),
        (
            "https://idp.test/tenant",
            "idp.test/.well-known/openid-configuration/tenant",
        ),
    ] {
        let idp = serving([(place, with("issuer", issuer.into()))]);
        let home = home(&json!({"issuer": issuer}));
        let output = idp.login(&home, &[]).complete(&idp);
        output.assert_code(0);
        assert_eq!(listed(&home)["flow"], "dcr_pkce");
        assert_eq!(credential(&idp, &home), idp.newest("access"));
    }
}

#[test]
fn what_the_definition_says_counts_more_than_the_document() {
    let wrong = with("token_endpoint", json!("https://idp.test/wrong"));
    let idp = serving([(SERVER, wrong)]);
    let home = home(&json!({"issuer": ISSUER, "token_url": "https://idp.test/token"}));
    idp.log_in(&home, &[]);
    assert!(idp.seen("/wrong").is_empty());
    // Nobody is asked for what the definition says.
    let endpoints = json!({
        "authorization_url": "https://idp.test/authorize",
        "token_url": "https://idp.test/token",
        "registration_endpoint": "https://idp.test/register",
        "issuer": ISSUER,
    });
    let idp = Idp::start();
    idp.log_in(&self::home(&endpoints), &[]);
    assert!(
        idp.seen("/.well-known/oauth-authorization-server")
            .is_empty()
    );
}

#[test]
fn a_resource_names_its_server_and_is_named_to_it() {
    let named = json!({"resource": "https://api.acme.test/", "authorization_servers": [ISSUER]});
    let idp = serving([(RESOURCE, named), (SERVER, document())]);
    idp.change(|manner| manner.expires_in = json!(1));
    let home = home(&json!({}));
    let login = idp.login(&home, &[]);
    assert_eq!(login.fields()["resource"], "https://api.acme.test/");
    // Another host than the one where the person agrees.
    let output = login.complete(&idp);
    output.assert_code(0).assert_stderr(&[
        "Agree at idp.test; api.acme.test, which names it, gets the tokens. This link",
    ]);
    idp.wait_for_end_of_tokens();
    let run = idp.run(&home).start();
    let request = format!("GET /v1 HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    assert_eq!(run.proxy.exchange(HOST, &request).text(), "ok");
    idp.assert_discreet(&run.stop());
    let asked = idp.seen("/token");
    assert_eq!(asked.len(), 2);
    let is_named = |seen: &idp::Seen| seen.field("resource") == "https://api.acme.test/";
    assert!(asked.iter().all(is_named), "{asked:?}");
}

#[test]
fn a_resource_without_a_document_may_be_its_own_server() {
    let own = json!({
        "issuer": "https://api.acme.test",
        "authorization_endpoint": "https://api.acme.test/authorize",
        "token_endpoint": "https://api.acme.test/token",
        "registration_endpoint": "https://api.acme.test/register",
    });
    let idp = serving([("api.acme.test/.well-known/oauth-authorization-server", own)]);
    let home = home(&json!({}));
    let output = idp.log_in(&home, &[]);
    output.assert_stderr(&["Agree at api.acme.test. This link"]);
    assert_eq!(credential(&idp, &home), idp.newest("access"));
}

// Clients.

#[test]
fn a_server_that_registers_nobody_is_an_error() {
    let json = idp::Fault::json;
    for (fault, words) in [
        (idp::Fault::Closed, "ended the connection"),
        (json(403, "no"), "is status 403 without a reason"),
        (json(201, "{}"), "has no client_id"),
        (json(201, "{\"client_id\": \"\"}"), "has no client_id"),
        (json(201, "{\"client_id\": 5}"), "no text"),
        (
            json(
                400,
                "{\"error\": \"invalid_redirect_uri\", \"error_description\": \"no\"}",
            ),
            "the server says invalid_redirect_uri (no)",
        ),
    ] {
        let idp = serving([(SERVER, document())]);
        idp.once("/register", fault);
        assert_failed(&idp, &home(&json!({"issuer": ISSUER})), &[words]);
    }
}

#[test]
fn a_client_is_registered_once_and_kept_sealed() {
    for with_secret in [false, true] {
        let idp = serving([(SERVER, document())]);
        idp.change(|manner| {
            manner.registers_secret = with_secret;
            manner.clients.insert("someone else".into(), None);
        });
        let home = home(&json!({"issuer": ISSUER}));
        let login = idp.login(&home, &[]);
        let port = login.port;
        assert_eq!(login.fields()["client_id"], "client-2");
        login.complete(&idp).assert_code(0);
        let request: Value = serde_json::from_str(&idp.last("/register").body).unwrap();
        let expected = json!({
            "client_name": "authsome",
            "redirect_uris": [format!("http://127.0.0.1:{port}{OWN_PATH}")],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "application_type": "native",
            "token_endpoint_auth_method": "none",
            "scope": "read write",
        });
        assert_eq!(request, expected);
        let has_secret = |seen: &idp::Seen| seen.fields.contains_key("client_secret");
        assert_eq!(has_secret(&idp.last("/token")), with_secret);

        // The server is asked whether it still knows the client, with the token for that.
        let login = idp.login_at(&home, &["--force"], port);
        assert_eq!(login.fields()["client_id"], "client-2");
        login.complete(&idp).assert_code(0);
        assert_eq!(idp.seen("/register").len(), 1);
        let asked = idp.last("/register/client-2").authorization;
        assert_eq!(
            asked,
            Some(format!("Bearer {}", idp.newest("registration")))
        );

        // One that was registered for another way back is of no use; nor is any where another is wanted.
        let login = idp.login(&home, &["--force"]);
        assert_eq!(login.fields()["client_id"], "client-3");
        let port = login.port;
        login.complete(&idp).assert_code(0);
        let login = idp.login_at(&home, &["--force", "--new-client"], port);
        assert_eq!(login.fields()["client_id"], "client-4");
        login.complete(&idp).assert_code(0);
        for file in home.files() {
            let content = std::fs::read(&file).unwrap_or_default();
            for secret in idp.secrets() {
                let is_in = contains(&content, secret.as_bytes());
                assert!(!is_in, "{secret} is in {}", file.display());
            }
        }
    }
}

#[test]
fn a_client_that_the_server_has_forgotten_is_registered_again() {
    let idp = serving([(SERVER, document())]);
    let home = home(&json!({"issuer": ISSUER}));
    let login = idp.login(&home, &[]);
    let port = login.port;
    login.complete(&idp).assert_code(0);
    // As it says when it is asked.
    idp.change(|manner| {
        manner.clients.remove("client-1");
        manner.clients.insert("another".into(), None);
        manner.clients.insert("yet another".into(), None);
    });
    let login = idp.login_at(&home, &["--force"], port);
    assert_eq!(login.fields()["client_id"], "client-3");
    login.complete(&idp).assert_code(0);
    assert_eq!(idp.seen("/register").len(), 2);
    // Or only when it is to give tokens.
    idp.change(|manner| {
        manner.clients.remove("client-3");
        manner.clients.insert("one more".into(), None);
        manner.clients.insert("and one".into(), None);
    });
    idp.once("/register/client-3", idp::Fault::Closed);
    let mut login = idp.login_at(&home, &["--force"], port);
    assert_eq!(login.fields()["client_id"], "client-3");
    let target = login.agree(&idp);
    let answer = login.come_back(&target);
    assert!(answer.text().contains("invalid_client"), "{answer}");
    login.again("client-5");
    login.complete(&idp).assert_code(0);
    assert_eq!(idp.seen("/register").len(), 3);
    assert_eq!(credential(&idp, &home), idp.newest("access"));
}

#[test]
fn what_the_server_gives_instead_of_a_client_s_token_counts_from_then_on() {
    let idp = serving([(SERVER, document())]);
    idp.change(|manner| manner.registers_secret = true);
    let home = home(&json!({"issuer": ISSUER}));
    let login = idp.login(&home, &[]);
    let port = login.port;
    login.complete(&idp).assert_code(0);
    // RFC 7592 section 3: the answer may have a new secret and a new token.
    idp.change(|manner| {
        let secret = Some("another-secret-0123".to_owned());
        manner.clients.insert("client-1".into(), secret);
    });
    let renewed = json!({
        "client_id": "client-1",
        "client_secret": "another-secret-0123",
        "registration_access_token": "another-token-0123",
    });
    idp.once(
        "/register/client-1",
        idp::Fault::json(200, &renewed.to_string()),
    );
    let login = idp.login_at(&home, &["--force"], port);
    login.complete(&idp).assert_code(0);
    assert_eq!(
        idp.last("/token").field("client_secret"),
        "another-secret-0123"
    );
    idp.login_at(&home, &["--force"], port)
        .complete(&idp)
        .assert_code(0);
    let asked = idp.last("/register/client-1").authorization;
    assert_eq!(asked.as_deref(), Some("Bearer another-token-0123"));
    assert_eq!(idp.seen("/register").len(), 1);
}

#[test]
fn an_older_connection_of_a_client_gets_its_new_secret_too() {
    let idp = serving([(SERVER, document())]);
    idp.change(|manner| {
        manner.registers_secret = true;
        manner.expires_in = json!(1);
    });
    let home = home(&json!({"issuer": ISSUER}));
    let login = idp.login(&home, &[]);
    let port = login.port;
    login.complete(&idp).assert_code(0);
    idp.change(|manner| {
        let secret = Some("another-secret-0123".to_owned());
        manner.clients.insert("client-1".into(), secret);
        manner.expires_in = json!(3600);
    });
    let renewed = json!({"client_id": "client-1", "client_secret": "another-secret-0123"});
    idp.once(
        "/register/client-1",
        idp::Fault::json(200, &renewed.to_string()),
    );
    let login = idp.login_at(&home, &["--connection", "work"], port);
    login.complete(&idp).assert_code(0);
    idp.wait_for_end_of_tokens();
    let words = ["get", "acme", "--connection", "default", "--show-secret"];
    let output = idp.authsome(&home, &words).run();
    output.assert_code(0);
    assert!(output.stdout().contains(&idp.newest("access")), "{output}");
    let sent = idp.last("/token");
    assert_eq!(sent.field("grant_type"), "refresh_token");
    assert_eq!(sent.field("client_secret"), "another-secret-0123");
}

#[test]
fn what_the_resource_names_in_a_challenge_needs_no_quotes() {
    let named = json!({"resource": "https://api.acme.test", "authorization_servers": [ISSUER]});
    for parameters in [
        "resource_metadata=https://api.acme.test/elsewhere",
        "resource_metadata=https://api.acme.test/elsewhere, scope=\"x\"",
        "scope=x,Resource_Metadata=\"https://api.acme.test/elsewhere\",error=\"y\"",
    ] {
        let place = "api.acme.test/elsewhere";
        let idp = serving([(place, named.clone()), (SERVER, document())]);
        let field = format!("WWW-Authenticate: Bearer {parameters}");
        idp.always("/", idp::Fault::Answer(401, field.leak(), "no".into()));
        idp.log_in(&home(&json!({})), &[]);
        assert_eq!(idp.seen("/elsewhere").len(), 1, "{parameters}");
    }
}
