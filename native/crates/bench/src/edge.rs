//! The real worker, connected to N viewers in process, sending into the null device.

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex};

use rillcast_crypto::dtls::{Context, Dtls, Role};
use rillcast_crypto::srtp::Sender;
use rillcast_plane::config::*;
use rillcast_plane::egress::{Egress, Path, Sink, Sock};
use rillcast_plane::events::EventQueue;
use rillcast_plane::mailbox::{Mail, Mailbox};
use rillcast_plane::registry::Object;
use rillcast_plane::worker::{Shared, Worker, TICK_US};
use rillcast_plane_driver::socket::{bind, Sockets};
use rillcast_wire::{demux, rtcp, rtp, stun};

use crate::sinks::{past, Switch, Wire};
pub use crate::sinks::{Trace, Traced};
use crate::{packets_of, AUDIO, AUDIO_PAYLOAD, FRAMES, VIDEO_PAYLOAD};

pub struct Edge {
    worker: Worker,
    mailbox: Arc<Mailbox>,
    out: Egress,
    events: Arc<EventQueue>,
    now: u64,
    streams: Vec<Stream>,
    /// What the viewers send with, and whose turn it is to report.
    viewers: Vec<(Path, u32, Sender)>,
    turn: usize,
    reports: u32,
    _socket: UdpSocket,
}

/// Each viewer reports every 3 s, some of them at every tick. Who says nothing for longer is asked for consent.
const TURNS: usize = 3_000_000 / TICK_US as usize;

/// RTP state of one stream's two tracks: sequence number and timestamp.
#[derive(Clone, Copy)]
struct Stream {
    video: (u16, u32),
    audio: (u16, u32),
}

/// Whom a worker serves.
pub struct Audience {
    pub viewers: std::ops::Range<usize>,
    /// The viewers are spread over so many streams of one video and one audio source each.
    pub streams: usize,
    pub gso: bool,
    /// Media goes past the socket.
    pub raw: bool,
    /// What the driver would say of the load; from 0.3 on packets wait for each other.
    pub busy: f64,
    pub trace: Option<Arc<Trace>>,
    /// Nothing is sent: for the cost of deciding alone.
    pub silent: bool,
}

/// Every viewer has an address of its own behind the gateway.
pub fn address(i: usize) -> SocketAddr {
    let n = i as u32 + 0x0b00_0001;
    SocketAddr::from((n.to_be_bytes(), 40_000))
}

fn video(stream: usize) -> u64 {
    stream as u64 * 2 + 1
}

fn sound(stream: usize) -> u64 {
    stream as u64 * 2 + 2
}

impl Edge {
    /// One worker with everything on it.
    pub fn new(audience: Audience) -> Self {
        let raw = audience.raw;
        let mut edge = Self::one_of(&shared(1), 0, audience);
        // The first second holds the keyframe that everybody starts with.
        edge.second();
        if raw {
            edge.prove();
        }
        edge
    }

    /// Everybody reports what has come, and then all media goes past the socket.
    fn prove(&mut self) {
        for _ in 0..4 {
            self.second();
        }
        let before = self.out.tally.clone();
        self.second();
        let now = &self.out.tally;
        let why: Vec<_> = now.fallbacks().zip(before.fallbacks()).filter(|(now, before)| now != before).collect();
        assert!(now.raw > before.raw && why.is_empty(), "media goes by the socket: {why:?}");
    }

