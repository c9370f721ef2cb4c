//! The real worker, connected to N viewers in process, sending into the null device.

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex};

use rillcast_crypto::dtls::{Context, Dtls, Role};
use rillcast_plane::config::*;
use rillcast_plane::driver::socket::{bind, Sockets};
use rillcast_plane::egress::{Egress, Message, Path, Sink, Sock};
use rillcast_plane::events::EventQueue;
use rillcast_plane::mailbox::{Mail, Mailbox};
use rillcast_plane::worker::{Shared, Worker, TICK_US};
use rillcast_wire::{demux, rtp, stun};

use crate::{packets_of, AUDIO, AUDIO_PAYLOAD, FRAMES, VIDEO_PAYLOAD};

type Wire = Arc<Mutex<Option<VecDeque<Vec<u8>>>>>;

/// Sends for real, or gathers while the handshakes are done.
struct Switch {
    gather: Wire,
    sockets: Sockets,
}

impl Sink for Switch {
    fn send(&mut self, buffer: &[u8], messages: &[Message]) -> u64 {
        if let Some(wire) = self.gather.lock().unwrap().as_mut() {
            wire.extend(messages.iter().map(|m| buffer[m.start..m.start + m.len].to_vec()));
            return 0;
        }
        self.sockets.send(buffer, messages)
    }
    fn gso(&self) -> bool {
        self.sockets.gso()
    }
}

pub struct Edge {
    worker: Worker,
    mailbox: Arc<Mailbox>,
    out: Egress,
    events: Arc<EventQueue>,
    now: u64,
    video: (u16, u32),
    audio: (u16, u32),
    _socket: UdpSocket,
}

/// Every viewer has an address of its own behind the gateway.
pub fn address(i: usize) -> SocketAddr {
    let n = i as u32 + 0x0b00_0001;
    SocketAddr::from((n.to_be_bytes(), 40_000))
}

const VIDEO: u64 = 1;
const SOUND: u64 = 2;

impl Edge {
    /// One worker with everything on it.
    pub fn new(viewers: usize, gso: bool) -> Self {
        let mut edge = Self::one_of(&shared(1), 0, 0..viewers, gso);
        // The first second holds the keyframe that everybody starts with.
        edge.second();
        edge
    }

    /// Worker `index` of several; the sources live on worker 0.
    pub fn one_of(shared: &Shared, index: usize, viewers: std::ops::Range<usize>, gso: bool) -> Self {
        let socket = bind(SocketAddr::from(([0, 0, 0, 0], 0))).expect("a UDP socket");
        let fd = socket.as_raw_fd();
        let gather: Wire = Arc::new(Mutex::new(Some(VecDeque::new())));
        let sink = Switch { gather: gather.clone(), sockets: Sockets::new(Some(fd), None, fd, gso) };
        let config = PlaneConfig {
            workers: 1,
            media_bind: vec![],
            media_port: 0,
            relay_bind: [127, 0, 0, 1].into(),
            relay_port: 0,
            pin: false,
            gso,
            handshake_timeout_ms: 1 << 40,
            consent_timeout_ms: 1 << 40,
            max_half_open: 1 << 20,
        };
        let mut edge = Edge {
            worker: Worker::new(index, config, shared.clone()),
            mailbox: shared.mailboxes[index].clone(),
            out: Egress::new(Box::new(sink)),
            events: shared.events.clone(),
            now: 1_000_000,
            video: (1, 0),
            audio: (1, 0),
            _socket: socket,
        };
        for (source, kind, codec, clock_rate) in
            [(VIDEO, Kind::Video, "VP8", 90_000), (SOUND, Kind::Audio, "opus", 48_000)]
        {
            let _ = shared.registry.place_source(source, 0);
            if index > 0 {
                continue;
            }
            edge.command(Command::AddPushSource(SourceSpec {
                source,
                worker: 0,
                kind,
                codec: codec.into(),
                clock_rate,
            }));
        }
        let client = Context::new().expect("a certificate");
        for i in viewers {
            edge.join(index, i, &client, &gather);
        }
        *gather.lock().unwrap() = None;
        edge
    }

    fn command(&mut self, c: Command) {
        self.worker.mail(self.now, Mail::Command(Box::new(c)), &mut self.out);
    }

