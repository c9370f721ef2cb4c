//! A publisher goes on at another plane.

use rillcast_wire::bwe::Estimator;
use rillcast_wire::{rtcp, rtp};

use super::super::rig::Bench;
use super::*;

const IDS: HeaderExtensions = HeaderExtensions {
    mid: 1,
    rid: 2,
    repaired_rid: 3,
    abs_send_time: 4,
    audio_level: 0,
    video_orientation: 0,
    dependency_descriptor: 0,
};
/// By layer: RID, SSRC of media and of repairs, source.
const LAYERS: [(&str, u32, u32, u64); 2] = [("h", 501, 601, 100), ("l", 502, 602, 101)];

fn track() -> RecvTrack {
    let encodings = LAYERS.map(|(rid, .., source)| Encoding { source, rid: rid.into() });
    RecvTrack { encodings: encodings.into(), ssrcs: vec![], rtx_ssrcs: vec![], ..Bench::new().publisher_track() }
}

/// A publisher of two layers. Only the first packets of each bear its RID, as browsers do it.
struct Simulcast {
    a: Bench,
    b: Bench,
    peer: Peer,
    /// The index of the next packet of each layer, and that of its next repair.
    next: [u64; 2],
    next_rtx: [u64; 2],
    frame: u32,
}

impl Simulcast {
    fn new() -> Self {
        let (mut a, b) = (Bench::new(), Bench::new());
        let fingerprint = a.context().fingerprint().to_owned();
        let add = AddSession { extensions: IDS, ..a.session(1, vec![track()], vec![], &fingerprint) };
        let peer = a.join_as(add, 1001);
        let mut s = Simulcast { a, b, peer, next: [65_530, 65_534], next_rtx: [65_535; 2], frame: 0 };
        s.send(true, true);
        s.repair(0, true);
        s
    }

    /// A frame in each layer, to the plane that ICE has chosen.
    fn send(&mut self, first: bool, with_rid: bool) {
        self.frame += 1;
        for (layer, (rid, ssrc, ..)) in LAYERS.into_iter().enumerate() {
            let exts: [(u8, &[u8]); 2] = [(1, b"0"), (2, rid.as_bytes())];
            let exts = if with_rid { &exts[..] } else { &[] };
            let payload = if self.frame == 1 { KEYFRAME } else { DELTA };
            let d = self.peer.seal_rtp(96, ssrc, self.next[layer], self.frame * 3_000, exts, payload);
            self.next[layer] += 1;
            let bench = if first { &mut self.a } else { &mut self.b };
            bench.give(self.peer.address, d);
            bench.settle();
        }
    }

    /// An empty repair, as a probe for bandwidth is.
    fn repair(&mut self, layer: usize, first: bool) {
        let (rid, _, ssrc, _) = LAYERS[layer];
        let exts: &[(u8, &[u8])] = &[(1, b"0"), (3, rid.as_bytes())];
        let d = self.peer.seal_rtp(97, ssrc, self.next_rtx[layer], 0, if first { exts } else { &[] }, &[0, 0]);
        self.next_rtx[layer] += 1;
        if first { &mut self.a } else { &mut self.b }.give(self.peer.address, d);
    }

    fn prepare(&mut self) {
        let srtp = export_of(&mut self.a, 1, false).expect("a connected session");
        let add = self.b.session(1, vec![track()], vec![], "");
        let add = AddSession { extensions: IDS, srtp: Some(Box::new(srtp)), ..add };
        self.b.command(Command::AddSession(Box::new(add)));
    }

    fn nominate(&mut self) {
        self.b.give(self.peer.address, self.peer.own_check());
        let (media, control) = self.peer.received(&mut self.b);
        self.b.settle();
        assert!(media.is_empty() && control.is_empty());
        assert!(self.b.events.iter().any(|e| matches!(e, Event::SessionNominated { session: 1 })));
    }

    fn hand_over(&mut self) {
        let srtp = export_of(&mut self.a, 1, true).expect("the final counters");
        self.b.command(Command::ContinueSession { session: 1, srtp: Box::new(srtp) });
    }

    /// What the plane that took over asks for: SSRCs of keyframe requests, and sequence numbers.
    fn asked(&mut self) -> (Vec<u32>, Vec<u16>) {
        let (mut keyframes, mut seqs) = (vec![], vec![]);
        for c in self.peer.received(&mut self.b).1 {
            for p in rtcp::packets(&c).flatten() {
                match p {
                    rtcp::Packet::Pli { media, .. } => keyframes.push(media),
                    rtcp::Packet::Nack { seqs: asked, .. } => seqs.extend(asked),
                    _ => {}
                }
            }
        }
        keyframes.sort_unstable();
        (keyframes, seqs)
    }

    /// How many packets of a source the second plane has.
    fn has(&self, source: u64) -> usize {
        let ring = &self.b.worker.sources.get(source).expect("a source").ring;
        ring.highest().map_or(0, |h| ring.since(h.saturating_sub(100)).count())
    }

    fn leave(mut self) {
        for bench in [&mut self.a, &mut self.b] {
            bench.command(Command::RemoveSession { session: 1, keep_sources: false, silent: false });
            bench.pass(2 * TICK_US);
            assert_eq!(bench.worker.leftovers(), Vec::<&str>::new());
        }
        self.peer.received(&mut self.a);
        assert!(!self.peer.is_closed(), "the goodbye is the second plane's");
        self.peer.received(&mut self.b);
        assert!(self.peer.is_closed());
    }
}

