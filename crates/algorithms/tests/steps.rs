//! Server halves by themselves: a step from a mean that is made by hand, and what it leaves for the next round.

use sottovoce_algorithms::AlgorithmConfig;
use sottovoce_core::{Layout, Mean, Params, RowBlock, Rows, Running, ServerCx, StartCx, Values};
use std::borrow::Cow;

const PARAMS: usize = 8;

/// One step of the algorithm that a text says, from zeros and from a mean of these blocks and numbers; what its state and
/// the parameters are after it.
fn stepped<T>(
    text: &str,
    blocks: &[[f32; PARAMS]],
    numbers: &[f32],
    see: impl FnOnce(&dyn Running, &[f32]) -> T,
) -> T {
    steps(1, text, blocks, numbers, see)
}

/// The same step several times.
fn steps<T>(
    rounds: u64,
    text: &str,
    blocks: &[[f32; PARAMS]],
    numbers: &[f32],
    see: impl FnOnce(&dyn Running, &[f32]) -> T,
) -> T {
    let config: AlgorithmConfig = serde_json::from_str(text).unwrap();
    let layout = Layout::new(&[("table", 3, 2), ("bias", 1, 2)]).unwrap();
    let mut params = Params::zeros(layout.clone());
    let cx = StartCx { params: &params, clients: 7, weight: &|| 70, seed: 1 };
    let mut running = config.algorithm().begin(&cx);
    let block = |values: &[f32; PARAMS]| {
        Cow::Owned(RowBlock::new(layout.clone(), Rows::All, values.to_vec()).unwrap())
    };
    for round in 0..rounds {
        let mean = Mean {
            blocks: blocks.iter().map(block).collect(),
            numbers: numbers.to_vec(),
            weight: 35,
            updates: 2,
        };
        running.step(&mut ServerCx {
            params: &mut params,
            mean,
            stale: &[],
            round,
            clients: 7,
            join: &|first, second| {
                first();
                second();
            },
        });
    }
    see(&*running, params.values())
}

/// What clients work with beside the parameters once there is some of it: a vector over all parameters for SCAFFOLD and
/// MimeLite, two models beside the first, a share of AFL. Moments that only the server looks at stay with it.
#[test]
fn clients_are_sent_what_they_read_of_the_servers_state() {
    let ones = [[1.0; PARAMS]; 3];
    for (text, blocks, numbers, sent) in [
        (r#"{"kind":"scaffold"}"#, 2, 1, 8),
        (r#"{"kind":"mimelite"}"#, 2, 1, 8),
        (r#"{"kind":"ifca","clusters":3}"#, 3, 3, 16),
        (r#"{"kind":"afl","lambda_lr":1}"#, 1, 8, 1),
        (r#"{"kind":"fedavgm"}"#, 1, 0, 0),
        (r#"{"kind":"fedopt","optimiser":"adam","server_lr":1}"#, 1, 0, 0),
        (r#"{"kind":"feddyn","alpha":1}"#, 1, 0, 0),
    ] {
        let broadcast =
            stepped(text, &ones[..blocks], &[1.0; 8][..numbers], |running, _| running.broadcast());
        assert_eq!(broadcast, sent, "{text}");
    }
}

/// Yogi moves its second moment by `sign(v − d²)`: not at all where they are equal, as `v = τ²` and `d = ±τ` are. The
/// step is then `d / (τ + τ)`.
#[test]
fn yogi_rests_where_its_moment_is_the_square() {
    let yogi = r#"{"kind":"fedopt","optimiser":"yogi","server_lr":1,"beta1":0,"tau":0.5}"#;
    let delta = [0.5, -0.5, 0.5, 0.5, -0.5, 0.5, -0.5, 0.5];
    stepped(yogi, &[delta], &[], |_, params| assert_eq!(params, delta));
}

/// A model that nobody chose stays where it is, also where its mean is given as zeros.
#[test]
fn a_model_that_nobody_chose_stays() {
    let ifca = r#"{"kind":"ifca","clusters":3}"#;
    let start = |j: usize| stepped(ifca, &[[0.0; PARAMS]; 3], &[1.0, 0.0, 0.0], |r, _| others(r)[j].to_vec());
    for chosen in 0..3 {
        let (mut blocks, mut numbers) = ([[0.0; PARAMS]; 3], [0.0; 3]);
        (blocks[chosen], numbers[chosen]) = ([0.25; PARAMS], 0.5);
        stepped(ifca, &blocks, &numbers, |running, params| {
            let moved = |j: usize| if j == chosen { 0.5 } else { 0.0 };
            assert_eq!(params, [moved(0); PARAMS]);
            for (j, model) in others(running).iter().enumerate() {
                let expected: Vec<f32> = start(j).iter().map(|v| v + moved(j + 1)).collect();
                assert_eq!(model[..], expected);
            }
        });
    }
}

/// Nor does an edge that nobody belongs to move the model: one of two edges takes half of the weight in either round of its
/// own, 0.25 / 0.5 each, and the cloud takes over all of it. AFL leaves the model where the shares of a cohort are zero.
#[test]
fn a_share_of_zero_divides_nothing() {
    let (zeros, quarters) = ([0.0; PARAMS], [0.25; PARAMS]);
    let rounds = |text: &str, blocks: &[[f32; PARAMS]], numbers: &[f32], rounds| {
        steps(rounds, text, blocks, numbers, |_, params| params.to_vec())
    };
    let edges = r#"{"kind":"hierarchical","edges":2,"cloud_every":2}"#;
    assert_eq!(rounds(edges, &[zeros, quarters], &[0.0, 0.5], 2), [1.0; PARAMS]);
    assert_eq!(rounds(edges, &[quarters, zeros], &[0.5, 0.0], 2), [1.0; PARAMS]);
    let afl = r#"{"kind":"afl","lambda_lr":1}"#;
    assert_eq!(rounds(afl, &[zeros], &[0.0; 8], 1), zeros);
    assert_eq!(rounds(afl, &[quarters], &[0.5; 8], 1), [0.5; PARAMS]);
}

fn others(running: &dyn Running) -> &[Values] {
    running.server().downcast_ref::<Vec<Values>>().expect("the other models")
}
