//! Every answer as JSON, held against its shape: what is there, of which type, and that nothing else is. A field more or less is a
//! new version.
#![expect(
    dead_code,
    reason = "that a field is there and of its type is what is tested; not all values matter"
)]

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Map;
use serde_json::Value;

use crate::support::Cmd;
use crate::support::Home;
use crate::support::SECRET;
use crate::support::origin::HOST;
use crate::support::page::Page;

/// A stored connection.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct View {
    /// Whose.
    provider: String,
    /// Its own name.
    connection: String,
    /// Whether it is used.
    default: bool,
    /// Where its credential is.
    source: String,
    /// Whether it has one.
    state: String,
    /// The URL of an installation.
    base_url: Option<String>,
    /// The user name.
    username: Option<String>,
    /// When it was made.
    created: String,
    /// When it was changed.
    updated: String,
    /// How it was logged in.
    flow: String,
    /// When its access token ends.
    expires: Option<String>,
    /// Whether another can be had.
    refreshable: Option<bool>,
    /// What was granted.
    scopes: Option<Vec<String>>,
}

impl View {
    /// Checks that it is of `acme`, and that its times are such.
    fn assert_acme(&self) {
        assert_eq!(self.provider, "acme");
        assert_eq!((&*self.source, &*self.state), ("vault", "ok"));
        assert_eq!(self.flow, "api_key");
        assert!(self.expires.is_none() && self.refreshable.is_none() && self.scopes.is_none());
        for time in [&self.created, &self.updated] {
            let digits: String = time
                .chars()
                .map(|letter| if letter.is_ascii_digit() { '0' } else { letter })
                .collect();
            assert_eq!(digits, "0000-00-00T00:00:00Z");
        }
    }
}

/// `list`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    /// Of this shape.
    version: u8,
    /// The connections.
    connections: Vec<View>,
    /// With `--all`.
    providers: Option<Vec<Known>>,
}

/// A provider in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    /// Its name.
    name: String,
    /// How people call it.
    display_name: String,
    /// How one logs in.
    login: String,
    /// Whether the definition is the person's.
    own: bool,
    /// How many connections.
    connections: usize,
}

/// `get`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Got {
    /// Of this shape.
    version: u8,
    /// As in [`View`].
    provider: String,
    /// As in [`View`].
    connection: String,
    /// As in [`View`].
    default: bool,
    /// As in [`View`].
    source: String,
    /// As in [`View`].
    state: String,
    /// As in [`View`].
    base_url: Option<String>,
    /// As in [`View`].
    username: Option<String>,
    /// As in [`View`].
    created: String,
    /// As in [`View`].
    updated: String,
    /// As in [`View`].
    flow: String,
    /// As in [`View`].
    expires: Option<String>,
    /// As in [`View`].
    refreshable: Option<bool>,
    /// As in [`View`].
    scopes: Option<Vec<String>>,
    /// With `--show-secret`.
    credential: Option<String>,
}

/// `login`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoggedIn {
    /// Of this shape.
    version: u8,
    /// Whose.
    provider: String,
    /// Which.
    connection: String,
    /// Whether it is used.
    default: bool,
    /// Where its credential is.
    source: String,
    /// Where it goes.
    routes: Vec<String>,
}

/// What `login` says while its page waits, on standard error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Waiting {
    /// Of this shape.
    version: u8,
    /// The URL of the page.
    open: String,
    /// How long it is there.
    seconds: u64,
}

/// `default`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chosen {
    /// Of this shape.
    version: u8,
    /// Whose.
    provider: String,
    /// Which.
    connection: String,
}

/// What became of a connection's tokens at the service.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Revoked {
    /// Which.
    pub(crate) connection: String,
    /// Whether they are good no more.
    pub(crate) revoked: bool,
    /// Why they may still be.
    pub(crate) reason: Option<String>,
}

