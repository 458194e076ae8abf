//! The service's own description of itself, written by hand in `openapi.json`.

use serde_json::Value;

const TEXT: &str = include_str!("../openapi.json");

/// The document; under the fault `schema` it says the new field names, as a real build would.
pub fn document(renamed: bool) -> Value {
    let mut document: Value = serde_json::from_str(TEXT).unwrap_or_default();
    if renamed {
        rename(&mut document["components"]["schemas"]["TransformAnswer"], "output", "result");
        rename(&mut document["components"]["schemas"]["InferAnswer"], "outputs", "predictions");
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
