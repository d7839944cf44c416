//! Command Field values (PS3.7 table E.1-1) and the element numbers of group 0000.

pub(super) const C_STORE_RQ: u16 = 0x0001;
pub(super) const C_GET_RQ: u16 = 0x0010;
pub(super) const C_FIND_RQ: u16 = 0x0020;
pub(super) const C_MOVE_RQ: u16 = 0x0021;
pub(super) const C_ECHO_RQ: u16 = 0x0030;
pub(super) const N_EVENT_REPORT_RQ: u16 = 0x0100;
pub(super) const N_ACTION_RQ: u16 = 0x0130;
pub(super) const C_CANCEL_RQ: u16 = 0x0FFF;
/// Set in the field of every response.
pub(super) const RESPONSE: u16 = 0x8000;

/// (0000,0800) when no data set follows.
pub(super) const NO_DATA_SET: u16 = 0x0101;
/// (0000,0800) when one does; any other value would do.
pub(super) const DATA_SET_FOLLOWS: u16 = 0x0001;

/// The group length element, which stands before what it counts.
pub(super) const GROUP_LENGTH: u16 = 0x0000;
/// Bytes of the group length element.
pub(super) const GROUP_LENGTH_BYTES: usize = 12;

pub(super) const AFFECTED_SOP_CLASS: u16 = 0x0002;
pub(super) const REQUESTED_SOP_CLASS: u16 = 0x0003;
pub(super) const COMMAND_FIELD: u16 = 0x0100;
pub(super) const MESSAGE_ID: u16 = 0x0110;
pub(super) const MESSAGE_ID_RESPONDED_TO: u16 = 0x0120;
pub(super) const MOVE_DESTINATION: u16 = 0x0600;
pub(super) const PRIORITY: u16 = 0x0700;
pub(super) const DATA_SET_TYPE: u16 = 0x0800;
pub(super) const STATUS: u16 = 0x0900;
pub(super) const OFFENDING_ELEMENT: u16 = 0x0901;
pub(super) const ERROR_COMMENT: u16 = 0x0902;
pub(super) const AFFECTED_SOP_INSTANCE: u16 = 0x1000;
pub(super) const REQUESTED_SOP_INSTANCE: u16 = 0x1001;
pub(super) const EVENT_TYPE_ID: u16 = 0x1002;
pub(super) const ACTION_TYPE_ID: u16 = 0x1008;
pub(super) const REMAINING: u16 = 0x1020;
pub(super) const COMPLETED: u16 = 0x1021;
pub(super) const FAILED: u16 = 0x1022;
pub(super) const WARNING: u16 = 0x1023;
pub(super) const MOVE_ORIGINATOR: u16 = 0x1030;
pub(super) const MOVE_ORIGINATOR_MESSAGE_ID: u16 = 0x1031;

/// Which element carries the message id for a command field: C-CANCEL-RQ, too, names the operation it ends.
pub(super) fn message_id_element(command_field: u16) -> u16 {
    if command_field & RESPONSE == 0 && command_field != C_CANCEL_RQ {
        MESSAGE_ID
    } else {
        MESSAGE_ID_RESPONDED_TO
    }
}
