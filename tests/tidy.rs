//! Tidy: what the documents promise is held against the workspace, and what was left unfinished is found.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Longest file, in lines: what a reader can hold.
const LONGEST: usize = 500;
/// Files that may be longer, each with the lines it may have.
const LONGER: &[(&str, usize)] = &[];
/// Crates on the server's side: they cannot name a transcript.
const SERVER_SIDE: &[&str] = &["aggregator", "algorithms", "privacy", "secure", "simulation"];
/// Purposes of random streams as first released. Append new ones; a number is never changed and never reused.
const PURPOSES: &[(&str, u32)] = &[
    ("Init", 1),
    ("Cohort", 2),
    ("BatchOrder", 3),
    ("Partition", 4),
    ("Corpus", 5),
    ("CorpusClient", 6),
    ("Sample", 7),
    ("BaselineOrder", 8),
    ("Dropout", 9),
    ("Bucketing", 10),
    ("Transform", 11),
    ("ServerTransform", 12),
    ("Arrival", 13),
    ("SignFlip", 14),
    ("Cluster", 15),
    ("Sweep", 16),
    ("Device", 17),
    ("Pace", 18),
    ("Availability", 19),
    ("Churn", 20),
    ("Failure", 21),
    ("Validation", 22),
    ("Root", 23),
    ("TestShare", 24),
    ("SecureIdentity", 25),
    ("SecureKeys", 26),
    ("SecureShares", 27),
    ("SecureGraph", 28),
    ("Test", 0xffff),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Every file of the project below `folder` whose name ends in one of `endings`, as a path from the root, sorted.
fn files(folder: &str, endings: &[&str]) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|e| e.expect("a folder of the project can be listed").path()) {
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if path.is_dir() {
                if !["target", "runs", ".git"].contains(&name) {
                    open.push(path);
                }
            } else if endings.iter().any(|e| name.ends_with(e)) {
                let path = path.strip_prefix(root()).expect("found below the root");
                found.push(path.to_str().expect("names of the project are UTF-8").to_owned());
            }
        }
    }
    found.sort();
    found
}

