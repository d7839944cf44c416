//! The processes of the demo: two archives that differ in their database, and the front door.

use std::path::Path;

use outrigger_runtime::{Disk, RealDisk};

use super::process::{Role, Running, write_config};
use crate::process::Failure;

/// What the two archives are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layers {
    /// Of archive A and archive B.
    pub(crate) archives: [Stack; 2],
}

/// What an archive is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stack {
    /// The database of its catalogue.
    pub(crate) database: &'static str,
    /// Its web server.
    pub(crate) web: &'static str,
}

/// Databases that need no server beside the demo.
const DATABASES: [&str; 2] = ["sqlite", "redb"];
/// Web servers; without one named, the first is archive A's and the second archive B's.
const WEB_SERVERS: [&str; 2] = ["axum", "actix"];

impl Layers {
    /// Reads `A/B`, each a database, perhaps with a web server: `sqlite+axum/redb+actix`.
    pub(crate) fn read(text: &str) -> Result<Self, Failure> {
        let wrong = |what: String| Failure::Argument {
            what,
            instead: "two unlike ones are expected, such as sqlite+axum/redb+actix".to_owned(),
        };
        let (a, b) = text.split_once('/').ok_or_else(|| wrong(format!("`{text}` stands in --layers")))?;
        let known = |names: [&'static str; 2], name: &str| names.into_iter().find(|known| *known == name);
        let one = |text: &str, by_default: &'static str| {
            let (database, web) = text.split_once('+').unwrap_or((text, by_default));
            let unknown = |what: &str, name: &str| wrong(format!("{what} `{name}` is not one of the demo's"));
            let database = known(DATABASES, database).ok_or_else(|| unknown("the database", database))?;
            let web = known(WEB_SERVERS, web).ok_or_else(|| unknown("the web server", web))?;
            Ok::<_, Failure>(Stack { database, web })
        };
        let [first, second] = WEB_SERVERS;
        let (a, b) = (one(a, first)?, one(b, second)?);
        let shared = match (a.database == b.database, a.web == b.web) {
            (true, _) => Some("database"),
            (_, true) => Some("web server"),
            (false, false) => None,
        };
        match shared {
            Some(layer) => {
                Err(wrong(format!("`{text}` has the same {layer} twice, and unlike ones are what is shown")))
            }
            None => Ok(Self { archives: [a, b] }),
        }
    }
}

/// Where a process listens.
#[derive(Debug, Clone)]
pub(crate) struct Addresses {
    dimse: String,
    admin: String,
    members: String,
    web: String,
}

impl Addresses {
    /// Ports that are given at the first start.
    fn free() -> Self {
        let [dimse, admin, members, web] = [(); 4].map(|()| "127.0.0.1:0".to_owned());
        Self { dimse, admin, members, web }
    }
}

/// A process that can be killed and started again where it was.
#[derive(Debug)]
pub(crate) struct Actor {
    role: Role,
    running: Option<Running>,
    /// Where it takes DICOM.
    pub(crate) dimse: String,
    /// Its admin API.
    pub(crate) admin: String,
    /// Its web listener, if it has one.
    web: String,
}

impl Actor {
    /// Starts a process with `config`, which gets the addresses to listen on, and fixes the ports it was given.
    fn new(
        command: &'static str,
        directory: &Path,
        config: impl Fn(&Addresses) -> String,
    ) -> Result<Self, Failure> {
        let made = RealDisk.create_directory(directory);
        made.map_err(|error| Failure::of(format!("{} cannot be made", directory.display()), error))?;
        let role = Role { command, config: directory.join("config.toml") };
        let free = Addresses::free();
        write_config(&role.config, &config(&free))?;
        let running = role.start()?;
        let given = Addresses {
            dimse: running.address("/dimse/0")?,
            admin: running.address("/admin")?,
            members: running.address("/members").unwrap_or(free.members),
            web: running.address("/web/0").unwrap_or(free.web),
        };
        write_config(&role.config, &config(&given))?;
        let Addresses { dimse, admin, web, .. } = given;
        Ok(Self { role, running: Some(running), dimse, admin, web })
    }

