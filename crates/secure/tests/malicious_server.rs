//! What a server may not ask: a client refuses it, by name, and nothing comes back.

mod common;

use common::steps::{Players, Steps, ask, body, entries, ids, message, refusal};
use common::{SESSION, plan};
use ed25519_dalek::{Signer, SigningKey};
use sottovoce_core::ClientId;
use sottovoce_secure::client::{Advertised, Refusal};
use sottovoce_secure::{Cast, Graph, Kind, MessageError, Parameters, Session};

/// Five clients, four needed.
fn complete() -> Steps {
    Steps::new(plan(5, 40, Parameters::complete(5)))
}

/// Nine on a ring with four neighbours each, three needed.
fn ring() -> Steps {
    Steps::new(plan(9, 40, Parameters { graph: Graph::Regular { neighbours: 4 }, threshold: 3, minimum: 5 }))
}

/// The victim's stage, out of a new exchange each time.
fn take<S>(mut players: Players<S>, client: ClientId) -> S {
    players.remove(&client).unwrap()
}

/// Somebody who is no neighbour.
fn stranger(steps: &Steps, victim: ClientId) -> ClientId {
    let partners = steps.plan.partners(victim);
    *steps.plan.members().iter().find(|c| **c != victim && !partners.contains(c)).unwrap()
}

#[test]
fn a_message_of_another_time_or_place_is_refused_at_every_stage() {
    let steps = complete();
    let (me, other) = (steps.plan.members()[0], steps.plan.members()[1]);
    let server = ClientId::SERVER;
    let round = Session { round: 9, ..SESSION };
    let exchange = Session { exchange: 0, ..SESSION };
    let run = Session { run: [1; 32], ..SESSION };
    for (kind, asked, earlier) in [
        (0, Kind::Roster, Kind::Survivors),
        (1, Kind::Inbox, Kind::Roster),
        (2, Kind::Survivors, Kind::Inbox),
        (3, Kind::Request, Kind::Survivors),
    ] {
        let answer = |message: &[u8]| {
            let mut steps = complete();
            match kind {
                0 => refusal(take(steps.keys(&[]).0, me).share(message)),
                1 => {
                    let vector = steps.vector(me);
                    refusal(take(steps.shares(&[]).0, me).mask(message, &vector))
                }
                2 => refusal(take(steps.vectors(&[]).0, me).confirm(message)),
                _ => refusal(take(steps.confirmations(&[]).0, me).reveal(message)),
            }
        };
        let cases = [
            (message(asked, round, server, me, &[]), MessageError::Round { expected: 2, got: 9 }),
            (message(asked, exchange, server, me, &[]), MessageError::Exchange { expected: 1, got: 0 }),
            (message(asked, run, server, me, &[]), MessageError::Run),
            (message(asked, SESSION, other, me, &[]), MessageError::Source { expected: server, got: other }),
            (ask(asked, other, &[]), MessageError::Destination { expected: me, got: other }),
            // A stage's message of before, or one of later, is not its own: nothing is answered twice.
            (ask(earlier, me, &[]), MessageError::Kind { expected: asked, got: earlier as u16 }),
            (vec![], MessageError::Truncated { needed: 92, got: 0 }),
            (ask(asked, me, &[7]), MessageError::Body { kind: asked, got: 1 }),
        ];
        for (message, error) in cases {
            assert_eq!(answer(&message), Some(Refusal::Message(error)), "{asked:?}");
        }
    }
}

