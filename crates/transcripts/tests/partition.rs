//! Laws of all partition schemes, and requests that cannot be met.

use proptest::prelude::*;
use sottovoce_transcripts::partition::{
    Item, Partition, PartitionError, Pool, PoolBuilder, Scheme, partition, partition_like,
};
use sottovoce_transcripts::{Language, Split, Transcript};

fn items(n: usize, labels: u32, keys: u32) -> Vec<Item> {
    (0..n as u32)
        .map(|i| {
            // Any fixed mixing will do: labels, keys and times must not be in step.
            let x = i.wrapping_mul(2_654_435_761) >> 7;
            Item {
                label: x % labels,
                client_key: Some((x / 7) % keys),
                language: if x % 3 == 0 { Language::EN } else { Language::ZH },
                domain: Some((x / 11) % keys),
                timestamp: Some(i64::from(x % 1_000)),
            }
        })
        .collect()
}

fn pool(keys: u32) -> Pool {
    let names: Vec<String> = (0..keys).map(|k| format!("key-{k:03}")).collect();
    Pool { client_keys: names.clone(), domains: names, ..Pool::default() }
}

fn dealt_once(partition: &Partition, n: usize) {
    assert_eq!(partition.names.len(), partition.shards.len());
    assert!(partition.shards.iter().all(|s| s.is_sorted()));
    let mut all = partition.shards.concat();
    all.sort_unstable();
    assert!(all.iter().copied().eq(0..n as u32), "an item is lost or dealt twice");
}

