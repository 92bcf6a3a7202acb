//! `sottovoce redact` from outside: files, pipes, encodings, keys, JSON, reports, and what ends it.

mod common;

use common::{bytes, json, sottovoce};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::{TempDir, tempdir};

fn name(path: &Path) -> &str {
    path.to_str().expect("a temporary folder has a plain name")
}

/// A folder with one file.
fn file(content: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let folder = tempdir().expect("a folder can be made");
    let path = folder.path().join("input");
    fs::write(&path, content).expect("a file can be written");
    (folder, path)
}

#[test]
fn lines_and_files_are_masked_alike_and_for_good() {
    let text = "call 13812345678\nwrite to a.b@example.com\n\n再打13812345678";
    let done = sottovoce(&["redact", "--counts"]).input(text).ok();
    assert_eq!(done.out(), "call [CN_MOBILE]\nwrite to [EMAIL]\n\n再打[CN_MOBILE]");
    assert_eq!(done.err().split_whitespace().collect::<Vec<_>>().join(" "), "1 EMAIL 2 CN_MOBILE");
    assert_eq!(sottovoce(&["redact"]).input(&done.stdout).ok().stdout, done.stdout);
    let (_folder, path) = file(text);
    assert_eq!(sottovoce(&["redact"]).arg(&path).ok().stdout, done.stdout);
    let both = sottovoce(&["redact", name(&path), "-"]).input("\nx").ok().out();
    assert_eq!(both, format!("{}\nx", done.out()));
    let message = sottovoce(&["redact", "nowhere.txt"]).fails(1);
    assert!(message.contains("nowhere.txt"), "{message}");
}

#[test]
fn pseudonyms_need_a_key() {
    let (folder, text) = file("13812345678\n+86 138 1234 5678\n");
    let key = |content: &str| {
        let path = folder.path().join(format!("key{}", content.len()));
        fs::write(&path, content).expect("a file can be written");
        path
    };
    let masked = |key: &Path| sottovoce(&["redact", name(&text), "--key-file", name(key)]).ok();
    let (first, second) = (key("first key of sixteen bytes\n"), key("second key of sixteen bytes\n"));
    let out = masked(&first).out();
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0] == lines[1] && lines[0].len() == "[CN_MOBILE:01234567]".len(), "{out}");
    assert!(out == masked(&first).out() && out != masked(&second).out());
    assert_eq!(sottovoce(&["redact", "--key-file", name(&first)]).input(&out).ok().out(), out);
    assert!(
        masked(&first).err().is_empty() && masked(&key("short")).err().contains("note: a key of 5 bytes")
    );
    for empty in ["", " \n\t"] {
        let message = sottovoce(&["redact", name(&text), "--key-file", name(&key(empty))]).fails(2);
        assert!(message.contains("--key-file") && message.contains("holds no key"), "{message}");
    }
    let message = sottovoce(&["redact", name(&text), "--key-file", "nowhere"]).fails(2);
    assert!(message.contains("nowhere"), "{message}");
}

#[test]
fn what_cannot_be_decoded_is_refused_before_anything_is_written() {
    // "谢谢" in GBK is UTF-8 by accident, the second line is not.
    let gbk = b"\xd0\xbb\xd0\xbb\n\xca\xd6\xbb\xfa13900004821\n";
    let long: Vec<u8> = b"a good line\n".iter().cycle().take(600_000).copied().collect();
    for (content, place) in [
        (gbk.to_vec(), "line 2, byte 5 of the input: not UTF-8"),
        ([&long[..], gbk].concat(), "line 50002, byte 600005 of the input: not UTF-8"),
    ] {
        let (_folder, path) = file(&content);
        let message = sottovoce(&["redact"]).arg(&path).fails(1);
        assert!(
            message.contains(place) && message.contains("help: ") && message.contains("--encoding gb18030")
        );
        let (_folder, good) = file("13900004821\n");
        sottovoce(&["redact", name(&good), name(&path)]).fails(1);
    }
    let piped = sottovoce(&["redact"]).input([&long[..], gbk].concat()).done();
    assert!(piped.code == Some(1) && !piped.out().contains("139") && !piped.out().contains('\u{fffd}'));
    assert!(piped.err().contains("lines before it were written"), "{}", piped.err());

    let read = sottovoce(&["redact", "--encoding", "gbk"]).input(gbk).ok();
    assert_eq!(read.out(), "谢谢\n手机[CN_MOBILE]\n");
    assert!(read.err().contains("note: standard input: read as GBK, written as UTF-8"), "{}", read.err());
    let wide: Vec<u8> = "\u{feff}手机13900004821\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (input, options) in [(&wide[..], &[][..]), (&wide[2..], &["--encoding", "utf-16le"])] {
        assert_eq!(sottovoce(&["redact"]).args(options).input(input).ok().out(), "手机[CN_MOBILE]\r\n");
    }
    let message = sottovoce(&["redact", "--encoding", "klingon"]).fails(2);
    assert!(message.contains("no encoding of this name"), "{message}");
}

