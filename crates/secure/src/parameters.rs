//! Who shares masks with whom, and how many are needed: chosen, or proposed from what is assumed.

use crate::hypergeometric::Hypergeometric;
use crate::shamir::MOST;

/// Members up to which the complete graph is proposed.
const COMPLETE: usize = 50;
/// A client's secret falls into wrong hands, or the graph breaks, with at most this probability, for all clients together.
const SECURITY: f64 = 1.0 / (1u64 << 40) as f64;
/// A round fails for want of shares with at most this probability.
const CORRECTNESS: f64 = 1.0 / (1u64 << 30) as f64;

/// Who shares masks with whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Graph {
    /// Everybody with everybody; a client holds a share of its own secrets, too (SecAgg).
    Complete,
    /// Everybody with `neighbours` others: the nearest on a ring of all members in random order, and the one opposite if
    /// the number is odd (SecAgg+).
    Regular {
        /// How many.
        neighbours: usize,
    },
}

/// The server that clients are protected from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// It follows the protocol and looks at everything, together with corrupted clients.
    SemiHonest,
    /// It also tells different clients different things.
    Malicious,
}

/// What is assumed when parameters are proposed. Fractions are of all members, rounded down to whole ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Assumptions {
    /// Members that work with the server.
    pub corrupted: f64,
    /// Members that drop out.
    pub dropped: f64,
    /// What the server may do.
    pub server: Server,
}

impl Default for Assumptions {
    /// A fifth corrupted, a fifth dropped, a server that follows the protocol.
    fn default() -> Self {
        Self { corrupted: 0.2, dropped: 0.2, server: Server::SemiHonest }
    }
}

/// Parameters that nobody has checked; [`Plan::new`](crate::Plan::new) does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters {
    /// Who shares masks with whom.
    pub graph: Graph,
    /// Shares that give a secret; also signatures that a client wants to see on the set of survivors.
    pub threshold: usize,
    /// Fewest clients of which a sum is opened, at least the threshold.
    pub minimum: usize,
}

/// No parameters go with what is assumed.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum ProposalError {
    /// A fraction that is none.
    #[error("{name} is {value}, a fraction of 0 to below 1 is wanted")]
    Fraction {
        /// Which.
        name: &'static str,
        /// What it was.
        value: f64,
    },
    /// Not even the largest number of neighbours is enough.
    #[error(
        "no number of neighbours up to {most} withstands {corrupted} corrupted and {dropped} dropped of {members} members"
    )]
    Impossible {
        /// All.
        members: usize,
        /// Corrupted members assumed.
        corrupted: usize,
        /// Dropped members assumed.
        dropped: usize,
        /// Most neighbours there can be.
        most: usize,
    },
}

impl Parameters {
    /// The complete graph with a threshold of two thirds, rounded up: SecAgg's, which a malicious server with fewer than a
    /// third of the clients does not break. A sum has at least three clients, where there are three.
    pub fn complete(members: usize) -> Self {
        Self::with(Graph::Complete, (2 * members).div_ceil(3), members)
    }

    fn with(graph: Graph, threshold: usize, members: usize) -> Self {
        Self { graph, threshold, minimum: threshold.max(3.min(members)) }
    }

    /// [`complete`](Self::complete) up to 50 members, [`propose`](Self::propose) with the default assumptions beyond.
    pub fn of(members: usize) -> Result<Self, ProposalError> {
        if members <= COMPLETE {
            return Ok(Self::complete(members));
        }
        Self::propose(members, Assumptions::default())
    }

