//! Which pictures a decoder could show: complete ones, in order, from a keyframe on. A hole ends it until it is repaired
//! or a later keyframe is complete. And when they are played, behind a jitter buffer that follows the latest.

use std::collections::VecDeque;

use rillcast_wire::codec::PayloadInfo;

/// Packets kept behind a hole (libwebrtc's packet buffer holds as many).
const MOST_KEPT: u64 = 2_048;
/// A keyframe behind a hole waits this long for the repair of what is before it: a jitter buffer's worth.
const PATIENCE_US: u64 = 100_000;
/// Gaps between pictures that the mean is taken over, and the least to have one.
const GAPS: usize = 30;
const ENOUGH_GAPS: usize = 5;
const LEAST_FREEZE_US: u64 = 150_000;

/// How late pictures may come without playing later than the others: the jitter buffer grows no further.
const MOST_BUFFER_US: i64 = 500_000;
/// The buffer follows the latest picture of so long and twice as long.
const BUFFER_SPAN_US: u64 = 5_000_000;
const CLOCK_RATE: i64 = 90_000;

#[derive(Clone, Copy)]
struct Slot {
    marker: bool,
    ts: u32,
    /// A decoder may start here: a keyframe with its size.
    size: Option<(u16, u16)>,
}

/// What a packet was to the pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Took {
    New,
    /// It was there already, or is no longer needed.
    Known,
    /// So much was missing before it that everything was thrown away.
    Overflow,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    pub pictures: u64,
    /// Packets that never came in time.
    pub lost: u64,
    pub freezes: u64,
    pub frozen_us: u64,
    /// Changes of the picture's size after the first.
    pub switches: u64,
}

#[derive(Default)]
pub struct Pictures {
    /// The next packet to show; None until there is a keyframe.
    next: Option<u64>,
    /// The pictures from `next` on.
    slots: VecDeque<Option<Slot>>,
    /// Where keyframes begin among the slots.
    keys: Vec<u64>,
    pub height: u16,
    /// The number of the picture whose packets are being taken.
    coming: u16,
    last_us: Option<u64>,
    buffer: Buffer,
    /// When the last picture was played.
    played_us: Option<u64>,
    gaps: VecDeque<u64>,
    pub shown: Shown,
}

/// A jitter buffer's delay: of the last seconds' pictures the one that took longest sets when all are played.
#[derive(Default)]
struct Buffer {
    /// Unwrapped RTP time of the last picture.
    ts: i64,
    /// Least and most transit of this span and the one before, and when this one began.
    spans: [Option<(i64, i64)>; 2],
    since_us: u64,
}

impl Buffer {
    /// When a picture that is complete now is played.
    fn plays_at(&mut self, now_us: u64, ts: u32) -> u64 {
        self.ts += i64::from(ts.wrapping_sub(self.ts as u32) as i32);
        let due_us = self.ts * 1_000_000 / CLOCK_RATE;
        let transit = now_us as i64 - due_us;
        let before = self.spans.iter().flatten().map(|s| s.1).max().unwrap_or(transit);
        if now_us >= self.since_us + BUFFER_SPAN_US {
            (self.spans, self.since_us) = ([None, self.spans[0]], now_us);
        }
        let (least, most) = self.spans[0].unwrap_or((transit, transit));
        self.spans[0] = Some((least.min(transit), most.max(transit)));
        let least = self.spans.iter().flatten().map(|s| s.0).min().unwrap_or(transit);
        now_us.max((due_us + before.min(least + MOST_BUFFER_US)).max(0) as u64)
    }
}

impl Pictures {
    pub fn waits_for_keyframe(&self) -> bool {
        self.next.is_none()
    }

    pub fn last_us(&self) -> Option<u64> {
        self.last_us
    }

    /// First packet that is still needed.
    pub fn needed_from(&self) -> Option<u64> {
        self.next
    }

