#include "server/jobs/job.h"

namespace dvren::server {
namespace {

struct ColumnNames {
  std::vector<std::string> names;
  template <class T>
  void operator()(const char* column, const T&) {
    names.emplace_back(column);
  }
  void Bytes(const char* column, const std::string&) { names.emplace_back(column); }
};

}  // namespace

const char* JobStateName(JobState state) {
  constexpr const char* names[kJobStates] = {"queued", "running", "paused", "succeeded", "failed", "cancelled"};
  return names[static_cast<std::size_t>(state)];
}

bool MayGo(JobState from, JobState to) {
  switch (from) {
    case JobState::kQueued:
      return to == JobState::kRunning || to == JobState::kPaused || to == JobState::kCancelled;
    case JobState::kRunning:
      return to != JobState::kRunning;
    case JobState::kPaused:
      return to == JobState::kQueued || to == JobState::kCancelled;
    case JobState::kFailed:
    case JobState::kCancelled:
      return to == JobState::kQueued;
    case JobState::kSucceeded:
      return false;
  }
  return false;
}

const std::vector<std::string>& JobColumns() {
  static const std::vector<std::string> columns = [] {
    ColumnNames visit;
    const Job job;
    VisitJobColumns(job, visit);
    return visit.names;
  }();
  return columns;
}

}  // namespace dvren::server
