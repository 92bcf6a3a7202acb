//! The secure sum is the plain sum, bit for bit, whoever drops out where; or there is none.

mod common;

use common::{Drawn, STAGES, cast, plain, plan, play, thorough};
use sottovoce_core::{Address, ClientId, Purpose, Stream, sampling};
use sottovoce_secure::server::Abort;
use sottovoce_secure::{Assumptions, Cast, Graph, Kind, Parameters, Plan, Server};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Who leaves before which message.
type Pattern = BTreeMap<ClientId, Kind>;

/// How many members still send the message.
fn send(plan: &Plan<impl Drawn>, pattern: &Pattern, kind: Kind) -> Vec<ClientId> {
    let goes_on = |c: &&ClientId| pattern.get(c).is_none_or(|left| (*left as u16) > kind as u16);
    plan.members().iter().filter(goes_on).copied().collect()
}

/// Plays a pattern on the complete graph and holds it against counting: a sum exists exactly if at least the minimum send
/// vectors and at least the threshold answer to the end.
fn complete<R: Drawn>(plan: &Arc<Plan<R>>, cast: &Cast, pattern: &Pattern) {
    let played = play(plan, cast, |c| pattern.get(&c).copied());
    let (threshold, minimum) = (plan.parameters().threshold, plan.parameters().minimum);
    let in_sum = send(plan, pattern, Kind::Masked);
    let answered = send(plan, pattern, Kind::Reveal).len();
    let possible = in_sum.len() >= minimum && answered >= threshold;
    match &played.sum {
        Ok(sum) => {
            assert!(possible, "{pattern:?}: a sum that should not be");
            assert_eq!(sum.clients(), in_sum, "{pattern:?}");
            assert!(sum.values() == plain::<R>(&in_sum, plan.dimension()), "{pattern:?}: another sum");
        }
        Err(abort) => {
            assert!(!possible, "{pattern:?}: {abort}");
            assert!(
                matches!(abort, Abort::TooFewClients { .. } | Abort::NotEnoughShares { .. }),
                "{pattern:?}: {abort}"
            );
        }
    }
    assert!(played.rejected.is_empty(), "{pattern:?}: {:?}", played.rejected);
}

fn two_thirds(n: usize) -> Parameters {
    // Nobody's sum of two is refused here: the fewer are needed, the more patterns have one.
    let complete = Parameters::complete(n);
    Parameters { minimum: complete.threshold, ..complete }
}

#[test]
fn the_sum_is_the_plain_sum_at_every_length() {
    fn lengths<R: Drawn>() {
        for (n, parameters) in [
            (2, Parameters::complete(2)),
            (5, Parameters::complete(5)),
            (12, Parameters { graph: Graph::Regular { neighbours: 5 }, threshold: 3, minimum: 6 }),
        ] {
            let cast = cast(n);
            for dimension in [0, 1, 2, 15, 16, 17, 257, 4095, 4096, 4097, 100_000] {
                let plan = plan::<R>(n, dimension, parameters);
                let everybody = play(&plan, &cast, |_| None).sum.unwrap();
                assert_eq!(everybody.clients(), plan.members());
                assert!(everybody.values() == plain::<R>(plan.members(), dimension), "{n}, {dimension}");
                // Somebody whose vector arrives and who is gone then, and one whose masks are left.
                if n > 2 {
                    let mut pattern = Pattern::from([(plan.members()[0], Kind::Masked)]);
                    if n == 12 {
                        pattern.insert(plan.members()[n / 2], Kind::Reveal);
                    }
                    let sum = play(&plan, &cast, |c| pattern.get(&c).copied()).sum.unwrap();
                    assert!(sum.values() == plain::<R>(sum.clients(), dimension), "{n}, {dimension}");
                    assert_eq!(sum.clients(), send(&plan, &pattern, Kind::Masked));
                }
            }
        }
    }
    lengths::<u32>();
    lengths::<u64>();
}