    /// Takes a packet or its repair. Call once for each that came, in the order of arrival.
    pub fn add(&mut self, now_us: u64, seq: u64, (ts, marker): (u32, bool), info: &PayloadInfo) -> Took {
        let size = info.resolution.filter(|_| info.keyframe_start);
        if self.next.is_none() {
            if size.is_none() {
                return Took::New;
            }
            self.next = Some(seq);
        }
        let next = self.next.unwrap_or(seq);
        let Some(at) = seq.checked_sub(next) else { return Took::Known };
        if at >= MOST_KEPT {
            self.give_up();
            return Took::Overflow;
        }
        let at = at as usize;
        if self.slots.len() <= at {
            self.slots.resize(at + 1, None);
        }
        if self.slots[at].replace(Slot { marker, ts, size }).is_some() {
            return Took::Known;
        }
        if size.is_some() {
            self.keys.push(seq);
        }
        self.advance(now_us);
        Took::New
    }

    /// Nothing is shown before the next keyframe.
    pub fn give_up(&mut self) {
        self.shown.lost += self.slots.iter().filter(|s| s.is_none()).count() as u64;
        self.slots.clear();
        self.keys.clear();
        self.next = None;
    }

    fn advance(&mut self, now_us: u64) {
        loop {
            while let Some(slot) = self.slots.front().copied().flatten() {
                self.take(1);
                self.coming = slot.size.map_or(self.coming, |s| s.1);
                if slot.marker {
                    self.show(now_us, slot.ts);
                }
            }
            let patient = self.last_us.is_some_and(|l| now_us < l + PATIENCE_US);
            let Some(key) = self.complete_keyframe().filter(|_| !patient) else { return };
            let skipped = (key - self.next.unwrap_or(key)) as usize;
            self.shown.lost += self.slots.range(..skipped).filter(|s| s.is_none()).count() as u64;
            self.take(skipped);
        }
    }

    fn take(&mut self, count: usize) {
        self.slots.drain(..count);
        let next = self.next.map(|n| n + count as u64);
        self.next = next;
        self.keys.retain(|k| Some(*k) >= next);
    }

    /// Where the first keyframe behind the hole begins that has all its packets.
    fn complete_keyframe(&self) -> Option<u64> {
        let next = self.next?;
        let complete = |key: u64| {
            let slots = self.slots.range((key - next) as usize..);
            slots.map_while(|s| *s).any(|s| s.marker)
        };
        self.keys.iter().copied().filter(|k| complete(*k)).min()
    }

    fn show(&mut self, now_us: u64, ts: u32) {
        self.shown.pictures += 1;
        if self.coming != self.height {
            self.shown.switches += u64::from(self.height > 0);
            self.height = self.coming;
        }
        self.last_us = Some(now_us);
        let plays = self.buffer.plays_at(now_us, ts).max(self.played_us.unwrap_or(0));
        if let Some(last) = self.played_us.replace(plays) {
            let gap = plays - last;
            if self.is_freeze(gap) {
                self.shown.freezes += 1;
                self.shown.frozen_us += gap;
            }
            if self.gaps.len() == GAPS {
                self.gaps.pop_front();
            }
            self.gaps.push_back(gap);
        }
    }

    /// As libwebrtc's `VideoQualityObserver` has it, with the brief gap allowed instead of added.
    fn is_freeze(&self, gap_us: u64) -> bool {
        let mean = self.gaps.iter().sum::<u64>() / self.gaps.len().max(1) as u64;
        self.gaps.len() >= ENOUGH_GAPS && gap_us > LEAST_FREEZE_US.max(3 * mean)
    }

