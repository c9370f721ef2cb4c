//! Why a command that was accepted could not be carried out; told by `Event::Error`.

use std::fmt;

use crate::refusal::Impossible;
use crate::session::Unfit;

/// The worker is as it was before the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    SessionExists(u64),
    RelayExists(u64),
    UfragInUse,
    SsrcInUse(u32),
    TooManyHalfOpen(usize),
    UnknownSession(u64),
    NoTrack {
        session: u64,
        track: u64,
    },
    UnknownSource(u64),
    NotHere(u64),
    Impossible(Impossible),
    Unfit {
        session: u64,
        why: Unfit,
    },
    /// The text is the library's.
    Crypto(String),
}

impl From<Impossible> for Failure {
    fn from(i: Impossible) -> Self {
        Failure::Impossible(i)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::SessionExists(id) => write!(f, "session {id} exists"),
            Failure::RelayExists(id) => write!(f, "relay {id} exists"),
            Failure::UfragInUse => f.write_str("ice.local_ufrag is in use"),
            Failure::SsrcInUse(ssrc) => write!(f, "ssrc {ssrc} is in use"),
            Failure::TooManyHalfOpen(n) => write!(f, "{n} sessions have not finished their handshake"),
            Failure::UnknownSession(id) => write!(f, "session {id}: unknown"),
            Failure::NoTrack { session, track } => write!(f, "session {session}: no track {track}"),
            Failure::UnknownSource(id) => write!(f, "source {id}: unknown"),
            Failure::NotHere(id) => write!(f, "source {id}: not on this worker"),
            Failure::Impossible(i) => i.fmt(f),
            Failure::Unfit { session, why } => write!(f, "session {session}: {why}"),
            Failure::Crypto(problem) => f.write_str(problem),
        }
    }
}

impl std::error::Error for Failure {}
