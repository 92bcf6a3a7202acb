//! Words that announce an identifier, found in one pass over the text.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::address_zh::PLACES;
use super::person_zh::SURNAMES_ALONE;

/// What a word announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cue {
    Url,
    SpokenMail,
    SpokenDigit,
    IdCard,
    CreditCode,
    Card,
    Phone,
    Ssn,
    Plate,
    Version,
    Wechat,
    Qq,
    Order,
    Tracking,
    Passport,
    Code,
    Birth,
    NameForm,
    NameSaid,
    NameSelf,
    HonorificZh,
    NameEn,
    NameEnWeak,
    TitleEn,
    Place,
    House,
    Lives,
    RoadEn,
}

/// A cue in the normal text; byte offsets.
#[derive(Debug, Clone, Copy)]
pub(super) struct CueHit {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) cue: Cue,
}

/// Words separated by spaces; `_` stands for a space inside one.
const WORDS: &[(Cue, &str)] = &[
    (Cue::Url, ":// www."),
    (Cue::SpokenMail, "艾特 小老鼠 圈a _dot_com _dot_cn _dot_net _dot_org _dot_edu"),
    (Cue::SpokenDigit, "幺 零 〇 zero double oh_ 一三 一五 一八 一七 一九 一六 one_ nine_ five_"),
    (Cue::IdCard, "身份证 身份證 证件 id_card id_number identity_card national_id resident_id"),
    (Cue::CreditCode, "信用代码 税号 纳税人识别号"),
    (Cue::Card, "卡号 银行卡 信用卡 储蓄卡 借记卡 账号 card cc debit visa mastercard"),
    (
        Cue::Phone,
        "电话 手机 座机 固话 联系方式 phone mobile cell call number tel contact reach text_me whatsapp",
    ),
    (Cue::Ssn, "ssn social_security 社会安全号"),
    (Cue::Plate, "车牌"),
    (Cue::Version, "版本 固件 version firmware build ver_ ver. release"),
    (Cue::Wechat, "微信 v信 wechat weixin vx wx"),
    (Cue::Qq, "qq 扣扣 企鹅号"),
    (Cue::Order, "订单 訂單 单号 order"),
    (
        Cue::Tracking,
        "快递单 快递单号 快递 运单 运单号 物流单 物流单号 物流号 快递号 物流 包裹单号 顺丰单号 圆通单号 中通单号 \
         申通单号 韵达单号 极兔单号 邮政单号 京东快递 顺丰 圆通 中通 申通 韵达 极兔 tracking waybill consignment",
    ),
    (Cue::Passport, "护照 护照号 通行证 passport"),
    (
        Cue::Code,
        "验证码 校验码 动态码 短信码 确认码 verification_code security_code otp passcode one-time_code one-time_password confirmation_code auth_code",
    ),
    (
        Cue::Birth,
        "出生 出生日期 出生年月 出生年月日 出生于 生日 生于 date_of_birth birth_date birthdate dob born birthday",
    ),
    (
        Cue::NameForm,
        "姓名 收货人 收件人 寄件人 发件人 联系人 开户人 开户名 户名 持卡人 户主 机主 投保人 被保人 乘客 乘机人 \
         入住人 预订人 申请人 经办人 法人 抬头写 抬头是 抬头开",
    ),
    (Cue::NameSaid, "我叫 名字叫 名字是 名字写 名叫 全名"),
    (Cue::NameSelf, "我是 本人 我姓 这是 我老公 我老婆 我爱人 我妈 我爸 我朋友"),
    (Cue::HonorificZh, "先生 女士 小姐 太太"),
    (
        Cue::NameEn,
        "my_name name_is name's name_on_card name_on_the_card name_on_my_card cardholder account_holder full_name first_name last_name surname name:",
    ),
    (Cue::NameEnWeak, "this_is i_am i'm i’m speaking_with regards, sincerely, signed"),
    (Cue::TitleEn, "mr mrs ms dr miss"),
    (Cue::House, "号 弄 栋 幢 座"),
    (Cue::Lives, "地址 住址 住在 寄到 送到 寄往 发到 家在 住的是 位于 我住 ，住"),
    (
        Cue::RoadEn,
        "_street _st. _st, _road _rd _avenue _ave _boulevard _blvd _lane _drive _court _ct _way _square _terrace \
         _parkway _pkwy _highway _hwy _place _pl box_ apt suite",
    ),
];

/// Finds cues, ASCII letters in either case.
#[derive(Debug)]
pub(super) struct CueFinder {
    automaton: AhoCorasick,
    of_pattern: Vec<Cue>,
}

impl CueFinder {
    pub(super) fn new() -> Self {
        let mut patterns: Vec<String> = Vec::new();
        let mut of_pattern = Vec::new();
        let mut push = |cue, word: String| {
            patterns.push(word);
            of_pattern.push(cue);
        };
        for (cue, words) in WORDS {
            for word in words.split_ascii_whitespace() {
                push(*cue, word.replace('_', " "));
            }
        }
        for surname in SURNAMES_ALONE.chars() {
            push(Cue::NameSelf, format!("我{surname}"));
        }
        for place in PLACES.split_ascii_whitespace() {
            push(Cue::Place, place.to_owned());
        }
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostLongest)
            .kind(Some(AhoCorasickKind::DFA))
            .build(&patterns)
            .expect("a constant word list well below the automaton's limits");
        Self { automaton, of_pattern }
    }

    /// Every cue, in order. An ASCII cue that is part of a longer ASCII word is none.
    pub(super) fn find<'t>(&'t self, text: &'t str) -> impl Iterator<Item = CueHit> + 't {
        let letter = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphabetic);
        self.automaton.find_iter(text).filter_map(move |m| {
            let bytes = text.as_bytes();
            let (first, last) = (bytes[m.start()], bytes[m.end() - 1]);
            let inside = (first.is_ascii_alphabetic()
                && letter(m.start().checked_sub(1).and_then(|i| bytes.get(i))))
                || (last.is_ascii_alphabetic() && letter(bytes.get(m.end())));
            let cue = self.of_pattern[m.pattern()];
            (!inside).then_some(CueHit { start: m.start(), end: m.end(), cue })
        })
    }
}

impl Cue {
    /// Digits a text must have for this cue alone to be worth a closer look.
    pub(super) fn digits_needed(self) -> usize {
        match self {
            Cue::Url | Cue::SpokenMail | Cue::SpokenDigit | Cue::Wechat => 0,
            Cue::NameForm | Cue::NameSaid | Cue::NameSelf | Cue::HonorificZh => 0,
            Cue::NameEn | Cue::NameEnWeak | Cue::TitleEn | Cue::Place => 0,
            Cue::House | Cue::Lives | Cue::RoadEn => 1,
            _ => 4,
        }
    }
}
