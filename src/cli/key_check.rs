//! Whether a key looks like one of the provider that it is meant for.

use crate::credential::Credential;
use crate::provider::definition::Definition;
use crate::provider::registry::Registry;

/// What there is to say of a key. Nothing of the key is in it.
pub(super) enum Finding {
    /// It looks right.
    Good,
    /// It looks like another provider's, but nothing is known of how this one's look.
    Doubtful(String),
    /// It doesn't look like this provider's.
    Wrong(String),
}

/// Looks at the key.
pub(super) fn look(
    registry: &Registry,
    definition: &Definition,
    credential: &Credential,
) -> Finding {
    let key = credential.expose();
    let own = definition.key_shape().ok().flatten();
    let name = definition
        .name()
        .map(|name| name.to_string())
        .unwrap_or_default();
    let mut others = registry.looks_like(key, &name);
    let text = str::from_utf8(key).ok();
    let fits = own
        .as_ref()
        .is_none_or(|shape| text.is_some_and(|key| shape.fits(key)));
    let begins = own
        .as_ref()
        .filter(|shape| !fits && text.is_some_and(|key| shape.begins(key)));
    if let Some(shape) = begins {
        // It begins as it should: only a longer beginning of another's tells that it is meant for that one.
        others.retain(|(_, other)| distinctness(other) > shape.distinctness());
    }
    let names: Vec<String> = others
        .iter()
        .map(|(name, other)| format!("{} (`{name}`)", other.display_name()))
        .collect();
    let expected = definition.display_name();
    let looks = || format!("this looks like a key of {}", names.join(" or "));
    match (fits, &own) {
        (true, _) if others.is_empty() => Finding::Good,
        (true, None) => Finding::Doubtful(format!("{}, not of {expected}", looks())),
        (true, Some(_)) => Finding::Wrong(format!("{}, not of {expected}", looks())),
        (false, Some(shape)) if others.is_empty() => Finding::Wrong(format!(
            "this does not look like a key of {expected}, which {}{}",
            shape.hint(),
            begins.map_or("", |_| "; it may be cut short")
        )),
        (false, shape) => {
            let hint = shape
                .as_ref()
                .map(|shape| format!(", which {}", shape.hint()));
            Finding::Wrong(format!(
                "{}, not of {expected}{}",
                looks(),
                hint.unwrap_or_default()
            ))
        }
    }
}

/// How well the shape of a provider's keys tells them from others'.
fn distinctness(definition: &Definition) -> usize {
    let shape = definition.key_shape().ok().flatten();
    shape.map_or(0, |shape| shape.distinctness())
}