    /// The fewest neighbours, and the lowest threshold with them, such that
    /// - with probability 1 − 2⁻⁴⁰ no client's neighbours have enough corrupted ones among them to learn its secrets,
    /// - with probability 1 − 2⁻⁴⁰ those that are neither corrupted nor dropped hang together, so that nothing but the sum
    ///   of all of them is determined ([`disconnected`]),
    /// - with probability 1 − 2⁻³⁰ every secret is recovered.
    ///
    /// Neighbours are taken as drawn at random from the `members − 1` others, as many corrupted and dropped among these as
    /// the fractions of `members` give, and each probability is summed over all clients. If that takes all others it is
    /// still a regular graph: a client holds no share of its own. Drop-outs beyond the assumption cost rounds, corrupted
    /// clients beyond it cost privacy.
    pub fn propose(members: usize, assumed: Assumptions) -> Result<Self, ProposalError> {
        for (name, value) in [("corrupted", assumed.corrupted), ("dropped", assumed.dropped)] {
            if !(0.0..1.0).contains(&value) {
                return Err(ProposalError::Fraction { name, value });
            }
        }
        let whole = |fraction: f64| libm::floor(fraction * members as f64) as usize;
        let (corrupted, dropped) = (whole(assumed.corrupted), whole(assumed.dropped));
        let others = members.saturating_sub(1);
        let most = others.min(MOST);
        let bad = Hypergeometric::new(others, corrupted.min(others), most);
        let gone = Hypergeometric::new(others, dropped.min(others), most);
        for neighbours in (2..=most).filter(|k| (members * k).is_multiple_of(2)) {
            let all = members as f64;
            // The fewest corrupted neighbours that nobody has.
            let unseen = (0..=neighbours).find(|x| all * bad.at_least(neighbours, *x) <= SECURITY);
            let unseen = unseen.unwrap_or(neighbours + 1);
            let threshold = match assumed.server {
                Server::SemiHonest => unseen.max(neighbours / 2 + 1),
                Server::Malicious => (neighbours + unseen).div_ceil(2).max(neighbours / 2 + 1),
            };
            if threshold <= neighbours
                && all * gone.at_least(neighbours, neighbours - threshold + 1) <= CORRECTNESS
                && disconnected(members, neighbours, corrupted + dropped) <= SECURITY
            {
                return Ok(Self::with(Graph::Regular { neighbours }, threshold, members));
            }
        }
        Err(ProposalError::Impossible { members, corrupted, dropped, most })
    }
}

