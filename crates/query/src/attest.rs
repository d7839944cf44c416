//! Asking members for an instance that was never stored here, so that it can be said who has it: each gives it whole.

use std::sync::Arc;

use bytes::BytesMut;
use outrigger_dataset::normal::{Fingerprint, Outline, Outliner, Verdict, compare, compare_outlines};
use outrigger_dataset::scan::Scanner;
use outrigger_ledger::LedgerError;
use outrigger_ledger::promise::Copies;
use outrigger_model::{
    InstanceHeader, MemberNumber, MemberSet, SopInstanceUid, TransferSyntaxUid, with_causes,
};
use outrigger_runtime::BlockSource;

use crate::judge::{Unfit, is_the_object};
use crate::lines::{FetchError, Lines, Turn};
use crate::plan::{Keeping, Planned, planned};
use crate::reader::Reader;

/// The largest copies that are decoded to be compared: both are in memory then, and some pairs at once.
const DECODED_BYTES_MAX: u64 = 64 << 20;

/// What members gave of an instance.
#[derive(Debug, Clone)]
pub struct Attestation {
    /// Those whose copies have the same content.
    pub gave: MemberSet,
    /// The identifying attributes of the first.
    pub header: Option<InstanceHeader>,
    /// What all copies say of one another.
    pub copies: Copies,
    /// Why others are not counted, each in words.
    pub said: Vec<String>,
}

/// Why a member is not counted.
#[derive(Debug, thiserror::Error)]
enum NotGiven {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("what it gave is not counted")]
    Unfit(#[from] Unfit),
}

/// A copy as it was given.
#[derive(Debug)]
pub(crate) struct Given {
    member: MemberNumber,
    header: InstanceHeader,
    transfer_syntax: TransferSyntaxUid,
    outline: Outline,
    bytes: Arc<dyn BlockSource>,
}

impl Reader {
    /// Has each of these members give an instance that was never stored here; nobody gives one that was.
    pub async fn attest(
        &self,
        instance: &SopInstanceUid,
        members: MemberSet,
    ) -> Result<Attestation, LedgerError> {
        let located = self.shared.ledger.lookup(instance.clone()).await?;
        let inherited = located.map(planned).filter(|of| matches!(of.keeping, Keeping::Inherited { .. }));
        let (mut given, mut said) = (Vec::new(), Vec::new());
        let asked = self.shared.lines.iter().filter(|lines| members.contains(lines.source.number));
        for lines in asked {
            let Some(instance) = &inherited else { break };
            match self.given(lines, instance).await {
                Ok(one) => given.push(one),
                Err(why) => said.push(format!("{}: {}", lines.source.name, with_causes(&why))),
            }
        }
        let compared = self.shared.threads.blocking("copies attested", move || attestation(given, said));
        // What was not compared is as if nobody had given it, and is asked for again.
        Ok(compared.await.unwrap_or_else(|lost| {
            let said = vec![with_causes(&lost)];
            Attestation { gave: MemberSet::EMPTY, header: None, copies: Copies::Agree, said }
        }))
    }

    async fn given(&self, lines: &Lines, instance: &Planned) -> Result<Given, NotGiven> {
        let (transfer_syntax, body) = lines.fetch(instance, Turn::Usual).await?;
        let (member, instance) = (lines.source.number, instance.clone());
        let looked = self
            .shared
            .threads
            .blocking("copy attested", move || look(member, &instance, transfer_syntax, Arc::new(body)));
        let given = looked.await.map_err(Unfit::Thread)??;
        lines.note_given();
        Ok(given)
    }
}

/// Synchronous, may block.
pub(crate) fn look(
    member: MemberNumber,
    instance: &Planned,
    transfer_syntax: TransferSyntaxUid,
    bytes: Arc<dyn BlockSource>,
) -> Result<Given, Unfit> {
    let mut scanner = Scanner::new(&transfer_syntax);
    let mut outliner = Outliner::new(&transfer_syntax);
    for index in 0.. {
        let block = bytes.read_block(index).map_err(Unfit::Read)?;
        if block.is_empty() {
            break;
        }
        scanner.push(&block);
        outliner.push(&block);
    }
    let header = scanner.finish().map_err(Unfit::Scan)?.header;
    is_the_object(instance, &header)?;
    Ok(Given { member, header, transfer_syntax, outline: outliner.finish(), bytes })
}

/// What two copies are to each other, by decoding them where only that can tell; synchronous, may block.
pub(crate) fn compared(one: &Given, other: &Given) -> Option<Verdict> {
    let by_outlines = compare_outlines(&one.outline, &other.outline);
    let is_small = [one, other].iter().all(|given| given.bytes.length() <= DECODED_BYTES_MAX);
    if by_outlines.is_some() || !is_small {
        return by_outlines;
    }
    Some(compare(&fingerprint(one)?, &fingerprint(other)?))
}

