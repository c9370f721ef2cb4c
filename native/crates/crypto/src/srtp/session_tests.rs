//! Sender and receiver together: rollover, loss, replay, damage, nonsense.

use proptest::prelude::*;

use super::*;

const PROFILES: [Profile; 3] = [Profile::AeadAes128Gcm, Profile::AeadAes256Gcm, Profile::AesCm128HmacSha1_80];

fn keys(profile: Profile) -> Keys {
    Keys { profile, key: (1..).take(profile.key_len()).collect(), salt: (101..).take(profile.salt_len()).collect() }
}

fn pair(profile: Profile) -> (Sender, Receiver) {
    (Sender::new(&keys(profile)).unwrap(), Receiver::new(&keys(profile)).unwrap())
}

/// The protected packet with this extended sequence number.
fn rtp(sender: &mut Sender, ssrc: u32, extended: u64) -> Vec<u8> {
    let mut slot = vec![0; 100];
    slot[0] = 0x80;
    slot[2..4].copy_from_slice(&(extended as u16).to_be_bytes());
    slot[8..12].copy_from_slice(&ssrc.to_be_bytes());
    let len = sender.protect_rtp(&mut slot, 12, b"payload", 0, (extended >> 16) as u32).unwrap();
    slot.truncate(len);
    slot
}

fn rtcp(sender: &mut Sender) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 2, 0, 0, 0, 1, 7, 7, 7, 7];
    sender.protect_rtcp(&mut packet).unwrap();
    packet
}

#[test]
fn contexts_can_be_moved_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<Sender>();
    is_send::<Receiver>();
}

#[test]
fn the_sequence_number_rolls_over_with_loss_and_reordering() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        for extended in [65_000, 65_530, 65_536, 65_535, 65_540, 65_537, 98_000, 130_000, 131_077, 131_070, 163_000] {
            let mut packet = rtp(&mut sender, 1, extended);
            assert_eq!(receiver.unprotect_rtp(&mut packet), Ok(19), "{profile:?}, {extended}");
            assert_eq!(&packet[12..19], b"payload");
        }
    }
}

#[test]
fn every_packet_is_taken_once() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let packets: Vec<_> = (65_500..65_600).map(|n| rtp(&mut sender, 1, n)).collect();
        for packet in &packets {
            assert_eq!(receiver.unprotect_rtp(&mut packet.clone()), Ok(19));
        }
        for packet in &packets {
            assert_eq!(receiver.unprotect_rtp(&mut packet.clone()), Err(SrtpError::Replay));
        }
        let control = rtcp(&mut sender);
        assert_eq!(receiver.unprotect_rtcp(&mut control.clone()), Ok(12));
        assert_eq!(receiver.unprotect_rtcp(&mut control.clone()), Err(SrtpError::Replay));
    }
}

#[test]
fn a_packet_older_than_the_window_is_refused() {
    let (mut sender, mut receiver) = pair(Profile::AeadAes128Gcm);
    let mut late = rtp(&mut sender, 1, 1000);
    let mut in_time = rtp(&mut sender, 1, 1001);
    receiver.unprotect_rtp(&mut rtp(&mut sender, 1, 1000 + replay::WINDOW)).unwrap();
    assert_eq!(receiver.unprotect_rtp(&mut late), Err(SrtpError::Replay));
    assert_eq!(receiver.unprotect_rtp(&mut in_time), Ok(19));
}

#[test]
fn every_flipped_bit_is_noticed() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let (media, control) = (rtp(&mut sender, 1, 5), rtcp(&mut sender));
        for bit in 0..media.len() * 8 {
            let mut bad = media.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let result = receiver.unprotect_rtp(&mut bad);
            assert!(
                matches!(result, Err(SrtpError::Auth | SrtpError::Malformed)),
                "{profile:?}, bit {bit}: {result:?}"
            );
        }
        for bit in 0..control.len() * 8 {
            let mut bad = control.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let result = receiver.unprotect_rtcp(&mut bad);
            assert!(
                matches!(result, Err(SrtpError::Auth | SrtpError::Malformed)),
                "{profile:?}, bit {bit}: {result:?}"
            );
        }
        assert_eq!(receiver.unprotect_rtp(&mut media.clone()), Ok(19));
        assert_eq!(receiver.unprotect_rtcp(&mut control.clone()), Ok(12));
    }
}

#[test]
fn forged_packets_leave_no_trace() {
    let (mut sender, mut receiver) = pair(Profile::AeadAes128Gcm);
    receiver.unprotect_rtp(&mut rtp(&mut sender, 1, 10)).unwrap();
    for ssrc in 0..200 {
        let mut forged = rtp(&mut sender, ssrc, 30_000);
        *forged.last_mut().unwrap() ^= 1;
        assert_eq!(receiver.unprotect_rtp(&mut forged), Err(SrtpError::Auth));
    }
    assert_eq!(receiver.evicted_ssrcs(), 0);
    assert_eq!(receiver.unprotect_rtp(&mut rtp(&mut sender, 1, 9)), Ok(19));
    assert!(boring::error::ErrorStack::get().errors().is_empty());
}

