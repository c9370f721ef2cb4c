//! One pinned thread per worker: epoll, batches in, decisions, batches out.

use std::convert::Infallible;
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::mpsc::Sender;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use crate::epoll::Epoll;
use crate::event_fd::EventFd;
use crate::raw::{Prepared, WorkerSink};
use crate::receiver::Receiver;
use crate::socket::Sockets;
use crate::tcp::Door;
use rillcast_plane::config::PlaneConfig;
use rillcast_plane::egress::{Egress, Sink, Sock};
use rillcast_plane::events::{Event, EventQueue};
use rillcast_plane::mailbox::Mailbox;
use rillcast_plane::worker::{Shared, Worker, TICK_US};

/// A worker's sockets.
pub struct Ports {
    pub media_v4: Option<UdpSocket>,
    pub media_v6: Option<UdpSocket>,
    pub relay: UdpSocket,
    /// Where clients connect by TCP, if they may.
    pub listeners: Vec<TcpListener>,
    /// What media is sent through instead of the sockets, if anything.
    pub raw: Option<Prepared>,
}

/// Rounds of `recvmmsg` per socket before others get their turn.
const MAX_ROUNDS: usize = 16;
const IDLE_WAIT_MS: i32 = 1_000;

/// Starts worker `index`. `runs` is dropped when its thread ends, however that comes about.
pub fn spawn(
    index: usize,
    config: PlaneConfig,
    shared: Shared,
    ports: Ports,
    bell: Arc<EventFd>,
    started: Instant,
    runs: Sender<Infallible>,
) -> io::Result<JoinHandle<()>> {
    let mailbox = shared.mailboxes[index].clone();
    let fall = Fall { worker: index, events: shared.events.clone(), _runs: runs };
    let epoll = Epoll::new()?;
    let sockets: Vec<(Sock, UdpSocket)> =
        [(Sock::MediaV4, ports.media_v4), (Sock::MediaV6, ports.media_v6), (Sock::Relay, Some(ports.relay))]
            .into_iter()
            .filter_map(|(k, s)| Some((k, s?)))
            .collect();
    let door = if ports.listeners.is_empty() { None } else { Some(Door::new(ports.listeners)?) };
    epoll.add(bell.as_raw_fd(), MAIL)?;
    if let Some(door) = &door {
        epoll.add(door.connections(), CONNECTIONS)?;
        door.listeners().try_for_each(|fd| epoll.add(fd, CLIENTS))?;
    }
    for (i, (_, s)) in sockets.iter().enumerate() {
        epoll.add(s.as_raw_fd(), i as u64)?;
    }
    let fd = |k: Sock| sockets.iter().find(|(s, _)| *s == k).map(|(_, s)| s.as_raw_fd());
    let sink = Sockets::new(fd(Sock::MediaV4), fd(Sock::MediaV6), fd(Sock::Relay).unwrap_or(-1), config.gso)
        .with_tcp(door.as_ref().map(Door::links));
    let sink: Box<dyn Sink> = match ports.raw {
        None => Box::new(sink),
        Some(prepared) => {
            let port = |k: Sock| sockets.iter().find(|(s, _)| *s == k)?.1.local_addr().ok().map(|a| a.port());
            let mut raw = WorkerSink::of(prepared, sink, [port(Sock::MediaV4), port(Sock::MediaV6)]);
            epoll.add(raw.watched(), ROUTES)?;
            Box::new(raw)
        }
    };
    std::thread::Builder::new().name(format!("media-{index}")).spawn(move || {
        let _told = fall;
        if config.pin {
            pin(index + 1);
        }
        prefer();
        let mut thread = Thread {
            worker: Worker::new(index, config, shared),
            out: Egress::new(sink),
            receiver: Receiver::default(),
            mailbox,
            epoll,
            _bell: bell,
            sockets,
            door,
            started,
        };
        thread.run();
    })
}

/// Tells Python when the worker's thread panics: nobody else would notice that its sessions get nothing any more.
struct Fall {
    worker: usize,
    events: Arc<EventQueue>,
    /// Its other end knows when all threads have ended.
    _runs: Sender<Infallible>,
}

impl Drop for Fall {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.events.push(Event::WorkerFailed { worker: self.worker });
        }
    }
}

/// Tokens of descriptors that are no UDP socket.
const MAIL: u64 = u64::MAX;
const CONNECTIONS: u64 = u64::MAX - 1;
const CLIENTS: u64 = u64::MAX - 2;
const ROUTES: u64 = u64::MAX - 3;

struct Thread {
    worker: Worker,
    out: Egress,
    receiver: Receiver,
    mailbox: Arc<Mailbox>,
    epoll: Epoll,
    /// Open as long as epoll watches it.
    _bell: Arc<EventFd>,
    sockets: Vec<(Sock, UdpSocket)>,
    door: Option<Door>,
    started: Instant,
}

impl Thread {
    fn now(&self) -> u64 {
        self.started.elapsed().as_micros() as u64
    }

