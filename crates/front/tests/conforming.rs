//! What `docs/conformance.md` says of web services, held against what a door answers: each of its tables, both ways.

mod answers;
mod statement;
mod statuses;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use outrigger_dataset::dictionary;
use outrigger_dataset::identifier::{compared, is_supported, item_keys};
use outrigger_front::WebServer;
use outrigger_model::{Level, Tag};

use self::statement::{list, rows};
use crate::web::door::{ADMIN, Door, MULTIPART, READ, WRITE, options, with_tokens};

over_both!(
    #[tokio::test]
    the_resources_and_methods_of_the_statement_are_those_that_are_served,
    the_media_types_of_requests_are_those_that_are_taken,
    the_rights_of_the_statement_are_those_of_tokens,
);

/// What the capabilities document says of a service.
fn told(document: &serde_json::Value, service: &str, what: &str) -> BTreeSet<String> {
    let told = document[service][what].as_array().unwrap_or_else(|| panic!("{service}.{what}: {document:#}"));
    told.iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}

/// The templates of paths in the sources of the web door.
fn routed() -> BTreeSet<String> {
    const STUDY: &str = "/studies/{study}";
    const SERIES: &str = "/studies/{study}/series/{series}";
    const INSTANCE: &str = "/studies/{study}/series/{series}/instances/{instance}";
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web");
    let mut found = BTreeSet::from(["/".to_owned()]);
    for file in fs::read_dir(directory).unwrap().map(|file| file.unwrap().path()) {
        // Those of the viewer and of the root are no DICOMweb.
        if !file.is_file() || file.ends_with("viewer.rs") || file.ends_with("router.rs") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        for route in text.split(".route(").skip(1) {
            let template = route.split_once(", ").unwrap().0;
            let template = template.trim_start_matches("&format!(").trim_matches([')', '"']);
            let template = template.replace("{{*", "{").replace("{{", "{").replace("}}", "}");
            match template.as_str() {
                // The root, which is told by its method.
                "path" => {}
                "level" => found.extend([STUDY, SERIES, INSTANCE].map(str::to_owned)),
                other if other.starts_with("{level}") => {
                    found.extend([STUDY, SERIES, INSTANCE].map(|level| other.replace("{level}", level)));
                }
                other => drop(found.insert(other.replace("{INSTANCE}", INSTANCE))),
            }
        }
    }
    found
}

/// The path that a template stands for, of things that are not there.
fn filled(template: &str) -> String {
    [
        ("{study}", "1.2"),
        ("{series}", "1.3"),
        ("{instance}", "1.4"),
        ("{frames}", "1"),
        ("{path}", "7FE00010"),
    ]
    .into_iter()
    .fold(template.replace("{transaction}", "1.5"), |path, (name, value)| path.replace(name, value))
}

