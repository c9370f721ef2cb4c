//! The test bench: a worker whose datagrams land in a list, and WebRTC peers made of the same crypto.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rillcast_crypto::dtls::Context;
use rillcast_wire::{rtp, stun};

pub use super::peer::Peer;
use crate::config::*;
use crate::egress::{Connection, Egress, Message, Path, Sink, Sock};
use crate::events::{Event, EventQueue};
use crate::mailbox::{Mail, Mailbox};
use crate::refusal::Refusal;
use crate::registry::Registry;
use crate::router::Router;
use crate::worker::{Shared, Worker, TICK_US};

type Wire = Arc<Mutex<VecDeque<(Sock, SocketAddr, Vec<u8>)>>>;

struct Capture(Wire, Arc<AtomicUsize>);

impl Sink for Capture {
    fn send(&mut self, buffer: &[u8], messages: &[Message]) -> u64 {
        let mut wire = self.0.lock().unwrap();
        self.1.fetch_add(messages.len(), Ordering::Relaxed);
        for m in messages {
            for part in buffer[m.start..m.start + m.len].chunks(m.segment) {
                wire.push_back((m.path.sock, m.path.to, part.to_vec()));
            }
        }
        0
    }
    fn gso(&self) -> bool {
        true
    }
}

pub struct Bench {
    pub worker: Worker,
    pub out: Egress,
    pub now: u64,
    pub events: Vec<Event>,
    /// Packets of tapped sources: (source, packet).
    pub tapped: Vec<(u64, Vec<u8>)>,
    /// Messages handed to the kernel.
    messages: Arc<AtomicUsize>,
    pub shared: Shared,
    router: Router,
    wire: Wire,
    context: Arc<Context>,
    /// Who is connected by TCP: what they give is framed.
    pub tcp: HashMap<SocketAddr, Connection>,
}

/// How many each worker takes.
pub const TCP_CONNECTIONS: usize = 8;
pub const KEYFRAME: &[u8] = &[0x10, 0x00, 0x00, 0x00, 0x9d, 0x01, 0x2a, 64, 1, 240, 0];
pub const DELTA: &[u8] = &[0x10, 0x01, 0x00, 0x00];

impl Bench {
    pub fn new() -> Self {
        Self::several(1, 1 << 14).remove(0)
    }

    /// The workers of one plane, whose mailboxes hold so much mail.
    pub fn several(workers: usize, limit: usize) -> Vec<Self> {
        let shared = Shared {
            context: Arc::new(Context::new().unwrap()),
            events: Arc::new(EventQueue::new(Arc::new(()))),
            registry: Arc::new(Registry::default()),
            mailboxes: (0..workers).map(|_| Mailbox::with_limit(Arc::new(()), limit)).collect(),
            epoch_ntp: 1 << 40,
        };
        let context = Arc::new(Context::new().unwrap());
        (0..workers).map(|i| Self::one_of(i, shared.clone(), context.clone())).collect()
    }

    fn one_of(index: usize, shared: Shared, context: Arc<Context>) -> Self {
        let config = PlaneConfig {
            workers: 1,
            media_bind: vec![],
            media_port: 0,
            tcp_connections: TCP_CONNECTIONS,
            relay_bind: [127, 0, 0, 1].into(),
            relay_port: 0,
            pin: false,
            gso: true,
            egress: Default::default(),
            handshake_timeout_ms: 10_000,
            consent_timeout_ms: 30_000,
            max_half_open: 10,
        };
        let wire = Wire::default();
        let messages = Arc::<AtomicUsize>::default();
        Bench {
            worker: Worker::new(index, config, shared.clone()),
            out: Egress::new(Box::new(Capture(wire.clone(), messages.clone()))),
            now: 1_000_000,
            events: vec![],
            tapped: vec![],
            messages,
            router: Router::new(shared.clone()),
            shared,
            wire,
            context,
            tcp: HashMap::new(),
        }
    }

    /// Messages sent since last asked.
    pub fn take_messages(&mut self) -> usize {
        self.messages.swap(0, Ordering::Relaxed)
    }

    /// One packet that ends its frame, pushed into `source`.
    pub fn push(&mut self, source: u64, seq: u16, ts: u32, payload: &[u8]) {
        let mut d = vec![0; 12 + payload.len()];
        rtp::write_header(&mut d, true, 96, seq, ts, 1, false, &[]);
        d[12..].copy_from_slice(payload);
        self.worker.mail(self.now, Mail::Push { source, packets: vec![d] }, &mut self.out);
        self.settle();
    }

