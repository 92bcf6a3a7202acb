//! Words that announce an identifier, found in one pass over the text.

use aho_corasick::{AhoCorasick, AhoCorasickKind, Match, MatchKind};

use super::han::{Simplified, traditional};

/// Provinces and large cities: where an address may begin.
const PLACES: &str = "北京 天津 上海 重庆 河北 山西 辽宁 吉林 黑龙江 江苏 浙江 安徽 福建 江西 山东 河南 湖北 湖南 广东 海南 \
    四川 贵州 云南 陕西 甘肃 青海 台湾 内蒙古 广西 西藏 宁夏 新疆 香港 澳门 石家庄 唐山 保定 太原 大同 呼和浩特 包头 沈阳 大连 \
    鞍山 长春 哈尔滨 大庆 南京 无锡 徐州 常州 苏州 南通 扬州 镇江 盐城 杭州 宁波 温州 嘉兴 绍兴 金华 台州 合肥 芜湖 福州 厦门 泉州 \
    漳州 南昌 九江 赣州 济南 青岛 淄博 烟台 潍坊 临沂 郑州 洛阳 南阳 武汉 宜昌 襄阳 长沙 株洲 衡阳 岳阳 广州 深圳 珠海 佛山 东莞 \
    中山 惠州 汕头 湛江 南宁 柳州 桂林 海口 三亚 成都 绵阳 贵阳 遵义 昆明 大理 拉萨 西安 咸阳 宝鸡 兰州 西宁 银川 乌鲁木齐 喀什";

/// Surnames that are rarely the first character of a word, so that little evidence is enough.
pub(super) const SURNAMES_ALONE: &str = "李王刘陈杨赵吴徐孙朱胡郭梁罗郑谢唐韩曹邓萧冯曾蔡潘袁董余苏叶吕魏蒋杜沈姜傅钟卢汪戴崔廖姚邹熊陆郝孔\
     侯邵孟龙段钱汤黎易武乔贺赖龚庞樊殷颜倪严牛俞章鲁葛韦毕聂焦柳邢岳齐梅莫庄辛祝涂耿卜欧甄詹蒲覃阮\
     佟裴柯翟鲍翁荀闵解娄宓蔺尹";

/// What a word announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cue {
    Url,
    Mail,
    SpokenMail,
    SpokenDigit,
    IdCard,
    CreditCode,
    Card,
    Phone,
    Region,
    Ssn,
    Plate,
    Version,
    Wechat,
    Qq,
    Order,
    Tracking,
    Passport,
    Permit,
    Code,
    Birth,
    Account,
    SocialSecurity,
    Driver,
    Imei,
    Iccid,
    Cvv,
    Password,
    UserName,
    Iban,
    /// A word that may be glued to a number, and says nothing more.
    Label,
    Mac,
    /// The dot in a number plate.
    Dot,
    /// The first character of an embassy's number plate.
    Embassy,
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

/// With so many digits a text is worth a look whatever else is in it.
pub(super) const DIGITS_ENOUGH: usize = 4;

/// A cue in the normal text; byte offsets.
#[derive(Debug, Clone, Copy)]
pub(super) struct CueHit {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) cue: Cue,
}

