//! A source: one track arriving at this node, by whatever feed, kept in one unbroken sequence and timeline.
//!
//! Feeds come and go under a living source (publisher takeover, new SSRC, relay parent replaced): each new feed is
//! joined to the old sequence and timeline, so that viewers, relays and mirrors never notice.

use std::sync::Arc;

use rillcast_wire::codec::{self, Codec};
use rillcast_wire::rtp::SeqUnwrapper;

use crate::config::Kind;
use crate::events::SourceStats;
use crate::figures::{Jitter, Rate, Stats};
use crate::layers::{Layer, LayerCount, ALL};
use crate::nack::NackTracker;
use crate::packet::{ticks, Carried, Clock, Packet, PacketRef};
use crate::ring::Ring;
use clock::FeedClock;
use keyframe_requests::KeyframeRequests;
use numbers::Numbers;
pub use parameter_sets::ParameterSets;
pub use reports::{judge, Verdict};
use resume::Resume;
use silence::FrameInterval;

/// Where a source's packets come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// Nothing at the moment.
    None,
    Session {
        slot: usize,
        track: usize,
        encoding: usize,
    },
    Relay,
    Push,
    /// The source lives on another worker.
    Mirror {
        worker: usize,
    },
}

/// A packet as the feed has it.
pub struct Incoming<'a> {
    pub seq: u16,
    pub ts: u32,
    pub marker: bool,
    pub carried: Carried,
    pub payload: &'a [u8],
}

/// Sequence jumps larger than this are a new sequence, not loss.
const MAX_JUMP: u64 = 3_000;

/// How many packets a retransmission may have overtaken on its way.
const MAX_OVERTAKEN: u64 = 200;

/// Packets kept. Video: five seconds (`ring::KEEP_US`) of 8 Mbit/s, twice what clients publish, and ten of 16 Mbit/s where
/// keyframes are so far apart. Audio: five seconds in packets of 20 ms.
const VIDEO_RING: (usize, usize) = (4096, 16_384);
const AUDIO_RING: (usize, usize) = (256, 256);

pub struct Source {
    pub id: u64,
    pub kind: Kind,
    pub codec: Codec,
    pub clock_rate: u32,
    pub feed: Feed,
    pub ring: Ring,
    pub clock: Option<Clock>,
    pub nack: NackTracker,
    /// Viewers: (session slot, send track).
    pub viewers: Vec<(usize, usize)>,
    pub relays: Vec<u64>,
    pub mirrors: Vec<usize>,
    pub tapped: bool,
    /// Packets not fanned out yet.
    pub pending: Vec<PacketRef>,
    pub pending_since_us: u64,
    /// How many of them mirrors, taps and relays have got already.
    pub forwarded: usize,
    /// Audio: how many have reached a viewer behind a video frame, all viewers together; and how often in a row none had.
    pub piggybacked: usize,
    pub waited_in_vain: u8,
    pub keyframe_interval_us: u64,
    pub keyframe_wanted: bool,
    pub keyframe_asked_us: u64,
    requests: KeyframeRequests,
    fir: u8,
    /// Where the next frame's fan-out begins, so that the tail is shared.
    rotation: usize,
    unwrap: SeqUnwrapper,
    layers: LayerCount,
    rate: Rate,
    joined: bool,
    /// While packets of another parent come that may have come before.
    resuming: Option<Resume>,
    feed_clock: FeedClock,
    joined_us: u64,
    numbers: Numbers,
    pub sets: ParameterSets,
    ts_offset: u32,
    last_ts: u32,
    last_frame: u64,
    pub last_arrival_us: u64,
    silence_told: bool,
    interval: FrameInterval,
    jitter: Jitter,
    stats: Stats,
}

impl Source {
    /// Without packets; `feed` is where they will come from.
    pub fn new(id: u64, kind: Kind, codec: Codec, clock_rate: u32, feed: Feed) -> Self {
        let (packets, most) = if kind == Kind::Video { VIDEO_RING } else { AUDIO_RING };
        Source {
            id,
            kind,
            codec,
            clock_rate,
            feed,
            ring: Ring::new(packets, most),
            clock: None,
            nack: NackTracker::default(),
            viewers: vec![],
            relays: vec![],
            mirrors: vec![],
            tapped: false,
            pending: vec![],
            pending_since_us: 0,
            forwarded: 0,
            piggybacked: 0,
            waited_in_vain: 0,
            keyframe_interval_us: 0,
            keyframe_wanted: false,
            keyframe_asked_us: 0,
            requests: KeyframeRequests::default(),
            fir: 0,
            rotation: 0,
            unwrap: SeqUnwrapper::new(),
            layers: LayerCount::default(),
            rate: Rate::default(),
            joined: false,
            resuming: None,
            feed_clock: FeedClock::default(),
            joined_us: 0,
            numbers: Numbers::default(),
            sets: ParameterSets::default(),
            ts_offset: 0,
            last_ts: 0,
            last_frame: 0,
            last_arrival_us: 0,
            silence_told: false,
            interval: FrameInterval::new(clock_rate),
            jitter: Jitter::default(),
            stats: Stats::default(),
        }
    }

