//! What pages hand in, on the threads of a listener, at the thread that has everything else; and what they are told.

use std::io;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::Sender;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

/// How often it is seen whether the listener is still there.
const INTERVAL: Duration = Duration::from_millis(100);

/// Where pages hand something in.
pub(super) struct Window<I, O>(Mutex<Sender<(I, Sender<O>)>>);

/// Where it arrives.
pub(super) struct Desk<I, O>(Receiver<(I, Sender<O>)>);

/// Both sides.
pub(super) fn open<I, O>() -> (Window<I, O>, Desk<I, O>) {
    let (sender, receiver) = mpsc::channel();
    (Window(Mutex::new(sender)), Desk(receiver))
}

/// Starts what serves the pages.
///
/// # Errors
/// When there is no thread to be had.
pub(super) fn start<T: Send + 'static>(
    serve: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    thread::Builder::new().name("pages".into()).spawn(serve)
}

impl<I, O> Window<I, O> {
    /// Hands something in and waits for what comes of it; `None` when nobody attends any more.
    pub(super) fn hand_in(&self, item: I) -> Option<O> {
        let (answer, told) = mpsc::channel();
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = sender.send((item, answer));
        drop(sender);
        sent.ok().and_then(|()| told.recv().ok())
    }
}

impl<I, O> Desk<I, O> {
    /// Takes what is handed in, until something ends the matter: gives that, or nothing where the pages end before.
    pub(super) fn attend<R, T>(
        &self,
        deadline: Instant,
        serving: &JoinHandle<T>,
        mut judge: impl FnMut(I) -> (O, Option<R>),
    ) -> Option<R> {
        while !serving.is_finished() && Instant::now() < deadline {
            let Ok((item, answer)) = self.0.recv_timeout(INTERVAL) else {
                continue;
            };
            let (told, end) = judge(item);
            // A page that has gone away is told in vain.
            let _ = answer.send(told);
            if end.is_some() {
                return end;
            }
        }
        None
    }
}
