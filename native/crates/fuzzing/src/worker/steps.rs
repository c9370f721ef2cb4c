//! What the fuzzer can do.

use arbitrary::Arbitrary;
use rillcast_plane::config::*;
use rillcast_plane::egress::{Path, Sock};
use rillcast_wire::{rtcp, rtp};

use super::bench::Bench;
use super::handover_steps::Spoilt;
use super::ids::{home, slot, source, ssrc, CODECS, PUSHED_SOURCE, RELAYS};
use super::peer::{credentials, their_context, Peer, REMOTE_PASSWORD};
use super::shape::{Feedback, Shape};

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
    RestartIce {
        peer: u8,
    },
    RemoveSession {
        peer: u8,
        keep_sources: bool,
    },
    Switch {
        peer: u8,
        track: u8,
        source: Option<u8>,
        hold: bool,
    },
    RemoveSource {
        source: u8,
    },
    RemoveRelay {
        relay: u8,
    },
    Keyframe {
        source: u8,
    },
    Limit {
        peer: u8,
        track: u8,
        temporal: u8,
    },
    Probe {
        peer: u8,
        track: u8,
        bitrate_bps: u32,
        ms: u16,
    },
    Tap {
        source: u8,
        enabled: bool,
    },
    Clock {
        source: u8,
        ntp: u64,
        rtp_ts: u32,
    },
    Export {
        peer: u8,
        stop: bool,
    },
    /// The session comes to another plane, whose part this one plays.
    TakeIn {
        peer: u8,
    },
    Continue {
        peer: u8,
        spoilt: Spoilt,
    },
    RestartDtls {
        peer: u8,
    },
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
            Step::AddChild { relay, source: of } => self.add_child(*relay, source(*of)),
            Step::ChildHello { seqs, keyframe, more } => self.child_hello(seqs, *keyframe, more),
            Step::AddParent { audio, codec } => self.add_parent(*audio, *codec),
            Step::ParentMedia { seq, ts, roc, element, payload } => {
                self.parent_media(*seq, *ts, *roc, element.as_ref(), payload);
            }
            Step::ParentReport { body } => self.parent_report(body),
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
                close_notify: true,
            },
            extensions: shape.extensions(),
            recv: shape.recv(session),
            send: shape.send(session),
            keyframe_interval_ms: u64::from(shape.keyframe_interval_ms) * 10,
            max_bitrate_bps: u64::from(shape.max_bitrate_bps),
            keep_dtls: shape.keep_dtls,
            measure_path: shape.keep_dtls,
            srtp: None,
        };
        if self.command(Command::AddSession(Box::new(command.clone()))) && self.peers[peer].is_none() {
            self.peers[peer] = Some(Peer::new(command));
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
        self.send(peer, from);
    }

    fn connect(&mut self, peer: usize, from: u8) {
        self.check(peer, from, true, false, true);
        if let Some(p) = &mut self.peers[peer] {
            p.start();
        }
        self.send(peer, from);
    }

    /// Sends what a peer has to say from one of its addresses.
    fn send(&mut self, peer: usize, from: u8) {
        for _ in 0..8 {
            let Some(p) = &mut self.peers[peer] else { return };
            let (path, worker) = (p.path(from), p.worker);
            let out = p.outgoing();
            if out.is_empty() {
                return;
            }
            out.into_iter().for_each(|d| self.give(worker, path, d));
        }
    }

    /// Something that goes through the DTLS association.
    fn association(&mut self, peer: usize, from: u8, f: impl FnOnce(&mut Peer)) {
        if let Some(p) = &mut self.peers[peer] {
            f(p);
        }
        self.send(peer, from);
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
            Order::Export { peer, stop } => return self.export(slot(*peer), *stop),
            Order::TakeIn { peer } => return self.take_in(slot(*peer)),
            Order::Continue { peer, spoilt } => return self.go_on(slot(*peer), *spoilt),
            Order::RestartDtls { peer } => return self.restart_dtls(slot(*peer)),
            Order::RemoveSession { peer, keep_sources } => {
                let session = slot(*peer) as u64;
                self.command(Command::RemoveSession { session, keep_sources: *keep_sources, silent: false });
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
