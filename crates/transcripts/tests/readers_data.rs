//! Readers against the released data sets, found through SOTTOVOCE_DATA; skipped without it.

use sottovoce_transcripts::readers::{Format, Reason, Source, Unit, read};
use sottovoce_transcripts::{Split, Transcript};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

fn data(parts: &[&str]) -> Option<Vec<PathBuf>> {
    let Ok(root) = std::env::var("SOTTOVOCE_DATA") else {
        let _ = writeln!(std::io::stderr(), "skipped: SOTTOVOCE_DATA does not name the data sets");
        return None;
    };
    Some(parts.iter().map(|p| PathBuf::from(&root).join(p)).collect())
}

fn all(source: &Source) -> (Vec<Transcript>, sottovoce_transcripts::readers::ReadReport) {
    let mut got = Vec::new();
    let report = read(source, &mut |t| {
        got.push(t);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(report.accepted, got.len() as u64);
    (got, report)
}

fn of_split(got: &[Transcript], split: Split) -> usize {
    got.iter().filter(|t| t.split == split).count()
}

/// What two readings of the same data must share: all but the id.
fn content(got: &[Transcript]) -> Vec<String> {
    got.iter().map(|t| format!("{:?}", Transcript { id: String::new(), ..t.clone() })).collect()
}

#[test]
fn converted_sets_have_their_published_counts() {
    let sets = [
        ("banking77", [10_003, 0, 3_080], 77),
        ("bitext_customer_service", [6_480, 810, 810], 27),
        ("clinc150", [15_100, 3_100, 5_500], 151),
        ("crosswoz_zh", [3_683, 530, 4_215], 15),
        ("dstc11_intents", [1_862, 0, 588], 71),
        ("goemotions_ekman", [39_555, 4_946, 4_968], 7),
        ("massive_zh", [11_514, 2_033, 2_974], 60),
        ("multidogo", [81_279, 11_529, 23_216], 50),
        ("sgd", [26_481, 4_639, 6_470], 46),
    ];
    for (name, counts, labels) in sets {
        let Some(paths) = data(&[name]) else { return };
        let (got, report) = all(&Source { strict: true, ..Source::new(paths) });
        assert_eq!(
            [Split::Train, Split::Validation, Split::Test].map(|s| of_split(&got, s)),
            counts,
            "{name}"
        );
        let mut intents: Vec<_> = got.iter().map(|t| t.intent.as_str()).collect();
        intents.sort_unstable();
        intents.dedup();
        assert_eq!(intents.len(), labels, "{name}");
        let mut ids: Vec<_> = got.iter().map(|t| t.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), got.len(), "{name}: ids are not unique");
        assert!(report.files.iter().all(|f| f.digest.len() == 64 && f.formats == [Format::JsonLines]));
    }
}

#[test]
fn converted_dialogues_have_their_published_counts() {
    for (name, counts) in [("crosswoz_zh", [440, 60, 500]), ("sgd", [12_174, 2_098, 2_921])] {
        let Some(paths) = data(&[name]) else { return };
        let (got, _) = all(&Source { unit: Unit::Dialogue, strict: true, ..Source::new(paths) });
        assert_eq!(
            [Split::Train, Split::Validation, Split::Test].map(|s| of_split(&got, s)),
            counts,
            "{name}"
        );
    }
    let Some(paths) = data(&["multidogo"]) else { return };
    let (got, report) = all(&Source { unit: Unit::Dialogue, ..Source::new(paths) });
    assert_eq!((got.len(), report.reasons[&Reason::MissingLabel]), (14_147 - 1_310, 1_310));
    // The turns inside the conversations are the labelled utterances.
    let Some(paths) = data(&["crosswoz_zh/transcripts_train.jsonl.gz", "crosswoz_zh"]) else { return };
    let (from_turns, report) = all(&Source::new([paths[0].clone()]));
    assert_eq!((from_turns.len(), report.unlabelled), (3_683, 3_698 - 3_683));
}

#[test]
fn native_tables_equal_the_converted() {
    let Some(paths) = data(&["native/banking77", "banking77"]) else { return };
    let [native, converted] = [&paths[0], &paths[1]].map(|p| all(&Source::new([p.clone()])));
    assert_eq!(content(&native.0), content(&converted.0));
    assert_eq!(native.1.files[0].formats, [Format::Banking77]);

    let Some(native) = data(&["native/multidogo/finance", "native/multidogo/insurance"]) else { return };
    let Some(converted) = data(&["multidogo"]) else { return };
    let (mut native, report) = all(&Source::new(native));
    let (mut converted, _) = all(&Source::new(converted));
    converted.retain(|t| matches!(t.domain.as_deref(), Some("finance" | "insurance")));
    assert_eq!(native.len(), 2_167 + 4_361 + 15_203 + 1_975 + 3_941 + 13_795);
    for set in [&mut native, &mut converted] {
        set.sort_by(|a, b| (a.split, &a.domain).cmp(&(b.split, &b.domain)));
    }
    assert_eq!(content(&native), content(&converted));
    // Rows that the conversion skipped too, by an independent count.
    assert_eq!(report.reasons[&Reason::EmptyText], 10 + 3 + 7);
    assert_eq!(report.reasons[&Reason::WrongColumns], 12 + 7 + 3);
    assert_eq!(report.rejected_total(), 42);
    let Some(paths) = data(&["native/multidogo/finance"]) else { return };
    let (whole, report) = all(&Source { unit: Unit::Dialogue, ..Source::new(paths) });
    assert_eq!(whole.len() as u64 + report.unlabelled, 240 + 482 + 1_684);

    let Some(paths) =
        data(&["native/massive_zh/amazon_massive_intent_zh-CN_test.csv", "massive_zh/test.jsonl.gz"])
    else {
        return;
    };
    let columns = serde_json::from_str(r#"{"intent": "label_text"}"#).unwrap();
    let zh = Some(sottovoce_transcripts::Language::ZH);
    let (native, _) = all(&Source { columns, language: zh, ..Source::new([paths[0].clone()]) });
    let (converted, _) = all(&Source::new([paths[1].clone()]));
    let rows = |set: &[Transcript]| {
        set.iter().map(|t| (t.id.clone(), t.turns.clone(), t.intent.clone())).collect::<Vec<_>>()
    };
    assert_eq!(rows(&native), rows(&converted));
}

#[test]
fn native_documents_equal_the_converted() {
    let Some(paths) = data(&["native/clinc150/data_full.json", "clinc150"]) else { return };
    let [(mut native, report), (mut converted, _)] =
        [&paths[0], &paths[1]].map(|p| all(&Source { strict: true, ..Source::new([p.clone()]) }));
    assert_eq!(report.files[0].formats, [Format::Clinc150]);
    // The file has its lists in another order.
    for set in [&mut native, &mut converted] {
        set.sort_by_key(|t| (t.split, t.intent == "oos"));
    }
    assert_eq!(content(&native), content(&converted));

    let Some(paths) = data(&["native/crosswoz_zh/val.json.zip", "native/crosswoz_zh/test.json.zip"]) else {
        return;
    };
    let Some(converted) = data(&["crosswoz_zh"]) else { return };
    let (mut native, report) = all(&Source { strict: true, ..Source::new(paths.clone()) });
    assert_eq!(report.unlabelled, 39);
    let (mut converted_rows, _) = all(&Source::new(converted.clone()));
    let dialogue = |t: &Transcript| t.id.split('/').next().unwrap().to_owned();
    for set in [&mut native, &mut converted_rows] {
        set.sort_by_key(|t| (t.split, dialogue(t)));
    }
    assert_eq!(content(&native), content(&converted_rows));
    let whole = |paths| all(&Source { unit: Unit::Dialogue, strict: true, ..Source::new(paths) }).0;
    let (mut native, mut converted) = (whole(paths), whole(converted));
    for set in [&mut native, &mut converted] {
        set.sort_by_key(|t| (t.split, t.id.clone()));
    }
    assert_eq!(native, converted);

    let Some(paths) = data(&["native/sgd/dev_dialogues_001.json", "sgd"]) else { return };
    let [(native, _), (converted, _)] = [&paths[0], &paths[1]].map(|p| all(&Source::new([p.clone()])));
    let of_file: Vec<_> = converted.into_iter().filter(|t| t.id.starts_with("va_1_")).collect();
    assert_eq!(native.len(), 177);
    assert_eq!(content(&native), content(&of_file));

    let Some(paths) = data(&["native/abcd_sample/abcd_sample.json", "abcd_sample/transcripts.jsonl.gz"])
    else {
        return;
    };
    let test = |path: &PathBuf| Source {
        unit: Unit::Dialogue,
        split: Some(Split::Test),
        ..Source::new([path.clone()])
    };
    let [(native, _), (mut converted, _)] = [&paths[0], &paths[1]].map(|p| all(&test(p)));
    assert_eq!(native[0].domain.as_deref(), Some("product_defect"));
    for (theirs, ours) in converted.iter_mut().zip(&native) {
        theirs.domain.clone_from(&ours.domain); // kept under another name there
    }
    assert_eq!(native, converted);
}

#[test]
fn keys_of_json_lines_can_be_named() {
    let Some(paths) = data(&["native/dstc11_intents/banking_test-utterances.jsonl"]) else { return };
    let columns = serde_json::from_str(r#"{"text": "utterance", "id": "utterance_id"}"#).unwrap();
    let english = Some(sottovoce_transcripts::Language::EN);
    let (got, report) = all(&Source { columns, language: english, ..Source::new(paths) });
    assert_eq!((got.len() > 300, report.rejected_total(), got[0].id.as_str()), (true, 0, "banking_279"));
}
