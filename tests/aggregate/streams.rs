//! Standard input and output.

use super::kinds::npz;
use super::*;
use std::process::{Command, Stdio};
use zip::CompressionMethod;

#[test]
fn a_file_may_come_from_a_pipe_and_go_into_one() {
    let files = Files::new();
    let matrix = npy("<f4", false, "(2, 2)", &f32s(&[1.0, 2.0, 3.0, 6.0]));
    let archive = npz(CompressionMethod::Deflated, &[("w", npy("<f4", false, "(2,)", &f32s(&[1.0, 2.0])))]);
    let tensors = safetensors(HEADER, &f32s(&[1.0, 2.0, 3.0]));
    for (name, input) in [("x.npy", matrix), ("x.npz", archive), ("x.safetensors", tensors)] {
        let path = files.write(name, &input);
        let out = format!("out-{name}");
        files.call("mean", &out).arg(&path).ok();
        let expected = bytes(&files.path(&out));
        files.call("mean", &out).arg("-").input(&input).ok();
        assert_eq!(bytes(&files.path(&out)), expected, "{name} from a pipe");
        let done = sottovoce(&["aggregate", "--rule=mean", "-o", "-", "-"]).input(&input).ok();
        assert_eq!(done.stdout, expected, "{name} into a pipe");
        assert!(done.err().contains("inputs    -") && done.err().contains("written   -"), "{}", done.err());
        let done = sottovoce(&["aggregate", "--rule=mean", "--json", "-o", "-", "-"]).input(&input).ok();
        let report: serde_json::Value =
            serde_json::from_str(&done.err()[done.err().find('{').expect("JSON")..])
                .expect("the summary is on standard error");
        assert_eq!((report["rule"].as_str(), &done.stdout), (Some("mean"), &expected));
        // Its kind has to be the others'.
        let other = files.write("other.npy", &npy("<f8", false, "(3,)", &[0; 24]));
        files.call("mean", "no.npy").arg(other).arg("-").input(&input).fails(2);
        // What is refused leaves nothing.
        let cut = &input[..input.len() - 1];
        let message = sottovoce(&["aggregate", "--rule=mean", "-o", "-", "-"]).input(cut).fails(2);
        assert!(message.contains("standard input: "), "{message}");
    }
    for input in [&b""[..], b"1,2,3\n", &[0xff; 9], b"\x80\x02}q\x00."] {
        let message = sottovoce(&["aggregate", "--rule=mean", "-o", "-", "-"]).input(input).fails(2);
        assert!(message.contains("standard input: does not begin"), "{message}");
    }
    assert!(!Path::new("-").exists() && !Path::new("-.partial").exists());
}

#[test]
fn a_closed_pipe_ends_with_141() {
    let files = Files::new();
    // More than a pipe holds.
    let input = files.write("x.npy", &npy("<f4", false, "(1, 1000000)", &f32s(&[1.0; 1_000_000])));
    let mut command = Command::new(common::PROGRAM);
    command.args(["aggregate", "--rule=mean", "-q", "-o", "-"]).arg(input);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the program under test can be started");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(141));
}

#[cfg(unix)]
#[test]
fn no_input_is_overwritten_by_any_name() {
    let files = Files::new();
    let input = npy("<f4", false, "(2, 1)", &f32s(&[1.0, 3.0]));
    let path = files.write("x.npy", &input);
    std::os::unix::fs::symlink(&path, files.path("link.npy")).expect("a link can be made");
    // What a result is written to until it is whole may be an input by another name.
    let partial = files.write("out.npy.partial", &input);
    std::os::unix::fs::symlink(&partial, files.path("p.npy")).expect("a link can be made");
    for (out, given) in [("link.npy", "x.npy"), ("x.npy", "link.npy"), ("out.npy", "p.npy")] {
        let message = files.call("mean", out).arg(files.path(given)).fails(2);
        assert!(message.contains("is one of the inputs"), "{message}");
    }
    assert_eq!((bytes(&path), bytes(&partial)), (input.clone(), input.clone()));
    let server = files.write("server.npy", &npy("<f8", false, "(1,)", &f64s(&[1.0])));
    let param = format!("--param=server_update={}", server.display());
    let message = files.call("fltrust", "server.npy").arg(param).arg(&path).fails(2);
    assert!(message.contains("is one of the inputs"), "{message}");
}
