//! Memory for connections that are open and idle.

use std::any::Any;
use std::fs;
use std::net::TcpStream;

use super::Outcome;
use super::Trying;
use super::client;
use super::client::Way;
use super::contender::Contender;
use super::contender::Kind;
use super::contender::Setup;
use super::contender::USUAL;
use super::report::Table;
use super::report::Unit;
use super::stage::Host;
use super::stage::Stage;

/// Tunnels whose TLS ends in the proxy.
const INTERCEPTED: usize = 1_000;

/// Tunnels that pass as they are.
const BLIND: usize = 10_000;

/// Files that a proxy keeps for other things than tunnels: for idle connections to origins, and for those it turns away.
const OTHER_FILES: usize = 400;

/// Takes the figures.
pub(crate) fn measure(stage: &Stage, table: &mut Table) -> Outcome<()> {
    let blind = BLIND.min(open_files()?.saturating_sub(OTHER_FILES) / 2);
    let idle = table.row("the idle proxy", Unit::Mebibytes);
    let rows = [
        table.row(
            format!("{INTERCEPTED} intercepted tunnels"),
            Unit::Mebibytes,
        ),
        table.row("one of the intercepted tunnels", Unit::Kibibytes),
        table.row(format!("{blind} blind tunnels"), Unit::Mebibytes),
        table.row("one of the blind tunnels", Unit::Kibibytes),
    ];
    let [all_intercepted, each_intercepted, all_blind, each_blind] = rows;
    let rounds = stage.options.rounds.min(stage.options.scale.memory_rounds);
    let count = stage.contenders.len();
    for (number, turn) in stage.turns(rounds, count).into_iter().enumerate() {
        let Some(contender) = stage.contenders.get(turn) else {
            continue;
        };
        if number >= count && matches!(contender.kind, Kind::Mitmproxy(_)) {
            continue;
        }
        let name = &contender.name;
        let of = |open: &Open, count| grown(stage, contender, open, count).trying(name);
        let intercepted: Open = |way, count| {
            let mut clients = way.open_many(Host::Near, count)?;
            let request = way.get(Host::Near, "/small");
            for client in &mut clients {
                client.exchange(&request)?;
            }
            Ok(Box::new(clients))
        };
        let blindly: Open = |way, count| Ok(Box::new(open_blind(way, count)?));
        if let Some((before, grown)) = of(&intercepted, INTERCEPTED)? {
            table.add(idle, name, before / 1024.0);
            table.add(all_intercepted, name, grown / 1024.0);
            table.add(each_intercepted, name, grown / INTERCEPTED as f64);
        }
        if let Some((_, grown)) = of(&blindly, blind)? {
            table.add(all_blind, name, grown / 1024.0);
            table.add(each_blind, name, grown / blind as f64);
        }
    }
    table.note(format!("rounds: {rounds}, of mitmproxy 1; each tunnel had one request; what the kernel keeps for a socket or a thread isn't in it"));
    if blind < BLIND {
        table.note(format!("not {BLIND} blind tunnels: a proxy needs two files for each, and may have no more (ulimit -Hn)"));
    }
    Ok(())
}

/// Opens so many tunnels, and gives what keeps them open.
type Open = fn(&Way, usize) -> Outcome<Box<dyn Any>>;

/// The memory of a proxy before and for so many tunnels, in KiB.
fn grown(
    stage: &Stage,
    contender: &Contender,
    open: &Open,
    count: usize,
) -> Outcome<Option<(f64, f64)>> {
    let most = (count + 100).to_string();
    let running = contender.start(
        stage,
        &Setup {
            options: &["--max-connections", &most],
            ..USUAL
        },
    )?;
    let Some(program) = &running.program else {
        return Ok(None);
    };
    let before = program.memory()?;
    let open = open(&running.way, count)?;
    let after = program.memory()?;
    drop(open);
    Ok(Some((before, after - before)))
}

/// Opens blind tunnels. What passes is no secret to the proxy or the bench: plain HTTP serves.
fn open_blind(way: &Way, count: usize) -> Outcome<Vec<TcpStream>> {
    let request = way.get(Host::Plain, "/small");
    let mut tunnels = Vec::new();
    for number in 0..count {
        let tunnel = way.tunnel(Host::Plain).and_then(|mut tunnel| {
            client::exchange_plain(&mut tunnel, &request)?;
            Ok(tunnel)
        });
        tunnels.push(tunnel.trying(&format!("tunnel {number} of {count}"))?);
    }
    Ok(tunnels)
}

/// How many files a program may have open.
fn open_files() -> Outcome<usize> {
    let limits = fs::read_to_string("/proc/self/limits").trying("/proc/self/limits")?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let limit = line.and_then(|line| line.split_whitespace().next());
    Ok(limit
        .ok_or("no limit of open files")?
        .parse()
        .unwrap_or(usize::MAX))
}
