//! What a call says: the JSON head, and the bytes of a request after it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut as _, Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::Request;
use hyper::header::{CONTENT_TYPE, HOST};
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::{HEAD_BYTES, told};
use crate::body::{AtMost, Body, HeadThen, whole};
use crate::error::ProcessError;
use crate::invocation::{CallContext, Payload, RequestBody};
use crate::limits::HEAD_BYTES_MAX;

/// The context as handlers see it: the names are those of `guest-js/sdk/index.d.ts`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ContextHead<'a> {
    tenant: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organisation: Option<&'a str>,
    permissions: &'a [String],
    locale: &'a str,
    applet: &'a str,
    version: &'a str,
    handler: &'a str,
    trigger: &'a str,
    invocation_id: &'a str,
    deadline: u64,
    params: Map<String, Value>,
    config: &'a Map<String, Value>,
    attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    custom: BTreeMap<&'a str, &'a [String]>,
}

#[derive(Serialize)]
struct InvokeHead<'a> {
    handler: &'a str,
    export: &'a str,
    token: &'a str,
    context: ContextHead<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<RequestHead<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<Vec<MessageHead<'a>>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestHead<'a> {
    method: &'a str,
    url: &'a str,
    headers: &'a [(String, String)],
    /// Whether the bytes after the head are its body.
    has_body: bool,
    /// For servers of the applet's own, which read no head.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageHead<'a> {
    id: &'a str,
    published_ms: u64,
    attempt: u32,
    json: &'a str,
}

/// A call as it is sent.
pub(crate) struct Call<'a> {
    pub(crate) handler: &'a str,
    pub(crate) export: &'a str,
    pub(crate) token: &'a str,
    pub(crate) context: &'a CallContext,
    pub(crate) request_bytes_max: u64,
    /// Whether the other side is a server of the applet's own: it gets everything in one JSON text.
    pub(crate) plain: bool,
}

impl Call<'_> {
    /// The request to send.
    pub(crate) async fn request(&self, payload: Payload) -> Result<Request<Body>, ProcessError> {
        match payload {
            Payload::Json(json) => {
                check_json(&json)?;
                self.json(None, None, Some(&json))
            }
            Payload::Messages(messages) => {
                for message in &messages {
                    check_json(&message.payload)?;
                }
                let heads = messages
                    .iter()
                    .map(|message| MessageHead {
                        id: &message.id,
                        published_ms: message.published_ms,
                        attempt: message.attempt,
                        json: &message.payload,
                    })
                    .collect();
                self.json(None, Some(heads), None)
            }
            Payload::Request(crate::Request { method, url, headers, body }) => {
                let has_body = !matches!(body, RequestBody::Empty);
                let head = RequestHead { method: &method, url: &url, headers: &headers, has_body, body_base64: None };
                if self.plain {
                    let bytes = self.read(body).await?;
                    let payload = payload_of(&headers, &bytes);
                    let body_base64 = has_body.then(|| STANDARD.encode(&bytes));
                    return self.json(Some(RequestHead { body_base64, ..head }), None, payload.as_deref());
                }
                let text = self.head(Some(head), None, None)?;
                let head_bytes = text.len();
                let body = match body {
                    RequestBody::Empty => whole(text),
                    RequestBody::Whole(bytes) => {
                        self.check_length(bytes.len() as u64)?;
                        let mut all = BytesMut::with_capacity(head_bytes + bytes.len());
                        all.put_slice(text.as_bytes());
                        all.put(bytes);
                        whole(all)
                    }
                    RequestBody::Stream(body) => {
                        let body = AtMost::new(body, self.request_bytes_max).boxed_unsync();
                        HeadThen::new(Bytes::from(text), body).boxed_unsync()
                    }
                };
                post(body, "application/vnd.belljar.call", Some(head_bytes))
            }
        }
    }

    fn json(
        &self,
        request: Option<RequestHead<'_>>,
        messages: Option<Vec<MessageHead<'_>>>,
        payload: Option<&str>,
    ) -> Result<Request<Body>, ProcessError> {
        let text = self.head(request, messages, payload)?;
        // Whoever reads heads finds the length of this one too: it is the whole body.
        let head_bytes = (!self.plain).then_some(text.len());
        post(whole(text), "application/json", head_bytes)
    }

    /// `payload` is JSON text that has been checked.
    fn head(
        &self,
        request: Option<RequestHead<'_>>,
        messages: Option<Vec<MessageHead<'_>>>,
        payload: Option<&str>,
    ) -> Result<String, ProcessError> {
        let context = self.context;
        let params = context.params.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect();
        let head = InvokeHead {
            handler: self.handler,
            export: self.export,
            token: self.token,
            context: ContextHead {
                tenant: &context.tenant,
                user: context.user.as_deref(),
                organisation: context.organisation.as_deref(),
                permissions: &context.permissions,
                locale: &context.locale,
                applet: &context.applet,
                version: &context.version,
                handler: self.handler,
                trigger: &context.trigger,
                invocation_id: &context.id,
                deadline: context.deadline_ms,
                params,
                config: &context.config,
                attempt: context.attempt.max(1),
                event_id: context.event_id.as_deref(),
                job_id: context.job_id.as_deref(),
                custom: context.custom.iter().map(|(name, functions)| (name.as_str(), functions.as_slice())).collect(),
            },
            request,
            messages,
        };
        let mut text = serde_json::to_string(&head).map_err(|error| ProcessError::InvalidPayload(error.to_string()))?;
        if let Some(payload) = payload {
            text.pop();
            text.push_str(",\"payload\":");
            text.push_str(payload);
            text.push('}');
        }
        let allowed = HEAD_BYTES_MAX.max(self.request_bytes_max);
        let used = text.len() as u64;
        if used > allowed {
            return Err(ProcessError::Limit { name: "request_bytes_max", allowed, used });
        }
        Ok(text)
    }

    fn check_length(&self, used: u64) -> Result<(), ProcessError> {
        let allowed = self.request_bytes_max;
        if used > allowed { Err(ProcessError::Limit { name: "request_bytes_max", allowed, used }) } else { Ok(()) }
    }

    async fn read(&self, body: RequestBody) -> Result<Bytes, ProcessError> {
        match body {
            RequestBody::Empty => Ok(Bytes::new()),
            RequestBody::Whole(bytes) => self.check_length(bytes.len() as u64).map(|()| bytes),
            RequestBody::Stream(body) => {
                let read = AtMost::new(body, self.request_bytes_max).collect().await;
                read.map(http_body_util::Collected::to_bytes).map_err(|error| {
                    ProcessError::InvalidPayload(format!("the body of the request broke off: {}", told(&*error)))
                })
            }
        }
    }
}

