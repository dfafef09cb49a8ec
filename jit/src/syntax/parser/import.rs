//! `include`, `include_once` and the three forms of `import`.
//!
//! In: tokens. Out: statements that name a file; finding it is the loader's business. HSL manual: structures, "include",
//! "import".

use std::rc::Rc;

use super::foreign::{FILE_NAME, IMPORTED};
use super::{Parsed, Parser, Reported};
use crate::diagnostic::Diagnostic;
use crate::syntax::ast::{Import, ImportKind, ImportSymbol, StatementKind};
use crate::syntax::token::{Keyword, Symbol, TokenKind};

impl Parser<'_> {
    /// `include "file";`
    pub(super) fn include(&mut self) -> Parsed<StatementKind> {
        let once = self.is_keyword(Keyword::IncludeOnce);
        self.advance();
        let file = self.file_name()?;
        self.semicolon()?;
        Ok(StatementKind::Include { file, once })
    }

    /// A string that is known when the script is compiled.
    fn file_name(&mut self) -> Parsed<Rc<[u8]>> {
        match self.peek() {
            TokenKind::String(octets) => {
                let octets = octets.clone();
                self.advance();
                Ok(octets)
            }
            TokenKind::Interpolation(_) => {
                let diagnostic =
                    Diagnostic::error(self.span(), "a file name can't have variables in it")
                        .with_hint("files are read when the script is compiled");
                Err(self.report(diagnostic))
            }
            _ => Err(self.unexpected(FILE_NAME)),
        }
    }

    /// `import ... from "file";`
    pub(super) fn import(&mut self) -> Parsed<StatementKind> {
        self.advance();
        let mut what = match self.peek() {
            TokenKind::Symbol(Symbol::LeftBrace) => ImportKind::Named(self.import_symbols()?),
            TokenKind::Symbol(Symbol::Multiply) => {
                self.advance();
                self.expect_keyword(Keyword::As)?;
                ImportKind::Wildcard(self.expect_name("a module")?)
            }
            TokenKind::Variable(_) => ImportKind::Data(self.expect_variable()?, None),
            _ => return Err(self.unexpected(IMPORTED)),
        };
        self.expect_keyword(Keyword::From)?;
        let file_span = self.span();
        let file = self.file_name()?;
        if let ImportKind::Data(_, options) = &mut what
            && self.eat_keyword(Keyword::With)
        {
            if !self.is(Symbol::LeftBracket) {
                return Err(self.unexpected("`[`, the options of the import"));
            }
            *options = Some(self.array(Symbol::LeftBracket)?);
        }
        self.semicolon()?;
        Ok(StatementKind::Import(Rc::new(Import {
            what,
            file,
            file_span,
        })))
    }

    fn import_symbols(&mut self) -> Parsed<Vec<ImportSymbol>> {
        let symbols = self.between(Symbol::LeftBrace, |parser| {
            parser.comma_separated(Symbol::RightBrace, Self::import_symbol)
        })?;
        symbols.ok_or(Reported)
    }

    /// `name`, `name as alias`, `$name`, `$name as $alias`
    fn import_symbol(&mut self) -> Parsed<ImportSymbol> {
        let variable = matches!(self.peek(), TokenKind::Variable(_));
        let one = |parser: &mut Self| match variable {
            true => parser.expect_variable(),
            false => parser.expect_name("an imported function or class"),
        };
        let name = one(self)?;
        let alias = match self.eat_keyword(Keyword::As) {
            true => one(self)?,
            false => name.clone(),
        };
        Ok(ImportSymbol {
            variable,
            name,
            alias,
        })
    }
}
