//! The core's values: streams, samplers, kernels, messages.
//!
//! Values that only pin what this version gives; changing one is a breaking change of the contract and must be said in
//! CHANGELOG.md together with a new contract version. Where an independent generator exists (libm, `rand_distr`, sums
//! written out), the tests beside the code hold the values against it.

use sottovoce_core::lanes::{Columns, LANES};
use sottovoce_core::math::{axpy, dot, exp, max, softmax, sum};
use sottovoce_core::sampling::{
    below, bernoulli_subset, chance, dirichlet, distinct, log_gamma_draw, normal, normals, shuffle,
    uniform_f32, unit, weighted,
};
use sottovoce_core::wire::PartialHead;
use sottovoce_core::{
    Address, ClientId, Digest, EvaluationCounts, Grid, Layout, Outbound, Params, Purpose, RowBlock, Rows,
    Update, bytes, dispatch,
};

/// Holds a table against what was found; if they differ, the message is the table as it would have to be.
fn pinned(pins: &[(&str, &str)], found: &[(&str, String)]) {
    let found: String = found.iter().map(|(name, value)| format!("    ({name:?}, {value:?}),\n")).collect();
    let pins: String = pins.iter().map(|(name, value)| format!("    ({name:?}, {value:?}),\n")).collect();
    assert!(found == pins, "the values are now\n{found}");
}

/// `n` numbers between −0.5 and 0.5 that no sampler makes.
fn numbers(n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7919) % 1009) as f32 / 1009.0 - 0.5).collect()
}

fn bits(values: &[f32]) -> String {
    Digest::of(&bytes::le_bytes(values)).to_string()[..16].to_owned()
}

/// First draws of the stream at seed 2026, slot 1, round 2, client 3.
const STREAMS: &[(Purpose, u64, u32)] = &[
    (Purpose::Init, 0x3106_c223_31fe_7bff, 0xf01f_a24d),
    (Purpose::Cohort, 0xc7f6_a9bd_addf_b1e7, 0x33d5_b882),
    (Purpose::BatchOrder, 0x7ff0_b169_91ae_0430, 0x089a_6426),
    (Purpose::Partition, 0xdfa6_6f6d_fd36_6c62, 0x3c33_d38d),
    (Purpose::Corpus, 0xa56b_a3f1_a61f_19c9, 0x0575_4e4b),
    (Purpose::CorpusClient, 0xd5ef_b849_985c_169f, 0x5e7f_833c),
    (Purpose::Sample, 0x5d31_8482_8454_3d76, 0x87f7_1964),
    (Purpose::BaselineOrder, 0xd74d_bc85_bae0_898c, 0xb16f_45c2),
    (Purpose::Dropout, 0x11b7_b483_f0e1_341b, 0xcdaf_436a),
    (Purpose::Bucketing, 0xadae_211b_5e40_d73f, 0xa461_a777),
    (Purpose::Transform, 0x3207_8fbe_d84b_9e90, 0x8ab4_1239),
    (Purpose::ServerTransform, 0x0e53_0cea_7c66_d593, 0x1322_5499),
    (Purpose::Arrival, 0x0dfd_2de2_268b_26ff, 0xb92e_ede6),
    (Purpose::SignFlip, 0x4bbd_e984_f88a_6fca, 0x8899_3ead),
    (Purpose::Cluster, 0x3866_1d92_87d1_be46, 0x8ee7_81ff),
    (Purpose::Sweep, 0xdc6b_cefc_957d_4f1d, 0xe012_14a3),
    (Purpose::Device, 0xcfdc_f3cd_3d8b_740c, 0x6f67_1334),
    (Purpose::Pace, 0xb050_e29a_4494_dd39, 0x9199_5d3d),
    (Purpose::Availability, 0x0347_75e4_7a11_ea1c, 0x2b43_0c97),
    (Purpose::Churn, 0xbbbb_7ed6_0621_228e, 0xc0dd_8884),
    (Purpose::Failure, 0x8dd2_5338_d077_3b22, 0x1847_aa0e),
    (Purpose::Validation, 0xb917_b758_9847_0a21, 0xda63_2bdf),
    (Purpose::Root, 0xe523_feef_01b9_3502, 0xf682_809d),
    (Purpose::TestShare, 0x28ff_5a0f_d95e_5dfb, 0xf72b_b1aa),
    (Purpose::SecureIdentity, 0x4c95_c180_2631_172e, 0x2aef_0531),
    (Purpose::SecureKeys, 0xb1bc_452e_f865_0643, 0x8ace_b8b4),
    (Purpose::SecureShares, 0xd603_8749_9e0a_162e, 0xf9d9_a76d),
    (Purpose::SecureGraph, 0xf8ae_5a0a_f938_e870, 0x843d_07f8),
    (Purpose::Test, 0x46a4_80d6_ce0f_8c53, 0xc947_4f7d),
];

