//! What an operator can set of the front.

use std::time::Duration;

use super::pace::PaceLimits;
use crate::network::Network;

/// Bounds and switches of the front.
#[derive(Debug, Clone)]
pub struct FrontConfig {
    /// Proxies whose `X-Forwarded-For`, `-Proto` and `-Host` are believed. None by default.
    pub trusted_proxies: Vec<Network>,
    /// Bytes of a request's head, 1,024 to 1,048,576. 32 KiB by default.
    pub header_bytes_max: u32,
    /// Headers of a request. 100 by default.
    pub headers_max: u32,
    /// Bytes of a request's target. 8 KiB by default.
    pub uri_bytes_max: u32,
    /// Bytes of a request's body. 10 MiB by default.
    pub body_bytes_max: u64,
    /// From the opening of a connection, or the last answer, to the end of the next head, milliseconds. 15,000 by default.
    pub header_ms_max: u64,
    /// Wait for the next byte of a body that is read, milliseconds. 15,000 by default.
    pub body_idle_ms_max: u64,
    /// Wait until a client takes more of a response, milliseconds. 30,000 by default.
    pub write_idle_ms_max: u64,
    /// Bytes in a second that a client sends or takes on average, when we wait for it. 1,024 by default; 0 for none.
    pub bytes_per_second_min: u64,
    /// Waits in all before the average counts, milliseconds. 10,000 by default.
    pub pace_grace_ms: u64,
    /// Time for a TLS handshake, milliseconds. 10,000 by default.
    pub tls_handshake_ms_max: u64,
    /// Open connections. 10,000 by default.
    pub connections_max: u32,
    /// Open connections of one address (IPv4), of one network (IPv6 /64); those of trusted proxies do not count. 256 by default.
    pub connections_per_address_max: u32,
    /// Requests of one HTTP/1 connection, after which it is closed; `None` for any number, the default.
    pub requests_per_connection_max: Option<u64>,
    /// Requests under way on one HTTP/2 connection. 100 by default.
    pub http2_streams_max: u32,
    /// Bytes of responses that clients have not taken so far; when there are more, requests get 503. 256 MiB by default.
    pub response_bytes_held_max: u64,
    /// Wrong keys that one address may present in a minute; then its requests with keys get 429. 30 by default.
    pub failed_keys_per_minute_max: u32,
    /// Requests of one address in a minute to a handler that lets anybody in and sets no rate of its own; `None` for any number, the
    /// default.
    pub anonymous_per_minute_max: Option<u32>,
    /// Clients whose rates are remembered. 100,000 by default.
    pub rate_clients_max: usize,
    /// Whether responses tell what the call has used (`x-belljar-fuel` and others). Off by default.
    pub has_usage_headers: bool,
    /// Whether errors tell authors what went wrong in the applet: for development. Off by default.
    pub has_error_details: bool,
}

impl Default for FrontConfig {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            header_bytes_max: 32 << 10,
            headers_max: 100,
            uri_bytes_max: 8 << 10,
            body_bytes_max: 10 << 20,
            header_ms_max: 15_000,
            body_idle_ms_max: 15_000,
            write_idle_ms_max: 30_000,
            bytes_per_second_min: 1_024,
            pace_grace_ms: 10_000,
            tls_handshake_ms_max: 10_000,
            connections_max: 10_000,
            connections_per_address_max: 256,
            requests_per_connection_max: None,
            http2_streams_max: 100,
            response_bytes_held_max: 256 << 20,
            failed_keys_per_minute_max: 30,
            anonymous_per_minute_max: None,
            rate_clients_max: 100_000,
            has_usage_headers: false,
            has_error_details: false,
        }
    }
}

impl FrontConfig {
    pub(super) fn body_pace(&self) -> PaceLimits {
        self.pace(self.body_idle_ms_max)
    }

    pub(super) fn write_pace(&self) -> PaceLimits {
        self.pace(self.write_idle_ms_max)
    }

    fn pace(&self, idle_ms: u64) -> PaceLimits {
        PaceLimits {
            idle: Duration::from_millis(idle_ms),
            bytes_per_second_min: self.bytes_per_second_min,
            grace: Duration::from_millis(self.pace_grace_ms),
        }
    }
}
