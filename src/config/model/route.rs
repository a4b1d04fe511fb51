//! Routes and policy rules.

/// A line of `virtual_routes` or `static_routes`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route;

/// A line of `virtual_rules` or `static_rules`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule;
