//! What stands before documents and nodes: directives, anchors and tags.

use super::compose::Composer;
use super::failure::Layer;
use super::scanner::Scan;
use super::token::TokenKind;

/// What stands before a node.
#[derive(Default)]
pub(super) struct Properties<'a> {
    pub(super) anchor: Option<&'a str>,
    pub(super) tag: Option<Box<str>>,
}

impl<'a> Composer<'a> {
    pub(super) fn directives(&mut self) -> Scan<()> {
        let mut version_seen = false;
        loop {
            let version = match self.peek()?.kind {
                TokenKind::VersionDirective { major, minor } => Some((major, minor)),
                TokenKind::TagDirective { .. } => None,
                _ => break,
            };
            match version {
                Some(_) if version_seen => return Err(self.failure(0, "found duplicate %YAML directive")),
                Some((1, 1)) => version_seen = true,
                Some(_) => return Err(self.failure(0, "found incompatible YAML document")),
                None => self.tag_directive()?,
            }
            self.scanner.take()?;
        }
        for (handle, prefix) in [("!", "!"), ("!!", "tag:yaml.org,2002:")] {
            if !self.tag_prefixes.iter().any(|(known, _)| known == handle) {
                self.tag_prefixes.push((handle.to_owned(), prefix.to_owned()));
            }
        }
        Ok(())
    }

    fn tag_directive(&mut self) -> Scan<()> {
        let TokenKind::TagDirective { handle, prefix } = self.peek()?.kind.clone() else { return Ok(()) };
        if self.tag_prefixes.iter().any(|(known, _)| *known == handle) {
            return Err(self.failure(0, "found duplicate %TAG directive"));
        }
        self.tag_prefixes.push((handle, prefix));
        Ok(())
    }

    /// An anchor and a tag, in either order.
    pub(super) fn properties(&mut self, line: usize) -> Scan<Properties<'a>> {
        let mut properties = Properties::default();
        let mut tag = None;
        loop {
            let kind = &self.peek()?.kind;
            match kind {
                TokenKind::Anchor(name) if properties.anchor.is_none() => properties.anchor = Some(name),
                TokenKind::Tag { .. } if tag.is_none() => {}
                _ => break,
            }
            let token = self.scanner.take()?;
            if let TokenKind::Tag { handle, suffix } = token.kind {
                tag = Some((token.line, handle, suffix));
            }
        }
        if let Some((tag_line, handle, suffix)) = tag {
            properties.tag = self.resolve_tag(line, tag_line, &handle, &suffix)?;
        }
        Ok(properties)
    }

    fn resolve_tag(&self, line: usize, tag_line: usize, handle: &str, suffix: &str) -> Scan<Option<Box<str>>> {
        if handle.is_empty() {
            return Ok((!suffix.is_empty()).then(|| suffix.into()));
        }
        match self.tag_prefixes.iter().find(|(known, _)| known == handle) {
            Some((_, prefix)) if !(prefix.is_empty() && suffix.is_empty()) => {
                Ok(Some(format!("{prefix}{suffix}").into()))
            }
            _ => Err(self.fault(Layer::Parser, tag_line, line, "found undefined tag handle")),
        }
    }
}
