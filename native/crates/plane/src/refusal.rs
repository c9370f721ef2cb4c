//! Why a command is not accepted: what `Router::execute` answers at once.

use std::fmt;

use crate::registry::{Elsewhere, Object};

/// Nothing has been done. The caller is at fault, or the worker is too far behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// However often it is tried.
    Impossible(Impossible),
    /// The worker's mailbox is full: later it may do.
    Busy { worker: usize },
}

/// What makes a command impossible. Each is told with the name of the field or object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Impossible {
    /// Not a command in JSON; the text is the parser's.
    NotACommand(String),
    ShortIceCredentials,
    NoTracks,
    Encodings {
        mid: String,
        count: usize,
    },
    RecvClockRate {
        mid: String,
    },
    ParameterSets {
        mid: String,
    },
    SendTrack {
        track: u64,
    },
    RelayKey {
        field: &'static str,
        problem: String,
    },
    /// A field of what was exported of a session. Neither word is from there: keys are told nobody.
    Srtp {
        field: &'static str,
        problem: &'static str,
    },
    NoSuchWorker {
        worker: usize,
        workers: usize,
    },
    UnknownSource(u64),
    Elsewhere {
        object: Object,
        worker: usize,
        asked: usize,
    },
}

impl From<Impossible> for Refusal {
    fn from(i: Impossible) -> Self {
        Refusal::Impossible(i)
    }
}

impl Impossible {
    pub(crate) fn elsewhere(e: Elsewhere, asked: usize) -> Self {
        Impossible::Elsewhere { object: e.object, worker: e.worker, asked }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Object::Session(id) => write!(f, "session {id}"),
            Object::Source(id) => write!(f, "source {id}"),
            Object::Relay(id) => write!(f, "relay {id}"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Impossible(i) => i.fmt(f),
            Refusal::Busy { worker } => write!(f, "worker {worker} is too far behind: its mailbox is full"),
        }
    }
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Impossible::NotACommand(problem) => f.write_str(problem),
            Impossible::ShortIceCredentials => {
                f.write_str("ice: local_ufrag needs 4 and local_pwd 22 characters (RFC 8839)")
            }
            Impossible::NoTracks => f.write_str("recv, send: a session needs at least one track"),
            Impossible::Encodings { mid, count } => write!(f, "recv[{mid}].encodings: 1 to 8 needed, got {count}"),
            Impossible::RecvClockRate { mid } => write!(f, "recv[{mid}].clock_rate: 0"),
            Impossible::ParameterSets { mid } => write!(f, "recv[{mid}].parameter_sets: not base64"),
            Impossible::SendTrack { track } => write!(f, "send[{track}]: clock_rate and ssrc must not be 0"),
            Impossible::RelayKey { field, problem } => write!(f, "{field}: {problem}"),
            Impossible::Srtp { field, problem } => write!(f, "srtp.{field}: {problem}"),
            Impossible::NoSuchWorker { worker, workers } => write!(f, "worker: {worker}, there are {workers}"),
            Impossible::UnknownSource(id) => write!(f, "source {id}: unknown"),
            Impossible::Elsewhere { object, worker, asked } => {
                write!(f, "{object} lives on worker {worker}, not {asked}")
            }
        }
    }
}

impl std::error::Error for Refusal {}
impl std::error::Error for Impossible {}
