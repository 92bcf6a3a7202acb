//! Availability as somebody has recorded it: a CSV file of stretches of time.

use super::{Micros, Presence, micros};
use std::collections::BTreeMap;
use std::ops::Range;

/// When each of some devices was there. Client `c` has the device in place `c mod devices`, in the order of their names.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// For each device, stretches in which it is there, ascending, none touching the next.
    devices: Vec<Vec<Range<Micros>>>,
    /// Time after which the trace begins again.
    period: Option<Micros>,
}

/// Why a file is no trace.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The first line is not the head.
    #[error("line 1: expected the head device,from,to")]
    Head,
    /// A line of another number of fields, or with fields that are no numbers.
    #[error("line {line}: expected a device, and the seconds from and to which it is there, from before to")]
    Line {
        /// Its number, from 1.
        line: usize,
    },
    /// No device at all.
    #[error("no device is ever there")]
    Empty,
}

impl Trace {
    /// Reads `device,from,to` lines behind a head of these words: any name, and two numbers of seconds from the start.
    /// Stretches may come in any order, and overlap. With `repeat_seconds` the trace begins again after so long.
    pub fn parse(text: &str, repeat_seconds: Option<f64>) -> Result<Self, TraceError> {
        let mut lines = text.lines().enumerate();
        if lines.next().map(|(_, head)| head.trim_start_matches('\u{feff}').trim()) != Some("device,from,to")
        {
            return Err(TraceError::Head);
        }
        let mut devices: BTreeMap<&str, Vec<Range<Micros>>> = BTreeMap::new();
        for (i, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            let stretch = || {
                let [device, from, to] = fields[..] else { return None };
                let (from, to): (f64, f64) = (from.parse().ok()?, to.parse().ok()?);
                (from >= 0.0 && from < to && to.is_finite()).then_some((device, micros(from)..micros(to)))
            };
            let (device, stretch) = stretch().ok_or(TraceError::Line { line: i + 1 })?;
            devices.entry(device).or_default().push(stretch);
        }
        if devices.is_empty() {
            return Err(TraceError::Empty);
        }
        let devices = devices.into_values().map(joined).collect();
        Ok(Self { devices, period: repeat_seconds.map(micros).filter(|p| *p > 0) })
    }

    /// Number of devices.
    pub fn devices(&self) -> usize {
        self.devices.len()
    }

    fn stretches(&self, client: u64) -> &[Range<Micros>] {
        &self.devices[(client % self.devices.len() as u64) as usize]
    }

    /// Whether a client is there. Where the trace repeats, what it says holds until the seam at most, but for a device
    /// that is there, or not there, all the time.
    pub(super) fn presence(&self, client: u64, at: Micros) -> Presence {
        let place = self.period.map_or(at, |p| at % p);
        let stretches = self.stretches(client);
        let behind = stretches.partition_point(|s| s.end <= place);
        let next = stretches.get(behind);
        let there = next.is_some_and(|s| s.contains(&place));
        let change = next.map(|s| if there { s.end } else { s.start });
        let Some(period) = self.period else {
            return Presence { there, until: change.unwrap_or(Micros::MAX) };
        };
        let whole = |s: &Range<Micros>| s.start == 0 && s.end >= period;
        if there && next.is_some_and(whole) {
            return Presence::ALWAYS;
        }
        if !there && stretches.iter().all(|s| s.start >= period || s.is_empty()) {
            return Presence::NEVER;
        }
        let left = change.map_or(period, |change| change.min(period)) - place;
        Presence { there, until: at.saturating_add(left) }
    }
}

/// Stretches in order, those that touch as one.
fn joined(mut stretches: Vec<Range<Micros>>) -> Vec<Range<Micros>> {
    stretches.sort_unstable_by_key(|s| (s.start, s.end));
    let mut out: Vec<Range<Micros>> = Vec::new();
    for next in stretches {
        match out.last_mut() {
            Some(last) if next.start <= last.end => last.end = last.end.max(next.end),
            _ => out.push(next),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::{Availability, World, WorldConfig};
    use super::*;

    const TEXT: &str = "device,from,to\nb,0,10\na,5,7.5\na,6,9\n\na,20,30\n";

    /// In a world of this trace.
    fn world(text: &str, repeat_seconds: Option<f64>) -> World {
        let availability = Availability::Trace { path: "trace.csv".into(), repeat_seconds };
        let config = WorldConfig { availability: Some(availability), ..WorldConfig::default() };
        World::new(config, Some(Trace::parse(text, repeat_seconds).unwrap()), 1, 1)
    }

    #[test]
    fn stretches_are_read_joined_and_repeated() {
        assert_eq!(Trace::parse(TEXT, None).unwrap().devices(), 2);
        let once = world(TEXT, None);
        // Client 0 and every other one after it is "a".
        for (client, second, there) in [
            (0, 4, false),
            (0, 5, true),
            (0, 8, true),
            (0, 9, false),
            (2, 25, true),
            (1, 9, true),
            (1, 10, false),
        ] {
            assert_eq!(once.is_there(client, second * 1_000_000), there, "{client} {second}");
        }
        let leaves = |w: &World, c, from: u64, until: u64| w.leaves(c, from * 1_000_000, until * 1_000_000);
        assert_eq!(leaves(&once, 0, 6, 40), Some(9_000_000));
        assert_eq!(leaves(&once, 0, 6, 9), None);
        assert_eq!(leaves(&once, 0, 10, 12), Some(10_000_000));
        let again = world(TEXT, Some(30.0));
        assert!(again.is_there(1, 65_000_000) && !again.is_there(1, 75_000_000));
        assert_eq!(leaves(&again, 0, 55, 70), Some(60_000_000));
        // Always there, seam or no seam.
        let always = world("device,from,to\nx,0,50", Some(10.0));
        assert_eq!(leaves(&always, 0, 3, 1000), None);
    }

    #[test]
    fn what_is_no_trace_says_so() {
        let error = |text: &str| Trace::parse(text, None).unwrap_err();
        assert_eq!(error(""), TraceError::Head);
        assert_eq!(error("client,from,to\n"), TraceError::Head);
        assert_eq!(error("device,from,to\n"), TraceError::Empty);
        // Spreadsheets begin a file with a byte order mark.
        assert_eq!(error("\u{feff}device,from,to\r\n"), TraceError::Empty);
        for line in ["a,1", "a,1,2,3", "a,x,2", "a,2,1", "a,1,1", "a,-1,1", "a,nan,1", "a,0,inf"] {
            assert_eq!(
                error(&format!("device,from,to\na,0,1\n{line}\n")),
                TraceError::Line { line: 3 },
                "{line}"
            );
        }
    }
}
