//! The thread: one socket and many local addresses, or a socket for a peer that wants its own; drained every millisecond
//! (a wake-up per packet would measure itself).

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rillcast_crypto::dtls::Context;
use rillcast_plane::egress::{Egress, Path, Sock};
use rillcast_plane_driver::receiver::Receiver;
use rillcast_plane_driver::socket::Sockets;
use slab::Slab;

use crate::browser::{Browser, Notes};
use crate::clock::{monotonic_us, thread_cpu_us};
use crate::config::{Command, LoadConfig, Transport};
use crate::copies::Copies;
use crate::failure::{JoinError, StartError};
use crate::media::Media;
use crate::member::{member_datagram, note, Member};
use crate::peer::Peer;
use crate::ports::{open, PortSink, Ports};
use crate::publisher::Publisher;
use crate::report::{Happened, Report, Second};
use crate::viewer::{Totals, Viewer};

const TURN: Duration = Duration::from_millis(1);
/// Batches read before timers get their turn.
const MAX_BATCHES: usize = 1_000;
/// Seconds of viewers kept until they are fetched; more are dropped and counted.
const MAX_SECONDS: usize = 200_000;

#[derive(Default)]
struct Mail {
    commands: Vec<Command>,
    happened: Vec<Happened>,
    seconds: Vec<Second>,
    report: Report,
}

/// A running load thread.
pub struct Load {
    mail: Arc<Mutex<Mail>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    fingerprint: String,
}

impl Load {
    pub fn start(config: LoadConfig, media: Option<Media>) -> Result<Self, StartError> {
        if config.addresses.is_empty() {
            return Err(StartError::NoAddress);
        }
        let any: IpAddr = if config.addresses[0].is_ipv4() { [0, 0, 0, 0].into() } else { [0u16; 8].into() };
        let at = SocketAddr::new(any, 0);
        let context = Context::new().map_err(StartError::Dtls)?;
        let fingerprint = context.fingerprint().to_owned();
        let (mail, stop) = (Arc::new(Mutex::new(Mail::default())), Arc::new(AtomicBool::new(false)));
        let first = open(at, &config)?;
        let mut runner = Runner::new(config, context, media.map(Arc::new), first, mail.clone(), stop.clone());
        let thread =
            std::thread::Builder::new().name("load".into()).spawn(move || runner.run()).map_err(StartError::Thread)?;
        Ok(Load { mail, stop, thread: Some(thread), fingerprint })
    }

    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Gives the thread a command, which it takes in its next turn.
    pub fn execute(&self, command: Command) {
        lock(&self.mail).commands.push(command);
    }

    /// What happened since the last call, and the figures now.
    pub fn poll(&self) -> (Vec<Happened>, Report) {
        let mut m = lock(&self.mail);
        let mut report = m.report.clone();
        report.seconds = std::mem::take(&mut m.seconds);
        (std::mem::take(&mut m.happened), report)
    }

    pub fn stop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(t) = self.thread.take() {
            // A thread that panicked has printed why.
            let _ = t.join();
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop();
    }
}

fn lock(m: &Mutex<Mail>) -> std::sync::MutexGuard<'_, Mail> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Runner {
    config: LoadConfig,
    context: Context,
    media: Option<Arc<Media>>,
    shared: UdpSocket,
    /// Sockets of peers with a port of their own, by slot.
    own: HashMap<usize, UdpSocket>,
    ports: Ports,
    receiver: Receiver,
    out: Egress,
    members: Slab<Member>,
    by_id: HashMap<u64, usize>,
    by_address: HashMap<IpAddr, usize>,
    next_address: usize,
    totals: Totals,
    happened: Vec<Happened>,
    seconds: Vec<Second>,
    mail: Arc<Mutex<Mail>>,
    stop: Arc<AtomicBool>,
    span: (u64, u64),
    next_tick: usize,
    drops_before: u64,
}

impl Runner {
    fn new(
        config: LoadConfig,
        context: Context,
        media: Option<Arc<Media>>,
        shared: UdpSocket,
        mail: Arc<Mutex<Mail>>,
        stop: Arc<AtomicBool>,
    ) -> Self {
        let fd = shared.as_raw_fd();
        let ports = Ports::default();
        Runner {
            out: Egress::new(Box::new(PortSink {
                shared: fd,
                own: ports.clone(),
                sockets: Sockets::new(Some(fd), Some(fd), fd, false),
            })),
            ports,
            receiver: if config.merge { Receiver::merged() } else { Receiver::default() },
            config,
            context,
            media,
            shared,
            own: HashMap::new(),
            members: Slab::new(),
            by_id: HashMap::new(),
            by_address: HashMap::new(),
            next_address: 0,
            totals: Totals::default(),
            happened: vec![],
            seconds: vec![],
            mail,
            stop,
            span: (0, 0),
            next_tick: 0,
            drops_before: 0,
        }
    }

