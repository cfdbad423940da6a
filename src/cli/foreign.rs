//! What people type who know docker or Celery: their words are no words of ours, and it is said which are.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::image;

/// What there is in place of a word that the command line does not have.
pub(super) fn advice(words: &[OsString], error: &clap::Error) -> Option<String> {
    let kind = error.kind();
    let of_docker = || match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(option)) => of_docker_run(option),
        _ => None,
    };
    let command = words.get(1).and_then(|word| word.to_str())?;
    let is_of_celery = || words.iter().any(|word| word == "-A" || word == "--app");
    match (kind, command) {
        (ErrorKind::UnknownArgument, "run") if !image::is_asked_for(words) => Some(
            "`gantline run` takes a job document; as docker runs a container: gantline run --image IMAGE \
             [OPTION…] [ARG…]"
                .to_owned(),
        ),
        (ErrorKind::UnknownArgument, "run") => Some(of_docker().unwrap_or_else(|| {
            "what the program is given, if it begins with `--`, stands behind a `--` of its own".to_owned()
        })),
        (ErrorKind::UnknownArgument, "worker") => Some(CELERY.to_owned()),
        (ErrorKind::UnknownArgument, _) if is_of_celery() => Some(CELERY.to_owned()),
        (ErrorKind::InvalidSubcommand, word) if DOCKERS.contains(&word) => {
            Some(format!("`{word}` is docker's: gantline runs jobs with the engine that docker uses"))
        }
        _ => None,
    }
}

const CELERY: &str = "of Celery's options, `gantline worker` has -Q, -c, -n, -E, --statedb and --broker; \
                      GIRDER_WORKER_LOGGING_LEVEL says how much is logged, and it needs no application";

/// docker's commands that somebody may look for here.
const DOCKERS: [&str; 16] = [
    "attach",
    "build",
    "compose",
    "container",
    "exec",
    "image",
    "images",
    "inspect",
    "kill",
    "logs",
    "ps",
    "pull",
    "rm",
    "stop",
    "system",
    "volume",
];

/// What there is in place of an option of `docker run` that `gantline run --image` does not have.
pub(super) fn of_docker_run(option: &str) -> Option<String> {
    let option = option.split(['=', ' ']).next().unwrap_or_default();
    let found = DOCKER_RUN.iter().find(|(names, _)| names.contains(&option));
    found.map(|(_, here)| match here {
        Here::Member(member) => format!(
            "{option} is docker's: a job document has `{member}` for it, and --print-job makes a document of the \
             other options"
        ),
        Here::Words(words) => format!("{option} is docker's: {words}"),
    })
}

/// What an option of docker's is here.
enum Here {
    /// A member of a job document.
    Member(&'static str),
    Words(&'static str),
}

/// The options that people know; those that are ours as well are not among them.
const DOCKER_RUN: &[(&[&str], Here)] = &[
    (
        &["-i", "-t", "-it", "-ti", "--interactive", "--tty"],
        Here::Words("a container here has no terminal, and nobody writes to its standard input"),
    ),
    (&["-d", "--detach"], Here::Words("a run always waits for its container")),
    (&["--env-file"], Here::Words("each variable is given by -e NAME=VALUE")),
    (&["--net"], Here::Words("here it is --network")),
    (&["--cidfile"], Here::Words("--report FILE writes the container's id, too")),
    (&["--restart"], Here::Words("a run ends with its container's exit")),
    (&["-p", "--publish"], Here::Member("ports")),
    (&["-P", "--publish-all"], Here::Member("publish_all_ports")),
    (&["-l", "--label"], Here::Member("labels")),
    (&["--hostname"], Here::Member("hostname")),
    (&["--add-host"], Here::Member("extra_hosts")),
    (&["--dns"], Here::Member("dns")),
    (&["--link"], Here::Member("links")),
    (&["--mac-address"], Here::Member("mac_address")),
    (&["--network-alias", "--ip"], Here::Member("networking_config")),
    (&["--mount"], Here::Member("mounts")),
    (&["--tmpfs"], Here::Member("tmpfs")),
    (&["--volumes-from"], Here::Member("volumes_from")),
    (&["--read-only"], Here::Member("read_only")),
    (&["--storage-opt"], Here::Member("storage_opt")),
    (&["--cpus"], Here::Member("nano_cpus")),
    (&["-c", "--cpu-shares"], Here::Member("cpu_shares")),
    (&["--cpuset-cpus"], Here::Member("cpuset_cpus")),
    (&["--memory-swap"], Here::Member("memswap_limit")),
    (&["--shm-size"], Here::Member("shm_size")),
    (&["--pids-limit"], Here::Member("pids_limit")),
    (&["--ulimit"], Here::Member("ulimits")),
    (&["--oom-kill-disable"], Here::Member("oom_kill_disable")),
    (&["--device"], Here::Member("devices")),
    (&["--runtime"], Here::Member("runtime")),
    (&["--privileged"], Here::Member("privileged")),
    (&["--cap-add"], Here::Member("cap_add")),
    (&["--cap-drop"], Here::Member("cap_drop")),
    (&["--security-opt"], Here::Member("security_opt")),
    (&["--group-add"], Here::Member("group_add")),
    (&["--sysctl"], Here::Member("sysctls")),
    (&["--ipc"], Here::Member("ipc_mode")),
    (&["--pid"], Here::Member("pid_mode")),
    (&["--userns"], Here::Member("userns_mode")),
    (&["--uts"], Here::Member("uts_mode")),
    (&["--platform"], Here::Member("platform")),
    (&["--init"], Here::Member("init")),
    (&["--stop-signal"], Here::Member("stop_signal")),
    (&["--health-cmd", "--health-interval"], Here::Member("healthcheck")),
    (&["--log-driver", "--log-opt"], Here::Member("log_config")),
];

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::args::Cli;

    #[test]
    fn what_docker_has_is_a_member_that_there_is_and_no_option_of_ours() {
        let schema = crate::spec::schema();
        let cli = Cli::command();
        let run = cli.find_subcommand("run").unwrap();
        for (names, here) in DOCKER_RUN {
            if let Here::Member(member) = here {
                assert!(schema["properties"].get(member).is_some(), "{member}");
            }
            for name in *names {
                let is_it = |argument: &clap::Arg| {
                    let long = argument.get_long().map(|long| format!("--{long}"));
                    let short = argument.get_short().map(|short| format!("-{short}"));
                    [long, short].contains(&Some((*name).to_owned()))
                };
                assert!(!run.get_arguments().any(is_it), "{name} is ours");
            }
        }
    }
}
