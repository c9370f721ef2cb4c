//! What the fuzzer can do.

use arbitrary::Arbitrary;
use rillcast_plane::config::*;
use rillcast_plane::egress::{Path, Sock};
use rillcast_wire::{rtcp, rtp};

use super::bench::{their_context, Bench, PEERS, WORKERS};
use super::peer::{self, credentials, Peer, REMOTE_PASSWORD};
use super::relay::{Child, Parent, RELAYED_SOURCE, RELAYS};
use super::shape::{ssrc, Feedback, Shape};

pub const CODECS: [&str; 6] = ["VP8", "H264", "VP9", "AV1", "H265", "other"];
const PUSHED_SOURCE: u64 = 600;
pub const AUDIO: u64 = 9;
const MAX_SECOND_MS: u16 = 4_000;

#[derive(Arbitrary, Debug)]
pub enum Step {
    Add { peer: u8, shape: Shape },
    Connect { peer: u8, from: u8 },
    Check { peer: u8, from: u8, nominate: bool, controlled: bool, right: bool },
    Media { peer: u8, from: u8, track: u8, first: u16, count: u8, keyframe: bool },
    Rtp { peer: u8, from: u8, packet: Packet },
    SealedRtp { peer: u8, from: u8, head: [u8; 12], body: Vec<u8> },
    Feedback { peer: u8, from: u8, about: Vec<Feedback> },
    SealedRtcp { peer: u8, from: u8, ssrc: u32, body: Vec<u8> },
    Stranger { worker: bool, sock: u8, from: u8, data: Vec<u8> },
    Again,
    Say { peer: u8, from: u8, data: Vec<u8> },
    Goodbye { peer: u8, from: u8 },
    Abort { peer: u8, from: u8 },
    AddChild { relay: u8, source: u8 },
    ChildHello { seqs: Vec<u16>, keyframe: bool, more: Vec<u8> },
    AddParent { audio: bool, codec: u8 },
    ParentMedia { seq: u16, ts: u32, roc: bool, element: Option<(u8, Vec<u8>)>, payload: Vec<u8> },
    ParentReport { body: Vec<u8> },
    AddPushed { codec: u8 },
    Push { packets: Vec<Vec<u8>> },
    Order(Order),
    Pass { ms: u16 },
    Wait,
}

/// A packet whose header is not left to luck.
#[derive(Arbitrary, Debug)]
pub struct Packet {
    marker: bool,
    pt: u8,
    ssrc: u8,
    seq: u16,
    ts: u32,
    roc: bool,
    pad: u8,
    elements: Vec<(u8, Vec<u8>)>,
    payload: Vec<u8>,
}

/// A command about what may or may not be there.
#[derive(Arbitrary, Debug)]
pub enum Order {
    RestartIce { peer: u8 },
    RemoveSession { peer: u8, keep_sources: bool },
    Switch { peer: u8, track: u8, source: Option<u8>, hold: bool },
    RemoveSource { source: u8 },
    RemoveRelay { relay: u8 },
    Keyframe { source: u8 },
    Limit { peer: u8, track: u8, temporal: u8 },
    Probe { peer: u8, track: u8, bitrate_bps: u32, ms: u16 },
    Tap { source: u8, enabled: bool },
    Clock { source: u8, ntp: u64, rtp_ts: u32 },
}

/// The sources that a run may make.
pub fn all_sources() -> Vec<u64> {
    let of = |peer: u64| (0..3).chain([AUDIO]).map(move |n| 100 + 10 * peer + n);
    (0..PEERS as u64).flat_map(of).chain([RELAYED_SOURCE, PUSHED_SOURCE]).collect()
}

pub fn source(pick: u8) -> u64 {
    let all = all_sources();
    all[usize::from(pick) % all.len()]
}

/// The worker that has a source, if it exists.
fn home(source: u64) -> usize {
    (source as usize / 10) % WORKERS
}

fn slot(peer: u8) -> usize {
    usize::from(peer) % PEERS
}

