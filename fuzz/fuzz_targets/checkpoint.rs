//! Any bytes as a checkpoint: an error. (A checkpoint ends in a digest, so the bytes are sealed first.)
#![no_main]

use libfuzzer_sys::fuzz_target;
use sottovoce::core::{Digest, Layout};
use sottovoce::simulation::Checkpoint;
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    let layout = Layout::new(&[("weight", 3, 2)]).expect("a layout");
    let sealed = [bytes, &Digest::of(bytes).0].concat();
    for all in [bytes, &sealed] {
        if let Err(e) = Checkpoint::from_bytes(all, Path::new("c"), None, &layout, 1 << 10) {
            let _ = format!("{e}");
        }
    }
});
