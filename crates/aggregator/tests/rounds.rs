//! Rules that remember, that draw and that trust, over the rounds of a run.

mod rows;

use rows::messages::{Sent, base, bits, block, by, format, numbered, recipe, round};
use rows::{given, matrix, stack, stream};
use sottovoce_aggregator::rules::Value;
use sottovoce_aggregator::{
    Absent, AggregateError, Memory, Moment, OpenRound, PartialSum, Recipe, Rejection, RuleError, StaleUpdate,
    finish,
};
use sottovoce_core::sampling::shuffle;
use sottovoce_core::{
    Address, Aggregate, Checksum, ClientId, Format, Layout, Outbound, Purpose, RowBlock, Rows, Update,
};
use std::sync::Arc;

fn model() -> Arc<Layout> {
    Layout::new(&[("table", 3, 4)]).unwrap()
}

fn parse(names: &str, parameters: &str) -> Recipe {
    recipe(names, &given(parameters, &[]))
}

fn deltas(rows: &[Vec<f32>]) -> Vec<(u64, Sent)> {
    let one =
        |row: &Vec<f32>| Sent { weight: 1, blocks: vec![(0, block(&model(), None, row))], numbers: vec![] };
    numbered(rows.iter().map(one).collect())
}

fn in_round(
    recipe: &Recipe,
    rows: &[Vec<f32>],
    at: Moment<'_>,
    memory: &mut Memory,
) -> Result<Aggregate, AggregateError> {
    round(&by(recipe.clone(), Absent::Zero), &Format::delta(model()), &deltas(rows), at, memory)
}

fn at(seed: u64, round: u64) -> Moment<'static> {
    Moment { seed, round, trusted: None }
}

/// `v0` is the last result, by hand; zeros before the first.
#[test]
fn centered_clipping_begins_where_the_last_round_ended() {
    let mut s = stream(2);
    for parameters in ["tau=0.7 L=2", "tau=0.7 L=2 v0=previous"] {
        let (mut memory, mut last) = (Memory::default(), vec![0.0; 12]);
        for r in 0..5 {
            let rows = matrix::<f32>(&mut s, 6, 12);
            let got =
                in_round(&parse("centered-clipping", parameters), &rows, at(1, r), &mut memory).unwrap();
            let by_hand = Recipe::parse("centered-clipping", &given("tau=0.7 L=2 v0=vector", &last)).unwrap();
            let expected = by_hand.aggregate(&stack(&rows), None).unwrap().rows.remove(0);
            assert_eq!(bits(got.delta.values()), bits(&expected), "round {r}");
            assert_eq!(memory.blocks().iter().map(|v| bits(v)).collect::<Vec<_>>(), [bits(&expected)]);
            last = expected.iter().map(|v| f64::from(*v)).collect();
        }
    }
    // Who begins elsewhere remembers nothing.
    let rows = matrix::<f32>(&mut s, 6, 12);
    for (names, parameters) in
        [("centered-clipping", "tau=0.7 v0=zeros"), ("centered-clipping", "tau=0.7 v0=mean"), ("median", "")]
    {
        let mut memory = Memory::default();
        let got = in_round(&parse(names, parameters), &rows, at(1, 3), &mut memory).unwrap();
        let expected = parse(names, parameters).aggregate(&stack(&rows), None).unwrap().rows.remove(0);
        assert_eq!((bits(got.delta.values()), memory), (bits(&expected), Memory::default()));
    }
    // Without rounds there is nothing before, and the default is zeros.
    let parse = |parameters| Recipe::parse("centered-clipping", &given(parameters, &[]));
    let say = |parameters| parse(parameters).unwrap().aggregate(&stack(&rows), None).unwrap().rows;
    assert_eq!(say("tau=0.7"), say("tau=0.7 v0=zeros"));
    assert_eq!(parse("tau=0.7 v0=previous"), Err(RuleError::NoPrevious));
    let previous = recipe("centered-clipping", &given("tau=0.7 v0=previous", &[]));
    assert_eq!(previous.aggregate(&stack(&rows), None), Err(RuleError::NoPrevious));
}

