//! Text as bytes and back: UTF-8, base64, and the decoders of the Encoding standard (`encoding_rs`: all of its encodings).

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};
use encoding_rs::{Decoder, DecoderResult, Encoding};
use javy::quickjs::class::{JsClass, Trace, Tracer, Writable};
use javy::quickjs::{
    Class, Constructor, Ctx, Exception, JsLifetime, Object, Result, String as JsString, TypedArray, prelude::Func,
};

use crate::values::{self, Bytes, Text};

const ENCODE: GeneralPurpose = base64::engine::general_purpose::STANDARD;
/// "Forgiving" (Infra standard, forgiving-base64 decode): padding optional, trailing bits ignored.
const DECODE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Adds these functions to the `Native` object.
pub(crate) fn set(native: &Object<'_>) -> Result<()> {
    native.set("utf8Encode", Func::from(|ctx, text: Text| values::uint8_array(&ctx, text.0.as_bytes())))?;
    native.set("utf8EncodeInto", Func::from(encode_into))?;
    native.set("utf8Decode", Func::from(utf8_decode))?;
    native.set("encodingName", Func::from(encoding_name))?;
    native.set("decoderOpen", Func::from(open))?;
    native.set("decode", Func::from(decode))?;
    native.set("base64Encode", Func::from(|b: Bytes| ENCODE.encode(b.0)))?;
    native.set(
        "base64Decode",
        Func::from(|ctx, text: Text| base64_decode(text).map(|b| values::uint8_array(&ctx, &b)).transpose()),
    )?;
    native.set("btoa", Func::from(|text: Text| latin1_bytes(&text.0).map(|bytes| ENCODE.encode(bytes))))?;
    native.set(
        "atob",
        Func::from(|text: Text| base64_decode(text).map(|b| encoding_rs::mem::decode_latin1(&b).into_owned())),
    )
}

/// Fills `into` with whole characters; answers how many UTF-16 units were read and how many bytes written.
fn encode_into<'js>(ctx: Ctx<'js>, text: Text, into: TypedArray<'js, u8>) -> Result<Vec<usize>> {
    let Some(target) = into.as_raw() else { return Err(Exception::throw_type(&ctx, "the destination is detached")) };
    let (mut read, mut written) = (0, 0);
    for c in text.0.chars() {
        if written + c.len_utf8() > target.len {
            break;
        }
        read += c.len_utf16();
        written += c.len_utf8();
    }
    // SAFETY: `written` is at most the length of the array, no JavaScript runs in between, and the text is a copy of its own.
    unsafe { core::ptr::copy_nonoverlapping(text.0.as_ptr(), target.ptr.as_ptr(), written) };
    Ok(vec![read, written])
}

fn utf8_decode<'js>(ctx: Ctx<'js>, bytes: Bytes, fatal: bool, keep_bom: bool) -> Result<JsString<'js>> {
    let bytes = bytes.0.as_slice();
    let bytes = if keep_bom { bytes } else { bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes) };
    match std::str::from_utf8(bytes) {
        Ok(text) => JsString::from_str(ctx, text),
        Err(_) if fatal => Err(Exception::throw_type(&ctx, "the encoded data is not valid UTF-8")),
        Err(_) => JsString::from_str(ctx, &String::from_utf8_lossy(bytes)),
    }
}

/// "Get an encoding" (Encoding standard, 4.2), the replacement encoding excepted: nothing is decoded by it.
fn encoding_name(label: Text) -> Option<String> {
    Encoding::for_label_no_replacement(label.0.as_bytes()).map(|encoding| encoding.name().to_ascii_lowercase())
}

/// A decoder in the middle of its input, owned by the JavaScript object that stands for it.
pub(crate) struct TextDecoder(Decoder);

impl<'js> Trace<'js> for TextDecoder {
    fn trace<'a>(&self, _: Tracer<'a, 'js>) {}
}

// SAFETY: there is nothing of the runtime's in it.
unsafe impl<'js> JsLifetime<'js> for TextDecoder {
    type Changed<'to> = TextDecoder;
}

impl<'js> JsClass<'js> for TextDecoder {
    const NAME: &'static str = "Decoder";
    type Mutable = Writable;

    fn constructor(_: &Ctx<'js>) -> Result<Option<Constructor<'js>>> {
        Ok(None)
    }
}

fn open<'js>(ctx: Ctx<'js>, name: Text, keep_bom: bool) -> Result<Class<'js, TextDecoder>> {
    let Some(encoding) = Encoding::for_label(name.0.as_bytes()) else {
        return Err(Exception::throw_range(&ctx, "there is no such encoding"));
    };
    let decoder =
        if keep_bom { encoding.new_decoder_without_bom_handling() } else { encoding.new_decoder_with_bom_removal() };
    Class::instance(ctx, TextDecoder(decoder))
}

/// The text of the bytes so far; with `last` the decoder is at its end, and not to be used again.
fn decode<'js>(
    ctx: Ctx<'js>,
    decoder: Class<'js, TextDecoder>,
    bytes: Bytes,
    fatal: bool,
    last: bool,
) -> Result<JsString<'js>> {
    let decoder = &mut decoder.borrow_mut().0;
    let mut text = String::with_capacity(bytes.0.len() + 16);
    let mut input = bytes.0.as_slice();
    loop {
        let (is_full, read) = if fatal {
            match decoder.decode_to_string_without_replacement(input, &mut text, last) {
                (DecoderResult::InputEmpty, read) => (false, read),
                (DecoderResult::OutputFull, read) => (true, read),
                (DecoderResult::Malformed(..), _) => {
                    let message = format!("the encoded data is not valid {}", decoder.encoding().name());
                    return Err(Exception::throw_type(&ctx, &message));
                }
            }
        } else {
            let (result, read, _) = decoder.decode_to_string(input, &mut text, last);
            (result == encoding_rs::CoderResult::OutputFull, read)
        };
        input = &input[read..];
        if !is_full {
            return JsString::from_str(ctx, &text);
        }
        text.reserve(text.len().max(64));
    }
}

/// The bytes that characters up to U+00FF stand for.
fn latin1_bytes(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}

fn base64_decode(text: Text) -> Option<Vec<u8>> {
    let mut text = text.0;
    text.retain(|c| !matches!(c, '\t' | '\n' | '\x0c' | '\r' | ' '));
    let padding = text.len() - text.trim_end_matches('=').len();
    let well_padded = padding == 0 || (padding <= 2 && text.len() % 4 == 0);
    DECODE.decode(text.as_bytes()).ok().filter(|_| well_padded)
}
