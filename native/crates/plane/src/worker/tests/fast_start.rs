//! Joins and switches on thin links: what is sent when, against a link with a rate and a queue.

use super::rig::{Bench, Peer, DELTA, KEYFRAME};
use crate::config::{Command, Kind, SendTrack, SourceSpec};
use crate::events::Event;
use crate::worker::TICK_US;

const FRAME_US: u64 = 33_333;
const DELTA_BYTES: usize = 5_500;
const KEYFRAME_BYTES: usize = 38_000;

/// A 1.5 Mbit/s publisher with a keyframe every two seconds, of which nothing waits.
struct Stage {
    b: Bench,
    seq: u16,
    frame: u64,
    due: u64,
}

impl Stage {
    fn new() -> Self {
        let mut b = Bench::new();
        let spec =
            |source| SourceSpec { source, worker: 0, kind: Kind::Video, codec: "VP8".into(), clock_rate: 90_000 };
        for source in [100, 200] {
            b.command(Command::AddPushSource(spec(source)));
        }
        let due = b.now;
        Stage { b, seq: 0, frame: 0, due }
    }

    /// Lets time pass, and the publisher send.
    fn pass(&mut self, us: u64) {
        for _ in 0..us / TICK_US {
            if self.b.now >= self.due {
                self.due += FRAME_US;
                self.send_frame();
            }
            self.b.pass(TICK_US);
        }
    }

    fn send_frame(&mut self) {
        let key = self.frame.is_multiple_of(60);
        let (mut left, head) = if key { (KEYFRAME_BYTES, KEYFRAME) } else { (DELTA_BYTES, DELTA) };
        let mut first = true;
        while left > 0 {
            let mut payload = if first { head.to_vec() } else { vec![0, 0] };
            payload.resize(left.min(1_100), 0);
            left -= payload.len();
            self.b.push(100, self.seq, (self.frame * 3000) as u32, &payload);
            self.seq = self.seq.wrapping_add(1);
            first = false;
        }
        self.frame += 1;
    }
}

/// A link with a queue of limited length.
#[derive(Default)]
struct Link {
    rate_bps: u64,
    queued_bits: u64,
    longest_ms: u64,
}

impl Link {
    fn tick(&mut self, viewer: &mut Peer, b: &mut Bench) -> Vec<(u32, bool)> {
        let (media, _) = viewer.received(b);
        self.queued_bits += media.iter().map(|(h, p)| (h.header_len + p.len() + 16 + 28) as u64 * 8).sum::<u64>();
        self.longest_ms = self.longest_ms.max(self.queued_bits * 1_000 / self.rate_bps);
        self.queued_bits = self.queued_bits.saturating_sub(self.rate_bps * TICK_US / 1_000_000);
        media.into_iter().map(|(h, p)| (h.ts, p.starts_with(KEYFRAME))).collect()
    }
}

/// Joins `age` after a keyframe: (longest queue in ms, seconds until live, RTP times with their moments of sending).
fn join(age_us: u64, rate_bps: u64) -> (u64, f64, Vec<(u64, u32)>) {
    let mut s = Stage::new();
    s.pass(2_000_000 + age_us);
    let mut viewer = s.b.viewer(2, 1002, 100);
    let mut link = Link { rate_bps, ..Link::default() };
    let began = s.b.now;
    let mut sent = vec![];
    let mut live_us = 0;
    for _ in 0..800 {
        let seen = link.tick(&mut viewer, &mut s.b);
        sent.extend(seen.iter().map(|(ts, _)| (s.b.now - began, *ts)));
        if live_us == 0 && s.b.worker.starts.len() == 0 && !sent.is_empty() {
            live_us = s.b.now - began;
        }
        s.pass(TICK_US);
    }
    assert!(live_us > 0, "it becomes live");
    (link.longest_ms, live_us as f64 / 1e6, sent)
}

#[test]
fn a_join_does_not_overflow_a_link_of_twice_the_stream() {
    for age_ms in [100, 700, 1_300, 1_900] {
        let (queue_ms, live_s, _) = join(age_ms * 1_000, 3_000_000);
        assert!(queue_ms < 300, "{age_ms} ms after a keyframe: a queue of {queue_ms} ms");
        assert!(live_s < 1.5, "{age_ms} ms after a keyframe: live after {live_s} s");
    }
}

