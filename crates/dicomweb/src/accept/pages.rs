//! Whether metadata and what is rendered are accepted (PS3.18 sections 8.7.4 and 8.7.2).

use super::{Accept, Container, Liked, Offer, takes};
use crate::media::{DICOM_JSON, MULTIPART_RELATED};

/// Whether DICOM JSON may be answered.
pub fn is_json_accepted(accept: &Accept) -> bool {
    let offer = Offer { container: Container::Single, media: DICOM_JSON, syntax: None };
    // Who takes any JSON takes this, unless it is named itself.
    let names = |media: &str| accept.ranges.iter().any(|range| range.media.essence() == media);
    let is_json = |media: &str| media == "application/json" && !names(DICOM_JSON);
    accept.liked().any(|liked| {
        let range = liked.range.media.essence();
        is_json(range) || (takes(range, DICOM_JSON) && liked.stands(&offer))
    })
}

/// Media types of pictures that are written here, the default first (PS3.18 table 8.7.4-1).
pub const IMAGES: [&str; 3] = ["image/jpeg", "image/png", "image/gif"];

/// One media type that what is rendered may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedForm {
    /// How it is put into the response; `None` where either will do.
    pub container: Option<Container>,
    media: String,
    liked: Liked,
}

impl RenderedForm {
    /// The media types accepted of what is rendered, the best first.
    pub fn accepted(accept: &Accept) -> Vec<Self> {
        let form = |liked: Liked| {
            let asked = &liked.range.media;
            let (container, media) = match asked.essence() {
                "*/*" => (None, "*/*"),
                "multipart/*" => (Some(Container::Multipart), "*/*"),
                MULTIPART_RELATED => (Some(Container::Multipart), asked.parameter("type").unwrap_or("*/*")),
                single => (Some(Container::Single), single),
            };
            Self { container, media: media.to_ascii_lowercase(), liked }
        };
        accept.liked().map(form).collect()
    }

    /// How something is sent that can be written in some media types: by the first of the forms that takes one, in the
    /// first of them it takes.
    pub fn choose(forms: &[Self], offered: &[&'static str]) -> Option<(Option<Container>, &'static str)> {
        forms.iter().find_map(|form| form.choose_of(offered))
    }

    fn choose_of(&self, offered: &[&'static str]) -> Option<(Option<Container>, &'static str)> {
        if let Some(container) = self.container {
            return Some((Some(container), self.first(offered, &[container])?));
        }
        let either = [Container::Single, Container::Multipart];
        if let Some(media) = self.first(offered, &either) {
            return Some((None, media));
        }
        either.into_iter().find_map(|only| Some((Some(only), self.first(offered, &[only])?)))
    }

    /// The first that it takes in each of the containers.
    fn first(&self, offered: &[&'static str], containers: &[Container]) -> Option<&'static str> {
        let stands = |media: &str, container| self.liked.stands(&Offer { container, media, syntax: None });
        let is_taken = |media: &str| {
            takes(&self.media, media) && containers.iter().all(|container| stands(media, *container))
        };
        offered.iter().copied().find(|media| is_taken(media))
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
            // The closest range counts, whatever a wider one takes.
            ("image/jpeg;q=0,image/*", false, Some((ONE, "image/png"))),
            ("image/*, image/jpeg;q=0.5", false, Some((ONE, "image/png"))),
            ("image/jpeg;q=0, image/png;q=0, */*;q=0.1", true, Some((None, "image/gif"))),
            ("image/*;q=0, */*", true, Some((MANY, "image/jpeg"))),
            ("multipart/related;q=0, */*", true, Some((ONE, "image/jpeg"))),
            ("multipart/*;q=0, image/*;q=0, */*", true, None),
            ("image/jpeg, */*;q=0", false, Some((ONE, "image/jpeg"))),
            ("*/*, image/jpeg", true, Some((None, "image/jpeg"))),
            ("application/dicom+json;q=0, */*", false, Some((None, "image/jpeg"))),
            ("application/dicom+json;q=0, application/json", false, None),
            ("application/*;q=0, */*", false, Some((None, "image/jpeg"))),
            ("application/*;q=0, application/json", true, None),
            ("application/json;q=0, application/dicom+json", true, None),
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
