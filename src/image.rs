//! The parts of an image's reference, `registry:port/path/name:tag@digest`: for the job that names one, and for the
//! engine that takes one.

/// The name with the registry, the tag and the digest of an image's reference.
pub(crate) fn split(text: &str) -> (&str, Option<&str>, Option<&str>) {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    match rest.rsplit_once(':') {
        // A colon before the last slash belongs to a port.
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag), digest),
        _ => (rest, None, digest),
    }
}
