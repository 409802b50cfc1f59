//! Secrets of the operator: texts that are never shown, and the files in which they lie.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use belljar_files::Sharing;
use zeroize::Zeroizing;

/// Name of the token's file in the data directory.
pub const TOKEN_FILE: &str = "admin-token";
/// Name of the key's file in the data directory.
const KEY_FILE: &str = "secrets-key";
/// Bytes of such a file.
const FILE_BYTES_MAX: u64 = 4 << 10;
/// Characters of a token.
const TOKEN_CHARACTERS_MIN: usize = 16;

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// What is shown instead.
    pub(crate) const MASK: &'static str = "********";

    /// Keeps a text.
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether `presented` is the same, in a time that tells nothing but the lengths.
    pub fn is(&self, presented: &[u8]) -> bool {
        // Digests are compared: their bytes say nothing of how many characters were right.
        blake3::hash(self.0.as_bytes()) == blake3::hash(presented)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::MASK)
    }
}

/// A file with a secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// It cannot be read, or made.
    #[error("{path} cannot be {done}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was to be done: `read`, `made`.
        done: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others can read it.
    #[error(
        "{path} can be read by others (mode {mode:o}): `chmod 600` it, and make a new secret if others may have seen it"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It holds something else.
    #[error("{place} is not valid: {rule}")]
    Invalid {
        /// The file, or the name of the setting.
        place: String,
        /// What it has to be.
        rule: &'static str,
    },
}

pub(super) fn admin_token(
    given: Option<&Secret>,
    file: Option<&Path>,
    data_dir: &Path,
) -> Result<Secret, SecretFileError> {
    let (place, token) = found("admin_token", given, file, data_dir, TOKEN_FILE, || format!("bja_{}", random_hex()))?;
    let is_token =
        token.reveal().len() >= TOKEN_CHARACTERS_MIN && token.reveal().bytes().all(|byte| byte.is_ascii_graphic());
    let rule = "a token is at least 16 visible ASCII characters, without spaces";
    if is_token { Ok(token) } else { Err(SecretFileError::Invalid { place, rule }) }
}

pub(super) fn secrets_key(
    given: Option<&Secret>,
    file: Option<&Path>,
    data_dir: &Path,
) -> Result<Zeroizing<[u8; 32]>, SecretFileError> {
    let (place, text) = found("secrets_key", given, file, data_dir, KEY_FILE, random_hex)?;
    let rule = "the key is 64 hexadecimal digits (`openssl rand -hex 32` makes one)";
    let key = blake3::Hash::from_hex(text.reveal()).map_err(|_| SecretFileError::Invalid { place, rule })?;
    Ok(Zeroizing::new(*key.as_bytes()))
}

pub(super) fn recordings_key(file: &Path) -> Result<belljar::RecordingKey, SecretFileError> {
    let rule = "the key is 64 hexadecimal digits (`openssl rand -hex 32` makes one)";
    belljar::RecordingKey::parse(read(file)?.reveal())
        .map_err(|_| SecretFileError::Invalid { place: file.display().to_string(), rule })
}

/// The secret `name` of a data directory, as a server keeps it there.
///
/// # Errors
/// When it is not there, or cannot be read.
pub fn secret_in_data_dir(data_dir: &Path, name: &str) -> Result<Secret, SecretFileError> {
    read(&data_dir.join(name))
}

fn found(
    name: &str,
    given: Option<&Secret>,
    file: Option<&Path>,
    data_dir: &Path,
    default: &str,
    make: impl FnOnce() -> String,
) -> Result<(String, Secret), SecretFileError> {
    if let Some(given) = given {
        return Ok((name.to_owned(), given.clone()));
    }
    if let Some(file) = file {
        return Ok((file.display().to_string(), read(file)?));
    }
    let path = data_dir.join(default);
    let secret = match read(&path) {
        Err(SecretFileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            let failed = |source| SecretFileError::Io { path: path.clone(), done: "made", source };
            belljar_files::make_directory(data_dir).map_err(failed)?;
            create(&path, &make()).map_err(failed)?;
            read(&path)?
        }
        read => read?,
    };
    Ok((path.display().to_string(), secret))
}

fn read(path: &Path) -> Result<Secret, SecretFileError> {
    let failed = |source| SecretFileError::Io { path: path.to_owned(), done: "read", source };
    let file = File::open(path).map_err(failed)?;
    if let Some(mode) = Sharing::of(&file.metadata().map_err(failed)?).mode {
        return Err(SecretFileError::Open { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    Ok(Secret::new(text.trim()))
}

/// Makes the file as a whole: whoever comes first wins, and a crash leaves no half of it.
fn create(path: &Path, text: &str) -> io::Result<()> {
    let begun = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut file = belljar_files::create(&begun)?;
    file.write_all(format!("{text}\n").as_bytes())?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&begun, path);
    std::fs::remove_file(&begun)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    path.parent().map_or(Ok(()), belljar_files::sync_directory)
}

fn random_hex() -> String {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes).expect("the operating system has a random generator");
    blake3::Hash::from_bytes(*bytes).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn secrets_are_made_once_and_are_private() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("new/data");
        let token = admin_token(None, None, &data).expect("a token");
        assert_eq!(admin_token(None, None, &data).expect("the same token"), token);
        assert_eq!(std::fs::metadata(data.join(TOKEN_FILE)).expect("a file").permissions().mode() & 0o777, 0o600);
        let key = secrets_key(None, None, &data).expect("a key");
        assert_eq!(secrets_key(None, None, &data).expect("the same key"), key);
        assert_ne!(*key, [0; 32]);
        assert!(token.is(token.reveal().as_bytes()) && !token.is(b"bja_0"));
        assert!(!format!("{token:?}").contains(token.reveal()));
        assert_eq!(std::fs::read_dir(&data).expect("a folder").count(), 2, "nothing is left lying about");
    }

    #[test]
    fn what_is_no_secret_or_no_secret_any_more_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("token");
        std::fs::write(&file, "0123456789abcdef\n").expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("allowed");
        assert!(matches!(
            admin_token(None, Some(&file), folder.path()),
            Err(SecretFileError::Open { mode: 0o644, .. })
        ));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("allowed");
        assert_eq!(admin_token(None, Some(&file), folder.path()).expect("a token").reveal(), "0123456789abcdef");
        assert!(matches!(secrets_key(None, Some(&file), folder.path()), Err(SecretFileError::Invalid { .. })));
        assert!(matches!(
            admin_token(Some(&Secret::new("short")), None, folder.path()),
            Err(SecretFileError::Invalid { .. })
        ));
        assert!(matches!(
            admin_token(None, Some(&folder.path().join("none")), folder.path()),
            Err(SecretFileError::Io { .. })
        ));
    }
}
