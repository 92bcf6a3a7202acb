//! FedExP, in one file and with no other edit: the server extrapolates as far as the clients disagree.
//!
//! D. Jhunjhunwala, S. Wang, G. Joshi: "FedExP: Speeding Up Federated Averaging via Extrapolation", ICLR 2023, algorithm 1.
//!
//! | symbol | here |
//! |---|---|
//! | `Δ_i` | a client's delta, and with the opposite sign the paper's |
//! | `‖Δ_i‖²` | the number that a client sends beside it |
//! | `η_g = max(1, Σ ‖Δ_i‖² / (2 M (‖Δ̄‖² + ε)))` | the factor of `cx.step` |
//!
//! Deviations: none; clients count alike. Cost: FedAvg's, and one number.
//!
//! ```text
//! cargo run --release --example my_paper
//! ```

use sottovoce::algorithms::FedAvg;
use sottovoce::config;
use sottovoce::core::{Algorithm, Answer, ClientError, Contents, LocalTask, ServerCx};
use sottovoce::experiment::{Experiment, Record};
use sottovoce::report::{percent, table};

struct FedExP {
    epsilon: f64,
}

impl Algorithm for FedExP {
    type Server = ();
    type Client = ();

    fn name(&self) -> &'static str {
        "fedexp"
    }
    fn contents(&self, _clients: u64) -> Contents {
        Contents { blocks: 1, numbers: 1 }
    }
    fn client(&self, task: &mut dyn LocalTask, _: &(), _: &mut ()) -> Result<Answer, ClientError> {
        let trained = task.train(None)?;
        let norm = trained.delta.norm();
        Ok(Answer::from(trained).number((norm * norm) as f32).unweighted())
    }
    fn server(&self, cx: &mut ServerCx<'_>, _: &mut ()) {
        let mean = cx.mean.delta().norm();
        let extrapolation = f64::from(cx.mean.numbers[0]) / (2.0 * (mean * mean + self.epsilon));
        cx.step(extrapolation.max(1.0) as f32);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let quickstart = include_str!("quickstart.toml");
    let set = ["rounds.evaluate_every=0", "baselines.local_only_clients=0", "baselines.centralised=false"];
    let mut rows = Vec::new();
    for rounds in [10, 20, 40] {
        let set = set.iter().map(|s| (*s).to_owned()).chain([format!("rounds.count={rounds}")]);
        let config = config::parse("quickstart.toml", quickstart, &set.collect::<Vec<_>>())?;
        let experiment = Experiment::new(config)?;
        let (fedavg, _) = experiment.run_with(&FedAvg::default(), &mut Record::none(), &mut ())?;
        let (fedexp, _) = experiment.run_with(&FedExP { epsilon: 1e-3 }, &mut Record::none(), &mut ())?;
        rows.push(vec![rounds.to_string(), percent(fedavg.accuracy), percent(fedexp.accuracy)]);
    }
    #[allow(clippy::print_stdout)]
    {
        println!("{}", table(&["rounds", "FedAvg", "FedExP"], &rows));
    }
    Ok(())
}
