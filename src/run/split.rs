//! Joins the engine's frames to the pump, which know nothing of each other.

use crate::docker::frame::{Decoder, Stream};
use crate::pump::{Share, Split, SplitError};
