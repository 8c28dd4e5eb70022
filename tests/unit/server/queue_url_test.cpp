#include "server/app/queue_url.h"

#include <catch2/catch.hpp>

#include "server/app/config.h"

namespace dvren::server {
namespace {

TEST_CASE("A queue is sqlite or a PostgreSQL URL") {
  for (const char* good :
       {"sqlite", "postgresql://db/queue", "postgres://u@db:5432/queue", "postgresql://u:p@/q?host=/run/pg",
        "postgresql://u:a%2Fb%40c@[::1]:5432/q", "postgresql://a:1,b:2/q?target_session_attrs=primary"}) {
    CAPTURE(good);
    CHECK(CheckJobsStore(good).empty());
  }
  for (const char* bad : {"", "mysql://db/q", "postgresql://db", "postgresql://db/", "postgresql:db/q", "SQLite",
                          "postgresql://u:a/b@db/q", "postgresql://u:a@b@db/q", "postgresql://db:port/q",
                          "postgresql://u:a b@db/q", "postgresql://db/q/r", "postgresql://[::1/q"}) {
    CAPTURE(bad);
    CHECK_FALSE(CheckJobsStore(bad).empty());
  }
}

TEST_CASE("A password is not shown, in malformed URLs neither") {
  CHECK(WithoutPassword("postgresql://u:secret@db/q") == "postgresql://u:***@db/q");
  CHECK(WithoutPassword("postgresql://u@db:5432/q") == "postgresql://u@db:5432/q");
  CHECK(WithoutPassword("postgresql://u@db/q?password=secret&sslmode=require") ==
        "postgresql://u@db/q?password=***&sslmode=require");
  for (const char* url : {"postgresql://u:se/cret@db/q", "postgresql://u:s@ecret@db/q", "postgresq://u:secret@db/q",
                          "u:secret@db/q", "postgresql:u:secret@db", "postgresql://db/q?sslpassword=secret"}) {
    CAPTURE(url);
    const std::string shown = WithoutPassword(url);
    CHECK(shown.find("cret") == std::string::npos);
  }
}

TEST_CASE("A configuration shows the password of its queue nowhere") {
  Config config;
  config.jobs.store = "postgresql://u:secret@db/q";
  config.store.objects = "/srv/objects";
  CHECK(ValidateConfig(config).ok());
  CHECK(ConfigToYaml(config).find("secret") == std::string::npos);
  CHECK(ConfigToYaml(config).find("postgresql://u:***@db/q") != std::string::npos);
  CHECK(ConfigToJsonForLog(config).find("secret") == std::string::npos);
  const std::string yaml = "jobs: {store: \"postgresq://u:secret@db/q\"}\n";
  const std::string from_file(ParseConfig(yaml, "f").status().message());
  CHECK(from_file.find("f:1: jobs.store = postgresq://u:***@db/q: must be sqlite, or postgresql://") == 0);
  config.jobs.store = "postgresq://u:secret@db/q";
  const std::string whole(ValidateConfig(config).message());
  CHECK(whole.find("jobs.store = postgresq://u:***@db/q: must be") == 0);
}

TEST_CASE("A shared queue without a shared folder is refused, and the folder without the queue") {
  Config config;
  config.jobs.store = "postgresql://db/q";
  const std::string without(ValidateConfig(config).message());
  CHECK(without.find("store.objects = \"\": ") == 0);
  CHECK(without.find("name a folder") != std::string::npos);
  config.jobs.store = "sqlite";
  config.store.objects = "/srv/objects";
  const std::string alone(ValidateConfig(config).message());
  CHECK(alone.find("store.objects = /srv/objects: ") == 0);
  config.store.objects = "objects";
  CHECK(std::string(ValidateConfig(config).message()).find("absolute path") != std::string::npos);
}

}  // namespace
}  // namespace dvren::server