#[test]
fn json_lines_change_in_their_strings_only() {
    let line =
        "{\"id\":\"13812345678\",\"n\":1.10,\"turns\":[{\"text\":\"call\\n13812345678\"}],\"z\":1e400}\n\n";
    let want =
        "{\"id\":\"[CN_MOBILE]\",\"n\":1.10,\"turns\":[{\"text\":\"call\\n[CN_MOBILE]\"}],\"z\":1e400}\n\n";
    assert_eq!(sottovoce(&["redact", "--json-lines"]).input(line).ok().out(), want);
    let some = sottovoce(&["redact", "--json-lines", "--key", "text", "--key", "x"]).input(line).ok().out();
    assert_eq!(some, want.replacen("[CN_MOBILE]", "13812345678", 1));
    let bad = sottovoce(&["redact", "--json-lines"]).input(format!("{line}{{\"text\":\"my secret")).done();
    assert!(bad.code == Some(1) && !bad.err().contains("secret"), "{}", bad.err());
    assert!(bad.err().contains("line 3, column 18: not JSON"), "{}", bad.err());
    let (_folder, path) = file(format!("{line}{{\"text\":\"my secret"));
    sottovoce(&["redact", "--json-lines"]).arg(&path).fails(1);

    let number = "{\"phone\":13812345678}\n";
    let left = sottovoce(&["redact", "--json-lines"]).input(number).ok();
    assert!(left.out() == number && left.err().contains("note: 1 numbers of JSON"), "{}", left.err());
    let masked = sottovoce(&["redact", "--json-lines", "--numbers"]).input(number).ok();
    assert!(masked.out() == "{\"phone\":\"[CN_MOBILE]\"}\n" && masked.err().is_empty());
    for option in [&["--key", "text"][..], &["--numbers"]] {
        assert!(sottovoce(&["redact"]).args(option).fails(2).contains("--json-lines"));
    }
}

#[test]
fn a_report_counts_and_places_and_never_quotes() {
    let (folder, path) = file("13812345678\n\n我叫欧阳静，13812345678\n");
    let (report, text) = (folder.path().join("report.json"), folder.path().join("report.txt"));
    let run = |report: &Path| sottovoce(&["redact", name(&path), "--report", name(report)]).ok();
    run(&report);
    run(&text);
    let found = json(&report);
    assert_eq!(found["found"]["CN_MOBILE"]["count"], 2);
    assert_eq!(found["found"]["CN_MOBILE"]["places"][1]["line"], 3);
    assert_eq!((&found["inputs"][0]["lines"], &found["complete"]), (&3.into(), &true.into()));
    let read = String::from_utf8(bytes(&text)).expect("a report is UTF-8");
    let said = sottovoce(&["redact", name(&path), "--report", "-"]).ok();
    assert_eq!(read, said.err());
    for report in [&read, &found.to_string()] {
        assert!(!report.contains("138") && !report.contains("欧阳"), "{report}");
    }
    // A report of a run that failed says so.
    fs::write(&path, b"a@b.cn\n\xff").expect("a file can be written");
    sottovoce(&["redact", name(&path), "--report", name(&report)]).fails(1);
    assert_eq!(json(&report)["complete"], false);
    assert!(json(&report)["error"].as_str().is_some_and(|e| e.contains("line 2, byte 7")));
    for bad in [folder.path(), &path] {
        sottovoce(&["redact", name(&path), "--report", name(bad)]).fails(1);
        assert_eq!(bytes(&path), b"a@b.cn\n\xff");
    }
}

#[test]
fn a_pipe_is_answered_line_by_line_and_may_close() {
    let mut child = Command::new(common::PROGRAM)
        .arg("redact")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program under test can be started");
    let mut input = child.stdin.take().expect("standard input is a pipe");
    let mut output = BufReader::new(child.stdout.take().expect("standard output is a pipe"));
    for number in ["13812345678", "13912345678"] {
        writeln!(input, "call {number}").expect("the program reads");
        let mut line = String::new();
        output.read_line(&mut line).expect("the program answers");
        assert_eq!(line, "call [CN_MOBILE]\n");
    }
    drop(output);
    // Nobody reads: the program ends as others do that are told so.
    while input.write_all(&[b'\n'; 4096]).is_ok() {}
    let code = child.wait().expect("the program ends").code();
    assert_eq!(code, Some(141));
}

#[test]
fn a_line_without_end_is_refused() {
    let mut child = Command::new(common::PROGRAM)
        .arg("redact")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program under test can be started");
    let mut input = child.stdin.take().expect("standard input is a pipe");
    while input.write_all(&[b'1'; 1 << 16]).is_ok() {}
    let done = child.wait_with_output().expect("the program ends");
    let said = String::from_utf8(done.stderr).expect("errors are UTF-8");
    assert!(done.status.code() == Some(1) && done.stdout.is_empty());
    assert!(said.contains("line 1: longer than 16777216 bytes"), "{said}");
}
