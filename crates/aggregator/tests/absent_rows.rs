//! Rows of a table that some clients did not send: votes of zeros, or no votes.

mod rows;

use rows::messages::{Sent, bits, block, by, dense, format, numbered, recipe, round};
use rows::{given, matrix, stack, stream};
use sottovoce_aggregator::{Absent, AggregateError, Memory, Moment, Recipe, RuleError};
use sottovoce_core::sampling::index;
use sottovoce_core::{Aggregate, Format, Layout, RowBlock, Rows};
use std::sync::Arc;

fn model() -> Arc<Layout> {
    Layout::new(&[("table", 40, 3), ("bias", 1, 2)]).unwrap()
}

const RULES: [(&str, &str); 8] = [
    ("average", ""),
    ("weighted-average", "weight_cap=40"),
    ("mean", ""),
    ("coordinate-median", ""),
    ("coordinate-median", "even=lower"),
    ("trimmed-mean", "f=2"),
    ("trimmed-mean", "beta=0.3"),
    ("meamed", "f=1"),
];

fn parse((names, parameters): (&str, &str)) -> Recipe {
    recipe(names, &given(parameters, &[]))
}

fn finish(
    rule: (&str, &str),
    absent: Absent,
    format: &Format,
    deltas: &[(u64, RowBlock)],
) -> Result<Aggregate, AggregateError> {
    let one = |(weight, delta): &(u64, RowBlock)| Sent {
        weight: *weight,
        blocks: vec![(0, delta.clone())],
        numbers: vec![],
    };
    let sent = numbered(deltas.iter().map(one).collect());
    round(&by(parse(rule), absent), format, &sent, Moment::default(), &mut Memory::default())
}

/// Three clients and rows of one number: the first is sent by all, the others by one each.
#[test]
fn by_hand() {
    let model = Layout::new(&[("table", 4, 1)]).unwrap();
    let format = Format::delta(model.clone());
    let deltas = [
        (1, block(&model, Some(&[0, 1]), &[1.0, 10.0])),
        (2, block(&model, Some(&[0]), &[2.0])),
        (5, block(&model, Some(&[0, 2]), &[6.0, 5.0])),
    ];
    let got = |rule, absent| {
        let aggregate = finish(rule, absent, &format, &deltas).unwrap();
        let rows: Vec<u32> = aggregate.delta.each_row().map(|(row, _)| row).collect();
        (rows, aggregate.delta.values().to_vec())
    };
    let all = vec![0, 1, 2, 3];
    // Zeros are the majority in every row that not all have sent.
    assert_eq!(got(("median", ""), Absent::Zero), (all.clone(), vec![2.0, 0.0, 0.0, 0.0]));
    assert_eq!(got(("average", ""), Absent::Zero), (all, vec![3.0, 10.0 / 3.0, 5.0 / 3.0, 0.0]));
    // Row 3 was sent by nobody.
    let three = vec![0, 1, 2];
    assert_eq!(got(("median", ""), Absent::Abstain), (three.clone(), vec![2.0, 10.0, 5.0]));
    assert_eq!(got(("average", ""), Absent::Abstain), (three.clone(), vec![3.0, 10.0, 5.0]));
    // (1 · 1 + 2 · 2 + 5 · 6) / 8
    assert_eq!(got(("weighted-average", ""), Absent::Abstain), (three, vec![4.375, 10.0, 5.0]));
    // One vote is less than f = 1 leaves anything of.
    assert_eq!(got(("trimmed-mean", "f=1"), Absent::Abstain), (vec![0], vec![2.0]));
    // The two of 1, 2, 6 that are nearest to 2.
    assert_eq!(got(("meamed", "f=1"), Absent::Abstain), (vec![0], vec![1.5]));
}

#[test]
fn where_everybody_sent_all_rows_both_readings_are_the_same_bits() {
    let (model, mut s) = (model(), stream(11));
    for blocks in [1, 2] {
        let format = format(&model, blocks, blocks - 1);
        for rule in RULES {
            let all: Vec<u32> = (0..41).collect();
            let deltas: Vec<(u64, RowBlock)> = matrix::<f32>(&mut s, 9, model.params())
                .into_iter()
                .map(|values| {
                    let rows = (index(&mut s, 2) == 0).then_some(&all[..]);
                    (1 + index(&mut s, 99) as u64, block(&model, rows, &values))
                })
                .collect();
            let zero = finish(rule, Absent::Zero, &format, &deltas).unwrap();
            let abstain = finish(rule, Absent::Abstain, &format, &deltas).unwrap();
            assert_eq!(zero.delta.rows(), abstain.delta.rows());
            assert_eq!(blocks == 1, zero.delta.rows() == &Rows::All);
            assert_eq!(bits(zero.delta.values()), bits(abstain.delta.values()), "{rule:?}");
        }
    }
}