#[test]
fn the_keyframe_leaves_within_a_few_milliseconds() {
    let (_, _, sent) = join(1_300_000, 3_000_000);
    let first = sent[0].1;
    let last_of_keyframe = sent.iter().rev().find(|(_, ts)| *ts == first).unwrap().0;
    assert!(last_of_keyframe <= 20_000, "{last_of_keyframe} µs");
}

#[test]
fn times_go_on_as_fast_as_packets_are_sent() {
    let (_, _, sent) = join(1_900_000, 3_000_000);
    let mut frames = sent.clone();
    frames.dedup_by_key(|(_, ts)| *ts);
    for pair in frames.windows(2) {
        assert!((pair[1].1.wrapping_sub(pair[0].1) as i32) > 0, "times rise");
    }
    let (t0, ts0) = frames[0];
    let off_ms = |(at, ts): &(u64, u32)| (at - t0) as f64 / 1e3 - f64::from(ts.wrapping_sub(ts0)) / 90.0;
    let (least, most) = frames.iter().map(off_ms).fold((0.0f64, 0.0f64), |(l, m), o| (l.min(o), m.max(o)));
    assert!(most - least < 200.0, "frames come {least} to {most} ms after their time");
}

fn remb(v: &mut Peer, b: &mut Bench, bitrate: u64) {
    let mut packet = vec![];
    rillcast_wire::rtcp::write_rr(&mut packet, 9, &[]);
    rillcast_wire::rtcp::write_remb(&mut packet, 9, bitrate, &[1002]);
    v.send_rtcp(b, packet);
}

#[test]
fn a_held_track_is_silent_until_the_smaller_keyframe_and_goes_on_there() {
    let mut s = Stage::new();
    s.pass(500_000);
    let mut viewer = s.b.viewer(2, 1002, 100);
    s.pass(1_000_000);
    remb(&mut viewer, &mut s.b, 500_000);
    let last = viewer.received(&mut s.b).0.last().unwrap().0.seq;
    s.b.command(Command::SwitchSource { session: 2, track: 0, source: Some(200), hold: true });
    s.pass(100_000);
    assert!(viewer.received(&mut s.b).0.is_empty());
    assert!(s.b.events.iter().any(|e| matches!(e, Event::KeyframeWanted { source: 200 })));
    let mut nack = vec![];
    rillcast_wire::rtcp::write_nack(&mut nack, 9, 1002, &[last]);
    viewer.send_rtcp(&mut s.b, nack);
    assert!(viewer.received(&mut s.b).0.is_empty(), "what was before is not repaired any more");
    s.b.push(200, 1, 0, KEYFRAME);
    let (media, _) = viewer.received(&mut s.b);
    assert_eq!(media.len(), 1);
    assert_eq!(media[0].0.seq, last.wrapping_add(1));
}

#[test]
fn a_held_track_that_stays_goes_on_from_its_own_keyframe() {
    let mut s = Stage::new();
    s.pass(500_000);
    let mut viewer = s.b.viewer(2, 1002, 100);
    s.pass(1_000_000);
    let last = viewer.received(&mut s.b).0.last().unwrap().0;
    s.b.command(Command::SwitchSource { session: 2, track: 0, source: Some(200), hold: true });
    s.pass(300_000);
    s.b.command(Command::SwitchSource { session: 2, track: 0, source: Some(100), hold: false });
    s.pass(1_500_000);
    let (media, _) = viewer.received(&mut s.b);
    assert_eq!(media[0].0.seq, last.seq.wrapping_add(1));
    assert!(media[0].1.starts_with(KEYFRAME));
    assert!(media[0].0.ts.wrapping_sub(last.ts) < 90_000);
}

#[test]
fn the_keyframe_for_a_full_link_is_paced_even_if_it_comes_in_pieces() {
    let mut s = Stage::new();
    s.pass(500_000);
    let mut viewer = s.b.viewer(2, 1002, 100);
    s.pass(1_500_000);
    viewer.received(&mut s.b);
    remb(&mut viewer, &mut s.b, 1_000_000);
    s.b.command(Command::SwitchSource { session: 2, track: 0, source: Some(200), hold: true });
    let mut bytes = vec![];
    for i in 0..40 {
        if i < 20 {
            let mut payload = if i == 0 { KEYFRAME.to_vec() } else { vec![0, 0] };
            payload.resize(1_100, 0);
            s.b.push(200, i, 0, &payload);
        }
        s.b.pass(TICK_US);
        bytes.push(viewer.received(&mut s.b).0.iter().map(|(h, p)| h.header_len + p.len()).sum::<usize>());
    }
    let (first, all) = (bytes[..20].iter().sum::<usize>(), bytes.iter().sum::<usize>());
    assert!(first <= 4_800 + 7_500 + 1_200, "{first} bytes in the first 100 ms at 600 kbit/s and a group");
    assert!(all > 15_000, "{all}");
}

