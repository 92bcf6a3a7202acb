//! What a client may not send: the server refuses it, and the others' sum is what it was, or there is none.

mod common;

use common::steps::{Steps, body, entries, message, tell};
use common::{SESSION, plain, plan};
use sottovoce_core::ClientId;
use sottovoce_secure::server::{Abort, Advertising, Rejection};
use sottovoce_secure::{Graph, Kind, MessageError, Parameters, Plan, Session};

fn complete() -> Steps {
    Steps::new(plan(5, 40, Parameters::complete(5)))
}

fn ring() -> Steps {
    Steps::new(plan(9, 40, Parameters { graph: Graph::Regular { neighbours: 4 }, threshold: 3, minimum: 5 }))
}

/// What of any stage is refused for its frame: `receive` must refuse all of it, and then take `honest`.
fn frames(
    kind: Kind,
    from: ClientId,
    honest: &[u8],
    mut receive: impl FnMut(&[u8]) -> Result<ClientId, Rejection>,
) {
    let body = body(honest);
    let mut refused = |message: &[u8]| receive(message).unwrap_err();
    let server = ClientId::SERVER;
    let round = message(kind, Session { round: 0, ..SESSION }, from, server, body);
    assert_eq!(refused(&round), Rejection::Message(MessageError::Round { expected: 2, got: 0 }));
    let run = message(kind, Session { run: [0; 32], ..SESSION }, from, server, body);
    assert_eq!(refused(&run), Rejection::Message(MessageError::Run));
    let exchange = message(kind, Session { exchange: 2, ..SESSION }, from, server, body);
    assert_eq!(refused(&exchange), Rejection::Message(MessageError::Exchange { expected: 1, got: 2 }));
    let to_other = message(kind, SESSION, from, ClientId(8), body);
    let destination = MessageError::Destination { expected: server, got: ClientId(8) };
    assert_eq!(refused(&to_other), Rejection::Message(destination));
    let other = Kind::Roster;
    let kinds = MessageError::Kind { expected: kind, got: other as u16 };
    assert_eq!(refused(&tell(other, from, body)), Rejection::Message(kinds));
    let stranger = ClientId(77_777);
    assert_eq!(refused(&tell(kind, stranger, body)), Rejection::UnknownSender(stranger));
    for length in (0..honest.len()).step_by(1 + honest.len() / 50) {
        assert!(matches!(refused(&honest[..length]), Rejection::Message(MessageError::Truncated { .. })));
    }
    let longer = [honest, &[0]].concat();
    assert_eq!(refused(&longer), Rejection::Message(MessageError::TrailingBytes { extra: 1 }));
    for place in 0..honest.len() {
        let mut flipped = honest.to_vec();
        flipped[place] ^= 1 << (place % 8);
        assert!(matches!(refused(&flipped), Rejection::Message(_)), "{place}");
    }
    assert_eq!(receive(honest), Ok(from));
    assert_eq!(receive(honest), Err(Rejection::DuplicateSender(from)));
}

#[test]
fn what_is_no_message_of_the_stage_is_refused_at_every_stage_and_changes_no_sum() {
    let mut steps = complete();
    let (plan, members) = (steps.plan.clone(), steps.plan.members().to_vec());
    let expected = steps.end(&members[4..]);
    let kinds = [Kind::Keys, Kind::Shares, Kind::Masked, Kind::Confirmation, Kind::Reveal];
    let mut of = kinds.into_iter().map(|kind| {
        let sent = |c: &ClientId| steps.log.iter().find(|(from, _, m)| from == c && m[6] == kind as u8);
        members.iter().filter_map(|c| Some((*c, sent(c)?.2.clone()))).collect::<Vec<_>>()
    });
    let mut server = Advertising::open(plan, steps.cast.registry());
    for (client, message) in of.next().unwrap() {
        frames(Kind::Keys, client, &message, |m| server.receive(m));
    }
    let mut server = server.close().unwrap();
    for (client, message) in of.next().unwrap() {
        frames(Kind::Shares, client, &message, |m| server.receive(m));
    }
    let server = server.close().unwrap();
    let (mut parts, mut turn) = ([server.partial(), server.partial()], 0);
    for (client, message) in of.next().unwrap() {
        // The same client's second vector is refused in another part, too.
        frames(Kind::Masked, client, &message, |m| {
            turn = 1 - turn;
            server.receive(&mut parts[turn], m)
        });
    }
    assert_eq!(parts.iter().map(|p| p.vectors()).sum::<usize>(), 4);
    let mut server = server.close(parts).unwrap();
    for (client, message) in of.next().unwrap() {
        frames(Kind::Confirmation, client, &message, |m| server.receive(m));
    }
    let mut server = server.close().unwrap();
    for (client, message) in of.next().unwrap() {
        frames(Kind::Reveal, client, &message, |m| server.receive(m));
    }
    let sum = server.finish().unwrap();
    assert!(sum.values() == expected && expected == plain::<u32>(&members[..4], 40));
}

