"""Writes what pydicom makes of each file in DICOM JSON: one object, by path; null where it cannot."""

import json
import sys
import warnings

import pydicom

warnings.simplefilter("ignore")
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE


def metadata(path):
    try:
        data_set = pydicom.dcmread(path)
        for tag in [0x7FE00008, 0x7FE00009, 0x7FE00010]:
            if tag in data_set:
                data_set[tag].value = b""
        found = data_set.to_json_dict(bulk_data_threshold=1 << 30)
        json.dumps(found, allow_nan=False)
        return found
    except Exception as error:
        print(path, error, file=sys.stderr)
        return None


json.dump({path: metadata(path) for path in sys.argv[1:]}, sys.stdout)