/// `logout` and `revoke`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LetGo {
    /// Of this shape.
    pub(crate) version: u8,
    /// Whose.
    pub(crate) provider: String,
    /// Which.
    pub(crate) removed: Vec<String>,
    /// What is used now.
    pub(crate) new_default: Option<String>,
    /// Where keys are taken back.
    pub(crate) revoke_at: Option<String>,
    /// What became of tokens.
    #[serde(default)]
    pub(crate) revocations: Vec<Revoked>,
}

/// `register` and `remove`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Registered {
    /// Of this shape.
    version: u8,
    /// Whose definition.
    provider: String,
    /// The file.
    file: String,
    /// Its rules.
    #[serde(default)]
    routes: Vec<String>,
    /// Its variables.
    #[serde(default)]
    exports: Vec<String>,
    /// What is doubtful.
    #[serde(default)]
    warnings: Vec<String>,
    /// Whether there is one that is built in.
    bundled: bool,
}

/// `inspect`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Inspected {
    /// Of this shape.
    version: u8,
    /// Its name.
    name: String,
    /// How people call it.
    display_name: String,
    /// Where the definition is.
    file: String,
    /// How one logs in.
    login: String,
    /// Which requests it claims.
    routes: Vec<Route>,
    /// Which of these requests may get the credential.
    rules: Vec<RequestRule>,
    /// The variables.
    exports: Vec<String>,
    /// What the child gets.
    placeholder: String,
    /// Where one gets a key.
    docs_url: Option<String>,
    /// How a key looks.
    key: Option<String>,
    /// What is doubtful.
    warnings: Vec<String>,
    /// The connections.
    connections: Vec<View>,
    /// As it was written.
    definition: Map<String, Value>,
}

/// A route in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Route {
    /// Which requests.
    rule: String,
    /// How they take the credential.
    credential: String,
}

/// A rule about requests in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestRule {
    /// The methods.
    methods: Option<Vec<String>>,
    /// The paths.
    path: Option<String>,
    /// What becomes of them.
    action: String,
}

/// `export`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exported {
    /// Of this shape.
    version: u8,
    /// Names and values.
    variables: BTreeMap<String, String>,
}

/// `whoami`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Who {
    /// Of this shape.
    version: u8,
    /// That of authsome.
    authsome: String,
    /// The user's number.
    user: u32,
    /// The home.
    home: String,
    /// The log.
    audit: String,
    /// Whether there is a vault.
    vault: bool,
    /// Where its key comes from.
    key: String,
    /// How many connections.
    connections: usize,
    /// How many providers.
    providers: usize,
    /// Whether this is inside of a run.
    inside_run: bool,
}

/// `explain`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Explained {
    /// Of this shape.
    version: u8,
    /// The method.
    method: String,
    /// The URL.
    url: String,
    /// What becomes of it.
    decision: String,
    /// Whose.
    provider: Option<String>,
    /// How people call it.
    display_name: Option<String>,
    /// Which connection.
    connection: Option<String>,
    /// Which rule.
    route: Option<String>,
    /// Where the credential goes.
    credential: Option<String>,
    /// Why not.
    reason: Option<String>,
    /// What to do.
    hint: Option<String>,
}

/// `version`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Version {
    /// Of this shape.
    version: u8,
    /// That of authsome.
    authsome: String,
}

/// `vault rekey`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rekeyed {
    /// Of this shape.
    version: u8,
    /// Where the new key is.
    key: String,
}

/// `import`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Imported {
    /// Of this shape.
    version: u8,
    /// What was found.
    found: Vec<Found>,
    /// The files that were changed.
    changed: Vec<String>,
}

/// `import --kept`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// Of this shape.
    version: u8,
    /// The files.
    kept: Vec<KeptFile>,
}

/// A file in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptFile {
    /// Its path.
    path: String,
    /// When it was kept.
    created: String,
}

/// A key in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Found {
    /// Whose.
    provider: String,
    /// Its variable.
    variable: String,
    /// Where it is.
    place: String,
    /// Its end.
    ends_in: String,
    /// What becomes of it.
    action: String,
    /// What it is stored as.
    connection: Option<String>,
    /// Why it isn't.
    reason: Option<String>,
}

