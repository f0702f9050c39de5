//! The words of santhosh-tekuri/jsonschema v6, which Helm prints (its `output.go` and `kind/kind.go`).

use boon::{CompileError, ErrorKind, InstanceToken, Type, ValidationError};

use super::path::combinations;
use super::patterns;
use crate::value::Json;
use crate::yaml::{number, quote};

/// The violations, one a line with their place, causes indented under what they caused.
pub fn violations(schema: &Json, error: &ValidationError<'_, '_>) -> String {
    let mut report = Report { schema, text: String::new() };
    for cause in &error.causes {
        report.write(cause, error, 0);
    }
    report.text
}

struct Report<'s> {
    schema: &'s Json,
    text: String,
}

impl Report<'_> {
    fn write(&mut self, error: &ValidationError<'_, '_>, above: &ValidationError<'_, '_>, mut indent: usize) {
        let tokens = &error.instance_location.tokens;
        let written = usize::from(matches!(above.kind, ErrorKind::AllOf | ErrorKind::AnyOf | ErrorKind::OneOf(_)));
        for combination in combinations(location(above), error.schema_url).into_iter().skip(written) {
            let message = match combination.keyword {
                "oneOf" => "'oneOf' failed, none matched".to_owned(),
                keyword => format!("'{keyword}' failed"),
            };
            let depth = tokens.len().saturating_sub(combination.steps_below);
            self.line(indent, &pointer(&tokens[..depth]), &message);
            indent += 1;
        }
        if error.causes.len() != 1 || !matches!(error.kind, ErrorKind::Reference { .. }) {
            let place = match &error.kind {
                // The library does not say where the names are.
                ErrorKind::PropertyName { prop } => patterns::place(self.schema, prop),
                _ => None,
            };
            self.line(indent, place.as_deref().unwrap_or(&pointer(tokens)), &kind(error));
            indent += 1;
        }
        for cause in &error.causes {
            self.write(cause, error, indent);
        }
    }

    fn line(&mut self, indent: usize, place: &str, message: &str) {
        let place = quoted(place);
        self.text.push_str(&format!("{}- at {place}: {message}\n", "  ".repeat(indent)));
    }
}

/// Where in the schemas an error's causes are looked for: behind a reference, or in its own schema.
fn location<'s>(error: &ValidationError<'s, '_>) -> &'s str {
    match error.kind {
        ErrorKind::Reference { url, .. } => url,
        _ => error.schema_url,
    }
}

/// Why a schema is unusable. The library's own words differ by cause; the place is what helps.
pub fn compile_error(schema: &Json, error: &CompileError) -> String {
    match error {
        CompileError::ValidationError { url, src } => {
            let url = if url.contains('#') { url.clone() } else { format!("{url}#") };
            let head = kind(src);
            let violations = violations(schema, src);
            format!("{} is not valid against metaschema: {head}\n{}", quote::quote(&url), violations.trim_end())
        }
        CompileError::InvalidRegex { url, regex, src } => {
            let refusal = patterns::refusal(regex).unwrap_or_else(|| src.to_string());
            format!("invalid regex {} at {}: {refusal}", quote::quote(&patterns::written(regex)), quote::quote(url))
        }
        CompileError::JsonPointerNotFound(pointer) => format!("json-pointer in {} not found", quote::quote(pointer)),
        // A pattern that is a regular expression but too large to compile is a bug to the library.
        CompileError::Bug(cause) => format!("values.schema.json cannot be compiled: {cause}"),
        other => other.to_string(),
    }
}

