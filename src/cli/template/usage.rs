//! Mistakes in flags, in the words of Helm's command line (`github.com/spf13/pflag`).

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Helm's message for a mistake in the flags of `coxswain template`; nothing where the error is a request for help, or
/// a mistake that Helm has no words for.
///
/// `last` is the last argument of the command line: a flag without its value stands there.
pub fn usage_message(error: &clap::Error, last: &str) -> Option<String> {
    let flag = text(error, ContextKind::InvalidArg);
    match error.kind() {
        ErrorKind::UnknownArgument => Some(unknown(&flag?)),
        ErrorKind::InvalidValue if text(error, ContextKind::InvalidValue).is_none_or(|value| value.is_empty()) => {
            Some(without_value(&flag?, last))
        }
        ErrorKind::ValueValidation => {
            let value = text(error, ContextKind::InvalidValue).unwrap_or_default();
            let value = crate::yaml::quote::quote(&value);
            let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            let flag = flag?;
            let name = flag.split(['=', '[', ' ']).next().unwrap_or_default();
            let name = if name == "--generate-name" { "-g, --generate-name" } else { name };
            Some(format!("invalid argument {value} for \"{name}\" flag: {cause}"))
        }
        _ => None,
    }
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => texts.first().cloned(),
        _ => None,
    }
}

fn unknown(flag: &str) -> String {
    let name = flag.split('=').next().unwrap_or_default();
    match flag.strip_prefix('-').filter(|rest| !rest.starts_with('-')) {
        Some(letters) => {
            let letter = letters.chars().next().unwrap_or('-');
            format!("unknown shorthand flag: '{letter}' in -{letters}")
        }
        None => format!("unknown flag: {name}"),
    }
}

/// A flag at the end of the line; `shown` is its usage, with the name of the value.
fn without_value(shown: &str, last: &str) -> String {
    if let (false, Some(letter)) = (last.starts_with("--"), last.chars().next_back()) {
        return format!("flag needs an argument: '{letter}' in -{letter}");
    }
    let name = shown.split([' ', '=']).next().unwrap_or_default();
    format!("flag needs an argument: {name}")
}
