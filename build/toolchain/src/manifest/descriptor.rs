//! From what the author wrote to what the host reads: every default resolved.

use belljar_package::{Descriptor, FORMAT_VERSION, Handler, Runtime, Trigger};

use super::{Manifest, ManifestHandler};
use crate::diagnostic::Problem;

/// Name and export of the handler of an applet that names none.
const DEFAULT: &str = "default";

impl Manifest {
    /// The descriptor: what is left out is filled in.
    ///
    /// Without handlers there is one named `default`, called by name, exported as `default`. Events of handlers count as
    /// subscribed to, so that an installer sees them with the other permissions.
    pub fn descriptor(&self) -> Descriptor {
        let mut permissions = self.permissions.clone();
        for handler in &self.handlers {
            if let Trigger::Event { names, .. } = &handler.trigger {
                let subscribed = &mut permissions.events_subscribe;
                let missing: Vec<_> = names.iter().filter(|name| !subscribed.contains(name)).cloned().collect();
                subscribed.extend(missing);
            }
        }
        let mut handlers: Vec<Handler> = self.handlers.iter().map(handler).collect();
        if handlers.is_empty() {
            handlers.push(Handler { name: DEFAULT.into(), export: DEFAULT.into(), trigger: Trigger::Call {} });
        }
        Descriptor {
            format: FORMAT_VERSION,
            id: self.id.value.clone(),
            version: self.version.value.clone(),
            name: self.name.clone(),
            description: self.description.clone(),
            about: self.about.clone(),
            runtime: Runtime {
                engine: self.engine,
                version: self.engine_version.clone(),
                entrypoint: self.entrypoint.value.clone(),
                limits: self.limits,
                health_check: self.health_check.clone(),
                locales: self.locales.iter().map(|locale| locale.value.clone()).collect(),
                external: self.external.iter().map(|name| name.value.clone()).collect(),
                is_server: self.is_server,
            },
            handlers,
            cors: self.cors.clone(),
            permissions,
            config: self.config.clone(),
        }
    }

    /// Handlers the bundle cannot serve: neither their export nor a default export is there.
    pub(crate) fn missing_exports(&self, exports: &[String]) -> Vec<Problem> {
        // A server is asked for its handlers, whatever it exports.
        if self.is_server || exports.iter().any(|export| export == DEFAULT) {
            return Vec::new();
        }
        let entry = &self.entrypoint.value;
        let found = match exports {
            [] => format!("{entry} exports nothing"),
            _ => format!("{entry} exports {}", exports.join(", ")),
        };
        if self.handlers.is_empty() {
            let problem = Problem::error("bundle.missing-handler", format!("{entry} has no default export"))
                .with_help(format!(
                    "{found}; write 'export default (context, payload) => …', or list handlers in the manifest"
                ))
                .at(&self.file, self.entrypoint.start, self.entrypoint.end, "");
            return vec![problem];
        }
        // What a page needs is generated.
        let missing = self.handlers.iter().filter(|handler| handler.page.is_none()).filter_map(|handler| {
            let at = handler.export.as_ref().unwrap_or(&handler.name);
            (!exports.contains(&at.value)).then(|| {
                let message = format!("handler '{}' needs the export '{}'", handler.name.value, at.value);
                Problem::error("bundle.missing-handler", message)
                    .with_help(format!("{found}; export a function of that name, or a default export"))
                    .at(&self.file, at.start, at.end, "not exported")
            })
        });
        missing.collect()
    }
}

fn handler(handler: &ManifestHandler) -> Handler {
    let name = &handler.name.value;
    let export = match (&handler.page, &handler.export) {
        (Some(_), _) => page_export(name),
        (None, export) => export.as_ref().unwrap_or(&handler.name).value.clone(),
    };
    Handler { name: name.clone(), export, trigger: handler.trigger.clone() }
}

/// What begins the names of exports that a build adds.
pub(crate) const PAGE_EXPORT: &str = "belljar$page$";

/// The export that a build adds for a page: an identifier, another one for each handler's name.
pub(crate) fn page_export(name: &str) -> String {
    // No name has a `$`.
    let escape = |c: char| if matches!(c, '-' | '.') { format!("${:02x}", c as u32) } else { c.to_string() };
    format!("{PAGE_EXPORT}{}", name.chars().map(escape).collect::<String>())
}