#[test]
fn keys_are_taken_from_neighbours_once_and_signed() {
    let mut steps = ring();
    let me = steps.plan.members()[0];
    let (_, server) = steps.keys(&[]);
    let roster = entries(body(&server.roster(me).unwrap()), 128);
    let far = stranger(&steps, me);
    let share = |list: Vec<Vec<u8>>| refusal(steps.join(me).0.share(&ask(Kind::Roster, me, &list.concat())));
    assert_eq!(share(roster.clone()), None);

    let first = ClientId(u64::from_le_bytes(*roster[0].first_chunk().unwrap()));
    let mut twice = roster.clone();
    twice.push(roster[0].clone());
    assert_eq!(share(twice), Some(Refusal::DuplicateSender(first)));
    for unknown in [far, me, ClientId(4_000_000)] {
        let mut more = roster.clone();
        more.push(roster[0].clone());
        more.last_mut().unwrap()[..8].copy_from_slice(&unknown.0.to_le_bytes());
        assert_eq!(share(more), Some(Refusal::UnknownSender(unknown)));
    }
    // Another cipher key, another mask key, another signature, another client's keys.
    for place in [8, 8 + 32, 8 + 64] {
        let mut changed = roster.clone();
        changed[0][place] ^= 1;
        assert_eq!(share(changed), Some(Refusal::BadSignature(first)));
    }
    let mut swapped = roster.clone();
    let keys = swapped[1][8..].to_vec();
    swapped[0][8..].copy_from_slice(&keys);
    assert_eq!(share(swapped), Some(Refusal::BadSignature(first)));
    // Keys that the same client signed for the round before.
    let before = Session { round: 1, ..SESSION };
    let before =
        sottovoce_secure::Plan::<u32>::new(before, steps.plan.members(), 40, *steps.plan.parameters(), 77);
    let entropy = sottovoce_secure::Entropy::simulated(1);
    let identity = steps.cast.identity(first).unwrap();
    let (_, old) = Advertised::join(before.unwrap(), identity, steps.cast.registry(), entropy).unwrap();
    let mut replayed = roster.clone();
    replayed[0][8..].copy_from_slice(body(&old));
    assert_eq!(share(replayed), Some(Refusal::BadSignature(first)));

    assert_eq!(share(roster[..3].to_vec()), None);
    assert_eq!(share(roster[..2].to_vec()), Some(Refusal::TooFewHolders { needed: 3, got: 2 }));
    assert_eq!(share(Vec::new()), Some(Refusal::TooFewHolders { needed: 3, got: 0 }));
}

/// A corrupted neighbour signs keys with which everybody shares the same secret.
#[test]
fn keys_that_share_nothing_are_refused_though_signed() {
    let secrets: Vec<[u8; 32]> = (1..=3).map(|i| [i; 32]).collect();
    let members: Vec<ClientId> = (1..=3).map(ClientId).collect();
    let signing: Vec<SigningKey> = secrets.iter().map(SigningKey::from_bytes).collect();
    let keys = members.iter().zip(&signing).map(|(c, k)| (*c, k.verifying_key().to_bytes()));
    let registry = sottovoce_secure::Registry::new(keys).unwrap();
    let plan = sottovoce_secure::Plan::<u32>::new(SESSION, &members, 4, Parameters::complete(3), 1).unwrap();
    let entropy = sottovoce_secure::Entropy::simulated(1);
    let join = |i: usize| {
        let identity = sottovoce_secure::Identity::from_secret(members[i], &secrets[i]).into();
        Advertised::join(plan.clone(), identity, registry.clone(), entropy).unwrap()
    };
    let (honest, corrupted) = (join(1), join(2));
    // Its own statement, with one key or the other replaced by the point 0.
    let signed = |zero: std::ops::Range<usize>| {
        let mut keys = body(&corrupted.1)[..64].to_vec();
        keys[zero].fill(0);
        let statement =
            [b"sottovoce secure keys 1", &plan.digest().0[..], &3u64.to_le_bytes(), &keys].concat();
        let signature = signing[2].sign(&statement).to_bytes();
        [&2u64.to_le_bytes()[..], body(&honest.1), &3u64.to_le_bytes(), &keys, &signature].concat()
    };
    let bad = Some(Refusal::BadKey(ClientId(3)));
    assert_eq!(refusal(join(0).0.share(&ask(Kind::Roster, members[0], &signed(0..32)))), bad);
    // The mask key is used when the neighbour's shares are there.
    let (shared, _) = join(0).0.share(&ask(Kind::Roster, members[0], &signed(32..64))).unwrap();
    let seal = |from: usize| {
        let keys: Vec<Vec<u8>> = (0..3)
            .filter(|i| *i != from)
            .map(|i| [&members[i].0.to_le_bytes()[..], body(&join(i).1)].concat())
            .collect();
        let (_, shares) = join(from).0.share(&ask(Kind::Roster, members[from], &keys.concat())).unwrap();
        let mut entry = entries(&body(&shares)[32..], 80)[0].clone();
        assert_eq!(entry[..8], 1u64.to_le_bytes());
        entry[..8].copy_from_slice(&members[from].0.to_le_bytes());
        entry
    };
    let inbox = [seal(1), seal(2)].concat();
    assert_eq!(refusal(shared.mask(&ask(Kind::Inbox, members[0], &inbox), &[0; 4])), bad);
}

