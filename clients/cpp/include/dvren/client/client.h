// Client: talks to one dvrend. Copies share the connection; all methods may be called from several threads at once.
//
//   auto client = dvren::client::Client::Connect("127.0.0.1:50551");
//   if (!client.ok()) …
//   dvren::v1::RenderRequest request;
//   request.mutable_scene()->add_instances()->set_field("smoke");
//   auto frame = client->Render(request);   // 1024 x 1024 from the default orbit
//   const auto& rgb = frame->images.at(dvren::v1::AOV_RGB);
//
// Every method gives UNAVAILABLE when the daemon cannot be reached, DEADLINE_EXCEEDED after
// ConnectOptions::call_timeout, UNAUTHENTICATED or PERMISSION_DENIED for a token that does not do, and else what the
// daemon answers.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dvren/client/gradients.h"
#include "dvren/client/jobs.h"
#include "dvren/client/options.h"
#include "dvren/client/render.h"
#include "dvren/client/status.h"
#include "dvren/client/training.h"
#include "dvren/client/transfer.h"
#include "dvren/v1/admin_service.pb.h"
#include "dvren/v1/field_service.pb.h"
#include "dvren/v1/job_service.pb.h"
#include "dvren/v1/render_service.pb.h"
#include "dvren/v1/training_service.pb.h"

namespace dvren::client {

class Connection;

enum class Serving { kUnknown = 0, kServing = 1, kNotServing = 2 };  // numbers of grpc.health.v1

class Client {
 public:
  // `endpoint` is "host:port" or "unix:/path". Waits until the daemon answers; UNAVAILABLE at once where nobody
  // listens.
  [[nodiscard]] static absl::StatusOr<Client> Connect(const std::string& endpoint, ConnectOptions options = {});

  [[nodiscard]] absl::StatusOr<v1::ServerInfo> ServerInfo() const;
  [[nodiscard]] absl::StatusOr<std::vector<v1::DeviceStatus>> Devices() const;
  // `service` such as "dvren.v1.RenderService"; "" is the daemon as a whole. NOT_FOUND for an unknown service.
  [[nodiscard]] absl::StatusOr<Serving> Health(const std::string& service = "") const;

  // A small field in one message (<= 4 MiB).
  [[nodiscard]] absl::StatusOr<v1::Field> CreateField(const v1::CreateFieldRequest& request) const;
  // Streams a file of this machine in chunks of 1 MiB with CRC32C each. After a lost connection it resumes where the
  // daemon stopped. NOT_FOUND when the file is missing, ALREADY_EXISTS for a taken display name.
  [[nodiscard]] absl::StatusOr<v1::Field> UploadFile(const std::string& path, const UploadOptions& options) const;
  // The same for bytes in memory: options.import.format says what they are (RAW: options.import.dense_grid).
  [[nodiscard]] absl::StatusOr<v1::Field> UploadBytes(std::span<const std::byte> bytes,
                                                      const UploadOptions& options) const;
  // Values in C order (nz, ny, nx, channels), f32. options.import.dense_grid carries box, interp and border.
  [[nodiscard]] absl::StatusOr<v1::Field> UploadGrid(std::span<const float> values, std::array<std::int64_t, 4> shape,
                                                     UploadOptions options) const;
  // `path` is on the daemon's machine, below one of its allow-listed roots.
  [[nodiscard]] absl::StatusOr<v1::Field> ImportOnServer(const std::string& display_name, const std::string& path,
                                                         const v1::ImportOptions& options) const;
  // `name`: "fields/{id}" or a display name.
  [[nodiscard]] absl::StatusOr<v1::Field> GetField(const std::string& name) const;
  // All pages. `filter`: substring of the display name; `order_by`: "name" or "create_time".
  [[nodiscard]] absl::StatusOr<std::vector<v1::Field>> ListFields(const std::string& filter = "",
                                                                  const std::string& order_by = "") const;
  // New values for a dense grid, of its shape and dtype; its version grows. ABORTED when `expected_version` (0: any) is
  // not the current one, so that of two writers one is told.
  [[nodiscard]] absl::StatusOr<v1::Field> UpdateField(const std::string& name, std::span<const std::byte> values,
                                                      std::uint64_t expected_version = 0) const;
  // ABORTED when `expected_version` (0: any) is not the current one.
  [[nodiscard]] absl::Status DeleteField(const std::string& name, std::uint64_t expected_version = 0) const;
  // Writes the field to `path`: .vdb or .nvdb for any, .npz or .npy for dense grids, .raw for the bare payload. Of a
  // dense grid a .vdb holds density and colours (dvren/io/vdb.h), a .nvdb the density alone, a .npz "values" as stored,
  // "density" (1/world unit) of each voxel, "box" (2, 3) and "local_to_world" (3, 4), a .npy the values.
  // Other extensions are INVALID_ARGUMENT, before anything is fetched. The file appears whole or not at all.
  [[nodiscard]] absl::StatusOr<v1::Field> DownloadField(const std::string& name, const std::string& path,
                                                        const DownloadOptions& options = {}) const;

