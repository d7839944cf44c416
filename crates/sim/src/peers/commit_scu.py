"""A modality that asks for storage commitment and says what it is told, one line of JSON each."""

import json
import sys
import threading

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel

WELL_KNOWN = "1.2.840.10008.1.20.1.1"

asked = json.loads(sys.argv[1])
told = threading.Semaphore(0)


def say(**words):
    print(json.dumps(words), flush=True)


def reported(event, association):
    report = event.event_information
    say(
        event=event.event_type,
        association=association,
        transaction=str(report.TransactionUID),
        committed=sorted(str(item.ReferencedSOPInstanceUID) for item in report.get("ReferencedSOPSequence", [])),
        failed=sorted(
            [str(item.ReferencedSOPInstanceUID), int(item.FailureReason)]
            for item in report.get("FailedSOPSequence", [])
        ),
        retrieve=str(report.get("RetrieveAETitle", "")),
    )
    told.release()
    return 0x0000, None


def requested(transaction, instances):
    request = Dataset()
    request.TransactionUID = transaction
    items = []
    for sop_class, sop_instance in instances:
        item = Dataset()
        item.ReferencedSOPClassUID = sop_class
        item.ReferencedSOPInstanceUID = sop_instance
        items.append(item)
    request.ReferencedSOPSequence = items
    return request


server = None
if asked["listen"] is not None:
    listener = AE(ae_title=asked["calling"])
    listener.add_supported_context(StorageCommitmentPushModel, scu_role=False, scp_role=True)
    handlers = [(evt.EVT_N_EVENT_REPORT, reported, ["other"])]
    server = listener.start_server(("127.0.0.1", asked["listen"]), block=False, evt_handlers=handlers)

association = None
if asked["transactions"]:
    requestor = AE(ae_title=asked["calling"])
    requestor.add_requested_context(StorageCommitmentPushModel)
    association = requestor.associate(
        "127.0.0.1", asked["port"], ae_title=asked["called"],
        evt_handlers=[(evt.EVT_N_EVENT_REPORT, reported, ["same"])],
    )
    if not association.is_established:
        sys.exit("no association")
    for transaction in asked["transactions"]:
        status, _ = association.send_n_action(
            requested(transaction, asked["instances"]), 1, StorageCommitmentPushModel, WELL_KNOWN
        )
        say(status=status.get("Status"), comment=str(status.get("ErrorComment", "")))
    if asked["leaves"]:
        association.release()

for _ in range(asked["reports"]):
    if not told.acquire(timeout=asked["patience"]):
        say(nothing=True)
        break
# The answer to the last report goes out by itself.
if association is not None and association.is_established:
    association.release()
if server is not None:
    server.shutdown()
