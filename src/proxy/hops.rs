//! How often a request may still be passed on: `Max-Forwards` (RFC 9110 section 7.6.2).

use crate::http1::framing::decimal;
use crate::http1::head::RequestHead;

/// The field.
const MAX_FORWARDS: &str = "max-forwards";

/// Whether the request may not be passed on any more: whoever has it answers it.
pub(super) fn are_over(head: &RequestHead) -> bool {
    is_counted(head)
        && head
            .fields
            .all(MAX_FORWARDS)
            .any(|value| decimal(value) == Ok(0))
}

/// The value with which a field of the request is passed on, if that is another than the one it came with.
pub(super) fn one_less(head: &RequestHead, name: &[u8], value: &[u8]) -> Option<String> {
    if !is_counted(head) || !name.eq_ignore_ascii_case(MAX_FORWARDS.as_bytes()) {
        return None;
    }
    let left = decimal(value).ok()?;
    Some(left.saturating_sub(1).to_string())
}

/// Whether the field means something to the request's method.
fn is_counted(head: &RequestHead) -> bool {
    matches!(&*head.method, "OPTIONS" | "TRACE")
}
