//! What strangers and broken peers send.

use proptest::prelude::*;

use super::rig::{Bench, Peer, DELTA, KEYFRAME};
use crate::config::Command;

#[test]
fn a_check_with_the_wrong_password_is_counted_and_not_answered() {
    let mut b = Bench::new();
    let context = b.context();
    let add = b.session(1, vec![], vec![send_track()], context.fingerprint());
    b.command(Command::AddSession(Box::new(add)));
    let peer = Peer::new(&context, 1, 1001);
    b.give(peer.address, peer.check("wrong wrong wrong wrong"));
    assert!(b.sent_to(peer.address).is_empty());
    assert_eq!(b.count("stun_unauthenticated"), 1);
}

#[test]
fn another_certificate_than_announced_ends_the_session() {
    let mut b = Bench::new();
    let context = b.context();
    let add = b.session(1, vec![], vec![send_track()], &"00:".repeat(32)[..95]);
    b.command(Command::AddSession(Box::new(add)));
    let mut peer = Peer::new(&context, 1, 1001);
    peer.connect(&mut b);
    b.settle();
    assert_eq!(b.closed(1), Some("fingerprint_mismatch"));
    assert!(b.worker.sessions.is_empty());
}

#[test]
fn half_open_joins_are_bounded_and_time_out() {
    let mut b = Bench::new();
    let context = b.context();
    for id in 1..=12 {
        let add = b.session(id, vec![], vec![send_track()], context.fingerprint());
        b.command(Command::AddSession(Box::new(add)));
    }
    assert_eq!(b.closed(12), Some("too_many_half_open"));
    assert_eq!(b.worker.sessions.len(), 10);
    b.pass(10_100_000);
    assert_eq!(b.closed(1), Some("handshake_timeout"));
    assert!(b.worker.sessions.is_empty() && b.worker.sessions.ways() == 0);
}

#[test]
fn a_silent_peer_loses_consent() {
    let mut b = Bench::new();
    b.publisher(1, 1001);
    b.pass(32_000_000);
    assert_eq!(b.closed(1), Some("consent_expired"));
    assert_eq!(b.worker.sources.len().0, 1, "kept for the publisher's return");
}

fn send_track() -> crate::config::SendTrack {
    crate::config::SendTrack {
        track: 0,
        kind: crate::config::Kind::Video,
        clock_rate: 90_000,
        payload_type: 102,
        rtx_payload_type: 0,
        ssrc: 1,
        rtx_ssrc: 0,
        cname: "c".into(),
        source: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_datagram_from_anybody_breaks_anything(data in prop::collection::vec(any::<u8>(), 0..1500), first in any::<u8>(), known in any::<bool>()) {
        thread_local! {
            static BENCH: std::cell::RefCell<(Bench, Peer, Peer)> = {
                let mut b = Bench::new();
                let p = b.publisher(1, 1001);
                let v = b.viewer(2, 1002, 100);
                std::cell::RefCell::new((b, p, v))
            };
        }
        BENCH.with_borrow_mut(|(b, p, _)| {
            let mut data = data;
            if let Some(d) = data.first_mut() {
                *d = first;
            }
            let from = if known { p.address } else { ([127, 0, 0, 9], 9).into() };
            b.give(from, data);
            b.settle();
        });
    }

    /// Whatever order, loss and repetition a publisher's packets have, a viewer never gets one sequence number twice.
    #[test]
    fn no_sequence_number_is_used_twice(order in prop::collection::vec(0u16..80, 1..200)) {
        let mut b = Bench::new();
        let mut p = b.publisher(1, 1001);
        let mut v = b.viewer(2, 1002, 100);
        let mut sent = std::collections::HashSet::new();
        for i in order {
            if sent.insert(i) {
                let payload = if i % 20 == 0 { KEYFRAME } else { DELTA };
                p.send_rtp(&mut b, 96, 5, 1000 + i, u32::from(i) * 3000, payload);
            }
            b.pass(5_000);
        }
        let (media, _) = v.received(&mut b);
        let unique: std::collections::HashSet<u16> = media.iter().map(|(h, _)| h.seq).collect();
        prop_assert_eq!(unique.len(), media.len());
    }
}
