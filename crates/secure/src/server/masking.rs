//! The server while masked vectors come in: they are added where they are read, and gone.

use super::setup::{Deposit, inbox};
use super::{Abort, Confirming, Desk, Rejection, there};
use crate::message::Kind;
use crate::message::bodies::SignedKeys;
use crate::ring::Ring;
use sottovoce_core::{ClientId, Digest};
use std::sync::atomic::{AtomicBool, Ordering};

/// Part of a sum: of the vectors that one thread received. Parts are merged in any order.
pub struct Partial<R> {
    plan: Digest,
    sum: Vec<R>,
    clients: Vec<usize>,
}

impl<R: Ring> Partial<R> {
    /// Adds the vectors of another part.
    pub fn merge(&mut self, other: Self) -> Result<(), Abort> {
        if self.plan != other.plan {
            return Err(Abort::ForeignPartial { expected: self.plan, got: other.plan });
        }
        if self.sum.is_empty() {
            self.sum = other.sum;
        } else {
            self.sum.iter_mut().zip(&other.sum).for_each(|(sum, more)| *sum = sum.plus(*more));
        }
        self.clients.extend(other.clients);
        Ok(())
    }

    /// How many vectors are in it.
    pub fn vectors(&self) -> usize {
        self.clients.len()
    }
}

/// Gives out [`Kind::Inbox`] and receives [`Kind::Masked`], on as many threads as there are partial sums.
pub struct Masking<R> {
    desk: Desk<R>,
    keys: Vec<Option<SignedKeys>>,
    shares: Vec<Option<Deposit>>,
    received: Vec<AtomicBool>,
}

impl<R: Ring> Masking<R> {
    pub(super) fn new(desk: Desk<R>, keys: Vec<Option<SignedKeys>>, shares: Vec<Option<Deposit>>) -> Self {
        let received = keys.iter().map(|_| AtomicBool::new(false)).collect();
        Self { desk, keys, shares, received }
    }

    /// Those who get an inbox: who has sent shares, rising.
    pub fn clients(&self) -> impl Iterator<Item = ClientId> + '_ {
        let members = self.desk.plan.members().iter().zip(&self.shares);
        members.filter_map(|(client, shares)| shares.as_ref().map(|_| *client))
    }

    /// The sealed shares for a client.
    pub fn inbox(&self, client: ClientId) -> Result<Vec<u8>, Rejection> {
        let place = self.desk.place(client, |p| self.shares[p].is_some())?;
        Ok(inbox(&self.desk, &self.shares, place))
    }

    /// An empty part of the sum, for one thread. Its memory is one vector, from the first that it receives.
    pub fn partial(&self) -> Partial<R> {
        Partial { plan: *self.desk.plan.digest(), sum: Vec::new(), clients: Vec::new() }
    }

    /// Adds a client's masked vector to `into`. A second one of the same client is refused, whichever part it was for. What is
    /// refused has not touched the sum.
    pub fn receive(&self, into: &mut Partial<R>, message: &[u8]) -> Result<ClientId, Rejection> {
        let expected = *self.desk.plan.digest();
        if into.plan != expected {
            return Err(Rejection::ForeignPartial { expected, got: into.plan });
        }
        let (place, body) = self.desk.read(message, Kind::Masked)?;
        let client = self.desk.client(place);
        if self.shares[place].is_none() {
            return Err(Rejection::UnknownSender(client));
        }
        let dimension = self.desk.plan.dimension();
        if body.len() != dimension * R::BYTES {
            return Err(Rejection::Dimension { client, expected: dimension * R::BYTES, got: body.len() });
        }
        // The last thing that can fail: from here on the vector is in the sum.
        if self.received[place].swap(true, Ordering::Relaxed) {
            return Err(Rejection::DuplicateSender(client));
        }
        into.sum.resize(dimension, R::default());
        R::add_bytes(&mut into.sum, body);
        into.clients.push(place);
        Ok(client)
    }

    /// No more vectors: adds up all parts. Whose vector is in none of them has dropped out. Fails if fewer clients
    /// than the plan's minimum are there, or too few holders of anybody's shares.
    pub fn close(self, parts: impl IntoIterator<Item = Partial<R>>) -> Result<Confirming<R>, Abort> {
        let mut all = self.partial();
        for part in parts {
            all.merge(part)?;
        }
        let mut in_sum = vec![false; self.keys.len()];
        all.clients.iter().for_each(|place| in_sum[*place] = true);
        self.desk.enough_clients(Kind::Masked, &in_sum)?;
        self.desk.enough_holders(&there(&self.shares), &in_sum, &in_sum)?;
        Ok(Confirming::new(self.desk, self.keys, self.shares, in_sum, all.sum))
    }
}
