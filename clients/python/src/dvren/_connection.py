"""The channel to one daemon, and what every call carries: token, deadline, and errors as DvrenError."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any, Callable, TypeVar

import grpc
from google.protobuf.message import Message

from .errors import ERROR_OF_CODE, DvrenError, UnknownError, invalid

M = TypeVar("M", bound=Message)

_REQUEST_ID_KEY = "x-request-id"
_MAX_RECEIVE_BYTES = 64 << 20  # the most that a daemon can be configured to send in one message
_LOCAL = re.compile(r"unix:|localhost:|127\.|\[::1\]:")


class Deadline:
    """Seconds that are left of an operation which may take several calls; None: no limit."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds

    def left(self) -> float | None:
        return None if self._end is None else max(0.0, self._end - time.monotonic())


class Connection:
    """Calls by the names of dvren.v1, such as "FieldService/GetField". Thread-safe, as the channel is."""

    def __init__(
        self,
        endpoint: str,
        token: str | None,
        timeout: float | None,
        credentials: grpc.ChannelCredentials | None,
    ) -> None:
        _check_endpoint(endpoint)
        if timeout is not None and not timeout > 0:
            raise invalid("timeout", timeout, "must be > 0 seconds, or None for no limit")
        options: list[tuple[str, int]] = [
            ("grpc.max_receive_message_length", _MAX_RECEIVE_BYTES),
            ("grpc.max_send_message_length", -1),  # the daemon says what is too much
            # A daemon that restarts is found again quickly: resumed transfers wait for it.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 2000),
        ]
        if _LOCAL.match(endpoint):
            options.append(("grpc.enable_http_proxy", 0))  # a proxy of the environment never leads to this machine
        if credentials is None:
            self._channel = grpc.insecure_channel(endpoint, options)
        else:
            self._channel = grpc.secure_channel(endpoint, credentials, options)
        self.endpoint = endpoint
        self.timeout = timeout
        # As metadata, not as call credentials: those are refused on unencrypted channels, as within a machine.
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self._callables: dict[str, Any] = {}

    def close(self) -> None:
        self._channel.close()

    def deadline(self) -> Deadline:
        return Deadline(self.timeout)

    def unary(self, method: str, request: Message, response_type: type[M], deadline: Deadline | None = None) -> M:
        call = self._callable("unary_unary", f"/dvren.v1.{method}", response_type.FromString)
        return self._finish(call, request, deadline)  # type: ignore[no-any-return]

    def unary_bytes(self, path: str, request: bytes) -> bytes:
        """A call of a service outside dvren.v1, its messages as bytes."""
        call = self._callable("unary_unary", path, None)
        return self._finish(call, request, None)  # type: ignore[no-any-return]

    def receive(
        self, method: str, request: Message, response_type: type[M], deadline: Deadline | None = None
    ) -> Iterator[M]:
        """The messages of a server stream. Close the iterator to cancel the call."""
        call = self._callable("unary_stream", f"/dvren.v1.{method}", response_type.FromString)
        stream = call(request, timeout=(deadline or self.deadline()).left(), metadata=self._metadata)
        try:
            yield from stream
        except grpc.RpcError as error:
            raise self._translate(error) from None
        finally:
            stream.cancel()

    def send(self, method: str, requests: Iterator[Message], response_type: type[M], deadline: Deadline) -> M:
        """A client stream and its answer. `requests` is read on a thread of gRPC's."""
        call = self._callable("stream_unary", f"/dvren.v1.{method}", response_type.FromString)
        future = call.future(requests, timeout=deadline.left(), metadata=self._metadata)
        try:
            return future.result()  # type: ignore[no-any-return]
        except grpc.RpcError as error:
            raise self._translate(error) from None
        finally:
            future.cancel()

    def exchange(
        self, method: str, requests: Iterator[Message], response_type: type[M], deadline: Deadline | None = None
    ) -> Iterator[M]:
        """The messages that answer a client stream. Close the iterator to cancel the call. `requests` is read on a
        thread of gRPC's."""
        call = self._callable("stream_stream", f"/dvren.v1.{method}", response_type.FromString)
        stream = call(requests, timeout=(deadline or self.deadline()).left(), metadata=self._metadata)
        try:
            yield from stream
        except grpc.RpcError as error:
            raise self._translate(error) from None
        finally:
            stream.cancel()

    def _translate(self, error: grpc.RpcError) -> DvrenError:
        """The DvrenError of a finished call."""
        code = error.code().name if error.code() is not None else "UNKNOWN"
        request_id = _metadata_value(error, _REQUEST_ID_KEY)
        message = " ".join((error.details() or "the daemon gave no reason").split())
        if code == "UNAVAILABLE" and request_id is None:
            remedy = "start dvrend or name another endpoint"
            message = f"endpoint = {self.endpoint}: no daemon answers there ({message}); {remedy}"
        elif code == "DEADLINE_EXCEEDED" and request_id is None and self.timeout is not None:
            message = f"timeout = {self.timeout:g} s: the call took longer; raise it or ask for less work"
        return ERROR_OF_CODE.get(code, UnknownError)(message, request_id)

    def _finish(self, call: Any, request: object, deadline: Deadline | None) -> Any:
        try:
            return call(request, timeout=(deadline or self.deadline()).left(), metadata=self._metadata)
        except grpc.RpcError as error:
            raise self._translate(error) from None

    def _callable(self, kind: str, path: str, deserialize: Callable[[bytes], Any] | None) -> Any:
        if path not in self._callables:
            serialize = None if deserialize is None else _serialize
            self._callables[path] = getattr(self._channel, kind)(path, serialize, deserialize)
        return self._callables[path]


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()


def _metadata_value(call: Any, key: str) -> str | None:
    """What the daemon said under `key`, after or before its answer."""
    for pairs in (call.trailing_metadata(), call.initial_metadata()):
        for name, value in pairs or ():
            if name == key:
                return value if isinstance(value, str) else value.decode()
    return None


def _check_endpoint(endpoint: str) -> None:
    remedy = "must be host:port, such as 127.0.0.1:50551, or unix:/path"
    if endpoint.startswith("unix:"):
        if endpoint == "unix:":
            raise invalid("endpoint", endpoint, remedy)
        return
    port = endpoint.rpartition(":")[2]
    if "://" in endpoint or not re.fullmatch(r".+:[0-9]{1,5}", endpoint) or not 0 < int(port) < 65536:
        raise invalid("endpoint", endpoint, remedy)
