//! Rows of files of one's own: read right, or rejected, counted and named with their first place.

mod common;

use common::*;
use sottovoce_transcripts::Split;
use sottovoce_transcripts::readers::{ReadError, Reason, Source, Unit, files_of};
use std::io::Write;

#[test]
fn rejected_rows_are_counted_with_their_first_place_and_too_many_are_an_error() {
    let mut text = csv(297);
    text.push_str("only one field\n,refund\nnothing,\n");
    let (got, report) = {
        let folder = folder(&[("data.csv", text.as_bytes())]);
        read_all(&Source { max_rejected: 0.01, ..as_a_run(folder.path()) }).unwrap()
    };
    assert_eq!(got.len(), 297);
    assert_eq!(
        reasons(&report),
        [(Reason::WrongColumns, 1), (Reason::EmptyText, 1), (Reason::EmptyLabel, 1)]
    );
    let line = report.rejections();
    assert!(line.starts_with("3 of 300 rows rejected: wrong number of columns 1 (first "), "{line}");
    assert!(line.contains("data.csv: line 299)") && line.contains("data.csv: line 301)"), "{line}");
    // One more is too many.
    text.push_str(",refund\n");
    let error = refused("data.csv", &text);
    assert!(
        error.contains("4 of 301 rows") && error.contains("empty text 2 (first ") && error.contains("1.00 %"),
        "{error}"
    );
    assert!(error.contains("data.columns.text") && error.contains("data.max_rejected"), "{error}");
    assert!(!error.contains("inspect"), "advice in a circle: {error}");
    let all = refused("data.jsonl", "{\"words\": \"hi\", \"intent\": \"greet\"}\n".repeat(3));
    assert!(all.contains("3 of 3 rows rejected: no text 3 (first ") && all.contains("line 1)"), "{all}");
}

#[test]
fn a_long_row_needs_a_higher_limit() {
    let long = format!("text,intent\n{},greet\nhi,greet\n", "a ".repeat(600_000));
    let folder = folder(&[("data.csv", long.as_bytes())]);
    let error = read_all(&as_a_run(folder.path())).unwrap_err().to_string();
    assert!(
        error.contains("longer than the row limit 1 (first ") && error.contains("data.max_row_bytes"),
        "{error}"
    );
    let source = Source { max_row_bytes: 2 << 20, ..as_a_run(folder.path()) };
    assert_eq!(read_all(&source).unwrap().0.len(), 2);
}

#[test]
fn languages_are_tags_and_mistakes_are_rows() {
    let tags = ["zh", "zh-CN", "zh_TW", "YUE", "cmn", "chinese", "English", "eng", "fr-CA", ""];
    let rows: Vec<String> = tags
        .iter()
        .map(|tag| format!("{{\"text\": \"hi\", \"intent\": \"x\", \"lang\": \"{tag}\"}}\n"))
        .collect();
    let (got, _) = one("data.jsonl", rows.concat()).unwrap();
    let found: Vec<String> = got.iter().map(|t| t.language.to_string()).collect();
    assert_eq!(found, ["zh", "zh", "zh", "yue", "zh", "zh", "en", "en", "fr", "en"]);
    let error = refused("data.jsonl", rows.concat() + &rows[0].replace("\"zh\"", "\"zh!\""));
    assert!(error.contains("language is no BCP 47 tag 1"), "{error}");
}

#[test]
fn times_are_read_in_any_unit_or_rejected() {
    let row = |time: &str| format!("{{\"text\": \"hi\", \"intent\": \"x\", \"timestamp\": {time}}}\n");
    let same = [
        "1772359200",
        "1772359200.5",
        "1772359200000",
        "1772359200000000",
        "\"1772359200\"",
        "\"2026-03-01 10:00:00\"",
        "\"2026-03-01T18:00:00+08:00\"",
        "\"2026-03-01T10:00:00Z\"",
    ];
    let (got, _) = one("data.jsonl", same.map(row).concat()).unwrap();
    assert!(
        got.iter().all(|t| t.timestamp == Some(1_772_359_200)),
        "{:?}",
        got.iter().map(|t| t.timestamp).collect::<Vec<_>>()
    );
    let bad = [
        "12",
        "-1",
        "99999999999",
        "\"1980-01-01\"",
        "\"2200-01-01\"",
        "\"2026-03-02\"",
        "[1]",
        "\"noon\"",
        "true",
    ];
    let folder = folder(&[("data.jsonl", bad.map(row).concat().as_bytes())]);
    let source = Source { latest: Some(1_772_359_200), max_rejected: 1.0, ..as_a_run(folder.path()) };
    let (got, report) = read_all(&source).unwrap();
    assert_eq!(
        (got.len(), reasons(&report)),
        (0, vec![(Reason::BadTimestamp, 3), (Reason::ImpossibleTime, 6)])
    );
}

#[test]
fn labels_that_look_alike_are_one_or_are_named() {
    let text = "text,intent\na,refund\nb,refund \nc,  refund\nd,cafe\u{301}\ne,caf\u{e9}\nf,Refund\ng,log in\nh,login\n";
    let (got, report) = one("data.csv", text).unwrap();
    let mut labels: Vec<&str> = got.iter().map(|t| t.intent.as_str()).collect();
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels, ["Refund", "café", "log in", "login", "refund"]);
    assert_eq!(
        report.assumed.alike_labels,
        [vec!["log in".to_owned(), "login".into()], vec!["Refund".into(), "refund".into()]]
    );
    assert!(
        report
            .assumed
            .notes()
            .last()
            .unwrap()
            .contains("\"log in\" and \"login\"; \"Refund\" and \"refund\"")
    );
}

