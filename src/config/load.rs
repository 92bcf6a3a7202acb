//! Reading a configuration: file, overrides, and errors that show the place.

use super::Config;
use super::check::Invalid;
use super::error::{ConfigError, InFile};
use super::wording::reworded;
use crate::Parts;
use miette::NamedSource;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use toml::{Table, Value};

/// Reads a configuration file and applies overrides of the form `key.key=value`.
pub fn load(path: &Path, overrides: &[String]) -> Result<Config, ConfigError> {
    load_with(&Parts::none(), path, overrides)
}

/// The same, for configurations that name parts of the program's own.
pub fn load_with(parts: &Parts, path: &Path, overrides: &[String]) -> Result<Config, ConfigError> {
    parse_with(parts, &path.display().to_string(), &read(path)?, overrides)
}

/// Longest configuration, bytes. Data are longer, and are not read as one.
const LONGEST: u64 = 4 << 20;

/// The text of a configuration file.
pub fn read(path: &Path) -> Result<String, ConfigError> {
    let text = || {
        let mut text = String::new();
        File::open(path)?.take(LONGEST + 1).read_to_string(&mut text)?;
        if text.len() as u64 > LONGEST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "more than 4 MiB"));
        }
        Ok(text)
    };
    text().map_err(|source| {
        let help = (source.kind() == io::ErrorKind::InvalidData).then(|| DATA.to_owned());
        ConfigError::File { path: path.to_owned(), source, help }
    })
}

const DATA: &str = "an experiment is a TOML file; if this is data, name it in one: data.path = \"FILE\"";

/// Reads a configuration from `text`, called `name` in errors, applies overrides, and checks the result.
pub fn parse(name: &str, text: &str, overrides: &[String]) -> Result<Config, ConfigError> {
    parse_with(&Parts::none(), name, text, overrides)
}

/// The same, for configurations that name parts of the program's own.
pub fn parse_with(
    parts: &Parts,
    name: &str,
    text: &str,
    overrides: &[String],
) -> Result<Config, ConfigError> {
    let in_file = |message: String, span: std::ops::Range<usize>| {
        let (message, help) = (reworded(&message), suggestion(&message));
        if !name.ends_with(".toml") {
            let before = text.get(..span.start).unwrap_or_default();
            let (line, column) =
                (before.lines().count().max(1), before.lines().last().map_or(0, str::len) + 1);
            let (name, help) = (name.to_owned(), help.or_else(|| Some(DATA.to_owned())));
            return ConfigError::Elsewhere { name, line, column, message, help };
        }
        let text = NamedSource::new(sottovoce_report::visible(name), shown(text));
        ConfigError::InFile(Box::new(InFile { message, help, text, at: span.into() }))
    };
    let table: Table =
        toml::from_str(text).map_err(|e| in_file(e.message().to_owned(), e.span().unwrap_or(0..0)))?;
    let mut config: Config = if overrides.is_empty() {
        toml::from_str(text).map_err(|e| in_file(e.message().to_owned(), e.span().unwrap_or(0..0)))?
    } else {
        overridden(table, overrides, in_file, text)?
    };
    config.parts = parts.clone();
    config.check().map_err(|invalid| locate(invalid, text, overrides, in_file))?;
    Ok(config)
}

/// Applies overrides one after another; the one that breaks the configuration is named.
fn overridden(
    mut table: Table,
    overrides: &[String],
    in_file: impl Fn(String, std::ops::Range<usize>) -> ConfigError,
    text: &str,
) -> Result<Config, ConfigError> {
    for given in overrides {
        let bad = |message: String| ConfigError::Override {
            given: given.clone(),
            help: suggestion(&message),
            message: reworded(&message),
        };
        let (key, value) = given
            .split_once('=')
            .ok_or_else(|| bad("expected KEY=VALUE, as in rounds.count=20".to_owned()))?;
        let keys: Vec<&str> = key.trim().split('.').map(str::trim).collect();
        if keys.contains(&"") {
            return Err(bad("expected KEY=VALUE, as in rounds.count=20".to_owned()));
        }
        let digits = value.trim().strip_prefix('-').unwrap_or(value.trim());
        let whole = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        if whole && value.trim().parse::<i64>().is_err() {
            return Err(bad(format!("expected a whole number of at most {} in size", i64::MAX)));
        }
        set(&mut table, &keys, value_of(value.trim())).map_err(bad)?;
    }
    let result: Result<Config, _> = serde_path_to_error::deserialize(table);
    result.map_err(|e| {
        // An element of a list is `list.0` here as everywhere, not `list[0]`.
        let path = e.path().to_string().replace('[', ".").replace(']', "");
        let message = e.into_inner().message().to_owned();
        // The path ends at a table with a `kind`: among overrides below it, an unknown name says which one it was.
        let key = |o: &String| o.split('=').next().unwrap_or_default().trim().to_owned();
        let unknown = message.strip_prefix("unknown field `").and_then(|m| m.split('`').next());
        let mut touching = overrides.iter().rev().filter(|o| touches(&key(o), &path));
        let named = touching.clone().find(|o| unknown.is_some() && key(o).rsplit('.').next() == unknown);
        match named.or_else(|| touching.next()) {
            Some(given) => {
                let help = suggestion(&message);
                ConfigError::Override { given: given.clone(), help, message: reworded(&message) }
            }
            None => match toml::from_str::<Config>(text) {
                Err(e) => in_file(e.message().to_owned(), e.span().unwrap_or(0..0)),
                Ok(_) => in_file(message, place(text, &path)),
            },
        }
    })
}

