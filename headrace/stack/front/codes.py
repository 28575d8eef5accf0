"""HTTP status of ClickHouse's exception codes.

Source: ClickHouse, src/Server/HTTP/exceptionCodeToHTTPStatus.cpp.
"""

from __future__ import annotations

import re

_BY_STATUS = {
    400: (6, 7, 20, 25, 26, 27, 33, 38, 41, 42, 43, 44, 46, 47, 53, 62, 69, 70, 72, 117, 130, 349,
          377, 456, 457),
    401: (194,),
    403: (192, 193, 195, 291, 497, 516),
    404: (16, 36, 45, 60, 81),
    408: (159,),
    413: (251,),
    500: (),
    501: (48,),
    503: (202, 252),
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