/// A bound on the probability that a regular graph falls apart when `lost` of its members, drawn at random, are taken out.
///
/// It takes the `neighbours` of a member to cut anybody off, and then two gaps of half as many next to each other on the
/// ring: the expected number of pairs of such gaps is the bound. The one opposite, where the number is odd, is not counted
/// on beyond that.
pub fn disconnected(members: usize, neighbours: usize, lost: usize) -> f64 {
    if lost < neighbours {
        return 0.0;
    }
    let n = members as f64;
    let gaps =
        (0..2 * (neighbours / 2)).map(|i| lost.saturating_sub(i) as f64 / members.saturating_sub(i) as f64);
    gaps.fold(n * (n - 1.0) / 2.0, |bound, gap| bound * gap).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposed(members: usize, corrupted: f64, dropped: f64) -> (usize, usize) {
        let assumed = Assumptions { corrupted, dropped, server: Server::SemiHonest };
        let proposed = Parameters::propose(members, assumed).unwrap();
        let Graph::Regular { neighbours } = proposed.graph else { panic!("not regular") };
        (neighbours, proposed.threshold)
    }

    /// Values of an independent calculation with whole numbers, where members × neighbours is even.
    #[test]
    fn proposals_are_those_of_the_reference() {
        for (members, expected) in [
            (50, [(5, 3), (13, 11), (21, 11), (22, 17)]),
            (100, [(11, 6), (24, 19), (41, 21), (42, 32)]),
            (300, [(25, 14), (45, 31), (80, 42), (81, 56)]),
            (1000, [(31, 17), (57, 39), (109, 57), (113, 77)]),
            (10_000, [(37, 20), (67, 45), (134, 70), (139, 94)]),
            (100_000, [(40, 22), (73, 49), (146, 76), (150, 101)]),
        ] {
            let rows = [(0.05, 0.05), (0.2, 0.05), (0.2, 0.2), (0.33, 0.1)];
            assert_eq!(rows.map(|(g, d)| proposed(members, g, d)), expected, "{members}");
        }
    }

    /// Where many are corrupted and nobody drops out, it is the graph that asks for the most neighbours.
    #[test]
    fn whoever_is_left_hangs_together() {
        for (members, corrupted, dropped) in
            [(1000, 0.3, 0.0), (5000, 0.4, 0.0), (300, 0.2, 0.2), (100, 0.0, 0.3)]
        {
            let (k, _) = proposed(members, corrupted, dropped);
            let lost = ((corrupted + dropped) * members as f64) as usize;
            let bound = |k| disconnected(members, k, lost);
            assert!(bound(k) <= SECURITY, "{members}: {k} neighbours, {}", bound(k));
            assert!(dropped > 0.0 || bound(k - 2) > SECURITY);
        }
    }

    #[test]
    fn a_malicious_server_costs_neighbours() {
        for members in [100, 1000] {
            let semi = Assumptions { corrupted: 0.1, dropped: 0.1, server: Server::SemiHonest };
            let malicious = Assumptions { server: Server::Malicious, ..semi };
            let [semi, malicious] = [semi, malicious].map(|a| Parameters::propose(members, a).unwrap());
            let k = |p: Parameters| if let Graph::Regular { neighbours } = p.graph { neighbours } else { 0 };
            assert!(k(malicious) > k(semi), "{malicious:?} {semi:?}");
            // More corrupted neighbours than 2t − k − 1 have the probability that is promised.
            let others = Hypergeometric::new(members - 1, members / 10, 255);
            let broken = others.at_least(k(malicious), 2 * malicious.threshold - k(malicious));
            assert!(broken * members as f64 <= SECURITY);
        }
    }

    #[test]
    fn what_cannot_be_is_said() {
        let assume = |corrupted, dropped| Assumptions { corrupted, dropped, server: Server::SemiHonest };
        for members in [0, 1, 2] {
            let impossible = Parameters::propose(members, assume(0.0, 0.0));
            assert!(matches!(impossible, Err(ProposalError::Impossible { .. })), "{members}: {impossible:?}");
        }
        let impossible = Parameters::propose(1000, assume(0.6, 0.5)).unwrap_err();
        assert_eq!(
            impossible,
            ProposalError::Impossible { members: 1000, corrupted: 600, dropped: 500, most: 255 }
        );
        for wrong in [f64::NAN, -0.1, 1.0, f64::INFINITY] {
            assert!(matches!(
                Parameters::propose(100, assume(wrong, 0.0)),
                Err(ProposalError::Fraction { .. })
            ));
            assert!(matches!(
                Parameters::propose(100, assume(0.0, wrong)),
                Err(ProposalError::Fraction { .. })
            ));
        }
        // An odd number of members has no odd number of neighbours.
        assert_eq!(proposed(301, 0.05, 0.05).0 % 2, 0);
    }

    #[test]
    fn few_gaps_break_no_ring() {
        assert_eq!(disconnected(50, 5, 4), 0.0);
        // 499,500 pairs of gaps, each with 10·9·8·7 of 1000·999·998·997 ways to lie in the 10 lost.
        let two_gaps_of_two = 499_500.0 * 5040.0 / (1000.0 * 999.0 * 998.0 * 997.0);
        assert!((disconnected(1000, 4, 10) - two_gaps_of_two).abs() < 1e-12);
        assert!((disconnected(1000, 5, 10) - two_gaps_of_two).abs() < 1e-12);
        assert_eq!(disconnected(10, 2, 9), 1.0);
        assert!(disconnected(1000, 57, 250) < 1e-20);
    }

    #[test]
    fn defaults_are_two_thirds_and_then_a_ring() {
        assert_eq!(
            Parameters::of(50).unwrap(),
            Parameters { graph: Graph::Complete, threshold: 34, minimum: 34 }
        );
        assert_eq!(Parameters::complete(3), Parameters { graph: Graph::Complete, threshold: 2, minimum: 3 });
        assert_eq!(Parameters::complete(2), Parameters { graph: Graph::Complete, threshold: 2, minimum: 2 });
        assert_eq!(Parameters::of(1000).unwrap().graph, Graph::Regular { neighbours: 109 });
    }
}
