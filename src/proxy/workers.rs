//! Threads that serve connections, one each. One whose connection has ended waits a while for another: starting a thread costs more
//! than waking one, and clients that make a connection for each request are common.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;

use crate::sys::stack;

/// Threads that wait, at the most. More are needed only while connections come faster than they end.
const MAX_WAITING: usize = 16;

/// What a thread is to do.
type Job = Box<dyn FnOnce() + Send>;

/// The threads.
pub(super) struct Workers {
    /// The stack of each.
    stack: usize,
    /// How long one waits for a job.
    patience: Duration,
    /// What they share.
    shared: Arc<Shared>,
}

/// What they share.
#[derive(Default)]
struct Shared {
    /// What waits.
    state: Mutex<State>,
    /// Wakes a thread that waits.
    wake: Condvar,
}

/// What waits. There are never more jobs than threads that wait, all of which will be woken.
#[derive(Default)]
struct State {
    /// Threads that wait for a job.
    waiting: usize,
    /// Jobs that were given to them.
    jobs: VecDeque<Job>,
}

impl Workers {
    /// None yet; each is to have a stack of so many bytes, and to wait so long for another connection.
    pub(super) fn new(stack: usize, patience: Duration) -> Self {
        Self {
            stack,
            patience,
            shared: Arc::default(),
        }
    }

    /// Has a thread do the job: one that waits, else a new one.
    ///
    /// # Errors
    /// When there is no thread to be had; the job is dropped.
    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut state = self.shared.lock();
        if state.waiting > state.jobs.len() {
            state.jobs.push_back(Box::new(job));
            drop(state);
            self.shared.wake.notify_one();
            return Ok(());
        }
        drop(state);
        let (shared, patience) = (Arc::clone(&self.shared), self.patience);
        let work = move || {
            stack::find();
            job();
            while let Some(next) = shared.next(patience) {
                next();
            }
        };
        thread::Builder::new()
            .name("connection".into())
            .stack_size(self.stack)
            .spawn(work)?;
        Ok(())
    }
}

impl Shared {
    /// Waits for a job; nothing when none comes in time, or enough threads wait.
    fn next(&self, patience: Duration) -> Option<Job> {
        let mut state = self.lock();
        if state.waiting >= MAX_WAITING {
            return None;
        }
        state.waiting += 1;
        let waited = self
            .wake
            .wait_timeout_while(state, patience, |state| state.jobs.is_empty());
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        state.jobs.pop_front()
    }

    /// What waits.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread::ThreadId;

    use super::*;

    /// Enough for what is done here.
    const STACK: usize = 128 * 1024;

    /// Longer than any of it takes, however busy the machine is.
    const LONG: Duration = Duration::from_secs(600);

    /// Waits until so many threads wait.
    fn wait_for(workers: &Workers, count: usize) {
        while workers.shared.lock().waiting != count {
            thread::yield_now();
        }
    }

    #[test]
    fn a_thread_that_is_done_is_used_again() {
        let workers = Workers::new(STACK, LONG);
        let (tell, told) = mpsc::channel::<ThreadId>();
        let mut last = None;
        for _ in 0..100 {
            let tell = tell.clone();
            workers
                .run(move || tell.send(thread::current().id()).unwrap())
                .unwrap();
            let id = told.recv().unwrap();
            assert!(last.is_none_or(|last| last == id));
            last = Some(id);
            wait_for(&workers, 1);
        }
    }

    #[test]
    fn as_many_jobs_run_at_once_as_there_are() {
        let workers = Workers::new(STACK, LONG);
        for _ in 0..3 {
            let (tell, told) = mpsc::channel();
            let barrier = Arc::new(std::sync::Barrier::new(100));
            for _ in 0..100 {
                let (tell, barrier) = (tell.clone(), Arc::clone(&barrier));
                let job = move || {
                    barrier.wait();
                    tell.send(()).unwrap();
                };
                workers.run(job).unwrap();
            }
            drop(tell);
            assert_eq!(told.iter().count(), 100);
            wait_for(&workers, MAX_WAITING);
        }
    }

    #[test]
    fn a_thread_waits_for_no_longer_than_it_is_to() {
        let workers = Workers::new(STACK, Duration::ZERO);
        let (tell, told) = mpsc::channel();
        let alive = Arc::downgrade(&workers.shared);
        workers.run(move || tell.send(()).unwrap()).unwrap();
        assert_eq!(told.recv(), Ok(()));
        drop(workers);
        while alive.strong_count() > 0 {
            thread::yield_now();
        }
    }

    #[test]
    fn a_job_that_fails_takes_its_thread_along_and_nothing_else() {
        let workers = Workers::new(STACK, LONG);
        let (tell, told) = mpsc::channel::<()>();
        for _ in 0..10 {
            let tell = tell.clone();
            let fail = move || {
                // Dropped by the failure.
                let _tell = tell;
                std::panic::resume_unwind(Box::new(()));
            };
            workers.run(fail).unwrap();
        }
        drop(tell);
        assert!(told.recv().is_err());
        let (tell, told) = mpsc::channel();
        workers.run(move || tell.send(()).unwrap()).unwrap();
        assert_eq!(told.recv(), Ok(()));
    }
}
