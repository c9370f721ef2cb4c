//! Inputs through every target: those that the fuzzer has kept (`native/fuzz/corpus/<target>.txt`, one in base64 per
//! line), and some by chance. What needs neither a sanitizer nor a search for coverage is found here, in seconds.
//!
//! `RILLCAST_RANDOM_INPUTS=1000000 cargo test --release -p rillcast-fuzzing --test inputs` tries more than the usual few.

use std::collections::BTreeSet;
use std::path::Path;

use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use rillcast_fuzzing::{target, TARGETS};

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn names(folder: &str, ending: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(self::folder().join(folder)).expect("the folder is in the repository");
    entries
        .map(|e| e.expect("a readable entry").file_name().into_string().expect("an ASCII name"))
        .filter_map(|name| name.strip_suffix(ending).map(str::to_owned))
        .collect()
}

fn replay(name: &str) {
    let path = folder().join("corpus").join(format!("{name}.txt"));
    let text = std::fs::read_to_string(&path).expect("every target has a corpus");
    let run = target(name);
    assert!(!text.is_empty(), "{} holds nothing", path.display());
    for (i, line) in text.lines().enumerate() {
        let input = STANDARD.decode(line).unwrap_or_else(|e| panic!("{}:{}: {e}", path.display(), i + 1));
        let result = std::panic::catch_unwind(|| run(&input));
        assert!(result.is_ok(), "{}:{} breaks its target", path.display(), i + 1);
    }
}

#[test]
fn every_target_has_a_fuzzer_and_a_corpus() {
    let known: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("fuzz_targets", ".rs"), known);
    assert_eq!(names("corpus", ".txt"), known);
}

const LONGEST: usize = 2_000;

/// A generator that is the same everywhere: SplitMix64.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// Bytes of any length; in every other input most of them are small, as lengths and choices are.
    fn input(&mut self) -> Vec<u8> {
        let longest = 1 + self.below(LONGEST);
        let len = self.below(longest);
        let small = self.below(2) == 0;
        let mut byte = || match self.next() {
            n if small && n % 8 != 0 => (n >> 32) as u8 % 8,
            n => (n >> 32) as u8,
        };
        (0..len).map(|_| byte()).collect()
    }
}

/// So many inputs, fewer for the targets that take long. `seed` tells one target's inputs from another's.
fn tried(name: &str, seed: u64, usual: usize) {
    let asked = std::env::var("RILLCAST_RANDOM_INPUTS").ok().and_then(|n| n.parse().ok());
    let start = std::env::var("RILLCAST_RANDOM_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(0u64);
    let run = target(name);
    let mut chance = Chance(seed ^ start << 32);
    for n in 0..asked.unwrap_or(usual) {
        let input = chance.input();
        let held = std::panic::catch_unwind(|| run(&input));
        assert!(held.is_ok(), "input {n} breaks {name}: {input:?}");
    }
}

macro_rules! tried {
    ($($name:ident $seed:literal $usual:literal;)*) => {
        $(#[test] fn $name() {
            replay(stringify!($name));
            tried(stringify!($name), $seed, $usual);
        })*

        #[test]
        fn every_target_is_tried() {
            let mut names = vec![$(stringify!($name)),*];
            names.sort_unstable();
            assert_eq!(names, TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        }
    };
}

tried! {
    bwe 1 5_000;
    codec 2 50_000;
    dtls 3 500;
    rtcp 4 50_000;
    rtp 5 50_000;
    srtp 6 5_000;
    stun 7 20_000;
    worker 8 500;
    framing 9 20_000;
}
