//! `sottovoce egress`.

use super::exit::Failure;
use crate::Parts;
use crate::experiment::egress::{By, Group, Message, Which, groups, messages};
use crate::report::{bytes, table, thousands, visible};
use clap::Args;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Say what left the clients of a run: every message, every byte.
///
/// Reads the ledger of a run directory: messages that arrived, that came too late, that were refused or got lost. With
/// --client and --round it says in words what that client's messages of the round hold, with their numbers where the run kept
/// them (`run --trace`).
#[derive(Debug, Args)]
pub(crate) struct Egress {
    /// The folder of `run --out`.
    run_dir: PathBuf,
    /// What messages are grouped by; several as in --by kind,round.
    #[arg(long, value_name = "WHAT", value_delimiter = ',', default_value = "kind")]
    by: Vec<By>,
    /// Messages of this client alone.
    #[arg(long, value_name = "N")]
    client: Option<u64>,
    /// Messages of this round alone, counted from 0.
    #[arg(long, value_name = "N")]
    round: Option<u64>,
    /// Print as JSON.
    #[arg(long)]
    json: bool,
}

/// Reads, groups, prints.
pub(crate) fn egress(args: &Egress, parts: &Parts) -> Result<ExitCode, Failure> {
    let mut out = io::stdout().lock();
    if let (Some(client), Some(round)) = (args.client, args.round) {
        let found = messages(&args.run_dir, client, round, parts)?;
        match args.json {
            true => serde_json::to_writer_pretty(&mut out, &found)?,
            false => write!(out, "{}", visible(&described(client, round, &found)))?,
        }
    } else {
        let found = groups(&args.run_dir, Which { client: args.client, round: args.round }, &args.by)?;
        match args.json {
            true => serde_json::to_writer_pretty(&mut out, &found)?,
            false => write!(out, "{}", visible(&grouped(&args.by, &found)))?,
        }
    }
    writeln!(out)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn grouped(by: &[By], groups: &[Group]) -> String {
    let name = |by: &By| match by {
        By::Client => "client",
        By::Kind => "kind",
        By::Round => "round",
        By::Exchange => "exchange",
    };
    let head: Vec<&str> = by.iter().map(name).chain(["messages", "clients", "bytes", "largest"]).collect();
    let figures = |of: Vec<String>, messages, clients, all, largest| {
        let figures = [thousands(messages), thousands(clients), bytes(all), bytes(largest)];
        [of, figures.to_vec()].concat()
    };
    let row = |g: &Group| figures(g.of.clone(), g.messages, g.clients, g.bytes, g.largest);
    let mut rows: Vec<Vec<String>> = groups.iter().map(row).collect();
    if groups.is_empty() {
        return "nothing left the clients".to_owned();
    }
    if groups.len() > 1 {
        let sum = |of: fn(&Group) -> u64| groups.iter().map(of).sum();
        let largest = groups.iter().map(|g| g.largest).max().unwrap_or(0);
        let mut of = vec![String::new(); by.len()];
        of[0] = "all".to_owned();
        let mut all = figures(of, sum(|g| g.messages), 0, sum(|g| g.bytes), largest);
        // A client may be in several groups.
        all[by.len() + 1] = String::new();
        rows.push(all);
    }
    table(&head, &rows)
}

fn described(client: u64, round: u64, found: &[Message]) -> String {
    if found.is_empty() {
        return format!("client {client} sent nothing in round {round}");
    }
    let mut out = String::new();
    for Message { line, holds, content } in found {
        let exchange =
            if line.exchange > 0 { format!(", exchange {}", line.exchange) } else { String::new() };
        let size = bytes(line.bytes);
        let _ = writeln!(out, "client {client}, round {round}{exchange}: {size}, checksum {}", line.checksum);
        for sentence in holds {
            let _ = writeln!(out, "  {sentence}");
        }
        match content {
            None => out.push_str("  Its numbers were not kept (run --trace).\n"),
            Some(c) => {
                let _ = writeln!(
                    out,
                    "  Here: {} training examples, mean loss {:.4}, norm {:.6}",
                    thousands(c.weight),
                    c.loss,
                    c.norm
                );
                for (name, sent, all) in &c.rows {
                    let _ = writeln!(out, "    {name}: {} of {} rows", thousands(*sent), thousands(*all));
                }
            }
        }
    }
    out.truncate(out.trim_end().len());
    out
}
