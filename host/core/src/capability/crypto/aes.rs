//! AES in the modes of Web Cryptography. The block cipher, CBC, CTR and GCM with nonces of 96 bits are aws-lc-rs's; what it has no
//! function for is composed of them, as each place says.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    self, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext, PaddedBlockDecryptingKey,
    PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::constant_time;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::key_wrap::{self, AesKek, KeyWrap};

use super::value::{Cipher, CryptoError};

const BLOCK_BYTES: usize = 16;
const TAG_BYTES: usize = 16;
const NONCE_BYTES: usize = 12;

type Block = [u8; BLOCK_BYTES];

fn failed(what: &str) -> CryptoError {
    CryptoError::Failed(what.into())
}

fn internal(_: aws_lc_rs::error::Unspecified) -> CryptoError {
    failed("the cipher failed")
}

/// Encrypts with a key of 16, 24 or 32 bytes.
pub(super) fn encrypt(key: &[u8], cipher: &Cipher, mut text: Vec<u8>) -> Result<Vec<u8>, CryptoError> {
    match cipher {
        Cipher::Gcm { iv, additional_data, tag_bits } => {
            let tag_bytes = tag_bytes(*tag_bits)?;
            let tag = gcm_seal(key, iv, additional_data, &mut text)?;
            text.extend_from_slice(&tag[..tag_bytes]);
            Ok(text)
        }
        Cipher::Cbc { iv } => {
            let key = PaddedBlockEncryptingKey::cbc_pkcs7(unbound(key)?).map_err(internal)?;
            key.less_safe_encrypt(&mut text, EncryptionContext::Iv128(block(iv)?.into())).map_err(internal)?;
            Ok(text)
        }
        Cipher::Ctr { counter, counter_bits } => {
            ctr(key, block(counter)?, *counter_bits, &mut text)?;
            Ok(text)
        }
        Cipher::KeyWrap => wrap(key, &text),
        Cipher::Oaep { .. } => Err(CryptoError::NoKey),
    }
}

/// Undoes [`encrypt`]; text that is not authentic, or not padded well, fails.
pub(super) fn decrypt(key: &[u8], cipher: &Cipher, mut text: Vec<u8>) -> Result<Vec<u8>, CryptoError> {
    match cipher {
        Cipher::Gcm { iv, additional_data, tag_bits } => {
            let tag_bytes = tag_bytes(*tag_bits)?;
            let length = text.len().checked_sub(tag_bytes).ok_or_else(|| failed("the text is shorter than its tag"))?;
            let tag = text.split_off(length);
            gcm_open(key, iv, additional_data, &tag, &mut text)?;
            Ok(text)
        }
        Cipher::Cbc { iv } => {
            if text.is_empty() || !text.len().is_multiple_of(BLOCK_BYTES) {
                return Err(failed("the text is not a whole number of blocks"));
            }
            let key = PaddedBlockDecryptingKey::cbc_pkcs7(unbound(key)?).map_err(internal)?;
            let context = DecryptionContext::Iv128(block(iv)?.into());
            let length = key.decrypt(&mut text, context).map_err(|_| failed("the text cannot be decrypted"))?.len();
            text.truncate(length);
            Ok(text)
        }
        Cipher::Ctr { .. } => encrypt(key, cipher, text),
        Cipher::KeyWrap => unwrap(key, &text),
        Cipher::Oaep { .. } => Err(CryptoError::NoKey),
    }
}

fn unbound(key: &[u8]) -> Result<UnboundCipherKey, CryptoError> {
    let algorithm = match key.len() {
        16 => &cipher::AES_128,
        24 => &cipher::AES_192,
        _ => &cipher::AES_256,
    };
    UnboundCipherKey::new(algorithm, key).map_err(internal)
}

fn block(bytes: &[u8]) -> Result<Block, CryptoError> {
    bytes.try_into().map_err(|_| failed("the iv or counter is not of 16 bytes"))
}

fn tag_bytes(bits: u32) -> Result<usize, CryptoError> {
    match bits {
        32 | 64 | 96 | 104 | 112 | 120 | 128 => Ok(bits as usize / 8),
        _ => Err(failed("the length of the tag is none of 32, 64, 96, 104, 112, 120 and 128 bits")),
    }
}

/// The key stream of a counter of 128 bits, over `text`.
fn ctr128(key: &[u8], counter: Block, text: &mut [u8]) -> Result<(), CryptoError> {
    if text.is_empty() {
        return Ok(());
    }
    let key = EncryptingKey::ctr(unbound(key)?).map_err(internal)?;
    key.less_safe_encrypt(text, EncryptionContext::Iv128(FixedLength::from(counter))).map_err(internal)?;
    Ok(())
}