/// `doctor`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Examined {
    /// Of this shape.
    version: u8,
    /// What was looked at.
    checks: Vec<Check>,
    /// Whether nothing is wrong.
    ok: bool,
}

/// One thing in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Check {
    /// What it is.
    name: String,
    /// How it is.
    state: String,
    /// In words.
    text: String,
    /// What to do.
    remedy: Option<String>,
}

/// `completions`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Completions {
    /// Of this shape.
    version: u8,
    /// The shell.
    shell: String,
    /// What it reads.
    script: String,
}

/// An error, on standard error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Failed {
    /// What failed.
    error: String,
    /// What to do.
    hint: Option<String>,
    /// The exit code.
    exit_code: i32,
}

/// The answer of a command that succeeds: one line, of version 1, with nothing on standard error.
fn answer<T: DeserializeOwned>(cmd: Cmd) -> T {
    let output = cmd.arg("--json").run();
    output.assert_code(0).assert_quiet();
    assert_eq!(output.stdout().matches('\n').count(), 1, "{output}");
    let version: Value = output.json();
    assert_eq!(version["version"], 1, "{output}");
    output.json()
}

/// The error of a command that fails: one line on standard error, with its exit code, and nothing on standard output.
fn error(cmd: Cmd) -> Failed {
    let output = cmd.arg("--json").run();
    assert!(output.stdout.is_empty(), "{output}");
    assert_eq!(output.stderr().matches('\n').count(), 1, "{output}");
    output.assert_without(SECRET);
    let failed: Failed =
        serde_json::from_slice(&output.stderr).unwrap_or_else(|error| panic!("{error}\n{output}"));
    output.assert_code(failed.exit_code);
    failed
}

#[test]
fn errors_of_all_commands_are_json_with_their_exit_code() {
    let home = Home::new();
    home.acme("");
    home.provider("broken", "{");
    for (code, words) in [
        (1, &["login", "acme", "--stdin"][..]),
        (1, &["login", "acme", "--from", "env:NO_SUCH"]),
        (1, &["login", "broken", "--stdin"]),
        (1, &["login", "acme", "--flow", "pkce"]),
        (1, &["inspect", "broken"]),
        (1, &["register", "/no/such/file"]),
        (1, &["vault", "rekey", "--key", "env:NO_SUCH"]),
        (1, &["vault", "rekey", "--passphrase-file", "/no/such/file"]),
        (1, &["import", "/no/such/file"]),
        (1, &["import", "--restore", "/no/such/file"]),
        (2, &["import", "--restore"]),
        (2, &["completions", "tcsh"]),
        (2, &["doctor", "--no-such-option"]),
        (2, &["login"]),
        (2, &["list", "more"]),
        (2, &["get"]),
        (2, &["inspect"]),
        (2, &["export", "--format", "yaml"]),
        (2, &["default", "acme"]),
        (2, &["logout"]),
        (2, &["revoke"]),
        (2, &["register"]),
        (2, &["remove"]),
        (2, &["explain"]),
        (2, &["whoami", "more"]),
        (2, &["vault"]),
        (2, &["version", "more"]),
        (2, &["help", "more", "more"]),
        (2, &["no-such-command"]),
        (2, &["run"]),
        (3, &["login", "nobody", "--stdin"]),
        (3, &["get", "nobody"]),
        (3, &["inspect", "nobody"]),
        (3, &["export", "nobody"]),
        (3, &["default", "acme", "work"]),
        (3, &["logout", "acme", "--connection", "work"]),
        (3, &["remove", "openai"]),
        (
            3,
            &["explain", "--base-url", "nobody=https://a.test", "a.test"],
        ),
        (4, &["get", "acme"]),
        (4, &["export", "acme"]),
        (4, &["logout", "acme"]),
        (4, &["revoke", "acme"]),
    ] {
        let failed = error(home.authsome(words));
        assert_eq!(failed.exit_code, code, "{words:?} {}", failed.error);
        assert!(
            !failed.error.is_empty() && failed.hint.is_some(),
            "{words:?} {}",
            failed.error
        );
    }
}

