//! Modules that are imported at run time: Node's, which the web platform makes, and those of a program, of which the host says where an
//! import leads and gives the source. A packaged applet is one bundle and imports nothing else.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use javy::quickjs::loader::{ImportAttributes, Loader, Resolver};
use javy::quickjs::module::Declared;
use javy::quickjs::{Ctx, Error, Exception, Function, Module, Result};

use crate::bindings::belljar::applet::modules;

/// Sources between being resolved and being loaded, by module name.
type Sources = Rc<RefCell<HashMap<String, String>>>;

/// The resolver and the loader for the runtime; set once, because a runtime that is running cannot take others.
pub(crate) fn host_modules() -> (HostResolver, HostLoader) {
    let sources = Sources::default();
    (HostResolver(sources.clone()), HostLoader(sources))
}

/// Asks the host where an import leads; the source is kept until QuickJS loads it.
pub(crate) struct HostResolver(Sources);

impl Resolver for HostResolver {
    fn resolve<'js>(&mut self, ctx: &Ctx<'js>, base: &str, name: &str, _: Option<ImportAttributes<'js>>) -> Result<String> {
        if let Some(source) = builtin_source(ctx, name) {
            let name = format!("node:{}", name.strip_prefix("node:").unwrap_or(name));
            self.0.borrow_mut().insert(name.clone(), source);
            return Ok(name);
        }
        if crate::engine::preparing() {
            let message = format!("there is no module {name:?}: a package is one bundle, and imports nothing at run time");
            return Err(Exception::throw_reference(ctx, &message));
        }
        match modules::load(name, base) {
            Ok(module) => {
                self.0.borrow_mut().insert(module.name.clone(), module.source);
                Ok(module.name)
            }
            Err(message) => Err(Exception::throw_reference(ctx, &message)),
        }
    }
}

/// A module with the members of one of Node's; `None` for what is none of them. Paths and empty names are not asked about.
fn builtin_source(ctx: &Ctx<'_>, specifier: &str) -> Option<String> {
    if !specifier.starts_with(|first: char| first.is_ascii_lowercase()) {
        return None;
    }
    let function: Function = crate::engine::driver(ctx)?.get("builtinModule").ok()?;
    let names: Option<Vec<String>> = function.call((specifier,)).ok()?;
    let names = names?;
    let mut source = format!("const module = process.getBuiltinModule({specifier:?});\nexport default module;\n");
    // A member may have the name of a keyword, which no variable can have.
    for (index, name) in names.iter().enumerate() {
        source += &format!("const m{index} = module.{name};\nexport {{ m{index} as {name} }};\n");
    }
    Some(source)
}

/// Gives QuickJS the source that was found.
pub(crate) struct HostLoader(Sources);

impl Loader for HostLoader {
    fn load<'js>(&mut self, ctx: &Ctx<'js>, name: &str, _: Option<ImportAttributes<'js>>) -> Result<Module<'js, Declared>> {
        let Some(source) = self.0.borrow_mut().remove(name) else { return Err(Error::new_loading(name)) };
        Module::declare(ctx.clone(), name, source)
    }
}