impl Bench {
    pub fn take(&mut self, step: &Step) {
        match step {
            Step::Add { peer, shape } => self.add(slot(*peer), shape),
            Step::Connect { peer, from } => self.connect(slot(*peer), *from),
            Step::Check { peer, from, nominate, controlled, right } => {
                self.check(slot(*peer), *from, *nominate, *controlled, *right);
            }
            Step::Media { peer, from, track, first, count, keyframe } => {
                self.good_media(slot(*peer), *from, *track, *first, *count, *keyframe);
            }
            Step::Rtp { peer, from, packet } => self.rtp(slot(*peer), *from, packet),
            Step::SealedRtp { peer, from, head, body } => self.sealed_rtp(slot(*peer), *from, head, body),
            Step::Feedback { peer, from, about } => self.feedback(slot(*peer), *from, about),
            Step::SealedRtcp { peer, from, ssrc, body } => {
                let packet = [&[0x80, 201, 0, 1][..], &ssrc.to_be_bytes(), &body[..body.len().min(1_200)]].concat();
                self.rtcp(slot(*peer), *from, packet, body.len() as u64 / 4 * 17);
            }
            Step::Stranger { worker, sock, from, data } => self.stranger(usize::from(*worker), *sock, *from, data),
            Step::Again => self.again(),
            Step::Say { peer, from, data } => self.association(slot(*peer), *from, |p| p.say(data)),
            Step::Goodbye { peer, from } => self.association(slot(*peer), *from, Peer::goodbye),
            Step::Abort { peer, from } => self.association(slot(*peer), *from, Peer::abort),
            Step::AddChild { relay, source: of } => {
                let of = source(*of);
                Child::add(self, RELAYS[usize::from(*relay) % 2], of, home(of));
            }
            Step::ChildHello { seqs, keyframe, more } => {
                Child::hello(self, &seqs[..seqs.len().min(64)], *keyframe, &more[..more.len().min(400)]);
            }
            Step::AddParent { audio, codec } => {
                let kind = if *audio { Kind::Audio } else { Kind::Video };
                Parent::add(self, home(RELAYED_SOURCE), kind, CODECS[usize::from(*codec) % CODECS.len()]);
            }
            Step::ParentMedia { seq, ts, roc, element, payload } => {
                let element = element.as_ref().filter(|(id, value)| *id != 0 && value.len() < 256);
                let elements: Vec<(u8, &[u8])> = element.iter().map(|(id, value)| (*id, value.as_slice())).collect();
                Parent::media(self, *seq, *ts, u8::from(*roc), &elements, &payload[..payload.len().min(1_700)]);
            }
            Step::ParentReport { body } => Parent::report(self, &body[..body.len().min(1_200)]),
            Step::AddPushed { codec } => {
                self.command(Command::AddPushSource(SourceSpec {
                    source: PUSHED_SOURCE,
                    worker: home(PUSHED_SOURCE),
                    kind: Kind::Video,
                    codec: CODECS[usize::from(*codec) % CODECS.len()].into(),
                    clock_rate: 90_000,
                }));
            }
            Step::Push { packets } => self.push(PUSHED_SOURCE, packets.iter().take(16).cloned().collect()),
            Step::Order(order) => self.order(order),
            Step::Pass { ms } => self.pass(u64::from(ms % MAX_SECOND_MS) * 1_000),
            Step::Wait => self.pass(12_000_000),
        }
    }

    fn add(&mut self, peer: usize, shape: &Shape) {
        let session = peer as u64;
        let worker = home(100 + 10 * session);
        let role = if shape.client { DtlsRole::Client } else { DtlsRole::Server };
        let (local_ufrag, local_pwd) = credentials(session, 0);
        let command = AddSession {
            session,
            worker,
            ice: IceParameters {
                local_ufrag,
                local_pwd,
                remote_ufrag: "remote".into(),
                remote_pwd: REMOTE_PASSWORD.into(),
            },
            dtls: DtlsParameters {
                role,
                fingerprint_hash: "sha-256".into(),
                fingerprint: their_context().fingerprint().into(),
            },
            extensions: shape.extensions(),
            recv: shape.recv(session),
            send: shape.send(session),
            keyframe_interval_ms: u64::from(shape.keyframe_interval_ms) * 10,
            max_bitrate_bps: u64::from(shape.max_bitrate_bps),
            keep_dtls: shape.keep_dtls,
        };
        if self.command(Command::AddSession(Box::new(command))) && self.peers[peer].is_none() {
            self.peers[peer] = Some(Peer::new(session, worker, role));
        }
    }