fn pointer(tokens: &[InstanceToken<'_>]) -> String {
    tokens.iter().fold(String::new(), |mut text, token| {
        text.push('/');
        match token {
            InstanceToken::Prop(name) => text.push_str(&patterns::token(name)),
            InstanceToken::Item(index) => text.push_str(&index.to_string()),
        }
        text
    })
}

fn kind(error: &ValidationError<'_, '_>) -> String {
    match &error.kind {
        ErrorKind::Group | ErrorKind::Reference { .. } => "validation failed".to_owned(),
        ErrorKind::Schema { url } => format!("jsonschema validation failed with {}", quoted(url)),
        ErrorKind::ContentSchema => "'contentSchema' failed".to_owned(),
        ErrorKind::PropertyName { prop } => format!("invalid propertyName {}", quoted(&patterns::written(prop))),
        ErrorKind::RefCycle { url, kw_loc1, kw_loc2 } => {
            format!("both {kw_loc1} and {kw_loc2} resolve to {} causing reference cycle", quote::quote(url))
        }
        ErrorKind::FalseSchema => "false schema".to_owned(),
        ErrorKind::Type { got, want } => {
            let want: Vec<String> = want.iter().map(|wanted: Type| wanted.to_string()).collect();
            format!("got {got}, want {}", want.join(" or "))
        }
        ErrorKind::Enum { want } => allowed(want),
        ErrorKind::Const { want: Json::Array(_) | Json::Object(_) } => "'const' failed".to_owned(),
        ErrorKind::Const { want } => format!("value must be {}", display(want)),
        ErrorKind::Format { got, want, err } if *want == "regex" || *want == patterns::FORMAT.name => {
            let pattern = got.as_str().unwrap_or_default();
            let refusal = patterns::refusal(pattern).unwrap_or_else(|| err.to_string());
            format!("{} is not valid regex: {refusal}", quoted(&patterns::written(pattern)))
        }
        ErrorKind::Format { got, want, err } => format!("{} is not valid {want}: {err}", display(got)),
        ErrorKind::Pattern { got, want } => {
            format!("{} does not match pattern {}", quoted(got), quoted(&patterns::written(want)))
        }
        ErrorKind::AdditionalProperties { got } => {
            format!("additional properties {} not allowed", joined(got.iter().map(AsRef::as_ref)))
        }
        ErrorKind::Required { want } if want.len() == 1 => format!("missing property {}", quoted(want[0])),
        ErrorKind::Required { want } => format!("missing properties {}", joined(want.iter().copied())),
        ErrorKind::Dependency { prop, missing } | ErrorKind::DependentRequired { prop, missing } => {
            format!("properties {} required, if {} exists", joined(missing.iter().copied()), quoted(prop))
        }
        ErrorKind::ContentEncoding { want, err } => format!("value is not {} encoded: {err}", quoted(want)),
        ErrorKind::ContentMediaType { want, err, .. } => format!("value is not of mediatype {}: {err}", quoted(want)),
        ErrorKind::Not => "'not' failed".to_owned(),
        ErrorKind::AllOf => "'allOf' failed".to_owned(),
        ErrorKind::AnyOf => "'anyOf' failed".to_owned(),
        ErrorKind::OneOf(None) => "'oneOf' failed, none matched".to_owned(),
        ErrorKind::OneOf(Some((first, second))) => {
            format!("'oneOf' failed, subschemas {first}, {second} matched")
        }
        other => amount(other),
    }
}

/// The violations of bounds.
fn amount(kind: &ErrorKind<'_, '_>) -> String {
    let counts = |keyword: &str, got: usize, want: usize| {
        format!("{keyword}: got {}, want {}", grouped(&got.to_string()), grouped(&want.to_string()))
    };
    let numbers = |keyword: &str, got: &serde_json::Number, want: &serde_json::Number| {
        format!("{keyword}: got {}, want {}", decimal(got), decimal(want))
    };
    match kind {
        ErrorKind::MinProperties { got, want } => counts("minProperties", *got, *want),
        ErrorKind::MaxProperties { got, want } => counts("maxProperties", *got, *want),
        ErrorKind::MinItems { got, want } => counts("minItems", *got, *want),
        ErrorKind::MaxItems { got, want } => counts("maxItems", *got, *want),
        ErrorKind::MinLength { got, want } => counts("minLength", *got, *want),
        ErrorKind::MaxLength { got, want } => counts("maxLength", *got, *want),
        ErrorKind::Minimum { got, want } => numbers("minimum", got, want),
        ErrorKind::Maximum { got, want } => numbers("maximum", got, want),
        ErrorKind::ExclusiveMinimum { got, want } => numbers("exclusiveMinimum", got, want),
        ErrorKind::ExclusiveMaximum { got, want } => numbers("exclusiveMaximum", got, want),
        ErrorKind::MultipleOf { got, want } => numbers("multipleOf", got, want),
        ErrorKind::UniqueItems { got: [first, second] } => format!("items at {first} and {second} are equal"),
        ErrorKind::AdditionalItems { got } => format!("last {got} additionalItem(s) not allowed"),
        ErrorKind::Contains => "no items match contains schema".to_owned(),
        ErrorKind::MinContains { got, want } if got.is_empty() => {
            format!("min {want} items required to match contains schema, but none matched")
        }
        ErrorKind::MinContains { got, want } => format!(
            "min {want} items required to match contains schema, but matched {} items at {}",
            got.len(),
            positions(got)
        ),
        ErrorKind::MaxContains { got, want } => format!(
            "max {want} items required to match contains schema, but matched {} items at {}",
            got.len(),
            positions(got)
        ),
        other => other.to_string(),
    }
}

fn positions(items: &[usize]) -> String {
    items.iter().map(usize::to_string).collect::<Vec<_>>().join(" ")
}

fn allowed(want: &[Json]) -> String {
    if want.iter().any(|value| value.is_array() || value.is_object()) {
        return "'enum' failed".to_owned();
    }
    let values: Vec<String> = want.iter().map(display).collect();
    match values.as_slice() {
        [only] => format!("value must be {only}"),
        several => format!("value must be one of {}", several.join(", ")),
    }
}

fn display(value: &Json) -> String {
    match value {
        Json::Null => "<nil>".to_owned(),
        Json::Bool(b) => b.to_string(),
        Json::Number(number) => number.to_string(),
        Json::String(text) => quoted(text),
        Json::Array(_) | Json::Object(_) => "value".to_owned(),
    }
}

fn joined<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    texts.map(quoted).collect::<Vec<_>>().join(", ")
}

/// Go's quotation with other quotes. They are replaced after the text is quoted, so that a backslash at its end becomes
/// one with the closing quote.
fn quoted(text: &str) -> String {
    let quoted = quote::quote(text).replace("\\\"", "\"").replace('\'', "\\'");
    format!("'{}'", &quoted[1..quoted.len() - 1])
}

/// A number as the English locale prints it: digits in groups of three, large and small ones as a product with a power
/// of ten.
fn decimal(number: &serde_json::Number) -> String {
    let text = number.as_f64().map_or_else(|| number.to_string(), number::format_general);
    if let Some((mantissa, exponent)) = text.split_once('e') {
        return format!("{mantissa}×10{}", exponent.chars().filter_map(superscript).collect::<String>());
    }
    match text.split_once('.') {
        None => grouped(&text),
        Some((whole, fraction)) => format!("{}.{fraction}", grouped(whole)),
    }
}

fn superscript(character: char) -> Option<char> {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    match character {
        '-' => Some('⁻'),
        digit => DIGITS.get(digit.to_digit(10)? as usize).copied(),
    }
}

fn grouped(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let mut text = String::from(sign);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
