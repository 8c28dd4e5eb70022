// The URL of a shared job queue, postgresql://user:password@host:port/database?option=value, as text: what is wrong
// with one, and how it may be shown.
#pragma once

#include <string>

namespace dvren::server {

[[nodiscard]] bool IsQueueUrl(const std::string& text);
// What is wrong with `jobs.store`, as a remedy; "" when nothing is. Stricter than libpq, which takes a piece of a
// password with an unescaped '/' or '@' for a port or a database, and then shows it.
[[nodiscard]] std::string CheckJobsStore(const std::string& text);
// With "***" for what may be a password, in malformed ones too.
[[nodiscard]] std::string WithoutPassword(const std::string& text);

}  // namespace dvren::server
