//! The layout of the package file: a plain tar with fixed order, times, owners and modes, closed by a seal. It knows
//! nothing of what the descriptor means.
//!
//! Reading is strict: exactly the bytes [`write`] would make are accepted. That leaves no room for a second file of the
//! same name, for data behind the end, or for two files with one meaning and two digests.

use std::{collections::BTreeMap, io::Write as _};

use serde::{Deserialize, Serialize};

use crate::{
    BUNDLE_PATH, DESCRIPTOR_BYTES_MAX, DESCRIPTOR_PATH, Descriptor, FORMAT_VERSION, PACKAGE_BYTES_MAX, Package,
    PackageError, Runtime, SEAL_PATH, SOURCE_MAP_PATH, package::check_files,
};

const BLOCK: usize = 512;
const END_BYTES: usize = 2 * BLOCK;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    descriptor: Descriptor,
    entries: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    path: String,
    bytes: u64,
    blake3: String,
}

/// Lays the package out.
pub(crate) fn write(package: &Package) -> Result<Vec<u8>, PackageError> {
    let contents = [(BUNDLE_PATH, package.bundle.as_bytes()), (SOURCE_MAP_PATH, package.source_map.as_bytes())];
    let files = package.files.iter().map(|(path, data)| (path.as_str(), data.as_slice()));
    let contents: Vec<(&str, &[u8])> = contents.into_iter().chain(files).collect();

    let entry = |(path, data): &(&str, &[u8])| Entry {
        path: (*path).to_owned(),
        bytes: data.len() as u64,
        blake3: blake3::hash(data).to_hex().to_string(),
    };
    let index = Index { descriptor: package.descriptor.clone(), entries: contents.iter().map(entry).collect() };
    let mut json = serde_json::to_vec(&index).map_err(PackageError::DescriptorSyntax)?;
    json.push(b'\n');
    if json.len() > DESCRIPTOR_BYTES_MAX {
        return Err(too_large(DESCRIPTOR_PATH, json.len(), DESCRIPTOR_BYTES_MAX));
    }
    let data_bytes = contents.iter().map(|(_, data)| BLOCK + padded(data.len())).sum::<usize>();
    let total = BLOCK + padded(json.len()) + data_bytes + 2 * BLOCK + END_BYTES;
    if total > PACKAGE_BYTES_MAX {
        return Err(too_large("package", total, PACKAGE_BYTES_MAX));
    }

    let mut out = Vec::with_capacity(total);
    append(&mut out, DESCRIPTOR_PATH, &json)?;
    for (path, data) in contents {
        append(&mut out, path, data)?;
    }
    let seal = seal_of(&out);
    append(&mut out, SEAL_PATH, &seal)?;
    out.resize(out.len() + END_BYTES, 0);
    debug_assert_eq!(out.len(), total, "the size was foreseen");
    Ok(out)
}

/// Reads and verifies a package.
pub(crate) fn read(bytes: &[u8]) -> Result<Package, PackageError> {
    check_kind(bytes)?;
    if bytes.len() > PACKAGE_BYTES_MAX {
        return Err(too_large("package", bytes.len(), PACKAGE_BYTES_MAX));
    }
    let mut reader = Reader { bytes, offset: 0 };
    let json = reader.entry(DESCRIPTOR_PATH, None)?;
    let index = parse_index(json)?;
    check_order(&index.entries, &index.descriptor.runtime)?;

    let mut contents = Vec::with_capacity(index.entries.len());
    for entry in &index.entries {
        let at = reader.offset;
        let data = reader.entry(&entry.path, Some(entry.bytes))?;
        if blake3::hash(data).to_hex().as_str() != entry.blake3 {
            return Err(corrupt(format!("the digest of {:?} does not match", entry.path), at));
        }
        contents.push(data);
    }
    let sealed = reader.offset;
    let seal = reader.entry(SEAL_PATH, Some(SEAL_BYTES as u64))?;
    if seal != seal_of(&bytes[..sealed]) {
        return Err(corrupt("the seal does not match what comes before it".into(), sealed));
    }
    reader.end()?;

    let mut contents = contents.into_iter();
    let bundle = utf8(BUNDLE_PATH, contents.next())?;
    let source_map = utf8(SOURCE_MAP_PATH, contents.next())?;
    let paths = index.entries.into_iter().skip(2).map(|entry| entry.path);
    let files: BTreeMap<String, Vec<u8>> = paths.zip(contents.map(<[u8]>::to_vec)).collect();
    let package = Package { descriptor: index.descriptor, bundle, source_map, files };
    package.descriptor.validate()?;
    package.check_bundle()?;

    // The headers' own bytes (modes, times, padding) and the JSON's spelling are held to the one form as well.
    let canonical = write(&package)?;
    match canonical.iter().zip(bytes).position(|(a, b)| a != b) {
        None if canonical.len() == bytes.len() => Ok(package),
        position => {
            let offset = position.unwrap_or(canonical.len().min(bytes.len()));
            Err(corrupt("the file is not in the one form a build writes".into(), offset))
        }
    }
}

const SEAL_BYTES: usize = 65;

fn seal_of(bytes: &[u8]) -> Vec<u8> {
    format!("{}\n", blake3::hash(bytes).to_hex()).into_bytes()
}

fn append(out: &mut Vec<u8>, path: &str, data: &[u8]) -> Result<(), PackageError> {
    let mut header = tar::Header::new_ustar();
    header.set_path(path).map_err(PackageError::Write)?;
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(data.len() as u64);
    header.set_cksum();
    out.write_all(header.as_bytes()).map_err(PackageError::Write)?;
    out.extend_from_slice(data);
    out.resize(out.len() + padded(data.len()) - data.len(), 0);
    Ok(())
}

