//! Datagrams in a stream of bytes: each behind its length, in two bytes (RFC 4571 §2).

/// The longest datagram that is taken, as with UDP.
pub const MAX_FRAME: usize = 2_048;
const LENGTH: usize = 2;

/// The peer announced a datagram that is longer than any we take. What follows can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong(pub usize);

/// Takes a stream apart, however it was split. It holds at most one datagram that has begun.
#[derive(Default)]
pub struct Deframer {
    /// The datagram that has begun, with its length before it.
    begun: Vec<u8>,
}

impl Deframer {
    /// Hands each datagram on that is complete now, as long as `each` wants more. Empty ones are passed over. After an
    /// error, or once `each` wanted no more, it is of no use.
    pub fn feed(&mut self, mut data: &mut [u8], mut each: impl FnMut(&mut [u8]) -> bool) -> Result<(), TooLong> {
        while !data.is_empty() {
            let missing = self.missing(data)?;
            let here = missing.min(data.len());
            let (piece, rest) = std::mem::take(&mut data).split_at_mut(here);
            data = rest;
            if self.begun.is_empty() && piece.len() == missing {
                if !hand_on(&mut piece[LENGTH..], &mut each) {
                    return Ok(());
                }
                continue;
            }
            self.begun.extend_from_slice(piece);
            if self.begun.len() >= LENGTH && self.begun.len() == LENGTH + length(&self.begun)? {
                let mut whole = std::mem::take(&mut self.begun);
                if !hand_on(&mut whole[LENGTH..], &mut each) {
                    return Ok(());
                }
                whole.clear();
                self.begun = whole;
            }
        }
        Ok(())
    }

    /// How many bytes it takes to complete the datagram, or its length, whichever is not known yet.
    fn missing(&self, data: &[u8]) -> Result<usize, TooLong> {
        match (self.begun.len(), data) {
            (0, [_, _, ..]) => Ok(LENGTH + length(data)?),
            (n @ 0..LENGTH, _) => Ok(LENGTH - n),
            (n, _) => Ok(LENGTH + length(&self.begun)? - n),
        }
    }

    /// Bytes that it keeps.
    pub fn held(&self) -> usize {
        self.begun.len()
    }
}

/// The length that the first two bytes announce.
fn length(frame: &[u8]) -> Result<usize, TooLong> {
    match usize::from(u16::from_be_bytes([frame[0], frame[1]])) {
        n if n > MAX_FRAME => Err(TooLong(n)),
        n => Ok(n),
    }
}

fn hand_on(datagram: &mut [u8], each: &mut impl FnMut(&mut [u8]) -> bool) -> bool {
    datagram.is_empty() || each(datagram)
}

/// What of a connection's stream still has to be written: the rest of one datagram at most. What comes while the system
/// takes nothing is dropped, as with UDP.
#[derive(Default)]
pub struct Outgoing {
    rest: Vec<u8>,
    written: usize,
}

