//! A whole exchange in one process, for tests and simulations: every message passes as bytes.

use crate::client::{Advertised, Confirmed, Masked, Refusal, Shared};
use crate::entropy::{Entropy, EntropyError};
use crate::identity::{Identity, Registry, RegistryError};
use crate::message::Kind;
use crate::plan::Plan;
use crate::ring::Ring;
use crate::server::{Abort, Advertising, Masking, Partial, Rejection, Sum};
use rayon::prelude::*;
use sottovoce_core::ClientId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Clients' identities, and the list that everybody verifies with.
pub struct Cast {
    identities: BTreeMap<ClientId, Arc<Identity>>,
    registry: Arc<Registry>,
}

/// No cast could be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CastError {
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The same client twice.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl Cast {
    /// Draws an identity for each client, all at the same place: something that a simulation may do.
    pub fn draw(clients: &[ClientId], entropy: &Entropy) -> Result<Self, CastError> {
        let drawn = clients.iter().map(|client| Ok(Arc::new(Identity::draw(*client, entropy)?)));
        let drawn: Vec<_> = drawn.collect::<Result<_, EntropyError>>()?;
        let registry = Registry::new(drawn.iter().map(|i| (i.client(), i.verifying_key())))?;
        Ok(Self { identities: drawn.into_iter().map(|i| (i.client(), i)).collect(), registry })
    }
    /// A client's identity.
    pub fn identity(&self, client: ClientId) -> Option<Arc<Identity>> {
        self.identities.get(&client).cloned()
    }
    /// Everybody's verifying keys.
    pub fn registry(&self) -> Arc<Registry> {
        self.registry.clone()
    }
}

/// What became of a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsed<R> {
    /// The sum, or why there is none.
    pub sum: Result<Sum<R>, Abort>,
    /// Clients that refused to go on, stage by stage, rising in each.
    pub refused: Vec<(ClientId, Refusal)>,
    /// Clients whose messages the server did not take, the same way.
    pub rejected: Vec<(ClientId, Rejection)>,
    /// Bytes of all messages of clients to the server.
    pub up: u64,
    /// Bytes of all messages of the server to clients.
    pub down: u64,
}

/// Plays `plan` through.
///
/// `vector` gives a client's vector when it is masked: as many exist at a time as the rayon pool has threads, and as many
/// partial sums. `leaves` says which message a client no longer sends. Clients of a stage go side by side; the result is the
/// same for any number of threads. A client without an identity in `cast` sends nothing.
pub fn rehearse<R: Ring>(
    plan: &Arc<Plan<R>>,
    cast: &Cast,
    entropy: Entropy,
    vector: impl Fn(ClientId) -> Vec<R> + Sync,
    leaves: impl Fn(ClientId) -> Option<Kind> + Sync,
) -> Rehearsed<R> {
    let mut stage = Stage { leaves: &leaves, refused: Vec::new(), rejected: Vec::new(), up: 0, down: 0 };
    let sum = stage.play(plan, cast, entropy, &vector);
    let Stage { refused, rejected, up, down, .. } = stage;
    Rehearsed { sum, refused, rejected, up, down }
}

struct Stage<'a> {
    leaves: &'a (dyn Fn(ClientId) -> Option<Kind> + Sync),
    refused: Vec<(ClientId, Refusal)>,
    rejected: Vec<(ClientId, Rejection)>,
    up: u64,
    down: u64,
}

/// A client in some stage.
type Player<S> = (ClientId, S);

