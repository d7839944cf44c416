//! Elements in Explicit VR Little Endian (PS3.5 section 7.1.2), as the phantoms and their files need them.

/// A data set being written; whoever writes keeps the ascending order of tags.
#[derive(Debug, Clone, Default)]
pub(crate) struct Elements(Vec<u8>);

impl Elements {
    /// An element with a text value, padded to even length: UIDs with a NUL, other text with a space.
    pub(crate) fn text(&mut self, group: u16, element: u16, vr: [u8; 2], value: &str) {
        let mut bytes = value.as_bytes().to_vec();
        if bytes.len() % 2 == 1 {
            bytes.push(if vr == *b"UI" { 0 } else { b' ' });
        }
        self.bytes(group, element, vr, &bytes);
    }

    /// A US element with one value.
    pub(crate) fn short(&mut self, group: u16, element: u16, value: u16) {
        self.bytes(group, element, *b"US", &value.to_le_bytes());
    }

    /// A UL element with one value.
    pub(crate) fn long(&mut self, group: u16, element: u16, value: u32) {
        self.bytes(group, element, *b"UL", &value.to_le_bytes());
    }

    /// A sequence of defined length.
    pub(crate) fn sequence(&mut self, group: u16, element: u16, items: &[Elements]) {
        let mut value = Vec::new();
        for Elements(item) in items {
            value.extend_from_slice(&[0xFE, 0xFF, 0x00, 0xE0]);
            value.extend_from_slice(&length_of(item).to_le_bytes());
            value.extend_from_slice(item);
        }
        self.bytes(group, element, *b"SQ", &value);
    }

    /// An element with a value of even length.
    pub(crate) fn bytes(&mut self, group: u16, element: u16, vr: [u8; 2], value: &[u8]) {
        let Self(out) = self;
        out.extend_from_slice(&group.to_le_bytes());
        out.extend_from_slice(&element.to_le_bytes());
        out.extend_from_slice(&vr);
        match (&vr, u16::try_from(value.len())) {
            (b"OB" | b"OW" | b"SQ" | b"UN" | b"UT", _) | (_, Err(_)) => {
                out.extend_from_slice(&[0, 0]);
                out.extend_from_slice(&length_of(value).to_le_bytes());
            }
            (_, Ok(length)) => out.extend_from_slice(&length.to_le_bytes()),
        }
        out.extend_from_slice(value);
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Phantoms stay far below the 4 GiB that a length can say.
fn length_of(value: &[u8]) -> u32 {
    debug_assert!(u32::try_from(value.len()).is_ok(), "a phantom's value has 4 GiB or more");
    u32::try_from(value.len()).unwrap_or(u32::MAX)
}
