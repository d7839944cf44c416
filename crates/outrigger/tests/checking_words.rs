//! What `check` says of a mistake: it names what is wrong, and nothing that would not help.

use std::path::Path;

use outrigger_sim::peers::Station;
use tempfile::TempDir;

use crate::door::{Behind, ae, configuration, written};
use crate::program::{Ran, run};

async fn check(directory: &Path, text: &str) -> Ran {
    let path = written(directory, text);
    run(&["check", "--config", path.to_str().unwrap()]).await
}

fn member(name: &str, confirm: &'static str) -> Behind {
    Behind::new(name, &Station { ae_title: ae(name), port: 104 }, confirm)
}

#[tokio::test]
async fn a_member_that_cannot_commit_is_none_of_those_a_policy_asks_for() {
    let directory = TempDir::new().unwrap();
    let route = |protocol: &str| {
        format!("[[member.route]]\nprotocol = \"{protocol}\"\nurl = \"http://127.0.0.1:8042/{protocol}\"\n")
    };
    let web = |protocol: &str, more: &str| {
        format!("[[member]]\nname = \"web\"\nconfirm = \"committed\"\n{}{more}", route(protocol))
    };
    let dimse = "[[member.route]]\nprotocol = \"dimse\"\naddress = \"127.0.0.1:105\"\nae_title = \"B\"\n";
    for (policy, members, warned) in [
        ("2", web("dicomweb", ""), true),
        ("2", web("orthanc", ""), true),
        ("2", web("dicomweb", &route("orthanc")), true),
        ("2", web("dicomweb", dimse), false),
        ("2", web("dicomweb", "").replace("committed", "verified"), false),
        ("1", web("dicomweb", ""), false),
    ] {
        let text = configuration(directory.path(), &[member("a", "verified")]);
        let ran = check(directory.path(), &format!("{text}{members}[commit]\npolicy = \"{policy}\"\n"))
            .await
            .exits(0);
        let said =
            "1 of 2 have `confirm = \"verified\"`, or `\"committed\"` and a route over DIMSE: no request";
        assert_eq!(ran.stderr.contains(said), warned, "{policy} {members}: {ran:?}");
    }
}
