#include "dvren/io/npz.h"

#include <zip.h>

#include <limits>
#include <memory>
#include <set>

#include "byte_reader.h"
#include "grid_choice.h"
#include "npy_stream.h"
#include "printable.h"

namespace dvren::io {
namespace {

constexpr zip_int64_t kMaxEntries = 4096;
constexpr std::uint64_t kMaxDeflateRatio = 1032;  // what deflate can reach at all

struct CloseArchive {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct CloseEntry {
  void operator()(zip_file_t* entry) const { zip_fclose(entry); }
};
using Archive = std::unique_ptr<zip_t, CloseArchive>;
using Entry = std::unique_ptr<zip_file_t, CloseEntry>;

absl::Status Damaged(absl::string_view path, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": not a readable NPZ: ", what));
}

absl::Status TooBig(absl::string_view name, std::uint64_t max_bytes) {
  return absl::ResourceExhaustedError(absl::StrCat(name, ": takes more than the ", max_bytes, " bytes allowed"));
}

struct Member {
  zip_uint64_t index;
  std::string name;  // without .npy
  std::uint64_t bytes;
};

// The entries, refused before anything is decompressed where what they declare cannot be.
absl::StatusOr<std::vector<Member>> ListMembers(zip_t* archive, const std::string& path, std::uint64_t file_bytes,
                                                std::uint64_t max_bytes) {
  const zip_int64_t count = zip_get_num_entries(archive, 0);
  if (count > kMaxEntries) return Damaged(path, absl::StrCat(count, " entries, at most ", kMaxEntries));
  std::vector<Member> members;
  std::uint64_t total = 0;
  std::set<std::string> seen;
  for (zip_int64_t i = 0; i < count; ++i) {
    zip_stat_t stat;
    if (zip_stat_index(archive, static_cast<zip_uint64_t>(i), 0, &stat) != 0) {
      return Damaged(path, zip_error_strerror(zip_get_error(archive)));
    }
    constexpr zip_uint64_t kNeeded =
        ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    if ((stat.valid & kNeeded) != kNeeded) return Damaged(path, absl::StrCat("entry ", i, " has no full description"));
    const std::string name = stat.name;
    if (!IsPrintable(name)) return Damaged(path, absl::StrCat("entry ", i, " is named ", Printable(name)));
    if (!name.ends_with(".npy")) return Damaged(path, absl::StrCat("entry ", name, " is not an .npy array"));
    if (stat.encryption_method != ZIP_EM_NONE) return Damaged(path, absl::StrCat("entry ", name, " is encrypted"));
    if (stat.comp_method != ZIP_CM_STORE && stat.comp_method != ZIP_CM_DEFLATE) {
      return Damaged(path, absl::StrCat("entry ", name, " is compressed by method ", stat.comp_method,
                                        ", must be stored or deflated"));
    }
    const std::uint64_t ratio = stat.comp_method == ZIP_CM_STORE ? 1 : kMaxDeflateRatio;
    if (stat.comp_size > file_bytes || stat.size / ratio > stat.comp_size) {
      return Damaged(path, absl::StrCat("entry ", name, " declares ", stat.size, " bytes from ", stat.comp_size));
    }
    if (stat.size > max_bytes - total) {
      return TooBig(path, max_bytes);
    }
    total += stat.size;
    if (!seen.insert(name).second) return Damaged(path, absl::StrCat("holds ", name, " twice"));
    members.push_back({static_cast<zip_uint64_t>(i), name.substr(0, name.size() - 4), stat.size});
  }
  return members;
}

struct Opened {
  Archive archive;
  std::vector<Member> members;
};

absl::StatusOr<Opened> Open(const std::string& path, const std::string& name, std::uint64_t max_bytes) {
  // Opened here first: says why in the words of the other readers, and gives the size to hold declared ones against.
  DVREN_ASSIGN_OR_RETURN(const std::unique_ptr<FileReader> file, FileReader::Open(path, name));
  Opened opened;
  int code = 0;
  opened.archive.reset(zip_open(path.c_str(), ZIP_RDONLY, &code));
  if (opened.archive == nullptr) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    absl::Status status = Damaged(name, zip_error_strerror(&error));
    zip_error_fini(&error);
    return status;
  }
  DVREN_ASSIGN_OR_RETURN(opened.members, ListMembers(opened.archive.get(), name, file->size(), max_bytes));
  return opened;
}

absl::StatusOr<NpyArray> ReadMember(zip_t* archive, const Member& member, const std::string& path) {
  const Entry entry(zip_fopen_index(archive, member.index, 0));
  const std::string name = absl::StrCat(path, ": ", member.name, ".npy");
  if (entry == nullptr) return Damaged(name, zip_error_strerror(zip_get_error(archive)));
  const NextBytes next = [&](void* to, std::uint64_t bytes) -> absl::Status {
    auto* at = static_cast<char*>(to);
    while (bytes > 0) {
      const zip_int64_t got = zip_fread(entry.get(), at, bytes);
      if (got < 0) return Damaged(name, zip_error_strerror(zip_file_get_error(entry.get())));
      if (got == 0) return Damaged(name, "cut short");
      at += got;
      bytes -= static_cast<std::uint64_t>(got);
    }
    return absl::OkStatus();
  };
  DVREN_ASSIGN_OR_RETURN(NpyArray array, ReadNpyStream(next, member.bytes, member.bytes, name));
  char extra;  // reading to the end is also what makes libzip compare the CRC
  const zip_int64_t got = zip_fread(entry.get(), &extra, 1);
  if (got < 0) return Damaged(name, zip_error_strerror(zip_file_get_error(entry.get())));
  if (got > 0) return Damaged(name, "longer than it declares");
  return array;
}

