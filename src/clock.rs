//! The one door to the wall clock, so that code which judges time takes it as a parameter and a test can move it.

use std::time::SystemTime;

/// The time of day, as the system has it.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the door that the rule names"
)]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}
