//! Secure aggregation: a server learns the sum of its clients' vectors and no vector, with real keys, masks and recovery.
//!
//! # Protocols
//!
//! - **SecAgg**: Bonawitz, Ivanov, Kreuter, Marcedone, McMahan, Patel, Ramage, Segal, Seth, *Practical Secure Aggregation for
//!   Privacy-Preserving Machine Learning*, CCS 2017, figure 4, with the parts that it adds against active adversaries: the
//!   complete graph ([`Graph::Complete`]).
//! - **SecAgg+**: Bell, Bonawitz, Gascón, Lepoint, Raykova, *Secure Single-Server Aggregation with (Poly)Logarithmic
//!   Overhead*, CCS 2020: every client shares masks with a few others only ([`Graph::Regular`]).
//!
//! A client goes through five stages ([`client`]), a server as well ([`server`]):
//!
//! 1. *Keys.* A client draws a cipher key and a mask key (X25519) for this sum alone, and signs them (Ed25519). Verifying keys
//!    are given to everybody beforehand ([`Registry`]).
//! 2. *Shares.* It draws a seed, and shares mask key and seed among its neighbours (Shamir over GF(2⁸)), each share sealed
//!    for its holder (ChaCha20-Poly1305).
//! 3. *Masking.* It sends its vector plus a mask of its own from the seed, plus or minus a mask with each neighbour
//!    from both mask keys (HKDF-SHA256, ChaCha20). The server adds vectors as they arrive.
//! 4. *Confirmation.* Everybody signs the set of clients whose vectors arrived.
//! 5. *Unmasking.* Who sees enough signatures on the set it signed reveals its shares: of the seeds of those in the
//!    sum, of the mask keys of those who dropped out. The server recovers what it takes to remove the masks left in the sum.
//!
//! # Who learns what
//!
//! - *The server*: the sum of the vectors in it, who took part and who dropped out at which stage, sizes. Not a
//!   vector, unless `threshold` holders of that client's shares work with it; [`Plan::colluding`] counts them, for a server that
//!   follows the protocol and for one that does not. Corrupted clients' own vectors are known to it anyway, so what is hidden
//!   is what the sum leaves open about the others.
//! - *A client*: its neighbours' public keys, and whose vectors are in the sum. Not the sum, unless the server publishes it: then
//!   with two clients each knows the other's vector, which is why [`Parameters::complete`] wants three where there are three.
//! - *Everybody*: the plan.
//!
//! What it does not give: the sum itself is exact, and two sums that differ by one client give that client away, so it is
//! not differential privacy. Nothing proves that a vector is what an honest client would send. A client can
//! stop a round by handing out bad shares, but not change the sum by it: seeds are held against a commitment,
//! mask keys against the public key. Who speaks for a client to the server is a matter of their connection.
//!
//! # Deviations from the papers
//!
//! - The survivors' whole set is signed, in the regular graph, too, and a client wants signatures of `threshold` of the holders
//!   of its own shares; Bell et al. have neighbours sign that they were included. In the complete graph, with up to as many
//!   colluders as [`Plan::colluding`] says, all who reveal anything reveal it for one set. On a ring a malicious server can tell clients far apart different sets. Still no holder answers
//!   twice, so it gets both secrets of nobody ([`Plan::colluding`]), and the mask of a pair comes off only where `threshold`
//!   holders were told that one of the two dropped out. That a sum has the plan's minimum of clients is certain
//!   against such a server in the complete graph only.
//! - Neighbours are the nearest on a shuffled ring, as in Bell et al., but the shuffle follows from a seed in the plan; see
//!   [`Plan::new`] for what that means.
//! - Keys, seals and signatures are bound to the digest of the whole plan, not to the round only.
//! - Seeds are committed to, which the papers do not ask for.
//! - Shares are opened when they arrive, not at the end: a client that got a bad one does not send its vector.
//!
//! # Simulation
//!
//! [`Entropy::simulated`] makes every key a function of a seed, so that a run can be repeated; nothing is secret then.
//! ChaCha20 has an AVX-512 form, of the same bits at twice the speed, in builds with `--cfg chacha20_avx512`, such as those of
//! this workspace.
//! [`rehearse`] plays a whole exchange in one process; an executor of its own calls the stages one by one. Sums are the same
//! bits in any order and on any number of threads, because a ring's addition has no order.

#![forbid(unsafe_code)]

pub mod client;
mod entropy;
mod graph;
mod hypergeometric;
mod identity;
mod keys;
mod masks;
pub mod message;
mod parameters;
mod plan;
mod rehearsal;
mod ring;
pub mod server;
mod shamir;

pub use entropy::{Entropy, EntropyError};
pub use identity::{Identity, Registry, RegistryError};
pub use message::{Kind, MessageError};
pub use parameters::{Assumptions, Graph, Parameters, ProposalError, Server, disconnected};
pub use plan::{Plan, PlanError, Session};
pub use rehearsal::{Cast, CastError, Rehearsed, rehearse};
pub use ring::Ring;
