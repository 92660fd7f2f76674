//! A new connection for each request, as programs make that are started for one: TCP, CONNECT, TLS with full verification, GET,
//! the end.

use std::time::Instant;

use super::Outcome;
use super::Trying;
use super::client::Session;
use super::contender;
use super::contender::USUAL;
use super::load;
use super::load::Effort;
use super::report::Table;
use super::report::Unit;
use super::stage::Host;
use super::stage::Stage;

/// Clients at once, where there are many.
const MANY: usize = 16;

/// What a session is called in a row.
fn words(session: Session) -> &'static str {
    match session {
        Session::New => "",
        Session::Resumed => ", TLS resumed",
    }
}

/// Takes the figures for the near origin.
pub(crate) fn near(stage: &Stage, table: &mut Table) -> Outcome<()> {
    let all = contender::start_all(stage)?;
    let time = stage.options.scale.time;
    for session in [Session::New, Session::Resumed] {
        let words = words(session);
        let one = table.row(format!("1 client{words}, p50"), Unit::Micros);
        let many = table.row(format!("{MANY} clients{words}"), Unit::Requests);
        for turn in stage.turns(stage.options.rounds, all.len()) {
            let Some(running) = all.get(turn) else {
                continue;
            };
            let way = &running.way;
            let found = load::visits(way, Host::Near, session, Effort { time, least: 1 });
            table.time(one, &running.name, found.trying(&running.name)?);
            let found = load::visitors(way, Host::Near, session, (MANY, time));
            let found = found.trying(&running.name)?;
            table.add(many, &running.name, found.rate);
        }
    }
    table.note("not resumed: each connection is a new program's, as with curl; resumed: by the client, with what it was given before");
    Ok(())
}

/// Takes the figures for the far origin. Contenders are started for each round, so that there is a first request in each.
pub(crate) fn far(stage: &Stage, table: &mut Table) -> Outcome<()> {
    let first = table.row("new connection, the run's first", Unit::Millis);
    let one = table.row("new connection, 1 client, p50", Unit::Millis);
    let many = table.row(format!("new connection, {MANY} clients"), Unit::Requests);
    let kept = table.row("open connection, 1 client, p50", Unit::Millis);
    let (scale, count) = (&stage.options.scale, stage.contenders.len());
    let effort = Effort {
        time: scale.time,
        least: scale.visits,
    };
    // Long enough for some requests of each client.
    let time = scale.time * 2;
    for turn in stage.turns(stage.options.rounds, count) {
        let Some(contender) = stage.contenders.get(turn) else {
            continue;
        };
        let running = contender.start(stage, &USUAL)?;
        let (way, name) = (&running.way, &running.name);
        let request = way.get(Host::Far, "/small");
        let begun = Instant::now();
        let visit = way.visit(Host::Far, Session::New, &request);
        visit.trying(name)?;
        table.time(first, name, begun.elapsed());
        let found = load::visits(way, Host::Far, Session::New, effort);
        table.time(one, name, found.trying(name)?);
        let found = load::visitors(way, Host::Far, Session::New, (MANY, time)).trying(name)?;
        table.add(many, name, found.rate);
        let mut client = way.open(Host::Far, Session::New).trying(name)?;
        let found = load::latency(&mut client, &request, effort);
        table.time(kept, name, found.trying(name)?);
    }
    table
        .note("the relay counts TCP's handshake too, by its first bytes: 3 times 40 ms for direct");
    Ok(())
}