/// Each row is what the rule makes of the rows of those who sent it, for any number of threads.
#[test]
fn a_row_is_voted_on_by_those_who_sent_it() {
    let (model, mut s) = (model(), stream(12));
    let format = Format::delta(model.clone());
    for rule in RULES {
        let deltas: Vec<(u64, RowBlock)> = (0..9)
            .map(|_| {
                // Many rows in a row have the same voters.
                let from = index(&mut s, 30) as u32;
                let rows: Vec<u32> = (from..from + 10).chain([40]).filter(|row| row % 7 > 0).collect();
                let n = model.params_in(rows.iter().copied());
                let values = matrix::<f32>(&mut s, 1, n).remove(0);
                (1 + index(&mut s, 99) as u64, block(&model, Some(&rows), &values))
            })
            .collect();
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| finish(rule, Absent::Abstain, &format, &deltas).unwrap())
        };
        let got = with(1);
        assert_eq!(got, with(4));
        let (all, recipe) = (dense(&got.delta), parse(rule));
        let moved: Vec<u32> = got.delta.each_row().map(|(row, _)| row).collect();
        let mut expected = Vec::new();
        for (row, range) in (0..41).zip(model.ranges(0..41)) {
            let votes: Vec<(f64, Vec<f32>)> = deltas
                .iter()
                .filter_map(|(weight, delta)| {
                    let (_, values) = delta.each_row().find(|(sent, _)| *sent == row)?;
                    Some((*weight as f64, values.to_vec()))
                })
                .collect();
            let (weights, values): (Vec<f64>, Vec<Vec<f32>>) = votes.into_iter().unzip();
            if values.is_empty() {
                continue;
            }
            match recipe.aggregate(&stack(&values), Some(&weights)) {
                Err(RuleError::TooFewRows { .. }) => continue,
                outcome => {
                    expected.push(row);
                    // The grid of a mean depends on all rows that it is made of at once.
                    for (x, y) in all[range].iter().zip(&outcome.unwrap().rows[0]) {
                        assert!(
                            x == y || (rule.0.ends_with(['n', 'e']) && (x - y).abs() < 1e-6),
                            "{rule:?} {x} {y}"
                        );
                    }
                }
            }
        }
        assert_eq!(moved, expected, "{rule:?}");
        assert!(rule != ("trimmed-mean", "f=2") || !moved.is_empty() && moved.len() < 40);
    }
}

#[test]
fn who_weighs_nothing_decides_no_row() {
    let model = Layout::new(&[("table", 2, 1)]).unwrap();
    let format = Format::delta(model.clone());
    let deltas = [(0, block(&model, Some(&[0]), &[1.0])), (3, block(&model, Some(&[1]), &[2.0]))];
    let got = finish(("weighted-average", ""), Absent::Abstain, &format, &deltas).unwrap();
    assert_eq!(got.delta, block(&model, Some(&[1]), &[2.0]));
    let nobody = [(0, deltas[0].1.clone()), (0, deltas[1].1.clone())];
    for absent in [Absent::Zero, Absent::Abstain] {
        let why = finish(("weighted-average", ""), absent, &format, &nobody).unwrap_err();
        assert_eq!(why, AggregateError::from(RuleError::ZeroWeight));
    }
}

#[test]
fn only_rules_by_coordinate_let_rows_abstain() {
    for rule in RULES {
        assert!(parse(rule).coordinatewise(), "{rule:?}");
    }
    let (model, format) = (model(), Format::delta(model()));
    let deltas: Vec<(u64, RowBlock)> = vec![(1, block(&model, None, &[1.0; 122])); 7];
    for rule in [
        ("krum", "f=1"),
        ("nnm+coordinate-median", "f=1"),
        ("rfa", ""),
        ("arc+average", "f=1"),
        ("caf", "f=1"),
    ] {
        assert!(!parse(rule).coordinatewise(), "{rule:?}");
        let why = finish(rule, Absent::Abstain, &format, &deltas).unwrap_err();
        assert_eq!(why, AggregateError::from(RuleError::NotCoordinatewise { recipe: rule.0.into() }));
        assert!(finish(rule, Absent::Zero, &format, &deltas).is_ok());
    }
    // The block as a whole needs as many as the rule.
    let why = finish(("trimmed-mean", "f=4"), Absent::Abstain, &format, &deltas).unwrap_err();
    assert!(why.is_too_few());
}