#[test]
fn a_vault_that_cannot_be_opened_is_an_error_as_json_too() {
    let home = Home::connected("");
    home.file("home/.authsome/vault", "nonsense");
    for words in [
        &["list"][..],
        &["get", "acme"],
        &["inspect", "acme"],
        &["export"],
        &["default", "acme", "default"],
        &["logout", "acme"],
        &["revoke", "acme"],
        &["remove", "acme"],
        &["explain", "a.test"],
        &["whoami"],
        &["vault", "rekey"],
        &["ca", "show"],
        &["ca", "create", "--any-name"],
        &["ca", "remove"],
        &["login", "acme", "--stdin"],
    ] {
        let failed = error(home.authsome(words));
        assert_eq!(failed.exit_code, 1, "{words:?}");
        assert!(
            failed.error.contains("the vault is damaged"),
            "{}",
            failed.error
        );
    }
    let run = home.authsome(["run", "--json", "true"]).run();
    let failed: Failed = serde_json::from_slice(&run.stderr).unwrap();
    assert_eq!(failed.exit_code, 125);
}

#[test]
fn connections_have_their_shape() {
    let home = Home::new();
    home.acme("");
    let login: LoggedIn = answer(home.login(&["acme"], SECRET));
    assert_eq!((&*login.provider, &*login.connection), ("acme", "default"));
    assert_eq!((login.default, &*login.source), (true, "vault"));
    assert_eq!(login.routes, [format!("https://{HOST}")]);
    let login: LoggedIn = answer(home.login(&["acme", "--connection", "work"], SECRET));
    assert!(!login.default);

    let listed: Listed = answer(home.authsome(["list"]));
    assert!(listed.providers.is_none());
    assert_eq!(listed.connections.len(), 2);
    listed.connections.iter().for_each(View::assert_acme);
    let listed: Listed = answer(home.authsome(["list", "--all"]));
    let all = listed.providers.expect("providers");
    assert!(all.len() > 50);
    assert!(
        all.iter()
            .all(|known| ["api_key", "oauth2"].contains(&&*known.login))
    );
    let acme = all.iter().find(|known| known.name == "acme").expect("acme");
    assert_eq!(
        (acme.own, acme.connections, &*acme.display_name),
        (true, 2, "Acme")
    );
}

#[test]
fn what_is_shown_and_what_is_let_go_has_its_shape() {
    let home = Home::connected("");
    let work = home.login(&["acme", "--connection", "work"], SECRET);
    work.run().assert_code(0);
    let got: Got = answer(home.authsome(["get", "acme"]));
    assert_eq!((got.default, got.credential), (true, None));
    let got: Got = answer(home.authsome(["get", "acme", "--show-secret", "--connection", "work"]));
    assert_eq!(got.credential.as_deref(), Some(SECRET));
    let field: BTreeMap<String, Value> = answer(home.authsome(["get", "acme", "--field", "state"]));
    let expected = [("state", Value::from("ok")), ("version", Value::from(1))];
    assert_eq!(
        field,
        expected
            .map(|(name, value)| (name.to_owned(), value))
            .into()
    );

    let exported: Exported = answer(home.authsome(["export"]));
    assert_eq!(
        exported.variables,
        [("ACME_API_KEY".to_owned(), SECRET.to_owned())].into()
    );
    let chosen: Chosen = answer(home.authsome(["default", "acme", "work"]));
    assert_eq!((&*chosen.provider, &*chosen.connection), ("acme", "work"));
    let gone: LetGo = answer(home.authsome(["logout", "acme"]));
    assert_eq!(gone.removed, ["work"]);
    assert_eq!(gone.new_default.as_deref(), Some("default"));
    let gone: LetGo = answer(home.authsome(["revoke", "acme"]));
    assert_eq!(
        (gone.removed, gone.new_default),
        (vec!["default".to_owned()], None)
    );
    assert_eq!(gone.revoke_at, None);
    let nothing: Listed = answer(home.authsome(["list"]));
    assert!(nothing.connections.is_empty());
}

