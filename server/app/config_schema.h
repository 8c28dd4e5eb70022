// The configuration's keys, once: reading, checking and printing are visitors of one description, so that a key cannot
// be read but not printed, or documented with another range than it is checked with.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "server/app/config.h"

namespace dvren::server {

// What is wrong with a value, as a remedy ("must be …"); "" when nothing is.
using TextCheck = std::string (*)(const std::string& value);

class ConfigVisitor {
 public:
  virtual ~ConfigVisitor() = default;
  virtual void Section(const char* key, const std::function<void()>& visit) = 0;
  // A list of maps: `resize` makes it `n` long, `visit` describes element i.
  virtual void SectionList(const char* key, std::size_t size, const std::function<void(std::size_t n)>& resize,
                           const std::function<void(std::size_t i)>& visit) = 0;
  virtual void Int(const char* key, int* value, int min, int max) = 0;
  virtual void Bytes(const char* key, std::uint64_t* value, std::uint64_t min, std::uint64_t max) = 0;
  virtual void Flag(const char* key, bool* value) = 0;
  virtual void Text(const char* key, std::string* value, TextCheck check) = 0;
  // A text that may hold a password: whoever shows it shows WithoutPassword of it.
  virtual void Url(const char* key, std::string* value, TextCheck check) = 0;
  // Of an element of a list: it makes no sense without.
  virtual void RequiredText(const char* key, std::string* value, TextCheck check) { Text(key, value, check); }
  virtual void OptionalText(const char* key, std::optional<std::string>* value, TextCheck check) = 0;
  virtual void TextList(const char* key, std::vector<std::string>* value, TextCheck check) = 0;
  virtual void Level(const char* key, LogLevel* value) = 0;
};

void DescribeConfig(Config& config, ConfigVisitor& visitor);

// What one key cannot say alone: a certificate without its key, TCP beyond loopback without TLS, and so on.
// INVALID_ARGUMENT `key = value: remedy`.
[[nodiscard]] absl::Status CheckTogether(const Config& config);

// Names of log levels, in the order of the enum.
[[nodiscard]] const std::vector<std::string>& LogLevelNames();

}  // namespace dvren::server
