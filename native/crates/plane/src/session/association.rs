//! A session's DTLS: the handshake, and what is kept of it.
//!
//! Some seconds after the handshake a viewer's association has nothing to do but to be closed, and takes more memory than
//! all the rest of the session. So it is given up for one record: the close_notify, sealed beforehand. What the viewer
//! still sends in DTLS can't be read any more; it is most likely its own close_notify, so the session ends unless the
//! viewer goes on sending checks or reports. Nobody else can end it that way: the viewer's would go on.
//!
//! A session with `keep_dtls` keeps its association, as publishers do: data channels are SCTP over it (RFC 8261). Until
//! there is an SCTP, the records of application data that come are counted and dropped.

use rillcast_crypto::dtls::{Context, Dtls, Role};
use rillcast_crypto::srtp::{Receiver, Sender};

use super::{Outcome, Phase, Session};
use crate::config::{DtlsParameters, DtlsRole};
use crate::egress::Egress;
use crate::events::CloseReason;

/// By then the peer has the last flight, or the handshake would have gone wrong.
const SHED_AFTER_US: u64 = 10_000_000;
/// A peer that may have said goodbye and is silent for so long is gone: longer than browsers' checks are apart (5 s and a
/// fifth, RFC 7675 §5.1).
const LEAVING_US: u64 = 8_000_000;
/// DTLS datagrams kept for an address that has not answered yet: a ClientHello with a post-quantum key takes two.
const MAX_HELD: usize = 4;

/// What there is of a session's DTLS.
pub enum Association {
    Open(Box<Open>),
    /// The close_notify that is left of it; empty if another plane has that, or the peer does not bear it.
    Shed(Box<[u8]>),
}

/// An association that can be used.
pub struct Open {
    dtls: Dtls,
    parameters: DtlsParameters,
    connected_us: u64,
    /// It stays open as long as the session.
    keep: bool,
}

/// BoringSSL could not make an association; the text is the library's.
#[derive(Debug)]
pub struct DtlsFailure(pub String);

impl Open {
    /// Ready for `start_handshake`.
    pub fn new(context: &Context, parameters: &DtlsParameters, keep: bool) -> Result<Self, DtlsFailure> {
        let role = match parameters.role {
            DtlsRole::Server => Role::Server,
            DtlsRole::Client => Role::Client,
        };
        let dtls = Dtls::new(context, role).map_err(|e| DtlsFailure(e.to_string()))?;
        Ok(Open { dtls, parameters: parameters.clone(), connected_us: 0, keep })
    }

    /// The sealed close_notify, or nothing if the peer does not bear it.
    fn goodbye(&mut self) -> Box<[u8]> {
        if !self.parameters.close_notify {
            return Box::default();
        }
        self.dtls.close();
        std::iter::from_fn(|| self.dtls.transmit()).last().unwrap_or_default().into()
    }
}

impl Association {
    /// Whoever made it has this goodbye left of it, which may be empty.
    pub fn given_up(goodbye: Vec<u8>) -> Self {
        Association::Shed(goodbye.into())
    }

    /// Nothing is said in it any more. The goodbye that is left of it is for whoever goes on with it.
    pub fn give_up(&mut self) -> Box<[u8]> {
        match std::mem::replace(self, Association::Shed(Box::default())) {
            Association::Open(mut a) => a.goodbye(),
            Association::Shed(goodbye) => goodbye,
        }
    }
}

