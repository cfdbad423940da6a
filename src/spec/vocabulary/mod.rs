//! The transforms: objects whose `type` is Girder Worker's class name, or one of ours.
//!
//! A family of them is a file. In it, each transform is one [`Row`]: its name and members (of which
//! the JSON Schema is made, and against which documents are held), how it is read, and which class
//! of Girder Worker's it is. The builder's functions stand below, and take the name from the row. A
//! new transform is a row in its family's `ROWS`, and whatever carries it out.
//!
//! A row cannot be without a reader: [`Row::new`] takes a [`Reads`](row::Reads), and this alone says
//! where the transform may stand. A new variant of it does not compile before each place
//! ([`reading`]) has said whether it takes it. A test puts every row in each place that it fits.

mod connect;
pub(super) mod declared;
mod downloads;
mod girder;
mod hooks;
pub(super) mod http;
mod paths;
mod pipes;
pub(super) mod reading;
pub(super) mod row;
mod sinks;
mod sources;
mod taken;
#[cfg(test)]
mod tests;
mod volumes;

use reading::Reading;
use row::{Class, Row};

use super::json::table::{Role, Shape, Words};

/// Every family, in the order in which errors tell what is known.
static FAMILIES: &[&[&Row]] = &[
    volumes::ROWS,
    paths::ROWS,
    pipes::ROWS,
    connect::ROWS,
    sources::ROWS,
    sinks::ROWS,
    downloads::ROWS,
    girder::ROWS,
    hooks::ROWS,
];

/// The transforms of this version.
pub(super) const WORDS: Words = Words { here, named, everywhere };

/// Begins to read a document.
pub(super) fn reading() -> Reading {
    Reading::new(row)
}

/// Every class of Girder Worker's, and the transform that it is.
pub(super) fn classes() -> impl Iterator<Item = (&'static Class, &'static Row)> {
    rows().filter_map(|row| Some((row.class.as_ref()?, row)))
}

/// Every transform, in the order in which errors tell what is known.
pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
    FAMILIES.iter().copied().flatten().copied()
}

fn row(name: &str) -> Option<&'static Row> {
    rows().find(|row| row.shape.name == name)
}

fn named(name: &str, role: Role) -> Option<&'static Shape> {
    row(name).filter(|row| row.reads.fits(role)).map(|row| &row.shape)
}

fn here(role: Role) -> Vec<&'static Shape> {
    rows().filter(|row| row.reads.fits(role)).map(|row| &row.shape).collect()
}

fn everywhere() -> Vec<(&'static Shape, &'static str)> {
    rows().map(|row| (&row.shape, row.reads.belongs())).collect()
}
