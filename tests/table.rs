//! A low-rank model over a table that an earlier run has learnt, or somebody else: it is that table, in any file, and what
//! does not belong together is refused.

mod common;

use common::{Call, SMALL, bytes, json, sottovoce, write_npy};
use safetensors::SafeTensors;
use std::fs;
use std::path::Path;
use tempfile::{TempDir, tempdir};

const BUCKETS: usize = 2048;
const DIM: usize = 6;

/// A folder with a run of an embedding bag, `bag`, and its table as an array, `table.npy`.
fn prepared() -> (TempDir, Vec<f32>) {
    let folder = tempdir().expect("a folder can be made");
    let model = format!("model={{kind=\"embedding_bag\",dim={DIM}}}");
    sottovoce(&["run"])
        .set(SMALL)
        .set(&[&model, "local.optimiser.lr=0.5"])
        .out(&folder.path().join("bag"))
        .ok();
    let file = bytes(&folder.path().join("bag/model.safetensors"));
    let tensors = SafeTensors::deserialize(&file).expect("a run writes a safetensors file");
    let table = tensors.tensor("table").expect("an embedding bag has a table");
    let number = |n: &[u8]| f32::from_le_bytes(n.try_into().expect("four bytes"));
    let table: Vec<f32> = table.data().chunks_exact(4).map(number).collect();
    write_npy(&folder.path().join("table.npy"), DIM, &table);
    (folder, table)
}

fn adapt(folder: &Path, table: &str, out: &str) -> Call {
    let table = folder.join(table);
    let model = format!("model={{kind=\"low_rank\",rank=2,dim={DIM},table=\"{}\"}}", table.display());
    sottovoce(&["run"]).set(SMALL).set(&[&model, "seed=8", "local.optimiser.lr=0.3"]).out(&folder.join(out))
}

#[test]
fn a_table_is_the_same_from_any_file_and_goes_with_the_model() {
    let (folder, table) = prepared();
    let folder = folder.path();
    adapt(folder, "bag/model.safetensors", "one").args(&["--threads", "1"]).ok();
    adapt(folder, "bag/model.safetensors", "two").args(&["--threads", "2"]).ok();
    adapt(folder, "table.npy", "array").ok();
    let other: Vec<f32> = table.iter().map(|v| v + 1.0).collect();
    write_npy(&folder.join("other.npy"), DIM, &other);
    adapt(folder, "other.npy", "other").ok();
    let of = |name: &str, key: &str| json(&folder.join(name).join("summary.json"))[key].clone();
    for key in ["digest", "chain"] {
        assert_eq!(of("one", key), of("two", key), "{key}");
        assert_eq!(of("one", key), of("array", key), "{key}");
        assert_ne!(of("one", key), of("other", key), "{key}");
    }
    let classify = || sottovoce(&["classify"]).arg(folder.join("one")).input("the app crashes\n").ok().out();
    let before = classify();
    fs::remove_dir_all(folder.join("bag")).expect("a folder can be removed");
    assert_eq!(classify(), before);
    assert_ne!(
        sottovoce(&["classify"]).arg(folder.join("other")).input("the app crashes\n").ok().out(),
        before
    );
}

#[test]
fn what_is_no_table_for_a_model_is_refused() {
    let (folder, table) = prepared();
    let folder = folder.path();
    let fails = |table: &str, overrides: &[&str], code: i32, said: &str| {
        let error = adapt(folder, table, "out").set(overrides).fails(code);
        let error = error.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
        assert!(error.contains(said), "{said}: {error}");
    };
    let saved = "bag/model.safetensors";
    fails(saved, &["features.word_ngrams=3"], 1, "the features of that run are others");
    fails(
        saved,
        &["model.dim=7"],
        1,
        "2048 rows of 6 numbers, but features.buckets = 2048 and model.dim = 7",
    );
    fails(saved, &["model.table_init=0.1"], 2, "leave one of them out");
    fails("nothing.npy", &[], 2, "there is no such");
    write_npy(&folder.join("short.npy"), DIM, &table[DIM..]);
    fails("short.npy", &[], 1, &format!("{} rows of 6 numbers", BUCKETS - 1));
    let mut nan = table.clone();
    nan[5 * DIM + 2] = f32::NAN;
    write_npy(&folder.join("nan.npy"), DIM, &nan);
    fails("nan.npy", &[], 1, "NaN in row 5, column 2");
    fails("table.npy", &["model.rank=0"], 2, "model.rank = 0");
    sottovoce(&["run"]).set(SMALL).out(&folder.join("softmax")).ok();
    fails("softmax/model.safetensors", &[], 1, "take one with an embedding bag");
    fs::write(folder.join("text.npy"), "text").expect("a file can be written");
    fails("text.npy", &[], 1, "does not begin as a .npy file does");
}
