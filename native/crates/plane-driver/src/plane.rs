//! The handle: makes the threads, and hands commands to the router.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rillcast_crypto::dtls::Context;
use rillcast_plane::config::{EgressMode, PlaneConfig};
use rillcast_plane::events::EventQueue;
use rillcast_plane::mailbox::{Mail, Mailbox};
use rillcast_plane::refusal::Refusal;
use rillcast_plane::router::Router;
use rillcast_plane::worker::Shared;
use rillcast_raw::privilege::RawSockets;

use crate::event_fd::EventFd;
use crate::raw::{prepare, Prepared};
use crate::socket::bind;
use crate::tcp::listen;
use crate::thread::{spawn, Ports};

/// More threads than any machine has CPUs for; a configuration that asks for more is a mistake.
const MAX_WORKERS: usize = 256;
/// NTP counts from 1900 (RFC 5905).
const NTP_EPOCH_S: u64 = 2_208_988_800;

/// How long the threads get to end their sessions: some 20 µs each.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// A running plane. Used by Python's thread alone; the workers' threads end with it.
pub struct Plane {
    shared: Shared,
    router: Router,
    threads: Vec<JoinHandle<()>>,
    /// Every thread has the other end while it runs.
    running: Receiver<Infallible>,
    ports: Vec<(u16, u16)>,
    bell: Arc<EventFd>,
    egress: Egress,
}

/// How media leaves for viewers: as was chosen when the plane started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Egress {
    Raw,
    /// Why it is not past the socket; nothing if that was not wanted.
    Socket(Option<String>),
}

/// Why a plane could not be started.
#[derive(Debug)]
pub enum StartError {
    Workers(usize),
    NoMediaAddress,
    /// A second media address of the same family.
    SameFamily(IpAddr),
    Bind {
        protocol: &'static str,
        address: SocketAddr,
        error: io::Error,
    },
    /// A descriptor or thread that the system did not give.
    System {
        what: &'static str,
        error: io::Error,
    },
    /// The text is BoringSSL's.
    Certificate(String),
    /// Media can't go past the socket, although it has to.
    Raw(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Workers(n) => write!(f, "workers: 1 to {MAX_WORKERS}, not {n}"),
            StartError::NoMediaAddress => f.write_str("media_bind: no address"),
            StartError::SameFamily(ip) => write!(f, "media_bind: more than one address of the family of {ip}"),
            StartError::Bind { protocol, address, error } => write!(f, "{protocol} {address}: {error}"),
            StartError::System { what, error } => write!(f, "{what}: {error}"),
            StartError::Certificate(problem) => write!(f, "dtls: {problem}"),
            StartError::Raw(problem) => write!(f, "egress: raw is not possible here: {problem}"),
        }
    }
}

impl std::error::Error for StartError {}

fn system(what: &'static str) -> impl Fn(io::Error) -> StartError {
    move |error| StartError::System { what, error }
}

impl Plane {
    /// Binds the sockets and starts the threads. `raw`: what was opened to send past the sockets, or why that was not.
    pub fn start(config: &PlaneConfig, raw: Result<RawSockets, String>) -> Result<Self, StartError> {
        if config.workers == 0 || config.workers > MAX_WORKERS {
            return Err(StartError::Workers(config.workers));
        }
        let (prepared, egress) = egress(config.egress, raw)?;
        let mut prepared = prepared.into_iter();
        let sockets = (0..config.workers).map(|i| ports(config, i)).collect::<Result<Vec<_>, _>>()?;
        let bells = (0..=config.workers).map(|_| EventFd::new().map(Arc::new)).collect::<io::Result<Vec<_>>>();
        let mut bells = bells.map_err(system("eventfd"))?;
        let bell = bells.remove(0);
        let context = Context::new().map_err(|e| StartError::Certificate(e.to_string()))?;
        let shared = Shared {
            context: Arc::new(context),
            events: Arc::new(EventQueue::new(bell.clone())),
            registry: Arc::default(),
            mailboxes: bells.iter().map(|b| Mailbox::new(b.clone())).collect(),
            epoch_ntp: ntp_now(),
        };
        let started = Instant::now();
        let router = Router::new(shared.clone());
        let (runs, running) = channel();
        let mut plane = Plane { shared, router, threads: vec![], running, ports: vec![], bell, egress };
        for (i, (mut sockets, numbers)) in sockets.into_iter().enumerate() {
            sockets.raw = prepared.next();
            plane.ports.push(numbers);
            let shared = plane.shared.clone();
            let thread = spawn(i, config.clone(), shared, sockets, bells[i].clone(), started, runs.clone());
            plane.threads.push(thread.map_err(system("thread"))?);
        }
        Ok(plane)
    }

