//! Person names as component groups (PS3.18 section F.2.2, PS3.5 section 6.2.1).

use super::object::string;

const GROUPS: [&str; 3] = ["Alphabetic", "Ideographic", "Phonetic"];

/// Writes one person name: its groups that say something, or null where none does.
pub(super) fn person_name(out: &mut Vec<u8>, name: &str) {
    let mut separator = b'{';
    for (group, text) in GROUPS.iter().zip(name.splitn(GROUPS.len(), '=')) {
        let text = text.trim_end_matches([' ', '\0']);
        if text.is_empty() {
            continue;
        }
        out.push(separator);
        separator = b',';
        out.extend_from_slice(format!("\"{group}\":").as_bytes());
        string(out, text);
    }
    out.extend_from_slice(if separator == b'{' { b"null" } else { b"}" });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_names_and_empty_ones_are_left_out() {
        for (name, expected) in [
            ("Doe^John", r#"{"Alphabetic":"Doe^John"}"#),
            ("A=B=C ", r#"{"Alphabetic":"A","Ideographic":"B","Phonetic":"C"}"#),
            ("=B", r#"{"Ideographic":"B"}"#),
            ("A==C", r#"{"Alphabetic":"A","Phonetic":"C"}"#),
            ("A=B=C=D", r#"{"Alphabetic":"A","Ideographic":"B","Phonetic":"C=D"}"#),
            ("==", "null"),
            ("", "null"),
        ] {
            let mut out = Vec::new();
            person_name(&mut out, name);
            assert_eq!(std::str::from_utf8(&out).unwrap(), expected, "{name:?}");
        }
    }
}
