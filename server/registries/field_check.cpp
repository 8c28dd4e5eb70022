#include "server/registries/field_check.h"

#include <memory>

#include "dvren/core/device.h"
#include "dvren/fields/field.h"
#include "server/codec/volume_codec.h"
#include "server/registries/digest.h"

namespace dvren::server {

absl::Status CheckAndDescribe(const io::Volume& volume, v1::Field* description) {
  DeviceOptions cpu;
  cpu.threads = 1;
  DVREN_ASSIGN_OR_RETURN(const std::shared_ptr<Device> device, Device::Create(cpu));
  DVREN_ASSIGN_OR_RETURN(Stream stream, device->CreateStream());
  DVREN_ASSIGN_OR_RETURN(const std::shared_ptr<Field> checked, CreateField(stream, volume));
  DescribeVolume(volume, checked->info(), description);
  const io::Blob& payload = PayloadOf(volume);
  description->set_sha256(Sha256Of(payload.data(), payload.size()));
  return absl::OkStatus();
}

}  // namespace dvren::server
