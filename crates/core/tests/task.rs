//! What algorithms work with, by hand: a client's rows, vectors over all parameters, answers, and what an algorithm is that
//! says nothing of itself.

use sottovoce_core::{
    Address, Adjust, Aggregate, Algorithm, Answer, AnyAlgorithm, Broadcast, Checksum, ClientError, ClientId,
    Contents, Exchange, Facts, Format, Layout, LocalTask, Mean, Params, Personal, Population, Purpose,
    RowBlock, Rows, Sent, ServerCx, StartCx, Summing, Trained, Transform, Values, state, transform,
};
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// Rows 0 to 3 of two numbers, 4 and 5 of three, and 6, the bias.
fn layout() -> Arc<Layout> {
    Layout::new(&[("table", 4, 2), ("output", 2, 3), ("bias", 1, 3)]).unwrap()
}

/// Every parameter is its place.
fn places() -> Params {
    Params::from_values(layout(), (0..17u8).map(f32::from).collect()).unwrap()
}

fn block(rows: &[u32], values: &[f32]) -> RowBlock {
    RowBlock::new(layout(), Rows::Some(rows.into()), values.to_vec()).unwrap()
}

/// A client with rows 1 and 3 of the table, and a head of three rows.
struct Client {
    rows: Arc<[u32]>,
    params: Params,
}

impl Client {
    fn new() -> Self {
        Self { rows: [1, 3, 4, 5, 6].into(), params: places() }
    }
}

impl LocalTask for Client {
    fn client(&self) -> ClientId {
        ClientId(7)
    }
    fn round(&self) -> u64 {
        2
    }
    fn num_examples(&self) -> u64 {
        30
    }
    fn rows(&self) -> &Arc<[u32]> {
        &self.rows
    }
    fn broadcast(&self) -> &Params {
        &self.params
    }
    fn epochs(&self) -> u32 {
        4
    }
    fn steps(&self) -> u64 {
        1
    }
    fn representation(&self) -> usize {
        0
    }
    fn head(&self) -> usize {
        3
    }
    /// Moves by the number of epochs.
    fn train_from(
        &mut self,
        _: Option<&[f32]>,
        epochs: Range<u32>,
        _: Option<&mut Adjust<'_>>,
    ) -> Result<Trained, ClientError> {
        let delta = self.block(vec![epochs.len() as f32; 13]);
        Ok(Trained { delta, loss: 0.5, steps: 1, rates: 1.0 })
    }
    fn loss(&mut self, _: &[f32]) -> f64 {
        0.0
    }
    fn gradient(&mut self, at: &[f32]) -> Vec<f32> {
        at.to_vec()
    }
}

#[test]
fn a_client_has_its_own_rows_one_after_another() {
    let mut client = Client::new();
    let own = [2.0, 3.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0];
    assert_eq!(client.gather(places().values()), own);
    assert_eq!(client.start(), own);
    assert_eq!(client.gather(&[]), [0.0; 13]);
    assert_eq!(client.body(), 4);
    assert_eq!(client.block(own.to_vec()), block(&[1, 3, 4, 5, 6], &own));
    assert_eq!(client.train(None).unwrap().delta.values(), [4.0; 13]);

    let mut to = [1.0; 13];
    client.add(&mut to, 2.0, &block(&[3, 5], &[1.0, 2.0, 3.0, 4.0, 5.0]));
    assert_eq!(to, [1.0, 1.0, 3.0, 5.0, 1.0, 1.0, 1.0, 7.0, 9.0, 11.0, 1.0, 1.0, 1.0]);
    client.add(&mut to, -1.0, &block(&[1, 6], &[1.0; 5]));
    assert_eq!(to, [0.0, 0.0, 3.0, 5.0, 1.0, 1.0, 1.0, 7.0, 9.0, 11.0, 0.0, 0.0, 0.0]);
}

#[test]
#[should_panic(expected = "a row of the client's")]
fn a_row_of_others_is_not_added() {
    Client::new().add(&mut [0.0; 13], 1.0, &block(&[2], &[1.0; 2]));
}

