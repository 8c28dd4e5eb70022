#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "server/app/config.h"

namespace dvren::server {
namespace {

std::string ReadSource(const std::string& path) {
  std::ifstream file(std::string(DVREN_SOURCE_DIR) + "/" + path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST_CASE("What is printed reads back to the same configuration") {
  Config config;
  config.listen = {"127.0.0.1:1", "unix:/tmp/a \"quoted\" path"};
  config.metrics = "";
  config.data_dir = "/tmp/ü: # {weird}";
  config.roots = {"/a\\b", "/c\nd"};
  config.threads = 3;
  config.limits.memory_bytes = 123456789;
  config.log = {LogLevel::kWarn, "/x"};
  config.reflection = false;
  config.insecure = true;
  config.auth.tokens = {{"a", std::string(64, 'a')}, {"b", std::string(64, 'b')}};
  config.tenants = {{"a", 3}};
  for (const Config& original : {Config{}, config}) {
    const std::string yaml = ConfigToYaml(original);
    INFO(yaml);
    const absl::StatusOr<Config> again = ParseConfig(yaml, "printed");
    INFO(again.status().message());
    REQUIRE(again.ok());
    CHECK(*again == original);
  }
}

TEST_CASE("The log shows no whole token hash") {
  Config config;
  config.auth.tokens = {{"alice", std::string(64, 'a')}};
  const std::string json = ConfigToJsonForLog(config);
  CHECK(json.find("alice") != std::string::npos);
  CHECK(json.find(std::string(9, 'a')) == std::string::npos);
  CHECK(json.find('\n') == std::string::npos);
}

TEST_CASE("The commented example in configs is the default configuration") {
  const absl::StatusOr<Config> example = ParseConfig(ReadSource("configs/dvrend.yaml"), "configs/dvrend.yaml");
  INFO(example.status().message());
  REQUIRE(example.ok());
  Config expected;
  expected.metrics = kDefaultMetricsAddress;
  CHECK(*example == expected);
}

TEST_CASE("The demo configuration is valid") {
  const absl::StatusOr<Config> demo = ParseConfig(ReadSource("configs/dvrend.demo.yaml"), "configs/dvrend.demo.yaml");
  INFO(demo.status().message());
  REQUIRE(demo.ok());
  CHECK(ValidateConfig(*demo).ok());
}

}  // namespace
}  // namespace dvren::server
