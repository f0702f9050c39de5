//! Schemas that refer in circles, to other places, or to themselves exponentially, and values that are hard to check.

use super::{Attack, run};

/// Helm names the chart whose schema it is.
const PLACE: &str = "the schema(s) in the following chart(s):\nc:\n";

/// A chart with a schema, and values.
fn attack(name: &str, schema: impl AsRef<[u8]>, values: &str) -> Attack {
    Attack::template(name, "a: b\n").file("chart/values.schema.json", schema).file("chart/values.yaml", values)
}

/// Definitions of which each refers twice to the next.
fn exponential(keyword: &str, levels: usize) -> String {
    let mut definitions = String::from(r#""a0": {"type": "string"}"#);
    for level in 1..levels {
        let reference = format!(r##"{{"$ref": "#/definitions/a{}"}}"##, level - 1);
        definitions.push_str(&format!(r#", "a{level}": {{"{keyword}": [{reference}, {reference}]}}"#));
    }
    format!(r##"{{"definitions": {{{definitions}}}, "$ref": "#/definitions/a{}"}}"##, levels - 1)
}

#[test]
fn hostile_references() {
    let draft = r#""$schema": "https://json-schema.org/draft/2020-12/schema""#;
    let refused = "error loading ";
    run(vec![
        attack("a remote reference", r#"{"$ref": "http://127.0.0.1:1/s.json"}"#, "{}").fails([refused]),
        attack("a remote reference by TLS", r#"{"$ref": "https://example.invalid/s.json"}"#, "{}").fails([refused]),
        attack("a reference to a file", r#"{"$ref": "file:///etc/passwd"}"#, "{}").fails([refused]),
        attack("a reference to a device", r#"{"$ref": "file:///dev/zero"}"#, "{}").fails([refused]),
        attack("a reference to a file beside it", r#"{"$ref": "other.json"}"#, "{}").fails([refused]).file("chart/other.json", "true"),
        attack("a reference by path", r#"{"$ref": "../../../etc/passwd"}"#, "{}").fails([refused]),
        attack("a remote meta-schema", r#"{"$schema": "http://127.0.0.1:1/s.json"}"#, "{}").fails([refused]),
        attack("a remote identifier", r#"{"$id": "http://127.0.0.1:1/s.json", "$ref": "x.json"}"#, "{}").fails([refused]),
        attack("a remote dynamic reference", format!(r#"{{{draft}, "$dynamicRef": "http://127.0.0.1:1/s.json"}}"#), "{}").fails([refused]),
        attack("a reference of another scheme", r#"{"$ref": "gopher://127.0.0.1:1/s"}"#, "{}").fails([refused]),
        attack("terminal escapes in a reference", "{\"$ref\": \"http://a/\\u001b[2J\"}", "{}").fails([PLACE]),
        attack("a reference of a megabyte", format!(r#"{{"$ref": "http://a/{}"}}"#, "x".repeat(1 << 20)), "{}").fails([PLACE]),
        attack("a reference to nothing", r##"{"$ref": "#/nowhere"}"##, "{}").fails([PLACE]),
        attack("a reference to itself", r##"{"$ref": "#"}"##, "a: 1").fails([PLACE]),
        attack("references in a ring", r##"{"definitions": {"a": {"$ref": "#/definitions/b"}, "b": {"$ref": "#/definitions/a"}}, "$ref": "#/definitions/a"}"##, "a: 1").fails([PLACE]),
        attack("a ring through allOf", r##"{"allOf": [{"$ref": "#"}]}"##, "a: 1").fails([PLACE]),
        attack("a ring through not", r##"{"not": {"$ref": "#"}}"##, "a: 1"),
        attack("a ring through if", r##"{"if": {"$ref": "#"}, "then": {"$ref": "#"}}"##, "a: 1"),
        attack("a dynamic reference to itself", format!(r##"{{{draft}, "$dynamicAnchor": "a", "$dynamicRef": "#a"}}"##), "a: 1").fails([PLACE]),
        attack("a recursive reference to itself", r##"{"$schema": "https://json-schema.org/draft/2019-09/schema", "$recursiveAnchor": true, "$recursiveRef": "#"}"##, "a: 1").fails([PLACE]),
        attack("dynamic references in a ring", format!(r##"{{{draft}, "$dynamicAnchor": "a", "$defs": {{"b": {{"$id": "b", "$dynamicAnchor": "a", "$dynamicRef": "#a"}}}}, "$ref": "b"}}"##), "a: 1").fails([PLACE]),
        attack("a recursive schema of deep values", r##"{"additionalProperties": {"$ref": "#"}}"##, &format!("{}x{}", "{a: ".repeat(90), "}".repeat(90))),
        attack("exponential allOf", exponential("allOf", 40), "a: 1").fails([PLACE]),
        attack("exponential anyOf", exponential("anyOf", 40), "a: 1").fails([PLACE]),
        attack("exponential oneOf", exponential("oneOf", 40), "a: 1").fails([PLACE]),
        attack("exponential not", exponential("anyOf", 40).replace("anyOf\": [", "not\": {\"anyOf\": [").replace("}]}", "}]}}"), "a: 1").fails([PLACE]),
    ]);
}

#[test]
fn hostile_schemas() {
    let nested = |open: &str, close: &str, n: usize| format!("{}{{}}{}", open.repeat(n), close.repeat(n));
    let wide: String = (0..20_000).map(|n| format!(r#""a{n}": {{"type": "string"}}, "#)).collect();
    let many: String = (0..20_000).map(|n| format!("a{n}: {n}\n")).collect();
    let few: String = (0..1_000).map(|n| format!("a{n}: {n}\n")).collect();
    let list = |n: usize| format!("a: [{}]", (0..n).map(|n| format!("{{n: {n}}}, ")).collect::<String>());
    let pattern = |pattern: &str| format!(r#"{{"properties": {{"a": {{"pattern": "{pattern}"}}}}}}"#);
    let text = format!("a: {}", "a".repeat(100_000));
    run(vec![
        attack("a schema that is no JSON", "{{{{", "{}").fails([PLACE]),
        attack("a schema that is no schema", "[1, 2]", "{}").fails([PLACE]),
        attack("an empty schema", "", "{}").fails([PLACE]),
        attack("a schema of brackets", "[".repeat(1_000_000), "{}").fails([PLACE]),
        attack("a schema nested a hundred thousand times", nested(r#"{"properties": {"a": "#, "}}", 100_000), "{}").fails([PLACE]),
        attack("a schema nested in not", nested(r#"{"not": "#, "}", 100_000), "{}").fails([PLACE]),
        attack("a schema nested a thousand times", nested(r#"{"properties": {"a": "#, "}}", 1_000), "{}").fails([PLACE]),
        attack("a schema of twenty thousand properties", format!(r#"{{"properties": {{{wide} "z": {{}}}}}}"#), &many).fails([PLACE]),
        attack("a schema that forbids twenty thousand values", r#"{"additionalProperties": false}"#, &many).fails([PLACE]),
        attack("a schema that requires twenty thousand values", format!(r#"{{"required": [{} "z"]}}"#, (0..20_000).map(|n| format!("\"a{n}\", ")).collect::<String>()), "{}").fails([PLACE]),
        attack("an enumeration of twenty thousand", format!(r#"{{"properties": {{"a": {{"enum": [{} 0]}}}}}}"#, (0..20_000).map(|n| format!("\"a{n}\", ")).collect::<String>()), "a: x").fails([PLACE]),
        attack("unique items of a large list", r#"{"properties": {"a": {"uniqueItems": true}}}"#, &list(5_000)),
        attack("unique items of equal long texts", r#"{"properties": {"a": {"uniqueItems": true}}}"#, &format!("a: [{}]", format!("{}, ", "x".repeat(1_000)).repeat(2_000))).fails([PLACE]),
        attack("contains in a large list", r#"{"properties": {"a": {"contains": {"properties": {"n": {"const": -1}}, "required": ["n"]}}}}"#, &list(5_000)).fails([PLACE]),
        attack("a pattern that goes back and forth", pattern("^(a+)+$"), &format!("{text}!")).fails([PLACE]),
        attack("a pattern of alternatives", pattern("^(a|aa)+$"), &format!("{text}!")).fails([PLACE]),
        attack("a pattern that repeats repetitions", pattern("((((a{100}){100}){100}){100})"), "a: a").fails([PLACE]),
        attack("a pattern of a hundred thousand repetitions", pattern("a{100000}"), "a: a").fails([PLACE]),
        attack("a pattern of nested groups", pattern(&format!("{}{}", "(".repeat(100_000), ")".repeat(100_000))), "a: a").fails([PLACE]),
        attack("a pattern of large classes", pattern(&r"[\\p{L}\\p{N}]{900}".repeat(20)), "a: a").fails([PLACE]),
        attack("many patterns for names", format!(r#"{{"patternProperties": {{{} "z": {{}}}}}}"#, (0..2_000).map(|n| format!(r#""^(a+)+{n}$": {{}}, "#)).collect::<String>()), "a: 1"),
        attack("a multiple of next to nothing", r#"{"properties": {"a": {"multipleOf": 1e-308}}}"#, "a: 1e308").fails([PLACE]),
        attack("a number of a megabyte", format!(r#"{{"properties": {{"a": {{"maximum": {}}}}}}}"#, "1".repeat(1 << 20)), "a: 1").fails([PLACE]),
        attack("a number with a large exponent", r#"{"properties": {"a": {"maximum": 1e999999999}}}"#, "a: 1").fails([PLACE]),
        attack("a multiple of a large exponent", r#"{"properties": {"a": {"multipleOf": 1e-99999999}}}"#, "a: 1").fails([PLACE]),
        attack("a length of more than there is", r#"{"properties": {"a": {"minLength": 1e300}}}"#, "a: x").fails([PLACE]),
        attack("a negative length", r#"{"properties": {"a": {"maxLength": -1}}}"#, "a: x").fails([PLACE]),
        attack("a title of a megabyte", format!(r#"{{"type": "string", "title": "{}"}}"#, "x".repeat(1 << 20)), "{}").fails([PLACE]),
        attack("a property of a megabyte", format!(r#"{{"required": ["{}"]}}"#, "x".repeat(1 << 20)), "{}").fails([PLACE]),
        attack("terminal escapes in a property", r#"{"required": ["\u001b[2J"]}"#, "{}").fails([PLACE]),
        attack("terminal escapes in a value", r#"{"properties": {"a": {"enum": ["x"]}}}"#, "a: \"\\e[2J\"").fails([PLACE]),
        attack("terminal escapes in a pattern", r#"{"properties": {"a": {"pattern": "\u001b[2J("}}}"#, "a: b").fails([PLACE]),
        attack("terminal escapes in a format", r#"{"properties": {"a": {"format": "date-time"}}}"#, "a: \"\\e[2J\""),
        attack("unevaluated properties at every level", format!(r#"{{"$schema": "https://json-schema.org/draft/2020-12/schema", "allOf": [{} true], "unevaluatedProperties": false}}"#, r#"{"anyOf": [true, {"unevaluatedProperties": false}]}, "#.repeat(1_000)), &few).fails([PLACE]),
    ]);
}
