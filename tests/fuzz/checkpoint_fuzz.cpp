// CheckpointReader on arbitrary bytes: an error of one line, or sections that can be read or say that they are damaged.
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "dvren/train/checkpoint_file.h"
#include "fuzz_target.h"
#include "scratch_folder.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const ScratchFolder folder;
  const std::string path = folder.Write("run.checkpoint", data, size);
  auto reader = dvren::CheckpointReader::Open(path, std::uint64_t{1} << 24);
  const auto one_line = [](const absl::Status& status) {
    if (status.message().empty() || status.message().find('\n') != absl::string_view::npos) std::abort();
  };
  if (!reader.ok()) {
    one_line(reader.status());
    return 0;
  }
  for (const std::string& name : reader->names()) {
    const auto bytes = reader->BytesOf(name);
    if (!bytes.ok() || *bytes > size) std::abort();
    const auto section = reader->Section(name);
    if (!section.ok()) {
      one_line(section.status());
    } else if (section->size() != *bytes) {
      std::abort();
    }
  }
  return 0;
}

std::vector<std::string> FuzzSeeds() {
  const ScratchFolder folder;
  std::vector<std::string> seeds;
  for (int sections = 0; sections < 3; ++sections) {
    dvren::CheckpointWriter writer;
    const std::string content(static_cast<std::size_t>(37 * sections), 'x');
    for (int i = 0; i < sections; ++i) {
      writer.Add("part" + std::to_string(i), std::as_bytes(std::span(content.data(), content.size())));
    }
    const std::string path = folder.path() + "/seed";
    if (!writer.Write(path).ok()) std::abort();
    std::ifstream file(path, std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return seeds;
}
