//! Puts a program together from its files.
//!
//! In: the main text and a [`Loader`]. Out: [`Linked`]: one tree per module, with included statements in the place of
//! their `include`. Every file is bounded and so is their number; a file that includes or imports itself, by whatever
//! detour, is an error that shows the chain.
//! Reading files, and refusing symbolic links that leave the script directory, is the loader's business.
//!
//! HSL manual: structures, "include", "import".

use std::collections::HashMap;
use std::rc::Rc;

use super::earlier;
use super::table::DataFormat;
use crate::diagnostic::{Diagnostic, Diagnostics, escape};
use crate::source::{SourceId, SourceMap, Span};
use crate::syntax::ast::{
    Class, Function, Import, ImportKind, MemberKind, Name, Program, Statement, StatementKind,
};
use crate::syntax::parser::{Lost, Text, parse_input, parse_text};

/// Files read for one program, each inclusion counted.
pub const FILES_COUNT_MAX: usize = 1_000;
/// Files that are open inside each other.
pub const FILES_DEPTH_MAX: usize = 32;
/// Octets of all texts together, each inclusion counted.
pub const PROGRAM_OCTETS_MAX: usize = 8 << 20;

/// A file that a loader found.
#[derive(Clone, Debug)]
pub struct LoadedFile {
    /// Names the file in messages and identifies it: two paths to one file give one name.
    pub name: String,
    /// Its octets.
    pub text: Vec<u8>,
}

/// Why a loader gave no file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// There is none of that name.
    NotFound,
    /// It lies outside of the script directory, by a symbolic link for example.
    Outside,
    /// It exists and can't be read; the reason in words.
    Unreadable(String),
}

/// Finds the files of a script directory.
pub trait Loader {
    /// The file at a relative path without `..`, as named by the text `from`.
    ///
    /// # Errors
    ///
    /// When there is no such file that the script may read.
    fn load(&mut self, from: SourceId, path: &[u8]) -> Result<LoadedFile, LoadError>;
}

/// A loader for scripts that stand alone: it finds nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFiles;

impl Loader for NoFiles {
    fn load(&mut self, _: SourceId, _: &[u8]) -> Result<LoadedFile, LoadError> {
        Err(LoadError::NotFound)
    }
}

/// What an import statement reaches.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Imported {
    /// An index into [`Linked::programs`].
    Module(usize),
    /// The text of a data file.
    Data(SourceId, DataFormat),
}

/// All files of a program, parsed.
#[derive(Debug, Default)]
pub struct Linked {
    /// The main program first. A module stands after every module it imports, the main program aside.
    pub(super) programs: Vec<(SourceId, Rc<Program>)>,
    pub(super) imports: HashMap<*const Import, Imported>,
    pub(super) lost: Lost,
    /// In a session: variables of the main program that have a value already. All of its variables outlive it then.
    pub(super) known: Option<Vec<Name>>,
}

impl Linked {
    /// The main program, includes spliced in.
    #[must_use]
    pub fn main(&self) -> Option<&Rc<Program>> {
        self.programs.first().map(|(_, program)| program)
    }

    /// The programs by the index that [`Imported::Module`] has: the main program, then its modules, each after all that it
    /// imports.
    pub(crate) fn programs(&self) -> impl Iterator<Item = &Rc<Program>> {
        self.programs.iter().map(|(_, program)| program)
    }

    /// What an import statement of these programs reaches, unless that was reported as a mistake.
    pub(crate) fn imported(&self, import: &Rc<Import>) -> Option<Imported> {
        self.imports.get(&Rc::as_ptr(import)).copied()
    }
}

/// Parses the text `main` and every file it needs.
pub fn load(
    sources: &mut SourceMap,
    main: SourceId,
    loader: &mut dyn Loader,
    diagnostics: &mut Diagnostics,
) -> Linked {
    let mut linker = Linker::new(sources, main, loader, diagnostics);
    let text = parse_text(linker.sources, main, 0, linker.diagnostics);
    let statements = linker.top_level(text);
    linker.linked.programs[0].1 = Rc::new(Program { statements });
    linker.linked
}

