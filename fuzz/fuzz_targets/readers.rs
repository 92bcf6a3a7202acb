//! Any bytes as a file of every format, and as what they look like: rows, rejected rows or an error, and never a text in
//! what is said about them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sottovoce_transcripts::readers::{self, Format, Source};
use std::ops::ControlFlow;

fuzz_target!(|bytes: &[u8]| {
    let formats = [
        None,
        Some(Format::JsonLines),
        Some(Format::Csv),
        Some(Format::Tsv),
        Some(Format::Clinc150),
        Some(Format::Banking77),
        Some(Format::Multidogo),
        Some(Format::Crosswoz),
        Some(Format::Sgd),
        Some(Format::Abcd),
    ];
    for format in formats {
        let mut source = Source::new(["fuzz"]);
        source.format = format;
        source.max_row_bytes = 1 << 12;
        let mut seen = 0u64;
        let read = readers::read_stream(&source, "train.data", bytes, &mut |transcript| {
            assert!(transcript.customer_text().any(|text| !text.trim().is_empty()));
            assert!(!transcript.intent.trim().is_empty());
            seen += 1;
            ControlFlow::Continue(())
        });
        match read {
            Ok(report) => assert_eq!(report.accepted, seen),
            Err(e) => {
                let _ = format!("{e}");
            }
        }
    }
});
