#include "completion.h"

#include <unistd.h>

#include <CLI/App.hpp>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "command_line.h"

namespace dvren::ctl {
namespace {

std::vector<CompletionNode> Tree() {
  Session session;
  return CompletionTree(*MakeApp(session));
}

// What bash offers after `words`, the last of which is being typed. A stand-in for dvrenctl lists two fields.
std::string BashOffers(const std::string& words) {
  const std::string script =
      (std::filesystem::temp_directory_path() / ("dvrenctl_completion_" + std::to_string(::getpid()))).string();
  std::ofstream(script) << BashCompletion(Tree()) << R"(
dvrenctl() { echo smoke; echo bunny; }
COMP_WORDS=()" << words << R"()
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
compopt() { :; }
_dvrenctl
echo "${COMPREPLY[@]}"
)";
  FILE* pipe = ::popen(("bash --norc " + script).c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string offers;
  for (int c; (c = std::fgetc(pipe)) != EOF;) offers += static_cast<char>(c);
  CHECK(::pclose(pipe) == 0);
  std::filesystem::remove(script);
  if (!offers.empty()) offers.pop_back();
  return offers;
}

bool ParsedBy(const std::string& shell, const std::string& script_text) {
  const std::string script =
      (std::filesystem::temp_directory_path() / ("dvrenctl_script_" + std::to_string(::getpid()))).string();
  std::ofstream(script) << script_text;
  const bool ok = std::system((shell + " -n " + script).c_str()) == 0;
  std::filesystem::remove(script);
  return ok;
}

TEST_CASE("The bash completion script is bash") {
  CHECK(ParsedBy("bash", BashCompletion(Tree())));
}

TEST_CASE("The zsh and fish completion scripts are theirs, where those shells are") {
  for (const auto& [shell, text] :
       {std::pair{"zsh", ZshCompletion(Tree())}, std::pair{"fish", FishCompletion(Tree())}}) {
    if (std::system((std::string("command -v ") + shell + " >/dev/null").c_str()) != 0) {
      WARN("skipped: there is no " << shell << " on this machine");
      continue;
    }
    CHECK(ParsedBy(shell, text));
  }
}

TEST_CASE("Completion offers commands, options, choices and the daemon's fields") {
  CHECK(BashOffers("dvrenctl he") == "health");
  CHECK(BashOffers("dvrenctl field d") == "download delete");
  CHECK(BashOffers("dvrenctl field get ''") == "smoke bunny");
  CHECK(BashOffers("dvrenctl render sm") == "smoke");
  CHECK(BashOffers("dvrenctl field delete smoke bu") == "bunny");
  CHECK(BashOffers("dvrenctl render smoke --sampling s") == "stratified");
  CHECK(BashOffers("dvrenctl -o yaml render smoke --orbit-f") == "--orbit-frames");
  CHECK(BashOffers("dvrenctl render --width 30 b") == "bunny");
  CHECK(BashOffers("dvrenctl completion z") == "zsh");
  CHECK(BashOffers("dvrenctl info --output j") == "json");
}

TEST_CASE("Every command and option of the tree is in every script") {
  const auto tree = Tree();
  for (const std::string& script : {BashCompletion(tree), ZshCompletion(tree), FishCompletion(tree)}) {
    for (const CompletionNode& node : tree) {
      for (const std::string& command : node.commands) CHECK_THAT(script, Catch::Contains(command));
      for (const CompletionOption& option : node.options) {
        for (const std::string& name : option.names) {
          const std::string bare = name.substr(name.find_first_not_of('-'));
          CHECK(script.find(bare) != std::string::npos);
        }
      }
    }
  }
}

}  // namespace
}  // namespace dvren::ctl
