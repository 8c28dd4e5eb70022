// NanoVDB buffers and files from arbitrary bytes: refused, or safe under NanoVDB's own accessor.
//
// A valid grid is 300 KB of mostly zeros, too much to mutate. The input is a program instead: its first byte says what
// to start from and which way to go, the rest are edits of six bytes or more: [offset, 3 bytes][count - 1, 1
// byte][bytes…], the offset taken modulo a window of the buffer that the edit's top bits choose.
#include <nanovdb/NanoVDB.h>
#include <nanovdb/util/GridBuilder.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <span>
#include <utility>

#include "dvren/io/nvdb.h"
#include "fuzz_target.h"

namespace {

using dvren::io::Blob;
using nanovdb::Coord;

// Grids that between them have every kind of node: leaves, tiles of each level, several uppers.
const std::vector<std::string>& Bases() {
  static const auto* bases = [] {
    auto* out = new std::vector<std::string>;
    const auto add = [&](nanovdb::GridBuilder<float>& builder) {
      const auto handle = builder.getHandle<>(0.5, nanovdb::Vec3d(1, 2, 3), "density");
      std::string bytes(reinterpret_cast<const char*>(handle.data()), handle.size());
      std::memset(bytes.data() + 8, 0xff, 8);  // checksum: "not computed", or no edit would come further
      out->push_back(std::move(bytes));
    };
    nanovdb::GridBuilder<float> one(0.0f, nanovdb::GridClass::FogVolume);
    for (int i = 0; i < 8; ++i) one.getAccessor().setValue(Coord(i, 7 - i, i / 2), 0.125f * static_cast<float>(i));
    add(one);
    nanovdb::GridBuilder<float> far(0.0f, nanovdb::GridClass::FogVolume);
    auto accessor = far.getAccessor();
    accessor.setValue(Coord(-1, -1, -1), 1.0f);
    accessor.setValue(Coord(5000, 0, 0), 2.0f);
    add(far);
    nanovdb::GridBuilder<float> solid(0.0f, nanovdb::GridClass::Unknown);  // constant blocks become tiles
    solid([](const Coord&) { return 0.5f; }, nanovdb::CoordBBox(Coord(0), Coord(23)));
    add(solid);
    return out;
  }();
  return *bases;
}

// As a .nvdb file: one segment, one grid.
std::string FileOf(const std::string& grid, std::uint16_t codec) {
  std::string file(16 + 176, '\0');
  const auto put = [&](std::size_t at, std::uint64_t value, std::size_t bytes) {
    std::memcpy(&file[at], &value, bytes);
  };
  put(0, NANOVDB_MAGIC_NUMBER, 8);
  put(8, nanovdb::Version().id(), 4);
  put(12, 1, 2);
  put(14, codec, 2);
  put(16, grid.size(), 8);
  put(24, grid.size(), 8);
  put(48, 1, 4);        // float
  put(52, 2, 4);        // fog
  put(16 + 136, 8, 4);  // length of the name
  return file + std::string("density\0", 8) + grid;
}

// Makes the edits in place and takes them back at the end: copying a grid for every input would be most of the work.
class Edits {
 public:
  Edits(char* bytes, std::size_t length, const std::uint8_t* data, std::size_t size) : bytes_(bytes) {
    static constexpr std::size_t kWindows[] = {1024, 4096, 16384, 0};
    while (size >= 5 && length > 0) {
      const std::size_t raw = data[0] | data[1] << 8 | (data[2] & 0x3f) << 16;
      const std::size_t window = kWindows[data[2] >> 6];
      const std::size_t at = raw % (window == 0 ? length : std::min(window, length));
      const std::size_t count = std::min<std::size_t>({1u + data[3] % 16, size - 4, length - at});
      before_.emplace_back(at, std::string(bytes + at, count));
      std::memcpy(bytes + at, data + 4, count);
      data += 4 + count;
      size -= 4 + count;
    }
  }
  Edits(const Edits&) = delete;
  Edits& operator=(const Edits&) = delete;
  ~Edits() {
    for (auto it = before_.rbegin(); it != before_.rend(); ++it)
      std::memcpy(bytes_ + it->first, it->second.data(), it->second.size());
  }

