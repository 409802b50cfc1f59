//! Files of a package's `assets/`, with what caches need: an entity tag from the content, `304`, and ranges (RFC 9110 sections 13 and 14).

use std::sync::Arc;

use belljar::{Digest, Release};
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode};

use super::body::FrontBody;

/// For names that change with their content.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// For other names: kept, and asked for each time.
const REVALIDATED: HeaderValue = HeaderValue::from_static("no-cache");

/// A file of a release, which stays in memory as long as it is being sent.
struct Asset {
    release: Arc<Release>,
    name: String,
}

impl AsRef<[u8]> for Asset {
    fn as_ref(&self) -> &[u8] {
        self.release.package().files.get(&self.name).map(Vec::as_slice).unwrap_or_default()
    }
}

/// The entity tag of a file.
pub(crate) fn entity_tag(bytes: &[u8]) -> String {
    format!("\"{}\"", &Digest::of(bytes).to_hex()[..32])
}

/// Answers `GET` and `HEAD` for a file that the release has. `name` begins with `assets/`.
pub(crate) fn respond(
    release: &Arc<Release>,
    name: &str,
    tag: &str,
    method: &Method,
    request: &HeaderMap,
) -> Response<FrontBody> {
    let bytes = Bytes::from_owner(Asset { release: release.clone(), name: name.to_owned() });
    let mut response = Response::new(FrontBody::Empty);
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, if is_hashed(name) { IMMUTABLE } else { REVALIDATED });
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if request.get_all(header::IF_NONE_MATCH).iter().any(|value| has_tag(value, tag)) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
    let len = bytes.len() as u64;
    let wanted = if may_be_partial(request, tag) { range(request, len) } else { Range::All };
    let (status, part) = match wanted {
        Range::All => (StatusCode::OK, bytes),
        Range::Part { first, last } => {
            insert(headers, header::CONTENT_RANGE, &format!("bytes {first}-{last}/{len}"));
            (StatusCode::PARTIAL_CONTENT, bytes.slice(first as usize..=last as usize))
        }
        Range::Unsatisfiable => {
            insert(headers, header::CONTENT_RANGE, &format!("bytes */{len}"));
            headers.remove(header::CONTENT_TYPE);
            (StatusCode::RANGE_NOT_SATISFIABLE, Bytes::new())
        }
    };
    *response.status_mut() = status;
    insert(response.headers_mut(), header::CONTENT_LENGTH, &part.len().to_string());
    if *method != Method::HEAD && !part.is_empty() {
        // The package holds these bytes anyway: they do not count as held for the client.
        *response.body_mut() = FrontBody::Whole(part);
    }
    response
}

fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Whether a list of entity tags has this one, compared weakly; `*` is any.
fn has_tag(list: &HeaderValue, tag: &str) -> bool {
    let Ok(list) = list.to_str() else { return false };
    list.trim() == "*" || list.split(',').map(str::trim).any(|other| other.strip_prefix("W/").unwrap_or(other) == tag)
}

/// `If-Range` asks for the whole file when it has changed. Dates are not ours.
fn may_be_partial(request: &HeaderMap, tag: &str) -> bool {
    request.get(header::IF_RANGE).is_none_or(|value| value.as_bytes() == tag.as_bytes())
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    All,
    Part { first: u64, last: u64 },
    Unsatisfiable,
}

/// One range of bytes. Several of them, and what is no range, mean the whole file, as a server may take them.
fn range(request: &HeaderMap, len: u64) -> Range {
    let mut ranges = request.get_all(header::RANGE).iter();
    let (Some(value), None) = (ranges.next(), ranges.next()) else { return Range::All };
    let Some(spec) = value.to_str().ok().and_then(|value| value.strip_prefix("bytes=")) else { return Range::All };
    let Some((first, last)) = spec.trim().split_once('-') else { return Range::All };
    let digits =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    match (first.is_empty(), last.is_empty()) {
        (true, true) => Range::All,
        (true, false) => match digits(last) {
            Some(0) => Range::Unsatisfiable,
            Some(_) if len == 0 => Range::Unsatisfiable,
            Some(count) => Range::Part { first: len.saturating_sub(count), last: len - 1 },
            None => Range::All,
        },
        (false, is_open) => {
            let Some(first) = digits(first) else { return Range::All };
            let last = if is_open { Some(u64::MAX) } else { digits(last) };
            match last {
                None => Range::All,
                Some(last) if last < first => Range::All,
                Some(_) if first >= len => Range::Unsatisfiable,
                Some(last) => Range::Part { first, last: last.min(len - 1) },
            }
        }
    }
}

/// Whether a build tool has put a digest into the name: a part before the extension, after `-` or `.`, of at least eight letters and
/// digits with a digit among them.
fn is_hashed(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    let Some((stem, _)) = file.rsplit_once('.') else { return false };
    let Some((_, part)) = stem.rsplit_once(['-', '.']) else { return false };
    part.len() >= 8
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && part.bytes().any(|byte| byte.is_ascii_digit())
}

fn content_type(name: &str) -> &'static str {
    let extension = name
        .rsplit('/')
        .next()
        .and_then(|file| file.rsplit_once('.'))
        .map(|(_, extension)| extension.to_ascii_lowercase());
    match extension.as_deref().unwrap_or_default() {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        "md" => "text/markdown; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "xml" => "application/xml",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/x-icon",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "ttf" => "font/ttf",
        "otf" => "font/otf",
        "mp3" => "audio/mpeg",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "wasm" => "application/wasm",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let part = |first, last| Range::Part { first, last };
        for (value, expected) in [
            ("bytes=0-4", part(0, 4)),
            ("bytes=5-", part(5, 9)),
            ("bytes=5-99", part(5, 9)),
            ("bytes=-3", part(7, 9)),
            ("bytes=-99", part(0, 9)),
            ("bytes=10-", Range::Unsatisfiable),
            ("bytes=-0", Range::Unsatisfiable),
            ("bytes=4-2", Range::All),
            ("bytes=0-1,3-4", Range::All),
            ("bytes=a-b", Range::All),
            ("bytes=-", Range::All),
            ("bytes=+1-2", Range::All),
            ("rows=0-1", Range::All),
        ] {
            let headers = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static(value))]);
            assert_eq!(range(&headers, 10), expected, "{value}");
        }
        assert_eq!(range(&HeaderMap::new(), 10), Range::All);
        let headers = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static("bytes=-3"))]);
        assert_eq!(range(&headers, 0), Range::Unsatisfiable);
    }

    #[test]
    fn names_with_digests() {
        for (name, hashed) in [
            ("assets/app-4f3a9c21.js", true),
            ("assets/index.BX91kd0Q.css", true),
            ("assets/app.js", false),
            ("assets/background.min.js", false),
            ("assets/component-something.js", false),
            ("assets/logo-4f3a9c21", false),
            ("assets/4f3a9c21-dir/app.js", false),
        ] {
            assert_eq!(is_hashed(name), hashed, "{name}");
        }
    }

    #[test]
    fn tags_are_compared_weakly() {
        for (list, has) in
            [("\"a\"", true), ("W/\"a\"", true), ("\"b\", \"a\"", true), ("*", true), ("\"ab\"", false), ("a", false)]
        {
            assert_eq!(has_tag(&HeaderValue::from_static(list), "\"a\""), has, "{list}");
        }
    }

    #[test]
    fn types_by_extension() {
        assert_eq!(content_type("assets/A.HTML"), "text/html; charset=utf-8");
        assert_eq!(content_type("assets/x.y/none"), "application/octet-stream");
    }
}