fn fingerprint(given: &Given) -> Option<Fingerprint> {
    let mut whole = BytesMut::new();
    for index in 0.. {
        let block = given.bytes.read_block(index).ok()?;
        if block.is_empty() {
            break;
        }
        whole.extend_from_slice(&block);
    }
    Some(Fingerprint::of(&given.transfer_syntax, whole.freeze()))
}

/// Counts those whose copies have the content of the first; synchronous, may block.
fn attestation(given: Vec<Given>, mut said: Vec<String>) -> Attestation {
    let (mut gave, mut copies) = (MemberSet::EMPTY, Copies::Agree);
    let mut given = given.into_iter();
    let Some(first) = given.next() else {
        return Attestation { gave, header: None, copies, said };
    };
    gave.insert(first.member);
    for other in given {
        match compared(&first, &other) {
            // Members correct patients and orders each in their own time; the object is the same (PS3.4 section J.3.3.1.2).
            Some(Verdict::Identical | Verdict::ReEncoded | Verdict::Demographic) => gave.insert(other.member),
            Some(Verdict::Content | Verdict::Relocated | Verdict::OtherObject) => copies = Copies::Contradict,
            verdict => said.push(format!("member {}: not known to be the same, {verdict:?}", other.member.0)),
        }
    }
    Attestation { gave, header: Some(first.header), copies, said }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use outrigger_dataset::phantom::{Phantom, Place, Shape};
    use outrigger_dataset::transcode;
    use outrigger_model::Tag;
    use outrigger_model::transfer_syntax::IMPLICIT_VR_LE;
    use outrigger_runtime::{Random, RealDisk, Spool, Threads};

    use super::*;

    const RLE: &str = "1.2.840.10008.1.2.5";

    async fn given(member: u8, phantom: &Phantom, syntax: &str, bytes: impl Into<Bytes>) -> Given {
        let (bytes, syntax) = (bytes.into(), TransferSyntaxUid::new(syntax).unwrap());
        let spool = Spool {
            disk: Arc::new(RealDisk),
            directory: std::env::temp_dir().into(),
            threads: Threads::System,
            random: Random::System,
            memory_bytes_max: 1 << 30,
            object_bytes_max: 1 << 30,
        };
        let mut writer = spool.begin();
        writer.push(bytes).await.unwrap();
        let header = phantom.header.clone();
        let instance = Planned {
            sop_class: header.sop_class,
            sop_instance: header.sop_instance,
            study: header.study,
            series: header.series,
            transfer_syntax: phantom.transfer_syntax.clone(),
            length: 0,
            keeping: Keeping::Inherited { members: MemberSet(0b11) },
        };
        look(MemberNumber(member), &instance, syntax, Arc::new(writer.finish().await.unwrap())).unwrap()
    }

    #[tokio::test]
    async fn copies_of_one_content_are_counted_and_another_content_contradicts() {
        let phantom = Phantom::new(1, Place::default(), Shape::SmallCt);
        let (syntax, bytes) = (phantom.transfer_syntax.as_str(), phantom.data_set.to_vec());
        let encoded = |to: &'static str| -> Bytes {
            let to = TransferSyntaxUid::known(to);
            transcode::transcode(phantom.data_set.clone(), &phantom.transfer_syntax, &to).unwrap().into()
        };
        let (last, rest) = bytes.split_last().unwrap();
        let other_pixel = [rest, &[last ^ 1]].concat();
        let name = phantom.header.attribute(Tag::PATIENT_NAME).unwrap().as_bytes();
        let at = bytes.windows(name.len()).position(|window| window == name).unwrap();
        let mut renamed = bytes.clone();
        renamed[at] = b'X';
        for (other, gave, copies) in [
            (given(1, &phantom, syntax, bytes.clone()).await, MemberSet(0b11), Copies::Agree),
            (
                given(1, &phantom, IMPLICIT_VR_LE, encoded(IMPLICIT_VR_LE)).await,
                MemberSet(0b11),
                Copies::Agree,
            ),
            (given(1, &phantom, RLE, encoded(RLE)).await, MemberSet(0b11), Copies::Agree),
            (given(1, &phantom, syntax, renamed).await, MemberSet(0b11), Copies::Agree),
            (given(1, &phantom, syntax, other_pixel).await, MemberSet(0b01), Copies::Contradict),
        ] {
            let all = vec![given(0, &phantom, syntax, bytes.clone()).await, other];
            let attestation = attestation(all, Vec::new());
            assert_eq!((attestation.gave, attestation.copies), (gave, copies), "{attestation:?}");
            assert_eq!(
                attestation.header.as_ref().map(|header| &header.sop_instance),
                Some(&phantom.header.sop_instance)
            );
        }
        let nobody = attestation(Vec::new(), vec!["a: away".to_owned()]);
        assert_eq!((nobody.gave, nobody.header), (MemberSet::EMPTY, None));
    }
}
