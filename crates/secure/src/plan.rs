//! A secure sum that everybody agreed on: who, when, how long, with whose shares.

use crate::graph::neighbours;
use crate::parameters::{Graph, Parameters, Server};
use crate::ring::Ring;
use crate::shamir::MOST;
use sottovoce_core::{Address, ClientId, Digest, Purpose};
use std::marker::PhantomData;
use std::sync::Arc;

/// Bytes that one key of ChaCha20 gives under one nonce: 2³² blocks of 64.
const STREAM: u64 = 1 << 38;

/// Which sum of which round of which run. Keys and messages of one session are of no use in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// The run's identity: no other run has it.
    pub run: [u8; 32],
    /// Round, from 0.
    pub round: u64,
    /// Which of the round's sums, from 0: a sum that is tried again, or that of another group, has a number of its own.
    pub exchange: u32,
}

/// A plan that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A sum of one vector is that vector.
    #[error("{0} members: a sum of fewer than 2 clients hides nothing")]
    TooFewMembers(usize),
    /// The same client twice.
    #[error("client {0} is a member twice")]
    Duplicate(ClientId),
    /// The server's own number among the members.
    #[error("the server cannot be a member")]
    ServerIsMember,
    /// No ring of so many members has so many neighbours.
    #[error(
        "{neighbours} neighbours of {members} members: at least 2 and fewer than the members are needed, and one of both numbers even"
    )]
    Neighbours {
        /// Neighbours asked for.
        neighbours: usize,
        /// All members.
        members: usize,
    },
    /// More holders than a secret has shares.
    #[error("{holders} holders of a secret's shares, at most {MOST} are possible: use a regular graph")]
    TooManyHolders {
        /// Holders.
        holders: usize,
    },
    /// A threshold at which two halves could learn different secrets, or that nobody can reach.
    #[error(
        "a threshold of {threshold} with {holders} holders of shares: more than half and at most all are needed"
    )]
    Threshold {
        /// The threshold.
        threshold: usize,
        /// Holders of a secret's shares.
        holders: usize,
    },
    /// A minimum that protects nobody, or that nobody can reach.
    #[error("a minimum of {minimum} survivors: {least} to {members} are possible")]
    Minimum {
        /// The minimum.
        minimum: usize,
        /// The least it may be: the threshold, which is at least 2.
        least: usize,
        /// All members.
        members: usize,
    },
    /// A vector longer than one key masks.
    #[error("{dimension} elements of {bytes} bytes: at most {most} can be masked with one key")]
    Dimension {
        /// Elements.
        dimension: usize,
        /// Bytes of an element.
        bytes: usize,
        /// Most elements.
        most: u64,
    },
}

/// A checked plan. Clients and server build it from the same values; its digest is in every key, seal and signature, so
/// whoever was told another plan is not understood.
#[derive(Debug)]
pub struct Plan<R> {
    session: Session,
    members: Vec<ClientId>,
    dimension: usize,
    parameters: Parameters,
    neighbours: Vec<Vec<usize>>,
    digest: Digest,
    ring: PhantomData<fn() -> R>,
}

