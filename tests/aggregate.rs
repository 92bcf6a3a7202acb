//! `aggregate` and `bench` from outside: files of updates in, one file out, and what is refused.

mod common;
#[path = "aggregate/exact.rs"]
mod exact;
#[path = "aggregate/kinds.rs"]
mod kinds;
#[path = "aggregate/streams.rs"]
mod streams;
#[path = "aggregate/tensors.rs"]
mod tensors;
#[path = "aggregate/weights.rs"]
mod weights;

use common::{Call, bytes, sottovoce};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::{TempDir, tempdir};

/// A folder of files for one test.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempdir().expect("a folder can be made"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("inside the folder")).expect("a folder can be made");
        fs::write(&path, content).expect("a file can be written");
        path
    }

    /// `aggregate --rule RULE -o OUT`, quiet.
    fn call(&self, rule: &str, out: &str) -> Call {
        sottovoce(&["aggregate", "--rule", rule, "--quiet", "-o"]).arg(self.path(out))
    }
}

/// An array as NumPy writes it.
fn npy(descr: &str, fortran: bool, shape: &str, numbers: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
    text.extend(std::iter::repeat_n(' ', 128 - 10 - 1 - text.len()));
    text.push('\n');
    let length = (text.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], text.as_bytes(), numbers].concat()
}

fn f32s(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
}

fn f64s(numbers: &[f64]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
}

/// Header without the spaces at its end, and numbers, of an array of `f32`.
fn read_f32(path: &Path) -> (String, Vec<f32>) {
    let file = bytes(path);
    let start = 10 + usize::from(u16::from_le_bytes([file[8], file[9]]));
    assert_eq!(start % 64, 0, "numbers begin at a multiple of 64");
    let header = String::from_utf8(file[10..start].to_vec()).expect("a header is text");
    let numbers = file[start..].chunks_exact(4).map(|n| f32::from_le_bytes([n[0], n[1], n[2], n[3]]));
    (header.trim_end().to_owned(), numbers.collect())
}

fn safetensors(header: &str, numbers: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), numbers].concat()
}

/// An error as one line.
fn plain(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_matrix_becomes_a_row() {
    let files = Files::new();
    let input = files.write("x.npy", &npy("<f4", false, "(3, 2)", &f32s(&[1.0, 9.0, 2.0, -3.0, 6.0, 0.0])));
    for (rule, expected) in [("mean", [3.0, 2.0]), ("median", [2.0, 0.0])] {
        let done = files.call(rule, "out.npy").arg(&input).ok();
        assert_eq!((done.out(), done.err()), (String::new(), String::new()));
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }".to_owned();
        assert_eq!(read_f32(&files.path("out.npy")), (header, expected.to_vec()), "{rule}");
    }
    let said =
        sottovoce(&["aggregate", "--rule", "mean", "-o"]).arg(files.path("out.npy")).arg(&input).ok().out();
    assert!(said.contains("3 clients of 2 parameters") && said.contains("digest"), "{said}");
    // The same numbers the other way round, and what wrappers alone give.
    let columns = files.write("f.npy", &npy("<f4", true, "(3, 2)", &f32s(&[1.0, 2.0, 6.0, 9.0, -3.0, 0.0])));
    let done = sottovoce(&["aggregate", "--rule=mean", "-o"]).arg(files.path("f-out.npy")).arg(&columns).ok();
    assert!(done.err().contains("f.npy") && done.err().contains("copied"), "{}", done.err());
    assert_eq!(read_f32(&files.path("f-out.npy")).1, [3.0, 2.0]);
    files.call("nnm", "rows.npy").arg("--faulty=0").arg(&input).ok();
    let (header, rows) = read_f32(&files.path("rows.npy"));
    assert!(header.contains("(3, 2)") && rows == [3.0, 2.0, 3.0, 2.0, 3.0, 2.0], "{header} {rows:?}");
    assert!(!files.path("rows.npy.partial").exists());
}

