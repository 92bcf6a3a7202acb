//! De-identification on public corpora, found through `SOTTOVOCE_DATA`: recall by upstream label, and texts
//! touched where there should be nothing to find. Figures go to stderr; without the variable the tests say so
//! and pass.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use sottovoce_transcripts::deident::{Detector, Span};

fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("stderr is open");
}

fn data() -> Option<PathBuf> {
    let found = std::env::var_os("SOTTOVOCE_DATA").map(PathBuf::from);
    if found.is_none() {
        say("skipped: SOTTOVOCE_DATA is not set");
    }
    found
}

fn lines(data: &std::path::Path, file: &str) -> Vec<serde_json::Value> {
    let packed = std::fs::File::open(data.join(file)).expect("a data file of the published layout");
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).expect("a whole gzip file of UTF-8");
    text.lines().map(|l| serde_json::from_str(l).expect("a line of JSON")).collect()
}

fn text_of(line: &serde_json::Value) -> &str {
    line["text"].as_str().expect("a text")
}

/// Labelled pieces of a line in bytes; the files count characters.
fn labelled(line: &serde_json::Value) -> Vec<(usize, usize, String)> {
    let text = text_of(line);
    let at: Vec<usize> = text.char_indices().map(|(i, _)| i).chain([text.len()]).collect();
    let offset = |v: &serde_json::Value| at[v.as_u64().expect("an offset") as usize];
    line["spans"]
        .as_array()
        .expect("a list of spans")
        .iter()
        .map(|s| (offset(&s["start"]), offset(&s["end"]), s["label"].as_str().expect("a label").to_owned()))
        .collect()
}

/// By label: spans, of these found exactly, of these covered whole by what was found, whatever its kind.
fn recall(detector: &Detector, lines: &[serde_json::Value]) -> BTreeMap<String, [usize; 3]> {
    let mut by_label: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    for line in lines {
        let found: Vec<Span> = detector.detect(text_of(line));
        for (start, end, label) in labelled(line) {
            let counts = by_label.entry(label).or_default();
            counts[0] += 1;
            counts[1] += usize::from(found.iter().any(|f| (f.start, f.end) == (start, end)));
            counts[2] += usize::from(found.iter().any(|f| f.start <= start && end <= f.end));
        }
    }
    by_label
}

fn report(name: &str, by_label: &BTreeMap<String, [usize; 3]>, labels: &[&str]) {
    say(&format!("{name}: label, spans, exact, covered"));
    for label in labels {
        let [all, exact, covered] = by_label.get(*label).copied().unwrap_or_default();
        let share = |n: usize| n as f64 / all.max(1) as f64;
        say(&format!("  {label:<28} {all:>5} {:>6.3} {:>6.3}", share(exact), share(covered)));
    }
}

#[test]
fn recall_on_labelled_corpora() {
    let Some(data) = data() else { return };
    let detector = Detector::new();

    let by_label = recall(&detector, &lines(&data, "crosswoz_zh/phone_spans.jsonl.gz"));
    report("crosswoz_zh", &by_label, &["PHONE"]);
    let [all, exact, _] = by_label["PHONE"];
    assert!(exact * 100 >= all * 90, "{exact} of {all}");

    let by_label = recall(&detector, &lines(&data, "pii_presidio/test.jsonl.gz"));
    report(
        "pii_presidio",
        &by_label,
        &[
            "CREDIT_CARD",
            "EMAIL_ADDRESS",
            "IBAN_CODE",
            "IP_ADDRESS",
            "US_SSN",
            "DOMAIN_NAME",
            "PHONE_NUMBER",
            "PERSON",
            "STREET_ADDRESS",
        ],
    );
    for label in ["EMAIL_ADDRESS", "IBAN_CODE", "IP_ADDRESS"] {
        let [all, exact, _] = by_label[label];
        assert!(exact * 100 >= all * 95, "{label}: {exact} of {all}");
    }

    let by_label = recall(&detector, &lines(&data, "multidogo/slot_spans.jsonl.gz"));
    report(
        "multidogo",
        &by_label,
        &[
            "name",
            "email_address",
            "phonenumber",
            "phone_number",
            "card_number",
            "address",
            "ssn",
            "order_number",
            "account_number",
        ],
    );
}

#[test]
fn texts_without_identifiers_stay_as_they_are() {
    let Some(data) = data() else { return };
    let detector = Detector::new();
    for (name, files) in [
        ("banking77", &["banking77/train.jsonl.gz", "banking77/test.jsonl.gz"][..]),
        (
            "massive_zh",
            &["massive_zh/train.jsonl.gz", "massive_zh/validation.jsonl.gz", "massive_zh/test.jsonl.gz"],
        ),
    ] {
        let (mut texts, mut touched) = (0, 0);
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for file in files {
            for line in lines(&data, file) {
                let found = detector.detect(text_of(&line));
                texts += 1;
                touched += usize::from(!found.is_empty());
                for f in &found {
                    *kinds.entry(f.kind.name()).or_default() += 1;
                }
            }
        }
        say(&format!("{name}: {touched} of {texts} texts touched {kinds:?}"));
        assert!(touched * 100 < texts, "{name}: {touched} of {texts}");
    }
}