/// Parses the text `main` of a session, in which the texts `earlier` have run and left the variables `known`: what they
/// declare exists, what they do is not done again.
pub(crate) fn load_input(
    sources: &mut SourceMap,
    main: SourceId,
    earlier: &[SourceId],
    known: Vec<Name>,
    loader: &mut dyn Loader,
    diagnostics: &mut Diagnostics,
) -> Linked {
    let mut linker = Linker::new(sources, main, loader, diagnostics);
    let mut buried = Vec::with_capacity(earlier.len());
    for id in earlier {
        let text = parse_input(linker.sources, *id, linker.diagnostics);
        let label = linker.sources.source(*id).name.to_string();
        let start = Span {
            source: *id,
            start: 0,
            end: 0,
        };
        buried.push((label, start, linker.top_level(text)));
    }
    let text = parse_input(linker.sources, main, linker.diagnostics);
    let current = linker.top_level(text);
    let statements = earlier::bury(buried, current);
    linker.linked.programs[0].1 = Rc::new(Program { statements });
    linker.linked.known = Some(known);
    linker.linked
}

/// A file being read.
struct Open {
    name: String,
    /// Files included so far in the module that this file belongs to; only kept at the module's own entry.
    included: Vec<String>,
    /// The statement that opened it.
    at: Option<Span>,
}

struct Linker<'l> {
    octets_count: usize,
    files_count: usize,
    /// The chain of files that are being read, the innermost last.
    open: Vec<Open>,
    /// Texts by name, so that a file included twice is one source.
    known: HashMap<String, SourceId>,
    modules: HashMap<String, usize>,
    linked: Linked,
    sources: &'l mut SourceMap,
    loader: &'l mut dyn Loader,
    diagnostics: &'l mut Diagnostics,
}

impl<'l> Linker<'l> {
    fn new(
        sources: &'l mut SourceMap,
        main: SourceId,
        loader: &'l mut dyn Loader,
        diagnostics: &'l mut Diagnostics,
    ) -> Self {
        let name = sources.source(main).name.to_string();
        Self {
            octets_count: 0,
            files_count: 0,
            open: vec![Open {
                name: name.clone(),
                included: vec![name],
                at: None,
            }],
            known: HashMap::new(),
            modules: HashMap::new(),
            linked: Linked {
                programs: vec![(main, Rc::default())],
                ..Linked::default()
            },
            sources,
            loader,
            diagnostics,
        }
    }

    fn top_level(&mut self, text: Text) -> Vec<Statement> {
        self.linked.lost.merge(text.lost);
        self.statements(text.program.statements, 1)
    }
}

