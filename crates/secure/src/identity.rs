//! Who a client is for longer than a round: a signing key, and the list of everybody's verifying keys.

use crate::entropy::{Entropy, EntropyError};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sottovoce_core::{ClientId, Digest, Purpose};
use std::collections::BTreeMap;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A client's Ed25519 signing key (RFC 8032).
pub struct Identity {
    client: ClientId,
    key: SigningKey,
}

/// What a signature is under.
#[derive(Clone, Copy)]
pub(crate) enum Statement<'a> {
    /// "These are my keys of this session": cipher and mask key.
    Keys(&'a [u8; 64]),
    /// "These clients' vectors are in the sum."
    Survivors(Digest),
}

impl Statement<'_> {
    fn bytes(self, plan: &Digest, client: ClientId) -> Vec<u8> {
        let (label, content): (&[u8], &[u8]) = match &self {
            Self::Keys(keys) => (b"sottovoce secure keys 1", &keys[..]),
            Self::Survivors(set) => (b"sottovoce secure survivors 1", &set.0),
        };
        [label, &plan.0, &client.0.to_le_bytes(), content].concat()
    }
}

impl Identity {
    /// A new one, for all rounds of the client.
    pub fn draw(client: ClientId, entropy: &Entropy) -> Result<Self, EntropyError> {
        let mut secret = Zeroizing::new([0; 32]);
        entropy.fill(Purpose::SecureIdentity, None, client, &mut *secret)?;
        Ok(Self::from_secret(client, &secret))
    }
    /// The one that has been kept: the 32 bytes of RFC 8032's private key.
    pub fn from_secret(client: ClientId, secret: &[u8; 32]) -> Self {
        Self { client, key: SigningKey::from_bytes(secret) }
    }
    /// Whose it is.
    pub fn client(&self) -> ClientId {
        self.client
    }
    /// The key that others verify with.
    pub fn verifying_key(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }
    pub(crate) fn sign(&self, plan: &Digest, statement: Statement<'_>) -> [u8; 64] {
        self.key.sign(&statement.bytes(plan, self.client)).to_bytes()
    }
}

/// A list of verifying keys that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// Two keys of one client.
    #[error("client {0} is registered twice")]
    Duplicate(ClientId),
    /// One key of two clients: one of them is not who it says.
    #[error("client {0} has the key of another client")]
    SharedKey(ClientId),
    /// Not a key, or one under which anybody can sign.
    #[error("the verifying key of client {0} is none")]
    Key(ClientId),
}

/// Everybody's verifying keys. All clients have the same list, from somebody other than the server: who writes
/// the list can be any client.
#[derive(Debug)]
pub struct Registry(BTreeMap<ClientId, VerifyingKey>);

impl Registry {
    /// Checks the keys.
    pub fn new(keys: impl IntoIterator<Item = (ClientId, [u8; 32])>) -> Result<Arc<Self>, RegistryError> {
        let (mut by_client, mut seen) = (BTreeMap::new(), std::collections::BTreeSet::new());
        for (client, bytes) in keys {
            let key = VerifyingKey::from_bytes(&bytes).map_err(|_| RegistryError::Key(client))?;
            if key.is_weak() {
                return Err(RegistryError::Key(client));
            }
            if !seen.insert(bytes) {
                return Err(RegistryError::SharedKey(client));
            }
            if by_client.insert(client, key).is_some() {
                return Err(RegistryError::Duplicate(client));
            }
        }
        Ok(Arc::new(Self(by_client)))
    }

    /// Whether a client signed this.
    pub(crate) fn verify(
        &self,
        plan: &Digest,
        client: ClientId,
        statement: Statement<'_>,
        signature: &[u8; 64],
    ) -> bool {
        let Some(key) = self.0.get(&client) else { return false };
        key.verify_strict(&statement.bytes(plan, client), &Signature::from_bytes(signature)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_one_client_plan_and_statement() {
        let entropy = Entropy::simulated(1);
        let [a, b] = [1, 2].map(|i| Identity::draw(ClientId(i), &entropy).unwrap());
        let registry = Registry::new([&a, &b].map(|i| (i.client(), i.verifying_key()))).unwrap();
        let (plan, other) = (Digest([1; 32]), Digest([2; 32]));
        let keys = [3; 64];
        let signature = a.sign(&plan, Statement::Keys(&keys));
        let verify = |plan, client, statement| registry.verify(plan, ClientId(client), statement, &signature);
        assert!(verify(&plan, 1, Statement::Keys(&keys)));
        assert!(!verify(&other, 1, Statement::Keys(&keys)));
        assert!(!verify(&plan, 2, Statement::Keys(&keys)));
        assert!(!verify(&plan, 3, Statement::Keys(&keys)));
        assert!(!verify(&plan, 1, Statement::Keys(&[4; 64])));
        assert!(!verify(&plan, 1, Statement::Survivors(plan)));
        for bit in 0..512 {
            let mut flipped = signature;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!registry.verify(&plan, ClientId(1), Statement::Keys(&keys), &flipped));
        }
    }

    #[test]
    fn a_list_with_a_key_that_is_none_is_refused() {
        let key = |i| Identity::draw(ClientId(i), &Entropy::simulated(1)).unwrap().verifying_key();
        let (one, two) = (ClientId(1), ClientId(2));
        let refused = |list: [(ClientId, [u8; 32]); 2]| Registry::new(list).err();
        assert_eq!(refused([(one, key(1)), (one, key(2))]), Some(RegistryError::Duplicate(one)));
        assert_eq!(refused([(one, key(1)), (two, key(1))]), Some(RegistryError::SharedKey(two)));
        // The neutral element, and a y without a point on the curve.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        assert_eq!(refused([(one, key(1)), (two, neutral)]), Some(RegistryError::Key(two)));
        let mut no_point = [0; 32];
        no_point[0] = 2;
        assert_eq!(refused([(one, key(1)), (two, no_point)]), Some(RegistryError::Key(two)));
        assert_eq!(refused([(one, key(1)), (two, key(2))]), None);
    }
}
