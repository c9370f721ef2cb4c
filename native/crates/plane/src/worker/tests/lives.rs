//! Lives of streams: join, instant start, switch, takeover, leave.

use super::rig::{Bench, DELTA, KEYFRAME};
use crate::config::Command;
use crate::events::Event;

/// Sends frames `from..to` of one packet each, 33 ms apart; every 10th is a keyframe.
fn frames(b: &mut Bench, p: &mut super::rig::Peer, from: u16, to: u16) {
    for i in from..to {
        b.pass(33_000);
        let payload = if i % 10 == 0 { KEYFRAME } else { DELTA };
        p.send_rtp(b, 96, 5, i, u32::from(i) * 3000, payload);
    }
}

#[test]
fn a_viewer_starts_at_the_cached_keyframe_and_goes_on_live() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    frames(&mut b, &mut p, 0, 15);
    let mut v = b.viewer(2, 1002, 100);
    b.pass(20_000);
    let (cached, _) = v.received(&mut b);
    assert_eq!(cached.len(), 5, "from frame 10 to 14");
    assert_eq!(cached[0].1, KEYFRAME);
    frames(&mut b, &mut p, 15, 18);
    let (live, _) = v.received(&mut b);
    let all: Vec<_> = cached.iter().chain(&live).map(|(h, _)| h).collect();
    assert_eq!(all.len(), 8);
    for pair in all.windows(2) {
        assert_eq!(pair[1].seq, pair[0].seq.wrapping_add(1), "no gap, no repetition");
        assert!((pair[1].ts.wrapping_sub(pair[0].ts) as i32) > 0);
    }
    let squeezed = all[4].ts.wrapping_sub(all[0].ts);
    assert_eq!(squeezed, 4 * 90, "cached frames are 1 ms apart");
    assert_eq!(all[6].ts.wrapping_sub(all[5].ts), 3000, "live ones as published");
    assert!(all.iter().all(|h| h.ssrc == 1002 && h.pt == 102));
}

#[test]
fn without_a_cached_keyframe_the_publisher_is_asked_for_one() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    p.send_rtp(&mut b, 96, 5, 1, 0, DELTA);
    p.received(&mut b);
    let mut v = b.viewer(2, 1002, 100);
    b.pass(20_000);
    let (_, control) = p.received(&mut b);
    let pli = control
        .iter()
        .flat_map(|c| rillcast_wire::rtcp::packets(c).flatten().map(|p| format!("{p:?}")).collect::<Vec<_>>());
    assert_eq!(pli.filter(|p| p.starts_with("Pli")).count(), 1);
    assert!(v.received(&mut b).0.is_empty());
    p.send_rtp(&mut b, 96, 5, 2, 3000, KEYFRAME);
    assert_eq!(v.received(&mut b).0.len(), 1);
}

#[test]
fn a_publisher_that_returns_takes_its_source_over_under_living_viewers() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    frames(&mut b, &mut p, 0, 5);
    let (before, _) = v.received(&mut b);
    b.command(Command::RemoveSession { session: 1, keep_sources: true, silent: false });
    b.pass(1_000_000);
    let mut again = b.publisher(3, 1003);
    again.send_rtp(&mut b, 96, 5, 40_000, 77, KEYFRAME);
    let (after, _) = v.received(&mut b);
    let (last, first) = (&before.last().unwrap().0, &after[0].0);
    assert_eq!(first.seq, last.seq.wrapping_add(1));
    let gap_ms = first.ts.wrapping_sub(last.ts) / 90;
    assert!((950..1100).contains(&gap_ms), "{gap_ms} ms");
}

#[test]
fn a_switch_keeps_one_sequence_and_timeline() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    frames(&mut b, &mut p, 0, 15);
    b.command(Command::AddPushSource(push_source()));
    push(&mut b, &[(1, 500, KEYFRAME)]);
    v.received(&mut b);
    b.command(Command::SwitchSource { session: 2, track: 0, source: Some(200), hold: false });
    push(&mut b, &[(2, 3500, DELTA)]);
    let (after, _) = v.received(&mut b);
    assert_eq!(after.len(), 2, "the cached keyframe, then the live packet");
    assert_eq!(after[0].1, KEYFRAME);
    frames(&mut b, &mut p, 15, 16);
    assert!(v.received(&mut b).0.is_empty(), "the old source is no longer seen");
    assert!(b.events.iter().any(|e| matches!(e, Event::SourceSwitched { session: 2, source: 200, .. })));
}