/// Does not compile with a purpose that is not named here: it needs a row in [`STREAMS`], too.
fn is_known(purpose: Purpose) -> bool {
    use Purpose::*;
    match purpose {
        Init | Cohort | BatchOrder | Partition | Corpus | CorpusClient | Sample | BaselineOrder | Dropout => {
            true
        }
        Bucketing | Transform | ServerTransform | Arrival | SignFlip | Cluster | Sweep | Test => true,
        SecureIdentity | SecureKeys | SecureShares | SecureGraph => true,
        Device | Pace | Availability | Churn | Failure | Validation | Root | TestShare => true,
    }
}

#[test]
fn streams_of_every_purpose_are_as_they_were() {
    for (purpose, long, short) in STREAMS {
        let mut s = Address::new(2026, *purpose).slot(1).round(2).client(3).stream();
        let (a, b) = (s.next_u64(), s.next_u32());
        assert!(is_known(*purpose) && (a, b) == (*long, *short), "{purpose:?}: {a:#018x}, {b:#010x}");
    }
}

/// One sampler after another on one stream.
#[test]
fn samplers_draw_what_they_drew() {
    let s = &mut Address::new(2026, Purpose::Test).stream();
    let bits = |x: f64| x.to_bits();
    assert_eq!([0; 4].map(|_| below(s, 1000)), [279, 988, 413, 442]);
    let units = [0x3fe5_7beb_5c95_d024, 0x3fe7_9e4c_9cdd_7c7c, 0x3fc3_1c3f_5c8c_8488];
    assert_eq!([0; 3].map(|_| bits(unit(s))), units);
    let floats = [0; 3].map(|_| uniform_f32(s, -1.0, 2.0).to_bits());
    assert_eq!(floats, [0xbd5b_3f10, 0x3e86_28c8, 0xbe67_5e24]);
    let coins = [true, true, false, true, false, false, false, false];
    assert_eq!(coins.map(|_| chance(s, 0.5)), coins);
    let mut order = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    shuffle(s, &mut order);
    assert_eq!(order, [6, 1, 8, 5, 3, 0, 2, 4, 7, 9]);
    assert_eq!(distinct(s, 1000, 5), [142, 262, 291, 576, 918]);
    assert_eq!(bernoulli_subset(s, 1000, 0.005), [137, 281, 736, 834]);
    assert_eq!([0; 8].map(|_| weighted(s, &[0.5, 0.2, 0.3])), [2, 1, 0, 2, 0, 2, 2, 2]);
    let singly = [0xbff2_7b41_ec52_4216, 0xbfd5_90ba_7761_1d2b, 0x3fde_b2a6_afad_e83c];
    assert_eq!([0; 3].map(|_| bits(normal(s))), singly);
    let gammas = [0xbfdd_6a11_e737_7f0a, 0x3fb1_ee18_afbf_929e, 0x4002_728a_bc20_52b9];
    assert_eq!([0.2, 1.0, 7.5].map(|shape| bits(log_gamma_draw(s, shape))), gammas);
    let point: Vec<u64> = dirichlet(s, 0.5, 3).into_iter().map(bits).collect();
    assert_eq!(point, [0x3fd1_fa60_30d6_76b9, 0x3fe2_51ad_f8c6_5832, 0x3fc2_c487_bb39_b1c8]);
    assert_eq!(s.next_u64(), 0x322e_0e8d_25a7_3f20);
    let mut block = [0.0; 70];
    normals(s, &mut block);
    let together = [
        0x3feb_995e_35d8_1fc2,
        0xbffc_8573_5742_90d9,
        0xbfed_207f_27ed_8f76,
        0x3fe3_d5b6_2280_08bc,
        0xbfe4_c215_69b4_9e3d,
        0xbfdd_25f4_91d0_8b4b,
    ];
    assert_eq!([0, 31, 32, 63, 64, 69].map(|i| bits(block[i])), together);
}

/// Arguments of `exp` and the bits of its values.
const EXPONENTIALS: &[(f32, u32)] = &[
    (-1000.0, 0x0000_0000),
    (-87.3, 0x0084_c38b),
    (-10.0, 0x383e_6bce),
    (-1.0, 0x3ebc_5ab2),
    (-0.1, 0x3f67_a36d),
    (-1e-6, 0x3f7f_ffef),
    (0.0, 0x3f80_0000),
    (1e-6, 0x3f80_0008),
    (0.3, 0x3fac_c82c),
    (0.693, 0x3fff_f65b),
    (1.0, 0x402d_f854),
    (17.7, 0x4c39_8e17),
    (88.7, 0x7f7a_37fc),
    (1000.0, 0x7f80_0000),
];

