//! A client's part: ICE checks, DTLS, and keys with which everything it is sent must open.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use rillcast_crypto::dtls::{Context, Dtls, Role};
use rillcast_crypto::srtp::{Receiver, Sender, SrtpError};
use rillcast_plane::config::{AddSession, DtlsRole};
use rillcast_plane::egress::{Path, Sock};
use rillcast_plane::srtp_state::SrtpState;
use rillcast_wire::{demux, rtcp, rtp, stun};

const PASSWORD: &str = "0123456789012345678901";
/// The ICE password of every client.
pub const REMOTE_PASSWORD: &str = "remote0123456789012345";

/// A client, as far as the worker can tell it from a browser.
pub struct Peer {
    pub session: u64,
    pub worker: usize,
    dtls: Dtls,
    /// Of media that could not be opened yet.
    early: Vec<Vec<u8>>,
    /// What is to be sent in answer, whether or not it is.
    outbox: Vec<Vec<u8>>,
    pub tx: Option<Sender>,
    rx: Option<Receiver>,
    /// Media as it came, sealed: a repair without RTX is the same bytes again.
    seen: HashSet<Vec<u8>>,
    next_ufrag: u8,
    role: Role,
    /// The command that made the session.
    pub added: AddSession,
    /// What was last exported of it.
    pub exported: Option<SrtpState>,
    /// It was exported for good, and not continued since: it may get checks and nothing else.
    pub stopped: bool,
    /// Whether it was added again with what was exported, and that was not continued.
    pub taken_in: bool,
}

/// The certificate of all clients, made once: that costs more than a whole run.
pub fn their_context() -> Arc<Context> {
    static CONTEXT: OnceLock<Arc<Context>> = OnceLock::new();
    CONTEXT.get_or_init(|| Arc::new(Context::new().expect("a context"))).clone()
}

/// The credentials by which a worker knows the session.
pub fn credentials(session: u64, restart: u8) -> (String, String) {
    (format!("local{session}.{restart}"), PASSWORD.into())
}

impl Peer {
    /// A client without keys, of the session that this command makes.
    pub fn new(added: AddSession) -> Self {
        let (session, worker) = (added.session, added.worker);
        let role = if added.dtls.role == DtlsRole::Server { Role::Client } else { Role::Server };
        let dtls = Dtls::new(&their_context(), role).expect("memory");
        Peer {
            session,
            worker,
            dtls,
            early: vec![],
            outbox: vec![],
            tx: None,
            rx: None,
            seen: HashSet::new(),
            next_ufrag: 0,
            role,
            added,
            exported: None,
            stopped: false,
            taken_in: false,
        }
    }

    /// It hears of another handshake: what it has of the association is void.
    pub fn begin_anew(&mut self) {
        self.dtls = Dtls::new(&their_context(), self.role).expect("memory");
        (self.tx, self.rx, self.exported) = (None, None, None);
        self.early.clear();
        (self.stopped, self.taken_in) = (false, false);
    }

    /// It sends from one of sixteen addresses.
    pub fn path(&self, from: u8) -> Path {
        let from = u16::from(from % 16);
        let to = ([127, 0, 0, 1], 1_000 + 100 * self.session as u16 + from).into();
        Path { sock: Sock::MediaV4, to, local: None }
    }

    /// Whether it may send from this address.
    pub fn has(&self, address: SocketAddr) -> bool {
        (0..16).any(|from| self.path(from).to == address)
    }

    /// Everything for the handshake that can be known beforehand has been exchanged again.
    pub fn restarted(&mut self) -> (String, String) {
        self.next_ufrag = self.next_ufrag.wrapping_add(1);
        credentials(self.session, self.next_ufrag)
    }

