//! What the tests share: a home, the real binary in it, a run in the background, origins and a client.

pub(crate) mod browser;
pub(crate) mod client;
pub(crate) mod held;
pub(crate) mod idp;
pub(crate) mod origin;
mod p521;
pub(crate) mod page;
pub(crate) mod queue;
pub(crate) mod served;
pub(crate) mod socks;
pub(crate) mod wire;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::fs::DirBuilder;
use std::io::Read;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::ChildStdin;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use client::Proxy;
use origin::Arrived;
use origin::Conn;
use origin::HOST;
use origin::Origin;
use wire::Channel;
use wire::Message;

/// How long a program may take. One that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// The credential in most tests.
pub(crate) const SECRET: &str = "s3cret-of-acme-0123456789";

/// What the child gets in its place.
pub(crate) const PLACEHOLDER: &str = "authsome-proxy-managed";

/// The program under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_authsome");

/// A child that prints its environment and then copies what it reads.
const CHILD: &str = "env -0; printf '=READY\\0'; exec cat";

/// What a child says when it has printed its environment.
const READY: &[u8] = b"=READY\0";

/// A folder of a test's own, with a home in it; removed in the end.
#[derive(Clone)]
pub(crate) struct Home(Arc<Folder>);

/// A folder that is removed when this is dropped.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Home {
    /// A new one.
    pub(crate) fn new() -> Self {
        /// How many there were.
        static COUNT: AtomicUsize = AtomicUsize::new(0);

        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("authsome-test-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // What a process of the same number left behind.
        let _ = fs::remove_dir_all(&path);
        let made = |path: &Path| {
            let made = DirBuilder::new().mode(0o700).create(path);
            made.expect("a folder");
        };
        made(&path);
        for name in ["home", "home/.authsome", "home/.authsome/providers", "tmp"] {
            made(&path.join(name));
        }
        Self(Arc::new(Folder(path)))
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.0.join(name)
    }

    /// Where temporary files of the run are.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.path("tmp")
    }

    /// Writes a file in the folder, and gives its path.
    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        fs::write(&path, content).expect("a file");
        path.display().to_string()
    }

    /// A copy of a program in the folder. By another process: one that is started while this one writes to it would keep it from being
    /// started itself.
    pub(crate) fn copy_of(&self, program: &str, name: &str) -> PathBuf {
        let path = self.path(name);
        let copied = Command::new("cp").arg(program).arg(&path).status();
        assert!(copied.is_ok_and(|status| status.success()), "no {program}");
        path
    }

    /// Writes the definition of a provider.
    pub(crate) fn provider(&self, name: &str, json: &str) {
        let path = self.file(&format!("home/.authsome/providers/{name}.json"), json);
        // Whatever the umask: one that others can write is refused.
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("its mode");
    }

    /// Writes the definition of a provider called `acme`, for [`HOST`] unless these fields say otherwise.
    pub(crate) fn acme(&self, fields: &str) {
        self.like_acme("acme", fields);
    }

    /// The same under another name; its variable is NAME_API_KEY.
    pub(crate) fn like_acme(&self, name: &str, fields: &str) {
        let variable = format!("{}_API_KEY", name.to_ascii_uppercase());
        let mut definition = serde_json::json!({
            "schema_version": 1,
            "name": name,
            "display_name": "Acme",
            "auth_type": "api_key",
            "api_url": HOST,
            "export": {variable: "API_TOKEN"},
        });
        let fields: BTreeMap<String, serde_json::Value> =
            serde_json::from_str(&format!("{{{fields}}}")).expect("fields in JSON");
        for (name, value) in fields {
            definition[name] = value;
        }
        self.provider(name, &definition.to_string());
    }

    /// `authsome` with these words.
    pub(crate) fn authsome<W: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = W>) -> Cmd {
        Cmd::new(self, BINARY).args(words)
    }

    /// `authsome run` with what leads it to the origin, and the credential of `acme` in its environment.
    pub(crate) fn run(&self, origin: &Origin) -> Cmd {
        self.authsome(["run"])
            .args(origin.args())
            .env("ACME_API_KEY", SECRET)
    }

    /// `authsome explain` with these words, and its answer.
    pub(crate) fn explain(&self, words: &[&str]) -> serde_json::Value {
        let output = self
            .authsome(["explain", "--json"])
            .args(words)
            .env("ACME_API_KEY", SECRET)
            .run();
        output.assert_code(0);
        serde_json::from_str(&output.stdout()).unwrap_or_else(|error| panic!("{error}\n{output}"))
    }

    /// A path in the home of authsome.
    pub(crate) fn own(&self, name: &str) -> PathBuf {
        self.path("home/.authsome").join(name)
    }

    /// Lets every user come to the folder of temporary files, as to /tmp. The home of authsome stays closed.
    pub(crate) fn open_up(&self) {
        for name in ["", "home", "tmp"] {
            let opened = fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o711));
            opened.expect("its mode");
        }
    }

    /// Gives all of it to a user.
    pub(crate) fn give(&self, user: u32) {
        let folders = [
            "",
            "home",
            "home/.authsome",
            "home/.authsome/providers",
            "tmp",
        ];
        let folders = folders.iter().map(|name| self.path(name));
        for path in self.files().into_iter().chain(folders) {
            chown(path, Some(user), Some(user)).expect("another owner");
        }
    }

    /// The vault, as it is on the disk.
    pub(crate) fn vault(&self) -> Vec<u8> {
        fs::read(self.own("vault")).expect("a vault")
    }

    /// `authsome login` with these words, and the credential on standard input.
    pub(crate) fn login(&self, words: &[&str], secret: &str) -> Cmd {
        self.authsome(["login", "--stdin"])
            .args(words)
            .stdin(secret.as_bytes())
    }

    /// A home with the provider `acme`, of these fields, and [`SECRET`] stored for it.
    pub(crate) fn connected(fields: &str) -> Self {
        let home = Self::new();
        home.acme(fields);
        home.login(&["acme"], SECRET).run().assert_code(0);
        home
    }

    /// All files in the folder.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let (mut folders, mut files) = (vec![self.path("")], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                    _ => files.push(entry.path()),
                }
            }
        }
        files
    }

    /// All paths in the folder, each with its mode.
    fn tree(&self) -> String {
        /// Adds what is below a folder.
        fn add(folder: &Path, tree: &mut String) {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                let mode = entry.metadata().map_or(0, |found| found.mode());
                tree.push_str(&format!("  {mode:o} {}\n", path.display()));
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    add(&path, tree);
                }
            }
        }

        let mut tree = String::new();
        add(&self.0.0, &mut tree);
        tree
    }
}

