//! Calls of every kind, and functions as values.

use std::rc::Rc;

use super::FunctionBuilder;
use crate::ir::{
    FunctionId, FunctionReference, Operand, Operation, PlaceRoot, Register, Terminator,
};
use crate::resolve::{Callee, StaticPlace, Storage};
use crate::source::Span;
use crate::syntax::ast::{self, Argument, Expression, ExpressionKind, Identifier};

impl FunctionBuilder<'_, '_> {
    pub(super) fn call(
        &mut self,
        callee: &Expression,
        arguments: &[Argument],
        span: Span,
    ) -> Operand {
        if let ExpressionKind::FunctionName { name, builtin } = &callee.kind {
            return self.call_by_name(name, *builtin, arguments, span);
        }
        let later: Vec<&Expression> = arguments.iter().map(|argument| &argument.value).collect();
        if let ExpressionKind::Property(object, name) = &callee.kind {
            let object_operand = self.held(object, &later);
            let list = self.argument_array(arguments, span);
            let name = self.property_name(name);
            let into = self.temporary();
            let accessor = self.accessor();
            let call = Operation::CallMethod {
                into,
                object: object_operand,
                name,
                accessor,
                arguments: list,
            };
            self.emit(call, span);
            self.discard(list, span);
            self.discard(object_operand, span);
            return Operand::Register(into);
        }
        if let ExpressionKind::StaticFunction(class, name) = &callee.kind {
            return match self.static_callee(class, name) {
                Some(known) => self.call_known(known, arguments, span),
                None => self.refuse(class.span, "this function is unknown"),
            };
        }
        let function = self.held(callee, &later);
        self.call_value(function, arguments, span)
    }

    fn call_value(&mut self, callee: Operand, arguments: &[Argument], span: Span) -> Operand {
        let list = self.argument_array(arguments, span);
        let into = self.temporary();
        self.emit(
            Operation::CallValue {
                into,
                callee,
                arguments: list,
            },
            span,
        );
        self.discard(list, span);
        self.discard(callee, span);
        Operand::Register(into)
    }

    fn call_by_name(
        &mut self,
        name: &Identifier,
        builtin: bool,
        arguments: &[Argument],
        span: Span,
    ) -> Operand {
        let Some(callee) = self.callee(name, builtin) else {
            return self.refuse(name.span, "this function is unknown");
        };
        self.call_known(callee, arguments, span)
    }

    /// What a name reaches from here.
    fn callee(&self, name: &Identifier, builtin: bool) -> Option<FunctionReference> {
        let scope = crate::resolve::FunctionId::new(self.id);
        let callee = self.shared.resolved.callee(scope, &name.name, builtin)?;
        self.reference(callee)
    }

    /// A callee by the numbers of the intermediate representation.
    fn reference(&self, callee: Callee) -> Option<FunctionReference> {
        Some(match callee {
            Callee::User(function) => {
                FunctionReference::User(FunctionId(super::count(function.index())))
            }
            Callee::Builtin(index) => {
                let name = self.shared.resolved.builtins.get(index as usize)?;
                FunctionReference::Builtin((self.shared.surroundings.builtin)(name)?)
            }
            Callee::Host(index) => FunctionReference::Host(index),
            Callee::Class(class) => FunctionReference::Class(super::count(class.index())),
        })
    }

    pub(super) fn call_known(
        &mut self,
        callee: FunctionReference,
        arguments: &[Argument],
        span: Span,
    ) -> Operand {
        let spread = arguments.iter().any(|argument| argument.spread);
        match callee {
            FunctionReference::User(function) if !spread => {
                self.call_user(function, arguments, span)
            }
            FunctionReference::Builtin(index) if !spread => {
                let operands = self.operands(arguments);
                let into = self.temporary();
                let call = Operation::CallBuiltin {
                    into,
                    builtin: index,
                    arguments: operands.clone(),
                };
                self.emit(call, span);
                self.discard_all(operands, span);
                Operand::Register(into)
            }
            FunctionReference::Host(index) if !spread => self.call_host(index, arguments, span),
            reference => {
                let function = Operand::Register(self.copy(Operand::Function(reference), span));
                self.call_value(function, arguments, span)
            }
        }
    }

