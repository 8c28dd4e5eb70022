"""The training sessions of the fake daemon: loss = 1 / step, psnr = step; renders are 0.25 and photographs 0.75
everywhere."""

import grpc
import numpy as np

import dvren  # noqa: F401  (before its generated modules)
from dvren._proto.dvren.v1 import common_pb2 as common
from dvren._proto.dvren.v1 import field_service_pb2 as fields
from dvren._proto.dvren.v1 import training_service_pb2 as training

WIDTH, HEIGHT, VIEWS = 4, 6, 3


class FakeTraining:
    """Mixed into FakeDaemon, which has `sessions`."""

    def CreateSession(self, request, context):
        session = training.Session(
            name=f"sessions/{len(self.sessions) + 1}",
            owner="default",
            field=request.field,
            recipe=request.recipe,
            dataset=request.dataset,
            device="cpu",
        )
        session.recipe.steps = request.recipe.steps or 1000
        session.dataset_report.photos = VIEWS
        session.dataset_report.bounds.max.x = 2
        session.dataset_report.notes.append("one is missing")
        session.expire_time.FromSeconds(1_700_000_000)
        if request.checkpoint:
            session.step = 7
        self.sessions[session.name] = session
        return session

    def _session(self, name):
        if name not in self.sessions:
            raise self.abort(grpc.StatusCode.NOT_FOUND, f"session = {name}: no such session")
        return self.sessions[name]

    def GetSession(self, request, context):
        return self._session(request.name)

    def ListSessions(self, request, context):
        return training.ListSessionsResponse(sessions=self.sessions.values())

    def CloseSession(self, request, context):
        del self.sessions[self._session(request.name).name]
        return training.CloseSessionResponse()

    def _report(self, session, steps):
        session.step = min(session.step + steps, session.recipe.steps)
        session.finished = session.step == session.recipe.steps
        report = training.TrainReport(
            step=session.step, steps=steps, loss=1 / session.step, psnr=session.step, rays=100 * steps, train_seconds=0.5
        )
        session.last_report.CopyFrom(report)
        return report

    def TrainStep(self, request, context):
        session = self._session(request.session)
        answer = training.TrainStepResponse(step=session.step)
        if session.step != request.expected_step + request.steps:
            if session.step != request.expected_step:
                raise self.abort(grpc.StatusCode.ABORTED, f"expected_step = {request.expected_step}: is {session.step}")
            answer.report.CopyFrom(self._report(session, request.steps))
            if self.lose_step:
                self.lose_step = False
                raise self.abort(grpc.StatusCode.UNAVAILABLE, "lost")
        answer.step, answer.finished = session.step, session.finished
        return answer

    def StreamTrain(self, request, context):
        session = self._session(request.session)
        until = request.until_step or session.recipe.steps
        while session.step < until:
            if self.cut_training:
                return
            steps = min(request.report_every_steps or 10, until - session.step)
            yield training.StreamTrainResponse(report=self._report(session, steps))
        yield training.StreamTrainResponse(session=session)

    def Evaluate(self, request, context):
        session = self._session(request.session)
        header = training.EvaluationHeader(views=VIEWS, step=session.step, dataset=session.dataset_report)
        yield training.EvaluateResponse(header=header)
        for view in range(request.max_views or VIEWS):
            for y in range(0, HEIGHT, 4) if request.images else ():
                tile = training.EvaluatedTile(view=view)
                tile.roi.CopyFrom(common.Roi(y=y, width=WIDTH, height=min(4, HEIGHT - y)))
                for image, value in (("render", 0.25), ("truth", 0.75)):
                    array = np.full((tile.roi.height, WIDTH, 3), value, np.float32)
                    tensor = getattr(tile, image)
                    tensor.dtype = common.DTYPE_F32
                    tensor.shape.extend(array.shape)
                    tensor.payload.inline = array.tobytes()
                yield training.EvaluateResponse(tile=tile)
            yield training.EvaluateResponse(
                view=training.EvaluatedView(view=view, name=f"r_{view}", width=WIDTH, height=HEIGHT, psnr=20 + view)
            )
        yield training.EvaluateResponse(summary=training.EvaluationSummary(psnr=21, ssim=0.5))

    def SaveCheckpoint(self, request, context):
        session = self._session(request.session)
        return training.Checkpoint(name=f"checkpoints/{request.name}", step=session.step, bytes=99)

    def RestoreCheckpoint(self, request, context):
        session = self._session(request.session)
        session.step = 7
        return session

    def ListCheckpoints(self, request, context):
        one = self.GetCheckpoint(training.GetCheckpointRequest(name="a"), context)
        return training.ListCheckpointsResponse(checkpoints=[one])

    def GetCheckpoint(self, request, context):
        checkpoint = training.Checkpoint(name=f"checkpoints/{request.name}", step=7, bytes=99, damage="cut short")
        checkpoint.create_time.FromSeconds(1_700_000_000)
        return checkpoint

    def DeleteCheckpoint(self, request, context):
        return training.DeleteCheckpointResponse()

    def PublishField(self, request, context):
        return fields.Field(name="fields/7", display_name=self._session(request.session).field, version=2)


REQUESTS = {
    "CreateSession": training.CreateSessionRequest,
    "GetSession": training.GetSessionRequest,
    "ListSessions": training.ListSessionsRequest,
    "CloseSession": training.CloseSessionRequest,
    "TrainStep": training.TrainStepRequest,
    "StreamTrain": training.StreamTrainRequest,
    "Evaluate": training.EvaluateRequest,
    "SaveCheckpoint": training.SaveCheckpointRequest,
    "RestoreCheckpoint": training.RestoreCheckpointRequest,
    "ListCheckpoints": training.ListCheckpointsRequest,
    "GetCheckpoint": training.GetCheckpointRequest,
    "DeleteCheckpoint": training.DeleteCheckpointRequest,
    "PublishField": training.PublishFieldRequest,
}
