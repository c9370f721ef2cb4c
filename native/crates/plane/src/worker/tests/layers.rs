//! Viewers that get fewer temporal layers: nothing they see has a hole, and repairs find the right packets.

use rillcast_wire::codec::vp8::frame_number;
use rillcast_wire::{codec, rtcp};

use super::rig::{Bench, Peer, KEYFRAME};
use crate::config::Command;

/// libwebrtc's three temporal layers of VP8: layer and layer sync, repeating.
const PATTERN: [(u8, bool); 8] =
    [(0, false), (2, true), (1, true), (2, false), (0, false), (2, false), (1, false), (2, false)];

/// Frame `i` as packets of a publisher with three layers; frame 0 is a keyframe.
fn frame(i: u16, packets: usize) -> Vec<Vec<u8>> {
    let (layer, sync) = PATTERN[usize::from(i % 8)];
    let picture = (0x7FF0 + i) & 0x7FFF | 0x8000;
    let rest = if i == 0 { &KEYFRAME[1..] } else { &[0x01, 0, 0][..] };
    (0..packets)
        .map(|n| {
            let start = if n == 0 { 0x90 } else { 0x80 };
            let mut p = vec![start, 0xE0, (picture >> 8) as u8, picture as u8, (i / 4) as u8];
            p.push(layer << 6 | u8::from(sync) << 5);
            p.extend_from_slice(rest);
            p.push(n as u8);
            p
        })
        .collect()
}

fn layer(payload: &[u8]) -> u8 {
    codec::inspect(codec::Codec::Vp8, payload).temporal_id.unwrap()
}

struct Stage {
    b: Bench,
    publisher: Peer,
    viewer: Peer,
    next: u16,
}

impl Stage {
    fn new() -> Self {
        let mut b = Bench::new();
        let publisher = b.publisher(1, 1001);
        let viewer = b.viewer(2, 1002, 100);
        Stage { b, publisher, viewer, next: 0 }
    }

    /// Frame `i` of two packets, without those whose sequence number is in `lost`.
    fn frames(&mut self, until: u16, lost: &[u16]) {
        for i in self.next..until {
            for (n, payload) in frame(i, 2).iter().enumerate() {
                let seq = i * 2 + n as u16;
                if !lost.contains(&seq) {
                    self.packet(seq, u32::from(i), payload);
                }
            }
        }
        self.next = until;
    }

    fn packet(&mut self, seq: u16, frame: u32, payload: &[u8]) {
        self.publisher.send_rtp(&mut self.b, 96, 5, seq, frame * 3000, payload);
    }

    fn limit(&mut self, temporal: u8) {
        self.b.command(Command::LimitLayers { session: 2, track: 0, temporal });
    }

    /// (sequence number, payload) of what the viewer got.
    fn seen(&mut self) -> Vec<(u16, Vec<u8>)> {
        self.viewer.received(&mut self.b).0.into_iter().map(|(h, p)| (h.seq, p)).collect()
    }

    fn repaired(&mut self, seq: u16) -> Vec<Vec<u8>> {
        let mut nack = vec![];
        rtcp::write_nack(&mut nack, 9, 1002, &[seq]);
        self.viewer.send_rtcp(&mut self.b, nack);
        self.seen().into_iter().map(|(_, p)| p).collect()
    }
}

fn no_holes(seen: &[(u16, Vec<u8>)]) {
    for pair in seen.windows(2) {
        assert_eq!(pair[1].0, pair[0].0.wrapping_add(1), "sequence numbers go on");
        let (before, now) = (frame_number(&pair[0].1).picture, frame_number(&pair[1].1).picture);
        let same = pair[1].1[0] & 0x10 == 0;
        let expected = if same { before } else { (before + 1) & 0x7FFF };
        assert_eq!(now & 0x7FFF, expected, "so do picture ids");
    }
}

fn layers(seen: &[(u16, Vec<u8>)]) -> Vec<u8> {
    seen.iter().filter(|(_, p)| p[0] & 0x10 != 0).map(|(_, p)| layer(p)).collect()
}