fn padded(bytes: usize) -> usize {
    bytes.div_ceil(BLOCK) * BLOCK
}

/// Tells a file of another kind from a damaged package, by its first bytes.
fn check_kind(bytes: &[u8]) -> Result<(), PackageError> {
    let found = match bytes {
        [] => "the file is empty",
        [0x1f, 0x8b, ..] => "it is gzip data",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "it is zstd data",
        [b'P', b'K', ..] => "it is a zip archive",
        [0, b'a', b's', b'm', ..] => "it is a WebAssembly module or component",
        [b'{' | b'[', ..] => "it looks like JSON",
        _ if bytes.starts_with(DESCRIPTOR_PATH.as_bytes()) => return Ok(()),
        _ if DESCRIPTOR_PATH.as_bytes().starts_with(bytes) => return Ok(()),
        _ if bytes.get(257..262) == Some(b"ustar") => "it is another tar archive",
        _ => "its first entry is not belljar.json",
    };
    Err(PackageError::NotAPackage { found })
}

fn parse_index(json: &[u8]) -> Result<Index, PackageError> {
    // The version is read first and leniently: another format may have other fields.
    let value: serde_json::Value = serde_json::from_slice(json).map_err(PackageError::DescriptorSyntax)?;
    let format = &value["descriptor"]["format"];
    if format.as_u64() != Some(u64::from(FORMAT_VERSION)) {
        let found = if format.is_null() { "(none)".to_owned() } else { format.to_string() };
        return Err(PackageError::FormatVersion { found, supported: FORMAT_VERSION });
    }
    serde_json::from_slice(json).map_err(PackageError::DescriptorSyntax)
}

fn check_order(entries: &[Entry], runtime: &Runtime) -> Result<(), PackageError> {
    let wrong = |what: &str| Err(corrupt(what.to_owned(), 0));
    let [bundle, map, files @ ..] = entries else {
        return wrong("belljar.json does not list the bundle and its source map");
    };
    if bundle.path != BUNDLE_PATH || map.path != SOURCE_MAP_PATH {
        return wrong("belljar.json does not list the bundle and its source map first");
    }
    check_files(files.iter().map(|entry| entry.path.as_str()), runtime)?;
    if files.windows(2).any(|pair| pair[0].path >= pair[1].path) {
        return wrong("belljar.json lists files twice or out of order");
    }
    Ok(())
}

struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// The data of the next entry, which must be a file of this path and, if given, this size.
    fn entry(&mut self, path: &str, size: Option<u64>) -> Result<&'a [u8], PackageError> {
        let start = self.offset;
        let header = self.take(BLOCK, || format!("the header of {path:?}"))?;
        let mut block = [0; BLOCK];
        block.copy_from_slice(header);
        let header = tar::Header::from_byte_slice(&block);
        let sum: u32 =
            block.iter().enumerate().map(|(i, b)| if (148..156).contains(&i) { 32 } else { u32::from(*b) }).sum();
        if header.cksum().ok() != Some(sum) {
            return Err(corrupt(format!("the header of {path:?} does not match its checksum"), start));
        }
        if header.entry_type() != tar::EntryType::Regular || *header.path_bytes() != *path.as_bytes() {
            let found = String::from_utf8_lossy(&header.path_bytes()).into_owned();
            return Err(corrupt(format!("expected the file {path:?}, found {found:?}"), start));
        }
        let found = header.size().map_err(|_| corrupt(format!("the size of {path:?} cannot be read"), start))?;
        if size.is_some_and(|size| size != found) {
            return Err(corrupt(format!("the size of {path:?} is not the one belljar.json tells"), start));
        }
        let limit = if size.is_none() { DESCRIPTOR_BYTES_MAX } else { PACKAGE_BYTES_MAX };
        let length = usize::try_from(found).ok().filter(|length| *length <= limit);
        let length = length.ok_or_else(|| PackageError::TooLarge {
            what: path.to_owned(),
            actual: found,
            allowed: limit as u64,
        })?;
        let data = self.take(padded(length), || format!("the content of {path:?}"))?;
        Ok(&data[..length])
    }

    fn end(&mut self) -> Result<(), PackageError> {
        let start = self.offset;
        let end = self.take(END_BYTES, || "the end of the archive".into())?;
        if end.iter().any(|byte| *byte != 0) {
            return Err(corrupt("there is data where the archive should end".into(), start));
        }
        if self.offset != self.bytes.len() {
            return Err(corrupt("there is data after the end of the archive".into(), self.offset));
        }
        Ok(())
    }

    fn take(&mut self, needed: usize, what: impl FnOnce() -> String) -> Result<&'a [u8], PackageError> {
        let rest = &self.bytes[self.offset..];
        let Some(taken) = rest.get(..needed) else {
            return Err(PackageError::Truncated { what: what(), offset: self.offset, needed, left: rest.len() });
        };
        self.offset += needed;
        Ok(taken)
    }
}

fn utf8(path: &str, data: Option<&[u8]>) -> Result<String, PackageError> {
    let text = data.and_then(|data| std::str::from_utf8(data).ok());
    text.map(str::to_owned).ok_or_else(|| corrupt(format!("{path:?} is not UTF-8"), 0))
}

fn corrupt(what: String, offset: usize) -> PackageError {
    PackageError::Corrupt { what, offset }
}

fn too_large(what: &str, actual: usize, allowed: usize) -> PackageError {
    PackageError::TooLarge { what: what.to_owned(), actual: actual as u64, allowed: allowed as u64 }
}
