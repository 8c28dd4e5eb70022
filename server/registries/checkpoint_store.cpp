#include "server/registries/checkpoint_store.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "server/registries/durable_file.h"

namespace dvren::server {
namespace {

namespace fs = std::filesystem;

constexpr char kPrefix[] = "checkpoints/";
constexpr char kExtension[] = ".dvckpt";
constexpr std::size_t kMaxCharacters = 128;

absl::StatusOr<std::string> CheckedName(const std::string& name, const char* path) {
  const std::string bare(absl::StripPrefix(name, kPrefix));
  const bool word = std::all_of(bare.begin(), bare.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
  if (bare.empty() || bare.size() > kMaxCharacters || !word || bare.front() == '.') {
    const std::string shown =
        word && bare.size() <= kMaxCharacters ? absl::StrCat("\"", bare, "\"") : "a name of its own kind";
    return InvalidField(
        path, shown,
        absl::StrCat("must be 1 to ", kMaxCharacters, " letters, digits, '.', '_' or '-', and not begin with '.'"));
  }
  return bare;
}

// Of a tenant's folder; never "." or "..", whatever tenants are called.
std::string TenantFolder(const std::string& tenant) {
  return "t-" + tenant;
}

}  // namespace

std::string CheckpointName(const std::string& name) {
  return absl::StartsWith(name, kPrefix) ? name : kPrefix + name;
}

absl::StatusOr<CheckpointStore> CheckpointStore::Open(const std::string& data_dir) {
  const std::string folder = data_dir + "/checkpoints";
  DVREN_RETURN_IF_ERROR(MakeDirectories(folder));
  std::error_code ignored;
  std::vector<fs::path> left;
  for (const auto& entry : fs::recursive_directory_iterator(folder, ignored)) {
    if (entry.is_regular_file(ignored) &&
        absl::StrContains(entry.path().filename().string(), std::string(kExtension) + ".tmp-")) {
      left.push_back(entry.path());
    }
  }
  for (const fs::path& path : left) fs::remove(path, ignored);
  return CheckpointStore(folder);
}

absl::StatusOr<CheckpointStore> CheckpointStore::OpenShared(const std::string& folder) {
  const std::string checkpoints = folder + "/checkpoints";
  DVREN_RETURN_IF_ERROR(MakeDirectories(checkpoints));
  return CheckpointStore(checkpoints);
}

int CheckpointStore::RemoveUnwanted(const std::function<bool(const std::string& name)>& wants,
                                    std::int64_t age_s) const {
  const auto before = fs::file_time_type::clock::now() - std::chrono::seconds(age_s);
  std::error_code error;
  std::vector<fs::path> old;
  for (const auto& entry : fs::recursive_directory_iterator(folder_, error)) {
    if (entry.is_regular_file(error) && entry.last_write_time(error) <= before) old.push_back(entry.path());
  }
  int removed = 0;
  for (const fs::path& path : old) {
    const bool whole = path.extension() == kExtension;
    if (whole && wants(path.stem().string())) continue;
    if (fs::remove(path, error)) ++removed;
  }
  return removed;
}

absl::StatusOr<std::string> CheckpointStore::PathToWrite(const std::string& tenant, const std::string& name) const {
  DVREN_ASSIGN_OR_RETURN(const std::string bare, CheckedName(name, "name"));
  const std::string folder = absl::StrCat(folder_, "/", TenantFolder(tenant));
  DVREN_RETURN_IF_ERROR(MakeDirectories(folder));
  return absl::StrCat(folder, "/", bare, kExtension);
}

absl::StatusOr<std::string> CheckpointStore::PathToRead(const std::string& tenant, const std::string& name) const {
  DVREN_ASSIGN_OR_RETURN(const std::string bare, CheckedName(name, "checkpoint"));
  std::string path = absl::StrCat(folder_, "/", TenantFolder(tenant), "/", bare, kExtension);
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) {
    return absl::NotFoundError(absl::StrCat("checkpoint = ", CheckpointName(bare), ": no such checkpoint"));
  }
  return path;
}

std::vector<std::string> CheckpointStore::List(const std::string& tenant) const {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(absl::StrCat(folder_, "/", TenantFolder(tenant)), ignored)) {
    if (!entry.is_regular_file(ignored) || entry.path().extension() != kExtension) continue;
    names.push_back(CheckpointName(entry.path().stem().string()));
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status CheckpointStore::Delete(const std::string& tenant, const std::string& name) const {
  DVREN_ASSIGN_OR_RETURN(const std::string path, PathToRead(tenant, name));
  std::error_code error;
  if (fs::remove(path, error)) return SyncDirectory(fs::path(path).parent_path().string(), {});
  if (!error) return absl::NotFoundError(absl::StrCat("checkpoint = ", CheckpointName(name), ": no such checkpoint"));
  return absl::InternalError(absl::StrCat("checkpoint = ", CheckpointName(name), ": ", error.message()));
}

}  // namespace dvren::server
