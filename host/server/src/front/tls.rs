//! TLS from a certificate and a key in files, which are read again when they change. HTTP/2 is agreed on by ALPN.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// Why TLS cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds no PEM of the right kind.
    #[error("{what} {path} cannot be read: {message}")]
    File {
        /// `certificate` or `key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// Certificate and key do not go together, or are of a kind that is not supported.
    #[error("certificate {certificate} cannot be used with key {key}")]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
}

/// Certificate and key of a listener.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<(Arc<ServerConfig>, Stamp)>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("certificate", &self.certificate).field("key", &self.key).finish_non_exhaustive()
    }
}

/// When both files were last written.
type Stamp = (Option<SystemTime>, Option<SystemTime>);

impl Tls {
    /// Reads both files: PEM, the certificate followed by those it was issued by.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn open(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, TlsError> {
        let (certificate, key) = (certificate.into(), key.into());
        let stamp = stamp(&certificate, &key);
        let config = read(&certificate, &key)?;
        Ok(Self { certificate, key, current: RwLock::new((config, stamp)) })
    }

    /// Reads both files again; new connections use them. On an error the old ones stay.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn reload(&self) -> Result<(), TlsError> {
        let stamp = stamp(&self.certificate, &self.key);
        let config = read(&self.certificate, &self.key)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = (config, stamp);
        Ok(())
    }

    /// Reads both files again if one of them was written since. Whether they were read.
    ///
    /// # Errors
    /// [`TlsError`]; it is tried again when they change once more.
    pub fn reload_if_changed(&self) -> Result<bool, TlsError> {
        let found = stamp(&self.certificate, &self.key);
        {
            let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
            if current.1 == found {
                return Ok(false);
            }
            current.1 = found;
        }
        self.reload().map(|()| true)
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.current.read().unwrap_or_else(PoisonError::into_inner).0.clone().into()
    }
}

fn stamp(certificate: &Path, key: &Path) -> Stamp {
    let written = |path: &Path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    (written(certificate), written(key))
}

fn read(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let failed = |what, path: &Path, message: String| TlsError::File { what, path: path.to_owned(), message };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| failed("certificate", certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(failed("certificate", certificate, "there is no certificate in it".into()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| failed("key", key, error.to_string()))?;
    let pair = |source| TlsError::Pair { certificate: certificate.to_owned(), key: key.to_owned(), source };
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(pair)?;
    let mut config = builder.with_no_client_auth().with_single_cert(chain, private).map_err(pair)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