  // Renders into memory of the caller's. The AOVs asked for are those of `targets`; request.aovs must be empty or the
  // same. INVALID_ARGUMENT when a buffer's size is not that of the ROI. `progress` counts pixels, called after each
  // tile.
  [[nodiscard]] absl::StatusOr<RenderReport> RenderInto(v1::RenderRequest request, std::span<const AovBuffer> targets,
                                                        const Progress& progress = {}) const;
  // The same into images of the right size.
  [[nodiscard]] absl::StatusOr<RenderedFrame> Render(const v1::RenderRequest& request,
                                                     const Progress& progress = {}) const;
  // Any number of rays, in requests of up to 64 Ki rays that give the same bits as one. `request.rays` must be absent.
  // With precision F64 the rays are widened and the values narrowed again.
  [[nodiscard]] absl::StatusOr<RenderedRays> RenderRays(const v1::RenderRaysRequest& request,
                                                        const RaysView& rays) const;

  // Renders as Render does (or, with request.rays, as RenderRays in one message), and has the daemon keep a tape.
  // RESOURCE_EXHAUSTED when the caller's tapes leave no room for it.
  [[nodiscard]] absl::StatusOr<ForwardedFrame> Forward(const v1::ForwardRequest& request,
                                                       const Progress& progress = {}) const;
  // dL/d(image) in, the gradients that `want` asks for out. A successful pass uses the tape up unless `keep_tape`.
  // ABORTED when the field has changed since the forward, NOT_FOUND for a tape that has expired, OUT_OF_RANGE when a
  // sum left the range of its fixed point: ask for a larger exponent.
  [[nodiscard]] absl::StatusOr<BackwardResult> Backward(const RecordedTape& tape, const v1::GradientRequest& want,
                                                        std::span<const AdjointBuffer> adjoints,
                                                        bool keep_tape = false) const;
  [[nodiscard]] absl::Status ReleaseTape(const std::string& tape) const;
  // Sets the field's gradient to zero, and makes it if there is none; the next Backward chooses the exponent of its
  // sums when none is given.
  [[nodiscard]] absl::Status ZeroGradients(const std::string& name, std::optional<int> exponent = std::nullopt) const;
  // What backward passes have accumulated, as F32 or F64. FAILED_PRECONDITION where there is nothing, or half a pass.
  [[nodiscard]] absl::StatusOr<ValueGradient> DownloadGradient(const std::string& name,
                                                               v1::DType dtype = v1::DTYPE_F32) const;

