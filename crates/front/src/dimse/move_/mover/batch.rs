//! Which presentation contexts the instances of a retrieval need, and how many fit into one association.

use outrigger_dataset::transcode;
use outrigger_dimse::ProposedContext;
use outrigger_dimse::settings::CONTEXTS_MAX;
use outrigger_model::{SopClassUid, TransferSyntaxUid};

use crate::service::Retrievable;

/// Instances for one association, and the contexts they need.
pub(super) struct Batch<'p> {
    pub(super) contexts: Vec<ProposedContext>,
    pub(super) instances: &'p [Retrievable],
}

/// Contexts for a class: one with the encoding the bytes are kept in, one with those they can be transcoded to.
#[derive(Default)]
struct Contexts(Vec<(SopClassUid, Vec<TransferSyntaxUid>)>);

impl Contexts {
    /// Adds what an instance needs, unless that would be too many.
    fn add(&mut self, instance: &Retrievable) -> Result<(), Full> {
        let missing: Vec<_> = needed(instance).into_iter().filter(|need| !self.0.contains(need)).collect();
        if self.0.len() + missing.len() > CONTEXTS_MAX {
            return Err(Full);
        }
        self.0.extend(missing);
        Ok(())
    }

    fn propose(self) -> Vec<ProposedContext> {
        let ids = (1..=u8::MAX).step_by(2);
        let proposed = self.0.into_iter().zip(ids);
        proposed
            .map(|((abstract_syntax, transfer_syntaxes), id)| ProposedContext {
                id,
                abstract_syntax,
                transfer_syntaxes,
            })
            .collect()
    }
}

struct Full;

/// Encodings in which members keep what was never accepted here, beside the uncompressed ones.
const COMPRESSED: [&str; 8] = [
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.5",
];

fn needed(instance: &Retrievable) -> Vec<(SopClassUid, Vec<TransferSyntaxUid>)> {
    let class = &instance.sop_class;
    let mut needed = vec![(class.clone(), vec![instance.transfer_syntax.clone()])];
    let others = transcode::targets(&instance.transfer_syntax);
    if !others.is_empty() {
        needed.push((class.clone(), others));
    }
    let is_guessed = instance.length == 0;
    if is_guessed {
        let compressed = COMPRESSED.map(|uid| (class.clone(), vec![TransferSyntaxUid::known(uid)]));
        needed.extend(compressed);
    }
    needed
}

/// Cuts a plan where the contexts of one association are used up.
pub(super) fn batches(plan: &[Retrievable]) -> Vec<Batch<'_>> {
    let mut batches = Vec::new();
    let mut rest = plan;
    while !rest.is_empty() {
        let mut contexts = Contexts::default();
        let fit = rest.iter().take_while(|instance| contexts.add(instance).is_ok()).count();
        // One instance always fits: it needs ten contexts at most.
        let (instances, later) = rest.split_at_checked(fit.max(1)).unwrap_or((rest, &[]));
        batches.push(Batch { contexts: contexts.propose(), instances });
        rest = later;
    }
    batches
}

#[cfg(test)]
mod tests {
    use outrigger_model::SopInstanceUid;
    use outrigger_model::transfer_syntax::EXPLICIT_VR_LE;

    use super::*;

    #[test]
    fn an_association_has_no_more_contexts_than_there_are_ids() {
        let plan: Vec<_> = (0..200)
            .map(|class| Retrievable {
                sop_class: SopClassUid::new(&format!("1.2.{class}")).unwrap(),
                sop_instance: SopInstanceUid::known("1.2.3"),
                study: None,
                series: None,
                transfer_syntax: TransferSyntaxUid::known(EXPLICIT_VR_LE),
                length: 1,
                place: String::new(),
            })
            .flat_map(|instance| [instance.clone(), instance])
            .collect();
        let batches = batches(&plan);
        assert_eq!(
            batches.iter().map(|batch| batch.instances.len()).collect::<Vec<_>>(),
            [128, 128, 128, 16]
        );
        assert_eq!(batches[0].contexts.len(), CONTEXTS_MAX);
        assert_eq!(batches[0].contexts.last().unwrap().id, 255);
        assert_eq!(batches[3].contexts.len(), 16);
    }
}
