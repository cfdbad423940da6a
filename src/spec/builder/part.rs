//! What a job is put together of: each part is an object of the job document. What can be made of
//! a part, and said of it, stands at its row in `vocabulary`.

use std::fmt;

use serde_json::{Value, json};

use crate::spec::Secret;
use crate::spec::vocabulary::row::Row;

macro_rules! parts {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone)]
        #[must_use]
        pub struct $name(pub(in crate::spec) Value);

        impl $name {
            /// The transform of a row, without members.
            pub(in crate::spec) fn of(row: &Row) -> Self {
                Self(json!({ "type": row.shape.name }))
            }

            /// The same with a member set.
            pub(in crate::spec) fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
                self.0[member] = value.into();
                self
            }
        }

        impl fmt::Debug for $name {
            /// What it is, without its members: there may be secrets among them.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let kind = self.0.get("type").and_then(Value::as_str).unwrap_or("…");
                f.debug_tuple(stringify!($name)).field(&kind).finish()
            }
        }
    )*};
}

parts! {
    /// A volume.
    Mount
    /// A file or folder in a volume; as an argument its path in the container.
    InVolume
    /// A FIFO between host and container; as an argument its path in the container.
    Pipe
    /// Where bytes come from.
    Input
    /// Where bytes go.
    Output
    /// What is downloaded into a volume; as an argument its path in the container.
    Fetch
    /// What is done with results.
    ResultHook
    /// An argument of the container's command.
    Arg
}

macro_rules! from {
    ($($from:ty => $($to:ty),*;)*) => {$($(
        impl From<$from> for $to {
            fn from(part: $from) -> Self {
                Self(part.0)
            }
        }
    )*)*};
}

from! {
    Mount => Arg;
    InVolume => Arg;
    Fetch => Arg;
    Pipe => Arg, Input, Output;
}

impl From<&Mount> for Arg {
    fn from(volume: &Mount) -> Self {
        Self(volume.0.clone())
    }
}

macro_rules! literals {
    ($($literal:ty),*) => {$(
        impl From<$literal> for Arg {
            fn from(literal: $literal) -> Self {
                Self(json!(literal))
            }
        }
    )*};
}

literals!(&str, String, &String, i32, i64, u32, u64, usize, f64);

impl Input {
    pub(in crate::spec) fn with_header(mut self, name: String, value: &Secret) -> Self {
        add_header(&mut self.0, name, value);
        self
    }
}

impl Output {
    pub(in crate::spec) fn with_header(mut self, name: String, value: &Secret) -> Self {
        add_header(&mut self.0, name, value);
        self
    }
}

fn add_header(part: &mut Value, name: String, value: &Secret) {
    part["headers"][name] = Value::String(value.expose().to_owned());
}
