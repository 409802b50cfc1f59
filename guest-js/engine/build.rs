//! Compiles the few C functions that stand in for an operating system, and links wasi-libc's archive for the rest.

use std::{env, path::PathBuf};

fn main() {
    println!("cargo:rerun-if-env-changed=BELLJAR_GUEST_LIBC");
    println!("cargo:rerun-if-changed=c");
    let libc = PathBuf::from(env::var("BELLJAR_GUEST_LIBC").expect("BELLJAR_GUEST_LIBC: build with `cargo xtask engine`"));
    cc::Build::new().file("c/platform.c").include("c/include").flag("-fno-builtin").compile("belljar_platform");
    println!("cargo:rustc-link-search=native={}", libc.join("lib").display());
    println!("cargo:rustc-link-lib=static=c");
}
