//! Whatever comes is read or refused.

use bytes::Bytes;
use outrigger_dataset::element::{DataSet, Element, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::survey::survey;
use outrigger_dataset::write::write;
use outrigger_dicomweb::accept::{Accept, FrameChoice, FrameForm, ObjectChoice, ObjectForm};
use outrigger_dicomweb::bulk::bulk_path;
use outrigger_dicomweb::frames::frame_list;
use outrigger_dicomweb::media::MediaType;
use outrigger_dicomweb::render::{Frame, Wishes, render};
use outrigger_model::{Tag, TransferSyntaxUid};
use proptest::prelude::*;

const SYNTAXES: [&str; 8] = [
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.91",
];

proptest! {
    #[test]
    fn texts_are_read_or_refused(text in "[ -~]{0,80}", syntax in 0_usize..SYNTAXES.len()) {
        if let Ok(media) = MediaType::parse(&text) {
            prop_assert_eq!(MediaType::parse(&media.to_string()), Ok(media));
        }
        let stored = TransferSyntaxUid::new(SYNTAXES[syntax]).unwrap();
        if let Ok(accept) = Accept::parse(&text) {
            prop_assert!(FrameChoice::of(&FrameForm::accepted(&accept), &stored).is_none_or(|it| !it.media.is_empty()));
            let becomes = match ObjectChoice::of(&ObjectForm::accepted(&accept), &stored) {
                Some(ObjectChoice::Transcoded { to, .. }) => Some(to),
                Some(ObjectChoice::AsStored) | None => None,
            };
            prop_assert_ne!(becomes, Some(stored));
        }
        if let Ok(numbers) = frame_list(&text) {
            let again = numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            prop_assert_eq!(frame_list(&again), Ok(numbers));
        }
        if let Ok(path) = bulk_path(&text) {
            prop_assert!(text.len() >= 8 && path.items.len() <= text.len() / 10);
        }
        for name in ["viewport", "window", "quality"] {
            let read = Wishes::parse([(name, text.as_str())]);
            prop_assert!(read.is_err() || text.starts_with(|first: char| "+-.0123456789 ".contains(first)), "{}", text);
        }
    }

    /// Goal: attributes that contradict each other and streams of anything give a picture of the size they say, or an
    /// error.
    #[test]
    fn images_are_rendered_or_refused(
        sizes in (0_u16..9, 0_u16..9),
        samples in 0_u16..5,
        bits in (prop::sample::select(vec![0_u16, 1, 7, 8, 12, 16, 32, 64]), 0_u16..66, 0_u16..66),
        signed in 0_u16..2,
        planar in 0_u16..3,
        photometric in prop::sample::select(vec![
            "MONOCHROME1", "MONOCHROME2", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "PALETTE COLOR", "CMYK", "",
        ]),
        palette in proptest::collection::vec(any::<u8>(), 0..40),
        descriptor in (0_u16..20, 0_u16..20, prop::sample::select(vec![0_u16, 8, 16])),
        center in "[-+.e0-9]{0,6}",
        width in "[-+.e0-9]{0,6}",
        pixels in proptest::collection::vec(any::<u8>(), 0..400),
        syntax in 0_usize..SYNTAXES.len(),
        viewport in prop::option::of((1_u32..20, 1_u32..20, 0_u32..10, 0_u32..10, -10_i32..10, 1_i32..10)),
    ) {
        let short = |tag, value: u16| Element::new(tag, Vr::US, value.to_le_bytes().to_vec());
        let mut data_set: DataSet = [
            short(Tag(0x0028, 0x0002), samples),
            Element::text(Tag(0x0028, 0x0004), Vr::CS, photometric),
            short(Tag(0x0028, 0x0006), planar),
            short(Tag::ROWS, sizes.0),
            short(Tag::COLUMNS, sizes.1),
            short(Tag::BITS_ALLOCATED, bits.0),
            short(Tag(0x0028, 0x0101), bits.1),
            short(Tag(0x0028, 0x0102), bits.2),
            short(Tag(0x0028, 0x0103), signed),
            Element::text(Tag(0x0028, 0x1050), Vr::DS, &center),
            Element::text(Tag(0x0028, 0x1051), Vr::DS, &width),
        ]
        .into_iter()
        .collect();
        for element in [0x1101, 0x1102, 0x1103] {
            let numbers = [descriptor.0, descriptor.1, descriptor.2];
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            data_set.put(Element::new(Tag(0x0028, element), Vr::US, bytes));
            data_set.put(Element::new(Tag(0x0028, element + 0x0100), Vr::OW, palette.clone()));
        }
        let bytes = Bytes::from(write(&data_set, Form::ExplicitLittle));
        let read = |position: u64| Ok::<_, std::io::Error>(bytes.slice(usize::try_from(position).unwrap()..));
        let survey = survey(Form::ExplicitLittle, bytes.len() as u64, read).unwrap();
        let transfer_syntax = TransferSyntaxUid::new(SYNTAXES[syntax]).unwrap();
        let frame = Frame { survey: &survey, number: 1, transfer_syntax: &transfer_syntax, bytes: &pixels };
        let viewport = viewport.map(|(w, h, x, y, across, down)| format!("{w},{h},{x},{y},{across},{down}"));
        let wishes = Wishes::parse(viewport.as_deref().map(|text| ("viewport", text)));
        let Ok(wishes) = wishes else { return Ok(()) };
        if let Ok(png) = render(&frame, &wishes, "image/png") {
            let picture = image::load_from_memory(&png).unwrap();
            if viewport.is_none() {
                prop_assert_eq!((picture.height(), picture.width()), (sizes.0.into(), sizes.1.into()));
            }
        }
    }
}
