//! Asking a server's admin API: where it is, with which token, and what its answers mean for the command line.

use std::future::Future;
use std::path::Path;

use belljar_server::outgoing::{Client, SendError};
use belljar_server::settings::{TOKEN_FILE, secret_in_data_dir};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde_json::Value;

use crate::args::operator::ServerArgs;
use crate::exit_codes;
use crate::failure::Failure;
use crate::{files, local};

/// Bytes of an answer that is no stream.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// Bytes of files with tokens and certificates.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A server.
pub(crate) struct Remote {
    client: Client,
    base: String,
    token: String,
    by: String,
}

/// What is sent.
pub(crate) enum Sent {
    Nothing,
    Json(Value),
    Package(Vec<u8>),
}

impl Remote {
    /// The server that the command line names.
    ///
    /// # Errors
    /// When there is no token for it, or its URL is none.
    pub(crate) fn of(args: &ServerArgs) -> Result<Self, Failure> {
        let roots =
            args.ca_file.as_deref().map(|path| files::read(path, FILE_BYTES_MAX)).transpose()?.unwrap_or_default();
        let client = Client::new(&roots).map_err(|error| unreachable(&error, &args.server))?;
        let base = args.server.trim_end_matches('/').to_owned();
        if !base.starts_with("http://") && !base.starts_with("https://") {
            return Err(Failure::usage(format!("--server {base:?} is no http or https URL"))
                .hint("for example http://127.0.0.1:8081"));
        }
        let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default();
        let is_name = (1..=64).contains(&user.len()) && user.bytes().all(|byte| byte.is_ascii_graphic());
        let by = if is_name { format!("cli:{user}") } else { "cli".to_owned() };
        Ok(Self { client, base, token: token(args)?, by })
    }

    /// Asks for JSON; `null` for an answer without a body.
    ///
    /// # Errors
    /// What the server says, or why it cannot be asked.
    pub(crate) async fn ask(&self, method: Method, path: &str, sent: Sent) -> Result<Value, Failure> {
        self.ask_with_status(method, path, sent).await.map(|(_, value)| value)
    }

    /// As [`Remote::ask`], with the status.
    ///
    /// # Errors
    /// What the server says, or why it cannot be asked.
    pub(crate) async fn ask_with_status(
        &self,
        method: Method,
        path: &str,
        sent: Sent,
    ) -> Result<(StatusCode, Value), Failure> {
        let response = self.send(method, path, sent).await?;
        let status = response.status();
        let bytes = whole(response).await?;
        if bytes.is_empty() {
            return Ok((status, Value::Null));
        }
        let value = serde_json::from_slice(&bytes).map_err(|_| not_belljar(&self.base))?;
        Ok((status, value))
    }

