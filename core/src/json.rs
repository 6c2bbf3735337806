//! JSON kept as text: what a user gave returns as it came, numbers and member order included.

/// The text without white space outside strings. `json` must be valid JSON.
pub(crate) fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut in_string = false;
    let mut escaped = false;
    for c in json.chars() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if c.is_ascii_whitespace() {
            continue;
        } else {
            in_string = c == '"';
        }
        out.push(c);
    }
    out
}

/// How deep objects and arrays nest. `json` must be valid JSON.
pub(crate) fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    let mut in_string = false;
    let mut escaped = false;
    for byte in json.bytes() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_keeps_strings_and_numbers() {
        let json = "{ \"a b\" : [ 1.00 , \"\\\" x\" ],\n\"c\\\\\": 2 }";
        assert_eq!(compact(json), r#"{"a b":[1.00,"\" x"],"c\\":2}"#);
    }

    #[test]
    fn depth_ignores_strings() {
        assert_eq!(depth(r#"{"a":["[[[["],"b":{"c":[1]}}"#), 3);
        assert_eq!(depth("1"), 0);
    }
}
