//! Which handler is meant when the command line does not say: the only one, the one called `default`, or, for a request, the one whose
//! method and path fit best.

use belljar::Payload;
use belljar::package::{Handler, Route};

/// The handler for a payload.
///
/// # Errors
/// A message that lists the handlers there are.
pub(crate) fn by_default(handlers: &[Handler]) -> Result<&Handler, String> {
    match handlers {
        [only] => Ok(only),
        _ => handlers.iter().find(|handler| handler.name == "default").ok_or_else(|| {
            format!("the applet has {} handlers, and none is called `default`: {}", handlers.len(), names(handlers))
        }),
    }
}

/// The handler for a request. An applet without http handlers is asked as a whole.
///
/// # Errors
/// A message that lists the routes there are.
pub(crate) fn by_request<'a>(handlers: &'a [Handler], method: &str, url: &str) -> Result<&'a Handler, String> {
    let path = path_of(url);
    let mut routes =
        handlers.iter().filter_map(|handler| handler.trigger.route().map(|route| (handler, route.method, route.path)));
    let best = routes.clone().filter_map(|(handler, m, p)| Some((fit(m, p, method, path)?, handler)));
    // Of equals the first: `max_by` would take the last.
    if let Some((_, handler)) = best.reduce(|best, next| if next.0 > best.0 { next } else { best }) {
        return Ok(handler);
    }
    match (routes.next(), routes.next()) {
        (None, _) => by_default(handlers),
        (Some((only, ..)), None) => Ok(only),
        (Some(first), Some(second)) => {
            let all = [first, second].into_iter().chain(routes);
            let listed: Vec<String> = all.map(|(handler, m, p)| format!("{} ({m} {p})", handler.name)).collect();
            Err(format!("no handler answers {method} {path}; there are: {}", listed.join(", ")))
        }
    }
}

/// Names of handlers, for messages.
pub(crate) fn names(handlers: &[Handler]) -> String {
    handlers.iter().map(|handler| handler.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// What the path of a request has at the placeholders of the handler's route, percent-decoded; the rest of a `*` has the name `*`.
pub(crate) fn params(handler: &Handler, payload: &Payload) -> Vec<(String, String)> {
    let (Some(Route { path: route, .. }), Payload::Request(request)) = (handler.trigger.route(), payload) else {
        return Vec::new();
    };
    let path = path_of(&request.url);
    if fit("*", route, "*", path).is_none() {
        return Vec::new();
    }
    let mut rest = &path[1..];
    let mut params = Vec::new();
    for wanted in route[1..].split('/') {
        if wanted == "*" {
            params.push(("*".to_owned(), decoded(rest)));
            break;
        }
        let (part, after) = rest.split_once('/').unwrap_or((rest, ""));
        if let Some(name) = wanted.strip_prefix(':') {
            params.push((name.to_owned(), decoded(part)));
        }
        rest = after;
    }
    params
}

/// Percent-decodes (RFC 3986, 2.1); what is not UTF-8 then is replaced.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = (byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        let escaped = escaped.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(escaped) => {
                decoded.push(escaped);
                at += 3;
            }
            None => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn path_of(url: &str) -> &str {
    let after_scheme = url.find("://").map_or(url, |at| &url[at + 3..]);
    let path = after_scheme.find(['/', '?', '#']).map_or("/", |at| &after_scheme[at..]);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    if path.is_empty() { "/" } else { path }
}

/// How well a route fits: for each part, text before a parameter before `*`; then a method before any. `None` when it does not.
fn fit(route_method: &str, route: &str, method: &str, path: &str) -> Option<(Vec<u8>, bool)> {
    if route_method != "*" && route_method != method {
        return None;
    }
    let mut parts = path[1..].split('/');
    let mut fits = Vec::new();
    for wanted in route.strip_prefix('/')?.split('/') {
        if wanted == "*" {
            fits.push(1);
            return Some((fits, route_method != "*"));
        }
        let part = parts.next()?;
        match wanted.starts_with(':') {
            true if !part.is_empty() => fits.push(2),
            false if part == wanted => fits.push(3),
            _ => return None,
        }
    }
    parts.next().is_none().then_some((fits, route_method != "*"))
}

#[cfg(test)]
mod tests {
    use belljar::package::{Auth, Trigger};

    use super::*;

    fn handlers(routes: &[&str]) -> Vec<Handler> {
        let trigger = |route: &str| match route.split_once(' ') {
            Some((method, path)) => Trigger::Http {
                method: method.to_owned(),
                path: path.to_owned(),
                auth: Auth::None,
                permissions: Vec::new(),
                rate_limit_per_minute: None,
                cors: None,
            },
            None => Trigger::Call {},
        };
        routes
            .iter()
            .map(|route| Handler { name: (*route).to_owned(), export: "default".into(), trigger: trigger(route) })
            .collect()
    }

    fn check(routes: &[&str], method: &str, url: &str, expected: Option<&str>) {
        let handlers = handlers(routes);
        let found = by_request(&handlers, method, url);
        assert_eq!(
            found.as_ref().ok().map(|handler| handler.name.as_str()),
            expected,
            "{routes:?} {method} {url}: {found:?}"
        );
    }

    #[test]
    fn the_closest_route_is_taken() {
        let routes = ["GET /a/:id", "GET /a/new", "* /a/*", "POST /a/:id", "call"];
        check(&routes, "GET", "http://h/a/7?x=/a/new", Some("GET /a/:id"));
        check(&routes, "GET", "http://h/a/new", Some("GET /a/new"));
        check(&routes, "POST", "http://h/a/new", Some("POST /a/:id"));
        check(&routes, "PUT", "http://h/a/b/c", Some("* /a/*"));
        check(&routes, "GET", "http://h", None);
        check(&["* /", "GET /"], "GET", "http://h?x", Some("GET /"));
    }

    #[test]
    fn placeholders_have_values() {
        let check = |route: &str, url: &str, expected: &[(&str, &str)]| {
            let request = belljar::Request {
                method: "GET".into(),
                url: url.into(),
                headers: Vec::new(),
                body: Default::default(),
            };
            let found = params(&handlers(&[route])[0], &Payload::Request(request));
            let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(found, expected, "{route} {url}");
        };
        check("GET /a/:id/b/:n", "http://h/a/x%20%C3%A4/b/7?q", &[("id", "x \u{e4}"), ("n", "7")]);
        check("GET /files/*", "http://h/files/a/b%2Fc", &[("*", "a/b/c")]);
        check("GET /files/*", "http://h/files/", &[("*", "")]);
        check("GET /:a", "http://h/%zz%4", &[("a", "%zz%4")]);
        check("GET /a", "http://h/b", &[]);
        check("call", "http://h/a", &[]);
    }

    #[test]
    fn without_a_choice_the_only_one_is_taken() {
        check(&["POST /hook"], "GET", "http://h/other", Some("POST /hook"));
        check(&["only"], "GET", "http://h/", Some("only"));
        check(&["other", "default"], "GET", "http://h/", Some("default"));
        check(&["a", "b"], "GET", "http://h/", None);
        assert!(by_default(&handlers(&["a", "b"])).expect_err("two").contains("a, b"));
    }
}
