//! Clients' updates as files: NumPy arrays and safetensors, mapped into memory and read where they lie. Beside them,
//! vectors for clients to learn from: [`Matrix`].
//!
//! [`open`] looks at names and headers and gives [`Updates`], whose rows a rule can take; [`Updates::write`] puts a
//! result beside them as a file of the same kind.
//!
//! Lengths in headers are held against the file before anything follows from them; what is copied is what cannot be
//! read in place (numbers that are not aligned, Fortran order, tensors in another order than the first file's), and
//! [`Updates::copies`] says so.

mod error;
mod matrix;
mod npy;
mod number;
mod source;
mod tensors;
mod updates;
mod vector;
mod write;

pub use error::{ArrayError, Fault};
pub use matrix::Matrix;
pub use number::{Dtype, Number};
pub use updates::{Any, Place, Updates, open};
pub use vector::vector;
pub use write::partial;
