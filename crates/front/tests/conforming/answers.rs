//! Media types of answers and parameters of queries.

use std::collections::BTreeSet;

use outrigger_dataset::element::{Element, Fragments, Value, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_dataset::read::read_form;
use outrigger_dataset::write::write;
use outrigger_front::WebServer;
use outrigger_model::{Tag, TransferSyntaxUid};

use super::statement::{MEDIA, list, parts, rows};
use super::told;
use crate::wado::exchange::Response;
use crate::wado::rack::{Counter, Lying};
use crate::web::door::{Door, MULTIPART, options};

over_both!(
    #[tokio::test]
    the_media_types_of_answers_are_those_of_the_statement,
    search_store_and_commitment_answer_as_what_the_statement_says,
    the_parameters_of_the_statement_are_those_that_are_read,
);

/// A transfer syntax of each media type that an encoding has.
const ENCODINGS: [&str; 11] = [
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.93",
    "1.2.840.10008.1.2.4.203",
    "1.2.840.10008.1.2.4.112",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.100",
    "1.2.840.10008.1.2.4.102",
    "1.2.840.10008.1.2.4.107",
    "1.2.840.10008.1.2.1.98",
];

fn image(instance: u32) -> Lying {
    Lying::of(Phantom::new(4, Place { instance, ..Place::default() }, Shape::SmallCt))
}

/// A native image, and one of each encoding, of which only the name is true.
pub(super) fn images() -> Vec<Lying> {
    let encoded = (1..).zip(ENCODINGS).map(|(instance, syntax)| {
        let mut lying = image(instance);
        let mut tree = read_form(Form::ExplicitLittle, lying.bytes.clone()).unwrap();
        let fragments = vec![vec![1, 2, 3, 4].into()];
        let value = Value::Fragments(Fragments { fragments, ..Fragments::default() });
        tree.put(Element { tag: Tag(0x7FE0, 0x0010), vr: Vr::OB, value });
        lying.bytes = write(&tree, Form::ExplicitLittle).into();
        lying.transfer_syntax = TransferSyntaxUid::new(syntax).unwrap();
        lying
    });
    std::iter::once(image(0)).chain(encoded).collect()
}

/// The media type of an answer without its other parameters.
fn media_of(response: &Response) -> String {
    let field = &response.fields["content-type"];
    match field.split_once("multipart/related; type=") {
        Some((_, kind)) => parts(kind.split(';').next().unwrap().trim_matches('"')),
        None => field.split(';').next().unwrap().to_owned(),
    }
}

/// What a resource of any of the images is given as, whatever is accepted.
async fn given(counter: &mut Counter, images: &[Lying], rest: &str) -> BTreeSet<String> {
    let mut given = BTreeSet::new();
    for path in images.iter().map(|image| format!("{}{rest}", image.path())) {
        for media in MEDIA.into_iter().flat_map(|media| [media.to_owned(), parts(media)]) {
            let response = counter.get_as(&path, &format!("{media}; transfer-syntax=*")).await;
            // Nobody else reads the trail, and it is not endless.
            drop(counter.audit.try_recv());
            if response.status == 200 {
                let came = media_of(&response);
                assert!(came == media || media == "application/json", "{path} as {media}: {came}");
                given.insert(came);
            } else {
                assert!([406, 500].contains(&response.status), "{path} {media}: {}", response.text());
            }
        }
    }
    given
}

fn stated(row: &[String]) -> BTreeSet<String> {
    let alone = list(&row[1]);
    let multipart = alone.iter().filter(|_| row[2] == "yes").map(|media| parts(media)).collect::<Vec<_>>();
    alone.into_iter().chain(multipart).collect()
}

async fn the_media_types_of_answers_are_those_of_the_statement(server: WebServer) {
    let (images, table) = (images(), rows("Media types of answers"));
    let mut counter = Counter::with(server, &images).await;
    let row = |name: &str| stated(table.iter().find(|row| row[0] == name).expect(name));
    let mut retrieved = BTreeSet::new();
    // Where no encoding matters one image is enough, and where only videos do they are.
    let (native, videos) = (&images[..1], [&images[..1], &images[8..11]].concat());
    for (name, rest, images) in [
        ("study, series, instance", "", native),
        ("metadata", "/metadata", native),
        ("frames", "/frames/1", &images),
        ("pixeldata", "/pixeldata", &images),
        ("bulkdata", "/bulkdata/00100010", native),
        ("rendered", "/rendered", &videos),
        ("thumbnail", "/thumbnail", native),
    ] {
        assert_eq!(given(&mut counter, images, rest).await, row(name), "{name}");
        if !["rendered", "thumbnail"].contains(&name) {
            retrieved.extend(row(name));
        }
    }
    let response = counter.get("/").await;
    let document = response.json();
    assert_eq!(BTreeSet::from([media_of(&response)]), row("capabilities"));
    assert_eq!(told(&document, "retrieve", "mediaTypes"), retrieved);
    assert_eq!(told(&document, "retrieve", "renderedMediaTypes"), row("rendered"));
    assert!(row("thumbnail").is_subset(&row("rendered")));
    assert_eq!(told(&document, "search", "mediaTypes"), row("search, store, commitment"));
    assert_eq!(table.len(), 9, "each row is held against something");
}

async fn search_store_and_commitment_answer_as_what_the_statement_says(server: WebServer) {
    let door = Door::open(options(server)).await;
    let stated = stated(&rows("Media types of answers")[1]);
    let found = door.get("/dicomweb/studies").await;
    assert_eq!(found.fields("content-type"), stated.iter().map(String::as_str).collect::<Vec<_>>());
    for line in ["GET /dicomweb/studies", "POST /dicomweb/studies", "GET /dicomweb/commitment-requests/1.5"] {
        let mut taken = BTreeSet::new();
        for media in MEDIA.into_iter().flat_map(|media| [media.to_owned(), parts(media)]) {
            let head = format!(
                "{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept: {media}\r\n\
                 Content-Type: {MULTIPART}\r\nContent-Length: 0\r\n\r\n"
            );
            if door.say(&head, b"").await.status != 406 {
                taken.insert(media);
            }
        }
        // Who takes any JSON takes this.
        assert!(taken.remove("application/json"), "{line}");
        assert_eq!(taken, stated, "{line}");
    }
}

/// Parameters that are asked with: those of the statement, and others of PS3.18.
const PARAMETERS: [(&str, &str); 14] = [
    ("accept", "*/*"),
    ("annotation", "patient"),
    ("charset", "utf-8"),
    ("emptyvaluematching", "true"),
    ("fuzzymatching", "true"),
    ("iccprofile", "no"),
    ("includefield", "all"),
    ("limit", "1"),
    ("multiplevaluematching", "true"),
    ("offset", "1"),
    ("quality", "50"),
    ("sortby", "StudyDate"),
    ("viewport", "1,1"),
    ("window", "1,1,linear"),
];

async fn the_parameters_of_the_statement_are_those_that_are_read(server: WebServer) {
    let door = Door::open(options(server)).await;
    let image = image(0);
    let counter = Counter::with(server, std::slice::from_ref(&image)).await;
    let document = door.get("/dicomweb/").await.json();
    let stated = |service: &str| -> BTreeSet<String> {
        let table = rows("Query parameters");
        list(&table.iter().find(|row| row[0] == service).expect(service)[1]).into_iter().collect()
    };
    let mut searched = BTreeSet::new();
    let mut read = [const { BTreeSet::<String>::new() }; 3];
    for (name, value) in PARAMETERS {
        // Any other name is an attribute, or nothing.
        if door.get(&format!("/dicomweb/studies?{name}={value}")).await.status == 200 {
            searched.insert(name.to_owned());
        }
        for (rest, read) in ["/metadata", "/rendered", "/thumbnail"].into_iter().zip(&mut read) {
            let nonsense = counter.get(&format!("{}{rest}?{name}=nonsense", image.path())).await;
            assert!([200, 400].contains(&nonsense.status), "{name}: {}", nonsense.text());
            if nonsense.status == 400 {
                read.insert(name.to_owned());
            }
        }
    }
    let [retrieved, rendered, small] = read;
    assert_eq!(searched, stated("search"));
    assert_eq!(retrieved, stated("retrieve"));
    assert_eq!(rendered, stated("rendered, thumbnail"));
    assert_eq!(small, rendered);
    let names = |told: BTreeSet<String>| -> BTreeSet<String> {
        let names = told.iter().filter(|name| !name.starts_with('{'));
        names.map(|name| name.split(' ').next().unwrap().to_owned()).collect()
    };
    assert_eq!(names(told(&document, "search", "parameters")), searched);
    assert_eq!(names(told(&document, "retrieve", "parameters")), &retrieved | &rendered);
}
