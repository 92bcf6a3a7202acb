//! Everything that passed in a round, kept so that two rounds can be held against each other number by number.

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use sottovoce_core::{Aggregate, ClientId, Exchange, Format, Params, RowBlock, Rows, bytes};
use sottovoce_simulation::Tap;
use sottovoce_simulation::durable::{self, Access};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What passed in one round.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evidence {
    /// The framed message of each client that sent one in the last exchange.
    pub messages: BTreeMap<u64, Vec<u8>>,
    /// What they came to: rows and values; `None` if nobody answered.
    pub aggregate: Option<RowBlock>,
    /// Parameters after the round.
    pub params: Vec<f32>,
}

/// Collects the evidence of a round while it runs.
#[derive(Debug, Default)]
pub struct Collector(Mutex<Evidence>);

impl Collector {
    /// What was collected since the last time, with the parameters that the round ended with.
    pub fn take(&self, params: &Params) -> Evidence {
        let mut evidence = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        evidence.params = params.values().to_vec();
        evidence
    }

    fn with(&self, edit: impl FnOnce(&mut Evidence)) {
        edit(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Tap for Collector {
    fn message(&self, exchange: Exchange, client: ClientId, message: &[u8]) {
        if exchange.is_last() {
            self.with(|e| {
                e.messages.insert(client.0, message.to_vec());
            });
        }
    }
    fn aggregate(&self, exchange: Exchange, aggregate: &Aggregate) {
        if exchange.is_last() {
            self.with(|e| e.aggregate = Some(aggregate.delta.clone()));
        }
    }
}

/// Where the evidence of a round lies in a run directory.
pub fn path(run: &Path, round: u64) -> PathBuf {
    run.join("trace").join(format!("round-{round:06}.safetensors"))
}

impl Evidence {
    /// Writes a safetensors file: `message.CLIENT` (U8), `aggregate.values` (F32), `aggregate.rows` (U32, absent for
    /// all rows), `params` (F32).
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut tensors: Vec<(String, Dtype, Vec<u8>)> = Vec::new();
        for (client, message) in &self.messages {
            tensors.push((format!("message.{client}"), Dtype::U8, message.clone()));
        }
        if let Some(aggregate) = &self.aggregate {
            tensors.push(("aggregate.values".into(), Dtype::F32, bytes::le_bytes(aggregate.values()).into()));
            if let Rows::Some(rows) = aggregate.rows() {
                tensors.push(("aggregate.rows".into(), Dtype::U32, bytes::le_bytes(rows).into()));
            }
        }
        tensors.push(("params".into(), Dtype::F32, bytes::le_bytes(&self.params).into()));
        let views = tensors.iter().map(|(name, kind, content)| {
            let numbers = content.len() / if *kind == Dtype::U8 { 1 } else { 4 };
            let view = TensorView::new(*kind, vec![numbers], content).expect("as many bytes as numbers");
            (name, view)
        });
        let file = safetensors::serialize(views, None).map_err(io::Error::other)?;
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        durable::replace(path, &file, Access::Owner, None)
    }

    /// Reads what [`Evidence::write`] wrote.
    pub fn read(path: &Path, format: &Format) -> io::Result<Self> {
        let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
        let file = fs::read(path)?;
        let tensors = SafeTensors::deserialize(&file).map_err(|e| invalid(e.to_string()))?;
        let mut evidence = Self::default();
        for (name, view) in tensors.iter() {
            if let Some(client) = name.strip_prefix("message.") {
                let client = client.parse().map_err(|_| invalid(format!("tensor {name}: not a client")))?;
                evidence.messages.insert(client, view.data().to_vec());
            }
        }
        if let Ok(values) = tensors.tensor("aggregate.values") {
            let rows = tensors.tensor("aggregate.rows").ok();
            let rows = rows.map_or(Rows::All, |r| Rows::Some(bytes::u32s(r.data()).collect()));
            let block = RowBlock::new(format.message().clone(), rows, bytes::f32s(values.data()).collect());
            evidence.aggregate = Some(block.map_err(|e| invalid(e.to_string()))?);
        }
        let params = tensors.tensor("params").map_err(|e| invalid(e.to_string()))?;
        evidence.params = bytes::f32s(params.data()).collect();
        if evidence.params.len() != format.model().params() {
            return Err(invalid("has another number of parameters than the run's model".to_owned()));
        }
        Ok(evidence)
    }
}
