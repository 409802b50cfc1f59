//! The glue component: the canonical-ABI adapters that wit-component makes around the engine, with the engine's code and an
//! applet's image taken out and imported instead. It is compiled once for all applets.
//!
//! What this relies on, and checks: wit-component emits the engine as the first core module. The image's instance is put before
//! all others, so every core-instance index moves by one; two modules are imported where one was defined, so the index of every
//! other core module moves by one.

use std::borrow::Cow;

use anyhow::{Context, Result, bail, ensure};
use wasm_encoder::{
    Alias, Component, ComponentAliasSection, ComponentImportSection, ComponentTypeRef, CoreTypeSection, EntityType,
    ExportKind, InstanceSection, ModuleArg, ModuleType, RawSection, ValType,
};
use wasmparser::{
    BinaryReader, ComponentAlias, ComponentAliasSectionReader, ExternalKind, Instance, InstanceSectionReader,
};

use super::split::{Export, MEMORY_IMPORT, Split, memory_type};

/// Names under which the host links the two modules.
pub(crate) const CODE_IMPORT: &str = "engine";
pub(crate) const IMAGE_IMPORT: &str = "image";

// Section ids of the component binary format.
const CUSTOM: u8 = 0;
const CORE_MODULE: u8 = 1;
const CORE_INSTANCE: u8 = 2;
const ALIAS: u8 = 6;

/// Turns wit-component's component around the engine into one that imports the engine's code and an image.
pub(crate) fn glue(component: &[u8], split: &Split) -> Result<Vec<u8>> {
    let mut out = Component::new();
    let (mut modules, mut image_placed) = (0, false);
    for section in sections(component)? {
        let (id, data) = section;
        match id {
            CUSTOM => {}
            CORE_MODULE if modules == 0 => {
                modules += 1;
                import_modules(&mut out, split)?;
            }
            CORE_MODULE => {
                modules += 1;
                out.section(&RawSection { id, data });
            }
            CORE_INSTANCE => {
                if !image_placed {
                    let mut image = InstanceSection::new();
                    image.instantiate(1, Vec::<(&str, ModuleArg)>::new());
                    out.section(&image);
                    image_placed = true;
                }
                out.section(&core_instances(data)?);
            }
            ALIAS => {
                out.section(&aliases(data)?);
            }
            _ => {
                out.section(&RawSection { id, data });
            }
        }
    }
    ensure!(modules > 0 && image_placed, "wit-component's output has no core module to take out");
    Ok(out.finish())
}

/// The top-level sections of a component. Nested modules and components stay whole.
fn sections(component: &[u8]) -> Result<Vec<(u8, &[u8])>> {
    let mut reader = BinaryReader::new(component.get(8..).context("a component has a header")?, 8);
    let mut sections = Vec::new();
    while !reader.eof() {
        let id = reader.read_u8()?;
        let bytes = reader.read_var_u32()? as usize;
        sections.push((id, reader.read_bytes(bytes)?));
    }
    Ok(sections)
}

fn import_modules(out: &mut Component, split: &Split) -> Result<()> {
    let mut code = ModuleType::new();
    let mut types = 0;
    let mut function = |code: &mut ModuleType, ty: &wasmparser::FuncType| -> Result<u32> {
        code.ty().function(values(ty.params())?, values(ty.results())?);
        types += 1;
        Ok(types - 1)
    };
    for (module, name, ty) in &split.imports {
        let ty = function(&mut code, ty)?;
        code.import(module, name, EntityType::Function(ty));
    }
    code.import(MEMORY_IMPORT.0, MEMORY_IMPORT.1, EntityType::Memory(memory_type()));
    for (name, export) in &split.exports {
        match export {
            Export::Function(ty) => {
                let ty = function(&mut code, ty)?;
                code.export(name, EntityType::Function(ty));
            }
            Export::Memory => {
                code.export(name, EntityType::Memory(memory_type()));
            }
            Export::Other => {}
        }
    }
    let mut image = ModuleType::new();
    image.export("memory", EntityType::Memory(memory_type()));
    let mut types = CoreTypeSection::new();
    types.ty().module(&code);
    types.ty().module(&image);
    out.section(&types);
    let mut imports = ComponentImportSection::new();
    imports.import(CODE_IMPORT, ComponentTypeRef::Module(0));
    imports.import(IMAGE_IMPORT, ComponentTypeRef::Module(1));
    out.section(&imports);
    Ok(())
}

fn values(types: &[wasmparser::ValType]) -> Result<Vec<ValType>> {
    types
        .iter()
        .map(|ty| ValType::try_from(*ty).map_err(|_| anyhow::anyhow!("{ty} is no type of core WebAssembly")))
        .collect()
}

fn core_instances(data: &[u8]) -> Result<InstanceSection> {
    let mut out = InstanceSection::new();
    for instance in InstanceSectionReader::new(BinaryReader::new(data, 0))? {
        match instance? {
            Instance::Instantiate { module_index, args } => {
                let mut args: Vec<(Cow<'_, str>, ModuleArg)> =
                    args.iter().map(|arg| (arg.name.into(), ModuleArg::Instance(arg.index + 1))).collect();
                if module_index == 0 {
                    args.push((MEMORY_IMPORT.0.into(), ModuleArg::Instance(0)));
                }
                out.instantiate(if module_index == 0 { 0 } else { module_index + 1 }, args);
            }
            Instance::FromExports(exports) => {
                let items = exports.iter().map(|e| Ok((e.name, kind(e.kind)?, e.index))).collect::<Result<Vec<_>>>()?;
                out.export_items(items);
            }
        }
    }
    Ok(out)
}

fn aliases(data: &[u8]) -> Result<ComponentAliasSection> {
    let mut out = ComponentAliasSection::new();
    for alias in ComponentAliasSectionReader::new(BinaryReader::new(data, 0))? {
        match alias? {
            ComponentAlias::CoreInstanceExport { kind: of, instance_index, name } => {
                out.alias(Alias::CoreInstanceExport { instance: instance_index + 1, kind: kind(of)?, name });
            }
            ComponentAlias::InstanceExport { kind, instance_index, name } => {
                out.alias(Alias::InstanceExport { instance: instance_index, kind: kind.into(), name });
            }
            ComponentAlias::Outer { .. } => {
                bail!("wit-component's output has an outer alias, which the glue does not move")
            }
        }
    }
    Ok(out)
}

fn kind(kind: ExternalKind) -> Result<ExportKind> {
    Ok(match kind {
        ExternalKind::Func => ExportKind::Func,
        ExternalKind::Table => ExportKind::Table,
        ExternalKind::Memory => ExportKind::Memory,
        ExternalKind::Global => ExportKind::Global,
        other => bail!("the glue does not know exports of kind {other:?}"),
    })
}