/// Whether an override of `key` can be why the value at `path` does not fit.
fn touches(key: &str, path: &str) -> bool {
    key == path || key.starts_with(&format!("{path}.")) || path.starts_with(&format!("{key}."))
}

fn set(table: &mut Table, keys: &[&str], value: Value) -> Result<(), String> {
    let (last, path) = keys.split_last().ok_or("a key is missing")?;
    let mut at = table;
    for key in path {
        let next = at.entry(*key).or_insert_with(|| Value::Table(Table::new()));
        at = next.as_table_mut().ok_or_else(|| format!("{key} is a value, not a table"))?;
    }
    // A table replaces the whole table, so that one kind of optimiser leaves no keys of another behind.
    at.insert((*last).to_owned(), value);
    Ok(())
}

/// A TOML value if it reads as one, text otherwise.
fn value_of(text: &str) -> Value {
    match toml::from_str::<Table>(&format!("v = {text}")) {
        Ok(mut table) => table.remove("v").unwrap_or_else(|| Value::String(text.to_owned())),
        Err(_) => Value::String(text.to_owned()),
    }
}

fn locate(
    invalid: Invalid,
    text: &str,
    overrides: &[String],
    in_file: impl Fn(String, std::ops::Range<usize>) -> ConfigError,
) -> ConfigError {
    let blame =
        overrides.iter().rev().find(|o| o.split('=').next().is_some_and(|k| touches(k.trim(), &invalid.key)));
    let place = place(text, &invalid.key);
    // A key that the file does not have follows from an override of something beside it.
    let table = |key: &str| key.split(['.', '=']).next().unwrap_or_default().trim().to_owned();
    let beside = || overrides.iter().rev().find(|o| place.is_empty() && table(o) == table(&invalid.key));
    match blame.or_else(beside) {
        Some(given) => {
            ConfigError::Override { given: given.clone(), message: invalid.to_string(), help: None }
        }
        None => in_file(invalid.to_string(), place),
    }
}

/// Where the value of a dotted key stands in the file, or the nearest table above it.
fn place(text: &str, key: &str) -> std::ops::Range<usize> {
    let Ok(document) = toml::de::DeTable::parse(text) else { return 0..0 };
    let mut span = 0..0;
    let mut at = toml::de::DeValue::Table(document.into_inner());
    for part in key.split('.') {
        let next = match at {
            toml::de::DeValue::Table(table) => {
                table.into_iter().find(|(k, _)| k.get_ref() == part).map(|(_, v)| v)
            }
            toml::de::DeValue::Array(items) => {
                part.parse().ok().and_then(|i: usize| items.into_iter().nth(i))
            }
            _ => None,
        };
        let Some(next) = next else { break };
        span = next.span();
        at = next.into_inner();
    }
    span
}

/// A text for a terminal: what would control it is replaced, each byte by one, so that places stay.
fn shown(text: &str) -> String {
    let replaced = |c: char| match c {
        '\n' | '\t' | '\r' => c.to_string(),
        c if sottovoce_report::is_control(c) => "?".repeat(c.len_utf8()),
        c => c.to_string(),
    };
    text.chars().map(replaced).collect()
}

