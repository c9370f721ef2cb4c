//! A newcomer with sources of its own takes the stream's over.

use super::rig::{Bench, Peer, DELTA, KEYFRAME};
use crate::config::{AdoptedFeed, Command, Encoding};
use crate::events::Event;

/// A publisher of source 200, beside that of source 100.
fn newcomer(b: &mut Bench) -> Peer {
    let mut track = b.publisher_track();
    track.encodings = vec![Encoding { source: 200, rid: String::new() }];
    b.join(3, 1003, vec![track], vec![])
}

fn adopt(b: &mut Bench, source: u64, from: u64) {
    b.command(Command::AdoptFeeds { feeds: vec![AdoptedFeed { source, from }] });
}

fn payloads(v: &mut Peer, b: &mut Bench) -> Vec<Vec<u8>> {
    v.received(b).0.into_iter().map(|(_, payload)| payload).collect()
}

#[test]
fn viewers_go_on_with_the_newcomers_keyframe_in_one_sequence_and_timeline() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    p.send_rtp(&mut b, 96, 5, 1, 0, KEYFRAME);
    let mut n = newcomer(&mut b);
    p.send_rtp(&mut b, 96, 5, 2, 3000, DELTA);
    n.send_rtp(&mut b, 96, 5, 40_000, 77, KEYFRAME);
    n.send_rtp(&mut b, 96, 5, 40_001, 77 + 3000, DELTA);
    let before = v.received(&mut b).0;
    assert_eq!(before.len(), 2, "what the newcomer sends is seen by nobody yet");

    adopt(&mut b, 100, 200);
    b.command(Command::RemoveSession { session: 1, keep_sources: true, silent: false });
    n.send_rtp(&mut b, 96, 5, 40_002, 77 + 6000, DELTA);

    let after = v.received(&mut b).0;
    assert_eq!(after.iter().map(|(_, p)| &p[..]).collect::<Vec<_>>(), [KEYFRAME, DELTA, DELTA]);
    let all: Vec<_> = before.iter().chain(&after).map(|(h, _)| h).collect();
    for pair in all.windows(2) {
        assert_eq!(pair[1].seq, pair[0].seq.wrapping_add(1));
        assert!((pair[1].ts.wrapping_sub(pair[0].ts) as i32) > 0);
    }
}

#[test]
fn the_former_publisher_no_longer_reaches_the_viewers() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    p.send_rtp(&mut b, 96, 5, 1, 0, KEYFRAME);
    let mut n = newcomer(&mut b);
    n.send_rtp(&mut b, 96, 5, 9, 9, KEYFRAME);
    adopt(&mut b, 100, 200);
    payloads(&mut v, &mut b);

    p.send_rtp(&mut b, 96, 5, 2, 3000, DELTA);

    assert!(payloads(&mut v, &mut b).is_empty(), "a session that feeds no source any more");
    n.send_rtp(&mut b, 96, 5, 10, 3009, DELTA);
    assert_eq!(payloads(&mut v, &mut b), [DELTA]);
}

#[test]
fn a_newcomer_without_a_keyframe_is_asked_for_one() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    b.viewer(2, 1002, 100);
    p.send_rtp(&mut b, 96, 5, 1, 0, KEYFRAME);
    let mut n = newcomer(&mut b);
    n.send_rtp(&mut b, 96, 5, 9, 9, DELTA);
    n.received(&mut b);

    b.pass(600_000);
    adopt(&mut b, 100, 200);
    b.pass(20_000);

    let control = n.received(&mut b).1;
    let asked = control.iter().flat_map(|c| rillcast_wire::rtcp::packets(c).flatten().map(|p| format!("{p:?}")));
    assert_eq!(asked.collect::<Vec<_>>().iter().filter(|p| p.starts_with("Pli")).count(), 1);
}

#[test]
fn the_source_that_was_adopted_is_gone_and_the_other_ends_with_its_new_session() {
    let mut b = Bench::new();
    b.publisher(1, 1001);
    newcomer(&mut b);
    adopt(&mut b, 100, 200);
    b.command(Command::RemoveSession { session: 1, keep_sources: false, silent: false });
    assert!(b.post(Command::Tap { source: 200, enabled: true }).is_err());
    assert!(b.post(Command::Tap { source: 100, enabled: true }).is_ok(), "its feed is no longer that of session 1");

    b.command(Command::RemoveSession { session: 3, keep_sources: false, silent: false });

    assert!(b.worker.leftovers().is_empty(), "{:?}", b.worker.leftovers());
}

#[test]
fn an_adoption_of_what_is_not_there_changes_nothing() {
    let mut b = Bench::new();
    b.publisher(1, 1001);

    let feeds = vec![AdoptedFeed { source: 100, from: 200 }];
    assert!(b.post(Command::AdoptFeeds { feeds }).is_err());
    assert!(b.post(Command::AdoptFeeds { feeds: vec![] }).is_ok());

    assert!(!b.events.iter().any(|e| matches!(e, Event::Error { .. })));
    b.command(Command::RemoveSession { session: 1, keep_sources: false, silent: false });
    assert!(b.worker.leftovers().is_empty());
}
