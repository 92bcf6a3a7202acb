//! What the messages tell about a vector: nothing, one by one and together, beyond the sum.

mod common;

use common::steps::{Log, Steps, body};
use common::{Drawn, SESSION, clients, plan};
use sottovoce_core::ClientId;
use sottovoce_secure::{Graph, Kind, Parameters, Plan};
use std::collections::BTreeMap;

/// How far bytes are from uniform, in standard deviations (Wilson and Hilferty's approximation of chi², 255 degrees).
fn deviation(bytes: impl Iterator<Item = u8>) -> f64 {
    let (mut counts, mut all) = ([0u32; 256], 0.0);
    for byte in bytes {
        counts[usize::from(byte)] += 1;
        all += 1.0;
    }
    let expected = all / 256.0;
    let chi: f64 =
        counts.iter().map(|c| (f64::from(*c) - expected) * (f64::from(*c) - expected) / expected).sum();
    let spread = 2.0 / (9.0 * 255.0);
    (libm::cbrt(chi / 255.0) - (1.0 - spread)) / spread.sqrt()
}

fn kind(message: &[u8]) -> u8 {
    message[6]
}

fn masked(log: &Log) -> Vec<(ClientId, &[u8])> {
    let vectors = log.iter().filter(|(_, _, m)| kind(m) == Kind::Masked as u8);
    vectors.map(|(from, _, m)| (*from, body(m))).collect()
}

/// Every masked vector passes a test of uniformity, byte by byte of an element, though all vectors are zero; p is between
/// 10⁻⁶ and 1 − 10⁻⁶. So does the difference of two.
#[test]
fn a_masked_vector_looks_uniform() {
    let mut steps = Steps::new(plan(4, 50_000, Parameters::complete(4)));
    steps.vectors = clients(4).into_iter().map(|c| (c, vec![0; 50_000])).collect();
    assert!(steps.end(&[]).iter().all(|v| *v == 0));
    let vectors = masked(&steps.log);
    assert_eq!(vectors.len(), 4);
    for (client, bytes) in &vectors {
        for place in 0..4 {
            let z = deviation(bytes.iter().skip(place).step_by(4).copied());
            assert!(z.abs() < 4.75, "{client}, byte {place}: {z}");
        }
        let other = vectors.iter().find(|(c, _)| c != client).unwrap().1;
        let difference = bytes.iter().zip(other).map(|(a, b)| a.wrapping_sub(*b));
        assert!(deviation(difference).abs() < 4.75);
    }
    // The test can tell: bytes that are never 255.
    let few = vectors[0].1.iter().map(|b| *b % 255);
    assert!(deviation(few) > 4.75);
}

/// A changed element changes that element of the same client's masked vector, by as much, and no other bit of any message.
#[test]
fn a_changed_input_changes_no_other_message() {
    let parameters = Parameters { graph: Graph::Regular { neighbours: 4 }, threshold: 3, minimum: 4 };
    for parameters in [Parameters::complete(7), parameters] {
        let run = |flip: Option<(usize, u32)>| {
            let mut steps = Steps::new(plan(7, 30, parameters));
            let (victim, gone) = (steps.plan.members()[2], steps.plan.members()[5]);
            let mut vector = steps.vector(victim);
            if let Some((at, bit)) = flip {
                vector[at] ^= 1 << bit;
            }
            steps.vectors.insert(victim, vector.clone());
            steps.end(&[gone]);
            (steps.log, vector, victim)
        };
        let (before, first, victim) = run(None);
        for (at, bit) in [(0, 0), (7, 31), (29, 16)] {
            let (after, second, _) = run(Some((at, bit)));
            assert_eq!(before.len(), after.len());
            for ((from, to, a), (_, _, b)) in before.iter().zip(&after) {
                if *from == victim && kind(a) == Kind::Masked as u8 {
                    for (i, (a, b)) in body(a).chunks(4).zip(body(b).chunks(4)).enumerate() {
                        let [a, b] = [a, b].map(|c| u32::from_le_bytes(c.try_into().unwrap()));
                        assert_eq!(b.wrapping_sub(a), second[i].wrapping_sub(first[i]), "{i}");
                        assert_eq!(i == at, a != b);
                    }
                } else {
                    assert!(a == b, "{from} to {to}: kind {}", kind(a));
                }
            }
        }
    }
}

/// No message has a piece of a client's vector, of 8 bytes, in it.
#[test]
fn no_message_has_a_piece_of_a_vector() {
    let mut steps = Steps::new(plan(5, 500, Parameters::complete(5)));
    let gone = steps.plan.members()[3];
    steps.end(&[gone]);
    let mut pieces = std::collections::BTreeSet::new();
    for client in steps.plan.members() {
        let mut bytes = Vec::new();
        sottovoce_secure::Ring::write(&steps.vector(*client), &mut bytes);
        pieces.extend(bytes.windows(8).map(<[u8]>::to_vec));
    }
    assert!(pieces.len() > 9000);
    let found = |bytes: &[u8]| bytes.windows(8).any(|w| pieces.contains(w));
    assert!(found(&{
        let mut bytes = Vec::new();
        sottovoce_secure::Ring::write(&steps.vector(gone), &mut bytes);
        bytes
    }));
    // Five clients to the server and back, one of them to its inbox only.
    assert_eq!(steps.log.len(), 22 + 17);
    for (from, to, message) in &steps.log {
        assert!(!found(message), "{from} to {to}: kind {}", kind(message));
    }
}