absl::Status ZipFailed(const std::string& path, zip_error_t* error) {
  absl::Status status = absl::InternalError(absl::StrCat(path, ": cannot write the ZIP: ", zip_error_strerror(error)));
  zip_error_fini(error);
  return status;
}

}  // namespace

absl::StatusOr<std::map<std::string, NpyArray>> ReadNpz(const std::string& path, std::uint64_t max_bytes) {
  DVREN_ASSIGN_OR_RETURN(const Opened opened, Open(path, path, max_bytes));
  std::map<std::string, NpyArray> arrays;
  for (const Member& member : opened.members) {
    DVREN_ASSIGN_OR_RETURN(NpyArray array, ReadMember(opened.archive.get(), member, path));
    arrays.emplace(member.name, std::move(array));
  }
  return arrays;
}

absl::StatusOr<NpyArray> ReadNpzArray(const std::string& path, const std::string& name, const std::string& asked,
                                      std::uint64_t max_bytes) {
  DVREN_ASSIGN_OR_RETURN(const Opened opened, Open(path, name, std::numeric_limits<std::uint64_t>::max()));
  std::vector<std::string> names;
  for (const Member& member : opened.members) names.push_back(member.name);
  DVREN_ASSIGN_OR_RETURN(const std::size_t chosen, ChooseGrid(names, asked, {"density", "values"}, name));
  const Member& member = opened.members[chosen];
  if (member.bytes > max_bytes) return TooBig(absl::StrCat(name, ": ", member.name, ".npy"), max_bytes);
  return ReadMember(opened.archive.get(), member, name);
}

absl::Status WriteNpz(const std::string& path, const std::vector<std::pair<std::string, NpyView>>& arrays,
                      const NpzOptions& options, FileOps& ops) {
  // The archive is put together in memory, so that writing it to the disk has one place and one kind of error.
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* target = zip_source_buffer_create(nullptr, 0, 0, &error);
  if (target == nullptr) return ZipFailed(path, &error);
  zip_source_keep(target);  // outlives the archive, to read the bytes back
  const std::unique_ptr<zip_source_t, void (*)(zip_source_t*)> keep(target, zip_source_free);
  Archive archive(zip_open_from_source(target, ZIP_CREATE | ZIP_TRUNCATE, &error));
  if (archive == nullptr) {
    zip_source_free(target);
    return ZipFailed(path, &error);
  }
  std::vector<std::string> entries;  // alive until zip_close reads them
  entries.reserve(arrays.size());
  for (const auto& [name, view] : arrays) {
    if (name.empty()) return absl::InvalidArgumentError(absl::StrCat(path, ": an array has no name"));
    std::uint64_t bytes = 0;
    DVREN_ASSIGN_OR_RETURN(std::string entry, NpyHeader(view, absl::StrCat(path, ": ", name), &bytes));
    entry.append(static_cast<const char*>(view.data), bytes);
    entries.push_back(std::move(entry));
    zip_source_t* source = zip_source_buffer(archive.get(), entries.back().data(), entries.back().size(), 0);
    if (source == nullptr) return ZipFailed(path, zip_get_error(archive.get()));
    const zip_int64_t index = zip_file_add(archive.get(), (name + ".npy").c_str(), source, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
      zip_source_free(source);
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": cannot add array ", name, ": ", zip_error_strerror(zip_get_error(archive.get()))));
    }
    const auto at = static_cast<zip_uint64_t>(index);
    constexpr zip_uint16_t kFirstOfJanuary1980 = 1 << 5 | 1;
    zip_file_set_dostime(archive.get(), at, 0, kFirstOfJanuary1980, 0);
    zip_set_file_compression(archive.get(), at, options.compress ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0);
  }
  if (arrays.empty()) return absl::InvalidArgumentError(absl::StrCat(path, ": no array to write"));
  if (zip_close(archive.get()) != 0) return ZipFailed(path, zip_get_error(archive.get()));
  (void)archive.release();  // closed

  DVREN_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::Create(path, ops));
  if (zip_source_open(target) != 0) return ZipFailed(path, zip_source_error(target));
  std::vector<std::byte> chunk(1 << 20);
  zip_int64_t got;
  while ((got = zip_source_read(target, chunk.data(), chunk.size())) > 0) {
    DVREN_RETURN_IF_ERROR(file.Write(chunk.data(), static_cast<std::size_t>(got)));
  }
  zip_source_close(target);
  if (got < 0) return ZipFailed(path, zip_source_error(target));
  return file.Commit();
}

absl::Status WriteNpz(const std::string& path, const std::map<std::string, NpyArray>& arrays, const NpzOptions& options,
                      FileOps& ops) {
  std::vector<std::pair<std::string, NpyView>> views;
  for (const auto& [name, array] : arrays) {
    views.emplace_back(name, NpyView{array.dtype, array.shape, array.data.data()});
  }
  return WriteNpz(path, views, options, ops);
}

}  // namespace dvren::io
