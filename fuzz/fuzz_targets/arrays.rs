//! Any bytes as a file of updates: rows of one length or an error, and no memory beyond what the file holds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sottovoce::arrays::{self, Any};
use std::fs;

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a folder can be made");
    for name in ["u.npy", "u.safetensors"] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("a file can be written");
        let numbers = match arrays::open(&[path]) {
            Ok(Any::F32(updates)) => 4 * updates.rows().iter().map(|row| row.len()).sum::<usize>(),
            Ok(Any::F64(updates)) => 8 * updates.rows().iter().map(|row| row.len()).sum::<usize>(),
            Err(e) => {
                let _ = format!("{e}");
                0
            }
        };
        assert!(numbers <= bytes.len(), "{numbers} bytes of numbers in a file of {}", bytes.len());
    }
});