/// A counter of fewer bits starts again at zero, and its block's other bits stay: up to there, and from there on, it is one of 128 bits.
fn ctr(key: &[u8], counter: Block, bits: u32, text: &mut [u8]) -> Result<(), CryptoError> {
    if !(1..=128).contains(&bits) {
        return Err(failed("a counter has 1 to 128 bits"));
    }
    let blocks = text.len().div_ceil(BLOCK_BYTES) as u128;
    if bits == 128 {
        return ctr128(key, counter, text);
    }
    let size = 1_u128 << bits;
    if blocks > size {
        return Err(failed("the text has more blocks than the counter has values"));
    }
    let value = u128::from_be_bytes(counter);
    let before_wrap = size - (value & (size - 1));
    if blocks <= before_wrap {
        return ctr128(key, counter, text);
    }
    let (first, rest) = text.split_at_mut(before_wrap as usize * BLOCK_BYTES);
    ctr128(key, counter, first)?;
    ctr128(key, (value & !(size - 1)).to_be_bytes(), rest)
}

fn gcm_key(key: &[u8]) -> Result<LessSafeKey, CryptoError> {
    let algorithm = match key.len() {
        16 => &aead::AES_128_GCM,
        24 => &aead::AES_192_GCM,
        _ => &aead::AES_256_GCM,
    };
    Ok(LessSafeKey::new(UnboundKey::new(algorithm, key).map_err(internal)?))
}

/// Encrypts in place; answers the whole tag, of which shorter ones are the beginning (SP 800-38D, 7.1, step 6).
fn gcm_seal(key: &[u8], iv: &[u8], additional_data: &[u8], text: &mut [u8]) -> Result<Block, CryptoError> {
    if let Ok(nonce) = <[u8; NONCE_BYTES]>::try_from(iv) {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag =
            gcm_key(key)?.seal_in_place_separate_tag(nonce, Aad::from(additional_data), text).map_err(internal)?;
        return tag.as_ref().try_into().map_err(|_| failed("the cipher failed"));
    }
    let first = first_counter(key, iv)?;
    gctr(key, first, text)?;
    tag(key, first, additional_data, text)
}

/// Decrypts in place what is authentic.
fn gcm_open(
    key: &[u8],
    iv: &[u8],
    additional_data: &[u8],
    tag_given: &[u8],
    text: &mut [u8],
) -> Result<(), CryptoError> {
    let not_authentic = || failed("the text is not authentic");
    if let (Ok(nonce), TAG_BYTES) = (<[u8; NONCE_BYTES]>::try_from(iv), tag_given.len()) {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let opened = gcm_key(key)?.open_in_place_separate_tag(nonce, Aad::from(additional_data), tag_given, text);
        return match opened {
            Ok(_) => Ok(()),
            Err(_) => Err(not_authentic()),
        };
    }
    let first = first_counter(key, iv)?;
    let expected = tag(key, first, additional_data, text)?;
    constant_time::verify_slices_are_equal(&expected[..tag_given.len()], tag_given).map_err(|_| not_authentic())?;
    gctr(key, first, text)
}

/// The counter block of the tag, J0 (SP 800-38D, 7.1, step 2): for a nonce of another length than 96 bits its GHASH.
fn first_counter(key: &[u8], iv: &[u8]) -> Result<Block, CryptoError> {
    match iv.len() {
        0 => Err(failed("the iv is empty")),
        NONCE_BYTES => {
            let mut first = [0; BLOCK_BYTES];
            first[..NONCE_BYTES].copy_from_slice(iv);
            first[BLOCK_BYTES - 1] = 1;
            Ok(first)
        }
        _ => ghash(key, &[], iv),
    }
}

/// The key stream of GCM, whose counter of 32 bits begins after J0.
fn gctr(key: &[u8], first: Block, text: &mut [u8]) -> Result<(), CryptoError> {
    let value = u128::from_be_bytes(first);
    let next = (value as u32).wrapping_add(1);
    ctr(key, ((value >> 32 << 32) | u128::from(next)).to_be_bytes(), 32, text)
}

fn tag(key: &[u8], first: Block, additional_data: &[u8], ciphertext: &[u8]) -> Result<Block, CryptoError> {
    let mut tag = ghash(key, additional_data, ciphertext)?;
    ctr128(key, first, &mut tag)?;
    Ok(tag)
}

