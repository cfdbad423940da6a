//! The transforms: objects whose `type` is Girder Worker's class name, or one of ours.

pub(super) mod declared;
pub(super) mod hooks;
pub(super) mod result_hook;
pub(super) mod streams;
pub(super) mod transform;
