//! An error and its causes in one line, for people.

use std::error::Error;

/// An error with all its causes, in one line; a cause that the line ends with already is not said twice.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !words.is_empty() && !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{what}")]
    struct Outer {
        what: &'static str,
        #[source]
        source: io::Error,
    }

    #[test]
    fn every_cause_is_said_once() {
        let of = |what| Outer { what, source: io::Error::other("the disk is full") };
        assert_eq!(with_causes(&of("cannot write /a")), "cannot write /a: the disk is full");
        assert_eq!(with_causes(&of("cannot write: the disk is full")), "cannot write: the disk is full");
    }
}