#[test]
fn an_installation_s_url_and_user_are_in_the_shape() {
    let home = Home::new();
    let words = [
        "jira-token",
        "--base-url",
        "https://jira.acme.test",
        "--username",
        "me",
    ];
    let login: LoggedIn = answer(home.login(&words, SECRET));
    assert_eq!(login.routes, ["https://jira.acme.test"]);
    let listed: Listed = answer(home.authsome(["list"]));
    assert_eq!(
        listed.connections[0].base_url.as_deref(),
        Some("https://jira.acme.test")
    );
    assert_eq!(listed.connections[0].username.as_deref(), Some("me"));
    let got: Got = answer(home.authsome(["get", "jira-token"]));
    assert_eq!(got.username.as_deref(), Some("me"));
    let gone: LetGo = answer(home.authsome(["revoke", "jira-token"]));
    assert!(gone.revoke_at.is_some());
}

#[test]
fn definitions_have_their_shape() {
    let home = Home::new();
    let file = home.file(
        "acme.json",
        &format!(
            r#"{{"name": "acme", "auth_type": "api_key", "host_url": "{HOST}", "colour": "blue",
            "export": {{"ACME_KEY": "API_TOKEN"}}}}"#
        ),
    );
    let added: Registered = answer(home.authsome(["register", &file]));
    assert_eq!((&*added.provider, added.bundled), ("acme", false));
    assert_eq!(added.routes, [format!("https://{HOST}")]);
    assert_eq!(added.exports, ["ACME_KEY"]);
    assert_eq!(added.warnings.len(), 1);
    assert_eq!(
        added.file,
        home.own("providers/acme.json").display().to_string()
    );
    let shown: Inspected = answer(home.authsome(["inspect", "acme"]));
    assert_eq!((&*shown.name, &*shown.login), ("acme", "api_key"));
    assert_eq!(shown.routes[0].credential, "Authorization: Bearer ********");
    assert_eq!(shown.definition["colour"], "blue");
    let removed: Registered = answer(home.authsome(["remove", "acme"]));
    assert!(removed.routes.is_empty() && removed.warnings.is_empty());

    home.login(&["openai"], "sk-abcdefghijklmnopqrstuvwxyz")
        .run()
        .assert_code(0);
    let shown: Inspected = answer(home.authsome(["inspect", "openai"]));
    assert_eq!(shown.file, "bundled openai");
    assert_eq!(shown.key.as_deref(), Some("starts with sk-"));
    assert_eq!((shown.connections.len(), shown.exports.len()), (1, 1));
    assert!(shown.docs_url.is_some());
}

