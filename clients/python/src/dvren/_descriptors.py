"""What the generated modules of dvren._proto call: a serialized .proto file becomes message classes and enums."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper


def define(serialized: bytes, namespace: dict[str, Any]) -> None:
    """Puts the file's top-level messages, enums and enum values into `namespace`, under their names."""
    pool = descriptor_pool.Default()
    file = pool.AddSerializedFile(serialized)
    if hasattr(message_factory, "GetMessageClass"):
        message_class = message_factory.GetMessageClass
    else:  # protobuf before 4.22
        message_class = message_factory.MessageFactory(pool).GetPrototype  # type: ignore[attr-defined]
    namespace["DESCRIPTOR"] = file
    for name, message in file.message_types_by_name.items():
        namespace[name] = message_class(message)
    for name, enum in file.enum_types_by_name.items():
        namespace[name] = EnumTypeWrapper(enum)
        for value in enum.values:
            namespace[value.name] = value.number
