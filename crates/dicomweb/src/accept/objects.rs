//! Which transfer syntax DICOM objects are sent in (PS3.18 section 8.7.3.5).

use outrigger_dataset::transcode::targets;
use outrigger_model::TransferSyntaxUid;
use outrigger_model::transfer_syntax::{EXPLICIT_VR_BE, EXPLICIT_VR_LE, IMPLICIT_VR_LE};

use super::{Accept, Container, Liked, Offer};
use crate::media::{DICOM, MULTIPART_RELATED, MediaType};

/// How objects are put into a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packaging {
    /// `multipart/related; type="application/dicom"`.
    Multipart,
    /// `application/dicom`: one object alone.
    Single,
}

/// One media type that objects may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectForm {
    /// How they are put into the response.
    pub packaging: Packaging,
    /// In which transfer syntax.
    pub syntax: Syntax,
    liked: Liked,
}

/// A transfer syntax asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Syntax {
    /// None was named: Explicit VR Little Endian, except what cannot become that without loss.
    Default,
    /// `*`: as stored.
    AsStored,
    /// One of them.
    Named(TransferSyntaxUid),
}

/// What becomes of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectChoice {
    /// It is sent as it is.
    AsStored,
    /// It is transcoded.
    Transcoded {
        /// To this.
        to: TransferSyntaxUid,
        /// What is done where its pixel data turn out not to allow it.
        otherwise: Otherwise,
    },
}

/// What is done with an object that cannot be transcoded after all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    /// It is sent as it is, which the user agent takes.
    AsStored,
    /// It cannot be sent.
    Refused,
}

impl ObjectForm {
    /// The media types accepted of objects, the best first; those of the packaging of the first alone, since a
    /// response has one.
    pub fn accepted(accept: &Accept) -> Vec<Self> {
        let mut forms: Vec<Self> = accept.liked().flat_map(|liked| Self::of(&liked)).collect();
        if let Some(packaging) = forms.first().map(|form| form.packaging) {
            forms.retain(|form| form.packaging == packaging);
        }
        forms
    }

    fn of(liked: &Liked) -> Vec<Self> {
        let media = &liked.range.media;
        let is_objects = |named: Option<&str>| named.is_none_or(|named| named.eq_ignore_ascii_case(DICOM));
        let packagings: &[Packaging] = match media.essence() {
            "*/*" => &[Packaging::Multipart, Packaging::Single],
            "multipart/*" => &[Packaging::Multipart],
            MULTIPART_RELATED if is_objects(media.parameter("type")) => &[Packaging::Multipart],
            DICOM | "application/*" => &[Packaging::Single],
            _ => &[],
        };
        let Some(syntax) = Syntax::of(media) else { return Vec::new() };
        let form = |packaging: &Packaging| Self {
            packaging: *packaging,
            syntax: syntax.clone(),
            liked: liked.clone(),
        };
        packagings.iter().map(form).filter(|form| form.stands(form.syntax.named())).collect()
    }

    /// Whether an object in a transfer syntax, or in any, may be sent by it.
    fn stands(&self, syntax: Option<&TransferSyntaxUid>) -> bool {
        let container = match self.packaging {
            Packaging::Multipart => Container::Multipart,
            Packaging::Single => Container::Single,
        };
        self.liked.stands(&Offer { container, media: DICOM, syntax })
    }
}

impl Syntax {
    /// What a media type asks for; `None` where it names none that can be.
    pub(super) fn of(media: &MediaType) -> Option<Self> {
        match media.parameter("transfer-syntax") {
            None => Some(Self::Default),
            Some("*") => Some(Self::AsStored),
            Some(uid) => TransferSyntaxUid::new(uid).ok().map(Self::Named),
        }
    }

    fn named(&self) -> Option<&TransferSyntaxUid> {
        match self {
            Self::Named(named) => Some(named),
            Self::Default | Self::AsStored => None,
        }
    }
}

impl ObjectChoice {
    /// What becomes of an object stored in a transfer syntax: the first of the forms that it can have without loss;
    /// `None` where there is none.
    pub fn of(forms: &[ObjectForm], stored: &TransferSyntaxUid) -> Option<Self> {
        forms.iter().find_map(|form| Self::by(&form.syntax, stored)?.taken(form, stored))
    }

    /// The same as far as a closer range does not exclude it.
    fn taken(self, form: &ObjectForm, stored: &TransferSyntaxUid) -> Option<Self> {
        let as_stored = form.stands(Some(stored));
        match self {
            Self::AsStored => as_stored.then_some(Self::AsStored),
            Self::Transcoded { to, otherwise } => {
                let otherwise = if as_stored { otherwise } else { Otherwise::Refused };
                form.stands(Some(&to)).then_some(Self::Transcoded { to, otherwise })
            }
        }
    }

