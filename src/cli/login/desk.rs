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

use crate::loopback::Listener;
use crate::loopback::Outcome;
use crate::loopback::Request;
use crate::loopback::Verdict;

/// Pages that are served, on a thread of their own.
pub(super) struct Pages(JoinHandle<io::Result<Outcome<()>>>);

/// Why nothing has come of them.
pub(super) enum Nothing {
    /// Nobody has come in time.
    TimedOut,
    /// The person does not want to.
    Cancelled,
    /// They could not be served.
    Failed(io::Error),
}

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

/// Serves pages until one of them ends it, or the deadline.
///
/// # Errors
/// When there is no thread to be had.
pub(super) fn serve(
    listener: Listener,
    deadline: Instant,
    answer: impl Fn(&Request) -> Verdict<()> + Send + Sync + 'static,
) -> io::Result<Pages> {
    let serve = move || listener.serve(deadline, answer);
    let thread = thread::Builder::new().name("pages".into()).spawn(serve)?;
    Ok(Pages(thread))
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
    /// Takes what is handed in, until something ends the matter, and gives that once the last page is out.
    ///
    /// # Errors
    /// Why there is nothing to give.
    pub(super) fn attend<R>(
        &self,
        deadline: Instant,
        pages: Pages,
        mut judge: impl FnMut(I) -> (O, Option<R>),
    ) -> Result<R, Nothing> {
        let Pages(serving) = pages;
        let mut end = None;
        while end.is_none() && !serving.is_finished() && Instant::now() < deadline {
            let Ok((item, answer)) = self.0.recv_timeout(INTERVAL) else {
                continue;
            };
            let (told, judged) = judge(item);
            // A page that has gone away is told in vain.
            let _ = answer.send(told);
            end = judged;
        }
        let served = serving.join();
        match (end, served) {
            (Some(end), _) => Ok(end),
            (None, Ok(Ok(Outcome::Answer(())))) => Err(Nothing::Cancelled),
            (None, Ok(Err(error))) => Err(Nothing::Failed(error)),
            (None, Ok(Ok(Outcome::TimedOut)) | Err(_)) => Err(Nothing::TimedOut),
        }
    }
}