#[test]
fn a_running_picture_waits_for_a_fresh_keyframe_and_old_gaps_are_left() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    b.command(Command::AddPushSource(push_source()));
    push(&mut b, &[(1, 500, KEYFRAME)]);
    frames(&mut b, &mut p, 0, 15);
    let lost = v.received(&mut b).0[3].0.seq;
    b.command(Command::SwitchSource { session: 2, track: 0, source: Some(200), hold: false });
    push(&mut b, &[(2, 3500, DELTA)]);
    assert!(v.received(&mut b).0.is_empty(), "the cached keyframe is too old");
    b.pass(10_000);
    assert!(b.events.iter().any(|e| matches!(e, Event::KeyframeWanted { source: 200 })));
    push(&mut b, &[(3, 6500, KEYFRAME)]);
    assert_eq!(v.received(&mut b).0.len(), 1);
    let mut nack = vec![];
    rillcast_wire::rtcp::write_nack(&mut nack, 9, 1002, &[lost]);
    v.send_rtcp(&mut b, nack);
    assert!(v.received(&mut b).0.is_empty());
    assert_eq!(b.count("nack_superseded"), 1);
}

#[test]
fn vp8_frame_numbers_go_on_over_a_switch_and_in_repairs() {
    use rillcast_wire::codec::vp8::{frame_number, FrameNumber};
    let numbered = |picture: u16, tl0: u8, frame: &[u8]| {
        let [high, low] = (picture | 0x8000).to_be_bytes();
        [&[0x90, 0xC0, high, low, tl0], &frame[1..]].concat()
    };
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    p.send_rtp(&mut b, 96, 5, 1, 0, &numbered(0x7FFE, 255, KEYFRAME));
    p.send_rtp(&mut b, 96, 5, 2, 3000, &numbered(0x7FFF, 255, DELTA));
    v.received(&mut b);
    b.command(Command::AddPushSource(push_source()));
    b.command(Command::SwitchSource { session: 2, track: 0, source: Some(200), hold: false });
    push(&mut b, &[(1, 500, &numbered(70, 9, KEYFRAME)), (2, 3500, &numbered(71, 10, DELTA))]);
    let (after, _) = v.received(&mut b);
    let numbers: Vec<FrameNumber> = after.iter().map(|(_, payload)| frame_number(payload)).collect();
    assert_eq!(numbers, [FrameNumber { picture: 0, tl0: 0 }, FrameNumber { picture: 1, tl0: 1 }]);
    let mut nack = vec![];
    rillcast_wire::rtcp::write_nack(&mut nack, 9, 1002, &[after[1].0.seq]);
    v.send_rtcp(&mut b, nack);
    let (repair, _) = v.received(&mut b);
    assert_eq!(frame_number(&repair[0].1[2..]), numbers[1]);
}

#[test]
fn a_removed_session_says_goodbye_and_its_sources_end() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    frames(&mut b, &mut p, 0, 2);
    v.received(&mut b);
    b.command(Command::RemoveSession { session: 2, keep_sources: false, silent: false });
    let (_, control) = v.received(&mut b);
    assert!(control
        .iter()
        .any(|c| rillcast_wire::rtcp::packets(c).flatten().any(|p| format!("{p:?}").starts_with("Bye"))));
    assert_eq!(b.closed(2), Some("removed"));
    b.command(Command::RemoveSession { session: 1, keep_sources: false, silent: false });
    assert!(b.worker.sources.is_empty());
    assert!(b.worker.sessions.is_empty() && b.worker.sessions.ways() == 0);
}

#[test]
fn a_session_that_is_removed_in_silence_says_nothing_to_its_peer() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    frames(&mut b, &mut p, 0, 2);
    v.received(&mut b);
    p.received(&mut b);
    for session in [1, 2] {
        b.command(Command::RemoveSession { session, keep_sources: false, silent: true });
        assert_eq!(b.closed(session), Some("removed"));
    }
    assert!(b.sent_to(p.address).is_empty() && b.sent_to(v.address).is_empty());
    assert!(b.worker.sources.is_empty() && b.worker.sessions.ways() == 0);
}

