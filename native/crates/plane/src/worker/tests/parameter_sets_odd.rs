//! Parameter sets as few encoders send them: in parts, too long or too many for one packet, some of them once; and those of
//! an encoder that is no more.

use std::net::SocketAddr;

use super::parameter_sets::Camera;
use super::rig::Bench;
use crate::config::*;

const SPS: &[u8] = &[0x67, 0x42, 0xC0, 0x0D, 0xDA, 0x05, 0x07, 0xE8];
const PPS: &[u8] = &[0x68, 0xCE, 0x0F, 0x2C, 0x80];
const IDR: &[u8] = &[0x65, 0x88, 1];
const DELTA: &[u8] = &[0x41, 0x9A, 1];

fn h264() -> Camera {
    Camera::with(|b| RecvTrack { codec: "H264".into(), ..b.publisher_track() })
}

fn h265() -> Camera {
    Camera::with(|b| RecvTrack { codec: "H265".into(), ..b.publisher_track() })
}

fn both() -> Vec<u8> {
    [&[0x78, 0, SPS.len() as u8][..], SPS, &[0, PPS.len() as u8], PPS].concat()
}

fn payloads(seen: &[(u16, Vec<u8>)]) -> Vec<&[u8]> {
    assert!(seen.iter().zip(0..).all(|((number, _), n)| *number == n), "without a hole");
    seen.iter().map(|(_, p)| &p[..]).collect()
}

/// The parts of a NAL unit of H.264 (FU-A), of so many bytes each.
fn parts(nal: &[u8], bytes: usize) -> Vec<Vec<u8>> {
    let last = (nal.len() - 1).div_ceil(bytes) - 1;
    let flags = |i| u8::from(i == 0) << 7 | u8::from(i == last) << 6;
    let part = |(i, body): (usize, &[u8])| [&[nal[0] & 0xE0 | 28, flags(i) | nal[0] & 0x1F], body].concat();
    nal[1..].chunks(bytes).enumerate().map(part).collect()
}

fn slices(packets: &[Vec<u8>]) -> Vec<&[u8]> {
    packets.iter().map(|p| &p[..]).collect()
}

#[test]
fn sets_that_came_in_parts_are_kept_in_whatever_order_their_parts_came() {
    for order in [[0, 1, 2, 3], [1, 0, 3, 2], [3, 2, 1, 0]] {
        let mut c = h264();
        c.sends(&[DELTA]);
        let packets = [parts(SPS, 4), parts(PPS, 2)].concat();
        c.ts += 3_000;
        order.iter().for_each(|i| c.number(c.seq + *i as u16, &packets[*i]));
        c.seq += 4;
        c.number(c.seq, IDR);
        c.seq += 1;
        c.sends(&[IDR]);
        assert_eq!(payloads(&c.seen_by_a_newcomer(&[])), [&both(), IDR], "{order:?}");
    }
}

#[test]
fn a_picture_with_whose_sets_a_part_is_still_missing_gets_no_older_ones() {
    let mut c = h264();
    c.sends(&[SPS, PPS, IDR]);
    let newer = [SPS, &[9; 4]].concat();
    let packets = [parts(&newer, 6), vec![PPS.to_vec(), IDR.to_vec()]].concat();
    let late = c.seq + 1;
    c.ts += 3_000;
    [0, 2, 3].iter().for_each(|i| c.number(c.seq + *i as u16, &packets[*i]));
    c.number(late, &packets[1]);
    c.seq += 4;
    assert_eq!(payloads(&c.seen_by_a_newcomer(&[])), slices(&packets), "and once it is there nothing is missing");
    c.sends(&[IDR]);
    let kept: Vec<&[u8]> = c.b.worker.sources.get(100).unwrap().sets.nals().collect();
    assert_eq!(kept, [&newer[..], PPS]);
}

#[test]
fn sets_of_h265_in_parts_are_kept_too() {
    let (vps, sps, pps) = (&[64, 1, 0x0C, 1][..], &[66, 1, 1, 2, 3, 4][..], &[68, 1, 0xC1, 0x72][..]);
    let idr = &[38, 1, 0x80, 1][..];
    let mut c = h265();
    c.sends(&[vps, &[98, 1, 0x80 | 33, 1, 2], &[98, 1, 0x40 | 33, 3, 4], pps, idr]);
    c.sends(&[idr]);
    let all = [&[96, 1, 0, 4][..], vps, &[0, 6], sps, &[0, 4], pps].concat();
    assert_eq!(payloads(&c.seen_by_a_newcomer(&[])), [&all, idr]);
}

