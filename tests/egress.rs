//! What leaves clients: the ledger has every byte of it, and no message carries a piece of a transcript.

mod common;

use common::sottovoce;
use serde_json::Value;
use sottovoce::config;
use sottovoce::core::wire::UpdateView;
use sottovoce::core::{Contents, Format, Outbound};
use sottovoce::experiment::evidence::{self, Evidence};
use sottovoce::experiment::{Experiment, Record};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use tempfile::{TempDir, tempdir};

fn name(path: &Path) -> &str {
    path.to_str().expect("a temporary folder has a plain name")
}

/// Devices that lose answers and are late, in rounds of two exchanges.
const WORLD: &[&str] = &[
    r#"world={devices=[{share=1,up_mbps=1,down_mbps=4},{share=1,speed=0.2,up_mbps=1,down_mbps=4}],loses_answer=0.2,fails_training=0.1,seconds_per_example=0.5}"#,
    r#"rounds.pace={kind="synchronous",deadline_seconds=40}"#,
    "rounds.count=6",
];

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("kept");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn sum(of: &[Value], name: &str) -> u64 {
    of.iter().map(|v| v[name].as_u64().expect("a number")).sum()
}

#[test]
fn the_ledger_has_every_byte_whatever_became_of_it() {
    for algorithm in ["fedavg", "mime"] {
        let folder = tempdir().expect("a folder can be made");
        let run = folder.path().join("run");
        let algorithm = format!("algorithm={{kind=\"{algorithm}\"}}");
        let summary =
            sottovoce(&["run", "--json"]).small().set(WORLD).set(&[&algorithm]).out(&run).ok().json();
        let (ledger, rounds) = (lines(&run.join("egress.jsonl")), lines(&run.join("rounds.jsonl")));
        let updates: Vec<Value> = ledger.iter().filter(|line| line["kind"] == "update").cloned().collect();
        let lost = |line: &Value| line["without"].to_string().matches("lost on the way").count();
        assert!(rounds.iter().map(lost).sum::<usize>() > 0, "some answers are lost: {rounds:?}");
        // Every update that arrived is there, and more: those that did not.
        let accepted: usize = rounds.iter().map(|r| r["accepted"].as_array().expect("a list").len()).sum();
        assert!(updates.len() > accepted, "{} of {accepted}", updates.len());
        assert_eq!(sum(&updates, "bytes"), summary["bytes_up"].as_u64().expect("a number"));
        assert_eq!(sum(&rounds, "bytes_up"), sum(&updates, "bytes"));

        let ask = |words: &[&str]| {
            let done = sottovoce(&["egress", "--json"]).arg(&run).args(words).ok().json();
            done.as_array().expect("groups").clone()
        };
        let kinds = ask(&[]);
        assert_eq!(kinds[0]["of"][0], "update");
        assert_eq!(
            (sum(&kinds, "messages"), sum(&kinds, "bytes")),
            (ledger.len() as u64, sum(&ledger, "bytes"))
        );
        for by in ["client", "round", "exchange", "client,round,exchange,kind"] {
            let groups = ask(&["--by", by]);
            assert_eq!(sum(&groups, "bytes"), sum(&ledger, "bytes"), "{by}");
            let of: BTreeSet<String> = groups.iter().map(|g| g["of"].to_string()).collect();
            assert_eq!(of.len(), groups.len(), "{by}: every group once");
        }
        // Both exchanges of Mime are in it.
        let exchanges = ask(&["--by", "exchange"]).len();
        assert_eq!(exchanges, if algorithm.contains("mime") { 2 } else { 1 });
        let one = ask(&["--client", "3"]);
        let own: Vec<Value> = ledger.iter().filter(|line| line["client"] == 3).cloned().collect();
        assert_eq!(sum(&one, "bytes"), sum(&own, "bytes"));
    }
}

