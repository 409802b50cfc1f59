//! Digests and HMACs: answered at once, and charged as fuel before the work is done. What is charged depends on the algorithm and on the bytes
//! that go in, never on time. The figures are about what the work takes on a processor that has instructions for SHA-256 and none for SHA-512.

use wasmtime::component::{Linker, WasmList};
use wasmtime::{AsContextMut, StoreContextMut};

use super::{State, charge};
use crate::capability::crypto::{HashName, digest, hmac};
use crate::engine::bindings::belljar::applet::hashes;

/// Fuel for one digest, and for one HMAC: the call, and the blocks that every message has.
const DIGEST_FUEL: u64 = 2_000;
const HMAC_FUEL: u64 = 5_000;
/// Fuel for each byte: of SHA-1 to SHA-256, and of SHA-384 and SHA-512.
const BYTE_FUEL: u64 = 10;
const LONG_BYTE_FUEL: u64 = 25;

/// In the order of wit/hashes.wit.
pub(in crate::engine) const ALGORITHMS: [HashName; 5] =
    [HashName::Sha1, HashName::Sha224, HashName::Sha256, HashName::Sha384, HashName::Sha512];

fn byte_fuel(name: HashName) -> u64 {
    match name {
        HashName::Sha1 | HashName::Sha224 | HashName::Sha256 => BYTE_FUEL,
        HashName::Sha384 | HashName::Sha512 => LONG_BYTE_FUEL,
    }
}

/// Charges for the digest of so many bytes. Used for invocations, and by `prepare` for top-level code.
pub(in crate::engine) fn charge_digest(
    store: &mut impl AsContextMut,
    name: HashName,
    message_bytes: usize,
) -> wasmtime::Result<()> {
    charge(store, DIGEST_FUEL + byte_fuel(name) * message_bytes as u64)
}

/// Charges for the HMAC of so many bytes.
pub(in crate::engine) fn charge_hmac(
    store: &mut impl AsContextMut,
    name: HashName,
    key_bytes: usize,
    message_bytes: usize,
) -> wasmtime::Result<()> {
    charge(store, HMAC_FUEL + byte_fuel(name) * (key_bytes + message_bytes) as u64)
}

/// Linked by hand, as `intl` is: the macro's trait does not see the fuel, and would copy the message.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut instance = linker.instance("belljar:applet/hashes@0.1.0")?;
    instance.func_wrap(
        "digest",
        |mut store: StoreContextMut<'_, State>, (algorithm, message): (hashes::Algorithm, WasmList<u8>)| {
            store.data_mut().host_calls += 1;
            let name = ALGORITHMS[algorithm as usize];
            let bytes = message.as_le_slice(&store).len();
            charge_digest(&mut store, name, bytes)?;
            Ok((digest(name, message.as_le_slice(&store)),))
        },
    )?;
    instance.func_wrap(
        "hmac",
        |mut store: StoreContextMut<'_, State>,
         (algorithm, key, message): (hashes::Algorithm, WasmList<u8>, WasmList<u8>)| {
            store.data_mut().host_calls += 1;
            let name = ALGORITHMS[algorithm as usize];
            let (key_bytes, bytes) = (key.as_le_slice(&store).len(), message.as_le_slice(&store).len());
            charge_hmac(&mut store, name, key_bytes, bytes)?;
            Ok((hmac(name, key.as_le_slice(&store), message.as_le_slice(&store)),))
        },
    )
}

/// Shadowed by [`link`].
impl hashes::Host for State {
    fn digest(&mut self, algorithm: hashes::Algorithm, message: Vec<u8>) -> wasmtime::Result<Vec<u8>> {
        Ok(digest(ALGORITHMS[algorithm as usize], &message))
    }

    fn hmac(&mut self, algorithm: hashes::Algorithm, key: Vec<u8>, message: Vec<u8>) -> wasmtime::Result<Vec<u8>> {
        Ok(hmac(ALGORITHMS[algorithm as usize], &key, &message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algorithms_are_in_the_order_of_the_interface() {
        use hashes::Algorithm::{Sha1, Sha224, Sha256, Sha384, Sha512};
        let theirs = [Sha1, Sha224, Sha256, Sha384, Sha512];
        let ours = [HashName::Sha1, HashName::Sha224, HashName::Sha256, HashName::Sha384, HashName::Sha512];
        for (theirs, ours) in theirs.into_iter().zip(ours) {
            assert_eq!(ALGORITHMS[theirs as usize], ours);
        }
    }
}
