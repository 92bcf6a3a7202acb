//! `cargo bench -p sottovoce-secure -- [CLIENTS DIMENSION NEIGHBOURS DROPPED]`: what masking costs beside ChaCha20's own key
//! stream, in one run, and a whole round. Without arguments 100 clients, 1,000,000 elements of 4 bytes, all others as
//! neighbours, nobody dropped. `DROPPED` clients send no vector.

#![allow(clippy::disallowed_methods, clippy::print_stdout)] // A figure about the run, for people.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use sottovoce_core::ClientId;
use sottovoce_secure::client::Advertised;
use sottovoce_secure::server::Advertising;
use sottovoce_secure::{Cast, Entropy, Graph, Kind, Parameters, Plan, Session, rehearse};
use std::hint::black_box;
use std::time::Instant;

fn seconds<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed().as_secs_f64(), result)
}

/// Seconds that this thread had a processor, where Linux says so: others that want one do not count.
fn processor_seconds<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let on = || {
        std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse::<f64>().ok()
    };
    let before = on();
    let (time, result) = seconds(work);
    (before.zip(on()).map_or(time, |(before, after)| 1e-9 * (after - before)), result)
}

/// Seconds that all threads together had a processor so far, where Linux says so.
fn of_all_threads() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let ticks = stat.rsplit_once(')')?.1.split_whitespace().skip(11).take(2).map(|t| t.parse::<f64>().ok());
    Some(ticks.collect::<Option<Vec<f64>>>()?.iter().sum::<f64>() / 100.0)
}

/// Seconds for a byte of key stream, made in place over a buffer that stays in the first-level cache.
fn keystream(bytes: usize) -> f64 {
    let mut buffer = vec![0u8; 16 * 1024];
    let mut cipher = ChaCha20::new(&[1; 32].into(), &[0; 12].into());
    let (time, ()) = processor_seconds(|| {
        for _ in 0..bytes / buffer.len() {
            cipher.apply_keystream(black_box(&mut buffer));
        }
    });
    time / (bytes / buffer.len() * buffer.len()) as f64
}

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let number = |at: usize, or: usize| numbers.get(at).copied().unwrap_or(or);
    let (n, dimension) = (number(0, 100), number(1, 1_000_000));
    let (neighbours, dropped) = (number(2, n - 1), number(3, 0));
    let members: Vec<ClientId> = (0..n as u64).map(ClientId).collect();
    let threshold = neighbours / 2 + 1;
    let graph = if neighbours + 1 == n { Graph::Complete } else { Graph::Regular { neighbours } };
    let threshold = if graph == Graph::Complete { n / 2 + 1 } else { threshold };
    let parameters = Parameters { graph, threshold, minimum: threshold.max(2) };
    let entropy = Entropy::simulated(1);
    let cast = Cast::draw(&members, &entropy).expect("clients are different");
    let session = Session { run: [0; 32], round: 0, exchange: 0 };
    let plan = Plan::<u32>::new(session, &members, dimension, parameters, 1).expect("a plan that can be");
    let vector: Vec<u32> = (0..dimension as u32).collect();

    // One client's masking, twenty times, each beside as much of the bare key stream.
    let join = |client: ClientId| {
        let identity = cast.identity(client).expect("everybody has one");
        Advertised::join(plan.clone(), identity, cast.registry(), entropy).expect("a member joins")
    };
    let mut server = Advertising::open(plan.clone(), cast.registry());
    for client in &members {
        server.receive(&join(*client).1).expect("signed keys");
    }
    let mut server = server.close().expect("everybody is there");
    for client in &members {
        let roster = server.roster(*client).expect("it sent keys");
        server.receive(&join(*client).0.share(&roster).expect("an honest roster").1).expect("honest shares");
    }
    let roster = server.roster(members[0]).expect("it sent keys");
    let server = server.close().expect("everybody is there");
    let inbox = server.inbox(members[0]).expect("it sent shares");
    let stream = 4 * dimension * (neighbours + 1);
    let (mut bare, mut masking) = (f64::MAX, f64::MAX);
    for _ in 0..20 {
        bare = bare.min(keystream(stream));
        let (shared, _) = join(members[0]).0.share(&roster).expect("an honest roster");
        let (time, masked) = processor_seconds(|| shared.mask(&inbox, &vector));
        black_box(masked.expect("an honest inbox"));
        masking = masking.min(time / stream as f64);
    }
    println!(
        "masking a vector with {} masks: {:.2} GB/s of mask; ChaCha20 alone: {:.2} GB/s; ratio {:.2} (best of 20)",
        neighbours + 1,
        1e-9 / masking,
        1e-9 / bare,
        bare / masking
    );

    for _ in 0..2 {
        let gone = |c: ClientId| ((c.0 as usize) < dropped).then_some(Kind::Masked);
        let before = of_all_threads();
        let (time, played) = seconds(|| rehearse(&plan, &cast, entropy, |_| vector.clone(), gone));
        let sum = played.sum.expect("enough clients are left");
        assert_eq!(sum.values()[1], (n - dropped) as u32);
        println!(
            "round: {n} clients, {dimension} elements of 4 bytes, {neighbours} neighbours, {dropped} dropped, {} threads: \
             {time:.3} s, {:.2} s of processors; up {:.2} MB a client",
            rayon::current_num_threads(),
            of_all_threads().zip(before).map_or(f64::NAN, |(after, before)| after - before),
            played.up as f64 / 1e6 / n as f64
        );
    }
}