    fn call_host(&mut self, index: u32, arguments: &[Argument], span: Span) -> Operand {
        let operands = self.operands(arguments);
        let into = self.temporary();
        self.emit(
            Operation::CallHost {
                into,
                function: index,
                arguments: operands.clone(),
            },
            span,
        );
        let terminating =
            self.shared.surroundings.environment.functions[index as usize].terminating;
        if terminating {
            self.terminate(Terminator::Unreachable, span);
            self.start_unreachable();
            return Operand::None;
        }
        self.discard_all(operands, span);
        Operand::Register(into)
    }

    /// Arguments from left to right, each held while the later ones are evaluated.
    fn operands(&mut self, arguments: &[Argument]) -> Vec<Operand> {
        let values: Vec<&Expression> = arguments.iter().map(|argument| &argument.value).collect();
        values
            .iter()
            .enumerate()
            .map(|(index, value)| self.held(value, &values[index + 1..]))
            .collect()
    }

    fn call_user(&mut self, function: FunctionId, arguments: &[Argument], span: Span) -> Operand {
        let resolved = self.shared.resolved;
        let Some(declared) = resolved.functions[function.0 as usize].syntax.clone() else {
            return self.refuse(span, "the main program can't be called");
        };
        let fixed = declared
            .parameters
            .iter()
            .filter(|parameter| !parameter.variadic)
            .count();
        let given = arguments.len().min(fixed);
        let mut registers: Vec<Register> = Vec::new();
        for argument in &arguments[..given] {
            let operand = self.expression(&argument.value);
            registers.push(self.owned(operand, argument.value.span));
        }
        for parameter in &declared.parameters[given..fixed] {
            let default = match &parameter.default {
                Some(default) => self.constant(default),
                None => self.refuse(span, "an argument is missing"),
            };
            registers.push(self.copy(default, span));
        }
        if declared.parameters.len() > fixed {
            let rest = self.argument_array(&arguments[given..], span);
            registers.push(self.owned(rest, span));
        }
        let into = self.temporary();
        self.emit(
            Operation::Call {
                into,
                function,
                arguments: registers,
                this: None,
            },
            span,
        );
        Operand::Register(into)
    }

    /// The arguments in an array, for calls whose callee is known only when running.
    pub(super) fn argument_array(&mut self, arguments: &[Argument], span: Span) -> Operand {
        let into = self.temporary();
        self.emit(
            Operation::ArrayNew {
                into,
                capacity: super::count(arguments.len()),
            },
            span,
        );
        for argument in arguments {
            let value = self.expression(&argument.value);
            let operation = if argument.spread {
                Operation::ArraySpread { array: into, value }
            } else {
                Operation::ArrayPush { array: into, value }
            };
            self.emit(operation, argument.value.span);
            self.discard(value, argument.value.span);
        }
        Operand::Register(into)
    }

    /// A named function as a value.
    pub(super) fn function_value(
        &mut self,
        name: &Identifier,
        builtin: bool,
        span: Span,
    ) -> Operand {
        match self.callee(name, builtin) {
            Some(callee) => Operand::Register(self.copy(Operand::Function(callee), span)),
            None => self.refuse(name.span, "this function is unknown"),
        }
    }

    pub(super) fn anonymous_function(
        &mut self,
        function: &Rc<ast::Function>,
        span: Span,
    ) -> Operand {
        let Some(id) = self.shared.resolved.function_of(function) else {
            return self.refuse(span, "this function was not resolved");
        };
        let captures = &self.shared.resolved.functions[id.index()].captures;
        let mut cells = Vec::new();
        for capture in captures {
            let outer = self.info.variables[capture.outer.index()].name.clone();
            match self.variable(&outer) {
                super::Variable::Cell(cell) => cells.push(cell),
                super::Variable::Local(_) | super::Variable::Predefined(_) => {
                    self.refuse(span, "this variable can't be captured");
                }
            }
        }
        let into = self.temporary();
        let function = FunctionId(super::count(id.index()));
        self.emit(
            Operation::Closure {
                into,
                function,
                cells,
            },
            span,
        );
        Operand::Register(into)
    }