fn check_json(text: &str) -> Result<(), ProcessError> {
    serde_json::from_str::<IgnoredAny>(text).map(drop).map_err(|error| ProcessError::InvalidPayload(error.to_string()))
}

/// The body of a request as a payload: JSON, or text.
fn payload_of(headers: &[(String, String)], bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty())?;
    let is_json = headers.iter().any(|(name, value)| {
        let kind = value.split(';').next().unwrap_or_default().trim();
        name.eq_ignore_ascii_case("content-type") && (kind == "application/json" || kind.ends_with("+json"))
    });
    if is_json && check_json(text).is_ok() { Some(text.to_owned()) } else { serde_json::to_string(text).ok() }
}

fn post(body: Body, kind: &str, head_bytes: Option<usize>) -> Result<Request<Body>, ProcessError> {
    let mut request = Request::post("/invoke").header(HOST, "applet").header(CONTENT_TYPE, kind);
    if let Some(bytes) = head_bytes {
        request = request.header(HEAD_BYTES, bytes);
    }
    request.body(body).map_err(|error| ProcessError::Protocol(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(context: &CallContext, plain: bool) -> Call<'_> {
        Call { handler: "h", export: "e", token: "t", context, request_bytes_max: 64, plain }
    }

    async fn sent(plain: bool, payload: Payload) -> (Value, Bytes) {
        let context =
            CallContext { tenant: "acme".into(), params: vec![("id".into(), "7".into())], ..CallContext::default() };
        let request = call(&context, plain).request(payload).await.expect("sent");
        let head_bytes = request
            .headers()
            .get(HEAD_BYTES)
            .map(|value| value.to_str().expect("text").parse::<usize>().expect("a number"));
        let mut body = request.into_body().collect().await.expect("read").to_bytes();
        let head = body.split_to(head_bytes.unwrap_or(body.len()));
        (serde_json::from_slice(&head).expect("JSON"), body)
    }

    #[tokio::test]
    async fn a_value_is_part_of_the_head() {
        let (head, rest) = sent(false, Payload::Json("{\"a\":[1,2]}".into())).await;
        assert_eq!(
            (head["handler"].as_str(), head["export"].as_str(), head["token"].as_str()),
            (Some("h"), Some("e"), Some("t"))
        );
        assert_eq!(head["payload"]["a"][1], 2);
        assert_eq!(
            (&head["context"]["tenant"], &head["context"]["params"]["id"], &head["context"]["attempt"]),
            (&"acme".into(), &"7".into(), &1.into())
        );
        assert!(rest.is_empty());
    }

    fn request(body: RequestBody) -> Payload {
        let headers = vec![("content-type".to_owned(), "application/json; charset=utf-8".to_owned())];
        Payload::Request(crate::Request { method: "POST".into(), url: "https://x/".into(), headers, body })
    }

    #[tokio::test]
    async fn a_body_follows_the_head() {
        for body in [RequestBody::Whole("[1]".into()), RequestBody::Stream(whole("[1]"))] {
            let (head, rest) = sent(false, request(body)).await;
            assert_eq!((&head["request"]["hasBody"], &rest[..]), (&true.into(), &b"[1]"[..]));
        }
        let (head, _) = sent(true, request(RequestBody::Stream(whole("[1]")))).await;
        assert_eq!((&head["payload"][0], &head["request"]["bodyBase64"]), (&1.into(), &"WzFd".into()));
    }

    #[tokio::test]
    async fn what_is_too_much_or_no_json_is_refused() {
        let context = CallContext::default();
        let refused = async |plain, payload| call(&context, plain).request(payload).await.expect_err("refused");
        assert_eq!(refused(false, Payload::Json("{".into())).await.code(), "invalid-payload");
        assert_eq!(refused(false, Payload::Json("1}, {".into())).await.code(), "invalid-payload");
        assert_eq!(refused(false, request(RequestBody::Whole(vec![0; 65].into()))).await.code(), "limit");
        assert!(
            refused(true, request(RequestBody::Stream(whole(vec![0; 65])))).await.to_string().contains("broke off")
        );
        let streamed = call(&context, false)
            .request(request(RequestBody::Stream(whole(vec![0; 65]))))
            .await
            .expect("it is found later");
        assert!(streamed.into_body().collect().await.is_err());
    }
}
