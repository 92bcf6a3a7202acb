//! What label skew costs: one corpus, dealt out to 50 clients from nearly alike to nearly one intent each.
//!
//! ```text
//! cargo run --release --example label_skew
//! ```

use sottovoce::config;
use sottovoce::experiment::{Experiment, Record, inspect};
use sottovoce::report::{percent, table};

const BASE: &str = include_str!("quickstart.toml");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut rows = Vec::new();
    for alpha in ["100.0", "1.0", "0.1", "0.01"] {
        let set = [
            format!("partition={{scheme=\"dirichlet\",clients=50,alpha={alpha}}}"),
            "rounds.count=20".to_owned(),
            "rounds.evaluate_every=0".to_owned(),
            "baselines.centralised=false".to_owned(),
            "baselines.local_only_clients=20".to_owned(),
        ];
        let config = config::parse("quickstart.toml", BASE, &set)?;
        let skew = inspect::inspect(&config)?.inspection.label_skew;
        let (summary, _) = Experiment::new(config)?.run(&mut Record::none(), &mut ())?;
        let local = summary.baselines.local_only.map_or(0.0, |b| b.accuracy);
        rows.push(vec![format!("alpha {alpha}"), percent(skew), percent(summary.accuracy), percent(local)]);
    }
    #[allow(clippy::print_stdout)]
    {
        println!("{}", table(&["Dirichlet over intents", "label skew", "federated", "local only"], &rows));
    }
    Ok(())
}
