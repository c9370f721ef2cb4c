//! The ways that messages of media went, and why they did not go past the socket.

/// Whether media may be sent past the socket, as far as the session is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bulk {
    /// Its reports have shown that media arrives.
    MayBeRaw,
    /// They have not, or no more.
    BySocket(Fallback),
}

/// Why a message of media went by the socket although it is not the only way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// The viewer has not reported yet that media reaches it.
    Unproved,
    /// The viewer reports no more that media reaches it: the way past the socket is wrong.
    Unheard,
    /// The neighbour's address on the link is not known.
    Unresolved,
    /// The way has not been asked for yet: a part of them is with each batch.
    NotAsked,
    /// The viewer is on this host.
    Local,
    /// The device is no Ethernet.
    NoEthernet,
    /// The device is down.
    LinkDown,
    /// A route that only the kernel can go.
    OddRoute,
    /// More neighbours than are remembered, or more devices than there are rings.
    TooMany,
    /// A packet is longer than the way takes.
    TooLong,
    /// Whatever was sent before is still in the ring.
    RingFull,
    /// The kernel did not take it.
    Refused,
}

impl Fallback {
    /// Each of them once, in the order of their numbers.
    pub const ALL: [Fallback; 12] = [
        Fallback::Unproved,
        Fallback::Unheard,
        Fallback::Unresolved,
        Fallback::NotAsked,
        Fallback::Local,
        Fallback::NoEthernet,
        Fallback::LinkDown,
        Fallback::OddRoute,
        Fallback::TooMany,
        Fallback::TooLong,
        Fallback::RingFull,
        Fallback::Refused,
    ];

    /// As it is counted. `rillcast/media/protocol/figures.py` mirrors this.
    pub fn name(self) -> &'static str {
        match self {
            Fallback::Unproved => "unproved",
            Fallback::Unheard => "unheard",
            Fallback::Unresolved => "unresolved",
            Fallback::NotAsked => "not_asked",
            Fallback::Local => "local",
            Fallback::NoEthernet => "no_ethernet",
            Fallback::LinkDown => "link_down",
            Fallback::OddRoute => "odd_route",
            Fallback::TooMany => "too_many",
            Fallback::TooLong => "too_long",
            Fallback::RingFull => "ring_full",
            Fallback::Refused => "refused",
        }
    }
}

/// Messages of media since the worker began, by the way they went.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Those that went past the socket.
    pub raw: u64,
    /// Those that went by it.
    pub socket: u64,
    /// Of those by the socket, in the order of `Fallback::ALL`.
    fallbacks: [u64; Fallback::ALL.len()],
}

impl Tally {
    pub(super) fn fell_back(&mut self, why: Fallback, times: u64) {
        self.socket += times;
        self.fallbacks[why as usize] += times;
    }

    /// How often each reason was one.
    pub fn fallbacks(&self) -> impl Iterator<Item = (Fallback, u64)> + '_ {
        Fallback::ALL.into_iter().zip(self.fallbacks)
    }
}
