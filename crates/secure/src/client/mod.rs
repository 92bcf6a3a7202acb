//! A client's half: five stages, each of which consumes the one before.
//!
//! [`Advertised`] → [`Shared`] → [`Masked`] → [`Confirmed`] → the last message. A stage takes one message of the server and
//! gives the next one for it; whatever it refuses is a [`Refusal`], and its secrets are gone. So no secret answers twice:
//!
//! ```compile_fail,E0382
//! # use sottovoce_secure::client::{Confirmed, Refusal};
//! fn twice(client: Confirmed<u32>, first: &[u8], second: &[u8]) -> Result<(), Refusal> {
//!     client.reveal(first)?;
//!     client.reveal(second)?; // the client is gone
//!     Ok(())
//! }
//! ```

mod refusal;
mod setup;
mod unmasking;

use crate::entropy::Entropy;
use crate::identity::{Identity, Registry};
use crate::keys::{Key, SHARES};
use crate::message::bodies::Secret;
use crate::message::{Head, Kind, encode};
use crate::plan::Plan;
use crate::ring::Ring;
pub use refusal::Refusal;
pub use setup::{Advertised, Shared};
use sottovoce_core::ClientId;
use std::collections::BTreeMap;
use std::sync::Arc;
pub use unmasking::{Confirmed, Masked};
use zeroize::Zeroizing;

/// Both shares of an owner's secrets: of the mask key, and of the self-mask seed.
type Shares = Zeroizing<[u8; SHARES]>;
/// Something of each of some clients, by their place in the plan.
type ByPlace<T> = BTreeMap<usize, T>;

/// What a client is through all stages.
struct Seat<R> {
    plan: Arc<Plan<R>>,
    registry: Arc<Registry>,
    identity: Arc<Identity>,
    entropy: Entropy,
    place: usize,
}

impl<R: Ring> Seat<R> {
    fn client(&self) -> ClientId {
        self.identity.client()
    }

    /// A message to the server.
    fn message(&self, kind: Kind, bytes: usize, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let (session, source) = (*self.plan.session(), self.client());
        encode(&Head { kind, session, source, destination: ClientId::SERVER }, bytes, body)
    }

    /// Refuses if fewer holders of its own shares are there than it takes to recover its secrets.
    fn enough_holders(&self, there: impl Fn(usize) -> bool) -> Result<(), Refusal> {
        let needed = self.plan.parameters().threshold;
        let got = self.plan.holders(self.place).filter(|h| *h == self.place || there(*h)).count();
        if got < needed { Err(Refusal::TooFewHolders { needed, got }) } else { Ok(()) }
    }
}

/// Entries of a list by place, each client among `known`, none twice.
fn by_place<R: Ring, T>(
    plan: &Plan<R>,
    list: Vec<(ClientId, T)>,
    known: impl Fn(usize) -> bool,
) -> Result<ByPlace<T>, Refusal> {
    let mut entries = ByPlace::new();
    for (client, entry) in list {
        let place = plan.place(client).filter(|p| known(*p)).ok_or(Refusal::UnknownSender(client))?;
        if entries.insert(place, entry).is_some() {
            return Err(Refusal::DuplicateSender(client));
        }
    }
    Ok(entries)
}

/// The half of both shares that is of this secret.
fn half(shares: &[u8; SHARES], secret: Secret) -> &[u8; 32] {
    let half = match secret {
        Secret::MaskKey => shares.first_chunk(),
        Secret::SelfSeed => shares.last_chunk(),
    };
    half.expect("64 bytes begin and end with 32")
}

/// A random key of 32 bytes, read off the front of drawn bytes.
fn key(bytes: &[u8]) -> Key {
    Zeroizing::new(*bytes.first_chunk().expect("as many bytes were drawn"))
}
