// ParseNpy on arbitrary bytes: an error, or an array whose size is what its shape says and no more than the input held.
#include <cstdlib>
#include <span>

#include "dvren/io/npy.h"
#include "fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::StatusOr<dvren::io::NpyArray> array =
      dvren::io::ParseNpy(std::as_bytes(std::span(data, size)), "fuzz.npy");
  if (!array.ok()) {
    if (array.status().code() != absl::StatusCode::kInvalidArgument) std::abort();
    if (array.status().message().find('\n') != absl::string_view::npos) std::abort();
    return 0;
  }
  std::uint64_t elements = 1;
  for (const std::int64_t extent : array->shape) {
    if (extent < 0) std::abort();
    elements *= static_cast<std::uint64_t>(extent);
  }
  if (elements * dvren::DTypeSize(array->dtype) != array->data.size() || array->data.size() > size) std::abort();
  // Every byte is there to be read.
  volatile std::uint8_t sum = 0;
  for (std::size_t i = 0; i < array->data.size(); ++i) sum = sum + static_cast<std::uint8_t>(array->data.data()[i]);
  return 0;
}

std::vector<std::string> FuzzSeeds() {
  const auto file = [](char major, const std::string& dict, std::size_t bytes) {
    std::string text = std::string("\x93NUMPY") + major + '\0' + static_cast<char>(dict.size()) + '\0';
    if (major > 1) text.append(2, '\0');
    return text + dict + std::string(bytes, '\x3f');
  };
  return {file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }    \n", 24),
          file(2, "{'descr': '|u1', 'fortran_order': False, 'shape': (), }\n", 1),
          file(3, "{\"shape\":(0,9),\"descr\":\"<f2\",\"fortran_order\":False}", 0),
          file(1, "{'descr': '>i8', 'fortran_order': True, 'shape': (1,), }\n", 8),
          file(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296, 1), }\n", 8),
          file(1, "{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (1,), }\n", 4)};
}