/// A program to be started with an environment that is given, and nothing else.
pub(crate) struct Cmd {
    /// Where it runs.
    home: Home,
    /// The program.
    program: OsString,
    /// Its arguments.
    args: Vec<OsString>,
    /// Its environment.
    env: BTreeMap<OsString, OsString>,
    /// What it reads.
    stdin: Vec<u8>,
    /// Its working directory.
    folder: PathBuf,
    /// The user that it runs as, if not this one.
    user: Option<u32>,
}

impl Cmd {
    /// A program in a home.
    pub(crate) fn new(home: &Home, program: impl AsRef<OsStr>) -> Self {
        let path = std::env::var_os("PATH").expect("a PATH");
        let cmd = Self {
            home: home.clone(),
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: BTreeMap::new(),
            stdin: Vec::new(),
            folder: home.path("."),
            user: None,
        };
        cmd.env("PATH", path)
            .env("HOME", home.path("home"))
            .env("AUTHSOME_HOME", home.path("home/.authsome"))
            .env("TMPDIR", home.temporary())
    }

    /// With one more argument.
    pub(crate) fn arg(mut self, word: impl AsRef<OsStr>) -> Self {
        self.args.push(word.as_ref().to_owned());
        self
    }

    /// With more arguments.
    pub(crate) fn args<W: AsRef<OsStr>>(self, words: impl IntoIterator<Item = W>) -> Self {
        words.into_iter().fold(self, |cmd, word| cmd.arg(word))
    }

