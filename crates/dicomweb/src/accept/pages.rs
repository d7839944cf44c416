//! Whether metadata and rendered images are accepted (PS3.18 sections 8.7.4 and 8.7.2).

use super::Accept;
use crate::media::{DICOM_JSON, MediaType};

/// Whether DICOM JSON may be answered.
pub fn is_json_accepted(accept: &Accept) -> bool {
    accept
        .media()
        .map(MediaType::essence)
        .any(|essence| matches!(essence, DICOM_JSON | "application/json" | "application/*" | "*/*"))
}

/// The media type of a rendered image; `None` where none of ours is accepted.
pub fn rendered_media(accept: &Accept) -> Option<&'static str> {
    accept.media().map(MediaType::essence).find_map(|essence| match essence {
        "image/jpeg" | "image/*" | "*/*" => Some("image/jpeg"),
        "image/png" => Some("image/png"),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_by_accept() {
        for (accept, json, image) in [
            ("", true, Some("image/jpeg")),
            ("application/dicom+json", true, None),
            ("application/json, text/plain, */*;q=0.1", true, Some("image/jpeg")),
            ("multipart/related; type=\"application/dicom+xml\"", false, None),
            ("image/png, image/jpeg;q=0.9", false, Some("image/png")),
            ("image/webp,image/*;q=0.8", false, Some("image/jpeg")),
            ("text/html", false, None),
        ] {
            let accept = Accept::parse(accept).unwrap();
            assert_eq!((is_json_accepted(&accept), rendered_media(&accept)), (json, image), "{accept:?}");
        }
    }
}
