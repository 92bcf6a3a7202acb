//! Who is there until when.

use super::{Micros, World};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

/// Stretches of time for which a client is looked at, one after the other, before its answer is given up: whoever is asked
/// for more has gone at their end. Of ten minutes these are 227 days; a client with an even chance of having gone by then
/// misses one stretch in 47,000. Without a bound an answer in a thousand years would be looked for in all their stretches.
pub(super) const PATIENCE: u32 = 1 << 15;

/// How often clients are looked at again until one of them is there, before they are given up.
pub(crate) const LOOKS: u64 = 1 << 24;

/// Whether a client is there, and the first time after which that may be otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Presence {
    pub(crate) there: bool,
    /// Later than the time that was asked for, but at the end of all time.
    pub(crate) until: Micros,
}

impl Presence {
    pub(crate) const ALWAYS: Self = Self { there: true, until: Micros::MAX };
    pub(crate) const NEVER: Self = Self { there: false, until: Micros::MAX };
}

/// What is drawn once for a client.
pub(super) struct Habits {
    client: u64,
    /// When it belongs to the population.
    stay: Option<Range<Micros>>,
    /// Hours by which its clock is ahead.
    ahead: f64,
}

/// When the first of some clients will be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// After so many steps.
    After(u64),
    /// Not in so many steps.
    NotIn(u64),
}

impl World {
    pub(super) fn habits(&self, client: u64) -> Habits {
        let ahead = self.config.availability.as_ref().map_or(0.0, |a| a.ahead(self.seed, client));
        Habits { client, stay: self.config.churn.map(|churn| churn.stay(self.seed, client)), ahead }
    }

    pub(super) fn presence_of(&self, habits: &Habits, at: Micros) -> Presence {
        #[cfg(test)]
        looks::MADE.set(looks::MADE.get() + 1);
        let Habits { client, stay, ahead } = habits;
        if let Some(stay) = stay.as_ref().filter(|stay| !stay.contains(&at)) {
            let joins = at < stay.start && !stay.is_empty();
            return if joins { Presence { there: false, until: stay.start } } else { Presence::NEVER };
        }
        let presence = self.config.availability.as_ref().map_or(Presence::ALWAYS, |availability| {
            availability.presence(self.seed, self.trace.as_ref(), (*client, *ahead), at)
        });
        let leaves = stay.as_ref().map_or(Micros::MAX, |stay| stay.end);
        Presence { until: presence.until.min(leaves), ..presence }
    }

    /// Whether a client is there, and until when that is certain.
    pub(crate) fn presence(&self, client: u64, at: Micros) -> Presence {
        self.presence_of(&self.habits(client), at)
    }

    #[cfg(test)]
    pub(crate) fn is_there(&self, client: u64, at: Micros) -> bool {
        self.presence(client, at).there
    }

    /// When a client that is there at `from` goes away, if it does before `until`; at the end of [`PATIENCE`] stretches at
    /// the latest.
    pub(crate) fn leaves(&self, client: u64, from: Micros, until: Micros) -> Option<Micros> {
        if from >= until {
            return None;
        }
        let habits = self.habits(client);
        let mut now = from;
        for _ in 0..PATIENCE {
            let presence = self.presence_of(&habits, now);
            if !presence.there {
                return Some(now);
            }
            now = presence.until;
            if now >= until {
                return None;
            }
        }
        Some(now)
    }

    /// Share of a stretch of time in which a client is there, looked at in sixteen places.
    pub(crate) fn share_there(&self, client: u64, from: Micros, length: Micros) -> f64 {
        let habits = self.habits(client);
        let mut presence = self.presence_of(&habits, from);
        let mut times = 0u32;
        for place in 0..16 {
            let at = from.saturating_add(length / 16 * place);
            if at >= presence.until {
                presence = self.presence_of(&habits, at);
            }
            times += u32::from(presence.there);
        }
        f64::from(times) / 16.0
    }

    /// When the first of some clients will be there, looked for at every multiple of `step` from now on, up to the `most`th.
    /// Each client is looked at again when something can have changed for it, all together so many times: [`LOOKS`].
    pub(crate) fn first_there(
        &self,
        clients: impl Iterator<Item = u64>,
        now: Micros,
        step: Micros,
        most: u64,
        looks: u64,
    ) -> Awaited {
        // The first multiple at which a client may be there, not before the next one.
        let next = |until: Micros| (until < Micros::MAX).then(|| (until - now).div_ceil(step).max(1));
        let at = |steps: u64| now.saturating_add(steps.saturating_mul(step));
        let first = |client| {
            let Presence { there, until } = self.presence(client, now);
            let steps = if there { Some(1) } else { next(until) };
            steps.filter(|steps| *steps <= most).map(|steps| Reverse((steps, client)))
        };
        let mut awaited: BinaryHeap<Reverse<(u64, u64)>> = clients.filter_map(first).collect();
        for _ in 0..looks {
            let Some(Reverse((steps, client))) = awaited.pop() else { return Awaited::NotIn(most) };
            let Presence { there, until } = self.presence(client, at(steps));
            if there {
                return Awaited::After(steps);
            }
            awaited.extend(next(until).filter(|next| *next <= most).map(|next| Reverse((next, client))));
        }
        Awaited::NotIn(awaited.peek().map_or(most, |Reverse((steps, _))| *steps))
    }
}

