"""Checkpoints: what training sessions have saved in the daemon. `client.checkpoints` lists and deletes them."""

from __future__ import annotations

import builtins
import dataclasses
import datetime

from ._connection import Connection
from ._proto.dvren.v1 import training_service_pb2 as pb


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    name: str  # "checkpoints/{name}", for client.train_session(checkpoint=...) and session.restore()
    step: int
    bytes: int
    create_time: datetime.datetime | None = None  # None: just saved
    damage: str = ""  # why it cannot be gone on from

    @classmethod
    def _from_message(cls, message: pb.Checkpoint) -> Checkpoint:
        saved = None
        if message.HasField("create_time"):
            saved = message.create_time.ToDatetime().replace(tzinfo=datetime.timezone.utc)
        return cls(message.name, message.step, message.bytes, saved, message.damage)


class Checkpoints:
    """`client.checkpoints`. Names are "checkpoints/{name}" or the bare name; session.save_checkpoint() makes them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> builtins.list[Checkpoint]:
        """The caller's, by name; damaged ones too."""
        request = pb.ListCheckpointsRequest()
        answer = self._connection.unary("TrainingService/ListCheckpoints", request, pb.ListCheckpointsResponse)
        return [Checkpoint._from_message(message) for message in answer.checkpoints]

    def get(self, name: str) -> Checkpoint:
        request = pb.GetCheckpointRequest(name=name)
        return Checkpoint._from_message(
            self._connection.unary("TrainingService/GetCheckpoint", request, pb.Checkpoint)
        )

    def delete(self, name: str | Checkpoint) -> None:
        """For good. NotFoundError where there is none."""
        request = pb.DeleteCheckpointRequest(name=name.name if isinstance(name, Checkpoint) else name)
        self._connection.unary("TrainingService/DeleteCheckpoint", request, pb.DeleteCheckpointResponse)
