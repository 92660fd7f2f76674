//! The settings of one file.

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use super::is_nothing;
use super::pairs;
use super::tools::Key;
use super::tools::Tool;
use super::tools::What;
use super::tools::Winner;

/// The words for a proxy in the text of a conflict.
pub(super) const A_PROXY: &str = "a proxy";

/// Proxies and certificates that a file names.
#[derive(Default)]
pub(super) struct FileSettings {
    /// Proxies' URLs, where they are known, and whether each is used for everything.
    pub(super) proxies: Vec<(Option<Zeroizing<String>>, bool)>,
    /// The host of a proxy, where that is apart.
    pub(super) host: Option<String>,
    /// The proxy's port, given apart.
    pub(super) port: Option<String>,
    /// Whether the proxy asks for a user.
    pub(super) has_user: bool,
    /// Lists of hosts that are reached without a proxy.
    pub(super) no_proxy: Vec<String>,
    /// Paths of certificates.
    pub(super) certificates: Vec<String>,
    /// Certificates themselves.
    pub(super) inline: Vec<String>,
    /// Variables that a run sets for it.
    pub(super) variables: BTreeSet<&'static str>,
    /// Words for what the tool takes from the file, whatever a variable says.
    pub(super) conflicts: BTreeSet<&'static str>,
}

impl FileSettings {
    /// Reads the text of a tool's file.
    pub(super) fn parse(tool: &Tool, text: &str) -> Self {
        let mut found = Self::default();
        pairs::each(tool.format, text, &mut |name, value| {
            let is_it = |key: &&Key| pairs::matches(key.name, name);
            if let Some(key) = tool.keys.iter().find(is_it) {
                found.add(key, value);
            }
        });
        found
    }

    /// Adds a pair.
    fn add(&mut self, key: &Key, value: &str) {
        let what = match key.what {
            What::Certificates | What::Inline | What::Store => "certificates",
            What::NoProxy => "hosts without a proxy",
            What::Proxy | What::OtherProxy | What::Host | What::Port | What::User => A_PROXY,
        };
        match key.winner {
            Winner::Run => {}
            // An empty proxy of curl's is one: none.
            Winner::File => {
                if what != "certificates" || !is_nothing(value) {
                    self.conflicts.insert(what);
                }
            }
            Winner::Set(name) => {
                if !is_nothing(value) {
                    self.variables.insert(name);
                }
            }
        }
        match key.what {
            What::Proxy => {
                let is_general = !key.name.contains("settings.*");
                let url = Zeroizing::new(value.to_owned());
                self.proxies.push((Some(url), is_general));
            }
            What::OtherProxy => self.proxies.push((None, true)),
            What::Host => self.host = Some(value.to_owned()),
            What::Port => self.port = Some(value.to_owned()),
            What::User => self.has_user = true,
            What::NoProxy => self.no_proxy.push(value.to_owned()),
            What::Certificates => self
                .certificates
                .extend((!is_nothing(value)).then(|| value.to_owned())),
            What::Inline => self.inline.push(value.to_owned()),
            What::Store => {}
        }
    }
}