impl Outgoing {
    /// Writes datagrams, and returns how many were dropped. `write` returns how much the system took. `room` is only used
    /// during the call.
    pub fn send<'a>(
        &mut self,
        datagrams: impl Iterator<Item = &'a [u8]>,
        room: &mut Vec<u8>,
        mut write: impl FnMut(&[u8]) -> usize,
    ) -> usize {
        if !self.flush(&mut write) {
            return datagrams.count();
        }
        room.clear();
        let (mut ends, mut dropped) = (vec![], 0);
        for d in datagrams {
            let Ok(length) = u16::try_from(d.len()) else {
                dropped += 1;
                continue;
            };
            room.extend_from_slice(&length.to_be_bytes());
            room.extend_from_slice(d);
            ends.push(room.len());
        }
        let taken = write(room).min(room.len());
        let mut start = 0;
        for end in ends {
            if start >= taken {
                dropped += 1;
            } else if end > taken {
                self.rest.extend_from_slice(&room[taken..end]);
            }
            start = end;
        }
        dropped
    }

    /// Writes what is left. Whether nothing is left now.
    pub fn flush(&mut self, mut write: impl FnMut(&[u8]) -> usize) -> bool {
        if self.is_empty() {
            return true;
        }
        self.written += write(&self.rest[self.written..]).min(self.rest.len() - self.written);
        if self.written < self.rest.len() {
            return false;
        }
        self.rest.clear();
        self.written = 0;
        true
    }

    /// Whether nothing waits to be written.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Bytes that it keeps.
    pub fn held(&self) -> usize {
        self.rest.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(datagrams: &[Vec<u8>]) -> Vec<u8> {
        datagrams.iter().flat_map(|d| (d.len() as u16).to_be_bytes().into_iter().chain(d.iter().copied())).collect()
    }

    fn datagrams() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..=MAX_FRAME), 0..6)
    }

    proptest! {
        #[test]
        fn a_stream_is_taken_apart_however_it_was_split(sent in datagrams(), cuts in prop::collection::vec(0..=usize::MAX, 0..12)) {
            let mut stream = framed(&sent);
            let mut cuts: Vec<usize> = cuts.iter().map(|c| c % (stream.len() + 1)).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let (mut d, mut got) = (Deframer::default(), vec![]);
            for pair in cuts.windows(2) {
                d.feed(&mut stream[pair[0]..pair[1]], |x| { got.push(x.to_vec()); true }).unwrap();
                prop_assert!(d.held() <= MAX_FRAME + LENGTH);
            }
            let sent: Vec<_> = sent.into_iter().filter(|d| !d.is_empty()).collect();
            prop_assert_eq!(got, sent);
            prop_assert_eq!(d.held(), 0);
        }

        #[test]
        fn what_a_slow_system_takes_is_whole_datagrams_in_order(
            sent in prop::collection::vec(datagrams(), 1..6),
            takes in prop::collection::vec(0..6_000usize, 1..12),
        ) {
            let (mut out, mut room, mut stream, mut turn, mut dropped) = (Outgoing::default(), vec![], vec![], 0, 0);
            let mut write = |data: &[u8]| {
                turn += 1;
                let n = takes[turn % takes.len()].min(data.len());
                stream.extend_from_slice(&data[..n]);
                n
            };
            for batch in &sent {
                dropped += out.send(batch.iter().map(|d| &d[..]), &mut room, &mut write);
                prop_assert!(out.held() <= MAX_FRAME + LENGTH);
            }
            out.flush(|data| { stream.extend_from_slice(data); data.len() });
            let (mut d, mut got) = (Deframer::default(), vec![]);
            d.feed(&mut stream, |x| { got.push(x.to_vec()); true }).unwrap();
            prop_assert_eq!(d.held(), 0);
            let all: Vec<Vec<u8>> = sent.concat();
            let empty = all.iter().filter(|d| d.is_empty()).count();
            prop_assert!(got.len() + dropped <= all.len() && got.len() + dropped + empty >= all.len());
            let mut rest = all.iter();
            prop_assert!(got.iter().all(|g| rest.any(|a| a == g)), "in order, and none that was not sent");
        }
    }

    #[test]
    fn a_datagram_that_is_too_long_ends_it() {
        let too_long = (MAX_FRAME as u16 + 1).to_be_bytes();
        let mut d = Deframer::default();
        assert_eq!(d.feed(&mut too_long.clone(), |_| true), Err(TooLong(MAX_FRAME + 1)));
        let mut d = Deframer::default();
        assert_eq!(d.feed(&mut [too_long[0]], |_| true), Ok(()));
        assert_eq!(d.feed(&mut [too_long[1]], |_| true), Err(TooLong(MAX_FRAME + 1)));
    }

    #[test]
    fn whoever_wants_no_more_gets_no_more() {
        let mut seen = 0;
        let mut stream = framed(&[vec![1], vec![2], vec![3]]);
        Deframer::default()
            .feed(&mut stream, |_| {
                seen += 1;
                seen < 2
            })
            .unwrap();
        assert_eq!(seen, 2);
    }
}
