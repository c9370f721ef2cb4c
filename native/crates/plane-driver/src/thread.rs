//! One pinned thread per worker: epoll, batches in, decisions, batches out.

use std::convert::Infallible;
use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::mpsc::Sender;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use crate::event_fd::EventFd;
use crate::receiver::Receiver;
use crate::socket::Sockets;
use rillcast_plane::config::PlaneConfig;
use rillcast_plane::egress::{Egress, Sock};
use rillcast_plane::events::{Event, EventQueue};
use rillcast_plane::mailbox::Mailbox;
use rillcast_plane::worker::{Shared, Worker, TICK_US};

/// A worker's sockets.
pub struct Ports {
    pub media_v4: Option<UdpSocket>,
    pub media_v6: Option<UdpSocket>,
    pub relay: UdpSocket,
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
    epoll.add(bell.as_raw_fd(), MAIL)?;
    for (i, (_, s)) in sockets.iter().enumerate() {
        epoll.add(s.as_raw_fd(), i as u64)?;
    }
    std::thread::Builder::new().name(format!("media-{index}")).spawn(move || {
        let _told = fall;
        if config.pin {
            pin(index + 1);
        }
        prefer();
        let fd = |k: Sock| sockets.iter().find(|(s, _)| *s == k).map(|(_, s)| s.as_raw_fd());
        let sink = Sockets::new(fd(Sock::MediaV4), fd(Sock::MediaV6), fd(Sock::Relay).unwrap_or(-1), config.gso);
        let mut thread = Thread {
            worker: Worker::new(index, config, shared),
            out: Egress::new(Box::new(sink)),
            receiver: Receiver::default(),
            mailbox,
            epoll,
            _bell: bell,
            sockets,
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

const MAIL: u64 = u64::MAX;

struct Thread {
    worker: Worker,
    out: Egress,
    receiver: Receiver,
    mailbox: Arc<Mailbox>,
    epoll: Epoll,
    /// Open as long as epoll watches it.
    _bell: Arc<EventFd>,
    sockets: Vec<(Sock, UdpSocket)>,
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
            let ready = self.epoll.wait(wait);
            let now = self.now();
            for token in ready {
                if token == MAIL {
                    if !self.deliver(now) {
                        self.out.flush();
                        return;
                    }
                } else {
                    self.receive(token as usize);
                }
            }
            let now = self.now();
            self.worker.flush(now, &mut self.out);
            if now >= due {
                self.worker.loop_lag_us =
                    self.worker.loop_lag_us.max(if self.worker.is_idle() { 0 } else { now - due });
                self.worker.tick(now, &mut self.out);
                self.worker.flush(now, &mut self.out);
                due = now + TICK_US;
            }
            if let Some(busy) = load.account(now) {
                self.worker.busy = busy;
                self.worker.report(self.out.packets, self.out.bytes);
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
            worker.flush(now, out);
            if !more {
                break;
            }
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

struct Epoll(OwnedFd);

impl Epoll {
    fn new() -> io::Result<Self> {
        // SAFETY: no pointers; the result is checked.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `fd` was just made, is open and owned by nobody else.
        Ok(Epoll(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    fn add(&self, fd: RawFd, token: u64) -> io::Result<()> {
        let mut e = libc::epoll_event { events: libc::EPOLLIN as u32, u64: token };
        // SAFETY: both descriptors are open; `e` outlives the call.
        let r = unsafe { libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &raw mut e) };
        if r == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    fn wait(&self, timeout_ms: i32) -> Vec<u64> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 8];
        // SAFETY: the buffer holds 8 events and outlives the call.
        let n = unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), 8, timeout_ms) };
        events.iter().take(usize::try_from(n).unwrap_or(0)).map(|e| e.u64).collect()
    }
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
