//! The sum: independent of order and split, near the exact mean, whole or untouched.

mod small;

use proptest::prelude::*;
use small::{CAP, add, layout, message, update};
use sottovoce_aggregator::{AggregateError, OpenRound, PartialSum, Rejection, finish};
use sottovoce_core::wire::UpdateView;
use sottovoce_core::{Address, Purpose};
use sottovoce_core::{Aggregate, Checksum, ClientId, Layout, RowBlock, Rows, Update, WireError, sampling};
use std::sync::Arc;

fn updates() -> impl Strategy<Value = Vec<Update>> {
    let one = (any::<u64>(), 0..=CAP, proptest::collection::btree_set(0u32..6, 0..6), any::<bool>());
    proptest::collection::vec(one, 1..20).prop_map(|all| {
        let all = all.into_iter().enumerate().map(|(client, (seed, weight, rows, dense))| {
            let mut s = Address::new(seed, Purpose::Test).stream();
            let mut draw = |n: usize| {
                (0..n)
                    .map(|_| {
                        let exponent = sampling::below(&mut s, 40) as i32 - 30;
                        sampling::normal(&mut s) as f32 * libm::exp2f(exponent as f32)
                    })
                    .map(|v| v.clamp(-2000.0, 2000.0))
                    .collect::<Vec<f32>>()
            };
            let (rows, n) = if dense {
                (Rows::All, 20)
            } else {
                let touched = layout().touched(&rows.iter().copied().collect::<Vec<_>>());
                let n = layout().params_in(touched.iter().copied());
                (Rows::Some(touched.into()), n)
            };
            update(client as u64, weight, rows, draw(n))
        });
        all.collect()
    })
}

fn aggregate(order: &[usize], updates: &[Update], parts: usize) -> Result<Aggregate, AggregateError> {
    let mut sums: Vec<PartialSum> = (0..parts).map(|_| PartialSum::new(layout(), CAP)).collect();
    for (at, i) in order.iter().enumerate() {
        add(&mut sums[at % parts], &updates[*i]).unwrap();
    }
    finish(&sums.iter().collect::<Vec<_>>())
}

/// All parameters of a block, zero where it holds no row.
fn dense(block: &RowBlock) -> Vec<f32> {
    let mut all = vec![0.0; block.layout().params()];
    let mut rest = block.values();
    for range in block.ranges() {
        let (row, tail) = rest.split_at(range.len());
        rest = tail;
        all[range].copy_from_slice(row);
    }
    all
}

proptest! {
    #[test]
    fn any_order_and_any_split_give_the_same_bits(updates in updates(), seed: u64, parts in 1usize..6) {
        let mut order: Vec<usize> = (0..updates.len()).collect();
        let flat = aggregate(&order, &updates, 1);
        sampling::shuffle(&mut Address::new(seed, Purpose::Test).stream(), &mut order);
        let split = aggregate(&order, &updates, parts);
        match (flat, split) {
            (Ok(a), Ok(b)) => {
                prop_assert_eq!(a.weight, b.weight);
                prop_assert_eq!(a.delta.rows(), b.delta.rows());
                let bits = |a: &Aggregate| a.delta.values().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                prop_assert_eq!(bits(&a), bits(&b));
            }
            (a, b) => prop_assert_eq!(a, b),
        }
    }

    #[test]
    fn the_mean_is_the_mean_within_the_stated_bound(updates in updates()) {
        let order: Vec<usize> = (0..updates.len()).collect();
        let Ok(mean) = aggregate(&order, &updates, 1) else { return Ok(()) };
        let weight: u64 = updates.iter().map(|u| u.weight).sum();
        let bound = updates.len() as f64 * libm::exp2(-41.0) * 1024.0 / weight as f64;
        let mean = dense(&mean.delta);
        for (at, mean) in mean.iter().enumerate() {
            let exact: f64 = updates.iter().map(|u| u.weight as f64 * f64::from(dense(&u.delta)[at])).sum();
            let exact = exact / weight as f64;
            prop_assert!((f64::from(*mean) - exact).abs() <= bound + exact.abs() * 1.3e-7, "{mean} {exact}");
        }
    }

    #[test]
    fn a_refused_update_leaves_the_sum_as_it_was(updates in updates(), at in 0usize..2, bad in 0usize..4) {
        let mut part = PartialSum::new(layout(), CAP);
        let mut clean = PartialSum::new(layout(), CAP);
        let bad = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX][bad];
        for (i, u) in updates.iter().enumerate() {
            add(&mut clean, u).unwrap();
            add(&mut part, u).unwrap();
            let mut values = vec![1.0; 5];
            values[3 + at] = bad;
            let hostile = update(100 + i as u64, CAP, Rows::Some([2, 6].into()), values);
            let refused = add(&mut part, &hostile).unwrap_err();
            let place = match refused {
                Rejection::NotFinite { client, coordinate, .. } if !bad.is_finite() => (client, coordinate),
                Rejection::OutOfRange { client, coordinate, .. } if bad.is_finite() => (client, coordinate),
                other => panic!("{other}"),
            };
            prop_assert_eq!(place, (ClientId(100 + i as u64), 18 + at));
        }
        prop_assert_eq!(finish(&[&part]), finish(&[&clean]));
    }
}

