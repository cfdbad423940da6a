//! The network of a run that itself goes on in a container: its own.
//!
//! A server that a worker in a container reaches by name (`http://girder:8080`) is reached by the
//! containers that it starts only when they share its network. Girder Worker looks for a container
//! with its own address; we find our own id in the mounts that engines make for every container,
//! and ask the engine for it. An engine that does not know it is another one than ours.

use std::fs;

use crate::docker::{Client, ContainerId};
use crate::spec::ContainerOptions;

/// What `own_network` found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OwnNetwork {
    /// None to join.
    None,
    /// docker's mode that joins it.
    Join(String),
    /// One that cannot be joined, as this keyword is for a network of one's own.
    InTheWayOf(&'static str),
}

/// The network to join for a job that says nothing of networks.
pub(crate) async fn own_network(engine: &Client, options: &ContainerOptions) -> OwnNetwork {
    if options.is_set("network") || options.is_set("network_mode") {
        return OwnNetwork::None;
    }
    let Some(id) = own_container() else { return OwnNetwork::None };
    match engine.inspect(&id).await {
        Ok(us) if us.running && !us.addresses.is_empty() => {}
        Ok(_) => return OwnNetwork::None,
        Err(error) => {
            tracing::debug!(%id, %error, "this container is not one of the engine's");
            return OwnNetwork::None;
        }
    }
    match KEYWORDS.iter().find(|keyword| options.is_set(keyword)) {
        Some(keyword) => OwnNetwork::InTheWayOf(keyword),
        None => OwnNetwork::Join(format!("container:{id}")),
    }
}

/// What the engine refuses for a container that shares another's network.
const KEYWORDS: [&str; 10] = [
    "ports",
    "publish_all_ports",
    "hostname",
    "mac_address",
    "dns",
    "dns_opt",
    "dns_search",
    "extra_hosts",
    "links",
    "network_disabled",
];

/// The container that this process is in, if it is in one of Docker's or Podman's.
pub(crate) fn own_container() -> Option<ContainerId> {
    own_id(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
}

/// The id of the container that this process is in, of /proc/self/mountinfo: engines mount
/// /etc/hostname and kin out of a folder that is called by the container's id.
fn own_id(mounts: &str) -> Option<ContainerId> {
    let hosts_files = mounts.lines().filter(|line| {
        let target = line.split(' ').nth(4);
        matches!(target, Some("/etc/hostname" | "/etc/resolv.conf" | "/etc/hosts"))
    });
    hosts_files.filter_map(|line| line.split(' ').nth(3)).find_map(|root| {
        let parts: Vec<&str> = root.split('/').collect();
        // `containers` is Docker's, `overlay-containers` and kin are Podman's.
        let id = parts.windows(2).find_map(|pair| match pair {
            [folder, id] if folder.ends_with("containers") && id.len() == 64 => Some(*id),
            _ => None,
        });
        ContainerId::try_from(id?.to_owned()).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f4c1d7c2ab5d5b8f6f0f0c1f5d3a6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d";

    #[test]
    fn the_id_of_our_container_is_in_the_mounts_of_its_engine() {
        for folder in ["/var/lib/docker/containers/", "/docker/containers/"] {
            let mounts = format!(
                "21 1 0:5 / /proc rw - proc proc rw\n\
                 731 716 8:1 {folder}{ID}/resolv.conf /etc/resolv.conf rw - ext4 /dev/sda1 rw\n"
            );
            assert_eq!(own_id(&mounts).unwrap().as_str(), ID);
        }
        let podman = format!(
            "9 8 0:2 /containers/storage/overlay-containers/{ID}/userdata/hostname /etc/hostname \
             rw - tmpfs tmpfs rw\n"
        );
        assert_eq!(own_id(&podman).unwrap().as_str(), ID);
    }

    #[test]
    fn a_mount_of_somebody_elses_container_is_not_ours() {
        let elsewhere = format!("7 1 8:1 /var/lib/docker/containers/{ID}/x /mnt rw - ext4 d rw\n");
        assert_eq!(own_id(&elsewhere), None);
        assert_eq!(own_id("7 1 8:1 /run/systemd/resolv.conf /etc/resolv.conf rw - t t rw"), None);
        assert_eq!(own_id(""), None);
    }
}
