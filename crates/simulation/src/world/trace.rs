//! Availability as somebody has recorded it: a CSV file of stretches of time.

use super::{Micros, micros};
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
        if lines.next().map(|(_, head)| head.trim()) != Some("device,from,to") {
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

    /// The stretch that holds a time, as the file has it.
    fn around(&self, client: u64, at: Micros) -> Option<&Range<Micros>> {
        let stretches = self.stretches(client);
        let behind = stretches.partition_point(|s| s.end <= at);
        stretches.get(behind).filter(|s| s.contains(&at))
    }

    pub(super) fn is_there(&self, client: u64, at: Micros) -> bool {
        self.around(client, self.period.map_or(at, |p| at % p)).is_some()
    }

    pub(super) fn leaves(&self, client: u64, from: Micros, until: Micros) -> Option<Micros> {
        let mut now = from;
        while now < until {
            let place = self.period.map_or(now, |p| now % p);
            let Some(stretch) = self.around(client, place) else { return Some(now) };
            // A stretch that reaches the end of the period goes on if the next one begins there.
            let end = self.period.map_or(stretch.end, |p| stretch.end.min(p));
            now += end - place;
        }
        None
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
    use super::*;

    const TEXT: &str = "device,from,to\nb,0,10\na,5,7.5\na,6,9\n\na,20,30\n";

    #[test]
    fn stretches_are_read_joined_and_repeated() {
        let once = Trace::parse(TEXT, None).unwrap();
        assert_eq!(once.devices(), 2);
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
        let leaves = |t: &Trace, c, from: u64, until: u64| t.leaves(c, from * 1_000_000, until * 1_000_000);
        assert_eq!(leaves(&once, 0, 6, 40), Some(9_000_000));
        assert_eq!(leaves(&once, 0, 6, 9), None);
        assert_eq!(leaves(&once, 0, 10, 12), Some(10_000_000));
        let again = Trace::parse(TEXT, Some(30.0)).unwrap();
        assert!(again.is_there(1, 65_000_000) && !again.is_there(1, 75_000_000));
        assert_eq!(leaves(&again, 0, 55, 70), Some(60_000_000));
        // Always there, seam or no seam.
        let always = Trace::parse("device,from,to\nx,0,50", Some(10.0)).unwrap();
        assert_eq!(leaves(&always, 0, 3, 1000), None);
    }

    #[test]
    fn what_is_no_trace_says_so() {
        let error = |text: &str| Trace::parse(text, None).unwrap_err();
        assert_eq!(error(""), TraceError::Head);
        assert_eq!(error("client,from,to\n"), TraceError::Head);
        assert_eq!(error("device,from,to\n"), TraceError::Empty);
        for line in ["a,1", "a,1,2,3", "a,x,2", "a,2,1", "a,1,1", "a,-1,1", "a,nan,1", "a,0,inf"] {
            assert_eq!(
                error(&format!("device,from,to\na,0,1\n{line}\n")),
                TraceError::Line { line: 3 },
                "{line}"
            );
        }
    }
}
