#include "dvren/train/checkpoint_file.h"

#include <zlib.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <random>

#include "unit/io/io_fixture.h"

namespace dvren::test {
namespace {

using absl::StatusCode;
using io::test::Get;
using io::test::Ok;
using io::test::ReadBytes;
using io::test::Refused;
using io::test::TempFolder;
using io::test::WriteBytes;

constexpr std::uint64_t kAny = UINT64_MAX;

std::span<const std::byte> Bytes(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string Text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

using Sections = std::map<std::string, std::string>;

const Sections& Small() {
  static const Sections sections{{"field/values", "voxels and voxels"}, {"rng", "x"}, {"step", std::string(64, '\0')}};
  return sections;
}

absl::Status Write(const std::string& path, const Sections& sections, io::FileOps& ops = io::FileOps::Real()) {
  CheckpointWriter writer;
  for (const auto& [name, content] : sections) writer.Add(name, Bytes(content));
  return writer.Write(path, ops);
}

// Everything in the file, or why not.
absl::StatusOr<Sections> ReadAll(const std::string& path) {
  DVREN_ASSIGN_OR_RETURN(CheckpointReader reader, CheckpointReader::Open(path, kAny));
  Sections sections;
  for (const std::string& name : reader.names()) {
    DVREN_ASSIGN_OR_RETURN(const std::span<const std::byte> bytes, reader.Section(name));
    sections[name] = Text(bytes);
  }
  return sections;
}

template <class T>
void Overwrite(std::string& file, std::size_t at, T value) {
  std::memcpy(file.data() + at, &value, sizeof(value));  // the tests run on little-endian machines
}

std::uint32_t Crc(const std::string& bytes) {
  return static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<z_size_t>(bytes.size())));
}

std::uint32_t TableBytes(const std::string& file) {
  std::uint32_t bytes = 0;
  std::memcpy(&bytes, file.data() + 24, sizeof(bytes));
  return bytes;
}

// Makes the checksums of header and table right again: damage by someone who knows the format.
void Reseal(std::string& file, std::uint32_t table_bytes) {
  Overwrite(file, 28, Crc(file.substr(0, 28)));
  if (table_bytes < 4 || table_bytes > file.size()) return;
  Overwrite(file, file.size() - 4, Crc(file.substr(file.size() - table_bytes, table_bytes - 4)));
}

// Lets `room` bytes through, then the disk is full.
class FullDisk : public io::FileOps {
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

class FailingSync : public io::FileOps {
 public:
  int Sync(int) override { return -EIO; }
};

}  // namespace

TEST_CASE("Sections come back as they were written, in their order, aligned, and nothing else is left behind") {
  const TempFolder folder;
  const std::string path = folder / "a.ckpt", large(3'000'001, 'v');
  ByteSink state;
  state.Put(std::int64_t{42});
  state.Put("adam");
  CheckpointWriter writer;
  writer.Add("state", std::move(state));
  writer.Add("empty", std::span<const std::byte>());
  writer.Add("large", Bytes(large));
  Ok(writer.Write(path));
  CHECK(folder.Names() == std::vector<std::string>{"a.ckpt"});

  CheckpointReader reader = Get(CheckpointReader::Open(path, kAny));
  CHECK(reader.names() == std::vector<std::string>{"state", "empty", "large"});
  CHECK(reader.Has("large"));
  CHECK_FALSE(reader.Has("larg"));
  CHECK(Get(reader.BytesOf("large")) == large.size());
  const std::span<const std::byte> values = Get(reader.Section("large"));
  CHECK(Text(values) == large);
  CHECK(reinterpret_cast<std::uintptr_t>(values.data()) % 64 == 0);
  CHECK(Get(reader.Section("large")).data() == values.data());  // kept
  reader.Release("large");
  CHECK(Text(Get(reader.Section("large"))) == large);
  CHECK(Get(reader.Section("empty")).empty());
  std::string copy(large.size(), ' ');
  Ok(reader.ReadInto("large", std::as_writable_bytes(std::span(copy.data(), copy.size()))));
  CHECK(copy == large);
  ByteSource source(Get(reader.Section("state")), "state");
  std::int64_t step = 0;
  std::string kind;
  Ok(source.Get(&step));
  Ok(source.Get(&kind));
  Ok(source.Finish());
  CHECK(step == 42);
  CHECK(kind == "adam");
}

TEST_CASE("A section can be handed over in portions") {
  const TempFolder folder;
  std::mt19937 random(3);
  std::string content(200'000, ' ');
  for (char& c : content) c = static_cast<char>(random());
  CheckpointWriter writer;
  writer.Add("field", content.size(), [&](const CheckpointWriter::Sink& sink) {
    for (std::size_t at = 0; at < content.size(); at += 777) {
      DVREN_RETURN_IF_ERROR(sink(Bytes(content).subspan(at, std::min<std::size_t>(777, content.size() - at))));
    }
    return absl::OkStatus();
  });
  Ok(writer.Write(folder / "portions"));
  Ok(Write(folder / "whole", {{"field", content}}));
  CHECK(ReadBytes(folder / "portions") == ReadBytes(folder / "whole"));
  CHECK(Get(ReadAll(folder / "portions")).at("field") == content);
}

TEST_CASE("The bytes of a checkpoint are those of its description") {
  const TempFolder folder;
  Ok(Write(folder / "a", {{"ab", "hello"}, {"c", "!"}}));
  std::string wanted("DVRENCKP\x02\0\0\0\x02\0\0\0", 16);
  std::string table("\x02\0\0\0ab\x05\0\0\0\0\0\0\0....\x01\0\0\0c\x01\0\0\0\0\0\0\0....", 35);
  Overwrite(table, 14, Crc("hello"));
  Overwrite(table, 31, Crc("!"));
  table += std::string(4, '\0');
  Overwrite(table, 35, Crc(table.substr(0, 35)));
  wanted += std::string(12, '\0');
  Overwrite(wanted, 16, std::uint64_t{129 + 39});
  Overwrite(wanted, 24, std::uint32_t{39});
  wanted += std::string(4, '\0');
  Overwrite(wanted, 28, Crc(wanted.substr(0, 28)));
  wanted += std::string(32, '\0') + "hello" + std::string(59, '\0') + "!" + table;
  CHECK(ReadBytes(folder / "a") == wanted);
  CHECK(Crc("123456789") == 0xcbf43926u);  // the published check value of this CRC
}

TEST_CASE("A checkpoint of which any byte is changed is refused") {
  const TempFolder folder;
  const std::string path = folder / "a.ckpt";
  Ok(Write(path, Small()));
  const std::string good = ReadBytes(path);
  REQUIRE(Get(ReadAll(path)) == Small());
  std::size_t accepted = 0, unnamed = 0;
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (const int flip : {0x01, 0x80, 0xff, 0x20}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ flip);
      WriteBytes(path, bad);
      const absl::Status status = ReadAll(path).status();
      const StatusCode wanted = i < 8    ? StatusCode::kInvalidArgument
                                : i < 12 ? StatusCode::kFailedPrecondition
                                         : StatusCode::kDataLoss;
      CAPTURE(i, flip, status.ToString());
      if (status.ok()) ++accepted;
      if (!Refused(status, wanted, {path.c_str()})) ++unnamed;
    }
  }
  CHECK(accepted == 0);
  CHECK(unnamed == 0);
}