/// Words separated by spaces; `_` stands for a space inside one.
const WORDS: &[(Cue, &str)] = &[
    (Cue::Url, ":// www. jdbc:"),
    (Cue::Mail, "邮箱 邮件 电邮 伊妹儿 信箱 email e-mail mail gmail hotmail outlook"),
    (Cue::SpokenMail, "艾特 小老鼠 圈a _dot_ dot 点com 点cn 点net 。com 。cn 。net 。org"),
    (
        Cue::SpokenDigit,
        "幺 零 〇 zero double oh_ 一三 一五 一八 一七 一九 一六 one_ nine_ five_ one- nine- five- 壹 腰",
    ),
    (
        Cue::IdCard,
        "身份证 身份证号 身份证号码 身份证字号 身分证 身分证号 身分证号码 身分证字号 证件 证件号 证件号码 证件编号 身份号码 居民证 居住证 居留证 \
         公民身份号码 id_card id_number identity_card identity_number national_id resident_id hkid idcard idno id_no",
    ),
    (Cue::CreditCode, "信用代码 税号 纳税人识别号"),
    (
        Cue::Card,
        "卡号 银行卡 银行卡号 信用卡 信用卡号 储蓄卡 储蓄卡号 借记卡 借记卡号 银联卡 工资卡 付款卡 card card_number card_no cc debit visa mastercard unionpay amex",
    ),
    (
        Cue::Phone,
        "电话 电话号 电话号码 手机 手机号 手机号码 座机 固话 门号 联系方式 热线 传真 来电 致电 phone mobile cell call number tel telephone \
         contact reach text_me whatsapp ph hp mob fax cellphone sms hotline landline dial",
    ),
    (Cue::Region, "香港 澳门 台湾 hong_kong hongkong hk macau macao taiwan"),
    (Cue::Ssn, "ssn social_security my_social social_is social_number 社会安全号 社安号 itin"),
    (Cue::Plate, "车牌 车牌号 牌照 号牌"),
    (Cue::Version, "版本 固件 version firmware build ver_ ver. release section clause 章节 条款"),
    (
        Cue::Wechat,
        "微信 微信号 v信 薇信 威信号 微x 徽信 加v 加vx 加wx 加薇 加微 加微信 加微信号 ➕薇 ➕v ➕微 ➕微信 +v +vx +薇 wechat weixin vx wx wechatid",
    ),
    (
        Cue::Qq,
        "qq qq号 qq号码 扣扣 扣扣号 企鹅号 加q 加qq 加我q 加我qq 我的q 我的qq q号 ➕q ➕qq +q +qq 加扣 抠抠 qq群 qq群号 群号 球球 球球号 秋秋",
    ),
    (Cue::Order, "订单 单号 order"),
    (
        Cue::Tracking,
        "快递单 快递单号 快递 运单 运单号 物流单 物流单号 物流号 快递号 物流 包裹单号 顺丰单号 圆通单号 中通单号 \
         申通单号 韵达单号 极兔单号 邮政单号 京东快递 京东单号 顺丰 圆通 中通 申通 韵达 极兔 tracking waybill consignment",
    ),
    (Cue::Passport, "护照 护照号 护照号码 passport passport_number passport_no"),
    (
        Cue::Permit,
        "通行证 通行证号 回乡证 台胞证 回乡卡 港澳居民居住证 台湾居民居住证 永居证 永久居留 travel_permit home_return_permit",
    ),
    (
        Cue::Code,
        "验证码 校验码 动态码 短信码 确认码 动态密码 动态口令 随机码 一次性密码 短信密码 取件码 提货码 激活码 验证代码 verification_code \
         verify_code security_code otp passcode one-time_code one-time_password one_time_code one_time_password confirmation_code \
         auth_code authentication_code authorization_code your_code use_code enter_code my_code the_code login_code access_code sms_code 2fa_code \
         dynamic_password one-time_pin verification_pin dynamic_code captcha vcode",
    ),
    (
        Cue::Birth,
        "出生 出生日期 出生年月 出生年月日 出生于 生日 生于 date_of_birth birth_date birthdate dob born birthday 出生日 生辰 号生 日生",
    ),
    (
        Cue::Account,
        "账号 账户 帐号 帐户 户号 账户号 会员号 会员卡号 公积金账号 开户账号 account account_number account_no acct a/c routing_number \
         sort_code member_number membership_number policy_number bank_account customer_number 保单号 学号 工号 病历号 就诊卡号 住院号",
    ),
    (
        Cue::SocialSecurity,
        "社保卡 社保卡号 社保号 社保号码 社保编号 社会保障号 社会保障号码 社会保障卡 社会保障卡号 社保账号 医保卡 医保卡号 医保号 医保账号 健保卡号 \
         national_insurance ni_number nino social_insurance health_card nhs_number medicare_number",
    ),
    (
        Cue::Driver,
        "驾驶证 驾驶证号 驾驶证号码 驾驶执照 驾驶执照号码 驾照 驾照号 驾照号码 档案编号 行驶证 行驶证号 driver's_license driver’s_license \
         drivers_license driver_license driver's_licence drivers_licence driver_licence driving_licence driving_license dl_number dl#",
    ),
    (Cue::Imei, "imei imei1 imei2 meid 串号 imei码 imei号 手机串号 设备串号 imei_number"),
    (Cue::Iccid, "iccid sim卡 sim卡号 iccid号 sim_card sim_number sim"),
    (Cue::Cvv, "cvv cvc cvv2 cvc2 cvn 安全码 卡背面 背面三位 后三位"),
    (
        Cue::Password,
        "密码 口令 密钥 passwd password pwd passphrase pass= pass: pin pin码 pin_code api_key apikey api-key access_key secret \
         secret_key access_token auth_token token bearer",
    ),
    (Cue::UserName, "用户名 登录名 登录账号 username user_name user= user_id= uid= login="),
    (Cue::Iban, "iban swift"),
    (Cue::Label, "id no num nr ip ipv4 ipv6 addr ref ext wa"),
    (Cue::Mac, "mac mac地址 mac_address"),
    (Cue::Dot, "·"),
    (Cue::Embassy, "使 领"),
    (
        Cue::NameForm,
        "姓名 收货人 收件人 寄件人 发件人 联系人 联络人 开户人 开户名 户名 持卡人 户主 机主 投保人 被保人 被保险人 受益人 监护人 乘客 乘机人 \
         入住人 预订人 申请人 经办人 法人 收款人 付款人 汇款人 取件人 购票人 车主 业主 收件人姓名 收货人姓名 联系人姓名 客户姓名 真实姓名 患者姓名 \
         抬头写 抬头是 抬头开 收件: 收货: 寄件:",
    ),
    (Cue::NameSaid, "我叫 名字叫 名字是 名字写 名叫 全名 本名 我的名字 名字: 敝姓 寄给 汇给 转账给"),
    (Cue::NameSelf, "我是 本人 本人叫 我姓 这是 我老公 我老婆 我爱人 我妈 我爸 我朋友"),
    (Cue::HonorificZh, "先生 女士 小姐 太太"),
    (
        Cue::NameEn,
        "my_name name_is name's name_on_card name_on_the_card name_on_my_card cardholder account_holder full_name first_name \
         last_name surname name: recipient: recipient_is consignee: attn:",
    ),
    (Cue::NameEnWeak, "this_is i_am i'm i’m speaking_with regards, sincerely, signed"),
    (Cue::TitleEn, "mr mrs ms dr miss"),
    (Cue::House, "号 弄 栋 幢 座 室"),
    (Cue::Lives, "地址 住址 住在 寄到 送到 寄往 发到 家在 住的是 位于 我住 ，住 寄去 送往"),
    (
        Cue::RoadEn,
        "_street _st. _st, _road _rd _avenue _ave _boulevard _blvd _lane _drive _court _ct _way _square _terrace \
         _parkway _pkwy _highway _hwy _place _pl box_ apt suite",
    ),
];