#[test]
fn more_than_64_ssrcs_replace_the_silent_one() {
    let (mut sender, mut receiver) = pair(Profile::AesCm128HmacSha1_80);
    for ssrc in 0..70 {
        receiver.unprotect_rtp(&mut rtp(&mut sender, ssrc, 1)).unwrap();
        assert_eq!(receiver.unprotect_rtp(&mut rtp(&mut sender, 0, 2 + u64::from(ssrc))), Ok(19));
    }
    assert_eq!(receiver.evicted_ssrcs(), 6);
}

#[test]
fn srtcp_indices_run_out() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        sender.set_rtcp_index(0x7fff_ffff);
        assert_eq!(receiver.unprotect_rtcp(&mut rtcp(&mut sender)), Ok(12));
        let mut packet = vec![0x80, 201, 0, 1, 0, 0, 0, 1];
        assert_eq!(sender.protect_rtcp(&mut packet), Err(SrtpError::Exhausted));
        assert_eq!(packet.len(), 8);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let wrong = Keys { profile: Profile::AeadAes256Gcm, key: vec![0; 16], salt: vec![0; 12] };
    assert_eq!(Sender::new(&wrong).err(), Some(SrtpError::Keys));
    assert_eq!(Receiver::new(&Keys { salt: vec![0; 14], ..keys(Profile::AeadAes128Gcm) }).err(), Some(SrtpError::Keys));
    for profile in PROFILES {
        let mut sender = Sender::new(&keys(profile)).unwrap();
        let exact = 12 + 30 + 3 + profile.rtp_overhead();
        assert_eq!(sender.protect_rtp(&mut vec![0x80; exact], 12, &[0; 30], 3, 0), Ok(exact));
        assert_eq!(sender.protect_rtp(&mut vec![0x80; exact - 1], 12, &[0; 30], 3, 0), Err(SrtpError::NoRoom));
        assert_eq!(sender.protect_rtp(&mut [0x80; 100], 11, &[0; 30], 0, 0), Err(SrtpError::Malformed));
        assert_eq!(sender.protect_rtcp(&mut vec![0x80; 7]), Err(SrtpError::Malformed));
    }
}

#[test]
fn unencrypted_srtcp_is_refused() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let mut packet = rtcp(&mut sender);
        let behind = if profile == Profile::AesCm128HmacSha1_80 { 14 } else { 4 };
        let at = packet.len() - behind;
        packet[at] &= 0x7f;
        assert_eq!(receiver.unprotect_rtcp(&mut packet), Err(SrtpError::Malformed));
    }
}

#[test]
fn keys_are_not_printed() {
    assert_eq!(format!("{:?}", keys(Profile::AeadAes128Gcm)), "Keys { profile: AeadAes128Gcm, .. }");
}

proptest! {
    #[test]
    fn nonsense_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..120), first in any::<bool>(), which in 0usize..3) {
        let mut receiver = Receiver::new(&keys(PROFILES[which])).unwrap();
        let mut bytes = bytes;
        if let (true, Some(b)) = (first, bytes.first_mut()) {
            *b = 0x80 | *b & 0x3f;
        }
        prop_assert!(receiver.unprotect_rtp(&mut bytes.clone()).is_err());
        prop_assert!(receiver.unprotect_rtcp(&mut bytes).is_err());
    }
}

#[test]
fn another_pair_goes_on_where_the_first_one_ended() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let first: Vec<_> = [131_070, 131_071].map(|n| rtp(&mut sender, 1, n)).into();
        let report = rtcp(&mut sender);
        receiver.had_rtp(1, 131_000);
        for packet in &first {
            assert_eq!(receiver.unprotect_rtp(&mut packet.clone()), Ok(19));
        }
        assert_eq!(receiver.unprotect_rtcp(&mut report.clone()), Ok(12));

        let mut next_sender = Sender::resuming(sender.keys(), sender.rtcp_index()).unwrap();
        let mut next_receiver = Receiver::new(receiver.keys()).unwrap();
        receiver.rtp_indices().for_each(|(ssrc, index)| next_receiver.had_rtp(ssrc, index));
        receiver.rtcp_indices().for_each(|(ssrc, index)| next_receiver.had_rtcp(ssrc, index));
        let (next, next_report) = (rtp(&mut next_sender, 1, 131_072), rtcp(&mut next_sender));
        for r in [&mut receiver, &mut next_receiver] {
            assert_eq!(r.unprotect_rtp(&mut next.clone()), Ok(19), "{profile:?}: the ROC goes on");
            assert_eq!(r.unprotect_rtcp(&mut next_report.clone()), Ok(12), "{profile:?}: the index is new");
            for old in &first {
                assert_eq!(r.unprotect_rtp(&mut old.clone()), Err(SrtpError::Replay));
            }
            assert_eq!(r.unprotect_rtcp(&mut report.clone()), Err(SrtpError::Replay));
        }
    }
}
