// dvrenctl job: work that outlives this command, and the daemon.
#include <google/protobuf/util/time_util.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "job_file.h"
#include "session.h"

namespace dvren::ctl {
namespace {

struct JobOptions {
  std::string file, name, artifact, out, state, kind, request_id;
  int priority = 0, limit = 100;
  bool watch = false;
};

std::string Time(const google::protobuf::Timestamp& time) {
  return google::protobuf::util::TimeUtil::ToString(time);
}

template <class Enum>
std::string Small(const std::string& name, const char* prefix) {
  return absl::AsciiStrToLower(std::string(absl::StripPrefix(name, prefix)));
}

std::string StateOf(v1::JobState state) {
  return Small<v1::JobState>(v1::JobState_Name(state), "JOB_STATE_");
}

// As commands take it.
std::string Bare(const std::string& name) {
  return std::string(absl::StripPrefix(name, "jobs/"));
}

std::string Progress(const v1::Job& job) {
  if (job.total() == 0) return "";
  return absl::StrCat(Grouped(job.done()), " of ", Grouped(job.total()), " (", 100 * job.done() / job.total(), " %)");
}

Value ToValue(const v1::Artifact& artifact) {
  return {{"name", artifact.name()},
          {"sha256", artifact.sha256()},
          {"bytes", artifact.bytes()},
          {"media_type", artifact.media_type()}};
}

Value ToValue(const v1::Job& job) {
  Value value = {{"name", job.name()},
                 {"kind", job.kind()},
                 {"title", job.title()},
                 {"state", StateOf(job.state())},
                 {"class", Small<v1::JobClass>(v1::JobClass_Name(job.job_class()), "JOB_CLASS_")},
                 {"priority", job.priority()},
                 {"attempts", job.attempts()},
                 {"max_attempts", job.max_attempts()},
                 {"done", job.done()},
                 {"total", job.total()},
                 {"create_time", Time(job.create_time())},
                 {"last_event", job.last_event()}};
  if (job.has_start_time()) value["start_time"] = Time(job.start_time());
  if (job.has_end_time()) value["end_time"] = Time(job.end_time());
  if (job.has_not_before()) value["not_before"] = Time(job.not_before());
  if (job.has_error()) value["error"] = {{"code", job.error().code()}, {"message", job.error().message()}};
  if (job.cancel_requested()) value["cancel_requested"] = true;
  if (job.pause_requested()) value["pause_requested"] = true;
  if (job.artifacts_size() > 0) {
    value["artifacts"] = Value::array();
    for (const v1::Artifact& artifact : job.artifacts()) value["artifacts"].push_back(ToValue(artifact));
  }
  return value;
}

void PrintJob(Format format, const v1::Job& job) {
  Table table{{},
              {{"job", Bare(job.name())},
               {"kind", job.kind()},
               {"state", StateOf(job.state())},
               {"progress", Progress(job)},
               {"attempts", absl::StrCat(job.attempts(), " of ", job.max_attempts())},
               {"submitted", Time(job.create_time())}}};
  if (!job.title().empty()) table.rows.push_back({"title", Printable(job.title())});
  if (job.has_start_time()) table.rows.push_back({"started", Time(job.start_time())});
  if (job.has_end_time()) table.rows.push_back({"ended", Time(job.end_time())});
  if (job.has_not_before()) table.rows.push_back({"waits until", Time(job.not_before())});
  if (job.has_error()) table.rows.push_back({"error", Printable(job.error().message())});
  if (job.artifacts_size() > 0) table.rows.push_back({"artifacts", Grouped(job.artifacts_size())});
  Print(std::cout, format, ToValue(job), table);
}

// A line per event; on a terminal progress redraws its line.
class WatchPrinter {
 public:
  explicit WatchPrinter(Format format) : format_(format), terminal_(::isatty(STDERR_FILENO) == 1) {}
  ~WatchPrinter() { Clear(); }
  WatchPrinter(const WatchPrinter&) = delete;
  WatchPrinter& operator=(const WatchPrinter&) = delete;

  void Event(const v1::JobEvent& event) {
    if (format_ != Format::kTable) {
      std::cout << AsValue(event).dump() << std::endl;
      return;
    }
    switch (event.event_case()) {
      case v1::JobEvent::kState:
        return Line(StateOf(event.state()));
      case v1::JobEvent::kArtifact:
        return terminal_ ? void() : Line("artifact " + Printable(event.artifact().name()));
      case v1::JobEvent::kLog:
        return Line(Printable(event.log()));
      case v1::JobEvent::kProgress:
        return ShowProgress(event.progress());
      default:
        return;  // an event that a later daemon added
    }
  }

