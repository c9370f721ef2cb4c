//! When the peer has chosen its way to us, which is known before DTLS is up.

use super::rig::{answer, Bench, Peer, REMOTE_PWD};
use crate::config::Command;
use crate::events::Event;

/// A session whose peer is not heard yet.
fn invited(b: &mut Bench) -> Peer {
    let context = b.context();
    let mut add = b.session(1, vec![], vec![], context.fingerprint());
    add.send = vec![b.send_track(1, 100)];
    b.command(Command::AddSession(Box::new(add)));
    Peer::new(&context, 1, 1001)
}

/// The peer checks its way, and answers the check that comes back.
fn check(b: &mut Bench, peer: &Peer, nominates: bool) {
    b.give(peer.address, peer.check_of(&format!("{:022}", peer.session), nominates));
    for asked in b.sent_to(peer.address) {
        b.give(peer.address, answer(&asked, REMOTE_PWD));
    }
    b.settle();
}

fn told(b: &Bench) -> usize {
    b.events.iter().filter(|e| matches!(e, Event::SessionNominated { session: 1 })).count()
}

#[test]
fn a_path_that_has_answered_is_told_when_the_peer_nominates_it() {
    let mut b = Bench::new();
    let peer = invited(&mut b);
    check(&mut b, &peer, false);
    assert_eq!(told(&b), 0, "the peer may still send elsewhere");
    check(&mut b, &peer, true);
    assert_eq!(told(&b), 1);
    assert!(!b.events.iter().any(|e| matches!(e, Event::SessionConnected { .. })), "DTLS is still to come");
}

#[test]
fn a_nominated_path_is_told_when_it_answers() {
    let mut b = Bench::new();
    let peer = invited(&mut b);
    b.give(peer.address, peer.own_check());
    b.settle();
    assert_eq!(told(&b), 0, "the address may be forged");
    for asked in b.sent_to(peer.address) {
        b.give(peer.address, answer(&asked, REMOTE_PWD));
    }
    b.settle();
    assert_eq!(told(&b), 1);
}

#[test]
fn it_is_told_once_per_session() {
    let mut b = Bench::new();
    let mut peer = invited(&mut b);
    check(&mut b, &peer, true);
    check(&mut b, &peer, true);
    peer.address.set_port(1002);
    check(&mut b, &peer, true);
    assert_eq!(told(&b), 1);
}
