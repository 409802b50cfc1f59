//! Splits the engine's core module into code, which imports its memory, and the memory it would have started with.

use anyhow::{Context, Result, bail, ensure};
use wasm_encoder::{EntityType, ImportSection, MemoryType, Module, RawSection};
use wasmparser::{DataKind, ExternalKind, FuncType, Operator, Parser, Payload, TypeRef};

/// Bytes of a WebAssembly page.
pub(crate) const PAGE_BYTES: usize = 64 << 10;

/// The memory import of the code module.
pub(crate) const MEMORY_IMPORT: (&str, &str) = ("belljar", "memory");

/// The global that holds the address of the table of frames.
const FRAMES_EXPORT: &str = "BELLJAR_FRAMES";

pub(crate) struct Split {
    /// The module without data, importing its memory.
    pub(crate) code: Vec<u8>,
    /// Its initial memory, whole pages.
    pub(crate) memory: Vec<u8>,
    /// Size of the machine stack, which lies at the start of memory (`--stack-first`).
    pub(crate) stack_bytes: usize,
    /// Where the table lies that says how to find the JavaScript stack (guest-js/engine/src/frames.rs).
    pub(crate) frames_at: usize,
    /// For the module type in the glue component.
    pub(crate) imports: Vec<(String, String, FuncType)>,
    pub(crate) exports: Vec<(String, Export)>,
}

pub(crate) enum Export {
    Function(FuncType),
    Memory,
    Other,
}

/// The type of a memory that can be any image.
pub(crate) fn memory_type() -> MemoryType {
    MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None }
}

/// # Errors
/// When the module has what splitting does not provide for: a start function, passive data, a second memory, imports other
/// than functions.
pub(crate) fn split(wasm: &[u8]) -> Result<Split> {
    let mut module = Module::new();
    let mut types: Vec<FuncType> = Vec::new();
    let mut function_types: Vec<u32> = Vec::new();
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let (mut memory, mut stack_bytes, mut frames_at) = (Vec::new(), None, None);
    let mut globals: Vec<Option<i32>> = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        match &payload {
            // Names and the component type are not code; with the data gone, so is its count.
            Payload::CustomSection(_) | Payload::DataCountSection { .. } => continue,
            Payload::StartSection { .. } => bail!("the engine has a start function, which would run on every image"),
            Payload::TypeSection(section) => {
                for ty in section.clone().into_iter_err_on_gc_types() {
                    types.push(ty?);
                }
            }
            Payload::ImportSection(section) => {
                let mut out = ImportSection::new();
                for import in section.clone().into_imports() {
                    let import = import?;
                    let TypeRef::Func(ty) = import.ty else {
                        bail!("the engine imports {}.{}, no function", import.module, import.name)
                    };
                    out.import(import.module, import.name, EntityType::Function(ty));
                    function_types.push(ty);
                    imports.push((import.module.to_owned(), import.name.to_owned(), types[ty as usize].clone()));
                }
                // Appended last and of another kind: no function index moves.
                out.import(MEMORY_IMPORT.0, MEMORY_IMPORT.1, EntityType::Memory(memory_type()));
                module.section(&out);
                continue;
            }
            Payload::FunctionSection(section) => {
                for ty in section.clone() {
                    function_types.push(ty?);
                }
            }
            Payload::MemorySection(section) => {
                ensure!(section.count() == 1 && memory.is_empty(), "the engine has not exactly one memory");
                for ty in section.clone() {
                    memory = vec![0; usize::try_from(ty?.initial)? * PAGE_BYTES];
                }
                continue;
            }
            Payload::GlobalSection(section) => {
                for global in section.clone() {
                    globals.push(match global?.init_expr.get_operators_reader().read()? {
                        Operator::I32Const { value } => Some(value),
                        _ => None,
                    });
                }
                // The linker puts the stack pointer first; it starts at the end of the stack.
                let first = globals
                    .first()
                    .context("the engine has no stack pointer")?
                    .context("the stack pointer has no constant start")?;
                stack_bytes = Some(usize::try_from(first)?);
            }
            Payload::ExportSection(section) => {
                for export in section.clone() {
                    let export = export?;
                    if (export.kind, export.name) == (ExternalKind::Global, FRAMES_EXPORT) {
                        let at = globals.get(export.index as usize).copied().flatten();
                        frames_at = Some(at.context("the table of frames has no constant address")? as u32 as usize);
                    }
                    let kind = match export.kind {
                        ExternalKind::Func => {
                            Export::Function(types[function_types[export.index as usize] as usize].clone())
                        }
                        ExternalKind::Memory => Export::Memory,
                        _ => Export::Other,
                    };
                    exports.push((export.name.to_owned(), kind));
                }
            }
            Payload::DataSection(section) => {
                for data in section.clone() {
                    let data = data?;
                    let DataKind::Active { memory_index: 0, offset_expr } = data.kind else {
                        bail!("the engine has passive data")
                    };
                    let Operator::I32Const { value } = offset_expr.get_operators_reader().read()? else {
                        bail!("a data segment has no constant offset")
                    };
                    let start = value as u32 as usize;
                    let place =
                        memory.get_mut(start..start + data.data.len()).context("a data segment lies outside memory")?;
                    place.copy_from_slice(data.data);
                }
                continue;
            }
            _ => {}
        }
        if let Some((id, range)) = payload.as_section() {
            module.section(&RawSection { id, data: &wasm[range] });
        }
    }
    let stack_bytes = stack_bytes.context("the engine has no globals")?;
    ensure!(memory[..stack_bytes].iter().all(|b| *b == 0), "there is data where the stack is: link with --stack-first");
    let frames_at = frames_at.with_context(|| format!("the engine exports no {FRAMES_EXPORT}"))?;
    Ok(Split { code: module.finish(), memory, stack_bytes, frames_at, imports, exports })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(wat: &[u8]) -> Vec<u8> {
        wat.to_vec()
    }

    #[test]
    fn refuses_what_is_no_module() {
        assert!(split(&module(b"\0asm")).is_err());
        assert!(split(b"").is_err());
    }
}
