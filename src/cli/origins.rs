//! How origins are reached: the options that say so, and the dialer that they make.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::app::App;
use super::egress;
use super::error::Error;
use super::surroundings::Surroundings;
use super::syntax::Group;
use super::syntax::Parsed;
use super::syntax::valued;
use crate::environment::Environment;
use crate::proxy::demo::Demo;
use crate::settings::Settings;
use crate::settings::upstream::Upstream;
use crate::tls;
use crate::tls::trust;
use crate::tls::trust::Trust;
use crate::upstream::connect_to::ConnectTo;
use crate::upstream::dial::Dialer;
use crate::upstream::egress::Egress;
use crate::upstream::via::ProxySettings;

/// The options.
pub(super) const OPTIONS: Group = Group {
    title: "How origins are reached",
    options: &[
        valued(
            "upstream-ca",
            "FILE",
            "trust the certificates in this PEM file too",
        ),
        valued(
            "roots",
            "system|mozilla",
            "verify origins by the system's roots and those that tools' settings name, too (system), or only by Mozilla's, which are built in",
        ),
        valued(
            "connect-to",
            "H:P:A:Q",
            "connect to address A, port Q for host H, port P",
        ),
    ],
};

/// What the options say.
pub(super) struct OriginArgs {
    /// `--connect-to`
    connect_to: Vec<ConnectTo>,
    /// `--upstream-ca`
    upstream_ca: Vec<PathBuf>,
    /// `--roots mozilla`
    pub(super) mozilla_only: bool,
    /// What may be reached; `--allow` and its kind, of a command that has them.
    pub(super) egress: Egress,
    /// `--upstream-timeout SECONDS`, of a command that has it.
    pub(super) timeout: Option<Duration>,
}

impl OriginArgs {
    /// Reads them.
    ///
    /// # Errors
    /// What is wrong with one.
    pub(super) fn read(parsed: &Parsed) -> Result<Self, Error> {
        let connect_to = parsed.values("connect-to")?.into_iter().map(|rule| {
            let form = "--connect-to takes HOST:PORT:ADDRESS:PORT";
            ConnectTo::parse(rule).ok_or_else(|| parsed.usage(form))
        });
        let roots = |name: &str| match name {
            "mozilla" => Some(true),
            "system" => Some(false),
            _ => None,
        };
        Ok(Self {
            connect_to: connect_to.collect::<Result<_, _>>()?,
            upstream_ca: parsed
                .raw_values("upstream-ca")
                .map(PathBuf::from)
                .collect(),
            mozilla_only: parsed
                .parsed("roots", "`system` or `mozilla`", roots)?
                .unwrap_or(false),
            egress: egress::read(parsed)?,
            timeout: parsed.seconds("upstream-timeout", 1..=86_400)?,
        })
    }

    /// The way to origins for a command that has no proxy of its own.
    ///
    /// # Errors
    /// Certificates that can't be used.
    pub(super) fn own_dialer(&self, app: &App) -> Result<Dialer, Error> {
        let around = Surroundings::read(app, Settings::read(&app.parent));
        let (dialer, warnings) = self.dialer(&around, None, None)?;
        for warning in warnings {
            app.notices.warn(warning);
        }
        Ok(dialer)
    }

    /// The way to origins, and warnings about it. `own` is where we listen, if we do.
    ///
    /// # Errors
    /// Certificates that can't be used.
    pub(super) fn dialer(
        &self,
        around: &Surroundings<'_>,
        own: Option<SocketAddr>,
        demo: Option<&Demo>,
    ) -> Result<(Dialer, Vec<String>), Error> {
        let mut extra = Vec::new();
        for path in &self.upstream_ca {
            let roots = trust::read_roots(path).map_err(|error| {
                Error::new(
                    &format!("cannot use --upstream-ca {}", path.display()),
                    error,
                )
                .hint("give a PEM file of certificates")
            })?;
            extra.extend(roots);
        }
        let mut connect_to = self.connect_to.clone();
        if let Some(demo) = demo {
            extra.push(demo.root.clone());
            connect_to.extend(ConnectTo::own_origin(demo.authority.clone(), demo.address));
        }
        let (proxies, warnings) = proxies(around.parent, &around.settings);
        let bundle = around.trusted.clone().filter(|_| !self.mozilla_only);
        let trust = Trust::new(bundle, extra, tls::crypto());
        let egress = self.egress.clone();
        Ok((
            Dialer::new(connect_to, proxies, trust, egress, own),
            warnings,
        ))
    }
}

/// The upstream proxies, and warnings about them.
fn proxies(parent: &Environment, settings: &Settings) -> (ProxySettings, Vec<String>) {
    let mut warnings = Vec::new();
    match Upstream::choose(parent, settings) {
        Upstream::Usual => {}
        Upstream::Adopted(environment, places) => {
            let proxies = ProxySettings::of(&environment);
            match proxies.invalid() {
                None => return (proxies, warnings),
                Some(invalid) => warnings.push(format!(
                    "the proxy that {places} names can't be used: {}; origins are reached without it",
                    invalid.why
                )),
            }
        }
        Upstream::Other(places) => warnings.push(format!(
            "{places} names another proxy than HTTPS_PROXY, which is the one that leads to origins"
        )),
        Upstream::Unclear(places) => warnings.push(format!(
            "{places} names several proxies, or one for some hosts only: authsome reaches origins directly; set HTTPS_PROXY to \
             the one that leads to them, where authsome is started"
        )),
    }
    let proxies = ProxySettings::of(parent);
    warnings.extend(proxies.invalid().map(|invalid| {
        format!(
            "{invalid}; requests that need this proxy are refused: set the variable to http://, https:// or socks5h:// and HOST:PORT, or unset it"
        )
    }));
    (proxies, warnings)
}
