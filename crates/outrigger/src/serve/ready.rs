//! The one line that says that a process is ready, and where it listens.

use std::net::SocketAddr;

use serde_json::json;

use crate::output;
use crate::process::Failure;

/// Where the front doors are, with the ports really bound.
#[derive(Debug)]
pub(crate) struct Doors {
    /// DICOM listeners, in the order of the configuration.
    pub(crate) dimse: Vec<SocketAddr>,
    /// Web listeners, in the order of the configuration.
    pub(crate) web: Vec<SocketAddr>,
}

/// Where a process listens, with the ports really bound.
#[derive(Debug)]
pub(crate) struct Ready {
    /// The front doors.
    pub(crate) doors: Doors,
    /// Where members answer.
    pub(crate) members: Option<SocketAddr>,
    /// The admin API.
    pub(crate) admin: SocketAddr,
}

impl Ready {
    /// The line of JSON.
    pub(crate) fn line(&self) -> String {
        let nothing: [&str; 0] = [];
        let Doors { dimse, web } = &self.doors;
        let mut ready = json!({"dimse": dimse, "web": web, "hl7": nothing, "admin": self.admin});
        if let (Some(members), Some(ready)) = (self.members, ready.as_object_mut()) {
            ready.insert("members".to_owned(), json!(members));
        }
        json!({ "ready": ready }).to_string()
    }

    /// Prints the line.
    pub(crate) fn announce(&self) -> Result<(), Failure> {
        output::announce(&self.line())
            .map_err(|error| Failure::of("the ready line could not be printed", error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_as_scripts_expect_it() {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let ready = Ready {
            doors: Doors { dimse: vec![address(1)], web: vec![address(4)] },
            members: Some(address(2)),
            admin: address(3),
        };
        let expected = serde_json::json!({"ready": {
            "dimse": ["127.0.0.1:1"], "web": ["127.0.0.1:4"], "hl7": [], "members": "127.0.0.1:2", "admin": "127.0.0.1:3",
        }});
        assert_eq!(ready.line(), expected.to_string());
    }
}