/// Every way in which up to six clients leave: five messages or none, each. Without `SOTTOVOCE_THOROUGH` three clients, and
/// of more clients one order of each way.
#[test]
fn every_pattern_of_few_clients() {
    for n in 2..=6usize {
        let (plan, cast) = (plan::<u32>(n, 3, two_thirds(n)), cast(n));
        let mut order = Address::new(1, Purpose::Test).round(n as u64).stream();
        for number in 0..6usize.pow(n as u32) {
            let digits: Vec<usize> = (0..n).map(|i| number / 6usize.pow(i as u32) % 6).collect();
            if !thorough() && n > 3 && !digits.is_sorted() {
                continue;
            }
            let mut members = plan.members().to_vec();
            if n > 3 && !thorough() {
                sampling::shuffle(&mut order, &mut members);
            }
            let leaves = members.iter().zip(digits).filter_map(|(c, d)| Some((*c, *STAGES.get(d)?)));
            complete(&plan, &cast, &leaves.collect());
        }
    }
}

/// Every set of up to twelve clients that leaves at one stage; without `SOTTOVOCE_THOROUGH` up to four, and then every 509th.
#[test]
fn every_set_that_leaves_at_one_stage() {
    for n in 2..=12usize {
        let (plan, cast) = (plan::<u64>(n, 5, two_thirds(n)), cast(n));
        for (stage, kind) in STAGES.into_iter().enumerate() {
            for set in (0..1usize << n).filter(|s| thorough() || n <= 4 || (s + 101 * stage) % 509 == 0) {
                let leaves = plan.members().iter().enumerate().filter(|(i, _)| set >> i & 1 == 1);
                complete(&plan, &cast, &leaves.map(|(_, c)| (*c, kind)).collect());
            }
        }
    }
}

/// Somebody leaves with probability `often`, before any message.
fn drawn(members: &[ClientId], often: f64, stream: &mut Stream) -> Pattern {
    let mut pattern = Pattern::new();
    for client in members {
        if sampling::chance(stream, often) {
            pattern.insert(*client, STAGES[sampling::index(stream, STAGES.len())]);
        }
    }
    pattern
}

/// Plays a pattern on a regular graph. Who goes on follows from counting holders; a sum, if there is one, is the plain one.
fn regular<R: Drawn>(plan: &Arc<Plan<R>>, cast: &Cast, pattern: &Pattern) -> bool {
    let played = play(plan, cast, |c| pattern.get(&c).copied());
    assert!(played.rejected.is_empty());
    match &played.sum {
        Ok(sum) => {
            assert!(sum.clients().len() >= plan.parameters().minimum);
            assert!(sum.values() == plain::<R>(sum.clients(), plan.dimension()), "{pattern:?}");
            let refused = |c: &ClientId| played.refused.iter().any(|(r, _)| r == c);
            let expected = send(plan, pattern, Kind::Masked);
            let missing = expected.iter().filter(|c| !sum.clients().contains(c));
            assert!(missing.into_iter().all(refused), "{pattern:?}");
        }
        Err(abort) => assert!(
            matches!(abort, Abort::TooFewClients { .. } | Abort::NotEnoughShares { .. }),
            "{pattern:?}: {abort}"
        ),
    }
    played.sum.is_ok()
}

/// 1,000 patterns each with `SOTTOVOCE_THOROUGH`, or as many as `SOTTOVOCE_SAMPLES` says.
#[test]
fn samples_of_many_clients() {
    let samples = std::env::var("SOTTOVOCE_SAMPLES").ok().and_then(|s| s.parse().ok());
    for (n, few, corrupted, dropped) in
        [(50, 4, 0.0, 0.0), (100, 2, 0.2, 0.2), (300, 1, 0.05, 0.1), (1000, 1, 0.02, 0.02)]
    {
        let assumed = Assumptions { corrupted, dropped, server: Server::SemiHonest };
        let parameters = if n == 50 { two_thirds(n) } else { Parameters::propose(n, assumed).unwrap() };
        let (plan, cast) = (plan::<u32>(n, 257, parameters), cast(n));
        let mut stream = Address::new(2, Purpose::Test).round(n as u64).stream();
        let mut sums = 0;
        let samples = samples.unwrap_or(if thorough() { 1000 } else { few });
        for sample in 0..samples {
            let often = [0.0f64, 0.05, 0.2, 0.33][sample % 4].min(if n == 50 { 1.0 } else { dropped });
            let pattern = drawn(plan.members(), often, &mut stream);
            if n == 50 {
                complete(&plan, &cast, &pattern);
            } else {
                sums += usize::from(regular(&plan, &cast, &pattern));
            }
        }
        assert!(n == 50 || 10 * sums >= 9 * samples, "{n}: only {sums} of {samples} have a sum");
    }
}