#[test]
fn many_arrays_become_one_of_their_shape() {
    let files = Files::new();
    for (name, x) in [("b.npy", [5.0, 5.0, 5.0, 8.0]), ("a.npy", [1.0, 2.0, 3.0, 4.0]), ("c.npy", [0.0; 4])] {
        files.write(&format!("in/{name}"), &npy("<f8", false, "(2, 2)", &f64s(&x)));
    }
    files.write("in/.hidden", b"no update");
    let call = || files.call("mean", "out.npy").arg("--json").arg(files.path("in"));
    let report = call().arg("--weights=1,3,0").ok().json();
    assert_eq!(
        (&report["dtype"], &report["clients"], &report["params"]),
        (&"f64".into(), &3.into(), &4.into())
    );
    assert_eq!(bytes(&files.path("out.npy"))[128..], f64s(&[4.0, 4.25, 4.5, 7.0]));
    let weights = files.write("w.txt", b"1\n3\n\n0\n");
    assert_eq!(call().arg("--weights").arg(weights).ok().json()["digest"], report["digest"]);
    let integers: Vec<u8> = [1i64, 3, 0].iter().flat_map(|w| w.to_le_bytes()).collect();
    let weights = files.write("w.npy", &npy("<i8", false, "(3,)", &integers));
    assert_eq!(call().arg("--weights").arg(weights).ok().json()["digest"], report["digest"]);
    for (weights, said) in [
        ("1,2", "2 weights for 3 clients"),
        ("1,-2,1", "weight 1 is -2"),
        ("1,nan,1", "weight 1 is NaN"),
        ("1,x", "neither a list"),
    ] {
        let message = call().arg(format!("--weights={weights}")).fails(2);
        assert!(message.contains(said), "{weights}: {message}");
    }
}

const HEADER: &str = r#"{"__metadata__":{"z":"1","a":"2"},"w":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}"#;
/// The same tensors in the other order, at an odd place.
const OTHER: &str = r#"{"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[2,1],"data_offsets":[4,12]}} "#;

#[test]
fn tensors_are_matched_by_name() {
    let files = Files::new();
    let one = files.write("1.safetensors", &safetensors(HEADER, &f32s(&[1.0, 2.0, 3.0])));
    let two = files.write("2.safetensors", &safetensors(OTHER, &f32s(&[30.0, 10.0, 20.0])));
    let three = files.write("3.safetensors", &safetensors(HEADER, &f32s(&[4.0, 5.0, 6.0])));
    for (rule, expected) in [("mean", [5.0, 9.0, 13.0]), ("median", [4.0, 5.0, 6.0])] {
        files.call(rule, "out.safetensors").arg(&one).arg(&two).arg(&three).ok();
        assert_eq!(bytes(&files.path("out.safetensors")), safetensors(HEADER, &f32s(&expected)), "{rule}");
    }
    let message = files.call("nnm", "out.safetensors").arg("--faulty=0").arg(&one).arg(&two).fails(2);
    assert!(message.contains("end the recipe with a rule"), "{message}");

    let mixed = r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"x":{"dtype":"F64","shape":[1],"data_offsets":[4,12]}}"#;
    let renamed = HEADER.replace("\"b\"", "\"c\"");
    let reshaped = HEADER.replace("[2,1]", "[1,2]");
    let nan = f32s(&[1.0, 2.0, f32::NAN]);
    for (name, content, said) in [
        (
            "eighth",
            safetensors(&HEADER.replace("F32\",\"shape\":[2,1]", "F8_E4M3\",\"shape\":[8,1]"), &[0; 12]),
            "F8_E4M3",
        ),
        ("renamed", safetensors(&renamed, &[0; 12]), "tensor b is missing"),
        ("reshaped", safetensors(&reshaped, &[0; 12]), "tensor w has shape [1, 2]"),
        ("nan", safetensors(HEADER, &nan), "tensor b, coordinate 0: NaN"),
    ] {
        let bad = files.write(&format!("{name}.safetensors"), &content);
        let message = files.call("mean", "bad.safetensors").arg(&one).arg(bad).fails(2);
        assert!(
            message.contains(&format!("{name}.safetensors")) && message.contains(said),
            "{name}: {message}"
        );
    }
    let mixed = files.write("mixed.safetensors", &safetensors(mixed, &[0; 12]));
    let message = files.call("mean", "bad.safetensors").arg(mixed).fails(2);
    assert!(message.contains("tensor x holds f64, tensors before it f32"), "{message}");
    assert!(!files.path("bad.safetensors").exists());
}

#[test]
fn a_report_says_what_was_selected_and_does_not_depend_on_threads() {
    let files = Files::new();
    let rows: Vec<f32> =
        (0..7 * 50).map(|i| (i * 37 % 101) as f32 + if i < 50 { 1e6 } else { 0.0 }).collect();
    let input = files.write("x.npy", &npy("<f4", false, "(7, 50)", &f32s(&rows)));
    let report = |threads: &str| {
        let call = files.call("multi-krum", "out.npy").arg("--faulty=1").arg("--param=m=3");
        call.arg("--json").arg("--threads").arg(threads).arg(&input).ok().json()
    };
    let (one, two) = (report("1"), report("2"));
    for key in [
        "rule", "clients", "params", "dtype", "seconds", "gb_per_s", "selected", "threads", "digest",
        "output",
    ] {
        assert!(!one[key].is_null(), "no {key} in {one}");
    }
    assert_eq!((&one["digest"], &one["selected"]), (&two["digest"], &two["selected"]));
    let selected = one["selected"].as_array().expect("a list");
    assert!(selected.len() == 3 && !selected.contains(&0.into()), "{one}");
    let expected = blake3_of(&files.path("out.npy"));
    assert_eq!(one["digest"], expected, "the digest is that of the output's numbers");
    let seeded = files.call("bucketing+median", "out.npy").arg("--param=perm=[0,1,2,3,4,5,6]");
    seeded.arg("--param=s=2").arg(&input).ok();
}

