//! The contenders: no proxy, authsome as people run it, and mitmproxy.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use super::Outcome;
use super::Trying;
use super::client::Way;
use super::options::Options;
use super::program;
use super::program::Program;
use super::report::DIRECT;
use super::stage::Host;
use super::stage::SECRET;
use super::stage::Stage;
use super::stage::free_port;

/// The name of the contender that is no authsome.
pub(crate) const MITMPROXY: &str = "mitmproxy";

/// A child that prints its environment and then waits.
const CHILD: &str = "env -0; printf '=READY\\0'; exec cat";

/// One of those that are compared.
pub(crate) struct Contender {
    /// Its name.
    pub(crate) name: String,
    /// What it is.
    pub(crate) kind: Kind,
}

/// What a contender is.
#[derive(Clone)]
pub(crate) enum Kind {
    /// No proxy at all.
    Direct,
    /// This binary of authsome.
    Authsome(PathBuf),
    /// This `mitmdump`.
    Mitmproxy(PathBuf),
}

/// All that take part: *direct* first.
pub(crate) fn found(options: &Options) -> Vec<Contender> {
    let direct = (DIRECT.to_owned(), Kind::Direct);
    let binaries = options.binaries.iter().cloned();
    let binaries = binaries.map(|(name, path)| (name, Kind::Authsome(path)));
    let mitmdump = options.mitmdump.clone().or_else(|| in_path("mitmdump"));
    let mitmproxy = mitmdump.map(|path| (MITMPROXY.to_owned(), Kind::Mitmproxy(path)));
    let all = [direct].into_iter().chain(binaries).chain(mitmproxy);
    all.filter(|(name, _)| name == DIRECT || options.has(name))
        .map(|(name, kind)| Contender { name, kind })
        .collect()
}

/// Where a program is.
pub(crate) fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|folder| folder.join(program));
    found.into_iter().find(|file| file.is_file())
}

/// How a contender is started where it isn't as usual.
pub(crate) struct Setup<'a> {
    /// The home of authsome.
    pub(crate) home: &'a str,
    /// Further variables for it.
    pub(crate) variables: &'a [(String, String)],
    /// Further options for it.
    pub(crate) options: &'a [&'a str],
}

/// As usual.
pub(crate) const USUAL: Setup<'static> = Setup {
    home: "home",
    variables: &[],
    options: &[],
};

/// A contender that is there.
pub(crate) struct Running {
    /// Its name.
    pub(crate) name: String,
    /// How clients come through it.
    pub(crate) way: Way,
    /// The proxy, if there is one.
    pub(crate) program: Option<Program>,
    /// The environment of programs that use it.
    pub(crate) environment: BTreeMap<String, String>,
}

impl Running {
    /// The CPU time of the proxy so far, if there is one.
    pub(crate) fn cpu(&self) -> Outcome<Option<Duration>> {
        self.program.as_ref().map(Program::cpu).transpose()
    }
}

impl Contender {
    /// Whether it is authsome.
    pub(crate) fn is_authsome(&self) -> bool {
        matches!(self.kind, Kind::Authsome(_))
    }

    /// Starts it.
    pub(crate) fn start(&self, stage: &Stage, setup: &Setup<'_>) -> Outcome<Running> {
        let started = match &self.kind {
            Kind::Direct => direct(stage),
            Kind::Authsome(binary) => authsome(stage, binary, setup),
            Kind::Mitmproxy(mitmdump) => mitmproxy(stage, mitmdump),
        };
        let (program, way, environment) = started.trying(&self.name)?;
        Ok(Running {
            name: self.name.clone(),
            way,
            program,
            environment,
        })
    }
}

/// Starts all contenders.
pub(crate) fn start_all(stage: &Stage) -> Outcome<Vec<Running>> {
    let contenders = stage.contenders.iter();
    contenders
        .map(|contender| contender.start(stage, &USUAL))
        .collect()
}

/// A program, the way through it, and the environment for those that use it.
type Started = (Option<Program>, Way, BTreeMap<String, String>);

/// What every program needs.
fn environment(pairs: &[(&str, OsString)]) -> BTreeMap<String, String> {
    let path = ("PATH", std::env::var_os("PATH").unwrap_or_default());
    let all = [path].into_iter().chain(pairs.iter().cloned());
    all.map(|(name, value)| (name.to_owned(), value.to_string_lossy().into_owned()))
        .collect()
}

/// No proxy. Clients trust what programs of this machine trust, and the origins' authority.
fn direct(stage: &Stage) -> Outcome<Started> {
    let trusted = stage.path("trusted.pem");
    let way = Way::new(None, stage.ports, &fs::read(&trusted)?)?;
    let environment = environment(&[("SSL_CERT_FILE", trusted.into())]);
    Ok((None, way, environment))
}

