//! Web and network addresses: found by shape, then parsed.

use std::net::{Ipv4Addr, Ipv6Addr};

use regex::Regex;

use super::cue::Cue;
use super::entity::EntityKind;
use super::scene::{Scene, pattern};

#[derive(Debug)]
pub(super) struct NetworkRules {
    url: Regex,
    jdbc: Regex,
    login: Regex,
    bare_url: Regex,
    ipv4: Regex,
    ipv6: Regex,
    mac: Regex,
}

impl NetworkRules {
    pub(super) fn new() -> Self {
        const REST: &str = r"[A-Za-z0-9._~:/?#@!$&'()*+,;=%\[\]-]*";
        Self {
            // Any scheme, with the user and the password that may stand before the host.
            url: pattern(&format!(
                r"(?i)(?:[a-z][a-z0-9+.-]{{0,24}}://(?:[!#-;=?-~]{{0,256}}@)?|www\.)[a-z0-9\[]{REST}"
            )),
            jdbc: pattern(&format!(r"(?i)jdbc:[a-z0-9]{{1,20}}:{REST}")),
            login: pattern(r"[A-Za-z0-9_.-]{1,64}:[!-9;-?A-~]{1,64}@[0-9]{1,3}(?:\.[0-9]{1,3}){3}"),
            bare_url: pattern(&format!(
                r"(?:[A-Za-z0-9-]+\.)+(?:com|cn|net|org|io|edu|gov|co|uk|de|fr|app|me|top|info)/[A-Za-z0-9]{REST}"
            )),
            ipv4: pattern(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"),
            ipv6: pattern(r"[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,8}"),
            mac: pattern(
                r"[0-9A-Fa-f]{2}(?:(?::[0-9A-Fa-f]{2}){5}|(?:-[0-9A-Fa-f]{2}){5})|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}",
            ),
        }
    }

    pub(super) fn find(&self, scene: &mut Scene<'_>) {
        let text = scene.text;
        if (scene.seen.slash && text.contains("://")) || scene.has(Cue::Url) {
            self.find_urls(scene, &self.url);
            if scene.seen.colons > 0 && (text.contains("jdbc:") || text.contains("JDBC:")) {
                self.find_urls(scene, &self.jdbc);
            }
        }
        if scene.seen.slash && scene.seen.dots > 0 {
            self.find_urls(scene, &self.bare_url);
        }
        if scene.seen.at && scene.seen.colons > 0 {
            for m in self.login.find_iter(text) {
                scene.add(m.start(), m.end(), EntityKind::Url);
            }
        }
        if scene.digits >= 4 && scene.seen.dots >= 3 {
            scene.each(&self.ipv4, accept_ipv4);
        }
        let colons = scene.seen.colons;
        if colons >= 2 {
            scene.each(&self.ipv6, accept_ipv6);
        }
        if scene.digits > 0 || colons >= 5 {
            scene.each(&self.mac, |scene, start, end| {
                let found = &scene.text[start..end];
                // Three groups of four digits without a letter are a card or an amount.
                let fits = !found.contains('.') || found.bytes().any(|b| b.is_ascii_alphabetic());
                let free = |c: Option<char>| !matches!(c, Some(':' | '-'));
                let named = || scene.cue_before(start, 1, &[Cue::Mac]).is_some();
                if !(fits
                    && scene.stands_alone(start, end)
                    && (free(scene.before(start)) || named())
                    && free(scene.after(end)))
                {
                    return None;
                }
                scene.add(start, end, EntityKind::MacAddress);
                Some(end)
            });
        }
    }

    fn find_urls(&self, scene: &mut Scene<'_>, pattern: &Regex) {
        for m in pattern.find_iter(scene.text) {
            let url = without_closing_marks(m.as_str());
            scene.add(m.start(), m.start() + url.len(), EntityKind::Url);
        }
    }
}

/// A web address without the marks of the sentence around it.
fn without_closing_marks(url: &str) -> &str {
    let count = |mark: u8| url.bytes().filter(|b| *b == mark).count();
    let mut extra_round = count(b')').saturating_sub(count(b'('));
    let mut extra_square = count(b']').saturating_sub(count(b'['));
    let mut len = url.len();
    for mark in url.bytes().rev() {
        match mark {
            b'.' | b',' | b';' | b':' | b'!' | b'?' | b'\'' | b'(' | b'[' | b'*' => {}
            b')' if extra_round > 0 => extra_round -= 1,
            b']' if extra_square > 0 => extra_square -= 1,
            _ => break,
        }
        len -= 1;
    }
    // The pattern takes ASCII only, so every length is a boundary.
    &url[..len]
}

fn accept_ipv4(scene: &mut Scene<'_>, start: usize, end: usize) -> Option<usize> {
    let parsed = scene.text[start..end].parse::<Ipv4Addr>().is_ok();
    let version = scene.cue_before(start, 6, &[Cue::Version]).is_some();
    if !parsed || version || !scene.stands_alone(start, end) {
        return None;
    }
    scene.add(start, end, EntityKind::IpAddress);
    Some(end)
}

fn accept_ipv6(scene: &mut Scene<'_>, start: usize, end: usize) -> Option<usize> {
    let found = &scene.text[start..end];
    // A colon of the sentence may stand before or after: "IPv6:2001:db8::1", "fe80::1: refused".
    let start = start + usize::from(found.starts_with(':') && !found.starts_with("::"));
    let end = end - usize::from(found.ends_with(':') && !found.ends_with("::"));
    if start >= end {
        return None;
    }
    let found = &scene.text[start..end];
    let groups = found.split(':').filter(|g| !g.is_empty()).count();
    let telling = found.bytes().any(|b| b.is_ascii_digit())
        && (groups >= 3 || found.split(':').next().is_some_and(|g| g.len() >= 3));
    if !telling || found.parse::<Ipv6Addr>().is_err() || !scene.stands_alone(start, end) {
        return None;
    }
    scene.add(start, end, EntityKind::IpAddress);
    Some(end)
}
