//! Tensors that are kept, and tensors that are left out.

use super::kinds::{arrays, npz};
use super::*;
use zip::CompressionMethod;

/// A state dict with batch normalisation, as the safetensors of Python write it: two weights, a mean, a counter.
fn batch_norm(weights: [f32; 2], mean: f32, counter: i64) -> Vec<u8> {
    let header = r#"{"fc.weight": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "bn.running_mean": {"dtype": "F32", "shape": [1], "data_offsets": [8, 12]}, "bn.num_batches_tracked": {"dtype": "I64", "shape": [], "data_offsets": [12, 20]}}    "#;
    safetensors(header, &[f32s(&weights), f32s(&[mean]), counter.to_le_bytes().to_vec()].concat())
}

#[test]
fn a_counter_is_refused_kept_or_left_out() {
    let files = Files::new();
    let one = files.write("1.safetensors", &batch_norm([1.0, 2.0], 0.5, -7));
    let two = files.write("2.safetensors", &batch_norm([3.0, 6.0], 1.5, -5));
    let call = |words: &[&str]| {
        let call = sottovoce(&["aggregate", "--rule=mean", "-o"]).arg(files.path("out.safetensors"));
        call.args(words).arg(&one).arg(&two)
    };
    for words in [&[][..], &["--integers=error"]] {
        let message = plain(&call(words).fails(2));
        assert!(message.contains("tensor bn.num_batches_tracked holds i64"), "{message}");
        assert!(message.contains("--integers first"), "{message}");
    }
    assert!(!files.path("out.safetensors").exists());
    let out = || bytes(&files.path("out.safetensors"));
    let done = call(&["--integers=first"]).ok();
    assert_eq!(out(), batch_norm([2.0, 4.0], 1.0, -7));
    assert!(done.err().contains("note: ") && done.err().contains("bn.num_batches_tracked"), "{}", done.err());
    assert!(!done.err().contains("copied"), "numbers before the counter are read in place: {}", done.err());
    assert!(done.out().contains("kept      bn.num_batches_tracked"), "{}", done.out());
    call(&["--integers=max"]).ok();
    assert_eq!(out(), batch_norm([2.0, 4.0], 1.0, -5));
    let same = call(&["--integers=first"]).arg(&one);
    assert!(same.ok().err().contains("not the same"));
    let same = sottovoce(&["aggregate", "--rule=mean", "--integers=first", "-o"]);
    assert_eq!(same.arg(files.path("out.safetensors")).arg(&one).arg(&one).ok().err(), "");
    for words in
        [&["--integers=skip"][..], &["--exclude=*num_batches_tracked"], &["--only=fc.*", "--only=*mean"]]
    {
        let report = call(words).arg("--json").ok().json();
        assert_eq!(report["left_out"], serde_json::json!(["bn.num_batches_tracked"]), "{words:?}");
        let header = r#"{"fc.weight":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"bn.running_mean":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}"#;
        let padded = format!("{header:<width$}", width = header.len().next_multiple_of(8));
        assert_eq!(out(), safetensors(&padded, &f32s(&[2.0, 4.0, 1.0])), "{words:?}");
    }
    for (words, said) in [
        (&["--exclude=num_batches_tracked"][..], "*num_batches_tracked matches bn.num_batches_tracked"),
        (&["--integers=skip", "--only=fc.wieght"], "did you mean fc.weight?"),
        (&["--exclude=*"], "no tensor of floating-point numbers"),
        (&["--only=*tracked", "--integers=max"], "no tensor of floating-point numbers"),
        (&["--integers=mean"], "first"),
    ] {
        let message = plain(&call(words).fails(2));
        assert!(message.contains(said), "{words:?}: {message}");
    }
    let plain_array = files.write("x.npy", &npy("<f4", false, "(2, 1)", &f32s(&[1.0, 2.0])));
    let message = files.call("mean", "out.npy").arg("--only=x").arg(plain_array).fails(2);
    assert!(message.contains("has no name"), "{message}");
    let counters = files.write("c.npy", &npy("<i8", false, "(2, 1)", &[0; 16]));
    assert!(files.call("mean", "out.npy").arg("--integers=max").arg(counters).fails(2).contains("holds i64"));
}