#[test]
fn sets_that_came_along_are_not_sent_a_second_time_if_one_did_not() {
    let (vps, sps, pps) = (&[64, 1, 0x0C, 1][..], &[66, 1, 1, 2, 3, 4][..], &[68, 1, 0xC1, 0x72][..]);
    let idr = &[38, 1, 0x80, 1][..];
    let together = [&[96, 1, 0, 6][..], sps, &[0, 4], pps].concat();
    for later in [&[sps, pps, idr][..], &[&together, idr]] {
        let mut c = h265();
        c.sends(&[vps, sps, pps, idr]);
        c.sends(later);
        assert_eq!(payloads(&c.seen_by_a_newcomer(&[])), [&[vps][..], later].concat(), "before what refers to it");
    }
    let mut c = h265();
    c.sends(&[vps, sps, pps, idr]);
    c.sends(&[vps, sps, idr]);
    assert_eq!(payloads(&c.seen_by_a_newcomer(&[])), [vps, sps, pps, idr]);
}

#[test]
fn what_is_late_finds_its_place_before_several_packets_of_ours() {
    let (vps, sps, pps) = (&[64, 1, 0x0C, 1][..], &[66, 1, 1, 2, 3, 4][..], &[68, 1, 0xC1, 0x72][..]);
    let (idr, delta) = (&[38, 1, 0x80, 1][..], &[2, 1, 0x80, 7][..]);
    let mut c = h265();
    c.sends(&[vps, sps, pps, idr]);
    let mut viewer = c.b.viewer(2, 1002, 100);
    viewer.received(&mut c.b);
    let late = c.seq;
    (c.seq, c.ts) = (c.seq + 1, c.ts + 3_000);
    c.sends(&[sps, idr]);
    c.ts -= 3_000;
    c.number(late, delta);
    let mut media = viewer.received(&mut c.b).0;
    media.sort_by_key(|(h, _)| h.seq);
    assert_eq!(media.iter().map(|(_, p)| &p[..]).collect::<Vec<_>>(), [delta, vps, sps, pps, idr]);
    assert!(media.windows(2).all(|w| w[1].0.seq == w[0].0.seq + 1));
}

/// The sequence set is missing, which decoders take only before the picture set that refers to it.
#[test]
fn behind_a_picture_set_alone_both_go_out_in_their_order() {
    let mut c = h264();
    c.sends(&[SPS, PPS, IDR]);
    let mut watching = c.b.viewer(2, 1002, 100);
    watching.received(&mut c.b);
    c.sends(&[PPS, IDR]);
    let seen: Vec<Vec<u8>> = watching.received(&mut c.b).0.into_iter().map(|(_, p)| p).collect();
    assert_eq!(slices(&seen), [PPS, &both(), IDR]);
    assert_eq!(payloads(&c.seen_by_a_newcomer(&[])), [&both(), IDR]);
}

#[test]
fn sets_that_were_lost_before_a_picture_are_those_of_before_until_they_are_repaired() {
    let packets = [SPS, PPS, IDR];
    for (lost, came, stand_in) in [(0, PPS, both()), (1, SPS, PPS.to_vec())] {
        let mut c = h264();
        c.sends(&packets);
        let mut watching = c.b.viewer(2, 1002, 100);
        watching.received(&mut c.b);
        c.ts += 3_000;
        (0..3).filter(|i| *i != lost).for_each(|i| c.number(c.seq + i as u16, packets[i]));
        c.b.pass(5_000);
        let expected: [&[u8]; 3] = [came, &stand_in, IDR];
        assert_eq!(watching.received(&mut c.b).0.iter().map(|(_, p)| &p[..]).collect::<Vec<_>>(), expected);
        let newcomer = c.seen_by_a_newcomer(&[]);
        let there: Vec<&[u8]> = newcomer.iter().map(|(_, p)| &p[..]).collect();
        assert_eq!(there[there.len() - 2..], expected[1..], "enough to begin with");
        c.number(c.seq + lost as u16, packets[lost]);
        let late = watching.received(&mut c.b).0;
        assert_eq!(late.iter().map(|(_, p)| &p[..]).collect::<Vec<_>>(), [packets[lost]], "and in its own place");
    }
}

#[test]
fn a_long_set_goes_before_the_picture_in_parts() {
    let mut c = h264();
    let long = [SPS, &[9; 2_000]].concat();
    c.sends(&slices(&[parts(&long, 1_000), vec![PPS.to_vec(), IDR.to_vec()]].concat()));
    c.sends(&[IDR]);
    let seen = c.seen_by_a_newcomer(&[]);
    let packets = payloads(&seen);
    let body: Vec<u8> = packets[..2].iter().flat_map(|p| p[2..].to_vec()).collect();
    assert_eq!(([&[0x67], &body[..]].concat(), &packets[2..]), (long, &[PPS, IDR][..]));
}

