#include "output_path.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

namespace dvren::ctl {
namespace {

namespace fs = std::filesystem;

struct Scratch {
  fs::path path = fs::temp_directory_path() / ("dvrenctl_path_" + std::to_string(::getpid()));
  Scratch() { fs::create_directories(path); }
  ~Scratch() { fs::remove_all(path); }
};

TEST_CASE("A writable path leaves nothing behind when it is checked") {
  const Scratch scratch;
  CHECK(CheckWritable("--out", (scratch.path / "a.png").string()).ok());
  CHECK(fs::is_empty(scratch.path));
}

TEST_CASE("A path that cannot be written is refused before any work") {
  const Scratch scratch;
  const absl::Status missing = CheckWritable("--out", (scratch.path / "no/a.png").string());
  CHECK(missing.code() == absl::StatusCode::kNotFound);
  CHECK_THAT(std::string(missing.message()), Catch::StartsWith("--out = ") && Catch::Contains("make it first"));
  CHECK(CheckWritable("--out", scratch.path.string()).code() == absl::StatusCode::kInvalidArgument);
  CHECK(CheckWritable("--out", scratch.path.string() + "/").code() == absl::StatusCode::kInvalidArgument);
  CHECK(CheckWritable("--out", "/dev/null").code() == absl::StatusCode::kInvalidArgument);
  CHECK_FALSE(CheckWritable("--out", "/proc/a.png").ok());
}

TEST_CASE("Frames of a turn are numbered with at least three digits") {
  CHECK(NumberedPath("turn.png", 7, 36) == "turn_007.png");
  CHECK(NumberedPath("out/turn.exr", 0, 1) == "out/turn_000.exr");
  CHECK(NumberedPath("turn.png", 12, 20000) == "turn_00012.png");
}

TEST_CASE("Extensions are compared without case") {
  CHECK(LowerExtension("a/B.PNG") == ".png");
  CHECK(LowerExtension("plain").empty());
}

}  // namespace
}  // namespace dvren::ctl
