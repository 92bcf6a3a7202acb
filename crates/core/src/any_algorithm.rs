//! An algorithm without its types: the round loop, the clients and everything above them are compiled once, not for each of
//! them.

use crate::algorithm::{Algorithm, Personal, ServerCx, StartCx};
use crate::client_error::ClientError;
use crate::digest::Summing;
use crate::exchange::Exchange;
use crate::message::{Answer, Contents, Mean};
use crate::state;
use crate::task::LocalTask;
use std::any::Any;

/// A federated algorithm, whichever it is. Every [`Algorithm`] is one.
pub trait AnyAlgorithm: Sync {
    /// What has to be known of it before it runs, with so many clients.
    fn facts(&self, clients: u64) -> Facts;
    /// Before the first round.
    fn begin(&self, cx: &StartCx<'_>) -> Box<dyn Running + '_>;
    /// Between two rounds, with the server's state as [`Running::state`] gave it; `None` if these bytes are none.
    fn resume(&self, state: &[u8]) -> Option<Box<dyn Running + '_>>;
}

/// What has to be known of an algorithm before it runs. What each means stands at the method of [`Algorithm`] of its name.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct Facts {
    pub name: &'static str,
    pub contents: Contents,
    pub preliminary: Vec<Contents>,
    pub personalises: bool,
    pub represents: bool,
    pub plain_sgd: bool,
    pub keeps_bases: bool,
    pub mean_only: Option<&'static str>,
}

/// An algorithm in a run, with the server's state. What clients keep are bytes here; none of them for what is not there yet.
pub trait Running: Send + Sync {
    /// The client half of an exchange. `edit` is what happens to the answer on its way out. Returns the answer as it leaves, and
    /// what the client keeps if it is accepted, which is nothing in a preliminary exchange.
    fn answer(
        &self,
        exchange: Exchange,
        task: &mut dyn LocalTask,
        own: &[u8],
        edit: &dyn Fn(&mut Answer),
    ) -> Result<(Answer, Vec<u8>), ClientError>;
    /// The model that a client uses for itself.
    fn personal(&self, task: &mut dyn LocalTask, own: &[u8]) -> Result<Personal<'_>, ClientError>;
    /// The server half of a preliminary exchange.
    fn gathered(&mut self, exchange: Exchange, mean: &Mean<'_>);
    /// The server half of the last exchange.
    fn step(&mut self, cx: &mut ServerCx<'_>);
    /// Numbers of the server's state that a client is sent beside the parameters.
    fn broadcast(&self) -> u64;
    /// The same between two exchanges of a round.
    fn news(&self) -> u64;
    /// Factor on an update that is so many rounds late.
    fn staleness(&self, rounds: u64) -> f32;
    /// The server's state as bytes.
    fn state(&self) -> Vec<u8>;
    /// Adds these bytes to a checksum, without a copy of them.
    fn sum(&self, all: &mut Summing);
    /// The server's state, as its type.
    fn server(&self) -> &dyn Any;
}

struct Run<'a, A: Algorithm> {
    algorithm: &'a A,
    server: A::Server,
}

impl<A: Algorithm> AnyAlgorithm for A {
    fn facts(&self, clients: u64) -> Facts {
        Facts {
            name: self.name(),
            contents: self.contents(clients),
            preliminary: self.preliminary(clients),
            personalises: self.personalises(),
            represents: self.represents(),
            plain_sgd: self.plain_sgd(),
            keeps_bases: self.keeps_bases(),
            mean_only: self.mean_only(),
        }
    }
    fn begin(&self, cx: &StartCx<'_>) -> Box<dyn Running + '_> {
        Box::new(Run { algorithm: self, server: self.start(cx) })
    }
    fn resume(&self, state: &[u8]) -> Option<Box<dyn Running + '_>> {
        Some(Box::new(Run { algorithm: self, server: state::decode(state)? }))
    }
}

impl<A: Algorithm> Run<'_, A> {
    fn own(task: &dyn LocalTask, own: &[u8]) -> Result<A::Client, ClientError> {
        if own.is_empty() {
            return Ok(A::Client::default());
        }
        state::decode(own).ok_or(ClientError::State { client: task.client() })
    }
}

impl<A: Algorithm> Running for Run<'_, A> {
    fn answer(
        &self,
        exchange: Exchange,
        task: &mut dyn LocalTask,
        own: &[u8],
        edit: &dyn Fn(&mut Answer),
    ) -> Result<(Answer, Vec<u8>), ClientError> {
        if !exchange.is_last() {
            let own = Self::own(task, own)?;
            let mut answer = self.algorithm.prepare(exchange, task, &self.server, &own)?;
            edit(&mut answer);
            return Ok((answer, Vec::new()));
        }
        let mut own = Self::own(task, own)?;
        let mut answer = self.algorithm.client(task, &self.server, &mut own)?;
        edit(&mut answer);
        self.algorithm.sent(task, &answer, &mut own);
        Ok((answer, state::encode(&own)))
    }
    fn personal(&self, task: &mut dyn LocalTask, own: &[u8]) -> Result<Personal<'_>, ClientError> {
        let own = Self::own(task, own)?;
        self.algorithm.personal(task, &self.server, &own)
    }
    fn gathered(&mut self, exchange: Exchange, mean: &Mean<'_>) {
        self.algorithm.gathered(exchange, mean, &mut self.server);
    }
    fn step(&mut self, cx: &mut ServerCx<'_>) {
        self.algorithm.server(cx, &mut self.server);
    }
    fn broadcast(&self) -> u64 {
        self.algorithm.broadcast(&self.server)
    }
    fn news(&self) -> u64 {
        self.algorithm.news(&self.server)
    }
    fn staleness(&self, rounds: u64) -> f32 {
        self.algorithm.staleness(rounds)
    }
    fn state(&self) -> Vec<u8> {
        state::encode(&self.server)
    }
    fn sum(&self, all: &mut Summing) {
        state::sum(&self.server, all);
    }
    fn server(&self) -> &dyn Any {
        &self.server
    }
}