    fn run(&mut self) {
        if let Some(cpu) = self.config.cpu {
            rillcast_plane_driver::thread::pin(cpu);
        }
        self.begin_span(monotonic_us());
        let mut last = monotonic_us();
        while !self.stop.load(Ordering::SeqCst) {
            let now = monotonic_us();
            self.totals.report.longest_turn_us = self.totals.report.longest_turn_us.max(now - last);
            last = now;
            self.obey(now);
            self.receive();
            self.tick(monotonic_us());
            self.out.flush();
            self.publish_report(now);
            std::thread::sleep(TURN);
        }
        let slots: Vec<usize> = self.members.iter().map(|(s, _)| s).collect();
        for slot in slots {
            self.members[slot].peer().close(&mut self.out);
        }
        self.out.flush();
    }

    fn begin_span(&mut self, now: u64) {
        self.totals = Totals { copies: Copies::new(now), ..Totals::default() };
        self.span = (now, thread_cpu_us());
        self.drops_before = self.socket_drops();
        self.members.iter_mut().for_each(|(_, m)| m.reset(now));
    }

    fn obey(&mut self, now: u64) {
        let commands = std::mem::take(&mut lock(&self.mail).commands);
        for c in commands {
            let result = match c {
                Command::View { transport, tracks, link: None } => {
                    self.join(transport, |peer| Ok(Member::Viewer(Box::new(Viewer::new(peer, tracks)))))
                }
                Command::View { transport, tracks, link: Some(link) } => self.join(transport, |mut peer| {
                    peer.delay_by(link.delay_us);
                    Ok(Member::Browser(Box::new(Browser::new(peer, tracks, link, now))))
                }),
                Command::Publish { transport, tracks, stamp } => {
                    let media = self.media.clone();
                    self.join(transport, |peer| {
                        let media = media.ok_or(JoinError::NoMedia)?;
                        Ok(Member::Publisher(Box::new(Publisher::new(peer, tracks, media, stamp))))
                    })
                }
                Command::Move { transport } => {
                    self.with_peer(transport.id, |peer| peer.move_to(transport));
                    Ok(())
                }
                Command::GiveWay { id } => {
                    self.with_peer(id, Peer::give_way);
                    Ok(())
                }
                Command::Remove { id } => {
                    self.remove(id);
                    Ok(())
                }
                Command::Reset => {
                    self.begin_span(now);
                    Ok(())
                }
            };
            if let Err((id, why)) = result {
                let detail = why.to_string();
                self.happened.push(Happened { id, what: "failed", at_us: now, detail });
            }
        }
    }

    fn join(
        &mut self,
        transport: Transport,
        member: impl FnOnce(Peer) -> Result<Member, JoinError>,
    ) -> Result<(), (u64, JoinError)> {
        let id = transport.id;
        self.insert(transport, member).map_err(|e| (id, e))
    }

    fn insert(
        &mut self,
        transport: Transport,
        member: impl FnOnce(Peer) -> Result<Member, JoinError>,
    ) -> Result<(), JoinError> {
        let slot = self.members.vacant_key();
        let (v4, own_port) = (transport.remote.is_ipv4(), transport.own_port);
        let local = if own_port { None } else { Some(self.free_address()?) };
        let sock = if v4 { Sock::MediaV4 } else { Sock::MediaV6 };
        let path = Path { sock, to: transport.remote, local };
        let id = transport.id;
        let member = member(Peer::new(&self.context, transport, path, slot as u32).map_err(JoinError::Dtls)?)?;
        if let Some(local) = local {
            self.by_address.insert(local, slot);
        } else {
            let any: IpAddr = if v4 { [0, 0, 0, 0].into() } else { [0u16; 8].into() };
            let socket = open(SocketAddr::new(any, 0), &self.config)?;
            self.ports.lock().unwrap_or_else(PoisonError::into_inner).insert(slot as u32, socket.as_raw_fd());
            self.own.insert(slot, socket);
        }
        self.members.insert(member);
        self.by_id.insert(id, slot);
        Ok(())
    }

    /// The next local address of the shared socket.
    fn free_address(&mut self) -> Result<IpAddr, JoinError> {
        let addresses = &self.config.addresses;
        let local = addresses[self.next_address % addresses.len()];
        if self.by_address.contains_key(&local) {
            return Err(JoinError::NoFreeAddress(addresses.len()));
        }
        self.next_address += 1;
        Ok(local)
    }

