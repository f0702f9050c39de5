//! Go's `net/url`: the parts of a URL, decoded, and the way back.

use super::address;
use crate::template::print;

/// A URL in parts. A raw form is kept where it is not the one that encoding the part would give.
#[derive(Clone, Debug, Default)]
pub(super) struct Url {
    pub(super) scheme: Vec<u8>,
    pub(super) opaque: Vec<u8>,
    pub(super) user: Option<Userinfo>,
    pub(super) host: Vec<u8>,
    pub(super) path: Vec<u8>,
    pub(super) query: Vec<u8>,
    pub(super) fragment: Vec<u8>,
}

/// Name and password before the `@`.
#[derive(Clone, Debug)]
pub(super) struct Userinfo {
    name: Vec<u8>,
    password: Option<Vec<u8>>,
}

/// Why a text is no URL, in Go's words.
#[derive(Clone, Debug)]
pub(super) struct UrlError {
    /// The text, without the fragment unless that is at fault.
    pub(super) url: Vec<u8>,
    /// The reason.
    pub(super) reason: String,
}

/// The part of a URL that decides which bytes stand for themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Path,
    User,
    Host,
    Zone,
    Fragment,
}

impl Url {
    /// Reads a URL.
    pub(super) fn parse(text: &[u8]) -> Result<Self, UrlError> {
        let (main, fragment) = cut(text, b'#');
        let mut url = Self::parse_main(main).map_err(|reason| UrlError { url: main.to_vec(), reason })?;
        let fragment = unescape(fragment, Part::Fragment);
        url.fragment = fragment.map_err(|reason| UrlError { url: text.to_vec(), reason })?;
        Ok(url)
    }

    fn parse_main(text: &[u8]) -> Result<Self, String> {
        if text.iter().any(u8::is_ascii_control) {
            return Err("net/url: invalid control character in URL".into());
        }
        let mut url = Self::default();
        if text == b"*" {
            url.path = b"*".to_vec();
            return Ok(url);
        }
        let (scheme, rest) = split_scheme(text)?;
        url.scheme = scheme.to_ascii_lowercase();
        let (rest, query) = cut(rest, b'?');
        url.query = query.to_vec();
        if !rest.starts_with(b"/") {
            if !url.scheme.is_empty() {
                url.opaque = rest.to_vec();
                return Ok(url);
            }
            if cut(rest, b'/').0.contains(&b':') {
                return Err("first path segment in URL cannot contain colon".into());
            }
        }
        let has_authority = !url.scheme.is_empty() || !rest.starts_with(b"///");
        let path = match rest.strip_prefix(b"//") {
            Some(rest) if has_authority => {
                let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
                (url.user, url.host) = parse_authority(&url.scheme, &rest[..end])?;
                &rest[end..]
            }
            _ => rest,
        };
        url.path = unescape(path, Part::Path)?;
        Ok(url)
    }

    /// The host without port and brackets.
    pub(super) fn hostname(&self) -> &[u8] {
        let host = &self.host[..];
        let colon = host.iter().rposition(|byte| *byte == b':').filter(|colon| is_optional_port(&host[*colon..]));
        let host = &host[..colon.unwrap_or(host.len())];
        host.strip_prefix(b"[").and_then(|inner| inner.strip_suffix(b"]")).unwrap_or(host)
    }

    /// The URL as text (`URL.String`).
    pub(super) fn encoded(&self) -> Vec<u8> {
        let mut text = Vec::new();
        if !self.scheme.is_empty() {
            text.extend_from_slice(&self.scheme);
            text.push(b':');
        }
        if self.opaque.is_empty() {
            self.write_hierarchy(&mut text);
        } else {
            text.extend_from_slice(&self.opaque);
        }
        if !self.query.is_empty() {
            text.push(b'?');
            text.extend_from_slice(&self.query);
        }
        if !self.fragment.is_empty() {
            text.push(b'#');
            text.extend_from_slice(&escape(&self.fragment, Part::Fragment));
        }
        text
    }

    fn write_hierarchy(&self, text: &mut Vec<u8>) {
        let has_authority = !self.host.is_empty() || self.user.is_some();
        if has_authority || !self.scheme.is_empty() && !self.path.is_empty() {
            text.extend_from_slice(b"//");
        }
        if let Some(user) = &self.user {
            text.extend_from_slice(&user.encoded());
            text.push(b'@');
        }
        text.extend_from_slice(&escape(&self.host, Part::Host));
        let path = if self.path == b"*" { self.path.clone() } else { escape(&self.path, Part::Path) };
        if !path.is_empty() && !path.starts_with(b"/") && !self.host.is_empty() {
            text.push(b'/');
        }
        if text.is_empty() && cut(&path, b'/').0.contains(&b':') {
            text.extend_from_slice(b"./");
        }
        text.extend_from_slice(&path);
    }
}

impl Userinfo {
    /// Name and password with the bytes escaped that would end them.
    pub(super) fn encoded(&self) -> Vec<u8> {
        let mut text = escape(&self.name, Part::User);
        if let Some(password) = &self.password {
            text.push(b':');
            text.extend_from_slice(&escape(password, Part::User));
        }
        text
    }
}

