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

  absl::Status OpenAuto() {
    constexpr int kMostGpus = 64;
    int gpus = 0;
    while (gpus < kMostGpus && Open(absl::StrCat("cuda:", gpus)).ok()) ++gpus;
    return gpus > 0 ? absl::OkStatus() : Open("cpu");
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
    const absl::Status status = id == "auto" ? list.OpenAuto() : list.Open(id);
    if (!status.ok()) {
      return absl::Status(
          status.code(), absl::StrCat("devices = ", id, ": ", status.message(), "; use auto or cpu, or another index"));
    }
  }
  return list.Take();
}

}  // namespace dvren::server
