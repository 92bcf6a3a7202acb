//! Any bytes as a checkpoint: an error, or one that is read as it was written. (A checkpoint ends in a digest, so the
//! bytes are also sealed first.)
#![no_main]

use libfuzzer_sys::fuzz_target;
use sottovoce_core::{Digest, Layout};
use sottovoce_simulation::Checkpoint;
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    let layout = Layout::new(&[("weight", 3, 2)]).expect("a layout");
    let read = |all: &[u8]| Checkpoint::from_bytes(all, Path::new("c"), None, &layout, 1 << 10);
    let written = |Checkpoint { standing, state, server }: &Checkpoint| {
        let mut all = Vec::new();
        standing.write_to(state, server, &mut all).expect("memory can be written to");
        all
    };
    let sealed = [bytes, &Digest::of(bytes).0].concat();
    for all in [bytes, &sealed] {
        match read(all) {
            // Not held against the bytes, which may have clients in another order.
            Ok(checkpoint) => {
                let once = written(&checkpoint);
                let again = read(&once).expect("what was written can be read");
                assert!(written(&again) == once, "written as it was read");
            }
            Err(e) => _ = format!("{e}"),
        }
    }
});
