//! Whether metadata and what is rendered are accepted (PS3.18 sections 8.7.4 and 8.7.2).

use super::{Accept, Container, takes};
use crate::media::{DICOM_JSON, MULTIPART_RELATED, MediaType};

/// Whether DICOM JSON may be answered.
pub fn is_json_accepted(accept: &Accept) -> bool {
    accept
        .media()
        .map(MediaType::essence)
        .any(|essence| matches!(essence, DICOM_JSON | "application/json" | "application/*" | "*/*"))
}

/// Media types of pictures that are written here, the default first (PS3.18 table 8.7.4-1).
pub const IMAGES: [&str; 3] = ["image/jpeg", "image/png", "image/gif"];

/// One media type that what is rendered may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedForm {
    /// How it is put into the response; `None` where either will do.
    pub container: Option<Container>,
    media: String,
}

impl RenderedForm {
    /// The media types accepted of what is rendered, the best first.
    pub fn accepted(accept: &Accept) -> Vec<Self> {
        let form = |media: &MediaType| {
            let (container, media) = match media.essence() {
                "*/*" => (None, "*/*"),
                "multipart/*" => (Some(Container::Multipart), "*/*"),
                MULTIPART_RELATED => (Some(Container::Multipart), media.parameter("type").unwrap_or("*/*")),
                single => (Some(Container::Single), single),
            };
            Self { container, media: media.to_ascii_lowercase() }
        };
        accept.media().map(form).collect()
    }

    /// How something is sent that can be written in some media types: by the first of the forms that takes one, in the
    /// first of them it takes.
    pub fn choose(forms: &[Self], offered: &[&'static str]) -> Option<(Option<Container>, &'static str)> {
        forms.iter().find_map(|form| {
            let media = offered.iter().find(|media| takes(&form.media, media))?;
            Some((form.container, *media))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_by_accept() {
        const ONE: Option<Container> = Some(Container::Single);
        const MANY: Option<Container> = Some(Container::Multipart);
        for (accept, json, image) in [
            ("", true, Some((None, "image/jpeg"))),
            ("application/dicom+json", true, None),
            ("application/json, text/plain, */*;q=0.1", true, Some((None, "image/jpeg"))),
            ("multipart/related; type=\"application/dicom+xml\"", false, None),
            ("image/png, image/jpeg;q=0.9", false, Some((ONE, "image/png"))),
            ("image/webp,image/*;q=0.8", false, Some((ONE, "image/jpeg"))),
            ("image/gif;q=0.5, multipart/related; type=\"image/png\"", false, Some((MANY, "image/png"))),
            ("multipart/related", false, Some((MANY, "image/jpeg"))),
            ("text/html", false, None),
        ] {
            let accept = Accept::parse(accept).unwrap();
            let forms = RenderedForm::accepted(&accept);
            let found = (is_json_accepted(&accept), RenderedForm::choose(&forms, &IMAGES));
            assert_eq!(found, (json, image), "{accept:?}");
        }
        let forms = RenderedForm::accepted(&Accept::parse("image/*, video/*;q=0.5").unwrap());
        assert_eq!(RenderedForm::choose(&forms, &["video/mp4"]), Some((ONE, "video/mp4")));
    }
}