impl Linker<'_> {
    fn statements(&mut self, statements: Vec<Statement>, depth: u32) -> Vec<Statement> {
        statements
            .into_iter()
            .map(|one| self.statement(one, depth))
            .collect()
    }

    fn boxed(&mut self, statement: Box<Statement>, depth: u32) -> Box<Statement> {
        Box::new(self.statement(*statement, depth + 1))
    }

    /// Functions within expressions are not visited: an include there is refused by the resolver, which meets it unspliced.
    fn statement(&mut self, statement: Statement, depth: u32) -> Statement {
        use StatementKind as Kind;
        let span = statement.span;
        let kind = match statement.kind {
            Kind::Include { file, once } => self.include(&file, once, span, depth),
            Kind::Import(import) => {
                self.import(&import, span, depth);
                Kind::Import(import)
            }
            Kind::Block(body) => Kind::Block(self.statements(body, depth + 1)),
            Kind::If {
                condition,
                then,
                otherwise,
            } => Kind::If {
                condition,
                then: self.boxed(then, depth),
                otherwise: otherwise.map(|other| self.boxed(other, depth)),
            },
            Kind::While { condition, body } => Kind::While {
                condition,
                body: self.boxed(body, depth),
            },
            Kind::For {
                initial,
                condition,
                next,
                body,
            } => Kind::For {
                initial,
                condition,
                next,
                body: self.boxed(body, depth),
            },
            Kind::Foreach {
                subject,
                key,
                value,
                body,
            } => Kind::Foreach {
                subject,
                key,
                value,
                body: self.boxed(body, depth),
            },
            Kind::Forever(body) => Kind::Forever(self.boxed(body, depth)),
            Kind::Switch { subject, mut arms } => {
                for arm in &mut arms {
                    arm.body = self.statements(std::mem::take(&mut arm.body), depth + 1);
                }
                Kind::Switch { subject, arms }
            }
            Kind::Barrier { name, shared, body } => Kind::Barrier {
                name,
                shared,
                body: self.boxed(body, depth),
            },
            Kind::Function(mut function) => {
                self.function(&mut function, depth);
                Kind::Function(function)
            }
            Kind::Class(mut class) => {
                self.class(&mut class, depth);
                Kind::Class(class)
            }
            other => other,
        };
        Statement { kind, span }
    }

    fn function(&mut self, function: &mut Rc<Function>, depth: u32) {
        // The tree is fresh from the parser, so nobody shares it yet.
        if let Some(function) = Rc::get_mut(function) {
            function.body = self.statements(std::mem::take(&mut function.body), depth + 1);
        }
    }

    fn class(&mut self, class: &mut Rc<Class>, depth: u32) {
        let Some(class) = Rc::get_mut(class) else {
            return;
        };
        if let Some(constructor) = &mut class.constructor {
            self.function(constructor, depth + 1);
        }
        for member in &mut class.members {
            if let MemberKind::Function(function) = &mut member.kind {
                self.function(function, depth + 1);
            }
        }
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.report(diagnostic);
    }

    /// The statements of an included file as a block: blocks open no scope.
    fn include(&mut self, path: &[u8], once: bool, span: Span, depth: u32) -> StatementKind {
        let Some((name, id)) = self.file(path, span) else {
            // Anything could have been declared there.
            self.linked.lost.all = true;
            return StatementKind::Empty;
        };
        let module = self
            .open
            .iter()
            .rposition(|open| !open.included.is_empty())
            .unwrap_or(0);
        let seen = self.open[module].included.contains(&name);
        if once && seen {
            return StatementKind::Empty;
        }
        if !self.may_open(&name, span) {
            return StatementKind::Empty;
        }
        self.open[module].included.push(name.clone());
        let text = parse_text(self.sources, id, depth + 1, self.diagnostics);
        self.linked.lost.merge(text.lost);
        self.open.push(Open {
            name,
            included: Vec::new(),
            at: Some(span),
        });
        let statements = self.statements(text.program.statements, depth + 2);
        self.open.pop();
        StatementKind::Block(statements)
    }

    fn import(&mut self, import: &Rc<Import>, span: Span, depth: u32) {
        if 1 < depth && !self.is_top_of_include(depth) {
            self.report(
                Diagnostic::error(span, "an import can't depend on anything")
                    .with_expected("imports at the top level of the script"),
            );
            return;
        }
        let Some((name, id)) = self.file(&import.file, import.file_span) else {
            return;
        };
        let imported = match &import.what {
            ImportKind::Data(..) => match format_of(&name) {
                Some(format) => Imported::Data(id, format),
                None => {
                    self.report(
                        Diagnostic::error(import.file_span, "data of an unknown format")
                            .with_expected("a name that ends in `.json`, `.csv` or `.txt`"),
                    );
                    return;
                }
            },
            ImportKind::Named(_) | ImportKind::Wildcard(_) => match self.module(name, id, span) {
                Some(index) => Imported::Module(index),
                None => return,
            },
        };
        self.linked.imports.insert(Rc::as_ptr(import), imported);
    }

    /// Whether a depth is that of the top level of an included file that was itself included at a top level.
    fn is_top_of_include(&self, depth: u32) -> bool {
        let since_module = self
            .open
            .iter()
            .rev()
            .take_while(|open| open.included.is_empty())
            .count();
        u32::try_from(since_module).is_ok_and(|files| depth == 1 + 2 * files)
    }

    fn module(&mut self, name: String, id: SourceId, span: Span) -> Option<usize> {
        if let Some(index) = self.modules.get(&name) {
            return Some(*index);
        }
        if !self.may_open(&name, span) {
            return None;
        }
        let text = parse_text(self.sources, id, 0, self.diagnostics);
        self.linked.lost.merge(text.lost);
        self.open.push(Open {
            name: name.clone(),
            included: vec![name.clone()],
            at: Some(span),
        });
        let statements = self.statements(text.program.statements, 1);
        self.open.pop();
        let index = self.linked.programs.len();
        self.linked
            .programs
            .push((id, Rc::new(Program { statements })));
        self.modules.insert(name, index);
        Some(index)
    }

    /// Finds a file, or reports why not.
    fn file(&mut self, path: &[u8], span: Span) -> Option<(String, SourceId)> {
        self.files_count += 1;
        if FILES_COUNT_MAX < self.files_count {
            if self.files_count == FILES_COUNT_MAX + 1 {
                let message =
                    format!("a script includes and imports at most {FILES_COUNT_MAX} files");
                self.report(Diagnostic::error(span, message));
            }
            return None;
        }
        let path = path.strip_prefix(b"file:").unwrap_or(path);
        let shown = escape(&path[..path.len().min(100)]);
        if let Some(problem) = path_problem(path) {
            let message = format!("`{shown}` {problem}");
            self.report(
                Diagnostic::error(span, message)
                    .with_expected("a path relative to the script directory, without `..`"),
            );
            return None;
        }
        let file = match self.loader.load(span.source, path) {
            Ok(file) => file,
            Err(error) => {
                let message = match error {
                    LoadError::NotFound => format!("there is no file `{shown}`"),
                    LoadError::Outside => format!("`{shown}` lies outside of the script directory"),
                    LoadError::Unreadable(reason) => format!("can't read `{shown}`: {reason}"),
                };
                self.report(Diagnostic::error(span, message));
                return None;
            }
        };
        self.octets_count = self.octets_count.saturating_add(file.text.len());
        let known = self.known.get(&file.name).copied();
        let id = match known {
            _ if PROGRAM_OCTETS_MAX < self.octets_count => None,
            Some(id) => Some(id),
            None => self.sources.add(&file.name, &file.text),
        };
        let Some(id) = id else {
            let message = format!("the files of a script exceed {PROGRAM_OCTETS_MAX} octets");
            self.report(Diagnostic::error(span, message));
            return None;
        };
        self.known.insert(file.name.clone(), id);
        Some((file.name, id))
    }

    /// Whether a file may be read inside those that are open: not itself one of them, and not too deep.
    fn may_open(&mut self, name: &str, span: Span) -> bool {
        let Some(first) = self.open.iter().position(|open| open.name == name) else {
            let fits = self.open.len() < FILES_DEPTH_MAX;
            if !fits {
                let message = format!("files include each other more than {FILES_DEPTH_MAX} deep");
                self.report(Diagnostic::error(span, message));
            }
            return fits;
        };
        let chain: Vec<String> = self.open[first..]
            .iter()
            .map(|open| escape(open.name.as_bytes()))
            .chain([escape(name.as_bytes())])
            .collect();
        let message = format!("these files include each other: {}", chain.join(" -> "));
        let mut diagnostic = Diagnostic::error(span, message);
        for at in self.open[first + 1..].iter().filter_map(|open| open.at) {
            diagnostic = diagnostic.with_label(at, "by way of this");
        }
        self.report(diagnostic);
        false
    }
}

fn path_problem(path: &[u8]) -> Option<&'static str> {
    if path.is_empty() {
        Some("names no file")
    } else if path.starts_with(b"/") {
        Some("is an absolute path")
    } else if path.split(|octet| *octet == b'/').any(|part| part == b"..") {
        Some("leaves its directory by `..`")
    } else if path.contains(&0) {
        Some("has a NUL octet in it")
    } else {
        None
    }
}

fn format_of(name: &str) -> Option<DataFormat> {
    let (_, extension) = name.rsplit_once('.')?;
    match extension {
        "json" => Some(DataFormat::Json),
        "csv" => Some(DataFormat::Csv),
        "txt" => Some(DataFormat::Text),
        _ => None,
    }
}
