//! Clients by TCP: the rules are those of UDP, and whoever is of no use is not kept.

use std::net::SocketAddr;

use proptest::prelude::*;
use rillcast_wire::{demux, stun};

use super::paths::{is_check, stream};
use super::rig::{answer, framed, Bench, Peer, DELTA, KEYFRAME, REMOTE_PWD, TCP_CONNECTIONS};
use crate::config::{Command, IceParameters};
use crate::egress::{Path, Sock};
use crate::tcp::{CHECK_WITHIN_US, IDLE_US};

fn at(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

/// A viewer that is connected by TCP and gets a stream.
fn viewer_by_tcp(b: &mut Bench) -> (Peer, Peer) {
    let p = b.publisher(1, 1001);
    assert!(b.connect_tcp(at(1002)));
    let v = b.viewer(2, 1002, 100);
    (p, v)
}

fn by_tcp(b: &mut Bench, to: SocketAddr) -> Vec<bool> {
    b.sent_by(to).iter().map(|s| matches!(s, Sock::Tcp(_))).collect()
}

fn invited(b: &mut Bench, session: u64) -> Peer {
    let context = b.context();
    let mut add = b.session(session, vec![], vec![], context.fingerprint());
    add.send = vec![b.send_track(session, 100)];
    b.command(Command::AddSession(Box::new(add)));
    Peer::new(&context, session, 1000 + session as u16)
}

#[test]
fn a_viewer_by_tcp_gets_the_stream_on_its_connection() {
    let mut b = Bench::new();
    let (mut p, mut v) = viewer_by_tcp(&mut b);
    assert_eq!(stream(&mut b, &mut p, &mut [&mut v], 0, 1), 10);
    p.send_rtp(&mut b, 96, 5, 10, 90_000, DELTA);
    assert_eq!(by_tcp(&mut b, v.address), [true]);
}

#[test]
fn a_publisher_by_tcp_is_taken_in() {
    let mut b = Bench::new();
    assert!(b.connect_tcp(at(1001)));
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    assert_eq!(stream(&mut b, &mut p, &mut [&mut v], 0, 1), 10);
}

#[test]
fn before_our_check_is_answered_nothing_but_checks_and_their_answers_are_sent() {
    let mut b = Bench::new();
    let peer = invited(&mut b, 1);
    assert!(b.connect_tcp(peer.address));
    b.give(peer.address, peer.own_check());
    let classes: Vec<_> = b.sent_to(peer.address).iter().map(|d| stun::parse(d).unwrap().class).collect();
    assert_eq!(classes, [stun::Class::Request, stun::Class::Success]);
    b.pass(9_000_000);
    assert!(b.sent_to(peer.address).iter().all(|d| is_check(d)), "no DTLS");
}

#[test]
fn whoever_says_something_else_before_a_check_is_closed() {
    for junk in [&b"GET / HTTP/1.1\r\n\r\n"[..], &framed(&[0x16, 0xfe, 0xfd, 0]), &framed(&[0x80; 20])] {
        let mut b = Bench::new();
        b.connect_tcp(at(9));
        b.give_bytes(at(9), junk);
        let refused = b.count("tcp_no_check") + b.count("tcp_frame_too_long");
        assert_eq!((refused, b.tcp.len(), b.worker.leftovers()), (1, 0, vec![]));
    }
}

#[test]
fn whoever_shows_no_check_in_time_is_closed_also_one_that_goes_on_asking() {
    let mut b = Bench::new();
    let peer = invited(&mut b, 1);
    b.connect_tcp(at(8));
    b.connect_tcp(at(9));
    for _ in 0..CHECK_WITHIN_US / 1_000_000 {
        b.give(at(9), peer.check("wrong wrong wrong wrong"));
        b.pass(1_000_000);
    }
    b.pass(100_000);
    assert_eq!((b.count("tcp_no_check"), b.tcp.len()), (2, 0));
    assert!(b.sent_to(at(9)).is_empty());
}

#[test]
fn a_worker_without_sessions_still_looks_after_connections() {
    let mut b = Bench::new();
    assert!(b.worker.is_idle());
    b.connect_tcp(at(9));
    assert!(!b.worker.is_idle());
}

#[test]
fn a_connection_ends_with_its_session_after_the_goodbye() {
    let mut b = Bench::new();
    let (_, mut v) = viewer_by_tcp(&mut b);
    b.command(Command::RemoveSession { session: 2, keep_sources: false, silent: false });
    assert!(b.tcp.is_empty());
    v.received(&mut b);
    assert!(v.is_closed());
}

#[test]
fn a_viewer_whose_connection_ends_in_the_middle_of_a_datagram_goes_on_elsewhere() {
    for to_tcp in [false, true] {
        let mut b = Bench::new();
        let (mut p, mut v) = viewer_by_tcp(&mut b);
        stream(&mut b, &mut p, &mut [&mut v], 0, 1);
        b.give_bytes(v.address, &framed(&v.own_check())[..30]);
        b.close_tcp(v.address);
        p.send_rtp(&mut b, 96, 5, 10, 90_000, KEYFRAME);
        assert!(b.sent_by(at(1002)).is_empty(), "nothing goes to a connection that is no more");
        v.moves_to(at(2002));
        assert!(!to_tcp || b.connect_tcp(v.address));
        b.give(v.address, v.own_check());
        v.received(&mut b);
        assert!(stream(&mut b, &mut p, &mut [&mut v], 20, 1) >= 10);
        p.send_rtp(&mut b, 96, 5, 40, 360_000, DELTA);
        assert_eq!(by_tcp(&mut b, v.address), [to_tcp]);
    }
}

#[test]
fn a_viewer_goes_from_udp_to_tcp_and_back_by_ice_restarts() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    stream(&mut b, &mut p, &mut [&mut v], 0, 1);
    for (round, port, by) in [(1, 2002, true), (2, 3002, false)] {
        let ice = IceParameters {
            local_ufrag: format!("fresh{round}"),
            local_pwd: "f".repeat(22),
            remote_ufrag: "anew".into(),
            remote_pwd: REMOTE_PWD.into(),
        };
        b.command(Command::RestartIce { session: 2, ice });
        v.moves_to(at(port));
        assert!(!by || b.connect_tcp(v.address));
        let (mut check, name) = (vec![], format!("fresh{round}:anew"));
        stun::write_request(&mut check, &[8; 12], &name, 1, true, Some(1), None, "f".repeat(22).as_bytes());
        b.give(v.address, check);
        v.received(&mut b);
        p.send_rtp(&mut b, 96, 5, 9 + round, u32::from(9 + round) * 9_000, DELTA);
        assert_eq!(by_tcp(&mut b, v.address), [by]);
        assert_eq!(v.received(&mut b).0.len(), 1);
    }
    b.close_tcp(at(2002));
    p.send_rtp(&mut b, 96, 5, 12, 108_000, DELTA);
    assert_eq!(v.received(&mut b).0.len(), 1, "the end of the former connection is nobody's loss");
}

