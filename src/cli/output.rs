//! The table at the end of a run.

use crate::experiment::{Ended, Summary};
use crate::report::{bytes, duration, percent, table, thousands};
use std::fmt::Write;
use std::path::Path;

/// What was learned, how evenly, and at what cost.
pub(crate) fn summary(s: &Summary, kept: Option<&Path>) -> String {
    let mut out = String::new();
    let mut how = match s.ended {
        Ended::Completed => "",
        Ended::StoppedEarly => " (stopped early)",
        Ended::Interrupted => " (interrupted)",
    }
    .to_owned();
    if let Some(rounds) = s.model_rounds {
        let _ = write!(how, ", the model of round {} (best on the validation split)", thousands(rounds));
    }
    let line = format!(
        "{}: {} rounds{how}, {} clients, {} training and {} test transcripts, {} intents, {} parameters",
        s.name,
        thousands(s.rounds),
        thousands(s.clients),
        thousands(s.train_examples),
        thousands(s.test_examples),
        thousands(s.intents),
        thousands(s.parameters),
    );
    let _ = writeln!(out, "{line}\n");

    let figures = |name: &str, accuracy, macro_f1, ece| {
        vec![name.to_owned(), percent(accuracy), percent(macro_f1), percent(ece)]
    };
    let mut rows = Vec::new();
    if let Some(b) = s.baselines.centralised {
        rows.push(figures("centralised", b.accuracy, b.macro_f1, b.ece));
    }
    rows.push(figures("federated", s.accuracy, s.macro_f1, s.ece));
    if let Some(b) = s.baselines.local_only {
        let name = format!("local only, mean of {}", thousands(b.models));
        rows.push(figures(&name, b.accuracy, b.macro_f1, b.ece));
    }
    for (groups, what) in [(&s.languages, "language"), (&s.domains, "domain")] {
        if groups.len() > 1 && groups.len() <= 20 {
            rows.extend(
                groups
                    .iter()
                    .map(|(name, e)| figures(&format!("  {what} {name}"), e.accuracy, e.macro_f1, e.ece)),
            );
        }
    }
    let _ = writeln!(out, "{}\n", table(&["on the test split", "accuracy", "macro-F1", "ECE"], &rows));

    if let Some(o) = s.out_of_scope {
        let central = s.baselines.centralised.and_then(|b| b.in_scope_accuracy);
        let central = central.map(|a| format!(" (centralised {})", percent(a))).unwrap_or_default();
        let (recall, accuracy) = (percent(o.recall), percent(o.in_scope_accuracy));
        let _ = writeln!(out, "in scope      accuracy {accuracy}{central}, out-of-scope recall {recall}");
    }
    let clients = [("over clients ", s.over_clients), ("own models   ", s.personal)];
    for (what, o) in clients.into_iter().filter_map(|(what, o)| Some((what, o?))) {
        let _ = writeln!(
            out,
            "{what} mean {}, 10th percentile {}, worst {}, spread {} ({} with held-out transcripts)",
            percent(o.mean),
            percent(o.p10),
            percent(o.worst),
            percent(o.spread),
            thousands(o.clients),
        );
    }
    if s.skipped > 0 {
        let _ = writeln!(
            out,
            "no step       {} rounds: the rule of aggregation got too few answers (aggregation.too_few)",
            thousands(s.skipped)
        );
    }
    let _ = writeln!(
        out,
        "traffic       {} up, {} down; {} answers refused, {} clients without an answer",
        bytes(s.bytes_up),
        bytes(s.bytes_down),
        thousands(s.rejected),
        thousands(s.dropped),
    );
    if let Some(seconds) = s.virtual_seconds {
        let (time, stale) = (duration(seconds), thousands(s.stale));
        let _ = writeln!(out, "virtual time  {time}; {stale} answers were stale");
    }
    for r in &s.targets {
        let (accuracy, rounds) = (percent(r.accuracy), thousands(r.rounds));
        let (up, down) = (bytes(r.bytes_up), bytes(r.bytes_down));
        let time =
            r.virtual_seconds.map(|s| format!(", {} of virtual time", duration(s))).unwrap_or_default();
        let _ = writeln!(out, "reached       {accuracy} after {rounds} rounds, {up} up, {down} down{time}");
    }
    let _ = writeln!(
        out,
        "cost          {:.1} s, {} clients a second in rounds, {} of memory",
        s.wall_seconds,
        thousands(s.clients_per_second as u64),
        bytes(s.peak_rss_bytes),
    );
    let _ = writeln!(out, "digest        {}", s.digest);
    let _ = writeln!(out, "chain         {}", s.chain);
    if let Some(path) = kept {
        let _ = writeln!(out, "kept in       {}", path.display());
    }
    out
}
