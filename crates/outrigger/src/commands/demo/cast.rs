//! The processes of the demo: two archives that differ in their database, and the front door.

use std::path::Path;

use outrigger_runtime::{Disk, RealDisk};

use super::process::{Role, Running, write_config};
use crate::process::Failure;

/// The databases of the two archives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layers {
    /// Of archive A and archive B.
    pub(crate) databases: [&'static str; 2],
}

impl Layers {
    /// Reads `A/B`, each a database, perhaps with `+axum`.
    pub(crate) fn read(text: &str) -> Result<Self, Failure> {
        let wrong = |what: String| Failure::Argument {
            what,
            instead: "two of `sqlite` and `redb` are expected, such as sqlite/redb".to_owned(),
        };
        let (a, b) = text.split_once('/').ok_or_else(|| wrong(format!("`{text}` stands in --layers")))?;
        let one = |text: &str| {
            let mut layers = text.split('+');
            let database = match layers.next() {
                Some("sqlite") => "sqlite",
                Some("redb") => "redb",
                _ => return Err(wrong(format!("the database of `{text}` is not in this version"))),
            };
            match layers.next() {
                None => Ok(database),
                Some(other) => Err(wrong(format!("the layer `{other}` is not in this version"))),
            }
        };
        let databases = [one(a)?, one(b)?];
        if databases[0] == databases[1] {
            return Err(wrong(format!(
                "`{text}` has the same database twice, and unlike ones are what is shown"
            )));
        }
        Ok(Self { databases })
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
}

impl Actor {
    /// Starts a process with `config`, which gets the addresses to listen on, and fixes the ports it was given.
    fn new(
        command: &'static str,
        directory: &Path,
        config: impl Fn(&str, &str, &str) -> String,
    ) -> Result<Self, Failure> {
        let made = RealDisk.create_directory(directory);
        made.map_err(|error| Failure::of(format!("{} cannot be made", directory.display()), error))?;
        let role = Role { command, config: directory.join("config.toml") };
        let free = "127.0.0.1:0";
        write_config(&role.config, &config(free, free, free))?;
        let running = role.start()?;
        let (dimse, admin) = (running.address("/dimse/0")?, running.address("/admin")?);
        let members = running.address("/members").unwrap_or_else(|_| free.to_owned());
        write_config(&role.config, &config(&dimse, &admin, &members))?;
        Ok(Self { role, running: Some(running), dimse, admin })
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
pub(crate) fn archive(directory: &Path, name: &str, database: &str) -> Result<Actor, Failure> {
    let data = directory.join(name);
    let shown = data.display().to_string();
    Actor::new("archive", &data, |dimse, admin, _| {
        format!(
            r#"[node]
name = "{name}"
data = "{shown}"
[admin]
listen = "{admin}"
[[front.dimse]]
listen = "{dimse}"
ae_titles = ["{}"]
[archive]
blobs = "file:{shown}/blobs"
catalogue = "{database}:{shown}/catalogue.{database}"
"#,
            ae_title(name)
        )
    })
}

/// Starts the front door of two archives.
pub(crate) fn front_door(directory: &Path, archives: [(&str, &Actor); 2]) -> Result<Actor, Failure> {
    let data = directory.join("front");
    let shown = data.display().to_string();
    let member = |(name, archive): (&str, &Actor)| {
        format!(
            r#"[[member]]
name = "{name}"
confirm = "verified"
settle = "0s"
connections = 2
[[member.route]]
protocol = "dimse"
address = "{}"
ae_title = "{}"
"#,
            archive.dimse,
            ae_title(name)
        )
    };
    let members: String = archives.into_iter().map(member).collect();
    Actor::new("serve", &data, |dimse, admin, answers| {
        format!(
            r#"[node]
name = "front"
data = "{shown}"
[journal]
max_size = "4GiB"
reserve = "16MiB"
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
        assert_eq!(Layers::read("sqlite/redb").unwrap().databases, ["sqlite", "redb"]);
        for wrong in ["sqlite", "sqlite/oracle", "sqlite/redb+actix", "", "redb/redb", "sqlite/sqlite"] {
            assert!(matches!(Layers::read(wrong), Err(Failure::Argument { .. })), "{wrong}");
        }
    }
}
