//! Whom datagrams go to: addresses that have answered, and nobody else.

use std::net::SocketAddr;

use rillcast_wire::{demux, rtcp, stun};

use super::rig::{answer, Bench, Peer, DELTA, KEYFRAME, REMOTE_PWD};
use crate::config::{Command, DtlsParameters, DtlsRole};

fn victim() -> SocketAddr {
    ([203, 0, 113, 7], 4711).into()
}

pub(super) fn is_check(d: &[u8]) -> bool {
    stun::parse(d).is_ok_and(|m| m.class == stun::Class::Request)
}

/// A session that waits for its peer, which is not heard yet.
fn invited(b: &mut Bench, session: u64, role: DtlsRole) -> Peer {
    let context = b.context();
    let mut add = b.session(session, vec![], vec![], context.fingerprint());
    add.send = vec![b.send_track(session, 100)];
    add.dtls = DtlsParameters { role, ..add.dtls };
    b.command(Command::AddSession(Box::new(add)));
    Peer::new(&context, session, 1000 + session as u16)
}

pub(super) fn report() -> Vec<u8> {
    let mut rr = vec![];
    rtcp::write_rr(&mut rr, 9, &[]);
    rr
}

/// Frames for so long, with keyframes; the viewers get and answer what is sent to them meanwhile.
pub(super) fn stream(b: &mut Bench, p: &mut Peer, viewers: &mut [&mut Peer], from: u16, seconds: u16) -> usize {
    let mut media = 0;
    for i in from..from + 10 * seconds {
        b.pass(100_000);
        p.send_rtp(b, 96, 5, i, u32::from(i) * 9_000, if i % 10 == 0 { KEYFRAME } else { DELTA });
        media += viewers.iter_mut().map(|v| v.received(b).0.len()).sum::<usize>();
    }
    media
}

#[test]
fn the_first_check_is_answered_and_asked_back_and_nothing_else_is_sent_for_any_role() {
    for role in [DtlsRole::Server, DtlsRole::Client] {
        let mut b = Bench::new();
        let peer = invited(&mut b, 1, role);
        b.give(peer.address, peer.own_check());
        let sent = b.sent_to(peer.address);
        let classes: Vec<_> = sent.iter().map(|d| stun::parse(d).unwrap().class).collect();
        assert_eq!(classes, [stun::Class::Request, stun::Class::Success], "the check is to be answered first");
        let ours = stun::parse(&sent[0]).unwrap();
        assert_eq!(ours.username, Some("remote:local1"));
        assert!(
            ours.controlled.is_some() && !ours.use_candidate && stun::verify_integrity(&sent[0], REMOTE_PWD.as_bytes())
        );
        b.pass(9_000_000);
        assert!(b.sent_to(peer.address).iter().all(|d| is_check(d)), "no DTLS");
    }
}

#[test]
fn the_handshake_begins_with_the_answer() {
    let mut b = Bench::new();
    let peer = invited(&mut b, 1, DtlsRole::Client);
    b.give(peer.address, peer.own_check());
    let asked = b.sent_to(peer.address).remove(0);
    b.give(peer.address, answer(&asked, REMOTE_PWD));
    let sent = b.sent_to(peer.address);
    assert!(!sent.is_empty() && sent.iter().all(|d| demux::classify(d) == demux::Kind::Dtls));
}

#[test]
fn a_hello_that_overtakes_the_answer_is_kept() {
    let mut b = Bench::new();
    let mut peer = invited(&mut b, 1, DtlsRole::Server);
    b.give(peer.address, peer.own_check());
    for hello in peer.hello() {
        b.give(peer.address, hello);
    }
    let asked = b.sent_to(peer.address).remove(0);
    b.give(peer.address, answer(&asked, REMOTE_PWD));
    assert!(b.sent_to(peer.address).iter().any(|d| demux::classify(d) == demux::Kind::Dtls));
}

#[test]
fn only_the_answer_from_the_address_asked_with_its_id_and_password_counts() {
    let mut b = Bench::new();
    let peer = invited(&mut b, 1, DtlsRole::Client);
    b.give(victim(), peer.own_check());
    b.give(peer.address, peer.own_check());
    let (asked, asked_victim) = (b.sent_to(peer.address).remove(0), b.sent_to(victim()).remove(0));
    assert_ne!(
        stun::parse(&asked).unwrap().transaction_id[4..],
        stun::parse(&asked_victim).unwrap().transaction_id[4..]
    );
    let mut other_id = vec![];
    stun::write_success(&mut other_id, &[0; 12], victim(), REMOTE_PWD.as_bytes());
    for (from, datagram) in [
        (victim(), answer(&asked, REMOTE_PWD)),
        (peer.address, answer(&asked, "another password, long")),
        (victim(), other_id),
    ] {
        b.give(from, datagram);
        assert!(b.sent_to(from).is_empty());
    }
    assert_eq!(b.count("stun_unexpected"), 3);
    b.give(peer.address, answer(&asked, REMOTE_PWD));
    assert!(!b.sent_to(peer.address).is_empty());
    b.give(peer.address, answer(&asked, REMOTE_PWD));
    assert_eq!(b.count("stun_unexpected"), 4, "an answer counts once");
}

