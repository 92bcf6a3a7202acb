//! Settings as configurations hold them: what is not said, and what is not written.

use serde_json::json;
use sottovoce_models::{FeatureConfig, Featuriser, LocalTraining, Optimiser};

/// Adam's are those of its paper; Adagrad's root is kept from zero by as much.
#[test]
fn what_an_optimiser_is_not_told_is_the_papers() {
    for (short, whole) in [
        (
            json!({"kind": "adam", "lr": 0.5}),
            Optimiser::Adam { lr: 0.5, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
        ),
        (json!({"kind": "adagrad", "lr": 0.5}), Optimiser::Adagrad { lr: 0.5, epsilon: 1e-8 }),
    ] {
        let read: Optimiser = serde_json::from_value(short).unwrap();
        assert_eq!((read, read.lr()), (whole, 0.5));
        let written = serde_json::to_value(whole).unwrap();
        assert_eq!(serde_json::from_value::<Optimiser>(written).unwrap(), whole);
    }
    let [sgd, momentum] = [Optimiser::Sgd { lr: 0.25 }, Optimiser::Momentum { lr: 0.125, momentum: 0.5 }];
    assert_eq!((sgd.lr(), momentum.lr()), (0.25, 0.125));
}

/// Examples are shuffled unless it is said that they are not.
#[test]
fn training_shuffles_unless_it_is_told_not_to() {
    let optimiser = json!({"kind": "sgd", "lr": 1});
    let whole = json!({"epochs": 2, "batch": 8, "optimiser": optimiser});
    let mut kept = whole.clone();
    kept["shuffle"] = json!(false);
    assert!(serde_json::from_value::<LocalTraining>(whole).unwrap().shuffle);
    assert!(!serde_json::from_value::<LocalTraining>(kept).unwrap().shuffle);
}

/// Configurations without sequences are written as they were before there were any; the others say how long.
#[test]
fn features_come_back_as_they_were_written() {
    for sequence in [0, 1, 64] {
        let config = FeatureConfig { sequence, ..FeatureConfig::default() };
        let written = serde_json::to_value(&config).unwrap();
        let said = written.get("sequence").cloned();
        assert_eq!(said, (sequence > 0).then(|| json!(sequence)));
        assert_eq!(serde_json::from_value::<FeatureConfig>(written).unwrap(), config);
    }
}

#[test]
fn a_featuriser_shows_its_configuration_and_no_text() {
    let mut featuriser = Featuriser::new(FeatureConfig { buckets: 4321, ..FeatureConfig::default() });
    for text in ["Password", "密码", "👍"] {
        featuriser.features([text], &mut Vec::new());
        let shown = format!("{featuriser:?}");
        assert!(shown.contains("Featuriser") && shown.contains("buckets: 4321"), "{shown}");
        assert!(!shown.contains(text) && !shown.contains(&text.to_lowercase()), "{shown}");
    }
}
