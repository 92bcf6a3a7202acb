//! Federated algorithms, one file each: the client's half and the server's half together.
//!
//! A new one is a new file that implements [`Algorithm`](sottovoce_core::Algorithm), one `pub mod` line here and
//! one line where configurations name algorithms. Outside the library it needs neither: see the example
//! `fedavgm.rs`.

pub mod fedavg;
pub mod fedprox;

pub use fedavg::FedAvg;
pub use fedprox::FedProx;