#[test]
fn a_wish_for_another_source_outlasts_a_newer_keyframe_of_the_present_one() {
    let mut s = Stage::new();
    s.pass(3_700_000);
    let mut viewer = s.b.viewer(2, 1002, 100);
    s.b.command(Command::SwitchSource { session: 2, track: 0, source: Some(200), hold: false });
    s.pass(700_000);
    assert!(!viewer.received(&mut s.b).0.is_empty(), "the present source goes on meanwhile");
    s.b.push(200, 1, 0, KEYFRAME);
    assert!(s.b.events.iter().any(|e| matches!(e, Event::SourceSwitched { session: 2, source: 200, .. })));
    s.b.command(Command::RemoveSession { session: 2, keep_sources: false, silent: false });
    s.b.push(200, 2, 3_000, DELTA);
    s.pass(100_000);
}

/// What is sent in 0.9 s to a viewer who begins 1 s after a keyframe, at most this fast, on a path that was measured to take
/// so much.
fn first_bytes(path_bps: u64, pace_bps: u64) -> usize {
    let mut s = Stage::new();
    s.pass(3_000_000);
    let track = SendTrack { source: None, ..s.b.send_track(2, 100) };
    let mut viewer = s.b.join(2, 1002, vec![], vec![track]);
    let slot = s.b.worker.sessions.slot_of(2).unwrap();
    s.b.worker.sessions[slot].path_bps = path_bps;
    s.b.command(Command::Pace { session: 2, track: 0, bitrate_bps: pace_bps });
    s.b.command(Command::SwitchSource { session: 2, track: 0, source: Some(100), hold: false });
    let mut bytes = 0;
    for _ in 0..180 {
        s.pass(TICK_US);
        bytes += viewer.received(&mut s.b).0.iter().map(|(h, p)| h.header_len + p.len() + 16).sum::<usize>();
    }
    bytes
}

#[test]
fn who_begins_with_an_old_keyframe_catches_up_no_faster_than_the_measured_path_and_the_pace_allow() {
    let unknown = first_bytes(0, 0);
    assert!(unknown > 320_000, "{unknown} bytes");
    let measured = first_bytes(2_600_000, 0);
    assert!((250_000..290_000).contains(&measured), "{measured} bytes: the keyframe at once, and 2.08 Mbit/s");
    let paced = first_bytes(2_600_000, 1_700_000);
    assert!((180_000..210_000).contains(&paced), "{paced} bytes: 1.7 Mbit/s, the keyframe included");
}

/// Bytes sent to a viewer in each tick from a keyframe on, at this pace.
fn paced(rate_bps: u64, ticks: usize) -> Vec<usize> {
    let mut s = Stage::new();
    s.pass(500_000);
    let mut viewer = s.b.viewer(2, 1002, 100);
    s.pass(1_490_000);
    viewer.received(&mut s.b);
    s.b.command(Command::Pace { session: 2, track: 0, bitrate_bps: rate_bps });
    let mut bytes = vec![];
    for _ in 0..ticks {
        s.pass(TICK_US);
        bytes.push(viewer.received(&mut s.b).0.iter().map(|(h, p)| h.header_len + p.len() + 16).sum());
    }
    bytes
}

#[test]
fn a_keyframe_is_spread_over_the_time_that_it_takes_on_a_link_that_takes_little_more() {
    let bytes = paced(2_000_000, 200);
    let first = bytes.iter().position(|b| *b > 3_000).expect("the keyframe begins");
    for (i, window) in bytes[first..].windows(20).enumerate() {
        let sent: usize = window.iter().sum();
        assert!(sent <= 25_000 + 12_500 + 1_300, "{sent} bytes in the 100 ms from {} ms on", (first + i) * 5);
    }
    let all: usize = bytes.iter().sum();
    assert!((150_000..260_000).contains(&all), "{all} bytes in a second: nothing is left out");
}

