#include "server/middleware/logger.h"

#include <spdlog/formatter.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <cmath>
#include <cstdio>
#include <ctime>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "server/middleware/json_line.h"

namespace dvren::server {
namespace {

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarn:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

const char* LevelName(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace:
    case spdlog::level::debug:
      return "debug";
    case spdlog::level::info:
      return "info";
    case spdlog::level::warn:
      return "warn";
    default:
      return "error";
  }
}

// The payload is the rest of the object, `"msg":"…",…`, escaped where it was made: spdlog's "%v" escapes nothing.
class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& line) override {
    const auto since_epoch =
        std::chrono::duration_cast<std::chrono::milliseconds>(message.time.time_since_epoch()).count();
    const std::time_t seconds = since_epoch / 1000;
    std::tm utc{};
    gmtime_r(&seconds, &utc);
    char time[64];
    const int size = std::snprintf(time, sizeof(time), "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\",\"level\":\"",
                                   utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                                   static_cast<int>(since_epoch % 1000));
    line.append(time, time + size);
    const std::string_view level = LevelName(message.level);
    line.append(level.data(), level.data() + level.size());
    constexpr std::string_view kSeparator = "\",";
    line.append(kSeparator.data(), kSeparator.data() + kSeparator.size());
    line.append(message.payload.data(), message.payload.data() + message.payload.size());
    constexpr std::string_view kEnd = "}\n";
    line.append(kEnd.data(), kEnd.data() + kEnd.size());
  }
  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JsonFormatter>(); }
};

class FunctionSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FunctionSink(std::function<void(std::string_view)> write) : write_(std::move(write)) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    write_(std::string_view(line.data(), line.size()));
  }
  void flush_() override {}
  std::function<void(std::string_view)> write_;
};

std::string Payload(std::string_view message, std::span<const LogField> fields) {
  std::string payload = "\"msg\":";
  AppendJsonString(message, &payload);
  for (const LogField& field : fields) {
    payload += ',';
    AppendJsonString(field.key, &payload);
    payload += ':';
    if (const auto* text = std::get_if<std::string>(&field.value)) {
      AppendJsonString(*text, &payload);
    } else if (const auto* integer = std::get_if<std::int64_t>(&field.value)) {
      absl::StrAppend(&payload, *integer);
    } else if (const auto* flag = std::get_if<bool>(&field.value)) {
      payload += *flag ? "true" : "false";
    } else {
      const double number = std::get<double>(field.value);
      // JSON has no infinities and no NaN.
      if (std::isfinite(number)) {
        absl::StrAppend(&payload, number);
      } else {
        payload += "null";
      }
    }
  }
  return payload;
}

}  // namespace

struct Logger::Impl {
  explicit Impl(LogLevel level, spdlog::sink_ptr sink) : spd("dvrend", std::move(sink)) {
    spd.set_formatter(std::make_unique<JsonFormatter>());
    spd.set_level(ToSpdlog(level));
    // A line that is not on disk when the daemon dies is a line that nobody can read.
    spd.flush_on(spdlog::level::trace);
    spd.set_error_handler([](const std::string& error) { std::fprintf(stderr, "dvrend: log: %s\n", error.c_str()); });
  }
  spdlog::logger spd;
};

Logger::Logger(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Logger::~Logger() = default;

absl::StatusOr<std::unique_ptr<Logger>> Logger::Open(const LogConfig& config) {
  try {
    spdlog::sink_ptr sink;
    if (config.file.empty()) {
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    } else {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(config.file);
    }
    return std::unique_ptr<Logger>(new Logger(std::make_unique<Impl>(config.level, std::move(sink))));
  } catch (const spdlog::spdlog_ex& error) {
    return absl::UnavailableError(
        absl::StrCat("log.file = ", config.file, ": cannot be opened (", error.what(), "); give a writable path"));
  }
}

std::unique_ptr<Logger> Logger::ForTest(LogLevel level, std::function<void(std::string_view)> write) {
  return std::unique_ptr<Logger>(
      new Logger(std::make_unique<Impl>(level, std::make_shared<FunctionSink>(std::move(write)))));
}

bool Logger::enabled(LogLevel level) const {
  return impl_->spd.should_log(ToSpdlog(level));
}

void Logger::Log(LogLevel level, std::string_view message, std::span<const LogField> fields) {
  if (!enabled(level)) return;
  const std::string payload = Payload(message, fields);
  impl_->spd.log(ToSpdlog(level), spdlog::string_view_t(payload.data(), payload.size()));
}

}  // namespace dvren::server