impl<R: Ring> Plan<R> {
    /// Checks everything and lays out the graph. `members` may come in any order; `dimension` is the elements of each
    /// vector, which may be none.
    ///
    /// `shuffle` is the seed of a regular graph's order, which follows from it, the round and the exchange. Bell et al. want
    /// it drawn after the adversary has chosen whom to corrupt: who knows it before, or chooses it, can put all neighbours
    /// of a client on one side. A simulation takes the run's seed; a deployment takes a number that nobody
    /// chose alone, after the members are fixed. The complete graph does not use it.
    pub fn new(
        session: Session,
        members: &[ClientId],
        dimension: usize,
        parameters: Parameters,
        shuffle: u64,
    ) -> Result<Arc<Self>, PlanError> {
        let mut members = members.to_vec();
        members.sort_unstable();
        if let Some(pair) = members.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(PlanError::Duplicate(pair[0]));
        }
        if members.last() == Some(&ClientId::SERVER) {
            return Err(PlanError::ServerIsMember);
        }
        let n = members.len();
        let holders = match parameters.graph {
            _ if n < 2 => return Err(PlanError::TooFewMembers(n)),
            Graph::Complete => n,
            Graph::Regular { neighbours } => {
                if neighbours < 2 || neighbours >= n || n * neighbours % 2 == 1 {
                    return Err(PlanError::Neighbours { neighbours, members: n });
                }
                neighbours
            }
        };
        if holders > MOST {
            return Err(PlanError::TooManyHolders { holders });
        }
        let Parameters { threshold, minimum, .. } = parameters;
        if threshold > holders || threshold <= holders / 2 {
            return Err(PlanError::Threshold { threshold, holders });
        }
        let least = threshold; // more than half of two holders or more, so at least 2
        if !(least..=n).contains(&minimum) {
            return Err(PlanError::Minimum { minimum, least, members: n });
        }
        let most = STREAM / R::BYTES as u64;
        if dimension as u64 > most {
            return Err(PlanError::Dimension { dimension, bytes: R::BYTES, most });
        }
        let address = Address::new(shuffle, Purpose::SecureGraph);
        let address = address.slot(u64::from(session.exchange)).round(session.round);
        let neighbours = neighbours(parameters.graph, n, address);
        let mut plan = Self {
            session,
            members,
            dimension,
            parameters,
            neighbours,
            digest: Digest([0; 32]),
            ring: PhantomData,
        };
        plan.digest = plan.content();
        Ok(Arc::new(plan))
    }

    /// Digest of everything that both sides must agree on.
    fn content(&self) -> Digest {
        let mut bytes = b"sottovoce secure plan 1".to_vec();
        bytes.extend_from_slice(&self.session.run);
        bytes.extend_from_slice(&self.session.round.to_le_bytes());
        bytes.extend_from_slice(&self.session.exchange.to_le_bytes());
        let holders = self.neighbours[0].len() + usize::from(self.keeps_own());
        let Parameters { threshold, minimum, .. } = self.parameters;
        for number in [R::BYTES, self.dimension, holders, threshold, minimum, self.members.len()] {
            bytes.extend_from_slice(&(number as u64).to_le_bytes());
        }
        bytes.extend(self.members.iter().flat_map(|m| m.0.to_le_bytes()));
        bytes.extend(self.neighbours.iter().flatten().flat_map(|i| (*i as u64).to_le_bytes()));
        Digest::of(&bytes)
    }

    /// Which sum it is.
    pub fn session(&self) -> &Session {
        &self.session
    }
    /// The members, rising.
    pub fn members(&self) -> &[ClientId] {
        &self.members
    }
    /// Elements of each vector.
    pub fn dimension(&self) -> usize {
        self.dimension
    }
    /// The parameters it was checked with.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }
    /// Digest of all of it.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
    /// Those that a member shares masks with, rising; none for somebody else.
    pub fn partners(&self, client: ClientId) -> Vec<ClientId> {
        let places = self.place(client).map_or(&[][..], |place| self.neighbours(place));
        places.iter().map(|place| self.members[*place]).collect()
    }
    /// Clients that may work with the server, among the holders of any one client's shares, without learning its vector.
    ///
    /// Against a server that follows the protocol that is one fewer than the threshold. One that asks some holders for one
    /// secret and the rest for the other needs `2 · threshold − holders` corrupted ones among them.
    pub fn colluding(&self, server: Server) -> usize {
        let threshold = self.parameters.threshold;
        match server {
            Server::SemiHonest => threshold - 1,
            Server::Malicious => 2 * threshold - self.holders(0).count() - 1,
        }
    }

    /// A member's place in [`members`](Self::members).
    pub(crate) fn place(&self, client: ClientId) -> Option<usize> {
        self.members.binary_search(&client).ok()
    }
    /// Places of those a member shares masks with, rising.
    pub(crate) fn neighbours(&self, place: usize) -> &[usize] {
        &self.neighbours[place]
    }
    /// Places of those who hold a member's shares, rising: its neighbours, in the complete graph itself, too.
    pub(crate) fn holders(&self, place: usize) -> impl Iterator<Item = usize> + '_ {
        let (before, after) =
            self.neighbours[place].split_at(self.neighbours[place].partition_point(|i| *i < place));
        let own = self.keeps_own().then_some(place);
        before.iter().copied().chain(own).chain(after.iter().copied())
    }
    /// Whether clients hold a share of their own secrets.
    pub(crate) fn keeps_own(&self) -> bool {
        self.parameters.graph == Graph::Complete
    }
    /// Where a holder's share of an owner's secrets lies: its number among the holders, from 1.
    pub(crate) fn point(&self, owner: usize, holder: usize) -> Option<u8> {
        let number = self.holders(owner).position(|h| h == holder)?;
        Some(u8::try_from(number + 1).expect("a plan has at most 255 holders"))
    }
    /// Digest of a set of members.
    pub(crate) fn set(&self, there: &[bool]) -> Digest {
        let there = self.members.iter().zip(there).filter(|(_, there)| **there);
        Digest::of(&there.flat_map(|(client, _)| client.0.to_le_bytes()).collect::<Vec<u8>>())
    }
    /// How many holders of a member's shares are among `present`.
    pub(crate) fn holders_in(&self, owner: usize, present: &[bool]) -> usize {
        self.holders(owner).filter(|h| present[*h]).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: Session = Session { run: [7; 32], round: 3, exchange: 0 };

    fn clients(n: u64) -> Vec<ClientId> {
        (0..n).map(|i| ClientId(3 * i)).collect()
    }

    fn plan(n: u64, dimension: usize, parameters: Parameters) -> Result<Arc<Plan<u32>>, PlanError> {
        Plan::new(SESSION, &clients(n), dimension, parameters, 1)
    }

    #[test]
    fn impossible_plans_are_refused() {
        let complete = |threshold, minimum| Parameters { graph: Graph::Complete, threshold, minimum };
        let regular = |neighbours, threshold, minimum| Parameters {
            graph: Graph::Regular { neighbours },
            threshold,
            minimum,
        };
        for n in [0, 1] {
            assert_eq!(plan(n, 1, complete(1, 1)).unwrap_err(), PlanError::TooFewMembers(n as usize));
        }
        for (n, parameters, expected) in [
            (4, complete(2, 2), PlanError::Threshold { threshold: 2, holders: 4 }),
            (4, complete(5, 4), PlanError::Threshold { threshold: 5, holders: 4 }),
            (6, regular(4, 2, 4), PlanError::Threshold { threshold: 2, holders: 4 }),
            (6, regular(4, 5, 5), PlanError::Threshold { threshold: 5, holders: 4 }),
            (4, complete(3, 2), PlanError::Minimum { minimum: 2, least: 3, members: 4 }),
            (4, complete(3, 5), PlanError::Minimum { minimum: 5, least: 3, members: 4 }),
            (6, regular(1, 1, 2), PlanError::Neighbours { neighbours: 1, members: 6 }),
            (6, regular(6, 4, 4), PlanError::Neighbours { neighbours: 6, members: 6 }),
            (7, regular(3, 2, 2), PlanError::Neighbours { neighbours: 3, members: 7 }),
            (256, complete(200, 200), PlanError::TooManyHolders { holders: 256 }),
            (300, regular(256, 200, 200), PlanError::TooManyHolders { holders: 256 }),
        ] {
            assert_eq!(plan(n, 1, parameters).unwrap_err(), expected);
        }
        // The smallest sum of all would be one vector.
        let one = Parameters { graph: Graph::Complete, threshold: 2, minimum: 1 };
        assert_eq!(plan(2, 1, one).unwrap_err(), PlanError::Minimum { minimum: 1, least: 2, members: 2 });
        assert!(plan(2, 0, Parameters::complete(2)).is_ok());
        assert!(plan(255, 0, Parameters::complete(255)).is_ok());

        let good = Parameters::complete(3);
        let most = 1usize << 36;
        assert!(plan(3, most, good).is_ok());
        let long = PlanError::Dimension { dimension: most + 1, bytes: 4, most: most as u64 };
        assert_eq!(plan(3, most + 1, good).unwrap_err(), long);
        assert!(Plan::<u64>::new(SESSION, &clients(3), most / 2 + 1, good, 1).is_err());
        let twice = [ClientId(4), ClientId(1), ClientId(4)];
        let twice = Plan::<u32>::new(SESSION, &twice, 1, good, 1).unwrap_err();
        assert_eq!(twice, PlanError::Duplicate(ClientId(4)));
        let server = [ClientId(4), ClientId(1), ClientId::SERVER];
        assert_eq!(Plan::<u32>::new(SESSION, &server, 1, good, 1).unwrap_err(), PlanError::ServerIsMember);
    }

    #[test]
    fn every_part_of_a_plan_is_in_its_digest() {
        let base = Parameters { graph: Graph::Regular { neighbours: 4 }, threshold: 3, minimum: 4 };
        let digest = |session, n, dimension, parameters, shuffle| {
            *Plan::<u32>::new(session, &clients(n), dimension, parameters, shuffle).unwrap().digest()
        };
        let first = digest(SESSION, 9, 5, base, 1);
        assert_eq!(first, digest(SESSION, 9, 5, base, 1));
        let wide = *Plan::<u64>::new(SESSION, &clients(9), 5, base, 1).unwrap().digest();
        let others = [
            wide,
            digest(Session { run: [8; 32], ..SESSION }, 9, 5, base, 1),
            digest(Session { round: 4, ..SESSION }, 9, 5, base, 1),
            digest(Session { exchange: 1, ..SESSION }, 9, 5, base, 1),
            digest(SESSION, 10, 5, base, 1),
            digest(SESSION, 9, 6, base, 1),
            digest(SESSION, 9, 5, Parameters { threshold: 4, ..base }, 1),
            digest(SESSION, 9, 5, Parameters { minimum: 5, ..base }, 1),
            digest(SESSION, 9, 5, base, 2),
        ];
        for (i, other) in others.iter().enumerate() {
            assert_ne!(first, *other, "{i}");
        }
        // The complete graph and the ring of all others differ in who holds a share of its own.
        let ring = Parameters { graph: Graph::Regular { neighbours: 8 }, threshold: 6, minimum: 6 };
        let complete = Parameters { graph: Graph::Complete, ..ring };
        assert_ne!(digest(SESSION, 9, 5, ring, 1), digest(SESSION, 9, 5, complete, 1));
    }

    #[test]
    fn holders_have_points_of_their_own_and_both_secrets_need_colluders() {
        for parameters in [
            Parameters::complete(9),
            Parameters { graph: Graph::Regular { neighbours: 4 }, threshold: 3, minimum: 3 },
        ] {
            let plan = plan(9, 1, parameters).unwrap();
            for owner in 0..9 {
                let points: Vec<_> = plan.holders(owner).map(|h| plan.point(owner, h).unwrap()).collect();
                assert_eq!(points, (1..=points.len() as u8).collect::<Vec<_>>());
                assert_eq!(plan.point(owner, owner).is_some(), plan.keeps_own());
            }
            let (holders, t) = (plan.holders(0).count(), parameters.threshold);
            let (semi, malicious) = (plan.colluding(Server::SemiHonest), plan.colluding(Server::Malicious));
            assert_eq!(semi, t - 1);
            // So many colluders in both halves of the holders do not make two thresholds, one more does.
            assert!(holders + malicious < 2 * t && holders + malicious + 1 >= 2 * t);
        }
    }
}
