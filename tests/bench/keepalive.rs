//! Requests one after another on connections that stay open.

use std::time::Duration;

use super::Outcome;
use super::Trying;
use super::client::Client;
use super::contender;
use super::contender::Running;
use super::load;
use super::load::Count;
use super::load::Effort;
use super::report::Table;
use super::report::Unit;
use super::stage::Host;
use super::stage::Stage;

/// Clients at once, where there are many.
const MANY: usize = 32;

/// Takes the figures.
pub(crate) fn measure(stage: &Stage, table: &mut Table) -> Outcome<()> {
    let latency = table.row("GET, 1 client, p50", Unit::Micros);
    let rate = table.row(format!("GET, {MANY} clients"), Unit::Requests);
    let cpu = table.row(format!("the proxy's CPU, {MANY} clients"), Unit::CpuMicros);
    let mut open = Vec::new();
    for running in contender::start_all(stage)? {
        let clients = running.way.open_many(Host::Near, MANY);
        let clients = clients.trying(&running.name)?;
        open.push((running, clients));
    }
    let time = stage.options.scale.time;
    for turn in stage.turns(stage.options.rounds, open.len()) {
        let Some((running, clients)) = open.get_mut(turn) else {
            continue;
        };
        let request = running.way.get(Host::Near, "/small");
        if let Some(client) = clients.first_mut() {
            let found =
                load::latency(client, &request, Effort { time, least: 1 }).trying(&running.name)?;
            table.time(latency, &running.name, found);
        }
        let (count, used) = with_cpu(running, clients, &request, time)?;
        table.add(rate, &running.name, count.rate);
        if let Some(used) = used {
            let each = used.as_secs_f64() * 1e6 / count.requests as f64;
            table.add(cpu, &running.name, each);
        }
    }
    Ok(())
}

/// Requests of all clients at once, and the CPU time that the proxy took for them.
fn with_cpu(
    running: &Running,
    clients: &mut [Client],
    request: &[u8],
    time: Duration,
) -> Outcome<(Count, Option<Duration>)> {
    let before = running.cpu()?;
    let count = load::requests(clients, request, time).trying(&running.name)?;
    let after = running.cpu()?;
    let used = before.zip(after).map(|(before, after)| after - before);
    Ok((count, used))
}
