//! An exchange step by step, with every message in hand, and a writer of messages that knows only the format.

use super::{SESSION, cast, vector};
use sottovoce_core::{Checksum, ClientId};
use sottovoce_secure::client::{Advertised, Confirmed, Masked, Refusal, Shared};
use sottovoce_secure::server::{Advertising, Confirming, Masking, Revealing, Sharing};
use sottovoce_secure::{Cast, Entropy, Kind, Plan, Session};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) type Players<S> = BTreeMap<ClientId, S>;
pub(crate) const ENTROPY: u64 = 5;

/// A message as the format describes it, with a body of anybody's making.
pub(crate) fn message(
    kind: Kind,
    session: Session,
    source: ClientId,
    destination: ClientId,
    body: &[u8],
) -> Vec<u8> {
    let mut out = b"SVSA\x01\x00".to_vec();
    out.extend((kind as u16).to_le_bytes());
    out.extend(session.run);
    out.extend(session.round.to_le_bytes());
    out.extend(session.exchange.to_le_bytes());
    out.extend(source.0.to_le_bytes());
    out.extend(destination.0.to_le_bytes());
    out.extend((body.len() as u64).to_le_bytes());
    out.extend(body);
    let checksum = Checksum::of(&out).0;
    out.extend(checksum);
    out
}

/// From the server.
pub(crate) fn ask(kind: Kind, to: ClientId, body: &[u8]) -> Vec<u8> {
    message(kind, SESSION, ClientId::SERVER, to, body)
}

/// To the server.
pub(crate) fn tell(kind: Kind, from: ClientId, body: &[u8]) -> Vec<u8> {
    message(kind, SESSION, from, ClientId::SERVER, body)
}

pub(crate) fn body(message: &[u8]) -> &[u8] {
    &message[76..message.len() - 16]
}

/// A list of clients alone.
pub(crate) fn ids(clients: &[ClientId]) -> Vec<u8> {
    clients.iter().flat_map(|c| c.0.to_le_bytes()).collect()
}

/// Entries of a list as chunks of bytes.
pub(crate) fn entries(list: &[u8], bytes: usize) -> Vec<Vec<u8>> {
    assert_eq!(list.len() % (8 + bytes), 0);
    list.chunks(8 + bytes).map(<[u8]>::to_vec).collect()
}

/// Everything that went over the wire, by sender and receiver.
pub(crate) type Log = Vec<(ClientId, ClientId, Vec<u8>)>;

pub(crate) struct Steps {
    pub(crate) plan: Arc<Plan<u32>>,
    pub(crate) cast: Cast,
    pub(crate) log: Log,
    /// Vectors that differ from those that every test takes.
    pub(crate) vectors: BTreeMap<ClientId, Vec<u32>>,
}

impl Steps {
    pub(crate) fn new(plan: Arc<Plan<u32>>) -> Self {
        let cast = cast(plan.members().len());
        Self { plan, cast, log: Vec::new(), vectors: BTreeMap::new() }
    }

    pub(crate) fn vector(&self, client: ClientId) -> Vec<u32> {
        self.vectors.get(&client).cloned().unwrap_or_else(|| vector(client, self.plan.dimension()))
    }

    pub(crate) fn join(&self, client: ClientId) -> (Advertised<u32>, Vec<u8>) {
        let identity = self.cast.identity(client).unwrap();
        Advertised::join(self.plan.clone(), identity, self.cast.registry(), Entropy::simulated(ENTROPY))
            .unwrap()
    }

    fn up(&mut self, client: ClientId, message: Vec<u8>) -> Vec<u8> {
        self.log.push((client, ClientId::SERVER, message.clone()));
        message
    }

    fn down(&mut self, client: ClientId, message: Vec<u8>) -> Vec<u8> {
        self.log.push((ClientId::SERVER, client, message.clone()));
        message
    }

    /// Everybody but those `without` sends keys.
    pub(crate) fn keys(&mut self, without: &[ClientId]) -> (Players<Advertised<u32>>, Sharing<u32>) {
        let mut server = Advertising::open(self.plan.clone(), self.cast.registry());
        let mut players = Players::new();
        for client in self.plan.clone().members().iter().filter(|c| !without.contains(c)) {
            let (player, message) = self.join(*client);
            server.receive(&self.up(*client, message)).unwrap();
            players.insert(*client, player);
        }
        (players, server.close().unwrap())
    }

    pub(crate) fn shares(&mut self, without: &[ClientId]) -> (Players<Shared<u32>>, Masking<u32>) {
        let (players, mut server) = self.keys(&[]);
        let mut next = Players::new();
        for (client, player) in players.into_iter().filter(|(c, _)| !without.contains(c)) {
            let roster = self.down(client, server.roster(client).unwrap());
            let (player, message) = player.share(&roster).unwrap();
            server.receive(&self.up(client, message)).unwrap();
            next.insert(client, player);
        }
        (next, server.close().unwrap())
    }

    pub(crate) fn vectors(&mut self, without: &[ClientId]) -> (Players<Masked<u32>>, Confirming<u32>) {
        self.vectors_of(without, &[])
    }

    /// Some send no vector, others have shared nothing.
    pub(crate) fn vectors_of(
        &mut self,
        without: &[ClientId],
        unshared: &[ClientId],
    ) -> (Players<Masked<u32>>, Confirming<u32>) {
        let (players, server) = self.shares(unshared);
        let (mut next, mut part) = (Players::new(), server.partial());
        for (client, player) in players.into_iter().filter(|(c, _)| !without.contains(c)) {
            let inbox = self.down(client, server.inbox(client).unwrap());
            let (player, message) = player.mask(&inbox, &self.vector(client)).unwrap();
            server.receive(&mut part, &self.up(client, message)).unwrap();
            next.insert(client, player);
        }
        (next, server.close([part]).unwrap())
    }

    pub(crate) fn confirmations(
        &mut self,
        without: &[ClientId],
    ) -> (Players<Confirmed<u32>>, Revealing<u32>) {
        let (players, mut server) = self.vectors(without);
        let mut next = Players::new();
        for (client, player) in players {
            let set = self.down(client, server.survivors(client).unwrap());
            let (player, message) = player.confirm(&set).unwrap();
            server.receive(&self.up(client, message)).unwrap();
            next.insert(client, player);
        }
        (next, server.close().unwrap())
    }

    /// To the end; the sum's elements.
    pub(crate) fn end(&mut self, without: &[ClientId]) -> Vec<u32> {
        let (players, mut server) = self.confirmations(without);
        for (client, player) in players {
            let request = self.down(client, server.request(client).unwrap());
            let reveal = player.reveal(&request).unwrap();
            server.receive(&self.up(client, reveal)).unwrap();
        }
        server.finish().unwrap().into_values()
    }
}

/// What a client says to a message.
pub(crate) fn refusal<S>(said: Result<S, Refusal>) -> Option<Refusal> {
    said.err()
}
