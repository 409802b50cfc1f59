//! What a tenant lets an applet do: never more than the package asks for.

use belljar_package::{HttpRule, Permissions};

/// Rights in force for one applet at one tenant. The default grants nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// The applet's own database.
    pub db: bool,
    /// Hosts it may call.
    pub http: Vec<HttpRule>,
    /// `sdk.log` and `console`. Always granted to packages; `belljar eval` grants it on request.
    pub log: bool,
}

impl Grants {
    /// Everything the package asks for, as an operator grants who trusts it.
    pub fn all_asked(asked: &Permissions) -> Self {
        Self { db: asked.db, http: asked.http.clone(), log: true }
    }
}
