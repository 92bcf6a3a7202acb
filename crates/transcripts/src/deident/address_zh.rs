//! Chinese street addresses: a road or an estate with a house number, from the province down if it is given.

use regex::Regex;

use super::cue::{Cue, CueHit};
use super::entity::EntityKind;
use super::scene::{Scene, pattern};

/// What the name of a road ends with.
const ROADS: [&str; 14] = [
    "路",
    "街",
    "道",
    "巷",
    "胡同",
    "弄",
    "里",
    "条",
    "段",
    "大道中",
    "大道东",
    "大道西",
    "大道南",
    "大道北",
];
/// What the name of an estate or a village ends with.
const ESTATES: [&str; 15] = [
    "小区", "花园", "家园", "花苑", "苑", "新村", "村", "公寓", "社区", "大厦", "广场", "府", "城", "庄",
    "组",
];
/// Ends like a road and is none.
const NOT_ROADS: [&str; 30] = [
    "知道", "频道", "通道", "味道", "报道", "轨道", "隧道", "管道", "渠道", "赛道", "线路", "网路", "电路",
    "铁路", "走路", "迷路", "一路", "带路", "问路", "半路", "公路", "逛街", "这里", "那里", "哪里", "公里",
    "家里", "手里", "一条", "阶段",
];
/// Words before an address; the address begins after the last of them.
const BEFORE: [&str; 25] = [
    "家住",
    "寄去",
    "送往",
    "地址是",
    "地址为",
    "地址",
    "住址",
    "住在",
    "住的是",
    "寄到",
    "送到",
    "寄往",
    "发到",
    "家在",
    "位于",
    "我住",
    "改成",
    "改为",
    "改到",
    "就在",
    "是在",
    "搬到",
    "在",
    "到",
    "是",
];

#[derive(Debug)]
pub(super) struct ChineseAddresses {
    house: Regex,
    district_road: Regex,
}

impl ChineseAddresses {
    pub(super) fn new() -> Self {
        const DETAIL: &str = r"(?:[ ,]?[A-Za-z0-9一二三四五六七八九十甲乙丙丁]{1,4}(?:-[0-9]{1,4}){0,2}(?:号楼|号院|号门|号|院|栋|幢|座|单元|楼|层|室|房|户|门|铺|之[0-9]{1,2}))*";
        // The building behind the number, if a room of it follows, or nothing but its name.
        const BUILDING: &str = r"(?: ?[\p{Han}A-Za-z0-9&&[^的在附旁对与和到是然后类]]{2,10}?(?:大厦|大楼|广场|中心|公寓|小区|花园|家园|花苑|苑|园区|科技园|产业园|写字楼|酒店|公馆|新村|府|城|楼))?";
        Self {
            house: pattern(&format!(
                r"(?:[0-9]{{1,5}}(?:[-之甲乙][0-9]{{0,4}})?(?:号楼|号院|号|弄|巷)(?:院|楼)?|[0-9A-Z]{{1,4}}(?:栋|幢|座|号楼)|[0-9]{{3,4}}室){DETAIL}{BUILDING}{DETAIL}(?:-?[0-9]{{3,4}})?"
            )),
            district_road: pattern(
                r"^(?:省|市|自治区|特别行政区)?(?:\p{Han}{1,7}(?:市|州|盟|地区))?\p{Han}{1,6}?(?:区|县)(?:\p{Han}{1,8}?(?:镇|乡|街道))?\p{Han}{1,8}?(?:大道|路|街|巷|胡同)",
            ),
        }
    }

    pub(super) fn find(&self, scene: &mut Scene<'_>) {
        if scene.text.is_ascii() {
            return;
        }
        if scene.digits > 0 {
            scene.each(&self.house, |scene, house, end| {
                let start = start_of_address(scene, house)?;
                // A card number's tail is no flat number.
                if scene.after(end).is_some_and(|c| c.is_ascii_digit()) {
                    return None;
                }
                scene.add(start, end, EntityKind::Address);
                Some(end)
            });
        }
        for hit in scene.cues.iter().filter(|h| place(h)) {
            if let Some(m) = self.district_road.find(&scene.text[hit.end..])
                && m.start() == 0
            {
                scene.add(hit.start, hit.end + m.end(), EntityKind::Address);
            }
        }
    }
}

/// Whether a cue is where an address may begin.
fn place(hit: &CueHit) -> bool {
    matches!(hit.cue, Cue::Place | Cue::Region)
}

/// Where the address with its house number at `house` begins; `None` if what stands before is no road or estate.
fn start_of_address(scene: &Scene<'_>, house: usize) -> Option<usize> {
    let text = scene.text;
    let names_before = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
    let run = text[..house].char_indices().rev().take_while(|(_, c)| names_before(*c)).take(32).last()?.0;
    let way = &text[run..house];
    let road = ROADS.iter().any(|r| way.ends_with(r)) && !NOT_ROADS.iter().any(|r| way.ends_with(r));
    let estate = ESTATES.iter().any(|e| way.ends_with(e));
    if !(road || estate) {
        return None;
    }
    let place = scene.cues_before(house, 32).take_while(|h| h.start >= run).filter(|h| place(h)).last();
    if let Some(place) = place {
        return Some(place.start);
    }
    let announced = BEFORE.iter().filter_map(|w| way.rfind(w).map(|at| run + at + w.len())).max();
    let labelled = text[..run].trim_end_matches([' ', ':', '：']).ends_with("址");
    // Without a place or a word before it, an estate's name says too little: "小区12号停水".
    let sure = labelled || announced.is_some() || road;
    let start = announced.unwrap_or(run);
    let name = text[start..house].chars().count();
    (sure && (2..=24).contains(&name)).then_some(start)
}