    /// The place among the viewers with which the next burst begins.
    pub fn next_first(&mut self) -> usize {
        let first = self.rotation % self.viewers.len().max(1);
        self.rotation = first + 1;
        first
    }

    /// Whether another worker has the source, and this is its image here.
    pub fn is_mirror(&self) -> bool {
        matches!(self.feed, Feed::Mirror { .. })
    }

    /// Whoever gets its packets: viewers' tracks, relays, other workers and a tap.
    pub fn consumers(&self) -> usize {
        self.viewers.len() + self.relays.len() + self.mirrors.len() + usize::from(self.tapped)
    }

    /// The next packet comes from another feed: join it to what was.
    pub fn rejoin(&mut self, feed: Feed) {
        self.feed = feed;
        self.joined = false;
        self.resuming = None;
        self.leave_clock();
        self.requests.restart();
        self.nack.restart();
        self.sets.restart(self.codec);
    }

    /// The bit rate of the last second; 0 while it is unknown.
    pub fn rate_bps(&self) -> u64 {
        self.rate.bps
    }

    /// Whether it ever had a packet.
    pub fn has_started(&self) -> bool {
        self.stats.packets > 0
    }

    /// Whether the current feed has delivered a packet.
    pub fn is_joined(&self) -> bool {
        self.joined
    }

    /// Whether a retransmission can be of a packet of the current feed. None begins one, and none is far ahead of what
    /// has come: it would make all that follows a packet that comes too late.
    pub fn can_repair(&self, seq: u16) -> bool {
        let fed = self.unwrap.peek(seq);
        self.joined && self.unwrap.highest().is_some_and(|h| fed <= h + MAX_OVERTAKEN && h <= fed + MAX_JUMP)
    }

    /// Takes a packet from the feed. None: duplicate. The packet also waits in `pending`.
    pub fn ingest(&mut self, now_us: u64, p: Incoming<'_>, wall_ntp: u64) -> Option<PacketRef> {
        let mut fed = self.unwrap.peek(p.seq);
        let jump = self.unwrap.highest().map_or(0, |h| fed.abs_diff(h));
        if !self.joined || jump > MAX_JUMP {
            self.join(now_us, &p);
            fed = self.unwrap.peek(p.seq);
        }
        self.unwrap.unwrap(p.seq);
        if !self.nack.on_packet(fed, now_us) {
            self.keyframe_wanted = self.kind == Kind::Video;
        }
        if self.came_before(fed, &p) {
            return None;
        }
        let seq = self.numbers.of(fed);
        if self.ring.contains(seq) {
            return None;
        }
        let ts = p.ts.wrapping_add(self.ts_offset);
        let (newest_frame, before) = (self.last_frame, self.last_ts);
        let frame = self.frame_of(seq, ts);
        let info = codec::inspect(self.codec, p.payload);
        let (seq, starts_keyframe, set_part) = self.with_sets(now_us, fed, (seq, ts, frame), &p, &info);
        let starts_keyframe = starts_keyframe && self.kind == Kind::Video;
        let layer = match self.ring.highest() {
            Some(highest) if seq < highest => {
                let successor = self.ring.since(seq + 1).next().map(|p| &p.layer);
                self.layers.late(info.temporal_id, successor)
            }
            _ => self.layers.next(frame, info.temporal_id, info.entry),
        };
        self.note_stats(p.payload.len(), ts, starts_keyframe, info.resolution, layer);
        self.jitter.on_packet(now_us, ts, self.clock_rate);
        if frame > newest_frame {
            self.guess_clock(now_us, ts, wall_ntp);
            self.interval.on_frame(if newest_frame > 0 { ts.wrapping_sub(before) } else { self.clock_rate });
        }
        let packet = Arc::new(Packet {
            seq,
            ts,
            marker: p.marker,
            frame,
            arrival_us: now_us,
            carried: p.carried,
            layer,
            payload: p.payload.into(),
        });
        let stored = self.store(packet, starts_keyframe, now_us);
        if set_part {
            self.note_set_part(seq);
        }
        stored
    }

    /// A packet of a mirrored source.
    pub fn mirror(&mut self, now_us: u64, packet: PacketRef) {
        let info = codec::inspect(self.codec, &packet.payload);
        let starts_keyframe = info.keyframe_start && self.kind == Kind::Video;
        self.note_stats(packet.payload.len(), packet.ts, starts_keyframe, info.resolution, packet.layer);
        self.store(packet, starts_keyframe, now_us);
    }