    /// Worker `index` of several; the sources live on worker 0.
    pub fn one_of(shared: &Shared, index: usize, audience: Audience) -> Self {
        let Audience { viewers, streams, gso, raw, busy, trace, silent } = audience;
        let socket = bind(SocketAddr::from(([0, 0, 0, 0], 0))).expect("a UDP socket");
        let fd = socket.as_raw_fd();
        let sockets = Sockets::new(Some(fd), None, fd, gso);
        let out: Box<dyn Sink> = if raw { past(sockets, &socket) } else { Box::new(sockets) };
        let gather: Wire = Arc::new(Mutex::new(Some(VecDeque::new())));
        let sink = Switch { gather: gather.clone(), out: Traced { out, trace }, silent };
        let config = PlaneConfig {
            workers: 1,
            media_bind: vec![],
            media_port: 0,
            tcp_connections: 0,
            relay_bind: [127, 0, 0, 1].into(),
            relay_port: 0,
            pin: false,
            gso,
            egress: EgressMode::Socket,
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
            streams: vec![Stream { video: (1, 0), audio: (1, 0) }; streams],
            viewers: vec![],
            turn: 0,
            reports: 0,
            _socket: socket,
        };
        for stream in 0..streams {
            for (source, kind, codec, clock_rate) in
                [(video(stream), Kind::Video, "VP8", 90_000), (sound(stream), Kind::Audio, "opus", 48_000)]
            {
                // The command below goes round the router, and worker 0 settles one placing.
                if index == 0 {
                    shared.registry.place(&[Object::Source(source)], 0).expect("a new source");
                }
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
        }
        let client = Context::new().expect("a certificate");
        for i in viewers {
            edge.join(index, i, &client, &gather);
        }
        *gather.lock().unwrap() = None;
        edge.worker.busy = busy;
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
        let stream = i % self.streams.len();
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
                close_notify: true,
            },
            extensions: HeaderExtensions { abs_send_time: 2, ..Default::default() },
            recv: vec![],
            send: vec![track(0, Kind::Video, 90_000, video(stream)), track(1, Kind::Audio, 48_000, sound(stream))],
            keyframe_interval_ms: 0,
            max_bitrate_bps: 0,
            keep_dtls: false,
            measure_path: false,
            srtp: None,
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
            for d in arrived {
                match (demux::classify(&d), stun::parse(&d)) {
                    (demux::Kind::Dtls, _) => dtls.handle(&d).expect("a good handshake"),
                    (_, Ok(m)) if m.class == stun::Class::Request => {
                        let mut answer = vec![];
                        stun::write_success(&mut answer, &m.transaction_id, path.to, password.as_bytes());
                        self.worker.datagram(self.now, path, &mut answer, &mut self.out);
                    }
                    _ => {}
                }
            }
        }
        let keys = &dtls.connected().expect("the handshake is over").local;
        self.viewers.push((path, (i as u32 + 1) * 8, Sender::new(keys).expect("keys for SRTP")));
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
        self.report();
        self.worker.flush(self.now, &mut self.out);
        self.worker.tick(self.now, &mut self.out);
        self.events.take(usize::MAX);
        self.out.packets - before
    }

    /// One second of every stream: frames and audio at their times, ticks in between. Returns packets sent.
    pub fn second(&mut self) -> u64 {
        let before = self.out.packets;
        let (start, streams) = (self.now, self.streams.len());
        let mut next = vec![(0, 0); streams];
        while self.now < start + 1_000_000 {
            self.now += TICK_US;
            for (stream, (frame, audio)) in next.iter_mut().enumerate() {
                // Publishers are not in step with each other.
                let due = |n: usize, per_s: usize| {
                    start + (n * streams + stream) as u64 * 1_000_000 / (per_s * streams) as u64
                };
                while *frame < FRAMES && due(*frame, FRAMES) <= self.now {
                    self.frame(stream, packets_of(*frame), *frame == 0);
                    *frame += 1;
                }
                while *audio < AUDIO && due(*audio, AUDIO) <= self.now {
                    self.sound(stream);
                    *audio += 1;
                }
            }
            self.tick(self.now);
        }
        self.events.take(usize::MAX);
        self.out.packets - before
    }

    /// An RTCP packet as viewer 0 sends it.
    pub fn sealed(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut sealed = packet.to_vec();
        self.viewers[0].2.protect_rtcp(&mut sealed).expect("a packet of RTCP");
        sealed
    }

    /// A datagram of a viewer, and what is sent because of it.
    pub fn give(&mut self, viewer: usize, mut datagram: Vec<u8>) {
        self.worker.datagram(self.now, self.viewers[viewer].0, &mut datagram, &mut self.out);
        self.worker.flush(self.now, &mut self.out);
    }

    /// Receiver reports of those whose turn it is: something has come since the last one.
    fn report(&mut self) {
        self.turn = (self.turn + 1) % TURNS;
        self.reports += 1;
        let highest_seq = self.reports;
        for (path, ssrc, tx) in self.viewers.iter_mut().skip(self.turn).step_by(TURNS) {
            let mut packet = vec![];
            let report = rtcp::Report {
                ssrc: *ssrc,
                fraction_lost: 0,
                cumulative_lost: 0,
                highest_seq,
                jitter: 0,
                last_sr: 0,
                delay_last_sr: 0,
            };
            rtcp::write_rr(&mut packet, 9, &[report]);
            tx.protect_rtcp(&mut packet).expect("a report");
            self.worker.datagram(self.now, *path, &mut packet, &mut self.out);
        }
    }

    /// What the driver's timer does.
    pub fn tick(&mut self, now_us: u64) {
        self.now = now_us;
        self.report();
        self.worker.tick(now_us, &mut self.out);
        self.worker.flush(now_us, &mut self.out);
    }

    pub fn now(&self) -> u64 {
        self.now
    }

    pub fn set_now(&mut self, now_us: u64) {
        self.now = now_us;
    }

    /// Once a second: what the driver tells of the load, and what Python would take.
    pub fn account(&mut self, busy: f64) {
        self.worker.busy = busy;
        self.events.take(usize::MAX);
    }

    pub fn packets(&self) -> u64 {
        self.out.packets
    }

    /// A frame of `n` packets.
    pub fn frame(&mut self, stream: usize, n: usize, key: bool) {
        // VP8: the first packet of a frame has S set; a keyframe has P = 0.
        let state = &mut self.streams[stream].video;
        let packets = (0..n)
            .map(|k| {
                let mut d = datagram(state, k == n - 1, VIDEO_PAYLOAD, if k == 0 { 0x10 } else { 0 });
                d[13] = u8::from(!key);
                d
            })
            .collect();
        state.1 = state.1.wrapping_add(3_000);
        self.push(video(stream), packets);
    }

    pub fn sound(&mut self, stream: usize) {
        let state = &mut self.streams[stream].audio;
        let packet = datagram(state, true, AUDIO_PAYLOAD, 0xfc);
        state.1 = state.1.wrapping_add(960);
        self.push(sound(stream), vec![packet]);
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
        events: Arc::new(EventQueue::new(Arc::new(()))),
        registry: Arc::default(),
        mailboxes: (0..workers).map(|_| Mailbox::new(Arc::new(()))).collect(),
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