#[test]
fn every_type_of_integer_is_kept_as_it_is() {
    let files = Files::new();
    let w = |x: f32| ("w", npy("<f4", false, "(1,)", &f32s(&[x])));
    // Types, two clients' elements as bytes, the larger of each as it is written.
    for (descr, one, two, written, most) in [
        ("|b1", vec![0, 1], vec![1, 0], "|b1", vec![1, 1]),
        ("|i1", vec![0xff, 3], vec![1, 2], "|i1", vec![1, 3]),
        ("|u1", vec![0xff, 3], vec![1, 4], "|u1", vec![0xff, 4]),
        ("<i2", vec![0, 0x80, 1, 0], vec![0xff, 0xff, 0, 1], "<i2", vec![0xff, 0xff, 0, 1]),
        (">u2", vec![0, 0xff, 1, 0], vec![1, 0, 0, 9], "<u2", vec![0, 1, 0, 1]),
        (
            "<u4",
            vec![1, 0, 0, 0, 0, 0, 0, 0x80],
            vec![2, 0, 0, 0, 1, 0, 0, 0],
            "<u4",
            vec![2, 0, 0, 0, 0, 0, 0, 0x80],
        ),
        (
            ">i8",
            [i64::MIN, 256].iter().flat_map(|n| n.to_be_bytes()).collect(),
            [i64::MIN + 1, 255].iter().flat_map(|n| n.to_be_bytes()).collect(),
            "<i8",
            [i64::MIN + 1, 256].iter().flat_map(|n| n.to_le_bytes()).collect(),
        ),
    ] {
        let file = |bytes: &[u8], x: f32| {
            npz(CompressionMethod::Deflated, &[("n", npy(descr, false, "(2, 1)", bytes)), w(x)])
        };
        let a = files.write("a.npz", &file(&one, 1.0));
        let b = files.write("b.npz", &file(&two, 3.0));
        files.call("mean", "out.npz").arg("--integers=max").arg(&a).arg(&b).ok();
        let got = arrays(&bytes(&files.path("out.npz")));
        let names: Vec<&str> = got.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["n", "w"], "{descr}");
        let header = String::from_utf8_lossy(&got[0].1[10..got[0].1.len() - most.len()]).into_owned();
        let expected = format!("{{'descr': '{written}', 'fortran_order': False, 'shape': (2, 1), }}");
        assert_eq!(header.trim_end(), expected);
        assert_eq!(got[0].1[got[0].1.len() - most.len()..], most, "{descr}");
        assert_eq!(got[1].1[got[1].1.len() - 4..], f32s(&[2.0]), "{descr}");
        // One type only, and one shape.
        let other = npz(CompressionMethod::Stored, &[("n", npy("<f4", false, "(2, 1)", &[0; 8])), w(1.0)]);
        let other = files.write("other.npz", &other);
        let message = files.call("mean", "no.npz").arg("--integers=first").arg(&a).arg(other).fails(2);
        assert!(message.contains("tensor n holds f32, in the first file"), "{message}");
    }
}

#[test]
fn what_is_left_out_need_not_be_the_same() {
    let files = Files::new();
    let w = |x: f32| ("w", npy("<f4", false, "(1,)", &f32s(&[x])));
    let counter = |n: usize| ("n", npy("<i8", false, &format!("({n},)"), &vec![0; 8 * n]));
    let words = ("names", npy("<U3", false, "(2,)", &[0; 24]));
    let damaged = ("d", b"no array".to_vec());
    let npz = |arrays: &[(&str, Vec<u8>)]| npz(CompressionMethod::Stored, arrays);
    let one = files.write("1.npz", &npz(&[words, w(1.0), counter(1), damaged]));
    let two = files.write("2.npz", &npz(&[counter(3), w(2.0)]));
    let three = files.write("3.npz", &npz(&[w(3.0)]));
    let call = |words: &[&str]| files.call("mean", "out.npz").args(words).arg(&one).arg(&two).arg(&three);
    call(&["--only=w"]).ok();
    call(&["--exclude=names", "--exclude=d", "--integers=skip"]).ok();
    let got = arrays(&bytes(&files.path("out.npz")));
    assert!(got.len() == 1 && got[0].1.ends_with(&f32s(&[2.0])), "{got:?}");
    assert!(
        call(&["--integers=skip"]).fails(2).contains("--exclude"),
        "an array of words says how it is left out"
    );
    assert!(call(&["--exclude=names", "--exclude=d", "--integers=first"]).fails(2).contains("tensor n"));
}
