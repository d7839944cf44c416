//! Messages out: one write for a small message, one for each PDU of a large one.

use bytes::{BufMut, Bytes, BytesMut};

use super::Association;
use crate::command::{self, Command, DataSet};
use crate::error::AssociationError;
use crate::pdu::{Carries, HEADER_BYTES, PDV_HEADER_BYTES, Part, data_head};

/// A message whose data set is being sent.
pub(super) struct Sending {
    context: u8,
    /// What goes out before the next fragment: the command, at first.
    head: BytesMut,
    /// A last odd byte, kept back so that fragments stay even (PS3.8 section E.2).
    odd: Option<u8>,
}

impl Association {
    /// Sends a message without a data set.
    pub async fn send(&mut self, context: u8, command: &Command) -> Result<(), AssociationError> {
        let head = self.command_pdus(context, command, DataSet::Absent)?;
        self.note_request(command);
        self.link.send_data(head, Bytes::new()).await
    }

    /// Sends a message with a data set that is there as a whole.
    pub async fn send_with(
        &mut self,
        context: u8,
        command: &Command,
        data: Bytes,
    ) -> Result<(), AssociationError> {
        self.begin_data(context, command)?;
        self.push_data(data, Part::Last).await
    }

    /// Puts a message with a data set behind those that wait, and tells how many bytes wait: they go out with
    /// [`send_queued`](Self::send_queued) or before the next message, in one write.
    pub fn queue_with(
        &mut self,
        context: u8,
        command: &Command,
        data: &[u8],
    ) -> Result<usize, AssociationError> {
        let mut pdus = self.command_pdus(context, command, DataSet::Follows)?;
        self.note_request(command);
        put_fragments(&mut pdus, context, Carries::DataSet, data, self.fragment_max);
        self.queued = pdus;
        Ok(self.queued.len())
    }

    /// Sends the messages that wait.
    pub async fn send_queued(&mut self) -> Result<(), AssociationError> {
        if self.queued.is_empty() {
            return Ok(());
        }
        let queued = std::mem::take(&mut self.queued);
        self.link.send_data(queued, Bytes::new()).await
    }

    /// Begins a message with a data set; it goes out with the first bytes that `push_data` sends.
    pub fn begin_data(&mut self, context: u8, command: &Command) -> Result<(), AssociationError> {
        let head = self.command_pdus(context, command, DataSet::Follows)?;
        self.note_request(command);
        self.sending = Some(Sending { context, head, odd: None });
        Ok(())
    }

    /// Sends the next bytes of the data set begun, of any number, in fragments the peer takes. A dropped future
    /// leaves the association unusable.
    pub async fn push_data(&mut self, data: Bytes, part: Part) -> Result<(), AssociationError> {
        let Sending { context, mut head, mut odd } =
            self.sending.take().ok_or(AssociationError::NothingBegun)?;
        let mut rest = data;
        loop {
            let kept = usize::from(odd.is_some());
            let whole = kept + rest.len();
            let (length, fragment_part) = match part {
                Part::Last if whole <= self.fragment_max => (whole, Part::Last),
                Part::Last => (self.fragment_max, Part::More),
                Part::More if whole < 2 => break,
                Part::More => (whole.min(self.fragment_max) & !1, Part::More),
            };
            let length_field = u32::try_from(length).unwrap_or(u32::MAX);
            head.put_slice(&data_head(context, Carries::DataSet, fragment_part, length_field));
            head.extend(odd.take());
            let fragment = rest.split_to(length - kept);
            self.link.send_data(head.split(), fragment).await?;
            if fragment_part == Part::Last {
                return Ok(());
            }
        }
        let odd = odd.or_else(|| rest.first().copied());
        self.sending = Some(Sending { context, head, odd });
        Ok(())
    }

    /// What waits and the PDUs of a command set, mostly one.
    fn command_pdus(
        &mut self,
        context: u8,
        command: &Command,
        data_set: DataSet,
    ) -> Result<BytesMut, AssociationError> {
        if self.context(context).is_none() {
            return Err(AssociationError::UnknownContext { id: context });
        }
        let bytes = command::write(command, data_set);
        let mut pdus = std::mem::take(&mut self.queued);
        pdus.reserve(bytes.len() + 2 * (HEADER_BYTES + PDV_HEADER_BYTES));
        put_fragments(&mut pdus, context, Carries::Command, &bytes, self.fragment_max);
        Ok(pdus)
    }

    /// Notes that a response is owed to us.
    fn note_request(&mut self, command: &Command) {
        if command.is_request() {
            self.outstanding += 1;
        }
    }
}

/// Puts the PDUs of a command set or data set that is there as a whole.
fn put_fragments(pdus: &mut BytesMut, context: u8, carries: Carries, bytes: &[u8], fragment_max: usize) {
    let mut rest = bytes;
    loop {
        // What is empty is a fragment too.
        let (fragment, behind) = rest.split_at(rest.len().min(fragment_max));
        let part = if behind.is_empty() { Part::Last } else { Part::More };
        let length = u32::try_from(fragment.len()).unwrap_or(u32::MAX);
        pdus.put_slice(&data_head(context, carries, part, length));
        pdus.put_slice(fragment);
        if behind.is_empty() {
            return;
        }
        rest = behind;
    }
}
