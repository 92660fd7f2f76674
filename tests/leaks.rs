//! A secret that is like no other goes through every command, flow and failure; afterwards it is nowhere but where a person asked to see
//! it. A new command is a line of [`STEPS`] or [`SHOWN`].

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::support::BINARY;
use crate::support::Cmd;
use crate::support::Home;
use crate::support::Output;
use crate::support::contains;
use crate::support::origin::HOST;
use crate::support::origin::Origin;
use crate::support::origin::always_ok;
use crate::support::page::Page;
use crate::support::wait_until;
use crate::support::wire::base64;

/// What a command reads in the place of the canary.
#[derive(Clone, Copy)]
enum Input {
    /// Nothing.
    Nothing,
    /// The canary.
    Canary,
    /// The canary, twice, on lines of their own: no credential.
    TwoLines,
    /// The canary until it is too long.
    TooLong,
}

/// Commands that never show a secret, in the order in which they run; each with what it reads. FILE is a file with the canary, BROKEN
/// one with two lines of it, SCRIPT a script that says it and fails, DOTENV a .env file with it, DEFINITION a provider's definition.
const STEPS: &[(&[&str], Input)] = &[
    (&["login", "acme", "--stdin"], Input::Canary),
    (&["login", "acme", "--stdin"], Input::Canary),
    (&["login", "acme", "--stdin", "--force"], Input::Canary),
    (
        &["login", "acme", "--stdin", "--connection", "work"],
        Input::Canary,
    ),
    (
        &["login", "acme", "--stdin", "--connection", "bad"],
        Input::TwoLines,
    ),
    (
        &["login", "acme", "--stdin", "--connection", "bad"],
        Input::TooLong,
    ),
    (&["login", "shaped", "--stdin"], Input::Canary),
    (&["login", "shaped", "--stdin", "--force"], Input::Canary),
    (&["login", "openai", "--stdin"], Input::Canary),
    (&["login", "openai", "--stdin", "--force"], Input::Canary),
    (&["login", "nobody", "--stdin"], Input::Canary),
    (
        &["login", "acme", "--stdin", "--no-such-option"],
        Input::Canary,
    ),
    (&["login", "jira-token", "--stdin"], Input::Canary),
    (
        &[
            "login",
            "jira-token",
            "--stdin",
            "--base-url",
            "https://a.test",
            "--username",
            "me",
        ],
        Input::Canary,
    ),
    (
        &["login", "acme", "--from", "file:FILE", "--connection", "f"],
        Input::Nothing,
    ),
    (
        &[
            "login",
            "acme",
            "--from",
            "command:cat FILE",
            "--connection",
            "c",
        ],
        Input::Nothing,
    ),
    (
        &[
            "login",
            "acme",
            "--from",
            "file:BROKEN",
            "--connection",
            "bad",
        ],
        Input::Nothing,
    ),
    (
        &[
            "login",
            "acme",
            "--from",
            "command:sh SCRIPT",
            "--connection",
            "bad",
        ],
        Input::Nothing,
    ),
    (
        &[
            "login",
            "acme",
            "--from",
            "command:sh SCRIPT",
            "--connection",
            "bad",
            "--force",
        ],
        Input::Nothing,
    ),
    (&["list"], Input::Nothing),
    (&["list", "--all"], Input::Nothing),
    (&["list", "--names"], Input::Nothing),
    (&["get", "acme"], Input::Nothing),
    (&["get", "acme", "--connection", "f"], Input::Nothing),
    (&["get", "acme", "--field", "source"], Input::Nothing),
    (&["get", "acme", "--field", "credential"], Input::Nothing),
    (
        &["get", "acme", "--connection", "bad", "--show-secret"],
        Input::Nothing,
    ),
    (
        &["get", "acme", "--field", "nothing", "--show-secret"],
        Input::Nothing,
    ),
    (&["inspect", "acme"], Input::Nothing),
    (&["inspect", "shaped"], Input::Nothing),
    (&["whoami"], Input::Nothing),
    (&["version"], Input::Nothing),
    (&["help"], Input::Nothing),
    (&["explain", HOST], Input::Nothing),
    (&["explain", "TRACE", HOST], Input::Nothing),
    (
        &["explain", "--credential", "acme=file:FILE", HOST],
        Input::Nothing,
    ),
    (
        &["explain", "--credential", "acme=file:BROKEN", HOST],
        Input::Nothing,
    ),
    (&["export", "acme", "--connection", "bad"], Input::Nothing),
    (
        &["export", "acme", "--connection", "nowhere"],
        Input::Nothing,
    ),
    (&["run", "env"], Input::Nothing),
    (
        &["run", "--verbose", "--connection", "acme=f", "env"],
        Input::Nothing,
    ),
    (&["run", "--connection", "acme=bad", "env"], Input::Nothing),
    (
        &["run", "--connection", "acme=nowhere", "env"],
        Input::Nothing,
    ),
    (
        &["run", "--credential", "acme=file:FILE", "env"],
        Input::Nothing,
    ),
    (
        &["run", "--credential", "acme=file:BROKEN", "env"],
        Input::Nothing,
    ),
    (
        &["run", "--credential", "acme=command:cat FILE", "env"],
        Input::Nothing,
    ),
    (&["run", "no-such-program"], Input::Nothing),
    (&["run", "cat"], Input::Nothing),
    (&["default", "acme", "work"], Input::Nothing),
    (&["register", "DEFINITION"], Input::Nothing),
    (&["register", "BROKEN"], Input::Nothing),
    (&["register", "FILE"], Input::Nothing),
    (&["remove", "acme"], Input::Nothing),
    (&["import", "DOTENV"], Input::Nothing),
    (&["import", "--yes", "DOTENV"], Input::Nothing),
    (&["import", "--replace", "DOTENV"], Input::Nothing),
    (&["import", "--replace", "DOTENV"], Input::Nothing),
    (&["import", "--kept"], Input::Nothing),
    (&["import", "--restore", "DOTENV"], Input::Nothing),
    (&["import", "--restore", "DOTENV"], Input::Nothing),
    (&["import", "BROKEN"], Input::Nothing),
    (&["doctor"], Input::Nothing),
    (&["doctor", "--", "env"], Input::Nothing),
    (&["doctor", "no-such-program"], Input::Nothing),
    (&["completions", "bash"], Input::Nothing),
    (&["vault", "rekey"], Input::Nothing),
    (&["vault", "rekey", "--key", "file:FILE"], Input::Nothing),
    (
        &["vault", "rekey", "--key", "command:cat FILE"],
        Input::Nothing,
    ),
    (&["vault", "rekey", "--passphrase"], Input::Canary),
    (&["logout", "acme", "--connection", "c"], Input::Nothing),
    (&["logout", "acme"], Input::Nothing),
    (&["revoke", "shaped"], Input::Nothing),
];

