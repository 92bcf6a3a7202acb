//! Federated algorithms, one file each: the client's half and the server's half together.
//!
//! A new one is a new file that implements [`Algorithm`](sottovoce_core::Algorithm), its `pub mod` line, and one line
//! in the list below, which is all that configurations, `sottovoce list` and the laws of the tests know algorithms
//! from. Outside the library it needs neither: see the example `my_paper.rs`.

#![forbid(unsafe_code)]

pub mod afl;
pub mod apfl;
pub mod ditto;
pub mod fedasync;
pub mod fedavg;
pub mod fedavgm;
pub mod fedbuff;
pub mod feddyn;
pub mod fedlin;
pub mod fednova;
pub mod fedopt;
pub mod fedper;
pub mod fedprox;
pub mod fedrep;
pub mod fine_tuning;
pub mod hierarchical;
pub mod ifca;
pub mod mime;
pub mod mimelite;
pub mod moon;
pub mod prelude;
pub mod qfedavg;
mod registry;
pub mod scaffold;

pub use registry::AlgorithmConfig;

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
    "fedlin" => fedlin::FedLin,
    "mime" => mime::Mime,
    "mimelite" => mimelite::MimeLite,
    "moon" => moon::Moon,
    "ifca" => ifca::Ifca,
    "hierarchical" => hierarchical::Hierarchical,
    "ditto" => ditto::Ditto,
    "fedper" => fedper::FedPer,
    "fedrep" => fedrep::FedRep,
    "apfl" => apfl::Apfl,
    "fine_tuning" => fine_tuning::FineTuning,
}
