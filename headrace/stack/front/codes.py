"""HTTP status of ClickHouse's exception codes.

Source: ClickHouse, src/Server/HTTP/exceptionCodeToHTTPStatus.cpp.
"""

from __future__ import annotations

import re

_BY_STATUS = {
    400: (6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72, 117, 123, 167, 168, 223, 321,
          376, 427, 441, 675, 676),
    401: (194,),
    403: (192, 193, 497, 512, 516),
    404: (46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511),
    408: (159,),
    411: (381,),
    413: (229,),
    415: (779,),
    501: (48,),
    503: (76, 209, 439),
}  # fmt: skip
STATUS = {code: status for status, codes in _BY_STATUS.items() for code in codes}
AUTHENTICATION_FAILED = 516
BAD_ARGUMENTS = 36
_CODE = re.compile(r"Code: (\d+)\.")


def code_of(message: str) -> int:
    """The exception code in an error's text; 1002 (unknown exception) when there is none."""
    match = _CODE.search(message)
    return int(match[1]) if match else 1002


def status_of(code: int) -> int:
    """The HTTP status for an exception code."""
    return STATUS.get(code, 500)
