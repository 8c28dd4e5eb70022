#include "server/app/device_selection.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace dvren::server {
namespace {

class DeviceList {
 public:
  explicit DeviceList(int threads) : threads_(threads) {}

  absl::Status Open(const std::string& id) {
    const auto same = [&](const std::shared_ptr<Device>& device) { return device->info().id == id; };
    if (std::any_of(devices_.begin(), devices_.end(), same)) return absl::OkStatus();
    DeviceOptions options;
    options.id = id;
    options.threads = threads_;
    absl::StatusOr<std::shared_ptr<Device>> device = Device::Create(options);
    if (!device.ok()) return device.status();
    devices_.push_back(*std::move(device));
    return absl::OkStatus();
  }

  // One that cannot be opened is an error, not one less.
  absl::Status OpenAllGpus() {
    for (int i = 0; i < GpuCount(); ++i) {
      if (absl::Status status = Open(absl::StrCat("cuda:", i)); !status.ok()) return status;
    }
    return absl::OkStatus();
  }
  absl::Status OpenNamed(const std::string& id) {
    if (id == "auto") return GpuCount() > 0 ? OpenAllGpus() : Open("cpu");
    if (id != "cuda:all") return Open(id);
    if (GpuCount() > 0) return OpenAllGpus();
    return absl::UnavailableError("this build and machine offer no CUDA devices");
  }

  std::vector<std::shared_ptr<Device>> Take() { return std::move(devices_); }

 private:
  int threads_;
  std::vector<std::shared_ptr<Device>> devices_;
};

}  // namespace

absl::StatusOr<std::vector<std::shared_ptr<Device>>> OpenDevices(const std::vector<std::string>& ids, int threads) {
  DeviceList list(threads);
  for (const std::string& id : ids) {
    const absl::Status status = list.OpenNamed(id);
    if (!status.ok()) {
      return absl::Status(
          status.code(), absl::StrCat("devices = ", id, ": ", status.message(), "; use auto or cpu, or another index"));
    }
  }
  return list.Take();
}

}  // namespace dvren::server