  // A session that trains request.field by request.recipe on photographs of the daemon's machine. The request gets an
  // id of its own where it has none.
  [[nodiscard]] absl::StatusOr<v1::Session> CreateSession(v1::CreateSessionRequest request) const;
  [[nodiscard]] absl::StatusOr<v1::Session> GetSession(const std::string& name) const;
  [[nodiscard]] absl::StatusOr<std::vector<v1::Session>> ListSessions() const;
  // What was not published or saved is gone.
  [[nodiscard]] absl::Status CloseSession(const std::string& name) const;
  // FAILED_PRECONDITION while another call trains the session; ABORTED when it is not at request.expected_step.
  [[nodiscard]] absl::StatusOr<v1::TrainStepResponse> TrainStep(const v1::TrainStepRequest& request) const;
  // Trains until request.until_step; the session as it is then.
  [[nodiscard]] absl::StatusOr<v1::Session> StreamTrain(const v1::StreamTrainRequest& request,
                                                        const OnTrainReport& on_report = {}) const;
  [[nodiscard]] absl::StatusOr<EvaluationResult> Evaluate(const v1::EvaluateRequest& request,
                                                          const OnEvaluatedPhoto& on_photo = {}) const;
  // `name`: letters, digits, '.', '_', '-'. CreateSession takes the result's name.
  [[nodiscard]] absl::StatusOr<v1::Checkpoint> SaveCheckpoint(const std::string& session,
                                                              const std::string& name) const;
  // Back to a checkpoint that was made with the session's recipe and dataset; the session as it is then.
  [[nodiscard]] absl::StatusOr<v1::Session> RestoreCheckpoint(const std::string& session,
                                                              const std::string& checkpoint) const;
  [[nodiscard]] absl::StatusOr<std::vector<v1::Checkpoint>> ListCheckpoints() const;  // by name
  [[nodiscard]] absl::StatusOr<v1::Checkpoint> GetCheckpoint(const std::string& name) const;
  [[nodiscard]] absl::Status DeleteCheckpoint(const std::string& name) const;
  // The cameras of the photographs that it trains on, in the dataset's order.
  [[nodiscard]] absl::StatusOr<v1::GetCamerasResponse> GetCameras(const std::string& session) const;
  // The values as they are as a field, or as a new version of the one that is there.
  [[nodiscard]] absl::StatusOr<v1::Field> PublishField(const std::string& session) const;

  // Durable when it returns; tried again after a lost connection, and then still one job. RESOURCE_EXHAUSTED for too
  // many unfinished ones.
  [[nodiscard]] absl::StatusOr<v1::Job> SubmitJob(v1::SubmitJobRequest request) const;
  // `name`: "jobs/17" or "17".
  [[nodiscard]] absl::StatusOr<v1::Job> GetJob(const std::string& name) const;
  // Newest first, at most `limit`.
  [[nodiscard]] absl::StatusOr<std::vector<v1::Job>> ListJobs(v1::ListJobsRequest request, std::size_t limit) const;
  // Events from number `from_event` (0: the first) on until the job is finished; gives the job as it then is. Goes on
  // after a daemon that comes back.
  [[nodiscard]] absl::StatusOr<v1::Job> WatchJob(const std::string& name, std::int64_t from_event,
                                                 const OnJobEvent& on_event) const;
  [[nodiscard]] absl::StatusOr<v1::Job> CancelJob(const std::string& name) const;
  [[nodiscard]] absl::StatusOr<v1::Job> RetryJob(const std::string& name) const;
  [[nodiscard]] absl::StatusOr<v1::Job> PauseJob(const std::string& name) const;
  [[nodiscard]] absl::StatusOr<v1::Job> ResumeJob(const std::string& name) const;
  [[nodiscard]] absl::StatusOr<v1::Job> UpdateJobPriority(const std::string& name, int priority) const;
  // Its lines and states, oldest first.
  [[nodiscard]] absl::StatusOr<std::vector<v1::JobEvent>> GetJobLogs(const std::string& name) const;
  // Writes a file that the job has made to `path`, whole or not at all; resumes after a lost connection.
  [[nodiscard]] absl::StatusOr<v1::Artifact> DownloadArtifact(const std::string& job, const std::string& artifact,
                                                              const std::string& path) const;

 private:
  explicit Client(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}
  std::shared_ptr<Connection> connection_;
};

}  // namespace dvren::client