#[test]
fn vectors_over_all_parameters_are_zeros_until_somebody_adds() {
    let mut values = Values::default();
    assert!(values.is_empty());
    values.add_scaled(2.0, &block(&[1, 5], &[1.0, 2.0, 3.0, 4.0, 5.0]));
    let mut expected = [0.0; 17];
    (expected[2], expected[3]) = (2.0, 4.0);
    expected[11..14].copy_from_slice(&[6.0, 8.0, 10.0]);
    assert_eq!(values[..], expected);
    values.add_scaled(0.5, &RowBlock::new(layout(), Rows::All, vec![1.0; 17]).unwrap());
    values.scale(0.5);
    assert_eq!(values[..], expected.map(|v| (v + 0.5) * 0.5));

    let mut short = Values::from(vec![7.0]);
    short.at_least(3)[1] = 8.0;
    assert_eq!(short.at_least(2), [7.0, 8.0, 0.0]);
    short[2] = 9.0;
    let bytes = state::encode(&short);
    let written: Vec<u8> = [7.0f32, 8.0, 9.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(bytes, [&12u64.to_le_bytes()[..], &written].concat());
    assert_eq!(state::decode::<Values>(&bytes), Some(short));
    // Bytes that are no whole number of numbers.
    assert_eq!(state::decode::<Values>(&state::encode(&(3u64, 0u8, 0u8, 0u8))), None);
}

#[test]
fn blocks_know_their_norm_and_give_their_values_away() {
    let mut of = block(&[0], &[3.0, -4.0]);
    assert_eq!(of.norm(), 5.0);
    of.values_mut()[1] = 0.0;
    assert_eq!((of.norm(), of.into_values()), (3.0, vec![3.0, 0.0]));
    assert_eq!(places().tensor_at(7), "table");
    assert_eq!(
        (places().tensor_at(8), places().tensor_at(13), places().tensor_at(14)),
        ("output", "output", "bias")
    );
    let mut other = places();
    assert_eq!(other, places());
    other.values_mut()[16] = 0.0;
    assert_ne!(other, places());
}

/// Anything of an aggregate that is another is another checksum.
#[test]
fn a_checksum_of_an_aggregate_is_of_all_of_it() {
    let of = |rows: &[u32], value, weight, updates| {
        let delta = block(rows, &[value, 1.0]);
        Aggregate { delta, weight, updates }.checksum_by(sottovoce_core::digest::pieces)
    };
    let all = of(&[1], 2.0, 30, 3);
    assert_eq!(all, of(&[1], 2.0, 30, 3));
    for other in [of(&[2], 2.0, 30, 3), of(&[1], 2.5, 30, 3), of(&[1], 2.0, 31, 3), of(&[1], 2.0, 30, 4)] {
        assert_ne!(all, other);
    }
    let dense = Aggregate {
        delta: RowBlock::new(layout(), Rows::All, vec![1.0; 17]).unwrap(),
        weight: 30,
        updates: 3,
    };
    assert_ne!(
        dense.checksum_by(|_| vec![Checksum([1; 16])]),
        dense.checksum_by(|_| vec![Checksum([2; 16])])
    );
}

#[test]
fn what_is_added_to_an_answer_stands_behind_what_is_there() {
    let trained = Client::new().train(None).unwrap();
    let answer = Answer::from(trained.clone()).block(block(&[], &[])).number(1.0).number(2.0).number(3.0);
    let answer = answer.block(block(&[6], &[1.0; 3]));
    assert_eq!(answer.blocks.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(answer.numbers, [(0, 1.0), (1, 2.0), (2, 3.0)]);
    // A block of all rows in the second place: rows 7 to 13 of the message.
    let whole = RowBlock::new(layout(), Rows::All, vec![2.0; 17]).unwrap();
    let format = Format::new(layout(), Contents { blocks: 2, numbers: 0 }).unwrap();
    let joined = Answer { blocks: vec![(1, whole)], numbers: Vec::new(), ..trained.into() };
    let joined = format.join(ClientId(7), joined).unwrap();
    assert_eq!(joined.rows(), &Rows::Some((7..14).collect()));
    assert!(!format.is_delta() && Format::delta(layout()).is_delta());
}

/// Leaves behind where it was called.
struct Seen(Arc<Mutex<Vec<(u64, u64, usize)>>>);

impl Transform for Seen {
    fn client(&self, at: Address, block: &mut RowBlock) {
        block.values_mut().iter_mut().for_each(|v| *v += 1.0);
        self.0.lock().unwrap().push((at.slot & 0xffff_ffff, at.slot >> 32, block.values().len()));
    }
}

/// Each transform goes over all blocks before the next one, and every pair of the two has an address of its own.
#[test]
fn transforms_see_every_block_in_turn() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let transforms: Vec<Box<dyn Transform>> = (0..3).map(|_| Box::new(Seen(seen.clone())) as _).collect();
    let trained = Client::new().train(None).unwrap();
    let mut answer = Answer::from(trained).block(block(&[1], &[0.0; 2])).block(block(&[6], &[0.5; 3]));
    transform(&transforms, Address::new(1, Purpose::Transform), Exchange::ONLY, &mut answer);
    let calls = (0..3).flat_map(|slot| [(slot, 0, 13), (slot, 1, 2), (slot, 2, 3)]);
    assert_eq!(*seen.lock().unwrap(), calls.collect::<Vec<_>>());
    assert_eq!(answer.blocks[2].1.values(), [3.5; 3]);
    // In another exchange of the round all addresses are others.
    seen.lock().unwrap().clear();
    let second = Exchange { number: 1, of: 2 };
    transform(&transforms, Address::new(1, Purpose::Transform), second, &mut answer);
    let calls = (0..3).flat_map(|slot| [(slot, 1 << 16, 13), (slot, 1 << 16 | 1, 2), (slot, 1 << 16 | 2, 3)]);
    assert_eq!(*seen.lock().unwrap(), calls.collect::<Vec<_>>());
}

/// Keeps the number of its rounds with each client, whose own model is that many; the server adds what it is told.
struct Plain;

impl Algorithm for Plain {
    type Server = Values;
    type Client = u32;
    fn name(&self) -> &'static str {
        "plain"
    }
    fn client(&self, task: &mut dyn LocalTask, _: &Values, own: &mut u32) -> Result<Answer, ClientError> {
        *own += 1;
        Ok(task.train(None)?.into())
    }
    fn server(&self, cx: &mut ServerCx<'_>, all: &mut Values) {
        cx.add(2.0, all);
        cx.step(1.0);
        *all = vec![1.0; 17].into();
    }
    fn personal<'s>(
        &self,
        task: &mut dyn LocalTask,
        _: &'s Values,
        own: &u32,
    ) -> Result<Personal<'s>, ClientError> {
        Ok(Personal { base: None, rows: Some(vec![*own as f32; task.start().len()]) })
    }
}

