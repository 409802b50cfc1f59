//! How a handler is reached by HTTP. Http handlers and pages with a path are reached alike: this is the one view of both.

use crate::{Auth, Cors, Trigger};

/// The route of a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route<'a> {
    /// Upper case; `*` stands for any. A page's is `GET`.
    pub method: &'a str,
    /// Starts with `/`; `:param` and a last `*` are placeholders.
    pub path: &'a str,
    /// Whether the caller must be known.
    pub auth: Auth,
    /// Permissions the user must hold.
    pub permissions: &'a [String],
    /// Requests per minute, if limited.
    pub rate_limit_per_minute: Option<u32>,
    /// Which pages of other origins may call it; `None` for the applet's rules.
    pub cors: Option<&'a Cors>,
}

impl Trigger {
    /// The route, of a handler that has one.
    ///
    /// ```
    /// use belljar_package::{Auth, Trigger};
    /// let page: Trigger = serde_json::from_str(r#"{"type": "render", "component": "page.tsx", "path": "/reports/:id"}"#)?;
    /// let route = page.route().expect("it has a path");
    /// assert_eq!((route.method, route.path, route.auth), ("GET", "/reports/:id", Auth::Required));
    /// assert!(Trigger::Call {}.route().is_none());
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn route(&self) -> Option<Route<'_>> {
        match self {
            Self::Http { method, path, auth, permissions, rate_limit_per_minute, cors } => Some(Route {
                method,
                path,
                auth: *auth,
                permissions,
                rate_limit_per_minute: *rate_limit_per_minute,
                cors: cors.as_ref(),
            }),
            Self::Render { path: Some(path), auth, permissions, rate_limit_per_minute, cors, .. } => Some(Route {
                method: "GET",
                path,
                auth: *auth,
                permissions,
                rate_limit_per_minute: *rate_limit_per_minute,
                cors: cors.as_ref(),
            }),
            _ => None,
        }
    }
}
