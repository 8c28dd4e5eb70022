#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "server/services/allowed_path.h"
#include "support/temp_folder.h"

namespace dvren::server {
namespace {

TEST_CASE("Only files below a root may be named, symbolic links resolved") {
  const dvren::test::TempFolder folder;
  const std::string root = folder / "root";
  std::filesystem::create_directories(root + "/sub");
  std::ofstream(root + "/sub/in.npy") << "x";
  std::ofstream(folder / "out.npy") << "x";
  std::filesystem::create_directories(folder / "root2");
  std::ofstream(folder / "root2/beside.npy") << "x";
  std::filesystem::create_symlink(folder / "out.npy", root + "/leads_out.npy");
  std::filesystem::create_symlink(root + "/sub/in.npy", folder / "leads_in.npy");

  CHECK(*ResolveAllowedPath(root + "/sub/in.npy", {root}) == std::filesystem::canonical(root + "/sub/in.npy"));
  CHECK(ResolveAllowedPath(root + "/./sub/../sub/in.npy", {root}).ok());
  CHECK(ResolveAllowedPath(folder / "leads_in.npy", {root}).ok());
  CHECK(ResolveAllowedPath(root + "/sub/in.npy", {"/nowhere", root}).ok());

  for (const std::string& outside :
       {folder / "out.npy", root + "/../out.npy", root + "/leads_out.npy", folder / "root2/beside.npy",
        folder / "missing.npy", root, std::string("/etc/passwd")}) {
    const absl::Status status = ResolveAllowedPath(outside, {root}).status();
    CHECK(absl::IsPermissionDenied(status));
    CHECK(std::string(status.message()).find("path = " + outside) == 0);
    CHECK(std::string(status.message()).find("--root") != std::string::npos);
  }
  CHECK(absl::IsPermissionDenied(ResolveAllowedPath(root + "/sub/in.npy", {}).status()));
  CHECK(absl::IsNotFound(ResolveAllowedPath(root + "/missing.npy", {root}).status()));
  CHECK(absl::IsInvalidArgument(ResolveAllowedPath(root + "/sub", {root}).status()));
  CHECK(absl::IsInvalidArgument(ResolveAllowedPath("sub/in.npy", {root}).status()));
  CHECK(absl::IsInvalidArgument(ResolveAllowedPath("", {root}).status()));
}

TEST_CASE("Folders may be named below a root, and the root itself") {
  const dvren::test::TempFolder folder;
  const std::string root = folder / "root";
  std::filesystem::create_directories(root + "/photos");
  std::ofstream(root + "/file") << "x";
  std::filesystem::create_directories(folder / "root2");
  std::filesystem::create_symlink(folder / "root2", root + "/leads_out");
  const auto resolve = [&](const std::string& path) { return ResolveAllowedFolder("dataset.path", path, {root}); };
  CHECK(*resolve(root + "/photos") == std::filesystem::canonical(root + "/photos"));
  CHECK(*resolve(root + "/photos/") == std::filesystem::canonical(root + "/photos"));
  CHECK(*resolve(root) == std::filesystem::canonical(root));
  for (const std::string& outside : {folder.path(), root + "/leads_out", folder / "root2", std::string("/")}) {
    CHECK(absl::IsPermissionDenied(resolve(outside).status()));
    CHECK(std::string(resolve(outside).status().message()).find("dataset.path = /") == 0);
  }
  CHECK(absl::IsNotFound(resolve(root + "/missing").status()));
  CHECK(absl::IsInvalidArgument(resolve(root + "/file").status()));
  CHECK(absl::IsInvalidArgument(resolve("photos").status()));
}

}  // namespace
}  // namespace dvren::server
