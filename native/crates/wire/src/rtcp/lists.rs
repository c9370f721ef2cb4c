//! The lists inside RTCP packets, as iterators over the datagram.

use crate::bytes::{u16_at, u32_at};

/// A report block: how one source arrives (RFC 3550 §6.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// The source reported on.
    pub ssrc: u32,
    /// Lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost since the beginning; negative with duplicates. Written as the nearest 24-bit value.
    pub cumulative_lost: i32,
    /// Highest sequence number, its wraps in the upper half.
    pub highest_seq: u32,
    /// Interarrival jitter in RTP clock units.
    pub jitter: u32,
    /// Middle 32 bits of the NTP time of the last SR; 0 without one.
    pub last_sr: u32,
    /// Since then, in 1/65536 s.
    pub delay_last_sr: u32,
}

pub(super) const REPORT_LEN: usize = 24;

/// The report blocks of a sender or receiver report.
#[derive(Clone, Debug)]
pub struct Reports<'a>(&'a [u8]);

impl<'a> Reports<'a> {
    pub(super) fn take(d: &'a [u8], count: u8) -> Option<Self> {
        d.get(..REPORT_LEN * usize::from(count)).map(Self)
    }
}

impl Iterator for Reports<'_> {
    type Item = Report;

    fn next(&mut self) -> Option<Report> {
        let (block, rest) = self.0.split_at_checked(REPORT_LEN)?;
        self.0 = rest;
        let lost = u32_at(block, 4)?;
        Some(Report {
            ssrc: u32_at(block, 0)?,
            fraction_lost: block[4],
            cumulative_lost: (lost << 8) as i32 >> 8,
            highest_seq: u32_at(block, 8)?,
            jitter: u32_at(block, 12)?,
            last_sr: u32_at(block, 16)?,
            delay_last_sr: u32_at(block, 20)?,
        })
    }
}

/// The SSRCs that a BYE names.
#[derive(Clone, Debug)]
pub struct Ssrcs<'a>(pub(super) &'a [u8]);

impl Iterator for Ssrcs<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let ssrc = u32_at(self.0, 0)?;
        self.0 = &self.0[4..];
        Some(ssrc)
    }
}

/// Sources of a FIR, each with the request's number: a repeated number is a retransmission, not a new request.
#[derive(Clone, Debug)]
pub struct FirEntries<'a>(pub(super) &'a [u8]);

impl Iterator for FirEntries<'_> {
    type Item = (u32, u8);

    fn next(&mut self) -> Option<(u32, u8)> {
        let (entry, rest) = self.0.split_at_checked(8)?;
        self.0 = rest;
        Some((u32_at(entry, 0)?, entry[4]))
    }
}

/// Sequence numbers of a NACK, unpacked from PID and BLP: up to 17 per four bytes.
#[derive(Clone, Debug)]
pub struct NackSeqs<'a> {
    fci: &'a [u8],
    pid: u16,
    blp: u16,
}

impl<'a> NackSeqs<'a> {
    pub(super) fn new(fci: &'a [u8]) -> Self {
        Self { fci, pid: 0, blp: 0 }
    }

    /// How many there are in the whole NACK, counted without unpacking them.
    pub fn total(&self) -> usize {
        self.fci.chunks_exact(4).map(|f| 1 + (f[2].count_ones() + f[3].count_ones()) as usize).sum()
    }
}

impl Iterator for NackSeqs<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        if self.blp != 0 {
            let bit = self.blp.trailing_zeros() as u16;
            self.blp &= self.blp - 1;
            return Some(self.pid.wrapping_add(bit + 1));
        }
        self.pid = u16_at(self.fci, 0)?;
        self.blp = u16_at(self.fci, 2)?;
        self.fci = &self.fci[4..];
        Some(self.pid)
    }
}
