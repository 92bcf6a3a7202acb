//! Whoever comes with files of their own: read right, or refused with what they are and what would do.

mod common;

use common::made::{self, texts};
use common::*;
use parquet::basic::Compression;
use sottovoce_transcripts::readers::{Draw, Field, Format, Place, Source};
use sottovoce_transcripts::{Language, Speaker, Split};
use std::io::Write;

#[test]
fn a_file_of_two_columns_works_and_says_what_was_assumed() {
    let (got, report) = one("data.csv", csv(100)).unwrap();
    let of = |split, intent| got.iter().filter(|t| t.split == split && t.intent == intent).count();
    assert_eq!([of(Split::Test, "refund"), of(Split::Test, "login")], [10, 10]);
    assert_eq!([of(Split::Train, "refund"), of(Split::Train, "login")], [40, 40]);
    let languages = [(Language::ZH, 50), (Language::EN, 50)].into();
    assert_eq!(report.assumed.languages, languages);
    let notes = report.assumed.notes();
    assert_eq!(notes.len(), 1);
    let said = "data.csv: no split: 20 % of each intent drawn as test examples; language found from script: zh 50, en 50";
    assert!(notes[0].ends_with(said), "{notes:?}");
    // A name that speaks of a split gives it to all rows, and nothing is drawn.
    let (got, report) = one("train.csv", csv(10)).unwrap();
    assert!(got.iter().all(|t| t.split == Split::Train) && report.assumed.drawn_test == 0);
    // A share that is asked for is drawn from training rows as well.
    let folder = folder(&[("train.csv", csv(100).as_bytes())]);
    let draw = Some(Draw { seed: 7, share: 0.1, from_train: true });
    let (got, report) = read_all(&Source { draw, ..as_a_run(folder.path()) }).unwrap();
    assert_eq!(got.iter().filter(|t| t.split == Split::Test).count(), 10);
    assert_eq!(report.assumed.notes().len(), 1, "the language alone was assumed");
}

