#include "unit/jobs/postgres_server.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <thread>
#include <vector>

#include "server/jobs/postgres_connection.h"

namespace dvren::test {
namespace {

// The newest version's, "" for none.
std::string FindPrograms() {
  std::vector<std::filesystem::path> found;
  std::error_code ignored;
  for (const auto& version : std::filesystem::directory_iterator("/usr/lib/postgresql", ignored)) {
    if (std::filesystem::exists(version.path() / "bin/initdb", ignored)) found.push_back(version.path() / "bin");
  }
  return found.empty() ? std::string() : std::max_element(found.begin(), found.end())->string();
}

}  // namespace

std::unique_ptr<PostgresServer> PostgresServer::Start() {
  std::unique_ptr<PostgresServer> server(new PostgresServer());
  server->programs_ = FindPrograms();
  server->user_ = geteuid();
  server->group_ = getegid();
  if (server->user_ == 0) {
    const passwd* const entry = getpwnam("postgres");
    if (entry == nullptr) server->programs_.clear();
    if (entry != nullptr) server->user_ = entry->pw_uid;
    if (entry != nullptr) server->group_ = entry->pw_gid;
  }
  if (server->programs_.empty()) {
    std::cout << "SKIPPED for PostgreSQL: it is not installed; apt-get install postgresql\n";
    return nullptr;
  }
  const std::string& folder = server->folder_.path();
  if (chown(folder.c_str(), server->user_, server->group_) != 0) throw std::runtime_error("cannot chown " + folder);
  const pid_t made = server->Spawn("initdb", "-D " + folder + "/data -U dvren -A trust -E UTF8 --locale=C --no-sync");
  int status = 0;
  if (waitpid(made, &status, 0) != made || status != 0) throw std::runtime_error("initdb failed");
  server->RunServer();
  return server;
}

PostgresServer::~PostgresServer() {
  Crash();
}

void PostgresServer::Crash() {
  if (server_ <= 0) return;
  kill(server_, SIGQUIT);  // at once, without a checkpoint
  waitpid(server_, nullptr, 0);
  server_ = -1;
}

void PostgresServer::Restart() {
  RunServer();
}

std::string PostgresServer::NewDatabase() {
  const std::string name = "queue" + std::to_string(++databases_);
  const auto connection = server::PostgresConnection::Open(Url("postgres"));
  if (!connection.ok() || !(*connection)->Run("CREATE DATABASE " + name).ok()) {
    throw std::runtime_error("cannot create a database");
  }
  return Url(name);
}

std::string PostgresServer::Url(const std::string& database) const {
  return "postgresql://dvren@/" + database + "?host=" + folder_.path();
}

pid_t PostgresServer::Spawn(const std::string& program, const std::string& arguments) const {
  const std::string command = "exec " + programs_ + "/" + program + " " + arguments;
  const std::string& folder = folder_.path();
  const pid_t child = fork();
  if (child != 0) return child;
  // Ends with the test, however that ends.
  const bool user = geteuid() != 0 || (setgroups(0, nullptr) == 0 && setgid(group_) == 0 && setuid(user_) == 0);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (!user || null < 0 || chdir(folder.c_str()) != 0 || prctl(PR_SET_PDEATHSIG, SIGQUIT) != 0) _exit(126);
  dup2(null, STDIN_FILENO);
  dup2(null, STDOUT_FILENO);
  dup2(null, STDERR_FILENO);
  execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
  _exit(127);
}

void PostgresServer::RunServer() {
  server_ = Spawn("postgres", "-D " + folder_.path() + "/data -k " + folder_.path() + " -c listen_addresses=''");
  for (int i = 0; i < 300; ++i) {
    if (server::PostgresConnection::Open(Url("postgres")).ok()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  throw std::runtime_error("the PostgreSQL server did not start");
}

}  // namespace dvren::test
