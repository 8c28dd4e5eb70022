#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <numeric>

#include "dvren/io/npy.h"
#include "dvren/io/npz.h"
#include "io_fixture.h"

namespace dvren::io::test {
namespace {

using absl::StatusCode;
using Shape = std::vector<std::int64_t>;

std::string File(const std::string& dict, const std::string& values, char major = 1) {
  std::string file = std::string("\x93NUMPY") + major + '\0';
  file += static_cast<char>(dict.size() & 0xff);
  file += static_cast<char>(dict.size() >> 8);
  if (major > 1) file += std::string(2, '\0');
  return file + dict + values;
}

absl::StatusOr<NpyArray> Parse(const std::string& file) {
  return ParseNpy(std::as_bytes(std::span(file.data(), file.size())), "a.npy");
}

std::string Dict(const std::string& descr, const std::string& shape, const std::string& order = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }\n";
}

}  // namespace

TEST_CASE("An NPY of every dtype comes back as it was written, and NumPy reads the same") {
  const TempFolder folder;
  const Shape shape{2, 3, 4};
  std::string script;
  const std::vector<std::pair<DType, std::string>> kinds = {{DType::kF32, "float32"}, {DType::kF64, "float64"},
                                                            {DType::kF16, "float16"}, {DType::kI32, "int32"},
                                                            {DType::kI64, "int64"},   {DType::kU8, "uint8"}};
  for (const auto& [dtype, name] : kinds) {
    std::vector<std::uint8_t> bytes(24 * DTypeSize(dtype));
    std::iota(bytes.begin(), bytes.end(), std::uint8_t{1});
    const std::string path = folder / (name + ".npy");
    Ok(WriteNpy(path, {dtype, shape, bytes.data()}));
    const NpyArray back = Get(ReadNpy(path));
    CHECK(back.dtype == dtype);
    CHECK(back.shape == shape);
    REQUIRE(back.data.size() == bytes.size());
    CHECK(std::memcmp(back.data.data(), bytes.data(), bytes.size()) == 0);
    script += "a = numpy.load('" + path + "')\nassert a.dtype == numpy." + name + " and a.shape == (2, 3, 4), a\n" +
              "assert a.tobytes() == bytes(range(1, 1 + a.nbytes))\n";
  }
  Python("numpy", script);
}

TEST_CASE("What NumPy saves is read, whatever its rank") {
  const TempFolder folder;
  if (!Python("numpy", "d = '" + folder.path() + "/'\n" + R"(
numpy.save(d + 'scalar', numpy.float32(2.5))
numpy.save(d + 'empty', numpy.zeros((0, 3), 'f4'))
numpy.save(d + 'line', numpy.arange(5, dtype='i8'))
numpy.save(d + 'half', numpy.array([[1, -2.5, 65504]], 'f2'))
with open(d + 'v2.npy', 'wb') as f: numpy.lib.format.write_array(f, numpy.ones((2, 2)), version=(2, 0))
with open(d + 'v3.npy', 'wb') as f: numpy.lib.format.write_array(f, numpy.ones((2, 2)), version=(3, 0))
numpy.save(d + 'fortran', numpy.asfortranarray(numpy.zeros((3, 4))))
numpy.save(d + 'big', numpy.zeros(3, '>f4'))
numpy.save(d + 'object', numpy.array([{}], object))
numpy.save(d + 'complex', numpy.zeros(3, 'c8'))
numpy.save(d + 'record', numpy.zeros(3, [('a', 'f4')]))
)")) {
    return;
  }
  CHECK(Get(ReadNpy(folder / "scalar.npy")).shape.empty());
  CHECK(Get(ReadNpy(folder / "empty.npy")).data.size() == 0);
  CHECK(Get(ReadNpy(folder / "line.npy")).shape == Shape{5});
  const NpyArray half = Get(ReadNpy(folder / "half.npy"));
  CHECK(half.dtype == DType::kF16);
  CHECK(reinterpret_cast<const std::uint16_t*>(half.data.data())[2] == 0x7bff);
  CHECK(Get(ReadNpy(folder / "v2.npy")).dtype == DType::kF64);
  CHECK(Get(ReadNpy(folder / "v3.npy")).dtype == DType::kF64);
  const auto refused = [&](const char* file, const char* what) {
    return Refused(ReadNpy(folder / file).status(), StatusCode::kInvalidArgument, {file, what});
  };
  CHECK(refused("fortran.npy", "ascontiguousarray"));
  CHECK(refused("big.npy", "big-endian dtype >f4"));
  CHECK(refused("object.npy", "Python objects"));
  CHECK(refused("complex.npy", "<c8"));
  CHECK(refused("record.npy", "structured dtype"));
}