impl Session {
    /// The DTLS datagrams that came before the peer's address had answered. Once, when it has.
    pub fn take_held(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.held)
    }

    /// For another handshake than the one that was.
    pub fn another_association(&self, context: &Context, parameters: &DtlsParameters) -> Result<Open, DtlsFailure> {
        Open::new(context, parameters, self.keep_dtls)
    }

    /// Begins the handshake on the first path whose address has answered.
    pub fn start_handshake(&mut self, now_us: u64, out: &mut Egress, owner: u32) -> Outcome {
        let (Phase::Waiting, Association::Open(a)) = (self.phase, &mut self.dtls) else { return Outcome::Nothing };
        if self.path.is_none() {
            return Outcome::Nothing;
        }
        self.phase = Phase::Handshaking;
        a.dtls.start();
        self.progress(now_us, out, owner)
    }

    /// A DTLS datagram of the peer: a handful per session, and one for each SCTP packet. A goodbye or a fatal alert, which
    /// nobody but the peer can make, ends the session.
    pub fn on_dtls(&mut self, now_us: u64, datagram: &[u8], out: &mut Egress, owner: u32) -> Outcome {
        let Association::Open(a) = &mut self.dtls else {
            self.leaving_us = now_us;
            return Outcome::Nothing;
        };
        if self.phase == Phase::Waiting {
            if self.held.len() < MAX_HELD {
                self.held.push(datagram.to_vec());
            }
            return Outcome::Nothing;
        }
        if a.dtls.handle(datagram).is_err() {
            self.transmit(out, owner);
            return Outcome::Close(CloseReason::DtlsFailed);
        }
        self.progress(now_us, out, owner)
    }

    /// To be called often while the handshake runs.
    pub fn on_dtls_timer(&mut self, now_us: u64, out: &mut Egress, owner: u32) -> Outcome {
        if self.phase != Phase::Handshaking {
            return Outcome::Nothing;
        }
        let Association::Open(a) = &mut self.dtls else { return Outcome::Nothing };
        if a.dtls.timeout().is_some_and(|t| t.is_zero()) && a.dtls.handle_timeout().is_err() {
            return Outcome::Close(CloseReason::DtlsFailed);
        }
        self.progress(now_us, out, owner)
    }

    /// To be called once a second. An association that stays open may have to repeat or acknowledge something after the
    /// handshake as well (RFC 9147 §7, §8); its peer does not wait for that.
    pub fn serve_dtls(&mut self, out: &mut Egress, owner: u32) {
        let Association::Open(a) = &mut self.dtls else { return };
        // Without an error: a handshake that is over can't time out.
        let _ = a.dtls.handle_timeout();
        self.transmit(out, owner);
    }

    /// How many records of application data have come since the last call.
    pub fn take_data_records(&mut self) -> u32 {
        match &mut self.dtls {
            Association::Open(a) => a.dtls.take_data_records(),
            Association::Shed(_) => 0,
        }
    }

    #[cfg(test)]
    pub fn has_dtls(&self) -> bool {
        matches!(self.dtls, Association::Open(_))
    }

    fn transmit(&mut self, out: &mut Egress, owner: u32) {
        let (Association::Open(a), Some(path)) = (&mut self.dtls, &self.path) else { return };
        while let Some(d) = a.dtls.transmit() {
            out.datagram(path, owner, &d);
        }
    }

    fn progress(&mut self, now_us: u64, out: &mut Egress, owner: u32) -> Outcome {
        self.transmit(out, owner);
        let Association::Open(a) = &mut self.dtls else { return Outcome::Nothing };
        if a.dtls.closed() {
            return Outcome::Close(CloseReason::DtlsClosed);
        }
        if self.phase == Phase::Connected {
            return Outcome::Nothing;
        }
        let Some(e) = a.dtls.connected() else { return Outcome::Nothing };
        match e.peer_fingerprint(&a.parameters.fingerprint_hash) {
            Some(f) if f.eq_ignore_ascii_case(&a.parameters.fingerprint) => {}
            _ => return Outcome::Close(CloseReason::FingerprintMismatch),
        }
        let (Ok(tx), Ok(rx)) = (Sender::new(&e.local), Receiver::new(&e.remote)) else {
            return Outcome::Close(CloseReason::DtlsFailed);
        };
        a.connected_us = now_us;
        self.dtls_version = e.version;
        self.srtp_profile = e.profile.name();
        self.tx = Some(tx);
        self.rx = Some(rx);
        self.phase = Phase::Connected;
        Outcome::Connected
    }

    /// Sends close_notify, unless the peer does not bear it (`DtlsParameters::close_notify`).
    pub fn shut(&mut self, out: &mut Egress, owner: u32) {
        match (&mut self.dtls, &self.path) {
            (Association::Open(a), _) if a.parameters.close_notify => {
                a.dtls.close();
                self.transmit(out, owner);
            }
            (Association::Open(_), _) => {}
            (Association::Shed(goodbye), Some(path)) if !goodbye.is_empty() => {
                out.datagram(path, owner, goodbye);
            }
            (Association::Shed(_), _) => {}
        }
    }

    /// To be called once a second: gives a viewer's association up when its time has come, unless it is to be kept.
    /// Whether it was.
    pub fn shed_dtls(&mut self, now_us: u64) -> bool {
        if !self.recv.is_empty() || self.phase != Phase::Connected {
            return false;
        }
        let Association::Open(a) = &mut self.dtls else { return false };
        if a.keep || now_us < a.connected_us + SHED_AFTER_US {
            return false;
        }
        a.dtls.close();
        let goodbye = a.dtls.transmit().unwrap_or_default();
        self.dtls = Association::Shed(goodbye.into());
        true
    }

    /// Whether a goodbye that couldn't be read has been followed by silence.
    pub fn has_left(&self, now_us: u64) -> bool {
        let spoke_us = self.seen_us.max(self.feedback_us);
        self.leaving_us > 0 && spoke_us <= self.leaving_us && now_us >= self.leaving_us + LEAVING_US
    }
}
