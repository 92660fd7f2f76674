//! Large bodies, down and up, and through a blind tunnel.

use std::time::Duration;
use std::time::Instant;

use super::Outcome;
use super::Trying;
use super::client::Session;
use super::contender;
use super::contender::Running;
use super::nginx;
use super::report::RowId;
use super::report::Table;
use super::report::Unit;
use super::stage::Host;
use super::stage::Stage;

/// A way to move a body.
#[derive(Clone, Copy)]
struct Kind {
    /// What it is called.
    name: &'static str,
    /// Where it goes.
    host: Host,
    /// Whether it goes up.
    is_upload: bool,
}

/// All of them.
const KINDS: [Kind; 3] = [
    Kind {
        name: "download",
        host: Host::Near,
        is_upload: false,
    },
    Kind {
        name: "upload",
        host: Host::Upload,
        is_upload: true,
    },
    Kind {
        name: "download, blind tunnel",
        host: Host::Blind,
        is_upload: false,
    },
];

/// The rows of a kind: how fast, and the proxy's CPU time.
type Rows = (RowId, RowId);

/// Takes the figures.
pub(crate) fn measure(stage: &Stage, table: &mut Table) -> Outcome<()> {
    let size = stage.options.scale.body;
    let mebibytes = size / (1024 * 1024);
    let rows: Vec<Rows> = KINDS
        .iter()
        .map(|kind| {
            let rate = table.row(format!("{}, {mebibytes} MiB", kind.name), Unit::Megabytes);
            let cpu = table.row(format!("{}: the proxy's CPU", kind.name), Unit::CpuSeconds);
            (rate, cpu)
        })
        .collect();
    let peak = table.row("peak memory of the proxy after all that", Unit::Mebibytes);
    let all = contender::start_all(stage)?;
    let piece = nginx::piece(64 * 1024);
    for turn in stage.turns(stage.options.rounds, all.len()) {
        let Some(running) = all.get(turn) else {
            continue;
        };
        for (kind, (rate, cpu)) in KINDS.iter().zip(&rows) {
            let before = running.cpu()?;
            let took = transfer(running, *kind, (size, &piece));
            let took = took.trying(kind.name).trying(&running.name)?;
            let used = before.zip(running.cpu()?);
            let bytes = size as f64;
            table.add(*rate, &running.name, bytes / took.as_secs_f64() / 1e6);
            if let Some((before, after)) = used {
                let used = (after - before).as_secs_f64();
                table.add(*cpu, &running.name, used / bytes * 1e9);
            }
        }
    }
    for running in &all {
        if let Some(program) = &running.program {
            table.add(peak, &running.name, program.peak_memory()? / 1024.0);
        }
    }
    Ok(())
}

/// Moves one body, on a connection that was used before.
fn transfer(running: &Running, kind: Kind, (size, piece): (u64, &[u8])) -> Outcome<Duration> {
    let way = &running.way;
    let mut client = way.open(kind.host, Session::New)?;
    if kind.is_upload {
        client.upload(&way.put(kind.host, "/upload", 1), piece, 1)?;
        let start = Instant::now();
        client.upload(&way.put(kind.host, "/upload", size), piece, size)?;
        return Ok(start.elapsed());
    }
    client.exchange(&way.get(kind.host, "/small"))?;
    let start = Instant::now();
    let received = client.exchange(&way.get(kind.host, "/large"))?;
    let took = start.elapsed();
    if received == size {
        Ok(took)
    } else {
        Err(format!("{received} bytes of {size}").into())
    }
}
