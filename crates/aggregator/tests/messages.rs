//! Blocks and numbers of a message are aggregated each by itself, by those who sent them.

mod rows;

use rows::laws::{F, LAWS, Law, N};
use rows::messages::{Sent, base, bits, block, by, dense, format, numbered, recipe, round};
use rows::{given, matrix, stack, stream};
use sottovoce_aggregator::{
    Absent, AggregateError, Aggregation, Memory, Moment, Part, Recipe, Rejection, RuleError,
};
use sottovoce_core::sampling::{index, shuffle};
use sottovoce_core::{Aggregate, Format, Layout, Rows};
use std::collections::BTreeMap;
use std::sync::Arc;

fn model() -> Arc<Layout> {
    Layout::new(&[("table", 4, 2), ("bias", 1, 3)]).unwrap()
}

fn plain(names: &str, parameters: &str) -> Recipe {
    recipe(names, &given(parameters, &[]))
}

fn finish(recipe: Recipe, format: &Format, sent: &[(u64, Sent)]) -> Result<Aggregate, AggregateError> {
    round(&by(recipe, Absent::Zero), format, sent, Moment::default(), &mut Memory::default())
}

/// One block at a place, and the number at the same place.
fn of_cluster(place: usize, weight: u64, values: &[f32]) -> Sent {
    Sent { weight, blocks: vec![(place, block(&model(), None, values))], numbers: vec![(place, 1.0)] }
}

/// A recipe of the laws as a run has it; none for wrappers alone and for rules of one block.
fn in_rounds(law: &Law) -> Option<Recipe> {
    let vector = [0.25; 11];
    let recipe = recipe(law.names, &law.parameters(F, &vector));
    (recipe.has_rule() && !recipe.wants_delta_alone()).then_some(recipe)
}

/// Two groups of clients, each with a block of its own, as in clustered training: the aggregate divided by a group's
/// share is what the rule makes of that group alone.
#[test]
fn those_who_did_not_send_a_block_have_no_say_in_it() {
    let format = format(&model(), 2, 2);
    for (seed, law) in (0..).zip(LAWS) {
        let Some(recipe) = in_rounds(law) else { continue };
        let mut s = stream(seed);
        let rows: [Vec<Vec<f32>>; 2] = [matrix(&mut s, N, 11), matrix(&mut s, N, 11)];
        // Equal weights of the groups: a share of a half loses no bit.
        let weights: Vec<u64> = (0..N).map(|_| 1 + index(&mut s, 200) as u64).collect();
        let of = |group: usize| -> Vec<Sent> {
            rows[group].iter().zip(&weights).map(|(row, weight)| of_cluster(group, *weight, row)).collect()
        };
        let both = finish(recipe.clone(), &format, &numbered([of(0), of(1)].concat())).unwrap();
        assert_eq!((both.updates, both.weight), (2 * N as u64, 2 * weights.iter().sum::<u64>()));
        let mean = format.split(&both);
        assert_eq!(mean.numbers, [0.5, 0.5], "{}", law.name());
        for group in [0, 1] {
            let alone = finish(recipe.clone(), &format, &numbered(of(group))).unwrap();
            let alone = format.split(&alone);
            let halved: Vec<f32> = dense(&alone.blocks[group]).iter().map(|v| v / 2.0).collect();
            assert_eq!(bits(&dense(&mean.blocks[group])), bits(&halved), "{}", law.name());
            assert_eq!(alone.numbers[group], 1.0);
            assert_eq!((alone.numbers[1 - group], alone.blocks[1 - group].values()), (0.0, &[][..]));
            // And that is the rule applied to the rows; buckets are drawn for each block by itself.
            if !law.names.contains("bucketing") || group == 0 {
                let as_f64: Vec<f64> = weights.iter().map(|w| *w as f64).collect();
                let rule = recipe.aggregate(&stack(&rows[group]), Some(&as_f64)).unwrap();
                assert_eq!(bits(&dense(&alone.blocks[group])), bits(&rule.rows[0]), "{}", law.name());
            }
        }
    }
}

