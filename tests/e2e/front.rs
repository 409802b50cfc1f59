//! The public HTTP front over real connections: which handler, who may, how much, and what clients are told; and clients who mean ill.

mod access;
mod assets;
mod bodies;
mod cors;
mod fairness;
mod hostile;
mod quotas;
mod routing;
mod stopping;
mod tls;

use belljar_tests::applet;

/// An applet with these handlers (`name method path`, more keys after a comma), all in one file.
fn package(id: &str, handlers: &[&str], more: &str, main: &str) -> Vec<u8> {
    let handlers: String = handlers
        .iter()
        .map(|handler| {
            let (route, keys) =
                handler.split_once(',').map_or((*handler, String::new()), |(route, keys)| (route, format!(",{keys}")));
            let mut words = route.split(' ');
            let mut word = || words.next().expect("a name, a method and a path");
            format!("  - {{ name: {}, type: http, method: '{}', path: '{}'{keys} }}\n", word(), word(), word())
        })
        .collect();
    applet::package_of(id, &format!("runtime: {{ entrypoint: src/main.ts }}\nhandlers:\n{handlers}{more}"), main)
}
