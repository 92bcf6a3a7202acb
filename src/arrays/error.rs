//! Why files are no updates.

use super::source::STANDARD;
use super::{Dtype, Stored};
use std::io;
use std::path::{Path, PathBuf};

/// Why updates cannot be had from files, or not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArrayError {
    /// The system refuses.
    #[error("{}: {source}", shown(path))]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file that is not what its name says, or not of use here.
    #[error("{}: {fault}", shown(path))]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: Fault,
    },
    /// No file was named, or a folder has none.
    #[error("no input files; name .npy, .npz or .safetensors files, or a folder of them")]
    NoInput,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// No kind of file that is read, by its name.
    #[error(
        "is not .npy, .npz or .safetensors by its name; safetensors.torch.save_file writes a state dict of PyTorch"
    )]
    Kind,
    /// No kind of file that is read, by its first bytes.
    #[error("does not begin as .npy, .npz or .safetensors files do")]
    Unknown,
    /// Standard input, twice.
    #[error("can be an input once")]
    Twice,
    /// Inputs of two kinds, or an output of another kind than its inputs.
    #[error("the inputs are {expected} files, so this name should end in {expected}")]
    OtherKind {
        /// Ending of the first input.
        expected: &'static str,
    },
    /// A folder, pipe or device.
    #[error("is not a regular file")]
    NotAFile,
    /// It does not begin as its kind begins.
    #[error("does not begin as a .npy file does")]
    Magic,
    /// A version of the format that came later.
    #[error("is of version {major}.{minor} of the npy format; 1.0, 2.0 and 3.0 are read")]
    Version {
        /// First number.
        major: u8,
        /// Second number.
        minor: u8,
    },
    /// The file ends inside its header.
    #[error("ends inside its header, of which it claims {claimed} bytes")]
    Truncated {
        /// Bytes that the header claims to have.
        claimed: u64,
    },
    /// A header that does not say what it must.
    #[error("header, byte {at}: {expected} expected")]
    Header {
        /// Place in the header.
        at: usize,
        /// What would do.
        expected: &'static str,
    },
    /// A header of safetensors that its own reader refuses.
    #[error("header: {what}")]
    Index {
        /// What the reader says.
        what: String,
    },
    /// Numbers of a type that is not read.
    #[error("{}holds {found}, which is not read; floating-point numbers of 16, 32 and 64 bits are averaged{}", of(tensor), if tensor.is_some() { ", and --exclude leaves a tensor out" } else { "" })]
    Type {
        /// The tensor, in a file of several.
        tensor: Option<String>,
        /// The type as the file calls it.
        found: String,
    },
    /// Most significant byte first.
    #[error("holds big-endian numbers ({found}); little-endian f32 and f64 are read")]
    BigEndian {
        /// The type as the file calls it.
        found: String,
    },
    /// More numbers than can be counted.
    #[error("claims a shape of more bytes than can be addressed")]
    Overflow,
    /// Another number of bytes than the header promises.
    #[error("its header promises {expected} bytes of numbers, the file has {got}")]
    Length {
        /// From the header.
        expected: u64,
        /// In the file.
        got: u64,
    },
    /// No numbers at all.
    #[error("holds no numbers")]
    Empty,
    /// One array that is no matrix of updates.
    #[error("has {dims} dimensions; a single array of updates has two, clients and parameters")]
    Dimensions {
        /// How many it has.
        dims: usize,
    },
    /// An array that is no list of vectors.
    #[error("has {dims} dimensions; vectors have two, rows and columns")]
    NoVectors {
        /// How many it has.
        dims: usize,
    },
    /// Vectors of another type or order.
    #[error("holds {found}; vectors are f32, row by row")]
    Rows32 {
        /// What it holds.
        found: String,
    },
    /// A list of numbers that is none.
    #[error("has {dims} dimensions; a list of numbers has one")]
    NotAList {
        /// How many it has.
        dims: usize,
    },
    /// An array of integers or truth values.
    #[error("holds {found}; integers and truth values are not averaged, only floating-point numbers are")]
    IntegerArray {
        /// What it holds.
        found: Stored,
    },
    /// A tensor of integers or truth values.
    #[error(
        "tensor {tensor} holds {found}, which is not averaged; --integers first or max keeps such tensors, --integers skip leaves them out"
    )]
    Integers {
        /// Its name.
        tensor: String,
        /// What it holds.
        found: Stored,
    },
    /// Another type of number than the first file's.
    #[error("{}holds {got}, {}the first file {expected}; all need the same type", of(tensor), if tensor.is_some() { "in " } else { "" })]
    OtherType {
        /// The tensor, in a file of several.
        tensor: Option<String>,
        /// In the first file.
        expected: Stored,
        /// In this one.
        got: Stored,
    },
    /// Patterns for files whose arrays have no names.
    #[error("its array has no name; --only and --exclude are for .npz and .safetensors files")]
    NoNames,
    /// A pattern that matches no name.
    #[error("{option} {pattern} matches no tensor; {hint}")]
    NoMatch {
        /// Where it was given.
        option: &'static str,
        /// As it was written.
        pattern: String,
        /// What may have been meant, or what there is.
        hint: String,
    },
    /// Nothing to average among the tensors that count.
    #[error("has no tensor of floating-point numbers but those that are left out")]
    NothingLeft,
    /// An archive that cannot be read.
    #[error("is no archive of arrays that can be read: {what}")]
    Archive {
        /// What the reader says.
        what: String,
    },
    /// An entry of an archive that is no array.
    #[error("its entry {entry} is no .npy array")]
    NoArray {
        /// Its name.
        entry: String,
    },
    /// A size that no compressed bytes can have.
    #[error("array {tensor} claims {claimed} bytes, more than its {packed} in the archive can become")]
    Claims {
        /// Its name.
        tensor: String,
        /// Bytes that it claims to have.
        claimed: u64,
        /// Bytes that it has in the archive.
        packed: u64,
    },
    /// What is wrong with an array of an archive.
    #[error("array {tensor}: {fault}")]
    Within {
        /// Its name.
        tensor: String,
        /// What is wrong with it.
        fault: Box<Self>,
    },
    /// More than the machine has.
    #[error("needs {needed} bytes of memory, {available} are left")]
    Memory {
        /// Bytes that are needed.
        needed: u64,
        /// Bytes that are left.
        available: u64,
    },
    /// Another shape than the first file's.
    #[error("has shape {got:?}, the first file {expected:?}; all need the same shape")]
    OtherShape {
        /// Of the first file.
        expected: Vec<usize>,
        /// Of this one.
        got: Vec<usize>,
    },
    /// A tensor that the first file has, or has not.
    #[error("tensor {tensor} is {}; all files need the same tensors", if *missing { "missing" } else { "not in the first file" })]
    OtherTensors {
        /// Its name.
        tensor: String,
        /// Here, or in the first file.
        missing: bool,
    },
    /// A tensor of another shape than in the first file.
    #[error("tensor {tensor} has shape {got:?}, in the first file {expected:?}")]
    TensorShape {
        /// Its name.
        tensor: String,
        /// In the first file.
        expected: Vec<usize>,
        /// In this one.
        got: Vec<usize>,
    },
    /// Tensors to be averaged in two types in one file.
    #[error("tensor {tensor} holds {got}, tensors before it {expected}; all need the same type")]
    MixedTypes {
        /// Its name.
        tensor: String,
        /// Of the tensors before it.
        expected: Dtype,
        /// Of this one.
        got: Dtype,
    },
    /// A result that would take the place of an input.
    #[error("is one of the inputs; write to another file")]
    IsInput,
    /// Rows of a matrix, where the kind of file holds one update.
    #[error(
        "wrappers alone give many rows, and files of {ending} hold one update; end the recipe with a rule"
    )]
    Rows {
        /// The kind of file.
        ending: &'static str,
    },
}

impl ArrayError {
    /// Whether naming other files would help, and not another machine.
    pub fn is_input(&self) -> bool {
        use io::ErrorKind as K;
        let of_the_caller =
            [K::NotFound, K::PermissionDenied, K::NotADirectory, K::IsADirectory, K::InvalidInput];
        match self {
            Self::Io { source, .. } => of_the_caller.contains(&source.kind()),
            Self::File { .. } | Self::NoInput => true,
        }
    }
}

/// A file's name; that of standard input in words.
pub(super) fn shown(path: &Path) -> String {
    if path.as_os_str() == STANDARD { "standard input".to_owned() } else { path.display().to_string() }
}

/// A tensor before what it does.
fn of(tensor: &Option<String>) -> String {
    tensor.as_ref().map(|t| format!("tensor {t} ")).unwrap_or_default()
}