#[cfg(test)]
mod looks {
    use std::cell::Cell;

    thread_local! {
        /// How often this thread has looked whether somebody is there.
        pub(super) static MADE: Cell<u64> = const { Cell::new(0) };
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Availability, Churn, DayCurve, SECOND, Trace, WorldConfig};
    use super::*;

    const MINUTE: Micros = 60 * SECOND;
    const DAY: Micros = 1440 * MINUTE;

    fn day(peak: f64, trough: f64, minutes: f64) -> Option<Availability> {
        Some(Availability::Day(DayCurve { peak, trough, peak_hour: 9.0, spread_hours: 6.0, minutes }))
    }

    fn world(availability: Option<Availability>, churn: Option<Churn>) -> World {
        World::new(WorldConfig { availability, churn, ..WorldConfig::default() }, None, 5, 1)
    }

    fn traced(text: &str, repeat_seconds: Option<f64>) -> World {
        let availability = Availability::Trace { path: "trace.csv".into(), repeat_seconds };
        let config = WorldConfig { availability: Some(availability), ..WorldConfig::default() };
        World::new(config, Some(Trace::parse(text, repeat_seconds).unwrap()), 5, 1)
    }

    /// What comes of it, and how many looks it took.
    fn counted<T>(run: impl FnOnce() -> T) -> (T, u64) {
        let before = looks::MADE.get();
        (run(), looks::MADE.get() - before)
    }

    const CHURN: Churn = Churn { present: 0.3, joining_days: 0.1, staying_days: 0.05 };
    const TRACE: &str = "device,from,to\na,0,100\na,300,4000\nb,50,51\nb,9000,9001\nc,3599,3601\n";

    /// All kinds of worlds, with people that come and go within hours.
    fn worlds() -> Vec<World> {
        let rare = day(0.02, 0.001, 7.0);
        let mut worlds = vec![
            world(day(0.7, 0.3, 1.0), None),
            world(day(1.0, 0.0, 25.0), None),
            world(rare.clone(), None),
            world(None, Some(CHURN)),
            world(rare, Some(Churn { present: 0.0, ..CHURN })),
            world(day(0.9, 0.9, 3.0), Some(CHURN)),
        ];
        worlds.extend([None, Some(4000.0), Some(250.5), Some(20_000.0)].map(|repeat| traced(TRACE, repeat)));
        worlds
    }

    /// Whoever is there stays there until the time that is named, and whoever is not stays away: second by second.
    #[test]
    fn presence_holds_until_it_says() {
        for (number, world) in worlds().iter().enumerate() {
            for client in 0..6 {
                let mut now = 0;
                while now < 3 * 3600 * SECOND {
                    let Presence { there, until } = world.presence(client, now);
                    assert!(until > now);
                    let until_then = until.min(3 * 3600 * SECOND);
                    for at in (now..until_then).step_by(SECOND as usize).chain([until_then - 1]) {
                        assert_eq!(world.presence(client, at).there, there, "{number}: {client} {now} {at}");
                    }
                    now = until;
                }
            }
        }
    }

    /// The first second without the client, as somebody sees it who looks every second; all changes are at whole ones.
    #[test]
    fn leaving_is_the_first_time_without_the_client() {
        for (number, world) in
            worlds().iter().enumerate().filter(|(number, _)| ![3, 4, 5, 8].contains(number))
        {
            for client in 0..40 {
                for (from, until) in [(90, 600), (3590, 7200), (7, 8)] {
                    let first = (from..until).find(|at| !world.is_there(client, at * SECOND));
                    let leaves = world.leaves(client, from * SECOND, until * SECOND);
                    assert_eq!(leaves, first.map(|at| at * SECOND), "{number}: {client} {from}");
                }
            }
        }
        for client in 0..200 {
            let stay = CHURN.stay(5, client);
            let world = world(None, Some(CHURN));
            let leaves = |until| world.leaves(client, stay.start, until);
            assert_eq!((leaves(stay.end), leaves(stay.end + 1)), (None, Some(stay.end)));
        }
    }