/// Each block has a past of its own, unscaled; an error leaves all of it as it was.
#[test]
fn the_memory_is_by_block_and_unchanged_by_an_error() {
    let format = format(&model(), 2, 0);
    let aggregation = by(parse("nnm+centered-clipping", "f=1 tau=0.5"), Absent::Zero);
    let sent = |clusters: &[usize], value: f32| {
        let one = |(i, place): (usize, &usize)| {
            let values = [value + i as f32 / 8.0; 12];
            Sent { weight: 1, blocks: vec![(*place, block(&model(), None, &values))], numbers: vec![] }
        };
        numbered(clusters.iter().enumerate().map(one).collect())
    };
    let mut memory = Memory::default();
    round(&aggregation, &format, &sent(&[1, 1, 1], 1.0), at(1, 0), &mut memory).unwrap();
    assert!(memory.blocks()[0].is_empty() && memory.blocks()[1].len() == 12);
    let before = memory.clone();
    let why = round(&aggregation, &format, &sent(&[0, 0, 0, 1], 5.0), at(1, 1), &mut memory).unwrap_err();
    assert!(why.is_too_few());
    assert_eq!(memory, before);
    // Half of the weight has block 0: the memory holds the result, the aggregate half of it.
    let mixed = sent(&[0, 1, 0, 1, 0, 1], 2.0);
    let got = round(&aggregation, &format, &mixed, at(1, 2), &mut memory).unwrap();
    assert_ne!(memory.blocks()[1], before.blocks()[1]);
    let mean = format.split(&got);
    for place in [0, 1] {
        let halved: Vec<f32> = memory.blocks()[place].iter().map(|v| v / 2.0).collect();
        assert_eq!(mean.blocks[place].values(), halved);
    }
    // A block that nobody sent keeps its past.
    let before = memory.clone();
    round(&aggregation, &format, &sent(&[0, 0, 0], 3.0), at(1, 3), &mut memory).unwrap();
    assert_eq!(memory.blocks()[1], before.blocks()[1]);
    assert_ne!(memory.blocks()[0], before.blocks()[0]);
    // A memory of another model is no start.
    let other = Format::delta(Layout::new(&[("table", 3, 5)]).unwrap());
    let values = block(other.model(), None, &[1.0; 15]);
    let wide = vec![Sent { weight: 1, blocks: vec![(0, values)], numbers: vec![] }; 3];
    let (why, before) = (round(&aggregation, &other, &numbered(wide), at(1, 4), &mut memory), memory.clone());
    assert!(
        matches!(why, Err(AggregateError::Rule(e)) if matches!(*e, RuleError::VectorLength { name: "v0", .. }))
    );
    assert_eq!(memory, before);
}

/// The order is drawn for run, round and block; rows here are ordered by coordinate as they are.
#[test]
fn every_round_deals_other_buckets() {
    let mut rows = matrix::<f32>(&mut stream(3), 9, 12);
    rows.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let by_hand = |seed: u64, round: u64, slot: u64| {
        let mut order: Vec<usize> = (0..9).collect();
        shuffle(&mut Address::new(seed, Purpose::Bucketing).slot(slot).round(round).stream(), &mut order);
        let perm: Vec<f64> = order.into_iter().map(|i| i as f64).collect();
        let given = Recipe::parse("bucketing+median", &given("s=2 perm=vector", &perm)).unwrap();
        given.aggregate(&stack(&rows), None).unwrap().rows.remove(0)
    };
    let mut seen = std::collections::BTreeSet::new();
    for r in 0..6 {
        for (parameters, seed) in [("s=2", 40), ("s=2 seed=7", 7)] {
            let recipe = parse("bucketing+median", parameters);
            assert_eq!(recipe.refused_in_rounds(), None);
            let got = in_round(&recipe, &rows, at(40, r), &mut Memory::default()).unwrap();
            assert_eq!(bits(got.delta.values()), bits(&by_hand(seed, r, 0)), "{parameters} in round {r}");
            seen.insert(bits(got.delta.values()));
        }
    }
    assert!(seen.len() > 6, "{}", seen.len());
    // Block 2 by slot 2.
    let format = format(&model(), 3, 0);
    let one =
        |row: &Vec<f32>| Sent { weight: 1, blocks: vec![(2, block(&model(), None, row))], numbers: vec![] };
    let sent = numbered(rows.iter().map(one).collect());
    let aggregation = by(parse("bucketing+median", "s=2"), Absent::Zero);
    let got = round(&aggregation, &format, &sent, at(40, 5), &mut Memory::default()).unwrap();
    assert_eq!(bits(format.split(&got).blocks[2].values()), bits(&by_hand(40, 5, 2)));
    // Without rounds somebody has to say it.
    let why = parse("bucketing+median", "s=2").aggregate(&stack(&rows), None).unwrap_err();
    assert!(why.to_string().contains("bucketing needs perm"), "{why}");
    assert_eq!(Recipe::parse("bucketing+median", &given("s=2", &[])), Err(why));
}

