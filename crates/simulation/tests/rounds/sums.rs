//! What servers keep is the sum of what clients keep, whatever happens on the way: control variates of SCAFFOLD and FedDyn.

use crate::common::population::Desks;
use crate::common::run::DeskEngine;
use sottovoce_algorithms::scaffold::Control;
use sottovoce_algorithms::{FedDyn, Scaffold};
use sottovoce_core::{Address, AnyAlgorithm, ClientId, Population, RowBlock, Transform, Values};
use sottovoce_simulation::world::DeviceClass;
use sottovoce_simulation::{Cohort, Engine, Late, Pace, Plan, World, WorldConfig};

/// Halves what it is given and cuts off some rows.
struct Harsh;

impl Transform for Harsh {
    fn client(&self, _at: Address, block: &mut RowBlock) {
        block.values_mut().iter_mut().for_each(|v| *v = 0.5 * *v + 0.01);
        block.retain_rows(|row| row % 3 != 1);
    }
}

/// `Σ share_i · state_i` over the population, in `f64`, over all parameters.
fn total(engine: &DeskEngine<'_>, desks: &Desks<'_>, share: impl Fn(u64) -> f64) -> Vec<f64> {
    let layout = engine.params().layout();
    let mut sum = vec![0.0; layout.params()];
    for client in 0..desks.clients() {
        let own = engine.state().clients.get::<Values>(client).unwrap();
        let rows = desks.shards[client as usize].rows.iter().copied();
        for (place, v) in layout.ranges(rows).flatten().zip(own.iter()) {
            sum[place] += share(client) * f64::from(*v);
        }
    }
    sum
}

/// Steps through clients that drop out, answers that are refused, transforms, and time; after each round `holds`.
fn whatever_happens(algorithm: &dyn AnyAlgorithm, holds: impl Fn(&DeskEngine<'_>, &Desks<'_>)) {
    let desks = || Desks::new(algorithm, 14, 3);
    let devices = vec![DeviceClass { pace_spread: 0.7, ..DeviceClass::default() }];
    let config = WorldConfig { devices, loses_answer: 0.2, fails_training: 0.1, ..WorldConfig::default() };
    let world = World::new(config, None, 1, 1);
    let over = Pace::Synchronous { over_selection: 1.5, deadline_seconds: None, late: Late::Drop };
    for case in 0..4 {
        let desks = match case {
            0 => desks(),
            1 => desks().transforming(vec![Box::new(Harsh)]),
            2 => desks().tampering(|update| {
                if update.client.0 % 4 == 1 {
                    update.delta.values_mut()[0] = f32::NAN;
                }
            }),
            _ => desks().transforming(vec![Box::new(Harsh)]),
        };
        let plan = Plan { dropout: 0.2, ..Plan::mean(3, Cohort::Uniform { size: 6 }, 64) };
        let plan = if case == 3 { Plan { world: Some(&world), pace: over, ..plan } } else { plan };
        let mut engine = Engine::new(algorithm, &desks, plan, desks.start());
        for _ in 0..12 {
            engine.step().unwrap();
            holds(&engine, &desks);
        }
    }
}

fn close(sum: &[f64], kept: &[f32], what: &str) {
    let largest = sum.iter().fold(0.0f64, |most, v| most.max(v.abs()));
    assert!(largest > 1e-3, "{what}: nothing to see");
    let apart = sum.iter().zip(kept).fold(0.0f64, |most, (a, b)| most.max((a - f64::from(*b)).abs()));
    assert!(apart <= 1e-5 * largest, "{what}: {apart} of {largest}");
}

#[test]
fn the_servers_control_variate_is_the_weighted_sum_of_the_clients() {
    for option in [1, 2] {
        whatever_happens(&Scaffold { option, server_lr: 1.0 }, |engine, desks| {
            let examples = |client| desks.examples(ClientId(client)) as f64;
            let all: f64 = (0..desks.clients()).map(examples).sum();
            let sum = total(engine, desks, |client| examples(client) / all);
            let server = engine.algorithm().server().downcast_ref::<Control>().unwrap();
            close(&sum, server.values(), "scaffold");
        });
    }
}

#[test]
fn feddyns_server_keeps_the_mean_of_what_clients_keep() {
    whatever_happens(&FedDyn { alpha: 0.1 }, |engine, desks| {
        let sum = total(engine, desks, |_| 1.0 / desks.clients() as f64);
        close(&sum, engine.algorithm().server().downcast_ref::<Values>().unwrap(), "feddyn");
    });
}
