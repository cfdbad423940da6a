//! Where Girder is, and the token for it, as arguments.

use super::row::{Class, Reads, Row};
use crate::spec::Argument;
use crate::spec::builder::Arg;
use crate::spec::json::table::Shape;

pub(super) static ROWS: &[&Row] = &[&GIRDER_API_URL, &GIRDER_TOKEN];

static GIRDER_API_URL: Row = Row::new(
    Shape::new(
        "GirderApiUrl",
        "As an argument it becomes the address of the Girder server's API.",
        &[],
    ),
    Reads::Argument(|_, _| Ok(Argument::GirderApiUrl)),
)
.of_class(Class::new("slicer_cli_web.girder_worker_plugin.direct_docker_run.GirderApiUrl", &[]));

static GIRDER_TOKEN: Row = Row::new(
    Shape::new(
        "GirderToken",
        "As an argument it becomes the token for the Girder server. Whoever may list processes or inspect \
         containers on this host can read it there.",
        &[],
    ),
    Reads::Argument(|_, _| Ok(Argument::GirderToken)),
)
.of_class(Class::new("slicer_cli_web.girder_worker_plugin.direct_docker_run.GirderToken", &[]));

impl Arg {
    /// Becomes the address of the Girder server's API (`GirderApiUrl`).
    pub fn girder_api_url() -> Self {
        Self::of(&GIRDER_API_URL)
    }

    /// Becomes the token for it (`GirderToken`).
    pub fn girder_token() -> Self {
        Self::of(&GIRDER_TOKEN)
    }
}
