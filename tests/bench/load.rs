//! Load: one client as fast as it can, or many at once.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use super::Outcome;
use super::client::Client;
use super::client::Session;
use super::client::Way;
use super::report;
use super::stage::Host;

/// The stack of a client's thread.
const STACK: usize = 256 * 1024;

/// The requests of many clients.
#[derive(Clone, Copy, Default)]
pub(crate) struct Count {
    /// How many there were.
    pub(crate) requests: u64,
    /// How many a second: the sum of what each client achieved, whose last request ended when it ended.
    pub(crate) rate: f64,
}

/// How long something is repeated.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// For this time.
    pub(crate) time: Duration,
    /// But at least so often.
    pub(crate) least: usize,
}

/// One client, one request after another: the median of how long they took.
pub(crate) fn latency(client: &mut Client, request: &[u8], effort: Effort) -> Outcome<Duration> {
    repeat(effort, || client.exchange(request).map(drop))
}

/// One client, one new connection after another.
pub(crate) fn visits(way: &Way, host: Host, session: Session, effort: Effort) -> Outcome<Duration> {
    let request = way.get(host, "/small");
    repeat(effort, || way.visit(host, session, &request))
}

/// Repeats something, and gives the median of how long it took. The first tenth of the time, and the first time, don't count.
fn repeat(effort: Effort, mut step: impl FnMut() -> Outcome<()>) -> Outcome<Duration> {
    let (mut times, start) = (Vec::new(), Instant::now());
    loop {
        step()?;
        if start.elapsed() >= effort.time / 10 {
            break;
        }
    }
    let start = Instant::now();
    while start.elapsed() < effort.time || times.len() < effort.least {
        let begun = Instant::now();
        step()?;
        times.push(begun.elapsed());
    }
    Ok(report::median_time(&times))
}

/// Many clients at once on open connections, for this time.
pub(crate) fn requests(clients: &mut [Client], request: &[u8], time: Duration) -> Outcome<Count> {
    let mut steps = Vec::new();
    for client in clients {
        steps.push(move || client.exchange(request).map(drop));
    }
    at_once(steps, time)
}

/// Many clients at once, each with a new connection for each request, for this time.
pub(crate) fn visitors(
    way: &Way,
    host: Host,
    session: Session,
    (clients, time): (usize, Duration),
) -> Outcome<Count> {
    let request = way.get(host, "/small");
    let step = || way.visit(host, session, &request);
    at_once(vec![step; clients], time)
}

/// Repeats each of these on a thread of its own, from the same moment on.
fn at_once<F>(steps: Vec<F>, time: Duration) -> Outcome<Count>
where
    F: FnMut() -> Outcome<()> + Send,
{
    let barrier = Barrier::new(steps.len());
    let run = |mut step: F| {
        barrier.wait();
        let (start, mut count) = (Instant::now(), Count::default());
        while start.elapsed() < time {
            step()?;
            count.requests += 1;
        }
        count.rate = count.requests as f64 / start.elapsed().as_secs_f64();
        Outcome::Ok(count)
    };
    let run = &run;
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for step in steps {
            let builder = thread::Builder::new().stack_size(STACK);
            threads.push(builder.spawn_scoped(scope, move || run(step))?);
        }
        let mut sum = Count::default();
        for thread in threads {
            let count = thread
                .join()
                .map_err(|_| "a client's thread has failed")??;
            sum.requests += count.requests;
            sum.rate += count.rate;
        }
        Ok(sum)
    })
}