#[test]
fn shares_are_taken_from_those_whose_keys_came_once_and_unchanged() {
    let mut steps = ring();
    let me = steps.plan.members()[0];
    let (players, server) = steps.shares(&[]);
    drop(players);
    let inbox = entries(body(&server.inbox(me).unwrap()), 80);
    let vector = steps.vector(me);
    let roster = steps.log.iter().find(|(_, to, _)| *to == me).unwrap().2.clone();
    let mask = |list: Vec<Vec<u8>>, vector: &[u32]| {
        let (shared, _) = steps.join(me).0.share(&roster).unwrap();
        refusal(shared.mask(&ask(Kind::Inbox, me, &list.concat()), vector))
    };
    assert_eq!(mask(inbox.clone(), &vector), None);
    assert_eq!(mask(inbox.clone(), &vector[1..]), Some(Refusal::Dimension { expected: 40, got: 39 }));

    let owner = |i: usize| ClientId(u64::from_le_bytes(*inbox[i].first_chunk().unwrap()));
    let mut twice = inbox.clone();
    twice.push(inbox[2].clone());
    assert_eq!(mask(twice, &vector), Some(Refusal::DuplicateSender(owner(2))));
    for unknown in [stranger(&steps, me), me, ClientId::SERVER] {
        let mut more = inbox.clone();
        more[0][..8].copy_from_slice(&unknown.0.to_le_bytes());
        assert_eq!(mask(more, &vector), Some(Refusal::UnknownSender(unknown)));
    }
    for place in [8, 8 + 79] {
        let mut changed = inbox.clone();
        changed[1][place] ^= 0x80;
        assert_eq!(mask(changed, &vector), Some(Refusal::Seal(owner(1))));
    }
    // One owner's shares under another's name.
    let mut swapped = inbox.clone();
    let sealed = swapped[1][8..].to_vec();
    swapped[0][8..].copy_from_slice(&sealed);
    assert_eq!(mask(swapped, &vector), Some(Refusal::Seal(owner(0))));
    // This client's own, sent back to it.
    let own = steps.log.iter().find(|(from, _, m)| *from == me && m[6] == Kind::Shares as u8).unwrap();
    let mut reflected = inbox.clone();
    reflected[0][8..].copy_from_slice(&entries(&body(&own.2)[32..], 80)[0][8..]);
    assert_eq!(mask(reflected, &vector), Some(Refusal::Seal(owner(0))));
    assert_eq!(mask(inbox[..3].to_vec(), &vector), None);
    assert_eq!(mask(inbox[..2].to_vec(), &vector), Some(Refusal::TooFewHolders { needed: 3, got: 2 }));
}

