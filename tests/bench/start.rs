//! What it takes to start a program.

use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use super::Outcome;
use super::Trying;
use super::contender::Contender;
use super::contender::Kind;
use super::contender::Setup;
use super::contender::USUAL;
use super::contender::authsome_run;
use super::report;
use super::report::Table;
use super::report::Unit;
use super::stage::Stage;

/// Once runs have taken so long, there are no more of them in this round.
const LONG: Duration = Duration::from_secs(1);

/// Takes the figures.
pub(crate) fn measure(stage: &Stage, table: &mut Table) -> Outcome<()> {
    let start = table.row("`true`, p50", Unit::Millis);
    let peak = table.row("peak memory of a run that does nothing", Unit::Mebibytes);
    let count = stage.contenders.len();
    for turn in stage.turns(stage.options.rounds, count) {
        let Some(contender) = stage.contenders.get(turn) else {
            continue;
        };
        table.time(
            start,
            &contender.name,
            of_program(stage, contender, &USUAL)?,
        );
        let running = contender.start(stage, &USUAL)?;
        if let Some(program) = &running.program {
            table.add(peak, &running.name, program.peak_memory()? / 1024.0);
        }
    }
    table.note(
        "direct is `true` by itself; mitmproxy starts no program: it is the time until it listens",
    );
    Ok(())
}

/// How long a program that does nothing takes behind a contender; the median of some runs.
pub(crate) fn of_program(
    stage: &Stage,
    contender: &Contender,
    setup: &Setup<'_>,
) -> Outcome<Duration> {
    let mut command = match &contender.kind {
        Kind::Direct => Command::new("true"),
        Kind::Authsome(binary) => {
            let mut command = authsome_run(stage, binary, setup);
            command.arg("true");
            command
        }
        Kind::Mitmproxy(_) => {
            let start = Instant::now();
            contender.start(stage, setup)?;
            return Ok(start.elapsed());
        }
    };
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let (mut times, begun) = (Vec::new(), Instant::now());
    for number in 0..stage.options.scale.starts {
        if number > 0 && begun.elapsed() > LONG {
            break;
        }
        let start = Instant::now();
        let status = command.status().trying(&contender.name)?;
        times.push(start.elapsed());
        if !status.success() {
            return Err(format!("{}: {status}", contender.name).into());
        }
    }
    Ok(report::median_time(&times))
}
