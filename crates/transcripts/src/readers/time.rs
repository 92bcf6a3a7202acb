//! Points in time as files write them: numbers of seconds, milliseconds, microseconds or nanoseconds, or ISO 8601.

use super::report::Reason;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

/// 1990-01-01, seconds since 1970 UTC: no transcript is older.
const EARLIEST: i64 = 631_152_000;
/// 2100-01-01: the end where the configuration names no date.
const END: i64 = 4_102_444_800;
/// Parts of a second in the units that a number may have.
const UNITS: [i64; 4] = [1, 1_000, 1_000_000, 1_000_000_000];

/// The second that `text` means. A number is in the unit that puts it between 1990 and 2100: no number fits two of
/// them. ISO 8601 is a date, or date and time with `T` or a space between, with a zone or in UTC.
pub(super) fn second(text: &str, latest: Option<i64>) -> Result<i64, Reason> {
    let text = text.trim();
    let seconds = match number(text) {
        Some(number) => number?,
        None => iso(text).ok_or(Reason::BadTimestamp)?,
    };
    let in_time = match latest {
        Some(latest) => seconds <= latest,
        None => seconds < END,
    };
    if seconds >= EARLIEST && in_time { Ok(seconds) } else { Err(Reason::ImpossibleTime) }
}

/// A number of any unit, as seconds; nothing where the text is no number.
fn number(text: &str) -> Option<Result<i64, Reason>> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    // Eight digits are a date: no unit puts them between 1990 and 2100.
    if whole.is_empty() || !plain(whole) || !plain(fraction) || (digits.len() == 8 && fraction.is_empty()) {
        return None;
    }
    let impossible = Err(Reason::ImpossibleTime);
    if digits.len() < text.len() {
        return Some(impossible);
    }
    let Ok(number) = whole.parse::<i64>() else { return Some(impossible) };
    let fits = |unit: &&i64| (EARLIEST..END).contains(&(number / **unit));
    Some(UNITS.iter().find(fits).map(|unit| number / unit).ok_or(Reason::ImpossibleTime))
}

fn iso(text: &str) -> Option<i64> {
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some(text[at + 1..].trim())),
        None => (text, None),
    };
    let date = ["%Y-%m-%d", "%Y/%m/%d", "%Y%m%d"]
        .iter()
        .find_map(|form| NaiveDate::parse_from_str(date, form).ok())?;
    let Some(time) = time else { return Some(date.and_time(NaiveTime::MIN).and_utc().timestamp()) };
    let zone = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = (time[..zone].trim(), &time[zone..]);
    let clock =
        ["%H:%M:%S%.f", "%H:%M"].iter().find_map(|form| NaiveTime::parse_from_str(clock, form).ok())?;
    let local = NaiveDateTime::new(date, clock).and_utc().timestamp();
    Some(local - offset(zone)?)
}

/// Seconds east of UTC: nothing and `Z` are UTC, `+08:00`, `+0800` and `+08` eight hours.
fn offset(zone: &str) -> Option<i64> {
    if zone.is_empty() || zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let digits: String = zone[1..].chars().filter(|c| *c != ':').collect();
    let padded = if digits.len() == 2 { format!("{digits}00") } else { digits };
    let at_zero = format!("1970-01-01T00:00:00{}{padded}", &zone[..1]);
    let at = DateTime::parse_from_str(&at_zero, "%Y-%m-%dT%H:%M:%S%z").ok()?;
    Some(-at.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Independent generator: `date -u -d '2026-03-01 10:00:00' +%s` and the like.
    #[test]
    fn every_way_to_write_a_time_means_the_same_second() {
        for text in [
            "1772359200",
            "1772359200.75",
            "1772359200000",
            "1772359200000000",
            "1772359200000000000",
            "2026-03-01T10:00:00Z",
            "2026-03-01T10:00:00",
            "2026-03-01 10:00:00",
            " 2026-03-01 10:00 ",
            "2026/03/01 10:00:00",
            "2026-03-01T10:00:00.123456+00:00",
            "2026-03-01T18:00:00+08:00",
            "2026-03-01 18:00:00 +0800",
            "2026-03-01T18:00+08",
            "2026-03-01T04:30:00-05:30",
        ] {
            assert_eq!(second(text, None), Ok(1_772_359_200), "{text}");
        }
        assert_eq!(second("2026-03-01", None), Ok(1_772_323_200));
        assert_eq!(second("20260301", None), Ok(1_772_323_200));
    }

    #[test]
    fn what_cannot_be_is_told_from_what_is_no_time() {
        for text in
            ["noon", "03/01/2026", "2026-13-01", "2026-02-30", "2026-03-01T25:00", "1e9", "", "12345678"]
        {
            assert_eq!(second(text, None), Err(Reason::BadTimestamp), "{text}");
        }
        for text in
            ["0", "12", "-5", "631151999", "4102444800", "1989-12-31", "2100-01-01", "99999999999999999999"]
        {
            assert_eq!(second(text, None), Err(Reason::ImpossibleTime), "{text}");
        }
        assert_eq!(second("631152000", None), Ok(631_152_000));
        assert_eq!(second("2026-03-02", Some(1_772_323_200)), Err(Reason::ImpossibleTime));
        assert_eq!(second("2026-03-01", Some(1_772_323_200)), Ok(1_772_323_200));
        // A date of the run after 2100 is what counts.
        assert_eq!(second("4102444801", Some(4_102_444_900)), Err(Reason::ImpossibleTime));
    }
}