#[test]
fn an_algorithm_that_says_nothing_sends_its_delta_and_nothing_else() {
    let facts = Plain.facts(9);
    let plain = Facts {
        name: "plain",
        contents: Contents { blocks: 1, numbers: 0 },
        preliminary: Vec::new(),
        personalises: false,
        represents: false,
        plain_sgd: false,
        keeps_bases: false,
        mean_only: None,
    };
    assert_eq!(facts, plain);
    let mut params = places();
    let mut running = Plain.begin(&StartCx { params: &params, clients: 9, weight: &|| 90, seed: 1 });
    assert_eq!(running.broadcast(), 0);
    for (rounds, factor) in [(1, std::f32::consts::FRAC_1_SQRT_2), (3, 0.5), (8, 1.0 / 3.0)] {
        assert!((running.staleness(rounds) - factor).abs() < 1e-6);
    }

    // What a client keeps goes from round to round as bytes; none are nothing, and others are no state.
    let mut client = Client::new();
    let (answer, own) =
        running.answer(Exchange::ONLY, &mut client, &[], &|answer| answer.loss = 2.0).unwrap();
    assert_eq!((answer.loss, &own[..]), (2.0, &1u32.to_le_bytes()[..]));
    let (_, own) = running.answer(Exchange::ONLY, &mut client, &own, &|_| {}).unwrap();
    assert_eq!(own, 2u32.to_le_bytes());
    assert_eq!(running.personal(&mut client, &own).unwrap().rows, Some(vec![2.0; 13]));
    assert_eq!(running.personal(&mut client, &[]).unwrap().rows, Some(vec![0.0; 13]));
    let torn = running.personal(&mut client, &own[1..]).unwrap_err();
    assert_eq!(torn, ClientError::State { client: ClientId(7) });

    let mut step = |running: &mut Box<dyn sottovoce_core::Running + '_>| {
        let delta = block(&[0], &[0.25, 0.5]);
        let mean = Mean {
            blocks: vec![std::borrow::Cow::Owned(delta)],
            numbers: Vec::new(),
            weight: 30,
            updates: 1,
        };
        let join: &sottovoce_core::Join<'_> = &|first, second| {
            first();
            second();
        };
        running.step(&mut ServerCx { params: &mut params, mean, stale: &[], round: 0, clients: 9, join });
        params.values().to_vec()
    };
    let after = |times: f32, added: f32| -> Vec<f32> {
        let delta = [0.25, 0.5];
        (0..17u8).map(|i| f32::from(i) + times * delta.get(usize::from(i)).unwrap_or(&0.0) + added).collect()
    };
    assert_eq!(step(&mut running), after(1.0, 0.0));
    assert_eq!(step(&mut running), after(2.0, 2.0));

    let written = running.state();
    let mut all = Summing::default();
    running.sum(&mut all);
    assert_eq!(all.finish(), Summing::default().bytes(&written).finish());
    assert_eq!(Plain.resume(&written).unwrap().state(), written);

    let format = Format::delta(layout());
    let broadcast = |alike| Broadcast {
        round: 0,
        exchange: Exchange::ONLY,
        params: &params,
        checksum: params.checksum(),
        algorithm: &*running,
        format: &format,
        alike,
    };
    assert_eq!([false, true].map(|alike| broadcast(alike).weight(&answer, 30)), [30, 1]);
    let told = Answer { weight: Some(5), ..answer };
    assert_eq!([false, true].map(|alike| broadcast(alike).weight(&told, 30)), [5, 5]);
}

