//! IFCA: several models, and every client trains the one that fits it best.
//!
//! A. Ghosh, J. Chung, D. Yin, K. Ramchandran: "An Efficient Framework for Clustered Federated Learning", NeurIPS 2020,
//! algorithm 1, option II (model averaging).
//!
//! Symbols: `k` = `clusters`, `θ_j` = model j (the first is the global parameters, the others the server's state), `ŝ_{ij}` =
//! the number that a client sends.
//!
//! Deviations: the mean of a cluster is over its own clients, weighted by their examples. The other models start near
//! the first, by uniform noise of `spread`. Cost: k models down, one model's rows and a number up, a pass over the client's
//! data for each model.

use crate::prelude::*;
use sottovoce_core::sampling::uniform_f32;
use sottovoce_core::{Address, Purpose};

/// Several models; every client trains and uses the one with the least loss on its data.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ifca {
    /// Number of models.
    #[schemars(extend("minimum" = 1, "maximum" = 64))]
    pub clusters: u32,
    /// How far from the first model the others start, at most, in each parameter.
    #[serde(default = "spread")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub spread: f32,
}

fn spread() -> f32 {
    0.01
}

impl Ifca {
    /// The model with the least loss, the first of equals, and the client's rows of it.
    fn best(&self, task: &mut dyn LocalTask, others: &[Values]) -> (usize, Vec<f32>) {
        let start = task.start();
        let mut best = (task.loss(&start), 0, start);
        for (j, model) in others.iter().enumerate() {
            let rows = task.gather(model);
            let loss = task.loss(&rows);
            if loss < best.0 {
                best = (loss, j + 1, rows);
            }
        }
        (best.1, best.2)
    }
}

impl Algorithm for Ifca {
    type Server = Vec<Values>;
    type Client = ();
    fn name(&self) -> &'static str {
        "ifca"
    }
    fn contents(&self, _clients: u64) -> Contents {
        Contents { blocks: self.clusters as usize, numbers: self.clusters as usize }
    }
    fn start(&self, cx: &StartCx<'_>) -> Vec<Values> {
        let model = |j| {
            let mut stream = Address::new(cx.seed, Purpose::Cluster).slot(j).stream();
            let noise = |v: &f32| v + uniform_f32(&mut stream, -self.spread, self.spread);
            Values(cx.params.values().iter().map(noise).collect())
        };
        (1..u64::from(self.clusters)).map(model).collect()
    }
    fn broadcast(&self, others: &Vec<Values>) -> u64 {
        others.iter().map(|model| model.len() as u64).sum()
    }
    fn client(
        &self,
        task: &mut dyn LocalTask,
        others: &Vec<Values>,
        _: &mut (),
    ) -> Result<Answer, ClientError> {
        let (j, start) = self.best(task, others);
        let trained = task.train_from((j > 0).then_some(&start), 0..task.epochs(), None)?;
        let mut answer = Answer::from(trained);
        answer.blocks[0].0 = j;
        answer.numbers.push((j, 1.0));
        Ok(answer)
    }
    fn server(&self, cx: &mut ServerCx<'_>, others: &mut Vec<Values>) {
        for (j, share) in cx.mean.numbers.clone().into_iter().enumerate() {
            match j {
                _ if share == 0.0 => {}
                0 => cx.step(1.0 / share),
                _ => others[j - 1].add_scaled(1.0 / share, &cx.mean.blocks[j]),
            }
        }
    }
    fn personalises(&self) -> bool {
        true
    }
    fn personal<'s>(
        &self,
        task: &mut dyn LocalTask,
        others: &'s Vec<Values>,
        _: &(),
    ) -> Result<Personal<'s>, ClientError> {
        let (j, _) = self.best(task, others);
        Ok(Personal { base: (j > 0).then(|| &others[j - 1][..]), rows: None })
    }
}
