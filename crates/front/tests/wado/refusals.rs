//! Paths and header fields that make no sense.

use outrigger_dataset::phantom::Shape;

use super::phantom;
use super::rack::{Counter, Lying};

#[tokio::test]
async fn paths_that_lead_nowhere_are_refused() {
    let lying = Lying::of(phantom(Shape::SmallCt, 0, 0));
    let other = Lying::of(phantom(Shape::SmallCt, 1, 0));
    let counter = Counter::with(&[lying.clone(), other.clone()]).await;
    let instance = lying.path();
    let (series, uid) = instance.rsplit_once("/instances/").unwrap();
    let misplaced = format!("{}/instances/{uid}", other.path().rsplit_once("/instances/").unwrap().0);
    for (path, status) in [
        ("/studies/1.2.3".to_owned(), 404),
        ("/studies/1.2.3/metadata".to_owned(), 404),
        (misplaced, 404),
        (format!("{instance}/nothing"), 404),
        (format!("{instance}/bulkdata/00100010/1/00100010"), 404),
        (format!("{instance}/bulkdata/00091010"), 404),
        (format!("{instance}/bulkdata/PatientName"), 400),
        (format!("{instance}/bulkdata/..%2F..%2Fetc%2Fpasswd"), 400),
        (format!("{instance}/bulkdata/../../../etc/passwd"), 400),
        ("/studies/..%2F..%2Fetc%2Fpasswd".to_owned(), 400),
        ("/studies/%00".to_owned(), 400),
        ("/studies/%FF".to_owned(), 400),
        ("/studies/%20".to_owned(), 400),
        ("/studies/1.2'%20OR%201=1".to_owned(), 400),
        ("/studies/*".to_owned(), 400),
        (format!("/studies/{}", "1".repeat(129)), 400),
        (format!("{series}/instances/1%5C2"), 400),
    ] {
        let response = counter.get(&path).await;
        assert_eq!(response.status, status, "{path}: {}", response.text());
        assert!(!response.text().trim().is_empty(), "{path}");
    }
}

#[tokio::test]
async fn what_cannot_be_accepted_is_refused() {
    let lying = Lying::of(phantom(Shape::SmallCt, 0, 0));
    let counter = Counter::with(std::slice::from_ref(&lying)).await;
    for (accept, status) in [
        ("text/html", 406),
        ("multipart/related; type=\"application/dicom+xml\"", 406),
        ("application/dicom;q=0", 406),
        ("multipart/related; type=\"application/dicom\"; transfer-syntax=1.2.840.10008.1.2.4.80", 406),
        ("nonsense", 400),
        ("application/dicom;q=7", 400),
        ("a/b; c=\"", 400),
        (&"a/b,".repeat(1000), 400),
    ] {
        let response = counter.get_as(&lying.path(), accept).await;
        assert_eq!(response.status, status, "{accept}: {}", response.text());
        assert!(!response.text().trim().is_empty());
    }
}