    /// (media port, relay port) of each worker.
    pub fn ports(&self) -> &[(u16, u16)] {
        &self.ports
    }

    /// The fingerprint of the DTLS certificate: SHA-256, upper-case hex with colons.
    pub fn fingerprint(&self) -> &str {
        self.shared.context.fingerprint()
    }

    pub fn events(&self) -> &EventQueue {
        &self.shared.events
    }

    /// Readable when `events` has something.
    pub fn fd(&self) -> RawFd {
        self.bell.as_raw_fd()
    }

    /// How media leaves.
    pub fn egress(&self) -> &Egress {
        &self.egress
    }

    /// See `Router::execute`.
    pub fn execute(&self, json: &[u8]) -> Result<(), Refusal> {
        self.router.execute(json)
    }

    /// See `Router::push`.
    pub fn push(&self, source: u64, packets: Vec<Vec<u8>>) -> Result<(), Refusal> {
        self.router.push(source, packets)
    }

    /// Every session gets BYE and close_notify; waits for the threads, but not for ever. How many are still there then:
    /// they hang, and only the end of the process ends them.
    pub fn stop(&mut self) -> usize {
        for m in &self.shared.mailboxes {
            m.deliver(Mail::Stop);
        }
        join(std::mem::take(&mut self.threads), &self.running, STOP_WITHIN)
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Waits until these threads end, and drops the handles of those that do not. How many did not.
fn join(threads: Vec<JoinHandle<()>>, running: &Receiver<Infallible>, within: Duration) -> usize {
    let all_ended = threads.is_empty() || running.recv_timeout(within) != Err(RecvTimeoutError::Timeout);
    // What a worker that panicked had to say it has printed.
    let (ended, hanging): (Vec<_>, Vec<_>) = threads.into_iter().partition(|t| all_ended || t.is_finished());
    ended.into_iter().for_each(|t| drop(t.join()));
    hanging.len()
}

/// What workers send through besides their sockets, and what is told of that.
fn egress(mode: EgressMode, raw: Result<RawSockets, String>) -> Result<(Vec<Prepared>, Egress), StartError> {
    if mode == EgressMode::Socket {
        return Ok((vec![], Egress::Socket(None)));
    }
    match raw.and_then(prepare) {
        Ok(prepared) => Ok((prepared, Egress::Raw)),
        Err(problem) if mode == EgressMode::Raw => Err(StartError::Raw(problem)),
        Err(problem) => Ok((vec![], Egress::Socket(Some(problem)))),
    }
}

fn ntp_now() -> u64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    ((unix.as_secs() + NTP_EPOCH_S) << 32) | ((u64::from(unix.subsec_micros()) << 32) / 1_000_000)
}

/// How often other ports are taken when those that the system gave for UDP are taken for TCP.
const ATTEMPTS: usize = 32;

/// The sockets of worker `i` and their (media, relay) port numbers.
fn ports(config: &PlaneConfig, i: usize) -> Result<(Ports, (u16, u16)), StartError> {
    let taken =
        |e: &StartError| matches!(e, StartError::Bind { error, .. } if error.kind() == io::ErrorKind::AddrInUse);
    let mut result = sockets(config, i);
    for _ in 0..ATTEMPTS {
        match &result {
            Err(e) if config.media_port == 0 && taken(e) => result = sockets(config, i),
            _ => break,
        }
    }
    result
}

fn sockets(config: &PlaneConfig, i: usize) -> Result<(Ports, (u16, u16)), StartError> {
    let at = |port: u16| if port == 0 { 0 } else { port + i as u16 };
    let failed = |protocol, address| move |error| StartError::Bind { protocol, address, error };
    let open = |addr: SocketAddr| bind(addr).map_err(failed("udp", addr));
    let (mut v4, mut v6) = (None, None);
    let mut media_port = at(config.media_port);
    for ip in &config.media_bind {
        let slot = if ip.is_ipv4() { &mut v4 } else { &mut v6 };
        if slot.is_some() {
            return Err(StartError::SameFamily(*ip));
        }
        match open(SocketAddr::new(*ip, media_port)) {
            Ok(s) => {
                media_port = s.local_addr().map_err(system("local address"))?.port();
                *slot = Some(s);
            }
            // A host without IPv6 is no error as long as there is IPv4.
            Err(_) if ip.is_ipv6() && v4.is_some() => {}
            Err(e) => return Err(e),
        }
    }
    if v4.is_none() && v6.is_none() {
        return Err(StartError::NoMediaAddress);
    }
    let mut listeners = vec![];
    if config.tcp_connections > 0 {
        for socket in [&v4, &v6].into_iter().flatten() {
            let at = socket.local_addr().map_err(system("local address"))?;
            listeners.push(listen(at).map_err(failed("tcp", at))?);
        }
    }
    let relay = open(SocketAddr::new(config.relay_bind, at(config.relay_port)))?;
    let relay_port = relay.local_addr().map_err(system("local address"))?.port();
    Ok((Ports { media_v4: v4, media_v6: v6, relay, listeners, raw: None }, (media_port, relay_port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(media_port: u16, tcp_connections: usize) -> PlaneConfig {
        PlaneConfig {
            workers: 1,
            media_bind: vec![[127, 0, 0, 1].into()],
            media_port,
            tcp_connections,
            relay_bind: [127, 0, 0, 1].into(),
            relay_port: 0,
            pin: false,
            gso: true,
            egress: EgressMode::Socket,
            handshake_timeout_ms: 10_000,
            consent_timeout_ms: 30_000,
            max_half_open: 10,
        }
    }

    #[test]
    fn tcp_listens_at_the_number_of_the_udp_port_if_it_is_wished() {
        let (opened, (media, _)) = ports(&config(0, 5), 0).unwrap();
        assert_eq!(opened.listeners[0].local_addr().unwrap().port(), media);
        assert_eq!(opened.media_v4.unwrap().local_addr().unwrap().port(), media);
        assert!(ports(&config(0, 0), 0).unwrap().0.listeners.is_empty());
    }

    #[test]
    fn a_port_that_is_taken_for_tcp_is_named() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let said = ports(&config(port, 5), 0).map(|_| ()).unwrap_err().to_string();
        assert!(said.starts_with(&format!("tcp 127.0.0.1:{port}: ")), "{said}");
        assert!(ports(&config(port, 0), 0).is_ok(), "UDP has it still");
    }

    #[test]
    fn what_has_to_be_raw_and_can_t_is_refused_in_words() {
        let refused = || Err("no capability".to_owned());
        let Err(error) = egress(EgressMode::Raw, refused()) else { panic!("it started") };
        assert_eq!(error.to_string(), "egress: raw is not possible here: no capability");
        let chosen = |mode| egress(mode, refused()).map(|(_, e)| e).ok();
        assert_eq!(chosen(EgressMode::Auto), Some(Egress::Socket(Some("no capability".into()))));
        assert_eq!(chosen(EgressMode::Socket), Some(Egress::Socket(None)));
    }

    #[test]
    fn a_thread_that_hangs_does_not_keep_the_others_or_the_process() {
        let (runs, running) = channel::<Infallible>();
        let (release, hangs) = channel::<()>();
        let spawn = |work: Box<dyn FnOnce() + Send>, runs| {
            std::thread::spawn(move || {
                let _runs: std::sync::mpsc::Sender<Infallible> = runs;
                work();
            })
        };
        let hanging = spawn(Box::new(move || hangs.recv().unwrap_or(())), runs.clone());
        let ending = spawn(Box::new(|| ()), runs);
        while !ending.is_finished() {
            std::thread::yield_now();
        }
        assert_eq!(join(vec![ending, hanging], &running, Duration::from_millis(1)), 1);
        assert_eq!(join(vec![], &running, Duration::MAX), 0, "a second stop has nothing to wait for");
        drop(release);
        assert_eq!(running.recv(), Err(std::sync::mpsc::RecvError), "it ends after all");
    }
}
