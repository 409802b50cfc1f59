//! Which handler is meant when the command line does not say: the only one, the one called `default`, or, for a request, the one whose
//! method and path fit best.

use belljar::package::{Handler, Trigger};

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
    let mut routes = handlers.iter().filter_map(|handler| match &handler.trigger {
        Trigger::Http { method, path, .. } => Some((handler, method.as_str(), path.as_str())),
        _ => None,
    });
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
    use belljar::package::Auth;

    use super::*;

    fn handlers(routes: &[&str]) -> Vec<Handler> {
        let trigger = |route: &str| match route.split_once(' ') {
            Some((method, path)) => Trigger::Http {
                method: method.to_owned(),
                path: path.to_owned(),
                auth: Auth::None,
                permissions: Vec::new(),
                rate_limit_per_minute: None,
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
    fn without_a_choice_the_only_one_is_taken() {
        check(&["POST /hook"], "GET", "http://h/other", Some("POST /hook"));
        check(&["only"], "GET", "http://h/", Some("only"));
        check(&["other", "default"], "GET", "http://h/", Some("default"));
        check(&["a", "b"], "GET", "http://h/", None);
        assert!(by_default(&handlers(&["a", "b"])).expect_err("two").contains("a, b"));
    }
}