fn any_scheme() -> impl Strategy<Value = Scheme> {
    let alpha = prop_oneof![Just(1e-300), Just(1e-3), Just(0.1), Just(1.0), Just(1e9)];
    (1u64..40, alpha, 0usize..8).prop_map(|(clients, alpha, which)| match which {
        0 => Scheme::Natural {},
        1 => Scheme::Iid { clients },
        2 => Scheme::Dirichlet { clients, alpha, min_examples: 0 },
        3 => Scheme::Pathological { clients, shards_per_client: 2 },
        4 => Scheme::Quantity { clients, alpha },
        5 => Scheme::Language {},
        6 => Scheme::Domain {},
        _ => Scheme::Time { clients },
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_item_goes_to_one_client(scheme in any_scheme(), n in 0usize..200, labels in 1u32..12, seed: u64) {
        let (train, pool) = (items(n, labels, 5), pool(5));
        let dealt = match partition(&scheme, &train, &pool, seed) {
            Ok(dealt) => dealt,
            Err(PartitionError::TooManyShards { clients, .. }) => {
                prop_assert!(2 * clients > n as u64);
                return Ok(());
            }
            Err(e) => return Err(TestCaseError::fail(e.to_string())),
        };
        dealt_once(&dealt, n);
        prop_assert_eq!(&dealt, &partition(&scheme, &train, &pool, seed).unwrap());
        let test = items(n / 2 + 1, labels + 1, 6);
        let like = |set| partition_like(&scheme, &dealt, &train, &test, &pool, seed, set).unwrap();
        let held = like(0);
        prop_assert_eq!(held.shards.len(), dealt.shards.len());
        let mut all: Vec<u32> = held.shards.concat();
        all.extend(&held.unassigned);
        all.sort_unstable();
        prop_assert!(all.iter().copied().eq(0..test.len() as u32));
        prop_assert_eq!(held, like(0));
    }
}

#[test]
fn seeds_and_sets_matter() {
    let (train, pool) = (items(500, 10, 5), pool(5));
    for scheme in [
        Scheme::Iid { clients: 7 },
        Scheme::Dirichlet { clients: 7, alpha: 0.5, min_examples: 0 },
        Scheme::Pathological { clients: 7, shards_per_client: 2 },
        Scheme::Quantity { clients: 7, alpha: 1.0 },
    ] {
        let one = partition(&scheme, &train, &pool, 1).unwrap();
        assert_ne!(one, partition(&scheme, &train, &pool, 2).unwrap(), "{scheme:?}");
        let held = |set| partition_like(&scheme, &one, &train, &train, &pool, 1, set).unwrap();
        assert_ne!(held(0), held(1), "{scheme:?}");
    }
}

#[test]
fn held_out_items_follow_the_training_mix() {
    let (train, pool) = (items(5_000, 6, 5), pool(5));
    let scheme = Scheme::Dirichlet { clients: 20, alpha: 0.3, min_examples: 0 };
    let dealt = partition(&scheme, &train, &pool, 3).unwrap();
    // Held out are the same items: every count must come back exactly.
    let held = partition_like(&scheme, &dealt, &train, &train, &pool, 3, 1).unwrap();
    for (ours, theirs) in dealt.shards.iter().zip(&held.shards) {
        for label in 0..6 {
            let count = |s: &[u32]| s.iter().filter(|i| train[**i as usize].label == label).count();
            assert_eq!(count(ours), count(theirs), "label {label}");
        }
    }
    // Half as many: half the counts.
    let half = partition_like(&scheme, &dealt, &train, &train[..2_500], &pool, 3, 1).unwrap();
    for (ours, theirs) in dealt.shards.iter().zip(&half.shards) {
        assert!((ours.len() / 2).abs_diff(theirs.len()) <= 40, "{} {}", ours.len(), theirs.len());
    }
}

#[test]
fn schemes_do_what_their_names_say() {
    let (train, pool) = (items(1_200, 12, 5), pool(5));
    let deal = |scheme| partition(&scheme, &train, &pool, 9).unwrap();
    let labels_of = |shard: &[u32]| {
        shard.iter().map(|i| train[*i as usize].label).collect::<std::collections::BTreeSet<_>>().len()
    };
    let iid = deal(Scheme::Iid { clients: 12 });
    assert!(iid.shards.iter().all(|s| s.len() == 100 && labels_of(s) >= 10));
    // A run of 50 items touches at most two of twelve intents of about 100 items.
    let pathological = deal(Scheme::Pathological { clients: 12, shards_per_client: 2 });
    assert!(pathological.shards.iter().all(|s| s.len() == 100 && labels_of(s) <= 4));
    let skewed = deal(Scheme::Dirichlet { clients: 12, alpha: 1e-3, min_examples: 0 });
    let held: usize = skewed.shards.iter().map(|s| labels_of(s)).sum();
    assert!((12..=14).contains(&held), "every intent should lie at one client: {held}");
    let even = deal(Scheme::Dirichlet { clients: 12, alpha: 1e6, min_examples: 80 });
    assert!(even.shards.iter().all(|s| (80..=120).contains(&s.len())));
    let one = deal(Scheme::Quantity { clients: 12, alpha: 1e-3 });
    assert!(one.shards.iter().any(|s| s.len() > 1_100));
    let natural = deal(Scheme::Natural {});
    assert_eq!(natural.names, pool.client_keys);
    assert!(natural.shards[2].iter().all(|i| train[*i as usize].client_key == Some(2)));
    assert_eq!(deal(Scheme::Language {}).names, ["zh", "en"]);
    let time = deal(Scheme::Time { clients: 3 });
    let ends = |s: &[u32]| {
        let times = s.iter().map(|i| train[*i as usize].timestamp);
        (times.clone().min().unwrap(), times.max().unwrap())
    };
    assert!(time.shards.windows(2).all(|w| ends(&w[0]).1 <= ends(&w[1]).0));
}

#[test]
fn extreme_skew_gives_empty_shards_or_a_reason() {
    let (train, pool) = (items(50, 5, 5), pool(5));
    let skew = |min_examples| Scheme::Dirichlet { clients: 1_000, alpha: 1e-3, min_examples };
    let dealt = partition(&skew(0), &train, &pool, 1).unwrap();
    dealt_once(&dealt, 50);
    assert!(dealt.shards.iter().filter(|s| s.is_empty()).count() >= 950);
    assert_eq!(
        partition(&skew(1), &train, &pool, 1),
        Err(PartitionError::TooFewItems { clients: 1_000, min_examples: 1, needed: 1_000, items: 50 })
    );
    let hopeless = Scheme::Dirichlet { clients: 10, alpha: 1e-3, min_examples: 5 };
    assert_eq!(
        partition(&hopeless, &train, &pool, 1),
        Err(PartitionError::MinExamplesNotMet { attempts: 100, min_examples: 5, best: 0 })
    );
    // One intent only, and no items at all.
    dealt_once(&partition(&skew(0), &items(50, 1, 5), &pool, 1).unwrap(), 50);
    let nothing = partition(&skew(0), &[], &pool, 1).unwrap();
    let held = partition_like(&skew(0), &nothing, &[], &train, &pool, 1, 1).unwrap();
    assert_eq!(held.unassigned.len(), 50);
}

#[test]
fn what_cannot_be_met_says_why() {
    let (mut train, pool) = (items(50, 5, 5), pool(5));
    let deal = |scheme, train: &[Item]| partition(&scheme, train, &pool, 1).unwrap_err();
    assert_eq!(deal(Scheme::Iid { clients: 0 }, &train), PartitionError::NoClients);
    assert!(matches!(
        deal(Scheme::Iid { clients: u64::MAX }, &train),
        PartitionError::TooManyClients { clients: u64::MAX, .. }
    ));
    for alpha in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(deal(Scheme::Quantity { clients: 2, alpha }, &train), PartitionError::Alpha { .. }));
    }
    for shards_per_client in [0, 26, u64::MAX] {
        let scheme = Scheme::Pathological { clients: 2, shards_per_client };
        let want = PartitionError::TooManyShards { clients: 2, shards_per_client, items: 50 };
        assert_eq!(deal(scheme, &train), want);
    }
    train[7].client_key = None;
    train[9].client_key = Some(5);
    train[8].domain = None;
    train[9].timestamp = None;
    let (missing, items) = (1, 50);
    assert_eq!(deal(Scheme::Natural {}, &train), PartitionError::NoClientKeys { missing, items, first: 7 });
    assert_eq!(deal(Scheme::Domain {}, &train), PartitionError::NoDomains { missing, items, first: 8 });
    let time = Scheme::Time { clients: 2 };
    assert_eq!(deal(time, &train), PartitionError::NoTimestamps { missing, items, first: 9 });
    assert_eq!(
        deal(Scheme::Natural {}, &train[8..]),
        PartitionError::UnnamedKey { item: 1, key: 5, names: 5 }
    );
    let scheme = Scheme::Iid { clients: 2 };
    let dealt = partition(&scheme, &train, &pool, 1).unwrap();
    assert!(matches!(
        partition_like(&scheme, &dealt, &train[..9], &train, &pool, 1, 1),
        Err(PartitionError::NotThisPartition { .. })
    ));
}

