//! Any text as a lock, sealed and not: an error, or a lock that is written as it was read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sottovoce::core::Digest;
use sottovoce::experiment::Lock;
use std::path::Path;

fuzz_target!(|text: &str| {
    let sealed = format!("{text}\n[seal]\nblake3 = \"{}\"\n", Digest::of(text.replace('\r', "").as_bytes()));
    for content in [text, &sealed] {
        match Lock::parse(content.as_bytes(), Path::new("run.lock")) {
            Ok(lock) => {
                let again = Lock::parse(lock.to_toml().as_bytes(), Path::new("run.lock"));
                assert_eq!(again.expect("what was written can be read"), lock);
            }
            Err(e) => {
                let _ = format!("{e}");
            }
        }
    }
});