    fn check(&mut self, peer: usize, from: u8, nominate: bool, controlled: bool, right: bool) {
        let Some(p) = &self.peers[peer] else { return };
        let (data, valid) = p.check(nominate, controlled, if right { Peer::password() } else { "wrong" });
        let (path, worker) = (p.path(from), p.worker);
        if valid {
            self.knows(worker, false, path.to);
        }
        self.give(worker, path, data);
        peer::send(self, peer, from);
    }

    fn connect(&mut self, peer: usize, from: u8) {
        self.check(peer, from, true, false, true);
        if let Some(p) = &mut self.peers[peer] {
            p.start();
        }
        peer::send(self, peer, from);
    }

    /// Something that goes through the DTLS association.
    fn association(&mut self, peer: usize, from: u8, f: impl FnOnce(&mut Peer)) {
        if let Some(p) = &mut self.peers[peer] {
            f(p);
        }
        peer::send(self, peer, from);
    }

    /// Packets as a browser sends them, so that the fuzzer gets as far as viewers.
    fn good_media(&mut self, peer: usize, from: u8, track: u8, first: u16, count: u8, keyframe: bool) {
        const KEYFRAME: &[u8] = &[0x10, 0x00, 0x00, 0x00, 0x9d, 0x01, 0x2a, 64, 1, 240, 0];
        const DELTA: &[u8] = &[0x10, 0x01, 0x00, 0x00];
        for i in 0..u16::from(count % 32) {
            let payload = if keyframe && i == 0 { KEYFRAME } else { DELTA };
            let audio = track % 4 == 3;
            let packet = Packet {
                marker: true,
                pt: if audio { 111 } else { 96 },
                ssrc: track % 4,
                seq: first.wrapping_add(i),
                ts: u32::from(i) * 3_000,
                roc: false,
                pad: 0,
                elements: vec![],
                payload: payload.to_vec(),
            };
            self.rtp(peer, from, &packet);
        }
    }

    fn rtp(&mut self, peer: usize, from: u8, packet: &Packet) {
        let Some(p) = &mut self.peers[peer] else { return };
        let (path, worker, session) = (p.path(from), p.worker, p.session);
        let Some(tx) = &mut p.tx else { return };
        let elements: Vec<(u8, &[u8])> = packet
            .elements
            .iter()
            .filter(|(id, value)| *id != 0 && value.len() < 256)
            .map(|(id, value)| (*id, value.as_slice()))
            .take(4)
            .collect();
        let mut slot = vec![0; 4_096];
        let header = rtp::write_header(
            &mut slot,
            packet.marker,
            packet.pt & 0x7f,
            packet.seq,
            packet.ts,
            ssrc(session, packet.ssrc),
            packet.pad > 0,
            &elements,
        );
        let payload = &packet.payload[..packet.payload.len().min(1_600)];
        let Ok(len) = tx.protect_rtp(&mut slot, header, payload, packet.pad, u32::from(packet.roc)) else { return };
        slot.truncate(len);
        self.give(worker, path, slot);
    }

    fn sealed_rtp(&mut self, peer: usize, from: u8, head: &[u8; 12], body: &[u8]) {
        let Some(p) = &mut self.peers[peer] else { return };
        let (path, worker) = (p.path(from), p.worker);
        let Some(tx) = &mut p.tx else { return };
        let body = &body[..body.len().min(1_700)];
        let mut slot = [&head[..], &vec![0; body.len() + 64]].concat();
        let Ok(len) = tx.protect_rtp(&mut slot, 12, body, 0, 0) else { return };
        slot.truncate(len);
        self.give(worker, path, slot);
    }