/// A neighbour whose keys this client never got cannot have shared anything.
#[test]
fn shares_of_somebody_whose_keys_never_came_are_refused() {
    let mut steps = complete();
    let me = steps.plan.members()[0];
    let (_, server) = steps.shares(&[]);
    let inbox = server.inbox(me).unwrap();
    let roster = steps.log.iter().find(|(_, to, _)| *to == me).unwrap().2.clone();
    let fewer = entries(body(&roster), 128)[..3].concat();
    let (shared, _) = steps.join(me).0.share(&ask(Kind::Roster, me, &fewer)).unwrap();
    let last = *steps.plan.members().last().unwrap();
    assert_eq!(refusal(shared.mask(&inbox, &steps.vector(me))), Some(Refusal::UnknownSender(last)));
}

#[test]
fn a_set_of_survivors_must_be_one() {
    let confirm = |make: fn() -> Steps, set: &[ClientId], unshared: &[ClientId]| {
        let mut steps = make();
        let me = steps.plan.members()[0];
        refusal(take(steps.vectors_of(&[], unshared).0, me).confirm(&ask(Kind::Survivors, me, &ids(set))))
    };
    let all = complete().plan.members().to_vec();
    assert_eq!(confirm(complete, &all, &[]), None);
    assert_eq!(confirm(complete, &all[..4], &[]), None);
    assert_eq!(confirm(complete, &all[1..], &[]), Some(Refusal::LeftOut));
    assert_eq!(confirm(complete, &all[..3], &[]), Some(Refusal::TooFewSurvivors { needed: 4, got: 3 }));
    assert_eq!(confirm(complete, &all[..1], &[]), Some(Refusal::TooFewSurvivors { needed: 4, got: 1 }));
    let twice = [&all[..4], &all[..1]].concat();
    assert_eq!(confirm(complete, &twice, &[]), Some(Refusal::DuplicateSender(all[0])));
    let unknown = [&all[..4], &[ClientId(123_456)]].concat();
    assert_eq!(confirm(complete, &unknown, &[]), Some(Refusal::UnknownSender(ClientId(123_456))));
    // Who has shared no mask with this client cannot be in a sum with it.
    assert_eq!(confirm(complete, &all, &all[4..]), Some(Refusal::UnknownSender(all[4])));
    assert_eq!(confirm(complete, &all[..4], &all[4..]), None);

    // On a ring enough of the neighbours, not only of all.
    let steps = ring();
    let (members, partners) = (steps.plan.members().to_vec(), steps.plan.partners(steps.plan.members()[0]));
    let few: Vec<_> = members.iter().filter(|c| !partners[..2].contains(c)).copied().collect();
    assert!(few.len() > 5);
    assert_eq!(confirm(ring, &few, &[]), Some(Refusal::TooFewHolders { needed: 3, got: 2 }));
    let enough: Vec<_> = members.iter().filter(|c| !partners[..1].contains(c)).copied().collect();
    assert_eq!(confirm(ring, &enough, &[]), None);
}

/// A request, part by part.
#[derive(Clone)]
struct Request {
    signatures: Vec<Vec<u8>>,
    survivors: Vec<ClientId>,
    dropped: Vec<ClientId>,
}

impl Request {
    fn bytes(&self) -> Vec<u8> {
        let lengths = [self.signatures.len() as u32, self.survivors.len() as u32];
        let lengths: Vec<u8> = lengths.iter().flat_map(|l| l.to_le_bytes()).collect();
        [lengths, self.signatures.concat(), ids(&self.survivors), ids(&self.dropped)].concat()
    }
}

