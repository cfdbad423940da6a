//! How much a new program can be given: execve(2), "Limits on size of arguments and environment".

use serde_json::Value;

use super::{Plan, PlanError};

/// The longest argument or variable: `MAX_ARG_STRLEN`, 32 pages, with the NUL.
const MOST_OF_ONE: usize = 32 * 4096 - 1;

/// The most of all: three quarters of the 8 MiB that a stack usually has, whatever the limit of the container's is.
const MOST_OF_ALL: usize = 6 << 20;

/// What each takes beside its bytes: a NUL, and its address.
const BESIDE: usize = 1 + 8;

impl Plan {
    /// Refuses what no container of the job could be started with.
    ///
    /// # Errors
    /// [`PlanError::TooLong`], [`PlanError::TooMuch`].
    pub(crate) fn refuse_too_long(&self, arguments: &[String]) -> Result<(), PlanError> {
        if let Some((at, long)) =
            arguments.iter().enumerate().find(|(_, argument)| argument.len() > MOST_OF_ONE)
        {
            return Err(PlanError::TooLong {
                number: at + 1,
                bytes: long.len(),
                most: MOST_OF_ONE,
            });
        }
        let (bytes, most) = (self.bytes_with(arguments), MOST_OF_ALL);
        if bytes > most { Err(PlanError::TooMuch { bytes, most }) } else { Ok(()) }
    }

    /// What the container's program is given, without the image's own: arguments and variables.
    pub(crate) fn bytes_with(&self, arguments: &[String]) -> usize {
        let config = self.container.config();
        let variables = config.get("Env").and_then(Value::as_array).into_iter().flatten();
        let variables = variables.filter_map(Value::as_str).map(str::len);
        let command = self.entrypoint.iter().flatten().chain(arguments).map(String::len);
        command.chain(variables).map(|bytes| bytes + BESIDE).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::JobSpec;

    fn planned(members: &Value) -> Result<Plan, PlanError> {
        let mut job = members.clone();
        job["image"] = "busybox".into();
        Plan::new(&JobSpec::from_json(&job.to_string()).unwrap(), || "t".to_owned())
    }

    #[test]
    fn an_argument_that_is_joined_of_many_has_the_bound_of_one() {
        let joined = |count: usize| {
            let path =
                |at| serde_json::json!({"type": "VolumePath", "filename": format!("{at:0200}")});
            let paths: Vec<Value> = (0..count).map(path).collect();
            planned(&serde_json::json!({"container_args":
                ["x", {"type": "CommaJoinedVolumes", "volumes": paths}]}))
        };
        assert!(joined(500).is_ok());
        let error = joined(600).unwrap_err();
        assert!(matches!(error, PlanError::TooLong { number: 2, most: MOST_OF_ONE, .. }));
        assert!(error.to_string().contains("argument 2 of the container has "), "{error}");
        assert!(error.to_string().contains(&MOST_OF_ONE.to_string()), "{error}");
    }

    #[test]
    fn arguments_and_variables_have_a_bound_together() {
        let with = |count: usize| {
            let half = vec!["x".repeat(100_000); count / 2];
            let variables: Vec<String> =
                half.iter().enumerate().map(|(at, value)| format!("V{at}={value}")).collect();
            planned(&serde_json::json!({"container_args": half, "environment": variables}))
        };
        assert!(with(62).is_ok());
        let error = with(64).unwrap_err();
        assert!(matches!(error, PlanError::TooMuch { most: MOST_OF_ALL, .. }), "{error}");
        assert!(error.to_string().contains(&MOST_OF_ALL.to_string()), "{error}");
    }
}
