//! Legacy's reading of a body, field by field, for the requests that serde refuses.
//!
//! Legacy validates with pydantic, whose parser is the crate `jiter`: the same one is used here,
//! so that both draw the line between malformed and wrong at the same byte (`NaN` is read, and
//! refused as a number; nesting ends at 200; integers may be long).

use std::borrow::Cow;
use std::ops::RangeInclusive;

use jiter::{JsonObject, JsonValue};

use crate::contract::{MAX_MAGNITUDE, MAX_MODEL_CHARS, MAX_VALUES, TEMPERATURE, TOP_K};
use crate::refusal::Refusal;

const FIELD_NAME_CHARS: usize = 64;

/// A JSON object whose repeated keys mean their last value.
pub struct Object<'a>(JsonObject<'a>);

impl<'a> Object<'a> {
    pub fn parse(raw: &'a [u8]) -> Result<Self, Refusal> {
        match JsonValue::parse(raw, true) {
            Ok(JsonValue::Object(object)) => Ok(Self(object)),
            Ok(_) => Err(Refusal::not_an_object()),
            Err(_) => Err(Refusal::malformed_json()),
        }
    }

    pub fn model(&self, name: &str) -> Result<String, Refusal> {
        let JsonValue::Str(text) = self.required(name)? else {
            return Err(wrong_type(name, "must be a string"));
        };
        if (1..=MAX_MODEL_CHARS).contains(&text.chars().count()) {
            return Ok(text.clone().into_owned());
        }
        Err(out_of_range(name, "must be 1 to 64 characters long"))
    }

    pub fn values(&self, name: &str) -> Result<Vec<f64>, Refusal> {
        let JsonValue::Array(items) = self.required(name)? else {
            return Err(wrong_type(name, "must be an array"));
        };
        let limits = -MAX_MAGNITUDE..=MAX_MAGNITUDE;
        let words = "must be between -1000000000 and 1000000000";
        let read = |(index, item)| number(item, &format!("{name}[{index}]"), &limits, words);
        let values = items.iter().take(MAX_VALUES).enumerate().map(read);
        let values: Vec<f64> = values.collect::<Result<_, _>>()?;
        if items.len() > MAX_VALUES {
            let words = format!("must hold at most {MAX_VALUES} values");
            return Err(Refusal::field("too_many_values", name.into(), &words));
        }
        if values.is_empty() {
            let words = "must hold at least 1 value";
            return Err(Refusal::field("too_few_values", name.into(), words));
        }
        Ok(values)
    }

    pub fn top_k(&self, name: &str) -> Result<Option<i64>, Refusal> {
        match self.last(name) {
            None => Ok(None),
            Some(JsonValue::Int(value)) if TOP_K.contains(value) => Ok(Some(*value)),
            Some(JsonValue::Int(_) | JsonValue::BigInt(_)) => {
                Err(out_of_range(name, "must be between 1 and 1000"))
            }
            Some(_) => Err(wrong_type(name, "must be an integer")),
        }
    }

    pub fn temperature(&self, name: &str) -> Result<Option<f64>, Refusal> {
        let words = "must be between 0.01 and 100";
        self.last(name).map(|value| number(value, name, &TEMPERATURE, words)).transpose()
    }

    /// Refuse the first field that is none of `known`.
    pub fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        let mut names = self.0.iter().map(|(name, _)| name);
        match names.find(|name| !known.contains(&name.as_ref())) {
            Some(name) => {
                let name: String = name.chars().take(FIELD_NAME_CHARS).collect();
                Err(Refusal::field("unknown_field", name, "is not a known field"))
            }
            None => Ok(()),
        }
    }

    fn required(&self, name: &str) -> Result<&JsonValue<'a>, Refusal> {
        let missing = || Refusal::field("missing_field", name.into(), "is required");
        self.last(name).ok_or_else(missing)
    }

    fn last(&self, name: &str) -> Option<&JsonValue<'a>> {
        let named = |(key, _): &&(Cow<'a, str>, JsonValue<'a>)| key == name;
        self.0.iter().rev().find(named).map(|(_, value)| value)
    }
}

fn number(
    value: &JsonValue,
    field: &str,
    limits: &RangeInclusive<f64>,
    words: &str,
) -> Result<f64, Refusal> {
    #[allow(clippy::cast_precision_loss)] // as legacy: an integer is read as the nearest float
    let number = match value {
        JsonValue::Int(value) => *value as f64,
        JsonValue::BigInt(value) => value.to_string().parse().unwrap_or(f64::INFINITY),
        JsonValue::Float(value) => *value,
        _ => return Err(wrong_type(field, "must be a number")),
    };
    if !number.is_finite() {
        return Err(Refusal::field("not_finite", field.into(), "must be a finite number"));
    }
    if limits.contains(&number) {
        return Ok(number);
    }
    Err(out_of_range(field, words))
}

fn wrong_type(field: &str, words: &str) -> Refusal {
    Refusal::field("wrong_type", field.into(), words)
}

fn out_of_range(field: &str, words: &str) -> Refusal {
    Refusal::field("out_of_range", field.into(), words)
}
