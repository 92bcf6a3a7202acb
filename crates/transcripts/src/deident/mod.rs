//! Finding and masking personal identifiers in Chinese and English customer-service text, on the client.
//!
//! Three tiers of rules, in falling certainty: *hard* identifiers have a checksum or a strict form (resident
//! id, mobile, card, e-mail); *context* identifiers need a word beside them (order number, QQ, one-time
//! code, password); *soft* ones are names and addresses. Numbers and addresses that are spelled out ("幺三九…",
//! "a at b dot com"), framed, escaped or in traditional characters are found as a stretch. There is no model and
//! no dictionary to load: the same text gives the same spans on every machine. [`stream`] masks files and pipes.
//!
//! What it cannot find: names and addresses that nothing announces, identifiers whose marks were stripped
//! upstream ("kavigmailcom"), and numbers that only an earlier turn explains. Masked text is de-identified, not
//! anonymous.
//!
//! ```
//! use sottovoce_transcripts::deident::{Detector, EntityKind, Policy, Redactor};
//!
//! let detector = Detector::new();
//! let spans = detector.detect("我的手机号是13900007462。");
//! assert_eq!(spans[0].kind, EntityKind::CnMobile);
//!
//! let redactor = Redactor::new(Policy::default());
//! assert_eq!(redactor.redact("我的手机号是13900007462。").text, "我的手机号是[CN_MOBILE]。");
//! ```

mod address_en;
mod address_zh;
mod announced;
mod birth;
mod card;
mod checksum;
mod context;
mod cue;
mod detector;
mod entity;
mod fold;
mod han;
mod identity;
mod mail;
mod network;
mod normal;
mod person_en;
mod person_zh;
mod phone;
mod phone_abroad;
mod pseudonym;
mod redact;
mod rules;
mod scene;
mod scores;
mod secret;
mod seen;
mod spoken;
pub mod stream;

pub use detector::Detector;
pub use entity::{EntityKind, Span, Tier};
pub use pseudonym::PseudonymKey;
pub use redact::{Placeholder, Policy, Redacted, Redactor};
pub use rules::rules_digest;
pub use scores::{Counts, GoldSpan, Scores};
