//! Sets `cfg(vaes)` where the compiler has the intrinsics of the own GCM: x86-64, Rust 1.89 or later.

use std::env;
use std::process::Command;

const INTRINSICS_SINCE: u32 = 89;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(vaes)");
    let x86_64 = env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "x86_64");
    if x86_64 && rustc_minor().is_some_and(|minor| minor >= INTRINSICS_SINCE) {
        println!("cargo::rustc-cfg=vaes");
    }
}

/// 95 of "rustc 1.95.0 (59807616e 2026-04-14)".
fn rustc_minor() -> Option<u32> {
    let output = Command::new(env::var_os("RUSTC")?).arg("--version").output().ok()?;
    String::from_utf8(output.stdout).ok()?.split('.').nth(1)?.parse().ok()
}