/// Commands that show the secret on standard output, because that was asked for, and nowhere else.
const SHOWN: &[&[&str]] = &[
    &["get", "acme", "--show-secret"],
    &["get", "acme", "--field", "credential", "--show-secret"],
    &["get", "acme", "--connection", "f", "--show-secret"],
    &["export", "acme"],
    &["export", "acme", "--format", "shell"],
    &["export", "acme", "--format", "json"],
];

/// A secret that is like no other.
#[derive(Clone)]
struct Canary {
    /// The secret.
    secret: String,
    /// What must not be found, and what it is.
    forms: Vec<(&'static str, Vec<u8>)>,
}

impl Canary {
    /// A new one.
    fn new() -> Self {
        let mut bytes = [0; 12];
        getrandom::getrandom(&mut bytes).expect("randomness");
        // The letters that no escaping changes, between some that are escaped everywhere.
        let core = format!("cAnArY{}", hex(&bytes));
        let secret = format!("/+{core}&=\"'<%\\ü");
        let mut forms = vec![
            ("itself", core.clone().into_bytes()),
            ("in hex", hex(core.as_bytes()).into_bytes()),
            ("in hex", hex(core.as_bytes()).to_uppercase().into_bytes()),
        ];
        for escape in ["%", "\\x", "\\u00", "&#x"] {
            let digits = |byte: &u8| format!("{escape}{byte:02x}");
            let text: String = core.as_bytes().iter().map(digits).collect();
            forms.push(("escaped", text.to_uppercase().into_bytes()));
            forms.push(("escaped", text.into_bytes()));
        }
        for before in 0..3 {
            // The letters that depend on the core alone, whatever is before and behind it.
            let text = base64(format!("{}{core}", "x".repeat(before)).as_bytes());
            let letters = text.get(before + before.min(1)..text.len() - 4);
            let letters = letters.expect("letters of base64").to_owned();
            let url = letters.replace('+', "-").replace('/', "_");
            forms.push(("in base64", letters.into_bytes()));
            forms.push(("in base64url", url.into_bytes()));
        }
        Self { secret, forms }
    }

