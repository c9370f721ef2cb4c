//! DTLS 1.2 and 1.3 without I/O, for the keys of SRTP (RFC 5764, RFC 9147). Both sides show a certificate; whether it is
//! the right one is for the caller to say, by the fingerprint from signalling (RFC 8122).

mod certificate;
mod context;
mod datagrams;
mod established;

use std::fmt;
use std::time::Duration;

use boring::ssl::{ErrorCode, Ssl, SslStream};

pub use context::Context;
use datagrams::Datagrams;
pub use established::Established;

use crate::ffi::{self, Timer};

/// The longest datagram sent.
const MTU: u32 = 1200;
/// A flight is sent again after this time, then after twice, four times … as long.
const FIRST_TIMEOUT: Duration = Duration::from_millis(150);
/// Repetitions without an answer before the handshake is given up, after about 38 s.
const MAX_RETRIES: u32 = 7;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    Server,
    Client,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DtlsError {
    /// Certificate, context or session object could not be made.
    Setup(String),
    /// The handshake failed, or the peer sent a fatal alert.
    Protocol(String),
    /// The peer shares no SRTP profile with us.
    NoSrtp,
    /// The peer stopped answering during the handshake.
    Timeout,
}

impl fmt::Display for DtlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DtlsError::Setup(why) => write!(f, "DTLS set-up failed: {why}"),
            DtlsError::Protocol(why) => write!(f, "DTLS failed: {why}"),
            DtlsError::NoSrtp => f.write_str("the peer offers no SRTP profile we have"),
            DtlsError::Timeout => f.write_str("the peer stopped answering during the DTLS handshake"),
        }
    }
}

impl std::error::Error for DtlsError {}

impl From<boring::error::ErrorStack> for DtlsError {
    fn from(e: boring::error::ErrorStack) -> Self {
        DtlsError::Setup(e.to_string())
    }
}

/// One DTLS association. After every call, send what `transmit` yields and look at `timeout` again.
pub struct Dtls {
    stream: SslStream<Datagrams>,
    role: Role,
    established: Option<Box<Established>>,
    /// The handshake's state when a timer last fired, and how often one has fired in it.
    stuck_in: &'static str,
    retries: u32,
    /// What `start` could not report.
    failed: Option<DtlsError>,
    closed: bool,
    /// Records of application data that have come since last asked.
    data_records: u32,
}

impl Dtls {
    pub fn new(context: &Context, role: Role) -> Result<Self, DtlsError> {
        let mut ssl = Ssl::new(context.ssl())?;
        ssl.set_mtu(MTU)?;
        ffi::set_initial_timeout(&mut ssl, FIRST_TIMEOUT);
        ffi::shed_handshake_config(&mut ssl);
        ffi::set_client(&mut ssl, role == Role::Client);
        let stream = SslStream::new(ssl, Datagrams::default())?;
        Ok(Dtls {
            stream,
            role,
            established: None,
            stuck_in: "",
            retries: 0,
            failed: None,
            closed: false,
            data_records: 0,
        })
    }

    /// Client: emits the ClientHello. Server: nothing to do. Call once.
    pub fn start(&mut self) {
        if self.role == Role::Client {
            self.failed = self.advance().err();
        }
    }

    /// Takes a datagram from the peer. An error is fatal: send what `transmit` still yields (the alert), then drop the
    /// object. Records that do not authenticate are no error.
    pub fn handle(&mut self, datagram: &[u8]) -> Result<(), DtlsError> {
        if let Some(e) = self.failed.take() {
            return Err(e);
        }
        if datagram.is_empty() {
            return Ok(());
        }
        self.stream.get_mut().arrived(datagram);
        let result = self.advance();
        self.stream.get_mut().drop_input();
        result
    }

    /// The next datagram to send, at most 1200 bytes.
    pub fn transmit(&mut self) -> Option<Vec<u8>> {
        self.stream.get_mut().take_output()
    }

    /// Time until `handle_timeout` should be called; None: no timer runs.
    pub fn timeout(&self) -> Option<Duration> {
        if self.retries > MAX_RETRIES {
            return None;
        }
        ffi::timeout(self.stream.ssl())
    }

    /// Sends a lost flight or a delayed acknowledgement again. Harmless when called early. Gives up an unfinished
    /// handshake after `MAX_RETRIES`; a finished one stays usable.
    pub fn handle_timeout(&mut self) -> Result<(), DtlsError> {
        if let Some(e) = self.failed.take() {
            return Err(e);
        }
        if self.timeout().is_none_or(|left| !left.is_zero()) {
            return Ok(());
        }
        let state = self.stream.ssl().state_string_long();
        if state != self.stuck_in {
            self.stuck_in = state;
            self.retries = 0;
        }
        self.retries += 1;
        let given_up = self.retries > MAX_RETRIES || ffi::handle_timeout(self.stream.ssl_mut()) == Timer::Failed;
        if given_up && self.established.is_none() {
            return Err(DtlsError::Timeout);
        }
        Ok(())
    }

    /// Keys and peer, once the handshake is over.
    pub fn connected(&self) -> Option<&Established> {
        self.established.as_deref()
    }

    /// Whether the peer has sent close_notify.
    pub fn closed(&self) -> bool {
        self.closed
    }

    /// Emits close_notify if the handshake is over.
    pub fn close(&mut self) {
        if self.established.is_some() {
            // Nothing can be done about an error: the association is over either way.
            let _ = self.stream.shutdown();
        }
    }

    /// Emits one record of application data (RFC 8261 §3: an SCTP packet is one), once the handshake is over. An error
    /// means that the record is too long for a datagram, or that the association is over.
    pub fn send(&mut self, data: &[u8]) -> Result<(), DtlsError> {
        if self.established.is_none() || data.is_empty() {
            return Ok(());
        }
        self.stream.ssl_write(data).map(|_| ()).map_err(|e| DtlsError::Protocol(e.to_string()))
    }

    /// How many records of application data have come since the last call. What was in them is gone.
    pub fn take_data_records(&mut self) -> u32 {
        std::mem::take(&mut self.data_records)
    }

    /// Emits a fatal alert if the handshake is over: the association ends without a goodbye (RFC 8446 §6.2).
    pub fn abort(&mut self) {
        if self.established.is_some() {
            ffi::send_fatal_alert(self.stream.ssl_mut());
        }
    }

    fn advance(&mut self) -> Result<(), DtlsError> {
        if self.established.is_none() {
            match self.stream.do_handshake() {
                Ok(()) => self.established = Some(Box::new(Established::of(self.stream.ssl(), self.role)?)),
                Err(e) if e.code() == ErrorCode::WANT_READ => return Ok(()),
                Err(e) => return Err(DtlsError::Protocol(e.to_string())),
            }
        }
        self.read()
    }

    /// Works on alerts, repeated flights and acknowledgements. Application data is counted and dropped.
    fn read(&mut self) -> Result<(), DtlsError> {
        let mut data = [0; 2048];
        loop {
            match self.stream.ssl_read(&mut data) {
                Ok(_) => self.data_records = self.data_records.saturating_add(1),
                Err(e) if e.code() == ErrorCode::WANT_READ => return Ok(()),
                Err(e) if e.code() == ErrorCode::ZERO_RETURN => {
                    self.closed = true;
                    return Ok(());
                }
                Err(e) => return Err(DtlsError::Protocol(e.to_string())),
            }
        }
    }
}

#[cfg(test)]
mod tests;
