//! The classes every script may use.
//!
//! In: the name of a class, or an object and the name of a function. Out: the functions, which stand in the registry of
//! builtins like any other: `File` makes an object, `File::String` belongs to the class, `File->read` to its objects. Only
//! the first two can be written in a script, so no name means two things.
//! Guarantees: what a class lacks of the manual's is listed, with what to do instead, so that using it is a mistake the
//! compiler explains. Knows nothing of what an object holds; that is in the class's own file.

use super::{Builtin, file, mime};
use crate::error::ErrorKind;
use crate::runtime::{FunctionTarget, HslObject, Kinds, Value};

/// A class of the library.
#[derive(Clone, Copy, Debug)]
pub struct Class {
    /// Its name in scripts.
    pub name: &'static str,
    /// What its objects are, in one line.
    pub summary: &'static str,
    /// The functions that need no object: the constructor, named as the class is, and those named `Class::function`.
    pub functions: &'static [Builtin],
    /// The functions of its objects, named `Class->function`.
    pub methods: &'static [Builtin],
    /// Functions of the manual that do not exist here, each with what to do instead.
    pub absent: &'static [(&'static str, &'static str)],
}

impl Class {
    /// The function that objects of the class have under this name.
    #[must_use]
    pub fn method(&self, name: &str) -> Option<&'static Builtin> {
        let mut methods = self.methods.iter();
        methods.find(|method| method.short_name() == name)
    }

    /// The constructor or another function of the class itself, by its full name.
    #[must_use]
    pub fn function(&self, full_name: &str) -> Option<&'static Builtin> {
        let mut functions = self.functions.iter();
        functions.find(|function| function.name == full_name)
    }

    /// What to do instead of calling a function that does not exist here, by its full name.
    #[must_use]
    pub fn instead_of(&self, full_name: &str) -> Option<&'static str> {
        let found = self.absent.iter().find(|(name, _)| *name == full_name);
        found.map(|(_, instead)| *instead)
    }
}

impl Builtin {
    /// The name by which a function of an object is called, without that of the class.
    #[must_use]
    pub fn short_name(&self) -> &'static str {
        self.name
            .rsplit_once("->")
            .map_or(self.name, |(_, name)| name)
    }

    /// Whether it gives an object, which then is one of its own class.
    #[must_use]
    pub fn gives_object(&self) -> bool {
        self.returns == Kinds::OBJECT
    }
}

/// Every class. An object names its own by the index here.
#[must_use]
pub fn classes() -> &'static [Class] {
    &CLASSES
}

/// The function that an object of the library has under this name.
pub(crate) fn method_of(object: &HslObject, name: &[u8]) -> Option<&'static Builtin> {
    let class = CLASSES.get(object.library_class()? as usize)?;
    class.method(std::str::from_utf8(name).ok()?)
}

/// The same as a value, bound to the object.
///
/// # Errors
///
/// If the heap exceeds its limit.
pub(crate) fn bound_method(object: &Value, name: &[u8]) -> Result<Option<Value>, ErrorKind> {
    let method = object.as_object().and_then(|it| method_of(it, name));
    let index = method.and_then(|method| super::find(method.name));
    let Some(index) = index.and_then(|index| u32::try_from(index).ok()) else {
        return Ok(None);
    };
    let target = FunctionTarget::Builtin(index);
    Value::function(target, object.clone(), std::iter::empty()).map(Some)
}

static CLASSES: [Class; 2] = [file::CLASS, mime::CLASS];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtins::Machine;
    use crate::builtins::call::tests::{bench, on_heap, shown, text};
    use crate::runtime::Portable;
    use crate::runtime::portable::Snapshot;

    /// What `$context` keeps from one script to the next: an object and a function of it stay one object.
    #[test]
    fn objects_are_kept_with_the_rest_of_a_snapshot() {
        let mut kept = None;
        on_heap(|| {
            let make = super::super::builtin("File::String").expect("there");
            let file = make.invoke(&[text("Hello")], &mut bench()).expect("fits");
            let read = bound_method(&file, b"read").expect("fits").expect("there");
            let both = Value::array_of([file, read]).expect("fits");
            assert!(Portable::copy(&both).is_err(), "it is not data");
            let snapshot = Snapshot::take(&both).expect("small");
            assert!(snapshot.data().is_none());
            kept = Some(snapshot);
        });
        on_heap(|| {
            let both = kept.expect("taken").restore().expect("fits");
            let mut both = both.as_array().expect("array").values();
            let (file, read) = (both.next().expect("file"), both.next().expect("read"));
            let object = file.as_object().expect("object");
            let tell = method_of(object, b"tell").expect("there");
            let two = [Value::number(2.0)];
            assert_eq!(shown(bench().invoke(read, &two)), "He");
            assert_eq!(shown(tell.invoke_on(file, &[], &mut bench())), "2");
        });
    }

    #[test]
    fn functions_are_named_for_their_class() {
        assert_eq!(classes()[file::INDEX as usize].name, "File");
        assert_eq!(classes()[mime::INDEX as usize].name, "MIME");
        for class in classes() {
            assert!(!class.summary.is_empty());
            for function in class.functions {
                let rest = function.name.strip_prefix(class.name);
                let rest = rest.expect("the name of the class is in front");
                assert!(rest.is_empty() || rest.starts_with("::"));
                assert!(class.function(function.name).is_some());
                assert!(!function.pure, "{}: objects differ", function.name);
            }
            for method in class.methods {
                let full_name = format!("{}->{}", class.name, method.short_name());
                assert_eq!(method.name, full_name);
                assert!(class.method(method.short_name()).is_some());
                assert!(!method.pure, "{}: objects change", method.name);
            }
            for (absent, instead) in class.absent {
                assert!(absent.starts_with(class.name) && !instead.is_empty());
                assert!(super::super::find(absent).is_none());
            }
        }
    }
}
