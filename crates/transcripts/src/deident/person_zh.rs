//! Chinese names: a surname, one or two characters more, and a word or an honorific that says it is a name.

use super::cue::{Cue, CueHit, SURNAMES_ALONE};
use super::entity::EntityKind;
use super::han::han;
use super::scene::Scene;

/// Surnames that are also everyday words: they need a cue such as 姓名 before them.
const SURNAMES_COMMON: &str = "张黄周林何高马宋许于丁田任夏方石谭金贾白江史秦常尚文施洪温季安邱向盛关纪舒左包童凌路万申\
     华明项顾管祁房康毛雷程彭范付钟伍储";

const COMPOUND_SURNAMES: [&str; 22] = [
    "范姜", "张简", "钟离", "端木", "呼延", "澹台", "欧阳", "司马", "上官", "诸葛", "司徒", "东方", "独孤",
    "南宫", "夏侯", "皇甫", "尉迟", "公孙", "慕容", "令狐", "长孙", "宇文",
];

/// Characters of function words and verbs of service talk that hardly occur in given names.
const NOT_GIVEN: &str = "的了是不吗呢吧啊在有我你他她它们这那哪个怎么什谁都也还就才又很太请帮办理查询问号码先生女士姐太\
     错对没无要想会能可以但而且或及等把被让给到从去来说看用买卖换退开关打电话手机卡钱款单元级式面法律便费额全部";

/// What may follow a name.
const FOLLOWS: &str = "的是要想在和与跟住电手来身这需，。、；！？,.;:()（）\"”' 吗吧呢啊也有收先女小";

/// Words that begin like a name and are none.
const NOT_NAMES: [&str; 50] = [
    "方式", "方便", "方法", "方面", "高级", "高兴", "安全", "安排", "金额", "金牌", "金卡", "明天", "时间",
    "常用", "关于", "关闭", "管理", "单位", "包含", "包括", "包裹", "万一", "成功", "张贴", "马上", "黄金",
    "白金", "白天", "钱包", "程序", "季度", "项目", "顾客", "顾问", "路线", "易购", "胡乱", "文件", "温度",
    "江南", "向来", "任何", "何时", "何处", "许多", "周末", "周一", "周五", "余额", "龙虾",
];

/// How much evidence a cue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Evidence {
    /// A form field: the name is there even if what follows it is unclear.
    Form,
    /// Somebody says a name: it must end where a name can end.
    Said,
    /// "本人": like `Weak`, but with surnames that are words too.
    Own,
    /// "我" and a surname: only between punctuation.
    Weak,
}

pub(super) fn find(scene: &mut Scene<'_>) {
    for hit in scene.cues {
        match hit.cue {
            Cue::NameForm => after_cue(scene, hit, Evidence::Form),
            Cue::NameSaid => after_cue(scene, hit, Evidence::Said),
            Cue::NameSelf if scene.text[hit.start..hit.end].starts_with("本人") => {
                after_cue(scene, hit, Evidence::Own)
            }
            Cue::NameSelf => after_cue(scene, hit, Evidence::Weak),
            Cue::HonorificZh => before_honorific(scene, hit),
            _ => {}
        }
    }
}

fn after_cue(scene: &mut Scene<'_>, hit: &CueHit, evidence: Evidence) {
    let text = scene.text;
    // "本人：" is a field of a form.
    let weak = |e: Evidence| matches!(e, Evidence::Own | Evidence::Weak);
    let colon = weak(evidence) && text[hit.end..].starts_with([':', '：']);
    let evidence = if colon { Evidence::Form } else { evidence };
    let mut start = hit.end;
    if weak(evidence) {
        let word = &text[hit.start..hit.end];
        let clause_start = scene.before(hit.start).is_none_or(|c| "，。！？；,.!?; ~、".contains(c));
        if !clause_start {
            return;
        }
        // The cue "我李" holds the surname itself.
        if word.chars().nth(1).is_some_and(|c| SURNAMES_ALONE.contains(c)) {
            start = hit.start + '我'.len_utf8();
        }
    } else {
        let rest = &text[start..];
        let value = rest.trim_start_matches(['是', '为', '叫', '写', ':', ' ', '：', '"', '“', '「', '\t']);
        start += rest.len() - value.len();
    }
    let rest = &text[start..];
    let field = evidence == Evidence::Form && scene.before(start).is_some_and(|c| ":：是为\"“「".contains(c));
    // "本人张伟，身份证…": the next word of a form closes a short name.
    let goes_on = |len: usize| {
        let next = rest[len..].trim_start_matches(['，', ',', '、', ' ', '。', '；']);
        let at = text.len() - next.len();
        next.len() < rest.len() - len
            && scene.cues.binary_search_by_key(&at, |h| h.start).is_ok_and(|i| {
                matches!(scene.cues[i].cue, Cue::IdCard | Cue::Phone | Cue::Passport | Cue::Card | Cue::Lives)
            })
    };
    let len = name_len(rest, evidence)
        .or_else(|| {
            (evidence == Evidence::Own)
                .then(|| name_len(rest, Evidence::Said))
                .flatten()
                .filter(|len| goes_on(*len))
        })
        .or_else(|| (!weak(evidence)).then(|| latin_name_len(rest)).flatten())
        .or_else(|| field.then(|| field_len(rest)).flatten());
    if let Some(len) = len {
        scene.add(start, start + len, EntityKind::Person);
    }
}