/// Keys are fresh: the same vectors of the same clients in another round or exchange have nothing in common in any message
/// but heads and numbers of clients.
#[test]
fn nothing_is_used_twice() {
    let of = |session| {
        let plan = Plan::new(session, &clients(4), 100, Parameters::complete(4), 77).unwrap();
        let mut steps = Steps::new(plan);
        steps.end(&[]);
        steps.log
    };
    let first = of(SESSION);
    let secrets = |log: &Log| {
        let kinds = [Kind::Keys, Kind::Masked].map(|k| k as u8);
        let bodies =
            log.iter().filter(|(_, _, m)| kinds.contains(&kind(m))).map(|(_, _, m)| body(m).to_vec());
        bodies.flat_map(|b| b.windows(16).map(<[u8]>::to_vec).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let seen: std::collections::BTreeSet<_> = secrets(&first).into_iter().collect();
    for other in [
        sottovoce_secure::Session { round: 3, ..SESSION },
        sottovoce_secure::Session { exchange: 2, ..SESSION },
    ] {
        assert!(secrets(&of(other)).iter().all(|w| !seen.contains(w)));
    }
}

/// What a semi-honest server and its colluding clients see of the others, on a ring of `modulus` elements: each honest
/// vector with all masks between honest clients left. They know all other masks.
fn views(
    honest: &[ClientId],
    partners: impl Fn(ClientId) -> Vec<ClientId>,
    inputs: &[u64],
    modulus: u64,
) -> BTreeMap<Vec<u64>, u64> {
    let mut pairs = Vec::new();
    for (i, a) in honest.iter().enumerate() {
        for (j, b) in honest.iter().enumerate() {
            // The lower adds what the higher takes away.
            if a < b && partners(*a).contains(b) {
                pairs.push((i, j));
            }
        }
    }
    let mut views = BTreeMap::new();
    for number in 0..modulus.pow(pairs.len() as u32) {
        let (mut seen, mut rest) = (inputs.to_vec(), number);
        for (i, j) in &pairs {
            seen[*i] = (seen[*i] + rest % modulus) % modulus;
            seen[*j] = (seen[*j] + modulus - rest % modulus) % modulus;
            rest /= modulus;
        }
        *views.entry(seen).or_default() += 1;
    }
    views
}

/// For every input of the honest with the same sum, all that the colluders can see is equally likely; for another sum it is
/// impossible. All inputs of the rings of 16 and of 4 elements, threshold − 1 colluders.
#[test]
fn colluders_below_the_threshold_learn_the_sum_alone() {
    let check = |plan: &Plan<u32>, colluders: usize, modulus: u64| {
        let honest = &plan.members()[colluders..];
        let n = honest.len() as u32;
        let inputs = |number: u64| (0..n).map(|i| number / modulus.pow(i) % modulus).collect::<Vec<_>>();
        let mut by_sum: BTreeMap<u64, BTreeMap<Vec<u64>, u64>> = BTreeMap::new();
        for number in 0..modulus.pow(n) {
            let inputs = inputs(number);
            let views = views(honest, |c| plan.partners(c), &inputs, modulus);
            let sum = inputs.iter().sum::<u64>() % modulus;
            assert!(views.keys().all(|v| v.iter().sum::<u64>() % modulus == sum));
            // All of them appear, and equally often.
            assert_eq!(views.len() as u64, modulus.pow(n - 1));
            assert_eq!(*by_sum.entry(sum).or_insert_with(|| views.clone()), views);
        }
        assert_eq!(by_sum.len() as u64, modulus);
    };
    let complete = plan::<u32>(4, 1, Parameters::complete(4));
    assert_eq!(complete.colluding(sottovoce_secure::Server::SemiHonest), 2);
    check(&complete, 2, 16);
    let five = plan::<u32>(6, 1, Parameters::complete(6));
    assert_eq!(five.colluding(sottovoce_secure::Server::SemiHonest), 3);
    check(&five, 3, 4);
    // On a ring the honest hang together along it: two neighbours each, one colluder.
    let ring = Parameters { graph: Graph::Regular { neighbours: 2 }, threshold: 2, minimum: 3 };
    let ring = plan::<u32>(5, 1, ring);
    assert_eq!(ring.colluding(sottovoce_secure::Server::SemiHonest), 1);
    check(&ring, 1, 4);
}

/// The counterpart in the code: with the same keys and other vectors of the same sum, two honest clients send other masked
/// vectors with the same sum, and nothing else that anybody sends differs. So all that could tell the one from the other is
/// the mask that the two share.
#[test]
fn vectors_of_the_same_sum_differ_in_nothing_but_what_their_mask_hides() {
    let run = |move_by: u32| {
        let mut steps = Steps::new(plan(4, 64, Parameters::complete(4)));
        let [a, b] = [0, 1].map(|i| steps.plan.members()[i]);
        let (mut of_a, mut of_b) = (steps.vector(a), steps.vector(b));
        of_a.iter_mut().for_each(|v| *v = v.wrapping_add(move_by));
        of_b.iter_mut().for_each(|v| *v = v.wrapping_sub(move_by));
        steps.vectors = BTreeMap::from([(a, of_a), (b, of_b)]);
        let sum = steps.end(&[]);
        (sum, steps.log, [a, b])
    };
    let (sum, log, honest) = run(0);
    let (moved_sum, moved_log, _) = run(u32::drawn(0x1234_5678_9abc_def0));
    assert_eq!(sum, moved_sum);
    let added = |log: &Log| {
        let mut all = vec![0u32; 64];
        for (client, bytes) in masked(log) {
            if honest.contains(&client) {
                sottovoce_secure::Ring::add_bytes(&mut all, bytes);
            }
        }
        all
    };
    assert_eq!(added(&log), added(&moved_log));
    let same = log.iter().zip(&moved_log).filter(|(a, b)| a == b).count();
    assert_eq!(log.len() - same, 2, "only the two masked vectors differ");
}
