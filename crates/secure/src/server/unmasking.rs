//! The server once the vectors are in: it has the set of survivors signed, collects shares, and takes the masks away.

use super::setup::Deposit;
use super::{Abort, Desk, Rejection, there};
use crate::identity::Statement;
use crate::keys::{Key, Use, agree, derive, public};
use crate::masks::{self, Mask};
use crate::message::Kind;
use crate::message::bodies::{
    RequestBody, Secret, Share, SignedKeys, list_bytes, read_list, read_signature, write_list,
};
use crate::ring::Ring;
use crate::shamir::combine;
use rayon::prelude::*;
use sottovoce_core::{ClientId, Digest};
use std::collections::BTreeMap;
use subtle::ConstantTimeEq;
use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

/// What is kept from the vectors on.
struct Masks<R> {
    desk: Desk<R>,
    keys: Vec<Option<SignedKeys>>,
    shares: Vec<Option<Deposit>>,
    in_sum: Vec<bool>,
    sum: Vec<R>,
}

impl<R: Ring> Masks<R> {
    fn in_sum(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.in_sum.len()).filter(|p| self.in_sum[*p])
    }
    /// Owners whose shares a client holds, itself among them where it holds its own, and which secret is wanted of each.
    fn wanted(&self, holder: usize) -> impl Iterator<Item = (usize, Secret)> + '_ {
        let owners = self.desk.plan.holders(holder).filter(|p| self.shares[*p].is_some());
        owners.map(|p| (p, if self.in_sum[p] { Secret::SelfSeed } else { Secret::MaskKey }))
    }
}

/// Gives out [`Kind::Survivors`] and receives [`Kind::Confirmation`].
pub struct Confirming<R> {
    masks: Masks<R>,
    set: Digest,
    signatures: Vec<Option<[u8; 64]>>,
}

impl<R: Ring> Confirming<R> {
    pub(super) fn new(
        desk: Desk<R>,
        keys: Vec<Option<SignedKeys>>,
        shares: Vec<Option<Deposit>>,
        in_sum: Vec<bool>,
        sum: Vec<R>,
    ) -> Self {
        let set = desk.plan.set(&in_sum);
        let signatures = vec![None; keys.len()];
        Self { masks: Masks { desk, keys, shares, in_sum, sum }, set, signatures }
    }

    /// Those whose vectors are in the sum, rising.
    pub fn clients(&self) -> impl Iterator<Item = ClientId> + '_ {
        self.masks.in_sum().map(|p| self.masks.desk.client(p))
    }

    /// The set of survivors, for one of them.
    pub fn survivors(&self, client: ClientId) -> Result<Vec<u8>, Rejection> {
        let place = self.masks.desk.place(client, |p| self.masks.in_sum[p])?;
        let list: Vec<(ClientId, ())> = self.clients().map(|c| (c, ())).collect();
        Ok(self.masks.desk.message(place, Kind::Survivors, list_bytes(&list), |out| write_list(&list, out)))
    }

    /// Takes a client's signature on the set.
    pub fn receive(&mut self, message: &[u8]) -> Result<ClientId, Rejection> {
        let desk = &self.masks.desk;
        let (place, body) = desk.read(message, Kind::Confirmation)?;
        let client = desk.client(place);
        if !self.masks.in_sum[place] {
            return Err(Rejection::UnknownSender(client));
        }
        if self.signatures[place].is_some() {
            return Err(Rejection::DuplicateSender(client));
        }
        let signature = read_signature(body)?;
        if !desk.registry.verify(desk.plan.digest(), client, Statement::Survivors(self.set), signature) {
            return Err(Rejection::BadSignature(client));
        }
        self.signatures[place] = Some(*signature);
        Ok(client)
    }

    /// No more signatures. Fails if too few holders of anybody's shares have signed; no share has been asked for then.
    pub fn close(self) -> Result<Revealing<R>, Abort> {
        let Self { masks, signatures, .. } = self;
        masks.desk.enough_holders(&there(&masks.shares), &masks.in_sum, &there(&signatures))?;
        let shares = masks.keys.iter().map(|_| None).collect();
        Ok(Revealing { masks, signatures, shares })
    }
}

/// Shares that a client revealed, by the place of their owner.
type Revealed = BTreeMap<usize, Key>;

/// Gives out [`Kind::Request`] and receives [`Kind::Reveal`].
pub struct Revealing<R> {
    masks: Masks<R>,
    signatures: Vec<Option<[u8; 64]>>,
    shares: Vec<Option<Revealed>>,
}

