//! `--blind HOST`: hosts of connected providers that a run leaves unread.

use super::error::Error;
use super::syntax::Opt;
use super::syntax::Parsed;
use super::syntax::valued;
use crate::broker::Broker;
use crate::notice::Notices;
use crate::upstream::egress::Pattern;

/// The option.
pub(super) const OPTION: Opt = valued(
    "blind",
    "HOST",
    "leave this host unread, for a program that speaks HTTP/2 only or pins certificates: no credential is added there, and a \
     placeholder is refused by the host; a name or *.NAME, each with :PORT for one port",
);

/// One use of the option.
pub(super) struct Blind {
    /// What the user wrote.
    text: String,
    /// The hosts.
    hosts: Pattern,
}

impl Blind {
    /// Reads the option.
    ///
    /// # Errors
    /// When the value is no host.
    pub(super) fn read(parsed: &Parsed) -> Result<Vec<Self>, Error> {
        let read = |text: &str| {
            let hosts = Pattern::parse(text).map_err(|why| {
                parsed.usage(format!("--blind takes a host name or *.NAME: {why}"))
            })?;
            let text = text.to_owned();
            Ok(Self { text, hosts })
        };
        parsed.values(OPTION.long)?.into_iter().map(read).collect()
    }

    /// Returns the hosts.
    pub(super) fn hosts(&self) -> Pattern {
        self.hosts.clone()
    }

    /// Warns where no connection claims the hosts.
    pub(super) fn warn_if_unclaimed(&self, broker: &Broker, notices: &Notices) {
        let is_claimed = broker.connections().any(|(_, connection)| {
            let mut rules = connection.provider.rules.iter();
            rules.any(|rule| self.hosts.may_meet(&rule.host))
        });
        if !is_claimed {
            notices.warn(format!(
                "--blind {}: no connected provider claims it, so its requests pass unread anyway",
                self.text
            ));
        }
    }
}
