"""Writes each DICOM file again in the ways pydicom has: reencode.py TARGET FILE...

FILE becomes TARGET/NAME.WAY.dcm; a way that pydicom refuses for a file is left out.
"""

import pathlib
import sys
import warnings

import pydicom
from pydicom.uid import UID

EXPLICIT = UID("1.2.840.10008.1.2.1")
IMPLICIT = UID("1.2.840.10008.1.2")


def parsed(data_set):
    for _ in data_set.iterall():
        pass


def in_utf8(data_set):
    data_set.decode()
    data_set.SpecificCharacterSet = "ISO_IR 192"


def of_undefined_length(data_set):
    for element in data_set.iterall():
        if element.VR == "SQ":
            element.is_undefined_length = True
            for item in element.value:
                item.is_undefined_length_sequence_item = True


def in_syntax(syntax):
    def change(data_set):
        parsed(data_set)
        if data_set.file_meta.TransferSyntaxUID.is_compressed:
            raise ValueError("this would need a codec")
        data_set.file_meta.TransferSyntaxUID = syntax

    return change


WAYS = {
    "parsed": parsed,
    "utf8": in_utf8,
    "undefined": of_undefined_length,
    "implicit": in_syntax(IMPLICIT),
    "explicit": in_syntax(EXPLICIT),
}

warnings.simplefilter("ignore")
target = pathlib.Path(sys.argv[1])
for source in map(pathlib.Path, sys.argv[2:]):
    for name, change in WAYS.items():
        try:
            data_set = pydicom.dcmread(source)
            change(data_set)
            syntax = data_set.file_meta.TransferSyntaxUID
            data_set.save_as(
                target / f"{source.name}.{name}.dcm",
                implicit_vr=syntax.is_implicit_VR,
                little_endian=syntax.is_little_endian,
                enforce_file_format=False,
            )
        except Exception as refusal:
            print(f"{source.name} {name}: {refusal}")
