"""Avro: the registry, the columnar decoder and the encoder.

| Avro | Polars |
| --- | --- |
| boolean, int, long, float, double | Boolean, Int32, Int64, Float32, Float64 |
| string (also uuid), bytes, fixed | String, Binary, Binary |
| enum | Enum of the reader's symbols |
| decimal on bytes or fixed, up to 38 digits | Decimal(precision, scale) |
| timestamp-millis, -micros, -nanos | Datetime("ms" / "us" / "ns", "UTC") |
| local-timestamp-… | Datetime(…) without a zone |
| date, time-millis and time-micros | Date, Time |
| record, array, map | Struct, List, List(Struct(key, value)) |
| null and one other type | that type, nullable |
| several other types | Struct with a field for each, one of them set |
| a record inside itself | String: JSON text |
"""

from headrace.schema.codec import Codec
from headrace.schema.encoder import EncodeError, Encoder
from headrace.schema.registry import AvroSchema, Column, Registry

__all__ = ["AvroSchema", "Codec", "Column", "EncodeError", "Encoder", "Registry"]
