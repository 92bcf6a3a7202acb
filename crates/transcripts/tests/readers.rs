//! Readers on small inputs of every format, and on bad ones: rejected with a place, never guessed at.

use sottovoce_transcripts::readers::{
    Field, Format, Place, ReadError, ReadReport, Reason, Source, Unit, files_of, read, read_stream,
};
use sottovoce_transcripts::{Language, Speaker, Split, Transcript};
use std::io::{Read, Write};
use std::ops::ControlFlow;

type Got = Result<(Vec<Transcript>, ReadReport), ReadError>;

fn stream(source: &Source, name: &str, input: impl Read) -> Got {
    let mut got = Vec::new();
    let report = read_stream(source, name, input, &mut |t| {
        got.push(t);
        ControlFlow::Continue(())
    })?;
    Ok((got, report))
}

fn english() -> Source {
    Source { language: Some(Language::EN), ..Source::new(["unused"]) }
}

fn places(report: &ReadReport) -> Vec<(Place, Reason)> {
    report.rejected.iter().map(|r| (r.place, r.reason)).collect()
}

#[test]
fn json_lines_reject_what_cannot_be_used() {
    let mut text = b"\xEF\xBB\xBF".to_vec();
    for line in [
        &br#"{"text": "one", "intent": "a", "extra": {"deep": [1]}, "id": 7, "timestamp": 1772359200, "client": null}"#[..],
        br#"{"text": "no label"}"#,
        br#"{"text": "null label", "intent": null}"#,
        br#"{"text": "empty label", "intent": " "}"#,
        br#"{"text": "unknown label", "intent": "z"}"#,
        br#"{"text": "label number", "intent": 1}"#,
        br#"{"text": "label out of range", "intent": 2}"#,
        br#"{"text": "label out of range", "intent": -1}"#,
        br#"{"text": "", "intent": "a"}"#,
        br#"{"intent": "a"}"#,
        br#"{"text": "broken"#,
        br#"{"text": 5, "intent": "a"}"#,
        b"{\"text\": \"\xFF\xFE\", \"intent\": \"a\"}",
        br#"{"text": "x", "intent": "a", "lang": "xx"}"#,
        br#"{"text": "x", "intent": "a", "split": "holdout"}"#,
        br#"{"text": "x", "intent": "a", "timestamp": "noon"}"#,
        b"",
        b"{\"text\": \"nul \\u0000, \xE2\x80\xA8 and \xF0\x9F\x98\x80\", \"intent\": \"b\", \"split\": \"dev\"}",
    ] {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text.extend_from_slice(format!(r#"{{"a": {}1"#, "[".repeat(100_000)).as_bytes());
    let source = Source { labels: Some(vec!["a".into(), "b".into()]), ..english() };
    let (got, report) = stream(&source, "test.jsonl", text.as_slice()).unwrap();
    let want = [
        (2, Reason::MissingLabel),
        (3, Reason::MissingLabel),
        (4, Reason::EmptyLabel),
        (5, Reason::UnknownLabel),
        (7, Reason::LabelOutOfRange),
        (8, Reason::LabelOutOfRange),
        (9, Reason::EmptyText),
        (10, Reason::MissingText),
        (11, Reason::BadJson),
        (12, Reason::BadShape),
        (13, Reason::InvalidUtf8),
        (14, Reason::UnknownLanguage),
        (15, Reason::UnknownSplit),
        (16, Reason::BadTimestamp),
        (19, Reason::BadJson),
    ];
    assert_eq!(places(&report), want.map(|(line, reason)| (Place::Line(line), reason)));
    let seen: Vec<_> = got.iter().map(|t| (t.id.as_str(), t.intent.as_str(), t.split)).collect();
    let want = [
        ("7", "a", Split::Test),
        ("test.jsonl:6", "b", Split::Test),
        ("test.jsonl:18", "b", Split::Validation),
    ];
    assert_eq!(seen, want);
    assert_eq!((got[0].timestamp, report.rejected_total()), (Some(1_772_359_200), 15));

    // CRLF changes nothing.
    let crlf = String::from_utf8_lossy(&text).replace('\n', "\r\n").replace('\u{fffd}', "");
    let lf = crlf.replace("\r\n", "\n");
    let read = |t: &str| stream(&source, "test.jsonl", t.as_bytes()).unwrap();
    assert_eq!(read(&crlf), read(&lf));

    // Strict: the first one ends it, named by place and without its text.
    let strict = Source { strict: true, ..source.clone() };
    let error = stream(&strict, "test.jsonl", text.as_slice()).unwrap_err();
    assert_eq!(error.to_string(), "test.jsonl: line 2: no label");
    assert!(!format!("{error:?}").contains("no label\""));
}

#[test]
fn a_number_without_a_list_is_the_name_of_a_class() {
    let rows = br#"{"text": "x", "intent": 0}
{"text": "y", "label": 12.0}
{"text": "z", "intent": true}
{"text": "w", "intent": 0.5}
"#;
    let (got, report) = stream(&english(), "test.jsonl", &rows[..]).unwrap();
    assert_eq!(got.iter().map(|t| t.intent.as_str()).collect::<Vec<_>>(), ["0", "12", "true"]);
    assert_eq!(report.reasons, [(Reason::LabelOutOfRange, 1)].into());
}

#[test]
fn a_giant_line_or_element_is_bounded() {
    let giant = || std::io::repeat(b'x').take(200 << 20);
    let row = br#"{"text": "ok", "intent": "a"}"#;
    let input = row.chain(&b"\n{\"text\": \""[..]).chain(giant()).chain(&b"\n"[..]).chain(&row[..]);
    let (got, report) = stream(&english(), "train.jsonl", input).unwrap();
    assert_eq!((got.len(), places(&report)), (2, vec![(Place::Line(2), Reason::TooLong)]));

    let input = (&br#"[{"dialogue_id": "1", "turns": []}, {"dialogue_id": ""#[..]).chain(giant());
    let error = stream(&english(), "train.json", input).unwrap_err();
    assert!(matches!(error, ReadError::ElementTooLong { element: 1, limit: 1_048_576, .. }), "{error}");
}

#[test]
fn dialogues_are_read_whole_or_by_turn() {
    let row = r#"{"id": "d", "client": "u1", "lang": "zh-CN", "intent": "x", "turns": [
        {"speaker": "customer", "text": "你好", "intent": "greet"}, {"speaker": "agent", "text": "您好"},
        {"speaker": "action", "text": "noted"}, {"speaker": "customer", "text": "嗯"}]}"#
        .replace('\n', " ");
    let source = Source::new(["unused"]);
    let (got, report) = stream(&source, "transcripts_test.jsonl", row.as_bytes()).unwrap();
    assert_eq!((got.len(), report.unlabelled), (1, 1));
    assert_eq!((got[0].id.as_str(), got[0].intent.as_str(), got[0].language), ("d/0", "greet", Language::ZH));
    let whole = Source { unit: Unit::Dialogue, ..source };
    let (got, _) = stream(&whole, "transcripts_test.jsonl", row.as_bytes()).unwrap();
    let speakers: Vec<_> = got[0].turns.iter().map(|t| t.speaker).collect();
    assert_eq!(speakers, [Speaker::Customer, Speaker::Agent, Speaker::System, Speaker::Customer]);
}

#[test]
fn tables_are_read_by_column_names() {
    let csv = "\u{feff}when,what,label,who\r\n1772359200,\"a, \"\"b\"\"\r\nc\",x,k\r\n,plain,y,\r\n1,short,z\r\n1,too,many,z,k\r\nnoon,t,z,k\r\n6,t,z,k\r\n6,,z,k\r\n";
    let columns =
        serde_json::from_str(r#"{"text": "what", "intent": "label", "client": "who", "timestamp": "when"}"#)
            .unwrap();
    let source = Source { columns, ..english() };
    let (got, report) = stream(&source, "x/train.csv", csv.as_bytes()).unwrap();
    assert_eq!(got[0].turns[0].text, "a, \"b\"\r\nc");
    assert_eq!((got[0].timestamp, got[0].client.as_deref()), (Some(1_772_359_200), Some("k")));
    assert_eq!((got[1].timestamp, got[1].client.as_deref(), got[1].intent.as_str()), (None, None, "y"));
    let want = [
        (5, Reason::WrongColumns),
        (6, Reason::WrongColumns),
        (7, Reason::BadTimestamp),
        (8, Reason::ImpossibleTime),
        (9, Reason::EmptyText),
    ]
    .map(|(l, r)| (Place::Line(l), r));
    assert_eq!(places(&report), want);
    let columns = serde_json::from_str(r#"{"text": "what"}"#).unwrap();
    let source = Source { columns, ..english() };
    let tsv = "what\tlabel\na \"quote\tx\n";
    let (got, _) = stream(&source, "dev.tsv", tsv.as_bytes()).unwrap();
    assert_eq!((got[0].turns[0].text.as_str(), got[0].split), ("a \"quote", Split::Validation));
    let error = stream(&source, "dev.tsv", &b"text\tintent\n"[..]).unwrap_err();
    assert!(
        matches!(error, ReadError::MissingColumn { field: Field::Text, ref named, .. } if named.as_deref() == Some("what"))
    );
}

#[test]
fn released_documents_are_recognised_and_bad_elements_named() {
    let by = |name: &str, text: &str| stream(&Source::new(["unused"]), name, text.as_bytes());
    let (got, report) =
        by("data.json", r#"{"oos_val": [["hm", "oos"], "no pair"], "train": [["pay", "bill"]]}"#).unwrap();
    assert_eq!(
        (got[0].split, got[1].split, got[0].intent.as_str()),
        (Split::Validation, Split::Train, "oos")
    );
    assert_eq!(places(&report), [(Place::Element { index: 1, turn: None }, Reason::BadShape)]);

    let text = r#"{"20": {"sys-usr": [1, 2], "type": "t", "messages": [
        {"role": "usr", "content": "一", "dialog_act": [["General", "greet", "none", "none"], ["Inform", "酒店", "a", "b"]]},
        {"role": "sys", "content": "二", "dialog_act": []}, {"role": "usr", "content": "三", "dialog_act": []}]},
        "21": {"messages": 5}}"#;
    let (got, report) = by("val.json", text).unwrap();
    assert_eq!(
        (got[0].id.as_str(), got[0].intent.as_str(), got[0].client.as_deref()),
        ("20/0", "Inform-酒店", Some("u2"))
    );
    assert_eq!((got.len(), got[0].split, report.unlabelled), (1, Split::Validation, 1));
    assert_eq!(places(&report), [(Place::Element { index: 1, turn: None }, Reason::BadShape)]);

    let text = r#"[{"convo_id": 3, "scenario": {"flow": "f", "subflow": "s"}, "original": [["customer", "hi"], ["action", "x"]]}]"#;
    let (got, _) = by("test.json", text).unwrap();
    assert_eq!((got[0].id.as_str(), got[0].intent.as_str(), got[0].domain.as_deref()), ("3", "s", Some("f")));

    let text = r#"[{"dialogue_id": "1", "turns": [{"speaker": "USER", "utterance": "eat", "frames": [
        {"service": "Food_1", "actions": [{"act": "INFORM_INTENT", "values": ["Order"]}]}]}]}"#;
    let (got, _) = by("train/d.json", &format!("{text}]")).unwrap();
    let seen = (got[0].client.as_deref(), got[0].domain.as_deref(), got[0].split);
    assert_eq!(seen, (Some("Food_1"), Some("Food"), Split::Train));
    // Cut off, or of another kind: a position, and no text.
    for bad in [text.to_owned(), format!("{text}, \"secret\"")] {
        let error = by("train/d.json", &bad).unwrap_err();
        assert!(matches!(error, ReadError::Document { format: Format::Sgd, .. }), "{error}");
        assert!(!format!("{error:?}").contains("secret"));
    }
    for deep in ["[{\"dialogue_id\": ", "{\"1\": {\"messages\": "] {
        let error = by("val.json", &format!("{deep}{}", "[".repeat(100_000))).unwrap_err();
        assert!(matches!(error, ReadError::Document { .. }), "nested too deep: {error}");
    }
    assert!(matches!(by("train.bin", "plain words"), Err(ReadError::UnknownFormat { .. })));
    assert_eq!(by("train.jsonl", "").unwrap().0.len(), 0);
}