#[test]
fn rules_of_a_definition_have_their_shape() {
    let home = Home::new();
    home.acme(r#""rules": [{"methods": ["GET"], "path": "/v1/*", "action": "allow"}]"#);
    let shown: Inspected = answer(home.authsome(["inspect", "acme"]));
    let rule = &shown.rules[0];
    assert_eq!(rule.methods.as_deref(), Some(&["GET".to_owned()][..]));
    assert_eq!(
        (rule.path.as_deref(), &*rule.action),
        (Some("/v1/*"), "allow")
    );
}

#[test]
fn what_is_known_of_this_place_has_its_shape() {
    let home = Home::new();
    let who: Who = answer(home.authsome(["whoami"]));
    assert_eq!(
        (who.vault, who.connections, who.inside_run),
        (false, 0, false)
    );
    assert_eq!(who.home, home.path("home/.authsome").display().to_string());
    home.acme("");
    home.login(&["acme"], SECRET).run().assert_code(0);
    let who: Who = answer(home.authsome(["whoami"]));
    assert_eq!((who.vault, who.connections), (true, 1));
    assert!(who.key.contains("master.key"), "{}", who.key);
    let inside = home
        .authsome(["run", "--", crate::support::BINARY, "whoami", "--json"])
        .run();
    let inside: Who = inside.json();
    assert!(inside.inside_run);
    let version: Version = answer(home.authsome(["version"]));
    assert_eq!(version.authsome, env!("CARGO_PKG_VERSION"));
    for (words, decision) in [
        (&["GET", HOST][..], "inject"),
        (&["GET", "https://nobody.test/"], "forward"),
        (&["TRACE", HOST], "refuse"),
    ] {
        let explained: Explained = answer(home.authsome(["explain"]).args(words));
        assert_eq!(
            (&*explained.decision, &*explained.method),
            (decision, words[0])
        );
    }
    let rekey = || home.authsome(["vault", "rekey"]);
    let rekeyed: Rekeyed = answer(rekey());
    assert_eq!(rekeyed.key, "kept");
    let passphrase = home.file("passphrase", "correct horse");
    let rekeyed: Rekeyed = answer(rekey().args(["--passphrase-file", &passphrase]));
    assert_eq!(rekeyed.key, "passphrase");
    let given = rekey()
        .args(["--key", "env:NEW"])
        .env("NEW", "00".repeat(32))
        .env("AUTHSOME_PASSPHRASE_FILE", &passphrase);
    let rekeyed: Rekeyed = answer(given);
    assert_eq!(rekeyed.key, "given");
}

#[test]
fn a_page_is_told_of_as_json() {
    let home = Home::new();
    home.acme("");
    let page = Page::of(home.authsome(["login", "acme", "--json"]).background());
    page.enter(SECRET);
    let url = format!("http://127.0.0.1:{}{}", page.port, page.path);
    let output = page.program.end();
    output.assert_code(0).assert_without(SECRET);
    let waiting: Waiting = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(
        (waiting.version, waiting.open, waiting.seconds),
        (1, url, 600)
    );
    let login: LoggedIn = output.json();
    assert_eq!((login.version, &*login.source), (1, "vault"));
}

#[test]
fn what_is_imported_has_its_shape() {
    let home = Home::new();
    home.acme("");
    home.like_acme("beta", r#""export": {"BETA": "API_TOKEN"}"#);
    let file = home.file("env", &format!("ACME_API_KEY={SECRET}\nBETA='a\tb'\n"));
    let import = |words: &[&str]| -> Imported {
        let output = home
            .authsome(["import", "--json", "--quiet"])
            .args(words)
            .arg(&file)
            .run();
        output.assert_code(0).assert_quiet().assert_without(SECRET);
        output.json()
    };
    let actions = |imported: &Imported| -> Vec<String> {
        imported
            .found
            .iter()
            .map(|found| found.action.clone())
            .collect()
    };
    let listed = import(&[]);
    assert_eq!((listed.version, listed.changed.len()), (1, 0));
    assert_eq!(actions(&listed), ["found", "skipped"]);
    assert_eq!(
        (&*listed.found[0].variable, &*listed.found[0].place),
        ("ACME_API_KEY", &*file)
    );
    assert_eq!(listed.found[0].ends_in, "6789");
    assert!(listed.found[1].reason.is_some() && listed.found[1].connection.is_none());
    let stored = import(&["--yes"]);
    assert_eq!(actions(&stored), ["stored", "skipped"]);
    assert_eq!(stored.found[0].connection.as_deref(), Some("default"));
    let replaced = import(&["--replace"]);
    assert_eq!(actions(&replaced), ["known", "skipped"]);
    assert_eq!(replaced.changed, [&*file]);
    let kept: Kept = answer(home.authsome(["import", "--kept"]));
    assert_eq!((kept.kept.len(), kept.kept[0].created.len()), (1, 20));
    assert!(kept.kept[0].path.ends_with("/env"));
    let restored = import(&["--restore"]);
    assert_eq!(
        (restored.found.len(), restored.changed),
        (0, vec![file.clone()])
    );
}

/// `ca create`, `ca show`, `ca rotate`, `ca remove`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Authority {
    /// Of this shape.
    version: u8,
    /// Its name.
    subject: String,
    /// Its serial number.
    serial: String,
    /// Its SHA-256.
    fingerprint: String,
    /// From when on it is good.
    from: String,
    /// Until when.
    until: String,
    /// Whether it is good.
    state: String,
    /// Which hosts it may vouch for.
    hosts: Vec<String>,
    /// Whether it may for any name.
    any_name: bool,
    /// Where its certificate is.
    file: String,
    /// Where those are that it had before.
    old: Vec<String>,
}

/// `ca fingerprint`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fingerprint {
    /// Of this shape.
    version: u8,
    /// SHA-256.
    fingerprint: String,
}

