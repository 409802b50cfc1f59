//! What `wit/component` says and what is linked are the same; what a component cannot have is told.

use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{ManglingAndAbi, Resolve};

use super::Components;
use crate::floor::fault::FaultCode;

fn components() -> Components {
    Components::new(1, 1, None).expect("the engine can be configured")
}

/// A component of the world with some imports more, which does nothing.
fn dummy(more: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let (package, _) =
        resolve.push_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/wit/component")).expect("the interfaces can be read");
    let mut world = resolve.select_world(&[package], Some("applet")).expect("there is a world");
    if !more.is_empty() {
        let strange = resolve.push_str("strange.wit", more).expect("it can be read");
        world = resolve.select_world(&[strange], None).expect("there is one world");
    }
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Standard32);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("it can be embedded");
    ComponentEncoder::default().module(&module).expect("it is a module").encode().expect("it becomes a component")
}

#[test]
fn every_function_of_the_world_is_linked_with_its_type() {
    if let Err(fault) = components().link(&dummy(""), "applet.wasm".into()) {
        panic!("{fault}");
    }
}

#[test]
fn what_there_is_not_is_named() {
    let refused = |bytes: &[u8]| match components().link(bytes, "applet.wasm".into()) {
        Ok(_) => panic!("it should be refused"),
        Err(fault) => {
            assert_eq!(fault.code, FaultCode::Preparation);
            fault.message
        }
    };
    let with = |interface: &str| {
        let text = format!(
            "package acme:strange@1.0.0;\ninterface files {{ {interface} }}\nworld strange {{ include belljar:component/applet@0.1.0; import files; }}"
        );
        refused(&dummy(&text))
    };
    assert!(with("open: func(path: string);").contains("acme:strange/files@1.0.0"));
    let text = |text: &str| refused(&wat::parse_str(text).expect("it parses"));
    assert!(text("(component)").contains("exports no function `handle`"));
    assert!(text("(module)").contains("is not valid"));
    let importing = text(
        r#"(component (import "m" (core module $given)) (core instance (instantiate $given))
            (core module $m (func (export "f"))) (core instance $i (instantiate $m)) (func (export "handle") (canon lift (core func $i "f"))))"#,
    );
    assert!(importing.contains("core modules"), "{importing}");
    assert!(refused(b"no WebAssembly").contains("is not valid"));
}
