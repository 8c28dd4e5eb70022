#include "io_fixture.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include <catch2/catch.hpp>

namespace dvren::io::test {

namespace fs = std::filesystem;

void Ok(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

bool Refused(const absl::Status& status, absl::StatusCode code, std::initializer_list<const char*> parts) {
  const std::string message(status.message());
  bool right = status.code() == code && message.find('\n') == std::string::npos;
  for (const char* part : parts) right = right && message.find(part) != std::string::npos;
  if (!right) {
    std::string wanted;
    for (const char* part : parts) wanted += std::string(" \"") + part + "\"";
    UNSCOPED_INFO("got " << status.ToString() << ", wanted " << absl::StatusCodeToString(code) << " with" << wanted);
  }
  return right;
}

TempFolder::TempFolder() {
  std::string pattern = (fs::temp_directory_path() / "dvren-io-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder");
  path_ = pattern;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::vector<std::string> TempFolder::Names() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path_)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::string ReadBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteBytes(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file) throw std::runtime_error("cannot write " + path);
}

std::string DataFile(const std::string& name) {
  const char* folder = std::getenv("DVREN_DATA");
  const std::string path = (folder != nullptr ? std::string(folder) : DVREN_SOURCE_DIR "/../shared/data") + "/" + name;
  if (fs::exists(path)) return path;
  std::cerr << "SKIPPED: " << path << " is not there (DVREN_DATA names the folder)\n";
  return {};
}

bool Python(const std::string& modules, const std::string& script) {
  const TempFolder folder;
  const auto run = [&](const std::string& text) {
    WriteBytes(folder / "script.py", text);
    std::FILE* pipe = popen(("/usr/bin/python3 " + (folder / "script.py") + " 2>&1").c_str(), "r");
    if (pipe == nullptr) return std::pair<int, std::string>{-1, "popen failed"};
    std::string output;
    std::array<char, 4096> buffer{};
    for (std::size_t got; (got = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
      output.append(buffer.data(), got);
    return std::pair<int, std::string>{pclose(pipe), output};
  };
  if (run("import " + modules + "\n").first != 0) {
    std::cerr << "SKIPPED: /usr/bin/python3 cannot import " << modules << ": this file was not compared with it\n";
    return false;
  }
  const auto [code, output] = run("import " + modules + "\n" + script);
  if (code != 0) throw std::runtime_error("Python disagrees: " + output);
  return true;
}

}  // namespace dvren::io::test
