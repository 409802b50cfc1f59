//! The list of routes and the document say the same. What each route answers is tried against the real server, in `tests/e2e/server`.

use std::collections::BTreeSet;

use super::routes::{ROUTES, document};

#[test]
fn every_route_is_in_the_document_and_nothing_else() {
    let document = serde_json::to_value(document()).expect("it can be written");
    let paths = document["paths"].as_object().expect("paths");
    let described: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().expect("an object").keys();
            methods
                .filter(|key| ["get", "put", "post", "delete"].contains(&key.as_str()))
                .map(move |method| (method.clone(), path.clone()))
        })
        .collect();
    let served: BTreeSet<(String, String)> =
        ROUTES.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(described, served);
}

#[test]
fn every_reference_leads_somewhere_and_every_answer_has_a_shape() {
    let document = serde_json::to_value(document()).expect("it can be written");
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["components"]["securitySchemes"]["token"]["scheme"], "bearer");
    fn visit(value: &serde_json::Value, document: &serde_json::Value) {
        match value {
            serde_json::Value::Object(map) => {
                if let Some(to) = map.get("$ref").and_then(|to| to.as_str()) {
                    assert!(document.pointer(to.trim_start_matches('#')).is_some(), "{to} leads nowhere");
                }
                map.values().for_each(|value| visit(value, document));
            }
            serde_json::Value::Array(items) => items.iter().for_each(|value| visit(value, document)),
            _ => {}
        }
    }
    visit(&document, &document);
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("an object") {
            let responses = operation["responses"].as_object().unwrap_or_else(|| panic!("{method} {path} has answers"));
            for (status, response) in responses {
                assert!(status == "204" || response["content"].is_object(), "{method} {path} {status} has no shape");
            }
            let summary = operation["summary"].as_str().unwrap_or_default();
            assert!(!summary.is_empty(), "{method} {path} has no summary");
        }
    }
}
