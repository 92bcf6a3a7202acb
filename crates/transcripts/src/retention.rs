//! Retention: transcripts older than their time limit are dropped before anything else looks at them.

use crate::Transcript;
use serde::{Deserialize, Serialize};

/// What happens to a transcript without a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Undated {
    /// Dropped: without a date nobody can show that the limit holds.
    #[default]
    Drop,
    /// Kept, because the configuration says so.
    Keep,
}

/// A time limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Longest age, in days of 86,400 seconds; a transcript of exactly this age stays.
    pub days: u32,
    /// What happens to transcripts without a timestamp.
    #[serde(default)]
    pub undated: Undated,
}

/// What became of the transcripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct RetentionReport {
    /// Kept with a timestamp.
    pub kept: u64,
    /// Of these, dated after the run: kept, but a sign of a wrong clock or unit.
    pub dated_ahead: u64,
    /// Dropped: too old.
    pub dropped_old: u64,
    /// Without a timestamp and dropped.
    pub dropped_undated: u64,
    /// Without a timestamp and kept.
    pub kept_undated: u64,
}

impl Retention {
    /// Whether a transcript of this time stays at `run_date` (seconds since 1970-01-01 UTC); counts it.
    pub fn keeps(&self, timestamp: Option<i64>, run_date: i64, report: &mut RetentionReport) -> bool {
        let (count, keep) = match timestamp {
            None if self.undated == Undated::Keep => (&mut report.kept_undated, true),
            None => (&mut report.dropped_undated, false),
            // In i128, since the ends of i64 are legal timestamps.
            Some(t) if i128::from(run_date) - i128::from(t) > i128::from(self.days) * 86_400 => {
                (&mut report.dropped_old, false)
            }
            Some(t) => {
                report.dated_ahead += u64::from(t > run_date);
                (&mut report.kept, true)
            }
        };
        *count += 1;
        keep
    }
}

/// Drops what `retention` does not keep at `run_date` (seconds since 1970-01-01 UTC); order stays.
pub fn retain(transcripts: &mut Vec<Transcript>, retention: Retention, run_date: i64) -> RetentionReport {
    let mut report = RetentionReport::default();
    transcripts.retain(|t| retention.keeps(t.timestamp, run_date, &mut report));
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_inclusive_and_the_undated_do_not_slip_through() {
        let day = 86_400;
        let mut report = RetentionReport::default();
        let limit = Retention { days: 2, undated: Undated::Drop };
        let kept = |t, report: &mut _| limit.keeps(t, 10 * day, report);
        assert!(kept(Some(8 * day), &mut report));
        assert!(!kept(Some(8 * day - 1), &mut report));
        assert!(kept(Some(11 * day), &mut report));
        assert!(!kept(None, &mut report));
        assert!(!kept(Some(i64::MIN), &mut report));
        let want =
            RetentionReport { kept: 2, dated_ahead: 1, dropped_old: 2, dropped_undated: 1, kept_undated: 0 };
        assert_eq!(report, want);
        assert!(Retention { days: 0, undated: Undated::Keep }.keeps(None, 0, &mut report));
        assert_eq!(report.kept_undated, 1);
    }
}
