#include <catch2/catch.hpp>
#include <string>

#include "server/codec/import_codec.h"

namespace dvren::server {
namespace {

v1::ImportOptions Raw() {
  v1::ImportOptions options;
  options.set_format(v1::FILE_FORMAT_RAW);
  for (const int extent : {2, 3, 4, 1}) options.mutable_dense_grid()->add_shape(extent);
  options.mutable_dense_grid()->set_dtype(v1::DTYPE_F32);
  return options;
}

std::string Refusal(const v1::ImportOptions& options, const std::string& source = "") {
  const auto decoded = DecodeImportOptions(options, source);
  return decoded.ok() ? "" : std::string(decoded.status().message());
}

TEST_CASE("The format comes from the options, or else from the source's extension") {
  CHECK(DecodeImportOptions({}, "a/Smoke.VDB")->format == io::FileFormat::kVdb);
  CHECK(DecodeImportOptions({}, "x.npz")->format == io::FileFormat::kNpz);
  CHECK(DecodeImportOptions(Raw(), "x.npz")->format == io::FileFormat::kRaw);
  CHECK(Refusal({}, "x.txt").find("options.format = absent") == 0);
  CHECK(Refusal({}, "").find("options.format = absent") == 0);
}

TEST_CASE("Raw values need a shape and a type") {
  const auto request = DecodeImportOptions(Raw(), "");
  REQUIRE(request.ok());
  CHECK(request->raw_shape == std::array<std::int64_t, 4>{2, 3, 4, 1});
  CHECK_FALSE(request->box.has_value());
  v1::ImportOptions options = Raw();
  options.mutable_dense_grid()->set_dtype(v1::DTYPE_U8);
  CHECK(Refusal(options).find("options.dense_grid.dtype = u8") == 0);
  options = Raw();
  options.mutable_dense_grid()->set_shape(1, 0);
  CHECK(Refusal(options).find("options.dense_grid.shape[1] = 0") == 0);
  options.mutable_dense_grid()->clear_shape();
  CHECK(Refusal(options).find("options.dense_grid.shape = 0 extents") == 0);
}

TEST_CASE("Boxes, borders and kinds that make no sense are refused by name") {
  v1::ImportOptions options = Raw();
  options.mutable_dense_grid()->mutable_box()->mutable_max()->set_x(1);
  CHECK(Refusal(options).find("options.dense_grid.box.max.y = 0: must be > min.y") == 0);
  options = Raw();
  options.mutable_dense_grid()->set_border(static_cast<v1::Border>(9));
  CHECK(Refusal(options).find("options.dense_grid.border = 9") == 0);
  options = Raw();
  options.set_kind(static_cast<v1::FieldKind>(9));
  CHECK(Refusal(options).find("options.kind = 9") == 0);
}

}  // namespace
}  // namespace dvren::server