#[test]
fn fewer_layers_leave_no_hole_on_the_way_down_and_up() {
    let mut s = Stage::new();
    s.frames(5, &[]);
    s.limit(1);
    s.frames(13, &[]);
    s.limit(0);
    s.frames(32, &[]);
    s.limit(7);
    s.frames(56, &[]);
    let seen = s.seen();
    no_holes(&seen);
    let layers = layers(&seen);
    assert_eq!(layers[..5], [0, 2, 1, 2, 0]);
    assert_eq!(layers[5..9], [1, 0, 1, 0], "frames 6, 8, 10, 12");
    assert_eq!(layers[9..13], [0, 0, 0, 0], "frames 16, 20, 24, 28");
    assert_eq!(layers[13..15], [0, 1], "layer 1 from its sync frame on, 34");
    assert_eq!(layers[15..18], [0, 1, 0], "and layer 2 from its own, 41");
    assert_eq!(layers[18..22], [2, 1, 2, 0]);
}

#[test]
fn the_base_layer_index_is_left_as_it_was() {
    let mut s = Stage::new();
    s.frames(1, &[]);
    s.limit(0);
    s.frames(40, &[]);
    let seen = s.seen();
    let indices: Vec<u8> = seen.iter().map(|(_, p)| frame_number(p).tl0).collect();
    assert!(indices.windows(2).all(|w| w[1] - w[0] <= 1), "{indices:?}");
}

#[test]
fn repairs_find_the_packet_behind_each_number() {
    let mut s = Stage::new();
    s.frames(6, &[]);
    s.limit(1);
    s.frames(20, &[]);
    s.limit(0);
    s.frames(40, &[]);
    let seen = s.seen();
    for (seq, payload) in seen.iter().skip(seen.len() - 20) {
        s.b.pass(40_000);
        let repair = s.repaired(*seq);
        assert_eq!(repair.len(), 1, "{seq}");
        assert_eq!(repair[0][..2], seq.to_be_bytes());
        assert_eq!(repair[0][2..], payload[..]);
    }
}

#[test]
fn a_packet_that_was_lost_on_the_way_here_and_is_not_wanted_leaves_an_empty_one() {
    let mut s = Stage::new();
    s.frames(1, &[]);
    s.limit(0);
    // Of frame 5 (layer 2) the first packet, of frame 8 (layer 0) the second.
    s.frames(12, &[10, 17]);
    s.packet(10, 5, &frame(5, 2)[0]);
    s.packet(17, 8, &frame(8, 2)[1]);
    s.frames(16, &[]);
    let seen = s.seen();
    let first = seen[0].0;
    let mut places: Vec<u16> = seen.iter().map(|(seq, _)| seq.wrapping_sub(first)).collect();
    places.sort_unstable();
    assert_eq!(places, (0..9).collect::<Vec<u16>>(), "frames 0, 4, 8, 12 and one number more");
    let empty: Vec<u16> = seen.iter().filter(|(_, p)| p.is_empty()).map(|(seq, _)| *seq).collect();
    assert_eq!(empty.len(), 1);
    s.b.pass(40_000);
    assert_eq!(s.repaired(empty[0]), [empty[0].to_be_bytes().to_vec()], "the repair is as empty");
}

#[test]
fn probes_repeat_nothing_that_was_not_sent() {
    let mut s = Stage::new();
    s.frames(4, &[]);
    s.limit(0);
    s.frames(40, &[]);
    let sent: Vec<u16> = s.seen().into_iter().map(|(seq, _)| seq).collect();
    s.b.command(Command::Probe { session: 2, track: 0, bitrate_bps: 1_000_000, duration_ms: 200 });
    s.b.pass(200_000);
    let padding = s.seen();
    assert!(padding.len() > 10);
    for (_, payload) in padding {
        assert!(sent.contains(&u16::from_be_bytes([payload[0], payload[1]])));
    }
}