    pub(super) fn property(&mut self, base: &Expression, name: &Identifier, span: Span) -> Operand {
        let base_operand = self.expression(base);
        let name = self.property_name(name);
        let into = self.temporary();
        let accessor = self.accessor();
        self.emit(
            Operation::Property {
                into,
                base: base_operand,
                name,
                accessor,
            },
            span,
        );
        self.discard(base_operand, span);
        Operand::Register(into)
    }

    fn static_callee(&self, class: &Identifier, name: &Identifier) -> Option<FunctionReference> {
        let scope = crate::resolve::FunctionId::new(self.id);
        let callee = self
            .shared
            .resolved
            .static_callee(scope, &class.name, &name.name)?;
        self.reference(callee)
    }

    /// A static function, or a function of a module, as a value.
    pub(super) fn static_function(
        &mut self,
        class: &Identifier,
        name: &Identifier,
        span: Span,
    ) -> Operand {
        match self.static_callee(class, name) {
            Some(callee) => Operand::Register(self.copy(Operand::Function(callee), span)),
            None => self.refuse(class.span, "this function is unknown"),
        }
    }

    /// The place of `Class::$name` or `module::$name`.
    pub(super) fn static_root(&mut self, class: &Identifier, name: &Identifier) -> PlaceRoot {
        let scope = crate::resolve::FunctionId::new(self.id);
        match self
            .shared
            .resolved
            .static_place(scope, &class.name, &name.name)
        {
            Some(StaticPlace::Class(id)) => PlaceRoot::Static(super::count(id.index())),
            Some(StaticPlace::Module(module, variable)) => {
                let main = self.shared.resolved.modules[module.index()].main;
                let info = self.shared.resolved.function(main);
                match info.variables[variable.index()].storage {
                    Storage::Predefined(index) => PlaceRoot::Predefined(index),
                    Storage::Local | Storage::Shared => {
                        PlaceRoot::Cell(self.module_cell(main.index(), variable))
                    }
                }
            }
            None => PlaceRoot::Value(self.refuse(class.span, "this variable is unknown")),
        }
    }

    pub(super) fn read_static(
        &mut self,
        class: &Identifier,
        name: &Identifier,
        span: Span,
    ) -> Operand {
        let root = self.static_root(class, name);
        let operand = self.read_root(&root, span);
        if let (PlaceRoot::Cell(_), Operand::Register(register)) = (root, operand) {
            self.check_defined(register, &name.name, span);
        }
        operand
    }

    /// What the place of `Class::$name` or `module::$name` holds, `undefined` included.
    pub(super) fn read_root(&mut self, root: &PlaceRoot, span: Span) -> Operand {
        let into = match *root {
            PlaceRoot::Static(index) => {
                let into = self.temporary();
                self.emit(Operation::LoadStatic { into, index }, span);
                into
            }
            PlaceRoot::Cell(cell) => {
                let into = self.temporary();
                self.emit(Operation::CellGet { into, cell }, span);
                into
            }
            PlaceRoot::Predefined(index) => {
                if let Some(fixed) = self.fixed_value(index) {
                    return fixed;
                }
                let into = self.temporary();
                self.emit(Operation::LoadPredefined { into, index }, span);
                into
            }
            PlaceRoot::Variable(_) | PlaceRoot::Value(_) => return Operand::None,
        };
        Operand::Register(into)
    }

    /// Puts an operand into a static variable; gives it up. The value of the assignment.
    pub(super) fn store_static(
        &mut self,
        class: &Identifier,
        name: &Identifier,
        operand: Operand,
        span: Span,
    ) -> Operand {
        let from = self.owned(operand, span);
        match self.static_root(class, name) {
            PlaceRoot::Static(index) => self.emit(Operation::StoreStatic { index, from }, span),
            PlaceRoot::Cell(cell) => self.emit(Operation::CellSet { cell, from }, span),
            PlaceRoot::Predefined(index) => {
                self.emit(Operation::StorePredefined { index, from }, span);
            }
            PlaceRoot::Variable(_) | PlaceRoot::Value(_) => {
                self.emit(Operation::Release { register: from }, span)
            }
        }
        self.read_static(class, name, span)
    }
}
