//! What was done with credentials, told to whoever is to know: a log on the disk, counters, a listener.
//!
//! An event is made once what it is about is over, and nobody waits for it: an answer is with the client before its line is written.

pub(crate) mod event;
pub(crate) mod figures;
pub(crate) mod log;
pub(crate) mod read;

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::Instant;

pub(crate) use event::Event;
pub(crate) use event::Kind;
pub(crate) use figures::Figures;
pub(crate) use log::Log;

use crate::random;

/// How long the end of a run waits for requests that are under way. Those of a program that has ended end at once; a stream that another
/// program still reads may not.
const LAST_REQUESTS: Duration = Duration::from_millis(250);

/// How often it is looked meanwhile whether they have.
const LOOK: Duration = Duration::from_millis(1);

/// Digits of a random token that tell one run from another.
const RUN_DIGITS: usize = 8;

/// What hears of each event.
type Listener = Box<dyn Fn(&Event<'_>) + Send + Sync>;

/// Where events go. Shared by all threads.
pub(crate) struct Audit {
    /// What the events of this process are known by.
    run: String,
    /// The file.
    log: Option<Log>,
    /// The counters.
    figures: Option<Mutex<Figures>>,
    /// Who listens.
    listener: Option<Listener>,
    /// Requests that have begun and of which nothing has been told yet; and connections that are looked into and have had none.
    under_way: AtomicU64,
}

/// A request that has begun, or is waited for on a new connection, until this is dropped.
pub(crate) struct UnderWay<'a>(&'a Audit);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Audit {
    /// Events that go nowhere.
    pub(crate) fn off() -> Self {
        Self {
            run: String::new(),
            log: None,
            figures: None,
            listener: None,
            under_way: AtomicU64::new(0),
        }
    }

    /// The same with a log.
    pub(crate) fn logged(self, mut log: Log) -> Self {
        let mut run = random::token().unwrap_or_default();
        run.truncate(RUN_DIGITS);
        log.run.clone_from(&run);
        Self {
            run,
            log: Some(log),
            ..self
        }
    }

    /// The same with counters.
    pub(crate) fn counted(self) -> Self {
        Self {
            figures: Some(Mutex::default()),
            ..self
        }
    }

    /// The same with somebody who listens.
    pub(crate) fn heard(self, listener: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        Self {
            listener: Some(Box::new(listener)),
            ..self
        }
    }

    /// Whether events go anywhere: else they need not be made.
    pub(crate) fn is_on(&self) -> bool {
        self.log.is_some() || self.figures.is_some() || self.listener.is_some()
    }

    /// Tells that a run begins. Its line is written with the next one: a run that asks for nothing leaves nothing behind.
    pub(crate) fn begin(&self, program: &str) {
        let event = self.dated(Event {
            program: Some(program.into()),
            version: Some(env!("CARGO_PKG_VERSION").into()),
            ..Event::of(Kind::Start)
        });
        if let Some(log) = &self.log {
            log.hold(&event);
        }
    }

    /// Tells of something that was done.
    pub(crate) fn record<'a>(&'a self, event: Event<'a>) {
        if !self.is_on() {
            return;
        }
        let event = self.dated(event);
        if let Some(listener) = &self.listener {
            listener(&event);
        }
        if let Some(figures) = &self.figures {
            let mut figures = figures.lock().unwrap_or_else(PoisonError::into_inner);
            figures.add(&event);
        }
        if let Some(log) = &self.log
            && !event.is(Kind::Passed)
        {
            log.write(&event);
        }
    }

    /// The event with its time, and by whom it was told.
    fn dated<'a>(&'a self, event: Event<'a>) -> Event<'a> {
        Event {
            time: log::time().into(),
            run: self.run.as_str().into(),
            ..event
        }
    }

    /// Notes that a request has begun, or is waited for.
    pub(crate) fn under_way(&self) -> UnderWay<'_> {
        self.under_way.fetch_add(1, Ordering::AcqRel);
        UnderWay(self)
    }

    /// Waits, for a moment, until all requests that have begun were told of, and tells how many were not.
    pub(crate) fn finish(&self) {
        if !self.is_on() {
            return;
        }
        let deadline = Instant::now() + LAST_REQUESTS;
        let under_way = || self.under_way.load(Ordering::Acquire);
        while under_way() > 0 && Instant::now() < deadline {
            thread::sleep(LOOK);
        }
        let left = under_way();
        if left > 0 {
            self.record(Event {
                count: Some(left),
                ..Event::of(Kind::Cut)
            });
        }
        if let Some(log) = &self.log {
            log.finish();
        }
    }

    /// What was counted.
    pub(crate) fn with_figures<T>(&self, look: impl FnOnce(&Figures) -> T) -> Option<T> {
        let figures = self.figures.as_ref()?;
        let figures = figures.lock().unwrap_or_else(PoisonError::into_inner);
        Some(look(&figures))
    }
}
