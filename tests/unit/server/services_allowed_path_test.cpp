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

}  // namespace
}  // namespace dvren::server
