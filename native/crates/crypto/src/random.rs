//! Bytes that nobody can foretell.

/// Fills `bytes` from BoringSSL's generator. What proves something to us is made of these: whoever has seen all earlier
/// ones can't tell the next, unlike those of `fastrand`.
pub fn fill(bytes: &mut [u8]) {
    boring::rand::rand_bytes(bytes).expect("BoringSSL ends the process rather than give bytes that are not random");
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_two_fillings_are_the_same() {
        let fillings: std::collections::HashSet<[u8; 8]> = (0..1_000)
            .map(|_| {
                let mut bytes = [0; 8];
                super::fill(&mut bytes);
                bytes
            })
            .collect();
        assert_eq!(fillings.len(), 1_000);
    }
}
