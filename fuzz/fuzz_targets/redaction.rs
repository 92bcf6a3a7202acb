//! Any text: masking twice changes nothing, spans lie on characters and in order, and a masked text has fewer digits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sottovoce_transcripts::deident::{Policy, Redactor};
use std::sync::LazyLock;

static REDACTOR: LazyLock<Redactor> = LazyLock::new(|| Redactor::new(Policy::default()));

fuzz_target!(|text: &str| {
    let once = REDACTOR.redact(text);
    let mut end = 0;
    for span in &once.spans {
        assert!(end <= span.start && span.start < span.end && span.end <= text.len());
        assert!(text.is_char_boundary(span.start) && text.is_char_boundary(span.end));
        end = span.end;
    }
    let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).count();
    assert!(digits(&once.text) <= digits(text));
    assert_eq!(REDACTOR.redact(&once.text).text, once.text, "masking twice");
});