#[test]
fn a_publisher_that_does_not_bear_close_notify_is_sent_nothing_at_the_end() {
    for close_notify in [true, false] {
        let mut b = Bench::new();
        let fingerprint = b.context().fingerprint().to_owned();
        let mut add = b.session(1, vec![b.publisher_track()], vec![], &fingerprint);
        add.dtls.close_notify = close_notify;
        let mut p = b.join_as(add, 1001);
        frames(&mut b, &mut p, 0, 2);
        p.received(&mut b);
        b.command(Command::RemoveSession { session: 1, keep_sources: true, silent: false });
        p.received(&mut b);
        assert_eq!((b.closed(1), p.is_closed()), (Some("removed"), close_notify));
    }
}

#[test]
fn a_large_keyframe_is_paced_and_whole() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut v = b.viewer(2, 1002, 100);
    frames(&mut b, &mut p, 0, 2);
    v.received(&mut b);
    b.command(Command::AddPushSource(push_source()));
    b.command(Command::SwitchSource { session: 2, track: 0, source: Some(200), hold: false });
    push(&mut b, &[(1, 0, KEYFRAME)]);
    v.received(&mut b);
    let frame: Vec<(u16, u32, &[u8])> = (2..42).map(|seq| (seq, 3000, DELTA)).collect();
    push(&mut b, &frame);
    let mut bursts = vec![];
    let mut seqs = vec![];
    for _ in 0..5 {
        let (media, _) = v.received(&mut b);
        bursts.push(media.len());
        seqs.extend(media.iter().map(|(h, _)| h.seq));
        b.pass(5_000);
    }
    assert_eq!(bursts, [16, 16, 8, 0, 0]);
    assert!(seqs.windows(2).all(|w| w[1] == w[0].wrapping_add(1)));
}

fn push_source() -> crate::config::SourceSpec {
    crate::config::SourceSpec {
        source: 200,
        worker: 0,
        kind: crate::config::Kind::Video,
        codec: "VP8".into(),
        clock_rate: 90_000,
    }
}

/// Feeds source 200 with (sequence, timestamp, payload).
fn push(b: &mut Bench, packets: &[(u16, u32, &[u8])]) {
    let packets = packets
        .iter()
        .map(|(seq, ts, payload)| {
            let mut d = vec![0; 12 + payload.len()];
            rillcast_wire::rtp::write_header(&mut d, true, 96, *seq, *ts, 1, false, &[]);
            d[12..].copy_from_slice(payload);
            d
        })
        .collect();
    b.worker.mail(b.now, crate::mailbox::Mail::Push { source: 200, packets }, &mut b.out);
    b.settle();
}

/// A viewer whose association has been given up.
fn watching_for_long(b: &mut Bench) -> super::rig::Peer {
    let v = b.viewer(2, 1002, 100);
    for _ in 0..4 {
        b.pass(4_000_000);
        b.give(v.address, v.check(&format!("{:022}", 2)));
    }
    v
}

#[test]
fn a_viewer_is_told_of_the_end_although_its_association_was_given_up() {
    let mut b = Bench::new();
    let _p = b.publisher(1, 1001);
    let mut v = watching_for_long(&mut b);
    v.received(&mut b);
    assert!(!v.is_closed());
    b.command(Command::RemoveSession { session: 2, keep_sources: false, silent: false });
    v.received(&mut b);
    assert!(v.is_closed());
}

#[test]
fn a_viewer_that_says_goodbye_and_is_silent_is_gone_soon() {
    let mut b = Bench::new();
    let _p = b.publisher(1, 1001);
    let mut v = watching_for_long(&mut b);
    v.say_goodbye(&mut b);
    b.pass(7_000_000);
    assert_eq!(b.closed(2), None);
    b.pass(3_000_000);
    assert_eq!(b.closed(2), Some("dtls_closed"));
}

/// Checks go on for a minute of virtual time.
fn watch_for_a_minute(b: &mut Bench, v: &mut super::rig::Peer) {
    for _ in 0..15 {
        b.pass(4_000_000);
        b.give(v.address, v.check(&format!("{:022}", v.session)));
        v.received(b);
    }
}

