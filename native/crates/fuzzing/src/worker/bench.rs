//! The workers, what reaches them and what they send.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock};

use rillcast_crypto::dtls::Context;
use rillcast_plane::config::{Command, PlaneConfig};
use rillcast_plane::egress::{Egress, Message, Path, Sink, Sock, MAX_DATAGRAM};
use rillcast_plane::events::{Event, EventQueue};
use rillcast_plane::mailbox::{Mail, Mailbox};
use rillcast_plane::registry::Registry;
use rillcast_plane::router::Router;
use rillcast_plane::worker::{Shared, Worker, TICK_US};

use super::ids::{all_sources, PEERS, RELAYS, WORKERS};
use super::peer::Peer;
use super::relay::{Child, Parent};

/// Whoever may get a copy of one packet: two tracks of each peer, and a relay.
const COPIES: u64 = 2 * PEERS as u64 + 1;
/// What a worker may send in a tick without having been given anything: reports, repair requests, DTLS flights.
const TICK_BYTES: u64 = 8 * MAX_DATAGRAM as u64;

type Sent = (Sock, SocketAddr, Vec<u8>);

/// The wire of one worker.
struct Capture(Arc<Mutex<Vec<Sent>>>);

impl Sink for Capture {
    fn send(&mut self, buffer: &[u8], messages: &[Message]) -> u64 {
        let mut wire = self.0.lock().expect("one thread");
        for m in messages {
            let datagrams = buffer[m.start..m.start + m.len].chunks(m.segment);
            wire.extend(datagrams.map(|d| (m.path.sock, m.path.to, d.to_vec())));
        }
        0
    }

    fn gso(&self) -> bool {
        true
    }
}

pub struct Node {
    pub worker: Worker,
    pub out: Egress,
    wire: Arc<Mutex<Vec<Sent>>>,
}

/// A plane of two workers, four peers, one child and one parent.
pub struct Bench {
    pub nodes: Vec<Node>,
    pub now_us: u64,
    pub peers: [Option<Peer>; PEERS],
    pub child: Option<Child>,
    pub parent: Option<Parent>,
    shared: Shared,
    router: Router,
    /// Where something may be sent to, by worker.
    known: HashSet<(usize, Sock2, SocketAddr)>,
    /// What came in as media, since a viewer may be given all of it again when it begins or switches.
    media_bytes: u64,
    allowed: u64,
    last: Option<(usize, Path, Vec<u8>)>,
    /// Whether the last export was to be for good.
    pub asked_to_stop: bool,
}

/// `Sock` for a set: media of either family, or relays.
pub type Sock2 = bool;

/// The certificate of the node, made once: that costs more than a whole run.
pub fn our_context() -> Arc<Context> {
    static CONTEXT: OnceLock<Arc<Context>> = OnceLock::new();
    CONTEXT.get_or_init(|| Arc::new(Context::new().expect("a context"))).clone()
}

fn config() -> PlaneConfig {
    PlaneConfig {
        workers: WORKERS,
        media_bind: vec![],
        media_port: 0,
        tcp_connections: 6,
        relay_bind: [127, 0, 0, 1].into(),
        relay_port: 0,
        pin: false,
        gso: true,
        egress: Default::default(),
        handshake_timeout_ms: 10_000,
        consent_timeout_ms: 30_000,
        max_half_open: 3,
    }
}

impl Bench {
    pub fn new() -> Self {
        let shared = Shared {
            context: our_context(),
            events: Arc::new(EventQueue::new(Arc::new(()))),
            registry: Arc::new(Registry::default()),
            mailboxes: (0..WORKERS).map(|_| Mailbox::with_limit(Arc::new(()), 1 << 12)).collect(),
            epoch_ntp: 1 << 40,
        };
        let node = |index| {
            let wire = Arc::<Mutex<Vec<Sent>>>::default();
            let out = Egress::new(Box::new(Capture(wire.clone())));
            Node { worker: Worker::new(index, config(), shared.clone()), out, wire }
        };
        Bench {
            nodes: (0..WORKERS).map(node).collect(),
            now_us: 1_000_000,
            peers: Default::default(),
            child: None,
            parent: None,
            router: Router::new(shared.clone()),
            shared,
            known: HashSet::new(),
            media_bytes: 0,
            allowed: 0,
            last: None,
            asked_to_stop: false,
        }
    }

    /// A command; one that is refused does nothing.
    pub fn command(&mut self, command: Command) -> bool {
        let taken = self.router.command(command).is_ok();
        self.allowed += self.media_bytes * COPIES + TICK_BYTES;
        self.settle();
        taken
    }

    pub fn push(&mut self, source: u64, packets: Vec<Vec<u8>>) {
        self.media(packets.iter().map(Vec::len).sum());
        // A source that does not exist is refused.
        let _ = self.router.push(source, packets);
        self.settle();
    }

