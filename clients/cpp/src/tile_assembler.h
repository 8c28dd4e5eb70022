// TileAssembler: puts the tiles of a render into the caller's buffers as they arrive, in any order.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "dvren/client/options.h"
#include "dvren/client/render.h"
#include "dvren/client/status.h"

namespace dvren::client {

class TileAssembler {
 public:
  // Buffers for the ROI of a header; called once, when its size is known.
  using Targets = std::function<absl::StatusOr<std::vector<AovBuffer>>(const v1::RenderHeader&)>;

  // `method` starts messages. `progress` outlives the assembler.
  TileAssembler(const char* method, Targets targets, const Progress& progress)
      : method_(method), make_targets_(std::move(targets)), progress_(progress) {}

  [[nodiscard]] absl::Status Begin(v1::RenderHeader header);
  [[nodiscard]] absl::Status Add(const v1::RenderTile& tile);
  // After the stream's end: DATA_LOSS unless every pixel, and the summary, have come.
  [[nodiscard]] absl::Status CheckComplete(bool summarised) const;
  [[nodiscard]] v1::RenderHeader& header() { return header_; }

 private:
  [[nodiscard]] std::uint64_t pixels_total() const;

  const char* method_;
  const Targets make_targets_;
  const Progress& progress_;
  std::vector<AovBuffer> targets_;
  v1::RenderHeader header_;
  std::uint64_t pixels_done_ = 0;
};

// Images of the right size for the AOVs asked for, RGB where none are, and the buffers that fill them.
[[nodiscard]] std::vector<AovBuffer> AllocateImages(const v1::Roi& roi,
                                                    const google::protobuf::RepeatedField<int>& aovs,
                                                    std::map<v1::Aov, Image>& images);

}  // namespace dvren::client