    fn store(&mut self, packet: PacketRef, starts_keyframe: bool, now_us: u64) -> Option<PacketRef> {
        self.last_arrival_us = now_us;
        if starts_keyframe {
            self.requests.came(now_us);
        }
        self.rate.count(now_us, packet.payload.len());
        if !self.ring.insert(packet.clone(), starts_keyframe) {
            return None;
        }
        if self.pending.is_empty() {
            self.pending_since_us = now_us;
        }
        self.pending.push(packet.clone());
        Some(packet)
    }

    fn join(&mut self, now_us: u64, p: &Incoming<'_>) {
        self.unwrap = SeqUnwrapper::new();
        let fed = self.unwrap.peek(p.seq);
        self.nack.restart();
        self.resuming = None;
        if self.goes_on(now_us, p) {
            self.resume();
        } else if let Some(highest) = self.ring.highest() {
            self.numbers.restart(fed, highest + 1);
            let elapsed =
                ticks(now_us.saturating_sub(self.last_arrival_us), self.clock_rate).max(self.clock_rate / 100);
            self.ts_offset = self.last_ts.wrapping_add(elapsed).wrapping_sub(p.ts);
        }
        (self.joined, self.joined_us) = (true, now_us);
        self.jitter = Jitter::default();
        self.rejoin_clock();
    }

    fn frame_of(&mut self, seq: u64, ts: u32) -> u64 {
        let ahead = ts.wrapping_sub(self.last_ts) as i32;
        if !self.has_started() || ahead > 0 {
            self.last_ts = ts;
            self.last_frame += 1;
            return self.last_frame;
        }
        if ahead == 0 {
            return self.last_frame;
        }
        self.ring.get(seq.wrapping_sub(1)).map_or(self.last_frame.saturating_sub(1), |p| {
            if p.ts == ts {
                p.frame
            } else {
                p.frame + 1
            }
        })
    }

    fn note_stats(&mut self, bytes: usize, ts: u32, keyframe: bool, resolution: Option<(u16, u16)>, layer: Layer) {
        self.stats.layer_bytes[usize::from(layer.id.min(ALL))] += bytes as u64 + 12;
        self.stats.packets += 1;
        self.stats.bytes += bytes as u64 + 12;
        if keyframe && self.stats.keyframe_ts != Some(ts) {
            self.stats.keyframe_ts = Some(ts);
            self.stats.keyframes += 1;
        }
        if let Some(r) = resolution {
            self.stats.resolution = r;
        }
    }

    /// What was not kept since this was asked, by reason.
    pub fn take_dropped(&mut self) -> [(&'static str, u64); 2] {
        [("parameter_set_not_kept", self.sets.take_dropped()), ("keyframe_not_kept", self.ring.take_lost())]
    }

    /// Figures since the last call, about once a second.
    pub fn take_stats(&mut self, now_us: u64, interval_us: u64) -> SourceStats {
        let s = interval_us.max(1) as f64 / 1e6;
        let (_, bytes, frame) = self.stats.before;
        let out = SourceStats {
            source: self.id,
            bitrate_bps: ((self.stats.bytes - bytes) as f64 * 8.0 / s) as u64,
            packets: self.stats.packets,
            lost: self.nack.lost,
            recovered: self.nack.recovered,
            keyframes: self.stats.keyframes,
            frames_per_second: (self.last_frame.saturating_sub(frame) as f64 / s * 10.0).round() / 10.0,
            width: self.stats.resolution.0,
            height: self.stats.resolution.1,
            layers_bps: self.stats.take_layers(s),
            silent_ms: now_us.saturating_sub(self.last_arrival_us) / 1000,
            consumers: self.consumers(),
        };
        self.stats.before = (self.stats.packets, self.stats.bytes, self.last_frame);
        out
    }

    /// What a receiver report says of the feed: (fraction lost, cumulative lost, extended highest sequence, jitter).
    pub fn take_reception(&mut self) -> Option<(u8, i32, u32, u32)> {
        let highest = self.unwrap.highest()?;
        let (packets, lost) = self.stats.received_in_interval;
        let received = self.stats.packets - packets;
        let lost_now = self.nack.lost.saturating_sub(lost);
        self.stats.received_in_interval = (self.stats.packets, self.nack.lost);
        let expected = received + lost_now;
        let fraction = (lost_now * 256).checked_div(expected).unwrap_or(0).min(255) as u8;
        Some((fraction, self.nack.lost.min(0x7f_ffff) as i32, highest as u32, self.jitter.value as u32))
    }
}

mod arrivals;
mod as_fed;
mod clock;
mod keyframe_requests;
mod numbers;
mod own_packets;
mod parameter_sets;
mod reports;
mod resume;
mod silence;
#[cfg(test)]
mod tests;