fn no_complaints(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// `sottovoce-core` is `core`, the root package is `root`.
fn short(package: &str) -> &str {
    package.strip_prefix("sottovoce-").unwrap_or(if package == "sottovoce" { "root" } else { package })
}

/// The workspace's packages as cargo sees them, by short name.
fn packages() -> BTreeMap<String, Value> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(root());
    let output = cargo.output().expect("cargo runs this test, so it can be run");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let packages = metadata["packages"].as_array().expect("metadata lists packages");
    packages.iter().map(|p| (short(text(p, "name")).to_owned(), p.clone())).collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Dependencies among our own crates, `dev` or not, by short names.
fn ours(package: &Value, dev: bool) -> BTreeSet<String> {
    let all = package["dependencies"].as_array().expect("a package lists its dependencies");
    let wanted = all.iter().filter(|d| (d["kind"].as_str() == Some("dev")) == dev);
    wanted
        .map(|d| text(d, "name"))
        .filter(|n| n.starts_with("sottovoce"))
        .map(|n| short(n).to_owned())
        .collect()
}

/// A row of the crate table: what a crate may depend on and what it must never see, as written.
struct Row {
    may: BTreeSet<String>,
    never: BTreeSet<String>,
}

fn words(cell: &str) -> BTreeSet<String> {
    let words =
        cell.split(',').map(|w| w.split('(').next().unwrap_or_default().trim_matches([' ', '`', '–']));
    words.filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

/// The crate table of ARCHITECTURE.md.
fn table() -> BTreeMap<String, Row> {
    let page = read("ARCHITECTURE.md");
    let head = "| crate | may depend on (of ours) | must never see |";
    let rows = page.lines().skip_while(|l| *l != head).skip(2).take_while(|l| l.starts_with('|'));
    let mut table = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').collect();
        assert_eq!(cells.len(), 5, "ARCHITECTURE.md, crate table: three cells in a row, not in {row}");
        for name in words(cells[1]) {
            let again = table.insert(name.clone(), Row { may: words(cells[2]), never: words(cells[3]) });
            assert!(again.is_none(), "ARCHITECTURE.md, crate table: {name} stands there twice");
        }
    }
    assert!(!table.is_empty(), "ARCHITECTURE.md has no table that begins with {head}");
    table
}

#[test]
fn the_crate_table_lists_every_crate_and_no_other() {
    let (table, packages) = (table(), packages());
    let mut complaints = Vec::new();
    for name in packages.keys().filter(|n| !table.contains_key(*n)) {
        complaints.push(format!("crate {name}: add a row to the crate table in ARCHITECTURE.md"));
    }
    for name in table.keys().filter(|n| !packages.contains_key(*n)) {
        complaints.push(format!("crate {name} is gone: remove it from the crate table in ARCHITECTURE.md"));
    }
    no_complaints(&complaints);
}

#[test]
fn crates_depend_on_what_the_table_says() {
    let packages = packages();
    let mut complaints = Vec::new();
    for (name, row) in table().iter().filter(|(n, _)| packages.contains_key(*n)) {
        if row.may.contains("all") {
            continue;
        }
        let uses = ours(&packages[name], false);
        for other in uses.difference(&row.may) {
            complaints.push(format!(
                "{name} depends on {other}, which the crate table does not allow: remove it from \
                 crates/{name}/Cargo.toml, or give the reason in ARCHITECTURE.md and add it to the table"
            ));
        }
        for other in row.may.difference(&uses) {
            complaints.push(format!(
                "{name} no longer depends on {other}: remove it from the crate table in ARCHITECTURE.md"
            ));
        }
    }
    no_complaints(&complaints);
}

#[test]
fn nobody_sees_what_the_table_forbids() {
    let packages = packages();
    let mut complaints = Vec::new();
    for (name, row) in table().iter().filter(|(n, _)| packages.contains_key(*n)) {
        let (mut seen, mut open) = (BTreeSet::new(), vec![name.clone()]);
        while let Some(next) = open.pop() {
            let uses = ours(&packages[&next], false);
            open.extend(uses.into_iter().filter(|u| packages.contains_key(u) && seen.insert(u.clone())));
        }
        let rest = row.never.contains("the rest").then(|| seen.difference(&row.may).cloned());
        let forbidden = row.never.intersection(&seen).cloned().chain(rest.into_iter().flatten());
        for other in forbidden {
            complaints
                .push(format!("{name} reaches {other}, which it must never see: find the way and cut it"));
        }
    }
    no_complaints(&complaints);
}

#[test]
fn dependencies_of_tests_are_listed() {
    let page = read("ARCHITECTURE.md");
    let listed: BTreeSet<String> =
        page.lines().filter_map(|l| l.strip_prefix("Tests only: ")).flat_map(words).collect();
    let mut real = BTreeSet::new();
    for (name, package) in packages().iter().filter(|(n, _)| *n != "root") {
        real.extend(ours(package, true).iter().map(|other| format!("{name} → {other}")));
    }
    assert_eq!(
        listed, real,
        "left: the line that begins with `Tests only:` in ARCHITECTURE.md, right: [dev-dependencies] on our own \
         crates; make them the same"
    );
}

#[test]
fn the_core_touches_no_file_clock_or_thread() {
    let mut complaints = Vec::new();
    for file in files("crates/core", &[".rs", ".toml"]) {
        for word in ["std::fs", "std::net", "std::time", "std::thread", "rayon"] {
            if read(&file).contains(word) {
                complaints
                    .push(format!("{file}: {word} does not belong in the core; move it to who needs it"));
            }
        }
    }
    no_complaints(&complaints);
}

#[test]
fn the_servers_side_cannot_name_a_transcript() {
    let mut complaints = Vec::new();
    for name in SERVER_SIDE {
        for file in files(&format!("crates/{name}"), &[".rs", ".toml"]) {
            let content = read(&file);
            if content.contains("sottovoce_transcripts") || content.contains("sottovoce-transcripts") {
                complaints.push(format!(
                    "{file}: {name} is on the server's side and must not name transcripts, not even in a test: \
                     move what needs them to clients, or to the root's tests"
                ));
            }
        }
    }
    no_complaints(&complaints);
}

#[test]
fn files_can_be_held_by_a_reader() {
    let mut complaints = Vec::new();
    for file in files("", &[".rs"]) {
        let lines = read(&file).lines().count();
        let limit = LONGER.iter().find(|(f, _)| *f == file).map_or(LONGEST, |(_, limit)| *limit);
        if lines > limit {
            complaints.push(format!("{file}: {lines} lines, at most {limit}: split it by subject"));
        }
    }
    for (file, _) in LONGER.iter().filter(|(f, _)| !root().join(f).exists()) {
        complaints.push(format!("{file} is gone: remove it from LONGER in tests/tidy.rs"));
    }
    no_complaints(&complaints);
}

#[test]
fn crates_and_modules_say_what_they_are() {
    let mut complaints = Vec::new();
    for (name, package) in packages() {
        let manifest = Path::new(text(&package, "manifest_path"));
        if text(&package, "description").is_empty() {
            complaints.push(format!("{}: add a description", manifest.display()));
        }
        if text(&package, "license") != "MIT OR Apache-2.0" {
            complaints.push(format!("{}: license.workspace = true", manifest.display()));
        }
        let readme = text(&package, "readme");
        let lib = manifest.with_file_name("src").join("lib.rs");
        let header = fs::read_to_string(&lib).is_ok_and(|t| t.starts_with("//! "));
        if !header && (readme.is_empty() || !manifest.with_file_name(readme).exists()) {
            complaints
                .push(format!("crate {name}: begin src/lib.rs with //! and a sentence, or write a README"));
        }
    }
    let sources = files("crates", &[".rs"]).into_iter().chain(files("src", &[".rs"]));
    for file in sources.filter(|f| f != "src/main.rs" && f.contains("src/")) {
        if !read(&file).starts_with("//! ") {
            complaints.push(format!("{file}: begin with //! and one sentence that says what is in it"));
        }
    }
    no_complaints(&complaints);
}

#[test]
fn nothing_is_left_unfinished_and_no_machine_is_named() {
    // Put together here, so that this file does not find itself.
    let unfinished = [concat!("to", "do!"), concat!("unimple", "mented!"), concat!("FIX", "ME")];
    let places = ["work", "root", "home", "Users", "tmp"].map(|folder| format!("/{folder}/"));
    let mut complaints = Vec::new();
    for file in files("", &[".rs", ".toml", ".md", ".yml", "run"]) {
        for (line, number) in read(&file).lines().zip(1..) {
            for word in unfinished.iter().filter(|w| line.contains(**w)) {
                complaints.push(format!("{file}:{number}: {word} is left: finish it"));
            }
            for place in &places {
                // A path begins here; inside a longer path or an address it is a folder like any other.
                let begins = |at: usize| {
                    let before = line[..at].chars().next_back();
                    before.is_none_or(|c| !c.is_alphanumeric() && !"./_-}$~*<>".contains(c))
                };
                if line.match_indices(place.as_str()).any(|(at, _)| begins(at)) {
                    complaints
                        .push(format!("{file}:{number}: a path of some machine ({place}): take it out"));
                }
            }
        }
    }
    no_complaints(&complaints);
}

#[test]
fn purposes_keep_their_numbers() {
    let source = read("crates/core/src/stream.rs");
    let body = source.split_once("pub enum Purpose {").and_then(|(_, rest)| rest.split_once('}'));
    let (body, _) = body.expect("stream.rs declares the purposes");
    let mut found: Vec<(&str, u32)> = Vec::new();
    for line in body.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("//")) {
        let (name, number) = line.trim_end_matches(',').split_once(" = ").unwrap_or_else(|| {
            panic!("stream.rs: `{line}`: every purpose has a number of its own, written out");
        });
        let hexadecimal = number.strip_prefix("0x").map(|digits| u32::from_str_radix(digits, 16));
        let number = hexadecimal.unwrap_or_else(|| number.parse());
        found.push((name, number.unwrap_or_else(|e| panic!("stream.rs: {line}: {e}"))));
    }
    let mut complaints = Vec::new();
    // Two of one number do not compile.
    for (name, number) in &found {
        if !PURPOSES.iter().any(|(n, m)| n == name || m == number) {
            complaints
                .push(format!("Purpose::{name} = {number} is new: append it to PURPOSES in tests/tidy.rs"));
        }
    }
    for (name, number) in PURPOSES.iter().filter(|p| !found.contains(p)) {
        complaints.push(format!(
            "Purpose::{name} = {number} was changed or removed: that changes every run of the past; put it back"
        ));
    }
    no_complaints(&complaints);
}

