//! Files that ask for more memory than they hold: an answer, and never an attempt.

mod common;

use common::{bytes, sottovoce};
use serde_json::{Value, json};
use std::fs;
use tempfile::tempdir;

#[test]
fn a_file_of_a_model_cannot_ask_for_more_than_it_holds() {
    let folder = tempdir().expect("a folder can be made");
    let out = folder.path().join("run");
    sottovoce(&["run", "--quiet"]).small().out(&out).ok();
    let path = out.join("model.safetensors");
    let good = bytes(&path);
    let (length, rest) = good.split_first_chunk::<8>().expect("a header");
    let header: Value = serde_json::from_slice(&rest[..u64::from_le_bytes(*length) as usize]).expect("JSON");
    let meaning = header["__metadata__"]["sottovoce"].as_str().expect("text");
    let meaning: Value = serde_json::from_str(meaning).expect("JSON");
    let config = meaning["config"].as_str().expect("TOML");
    for (model, says) in [
        // 528 GB of an upper factor, 32 GB of embeddings, 16 GB that no tensor here has.
        ("kind = \"low_rank\"\nrank = 4\ndim = 2000000000", "parameters, at most 4294967296 are taken"),
        ("kind = \"embedding_bag\"\ndim = 4000000", "parameters, at most 4294967296 are taken"),
        ("kind = \"embedding_bag\"\ndim = 2000000", "tensor"),
        (
            "kind = \"text_cnn\"\nwidths = [2]\ndim = 4000000\nfilters = 4000",
            "parameters, at most 4294967296 are taken",
        ),
    ] {
        let config = config.replace("kind = \"softmax_regression\"", model);
        let meaning = json!({"config": config, "labels": meaning["labels"]});
        let header = json!({"__metadata__": {"sottovoce": meaning.to_string()}}).to_string();
        let file = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
        fs::write(&path, file).expect("a file can be written");
        let done = sottovoce(&["classify"]).arg(&out).input("hi\n").done();
        assert!(matches!(done.code, Some(1 | 2)), "{model}: {:?} {}", done.code, done.err());
        assert!(done.err().contains(says), "{model}: {}", done.err());
    }
}

#[test]
fn a_configuration_cannot_ask_for_more_than_the_limit() {
    for set in [
        &["features.buckets=67108864", "model={kind=\"embedding_bag\",dim=4096}"][..],
        &["features.buckets=67108864", "model={kind=\"low_rank\",rank=4096,dim=4096}"],
    ] {
        let said = sottovoce(&["run", "--quiet"]).small().set(set).fails(2);
        assert!(said.contains("parameters, at most 4294967296 are taken"), "{said}");
    }
}

/// A line of text without an end.
#[test]
fn an_endless_line_is_refused() {
    let folder = tempdir().expect("a folder can be made");
    let out = folder.path().join("run");
    sottovoce(&["run", "--quiet"]).small().out(&out).ok();
    let input = [&b"where is my refund\n"[..], &b"a ".repeat(9 << 20)].concat();
    let done = sottovoce(&["classify"]).arg(&out).input(input).done();
    assert_eq!(done.code, Some(1), "{}", done.err());
    assert!(done.err().contains("line 2 is longer than 16777216 bytes"), "{}", done.err());
    assert_eq!(done.out().lines().count(), 1);
}