#[test]
fn a_set_that_is_too_long_and_a_flood_of_ids_push_nothing_out_and_are_counted() {
    let mut c = h264();
    c.sends(&[SPS, PPS, IDR]);
    let endless = parts(&[PPS, &[9; 4_500]].concat(), 1_000);
    c.sends(&slices(&endless));
    let mut flood: Vec<Vec<u8>> = (0..100u8).map(|low| vec![0x68, 1, low << 1, 0x80]).collect();
    flood.push(PPS.to_vec());
    c.sends(&slices(&flood));
    c.sends(&[IDR]);
    let seen = c.seen_by_a_newcomer(&[]);
    let first = &payloads(&seen)[0];
    assert_eq!(first[..3 + SPS.len()], both()[..3 + SPS.len()], "the sequence set is there");
    assert_eq!(c.b.worker.counters.0.get("parameter_set_not_kept"), None, "told with the figures");
    c.b.worker.report(&c.b.out);
    assert_eq!(c.b.count("parameter_set_not_kept"), 1 + (1 + 100 + 1 - 64));
}

const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==";

/// An edge whose source 100 is that of an origin, where a publisher has it.
struct Edge {
    c: Camera,
    edge: Bench,
}

impl Edge {
    fn new() -> Self {
        let (mut c, mut edge) = (h264(), Bench::new());
        let (srtp_key, srtcp_key) = (KEY.to_owned(), KEY.to_owned());
        c.b.command(Command::AddRelay(Box::new(AddRelay {
            relay: 1,
            source: 100,
            ssrc: 7,
            payload_type: 96,
            srtp_key: srtp_key.clone(),
            srtcp_key: srtcp_key.clone(),
        })));
        let spec = SourceSpec { source: 100, worker: 0, kind: Kind::Video, codec: "H264".into(), clock_rate: 90_000 };
        let parent = Self::address();
        edge.command(Command::AddRelaySource(Box::new(AddRelaySource { spec, parent, ssrc: 7, srtp_key, srtcp_key })));
        let mut it = Edge { c, edge };
        it.pass();
        it
    }

    fn address() -> SocketAddr {
        ([127, 0, 0, 1], 5001).into()
    }

    fn pass(&mut self) {
        for _ in 0..10 {
            self.edge.pass(crate::worker::TICK_US);
            for d in self.edge.sent_to(Self::address()) {
                self.c.b.give_relay(([127, 0, 0, 1], 5002).into(), d);
            }
            self.c.b.pass(crate::worker::TICK_US);
            for d in self.c.b.sent_to(([127, 0, 0, 1], 5002).into()) {
                self.edge.give_relay(Self::address(), d);
            }
        }
        self.edge.settle();
    }

    fn sends(&mut self, packets: &[&[u8]]) {
        self.c.sends(packets);
        self.pass();
    }

    fn seen_by_a_newcomer(&mut self, session: u64) -> Vec<Vec<u8>> {
        let mut viewer = self.edge.viewer(session, 3_000 + session as u16, 100);
        self.pass();
        viewer.received(&mut self.edge).0.into_iter().map(|(_, p)| p).collect()
    }
}

#[test]
fn an_edge_in_use_puts_no_sets_of_an_encoder_before_ahead_of_another_ones_pictures() {
    let mut e = Edge::new();
    e.sends(&[SPS, PPS, IDR]);
    e.sends(&[IDR]);
    assert_eq!(e.seen_by_a_newcomer(20), [&both(), IDR], "what the origin put there");
    e.c.b.command(Command::RemoveSession { session: 1, keep_sources: true, silent: true });
    let again = RecvTrack { codec: "H264".into(), ..e.c.b.publisher_track() };
    e.c.publisher = e.c.b.join(9, 1009, vec![again], vec![]);
    for session in [21, 22] {
        e.sends(&[IDR]);
        assert_eq!(e.seen_by_a_newcomer(session), [IDR], "nothing is known of this one");
    }
}

#[test]
fn another_encoder_of_the_same_session_has_only_the_sets_of_the_sdp() {
    let base64 = crate::srtp_state::base64_of;
    for told in [false, true] {
        let sets = if told { vec![base64(SPS), base64(PPS)] } else { vec![] };
        let mut c = Camera::with(|b| RecvTrack {
            codec: "H264".into(),
            parameter_sets: sets.clone(),
            ssrcs: vec![],
            ..b.publisher_track()
        });
        let newer = [SPS, &[1]].concat();
        for (ssrc, packets) in [(5, &[&newer[..], PPS, IDR][..]), (55, &[IDR])] {
            c.ts += 3_000;
            for p in packets {
                c.publisher.send_rtp(&mut c.b, 96, ssrc, c.seq, c.ts, p);
                c.seq += 1;
            }
            c.b.pass(30_000);
        }
        let seen = c.seen_by_a_newcomer(&[]);
        let expected: &[&[u8]] = if told { &[&both(), IDR] } else { &[IDR] };
        assert_eq!(payloads(&seen), expected);
    }
}
