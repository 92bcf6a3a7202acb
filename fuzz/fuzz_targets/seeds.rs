//! Writes a corpus of seeds, `corpus/TARGET/…`: good input of each kind, made by the library itself. Run in this folder.

use sottovoce_aggregator::{Memory, PartialSum};
use sottovoce_core::wire::UpdateView;
use sottovoce_core::{Checksum, ClientId, Digest, Layout, Outbound, Params, RowBlock, Rows, Update};
use sottovoce_simulation::{Best, Chain, Clock, Mark, Standing, State, States};
use std::error::Error;
use std::fs;
use std::path::Path;

fn put(target: &str, name: &str, content: impl AsRef<[u8]>) -> Result<(), Box<dyn Error>> {
    let folder = Path::new("corpus").join(target);
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join(name), content)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    for (name, text) in [
        ("quickstart", include_str!("../../examples/quickstart.toml")),
        ("stragglers", include_str!("../../examples/stragglers.toml")),
        ("scenario", include_str!("../../tests/matrix/scenario.toml")),
    ] {
        put("configuration", name, text)?;
    }
    put(
        "configuration",
        "overrides",
        "rounds.count=20\nalgorithm={kind=\"scaffold\"}\nrounds.cohort.size=3",
    )?;

    for (name, text) in [
        (
            "lines",
            "{\"text\":\"where is my refund\",\"intent\":\"refund\",\"lang\":\"en\",\"client\":\"a\"}\n",
        ),
        (
            "turns",
            "{\"id\":1,\"turns\":[{\"speaker\":\"customer\",\"text\":\"hi\"}],\"intent\":\"a\",\"lang\":\"en\"}\n",
        ),
        ("chat", "[{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"intent\":\"a\"}]"),
        ("table", "text,intent,timestamp\n\"a, \"\"b\"\"\",c,2024-01-01\n退款,d,1700000000\n"),
        ("semicolons", "sep=;\nUtterance;Label\na;b\n"),
        ("tabs", "text\tintent\na\tb\n"),
        ("clinc", "{\"oos_val\": [[\"a\", \"oos\"]]}"),
        ("crosswoz", "{\"1\": {\"sys-usr\": [1, 2], \"messages\": []}}"),
        ("sgd", "[{\"services\": [], \"dialogue_id\": \"1\", \"turns\": []}]"),
        ("abcd", "{\"train\": [{\"convo_id\": 1, \"scenario\": {}}]}"),
    ] {
        put("readers", name, text)?;
    }
    put(
        "readers",
        "utf16",
        "\u{feff}text,intent\na,b\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>(),
    )?;

    for (name, kind, shape, bytes) in
        [("npy", "f4", "2, 2", 16), ("npy-half", "f2", "3, 4", 24), ("npy-empty", "f8", "999999999999, 0", 0)]
    {
        let header = format!("{{'descr': '<{kind}', 'fortran_order': False, 'shape': ({shape}), }}\n");
        let front =
            [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat();
        put("arrays", name, [front, vec![0; bytes]].concat())?;
    }
    let header = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";
    put(
        "arrays",
        "safetensors",
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 8]].concat(),
    )?;

    // As the target of messages has it.
    let (layout, base) = (Layout::new(&[("w", 6, 2), ("b", 1, 3)])?, Checksum::of(b"p"));
    for (name, rows, n) in [("dense", Rows::All, 15), ("sparse", Rows::Some(vec![1, 4, 6].into()), 7)] {
        let delta = RowBlock::new(layout.clone(), rows, vec![0.25; n])?;
        let mut message = Vec::new();
        Update { client: ClientId(1), round: 0, exchange: 0, base, weight: 3, loss: 0.5, delta }
            .encode(&mut message);
        let mut edge = PartialSum::new(layout.clone(), 100);
        edge.add(&UpdateView::parse(&message, &layout)?)?;
        put("messages", name, &message)?;
        put("messages", &format!("edge-{name}"), edge.message(0, base))?;
    }

    put("lock", "lock", include_str!("../../tests/matrix/scaffold.lock"))?;
    put("directory", "nothing", [0])?;
    put("directory", "all", [&[63][..], b"{}\0name = \"a\"\0{}\n\0{}\n\0{}\0abc  rounds.jsonl\n"].concat())?;
    // As the target of checkpoints has it, which puts the digest behind it.
    let layout = Layout::new(&[("weight", 3, 2)])?;
    let (digest, start) = (Digest::of(b"d"), Chain::start(Digest::of(b"d"), base));
    let standing = Standing {
        config: digest,
        inputs: digest,
        start,
        chain: start,
        journals: [Mark { bytes: 1, digest }; 2],
    };
    let mut state = State {
        round: 3,
        params: Params::from_values(layout, vec![0.5; 6]).ok_or("six values")?,
        clients: States::default(),
        clock: Clock::default(),
        best: Some(Best { rounds: 2, params: vec![0.25; 6].into() }),
        memory: Memory::default(),
    };
    state.clients.put(2, vec![1, 2, 3])?;
    state.clients.put(9, vec![4; 5])?;
    let mut whole = Vec::new();
    standing.write_to(&state, &[9; 3], &mut whole)?;
    put("checkpoint", "whole", &whole[..whole.len() - digest.0.len()])?;
    for (i, line) in
        include_str!("../../crates/transcripts/tests/data/pii_kinds.jsonl").lines().enumerate().step_by(7)
    {
        put("redaction", &format!("{i}"), line)?;
    }
    Ok(())
}
