//! Named pipes between host and container.

use super::reading::Reading;
use super::row::{Class, Reads, Row};
use super::volumes::{ITS_VOLUME, VOLUME};
use crate::spec::Argument;
use crate::spec::builder::{Mount, Pipe};
use crate::spec::connect::{Connect, Direction, Fifo, FifoPlace, Sink, Source};
use crate::spec::json::fields::Fields;
use crate::spec::json::table::{Kind, Member, Relation, Shape};
use crate::spec::json::{Fault, rule, shortened};

pub(super) static ROWS: &[&Row] = &[&NAMED_INPUT_PIPE, &NAMED_OUTPUT_PIPE, &PROGRESS_PIPE];

static NAMED_INPUT_PIPE: Row = Row::new(
    Shape::new(
        "NamedInputPipe",
        "A FIFO that the container reads. As an argument it becomes its path in the container.",
        INPUT_PIPE,
    )
    .with_relations(PIPE_RELATIONS),
    Reads::InputPipe(|fields, reading| pipe(fields, reading, Direction::Input)),
)
.of_class(Class::new("girder_worker.docker.transforms.NamedInputPipe", ITS_MEMBERS));

static NAMED_OUTPUT_PIPE: Row = Row::new(
    Shape::new(
        "NamedOutputPipe",
        "A FIFO that the container writes. As an argument it becomes its path in the container.",
        OUTPUT_PIPE,
    )
    .with_relations(PIPE_RELATIONS),
    Reads::OutputPipe(|fields, reading| pipe(fields, reading, Direction::Output)),
)
.of_class(Class::new("girder_worker.docker.transforms.NamedOutputPipe", ITS_MEMBERS));

static PROGRESS_PIPE: Row = Row::new(
    Shape::new(
        "ProgressPipe",
        "A FIFO that the container writes its progress to: lines of JSON with `total`, `current`, \
         `message`. As an argument it becomes its path in the container.",
        &[
            Member::optional("name", Kind::Text(&rule::ORDINARY_PATH), "The FIFO's file name.")
                .default(r#"".girder_progress""#),
            VOLUME,
        ],
    ),
    Reads::Argument(|fields, reading| {
        reading.taken.count(fields)?;
        let name = fields.optional_text("name").unwrap_or(Fifo::PROGRESS);
        let place = in_volume(name, fields, reading)?;
        let fifo = Fifo { name: name.to_owned(), place, direction: Direction::Output };
        reading.taken.take_fifo(&fifo, &reading.volumes, fields)?;
        let connect = Connect::new(Source::Fifo(fifo), Sink::Progress);
        Ok(Argument::Connect(Box::new(connect)))
    }),
)
.of_class(Class::new(
    "girder_worker.docker.transforms.girder.ProgressPipe",
    &[("name", "name"), ITS_VOLUME],
));

const INPUT_PIPE: &[Member] =
    &[FIFO_NAME.example(r#""input.fifo""#), VOLUME, CONTAINER_PATH, HOST_PATH];

const OUTPUT_PIPE: &[Member] =
    &[FIFO_NAME.example(r#""output.fifo""#), VOLUME, CONTAINER_PATH, HOST_PATH];

const FIFO_NAME: Member =
    Member::required("name", Kind::Text(&rule::ORDINARY_PATH), "The FIFO's file name.");

const CONTAINER_PATH: Member = Member::optional(
    "container_path",
    Kind::Text(&rule::CONTAINER_FOLDER),
    "Instead of a volume: the folder in the container. It must be mounted there.",
)
.or_null()
.example(r#""/mnt/data""#);

const HOST_PATH: Member =
    Member::optional("host_path", Kind::Text(&rule::HOST_FOLDER), "The same folder on the host.")
        .or_null()
        .example(r#""/srv/data""#);

const PIPE_RELATIONS: &[Relation] = &[
    Relation::Together("container_path", "host_path"),
    Relation::Exclusive("volume", "container_path"),
];

const ITS_MEMBERS: &[(&str, &str)] = &[
    ("name", "name"),
    ITS_VOLUME,
    ("_container_path", "container_path"),
    ("_host_path", "host_path"),
];

fn pipe(fields: &Fields<'_>, reading: &mut Reading, direction: Direction) -> Result<Fifo, Fault> {
    let name = fields.text("name")?;
    let paths = (fields.optional_text("container_path"), fields.optional_text("host_path"));
    let place = match paths {
        (Some(container_path), Some(host_path)) => FifoPlace::Paths {
            container_path: container_path.to_owned(),
            host_path: host_path.into(),
        },
        _ => in_volume(name, fields, reading)?,
    };
    Ok(Fifo { name: name.to_owned(), place, direction })
}

fn in_volume(name: &str, fields: &Fields<'_>, reading: &mut Reading) -> Result<FifoPlace, Fault> {
    let what = || format!("the FIFO `{}`", shortened(name));
    reading.volume_on_host(fields, what).map(FifoPlace::Volume)
}

impl Pipe {
    /// One that the container reads (`NamedInputPipe`).
    pub fn input(name: impl Into<String>) -> Self {
        Self::of(&NAMED_INPUT_PIPE).with("name", name.into())
    }

    /// One that the container writes (`NamedOutputPipe`).
    pub fn output(name: impl Into<String>) -> Self {
        Self::of(&NAMED_OUTPUT_PIPE).with("name", name.into())
    }

    /// One that the container writes its progress to (`ProgressPipe`).
    pub fn progress() -> Self {
        Self::of(&PROGRESS_PIPE)
    }

    /// In a volume that is not the default temporary one.
    pub fn on(self, volume: &Mount) -> Self {
        self.with("volume", volume.0.clone())
    }

    /// In a folder that container and host both have.
    pub fn at(self, container_path: impl Into<String>, host_path: impl Into<String>) -> Self {
        self.with("container_path", container_path.into()).with("host_path", host_path.into())
    }
}
