//! What can be found: the closed set of entity kinds, their tiers, and spans in a text.

use serde::{Deserialize, Serialize};

/// How certain the evidence for a kind of entity is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// A checksum or a strict form decides.
    Hard,
    /// The form is weak; a word beside it decides.
    Context,
    /// Names and addresses: lists, cues and shapes.
    Soft,
    /// Written in a way that hides the form: full-width, spelled out. No kind is in this tier by itself; gold
    /// spans are.
    Stretch,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident $name:literal $tier:ident,)*) => {
        /// A kind of personal identifier. Declared by priority: of two matches that overlap, the kind that
        /// comes first here wins, and of the same kind the longer one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
        pub enum EntityKind {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl EntityKind {
            /// Every kind, by priority.
            pub const ALL: &[EntityKind] = &[$(EntityKind::$variant,)*];

            /// The name used in placeholders and reports, such as `CN_MOBILE`.
            pub fn name(self) -> &'static str {
                match self { $(EntityKind::$variant => $name,)* }
            }

            /// The tier of this kind as usually written.
            pub fn tier(self) -> Tier {
                match self { $(EntityKind::$variant => Tier::$tier,)* }
            }
        }
    };
}

kinds! {
    /// Web address or connection string: with a scheme, `www.`, or a path.
    Url "URL" Hard,
    /// E-mail address.
    Email "EMAIL" Hard,
    /// Resident identity number of mainland China, 18 characters (GB 11643-1999); in context also the old one of 15
    /// digits and one with a mistake.
    CnResidentId "CN_RESIDENT_ID" Hard,
    /// Unified social credit code of an organisation (GB 32100-2015).
    CnUsci "CN_USCI" Hard,
    /// Identity card number of Hong Kong, with its check digit, or in context.
    HkId "HK_ID" Hard,
    /// Identity card number of Macau.
    MoId "MO_ID" Hard,
    /// National identity number of Taiwan, or that of a resident there, with its check digit, or in context.
    TwId "TW_ID" Hard,
    /// International bank account number (ISO 13616).
    Iban "IBAN" Hard,
    /// Number of an order.
    OrderNo "ORDER_NO" Context,
    /// Number of a parcel.
    TrackingNo "TRACKING_NO" Context,
    /// Serial number of a SIM card (ITU-T E.118).
    Iccid "ICCID" Hard,
    /// Serial number of a mobile device.
    Imei "IMEI" Context,
    /// Mobile number of mainland China.
    CnMobile "CN_MOBILE" Hard,
    /// Payment card number (ISO/IEC 7812), or, announced as one, any number as long.
    BankCard "BANK_CARD" Hard,
    /// Hardware address of a network interface.
    MacAddress "MAC_ADDRESS" Hard,
    /// IPv4 or IPv6 address.
    IpAddress "IP_ADDRESS" Hard,
    /// United States social security number.
    UsSsn "US_SSN" Hard,
    /// Passport or travel permit number.
    Passport "PASSPORT" Context,
    /// Number of a driving licence, or of the file behind it.
    DriverLicence "DRIVER_LICENCE" Context,
    /// Number of social or health insurance.
    SocialSecurity "SOCIAL_SECURITY" Context,
    /// Telephone number of the North American numbering plan, toll-free numbers excepted.
    UsPhone "US_PHONE" Hard,
    /// Fixed-line number of mainland China; 400, 800 and short codes are public and excepted.
    CnLandline "CN_LANDLINE" Hard,
    /// Telephone number of any other plan, Hong Kong, Macau and Taiwan included: by its country code or its form, or
    /// announced as one.
    IntlPhone "INTL_PHONE" Hard,
    /// The digits behind a telephone number that lead to one desk.
    Extension "EXTENSION" Context,
    /// Vehicle number plate of mainland China.
    CnPlate "CN_PLATE" Hard,
    /// WeChat account name.
    WechatId "WECHAT_ID" Context,
    /// QQ number.
    Qq "QQ" Context,
    /// One-time code.
    VerificationCode "VERIFICATION_CODE" Context,
    /// Security code of a payment card.
    Cvv "CVV" Context,
    /// Password, PIN or token, or the user name beside it.
    Credential "CREDENTIAL" Context,
    /// Number of a bank account, or of an account with a company.
    AccountNo "ACCOUNT_NO" Context,
    /// Date of birth.
    DateOfBirth "DATE_OF_BIRTH" Context,
    /// Street address.
    Address "ADDRESS" Soft,
    /// Name of a person.
    Person "PERSON" Soft,
}

impl EntityKind {
    /// The kind of this name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|k| k.name() == name)
    }
}

/// A piece of a text that identifies somebody. Offsets are UTF-8 bytes in the text as it was given, always on
/// character boundaries, `start < end`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// What it is.
    pub kind: EntityKind,
}

impl Span {
    /// Whether the two share a byte.
    pub fn overlaps(&self, start: usize, end: usize) -> bool {
        self.start < end && start < self.end
    }
}

/// The length in bytes and the kind of a placeholder at the start of `text`: `[NAME]` or `[NAME:8 hex digits]`.
pub(super) fn placeholder_at(text: &str) -> Option<(usize, EntityKind)> {
    let inner = text.strip_prefix('[')?;
    // Names are short: a bracket further away does not close a placeholder.
    let close = inner.bytes().take(32).position(|b| b == b']')?;
    let (name, tag) = match inner[..close].split_once(':') {
        Some((name, tag)) => (name, Some(tag)),
        None => (&inner[..close], None),
    };
    let tag_fits = tag
        .is_none_or(|t| t.len() == 8 && t.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
    let kind = EntityKind::from_name(name)?;
    tag_fits.then_some((close + 2, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_read_back() {
        for k in EntityKind::ALL {
            assert_eq!(EntityKind::from_name(k.name()), Some(*k));
        }
        assert!(EntityKind::ALL.is_sorted());
    }

    #[test]
    fn placeholders_are_recognised_exactly() {
        assert_eq!(placeholder_at("[CN_MOBILE] x"), Some((11, EntityKind::CnMobile)));
        assert_eq!(placeholder_at("[QQ:0123abcd]"), Some((13, EntityKind::Qq)));
        for not in ["[NOBODY]", "[QQ:0123ABCD]", "[QQ:0123abc]", "[QQ", "QQ]", "[]", "[]]", "[微信]"] {
            assert_eq!(placeholder_at(not), None, "{not}");
        }
    }
}