#[test]
fn clearing_forgets_everything() {
    let (mut part, fresh) = (PartialSum::new(layout(), CAP), PartialSum::new(layout(), CAP));
    add(&mut part, &update(1, 5, Rows::All, vec![3.0; 20])).unwrap();
    part.clear();
    assert_eq!(finish(&[&part]), finish(&[&fresh]));
    // Whatever a round was like, the next one, of any kind, begins at 0.
    let dense = update(1, 5, Rows::All, vec![3.0; 20]);
    let sparse = update(2, 7, Rows::Some([2, 6].into()), vec![1.0; 5]);
    for before in [&dense, &sparse] {
        for round in [&[&dense][..], &[&sparse], &[&dense, &sparse], &[&sparse, &dense]] {
            let (mut part, mut fresh) = (PartialSum::new(layout(), CAP), PartialSum::new(layout(), CAP));
            add(&mut part, before).unwrap();
            part.clear();
            part.merge(&PartialSum::new(layout(), CAP));
            for u in round {
                add(&mut part, u).unwrap();
                add(&mut fresh, u).unwrap();
            }
            assert_eq!(finish(&[&part]), finish(&[&fresh]));
            part.clear();
            part.merge(&fresh);
            assert_eq!(finish(&[&part]), finish(&[&fresh]));
        }
    }
}

#[test]
fn rounds_without_a_mean_say_why() {
    let mut part = PartialSum::new(layout(), CAP);
    assert_eq!(finish(&[]), Err(AggregateError::NoUpdates));
    add(&mut part, &update(1, 0, Rows::All, vec![3.0; 20])).unwrap();
    assert_eq!(finish(&[&part]), Err(AggregateError::ZeroTotalWeight { updates: 1 }));
}

#[test]
fn what_does_not_belong_in_the_round_is_refused_with_its_reason() {
    let (layout, base) = (layout(), Checksum::of(b"base"));
    let cohort = [1, 2, 9];
    let round = OpenRound::new(layout.clone(), 4, base, &cohort, CAP);
    let mut part = PartialSum::new(layout.clone(), CAP);
    let good = update(2, 10, Rows::All, vec![1.0; 20]);
    let mut refused = |u: &Update| round.receive(&mut part, &message(u)).unwrap_err().reason();
    assert_eq!(refused(&Update { round: 3, ..good.clone() }), "wrong_round");
    assert_eq!(refused(&Update { base: Checksum::of(b"other"), ..good.clone() }), "stale_base");
    assert_eq!(refused(&Update { client: ClientId(3), ..good.clone() }), "not_in_cohort");
    assert_eq!(refused(&Update { weight: CAP + 1, ..good.clone() }), "weight_above_cap");
    assert_eq!(refused(&Update { weight: u64::MAX, ..good.clone() }), "weight_above_cap");
    assert_eq!(refused(&update(2, 10, Rows::All, vec![f32::NAN; 20])), "not_finite");
    let other = Layout::new(&[("bias", 1, 2), ("table", 6, 3)]).unwrap();
    let swapped = RowBlock::new(other, Rows::All, vec![1.0; 20]).unwrap();
    assert_eq!(refused(&Update { delta: swapped, ..good.clone() }), "schema");
    round.receive(&mut part, &message(&good)).unwrap();
    assert_eq!(round.receive(&mut part, &message(&good)).unwrap_err().reason(), "duplicate");
    assert_eq!(finish(&[&part]).unwrap().updates, 1);
}

#[test]
fn every_truncation_every_extension_and_any_flipped_bit_is_refused() {
    let layout = layout();
    let rows = Rows::Some(layout.touched(&[1, 4]).into());
    let good = message(&update(2, 10, rows, vec![0.25; 8]));
    assert!(UpdateView::parse(&good, &layout).is_ok());
    for length in 0..good.len() {
        assert!(UpdateView::parse(&good[..length], &layout).is_err(), "{length} bytes");
    }
    for extra in 1..64 {
        let long = [&good[..], &vec![0; extra]].concat();
        assert_eq!(UpdateView::parse(&long, &layout).unwrap_err(), WireError::TrailingBytes { extra });
    }
    for bit in 0..good.len() * 8 {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(UpdateView::parse(&flipped, &layout).is_err(), "bit {bit}");
    }
}

