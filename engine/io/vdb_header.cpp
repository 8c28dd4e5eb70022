#include "vdb_header.h"

#include <cstring>

namespace dvren::io {
namespace {

constexpr std::uint64_t kMagic = 0x56444220;  // " BDV", in eight bytes
constexpr std::uint32_t kOldestWithThisLayout = 222;
constexpr std::uint64_t kUuidChars = 36;
constexpr std::uint32_t kMaxEntries = 65536;

// Reads forward; remembers the first failure, so that a run of fields is checked once.
class Cursor {
 public:
  explicit Cursor(ByteReader& file) : file_(file) {}
  template <class T>
  T Get() {
    T value{};
    if (status_.ok()) status_ = file_.ReadAt(at_, &value, sizeof value);
    at_ += sizeof value;
    return value;
  }
  void Skip(std::uint64_t bytes) {
    if (status_.ok() && bytes > file_.size() - at_) {
      status_ = absl::InvalidArgumentError(absl::StrCat(file_.name(), ": not a readable VDB: cut short in its header"));
    }
    at_ += bytes;
  }
  void SkipString() { Skip(Get<std::uint32_t>()); }
  void Seek(std::uint64_t at) { at_ = at; }
  [[nodiscard]] const absl::Status& status() const { return status_; }

 private:
  ByteReader& file_;
  std::uint64_t at_ = 0;
  absl::Status status_;
};

}  // namespace

absl::Status CheckVdbHeader(ByteReader& file) {
  const auto bad = [&](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(file.name(), ": not a readable VDB: ", what));
  };
  std::uint64_t magic = 0;
  if (file.size() < sizeof magic || !file.ReadAt(0, &magic, sizeof magic).ok() || magic != kMagic) {
    return bad("does not start with OpenVDB's magic number");
  }
  Cursor at(file);
  at.Skip(sizeof magic);
  const auto version = at.Get<std::uint32_t>();
  at.Skip(2 * sizeof(std::uint32_t));  // the library that wrote it
  const auto has_offsets = at.Get<std::uint8_t>();
  DVREN_RETURN_IF_ERROR(at.status());
  if (version < kOldestWithThisLayout || has_offsets == 0) return absl::OkStatus();
  at.Skip(kUuidChars);
  const auto metadata = at.Get<std::uint32_t>();
  if (at.status().ok() && metadata > kMaxEntries)
    return bad(absl::StrCat("declares ", metadata, " entries of metadata"));
  for (std::uint32_t i = 0; i < metadata && at.status().ok(); ++i) {
    at.SkipString();  // name
    at.SkipString();  // type
    at.SkipString();  // value, with its size first like a string
  }
  const auto grids = at.Get<std::uint32_t>();
  if (at.status().ok() && grids > kMaxEntries) return bad(absl::StrCat("declares ", grids, " grids"));
  for (std::uint32_t i = 0; i < grids && at.status().ok(); ++i) {
    at.SkipString();  // unique name
    at.SkipString();  // type
    at.SkipString();  // instance parent
    const auto begin = at.Get<std::uint64_t>(), blocks = at.Get<std::uint64_t>(), end = at.Get<std::uint64_t>();
    if (!at.status().ok()) break;
    if (begin > blocks || blocks > end || end > file.size()) {
      return bad(
          absl::StrCat("cut short: grid ", i, " lies at ", begin, " to ", end, ", the file ends at ", file.size()));
    }
    at.Seek(end);
  }
  return at.status();
}

}  // namespace dvren::io