fn blake3_of(path: &Path) -> String {
    sottovoce::core::Digest::of(&bytes(path)[128..]).to_string()
}

#[test]
fn what_is_asked_wrongly_ends_with_2() {
    let files = Files::new();
    let good = npy("<f4", false, "(3, 2)", &f32s(&[1.0, 9.0, 2.0, -3.0, 6.0, 0.0]));
    let input = files.write("x.npy", &good);
    let call = |rule: &str| files.call(rule, "out.npy");
    for (call, said) in [
        (call("medain").arg(&input), "did you mean median"),
        (call("krum").arg(&input), "krum needs f"),
        (call("median").arg("--param=tau").arg(&input), "KEY=VALUE"),
        (call("median").arg("--param=tau=3").arg(&input), "no parameter \"tau\""),
        (call("krum").arg("--faulty=1").arg("--param=f=1").arg(&input), "f is given twice"),
        (call("krum").arg("--faulty=1").arg(&input), "krum"),
        (call("fltrust").arg("--param=server_update=[1,x]").arg(&input), "--param server_update=[1,x]"),
        (call("fltrust").arg("--param=server_update=none.npy").arg(&input), "none.npy"),
        (call("mean").arg(files.path("missing.npy")), "missing.npy"),
        (call("mean").arg(files.0.path().join("x.txt")), "x.txt"),
        (files.call("mean", "x.npy").arg(&input), "is one of the inputs"),
        (files.call("mean", "./x.npy").arg(&input), "is one of the inputs"),
        (files.call("mean", "out.safetensors").arg(&input), "should end in .npy"),
        (files.call("mean", "none/out.npy").arg(&input), "none"),
        (call("mean").arg("-"), "standard input: does not begin"),
        (call("mean").arg(&input).arg("-").arg("-"), "standard input"),
    ] {
        let message = plain(&call.fails(2));
        assert!(message.contains(said), "{said}: {message}");
    }
    assert_eq!(bytes(&input), good, "no input is touched");
    assert!(!files.path("out.npy").exists() && !files.path("out.npy.partial").exists());
    fs::create_dir(files.path("empty")).expect("a folder can be made");
    assert!(call("mean").arg(files.path("empty")).fails(2).contains("no input files"));

    let row = |descr: &str, shape: &str, numbers: &[u8]| npy(descr, false, shape, numbers);
    let first = files.write("1.npy", &row("<f4", "(2,)", &f32s(&[1.0, 2.0])));
    for (name, content, said) in [
        ("double.npy", row("<f8", "(2,)", &f64s(&[1.0, 2.0])), "holds f64, the first file f32"),
        ("longer.npy", row("<f4", "(3,)", &f32s(&[1.0; 3])), "has shape [3], the first file [2]"),
        ("complex.npy", row("<c8", "(2,)", &[0; 16]), "holds <c8"),
        ("integers.npy", row("<i4", "(2,)", &[0; 8]), "holds i32, the first file f32"),
        ("nan.npy", row("<f4", "(2,)", &f32s(&[0.0, f32::INFINITY])), "nan.npy, coordinate 1: inf"),
        ("other.safetensors", safetensors(HEADER, &[0; 12]), "the inputs are .npy files"),
        ("text.txt", b"1 2".to_vec(), "is not .npy, .npz or .safetensors"),
    ] {
        let bad = files.write(name, &content);
        let message = plain(&call("mean").arg(&first).arg(bad).fails(2));
        assert!(message.contains(name) && message.contains(said), "{name}: {message}");
    }
    let nan = files.write("nan.npy", &row("<f4", "(2, 2)", &f32s(&[0.0, 1.0, f32::NAN, 0.0])));
    let message = call("median").arg(nan).fails(2);
    assert!(message.contains("nan.npy, row 1, coordinate 0: NaN"), "{message}");
    let flat = files.write("flat.npy", &row("<f4", "(2,)", &f32s(&[1.0, 2.0])));
    call("mean").arg(&flat).ok();
    assert_eq!(read_f32(&files.path("out.npy")).1, [1.0, 2.0], "one flat array is one client");
    let deep = files.write("deep.npy", &row("<f4", "(1, 2, 1)", &f32s(&[1.0, 2.0])));
    assert!(call("mean").arg(deep).fails(2).contains("3 dimensions"));
}

