//! gzip, zlib and raw deflate for the compression streams of the web platform (Compression Standard; RFC 1950, 1951, 1952): bytes in,
//! bytes out, one state for each stream.

use std::cell::RefCell;
use std::io::{self, Write};

use flate2::write::{DeflateEncoder, GzDecoder, GzEncoder, ZlibEncoder};
use flate2::{Compression, Decompress, FlushDecompress, Status};

/// Output is taken in pieces of this size.
const PIECE_BYTES: usize = 16 << 10;

enum Codec {
    Gzip(GzEncoder<Vec<u8>>),
    Zlib(ZlibEncoder<Vec<u8>>),
    Deflate(DeflateEncoder<Vec<u8>>),
    Gunzip(GzDecoder<Vec<u8>>),
    Inflate { state: Decompress, ended: bool },
}

thread_local! {
    /// By handle; an empty place is free.
    static CODECS: RefCell<Vec<Option<Codec>>> = const { RefCell::new(Vec::new()) };
}

/// Begins a stream. `format`: 0 gzip, 1 deflate (zlib), 2 deflate-raw. Answers its handle.
pub(crate) fn open(format: u32, decompress: bool) -> u32 {
    let level = Compression::default();
    let codec = match (format, decompress) {
        (0, false) => Codec::Gzip(GzEncoder::new(Vec::new(), level)),
        (1, false) => Codec::Zlib(ZlibEncoder::new(Vec::new(), level)),
        (_, false) => Codec::Deflate(DeflateEncoder::new(Vec::new(), level)),
        (0, true) => Codec::Gunzip(GzDecoder::new(Vec::new())),
        (_, true) => Codec::Inflate { state: Decompress::new(format == 1), ended: false },
    };
    CODECS.with_borrow_mut(|codecs| {
        let place = codecs.iter().position(Option::is_none).unwrap_or_else(|| {
            codecs.push(None);
            codecs.len() - 1
        });
        codecs[place] = Some(codec);
        place as u32
    })
}

/// Takes input; answers the output there is so far.
///
/// # Errors
/// What is wrong with the input, which includes anything after the end of compressed data.
pub(crate) fn write(handle: u32, input: &[u8]) -> Result<Vec<u8>, String> {
    CODECS.with_borrow_mut(|codecs| match codecs.get_mut(handle as usize).and_then(Option::as_mut) {
        Some(codec) => codec.write(input),
        None => Err("the stream has ended".into()),
    })
}

/// Ends the input; answers the rest of the output. The handle is free then, whatever happens.
///
/// # Errors
/// When compressed data is cut off.
pub(crate) fn finish(handle: u32) -> Result<Vec<u8>, String> {
    close(handle).ok_or_else(|| String::from("the stream has ended"))?.finish()
}

/// Gives a stream up.
pub(crate) fn abandon(handle: u32) {
    drop(close(handle));
}

fn close(handle: u32) -> Option<Codec> {
    CODECS.with_borrow_mut(|codecs| codecs.get_mut(handle as usize).and_then(Option::take))
}

impl Codec {
    fn write(&mut self, input: &[u8]) -> Result<Vec<u8>, String> {
        match self {
            Self::Gzip(to) => written(to.write_all(input), to.get_mut()),
            Self::Zlib(to) => written(to.write_all(input), to.get_mut()),
            Self::Deflate(to) => written(to.write_all(input), to.get_mut()),
            // The decoder keeps output back until it is asked for it.
            Self::Gunzip(to) => written(to.write_all(input).and_then(|()| to.flush()), to.get_mut()),
            Self::Inflate { state, ended } => inflate(state, ended, input),
        }
    }

    fn finish(self) -> Result<Vec<u8>, String> {
        match self {
            Self::Gzip(to) => to.finish(),
            Self::Zlib(to) => to.finish(),
            Self::Deflate(to) => to.finish(),
            Self::Gunzip(to) => to.finish(),
            Self::Inflate { ended: true, .. } => Ok(Vec::new()),
            Self::Inflate { .. } => Err(io::ErrorKind::UnexpectedEof.into()),
        }
        .map_err(reason)
    }
}

fn written(result: io::Result<()>, output: &mut Vec<u8>) -> Result<Vec<u8>, String> {
    result.map_err(reason)?;
    Ok(std::mem::take(output))
}

fn inflate(state: &mut Decompress, ended: &mut bool, mut input: &[u8]) -> Result<Vec<u8>, String> {
    let mut output = Vec::new();
    loop {
        if *ended {
            return if input.is_empty() { Ok(output) } else { Err("there is data after the end of the compressed data".into()) };
        }
        output.reserve(PIECE_BYTES);
        let (taken, given) = (state.total_in(), state.total_out());
        let status = state.decompress_vec(input, &mut output, FlushDecompress::None).map_err(|error| error.to_string())?;
        let (taken, given) = (state.total_in() - taken, state.total_out() - given);
        input = &input[taken as usize..];
        *ended = status == Status::StreamEnd;
        if !*ended && taken == 0 && given == 0 {
            return Ok(output);
        }
    }
}

/// Of an error of writing to memory, which is about the data.
fn reason(error: io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the compressed data is cut off".into(),
        io::ErrorKind::WriteZero => "there is data after the end of the compressed data".into(),
        _ => error.to_string(),
    }
}
