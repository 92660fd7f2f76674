//! curl, started for each request: what an agent's shell does all day.

use std::process::Command;
use std::time::Duration;
use std::time::Instant;

use super::Outcome;
use super::Trying;
use super::contender;
use super::contender::Running;
use super::report;
use super::report::DIRECT;
use super::report::Table;
use super::report::Unit;
use super::stage::Host;
use super::stage::Stage;

/// Takes the figures.
pub(crate) fn measure(stage: &Stage, table: &mut Table) -> Outcome<()> {
    let all = contender::start_all(stage)?;
    let (rounds, curls) = (stage.options.rounds, stage.options.scale.curls);
    let row = table.row(format!("one of {} runs, p50", rounds * curls), Unit::Millis);
    for turn in stage.turns(rounds, all.len()) {
        let Some(running) = all.get(turn) else {
            continue;
        };
        let times: Vec<Duration> = (0..curls)
            .map(|_| run(stage, running))
            .collect::<Outcome<_>>()
            .trying(&running.name)?;
        table.time(row, &running.name, report::median_time(&times));
    }
    table.note("each with the certificates that the contender gives to its programs; direct: those of the system and the origin's");
    Ok(())
}

/// One run.
fn run(stage: &Stage, running: &Running) -> Outcome<Duration> {
    let mut curl = Command::new("curl");
    let name = Host::Far.name();
    let credential = running.way.credential(Host::Far);
    curl.args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H"])
        .arg(format!("Authorization: Bearer {credential}"))
        .arg(format!("https://{name}/small"))
        .env_clear()
        .envs(&running.environment);
    if running.name == DIRECT {
        let port = stage.ports.of(Host::Far);
        curl.arg("--connect-to")
            .arg(format!("{name}:443:127.0.0.1:{port}"));
    }
    let start = Instant::now();
    let output = curl
        .output()
        .trying("curl; on Debian: apt-get install curl")?;
    let time = start.elapsed();
    match &*output.stdout {
        b"200" => Ok(time),
        _ => Err(String::from_utf8_lossy(&output.stderr).into()),
    }
}