/// Paths from the root in backticks, with what is named behind `::`, in a document.
fn named_paths(page: &str) -> Vec<(String, Option<String>)> {
    let named = page.split('`').skip(1).step_by(2).filter(|t| !t.contains(['<', '*', ' ', '\n']));
    let paths = named.filter(|t| ["crates/", "tests/", "examples/", ".ci/"].iter().any(|f| t.starts_with(f)));
    let split = paths.map(|t| match t.split_once("::") {
        Some((path, name)) => (path.to_owned(), Some(name.to_owned())),
        None => (t.to_owned(), None),
    });
    split.collect()
}

#[test]
fn documents_name_files_and_tests_that_exist() {
    let mut complaints = Vec::new();
    for document in ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"] {
        let Ok(page) = fs::read_to_string(root().join(document)) else { continue };
        for (path, name) in named_paths(&page) {
            if !root().join(&path).exists() {
                complaints.push(format!("{document}: {path} does not exist: name what took its place"));
            } else if let Some(name) = name.filter(|n| !read(&path).contains(&format!("fn {n}("))) {
                complaints
                    .push(format!("{document}: there is no fn {name} in {path}: name what took its place"));
            }
        }
    }
    no_complaints(&complaints);
}

#[test]
fn examples_named_in_the_readme_exist() {
    let Ok(readme) = fs::read_to_string(root().join("README.md")) else { return };
    let mut complaints = Vec::new();
    for (at, _) in readme.match_indices("examples/") {
        let path: String =
            readme[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || "/-_.".contains(*c)).collect();
        let path = path.trim_end_matches('.');
        if (path.ends_with(".toml") || path.ends_with(".rs")) && !root().join(path).exists() {
            complaints.push(format!("README.md: {path} does not exist: add it, or name another"));
        }
    }
    no_complaints(&complaints);
}

