//! Modules that a program imports: the host says where an import leads and gives the source. A packaged applet is one bundle and
//! imports nothing.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use javy::quickjs::loader::{ImportAttributes, Loader, Resolver};
use javy::quickjs::module::Declared;
use javy::quickjs::{Ctx, Error, Exception, Module, Result};

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

/// Gives QuickJS the source that the host gave.
pub(crate) struct HostLoader(Sources);

impl Loader for HostLoader {
    fn load<'js>(&mut self, ctx: &Ctx<'js>, name: &str, _: Option<ImportAttributes<'js>>) -> Result<Module<'js, Declared>> {
        let Some(source) = self.0.borrow_mut().remove(name) else { return Err(Error::new_loading(name)) };
        Module::declare(ctx.clone(), name, source)
    }
}
