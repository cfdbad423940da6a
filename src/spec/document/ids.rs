//! Ids that are not quite Girder's: a digit was lost or changed on the way.

use crate::spec::json::fields::Fields;
use crate::spec::json::table::Kind;
use crate::spec::json::{Node, Value, rule};
use crate::spec::vocabulary;

/// A word on the first id in a document that is nearly one of Girder's. Other stores' ids may look otherwise: those that
/// are nothing like them are right.
pub(super) fn odd(document: &Node) -> Option<String> {
    let mut odd = Vec::new();
    collect(document, &mut odd);
    let first = odd.first()?;
    let others = match odd.len() - 1 {
        0 => String::new(),
        others => format!(", and {others} more are like it"),
    };
    let characters = first.len();
    Some(format!(
        "the id {first} has {characters} characters: Girder's have 24, all of them 0 to 9 or a to f{others}"
    ))
}

fn collect<'n>(node: &'n Node, odd: &mut Vec<&'n str>) {
    match &node.value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, odd)),
        Value::Object(members) => {
            let kind = Fields::of(node).type_name();
            let row = vocabulary::rows().find(|row| row.shape.name == kind);
            for (name, value) in members {
                let member = row.and_then(|row| row.shape.member(name));
                let is_id = member.is_some_and(|member| {
                    matches!(&member.kind, Kind::Text(rule) if std::ptr::eq(*rule, &rule::GIRDER_ID))
                });
                match value.as_str().filter(|id| is_id && is_odd(id)) {
                    Some(id) => odd.push(id),
                    None => collect(value, odd),
                }
            }
        }
        _ => {}
    }
}

fn is_odd(id: &str) -> bool {
    const DIGITS: usize = 24;
    let digits = id.bytes().filter(u8::is_ascii_hexdigit).count();
    let others = id.len() - digits;
    let is_near = id.len().abs_diff(DIGITS) <= 3 && others <= 2;
    is_near && (id.len() != DIGITS || others > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_with_a_digit_too_few_is_odd_and_another_stores_is_not() {
        for id in
            ["6b02c2bf8ed649d13bc50b4", "6b02c2bf8ed649d13bc50b4fa", "6b02c2bf8ed649d13bc50b4o"]
        {
            assert!(is_odd(id), "{id}");
        }
        let uuid = "0b0e24f4-1111-4a4a-8b8b-0123456789ab";
        for id in [
            "6b02c2bf8ed649d13bc50b4f",
            "6B02C2BF8ED649D13BC50B4F",
            "5f",
            "my-files-of-last-summer",
            uuid,
        ] {
            assert!(!is_odd(id), "{id}");
        }
    }
}
