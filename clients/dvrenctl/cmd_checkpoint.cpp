// dvrenctl checkpoint: what training sessions have saved.
#include <google/protobuf/util/time_util.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/strip.h"
#include "session.h"

namespace dvren::ctl {
namespace {

struct CheckpointOptions {
  std::string name;
  std::vector<std::string> names;
};

std::string Time(const v1::Checkpoint& checkpoint) {
  return google::protobuf::util::TimeUtil::ToString(checkpoint.create_time());
}

// As `train --resume` takes it.
std::string BareName(const v1::Checkpoint& checkpoint) {
  return std::string(absl::StripPrefix(checkpoint.name(), "checkpoints/"));
}

Value ToValue(const v1::Checkpoint& checkpoint) {
  Value value = {{"name", checkpoint.name()},
                 {"step", checkpoint.step()},
                 {"bytes", checkpoint.bytes()},
                 {"create_time", Time(checkpoint)}};
  if (!checkpoint.damage().empty()) value["damage"] = checkpoint.damage();
  return value;
}

absl::Status List(const Session& session, const CheckpointOptions&) {
  DVREN_ASSIGN_OR_RETURN(const Format format, session.format());
  DVREN_ASSIGN_OR_RETURN(const client::Client client, session.Connect());
  DVREN_ASSIGN_OR_RETURN(const auto checkpoints, client.ListCheckpoints());
  Value value = Value::array();
  Table table{{"NAME", "STEP", "SIZE", "SAVED"}, {}};
  for (const v1::Checkpoint& checkpoint : checkpoints) {
    value.push_back(ToValue(checkpoint));
    table.rows.push_back({Printable(BareName(checkpoint)),
                          checkpoint.damage().empty() ? Grouped(checkpoint.step()) : "damaged",
                          HumanBytes(checkpoint.bytes()), Time(checkpoint)});
  }
  Print(std::cout, format, value, table);
  return absl::OkStatus();
}

absl::Status Get(const Session& session, const CheckpointOptions& options) {
  DVREN_ASSIGN_OR_RETURN(const Format format, session.format());
  DVREN_ASSIGN_OR_RETURN(const client::Client client, session.Connect());
  DVREN_ASSIGN_OR_RETURN(const v1::Checkpoint checkpoint, client.GetCheckpoint(options.name));
  Table table{{},
              {{"name", Printable(BareName(checkpoint))},
               {"step", Grouped(checkpoint.step())},
               {"size", HumanBytes(checkpoint.bytes())},
               {"saved", Time(checkpoint)}}};
  if (!checkpoint.damage().empty()) table.rows.push_back({"damage", Printable(checkpoint.damage())});
  Print(std::cout, format, ToValue(checkpoint), table);
  return absl::OkStatus();
}

absl::Status Delete(const Session& session, const CheckpointOptions& options) {
  DVREN_ASSIGN_OR_RETURN(const Format format, session.format());
  DVREN_ASSIGN_OR_RETURN(const client::Client client, session.Connect());
  // What was deleted is said even where a later name fails.
  Value deleted = Value::array();
  Table table;
  absl::Status status;
  for (const std::string& name : options.names) {
    status = client.DeleteCheckpoint(name);
    if (!status.ok()) break;
    deleted.push_back(name);
    table.rows.push_back({"deleted " + Printable(name)});
  }
  if (status.ok() || !deleted.empty()) Print(std::cout, format, Value{{"deleted", deleted}}, table);
  return status;
}

using Options = std::shared_ptr<CheckpointOptions>;

CLI::App* AddCommand(CLI::App& parent, Session& session, const Options& options, const std::string& name,
                     const std::string& description, absl::Status (*run)(const Session&, const CheckpointOptions&)) {
  CLI::App* command = parent.add_subcommand(name, description);
  command->fallthrough();
  command->callback(
      [&session, options, run] { session.action = [&session, options, run] { return run(session, *options); }; });
  return command;
}

}  // namespace

void AddCheckpointCommands(CLI::App& app, Session& session) {
  CLI::App& checkpoint = *app.add_subcommand("checkpoint", "List and delete what trainings have saved");
  checkpoint.fallthrough();
  checkpoint.require_subcommand(1);
  checkpoint.footer(
      "`dvrenctl train --checkpoint NAME` saves one, `dvrenctl train --resume NAME` goes on from it.\n"
      "Examples:\n  dvrenctl checkpoint list\n  dvrenctl checkpoint delete lego-1000");
  const auto options = std::make_shared<CheckpointOptions>();
  AddCommand(checkpoint, session, options, "list", "List the checkpoints that are yours", List)
      ->footer("Examples:\n  dvrenctl checkpoint list\n  dvrenctl checkpoint list -o json | jq -r '.[].name'");
  CLI::App* get = AddCommand(checkpoint, session, options, "get", "Show one checkpoint", Get);
  get->add_option("NAME", options->name, "Name of the checkpoint")->required();
  get->footer("Examples:\n  dvrenctl checkpoint get lego-1000");
  CLI::App* remove = AddCommand(checkpoint, session, options, "delete", "Delete checkpoints for good", Delete);
  remove->add_option("NAME", options->names, "Names of the checkpoints")->required();
  remove->footer("Examples:\n  dvrenctl checkpoint delete lego-1000\n  dvrenctl checkpoint delete a b c");
}

}  // namespace dvren::ctl