/// `ca export`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportedCa {
    /// Of this shape.
    version: u8,
    /// PEM.
    certificate: String,
}

/// `ca trust`, `ca untrust`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Instructions {
    /// Of this shape.
    version: u8,
    /// For which system.
    system: String,
    /// About which certificates.
    fingerprints: Vec<String>,
    /// What to run.
    commands: Vec<String>,
    /// What else there is to know.
    notes: Vec<String>,
    /// For which systems there are others.
    systems: Vec<String>,
}

#[test]
fn a_certificate_authority_has_its_shape() {
    let home = Home::new();
    for (code, words) in [
        (1, &["ca", "show"][..]),
        (1, &["ca", "create"]),
        (2, &["ca"]),
        (2, &["ca", "trust", "plan9"]),
    ] {
        assert_eq!(error(home.authsome(words)).exit_code, code, "{words:?}");
    }
    let home = Home::connected("");
    let made: Authority = answer(home.authsome(["ca", "create"]));
    assert_eq!((&*made.state, made.any_name), ("ok", false));
    assert_eq!(made.hosts, [HOST]);
    let fingerprint: Fingerprint = answer(home.authsome(["ca", "fingerprint"]));
    assert_eq!(fingerprint.fingerprint, made.fingerprint);
    let exported: ExportedCa = answer(home.authsome(["ca", "export"]));
    assert!(
        exported
            .certificate
            .starts_with("-----BEGIN CERTIFICATE-----\n")
    );
    for word in ["trust", "untrust"] {
        let told: Instructions = answer(home.authsome(["ca", word, "alpine"]));
        assert_eq!(told.system, "alpine");
        assert_eq!(told.fingerprints, [&*made.fingerprint]);
        assert!(told.systems.contains(&told.system));
    }
    let _: Authority = answer(home.authsome(["ca", "rotate"]));
    let shown: Authority = answer(home.authsome(["ca", "show"]));
    assert_eq!(shown.old.len(), 1);
    let removed: Authority = answer(home.authsome(["ca", "remove"]));
    assert_eq!(removed.old.len(), 2);
    assert!(removed.old.contains(&removed.file));
}

#[test]
fn what_is_examined_and_completed_has_its_shape() {
    let home = Home::connected("");
    let examined: Examined = home.authsome(["doctor", "--json"]).run().json();
    assert_eq!((examined.version, examined.ok), (1, true));
    let states = ["ok", "warn", "fail"];
    assert!(
        examined
            .checks
            .iter()
            .all(|check| states.contains(&&*check.state))
    );
    home.file("home/.authsome/vault", "nonsense");
    let output = home.authsome(["doctor", "--json"]).run();
    output.assert_code(1);
    let examined: Examined = output.json();
    assert!(!examined.ok);
    let failed = examined.checks.iter().find(|check| check.state == "fail");
    assert!(
        failed.is_some_and(|check| check.remedy.is_some()),
        "{output}"
    );
    for shell in ["bash", "zsh", "fish"] {
        let completions: Completions = answer(home.authsome(["completions", shell]));
        assert_eq!(completions.shell, shell);
        assert!(completions.script.contains("authsome"));
    }
}