    /// How long the present picture stands still already, 0 if that is no freeze.
    pub fn standing_us(&self, now_us: u64) -> u64 {
        self.played_us.map(|l| now_us.saturating_sub(l)).filter(|gap| self.is_freeze(*gap)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME_US: u64 = 33_333;

    fn key(height: u16) -> PayloadInfo {
        let resolution = Some((height * 16 / 9, height));
        PayloadInfo { keyframe_start: true, frame_start: true, resolution, ..PayloadInfo::default() }
    }

    /// Frames of two packets from `first` on, every tenth a keyframe; `gone` packets don't come.
    fn feed(p: &mut Pictures, frames: std::ops::Range<u64>, height: u16, gone: &[u64]) {
        for frame in frames {
            for half in 0..2 {
                let seq = 1_000 + frame * 2 + half;
                let info = if frame % 10 == 0 && half == 0 { key(height) } else { PayloadInfo::default() };
                if !gone.contains(&seq) {
                    p.add(frame * FRAME_US, seq, (frame as u32 * 3_000, half == 1), &info);
                }
            }
        }
    }

    #[test]
    fn pictures_begin_with_a_keyframe_and_a_switch_is_another_size() {
        let mut p = Pictures::default();
        feed(&mut p, 5..10, 360, &[]);
        assert!(p.waits_for_keyframe());
        feed(&mut p, 10..20, 360, &[]);
        feed(&mut p, 20..30, 180, &[]);
        assert_eq!((p.shown.pictures, p.height, p.shown.switches), (20, 180, 1));
        assert_eq!((p.shown.freezes, p.shown.lost), (0, 0));
    }

    #[test]
    fn a_repair_in_time_lets_what_waited_behind_the_hole_be_shown() {
        let mut p = Pictures::default();
        feed(&mut p, 0..8, 360, &[1_013]);
        assert_eq!(p.shown.pictures, 6);
        assert_eq!(p.add(8 * FRAME_US, 1_013, (18_000, true), &PayloadInfo::default()), Took::New);
        assert_eq!((p.shown.pictures, p.shown.lost), (8, 0));
        assert_eq!(p.add(8 * FRAME_US, 1_013, (18_000, true), &PayloadInfo::default()), Took::Known);
    }

    #[test]
    fn without_repair_the_picture_freezes_until_a_later_keyframe_is_complete() {
        let mut p = Pictures::default();
        feed(&mut p, 0..35, 360, &[1_031, 1_040]);
        assert_eq!(
            (p.shown.freezes, p.shown.frozen_us / 1_000),
            (1, 16 * FRAME_US / 1_000),
            "14 was shown, 20 is broken, then 30"
        );
        assert_eq!((p.shown.pictures, p.shown.lost), (15 + 5, 2));
        let before = p.shown;
        assert_eq!(p.standing_us(35 * FRAME_US), 0);
        assert_eq!(p.standing_us(60 * FRAME_US) / 1_000, 26 * FRAME_US / 1_000);
        assert_eq!(p.shown, before);
    }

    #[test]
    fn a_hole_that_outgrows_the_buffer_ends_everything_until_a_keyframe() {
        let mut p = Pictures::default();
        feed(&mut p, 0..2, 360, &[]);
        for seq in 1_005..1_004 + MOST_KEPT {
            assert_eq!(p.add(0, seq, (0, false), &PayloadInfo::default()), Took::New);
        }
        assert_eq!(p.add(0, 1_004 + MOST_KEPT, (0, false), &PayloadInfo::default()), Took::Overflow);
        assert!(p.waits_for_keyframe());
        assert_eq!(p.shown.lost, 1);
    }

    #[test]
    fn large_keyframes_that_take_long_freeze_the_picture_once_and_then_the_buffer_has_grown() {
        let mut p = Pictures::default();
        for frame in 0..300u64 {
            let after_key = frame % 60;
            let info = if after_key == 0 { key(720) } else { PayloadInfo::default() };
            let late = if frame < 60 { 0 } else { 250_000u64.saturating_sub(after_key * 30_000) };
            p.add(frame * FRAME_US + late, frame, (frame as u32 * 3_000, true), &info);
        }
        assert_eq!((p.shown.pictures, p.shown.freezes), (300, 1), "{:?}", p.shown);
    }
}
