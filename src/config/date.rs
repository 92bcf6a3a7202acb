//! Days in configurations.

use super::check::{Invalid, invalid};

/// Seconds since 1970-01-01 UTC of midnight of a `YYYY-MM-DD`.
pub(crate) fn date(text: &str) -> Result<i64, Invalid> {
    let bad = || invalid("retention.date", format!("{text:?}"), "expected a day as YYYY-MM-DD, from 1970 on");
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return Err(bad()) };
    if (year.len(), month.len(), day.len()) != (4, 2, 2) {
        return Err(bad());
    }
    let number = |s: &str| s.parse::<u16>().ok().map(i64::from);
    let (Some(y), Some(m), Some(d)) = (number(year), number(month), number(day)) else { return Err(bad()) };
    let leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    if y < 1970 || !(1..=12).contains(&m) || d < 1 || d > lengths[m as usize - 1] {
        return Err(bad());
    }
    let leaps = |year: i64| year / 4 - year / 100 + year / 400;
    let before: i64 = lengths[..m as usize - 1].iter().sum();
    let days = 365 * (y - 1970) + leaps(y - 1) - leaps(1969) + before + d - 1;
    Ok(days * 86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Independent generator: `date -u -d 2026-11-22 +%s` and the like.
    #[test]
    fn dates_are_seconds_since_1970() {
        for (text, seconds) in [
            ("1970-01-01", 0),
            ("2000-02-29", 951_782_400),
            ("2024-12-31", 1_735_603_200),
            ("2026-11-22", 1_795_305_600),
        ] {
            assert_eq!(date(text), Ok(seconds), "{text}");
        }
        for text in
            ["", "2026", "2026-13-01", "2026-02-29", "2026-2-2", "1969-12-31", "2026-11-31", "x026-01-01"]
        {
            assert!(date(text).is_err(), "{text}");
        }
    }
}
