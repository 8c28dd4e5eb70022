#include <sys/stat.h>

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <thread>

#include "dvren/io/import.h"
#include "dvren/io/npz.h"
#include "dvren/io/nvdb.h"
#include "dvren/io/vdb.h"
#include "io_fixture.h"
#include "vdb_samples.h"

namespace dvren::io::test {
namespace {

using absl::StatusCode;

// Imports through the worker, and holds afterwards that nothing was left in the scratch folder.
class Importer {
 public:
  absl::StatusOr<Volume> operator()(ImportRequest request) {
    request.worker_path = DVREN_BIN_DIR "/dvren-parse";
    absl::StatusOr<Volume> volume = ImportVolume(request, scratch_.path());
    if (!scratch_.Names().empty()) throw std::runtime_error(absl::StrCat("left behind: ", scratch_.Names()[0]));
    return volume;
  }

 private:
  TempFolder scratch_;
};

ImportRequest Of(const std::string& path, FieldKind kind = FieldKind::kUnspecified) {
  ImportRequest request;
  request.path = path;
  request.kind = kind;
  return request;
}

template <class T>
void Save(const std::string& path, DType dtype, const std::vector<std::int64_t>& shape, const std::vector<T>& values) {
  Ok(WriteNpy(path, {dtype, shape, values.data()}));
}

}  // namespace

TEST_CASE("A VDB imported through the worker is what reading it here gives") {
  const TempFolder folder;
  Importer import;
  WriteBlockVdb(folder / "a.vdb");
  const auto nano = std::get<NanoVdbVolume>(Get(import(Of(folder / "a.vdb"))));
  const NanoVdbVolume here = Get(VdbToNanoVdb(folder / "a.vdb"));
  REQUIRE(nano.blob.size() == here.blob.size());
  CHECK(std::memcmp(nano.blob.data(), here.blob.data(), here.blob.size()) == 0);
  CHECK(nano.index_to_world == here.index_to_world);
  CHECK((nano.active_min == here.active_min && nano.active_voxels == here.active_voxels));
  ImportRequest request = Of(folder / "a.vdb", FieldKind::kDense);
  request.border = Border::kClamp;
  const auto dense = std::get<DenseVolume>(Get(import(request)));
  const DenseVolume dense_here = Get(VdbToDense(folder / "a.vdb"));
  CHECK((dense.shape == dense_here.shape && dense.box == dense_here.box));
  CHECK(dense.local_to_world == dense_here.local_to_world);
  CHECK(dense.border == Border::kClamp);
  CHECK(std::memcmp(dense.values.data(), dense_here.values.data(), dense_here.values.size()) == 0);
}

TEST_CASE("A NVDB is imported as NanoVDB and as a dense grid") {
  const TempFolder folder;
  Importer import;
  WriteBlockVdb(folder / "a.vdb");
  Ok(WriteNvdb(folder / "a.nvdb", Get(VdbToNanoVdb(folder / "a.vdb")), NvdbCodec::kBlosc));
  CHECK(std::get<NanoVdbVolume>(Get(import(Of(folder / "a.nvdb")))).active_voxels == 24);
  CHECK(std::get<DenseVolume>(Get(import(Of(folder / "a.nvdb", FieldKind::kDense)))).shape ==
        std::array<std::int64_t, 4>{4, 5, 6, 1});
}

TEST_CASE("Arrays of rank 3 are sigma and of rank 4 have channels, f16 stays f16, f64 becomes f32") {
  const TempFolder folder;
  Importer import;
  Save<float>(folder / "three.npy", DType::kF32, {2, 3, 4}, std::vector<float>(24, 0.5f));
  Save<float>(folder / "four.npy", DType::kF32, {1, 2, 3, 4}, std::vector<float>(24, 0.5f));
  Save<std::uint16_t>(folder / "half.npy", DType::kF16, {2, 2, 2}, std::vector<std::uint16_t>(8, 0x3800));
  Save<double>(folder / "wide.npy", DType::kF64, {2, 2, 2}, std::vector<double>(8, 0.1));
  ImportRequest request = Of(folder / "three.npy");
  request.box = Box{{-1, -2, -3}, {1, 2, 3}};
  request.local_to_world = Affine{{2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 7}};
  request.interp = Interp::kNearest;
  const auto three = std::get<DenseVolume>(Get(import(request)));
  CHECK(three.shape == std::array<std::int64_t, 4>{2, 3, 4, 1});
  CHECK((three.box == *request.box && three.local_to_world == *request.local_to_world));
  CHECK(three.interp == Interp::kNearest);
  const auto four = std::get<DenseVolume>(Get(import(Of(folder / "four.npy"))));
  CHECK(four.shape == std::array<std::int64_t, 4>{1, 2, 3, 4});
  CHECK(four.box == Box{});
  const auto half = std::get<DenseVolume>(Get(import(Of(folder / "half.npy"))));
  CHECK((half.dtype == DType::kF16 && half.values.size() == 16));
  const auto wide = std::get<DenseVolume>(Get(import(Of(folder / "wide.npy"))));
  CHECK((wide.dtype == DType::kF32 && At(wide, 0, 0, 0) == 0.1f));
}

TEST_CASE("With an activation a dense grid may hold any finite value, whichever way it is imported") {
  const TempFolder folder;
  Importer import;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  Save<float>(folder / "raw.npy", DType::kF32, {1, 1, 2}, std::vector<float>{-3, 2});
  Save<float>(folder / "nan.npy", DType::kF32, {1, 1, 2}, std::vector<float>{-3, nan});
  const float bytes[2] = {-3, 2};
  WriteBytes(folder / "a.raw", std::string(reinterpret_cast<const char*>(bytes), sizeof bytes));
  ImportRequest raw = Of(folder / "a.raw");
  raw.format = FileFormat::kRaw;
  raw.raw_shape = {1, 1, 2, 1};
  for (ImportRequest request : {Of(folder / "raw.npy"), raw}) {
    CHECK(Refused(import(request).status(), StatusCode::kInvalidArgument, {"density is negative", "(0, 0, 0)"}));
    for (const Activation activation : {Activation::kSoftplus, Activation::kExp, Activation::kTruncExp}) {
      request.activation = activation;
      const auto dense = std::get<DenseVolume>(Get(import(request)));
      CHECK(dense.activation == activation);
      CHECK(At(dense, 0, 0, 0) == -3);
    }
  }
  ImportRequest not_finite = Of(folder / "nan.npy");
  not_finite.activation = Activation::kExp;
  CHECK(Refused(import(not_finite).status(), StatusCode::kInvalidArgument,
                {"density is NaN or infinite in 1 of 2 voxels", "(1, 0, 0): must be finite"}));
  WriteBlockVdb(folder / "a.vdb");
  ImportRequest sparse = Of(folder / "a.vdb");
  sparse.activation = Activation::kSoftplus;
  CHECK(Refused(import(sparse).status(), StatusCode::kInvalidArgument, {"activation", "only a dense grid"}));
}

TEST_CASE("Arrays that are no volume are refused with the remedy") {
  const TempFolder folder;
  Importer import;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  Save<std::int32_t>(folder / "int.npy", DType::kI32, {2, 2, 2}, std::vector<std::int32_t>(8));
  Save<float>(folder / "flat.npy", DType::kF32, {4, 2}, std::vector<float>(8));
  Save<float>(folder / "five.npy", DType::kF32, {1, 1, 1, 5}, std::vector<float>(5));
  Save<float>(folder / "none.npy", DType::kF32, {0, 2, 2}, {});
  Save<float>(folder / "negative.npy", DType::kF32, {1, 2, 3}, {0, 0, 0, 0, 0, -1});
  Save<float>(folder / "nan.npy", DType::kF32, {2, 1, 3}, {0, 0, 0, 0, nan, nan});
  Save<float>(folder / "color.npy", DType::kF32, {1, 1, 2, 4}, {0, 0, 0, 1, 0, nan, 0, 1});
  Save<std::uint16_t>(folder / "half.npy", DType::kF16, {1, 1, 2}, {0x3c00, 0x7c00});
  Save<double>(folder / "wide.npy", DType::kF64, {1, 1, 2}, {0, 1e300});
  const auto refused = [&](const char* file, std::initializer_list<const char*> parts) {
    return Refused(import(Of(folder / file)).status(), StatusCode::kInvalidArgument, parts);
  };
  CHECK(refused("int.npy", {"dtype = i32", "astype"}));
  CHECK(refused("flat.npy", {"rank = 2", "(nz, ny, nx)"}));
  CHECK(refused("five.npy", {"channels = 5"}));
  CHECK(refused("none.npy", {"nz = 0"}));
  CHECK(refused("negative.npy", {"in 1 of 6 voxels", "(2, 1, 0)"}));
  CHECK(refused("nan.npy", {"in 2 of 6 voxels", "(1, 0, 1)"}));
  CHECK(refused("color.npy", {"colour", "(1, 0, 0)"}));
  CHECK(refused("half.npy", {"in 1 of 2 voxels", "(1, 0, 0)"}));
  CHECK(refused("wide.npy", {"value 1", "1e+300", "f32"}));
  ImportRequest nano = Of(folder / "five.npy", FieldKind::kNanoVdb);
  CHECK(Refused(import(nano).status(), StatusCode::kInvalidArgument, {"kind = nanovdb"}));
  ImportRequest box = Of(folder / "half.npy");
  Save<float>(folder / "good.npy", DType::kF32, {1, 1, 1}, {1});
  box = Of(folder / "good.npy");
  box.box = Box{{0, 0, 0}, {1, 0, 1}};
  CHECK(Refused(import(box).status(), StatusCode::kInvalidArgument, {"box.y", "min < max"}));
  box.box.reset();
  box.local_to_world = Affine{{1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0}};
  CHECK(Refused(import(box).status(), StatusCode::kInvalidArgument, {"local_to_world", "invertible"}));
}

TEST_CASE("The array of an NPZ is the one asked for, else density or values, else the only one") {
  const TempFolder folder;
  Importer import;
  const std::vector<float> one(8, 1.0f), two(27, 2.0f);
  const std::vector<std::int64_t> small{2, 2, 2}, large{3, 3, 3};
  const NpyView a{DType::kF32, small, one.data()}, b{DType::kF32, large, two.data()};
  Ok(WriteNpz(folder / "named.npz", {{"other", a}, {"values", b}}, {.compress = true}));
  Ok(WriteNpz(folder / "only.npz", {{"x", a}}));
  Ok(WriteNpz(folder / "two.npz", {{"x", a}, {"y", b}}));
  const auto nx = [&](ImportRequest request) { return std::get<DenseVolume>(Get(import(request))).shape[2]; };
  CHECK(nx(Of(folder / "named.npz")) == 3);
  CHECK(nx(Of(folder / "only.npz")) == 2);
  ImportRequest request = Of(folder / "two.npz");
  CHECK(Refused(import(request).status(), StatusCode::kInvalidArgument, {"name one of x, y"}));
  request.grid = std::string("y");
  CHECK(nx(request) == 3);
  request.grid = std::string("z");
  CHECK(Refused(import(request).status(), StatusCode::kInvalidArgument, {"grid = z", "x, y"}));
}

TEST_CASE("Raw values are what the request says they are") {
  const TempFolder folder;
  Importer import;
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  WriteBytes(folder / "a.raw", {reinterpret_cast<const char*>(values.data()), 24});
  ImportRequest request = Of(folder / "a.raw");
  request.raw_shape = {1, 2, 3, 1};
  const auto volume = std::get<DenseVolume>(Get(import(request)));
  CHECK(At(volume, 2, 1, 0) == 6.0f);
  request.raw_shape = {1, 2, 4, 1};
  CHECK(Refused(import(request).status(), StatusCode::kInvalidArgument, {"bytes = 24", "32"}));
  request.raw_shape = {std::int64_t{1} << 31, std::int64_t{1} << 31, 4, 1};
  CHECK(Refused(import(request).status(), StatusCode::kInvalidArgument, {"63 bits"}));
  request.raw_shape = {1, 2, 3, 1};
  request.max_bytes = 23;
  CHECK(Refused(import(request).status(), StatusCode::kResourceExhausted, {"24", "23"}));
}

TEST_CASE("Messages use the owner's name of the file, and the format is its extension's") {
  const TempFolder folder;
  Importer import;
  WriteBytes(folder / "upload-17", "hello");
  ImportRequest request = Of(folder / "upload-17");
  CHECK(Refused(import(request).status(), StatusCode::kInvalidArgument, {"upload-17", ".vdb"}));
  request.source_name = "Cloud.VDB";
  const absl::Status status = import(request).status();
  CHECK(Refused(status, StatusCode::kInvalidArgument, {"Cloud.VDB: not a readable VDB"}));
  CHECK(std::string(status.message()).find(folder.path()) == std::string::npos);
  request.path = folder / "missing";
  CHECK(Refused(import(request).status(), StatusCode::kNotFound, {"Cloud.VDB"}));
  WriteBlockVdb(folder / "a.vdb");
  request = Of(folder / "a.vdb");
  request.box = Box{};
  CHECK(Refused(import(request).status(), StatusCode::kInvalidArgument, {"box", "leave it out"}));
  request = Of(folder / "a.vdb");
  request.grid = std::string("fire");
  CHECK(Refused(import(request).status(), StatusCode::kInvalidArgument, {"grid = fire", "there are density"}));
}

TEST_CASE("A volume above the budget is RESOURCE_EXHAUSTED") {
  const TempFolder folder;
  Importer import;
  WriteHugeTileVdb(folder / "huge.vdb");
  WriteBlockVdb(folder / "block.vdb");
  ImportRequest request = Of(folder / "huge.vdb", FieldKind::kDense);
  CHECK(Refused(import(request).status(), StatusCode::kResourceExhausted, {"huge.vdb", "NanoVDB"}));
  request = Of(folder / "block.vdb");
  request.max_bytes = 1000;
  CHECK(Refused(import(request).status(), StatusCode::kResourceExhausted, {"1000"}));
}

TEST_CASE("A worker that hangs is killed at the deadline, and on a cancel at once") {
  const TempFolder folder;
  const TempFolder scratch;
  WriteBlockVdb(folder / "a.vdb");
  WriteBytes(folder / "hang", "#!/bin/sh\nexec sleep 60\n");
  WriteBytes(folder / "crash", "#!/bin/sh\nkill -SEGV $$\n");
  WriteBytes(folder / "gibberish", "#!/bin/sh\necho '{\"kind\":42}'\n");
  WriteBytes(folder / "fails", "#!/bin/sh\necho oh no >&2; exit 3\n");
  for (const char* name : {"hang", "crash", "gibberish", "fails"}) chmod((folder / name).c_str(), 0755);
  const auto with = [&](const std::string& worker, double deadline, std::function<bool()> cancelled = {}) {
    ImportRequest request = Of(folder / "a.vdb");
    request.worker_path = worker;
    request.deadline_seconds = deadline;
    request.cancelled = std::move(cancelled);
    return ImportVolume(request, scratch.path()).status();
  };
  using Clock = std::chrono::steady_clock;
  auto start = Clock::now();
  CHECK(Refused(with(folder / "hang", 0.3), StatusCode::kInvalidArgument, {"a.vdb: not a readable VDB", "0.3 s"}));
  CHECK(Clock::now() - start < std::chrono::seconds(10));
  start = Clock::now();
  CHECK(Refused(with(folder / "hang", 60, [&] { return Clock::now() - start > std::chrono::milliseconds(100); }),
                StatusCode::kCancelled, {"a.vdb"}));
  CHECK(Clock::now() - start < std::chrono::seconds(10));
  CHECK(Refused(with(folder / "crash", 10), StatusCode::kInvalidArgument, {"a.vdb", "signal 11"}));
  CHECK(with(folder / "gibberish", 10).code() != StatusCode::kOk);
  CHECK(Refused(with(folder / "fails", 10), StatusCode::kInternal, {"exit code 3", "oh no"}));
  CHECK(Refused(with(folder / "missing", 10), StatusCode::kFailedPrecondition, {"missing", "cannot be started"}));
  CHECK(scratch.Names().empty());
}

TEST_CASE("Imports run side by side") {
  const TempFolder folder;
  WriteBlockVdb(folder / "a.vdb");
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      Importer import;
      for (int k = 0; k < 3; ++k) good += import(Of(folder / "a.vdb")).ok() ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(good == 12);
}

TEST_CASE("A scratch folder that is not there is named") {
  const TempFolder folder;
  WriteBlockVdb(folder / "a.vdb");
  ImportRequest request = Of(folder / "a.vdb");
  request.worker_path = DVREN_BIN_DIR "/dvren-parse";
  CHECK(Refused(ImportVolume(request, folder / "nowhere").status(), StatusCode::kNotFound, {"nowhere", "scratch"}));
}

}  // namespace dvren::io::test
