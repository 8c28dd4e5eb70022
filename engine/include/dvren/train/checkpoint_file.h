// A checkpoint's container: named sections of bytes in one file that is there whole or not at all.
//
//   header   32 bytes: "DVRENCKP", u32 version, u32 sections, u64 bytes of the file, u32 bytes of the table,
//            u32 CRC of the 28 bytes before
//   sections in the table's order, each at the next multiple of 64, zeros between them
//   table    right behind the last section, to the end of the file; per section: u32 bytes of the name, the name,
//            u64 bytes of the section, u32 CRC of them; then u32 CRC of the table before
//
// Numbers are little endian. CRC is zlib's crc32 (IEEE 802.3), which finds every burst of up to 32 bits. The table
// stands last so that sections stream: neither writer nor reader holds more than one, and each byte is read once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "dvren/core/status.h"
#include "dvren/io/atomic_file.h"
#include "dvren/io/volume.h"
#include "dvren/train/byte_codec.h"

namespace dvren {

inline constexpr std::uint32_t kCheckpointVersion = 2;
inline constexpr std::size_t kMaxCheckpointSections = 4096;
inline constexpr std::size_t kMaxCheckpointName = 255;  // bytes; printable ASCII

class CheckpointWriter {
 public:
  // Takes the next bytes of a section, in any portions.
  using Sink = std::function<absl::Status(std::span<const std::byte>)>;
  // Hands all bytes of its section to the sink. Called once, by Write; its error ends Write.
  using Producer = std::function<absl::Status(const Sink&)>;

  // `bytes` stay valid until Write returns.
  void Add(std::string name, std::span<const std::byte> bytes);
  void Add(std::string name, ByteSink content);
  void Add(std::string name, std::uint64_t bytes, Producer producer);

  // Through a temporary file, synced and renamed: after an error, `path` is what it was. INVALID_ARGUMENT for a name
  // that is empty, too long, not printable or given twice; INTERNAL for a producer that gives more or less than it
  // said; else what io::FileError says of the disk.
  [[nodiscard]] absl::Status Write(const std::string& path, io::FileOps& ops = io::FileOps::Real()) const;

 private:
  struct Part {
    std::string name;
    std::uint64_t bytes;
    Producer producer;
  };
  [[nodiscard]] absl::Status CheckNames() const;
  std::vector<Part> parts_;
};

// Not thread-safe.
class CheckpointReader {
 public:
  // Checks the header, the table and the layout against the size of the file; sections are checked when they are read.
  // INVALID_ARGUMENT for what is no checkpoint, FAILED_PRECONDITION for another version, DATA_LOSS for one that is cut
  // short or damaged, RESOURCE_EXHAUSTED above `max_bytes`; NOT_FOUND, PERMISSION_DENIED, … as the system says.
  [[nodiscard]] static absl::StatusOr<CheckpointReader> Open(const std::string& path, std::uint64_t max_bytes);

  [[nodiscard]] std::vector<std::string> names() const;  // in the order of the file
  [[nodiscard]] bool Has(const std::string& name) const;
  // NOT_FOUND without that section.
  [[nodiscard]] absl::StatusOr<std::uint64_t> BytesOf(const std::string& name) const;

  // The section, aligned to 64 bytes and kept until Release or the end of the reader. NOT_FOUND; DATA_LOSS when its
  // checksum differs or the file shrank; RESOURCE_EXHAUSTED when there is no memory for it.
  [[nodiscard]] absl::StatusOr<std::span<const std::byte>> Section(const std::string& name);
  void Release(const std::string& name);
  // The same without keeping it: into memory of exactly its size, FAILED_PRECONDITION otherwise. After an error `to`
  // holds anything.
  [[nodiscard]] absl::Status ReadInto(const std::string& name, std::span<std::byte> to);

 private:
  struct Entry {
    std::string name;
    std::uint64_t offset, bytes;
    std::uint32_t crc;
  };
  CheckpointReader(std::string path, std::ifstream file) : path_(std::move(path)), file_(std::move(file)) {}
  [[nodiscard]] absl::Status ReadLayout(std::uint64_t file_bytes);
  [[nodiscard]] absl::Status ReadTable(std::uint64_t table_offset, std::uint32_t table_bytes, std::uint32_t sections);
  [[nodiscard]] absl::Status CheckPadding(std::uint64_t begin, std::uint64_t end);
  [[nodiscard]] absl::Status ReadAt(std::uint64_t offset, std::span<std::byte> to);
  [[nodiscard]] absl::StatusOr<const Entry*> Find(const std::string& name) const;

  std::string path_;
  std::ifstream file_;
  std::vector<Entry> entries_;
  std::map<std::string, io::Blob> kept_;
};

}  // namespace dvren
