//! Runs of a population, told apart by every bit that they leave behind.

use super::population::{CAP, Desks};
use sottovoce_core::{Checksum, Digest};
use sottovoce_simulation::{Chain, Cohort, Engine, Mark, Plan, RoundReport, Standing};

/// What a run was: its reports in full, and its last state as the bytes of a checkpoint file.
#[derive(Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) reports: Vec<String>,
    pub(crate) state: Vec<u8>,
}

pub(crate) type DeskEngine<'a> = Engine<'a, Desks<'a>>;

pub(crate) fn config() -> Digest {
    Digest::of(b"configuration of these runs")
}

pub(crate) fn engine<'a>(desks: &'a Desks<'a>, cohort: Cohort) -> DeskEngine<'a> {
    Engine::new(desks.algorithm, desks, Plan::mean(desks.seed, cohort, CAP), desks.start())
}

/// Runs in a pool of that many threads.
pub(crate) fn on_threads<T: Send>(threads: usize, run: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run)
}

/// Steps up to `rounds`; every report has to add up.
pub(crate) fn steps(engine: &mut DeskEngine<'_>, rounds: u64) -> Vec<RoundReport> {
    let mut reports = Vec::new();
    while engine.round() < rounds {
        let report = engine.step().unwrap();
        adds_up(&report);
        assert_eq!(report.params, engine.params().checksum());
        reports.push(report);
    }
    reports
}

/// Every client asked is in one of the three lists, and what was sent is in the ledger.
pub(crate) fn adds_up(report: &RoundReport) {
    let listed = report.accepted.len() + report.rejected.len() + report.dropped.len();
    assert_eq!(listed as u64, report.cohort, "{report:?}");
    let of =
        |exchange| report.ledger.iter().filter(move |line| line.exchange == exchange).map(|line| line.client);
    let last = report.ledger.iter().map(|line| line.exchange).max().unwrap_or(0);
    assert!(report.accepted.iter().all(|a| (0..=last).all(|exchange| of(exchange).any(|c| c == a.client))));
    assert!(report.rejected.iter().all(|(client, _)| of(0).any(|c| c == *client)));
    if last == 0 {
        assert_eq!(report.ledger.len(), report.accepted.len() + report.rejected.len());
    }
    assert_eq!(report.bytes_up, report.ledger.iter().map(|l| l.bytes).sum::<u64>());
    let mut clients: Vec<u64> = report.accepted.iter().map(|a| a.client.0).collect();
    clients.extend(report.rejected.iter().map(|(c, _)| c.0));
    clients.extend(report.dropped.iter().map(|(c, _)| c.0));
    clients.sort_unstable();
    clients.dedup();
    assert_eq!(clients.len() as u64, report.cohort, "a client in two lists: {report:?}");
    assert!(
        report.accepted.is_sorted_by_key(|a| a.client)
            && report.ledger.is_sorted_by_key(|l| (l.exchange, l.client))
    );
}

/// A whole run on that many threads.
pub(crate) fn run(desks: &Desks<'_>, cohort: Cohort, rounds: u64, threads: usize) -> Run {
    let mut engine = engine(desks, cohort);
    // Reports hold NaN where clients sent it, which is not equal to itself; their text is.
    let reports =
        on_threads(threads, || steps(&mut engine, rounds)).iter().map(|r| format!("{r:?}")).collect();
    Run { reports, state: state(&engine) }
}

pub(crate) fn standing() -> Standing {
    let chain = Chain::start(config(), Checksum::default());
    let nothing = Digest::of(b"");
    let journals = [Mark { bytes: 0, digest: nothing }; 2];
    Standing { config: config(), inputs: nothing, start: chain, chain, journals }
}

/// Round, parameters, server state and what clients keep, as a checkpoint file has them.
pub(crate) fn state(engine: &DeskEngine<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    standing().write_to(engine.state(), &engine.algorithm().state(), &mut out).unwrap();
    out
}
