//! Parts of an experiment that are not the library's: how a configuration names them.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use sottovoce_algorithms::AlgorithmConfig;
use std::borrow::Cow;

/// What tells a part of the program's own from the library's.
const KIND: &str = "custom";

/// A part that the program that runs the experiment brings along, by the name under which it was registered
/// ([`Parts`](crate::Parts)).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Custom {
    /// The name.
    pub name: String,
    /// What it is given.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub parameters: Map<String, Value>,
}

/// A part of the library's, or one of the program's own: `{ kind = "custom", name = "NAME", parameters = { … } }`.
#[derive(Debug, Clone, PartialEq)]
pub enum Part<T> {
    /// The library's.
    Known(T),
    /// The program's.
    Custom(Custom),
}

#[derive(Serialize)]
struct Tagged<'a> {
    kind: &'static str,
    #[serde(flatten)]
    custom: &'a Custom,
}

impl<T> From<T> for Part<T> {
    fn from(known: T) -> Self {
        Self::Known(known)
    }
}

impl Part<AlgorithmConfig> {
    /// What configurations call it.
    pub fn name(&self) -> &str {
        match self {
            Self::Known(known) => known.name(),
            Self::Custom(custom) => &custom.name,
        }
    }
}

impl<T: Default> Default for Part<T> {
    fn default() -> Self {
        Self::Known(T::default())
    }
}

impl<T: Serialize> Serialize for Part<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(part) => part.serialize(serializer),
            Self::Custom(custom) => Tagged { kind: KIND, custom }.serialize(serializer),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Part<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = toml::Table::deserialize(deserializer)?;
        let part = match table.get("kind").and_then(toml::Value::as_str) {
            Some(KIND) => {
                table.remove("kind");
                table.try_into().map(Self::Custom)
            }
            _ => table.try_into().map(Self::Known),
        };
        part.map_err(|e: toml::de::Error| D::Error::custom(e.message()))
    }
}

impl<T: JsonSchema> JsonSchema for Part<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name() + "OrCustom"
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let known = generator.subschema_for::<T>();
        json_schema!({
            "anyOf": [known, {
                "description": "A part of the program's own, by the name that it has registered.",
                "type": "object",
                "properties": {
                    "kind": { "type": "string", "const": KIND },
                    "name": { "description": "The name.", "type": "string" },
                    "parameters": { "description": "What it is given.", "type": "object", "default": {} },
                },
                "required": ["kind", "name"],
                "additionalProperties": false,
            }],
        })
    }
}