 private:
  static Value AsValue(const v1::JobEvent& event) {
    Value value = {{"number", event.number()}, {"time", Time(event.time())}};
    if (event.has_state()) value["state"] = StateOf(event.state());
    if (event.has_artifact()) value["artifact"] = ToValue(event.artifact());
    if (event.has_log()) value["log"] = event.log();
    if (event.has_progress()) {
      Value figures = Value::object();
      // In an order that does not change.
      for (const auto& [name, figure] : Sorted(event.progress())) figures[name] = figure;
      value["progress"] = {
          {"done", event.progress().done()}, {"total", event.progress().total()}, {"figures", figures}};
    }
    return value;
  }
  static std::map<std::string, double> Sorted(const v1::JobProgress& progress) {
    return {progress.figures().begin(), progress.figures().end()};
  }
  void Line(const std::string& text) {
    Clear();
    std::fprintf(stderr, "%s\n", text.c_str());
  }
  void ShowProgress(const v1::JobProgress& progress) {
    constexpr int kWidth = 30;
    const double part =
        progress.total() > 0 ? static_cast<double>(progress.done()) / static_cast<double>(progress.total()) : 0;
    const auto filled = static_cast<std::size_t>(part * kWidth);
    std::string text = absl::StrCat("[", std::string(filled, '#'), std::string(kWidth - filled, '.'), "] ",
                                    Grouped(progress.done()), " of ", Grouped(progress.total()));
    for (const auto& [name, figure] : Sorted(progress)) {
      char number[48];
      std::snprintf(number, sizeof number, "%.4g", figure);
      absl::StrAppend(&text, "  ", Printable(name), " ", number);
    }
    if (!terminal_) return Line(text);
    std::fprintf(stderr, "\r\033[K%s", text.c_str());
    std::fflush(stderr);
    drawn_ = true;
  }
  void Clear() {
    if (!drawn_) return;
    std::fprintf(stderr, "\r\033[K");
    drawn_ = false;
  }

