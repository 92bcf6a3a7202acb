//! Which rules these are: a digest of their sources.

/// Every source of the rules, by name.
const SOURCES: &[&str] = &[
    include_str!("address_en.rs"),
    include_str!("address_zh.rs"),
    include_str!("announced.rs"),
    include_str!("birth.rs"),
    include_str!("card.rs"),
    include_str!("checksum.rs"),
    include_str!("context.rs"),
    include_str!("cue.rs"),
    include_str!("detector.rs"),
    include_str!("entity.rs"),
    include_str!("fold.rs"),
    include_str!("han.rs"),
    include_str!("identity.rs"),
    include_str!("mail.rs"),
    include_str!("mod.rs"),
    include_str!("network.rs"),
    include_str!("normal.rs"),
    include_str!("person_en.rs"),
    include_str!("person_zh.rs"),
    include_str!("phone.rs"),
    include_str!("phone_abroad.rs"),
    include_str!("pseudonym.rs"),
    include_str!("redact.rs"),
    include_str!("rules.rs"),
    include_str!("scene.rs"),
    include_str!("scores.rs"),
    include_str!("secret.rs"),
    include_str!("seen.rs"),
    include_str!("spoken.rs"),
];

/// The BLAKE3 digest, in hexadecimal, of the sources of the rules, one after the other in the order of their names:
/// `cat crates/transcripts/src/deident/*.rs | b3sum`. The same digest finds the same in every text.
pub fn rules_digest() -> String {
    let mut digest = blake3::Hasher::new();
    SOURCES.iter().for_each(|source| {
        digest.update(source.as_bytes());
    });
    digest.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_is_in_the_digest() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/deident");
        let entries = std::fs::read_dir(folder).expect("the folder of this file");
        let mut paths: Vec<_> = entries.map(|e| e.expect("an entry that can be read").path()).collect();
        paths.retain(|p| p.extension().is_some_and(|e| e == "rs"));
        paths.sort();
        let mut digest = blake3::Hasher::new();
        for path in &paths {
            digest.update(&std::fs::read(path).expect("a source that can be read"));
        }
        assert_eq!(rules_digest(), digest.finalize().to_hex().to_string());
    }
}