#[test]
fn a_length_that_promises_too_much_allocates_nothing() {
    let mut bomb = message(&update(2, 10, Rows::All, vec![1.0; 20]));
    bomb[12..20].copy_from_slice(&(1u64 << 60).to_le_bytes());
    assert!(
        matches!(UpdateView::parse(&bomb, &layout()), Err(WireError::Truncated { needed, .. }) if needed > 1 << 60)
    );
    bomb[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(UpdateView::parse(&bomb, &layout()), Err(WireError::HeadTooLarge { .. })));
}

/// What arrives in any order, at one aggregator or at the leaves of any tree of them, comes to the same bytes.
#[test]
fn a_thousand_orders_and_trees_have_one_digest() {
    let mut s = Address::new(8, Purpose::Test).stream();
    let base = Checksum::of(b"base");
    let messages: Vec<Vec<u8>> = (0..24)
        .map(|client| {
            let (rows, n) = if client % 3 == 0 {
                (Rows::All, 20)
            } else {
                let touched = layout().touched(&[client as u32 % 6]);
                let n = layout().params_in(touched.iter().copied());
                (Rows::Some(touched.into()), n)
            };
            let values = (0..n).map(|_| sampling::normal(&mut s) as f32).collect();
            message(&update(client, 1 + client * 31 % CAP, rows, values))
        })
        .collect();
    let cohort: Vec<u64> = (0..24).collect();
    let digest = |mean: &Aggregate| {
        let bytes: Vec<u8> = mean.delta.values().iter().flat_map(|v| v.to_le_bytes()).collect();
        Checksum::of(&bytes)
    };
    let mut digests = std::collections::BTreeSet::new();
    for attempt in 0..1000u64 {
        let mut order: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        sampling::shuffle(&mut s, &mut order);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1 + attempt as usize % 8).build().unwrap();
        pool.install(|| {
            let open = OpenRound::new(layout(), 4, base, &cohort, CAP);
            // Leaves take a few messages each; then any two aggregators merge, one by memory, one by message.
            let mut parts = Vec::new();
            let mut rest = &order[..];
            while !rest.is_empty() {
                let (these, behind) = rest.split_at(1 + sampling::index(&mut s, rest.len()));
                rest = behind;
                let mut part = PartialSum::new(layout(), CAP);
                let all_taken = if attempt % 2 == 0 {
                    open.receive_all(&mut part, these).iter().all(Result::is_ok)
                } else {
                    these.iter().all(|m| open.receive(&mut part, m).is_ok())
                };
                assert!(all_taken);
                parts.push(part);
            }
            let at_once = attempt % 5 == 0;
            while parts.len() > 1 && !at_once {
                let at = sampling::index(&mut s, parts.len());
                let child = parts.swap_remove(at);
                let at = sampling::index(&mut s, parts.len());
                if attempt % 3 == 0 {
                    parts[at].merge(&child);
                } else {
                    parts[at].receive_edge(4, base, &child.message(4, base)).unwrap();
                }
            }
            digests.insert(digest(&finish(&parts.iter().collect::<Vec<_>>()).unwrap()));
        });
    }
    assert_eq!(digests.len(), 1);
}

#[test]
fn many_at_once_are_refused_as_one_by_one() {
    let base = Checksum::of(b"base");
    let good = update(2, 10, Rows::All, vec![1.0; 20]);
    let mut nan = vec![1.0; 20];
    nan[7] = f32::NAN;
    let mut messages = vec![
        message(&good),
        message(&good),
        message(&update(9, 10, Rows::All, nan)),
        message(&update(9, 10, Rows::All, vec![2.0; 20])),
        message(&update(5, 10, Rows::All, vec![2.0; 20])),
        message(&update(1, CAP + 1, Rows::All, vec![2.0; 20])),
        message(&update(1, 4, Rows::Some([2, 6].into()), vec![900.0; 5])),
        message(&Update { round: 3, ..good.clone() }),
        message(&Update { base: Checksum::of(b"other"), ..good }),
    ];
    messages[8][30] ^= 1;
    messages.push(vec![1, 2, 3]);
    let cohort = [1, 2, 9];
    let open = || OpenRound::new(layout(), 4, base, &cohort, CAP).with_norm_bound(100.0);
    let (round, mut part) = (open(), PartialSum::new(layout(), CAP));
    let together = round.receive_all(&mut part, &messages);
    let (round, mut other) = (open(), PartialSum::new(layout(), CAP));
    let one_by_one: Vec<_> = messages.iter().map(|m| round.receive(&mut other, m)).collect();
    let say = |all: &[Result<_, Rejection>]| -> Vec<&'static str> {
        all.iter().map(|one| one.as_ref().map_or_else(Rejection::reason, |_| "accepted")).collect()
    };
    assert_eq!(say(&together), say(&one_by_one));
    assert_eq!(
        say(&together),
        [
            "accepted",
            "duplicate",
            "not_finite",
            "accepted",
            "not_in_cohort",
            "weight_above_cap",
            "norm_above_bound",
            "wrong_round",
            "wire",
            "wire"
        ]
    );
    assert_eq!(finish(&[&part]), finish(&[&other]));
}

