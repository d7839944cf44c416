"""A syslog collector: RFC 5424 messages over TCP with octet counting, over TLS (RFC 5425), or over UDP (RFC 5426).

    collector.py OUT [--port PORT] [--udp | --tls CERTIFICATE KEY [--clients AUTHORITY]]

Prints the port. Each message is taken apart and held against the schema of DICOM PS3.15 section A.5.1, and becomes a line
of JSON in the file OUT: what it says, and what is wrong with it.
"""

import argparse
import base64
import json
import re
import socket
import ssl
import sys
import threading
import xml.etree.ElementTree as ET

HEADER = re.compile(
    r"<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)) "
    r"([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) (-|\[.*?\]) (.*)",
    re.DOTALL,
)
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")
CODED = {"csd-code", "codeSystemName", "originalText"}
# Of each element: attributes that must be there, others that may, and its children in order with the least and the most of
# each.
MANY = 1 << 30
SCHEMA = {
    "AuditMessage": (set(), set(), [
        ("EventIdentification", 1, 1), ("ActiveParticipant", 1, MANY), ("AuditSourceIdentification", 1, 1),
        ("ParticipantObjectIdentification", 0, MANY)]),
    "EventIdentification": ({"EventDateTime", "EventOutcomeIndicator"}, {"EventActionCode"}, [
        ("EventID", 1, 1), ("EventTypeCode", 0, MANY), ("EventOutcomeDescription", 0, 1)]),
    "EventOutcomeDescription": (set(), set(), []),
    "ActiveParticipant": (
        {"UserID", "UserIsRequestor"},
        {"AlternativeUserID", "UserName", "NetworkAccessPointID", "NetworkAccessPointTypeCode"},
        [("RoleIDCode", 0, MANY)]),
    "AuditSourceIdentification": ({"AuditSourceID"}, {"AuditEnterpriseSiteID"}, [("AuditSourceTypeCode", 0, MANY)]),
    "AuditSourceTypeCode": ({"csd-code"}, {"codeSystemName", "originalText", "displayName"}, []),
    "ParticipantObjectIdentification": (
        {"ParticipantObjectID"},
        {"ParticipantObjectTypeCode", "ParticipantObjectTypeCodeRole", "ParticipantObjectDataLifeCycle",
         "ParticipantObjectSensitivity"},
        [("ParticipantObjectIDTypeCode", 1, 1), ("ParticipantObjectName|ParticipantObjectQuery", 1, 1),
         ("ParticipantObjectDetail", 0, MANY), ("ParticipantObjectDescription", 0, MANY)]),
    "ParticipantObjectName": (set(), set(), []),
    "ParticipantObjectQuery": (set(), set(), []),
    "ParticipantObjectDetail": ({"type", "value"}, set(), []),
    "ParticipantObjectDescription": (set(), set(), [
        ("MPPS", 0, MANY), ("Accession", 0, MANY), ("SOPClass", 0, MANY)]),
    "SOPClass": ({"NumberOfInstances"}, {"UID"}, [("Instance", 0, MANY)]),
    **{name: (CODED, {"displayName"}, []) for name in (
        "EventID", "EventTypeCode", "RoleIDCode", "ParticipantObjectIDTypeCode")},
}
CLOSED = {
    "EventActionCode": set("CRUDE"),
    "EventOutcomeIndicator": {"0", "4", "8", "12"},
    "UserIsRequestor": {"true", "false", "1", "0"},
    "NetworkAccessPointTypeCode": set("12345"),
    "ParticipantObjectTypeCode": set("1234"),
    "ParticipantObjectTypeCodeRole": {str(role) for role in range(1, 27)},
}


