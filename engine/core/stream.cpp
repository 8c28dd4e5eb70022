#include "dvren/core/stream.h"

#include <utility>

namespace dvren {

Stream::Stream(std::shared_ptr<Device> device, hp_stream* stream)
    : device_(device), stream_(stream, [device = std::move(device)](hp_stream* s) { hp_stream_destroy(s); }) {}

absl::Status Stream::Synchronize() {
  return FromHp(hp_stream_synchronize(stream_.get()));
}

}  // namespace dvren