    fn join(&mut self, index: usize, i: usize, client: &Context, gather: &Wire) {
        let track = |track: u64, kind, clock_rate, source| SendTrack {
            track,
            kind,
            clock_rate,
            payload_type: 100 + track as u8,
            rtx_payload_type: if kind == Kind::Video { 110 } else { 0 },
            ssrc: (i as u32 + 1) * 8 + track as u32,
            rtx_ssrc: if kind == Kind::Video { (i as u32 + 1) * 8 + 4 } else { 0 },
            cname: "bench".into(),
            source: Some(source),
        };
        let password = "p".repeat(22);
        self.command(Command::AddSession(Box::new(AddSession {
            session: i as u64 + 1,
            worker: index,
            ice: IceParameters {
                local_ufrag: format!("u{i:06}"),
                local_pwd: password.clone(),
                remote_ufrag: "r".into(),
                remote_pwd: password.clone(),
            },
            dtls: DtlsParameters {
                role: DtlsRole::Server,
                fingerprint_hash: "sha-256".into(),
                fingerprint: client.fingerprint().into(),
            },
            extensions: HeaderExtensions { abs_send_time: 2, ..Default::default() },
            recv: vec![],
            send: vec![track(0, Kind::Video, 90_000, VIDEO), track(1, Kind::Audio, 48_000, SOUND)],
            keyframe_interval_ms: 0,
            max_bitrate_bps: 0,
        })));
        let path = Path { sock: Sock::MediaV4, to: address(i), local: None };
        let mut check = vec![];
        stun::write_request(&mut check, &[1; 12], &format!("u{i:06}:r"), 1, true, Some(1), None, password.as_bytes());
        self.worker.datagram(self.now, path, &mut check, &mut self.out);
        let mut dtls = Dtls::new(client, Role::Client).expect("a DTLS client");
        dtls.start();
        while dtls.connected().is_none() {
            while let Some(mut d) = dtls.transmit() {
                self.worker.datagram(self.now, path, &mut d, &mut self.out);
            }
            self.out.flush();
            let arrived = std::mem::take(gather.lock().unwrap().as_mut().expect("still gathering"));
            for d in arrived.iter().filter(|d| demux::classify(d) == demux::Kind::Dtls) {
                dtls.handle(d).expect("a good handshake");
            }
        }
        while let Some(mut d) = dtls.transmit() {
            self.worker.datagram(self.now, path, &mut d, &mut self.out);
        }
        self.out.flush();
        gather.lock().unwrap().as_mut().expect("still gathering").clear();
    }

    /// Deals with the mail of other workers, as the driver does.
    pub fn deliver(&mut self) {
        self.mailbox.rearm();
        while let Some(mail) = self.mailbox.take() {
            self.worker.mail(self.now, mail, &mut self.out);
        }
    }

    /// A worker without sources of its own: what came by mail goes out. Returns packets sent.
    pub fn follow(&mut self) -> u64 {
        let before = self.out.packets;
        self.deliver();
        self.now += TICK_US;
        self.worker.flush(self.now, &mut self.out);
        self.worker.tick(self.now, &mut self.out);
        self.events.drain();
        self.out.packets - before
    }

    /// One second of stream: frames and audio at their times, ticks in between. Returns packets sent.
    pub fn second(&mut self) -> u64 {
        let before = self.out.packets;
        let start = self.now;
        let (mut frame, mut audio) = (0, 0);
        while self.now < start + 1_000_000 {
            self.now += TICK_US;
            while frame < FRAMES && start + frame as u64 * 1_000_000 / FRAMES as u64 <= self.now {
                self.frame(frame);
                frame += 1;
            }
            while audio < AUDIO && start + audio as u64 * 1_000_000 / AUDIO as u64 <= self.now {
                let packet = datagram(&mut self.audio, true, AUDIO_PAYLOAD, 0xfc);
                self.audio.1 += 960;
                self.push(SOUND, vec![packet]);
                audio += 1;
            }
            self.worker.tick(self.now, &mut self.out);
            self.worker.flush(self.now, &mut self.out);
        }
        self.events.drain();
        self.out.packets - before
    }

    fn frame(&mut self, i: usize) {
        let n = packets_of(i);
        // VP8: the first packet of a frame has S set; a keyframe has P = 0.
        let packets = (0..n)
            .map(|k| datagram(&mut self.video, k == n - 1, VIDEO_PAYLOAD, if k == 0 { 0x10 } else { 0 }))
            .collect();
        self.video.1 += 3000;
        self.push(VIDEO, packets);
    }

    fn push(&mut self, source: u64, packets: Vec<Vec<u8>>) {
        self.worker.mail(self.now, Mail::Push { source, packets }, &mut self.out);
        self.worker.flush(self.now, &mut self.out);
    }
}

/// What `workers` workers share.
pub fn shared(workers: usize) -> Shared {
    Shared {
        context: Arc::new(Context::new().expect("a certificate")),
        events: Arc::new(EventQueue::new().expect("an eventfd")),
        registry: Arc::default(),
        mailboxes: (0..workers).map(|_| Mailbox::new().expect("an eventfd")).collect(),
        epoch_ntp: 1 << 40,
    }
}

fn datagram((seq, ts): &mut (u16, u32), marker: bool, payload: usize, first: u8) -> Vec<u8> {
    let mut d = vec![0; 12 + payload];
    rtp::write_header(&mut d, marker, 96, *seq, *ts, 1, false, &[]);
    d[12] = first;
    *seq = seq.wrapping_add(1);
    d
}