#[test]
fn the_same_data_twice_is_an_error_that_names_both() {
    let plain = csv(20);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(plain.as_bytes()).unwrap();
    let gz = gz.finish().unwrap();
    let lines: Vec<String> = rows(20)
        .into_iter()
        .rev()
        .map(|(t, i)| format!("{{\"text\": \"{t}\", \"intent\": \"{i}\"}}\n"))
        .collect();
    for (first, second, bytes) in
        [("train.csv", "train.csv.gz", &gz[..]), ("train.csv", "train.jsonl", lines.concat().as_bytes())]
    {
        let folder = folder(&[(first, plain.as_bytes()), (second, bytes)]);
        let error = read_all(&as_a_run(folder.path())).unwrap_err().to_string();
        assert!(
            error.contains(&format!("{first} and "))
                && error.contains(&format!("{second} hold the same rows")),
            "{error}"
        );
    }
    // As train and as test: possible, and said.
    let folder = folder(&[("train.csv", plain.as_bytes()), ("test.csv", plain.as_bytes())]);
    let (_, report) = read_all(&as_a_run(folder.path())).unwrap();
    assert!(report.assumed.notes().iter().any(|n| n.contains("test.csv hold the same rows")));
}

#[test]
fn names_of_files_and_their_folders_decide_the_split_and_no_others() {
    let files: &[(&str, &[u8])] = &[
        ("dev/set/train-00000-of-00002.csv", b"text,intent\na,x\n"),
        ("dev/set/train-00001-of-00002.csv", b"text,intent\nb,x\n"),
        ("dev/set/test/part-0.jsonl", b"{\"text\": \"c\", \"intent\": \"x\"}"),
        ("dev/set/notes.csv", b"text,intent\nz,x\n"),
        ("test/mine.csv", b"text,intent\na,x\n"),
        ("plain/mine.csv", b"text,intent\na,x\n"),
    ];
    let folder = folder(files);
    let at = |name: &str| folder.path().join(name);
    let (got, report) = read_all(&as_a_run(at("dev/set"))).unwrap();
    let splits: Vec<_> = got.iter().map(|t| (t.customer_text().next().unwrap(), t.split)).collect();
    assert_eq!(splits, [("a", Split::Train), ("b", Split::Train), ("c", Split::Test)]);
    assert!(report.assumed.notes().iter().any(|n| n.starts_with("not read: ") && n.contains("notes.csv")));
    // The folder above is not the data's.
    for path in ["test/mine.csv", "plain", "plain/mine.csv"] {
        let (got, report) = read_all(&as_a_run(at(path))).unwrap();
        assert_eq!((got[0].split, report.assumed.without_split.len()), (Split::Train, 1), "{path}");
    }
    // Below the folder that is given, folders of data are found.
    assert_eq!(files_of(&Source::new([at("dev")])).unwrap().len(), 3);
}

#[test]
fn rows_with_and_without_a_split_are_not_mixed() {
    let row = |split: &str| format!("{{\"text\": \"hi\", \"intent\": \"x\"{split}}}\n");
    let (test, none) = (row(", \"split\": \"Test\""), row(""));
    let error = refused("data.jsonl", none.clone() + &none + &test);
    assert!(error.contains("line 3 names a split, 2 rows before it do not"), "{error}");
    let error = refused("data.jsonl", test + &none);
    assert!(error.contains("no split 1 (first ") && error.contains("line 2)"), "{error}");
    let error = refused("data.csv", "text,intent,split\na,x,train\nb,x,holdout\n");
    assert!(error.contains("split neither train, validation nor test 1"), "{error}");
}

#[test]
fn what_is_no_file_or_has_no_end_is_refused() {
    let folder = folder(&[]);
    let missing = read_all(&as_a_run(folder.path().join("none.csv"))).unwrap_err().to_string();
    assert!(missing.ends_with("none.csv: there is no such file or folder"), "{missing}");
    #[cfg(unix)]
    {
        let device = read_all(&as_a_run("/dev/zero")).unwrap_err().to_string();
        assert!(device.contains("a pipe or device"), "{device}");
    }
    // 300 MiB of nothing in 300 KiB.
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..300 {
        gz.write_all(&vec![b'\n'; 1 << 20]).unwrap();
    }
    let error = one("data.csv.gz", gz.finish().unwrap()).unwrap_err();
    assert!(matches!(error, ReadError::Inflates { .. }), "{error}");
}

#[test]
fn a_file_without_rows_is_named() {
    let folder =
        folder(&[("train.csv", csv(4).as_bytes()), ("dev.csv", b"text,intent\n"), ("test.jsonl", b"")]);
    let (got, report) = read_all(&as_a_run(folder.path())).unwrap();
    assert_eq!((got.len(), report.assumed.empty.len()), (4, 2));
    assert!(
        report.assumed.notes().iter().any(|n| n.starts_with("no transcript in ") && n.contains("dev.csv"))
    );
}

#[test]
fn a_unit_of_dialogues_takes_whole_conversations() {
    let row = r#"{"id": "d", "intent": "whole", "turns": [{"speaker": "user", "text": "退款", "intent": "refund"}]}"#;
    let folder = folder(&[("data.jsonl", row.as_bytes())]);
    let (got, _) = read_all(&Source { unit: Unit::Dialogue, ..as_a_run(folder.path()) }).unwrap();
    assert_eq!((got[0].id.as_str(), got[0].intent.as_str()), ("d", "whole"));
}
