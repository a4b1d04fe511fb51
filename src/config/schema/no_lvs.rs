//! The blocks of a build without IPVS: each is named, and skipped whatever is in it.

use super::row::{Items, Schema};

pub(super) static BLOCKS: &[&Schema] = &[&VIRTUAL_SERVER, &SSL];

pub(super) static VIRTUAL_SERVER: Schema = Schema {
    name: "virtual_server",
    tables: &[],
};

pub(super) static SSL: Schema = Schema {
    name: "SSL",
    tables: &[],
};

pub(super) static GROUP_ENTRIES: Items = Items {
    noun: "group entry",
    args: &[],
    many_per_line: false,
};
