//! Peers that offer too little, and datagrams of strangers.

use super::*;

#[test]
fn a_peer_without_a_common_profile_is_refused() {
    for version in VERSIONS {
        let client = context(&ecdsa(), "SRTP_AES128_CM_SHA1_32", version);
        let mut pair = Pair::new(&client, &context(&ecdsa(), OURS, version));
        assert_eq!(pair.run(|_| false), Err(DtlsError::NoSrtp));
    }
}

#[test]
fn a_client_without_a_certificate_is_refused() {
    for version in VERSIONS {
        let mut builder = boring::ssl::SslContext::builder(boring::ssl::SslMethod::dtls()).unwrap();
        builder.set_max_proto_version(Some(version)).unwrap();
        builder.set_verify(SslVerifyMode::NONE);
        builder.set_tlsext_use_srtp(OURS).unwrap();
        test_clock::install(&mut builder);
        let mut bare = Dtls::new(&context(&ecdsa(), OURS, version), Role::Client).unwrap();
        builder.set_options(SslOptions::NO_QUERY_MTU);
        let mut ssl = Ssl::new(&builder.build()).unwrap();
        ssl.set_mtu(MTU).unwrap();
        ffi::set_client(&mut ssl, true);
        bare.stream = SslStream::new(ssl, Datagrams::default()).unwrap();
        let server = context(&ecdsa(), OURS, version);
        let mut pair = Pair { client: bare, server: Dtls::new(&server, Role::Server).unwrap(), sent: 0, waits: 0 };
        assert!(matches!(pair.run(|_| false), Err(DtlsError::Protocol(_))));
        assert!(pair.server.connected().is_none());
    }
}

#[test]
fn plain_alerts_and_repeated_flights_do_not_disturb_a_finished_handshake() {
    for version in VERSIONS {
        let mut recorded = vec![];
        let mut pair = Pair::new(&context(&ecdsa(), OURS, version), &context(&ecdsa(), OURS, version));
        pair.client.start();
        while pair.client.connected().is_none() || pair.server.connected().is_none() {
            let datagrams: Vec<_> = std::iter::from_fn(|| pair.client.transmit()).collect();
            assert!(!datagrams.is_empty() || !recorded.is_empty());
            datagrams.iter().for_each(|d| pair.server.handle(d).unwrap());
            recorded.extend(datagrams);
            while let Some(datagram) = pair.server.transmit() {
                pair.client.handle(&datagram).unwrap();
            }
        }
        let fatal_alert = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 99, 0, 2, 2, 40];
        for datagram in recorded.iter().map(Vec::as_slice).chain([&fatal_alert[..], &[], &[22], &[0; 1500]]) {
            assert_eq!(pair.server.handle(datagram), Ok(()));
        }
        pair.carry(&mut |_| false).unwrap();
        assert!(!pair.server.closed());
        pair.client.close();
        pair.carry(&mut |_| false).unwrap();
        assert!(pair.server.closed());
    }
}

/// The header of a record by its content type, epoch and sequence: plain, as in DTLS 1.2, or a unified one of 1.3.
fn record(kind: u8, epoch: u8, sequence: u8, body: &[u8]) -> Vec<u8> {
    let header: &[u8] = &[kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, sequence, 0, body.len() as u8];
    [header, body].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Nobody but the peer can end an association: whatever arrives afterwards without its keys is no error.
    #[test]
    fn forgeries_do_not_disturb_a_finished_handshake(
        forgeries in prop::collection::vec(
            (prop_oneof![20u8..27, 32u8..64], 0u8..5, any::<u8>(), prop::collection::vec(any::<u8>(), 0..80), any::<bool>()),
            1..20,
        ),
        which in 0usize..2,
    ) {
        let mut pair = connected(VERSIONS[which]);
        for (kind, epoch, sequence, body, plain) in forgeries {
            let datagram = if plain { record(kind, epoch, sequence, &body) } else { [&[kind][..], &body].concat() };
            prop_assert_eq!(pair.server.handle(&datagram), Ok(()));
        }
        prop_assert!(!pair.server.closed());
        pair.client.send(&[1; 12]).unwrap();
        pair.carry(&mut |_| false).unwrap();
        prop_assert_eq!(pair.server.take_data_records(), 1);
    }

    /// Whatever arrives first, nothing panics, and nothing is sent in answer that is longer than the MTU.
    #[test]
    fn nonsense_does_not_connect(datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..6), dtls in any::<bool>()) {
        let certificate = ecdsa();
        let mut server = Dtls::new(&context(&certificate, OURS, SslVersion::DTLS1_3), Role::Server).unwrap();
        for mut datagram in datagrams {
            if dtls {
                let len = datagram.len() as u8;
                datagram.splice(0..0, [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, len]);
            }
            if server.handle(&datagram).is_err() {
                break;
            }
            while let Some(answer) = server.transmit() {
                prop_assert!(answer.len() <= MTU as usize);
            }
        }
        prop_assert!(server.connected().is_none());
    }
}
