//! Audio that waits for a video frame while the worker is busy.

use super::rig::{Bench, Peer, DELTA, KEYFRAME};
use crate::config::*;

const VIDEO: u64 = 1;
const OTHER_VIDEO: u64 = 3;
const SOUND: u64 = 2;
const OPUS: &[u8] = &[0xfc];
/// Long enough for a keyframe's packet that sound fits behind it.
const LONG_KEYFRAME: [u8; 64] = {
    let mut p = [0; 64];
    let mut i = 0;
    while i < KEYFRAME.len() {
        p[i] = KEYFRAME[i];
        i += 1;
    }
    p
};

fn stage() -> Bench {
    let mut b = Bench::new();
    for (source, kind, codec, clock_rate) in [
        (VIDEO, Kind::Video, "VP8", 90_000),
        (OTHER_VIDEO, Kind::Video, "VP8", 90_000),
        (SOUND, Kind::Audio, "opus", 48_000),
    ] {
        let spec = SourceSpec { source, worker: 0, kind, codec: codec.into(), clock_rate };
        b.command(Command::AddPushSource(spec));
    }
    b
}

/// Watches `video` and hears `SOUND`.
fn viewer(b: &mut Bench, session: u64, video: u64) -> Peer {
    let track = |track: u64, kind, clock_rate, source| SendTrack {
        track,
        kind,
        clock_rate,
        payload_type: 102 + track as u8,
        rtx_payload_type: if kind == Kind::Video { 110 } else { 0 },
        ssrc: session as u32 * 10 + track as u32,
        rtx_ssrc: if kind == Kind::Video { session as u32 * 10 + 5 } else { 0 },
        cname: "c".into(),
        source: Some(source),
    };
    let tracks = vec![track(0, Kind::Video, 90_000, video), track(1, Kind::Audio, 48_000, SOUND)];
    b.join(session, 1000 + session as u16, vec![], tracks)
}

/// Viewers who have a picture and sound already, and a worker with `busy` to do.
fn playing(videos: &[u64], busy: f64) -> (Bench, Vec<Peer>) {
    let mut b = stage();
    for v in [VIDEO, OTHER_VIDEO] {
        b.push(v, 0, 0, KEYFRAME);
    }
    b.push(SOUND, 0, 0, OPUS);
    let mut peers: Vec<_> = videos.iter().enumerate().map(|(i, v)| viewer(&mut b, i as u64 + 1, *v)).collect();
    b.pass(50_000);
    peers.iter_mut().for_each(|p| assert_eq!(p.received(&mut b).0.len(), 2));
    b.worker.busy = busy;
    b.take_messages();
    (b, peers)
}

/// Payload types in order.
fn heard(p: &mut Peer, b: &mut Bench) -> Vec<u8> {
    p.received(b).0.iter().map(|(h, _)| h.pt).collect()
}

#[test]
fn a_calm_worker_lets_nothing_wait() {
    let (mut b, mut peers) = playing(&[VIDEO], 0.1);
    b.push(SOUND, 1, 960, OPUS);
    assert_eq!(heard(&mut peers[0], &mut b), [103]);
}

#[test]
fn sound_leaves_behind_the_next_frame_in_one_message() {
    let (mut b, mut peers) = playing(&[VIDEO, VIDEO], 0.9);
    b.push(SOUND, 1, 960, OPUS);
    b.pass(15_000);
    assert_eq!(b.take_messages(), 0);
    b.push(VIDEO, 1, 3000, &LONG_KEYFRAME);
    assert_eq!(b.take_messages(), 2, "one for each viewer");
    for p in &mut peers {
        assert_eq!(heard(p, &mut b), [102, 103]);
    }
    b.pass(100_000);
    for p in &mut peers {
        assert!(heard(p, &mut b).is_empty(), "once");
    }
    b.push(SOUND, 2, 1920, OPUS);
    b.push(VIDEO, 2, 6000, DELTA);
    for p in &mut peers {
        assert_eq!(heard(p, &mut b), [102, 103], "and again; it need not fit into the message");
    }
}

#[test]
fn viewers_of_two_renditions_hear_everything_once() {
    let (mut b, mut peers) = playing(&[VIDEO, OTHER_VIDEO], 0.9);
    let mut heard_by = [0, 0];
    for i in 1..100u16 {
        b.push(SOUND, i, u32::from(i) * 960, OPUS);
        b.pass(5_000);
        b.push(VIDEO, i, u32::from(i) * 1800, DELTA);
        b.pass(15_000 + 5_000 * u64::from(i % 4));
        b.push(OTHER_VIDEO, i, u32::from(i) * 1800, DELTA);
        for (p, n) in peers.iter_mut().zip(&mut heard_by) {
            *n += heard(p, &mut b).iter().filter(|pt| **pt == 103).count();
        }
    }
    b.pass(50_000);
    for (p, n) in peers.iter_mut().zip(&mut heard_by) {
        *n += heard(p, &mut b).iter().filter(|pt| **pt == 103).count();
    }
    assert_eq!(heard_by, [99, 99]);
}

#[test]
fn sound_that_finds_no_frame_leaves_soon_and_then_stops_waiting() {
    let (mut b, mut peers) = playing(&[VIDEO], 0.9);
    b.push(SOUND, 1, 960, OPUS);
    b.pass(15_000);
    assert!(heard(&mut peers[0], &mut b).is_empty());
    b.pass(5_000);
    assert_eq!(heard(&mut peers[0], &mut b), [103]);
    for i in 2..12 {
        b.push(SOUND, i, u32::from(i) * 960, OPUS);
        b.pass(20_000);
    }
    heard(&mut peers[0], &mut b);
    b.push(SOUND, 12, 12 * 960, OPUS);
    assert_eq!(heard(&mut peers[0], &mut b), [103], "at once");
}

#[test]
fn what_waits_for_viewers_reaches_taps_at_once() {
    let (mut b, _peers) = playing(&[VIDEO], 0.9);
    b.command(Command::Tap { source: SOUND, enabled: true });
    b.push(SOUND, 1, 960, OPUS);
    b.push(SOUND, 2, 1920, OPUS);
    assert_eq!(b.tapped.len(), 2);
    b.pass(50_000);
    assert_eq!(b.tapped.len(), 2, "once");
}
