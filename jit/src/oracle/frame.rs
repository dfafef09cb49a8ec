//! The variables of one function call, or of the top level of a module.
//!
//! Every variable lives in a cell, so that capturing or importing it by reference is sharing the cell. A cell that holds
//! undefined is a variable without a value.
//!
//! HSL manual: structures, "closure", "global".

use std::collections::HashMap;
use std::rc::Rc;

use super::definition::Scope;
use crate::error::ErrorKind;
use crate::runtime::Value;
use crate::syntax::ast::Name;

/// The variables of one call, and what its text can see.
#[derive(Debug, Default)]
pub(super) struct Frame {
    variables: HashMap<Name, Value>,
    pub(super) scope: Rc<Scope>,
    /// The class whose text is running.
    pub(super) class: Option<u32>,
}

impl Frame {
    pub(super) fn new(scope: Rc<Scope>, class: Option<u32>) -> Self {
        Self {
            variables: HashMap::new(),
            scope,
            class,
        }
    }

    /// The cell of a variable, made if the variable was never mentioned.
    pub(super) fn cell(&mut self, name: &Name) -> Result<Value, ErrorKind> {
        if let Some(cell) = self.variables.get(name) {
            return Ok(cell.clone());
        }
        let cell = Value::cell(Value::UNDEFINED)?;
        self.variables.insert(Rc::clone(name), cell.clone());
        Ok(cell)
    }

    /// Makes a variable the one in `cell`, shared with whoever else has it.
    pub(super) fn share(&mut self, name: &Name, cell: Value) {
        self.variables.insert(Rc::clone(name), cell);
    }

    /// The value of a variable, if it has one.
    pub(super) fn read(&self, name: &str) -> Option<Value> {
        let value = self.variables.get(name)?.as_cell()?.get();
        (!value.is_undefined()).then_some(value)
    }

    /// Gives a variable a value. Undefined takes its value away.
    pub(super) fn write(&mut self, name: &Name, value: Value) -> Result<(), ErrorKind> {
        if let Some(cell) = self.cell(name)?.as_cell() {
            cell.set(value);
        }
        Ok(())
    }
}