#[test]
fn columns_are_found_under_the_names_that_people_have() {
    for text in Field::Text.names() {
        for intent in ["intent", "Label", "CATEGORY", " class ", "target", "intent_name"] {
            let (got, _) = one("data.csv", format!("{text},{intent}\nhi,greet\n")).unwrap();
            assert_eq!(said(&got), [("hi", "greet")], "{text} {intent}");
            let (got, _) =
                one("data.jsonl", format!("{{\"{text}\": \"hi\", \"{}\": 4}}", intent.trim())).unwrap();
            assert_eq!(said(&got), [("hi", "4")], "{text} {intent}");
        }
    }
    // Two of them at once: named, and nothing guessed.
    for (name, bytes) in [
        ("data.csv", "text,content,intent\na,b,c\n"),
        ("data.jsonl", "{\"text\": \"a\", \"content\": \"b\", \"intent\": \"c\"}"),
        ("data.json", "[{\"text\": \"a\", \"content\": \"b\", \"intent\": \"c\"}]"),
    ] {
        let error = refused(name, bytes);
        assert!(
            ["\"text\"", "\"content\"", "data.columns.text"].iter().all(|w| error.contains(w)),
            "{error}"
        );
    }
    let folder = folder(&[("data.csv", b"text,content,intent\na,b,c\n")]);
    let named =
        |json: &str| Source { columns: serde_json::from_str(json).unwrap(), ..as_a_run(folder.path()) };
    assert_eq!(said(&read_all(&named(r#"{"text": "content"}"#)).unwrap().0), [("b", "c")]);
    // A name that no file has is a mistake, whatever it is for.
    for key in ["text", "intent", "client", "timestamp", "split"] {
        let text = if key == "text" { "" } else { "\"text\": \"text\", " };
        let error = read_all(&named(&format!("{{{text}\"{key}\": \"remark\"}}"))).unwrap_err().to_string();
        assert!(error.contains("\"remark\"") && error.contains(&format!("data.columns.{key}")), "{error}");
    }
    // A file without a header: its first line is a text, which no error may show.
    let error = refused("data.csv", "my secret,greet\nmore,greet\n");
    assert!(
        error.contains("data.columns.text") && error.contains("header") && !error.contains("secret"),
        "{error}"
    );
}

#[test]
fn conversations_are_read_as_chats_have_them() {
    let chat = r#"{"messages": [{"role": "system", "content": "Be kind"}, {"role": "user", "content": [{"type": "text", "text": "我要"}, {"type": "text", "text": "退款"}]}, {"role": "assistant", "content": null}], "label": "refund"}"#;
    let whole = |text: &str| {
        let (got, _) = one("data.jsonl", text).unwrap();
        let speakers: Vec<Speaker> = got[0].turns.iter().map(|t| t.speaker).collect();
        (speakers, got[0].customer_text().collect::<Vec<_>>().join("|"), got[0].intent.clone())
    };
    use Speaker::{Agent, Customer, System};
    assert_eq!(whole(chat), (vec![System, Customer, Agent], "我要\n退款".into(), "refund".into()));
    let shared = r#"{"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}], "intent": "greet"}"#;
    assert_eq!(whole(shared), (vec![Customer, Agent], "hi".into(), "greet".into()));
    for (word, speaker) in [
        ("Customer", Customer),
        ("USER", Customer),
        ("client", Customer),
        ("客户", Customer),
        ("用户", Customer),
        ("Agent", Agent),
        ("Assistant", Agent),
        ("bot", Agent),
        ("客服", Agent),
        ("坐席", Agent),
        ("机器人", Agent),
        ("System", System),
    ] {
        let row = format!(
            r#"{{"turns": [{{"speaker": "{word}", "text": "a"}}, {{"speaker": "user", "text": "b"}}], "intent": "x"}}"#
        );
        assert_eq!(whole(&row).0, [speaker, Customer], "{word}");
    }
    // Labels of turns count turn by turn, unless dialogues are wanted.
    let turns = r#"[{"id": "d", "intent": "whole", "turns": [{"speaker": "客户", "text": "退款", "intent": "refund"}, {"speaker": "坐席", "text": "好"}]}]"#;
    let (got, report) = one("data.json", turns).unwrap();
    assert_eq!(
        (said(&got), report.files[0].formats.as_slice()),
        (vec![("退款", "refund")], &[Format::Json][..])
    );
}

#[test]
fn json_documents_are_arrays_of_rows() {
    let plain = "[\n {\"text\": \"hi\", \"intent\": \"greet\"},\n {\"text\": \"bye\", \"intent\": 2},\n 5]";
    let folder = folder(&[("data.json", plain.as_bytes())]);
    let (got, report) = read_all(&Source { max_rejected: 1.0, ..as_a_run(folder.path()) }).unwrap();
    assert_eq!(said(&got), [("hi", "greet"), ("bye", "2")]);
    assert_eq!(report.rejected[0].place, Place::Element { index: 2, turn: None });
    let splits = r#"{"version": 1, "about": {"a": [1]}, "train": [{"text": "a", "intent": "x"}], "test": [{"text": "b", "intent": "x"}]}"#;
    let (got, _) = one("data.json", splits).unwrap();
    assert_eq!(got.iter().map(|t| t.split).collect::<Vec<_>>(), [Split::Train, Split::Test]);
    let (got, _) = one("data.json", r#"{"data": [{"text": "a", "intent": "x"}]}"#).unwrap();
    assert_eq!(said(&got), [("a", "x")]);
}

#[test]
fn tables_come_with_any_separator_and_header() {
    for text in [
        "text;intent\nrefund, please;refund\n",
        "sep=;\r\nText;Intent\r\nrefund, please;refund\r\n",
        "sep=,\n\"Text\",\"Intent\"\n\"refund, please\",refund\n",
        "sep=,\ntext,intent,note\n\"refund, please\",refund,\"a\nb\"\n",
        "\u{feff}TEXT|intent\nrefund, please|refund\n",
        "intent\ttext\nrefund\trefund, please\n",
        ",text,intent\n0,\"refund, please\",refund\n",
        "text,intent,\n\"refund, please\",refund,\n",
        "\n\ntext,intent\n\n\"refund, please\",refund\n\n",
    ] {
        let (got, report) = one("data.csv", text).unwrap_or_else(|e| panic!("{text:?}: {e}"));
        assert_eq!(
            (said(&got), report.rejected_total()),
            (vec![("refund, please", "refund")], 0),
            "{text:?}"
        );
    }
    // A line break within a field of tab-separated values.
    let (got, _) =
        one("data.tsv", "text\tintent\tid\n\"a\nb \"\"c\"\"\"\tx\t1\n\"quoted\"\ty\t2\n\"open\tz\t3\n")
            .unwrap();
    assert_eq!(said(&got), [("a\nb \"c\"", "x"), ("\"quoted\"", "y"), ("\"open", "z")]);
    let error = refused("data.tsv", "text\tintent\nhi\tgreet\n\"open\nmore\tx\ty\n");
    assert!(error.contains("line 3: a quote opens here and takes 2 lines"), "{error}");
}

#[test]
fn a_stray_quote_is_found_where_it_opens_and_takes_no_rows() {
    let mut text = csv(400);
    text = text.replacen("\nlet me in 1,", "\n\"let me in 1,", 1);
    let error = refused("train.csv", &text);
    assert!(
        error.contains("train.csv: line 3: a quote opens here and takes 399 lines into one field"),
        "{error}"
    );
}

#[test]
fn a_file_is_of_one_encoding_or_refused() {
    let text = "text,intent\n谢谢,thanks\n我要退款,refund\nok,yes\n".to_owned()
        + &"快递到哪里了,delivery\n".repeat(3);
    let want = [("谢谢", "thanks"), ("我要退款", "refund"), ("ok", "yes")];
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf16be: Vec<u8> =
        [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect();
    for (bytes, encoding) in [
        (encoded(&text, "gb18030"), "gb18030"),
        (encoded(&text, "gbk"), "gb18030"),
        (utf16, "UTF-16LE"),
        (utf16be, "UTF-16BE"),
    ] {
        let (got, report) = one("data.csv", &bytes).unwrap();
        assert_eq!(said(&got)[..3], want, "{encoding}");
        assert_eq!(report.files[0].encoding, Some(encoding));
        assert!(report.assumed.notes()[0].contains(&format!("read as {encoding}")));
    }
    let lines =
        "{\"text\": \"谢谢\", \"intent\": \"thanks\"}\n{\"text\": \"我要退款\", \"intent\": \"退款\"}\n";
    assert_eq!(
        said(&one("data.jsonl", encoded(lines, "gbk")).unwrap().0),
        [("谢谢", "thanks"), ("我要退款", "退款")]
    );
    // Packed, the same.
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&encoded(&text, "gbk")).unwrap();
    assert_eq!(said(&one("data.csv.gz", gz.finish().unwrap()).unwrap().0)[..3], want);
    // Others are named by whoever has them.
    let french =
        encoded("text,intent\nje voudrais être remboursé,refund\nça marche déjà,yes\n", "windows-1252");
    let error = refused("data.csv", &french);
    assert!(error.contains("data.encoding") && !error.contains("remb"), "{error}");
    let folder = folder(&[("data.csv", &french[..])]);
    let named = |name: &str| read_all(&Source { encoding: Some(name.into()), ..as_a_run(folder.path()) });
    assert_eq!(said(&named("windows-1252").unwrap().0)[0].0, "je voudrais être remboursé");
    let error = named("utf-9").unwrap_err().to_string();
    assert!(error.contains("\"utf-9\"") && error.contains("gb18030"), "{error}");
    // A wrong name is found, too: not all bytes are in it.
    let error = named("big5").unwrap_err().to_string();
    assert!(error.contains("not Big5 from beginning to end"), "{error}");
}

#[test]
fn parquet_is_read_with_the_names_of_its_classes() {
    let level = Default::default();
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(level),
        Compression::ZSTD(Default::default()),
    ] {
        let (got, report) = one("data.parquet", made::labelled(compression)).unwrap();
        let want = [("please refund my order", "refund"), ("我要退款", "refund"), ("let me in", "login")];
        assert_eq!(said(&got), want, "{compression}");
        assert_eq!(report.files[0].formats, [Format::Parquet]);
    }
    let (got, _) = one("data.parquet", made::chats()).unwrap();
    assert_eq!(said(&got), [("hi", "greet"), ("bye", "leave")]);
    assert_eq!((got[0].turns.len(), got[0].timestamp, got[1].timestamp), (2, Some(1_772_359_200), None));
}

#[test]
fn workbooks_are_read_by_sheet() {
    let cell = |at: &str, style: u8, value: &str| format!("<c r=\"{at}\" s=\"{style}\"><v>{value}</v></c>");
    // Days since 1899-12-30: 46,082 is 2026-03-01.
    let dated = texts(2, &["我要退款", "refund"])
        .replace("</row>", &(cell("C2", 1, "46082.4166666667") + &cell("D2", 0, "7") + "</row>"));
    let numbered = texts(4, &["let me in"])
        .replace("</row>", &(cell("B4", 0, "3") + &cell("C4", 1, "46083") + "</row>"));
    let rows = [
        texts(1, &["Text", "Intent", "time", "client"]),
        dated,
        numbered,
        texts(5, &["", "refund"]),
        texts(6, &["x, \"y\"\nz", "true"]),
    ];
    let book = made::workbook(&[("Sheet1", &rows.concat()), ("notes", &texts(1, &["only a remark"]))]);
    let folder = folder(&[("one.xlsx", &book)]);
    let source = Source { max_rejected: 1.0, ..as_a_run(folder.path().join("one.xlsx")) };
    let (got, report) = read_all(&source).unwrap();
    assert_eq!(said(&got), [("我要退款", "refund"), ("let me in", "3"), ("x, \"y\"\nz", "true")]);
    let times: Vec<_> = got.iter().map(|t| t.timestamp).collect();
    assert_eq!(times, [Some(1_772_359_200), Some(1_772_409_600), None]);
    assert_eq!((got[0].client.as_deref(), got[1].client.as_deref()), (Some("7"), None));
    assert_eq!(report.rejected[0].place, Place::Line(5));
    assert!(report.assumed.not_read.iter().any(|what| what.contains("\"notes\"")));

    let head = texts(1, &["utterance", "label"]);
    let (train, test) =
        (head.clone() + &texts(2, &["a", "x"]) + &texts(3, &["b", "y"]), head + &texts(2, &["c", "x"]));
    let (got, _) = one("splits.xlsx", made::workbook(&[("train", &train), ("Test", &test)])).unwrap();
    let splits: Vec<_> = got.iter().map(|t| (t.split, t.id.as_str())).collect();
    let want = [
        (Split::Train, "splits.xlsx!train:2"),
        (Split::Train, "splits.xlsx!train:3"),
        (Split::Test, "splits.xlsx!Test:2"),
    ];
    assert_eq!(splits, want);
}

#[test]
fn damaged_parquet_and_workbooks_are_errors() {
    let book = made::workbook(&[("s", &(texts(1, &["text", "intent"]) + &texts(2, &["a", "x"])))]);
    for (name, bytes) in
        [("a.parquet", made::labelled(Compression::SNAPPY)), ("b.parquet", made::chats()), ("c.xlsx", book)]
    {
        assert!(one(name, &bytes).is_ok());
        for cut in [5, 12, bytes.len() / 2, bytes.len() - 1] {
            assert!(one(name, &bytes[..cut]).is_err(), "{name} cut at {cut}");
        }
        // Any changed byte is an error or other text, and never a panic.
        for at in (0..bytes.len()).step_by(23) {
            let mut changed = bytes.clone();
            changed[at] = 0xff;
            let _ = one(name, &changed);
        }
    }
}

#[test]
fn what_is_not_read_is_called_by_its_name() {
    for (name, bytes, what) in [
        ("train.txt", &b"__label__greet hi\n"[..], "fastText"),
        ("nlu.yml", b"version: \"3.1\"\nnlu:\n- intent: greet\n  examples: |\n    - hi\n", "Rasa"),
        ("train.json", b"{\n \"luis_schema_version\": \"3.2\",\n \"utterances\": []\n}", "LUIS"),
        (
            "train.json",
            b"[{\"id\": \"1\", \"data\": [{\"text\": \"hi\", \"userDefined\": false}]}]",
            "Dialogflow",
        ),
        ("train.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", ".xlsx"),
        ("train.db", b"SQLite format 3\0", "SQLite"),
        ("train.pdf", b"%PDF-1.7", "PDF"),
        ("train.csv", b"BZh91AY", "bzip2"),
    ] {
        let folder = folder(&[("README.md", b"# about"), (name, bytes)]);
        let error = read_all(&as_a_run(folder.path())).unwrap_err().to_string();
        assert!(error.contains(what), "{name}: {error}");
    }
    let zip = |names: &[&str]| {
        let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for name in names {
            archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(b"text").unwrap();
        }
        archive.finish().unwrap().into_inner()
    };
    let error = refused("data.zip", zip(&["a.txt", "b.txt", "c.md"]));
    assert!(error.contains("no data file in the archive, whose files are .md, .txt"), "{error}");
    assert!(refused("letter.docx", zip(&["word/document.xml"])).contains("Word"));
}

#[test]
fn folders_of_released_sets_are_recognised() {
    let dialogue = |id: &str, text: &str| {
        format!(
            r#"[{{"dialogue_id": "{id}", "services": ["Food_1"], "turns": [{{"speaker": "USER", "utterance": "{text}", "frames": [{{"service": "Food_1", "actions": [{{"act": "INFORM_INTENT", "values": ["Order"]}}]}}]}}]}}]"#
        )
    };
    let (train, test) = (dialogue("1", "eat"), dialogue("2", "drink"));
    let sgd: &[(&str, &[u8])] = &[
        ("train/dialogues_001.json", train.as_bytes()),
        ("train/schema.json", b"[{\"service_name\": \"Food_1\"}]"),
        ("test/dialogues_001.json", test.as_bytes()),
        ("test/schema.json", b"[]"),
    ];
    let abcd = br#"{"train": [{"convo_id": 1, "scenario": {"flow": "f", "subflow": "s"}, "original": [["customer", "hi"]]}]}"#;
    let massive = "{\"id\": \"0\", \"locale\": \"zh-CN\", \"partition\": \"test\", \"scenario\": \"alarm\", \"intent\": \"alarm_set\", \"utt\": \"早上九点叫醒我\", \"annot_utt\": \"[time : 早上九点]叫醒我\", \"worker_id\": \"9\"}";
    let read = |files: &[(&str, &[u8])]| {
        let folder = folder(files);
        let (got, report) = read_all(&as_a_run(folder.path())).unwrap();
        let rows: Vec<_> = got.iter().map(|t| (t.split, t.intent.clone(), t.domain.clone())).collect();
        (rows, report.files.len(), got)
    };
    let food = |split| (split, "Order".to_owned(), Some("Food".to_owned()));
    assert_eq!(read(sgd).0, [food(Split::Train), food(Split::Test)]);
    let (rows, files, _) = read(&[
        ("abcd_v1.1.json", &abcd[..]),
        ("abcd_sample.json", b"[]"),
        ("kb.json", b"{}"),
        ("ontology.json", b"{}"),
        ("guidelines.json", b"{}"),
    ]);
    assert_eq!((rows, files), (vec![(Split::Train, "s".into(), Some("f".into()))], 1));
    let (rows, _, got) = read(&[("data/zh-CN.jsonl", massive.as_bytes()), ("LICENSE", b"")]);
    assert_eq!(rows, [(Split::Test, "alarm_set".into(), Some("alarm".into()))]);
    assert_eq!((got[0].language, got[0].id.as_str()), (Language::ZH, "0"));
    let full = br#"{"train": [["pay", "bill"]], "oos_test": [["hm", "oos"]]}"#;
    let (rows, files, _) = read(&[
        ("data_full.json", &full[..]),
        ("data_small.json", &full[..]),
        ("domains.json", br#"{"home": ["bill"]}"#),
    ]);
    assert_eq!((rows.len(), files, rows[0].2.as_deref()), (2, 1, Some("home")));
    let header = "conversationId\tturnNumber\tutteranceId\tutterance\tslot-labels\tintent\n";
    let turns = format!("{header}c1\t0\tu1\thello\tO\topeninggreeting\n");
    let (rows, ..) = read(&[("finance/train.tsv", turns.as_bytes()), ("README.md", b"")]);
    assert_eq!(rows, [(Split::Train, "openinggreeting".into(), Some("finance".into()))]);
}
