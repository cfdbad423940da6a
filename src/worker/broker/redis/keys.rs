//! The names of kombu's lists, tables and channels.

/// Between the parts of a name.
const SEPARATOR: &str = "\u{6}\u{16}";

/// The priorities that have lists of their own. On Redis 0 is the most urgent.
const STEPS: [u8; 4] = [0, 3, 6, 9];

/// What is taken and not acknowledged: when it was taken, and what it is.
pub(super) const UNACKED_INDEX: &str = "unacked_index";
pub(super) const UNACKED: &str = "unacked";

/// Held by who restores.
pub(super) const UNACKED_MUTEX: &str = "unacked_mutex";

/// The list of a queue for messages of this priority: that of the greatest step that is not above it.
pub(super) fn list(queue: &str, priority: u8) -> String {
    let step = STEPS.into_iter().rev().find(|step| *step <= priority).unwrap_or_default();
    list_of_step(queue, step)
}

/// All lists of these queues with the queue's name, in the order in which they are looked at: each priority of
/// all queues before the next.
pub(super) fn lists(queues: &[String]) -> Vec<(String, String)> {
    let of_step = |step| queues.iter().map(move |queue| (list_of_step(queue, step), queue.clone()));
    STEPS.into_iter().flat_map(of_step).collect()
}

/// The list of another queue with the step of this one.
pub(super) fn same_step(list: &str, queue: &str) -> String {
    match list.rsplit_once(SEPARATOR) {
        Some((_, step)) => format!("{queue}{SEPARATOR}{step}"),
        None => queue.to_owned(),
    }
}

fn list_of_step(queue: &str, step: u8) -> String {
    if step == 0 { queue.to_owned() } else { format!("{queue}{SEPARATOR}{step}") }
}

/// The sets that name the queues of an exchange. Since 5.7 kombu has a second one, for those that last.
pub(super) fn bindings(exchange: &str) -> [String; 2] {
    [format!("_kombu.binding.{exchange}"), format!("_kombu.binding_permanent.{exchange}")]
}

/// A member of such a set.
pub(super) fn binding(routing_key: &str, queue: &str) -> String {
    format!("{routing_key}{SEPARATOR}{SEPARATOR}{queue}")
}

/// The queue of a member, if it is bound by this routing key.
pub(super) fn bound<'m>(member: &'m str, routing_key: &str) -> Option<&'m str> {
    let mut parts = member.split(SEPARATOR);
    let (key, _pattern, queue) = (parts.next()?, parts.next()?, parts.next()?);
    (key == routing_key && !queue.is_empty()).then_some(queue)
}

/// The channel of a fan-out exchange.
pub(super) fn fanout(db: i64, exchange: &str, routing_key: &str) -> String {
    if routing_key.is_empty() {
        format!("/{db}.{exchange}")
    } else {
        format!("/{db}.{exchange}/{routing_key}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_priority_is_in_the_greatest_step_below_it() {
        let steps = [(0, "q"), (2, "q"), (3, "q\u{6}\u{16}3"), (5, "q\u{6}\u{16}3")];
        let more = [(8, "q\u{6}\u{16}6"), (9, "q\u{6}\u{16}9"), (255, "q\u{6}\u{16}9")];
        for (priority, wanted) in steps.into_iter().chain(more) {
            assert_eq!(list("q", priority), wanted);
        }
    }

    #[test]
    fn each_priority_of_all_queues_comes_before_the_next() {
        let queues = ["a".to_owned(), "b".to_owned()];
        let lists: Vec<_> = lists(&queues).into_iter().map(|(list, _)| list).collect();
        assert_eq!(lists[..3], ["a", "b", "a\u{6}\u{16}3"]);
        assert_eq!(lists[7], "b\u{6}\u{16}9");
        assert_eq!(same_step("a\u{6}\u{16}3", "python"), "python\u{6}\u{16}3");
        assert_eq!(same_step("a", "python"), "python");
    }

    #[test]
    fn a_binding_names_its_queue_to_its_own_routing_key_only() {
        let member = binding("key", "queue");
        assert_eq!(bound(&member, "key"), Some("queue"));
        assert_eq!(bound(&member, "other"), None);
        assert_eq!(bound("no binding", "no binding"), None);
    }
}
