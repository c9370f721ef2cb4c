//! Handshakes between peers that mean well: versions, profiles, fingerprints, lost datagrams, timers.

use super::*;

#[test]
fn contexts_are_shared_and_associations_move() {
    fn is_send<T: Send>() {}
    fn is_sync<T: Sync>() {}
    is_send::<Context>();
    is_sync::<Context>();
    is_send::<Dtls>();
}

#[test]
fn every_combination_of_version_certificates_and_profile_order_connects_with_gcm_128() {
    let (ecdsa, rsa) = (ecdsa(), rsa());
    for version in VERSIONS {
        for client_profiles in [OURS, CHROMIUM] {
            for certificates in [[&ecdsa, &ecdsa], [&ecdsa, &rsa], [&rsa, &ecdsa], [&rsa, &rsa]] {
                let client = context(certificates[0], client_profiles, version);
                let server = context(certificates[1], OURS, SslVersion::DTLS1_3);
                let mut pair = Pair::new(&client, &server);
                pair.run(|_| false).unwrap();
                let (c, s) = pair.sides();
                assert_eq!((c.profile, s.profile), (Profile::AeadAes128Gcm, Profile::AeadAes128Gcm));
                assert!(c.local == s.remote && c.remote == s.local && c.local != c.remote);
                let name = if version == SslVersion::DTLS1_3 { "DTLS 1.3" } else { "DTLS 1.2" };
                assert_eq!((c.version, s.version), (name, name));
                assert_eq!(c.peer_fingerprint("sha-256").as_deref(), Some(server.fingerprint()));
                assert_eq!(s.peer_fingerprint("SHA-256").as_deref(), Some(client.fingerprint()));
                assert_eq!(pair.client.timeout(), None);
                assert_eq!(pair.server.timeout(), None);
            }
        }
    }
}

#[test]
fn an_older_server_gets_dtls_1_2() {
    let mut pair =
        Pair::new(&context(&ecdsa(), OURS, SslVersion::DTLS1_3), &context(&ecdsa(), OURS, SslVersion::DTLS1_2));
    pair.run(|_| false).unwrap();
    assert_eq!(pair.sides().0.version, "DTLS 1.2");
}

#[test]
fn each_profile_can_be_the_only_common_one() {
    for (name, profile) in
        OURS.split(':').zip([Profile::AeadAes128Gcm, Profile::AeadAes256Gcm, Profile::AesCm128HmacSha1_80])
    {
        for version in VERSIONS {
            let mut pair = Pair::new(&context(&ecdsa(), name, version), &context(&ecdsa(), OURS, version));
            pair.run(|_| false).unwrap();
            let (client, server) = pair.sides();
            assert_eq!(client.profile, profile);
            let pass = |local: &Keys, remote: &Keys| {
                let mut packet = vec![0x80, 201, 0, 1, 0, 0, 0, 1];
                Sender::new(local).unwrap().protect_rtcp(&mut packet).unwrap();
                Receiver::new(remote).unwrap().unprotect_rtcp(&mut packet)
            };
            assert_eq!(pass(&client.local, &server.remote), Ok(8));
            assert_eq!(pass(&server.local, &client.remote), Ok(8));
        }
    }
}

#[test]
fn any_one_lost_datagram_is_sent_again() {
    let (client_certificate, server_certificate) = (ecdsa(), rsa());
    for version in VERSIONS {
        let pair = || {
            Pair::new(&context(&client_certificate, CHROMIUM, version), &context(&server_certificate, OURS, version))
        };
        let mut whole = pair();
        whole.run(|_| false).unwrap();
        for victim in 0..whole.sent {
            let mut pair = pair();
            pair.run(|n| n == victim).unwrap();
            let (c, s) = pair.sides();
            assert!(c.local == s.remote, "{version:?}, datagram {victim}");
            assert!(pair.waits <= whole.waits + 3, "{version:?}, datagram {victim}: {} expiries", pair.waits);
        }
    }
}

#[test]
fn every_second_datagram_lost_still_connects() {
    for version in VERSIONS {
        for odd in 0..2 {
            let mut pair = Pair::new(&context(&ecdsa(), OURS, version), &context(&ecdsa(), OURS, version));
            // Both parities of each retransmission round get through in turn.
            pair.run(|n| n < 12 && n % 2 == odd).unwrap();
            pair.sides();
        }
    }
}

/// As Chromium does: a post-quantum key share makes the ClientHello longer than one datagram.
#[test]
fn a_client_hello_in_several_datagrams_is_understood() {
    for version in VERSIONS {
        let client = adjusted(&ecdsa(), CHROMIUM, SslVersion::DTLS1_3, |b| {
            b.set_curves_list("X25519MLKEM768:X25519:P-256").unwrap()
        });
        let mut pair = Pair::new(&client, &context(&ecdsa(), OURS, version));
        pair.client.start();
        let first_flight: Vec<_> = std::iter::from_fn(|| pair.client.transmit()).collect();
        assert_eq!(first_flight.len(), 2);
        for datagram in first_flight.iter().rev() {
            pair.server.handle(datagram).unwrap();
        }
        pair.run(|_| false).unwrap();
        assert_eq!(pair.sides().0.profile, Profile::AeadAes128Gcm);
    }
}

#[test]
fn silence_is_given_up_after_the_retries() {
    let mut pair =
        Pair::new(&context(&ecdsa(), OURS, SslVersion::DTLS1_3), &context(&ecdsa(), OURS, SslVersion::DTLS1_3));
    assert_eq!(pair.run(|_| true), Err(DtlsError::Timeout));
    assert_eq!(pair.sent, 1 + MAX_RETRIES as usize);
    assert_eq!(pair.client.timeout(), None);
}

#[test]
fn an_early_timeout_call_changes_nothing() {
    let mut pair =
        Pair::new(&context(&ecdsa(), OURS, SslVersion::DTLS1_3), &context(&ecdsa(), OURS, SslVersion::DTLS1_3));
    pair.client.start();
    pair.client.transmit().expect("ClientHello");
    assert_eq!(pair.client.timeout(), Some(FIRST_TIMEOUT));
    for _ in 0..20 {
        pair.client.handle_timeout().unwrap();
        pair.server.handle_timeout().unwrap();
    }
    assert_eq!(pair.client.transmit(), None);
}

#[test]
fn a_server_says_and_times_nothing_before_the_client() {
    let mut server = Dtls::new(&Context::new().unwrap(), Role::Server).unwrap();
    server.start();
    assert_eq!((server.transmit(), server.timeout()), (None, None));
}

#[test]
fn fingerprints_are_of_the_hash_asked_for() {
    let pair = connected(SslVersion::DTLS1_3);
    let (client, _) = pair.sides();
    for (hash, bytes) in [("sha-1", 20), ("sha-224", 28), ("sha-256", 32), ("sha-384", 48), ("sha-512", 64)] {
        assert_eq!(client.peer_fingerprint(hash).unwrap().len(), 3 * bytes - 1);
    }
    assert_eq!(client.peer_fingerprint("md5"), None);
    assert_eq!(client.peer_fingerprint(""), None);
}

#[test]
fn the_fingerprint_is_the_hash_of_the_certificate() {
    // `printf abc | sha256sum`
    let abc = "BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD";
    assert_eq!(certificate::fingerprint(b"abc", "sha-256").as_deref(), Some(abc));
    assert_ne!(Context::new().unwrap().fingerprint(), Context::new().unwrap().fingerprint());
}
