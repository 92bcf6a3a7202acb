//! What there is: names, parameters, ranges and defaults of rules and wrappers. Help and tables are made of it.

use super::error::RuleError;

/// Whether a recipe ends with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Rows in, rows out.
    Wrapper,
    /// Rows in, one row out.
    Rule,
}

/// A rule or a wrapper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// Other names for it.
    pub aliases: &'static [&'static str],
    /// Rule or wrapper.
    pub kind: Kind,
    /// What it does.
    pub line: &'static str,
    /// What it takes.
    pub parameters: &'static [Parameter],
}

/// A parameter of a rule or a wrapper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub meaning: &'static str,
    /// What it may be.
    pub range: &'static str,
    /// What it is where nothing is said; `None` if something must be.
    pub default: Option<&'static str>,
}

const fn needed(name: &'static str, meaning: &'static str, range: &'static str) -> Parameter {
    Parameter { name, meaning, range, default: None }
}

const fn or(
    name: &'static str,
    meaning: &'static str,
    range: &'static str,
    default: &'static str,
) -> Parameter {
    Parameter { name, meaning, range, default: Some(default) }
}

const fn entry(
    kind: Kind,
    name: &'static str,
    aliases: &'static [&'static str],
    line: &'static str,
    parameters: &'static [Parameter],
) -> Entry {
    Entry { name, aliases, kind, line, parameters }
}

const F: Parameter = needed("f", "how many of the n rows may lie", "0 ≤ f, 2f < n");
const F_KRUM: Parameter =
    needed("f", "how many of the n rows may lie", "0, or 2f + 3 ≤ n unless neighbours is given");
const NEIGHBOURS: Parameter =
    or("neighbours", "nearest other rows that a row is scored by", "1 to n - 1", "max(1, n - f - 2)");
const WORDS: &str = "uniform, declared (also input.weights)";
const WEIGHTS: Parameter = or("weights", "whether declared weights count", WORDS, "uniform");
const WEIGHT_CAP: Parameter = or("weight_cap", "declared weights above it count as it", "> 0", "none");
const STARTS: &str = "zeros, mean, weighted_mean, or a vector";
const STEPS: &str = "1 to 10000";
const EIGEN: Parameter = or("eigen", "how the top eigenvector is found", "exact", "exact");

