//! Block scalars, literal and folded.

use super::scanner::{Scan, Scanner};
use super::token::Mark;

/// What becomes of the line breaks at the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chomping {
    Strip,
    Clip,
    Keep,
}

impl Scanner<'_> {
    pub(super) fn scan_block_scalar(&mut self, literal: bool) -> Scan<String> {
        let start = self.mark;
        self.skip();
        let (chomping, increment) = self.scan_block_header(start)?;
        let parent = usize::try_from(self.indent).unwrap_or(0);
        let mut indent = increment.map(|increment| parent + increment);
        let mut content = String::new();
        let mut first_break = "";
        let mut more_breaks = String::new();
        let mut previous_blank = false;
        let mut column = self.scan_block_breaks(&mut indent, &mut more_breaks, start)?;
        while self.mark.column == column && !self.at_end() {
            let blank = self.is_blank(0);
            let fold = !literal && !previous_blank && !blank && first_break == "\n";
            if !fold {
                content.push_str(first_break);
            } else if more_breaks.is_empty() {
                content.push(' ');
            }
            content.push_str(&more_breaks);
            more_breaks.clear();
            previous_blank = blank;
            let line_start = self.position;
            self.skip_line_rest();
            content.push_str(self.text.get(line_start..self.position).unwrap_or_default());
            first_break = self.take_break();
            column = self.scan_block_breaks(&mut indent, &mut more_breaks, start)?;
        }
        if chomping != Chomping::Strip {
            content.push_str(first_break);
        }
        if chomping == Chomping::Keep {
            content.push_str(&more_breaks);
        }
        Ok(content)
    }

    /// The indicators for chomping and indentation, in either order, and the rest of the line.
    fn scan_block_header(&mut self, start: Mark) -> Scan<(Chomping, Option<usize>)> {
        let mut chomping = self.scan_chomping();
        let increment = match self.byte(0) {
            b'0' => return Err(self.failure(start, "found an indentation indicator equal to 0")),
            digit @ b'1'..=b'9' => {
                self.skip();
                Some(usize::from(digit - b'0'))
            }
            _ => None,
        };
        if chomping.is_none() && increment.is_some() {
            chomping = self.scan_chomping();
        }
        self.skip_blanks();
        self.skip_comment();
        if !self.at_end() && !self.is_break(0) {
            return Err(self.failure(start, "did not find expected comment or line break"));
        }
        self.take_break();
        Ok((chomping.unwrap_or(Chomping::Clip), increment))
    }

    fn scan_chomping(&mut self) -> Option<Chomping> {
        let chomping = match self.byte(0) {
            b'+' => Chomping::Keep,
            b'-' => Chomping::Strip,
            _ => return None,
        };
        self.skip();
        Some(chomping)
    }

    /// Indentation and empty lines before the next line with text. Returns the column of the block, which the first
    /// call finds out where no indicator gave it.
    fn scan_block_breaks(&mut self, indent: &mut Option<usize>, breaks: &mut String, start: Mark) -> Scan<usize> {
        let mut deepest = 0;
        loop {
            let inside = |column: usize| indent.is_none_or(|indent| column < indent);
            while inside(self.mark.column) && self.byte(0) == b' ' {
                self.skip();
            }
            deepest = deepest.max(self.mark.column);
            if inside(self.mark.column) && self.byte(0) == b'\t' {
                return Err(self.failure(start, "found a tab character where an indentation space is expected"));
            }
            match self.take_break() {
                "" => break,
                line_break => breaks.push_str(line_break),
            }
        }
        let least = usize::try_from(self.indent + 1).unwrap_or(0).max(1);
        Ok(*indent.get_or_insert(deepest.max(least)))
    }
}
