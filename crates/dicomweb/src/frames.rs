//! The list of frames in a path (PS3.18 section 10.4.1.1.4).

/// Most frames of one request: a viewer asks for one to a dozen; whole objects are had otherwise.
pub const FRAMES_MAX: usize = 4096;
/// Longest list: each number with its comma.
const LIST_BYTES_MAX: usize = FRAMES_MAX * 11;

/// Why a list of frames cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameListError {
    /// Not a number from 1 on.
    #[error("`{text}` is no number of a frame; they count from 1 and are separated by commas")]
    Malformed {
        /// What was there, its beginning.
        text: String,
    },
    /// Listed twice.
    #[error("frame {number} is listed twice")]
    Repeated {
        /// The frame.
        number: u32,
    },
    /// Too many.
    #[error("more than {FRAMES_MAX} frames are asked for; ask for the instance")]
    TooMany,
}

/// Reads `1,3,4`.
pub fn frame_list(text: &str) -> Result<Vec<u32>, FrameListError> {
    if text.len() > LIST_BYTES_MAX {
        return Err(FrameListError::TooMany);
    }
    let mut numbers = Vec::new();
    for piece in text.split(',') {
        let digits = piece.bytes().all(|byte| byte.is_ascii_digit());
        let number = piece.parse().ok().filter(|number: &u32| digits && *number > 0);
        let shown = || piece.chars().take(20).collect();
        numbers.push(number.ok_or_else(|| FrameListError::Malformed { text: shown() })?);
    }
    if numbers.len() > FRAMES_MAX {
        return Err(FrameListError::TooMany);
    }
    let mut sorted = numbers.clone();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair.first() == pair.last()).and_then(<[_]>::first) {
        Some(number) => Err(FrameListError::Repeated { number: *number }),
        None => Ok(numbers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_numbers_from_one_on() {
        assert_eq!(frame_list("1"), Ok(vec![1]));
        assert_eq!(frame_list("3,1,4294967295"), Ok(vec![3, 1, u32::MAX]));
        for text in ["", "0", "1,", ",1", "1;2", "-1", "+1", "1-3", " 1", "4294967296", "a", "1,,2", "%31"] {
            assert!(matches!(frame_list(text), Err(FrameListError::Malformed { .. })), "{text:?}");
        }
        assert_eq!(frame_list("2,1,2"), Err(FrameListError::Repeated { number: 2 }));
        let many = |count: usize| (1..=count).map(|number| number.to_string()).collect::<Vec<_>>().join(",");
        assert_eq!(frame_list(&many(FRAMES_MAX)).map(|list| list.len()), Ok(FRAMES_MAX));
        assert_eq!(frame_list(&many(FRAMES_MAX + 1)), Err(FrameListError::TooMany));
        assert_eq!(frame_list(&"1".repeat(100_000)), Err(FrameListError::TooMany));
    }
}
