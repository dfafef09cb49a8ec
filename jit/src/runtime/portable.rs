//! Values outside any heap.
//!
//! A [`Portable`] is a deep copy that may go to another thread: results, variables a host sets, what shared memory keeps. It
//! holds data only; functions and objects belong to a script.
//! A [`Snapshot`] also carries functions and objects, by the numbers their script gives them, with what they share and even
//! with cycles. It means something only to the script it was taken from; `$context` between the hooks of one connection is
//! kept this way.
//! Both are bounded in depth, elements and bytes, and share nothing with the heap they were taken from: what was one
//! string with a thousand references there is a thousand strings here, so that the heap's own limit would not do.

use std::collections::HashMap;

use super::array::HslArray;
use super::compare::ELEMENTS_MAX;
use super::convert::DEPTH_MAX;
use super::function::FunctionTarget;
use super::key::Key;
use super::kind::Kind;
use super::value::Value;
use crate::error::ErrorKind;

/// The key of an element, outside any heap.
#[derive(Clone, Debug, PartialEq)]
pub enum PortableKey {
    /// `none`.
    None,
    /// An integer.
    Integer(i64),
    /// Octets.
    String(Box<[u8]>),
}

/// A value outside any heap.
#[derive(Clone, Debug, PartialEq)]
pub enum Portable {
    /// `none`.
    None,
    /// A boolean.
    Boolean(bool),
    /// A number.
    Number(f64),
    /// Octets.
    String(Box<[u8]>),
    /// An array: its elements in order.
    Array(Vec<(PortableKey, Self)>),
    /// In a [`Snapshot`] only: the function, object or cell with this index.
    Shared(u32),
}

impl Portable {
    /// A string.
    #[must_use]
    pub fn string(octets: impl AsRef<[u8]>) -> Self {
        Self::String(octets.as_ref().into())
    }

    /// A deep copy of a value.
    ///
    /// # Errors
    ///
    /// If the value is or contains a function or an object, is nested deeper than [`DEPTH_MAX`], has more than
    /// [`ELEMENTS_MAX`] elements or takes more than [`COPY_BYTES_MAX`].
    pub fn copy(value: &Value) -> Result<Self, ErrorKind> {
        Copier::default().copy(value, DEPTH_MAX, false)
    }

    /// Memory the value takes, about.
    #[must_use]
    pub fn octets(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::None | Self::Boolean(_) | Self::Number(_) | Self::Shared(_) => 0,
                Self::String(octets) => octets.len(),
                Self::Array(elements) => elements
                    .iter()
                    .map(|(key, element)| {
                        let key_octets = match key {
                            PortableKey::String(octets) => octets.len(),
                            PortableKey::None | PortableKey::Integer(_) => 0,
                        };
                        size_of::<PortableKey>() + key_octets + element.octets()
                    })
                    .sum(),
            }
    }

    /// The value on the entered heap.
    ///
    /// # Errors
    ///
    /// If it is nested deeper than [`DEPTH_MAX`] or the heap exceeds its limit.
    pub fn to_value(&self) -> Result<Value, ErrorKind> {
        restore(self, &[], DEPTH_MAX)
    }
}

/// A value with the functions and objects of its script, outside any heap.
#[derive(Clone, Debug)]
pub struct Snapshot {
    root: Portable,
    shared: Vec<Shared>,
    bytes: usize,
}

#[derive(Clone, Debug)]
enum Shared {
    /// What a variable holds; none when it holds nothing.
    Cell(Option<Portable>),
    Function {
        target: FunctionTarget,
        bound: Portable,
        cells: Vec<Portable>,
    },
    Object {
        class: u32,
        properties: Portable,
    },
}

impl Snapshot {
    /// A deep copy of a value, in which what was shared is shared.
    ///
    /// # Errors
    ///
    /// If the value is nested deeper than [`DEPTH_MAX`], has more than [`ELEMENTS_MAX`] elements or takes more than
    /// [`COPY_BYTES_MAX`].
    pub fn take(value: &Value) -> Result<Self, ErrorKind> {
        let mut copier = Copier::default();
        let root = copier.copy(value, DEPTH_MAX, true)?;
        copier.complete(root)
    }

