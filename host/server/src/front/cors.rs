//! What browsers may do for pages of other origins: the answers of the Fetch standard's CORS protocol (section 3.3), from the rules of the
//! manifest. Preflights are answered here, without an invocation.

use belljar::package::Cors;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Headers of ours that pages may read beside the safelisted ones.
const EXPOSED: HeaderValue = HeaderValue::from_static("x-belljar-invocation, retry-after");
/// Headers that need no permission.
const SAFELISTED: [&str; 4] = ["accept", "accept-language", "content-language", "content-type"];

/// What a response says to the browser that asked.
#[derive(Debug, Default)]
pub(crate) struct CorsAnswer {
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The manifest has rules: what the applet says itself does not count.
    has_rules: bool,
}

impl CorsAnswer {
    /// For a request that is no preflight.
    pub(crate) fn to_request(cors: &Cors, request: &HeaderMap) -> Self {
        let mut answer = Self { headers: Vec::new(), has_rules: true };
        if answer.allow_origin(cors, request) {
            answer.headers.push((header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED));
        }
        answer
    }

    /// For a preflight of a route with these methods.
    pub(crate) fn to_preflight(cors: &Cors, request: &HeaderMap, route_methods: &[String]) -> Self {
        let mut answer = Self { headers: Vec::new(), has_rules: true };
        if !answer.allow_origin(cors, request) {
            return answer;
        }
        let methods = if cors.methods.is_empty() { route_methods } else { &cors.methods };
        let asked = request
            .get(header::ACCESS_CONTROL_REQUEST_METHOD)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let any = methods.iter().any(|method| method == "*");
        // `*` of a route is any method, and with credentials a browser takes it for a name.
        let methods = if any { asked.to_owned() } else { methods.join(", ") };
        answer.push(header::ACCESS_CONTROL_ALLOW_METHODS, &methods);
        let names = request
            .get(header::ACCESS_CONTROL_REQUEST_HEADERS)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let names = names.split(',').map(|name| name.trim().to_ascii_lowercase());
        let allowed = |name: &String| {
            SAFELISTED.contains(&name.as_str()) || cors.headers.iter().any(|other| other == name || other == "*")
        };
        let names: Vec<String> = names.filter(|name| !name.is_empty()).filter(allowed).collect();
        if !names.is_empty() {
            answer.push(header::ACCESS_CONTROL_ALLOW_HEADERS, &names.join(", "));
        }
        answer.push(header::ACCESS_CONTROL_MAX_AGE, &cors.max_age_s.to_string());
        answer.vary("access-control-request-method, access-control-request-headers");
        answer
    }

    /// Whether the sender's origin may; says so.
    fn allow_origin(&mut self, cors: &Cors, request: &HeaderMap) -> bool {
        let any = cors.origins.iter().any(|origin| origin == "*");
        if !any {
            self.vary("origin");
        }
        let Some(origin) = request.get(header::ORIGIN) else { return false };
        if any {
            self.headers.push((header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")));
            return true;
        }
        if !cors.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()) {
            return false;
        }
        self.headers.push((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()));
        if cors.credentials {
            self.headers.push((header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")));
        }
        true
    }

    fn vary(&mut self, names: &'static str) {
        self.headers.push((header::VARY, HeaderValue::from_static(names)));
    }

    fn push(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
    }

    /// Adds it to a response.
    pub(crate) fn apply(self, response: &mut HeaderMap) {
        if !self.has_rules {
            return;
        }
        for name in [
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
            header::ACCESS_CONTROL_ALLOW_METHODS,
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            header::ACCESS_CONTROL_MAX_AGE,
        ] {
            response.remove(name);
        }
        for (name, value) in self.headers {
            // What the applet exposes or varies by stays.
            response.append(name, value);
        }
    }
}

/// Whether a request asks what it may ask.
pub(crate) fn is_preflight(method: &http::Method, headers: &HeaderMap) -> bool {
    *method == http::Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str]) -> Cors {
        Cors {
            origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
            methods: Vec::new(),
            headers: vec!["x-api-key".into()],
            credentials: false,
            max_age_s: 60,
        }
    }

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    fn told(answer: CorsAnswer) -> Vec<(String, String)> {
        let mut response = HeaderMap::new();
        response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("https://applet.said"));
        answer.apply(&mut response);
        let mut told: Vec<_> =
            response.iter().map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned())).collect();
        told.sort();
        told
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn origins_are_compared_whole() {
        let exposed = "x-belljar-invocation, retry-after";
        let named = cors(&["https://a.b"]);
        assert_eq!(
            told(CorsAnswer::to_request(&named, &headers(&[("origin", "https://a.b")]))),
            pairs(&[
                ("access-control-allow-origin", "https://a.b"),
                ("access-control-expose-headers", exposed),
                ("vary", "origin")
            ])
        );
        for origin in ["https://a.b.evil", "http://a.b", "null", "https://A.b"] {
            assert_eq!(
                told(CorsAnswer::to_request(&named, &headers(&[("origin", origin)]))),
                pairs(&[("vary", "origin")]),
                "{origin}"
            );
        }
        let any = told(CorsAnswer::to_request(&cors(&["*"]), &headers(&[("origin", "null")])));
        assert_eq!(any, pairs(&[("access-control-allow-origin", "*"), ("access-control-expose-headers", exposed)]));
        let with_credentials = Cors { credentials: true, ..named };
        let told = told(CorsAnswer::to_request(&with_credentials, &headers(&[("origin", "https://a.b")])));
        assert!(told.contains(&("access-control-allow-credentials".into(), "true".into())));
    }

    #[test]
    fn preflights_name_what_is_allowed() {
        let request = headers(&[
            ("origin", "https://a.b"),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "X-Api-Key, x-other,content-type"),
        ]);
        let answer = told(CorsAnswer::to_preflight(&cors(&["https://a.b"]), &request, &["GET".into(), "PUT".into()]));
        for (name, value) in [
            ("access-control-allow-methods", "GET, PUT"),
            ("access-control-allow-headers", "x-api-key, content-type"),
            ("access-control-max-age", "60"),
        ] {
            assert!(answer.contains(&(name.into(), value.into())), "{name}: {answer:?}");
        }
        let any = told(CorsAnswer::to_preflight(&cors(&["*"]), &request, &["*".into()]));
        assert!(any.contains(&("access-control-allow-methods".into(), "PUT".into())), "{any:?}");
        let other = told(CorsAnswer::to_preflight(&cors(&["https://c.d"]), &request, &["PUT".into()]));
        assert_eq!(other, pairs(&[("vary", "origin")]));
    }
}
