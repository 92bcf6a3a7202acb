//! What a deserialiser says, in words of the configuration.

use sottovoce_report::visible;

/// A message about a value that does not fit: what is expected there, and what stands there.
pub(super) fn reworded(message: &str) -> String {
    // Names from the file may stand in it.
    visible(&in_words(message)).into_owned()
}

fn in_words(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    for before in ["invalid type: ", "invalid value: ", "invalid length "] {
        if let Some((found, expected)) =
            line.strip_prefix(before).and_then(|rest| rest.split_once(", expected "))
        {
            let found = if before == "invalid length " { format!("a list of {found}") } else { value(found) };
            return format!("expected {}, got {found}", kind(expected));
        }
    }
    for (before, after) in [
        ("missing field ", "missing key "),
        ("unknown field ", "unknown key "),
        ("unknown variant ", "unknown name "),
        ("duplicate field ", "the same key twice: "),
    ] {
        if let Some(rest) = line.strip_prefix(before) {
            return format!("{after}{rest}");
        }
    }
    line.to_owned()
}

fn value(found: &str) -> String {
    let inside =
        |found: &str| found.split_once('`').and_then(|(_, rest)| rest.strip_suffix('`')).map(str::to_owned);
    match found {
        "map" => "a table".to_owned(),
        "sequence" => "a list".to_owned(),
        _ => inside(found).unwrap_or_else(|| found.strip_prefix("string ").unwrap_or(found).to_owned()),
    }
}

fn kind(expected: &str) -> String {
    let whole = |last: u64| format!("a whole number from 0 to {last}");
    match expected {
        "u8" => whole(u8::MAX.into()),
        "u16" => whole(u16::MAX.into()),
        "u32" => whole(u32::MAX.into()),
        // As far as TOML's own numbers go.
        "u64" | "usize" => whole(i64::MAX as u64),
        "i8" | "i16" | "i32" | "i64" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" => "text in quotes".to_owned(),
        "path string" => "a path in quotes".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a table".to_owned(),
        "variant identifier" => "the name of a kind in quotes".to_owned(),
        "fewer elements in array" => "fewer elements".to_owned(),
        _ if expected.starts_with("internally tagged enum ") => {
            "a table with a kind, as in { kind = \"...\" }".to_owned()
        }
        _ if expected.starts_with("struct ") => "a table".to_owned(),
        _ => expected.replace("an array of length ", "a list of "),
    }
}