#[test]
fn what_is_kept_is_written_by_people() {
    let git = Command::new("git").args(["ls-files"]).current_dir(root()).output();
    let Ok(listed) = git.map(|o| if o.status.success() { o.stdout } else { Vec::new() }) else { return };
    let endings = ["rs", "toml", "md", "txt", "lock", "py", "yml", "json", "jsonl"];
    let whole = ["LICENSE-MIT", "LICENSE-APACHE", ".gitignore", ".ci/run"];
    let complaints: Vec<String> = String::from_utf8_lossy(&listed)
        .lines()
        .filter(|path| {
            let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
            !endings.contains(&ending) && !whole.contains(path)
        })
        .map(|path| format!("{path}: what made this file belongs here, not what it made; remove it"))
        .collect();
    no_complaints(&complaints);
}

#[test]
fn both_licences_are_there_in_full() {
    for (file, parts) in [
        ("LICENSE-MIT", ["Permission is hereby granted, free of charge", "OTHER DEALINGS IN THE"]),
        ("LICENSE-APACHE", ["Version 2.0, January 2004", "END OF TERMS AND CONDITIONS"]),
    ] {
        let licence = read(file);
        for part in parts {
            assert!(licence.contains(part), "{file}: \"{part}\" is missing: put the full text back");
        }
    }
}
