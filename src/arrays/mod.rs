//! Clients' updates as files: NumPy arrays, archives of them, and safetensors, mapped into memory and read where they
//! lie. Beside them, vectors for clients to learn from: [`Matrix`].
//!
//! [`open`] looks at names and headers and gives [`Updates`], whose rows a rule can take; [`Updates::write`] puts a
//! result beside them as a file of the same kind.
//!
//! Lengths in headers are held against the file before anything follows from them; what is copied is what cannot be
//! read in place (numbers that are not aligned, of 16 bits or big-endian, in Fortran order or an archive, tensors in another order than
//! the first file's or apart), and [`Updates::copies`] says so.

mod error;
mod kind;
mod layout;
mod matrix;
mod natural;
mod npy;
mod npz;
mod number;
mod open;
mod select;
mod source;
mod stored;
mod tensor;
mod tensors;
mod updates;
mod vector;
mod write;

pub use error::{ArrayError, Fault};
pub use matrix::Matrix;
pub use number::{Dtype, Number};
pub use open::open;
pub use select::{Integers, Select};
pub use stored::Stored;
pub use updates::{Any, Place, Updates};
pub use vector::vector;
pub use write::partial;