/// Bytes of a name in Latin letters: one to four words that begin with a capital.
fn latin_name_len(rest: &str) -> Option<usize> {
    /// A longer stretch without a space is no name, and is not looked through for one.
    const LONGEST: usize = 120;
    let near = rest.char_indices().nth(LONGEST).map_or(rest, |(at, _)| &rest[..at]);
    let mut len = 0;
    for word in near.split(' ').take(4) {
        let letters =
            word.find(|c: char| !(c.is_alphabetic() && !han(c) || "'’.-".contains(c))).unwrap_or(word.len());
        let name = &word[..letters];
        let capital = name.starts_with(char::is_uppercase) && name.chars().skip(1).any(char::is_lowercase);
        if !capital {
            break;
        }
        len += usize::from(len > 0) + name.trim_end_matches(['.', '-', '\'']).len();
        if letters < word.len() {
            break;
        }
    }
    (len > 0).then_some(len)
}

/// Bytes of the two to four characters that are all there is in a field, whatever the surname.
fn field_len(rest: &str) -> Option<usize> {
    const NO_PART: &str = "的了是不吗呢吧啊在有我你他它这那哪怎么什谁没无要写填";
    const NO_NAMES: [&str; 20] = [
        "本人", "同上", "无", "没有", "未填", "空", "匿名", "客服", "公司", "店", "保密", "未知", "暂无",
        "待定", "个人", "单位", "自己", "家人", "写错", "填错",
    ];
    let name: String = rest.chars().take(6).take_while(|c| han(*c)).collect();
    let chars = name.chars().count();
    let free = !name.chars().any(|c| NO_PART.contains(c))
        && !NO_NAMES.iter().chain(&NOT_NAMES).any(|w| name.contains(w));
    ((2..=4).contains(&chars) && free).then_some(name.len())
}

/// Bytes of the name at the start of `rest`.
fn name_len(rest: &str, evidence: Evidence) -> Option<usize> {
    if NOT_NAMES.iter().any(|w| rest.starts_with(w)) {
        return None;
    }
    let head: Vec<char> = rest.chars().take(6).collect();
    let bytes = |n: usize| head[..n].iter().map(|c| c.len_utf8()).sum::<usize>();
    if matches!(evidence, Evidence::Form | Evidence::Said)
        && let Some(foreign) = dotted_name_len(rest)
    {
        return Some(foreign);
    }
    let surname = if COMPOUND_SURNAMES.iter().any(|s| rest.starts_with(s)) {
        2
    } else {
        let first = *head.first()?;
        let known =
            SURNAMES_ALONE.contains(first) || (evidence != Evidence::Weak && SURNAMES_COMMON.contains(first));
        if !known {
            return None;
        }
        1
    };
    let given = |n: usize| {
        head.len() >= surname + n
            && head[surname..surname + n].iter().all(|c| han(*c) && !NOT_GIVEN.contains(*c))
    };
    let ends = |n: usize| {
        let next = head.get(surname + n).copied();
        match evidence {
            Evidence::Own | Evidence::Weak => next.is_some_and(|c| "，。、；,.; \n\"".contains(c)),
            _ => next.is_none_or(|c| !han(c) || FOLLOWS.contains(c)),
        }
    };
    let weak = matches!(evidence, Evidence::Own | Evidence::Weak);
    let lengths: &[usize] = if weak && surname == 1 { &[2] } else { &[2, 1] };
    if let Some(n) = lengths.iter().find(|n| given(**n) && ends(**n)) {
        return Some(bytes(surname + n));
    }
    (evidence == Evidence::Form && given(2)).then(|| bytes(surname + 2))
}

/// Bytes of a transcribed name with its middle dots: "古丽·买买提".
fn dotted_name_len(rest: &str) -> Option<usize> {
    let name: &str = &rest[..rest
        .char_indices()
        .take(16)
        .take_while(|(_, c)| han(*c) || *c == '·')
        .map(|(at, c)| at + c.len_utf8())
        .last()?];
    let (first, last) = (name.chars().next()?, name.chars().next_back()?);
    let short = name.chars().count() <= 15;
    (short && name.contains('·') && first != '·' && last != '·').then_some(name.len())
}

/// The name before 先生, 女士 and the like; a surname alone is a name there too.
fn before_honorific(scene: &mut Scene<'_>, hit: &CueHit) {
    let before: Vec<(usize, char)> =
        scene.text[..hit.start].char_indices().rev().take_while(|(_, c)| han(*c)).take(5).collect();
    // Longest first: 3 characters, 2, the surname alone.
    for n in (1..=4.min(before.len())).rev() {
        let (start, first) = before[n - 1];
        let name = &scene.text[start..hit.start];
        let compound = COMPOUND_SURNAMES.iter().any(|s| name.starts_with(s));
        let single = SURNAMES_ALONE.contains(first) || SURNAMES_COMMON.contains(first);
        let fits = if compound { n >= 2 } else { single && n <= 3 };
        let given = name.chars().skip(if compound { 2 } else { 1 }).all(|c| !NOT_GIVEN.contains(c));
        // What stands before a name: nothing, a mark, or a word such as 是, 找, 姓.
        let opens = before.get(n).is_none_or(|(_, c)| "是找给叫联系请为帮和与姓让跟向位的我".contains(*c));
        if fits && given && opens && !NOT_NAMES.iter().any(|w| name.starts_with(w)) {
            scene.add(start, hit.start, EntityKind::Person);
            return;
        }
    }
}
