//! Federated algorithms, one file each: the client's half and the server's half together.
//!
//! A new one is a new file that implements [`Algorithm`](sottovoce_core::Algorithm) and one line in the list below, which
//! is all that configurations, `sottovoce list` and the laws of the tests know algorithms from. Outside the library it
//! needs neither: see the example `my_paper.rs`.

pub mod prelude;
mod registry;

pub use registry::{AlgorithmConfig, Visitor};

registry::algorithms! {
    "fedavg" => fedavg::FedAvg,
    "fedavgm" => fedavgm::FedAvgM,
    "fedbuff" => fedbuff::FedBuff,
    "fedasync" => fedasync::FedAsync,
    "fedprox" => fedprox::FedProx,
    "fedopt" => fedopt::FedOpt,
    "scaffold" => scaffold::Scaffold,
    "fednova" => fednova::FedNova,
    "feddyn" => feddyn::FedDyn,
    "qfedavg" => qfedavg::QFedAvg,
    "afl" => afl::Afl,
    "mime" => mime::Mime,
    "moon" => moon::Moon,
    "ifca" => ifca::Ifca,
    "hierarchical" => hierarchical::Hierarchical,
    "ditto" => ditto::Ditto,
    "fedper" => fedper::FedPer,
    "fedrep" => fedrep::FedRep,
    "apfl" => apfl::Apfl,
    "fine_tuning" => fine_tuning::FineTuning,
}
