//! Inspection: exact figures on a hand-made set, and the published ones of real sets.

use sottovoce_transcripts::inspect::{Conflicts, Duplicates, inspect};
use sottovoce_transcripts::partition::{PoolBuilder, Scheme, partition};
use sottovoce_transcripts::readers::{Source, read};
use sottovoce_transcripts::{Language, Speaker, Split, Transcript, Turn};
use std::io::Write;
use std::ops::ControlFlow;

fn said(id: &str, text: &str, intent: &str, split: Split) -> Transcript {
    Transcript {
        id: id.into(),
        client: None,
        language: Language::EN,
        timestamp: None,
        domain: None,
        split,
        turns: vec![Turn { speaker: Speaker::Customer, text: text.into() }],
        intent: intent.into(),
    }
}

#[test]
fn figures_of_a_small_set_are_exact() {
    let set = [
        (said("d/0", "Hi  there", "greet", Split::Train), Some(0)),
        (said("d/1", "hi there ", "greet", Split::Train), Some(1)),
        (said("e/0", "bye", "leave", Split::Train), Some(1)),
        (said("f/0", "bye", "leave", Split::Train), Some(1)),
        (said("f/1", "\u{ff22}ye", "leave", Split::Test), Some(0)),
        (said("f/1", "bye", "leave", Split::Test), None),
    ];
    let got = inspect(3, set.iter().map(|(t, c)| (t, *c)));
    assert_eq!((got.transcripts, got.clients, got.empty_clients, got.unassigned), (6, 3, 1, 1));
    assert_eq!((got.examples.min, got.examples.max, got.examples.median), (0, 3, 1.0));
    // Sizes 0, 1, 3: mean absolute difference (1 + 3 + 2) over n times the sum, 3 * 4.
    assert!((got.examples.gini - 0.5).abs() < 1e-12);
    // Global (1/2, 1/2); client 0 (1, 0) is 1/2 away, client 1 (1/3, 2/3) 1/6.
    assert!((got.label_skew - 1.0 / 3.0).abs() < 1e-12);
    assert_eq!(
        got.exact,
        Duplicates { distinct: 4, repeated_in_train: 1, in_train_and_test: 1, test_seen_in_train: 1 }
    );
    assert_eq!(
        got.folded,
        Duplicates { distinct: 2, repeated_in_train: 2, in_train_and_test: 1, test_seen_in_train: 2 }
    );
    // Folded, "bye" is three times in train and test each twice; no text has two labels.
    assert_eq!((got.repeated_in_test, got.conflicts), (1, Conflicts::default()));
    assert_eq!((got.repeated_ids, got.dialogues_across_clients, got.dialogues_across_splits), (1, 2, 1));
    assert_eq!(got.labels.get("leave"), Some(&4));
    let json = serde_json::to_string(&got).unwrap();
    assert!(!json.contains("bye") && !json.contains("there"), "text in a summary");
    assert!(json.contains("\"en\":6"));
}

#[test]
fn a_text_under_several_labels_is_a_conflict() {
    let set = [
        said("a", "Good afternoon", "greet", Split::Train),
        said("b", "good  afternoon ", "bye", Split::Test),
        said("c", "good afternoon", "greet", Split::Train),
        said("d", "see you", "bye", Split::Train),
        said("e", "see you", "bye", Split::Train),
        said("f", "well", "greet", Split::Train),
        said("g", "well", "bye", Split::Train),
    ];
    let got = inspect(1, set.iter().map(|t| (t, Some(0))));
    assert_eq!(got.conflicts, Conflicts { texts: 2, transcripts: 5 });
}

#[test]
fn nothing_is_a_set_too() {
    let got = inspect(0, []);
    assert_eq!((got.transcripts, got.label_skew, got.examples.gini), (0, 0.0, 0.0));
}

#[test]
fn published_duplicates_come_back() {
    let Ok(root) = std::env::var("SOTTOVOCE_DATA") else {
        let _ = writeln!(std::io::stderr(), "skipped: SOTTOVOCE_DATA does not name the data sets");
        return;
    };
    for (name, distinct, both) in [
        ("banking77", 13_083, 0),
        ("clinc150", 23_695, 2),
        ("crosswoz_zh", 7_414, 139),
        ("massive_zh", 15_619, 187),
        ("sgd", 34_785, 185),
        ("multidogo", 46_602, 3_081),
    ] {
        let mut set = Vec::new();
        let mut pool = PoolBuilder::default();
        read(&Source::new([format!("{root}/{name}")]), &mut |t| {
            pool.push(&t);
            set.push(t);
            ControlFlow::Continue(())
        })
        .unwrap();
        let pool = pool.finish();
        let dealt = partition(&Scheme::Iid { clients: 10 }, &pool.train, &pool, 1).unwrap();
        let mut owner = vec![0u32; pool.train.len()];
        for (client, shard) in (0u32..).zip(&dealt.shards) {
            for index in shard {
                owner[*index as usize] = client;
            }
        }
        let mut owners = owner.into_iter();
        let owned = set.iter().map(|t| (t, if t.split == Split::Train { owners.next() } else { None }));
        let got = inspect(10, owned);
        assert_eq!((got.exact.distinct, got.exact.in_train_and_test), (distinct, both), "{name}");
        assert!(got.folded.distinct <= got.exact.distinct);
        assert!(got.examples.max - got.examples.min <= 1 && got.label_skew < 0.3, "{name}");
        assert_eq!(got.repeated_ids, 0, "{name}");
    }
}
