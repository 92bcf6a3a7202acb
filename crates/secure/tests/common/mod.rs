//! What the tests of secure sums share.
#![allow(dead_code)]

pub(crate) mod steps;

use sottovoce_core::{Address, ClientId, Purpose};
use sottovoce_secure::{Cast, Entropy, Kind, Parameters, Plan, Rehearsed, Ring, Session, rehearse};
use std::sync::Arc;

pub(crate) const SESSION: Session = Session { run: [0x5a; 32], round: 2, exchange: 1 };
/// What a client may still leave out.
pub(crate) const STAGES: [Kind; 5] =
    [Kind::Keys, Kind::Shares, Kind::Masked, Kind::Confirmation, Kind::Reveal];

/// Whether everything is tried.
pub(crate) fn thorough() -> bool {
    std::env::var_os("SOTTOVOCE_THOROUGH").is_some_and(|v| !v.is_empty())
}

/// Client numbers with gaps, in no order.
pub(crate) fn clients(n: usize) -> Vec<ClientId> {
    (0..n as u64).map(|i| ClientId(7 * i % 1009 + 1)).collect()
}

/// A ring that tests can draw elements of.
pub(crate) trait Drawn: Ring {
    fn drawn(number: u64) -> Self;
}
impl Drawn for u32 {
    fn drawn(number: u64) -> Self {
        (number >> 32) as u32
    }
}
impl Drawn for u64 {
    fn drawn(number: u64) -> Self {
        number
    }
}

/// A client's vector, any elements.
pub(crate) fn vector<R: Drawn>(client: ClientId, dimension: usize) -> Vec<R> {
    let mut stream = Address::new(11, Purpose::Test).client(client.0).stream();
    (0..dimension).map(|_| R::drawn(stream.next_u64())).collect()
}

/// The plain sum.
pub(crate) fn plain<R: Drawn>(clients: &[ClientId], dimension: usize) -> Vec<R> {
    let mut sum = vec![R::default(); dimension];
    for client in clients {
        for (sum, value) in sum.iter_mut().zip(vector::<R>(*client, dimension)) {
            *sum = sum.plus(value);
        }
    }
    sum
}

pub(crate) fn plan<R: Ring>(n: usize, dimension: usize, parameters: Parameters) -> Arc<Plan<R>> {
    Plan::new(SESSION, &clients(n), dimension, parameters, 77).unwrap()
}

pub(crate) fn cast(n: usize) -> Cast {
    Cast::draw(&clients(n), &Entropy::simulated(5)).unwrap()
}

pub(crate) fn play<R: Drawn>(
    plan: &Arc<Plan<R>>,
    cast: &Cast,
    leaves: impl Fn(ClientId) -> Option<Kind> + Sync,
) -> Rehearsed<R> {
    rehearse(plan, cast, Entropy::simulated(5), |c| vector(c, plan.dimension()), leaves)
}
