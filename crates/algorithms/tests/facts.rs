//! What is known of each algorithm before it runs, by hand: what its clients send, what it needs, what it is refused with.

use sottovoce_algorithms::AlgorithmConfig;
use sottovoce_core::{Contents, Layout, Params, Running, StartCx};
use std::collections::BTreeSet;

const CLIENTS: u64 = 7;

/// Blocks, numbers, traits, and numbers of the server's state that a client is sent in the first round, for a model of eight
/// parameters.
const TABLE: &[(&str, usize, usize, &[&str], u64)] = &[
    (r#"{"kind":"fedavg"}"#, 1, 0, &[], 0),
    (r#"{"kind":"fedavgm"}"#, 1, 0, &[], 0),
    (r#"{"kind":"fedbuff"}"#, 1, 0, &[], 0),
    (r#"{"kind":"fedasync"}"#, 1, 0, &["bases"], 0),
    (r#"{"kind":"fedprox","mu":1}"#, 1, 0, &[], 0),
    (r#"{"kind":"fedopt","optimiser":"adam","server_lr":1}"#, 1, 0, &[], 0),
    (r#"{"kind":"scaffold"}"#, 2, 1, &["plain"], 0),
    (r#"{"kind":"fednova"}"#, 1, 1, &["plain"], 0),
    (r#"{"kind":"feddyn","alpha":1}"#, 1, 0, &[], 0),
    (r#"{"kind":"qfedavg","q":1,"lipschitz":1}"#, 1, 1, &[], 0),
    // A share, and a place for every client's loss.
    (r#"{"kind":"afl","lambda_lr":1}"#, 1, 8, &["mean"], 1),
    (r#"{"kind":"mimelite"}"#, 2, 1, &["plain"], 0),
    (r#"{"kind":"mime"}"#, 1, 1, &["plain", "several"], 0),
    (r#"{"kind":"fedlin"}"#, 1, 1, &["plain", "several"], 0),
    (r#"{"kind":"moon","mu":0}"#, 1, 0, &[], 0),
    (r#"{"kind":"moon","mu":1}"#, 1, 0, &["represents"], 0),
    (r#"{"kind":"ifca","clusters":3}"#, 3, 3, &["personal"], 16),
    (r#"{"kind":"hierarchical","edges":4,"cloud_every":1}"#, 1, 0, &[], 0),
    (r#"{"kind":"hierarchical","edges":4,"cloud_every":2}"#, 4, 4, &[], 0),
    (r#"{"kind":"ditto","lambda":1}"#, 1, 0, &["personal"], 0),
    (r#"{"kind":"fedper"}"#, 1, 0, &["personal", "represents"], 0),
    (r#"{"kind":"fedrep","head_epochs":1}"#, 1, 0, &["personal", "represents"], 0),
    (r#"{"kind":"apfl"}"#, 1, 0, &["personal"], 0),
    (r#"{"kind":"fine_tuning","epochs":1}"#, 1, 0, &["personal"], 0),
];

fn configured(text: &str) -> AlgorithmConfig {
    serde_json::from_str(text).unwrap()
}

fn params() -> Params {
    Params::zeros(Layout::new(&[("table", 3, 2), ("bias", 1, 2)]).unwrap())
}

fn begun(config: &AlgorithmConfig) -> Box<dyn Running + '_> {
    let params = params();
    config.algorithm().begin(&StartCx { params: &params, clients: CLIENTS, weight: &|| 70, seed: 1 })
}

#[test]
fn facts_are_as_worked_out_by_hand() {
    let mut seen = BTreeSet::new();
    for (text, blocks, numbers, traits, broadcast) in TABLE {
        let config = configured(text);
        let facts = config.algorithm().facts(CLIENTS);
        assert!(text.contains(&format!("\"kind\":\"{}\"", facts.name)), "{text}");
        assert_eq!(facts.contents, Contents { blocks: *blocks, numbers: *numbers }, "{text}");
        let has = [
            ("bases", facts.keeps_bases),
            ("plain", facts.plain_sgd),
            ("several", !facts.preliminary.is_empty()),
            ("mean", facts.mean_only.is_some_and(|why| why.contains("losses that clients report"))),
            ("represents", facts.represents),
            ("personal", facts.personalises),
        ];
        assert!(has.iter().all(|(name, has)| *has == traits.contains(name)), "{text}: {has:?}");
        assert_eq!(facts.mean_only.is_some(), traits.contains(&"mean"), "{text}");
        assert_eq!(begun(&config).broadcast(), *broadcast, "{text}");
        seen.insert(facts.name);
    }
    assert!(AlgorithmConfig::KINDS.iter().all(|kind| seen.contains(kind)), "{seen:?}");
}

/// What a state says is what it was resumed from, and other bytes are no state.
#[test]
fn states_come_back_from_their_bytes() {
    for (text, ..) in TABLE {
        let config = configured(text);
        let state = begun(&config).state();
        let again = config.algorithm().resume(&state).expect("its own bytes");
        assert_eq!(again.state(), state, "{text}");
        assert!(config.algorithm().resume(&[&state[..], &[0]].concat()).is_none(), "{text}");
    }
}

/// `(1 + τ)^-a` unless the algorithm says otherwise: 1/√2, 1/√4 and so on.
#[test]
fn what_is_stale_counts_by_the_papers_polynomial() {
    for (text, values) in [
        (r#"{"kind":"fedavg"}"#, [0.707_106_77, 0.5, 0.333_333_34]),
        (r#"{"kind":"fedbuff"}"#, [0.707_106_77, 0.5, 0.333_333_34]),
        (r#"{"kind":"fedbuff","exponent":1}"#, [0.5, 0.25, 0.111_111_11]),
        (r#"{"kind":"fedasync","exponent":0}"#, [1.0, 1.0, 1.0]),
        (r#"{"kind":"fedasync","hinge":{"a":0.5,"b":3}}"#, [1.0, 1.0, 0.285_714_3]),
    ] {
        let config = configured(text);
        for (rounds, value) in [1, 3, 8].into_iter().zip(values) {
            assert!((begun(&config).staleness(rounds) - value).abs() < 1e-6, "{text} {rounds}");
        }
    }
}

/// What is not said is what the papers and their experiments have.
#[test]
fn defaults_are_the_papers() {
    for (short, whole) in [
        (r#"{"kind":"fedavg"}"#, r#"{"kind":"fedavg","server_lr":1}"#),
        (r#"{"kind":"fedavgm"}"#, r#"{"kind":"fedavgm","beta":0.9,"server_lr":1}"#),
        (r#"{"kind":"fedbuff"}"#, r#"{"kind":"fedbuff","server_lr":1,"exponent":0.5,"weighted":true}"#),
        (r#"{"kind":"fedasync"}"#, r#"{"kind":"fedasync","mixing":0.6,"exponent":0.5,"rho":0}"#),
        (r#"{"kind":"fedprox","mu":1}"#, r#"{"kind":"fedprox","mu":1,"server_lr":1}"#),
        (
            r#"{"kind":"fedopt","optimiser":"yogi","server_lr":1}"#,
            r#"{"kind":"fedopt","optimiser":"yogi","server_lr":1,"beta1":0.9,"beta2":0.99,"tau":0.001}"#,
        ),
        (r#"{"kind":"scaffold"}"#, r#"{"kind":"scaffold","option":2,"server_lr":1}"#),
        (r#"{"kind":"fednova"}"#, r#"{"kind":"fednova","server_lr":1}"#),
        (r#"{"kind":"afl","lambda_lr":1}"#, r#"{"kind":"afl","lambda_lr":1,"server_lr":1}"#),
        (r#"{"kind":"mimelite"}"#, r#"{"kind":"mimelite","beta":0.9,"server_lr":1}"#),
        (r#"{"kind":"mime"}"#, r#"{"kind":"mime","beta":0.9,"server_lr":1}"#),
        (r#"{"kind":"fedlin"}"#, r#"{"kind":"fedlin","server_lr":1}"#),
        (r#"{"kind":"moon","mu":1}"#, r#"{"kind":"moon","mu":1,"temperature":0.5}"#),
        (r#"{"kind":"ifca","clusters":3}"#, r#"{"kind":"ifca","clusters":3,"spread":0.01}"#),
        (r#"{"kind":"apfl"}"#, r#"{"kind":"apfl","alpha":0.5,"adaptive":false}"#),
    ] {
        assert_eq!(configured(short), configured(whole));
    }
    assert_eq!(AlgorithmConfig::default(), configured(r#"{"kind":"fedavg","server_lr":1}"#));
}