#[test]
fn one_address_by_udp_and_by_tcp_are_two_ends() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    stream(&mut b, &mut p, &mut [&mut v], 0, 1);
    let other = invited(&mut b, 3);
    assert!(b.connect_tcp(v.address));
    b.give(v.address, other.own_check());
    let mut arrived = b.sent_to(v.address);
    let asked = arrived.drain(..).find(|d| is_check(d)).unwrap();
    b.give(v.address, answer(&asked, REMOTE_PWD));
    b.close_tcp(v.address);
    p.send_rtp(&mut b, 96, 5, 10, 90_000, DELTA);
    assert_eq!(by_tcp(&mut b, v.address).iter().filter(|tcp| !**tcp).count(), 1, "the viewer's address is its own");
    let path = Path { sock: Sock::MediaV4, to: v.address, local: None };
    b.worker.datagram(b.now, path, &mut v.own_check(), &mut b.out);
    assert_eq!(b.count("stun_unauthenticated") + b.count("stun_unknown_ufrag"), 0);
}

#[test]
fn another_connection_from_the_same_address_has_to_answer_anew() {
    let mut b = Bench::new();
    let (mut p, mut v) = viewer_by_tcp(&mut b);
    stream(&mut b, &mut p, &mut [&mut v], 0, 1);
    b.close_tcp(v.address);
    assert!(b.connect_tcp(v.address));
    b.give(v.address, v.own_check());
    p.send_rtp(&mut b, 96, 5, 10, 90_000, KEYFRAME);
    assert!(b.sent_to(v.address).iter().all(|d| demux::classify(d) == demux::Kind::Stun));
}