#[test]
fn no_header_is_believed_more_than_its_file() {
    let files = Files::new();
    let good = npy("<f4", false, "(3, 2)", &f32s(&[0.0; 6]));
    let tensors = safetensors(HEADER, &f32s(&[0.0; 3]));
    let with_shape = |shape: &str| npy("<f4", false, shape, &[0; 24]);
    let length = |n: u64| [&n.to_le_bytes()[..], b"{}"].concat();
    let offsets = |shape: &str, to: &str| {
        safetensors(&format!(r#"{{"w":{{"dtype":"F32","shape":{shape},"data_offsets":[0,{to}]}}}}"#), &[0; 8])
    };
    for (name, content) in [
        ("empty.npy", vec![]),
        ("magic.npy", good[..6].to_vec()),
        ("header.npy", good[..60].to_vec()),
        ("short.npy", good[..good.len() - 1].to_vec()),
        ("long.npy", [&good[..], &[0]].concat()),
        ("version.npy", [b"\x93NUMPY\x04\x00", &good[8..]].concat()),
        ("claims.npy", [&b"\x93NUMPY\x02\x00\xff\xff\xff\xff"[..], &good[10..]].concat()),
        ("rows.npy", with_shape("(1000000000, 1000)")),
        ("overflow.npy", with_shape("(18446744073709551615, 18446744073709551615)")),
        ("digits.npy", with_shape("(340282366920938463463374607431768211456, 1)")),
        ("negative.npy", with_shape("(-3, -2)")),
        ("none.npy", npy("<f4", false, "(0, 7)", &[])),
        ("nested.npy", with_shape(&"(".repeat(40))),
        ("python.npy", with_shape("__import__('os')")),
        ("empty.safetensors", vec![]),
        ("header.safetensors", tensors[..40].to_vec()),
        ("short.safetensors", tensors[..tensors.len() - 1].to_vec()),
        ("long.safetensors", [&tensors[..], &[0]].concat()),
        ("huge.safetensors", length(u64::MAX)),
        ("large.safetensors", length(99_000_000)),
        ("nothing.safetensors", length(2)),
        ("offsets.safetensors", offsets("[4611686018427387903]", "18446744073709551612")),
        ("shape.safetensors", offsets("[9223372036854775807,9]", "8")),
        ("deep.safetensors", safetensors(&"[".repeat(200_000), &[])),
    ] {
        let input = files.write(name, &content);
        let out = if name.ends_with(".npy") { "o.npy" } else { "o.safetensors" };
        let message = files.call("mean", out).arg(input).fails(2);
        assert!(message.contains(name) && message.len() < 1000, "{name}: {message}");
    }
}

#[test]
fn help_lists_every_rule() {
    let help = sottovoce(&["aggregate", "--help"]).ok().out();
    for entry in sottovoce::aggregator::rules::catalogue() {
        let parameters = entry.parameters.iter().map(|p| p.name);
        for word in [entry.name].into_iter().chain(parameters) {
            assert!(help.contains(word), "--help says nothing of {word}");
        }
    }
}

#[test]
fn a_bench_names_its_figures() {
    let files = Files::new();
    let bench = |words: &[&str]| {
        let small = ["bench", "aggregation", "--params", "10000", "--seconds", "0.2", "--json"];
        sottovoce(&[&small[..], words].concat())
    };
    for words in
        [&["--clients", "10"][..], &["--rule", "nnm+krum"], &["--rule", "mean-wire", "--threads", "1"]]
    {
        let row = bench(words).out(&files.path("bench")).ok().json();
        for key in ["clients", "params", "seconds", "gb_per_s", "read_gb_per_s", "ratio", "threads"] {
            assert!(row[key].as_f64().is_some_and(|v| v.is_finite() && v > 0.0), "{key}: {row}");
        }
        assert_eq!(&row["rule"], words.iter().skip_while(|w| **w != "--rule").nth(1).unwrap_or(&"mean"));
        let svg = String::from_utf8(bytes(&files.path("bench/aggregation.svg"))).expect("SVG is text");
        assert!(svg.starts_with("<svg") && svg.contains("10 × 10,000"), "{svg}");
        assert_eq!(common::json(&files.path("bench/aggregation.json")), row);
    }
    for words in [&["--rule", "medain"][..], &["--clients", "1e12"], &["--faulty", "9", "--rule", "krum"]] {
        bench(words).fails(2);
    }
}