/// The text before and after the first of a byte.
fn cut(text: &[u8], byte: u8) -> (&[u8], &[u8]) {
    match text.iter().position(|b| *b == byte) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &[]),
    }
}

fn split_scheme(text: &[u8]) -> Result<(&[u8], &[u8]), String> {
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err("missing protocol scheme".into()),
            b':' => return Ok((&text[..at], &text[at + 1..])),
            _ => break,
        }
    }
    Ok((&[], text))
}

fn parse_authority(scheme: &[u8], authority: &[u8]) -> Result<(Option<Userinfo>, Vec<u8>), String> {
    let Some(at) = authority.iter().rposition(|byte| *byte == b'@') else {
        return Ok((None, parse_host(scheme, authority)?));
    };
    let host = parse_host(scheme, &authority[at + 1..])?;
    let userinfo = &authority[..at];
    if !userinfo.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(byte)) {
        return Err("net/url: invalid userinfo".into());
    }
    let (name, password) = cut(userinfo, b':');
    let name = unescape(name, Part::User)?;
    let password = if userinfo.contains(&b':') { Some(unescape(password, Part::User)?) } else { None };
    Ok((Some(Userinfo { name, password }), host))
}

fn parse_host(scheme: &[u8], host: &[u8]) -> Result<Vec<u8>, String> {
    match host.iter().rposition(|byte| *byte == b'[') {
        Some(0) => return parse_bracketed(host),
        Some(_) => return Err("invalid IP-literal".into()),
        None => {}
    }
    let is_http = scheme == b"http" || scheme == b"https";
    let is_colon = |byte: &u8| *byte == b':';
    let colon = if is_http { host.iter().position(is_colon) } else { host.iter().rposition(is_colon) };
    if let Some(colon) = colon {
        check_port(&host[colon..])?;
    }
    unescape(host, Part::Host)
}

/// `[address]` or `[address%25zone]`, and a port.
fn parse_bracketed(host: &[u8]) -> Result<Vec<u8>, String> {
    let close = host.iter().rposition(|byte| *byte == b']').ok_or("missing ']' in host")?;
    check_port(&host[close + 1..])?;
    let port = unescape(&host[close + 1..], Part::Host)?;
    let inner = &host[1..close];
    let name = match inner.windows(3).position(|window| window == b"%25") {
        Some(zone) => [unescape(&inner[..zone], Part::Host)?, unescape(&inner[zone..], Part::Zone)?].concat(),
        None => unescape(inner, Part::Host)?,
    };
    check_address(&name)?;
    Ok([b"[", &name[..], b"]", &port].concat())
}

fn check_port(port: &[u8]) -> Result<(), String> {
    if is_optional_port(port) {
        return Ok(());
    }
    Err(format!("invalid port {} after host", quoted(port)))
}

fn is_optional_port(port: &[u8]) -> bool {
    match port {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// Only an address of version 6 may stand in brackets.
fn check_address(name: &[u8]) -> Result<(), String> {
    match address::parse(name) {
        Ok(address::Version::V6) => Ok(()),
        Ok(address::Version::V4) => Err("invalid IP-literal".into()),
        Err(error) => Err(format!("invalid host: {error}")),
    }
}

fn quoted(text: &[u8]) -> String {
    String::from_utf8_lossy(&print::quote(text)).into_owned()
}

fn must_escape(byte: u8, part: Part) -> bool {
    if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
        return false;
    }
    let allowed: &[u8] = match part {
        Part::Host | Part::Zone => b"!$&'()*+,;=:[]<>\"",
        Part::Path => b"$&+,/:;=@",
        Part::User => b"$&+,;=",
        Part::Fragment => b"$&+,/:;=?@!()*",
    };
    !allowed.contains(&byte)
}

fn escape(text: &[u8], part: Part) -> Vec<u8> {
    const DIGITS: &[u8] = b"0123456789ABCDEF";
    let mut escaped = Vec::with_capacity(text.len());
    for &byte in text {
        if must_escape(byte, part) {
            escaped.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        } else {
            escaped.push(byte);
        }
    }
    escaped
}

fn unescape(text: &[u8], part: Part) -> Result<Vec<u8>, String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        if byte != b'%' {
            let in_host = matches!(part, Part::Host | Part::Zone);
            if in_host && byte.is_ascii() && must_escape(byte, part) {
                return Err(format!("invalid character {} in host name", quoted(&[byte])));
            }
            decoded.push(byte);
            rest = after;
            continue;
        }
        let code = after.get(..2).and_then(|digits| Some(hex_digit(digits[0])? << 4 | hex_digit(digits[1])?));
        let refused = |code: u8| match part {
            Part::Host => code < 0x80 && code != b'%',
            Part::Zone => code != b'%' && code != b' ' && must_escape(code, Part::Host),
            _ => false,
        };
        match code {
            Some(code) if !refused(code) => decoded.push(code),
            _ => return Err(format!("invalid URL escape {}", quoted(&rest[..rest.len().min(3)]))),
        }
        rest = &after[2..];
    }
    Ok(decoded)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