#[test]
fn a_session_keeps_no_more_connections_than_paths() {
    let mut b = Bench::new();
    let (_, mut v) = viewer_by_tcp(&mut b);
    for port in 2000..2000 + 3 * TCP_CONNECTIONS as u16 {
        v.moves_to(([192, 0, 2, port as u8], port).into());
        b.connect_tcp(v.address);
        b.give(v.address, v.own_check());
        assert!(b.tcp.len() <= TCP_CONNECTIONS);
    }
    assert!(b.tcp.contains_key(&at(1002)), "the one in use");
}

#[test]
fn a_flood_of_connections_keeps_no_viewer_out_and_takes_none_away() {
    let mut b = Bench::new();
    let (mut p, mut v) = viewer_by_tcp(&mut b);
    for i in 0..200u16 {
        b.connect_tcp(([192, 0, 2, (i % 250) as u8 + 1], i).into());
        assert!(b.worker.tcp.len() <= TCP_CONNECTIONS);
    }
    assert!(b.count("tcp_displaced") >= 190 - TCP_CONNECTIONS as u64);
    let newcomer: SocketAddr = ([203, 0, 113, 9], 7).into();
    assert!(b.connect_tcp(newcomer));
    let mut w = invited(&mut b, 3);
    w.moves_to(newcomer);
    w.connect(&mut b);
    assert!(stream(&mut b, &mut p, &mut [&mut v, &mut w], 0, 2) >= 30, "both watch");
    b.pass(CHECK_WITHIN_US + 100_000);
    assert_eq!(b.tcp.len(), 2);
}

#[test]
fn a_silent_connection_beside_the_path_in_use_is_closed() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    let home = v.address;
    v.moves_to(at(2002));
    assert!(b.connect_tcp(v.address));
    b.give(v.address, v.check_of(&format!("{:022}", 2), false));
    v.received(&mut b);
    v.moves_to(home);
    stream(&mut b, &mut p, &mut [&mut v], 0, (IDLE_US / 1_000_000) as u16 + 2);
    assert_eq!((b.count("tcp_idle"), b.tcp.len()), (1, 0));
    assert_eq!(b.closed(2), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn media_arrives_however_it_was_split(cuts in prop::collection::vec(1..200usize, 1..40)) {
        let mut b = Bench::new();
        assert!(b.connect_tcp(at(1001)));
        let mut p = b.publisher(1, 1001);
        let mut v = b.viewer(2, 1002, 100);
        v.received(&mut b);
        let mut bytes = vec![];
        for i in 0..20u16 {
            let payload = if i == 0 { KEYFRAME } else { DELTA };
            bytes.extend(framed(&p.seal_rtp(96, 5, u64::from(i), u32::from(i) * 3_000, &[], payload)));
        }
        let mut rest = &bytes[..];
        for cut in cuts.iter().cycle() {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            b.give_bytes(p.address, piece);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        b.pass(20_000);
        prop_assert_eq!(v.received(&mut b).0.len(), 20);
        prop_assert!(b.tcp.contains_key(&p.address));
    }
}
