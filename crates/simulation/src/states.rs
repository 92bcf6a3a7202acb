//! What clients keep between rounds: in memory up to a limit, in a temporary file beyond it.

use serde::de::DeserializeOwned;
use sottovoce_core::state;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Mutex, PoisonError};

/// The states of all clients that have one, as bytes. Clients that have not taken part have the default.
#[derive(Debug)]
pub struct States {
    places: BTreeMap<u64, Place>,
    /// Bytes that may be in memory.
    limit: u64,
    in_memory: u64,
    file: Option<Mutex<File>>,
    end: u64,
}

#[derive(Debug)]
enum Place {
    Memory(Vec<u8>),
    File { at: u64, len: usize, room: usize },
}

impl Default for States {
    /// Everything in memory.
    fn default() -> Self {
        Self::with_limit(u64::MAX)
    }
}

impl PartialEq for States {
    fn eq(&self, other: &Self) -> bool {
        let (a, b): (io::Result<Vec<_>>, io::Result<Vec<_>>) =
            (self.iter().collect(), other.iter().collect());
        matches!((a, b), (Ok(a), Ok(b)) if a == b)
    }
}

impl States {
    /// No state yet; beyond `limit` bytes a temporary file takes them.
    pub fn with_limit(limit: u64) -> Self {
        Self { places: BTreeMap::new(), limit, in_memory: 0, file: None, end: 0 }
    }

    /// Number of clients that keep something.
    pub fn len(&self) -> usize {
        self.places.len()
    }
    /// Whether nobody keeps anything.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
    /// Bytes of states that are in memory.
    pub fn in_memory(&self) -> u64 {
        self.in_memory
    }

    /// What a client keeps; the default if it has kept nothing yet.
    pub fn get<C: Default + DeserializeOwned>(&self, client: u64) -> io::Result<C> {
        let Some(bytes) = self.bytes(client)? else { return Ok(C::default()) };
        state::decode(&bytes).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// The bytes that a client keeps.
    pub fn bytes(&self, client: u64) -> io::Result<Option<Cow<'_, [u8]>>> {
        self.places.get(&client).map(|place| self.read(place)).transpose()
    }

    /// All states, by client.
    pub fn iter(&self) -> impl Iterator<Item = io::Result<(u64, Cow<'_, [u8]>)>> {
        self.places.iter().map(|(client, place)| Ok((*client, self.read(place)?)))
    }

    fn read<'a>(&self, place: &'a Place) -> io::Result<Cow<'a, [u8]>> {
        match place {
            Place::Memory(bytes) => Ok(Cow::Borrowed(bytes)),
            Place::File { at, len, .. } => {
                let file = self.file.as_ref().expect("there is a file where a state is in one");
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                let mut bytes = vec![0; *len];
                file.seek(SeekFrom::Start(*at))?;
                file.read_exact(&mut bytes)?;
                Ok(Cow::Owned(bytes))
            }
        }
    }

    /// A client keeps something else from now on.
    pub fn put(&mut self, client: u64, bytes: Vec<u8>) -> io::Result<()> {
        let len = bytes.len();
        let before = self.places.get(&client);
        let frees = if let Some(Place::Memory(old)) = before { old.len() as u64 } else { 0 };
        let room = match before {
            Some(Place::File { at, room, .. }) if *room >= len => Some((*at, *room)),
            _ => None,
        };
        if room.is_none() && self.in_memory - frees + len as u64 <= self.limit {
            self.in_memory = self.in_memory - frees + len as u64;
            self.places.insert(client, Place::Memory(bytes));
            return Ok(());
        }
        let (at, room) = room.unwrap_or((self.end, len));
        if self.file.is_none() {
            self.file = Some(Mutex::new(tempfile::tempfile()?));
        }
        let file = self.file.as_mut().expect("it was just made");
        let file = file.get_mut().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&bytes)?;
        self.end = self.end.max(at + room as u64);
        self.in_memory -= frees;
        self.places.insert(client, Place::File { at, len, room });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Puts states of many sizes, again and again, into a store with little memory and into one with enough.
    #[test]
    fn a_file_keeps_what_memory_would() {
        let (mut little, mut enough) = (States::with_limit(300), States::default());
        for turn in 0..40u64 {
            for client in 0..20u64 {
                if (client + turn) % 3 == 0 {
                    let len = ((client * 7 + turn * 11) % 60) as usize;
                    let bytes = vec![(client + turn) as u8; len];
                    little.put(client, bytes.clone()).unwrap();
                    enough.put(client, bytes).unwrap();
                    assert!(little.in_memory() <= 300);
                }
            }
            assert_eq!(little, enough, "turn {turn}");
        }
        assert!(little.file.is_some() && enough.file.is_none() && little.len() == 20);
        assert!(little.end < 20 * 60 * 4, "{} bytes of file for 20 states", little.end);
    }

    #[test]
    fn a_state_that_is_no_longer_than_before_keeps_its_place_in_the_file() {
        let mut states = States::with_limit(0);
        for len in [60, 10, 60, 0, 59] {
            states.put(3, vec![len as u8; len]).unwrap();
            assert_eq!((states.end, states.in_memory()), (60, 0), "{len} bytes");
            assert_eq!(states.bytes(3).unwrap().unwrap(), vec![len as u8; len]);
        }
    }

    #[test]
    fn who_has_kept_nothing_has_the_default() {
        let mut states = States::default();
        assert_eq!((states.is_empty(), states.len()), (true, 0));
        assert_eq!(states.get::<(u64, Vec<u8>)>(3).unwrap(), (0, vec![]));
        states.put(3, state::encode(&(7u64, vec![1u8, 2]))).unwrap();
        assert!(!states.is_empty() && states.len() == 1);
        assert_eq!(states.get::<(u64, Vec<u8>)>(3).unwrap(), (7, vec![1, 2]));
        assert_eq!(states.get::<(u64, Vec<u64>)>(3).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
