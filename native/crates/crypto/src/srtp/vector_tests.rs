//! Published test vectors of RFC 3711 and RFC 7714, and packets that libsrtp 2 made.

use super::cipher::{Cipher, ENCRYPTED};
use super::kdf::{derive, Labels, SessionKeys};
use super::outbound::Outbound;
use super::{word, Keys, Profile, Receiver, Sender};
use crate::ffi::AesCtr;

pub fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.bytes().filter(u8::is_ascii_hexdigit).map(|c| (c as char).to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
fn rfc_3711_b2_key_stream() {
    let aes = AesCtr::new(&unhex("2B7E151628AED2A6ABF7158809CF4F3C")).unwrap();
    let mut stream = [0; 48];
    aes.apply_in_place(unhex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000").try_into().unwrap(), &mut stream);
    let expected = "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0";
    assert_eq!(stream.to_vec(), unhex(expected));
}

#[test]
fn rfc_3711_b3_key_derivation() {
    let keys = Keys {
        profile: Profile::AesCm128HmacSha1_80,
        key: unhex("E1F97A0D3E018BE0D64FA32C06DE4139"),
        salt: unhex("0EC675AD498AFEEBB6960B3AABE6"),
    };
    let session = derive(&keys, Labels::Rtp).unwrap();
    assert_eq!(session.encryption, unhex("C61E7A93744F39EE10734AFE3FF7A087"));
    assert_eq!(session.salt, unhex("30CBBC08863D8C85D49DB34A9AE1"));
    assert_eq!(session.authentication, unhex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
}

const RFC_7714_SALT: &str = "51756964 2070726f 2071756f";

fn rfc_7714_keys(key_len: u8) -> SessionKeys {
    SessionKeys { encryption: (0..key_len).collect(), authentication: vec![], salt: unhex(RFC_7714_SALT) }
}

fn rfc_7714_cipher(key_len: u8) -> Cipher {
    Cipher::of_session(rfc_7714_keys(key_len)).unwrap()
}

/// RFC 7714 §16.1 and §16.2.
#[test]
fn rfc_7714_16_srtp() {
    let clear = unhex(
        "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 61727465 73207472 6573",
    );
    let cases = [
        (16, "f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce"),
        (32, "32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13"),
    ];
    for (key_len, sealed) in cases {
        let cipher = rfc_7714_cipher(key_len);
        let (ssrc, index) = (0x5501_a0b2, 0xf17b);
        let mut packet = clear[..12].to_vec();
        packet.resize(clear.len() + 16, 0);
        let outbound = Outbound::of_session(rfc_7714_keys(key_len)).unwrap();
        assert!(outbound.seal(&mut packet, 12, ssrc, index, &clear[12..], 0));
        assert_eq!(packet[12..], unhex(sealed));
        assert_eq!(cipher.open_rtp(&mut packet, 12, ssrc, index), Some(clear.len()));
        assert_eq!(packet[..clear.len()], clear);
    }
}

/// RFC 7714 §17.1 and §17.2, with the packet that those sections use (the one printed before them differs).
#[test]
fn rfc_7714_17_srtcp() {
    let clear = unhex(
        "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef deadbeef deadbeef",
    );
    let cases = [
        (16, "63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4"),
        (32, "d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1 110555be 8415f658 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be 800005d4"),
    ];
    for (key_len, sealed) in cases {
        let cipher = rfc_7714_cipher(key_len);
        let ssrc = word(&clear, 4).unwrap();
        let mut packet = clear.clone();
        assert!(cipher.seal_rtcp(&mut packet, ssrc, 0x5d4));
        assert_eq!(packet[8..], unhex(sealed));
        let trailer = cipher.rtcp_trailer(&packet).unwrap();
        assert_eq!(trailer, ENCRYPTED | 0x5d4);
        assert_eq!(cipher.open_rtcp(&mut packet, ssrc, trailer), Some(clear.len()));
        assert_eq!(packet[..clear.len()], clear);
    }
}

/// Made with libsrtp 2: key 00 01 …, salt a0 a1 …; a packet with a header extension, and an RTCP packet with index 1.
const LIBSRTP: [(Profile, &str, &str); 3] = [
    (
        Profile::AeadAes128Gcm,
        "c5002ede04cfdd2eb91159e0880aa06ec131a4da7644b64609b97db33246dc4ddc93f02c1609ada03000434a7263fcedd6",
        "3bb8f692beb6189a043b17ce164b3c47c9d4220dc26221568ad504323f069abea138bb468605c75580000001",
    ),
    (
        Profile::AeadAes256Gcm,
        "0af7f21e8a90bdad7a425c9c31ed4bb1e03809704960bec4ecc9b280693f9c3ac208eb52dd07d80ea3f05c07eabd0fd050",
        "cb60d1bccec863a14cb9aec15529791664a71c603c2e010cf471fe2b4788117c07d32165479841cf80000001",
    ),
    (
        Profile::AesCm128HmacSha1_80,
        "e2d8df8f7a75d688c3502eeec2a98066fcd0530eba658d437320021ed4d0d948f4a2a8101293ca0ec03d3b",
        "e1d54bc3f52d65f58798306abcc7272b4a54bcac273b63d0800000013ae4d2e24632c8b9ed4a",
    ),
];

#[test]
fn packets_of_libsrtp() {
    let header = unhex("906f1234decafbadcafebabe bede0001 10aabb00");
    let payload = [0xab; 33];
    let rtcp: Vec<u8> = unhex("81c9000700000001").into_iter().chain(0..24).collect();
    for (profile, sealed_rtp, sealed_rtcp) in LIBSRTP {
        let keys = Keys {
            profile,
            key: (0..profile.key_len() as u8).collect(),
            salt: (0xa0..).take(profile.salt_len()).collect(),
        };
        let (mut sender, mut receiver) = (Sender::new(&keys).unwrap(), Receiver::new(&keys).unwrap());
        let mut slot = [0; 200];
        slot[..header.len()].copy_from_slice(&header);
        let len = sender.protect_rtp(&mut slot, header.len(), &payload, 0, 0).unwrap();
        assert_eq!(slot[header.len()..len], unhex(sealed_rtp), "{profile:?}");
        assert_eq!(receiver.unprotect_rtp(&mut slot[..len]), Ok(header.len() + payload.len()));
        assert_eq!(slot[header.len()..][..payload.len()], payload);

        sender.set_rtcp_index(1);
        let mut packet = rtcp.clone();
        sender.protect_rtcp(&mut packet).unwrap();
        assert_eq!(packet[8..], unhex(sealed_rtcp), "{profile:?}");
        assert_eq!(receiver.unprotect_rtcp(&mut packet), Ok(rtcp.len()));
        assert_eq!(packet[..rtcp.len()], rtcp);
    }
}
