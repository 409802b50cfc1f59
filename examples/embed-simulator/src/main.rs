//! A deterministic simulator: a shop with a queue, and a policy in JavaScript that says each minute how many counters are open. Time and randomness of
//! the policy follow from a seed, and so does all that comes of it: the same seed gives the same run, on every machine.

use std::sync::Arc;

use belljar::{Digest, Host, Script, Virtual};
use serde::{Deserialize, Serialize};

/// 2026-01-01T09:00:00Z, when the shop opens.
const OPENS_US: u64 = 1_767_258_000_000_000;
const MINUTES: u32 = 8 * 60;

/// The policy. It asks the clock and draws lots, as scripts of strangers will.
const POLICY: &str = "
    const { waiting, counters } = context;
    const isNoon = new Date().getUTCHours() === 12;
    if (waiting > 4 * counters || (isNoon && counters < 3)) return { counters: counters + 1 };
    // Whoever has nothing to do goes for a break, every now and then.
    if (waiting === 0 && counters > 1 && Math.random() < 0.25) return { counters: counters - 1 };
    return { counters };
";

/// What the policy sees.
#[derive(Debug, Clone, Copy, Serialize)]
struct Shop {
    waiting: u32,
    counters: u32,
}

/// What it says.
#[derive(Deserialize)]
struct Decision {
    counters: u32,
}

/// What is told of a day.
#[derive(PartialEq)]
struct Day {
    summary: String,
    /// Of every minute, fuel included: two runs that are the same are the same in that, too.
    diary: Digest,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seed = std::env::args().nth(1).unwrap_or_else(|| "7".into()).parse()?;
    let host = Host::builder().user_cache().build()?;
    let policy = host.script(POLICY).await?;
    let first = simulate(&host, &policy, seed).await?;
    let again = simulate(&host, &policy, seed).await?;
    println!("{}", first.summary);
    println!("again the same: {}", first == again);
    Ok(())
}

/// Simulates a day.
async fn simulate(host: &Host, policy: &Script, seed: u64) -> Result<Day, Box<dyn std::error::Error>> {
    let time = Arc::new(Virtual::new(OPENS_US, seed));
    let mut customers = Lots(seed);
    let mut shop = Shop { waiting: 0, counters: 1 };
    let (mut served, mut longest, mut diary) = (0, 0, Vec::new());
    for minute in 0..MINUTES {
        time.set(OPENS_US + u64::from(minute) * 60_000_000);
        // More of them at noon.
        let most = if (180..240).contains(&minute) { 7 } else { 3 };
        shop.waiting += customers.draw(most);
        let done = shop.waiting.min(shop.counters);
        (shop.waiting, served) = (shop.waiting - done, served + done);
        longest = longest.max(shop.waiting);

        let mut invocation = Script::invocation(serde_json::to_string(&shop)?);
        invocation.source = Some(time.clone());
        let outcome = host.invoke(policy.release(), invocation).await;
        let fuel = outcome.usage.fuel;
        shop.counters = outcome.value::<Decision>()?.counters.clamp(1, 6);
        diary.extend_from_slice(format!("{minute} {shop:?} {fuel}\n").as_bytes());
    }
    let Shop { waiting, counters } = shop;
    let summary = format!(
        "seed {seed}: {served} served, {waiting} still wait, the longest queue was {longest}, {counters} counters are open"
    );
    Ok(Day { summary, diary: Digest::of(&diary) })
}

/// A small generator of its own, so that customers come alike everywhere (splitmix64).
struct Lots(u64);

impl Lots {
    /// 0 to `most`.
    fn draw(&mut self, most: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((bits ^ (bits >> 31)) % u64::from(most + 1)).unwrap_or(0)
    }
}
