//! A part that is the same in nearly all objects.

use core::fmt;
use core::ops::{Deref, DerefMut};
use std::rc::Rc;

/// A value that is nearly always the usual one: it takes memory only where it is not. Clones share
/// theirs until one of them is changed.
pub struct Rare<T>(Option<Rc<T>>);

/// The value that all [`Rare`] without another one share.
pub trait Usual: 'static {
    /// The value of an object that has no other one.
    const USUAL: &'static Self;
}

impl<T> Rare<T> {
    /// With this value.
    pub fn new(value: T) -> Self {
        Rare(Some(Rc::new(value)))
    }

    /// The value, unless it is a shared one, which cannot change.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        Rc::get_mut(self.0.as_mut()?)
    }
}

impl<T> Clone for Rare<T> {
    fn clone(&self) -> Self {
        Rare(self.0.clone())
    }
}

impl<T> Default for Rare<T> {
    fn default() -> Self {
        Rare(None)
    }
}

impl<T: Usual> Deref for Rare<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::USUAL)
    }
}

impl<T: Usual + Clone> DerefMut for Rare<T> {
    fn deref_mut(&mut self) -> &mut T {
        Rc::make_mut(self.0.get_or_insert_with(|| Rc::new(T::USUAL.clone())))
    }
}

impl<T: Usual + PartialEq> PartialEq for Rare<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Usual + Eq> Eq for Rare<T> {}

impl<T: Usual + PartialEq> From<T> for Rare<T> {
    fn from(value: T) -> Self {
        Rare((value != *T::USUAL).then(|| Rc::new(value)))
    }
}

impl<T: Usual + fmt::Debug> fmt::Debug for Rare<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
