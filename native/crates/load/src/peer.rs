//! The transport of one peer: full ICE (controlling, one pair), DTLS, SRTP. It may move to another place with the
//! association that it has, when ICE is restarted (RFC 8445 §9).

use rillcast_crypto::dtls::{Context, Dtls, DtlsError, Role};
use rillcast_crypto::srtp::{Receiver, Sender};
use rillcast_plane::egress::{Egress, Path};
use rillcast_wire::stun;

use crate::config::Transport;
use crate::link::Delay;

const CHECK_US: u64 = 50_000;
const CONSENT_US: u64 = 2_500_000;

pub struct Peer {
    pub transport: Transport,
    pub path: Path,
    /// Which socket, see `ports::PortSink`.
    pub owner: u32,
    dtls: Dtls,
    pub tx: Option<Sender>,
    pub rx: Option<Receiver>,
    tie_breaker: u64,
    next_check_us: u64,
    answered: bool,
    /// Where it is about to move; what comes from the place before is taken until then.
    elsewhere: Option<Elsewhere>,
    /// It checks no more, so that another peer may take its place.
    gives_way: bool,
    up: Delay,
    pub srtp: &'static str,
    pub version: &'static str,
}

/// A place that has still to answer.
struct Elsewhere {
    transport: Transport,
    path: Path,
    /// The check, which is repeated as it is.
    id: [u8; 12],
    next_check_us: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Nothing,
    Connected,
    Failed(&'static str),
}

impl Peer {
    pub fn new(context: &Context, transport: Transport, path: Path, owner: u32) -> Result<Self, DtlsError> {
        let role = if transport.client { Role::Client } else { Role::Server };
        let dtls = Dtls::new(context, role)?;
        Ok(Peer {
            transport,
            path,
            owner,
            dtls,
            tx: None,
            rx: None,
            tie_breaker: fastrand::u64(..),
            next_check_us: 0,
            answered: false,
            elsewhere: None,
            gives_way: false,
            up: Delay::default(),
            srtp: "",
            version: "",
        })
    }

    /// Everything that is sent is held back for so long.
    pub fn delay_by(&mut self, delay_us: u64) {
        self.up = Delay::new(delay_us);
    }

    /// Goes on at another place, as soon as that answers a check, with the association that it has.
    pub fn move_to(&mut self, transport: Transport) {
        let mut id = [0; 12];
        fastrand::fill(&mut id);
        let path = Path { to: transport.remote, ..self.path };
        self.elsewhere = Some(Elsewhere { transport, path, id, next_check_us: 0 });
    }

    /// Another peer takes its place, with the same ICE credentials.
    pub fn give_way(&mut self) {
        self.gives_way = true;
        self.elsewhere = None;
    }

    fn send(&mut self, now_us: u64, data: &[u8], out: &mut Egress) {
        if !self.up.take(now_us, data) {
            out.datagram(&self.path, self.owner, data);
        }
    }

    fn check(&self, t: &Transport, id: &[u8; 12]) -> Vec<u8> {
        let mut request = Vec::with_capacity(128);
        let username = format!("{}:{}", t.remote_ufrag, t.local_ufrag);
        let (tie_breaker, password) = (Some(self.tie_breaker), t.remote_pwd.as_bytes());
        stun::write_request(&mut request, id, &username, 1_853_824_767, true, tie_breaker, None, password);
        request
    }

    fn look_elsewhere(&mut self, now_us: u64, out: &mut Egress) {
        let Some(e) = self.elsewhere.as_ref().filter(|e| now_us >= e.next_check_us) else { return };
        out.datagram(&e.path, self.owner, &self.check(&e.transport, &e.id));
        self.elsewhere.iter_mut().for_each(|e| e.next_check_us = now_us + CHECK_US);
    }

    pub fn is_connected(&self) -> bool {
        self.tx.is_some()
    }

