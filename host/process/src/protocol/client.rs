//! Connections from the host to a process: made when they are needed, kept for the next call, and given to nobody but a process of the
//! group that we have started.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use super::{WireError, told};
use crate::body::Body;
use crate::limits::{HEADER_BYTES_MAX, HEADERS_MAX, IDLE_CONNECTIONS_MAX};
use crate::system::{self, Peer, check_peer};

/// One connection.
pub(crate) type Connection = SendRequest<Body>;

/// The connections to one process.
pub(crate) struct Client {
    path: PathBuf,
    peer: Peer,
    idle: Mutex<Vec<Connection>>,
}

impl Client {
    pub(crate) fn new(path: PathBuf, peer: Peer) -> Self {
        Self { path, peer, idle: Mutex::default() }
    }

    /// A new connection.
    pub(crate) async fn connect(&self) -> Result<Connection, WireError> {
        let socket = system::connect(&self.path).await.map_err(|error| WireError::Lost(error.to_string()))?;
        check_peer(&socket, self.peer).map_err(WireError::Broken)?;
        let (connection, driver) = Builder::new()
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEADER_BYTES_MAX)
            .handshake(TokioIo::new(socket))
            .await
            .map_err(|error| WireError::Lost(told(&error)))?;
        // It ends when the connection is dropped and its last exchange is over; failures are told to whoever waits for the answer.
        tokio::spawn(async move { drop(driver.await) });
        Ok(connection)
    }

    /// Sends a request on a connection that is kept, or on a new one when there is none or it has gone meanwhile. The connection is to
    /// be given back with `keep` when the whole answer has been read.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Result<(Response<Incoming>, Connection), WireError> {
        while let Some(mut connection) = self.take() {
            if connection.ready().await.is_err() {
                continue;
            }
            match connection.try_send_request(request).await {
                Ok(response) => return Ok((response, connection)),
                Err(mut failed) => match failed.take_message() {
                    // Nothing of it was sent.
                    Some(unsent) => request = unsent,
                    None => return Err(lost(failed.error())),
                },
            }
        }
        let mut connection = self.connect().await?;
        let response = connection.send_request(request).await.map_err(|error| lost(&error))?;
        Ok((response, connection))
    }

    fn take(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    pub(crate) fn keep(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if !connection.is_closed() && idle.len() < IDLE_CONNECTIONS_MAX {
            idle.push(connection);
        }
    }
}

/// What is no HTTP is the process's doing; anything else is a connection that went away.
fn lost(error: &hyper::Error) -> WireError {
    if error.is_parse() {
        WireError::Broken(format!("its answer is no HTTP: {}", told(error)))
    } else {
        WireError::Lost(told(error))
    }
}
