//! The first three messages of a client: its keys, its shares, its masked vector.

use super::{ByPlace, Refusal, Seat, Shares, by_place, key};
use crate::client::unmasking::Masked;
use crate::entropy::Entropy;
use crate::identity::{Identity, Registry, Statement};
use crate::keys::{Key, SEALED, SHARES, Use, agree, derive, open, public, seal};
use crate::masks::{self, Mask};
use crate::message::bodies::{Entry, SignedKeys, list_bytes, read_list, write_list};
use crate::message::{Kind, from_server};
use crate::plan::Plan;
use crate::ring::Ring;
use crate::shamir::Polynomial;
use sottovoce_core::{ClientId, Purpose};
use std::sync::Arc;
use x25519_dalek::{SharedSecret, StaticSecret};
use zeroize::Zeroizing;

/// A client that has sent its keys and waits for those of its neighbours.
pub struct Advertised<R> {
    seat: Seat<R>,
    cipher: StaticSecret,
    mask: StaticSecret,
}

impl<R: Ring> Advertised<R> {
    /// Draws keys for this session alone and signs them. Gives the message [`Kind::Keys`].
    pub fn join(
        plan: Arc<Plan<R>>,
        identity: Arc<Identity>,
        registry: Arc<Registry>,
        entropy: Entropy,
    ) -> Result<(Self, Vec<u8>), Refusal> {
        let client = identity.client();
        let place = plan.place(client).ok_or(Refusal::NotAMember(client))?;
        let mut drawn = Zeroizing::new([0; 64]);
        entropy.fill(Purpose::SecureKeys, Some(plan.session()), client, &mut *drawn)?;
        let [cipher, mask] = [0, 32].map(|at| StaticSecret::from(*key(&drawn[at..])));
        let mut keys = [0; 64];
        keys[..32].copy_from_slice(&public(&cipher));
        keys[32..].copy_from_slice(&public(&mask));
        let signature = identity.sign(plan.digest(), Statement::Keys(&keys));
        let seat = Seat { plan, registry, identity, entropy, place };
        let message =
            seat.message(Kind::Keys, SignedKeys::BYTES, |out| SignedKeys { keys, signature }.write(out));
        Ok((Self { seat, cipher, mask }, message))
    }

    /// Looks at the neighbours' keys (a message [`Kind::Roster`]), draws a self-mask seed, and shares it and the mask key
    /// among them. Gives the message [`Kind::Shares`].
    pub fn share(self, roster: &[u8]) -> Result<(Shared<R>, Vec<u8>), Refusal> {
        let Self { seat, cipher, mask } = self;
        let (plan, me) = (&seat.plan, seat.client());
        let roster = from_server(roster, Kind::Roster, plan.session(), me)?;
        let neighbours = plan.neighbours(seat.place);
        let keys: ByPlace<SignedKeys> =
            by_place(plan, read_list(Kind::Roster, roster)?, |p| neighbours.binary_search(&p).is_ok())?;
        seat.enough_holders(|h| keys.contains_key(&h))?;

        let threshold = plan.parameters().threshold;
        let mut drawn = Zeroizing::new(vec![0; 32 + SHARES * (threshold - 1)]);
        seat.entropy.fill(Purpose::SecureShares, Some(plan.session()), me, &mut drawn)?;
        let seed = key(&drawn);
        let mut secrets = Zeroizing::new([0; SHARES]);
        secrets[..32].copy_from_slice(mask.as_bytes());
        secrets[32..].copy_from_slice(&*seed);
        let polynomial = Polynomial::new(&secrets, drawn[32..].as_chunks().0);
        let share = |holder| {
            let point =
                plan.point(seat.place, holder).expect("neighbours and, where asked, the owner hold shares");
            polynomial.share(point)
        };

        let mut neighbours = ByPlace::new();
        let mut sealed: Vec<(ClientId, [u8; SEALED])> = Vec::with_capacity(keys.len());
        for (place, keys) in keys {
            let client = plan.members()[place];
            let statement = Statement::Keys(&keys.keys);
            if !seat.registry.verify(plan.digest(), client, statement, &keys.signature) {
                return Err(Refusal::BadSignature(client));
            }
            let agreed = agree(&cipher, keys.cipher()).ok_or(Refusal::BadKey(client))?;
            sealed.push((client, seal(plan.digest(), &agreed, me, client, &share(place))));
            neighbours.insert(place, Neighbour { agreed, mask: *keys.mask() });
        }
        let own = plan.keeps_own().then(|| share(seat.place));
        let commitment = derive(plan.digest(), &seed, Use::Commitment, me, me);
        let list: Vec<_> = sealed.iter().map(|(client, sealed)| (*client, sealed)).collect();
        let message = seat.message(Kind::Shares, 32 + list_bytes(&list), |out| {
            out.extend_from_slice(&*commitment);
            write_list(&list, out);
        });
        Ok((Shared { seat, mask, seed, neighbours, own }, message))
    }
}

/// What is known of a neighbour before it has shared anything.
struct Neighbour {
    agreed: SharedSecret,
    mask: [u8; 32],
}

/// A client that has sent its shares and waits for those that are for it.
pub struct Shared<R> {
    seat: Seat<R>,
    mask: StaticSecret,
    seed: Key,
    neighbours: ByPlace<Neighbour>,
    own: Option<Shares>,
}

impl<R: Ring> Shared<R> {
    /// Opens the neighbours' shares (a message [`Kind::Inbox`]) and masks `vector`, of the plan's dimension: with a
    /// mask of its own, and one with each neighbour who shared. Gives the message [`Kind::Masked`]. One block of the vector
    /// is copied at a time, so memory beyond the vector is the message.
    pub fn mask(self, inbox: &[u8], vector: &[R]) -> Result<(Masked<R>, Vec<u8>), Refusal> {
        let Self { seat, mask, seed, neighbours, own } = self;
        let (plan, me) = (&seat.plan, seat.client());
        if vector.len() != plan.dimension() {
            return Err(Refusal::Dimension { expected: plan.dimension(), got: vector.len() });
        }
        let inbox = from_server(inbox, Kind::Inbox, plan.session(), me)?;
        let sealed: ByPlace<&[u8; SEALED]> =
            by_place(plan, read_list(Kind::Inbox, inbox)?, |p| neighbours.contains_key(&p))?;
        seat.enough_holders(|h| sealed.contains_key(&h))?;

        let (mut held, mut masks) = (ByPlace::new(), Vec::with_capacity(1 + sealed.len()));
        masks.push(Mask { key: derive(plan.digest(), &seed, Use::SelfMask, me, me), negative: false });
        for (place, sealed) in sealed {
            let (client, neighbour) = (plan.members()[place], &neighbours[&place]);
            let shares = open(plan.digest(), &neighbour.agreed, client, me, sealed);
            held.insert(place, shares.ok_or(Refusal::Seal(client))?);
            let agreed = agree(&mask, &neighbour.mask).ok_or(Refusal::BadKey(client))?;
            masks.push(Mask::of_pair(plan.digest(), &agreed, me, client));
        }
        if let Some(own) = own {
            held.insert(seat.place, own);
        }
        let message = seat.message(Kind::Masked, vector.len() * R::BYTES, |out| {
            let mut block = Zeroizing::new(vec![R::default(); masks::block::<R>().min(vector.len())]);
            for (number, values) in vector.chunks(masks::block::<R>()).enumerate() {
                let block = &mut block[..values.len()];
                block.copy_from_slice(values);
                masks::add(&masks, number * masks::block::<R>(), block);
                R::write(block, out);
            }
        });
        Ok((Masked::new(seat, held), message))
    }
}