async fn the_resources_and_methods_of_the_statement_are_those_that_are_served(server: WebServer) {
    let door = Door::open(options(server)).await;
    let document = door.get("/dicomweb/").await.json();
    let stated = rows("Resources and methods");
    let mut by_service: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in &stated {
        let [resource, methods, services] = &row[..] else { panic!("{row:?}") };
        let path = filled(resource);
        let head = format!("PATCH /dicomweb{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let said = door.say(&head, b"").await;
        let allowed: BTreeSet<String> = said.fields("allow").iter().flat_map(|field| list(field)).collect();
        assert_eq!((said.status, allowed), (405, list(methods).into_iter().collect()), "{resource}");
        for service in list(services) {
            by_service.entry(service).or_default().insert(resource.clone());
        }
    }
    let resources: BTreeSet<String> = stated.iter().map(|row| row[0].clone()).collect();
    assert_eq!(resources, routed());
    by_service.remove("capabilities");
    for (service, resources) in &by_service {
        assert_eq!(told(&document, service, "resources"), *resources, "{service}");
    }
    let services: BTreeSet<&String> =
        document.as_object().unwrap().keys().filter(|key| *key != "base").collect();
    assert_eq!(services, by_service.keys().collect());
    // Resources of PS3.18 that are not stated.
    for path in [
        "/workitems",
        "/patients",
        "/studies/1.2/bulkdata",
        "/npi",
        "/subscriptions",
        "/studies/1.2/series/1.3/frames/1",
    ] {
        let said = door.get(&format!("/dicomweb{path}")).await;
        assert_eq!((said.status, said.text().contains("no such resource")), (404, true), "{path}: {said:?}");
    }
}

async fn the_media_types_of_requests_are_those_that_are_taken(server: WebServer) {
    let door = Door::open(options(server)).await;
    let document = door.get("/dicomweb/").await.json();
    for row in rows("Media types of requests") {
        let path = if row[0] == "store" { "/studies" } else { "/commitment-requests/1.5" };
        let mut taken = BTreeSet::new();
        for media in
            statement::MEDIA.into_iter().flat_map(|media| [media.to_owned(), statement::parts(media)])
        {
            let said = door.post(&format!("/dicomweb{path}"), &format!("{media}; boundary=b"), b"").await;
            if said.status != 415 {
                taken.insert(media);
            }
        }
        assert_eq!(taken, list(&row[1]).into_iter().collect(), "{}", row[0]);
        assert_eq!(told(&document, &row[0], "mediaTypes"), taken);
    }
}

async fn the_rights_of_the_statement_are_those_of_tokens(server: WebServer) {
    let door = Door::open(with_tokens(server)).await;
    let stated = rows("Rights of tokens");
    assert_eq!(stated.iter().map(|row| &row[0][..]).collect::<Vec<_>>(), ["read", "write", "admin"]);
    for (row, token) in stated.iter().zip([READ, WRITE, ADMIN]) {
        let asked = [
            &["GET /dicomweb/studies", "GET /dicomweb/studies/1.2", "GET /dicomweb/"][..],
            &["POST /dicomweb/studies", "POST /dicomweb/commitment-requests/1.5"],
            &["GET /dicomweb/commitment-requests/1.5"],
        ];
        for (cell, asked) in row[1..].iter().zip(asked) {
            for line in asked {
                let head = format!(
                    "{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
                     Content-Type: {MULTIPART}\r\nContent-Length: 0\r\n\r\n"
                );
                let said = door.say(&head, b"").await;
                assert_eq!(cell == "yes", said.status != 403, "{} {line}: {said:?}", row[0]);
                let nobody = door.say(&head.replace(token, "nobody-knows-this-one"), b"").await;
                assert_eq!(nobody.status, 401, "{line}");
            }
        }
    }
}

fn tags(cell: &str) -> BTreeSet<Tag> {
    let names = list(cell).into_iter().filter(|name| name != "none");
    names.map(|name| dictionary::by_keyword(&name).unwrap_or_else(|| panic!("{name}"))).collect()
}

#[test]
fn the_keys_of_the_statement_are_those_that_are_supported() {
    let stated = rows("Keys");
    let levels = [Level::Patient, Level::Study, Level::Series, Level::Image];
    assert_eq!(stated.len(), levels.len());
    let (mut above, mut sequences) = (BTreeSet::new(), BTreeSet::new());
    for (row, level) in stated.iter().zip(levels) {
        assert_eq!(row[0], format!("{level:?}"));
        let (known, returned) = (tags(&row[1]), tags(&row[2]));
        assert_eq!(
            known,
            compared().filter(|(_, of)| *of == level).map(|(tag, _)| tag).collect(),
            "{level:?}"
        );
        above.extend(known.iter().chain(&returned).copied());
        sequences.extend(known.into_iter().filter(|tag| !item_keys(*tag).is_empty()));
        let groups = [0x0008, 0x0010, 0x0018, 0x0020, 0x0028, 0x0032, 0x0040];
        let all = groups.into_iter().flat_map(|group| (0..=u16::MAX).map(move |element| Tag(group, element)));
        assert_eq!(
            all.filter(|tag| is_supported(level, *tag, "")).collect::<BTreeSet<_>>(),
            above,
            "{level:?}"
        );
        for tag in returned {
            assert!(!is_supported(level, tag, "1"), "{tag}");
        }
    }
    let items = rows("Queries").into_iter().filter(|row| row[0].contains("Sequence"));
    let items: BTreeMap<Tag, BTreeSet<Tag>> = items
        .filter_map(|row| Some((dictionary::by_keyword(row[0].split(' ').next()?)?, tags(&row[1]))))
        .collect();
    assert_eq!(items.keys().copied().collect::<BTreeSet<_>>(), sequences);
    for (sequence, keys) in items {
        assert_eq!(keys, item_keys(sequence).iter().copied().collect(), "{sequence}");
    }
}
