#include "dvren/analysis/function_rules.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace dvren::analysis {
namespace {

constexpr absl::string_view kHelper = "HELPER";
constexpr absl::string_view kUnknown = "FIELD_COMPUTATION";

// "a.b.C.m[(4, 3)->(4,)]#2" → "C.m".
std::string Sanitised(absl::string_view function) {
  std::string name(function);
  for (std::size_t open = name.find('['); open != std::string::npos; open = name.find('[', open)) {
    const std::size_t close = name.find(']', open);
    if (close == std::string::npos) break;
    name.erase(open, close - open + 1);
  }
  for (std::size_t hash = name.find('#'); hash != std::string::npos; hash = name.find('#', hash + 1)) {
    if (hash + 1 < name.size() && absl::ascii_isdigit(static_cast<unsigned char>(name[hash + 1]))) {
      name.erase(hash);
      break;
    }
  }
  const std::size_t last = name.rfind('.');
  if (last == std::string::npos || last == 0) return name;
  const std::size_t before = name.rfind('.', last - 1);
  return before == std::string::npos ? name : name.substr(before + 1);
}

const std::map<std::string, std::string>& ByName() {
  static const std::map<std::string, std::string> table = {
      {"UniformSampler.generate_ray_samples", "UNIFORM_SAMPLING"},
      {"PDFSampler.generate_ray_samples", "PDF_SAMPLING"},
      {"SpacedSampler.generate_ray_samples", "HELPER"},
      {"UniformSampler.forward", "HELPER"},
      {"PDFSampler.forward", "HELPER"},
      {"RayBundle.get_ray_samples", "HELPER"},
      {"Frustums.get_positions", "HELPER"},
      {"RaySamples.get_weights", "HELPER"},
      {"Sampler.forward", "RAY_SAMPLING"},
      {"NeRFEncoding.forward", "POSITIONAL_ENCODING"},
      {"HashEncoding.forward", "HASH_ENCODING"},
      {"RFFEncoding.forward", "RFF_ENCODING"},
      {"FFEncoding.forward", "FOURIER_ENCODING"},
      {"MLPWithHashEncoding.forward", "HASH_MLP_ENCODING"},
      {"MLP.forward", "MLP_COMPUTATION"},
      {"DensityFieldHead.forward", "DENSITY_FIELD_COMPUTATION"},
      {"RGBFieldHead.forward", "RGB_FIELD_COMPUTATION"},
      {"NeRFModel.get_outputs", "MODEL_WRAPPER"},
      {"NGPModel.get_outputs", "MODEL_WRAPPER"},
      {"SplatFactoModel.get_outputs", "MODEL_WRAPPER"},
      {"RGBRenderer.forward", "RGB_VOLUME_RENDERING"},
      {"DepthRenderer.forward", "DEPTH_RENDERING"},
      {"AccumulationRenderer.forward", "ALPHA_BLENDING"},
      {"UncertaintyRenderer.forward", "UNCERTAINTY_RENDERING"},
      {"SemanticRenderer.forward", "SEMANTIC_RENDERING"},
      {"NormalsRenderer.forward", "NORMALS_RENDERING"},
  };
  return table;
}

// In order; the first that the name contains, whatever its case, decides. "ray" is in "array": a fault of the original.
constexpr std::pair<absl::string_view, absl::string_view> kBySubstring[] = {
    {"sampl", kHelper},
    {"ray", kHelper},
    {"frustum", kHelper},
    {"position", kHelper},
    {"encod", "POSITIONAL_ENCODING"},
    {"hash", "HASH_ENCODING"},
    {"mlp", "MLP_COMPUTATION"},
    {"field", "FIELD_COMPUTATION"},
    {"model", "MODEL_COMPUTATION"},
    {"render", "VOLUME_RENDERING"},
    {"blend", "ALPHA_BLENDING"},
    {"rgb", "RGB_RENDERING"},
    {"density", "DENSITY_RENDERING"},
};

std::pair<std::string, bool> TypeOf(const std::string& name) {
  if (absl::StrContains(name, "|CHUNK:PDF")) return {"PDF_SAMPLING", true};
  if (absl::StrContains(name, "|CHUNK:UNIFORM")) return {"UNIFORM_SAMPLING", true};
  if (absl::StrContains(name, "|MICRO:")) return {std::string(kHelper), true};
  if (const auto found = ByName().find(name); found != ByName().end()) return {found->second, true};
  if (absl::StartsWith(name, "tcnn.")) return {std::string(kHelper), true};
  const std::string lower = absl::AsciiStrToLower(name);
  for (const auto& [part, type] : kBySubstring) {
    if (!absl::StrContains(lower, part)) continue;
    if (part == "model" && absl::StrContains(lower, "get_outputs")) return {"MODEL_WRAPPER", true};
    return {std::string(type), true};
  }
  return {std::string(kUnknown), false};
}

std::string HardwareTypeOf(const std::string& type) {
  static const std::map<std::string, std::string> table = {
      {"HELPER", "IGNORE"},
      {"MODEL_WRAPPER", "IGNORE"},
      {"ALPHA_BLENDING", "BLENDING"},
      {"MLP_COMPUTATION", "MLP"},
      {"HASH_ENCODING", "HASH_ENCODE"},
      {"HASH_MLP_ENCODING", "HASH_ENCODE"},
      {"POSITIONAL_ENCODING", "POSITIONAL_ENCODE"},
      {"RFF_ENCODING", "POSITIONAL_ENCODE"},
      {"FOURIER_ENCODING", "POSITIONAL_ENCODE"},
  };
  if (const auto found = table.find(type); found != table.end()) return found->second;
  if (absl::StrContains(type, "COMPUTATION")) return "FIELD_COMPUTATION";
  return "VOLUME_RENDERING";  // samplers and renderers
}

}  // namespace

FunctionKind ClassifyFunction(absl::string_view function) {
  FunctionKind kind;
  // A marked chunk keeps its name.
  const bool marked = absl::StrContains(function, "|CHUNK:") || absl::StrContains(function, "|MICRO:");
  kind.name = marked ? std::string(function) : Sanitised(function);
  std::tie(kind.type, kind.known) = TypeOf(kind.name);
  kind.hardware_type = HardwareTypeOf(kind.type);
  return kind;
}

}  // namespace dvren::analysis