static CATALOGUE: &[Entry] = &[
    entry(Kind::Rule, "average", &[], "mean of all rows", &[WEIGHTS, WEIGHT_CAP]),
    entry(
        Kind::Rule,
        "weighted-average",
        &[],
        "mean of all rows by declared weights",
        &[or("weights", "whether declared weights count", WORDS, "declared"), WEIGHT_CAP],
    ),
    entry(
        Kind::Rule,
        "mean",
        &[],
        "mean of all rows, by declared weights if there are any",
        &[or("weights", "whether declared weights count", WORDS, "declared, if given"), WEIGHT_CAP],
    ),
    entry(
        Kind::Rule,
        "coordinate-median",
        &["median"],
        "median of each coordinate",
        &[or("even", "which median of an even number of rows", "midpoint, lower", "midpoint")],
    ),
    entry(
        Kind::Rule,
        "trimmed-mean",
        &[],
        "mean of each coordinate without its f smallest and f largest values",
        &[
            or("f", "values left out on each side", "0 ≤ f, 2f < n", "from beta; one of the two is needed"),
            or(
                "beta",
                "share of the values left out on each side, f = floor(beta n)",
                "0 ≤ beta < 0.5",
                "none",
            ),
        ],
    ),
    entry(Kind::Rule, "meamed", &[], "mean of each coordinate's n - f values nearest to its median", &[F]),
    entry(Kind::Rule, "krum", &[], "the row nearest to its neighbours", &[F_KRUM, NEIGHBOURS]),
    entry(
        Kind::Rule,
        "multi-krum",
        &[],
        "mean of the m rows nearest to their neighbours",
        &[
            F_KRUM,
            NEIGHBOURS,
            or("m", "rows that are kept; the theorem wants n - f - 2 or fewer", "1 to n", "n - f"),
            WEIGHTS,
            WEIGHT_CAP,
        ],
    ),
    entry(
        Kind::Rule,
        "bulyan",
        &[],
        "theta rows selected by Krum, then of each coordinate the mean of the beta values nearest to the median",
        &[
            needed("f", "how many of the n rows may lie", "0, or 4f + 3 ≤ n"),
            or("theta", "rows that are selected", "1 to n", "n - 2f"),
            or("beta", "values that are averaged", "1 to theta", "max(1, theta - 2f)"),
            or(
                "scores",
                "whether Krum's scores follow the rows that are left",
                "recomputed, once",
                "recomputed",
            ),
        ],
    ),
    entry(
        Kind::Rule,
        "geometric-median-smoothed-weiszfeld",
        &[],
        "T steps towards the geometric median",
        &[
            or("nu", "distances below it count as it", "> 0", "0.1"),
            or("T", "steps", STEPS, "3"),
            or("start", "where the steps begin", STARTS, "zeros"),
            WEIGHTS,
            WEIGHT_CAP,
        ],
    ),
    entry(
        Kind::Rule,
        "geometric-median-exact",
        &["geometric-median"],
        "the point with the least sum of distances to the rows",
        &[
            or(
                "tolerance",
                "estimated distance to it at the end, by the harmonic mean of the distances to the rows",
                "> 0",
                "1e-9",
            ),
            or("iterations", "steps after which the point reached is the result", STEPS, "1000"),
            WEIGHTS,
            WEIGHT_CAP,
        ],
    ),
    entry(
        Kind::Rule,
        "rfa",
        &[],
        "R steps from the weighted mean towards the weighted geometric median",
        &[
            or("nu", "distances below it count as it", "> 0", "1e-6"),
            or("R", "steps", STEPS, "3"),
            or("start", "where the steps begin", STARTS, "weighted_mean"),
            or("weights", "whether declared weights count", WORDS, "declared, if given"),
            WEIGHT_CAP,
        ],
    ),
    entry(
        Kind::Rule,
        "centered-clipping",
        &[],
        "L steps from v0 by the mean of the differences, each cut to tau",
        &[
            needed("tau", "radius that differences are cut to", "> 0"),
            or("L", "steps", STEPS, "1"),
            or(
                "v0",
                "where the steps begin; previous is the result of the round before, zeros in the first",
                "zeros, mean, previous (in a run), or a vector (elsewhere)",
                "previous in a run, zeros elsewhere",
            ),
        ],
    ),
    entry(
        Kind::Rule,
        "norm-bounding-average",
        &["norm-bounding"],
        "mean of the rows, each cut to the norm M",
        &[needed("M", "largest L2 norm that counts in full", "> 0"), WEIGHTS, WEIGHT_CAP],
    ),
    entry(
        Kind::Rule,
        "fltrust",
        &[],
        "rows count as far as they point where the server's update points",
        &[or(
            "server_update",
            "update from data of the server's own",
            "a vector (not in a run)",
            "in a run the server's own training in the round; needed elsewhere",
        )],
    ),
    entry(
        Kind::Rule,
        "monna",
        &[],
        "mean of the n - f rows nearest to a trusted one",
        &[F, needed("idx", "the trusted row, counted from 0", "0 to n - 1")],
    ),
    entry(
        Kind::Rule,
        "mda",
        &[],
        "mean of the n - f rows with the least diameter; looks at all subsets",
        &[F],
    ),
    entry(
        Kind::Rule,
        "smea",
        &[],
        "mean of the n - f rows with the least top eigenvalue of covariance; looks at all subsets",
        &[F, EIGEN],
    ),
    entry(
        Kind::Rule,
        "caf",
        &[],
        "mean with rows filtered out along the top eigenvector of covariance",
        &[F, EIGEN],
    ),
    entry(Kind::Wrapper, "nnm", &[], "each row becomes the mean of the n - f rows nearest to it", &[F]),
    entry(
        Kind::Wrapper,
        "bucketing",
        &[],
        "rows are shuffled, and each s of them become one, their mean",
        &[
            needed("s", "rows to a bucket", "1 or more"),
            or(
                "perm",
                "order in which rows fill the buckets",
                "each of 0 to n - 1, once",
                "from seed; one of the two is needed, but in a run, which takes no perm",
            ),
            or("seed", "draws the order; in a run another one each round", "0 to 2^53", "in a run its own"),
        ],
    ),
    entry(
        Kind::Wrapper,
        "static-clipping",
        &[],
        "rows are cut to the norm c",
        &[needed("c", "largest L2 norm", "> 0")],
    ),
    entry(
        Kind::Wrapper,
        "arc",
        &[],
        "the largest rows are cut to the norm of the largest that is left",
        &[F],
    ),
];

/// All rules and wrappers.
pub fn catalogue() -> &'static [Entry] {
    CATALOGUE
}

/// The entry of that name or alias; `_` is as good as `-`.
pub(super) fn find(name: &str) -> Result<&'static Entry, RuleError> {
    let written = name.trim().replace('_', "-");
    let known = |e: &&Entry| e.name == written || e.aliases.contains(&written.as_str());
    CATALOGUE.iter().find(known).ok_or_else(|| {
        let names = CATALOGUE.iter().flat_map(|e| std::iter::once(&e.name).chain(e.aliases)).copied();
        RuleError::UnknownName { name: short(name.trim()), hint: hint(&written, names) }
    })
}

/// What may have been meant, or what there is.
pub(super) fn hint(written: &str, known: impl Iterator<Item = &'static str> + Clone) -> String {
    // Longer names than this resemble nothing, and comparing costs their length.
    let near = |name: &&str| written.len() <= 64 && strsim::jaro_winkler(written, name) > 0.8;
    let best = known
        .clone()
        .filter(near)
        .max_by(|a, b| strsim::jaro_winkler(written, a).total_cmp(&strsim::jaro_winkler(written, b)));
    match best {
        Some(name) => format!("did you mean {name}?"),
        None => match known.collect::<Vec<_>>() {
            none if none.is_empty() => "it takes none".into(),
            names => format!("there are {}", names.join(", ")),
        },
    }
}

/// The beginning of what somebody wrote, for an error.
pub(super) fn short(written: &str) -> String {
    written.chars().take(64).collect()
}