    pub fn command(&mut self, c: Command) {
        self.post(c).expect("a possible command");
        self.deliver();
    }

    /// Hands a command to its worker's mailbox.
    pub fn post(&mut self, c: Command) -> Result<(), Refusal> {
        self.router.command(c)
    }

    /// Lets the worker read its mail.
    pub fn deliver(&mut self) {
        while let Some(mail) = self.shared.mailboxes[self.worker.index].take() {
            self.worker.mail(self.now, mail, &mut self.out);
        }
        self.settle();
    }

    /// Somebody connects by TCP. Whether it was let in.
    pub fn connect_tcp(&mut self, from: SocketAddr) -> bool {
        let connection = self.worker.tcp_accept(self.now, from);
        self.settle();
        self.tcp.extend(connection.map(|c| (from, c)));
        connection.is_some()
    }

    /// It closes its connection.
    pub fn close_tcp(&mut self, from: SocketAddr) {
        if let Some(connection) = self.tcp.remove(&from) {
            self.worker.tcp_closed(connection);
        }
        self.settle();
    }

    /// Bytes of whoever is connected, as they come.
    pub fn give_bytes(&mut self, from: SocketAddr, bytes: &[u8]) {
        if let Some(connection) = self.tcp.get(&from) {
            self.worker.tcp_data(self.now, *connection, &mut bytes.to_vec(), &mut self.out);
        }
        self.settle();
    }

    /// By which sockets datagrams went to `to` that nobody has taken yet.
    pub fn sent_by(&mut self, to: SocketAddr) -> Vec<Sock> {
        self.settle();
        self.wire.lock().unwrap().iter().filter(|(_, t, _)| *t == to).map(|(s, _, _)| *s).collect()
    }

    /// Delivers a datagram from `from`.
    pub fn give(&mut self, from: SocketAddr, mut data: Vec<u8>) {
        if self.tcp.contains_key(&from) {
            return self.give_bytes(from, &framed(&data));
        }
        self.worker.datagram(self.now, Path { sock: Sock::MediaV4, to: from, local: None }, &mut data, &mut self.out);
    }

    /// Gives a datagram to the relays' socket.
    pub fn give_relay(&mut self, from: SocketAddr, mut data: Vec<u8>) {
        self.worker.datagram(self.now, Path { sock: Sock::Relay, to: from, local: None }, &mut data, &mut self.out);
    }

    pub fn settle(&mut self) {
        self.worker.flush(self.now, &mut self.out);
        let ended = self.worker.tcp_ended();
        self.tcp.retain(|_, c| !ended.contains(c));
        let (events, tapped) = self.shared.events.take(usize::MAX);
        self.events.extend(events);
        self.tapped.extend(tapped);
    }

    /// Lets time pass in ticks; peers get nothing meanwhile.
    pub fn pass(&mut self, us: u64) {
        for _ in 0..us / TICK_US {
            self.now += TICK_US;
            self.worker.tick(self.now, &mut self.out);
            self.settle();
        }
    }

    /// What was sent to `to`, taken off the wire.
    pub fn sent_to(&mut self, to: SocketAddr) -> Vec<Vec<u8>> {
        self.settle();
        let mut wire = self.wire.lock().unwrap();
        let (mine, others) = wire.drain(..).partition::<Vec<_>, _>(|(_, t, _)| *t == to);
        wire.extend(others);
        mine.into_iter().map(|(_, _, d)| d).collect()
    }

