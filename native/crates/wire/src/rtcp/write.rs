//! RTCP writers. Each appends to `out`; a compound packet is several calls, SR or RR first, SDES second (RFC 3550 §6.1).

use super::lists::Report;
use super::*;
use crate::bytes::prefix;

/// The count field has five bits.
const REPORTS_MAX: usize = 31;
/// Keeps one NACK below 1 kB, so that it fits a datagram together with a report.
const NACK_ENTRIES_MAX: usize = 240;
/// The count field has eight bits.
const REMB_SSRCS_MAX: usize = 255;

/// Writes a packet whose length is filled in afterwards. `body` must leave a multiple of four bytes.
fn packet(out: &mut Vec<u8>, pt: u8, count: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0x80 | count, pt, 0, 0]);
    body(out);
    let words = ((out.len() - start) / 4 - 1) as u16;
    out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

fn put(out: &mut Vec<u8>, words: &[u32]) {
    words.iter().for_each(|w| out.extend_from_slice(&w.to_be_bytes()));
}

fn put_report(out: &mut Vec<u8>, r: &Report) {
    let lost = r.cumulative_lost.clamp(-0x80_0000, 0x7F_FFFF) as u32 & 0xFF_FFFF;
    put(out, &[r.ssrc, u32::from(r.fraction_lost) << 24 | lost, r.highest_seq, r.jitter, r.last_sr, r.delay_last_sr]);
}

/// Sender report. Reports beyond 31 follow in receiver reports of the same SSRC.
pub fn write_sr(out: &mut Vec<u8>, ssrc: u32, ntp: u64, rtp_ts: u32, packets: u32, octets: u32, reports: &[Report]) {
    let (first, more) = reports.split_at(reports.len().min(REPORTS_MAX));
    packet(out, SR, first.len() as u8, |out| {
        put(out, &[ssrc, (ntp >> 32) as u32, ntp as u32, rtp_ts, packets, octets]);
        first.iter().for_each(|r| put_report(out, r));
    });
    if !more.is_empty() {
        write_rr(out, ssrc, more);
    }
}

/// Receiver report; may be empty. Reports beyond 31 follow in further ones.
pub fn write_rr(out: &mut Vec<u8>, ssrc: u32, reports: &[Report]) {
    let (first, more) = reports.split_at(reports.len().min(REPORTS_MAX));
    packet(out, RR, first.len() as u8, |out| {
        put(out, &[ssrc]);
        first.iter().for_each(|r| put_report(out, r));
    });
    if !more.is_empty() {
        write_rr(out, ssrc, more);
    }
}

/// Source description with the CNAME, cut after 255 bytes.
pub fn write_sdes_cname(out: &mut Vec<u8>, ssrc: u32, cname: &str) {
    const CNAME: u8 = 1;
    let text = prefix(cname, 255).as_bytes();
    packet(out, SDES, 1, |out| {
        put(out, &[ssrc]);
        out.extend_from_slice(&[CNAME, text.len() as u8]);
        out.extend_from_slice(text);
        // The list of items ends with one to four zero bytes, up to a 32-bit boundary.
        let items = 2 + text.len();
        out.resize(out.len() + 4 - items % 4, 0);
    });
}

/// Writes a BYE: the source ends.
pub fn write_bye(out: &mut Vec<u8>, ssrc: u32) {
    packet(out, BYE, 1, |out| put(out, &[ssrc]));
}

/// Generic NACK for `seqs`, in sending order (a wrap inside is fine); nothing for none. More than 240 PID/BLP entries
/// become several packets.
pub fn write_nack(out: &mut Vec<u8>, sender: u32, media: u32, seqs: &[u16]) {
    let mut rest = seqs;
    while !rest.is_empty() {
        packet(out, RTPFB, FMT_NACK, |out| {
            put(out, &[sender, media]);
            for _ in 0..NACK_ENTRIES_MAX {
                rest = put_nack_entry(out, rest);
            }
        });
    }
}

/// Packs as many of `seqs` as one entry holds; gives back the others.
fn put_nack_entry<'s>(out: &mut Vec<u8>, seqs: &'s [u16]) -> &'s [u16] {
    let Some((&pid, mut rest)) = seqs.split_first() else { return &[] };
    let mut blp = 0u16;
    while let Some((&seq, after)) = rest.split_first() {
        match seq.wrapping_sub(pid) {
            0 => {}
            ahead @ 1..=16 => blp |= 1 << (ahead - 1),
            _ => break,
        }
        rest = after;
    }
    put(out, &[u32::from(pid) << 16 | u32::from(blp)]);
    rest
}

/// Picture loss indication.
pub fn write_pli(out: &mut Vec<u8>, sender: u32, media: u32) {
    packet(out, PSFB, FMT_PLI, |out| put(out, &[sender, media]));
}

/// Full intra request; `seqno` goes up by one per new request (RFC 5104 §4.3.1.1).
pub fn write_fir(out: &mut Vec<u8>, sender: u32, media: u32, seqno: u8) {
    packet(out, PSFB, FMT_FIR, |out| put(out, &[sender, 0, media, u32::from(seqno) << 24]));
}

/// REMB for up to 255 SSRCs. The bit rate is rounded down to 18 significant bits.
pub fn write_remb(out: &mut Vec<u8>, sender: u32, bitrate_bps: u64, ssrcs: &[u32]) {
    let ssrcs = &ssrcs[..ssrcs.len().min(REMB_SSRCS_MAX)];
    let exponent = (64 - bitrate_bps.leading_zeros()).saturating_sub(18);
    let mantissa = (bitrate_bps >> exponent) as u32;
    packet(out, PSFB, FMT_APPLICATION, |out| {
        put(out, &[sender, 0, u32::from_be_bytes(*b"REMB"), (ssrcs.len() as u32) << 24 | exponent << 18 | mantissa]);
        put(out, ssrcs);
    });
}