    /// Kills it, as a crash would.
    pub(crate) fn kill(&mut self) -> Result<(), Failure> {
        self.running.take().map_or(Ok(()), Running::kill)
    }

    /// Starts it again where it was.
    pub(crate) fn restart(&mut self) -> Result<(), Failure> {
        self.running = Some(self.role.start()?);
        Ok(())
    }
}

/// Starts an archive.
pub(crate) fn archive(directory: &Path, name: &str, stack: Stack) -> Result<Actor, Failure> {
    let data = directory.join(name);
    let shown = data.display().to_string();
    let Stack { database, web: server } = stack;
    Actor::new("archive", &data, |Addresses { dimse, admin, web, .. }| {
        format!(
            r#"[node]
name = "{name}"
data = "{shown}"
[admin]
listen = "{admin}"
[[front.dimse]]
listen = "{dimse}"
ae_titles = ["{}"]
[[front.web]]
listen = "{web}"
server = "{server}"
[archive]
blobs = "file:{shown}/blobs"
catalogue = "{database}:{shown}/catalogue.{database}"
"#,
            ae_title(name)
        )
    })
}

/// Starts the front door of two archives: it reaches the first by DIMSE and the second by DICOMweb, and each by the other where that fails. Its
/// journal is kept in two copies, by unlike engines.
pub(crate) fn front_door(directory: &Path, archives: [(&str, &Actor); 2]) -> Result<Actor, Failure> {
    let data = directory.join("front");
    let shown = data.display().to_string();
    let dimse = |name: &str, archive: &Actor| {
        let title = ae_title(name);
        format!(
            "[[member.route]]\nprotocol = \"dimse\"\naddress = \"{}\"\nae_title = \"{title}\"\n",
            archive.dimse
        )
    };
    let web = |archive: &Actor| {
        format!("[[member.route]]\nprotocol = \"dicomweb\"\nurl = \"http://{}/dicomweb\"\n", archive.web)
    };
    let member = |(name, routes): (&str, [String; 2])| {
        let routes = routes.concat();
        format!(
            "[[member]]\nname = \"{name}\"\nconfirm = \"verified\"\nsettle = \"0s\"\nconnections = 2\n{routes}"
        )
    };
    let [(a, archive_a), (b, archive_b)] = archives;
    let members = [
        member((a, [dimse(a, archive_a), web(archive_a)])),
        member((b, [web(archive_b), dimse(b, archive_b)])),
    ];
    let members = members.concat();
    Actor::new("serve", &data, |Addresses { dimse, admin, members: answers, .. }| {
        format!(
            r#"[node]
name = "front"
data = "{shown}"
[journal]
max_size = "4GiB"
reserve = "16MiB"
[[journal.copy]]
engine = "log"
path = "{shown}/journal"
[[journal.copy]]
engine = "sqlite"
path = "{shown}/second-journal"
[admin]
listen = "{admin}"
[[front.dimse]]
listen = "{dimse}"
ae_titles = ["OUTRIGGER"]
[members]
listen = "{answers}"
ae_title = "OUTRIGGER_M"
{members}"#
        )
    })
}

/// The AE title of an archive of the demo.
pub(crate) fn ae_title(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_that_are_not_here_are_named() {
        let [a, b] = Layers::read("sqlite/redb").unwrap().archives;
        assert_eq!((a.database, a.web, b.database, b.web), ("sqlite", "axum", "redb", "actix"));
        let [a, b] = Layers::read("redb+actix/sqlite+axum").unwrap().archives;
        assert_eq!((a.database, a.web, b.database, b.web), ("redb", "actix", "sqlite", "axum"));
        for wrong in
            ["sqlite", "sqlite/oracle", "sqlite/redb+nginx", "", "redb/redb", "sqlite+actix/redb+actix"]
        {
            assert!(matches!(Layers::read(wrong), Err(Failure::Argument { .. })), "{wrong}");
        }
    }
}