/// What an honest server asks of the first client when `gone` sends no vector, and what that client says to another request.
fn reveal(make: fn() -> Steps, gone: &[ClientId], change: impl FnOnce(&mut Request)) -> Option<Refusal> {
    let mut steps = make();
    let me = steps.plan.members()[0];
    let (players, server) = steps.confirmations(gone);
    let honest = server.request(me).unwrap();
    let (lengths, lists) = body(&honest).split_at(8);
    let length = |at: usize| u32::from_le_bytes(*lengths[at..].first_chunk().unwrap()) as usize;
    let (signatures, rest) = lists.split_at(72 * length(0));
    let clients =
        |bytes: &[u8]| bytes.as_chunks().0.iter().map(|b| ClientId(u64::from_le_bytes(*b))).collect();
    let (survivors, dropped) = rest.split_at(8 * length(4));
    let mut request = Request {
        signatures: entries(signatures, 64),
        survivors: clients(survivors),
        dropped: clients(dropped),
    };
    assert_eq!(request.bytes(), body(&honest));
    change(&mut request);
    refusal(take(players, me).reveal(&ask(Kind::Request, me, &request.bytes())))
}

#[test]
fn nobody_reveals_both_secrets_or_secrets_of_others_than_the_set_says() {
    let all = complete().plan.members().to_vec();
    let gone = &all[4..];
    assert_eq!(reveal(complete, gone, |_| {}), None);
    // Both secrets of one that is in the sum, and of one that is not.
    assert_eq!(reveal(complete, gone, |r| r.dropped.push(all[1])), Some(Refusal::BothSecrets(all[1])));
    assert_eq!(reveal(complete, gone, |r| r.survivors.push(all[4])), Some(Refusal::BothSecrets(all[4])));
    assert_eq!(reveal(complete, gone, |r| r.dropped.push(all[0])), Some(Refusal::BothSecrets(all[0])));
    // One for the other.
    let moved = |r: &mut Request| {
        r.survivors.retain(|c| *c != all[2]);
        r.dropped.push(all[2]);
    };
    assert_eq!(reveal(complete, gone, moved), Some(Refusal::SetDiffers(all[2])));
    let moved = |r: &mut Request| {
        r.dropped.clear();
        r.survivors.push(all[4]);
    };
    assert_eq!(reveal(complete, gone, moved), Some(Refusal::SetDiffers(all[4])));
    // Not all that follows from the set.
    assert_eq!(reveal(complete, gone, |r| r.survivors.truncate(3)), Some(Refusal::SetDiffers(all[3])));
    assert_eq!(reveal(complete, gone, |r| r.dropped.clear()), Some(Refusal::SetDiffers(all[4])));
    // The same twice, and one in each list who is nobody.
    assert_eq!(reveal(complete, gone, |r| r.survivors.push(all[1])), Some(Refusal::DuplicateSender(all[1])));
    assert_eq!(reveal(complete, gone, |r| r.dropped.push(all[4])), Some(Refusal::DuplicateSender(all[4])));
    let nobody = ClientId(5_000_000);
    assert_eq!(reveal(complete, gone, |r| r.survivors.push(nobody)), Some(Refusal::NotANeighbour(nobody)));
    assert_eq!(reveal(complete, gone, |r| r.dropped.push(nobody)), Some(Refusal::NotANeighbour(nobody)));

    let steps = ring();
    let (me, far) = (steps.plan.members()[0], stranger(&steps, steps.plan.members()[0]));
    assert_eq!(reveal(ring, &[], |_| {}), None);
    for other in [far, me] {
        assert_eq!(reveal(ring, &[], |r| r.survivors.push(other)), Some(Refusal::NotANeighbour(other)));
        assert_eq!(reveal(ring, &[], |r| r.dropped.push(other)), Some(Refusal::NotANeighbour(other)));
    }
}