/// Finds cues, ASCII letters in either case.
#[derive(Debug)]
pub(super) struct CueFinder {
    all: Words,
    early: Words,
}

/// Words and what each announces.
#[derive(Debug)]
struct Words {
    automaton: AhoCorasick,
    of_pattern: Vec<Cue>,
}

impl CueFinder {
    pub(super) fn new() -> Self {
        let mut words: Vec<(Cue, String)> = Vec::new();
        for (cue, list) in WORDS {
            for word in list.split_ascii_whitespace() {
                words.push((*cue, word.replace('_', " ")));
                // The same as the name of a field: `api_key=`.
                if matches!(cue, Cue::Password | Cue::UserName) && word.contains('_') {
                    words.push((*cue, word.to_owned()));
                }
            }
        }
        words.extend(SURNAMES_ALONE.chars().map(|surname| (Cue::NameSelf, format!("我{surname}"))));
        words.extend(PLACES.split_ascii_whitespace().map(|place| (Cue::Place, place.to_owned())));
        // Texts are looked through early as they were given, so that both ways of writing are looked for.
        let early =
            words.iter().filter(|(cue, _)| cue.digits_needed() < DIGITS_ENOUGH || cue.digits_optional());
        let other = early.clone().map(|(cue, word)| (*cue, traditional(word)));
        let other = other.filter(|(_, word)| word.chars().any(|c| Simplified::table().of(c) != c));
        let early: Vec<(Cue, String)> = early.cloned().chain(other).collect();
        Self { all: Words::new(&words), early: Words::new(&early) }
    }