#[test]
fn who_missed_a_stage_has_no_part_in_the_next() {
    let mut steps = complete();
    let last = *steps.plan.members().last().unwrap();
    let mut all = complete();
    all.end(&[]);
    let sent = |kind: Kind| {
        all.log.iter().find(|(from, _, m)| *from == last && m[6] == kind as u8).unwrap().2.clone()
    };
    let unknown = Err(Rejection::UnknownSender(last));

    let (_, mut server) = steps.keys(&[last]);
    assert_eq!(server.receive(&sent(Kind::Shares)), unknown);
    assert_eq!(server.roster(last), Err(Rejection::UnknownSender(last)));
    assert_eq!(server.clients().count(), 4);
    let (_, server) = steps.shares(&[last]);
    assert_eq!(server.receive(&mut server.partial(), &sent(Kind::Masked)), unknown);
    assert_eq!(server.inbox(last), Err(Rejection::UnknownSender(last)));
    assert_eq!(server.clients().count(), 4);
    let (_, mut server) = steps.vectors(&[last]);
    assert_eq!(server.receive(&sent(Kind::Confirmation)), unknown);
    assert_eq!(server.survivors(last), Err(Rejection::UnknownSender(last)));
    assert_eq!(server.clients().count(), 4);
    let (_, mut server) = steps.confirmations(&[last]);
    assert_eq!(server.receive(&sent(Kind::Reveal)), unknown);
    assert_eq!(server.request(last), Err(Rejection::UnknownSender(last)));
    assert_eq!(server.clients().count(), 4);
}

#[test]
fn keys_and_confirmations_are_signed_by_their_sender() {
    let mut steps = complete();
    let members = steps.plan.members().to_vec();
    let mut server = Advertising::open(steps.plan.clone(), steps.cast.registry());
    let (_, keys) = steps.join(members[0]);
    for place in [0, 40, 100] {
        let mut changed = body(&keys).to_vec();
        changed[place] ^= 1;
        let message = tell(Kind::Keys, members[0], &changed);
        assert_eq!(server.receive(&message), Err(Rejection::BadSignature(members[0])));
    }
    // Another's keys as one's own.
    let copied = tell(Kind::Keys, members[1], body(&keys));
    assert_eq!(server.receive(&copied), Err(Rejection::BadSignature(members[1])));
    assert_eq!(server.receive(&keys), Ok(members[0]));

    let (players, mut server) = steps.vectors(&[]);
    let mut messages = players.into_iter().map(|(c, p)| p.confirm(&server.survivors(c).unwrap()).unwrap().1);
    let (first, second) = (messages.next().unwrap(), messages.next().unwrap());
    drop(messages);
    let copied = tell(Kind::Confirmation, members[1], body(&first));
    assert_eq!(server.receive(&copied), Err(Rejection::BadSignature(members[1])));
    assert_eq!(server.receive(&second), Ok(members[1]));
}

#[test]
fn shares_are_those_of_the_roster_and_of_the_request() {
    for (make, neighbours) in [(complete as fn() -> Steps, 4), (ring, 4)] {
        let mut steps = make();
        let me = steps.plan.members()[0];
        let (mut players, mut server) = steps.keys(&[]);
        let (_, message) = players.remove(&me).unwrap().share(&server.roster(me).unwrap()).unwrap();
        let (commitment, list) = body(&message).split_at(32);
        let list = entries(list, 80);
        assert_eq!(list.len(), neighbours);
        let mut send = |list: &[Vec<u8>]| {
            server.receive(&tell(Kind::Shares, me, &[commitment, &list.concat()].concat()))
        };
        let wrong = Err(Rejection::WrongShares(me));
        assert_eq!(send(&list[1..]), wrong);
        assert_eq!(send(&[&list[..], &list[..1]].concat()), wrong);
        for other in [me, ClientId(777_777)] {
            let mut more = list.clone();
            more.push(list[0].clone());
            more.last_mut().unwrap()[..8].copy_from_slice(&other.0.to_le_bytes());
            assert_eq!(send(&more), wrong);
        }
        assert_eq!(send(&list), Ok(me));
    }

    let mut steps = complete();
    let members = steps.plan.members().to_vec();
    let (mut players, mut server) = steps.confirmations(&members[4..]);
    let request = server.request(members[0]).unwrap();
    let message = players.remove(&members[0]).unwrap().reveal(&request).unwrap();
    let list = entries(body(&message), 33);
    assert_eq!(list.len(), 5);
    let mut send = |list: &[Vec<u8>]| server.receive(&tell(Kind::Reveal, members[0], &list.concat()));
    let wrong = Err(Rejection::WrongShares(members[0]));
    assert_eq!(send(&list[..4]), wrong);
    assert_eq!(send(&[&list[..], &list[..1]].concat()), wrong);
    // The other secret of one in the sum, and of one who is not.
    for (entry, secret) in [(1, 0), (4, 1)] {
        let mut other = list.clone();
        assert_eq!(other[entry][8], 1 - secret);
        other[entry][8] = secret;
        assert_eq!(send(&other), wrong);
    }
    let mut other = list.clone();
    other[1][..8].copy_from_slice(&777_777u64.to_le_bytes());
    assert_eq!(send(&other), wrong);
    assert_eq!(send(&list), Ok(members[0]));
}