TEST_CASE("A checkpoint that is cut short or has something behind it is refused") {
  const TempFolder folder;
  const std::string path = folder / "a.ckpt";
  Ok(Write(path, Small()));
  const std::string good = ReadBytes(path);
  for (std::size_t length = 0; length < good.size(); ++length) {
    WriteBytes(path, good.substr(0, length));
    CAPTURE(length);
    CHECK(Refused(ReadAll(path).status(), StatusCode::kDataLoss, {path.c_str(), "damaged checkpoint", "older one"}));
  }
  WriteBytes(path, good + "x");
  CHECK(Refused(ReadAll(path).status(), StatusCode::kDataLoss, {path.c_str(), "were written"}));
}

TEST_CASE("Sizes that are absurd under right checksums are refused before memory is taken") {
  const TempFolder folder;
  const std::string path = folder / "a.ckpt";
  Ok(Write(path, {{"ab", "hello"}, {"cd", "!"}}));
  const std::string good = ReadBytes(path);
  const std::uint32_t table_bytes = TableBytes(good);
  const std::size_t table = good.size() - table_bytes, entry = 18;
  const std::vector<std::pair<const char*, std::function<void(std::string&)>>> table_of_damage{
      {"sections in", [](std::string& f) { Overwrite(f, 12, UINT32_MAX); }},
      {"sections in", [](std::string& f) { Overwrite(f, 24, UINT32_MAX); }},
      {"sections in", [](std::string& f) { Overwrite(f, 24, std::uint32_t{3}); }},
      {"sections in", [](std::string& f) { Overwrite(f, 24, std::uint32_t{200}); }},
      {"were written", [](std::string& f) { Overwrite(f, 16, UINT64_MAX); }},
      {"cut short", [](std::string& f) { Overwrite(f, 12, std::uint32_t{3}); }},
      {"bytes too many", [](std::string& f) { Overwrite(f, 12, std::uint32_t{1}); }},
      {"bytes too many", [](std::string& f) { Overwrite(f, 12, std::uint32_t{0}); }},
      {"a name of 4294967295 bytes", [=](std::string& f) { Overwrite(f, table, UINT32_MAX); }},
      {"cut short", [=](std::string& f) { Overwrite(f, table, std::uint32_t{200}); }},
      {"not printable", [=](std::string& f) { Overwrite(f, table, std::uint32_t{0}); }},
      {"not printable", [=](std::string& f) { f[table + 4] = '\n'; }},
      {"section ab is there twice", [=](std::string& f) { f[table + entry + 4] = 'a', f[table + entry + 5] = 'b'; }},
      {"section ab of 18446744073709551615 bytes", [=](std::string& f) { Overwrite(f, table + 6, UINT64_MAX); }},
      {"section cd of 18446744073709551552 bytes",
       [=](std::string& f) { Overwrite(f, table + entry + 6, UINT64_MAX - 63); }},
      {"section cd of 2 bytes", [=](std::string& f) { Overwrite(f, table + entry + 6, std::uint64_t{2}); }},
      {"sections end at", [=](std::string& f) { Overwrite(f, table + entry + 6, std::uint64_t{0}); }},
      {"something between", [=](std::string& f) { Overwrite(f, table + 6, std::uint64_t{4}); }},
  };
  for (std::size_t i = 0; i < table_of_damage.size(); ++i) {
    const auto& [message, damage] = table_of_damage[i];
    std::string bad = good;
    damage(bad);
    Reseal(bad, TableBytes(bad));
    WriteBytes(path, bad);
    CAPTURE(i);
    CHECK(Refused(CheckpointReader::Open(path, kAny).status(), StatusCode::kDataLoss, {path.c_str(), message}));
  }
  std::string same = good;
  Reseal(same, table_bytes);
  CHECK(same == good);
}

