//! From a package's component to machine code, once: out of the cache, or compiled and left there. A package is input: what is no
//! component, or wants what there is not, is a fault that says so.

use std::io::Read;
use std::sync::{Arc, PoisonError};

use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use super::{CONFIGURATION, Components, PreparedComponent};
use crate::catalog::Release;
use crate::engine::artifact::WASMTIME_VERSION;
use crate::engine::cache::Found;
use crate::engine::limiter::{MEMORIES_MAX, TABLES_MAX};
use crate::engine::sandbox::deserialize_component;
use crate::floor::fault::{Fault, FaultCode};
use belljar_package::COMPONENT_PATH;

/// The function that a component exports.
pub(super) const HANDLE: &str = "handle";

impl Components {
    /// The component of a release, ready to be called. Callers that come while it is being compiled wait for the same one.
    pub(crate) async fn prepare(self: &Arc<Self>, release: &Release) -> Result<Arc<PreparedComponent>, Fault> {
        let cell = self.ready.lock().unwrap_or_else(PoisonError::into_inner).entry(&release.digest()).clone();
        let prepared = cell.get_or_try_init(|| async {
            let (components, package) = (self.clone(), release.package().clone());
            let file = package.descriptor.runtime.entrypoint.clone();
            // Compiling takes seconds of processor time.
            let compiled = tokio::task::spawn_blocking(move || {
                let bytes =
                    package.files.get(COMPONENT_PATH).ok_or_else(|| refuse("the package has no component".into()))?;
                components.link(bytes, file)
            });
            compiled
                .await
                .unwrap_or_else(|_| Err(Fault::new(FaultCode::Internal, "the component cannot be compiled")))
                .map(Arc::new)
        });
        prepared.await.cloned()
    }

    pub(super) fn link(&self, bytes: &[u8], file: String) -> Result<PreparedComponent, Fault> {
        let (component, from_cache) = self.compile(bytes)?;
        if !matches!(component.component_type().get_export(&self.engine, HANDLE), Some(export) if matches!(export.ty, ComponentItem::ComponentFunc(_)))
        {
            return Err(refuse(format!(
                "the component exports no function `{HANDLE}` (world belljar:component/applet)"
            )));
        }
        let Some(needed) = component.resources_required() else {
            return Err(refuse("the component imports core modules or components, which nobody gives it".into()));
        };
        if needed.num_memories as usize > MEMORIES_MAX || needed.num_tables as usize > TABLES_MAX {
            let (memories, tables) = (needed.num_memories, needed.num_tables);
            return Err(refuse(format!(
                "the component has {memories} memories and {tables} tables; it may have {MEMORIES_MAX} and {TABLES_MAX}"
            )));
        }
        let linked = self
            .linker
            .instantiate_pre(&component)
            .map_err(|error| refuse(format!("the component cannot be linked: {error:#}")))?;
        Ok(PreparedComponent { linked, file, from_cache })
    }

    fn compile(&self, bytes: &[u8]) -> Result<(Component, bool), Fault> {
        let mut hasher = blake3::Hasher::new();
        for part in [bytes, WASMTIME_VERSION.as_bytes(), CONFIGURATION.as_bytes()] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        let name = format!("{}-component", &hasher.finalize().to_hex()[..32]);
        let mut code = Vec::new();
        if let Some(cache) = &self.cache
            && let Found::Intact(mut file) = cache.get(&name)
            && file.read_to_end(&mut code).is_ok()
            && let Ok(component) = deserialize_component(&self.engine, &code)
        {
            return Ok((component, true));
        }
        let code = self
            .engine
            .precompile_component(bytes)
            .map_err(|error| refuse(format!("the component is not valid: {error:#}")))?;
        // A cache that cannot be written (a full disk) costs speed, nothing else.
        self.cache.as_ref().map(|cache| cache.put(&name, &code));
        let component = deserialize_component(&self.engine, &code).map_err(|error| {
            tracing::error!(error = format!("{error:#}"), "a component that was compiled cannot be read");
            Fault::new(FaultCode::Internal, "the component cannot be compiled")
        })?;
        Ok((component, false))
    }
}

fn refuse(message: String) -> Fault {
    Fault::new(FaultCode::Preparation, message)
}