fn has_dtls(b: &Bench, session: u64) -> bool {
    b.worker.sessions[b.worker.sessions.slot_of(session).unwrap()].has_dtls()
}

#[test]
fn an_association_that_is_kept_takes_data_and_a_goodbye_after_a_minute() {
    let mut b = Bench::new();
    let _p = b.publisher(1, 1001);
    let mut v = b.viewer_that_keeps_dtls(2, 1002, 100);
    watch_for_a_minute(&mut b, &mut v);
    assert!(has_dtls(&b, 2));
    for data in [&[1; 28][..], &[2; 1100]] {
        v.send_data(&mut b, data);
    }
    b.pass(20_000_000);
    assert_eq!((b.count("dtls_data_dropped"), b.closed(2)), (2, None), "data is no goodbye");
    v.say_goodbye(&mut b);
    b.pass(crate::worker::TICK_US);
    assert_eq!(b.closed(2), Some("dtls_closed"));
}

#[test]
fn a_session_that_keeps_its_association_says_goodbye_on_it() {
    let mut b = Bench::new();
    let _p = b.publisher(1, 1001);
    let mut v = b.viewer_that_keeps_dtls(2, 1002, 100);
    watch_for_a_minute(&mut b, &mut v);
    assert!(!v.is_closed());
    b.command(Command::RemoveSession { session: 2, keep_sources: false, silent: false });
    v.received(&mut b);
    assert!(v.is_closed());
}

#[test]
fn a_fatal_alert_ends_a_session_at_once_if_its_association_is_open() {
    let mut b = Bench::new();
    let mut p = b.publisher(1, 1001);
    let mut kept = b.viewer_that_keeps_dtls(2, 1002, 100);
    b.pass(20_000_000);
    b.give(p.address, p.check(&format!("{:022}", 1)));
    let mut young = b.viewer(3, 1003, 100);
    for peer in [&mut p, &mut kept, &mut young] {
        peer.abort(&mut b);
    }
    b.pass(crate::worker::TICK_US);
    assert_eq!([1, 2, 3].map(|session| b.closed(session)), [Some("dtls_failed"); 3]);
}

#[test]
fn an_association_that_is_not_kept_is_given_up_and_reads_no_data() {
    let mut b = Bench::new();
    let _p = b.publisher(1, 1001);
    let mut v = watching_for_long(&mut b);
    assert!(has_dtls(&b, 1) && !has_dtls(&b, 2), "the publisher's stays, the viewer's does not");
    v.send_data(&mut b, &[1; 28]);
    assert_eq!(b.count("dtls_data_dropped"), 0);
    b.pass(1_000_000);
    b.give(v.address, v.check(&format!("{:022}", 2)));
    b.pass(10_000_000);
    assert_eq!(b.closed(2), None, "a check followed");
}

#[test]
fn nobody_can_say_goodbye_for_a_viewer_that_goes_on() {
    let mut b = Bench::new();
    let _p = b.publisher(1, 1001);
    let v = watching_for_long(&mut b);
    b.give(v.address, vec![21, 254, 253, 0, 1, 0, 0, 0, 0, 0, 9, 0, 2, 1, 0]);
    for _ in 0..8 {
        b.pass(4_000_000);
        b.give(v.address, v.check(&format!("{:022}", 2)));
    }
    assert_eq!(b.closed(2), None);
}

#[test]
fn sources_are_in_the_figures_until_they_are_removed_also_those_without_a_publisher() {
    let mut b = Bench::new();
    let counted = |b: &mut Bench| {
        b.worker.report(&b.out);
        b.settle();
        let Some(Event::WorkerStats(stats)) = b.events.last() else { panic!("no figures") };
        (stats.sessions, stats.sources)
    };
    assert_eq!(counted(&mut b), (0, 0));
    let _publisher = b.publisher(1, 1001);
    assert_eq!(counted(&mut b), (1, 1));
    b.command(Command::RemoveSession { session: 1, keep_sources: true, silent: false });
    assert_eq!(counted(&mut b), (0, 1));
    b.command(Command::RemoveSource { source: 100 });
    assert_eq!(counted(&mut b), (0, 0));
}