#[test]
fn a_lost_check_is_repeated_until_it_is_answered() {
    let mut b = Bench::new();
    let peer = invited(&mut b, 1, DtlsRole::Client);
    b.give(peer.address, peer.own_check());
    b.sent_to(peer.address);
    b.pass(100_000);
    let again = b.sent_to(peer.address);
    assert!(!again.is_empty() && again.iter().all(|d| is_check(d)));
    b.give(peer.address, answer(&again[0], REMOTE_PWD));
    assert!(b.sent_to(peer.address).iter().any(|d| demux::classify(d) == demux::Kind::Dtls));
}

#[test]
fn an_address_that_never_answers_gets_three_times_what_came_from_it() {
    for check_of in [Peer::own_check as fn(&Peer) -> Vec<u8>, |p| p.check_of(&format!("{:022}", p.session), false)] {
        let mut b = Bench::new();
        let mut p = b.publisher(1, 1001);
        let mut v = b.viewer(2, 1002, 100);
        let (mut came, mut went) = (0, 0);
        for i in 0..12 {
            let forged = check_of(&v);
            came += forged.len();
            b.give(victim(), forged);
            v.send_rtcp(&mut b, report());
            stream(&mut b, &mut p, &mut [], i * 70, 7);
            went += b.sent_to(victim()).iter().map(Vec::len).sum::<usize>();
            assert!(went <= 3 * came, "{went} bytes for {came}");
            assert!(v.received(&mut b).0.len() > 60, "the media goes where it went");
        }
        assert!(went > 0);
    }
}

#[test]
fn a_viewer_moves_to_an_address_that_answers_with_no_more_than_one_round_trip() {
    let to: [SocketAddr; 2] = [([198, 51, 100, 3], 9).into(), "[2001:db8::7]:9".parse().unwrap()];
    for to in to {
        let mut b = Bench::new();
        let mut p = b.publisher(1, 1001);
        let mut v = b.viewer(2, 1002, 100);
        stream(&mut b, &mut p, &mut [&mut v], 0, 1);
        v.moves_to(to);
        b.give(to, v.own_check());
        assert!(v.received(&mut b).0.is_empty(), "asked, and answered it");
        p.send_rtp(&mut b, 96, 5, 10, 90_000, DELTA);
        assert_eq!(v.received(&mut b).0.len(), 1);
    }
}

#[test]
fn a_path_that_has_answered_is_taken_at_once_when_it_is_nominated() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    stream(&mut b, &mut p, &mut [&mut v], 0, 1);
    let (home, away) = (v.address, ([198, 51, 100, 3], 9).into());
    v.moves_to(away);
    b.give(away, v.check_of(&format!("{:022}", 2), false));
    v.received(&mut b);
    p.send_rtp(&mut b, 96, 5, 10, 90_000, DELTA);
    assert!(v.received(&mut b).0.is_empty(), "not nominated");
    b.give(away, v.own_check());
    p.send_rtp(&mut b, 96, 5, 11, 99_000, DELTA);
    assert_eq!(v.received(&mut b).0.len(), 1);
    v.moves_to(home);
    b.give(home, v.own_check());
    p.send_rtp(&mut b, 96, 5, 12, 108_000, DELTA);
    assert_eq!(v.received(&mut b).0.len(), 2, "home again, and what went there before");
}

#[test]
fn an_answer_of_long_ago_is_not_enough_for_a_move() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    let (home, away) = (v.address, ([198, 51, 100, 3], 9).into());
    v.moves_to(away);
    b.give(away, v.own_check());
    v.received(&mut b);
    v.moves_to(home);
    b.give(home, v.own_check());
    stream(&mut b, &mut p, &mut [&mut v], 0, 40);
    b.give(away, v.own_check());
    p.send_rtp(&mut b, 96, 5, 400, 400 * 9_000, DELTA);
    assert!(b.sent_to(away).iter().all(|d| demux::classify(d) == demux::Kind::Stun));
    assert_eq!(v.received(&mut b).0.len(), 1);
}

