//! Where the program of a run may go: the options that say so.

use super::error::Error;
use super::syntax::Group;
use super::syntax::Parsed;
use super::syntax::flag;
use super::syntax::valued;
use crate::upstream::egress::Egress;
use crate::upstream::egress::Pattern;

/// The options.
pub(super) const OPTIONS: Group = Group {
    title: "Where the program may go",
    options: &[
        valued(
            "allow",
            "HOST",
            "only claimed hosts and this one: a name, *.NAME, * (every name), an address (each with :PORT for one port), a network",
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

/// Reads them; of a command that has none of them, the policy is the usual one.
///
/// # Errors
/// What is wrong with one.
pub(super) fn read(parsed: &Parsed) -> Result<Egress, Error> {
    let patterns = |long: &str| -> Result<Vec<Pattern>, Error> {
        let values = parsed.values(long)?.into_iter();
        values
            .map(|text| {
                Pattern::parse(text).map_err(|why| {
                    parsed.usage(format!(
                        "--{long} takes a host name, *.NAME, *, an address or a network: {why}"
                    ))
                })
            })
            .collect()
    };
    Ok(Egress {
        allow: patterns("allow")?,
        deny: patterns("deny")?,
        only_matched: parsed.has("only-matched"),
        deny_private: parsed.has("deny-private"),
    })
}