#[test]
fn a_message_is_described_with_its_numbers() {
    let folder = tempdir().expect("a folder can be made");
    let run = folder.path().join("run");
    let clip = r#"transforms=[{kind="clip_norm",max=0.01}]"#;
    sottovoce(&["run", "--trace"]).small().set(&[clip]).out(&run).ok();
    let first = lines(&run.join("egress.jsonl")).swap_remove(0);
    let (client, round) = (first["client"].to_string(), first["round"].to_string());
    let about = ["--client", &client, "--round", &round];
    let messages = sottovoce(&["egress", "--json"]).arg(&run).args(&about).ok().json();
    let content = &messages[0]["content"];
    assert_eq!(messages[0]["line"]["checksum"], first["checksum"]);
    // It was clipped, and f32 is as near to the bound as it can be.
    let norm = content["norm"].as_f64().expect("a number");
    assert!((norm - 0.01).abs() < 1e-6, "{content}");
    // A sparse update has some rows of the table and all of the bias.
    let rows = &content["rows"];
    let (table, bias) = (&rows[0], &rows[1]);
    let (sent, all) = (table[1].as_u64().expect("a number"), table[2].as_u64().expect("a number"));
    assert!(sent > 0 && sent < all && all == 2048, "{rows}");
    assert_eq!(bias[1], bias[2]);
    // Four bytes for each row's number, and for each value; the frame and the head beside them.
    let classes = 100_000_u64.min(first["bytes"].as_u64().expect("a number") / (4 * (sent + 1)));
    assert!(classes > 1);
    let said = sottovoce(&["egress"]).arg(&run).args(&about).ok().out();
    for words in ["No text", "test whether a word", "clip_norm", "training examples", "of 2,048 rows"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let nobody = sottovoce(&["egress"]).arg(&run).args(&["--client", "7", "--round", "99"]).ok().out();
    assert!(nobody.contains("sent nothing"), "{nobody}");
}

const SENTENCES: [&str; 8] = [
    "please send my money back to the old account",
    "the parcel was left in front of the wrong door",
    "nobody answers the telephone in the evening",
    "how do I change the address of my subscription",
    "我的包裹昨天被放在邻居的门口了请帮我查一下",
    "麻烦把上个月多收的费用退回到原来的账户里",
    "晚上打电话一直没有人接到底怎么回事",
    "请问怎样修改订阅的收货地址和联系方式",
];

/// Characters that are a piece of a transcript.
const PIECE: usize = 12;

/// Every piece of every transcript, as bytes, by length.
fn pieces() -> BTreeMap<usize, BTreeSet<Vec<u8>>> {
    let mut all: BTreeMap<usize, BTreeSet<Vec<u8>>> = BTreeMap::new();
    for sentence in SENTENCES {
        let characters: Vec<char> = sentence.chars().collect();
        for piece in characters.windows(PIECE) {
            let text: String = piece.iter().collect();
            let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            for bytes in [text.into_bytes(), utf16] {
                all.entry(bytes.len()).or_default().insert(bytes);
            }
        }
    }
    all
}

/// The first piece that some bytes hold.
fn piece_in(bytes: &[u8], pieces: &BTreeMap<usize, BTreeSet<Vec<u8>>>) -> Option<String> {
    let of_length = |(length, some): (&usize, &BTreeSet<Vec<u8>>)| {
        bytes.windows(*length).find(|window| some.contains(*window)).map(<[u8]>::to_vec)
    };
    pieces.iter().find_map(of_length).map(|found| String::from_utf8_lossy(&found).into_owned())
}

/// The message with a sentence in place of its first numbers.
fn leaking(message: &[u8], format: &Format, sentence: &str) -> Vec<u8> {
    let mut update = UpdateView::parse(message, format.message()).expect("a message").to_update();
    for (value, four) in update.delta.values_mut().iter_mut().zip(sentence.as_bytes().chunks_exact(4)) {
        *value = f32::from_le_bytes([four[0], four[1], four[2], four[3]]);
    }
    let mut message = Vec::new();
    update.encode(&mut message);
    message
}

/// Runs desks that say the sentences, keeping all that passes; returns the messages.
fn messages() -> (TempDir, Format, Vec<Vec<u8>>) {
    let folder = tempdir().expect("a folder can be made");
    let mut rows = String::from("text,intent,client,split\n");
    for i in 0..64 {
        let (sentence, split) = (SENTENCES[i % 8], if i % 5 == 0 { "test" } else { "train" });
        writeln!(rows, "{sentence},topic {},desk {},{split}", i % 4, i / 8 % 4).expect("a string");
    }
    let data = folder.path().join("desks.csv");
    fs::write(&data, rows).expect("a file can be written");
    let text = format!(
        "name = \"desks\"\nseed = 3\n\
         model = {{ kind = \"embedding_bag\", dim = 4 }}\nfeatures = {{ buckets = 512 }}\n\
         local = {{ epochs = 1, batch = 4, optimiser = {{ kind = \"sgd\", lr = 1.0 }} }}\n\
         rounds = {{ count = 3, cohort = {{ kind = \"all\" }} }}\n[data]\npath = {:?}\n",
        name(&data)
    );
    let config = config::parse("desks.toml", &text, &[]).expect("a configuration");
    let experiment = Experiment::new(config).expect("an experiment");
    let run = folder.path().join("run");
    let mut record = Record::create(&run).expect("a new folder").with_trace();
    experiment.run(&mut record, &mut ()).expect("a run");
    let format = Format::new(experiment.data().model.layout().clone(), Contents::DELTA).expect("a format");
    let kept = |round| Evidence::read(&evidence::path(&run, round), &format).expect("kept").messages;
    let messages = (0..3).flat_map(kept).map(|(_, message)| message).collect();
    (folder, format, messages)
}

#[test]
fn no_message_carries_a_dozen_characters_of_a_transcript() {
    let pieces = pieces();
    let (folder, format, messages) = messages();
    assert_eq!(messages.len(), 12);
    for message in &messages {
        assert_eq!(piece_in(message, &pieces), None);
    }
    // Nor does anything else that the run has left, but the data themselves.
    for entry in fs::read_dir(folder.path().join("run")).expect("kept") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            assert_eq!(piece_in(&fs::read(&path).expect("kept"), &pieces), None, "{}", path.display());
        }
    }
    // What looks for pieces finds one that was planted.
    for (message, sentence) in messages.iter().zip(SENTENCES.iter().cycle()) {
        let found = piece_in(&leaking(message, &format, sentence), &pieces).expect("it leaks");
        assert!(sentence.contains(&found), "{found}");
    }
}