 private:
  char* bytes_;
  std::vector<std::pair<std::size_t, std::string>> before_;
};

// One buffer for every base, aligned as a renderer's is.
Blob& BaseBlob(std::size_t n) {
  static auto* blobs = [] {
    auto* out = new std::vector<Blob>;
    for (const std::string& base : Bases()) out->push_back(Blob::Copy(base.data(), base.size()));
    return out;
  }();
  return (*blobs)[n];
}

// One file for every base and codec. The codec is only named: the payload is not compressed.
std::string& BaseFile(std::size_t n, std::uint16_t codec) {
  static auto* files = [] {
    auto* out = new std::vector<std::string>;
    for (const std::string& base : Bases()) {
      for (std::uint16_t c = 0; c < 3; ++c) out->push_back(FileOf(base, c));
    }
    return out;
  }();
  return (*files)[3 * n + codec];
}

// A buffer that has passed is read in every way a renderer reads it.
void Walk(const Blob& blob) {
  const auto* grid = reinterpret_cast<const nanovdb::NanoGrid<float>*>(blob.data());
  const auto box = grid->tree().bbox();
  auto accessor = grid->getAccessor();
  std::uint64_t state = 88172645463325252u;
  const auto random = [&](std::int64_t low, std::int64_t high) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return static_cast<int>(low + static_cast<std::int64_t>(state % static_cast<std::uint64_t>(high - low + 1)));
  };
  for (int i = 0; i < 256; ++i) {
    const Coord at(random(std::int64_t{box.min()[0]} - 2, std::int64_t{box.max()[0]} + 2),
                   random(std::int64_t{box.min()[1]} - 2, std::int64_t{box.max()[1]} + 2),
                   random(std::int64_t{box.min()[2]} - 2, std::int64_t{box.max()[2]} + 2));
    const float value = accessor.getValue(at);
    if (!(value >= 0.0f) || !std::isfinite(value)) std::abort();
    if (value != grid->tree().getValue(at)) std::abort();
    (void)accessor.isActive(at);
    (void)accessor.probeLeaf(at);
  }
  for (const Coord& corner : {box.min(), box.max()}) (void)accessor.getValue(corner);
}

void CheckMessage(const absl::Status& status) {
  const absl::StatusCode code = status.code();
  if (code != absl::StatusCode::kInvalidArgument && code != absl::StatusCode::kResourceExhausted &&
      code != absl::StatusCode::kUnimplemented) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::uint8_t mode = *data++;
  --size;
  const std::size_t base = mode % Bases().size();
  switch (mode / 64) {
    case 0:
    case 1: {  // a buffer with edits
      Blob& blob = BaseBlob(base);
      const Edits edits(reinterpret_cast<char*>(blob.data()), blob.size(), data, size);
      const absl::Status status = dvren::io::CheckNanoVdb(blob);
      if (status.ok()) {
        Walk(blob);
      } else {
        CheckMessage(status);
      }
      return 0;
    }
    case 2: {  // a file with edits
      std::string& file = BaseFile(base, mode % 7 == 0 ? mode / 7 % 3 : 0);
      const Edits edits(file.data(), file.size(), data, size);
      dvren::io::NvdbOptions options;
      options.max_bytes = 1 << 22;
      const auto volume = dvren::io::ParseNvdb(std::as_bytes(std::span(file.data(), file.size())), options);
      if (volume.ok()) {
        Walk(volume->blob);
        const auto dense = dvren::io::NanoVdbToDense(*volume, 1 << 16);
        if (!dense.ok()) CheckMessage(dense.status());
      } else {
        CheckMessage(volume.status());
      }
      return 0;
    }
    default: {  // the bytes themselves, as a file and as a buffer
      dvren::io::NvdbOptions options;
      options.max_bytes = 1 << 22;
      options.convert_level_set = true;
      const auto volume = dvren::io::ParseNvdb(std::as_bytes(std::span(data, size)), options);
      if (volume.ok()) Walk(volume->blob);
      const Blob blob = Blob::Copy(data, size);
      if (dvren::io::CheckNanoVdb(blob).ok()) Walk(blob);
      return 0;
    }
  }
}

std::vector<std::string> FuzzSeeds() {
  std::vector<std::string> seeds;
  for (int mode : {0, 1, 2, 64, 65, 66, 128, 129, 130, 132, 133, 140, 147}) {
    seeds.push_back(std::string(1, static_cast<char>(mode)));
    // Edits of the grid's head, of the tree's offsets, of the root, of masks and tiles, of a leaf.
    seeds.push_back(seeds.back() + std::string("\x10\0\0\3\1\2\3\4", 8));
    seeds.push_back(seeds.back() + std::string("\xa0\2\0\7\x40\0\0\0\0\0\0\0", 12));
    seeds.push_back(seeds.back() + std::string("\xe8\2\0\7\xff\xff\xff\xff\xff\xff\xff\x7f", 12));
    seeds.push_back(seeds.back() + std::string("\x80\x21\xc1\3\0\0\x80\xbf", 8));
  }
  std::string file = "\xc0";
  file += FileOf(std::string(64, '\0'), 0);
  seeds.push_back(file);
  file = "\xc1";
  file += FileOf(std::string(64, '\0'), 2);
  seeds.push_back(file);
  return seeds;
}
