#include "field_view.h"

#include <google/protobuf/util/time_util.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"

namespace dvren::ctl {
namespace {

Value Vec(const v1::Vec3& v) {
  return Value::array({v.x(), v.y(), v.z()});
}

std::string VecText(const v1::Vec3& v) {
  return absl::StrCat(v.x(), ", ", v.y(), ", ", v.z());
}

std::string Time(const v1::Field& field) {
  return google::protobuf::util::TimeUtil::ToString(field.create_time());
}

const char* DTypeName(v1::DType dtype) {
  switch (dtype) {
    case v1::DTYPE_F32:
      return "f32";
    case v1::DTYPE_F16:
      return "f16";
    case v1::DTYPE_F64:
      return "f64";
    case v1::DTYPE_BF16:
      return "bf16";
    default:
      return "unknown";
  }
}

// "128 x 128 x 128, f32" (nz, ny, nx) or "1,234 voxels".
std::string SizeText(const v1::Field& field) {
  if (field.has_dense_grid()) {
    const v1::DenseGridSpec& grid = field.dense_grid();
    return absl::StrJoin(grid.shape(), " x ") + ", " + DTypeName(grid.dtype());
  }
  if (field.has_nanovdb()) return Grouped(static_cast<std::int64_t>(field.nanovdb().active_voxels())) + " voxels";
  return "-";
}

std::string ActivationName(v1::Activation activation) {
  switch (activation) {
    case v1::ACTIVATION_UNSPECIFIED:
    case v1::ACTIVATION_IDENTITY:
      return "identity";
    case v1::ACTIVATION_SOFTPLUS:
      return "softplus";
    case v1::ACTIVATION_EXP:
      return "exp";
    case v1::ACTIVATION_TRUNC_EXP:
      return "trunc_exp";
    default:
      return "unknown";
  }
}

}  // namespace

Value FieldValue(const v1::Field& field) {
  Value value = {{"name", field.name()},
                 {"display_name", field.display_name()},
                 {"owner", field.owner()},
                 {"type", field.type()},
                 {"version", field.version()},
                 {"sha256", absl::BytesToHexString(field.sha256())},
                 {"payload_bytes", field.payload_bytes()},
                 {"create_time", Time(field)},
                 {"source", field.source()},
                 {"channels", field.channels()},
                 {"world_box", {{"min", Vec(field.world_box().min())}, {"max", Vec(field.world_box().max())}}},
                 {"min_voxel_world", field.min_voxel_world()}};
  if (field.has_dense_grid()) {
    const v1::DenseGridSpec& grid = field.dense_grid();
    Value& spec = value["dense_grid"];
    spec["shape"] = std::vector<std::int64_t>(grid.shape().begin(), grid.shape().end());
    spec["dtype"] = DTypeName(grid.dtype());
    if (grid.has_box()) spec["box"] = {{"min", Vec(grid.box().min())}, {"max", Vec(grid.box().max())}};
    spec["interp"] = grid.interp() == v1::INTERP_NEAREST ? "nearest" : "linear";
    spec["border"] = grid.border() == v1::BORDER_CLAMP ? "clamp" : "zero";
    spec["activation"] = ActivationName(grid.activation());
  }
  if (field.has_nanovdb()) {
    const v1::NanoVdbSpec& grid = field.nanovdb();
    Value& spec = value["nanovdb"];
    spec["grid_name"] = grid.grid_name();
    spec["active_min"] = std::vector<std::int64_t>(grid.active_min().begin(), grid.active_min().end());
    spec["active_max"] = std::vector<std::int64_t>(grid.active_max().begin(), grid.active_max().end());
    spec["active_voxels"] = grid.active_voxels();
  }
  return value;
}

Value FieldsValue(const std::vector<v1::Field>& fields) {
  Value value = Value::array();
  for (const v1::Field& field : fields) value.push_back(FieldValue(field));
  return value;
}

Table FieldDetails(const v1::Field& field) {
  Table table{{},
              {{"name", Printable(field.display_name())},
               {"id", field.name()},
               {"type", field.type()},
               {"size", SizeText(field)},
               {"channels", std::to_string(field.channels())},
               {"payload", HumanBytes(field.payload_bytes())},
               {"version", std::to_string(field.version())},
               {"sha256", absl::BytesToHexString(field.sha256())},
               {"world box", VecText(field.world_box().min()) + "  to  " + VecText(field.world_box().max())},
               {"smallest voxel", absl::StrCat(field.min_voxel_world()) + " world units"},
               {"owner", Printable(field.owner())},
               {"created", Time(field)},
               {"source", field.source().empty() ? "-" : Printable(field.source())}}};
  if (field.has_dense_grid()) {
    table.rows.push_back({"interpolation", field.dense_grid().interp() == v1::INTERP_NEAREST ? "nearest" : "linear"});
    table.rows.push_back({"border", field.dense_grid().border() == v1::BORDER_CLAMP ? "clamp" : "zero"});
    table.rows.push_back({"activation", ActivationName(field.dense_grid().activation())});
  }
  if (field.has_nanovdb()) table.rows.push_back({"grid", Printable(field.nanovdb().grid_name())});
  return table;
}

Table FieldsTable(const std::vector<v1::Field>& fields) {
  Table table{{"NAME", "ID", "TYPE", "SIZE", "PAYLOAD", "VERSION", "CREATED"}, {}};
  for (const v1::Field& field : fields) {
    table.rows.push_back({Printable(field.display_name()), field.name(), field.type(), SizeText(field),
                          HumanBytes(field.payload_bytes()), std::to_string(field.version()), Time(field)});
  }
  return table;
}

}  // namespace dvren::ctl
