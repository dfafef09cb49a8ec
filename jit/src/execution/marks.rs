//! Marks on numbered things: which variables were written, which modules have run, which functions are being executed.
//!
//! Most scripts mark nothing, and then clearing costs nothing. Numbers are below the count that the marks were made for;
//! others panic, as an index does. Does not allocate after it was made.

/// A mark for each number below a bound.
#[derive(Clone, Debug)]
pub(crate) struct Marks {
    marks: Box<[bool]>,
    /// Whether any mark was set since the marks were cleared.
    touched: bool,
}

impl Marks {
    /// No marks on `count` things.
    pub(super) fn new(count: usize) -> Self {
        Self {
            marks: vec![false; count].into(),
            touched: false,
        }
    }

    /// Marks one. Whether it was marked already.
    pub(crate) fn set(&mut self, index: usize) -> bool {
        self.touched = true;
        std::mem::replace(&mut self.marks[index], true)
    }

    /// Takes the mark off one.
    pub(crate) fn unset(&mut self, index: usize) {
        self.marks[index] = false;
    }

    /// Takes all marks off.
    pub(super) fn clear(&mut self) {
        if self.touched {
            self.marks.fill(false);
            self.touched = false;
        }
    }

    /// The marked ones, in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> {
        let marks = if self.touched { &self.marks[..] } else { &[] };
        let numbered = marks.iter().enumerate();
        numbered.filter_map(|(index, marked)| marked.then_some(index))
    }
}