    /// In which form it is in these bytes, if it is.
    fn found(&self, bytes: &[u8]) -> Option<&'static str> {
        let mut forms = self.forms.iter();
        let found = forms.find(|(_, form)| memchr::memmem::find(bytes, form).is_some());
        found.map(|(what, _)| *what)
    }

    /// Checks that it isn't in these bytes.
    fn assert_not_in(&self, what: &str, bytes: &[u8]) {
        if let Some(form) = self.found(bytes) {
            panic!("{} is in {what}, {form}", self.secret);
        }
    }

    /// Checks that it is in no file of a home, nor in the name of one.
    fn assert_not_on_disk(&self, home: &Home) {
        for path in home.files() {
            let what = path.display().to_string();
            self.assert_not_in("a file's name", path.as_os_str().as_bytes());
            // It may be gone by now.
            self.assert_not_in(&what, &fs::read(&path).unwrap_or_default());
        }
    }

    /// Checks what a command wrote and left.
    fn assert_kept(&self, home: &Home, output: &Output, may_show: bool) {
        let command = output.to_string();
        let command = command.lines().next().unwrap_or_default();
        if !may_show {
            self.assert_not_in(&format!("the output of {command}"), &output.stdout);
        }
        self.assert_not_in(&format!("the errors of {command}"), &output.stderr);
        self.assert_not_on_disk(home);
    }

    /// What a command reads.
    fn input(&self, input: Input) -> String {
        match input {
            Input::Nothing => String::new(),
            Input::Canary => format!("{}\n", self.secret),
            Input::TwoLines => format!("{0}\n{0}\n", self.secret),
            Input::TooLong => self.secret.repeat(500),
        }
    }
}

/// Bytes in hex.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Looks at the arguments and the environment of all processes, again and again, where the system shows them.
struct Watch {
    /// Whether it shall end.
    over: Arc<AtomicBool>,
    /// How often it has looked.
    looks: Arc<AtomicUsize>,
    /// What it has seen.
    seen: JoinHandle<Seen>,
}

/// What was seen of processes.
#[derive(Default)]
struct Seen {
    /// Where the canary was.
    leaks: Vec<String>,
    /// Processes that were looked at, each with its arguments: both stay as they are until it starts another program.
    known: BTreeSet<(OsString, Vec<u8>)>,
}

impl Seen {
    /// Looks at all processes that weren't looked at yet.
    fn look(&mut self, canary: &Canary) {
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let read = |name| fs::read(entry.path().join(name)).unwrap_or_default();
            let line = read("cmdline");
            if line.is_empty() || !self.known.insert((entry.file_name(), line.clone())) {
                continue;
            }
            // What authsome itself is started with is the test's doing.
            let environment = if is_authsome(&line) {
                Vec::new()
            } else {
                read("environ")
            };
            if read("cmdline") != line {
                // It has become another program meanwhile: the next look is at that one.
                self.known.remove(&(entry.file_name(), line));
                continue;
            }
            for (what, bytes) in [("arguments", &line), ("environment", &environment)] {
                if let Some(form) = canary.found(bytes) {
                    let line = String::from_utf8_lossy(&line).replace('\0', " ");
                    self.leaks.push(format!("{what} of {line}, {form}"));
                }
            }
        }
    }

    /// How many processes of authsome were looked at.
    fn count(&self) -> usize {
        let lines = self.known.iter();
        lines.filter(|(_, line)| is_authsome(line)).count()
    }
}

/// Whether these are the arguments of a process of authsome.
fn is_authsome(line: &[u8]) -> bool {
    line.starts_with(BINARY.as_bytes())
}

