//! Every payload length against a second implementation, written from the RFCs on other libraries.

use aes::cipher::{KeyIvInit, StreamCipher};
use aes_gcm::aead::{Aead, KeyInit, Payload};
use hmac::Mac;

use super::{Keys, Profile, Receiver, Sender};

const PROFILES: [Profile; 3] = [Profile::AeadAes128Gcm, Profile::AeadAes256Gcm, Profile::AesCm128HmacSha1_80];
const SSRC: u32 = 0xdead_beef;
const ROC: u32 = 0x0102_0304;

fn ctr(key: &[u8], iv: u128, data: &mut [u8]) {
    let iv = iv.to_be_bytes();
    if key.len() == 16 {
        ctr::Ctr128BE::<aes::Aes128>::new(key.into(), &iv.into()).apply_keystream(data);
    } else {
        ctr::Ctr128BE::<aes::Aes256>::new(key.into(), &iv.into()).apply_keystream(data);
    }
}

fn session_key(keys: &Keys, label: u128, len: usize) -> Vec<u8> {
    let mut salt = keys.salt.clone();
    salt.resize(14, 0);
    let salt = salt.iter().fold(0u128, |n, &b| n << 8 | u128::from(b));
    let mut out = vec![0; len];
    ctr(&keys.key, (label << 48 ^ salt) << 16, &mut out);
    out
}

fn gcm(key: &[u8], nonce: &[u8], aad: &[u8], msg: &[u8]) -> Vec<u8> {
    let payload = Payload { msg, aad };
    if key.len() == 16 {
        aes_gcm::Aes128Gcm::new(key.into()).encrypt(nonce.into(), payload).unwrap()
    } else {
        aes_gcm::Aes256Gcm::new(key.into()).encrypt(nonce.into(), payload).unwrap()
    }
}

fn number(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |n, &b| n << 8 | u128::from(b))
}

struct Oracle {
    key: Vec<u8>,
    auth: Vec<u8>,
    salt: Vec<u8>,
    is_gcm: bool,
}

impl Oracle {
    fn new(keys: &Keys, label: u128) -> Self {
        Oracle {
            key: session_key(keys, label, keys.profile.key_len()),
            auth: session_key(keys, label + 1, 20),
            salt: session_key(keys, label + 2, keys.profile.salt_len()),
            is_gcm: keys.profile != Profile::AesCm128HmacSha1_80,
        }
    }

    /// Clear packet and trailer (RTCP index or nothing) to protected packet.
    fn seal(&self, clear: &[u8], header_len: usize, index: u64, rtcp: bool) -> Vec<u8> {
        let (header, body) = clear.split_at(header_len);
        let word = (0x8000_0000 | index as u32).to_be_bytes();
        let mut out = header.to_vec();
        if self.is_gcm {
            let nonce = (u128::from(SSRC) << 48 | u128::from(index)) ^ number(&self.salt);
            let aad = if rtcp { [header, &word].concat() } else { header.to_vec() };
            out.extend(gcm(&self.key, &nonce.to_be_bytes()[4..], &aad, body));
            if rtcp {
                out.extend(word);
            }
            return out;
        }
        let iv = number(&self.salt) << 16 ^ u128::from(SSRC) << 64 ^ u128::from(index) << 16;
        out.extend_from_slice(body);
        ctr(&self.key, iv, &mut out[header_len..]);
        let roc = ((index >> 16) as u32).to_be_bytes();
        let mut mac = <hmac::Hmac<sha1::Sha1> as Mac>::new_from_slice(&self.auth).unwrap();
        if rtcp {
            out.extend(word);
            mac.update(&out);
        } else {
            mac.update(&out);
            mac.update(&roc);
        }
        out.extend(&mac.finalize().into_bytes()[..10]);
        out
    }
}

fn keys(profile: Profile) -> Keys {
    let bytes = |seed: u8, len: usize| (0..len).map(|i| (i as u8).wrapping_mul(41).wrapping_add(seed)).collect();
    Keys { profile, key: bytes(17, profile.key_len()), salt: bytes(91, profile.salt_len()) }
}

