//! Go slices. Nothing in Helm's templates changes one in place, so a list is immutable and shared.

use std::rc::Rc;

use super::Value;

/// The element type of a slice, which `typeOf` and `deepEqual` see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementType {
    /// `[]interface {}`.
    Any,
    /// `[]string`: `splitList`, `keys`, `sortAlpha`.
    String,
    /// `[]int`: `until`.
    Int,
    /// `[]map[string]interface {}`: `pluck`'s kin.
    Map,
    /// `[][]interface {}`: `chunk`.
    List,
}

impl ElementType {
    /// The slice's own type name.
    pub fn list_type_name(self) -> &'static str {
        match self {
            Self::Any => "[]interface {}",
            Self::String => "[]string",
            Self::Int => "[]int",
            Self::Map => "[]map[string]interface {}",
            Self::List => "[][]interface {}",
        }
    }
}

/// A Go slice; a nil slice is empty and prints like one, but is `null` in JSON.
#[derive(Clone, Debug)]
pub struct List {
    element: ElementType,
    items: Option<Rc<[Value]>>,
}

impl List {
    /// A `[]interface {}`.
    pub fn new(items: impl IntoIterator<Item = Value>) -> Self {
        Self::of(ElementType::Any, items)
    }

    /// A slice of the given element type.
    pub fn of(element: ElementType, items: impl IntoIterator<Item = Value>) -> Self {
        Self { element, items: Some(items.into_iter().collect()) }
    }

    /// A nil slice.
    pub fn nil(element: ElementType) -> Self {
        Self { element, items: None }
    }

    /// The element type.
    pub fn element_type(&self) -> ElementType {
        self.element
    }

    /// Whether this is Go's nil slice.
    pub fn is_nil(&self) -> bool {
        self.items.is_none()
    }

    /// The elements.
    pub fn items(&self) -> &[Value] {
        self.items.as_deref().unwrap_or(&[])
    }

    /// How many elements.
    pub fn len(&self) -> usize {
        self.items().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items().is_empty()
    }

    /// Whether nobody else holds this list.
    pub fn is_sole(&self) -> bool {
        self.items.as_ref().is_some_and(|items| Rc::strong_count(items) == 1)
    }

    /// Takes nested lists and maps out, where nobody else holds this list.
    pub(super) fn take_nested(&mut self, nested: &mut Vec<Value>) {
        if let Some(items) = self.items.as_mut().and_then(Rc::get_mut) {
            nested.extend(items.iter_mut().filter(|item| item.is_container()).map(std::mem::take));
        }
    }

    /// An address that tells two slices apart, for cycle detection.
    pub fn address(&self) -> usize {
        self.items.as_ref().map_or(0, |items| items.as_ptr() as usize)
    }
}

impl Drop for List {
    #[inline]
    fn drop(&mut self) {
        if self.items.as_ref().is_none_or(|items| Rc::strong_count(items) > 1) {
            return;
        }
        let mut nested = Vec::new();
        self.take_nested(&mut nested);
        super::dismantle(nested);
    }
}
