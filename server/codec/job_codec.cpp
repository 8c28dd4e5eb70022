#include "server/codec/job_codec.h"

#include <google/protobuf/timestamp.pb.h>

#include <array>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace dvren::server {
namespace {

constexpr char kPrefix[] = "jobs/";
constexpr std::array<v1::JobState, kJobStates> kStates{v1::JOB_STATE_QUEUED, v1::JOB_STATE_RUNNING,
                                                       v1::JOB_STATE_PAUSED, v1::JOB_STATE_SUCCEEDED,
                                                       v1::JOB_STATE_FAILED, v1::JOB_STATE_CANCELLED};
constexpr std::array<v1::JobClass, kWorkClasses> kClasses{v1::JOB_CLASS_INTERACTIVE, v1::JOB_CLASS_NORMAL,
                                                          v1::JOB_CLASS_BATCH};

void EncodeTime(std::int64_t ms, google::protobuf::Timestamp* time) {
  time->set_seconds(ms / 1000);
  time->set_nanos(static_cast<std::int32_t>(ms % 1000) * 1'000'000);
}

}  // namespace

absl::StatusOr<JobId> DecodeJobName(const std::string& name) {
  JobId id = 0;
  if (!absl::SimpleAtoi(absl::StripPrefix(name, kPrefix), &id) || id <= 0) {
    return absl::NotFoundError(
        "job: there is none of this name; names are jobs/NUMBER, and dvrenctl job list shows yours");
  }
  return id;
}

absl::StatusOr<WorkClass> DecodeJobClass(v1::JobClass job_class, const std::string& path) {
  if (job_class == v1::JOB_CLASS_UNSPECIFIED) return WorkClass::kBatch;
  for (std::size_t i = 0; i < kClasses.size(); ++i) {
    if (kClasses[i] == job_class) return static_cast<WorkClass>(i);
  }
  return InvalidField(path, static_cast<int>(job_class), "must be INTERACTIVE, NORMAL or BATCH");
}

absl::StatusOr<JobState> DecodeJobState(v1::JobState state, const std::string& path) {
  for (std::size_t i = 0; i < kStates.size(); ++i) {
    if (kStates[i] == state) return static_cast<JobState>(i);
  }
  return InvalidField(path, static_cast<int>(state), "must be a state of a job");
}

v1::JobState EncodeJobState(JobState state) {
  return kStates[static_cast<std::size_t>(state)];
}

v1::Job EncodeJob(const Job& job, bool with_spec) {
  v1::Job message;
  message.set_name(absl::StrCat(kPrefix, job.id));
  message.set_owner(job.owner);
  message.set_kind(job.kind);
  message.set_title(job.title);
  message.set_state(EncodeJobState(job.state));
  message.set_job_class(kClasses[static_cast<std::size_t>(job.work_class)]);
  message.set_priority(job.priority);
  message.set_attempts(job.attempts);
  message.set_max_attempts(job.max_attempts);
  message.set_done(job.done);
  message.set_total(job.total);
  EncodeTime(job.created_ms, message.mutable_create_time());
  if (job.started_ms != 0) EncodeTime(job.started_ms, message.mutable_start_time());
  if (job.finished_ms != 0) EncodeTime(job.finished_ms, message.mutable_end_time());
  if (job.not_before_ms != 0 && job.state == JobState::kQueued) {
    EncodeTime(job.not_before_ms, message.mutable_not_before());
  }
  if (!job.error_code.empty()) {
    message.mutable_error()->set_code(job.error_code);
    message.mutable_error()->set_message(job.error_message);
  }
  message.set_cancel_requested(job.cancel_requested);
  message.set_pause_requested(job.pause_requested);
  message.set_daemon(job.daemon);
  message.set_last_event(job.last_event);
  if (with_spec) message.mutable_spec()->ParseFromString(job.spec);
  return message;
}

void EncodeArtifact(const JobArtifact& artifact, v1::Artifact* message) {
  message->set_name(artifact.name);
  message->set_sha256(artifact.sha256);
  message->set_bytes(artifact.bytes);
  message->set_media_type(artifact.media_type);
}

v1::JobEvent EncodeJobEvent(const JobEvent& event, const std::vector<JobArtifact>& artifacts) {
  v1::JobEvent message;
  message.set_number(event.number);
  EncodeTime(event.time_ms, message.mutable_time());
  switch (event.kind) {
    case JobEventKind::kState:
      for (int i = 0; i < kJobStates; ++i) {
        if (event.data == JobStateName(static_cast<JobState>(i)))
          message.set_state(kStates[static_cast<std::size_t>(i)]);
      }
      break;
    case JobEventKind::kProgress:
      message.mutable_progress()->ParseFromString(event.data);
      break;
    case JobEventKind::kArtifact:
      message.mutable_artifact()->set_name(event.data);
      for (const JobArtifact& artifact : artifacts) {
        if (artifact.name == event.data) EncodeArtifact(artifact, message.mutable_artifact());
      }
      break;
    case JobEventKind::kLog:
      message.set_log(event.data);
      break;
  }
  return message;
}

}  // namespace dvren::server