    #[test]
    fn an_answer_in_a_thousand_years_costs_no_more_than_the_patience() {
        let gone = |world: &World, from| counted(|| world.leaves(3, from, Micros::MAX));
        // What is certain takes no draw.
        assert_eq!(gone(&world(day(1.0, 1.0, 0.01), None), 7), (None, 1));
        assert_eq!(gone(&world(day(0.0, 0.0, 0.01), None), 7), (Some(7), 1));
        assert_eq!(gone(&world(None, None), 7), (None, 1));
        for repeat in [1e-6, 2e-6, 0.5, 1000.0] {
            assert_eq!(gone(&traced("device,from,to\nx,0,1000\n", Some(repeat)), 1_234_567), (None, 1));
        }
        // Nearly certain: stretches of 0.6 seconds, of a minute, of a day.
        let most = u64::from(PATIENCE);
        for minutes in [0.01, 1.0, 1440.0] {
            let stretch = (minutes * 60e6) as u64;
            let (left, looks) = gone(&world(day(1.0 - 1e-15, 1.0 - 1e-15, minutes), None), 5 * stretch / 2);
            assert_eq!((left, looks), (Some((2 + most) * stretch), most), "{minutes}");
            let soon = (1 + most) * stretch;
            assert_eq!(
                world(day(1.0 - 1e-15, 1.0 - 1e-15, minutes), None).leaves(3, 5 * stretch / 2, soon),
                None
            );
        }
        // A cycle of two microseconds, and the end of all time.
        let blink = traced("device,from,to\nx,0,0.000001\n", Some(2e-6));
        assert_eq!(gone(&blink, 10), (Some(11), 2));
        assert_eq!(gone(&traced("device,from,to\nx,0,9\n", Some(10.0)), Micros::MAX - 1).1, 1);
    }

    /// As somebody finds it who looks at everybody every time.
    fn polled(world: &World, clients: u64, now: Micros, step: Micros, most: u64) -> Awaited {
        let there = |times: &u64| (0..clients).any(|c| world.is_there(c, now + times * step));
        (1..=most).find(|times| there(times)).map_or(Awaited::NotIn(most), Awaited::After)
    }

    #[test]
    fn the_first_that_is_there_is_found_where_looking_again_and_again_finds_it() {
        let mut found = 0;
        for (number, world) in worlds().iter().enumerate() {
            for clients in [1, 3, 20] {
                for now in [0, 101 * SECOND, 5000 * SECOND + 1, 11 * DAY] {
                    for (step, most) in [(MINUTE, 300), (MINUTE, 2), (SECOND, 40)] {
                        let first = world.first_there(0..clients, now, step, most, LOOKS);
                        let expected = polled(world, clients, now, step, most);
                        assert_eq!(first, expected, "{number}: {clients} {now} {step} {most}");
                        found += u32::from(matches!(first, Awaited::After(2..)));
                    }
                }
            }
        }
        assert!(found > 40, "{found}");
    }

    #[test]
    fn waiting_costs_what_can_change() {
        let (clients, most) = (1000, 43_200);
        let wait =
            |world: &World, looks| counted(|| world.first_there(0..clients, SECOND, MINUTE, most, looks));
        // Nobody is ever there, or nobody any more: everybody is looked at once.
        let short = Churn { present: 1.0, joining_days: 0.0, staying_days: 1e-15 };
        for never in [
            world(day(0.0, 0.0, 0.01), None),
            world(None, Some(short)),
            traced("device,from,to\nx,5000000,6000000\n", None),
            traced("device,from,to\nx,0,1\n", None),
            traced("device,from,to\nx,7,8\n", Some(5.0)),
        ] {
            assert_eq!(wait(&never, LOOKS), (Awaited::NotIn(most), clients));
        }
        // Stretches of a day are looked at once each, and the first time of day 29 in which somebody joins.
        let (first, looks) = wait(&world(day(1e-15, 0.0, 1440.0), None), LOOKS);
        assert_eq!((first, looks), (Awaited::NotIn(most), clients * 31));
        let late = Churn { present: 0.0, joining_days: 36_500.0, staying_days: 1e-9 };
        let (_, looks) = wait(&world(None, Some(late)), LOOKS);
        assert!(looks <= 2 * clients, "{looks}");
        // Hardly ever there, and drawn for every minute: given up.
        let (first, looks) = wait(&world(day(1e-15, 1e-15, 0.01), None), 50_500);
        assert_eq!((first, looks), (Awaited::NotIn(51), clients + 50_500));
    }

    #[test]
    fn the_share_of_time_is_that_of_sixteen_places() {
        // Places at 0, 1, ... 15 seconds, of which a is there in 0..8, b in 3 and 15, c never.
        let world = traced("device,from,to\na,0,8\nb,3,3.5\nb,14.5,20\nc,0.5,0.9\n", None);
        let shares = [0, 1, 2].map(|client| world.share_there(client, 0, 16 * SECOND));
        assert_eq!(shares, [0.5, 0.125, 0.0]);
        // Four seconds later there are 4 of the first, and those of 3 and 15 to 19.
        assert_eq!(world.share_there(0, 4 * SECOND, 16 * SECOND), 0.25);
        assert_eq!(world.share_there(1, 4 * SECOND, 16 * SECOND), 5.0 / 16.0);
    }
}