    /// One copy of several values, in which what was shared is shared between them too.
    ///
    /// # Errors
    ///
    /// As [`Self::take`], for all of them together.
    pub(crate) fn take_all<'v>(values: impl Iterator<Item = &'v Value>) -> Result<Self, ErrorKind> {
        let mut copier = Copier::default();
        let copies = values.zip(0..).map(|(value, index)| {
            let copy = copier.copy(value, DEPTH_MAX, true)?;
            Ok((PortableKey::Integer(index), copy))
        });
        let root = Portable::Array(copies.collect::<Result<_, ErrorKind>>()?);
        copier.complete(root)
    }

    /// The values of [`Self::take_all`] on the entered heap, for a script that has the same functions and classes under
    /// other numbers: `renumber` gives the new ones. What has none becomes none.
    pub(crate) fn restore_all(
        &self,
        renumber: &dyn Fn(FunctionTarget) -> Option<FunctionTarget>,
    ) -> Result<Vec<Value>, ErrorKind> {
        let made = self.restore_shared(renumber)?;
        let Portable::Array(values) = &self.root else {
            return Ok(Vec::new());
        };
        let values = values.iter();
        values
            .map(|(_, value)| restore(value, &made, DEPTH_MAX))
            .collect()
    }

    /// The memory it takes, in bytes: its octets, and for each element its place.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The value, if it is data only: then it means the same to every script.
    #[must_use]
    pub fn data(&self) -> Option<&Portable> {
        self.shared.is_empty().then_some(&self.root)
    }

    /// The value on the entered heap. Its script must be the one it was taken from.
    ///
    /// # Errors
    ///
    /// If the heap exceeds its limit.
    pub fn restore(&self) -> Result<Value, ErrorKind> {
        let made = self.restore_shared(&Some)?;
        restore(&self.root, &made, DEPTH_MAX)
    }

    fn restore_shared(
        &self,
        renumber: &dyn Fn(FunctionTarget) -> Option<FunctionTarget>,
    ) -> Result<Vec<Value>, ErrorKind> {
        let mut made = Vec::with_capacity(self.shared.len());
        for shared in &self.shared {
            made.push(match shared {
                Shared::Cell(_) => Value::cell(Value::UNDEFINED)?,
                Shared::Object { class, .. } => match renumber(FunctionTarget::Class(*class)) {
                    Some(FunctionTarget::Class(class)) => Value::object(class, Value::array()?)?,
                    _ => Value::NONE,
                },
                Shared::Function { .. } => Value::NONE,
            });
        }
        for (index, shared) in self.shared.iter().enumerate() {
            if let Shared::Function {
                target,
                bound,
                cells,
            } = shared
                && let Some(target) = renumber(*target)
            {
                let bound = restore(bound, &made, DEPTH_MAX)?;
                let mut captured = Vec::with_capacity(cells.len());
                for cell in cells {
                    captured.push(restore(cell, &made, DEPTH_MAX)?);
                }
                made[index] = Value::function(target, bound, captured.into_iter())?;
            }
        }
        for (shared, value) in self.shared.iter().zip(&made) {
            match (shared, value.as_cell(), value.as_object()) {
                (Shared::Cell(Some(content)), Some(cell), _) => {
                    cell.set(restore(content, &made, DEPTH_MAX)?)
                }
                (Shared::Object { properties, .. }, _, Some(object)) => {
                    let content = restore(properties, &made, DEPTH_MAX)?;
                    object.update(|properties| *properties = content);
                }
                _ => {}
            }
        }
        Ok(made)
    }
}

#[derive(Debug)]
struct Copier {
    /// Elements and bytes that the copy may still have.
    elements: usize,
    bytes: usize,
    /// Functions, objects and cells by their bits; holding them keeps the bits theirs.
    indexes: HashMap<u64, u32>,
    found: Vec<Value>,
}

impl Default for Copier {
    fn default() -> Self {
        Self {
            elements: ELEMENTS_MAX,
            bytes: COPY_BYTES_MAX,
            indexes: HashMap::new(),
            found: Vec::new(),
        }
    }
}

impl Copier {
    /// The snapshot of a root, with what is shared in it.
    fn complete(mut self, root: Portable) -> Result<Snapshot, ErrorKind> {
        let mut shared = Vec::new();
        // Copying one may find more; each is copied once, so a cycle ends.
        while let Some(found) = self.found.get(shared.len()).cloned() {
            shared.push(self.copy_shared(&found)?);
        }
        Ok(Snapshot {
            root,
            shared,
            bytes: COPY_BYTES_MAX - self.bytes,
        })
    }

