//! What all themes share: the options, a folder, the origins and the contenders.

use std::fs;
use std::fs::DirBuilder;
use std::net::Ipv4Addr;
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::Outcome;
use super::Trying;
use super::certificates::Certificates;
use super::contender;
use super::contender::Contender;
use super::nginx;
use super::options::Options;
use super::program::Program;
use super::relay;
use super::sink;

/// The credential.
pub(crate) const SECRET: &str = "s3cret-of-the-bench-0123456789";

/// How long the relay holds everything back, each way.
const DELAY: Duration = Duration::from_millis(20);

/// Where a system's programs find what they trust.
const SYSTEM_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A host that requests are for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    /// nginx, with the credential.
    Near,
    /// The same behind the relay.
    Far,
    /// Takes uploads, with the credential.
    Upload,
    /// nginx, a host that nobody claims.
    Blind,
    /// The same without TLS; still a tunnel.
    Plain,
}

impl Host {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [
        Self::Near,
        Self::Far,
        Self::Upload,
        Self::Blind,
        Self::Plain,
    ];

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Near => "near.bench.test",
            Self::Far => "far.bench.test",
            Self::Upload => "upload.bench.test",
            Self::Blind => "blind.bench.test",
            Self::Plain => "plain.bench.test",
        }
    }

    /// Whether requests for it get the credential on their way.
    pub(crate) fn is_claimed(self) -> bool {
        !matches!(self, Self::Blind | Self::Plain)
    }
}

/// Where the origins listen on 127.0.0.1.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    /// nginx with TLS.
    pub(crate) tls: u16,
    /// nginx without.
    pub(crate) plain: u16,
    /// The relay to nginx.
    pub(crate) relay: u16,
    /// The sink.
    pub(crate) sink: u16,
}

impl Ports {
    /// The one of a host.
    pub(crate) fn of(self, host: Host) -> u16 {
        match host {
            Host::Near | Host::Blind => self.tls,
            Host::Far => self.relay,
            Host::Upload => self.sink,
            Host::Plain => self.plain,
        }
    }
}

/// What all themes share.
pub(crate) struct Stage {
    /// How it is run.
    pub(crate) options: Options,
    /// Where the origins are.
    pub(crate) ports: Ports,
    /// Who takes part, *direct* first.
    pub(crate) contenders: Vec<Contender>,
    /// Which nginx it is.
    pub(crate) nginx_version: String,
    /// nginx; before the folder, so that it ends before that is removed.
    _nginx: Program,
    /// The folder.
    folder: Folder,
}

/// A folder that is removed in the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Stage {
    /// Starts the origins, and looks for the contenders.
    pub(crate) fn set(options: Options) -> Outcome<Self> {
        let path = std::env::temp_dir().join(format!("authsome-speed-{}", std::process::id()));
        make(&path)?;
        let folder = Folder(path);
        let path = &folder.0;
        make(&path.join("tmp"))?;
        let names = Host::ALL.map(|host| host.name().to_owned());
        let certificates = Certificates::make(names.to_vec())?;
        certificates.write(path)?;
        let mut trusted = fs::read(SYSTEM_BUNDLE).unwrap_or_default();
        trusted.extend_from_slice(certificates.authority.as_bytes());
        fs::write(path.join("trusted.pem"), trusted)?;
        private(&path.join("secret"), SECRET)?;
        let (tls, plain) = (free_port()?, free_port()?);
        let nginx_version = nginx::version()?;
        let nginx = nginx::start(path, tls, plain, options.scale.body)?;
        let ports = Ports {
            tls,
            plain,
            relay: relay::start(tls, DELAY)?,
            sink: sink::start(&certificates)?,
        };
        let contenders = contender::found(&options);
        let stage = Self {
            options,
            ports,
            contenders,
            nginx_version,
            _nginx: nginx,
            folder,
        };
        stage.home("home", 0)?;
        Ok(stage)
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.0.join(name)
    }

    /// Makes a home for authsome with the definition that claims the hosts, and so many others.
    pub(crate) fn home(&self, name: &str, others: usize) -> Outcome<PathBuf> {
        let home = self.path(name);
        make(&home)?;
        make(&home.join("providers"))?;
        let claimed = Host::ALL.iter().filter(|host| host.is_claimed());
        let hosts: Vec<&str> = claimed.map(|host| host.name()).collect();
        definition(&home, "bench", &hosts, "BENCH_API_KEY")?;
        for number in 0..others {
            let host = format!("api{number}.other.test");
            let name = format!("other{number}");
            definition(&home, &name, &[&host], &other_variable(number))?;
        }
        Ok(home)
    }

    /// Each contender's turn in each round: who is first changes from round to round.
    pub(crate) fn turns(&self, rounds: usize, count: usize) -> Vec<usize> {
        let turns = |round: usize| (0..count).map(move |turn| (turn + round) % count);
        (0..rounds).flat_map(turns).collect()
    }
}

/// The variable that connects the definition of this number.
pub(crate) fn other_variable(number: usize) -> String {
    format!("OTHER_{number}_API_KEY")
}

/// Writes the definition of a provider.
fn definition(home: &Path, name: &str, hosts: &[&str], variable: &str) -> Outcome<()> {
    let text = json!({
        "schema_version": 1,
        "name": name,
        "display_name": name,
        "auth_type": "api_key",
        "api_url": hosts,
        "export": {variable: "API_TOKEN"},
    });
    let path = home.join("providers").join(format!("{name}.json"));
    fs::write(&path, text.to_string())?;
    // Whatever the umask: one that others can write is refused.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
    Ok(())
}

/// Makes a folder that nobody else sees.
pub(crate) fn make(path: &Path) -> Outcome<()> {
    let made = DirBuilder::new().mode(0o700).create(path);
    made.trying(&path.display().to_string())
}

/// Writes a file that nobody else reads.
fn private(path: &Path, content: &str) -> Outcome<()> {
    fs::write(path, content)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(())
}

/// A port that nobody listens on at the moment; for programs that have to be told one.
pub(crate) fn free_port() -> Outcome<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).trying("a port")?;
    Ok(listener.local_addr()?.port())
}