/// A holder hands in a share that is none: the round ends with the name of the owner, whatever the secret was, and does not
/// give another sum.
#[test]
fn a_wrong_share_ends_the_round() {
    for (gone, owner) in [(4, 0), (4, 2), (4, 4)] {
        let mut steps = complete();
        let members = steps.plan.members().to_vec();
        let (players, mut server) = steps.confirmations(&members[gone..]);
        for (client, player) in players {
            let message = player.reveal(&server.request(client).unwrap()).unwrap();
            let mut list = entries(body(&message), 33);
            if client == members[1] {
                list[owner][20] ^= 1;
            }
            server.receive(&tell(Kind::Reveal, client, &list.concat())).unwrap();
        }
        assert_eq!(server.finish(), Err(Abort::WrongSecret(members[owner])));
    }
}

#[test]
fn a_vector_of_another_length_or_plan_is_refused() {
    let mut steps = complete();
    let me = steps.plan.members()[0];
    let (_, server) = steps.shares(&[]);
    let mut part = server.partial();
    for bytes in [0, 4, 156, 164, 320] {
        let message = tell(Kind::Masked, me, &vec![1; bytes]);
        let wrong = Rejection::Dimension { client: me, expected: 160, got: bytes };
        assert_eq!(server.receive(&mut part, &message), Err(wrong));
    }
    assert_eq!(part.vectors(), 0);

    // A part of another exchange of the same clients.
    let other: std::sync::Arc<Plan<u32>> =
        Plan::new(Session { exchange: 3, ..SESSION }, steps.plan.members(), 40, *steps.plan.parameters(), 77)
            .unwrap();
    let (expected, got) = (*steps.plan.digest(), *other.digest());
    let mut foreign = Steps { plan: other, ..complete() };
    let (_, foreign) = foreign.shares(&[]);
    let message = tell(Kind::Masked, me, &[1; 160]);
    let refused = server.receive(&mut foreign.partial(), &message);
    assert_eq!(refused, Err(Rejection::ForeignPartial { expected, got }));
    assert_eq!(server.close([part, foreign.partial()]).err(), Some(Abort::ForeignPartial { expected, got }));
}

/// A part that is lost is as if its clients had dropped out.
#[test]
fn a_lost_part_is_a_smaller_sum() {
    let mut steps = complete();
    let members = steps.plan.members().to_vec();
    let (players, server) = steps.shares(&[]);
    let mut parts = [server.partial(), server.partial()];
    let mut masked = Vec::new();
    for (i, (client, player)) in players.into_iter().enumerate() {
        let vector = steps.vector(client);
        let (player, message) = player.mask(&server.inbox(client).unwrap(), &vector).unwrap();
        server.receive(&mut parts[usize::from(i == 3)], &message).unwrap();
        masked.push((client, player));
    }
    let [kept, _lost] = parts;
    let mut server = server.close([kept]).unwrap();
    let mut confirmed = Vec::new();
    for (client, player) in masked {
        let Ok(set) = server.survivors(client) else {
            assert_eq!(client, members[3]);
            continue;
        };
        let (player, message) = player.confirm(&set).unwrap();
        server.receive(&message).unwrap();
        confirmed.push((client, player));
    }
    let mut server = server.close().unwrap();
    for (client, player) in confirmed {
        server.receive(&player.reveal(&server.request(client).unwrap()).unwrap()).unwrap();
    }
    let sum = server.finish().unwrap();
    let rest: Vec<_> = members.iter().filter(|c| **c != members[3]).copied().collect();
    assert_eq!(sum.clients(), rest);
    assert!(sum.values() == plain::<u32>(&rest, 40));
}

/// Two of a member's four neighbours are gone and three are needed: the round ends where that shows, before anybody
/// masks for nothing, or signs.
#[test]
fn a_round_that_cannot_be_opened_ends_at_once() {
    let ends =
        |abort: Option<Abort>| matches!(abort, Some(Abort::NotEnoughShares { needed: 3, got: 0..=2, .. }));
    let mut steps = ring();
    let gone = steps.plan.partners(steps.plan.members()[0])[..2].to_vec();
    let (players, mut server) = steps.keys(&[]);
    for (client, player) in players.into_iter().filter(|(c, _)| !gone.contains(c)) {
        let (_, message) = player.share(&server.roster(client).unwrap()).unwrap();
        server.receive(&message).unwrap();
    }
    assert!(ends(server.close().err()));

    let (players, server) = steps.shares(&[]);
    let mut part = server.partial();
    for (client, player) in players.into_iter().filter(|(c, _)| !gone.contains(c)) {
        let (_, message) = player.mask(&server.inbox(client).unwrap(), &steps.vector(client)).unwrap();
        server.receive(&mut part, &message).unwrap();
    }
    assert!(ends(server.close([part]).err()));
}
