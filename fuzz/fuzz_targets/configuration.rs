//! Any text as a configuration, and any text as an override of the quickstart: an error that can be shown, or a
//! configuration that survives being written out.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sottovoce::config;

const QUICKSTART: &str = include_str!("../../examples/quickstart.toml");

fuzz_target!(|text: &str| {
    for name in ["fuzz.toml", "fuzz.data"] {
        match config::parse(name, text, &[]) {
            Ok(config) => {
                let again =
                    config::parse(name, &config.to_toml(), &[]).expect("what was written can be read");
                assert_eq!(config.digest(), again.digest());
            }
            Err(e) => {
                let _ = format!("{e}");
            }
        }
    }
    let overrides: Vec<String> = text.lines().take(8).map(str::to_owned).collect();
    if let Err(e) = config::parse("quickstart.toml", QUICKSTART, &overrides) {
        let _ = format!("{e}");
    }
});