    /// Sends a request; the answer's body is read by the caller.
    ///
    /// # Errors
    /// What the server says when it is no success, or why it cannot be asked.
    pub(crate) async fn send(&self, method: Method, path: &str, sent: Sent) -> Result<Response<Incoming>, Failure> {
        let (kind, body) = match sent {
            Sent::Nothing => (None, Bytes::new()),
            Sent::Json(value) => (Some("application/json"), Bytes::from(value.to_string())),
            Sent::Package(bytes) => (Some("application/octet-stream"), Bytes::from(bytes)),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {}", self.token))
            .header("belljar-by", &self.by);
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let request = request
            .body(Full::new(body))
            .map_err(|error| Failure::usage(format!("{}{path} cannot be asked: {error}", self.base)))?;
        let response = self.client.send(request).await.map_err(|error| unreachable(&error, &self.base))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let bytes = whole(response).await?;
        let error = serde_json::from_slice::<Value>(&bytes).ok().map(|mut body| body["error"].take());
        // Errors of the listener for applets name an invocation: somebody has taken the wrong port.
        Err(match error.filter(|error| error.is_object() && error.get("invocation").is_none()) {
            Some(error) => refused(status, &error),
            None => not_belljar(&self.base),
        })
    }
}

/// Runs `work` with the server of the command line.
///
/// # Errors
/// Those of the work, and when there is no server to ask.
pub(crate) fn with<T, F: Future<Output = Result<T, Failure>>>(
    args: &ServerArgs,
    work: impl FnOnce(Remote) -> F,
) -> Result<T, Failure> {
    let remote = Remote::of(args)?;
    local::wait_for(work(remote))?
}

/// A segment of a path, or a value of a query, with all that means something there as escapes.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => escaped.push(char::from(byte)),
            byte => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

fn token(args: &ServerArgs) -> Result<String, Failure> {
    if let Some(path) = &args.token_file {
        return read_token(path);
    }
    if let Some(token) = std::env::var("BELLJAR_TOKEN").ok().filter(|token| !token.is_empty()) {
        return Ok(token);
    }
    match secret_in_data_dir(&args.data_dir, TOKEN_FILE) {
        Ok(token) => Ok(token.reveal().to_owned()),
        Err(error) => Err(Failure::new("no-token", format!("there is no token for the admin API: {error}"))
            .hint("name it with --token-file or BELLJAR_TOKEN, or the server's data directory with --data-dir")),
    }
}

fn read_token(path: &Path) -> Result<String, Failure> {
    let text = files::text(files::read(path, FILE_BYTES_MAX)?, &path.display().to_string())?;
    Ok(text.trim().to_owned())
}

async fn whole(response: Response<Incoming>) -> Result<Bytes, Failure> {
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    Ok(body.map_err(|error| Failure::new("server", format!("the server's answer broke off: {error}")))?.to_bytes())
}

fn unreachable(error: &SendError, server: &str) -> Failure {
    let failure = Failure::new("server", format!("{server}: {error}"));
    match error {
        SendError::Connect { .. } => {
            failure.hint("is `belljar serve` running, and is this its --admin-listen? --server names another")
        }
        _ => failure,
    }
}

fn not_belljar(server: &str) -> Failure {
    Failure::new("server", format!("{server} answers, but not as Belljar's admin API does"))
        .hint("--server wants the address of --admin-listen, not the one on which applets are served")
}

/// What the server says, with what to do about it.
fn refused(status: StatusCode, error: &Value) -> Failure {
    let code = error["code"].as_str().unwrap_or("server");
    let message = error["message"].as_str().unwrap_or("the server refused").to_owned();
    let (code, hint): (&'static str, Option<&str>) = match code {
        "unauthorized" => (
            "unauthorized",
            Some("the token is in DATA_DIR/admin-token of the server, unless it was given another one"),
        ),
        "not-found" => ("not-found", Some("`belljar list` and `belljar tenants list` show what there is")),
        "conflict" => ("conflict", None),
        "invalid-package" => ("corrupt-package", Some("build it again with `belljar build DIR`")),
        "invalid-config" => ("invalid-config", Some("give it with --config, or set it with `belljar config set`")),
        "missing-secrets" => {
            ("missing-secrets", Some("give them with --secret-env NAME, or set them with `belljar secrets set`"))
        }
        "migration-failed" => {
            ("migration-failed", Some("the database is as it was; correct the migration and deploy again"))
        }
        "applet-failed" => ("applet-failed", Some("the release in force still is")),
        "undeclared-event" => ("undeclared-event", None),
        "too-large" => ("too-large", None),
        "queue-full" => ("queue-full", None),
        "storage" => ("storage", Some("look at the server's log and at its disk")),
        "disabled" => {
            ("disabled", Some("`belljar enable` lets an applet take calls, `belljar tenants resume` a tenant's"))
        }
        "queue" | "concurrency" | "rate" | "fuel" | "egress" | "busy" | "stopping" => ("busy", Some("try again later")),
        _ => ("server", None),
    };
    let exit = match (code, status) {
        ("corrupt-package", _) => exit_codes::CORRUPT_PACKAGE,
        ("busy" | "disabled", _) | (_, StatusCode::SERVICE_UNAVAILABLE) => exit_codes::UNAVAILABLE,
        ("not-found", _) => exit_codes::NOT_FOUND,
        _ => exit_codes::FAILED,
    };
    let failure = Failure::new(code, message).exiting(exit);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_means_something_in_a_url_is_escaped() {
        assert_eq!(escaped("a-b_c.d~e"), "a-b_c.d~e");
        assert_eq!(escaped("../x y&z=ö"), "..%2Fx%20y%26z%3D%C3%B6");
    }

    #[test]
    fn refusals_have_a_code_an_exit_and_a_hint() {
        for (code, status, expected, exit) in [
            ("not-found", 404, "not-found", exit_codes::NOT_FOUND),
            ("invalid-package", 422, "corrupt-package", exit_codes::CORRUPT_PACKAGE),
            ("queue", 503, "busy", exit_codes::UNAVAILABLE),
            ("storage", 503, "storage", exit_codes::UNAVAILABLE),
            ("conflict", 409, "conflict", exit_codes::FAILED),
            ("something-new", 418, "server", exit_codes::FAILED),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            let failure = refused(status, &json!({ "code": code, "message": "why" }));
            assert_eq!((failure.code, failure.exit, failure.message.as_str()), (expected, exit, "why"), "{code}");
        }
    }
}
