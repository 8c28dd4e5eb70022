// dvrenctl info: what the daemon is.
#include <google/protobuf/util/time_util.h>
#include <CLI/CLI.hpp>
#include <iostream>

#include "absl/strings/str_join.h"
#include "session.h"

namespace dvren::ctl {
namespace {

absl::Status Info(const Session& session) {
  DVREN_ASSIGN_OR_RETURN(const Format format, session.format());
  DVREN_ASSIGN_OR_RETURN(const client::Client client, session.Connect());
  DVREN_ASSIGN_OR_RETURN(const v1::ServerInfo info, client.ServerInfo());
  const std::string started = google::protobuf::util::TimeUtil::ToString(info.start_time());
  const v1::Limits& limits = info.limits();
  const Value value = {
      {"version", info.version()},
      {"commit", info.commit()},
      {"start_time", started},
      {"tenant", info.tenant()},
      {"cuda_built", info.cuda_built()},
      {"field_types", std::vector<std::string>(info.field_types().begin(), info.field_types().end())},
      {"file_formats", std::vector<std::string>(info.file_formats().begin(), info.file_formats().end())},
      {"limits",
       {{"max_message_bytes", limits.max_message_bytes()},
        {"max_chunk_bytes", limits.max_chunk_bytes()},
        {"max_upload_bytes", limits.max_upload_bytes()},
        {"max_image_edge", limits.max_image_edge()},
        {"max_steps", limits.max_steps()},
        {"max_queued_requests", limits.max_queued_requests()}}}};
  const Table table{{},
                    {{"version", info.version()},
                     {"commit", info.commit()},
                     {"started", started},
                     {"tenant", Printable(info.tenant())},
                     {"cuda built in", info.cuda_built() ? "yes" : "no"},
                     {"field types", absl::StrJoin(info.field_types(), ", ")},
                     {"file formats", absl::StrJoin(info.file_formats(), ", ")},
                     {"largest upload", HumanBytes(limits.max_upload_bytes())},
                     {"largest image edge", Grouped(limits.max_image_edge()) + " pixels"},
                     {"most steps per ray", Grouped(limits.max_steps())},
                     {"longest queue", Grouped(limits.max_queued_requests()) + " requests"}}};
  Print(std::cout, format, value, table);
  return absl::OkStatus();
}

}  // namespace

void AddInfoCommand(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("info", "Show the daemon's version, formats and limits");
  command->fallthrough();
  command->footer("Examples:\n  dvrenctl info\n  dvrenctl info -o json");
  command->callback([&session] { session.action = [&session] { return Info(session); }; });
}

}  // namespace dvren::ctl
