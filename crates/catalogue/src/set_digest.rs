//! A digest of a set of instances that does not depend on their order, so that two sets are compared without listing them.

use std::sync::LazyLock;

use outrigger_model::{Sha256Digest, SopInstanceUid};
use serde::{Deserialize, Serialize};

/// Keys fixed for ever, one for each sum: nodes compare their sums with each other.
static IDENTITY_KEY: LazyLock<[u8; blake3::KEY_LEN]> =
    LazyLock::new(|| blake3::derive_key("outrigger set digest 1: SOP Instance UID", &[]));
static CONTENT_KEY: LazyLock<[u8; blake3::KEY_LEN]> =
    LazyLock::new(|| blake3::derive_key("outrigger set digest 1: SOP Instance UID and content", &[]));

/// Count and wrapping sums of keyed BLAKE3 over a set of instances: finds accidents, proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SetDigest {
    /// How many instances.
    pub count: u64,
    /// Sum over their SOP Instance UIDs.
    pub identities: u128,
    /// Sum over their SOP Instance UIDs and the SHA-256 of their current bytes, of those whose bytes are kept.
    pub contents: u128,
}

impl SetDigest {
    /// Takes one more instance into the set.
    pub fn add(&mut self, instance: &SopInstanceUid, sha256: &Sha256Digest) {
        self.add_unread(instance);
        self.add_content(instance, sha256);
    }

    /// Takes one more instance into the set whose bytes nobody here has read.
    pub fn add_unread(&mut self, instance: &SopInstanceUid) {
        self.count += 1;
        self.identities = self.identities.wrapping_add(identity(instance));
    }

    /// Takes in the bytes of an instance that is in the set unread.
    pub fn add_content(&mut self, instance: &SopInstanceUid, sha256: &Sha256Digest) {
        self.contents = self.contents.wrapping_add(content(instance, sha256));
    }

    /// Takes an instance and its bytes out of the set.
    pub(crate) fn remove(&mut self, instance: &SopInstanceUid, sha256: &Sha256Digest) {
        self.remove_unread(instance);
        self.contents = self.contents.wrapping_sub(content(instance, sha256));
    }

    /// Takes an unread instance out of the set.
    pub(crate) fn remove_unread(&mut self, instance: &SopInstanceUid) {
        self.count = self.count.saturating_sub(1);
        self.identities = self.identities.wrapping_sub(identity(instance));
    }
}

fn identity(instance: &SopInstanceUid) -> u128 {
    number(blake3::Hasher::new_keyed(&IDENTITY_KEY).update(instance.as_str().as_bytes()).finalize_xof())
}

fn content(instance: &SopInstanceUid, sha256: &Sha256Digest) -> u128 {
    let uid = instance.as_str().as_bytes();
    number(blake3::Hasher::new_keyed(&CONTENT_KEY).update(uid).update(&sha256.0).finalize_xof())
}

fn number(mut output: blake3::OutputReader) -> u128 {
    let mut bytes = [0; 16];
    output.fill(&mut bytes);
    u128::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest_of(instances: &[(&str, u8)]) -> SetDigest {
        let mut set = SetDigest::default();
        for (uid, content) in instances {
            set.add(&SopInstanceUid::new(uid).unwrap(), &Sha256Digest([*content; 32]));
        }
        set
    }

    #[test]
    fn order_does_not_count_identity_and_content_do() {
        let set = digest_of(&[("1.2", 1), ("1.3", 2)]);
        assert_eq!(set, digest_of(&[("1.3", 2), ("1.2", 1)]));
        let altered = digest_of(&[("1.2", 1), ("1.3", 9)]);
        assert_eq!(altered.identities, set.identities);
        assert_ne!(altered.contents, set.contents);
        let mut fewer = set;
        fewer.remove(&SopInstanceUid::new("1.2").unwrap(), &Sha256Digest([1; 32]));
        assert_eq!(fewer, digest_of(&[("1.3", 2)]));
        let swapped = digest_of(&[("1.2", 2), ("1.3", 1)]);
        assert_eq!(swapped.identities, set.identities);
        assert_ne!(swapped.contents, set.contents);
        assert_ne!(digest_of(&[("1.2", 1), ("1.4", 2)]).identities, set.identities);
    }

    #[test]
    fn the_keys_never_change() {
        let set = digest_of(&[("1.2.3", 7)]);
        assert_eq!(format!("{:032x}", set.identities), "ff7184f2bfe3d74c0e84501fd3896a57");
        assert_eq!(format!("{:032x}", set.contents), "4af9566b589207933475df154ffaaca3");
    }
}