    fn copy(
        &mut self,
        value: &Value,
        depth: usize,
        with_code: bool,
    ) -> Result<Portable, ErrorKind> {
        match value.kind() {
            _ if value.as_cell().is_some() => self.refer(value),
            Kind::None => Ok(Portable::None),
            Kind::Boolean => Ok(Portable::Boolean(value.truthy())),
            Kind::Number => Ok(Portable::Number(value.as_number().unwrap_or_default())),
            Kind::String => {
                let octets = value.as_octets().unwrap_or_default();
                self.pay(octets.len())?;
                Ok(Portable::string(octets))
            }
            Kind::Array => match value.as_array() {
                Some(array) => self.copy_array(array, depth, with_code),
                None => Ok(Portable::None),
            },
            Kind::Function | Kind::Object if with_code => self.refer(value),
            Kind::Function | Kind::Object => Err(ErrorKind::NotPortable { got: value.kind() }),
        }
    }

    fn copy_array(
        &mut self,
        array: &HslArray,
        depth: usize,
        with_code: bool,
    ) -> Result<Portable, ErrorKind> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(ErrorKind::NestingDepth { limit: DEPTH_MAX });
        };
        let Some(elements) = self.elements.checked_sub(array.len()) else {
            return Err(ErrorKind::ValueSize {
                limit: ELEMENTS_MAX,
            });
        };
        self.elements = elements;
        self.pay(array.len() * size_of::<(PortableKey, Portable)>())?;
        let mut copy = Vec::with_capacity(array.len());
        for (key, value) in array {
            let key = match key {
                Key::None => PortableKey::None,
                Key::Integer(integer) => PortableKey::Integer(integer),
                Key::Octets(_) | Key::String(_) => {
                    let octets = key.octets().unwrap_or_default();
                    self.pay(octets.len())?;
                    PortableKey::String(octets.into())
                }
            };
            copy.push((key, self.copy(value, depth, with_code)?));
        }
        Ok(Portable::Array(copy))
    }

    fn refer(&mut self, value: &Value) -> Result<Portable, ErrorKind> {
        let limit = ErrorKind::ValueSize {
            limit: ELEMENTS_MAX,
        };
        let next = u32::try_from(self.found.len()).map_err(|_| limit.clone())?;
        if self.found.len() >= ELEMENTS_MAX {
            return Err(limit);
        }
        let index = *self.indexes.entry(value.bits()).or_insert(next);
        if index == next {
            self.pay(size_of::<Shared>())?;
            self.found.push(value.clone());
        }
        Ok(Portable::Shared(index))
    }

    fn pay(&mut self, bytes: usize) -> Result<(), ErrorKind> {
        self.bytes = self
            .bytes
            .checked_sub(bytes)
            .ok_or(ErrorKind::MemoryLimit {
                limit: COPY_BYTES_MAX,
            })?;
        Ok(())
    }

    fn copy_shared(&mut self, value: &Value) -> Result<Shared, ErrorKind> {
        if let Some(function) = value.as_function() {
            let mut cells = Vec::with_capacity(function.cells().len());
            for cell in function.cells() {
                cells.push(self.copy(cell, DEPTH_MAX, true)?);
            }
            return Ok(Shared::Function {
                target: function.target(),
                bound: self.copy(function.bound(), DEPTH_MAX, true)?,
                cells,
            });
        }
        if let Some(object) = value.as_object() {
            return Ok(Shared::Object {
                class: object.class(),
                properties: self.copy(&object.properties(), DEPTH_MAX, true)?,
            });
        }
        let content = value
            .as_cell()
            .map_or(Value::NONE, super::function::VariableCell::get);
        if content.is_undefined() {
            return Ok(Shared::Cell(None));
        }
        let content = self.copy(&content, DEPTH_MAX, true)?;
        Ok(Shared::Cell(Some(content)))
    }
}

/// Memory of one copy, in bytes: as much as a script has by default.
pub const COPY_BYTES_MAX: usize = 64 << 20;