fn noise(len: usize) -> Vec<u8> {
    (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// A header of 12 + 8 bytes: one extension of one word.
fn header(sequence: u16, padded: bool) -> Vec<u8> {
    let mut out = vec![if padded { 0xb0 } else { 0x90 }, 0x60];
    out.extend(sequence.to_be_bytes());
    out.extend([9, 8, 7, 6]);
    out.extend(SSRC.to_be_bytes());
    out.extend([0xbe, 0xde, 0, 1, 0x10, 1, 0, 0]);
    out
}

fn check_rtp(profile: Profile, pad_of: impl Fn(usize) -> u8) {
    let keys = keys(profile);
    let (mut sender, oracle) = (Sender::new(&keys).unwrap(), Oracle::new(&keys, 0));
    let payload = noise(1500);
    for len in 0..=1500 {
        let pad = pad_of(len);
        let header = header(len as u16, pad > 0);
        let mut clear = [&header[..], &payload[..len]].concat();
        clear.extend((1..=pad).map(|i| if i == pad { pad } else { 0 }));
        let mut slot = [0x55; 2048];
        slot[..header.len()].copy_from_slice(&header);
        let sealed = sender.protect_rtp(&mut slot, header.len(), &payload[..len], pad, ROC).unwrap();
        let expected = oracle.seal(&clear, header.len(), u64::from(ROC) << 16 | len as u64, false);
        assert_eq!(slot[..sealed], expected, "{profile:?}, {len} bytes, {pad} padding");
        assert_eq!(sealed, clear.len() + profile.rtp_overhead());
        assert!(slot[sealed..].iter().all(|&b| b == 0x55), "wrote behind the packet");
    }
}

#[test]
fn rtp_of_every_length() {
    PROFILES.into_iter().for_each(|profile| check_rtp(profile, |_| 0));
}

#[test]
fn padded_rtp_of_every_length() {
    PROFILES.into_iter().for_each(|profile| check_rtp(profile, |len| (len * 37 % 255) as u8 + 1));
}

#[test]
fn rtp_with_every_amount_of_padding() {
    PROFILES.into_iter().for_each(|profile| check_rtp(profile, |len| if len < 256 { len as u8 } else { 1 }));
}

#[test]
fn rtcp_of_every_length() {
    for profile in PROFILES {
        let keys = keys(profile);
        let (mut sender, oracle) = (Sender::new(&keys).unwrap(), Oracle::new(&keys, 3));
        for len in 8..=1500 {
            let mut clear = noise(len);
            clear[..2].copy_from_slice(&[0x81, 200]);
            clear[4..8].copy_from_slice(&SSRC.to_be_bytes());
            let mut packet = clear.clone();
            sender.protect_rtcp(&mut packet).unwrap();
            assert_eq!(packet, oracle.seal(&clear, 8, len as u64 - 8, true), "{profile:?}, {len} bytes");
            assert_eq!(packet.len(), clear.len() + profile.rtcp_overhead());
        }
    }
}

#[test]
fn every_length_is_opened() {
    for profile in PROFILES {
        let keys = keys(profile);
        let (rtp, rtcp) = (Oracle::new(&keys, 0), Oracle::new(&keys, 3));
        let mut receiver = Receiver::new(&keys).unwrap();
        let payload = noise(1500);
        for len in 0..=1500 {
            let clear = [header(len as u16, false), payload[..len].to_vec()].concat();
            let mut packet = rtp.seal(&clear, 20, len as u64, false);
            assert_eq!(receiver.unprotect_rtp(&mut packet), Ok(clear.len()), "{profile:?}, {len} bytes");
            assert_eq!(packet[..clear.len()], clear);

            let clear = [&[0x80, 201, 0, 1], &SSRC.to_be_bytes()[..], &payload[..len]].concat();
            let mut packet = rtcp.seal(&clear, 8, len as u64, true);
            assert_eq!(receiver.unprotect_rtcp(&mut packet), Ok(clear.len()), "{profile:?}, {len} bytes");
            assert_eq!(packet[..clear.len()], clear);
        }
    }
}
