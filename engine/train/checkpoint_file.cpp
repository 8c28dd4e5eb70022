#include "dvren/train/checkpoint_file.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <set>
#include <system_error>

namespace dvren {
namespace {

constexpr absl::string_view kMagic = "DVRENCKP";
constexpr std::size_t kHeaderBytes = 32, kCheckedHeaderBytes = 28, kCrcBytes = 4;
constexpr std::uint64_t kAlignment = 64;
constexpr std::size_t kReadBytes = std::size_t{1} << 20;  // read and checksummed at a time, in the cache
constexpr std::size_t kEntryBytesBesideName = 16;
constexpr std::size_t kMaxTableBytes =
    kMaxCheckpointSections * (kEntryBytesBesideName + kMaxCheckpointName) + kCrcBytes;
constexpr std::array<std::byte, kAlignment> kZeros{};

std::uint32_t Crc(std::span<const std::byte> bytes, std::uint32_t before = 0) {
  // zlib takes a null pointer for a request of the initial value.
  if (bytes.empty()) return before;
  return static_cast<std::uint32_t>(crc32_z(before, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

std::uint64_t AlignUp(std::uint64_t offset) {
  return (offset + kAlignment - 1) / kAlignment * kAlignment;
}

bool IsSectionName(const std::string& name) {
  return !name.empty() && name.size() <= kMaxCheckpointName &&
         std::all_of(name.begin(), name.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

absl::Status Damaged(const std::string& path, absl::string_view what) {
  return absl::DataLossError(absl::StrCat(path, ": damaged checkpoint: ", what, "; use an older one"));
}

ByteSink HeaderOf(std::uint32_t sections, std::uint64_t file_bytes, std::uint32_t table_bytes) {
  ByteSink header;
  header.PutElements(std::span<const char>(kMagic.data(), kMagic.size()));
  header.Put(kCheckpointVersion);
  header.Put(sections);
  header.Put(file_bytes);
  header.Put(table_bytes);
  header.Put(Crc(header.bytes()));
  return header;
}

}  // namespace

void CheckpointWriter::Add(std::string name, std::span<const std::byte> bytes) {
  Add(std::move(name), bytes.size(), [bytes](const Sink& sink) { return sink(bytes); });
}

void CheckpointWriter::Add(std::string name, ByteSink content) {
  const std::uint64_t bytes = content.bytes().size();
  auto kept = std::make_shared<const ByteSink>(std::move(content));
  Add(std::move(name), bytes, [kept](const Sink& sink) { return sink(kept->bytes()); });
}

void CheckpointWriter::Add(std::string name, std::uint64_t bytes, Producer producer) {
  parts_.push_back({std::move(name), bytes, std::move(producer)});
}

absl::Status CheckpointWriter::CheckNames() const {
  if (parts_.size() > kMaxCheckpointSections) {
    return InvalidField("checkpoint.sections", parts_.size(), absl::StrCat("must be at most ", kMaxCheckpointSections));
  }
  std::set<std::string> seen;
  for (const Part& part : parts_) {
    if (!IsSectionName(part.name)) {
      return absl::InvalidArgumentError(absl::StrCat("checkpoint.sections: a name of ", part.name.size(),
                                                     " bytes: must be 1 to ", kMaxCheckpointName,
                                                     " printable ASCII characters"));
    }
    if (!seen.insert(part.name).second) return InvalidField("checkpoint.sections", part.name, "given twice");
  }
  return absl::OkStatus();
}

absl::Status CheckpointWriter::Write(const std::string& path, io::FileOps& ops) const {
  DVREN_RETURN_IF_ERROR(CheckNames());
  std::uint64_t end = kHeaderBytes;
  std::size_t table_bytes = kCrcBytes;
  for (const Part& part : parts_) {
    end = AlignUp(end) + part.bytes;
    table_bytes += kEntryBytesBesideName + part.name.size();
  }
  DVREN_ASSIGN_OR_RETURN(io::AtomicFile file, io::AtomicFile::Create(path, ops));
  DVREN_RETURN_IF_ERROR(file.Write(
      HeaderOf(static_cast<std::uint32_t>(parts_.size()), end + table_bytes, static_cast<std::uint32_t>(table_bytes))
          .bytes()));
  ByteSink table;
  std::uint64_t at = kHeaderBytes;
  for (const Part& part : parts_) {
    DVREN_RETURN_IF_ERROR(file.Write(kZeros.data(), static_cast<std::size_t>(AlignUp(at) - at)));
    at = AlignUp(at) + part.bytes;
    std::uint64_t left = part.bytes;
    std::uint32_t crc = 0;
    DVREN_RETURN_IF_ERROR(part.producer([&](std::span<const std::byte> bytes) {
      if (bytes.size() > left) {
        return absl::InternalError(
            absl::StrCat("checkpoint section ", part.name, ": more than the ", part.bytes, " bytes it declared"));
      }
      left -= bytes.size();
      crc = Crc(bytes, crc);
      return file.Write(bytes);
    }));
    if (left > 0) {
      return absl::InternalError(absl::StrCat("checkpoint section ", part.name, ": ", left, " of the ", part.bytes,
                                              " bytes it declared missing"));
    }
    table.Put(static_cast<std::uint32_t>(part.name.size()));
    table.PutElements(std::span<const char>(part.name.data(), part.name.size()));
    table.Put(part.bytes);
    table.Put(crc);
  }
  table.Put(Crc(table.bytes()));
  DVREN_RETURN_IF_ERROR(file.Write(table.bytes()));
  return file.Commit();
}

absl::StatusOr<CheckpointReader> CheckpointReader::Open(const std::string& path, std::uint64_t max_bytes) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return io::FileError(path, "read", error ? error.value() : ENOENT);
  if (!fs::is_regular_file(status)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": cannot read: not a regular file"));
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return io::FileError(path, "read", errno == 0 ? EIO : errno);
  const std::uint64_t size = fs::file_size(path, error);
  if (error) return io::FileError(path, "read", error.value());
  if (size > max_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(path, ": ", size, " bytes: more than the ", max_bytes, " allowed"));
  }
  CheckpointReader reader(path, std::move(file));
  DVREN_RETURN_IF_ERROR(reader.ReadLayout(size));
  return reader;
}

absl::Status CheckpointReader::ReadLayout(std::uint64_t file_bytes) {
  std::array<std::byte, kHeaderBytes> header{};
  const std::span<std::byte> there(header.data(),
                                   static_cast<std::size_t>(std::min<std::uint64_t>(file_bytes, kHeaderBytes)));
  DVREN_RETURN_IF_ERROR(ReadAt(0, there));
  const std::size_t magic_bytes = std::min(there.size(), kMagic.size());
  if (std::memcmp(header.data(), kMagic.data(), magic_bytes) != 0) {
    return absl::InvalidArgumentError(absl::StrCat(path_, ": not a dvren checkpoint"));
  }
  if (there.size() < kHeaderBytes) return Damaged(path_, absl::StrCat("cut short after ", file_bytes, " bytes"));
  ByteSource source(std::span<const std::byte>(header).subspan(kMagic.size()), path_);
  std::uint32_t version = 0, sections = 0, table_bytes = 0, crc = 0;
  std::uint64_t declared = 0;
  DVREN_RETURN_IF_ERROR(source.Get(&version));
  // Before the checksum: another version may lay out the rest differently.
  if (version != kCheckpointVersion) {
    return absl::FailedPreconditionError(absl::StrCat(path_, ": checkpoint version ", version, ": this program reads ",
                                                      kCheckpointVersion, "; use the program that wrote it"));
  }
  DVREN_RETURN_IF_ERROR(source.Get(&sections));
  DVREN_RETURN_IF_ERROR(source.Get(&declared));
  DVREN_RETURN_IF_ERROR(source.Get(&table_bytes));
  DVREN_RETURN_IF_ERROR(source.Get(&crc));
  if (crc != Crc(std::span(header).first(kCheckedHeaderBytes))) {
    return Damaged(path_, "the checksum of the header differs");
  }
  if (declared != file_bytes) {
    return Damaged(path_, absl::StrCat(file_bytes, " bytes where ", declared, " were written"));
  }
  if (sections > kMaxCheckpointSections || table_bytes < kCrcBytes || table_bytes > kMaxTableBytes ||
      table_bytes > file_bytes - kHeaderBytes) {
    return Damaged(path_, absl::StrCat("a table of ", sections, " sections in ", table_bytes, " bytes"));
  }
  return ReadTable(file_bytes - table_bytes, table_bytes, sections);
}

absl::Status CheckpointReader::ReadTable(std::uint64_t table_offset, std::uint32_t table_bytes,
                                         std::uint32_t sections) {
  std::vector<std::byte> table(table_bytes);
  DVREN_RETURN_IF_ERROR(ReadAt(table_offset, table));
  const auto entries = std::span<const std::byte>(table).first(table_bytes - kCrcBytes);
  std::uint32_t crc = 0;
  DVREN_RETURN_IF_ERROR(ByteSource(std::span<const std::byte>(table).last(kCrcBytes), path_).Get(&crc));
  if (crc != Crc(entries)) return Damaged(path_, "the checksum of the table differs");
  // A checksum is no proof against someone who means harm: what follows is checked all the same.
  ByteSource source(entries, path_);
  std::uint64_t end = kHeaderBytes;
  std::set<std::string> seen;
  for (std::uint32_t i = 0; i < sections; ++i) {
    Entry entry{};
    std::uint32_t name_bytes = 0;
    DVREN_RETURN_IF_ERROR(source.Get(&name_bytes));
    if (name_bytes > kMaxCheckpointName) return Damaged(path_, absl::StrCat("a name of ", name_bytes, " bytes"));
    entry.name.resize(name_bytes);
    DVREN_RETURN_IF_ERROR(source.GetElements(std::span<char>(entry.name.data(), entry.name.size())));
    if (!IsSectionName(entry.name)) return Damaged(path_, "a name that is not printable");
    if (!seen.insert(entry.name).second) return Damaged(path_, absl::StrCat("section ", entry.name, " is there twice"));
    DVREN_RETURN_IF_ERROR(source.Get(&entry.bytes));
    DVREN_RETURN_IF_ERROR(source.Get(&entry.crc));
    entry.offset = AlignUp(end);
    if (entry.offset > table_offset || entry.bytes > table_offset - entry.offset) {
      return Damaged(path_, absl::StrCat("section ", entry.name, " of ", entry.bytes, " bytes goes beyond the end"));
    }
    DVREN_RETURN_IF_ERROR(CheckPadding(end, entry.offset));
    end = entry.offset + entry.bytes;
    entries_.push_back(std::move(entry));
  }
  DVREN_RETURN_IF_ERROR(source.Finish());
  if (end != table_offset) {
    return Damaged(path_, absl::StrCat("sections end at ", end, ", the table begins at ", table_offset));
  }
  return absl::OkStatus();
}

absl::Status CheckpointReader::CheckPadding(std::uint64_t begin, std::uint64_t end) {
  std::array<std::byte, kAlignment> padding{};
  const std::span<std::byte> bytes(padding.data(), static_cast<std::size_t>(end - begin));
  DVREN_RETURN_IF_ERROR(ReadAt(begin, bytes));
  if (padding == kZeros) return absl::OkStatus();
  return Damaged(path_, absl::StrCat("something between the sections at ", begin));
}

absl::Status CheckpointReader::ReadAt(std::uint64_t offset, std::span<std::byte> to) {
  if (to.empty()) return absl::OkStatus();
  errno = 0;
  file_.clear();
  file_.seekg(static_cast<std::streamoff>(offset));
  file_.read(reinterpret_cast<char*>(to.data()), static_cast<std::streamsize>(to.size()));
  if (file_) return absl::OkStatus();
  if (file_.eof()) return Damaged(path_, "the file shrank while it was read");
  return io::FileError(path_, "read", errno == 0 ? EIO : errno);
}

std::vector<std::string> CheckpointReader::names() const {
  std::vector<std::string> names;
  for (const Entry& entry : entries_) names.push_back(entry.name);
  return names;
}

bool CheckpointReader::Has(const std::string& name) const {
  return Find(name).ok();
}

absl::StatusOr<const CheckpointReader::Entry*> CheckpointReader::Find(const std::string& name) const {
  for (const Entry& entry : entries_) {
    if (entry.name == name) return &entry;
  }
  return absl::NotFoundError(absl::StrCat(path_, ": no section ", name, " in this checkpoint"));
}

absl::StatusOr<std::uint64_t> CheckpointReader::BytesOf(const std::string& name) const {
  DVREN_ASSIGN_OR_RETURN(const Entry* entry, Find(name));
  return entry->bytes;
}

absl::StatusOr<std::span<const std::byte>> CheckpointReader::Section(const std::string& name) {
  DVREN_ASSIGN_OR_RETURN(const std::uint64_t bytes, BytesOf(name));
  auto kept = kept_.find(name);
  if (kept == kept_.end()) {
    io::Blob blob;
    try {
      blob = io::Blob(static_cast<std::size_t>(bytes));
    } catch (const std::bad_alloc&) {
      return absl::ResourceExhaustedError(absl::StrCat(path_, ": out of memory for ", bytes, " bytes of ", name));
    }
    DVREN_RETURN_IF_ERROR(ReadInto(name, std::span(blob.data(), blob.size())));
    kept = kept_.emplace(name, std::move(blob)).first;
  }
  return std::span<const std::byte>(kept->second.data(), kept->second.size());
}

void CheckpointReader::Release(const std::string& name) {
  kept_.erase(name);
}

absl::Status CheckpointReader::ReadInto(const std::string& name, std::span<std::byte> to) {
  DVREN_ASSIGN_OR_RETURN(const Entry* entry, Find(name));
  if (to.size() != entry->bytes) {
    return absl::FailedPreconditionError(
        absl::StrCat(path_, ": section ", name, " has ", entry->bytes, " bytes, ", to.size(), " are wanted"));
  }
  std::uint32_t crc = 0;
  for (std::size_t done = 0; done < to.size(); done += kReadBytes) {
    const std::span<std::byte> chunk = to.subspan(done, std::min(kReadBytes, to.size() - done));
    DVREN_RETURN_IF_ERROR(ReadAt(entry->offset + done, chunk));
    crc = Crc(chunk, crc);
  }
  if (crc != entry->crc) return Damaged(path_, absl::StrCat("the checksum of section ", name, " differs"));
  return absl::OkStatus();
}

}  // namespace dvren
