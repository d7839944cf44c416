//! Which media type frames are sent as (PS3.18 sections 8.7.3.3 and 10.4.1.1.6).

use outrigger_dataset::transcode::targets;
use outrigger_model::TransferSyntaxUid;
use outrigger_model::transfer_syntax::{EXPLICIT_VR_LE, Pixels, traits};

use super::objects::Syntax;
use super::{Accept, Liked, Offer, takes};
use crate::media::{MULTIPART_RELATED, OCTET_STREAM, frame_media};

/// How frames are put into a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// `multipart/related`, a part each.
    Multipart,
    /// One frame alone.
    Single,
}

/// One media type that frames may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameForm {
    container: Container,
    /// The media type of a frame, or a range.
    media: String,
    syntax: Syntax,
    liked: Liked,
}

/// How the frames of one image are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameChoice {
    /// How they are put into the response.
    pub container: Container,
    /// The media type of each.
    pub media: String,
    /// Their transfer syntax.
    pub transfer_syntax: TransferSyntaxUid,
    /// Whether they are decoded for it.
    pub coding: Coding,
}

/// What is done with frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// They go as they are.
    Kept,
    /// They are decoded without loss.
    Decoded,
}

impl FrameForm {
    /// The media types accepted of frames, the best first.
    pub fn accepted(accept: &Accept) -> Vec<Self> {
        accept.liked().flat_map(|liked| Self::of(&liked)).collect()
    }

    /// How a value of plain bytes is put into a response; `None` where such are not accepted.
    pub fn container_of_bytes(forms: &[Self]) -> Option<Container> {
        forms.iter().find(|form| form.takes(OCTET_STREAM, None)).map(|form| form.container)
    }

    fn of(liked: &Liked) -> Vec<Self> {
        let asked = &liked.range.media;
        let Some(syntax) = Syntax::of(asked) else { return Vec::new() };
        let (containers, media): (&[Container], &str) = match asked.essence() {
            "*/*" => (&[Container::Multipart, Container::Single], "*/*"),
            "multipart/*" => (&[Container::Multipart], "*/*"),
            MULTIPART_RELATED => (&[Container::Multipart], asked.parameter("type").unwrap_or("*/*")),
            single => (&[Container::Single], single),
        };
        let form = |container: &Container| Self {
            container: *container,
            media: media.to_ascii_lowercase(),
            syntax: syntax.clone(),
            liked: liked.clone(),
        };
        containers.iter().map(form).collect()
    }

    fn takes(&self, media: &str, syntax: Option<&TransferSyntaxUid>) -> bool {
        takes(&self.media, media) && self.liked.stands(&Offer { container: self.container, media, syntax })
    }

    /// How frames in a transfer syntax are sent by this form.
    fn choose(&self, stored: &TransferSyntaxUid) -> Option<FrameChoice> {
        let explicit = TransferSyntaxUid::known(EXPLICIT_VR_LE);
        let own = frame_media(stored);
        let choice = |media: &str, transfer_syntax: &TransferSyntaxUid, coding| {
            let (container, media) = (self.container, media.to_owned());
            Some(FrameChoice { container, media, transfer_syntax: transfer_syntax.clone(), coding })
        };
        let is_native = traits(stored).pixels == Pixels::Native;
        let is_decodable = !is_native && targets(stored).contains(&explicit);
        match &self.syntax {
            // Native frames are the same bytes in every little-endian syntax.
            _ if is_native => {
                let fits = match &self.syntax {
                    Syntax::Named(named) => *named == explicit || named == stored,
                    Syntax::Default | Syntax::AsStored => true,
                };
                (fits && self.takes(OCTET_STREAM, Some(&explicit)))
                    .then(|| choice(OCTET_STREAM, &explicit, Coding::Kept))?
            }
            Syntax::Named(named) if named == stored => self.kept(own, stored, choice),
            Syntax::AsStored => self.kept(own, stored, choice),
            Syntax::Named(named) if *named != explicit => None,
            Syntax::Named(_) | Syntax::Default
                if is_decodable && self.takes(OCTET_STREAM, Some(&explicit)) =>
            {
                choice(OCTET_STREAM, &explicit, Coding::Decoded)
            }
            Syntax::Default if self.takes(own, Some(stored)) && own != OCTET_STREAM => {
                choice(own, stored, Coding::Kept)
            }
            Syntax::Named(_) | Syntax::Default => None,
        }
    }

    /// Frames as they are: under their own media type, or as bytes of a transfer syntax that is named, as viewers ask
    /// who take any.
    fn kept(
        &self,
        own: &str,
        stored: &TransferSyntaxUid,
        choice: impl Fn(&str, &TransferSyntaxUid, Coding) -> Option<FrameChoice>,
    ) -> Option<FrameChoice> {
        let media = [own, OCTET_STREAM].into_iter().find(|media| self.takes(media, Some(stored)))?;
        choice(media, stored, Coding::Kept)
    }
}