    fn feedback(&mut self, peer: usize, from: u8, about: &[Feedback]) {
        let session = peer as u64;
        let (mut packet, mut asked) = (vec![], 0);
        for f in about.iter().take(16) {
            asked += f.write(session, &mut packet);
        }
        if packet.is_empty() {
            rtcp::write_rr(&mut packet, ssrc(session, 7), &[]);
        }
        self.rtcp(peer, from, packet, asked);
    }

    /// `asked`: how many packets it may ask for again.
    fn rtcp(&mut self, peer: usize, from: u8, mut packet: Vec<u8>, asked: u64) {
        let Some(p) = &mut self.peers[peer] else { return };
        let (path, worker) = (p.path(from), p.worker);
        let Some(tx) = &mut p.tx else { return };
        if tx.protect_rtcp(&mut packet).is_err() {
            return;
        }
        self.allow(asked * 1_600);
        self.allow_media_again();
        self.give(worker, path, packet);
    }

    fn stranger(&mut self, worker: usize, sock: u8, from: u8, data: &[u8]) {
        let sock = [Sock::MediaV4, Sock::MediaV6, Sock::Relay][usize::from(sock) % 3];
        // Some come from where a peer or a relay is, as spoofed ones do.
        let to = match from % 8 {
            i @ 0..4 => ([127, 0, 0, 1], 1_000 + 100 * u16::from(i)).into(),
            4 => ([127, 0, 0, 2], 3_001).into(),
            5 => ([127, 0, 0, 3], 3_001).into(),
            i => ([127, 0, 0, 9], 9_000 + u16::from(i)).into(),
        };
        self.give(worker, Path { sock, to, local: None }, data[..data.len().min(2_000)].to_vec());
    }

    fn order(&mut self, order: &Order) {
        let command = match order {
            Order::RestartIce { peer } => return self.restart(slot(*peer)),
            Order::RemoveSession { peer, keep_sources } => {
                let session = slot(*peer) as u64;
                self.command(Command::RemoveSession { session, keep_sources: *keep_sources });
                self.peers[slot(*peer)] = None;
                return;
            }
            Order::Switch { peer, track, source: to, hold } => Command::SwitchSource {
                session: slot(*peer) as u64,
                track: u64::from(track % 3),
                source: to.map(source),
                hold: *hold,
            },
            Order::RemoveSource { source: of } => Command::RemoveSource { source: source(*of) },
            Order::RemoveRelay { relay } => Command::RemoveRelay { relay: RELAYS[usize::from(*relay) % 2] },
            Order::Keyframe { source: of } => Command::RequestKeyframe { source: source(*of) },
            Order::Limit { peer, track, temporal } => {
                Command::LimitLayers { session: slot(*peer) as u64, track: u64::from(track % 3), temporal: *temporal }
            }
            Order::Probe { peer, track, bitrate_bps, ms } => {
                self.allow(20_000_000 / 8 * 5 + 100_000);
                Command::Probe {
                    session: slot(*peer) as u64,
                    track: u64::from(track % 3),
                    bitrate_bps: u64::from(*bitrate_bps),
                    duration_ms: u64::from(*ms),
                }
            }
            Order::Tap { source: of, enabled } => Command::Tap { source: source(*of), enabled: *enabled },
            Order::Clock { source: of, ntp, rtp_ts } => {
                Command::SetClock { source: source(*of), ntp: *ntp, rtp_ts: *rtp_ts }
            }
        };
        self.command(command);
    }

    fn restart(&mut self, peer: usize) {
        let Some(p) = &mut self.peers[peer] else { return };
        let session = p.session;
        let (local_ufrag, local_pwd) = p.restarted();
        let ice =
            IceParameters { local_ufrag, local_pwd, remote_ufrag: "remote".into(), remote_pwd: REMOTE_PASSWORD.into() };
        self.command(Command::RestartIce { session, ice });
    }
}