    /// A datagram for a worker. Who is told the truth about its sender may call `knows` first.
    pub fn give(&mut self, worker: usize, path: Path, data: Vec<u8>) {
        self.media(data.len());
        self.last = Some((worker, path, data.clone()));
        let node = &mut self.nodes[worker];
        let mut data = data;
        node.worker.datagram(self.now_us, path, &mut data, &mut node.out);
        self.settle();
    }

    /// The last datagram, as the network may repeat it.
    pub fn again(&mut self) {
        if let Some((worker, path, data)) = self.last.clone() {
            self.give(worker, path, data);
        }
    }

    /// From now on something may be sent there.
    pub fn knows(&mut self, worker: usize, relay: Sock2, address: SocketAddr) {
        self.known.insert((worker, relay, address));
        self.allowed += self.media_bytes * COPIES + TICK_BYTES;
    }

    /// What a peer may ask for beside its media: repairs, a resumption, a faster link.
    pub fn allow(&mut self, bytes: u64) {
        self.allowed += bytes;
    }

    /// All media again, for everybody: a viewer that was thought lost has spoken.
    pub fn allow_media_again(&mut self) {
        self.allowed += self.media_bytes * COPIES;
    }

    fn media(&mut self, bytes: usize) {
        let bytes = bytes as u64 + 200;
        self.media_bytes += bytes;
        self.allowed += bytes * COPIES;
    }

    pub fn pass(&mut self, us: u64) {
        for _ in 0..us / TICK_US {
            self.now_us += TICK_US;
            self.allowed += TICK_BYTES * WORKERS as u64;
            for node in &mut self.nodes {
                node.worker.tick(self.now_us, &mut node.out);
            }
            self.settle();
        }
    }

    /// Lets the workers read their mail, and the receivers what was sent.
    fn settle(&mut self) {
        for _ in 0..64 {
            let mut idle = true;
            for (i, node) in self.nodes.iter_mut().enumerate() {
                while let Some(mail) = self.shared.mailboxes[i].take() {
                    node.worker.mail(self.now_us, mail, &mut node.out);
                    idle = false;
                }
                node.worker.flush(self.now_us, &mut node.out);
            }
            if idle {
                break;
            }
        }
        self.deliver();
        self.read_events();
    }

    fn read_events(&mut self) {
        let (events, tapped) = self.shared.events.take(usize::MAX);
        assert!(events.len() + tapped.len() < 4_000, "a step has {} events", events.len());
        assert_eq!(self.shared.events.dropped.load(Ordering::Relaxed), 0);
        for event in events {
            match event {
                Event::SessionClosed { session, .. } => self.peers[session as usize] = None,
                Event::SessionExported { session, srtp: Some(srtp) } => self.exported(session, *srtp),
                _ => {}
            }
        }
    }

    fn deliver(&mut self) {
        for worker in 0..WORKERS {
            let sent = std::mem::take(&mut *self.nodes[worker].wire.lock().expect("one thread"));
            for (sock, to, data) in sent {
                let relay = sock == Sock::Relay;
                assert!(!data.is_empty() && data.len() <= MAX_DATAGRAM);
                assert!(
                    self.known.contains(&(worker, relay, to)),
                    "{to} of worker {worker} never showed a valid check"
                );
                let len = data.len() as u64;
                self.allowed = self.allowed.checked_sub(len).expect("more leaves than what came in accounts for");
                self.receive(worker, relay, to, data);
            }
        }
    }

    fn receive(&mut self, worker: usize, relay: bool, to: SocketAddr, data: Vec<u8>) {
        if relay {
            if let Some(child) = self.child.as_mut().filter(|c| c.address() == to) {
                return child.receive(data);
            }
            if let Some(parent) = self.parent.as_mut().filter(|p| p.address() == to) {
                return parent.receive(data);
            }
            return;
        }
        let peer = self.peers.iter_mut().flatten().find(|p| p.worker == worker && p.has(to));
        if let Some(peer) = peer {
            peer.receive(data);
        }
    }

    /// Python removes everything that it has ever made.
    pub fn everybody_leaves(&mut self) {
        for session in 0..PEERS as u64 {
            self.command(Command::RemoveSession { session, keep_sources: false, silent: false });
        }
        for source in all_sources() {
            self.command(Command::RemoveSource { source });
        }
        for relay in RELAYS {
            self.command(Command::RemoveRelay { relay });
        }
        self.pass(2 * TICK_US);
        for node in &self.nodes {
            assert_eq!(node.worker.leftovers(), Vec::<&str>::new());
            assert!(node.worker.is_idle());
        }
        assert!(self.shared.registry.is_empty());
        for mailbox in &self.shared.mailboxes {
            mailbox.deliver(Mail::Stop);
        }
        self.settle();
    }
}
