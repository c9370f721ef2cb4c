//! H.264 whose parameter sets come once, or stand in the SDP only: viewers who come later are sent them all the same.

use super::rig::{Bench, Peer};
use crate::config::{AddSession, Command, RecvTrack};
use crate::events::Event;

const SPS: &[u8] = &[0x67, 0x42, 0xC0, 0x0D, 0xDA, 0x05, 0x07, 0xE8];
const PPS: &[u8] = &[0x68, 0xCE, 0x0F, 0x2C, 0x80];
const IDR: &[u8] = &[0x65, 0x88, 1];
const DELTA: &[u8] = &[0x41, 0x9A, 1];

fn track(b: &Bench) -> RecvTrack {
    RecvTrack { codec: "H264".into(), ..b.publisher_track() }
}

fn both() -> Vec<u8> {
    [&[0x78, 0, SPS.len() as u8][..], SPS, &[0, PPS.len() as u8], PPS].concat()
}

pub struct Camera {
    pub b: Bench,
    pub publisher: Peer,
    pub seq: u16,
    pub ts: u32,
}

impl Camera {
    pub fn with(track: impl Fn(&Bench) -> RecvTrack) -> Self {
        let mut b = Bench::new();
        let track = track(&b);
        let publisher = b.join(1, 1001, vec![track], vec![]);
        Camera { b, publisher, seq: 100, ts: 0 }
    }

    fn new() -> Self {
        Self::with(track)
    }

    /// The packets of one picture.
    pub fn sends(&mut self, packets: &[&[u8]]) {
        self.ts += 3_000;
        for p in packets {
            self.number(self.seq, p);
            self.seq += 1;
        }
        self.b.pass(30_000);
    }

    pub fn number(&mut self, seq: u16, payload: &[u8]) {
        self.publisher.send_rtp(&mut self.b, 96, 5, seq, self.ts, payload);
    }

    /// What somebody gets who comes now, while this is sent: (sequence number from the first on, payload).
    pub fn seen_by_a_newcomer(&mut self, pictures: &[&[&[u8]]]) -> Vec<(u16, Vec<u8>)> {
        let session = 2 + u64::from(self.seq);
        let mut viewer = self.b.viewer(session, 3_000 + self.seq, 100);
        pictures.iter().for_each(|p| self.sends(p));
        let media = viewer.received(&mut self.b).0;
        let first = media.first().map_or(0, |(h, _)| h.seq);
        media.into_iter().map(|(h, p)| (h.seq.wrapping_sub(first), p)).collect()
    }
}

#[test]
fn sets_that_came_with_the_first_picture_come_with_every_later_one() {
    let mut c = Camera::new();
    c.sends(&[SPS, PPS, IDR]);
    c.sends(&[DELTA]);
    c.sends(&[IDR]);
    let seen = c.seen_by_a_newcomer(&[&[DELTA], &[IDR, DELTA]]);
    let expected: Vec<Vec<u8>> = [&both()[..], IDR, DELTA, &both(), IDR, DELTA].iter().map(|p| p.to_vec()).collect();
    let numbered: Vec<_> = (0..).zip(expected).collect();
    assert_eq!(seen, numbered, "without a hole");
}

#[test]
fn sets_that_come_along_are_not_repeated() {
    let mut c = Camera::new();
    c.sends(&[SPS, PPS, IDR]);
    let stap = [&both()[..], &[0, 3], IDR].concat();
    let seen = c.seen_by_a_newcomer(&[&[SPS, PPS, IDR], &[&stap]]);
    let payloads: Vec<&[u8]> = seen.iter().map(|(_, p)| &p[..]).collect();
    assert_eq!(payloads, [SPS, PPS, IDR, SPS, PPS, IDR, &stap]);
}

#[test]
fn sets_of_the_sdp_are_enough() {
    let base64 = crate::srtp_state::base64_of;
    let mut c = Camera::with(|b| RecvTrack { parameter_sets: vec![base64(SPS), base64(PPS)], ..track(b) });
    c.sends(&[IDR]);
    let seen = c.seen_by_a_newcomer(&[]);
    assert_eq!(seen, [(0, both()), (1, IDR.to_vec())]);
}

#[test]
fn without_any_sets_a_picture_goes_out_as_it_came() {
    let mut c = Camera::new();
    c.sends(&[IDR]);
    assert_eq!(c.seen_by_a_newcomer(&[&[DELTA]]), [(0, IDR.to_vec()), (1, DELTA.to_vec())]);
}

#[test]
fn what_is_late_finds_its_place_before_the_sets() {
    let mut c = Camera::new();
    c.sends(&[SPS, PPS, IDR]);
    let mut viewer = c.b.viewer(2, 1002, 100);
    viewer.received(&mut c.b);
    let late = c.seq + 1;
    c.sends(&[DELTA]);
    (c.seq, c.ts) = (c.seq + 1, c.ts + 3_000);
    c.sends(&[IDR, DELTA]);
    (c.ts, c.seq) = (c.ts - 3_000, c.seq);
    c.number(late, &[0x41, 0x9A, 9]);
    let mut media = viewer.received(&mut c.b).0;
    media.sort_by_key(|(h, _)| h.seq);
    let payloads: Vec<&[u8]> = media.iter().map(|(_, p)| &p[..]).collect();
    assert_eq!(payloads, [DELTA, &[0x41, 0x9A, 9], &both(), IDR, DELTA]);
    assert!(media.windows(2).all(|w| w[1].0.seq == w[0].0.seq + 1));
    assert_eq!(c.b.worker.sources.get(100).unwrap().nack.recovered, 1);
}

#[test]
fn a_picture_whose_beginning_was_lost_is_no_place_to_begin() {
    let mut c = Camera::new();
    c.sends(&[SPS, PPS, IDR]);
    let before = c.b.worker.sources.get(100).unwrap().ring.keyframe();
    let late = c.seq;
    (c.seq, c.ts) = (c.seq + 1, c.ts + 3_000);
    c.number(c.seq, &[0x7C, 0x45, 1]);
    c.number(late, &[0x7C, 0x85, 0x88]);
    assert_eq!(c.b.worker.sources.get(100).unwrap().ring.keyframe(), before);
}

#[test]
fn another_session_that_feeds_the_stream_brings_sets_of_its_own() {
    let mut c = Camera::new();
    c.sends(&[SPS, PPS, IDR]);
    c.b.command(Command::RemoveSession { session: 1, keep_sources: true, silent: true });
    let again = track(&c.b);
    c.publisher = c.b.join(9, 1009, vec![again], vec![]);
    c.sends(&[IDR]);
    let seen = c.seen_by_a_newcomer(&[]);
    assert_eq!(seen, [(0, IDR.to_vec())], "those of the encoder before would be wrong");
}

#[test]
fn sets_go_along_when_the_session_goes_to_another_plane() {
    let mut c = Camera::new();
    c.sends(&[SPS, PPS, IDR]);
    c.b.command(Command::ExportSession { session: 1, stop: false });
    let exported = c.b.events.iter().find_map(|e| match e {
        Event::SessionExported { srtp, .. } => srtp.clone(),
        _ => None,
    });
    let mut next = Bench::new();
    let fingerprint = next.context().fingerprint().to_owned();
    let add = AddSession { srtp: exported, ..next.session(1, vec![track(&next)], vec![], &fingerprint) };
    assert!(add.srtp.is_some());
    next.command(Command::AddSession(Box::new(add)));
    let sets = &next.worker.sources.get(100).unwrap().sets;
    assert_eq!(sets.nals().collect::<Vec<_>>(), [SPS, PPS]);
}