    pub fn closed(&self, session: u64) -> Option<&'static str> {
        self.events.iter().find_map(|e| match e {
            Event::SessionClosed { session: s, reason } if *s == session => Some(reason.name()),
            _ => None,
        })
    }

    pub fn count(&self, reason: &str) -> u64 {
        self.worker.counters.0.get(reason).copied().unwrap_or(0)
    }

    /// A publisher with one VP8 track: source 100, SSRC 5, payload type 96, RTX 97 on SSRC 6.
    pub fn publisher(&mut self, session: u64, port: u16) -> Peer {
        let track = self.publisher_track();
        self.join(session, port, vec![track], vec![])
    }

    pub fn publisher_track(&self) -> RecvTrack {
        RecvTrack {
            mid: "0".into(),
            kind: Kind::Video,
            codec: "VP8".into(),
            clock_rate: 90_000,
            payload_type: 96,
            rtx_payload_type: 97,
            encodings: vec![Encoding { source: 100, rid: String::new() }],
            ssrcs: vec![5],
            rtx_ssrcs: vec![6],
            parameter_sets: vec![],
            nack: true,
            pli: true,
            remb: true,
        }
    }

    /// A viewer of `source`: SSRC 1000 + session, payload type 102, RTX 103 on SSRC 2000 + session.
    pub fn viewer(&mut self, session: u64, port: u16, source: u64) -> Peer {
        let track = self.send_track(session, source);
        self.join(session, port, vec![], vec![track])
    }

    /// A viewer whose DTLS association stays open.
    pub fn viewer_that_keeps_dtls(&mut self, session: u64, port: u16, source: u64) -> Peer {
        let track = self.send_track(session, source);
        let fingerprint = self.context.fingerprint().to_owned();
        let command = AddSession { keep_dtls: true, ..self.session(session, vec![], vec![track], &fingerprint) };
        self.join_as(command, port)
    }

    /// Makes the track with which `viewer` adds a viewer.
    pub fn send_track(&self, session: u64, source: u64) -> SendTrack {
        SendTrack {
            track: 0,
            kind: Kind::Video,
            clock_rate: 90_000,
            payload_type: 102,
            rtx_payload_type: 103,
            ssrc: 1000 + session as u32,
            rtx_ssrc: 2000 + session as u32,
            cname: "c".into(),
            source: Some(source),
        }
    }

    pub fn session(&self, session: u64, recv: Vec<RecvTrack>, send: Vec<SendTrack>, fingerprint: &str) -> AddSession {
        AddSession {
            session,
            worker: 0,
            ice: IceParameters {
                local_ufrag: format!("local{session}"),
                local_pwd: format!("{session:022}"),
                remote_ufrag: "remote".into(),
                remote_pwd: REMOTE_PWD.into(),
            },
            dtls: DtlsParameters {
                role: DtlsRole::Server,
                fingerprint_hash: "sha-256".into(),
                fingerprint: fingerprint.into(),
                close_notify: true,
            },
            extensions: HeaderExtensions { abs_send_time: 3, ..Default::default() },
            recv,
            send,
            keyframe_interval_ms: 0,
            max_bitrate_bps: 5_000_000,
            keep_dtls: false,
            measure_path: false,
            srtp: None,
        }
    }

    /// The session with which `viewer` adds a viewer.
    pub fn viewers_session(&self, session: u64, source: u64) -> AddSession {
        self.session(session, vec![], vec![self.send_track(session, source)], self.context.fingerprint())
    }

    pub fn join(&mut self, session: u64, port: u16, recv: Vec<RecvTrack>, send: Vec<SendTrack>) -> Peer {
        let fingerprint = self.context.fingerprint().to_owned();
        self.join_as(self.session(session, recv, send, &fingerprint), port)
    }

    pub fn join_as(&mut self, command: AddSession, port: u16) -> Peer {
        let session = command.session;
        self.command(Command::AddSession(Box::new(command)));
        let mut peer = self.peer_of(session, port);
        peer.connect(self);
        peer
    }

    /// A peer of a session that has no association with it yet.
    pub fn peer_of(&self, session: u64, port: u16) -> Peer {
        Peer::new(&self.context, session, port)
    }

    pub fn context(&self) -> Arc<Context> {
        self.context.clone()
    }
}

/// A datagram in a stream of bytes.
pub fn framed(datagram: &[u8]) -> Vec<u8> {
    [&(datagram.len() as u16).to_be_bytes()[..], datagram].concat()
}

/// The password of every peer.
pub const REMOTE_PWD: &str = "xxxxxxxxxxxxxxxxxxxxxx";

/// The good answer to a check of ours, under a password.
pub fn answer(check: &[u8], password: &str) -> Vec<u8> {
    let (mut out, asked) = (vec![], stun::parse(check).expect("a check"));
    stun::write_success(&mut out, &asked.transaction_id, ([192, 0, 2, 1], 9).into(), password.as_bytes());
    out
}

/// RTP as (header, payload), RTCP whole.
pub type Received = (Vec<(rtp::Header, Vec<u8>)>, Vec<Vec<u8>>);
