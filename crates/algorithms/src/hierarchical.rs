//! Hierarchical federated averaging: clients, edges, cloud.
//!
//! L. Liu, J. Zhang, S. H. Song, K. B. Letaief: "Client-Edge-Cloud Hierarchical Federated Learning", ICC 2020, algorithm 1
//! (HierFAVG).
//!
//! Symbols: `L` = `edges`, `κ_2` = `cloud_every`; client `i` belongs to edge `i mod L`. A round is an aggregation of the edges.
//!
//! Deviations: the cloud weighs edges by the examples that they have heard of since it last did. With `κ_2 = 1` all sums
//! are one sum, which has no order: the message and the step are FedAvg's. Cost: otherwise a model for each edge on the
//! server, and a client's upload is FedAvg's with one number.

use crate::prelude::*;

/// Edge servers average their own clients every round, the cloud averages the edges every few rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hierarchical {
    /// Number of edge servers.
    #[schemars(extend("minimum" = 1, "maximum" = 1024))]
    pub edges: u32,
    /// Rounds of the edges for each of the cloud; 1 is FedAvg.
    #[schemars(extend("minimum" = 1, "maximum" = 1_000_000))]
    pub cloud_every: u32,
}

/// How far each edge is from the cloud's model, and how many examples it has heard of.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Edges {
    moved: Vec<Values>,
    examples: Vec<f64>,
    rounds: u32,
}

impl Algorithm for Hierarchical {
    type Server = Edges;
    type Client = ();
    fn name(&self) -> &'static str {
        "hierarchical"
    }
    fn contents(&self, _clients: u64) -> Contents {
        match (self.cloud_every, self.edges as usize) {
            (1, _) => Contents::DELTA,
            (_, edges) => Contents { blocks: edges, numbers: edges },
        }
    }
    fn client(&self, task: &mut dyn LocalTask, edges: &Edges, _: &mut ()) -> Result<Answer, ClientError> {
        if self.cloud_every == 1 {
            return Ok(task.train(None)?.into());
        }
        let edge = (task.client().0 % u64::from(self.edges)) as usize;
        let mut start = task.start();
        if let Some(moved) = edges.moved.get(edge) {
            add(&mut start, 1.0, &task.gather(moved));
        }
        let mut answer = Answer::from(task.train_from(Some(&start), 0..task.epochs(), None)?);
        answer.blocks[0].0 = edge;
        answer.numbers.push((edge, 1.0));
        Ok(answer)
    }
    fn server(&self, cx: &mut ServerCx<'_>, edges: &mut Edges) {
        if self.cloud_every == 1 {
            return cx.step(1.0);
        }
        edges.moved.resize(self.edges as usize, Values::default());
        edges.examples.resize(self.edges as usize, 0.0);
        for (edge, share) in cx.mean.numbers.iter().enumerate().filter(|(_, share)| **share > 0.0) {
            edges.moved[edge].add_scaled(1.0 / share, &cx.mean.blocks[edge]);
            edges.examples[edge] += f64::from(*share) * cx.mean.weight as f64;
        }
        edges.rounds += 1;
        if edges.rounds == self.cloud_every {
            let mut all = 0.0;
            edges.examples.iter().for_each(|examples| all += examples);
            for (moved, examples) in edges.moved.iter().zip(&edges.examples).filter(|(m, _)| !m.is_empty()) {
                cx.add((examples / all) as f32, moved);
            }
            *edges = Edges::default();
        }
    }
}
