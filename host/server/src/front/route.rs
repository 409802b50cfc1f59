//! The routes of one package: which handler a method and a path mean. Of the routes that fit a path the most specific counts, segment by
//! segment: text before `:param` before `*`; among those, the first that has the method.

use std::collections::HashMap;

use belljar::package::Handler;

use super::target::percent_decoded;

/// The routes, made once for each package.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    /// By decoded text.
    texts: HashMap<String, Node>,
    param: Option<Box<Node>>,
    /// Routes that end here.
    here: Vec<Route>,
    /// Routes that end with `*` here.
    rest: Vec<Route>,
}

/// One route: its handler's place in the descriptor.
#[derive(Debug)]
struct Route {
    method: String,
    handler: usize,
    params: Vec<String>,
}

/// What a method and a path mean.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Matched {
    /// A handler.
    Handler {
        /// Its place in the descriptor.
        handler: usize,
        /// What is at the placeholders, decoded; the rest of a `*` by that name.
        params: Vec<(String, String)>,
        /// A `HEAD` that a route for `GET` answers.
        is_head_by_get: bool,
    },
    /// There are handlers for the path, for these methods only.
    OtherMethods(Vec<String>),
    /// There is nothing at the path.
    Nothing,
    /// The path is none: its percent-encoding is wrong, or it goes up.
    Malformed,
}

impl Routes {
    /// The routes of http handlers and pages.
    pub(crate) fn of(handlers: &[Handler]) -> Self {
        let mut routes = Self::default();
        for (handler, Handler { trigger, .. }) in handlers.iter().enumerate() {
            if let Some(route) = trigger.route() {
                routes.insert(route.method, route.path, handler);
            }
        }
        routes
    }

    fn insert(&mut self, method: &str, path: &str, handler: usize) {
        let mut node = &mut self.root;
        let mut params = Vec::new();
        for part in path.trim_start_matches('/').split('/') {
            if part == "*" {
                node.rest.push(Route { method: method.to_owned(), handler, params });
                return;
            }
            node = match part.strip_prefix(':') {
                Some(name) => {
                    params.push(name.to_owned());
                    node.param.get_or_insert_default()
                }
                // Routes that are no valid encoding match themselves only.
                None => node.texts.entry(percent_decoded(part).unwrap_or_else(|| part.to_owned())).or_default(),
            };
        }
        node.here.push(Route { method: method.to_owned(), handler, params });
    }

    /// Finds the handler. `path` starts with `/`, or is empty, which means the same; it is still encoded. A single `/` at its end is
    /// ignored when nothing is there otherwise.
    pub(crate) fn find(&self, method: &str, path: &str) -> Matched {
        let parts: Option<Vec<String>> =
            path.strip_prefix('/').unwrap_or(path).split('/').map(percent_decoded).collect();
        let Some(mut parts) = parts else { return Matched::Malformed };
        if parts.iter().any(|part| part == "." || part == "..") {
            return Matched::Malformed;
        }
        let matched = self.search(method, &parts);
        if matched == Matched::Nothing && parts.len() > 1 && parts.last().is_some_and(String::is_empty) {
            parts.pop();
            return self.search(method, &parts);
        }
        matched
    }

    fn search(&self, method: &str, parts: &[String]) -> Matched {
        let mut search = Search { method, parts, values: Vec::new(), others: Vec::new() };
        if let Some(matched) = search.at(&self.root, 0) {
            return matched;
        }
        if search.others.is_empty() { Matched::Nothing } else { Matched::OtherMethods(search.others) }
    }
}

struct Search<'a> {
    method: &'a str,
    parts: &'a [String],
    /// Of the parameters on the way.
    values: Vec<&'a str>,
    /// Methods of routes that would have fit.
    others: Vec<String>,
}

impl Search<'_> {
    /// Each node is looked at once at most: there is one way to it.
    fn at(&mut self, node: &Node, depth: usize) -> Option<Matched> {
        let parts = self.parts;
        match parts.get(depth) {
            None => {
                if let Some(found) = self.among(&node.here, None) {
                    return Some(found);
                }
            }
            Some(part) => {
                if let Some(found) = node.texts.get(part).and_then(|next| self.at(next, depth + 1)) {
                    return Some(found);
                }
                if let Some(next) = node.param.as_deref().filter(|_| !part.is_empty()) {
                    self.values.push(part);
                    let found = self.at(next, depth + 1);
                    self.values.pop();
                    if found.is_some() {
                        return found;
                    }
                }
            }
        }
        self.among(&node.rest, Some(depth))
    }

    /// Of routes that end at the same place: the method itself, `GET` for `HEAD`, any.
    fn among(&mut self, routes: &[Route], rest_from: Option<usize>) -> Option<Matched> {
        let of = |wanted: &str| routes.iter().find(|route| route.method == wanted);
        let by_get = || of("GET").filter(|_| self.method == "HEAD");
        let Some(route) = of(self.method).or_else(by_get).or_else(|| of("*")) else {
            for route in routes {
                if !self.others.contains(&route.method) {
                    self.others.push(route.method.clone());
                }
            }
            return None;
        };
        let named = route.params.iter().cloned().zip(self.values.iter().map(|value| (*value).to_owned()));
        let rest = rest_from.map(|from| ("*".to_owned(), self.parts[from.min(self.parts.len())..].join("/")));
        Some(Matched::Handler {
            handler: route.handler,
            params: named.chain(rest).collect(),
            is_head_by_get: self.method == "HEAD" && route.method == "GET",
        })
    }
}