/// Shares are those of weights: 1 and 3 of 4.
#[test]
fn a_block_is_scaled_by_the_weight_of_those_who_sent_it() {
    let format = format(&model(), 3, 3);
    let mut sent = vec![of_cluster(0, 1, &[8.0; 11])];
    sent.extend((1..4).map(|i| of_cluster(2, 1, &[4.0 * i as f32; 11])));
    let got = finish(plain("median", ""), &format, &numbered(sent.clone())).unwrap();
    let mean = format.split(&got);
    assert_eq!((dense(&mean.blocks[0]), dense(&mean.blocks[2])), (vec![2.0; 11], vec![6.0; 11]));
    assert_eq!(mean.numbers, [0.25, 0.0, 0.75]);
    // What nobody sent is absent, not zero.
    let rows: Vec<u32> = got.delta.each_row().map(|(row, _)| row).collect();
    assert_eq!(rows, [0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 15, 17]);
    // The median looks at no weight, the share does.
    sent[0].weight = 13;
    let got = finish(plain("median", ""), &format, &numbered(sent)).unwrap();
    assert_eq!(format.split(&got).numbers, [13.0 / 16.0, 0.0, 3.0 / 16.0]);
}

/// A mean by weights is then the streaming mean: `Σ w·part / Σ w` over all updates.
#[test]
fn weighted_means_are_the_streaming_mean() {
    let format = format(&model(), 2, 3);
    let mut s = stream(4);
    let sent: Vec<Sent> = (0..9)
        .map(|i| {
            let values = matrix::<f32>(&mut s, 1, 11).remove(0);
            let mut sent = of_cluster(i % 2, 1 + 5 * i as u64, &values);
            if i % 3 > 0 {
                sent.numbers.push((2, i as f32));
            }
            sent
        })
        .collect();
    let sent = numbered(sent);
    let streaming = round(&Aggregation::mean(64), &format, &sent, Moment::default(), &mut Memory::default());
    let (streaming, voted) =
        (streaming.unwrap(), finish(plain("weighted-average", ""), &format, &sent).unwrap());
    assert_eq!((streaming.weight, streaming.updates), (voted.weight, voted.updates));
    assert_eq!(streaming.delta.rows(), voted.delta.rows());
    for (a, b) in streaming.delta.values().iter().zip(voted.delta.values()) {
        assert!((a - b).abs() <= 1e-6, "{a} {b}");
    }
    // And numbers by the unweighted mean where the rule is one: 1, 2, 4, 5, 7 and 8 by six of nine.
    let got = finish(plain("average", ""), &format, &sent).unwrap();
    let weights = |i: u64| 1 + 5 * i;
    let those: u64 = [1, 2, 4, 5, 7, 8].map(weights).iter().sum();
    let share = those as f32 / (0..9).map(weights).sum::<u64>() as f32;
    assert!((format.split(&got).numbers[2] - 4.5 * share).abs() < 1e-6);
}

/// Whoever sends a number votes on it; one that lies moves a median no further than to its neighbour.
#[test]
fn numbers_are_voted_on_by_those_who_sent_them() {
    let format = format(&model(), 1, 2);
    let sent = |numbers: &[f32]| -> Vec<(u64, Sent)> {
        let one = |number: &f32| Sent {
            weight: 1,
            blocks: vec![(0, block(&model(), None, &[1.0; 11]))],
            numbers: if number.is_nan() { vec![] } else { vec![(1, *number)] },
        };
        numbered(numbers.iter().map(one).collect())
    };
    let number = |names: &str, parameters: &str, numbers: &[f32]| {
        let got = finish(plain(names, parameters), &format, &sent(numbers)).unwrap();
        format.split(&got).numbers
    };
    for (names, parameters) in
        [("median", ""), ("krum", "f=0"), ("nnm+average", "f=0"), ("centered-clipping", "tau=1e-3")]
    {
        assert_eq!(number(names, parameters, &[3.0, 1.0, 1e30]), [0.0, 3.0], "{names}");
        assert_eq!(number(names, parameters, &[1.0, f32::NAN, 1e30, 2.0]), [0.0, 1.5], "{names}");
        // The midpoint of two, as in `coordinate-median`.
        assert_eq!(number(names, parameters, &[1.0, 5.0]), [0.0, 3.0], "{names}");
    }
    assert_eq!(number("average", "", &[3.0, 1.0, 8.0]), [0.0, 4.0]);
}