    fn run(&mut self) {
        let mut due = self.now() + TICK_US;
        let mut load = Load { since_us: self.now(), ..Load::default() };
        loop {
            let before = self.now();
            let wait =
                if self.worker.is_idle() { IDLE_WAIT_MS } else { (due.saturating_sub(before)).div_ceil(1000) as i32 };
            let ready = self.epoll.wait::<8>(wait);
            let now = self.now();
            for token in ready.iter().map(|r| r.token) {
                match token {
                    MAIL => {
                        if !self.deliver(now) {
                            self.out.flush();
                            return;
                        }
                    }
                    CONNECTIONS => self.serve_tcp(),
                    CLIENTS => self.accept_tcp(),
                    ROUTES => self.out.heed(),
                    socket => self.receive(socket as usize),
                }
            }
            let now = self.now();
            flush(&mut self.worker, &mut self.out, self.started, now);
            if now >= due {
                self.worker.loop_lag_us =
                    self.worker.loop_lag_us.max(if self.worker.is_idle() { 0 } else { now - due });
                self.worker.tick(now, &mut self.out);
                flush(&mut self.worker, &mut self.out, self.started, now);
                due = now + TICK_US;
            }
            self.settle_tcp(now);
            if let Some(busy) = load.account(now) {
                self.worker.busy = busy;
                self.worker.report(&self.out);
            }
        }
    }

    fn deliver(&mut self, now: u64) -> bool {
        self.mailbox.rearm();
        while let Some(mail) = self.mailbox.take() {
            if !self.worker.mail(now, mail, &mut self.out) {
                return false;
            }
        }
        true
    }

    fn receive(&mut self, i: usize) {
        let Thread { worker, out, receiver, sockets, started, .. } = self;
        let (sock, socket) = &sockets[i];
        for _ in 0..MAX_ROUNDS {
            let now = started.elapsed().as_micros() as u64;
            let more = receiver.receive(socket, *sock, |path, data| worker.datagram(now, path, data, out));
            flush(worker, out, *started, now);
            if !more {
                break;
            }
        }
    }
}

/// Sends what has gathered, and takes the time when something has.
#[inline]
fn flush(worker: &mut Worker, out: &mut Egress, started: Instant, now: u64) {
    worker.flush(now, out);
    if worker.passages.is_under_way() {
        worker.passages.settle(started.elapsed().as_micros() as u64);
    }
}

// Nothing of this is called where clients may not connect by TCP, but `settle_tcp`.
impl Thread {
    fn accept_tcp(&mut self) {
        let now = self.now();
        let Some(door) = &mut self.door else { return };
        if door.accept(now, &mut self.worker) {
            // Otherwise each turn would find that it can't.
            door.listeners().for_each(|fd| drop(self.epoll.remove(fd)));
        }
    }

    fn serve_tcp(&mut self) {
        let now = self.now();
        let Thread { worker, out, door, .. } = self;
        if let Some(door) = door {
            door.serve(now, worker, out);
        }
    }

    /// At the end of each turn, when what was to be sent has been.
    fn settle_tcp(&mut self, now: u64) {
        let Some(door) = &mut self.door else { return };
        door.settle(&mut self.worker);
        if door.may_resume(now) {
            door.listeners().for_each(|fd| drop(self.epoll.add(fd, CLIENTS)));
        }
    }
}

/// How much of each second was work: the thread's CPU time.
#[derive(Default)]
struct Load {
    since_us: u64,
    cpu_us: u64,
}

impl Load {
    /// Once a second, the share of CPU time since the last answer.
    fn account(&mut self, now_us: u64) -> Option<f64> {
        let span = now_us - self.since_us;
        if span < 1_000_000 {
            return None;
        }
        let cpu = thread_cpu_us();
        let used = cpu.saturating_sub(self.cpu_us);
        self.since_us = now_us;
        self.cpu_us = cpu;
        Some((used as f64 / span as f64).clamp(0.0, 1.0))
    }
}

fn thread_cpu_us() -> u64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `t` is a valid timespec that outlives the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut t) };
    t.tv_sec as u64 * 1_000_000 + t.tv_nsec as u64 / 1000
}

/// Keeps the calling thread on one CPU; not being allowed to is no error.
pub fn pin(cpu: usize) {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    // SAFETY: cpu_set_t is plain data for which zeros are a value; the index is below the number of CPUs; the pointer
    // outlives the call.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu % cpus, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set);
    }
}

/// As far before others as leaves the system's own urgent threads (−20 to −11) their place.
const NICENESS: libc::c_int = -10;

/// Media before everything else of this node: a late packet cannot be made up for. Not being allowed to is no error.
fn prefer() {
    // SAFETY: no pointers; 0 means the calling thread on Linux.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn told(work: impl FnOnce() + Send + 'static) -> Vec<Event> {
        let events = Arc::new(EventQueue::new(Arc::new(EventFd::new().unwrap())));
        let fall = Fall { worker: 3, events: events.clone(), _runs: channel().0 };
        let thread = std::thread::spawn(move || {
            let _told = fall;
            work();
        });
        let _ = thread.join();
        events.take(usize::MAX).0
    }

    #[test]
    fn a_thread_that_panics_says_so_and_one_that_ends_does_not() {
        assert!(matches!(told(|| panic!("a bug of ours"))[..], [Event::WorkerFailed { worker: 3 }]));
        assert!(told(|| ()).is_empty());
    }
}
