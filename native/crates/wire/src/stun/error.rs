//! What can be wrong with a STUN message.

use std::fmt;

/// Why a datagram is no Binding message. Always the sender's fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StunError {
    /// Shorter than a header, or not the length its header says.
    Length,
    /// No magic cookie, or the two leading bits are not zero.
    NotStun,
    /// A method other than Binding.
    Method(u16),
    /// This attribute is cut off, or not as long as its type demands.
    AttributeLength(u16),
    /// This attribute holds a value its type does not allow.
    AttributeValue(u16),
    /// FINGERPRINT is wrong or not the last attribute.
    Fingerprint,
}

impl fmt::Display for StunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => write!(f, "STUN: the message length is not the datagram's"),
            Self::NotStun => write!(f, "STUN: no magic cookie"),
            Self::Method(m) => write!(f, "STUN: method {m:#05x} is not Binding"),
            Self::AttributeLength(t) => write!(f, "STUN: attribute {t:#06x} has a bad length"),
            Self::AttributeValue(t) => write!(f, "STUN: attribute {t:#06x} has a bad value"),
            Self::Fingerprint => write!(f, "STUN: the FINGERPRINT does not match"),
        }
    }
}

impl std::error::Error for StunError {}