/// `authsome run` with these options, and what leads it to the origins; the command is to follow.
pub(crate) fn authsome_run(stage: &Stage, binary: &Path, setup: &Setup<'_>) -> Command {
    let mut command = Command::new(binary);
    command
        .args(["run", "--quiet"])
        .arg("--upstream-ca")
        .arg(stage.path("ca.pem"))
        .arg("--credential")
        .arg(format!("bench=file:{}", stage.path("secret").display()))
        .args(setup.options);
    for host in Host::ALL {
        let (name, port) = (host.name(), stage.ports.of(host));
        command.arg(format!("--connect-to={name}:443:127.0.0.1:{port}"));
    }
    command
        .arg("--")
        .env_clear()
        .envs(environment(
            &[
                ("HOME", stage.path("")),
                ("AUTHSOME_HOME", stage.path(setup.home)),
                ("TMPDIR", stage.path("tmp")),
            ]
            .map(|(name, path)| (name, path.into_os_string())),
        ))
        .envs(setup.variables.iter().cloned())
        .stdin(Stdio::piped());
    command
}

/// `authsome run` with a child that waits.
fn authsome(stage: &Stage, binary: &Path, setup: &Setup<'_>) -> Outcome<Started> {
    let mut command = authsome_run(stage, binary, setup);
    command.args(["sh", "-c", CHILD]).stdout(Stdio::piped());
    let mut child = command.spawn().trying(&binary.display().to_string())?;
    let stdout = child.stdout.take();
    let program = Program::new(child);
    let mut environment = BTreeMap::new();
    for entry in BufReader::new(stdout.ok_or("no output")?).split(0) {
        let entry = String::from_utf8_lossy(&entry?).into_owned();
        match entry.split_once('=') {
            Some(("", _)) => break,
            Some((name, value)) => environment.insert(name.to_owned(), value.to_owned()),
            None => None,
        };
    }
    let value = |name: &str| environment.get(name).ok_or("it did not start its program");
    let port = value("HTTPS_PROXY")?.rsplit(':').next().unwrap_or_default();
    let mut trusted = fs::read(value("SSL_CERT_FILE")?)?;
    // What a blind tunnel leads to has the certificate of the origins' authority.
    trusted.extend(fs::read(stage.path("ca.pem"))?);
    let way = Way::new(Some(port.parse()?), stage.ports, &trusted)?;
    Ok((Some(program), way, environment))
}

/// mitmproxy with an addon that does the same: leads to the origins, and sets the credential.
fn mitmproxy(stage: &Stage, mitmdump: &Path) -> Outcome<Started> {
    let (settings, addon, port) = (
        stage.path("mitmproxy"),
        stage.path("addon.py"),
        free_port()?,
    );
    let ports: Vec<String> = Host::ALL
        .iter()
        .map(|host| format!("{:?}: {}", host.name(), stage.ports.of(*host)))
        .collect();
    fs::write(
        &addon,
        format!(
            "PORTS = {{{}}}\n\
             def server_connect(data): data.server.address = (\"127.0.0.1\", PORTS[data.server.address[0]])\n\
             def request(flow): flow.request.headers[\"Authorization\"] = \"Bearer {SECRET}\"\n",
            ports.join(", ")
        ),
    )?;
    let option = |name: &str, path: &Path| format!("{name}={}", path.display());
    let mut command = Command::new(mitmdump);
    command
        .args(["--quiet", "--listen-host", "127.0.0.1", "--listen-port"])
        .arg(port.to_string())
        .args(["--ignore-hosts", r"^(blind|plain)\.bench\.test", "--set"])
        .arg(option("confdir", &settings))
        .arg("--set")
        .arg(option(
            "ssl_verify_upstream_trusted_ca",
            &stage.path("ca.pem"),
        ))
        .arg("--scripts")
        .arg(&addon);
    let log = stage.path("mitmproxy.log");
    // Asked politely, it would wait for its clients, or for ever.
    let mut program = Program::tethered(&command, "KILL", &log)?;
    program::wait_for_port(&mut program, port, &log)?;
    let mut trusted = fs::read(stage.path("trusted.pem"))?;
    trusted.extend(fs::read(settings.join("mitmproxy-ca-cert.pem"))?);
    let bundle = stage.path("mitmproxy-trusted.pem");
    fs::write(&bundle, &trusted)?;
    let way = Way::new(Some(port), stage.ports, &trusted)?;
    let environment = environment(&[
        ("SSL_CERT_FILE", bundle.into()),
        ("https_proxy", format!("http://127.0.0.1:{port}").into()),
    ]);
    Ok((Some(program), way, environment))
}
