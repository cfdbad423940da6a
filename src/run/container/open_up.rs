//! Who is not root cannot read or remove what a container of root's has made. The engine can: a helper
//! container of the job's own image, which is there, has `chmod` open it up. Nothing is pulled.

use std::path::Path;

use nix::unistd::geteuid;
use serde_json::json;

use crate::docker::{Client, ContainerId, CreateContainer};
use crate::run::container::stop::remove;
use crate::run::error::Cause;
use crate::run::labels::KEEP_LABEL;
use crate::run::live::Live;
use crate::volume::{ContainerName, Thing};

/// Whether there may be files that only a helper can open up.
pub(crate) fn is_needed() -> bool {
    !geteuid().is_root()
}

/// Lets everybody read and change everything in a folder of the run's own.
///
/// # Errors
/// The engine cannot, or the image has no `chmod`.
pub(crate) async fn open_up(live: &Live, folder: &Path) -> Result<(), Cause> {
    let engine = live.made.engine.clone().ok_or(Cause::Bug("no engine was met"))?;
    let name = format!("{}-chmod", live.container_name());
    let create = create(live, folder)?;
    let helper =
        ContainerName { engine: engine.endpoint().to_string(), name: name.clone(), keep: false };
    let note = live.record.intends(Thing::Container(helper)).map_err(Cause::Volume)?;
    let container = engine.create(&name, &create).await.map_err(Cause::Create)?.id;
    note.created(container.as_str());
    let ended = chmod(&engine, &container).await;
    remove(&engine, &container).await.map_err(Cause::Remove)?;
    note.gone();
    match ended? {
        0 => Ok(()),
        exit_code => Err(Cause::OpenUp { exit_code }),
    }
}

async fn chmod(engine: &Client, container: &ContainerId) -> Result<i64, Cause> {
    let exit = engine.wait_next_exit(container).await.map_err(Cause::Exit)?;
    engine.start(container).await.map_err(Cause::Start)?;
    Ok(exit.exit().await.map_err(Cause::Exit)?.status_code)
}

fn create(live: &Live, folder: &Path) -> Result<CreateContainer, Cause> {
    let path = folder.to_str().ok_or_else(|| Cause::Unmountable(folder.to_owned()))?;
    // By number, which takes the sticky bit away as well; links are not followed.
    let words = ["-R", "0777", PLACE].map(str::to_owned);
    let mut create = CreateContainer::new(&live.plan.image, words.to_vec());
    create.entrypoint = Some(vec!["chmod".to_owned()]);
    create.platform = live.plan.container.platform().map(str::to_owned);
    create.labels = live.labels();
    create.labels.remove(KEEP_LABEL);
    create.config.insert("User".to_owned(), json!("0:0"));
    let host = &mut create.host_config;
    host.add_mount(path, PLACE, false);
    host.network_mode = "none".to_owned();
    for (name, value) in [
        ("CapDrop", json!(["ALL"])),
        ("CapAdd", json!(["DAC_OVERRIDE", "FOWNER"])),
        ("SecurityOpt", json!(["no-new-privileges"])),
        ("LogConfig", json!({"Type": "none"})),
    ] {
        host.config.insert(name.to_owned(), value);
    }
    Ok(create)
}

/// Where the helper has the folder.
const PLACE: &str = "/gantline-opened";
