//! The values of a session between two executions.
//!
//! In: what an execution left. Out: the same values in the next one, each in its place; and their text for people.

use std::collections::HashMap;
use std::rc::Rc;

use super::origins::{Origins, Place};
use crate::error::ErrorKind;
use crate::execution::kept::Kept;
use crate::execution::running::Running;
use crate::resolve::Environment;
use crate::runtime::convert::{self, TextSink};
use crate::runtime::{Heap, Kind, Value};

/// A variable of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionVariable {
    /// Without `$`.
    pub name: String,
    /// The kind of its value.
    pub kind: Kind,
    /// Its value as a literal; what is long is cut, and ends in `...`.
    pub text: Vec<u8>,
}

/// The values, and the script whose numbers they carry.
#[derive(Debug)]
pub(super) struct Memory {
    kept: Kept,
    origins: Rc<Origins>,
    /// The variables of the main program: name, number of the global. In order of their names.
    variables: Vec<(String, u32)>,
}

impl Memory {
    pub(super) fn new(kept: Kept, origins: Rc<Origins>, mut variables: Vec<(String, u32)>) -> Self {
        variables.retain(|(_, global)| {
            let defined = kept.defined.get(*global as usize);
            defined.copied().unwrap_or(false)
        });
        variables.sort();
        Self {
            kept,
            origins,
            variables,
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(|(name, _)| name.as_str())
    }

    /// Puts the values into an execution of another script; its heap is entered.
    pub(super) fn restore(
        &self,
        running: &mut Running,
        origins: &Origins,
        environment: &Environment,
    ) -> Result<(), ErrorKind> {
        let renumber = |target| self.origins.renumber(target, origins);
        let mut places = HashMap::new();
        for (index, place) in origins.globals.iter().enumerate() {
            running.globals.push(Value::cell(Value::UNDEFINED)?);
            places.insert(place.clone(), index);
        }
        for (index, place) in origins.statics.iter().enumerate() {
            places.insert(place.clone(), index);
        }
        let values = self.kept.values.restore_all(&renumber)?;
        for (place, value) in self.places().zip(values) {
            let new = places.get(&place).copied();
            let slot = match (&place, new) {
                (Place::Global(..), Some(index)) => running.globals.get_mut(index),
                (Place::Static(..), Some(index)) => running.statics.get_mut(index),
                (Place::Predefined(index), _) if environment.variables[*index].writable => {
                    running.predefined.get_mut(*index)
                }
                _ => None,
            };
            if let Some(slot) = slot {
                *slot = value;
            }
        }
        for module in self.kept.modules_run.iter() {
            let target = u32::try_from(module).map(crate::runtime::FunctionTarget::User);
            if let Ok(target) = target
                && let Some(crate::runtime::FunctionTarget::User(new)) = renumber(target)
            {
                running.modules_run.set(new as usize);
            }
        }
        Ok(())
    }

    /// What the kept values are, in their order.
    fn places(&self) -> impl Iterator<Item = Place> {
        let [globals, statics, predefined] = self.kept.counts;
        let globals = self.origins.globals.iter().take(globals).cloned();
        let statics = self.origins.statics.iter().take(statics).cloned();
        let predefined = (0..predefined).map(Place::Predefined);
        globals.chain(statics).chain(predefined)
    }

    /// The variables of the main program.
    pub(super) fn variables(&self) -> Vec<SessionVariable> {
        let heap = Heap::new(usize::MAX);
        let _entered = heap.enter();
        // Its own numbers: nothing is called here.
        let Ok(values) = self.kept.values.restore_all(&Some) else {
            return Vec::new();
        };
        let shown = self.variables.iter().filter_map(|(name, global)| {
            let value = values.get(*global as usize)?.as_cell()?.get();
            let mut text = Short(Vec::new());
            if convert::write_literal(&value, &mut text, convert::DEPTH_MAX).is_err() {
                text.0.extend_from_slice(b"...");
            }
            Some(SessionVariable {
                name: name.clone(),
                kind: value.kind(),
                text: text.0,
            })
        });
        shown.collect()
    }
}

/// Text that is cut after a line or two.
struct Short(Vec<u8>);

impl TextSink for Short {
    fn push(&mut self, octets: &[u8]) -> Result<(), ErrorKind> {
        let limit = VARIABLE_OCTETS_MAX;
        let room = limit - self.0.len();
        self.0.extend_from_slice(&octets[..octets.len().min(room)]);
        match room < octets.len() {
            true => Err(ErrorKind::StringLength { limit }),
            false => Ok(()),
        }
    }
}

/// How much of a variable is shown.
const VARIABLE_OCTETS_MAX: usize = 160;
