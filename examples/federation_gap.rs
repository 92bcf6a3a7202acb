//! What federation costs on real data: Banking77, CLINC150 and MASSIVE (Chinese) with 100 clients, alike and with label
//! skew, against everything in one place; mean and standard deviation over five seeds.
//!
//! ```text
//! cargo run --release --example federation_gap -- FOLDER     # with banking77/, clinc150/ and massive_zh/ in it
//! ```
//!
//! CLINC150 is scored on its in-scope test transcripts. About a quarter of an hour on two cores.

use sottovoce::config;
use sottovoce::experiment::{Experiment, Record, Summary};
use sottovoce::report::table;

const SEEDS: std::ops::RangeInclusive<u64> = 1..=5;
const SETS: [(&str, &str); 3] = [
    ("banking77", include_str!("banking77.toml")),
    ("clinc150", include_str!("clinc150.toml")),
    ("massive_zh", include_str!("massive-zh.toml")),
];
const PARTITIONS: [&str; 3] = [
    "{scheme=\"iid\",clients=100}",
    "{scheme=\"dirichlet\",clients=100,alpha=1.0,min_examples=1}",
    "{scheme=\"dirichlet\",clients=100,alpha=0.1,min_examples=1}",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder =
        std::env::args().nth(1).ok_or("name the folder that holds banking77, clinc150 and massive_zh")?;
    let mut rows = Vec::new();
    for (name, text) in SETS {
        let mut centralised = Vec::new();
        let mut federated: [Vec<f64>; 3] = Default::default();
        for seed in SEEDS {
            for (at, partition) in PARTITIONS.iter().enumerate() {
                let set = [
                    format!("data.path={folder}/{name}"),
                    format!("seed={seed}"),
                    format!("partition={partition}"),
                    format!("baselines.centralised={}", at == 0),
                    "baselines.local_only_clients=0".to_owned(),
                    "rounds.evaluate_every=0".to_owned(),
                    "evaluation.clients=0".to_owned(),
                ];
                let experiment = Experiment::new(config::parse(name, text, &set)?)?;
                let (summary, _) = experiment.run(&mut Record::none(), &mut ())?;
                federated[at].push(accuracy(&summary));
                if let Some(b) = summary.baselines.centralised {
                    centralised.push(b.in_scope_accuracy.unwrap_or(b.accuracy));
                }
            }
        }
        let mut row = vec![name.to_owned(), spread(&centralised)];
        row.extend(federated.iter().map(|f| spread(f)));
        rows.push(row);
    }
    let header = ["100 clients, 5 seeds", "centralised", "IID", "Dirichlet 1", "Dirichlet 0.1"];
    #[allow(clippy::print_stdout)]
    {
        println!("{}", table(&header, &rows));
    }
    Ok(())
}

fn accuracy(summary: &Summary) -> f64 {
    summary.out_of_scope.map_or(summary.accuracy, |o| o.in_scope_accuracy)
}

/// Mean and standard deviation, in percent.
fn spread(values: &[f64]) -> String {
    let n = values.len() as f64;
    let (mut mean, mut squares) = (0.0, 0.0);
    for v in values {
        mean += 100.0 * v / n;
    }
    for v in values {
        squares += (100.0 * v - mean) * (100.0 * v - mean) / (n - 1.0);
    }
    format!("{mean:.2} ± {:.2}", squares.sqrt())
}