fn restore(portable: &Portable, shared: &[Value], depth: usize) -> Result<Value, ErrorKind> {
    match portable {
        Portable::None => Ok(Value::NONE),
        Portable::Boolean(boolean) => Ok(Value::boolean(*boolean)),
        Portable::Number(number) => Ok(Value::number(*number)),
        Portable::String(octets) => Value::string(octets),
        Portable::Shared(index) => Ok(shared.get(*index as usize).cloned().unwrap_or_default()),
        Portable::Array(elements) => {
            let Some(depth) = depth.checked_sub(1) else {
                return Err(ErrorKind::NestingDepth { limit: DEPTH_MAX });
            };
            let mut value = Value::array()?;
            let array = value.array_mut()?;
            for (key, element) in elements {
                let key = match key {
                    PortableKey::None => Key::None,
                    PortableKey::Integer(integer) => Key::Integer(*integer),
                    PortableKey::String(octets) => Key::of(octets),
                };
                array.set(key, restore(element, shared, depth)?)?;
            }
            Ok(value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::compare::strict_equal;
    use crate::runtime::heap::{Heap, live_objects};

    #[test]
    fn data_survives_the_way_out_of_one_heap_into_another() {
        let (first, second) = (Heap::new(1 << 20), Heap::new(1 << 20));
        let entered = first.enter();
        let mut value = Value::array().expect("fits");
        let array = value.array_mut().expect("array");
        array
            .set(Key::of(b"k"), Value::string(b"v").expect("fits"))
            .expect("fits");
        array.set(Key::None, Value::TRUE).expect("fits");
        array
            .append(Value::array_of([Value::number(1.5), Value::NONE]).expect("fits"))
            .expect("fits");
        let copy = Portable::copy(&value).expect("data");
        drop(value);
        drop(entered);
        assert_eq!(first.live(), 0);
        let _entered = second.enter();
        let restored = copy.to_value().expect("fits");
        assert_eq!(Portable::copy(&restored).expect("data"), copy);
        drop(restored);
        assert_eq!(live_objects(), 0);
    }

    #[test]
    fn snapshots_keep_sharing_and_cycles() {
        let heap = Heap::new(1 << 20);
        let _entered = heap.enter();
        let object = Value::object(2, Value::array().expect("fits")).expect("fits");
        let cell = Value::cell(Value::number(7.0)).expect("fits");
        let closure = Value::function(FunctionTarget::User(1), object.clone(), [cell].into_iter())
            .expect("fits");
        let inner = object.as_object().expect("object");
        inner.set(Key::of(b"self"), object.clone()).expect("fits");
        inner.set(Key::of(b"call"), closure.clone()).expect("fits");
        let both = Value::array_of([object.clone(), closure, object.clone()]).expect("fits");
        let snapshot = Snapshot::take(&both).expect("bounded");
        assert!(matches!(
            Portable::copy(&both),
            Err(ErrorKind::NotPortable { .. })
        ));

        let restored = snapshot.restore().expect("fits");
        let elements = restored.as_array().expect("array");
        let at = |index| elements.get(Key::at(index)).expect("element");
        assert!(at(0).is_same(at(2)), "one object stays one");
        assert!(!at(0).is_same(&object), "but another one");
        let copy = at(0).as_object().expect("object");
        assert!(copy.get(Key::of(b"self")).expect("set").is_same(at(0)));
        assert!(copy.get(Key::of(b"call")).expect("set").is_same(at(1)));
        let function = at(1).as_function().expect("function");
        assert_eq!(function.target(), FunctionTarget::User(1));
        assert!(function.bound().is_same(at(0)));
        let captured = function.cells()[0].as_cell().expect("cell").get();
        assert!(strict_equal(&captured, &Value::number(7.0)).expect("numbers"));
    }

    #[test]
    fn values_that_explode_when_copied_are_refused() {
        let heap = Heap::new(1 << 20);
        let _entered = heap.enter();
        let mut value = Value::NONE;
        for _ in 0..40 {
            value = Value::array_of([value.clone(), value]).expect("fits");
        }
        let limit = ErrorKind::ValueSize {
            limit: ELEMENTS_MAX,
        };
        assert_eq!(Portable::copy(&value).expect_err("too large"), limit);

        let text = Value::string(&vec![b'x'; 1 << 19]).expect("fits");
        let shared = Value::array_of(vec![text; 200]).expect("fits");
        let limit = ErrorKind::MemoryLimit {
            limit: COPY_BYTES_MAX,
        };
        assert_eq!(Portable::copy(&shared).expect_err("too large"), limit);
        assert_eq!(Snapshot::take(&shared).expect_err("too large"), limit);
    }

    #[test]
    fn a_snapshot_knows_its_size() {
        let heap = Heap::new(1 << 20);
        let _entered = heap.enter();
        let bytes = |value: &Value| Snapshot::take(value).expect("fits").bytes();
        let text = Value::string(&[b'x'; 1_000]).expect("fits");
        assert_eq!(bytes(&text), 1_000);
        let twice = Value::array_of([text.clone(), text]).expect("fits");
        let place = size_of::<(PortableKey, Portable)>();
        assert_eq!(bytes(&twice), 2_000 + 2 * place);
    }
}