  const Format format_;
  const bool terminal_;
  bool drawn_ = false;
};

// Exit code 1 for a job that did not succeed.
absl::Status Outcome(const v1::Job& job) {
  if (job.state() == v1::JOB_STATE_SUCCEEDED) return absl::OkStatus();
  if (job.state() == v1::JOB_STATE_CANCELLED) return absl::CancelledError(absl::StrCat(job.name(), ": was cancelled"));
  return absl::UnknownError(absl::StrCat(job.name(), ": failed: ", job.error().message(), "; dvrenctl job logs ",
                                         Bare(job.name()), " tells more, dvrenctl job retry ", Bare(job.name()),
                                         " tries again"));
}

absl::Status WatchToEnd(const client::Client& client, Format format, const std::string& name) {
  std::optional<WatchPrinter> printer;
  printer.emplace(format);
  const absl::StatusOr<v1::Job> job = client.WatchJob(name, 0, [&](const v1::JobEvent& event) {
    printer->Event(event);
    return true;
  });
  printer.reset();
  DVREN_RETURN_IF_ERROR(job.status());
  return Outcome(*job);
}

absl::Status Submit(const Session& session, const JobOptions& options) {
  DVREN_ASSIGN_OR_RETURN(const Format format, session.format());
  DVREN_ASSIGN_OR_RETURN(const client::Client client, session.Connect());
  DVREN_ASSIGN_OR_RETURN(v1::SubmitJobRequest request,
                         ReadJobFile(options.file, [&](const std::string& name) { return client.GetField(name); }));
  request.set_request_id(options.request_id);
  DVREN_ASSIGN_OR_RETURN(const v1::Job job, client.SubmitJob(std::move(request)));
  if (options.watch) {
    std::fprintf(stderr, "%s\n", job.name().c_str());
    return WatchToEnd(client, format, job.name());
  }
  if (format == Format::kTable) {
    std::cout << Bare(job.name()) << "\n";
    std::fprintf(stderr, "submitted: dvrenctl job watch %s follows it\n", Bare(job.name()).c_str());
    return absl::OkStatus();
  }
  PrintJob(format, job);
  return absl::OkStatus();
}

absl::Status List(const Session& session, const JobOptions& options) {
  DVREN_ASSIGN_OR_RETURN(const Format format, session.format());
  v1::ListJobsRequest request;
  request.set_kind(options.kind);
  if (!options.state.empty()) {
    v1::JobState state = v1::JOB_STATE_UNSPECIFIED;
    if (!v1::JobState_Parse("JOB_STATE_" + absl::AsciiStrToUpper(options.state), &state) ||
        state == v1::JOB_STATE_UNSPECIFIED) {
      return InvalidField("--state", Printable(options.state),
                          "must be queued, running, paused, succeeded, failed or cancelled");
    }
    request.add_states(state);
  }
  if (options.limit < 1) return InvalidField("--limit", options.limit, "must be >= 1");
  DVREN_ASSIGN_OR_RETURN(const client::Client client, session.Connect());
  DVREN_ASSIGN_OR_RETURN(const auto jobs, client.ListJobs(request, static_cast<std::size_t>(options.limit)));
  Value value = Value::array();
  Table table{{"JOB", "KIND", "STATE", "PROGRESS", "SUBMITTED", "TITLE"}, {}};
  for (const v1::Job& job : jobs) {
    value.push_back(ToValue(job));
    table.rows.push_back({Bare(job.name()), job.kind(), StateOf(job.state()), Progress(job), Time(job.create_time()),
                          Printable(job.title())});
  }
  Print(std::cout, format, value, table);
  return absl::OkStatus();
}

using Call = absl::StatusOr<v1::Job> (client::Client::*)(const std::string&) const;

template <Call call>
absl::Status Change(const Session& session, const JobOptions& options) {
  DVREN_ASSIGN_OR_RETURN(const Format format, session.format());
  DVREN_ASSIGN_OR_RETURN(const client::Client client, session.Connect());
  DVREN_ASSIGN_OR_RETURN(const v1::Job job, (client.*call)(options.name));
  PrintJob(format, job);
  return absl::OkStatus();
}

absl::Status Priority(const Session& session, const JobOptions& options) {
  DVREN_ASSIGN_OR_RETURN(const Format format, session.format());
  DVREN_ASSIGN_OR_RETURN(const client::Client client, session.Connect());
  DVREN_ASSIGN_OR_RETURN(const v1::Job job, client.UpdateJobPriority(options.name, options.priority));
  PrintJob(format, job);
  return absl::OkStatus();
}

absl::Status Watch(const Session& session, const JobOptions& options) {
  DVREN_ASSIGN_OR_RETURN(const Format format, session.format());
  DVREN_ASSIGN_OR_RETURN(const client::Client client, session.Connect());
  return WatchToEnd(client, format, options.name);
}

absl::Status Logs(const Session& session, const JobOptions& options) {
  DVREN_ASSIGN_OR_RETURN(const Format format, session.format());
  DVREN_ASSIGN_OR_RETURN(const client::Client client, session.Connect());
  DVREN_ASSIGN_OR_RETURN(const auto lines, client.GetJobLogs(options.name));
  Value value = Value::array();
  Table table{{"TIME", "LINE"}, {}};
  for (const v1::JobEvent& line : lines) {
    const std::string text = line.has_state() ? StateOf(line.state()) : line.log();
    value.push_back({{"number", line.number()}, {"time", Time(line.time())}, {"line", text}});
    table.rows.push_back({Time(line.time()), Printable(text)});
  }
  Print(std::cout, format, value, table);
  return absl::OkStatus();
}

absl::Status Artifacts(const Session& session, const JobOptions& options) {
  DVREN_ASSIGN_OR_RETURN(const Format format, session.format());
  DVREN_ASSIGN_OR_RETURN(const client::Client client, session.Connect());
  DVREN_ASSIGN_OR_RETURN(const v1::Job job, client.GetJob(options.name));
  Value value = Value::array();
  Table table{{"ARTIFACT", "SIZE", "SHA-256"}, {}};
  for (const v1::Artifact& artifact : job.artifacts()) {
    if (!options.artifact.empty() && artifact.name() != options.artifact) continue;
    value.push_back(ToValue(artifact));
    table.rows.push_back({Printable(artifact.name()), HumanBytes(artifact.bytes()), artifact.sha256().substr(0, 12)});
    if (options.out.empty()) continue;
    // A name from the daemon is a file name and no path.
    const std::string name = std::filesystem::path(artifact.name()).filename().string();
    std::error_code error;
    std::filesystem::create_directories(options.out, error);
    if (error) return InvalidField("--out", Printable(options.out), "cannot be made: " + error.message());
    DVREN_RETURN_IF_ERROR(client.DownloadArtifact(job.name(), artifact.name(), options.out + "/" + name).status());
  }
  if (!options.artifact.empty() && value.empty()) {
    return absl::NotFoundError(absl::StrCat("ARTIFACT = ", Printable(options.artifact), ": ", job.name(),
                                            " has none of this name; leave it out for the list"));
  }
  Print(std::cout, format, value, table);
  return absl::OkStatus();
}

using Options = std::shared_ptr<JobOptions>;

CLI::App* AddCommand(CLI::App& parent, Session& session, const Options& options, const std::string& name,
                     const std::string& description, absl::Status (*run)(const Session&, const JobOptions&)) {
  CLI::App* command = parent.add_subcommand(name, description);
  command->fallthrough();
  command->callback(
      [&session, options, run] { session.action = [&session, options, run] { return run(session, *options); }; });
  return command;
}

CLI::App* AddJobCommand(CLI::App& parent, Session& session, const Options& options, const std::string& name,
                        const std::string& description, absl::Status (*run)(const Session&, const JobOptions&)) {
  CLI::App* command = AddCommand(parent, session, options, name, description, run);
  command->add_option("JOB", options->name, "Number of the job")->required()->type_name("JOB");
  command->footer(absl::StrCat("Examples:\n  dvrenctl job ", name, " 17"));
  return command;
}

}  // namespace

void AddJobCommands(CLI::App& app, Session& session) {
  CLI::App& job = *app.add_subcommand("job", "Submit, follow and steer work that outlives this command and the daemon");
  job.fallthrough();
  job.require_subcommand(1);
  job.footer(
      "A job file is YAML with one of render, train, bench; keys of render and bench are options of `dvrenctl "
      "render`:\n"
      "  title: a turn around the cloud\n"
      "  class: batch              # interactive, normal or batch\n"
      "  render: {field: cloud, orbit_frames: 36, orbit: [0, 15], width: 640, format: png}\n"
      "  # train: {recipe: lego.yaml, set: [steps=2000], checkpoint_every_steps: 500}\n"
      "  # bench: {field: cloud, width: 512, repeats: 20}\n"
      "Examples:\n  dvrenctl job submit turn.yaml --watch\n  dvrenctl job list --state running\n"
      "  dvrenctl job artifacts 17 --out turn/");
  const auto options = std::make_shared<JobOptions>();
  CLI::App* submit = AddCommand(job, session, options, "submit", "Submit the job that a file describes", Submit);
  submit->add_option("FILE", options->file, "Job file, see `dvrenctl job --help`")->required()->type_name("FILE");
  submit->add_flag("--watch", options->watch, "Follow it to its end; exit code 1 when it fails");
  submit->add_option("--request-id", options->request_id,
                     "The same id within 24 hours is the same job, for scripts that may run twice; default: a new one");
  submit->footer("Examples:\n  dvrenctl job submit turn.yaml --watch\n  id=$(dvrenctl job submit turn.yaml)");
  CLI::App* list = AddCommand(job, session, options, "list", "List your jobs, newest first", List);
  list->add_option("--state", options->state, "Only these")
      ->type_name("queued|running|paused|succeeded|failed|cancelled");
  list->add_option("--kind", options->kind, "Only these")->type_name("render_sequence|train|bench");
  list->add_option("--limit", options->limit, "At most so many")->type_name("N")->capture_default_str();
  list->footer("Examples:\n  dvrenctl job list\n  dvrenctl job list --state failed -o json");
  AddJobCommand(job, session, options, "get", "Show one job", Change<&client::Client::GetJob>);
  AddJobCommand(job, session, options, "watch", "Follow a job to its end; exit code 1 when it fails", Watch);
  AddJobCommand(job, session, options, "cancel", "Stop a job for good", Change<&client::Client::CancelJob>);
  AddJobCommand(job, session, options, "retry", "Queue a job again that has failed or was cancelled",
                Change<&client::Client::RetryJob>);
  AddJobCommand(job, session, options, "pause", "Let a job wait until it is resumed",
                Change<&client::Client::PauseJob>);
  AddJobCommand(job, session, options, "resume", "Let a paused job go on", Change<&client::Client::ResumeJob>);
  CLI::App* priority =
      AddJobCommand(job, session, options, "priority", "Change which of your jobs goes first", Priority);
  priority->add_option("PRIORITY", options->priority, "-1000 to 1000; the highest goes first")->required();
  priority->footer("Examples:\n  dvrenctl job priority 17 10");
  AddJobCommand(job, session, options, "logs", "Print what a job had to say", Logs);
  CLI::App* artifacts =
      AddJobCommand(job, session, options, "artifacts", "List, or fetch, the files that a job has made", Artifacts);
  artifacts->add_option("ARTIFACT", options->artifact, "Only this one; default: all");
  artifacts->add_option("--out", options->out, "Fetch them into this folder")->type_name("FOLDER");
  artifacts->footer("Examples:\n  dvrenctl job artifacts 17\n  dvrenctl job artifacts 17 frame_0000.png --out .");
}

}  // namespace dvren::ctl
