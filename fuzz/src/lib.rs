//! What several targets stand on: another reader of HTTP/1.1, and a client and origins around the whole proxy.

pub mod message;
pub mod stage;

/// Whether `haystack` has `needle` in it.
#[must_use]
pub fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    count(haystack, needle) > 0
}

/// How often `needle` is in `haystack`.
#[must_use]
pub fn count(haystack: &[u8], needle: &[u8]) -> usize {
    let windows = haystack.windows(needle.len());
    windows.filter(|window| *window == needle).count()
}

/// `text` with `new` in the place of every `old`.
#[must_use]
pub fn replaced(text: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some((first, tail)) = rest.split_first() {
        match rest.strip_prefix(old) {
            Some(behind) => {
                out.extend_from_slice(new);
                rest = behind;
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}