impl Watch {
    /// Starts to look.
    fn start(canary: &Canary) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let looks = Arc::new(AtomicUsize::new(0));
        let (canary, is_over, count) = (canary.clone(), Arc::clone(&over), Arc::clone(&looks));
        let watch = move || {
            let mut seen = Seen::default();
            while !is_over.load(Ordering::Relaxed) {
                seen.look(&canary);
                count.fetch_add(1, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(1));
            }
            seen
        };
        let seen = thread::Builder::new().spawn(watch).expect("a thread");
        let watch = Self { over, looks, seen };
        // The first look is at all that there is, and takes its time.
        watch.look();
        watch
    }

    /// Waits for a look that has begun by now at the earliest: what runs now is seen.
    fn look(&self) {
        let before = self.looks.load(Ordering::Relaxed);
        wait_until("all processes were looked at", || {
            self.looks.load(Ordering::Relaxed) >= before + 2
        });
    }

    /// Ends, and tells what was seen.
    fn end(self) -> Seen {
        self.over.store(true, Ordering::Relaxed);
        self.seen.join().expect("what was seen")
    }

    /// Ends, and checks that nothing was seen, though there was something to see.
    fn assert_nothing(self) {
        let seen = self.end();
        assert!(seen.leaks.is_empty(), "{:?}", seen.leaks);
        if cfg!(target_os = "linux") {
            assert!(seen.count() > 0, "no process was ever looked at");
        }
    }
}

/// A home with providers, and files with the canary outside of it.
struct Place {
    /// The home.
    home: Home,
    /// What words stand for, and the files that they are.
    files: Vec<(&'static str, String)>,
    /// Where those are.
    _outside: Home,
}

impl Place {
    /// A new one.
    fn new(canary: &Canary) -> Self {
        let (home, outside) = (Home::new(), Home::new());
        home.acme("");
        home.like_acme(
            "shaped",
            r#""api_url": "shaped.test", "api_key": {"key_pattern": "^shaped_", "key_pattern_hint": "starts with shaped_"}"#,
        );
        let script = format!(
            "echo '{0}'; echo '{0}'; exit 3",
            canary.secret.replace('\'', "")
        );
        let definition = r#"{"name": "other", "auth_type": "api_key", "api_url": "other.test"}"#;
        let quoted = canary.secret.replace('\\', "\\\\").replace('"', "\\\"");
        let dotenv = format!("A=b\nOTHER_ACME=c\nACME_API_KEY=\"{quoted}\"\n");
        let files = vec![
            ("FILE", outside.file("key", &canary.input(Input::Canary))),
            (
                "BROKEN",
                outside.file("broken", &canary.input(Input::TwoLines)),
            ),
            ("SCRIPT", outside.file("script", &script)),
            ("DOTENV", outside.file("env", &dotenv)),
            ("DEFINITION", outside.file("other.json", definition)),
        ];
        Self {
            home,
            files,
            _outside: outside,
        }
    }

    /// A command, with the files' paths in it.
    fn command(&self, words: &[&str]) -> Cmd {
        let filled = words.iter().map(|word| {
            let files = self.files.iter();
            files.fold((*word).to_owned(), |word, (name, path)| {
                word.replace(name, path)
            })
        });
        self.home.authsome(filled)
    }
}

/// The same words with one more behind the command's name; none where that is empty.
fn with_mode<'a>(words: &[&'a str], mode: &'a str) -> Vec<&'a str> {
    let mut words = words.to_vec();
    if !mode.is_empty() {
        words.insert(1, mode);
    }
    words
}

#[test]
fn what_looks_for_a_canary_finds_it() {
    let canary = Canary::new();
    let secret = canary.secret.as_bytes();
    let shifted = |before: &str| base64(&[before.as_bytes(), secret].concat());
    for text in [
        canary.secret.clone(),
        hex(secret),
        hex(secret).to_uppercase(),
        base64(secret),
        shifted("x"),
        shifted("me:"),
        shifted("me@acme.test:"),
        shifted("me@acme.test:").replace('+', "-").replace('/', "_"),
        crate::support::page::percent(secret),
        serde_json::to_string(&canary.secret).unwrap(),
    ] {
        let around = format!("some text {text} and more");
        assert!(canary.found(around.as_bytes()).is_some(), "{text}");
    }
    assert!(canary.found(b"cAnArY").is_none());
    let home = Home::new();
    home.file("tmp/left", &canary.secret);
    let looked = std::panic::catch_unwind(|| canary.assert_not_on_disk(&home));
    assert!(looked.is_err());
}