TEST_CASE("What is no checkpoint, or one of another version, is told apart from a damaged one") {
  const TempFolder folder;
  const std::string path = folder / "a.ckpt";
  WriteBytes(path, "PNG and so on, long enough to be a header of something");
  CHECK(Refused(CheckpointReader::Open(path, kAny).status(), StatusCode::kInvalidArgument,
                {path.c_str(), "not a dvren checkpoint"}));
  WriteBytes(path, "PNG");
  CHECK(Refused(CheckpointReader::Open(path, kAny).status(), StatusCode::kInvalidArgument, {"not a dvren checkpoint"}));
  Ok(Write(path, Small()));
  std::string newer = ReadBytes(path);
  Overwrite(newer, 8, std::uint32_t{3});
  Reseal(newer, TableBytes(newer));
  WriteBytes(path, newer);
  CHECK(Refused(CheckpointReader::Open(path, kAny).status(), StatusCode::kFailedPrecondition,
                {path.c_str(), "version 3", "reads 2"}));
  CHECK(Refused(CheckpointReader::Open(folder / "nowhere", kAny).status(), StatusCode::kNotFound,
                {"nowhere", "No such file or directory"}));
  CHECK(Refused(CheckpointReader::Open(folder.path(), kAny).status(), StatusCode::kInvalidArgument,
                {"not a regular file"}));
}