#[test]
fn an_agent_that_nominates_once_is_followed_when_its_address_changes() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    stream(&mut b, &mut p, &mut [&mut v], 0, 2);
    v.moves_to(([198, 51, 100, 3], 9).into());
    let mut media = 0;
    for i in 0..6 {
        b.give(v.address, v.check_of(&format!("{:022}", 2), false));
        media += stream(&mut b, &mut p, &mut [&mut v], 20 + i * 10, 1);
    }
    assert!(media >= 10, "{media} packets after the old address had been silent for a while");
    assert_eq!(b.count("viewer_stalled"), 0);
}

#[test]
fn an_ice_restart_moves_to_the_new_address_under_the_new_credentials() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    stream(&mut b, &mut p, &mut [&mut v], 0, 1);
    let fresh = crate::config::IceParameters {
        local_ufrag: "fresh".into(),
        local_pwd: "f".repeat(22),
        remote_ufrag: "anew".into(),
        remote_pwd: "n".repeat(22),
    };
    b.command(Command::RestartIce { session: 2, ice: fresh });
    v.moves_to(([198, 51, 100, 3], 9).into());
    let mut check = vec![];
    stun::write_request(&mut check, &[8; 12], "fresh:anew", 1, true, Some(1), None, "f".repeat(22).as_bytes());
    b.give(v.address, check);
    let asked = b.sent_to(v.address).remove(0);
    assert_eq!(stun::parse(&asked).unwrap().username, Some("anew:fresh"));
    b.give(v.address, answer(&asked, REMOTE_PWD));
    assert_eq!(b.count("stun_unexpected"), 1, "the password of before");
    b.give(v.address, answer(&asked, &"n".repeat(22)));
    p.send_rtp(&mut b, 96, 5, 10, 90_000, DELTA);
    assert_eq!(v.received(&mut b).0.len(), 1);
}

// ------------------------------------------------------------------ two at one address

#[test]
fn a_forged_check_takes_no_media_from_the_session_at_its_address() {
    for role in [DtlsRole::Server, DtlsRole::Client] {
        let mut b = Bench::new();
        let mut p = b.publisher(1, 1001);
        let mut v = b.viewer(2, 1002, 100);
        let attacker = invited(&mut b, 3, role);
        for i in 0..5 {
            b.give(p.address, attacker.own_check());
            assert_eq!(stream(&mut b, &mut p, &mut [&mut v], i * 10, 1), 10);
        }
        assert_eq!((b.count("rtp_before_handshake"), b.count("srtp_refused")), (0, 0));
        assert!(b.sent_to(p.address).iter().all(|d| demux::classify(d) != demux::Kind::Dtls));
    }
}

#[test]
fn two_sessions_that_share_an_address_are_told_apart_by_their_keys() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut track = b.publisher_track();
    track.encodings[0].source = 200;
    let mut other = b.join(2, 1001, vec![track], vec![]);
    for i in 0..4 {
        b.pass(20_000);
        p.send_rtp(&mut b, 96, 5, i, u32::from(i) * 3_000, KEYFRAME);
        other.send_rtp(&mut b, 96, 5, i, u32::from(i) * 3_000, KEYFRAME);
        other.send_rtcp(&mut b, report());
    }
    for id in [100, 200] {
        assert_eq!(b.worker.sources.get(id).unwrap().ring.highest().map(|h| h & 0xFFFF), Some(3), "source {id}");
    }
    assert_eq!(b.count("srtp_refused") + b.count("srtcp_refused"), 0);
    for session in [1, 2] {
        b.command(Command::RemoveSession { session, keep_sources: false, silent: false });
    }
    assert!(b.worker.leftovers().is_empty());
}

#[test]
fn a_client_that_comes_back_at_its_address_has_it_although_the_dead_session_lives_on() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let _dead = b.viewer(2, 1002, 100);
    let mut again = b.viewer(3, 1002, 100);
    assert!(stream(&mut b, &mut p, &mut [], 0, 1) == 0);
    b.pass(9_000_000);
    b.sent_to(again.address);
    again.send_rtcp(&mut b, report());
    stream(&mut b, &mut p, &mut [], 10, 12);
    again.send_rtcp(&mut b, report());
    b.sent_to(again.address);
    stream(&mut b, &mut p, &mut [], 130, 1);
    let own = b.sent_to(again.address).iter().filter(|d| demux::classify(d) == demux::Kind::Rtp).count();
    assert_eq!(own, 10, "what went to the dead session has ended");
}