#[test]
fn exponentials_are_as_they_were() {
    let found: Vec<(f32, u32)> = EXPONENTIALS.iter().map(|(x, _)| (*x, exp(*x).to_bits())).collect();
    assert!(found == EXPONENTIALS, "{:#x?}", found.iter().map(|(_, bits)| bits).collect::<Vec<_>>());
}

dispatch! {
    /// Every kernel of `math` on one input; `y` becomes a softmax.
    fn kernels<L>(lanes: L, a: &[f32], b: &[f32], y: &mut [f32]) -> [f32; 5] {
        y.copy_from_slice(a);
        axpy(y, 0.37, b);
        let logarithm = softmax(lanes, y);
        let mut folded = [0.0; LANES];
        folded.copy_from_slice(&b[..LANES]);
        [logarithm, dot(lanes, a, b), sum(lanes, a), max(b), lanes.load(&folded).fold()]
    }
}

/// Kernels of `math` and `bytes` on vectors of 16 to 77 numbers.
const KERNELS: &[(&str, &str)] = &[
    ("16", "9bdca61c96aed096 3ff230484b38ecac 3eef4134"),
    ("37", "fc0476cb7d56a343 400985729eb1f97a 3efbf0c6"),
    ("64", "43de404394c296fe 4015ef7c2be694d0 3efbf0c6"),
    ("77", "1c9531b44917e1f6 401a47ca2b14dee1 3ef9e92a"),
];

#[test]
fn kernels_give_the_bits_that_they_gave() {
    let mut found = Vec::new();
    for (name, n) in [("16", 16), ("37", 37), ("64", 64), ("77", 77)] {
        let (all, mut y) = (numbers(2 * n), vec![0.0; n]);
        let (a, b) = all.split_at(n);
        let five = kernels(a, b, &mut y);
        y.extend_from_slice(&five);
        let norm = bytes::squared_norm(&bytes::le_bytes(b)).to_bits();
        let largest = bytes::largest_magnitude(&bytes::le_bytes(b));
        found.push((name, format!("{} {norm:016x} {largest:08x}", bits(&y))));
    }
    pinned(KERNELS, &found);
}

/// BLAKE3 of whole messages, and of the schema and the parameters that they name.
const MESSAGES: &[(&str, &str)] = &[
    ("schema", "0fb65657d05ba8db22226378b3e23455cb30a975b5b39d822ae25490029def06"),
    ("parameters", "8833236d0c279d5d8f8c97e97db59511665fd55746fdbc692bab7994762a026f"),
    ("update, dense", "07c2ec4ac0c639e6a6488732d1e20d3aef5c463352bedc0f0bef3329e0bd7542"),
    ("update, sparse", "926f8bfb6e79bfd9b82f9df214ae2f331e50dd423ca0ff78e03277ca1c053152"),
    ("counts of an evaluation", "4b2c0f9f8a80b26d627e720b5a34d487f7424d847a99efa182cae17fd91f20a4"),
    ("partial sum", "d55e0918a60a0159b3ba10d59490e8f175318de589622b8dac1025f264ca251c"),
];

#[test]
fn messages_have_the_bytes_that_they_had() {
    let layout = Layout::new(&[("table", 9, 3), ("output", 2, 5), ("bias", 1, 5)]).unwrap();
    let params = Params::from_values(layout.clone(), numbers(layout.params())).unwrap();
    let update = |rows: Rows, n: usize| {
        let delta = RowBlock::new(layout.clone(), rows, numbers(n)).unwrap();
        Update {
            client: ClientId(7),
            round: 3,
            exchange: 0,
            base: params.checksum(),
            weight: 40,
            loss: 1.25,
            delta,
        }
    };
    let message = |of: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = Vec::new();
        of(&mut bytes);
        Digest::of(&bytes).to_string()
    };
    let dense = update(Rows::All, layout.params());
    let rows: Vec<u32> = layout.touched(&[1, 4, 8]);
    let sparse = update(Rows::Some(rows.clone().into()), layout.params_in(rows.iter().copied()));
    let counts = EvaluationCounts { client: ClientId(7), round: 3, examples: 12, correct: 9 };
    let sums: Vec<i64> = (0..24).map(|i| (i - 11) * 0x0123_4567_89ab).collect();
    let partial = PartialHead {
        round: 3,
        base: params.checksum(),
        schema: layout.schema(),
        cap: 64,
        grid: Grid::default(),
        weight: 100,
        updates: 5,
        bound: 1 << 45,
        rows: Some(rows.len() as u32),
    };
    let found = [
        ("schema", layout.schema().to_string()),
        ("parameters", params.digest().to_string()),
        ("update, dense", message(&|out| _ = dense.encode(out))),
        ("update, sparse", message(&|out| _ = sparse.encode(out))),
        ("counts of an evaluation", message(&|out| _ = counts.encode(out))),
        ("partial sum", message(&|out| partial.encode(&rows, sums.iter().copied(), out))),
    ];
    pinned(MESSAGES, &found);
}
