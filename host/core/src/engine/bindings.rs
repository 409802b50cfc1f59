//! Types and linking that Wasmtime's macro makes from `wit/`.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    unused_qualifications,
    reason = "generated from wit/, which documents it"
)]

wasmtime::component::bindgen!({
    path: "wit",
    world: "applet",
    imports: { default: trappable },
    exports: { default: async },
    // What crosses the boundary is recorded.
    additional_derives: [serde::Serialize, serde::Deserialize],
});