#[test]
fn the_rates_of_layers_are_told() {
    let mut s = Stage::new();
    for i in 0..60 {
        s.frames(i, &[]);
        s.b.pass(35_000);
    }
    let told = s.b.events.iter().find_map(|e| match e {
        crate::events::Event::SourceStats(s) if s.packets > 20 => Some(s.clone()),
        _ => None,
    });
    let rates = told.unwrap().layers_bps;
    assert_eq!(rates.len(), 3);
    assert!(rates[0] < rates[1] && rates[1] < rates[2]);
}

#[test]
fn a_limit_outlasts_a_hold_that_came_to_nothing() {
    let mut s = Stage::new();
    s.frames(8, &[]);
    s.limit(0);
    let spec = crate::config::SourceSpec {
        source: 200,
        worker: 0,
        kind: crate::config::Kind::Video,
        codec: "VP8".into(),
        clock_rate: 90_000,
    };
    s.b.command(Command::AddPushSource(spec));
    s.frames(16, &[]);
    s.seen();
    s.b.command(Command::SwitchSource { session: 2, track: 0, source: Some(200), hold: true });
    s.frames(24, &[]);
    assert!(s.seen().is_empty());
    s.b.pass(600_000);
    s.b.command(Command::SwitchSource { session: 2, track: 0, source: Some(100), hold: false });
    s.frames(48, &[]);
    s.b.pass(1_000_000);
    let seen = layers(&s.seen());
    assert!(seen.ends_with(&[0, 0, 0, 0]), "{seen:?}");
}

/// Frame `i` of `PATTERN` in H.265: an IDR with its parameter sets, then TRAIL_R, and TSA_R where a layer may be taken up.
fn h265_frame(i: u16) -> Vec<Vec<u8>> {
    let (layer, sync) = PATTERN[usize::from(i % 8)];
    let unit = |kind: u8, layer: u8, rest: &[u8]| [&[kind << 1, layer + 1][..], rest].concat();
    match (i, sync) {
        (0, _) => vec![unit(32, 0, &[0x0C]), unit(33, 0, &[1]), unit(34, 0, &[0xC1]), unit(19, 0, &[0xAF])],
        (_, true) => vec![unit(3, layer, &[0xD0]), unit(3, layer, &[0x40])],
        (_, false) => vec![unit(1, layer, &[0xD0]), unit(1, layer, &[0x40])],
    }
}

#[test]
fn layers_of_h265_are_left_out_and_taken_up_at_tsa_pictures() {
    let mut b = Bench::new();
    let mut track = b.publisher_track();
    track.codec = "H265".into();
    let mut publisher = b.join(1, 1001, vec![track], vec![]);
    let mut viewer = b.viewer(2, 1002, 100);
    let mut seq = 0;
    for i in 0..56 {
        match i {
            5 => b.command(Command::LimitLayers { session: 2, track: 0, temporal: 0 }),
            32 => b.command(Command::LimitLayers { session: 2, track: 0, temporal: 2 }),
            _ => {}
        }
        for payload in h265_frame(i) {
            publisher.send_rtp(&mut b, 96, 5, seq, u32::from(i) * 3000, &payload);
            seq += 1;
        }
    }
    let (seen, _) = viewer.received(&mut b);
    assert!(seen.windows(2).all(|pair| pair[1].0.seq == pair[0].0.seq.wrapping_add(1)), "no holes");
    assert_eq!(seen[0].1[0] >> 1, 32, "a video parameter set comes first");
    let of = |payload: &[u8]| codec::inspect(codec::Codec::H265, payload);
    let frames = seen[4..].iter().filter(|(_, p)| of(p).frame_start);
    let layers: Vec<u8> = frames.filter_map(|(_, p)| of(p).temporal_id).collect();
    assert_eq!(layers[..4], [2, 1, 2, 0], "frames 1 to 4");
    assert_eq!(layers[4..10], [0, 0, 0, 0, 0, 0], "frames 8, 12, 16, 20, 24, 28");
    assert_eq!(layers[10..15], [0, 1, 0, 1, 0], "layer 1 from its own picture on, 34");
    assert_eq!(layers[15..19], [2, 1, 2, 0], "and layer 2 from its own, 41");
}
