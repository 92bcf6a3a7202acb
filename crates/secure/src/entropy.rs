//! Where keys and seeds come from: the operating system, or, for simulations only, a seed.

use crate::plan::Session;
use sottovoce_core::{Address, ClientId, Purpose};
use std::fmt;

/// The source of all secrets.
///
/// [`Display`](fmt::Display) says which it is, for reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entropy(Source);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    System,
    Simulated { seed: u64 },
}

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no random bytes from the operating system: {0}")]
pub struct EntropyError(getrandom::Error);

impl Entropy {
    /// Secrets from the operating system's generator, different each time.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// **For simulation only: nothing is secret.** Every key is a function of the seed, the round, the exchange and the
    /// client, so that a run can be repeated bit for bit, on any number of threads. Whoever knows the seed knows every key
    /// of everybody. The server of a simulation runs in the same process and was never kept from them, either.
    pub fn simulated(seed: u64) -> Self {
        Self(Source::Simulated { seed })
    }

    /// Whether keys follow from a seed, and hide nothing from whoever has it.
    pub fn is_simulated(&self) -> bool {
        matches!(self.0, Source::Simulated { .. })
    }

    /// Fills `into` with a client's secrets for this purpose in this session; without a session, for all of them.
    pub(crate) fn fill(
        &self,
        purpose: Purpose,
        session: Option<&Session>,
        client: ClientId,
        into: &mut [u8],
    ) -> Result<(), EntropyError> {
        let Source::Simulated { seed } = self.0 else {
            return getrandom::fill(into).map_err(EntropyError);
        };
        let mut address = Address::new(seed, purpose).client(client.0);
        if let Some(session) = session {
            address = address.round(session.round).slot(u64::from(session.exchange));
        }
        address.stream().fill(into);
        Ok(())
    }
}

impl fmt::Display for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Source::System => f.write_str("keys from the operating system"),
            Source::Simulated { seed } => {
                write!(f, "SIMULATED KEYS from seed {seed}: whoever knows the seed can unmask every client")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: Session = Session { run: [0; 32], round: 1, exchange: 2 };

    fn drawn(entropy: Entropy, purpose: Purpose, session: Session, client: u64) -> [u8; 32] {
        let mut bytes = [0; 32];
        entropy.fill(purpose, Some(&session), ClientId(client), &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn simulated_secrets_are_a_function_of_their_address_and_system_secrets_of_nothing() {
        let simulated = Entropy::simulated(5);
        let first = drawn(simulated, Purpose::SecureKeys, SESSION, 3);
        assert_eq!(first, drawn(simulated, Purpose::SecureKeys, SESSION, 3));
        for other in [
            drawn(Entropy::simulated(6), Purpose::SecureKeys, SESSION, 3),
            drawn(simulated, Purpose::SecureShares, SESSION, 3),
            drawn(simulated, Purpose::SecureKeys, Session { round: 0, ..SESSION }, 3),
            drawn(simulated, Purpose::SecureKeys, Session { exchange: 0, ..SESSION }, 3),
            drawn(simulated, Purpose::SecureKeys, SESSION, 4),
        ] {
            assert_ne!(first, other);
        }
        let system = || drawn(Entropy::system(), Purpose::SecureKeys, SESSION, 3);
        assert_ne!(system(), system());
    }

    #[test]
    fn reports_can_tell_which_it_is() {
        assert!(Entropy::simulated(9).is_simulated() && !Entropy::system().is_simulated());
        assert!(Entropy::simulated(9).to_string().contains("SIMULATED KEYS from seed 9"));
        assert!(!Entropy::system().to_string().contains("SIMULATED"));
    }
}
