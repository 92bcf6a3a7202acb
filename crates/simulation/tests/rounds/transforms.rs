//! What transforms may touch, for every algorithm of the library: blocks of the model, one by one, and nothing else.

use crate::common::population::Desks;
use crate::common::run::{engine, state, steps};
use crate::library;
use sottovoce_algorithms::AlgorithmConfig;
use sottovoce_core::{Address, Digest, RowBlock, Transform};
use sottovoce_privacy::{ClipNorm, ClipValue, GaussianNoise, Quantise, TopRows};
use sottovoce_simulation::Cohort;

const ROUNDS: u64 = 5;

/// Everything that a run leaves behind, and its model.
fn through(algorithm: &AlgorithmConfig, transforms: Vec<Box<dyn Transform>>) -> (Vec<u8>, Vec<f32>) {
    let desks = Desks::new(algorithm.algorithm(), 12, 3).transforming(transforms);
    let mut engine = engine(&desks, Cohort::Uniform { size: 5 });
    steps(&mut engine, ROUNDS);
    (state(&engine), engine.params().values().to_vec())
}

#[test]
fn transforms_that_do_nothing_change_no_bit() {
    for algorithm in library() {
        let nothing: Vec<Box<dyn Transform>> = vec![
            Box::new(ClipNorm { max: 1e30 }),
            Box::new(ClipValue { max: 1e30 }),
            Box::new(GaussianNoise { std: 0.0 }),
            Box::new(TopRows { share: 1.0 }),
        ];
        assert!(through(&algorithm, nothing).0 == through(&algorithm, vec![]).0, "{algorithm:?}");
    }
}

/// Sees to it that what it is given is part of a model.
struct Strict(Digest);

impl Transform for Strict {
    fn client(&self, _at: Address, block: &mut RowBlock) {
        assert_eq!(
            block.layout().schema(),
            self.0,
            "a transform is given something else than a block of the model"
        );
    }
}

#[test]
fn numbers_beside_blocks_are_left_alone() {
    for algorithm in library() {
        let desks = Desks::new(algorithm.algorithm(), 6, 3);
        let schema = desks.start().layout().schema();
        let desks = desks.transforming(vec![Box::new(Strict(schema))]);
        for report in steps(&mut engine(&desks, Cohort::All), ROUNDS) {
            assert_eq!(report.accepted.len(), 6, "{algorithm:?}");
        }
    }
}

/// Eight bits are enough for the way that a model goes, whatever is sent beside its delta; and a clip at what most updates are
/// long does not turn it round.
#[test]
fn mild_transforms_leave_the_way() {
    let norm = |v: &[f32]| v.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>().sqrt();
    for algorithm in library() {
        let plain = through(&algorithm, vec![]).1;
        let eight = through(&algorithm, vec![Box::new(Quantise { bits: 8 })]).1;
        let apart: Vec<f32> = plain.iter().zip(&eight).map(|(a, b)| a - b).collect();
        assert!(norm(&apart) < 0.1 * norm(&plain), "{algorithm:?}: {} of {}", norm(&apart), norm(&plain));
    }
}

/// Blocks of one message have noise of their own.
#[test]
fn blocks_do_not_share_their_random_numbers() {
    struct Noise;
    impl Transform for Noise {
        fn client(&self, at: Address, block: &mut RowBlock) {
            let seen = at.stream().next_u32() >> 8;
            block.values_mut().fill(seen as f32 * 1e-6);
        }
    }
    let scaffold: sottovoce_algorithms::Scaffold = serde_json::from_str("{}").unwrap();
    let desks = Desks::new(&scaffold, 4, 3).transforming(vec![Box::new(Noise)]).tampering(|update| {
        let values = update.delta.values();
        assert_ne!(values[0], values[values.len() - 2], "a delta and a change of control variates");
    });
    assert_eq!(engine(&desks, Cohort::All).step().unwrap().accepted.len(), 4);
}