def against_schema(element, wrong):
    if element.tag not in SCHEMA:
        wrong.append(f"there is no element {element.tag}")
        return
    required, optional, children = SCHEMA[element.tag]
    names = set(element.attrib)
    wrong.extend(f"{element.tag} has no {name}" for name in required - names)
    wrong.extend(f"{element.tag} cannot have {name}" for name in names - required - optional)
    for name, value in element.attrib.items():
        if name in CLOSED and value not in CLOSED[name]:
            wrong.append(f"{name} cannot be {value}")
        if name == "EventDateTime" and not MOMENT.match(value):
            wrong.append(f"{value} is no moment with a time zone")
        if name == "NumberOfInstances" and not value.isdigit():
            wrong.append(f"{value} instances")
    if element.tag == "ParticipantObjectQuery":
        base64.b64decode(element.text or "", validate=True)
    if element.tag == "ParticipantObjectDetail":
        base64.b64decode(element.attrib.get("value", ""), validate=True)
    left = [child.tag for child in element]
    for names, least, most in children:
        count = 0
        while left and left[0] in names.split("|"):
            left.pop(0)
            count += 1
        if not least <= count <= most:
            wrong.append(f"{element.tag} has {count} {names}")
    wrong.extend(f"{tag} stands where it cannot in {element.tag}" for tag in left)
    for child in element:
        against_schema(child, wrong)


def read(frame):
    wrong = []
    text = frame.decode("utf-8")
    header = HEADER.fullmatch(text)
    if not header:
        return {"wrong": [f"no RFC 5424 header: {text[:200]}"]}
    priority, _, host, application, _, kind, _, body = header.groups()
    if priority != "85" or kind not in ("DICOM+RFC3881", "IHE+RFC-3881"):
        wrong.append(f"priority {priority}, MSGID {kind}")
    if not body.startswith("\ufeff"):
        wrong.append("no byte order mark before UTF-8")
    message = ET.fromstring(body.lstrip("\ufeff").encode("utf-8"))
    against_schema(message, wrong)
    event = message.find("EventIdentification")
    code = lambda element, name: [child.get("csd-code") for child in element.findall(name)]
    return {
        "wrong": wrong,
        "host": host,
        "application": application,
        "event": code(event, "EventID")[0],
        "types": code(event, "EventTypeCode"),
        "action": event.get("EventActionCode"),
        "outcome": event.get("EventOutcomeIndicator"),
        "participants": [
            {"user": each.get("UserID"), "requestor": each.get("UserIsRequestor"), "roles": code(each, "RoleIDCode")}
            for each in message.findall("ActiveParticipant")],
        "objects": [
            {"id": each.get("ParticipantObjectID"), "type": code(each, "ParticipantObjectIDTypeCode")[0],
             "name": each.findtext("ParticipantObjectName"),
             "instances": sum(int(each.get("NumberOfInstances")) for each in each.iter("SOPClass"))}
            for each in message.findall("ParticipantObjectIdentification")],
    }


def serve(stream, out, lock):
    source = stream.makefile("rb")
    while True:
        count = b""
        while not count.endswith(b" "):
            byte = source.read(1)
            if not byte:
                return
            count += byte
        frame = source.read(int(count))
        note(frame, out, lock)


def note(frame, out, lock):
    try:
        said = read(frame)
    except Exception as error:
        said = {"wrong": [f"{type(error).__name__}: {error}: {frame[:300]!r}"]}
    said["octets"] = len(frame)
    with lock:
        out.write(json.dumps(said) + "\n")
        out.flush()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--udp", action="store_true")
    parser.add_argument("--tls", nargs=2)
    parser.add_argument("--clients")
    asked = parser.parse_args()
    out, lock = open(asked.out, "a"), threading.Lock()
    if asked.udp:
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.bind(("127.0.0.1", asked.port))
        print(f"port {receiver.getsockname()[1]}", flush=True)
        while True:
            note(receiver.recv(65536), out, lock)
    listener = socket.create_server(("127.0.0.1", asked.port))
    if asked.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*asked.tls)
        if asked.clients:
            context.load_verify_locations(asked.clients)
            context.verify_mode = ssl.CERT_REQUIRED
        listener = context.wrap_socket(listener, server_side=True)
    print(f"port {listener.getsockname()[1]}", flush=True)
    while True:
        try:
            stream, _ = listener.accept()
        except OSError:
            continue
        threading.Thread(target=serve, args=(stream, out, lock), daemon=True).start()


main()
