//! The handle: makes the threads, routes commands to the worker that has the object.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rillcast_crypto::dtls::Context;

use crate::config::PlaneConfig;
use crate::driver::socket::bind;
use crate::driver::thread::{spawn, Ports};
use crate::events::EventQueue;
use crate::mailbox::{Mail, Mailbox};
use crate::refusal::Refusal;
use crate::router::Router;
use crate::worker::Shared;

pub struct Plane {
    shared: Shared,
    router: Router,
    threads: Vec<JoinHandle<()>>,
    ports: Vec<(u16, u16)>,
}

/// NTP counts from 1900 (RFC 5905).
const NTP_EPOCH_S: u64 = 2_208_988_800;

impl Plane {
    /// Binds the sockets and starts the threads. Errors name the address that could not be had.
    pub fn start(config: &PlaneConfig) -> Result<Self, String> {
        if config.workers == 0 || config.workers > 256 {
            return Err(format!("workers: 1 to 256, not {}", config.workers));
        }
        let sockets = (0..config.workers).map(|i| ports(config, i)).collect::<Result<Vec<_>, _>>()?;
        let shared = Shared {
            context: Arc::new(Context::new().map_err(|e| format!("dtls: {e}"))?),
            events: Arc::new(EventQueue::new().map_err(|e| format!("eventfd: {e}"))?),
            registry: Arc::default(),
            mailboxes: (0..config.workers)
                .map(|_| Mailbox::new())
                .collect::<io::Result<_>>()
                .map_err(|e| format!("eventfd: {e}"))?,
            epoch_ntp: ntp_now(),
        };
        let started = Instant::now();
        let mut plane = Plane { router: Router::new(shared.clone()), shared: shared.clone(), threads: vec![], ports: vec![] };
        for (i, (p, numbers)) in sockets.into_iter().enumerate() {
            plane.ports.push(numbers);
            let thread = spawn(i, config.clone(), shared.clone(), p, started).map_err(|e| format!("thread: {e}"))?;
            plane.threads.push(thread);
        }
        Ok(plane)
    }

    /// (media port, relay port) of each worker.
    pub fn ports(&self) -> &[(u16, u16)] {
        &self.ports
    }

    pub fn fingerprint(&self) -> &str {
        self.shared.context.fingerprint()
    }

    pub fn events(&self) -> &EventQueue {
        &self.shared.events
    }

    /// See `Router::execute`.
    pub fn execute(&self, json: &[u8]) -> Result<(), Refusal> {
        self.router.execute(json)
    }

    /// See `Router::push`.
    pub fn push(&self, source: u64, packets: Vec<Vec<u8>>) -> Result<(), Refusal> {
        self.router.push(source, packets)
    }

    /// Every session gets BYE and close_notify; waits for the threads.
    pub fn stop(&mut self) {
        for m in &self.shared.mailboxes {
            m.deliver(Mail::Stop);
        }
        for t in self.threads.drain(..) {
            // A worker that panicked has printed why.
            let _ = t.join();
        }
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.stop();
    }
}

fn ntp_now() -> u64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    ((unix.as_secs() + NTP_EPOCH_S) << 32) | ((u64::from(unix.subsec_micros()) << 32) / 1_000_000)
}

/// The sockets of worker `i` and their (media, relay) port numbers.
fn ports(config: &PlaneConfig, i: usize) -> Result<(Ports, (u16, u16)), String> {
    let at = |port: u16| if port == 0 { 0 } else { port + i as u16 };
    let open = |addr: SocketAddr| bind(addr).map_err(|e| format!("udp {addr}: {e}"));
    let (mut v4, mut v6) = (None, None);
    let mut media_port = at(config.media_port);
    for ip in &config.media_bind {
        let slot = if ip.is_ipv4() { &mut v4 } else { &mut v6 };
        if slot.is_some() {
            return Err(format!("media_bind: more than one address of the family of {ip}"));
        }
        match open(SocketAddr::new(*ip, media_port)) {
            Ok(s) => {
                media_port = s.local_addr().map_err(|e| e.to_string())?.port();
                *slot = Some(s);
            }
            // A host without IPv6 is no error as long as there is IPv4.
            Err(_) if ip.is_ipv6() && v4.is_some() => {}
            Err(e) => return Err(e),
        }
    }
    if v4.is_none() && v6.is_none() {
        return Err("media_bind: no address".into());
    }
    let relay = open(SocketAddr::new(config.relay_bind, at(config.relay_port)))?;
    let relay_port = relay.local_addr().map_err(|e| e.to_string())?.port();
    Ok((Ports { media_v4: v4, media_v6: v6, relay }, (media_port, relay_port)))
}
