//! Signals that come while `get` and `export` have tokens replaced: the new refresh token is nowhere but on its way, and the old one may
//! be good no more.

use std::sync::Arc;
use std::sync::Once;
use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering;
use std::thread;

use super::app::App;
use super::error::Error;
use super::error::FAILED;
use crate::broker::store::Store;
use crate::notice::Notices;
use crate::sys::signal::Signals;

/// The signals that a person or a supervisor ends a command with.
const ENDING: [i32; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// The first signal that came; 0 while there was none.
static CAME: AtomicI32 = AtomicI32::new(0);

/// From here on has such a signal wait for a refresh that is under way. Another one ends the process at once, and so does the first where
/// there is no refresh.
pub(super) fn defer(app: &App) {
    /// That it was done.
    static DONE: Once = Once::new();

    DONE.call_once(|| {
        // Without it, signals do what they always do.
        let Ok(signals) = Signals::catch(&ENDING) else {
            return;
        };
        let (store, notices) = (Arc::clone(&app.store), Arc::clone(&app.notices));
        let listening = move || listen(signals, &store, &notices);
        let spawned = thread::Builder::new()
            .name("signals".into())
            .spawn(listening);
        if spawned.is_err() {
            let _ = Signals::catch(&ENDING).and_then(|signals| signals.release(&ENDING));
        }
    });
}

/// Listens until the end of the process.
fn listen(mut signals: Signals, store: &Store, notices: &Notices) {
    let Ok(first) = signals.next() else { return };
    CAME.store(first.number, Ordering::Release);
    let mut signals = Some(signals);
    store.refreshes().unless_any(|| {
        if let Some(signals) = signals.take() {
            signals.end_process(&ENDING, first.number);
        }
    });
    let Some(mut signals) = signals else { return };
    notices.tell(
        "new tokens are on their way: authsome ends once they are stored; another signal ends it at once"
            .to_owned(),
    );
    if let Ok(second) = signals.next() {
        signals.end_process(&ENDING, second.number);
    }
}

/// Checks that no signal has come.
///
/// # Errors
/// When one has: the command ends, and shows nothing.
pub(super) fn check() -> Result<(), Error> {
    match CAME.load(Ordering::Acquire) {
        0 => Ok(()),
        number => {
            let code = u8::try_from(128 + number).unwrap_or(FAILED);
            Err(Error::plain("interrupted").code(code))
        }
    }
}
