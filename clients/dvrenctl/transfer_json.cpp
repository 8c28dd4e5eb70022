#include "transfer_json.h"

#include <vector>

#include "strict_json.h"

namespace dvren::ctl {

absl::StatusOr<v1::TransferFunction> ParseTransferJson(const std::string& text, const std::string& file_name) {
  DVREN_ASSIGN_OR_RETURN(const nlohmann::json value, ParseStrictJson(text, file_name));
  const StrictObject file(value, file_name);
  DVREN_RETURN_IF_ERROR(file.OnlyKeys(std::vector<std::string>{"density", "rgb"}));
  DVREN_ASSIGN_OR_RETURN(const auto density, file.Numbers("density"));
  DVREN_ASSIGN_OR_RETURN(const auto rgb, file.Rows("rgb", 0, 3));
  if (density.empty() || density.size() > 256) {
    return file.Error("density", absl::StrCat(density.size(), " knots"), "must be 1 to 256 knots");
  }
  if (rgb.size() != 3 * density.size()) {
    return file.Error("rgb", absl::StrCat(rgb.size() / 3, " colours"),
                      absl::StrCat("must be ", density.size(), ", one per density"));
  }
  v1::TransferFunction transfer;
  for (std::size_t i = 0; i < density.size(); ++i) {
    if (i > 0 && density[i] <= density[i - 1]) {
      return file.Error(absl::StrCat("density[", i, "]"), absl::StrCat(density[i]),
                        absl::StrCat("must be > density[", i - 1, "] = ", density[i - 1]));
    }
    transfer.add_density(density[i]);
    v1::Vec3& color = *transfer.add_rgb();
    color.set_x(rgb[3 * i]);
    color.set_y(rgb[3 * i + 1]);
    color.set_z(rgb[3 * i + 2]);
  }
  return transfer;
}

absl::StatusOr<v1::TransferFunction> ReadTransferJson(const std::string& path) {
  DVREN_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  return ParseTransferJson(text, path);
}

}  // namespace dvren::ctl
