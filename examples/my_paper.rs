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
//! Without arguments it compares FedExP with FedAvg. With arguments it is the command `sottovoce` that knows one more
//! algorithm: runs have configuration, journal, model and lock, and `verify`, `diff`, `compare` and `sweep` take them.
//!
//! ```text
//! cargo run --release --example my_paper
//! cargo run --release --example my_paper -- run --lock my.lock --set 'algorithm={kind="custom",name="fedexp"}'
//! cargo run --release --example my_paper -- verify my.lock
//! ```

use serde::Deserialize;
use sottovoce::config;
use sottovoce::core::{Algorithm, Answer, ClientError, Contents, LocalTask, ServerCx};
use sottovoce::experiment::{Experiment, ExperimentError, Record};
use sottovoce::parts::Parts;
use sottovoce::report::{percent, table};
use std::process::ExitCode;

/// FedExP with its one parameter, as `algorithm.parameters` has it.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FedExP {
    /// Keeps the divisor from 0, where all updates are: above 0.
    epsilon: f64,
}

impl Default for FedExP {
    fn default() -> Self {
        Self { epsilon: 1e-3 }
    }
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

const QUICKSTART: &str = include_str!("quickstart.toml");

/// Accuracy on the test split of the quickstart after so many rounds.
fn accuracy(parts: &Parts, algorithm: &str, rounds: u64) -> Result<f64, Box<dyn std::error::Error>> {
    let algorithm = format!("algorithm={algorithm}");
    let rounds = format!("rounds.count={rounds}");
    let set =
        [&algorithm, &rounds, "rounds.evaluate_every=0", "baselines.centralised=false"].map(str::to_owned);
    let set = [&set[..], &["baselines.local_only_clients=0".to_owned()]].concat();
    let config = config::parse_with(parts, "quickstart.toml", QUICKSTART, &set)?;
    let ran: Result<_, ExperimentError> = Experiment::new(config)?.run(&mut Record::none(), &mut ());
    Ok(ran?.0.accuracy)
}

#[allow(clippy::print_stdout)]
fn compare(parts: &Parts) -> Result<(), Box<dyn std::error::Error>> {
    let mut rows = Vec::new();
    for rounds in [10, 20, 40] {
        let fedavg = accuracy(parts, r#"{ kind = "fedavg" }"#, rounds)?;
        let fedexp = accuracy(parts, r#"{ kind = "custom", name = "fedexp" }"#, rounds)?;
        rows.push(vec![rounds.to_string(), percent(fedavg), percent(fedexp)]);
    }
    println!("{}", table(&["rounds", "FedAvg", "FedExP"], &rows));
    println!(
        "\nAccuracy on the quickstart's 2,000 test transcripts after so many rounds: one seed, the local learning rate tuned\n\
         for FedAvg. FedAvg weighs clients by their examples and FedExP counts them alike, as its paper does. For a claim,\n\
         sweep the rate of each and compare over seeds: the commands sweep and compare do both."
    );
    Ok(())
}

fn main() -> ExitCode {
    let parts = Parts::none().algorithm::<FedExP>("fedexp");
    if std::env::args().len() > 1 {
        return sottovoce::command(&parts);
    }
    match compare(&parts) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            #[allow(clippy::print_stderr)]
            {
                eprintln!("error: {e}");
            }
            ExitCode::FAILURE
        }
    }
}
