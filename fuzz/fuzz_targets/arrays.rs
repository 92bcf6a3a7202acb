//! Any bytes as a file of updates: rows of one length or an error, and no memory beyond what the file holds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sottovoce::arrays::{self, Any, Select};
use std::fs;

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a folder can be made");
    for name in ["u.npy", "u.safetensors"] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("a file can be written");
        let lengths: Vec<usize> = match arrays::open(&[path], &Select::default()) {
            Ok(Any::F32(updates)) => updates.rows().iter().map(|row| row.len()).collect(),
            Ok(Any::F64(updates)) => updates.rows().iter().map(|row| row.len()).collect(),
            Err(e) => {
                let _ = format!("{e}");
                continue;
            }
        };
        // The narrowest number of a file is a byte.
        let numbers: usize = lengths.iter().sum();
        assert!(lengths.windows(2).all(|two| two[0] == two[1]), "rows of one length");
        assert!(
            lengths.len() <= bytes.len() && numbers <= bytes.len(),
            "{numbers} numbers in {} bytes",
            bytes.len()
        );
    }
});