TEST_CASE("A checkpoint larger than the limit is not opened") {
  const TempFolder folder;
  const std::string path = folder / "a.ckpt";
  Ok(Write(path, Small()));
  const std::uint64_t size = ReadBytes(path).size();
  CHECK(CheckpointReader::Open(path, size).ok());
  CHECK(Refused(CheckpointReader::Open(path, size - 1).status(), StatusCode::kResourceExhausted,
                {path.c_str(), "more than the"}));
}

TEST_CASE("A section that is missing, of another size, or on a file that shrank is an error") {
  const TempFolder folder;
  const std::string path = folder / "a.ckpt";
  Ok(Write(path, Small()));
  CheckpointReader reader = Get(CheckpointReader::Open(path, kAny));
  CHECK(Refused(reader.Section("moments").status(), StatusCode::kNotFound, {path.c_str(), "no section moments"}));
  CHECK(Refused(reader.BytesOf("moments").status(), StatusCode::kNotFound, {"moments"}));
  std::vector<std::byte> three(3);
  CHECK(Refused(reader.ReadInto("rng", three), StatusCode::kFailedPrecondition,
                {path.c_str(), "section rng has 1 bytes, 3 are wanted"}));
  WriteBytes(path, ReadBytes(path).substr(0, 40));  // the same file, cut under the reader
  CHECK(Refused(reader.Section("step").status(), StatusCode::kDataLoss, {path.c_str(), "shrank"}));
}

TEST_CASE("A disk that fills up at any byte leaves the old checkpoint intact") {
  const TempFolder folder;
  const std::string path = folder / "a.ckpt";
  Ok(Write(path, Small()));
  const std::string old = ReadBytes(path);
  const Sections next{{"field/values", "other voxels"}, {"step", "2"}};
  Ok(Write(folder / "next", next));
  const auto size = static_cast<std::int64_t>(ReadBytes(folder / "next").size());
  std::filesystem::remove(folder / "next");
  for (std::int64_t room = 0; room < size; ++room) {
    FullDisk disk(room);
    CAPTURE(room);
    CHECK(Refused(Write(path, next, disk), StatusCode::kResourceExhausted, {path.c_str(), "No space left on device"}));
  }
  FailingSync sync;
  CHECK(Refused(Write(path, next, sync), StatusCode::kDataLoss, {path.c_str(), "Input/output error"}));
  CHECK(ReadBytes(path) == old);
  CHECK(folder.Names() == std::vector<std::string>{"a.ckpt"});
  FullDisk enough(size);
  Ok(Write(path, next, enough));
  CHECK(Get(ReadAll(path)) == next);
}

TEST_CASE("Bad names and producers that break their word write nothing") {
  const TempFolder folder;
  const std::string path = folder / "a.ckpt";
  for (const std::string& name : {std::string(), std::string(256, 'n'), std::string("a\nb"), std::string("\xc3\xa4")}) {
    CHECK(Refused(Write(path, {{name, "x"}}), StatusCode::kInvalidArgument, {"checkpoint.sections", "printable"}));
  }
  CheckpointWriter twice;
  twice.Add("a", Bytes("x"));
  twice.Add("a", Bytes("y"));
  CHECK(Refused(twice.Write(path), StatusCode::kInvalidArgument, {"checkpoint.sections = a", "given twice"}));
  const std::string five = "12345";
  for (const std::uint64_t declared : {4, 6}) {
    CheckpointWriter writer;
    writer.Add("field", declared, [&](const CheckpointWriter::Sink& sink) { return sink(Bytes(five)); });
    CHECK(Refused(writer.Write(path), StatusCode::kInternal, {"section field", "declared"}));
  }
  CheckpointWriter failing;
  failing.Add("field", 5, [](const CheckpointWriter::Sink&) { return absl::UnavailableError("the device is gone"); });
  CHECK(Refused(failing.Write(path), StatusCode::kUnavailable, {"the device is gone"}));
  CHECK(folder.Names().empty());
  Ok(Write(path, {{std::string(255, 'n'), "x"}}));
  CHECK(Get(ReadAll(path)).size() == 1);
}

TEST_CASE("A checkpoint without sections is one") {
  const TempFolder folder;
  Ok(Write(folder / "a", {}));
  CHECK(Get(ReadAll(folder / "a")).empty());
}

}  // namespace dvren::test
