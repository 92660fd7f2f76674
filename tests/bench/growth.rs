//! The same requests as there are more connections, and more definitions of providers.

use super::Outcome;
use super::Trying;
use super::client::Session;
use super::contender;
use super::contender::Setup;
use super::load;
use super::load::Effort;
use super::report::DIRECT;
use super::report::Table;
use super::report::Unit;
use super::stage;
use super::stage::Host;
use super::stage::Stage;
use super::start;

/// Clients at once.
const CLIENTS: [usize; 4] = [1, 8, 64, 512];

/// Definitions beside the one that is used.
const DEFINITIONS: [usize; 3] = [10, 100, 1_000];

/// Takes the figures.
pub(crate) fn measure(stage: &Stage, table: &mut Table) -> Outcome<()> {
    clients(stage, table)?;
    for others in DEFINITIONS {
        let home = format!("home{others}");
        stage.home(&home, others)?;
        definitions(stage, table, (&home, others, &[]))?;
    }
    for others in DEFINITIONS {
        let home = format!("home{others}");
        let variables: Vec<(String, String)> = (0..others)
            .map(|number| (stage::other_variable(number), format!("key-of-{number}")))
            .collect();
        definitions(stage, table, (&home, others, &variables))?;
    }
    table.note("definitions: files in the home beside the one that is used; connected: each with a credential, from a variable");
    Ok(())
}

/// More connections at once.
fn clients(stage: &Stage, table: &mut Table) -> Outcome<()> {
    let all = contender::start_all(stage)?;
    let time = stage.options.scale.time;
    for count in CLIENTS {
        let row = table.row(format!("GET, {count} open connections"), Unit::Requests);
        let mut open = Vec::new();
        for running in &all {
            let clients = running.way.open_many(Host::Near, count);
            open.push((running, clients.trying("opening").trying(&running.name)?));
        }
        for turn in stage.turns(stage.options.rounds, open.len()) {
            let Some((running, clients)) = open.get_mut(turn) else {
                continue;
            };
            let request = running.way.get(Host::Near, "/small");
            let found = load::requests(clients, &request, time);
            let found = found.trying("requests").trying(&running.name)?;
            table.add(row, &running.name, found.rate);
        }
    }
    Ok(())
}

/// More definitions: the start, and a request.
fn definitions(
    stage: &Stage,
    table: &mut Table,
    (home, others, variables): (&str, usize, &[(String, String)]),
) -> Outcome<()> {
    let words = match variables {
        [] => "definitions",
        _ => "connected",
    };
    let begun = table.row(format!("{others} {words}: `true`, p50"), Unit::Millis);
    let latency = table.row(format!("{others} {words}: GET, p50"), Unit::Micros);
    let setup = Setup {
        home,
        variables,
        options: &[],
    };
    let effort = Effort {
        time: stage.options.scale.time,
        least: 1,
    };
    let mut open = Vec::new();
    for contender in &stage.contenders {
        if contender.is_authsome() || contender.name == DIRECT {
            let running = contender.start(stage, &setup)?;
            let client = running.way.open(Host::Near, Session::New);
            open.push((contender, client.trying(&running.name)?, running));
        }
    }
    for turn in stage.turns(stage.options.rounds, open.len()) {
        let Some((contender, client, running)) = open.get_mut(turn) else {
            continue;
        };
        let found = start::of_program(stage, contender, &setup)?;
        table.time(begun, &contender.name, found);
        let request = running.way.get(Host::Near, "/small");
        let found = load::latency(client, &request, effort);
        table.time(latency, &contender.name, found.trying(&contender.name)?);
    }
    Ok(())
}
