//! A new algorithm in one file: server momentum.
//!
//! T.-M. H. Hsu, H. Qi, M. Brown: "Measuring the Effects of Non-Identical Data Distribution for Federated Visual
//! Classification", 2019, section 4.3.
//!
//! | symbol | here |
//! |---|---|
//! | `β` | `beta` |
//! | `v` | `Velocity` |
//! | `Δw` | `mean.delta` |
//!
//! Deviations: none. Cost: a client's is FedAvg's; the server keeps one more number for each parameter that any
//! client has touched, and its step is dense, as the mathematics is: the velocity moves untouched rows too.
//!
//! ```text
//! cargo run --release --example fedavgm
//! ```

use serde::{Deserialize, Serialize};
use sottovoce::config;
use sottovoce::core::{Aggregate, Algorithm, ClientError, LocalTask, Params, Trained};
use sottovoce::experiment::{Experiment, Record};
use sottovoce::report::{percent, table};

/// Federated averaging with server momentum.
struct FedAvgM {
    beta: f32,
    server_lr: f32,
}

/// The server's velocity, one number for each parameter.
#[derive(Clone, Serialize, Deserialize)]
struct Velocity(Vec<f32>);

impl Algorithm for FedAvgM {
    type Server = Velocity;

    fn name(&self) -> &'static str {
        "fedavgm"
    }
    fn start(&self, params: &Params) -> Velocity {
        Velocity(vec![0.0; params.values().len()])
    }
    fn client(&self, task: &mut dyn LocalTask, _server: &Velocity) -> Result<Trained, ClientError> {
        task.train(None)
    }
    fn server(&self, params: &mut Params, Velocity(v): &mut Velocity, mean: &Aggregate) {
        for v in v.iter_mut() {
            *v *= self.beta;
        }
        let mut delta = mean.delta.values();
        for range in mean.delta.ranges() {
            let (row, rest) = delta.split_at(range.len());
            delta = rest;
            for (v, d) in v[range].iter_mut().zip(row) {
                *v += *d;
            }
        }
        for (p, v) in params.values_mut().iter_mut().zip(v) {
            *p += self.server_lr * *v;
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let quickstart = include_str!("quickstart.toml");
    let set = ["rounds.count=20", "rounds.evaluate_every=0", "baselines.local_only_clients=0"];
    let config = config::parse("quickstart.toml", quickstart, &set.map(str::to_owned))?;
    let experiment = Experiment::new(config)?;
    let mut rows = Vec::new();
    for beta in [0.0, 0.5, 0.7, 0.9] {
        let algorithm = FedAvgM { beta, server_lr: 1.0 };
        let (summary, _) = experiment.run_with(&algorithm, &mut Record::none(), &mut ())?;
        rows.push(vec![format!("beta {beta}"), percent(summary.accuracy), percent(summary.macro_f1)]);
    }
    #[allow(clippy::print_stdout)]
    {
        println!("{}", table(&["20 rounds", "accuracy", "macro-F1"], &rows));
    }
    Ok(())
}
