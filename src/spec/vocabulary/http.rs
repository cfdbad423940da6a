//! The members `url` and `headers` of whatever speaks HTTP.

use std::collections::{BTreeMap, HashSet};

use crate::spec::error::Problem;
use crate::spec::json::fields::Fields;
use crate::spec::json::table::{Kind, Member};
use crate::spec::json::{Fault, rule, shortened};
use crate::spec::limits::MAX_HEADERS;
use crate::spec::secret::{HttpUrl, Secret};

/// Headers of a request.
pub(in crate::spec) const HEADERS: Kind = Kind::Map {
    names: &rule::HEADER_NAME,
    of: &Kind::Text(&rule::HEADER_VALUE),
    most: MAX_HEADERS,
    unit: "headers",
};

/// The member `url`.
pub(in crate::spec) const fn url_member(about: &'static str, example: &'static str) -> Member {
    Member::required("url", Kind::Text(&rule::URL), about).example(example)
}

/// The member `headers`.
pub(in crate::spec) const fn headers_member(about: &'static str, example: &'static str) -> Member {
    Member::optional("headers", HEADERS, about).or_null().example(example)
}

/// Reads the member `url`.
pub(in crate::spec) fn url(fields: &Fields<'_>) -> Result<HttpUrl, Fault> {
    let address = fields.need("url")?;
    let unreadable = || {
        let (found, expected) = (address.describe(true), rule::URL.expected.to_owned());
        Fault::new(address.at, Problem::Unexpected { found, expected })
    };
    address.as_str().and_then(HttpUrl::parse).ok_or_else(unreadable)
}

/// Reads the member `headers`; none if it is not there.
pub(in crate::spec) fn headers(fields: &Fields<'_>) -> Result<BTreeMap<String, Secret>, Fault> {
    let mut headers = BTreeMap::new();
    let mut names = HashSet::new();
    for (name, value) in fields.get("headers").iter().flat_map(|node| Fields::of(node).iter()) {
        if !names.insert(name.to_ascii_lowercase()) {
            return Err(Fault::new(value.at, Problem::Twice(shortened(name))));
        }
        headers.insert(name.to_owned(), Secret::new(value.as_str().unwrap_or_default()));
    }
    Ok(headers)
}