#[test]
fn numbers_of_names_do_not_depend_on_the_order_of_rows() {
    let row = |i: usize| Transcript {
        id: i.to_string(),
        client: Some(format!("desk-{}", i % 3)),
        language: Language::EN,
        timestamp: None,
        domain: (i != 4).then(|| format!("line-{}", i % 2)),
        split: if i == 5 { Split::Test } else { Split::Train },
        turns: Vec::new(),
        intent: format!("intent-{}", i % 4),
    };
    let pool = |rows: &[usize]| {
        let mut builder = PoolBuilder::default();
        rows.iter().for_each(|i| builder.push(&row(*i)));
        builder.finish()
    };
    let (one, other) = (pool(&[0, 1, 2, 3, 4, 5]), pool(&[5, 4, 3, 2, 1, 0]));
    assert_eq!(
        (&one.labels, &one.client_keys, &one.domains),
        (&other.labels, &other.client_keys, &other.domains)
    );
    assert!(one.train.iter().eq(other.train.iter().rev()));
    assert_eq!((one.train.len(), one.test[0].label, one.train[4].domain), (5, 1, None));
    assert_eq!(one.client_keys, ["desk-0", "desk-1", "desk-2"]);
}

#[test]
fn schemes_are_spelled_out_in_a_configuration() {
    let scheme: Scheme =
        serde_json::from_str(r#"{"scheme": "dirichlet", "clients": 3, "alpha": 0.5}"#).unwrap();
    assert_eq!(scheme, Scheme::Dirichlet { clients: 3, alpha: 0.5, min_examples: 0 });
    assert!(serde_json::from_str::<Scheme>(r#"{"scheme": "natural"}"#).is_ok());
    assert!(serde_json::from_str::<Scheme>(r#"{"scheme": "iid", "clients": 3, "alpha": 1}"#).is_err());
    assert!(serde_json::from_str::<Scheme>(r#"{"scheme": "natural", "clients": 3}"#).is_err());
}