TEST_CASE("A header is read by its grammar alone") {
  const std::string four(4, '\1');
  CHECK(Get(Parse(File("{\"shape\":(1,),'fortran_order':False,'descr':'<f4'}", four))).shape == Shape{1});
  for (const std::string& dict :
       {std::string(""), std::string("{"), std::string("[]"), Dict("<f4", "(1)"), Dict("<f4", "(-1,)"),
        Dict("<f4", "(1.0,)"), Dict("<f4", "(1,") + "}", Dict("<f4", "[1]"), Dict("<f4", "(1,)", "0"),
        Dict("<f4", "(1,)") + "x", std::string("{'descr': '<f4', 'shape': (1,)}"),
        std::string("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}"),
        std::string("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}"),
        std::string("{'descr' '<f4', 'fortran_order': False, 'shape': (1,)}"),
        std::string("{'descr': '<f4' 'fortran_order': False 'shape': (1,)}"), Dict("<f4", "(99999999999999999999,)"),
        Dict("<f4", "(4294967296, 4294967296)"), Dict("<f4", "(9223372036854775807,)")}) {
    CHECK(Refused(Parse(File(dict, four)).status(), StatusCode::kInvalidArgument, {"a.npy", "header"}));
  }
  std::string deep = "(";
  for (int i = 0; i < 33; ++i) deep += "1,";
  CHECK(Refused(Parse(File(Dict("<f4", deep + ")"), four)).status(), StatusCode::kInvalidArgument, {"32 axes"}));
}

TEST_CASE("A file shorter or longer than its header declares is refused, before memory is taken") {
  CHECK(Refused(Parse(File(Dict("<f4", "(2,)"), "1234567")).status(), StatusCode::kInvalidArgument,
                {"cut short", "8", "7"}));
  CHECK(Refused(Parse(File(Dict("<f4", "(2,)"), "123456789")).status(), StatusCode::kInvalidArgument, {"too long"}));
  CHECK(
      Refused(Parse(File(Dict("<f8", "(1000000000000,)"), "")).status(), StatusCode::kInvalidArgument, {"cut short"}));
  const std::string whole = File(Dict("<f4", "(2,)"), "12345678");
  for (std::size_t n = 0; n < whole.size(); ++n) CHECK_FALSE(Parse(whole.substr(0, n)).ok());
  std::string version = whole;
  version[6] = 4;
  CHECK(Refused(Parse(version).status(), StatusCode::kInvalidArgument, {"NPY version 4.0"}));
}

TEST_CASE("An array above the budget is RESOURCE_EXHAUSTED, a missing file NOT_FOUND, a folder refused") {
  const TempFolder folder;
  const std::vector<float> values(100);
  const Shape shape{100};
  Ok(WriteNpy(folder / "a.npy", {DType::kF32, shape, values.data()}));
  CHECK(Get(ReadNpy(folder / "a.npy", 400)).data.size() == 400);
  CHECK(Refused(ReadNpy(folder / "a.npy", 399).status(), StatusCode::kResourceExhausted, {"400", "399"}));
  CHECK(Refused(ReadNpy(folder / "b.npy").status(), StatusCode::kNotFound, {"b.npy"}));
  CHECK(Refused(ReadNpy(folder.path()).status(), StatusCode::kInvalidArgument, {"not a regular file"}));
  CHECK(Refused(WriteNpy(folder / "c.npy", {DType::kBF16, shape, values.data()}), StatusCode::kInvalidArgument,
                {"bf16"}));
}

