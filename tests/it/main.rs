//! Tests that need no engine and no Girder.

mod spec;
mod spec_schema;