impl FrameChoice {
    /// How frames stored in a transfer syntax are sent: by the first of the forms that they can have without loss.
    pub fn of(forms: &[FrameForm], stored: &TransferSyntaxUid) -> Option<Self> {
        forms.iter().find_map(|form| form.choose(stored))
    }

    /// The value of Content-Type of one frame.
    pub fn content_type(&self) -> String {
        format!("{}; transfer-syntax={}", self.media, self.transfer_syntax)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What frames stored in a syntax become: media type, rest of the syntax, `!` when decoded; `-` where refused.
    fn check(accept: &str, container: Container, becomes: &[(&str, &str)]) {
        let forms = FrameForm::accepted(&Accept::parse(&accept.replace('~', "1.2.840.10008.1.2")).unwrap());
        for (stored, expected) in becomes {
            let stored_in = TransferSyntaxUid::new(&format!("1.2.840.10008.1.2{stored}")).unwrap();
            let found = FrameChoice::of(&forms, &stored_in).map_or("-".to_owned(), |choice| {
                assert_eq!(choice.container, container, "{accept}");
                let rest = choice.transfer_syntax.as_str().replace("1.2.840.10008.1.2", "");
                let mark = if choice.coding == Coding::Decoded { "!" } else { "" };
                format!("{} {rest}{mark}", choice.media)
            });
            assert_eq!(found, *expected, "{accept} for {stored:?}");
        }
    }

    #[test]
    fn frames_by_accept_and_stored_syntax() {
        const BYTES: &str = "application/octet-stream .1";
        const DECODED: &str = "application/octet-stream .1!";
        for accept in ["", "*/*", "multipart/related", "multipart/related; type=*/*"] {
            let becomes = [("", BYTES), (".1", BYTES), (".4.80", DECODED), (".4.50", "image/jpeg .4.50")];
            check(accept, Container::Multipart, &becomes);
        }
        check(
            "multipart/related; type=\"application/octet-stream\"",
            Container::Multipart,
            &[(".1", BYTES), (".5", DECODED), (".4.50", "-"), (".4.91", "-")],
        );
        check(
            "multipart/related; type=application/octet-stream; transfer-syntax=*",
            Container::Multipart,
            &[
                (".1", BYTES),
                (".5", "application/octet-stream .5"),
                (".4.50", "application/octet-stream .4.50"),
            ],
        );
        check(
            "multipart/related; type=\"image/jls\"; transfer-syntax=~.4.80",
            Container::Multipart,
            &[(".4.80", "image/jls .4.80"), (".4.81", "-"), (".1", "-")],
        );
        check(
            "multipart/related; type=\"image/jpeg\", multipart/related; type=\"application/octet-stream\"",
            Container::Multipart,
            &[(".4.50", "image/jpeg .4.50"), (".1", BYTES), (".4.80", DECODED)],
        );
        check("image/jp2", Container::Single, &[(".4.90", "image/jp2 .4.90"), (".4.50", "-")]);
        check("image/*", Container::Single, &[(".4.90", "image/jp2 .4.90"), (".1", "-")]);
        check("application/octet-stream", Container::Single, &[(".1", BYTES), (".4.80", DECODED)]);
        check("video/mp4; transfer-syntax=*", Container::Single, &[(".4.102", "video/mp4 .4.102")]);
        check("application/dicom", Container::Single, &[(".1", "-")]);
    }

    #[test]
    fn frames_are_not_sent_as_what_is_excluded() {
        const BYTES: &str = "application/octet-stream .1";
        const DECODED: &str = "application/octet-stream .1!";
        let no_bytes = "multipart/related; type=application/octet-stream;q=0, */*";
        check(no_bytes, Container::Multipart, &[(".4.80", "image/jls .4.80"), (".4.50", "image/jpeg .4.50")]);
        check(no_bytes, Container::Single, &[(".1", BYTES)]);
        check("multipart/related;q=0, */*", Container::Single, &[(".1", BYTES), (".4.80", DECODED)]);
        check(
            "multipart/*;q=0, application/*;q=0, */*",
            Container::Single,
            &[(".1", "-"), (".5", "image/dicom-rle .5")],
        );
        check(
            "image/jls;transfer-syntax=~.4.81;q=0, image/jls;transfer-syntax=*",
            Container::Single,
            &[(".4.80", "image/jls .4.80"), (".4.81", "-")],
        );
        // The control: a closer range that is liked too takes nothing away.
        check(
            "*/*, application/octet-stream;q=0.5",
            Container::Multipart,
            &[(".1", BYTES), (".4.80", DECODED)],
        );
        let forms = |accept| FrameForm::accepted(&Accept::parse(accept).unwrap());
        assert_eq!(FrameForm::container_of_bytes(&forms(no_bytes)), Some(Container::Single));
        assert_eq!(
            FrameForm::container_of_bytes(&forms("application/octet-stream;q=0, application/*")),
            None
        );
    }
}