/// Every way in which members of a ring leave before they send their vector: a sum exists exactly if everybody whose
/// secret is needed has as many holders left as the threshold, and then it is that of who is left.
#[test]
fn a_ring_recovers_exactly_what_has_holders_left() {
    let parameters = Parameters { graph: Graph::Regular { neighbours: 4 }, threshold: 3, minimum: 3 };
    let (plan, cast) = (plan::<u64>(9, 2, parameters), cast(9));
    let (mut sums, mut none) = (0, 0);
    for set in (0..1usize << 9).filter(|s| thorough() || s.count_ones() <= 2 || s % 11 == 0) {
        let leaves = plan.members().iter().enumerate().filter(|(i, _)| set >> i & 1 == 1);
        let pattern: Pattern = leaves.map(|(_, c)| (*c, Kind::Masked)).collect();
        let left = |c: &ClientId| !pattern.contains_key(c);
        let needed = |c: &&ClientId| left(c) || plan.partners(**c).iter().any(left);
        let holders = |c: &ClientId| plan.partners(*c).iter().filter(|p| left(p)).count();
        let possible = pattern.len() <= 6 && plan.members().iter().filter(needed).all(|c| holders(c) >= 3);
        assert_eq!(regular(&plan, &cast, &pattern), possible, "{pattern:?}");
        *(if possible { &mut sums } else { &mut none }) += 1;
    }
    assert!(sums > 0 && none > 0);
}

#[test]
fn below_the_threshold_there_is_a_reason_and_no_sum() {
    let (plan, cast) = (plan::<u32>(9, 4, two_thirds(9)), cast(9));
    for (kind, index) in STAGES.into_iter().zip(0..) {
        for lost in [2, 3, 4] {
            let gone: Vec<ClientId> = plan.members()[..lost].to_vec();
            let played = play(&plan, &cast, |c| gone.contains(&c).then_some(kind));
            let (needed, got) = (6, 9 - lost);
            if lost < 4 {
                let sum = played.sum.unwrap();
                assert_eq!(sum.clients().len(), if index < 3 { got } else { 9 });
                continue;
            }
            let abort = played.sum.unwrap_err();
            if index < 3 {
                assert_eq!(abort, Abort::TooFewClients { stage: kind, needed, got });
            } else {
                let client = plan.members()[0];
                assert_eq!(abort, Abort::NotEnoughShares { client, needed, got });
            }
        }
    }
}

/// The same result for any number of threads, messages' sizes included; and different keys give the same sum.
#[test]
fn threads_change_nothing() {
    let parameters = Parameters { graph: Graph::Regular { neighbours: 6 }, threshold: 4, minimum: 8 };
    let (plan, cast) = (plan::<u32>(20, 10_000, parameters), cast(20));
    let pattern = drawn(plan.members(), 0.1, &mut Address::new(4, Purpose::Test).stream());
    assert!(!pattern.is_empty());
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| play(&plan, &cast, |c| pattern.get(&c).copied()))
    };
    let one = with(1);
    assert!(one.sum.is_ok());
    for threads in [2, 3, 8] {
        assert!(one == with(threads), "{threads} threads");
    }
    let real = sottovoce_secure::rehearse(
        &plan,
        &cast,
        sottovoce_secure::Entropy::system(),
        |c| common::vector(c, plan.dimension()),
        |c| pattern.get(&c).copied(),
    );
    assert!(real == one);
}
