//! Types of number, orders of bytes and archives.

use super::*;
use std::io::{Cursor, Read, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// An archive of arrays.
pub(super) fn npz(method: CompressionMethod, arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, array) in arrays {
        let options = SimpleFileOptions::default().compression_method(method);
        archive.start_file(format!("{name}.npy"), options).expect("an entry can be begun");
        archive.write_all(array).expect("an entry can be written");
    }
    archive.finish().expect("an archive can be finished").into_inner()
}

/// Names of the arrays of an archive, and their bytes as npy files.
pub(super) fn arrays(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = ZipArchive::new(Cursor::new(archive)).expect("an archive");
    let mut arrays = Vec::new();
    for i in 0..archive.len() {
        let mut entry = archive.by_index(i).expect("an entry");
        let name = entry.name().expect("a name").strip_suffix(".npy").expect("an array").to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("an entry that can be read");
        arrays.push((name, bytes));
    }
    arrays
}

/// The number with these 16 bits, by the definition of IEEE 754.
fn half(bits: u16) -> f64 {
    let power = |of_two: i32| f64::from_bits(((1023 + of_two) as u64) << 52);
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let magnitude =
        if exponent == 0 { fraction * power(-24) } else { (1.0 + fraction / 1024.0) * power(exponent - 15) };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

#[test]
fn numbers_of_16_bits_are_read_exactly() {
    let files = Files::new();
    let halves: Vec<u16> = (0..=u16::MAX).filter(|b| b >> 10 & 0x1f != 0x1f).collect();
    let expected: Vec<f32> = halves.iter().map(|b| half(*b) as f32).collect();
    let little: Vec<u8> = halves.iter().flat_map(|b| b.to_le_bytes()).collect();
    let big: Vec<u8> = halves.iter().flat_map(|b| b.to_be_bytes()).collect();
    let shape = format!("({},)", halves.len());
    for (descr, bytes, said) in [("<f2", &little, "f16"), (">f2", &big, "big-endian f16")] {
        let input = files.write("h.npy", &npy(descr, false, &shape, bytes));
        let call = sottovoce(&["aggregate", "--rule=median", "-o"]).arg(files.path("out.npy")).arg(&input);
        let said_so = call.ok().err();
        assert!(said_so.contains(&format!("note: {said} numbers are read as f32")), "{said_so}");
        let (header, numbers) = read_f32(&files.path("out.npy"));
        assert!(header.contains("<f4") && numbers == expected, "{descr}: {header}");
    }
    for (dtype, numbers, expected) in [("F16", halves.clone(), expected), {
        let all: Vec<u16> = (0..=u16::MAX).filter(|b| b >> 7 & 0xff != 0xff).collect();
        let expected = all.iter().map(|b| f32::from_bits(u32::from(*b) << 16)).collect();
        ("BF16", all, expected)
    }] {
        let count = numbers.len();
        let bytes: Vec<u8> = numbers.iter().flat_map(|b| b.to_le_bytes()).collect();
        let header = |dtype: &str, size: usize| {
            format!(r#"{{"w":{{"dtype":"{dtype}","shape":[{count}],"data_offsets":[0,{}]}}}}"#, size * count)
        };
        let input = files.write("h.safetensors", &safetensors(&header(dtype, 2), &bytes));
        files.call("median", "out.safetensors").arg(&input).ok();
        let out = super::bytes(&files.path("out.safetensors"));
        let length = u64::from_le_bytes(*out.first_chunk().expect("a length")) as usize;
        let written = String::from_utf8(out[8..8 + length].to_vec()).expect("a header is text");
        assert_eq!((written.trim_end(), length % 8), (&header("F32", 4)[..], 0));
        let got = out[8 + length..].as_chunks::<4>().0.iter().map(|n| f32::from_le_bytes(*n));
        assert!(got.eq(expected), "{dtype}");
    }
    // Beside numbers of 32 bits they are these.
    let one = files.write("a.npy", &npy("<f2", false, "(1,)", &[0x00, 0x3c]));
    let other = files.write("b.npy", &npy("<f4", false, "(1,)", &f32s(&[2.0])));
    files.call("mean", "out.npy").arg(one).arg(other).ok();
    assert_eq!(read_f32(&files.path("out.npy")).1, [1.5]);
    let infinite = files.write("i.npy", &npy("<f2", false, "(2,)", &[0, 0, 0x00, 0x7c]));
    assert!(files.call("mean", "no.npy").arg(infinite).fails(2).contains("i.npy, coordinate 1: inf"));
}

#[test]
fn either_order_of_bytes_is_read() {
    let files = Files::new();
    let numbers: [f64; 6] = [1.0, 9.0, 2.0, -3.0, 6.0, 0.0];
    let columns: [f64; 6] = [1.0, 2.0, 6.0, 9.0, -3.0, 0.0];
    for (fortran, numbers) in [(false, numbers), (true, columns)] {
        let f4: Vec<u8> = numbers.iter().flat_map(|n| (*n as f32).to_be_bytes()).collect();
        let f8: Vec<u8> = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
        for (descr, bytes, said, expected) in [
            (">f4", f4, "big-endian f32 numbers are read as f32", f32s(&[3.0, 2.0])),
            (">f8", f8, "big-endian f64 numbers are read as f64", f64s(&[3.0, 2.0])),
        ] {
            let input = files.write("x.npy", &npy(descr, fortran, "(3, 2)", &bytes));
            let call = sottovoce(&["aggregate", "--rule=mean", "-o"]).arg(files.path("out.npy")).arg(&input);
            let notes = call.ok().err();
            assert_eq!(notes.matches(said).count(), 1, "{notes}");
            let out = super::bytes(&files.path("out.npy"));
            let little = format!("'descr': '<{}'", &descr[1..]);
            assert!(String::from_utf8_lossy(&out[..128]).contains(&little), "{descr}");
            assert_eq!(out[128..], expected, "{descr} {fortran}");
        }
    }
}

#[test]
fn archives_of_arrays_are_matched_by_name() {
    let files = Files::new();
    let w = |x: [f32; 2]| npy("<f4", false, "(2, 1)", &f32s(&x));
    let b = |x: f32| npy("<f4", false, "()", &f32s(&[x]));
    let one = [("arr_0", w([1.0, 2.0])), ("block/层", b(3.0))];
    // The other order of arrays, of bytes, and of indices.
    let big: Vec<u8> = [3.0f32, 6.0].iter().flat_map(|n| n.to_be_bytes()).collect();
    let two = [("block/层", b(5.0)), ("arr_0", npy(">f4", true, "(2, 1)", &big))];
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let one = files.write("c_1.npz", &npz(method, &one));
        let two = files.write("c_2.npz", &npz(method, &two));
        let report = files.call("mean", "out.npz").arg("--json").arg(&one).arg(&two).ok().json();
        let out = super::bytes(&files.path("out.npz"));
        let expected = [("arr_0", w([2.0, 4.0])), ("block/层", b(4.0))];
        let got = arrays(&out);
        assert_eq!(got.len(), 2);
        for ((name, array), (expected_name, expected)) in got.iter().zip(&expected) {
            let header =
                |a: &[u8]| String::from_utf8_lossy(&a[10..a.len() - a.len() % 64]).trim_end().to_owned();
            assert_eq!((name.as_str(), header(array)), (*expected_name, header(expected)));
            assert_eq!(array[array.len() / 64 * 64..], expected[128..], "{name}");
        }
        assert_eq!((&report["params"], &report["clients"]), (&3.into(), &2.into()));
        files.call("mean", "again.npz").arg(&one).arg(&two).ok();
        assert_eq!(super::bytes(&files.path("again.npz")), out, "the same result has the same bytes");
    }
    let nan = npz(CompressionMethod::Deflated, &[("arr_0", w([1.0, f32::NAN])), ("block/层", b(3.0))]);
    let fewer = npz(CompressionMethod::Stored, &[("arr_0", w([1.0, 2.0]))]);
    let shaped = npz(CompressionMethod::Stored, &[("arr_0", b(1.0)), ("block/层", b(3.0))]);
    for (name, content, said) in [
        ("nan.npz", nan, "nan.npz, tensor arr_0, coordinate 1: NaN"),
        ("fewer.npz", fewer, "tensor block/层 is missing"),
        ("shaped.npz", shaped, "tensor arr_0 has shape []"),
    ] {
        let input = files.write(name, &content);
        let message = plain(&files.call("mean", "no.npz").arg(files.path("c_1.npz")).arg(input).fails(2));
        assert!(message.contains(name) && message.contains(said), "{message}");
    }
    assert!(
        files.call("nnm", "no.npz").arg("--faulty=0").arg(files.path("c_1.npz")).fails(2).contains(".npz")
    );
    assert!(!files.path("no.npz").exists());
}

#[test]
fn no_archive_is_believed_more_than_its_bytes() {
    let files = Files::new();
    let array = npy("<f4", false, "(64,)", &f32s(&[0.25; 64]));
    let good = npz(CompressionMethod::Deflated, &[("w", array.clone())]);
    let stored = npz(CompressionMethod::Stored, &[("w", array.clone())]);
    // The size that the central directory claims, of 4 bytes: 24 after its mark.
    let directory = |file: &[u8]| file.windows(4).position(|w| w == b"PK\x01\x02").expect("a directory");
    let claiming = |file: &[u8], size: u32| {
        let mut file = file.to_vec();
        let at = directory(&file) + 24;
        file[at..at + 4].copy_from_slice(&size.to_le_bytes());
        file
    };
    let mut flipped = stored.clone();
    let at = flipped.windows(4).position(|w| w == 0.25f32.to_le_bytes()).expect("a number");
    flipped[at + 2] ^= 1;
    let text = npz(CompressionMethod::Stored, &[("w", b"no array".to_vec())]);
    let claims = npy("<f4", false, "(1000000000, 1000)", &[0; 24]);
    let mut entry = ZipWriter::new(Cursor::new(Vec::new()));
    entry.start_file("readme.txt", SimpleFileOptions::default()).expect("an entry can be begun");
    let other = entry.finish().expect("an archive").into_inner();
    // Two entries of one name: the second name, of as many letters, is overwritten with the first.
    let two = npz(CompressionMethod::Stored, &[("w", array.clone()), ("v", array.clone())]);
    let mut twice = two.clone();
    for at in 0..twice.len() - 5 {
        if &twice[at..at + 5] == b"v.npy" {
            twice[at] = b'w';
        }
    }
    for (name, content, said) in [
        ("twice.npz", twice, "2 entries under 1 names"),
        ("empty.npz", vec![], "archive"),
        ("cut.npz", good[..good.len() - 30].to_vec(), "archive"),
        ("half.npz", good[..good.len() / 2].to_vec(), "archive"),
        ("huge.npz", claiming(&good, u32::MAX - 1), "claims 4294967294 bytes"),
        ("more.npz", claiming(&good, 1000), "array w"),
        ("less.npz", claiming(&good, 100), "array w"),
        ("stored.npz", claiming(&stored, u32::MAX - 1), "claims 4294967294 bytes"),
        ("flipped.npz", flipped, "array w"),
        ("text.npz", text, "array w: does not begin"),
        ("shape.npz", npz(CompressionMethod::Deflated, &[("w", claims)]), "array w: its header promises"),
        ("other.npz", other, "readme.txt is no .npy array"),
        ("nothing.npz", npz(CompressionMethod::Stored, &[]), "holds no numbers"),
        ("words.npz", npz(CompressionMethod::Stored, &[("w", npy("<U3", false, "(2,)", &[0; 24]))]), "<U3"),
    ] {
        let input = files.write(name, &content);
        let message = plain(&files.call("mean", "o.npz").arg(input).fails(2));
        assert!(
            message.contains(name) && message.contains(said) && message.len() < 1000,
            "{name}: {message}"
        );
    }
    assert!(!files.path("o.npz").exists());
}

#[test]
fn folders_are_sorted_as_people_count() {
    let files = Files::new();
    for (i, x) in [("1", 1.0), ("2", 2.0), ("9", 9.0), ("10", 10.0), ("010", 3.0), ("100", 100.0)] {
        files.write(&format!("in/client_{i}.npy"), &npy("<f4", false, "(1,)", &f32s(&[x])));
    }
    let report = files.call("mean", "out.npy").arg("--json").arg("--weights=0,0,0,1,0,0");
    let report = report.arg(files.path("in")).ok().json();
    let inputs: Vec<String> =
        report["inputs"].as_array().expect("a list").iter().map(|p| p.to_string()).collect();
    let names: Vec<&str> = inputs.iter().map(|p| p.rsplit(['/', '_']).next().expect("a name")).collect();
    assert_eq!(names, ["1.npy\"", "2.npy\"", "9.npy\"", "010.npy\"", "10.npy\"", "100.npy\""]);
    assert_eq!(read_f32(&files.path("out.npy")).1, [3.0], "weights are in that order");
    let said =
        sottovoce(&["aggregate", "--rule=mean", "-o"]).arg(files.path("out.npy")).arg(files.path("in"));
    let said = said.ok().out();
    let at = |name: &str| said.find(name).unwrap_or_else(|| panic!("no {name} in {said}"));
    assert!(at("client_9.npy") < at("client_10.npy") && at("client_10.npy") < at("client_100.npy"), "{said}");
}