    /// Nothing, for a peer that was removed.
    fn with_peer(&mut self, id: u64, act: impl FnOnce(&mut Peer)) {
        if let Some(member) = self.by_id.get(&id).and_then(|slot| self.members.get_mut(*slot)) {
            act(member.peer());
        }
    }

    fn remove(&mut self, id: u64) {
        let Some(slot) = self.by_id.remove(&id) else { return };
        let mut m = self.members.remove(slot);
        m.peer().close(&mut self.out);
        self.out.flush();
        self.by_address.retain(|_, s| *s != slot);
        self.ports.lock().unwrap_or_else(PoisonError::into_inner).remove(&(slot as u32));
        self.own.remove(&slot);
    }

    fn receive(&mut self) {
        let Runner { shared, own, receiver, out, members, by_address, config, totals, happened, .. } = self;
        for _ in 0..MAX_BATCHES {
            let now = monotonic_us();
            let more = receiver.receive(shared, Sock::MediaV4, |path, data| {
                if let Some(m) = path.local.and_then(|l| by_address.get(&l)).and_then(|s| members.get_mut(*s)) {
                    member_datagram(now, m, data, config, totals, happened, out);
                }
            });
            if !more {
                break;
            }
        }
        for (slot, socket) in own {
            let Some(m) = members.get_mut(*slot) else { continue };
            let now = monotonic_us();
            while receiver
                .receive(socket, Sock::MediaV4, |_, data| member_datagram(now, m, data, config, totals, happened, out))
            {
            }
        }
    }

    fn tick(&mut self, now: u64) {
        // Viewers have seconds; publishers and handshakes want every turn.
        let slices = 20;
        self.next_tick = (self.next_tick + 1) % slices;
        for (slot, m) in &mut self.members {
            match m {
                Member::Publisher(p) => {
                    let step = p.peer.tick(now, &mut self.out);
                    note(now, &p.peer, step, &mut self.happened);
                    p.tick(now, &mut self.totals.report, &mut self.out);
                }
                Member::Viewer(v) if slot % slices == self.next_tick || !v.peer.is_connected() => {
                    let step = v.peer.tick(now, &mut self.out);
                    note(now, &v.peer, step, &mut self.happened);
                    v.tick(now, &mut self.out);
                }
                Member::Viewer(_) => {}
                Member::Browser(b) => {
                    let Runner { totals, happened, seconds, .. } = self;
                    let step = b.tick(now, &mut Notes { totals, happened, seconds }, &mut self.out);
                    note(now, &b.peer, step, &mut self.happened);
                }
            }
        }
    }

    fn publish_report(&mut self, now: u64) {
        let mut m = lock(&self.mail);
        m.happened.append(&mut self.happened);
        let room = MAX_SECONDS.saturating_sub(m.seconds.len());
        self.totals.report.seconds_dropped += self.seconds.len().saturating_sub(room) as u64;
        self.seconds.truncate(room);
        m.seconds.append(&mut self.seconds);
        if now < m.report.at_us + 100_000 && m.report.since_us == self.span.0 {
            return;
        }
        let mut r = self.totals.report.clone();
        drop(m);
        r.at_us = now;
        r.since_us = self.span.0;
        r.peers = self.members.len();
        for (_, member) in &mut self.members {
            r.connected += usize::from(member.peer().is_connected());
            r.receiving += usize::from(member.receives());
        }
        r.latency = self.totals.latency.summary();
        r.first_copy = self.totals.copies.first.summary();
        r.last_copy = self.totals.copies.last.summary();
        r.cpu_us = thread_cpu_us() - self.span.1;
        r.wall_us = now - self.span.0;
        r.socket_drops = self.socket_drops().saturating_sub(self.drops_before);
        lock(&self.mail).report = r;
    }

    /// From /proc/net/udp: the kernel's count for our socket.
    fn socket_drops(&self) -> u64 {
        let Ok(local) = self.shared.local_addr() else { return 0 };
        let table = if local.is_ipv4() { "/proc/net/udp" } else { "/proc/net/udp6" };
        let port = format!(":{:04X}", local.port());
        let Ok(text) = std::fs::read_to_string(table) else { return 0 };
        text.lines()
            .skip(1)
            .filter(|l| l.split_whitespace().nth(1).is_some_and(|a| a.ends_with(&port)))
            .filter_map(|l| l.split_whitespace().last()?.parse::<u64>().ok())
            .sum()
    }
}