    /// With a variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.insert(name.into(), value.as_ref().to_owned());
        self
    }

    /// Without a variable.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.env.remove(OsStr::new(name));
        self
    }

    /// With something to read.
    pub(crate) fn stdin(mut self, bytes: &[u8]) -> Self {
        self.stdin = bytes.to_vec();
        self
    }

    /// In this folder.
    pub(crate) fn folder(mut self, folder: PathBuf) -> Self {
        self.folder = folder;
        self
    }

    /// As this user, and in the group of this number. Only root can do that.
    pub(crate) fn user(mut self, user: u32) -> Self {
        self.user = Some(user);
        self
    }

    /// The environment that it gets.
    pub(crate) fn environment(&self) -> BTreeMap<String, String> {
        let text = |text: &OsString| text.to_string_lossy().into_owned();
        let pairs = self.env.iter();
        pairs
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    }

    /// Starts it in a process group of its own.
    fn spawn(&self) -> Child {
        let mut command = Command::new(&self.program);
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
            .args(&self.args)
            .env_clear()
            .envs(&self.env)
            .current_dir(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", self.program.display()))
    }

    /// Runs it to its end.
    pub(crate) fn run(self) -> Output {
        let input = self.stdin.clone();
        let mut background = self.background();
        if let Some(mut stdin) = background.stdin.take() {
            // A program that ends without reading all of it is no error.
            let _ = stdin.write_all(&input);
        }
        background.end()
    }

    /// Runs it, and kills it after this time unless it has ended. Gives its exit code, and nothing where it was killed.
    pub(crate) fn killed_after(self, time: Duration) -> Option<i32> {
        let mut child = self.spawn();
        if let Some(mut stdin) = child.stdin.take() {
            let _ = stdin.write_all(&self.stdin);
        }
        thread::sleep(time);
        let _ = child.kill();
        let output = child.wait_with_output().expect("its end");
        output.status.code()
    }

    /// Starts it, to run beside the test.
    pub(crate) fn background(self) -> Background {
        let mut child = self.spawn();
        let stdout = Sink::of(child.stdout.take().expect("its output"));
        let stderr = Sink::of(child.stderr.take().expect("its errors"));
        let stdin = child.stdin.take();
        let pid = child.id();
        let (sender, ended) = mpsc::channel();
        let wait = move || {
            // Nobody may listen any more.
            let _ = sender.send(child.wait());
        };
        thread::Builder::new().spawn(wait).expect("a thread");
        Background {
            cmd: self,
            pid,
            stdin,
            stdout,
            stderr,
            ended,
            over: false,
        }
    }

    /// Starts `authsome run` with a child that prints its environment and then copies what it reads.
    pub(crate) fn start(self) -> Running {
        Running::of(self.args(["--", "sh", "-c", CHILD]).background())
    }

    /// The same where the command that starts `authsome run` is told of the child by the variable CHILD.
    pub(crate) fn start_at_terminal(self) -> Running {
        Running::of(self.env("CHILD", CHILD).background())
    }
}

impl fmt::Display for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.program.display())?;
        for arg in &self.args {
            write!(f, " {arg:?}")?;
        }
        write!(f, "\nwith {:?}", self.env)
    }
}

/// What a program writes, as far as it has been written.
#[derive(Clone)]
struct Sink(Arc<(Mutex<Written>, Condvar)>);

/// What was written, and whether that is all.
type Written = (Vec<u8>, bool);

impl Sink {
    /// Reads all of it on a thread.
    fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let sink = Self(Arc::new((Mutex::new((Vec::new(), false)), Condvar::new())));
        let reading = sink.clone();
        let read = move || {
            let mut bytes = [0; 8192];
            while let Ok(count @ 1..) = pipe.read(&mut bytes) {
                let received = bytes.get(..count).unwrap_or_default();
                reading.change(|(all, _)| all.extend_from_slice(received));
            }
            reading.change(|(_, ended)| *ended = true);
        };
        thread::Builder::new().spawn(read).expect("a thread");
        sink
    }

    /// Changes it and tells.
    fn change(&self, change: impl FnOnce(&mut Written)) {
        let (state, news) = &*self.0;
        change(&mut state.lock().unwrap_or_else(PoisonError::into_inner));
        news.notify_all();
    }

    /// What there is once it is as wanted, or once there will be no more; whether it is as wanted.
    fn wait(&self, is_so: impl Fn(&[u8], bool) -> bool) -> (Vec<u8>, bool) {
        let (state, news) = &*self.0;
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let (state, _) = news
            .wait_timeout_while(state, PATIENCE, |(all, ended)| {
                !*ended && !is_so(all, *ended)
            })
            .unwrap_or_else(PoisonError::into_inner);
        (state.0.clone(), is_so(&state.0, state.1))
    }
}

/// The user without rights.
pub(crate) const NOBODY: u32 = 65_534;

/// Whether the tests run as root, who can be another user.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|found| found.uid() == 0)
}

