//! A source and a sink, joined.

use super::row::{Class, Reads, Row};
use crate::spec::builder::{Arg, Input, Output};
use crate::spec::connect::Connect;
use crate::spec::json::Node;
use crate::spec::json::fields::Fields;
use crate::spec::json::table::{Kind, Member, Relation, Role, Shape};

pub(super) static ROWS: &[&Row] = &[&CONNECT];

static CONNECT: Row = Row::new(
    Shape::new(
        "Connect",
        "Moves bytes from one source to one sink, one of which is the container's. As an argument it becomes \
         the path of the FIFO in it, or an empty string.",
        &[
            Member::required("input", Kind::Typed(Role::Source), "Where the bytes come from.")
                .example(r#"{"type": "GirderFileIdToStream", "id": "6b02c2bf8ed649d13bc50b4f"}"#),
            Member::required("output", Kind::Typed(Role::Sink), "Where they go.")
                .example(r#"{"type": "NamedInputPipe", "name": "in"}"#),
        ],
    )
    .with_relations(&[Relation::OneIs(&[
        ("input", Role::ContainerSource),
        ("output", Role::ContainerSink),
    ])]),
    Reads::Connect(|fields, reading| {
        reading.taken.count(fields)?;
        let (input, output) = (fields.need("input")?, fields.need("output")?);
        let is_fast = Fields::of(input).get("fast").and_then(Node::as_bool).unwrap_or(false);
        let connect = Connect::new(reading.source(input)?, reading.sink(output)?);
        Ok(Connect { is_fast, ..connect })
    }),
)
.of_class(Class::new(
    "girder_worker.docker.transforms.Connect",
    &[("_input", "input"), ("_output", "output")],
));

impl Arg {
    /// Moves bytes from one end to the other; becomes the path of the pipe among them (`Connect`).
    pub fn connect(input: impl Into<Input>, output: impl Into<Output>) -> Self {
        Self::of(&CONNECT).with("input", input.into().0).with("output", output.into().0)
    }
}