TEST_CASE("An NPZ comes back as it was written, and NumPy reads the same, stored and deflated") {
  const TempFolder folder;
  std::vector<float> rgb(2 * 3 * 3);
  std::iota(rgb.begin(), rgb.end(), 0.5f);
  const std::vector<std::uint8_t> hit{1, 0, 1, 1, 0, 0};
  const Shape color_shape{2, 3, 3}, hit_shape{2, 3};
  const std::vector<std::pair<std::string, NpyView>> arrays = {{"rgb", {DType::kF32, color_shape, rgb.data()}},
                                                               {"hit", {DType::kU8, hit_shape, hit.data()}}};
  for (const bool compress : {false, true}) {
    const std::string path = folder / (compress ? "deflated.npz" : "stored.npz");
    Ok(WriteNpz(path, arrays, {.compress = compress}));
    const std::map<std::string, NpyArray> back = Get(ReadNpz(path));
    REQUIRE(back.size() == 2);
    CHECK(back.at("rgb").shape == color_shape);
    CHECK(std::memcmp(back.at("rgb").data.data(), rgb.data(), rgb.size() * 4) == 0);
    CHECK(back.at("hit").dtype == DType::kU8);
    Python("numpy", "z = numpy.load('" + path + "')\n" + R"(
assert sorted(z.files) == ['hit', 'rgb'], z.files
assert (z['rgb'].ravel() == numpy.arange(18) + 0.5).all() and z['rgb'].shape == (2, 3, 3)
assert z['hit'].tolist() == [[1, 0, 1], [1, 0, 0]]
)");
    Ok(WriteNpz(folder / "again.npz", arrays, {.compress = compress}));
    CHECK(ReadBytes(folder / "again.npz") == ReadBytes(path));
  }
}

TEST_CASE("What NumPy zips is read; bombs, strangers and damage are refused") {
  const TempFolder folder;
  if (!Python("numpy, zipfile", "d = '" + folder.path() + "/'\n" + R"(
numpy.savez(d + 'plain', density=numpy.ones((2, 2, 2), 'f4'), other=numpy.zeros(3, 'i4'))
numpy.savez_compressed(d + 'deflated', density=numpy.ones((2, 2, 2), 'f4'))
numpy.savez_compressed(d + 'bomb', a=numpy.zeros(10_000_000, 'f4'))
with zipfile.ZipFile(d + 'bzip.npz', 'w', zipfile.ZIP_BZIP2) as z: z.write(d + 'plain.npz', 'a.npy')
with zipfile.ZipFile(d + 'stranger.npz', 'w') as z: z.writestr('readme.txt', 'hello')
)")) {
    return;
  }
  CHECK(Get(ReadNpz(folder / "plain.npz")).size() == 2);
  CHECK(Get(ReadNpz(folder / "deflated.npz")).at("density").shape == Shape{2, 2, 2});
  CHECK(
      Refused(ReadNpz(folder / "bomb.npz", 1 << 20).status(), StatusCode::kResourceExhausted, {"bomb.npz", "1048576"}));
  CHECK(Refused(ReadNpz(folder / "bzip.npz").status(), StatusCode::kInvalidArgument, {"stored or deflated"}));
  CHECK(Refused(ReadNpz(folder / "stranger.npz").status(), StatusCode::kInvalidArgument, {"readme.txt"}));
  std::string bytes = ReadBytes(folder / "plain.npz");
  // A bit of the values: only the CRC can tell.
  const std::size_t values = bytes.find("\n\0\0\x80\x3f", 0, 5);
  REQUIRE(values != std::string::npos);
  bytes[values + 1] = static_cast<char>(bytes[values + 1] ^ 1);
  WriteBytes(folder / "flipped.npz", bytes);
  CHECK(Refused(ReadNpz(folder / "flipped.npz").status(), StatusCode::kInvalidArgument, {"CRC"}));
  WriteBytes(folder / "text.npz", "hello");
  CHECK(Refused(ReadNpz(folder / "text.npz").status(), StatusCode::kInvalidArgument, {"text.npz"}));
}

}  // namespace dvren::io::test
