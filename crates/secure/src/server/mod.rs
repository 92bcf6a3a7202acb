//! The server's half: [`Advertising`] → [`Sharing`] → [`Masking`] → [`Confirming`] → [`Revealing`] → [`Sum`].
//!
//! A stage receives one kind of message and gives each client the next one; whoever has sent nothing when it is closed
//! has dropped out. Vectors are added as they arrive, into as many [`Partial`] sums as there are threads, and never kept.
//! What comes out is a sum.

mod fault;
mod masking;
mod setup;
mod unmasking;

use crate::identity::Registry;
use crate::message::{Head, Kind, decode, encode};
use crate::plan::Plan;
use crate::ring::Ring;
pub use fault::{Abort, Rejection};
pub use masking::{Masking, Partial};
pub use setup::{Advertising, Sharing};
use sottovoce_core::ClientId;
use std::sync::Arc;
pub use unmasking::{Confirming, Revealing, Sum};

/// What the server is through all stages.
struct Desk<R> {
    plan: Arc<Plan<R>>,
    registry: Arc<Registry>,
}

impl<R: Ring> Desk<R> {
    /// Sender, by place, and body of a client's message.
    fn read<'a>(&self, message: &'a [u8], kind: Kind) -> Result<(usize, &'a [u8]), Rejection> {
        let (source, body) = decode(message, kind, self.plan.session(), ClientId::SERVER)?;
        Ok((self.plan.place(source).ok_or(Rejection::UnknownSender(source))?, body))
    }

    /// A message to a client.
    fn message(&self, place: usize, kind: Kind, bytes: usize, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let (session, destination) = (*self.plan.session(), self.plan.members()[place]);
        encode(&Head { kind, session, source: ClientId::SERVER, destination }, bytes, body)
    }

    fn client(&self, place: usize) -> ClientId {
        self.plan.members()[place]
    }

    /// The place of a client that is `there`.
    fn place(&self, client: ClientId, there: impl Fn(usize) -> bool) -> Result<usize, Rejection> {
        self.plan.place(client).filter(|p| there(*p)).ok_or(Rejection::UnknownSender(client))
    }

    /// Ends the round if fewer clients than the plan's minimum have `sent` something.
    fn enough_clients(&self, stage: Kind, sent: &[bool]) -> Result<(), Abort> {
        let (needed, got) = (self.plan.parameters().minimum, sent.iter().filter(|s| **s).count());
        if got < needed { Err(Abort::TooFewClients { stage, needed, got }) } else { Ok(()) }
    }

    /// Ends the round if a secret that will be needed has fewer holders among `present` than the threshold. Needed are those of
    /// everybody in the sum, and of everybody who `shared` masks with one of them.
    fn enough_holders(&self, shared: &[bool], in_sum: &[bool], present: &[bool]) -> Result<(), Abort> {
        let needed = self.plan.parameters().threshold;
        for owner in self.owners(shared, in_sum) {
            let got = self.plan.holders_in(owner, present);
            if got < needed {
                return Err(Abort::NotEnoughShares { client: self.client(owner), needed, got });
            }
        }
        Ok(())
    }

    /// Whose secrets are needed to unmask the sum of those `in_sum`.
    fn owners<'a>(&'a self, shared: &'a [bool], in_sum: &'a [bool]) -> impl Iterator<Item = usize> + 'a {
        let masked = |owner: usize| self.plan.neighbours(owner).iter().any(|p| in_sum[*p]);
        (0..shared.len()).filter(move |p| in_sum[*p] || shared[*p] && masked(*p))
    }
}

/// Which places have something.
fn there<T>(entries: &[Option<T>]) -> Vec<bool> {
    entries.iter().map(Option::is_some).collect()
}
