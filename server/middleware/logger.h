// Logger: one JSON object per line. time is RFC 3339 UTC with milliseconds; then level, msg and the fields given.
// Thread-safe; a line is written in one piece. Bytes that are not UTF-8 become U+FFFD, so that every line is valid
// JSON.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/statusor.h"
#include "server/app/config.h"

namespace dvren::server {

struct LogField {
  std::string key;
  std::variant<std::string, std::int64_t, double, bool> value;

  LogField(std::string k, std::string v) : key(std::move(k)), value(std::move(v)) {}
  LogField(std::string k, std::string_view v) : key(std::move(k)), value(std::string(v)) {}
  LogField(std::string k, const char* v) : key(std::move(k)), value(std::string(v)) {}
  LogField(std::string k, std::int64_t v) : key(std::move(k)), value(v) {}
  LogField(std::string k, int v) : key(std::move(k)), value(std::int64_t{v}) {}
  LogField(std::string k, double v) : key(std::move(k)), value(v) {}
  LogField(std::string k, bool v) : key(std::move(k)), value(v) {}
};

class Logger {
 public:
  // stderr, or appends to config.file. UNAVAILABLE when the file cannot be opened.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Logger>> Open(const LogConfig& config);
  // Lines go to `write`, newline included; for tests.
  [[nodiscard]] static std::unique_ptr<Logger> ForTest(LogLevel level, std::function<void(std::string_view)> write);
  ~Logger();

  [[nodiscard]] bool enabled(LogLevel level) const;
  void Log(LogLevel level, std::string_view message, std::span<const LogField> fields);
  void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {}) {
    Log(level, message, std::span<const LogField>(fields.begin(), fields.size()));
  }
  void Debug(std::string_view m, std::initializer_list<LogField> f = {}) { Log(LogLevel::kDebug, m, f); }
  void Info(std::string_view m, std::initializer_list<LogField> f = {}) { Log(LogLevel::kInfo, m, f); }
  void Warn(std::string_view m, std::initializer_list<LogField> f = {}) { Log(LogLevel::kWarn, m, f); }
  void Error(std::string_view m, std::initializer_list<LogField> f = {}) { Log(LogLevel::kError, m, f); }

 private:
  struct Impl;
  explicit Logger(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace dvren::server
