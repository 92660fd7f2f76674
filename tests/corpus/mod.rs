//! Messages that are as they should be and messages that are not, in `requests` and `responses`: for each, what the origin receives, what
//! the client receives, and what becomes of the connection. Each is played in one piece, in two with the cut at every byte, and in pieces of
//! one byte; the outcome is the same.
//!
//! A piece is sent when the proxy has read the one before (see [`crate::support::queue`]), in a TLS record of its own. Where a case says that
//! the connection stays open, the next play goes on it: what was left over would be seen there.

mod board;
mod case;
mod normal;
mod stage;

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;

use case::Arrival;
use case::Case;
use case::Side;
use stage::Failure;
use stage::Stage;

/// Bytes up to which all cuts are played. A longer message is cut around the ends of its lines, those of the first few and the last, and at
/// [`STEPS`] places between; it is not sent in single bytes but in that many pieces.
const ALL_CUTS: usize = 700;

/// Places at which a long message is cut beside the ends of lines.
const STEPS: usize = 40;

/// Failures after which a case is given up.
const TOLD: usize = 3;

/// Cases that failed, after which all is given up: where everything hangs, nothing more is to be learned.
const ENOUGH: usize = 12;

/// The cuts with which a case is played.
fn plays(case: &Case) -> Vec<Vec<usize>> {
    let bytes = match case.side {
        Side::Client => &case.send,
        Side::Origin => &case.answers[0],
    };
    let all: Vec<usize> = if bytes.len() <= ALL_CUTS {
        (1..bytes.len()).collect()
    } else {
        (1..STEPS).map(|step| step * bytes.len() / STEPS).collect()
    };
    let mut single = all.clone();
    if bytes.len() > ALL_CUTS {
        let is_end = |at: &usize| bytes[..*at].ends_with(b"\r\n");
        let ends: Vec<usize> = (0..bytes.len()).filter(is_end).collect();
        let last = ends.len().saturating_sub(4).max(4);
        let near = ends
            .iter()
            .take(4)
            .chain(ends.get(last..).unwrap_or_default());
        single.extend(near.flat_map(|end| end - 2..end + 2));
    }
    let mut plays = vec![Vec::new()];
    plays.extend(single.into_iter().map(|at| vec![at]));
    plays.push(all);
    plays
}

/// Plays all cases, and tells how many, or of those that did not go as they say.
///
/// Those whose request is not completed come first, all of them for one host: then there is no other connection that the proxy keeps, and it
/// can be seen that it keeps none.
fn play_all(mut cases: Vec<Case>, at_least: usize) -> String {
    cases.sort_by_key(|case| !matches!(case.arrival, Arrival::Part(_)));
    assert!(
        cases.len() >= at_least,
        "there are {} cases only",
        cases.len()
    );
    let next = AtomicUsize::new(0);
    let played = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let play = || {
        let mut stage = Stage::new();
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let plays = plays(case);
            played.fetch_add(plays.len(), Ordering::Relaxed);
            // One that hangs hangs in all its plays.
            let failed = plays.iter().filter_map(|cuts| stage.play(case, cuts).err());
            let failed: Vec<Failure> = failed.take(TOLD).collect();
            let mut all = failures.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend((!failed.is_empty()).then_some(failed));
            if all.len() >= ENOUGH {
                break;
            }
        }
        stage.finish();
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(2, |count| count.get().min(4) + 1);
        for _ in 0..threads {
            scope.spawn(play);
        }
    });
    let failures = failures
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let summary = format!(
        "{} cases, {} plays, {} failures in {} cases",
        cases.len(),
        played.into_inner(),
        failures.iter().map(Vec::len).sum::<usize>(),
        failures.len()
    );
    let mut text = String::new();
    for failed in &failures {
        for failure in failed {
            text.push_str(&format!("{failure}\n"));
        }
    }
    assert!(failures.is_empty(), "{summary}\n\n{text}");
    summary
}

#[test]
fn requests_become_what_their_cases_say_in_whatever_pieces() {
    println!("{}", play_all(case::all("requests", Side::Client), 180));
}

#[test]
fn responses_become_what_their_cases_say_in_whatever_pieces() {
    println!("{}", play_all(case::all("responses", Side::Origin), 80));
}
