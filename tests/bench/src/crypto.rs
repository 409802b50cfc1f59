//! What a digest and an HMAC cost an applet, against aws-lc called natively in the same run. Within a call many are made, and a call that makes
//! one less is taken away: so what is measured is the operation as JavaScript asks for it, its promise included.

use std::hint::black_box;

use anyhow::{Context, Result};
use aws_lc_rs::{digest, hmac};

use crate::ours::Bench;
use crate::sample::Sample;

const ROUNDS: usize = 31;

const APPLET: &str = "
import crypto_ from 'node:crypto';
const { subtle } = crypto;
const work = {
  async digest(bytes, n) { for (let i = 0; i < n; i++) await subtle.digest('SHA-256', bytes); },
  async sign(bytes, n) {
    const key = await subtle.importKey('raw', new Uint8Array(32), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify']);
    for (let i = 0; i < n; i++) await subtle.sign('HMAC', key, bytes);
  },
  async verify(bytes, n) {
    const key = await subtle.importKey('raw', new Uint8Array(32), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify']);
    const signature = await subtle.sign('HMAC', key, bytes);
    for (let i = 0; i < n; i++) if (!await subtle.verify('HMAC', key, signature, bytes)) throw new Error('wrong');
  },
  createHash(bytes, n) { for (let i = 0; i < n; i++) crypto_.createHash('sha256').update(bytes).digest('hex'); },
  createHmac(bytes, n) { for (let i = 0; i < n; i++) crypto_.createHmac('sha256', 'a secret').update(bytes).digest('hex'); },
};
export default async (context, [what, length, n]) => { await work[what](new Uint8Array(length).fill(7), n); return n; };
";

/// Prints a line for each operation.
pub(crate) fn run(bench: &Bench) -> Result<()> {
    let release = bench.release_of(APPLET)?;
    println!(
        "\n| operation, {ROUNDS} rounds, medians | aws-lc natively µs | Belljar µs | times | fuel |\n|---|---:|---:|---:|---:|"
    );
    const MIB: usize = 1 << 20;
    for (what, bytes, n) in [
        ("digest", MIB, 10),
        ("createHash", MIB, 10),
        ("digest", 2_048, 2_000),
        ("sign", 2_048, 2_000),
        ("verify", 2_048, 2_000),
        ("createHmac", 2_048, 2_000),
    ] {
        one(bench, &release, what, bytes, n).with_context(|| what.to_owned())?;
    }
    Ok(())
}

fn one(bench: &Bench, release: &belljar::Release, what: &str, bytes: usize, n: usize) -> Result<()> {
    let message = vec![7; bytes];
    let key = hmac::Key::new(hmac::HMAC_SHA256, &[0; 32]);
    // The kernel accounts for time in steps of milliseconds: enough of them have to pass.
    let native_n = n.max((64 << 20) / bytes);
    let natively = || {
        for _ in 0..native_n {
            if what.contains("igest") || what.contains("Hash") {
                black_box(digest::digest(&digest::SHA256, black_box(&message)));
            } else {
                black_box(hmac::sign(&key, black_box(&message)));
            }
        }
    };
    let call = |n: usize| bench.runtime.block_on(bench.invoke(release, &format!("[{what:?},{bytes},{n}]")));
    let (mut native, mut few, mut many) = (Sample::default(), Sample::default(), Sample::default());
    let (mut fuel_few, mut fuel_many) = (0, 0);
    for _ in 0..ROUNDS {
        native.time_cpu(natively);
        (_, fuel_few) = few.time_cpu(|| call(1))?;
        (_, fuel_many) = many.time_cpu(|| call(n + 1))?;
    }
    let (native, ours) = (native.us(0.5) / native_n as f64, (many.us(0.5) - few.us(0.5)) / n as f64);
    let fuel = fuel_many.saturating_sub(fuel_few) / n as u64;
    let name = match what {
        "digest" => "crypto.subtle.digest",
        "sign" => "crypto.subtle.sign",
        "verify" => "crypto.subtle.verify",
        "createHash" => "node:crypto createHash",
        _ => "node:crypto createHmac",
    };
    let hash = if what == "digest" || what == "createHash" { "SHA-256" } else { "HMAC-SHA-256" };
    println!("| {name}, {hash} of {} KiB | {native:.1} | {ours:.1} | {:.2} | {fuel} |", bytes >> 10, ours / native);
    Ok(())
}
