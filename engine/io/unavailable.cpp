// The functions whose library was not there when this was built. Each says so, and names what would bring it.
#include "dvren/io/exr.h"
#include "dvren/io/jpeg.h"
#include "dvren/io/npz.h"
#include "dvren/io/nvdb.h"
#include "dvren/io/png.h"
#include "dvren/io/vdb.h"
#include "npy_stream.h"

namespace dvren::io {
namespace {

[[maybe_unused]] absl::Status Without(absl::string_view what) {
  return absl::UnimplementedError(absl::StrCat("this build has no ", what));
}

}  // namespace

#ifndef DVREN_WITH_VDB
namespace {
absl::Status NoVdb() {
  return Without("OpenVDB and NanoVDB files: build with -DDVREN_WITH_VDB=ON");
}
}  // namespace

absl::StatusOr<std::vector<VdbGridInfo>> ListVdbGrids(const std::string&) {
  return NoVdb();
}
absl::StatusOr<NanoVdbVolume> VdbToNanoVdb(const std::string&, const VdbOptions&) {
  return NoVdb();
}
absl::StatusOr<DenseVolume> VdbToDense(const std::string&, const VdbOptions&) {
  return NoVdb();
}
absl::StatusOr<NanoVdbVolume> DenseToNanoVdb(const DenseVolume&, const std::string&) {
  return NoVdb();
}
absl::Status WriteVdb(const std::string&, const Volume&, FileOps&) {
  return NoVdb();
}
absl::Status CheckNanoVdb(const Blob&) {
  return NoVdb();
}
absl::StatusOr<NanoVdbVolume> NanoVdbFromBlob(Blob, absl::string_view) {
  return NoVdb();
}
absl::StatusOr<std::vector<NvdbGridInfo>> ListNvdbGrids(const std::string&) {
  return NoVdb();
}
absl::StatusOr<NanoVdbVolume> ReadNvdb(const std::string&, const NvdbOptions&) {
  return NoVdb();
}
absl::StatusOr<NanoVdbVolume> ParseNvdb(std::span<const std::byte>, const NvdbOptions&) {
  return NoVdb();
}
absl::Status WriteNvdb(const std::string&, const std::vector<NanoVdbVolume>&, NvdbCodec, FileOps&) {
  return NoVdb();
}
absl::Status WriteNvdb(const std::string&, const NanoVdbVolume&, NvdbCodec, FileOps&) {
  return NoVdb();
}
absl::StatusOr<DenseVolume> NanoVdbToDense(const NanoVdbVolume&, std::uint64_t) {
  return NoVdb();
}
#endif

#ifndef DVREN_WITH_ZIP
absl::StatusOr<std::map<std::string, NpyArray>> ReadNpz(const std::string&, std::uint64_t) {
  return Without("NPZ files: libzip was not found");
}
absl::StatusOr<NpyArray> ReadNpzArray(const std::string&, const std::string&, const std::string&, std::uint64_t) {
  return Without("NPZ files: libzip was not found");
}
absl::Status WriteNpz(const std::string&, const std::vector<std::pair<std::string, NpyView>>&, const NpzOptions&,
                      FileOps&) {
  return Without("NPZ files: libzip was not found");
}
absl::Status WriteNpz(const std::string&, const std::map<std::string, NpyArray>&, const NpzOptions&, FileOps&) {
  return Without("NPZ files: libzip was not found");
}
#endif

#ifndef DVREN_WITH_PNG
absl::Status WritePng(const std::string&, int, int, int, int, std::span<const float>, bool, FileOps&) {
  return Without("PNG files: libpng was not found");
}
absl::StatusOr<PngImage> ReadPng(const std::string&, std::uint64_t) {
  return Without("PNG files: libpng was not found");
}
#endif

#ifndef DVREN_WITH_JPEG
absl::StatusOr<JpegHeader> ReadJpegHeader(const std::string&) {
  return Without("JPEG files: libjpeg was not found");
}
absl::StatusOr<JpegImage> ReadJpeg(const std::string&, std::uint64_t) {
  return Without("JPEG files: libjpeg was not found");
}
#endif

#ifndef DVREN_WITH_EXR
absl::Status WriteExr(const std::string&, int, int, const std::vector<ExrChannel>&, FileOps&) {
  return Without("EXR files: OpenEXR was not found");
}
absl::StatusOr<ExrImage> ReadExr(const std::string&, std::uint64_t) {
  return Without("EXR files: OpenEXR was not found");
}
#endif

}  // namespace dvren::io
