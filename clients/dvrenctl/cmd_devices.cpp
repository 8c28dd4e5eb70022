// dvrenctl devices: what the daemon computes on.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

#include "session.h"

namespace dvren::ctl {
namespace {

absl::Status Devices(const Session& session) {
  DVREN_ASSIGN_OR_RETURN(const Format format, session.format());
  DVREN_ASSIGN_OR_RETURN(const client::Client client, session.Connect());
  DVREN_ASSIGN_OR_RETURN(const auto devices, client.Devices());
  Value value = Value::array();
  Table table{{"ID", "NAME", "ISA", "THREADS", "SMS", "DRIVER", "MEMORY USED", "MEMORY", "QUEUED", "BUSY", "HEALTHY"},
              {}};
  for (const v1::DeviceStatus& device : devices) {
    value.push_back({{"id", device.id()},
                     {"kind", device.kind()},
                     {"name", device.name()},
                     {"uuid", device.uuid()},
                     {"isa", device.isa()},
                     {"threads", device.threads()},
                     {"memory_total_bytes", device.memory_total_bytes()},
                     {"memory_used_bytes", device.memory_used_bytes()},
                     {"queue_depth", device.queue_depth()},
                     {"healthy", device.healthy()},
                     {"busy_seconds", device.busy_seconds()},
                     {"multiprocessors", device.multiprocessors()},
                     {"driver", device.driver()}});
    char busy[32];
    std::snprintf(busy, sizeof busy, "%.1f s", device.busy_seconds());
    table.rows.push_back({device.id(), Printable(device.name()), device.isa().empty() ? "-" : device.isa(),
                          device.threads() == 0 ? "-" : std::to_string(device.threads()),
                          device.multiprocessors() == 0 ? "-" : std::to_string(device.multiprocessors()),
                          device.driver().empty() ? "-" : Printable(device.driver()),
                          HumanBytes(device.memory_used_bytes()), HumanBytes(device.memory_total_bytes()),
                          std::to_string(device.queue_depth()), busy, device.healthy() ? "yes" : "NO"});
  }
  Print(std::cout, format, value, table);
  return absl::OkStatus();
}

}  // namespace

void AddDevicesCommand(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("devices", "List the processors that the daemon renders on, and how busy they are");
  command->fallthrough();
  command->footer("Examples:\n  dvrenctl devices\n  dvrenctl devices -o json | jq '.[].memory_used_bytes'");
  command->callback([&session] { session.action = [&session] { return Devices(session); }; });
}

}  // namespace dvren::ctl
