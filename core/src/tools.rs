//! The tools a thread was started with.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::rollout::Word;
use crate::{Error, Result, json, limits};

/// One dynamic tool, or a named group of them, as the agent declared it.
///
/// It is kept as the exact JSON text, so that schemas come back with their numbers and member
/// order; the usual members are read on demand.
///
/// ```
/// use threadkeep_core::DynamicToolSpec;
///
/// let tool = DynamicToolSpec::from_json(
///     r#"{"name":"ticket","description":"Open a ticket","inputSchema":{"type":"object"}}"#,
/// )?;
/// assert_eq!(tool.name(), "ticket");
/// assert_eq!(tool.input_schema().as_deref(), Some(r#"{"type":"object"}"#));
/// # Ok::<(), threadkeep_core::Error>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DynamicToolSpec(Box<RawValue>);

#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    name: Option<Word<'a>>,
    #[serde(borrow)]
    description: Option<Word<'a>>,
    #[serde(borrow, alias = "inputSchema")]
    input_schema: Option<&'a RawValue>,
    #[serde(alias = "deferLoading")]
    defer_loading: Option<bool>,
    #[serde(default)]
    tools: Option<Vec<DynamicToolSpec>>,
}

impl DynamicToolSpec {
    /// A tool from its JSON object.
    ///
    /// Fails with [`InvalidInput`](crate::ErrorKind::InvalidInput) where the text is not a JSON
    /// object with a `name`, is longer than [`limits::TOOL_BYTES`] or nests deeper than
    /// [`limits::TOOL_DEPTH`].
    pub fn from_json(text: impl Into<String>) -> Result<Self> {
        let raw = RawValue::from_string(text.into())
            .map_err(|error| Error::invalid_input("a tool is not valid JSON").with_source(error))?;
        let tool = Self(raw);
        tool.validate()?;
        Ok(tool)
    }

    /// A function with a JSON schema for its input.
    pub fn function(name: &str, description: &str, input_schema: &str) -> Result<Self> {
        let schema: &RawValue = serde_json::from_str(input_schema).map_err(|error| {
            Error::invalid_input(format!("the schema of tool {name:?} is not valid JSON"))
                .with_source(error)
        })?;
        let quote = |text: &str| serde_json::Value::from(text).to_string();
        Self::from_json(format!(
            "{{\"name\":{},\"description\":{},\"inputSchema\":{schema}}}",
            quote(name),
            quote(description)
        ))
    }

    /// The JSON as it came.
    pub fn json(&self) -> &str {
        self.0.get()
    }

    /// The tool's name; empty only in a value that was never validated.
    pub fn name(&self) -> Cow<'_, str> {
        self.members().and_then(|members| members.name).unwrap_or_default().0
    }

    /// What the tool is for.
    pub fn description(&self) -> Option<Cow<'_, str>> {
        self.members()?.description.map(|text| text.0)
    }

    /// The exact JSON text of the input's schema (`inputSchema` or `input_schema`).
    pub fn input_schema(&self) -> Option<Cow<'_, str>> {
        self.members()?.input_schema.map(|raw| Cow::Borrowed(raw.get()))
    }

    /// Whether the agent loads the tool only when it is asked for.
    pub fn defer_loading(&self) -> bool {
        self.members().and_then(|members| members.defer_loading).unwrap_or(false)
    }

    /// The members of a namespace; empty for a function.
    pub fn tools(&self) -> Vec<Self> {
        self.members().and_then(|members| members.tools).unwrap_or_default()
    }

    fn members(&self) -> Option<Members<'_>> {
        serde_json::from_str(self.json()).ok()
    }

    /// Checks the limits and that there is a name.
    pub(crate) fn validate(&self) -> Result<()> {
        // Size and depth first: they bound the work of everything after them.
        limits::check("a tool", self.json().len(), limits::TOOL_BYTES, "bytes of JSON")?;
        limits::check("a tool", json::depth(self.json()), limits::TOOL_DEPTH, "levels of JSON")?;
        // Members would be read from an array too, by position.
        if !self.json().trim_start().starts_with('{') {
            return Err(Error::invalid_input("a tool is not a JSON object"));
        }
        match serde_json::from_str::<Members<'_>>(self.json()) {
            Ok(members) if members.name.as_ref().is_some_and(|name| !name.0.is_empty()) => Ok(()),
            Ok(_) => Err(Error::invalid_input("a tool has no name")),
            Err(error) => {
                Err(Error::invalid_input("a tool is not a JSON object of the known shape")
                    .with_source(error))
            }
        }
    }
}

/// Tools are equal when their JSON texts are.
impl PartialEq for DynamicToolSpec {
    fn eq(&self, other: &Self) -> bool {
        self.json() == other.json()
    }
}

impl Eq for DynamicToolSpec {}

/// Checks a thread's whole list.
pub(crate) fn validate(tools: &[DynamicToolSpec]) -> Result<()> {
    limits::check("a thread", tools.len(), limits::TOOLS, "tools")?;
    tools.iter().try_for_each(DynamicToolSpec::validate)
}

/// The stored form of a thread's list: a JSON array of the exact texts.
pub fn encode(tools: &[DynamicToolSpec]) -> String {
    let mut text = String::from("[");
    for (index, tool) in tools.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(tool.json());
    }
    text.push(']');
    text
}

/// Reads what [`encode`] wrote; [`Corrupted`](crate::ErrorKind::Corrupted) for anything else.
pub fn decode(text: &str) -> Result<Vec<DynamicToolSpec>> {
    serde_json::from_str(text).map_err(|error| {
        Error::new(crate::ErrorKind::Corrupted, "a stored tool list is not valid JSON")
            .with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_returns_as_it_came() {
        let text =
            r#"{"b":1.00, "name":"n\udc00","a":[1e400,-0.0,"\ud83d"],"description":"\ud83d"}"#;
        let tool = DynamicToolSpec::from_json(text).unwrap();
        assert_eq!(tool.json(), text);
        assert_eq!(tool.name(), "n\u{FFFD}");
        assert_eq!(decode(&encode(std::slice::from_ref(&tool))).unwrap(), [tool]);
    }

    #[test]
    fn limits_hold_before_parsing() {
        let deep = format!(r#"{{"name":"n","x":{}{}}}"#, "[".repeat(128), "]".repeat(128));
        let error = DynamicToolSpec::from_json(deep).unwrap_err();
        assert!(error.to_string().contains("129 levels"), "{error}");
        let error = DynamicToolSpec::from_json("[1]").unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_namespace_lists_its_tools() {
        let text =
            r#"{"type":"namespace","name":"app","tools":[{"name":"a","deferLoading":true}]}"#;
        let tools = DynamicToolSpec::from_json(text).unwrap().tools();
        assert_eq!(tools.len(), 1);
        assert!(tools[0].defer_loading());
    }
}