    /// Every cue of a normal text, in order.
    pub(super) fn find<'t>(&'t self, text: &'t str) -> impl Iterator<Item = CueHit> + 't {
        self.all.find(text)
    }

    /// In a text as it was given, cues of what may have fewer than [`DIGITS_ENOUGH`] digits.
    pub(super) fn find_early<'t>(&'t self, text: &'t str) -> impl Iterator<Item = CueHit> + 't {
        self.early.find(text)
    }
}

impl Words {
    fn new(words: &[(Cue, String)]) -> Self {
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostLongest)
            .kind(Some(AhoCorasickKind::DFA))
            .build(words.iter().map(|(_, word)| word))
            .expect("a constant word list well below the automaton's limits");
        Self { automaton, of_pattern: words.iter().map(|(cue, _)| *cue).collect() }
    }

    /// Every cue, in order.
    fn find<'t>(&'t self, text: &'t str) -> impl Iterator<Item = CueHit> + 't {
        self.automaton.find_iter(text).filter_map(move |m| self.hit(text, m))
    }

    /// The cue of a match. An ASCII cue that is part of a longer ASCII word is none, unless that is the cue and a code
    /// of its letters and digits: `passportE12345678`.
    fn hit(&self, text: &str, m: Match) -> Option<CueHit> {
        let letter = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphabetic);
        let bytes = text.as_bytes();
        let (first, last) = (bytes[m.start()], bytes[m.end() - 1]);
        let inside = (first.is_ascii_alphabetic()
            && letter(m.start().checked_sub(1).and_then(|i| bytes.get(i))))
            || (last.is_ascii_alphabetic() && letter(bytes.get(m.end())) && !code_at(&bytes[m.end()..]));
        let cue = self.of_pattern[m.pattern()];
        let assigned = matches!(cue, Cue::Password | Cue::UserName) && bytes.get(m.end()) == Some(&b'=');
        (!inside || assigned).then_some(CueHit { start: m.start(), end: m.end(), cue })
    }
}

/// Whether a code begins here: up to three letters, then digits.
fn code_at(bytes: &[u8]) -> bool {
    let letters = bytes.iter().take(4).take_while(|b| b.is_ascii_alphabetic()).count();
    letters <= 3 && bytes[letters..].iter().take(3).filter(|b| b.is_ascii_digit()).count() >= 2
}

impl Cue {
    /// Digits a text must have for this cue alone to be worth a closer look.
    pub(super) fn digits_needed(self) -> usize {
        match self {
            Cue::Url | Cue::SpokenMail | Cue::SpokenDigit | Cue::Wechat => 0,
            Cue::NameForm | Cue::NameSaid | Cue::NameSelf | Cue::HonorificZh => 0,
            Cue::NameEn | Cue::NameEnWeak | Cue::TitleEn | Cue::Place | Cue::Region => 0,
            Cue::House | Cue::Lives | Cue::RoadEn => 1,
            Cue::Cvv => 3,
            Cue::Dot | Cue::Plate => 2,
            _ => 4,
        }
    }

    /// Whether what it announces may have no digit at all: then marks or characters beside it must tell.
    pub(super) fn digits_optional(self) -> bool {
        matches!(self, Cue::Password | Cue::UserName | Cue::Birth | Cue::Mail)
    }

    /// Whether a number may follow the word, or stand before it, without anything between: `tel13900000000`.
    pub(super) fn may_touch(self) -> bool {
        !matches!(
            self,
            Cue::Version
                | Cue::NameEn
                | Cue::NameEnWeak
                | Cue::TitleEn
                | Cue::RoadEn
                | Cue::Order
                | Cue::Tracking
                | Cue::UserName
        )
    }
}
