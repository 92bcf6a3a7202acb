//! The server while keys and shares come in.

use super::{Abort, Desk, Masking, Rejection, there};
use crate::identity::{Registry, Statement};
use crate::keys::SEALED;
use crate::message::Kind;
use crate::message::bodies::{SignedKeys, list_bytes, read_keys, read_shares, write_list};
use crate::plan::Plan;
use crate::ring::Ring;
use sottovoce_core::ClientId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Receives [`Kind::Keys`].
pub struct Advertising<R> {
    desk: Desk<R>,
    keys: Vec<Option<SignedKeys>>,
}

impl<R: Ring> Advertising<R> {
    /// Opens a sum.
    pub fn open(plan: Arc<Plan<R>>, registry: Arc<Registry>) -> Self {
        let keys = vec![None; plan.members().len()];
        Self { desk: Desk { plan, registry }, keys }
    }

    /// Takes a client's keys.
    pub fn receive(&mut self, message: &[u8]) -> Result<ClientId, Rejection> {
        let (place, body) = self.desk.read(message, Kind::Keys)?;
        let client = self.desk.client(place);
        if self.keys[place].is_some() {
            return Err(Rejection::DuplicateSender(client));
        }
        let keys = read_keys(body)?;
        let statement = Statement::Keys(&keys.keys);
        if !self.desk.registry.verify(self.desk.plan.digest(), client, statement, &keys.signature) {
            return Err(Rejection::BadSignature(client));
        }
        self.keys[place] = Some(keys);
        Ok(client)
    }

    /// No more keys. Fails if fewer clients than the plan's minimum are there.
    pub fn close(self) -> Result<Sharing<R>, Abort> {
        self.desk.enough_clients(Kind::Keys, &there(&self.keys))?;
        let shares = self.keys.iter().map(|_| None).collect();
        Ok(Sharing { desk: self.desk, keys: self.keys, shares })
    }
}

/// What a client shared: sealed shares by the place of whom they are for, and what its seed is told by.
pub(super) struct Deposit {
    pub(super) commitment: [u8; 32],
    sealed: BTreeMap<usize, [u8; SEALED]>,
}

/// Gives out [`Kind::Roster`] and receives [`Kind::Shares`].
pub struct Sharing<R> {
    desk: Desk<R>,
    keys: Vec<Option<SignedKeys>>,
    shares: Vec<Option<Deposit>>,
}

impl<R: Ring> Sharing<R> {
    /// Those who get a roster: who has sent keys, rising.
    pub fn clients(&self) -> impl Iterator<Item = ClientId> + '_ {
        self.desk
            .plan
            .members()
            .iter()
            .zip(&self.keys)
            .filter_map(|(client, keys)| keys.as_ref().map(|_| *client))
    }

    /// The keys of a client's neighbours.
    pub fn roster(&self, client: ClientId) -> Result<Vec<u8>, Rejection> {
        let place = self.desk.place(client, |p| self.keys[p].is_some())?;
        let neighbours = self.desk.plan.neighbours(place).iter();
        let list: Vec<_> =
            neighbours.filter_map(|p| Some((self.desk.client(*p), self.keys[*p].clone()?))).collect();
        Ok(self.desk.message(place, Kind::Roster, list_bytes(&list), |out| write_list(&list, out)))
    }

    /// Takes a client's sealed shares, one for each neighbour in its roster.
    pub fn receive(&mut self, message: &[u8]) -> Result<ClientId, Rejection> {
        let (place, body) = self.desk.read(message, Kind::Shares)?;
        let client = self.desk.client(place);
        if self.keys[place].is_none() {
            return Err(Rejection::UnknownSender(client));
        }
        if self.shares[place].is_some() {
            return Err(Rejection::DuplicateSender(client));
        }
        let body = read_shares(body)?;
        let mut sealed = BTreeMap::new();
        for (to, bytes) in body.sealed {
            let to = self.desk.plan.place(to).ok_or(Rejection::WrongShares(client))?;
            if sealed.insert(to, *bytes).is_some() {
                return Err(Rejection::WrongShares(client));
            }
        }
        let wanted = self.desk.plan.neighbours(place).iter().filter(|p| self.keys[**p].is_some());
        if !sealed.keys().eq(wanted) {
            return Err(Rejection::WrongShares(client));
        }
        self.shares[place] = Some(Deposit { commitment: *body.commitment, sealed });
        Ok(client)
    }

    /// No more shares. Fails if fewer clients than the plan's minimum are there, or too few holders of anybody's shares.
    pub fn close(self) -> Result<Masking<R>, Abort> {
        let shared = there(&self.shares);
        self.desk.enough_clients(Kind::Shares, &shared)?;
        self.desk.enough_holders(&shared, &shared, &shared)?;
        Ok(Masking::new(self.desk, self.keys, self.shares))
    }
}

/// The sealed shares for the client at `place`, by their owners.
pub(super) fn inbox<R: Ring>(desk: &Desk<R>, shares: &[Option<Deposit>], place: usize) -> Vec<u8> {
    let neighbours = desk.plan.neighbours(place).iter();
    let list: Vec<_> = neighbours
        .filter_map(|p| Some((desk.client(*p), shares[*p].as_ref()?.sealed.get(&place)?)))
        .collect();
    desk.message(place, Kind::Inbox, list_bytes(&list), |out| write_list(&list, out))
}
