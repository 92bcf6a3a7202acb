//! The grid of the streaming sum: any that fits, and the integers that a client makes by itself.

mod small;

use small::{CAP, add, layout, update};
use sottovoce_aggregator::{Aggregation, Part, PartialSum, Rejection, finish};
use sottovoce_core::sampling::{below, uniform_f32};
use sottovoce_core::wire::PartialView;
use sottovoce_core::{Address, Checksum, Format, Grid, Purpose, Rows};

const GRIDS: [(u32, u32); 5] = [(40, 11), (20, 4), (12, 0), (0, 20), (51, 0)];

/// In a secure round a client rounds its own values and the server adds what it cannot read: both have to be the same
/// integers, and the same mean.
#[test]
fn the_servers_integers_are_those_that_clients_make() {
    let mut s = Address::new(11, Purpose::Test).stream();
    let (base, params) = (Checksum::of(b"base"), layout().params());
    for (bits, range) in GRIDS {
        let grid = Grid::new(bits, range).unwrap();
        let cap = CAP.next_power_of_two();
        let (mut server, mut clients) = (PartialSum::on(grid, layout(), CAP), vec![0i64; params]);
        let mut total = 0;
        for client in 0..20 {
            let weight = 1 + below(&mut s, CAP);
            let most = 0.9 * (1u64 << range) as f32;
            let values: Vec<f32> = (0..params).map(|_| uniform_f32(&mut s, -most, most)).collect();
            let mut own = vec![0; params];
            grid.encode(&values, grid.factor(weight, cap), &mut own).unwrap();
            clients.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
            add(&mut server, &update(client, weight, Rows::All, values)).unwrap();
            total += weight;
        }
        let message = server.message(4, base);
        assert!(PartialView::parse(&message, &layout()).unwrap().sums().eq(clients.iter().copied()));
        let means: Vec<f32> = clients.iter().map(|sum| grid.mean(*sum, total, cap)).collect();
        assert_eq!(finish(&[&server]).unwrap().delta.values(), means);
    }
}

/// A coarser grid is nothing else: within half a unit of each product, and refused from its own range on.
#[test]
fn a_coarse_grid_rounds_as_it_says_and_refuses_what_it_cannot_hold() {
    let grid = Grid::new(8, 3).unwrap();
    let mut sum = PartialSum::on(grid, layout(), 1);
    let values: Vec<f32> = (0..20).map(|i| i as f32 / 7.0).collect();
    add(&mut sum, &update(1, 1, Rows::All, values.clone())).unwrap();
    for (mean, value) in finish(&[&sum]).unwrap().delta.values().iter().zip(&values) {
        assert!((mean - value).abs() <= 0.5 / 256.0 && (mean * 256.0).fract() == 0.0, "{mean} for {value}");
    }
    let refused = |value: f32| {
        let mut values = vec![0.0; 20];
        values[7] = value;
        add(&mut PartialSum::on(grid, layout(), 1), &update(1, 1, Rows::All, values)).map_err(|e| e.reason())
    };
    assert_eq!(
        (refused(7.99), refused(8.0), refused(-8.0)),
        (Ok(()), Err("out_of_range"), Err("out_of_range"))
    );
    match add(&mut PartialSum::on(grid, layout(), 1), &update(1, 1, Rows::All, vec![9.0; 20])) {
        Err(Rejection::OutOfRange { coordinate, limit, .. }) => assert_eq!((coordinate, limit), (0, 8.0)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn parts_of_another_grid_are_refused_or_never_made() {
    let base = Checksum::of(b"base");
    let coarse = Grid::new(20, 4).unwrap();
    let mut edge = PartialSum::on(coarse, layout(), CAP);
    add(&mut edge, &update(1, 5, Rows::All, vec![1.0; 20])).unwrap();
    let message = edge.message(4, base);
    let why = PartialSum::new(layout(), CAP).receive_edge(4, base, &message).unwrap_err();
    assert_eq!(why, Rejection::OtherGrid { expected: Grid::default(), got: coarse });
    assert!(PartialSum::on(coarse, layout(), CAP).receive_edge(4, base, &message).is_ok());
    // A round's parts have the round's grid.
    let aggregation = Aggregation { grid: coarse, ..Aggregation::mean(CAP) };
    let Part::Sum(mut part) = aggregation.part(&Format::delta(layout())) else { panic!("a mean is a sum") };
    assert!(part.receive_edge(4, base, &message).is_ok());
}