#[test]
#[cfg(target_os = "linux")]
fn a_canary_among_arguments_or_in_an_environment_is_seen() {
    let canary = Canary::new();
    let home = Home::new();
    let watch = |cmd: Cmd| {
        let program = cmd.background();
        program.wait_for_stdout(b"ready");
        let mut seen = Seen::default();
        seen.look(&canary);
        program.end();
        seen.leaks
    };
    let cmd = || Cmd::new(&home, "sh").args(["-c", "echo ready; read line"]);
    assert!(watch(cmd()).is_empty());
    assert!(watch(cmd().arg(&canary.secret))[0].starts_with("arguments of sh"));
    assert!(watch(cmd().env("A", &canary.secret))[0].starts_with("environment of sh"));
}

#[test]
fn no_command_lets_a_secret_out() {
    for mode in ["", "--json", "--quiet"] {
        let canary = Canary::new();
        let watch = Watch::start(&canary);
        let place = Place::new(&canary);
        for (words, input) in STEPS {
            let cmd = place.command(&with_mode(words, mode));
            let output = cmd.stdin(canary.input(*input).as_bytes()).run();
            canary.assert_kept(&place.home, &output, false);
        }
        let left = place.home.authsome(["list", "--names"]).run().stdout();
        assert!(left.contains("acme") && left.contains("openai"), "{left}");
        watch.assert_nothing();
    }
}

#[test]
fn what_is_asked_for_is_shown_on_standard_output_and_nowhere_else() {
    let canary = Canary::new();
    let watch = Watch::start(&canary);
    let place = Place::new(&canary);
    for words in [
        &["login", "acme", "--stdin"][..],
        &["login", "acme", "--from", "file:FILE", "--connection", "f"],
    ] {
        let cmd = place.command(words);
        let output = cmd.stdin(canary.input(Input::Canary).as_bytes()).run();
        output.assert_code(0);
    }
    for mode in ["", "--json", "--quiet"] {
        for words in SHOWN {
            let output = place.command(&with_mode(words, mode)).run();
            output.assert_code(0);
            assert!(canary.found(&output.stdout).is_some(), "{output}");
            canary.assert_kept(&place.home, &output, true);
        }
    }
    watch.assert_nothing();
}

#[test]
fn no_error_of_a_broken_vault_lets_a_secret_out() {
    let canary = Canary::new();
    let watch = Watch::start(&canary);
    let place = Place::new(&canary);
    let login = place.command(&["login", "acme", "--stdin"]);
    login
        .stdin(canary.input(Input::Canary).as_bytes())
        .run()
        .assert_code(0);
    let (good, key) = (
        place.home.vault(),
        fs::read(place.home.own("master.key")).unwrap(),
    );
    let half = good.get(..good.len() / 2).unwrap().to_vec();
    let foreign = format!("{}\n", "00".repeat(32)).into_bytes();
    for (vault, key, mode) in [
        (&half, &key, 0o600),
        (&Vec::new(), &key, 0o600),
        (&good, &foreign, 0o600),
        (&good, &Vec::new(), 0o600),
        (&good, &key, 0o644),
    ] {
        let put = |name: &str, bytes: &[u8]| {
            let path: PathBuf = place.home.own(name);
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        };
        put("vault", vault);
        put("master.key", key);
        for (words, input) in STEPS {
            let cmd = place.command(words);
            let output = cmd.stdin(canary.input(*input).as_bytes()).run();
            canary.assert_kept(&place.home, &output, false);
        }
        for words in SHOWN {
            let output = place.command(words).run();
            output.assert_code(1);
            canary.assert_kept(&place.home, &output, false);
        }
    }
    watch.assert_nothing();
}

#[test]
fn what_is_imported_is_gone_from_its_file_until_it_is_brought_back() {
    let canary = Canary::new();
    let watch = Watch::start(&canary);
    let place = Place::new(&canary);
    let file = || {
        let (_, path) = place
            .files
            .iter()
            .find(|(name, _)| *name == "DOTENV")
            .unwrap();
        fs::read(path).unwrap()
    };
    let before = file();
    let import = place.command(&["import", "--yes", "--replace", "DOTENV"]);
    let output = import.run();
    output.assert_code(0);
    canary.assert_kept(&place.home, &output, false);
    canary.assert_not_in("the .env file", &file());
    let output = place
        .command(&["get", "acme", "--field", "credential", "--show-secret"])
        .run();
    assert_eq!(output.stdout(), format!("{}\n", canary.secret));
    let output = place.command(&["import", "--restore", "DOTENV"]).run();
    output.assert_code(0);
    canary.assert_kept(&place.home, &output, false);
    assert_eq!(file(), before);
    watch.assert_nothing();
}

