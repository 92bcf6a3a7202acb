//! Weights count, or are refused.

use super::*;
use sottovoce::aggregator::rules::{Kind, catalogue};

#[test]
fn weights_change_the_result_or_are_refused() {
    let files = Files::new();
    let rows: Vec<f64> = (0..7 * 3).map(|i| f64::from(i * i * 37 % 101) / 8.0).collect();
    let input = files.write("x.npy", &npy("<f8", false, "(7, 3)", &f64s(&rows)));
    let given = [
        ("f", "1"),
        ("c", "3"),
        ("s", "2"),
        ("seed", "1"),
        ("tau", "9"),
        ("M", "9"),
        ("idx", "0"),
        ("server_update", "[1,2,3]"),
    ];
    let (mut counted, mut refused) = (Vec::new(), Vec::new());
    for entry in catalogue() {
        for word in [None, Some("declared")] {
            let takes = |name: &str| entry.parameters.iter().any(|p| p.name == name);
            if word.is_some() && !takes("weights") {
                continue;
            }
            let call = |weights: &str| {
                let mut call = files.call(entry.name, "out.npy").arg(&input).arg(weights).arg("--json");
                for (name, value) in given.iter().filter(|(name, _)| takes(name)) {
                    call = call.arg(format!("--param={name}={value}"));
                }
                word.map(|w| format!("--param=weights={w}")).into_iter().fold(call, |call, w| call.arg(w))
            };
            let done = call("--weights=1,2,3,4,5,6,7").done();
            if done.code == Some(0) {
                let other = call("--weights=7,1,6,2,5,3,4").ok().json();
                assert_ne!(done.json()["digest"], other["digest"], "{} ignores weights", entry.name);
                counted.push(entry.name);
                continue;
            }
            let message = plain(&done.err());
            assert!(message.contains(&format!("{} does not look at weights", entry.name)), "{message}");
            assert!(message.contains("mean") && message.contains("rfa"), "no rules are named: {message}");
            assert_eq!(message.contains("--param weights=declared"), takes("weights"), "{message}");
            refused.push(entry.name);
        }
    }
    for name in ["mean", "weighted-average", "rfa", "average"] {
        assert!(counted.contains(&name), "{name} refuses weights");
    }
    let wrappers = catalogue().iter().filter(|e| e.kind == Kind::Wrapper);
    for name in wrappers.map(|e| e.name).chain(["krum", "coordinate-median", "average"]) {
        assert!(refused.contains(&name), "{name} takes weights");
    }
    let call = |rule: &str| files.call(rule, "no.npy").arg(&input).arg("--weights=1,2,3,4,5,6,7");
    let buckets = call("bucketing+mean").args(&["--param=s=2", "--param=seed=1"]);
    for call in [call("nnm+krum").arg("--faulty=1"), buckets, call("mean").arg("--param=weights=uniform")] {
        assert!(call.fails(2).contains("does not look at weights"));
    }
    call("nnm+mean").arg("--faulty=1").ok();
    // The weights' file is an input as well.
    let file = files.write("w.npy", &npy("<f8", false, "(7,)", &f64s(&[1.0; 7])));
    let message = files.call("mean", "w.npy").arg(&input).arg("--weights").arg(&file).fails(2);
    assert!(message.contains("is one of the inputs"), "{message}");
}

#[test]
fn weights_are_read_in_every_type_of_number() {
    let files = Files::new();
    let input = files.write("x.npy", &npy("<f8", false, "(2, 1)", &f64s(&[0.0, 4.0])));
    for (name, descr, bytes) in [
        ("f2", "<f2", vec![0x00, 0x3c, 0x00, 0x42]),
        ("big f2", ">f2", vec![0x3c, 0x00, 0x42, 0x00]),
        ("big f8", ">f8", [1.0f64, 3.0].iter().flat_map(|w| w.to_be_bytes()).collect()),
        ("big i2", ">i2", vec![0, 1, 0, 3]),
        ("i1", "|i1", vec![1, 3]),
        ("u8", "<u8", [1u64, 3].iter().flat_map(|w| w.to_le_bytes()).collect()),
    ] {
        let weights = files.write(&format!("{name}.npy"), &npy(descr, false, "(2,)", &bytes));
        files.call("mean", "out.npy").arg(&input).arg("--weights").arg(weights).ok();
        assert_eq!(bytes_of(&files), f64s(&[3.0]), "{name}");
    }
    let negative = files.write("n.npy", &npy("|i1", false, "(2,)", &[1, 0xff]));
    let message = files.call("mean", "no.npy").arg(&input).arg("--weights").arg(negative).fails(2);
    assert!(message.contains("weight 1 is -1"), "{message}");
}

fn bytes_of(files: &Files) -> Vec<u8> {
    bytes(&files.path("out.npy"))[128..].to_vec()
}
