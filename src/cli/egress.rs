//! Where the program of a run may go: the options that say so.

use super::error::Error;
use super::syntax::Group;
use super::syntax::Parsed;
use super::syntax::flag;
use super::syntax::valued;
use crate::upstream::egress::Egress;
use crate::upstream::egress::Invalid;
use crate::upstream::egress::Pattern;

/// The options.
pub(super) const OPTIONS: Group = Group {
    title: "Where the program may go",
    options: &[
        valued(
            "allow",
            "HOST",
            "only claimed hosts and this one: a name, *.NAME, * (every name), an address or a network, each with :PORT for one port",
        ),
        valued(
            "allow-address",
            "ADDRESS",
            "allow this address or network (with :PORT for one port) even if it is a metadata, local or private one; restricts no others",
        ),
        valued(
            "deny",
            "HOST",
            "never this one, claimed or not; wins over --allow",
        ),
        flag(
            "only-matched",
            "only hosts that a connected provider claims, and those of --allow",
        ),
        flag(
            "deny-private",
            "no loopback, private and shared addresses, whatever name leads there",
        ),
    ],
};

/// Reads a pattern.
type Parse = fn(&str) -> Result<Pattern, Invalid>;

/// Reads them; of a command that has none of them, the policy is the usual one.
///
/// # Errors
/// What is wrong with one.
pub(super) fn read(parsed: &Parsed) -> Result<Egress, Error> {
    let hosts = "a host name, *.NAME, *, an address or a network";
    let patterns = |long: &str, form: &str, parse: Parse| -> Result<Vec<Pattern>, Error> {
        let usage = |why| parsed.usage(format!("--{long} takes {form}: {why}"));
        let values = parsed.values(long)?.into_iter();
        values.map(|text| parse(text).map_err(usage)).collect()
    };
    Ok(Egress {
        allow: patterns("allow", hosts, Pattern::parse)?,
        allow_address: patterns(
            "allow-address",
            "an address or a network",
            Pattern::parse_address,
        )?,
        deny: patterns("deny", hosts, Pattern::parse)?,
        only_matched: parsed.has("only-matched"),
        deny_private: parsed.has("deny-private"),
        deny_this_machine: None,
    })
}
