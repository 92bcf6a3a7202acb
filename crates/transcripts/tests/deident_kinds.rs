//! De-identification line by line: lines with values that must be gone, digits and all, and look-alikes that must stay
//! as they are. `pii_lines.jsonl` was there before the rules, `pii_kinds.jsonl` was written in two rounds beside them.

use sottovoce_transcripts::deident::{Policy, PseudonymKey, Redactor};

struct Line {
    text: String,
    values: Vec<String>,
}

fn lines() -> Vec<Line> {
    let files = [include_str!("data/pii_lines.jsonl"), include_str!("data/pii_kinds.jsonl")];
    let rows = files.iter().flat_map(|f| f.lines()).map(|l| {
        let row: serde_json::Value = serde_json::from_str(l).expect("a line of JSON");
        let values = row["values"].as_array().expect("a list of values").iter();
        Line {
            text: row["text"].as_str().expect("a text").to_owned(),
            values: values.map(|v| v.as_str().expect("a value").to_owned()).collect(),
        }
    });
    rows.collect()
}

/// The digits of a text, of whatever width, script or frame.
fn digits(text: &str) -> String {
    let plain = |c: char| match u32::from(c) {
        code @ (0xff10..=0xff19 | 0x660..=0x669) => char::from_digit(code % 16, 10),
        code @ 0x2460..=0x2468 => char::from_digit(code - 0x245f, 10),
        0x24ea => Some('0'),
        code @ 0x1d7ce..=0x1d7d7 => char::from_digit(code - 0x1d7ce, 10),
        _ => c.is_ascii_digit().then_some(c),
    };
    text.chars().filter_map(plain).collect()
}

/// Whether a value, or four and more digits of it in a row, is still there.
fn leaks(masked: &str, value: &str) -> bool {
    let number = digits(value);
    masked.contains(value) || (number.len() >= 4 && digits(masked).contains(&number))
}

#[test]
fn values_are_gone_and_look_alikes_stay() {
    let redactor = Redactor::new(Policy::default());
    let (mut leaking, mut touched) = (Vec::new(), Vec::new());
    let lines = lines();
    for line in &lines {
        let masked = redactor.redact(&line.text).text;
        if line.values.iter().any(|v| leaks(&masked, v)) {
            leaking.push(format!("{} => {masked}", line.text));
        }
        if line.values.is_empty() && masked != line.text {
            touched.push(format!("{} => {masked}", line.text));
        }
    }
    let with = lines.iter().filter(|l| !l.values.is_empty()).count();
    assert!(with >= 390 && lines.len() - with >= 175, "{with} of {}", lines.len());
    assert!(leaking.is_empty(), "{} of {with} leak:\n{}", leaking.len(), leaking.join("\n"));
    assert!(touched.is_empty(), "{} look-alikes touched:\n{}", touched.len(), touched.join("\n"));
}

#[test]
fn masked_lines_are_masked_for_good_and_not_much_longer() {
    /// `[VERIFICATION_CODE:0123abcd]`, the longest of the placeholders.
    const LONGEST: usize = 28;
    let typed = Redactor::new(Policy::default());
    let keyed = Redactor::new(Policy::default().keyed(PseudonymKey::new(b"a key")));
    for line in lines() {
        for redactor in [&typed, &keyed] {
            let done = redactor.redact(&line.text);
            let again = redactor.redact(&done.text);
            assert!(again.spans.is_empty() && again.text == done.text, "{}", line.text);
            assert!(done.text.len() <= line.text.len() + LONGEST * done.spans.len(), "{}", line.text);
        }
    }
}

#[test]
fn what_stands_around_a_value_does_not_hide_it() {
    let redactor = Redactor::new(Policy::default());
    for value in ["13900004821", "11010519491231002X", "li.lei@example.com", "203.0.113.7", "010-60009988"] {
        for (before, after) in [
            ("", ""),
            ("请回", "，谢谢"),
            ("(", ")"),
            ("“", "”"),
            ("\u{200b}", "\u{200b}"),
            ("\u{202a}", "\u{202c}"),
            ("\u{2068}", "\u{2069}"),
            ("\u{feff}", "\u{fe0f}"),
            (r#"{"a":"x\n"#, r#"\n"}"#),
            (r#"{"a":"\u624b\u673a"#, r#"\u3002"}"#),
            (r#"\\u624b\\u673a"#, r#"\\n"#),
            ("tel:", ";"),
            ("<b>", "</b>"),
            ("\t", "\t"),
            ("\u{3000}", "\u{3000}"),
            ("\u{a0}", "\u{a0}"),
            ("|", "|"),
            ("——", "——"),
            ("#", "#"),
            ("1. ", "。"),
        ] {
            let text = format!("{before}{value}{after}");
            let masked = redactor.redact(&text).text;
            assert!(!leaks(&masked, value), "{text:?} => {masked:?}");
            assert!(masked.starts_with(before) && masked.contains('['), "{text:?} => {masked:?}");
        }
    }
}

#[test]
fn a_megabyte_takes_no_longer_than_its_length() {
    // With a rule that takes the square of the length this runs for hours.
    let redactor = Redactor::new(Policy::default());
    for unit in [
        "1",
        "(",
        "@.",
        "我叫",
        "收件人",
        r"\",
        r"\u",
        "a@",
        "://a",
        "a:a@",
        "password=",
        "卡号6222000000123450 ",
        "密码a1b2c3d4 ",
        "010-60001234转1",
        "13900004821 ",
        "1️⃣",
        "a at ",
        "路1号",
        "年月日生",
    ] {
        let text = unit.repeat(1_000_000 / unit.len());
        assert!(redactor.redact(&text).text.len() <= 28 * text.len());
    }
}
