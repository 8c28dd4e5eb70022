#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>

#include "dvren/io/atomic_file.h"
#include "dvren/io/exr.h"
#include "dvren/io/npz.h"
#include "dvren/io/png.h"
#include "dvren/io/vdb.h"
#include "io_fixture.h"

namespace dvren::io::test {
namespace {

using absl::StatusCode;

std::span<const std::byte> Bytes(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// Lets `room` bytes through, then the disk is full.
class FullDisk : public FileOps {
 public:
  explicit FullDisk(std::int64_t room) : room_(room) {}
  std::int64_t Write(int file, const void* data, std::size_t bytes) override {
    if (room_ == 0) return -ENOSPC;
    const std::int64_t written =
        FileOps::Write(file, data, std::min<std::size_t>(bytes, static_cast<std::size_t>(room_)));
    if (written > 0) room_ -= written;
    return written;
  }

 private:
  std::int64_t room_;
};

class FailingSync : public FileOps {
 public:
  int Sync(int) override { return -EIO; }
};

class FailingRename : public FileOps {
 public:
  int Rename(const std::string&, const std::string&) override { return -EXDEV; }
};

// Notes the order of what is done.
class Recorder : public FileOps {
 public:
  int Sync(int file) override {
    log += "sync ";
    return FileOps::Sync(file);
  }
  int Rename(const std::string& from, const std::string& to) override {
    log += "rename ";
    return FileOps::Rename(from, to);
  }
  int SyncFolder(const std::string& folder) override {
    log += "folder";
    return FileOps::SyncFolder(folder);
  }
  std::string log;
};

// Short writes and interruptions, as the kernel may answer.
class Stutter : public FileOps {
 public:
  std::int64_t Write(int file, const void* data, std::size_t bytes) override {
    if (++calls_ % 3 == 0) return -EINTR;
    return FileOps::Write(file, data, std::min<std::size_t>(bytes, 3));
  }

 private:
  int calls_ = 0;
};

}  // namespace

TEST_CASE("A committed file holds what was written, and nothing else is left") {
  const TempFolder folder;
  AtomicFile file = Get(AtomicFile::Create(folder / "a"));
  Ok(file.Write(Bytes("hello ")));
  Ok(file.Write(Bytes("world")));
  CHECK_FALSE(std::filesystem::exists(folder / "a"));
  Ok(file.Commit());
  CHECK(ReadBytes(folder / "a") == "hello world");
  CHECK(folder.Names() == std::vector<std::string>{"a"});
}

TEST_CASE("A file is replaced whole, and one not committed leaves the old one") {
  const TempFolder folder;
  WriteBytes(folder / "a", "old");
  {
    AtomicFile file = Get(AtomicFile::Create(folder / "a"));
    Ok(file.Write(Bytes("half of the n")));
  }
  CHECK(ReadBytes(folder / "a") == "old");
  CHECK(folder.Names() == std::vector<std::string>{"a"});
  Ok(WriteFileAtomically(folder / "a", Bytes("new")));
  CHECK(ReadBytes(folder / "a") == "new");
}

TEST_CASE("Data are on the disk before the name, and the name before success") {
  const TempFolder folder;
  Recorder ops;
  Ok(WriteFileAtomically(folder / "a", Bytes("x"), ops));
  CHECK(ops.log == "sync rename folder");
}

TEST_CASE("Short and interrupted writes are carried on") {
  const TempFolder folder;
  Stutter ops;
  Ok(WriteFileAtomically(folder / "a", Bytes("0123456789"), ops));
  CHECK(ReadBytes(folder / "a") == "0123456789");
}

TEST_CASE("A full disk, a failing sync and a failing rename are errors that leave the old file alone") {
  const TempFolder folder;
  WriteBytes(folder / "a", "old");
  const std::string path = folder / "a";
  FullDisk full(4);
  CHECK(Refused(WriteFileAtomically(path, Bytes("0123456789"), full), StatusCode::kResourceExhausted,
                {path.c_str(), "No space left on device"}));
  FailingSync sync;
  CHECK(Refused(WriteFileAtomically(path, Bytes("x"), sync), StatusCode::kDataLoss,
                {path.c_str(), "Input/output error"}));
  FailingRename rename;
  CHECK_FALSE(WriteFileAtomically(path, Bytes("x"), rename).ok());
  CHECK(ReadBytes(path) == "old");
  CHECK(folder.Names() == std::vector<std::string>{"a"});
}

TEST_CASE("A full disk fails every writer, and leaves nothing behind") {
  const TempFolder folder;
  const std::vector<float> pixels(3 * 64 * 64, 0.25f);
  const std::array<std::int64_t, 3> shape{64, 64, 3};
  const NpyView view{DType::kF32, shape, pixels.data()};
  const DenseVolume volume =
      Dense(20, 20, 20, [](auto x, auto y, auto z) { return static_cast<double>(x * y + z) / 40; });
  for (const std::int64_t room : {0, 1, 100}) {
    FullDisk disk(room);
    const std::vector<absl::Status> results = {
        WriteNpy(folder / "a.npy", view, disk),
        WriteNpz(folder / "a.npz", {{"rgb", view}}, {}, disk),
        WritePng(folder / "a.png", 64, 64, 3, 8, pixels, true, disk),
        WriteExr(folder / "a.exr", 64, 64, {{"R", pixels, 3}}, disk),
        WriteVdb(folder / "a.vdb", volume, disk),
    };
    for (const absl::Status& result : results) {
      if (result.code() == StatusCode::kUnimplemented) {
        WARN("skipped: " << result.message());
        continue;
      }
      CHECK(Refused(result, StatusCode::kResourceExhausted, {folder.path().c_str(), "No space left on device"}));
    }
  }
  CHECK(folder.Names().empty());
}

TEST_CASE("The kernel's own file-size limit is reported as RESOURCE_EXHAUSTED") {
  const TempFolder folder;
  const pid_t child = fork();
  if (child == 0) {  // the limit cannot be raised again, so it is set in a process of its own
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};
    setrlimit(RLIMIT_FSIZE, &limit);
    const absl::Status status = WriteFileAtomically(folder / "a", Bytes(std::string(5000, 'x')));
    _exit(status.code() == StatusCode::kResourceExhausted ? 0 : 1);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
  CHECK(folder.Names().empty());
}

TEST_CASE("An output that cannot be written is named with the reason") {
  const TempFolder folder;
  const std::string missing = folder / "nowhere/a.npy";
  CHECK(Refused(WriteFileAtomically(missing, Bytes("x")), StatusCode::kNotFound,
                {missing.c_str(), "No such file or directory"}));
  CHECK(
      Refused(WriteFileAtomically(folder.path(), Bytes("x")), StatusCode::kFailedPrecondition, {"not a regular file"}));
  CHECK(Refused(WriteFileAtomically("/dev/null", Bytes("x")), StatusCode::kFailedPrecondition, {"not a regular file"}));
  CHECK(Refused(WriteFileAtomically("", Bytes("x")), StatusCode::kInvalidArgument, {"path"}));
  CHECK(std::filesystem::is_character_file("/dev/null"));
}

TEST_CASE("A symbolic link is written through and stays a link") {
  const TempFolder folder;
  WriteBytes(folder / "target", "old");
  std::filesystem::create_symlink("target", folder / "link");
  Ok(WriteFileAtomically(folder / "link", Bytes("new")));
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(ReadBytes(folder / "target") == "new");
}

}  // namespace dvren::io::test
