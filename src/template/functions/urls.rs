//! URLs in parts: `urlParse` and `urlJoin`, by the rules of Go's `net/url`; and `getHostByName`, which Helm answers with
//! nothing unless it may ask DNS.

use super::arguments::Arguments;
use super::url::{Url, UrlError, Userinfo};
use super::{CallError, Function, Host};
use crate::template::print;
use crate::value::Parameter::{Map as Dict, String as Text};
use crate::value::{Kind, Map, Value};

/// The functions of this family.
pub const FUNCTIONS: &[Function] = &[
    Function::new("urlParse", &[Text], parse),
    Function::new("urlJoin", &[Dict], join),
    Function::new("getHostByName", &[Text], host_by_name),
];

type Outcome = Result<Value, CallError>;

fn parse(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let text = arguments.bytes(0);
    let url = Url::parse(text).map_err(|error| prefixed(b"unable to parse url: ", &error))?;
    let userinfo = url.user.as_ref().map(Userinfo::encoded).unwrap_or_default();
    let parts: [(&str, Vec<u8>); 8] = [
        ("hostname", url.hostname().to_vec()),
        ("scheme", url.scheme),
        ("host", url.host),
        ("path", url.path),
        ("query", url.query),
        ("opaque", url.opaque),
        ("fragment", url.fragment),
        ("userinfo", userinfo),
    ];
    Ok(parts.into_iter().map(|(name, part)| (name, Value::from(part))).collect::<Map>().into())
}

fn join(_: &mut dyn Host, arguments: &[Value]) -> Outcome {
    let dict = arguments.map(0);
    let mut url = Url {
        scheme: part(&dict, "scheme")?,
        host: part(&dict, "host")?,
        path: part(&dict, "path")?,
        query: part(&dict, "query")?,
        opaque: part(&dict, "opaque")?,
        fragment: part(&dict, "fragment")?,
        ..Url::default()
    };
    let userinfo = part(&dict, "userinfo")?;
    if !userinfo.is_empty() {
        let whole = [b"proto://", &userinfo[..], b"@host"].concat();
        let parsed = Url::parse(&whole).map_err(|error| prefixed(b"unable to parse userinfo in dict: ", &error))?;
        url.user = parsed.user;
    }
    Ok(url.encoded().into())
}

fn prefixed(prefix: &[u8], error: &UrlError) -> CallError {
    let quoted = print::quote(&error.url);
    let text = [prefix, b"parse ", &quoted, b": ", error.reason.as_bytes()].concat();
    String::from_utf8_lossy(&text).into_owned().into()
}

/// A part of the URL; empty where the dict has none.
fn part(dict: &Map, name: &str) -> Result<Vec<u8>, CallError> {
    match dict.get(name.as_bytes()) {
        None => Ok(Vec::new()),
        Some(Value::Str(text)) => Ok(text.as_bytes().to_vec()),
        Some(value) if value.kind() == Kind::Invalid => {
            Err("runtime error: invalid memory address or nil pointer dereference".into())
        }
        Some(value) => {
            let kind = value.kind().name();
            Err(format!("unable to parse {name} key, must be of type string, but {kind} found").into())
        }
    }
}

fn host_by_name(_: &mut dyn Host, _: &[Value]) -> Outcome {
    Ok("".into())
}