#[test]
fn without_a_pace_a_keyframe_leaves_at_once() {
    let bytes = paced(0, 200);
    assert!(bytes.windows(4).any(|w| w.iter().sum::<usize>() > KEYFRAME_BYTES));
}

#[test]
fn a_track_that_falls_behind_its_pace_goes_on_with_the_next_keyframe_and_without_a_hole() {
    let mut s = Stage::new();
    s.pass(500_000);
    let mut viewer = s.b.viewer(2, 1002, 100);
    s.pass(1_000_000);
    let mut seqs: Vec<u16> = viewer.received(&mut s.b).0.iter().map(|(h, _)| h.seq).collect();
    s.b.command(Command::Pace { session: 2, track: 0, bitrate_bps: 400_000 });
    let (mut bytes, mut keyframes) = (0, 0);
    for _ in 0..2_000 {
        s.pass(TICK_US);
        let media = viewer.received(&mut s.b).0;
        bytes += media.iter().map(|(h, p)| h.header_len + p.len() + 16).sum::<usize>();
        keyframes += media.iter().filter(|(_, p)| p.starts_with(KEYFRAME)).count();
        seqs.extend(media.iter().map(|(h, _)| h.seq));
    }
    assert!((450_000..520_000).contains(&bytes), "{bytes} bytes in ten seconds at 400 kbit/s");
    assert!(keyframes >= 4, "{keyframes}");
    assert!(seqs.windows(2).all(|w| w[1] == w[0].wrapping_add(1)));
}

#[test]
fn the_lag_of_what_was_sent_as_it_came_between_two_keyframes_that_were_held_back_counts_from_its_arrival() {
    let mut s = Stage::new();
    s.pass(500_000);
    let mut viewer = s.b.viewer(2, 1002, 100);
    s.b.command(Command::Pace { session: 2, track: 0, bitrate_bps: 2_500_000 });
    s.pass(3_480_000);
    let between = viewer.received(&mut s.b).0.last().unwrap().0.seq;
    s.pass(60_000);
    assert!(viewer.received(&mut s.b).0.iter().any(|(_, p)| p.starts_with(KEYFRAME)), "the second keyframe has begun");
    let told = s.b.events.len();
    let mut packet = vec![];
    let block = rillcast_wire::rtcp::Report { ssrc: 1002, highest_seq: u32::from(between), ..Default::default() };
    rillcast_wire::rtcp::write_rr(&mut packet, 9, &[block]);
    viewer.send_rtcp(&mut s.b, packet);
    s.pass(1_100_000);
    let lags = s.b.events[told..].iter().filter_map(|e| match e {
        Event::SessionStats(s) if s.session == 2 && s.lag_ms > 0.0 => Some(s.lag_ms),
        _ => None,
    });
    let lags: Vec<f64> = lags.collect();
    assert!(lags.len() == 1 && lags[0] < 150.0, "{lags:?}");
}

#[test]
fn the_lag_of_what_was_held_back_counts_from_its_sending() {
    let mut s = Stage::new();
    s.pass(500_000);
    let mut viewer = s.b.viewer(2, 1002, 100);
    s.pass(1_490_000);
    viewer.received(&mut s.b);
    s.b.command(Command::Pace { session: 2, track: 0, bitrate_bps: 1_000_000 });
    s.pass(200_000);
    let last = viewer.received(&mut s.b).0.last().unwrap().0.seq;
    let told = s.b.events.len();
    s.pass(40_000);
    let mut packet = vec![];
    let block = rillcast_wire::rtcp::Report { ssrc: 1002, highest_seq: u32::from(last), ..Default::default() };
    rillcast_wire::rtcp::write_rr(&mut packet, 9, &[block]);
    viewer.send_rtcp(&mut s.b, packet);
    s.pass(1_100_000);
    let lags: Vec<f64> = s.b.events[told..]
        .iter()
        .filter_map(|e| match e {
            Event::SessionStats(s) if s.session == 2 && s.lag_ms > 0.0 => Some(s.lag_ms),
            _ => None,
        })
        .collect();
    assert!(lags.len() == 1 && (39.0..56.0).contains(&lags[0]), "{lags:?}");
}