#[test]
fn no_page_lets_a_secret_out() {
    for mode in ["", "--json", "--quiet"] {
        let canary = Canary::new();
        let watch = Watch::start(&canary);
        let place = Place::new(&canary);
        for (provider, status) in [("shaped", 422), ("acme", 200)] {
            let page = Page::of(
                place
                    .command(&with_mode(&["login", provider], mode))
                    .background(),
            );
            watch.look();
            let too_long = page.enter(&canary.input(Input::TooLong));
            let two_lines = page.enter(&canary.input(Input::TwoLines));
            let without_token = page.post(&[("key", &canary.secret)], "");
            let query = format!(
                "GET PATH?key={} HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n",
                crate::support::page::percent(canary.secret.as_bytes())
            );
            let in_query = page.send(&query);
            let entered = page.enter(&canary.secret);
            assert_eq!(entered.status(), status, "{entered}");
            for answer in [too_long, two_lines, without_token, in_query, entered] {
                canary.assert_not_in("a page", answer.to_string().as_bytes());
            }
            if status != 200 {
                let token = page.token();
                let fields = [
                    ("token", &*token),
                    ("key", &canary.secret),
                    ("action", "cancel"),
                ];
                let cancelled = page.post(&fields, "");
                canary.assert_not_in("a page", cancelled.to_string().as_bytes());
            }
            canary.assert_kept(&place.home, &page.program.end(), false);
        }
        watch.assert_nothing();
    }
}

#[test]
fn no_run_lets_a_secret_out() {
    let canary = Canary::new();
    for (words, variables) in [
        (&["--verbose"][..], &[][..]),
        (
            &["--verbose"],
            &["ACME_API_KEY", "AUTHSOME_MASTER_KEY_COMMAND"][..],
        ),
        (&["--verbose", "--credential", "acme=env:MINE"], &["MINE"]),
        (&["--verbose", "--no-env-credentials"], &["ACME_API_KEY"]),
        (
            &["--verbose", "--credential", "acme=command:cat FILE"],
            &["GITHUB_TOKEN"],
        ),
    ] {
        let watch = Watch::start(&canary);
        let place = Place::new(&canary);
        let key = |cmd: Cmd| cmd.stdin(canary.input(Input::Canary).as_bytes()).run();
        key(place.command(&["login", "acme", "--stdin"])).assert_code(0);
        let origin = Origin::start(always_ok);
        let cmd = place
            .command(&[&["run"][..], words].concat())
            .args(origin.args());
        let cmd = variables.iter().fold(cmd, |cmd, name| match *name {
            // The key that is kept anyway; what the command is called with is nobody's business.
            "AUTHSOME_MASTER_KEY_COMMAND" => cmd.env(
                name,
                format!("cat {}", place.home.own("master.key").display()),
            ),
            name => cmd.env(name, &canary.secret),
        });
        let run = cmd.start();
        for (name, value) in &run.env {
            canary.assert_not_in(&format!("the child's {name}"), value.as_bytes());
        }
        let ask = |line: &str| {
            let request = format!("{line} HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
            let answer = run.proxy.exchange(HOST, &request);
            canary.assert_not_in("an answer", answer.to_string().as_bytes());
        };
        ask("GET /");
        ask("TRACE /");
        canary.assert_not_on_disk(&place.home);
        place.home.authsome(["logout", "acme"]).run().assert_code(0);
        ask("GET /");
        key(place.command(&["login", "shaped", "--stdin", "--force"])).assert_code(0);
        ask("GET /");
        fs::write(place.home.own("vault"), "nonsense").unwrap();
        ask("GET /");
        canary.assert_kept(&place.home, &run.stop(), false);
        // It did go out, where it belongs.
        let arrived = origin.finish();
        assert!(
            contains(&arrived.bytes, canary.secret.as_bytes()),
            "{words:?}"
        );
        watch.assert_nothing();
    }
}