/// A number that a variable can raise: how much the tests may take.
pub(crate) fn raised(name: &str, usual: usize) -> usize {
    let given = std::env::var(name).ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Whether a test may take so many seconds.
pub(crate) fn may_take(seconds: usize) -> bool {
    raised("AUTHSOME_TEST_SECONDS", 10) >= seconds
}

/// Whether there is `needle` in `all`.
pub(crate) fn contains(all: &[u8], needle: &[u8]) -> bool {
    all.windows(needle.len()).any(|window| window == needle)
}

/// A program that runs beside the test. It ends with the test at the latest.
pub(crate) struct Background {
    /// How it was started.
    cmd: Cmd,
    /// Its number, and that of its process group.
    pub(crate) pid: u32,
    /// What it reads, until that is ended.
    pub(crate) stdin: Option<ChildStdin>,
    /// What it writes.
    stdout: Sink,
    /// Its errors.
    stderr: Sink,
    /// Its end.
    ended: mpsc::Receiver<std::io::Result<ExitStatus>>,
    /// Whether that was seen.
    over: bool,
}

impl Background {
    /// Waits until it has written this.
    pub(crate) fn wait_for_stdout(&self, words: &[u8]) -> Vec<u8> {
        let (all, found) = self.stdout.wait(|all, _| contains(all, words));
        assert!(
            found,
            "no {:?}\n{}",
            String::from_utf8_lossy(words),
            self.so_far()
        );
        all
    }

    /// Waits until it has written this as an error.
    pub(crate) fn wait_for_stderr(&self, words: &str) -> String {
        let (all, found) = self.stderr.wait(|all, _| contains(all, words.as_bytes()));
        assert!(found, "no {words:?}\n{}", self.so_far());
        String::from_utf8_lossy(&all).into_owned()
    }

    /// What it has written as errors so far.
    pub(crate) fn stderr_so_far(&self) -> String {
        self.so_far().stderr()
    }

    /// Ends what it reads, and waits for its end.
    pub(crate) fn end(mut self) -> Output {
        drop(self.stdin.take());
        let Ok(ended) = self.ended.recv_timeout(PATIENCE) else {
            let text = self.so_far();
            self.kill();
            panic!("it took longer than {PATIENCE:?}\n{text}");
        };
        self.over = true;
        let status = ended.expect("its end");
        let (stdout, _) = self.stdout.wait(|_, ended| ended);
        let (stderr, _) = self.stderr.wait(|_, ended| ended);
        let command = self.cmd.to_string();
        Output {
            status,
            stdout,
            stderr,
            command,
            home: self.cmd.home.clone(),
        }
    }

    /// What there is to tell of it by now.
    fn so_far(&self) -> Output {
        Output {
            status: ExitStatus::from_raw(0),
            stdout: self.stdout.wait(|_, _| true).0,
            stderr: self.stderr.wait(|_, _| true).0,
            command: format!("{} (so far)", self.cmd),
            home: self.cmd.home.clone(),
        }
    }

    /// Kills it and whatever is in its process group.
    fn kill(&self) {
        let _ = signal("KILL", &format!("-{}", self.pid));
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if !self.over {
            self.kill();
        }
    }
}

/// Waits until something is so that nobody tells of.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process has ended; one that nobody has reaped counts.
pub(crate) fn is_over(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = status
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    matches!(state, None | Some('Z' | 'X'))
}

/// Sends a signal to a process, or with a minus to a group.
pub(crate) fn signal(name: &str, pid: &str) -> bool {
    let sent = Command::new("kill")
        .args(["-s", name, "--", pid])
        .stderr(Stdio::null())
        .status();
    sent.is_ok_and(|status| status.success())
}

/// The run directories in a folder.
pub(crate) fn run_directories(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name().display().to_string());
    names
        .filter(|name| name.starts_with("authsome-run-") || name.starts_with("authsome-new-"))
        .collect()
}

/// Whether the tests were started with the signal ignored, by nohup or in the background of a script: all that they start then ignores
/// it too, and can't trap it.
pub(crate) fn is_ignored(number: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.unwrap_or(0) >> (number - 1) & 1 == 1
}

/// What a program has come to.
pub(crate) struct Output {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// What it wrote.
    pub(crate) stdout: Vec<u8>,
    /// Its errors.
    pub(crate) stderr: Vec<u8>,
    /// How it was started.
    command: String,
    /// Where it ran.
    home: Home,
}

