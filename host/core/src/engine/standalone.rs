//! An applet as one component that any embedder of Wasmtime can run: the glue, with the engine's code and the applet's image in the places
//! where it imports them. Nothing else changes, so it exports `start` and `resume`, and imports the interfaces of `wit/` and nothing else.

use wasm_encoder::{ComponentImportSection, ComponentTypeRef, Encode};

use super::image;
use super::prepare::Source;
use super::sandbox::Sandbox;
use crate::floor::fault::{Fault, FaultCode};
use crate::positions::{BUNDLE, Positions};

// Section ids of the component binary format.
const CORE_MODULE: u8 = 1;
const IMPORT: u8 = 10;
/// Magic number and version.
const HEADER_BYTES: usize = 8;

impl Sandbox {
    /// The applet with its engine.
    ///
    /// # Errors
    /// Those of preparing it; its top-level code runs for this.
    pub(crate) async fn standalone(&self, source: Source<'_>) -> Result<Vec<u8>, Fault> {
        let positions = Positions::new(BUNDLE, source.source_map);
        let (memory, _) = self.evaluate_top_level(&source, &positions).await?;
        let record = &self.artifact.record;
        let mut imports = ComponentImportSection::new();
        imports.import(&record.code_import, ComponentTypeRef::Module(0));
        imports.import(&record.image_import, ComponentTypeRef::Module(1));
        let fused = fuse(self.artifact.glue, &imports, &[self.artifact.code, &image::module(&memory)]);
        fused.ok_or_else(|| Fault::new(FaultCode::Internal, "the engine's glue is not what its build makes"))
    }
}

/// Puts `modules` in the place of the section `imports` of a component. Imported and embedded modules are counted in one index space, in the
/// order of their sections, so that no index moves.
fn fuse(component: &[u8], imports: &ComponentImportSection, modules: &[&[u8]]) -> Option<Vec<u8>> {
    let mut wanted = vec![IMPORT];
    imports.encode(&mut wanted);
    let mut out = component.get(..HEADER_BYTES)?.to_vec();
    let (mut rest, mut found) = (&component[HEADER_BYTES..], false);
    while !rest.is_empty() {
        let (section, after) = split_section(rest)?;
        rest = after;
        if section != wanted {
            out.extend_from_slice(section);
            continue;
        }
        found = true;
        for module in modules {
            out.push(CORE_MODULE);
            // As bytes with their length before them.
            module.encode(&mut out);
        }
    }
    found.then_some(out)
}

/// The first section, and what comes after it.
fn split_section(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut length, mut at) = (0_usize, 1);
    for shift in (0..35).step_by(7) {
        let byte = *bytes.get(at)?;
        at += 1;
        length |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return bytes.split_at_checked(at.checked_add(length)?);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_take_the_place_of_their_imports() {
        let text = r#"(component
            (core type (module (export "f" (func (result i32)))))
            (import "one" (core module (type 0)))
            (core module $two (import "a" "f" (func (result i32))) (func (export "g") (result i32) call 0))
            (core instance $a (instantiate 0))
            (core instance $b (instantiate $two (with "a" (instance $a))))
            (func (export "g") (result s32) (canon lift (core func $b "g"))))"#;
        let component = wat::parse_str(text).expect("it parses");
        let mut imports = ComponentImportSection::new();
        imports.import("one", ComponentTypeRef::Module(0));
        let module = wat::parse_str(r#"(module (func (export "f") (result i32) i32.const 7))"#).expect("it parses");
        let fused = fuse(&component, &imports, &[&module]).expect("the import is there");
        let engine = wasmtime::Engine::default();
        let fused = wasmtime::component::Component::new(&engine, fused).expect("it is valid");
        assert_eq!(fused.component_type().imports(&engine).count(), 0);
        let mut store = wasmtime::Store::new(&engine, ());
        let instance = wasmtime::component::Linker::new(&engine).instantiate(&mut store, &fused).expect("it starts");
        let g = instance.get_typed_func::<(), (i32,)>(&mut store, "g").expect("it is exported");
        assert_eq!(g.call(&mut store, ()).expect("it answers"), (7,));
        assert!(fuse(&component, &ComponentImportSection::new(), &[&module]).is_none(), "there is no such section");
        assert!(fuse(&component[..component.len() - 1], &imports, &[]).is_none(), "the last section is cut off");
        assert!(fuse(b"\0asm", &imports, &[]).is_none());
    }
}