#[test]
fn compression_is_found_by_content_and_directories_by_their_splits() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let row = |text: &str| format!("{{\"text\": \"{text}\", \"intent\": \"a\", \"lang\": \"en\"}}\n");
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(row("one").as_bytes()).unwrap();
    let gz = gz.finish().unwrap();
    // Two members, and a name that lies about its content.
    std::fs::write(at("train.jsonl.zst"), [gz.clone(), gz.clone()].concat()).unwrap();
    let zst =
        ruzstd::encoding::compress_to_vec(row("two").as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
    std::fs::write(at("dev.jsonl"), zst).unwrap();
    let mut archive = zip::ZipWriter::new(std::fs::File::create(at("test.jsonl.zip")).unwrap());
    archive.start_file("inner.jsonl", zip::write::SimpleFileOptions::default()).unwrap();
    archive.write_all(row("three").as_bytes()).unwrap();
    archive.finish().unwrap();
    for ignored in ["slot_spans.jsonl", "README.md", "transcripts.jsonl", "test.txt"] {
        std::fs::write(at(ignored), "{}").unwrap();
    }
    let source = Source::new([directory.path()]);
    let mut got = Vec::new();
    let report = read(&source, &mut |t| {
        got.push((t.id, t.split));
        ControlFlow::Continue(())
    })
    .unwrap();
    let want = [
        ("train.jsonl.zst:1", Split::Train),
        ("train.jsonl.zst:2", Split::Train),
        ("dev.jsonl:1", Split::Validation),
        ("test.jsonl.zip!inner.jsonl:1", Split::Test),
    ];
    assert_eq!(got, want.map(|(id, split)| (id.to_owned(), split)));
    assert_eq!(report.files[0].digest, blake3::hash(&[gz.clone(), gz.clone()].concat()).to_hex().to_string());

    let dialogues = Source { unit: Unit::Dialogue, ..source.clone() };
    assert_eq!(files_of(&dialogues).unwrap(), [at("transcripts.jsonl")]);
    // The caller can stop; damage is an error.
    let report = read(&source, &mut |_| ControlFlow::Break(())).unwrap();
    assert_eq!((report.accepted, report.files.len()), (1, 1));
    std::fs::write(at("train.jsonl.zst"), &gz[..gz.len() - 9]).unwrap();
    assert!(matches!(read(&source, &mut |_| ControlFlow::Continue(())), Err(ReadError::Io { .. })));
    let empty = tempfile::tempdir().unwrap();
    let error = files_of(&Source::new([empty.path()])).unwrap_err();
    assert!(matches!(error, ReadError::NothingInDirectory { .. }));
    assert!(matches!(files_of(&Source::new([""; 0])), Err(ReadError::NoFiles)));
}