    fn by(syntax: &Syntax, stored: &TransferSyntaxUid) -> Option<Self> {
        let explicit = TransferSyntaxUid::known(EXPLICIT_VR_LE);
        let to = |to, otherwise| Self::Transcoded { to, otherwise };
        match syntax {
            Syntax::Named(named) if named == stored => Some(Self::AsStored),
            Syntax::Named(named) => {
                targets(stored).contains(named).then(|| to(named.clone(), Otherwise::Refused))
            }
            // These two shall not be used with web services (PS3.18 section 8.7.3.5.2) unless asked for by name.
            Syntax::AsStored if matches!(stored.as_str(), IMPLICIT_VR_LE | EXPLICIT_VR_BE) => {
                Some(to(explicit, Otherwise::AsStored))
            }
            Syntax::Default if *stored != explicit && targets(stored).contains(&explicit) => {
                Some(to(explicit, Otherwise::AsStored))
            }
            Syntax::AsStored | Syntax::Default => Some(Self::AsStored),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn syntax(rest: &str) -> TransferSyntaxUid {
        TransferSyntaxUid::new(&format!("1.2.840.10008.1.2{rest}")).unwrap()
    }

    /// What an object stored in a syntax becomes: the rest of the target, `=` as stored, `-` refused.
    fn check(accept: &str, packaging: Option<Packaging>, becomes: &[(&str, &str)]) {
        let forms = ObjectForm::accepted(&Accept::parse(&accept.replace('~', "1.2.840.10008.1.2")).unwrap());
        assert_eq!(forms.first().map(|form| form.packaging), packaging, "{accept}");
        for (stored, expected) in becomes {
            let found = match ObjectChoice::of(&forms, &syntax(stored)) {
                None => "-".to_owned(),
                Some(ObjectChoice::AsStored) => "=".to_owned(),
                Some(ObjectChoice::Transcoded { to, .. }) => to.as_str().replace("1.2.840.10008.1.2", ""),
            };
            assert_eq!(found, *expected, "{accept} for {stored:?}");
        }
    }

    #[test]
    fn forms_by_accept_and_stored_syntax() {
        const MANY: Option<Packaging> = Some(Packaging::Multipart);
        const ONE: Option<Packaging> = Some(Packaging::Single);
        let by_default =
            [("", ".1"), (".1", "="), (".2", ".1"), (".4.80", ".1"), (".4.50", "="), (".4.91", "=")];
        for accept in ["", "*/*", "multipart/related; type=\"application/dicom\"", "multipart/related"] {
            check(accept, MANY, &by_default);
        }
        check("application/dicom", ONE, &by_default);
        let as_stored = [("", ".1"), (".1", "="), (".4.80", "="), (".4.50", "="), (".1.99", "=")];
        check("multipart/related; type=\"application/dicom\"; transfer-syntax=*", MANY, &as_stored);
        check("application/dicom; transfer-syntax=*", ONE, &as_stored);
        let named = "multipart/related; type=application/dicom; transfer-syntax=~.4.80";
        check(named, MANY, &[(".4.80", "="), (".1", "-"), (".4.50", "-")]);
        check("application/dicom; transfer-syntax=~", ONE, &[("", "="), (".1", ""), (".4.80", "")]);
        check(
            "application/dicom;transfer-syntax=~.5;q=0.5, application/dicom;transfer-syntax=~.4.80",
            ONE,
            &[(".4.80", "="), (".1", ".5"), (".5", "="), (".4.50", "-")],
        );
        check("image/jpeg, multipart/related; type=\"image/jpeg\"", None, &[(".1", "-")]);
        check("multipart/related; type=\"application/dicom\"; transfer-syntax=x", MANY, &[(".1", "-")]);
        check("multipart/related; type=\"application/dicom\"; q=0", None, &[(".1", "-")]);
        check("application/dicom; q=0.1, */*", MANY, &[(".1", "=")]);
        // The closest range counts, whatever a wider one takes.
        check("multipart/related; type=\"application/dicom\"; q=0, */*", ONE, &by_default);
        check("multipart/*;q=0, application/dicom;q=0, application/*, */*", None, &[(".1", "-")]);
        check(
            "application/dicom;transfer-syntax=~.4.50;q=0, application/dicom;transfer-syntax=*",
            ONE,
            &[(".4.50", "-"), (".4.80", "="), (".1", "=")],
        );
        check(
            "application/dicom;q=0, application/dicom;transfer-syntax=~.4.80",
            ONE,
            &[(".4.80", "="), (".4.50", "-")],
        );
        check("*/*, application/dicom;q=0.5", MANY, &by_default);
        check("application/dicom;transfer-syntax=*;q=0.5, application/dicom", ONE, &by_default);
    }
}