/// A delta alone: everybody votes, whatever rows were sent, and nothing is scaled.
#[test]
fn a_delta_alone_is_what_the_rule_makes_of_all_parameters() {
    let format = Format::delta(model());
    for (seed, law) in (0..).zip(LAWS) {
        let recipe = recipe(law.names, &law.parameters(F, &[0.25; 11]));
        if !recipe.has_rule() {
            continue;
        }
        let mut s = stream(seed);
        let mut all = matrix::<f32>(&mut s, N, 11);
        let mut sent = Vec::new();
        for (i, values) in all.iter_mut().enumerate() {
            let rows: Vec<u32> =
                (0..5).filter(|row| i > 0 && (i % 3 == 1 || (i as u32 + row).is_multiple_of(2))).collect();
            let kept: Vec<usize> = model().ranges(rows.iter().copied()).flatten().collect();
            (0..11).filter(|at| !kept.contains(at)).for_each(|at| values[at] = 0.0);
            let sparse: Vec<f32> = kept.iter().map(|at| values[*at]).collect();
            let delta = block(&model(), (i % 3 != 1).then_some(&rows[..]), &sparse);
            sent.push(Sent {
                weight: 1 + index(&mut s, 90) as u64,
                blocks: vec![(0, delta)],
                numbers: vec![],
            });
        }
        let weights: Vec<f64> = sent.iter().map(|sent| sent.weight as f64).collect();
        let rule = recipe.aggregate(&stack(&all), Some(&weights)).unwrap();
        let got = finish(recipe, &format, &numbered(sent)).unwrap();
        assert_eq!(got.delta.rows(), &Rows::All);
        assert_eq!(bits(got.delta.values()), bits(&rule.rows[0]), "{}", law.name());
    }
}

#[test]
fn permuted_clients_give_the_same_bits() {
    let format = format(&model(), 3, 3);
    for (seed, law) in (0..).zip(LAWS) {
        let Some(recipe) = in_rounds(law).filter(|_| !law.takes("idx")) else { continue };
        let mut s = stream(seed);
        let mut sent: Vec<Sent> = (0..2 * N)
            .map(|i| {
                let values = matrix::<f32>(&mut s, 1, 11).remove(0);
                let mut sent = of_cluster(i % 2, 1 + index(&mut s, 90) as u64, &values);
                sent.blocks.push((2, block(&model(), Some(&[i as u32 % 4]), &values[..2])));
                sent
            })
            .collect();
        let expected = finish(recipe.clone(), &format, &numbered(sent.clone())).unwrap();
        shuffle(&mut s, &mut sent);
        let mut sent = numbered(sent);
        shuffle(&mut s, &mut sent);
        let got = finish(recipe, &format, &sent).unwrap();
        assert_eq!(got.delta.rows(), expected.delta.rows(), "{}", law.name());
        assert_eq!(bits(got.delta.values()), bits(expected.delta.values()), "{}", law.name());
    }
}

#[test]
fn too_few_for_a_block_is_an_error_of_the_round() {
    let format = format(&model(), 2, 2);
    let sent = |a: usize, b: usize| {
        let of = |place, n| (0..n).map(move |i| of_cluster(place, 1, &[i as f32; 11]));
        numbered(of(0, a).chain(of(1, b)).collect())
    };
    let trimmed = || plain("trimmed-mean", "f=2");
    assert!(finish(trimmed(), &format, &sent(5, 5)).is_ok());
    assert!(finish(trimmed(), &format, &sent(9, 0)).is_ok());
    let why = finish(trimmed(), &format, &sent(5, 4)).unwrap_err();
    assert!(why.is_too_few() && why.to_string().contains("there are 4"), "{why}");
    assert!(!finish(trimmed(), &format, &[]).unwrap_err().is_too_few());
    let fltrust = recipe("fltrust", &BTreeMap::new());
    let why = finish(fltrust, &format, &sent(2, 2)).unwrap_err();
    let several = RuleError::SeveralBlocks { recipe: "fltrust".into(), blocks: 2 };
    assert_eq!(why, AggregateError::from(several));
    assert!(!why.is_too_few());
}