/// For an unknown name, the known one that looks most like it.
fn suggestion(message: &str) -> Option<String> {
    let (unknown, known) = message.split_once(", expected ")?;
    if !unknown.starts_with("unknown ") {
        return None;
    }
    let unknown = unknown.split('`').nth(1)?;
    let names = known.split('`').skip(1).step_by(2);
    let distance = |name: &str| match name.strip_prefix(unknown) {
        // The beginning of a name is nearer to it than a name that happens to be as short.
        Some(_) if unknown.len() > 2 => 0,
        _ => strsim::damerau_levenshtein(unknown, name),
    };
    let near = names.map(|name| (distance(name), name)).min()?;
    (near.0 <= 2.max(unknown.len() / 3)).then(|| format!("did you mean `{}`?", near.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ModelConfig;

    const GOOD: &str = r#"
name = "t"
seed = 1
[data.synthetic]
clients = 5
[model]
kind = "softmax_regression"
[local]
epochs = 1
batch = 8
optimiser = { kind = "sgd", lr = 0.5 }
[rounds]
count = 2
cohort = { kind = "all" }
"#;

    fn fails(text: &str, overrides: &[&str]) -> (String, Option<String>, Option<String>) {
        let overrides: Vec<String> = overrides.iter().map(|o| (*o).to_owned()).collect();
        match parse("t.toml", text, &overrides).unwrap_err() {
            ConfigError::InFile(e) => {
                let InFile { message, help, at, .. } = *e;
                let place = text[at.offset()..at.offset() + at.len()].to_owned();
                (message, help, Some(place))
            }
            ConfigError::Override { given, message, help } => (format!("{given}: {message}"), help, None),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_good_configuration_survives_being_written_out() {
        let config = parse("t.toml", GOOD, &[]).unwrap();
        let again = parse("t.toml", &config.to_toml(), &[]).unwrap();
        assert_eq!(config, again);
        assert_eq!(config.digest(), again.digest());
    }

    #[test]
    fn unknown_keys_get_a_suggestion_and_their_place() {
        let (message, help, place) = fails(&GOOD.replace("epochs", "epoch"), &[]);
        assert!(message.contains("unknown key `epoch`"), "{message}");
        assert_eq!(help.as_deref(), Some("did you mean `epochs`?"));
        assert_eq!(place.as_deref(), Some("epoch"));
        let (message, help, _) = fails(GOOD, &["rounds.cout=3"]);
        assert!(message.starts_with("rounds.cout=3: unknown key `cout`"), "{message}");
        assert_eq!(help.as_deref(), Some("did you mean `count`?"));
        let poisson = "rounds.cohort={kind=\"poisson\",rate=0.5}";
        let (message, ..) = fails(GOOD, &[poisson, "rounds.cohort.size=2", "rounds.cohort.rate=0.1"]);
        assert!(message.starts_with("rounds.cohort.size=2: unknown key `size`"), "{message}");
    }

    #[test]
    fn wrong_types_and_values_out_of_range_show_their_place() {
        let (message, _, place) = fails(&GOOD.replace("count = 2", "count = \"two\""), &[]);
        assert_eq!(message, "expected a whole number from 0 to 9223372036854775807, got \"two\"");
        assert_eq!(place.as_deref(), Some("\"two\""));
        let (message, _, place) = fails(&GOOD.replace("count = 2", "count = 0"), &[]);
        assert_eq!(message, "rounds.count = 0: expected 1 to 10000000");
        assert_eq!(place.as_deref(), Some("0"));
        let (message, ..) = fails(&GOOD.replace("lr = 0.5", "lr = nan"), &[]);
        assert!(message.starts_with("local.optimiser.lr = NaN"), "{message}");
        let (message, _, place) = fails(GOOD, &["local.batch=0"]);
        assert_eq!(message, "local.batch=0: local.batch = 0: expected 1 to 65536");
        assert_eq!(place, None);
        for (bad, key) in [
            ("rounds.cohort={kind=\"poisson\",rate=1.7}", "rounds.cohort.rate"),
            ("data.path=/no/such/folder", "data.path"),
            ("algorithm={kind=\"fedprox\",mu=-1}", "algorithm.mu"),
            ("features.char_ngrams=[5,3]", "features.char_ngrams"),
            ("data.synthetic.alpha=0", "data.synthetic"),
            (
                "transforms=[{kind=\"top_rows\",share=1.5}]",
                "transforms.0.share = 1.5: expected a share above 0",
            ),
            (
                "transforms=[{kind=\"gaussian_noise\",std=-1}]",
                "transforms.0.std = -1: expected a finite number",
            ),
            ("transforms=[{kind=\"quantise\",bits=40}]", "transforms.0.bits = 40: expected 2 to 16"),
            (
                "transforms=[{kind=\"quantise\",bits=2.5}]",
                "transforms=[{kind=\"quantise\",bits=2.5}]: expected a whole number from 0 to",
            ),
            ("transforms=[{kind=\"quantize\",bits=4}]", "unknown name `quantize`"),
            ("model={kind=\"text_cnn\"}", "features.sequence = 0: text_cnn reads tokens in their order: set"),
            ("model={kind=\"low_rank\",rank=0}", "model.rank = 0: expected 1 to 4096"),
            ("model={kind=\"mlp\",vectors=\"v.npy\",dim=4}", "model.vectors = v.npy: vectors belong to"),
            ("features.sequence=5000", "features.sequence = 5000: expected 0 to 4096"),
            ("world={devices=[{speed=0}]}", "world.devices.0.speed = 0: expected a number above 0"),
            (
                "world={fails_training=1}",
                "world.fails_training = 1: expected a number at least 0 and below 1",
            ),
            (
                "world={availability={kind=\"trace\",path=\"no.csv\"}}",
                "world.availability.path = no.csv: there is no",
            ),
            ("rounds.pace={kind=\"synchronous\",over_selection=0.5}", "rounds.pace.over_selection = 0.5"),
            ("rounds.pace={kind=\"asynchronous\",buffer=0}", "rounds.pace.buffer = 0"),
            ("rounds.pace={kind=\"asynchronous\",buffer=2}", "expected a cohort with a size"),
            ("rounds.cohort={kind=\"oort\",size=2,decay=2}", "rounds.cohort.decay = 2"),
            ("data.validation_share=0.1", "data.validation_share = 0.1: is for transcripts in files"),
            ("evaluation.targets=[1.5]", "evaluation.targets = 1.5"),
            ("rounds.count=-1", "-1"),
            ("seed=fast", "expected a whole number from 0 to 9223372036854775807, got \"fast\""),
            ("seed=18446744073709551615", "expected a whole number of at most 9223372036854775807"),
            ("rounds.cohort=3", "expected a table with a kind, as in { kind = \"...\" }, got 3"),
            ("model={kind=3}", "expected the name of a kind in quotes, got 3"),
            ("data=3", "expected a table, got 3"),
            ("data.path=3", "expected a path in quotes, got 3"),
            ("transforms=3", "expected a list, got 3"),
            ("features.char_ngrams=[1]", "expected a list of 2, got a list of 1"),
            ("features.char_ngrams=[1,2,3]", "expected fewer elements, got a list of 3"),
            ("local.optimiser={kind=\"sgd\"}", "missing key `lr`"),
            (
                "aggregation.grid={bits=45}",
                "aggregation.grid = { bits = 45, range = 11 }: a grid of 2^-45 up to 2^11: both together may be at most 51",
            ),
            ("aggregation.root={}", "expected a table with a path, or with a number of transcripts"),
            ("aggregation.params={f=3}", "aggregation.params={f=3}: aggregation.rule = mean"),
            ("a..b=3", "KEY=VALUE"),
            ("=3", "KEY=VALUE"),
            ("noequals", "KEY=VALUE"),
        ] {
            let (message, ..) = fails(GOOD, &[bad]);
            assert!(message.contains(key), "{bad}: {message}");
        }
    }

    #[test]
    fn what_cannot_be_stale_is_refused_where_it_may_be() {
        let refused = |pace: &str| {
            let scaffold = "algorithm={kind=\"scaffold\"}".to_owned();
            let cohort = "rounds.cohort={kind=\"uniform\",size=2}".to_owned();
            let pace = format!("rounds.pace={{kind={pace}}}");
            parse("t.toml", GOOD, &[scaffold, cohort, pace]).map(|_| ()).map_err(|e| e.to_string())
        };
        for pace in ["\"asynchronous\",buffer=2", "\"synchronous\",late=\"keep\",deadline_seconds=5"] {
            let message = refused(pace).unwrap_err();
            assert!(message.contains("algorithm.kind = \"scaffold\": sends more than"), "{message}");
        }
        assert_eq!(refused("\"synchronous\",deadline_seconds=5"), Ok(()));
    }

    #[test]
    fn what_only_sequences_can_do_needs_sequences() {
        let cnn = |rest: &str| {
            let model = format!("model={{kind=\"text_cnn\"{rest}}}");
            parse("t.toml", GOOD, &["features.sequence=64".to_owned(), model])
        };
        let ModelConfig::TextCnn { dim, widths, filters, .. } = cnn("").expect("defaults do").model else {
            panic!("another model was asked for");
        };
        assert_eq!((dim, widths, filters), (32, vec![2, 3, 4], 32));
        for (bad, said) in [
            (",widths=[]", "model.widths = []: expected one to eight different widths"),
            (",widths=[2,3,2]", "model.widths = [2, 3, 2]"),
            (",widths=[0]", "model.widths = [0]"),
            (",filters=0", "model.filters = 0: expected 1 to 4096"),
            (",dim=5000", "model.dim = 5000"),
            (",table_init=-1", "model.table_init = -1"),
        ] {
            let said_instead = cnn(bad).expect_err(bad).to_string();
            assert!(said_instead.contains(said), "{bad}: {said_instead}");
        }
    }

    #[test]
    fn what_works_on_representations_needs_a_model_that_has_one() {
        let moon = |mu: &str, model: &str| {
            let set = [format!("algorithm={{kind=\"moon\",mu={mu}}}"), format!("model={{kind={model}}}")];
            parse("t.toml", GOOD, &set).map(|_| ()).map_err(|e| e.to_string())
        };
        let said = moon("1", "\"softmax_regression\"").expect_err("it has none");
        let expected = "algorithm.kind = \"moon\": it works on representations, or on the body and the head that they lie \
                        between, and a softmax_regression has none; set model.kind to \"embedding_bag\"";
        assert!(said.contains(expected), "{said}");
        for kind in ["\"fedper\"", "\"fedrep\",head_epochs=1"] {
            let of = |model: &str| {
                let set = [format!("algorithm={{kind={kind}}}"), format!("model={{kind={model}}}")];
                parse("t.toml", GOOD, &set).map(|_| ()).map_err(|e| e.to_string())
            };
            assert!(
                of("\"softmax_regression\"").is_err_and(|e| e.contains("a softmax_regression has none")),
                "{kind}"
            );
            assert_eq!(of("\"embedding_bag\",dim=4"), Ok(()), "{kind}");
        }
        assert_eq!(moon("0", "\"softmax_regression\""), Ok(()));
        assert_eq!(moon("1", "\"embedding_bag\",dim=4"), Ok(()));
        assert!(moon("-1", "\"embedding_bag\",dim=4").is_err_and(|e| e.contains("algorithm.mu")));
        let zero = "1,temperature=0";
        assert!(moon(zero, "\"embedding_bag\",dim=4").is_err_and(|e| e.contains("algorithm.temperature")));
    }

    #[test]
    fn a_transform_in_the_file_is_shown_at_its_place() {
        let with = |last: &str| {
            format!("{GOOD}[[transforms]]\nkind = \"clip_norm\"\nmax = 1\n[[transforms]]\n{last}\n")
        };
        for (last, message, place) in [
            (
                "kind = \"top_rows\"\nshare = 0.0",
                "transforms.1.share = 0: expected a share above 0, at most 1",
                "0.0",
            ),
            ("kind = \"quantise\"\nbits = 1", "transforms.1.bits = 1: expected 2 to 16", "1"),
            (
                "kind = \"gaussian_noise\"\nstd = nan",
                "transforms.1.std = NaN: expected a finite number of at least 0",
                "nan",
            ),
            (
                "kind = \"clip_value\"\nmax = -2",
                "transforms.1.max = -2: expected a positive finite number",
                "-2",
            ),
        ] {
            assert_eq!(fails(&with(last), &[]), (message.to_owned(), None, Some(place.to_owned())));
            // An override elsewhere changes neither.
            assert_eq!(fails(&with(last), &["seed=2"]).2.as_deref(), Some(place));
        }
    }

    #[test]
    fn overrides_replace_add_and_read_as_toml_or_text() {
        let set = [
            "rounds.count=7",
            "name=other name",
            "algorithm={kind=\"fedprox\",mu=0.5}",
            "local.shuffle=false",
        ];
        let config = parse("t.toml", GOOD, &set.map(str::to_owned)).unwrap();
        assert_eq!(
            (config.rounds.count, config.name.as_str(), config.local.shuffle),
            (7, "other name", false)
        );
    }

    #[test]
    fn hostile_text_is_an_error() {
        for text in [
            "",
            "[",
            "\u{0}",
            &"[".repeat(100_000),
            &format!("a = {}1{}", "[".repeat(50_000), "]".repeat(50_000)),
        ] {
            assert!(parse("t.toml", text, &[]).is_err());
        }
    }
}
