//! When customers write: the months of the corpus, with a weekly and a daily rhythm for each product line.

use super::catalogue::ProductLine;
use sottovoce_core::Stream;
use sottovoce_core::sampling;

const DAY: i64 = 86_400;

/// The period of a corpus and the rhythm of its days. Times are seconds since 1970-01-01 UTC.
#[derive(Debug)]
pub(super) struct Calendar {
    /// Begin of each month, and of the month after the last, ascending.
    months: Vec<i64>,
    /// For each product line the running sum of the weights of all days.
    days: [Vec<u64>; 4],
}

/// Weights of the days of a week from Monday on: support for games peaks at weekends.
fn week(line: ProductLine) -> [u64; 7] {
    match line {
        ProductLine::Messaging => [12, 11, 10, 10, 11, 9, 8],
        ProductLine::Social => [9, 9, 9, 10, 11, 12, 12],
        ProductLine::MiniPrograms => [12, 11, 11, 10, 10, 8, 7],
        ProductLine::Games => [8, 8, 8, 8, 11, 15, 15],
    }
}

/// Weights of the hours of a day from midnight on, in the provider's own time zone.
fn day(line: ProductLine) -> [f64; 24] {
    let mut hours = [
        3.0, 2.0, 1.0, 1.0, 1.0, 1.0, 2.0, 4.0, 7.0, 10.0, 11.0, 11.0, 9.0, 9.0, 10.0, 10.0, 10.0, 9.0, 9.0,
        10.0, 11.0, 10.0, 8.0, 5.0,
    ];
    if line == ProductLine::Games {
        for evening in [0, 18, 19, 20, 21, 22, 23] {
            hours[evening] *= 2.0;
        }
    }
    hours
}

/// Days from 1970-01-01 to the first of a month, in the Gregorian calendar.
fn days_to_month(year: i64, month: i64) -> i64 {
    // A year that begins in March has its leap day at its end.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 - 719_468
}

impl Calendar {
    /// `months` months from a first one. The caller has checked the ranges.
    pub(super) fn new((year, month): (i64, i64), months: u32) -> Self {
        let begin = |i: i64| {
            let index = year * 12 + month - 1 + i;
            days_to_month(index / 12, index % 12 + 1) * DAY
        };
        let months: Vec<i64> = (0..=i64::from(months)).map(begin).collect();
        let (first, last) = (months[0] / DAY, months[months.len() - 1] / DAY);
        let days = ProductLine::ALL.map(|line| {
            let week = week(line);
            let mut sum = 0;
            (first..last)
                .map(|d| {
                    // 1970-01-01 was a Thursday.
                    sum += week[(d + 3).rem_euclid(7) as usize];
                    sum
                })
                .collect()
        });
        Self { months, days }
    }

    /// First second of the period and first second after it.
    pub(super) fn span(&self) -> (i64, i64) {
        (self.months[0], self.months[self.months.len() - 1])
    }

    /// The begin of the day when `sixths` sixths of the period have passed.
    pub(super) fn after(&self, sixths: i64) -> i64 {
        let (first, last) = self.span();
        first + (last - first) / DAY * sixths / 6 * DAY
    }

    /// Index of the month of a time in the period.
    pub(super) fn month(&self, time: i64) -> usize {
        self.months.partition_point(|begin| *begin <= time).saturating_sub(1)
    }

    /// A time when a customer of a product line writes.
    pub(super) fn draw(&self, line: ProductLine, s: &mut Stream) -> i64 {
        let days = &self.days[line as usize];
        let ticket = sampling::below(s, days[days.len() - 1]);
        let date = days.partition_point(|sum| *sum <= ticket) as i64;
        // The provider's clocks are 8 hours ahead of UTC.
        let hour = (sampling::weighted(s, &day(line)) as i64 - 8).rem_euclid(24);
        self.months[0] + date * DAY + hour * 3600 + sampling::below(s, 3600) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_begin_where_the_calendar_says() {
        // Reference: `date -u -d 2026-04-01 +%s` and so on.
        let c = Calendar::new((2026, 4), 6);
        assert_eq!(c.span(), (1_775_001_600, 1_790_812_800));
        assert_eq!(Calendar::new((1970, 1), 1).span(), (0, 31 * DAY));
        assert_eq!(Calendar::new((2000, 2), 1).span(), (949_363_200, 951_868_800));
        assert_eq!(Calendar::new((2100, 12), 60).span().0, 4_131_302_400);
        assert_eq!(c.month(1_775_001_600), 0);
        assert_eq!(c.month(1_790_812_799), 5);
    }
}