/// Weights of 0: a block that only such clients sent counts nothing; where all weigh 0 there are no shares.
#[test]
fn a_block_of_clients_without_weight_counts_nothing() {
    let format = format(&model(), 2, 2);
    for names in ["median", "weighted-average"] {
        let sent = numbered(vec![of_cluster(0, 4, &[1.0; 11]), of_cluster(1, 0, &[1.0; 11])]);
        let got = finish(plain(names, ""), &format, &sent).unwrap();
        let mean = format.split(&got);
        assert_eq!((mean.numbers.clone(), mean.blocks[1].values().len()), (vec![1.0, 0.0], 0));
        assert_eq!(dense(&mean.blocks[0]), [1.0; 11]);
        let sent = numbered(vec![of_cluster(0, 0, &[1.0; 11]), of_cluster(1, 0, &[1.0; 11])]);
        let why = finish(plain(names, ""), &format, &sent).unwrap_err();
        assert_eq!(why, AggregateError::ZeroTotalWeight { updates: 2 });
    }
}

/// 3-4-5: blocks of norm 5, and of norm 0.5.
#[test]
fn the_norm_bound_holds_for_each_block_and_not_for_numbers() {
    let model = Layout::new(&[("table", 2, 2), ("bias", 1, 1)]).unwrap();
    let several = format(&model, 3, 2);
    let whole = [3.0, 0.0, 0.0, 4.0, 0.0];
    let refused = |format: &Format, bound: f64, scale: f32, blocks: &[(usize, bool)]| {
        let blocks = blocks.iter().map(|(place, sparse)| {
            let values: Vec<f32> = whole.iter().map(|v| v * scale).collect();
            let block = match sparse {
                true => block(&model, Some(&[0, 1]), &values[..4]),
                false => block(&model, None, &values),
            };
            (*place, block)
        });
        let numbers = if format.contents().numbers > 0 { vec![(0, 1e3), (1, -1e3)] } else { vec![] };
        let message = Sent { weight: 1, blocks: blocks.collect(), numbers }.message(format, 7);
        let mut refusals = Vec::new();
        for recipe in [None, Some(plain("median", ""))] {
            let aggregation = Aggregation { norm_bound: Some(bound), recipe, ..Aggregation::mean(1) };
            let open = aggregation.open(format, 0, base(), &[7]);
            let mut part: Part = aggregation.part(format);
            refusals.push(open.receive(&mut part, &message).err().map(|why| match why {
                Rejection::NormAboveBound { block, norm, .. } => (block, norm),
                other => panic!("{other}"),
            }));
        }
        assert_eq!(refusals[0], refusals[1]);
        refusals[0]
    };
    let all = [(0, false), (1, false), (2, false)];
    assert_eq!(refused(&several, 5.0, 1.0, &all), None);
    assert_eq!(refused(&several, 6.0, 1.0, &all), None);
    assert_eq!(refused(&several, 4.9, 1.0, &all), Some((Some(0), 5.0)));
    assert_eq!(refused(&several, 4.9, 1.0, &[(1, true), (2, false)]), Some((Some(1), 5.0)));
    assert_eq!(refused(&several, 4.9, 1.0, &[(2, true)]), Some((Some(2), 5.0)));
    assert_eq!(refused(&several, 6.0, 1.0, &[(0, true), (2, true)]), None);
    let half = 0.125;
    assert_eq!(refused(&several, 0.6, half, &all), Some((Some(0), 0.625)));
    assert_eq!(refused(&several, 0.7, half, &all), None);
    // A message of one block does not name it.
    for one in [Format::delta(model.clone()), format(&model, 1, 2)] {
        for sparse in [true, false] {
            assert_eq!(refused(&one, 0.6, half, &[(0, sparse)]), Some((None, 0.625)));
            assert_eq!(refused(&one, 0.7, half, &[(0, sparse)]), None);
            assert_eq!(refused(&one, 6.0, 1.0, &[(0, sparse)]), None);
            assert_eq!(refused(&one, 4.0, 1.0, &[(0, sparse)]), Some((None, 5.0)));
        }
    }
}