impl Stage<'_> {
    fn play<R: Ring>(
        &mut self,
        plan: &Arc<Plan<R>>,
        cast: &Cast,
        entropy: Entropy,
        vector: &(dyn Fn(ClientId) -> Vec<R> + Sync),
    ) -> Result<Sum<R>, Abort> {
        let mut server = Advertising::open(plan.clone(), cast.registry());
        let everybody = plan.members().iter().filter_map(|c| Some((*c, cast.identity(*c)?))).collect();
        let acted = self.act(
            Kind::Keys,
            everybody,
            |_| Ok(Vec::new()),
            |identity, _| Advertised::join(plan.clone(), identity, cast.registry(), entropy),
        );
        let players = self.hand_in(acted, |m| server.receive(m));

        let mut server = server.close()?;
        let acted = self.act(Kind::Shares, players, |c| server.roster(c), Advertised::share);
        let players = self.hand_in(acted, |m| server.receive(m));

        let server = server.close()?;
        let (players, parts) = self.mask(players, &server, vector);

        let mut server = server.close(parts)?;
        let acted = self.act(Kind::Confirmation, players, |c| server.survivors(c), Masked::confirm);
        let players = self.hand_in(acted, |m| server.receive(m));

        let mut server = server.close()?;
        let reveal = |client: Confirmed<R>, request: &[u8]| Ok(((), client.reveal(request)?));
        let acted = self.act(Kind::Reveal, players, |c| server.request(c), reveal);
        self.hand_in(acted, |m| server.receive(m));
        server.finish()
    }

    /// Lets each client answer the server's message, side by side, unless it leaves before it sends a message of this kind.
    fn act<S: Send, N: Send>(
        &mut self,
        kind: Kind,
        players: Vec<Player<S>>,
        message: impl Fn(ClientId) -> Result<Vec<u8>, Rejection> + Sync,
        answer: impl Fn(S, &[u8]) -> Result<(N, Vec<u8>), Refusal> + Sync,
    ) -> Vec<Player<(N, Vec<u8>)>> {
        let leaves = self.leaves;
        let acted: Vec<_> = players
            .into_par_iter()
            .filter(|(client, _)| leaves(*client) != Some(kind))
            .map(|(client, state)| {
                let asked = message(client);
                let down = asked.as_ref().map_or(0, Vec::len);
                (client, down, asked.map(|asked| answer(state, &asked)))
            })
            .collect();
        let mut answers = Vec::with_capacity(acted.len());
        for (client, down, acted) in acted {
            self.down += down as u64;
            match acted {
                Ok(Ok(answer)) => answers.push((client, answer)),
                Ok(Err(refusal)) => self.refused.push((client, refusal)),
                Err(rejection) => self.rejected.push((client, rejection)),
            }
        }
        answers
    }

    /// Hands answers to the server; who was taken goes on.
    fn hand_in<N>(
        &mut self,
        answers: Vec<Player<(N, Vec<u8>)>>,
        mut receive: impl FnMut(&[u8]) -> Result<ClientId, Rejection>,
    ) -> Vec<Player<N>> {
        let mut players = Vec::with_capacity(answers.len());
        for (client, (next, message)) in answers {
            self.up += message.len() as u64;
            match receive(&message) {
                Ok(_) => players.push((client, next)),
                Err(rejection) => self.rejected.push((client, rejection)),
            }
        }
        players
    }

    /// Lets clients mask their vectors in as many lanes as there are threads, each with a part of the sum.
    fn mask<R: Ring>(
        &mut self,
        players: Vec<Player<Shared<R>>>,
        server: &Masking<R>,
        vector: &(dyn Fn(ClientId) -> Vec<R> + Sync),
    ) -> (Vec<Player<Masked<R>>>, Vec<Partial<R>>) {
        let waiting = Mutex::new(players.into_iter());
        let lane = |_| {
            let mut lane =
                Stage { leaves: self.leaves, refused: Vec::new(), rejected: Vec::new(), up: 0, down: 0 };
            let (mut masked, mut part) = (Vec::new(), server.partial());
            loop {
                let next = waiting.lock().expect("nobody panics while taking the next client").next();
                let Some(player) = next else { break };
                let client = player.0;
                let mask = |state: Shared<R>, inbox: &[u8]| state.mask(inbox, &vector(client));
                let acted = lane.act(Kind::Masked, vec![player], |c| server.inbox(c), mask);
                masked.extend(lane.hand_in(acted, |m| server.receive(&mut part, m)));
            }
            (lane.refused, lane.rejected, lane.up, lane.down, masked, part)
        };
        let lanes: Vec<_> = (0..rayon::current_num_threads()).into_par_iter().map(lane).collect();
        let (mut masked, mut parts) = (Vec::new(), Vec::new());
        let (mut refused, mut rejected) = (Vec::new(), Vec::new());
        for (refused_here, rejected_here, up, down, masked_here, part) in lanes {
            refused.extend(refused_here);
            rejected.extend(rejected_here);
            self.up += up;
            self.down += down;
            masked.extend(masked_here);
            parts.push(part);
        }
        masked.sort_by_key(|(client, _)| *client);
        refused.sort_by_key(|(client, _)| *client);
        rejected.sort_by_key(|(client, _)| *client);
        self.refused.extend(refused);
        self.rejected.extend(rejected);
        (masked, parts)
    }
}
