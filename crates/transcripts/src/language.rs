//! The language of a transcript: the primary subtag of a BCP 47 tag.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::fmt;

/// Main language of a transcript; code-switching inside is allowed. Two or three lower-case letters: region, script
/// and variant of a tag (`zh-Hant-TW`) are checked and left out.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Language([u8; 3]);

/// The two-letter codes of ISO 639-1: the list is closed, so any other two letters are a mistake.
const TWO_LETTERS: &str = "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv \
    cy da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig \
    ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn \
    mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si \
    sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo \
    za zh zu";

/// Words and longer codes that mean a language which has a shorter one.
const WORDS: &[(&str, &[&str])] = &[
    ("zh", &["chinese", "mandarin", "zho", "chi", "cmn", "中文", "汉语", "漢語", "普通话", "华语"]),
    ("en", &["english", "eng", "英文", "英语", "英語"]),
    ("yue", &["cantonese", "粤语", "粵語"]),
    ("ar", &["arabic", "ara"]),
    ("bn", &["bengali", "ben"]),
    ("cs", &["czech", "ces", "cze"]),
    ("da", &["danish", "dan"]),
    ("de", &["german", "deutsch", "deu", "ger"]),
    ("el", &["greek", "ell", "gre"]),
    ("es", &["spanish", "español", "spa"]),
    ("fa", &["persian", "farsi", "fas", "per"]),
    ("fi", &["finnish", "fin"]),
    ("fr", &["french", "français", "fra", "fre"]),
    ("he", &["hebrew", "heb", "iw"]),
    ("hi", &["hindi", "hin"]),
    ("hu", &["hungarian", "hun"]),
    ("id", &["indonesian", "ind", "in"]),
    ("it", &["italian", "italiano", "ita"]),
    ("ja", &["japanese", "jpn", "日语", "日本語"]),
    ("ko", &["korean", "kor", "韩语", "한국어"]),
    ("ms", &["malay", "msa", "may"]),
    ("nl", &["dutch", "nld", "dut"]),
    ("no", &["norwegian", "nor"]),
    ("pl", &["polish", "pol"]),
    ("pt", &["portuguese", "português", "por"]),
    ("ro", &["romanian", "ron", "rum"]),
    ("ru", &["russian", "русский", "rus"]),
    ("sv", &["swedish", "swe"]),
    ("ta", &["tamil", "tam"]),
    ("th", &["thai", "tha"]),
    ("tr", &["turkish", "tur"]),
    ("uk", &["ukrainian", "ukr"]),
    ("ur", &["urdu", "urd"]),
    ("vi", &["vietnamese", "vie"]),
    ("yi", &["yiddish", "yid", "ji"]),
];

impl Language {
    /// Chinese.
    pub const ZH: Self = Self(*b"zh\0");
    /// English.
    pub const EN: Self = Self(*b"en\0");
    /// A text without letters, of which nobody said its language.
    pub const UNDETERMINED: Self = Self(*b"und");

    /// The tag: `zh`, `en`, `yue`.
    pub fn tag(&self) -> &str {
        let end = if self.0[2] == 0 { 2 } else { 3 };
        std::str::from_utf8(&self.0[..end]).expect("made of ASCII letters only")
    }

    /// The language of a BCP 47 tag (`zh-CN`, `zh_Hant_TW`, `yue`) or of a common word for it (`English`, `eng`).
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.trim().to_lowercase();
        let mut subtags = lower.split(['-', '_']);
        let primary = subtags.next()?;
        if !subtags.all(|s| (1..=8).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_alphanumeric())) {
            return None;
        }
        let short = WORDS.iter().find(|(_, words)| words.contains(&primary)).map(|(tag, _)| *tag);
        Self::of_code(short.unwrap_or(primary))
    }

    fn of_code(code: &str) -> Option<Self> {
        let letters = code.bytes().all(|b| b.is_ascii_lowercase());
        match *code.as_bytes() {
            [a, b] if letters && TWO_LETTERS.split(' ').any(|known| known == code) => Some(Self([a, b, 0])),
            [a, b, c] if letters => Some(Self([a, b, c])),
            _ => None,
        }
    }

    /// The language that the script of most words shows: Han characters are Chinese, Latin letters English, kana
    /// Japanese, and so on for scripts that one language mostly has. Text without letters is `und`.
    pub fn of_script<'t>(texts: impl IntoIterator<Item = &'t str>) -> Self {
        // Weights in the order of first sight; a Han character counts like a word.
        let mut seen: Vec<(&str, u64)> = Vec::new();
        for text in texts {
            let mut before = "";
            for c in text.chars() {
                let script = language_of_letter(c);
                if !script.is_empty() && (script != before || matches!(script, "zh" | "ja" | "ko")) {
                    match seen.iter_mut().find(|(known, _)| *known == script) {
                        Some((_, n)) => *n += 1,
                        None => seen.push((script, 1)),
                    }
                }
                before = script;
            }
        }
        let of =
            |seen: &[(&str, u64)], script| seen.iter().find(|(s, _)| *s == script).map_or(0, |(_, n)| *n);
        // Japanese is written in Han characters as well, Chinese hardly ever in kana.
        let (kana, han) = (of(&seen, "ja"), of(&seen, "zh"));
        if kana > 0 && kana * 4 >= han {
            seen.retain(|(script, _)| *script != "zh");
            seen.iter_mut().filter(|(script, _)| *script == "ja").for_each(|(_, n)| *n += han);
        }
        let most = seen.iter().map(|(_, n)| *n).max().unwrap_or(0);
        let is_han = most > 0 && of(&seen, "zh") == most;
        let first = seen.iter().find(|(_, n)| *n == most).map(|(script, _)| *script);
        if is_han { Self::ZH } else { first.and_then(Self::of_code).unwrap_or(Self::UNDETERMINED) }
    }
}

