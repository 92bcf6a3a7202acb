//! `sottovoce init`: from a file of one's own to a run that has learned, without a word of configuration.

mod common;
#[allow(dead_code)]
#[path = "../crates/transcripts/tests/common/made.rs"]
mod made;

use common::{PROGRAM, sottovoce};
use made::Column;
use parquet::basic::Compression;
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::tempdir;

/// Texts of three intents that a line of words tells apart.
fn rows() -> Vec<(String, &'static str)> {
    let words = [
        ("refund", ["refund", "money", "charged", "payment"]),
        ("lost card", ["card", "lost", "stolen", "wallet"]),
        ("登录", ["密码", "登录", "账号", "验证码"]),
    ];
    (0..150)
        .map(|i: usize| {
            let (intent, words) = words[i % 3];
            (format!("{} {} {}", words[i / 3 % 4], words[i / 7 % 4], words[i / 5 % 4]), intent)
        })
        .collect()
}

/// The command in a folder, as somebody types it there.
fn there(folder: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let done = Command::new(PROGRAM).args(words).current_dir(folder).output().expect("it can be started");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    (done.status.code(), text(&done.stdout), text(&done.stderr))
}

fn csv(rows: &[(String, &str)]) -> String {
    let lines: String = rows.iter().map(|(text, intent)| format!("{text},{intent}\n")).collect();
    format!("text,intent\n{lines}")
}

#[test]
fn a_file_of_ones_own_is_learned_from_in_two_commands() {
    let chat = |rows: &[(String, &str)]| -> String {
        let one = |(i, (text, intent)): (usize, &(String, &str))| {
            let messages = serde_json::json!([{"role": "user", "content": text}, {"role": "assistant", "content": "ok"}]);
            serde_json::json!({"messages": messages, "intent": intent, "client": format!("desk {}", i % 5)})
        };
        serde_json::json!(rows.iter().enumerate().map(one).collect::<Vec<_>>()).to_string()
    };
    let semicolons = csv(&rows()).replace(',', ";").replace("text;intent", "Utterance;Label");
    let all = rows();
    let (texts, intents): (Vec<&str>, Vec<&str>) =
        all.iter().map(|(text, intent)| (text.as_str(), *intent)).unzip();
    let schema = "message m { required binary text (UTF8); required binary label (UTF8); }";
    let columns = [Column::Text(&texts, None, None), Column::Text(&intents, None, None)];
    let parquet = made::parquet(schema, Compression::SNAPPY, "{}", &columns);
    let cells = (1..).zip([&[("Text".to_owned(), "Intent")][..], &all].concat());
    let sheet: String = cells.map(|(row, (text, intent))| made::texts(row, &[&text, intent])).collect();
    for (file, content, clients) in [
        ("my.csv", csv(&rows()).into_bytes(), "iid"),
        ("excel.csv", semicolons.into_bytes(), "iid"),
        ("chat.json", chat(&rows()).into_bytes(), "natural"),
        ("hub.parquet", parquet, "iid"),
        ("book.xlsx", made::workbook(&[("Sheet1", &sheet)]), "iid"),
    ] {
        let folder = tempdir().expect("a folder can be made");
        fs::write(folder.path().join(file), content).expect("a file can be written");
        let (code, out, err) = there(folder.path(), &["init", file]);
        assert_eq!(code, Some(0), "{file}: {err}");
        assert!(out.contains("3 intents") && out.contains("sottovoce run\n"), "{file}: {out}");
        let config = fs::read_to_string(folder.path().join("sottovoce.toml")).expect("it was written");
        assert!(config.contains(&format!("scheme = \"{clients}\"")), "{config}");
        for (text, _) in rows() {
            assert!(!config.contains(&text), "no transcript is in it: {config}");
        }
        let (code, out, err) = there(folder.path(), &["run", "--json"]);
        assert_eq!(code, Some(0), "{file}: {err}");
        let summary: serde_json::Value = serde_json::from_str(&out).expect("JSON");
        assert!(summary["accuracy"].as_f64().is_some_and(|a| a > 0.9), "{file}: {summary}");
        // Without a command, too, and for whatever else takes a configuration.
        assert_eq!(there(folder.path(), &["data", "inspect"]).0, Some(0));
        // What is there is not lost.
        let (code, _, err) = there(folder.path(), &["init", file]);
        assert!(code == Some(2) && err.contains("is there already"), "{err}");
        assert_eq!(there(folder.path(), &["init", file, "--force"]).0, Some(0));
    }
}

#[test]
fn what_cannot_be_read_leaves_no_configuration() {
    let folder = tempdir().expect("a folder can be made");
    fs::write(folder.path().join("empty.csv"), "text,intent\n").expect("a file can be written");
    fs::write(folder.path().join("notes.txt"), "hello\n").expect("a file can be written");
    for file in ["empty.csv", "notes.txt", "nowhere.csv"] {
        let (code, out, err) = there(folder.path(), &["init", file]);
        assert!(matches!(code, Some(1 | 2)) && out.is_empty() && !err.contains("panicked"), "{file}: {err}");
        assert!(!folder.path().join("sottovoce.toml").exists(), "{file}");
    }
}

#[test]
fn shells_can_complete() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = sottovoce(&["completions", shell]).ok().out();
        assert!(script.contains("sottovoce") && script.contains("aggregate"), "{shell}");
    }
}
