//! A viewer's track from one plane to another: what is handed over of it, and how it goes on.
//!
//! Two planes may have the same source at different delays. What the plane before has sent already is not sent again, so a
//! track whose source is behind waits. Where both planes know the publisher's clock, timestamps go on in its time, and
//! sound and picture stay together.

use rillcast_wire::codec::vp8::{self, FrameNumber};
use rillcast_wire::codec::Codec;

use super::rtp_munger::RtpMunger;
use super::send::{Progress, SendTrack};
use crate::config::Kind;
use crate::packet::{Clock, Packet, PacketRef};
use crate::ring::Keyframe;
use crate::source::Source;
use crate::srtp_state::{SentStream, ShownPacket};
use crate::thinning::Thinning;

/// For a source that is behind: no node is so much farther from the publisher than another one.
const MAX_WAIT_US: u64 = 500_000;
/// Sound that came while the planes changed is sent as well, up to so many packets of 20 ms.
const MAX_SOUND: u64 = 25;
/// Two planes may know the time of the same packet so differently, as a fraction of a second.
const SAME_TIME: u32 = 400;
/// Packets among which the last one of the other plane is looked for: those of half a second at 10 Mbit/s.
const COMPARED: u64 = 512;
/// No two times of NTP are farther apart than 2^31 s.
const MOST_SHIFT_US: i64 = (1 << 31) * 1_000_000;
/// Times that differ by more are of different clocks.
const SAME_CLOCK_S: u32 = 10;

impl SendTrack {
    /// Where the track stands, and its repairs. `source`: what it shows.
    pub(super) fn exported(&self, now_us: u64, source: Option<&Source>) -> impl Iterator<Item = SentStream> {
        let clock = source.filter(|s| s.clock_is_reported()).and_then(|s| {
            let munger = self.current.filter(|c| c.source == s.id)?;
            s.clock.map(|c| (c.ntp, c.rtp.wrapping_add(munger.ts_offset)))
        });
        let from_before = || {
            let told = self.timeline.filter(|_| self.takes_over())?;
            Some((told.later(-self.shift_us).ntp, told.rtp))
        };
        let (ntp, ntp_timestamp) = clock.or_else(from_before).unwrap_or_default();
        let number = self.frame_number;
        let media = SentStream {
            ssrc: self.config.ssrc,
            index: self.next & 0xffff_ffff_ffff,
            timestamp: self.last_ts,
            silent_us: now_us.saturating_sub(self.last_sent_us),
            ntp,
            ntp_timestamp,
            shift_us: self.shift_us,
            packets: self.packets,
            octets: self.octets,
            picture: number.map(|n| n.picture),
            tl0: number.map_or(0, |n| n.tl0),
            shown: self.shown_last(source),
        };
        let rtx =
            SentStream { ssrc: self.config.rtx_ssrc, index: self.rtx_seq & 0xffff_ffff_ffff, ..Default::default() };
        [media, rtx].into_iter().filter(|s| s.ssrc != 0)
    }

    /// What the newest packet was of the source, if nothing but that source's packets is sent, as they come.
    fn shown_last(&self, source: Option<&Source>) -> Option<ShownPacket> {
        if self.takes_over() {
            return self.shown_before;
        }
        let (munger, source) = (self.current.filter(|m| m.is_whole())?, source?);
        if self.progress != Progress::Live || munger.source != source.id {
            return None;
        }
        let p = munger.find(&source.ring, self.next.wrapping_sub(1)).filter(|p| munger.is_live(p))?;
        Some(ShownPacket { timestamp: p.ts, digest: p.digest() })
    }

    /// Goes on where another plane has stopped. Before the track has sent anything itself.
    pub(super) fn take_over(&mut self, now_us: u64, media: &SentStream, rtx: Option<&SentStream>) {
        self.next = media.index;
        // Whatever was lost there: none of its numbers is used again.
        self.sent = u64::MAX;
        self.last_ts = media.timestamp;
        self.last_sent_us = if media.packets > 0 { now_us.saturating_sub(media.silent_us).max(1) } else { 0 };
        let clock = Clock { ntp: media.ntp, rtp: media.ntp_timestamp, at_us: now_us };
        self.shift_us = media.shift_us.clamp(-MOST_SHIFT_US, MOST_SHIFT_US);
        self.timeline = (media.ntp != 0).then(|| clock.later(self.shift_us));
        self.timeline_is_sure = media.ntp != 0;
        self.rtx_seq = rtx.map_or(self.rtx_seq, |r| r.index);
        (self.packets, self.octets) = (media.packets, media.octets);
        self.frame_number = media.picture.map(|picture| FrameNumber { picture, tl0: media.tl0 });
        self.shown_before = media.shown;
    }

