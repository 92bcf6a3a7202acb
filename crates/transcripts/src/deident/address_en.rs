//! Street addresses in English text: house number, street, and what follows it after commas.

use regex::Regex;

use super::cue::Cue;
use super::entity::EntityKind;
use super::scene::{Scene, pattern};

/// Words between a number and "road" that show it is no address: "50 meters down the road".
const NOT_STREETS: &str = " the of on a an per and min mins minutes hour hours mile miles more meters metres m km feet from to in \
    at my your this that same way days day weeks months years times by down up off cross across other people dollars ";

#[derive(Debug)]
pub(super) struct EnglishAddresses {
    street: Regex,
    post_box: Regex,
}

impl EnglishAddresses {
    pub(super) fn new() -> Self {
        const UNIT: &str = r"(?:,? (?:(?i:apt|apartment|suite|ste|unit|floor|fl|flat|room|rm)\.? ?#?[A-Za-z0-9-]{1,6}|#[A-Za-z0-9-]{1,6}))?";
        const ROOM: &str = r"(?:(?i:flat|room|rm|unit|apt|apartment|suite|tower|block|floor)\.? ?#?(?:[A-Za-z]?-?[0-9]{1,5}[A-Za-z]?|[A-Z])(?-u:\b),? |[0-9]{1,3}/F,? ){0,3}";
        const CITY: &str = r"(?:,? ?\p{Lu}\p{Ll}+(?: \p{Lu}\p{Ll}+){0,2})";
        Self {
            street: pattern(&format!(
                r"(?-u:\b){ROOM}(?P<number>[0-9]{{1,6}})[A-Za-z]? (?P<name>(?:[NSEWnsew]\.? |(?i:north|south|east|west) )?(?:[0-9]{{1,3}}(?:st|nd|rd|th) |[\p{{L}}'’-]+ ){{1,4}}?)(?P<kind>(?i:streets?|st|avenue|ave|road|rd|boulevard|blvd|lane|ln|drive|dr|court|ct|way|square|terrace|parkway|pkwy|circle|highway|hwy|place|pl))(?-u:\b)\.?{UNIT}(?P<city>,{CITY}|\n{CITY})?(?:,? [A-Z]{{2}}(?-u:\b))?(?:,? [0-9]{{5}}(?:-[0-9]{{4}})?)?"
            )),
            post_box: pattern(r"(?i)(?-u:\b)p\.? ?o\.? box [0-9]{1,6}(?-u:\b)"),
        }
    }

    pub(super) fn find(&self, scene: &mut Scene<'_>) {
        if scene.digits == 0 || !scene.has(Cue::RoadEn) {
            return;
        }
        let text = scene.text;
        for groups in self.street.captures_iter(text) {
            let (Some(all), Some(number), Some(name), Some(kind)) =
                (groups.get(0), groups.name("number"), groups.name("name"), groups.name("kind"))
            else {
                continue;
            };
            let plain_word = |w: &str| NOT_STREETS.split_ascii_whitespace().any(|n| n == w.to_lowercase());
            let a_street = !name.as_str().split_ascii_whitespace().any(plain_word);
            let capital = name.as_str().chars().any(char::is_uppercase);
            // In lower case only words that mean little else, and a number longer than a count.
            let certain = ["street", "st", "avenue", "ave", "road", "boulevard", "lane"]
                .iter()
                .any(|k| kind.as_str().eq_ignore_ascii_case(k));
            let long = number.len() >= 2;
            if a_street && (capital || (certain && long)) {
                // The dot of an abbreviation or of the sentence: nobody misses either.
                let len = all.as_str().trim_end_matches('.').len();
                scene.add(all.start(), all.start() + len, EntityKind::Address);
            }
        }
        for m in self.post_box.find_iter(text) {
            scene.add(m.start(), m.end(), EntityKind::Address);
        }
    }
}
