//! Pictures show the values they should.

use bytes::Bytes;
use image::{DynamicImage, GenericImageView, Rgba};
use outrigger_dataset::element::{DataSet, Element, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::survey::{FrameIndex, Survey, survey};
use outrigger_dataset::transcode::transcode;
use outrigger_dataset::write::write;
use outrigger_dicomweb::render::{Frame, RenderError, Wishes, missing_values, render};
use outrigger_model::{Tag, TransferSyntaxUid};

pub(crate) const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const RLE: &str = "1.2.840.10008.1.2.5";
const BASELINE: &str = "1.2.840.10008.1.2.4.50";
pub(crate) const PIXEL_DATA: Tag = Tag(0x7FE0, 0x0010);

/// An image of one row, with what describes it.
pub(crate) fn image(photometric: &str, samples: u16, bits: u16, columns: u16, pixels: &[u8]) -> DataSet {
    let short = |tag, value: u16| Element::new(tag, Vr::US, value.to_le_bytes().to_vec());
    [
        short(Tag(0x0028, 0x0002), samples),
        Element::text(Tag(0x0028, 0x0004), Vr::CS, photometric),
        short(Tag(0x0028, 0x0006), 0),
        short(Tag::ROWS, 1),
        short(Tag::COLUMNS, columns),
        short(Tag::BITS_ALLOCATED, bits),
        short(Tag(0x0028, 0x0101), bits),
        short(Tag(0x0028, 0x0102), bits - 1),
        short(Tag(0x0028, 0x0103), 0),
        Element::new(PIXEL_DATA, Vr::OB, pixels.to_vec()),
    ]
    .into_iter()
    .collect()
}

pub(crate) fn with(mut data_set: DataSet, elements: Vec<Element>) -> DataSet {
    for element in elements {
        data_set.put(element);
    }
    data_set
}

pub(crate) fn look(bytes: &Bytes) -> Survey {
    let read = |position: u64| Ok::<_, std::io::Error>(bytes.slice(usize::try_from(position).unwrap()..));
    survey(Form::ExplicitLittle, bytes.len() as u64, read).unwrap()
}

/// Renders a frame of bytes in a transfer syntax.
pub(crate) fn rendered(
    bytes: &Bytes,
    transfer_syntax: &str,
    number: u32,
    wishes: &[(&str, &str)],
) -> Result<DynamicImage, RenderError> {
    let mut survey = look(bytes);
    for (path, place) in missing_values(&survey, number) {
        let from = usize::try_from(place.offset).unwrap();
        survey.fill(&path, bytes.slice(from..from + usize::try_from(place.length).unwrap()));
    }
    let transfer_syntax = TransferSyntaxUid::new(transfer_syntax).unwrap();
    let read = |position: u64| Ok::<_, std::io::Error>(bytes.slice(usize::try_from(position).unwrap()..));
    let span = FrameIndex::new(&survey, &transfer_syntax, read).unwrap().frame(number).unwrap();
    let parts: Vec<u8> = span
        .places
        .iter()
        .flat_map(|place| {
            let from = usize::try_from(place.offset).unwrap();
            bytes.slice(from..from + usize::try_from(place.length).unwrap())
        })
        .collect();
    let frame = Frame { survey: &survey, number, transfer_syntax: &transfer_syntax, bytes: &parts };
    let wishes = Wishes::parse(wishes.iter().copied()).unwrap();
    let png = render(&frame, &wishes, "image/png")?;
    let jpeg = render(&frame, &wishes, "image/jpeg")?;
    assert!(jpeg.starts_with(&[0xFF, 0xD8, 0xFF]));
    Ok(image::load_from_memory(&png).unwrap())
}

/// The red of each pixel of the first row, the only colour of grey pictures.
fn levels(picture: &DynamicImage) -> Vec<u8> {
    (0..picture.width()).map(|column| picture.get_pixel(column, 0).0[0]).collect()
}

fn shown(data_set: &DataSet, wishes: &[(&str, &str)]) -> Vec<u8> {
    let bytes = Bytes::from(write(data_set, Form::ExplicitLittle));
    levels(&rendered(&bytes, EXPLICIT, 1, wishes).unwrap())
}

pub(crate) fn words(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[test]
fn grey_values_are_rescaled_and_windowed() {
    let plain = image("MONOCHROME2", 1, 16, 4, &words(&[0, 100, 200, 400]));
    // Without a window all values are shown.
    assert_eq!(shown(&plain, &[]), [0, 64, 128, 255]);
    let own = |center, width| {
        vec![
            Element::text(Tag(0x0028, 0x1050), Vr::DS, center),
            Element::text(Tag(0x0028, 0x1051), Vr::DS, width),
        ]
    };
    let windowed = with(plain.clone(), own("100.5\\7", "201\\7"));
    assert_eq!(shown(&windowed, &[]), [0, 128, 255, 255]);
    assert_eq!(shown(&windowed, &[("window", "200,400,linear-exact")]), [0, 64, 128, 255]);
    let rescaled = with(
        windowed.clone(),
        vec![
            Element::text(Tag(0x0028, 0x1052), Vr::DS, "-100"),
            Element::text(Tag(0x0028, 0x1053), Vr::DS, "2"),
        ],
    );
    assert_eq!(shown(&rescaled, &[]), [0, 128, 255, 255]);
    let inverse = with(windowed, vec![Element::text(Tag(0x0028, 0x0004), Vr::CS, "MONOCHROME1")]);
    assert_eq!(shown(&inverse, &[]), [255, 128, 0, 0]);
}

#[test]
fn signed_and_shifted_values_are_what_they_say() {
    let short = |tag, value: u16| Element::new(tag, Vr::US, value.to_le_bytes().to_vec());
    let signed =
        with(image("MONOCHROME2", 1, 16, 3, &words(&[0xFF9C, 0, 100])), vec![short(Tag(0x0028, 0x0103), 1)]);
    assert_eq!(shown(&signed, &[]), [0, 128, 255]);
    // Twelve bits in the upper part of the cell, something else below.
    let shifted = with(
        image("MONOCHROME2", 1, 16, 3, &words(&[0x000F, 0x8007, 0xFFF0])),
        vec![short(Tag(0x0028, 0x0101), 12), short(Tag(0x0028, 0x0102), 15)],
    );
    assert_eq!(shown(&shifted, &[]), [0, 128, 255]);
}

/// A table (PS3.3 section C.11.1.1): its entries begin at a value, and have so many bits.
fn lut(first: u16, bits: u16, entries: &[u16]) -> DataSet {
    let count = u16::try_from(entries.len()).unwrap();
    [
        Element::new(Tag(0x0028, 0x3002), Vr::US, words(&[count, first, bits])),
        Element::new(Tag(0x0028, 0x3006), Vr::OW, words(entries)),
    ]
    .into_iter()
    .collect()
}

fn text(tag: Tag, value: &str) -> Element {
    Element::text(tag, Vr::DS, value)
}

#[test]
fn tables_come_before_what_stands_beside_them() {
    let plain = image("MONOCHROME2", 1, 16, 3, &words(&[10, 11, 12]));
    let windowed = with(plain, vec![text(Tag(0x0028, 0x1050), "11.5"), text(Tag(0x0028, 0x1051), "3")]);
    assert_eq!(shown(&windowed, &[]), [0, 128, 255], "the control");
    let voi = Element::sequence(Tag(0x0028, 0x3010), vec![lut(10, 12, &[4095, 0, 1024])]);
    let looked_up = with(windowed.clone(), vec![voi.clone()]);
    assert_eq!(shown(&looked_up, &[]), [255, 0, 64]);
    assert_eq!(shown(&looked_up, &[("window", "11.5,3,linear")]), [0, 128, 255], "what is asked for");
    let modality = Element::sequence(Tag(0x0028, 0x3000), vec![lut(10, 16, &[12, 11, 10])]);
    let rescale = text(Tag(0x0028, 0x1052), "1000");
    assert_eq!(shown(&with(windowed.clone(), vec![modality, rescale]), &[]), [255, 128, 0]);
    // Values between two entries take the nearer one.
    let slope = text(Tag(0x0028, 0x1053), "0.97");
    assert_eq!(shown(&with(looked_up.clone(), vec![slope]), &[]), [255, 0, 64]);
    let longer = Element::sequence(Tag(0x0028, 0x3010), vec![lut(10, 12, &[4095, 0])]);
    assert_eq!(shown(&with(windowed, vec![longer]), &[]), [255, 0, 0], "the last stands for what is beyond");
}

/// A descriptor that says 0 entries has one for each value of sixteen bits.
#[test]
fn a_table_may_have_an_entry_for_each_value() {
    let mut entries = vec![0_u16; 1 << 16];
    (entries[7], entries[65_535]) = (0x8080, 0xFFFF);
    let table: DataSet = [
        Element::new(Tag(0x0028, 0x3002), Vr::US, words(&[0, 0, 16])),
        Element::new(Tag(0x0028, 0x3006), Vr::OW, words(&entries)),
    ]
    .into_iter()
    .collect();
    let voi = Element::sequence(Tag(0x0028, 0x3010), vec![table]);
    let plain = image("MONOCHROME2", 1, 16, 3, &words(&[0, 7, 65_535]));
    assert_eq!(shown(&with(plain, vec![voi]), &[]), [0, 128, 255]);
}

#[test]
fn overlays_are_burnt_in() {
    let short =
        |element, value: u16| Element::new(Tag(0x6000, element), Vr::US, value.to_le_bytes().to_vec());
    let overlay = vec![
        short(0x0010, 1),
        short(0x0011, 3),
        Element::text(Tag(0x6000, 0x0040), Vr::CS, "G"),
        Element::new(Tag(0x6000, 0x0050), Vr::SS, words(&[1, 1])),
        short(0x0100, 1),
        short(0x0102, 0),
        Element::new(Tag(0x6000, 0x3000), Vr::OW, vec![0b10, 0]),
    ];
    let plain = image("MONOCHROME2", 1, 8, 3, &[0, 100, 200]);
    assert_eq!(shown(&with(plain, overlay), &[]), [0, 255, 255]);
}

#[test]
fn presentation_turns_what_is_not_turned_already() {
    let pixels = words(&[0, 100, 400]);
    let turned = |photometric, shape| {
        let shape = Element::text(Tag(0x2050, 0x0020), Vr::CS, shape);
        shown(&with(image(photometric, 1, 16, 3, &pixels), vec![shape]), &[])
    };
    for (photometric, shape, levels) in [
        ("MONOCHROME2", "IDENTITY", [0, 64, 255]),
        ("MONOCHROME2", "INVERSE", [255, 191, 0]),
        ("MONOCHROME1", "IDENTITY", [255, 191, 0]),
        ("MONOCHROME1", "INVERSE", [255, 191, 0]),
    ] {
        assert_eq!(turned(photometric, shape), levels, "{photometric} {shape}");
    }
}

#[test]
fn values_that_only_fill_up_are_of_no_account() {
    let short = |tag, value: u16| Element::new(tag, Vr::US, value.to_le_bytes().to_vec());
    let plain = image("MONOCHROME2", 1, 16, 5, &words(&[0, 5, 100, 200, 300]));
    let of = |padding: u16, limit: Option<u16>| {
        let mut elements = vec![short(Tag(0x0028, 0x0120), padding)];
        elements.extend(limit.map(|limit| short(Tag(0x0028, 0x0121), limit)));
        shown(&with(plain.clone(), elements), &[])
    };
    assert_eq!(shown(&plain, &[]), [0, 4, 85, 170, 255], "the control");
    assert_eq!(of(0, None), [0, 0, 82, 169, 255]);
    assert_eq!((of(0, Some(5)), of(5, Some(0))), (vec![0, 0, 0, 128, 255], vec![0, 0, 0, 128, 255]));
    assert_eq!(of(0, Some(300)), shown(&plain, &[]), "where there is nothing else they are shown");
}

#[test]
fn values_are_shown_whatever_their_slope_their_width_and_their_function() {
    let plain = image("MONOCHROME2", 1, 16, 3, &words(&[0, 50, 200]));
    let with = |elements: &[(u16, &str)]| {
        let of = |(element, value): &(u16, &str)| match element {
            0x1056 => Element::text(Tag(0x0028, 0x1056), Vr::CS, value),
            element => text(Tag(0x0028, *element), value),
        };
        shown(&with(plain.clone(), elements.iter().map(of).collect()), &[])
    };
    assert_eq!(with(&[(0x1053, "-1")]), [255, 191, 0]);
    assert_eq!(with(&[(0x1053, "0")]), [0, 64, 255], "a slope of nothing is none");
    let window = [(0x1050, "50"), (0x1051, "100")];
    let of = |function| with(&[window[0], window[1], (0x1056, function)]);
    assert_eq!(of("LINEAR"), [0, 129, 255]);
    assert_eq!(of("LINEAR_EXACT"), [0, 128, 255]);
    assert_eq!(of("SIGMOID"), [30, 128, 254]);
    let wide: Vec<u8> = [0_u32, 100_000, 200_000].iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(shown(&image("MONOCHROME2", 1, 32, 3, &wide), &[]), [0, 128, 255], "too many to look up");
}

#[test]
fn frames_have_windows_of_their_own() {
    let group = |center: &str| -> DataSet {
        let window: DataSet = [
            Element::text(Tag(0x0028, 0x1050), Vr::DS, center),
            Element::text(Tag(0x0028, 0x1051), Vr::DS, "3"),
        ]
        .into_iter()
        .collect();
        [Element::sequence(Tag(0x0028, 0x9132), vec![window])].into_iter().collect()
    };
    let enhanced = with(
        image("MONOCHROME2", 1, 8, 2, &[10, 11, 10, 11]),
        vec![
            Element::text(Tag::NUMBER_OF_FRAMES, Vr::IS, "2"),
            Element::sequence(Tag(0x5200, 0x9229), vec![group("100")]),
            Element::sequence(Tag(0x5200, 0x9230), vec![DataSet::default(), group("11.5")]),
        ],
    );
    let bytes = Bytes::from(write(&enhanced, Form::ExplicitLittle));
    assert_eq!(levels(&rendered(&bytes, EXPLICIT, 1, &[]).unwrap()), [0, 0]);
    assert_eq!(levels(&rendered(&bytes, EXPLICIT, 2, &[]).unwrap()), [0, 128]);
}

#[test]
fn colours_are_shown_as_they_are() {
    let pixel = |data_set: &DataSet, column| {
        let bytes = Bytes::from(write(data_set, Form::ExplicitLittle));
        rendered(&bytes, EXPLICIT, 1, &[]).unwrap().get_pixel(column, 0)
    };
    let rgb = image("RGB", 3, 8, 2, &[1, 2, 3, 250, 0, 9]);
    assert_eq!(pixel(&rgb, 1), Rgba([250, 0, 9, 255]));
    let planes = with(
        image("RGB", 3, 8, 2, &[1, 250, 2, 0, 3, 9]),
        vec![Element::new(Tag(0x0028, 0x0006), Vr::US, vec![1, 0])],
    );
    assert_eq!(pixel(&planes, 1), Rgba([250, 0, 9, 255]));
    let shared = image("YBR_FULL_422", 3, 8, 2, &[255, 0, 128, 128]);
    assert_eq!((pixel(&shared, 0), pixel(&shared, 1)), (Rgba([255, 255, 255, 255]), Rgba([0, 0, 0, 255])));
    let entries = |levels: &[u16]| words(&levels.iter().map(|level| level << 8).collect::<Vec<_>>());
    let palettes = [(0x1101, 0x1201, [9, 8]), (0x1102, 0x1202, [7, 6]), (0x1103, 0x1203, [5, 4])];
    let tables = palettes.into_iter().flat_map(|(descriptor, data, levels)| {
        [
            Element::new(Tag(0x0028, descriptor), Vr::US, words(&[2, 0, 16])),
            Element::new(Tag(0x0028, data), Vr::OW, entries(&levels)),
        ]
    });
    let palette = with(image("PALETTE COLOR", 1, 8, 2, &[0, 1]), tables.collect());
    assert_eq!(pixel(&palette, 0), Rgba([9, 7, 5, 255]));
    assert_eq!(pixel(&palette, 1), Rgba([8, 6, 4, 255]));
}

#[test]
fn compressed_frames_are_decoded_first() {
    let data_set = image("MONOCHROME2", 1, 16, 4, &words(&[0, 100, 200, 400]));
    let native = Bytes::from(write(&data_set, Form::ExplicitLittle));
    let syntax = |uid| TransferSyntaxUid::new(uid).unwrap();
    let packed = transcode(native.clone(), &syntax(EXPLICIT), &syntax(RLE)).unwrap();
    assert_eq!(levels(&rendered(&packed.into(), RLE, 1, &[]).unwrap()), [0, 64, 128, 255]);

    let lossy = jpeg_image(8, jpeg(&image::GrayImage::from_pixel(8, 8, image::Luma([77]))));
    let bytes = Bytes::from(write(&lossy, Form::ExplicitLittle));
    let picture = rendered(&bytes, BASELINE, 1, &[("window", "128,256,linear")]).unwrap();
    assert_eq!((picture.dimensions(), levels(&picture)[3]), ((8, 8), 77));

    let narrow = with(lossy, vec![Element::new(Tag::COLUMNS, Vr::US, vec![7, 0])]);
    let bytes = Bytes::from(write(&narrow, Form::ExplicitLittle));
    assert!(rendered(&bytes, BASELINE, 1, &[]).is_err());
}

fn jpeg<P: image::PixelWithColorType>(picture: &image::ImageBuffer<P, Vec<P::Subpixel>>) -> Vec<u8>
where
    [P::Subpixel]: image::EncodableLayout,
{
    let mut jpeg = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 100);
    picture.write_with_encoder(encoder).unwrap();
    jpeg
}

fn jpeg_image(side: u16, stream: Vec<u8>) -> DataSet {
    let fragments =
        outrigger_dataset::element::Fragments { fragments: vec![stream.into()], ..Default::default() };
    let value = outrigger_dataset::element::Value::Fragments(fragments);
    with(
        image("MONOCHROME2", 1, 8, side, &[]),
        vec![
            Element::new(Tag::ROWS, Vr::US, side.to_le_bytes().to_vec()),
            Element { tag: PIXEL_DATA, vr: Vr::OB, value },
        ],
    )
}

/// Goal: what a torn JPEG stream lacks is not made up; a whole one that only lacks EOI is shown.
#[test]
fn a_torn_lossy_frame_is_not_shown() {
    let noise = |x: u32, y: u32| u8::try_from((x * 7919 + y * 104_729 + x * y * 31) % 251).unwrap();
    let gray = jpeg(&image::GrayImage::from_fn(61, 61, |x, y| image::Luma([noise(x, y)])));
    let colour = jpeg(&image::RgbImage::from_fn(61, 61, |x, y| image::Rgb([noise(x, y), noise(y, x), 9])));
    for whole in [gray, colour] {
        let shown = |stream: &[u8]| {
            let bytes = Bytes::from(write(&jpeg_image(61, stream.to_vec()), Form::ExplicitLittle));
            rendered(&bytes, BASELINE, 1, &[]).map(|picture| picture.dimensions())
        };
        let data = whole.len() - 2;
        assert_eq!(shown(&whole).unwrap(), (61, 61));
        assert_eq!(shown(&whole[..data]).unwrap(), (61, 61), "without EOI");
        assert_eq!(shown(&[&whole[..], &[0]].concat()).unwrap(), (61, 61), "padded");
        // At an even length, as a fragment has one: the zero that pads an odd one may stand for blocks without detail.
        for torn in [data / 2, data * 3 / 4, data - 100, data - 8].map(|length| length & !1) {
            assert!(shown(&whole[..torn]).is_err(), "{torn} of {data}");
            let ended = [&whole[..torn], &[0xFF, 0xD9]].concat();
            assert!(shown(&ended).is_err(), "{torn} of {data}, with EOI");
        }
    }
}

#[test]
fn a_viewport_cuts_mirrors_and_scales() {
    let bytes = Bytes::from(write(&image("MONOCHROME2", 1, 8, 4, &[0, 85, 170, 255]), Form::ExplicitLittle));
    let shown = |viewport| {
        let picture = rendered(&bytes, EXPLICIT, 1, &[("viewport", viewport)]).unwrap();
        (picture.dimensions(), levels(&picture))
    };
    assert_eq!(shown("4,1"), ((4, 1), vec![0, 85, 170, 255]));
    assert_eq!(shown("2,9,1,0,2,1"), ((2, 1), vec![85, 170]));
    assert_eq!(shown("4,9,0,0,-4,1"), ((4, 1), vec![255, 170, 85, 0]));
    assert_eq!(shown("8,8").0, (8, 2));
    assert_eq!(shown("9,1,3,0,100,1"), ((1, 1), vec![255]));
    let outside = rendered(&bytes, EXPLICIT, 1, &[("viewport", "4,4,4,0,1,1")]).unwrap_err();
    assert!(matches!(outside, RenderError::Outside), "{outside:?}");
}

#[test]
fn what_is_too_large_or_unknown_is_refused() {
    let huge = with(
        image("RGB", 3, 8, 1, &[0; 3]),
        vec![
            Element::new(Tag::ROWS, Vr::US, vec![0xFF, 0xFF]),
            Element::new(Tag::COLUMNS, Vr::US, vec![0xFF, 0x0F]),
        ],
    );
    let bytes = Bytes::from(write(&huge, Form::ExplicitLittle));
    let survey = look(&bytes);
    let transfer_syntax = TransferSyntaxUid::new(EXPLICIT).unwrap();
    let frame = Frame { survey: &survey, number: 1, transfer_syntax: &transfer_syntax, bytes: &[] };
    let wishes = Wishes::parse([]).unwrap();
    let error = render(&frame, &wishes, "image/png").unwrap_err();
    assert!(matches!(error, RenderError::TooLarge { .. } | RenderError::Shape(_)), "{error:?}");
    let cmyk = Bytes::from(write(&image("CMYK", 4, 8, 1, &[0; 4]), Form::ExplicitLittle));
    let error = rendered(&cmyk, EXPLICIT, 1, &[]).unwrap_err();
    assert!(matches!(error, RenderError::Unsupported { .. }), "{error:?}");
}