#[cfg(test)]
mod tests {
    use belljar::package::{Auth, Trigger};

    use super::*;

    fn routes(routes: &[&str]) -> Routes {
        let handlers = routes.iter().map(|route| {
            let (method, path) = route.split_once(' ').expect("a method and a path");
            let trigger = Trigger::Http {
                method: method.into(),
                path: path.into(),
                auth: Auth::None,
                permissions: Vec::new(),
                rate_limit_per_minute: None,
                cors: None,
            };
            Handler { name: (*route).into(), export: "default".into(), trigger }
        });
        Routes::of(&handlers.collect::<Vec<_>>())
    }

    /// The route, and its parameters.
    fn check(all: &[&str], method: &str, path: &str, expected: Option<(&str, &[(&str, &str)])>) {
        let found = match routes(all).find(method, path) {
            Matched::Handler { handler, params, .. } => Some((all[handler], params)),
            _ => None,
        };
        let expected = expected.map(|(route, params)| {
            (route, params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>())
        });
        assert_eq!(found, expected, "{method} {path}");
    }

    const ALL: [&str; 9] = [
        "GET /",
        "GET /a/:id",
        "GET /a/new",
        "* /a/*",
        "POST /a/:id",
        "GET /a/:id/b",
        "DELETE /b",
        "GET /caf%C3%A9",
        "HEAD /h",
    ];

    #[test]
    fn the_most_specific_route_is_taken() {
        check(&ALL, "GET", "/a/new", Some(("GET /a/new", &[])));
        check(&ALL, "GET", "/a/7", Some(("GET /a/:id", &[("id", "7")])));
        check(&ALL, "POST", "/a/new", Some(("POST /a/:id", &[("id", "new")])));
        check(&ALL, "PUT", "/a/new", Some(("* /a/*", &[("*", "new")])));
        check(&ALL, "GET", "/a/7/b", Some(("GET /a/:id/b", &[("id", "7")])));
        check(&ALL, "GET", "/a/7/c/d", Some(("* /a/*", &[("*", "7/c/d")])));
        check(&ALL, "GET", "/a", Some(("* /a/*", &[("*", "")])));
        check(&ALL, "GET", "/a/", Some(("* /a/*", &[("*", "")])));
        check(&ALL, "GET", "/", Some(("GET /", &[])));
        check(&ALL, "GET", "", Some(("GET /", &[])));
        check(&ALL, "GET", "//", Some(("GET /", &[])));
        check(&ALL, "GET", "/c", None);
    }

    #[test]
    fn parameters_are_decoded_and_never_empty() {
        check(&ALL, "GET", "/a/x%2Fy%20%C3%A9", Some(("GET /a/:id", &[("id", "x/y \u{e9}")])));
        check(&ALL, "GET", "/a/%6eew", Some(("GET /a/new", &[])));
        check(&ALL, "GET", "/caf%c3%a9", Some(("GET /caf%C3%A9", &[])));
        check(&["GET /:a/:b"], "GET", "/1//", None);
    }

    #[test]
    fn head_is_served_by_get() {
        let found = routes(&ALL).find("HEAD", "/a/new");
        assert!(matches!(found, Matched::Handler { handler: 2, is_head_by_get: true, .. }), "{found:?}");
        let found = routes(&ALL).find("HEAD", "/h");
        assert!(matches!(found, Matched::Handler { handler: 8, is_head_by_get: false, .. }), "{found:?}");
    }

    #[test]
    fn other_methods_and_slashes() {
        assert_eq!(routes(&ALL).find("GET", "/b"), Matched::OtherMethods(vec!["DELETE".into()]));
        assert!(matches!(routes(&ALL).find("DELETE", "/b/"), Matched::Handler { handler: 6, .. }));
        assert_eq!(routes(&ALL).find("DELETE", "/b//"), Matched::Nothing);
        assert_eq!(
            routes(&["GET /a/:x", "POST /a/b"]).find("PUT", "/a/b"),
            Matched::OtherMethods(vec!["POST".into(), "GET".into()])
        );
    }

    #[test]
    fn paths_that_are_none() {
        for path in ["/a/%", "/a/%zz", "/a/../b", "/a/%2e%2E/b", "/a/./b", "/%ff"] {
            assert_eq!(routes(&ALL).find("GET", path), Matched::Malformed, "{path}");
        }
    }

    #[test]
    fn deep_paths_end() {
        // At every depth both ways are open: the search does not go both for each of them again.
        let texts = "/a".repeat(60);
        let all = [format!("GET {texts}"), format!("GET /:p{}", "/a".repeat(59))];
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        assert_eq!(routes(&all).find("GET", &format!("{texts}/b")), Matched::Nothing);
    }
}
