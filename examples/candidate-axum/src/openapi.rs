//! The service's own description of itself, written by hand in `openapi.json`.

use serde_json::{json, Value};

use crate::contract::CHANGED_TOP_K;
use crate::faults::Fault;

const TEXT: &str = include_str!("../openapi.json");

/// The document; under a fault of the contract it says what such a build does, as a real one would.
pub fn document(fault: Fault) -> Value {
    let mut document: Value = serde_json::from_str(TEXT).unwrap_or_default();
    let schemas = &mut document["components"]["schemas"];
    match fault {
        Fault::Schema => {
            rename(&mut schemas["TransformAnswer"], "output", "result");
            rename(&mut schemas["InferAnswer"], "outputs", "predictions");
        }
        Fault::DefaultChanged => {
            schemas["InferQuestion"]["properties"]["top_k"]["default"] = json!(CHANGED_TOP_K);
        }
        Fault::UnknownFieldAccepted => {
            schemas["TransformQuestion"]["additionalProperties"] = json!(true);
            schemas["InferQuestion"]["additionalProperties"] = json!(true);
        }
        _ => (),
    }
    document
}

fn rename(schema: &mut Value, from: &str, to: &str) {
    if let Some(properties) = schema["properties"].as_object_mut() {
        if let Some(property) = properties.remove(from) {
            properties.insert(to.to_owned(), property);
        }
    }
    if let Some(required) = schema["required"].as_array_mut() {
        required.iter_mut().filter(|name| **name == from).for_each(|name| *name = to.into());
    }
}
