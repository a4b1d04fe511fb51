//! The JSON of `status`, against its schema.

use super::*;
use crate::explain::explained;

#[test]
fn json_is_as_the_schema_says_and_has_every_field_of_it() {
    let text = std::fs::read_to_string(directory("status/schema.json")).expect("a schema");
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    let config = all();
    let empty = Config::default();
    let mut seen = Vec::new();
    let mut snapshots = vec![calm(&config), troubled(&config), calm(&empty)];
    for (_, instance) in explained(&config) {
        let mut snapshot = calm(&config);
        snapshot.instances = vec![instance];
        snapshots.push(snapshot);
    }
    #[cfg(feature = "lvs")]
    let lvs = load(&directory("dumps/lvs.conf"));
    #[cfg(feature = "lvs")]
    snapshots.push(with_services(&lvs));
    for snapshot in &snapshots {
        let json = whole(ctl::status_json::VIEW, snapshot, &style(0)).text;
        let value: Value =
            serde_json::from_str(&json).unwrap_or_else(|why| panic!("{why}: {json}"));
        validate(&schema, &schema, &value, "", &mut seen);
    }
    let mut all = Vec::new();
    fields(&schema, &schema, "", &mut all);
    if cfg!(not(feature = "lvs")) {
        all.retain(|field| !field.starts_with(".virtual_servers[]."));
    }
    let unseen: Vec<_> = all.iter().filter(|field| !seen.contains(field)).collect();
    assert!(unseen.is_empty(), "never written: {unseen:?}");
    let json = whole(ctl::status_json::VIEW, &snapshots[1], &style(0)).text;
    assert!(json.ends_with("}\n") && !json.contains("secret"));
}

/// Follows a reference to a definition.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(path) => root.pointer(&path[1..]).expect("a definition"),
        None => schema,
    }
}

/// A small validator: type, enum, required, properties without others, items, $ref.
fn validate(root: &Value, schema: &Value, value: &Value, at: &str, seen: &mut Vec<String>) {
    let schema = resolve(root, schema);
    if !value.is_null() {
        seen.push(at.to_owned());
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let types: Vec<&str> = match (schema["type"].as_str(), schema["type"].as_array()) {
        (Some(one), _) => vec![one],
        (_, Some(all)) => all.iter().filter_map(Value::as_str).collect(),
        (None, None) => panic!("{at}: no type"),
    };
    let number = kind == "integer" && types.contains(&"number");
    assert!(
        types.contains(&kind) || number,
        "{at}: {value} is not {types:?}"
    );
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        assert!(
            words.contains(value),
            "{at}: {value} is not one of {words:?}"
        );
    }
    if let Value::Array(all) = value {
        for one in all {
            validate(root, &schema["items"], one, &format!("{at}[]"), seen);
        }
    }
    if let Value::Object(object) = value {
        let properties = schema["properties"].as_object().expect("properties");
        let required: Vec<_> = schema["required"]
            .as_array()
            .expect("required")
            .iter()
            .collect();
        for (name, inside) in object {
            let property = properties.get(name);
            let property = property.unwrap_or_else(|| panic!("{at}.{name} is not in the schema"));
            validate(root, property, inside, &format!("{at}.{name}"), seen);
        }
        for name in required {
            let name = name.as_str().expect("a name");
            assert!(object.contains_key(name), "{at}.{name} is missing");
        }
    }
}

/// The paths of all fields.
fn fields(root: &Value, schema: &Value, at: &str, out: &mut Vec<String>) {
    let schema = resolve(root, schema);
    out.push(at.to_owned());
    if let Some(items) = schema.get("items") {
        fields(root, items, &format!("{at}[]"), out);
    }
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (name, inside) in properties {
            fields(root, inside, &format!("{at}.{name}"), out);
        }
    }
}