#[test]
fn nothing_is_revealed_without_enough_signatures_on_the_same_set() {
    let all = complete().plan.members().to_vec();
    // With its own, three of others are enough for four.
    assert_eq!(reveal(complete, &[], |r| r.signatures.truncate(3)), None);
    let few = |got| Some(Refusal::TooFewSignatures { needed: 4, got });
    assert_eq!(reveal(complete, &[], |r| r.signatures.truncate(2)), few(3));
    assert_eq!(reveal(complete, &[], |r| r.signatures.clear()), few(1));
    let twice = |r: &mut Request| r.signatures[1] = r.signatures[0].clone();
    assert_eq!(reveal(complete, &[], twice), Some(Refusal::DuplicateSender(all[1])));
    assert_eq!(reveal(complete, &[], |r| r.signatures[2][20] ^= 4), Some(Refusal::BadSignature(all[3])));
    // One signature under two names.
    let renamed = |r: &mut Request| {
        let signature = r.signatures[0][8..].to_vec();
        r.signatures[1][8..].copy_from_slice(&signature);
    };
    assert_eq!(reveal(complete, &[], renamed), Some(Refusal::BadSignature(all[2])));
    // Its own signature, or that of one who is not in the sum, is none of the others'.
    let own = |r: &mut Request| r.signatures[0][..8].copy_from_slice(&all[0].0.to_le_bytes());
    assert_eq!(reveal(complete, &[], own), Some(Refusal::UnknownSender(all[0])));
    let gone = |r: &mut Request| r.signatures[0][..8].copy_from_slice(&all[4].0.to_le_bytes());
    assert_eq!(reveal(complete, &all[4..], gone), Some(Refusal::UnknownSender(all[4])));
    // On a ring only holders of its shares count, of which it is none.
    let far = stranger(&ring(), ring().plan.members()[0]);
    let other = |r: &mut Request| r.signatures[0][..8].copy_from_slice(&far.0.to_le_bytes());
    assert_eq!(reveal(ring, &[], other), Some(Refusal::UnknownSender(far)));
    assert_eq!(reveal(ring, &[], |r| r.signatures.truncate(3)), None);
    let few = Some(Refusal::TooFewSignatures { needed: 3, got: 2 });
    assert_eq!(reveal(ring, &[], |r| r.signatures.truncate(2)), few);
}

/// The server tells the first client another set than the others: their signatures are not under it.
#[test]
fn different_sets_for_different_clients_are_found() {
    let mut steps = complete();
    let members = steps.plan.members().to_vec();
    let (mut players, mut server) = steps.vectors(&[]);
    let (victim, _) = players
        .remove(&members[0])
        .unwrap()
        .confirm(&ask(Kind::Survivors, members[0], &ids(&members[..4])))
        .unwrap();
    for (client, player) in players {
        let (_, message) = player.confirm(&server.survivors(client).unwrap()).unwrap();
        server.receive(&message).unwrap();
    }
    let server = server.close().unwrap();
    // The victim is offered what others signed of whom it was told, more than enough.
    let signatures = entries(&body(&server.request(members[4]).unwrap())[8..][..3 * 72], 64);
    let lie = Request { signatures, survivors: members[..4].to_vec(), dropped: members[4..].to_vec() };
    let refused = refusal(victim.reveal(&ask(Kind::Request, members[0], &lie.bytes())));
    assert_eq!(refused, Some(Refusal::BadSignature(members[1])));
}

#[test]
fn who_is_no_member_or_has_no_identity_does_not_join() {
    let steps = complete();
    let entropy = sottovoce_secure::Entropy::simulated(1);
    let stranger = ClientId(99_999);
    let cast = Cast::draw(&[stranger], &entropy).unwrap();
    let joined =
        Advertised::join(steps.plan.clone(), cast.identity(stranger).unwrap(), cast.registry(), entropy);
    assert_eq!(refusal(joined), Some(Refusal::NotAMember(stranger)));
    // A neighbour who is not in the client's registry is not believed.
    let mut steps = complete();
    let members = steps.plan.members().to_vec();
    let (_, server) = steps.keys(&[]);
    let few = Cast::draw(&members[..3], &sottovoce_secure::Entropy::simulated(5)).unwrap();
    let identity = steps.cast.identity(members[0]).unwrap();
    let (client, _) = Advertised::join(steps.plan.clone(), identity, few.registry(), entropy).unwrap();
    let refused = refusal(client.share(&server.roster(members[0]).unwrap()));
    assert_eq!(refused, Some(Refusal::BadSignature(members[3])));
}