/// GHASH of additional data and ciphertext, under the key's hash subkey. aws-lc-rs computes it as part of each tag: with a nonce of our
/// own, a message is encrypted whose ciphertext is the one wanted, and the mask is taken off its tag. Nothing of it leaves this file.
fn ghash(key: &[u8], additional_data: &[u8], ciphertext: &[u8]) -> Result<Block, CryptoError> {
    let nonce = [0; NONCE_BYTES];
    let first = first_counter(key, &nonce)?;
    let mut text = ciphertext.to_vec();
    gctr(key, first, &mut text)?;
    let mut hash = gcm_seal(key, &nonce, additional_data, &mut text)?;
    ctr128(key, first, &mut hash)?;
    Ok(hash)
}

fn kek(key: &[u8]) -> Result<AesKek, CryptoError> {
    let algorithm = match key.len() {
        16 => &key_wrap::AES_128,
        32 => &key_wrap::AES_256,
        _ => return Err(CryptoError::Unsupported("AES-KW has keys of 128 or 256 bits here".into())),
    };
    AesKek::new(algorithm, key).map_err(internal)
}

fn wrap(key: &[u8], text: &[u8]) -> Result<Vec<u8>, CryptoError> {
    if key.len() == 24 {
        return wrap_by_blocks(key, text);
    }
    let mut wrapped = vec![0; text.len() + 8];
    kek(key)?.wrap(text, &mut wrapped).map_err(|_| failed("AES-KW wraps 16 bytes or more, a multiple of 8"))?;
    Ok(wrapped)
}

fn unwrap(key: &[u8], text: &[u8]) -> Result<Vec<u8>, CryptoError> {
    if key.len() == 24 {
        return unwrap_by_blocks(key, text);
    }
    let mut unwrapped = vec![0; text.len().saturating_sub(8)];
    kek(key)?.unwrap(text, &mut unwrapped).map_err(|_| failed("the key cannot be unwrapped"))?;
    Ok(unwrapped)
}

/// The initial value of RFC 3394, 2.2.3.1.
const WRAP_IV: u64 = 0xA6A6_A6A6_A6A6_A6A6;

/// RFC 3394, 2.2.1, over the block cipher: aws-lc-rs wraps with keys of 128 and 256 bits only.
fn wrap_by_blocks(key: &[u8], text: &[u8]) -> Result<Vec<u8>, CryptoError> {
    if text.len() < 16 || !text.len().is_multiple_of(8) {
        return Err(failed("AES-KW wraps 16 bytes or more, a multiple of 8"));
    }
    let key = EncryptingKey::ecb(unbound(key)?).map_err(internal)?;
    let mut registers = text.to_vec();
    let mut integrity = WRAP_IV;
    let mut step = 0;
    for _ in 0..6 {
        for register in registers.chunks_exact_mut(8) {
            step += 1;
            let mut block = [0; BLOCK_BYTES];
            block[..8].copy_from_slice(&integrity.to_be_bytes());
            block[8..].copy_from_slice(register);
            key.less_safe_encrypt(&mut block, EncryptionContext::None).map_err(internal)?;
            let value = u128::from_be_bytes(block);
            integrity = (value >> 64) as u64 ^ step;
            register.copy_from_slice(&block[8..]);
        }
    }
    Ok([&integrity.to_be_bytes()[..], &registers].concat())
}

/// RFC 3394, 2.2.2.
fn unwrap_by_blocks(key: &[u8], text: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let cannot = || failed("the key cannot be unwrapped");
    if text.len() < 24 || !text.len().is_multiple_of(8) {
        return Err(cannot());
    }
    let key = DecryptingKey::ecb(unbound(key)?).map_err(internal)?;
    let mut integrity = u64::from_be_bytes(text[..8].try_into().map_err(|_| cannot())?);
    let mut registers = text[8..].to_vec();
    let mut step = 6 * (registers.len() as u64 / 8);
    for _ in 0..6 {
        for register in registers.rchunks_exact_mut(8) {
            let mut block = [0; BLOCK_BYTES];
            block[..8].copy_from_slice(&(integrity ^ step).to_be_bytes());
            block[8..].copy_from_slice(register);
            step -= 1;
            key.decrypt(&mut block, DecryptionContext::None).map_err(internal)?;
            integrity = (u128::from_be_bytes(block) >> 64) as u64;
            register.copy_from_slice(&block[8..]);
        }
    }
    constant_time::verify_slices_are_equal(&integrity.to_be_bytes(), &WRAP_IV.to_be_bytes()).map_err(|_| cannot())?;
    Ok(registers)
}