#[test]
fn fltrust_is_told_the_servers_update_of_the_round() {
    let mut s = stream(5);
    let fltrust = parse("fltrust", "");
    assert!(fltrust.needs_trusted() && fltrust.wants_delta_alone() && fltrust.refused_in_rounds().is_none());
    for r in 0..3 {
        let rows = matrix::<f32>(&mut s, 5, 12);
        let server = matrix::<f32>(&mut s, 1, 12).remove(0);
        let moment = Moment { trusted: Some(&server), ..at(1, r) };
        let got = in_round(&fltrust, &rows, moment, &mut Memory::default()).unwrap();
        let vector: Vec<f64> = server.iter().map(|v| f64::from(*v)).collect();
        let constant = Recipe::parse("fltrust", &given("server_update=vector", &vector)).unwrap();
        assert!(!constant.needs_trusted() && constant.refused_in_rounds().is_some());
        let expected = constant.aggregate(&stack(&rows), None).unwrap().rows.remove(0);
        assert_eq!(bits(got.delta.values()), bits(&expected));
    }
    let rows = matrix::<f32>(&mut s, 5, 12);
    let fails = |trusted: Option<&[f32]>| {
        let moment = Moment { trusted, ..at(1, 0) };
        in_round(&fltrust, &rows, moment, &mut Memory::default()).unwrap_err()
    };
    assert_eq!(fails(None), AggregateError::from(RuleError::NoTrusted { recipe: "fltrust" }));
    let length = RuleError::VectorLength { name: "server_update", expected: 12, got: 11 };
    assert_eq!(fails(Some(&[1.0; 11])), AggregateError::from(length));
    let infinite = [f32::INFINITY; 12];
    assert!(fails(Some(&infinite)).to_string().contains("server_update: inf at place 0"));
    let why = fltrust.aggregate(&stack(&rows), None).unwrap_err();
    assert!(why.to_string().contains("fltrust needs server_update"), "{why}");
}

#[test]
fn what_is_the_same_in_every_round_is_refused_with_what_to_use() {
    let vector = [0.0, 1.0, 2.0];
    for (names, parameters, instead) in [
        ("monna", "f=0 idx=1", "fltrust"),
        ("bucketing+median", "s=2 perm=vector", "leave it out"),
        ("fltrust", "server_update=vector", "leave it out"),
        ("rfa", "start=vector", "zeros, mean or weighted_mean"),
        ("geometric-median-smoothed-weiszfeld", "start=vector", "zeros, mean or weighted_mean"),
        ("nnm+centered-clipping", "f=0 tau=1 v0=vector", "previous, zeros or mean"),
    ] {
        let why = recipe(names, &given(parameters, &vector)).refused_in_rounds().expect(names);
        assert!(why.contains(instead), "{names}: {why}");
    }
    for (names, parameters) in
        [("rfa", ""), ("nnm+krum", "f=1"), ("bucketing+centered-clipping", "s=2 tau=1 v0=mean"), ("mean", "")]
    {
        assert_eq!(parse(names, parameters).refused_in_rounds(), None, "{names}");
    }
    // A server's update is one block, whatever stands in front of the rule.
    assert!(parse("nnm+fltrust", "f=1").wants_delta_alone() && !parse("nnm+krum", "f=1").wants_delta_alone());
    let values = given("tau=1 v0=previous", &[]);
    assert_eq!(values["v0"], Value::Word("previous".into()));
}

