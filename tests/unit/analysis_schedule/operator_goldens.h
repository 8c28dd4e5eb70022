// The published figures that lie beside the data folder. A test that needs them says aloud that it skips where they are
// not.
#pragma once

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace dvren::analysis {

inline std::string OperatorGoldenFolder() {
  const char* data = std::getenv("DVREN_DATA");
  return data == nullptr ? std::string(DVREN_SOURCE_DIR) + "/../shared/operators" : std::string(data) + "/../operators";
}

inline std::optional<nlohmann::json> ReadGolden(const std::string& file) {
  const std::string path = OperatorGoldenFolder() + "/" + file;
  std::ifstream stream(path);
  if (!stream) {
    WARN("SKIPPED: no " << path << "; set DVREN_DATA to the data folder beside it");
    return std::nullopt;
  }
  return nlohmann::json::parse(stream);
}

}  // namespace dvren::analysis