impl Output {
    /// What it wrote, as text.
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Its errors, as text.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// What it wrote, as JSON of this form.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{self}"))
    }

    /// Checks the exit code.
    pub(crate) fn assert_code(&self, code: i32) -> &Self {
        assert_eq!(self.status.code(), Some(code), "{self}");
        self
    }

    /// Checks that all of these are among the errors.
    pub(crate) fn assert_stderr(&self, words: &[&str]) -> &Self {
        for words in words {
            assert!(self.stderr().contains(words), "no {words:?}\n{self}");
        }
        self
    }

    /// Checks that there are no errors at all.
    pub(crate) fn assert_quiet(&self) -> &Self {
        assert!(self.stderr.is_empty(), "{self}");
        self
    }

    /// Checks that this was not written anywhere.
    pub(crate) fn assert_without(&self, words: &str) -> &Self {
        let found = [&self.stdout, &self.stderr]
            .iter()
            .any(|all| contains(all, words.as_bytes()));
        assert!(!found, "{words} is in it\n{self}");
        self
    }

    /// The lines of errors with this in them.
    pub(crate) fn lines_with(&self, words: &str) -> usize {
        let lines = self.stderr();
        lines.lines().filter(|line| line.contains(words)).count()
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}\n--- {}\n--- stdout\n{}\n--- stderr\n{}\n--- files\n{}",
            self.command,
            self.status,
            self.stdout(),
            self.stderr(),
            self.home.tree()
        )
    }
}

/// `authsome run` beside the test, with a child that has printed its environment and waits.
pub(crate) struct Running {
    /// The program.
    pub(crate) program: Background,
    /// The proxy as the child knows it.
    pub(crate) proxy: Proxy,
    /// The child's environment.
    pub(crate) env: BTreeMap<String, String>,
}

impl Running {
    /// Waits for the child's environment.
    fn of(program: Background) -> Self {
        let printed = program.wait_for_stdout(READY);
        let printed = String::from_utf8_lossy(&printed).into_owned();
        let env: BTreeMap<String, String> = printed
            .split('\0')
            .filter_map(|pair| pair.split_once('='))
            .filter(|(name, _)| !name.is_empty())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let proxy = env["HTTPS_PROXY"].rsplit(':').next().unwrap_or_default();
        let port = proxy.parse().expect("the proxy's port");
        let proxy = Proxy::new(port, Path::new(&env["SSL_CERT_FILE"]));
        Self {
            program,
            proxy,
            env,
        }
    }

    /// Ends the child, and with it the run.
    pub(crate) fn stop(self) -> Output {
        let output = self.program.end();
        output.assert_code(0);
        output
    }
}

/// The usual scene: one origin, the provider `acme`, a run.
pub(crate) struct Scene {
    /// The run.
    pub(crate) run: Running,
    /// The origin.
    pub(crate) origin: Origin,
    /// The home.
    pub(crate) home: Home,
}

/// What a scene has come to.
pub(crate) struct Finished {
    /// What arrived at the origin.
    pub(crate) arrived: Arrived,
}

impl Scene {
    /// A scene whose definition has these fields beside the usual ones, and whose origin does this.
    pub(crate) fn new(fields: &str, script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Self {
        let home = Home::new();
        home.acme(fields);
        let origin = Origin::start(script);
        let run = home.run(&origin).start();
        Self { run, origin, home }
    }

    /// A scene whose origin always answers 200.
    pub(crate) fn ok(fields: &str) -> Self {
        Self::new(fields, origin::always_ok)
    }

    /// A connection with TLS to [`HOST`].
    pub(crate) fn client(&self) -> Channel {
        self.run.proxy.tls(HOST)
    }

    /// Sends a request there on a connection of its own, and gives the response.
    pub(crate) fn exchange(&self, request: &str) -> Message {
        self.run.proxy.exchange(HOST, request)
    }

    /// Ends the run, and tells what arrived. Whatever the test was about: the secret was not printed, and no file is left.
    pub(crate) fn finish(self) -> Finished {
        let output = self.run.stop();
        output.assert_without(SECRET);
        let left = fs::read_dir(self.home.temporary())
            .expect("the folder")
            .count();
        assert_eq!(left, 0, "{output}");
        let arrived = self.origin.finish();
        Finished { arrived }
    }
}

/// What arrives for one request that a run with this definition sends on; the client gets 200.
pub(crate) fn sent_on(fields: &str, request: &str) -> Message {
    let scene = Scene::ok(fields);
    let response = scene.exchange(request);
    assert_eq!(response.status(), 200, "{response}");
    assert_eq!(response.text(), "ok");
    let finished = scene.finish();
    finished.arrived.only().clone()
}