impl<R: Ring> Revealing<R> {
    /// Those who are asked for shares: who has signed, rising.
    pub fn clients(&self) -> impl Iterator<Item = ClientId> + '_ {
        let signed = (0..self.signatures.len()).filter(|p| self.signatures[*p].is_some());
        signed.map(|p| self.masks.desk.client(p))
    }

    /// The signatures of a client's neighbours, and the shares wanted of it.
    pub fn request(&self, client: ClientId) -> Result<Vec<u8>, Rejection> {
        let desk = &self.masks.desk;
        let place = desk.place(client, |p| self.signatures[p].is_some())?;
        let neighbours = desk.plan.neighbours(place).iter();
        let signatures =
            neighbours.filter_map(|p| Some((desk.client(*p), self.signatures[*p].as_ref()?))).collect();
        let of = |secret| {
            let owners = self.masks.wanted(place).filter(move |(_, wanted)| *wanted == secret);
            owners.map(|(owner, _)| (desk.client(owner), ())).collect()
        };
        let body = RequestBody { signatures, survivors: of(Secret::SelfSeed), dropped: of(Secret::MaskKey) };
        Ok(desk.message(place, Kind::Request, body.bytes(), |out| body.write(out)))
    }

    /// Takes the shares that a client was asked for.
    pub fn receive(&mut self, message: &[u8]) -> Result<ClientId, Rejection> {
        let desk = &self.masks.desk;
        let (place, body) = desk.read(message, Kind::Reveal)?;
        let client = desk.client(place);
        if self.signatures[place].is_none() {
            return Err(Rejection::UnknownSender(client));
        }
        if self.shares[place].is_some() {
            return Err(Rejection::DuplicateSender(client));
        }
        let mut shares = Revealed::new();
        let mut secrets = BTreeMap::new();
        for (owner, share) in read_list::<Share<'_>>(Kind::Reveal, body)? {
            let owner = desk.plan.place(owner).ok_or(Rejection::WrongShares(client))?;
            if secrets.insert(owner, share.secret).is_some() {
                return Err(Rejection::WrongShares(client));
            }
            shares.insert(owner, Zeroizing::new(*share.share));
        }
        if !secrets.into_iter().eq(self.masks.wanted(place)) {
            return Err(Rejection::WrongShares(client));
        }
        self.shares[place] = Some(shares);
        Ok(client)
    }

    /// Recovers the seeds of those in the sum and the mask keys of those who dropped out, and takes their masks from the sum,
    /// on all threads. Fails if too few holders have answered; the sum is as masked as it was then, and gone.
    pub fn finish(self) -> Result<Sum<R>, Abort> {
        let Masks { desk, in_sum, shares, .. } = &self.masks;
        desk.enough_holders(&there(shares), in_sum, &there(&self.shares))?;
        let owners: Vec<usize> = desk.owners(&there(shares), in_sum).collect();
        let masks: Vec<Vec<Mask>> =
            owners.into_par_iter().map(|owner| self.left(owner)).collect::<Result<_, _>>()?;
        let masks: Vec<Mask> = masks.into_iter().flatten().collect();
        let clients = self.masks.in_sum().map(|p| self.masks.desk.client(p)).collect();
        let mut values = self.masks.sum;
        let block = masks::block::<R>();
        values
            .par_chunks_mut(block)
            .enumerate()
            .for_each(|(number, values)| masks::add(&masks, number * block, values));
        Ok(Sum { values, clients })
    }

    /// What undoes the masks of an owner that are in the sum.
    fn left(&self, owner: usize) -> Result<Vec<Mask>, Abort> {
        let Masks { desk, in_sum, shares, keys, .. } = &self.masks;
        let (plan, client) = (&desk.plan, desk.client(owner));
        let secret = self.recovered(owner);
        let wrong = Abort::WrongSecret(client);
        if in_sum[owner] {
            let deposit = shares[owner].as_ref().expect("who sent a vector sent shares before");
            let commitment = derive(plan.digest(), &secret, Use::Commitment, client, client);
            if !bool::from(commitment.ct_eq(&deposit.commitment)) {
                return Err(wrong);
            }
            let key = derive(plan.digest(), &secret, Use::SelfMask, client, client);
            return Ok(vec![Mask { key, negative: true }]);
        }
        let secret = StaticSecret::from(*secret);
        let key = |place: usize| keys[place].as_ref().expect("who sent shares sent keys before");
        if public(&secret) != *key(owner).mask() {
            return Err(wrong);
        }
        let neighbours = plan.neighbours(owner).iter().filter(|p| in_sum[**p]);
        // As the dropped client would have laid them on its own vector: with these its neighbours' cancel.
        let mask = |place: &usize| {
            let other = desk.client(*place);
            let agreed = agree(&secret, key(*place).mask()).ok_or(Abort::BadKey(other))?;
            Ok(Mask::of_pair(plan.digest(), &agreed, client, other))
        };
        neighbours.map(mask).collect()
    }

    /// The secret behind the first shares of an owner, as many as the threshold.
    fn recovered(&self, owner: usize) -> Key {
        let plan = &self.masks.desk.plan;
        let share = |holder: usize| {
            let share = self.shares[holder].as_ref()?.get(&owner)?;
            Some((plan.point(owner, holder).expect("whoever holds a share has a point"), &**share))
        };
        let shares: Vec<_> =
            plan.holders(owner).filter_map(share).take(plan.parameters().threshold).collect();
        combine(&shares)
    }
}

/// The sum of the vectors of the clients in it, modulo the ring. It holds no vector of anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum<R> {
    values: Vec<R>,
    clients: Vec<ClientId>,
}

impl<R: Ring> Sum<R> {
    /// The elements, as many as the plan's dimension.
    pub fn values(&self) -> &[R] {
        &self.values
    }
    /// The same, without a copy.
    pub fn into_values(self) -> Vec<R> {
        self.values
    }
    /// Whose vectors are in it, rising.
    pub fn clients(&self) -> &[ClientId] {
        &self.clients
    }
}