/// Several pieces of the frame, and rows that a sparse update can touch.
fn large() -> Arc<Layout> {
    Layout::new(&[("table", 200, 100), ("bias", 1, 50)]).unwrap()
}

/// A message of the large layout: all rows, or two of them.
fn large_message(client: u64, dense: bool, value: impl Fn(usize) -> f32) -> Vec<u8> {
    let (rows, n) = if dense { (Rows::All, 20_050) } else { (Rows::Some([3, 150].into()), 200) };
    let delta = RowBlock::new(large(), rows, (0..n).map(value).collect()).unwrap();
    let (base, weight) = (Checksum::of(b"base"), 1 + client * 31 % CAP);
    message(&Update { client: ClientId(client), round: 4, exchange: 0, base, weight, loss: 0.5, delta })
}

/// Whatever arrives, and whatever was there before: a batch leaves the sum that its accepted messages make, down to
/// the bytes of its message to an edge, and the answers are those of one message after the other.
#[test]
fn what_is_refused_late_leaves_no_trace() {
    let mut s = Address::new(11, Purpose::Test).stream();
    let base = Checksum::of(b"base");
    let cohort: Vec<u64> = (0..90).collect();
    let mut refused = std::collections::BTreeMap::new();
    for attempt in 0..40 {
        let none_good = attempt % 4 == 0;
        let mut messages: Vec<Vec<u8>> = Vec::new();
        for _ in 0..[1, 5, 9, 70][sampling::index(&mut s, 4)] {
            let client = sampling::below(&mut s, 100);
            let scale = sampling::normal(&mut s) as f32;
            let place = sampling::index(&mut s, 20_050);
            let bad =
                match if none_good { 1 + sampling::index(&mut s, 3) } else { sampling::index(&mut s, 6) } {
                    1 => f32::from_bits(0x7f80_0000 | s.next_u32() >> 1),
                    2 => 1e30,
                    _ => scale,
                };
            let dense = none_good || sampling::index(&mut s, 4) > 0;
            let mut bytes =
                large_message(client, dense, |i| if i == place { bad } else { scale + i as f32 / 3e5 });
            if bad == scale && (none_good || sampling::index(&mut s, 2) == 0) {
                let at = sampling::index(&mut s, bytes.len() * 8);
                bytes[at / 8] ^= 1 << (at % 8);
            }
            messages.push(bytes);
        }
        let start = |s: &mut PartialSum| match attempt % 3 {
            0 => {}
            1 => {
                s.add(&UpdateView::parse(&large_message(95, false, |i| i as f32), &large()).unwrap()).unwrap()
            }
            _ => {
                s.add(&UpdateView::parse(&large_message(95, true, |i| i as f32 / 99.0), &large()).unwrap())
                    .unwrap();
                if attempt % 2 == 0 {
                    s.clear();
                }
            }
        };
        let open = || OpenRound::new(large(), 4, base, &cohort, CAP);
        let (round, mut one_by_one) = (open(), PartialSum::new(large(), CAP));
        start(&mut one_by_one);
        let expected: Vec<_> = messages.iter().map(|m| round.receive(&mut one_by_one, m)).collect();
        let (round, mut together) = (open(), PartialSum::new(large(), CAP));
        start(&mut together);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1 + attempt % 3).build().unwrap();
        let answers = pool.install(|| round.receive_all(&mut together, &messages));
        assert_eq!(format!("{answers:?}"), format!("{expected:?}"));
        assert_eq!(together.message(4, base), one_by_one.message(4, base));
        assert_eq!(finish(&[&together]), finish(&[&one_by_one]));
        for why in answers.iter().filter_map(|one| one.as_ref().err()) {
            *refused.entry(why.reason()).or_insert(0) += 1;
        }
        assert!(!none_good || answers.iter().all(Result::is_err));
    }
    for reason in ["wire", "not_finite", "out_of_range", "duplicate", "not_in_cohort"] {
        assert!(refused.get(reason).is_some_and(|n| *n > 5), "{reason}: {refused:?}");
    }
}

#[test]
fn a_sum_takes_weights_up_to_its_cap() {
    let mut part = PartialSum::new(layout(), CAP);
    let cap = CAP.next_power_of_two();
    let heavy = add(&mut part, &update(1, cap + 1, Rows::All, vec![1.0; 20])).unwrap_err();
    assert_eq!(heavy, Rejection::WeightAboveCap { client: ClientId(1), weight: cap + 1, cap });
    add(&mut part, &update(1, cap, Rows::All, vec![1.0; 20])).unwrap();
}