    /// A check, and whether the worker has to believe it.
    pub fn check(&self, nominate: bool, controlled: bool, password: &str) -> (Vec<u8>, bool) {
        let (ufrag, good) = credentials(self.session, self.next_ufrag);
        let mut out = vec![];
        let (controlling, controlled) = if controlled { (None, Some(1)) } else { (Some(1), None) };
        stun::write_request(
            &mut out,
            &[7; 12],
            &format!("{ufrag}:remote"),
            1,
            nominate,
            controlling,
            controlled,
            password.as_bytes(),
        );
        (out, password == good)
    }

    /// The password of the worker's side, which its checks bear.
    pub fn password() -> &'static str {
        PASSWORD
    }

    /// How much media it has opened.
    #[cfg(test)]
    pub fn packets(&self) -> usize {
        self.seen.len()
    }

    /// What is to be sent now.
    pub fn outgoing(&mut self) -> Vec<Vec<u8>> {
        let mut out = std::mem::take(&mut self.outbox);
        out.extend(std::iter::from_fn(|| self.dtls.transmit()));
        out
    }

    /// Begins its handshake, if it is the one that begins.
    pub fn start(&mut self) {
        self.dtls.start();
    }

    /// Ends its association with a close_notify.
    pub fn goodbye(&mut self) {
        self.dtls.close();
    }

    /// Ends its association with a fatal alert.
    pub fn abort(&mut self) {
        self.dtls.abort();
    }

    pub fn say(&mut self, data: &[u8]) {
        // Too long a record, or no association any more.
        let _ = self.dtls.send(data);
    }

    /// A datagram from the worker.
    pub fn receive(&mut self, data: Vec<u8>) {
        let kind = demux::classify(&data);
        assert!(!self.stopped || kind == demux::Kind::Stun, "a session that was exported for good sends {kind:?}");
        match kind {
            demux::Kind::Stun => self.answer(&data),
            demux::Kind::Dtls => {
                // An alert, or an association that is over.
                let _ = self.dtls.handle(&data);
                self.keys();
            }
            demux::Kind::Rtp | demux::Kind::Rtcp if self.rx.is_none() => self.early.push(data),
            demux::Kind::Rtp | demux::Kind::Rtcp => self.open(data),
            demux::Kind::Unknown => panic!("{:02x?} is nothing that a client knows", &data[..data.len().min(20)]),
        }
    }

    /// The worker may ask whether we are really here.
    fn answer(&mut self, data: &[u8]) {
        let binding = stun::parse(data).expect("the worker writes valid STUN");
        if binding.class == stun::Class::Request {
            let mut out = vec![];
            let mapped = ([127, 0, 0, 1], 1).into();
            stun::write_success(&mut out, &binding.transaction_id, mapped, REMOTE_PASSWORD.as_bytes());
            self.outbox.push(out);
        }
    }

    fn keys(&mut self) {
        if self.tx.is_some() {
            return;
        }
        let Some(e) = self.dtls.connected() else { return };
        self.tx = Some(Sender::new(&e.local).expect("keys that fit"));
        self.rx = Some(Receiver::new(&e.remote).expect("keys that fit"));
        for data in std::mem::take(&mut self.early) {
            self.open(data);
        }
    }

    fn open(&mut self, mut data: Vec<u8>) {
        let Some(rx) = &mut self.rx else { return };
        let sealed = data.clone();
        let is_rtp = demux::classify(&data) == demux::Kind::Rtp;
        let opened = if is_rtp { rx.unprotect_rtp(&mut data) } else { rx.unprotect_rtcp(&mut data) };
        match opened {
            Ok(len) if is_rtp => {
                rtp::parse(&data[..len]).expect("the worker writes valid RTP");
                self.seen.insert(sealed);
            }
            Ok(len) => assert!(rtcp::packets(&data[..len]).all(|p| p.is_ok()), "the worker writes valid RTCP"),
            Err(SrtpError::Replay) => assert!(self.seen.contains(&sealed), "one index was used for different bytes"),
            Err(e) => panic!("what the worker sends does not open: {e}"),
        }
    }
}