/// However it arrives, and whatever else is right about it.
#[test]
fn a_loss_that_is_not_finite_is_refused() {
    let message = |loss: f32, rows: Rows| {
        let n = if rows == Rows::All { 12 } else { 4 };
        let delta = RowBlock::new(model(), rows, vec![1.0; n]).unwrap();
        let mut bytes = Vec::new();
        Update { client: ClientId(3), round: 0, exchange: 0, base: base(), weight: 1, loss, delta }
            .encode(&mut bytes);
        bytes
    };
    for rows in [Rows::All, Rows::Some([1].into())] {
        for loss in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let bad = message(loss, rows.clone());
            let open = OpenRound::new(model(), 0, base(), &[3], 1);
            let mut part = PartialSum::new(model(), 1);
            let said = |why: sottovoce_aggregator::Rejection| (why.reason(), why.to_string());
            let expected = ("loss_not_finite", format!("client 3: a loss of {loss}"));
            assert_eq!(said(open.receive(&mut part, &bad).unwrap_err()), expected);
            assert_eq!(said(open.receive_from(ClientId(3), &mut part, &bad).unwrap_err()), expected);
            let late = StaleUpdate { round: 0, base: base(), factor: 0.5 };
            let open_later = OpenRound::new(model(), 2, base(), &[3], 1);
            assert_eq!(
                said(open_later.receive_stale(ClientId(3), &mut part, &bad, late).unwrap_err()),
                expected
            );
            let refused = open.receive_all(&mut part, &[&bad]).remove(0).unwrap_err();
            assert_eq!(said(refused), expected);
            assert_eq!(finish(&[&part]), Err(AggregateError::NoUpdates));
            // And its client may send another one.
            open.receive(&mut part, &message(-0.5, rows.clone())).unwrap();
        }
    }
}

/// An update of another round, client or base, by clients of a layout with four values in a row.
fn late(client: u64, round: u64, base: Checksum) -> Vec<u8> {
    let delta = RowBlock::new(model(), Rows::Some([1].into()), vec![4.0; 4]).unwrap();
    let mut bytes = Vec::new();
    Update { client: ClientId(client), round, exchange: 0, base, weight: 1, loss: 0.5, delta }
        .encode(&mut bytes);
    bytes
}

#[test]
fn a_late_update_belongs_to_its_own_round_and_counts_by_its_factor() {
    let (then, now) = (Checksum::of(b"then"), Checksum::of(b"now"));
    let open = OpenRound::new(model(), 5, now, &[3, 8], 1);
    let mut part = PartialSum::new(model(), 1);
    let stale = StaleUpdate { round: 2, base: then, factor: 0.25 };
    let mut refused =
        |message: Vec<u8>| open.receive_stale(ClientId(3), &mut part, &message, stale).unwrap_err().reason();
    assert_eq!(refused(late(3, 5, then)), "wrong_round");
    assert_eq!(refused(late(3, 1, then)), "wrong_round");
    assert_eq!(refused(late(3, 2, now)), "stale_base");
    assert_eq!(refused(late(8, 2, then)), "wrong_sender");
    open.receive_stale(ClientId(3), &mut part, &late(3, 2, then), stale).unwrap();
    // One that is in time is not late.
    let why = open.receive_from(ClientId(8), &mut part, &late(8, 2, then)).unwrap_err();
    assert_eq!(why.reason(), "wrong_round");
    let mean = finish(&[&part]).unwrap();
    assert_eq!((mean.delta.values(), mean.updates), (&[1.0; 4][..], 1));
}

#[test]
fn nobody_speaks_for_another() {
    let open = OpenRound::new(model(), 0, base(), &[3, 8], 1);
    let mut part = PartialSum::new(model(), 1);
    let why = open.receive_from(ClientId(3), &mut part, &late(8, 0, base())).unwrap_err();
    assert_eq!(why, Rejection::WrongSender { client: ClientId(3), claimed: ClientId(8) });
    open.receive_from(ClientId(8), &mut part, &late(8, 0, base())).unwrap();
    assert_eq!(finish(&[&part]).unwrap().updates, 1);
}