    /// Checks and handshake timers.
    pub fn tick(&mut self, now_us: u64, out: &mut Egress) -> Step {
        while let Some(d) = self.up.due(now_us) {
            out.datagram(&self.path, self.owner, &d);
        }
        self.look_elsewhere(now_us, out);
        if now_us >= self.next_check_us && !self.gives_way {
            self.next_check_us = now_us + if self.answered { CONSENT_US } else { CHECK_US };
            let mut id = [0; 12];
            fastrand::fill(&mut id);
            let request = self.check(&self.transport, &id);
            self.send(now_us, &request, out);
        }
        if self.is_connected() || !self.answered {
            return Step::Nothing;
        }
        if self.dtls.timeout().is_some_and(|t| t.is_zero()) && self.dtls.handle_timeout().is_err() {
            return Step::Failed("dtls_timeout");
        }
        self.progress(now_us, out)
    }

    pub fn on_stun(&mut self, now_us: u64, data: &[u8], out: &mut Egress) -> Step {
        let Ok(m) = stun::parse(data) else { return Step::Nothing };
        match m.class {
            stun::Class::Success if self.elsewhere.as_ref().is_some_and(|e| e.id == m.transaction_id) => {
                if let Some(e) = self.elsewhere.take() {
                    (self.transport, self.path) = (e.transport, e.path);
                    self.next_check_us = now_us + CONSENT_US;
                }
                Step::Nothing
            }
            stun::Class::Success if !self.answered => {
                self.answered = true;
                self.next_check_us += CONSENT_US;
                self.dtls.start();
                self.progress(now_us, out)
            }
            stun::Class::Error if self.elsewhere.is_some() => Step::Nothing,
            stun::Class::Error => Step::Failed("ice_refused"),
            stun::Class::Request => {
                self.answer(now_us, &m, out);
                Step::Nothing
            }
            _ => Step::Nothing,
        }
    }

    fn answer(&mut self, now_us: u64, m: &stun::Binding, out: &mut Egress) {
        let for_us = |ufrag: &str| m.username.and_then(|u| u.split_once(':')).is_some_and(|(to, _)| to == ufrag);
        let mut reply = Vec::with_capacity(96);
        if let Some(e) = self.elsewhere.as_ref().filter(|e| for_us(&e.transport.local_ufrag)) {
            stun::write_success(&mut reply, &m.transaction_id, e.path.to, e.transport.local_pwd.as_bytes());
            out.datagram(&e.path, self.owner, &reply);
            return;
        }
        stun::write_success(&mut reply, &m.transaction_id, self.path.to, self.transport.local_pwd.as_bytes());
        self.send(now_us, &reply, out);
    }

    pub fn on_dtls(&mut self, now_us: u64, data: &[u8], out: &mut Egress) -> Step {
        if self.dtls.handle(data).is_err() && !self.is_connected() {
            return Step::Failed("dtls_failed");
        }
        if self.dtls.closed() {
            return Step::Failed("closed_by_server");
        }
        self.progress(now_us, out)
    }

    fn progress(&mut self, now_us: u64, out: &mut Egress) -> Step {
        while let Some(d) = self.dtls.transmit() {
            self.send(now_us, &d, out);
        }
        if self.is_connected() {
            return Step::Nothing;
        }
        let Some(e) = self.dtls.connected() else { return Step::Nothing };
        let t = &self.transport;
        if !e.peer_fingerprint(&t.fingerprint_hash).is_some_and(|f| f.eq_ignore_ascii_case(&t.fingerprint)) {
            return Step::Failed("fingerprint_mismatch");
        }
        let (Ok(tx), Ok(rx)) = (Sender::new(&e.local), Receiver::new(&e.remote)) else {
            return Step::Failed("srtp_keys");
        };
        self.srtp = e.profile.name();
        self.version = e.version;
        self.tx = Some(tx);
        self.rx = Some(rx);
        Step::Connected
    }

    pub fn send_rtcp(&mut self, now_us: u64, mut packet: Vec<u8>, out: &mut Egress) {
        if self.tx.as_mut().is_some_and(|tx| tx.protect_rtcp(&mut packet).is_ok()) {
            self.send(now_us, &packet, out);
        }
    }

    /// Says good-bye; nothing is held back any more.
    pub fn close(&mut self, out: &mut Egress) {
        self.up = Delay::default();
        self.dtls.close();
        self.progress(0, out);
    }
}