#[test]
fn each_layer_is_known_from_its_first_packet_on_without_a_rid() {
    let mut s = Simulcast::new();
    for _ in 0..10 {
        s.send(true, false);
    }
    s.prepare();
    s.send(true, false);
    s.nominate();
    s.send(false, false);
    assert!(LAYERS.iter().all(|(.., source)| s.has(*source) > 0), "before it is continued");
    s.repair(0, false);
    s.hand_over();
    s.send(false, false);
    assert_eq!(s.b.count("rtp_unknown_ssrc") + s.b.count("srtp_refused"), 0);
    assert!(s.b.events.iter().any(|e| matches!(e, Event::SessionConnected { session: 1, .. })));
    s.leave();
}

#[test]
fn nothing_is_asked_of_it_before_it_is_continued_and_keyframes_at_once_afterwards() {
    let mut s = Simulcast::new();
    s.prepare();
    s.nominate();
    s.send(false, false);
    s.next[0] += 3;
    s.send(false, false);
    s.b.command(Command::RequestKeyframe { source: 100 });
    s.b.pass(3_000_000);
    assert_eq!(but_checks(s.b.sent_to(s.peer.address)), 0);
    s.hand_over();
    s.b.pass(2 * TICK_US);
    assert_eq!(s.asked().0, [501, 502]);
    s.next[1] += 2;
    s.send(false, false);
    s.b.pass(100_000);
    assert!(s.asked().1.len() >= 2, "what is lost is asked for again");
    s.leave();
}

#[test]
fn its_numbers_may_wrap_on_the_way() {
    for frames in 0..8 {
        let mut s = Simulcast::new();
        for _ in 0..frames {
            s.send(true, false);
        }
        s.prepare();
        s.nominate();
        for _ in 0..3 {
            s.send(false, false);
            s.repair(1, false);
        }
        s.hand_over();
        for _ in 0..10 {
            s.send(false, false);
        }
        assert_eq!(s.b.count("srtp_refused"), 0, "after {frames} frames");
        s.leave();
    }
}

#[test]
fn what_the_first_plane_had_is_no_news_to_the_second_one() {
    let mut s = Simulcast::new();
    let (layer, ts) = (LAYERS[0], 90_000);
    let old = s.peer.seal_rtp(96, layer.1, s.next[0], ts, &[], DELTA);
    s.next[0] += 1;
    s.a.give(s.peer.address, old.clone());
    s.prepare();
    s.nominate();
    s.b.give(s.peer.address, old.clone());
    assert_eq!((s.b.count("srtp_refused"), s.has(100)), (1, 0));
    s.hand_over();
    s.b.give(s.peer.address, old);
    assert_eq!((s.b.count("srtp_refused"), s.has(100)), (2, 0));
    s.send(false, false);
    assert_eq!(s.has(100), 1);
    s.leave();
}

#[test]
fn reports_go_on_both_ways_and_each_is_new() {
    let mut s = Simulcast::new();
    let mut report = vec![];
    rtcp::write_sr(&mut report, 501, 1 << 40, 3_000, 1, 1, &[]);
    s.peer.send_rtcp(&mut s.a, report.clone());
    s.a.pass(2_000_000);
    s.peer.received(&mut s.a);
    s.prepare();
    s.nominate();
    s.peer.send_rtcp(&mut s.b, report.clone());
    s.send(false, false);
    s.hand_over();
    s.peer.send_rtcp(&mut s.b, report);
    s.b.pass(2_000_000);
    let (_, control) = s.peer.received(&mut s.b);
    assert!(control.len() > 2, "the peer opens every one of them");
    assert_eq!(s.b.count("srtcp_refused"), 0);
    s.leave();
}

#[test]
fn an_estimate_goes_along() {
    let mut s = Simulcast::new();
    let slot = s.a.worker.sessions.slot_of(1).unwrap();
    s.a.worker.sessions[slot].estimator = Some(Estimator::new(777_000, 100_000, 5_000_000));
    s.prepare();
    let now = s.b.now;
    let slot = s.b.worker.sessions.slot_of(1).unwrap();
    let estimate_bps = s.b.worker.sessions[slot].estimator.as_mut().unwrap().estimate_bps(now);
    assert!(estimate_bps.abs_diff(777_000) < 77_000, "{estimate_bps}");
}

#[test]
fn the_way_back_is_a_handshake_on_the_same_path() {
    let mut s = Simulcast::new();
    s.prepare();
    s.nominate();
    let fingerprint = s.b.context().fingerprint().to_owned();
    let dtls = s.b.session(1, vec![], vec![], &fingerprint).dtls;
    s.b.command(Command::RestartDtls { session: 1, dtls, send: vec![] });
    let mut peer = s.b.peer_of(1, s.peer.address.port());
    peer.connect(&mut s.b);
    for (rid, ssrc, _, source) in LAYERS {
        let d = peer.seal_rtp(96, ssrc, 7, 3_000, &[(1, b"0"), (2, rid.as_bytes())], KEYFRAME);
        assert!(rtp::parse(&d).is_ok());
        s.b.give(peer.address, d);
        assert_eq!(s.has(source), 1);
    }
}
