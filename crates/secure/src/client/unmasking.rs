//! The last two messages of a client: its signature under the set of survivors, and the shares that unmask their sum.

use super::{ByPlace, Refusal, Seat, Shares, by_place, half};
use crate::identity::Statement;
use crate::message::bodies::{Secret, Share, list_bytes, read_list, read_request, write_list};
use crate::message::{Kind, from_server};
use crate::ring::Ring;
use sottovoce_core::{ClientId, Digest};

/// A client that has sent its vector and waits to hear whose vectors arrived.
pub struct Masked<R> {
    seat: Seat<R>,
    /// Shares that it holds, by owner.
    held: ByPlace<Shares>,
}

impl<R: Ring> Masked<R> {
    pub(super) fn new(seat: Seat<R>, held: ByPlace<Shares>) -> Self {
        Self { seat, held }
    }

    /// Looks at the set of survivors (a message [`Kind::Survivors`]) and signs it. Gives the message
    /// [`Kind::Confirmation`].
    pub fn confirm(self, survivors: &[u8]) -> Result<(Confirmed<R>, Vec<u8>), Refusal> {
        let Self { seat, held } = self;
        let plan = &seat.plan;
        let survivors = from_server(survivors, Kind::Survivors, plan.session(), seat.client())?;
        let neighbours = plan.neighbours(seat.place);
        // Only those who shared masks with this client can have masked with it.
        let known = |place: usize| neighbours.binary_search(&place).is_err() || held.contains_key(&place);
        let list: ByPlace<()> = by_place(plan, read_list(Kind::Survivors, survivors)?, known)?;
        if !list.contains_key(&seat.place) {
            return Err(Refusal::LeftOut);
        }
        let (needed, got) = (plan.parameters().minimum, list.len());
        if got < needed {
            return Err(Refusal::TooFewSurvivors { needed, got });
        }
        seat.enough_holders(|h| list.contains_key(&h))?;
        let survivors: Vec<bool> = (0..plan.members().len()).map(|p| list.contains_key(&p)).collect();
        let set = plan.set(&survivors);
        let signature = seat.identity.sign(plan.digest(), Statement::Survivors(set));
        let message = seat.message(Kind::Confirmation, 64, |out| out.extend_from_slice(&signature));
        Ok((Confirmed { seat, held, survivors, set }, message))
    }
}

/// A client that has signed the set of survivors and waits for the signatures of others.
pub struct Confirmed<R> {
    seat: Seat<R>,
    held: ByPlace<Shares>,
    survivors: Vec<bool>,
    set: Digest,
}

impl<R: Ring> Confirmed<R> {
    /// Looks at the signatures of the other holders of its shares and at what is asked (a message [`Kind::Request`]).
    /// Gives the message [`Kind::Reveal`]: of each survivor the share of its self-mask seed, of each of those who dropped out
    /// the share of its mask key. It asks nothing else and is asked nothing twice.
    pub fn reveal(self, request: &[u8]) -> Result<Vec<u8>, Refusal> {
        let Self { seat, held, survivors, set } = self;
        let plan = &seat.plan;
        let request = from_server(request, Kind::Request, plan.session(), seat.client())?;
        let request = read_request(request)?;

        let neighbours = plan.neighbours(seat.place);
        let signer = |place: usize| survivors[place] && neighbours.binary_search(&place).is_ok();
        let signatures = by_place(plan, request.signatures, signer)?;
        for (place, signature) in &signatures {
            let client = plan.members()[*place];
            if !seat.registry.verify(plan.digest(), client, Statement::Survivors(set), signature) {
                return Err(Refusal::BadSignature(client));
            }
        }
        let (needed, got) = (plan.parameters().threshold, signatures.len() + usize::from(plan.keeps_own()));
        if got < needed {
            return Err(Refusal::TooFewSignatures { needed, got });
        }

        let seeds = asked(&seat, &held, request.survivors)?;
        let keys = asked(&seat, &held, request.dropped)?;
        let client = |place: usize| plan.members()[place];
        if let Some(both) = seeds.keys().find(|p| keys.contains_key(p)) {
            return Err(Refusal::BothSecrets(client(*both)));
        }
        // What is asked is what follows from the set.
        let differs =
            |p: &&usize| survivors[**p] != seeds.contains_key(p) || survivors[**p] == keys.contains_key(p);
        if let Some(other) = held.keys().find(differs) {
            return Err(Refusal::SetDiffers(client(*other)));
        }
        let shares: Vec<(ClientId, Share<'_>)> = held
            .iter()
            .map(|(place, shares)| {
                let secret = if survivors[*place] { Secret::SelfSeed } else { Secret::MaskKey };
                (client(*place), Share { secret, share: half(shares, secret) })
            })
            .collect();
        Ok(seat.message(Kind::Reveal, list_bytes(&shares), |out| write_list(&shares, out)))
    }
}

/// A list of clients whose shares are asked for, all of them held.
fn asked<R: Ring>(
    seat: &Seat<R>,
    held: &ByPlace<Shares>,
    list: Vec<(ClientId, ())>,
) -> Result<ByPlace<()>, Refusal> {
    by_place(&seat.plan, list, |p| held.contains_key(&p)).map_err(|refusal| match refusal {
        Refusal::UnknownSender(client) => Refusal::NotANeighbour(client),
        other => other,
    })
}