/// Clients of whom nobody is asked, and a server without data of its own.
struct Nobody;

impl Population for Nobody {
    type Worker = ();
    fn clients(&self) -> u64 {
        0
    }
    fn examples(&self, _: ClientId) -> u64 {
        0
    }
    fn worker(&self) {}
    fn answer<'w>(
        &self,
        (): &'w mut (),
        _: &Broadcast<'_>,
        client: ClientId,
        _: &[u8],
    ) -> Result<Sent<'w>, ClientError> {
        Err(ClientError::EmptyShard { client })
    }
}

#[test]
fn a_population_trusts_nobody_unless_it_says_so() {
    let (params, format) = (places(), Format::delta(layout()));
    let running = Plain.begin(&StartCx { params: &params, clients: 0, weight: &|| 0, seed: 1 });
    let (checksum, algorithm) = (params.checksum(), &*running);
    let broadcast = Broadcast {
        round: 0,
        exchange: Exchange::ONLY,
        params: &params,
        checksum,
        algorithm,
        format: &format,
        alike: false,
    };
    assert_eq!(Nobody.trusted(&mut (), &broadcast), Ok(None));
}

#[test]
fn errors_name_the_client() {
    assert_eq!(ClientError::Panicked { client: ClientId(7) }.to_string(), "client 7: panicked");
}