    /// Goes on with the packet behind the one that another plane has sent last, if the source has that one here. What the
    /// viewer has shown goes on then, without a keyframe.
    pub fn goes_on(&mut self, now_us: u64, source: &Source) -> bool {
        let Some(last) = self.last_of_before(now_us, source) else { return false };
        let (first_seq, ts_offset) = (last.seq + 1, self.last_ts.wrapping_sub(last.ts));
        let renumber = (source.codec == Codec::Vp8).then(|| {
            self.frame_number.map_or_else(FrameNumber::default, |n| vp8::frame_number(&last.payload).gap_to(n))
        });
        self.current = Some(RtpMunger {
            renumber,
            thinning: Thinning::NONE,
            source: source.id,
            start: self.next,
            switch: self.next,
            first_seq,
            seq_offset: self.next.wrapping_sub(first_seq),
            ts_offset,
            squeeze: None,
        });
        self.progress = Progress::Catching { next: first_seq };
        self.source = Some(source.id);
        self.target = self.target.filter(|t| *t != source.id);
        true
    }

    fn last_of_before<'a>(&self, now_us: u64, source: &'a Source) -> Option<&'a PacketRef> {
        let shown = self.shown_before.filter(|_| self.takes_over() && now_us < self.last_sent_us + MAX_WAIT_US)?;
        source.newest(COMPARED).find(|p| p.ts == shown.timestamp && p.digest() == shown.digest)
    }

    /// Where this track would begin with `source` now: its cached keyframe, or for audio its next packet. None: there is
    /// no such, or nothing yet that the viewer has not had from another plane.
    pub fn entry(&self, now_us: u64, source: &Source) -> Option<Keyframe> {
        let highest = source.ring.highest()?;
        if source.kind == Kind::Audio {
            let p = match self.offset_to_go_on(now_us, source) {
                Some(offset) => {
                    source.ring.since(highest.saturating_sub(MAX_SOUND)).find(|p| self.is_news(p, offset))?
                }
                None => source.ring.get(highest)?,
            };
            return Some(Keyframe { first_seq: p.seq, ts: p.ts, frame: p.frame, arrival_us: p.arrival_us });
        }
        source.ring.keyframe()
    }

    /// Whether the source has nothing yet behind `at` that the viewer has not had from another plane.
    pub fn is_ahead_of(&self, now_us: u64, source: &Source, at: Keyframe) -> bool {
        let Some(offset) = self.offset_to_go_on(now_us, source) else { return false };
        let Some(live) = source.ring.highest().and_then(|h| source.ring.get(h)) else { return false };
        let frames = live.frame.saturating_sub(at.frame).min(u64::from(u32::MAX)) as i32;
        !self.is_news(live, offset) || self.room(live, offset) <= frames
    }

    /// Whether another plane has sent the track until now, and this one has yet to begin.
    pub(super) fn takes_over(&self) -> bool {
        self.current.is_none() && self.last_sent_us > 0
    }

    /// What is added to the source's timestamps, while what the other plane has sent is to be compared with them.
    fn offset_to_go_on(&self, now_us: u64, source: &Source) -> Option<u32> {
        if !self.takes_over() || now_us >= self.last_sent_us + MAX_WAIT_US {
            return None;
        }
        let offset = self.offset_by_clock(source, self.shift_us)?;
        let live = source.ring.get(source.ring.highest()?)?;
        let apart = self.room(live, offset).unsigned_abs();
        (apart < SAME_CLOCK_S * self.config.clock_rate).then_some(offset)
    }

    fn is_news(&self, p: &Packet, offset: u32) -> bool {
        self.room(p, offset) > (self.config.clock_rate / SAME_TIME) as i32
    }

    /// By how much a packet is later than the last one that was sent.
    fn room(&self, p: &Packet, offset: u32) -> i32 {
        p.ts.wrapping_add(offset).wrapping_sub(self.last_ts) as i32
    }
}
