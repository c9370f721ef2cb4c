//! A keyframe that is wanted before the publisher can be asked for it.

use rillcast_wire::rtcp;

use super::rig::{Bench, Peer, DELTA};
use crate::config::{Command, RecvTrack};

/// A publisher of whom a keyframe is wanted a while before it connects.
fn awaited(b: &mut Bench, track: RecvTrack) -> Peer {
    let context = b.context();
    let add = b.session(1, vec![track], vec![], context.fingerprint());
    b.command(Command::AddSession(Box::new(add)));
    b.command(Command::RequestKeyframe { source: 100 });
    b.pass(300_000);
    let mut p = Peer::new(&context, 1, 1001);
    p.connect(b);
    p
}

fn asked(b: &mut Bench, p: &mut Peer) -> Vec<u32> {
    let (_, control) = p.received(b);
    let plis = control.iter().flat_map(|c| rtcp::packets(c).flatten()).filter_map(|packet| match packet {
        rtcp::Packet::Pli { media, .. } => Some(media),
        _ => None,
    });
    plis.collect()
}

#[test]
fn it_is_asked_for_when_the_publisher_is_connected_and_before_its_first_packet() {
    let mut b = Bench::new();
    let track = b.publisher_track();
    let mut p = awaited(&mut b, track);
    b.pass(20_000);
    assert_eq!(asked(&mut b, &mut p), [5]);
    b.pass(400_000);
    assert_eq!(asked(&mut b, &mut p), [0; 0], "once");
}

#[test]
fn it_is_asked_for_with_the_first_packet_where_no_ssrc_was_told() {
    let mut b = Bench::new();
    let track = RecvTrack { ssrcs: vec![], rtx_ssrcs: vec![], ..b.publisher_track() };
    let mut p = awaited(&mut b, track);
    b.pass(20_000);
    assert_eq!(asked(&mut b, &mut p), [0; 0]);
    p.send_rtp(&mut b, 96, 7, 1, 0, DELTA);
    b.pass(20_000);
    assert_eq!(asked(&mut b, &mut p), [7], "although it was wanted less than half a second ago");
}