/// The language that mostly uses the script of a letter; empty for what is no letter.
fn language_of_letter(c: char) -> &'static str {
    match u32::from(c) {
        0x41..=0x5a | 0x61..=0x7a | 0xc0..=0xd6 | 0xd8..=0xf6 | 0xf8..=0x24f | 0x1e00..=0x1eff => "en",
        0xff21..=0xff3a | 0xff41..=0xff5a => "en",
        0x3005 | 0x3007 | 0x3100..=0x312f | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff => "zh",
        0x20000..=0x323af => "zh",
        0x3041..=0x30ff | 0xff66..=0xff9f => "ja",
        0x1100..=0x11ff | 0x3130..=0x318f | 0xac00..=0xd7af => "ko",
        0x370..=0x3ff | 0x1f00..=0x1fff => "el",
        0x400..=0x52f => "ru",
        0x530..=0x58f => "hy",
        0x590..=0x5ff => "he",
        0x600..=0x6ff | 0x750..=0x77f | 0xfb50..=0xfdff | 0xfe70..=0xfefe => "ar",
        0x900..=0x97f => "hi",
        0x980..=0x9ff => "bn",
        0xa00..=0xa7f => "pa",
        0xa80..=0xaff => "gu",
        0xb80..=0xbff => "ta",
        0xc00..=0xc7f => "te",
        0xc80..=0xcff => "kn",
        0xd00..=0xd7f => "ml",
        0xd80..=0xdff => "si",
        0xe00..=0xe7f => "th",
        0xe80..=0xeff => "lo",
        0xf00..=0xfff => "bo",
        0x1000..=0x109f => "my",
        0x10a0..=0x10ff => "ka",
        0x1200..=0x139f => "am",
        0x1780..=0x17ff => "km",
        0x1800..=0x18af => "mn",
        _ => "",
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag())
    }
}

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag())
    }
}

/// Chinese, English, then all others by their letters.
impl Ord for Language {
    fn cmp(&self, other: &Self) -> Ordering {
        let place = |l: &Self| (*l != Self::ZH, *l != Self::EN, l.0);
        place(self).cmp(&place(other))
    }
}

impl PartialOrd for Language {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Serialize for Language {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.tag())
    }
}

impl<'de> Deserialize<'de> for Language {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let tag = String::deserialize(deserializer)?;
        let expected = "a language as a BCP 47 tag, such as \"zh\", \"en\" or \"yue\"";
        Self::parse(&tag)
            .ok_or_else(|| serde::de::Error::invalid_value(serde::de::Unexpected::Str(&tag), &expected))
    }
}

impl schemars::JsonSchema for Language {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Language".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "A BCP 47 tag: `zh`, `en`, `yue`, `fr-CA`." })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_words_are_languages_and_nothing_else_is() {
        for (text, tag) in [
            ("zh", "zh"),
            ("zh-CN", "zh"),
            ("zh_CN", "zh"),
            ("ZH", "zh"),
            ("zh-Hant-TW", "zh"),
            ("cmn", "zh"),
            ("zho", "zh"),
            (" Chinese ", "zh"),
            ("中文", "zh"),
            ("yue", "yue"),
            ("yue-HK", "yue"),
            ("Cantonese", "yue"),
            ("EN", "en"),
            ("en_GB", "en"),
            ("eng", "en"),
            ("English", "en"),
            ("fr", "fr"),
            ("fr-CA", "fr"),
            ("fra", "fr"),
            ("Français", "fr"),
            ("pt-BR", "pt"),
            ("de-1996", "de"),
            ("wuu", "wuu"),
        ] {
            assert_eq!(Language::parse(text).map(|l| l.tag().to_owned()).as_deref(), Some(tag), "{text}");
        }
        for text in
            ["", " ", "xx", "e", "english!", "zh-", "zh--CN", "en-abcdefghi", "klingon", "z1", "12", "-en"]
        {
            assert_eq!(Language::parse(text), None, "{text}");
        }
    }

    #[test]
    fn names_order_and_forms_stay_as_they_were() {
        let mut all = ["fr", "en", "ar", "zh"].map(|t| Language::parse(t).unwrap());
        all.sort_unstable();
        assert_eq!(all.map(|l| l.to_string()), ["zh", "en", "ar", "fr"]);
        assert_eq!(serde_json::to_string(&Language::ZH).unwrap(), "\"zh\"");
        assert_eq!(serde_json::from_str::<Language>("\"zh-CN\"").unwrap(), Language::ZH);
        assert!(serde_json::from_str::<Language>("\"xx\"").is_err());
        assert_eq!(format!("{:?}", Language::EN), "en");
    }

    #[test]
    fn scripts_show_a_language() {
        for (text, tag) in [
            ("I want my money back", "en"),
            ("我要退款", "zh"),
            ("登录不了 my account", "zh"),
            ("refund 退", "zh"),
            ("please refund my order 退", "en"),
            ("返金してください", "ja"),
            // Japanese has more Han characters than kana at times; a shop with one kana in its name is Chinese.
            ("注文内容を確認の通知は", "ja"),
            ("优の良品店铺退款", "zh"),
            ("환불해 주세요", "ko"),
            ("верните деньги", "ru"),
            ("أريد استرداد أموالي", "ar"),
            ("ขอเงินคืน", "th"),
            ("👍👍", "und"),
            ("12345", "und"),
            ("", "und"),
        ] {
            assert_eq!(Language::of_script([text]).tag(), tag, "{text}");
        }
    }
}
